/* SPDX-License-Identifier: ISC */
#include "mail/date.h"

#include <stdio.h>
#include <string.h>

#include "mail/lex.h"

enum {
	ZONE_MAX = 24 * 60 - 1 /* minutes */
};

static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
	"Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri",
	"Sat" };

/* obs-zone (RFC 5322, 4.3); others by name mean "-0000" there. */
static const struct zone_name {
	char name[4];
	int minutes;
} zone_names[] = {
	{ "UT", 0 },
	{ "GMT", 0 },
	{ "EST", -5 * 60 },
	{ "EDT", -4 * 60 },
	{ "CST", -6 * 60 },
	{ "CDT", -5 * 60 },
	{ "MST", -7 * 60 },
	{ "MDT", -6 * 60 },
	{ "PST", -8 * 60 },
	{ "PDT", -7 * 60 },
};

/* n digits at least and most; returns how many there were, 0 for a refusal */
static size_t
take_digits(struct slice *in, size_t least, size_t most, int *ret)
{
	size_t n = 0;
	int value = 0;

	while (n < in->len && ascii_is_digit(in->at[n])) {
		if (n == most)
			return 0;
		value = value * 10 + (in->at[n++] - '0');
	}
	if (n < least || n == 0)
		return 0;
	*in = slice_from(*in, n);
	*ret = value;
	return n;
}

static bool
take_month(struct slice *in, int *ret)
{
	for (int i = 0; i < 12; i++) {
		if (!slice_skip_nocase(in, slice_cstr(months[i])))
			continue;
		*ret = i + 1;
		return true;
	}
	return false;
}

/* [ day-name "," ]; obsolete mail leaves the comma out */
static void
skip_weekday(struct slice *in)
{
	struct slice rest = *in, word;

	if (!slice_take_while(&rest, ascii_is_alpha, &word))
		return;
	(void)lex_skip_cfws(&rest);
	(void)slice_skip_byte(&rest, ',');
	(void)lex_skip_cfws(&rest);
	*in = rest;
}

/* obs-year (4.3): 00 to 49 are 20xx, 50 to 99 and three digits count from 1900
 */
static bool
take_year(struct slice *in, int *ret)
{
	int year;
	size_t n = take_digits(in, 2, 4, &year);

	if (n == 0)
		return false;
	if (n == 2)
		year += year < 50 ? 2000 : 1900;
	else if (n == 3)
		year += 1900;
	*ret = year;
	return true;
}

/* hour ":" minute [ ":" second ] */
static bool
take_time(struct slice *in, struct civil *c)
{
	if (take_digits(in, 1, 2, &c->hour) == 0)
		return false;
	(void)lex_skip_cfws(in);
	if (!slice_skip_byte(in, ':'))
		return false;
	(void)lex_skip_cfws(in);
	if (take_digits(in, 2, 2, &c->minute) == 0)
		return false;
	(void)lex_skip_cfws(in);
	c->second = 0;
	if (!slice_skip_byte(in, ':'))
		return true;
	(void)lex_skip_cfws(in);
	return take_digits(in, 2, 2, &c->second) != 0;
}

/* ("+" / "-") 4DIGIT */
static bool
take_zone_number(struct slice *in, int *ret)
{
	struct slice rest = *in;
	bool west = slice_skip_byte(&rest, '-');
	int value, minutes;

	if (!west && !slice_skip_byte(&rest, '+'))
		return false;
	if (take_digits(&rest, 4, 4, &value) == 0)
		return false;
	minutes = value / 100 * 60 + value % 100;
	if (value % 100 > 59 || minutes > ZONE_MAX)
		return false;
	*ret = west ? -minutes : minutes;
	*in = rest;
	return true;
}

static bool
take_zone(struct slice *in, int *ret)
{
	struct slice name;

	*ret = 0;
	if (in->len == 0) /* seen in the wild; as if +0000 */
		return true;
	if (take_zone_number(in, ret))
		return true;
	if (!slice_take_while(in, ascii_is_alpha, &name))
		return false;
	for (size_t i = 0; i < sizeof(zone_names) / sizeof(zone_names[0]); i++)
		if (slice_equal_nocase(name, slice_cstr(zone_names[i].name)))
			*ret = zone_names[i].minutes;
	return true;
}

