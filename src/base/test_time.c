/* SPDX-License-Identifier: ISC */
/* The calendar, against the C library's and by hand. */
#include <time.h>

#include "base/test.h"
#include "base/time.h"

static void
agrees_with_the_library(void **state)
{
	(void)state;
	test_case("gmtime");
	srand(11);
	for (int i = 0; i < 20000; i++) {
		int64_t s = ((int64_t)rand() << 8) - (INT64_C(1) << 36);
		time_t t = (time_t)s;
		struct civil c;
		struct tm tm;
		int64_t back;

		(void)gmtime_r(&t, &tm);
		if (tm.tm_year + 1900 < 1 || tm.tm_year + 1900 > 9999)
			continue;
		time_to_civil(s * TIME_SECOND + 999999, 0, &c);
		test_int(c.year, tm.tm_year + 1900);
		test_int(c.month, tm.tm_mon + 1);
		test_int(c.day, tm.tm_mday);
		test_int(c.hour, tm.tm_hour);
		test_int(c.minute, tm.tm_min);
		test_int(c.second, tm.tm_sec);
		test_int(c.weekday, tm.tm_wday);
		test_true(time_from_civil(&c, 0, &back));
		test_true(back == s * TIME_SECOND);
	}
}

static const struct {
	const char *what;
	struct civil c;
	bool want;
} civil[] = {
	{ "leap day", { 2024, 2, 29, 0, 0, 0, 0 }, true },
	{ "no leap year", { 2023, 2, 29, 0, 0, 0, 0 }, false },
	{ "1900 is none", { 1900, 2, 29, 0, 0, 0, 0 }, false },
	{ "2000 is one", { 2000, 2, 29, 0, 0, 0, 0 }, true },
	{ "leap second", { 2016, 12, 31, 23, 59, 60, 0 }, true },
	{ "day 31 of April", { 2026, 4, 31, 0, 0, 0, 0 }, false },
	{ "month 13", { 2026, 13, 1, 0, 0, 0, 0 }, false },
	{ "hour 24", { 2026, 1, 1, 24, 0, 0, 0 }, false },
	{ "year 0", { 0, 1, 1, 0, 0, 0, 0 }, false },
};

static void
refuses_days_that_are_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(civil) / sizeof(civil[0]); i++) {
		int64_t us;

		test_case(civil[i].what);
		test_int(time_from_civil(&civil[i].c, 0, &us), civil[i].want);
	}
}

static void
knows_zones(void **state)
{
	struct civil c = { 2026, 11, 23, 1, 30, 0, 0 };
	char text[TIME_RFC3339];
	int64_t us;

	(void)state;
	test_case("zone");
	test_true(time_from_civil(&c, 120, &us));
	time_print_rfc3339(us, text);
	assert_string_equal(text, "2026-11-22T23:30:00Z");
	time_to_civil(us, 120, &c);
	test_int(c.day, 23);
	test_int(c.hour, 1);
	test_int(c.weekday, 1); /* a Monday */
}

static const struct {
	const char *text;
	const char *want; /* NULL: not one */
} dates[] = {
	{ "2026-11-23T05:46:07Z", "2026-11-23T05:46:07Z" },
	{ "2026-11-23t05:46:07z", "2026-11-23T05:46:07Z" },
	{ "2026-11-23T05:46:07+05:30", "2026-11-23T00:16:07Z" },
	{ "2026-11-23T05:46:07-00:01", "2026-11-23T05:47:07Z" },
	{ "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z" },
	{ "2026-11-23T05:46:07.5Z", NULL },
	{ "2026-11-23T05:46:07", NULL },
	{ "2026-11-23T05:46Z", NULL },
	{ "2026-11-23 05:46:07Z", NULL },
	{ "2026-11-23T05:46:07+0530", NULL },
	{ "2026-11-23T05:46:07+24:00", NULL },
	{ "2026-11-31T05:46:07Z", NULL },
	{ "2026-11-23T24:00:00Z", NULL },
	{ "2026-1-23T05:46:07Z", NULL },
	{ "+026-11-23T05:46:07Z", NULL },
	{ "2026-11-23T05:46:07ZZ", NULL },
	{ "", NULL },
};

static void
reads_rfc3339(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++) {
		struct slice in = test_exact_copy(slice_cstr(dates[i].text));
		char text[TIME_RFC3339];
		int64_t us;

		test_case(dates[i].text);
		test_int(time_parse_rfc3339(in, &us), dates[i].want != NULL);
		if (dates[i].want != NULL) {
			time_print_rfc3339(us, text);
			assert_string_equal(text, dates[i].want);
		}
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(agrees_with_the_library),
    cmocka_unit_test(refuses_days_that_are_none), cmocka_unit_test(knows_zones),
    cmocka_unit_test(reads_rfc3339))
