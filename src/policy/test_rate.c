/* SPDX-License-Identifier: ISC */
/* What a network may do, when it is over, and when it is within again. */
#include "base/test.h"
#include "base/time.h"
#include "policy/rate.h"

static const uint8_t seed[MAP_SEED] = "0123456789abcde";

static struct rate *
rate_new(void)
{
	struct rate *r = malloc(sizeof(*r));

	assert_non_null(r);
	rate_init(r, seed);
	return r;
}

static uint64_t
who_of(const struct rate *r, const char *text)
{
	struct ip ip;

	test_true(ip_parse(slice_cstr(text), &ip));
	return rate_who(r, &ip, 1);
}

static void
networks_are_one(void **state)
{
	struct rate *r = rate_new();
	struct ip ip;

	(void)state;
	test_true(who_of(r, "192.0.2.1") == who_of(r, "192.0.2.254"));
	test_true(who_of(r, "192.0.2.1") != who_of(r, "192.0.3.1"));
	test_true(who_of(r, "2001:db8::1") == who_of(r, "2001:db8::ffff:1"));
	test_true(who_of(r, "2001:db8::1") != who_of(r, "2001:db8:0:1::1"));
	test_true(ip_parse(SLICE("192.0.2.1"), &ip));
	test_true(rate_who(r, &ip, 1) != rate_who(r, &ip, 2));
	free(r);
}

static void
at_a_time(void **state)
{
	struct rate *r = rate_new();
	const struct rate_limits limits = { .open = 3 };
	uint64_t who = who_of(r, "192.0.2.1");
	unsigned over = 99;

	(void)state;
	for (int i = 0; i < 3; i++)
		test_true(rate_enter(r, who, &limits, 1, &over));
	test_true(!rate_enter(r, who, &limits, 1, &over));
	test_int(over, RATE_OPEN);
	test_true(rate_enter(r, who_of(r, "192.0.3.1"), &limits, 1, &over));
	rate_leave(r, who);
	test_true(rate_enter(r, who, &limits, 1, &over));
	test_true(!rate_enter(r, who, &limits, 1, &over));
	free(r);
}

/* 60 a minute: 60 at once, then one a second. */
static void
in_a_minute(void **state)
{
	struct rate *r = rate_new();
	const struct rate_limits limits = { .minute = { 60 } };
	uint64_t who = who_of(r, "192.0.2.1");
	int64_t now = TIME_DAY;
	unsigned over = 99;

	(void)state;
	for (int i = 0; i < 60; i++)
		test_true(rate_enter(r, who, &limits, now, &over));
	test_true(!rate_enter(r, who, &limits, now, &over));
	test_int(over, RATE_CONNECTIONS);
	test_true(!rate_enter(r, who, &limits, now + 999 * TIME_MS, &over));
	test_true(rate_enter(r, who, &limits, now + TIME_SECOND, &over));
	test_true(!rate_enter(r, who, &limits, now + TIME_SECOND, &over));
	now += 2 * TIME_MINUTE;
	for (int i = 0; i < 60; i++)
		test_true(rate_enter(r, who, &limits, now, &over));
	test_true(!rate_enter(r, who, &limits, now, &over));
	/* refused ones are not counted: patience is enough */
	for (int i = 0; i < 1000; i++)
		test_true(!rate_enter(r, who, &limits, now, &over));
	test_true(rate_enter(r, who, &limits, now + TIME_SECOND, &over));
	free(r);
}

