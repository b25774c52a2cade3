/* SPDX-License-Identifier: ISC */
/*
 * store/store - one data directory: database, segments, events
 *
 * Opened by the store role, or by `ulak init` and `ulak verify` in a process
 * of their own, always under the directory's lock. Holds the writer's
 * connection (committer.h), a few reading ones, the appender and the events.
 *
 * Loop only, unless a call says otherwise. In threads: apply() of writes,
 * run() of reads, and segment_read().
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/verdict.h"
#include "config/settings.h"
#include "store/appender.h"
#include "store/committer.h"
#include "store/flags.h"
#include "store/queries.h"

struct store;
struct events;

struct store_options {
	bool create;           /* make what is not there (init) */
	bool read_only;        /* verify: changes nothing, no threads needed */
	uint64_t segment_size; /* 0: 64 MiB */
	size_t body_memory;    /* 0: 512 MiB */
	int64_t events_keep;   /* us; 0: for ever */
	/* The store cannot go on: it must be closed and opened anew. */
	void (*broken)(void *ctx, const char *why);
	/* A write failed with r and nothing was kept; the next may do better.
	 * Both may be NULL. */
	void (*trouble)(void *ctx, int r);
	void *ctx;
};

enum {                      /* conditions of store_open, beside -errno */
	STORE_E_LOCKED = 1, /* another process has it: store_lock_owner */
	STORE_E_NEWER,      /* its schema is newer than this program */
	STORE_E_ABSENT,     /* no store here: `ulak init` */
	STORE_E_KEY,        /* segments/key is gone or not a key */
	STORE_E_DAMAGED,    /* ulak.db is none, or is broken */
	STORE_E_OLDER,      /* read_only, and it would have to be upgraded */
	STORE_E_UPGRADE     /* no snapshot, or no upgrade: as it was */
};

int store_open(struct env *env, struct env_dir *data,
    const struct store_options *o, struct store **ret);
/* Nothing may be in the lanes any more; the role just exits. */
void store_close(struct store *s);
bool store_is_idle(const struct store *s);
/* After STORE_E_*: one line that says what and what to do. */
const char *store_open_text(int r);
uint32_t store_schema(void); /* the version of every open store */

struct env *store_env(struct store *s);
struct committer *store_committer(struct store *s);
struct appender *store_appender(struct store *s);
struct events *store_events(struct store *s);
struct db *store_writer(struct store *s); /* offline only, or inside apply */

void store_submit(struct store *s, struct store_write *w);

/* A read in the READ lane, inside a read transaction that begins after the
 * call. run() copies out what it needs and must not wait for anybody. is_short:
 * a few rows by their keys, or a few KiB; such ones share a thread and a
 * transaction with what else came in the same turn. */
struct store_read {
	struct env_job job; /* the store's own */
	struct store *store;
	int (*run)(struct db *db, struct store_read *r);
	void (*done)(struct store_read *r, int result); /* on the loop */
	int result;
	bool is_short;
};
void store_read(struct store *s, struct store_read *r);

/* Segments below this one get no further records: empty ones may go. */
uint64_t store_safe_segment(const struct store *s);

/* Unlinks the file of a segment whose row is gone. */
void store_segment_remove(struct store *s, uint64_t number);

/* In a READ thread: n bytes of the segment at offset. -ENOENT when the file
 * is gone (look the place up once more), -EIO when it is shorter. */
int segment_read(struct store *s, uint64_t segment, uint64_t offset, void *at,
    size_t n);

/* Bytes first, then rows: the body is appended, and when it is durable,
 * write.apply runs with `place` filled. write.done comes in every case. */
struct deposit {
	struct store_write write;
	struct append append; /* header and envelope: the caller's to fill */
	/* deposit_submit's own */
	struct store *store;
	struct list link;
	void (*caller_done)(struct store_write *w, int r);
	void (*appended)(struct deposit *d, int r);
	bool is_appended;
};
void deposit_submit(struct store *s, struct deposit *d, struct body *body);
/* The bytes alone: `appended` comes in every case; then rows are the caller's
 * to write, who calls deposit_release in the end: with 0 when they name the
 * record. A deposit that was never appended may be released, when its link was
 * initialised. */
void deposit_append(struct store *s, struct deposit *d, struct body *body,
    void (*appended)(struct deposit *d, int r));
void deposit_release(struct deposit *d, int r);

/* -- helpers inside apply(): message.c ----------------------------------------
 */

