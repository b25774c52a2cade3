/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_admin - what the files of `ulak queue` share
 *
 *   outbound_admin.c   the table of commands, arguments in, answers out
 *   outbound_show.c    commands that look: list, show, count, summary
 *   outbound_change.c  commands that change, in slices
 *
 * Both kinds of commands mean rows by the same arguments (struct args).
 */
#ifndef ROLES_STORE_OUTBOUND_ADMIN_H
#define ROLES_STORE_OUTBOUND_ADMIN_H

#include "base/limits.h"
#include "roles/store/outbound_impl.h"

enum {
	SHOW_MAX = 10000,
	SHOW_DEFAULT = 1000,
	ROWS_BUF = 70 * 1024,
	REASON_MAX = 200
};

/* Of rows, as :state of the queries; others are told apart by who looks. */
enum which_state {
	WHICH_ANY,
	WHICH_WAITING,
	WHICH_HELD,
	WHICH_FAILED
};

struct args {
	uint8_t id[ID_SIZE];
	bool has_id, all;
	uint64_t row, limit, after, slice;
	int64_t older, newer; /* came before, after that time; 0: any */
	int8_t lane;          /* -1: any */
	uint8_t which;        /* enum which_state, from `state` */
	int64_t priority;
	bool has_priority;
	char rcpt[LIMIT_ADDRESS + 1], sender[LIMIT_ADDRESS + 1],
	    route[LIMIT_DOMAIN + 1], state[16], reason[REASON_MAX + 1],
	    to[LIMIT_ADDRESS + 1], by[16];
	char bad[256]; /* which cannot be, and what it takes */
};

struct command;

/* Common to both kinds of request. */
struct request {
	struct list link; /* in o->controls */
	struct outbound *outbound;
	struct channel *channel; /* NULL: the asker is gone */
	uint64_t session;
	uint32_t ticket;
	struct env_timer *waits; /* of a change; NULL: of a look */
	const struct command *command;
	struct args args;
};

struct table {
	struct request *request;
	struct buf fields;
	uint32_t n;
};

struct command {
	const char *name;
	/* Makes a request of its own size, with `request` first. */
	struct request *(*make)(void);
	bool (*start)(struct request *q);
	/* of changes */
	int (*apply)(struct db *db, const struct args *a, uint64_t row,
	    int64_t now);
	bool makes_due; /* those being tried already are */
	bool makes_bounce;
	bool needs_id, moves; /* moves: needs `to`, or `priority` */
	bool looks;
};

/* -- outbound_admin.c -- */

void table_text(struct table *t, const char *name, struct slice value);
void table_number(struct table *t, const char *name, int64_t value);
void table_send(struct table *t, bool more, struct verdict v);
void request_end(struct request *q, struct verdict v);

/* -- outbound_show.c -- */

struct request *show_make(void);
bool show_start(struct request *q);
bool count_start(struct request *q);
bool summary_start(struct request *q);

/* -- outbound_change.c -- */

struct request *change_make(void);
bool change_start(struct request *q);
int apply_retry(struct db *db, const struct args *a, uint64_t row, int64_t now);
int apply_hold(struct db *db, const struct args *a, uint64_t row, int64_t now);
int apply_release(struct db *db, const struct args *a, uint64_t row,
    int64_t now);
int apply_delete(struct db *db, const struct args *a, uint64_t row,
    int64_t now);
int apply_bounce(struct db *db, const struct args *a, uint64_t row,
    int64_t now);
int apply_redirect(struct db *db, const struct args *a, uint64_t row,
    int64_t now);
int apply_priority(struct db *db, const struct args *a, uint64_t row,
    int64_t now);

#endif
