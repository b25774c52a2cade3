/* SPDX-License-Identifier: ISC */
/*
 * store/mailbox - mailboxes, and the emails in them
 *
 * Everything here runs inside a transaction: what changes, in apply() of a
 * write; what only looks, in run() of a read. Returns 0, a condition
 * (STORE_E_*, DB_NONE, STORE_AGAIN where said) or -errno. Names are UTF-8 with
 * "/" between levels; INBOX is one in any case.
 */
#ifndef STORE_MAILBOX_H
#define STORE_MAILBOX_H

#include "store/store.h"

enum {
	MAILBOX_BATCH = 256 /* emails changed in one slice: about 5 ms */
};

/* "inbox/x" becomes "INBOX/x", a "/" at the end goes. STORE_E_NAME when we
 * make no such name. The result is in text. */
struct mailbox_name {
	size_t len;
	char text[LIMIT_MAILBOX_NAME + 1];
};
int mailbox_name_read(struct slice name, struct mailbox_name *ret);
struct slice mailbox_name_slice(const struct mailbox_name *n);

/* INBOX and the usual others, with their special uses, subscribed. */
int mailbox_make_defaults(struct db *db, uint64_t account, int64_t now);
/* With the parents that are not there. STORE_E_EXISTS. */
int mailbox_create(struct db *db, uint64_t account, struct slice name,
    int64_t now);
/* The same with a use that no other mailbox has, or none: also STORE_E_USE. */
int mailbox_create_special(struct db *db, uint64_t account, struct slice name,
    struct slice special_use, int64_t now, uint64_t *ret_mailbox);
/* The whole tree; not INBOX (STORE_E_FORBIDDEN). */
int mailbox_rename(struct db *db, uint64_t account, struct slice from,
    struct slice to, int64_t now);
/* A slice of it; STORE_AGAIN until it is empty and gone. kept_at: as in
 * mailbox_work. */
int mailbox_delete(struct db *db, uint64_t account, struct slice name,
    int64_t kept_at, uint64_t *ret_modseq);
/* The same by number, INBOX too, and nothing is kept: for an account that is
 * removed. */
int mailbox_clear(struct db *db, uint64_t account, uint64_t mailbox);
int mailbox_subscribe(struct db *db, uint64_t account, struct slice name,
    bool on);

struct uid_range {
	uint32_t lo, hi;
};
/* Ranges of uids, malloc'd; how many of them count stands elsewhere, since a
 * slice may run twice. */
struct uid_list {
	struct uid_range *at;
	size_t size;
};
/* Work on the emails of a mailbox, slice by slice: zero it, fill the first
 * part, call again while STORE_AGAIN comes. */
struct mailbox_work {
	uint64_t account, mailbox;
	const struct uid_range *ranges;
	size_t n_ranges;
	/* flags */
	uint8_t mode, flags; /* FLAGS_* and FLAG_* */
	struct slice keywords;
	struct uid_list *modified; /* not NULL: RFC 7162, UNCHANGEDSINCE */
	uint64_t unchanged_since;
	/* expunge */
	bool any_flag;
	int64_t kept_at; /* now: for `ulak undelete`; 0: they are not kept */
	/* results */
	uint64_t modseq;
	uint32_t n;
	size_t n_modified; /* ranges in *modified */
	/* own */
	size_t at;
	uint32_t next;
};
int mailbox_flags(struct db *db, struct mailbox_work *w);
int mailbox_expunge(struct db *db, struct mailbox_work *w);

/* Copies or moves into a mailbox of the account, as a whole: one transaction,
 * whatever the size. The ranges ascend and do not overlap (STORE_E_FORBIDDEN).
 * pairs: malloc'd, from and to, ascending. */
struct mailbox_copy {
	uint64_t account, mailbox;
	bool is_move;
	const struct uid_range *ranges;
	size_t n_ranges;
	struct slice to;
	int64_t now;
	/* results */
	uint64_t modseq;
	uint32_t uidvalidity;
	size_t n_pairs, size;
	struct uid_pair {
		uint32_t from, to;
	} * pairs;
};
int mailbox_copy(struct db *db, struct mailbox_copy *c);
/* RFC 3501, 6.3.5: the mail of INBOX moves to a new mailbox; INBOX, its
 * UIDVALIDITY and those who look at it stay. Filled: account, to, now. */
int mailbox_rename_inbox(struct db *db, struct mailbox_copy *c);

/* Keywords sorted, each once, one space between; false above LIMIT_KEYWORDS
 * or with a byte that no flag has (RFC 3501: atom). */
bool keywords_change(struct slice now, struct slice with, uint8_t mode,
    struct buf *ret);

#endif