static void
harvest(void **state)
{
	struct rate *r = rate_new();
	const struct rate_limits limits = { .minute = { [RATE_UNKNOWN] = 30 } };
	uint64_t who = who_of(r, "2001:db8::1");
	int64_t now = TIME_DAY, wait = 0;
	unsigned over = 99;

	(void)state;
	test_true(rate_enter(r, who, &limits, now, &over));
	test_true(rate_add(r, who, RATE_UNKNOWN, 30, &limits, now, &wait));
	test_true(!rate_is_over(r, who, &limits, now, &over, &wait));
	test_true(!rate_add(r, who, RATE_UNKNOWN, 1, &limits, now, &wait));
	test_true(wait > TIME_SECOND && wait <= 2 * TIME_SECOND + 1);
	test_true(rate_is_over(r, who, &limits, now, &over, &wait));
	test_int(over, RATE_UNKNOWN);
	test_true(!rate_enter(r, who, &limits, now, &over));
	test_int(over, RATE_UNKNOWN);
	test_true(rate_add(r, who, RATE_MAILS, 4000, &limits, now, &wait));
	/* however many there were, a minute later all is well */
	test_true(!rate_add(r, who, RATE_UNKNOWN, UINT32_MAX, &limits, now,
	    &wait));
	test_true(wait > 59 * TIME_SECOND && wait <= TIME_MINUTE + 1);
	test_true(rate_enter(r, who, &limits, now + TIME_MINUTE + 1, &over));
	free(r);
}

/* What drains does not depend on how often somebody looks, or tries. */
static void
busy_network(void **state)
{
	struct rate *r = rate_new();
	const struct rate_limits limits = {
		.minute = { [RATE_CONNECTIONS] = 7, [RATE_UNKNOWN] = 20 }
	};
	uint64_t who = who_of(r, "192.0.2.1");
	int64_t now = TIME_DAY, end = now + TIME_MINUTE, wait = 0;
	unsigned over = 99, n = 0;

	(void)state;
	for (int i = 0; i < 7; i++)
		test_true(rate_enter(r, who, &limits, now, &over));
	test_true(rate_add(r, who, RATE_UNKNOWN, 20, &limits, now, &wait));
	for (; now <= end; now += 100)
		n += rate_enter(r, who, &limits, now, &over);
	test_int(n, 7);
	test_true(rate_add(r, who, RATE_UNKNOWN, 20, &limits, end, &wait));
	free(r);
}

/* More networks than rows: those that are connected stay. */
static void
table_is_bounded(void **state)
{
	struct rate *r = rate_new();
	const struct rate_limits limits = { .open = 1 };
	uint64_t who = who_of(r, "192.0.2.1");
	unsigned over = 99;
	struct ip ip = { .family = 4 };

	(void)state;
	test_true(rate_enter(r, who, &limits, 1, &over));
	for (unsigned i = 0; i < 8 * RATE_ROWS; i++) {
		uint64_t other;

		ip.bytes[0] = 11;
		ip.bytes[1] = (uint8_t)(i >> 8);
		ip.bytes[2] = (uint8_t)i;
		other = rate_who(r, &ip, (uint8_t)(i >> 16));
		if (!rate_enter(r, other, &limits, 2 + i, &over))
			continue;
		rate_leave(r, other);
	}
	test_true(!rate_enter(r, who, &limits, 3, &over));
	test_int(over, RATE_OPEN);
	free(r);
}

/* A clock that goes back drains nothing and breaks nothing. */
static void
clock_goes_back(void **state)
{
	struct rate *r = rate_new();
	const struct rate_limits limits = { .minute = { 1 } };
	uint64_t who = who_of(r, "192.0.2.1");
	unsigned over = 99;

	(void)state;
	test_true(rate_enter(r, who, &limits, TIME_HOUR, &over));
	test_true(!rate_enter(r, who, &limits, 0, &over));
	test_true(rate_enter(r, who, &limits, TIME_HOUR + TIME_MINUTE, &over));
	free(r);
}

TEST_MAIN(cmocka_unit_test(networks_are_one), cmocka_unit_test(at_a_time),
    cmocka_unit_test(in_a_minute), cmocka_unit_test(busy_network),
    cmocka_unit_test(harvest), cmocka_unit_test(table_is_bounded),
    cmocka_unit_test(clock_goes_back))
