/* SPDX-License-Identifier: ISC */
/* How the ceiling of a new address grows. */
#include "base/test.h"
#include "base/time.h"
#include "queue/warmup.h"

#define DAY TIME_DAY

static void
a_day_by_table(void **state)
{
	static const struct {
		const char *what;
		uint32_t ceiling, sent, bad, want;
	} days[] = {
		{ "all was taken", 100, 100, 0, 150 },
		{ "nearly all", 100, 100, 5, 150 },
		{ "some was not", 100, 100, 6, 100 },
		{ "a fifth", 100, 100, 20, 100 },
		{ "more", 100, 100, 21, 50 },
		{ "little was sent", 100, 49, 0, 100 },
		{ "half of it", 100, 50, 0, 150 },
		{ "nothing was sent", 100, 0, 0, 100 },
		{ "one that is small grows by one", 1, 1, 0, 2 },
		{ "one that is small stays", 1, 1, 1, 1 },
		{ "no more than it is for", 900, 900, 0, 1000 },
		{ "it is over", 1000, 5000, 5000, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
		struct warmup w = { .until = 1000,
			.growth = 150,
			.day = DAY,
			.began = DAY,
			.ceiling = days[i].ceiling,
			.sent = days[i].sent,
			.bad = days[i].bad };

		test_case(days[i].what);
		warmup_turn(&w, 2 * DAY - 1);
		test_int(w.ceiling, days[i].ceiling);
		test_int(w.sent, days[i].sent);
		warmup_turn(&w, 2 * DAY);
		test_int(w.ceiling, days[i].want);
		test_int(w.sent, 0);
		test_int(w.bad, 0);
		test_true(w.began == 2 * DAY);
	}
}

/* As many as it may, each day; one of `bad_of` is refused. Until it is over,
 * or forty days. */
static unsigned
run(struct warmup *w, uint32_t bad_of)
{
	unsigned n = 0, day;

	for (day = 0; day < 40 && !warmup_is_over(w); day++) {
		int64_t now = DAY * (day + 10) + TIME_HOUR;

		warmup_turn(w, now);
		while (!warmup_is_over(w) && warmup_may(w)) {
			warmup_send(w, now);
			warmup_heard(w, bad_of > 0 && ++n % bad_of == 0);
		}
	}
	return day;
}

static void
a_month_goes_by(void **state)
{
	const struct warmup new = { .first = 50,
		.ceiling = 50,
		.until = 10000,
		.growth = 150,
		.day = DAY };
	struct warmup w = new;

	(void)state;
	test_int(run(&w, 0), 15);
	w = new;
	test_int(run(&w, 10), 40);
	test_int(w.ceiling, 50);
	w = new;
	test_int(run(&w, 2), 40);
	test_true(w.ceiling <= 2); /* each second one is refused */
}

static void
idle_days_teach_nothing(void **state)
{
	struct warmup w = {
		.ceiling = 10, .until = 100, .growth = 200, .day = DAY
	};

	(void)state;
	warmup_turn(&w, 50 * DAY);
	for (int i = 0; i < 10; i++)
		warmup_send(&w, 50 * DAY);
	test_true(!warmup_may(&w));
	warmup_unsend(&w);
	test_true(warmup_may(&w));
	warmup_turn(&w, 57 * DAY + 5);
	test_int(w.ceiling, 20); /* once */
	test_true(warmup_next(&w) == 58 * DAY);
	warmup_turn(&w, 40 * DAY); /* the clock is set back */
	test_true(warmup_next(&w) == 41 * DAY);
}

TEST_MAIN(cmocka_unit_test(a_day_by_table), cmocka_unit_test(a_month_goes_by),
    cmocka_unit_test(idle_days_teach_nothing))
