/* SPDX-License-Identifier: ISC */
/* How many at a time and how fast: growth, cuts, rates, and the words. */
#include "queue/pace.h"

#include "base/test.h"
#include "base/time.h"

#define T0 (1000 * TIME_HOUR)

static const struct pace_limits twenty = { 20, 0, 1 };

static void
it_grows_with_each_mail(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	assert_int_equal(pace_concurrency(&p, &twenty), PACE_FIRST);
	assert_false(p.is_proven);
	for (unsigned i = 1; i <= 30; i++) {
		pace_on_taken(&p, &twenty, T0);
		assert_int_equal(pace_concurrency(&p, &twenty),
		    PACE_FIRST + i > 20 ? 20 : PACE_FIRST + i);
	}
	assert_true(p.is_proven);
	/* what is permitted may become less, but never nothing */
	assert_int_equal(pace_concurrency(&p, &(struct pace_limits){ 3, 0, 1 }),
	    3);
	assert_int_equal(pace_concurrency(&p, &(struct pace_limits){ 0, 0, 1 }),
	    1);
}

static void
it_is_halved_once(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	for (unsigned i = 0; i < 30; i++)
		pace_on_taken(&p, &twenty, T0);
	pace_on_pressure(&p, PACE_CONNECTIONS, 20, T0);
	assert_int_equal(pace_concurrency(&p, &twenty), 10);
	assert_int_equal(pace_ready(&p, &twenty), T0 + TIME_SECOND);
	/* the other nine of those that were under way say the same */
	for (unsigned i = 0; i < 9; i++)
		pace_on_pressure(&p, PACE_CONNECTIONS, 19 - i, T0 + 1);
	assert_int_equal(pace_concurrency(&p, &twenty), 10);
	/* slowly from here: about ten mails for one more */
	for (unsigned i = 0; i < 8; i++)
		pace_on_taken(&p, &twenty, T0 + 2);
	assert_int_equal(pace_concurrency(&p, &twenty), 11);
	/* and it counts from what was really there */
	pace_on_pressure(&p, PACE_CONNECTIONS, 4, T0 + 10 * TIME_SECOND);
	assert_int_equal(pace_concurrency(&p, &twenty), 2);
	for (unsigned i = 0; i < 10; i++)
		pace_on_pressure(&p, PACE_CONNECTIONS, 1,
		    T0 + (20 + 10 * i) * TIME_SECOND);
	assert_int_equal(pace_concurrency(&p, &twenty), 1);
	assert_true(pace_is_worth_keeping(&p, T0 + 2 * TIME_MINUTE));
	assert_false(pace_is_worth_keeping(&p, T0 + TIME_HOUR));
}

/* How many begin within a time when each begins as soon as it may. */
static unsigned
n_within(struct pace *p, const struct pace_limits *l, int64_t from, int64_t to)
{
	unsigned n = 0;

	for (int64_t now = from; now < to && n < 10000;) {
		int64_t ready = pace_ready(p, l);

		if (ready > now) {
			now = ready;
			continue;
		}
		pace_on_start(p, l, now);
		n++;
	}
	return n;
}

