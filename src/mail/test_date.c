/* SPDX-License-Identifier: ISC */
/*
 * test_date - dates as mail writes them, as IMAP writes them, and neither
 */
#include "base/test.h"
#include "mail/date.h"

#define S INT64_C(1000000)

static const struct row {
	struct slice text;
	bool ok;
	int64_t seconds;
	int zone;
} rows[] = {
	{ SLICE("Mon, 23 Nov 2026 06:30:00 +0000"), true, 1795415400, 0 },
	{ SLICE("23 Nov 2026 06:30 +0000"), true, 1795415400, 0 },
	{ SLICE(" Mon,\r\n 23 Nov 2026 08:30:00\r\n\t+0200 (EET) "), true,
	    1795415400, 120 },
	{ SLICE("Sun, 23 Nov 2026 06:30:00 +0000"), true, 1795415400, 0 },
	{ SLICE("mon 23 NOV 2026 6:30:00 GMT"), true, 1795415400, 0 },
	{ SLICE("Mon, 23 Nov 26 01:30:00 EST"), true, 1795415400, -300 },
	{ SLICE("Mon, 23 Nov 126 01:30:00 EST"), true, 1795415400, -300 },
	{ SLICE("Thu, 1 Jan 70 00:00:00 Z"), true, 0, 0 },
	{ SLICE("1 Jan 1970 00:00:00 -0330"), true, 12600, -210 },
	{ SLICE("Thu, 13 Feb 1969 23:32:54 -0330"), true, -27723426, -210 },
	{ SLICE("Fri, 21 Nov 1997 09(comment): 55 : 06 -0600"), true, 880127706,
	    -360 },
	{ SLICE("31 Dec 2016 23:59:60 +0000"), true, 1483228800, 0 },
	{ SLICE("29 Feb 2024 00:00:00 +0000"), true, 1709164800, 0 },
	{ SLICE("1 Jan 2000 00:00:00"), true, 946684800, 0 },
	{ SLICE("1 Jan 2000 00:00:00 XYZZY"), true, 946684800, 0 },
	{ SLICE("29 Feb 2023 00:00:00 +0000"), false, 0, 0 },
	{ SLICE("31 Apr 2023 00:00:00 +0000"), false, 0, 0 },
	{ SLICE("1 Jan 2000 24:00:00 +0000"), false, 0, 0 },
	{ SLICE("1 Jan 2000 00:60:00 +0000"), false, 0, 0 },
	{ SLICE("1 Jan 2000 00:00:61 +0000"), false, 0, 0 },
	{ SLICE("1 Jan 2000 00:00:00 +2400"), false, 0, 0 },
	{ SLICE("1 Jan 2000 00:00:00 +0060"), false, 0, 0 },
	{ SLICE("1 Jan 2000 00:00:00 +00000"), false, 0, 0 },
	{ SLICE("1 Jan 12000 00:00:00 +0000"), false, 0, 0 },
	{ SLICE("1 Jan 2000 00:00:00 +0000 x"), false, 0, 0 },
	{ SLICE("1 Jan 2000"), false, 0, 0 },
	{ SLICE("1 Foo 2000 00:00:00 +0000"), false, 0, 0 },
	{ SLICE("Whenever"), false, 0, 0 },
	{ SLICE("("), false, 0, 0 },
	{ SLICE(")"), false, 0, 0 },
	{ SLICE("(\\"), false, 0, 0 },
	{ SLICE(""), false, 0, 0 },
	{ SLICE("1 Jan 2000 00:00:00 +0000\0"), false, 0, 0 },
};

static void
reads_mail_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mail_date date = { -1, -1 };
		struct slice text = test_exact_copy(rows[i].text);

		test_case((const char *)rows[i].text.at);
		test_int(date_parse(text, &date), rows[i].ok);
		test_int(date.us, rows[i].ok ? rows[i].seconds * S : -1);
		test_int(date.zone, rows[i].ok ? rows[i].zone : -1);
		test_free_copy(text);
	}
}

