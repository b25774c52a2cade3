/* SPDX-License-Identifier: ISC */
/*
 * imap/fetch_place - where things lie in a message, before they are fetched
 *
 * From its summary, which is read ahead for several messages; where that is
 * missing, cut or nonsense, from the bytes, parsed window by window. Nothing
 * of a summary is believed that does not fit the size of the message.
 */
#include <string.h>

#include "base/limits.h"
#include "imap/fetch_impl.h"
#include "mail/summary.h"

/* -- where things lie
 * ------------------------------------------------------------ */

static bool
keep_detail(struct fetch *f, const struct imap_detail *d)
{
	struct fetch_detail head = { .uid = d->uid,
		.len = (uint32_t)d->summary.len,
		.thread = d->thread,
		.saved_at = d->saved_at,
		.id = d->id };

	f->kept_to = d->uid;
	return buf_add(&f->ahead, slice_of(&head, sizeof(head))) == BUF_OK &&
	    buf_add(&f->ahead, d->summary) == BUF_OK;
}

/* Those that do not fit are asked for again. */
static bool
has_room(const struct fetch *f, const struct imap_detail *d)
{
	return buf_room(&f->ahead) >=
	    sizeof(struct fetch_detail) + d->summary.len;
}

static void
then_details(struct imap_session *s, const struct imap_answer *a)
{
	struct fetch *f = s->fetch;

	if (a->result != IMAP_OK && a->result != IMAP_EXPUNGED)
		f->has_trouble = true;
	for (size_t i = 0; i < a->n_details && !f->is_ahead_full; i++) {
		if (f->ahead.len > 0 && !has_room(f, &a->details[i])) {
			f->is_ahead_full = true;
			f->asked_to = f->kept_to;
		} else if (!keep_detail(f, &a->details[i])) {
			imap_fatal(s, NULL);
			return;
		}
	}
	if (!a->more)
		s->more = imap_fetch_more;
}

/* How much of each summary is of use. */
static uint64_t
summary_wanted(const struct fetch *f)
{
	if (f->needs_tree || f->needs_envelope)
		return LIMIT_SUMMARY;
	if (f->wants_preview) /* which stands behind the rest */
		return 2 * SUMMARY_HEAD;
	return f->needs_layout ? SUMMARY_HEAD : 0;
}

/* The present row and those behind it. */
static enum fetch_step
ask_details(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct imap_range ranges[IMAP_ASK_SUMMARIES];
	struct imap_ask question = { .what = IMAP_ASK_DETAILS,
		.uids = ranges,
		.length = summary_wanted(f) };
	size_t row = f->row, n = 0;

	for (size_t p = f->pick; p < s->picks.n && n < IMAP_ASK_SUMMARIES;) {
		const struct imap_row *r = &s->view.rows[row];

		if ((r->state & IMAP_ROW_GONE) == 0) {
			ranges[n++] = (struct imap_range){ r->uid, r->uid };
			f->asked_to = r->uid;
		}
		if (++row > s->picks.at[p].hi && ++p < s->picks.n)
			row = s->picks.at[p].lo;
	}
	question.n_uids = n;
	buf_reset(&f->ahead, FETCH_AHEAD);
	f->is_ahead_full = false;
	(void)fetch_ask(s, &question, then_details);
	return FETCH_WAITS;
}

/* The detail of the present row off the front of what was read ahead. */
static bool
take_detail(struct imap_session *s, struct slice *ret_summary)
{
	struct fetch *f = s->fetch;
	struct fetch_detail d;

	for (;;) {
		struct slice rest = buf_slice(&f->ahead), head;

		if (!slice_take(&rest, sizeof(d), &head))
			return false;
		memcpy(&d, head.at, sizeof(d));
		if (d.uid > fetch_present(s)->uid)
			return false;
		(void)slice_take(&rest, d.len, ret_summary);
		if (d.uid == fetch_present(s)->uid)
			break;
		buf_eat(&f->ahead, sizeof(d) + d.len);
	}
	f->id = d.id;
	f->thread = d.thread;
	f->saved_at = d.saved_at;
	return true;
}

/* False: memory. */
static bool
keep_preview(struct fetch *f, struct slice text)
{
	buf_reset(&f->preview_text, SUMMARY_PREVIEW);
	f->has_preview = buf_add(&f->preview_text, text) == BUF_OK;
	return f->has_preview;
}

