/* SPDX-License-Identifier: ISC */
/*
 * imap/fetch - FETCH walks the rows that were picked
 *
 * For each it first gets what is needed to know where things lie (summaries,
 * for many messages at a time; the bytes themselves where a summary is missing
 * or cut), then writes the items one after the other. Bytes of small messages
 * are read ahead; of large ones they pass through in windows of 64 KiB, asked
 * for when the one before is on its way to the client.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/limits.h"
#include "imap/fetch_impl.h"
#include "imap/objectid.h"
#include "imap/quote.h"
#include "imap/structure.h"
#include "mail/summary.h"

void
imap_fetch_free(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	if (f == NULL)
		return;
	arena_reset(&f->arena);
	buf_deinit(&f->b);
	buf_deinit(&f->ahead);
	fetch_ahead_free(f);
	buf_deinit(&f->header);
	buf_deinit(&f->decoded);
	buf_deinit(&f->preview_text);
	preview_deinit(&f->preview);
	free(f);
	s->fetch = NULL;
}

void
fetch_flush(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	imap_say_buf(s, &f->b);
	if (s->fetch != NULL)
		buf_reset(&f->b, FETCH_PIECE * 2);
}

bool
fetch_ask(struct imap_session *s, const struct imap_ask *question,
    imap_then_fn *then)
{
	fetch_flush(s);
	return s->state != IMAP_LOGGED_OUT && imap_ask(s, question, then);
}

const struct imap_row *
fetch_present(const struct imap_session *s)
{
	return &s->view.rows[s->fetch->row];
}

/* -- the walk
 * ------------------------------------------------------------------ */

/* To the next row that is still there; false behind the last. */
static bool
next_row(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	for (;;) {
		if (f->is_first && f->pick < s->picks.n)
			f->row = s->picks.at[f->pick].lo;
		else
			f->row++;
		f->is_first = false;
		if (f->pick >= s->picks.n)
			return false;
		if (f->row > s->picks.at[f->pick].hi) {
			f->pick++;
			f->is_first = true;
			continue;
		}
		if ((fetch_present(s)->state & IMAP_ROW_GONE) == 0)
			break;
		s->has_missed = true;
	}
	arena_reset(&f->arena);
	buf_reset(&f->header, 0);
	f->in_row = true;
	f->has_begun = f->is_placed = f->has_tree = f->has_envelope = false;
	f->is_reading = f->has_preview = false;
	f->mime = NULL;
	f->item = 0;
	f->size = fetch_present(s)->size;
	return true;
}

/* -- items
 * ----------------------------------------------------------------------------
 */

/* NIL: not without reading the message, which LAZY does not want. */
static int
put_preview(struct fetch *f)
{
	if (!f->has_preview)
		return buf_add_cstr(&f->b, "NIL");
	return imap_put_string(&f->b, buf_slice(&f->preview_text));
}

static int
put_small(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	const struct imap_row *row = fetch_present(s);
	char text[IMAP_OBJECTID];
	int r;

	switch (item->what) {
	case IMAP_ITEM_FLAGS:
		return imap_put_flags(s, row, &f->b);
	case IMAP_ITEM_UID:
		return buf_printf(&f->b, "UID %u", row->uid);
	case IMAP_ITEM_SIZE:
		return buf_printf(&f->b, "RFC822.SIZE %u", row->size);
	case IMAP_ITEM_MODSEQ:
		return buf_printf(&f->b, "MODSEQ (%" PRIu64 ")", row->modseq);
	case IMAP_ITEM_INTERNALDATE:
		r = buf_add_cstr(&f->b, "INTERNALDATE ");
		return r | imap_put_date_time(&f->b, row->date, row->zone);
	case IMAP_ITEM_ENVELOPE:
		r = buf_add_cstr(&f->b, "ENVELOPE ");
		return r | imap_put_envelope(&f->b, &f->envelope);
	case IMAP_ITEM_BODY:
		r = buf_add_cstr(&f->b, "BODY ");
		return r | imap_put_structure(&f->b, &f->tree, false);
	case IMAP_ITEM_BODYSTRUCTURE:
		r = buf_add_cstr(&f->b, "BODYSTRUCTURE ");
		return r | imap_put_structure(&f->b, &f->tree, true);
	case IMAP_ITEM_SAVEDATE:
		r = buf_add_cstr(&f->b, "SAVEDATE ");
		return r | imap_put_date_time(&f->b, f->saved_at, 0);
	case IMAP_ITEM_EMAILID:
		imap_emailid_print(&f->id, text);
		return buf_printf(&f->b, "EMAILID (%s)", text);
	case IMAP_ITEM_THREADID:
		imap_threadid_print(f->thread, text);
		return buf_printf(&f->b,
		    f->thread == 0 ? "THREADID NIL" : "THREADID (%s)", text);
	case IMAP_ITEM_PREVIEW:
		r = buf_add_cstr(&f->b, "PREVIEW ");
		return r | put_preview(f);
	case IMAP_ITEM_BINARY:
	case IMAP_ITEM_BINARY_SIZE:
	case IMAP_ITEM_SECTION:
		break;
	}
	return BUF_OK;
}

