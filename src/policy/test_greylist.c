/* SPDX-License-Identifier: ISC */
/* Who counts as the same, and when he may pass. */
#include "base/test.h"
#include "base/time.h"
#include "policy/greylist.h"

static const struct {
	const char *what, *ip1, *rdns1, *sender1, *ip2, *rdns2, *sender2;
	bool is_same;
} pairs[] = {
	{ "the same", "192.0.2.7", "", "a@one.example", "192.0.2.7", "",
	    "a@one.example", true },
	{ "a neighbour retries", "192.0.2.7", "", "a@one.example", "192.0.2.9",
	    "", "a@one.example", true },
	{ "another network retries", "192.0.2.7", "", "a@one.example",
	    "198.51.100.7", "", "a@one.example", false },
	{ "another network of the same organisation", "192.0.2.7",
	    "mta1.one.example", "a@one.example", "198.51.100.7",
	    "out.eu.one.example", "a@one.example", true },
	{ "lines of one provider are not one", "192.0.2.7",
	    "dsl-192-0-2-7.isp.example", "a@one.example", "198.51.100.8",
	    "dsl-198-51-100-8.isp.example", "a@one.example", false },
	{ "VERP", "192.0.2.7", "", "b+1-user=two.example@one.example",
	    "192.0.2.7", "", "b+2-user=two.example@one.example", true },
	{ "a subdomain for each mail", "192.0.2.7", "",
	    "b@7f3.bounces.one.example", "192.0.2.7", "",
	    "b@8a1.bounces.ONE.example", true },
	{ "another sender", "192.0.2.7", "", "a@one.example", "192.0.2.7", "",
	    "a@two.example", false },
	{ "bounce", "192.0.2.7", "", "", "192.0.2.9", "", "", true },
	{ "IPv6 neighbours", "2001:db8::1", "", "a@one.example", "2001:db8::2",
	    "", "a@one.example", true },
	{ "IPv6 networks", "2001:db8::1", "", "a@one.example",
	    "2001:db8:0:1::1", "", "a@one.example", false },
};

static void
keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct greylist_key a, b;
		struct ip ip1, ip2;

		test_case(pairs[i].what);
		test_true(ip_parse(slice_cstr(pairs[i].ip1), &ip1));
		test_true(ip_parse(slice_cstr(pairs[i].ip2), &ip2));
		greylist_key_make(&ip1, slice_cstr(pairs[i].rdns1),
		    slice_cstr(pairs[i].sender1), SLICE("U@here.example"), &a);
		greylist_key_make(&ip2, slice_cstr(pairs[i].rdns2),
		    slice_cstr(pairs[i].sender2), SLICE("u@here.example"), &b);
		test_int(memcmp(&a, &b, sizeof(a)) == 0, pairs[i].is_same);
		greylist_key_make(&ip1, slice_cstr(pairs[i].rdns1),
		    slice_cstr(pairs[i].sender1), SLICE("v@here.example"), &b);
		test_true(memcmp(&a, &b, sizeof(a)) != 0);
	}
}

/* One row over time: minutes since the first try, and what is said. */
static const struct {
	const char *what;
	struct {
		int64_t at;
		int want;
		int64_t wait;
	} tries[6];
	size_t n;
} lives[] = {
	{ "as it should be",
	    { { 0, GREYLIST_WAIT, 5 }, { 5, GREYLIST_PASSED },
		{ 6, GREYLIST_PASS }, { 600, GREYLIST_PASS } },
	    4 },
	{ "impatient",
	    { { 0, GREYLIST_WAIT, 5 }, { 1, GREYLIST_WAIT, 4 },
		{ 4, GREYLIST_WAIT, 1 }, { 5, GREYLIST_PASSED } },
	    4 },
	{ "too late: a first try",
	    { { 0, GREYLIST_WAIT, 5 }, { 2881, GREYLIST_WAIT, 5 },
		{ 2886, GREYLIST_PASSED } },
	    3 },
	{ "just in time",
	    { { 0, GREYLIST_WAIT, 5 }, { 2880, GREYLIST_PASSED } }, 2 },
	{ "known for long, then not seen",
	    { { 0, GREYLIST_WAIT, 5 }, { 5, GREYLIST_PASSED },
		{ 5 + 36 * 1440, GREYLIST_PASS },
		{ 5 + 72 * 1440 + 1, GREYLIST_WAIT, 5 } },
	    4 },
	{ "the clock goes back",
	    { { 5000, GREYLIST_WAIT, 5 }, { 10, GREYLIST_WAIT, 5 },
		{ 15, GREYLIST_PASSED } },
	    3 },
};

static void
rows_live(void **state)
{
	const struct greylist_limits limits = { 5 * TIME_MINUTE, 2 * TIME_DAY,
		36 * TIME_DAY, 5 };

	(void)state;
	for (size_t i = 0; i < sizeof(lives) / sizeof(lives[0]); i++) {
		struct greylist_row row = { 0 };

		test_case(lives[i].what);
		for (size_t k = 0; k < lives[i].n; k++) {
			int64_t wait = 0,
				now = TIME_DAY +
			    lives[i].tries[k].at * TIME_MINUTE;

			test_int(greylist_decide(&limits, &row, now, &wait),
			    lives[i].tries[k].want);
			test_int(wait, lives[i].tries[k].wait * TIME_MINUTE);
		}
	}
}

static void
no_delay(void **state)
{
	const struct greylist_limits limits = { 0, TIME_DAY, TIME_DAY, 0 };
	struct greylist_row row = { 0 };
	int64_t wait;

	(void)state;
	test_int(greylist_decide(&limits, &row, TIME_DAY, &wait),
	    GREYLIST_PASSED);
}

TEST_MAIN(cmocka_unit_test(keys), cmocka_unit_test(rows_live),
    cmocka_unit_test(no_delay))
