/* SPDX-License-Identifier: ISC */
#include "base/time.h"

#include <stdio.h>

static int64_t
floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1 March of year 0, by counting 400-year eras of 146,097 days;
 * a year that begins in March ends with its leap day. */
static int64_t
days_from_civil(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = floor_div(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year =
	    (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 -
	    year_of_era / 100 + day_of_year;

	return era * 146097 + day_of_era - 719468; /* 1970-01-01 is day 0 */
}

static void
civil_from_days(int64_t days, struct civil *ret)
{
	int64_t z = days + 719468;
	int64_t era = floor_div(z, 146097);
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 +
				  day_of_era / 36524 - day_of_era / 146096) /
	    365;
	int64_t day_of_year = day_of_era -
	    (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t m = (5 * day_of_year + 2) / 153;

	ret->day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
	ret->month = (int)(m < 10 ? m + 3 : m - 9);
	ret->year = (int)(year_of_era + era * 400 + (ret->month <= 2));
	ret->weekday = (int)(((days % 7) + 11) % 7);
}

void
time_to_civil(int64_t wall_us, int zone_minutes, struct civil *ret)
{
	int64_t seconds =
	    floor_div(wall_us, TIME_SECOND) + (int64_t)zone_minutes * 60;
	int64_t days = floor_div(seconds, 86400);
	int rest = (int)(seconds - days * 86400);

	civil_from_days(days, ret);
	ret->hour = rest / 3600;
	ret->minute = rest / 60 % 60;
	ret->second = rest % 60;
}

static int
month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

bool
time_from_civil(const struct civil *c, int zone_minutes, int64_t *ret_us)
{
	if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 ||
	    c->day < 1 || c->day > month_days(c->year, c->month) ||
	    c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 ||
	    c->second < 0 || c->second > 60)
		return false;
	*ret_us = (days_from_civil(c->year, c->month, c->day) * 86400 +
		      c->hour * 3600 + c->minute * 60 + c->second -
		      (int64_t)zone_minutes * 60) *
	    TIME_SECOND;
	return true;
}

void
time_print_rfc3339(int64_t wall_us, char text[TIME_RFC3339])
{
	struct civil c;

	time_to_civil(wall_us, 0, &c);
	(void)snprintf(text, TIME_RFC3339, "%04u-%02u-%02uT%02u:%02u:%02uZ",
	    (unsigned)c.year % 10000, (unsigned)c.month % 100,
	    (unsigned)c.day % 100, (unsigned)c.hour % 100,
	    (unsigned)c.minute % 100, (unsigned)c.second % 100);
}

static bool
take_digits(struct slice *in, size_t n, int *ret)
{
	struct slice rest = *in, digits;
	uint64_t value;

	if (!slice_take(&rest, n, &digits) ||
	    !slice_to_u64(digits, 9999, &value))
		return false;
	*ret = (int)value;
	*in = rest;
	return true;
}

/* time-offset = "Z" / ("+" / "-") hour ":" minute; as minutes ahead of UTC */
static bool
take_offset(struct slice *in, int *ret_minutes)
{
	bool is_behind = false;
	int hour, minute;

	*ret_minutes = 0;
	if (slice_skip_nocase(in, SLICE("Z")))
		return true;
	if (!slice_skip_byte(in, '+')) {
		if (!slice_skip_byte(in, '-'))
			return false;
		is_behind = true;
	}
	if (!take_digits(in, 2, &hour) || !slice_skip_byte(in, ':') ||
	    !take_digits(in, 2, &minute) || hour > 23 || minute > 59)
		return false;
	*ret_minutes = hour * 60 + minute;
	if (is_behind)
		*ret_minutes = -*ret_minutes;
	return true;
}

bool
time_parse_rfc3339(struct slice text, int64_t *ret_us)
{
	struct civil c = { 0 };
	int zone;

	return take_digits(&text, 4, &c.year) && slice_skip_byte(&text, '-') &&
	    take_digits(&text, 2, &c.month) && slice_skip_byte(&text, '-') &&
	    take_digits(&text, 2, &c.day) &&
	    slice_skip_nocase(&text, SLICE("T")) &&
	    take_digits(&text, 2, &c.hour) && slice_skip_byte(&text, ':') &&
	    take_digits(&text, 2, &c.minute) && slice_skip_byte(&text, ':') &&
	    take_digits(&text, 2, &c.second) && take_offset(&text, &zone) &&
	    text.len == 0 && time_from_civil(&c, zone, ret_us);
}
