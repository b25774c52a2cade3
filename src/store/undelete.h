/* SPDX-License-Identifier: ISC */
/*
 * store/undelete - mail that its owner has expunged, kept for a time
 *
 * When the last entry of an email goes, the email becomes a row of `expunged`:
 * it holds the reference to the message, so that the bytes stay, and is not
 * counted in the quota any more. From there it is restored (same flags, date,
 * thread and id; a new uid), forgotten by hand, or swept away when its time is
 * over. All of it runs inside a transaction, in slices: zero the work, fill
 * the filter, call again while STORE_AGAIN comes.
 */
#ifndef STORE_UNDELETE_H
#define STORE_UNDELETE_H

#include "store/mailbox.h"

enum {
	UNDELETE_BATCH = 100 /* rows of one slice: about 5 ms */
};

/* Which of them; what is empty or 0 does not count. */
struct undelete_filter {
	uint64_t account;
	struct slice mailbox;       /* by the name it had then */
	struct slice subject, from; /* a part of it; case folded */
	int64_t since;              /* expunged then or later */
};

struct undelete {
	struct undelete_filter filter;
	struct slice to; /* a mailbox; empty: where each was. Made if need be */
	int64_t now;
	/* results */
	uint64_t n_done, n_over_quota, modseq;
	/* own: the last one looked at */
	struct id after;
};

/* In place of email_delete's message_ref(-1), while the email is still there:
 * `mailbox` is where its last entry was. */
int undelete_keep(struct db *db, uint64_t account, uint64_t mailbox,
    const struct id *message, int64_t now);
int undelete_restore(struct db *db, struct undelete *u);
int undelete_forget(struct db *db, struct undelete *u);
/* A slice of those that were expunged before that time, whoever's. */
int undelete_sweep(struct db *db, int64_t before, uint64_t *ret_n);

#endif
