/* SPDX-License-Identifier: ISC */
/*
 * policy/rate - what a network does in a minute, and how much it may
 *
 * A leaky bucket for each thing that is counted (connections, mails,
 * recipients, recipients that do not exist, errors) and each network, and the
 * connections it has at the moment. A bucket holds one minute's worth, so a
 * burst of that size passes, and drains evenly. Fixed memory (RATE_ROWS); a
 * full table forgets who was idle longest, never somebody who is connected as
 * long as there is another. Places are found by a keyed hash, so nobody can
 * choose whom he pushes out. No clock of its own; times are microseconds.
 */
#ifndef POLICY_RATE_H
#define POLICY_RATE_H

#include "base/ip.h"
#include "base/limits.h"
#include "base/map.h"

enum rate_thing {
	RATE_CONNECTIONS,
	RATE_MAILS,
	RATE_RCPTS,
	RATE_UNKNOWN, /* recipients that do not exist */
	RATE_ERRORS,
	RATE_N
};

enum {
	RATE_ROWS = LIMIT_RATE_ROWS,
	RATE_WAYS = 8,     /* places where one network may stand */
	RATE_OPEN = RATE_N /* what is over: connections at a time */
};

struct rate_limits {
	uint32_t open;           /* at a time; 0: any number */
	uint32_t minute[RATE_N]; /* in a minute; 0: any number */
};

struct rate_row {
	uint64_t who; /* 0: free */
	int64_t at;   /* when the levels were true */
	uint32_t open;
	/* A minute's microseconds for each one: what drains in a microsecond
	 * is a whole number then, however often it is looked at. */
	uint64_t level[RATE_N];
};

struct rate {
	uint8_t seed[MAP_SEED];
	struct rate_row rows[RATE_ROWS];
};

void rate_init(struct rate *r, const uint8_t seed[MAP_SEED]);

/* Who an address counts as: its /24 or /64, and which kind of service. */
uint64_t rate_who(const struct rate *r, const struct ip *client,
    uint8_t service_kind);

/* One more connection. True: it is counted in (rate_leave when it ends). False:
 * not served, and *ret_over says why (enum rate_thing or RATE_OPEN). */
bool rate_enter(struct rate *r, uint64_t who, const struct rate_limits *limits,
    int64_t now, unsigned *ret_over);
void rate_leave(struct rate *r, uint64_t who);
/* n more of that. False: over the limit now, and *ret_wait is how long (us)
 * until there is room again. */
bool rate_add(struct rate *r, uint64_t who, enum rate_thing thing, uint32_t n,
    const struct rate_limits *limits, int64_t now, int64_t *ret_wait);
/* Whether something is over its limit; of those the one with the longest wait.
 */
bool rate_is_over(struct rate *r, uint64_t who,
    const struct rate_limits *limits, int64_t now, unsigned *ret_over,
    int64_t *ret_wait);

/* "mails", for log and replies */
const char *rate_name(unsigned thing);

#endif
