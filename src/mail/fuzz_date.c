/* SPDX-License-Identifier: ISC */
/*
 * fuzz_date - what was read is printed, and reads as the same again
 */
#include <stdlib.h>

#include "mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check(struct mail_date date)
{
	char text[DATE_RFC5322], internal_text[DATE_INTERNAL];
	struct mail_date again;

	if (date.zone <= -24 * 60 || date.zone >= 24 * 60)
		abort();
	date_print(date.us, date.zone, text);
	date_print_internal(date.us, date.zone, internal_text);
	/* The first and the last day there is are moved by the zone. */
	if (date.us < INT64_C(-62135500000) * 1000000 ||
	    date.us > INT64_C(253402100000) * 1000000)
		return;
	if (!date_parse(slice_cstr(text), &again) || again.us != date.us ||
	    again.zone != date.zone)
		abort();
	if (!date_parse_internal(slice_cstr(internal_text), &again) ||
	    again.us != date.us || again.zone != date.zone)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct mail_date date;
	int64_t day;

	if (date_parse(slice_of(at, n), &date))
		check(date);
	if (date_parse_internal(slice_of(at, n), &date))
		check(date);
	if (date_parse_day(slice_of(at, n), &day) && day % TIME_DAY != 0)
		abort();
	return 0;
}
