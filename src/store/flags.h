/* SPDX-License-Identifier: ISC */
/*
 * store/flags - small numbers that stand in messages and in tables
 *
 * Stored: never renumber.
 */
#ifndef STORE_FLAGS_H
#define STORE_FLAGS_H

enum { /* of entries */
	FLAG_SEEN = 1,
	FLAG_ANSWERED = 2,
	FLAG_FLAGGED = 4,
	FLAG_DRAFT = 8,
	FLAG_DELETED = 16, /* of the entry; the others are the email's */
	FLAG_RECENT = 32   /* of a view: uid at or above what an earlier
			    * selecting session had seen. Never stored */
};
enum {
	FLAGS_SET,
	FLAGS_ADD,
	FLAGS_REMOVE
};
enum {              /* RCPT_ASK.how */
	VERIFY_NOT, /* for a mail */
	VERIFY_RCPT,
	VERIFY_EXPAND
};
enum {
	MAILBOX_CREATE,
	MAILBOX_DELETE,
	MAILBOX_RENAME,
	MAILBOX_SUBSCRIBE,
	MAILBOX_UNSUBSCRIBE
};
/* verdict.code of what the store answers about mailboxes and messages; other
 * 4xx are trouble, other 5xx are BOX_CANNOT. */
enum {
	BOX_OK = 250,
	BOX_IN_USE = 450,      /* another POP3 session has the maildrop */
	BOX_TROUBLE = 451,     /* later, perhaps */
	BOX_NONEXISTENT = 550, /* no such mailbox */
	BOX_EXPUNGED = 551,    /* no such message (any more) */
	BOX_OVERQUOTA = 552,
	BOX_EXISTS = 553,   /* a mailbox of that name is there */
	BOX_CANNOT = 554,   /* INBOX deleted, a bad name, read only */
	BOX_USEATTR = 555,  /* another mailbox has that special use */
	BOX_TOO_MANY = 556, /* annotations */
	BOX_LAST = BOX_TOO_MANY
};
enum {
	GRANT_READ = 1,
	GRANT_WRITE = 2,
	GRANT_SUBMIT = 4
};
enum {
	QUEUE_DELIVERED,
	QUEUE_TEMPORARY,
	QUEUE_PERMANENT,
	QUEUE_RELAYED,  /* by us, to a server that tells nobody */
	QUEUE_EXPANDED, /* RFC 3461, 5.2.7.3 */
	QUEUE_LATE      /* QUEUE_TEMPORARY, and its time is over: whatever its
			 * server said, that is 4.4.7 */
};
enum { /* of a row of the queue: docs/queue-states.md */
	ROW_WAITING,
	ROW_FAILED, /* this and the next three: its sender must hear of it */
	ROW_RELAYED,
	ROW_DELIVERED,
	ROW_EXPANDED,
	ROW_LOCAL /* held for a mailbox here (RFC 4865) */
};
enum { /* where a search looks */
	FIND_BODY,
	FIND_TEXT,
	FIND_HEADER
};
enum { /* RFC 3461, 4.1 */
	NOTIFY_NEVER = 1,
	NOTIFY_SUCCESS = 2,
	NOTIFY_FAILURE = 4,
	NOTIFY_DELAY = 8
};
enum {
	BOUNCE_FAILED,
	BOUNCE_DELAYED,
	BOUNCE_SUCCESS /* relayed, delivered, expanded */
};
enum { /* RFC 2852 */
	MAIL_BY_NONE,
	MAIL_BY_RETURN,
	MAIL_BY_NOTIFY
};
enum {
	LANE_INTERACTIVE,
	LANE_BULK,
	LANE_BOUNCE,
	N_LANES
};

#endif
