/* SPDX-License-Identifier: ISC */
/*
 * queue/schedule - when something that failed is tried again, and until when
 *
 * Delays grow by a percentage from `first` to `max`, each with a jitter of a
 * fifth, so that what failed together does not come back together (RFC 5321,
 * 4.5.4.1). Expiry believes the wall clock only as far as the monotonic clock
 * agrees with it: a clock that leaps forward must not throw mail away.
 *
 * Pure; time and chance come in as arguments.
 */
#ifndef QUEUE_SCHEDULE_H
#define QUEUE_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"

struct schedule {
	int64_t first, max; /* us; 0 < first <= max */
	uint32_t growth;    /* percent, 100 or more */
};

/* After the n-th failure in a row (from 1). */
int64_t schedule_delay(const struct schedule *s, uint32_t n, uint64_t random);

/* After the n-th failure in a row that is no host's: a lookup failed, or we
 * did. Such trouble is over soon as a rule, so it is seconds at first, and
 * twice as long each time; never longer than a host's failure would cost. */
int64_t schedule_soon(const struct schedule *s, uint32_t n, uint64_t random);

/* More than a resolver remembers that it had no answer (RFC 2308, 7.1:
 * libunbound five seconds). */
#define SCHEDULE_SOON (6 * TIME_SECOND)

/* Both clocks at one moment, early in the life of a process. */
struct schedule_clock {
	int64_t wall, monotonic;
};

/* How far the clocks may part before the wall clock is not believed. */
#define SCHEDULE_TOLERANCE (10 * TIME_MINUTE)

/* The latest time that it can honestly be: the wall clock, or what the
 * monotonic clock has measured since `start` when the wall clock leapt ahead
 * of it. */
int64_t schedule_time(const struct schedule_clock *start,
    const struct schedule_clock *now);

#endif