static enum fetch_step
put_item(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;

	if (!f->is_reading && f->item > 0)
		(void)buf_add_byte(&f->b, ' ');
	if (item->what < IMAP_ITEM_BINARY) {
		if (put_small(s, item) == BUF_OK)
			return FETCH_READY;
		imap_fatal(s, NULL); /* larger than any response may be */
		return FETCH_WAITS;
	}
	/* Fields of a header are never encoded. */
	if (item->what == IMAP_ITEM_BINARY_SIZE ||
	    (item->what == IMAP_ITEM_BINARY && item->n_fields == 0))
		return fetch_put_binary(s, item);
	return fetch_put_section(s, item);
}

static bool
has_item(const struct imap_session *s, enum imap_item what)
{
	for (size_t i = 0; i < s->cmd.fetch.n; i++)
		if (s->cmd.fetch.items[i].what == what)
			return true;
	return false;
}

/* \Seen was set by this command: the response says so (6.4.5). */
static void
put_changed_flags(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct imap_row *row = &s->view.rows[f->row];
	bool has_modseq = (s->enabled & IMAP_ENABLED_CONDSTORE) != 0;

	if ((row->state & IMAP_ROW_TELL) == 0)
		return;
	imap_view_told(&s->view, row);
	if (has_modseq && !has_item(s, IMAP_ITEM_UID))
		(void)buf_printf(&f->b, " UID %u", row->uid);
	if (!has_item(s, IMAP_ITEM_FLAGS)) {
		(void)buf_add_byte(&f->b, ' ');
		(void)imap_put_flags(s, row, &f->b);
	}
	if (has_modseq && !has_item(s, IMAP_ITEM_MODSEQ))
		(void)buf_printf(&f->b, " MODSEQ (%" PRIu64 ")", row->modseq);
}

static enum fetch_step
put_row(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	if (!f->has_begun) {
		(void)imap_put_row_head(s, f->row, &f->b);
		f->has_begun = true;
	}
	for (; f->item < s->cmd.fetch.n; f->item++)
		if (put_item(s, &s->cmd.fetch.items[f->item]) == FETCH_WAITS)
			return FETCH_WAITS;
	put_changed_flags(s);
	(void)buf_add_cstr(&f->b, ")\r\n");
	f->in_row = false;
	return FETCH_READY;
}

static void
fetch_done(struct imap_session *s)
{
	bool has_trouble = s->fetch->has_trouble;
	bool has_unknown = s->fetch->has_unknown;

	fetch_flush(s);
	imap_fetch_free(s);
	s->more = NULL;
	imap_sync_done(s,
	    has_trouble ? "NO [UNAVAILABLE] Not all of it could be read"
		: has_unknown
		? "NO [UNKNOWN-CTE] Encoded in a way that is not known here"
		: s->has_missed && !s->cmd.is_uid
		? "OK [EXPUNGEISSUED] Some of the messages are gone"
		: "OK Fetched",
	    false);
}

void
imap_fetch_more(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	while (f->b.len < FETCH_PIECE) {
		enum fetch_step step;

		if (!f->in_row && !next_row(s)) {
			fetch_done(s);
			return;
		}
		step = f->has_begun ? FETCH_READY : fetch_place(s);
		if (step == FETCH_READY)
			step = put_row(s);
		if (step == FETCH_WAITS)
			return;
		if (step == FETCH_SKIP) {
			s->has_missed = true;
			f->in_row = false;
		}
	}
	fetch_flush(s);
}

/* -- beginning
 * -------------------------------------------------------------------------- */

/* What must be known of a message before this item can be written. */
static void
note_needs(struct fetch *f, const struct imap_fetch_item *item)
{
	bool is_section = item->what >= IMAP_ITEM_BINARY;

	f->needs_envelope |= item->what == IMAP_ITEM_ENVELOPE;
	f->needs_tree |= item->what == IMAP_ITEM_BODY ||
	    item->what == IMAP_ITEM_BODYSTRUCTURE ||
	    (is_section && item->n_path > 0);
	f->wants_preview |= item->what == IMAP_ITEM_PREVIEW;
	f->needs_preview |= item->what == IMAP_ITEM_PREVIEW && !item->is_lazy;
	f->needs_layout |= f->needs_envelope || f->needs_tree ||
	    (is_section && item->kind != IMAP_PART_ALL);
	f->needs_detail |= f->needs_layout || f->wants_preview ||
	    item->what == IMAP_ITEM_SAVEDATE ||
	    item->what == IMAP_ITEM_EMAILID || item->what == IMAP_ITEM_THREADID;
}

