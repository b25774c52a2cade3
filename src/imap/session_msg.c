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

/* What the client will believe: the new flags when it asked for silence, and
 * whatever the next scan says otherwise. */
static void
expect(struct imap_session *s)
{
	for (size_t i = 0; i < s->picks.n; i++)
		for (size_t j = s->picks.at[i].lo; j <= s->picks.at[i].hi;
		     j++) {
			struct imap_row *row = &s->view.rows[j];

			if ((row->state & IMAP_ROW_GONE) != 0) {
				s->has_missed = true;
				continue;
			}
			if (imap_view_apply(&s->view, row, (int)s->cmd.mode,
				&s->cmd.flags) < 0)
				continue;
			if (s->cmd.is_silent ||
			    (row->state & IMAP_ROW_TELL) != 0)
				continue;
			row->state |= IMAP_ROW_TELL;
			s->view.n_tell++;
		}
}

static void store_more(struct imap_session *s);

static void
then_stored(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		imap_no(s, a->result);
		return;
	}
	store_more(s);
}

static void
store_more(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_FLAGS,
		.mode = s->cmd.mode,
		.flags = s->cmd.flags.bits,
		.keywords = s->cmd.flags.keywords };

	ask.n_uids = imap_next_ranges(s, IMAP_ASK_RANGES);
	ask.uids = s->ranges;
	if (ask.n_uids > 0) {
		(void)imap_ask(s, &ask, then_stored);
		return;
	}
	if (s->state == IMAP_LOGGED_OUT)
		return;
	expect(s);
	/* RFC 2180, 4.2: what is gone cannot be changed. */
	imap_sync_done(s,
	    s->has_missed && !s->cmd.is_uid
		? "NO [EXPUNGEISSUED] Some of the messages are gone"
		: "OK Stored",
	    true);
}

void
imap_run_store(struct imap_session *s)
{
	if (imap_check_writable(s) && imap_pick(s))
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
	else if (s->state != IMAP_LOGGED_OUT)
		imap_sync_done(s, "OK Expunged", true);
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
