/* SPDX-License-Identifier: ISC */
/* Delays between attempts, and which clock is believed. */
#include "base/test.h"
#include "queue/schedule.h"

static const struct {
	const char *what;
	struct schedule s;
	uint32_t n;
	int64_t low, high; /* seconds */
} delays[] = {
	{ "the first", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 1, 270, 330 },
	{ "none yet counts as the first", { 300 * TIME_SECOND, TIME_HOUR, 200 },
	    0, 270, 330 },
	{ "doubled", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 2, 540, 660 },
	{ "twice", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 3, 1080, 1320 },
	{ "at the most", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 9, 3240, 3960 },
	{ "after ages", { 300 * TIME_SECOND, TIME_HOUR, 200 }, UINT32_MAX, 3240,
	    3960 },
	{ "without growth", { 60 * TIME_SECOND, TIME_HOUR, 100 }, 1000000, 54,
	    66 },
	{ "below one second", { TIME_MS, TIME_HOUR, 100 }, 3, 0, 1 },
};

static void
delays_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		int64_t least = INT64_MAX, most = 0;

		test_case(delays[i].what);
		for (uint64_t k = 0; k < 200; k++) {
			int64_t d = schedule_delay(&delays[i].s, delays[i].n,
			    k * 0x9e3779b97f4a7c15u);

			test_true(d > 0);
			test_true(d >= delays[i].low * TIME_SECOND);
			test_true(d <= delays[i].high * TIME_SECOND);
			least = d < least ? d : least;
			most = d > most ? d : most;
		}
		test_true(least < most); /* there is a jitter */
	}
}

static const struct {
	const char *what;
	struct schedule s;
	uint32_t n;
	int64_t low, high; /* seconds */
} soon[] = {
	{ "seconds at first", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 1, 5, 7 },
	{ "then more", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 2, 10, 14 },
	{ "and more", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 5, 86, 106 },
	{ "no longer than the schedule says",
	    { 300 * TIME_SECOND, TIME_HOUR, 100 }, 9, 270, 330 },
	{ "at the most", { 300 * TIME_SECOND, TIME_HOUR, 200 }, 1000, 3240,
	    3960 },
	{ "a schedule that is quicker", { TIME_SECOND, 2 * TIME_SECOND, 200 },
	    1, 0, 2 },
};

static void
soon_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(soon) / sizeof(soon[0]); i++) {
		test_case(soon[i].what);
		for (uint64_t k = 0; k < 200; k++) {
			int64_t d = schedule_soon(&soon[i].s, soon[i].n,
			    k * 0x9e3779b97f4a7c15u);

			test_true(d >= soon[i].low * TIME_SECOND);
			test_true(d <= soon[i].high * TIME_SECOND);
		}
	}
}

static const struct {
	const char *what;
	int64_t wall, monotonic; /* passed since the start, minutes */
	int64_t want;
} clocks[] = {
	{ "in step", 60, 60, 60 },
	{ "a little ahead", 69, 60, 69 },
	{ "leapt a month ahead", 43200, 60, 60 },
	{ "stepped back: later is safer", -600, 60, -600 },
};

static void
clocks_by_table(void **state)
{
	struct schedule_clock start = { 1000 * TIME_DAY, 5 * TIME_SECOND };

	(void)state;
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		struct schedule_clock now = { start.wall +
			    clocks[i].wall * TIME_MINUTE,
			start.monotonic + clocks[i].monotonic * TIME_MINUTE };

		test_case(clocks[i].what);
		test_int(schedule_time(&start, &now) - start.wall,
		    clocks[i].want * TIME_MINUTE);
	}
}

TEST_MAIN(cmocka_unit_test(delays_by_table), cmocka_unit_test(soon_by_table),
    cmocka_unit_test(clocks_by_table))
