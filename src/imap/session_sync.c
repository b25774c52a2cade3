/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "imap/session_impl.h"

enum {
	PIECE = 100 /* responses written between two looks at the room */
};

void
imap_leave_mailbox(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_CLOSE };

	if (!s->has_view)
		return;
	(void)s->host->ask(s->ctx, &ask);
	imap_contexts_free(s);
	imap_view_deinit(&s->view);
	free((void *)(uintptr_t)s->selected.at);
	s->selected = (struct slice){ NULL, 0 };
	s->has_view = s->is_dirty = false;
	if (s->state == IMAP_SELECTED)
		s->state = IMAP_AUTH;
}

bool
imap_take_rows(struct imap_session *s, const struct imap_answer *a)
{
	for (size_t i = 0; i < a->n_entries; i++)
		if (imap_view_add(&s->view, &a->entries[i]) != IMAP_VIEW_OK) {
			imap_fatal(s, "[LIMIT] The mailbox is too large");
			return false;
		}
	for (size_t i = 0; i < a->n_gone; i++)
		imap_view_gone(&s->view, a->gone[i].lo, a->gone[i].hi);
	if (!a->more) {
		s->upto = a->upto;
		s->highest = a->modseq;
		s->floor = a->floor;
		s->uidnext = a->uidnext;
	}
	return true;
}

/* -- saying flags ------------------------------------------------------------
 */

static const struct {
	uint8_t bit;
	const char *name;
} names[] = {
	{ IMAP_ANSWERED, "\\Answered" },
	{ IMAP_FLAGGED, "\\Flagged" },
	{ IMAP_DELETED, "\\Deleted" },
	{ IMAP_SEEN, "\\Seen" },
	{ IMAP_DRAFT, "\\Draft" },
	{ IMAP_RECENT, "\\Recent" },
};

int
imap_put_flags(struct imap_session *s, const struct imap_row *row,
    struct buf *b)
{
	const char *sep = "";
	int r;

	r = buf_add_cstr(b, "FLAGS (");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if ((row->flags & names[i].bit) == 0 ||
		    (names[i].bit == IMAP_RECENT && imap_is_rev2(s)))
			continue;
		r |= buf_printf(b, "%s%s", sep, names[i].name);
		sep = " ";
	}
	if (row->keywords != 0) {
		r |= buf_add_cstr(b, sep);
		r |= buf_add(b, s->view.sets[row->keywords]);
	}
	return r | buf_add_byte(b, ')');
}

static void
put_all_flags(const struct imap_session *s, struct buf *b)
{
	(void)buf_add_cstr(b, "\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	for (size_t i = 0; i < s->view.n_words; i++) {
		(void)buf_add_byte(b, ' ');
		(void)buf_add(b, s->view.words[i]);
	}
}

void
imap_say_flags(struct imap_session *s)
{
	struct buf b;

	s->view.has_new_words = false;
	buf_init(&b, 512 * 1024);
	put_all_flags(s, &b);
	if (b.lost)
		imap_fatal(s, NULL);
	imap_printf(s, "* FLAGS (%.*s)\r\n", SLICE_FMT(buf_slice(&b)));
	if (s->is_read_only)
		imap_say(s, SLICE("* OK [PERMANENTFLAGS ()] Read only\r\n"));
	else
		imap_printf(s,
		    "* OK [PERMANENTFLAGS (%.*s \\*)] Flags kept\r\n",
		    SLICE_FMT(buf_slice(&b)));
	buf_deinit(&b);
}

/* -- telling what has changed -------------------------------------------------
 *
 * Three steps, each of them in pieces: what left, what came, whose flags
 * changed. Numbers of the third are those after the first two. */

int
imap_put_row_head(const struct imap_session *s, size_t index, struct buf *b)
{
	if ((s->enabled & IMAP_ENABLED_UIDONLY) != 0)
		return buf_printf(b, "* %u UIDFETCH (",
		    s->view.rows[index].uid);
	return buf_printf(b, "* %zu FETCH (", index + 1);
}

