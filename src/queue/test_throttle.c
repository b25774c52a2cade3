/* SPDX-License-Identifier: ISC */
/* So many mails in a time. */
#include <errno.h>
#include <stdlib.h>

#include "base/test.h"
#include "base/time.h"
#include "queue/fair.h"
#include "queue/throttle.h"

static void
subjects_by_table(void **state)
{
	static const struct {
		const char *what;
		struct slice in;
		bool ok;
		uint8_t kind;
		const char *name;
	} subjects[] = {
		{ "a sender", SLICE("sender:Jo@One.Example"), true,
		    THROTTLE_SENDER, "jo@one.example" },
		{ "a tenant", SLICE("tenant:one.example"), true,
		    THROTTLE_TENANT, "one.example" },
		{ "a route", SLICE("route:smart"), true, THROTTLE_ROUTE,
		    "smart" },
		{ "no kind", SLICE("one.example"), .ok = false },
		{ "another kind", SLICE("colour:red"), .ok = false },
		{ "no name", SLICE("tenant:"), .ok = false },
		{ "a sender without domain", SLICE("sender:jo@"), .ok = false },
		{ "a sender without @", SLICE("sender:jo"), .ok = false },
		{ "a sender without name", SLICE("sender:@a.example"),
		    .ok = false },
		{ "a tenant that is an address", SLICE("tenant:a@b"),
		    .ok = false },
		{ "a blank", SLICE("tenant:a b"), .ok = false },
		{ "a NUL", SLICE("tenant:a\0b"), .ok = false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
		struct slice in = test_exact_copy(subjects[i].in);
		struct throttle t = { 0 };

		test_case(subjects[i].what);
		test_int(throttle_subject_parse(in, &t), subjects[i].ok);
		free((void *)(uintptr_t)in.at);
		if (!subjects[i].ok)
			continue;
		test_int(t.kind, subjects[i].kind);
		test_slice(slice_cstr(t.name), slice_cstr(subjects[i].name));
	}
}

/* How many leave in a time when always somebody wants to. */
static unsigned
run(struct throttle *t, int64_t from, int64_t to)
{
	unsigned n = 0;

	for (int64_t now = from; now < to; now += TIME_SECOND)
		for (; throttle_ready(t, now) <= now; n++)
			throttle_count(t, 1, now);
	return n;
}

static void
a_rate_is_kept_with_its_burst(void **state)
{
	static const struct {
		const char *what;
		uint32_t mails, burst;
		int64_t period, time;
		unsigned want;
	} rates[] = {
		{ "one by one", 60, 1, TIME_HOUR, TIME_HOUR, 60 },
		{ "with a burst", 60, 11, TIME_HOUR, TIME_HOUR, 70 },
		{ "all at once", 10, 10, TIME_DAY, TIME_MINUTE, 10 },
		{ "one a day", 1, 1, TIME_DAY, 3 * TIME_DAY, 3 },
		{ "more than one in a second", 7200, 1, TIME_HOUR, TIME_MINUTE,
		    60 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct throttle t = { .mails = rates[i].mails,
			.burst = rates[i].burst,
			.period = rates[i].period };

		test_case(rates[i].what);
		test_int(run(&t, 0, rates[i].time), rates[i].want);
	}
}

static void
what_did_not_leave_is_given_back(void **state)
{
	struct throttle t = { .mails = 2, .burst = 2, .period = TIME_HOUR };

	(void)state;
	test_int(run(&t, 0, 10), 2);
	test_int(run(&t, 10, 20), 0);
	throttle_count(&t, -1, 20);
	test_int(run(&t, 20, 30), 1);
}

static void
a_change_keeps_what_is_owed(void **state)
{
	struct throttle old = { .mails = 1, .burst = 1, .period = TIME_DAY };
	struct throttle t = { .mails = 24, .burst = 2, .period = TIME_DAY };

	(void)state;
	test_int(run(&old, 0, 10), 1);
	throttle_follow(&t, &old, 12 * TIME_HOUR); /* half a mail is owed */
	test_true(t.next == 12 * TIME_HOUR + TIME_HOUR / 2);
	test_int(run(&t, 12 * TIME_HOUR, 12 * TIME_HOUR + 1), 1);
	throttle_follow(&t, &old, 2 * TIME_DAY);
	test_int(run(&t, 2 * TIME_DAY, 2 * TIME_DAY + 1), 2);
}

static void
the_clock_may_be_set_back(void **state)
{
	struct throttle t = { .mails = 60, .burst = 1, .period = TIME_HOUR };

	(void)state;
	test_int(run(&t, 100 * TIME_DAY, 100 * TIME_DAY + 1), 1);
	test_true(throttle_ready(&t, TIME_DAY) <= TIME_DAY + TIME_MINUTE);
}

static void
all_must_permit_it(void **state)
{
	static const char *const subjects[] = { "sender:jo@one.example",
		"tenant:one.example", "route:smart", "route:two.example" };
	static const struct {
		const char *what, *sender, *route, *why;
	} mails[] = {
		{ "the sender's", "jo@one.example", "else.example",
		    "sender:jo@one.example" },
		{ "its tenant's", "al@one.example", "else.example",
		    "tenant:one.example" },
		{ "the route's", "al@far.example", "route:smart",
		    "route:smart" },
		{ "the domain's", "al@far.example", "two.example",
		    "route:two.example" },
		{ "nobody's", "al@far.example", "else.example", NULL },
		{ "of nobody", "", "else.example", NULL },
	};
	const uint8_t seed[MAP_SEED] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		struct slice route = slice_cstr(mails[i].route);
		int64_t flow = fair_flow(slice_cstr(mails[i].sender));
		const struct throttle *why;
		struct throttles s;
		struct throttle t = { .burst = 1, .period = TIME_HOUR };

		test_case(mails[i].what);
		throttles_init(&s, seed);
		for (size_t k = 0; k < 4; k++) {
			test_true(throttle_subject_parse(slice_cstr(subjects
								 [k]),
			    &t));
			t.mails = 4 - (uint32_t)k; /* the last the slowest */
			if (k < 2)
				t.mails = k == 0 ? 1 : 2;
			test_int(throttles_put(&s, &t), 0);
			test_int(throttles_put(&s, &t), -EINVAL);
		}
		test_true(throttles_ready(&s, route, flow, 5, &why) <= 5);
		throttles_count(&s, route, flow, 1, 5);
		if (mails[i].why == NULL) {
			test_true(throttles_ready(&s, route, flow, 5, &why) <=
			    5);
			test_true(why == NULL);
		} else {
			char text[THROTTLE_TEXT_MAX];

			test_true(throttles_ready(&s, route, flow, 5, &why) >
			    5);
			throttle_subject_print(why, text);
			test_slice(slice_cstr(text), slice_cstr(mails[i].why));
		}
		throttles_deinit(&s);
	}
}

TEST_MAIN(cmocka_unit_test(subjects_by_table),
    cmocka_unit_test(a_rate_is_kept_with_its_burst),
    cmocka_unit_test(what_did_not_leave_is_given_back),
    cmocka_unit_test(a_change_keeps_what_is_owed),
    cmocka_unit_test(the_clock_may_be_set_back),
    cmocka_unit_test(all_must_permit_it))
