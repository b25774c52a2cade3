/* SPDX-License-Identifier: ISC */
/*
 * base/time - microseconds as int64, and the civil calendar
 *
 * Two clocks, never mixed: wall time is microseconds since 1970 UTC and may
 * jump; monotonic time has no epoch, and timers live by it. Nothing here asks
 * a clock (that is env's).
 */
#ifndef BASE_TIME_H
#define BASE_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define TIME_MS INT64_C(1000)
#define TIME_SECOND INT64_C(1000000)
#define TIME_MINUTE (60 * TIME_SECOND)
#define TIME_HOUR (60 * TIME_MINUTE)
#define TIME_DAY (24 * TIME_HOUR)

struct civil {
	int year;                 /* 1 to 9999 */
	int month, day;           /* from 1 */
	int hour, minute, second; /* second: 0 to 60 */
	int weekday;              /* 0: Sunday; ignored when converting back */
};

/* zone_minutes: what local time is ahead of UTC. */
void time_to_civil(int64_t wall_us, int zone_minutes, struct civil *ret);
/* False when a field is out of range (30 February and the like). */
bool time_from_civil(const struct civil *c, int zone_minutes, int64_t *ret_us);

enum {
	TIME_RFC3339 = 21 /* "2026-11-23T05:46:07Z" and its NUL */
};
void time_print_rfc3339(int64_t wall_us, char text[TIME_RFC3339]);
/* date-time without a fraction (RFC 3339, 5.6), with "Z" or an offset. */
bool time_parse_rfc3339(struct slice text, int64_t *ret_us);

#endif
