/* SPDX-License-Identifier: ISC */
#include "imap/harvest.h"

#include "base/limits.h"
#include "mail/header.h"

/* -- what imap/match gives ------------------------------------------------- */

static void
on_text(void *ctx, struct slice folded)
{
	struct harvest *h = ctx;

	if (terms_feed(&h->body_terms, folded) != BUF_OK)
		h->is_partial = true;
}

static void
on_text_end(void *ctx)
{
	struct harvest *h = ctx;

	if (terms_end(&h->body_terms) != BUF_OK)
		h->is_partial = true;
}

/* What is too long to be folded is found by nobody. */
static void
add_field(struct harvest *h, struct slice text)
{
	struct buf folded;
	int r = match_field_text(text, &folded);

	if (r == BUF_OK) {
		r = terms_feed(&h->header_terms, buf_slice(&folded));
		if (r == BUF_OK)
			r = terms_end(&h->header_terms);
	}
	if (r < 0)
		h->is_partial = true;
	buf_deinit(&folded);
}

static void
on_field(void *ctx, struct slice field)
{
	add_field(ctx, field);
}

/* -- a message ------------------------------------------------------------- */

void
harvest_init(struct harvest *h, uint64_t seed)
{
	*h = (struct harvest){ 0 };
	terms_set_init(&h->body, HARVEST_BODY_MAX, seed);
	terms_set_init(&h->header, HARVEST_HEADER_MAX, seed + 1);
	buf_init(&h->head, LIMIT_HEADER);
	arena_init(&h->arena, MIME_MEMORY);
	h->sink = (struct match_sink){ on_text, on_text_end, on_field, h };
}

static void
forget(struct harvest *h)
{
	if (h->mime != NULL)
		match_body_deinit(&h->match);
	h->mime = NULL;
	arena_reset(&h->arena);
	buf_reset(&h->head, LIMIT_CHUNK);
}

void
harvest_deinit(struct harvest *h)
{
	forget(h);
	buf_deinit(&h->head);
	terms_set_deinit(&h->body);
	terms_set_deinit(&h->header);
}

void
harvest_begin(struct harvest *h)
{
	forget(h);
	terms_set_reset(&h->body);
	terms_set_reset(&h->header);
	terms_init(&h->body_terms, terms_set_add, &h->body);
	terms_init(&h->header_terms, terms_set_add, &h->header);
	h->is_partial = h->has_head = false;
	h->mime = mime_new(&h->arena);
	if (h->mime == NULL) {
		h->is_partial = true;
		return;
	}
	match_body_init(&h->match, NULL, 0);
	h->match.sink = &h->sink;
	mime_watch(h->mime, NULL, match_body_feed, &h->match);
	mime_watch_inner(h->mime, match_body_inner);
}

/* The fields, by their whole and by their bodies: an encoded word may be one
 * only where no name stands before it. */
static void
add_head(struct harvest *h)
{
	struct slice section = buf_slice(&h->head);
	struct header_field field;

	h->has_head = true;
	while (header_next(&section, &field)) {
		add_field(h, field.whole);
		add_field(h, field.body);
	}
	buf_reset(&h->head, LIMIT_CHUNK);
}

static void
feed_head(struct harvest *h, struct slice bytes)
{
	struct slice piece = slice_upto(bytes, LIMIT_HEADER - h->head.len);

	if (buf_add(&h->head, piece) != BUF_OK) {
		h->is_partial = h->has_head = true;
		return;
	}
	if (h->head.len == LIMIT_HEADER ||
	    header_len(buf_slice(&h->head)) < h->head.len)
		add_head(h);
}

void
harvest_feed(struct harvest *h, struct slice bytes)
{
	if (h->mime == NULL)
		return;
	if (!h->has_head)
		feed_head(h, bytes);
	mime_feed(h->mime, bytes);
}

void
harvest_end(struct harvest *h)
{
	struct mime_tree tree;

	if (h->mime == NULL)
		return;
	if (!h->has_head)
		add_head(h);
	(void)mime_end(h->mime, &tree);
	match_body_end(&h->match);
	h->is_partial |= h->match.is_broken || h->arena.starved ||
	    h->body.is_full || h->header.is_full;
	forget(h);
}