/* RFC 7162, 3.2.4: UID and MODSEQ are in all of them, once it is enabled. */
static void
put_told_row(struct imap_session *s, size_t index, struct buf *b)
{
	struct imap_row *row = &s->view.rows[index];
	bool has_modseq = (s->enabled & IMAP_ENABLED_CONDSTORE) != 0;
	bool has_flags = (row->state & IMAP_ROW_TELL) != 0;

	(void)imap_put_row_head(s, index, b);
	if ((s->enabled & IMAP_ENABLED_UIDONLY) == 0 &&
	    (s->says_uid || has_modseq || imap_is_rev2(s)))
		(void)buf_printf(b, "UID %u ", row->uid);
	if (has_flags)
		(void)imap_put_flags(s, row, b);
	if (has_modseq)
		(void)buf_printf(b, "%sMODSEQ (%" PRIu64 ")",
		    has_flags ? " " : "", row->modseq);
	(void)buf_add(b, SLICE(")\r\n"));
}

static void
tell_flags(struct imap_session *s)
{
	struct imap_view *v = &s->view;
	struct buf b;
	int said = 0;

	buf_init(&b, 512 * 1024);
	for (; v->n_tell > 0 && s->sync_at < v->n_told && said < PIECE;
	     s->sync_at++) {
		struct imap_row *row = &v->rows[s->sync_at];

		if ((row->state & (IMAP_ROW_TELL | IMAP_ROW_TELL_MODSEQ)) == 0)
			continue;
		said++;
		put_told_row(s, s->sync_at, &b);
		imap_view_told(v, row);
	}
	imap_say_buf(s, &b);
	buf_deinit(&b);
	if (s->state == IMAP_LOGGED_OUT)
		return;
	if (v->n_tell == 0 || s->sync_at >= v->n_told) {
		v->n_tell = 0;
		s->more = NULL;
		s->is_syncing = false;
		if (!imap_contexts_after(s, s->after_sync))
			s->after_sync(s);
	}
}

bool
imap_is_rev2(const struct imap_session *s)
{
	return (s->enabled & IMAP_ENABLED_REV2) != 0;
}

/* RFC 9051, appendix E: \Recent is no more. */
void
imap_say_exists(struct imap_session *s)
{
	imap_printf(s, "* %zu EXISTS\r\n", s->view.n_told);
	if (!imap_is_rev2(s))
		imap_printf(s, "* %zu RECENT\r\n",
		    imap_view_count_recent(&s->view));
}

static void
tell_exists(struct imap_session *s)
{
	struct imap_view *v = &s->view;

	if (v->has_new_words)
		imap_say_flags(s);
	if (v->n > v->n_told) {
		v->n_told = v->n;
		imap_say_exists(s);
	}
	s->sync_at = 0;
	if (!s->no_flags) {
		s->more = tell_flags;
		return;
	}
	s->more = NULL;
	s->is_syncing = false;
	s->after_sync(s);
}

/* One piece; false when no more is left. */
static bool
put_expunges(struct imap_session *s, struct buf *b)
{
	for (int i = 0; i < PIECE; i++) {
		uint32_t number = imap_view_expunge(&s->view, &s->expunge);

		if (number == 0)
			return false;
		(void)buf_printf(b, "* %u EXPUNGE\r\n", number);
	}
	return true;
}

/* The same by uids (RFC 7162, 3.2.10.2): of those that were told only. */
static bool
put_vanished(struct imap_session *s, struct buf *b)
{
	struct imap_range run = { 0, 0 };
	const char *sep = "* VANISHED ";

	for (int i = 0; i < PIECE;) {
		if (imap_view_expunge(&s->view, &s->expunge) == 0)
			break;
		if (run.hi != 0 && s->expunge.uid == run.hi + 1) {
			run.hi++;
			continue;
		}
		if (run.hi != 0) {
			(void)buf_add_cstr(b, sep);
			(void)imap_put_range(b, run);
			sep = ",";
		}
		run.lo = run.hi = s->expunge.uid;
		i++;
	}
	if (run.hi == 0)
		return false;
	(void)buf_add_cstr(b, sep);
	(void)imap_put_range(b, run);
	(void)buf_add_cstr(b, "\r\n");
	return true;
}

