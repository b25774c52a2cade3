/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "imap/session_impl.h"

/*
 * The commands that change messages. Each works off s->picks in questions of
 * at most IMAP_ASK_RANGES ranges, then tells what has changed.
 */

bool
imap_pick(struct imap_session *s)
{
	s->pick_at = 0;
	if (imap_view_pick(&s->view, &s->arena, &s->cmd.set, s->cmd.is_uid,
		&s->picks))
		return true;
	imap_done(s, "BAD No such message");
	return false;
}

bool
imap_check_writable(struct imap_session *s)
{
	if (!s->is_read_only)
		return true;
	imap_done(s, "NO [NOPERM] The mailbox is selected read-only");
	return false;
}

/* -- STORE -------------------------------------------------------------------
 */

/* Was this one left as it was? Uids ascend from call to call. */
static bool
is_modified(uint32_t uid, struct slice *left)
{
	struct imap_range r;

	while (left->len >= sizeof(r)) {
		memcpy(&r, left->at, sizeof(r));
		if (uid <= r.hi)
			return uid >= r.lo;
		*left = slice_from(*left, sizeof(r));
	}
	return false;
}

static void
expect_one(struct imap_session *s, struct imap_row *row, struct slice *left)
{
	if (is_modified(row->uid, left)) {
		/* What the client did not know of, it hears. */
		imap_view_tell(&s->view, row, IMAP_ROW_TELL);
		return;
	}
	if (imap_view_apply(&s->view, row, (int)s->cmd.mode, &s->cmd.flags) < 0)
		return;
	if (!s->cmd.is_silent)
		imap_view_tell(&s->view, row, IMAP_ROW_TELL);
	else if (s->cmd.sync.has_since)
		imap_view_tell(&s->view, row, IMAP_ROW_TELL_MODSEQ);
}

/* What the client will believe: the new flags when it asked for silence, and
 * whatever the next scan says otherwise. */
static void
expect(struct imap_session *s)
{
	struct slice left = buf_slice(&s->modified);

	for (size_t i = 0; i < s->picks.n; i++)
		for (size_t j = s->picks.at[i].lo; j <= s->picks.at[i].hi;
		     j++) {
			struct imap_row *row = &s->view.rows[j];

			if ((row->state & IMAP_ROW_GONE) != 0)
				s->has_missed = true;
			else
				expect_one(s, row, &left);
		}
}

/* RFC 7162, 3.1.3: by numbers for STORE, by uids for UID STORE. */
static void
make_modified(struct imap_session *s)
{
	struct slice all = buf_slice(&s->modified), raw;
	const char *sep = "[MODIFIED ";
	struct imap_range r, run = { 0, 0 };

	while (slice_take(&all, sizeof(r), &raw)) {
		size_t from, to;

		memcpy(&r, raw.at, sizeof(r));
		from = imap_view_find(&s->view, r.lo);
		to = r.hi == UINT32_MAX ? s->view.n
					: imap_view_find(&s->view, r.hi + 1);
		if (from == to)
			continue;
		if (!s->cmd.is_uid)
			r = (struct imap_range){ (uint32_t)from + 1,
				(uint32_t)to };
		if (run.hi != 0 && run.hi + 1 == r.lo) {
			run.hi = r.hi;
			continue;
		}
		if (run.hi != 0) {
			(void)buf_add_cstr(&s->code, sep);
			(void)imap_put_range(&s->code, run);
			sep = ",";
		}
		run = r;
	}
	if (run.hi == 0)
		return;
	(void)buf_add_cstr(&s->code, sep);
	(void)imap_put_range(&s->code, run);
	(void)buf_add_cstr(&s->code, "] ");
}

static void store_more(struct imap_session *s);

static void
then_stored(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		s->then = NULL;
		imap_no(s, a->result);
		return;
	}
	if (a->n_gone > 0 &&
	    buf_add(&s->modified,
		slice_of(a->gone, a->n_gone * sizeof(*a->gone))) != BUF_OK) {
		imap_fatal(s, "Out of memory");
		return;
	}
	if (!a->more)
		store_more(s);
}

static void
store_more(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_FLAGS,
		.mode = s->cmd.mode,
		.flags = s->cmd.flags.bits,
		.keywords = s->cmd.flags.keywords,
		.is_conditional = s->cmd.sync.has_since,
		.since = s->cmd.sync.modseq };

	ask.n_uids = imap_next_ranges(s, IMAP_ASK_RANGES);
	ask.uids = s->ranges;
	if (ask.n_uids > 0) {
		(void)imap_ask(s, &ask, then_stored);
		return;
	}
	if (s->state == IMAP_LOGGED_OUT)
		return;
	expect(s);
	make_modified(s);
	/* RFC 2180, 4.2.1: all that was still there has been changed. */
	imap_sync_done(s,
	    s->has_missed && !s->cmd.is_uid
		? "OK [EXPUNGEISSUED] Some of the messages are gone"
		: "OK Stored",
	    true);
}

void
imap_run_store(struct imap_session *s)
{
	if (!imap_check_writable(s) || !imap_pick(s))
		return;
	if (s->cmd.sync.has_since)
		imap_condstore_on(s);
	store_more(s);
}

/* -- EXPUNGE and CLOSE
 * ---------------------------------------------------------- */

static void expunge_more(struct imap_session *s);

static void
then_expunged(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK)
		imap_no(s, a->result);
	else
		expunge_more(s);
}

static void
expunge_more(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_EXPUNGE };

	ask.n_uids = imap_next_ranges(s, IMAP_ASK_RANGES);
	ask.uids = s->ranges;
	if (ask.n_uids > 0)
		(void)imap_ask(s, &ask, then_expunged);
	else if (s->state != IMAP_LOGGED_OUT) {
		s->says_highest = true;
		imap_sync_done(s, "OK Expunged", true);
	}
}

void
imap_run_expunge(struct imap_session *s)
{
	struct imap_range all = { 1, 0 };
	struct imap_set set = { &all, 1 };

	if (!imap_check_writable(s))
		return;
	if (s->cmd.is_uid)
		set = s->cmd.set;
	s->pick_at = 0;
	if (!imap_view_pick(&s->view, &s->arena, &set, true, &s->picks)) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	expunge_more(s);
}

static void
then_close(struct imap_session *s, const struct imap_answer *a)
{
	imap_leave_mailbox(s);
	if (a->result != IMAP_OK)
		imap_no(s, a->result);
	else
		imap_done(s, "OK Closed");
}

/* RFC 3501, 6.4.2: expunges without a word, unless opened by EXAMINE. What the
 * client never saw is not its to expunge. */
void
imap_run_close(struct imap_session *s)
{
	struct imap_view *v = &s->view;
	struct imap_range seen = { 1, 0 };
	struct imap_ask ask = {
		.what = IMAP_ASK_EXPUNGE, .uids = &seen, .n_uids = 1
	};
	struct imap_answer nothing = { .result = IMAP_OK };

	if (v->n_told > 0)
		seen.hi = v->rows[v->n_told - 1].uid;
	if (s->is_read_only || seen.hi == 0)
		then_close(s, &nothing);
	else
		(void)imap_ask(s, &ask, then_close);
}
