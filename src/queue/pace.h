/* SPDX-License-Identifier: ISC */
/*
 * queue/pace - how much at a time, and how fast: what a destination bears
 *
 * Nobody says beforehand. So the first attempts are few (PACE_FIRST), each mail
 * that is taken allows one more, up to what the operator permits; and where the
 * host says that it is too much, by words (pace_pressure) or by refusing
 * connections while it takes mail on others, the number is halved and grows
 * slowly from there. Words about a rate halve the rate that was measured, and
 * that comes back by a tenth a minute. A rate that the operator sets is kept
 * exactly, with its burst.
 *
 * Pure; time in microseconds comes in as an argument. Owned by a destination.
 */
#ifndef QUEUE_PACE_H
#define QUEUE_PACE_H

#include "base/verdict.h"

enum {
	PACE_FIRST = 2, /* attempts at a time, of a host that is not known */
	PACE_ONE = 16   /* `level` counts sixteenths */
};

struct pace_limits {
	uint32_t most;        /* attempts at a time, at least 1 */
	uint32_t rate, burst; /* messages a minute, 0: no limit; at once */
	uint32_t most_shared; /* with others at the same hosts; 0: no limit */
};

enum pace_pressure {
	PACE_EASE,
	PACE_CONNECTIONS, /* too many at a time */
	PACE_RATE         /* too many in a time */
};

struct pace {
	bool is_proven;    /* it has taken mail since we began to look */
	uint32_t level;    /* allowed at a time, in sixteenths */
	uint32_t knee;     /* from here on it grows slowly; 0: nowhere */
	uint32_t learnt;   /* messages a minute; 0: nothing is known */
	int64_t learnt_at; /* when that was changed */
	int64_t cut_at;    /* when the level was halved last; 0: never */
	int64_t taken_at;  /* when it took a mail last; 0: never */
	int64_t pause;     /* nothing before that */
	int64_t next;      /* of the rate: when the bucket is empty */
	int64_t since;     /* of `n_taken` */
	uint32_t n_taken;
};

void pace_init(struct pace *p);
/* How many attempts at a time. */
uint32_t pace_concurrency(const struct pace *p, const struct pace_limits *l);
/* Before that time none may begin; 0: at once. */
int64_t pace_ready(const struct pace *p, const struct pace_limits *l);
/* One attempt begins. */
void pace_on_start(struct pace *p, const struct pace_limits *l, int64_t now);
/* Its mail was taken, by at least one recipient. */
void pace_on_taken(struct pace *p, const struct pace_limits *l, int64_t now);
/* It was, but took its time: more attempts would hold up those of others. */
void pace_on_slow(struct pace *p, int64_t now);
/* The host bears no more, while n attempts were under way. */
void pace_on_pressure(struct pace *p, enum pace_pressure what, uint32_t n,
    int64_t now);
/* An attempt that failed says that it bears no more of them, not that it is
 * dead: it took mail a moment ago. */
bool pace_is_alive(const struct pace *p, int64_t now);
/* The wall clock was set back. */
void pace_turn_back(struct pace *p, int64_t now);
/* What was learnt of it would be missed. */
bool pace_is_worth_keeping(const struct pace *p, int64_t now);

/* What a 4yz reply says about our pace. */
enum pace_pressure pace_pressure(const struct verdict *v);

#endif