static void
use_summary(struct fetch *f, struct slice blob)
{
	struct summary_columns columns;

	if (!summary_head_read(blob, &columns) || columns.size != f->size ||
	    columns.header_len > f->size)
		return;
	f->header_len = columns.header_len;
	if (f->wants_preview && !keep_preview(f, columns.preview))
		return;
	if (f->needs_tree) {
		f->has_tree = summary_tree(blob, f->size, &f->arena, &f->tree);
		if (!f->has_tree)
			return;
	}
	if (f->needs_envelope) {
		f->has_envelope =
		    summary_envelope(blob, &f->arena, &f->envelope);
		if (!f->has_envelope)
			return;
	}
	f->is_placed = true;
}

static void
then_parse(struct imap_session *s, const struct imap_answer *a)
{
	struct fetch *f = s->fetch;

	if (a->result != IMAP_OK)
		f->is_broken = true;
	if (!f->is_broken && a->bytes.len <= f->window_end - f->at) {
		mime_feed(f->mime, a->bytes);
		f->at += a->bytes.len;
	}
	if (a->more)
		return;
	if (f->at != f->window_end)
		f->is_broken = true;
	if (f->is_broken && a->result != IMAP_EXPUNGED)
		f->has_trouble = true;
	s->more = imap_fetch_more;
}

enum fetch_step
fetch_ask_window(struct imap_session *s, imap_then_fn *then)
{
	struct fetch *f = s->fetch;
	uint64_t n = f->end - f->at;
	struct imap_ask question = { .what = IMAP_ASK_BODY,
		.uid = fetch_present(s)->uid,
		.offset = f->at };

	if (fetch_ahead(s, then))
		return FETCH_WAITS;
	question.length = n < IMAP_ASK_BYTES ? n : IMAP_ASK_BYTES;
	f->window_end = f->at + question.length;
	(void)fetch_ask(s, &question, then);
	return FETCH_WAITS;
}

static enum fetch_step
finish_parse(struct fetch *f)
{
	static const struct envelope none = { 0 };

	(void)mime_end(f->mime, &f->tree);
	f->mime = NULL;
	if (f->arena.starved) { /* a tree, but not this message's */
		f->has_trouble = true;
		return FETCH_SKIP;
	}
	f->header_len = f->tree.parts[0].header_len;
	f->envelope = f->tree.parts[0].envelope != NULL
	    ? *f->tree.parts[0].envelope
	    : none;
	buf_reset(&f->preview_text, SUMMARY_PREVIEW);
	if (f->needs_preview) {
		f->has_preview = preview_end(&f->preview, SUMMARY_PREVIEW,
				     &f->preview_text) == BUF_OK;
		f->has_trouble |= !f->has_preview;
	}
	f->has_tree = f->has_envelope = f->is_placed = true;
	return FETCH_READY;
}

static void
on_body(void *ctx, const struct mime_part *part, struct slice bytes)
{
	struct fetch *f = ctx;

	preview_feed(&f->preview, part, bytes);
}

/* No summary, or one that does not hold it all: the bytes tell. */
static enum fetch_step
parse_bytes(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	if (f->mime == NULL) {
		arena_reset(&f->arena);
		f->mime = mime_new(&f->arena);
		preview_deinit(&f->preview);
		preview_init(&f->preview);
		if (f->mime != NULL && f->needs_preview)
			mime_watch(f->mime, NULL, on_body, f);
		f->at = 0;
		f->end = f->size;
		f->is_broken = false;
	}
	if (f->mime == NULL)
		f->has_trouble = true;
	if (f->mime == NULL || f->is_broken)
		return FETCH_SKIP;
	return f->at < f->end ? fetch_ask_window(s, then_parse)
			      : finish_parse(f);
}

enum fetch_step
fetch_place(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct slice summary;

	if (!f->needs_detail || f->is_placed)
		return FETCH_READY;
	if (f->mime != NULL)
		return parse_bytes(s);
	if (fetch_present(s)->uid > f->asked_to)
		return ask_details(s);
	if (!take_detail(s, &summary))
		return FETCH_SKIP;
	use_summary(f, summary);
	if (!f->needs_layout && !f->needs_preview)
		f->is_placed = true;
	return f->is_placed ? FETCH_READY : parse_bytes(s);
}