static const struct row internal[] = {
	{ SLICE("23-Nov-2026 06:30:00 +0000"), true, 1795415400, 0 },
	{ SLICE(" 3-Nov-2026 06:30:00 +0000"), true, 1793687400, 0 },
	{ SLICE("03-nov-2026 06:30:00 +0000"), true, 1793687400, 0 },
	{ SLICE("17-Jul-1996 02:44:25 -0700"), true, 837596665, -420 },
	{ SLICE("3-Nov-2026 06:30:00 +0000"), false, 0, 0 },
	{ SLICE(" 23-Nov-2026 06:30:00 +0000"), false, 0, 0 },
	{ SLICE("23-Nov-2026 6:30:00 +0000"), false, 0, 0 },
	{ SLICE("23-Nov-26 06:30:00 +0000"), false, 0, 0 },
	{ SLICE("23-Nov-2026 06:30:00 GMT"), false, 0, 0 },
	{ SLICE("23-Nov-2026  06:30:00 +0000"), false, 0, 0 },
	{ SLICE("31-Nov-2026 06:30:00 +0000"), false, 0, 0 },
	{ SLICE("23-Nov-2026 06:30:00 +0000 "), false, 0, 0 },
	{ SLICE(" "), false, 0, 0 },
	{ SLICE(""), false, 0, 0 },
};

static void
reads_internal_dates(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(internal) / sizeof(internal[0]); i++) {
		struct mail_date date = { -1, -1 };
		struct slice text = test_exact_copy(internal[i].text);

		test_case((const char *)internal[i].text.at);
		test_int(date_parse_internal(text, &date), internal[i].ok);
		test_int(date.us,
		    internal[i].ok ? internal[i].seconds * S : -1);
		test_free_copy(text);
	}
}

static void
reads_days(void **state)
{
	int64_t us = -1;

	(void)state;
	test_case("days");
	test_true(date_parse_day(SLICE("1-Feb-1994"), &us));
	test_int(us, INT64_C(760060800) * S);
	test_true(date_parse_day(SLICE("01-FEB-1994"), &us));
	test_true(!date_parse_day(SLICE(" 1-Feb-1994"), &us));
	test_true(!date_parse_day(SLICE("1-Feb-94"), &us));
	test_true(!date_parse_day(SLICE("1-Feb-1994 "), &us));
	test_true(!date_parse_day(SLICE("30-Feb-1994"), &us));
}

static void
prints(void **state)
{
	char text[DATE_RFC5322], internal_text[DATE_INTERNAL];

	(void)state;
	test_case("print");
	date_print(INT64_C(1795415400) * S + 999999, 0, text);
	test_slice(slice_cstr(text), SLICE("Mon, 23 Nov 2026 06:30:00 +0000"));
	date_print(INT64_C(1793687400) * S, -210, text);
	test_slice(slice_cstr(text), SLICE("Tue, 3 Nov 2026 03:00:00 -0330"));
	date_print_internal(INT64_C(1793687400) * S, 120, internal_text);
	test_slice(slice_cstr(internal_text),
	    SLICE(" 3-Nov-2026 08:30:00 +0200"));
	date_print(INT64_MIN, 0, text);
	test_slice(slice_cstr(text), SLICE("Tue, 2 Jan 0001 00:00:00 +0000"));
	date_print(INT64_MAX, 99999, text);
	test_slice(slice_cstr(text), SLICE("Thu, 30 Dec 9999 00:00:00 +0000"));
}

/* What is printed reads as the same, over time and zones. */
static void
goes_there_and_back(void **state)
{
	(void)state;
	test_case("there and back");
	for (int i = 0; i < 20000; i++) {
		int64_t us = (INT64_C(3155760) * i - INT64_C(30000000000)) * S;
		int zone = i % 2879 - 1439;
		struct mail_date date;
		char text[DATE_RFC5322], internal_text[DATE_INTERNAL];

		date_print(us, zone, text);
		test_case(text);
		test_true(date_parse(slice_cstr(text), &date));
		test_int(date.us, us);
		test_int(date.zone, zone);
		date_print_internal(us, zone, internal_text);
		test_true(date_parse_internal(slice_cstr(internal_text),
		    &date));
		test_int(date.us, us);
		test_int(date.zone, zone);
	}
}

TEST_MAIN(cmocka_unit_test(reads_mail_dates),
    cmocka_unit_test(reads_internal_dates), cmocka_unit_test(reads_days),
    cmocka_unit_test(prints), cmocka_unit_test(goes_there_and_back))