/*
 * The order inside a transaction that makes a message ours: ask
 * message_exists; deliver and queue, counting the references that this makes
 * (one for each delivery, one for each queue row); message_insert with that
 * count. So the row of the message is written once.
 */

/* What the row of a message holds beside its place. */
struct message_row {
	struct id id;
	const struct segment_place *place;
	uint32_t refs;
	uint64_t relay_from;
	int64_t received_at;
	struct slice sender, client, helo, protocol, envid, summary;
	uint8_t ret;
	bool is_8bit;
	/* as in COMMIT (wire/messages.def) */
	bool is_binary, is_smtputf8, requires_tls, by_trace;
	int64_t hold_until, deliver_by, priority;
	uint8_t by_mode; /* MAIL_BY_* */
};
/* Whether this id was committed before: then say yes to whoever asks again,
 * and change nothing. 0: it is there; DB_NONE. */
int message_exists(struct db *db, const struct id *id);
int message_insert(struct db *db, const struct message_row *m);
/* Changes refs by d; at 0 the message's row goes, and its bytes become
 * garbage of their segment. */
int message_ref(struct db *db, const struct id *id, int64_t d);

/* Puts a message into a mailbox of an account: quota, uid, modseq, counters,
 * email and entry rows. Makes one reference. An account gets a message once:
 * DB_E_EXISTS. */
struct delivery {
	uint64_t account, mailbox; /* mailbox 0: INBOX */
	struct id message;
	uint64_t size;
	uint8_t flags;         /* FLAG_*, \Deleted too */
	struct slice keywords; /* sorted, one space between */
	int64_t date, zone, saved_at;
	struct slice summary; /* for the thread */
	int64_t thread;       /* 0: to be found by it */
	bool is_exempt;       /* from the quota: postmaster's mail */
	/* results */
	uint64_t modseq;
	uint32_t uid, uidvalidity;
};
enum {
	STORE_E_QUOTA = 100,
	STORE_E_NO_MAILBOX,
	STORE_E_NO_ACCOUNT,
	STORE_E_EXISTS,
	STORE_E_NAME,      /* not a mailbox name we make */
	STORE_E_FORBIDDEN, /* such as deleting INBOX */
	STORE_E_USE,       /* another mailbox has that special use */
	STORE_E_TOO_MANY   /* annotations */
};
int mailbox_deliver(struct db *db, struct delivery *d);

/* One row of the queue, in the transaction that makes the message ours. */
/* What message_insert() makes of a summary: SUMMARY_*. */
uint32_t message_attributes(struct slice summary);

struct queue_add {
	struct id message;
	uint32_t n; /* recipients of a message count from 0 */
	uint64_t tenant;
	struct slice sender, rcpt, rcpt_canon,
	    route;    /* route: A-label domain */
	uint8_t lane; /* LANE_* */
	int64_t now, expires;
	uint8_t notify;
	struct slice orcpt;
	/* what most have not: 0 */
	uint8_t state;        /* ROW_* */
	int64_t due;          /* RFC 4865; 0: now */
	int64_t by, priority; /* RFC 2852, 6710 */
	uint8_t by_mode;
	int64_t rrvs; /* RFC 7293 */
	bool rrvs_continue;
	struct slice hold; /* not empty: it is held, and why */
	uint64_t row;      /* the result: its number */
};
int queue_add(struct db *db, struct queue_add *q); /* one reference */
/* A row that went there does not any more. */
int queue_leave(struct db *db, struct slice route, uint8_t lane);

/* Who is this address to us? For apply() and run(): looks up without a cache.
 * canonical: policy/canon.h. DB_NONE when it is no account of ours. */
int account_find(struct db *db, struct slice canonical, uint64_t *ret_account);

/* -- offline: init and tests
 * ---------------------------------------------------- */

int store_domain_add(struct store *s, struct slice domain);
int store_account_add(struct store *s, struct slice address, struct slice name,
    struct slice verifier, uint64_t *ret_account);
int store_alias_add(struct store *s, struct slice address, struct slice target);
int store_key_add(struct store *s, struct slice names, struct slice sealed,
    struct slice chain, bool is_default);

/* Problems are told one by one; returns how many, or -errno. Works beside a
 * running committer (a reader's snapshot) as well as offline. */
struct verify_report {
	void (*problem)(void *ctx, const char *what);
	void *ctx;
	uint64_t messages, bytes, entries, accounts, queue_rows, orphans;
};
int store_verify(struct store *s, struct verify_report *report);

#endif
