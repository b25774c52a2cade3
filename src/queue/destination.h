/* SPDX-License-Identifier: ISC */
/*
 * queue/destination - what of the queue is in memory: destinations, not rows
 *
 * A destination is a route (domain or literal) and a lane. It knows its least
 * due time, how many attempts are in flight, its back-off, and a window of at
 * most QUEUE_WINDOW rows that are due. Ten million rows for one dead host are
 * one destination that waits.
 *
 *   waits --its time comes--> next() --window empty--> fill_begin ... fill_end
 *                               |                                       |
 *                               +--take()--> in flight --done()---------+
 *                                               +--settle()--> settled()
 *
 * Pure: the caller reads rows, keeps the clock (wall time in microseconds) and
 * carries out attempts. Owned by one loop. Lanes take turns, so that a flood of
 * bulk mail does not keep a person's mail waiting; in a lane, destinations do;
 * in a destination, tenants and senders (queue/fair, which the caller asks for
 * the order of the rows; who comes while another's rows fill the window has it
 * read anew, at most once in QUEUE_STALE_TIME). How much a destination gets at
 * a time is queue/pace's; destinations with the same mail hosts share limits
 * (queue/hosts).
 */
#ifndef QUEUE_DESTINATION_H
#define QUEUE_DESTINATION_H

#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "queue/hosts.h"
#include "queue/pace.h"

enum {
	QUEUE_WINDOW = 1000,
	QUEUE_LANES = 3,      /* as LANE_* in store/flags.h */
	QUEUE_ROUTE_MAX = 255 /* as ATTEMPT.route */
};
#define QUEUE_NEVER INT64_MAX
#define QUEUE_STALE_TIME (1 * TIME_SECOND)

struct queue_row {
	uint64_t row;
	int64_t flow; /* whose it is (queue/fair) */
	struct id message;
	int8_t priority; /* RFC 6710; the caller gives the highest first */
};

struct destination {
	/* the caller may read these */
	uint8_t lane;
	uint32_t in_flight; /* attempts */
	uint32_t settling;  /* over, and their results not yet written */
	uint32_t failures;  /* in a row */
	uint32_t n_soon;    /* the last of them: no host's */
	int64_t retry_at;   /* back-off; 0: none */
	bool is_warming;    /* retry_at: its source has had its mails */
	int64_t least_due;  /* of rows outside the window; QUEUE_NEVER */
	struct pace pace;
	struct pace_limits limits;
	struct hosts *hosts; /* NULL: not known (yet) */
	/* destination.c's own */
	struct list parked; /* in s->parked or hosts->waiting, when is_parked */
	bool is_parked;
	int64_t turn_at; /* when it was its turn last, in line with others */
	size_t heap_at;  /* from 1; 0: not in the heap */
	int64_t ready_at;
	bool is_filling;
	bool is_deferred;  /* least_due may be that of a throttle */
	bool has_given;    /* rows of the present window were taken */
	bool is_stale;     /* somebody came who has nothing in the window */
	int64_t filled_at; /* the window */
	struct queue_row *window;
	size_t n_window, window_at;
	size_t key_len;
	uint8_t key[QUEUE_ROUTE_MAX + 1]; /* lane, then the route */
};

struct destinations {
	struct map by_key, hosts;
	struct {
		struct destination **heap; /* least ready_at first; from 1 */
		size_t n, size;
	} lanes[QUEUE_LANES];
	/* Attempts at hosts that have not taken anything yet: they may take
	 * their time, and leave some of the slots to the others. */
	uint32_t n_probes, most_probes;
	struct list parked; /* who would be the next probe, first come first */
	uint32_t concurrency; /* attempts at a time, where no limit is set */
	int64_t now;          /* as the caller said last */
	unsigned turn;
};

void destinations_init(struct destinations *s, const uint8_t seed[MAP_SEED],
    uint32_t concurrency);
void destinations_deinit(struct destinations *s);

/* How many attempts at a time may be with hosts that nothing is known of. */
void destinations_probes(struct destinations *s, uint32_t most);

struct slice destination_route(const struct destination *d);
/* NULL when it is not there. */
struct destination *destination_find(const struct destinations *s,
    struct slice route, uint8_t lane);
