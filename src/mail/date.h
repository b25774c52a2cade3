/* SPDX-License-Identifier: ISC */
/*
 * mail/date - the dates of mail as text (RFC 5322, 3.3 and 4.3; RFC 3501, 9)
 *
 * Pure and without allocation. Reading takes the obsolete forms too: comments,
 * two-digit years, seconds left out, zones by name (an unknown one means
 * +0000, as 4.3 asks). A weekday that does not fit is not an error. What is
 * not a date is refused; the caller decides what stands in for it.
 */
#ifndef MAIL_DATE_H
#define MAIL_DATE_H

#include "base/slice.h"
#include "base/time.h"

enum {
	DATE_RFC5322 = 32, /* "Mon, 23 Nov 2026 06:30:00 +0000" and its NUL */
	DATE_INTERNAL = 27 /* "23-Nov-2026 06:30:00 +0000" and its NUL */
};

struct mail_date {
	int64_t us; /* microseconds since 1970 UTC */
	int zone;   /* minutes ahead of UTC, -1439 to 1439 */
};

/* The body of a Date field, folded or not. */
bool date_parse(struct slice text, struct mail_date *ret);
/* date-time of RFC 3501 without its quotes. */
bool date_parse_internal(struct slice text, struct mail_date *ret);
/* date-text of RFC 3501 ("1-Feb-1994", without quotes): the microseconds at
 * which that day began, seen as UTC. */
bool date_parse_day(struct slice text, int64_t *ret_us);

/* Times outside the years 1 to 9999 are printed as the nearest end. */
void date_print(int64_t us, int zone, char text[DATE_RFC5322]);
void date_print_internal(int64_t us, int zone, char text[DATE_INTERNAL]);

#endif