static void
tell_expunge(struct imap_session *s)
{
	struct buf b;
	bool is_more;

	buf_init(&b, 32 * PIECE);
	is_more =
	    (s->enabled & (IMAP_ENABLED_QRESYNC | IMAP_ENABLED_UIDONLY)) != 0
	    ? put_vanished(s, &b)
	    : put_expunges(s, &b);
	if (!is_more)
		s->more = tell_exists;
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

static void
tell(struct imap_session *s)
{
	s->expunge = (struct imap_expunge){ 0, 0 };
	s->is_syncing = true;
	imap_contexts_before(s);
	s->more =
	    s->may_expunge && s->view.n_gone > 0 ? tell_expunge : tell_exists;
}

void
imap_tell(struct imap_session *s, void (*after)(struct imap_session *))
{
	s->after_sync = after;
	tell(s);
}

static void
then_scan(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result == IMAP_NONEXISTENT) {
		imap_fatal(s, "[UNAVAILABLE] The selected mailbox is gone");
		return;
	}
	if (a->result != IMAP_OK) {
		/* What was asked for is done; what changed is told later. */
		s->is_dirty = true;
		s->then = NULL;
		tell(s);
		return;
	}
	if (imap_take_rows(s, a) && !a->more)
		tell(s);
}

void
imap_sync_start(struct imap_session *s, void (*after)(struct imap_session *))
{
	struct imap_ask ask = { .what = IMAP_ASK_SCAN, .since = s->upto };

	s->after_sync = after;
	s->is_dirty = false;
	(void)imap_ask(s, &ask, then_scan);
}

static void
then_quiet_scan(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		s->then = NULL;
		imap_no(s, a->result);
		return;
	}
	if (s->resync != NULL)
		imap_resync_gone(s, a);
	if (imap_take_rows(s, a) && !a->more)
		s->after_sync(s);
}

void
imap_sync_quietly(struct imap_session *s, uint64_t gone_since,
    void (*after)(struct imap_session *))
{
	struct imap_ask ask = { .what = IMAP_ASK_SCAN,
		.since = s->upto,
		.gone_since = gone_since };

	s->after_sync = after;
	s->is_dirty = false;
	(void)imap_ask(s, &ask, then_quiet_scan);
}

/* RFC 7162, 3.2.7: how far one is when one has heard of all that left. */
static void
finish(struct imap_session *s)
{
	if (s->says_highest && (s->enabled & IMAP_ENABLED_QRESYNC) != 0 &&
	    s->code.len == 0)
		(void)buf_printf(&s->code, "[HIGHESTMODSEQ %" PRIu64 "] ",
		    s->highest);
	imap_done(s, s->done);
}

void
imap_sync_done(struct imap_session *s, const char *line, bool always)
{
	s->done = line;
	if (s->state != IMAP_SELECTED) {
		imap_done(s, line);
		return;
	}
	if (always || s->is_dirty) {
		imap_sync_start(s, finish);
		return;
	}
	s->after_sync = finish;
	tell(s);
}

/* -- ranges of uids
 * ------------------------------------------------------------ */

size_t
imap_next_ranges(struct imap_session *s, size_t max)
{
	size_t n = 0;

	if (s->ranges == NULL)
		s->ranges = calloc(IMAP_ASK_RANGES, sizeof(*s->ranges));
	if (s->ranges == NULL) {
		imap_fatal(s, "Out of memory");
		return 0;
	}
	for (; n < max && s->pick_at < s->picks.n; s->pick_at++, n++) {
		struct imap_pick p = s->picks.at[s->pick_at];

		s->ranges[n].lo = s->view.rows[p.lo].uid;
		s->ranges[n].hi = s->view.rows[p.hi].uid;
	}
	return n;
}
