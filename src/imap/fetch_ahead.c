/* SPDX-License-Identifier: ISC */
/*
 * imap/fetch_ahead - the bytes of the messages to come, asked for together
 *
 * A question for each message costs more than its bytes. So what small
 * messages hold is asked for many at a time: whole, or their header sections
 * where the command wants no more. Windows of bytes are then answered from
 * here. At most AHEAD_BYTES are kept; a message that did not fit, was not
 * there or could not be read is asked for by itself, as large ones are.
 */
#include <stdlib.h>

#include "imap/fetch_impl.h"

enum {
	AHEAD_BYTES = 256 * 1024,
	AHEAD_SMALL = 64 * 1024, /* larger messages go by windows */
	AHEAD_ROWS = 64          /* in one question */
};

struct ahead_item {
	uint32_t uid;
	bool is_lost, is_whole;
	size_t at, len; /* in bytes */
};

struct fetch_ahead {
	bool headers;      /* only these are wanted */
	uint32_t asked_to; /* uids up to here were asked for */
	struct buf bytes;
	struct ahead_item items[AHEAD_ROWS];
	size_t n, next; /* those before next were passed */
};

void
fetch_ahead_free(struct fetch *f)
{
	if (f->ahead_bytes == NULL)
		return;
	buf_deinit(&f->ahead_bytes->bytes);
	free(f->ahead_bytes);
	f->ahead_bytes = NULL;
}

static bool
is_header(const struct imap_fetch_item *item)
{
	return item->what == IMAP_ITEM_SECTION && item->n_path == 0 &&
	    (item->kind == IMAP_PART_HEADER || item->kind == IMAP_PART_FIELDS ||
		item->kind == IMAP_PART_FIELDS_NOT);
}

/* Without memory for it each message is asked for by itself. */
void
fetch_ahead_start(struct fetch *f, const struct imap_fetch_args *args)
{
	bool has_bytes = false, has_body = false;

	for (size_t i = 0; i < args->n; i++) {
		bool is_section = args->items[i].what == IMAP_ITEM_SECTION ||
		    args->items[i].what == IMAP_ITEM_BINARY;

		has_bytes |= is_section;
		has_body |= is_section && !is_header(&args->items[i]);
	}
	if (!has_bytes)
		return;
	f->ahead_bytes = calloc(1, sizeof(*f->ahead_bytes));
	if (f->ahead_bytes == NULL)
		return;
	f->ahead_bytes->headers = !has_body;
	buf_init(&f->ahead_bytes->bytes, AHEAD_BYTES);
}

/* A piece of a message; the pieces of each come one behind the other. */
static void
take_piece(struct fetch_ahead *h, const struct imap_answer *a)
{
	struct ahead_item *it = h->n > 0 ? &h->items[h->n - 1] : NULL;

	if (it == NULL || it->uid != a->uid) {
		if (h->n == AHEAD_ROWS)
			return;
		it = &h->items[h->n++];
		*it = (struct ahead_item){ .uid = a->uid, .at = h->bytes.len };
	}
	it->is_lost |=
	    a->result != IMAP_OK || buf_add(&h->bytes, a->bytes) != BUF_OK;
	if (!it->is_lost)
		it->len += a->bytes.len;
	it->is_whole = a->ends && !it->is_lost;
}

static void
then_ahead(struct imap_session *s, const struct imap_answer *a)
{
	if (a->uid != 0)
		take_piece(s->fetch->ahead_bytes, a);
	if (!a->more)
		s->more = imap_fetch_more;
}

/* The present row and those behind it, as far as they fit. */
static bool
ask_ahead(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct fetch_ahead *h = f->ahead_bytes;
	struct imap_range ranges[AHEAD_ROWS];
	struct imap_ask question = {
		.what = IMAP_ASK_BODIES, .headers = h->headers, .uids = ranges
	};
	size_t row = f->row, n = 0, bytes = 0;

	for (size_t p = f->pick; p < s->picks.n && n < AHEAD_ROWS;) {
		const struct imap_row *r = &s->view.rows[row];

		if ((r->state & IMAP_ROW_GONE) == 0 &&
		    (h->headers || r->size <= AHEAD_SMALL)) {
			bytes += h->headers ? 0 : r->size;
			if (bytes > AHEAD_BYTES)
				break;
			ranges[n++] = (struct imap_range){ r->uid, r->uid };
			h->asked_to = r->uid;
		}
		if (++row > s->picks.at[p].hi && ++p < s->picks.n)
			row = s->picks.at[p].lo;
	}
	question.n_uids = n;
	h->n = h->next = 0;
	buf_reset(&h->bytes, AHEAD_BYTES);
	return fetch_ask(s, &question, then_ahead);
}

/* What is there of the present message, or NULL. */
static const struct ahead_item *
find_item(struct fetch_ahead *h, uint32_t uid)
{
	while (h->next < h->n && h->items[h->next].uid < uid)
		h->next++;
	return h->next < h->n && h->items[h->next].uid == uid &&
		h->items[h->next].is_whole
	    ? &h->items[h->next]
	    : NULL;
}

/* All that is wanted of f->at to f->end at once, when it is there. */
static bool
answer_from(struct imap_session *s, const struct ahead_item *it,
    imap_then_fn *then)
{
	struct fetch *f = s->fetch;
	struct slice all =
	    slice_upto(slice_from(buf_slice(&f->ahead_bytes->bytes), it->at),
		it->len);
	struct imap_answer a = { .what = IMAP_ASK_BODY, .result = IMAP_OK };

	if (f->end > it->len)
		return false;
	a.bytes = slice_upto(slice_from(all, (size_t)f->at),
	    (size_t)(f->end - f->at));
	f->window_end = f->end;
	fetch_flush(s);
	if (s->state != IMAP_LOGGED_OUT)
		then(s, &a);
	return true;
}

bool
fetch_ahead(struct imap_session *s, imap_then_fn *then)
{
	struct fetch *f = s->fetch;
	struct fetch_ahead *h = f->ahead_bytes;
	const struct imap_row *row = fetch_present(s);
	const struct ahead_item *it;

	if (h == NULL || (!h->headers && row->size > AHEAD_SMALL))
		return false;
	if (row->uid > h->asked_to) {
		(void)ask_ahead(s);
		return true;
	}
	it = find_item(h, row->uid);
	return it != NULL && answer_from(s, it, then);
}
