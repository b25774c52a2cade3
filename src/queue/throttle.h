/* SPDX-License-Identifier: ISC */
/*
 * queue/throttle - how much may leave in a time: of a sender, a tenant, a route
 *
 * An admin sets so many mails in a period, and how many of these may go at
 * once (burst). What is over it waits; nothing is refused for it. A tenant is
 * the domain of senders, a route one of the operator's (`ulak route`) or the
 * domain that mail goes to. All that concern a mail must permit it.
 *
 * One number is kept of each, the time until which what has left is paid for
 * (`next`): it is in the database as well, so that a restart gives nobody a
 * burst. Pure; the table is owned by one loop. Times in microseconds.
 */
#ifndef QUEUE_THROTTLE_H
#define QUEUE_THROTTLE_H

#include "base/map.h"

enum throttle_kind {
	THROTTLE_SENDER,
	THROTTLE_TENANT,
	THROTTLE_ROUTE,
	THROTTLE_KINDS
};

enum {
	THROTTLE_NAME_MAX = 320,
	THROTTLE_TEXT_MAX = THROTTLE_NAME_MAX + 8,
	THROTTLE_COUNT_MAX = 1000000
};

struct throttle {
	uint8_t kind;
	char name[THROTTLE_NAME_MAX + 1]; /* lower case */
	uint32_t mails, burst;
	int64_t period, next;
};

/* "sender:jo@one.example", "tenant:one.example", "route:NAME", "route:DOMAIN".
 */
bool throttle_subject_parse(struct slice text, struct throttle *ret);
void throttle_subject_print(const struct throttle *t,
    char text[THROTTLE_TEXT_MAX]);

/* When the next mail may go; what is not after `now`: at once. */
int64_t throttle_ready(const struct throttle *t, int64_t now);
/* n mails leave, or n that left do not count after all (n < 0). */
void throttle_count(struct throttle *t, int n, int64_t now);

/* It takes the place of `old`: as many mails are owed as before. */
void throttle_follow(struct throttle *t, const struct throttle *old,
    int64_t now);

struct throttles {
	struct map by_key; /* kind, then what it is found by */
};

void throttles_init(struct throttles *s, const uint8_t seed[MAP_SEED]);
void throttles_deinit(struct throttles *s);
/* A copy of it. 0, -ENOMEM; -EINVAL: there is one of that name. */
int throttles_put(struct throttles *s, const struct throttle *t);
/* The one of that kind for a mail; NULL. route: as in the queue; flow: of
 * queue/fair. */
struct throttle *throttles_find(const struct throttles *s,
    enum throttle_kind kind, struct slice route, int64_t flow);
/* One after the other, from *at = 0 on; NULL at the end. */
struct throttle *throttles_next(const struct throttles *s, size_t *at);
/* The one with t's name; NULL. */
const struct throttle *throttles_same(const struct throttles *s,
    const struct throttle *t);
/* When all permit it, and the one that is the last to (may be NULL). */
int64_t throttles_ready(const struct throttles *s, struct slice route,
    int64_t flow, int64_t now, const struct throttle **ret_why);
void throttles_count(struct throttles *s, struct slice route, int64_t flow,
    int n, int64_t now);

#endif