static void
start(struct imap_session *s)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	s->fetch = f;
	f->is_first = true;
	buf_init(&f->b, FETCH_RESPONSE_MAX);
	buf_init(&f->ahead, FETCH_AHEAD);
	fetch_ahead_start(f, &s->cmd.fetch);
	buf_init(&f->header, LIMIT_HEADER);
	buf_init(&f->decoded, 4 * IMAP_ASK_BYTES);
	buf_init(&f->preview_text, SUMMARY_PREVIEW);
	preview_init(&f->preview);
	arena_init(&f->arena, MIME_MEMORY);
	for (size_t i = 0; i < s->cmd.fetch.n; i++)
		note_needs(f, &s->cmd.fetch.items[i]);
	s->more = imap_fetch_more;
}

static void seen_more(struct imap_session *s);

static void
then_seen(struct imap_session *s, const struct imap_answer *a)
{
	/* Not being able to mark them is no reason not to show them. */
	if (a->result == IMAP_OK)
		seen_more(s);
	else
		start(s);
}

/* False: nothing to mark. */
static bool
has_unseen(const struct imap_session *s)
{
	bool sets = false;

	for (size_t i = 0; i < s->cmd.fetch.n; i++)
		sets |= s->cmd.fetch.items[i].sets_seen;
	if (!sets || s->is_read_only)
		return false;
	for (size_t i = 0; i < s->picks.n; i++)
		for (size_t j = s->picks.at[i].lo; j <= s->picks.at[i].hi; j++)
			if ((s->view.rows[j].flags & IMAP_SEEN) == 0)
				return true;
	return false;
}

static void
mark_seen(struct imap_session *s)
{
	for (size_t i = 0; i < s->picks.n; i++)
		for (size_t j = s->picks.at[i].lo; j <= s->picks.at[i].hi;
		     j++) {
			struct imap_row *row = &s->view.rows[j];

			if ((row->flags & IMAP_SEEN) != 0 ||
			    (row->state & IMAP_ROW_GONE) != 0)
				continue;
			row->flags |= IMAP_SEEN;
			imap_view_tell(&s->view, row, IMAP_ROW_TELL);
		}
}

static void
seen_more(struct imap_session *s)
{
	struct imap_ask question = { .what = IMAP_ASK_FLAGS,
		.mode = IMAP_STORE_ADD,
		.flags = IMAP_SEEN,
		.keywords = SLICE("") };

	question.n_uids = imap_next_ranges(s, IMAP_ASK_RANGES);
	question.uids = s->ranges;
	if (question.n_uids > 0) {
		(void)imap_ask(s, &question, then_seen);
	} else if (s->state != IMAP_LOGGED_OUT) {
		mark_seen(s);
		/* Their modseqs are told as well (RFC 7162, 3.2.4). */
		if ((s->enabled & IMAP_ENABLED_CONDSTORE) != 0)
			imap_sync_quietly(s, 0, start);
		else
			start(s);
	}
}

void
imap_fetch_push(struct imap_session *s)
{
	s->pick_at = 0;
	start(s);
}

static void
run_picked(struct imap_session *s)
{
	s->pick_at = 0;
	if (!imap_view_pick(&s->view, &s->arena, &s->cmd.set, s->cmd.is_uid,
		&s->picks)) {
		imap_done(s, "BAD No such message");
		return;
	}
	if (s->cmd.partial.is_there)
		imap_picks_keep(&s->picks, &s->cmd.partial);
	if (s->cmd.sync.has_since && !imap_keep_since(s, s->cmd.sync.modseq))
		return;
	if (has_unseen(s))
		seen_more(s);
	else
		start(s);
}

static void
tell_vanished(struct imap_session *s)
{
	imap_resync_tell(s, &s->cmd.set, run_picked);
}

void
imap_run_fetch(struct imap_session *s)
{
	if (s->cmd.sync.wants_vanished &&
	    (s->enabled & IMAP_ENABLED_QRESYNC) == 0) {
		imap_done(s, "BAD QRESYNC is not enabled");
		return;
	}
	if (s->cmd.sync.has_since || has_item(s, IMAP_ITEM_MODSEQ))
		imap_condstore_on(s);
	if (!s->cmd.sync.wants_vanished)
		run_picked(s);
	else if (imap_resync_begin(s))
		imap_sync_quietly(s, s->cmd.sync.modseq, tell_vanished);
}
