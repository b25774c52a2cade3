/* SPDX-License-Identifier: ISC */
/*
 * imap/session_copy - COPY and MOVE (RFC 9051, 6.4.7 and 6.4.8; RFC 4315)
 *
 * Each is one question to the store, which does it as a whole or not at all;
 * so a command of more than IMAP_ASK_COPY_RANGES runs of messages is refused.
 * What was copied comes back in pairs of UIDs and is told as COPYUID: with the
 * tagged OK for COPY, before the EXPUNGEs for MOVE (RFC 6851, 4.3).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "imap/session_impl.h"

enum {
	RANGE_MAX = 24 /* octets: two numbers, a colon, a comma */
};

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

/* At its cap; what was lost otherwise, was for want of memory, and ends the
 * session when it is said. */
static bool
is_full(const struct buf *b)
{
	return b->lost && b->len + RANGE_MAX > b->cap;
}

/* None when it would be larger than any line should be: it is done all the
 * same, and nobody has to be told where everything went (RFC 4315, 3). */
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
	if (s->pairs.lost || is_full(&s->code))
		buf_reset(&s->code, 0);
}

static void
copied(struct imap_session *s)
{
	make_copyuid(s);
	if (s->cmd.verb != IMAP_MOVE) {
		/* Copied into itself: the client may look at once. */
		imap_sync_done(s, "OK Copied",
		    slice_equal(s->cmd.name, s->selected));
		return;
	}
	if (s->code.len > 0) {
		imap_say(s, SLICE("* OK "));
		imap_say_buf(s, &s->code);
		imap_say(s, SLICE("Moved\r\n"));
		buf_reset(&s->code, 0);
	}
	s->may_expunge = s->says_highest = true;
	imap_sync_done(s, "OK Moved", true);
}

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
	if (a->n_pairs > 0 && !s->pairs.lost &&
	    buf_add(&s->pairs,
		slice_of(a->pairs, a->n_pairs * sizeof(*a->pairs))) ==
		-ENOMEM) {
		imap_fatal(s, "Out of memory");
		return;
	}
	if (!a->more)
		copied(s);
}

void
imap_run_copy(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_COPY,
		.to = s->cmd.name,
		.is_move = s->cmd.verb == IMAP_MOVE };

	if ((ask.is_move && !imap_check_writable(s)) || !imap_pick(s))
		return;
	if (s->picks.n > IMAP_ASK_COPY_RANGES) {
		imap_done(s, "NO [LIMIT] Too many runs of messages at once");
		return;
	}
	if (s->picks.n == 0) {
		copied(s);
		return;
	}
	s->ranges = reallocarray(NULL, s->picks.n, sizeof(*s->ranges));
	if (s->ranges == NULL) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	ask.n_uids = imap_next_ranges(s, s->picks.n);
	ask.uids = s->ranges;
	(void)imap_ask(s, &ask, then_copied);
}
