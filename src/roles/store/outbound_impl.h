/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_impl - what the files of the outbound queue share
 *
 * Jobs in threads hold copies and numbers, never pointers to what the loop may
 * free meanwhile: when they come back, attempts and bounces are looked up by
 * their numbers, which are given once in the life of the process.
 */
#ifndef ROLES_STORE_OUTBOUND_IMPL_H
#define ROLES_STORE_OUTBOUND_IMPL_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/time.h"
#include "queue/destination.h"
#include "queue/retry.h"
#include "queue/schedule.h"
#include "queue/terms.h"
#include "queue/throttle.h"
#include "queue/warmup.h"
#include "roles/store/outbound.h"
#include "roles/store/outbound_talks.h"
#include "store/events.h"

enum {
	OUT_ROWS = 100,        /* recipients of one attempt, as in ATTEMPT */
	OUT_FILLS = 16,        /* windows read at a time */
	OUT_READS = 8,         /* of one attempt's body asked at a time */
	OUT_BODY_WITH = 32768, /* octets that go along with their attempt */
	OUT_BOUNCES = 20       /* being made at a time */
};
#define OUT_LEASE (2 * TIME_HOUR)
#define OUT_SWEEP (30 * TIME_SECOND) /* at most; see sweep_period() */
#define OUT_SWEEP_MIN TIME_SECOND
#define OUT_BOUNCE_TIME (2 * TIME_MINUTE)
#define OUT_SLOW (10 * TIME_SECOND)   /* an attempt that was */
#define OUT_TROUBLE (5 * TIME_SECOND) /* before what failed here is retried */

struct out_courier {
	struct list link;
	struct channel *channel;
	uint32_t slots, in_hand;
};

struct outbound {
	struct env *env;
	struct store *store;
	const struct settings *settings;
	struct outbound_options options;
	struct destinations destinations;
	struct schedule schedule; /* of what waits for a mailbox here */
	struct terms_table terms; /* of destinations */
	struct throttles throttles;
	struct warmup warmups[LIMIT_WARMUPS];
	size_t n_warmups;
	/* IPv4 and IPv6: what the system chose where none is configured */
	char seen_source[2][WARMUP_ADDRESS_MAX];
	int64_t terms_least; /* the shortest time that one sets */
	struct schedule_clock started;
	struct list couriers;
	struct list controls; /* admin requests at work */
	struct map attempts;  /* by number */
	struct map in_hand;   /* queue rows, by row: their attempt */
	struct list fresh;    /* outbound_fresh.c */
	struct map fresh_rows;
	size_t fresh_bytes;
	struct map bounces; /* by number */
	struct talks talks;
	uint64_t next_number;
	uint64_t n_refusals; /* written */
	unsigned n_fills;
	struct env_timer wake, sweep;
	int64_t sweep_at; /* env_now */
	struct env_defer pump;
	bool is_reading_bounces, is_sweeping, is_started;
	bool is_full;          /* the disk took no result: nothing is begun */
	uint8_t wants_bounces; /* 1 << BOUNCE_* */
	int64_t late_before;   /* of the sweep whose late rows are wanted */
	struct route_table routes;
	bool is_reading_routes, routes_are_stale;
	uint8_t routes_seed[MAP_SEED];
};

struct out_rcpt {
	uint64_t row;
	struct slice address, orcpt; /* in the attempt's arena */
	int64_t rrvs;
	bool rrvs_continue;
	uint8_t notify;
	uint32_t attempts;
};

/* One ATTEMPT, from the choice of its rows to its committed result. */
struct out_attempt {
	struct outbound *outbound;
	uint64_t number;
	/* lives as long as we are in flight, or settling */
	struct destination *destination;
	struct out_courier *courier; /* NULL: lost */
	struct id message;
	struct arena arena;
	struct out_rcpt rcpts[OUT_ROWS];
	size_t n_rcpts;
	uint64_t size;
	struct list reads;    /* of the body, asked and not yet begun */
	uint32_t read_ticket; /* of the courier's present try */
	unsigned n_reads;     /* waiting and under way */
	bool is_reading;
	bool has_sender, is_sent, has_result, is_settling;
	bool is_counted; /* in the throttles of `flow` */
	int64_t flow;
	/* of IPv4 and IPv6: whose warm-up counts it; empty: none */
	char warm[2][WARMUP_ADDRESS_MAX];
	bool has_no_source[2]; /* of ours that is configured */
	int64_t began;         /* env_now, when the courier was given it */
	int64_t deliver_by;    /* RFC 2852 */
	uint8_t by_mode;
	bool by_trace, is_discarded;
	struct env_timer lease; /* until its result comes */
};

/* -- outbound.c
 * ------------------------------------------------------------------ */

int64_t outbound_time(struct outbound *o); /* schedule_time of now */
void outbound_pump_soon(struct outbound *o);
/* What is to be changed is in one hand, and what was known of it is not true
 * any more. False: it is in another's, or there is no memory. */
bool outbound_take_in_hand(struct outbound *o, uint64_t row, void *holder);
/* The courier with the most free slots, or NULL. */
struct out_courier *outbound_free_courier(struct outbound *o);
void outbound_event(struct outbound *o, const struct id *message,
    const char *kind, struct slice address, struct slice text,
    struct slice detail);

/* -- outbound_window.c
 * --------------------------------------------------------------- */

/* Reads rows that are due into the destination's window. */
int out_fill_start(struct outbound *o, struct destination *d);

