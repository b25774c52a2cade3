/* SPDX-License-Identifier: ISC */
/*
 * fuzz_mime - any bytes, cut anyhow, have one tree whose parts lie in each
 * other; the summary gives the same tree back
 */
#include <stdlib.h>

#include "mail/mime.h"
#include "mail/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_part(const struct mime_tree *tree, size_t i)
{
	const struct mime_part *p = &tree->parts[i], *up;
	uint64_t end = p->offset + p->header_len + p->body_len;

	if (i == 0) {
		if (p->offset != 0 || end != tree->size)
			abort();
		return;
	}
	up = &tree->parts[p->parent];
	if (p->parent >= i || p->depth != up->depth + 1 ||
	    p->offset < up->offset + up->header_len ||
	    end > up->offset + up->header_len + up->body_len)
		abort();
	if ((up->kind == MIME_MESSAGE) != (p->envelope != NULL))
		abort();
	if (p->kind == MIME_MESSAGE && p->n_children != 1)
		abort();
}

static void
check_same(const struct mime_tree *a, const struct mime_tree *b)
{
	if (a->n != b->n || a->size != b->size || a->lines != b->lines)
		abort();
	for (size_t i = 0; i < a->n; i++) {
		const struct mime_part *x = &a->parts[i], *y = &b->parts[i];

		if (x->parent != y->parent || x->kind != y->kind ||
		    x->offset != y->offset || x->header_len != y->header_len ||
		    x->body_len != y->body_len || x->lines != y->lines ||
		    x->n_children != y->n_children ||
		    !slice_equal(x->type, y->type) ||
		    !slice_equal(x->id, y->id) || x->params.n != y->params.n)
			abort();
	}
}

/* Cut where the bytes themselves say. */
static void
parse_in_pieces(struct slice in, struct arena *a, struct mime_tree *ret)
{
	struct mime *m = mime_new(a);

	if (m == NULL)
		abort();
	while (in.len > 0) {
		size_t piece = 1 + (in.at[0] & 15);

		mime_feed(m, slice_upto(in, piece));
		in = slice_from(in, piece);
	}
	(void)mime_end(m, ret);
}

static void
check_summary(struct slice in, const struct mime_tree *whole, struct arena *a)
{
	struct summary_columns columns;
	struct mime_tree tree;
	struct buf blob;

	buf_init(&blob, LIMIT_SUMMARY);
	if (summary_make(in, &blob) != 0 ||
	    !summary_columns_read(buf_slice(&blob), &columns) ||
	    columns.size != in.len)
		abort();
	if (summary_tree(buf_slice(&blob), in.len, a, &tree))
		check_same(whole, &tree);
	else if (!whole->truncated && in.len < 1024)
		abort();
	buf_deinit(&blob);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);
	struct mime_tree whole, pieces;
	struct arena a;

	arena_init(&a, 8 * (size_t)MIME_MEMORY);
	if (!mime_parse(in, &a, &whole))
		abort();
	for (size_t i = 0; i < whole.n; i++)
		check_part(&whole, i);
	parse_in_pieces(in, &a, &pieces);
	check_same(&whole, &pieces);
	check_summary(in, &whole, &a);
	arena_reset(&a);
	return 0;
}
