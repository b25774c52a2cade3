/* SPDX-License-Identifier: ISC */
/*
 * store/expand - large lists, worked off behind the transaction that took them
 *
 * The acceptance leaves one row for the mail (an expansion, one reference to
 * the message) and one for each list it is for. A slice reaches the next few
 * members and moves the cursor in the same transaction, so a slice that is
 * repeated after a crash begins where the last kept one ended. Whom the mail
 * has reached stands in a table while it lasts: by two lists, or as a direct
 * recipient and a member, nobody gets it twice. A list within a list is one
 * more row, each list once, so circles end. Inside apply().
 */
#ifndef STORE_EXPAND_H
#define STORE_EXPAND_H

#include "store/account.h"

enum {
	EXPAND_SLICE = 32,  /* members in one slice: at most 5 ms */
	EXPAND_FORGET = 200 /* rows forgotten at the end in one slice */
};

struct expand_begin {
	struct id message;
	struct slice sender;
	uint32_t next_n; /* of its next queue row */
	int64_t expires, now;
	struct slice hold; /* not empty: its rows are held, and why */
	/* result */
	uint64_t expansion;
};
/* The caller counts the one reference that this makes. */
int expand_begin(struct db *db, struct expand_begin *e);
/* sender: for its members; empty for the mail's own. */
int expand_add(struct db *db, uint64_t expansion, struct slice canonical,
    struct slice sender);
int expand_reached(struct db *db, uint64_t expansion, struct slice canonical);
int expand_reached_account(struct db *db, uint64_t expansion, uint64_t account);

enum expand_fate {
	EXPAND_DELIVERED,
	EXPAND_QUEUED,
	EXPAND_WAITING, /* its mailbox is full: queued, until there is room */
	EXPAND_HELD,    /* queued, until somebody looks at it */
	EXPAND_MISSED   /* nobody there */
};
struct expand_member {
	enum expand_fate fate;
	uint64_t account, modseq;
	struct slice address, route; /* in the slice's arena */
	uint8_t lane;                /* of its queue row */
};
struct expand_slice {
	int64_t now;
	struct arena arena; /* the caller's to reset */
	/* results */
	struct id message;
	struct expand_member members[EXPAND_SLICE];
	size_t n;
	bool is_end; /* this message is through */
};
/* The next slice of the oldest expansion. DB_NONE: there is none. */
int expand_work(struct db *db, struct expand_slice *s);

#endif
