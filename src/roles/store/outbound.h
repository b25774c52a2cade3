/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound - the queue at work: who is tried when, and what follows
 *
 * Memory holds destinations (queue/destination), rows are read when their turn
 * comes. What a courier has in hand is a lease in memory: when the store or
 * that courier dies, the rows are simply due again. Results become one
 * transaction each; rows that failed for good stay, marked, until a bounce for
 * them is committed in the transaction that removes them.
 *
 *   outbound.c          destinations, slots: who is next
 *   outbound_window.c   which of its rows: tenants and senders take turns
 *   outbound_attempt.c  ATTEMPT
 *   outbound_fresh.c    what it needs, of mail that has just come
 *   outbound_body.c     its body
 *   outbound_result.c   ATTEMPT_RESULT: what becomes of each row
 *   outbound_bounce.c   bounces, and notices of delay and success; of one:
 *   outbound_load.c     what it is made of
 *   outbound_commit.c   it is kept
 *   outbound_sweep.c    what is over, late, or released by now
 *   outbound_admin.c    `ulak queue ...`
 *   outbound_terms.c    on what terms: `ulak destination ...`
 *   outbound_throttle.c how much in a time: `ulak throttle ...`
 *   outbound_warmup.c   source addresses that are new: `ulak warmup ...`
 *   outbound_route.c    the operator's routes, and rows that follow them
 *
 * The store role owns it and calls it on the loop only.
 */
#ifndef ROLES_STORE_OUTBOUND_H
#define ROLES_STORE_OUTBOUND_H

#include "policy/route_table.h"
#include "store/store.h"
#include "wire/channel.h"

struct outbound;

struct outbound_options {
	/* A bounce went into a mailbox here: watchers must hear of it. */
	void (*changed)(void *ctx, uint64_t account, uint64_t mailbox,
	    uint64_t modseq);
	void *ctx;
};

/* settings must outlive it. 0 or -ENOMEM. */
int outbound_new(struct env *env, struct store *store,
    const struct settings *settings, const struct outbound_options *o,
    struct outbound **ret);
/* Reads the destinations and begins. */
void outbound_start(struct outbound *o);
/* Only when the committer and the readers are idle. */
void outbound_free(struct outbound *o);

/* Which route mail takes. What is returned is valid until the loop goes on:
 * routes may change. domain: canonical, outlives *ret. */
void outbound_route(const struct outbound *o, struct slice sender,
    struct slice domain, struct route_choice *ret);
/* Routes, or the targets of relay domains, were changed: mail that waits goes
 * by the new ones, and is tried at once where it was put off. */
void outbound_routes_changed(struct outbound *o);

/* A queue row was committed. Safe to call for rows it knows already. */
struct outbound_row {
	uint64_t row; /* 0: it is looked for when it is its turn */
	struct id message;
	struct slice route;
	uint8_t lane, state; /* ROW_* */
	int64_t due, by;     /* 0: at once; never */
	int64_t priority;
	struct slice sender; /* at NULL: not known */
};
void outbound_queued(struct outbound *o, const struct outbound_row *row);

/* A mail that is being kept, for its first attempt (outbound_fresh.c). body:
 * all of it as it is stored; NULL when it is too large to stay in memory, or
 * there is none. Lives in the arena until outbound_fresh_keep. */
struct fresh_mail;
struct fresh_mail *outbound_fresh_new(struct arena *arena, struct slice body);
/* Its rows were committed, as `is` says; all slices lie in the arena, which is
 * taken over (or left as it was, when memory is short). */
struct out_fresh_row {
	uint64_t row;
	struct q_queue_row is;
	/* outbound_fresh.c's own */
	struct fresh_mail *mail;
	bool is_gone;
};
void outbound_fresh_keep(struct outbound *o, struct fresh_mail *m,
    struct arena *arena, const struct q_message_place *place,
    const struct out_fresh_row *rows, size_t n);

/* How often rows were refused for good: any of them may suppress somebody. */
uint64_t outbound_refusals(const struct outbound *o);

/* A courier's channel ended: call before the channel is freed. */
void outbound_courier_lost(struct outbound *o, struct channel *c);

/* Handlers for the store's dispatch; c is the courier's channel. */
int outbound_on_courier_state(struct outbound *o, struct channel *c,
    const struct wire_courier_state *m);
int outbound_on_attempt_read(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_attempt_read *m);
int outbound_on_attempt_hosts(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_attempt_hosts *m);
int outbound_on_attempt_result(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_attempt_result *m);
/* body: what BODY_OPEN ... of that channel under m->body became; it is taken
 * over. NULL when there is none (any more): the bounce is asked for again. */
int outbound_on_bounce_commit(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_bounce_commit *m,
    struct body *body);

/* ADMIN_ASK "queue ...": false when it is none of ours, else the answer goes
 * (later) to c, if that is still there. */
bool outbound_admin(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_admin_ask *m);
/* The asker's channel ended: call before the channel is freed. */
void outbound_control_lost(struct outbound *o, struct channel *c);
/* Warm-ups were changed. */
void outbound_warmups_changed(struct outbound *o);
/* Throttles were changed. */
void outbound_throttles_changed(struct outbound *o);
/* The terms of destinations were changed. */
void outbound_terms_changed(struct outbound *o);
/* Those of a route and who says so, then what is known of it just now; until
 * `each` returns another value than 0: that is returned. */
int outbound_terms_tell(struct outbound *o, struct slice route,
    int (*each)(void *ctx, const char *term, const char *value,
	struct slice from),
    void *ctx);

/* At the end of the role: frees the requests that wait for an attempt. */
void outbound_admin_end(struct outbound *o);

#endif