/* Finds or makes it. 0, -ENOMEM; -EINVAL when route or lane cannot be. */
int destination_get(struct destinations *s, struct slice route, uint8_t lane,
    struct destination **ret);
/* Frees one that has nothing to do and no memory worth keeping; false, and
 * nothing done, for others. */
bool destination_forget(struct destinations *s, struct destination *d);

/* A row that is not in the window is (or will be) due. */
void destination_row_due(struct destinations *s, struct destination *d,
    int64_t due);
/* A row that is due and that the caller has at hand: into the window, behind
 * the others. False where it must be read with what else is due, so that each
 * gets its turn (then destination_row_due). */
bool destination_give(struct destinations *s, struct destination *d,
    const struct queue_row *row, int64_t now);
/* Sets the back-off, after failures and at the start. */
void destination_back_off(struct destinations *s, struct destination *d,
    uint32_t failures, int64_t retry_at);
/* The same after a failure that is not its hosts': what is known of them stays.
 */
void destination_put_off(struct destinations *s, struct destination *d,
    uint32_t failures, int64_t retry_at);
/* "Try now": what is believed of the host is forgotten. */
void destination_forgive(struct destinations *s, struct destination *d);
/* What the operator permits from now on. */
void destination_limits(struct destinations *s, struct destination *d,
    const struct pace_limits *l);
/* It has these hosts (queue/hosts). True: the attempt that found it out may go
 * on; false: it is one too many, and must be taken back. */
bool destination_share(struct destinations *s, struct destination *d,
    uint64_t hosts);
uint64_t destination_hosts(const struct destination *d); /* 0: not known */

/* The host took mail; or it said that it is too much. */
void destination_taken(struct destinations *s, struct destination *d,
    int64_t now);
/* Did so, but slowly: it keeps few attempts. */
void destination_taken_slowly(struct destinations *s, struct destination *d,
    int64_t now);
void destination_pressed(struct destinations *s, struct destination *d,
    enum pace_pressure what, int64_t now);
/* Drops the window: rows changed beneath it. They count as due now. */
void destination_refresh(struct destinations *s, struct destination *d);

/* A row of that priority came: a window that begins with lesser ones is read
 * anew. */
void destination_urgent(struct destinations *s, struct destination *d,
    int8_t priority);

/* A row of that flow came: a window in which others alone stand is read anew,
 * soon. */
void destination_came(struct destinations *s, struct destination *d,
    int64_t flow);

/* The next one with something to do at `now`, or NULL. Either its window is
 * empty (fill_begin it) or take() gives something. */
struct destination *destinations_next(struct destinations *s, int64_t now);
/* When there will be a next one; QUEUE_NEVER. */
int64_t destinations_ready_at(const struct destinations *s);

bool destination_window_is_empty(const struct destination *d);
void destination_fill_begin(struct destinations *s, struct destination *d);
/* rows: due and not in flight, in the order they are to go, copied as far as
 * the window goes; next_due: least due of those that were not read. 0, or
 * -ENOMEM: then the rows count as due at next_due's place. */
int destination_fill_end(struct destinations *s, struct destination *d,
    const struct queue_row *rows, size_t n, int64_t next_due);

/* The row that take() begins with; NULL: the window is empty. */
const struct queue_row *destination_first(const struct destination *d);
/* Rows of that flow leave the window: they may not go before `until`. */
void destination_defer(struct destinations *s, struct destination *d,
    int64_t flow, int64_t until);
/* What was deferred may go now. */
void destinations_undefer(struct destinations *s);

/* Takes rows of the first one's message, at most max, out of the window; an
 * attempt is in flight until done(). Returns how many. */
size_t destination_take(struct destinations *s, struct destination *d,
    struct queue_row *ret_rows, size_t max);
void destination_done(struct destinations *s, struct destination *d);
/* Over, as far as its host goes: another may begin. Its result is written next,
 * then settled(). While ten times as many results wait as there may be
 * attempts, none begins: what was sent would be sent twice if they were lost.
 */
void destination_settle(struct destinations *s, struct destination *d);
void destination_settled(struct destinations *s, struct destination *d);

#endif