bool
date_parse(struct slice text, struct mail_date *ret)
{
	struct civil c = { 0 };
	struct mail_date date;

	(void)lex_skip_cfws(&text);
	skip_weekday(&text);
	if (take_digits(&text, 1, 2, &c.day) == 0)
		return false;
	(void)lex_skip_cfws(&text);
	if (!take_month(&text, &c.month))
		return false;
	(void)lex_skip_cfws(&text);
	if (!take_year(&text, &c.year))
		return false;
	(void)lex_skip_cfws(&text);
	if (!take_time(&text, &c))
		return false;
	(void)lex_skip_cfws(&text);
	if (!take_zone(&text, &date.zone))
		return false;
	(void)lex_skip_cfws(&text);
	if (text.len != 0 || !time_from_civil(&c, date.zone, &date.us))
		return false;
	*ret = date;
	return true;
}

/* date-day-fixed or date-day "-" date-month "-" date-year */
static bool
take_dashed_day(struct slice *in, struct civil *c)
{
	return take_digits(in, 1, 2, &c->day) != 0 &&
	    slice_skip_byte(in, '-') && take_month(in, &c->month) &&
	    slice_skip_byte(in, '-') && take_digits(in, 4, 4, &c->year) != 0;
}

/* date-time = date-day-fixed "-" date-month "-" date-year SP time SP zone */
bool
date_parse_internal(struct slice text, struct mail_date *ret)
{
	struct civil c = { 0 };
	struct mail_date date;
	bool padded = slice_skip_byte(&text, ' ');

	if (text.len < 2 || ascii_is_digit(text.at[1]) == padded ||
	    !take_dashed_day(&text, &c) || !slice_skip_byte(&text, ' ') ||
	    take_digits(&text, 2, 2, &c.hour) == 0 ||
	    !slice_skip_byte(&text, ':') ||
	    take_digits(&text, 2, 2, &c.minute) == 0 ||
	    !slice_skip_byte(&text, ':') ||
	    take_digits(&text, 2, 2, &c.second) == 0 ||
	    !slice_skip_byte(&text, ' ') ||
	    !take_zone_number(&text, &date.zone) || text.len != 0 ||
	    !time_from_civil(&c, date.zone, &date.us))
		return false;
	*ret = date;
	return true;
}

bool
date_parse_day(struct slice text, int64_t *ret_us)
{
	struct civil c = { 0 };

	return take_dashed_day(&text, &c) && text.len == 0 &&
	    time_from_civil(&c, 0, ret_us);
}

struct zone_parts {
	char sign;
	int hours, minutes;
};

/* The civil time, moved into the years 1 to 9999, and the zone in two. */
static struct zone_parts
split_time(int64_t us, int zone, struct civil *ret)
{
	static const struct civil first = { 1, 1, 2, 0, 0, 0, 0 },
				  last = { 9999, 12, 30, 0, 0, 0, 0 };
	int64_t least = 0, most = 0;

	if (zone < -ZONE_MAX || zone > ZONE_MAX)
		zone = 0;
	(void)time_from_civil(&first, 0, &least);
	(void)time_from_civil(&last, 0, &most);
	us = us < least ? least : us > most ? most : us;
	time_to_civil(us, zone, ret);
	return (struct zone_parts){ zone < 0 ? '-' : '+',
		(zone < 0 ? -zone : zone) / 60,
		(zone < 0 ? -zone : zone) % 60 };
}

void
date_print(int64_t us, int zone, char text[DATE_RFC5322])
{
	char all[96]; /* gcc cannot know how small the numbers are */
	struct civil c;
	struct zone_parts z = split_time(us, zone, &c);

	(void)snprintf(all, sizeof(all),
	    "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d", weekdays[c.weekday],
	    c.day, months[c.month - 1], c.year, c.hour, c.minute, c.second,
	    z.sign, z.hours, z.minutes);
	memcpy(text, all, DATE_RFC5322);
	text[DATE_RFC5322 - 1] = '\0';
}

void
date_print_internal(int64_t us, int zone, char text[DATE_INTERNAL])
{
	char all[96];
	struct civil c;
	struct zone_parts z = split_time(us, zone, &c);

	(void)snprintf(all, sizeof(all),
	    "%2d-%s-%04d %02d:%02d:%02d %c%02d%02d", c.day, months[c.month - 1],
	    c.year, c.hour, c.minute, c.second, z.sign, z.hours, z.minutes);
	memcpy(text, all, DATE_INTERNAL);
	text[DATE_INTERNAL - 1] = '\0';
}
