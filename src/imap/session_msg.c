/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "imap/session_impl.h"

/*
 * The commands that change messages. Each works off s->picks in questions of
 * at most IMAP_ASK_RANGES ranges, then tells what has changed.
 */

/* False: the command has been ended. */
static bool
pick(struct imap_session *s)
{
	s->pick_at = 0;
	if (imap_view_pick(&s->view, &s->arena, &s->cmd.set, s->cmd.is_uid,
		&s->picks))
		return true;
	imap_done(s, "BAD No such message");
	return false;
}

static bool
check_writable(struct imap_session *s)
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
	if (check_writable(s) && pick(s))
		store_more(s);
}

/* -- COPY and MOVE ------------------------------------------------------------
 */

/* uid-set of RFC 4315: runs that ascend by one become ranges. */
static void
put_uid_set(struct imap_session *s, bool is_source)
{
	struct slice all = buf_slice(&s->pairs);
	size_t n = all.len / sizeof(struct imap_pair);
	uint32_t lo = 0, hi = 0;

	for (size_t i = 0; i <= n; i++) {
		struct imap_pair p = { 0, 0 };
		uint32_t uid;

		if (i < n)
			memcpy(&p, all.at + i * sizeof(p), sizeof(p));
		uid = is_source ? p.from : p.to;
		if (i > 0 && i < n && uid == hi + 1) {
			hi = uid;
			continue;
		}
		if (i > 0)
			(void)buf_printf(&s->code, lo == hi ? "%u" : "%u:%u",
			    lo, hi);
		if (i > 0 && i < n)
			(void)buf_add_byte(&s->code, ',');
		lo = hi = uid;
	}
}

static void
make_copyuid(struct imap_session *s)
{
	if (s->pairs.len == 0)
		return;
	(void)buf_printf(&s->code, "[COPYUID %u ", s->pair_validity);
	put_uid_set(s, true);
	(void)buf_add_byte(&s->code, ' ');
	put_uid_set(s, false);
	(void)buf_add_cstr(&s->code, "] ");
}

static void move_more(struct imap_session *s);

static void
then_moved(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK)
		imap_no(s, a->result);
	else
		move_more(s);
}

/* MOVE, second half: the originals go (RFC 6851, 3.3). */
static void
move_more(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_EXPUNGE, .any_flag = true };

	ask.n_uids = imap_next_ranges(s, IMAP_ASK_RANGES);
	ask.uids = s->ranges;
	if (ask.n_uids > 0) {
		(void)imap_ask(s, &ask, then_moved);
		return;
	}
	if (s->state == IMAP_LOGGED_OUT)
		return;
	s->may_expunge = true;
	imap_sync_done(s, "OK Moved", true);
}

static void
copied(struct imap_session *s)
{
	make_copyuid(s);
	if (!s->is_move) {
		/* Copied into itself: the client may look at once. */
		imap_sync_done(s, "OK Copied",
		    slice_equal(s->cmd.name, s->selected));
		return;
	}
	/* COPYUID comes before the EXPUNGEs, untagged. */
	if (s->code.len > 0) {
		imap_say(s, SLICE("* OK "));
		imap_say_buf(s, &s->code);
		imap_say(s, SLICE("Moved\r\n"));
		buf_reset(&s->code, 0);
	}
	s->pick_at = 0;
	move_more(s);
}

static void copy_more(struct imap_session *s);

static void
then_copied(struct imap_session *s, const struct imap_answer *a)
{
	if (a->result != IMAP_OK) {
		s->then = NULL;
		if (a->result == IMAP_NONEXISTENT)
			imap_done(s, "NO [TRYCREATE] No such mailbox");
		else
			imap_no(s, a->result);
		return;
	}
	s->pair_validity = a->uidvalidity;
	if (a->n_pairs > 0 &&
	    buf_add(&s->pairs,
		slice_of(a->pairs, a->n_pairs * sizeof(*a->pairs))) != BUF_OK) {
		imap_fatal(s, "Out of memory");
		return;
	}
	if (!a->more)
		copy_more(s);
}

static void
copy_more(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_COPY, .to = s->cmd.name };

	ask.n_uids = imap_next_ranges(s, IMAP_ASK_RANGES);
	ask.uids = s->ranges;
	if (ask.n_uids > 0)
		(void)imap_ask(s, &ask, then_copied);
	else if (s->state != IMAP_LOGGED_OUT)
		copied(s);
}

void
imap_run_copy(struct imap_session *s)
{
	s->is_move = s->cmd.verb == IMAP_MOVE;
	if ((!s->is_move || check_writable(s)) && pick(s))
		copy_more(s);
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

	if (!check_writable(s))
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
