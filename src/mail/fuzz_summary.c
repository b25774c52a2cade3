/* SPDX-License-Identifier: ISC */
/*
 * fuzz_summary - a blob from a taken-over front: no reader believes it
 *
 * The first two octets are the size of the message that it claims to be of.
 */
#include <stdlib.h>

#include "mail/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_tree(const struct mime_tree *tree, uint64_t size)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];

		if (p->offset > size || p->header_len > size - p->offset ||
		    p->body_len > size - p->offset - p->header_len)
			abort();
		if (p->first_child != MIME_NONE &&
		    (p->first_child <= i || p->first_child >= tree->n))
			abort();
		if (p->next_sibling != MIME_NONE &&
		    (p->next_sibling <= i || p->next_sibling >= tree->n))
			abort();
		if (p->kind == MIME_MESSAGE &&
		    (p->n_children != 1 ||
			tree->parts[p->first_child].envelope == NULL))
			abort();
	}
	if (tree->n == 0 || tree->parts[0].envelope == NULL)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), head;
	struct summary_columns c;
	struct mime_tree tree;
	struct envelope e;
	struct arena a;
	uint64_t size;

	if (!slice_take(&in, 2, &head))
		return 0;
	size = (uint64_t)head.at[0] << 8 | head.at[1];
	arena_init(&a, SUMMARY_ARENA);
	if (summary_columns_read(in, &c) &&
	    (c.lines > c.size || c.header_len > c.size ||
		!slice_is_utf8(c.base_subject) || !slice_is_utf8(c.preview) ||
		c.n_references > SUMMARY_REFERENCES))
		abort();
	if (summary_envelope(in, &a, &e) && e.from.n > ADDRESS_MAX + 1)
		abort();
	if (summary_tree(in, size, &a, &tree))
		check_tree(&tree, size);
	arena_reset(&a);
	return 0;
}