/* -- outbound_attempt.c
 * ------------------------------------------------------------ */

/* Takes rows of the destination's window and gives them to the courier. */
int out_attempt_start(struct outbound *o, struct destination *d,
    struct out_courier *courier);
/* Back into the queue, as if nothing had been. */
void out_attempt_return(struct out_attempt *a);
/* The row is nobody's any more; due: when it is to be tried again. */
void out_attempt_release(struct out_attempt *a, size_t i, int64_t due);
/* All its rows have been released. */
void out_attempt_free(struct out_attempt *a);
/* Its courier is done with it: only the result is to be written. */
void out_attempt_settle(struct out_attempt *a);

/* -- outbound_fresh.c
 * ---------------------------------------------------------------- */

/* NULL: read it. */
const struct out_fresh_row *out_fresh_find(const struct outbound *o,
    uint64_t row);
const struct q_message_place *out_fresh_place(const struct out_fresh_row *row,
    struct slice *ret_body);
void out_fresh_forget(struct outbound *o, uint64_t row);
void out_fresh_forget_all(struct outbound *o);

/* -- outbound_body.c ------------------------------------------------------- */

/* In a READ thread: all of what is sent of a small message, in the arena; empty
 * for others. */
struct slice out_body_with(struct store *s, const struct q_message_place *p,
    struct arena *arena);
/* Forgets what was asked for and is not yet read. */
void out_body_forget(struct out_attempt *a);

/* -- outbound_route.c
 * ---------------------------------------------------------------- */

/* Reads the routes; `then` runs on the loop when they are there (or are not to
 * be had, and there are none), and may be NULL. */
void outbound_routes_read(struct outbound *o, void (*then)(struct outbound *o));

/* Rows that wait at a destination which is not theirs any more. */
struct out_move;
struct out_move *out_move_new(struct outbound *o, struct slice from,
    uint8_t lane);
/* The row is in hand already, and stays so. -ENOMEM: it is not taken. */
int out_move_add(struct out_move *m, uint64_t row, struct slice to);
/* Writes it, or forgets it when there is nothing in it. */
void out_move_submit(struct out_move *m);
/* What ATTEMPT says of the next hop. */
void out_hop_fill(const struct route_choice *choice, struct wire_attempt *m);

/* -- outbound_bounce.c
 * --------------------------------------------------------------- */

/* Some rows have failed, or are waiting for a notice of success. */
void outbound_bounces_look(struct outbound *o);
/* Looks for those that had to wait. */
void outbound_bounces_go_on(struct outbound *o);
/* Rows that have been waiting since before that. */
void outbound_bounces_look_late(struct outbound *o, int64_t before);
void outbound_bounces_courier_lost(struct outbound *o, struct out_courier *c);
/* Nobody wants to hear that this one failed (RFC 3461, 5.2.6; 5321, 4.5.5). */
bool outbound_is_unheard(struct slice sender, uint8_t notify);
/* Takes a row away, with its reference (outbound_commit.c). */
int outbound_remove_row(struct db *db, uint64_t row);

/* -- outbound_terms.c
 * ---------------------------------------------------------------- */

void out_terms_load(struct outbound *o, void (*then)(struct outbound *o));
/* All of them; where nobody has set one, as the configuration says. tls may be
 * TLS_MINIMUM_DEFAULT: as the courier's configuration says. from may be NULL.
 */
void out_terms(const struct outbound *o, struct slice route, struct terms *ret,
    struct slice from[TERMS_N]);
/* How much at a time, of these. */
struct pace_limits out_limits(const struct outbound *o, struct slice route);
struct schedule out_terms_schedule(const struct terms *t);

/* -- outbound_throttle.c
 * ------------------------------------------------------------- */

void out_throttles_load(struct outbound *o, void (*then)(struct outbound *o));
/* Leaves in the window only what may go now; false: that is nothing. */
bool out_throttles_admit(struct outbound *o, struct destination *d);
/* The attempt's mail leaves; or has not left after all. */
void out_throttles_take(struct out_attempt *a, int64_t flow);
void out_throttles_give_back(struct out_attempt *a);
/* Those that concern an attempt, to be written with its result. */
struct out_throttled {
	struct throttle at[THROTTLE_KINDS];
	size_t n;
};
void out_throttles_of(const struct out_attempt *a, struct out_throttled *ret);
int out_throttled_write(struct db *db, const struct out_throttled *t);

/* -- outbound_warmup.c
 * --------------------------------------------------------------- */

void out_warmups_load(struct outbound *o, void (*then)(struct outbound *o));
/* From which of our addresses the attempt may go; false: from none today, and
 * its destination waits. */
bool out_warmups_admit(struct out_attempt *a, struct wire_attempt *m);
/* The courier found no host that it could ask without those that have had
 * their mails. */
void out_warmups_wait(struct outbound *o, struct destination *d);
/* It has not left. */
void out_warmups_give_back(struct out_attempt *a);
void out_warmups_heard(struct out_attempt *a,
    const struct wire_attempt_result *m);
/* To be written with the result. */
struct out_warmed {
	struct warmup at[2];
	size_t n;
};
void out_warmed_of(const struct out_attempt *a, struct out_warmed *ret);
int out_warmed_write(struct db *db, const struct out_warmed *w);

/* -- outbound_sweep.c
 * ---------------------------------------------------------------- */

void outbound_sweep_start(struct outbound *o);
/* A sweep has something to do at that time (wall clock). */
void outbound_sweep_by(struct outbound *o, int64_t wall);

#endif