static void
a_rate_is_kept_exactly(void **state)
{
	static const struct {
		struct pace_limits l;
		int64_t time;
		unsigned want;
	} rates[] = {
		{ { 20, 60, 1 }, TIME_MINUTE, 60 },
		{ { 20, 60, 10 }, TIME_MINUTE, 69 },
		{ { 20, 1, 1 }, 10 * TIME_MINUTE, 10 },
		{ { 20, 7, 1 }, 60 * TIME_MINUTE, 420 },
		{ { 20, 1, 5 }, TIME_SECOND, 5 },
		{ { 20, 6000, 1 }, TIME_SECOND, 100 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		struct pace p;
		unsigned n;

		pace_init(&p);
		n = n_within(&p, &rates[i].l, T0, T0 + rates[i].time);
		assert_in_range(n, rates[i].want, rates[i].want + 1);
		/* what was not used for an hour is no more than the burst */
		n = n_within(&p, &rates[i].l, T0 + 5 * TIME_HOUR,
		    T0 + 5 * TIME_HOUR + 1);
		assert_int_equal(n, rates[i].l.burst);
	}
}

static void
a_rate_is_learnt_and_comes_back(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	for (unsigned i = 0; i <= 100; i++) /* ten a second */
		pace_on_taken(&p, &twenty, T0 + i * 100 * TIME_MS);
	pace_on_pressure(&p, PACE_RATE, 20, T0 + 10 * TIME_SECOND);
	assert_in_range(p.learnt, 295, 310);
	assert_int_equal(pace_ready(&p, &twenty),
	    T0 + 10 * TIME_SECOND + TIME_SECOND);
	pace_on_pressure(&p, PACE_RATE, 20, T0 + 30 * TIME_SECOND);
	assert_in_range(p.learnt, 148, 156);
	/* an hour of peace: 150 * 1.1^60 is far beyond */
	pace_on_taken(&p, &(struct pace_limits){ 20, 1000, 1 }, T0 + TIME_HOUR);
	assert_int_equal(p.learnt, 0);
	/* the operator's limit is never exceeded by what is learnt */
	p.learnt = 500;
	assert_int_equal(n_within(&p, &(struct pace_limits){ 20, 60, 9 },
			     T0 + 2 * TIME_HOUR,
			     T0 + 2 * TIME_HOUR + TIME_MINUTE),
	    60);
}

#define REPLY(code, c, s, d, text)                                             \
	{                                                                      \
		(code), { (c), (s), (d) }, SLICE(text)                         \
	}

static void
who_takes_mail_is_alive(void **state)
{
	struct pace p;

	(void)state;
	pace_init(&p);
	assert_false(pace_is_alive(&p, T0));
	pace_on_taken(&p, &twenty, T0);
	assert_true(pace_is_alive(&p, T0 + TIME_SECOND));
	assert_false(pace_is_alive(&p, T0 + 2 * TIME_MINUTE));
	pace_on_pressure(&p, PACE_CONNECTIONS, 4, T0 + TIME_SECOND);
	/* those that were under way; then only a mail that is taken helps */
	assert_true(pace_is_alive(&p, T0 + 2 * TIME_SECOND));
	assert_false(pace_is_alive(&p, T0 + 8 * TIME_SECOND));
	pace_on_taken(&p, &twenty, T0 + 9 * TIME_SECOND);
	assert_true(pace_is_alive(&p, T0 + 10 * TIME_SECOND));
}

static const struct {
	struct verdict v;
	enum pace_pressure want;
} words[] = {
	{ REPLY(421, 4, 7, 0, "mx.example Too many connections, try later"),
	    PACE_CONNECTIONS },
	{ REPLY(421, 4, 3, 2, "too many concurrent SMTP connections"),
	    PACE_CONNECTIONS },
	{ REPLY(450, 4, 7, 1, "Error: Rate limit exceeded"), PACE_RATE },
	{ REPLY(451, 4, 7, 1, "you are being THROTTLED"), PACE_RATE },
	{ REPLY(421, 4, 7, 28, "our system has detected something"),
	    PACE_RATE },
	{ REPLY(450, 4, 7, 28, "later"), PACE_RATE },
	{ REPLY(421, 4, 7, 0, "not now"), PACE_RATE },
	{ REPLY(421, 4, 3, 2, "shutting down"), PACE_EASE },
	{ REPLY(451, 4, 7, 1, "Greylisted, come again in 5 minutes"),
	    PACE_EASE },
	{ REPLY(450, 4, 2, 1, "mailbox busy"), PACE_EASE },
	{ REPLY(550, 5, 7, 1, "rate limit exceeded"), PACE_EASE },
	{ REPLY(250, 2, 0, 0, "slow down"), PACE_EASE },
	{ { 452, { 0, 0, 0 }, { 0 } }, PACE_EASE },
};

static void
hosts_say_so(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		assert_int_equal(pace_pressure(&words[i].v), words[i].want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_grows_with_each_mail),
		cmocka_unit_test(it_is_halved_once),
		cmocka_unit_test(a_rate_is_kept_exactly),
		cmocka_unit_test(a_rate_is_learnt_and_comes_back),
		cmocka_unit_test(who_takes_mail_is_alive),
		cmocka_unit_test(hosts_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
