/* SPDX-License-Identifier: ISC */
/* What is remembered of logins, for how long, and how guessers are slowed. */
#include "base/test.h"

#include "base/time.h"
#include "roles/keeper/guard.h"

static const uint8_t key[GUARD_KEY] = { 1, 2, 3 };

static int
setup(void **state)
{
	struct guard *g = malloc(sizeof(*g));

	if (g == NULL)
		return -1;
	guard_init(g, key);
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

#define V SLICE("$argon2id$one")
#define P SLICE("secret")

static void
good_ones(void **state)
{
	struct guard *g = *state;
	int64_t t = 5 * TIME_HOUR;

	test_true(!guard_knows(g, 1, V, P, t));
	guard_remember(g, 1, V, P, t);
	test_true(guard_knows(g, 1, V, P, t));
	test_true(guard_knows(g, 1, V, P, t + 9 * TIME_MINUTE));
	test_true(!guard_knows(g, 1, V, P, t + 10 * TIME_MINUTE));
	test_true(!guard_knows(g, 2, V, P, t));
	test_true(!guard_knows(g, 1, V, SLICE("secret "), t));
	test_case("a changed password counts at once");
	test_true(!guard_knows(g, 1, SLICE("$argon2id$two"), P, t));
	test_case("bytes do not slide from one field into the next");
	test_true(!guard_knows(g, 1, SLICE("$argon2id$ones"), SLICE("ecret"),
	    t));
}

static void
table_is_full(void **state)
{
	struct guard *g = *state;
	unsigned known = 0;

	for (uint64_t i = 0; i < 3 * GUARD_GOOD; i++)
		guard_remember(g, i, V, P, 1000 + (int64_t)i);
	for (uint64_t i = 0; i < 3 * GUARD_GOOD; i++)
		known += guard_knows(g, i, V, P, 1000);
	test_true(known > GUARD_GOOD * 3 / 4 && known <= GUARD_GOOD);
	/* The last one is never the one that was pushed out. */
	test_true(guard_knows(g, 3 * GUARD_GOOD - 1, V, P, 1000));
}

static uint32_t
failed(struct guard *g, struct slice address, struct slice client, int64_t now)
{
	struct guard_try t = { address, client, 1 };

	return guard_note_failure(g, &t, now);
}

static void
bad_ones(void **state)
{
	static const uint32_t want[] = { 250, 500, 1000, 2000,
		GUARD_WAIT_MAX_MS, GUARD_WAIT_MAX_MS };
	struct guard *g = *state;
	int64_t t = TIME_HOUR;

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		test_int(failed(g, SLICE("anna@one.example"),
			     SLICE("192.0.2.1"), t),
		    want[i]);
	test_case("another account is not made to wait");
	test_int(failed(g, SLICE("ben@one.example"), SLICE("198.51.100.1"), t),
	    250);
	test_case("those without a name do not wait for each other");
	for (int i = 0; i < 10; i++)
		test_int(failed(g, SLICE(""), SLICE("198.51.100.2"), t), 250);
	test_case("time heals");
	test_int(failed(g, SLICE("anna@one.example"), SLICE("192.0.2.1"),
		     t + TIME_HOUR),
	    250);
}

static void
networks(void **state)
{
	struct guard *g = *state;
	char address[32], client[64];
	uint32_t wait = 0;

	test_case("many accounts from one /24");
	for (int i = 0; i < 30; i++) {
		(void)snprintf(address, sizeof(address), "u%d@one.example", i);
		(void)snprintf(client, sizeof(client), "192.0.2.%d", i);
		wait = failed(g, slice_cstr(address), slice_cstr(client),
		    TIME_HOUR);
	}
	test_int(wait, GUARD_WAIT_MAX_MS);
	test_case("the next network is another");
	test_int(failed(g, SLICE("x@one.example"), SLICE("192.0.3.1"),
		     TIME_HOUR),
	    250);
	test_case("a /56 of IPv6");
	for (int i = 0; i < 30; i++) {
		(void)snprintf(address, sizeof(address), "v%d@one.example", i);
		(void)snprintf(client, sizeof(client), "2001:db8:1:%x::%d", i,
		    i + 1);
		wait = failed(g, slice_cstr(address), slice_cstr(client),
		    TIME_HOUR);
	}
	test_int(wait, GUARD_WAIT_MAX_MS);
	test_int(failed(g, SLICE("y@one.example"), SLICE("2001:db8:1:100::1"),
		     TIME_HOUR),
	    250);
	test_case("no address at all");
	test_int(failed(g, SLICE("z@one.example"), SLICE(""), TIME_HOUR), 250);
}

/* A guesser with a thousand connections from everywhere, and the owner. */
static void
turns(void **state)
{
	struct guard *g = *state;
	struct guard_try owner = { SLICE("anna@one.example"),
		SLICE("203.0.113.7"), 1 };
	struct guard_try other = { SLICE("ben@one.example"),
		SLICE("203.0.113.7"), 1 };
	int64_t now = TIME_HOUR;
	unsigned n_looked_at = 0, n_sent_away = 0;
	char client[32];

	guard_note_success(g, &owner, now);
	for (unsigned i = 0; i < 1000; i++) {
		struct guard_try t = { SLICE("anna@one.example"),
			slice_cstr(client), 1 };
		uint32_t wait;

		(void)snprintf(client, sizeof(client), "198.%u.%u.1", i / 250,
		    i % 250);
		wait = guard_take_turn(g, &t, now);
		if (wait > GUARD_QUEUE_MAX_MS) {
			n_sent_away++;
			continue;
		}
		n_looked_at++;
		(void)guard_note_failure(g, &t, now);
	}
	test_int(n_looked_at + n_sent_away, 1000);
	test_true(n_looked_at < 30);
	test_case("the owner, from where he was before, hardly waits");
	test_true(guard_take_turn(g, &owner, now) <= 250);
	test_case("from elsewhere he waits like all");
	owner.client = SLICE("203.0.112.7");
	test_true(guard_take_turn(g, &owner, now) > GUARD_QUEUE_MAX_MS);
	test_case("others are not touched");
	test_int(guard_take_turn(g, &other, now), 0);
	test_case("and it passes");
	test_int(guard_take_turn(g, &owner, now + TIME_HOUR), 0);
}

/* Tries of one pair, until they are sent away. */
static unsigned
fill_queue(struct guard *g, const struct guard_try *t, int64_t now)
{
	unsigned n = 0;

	while (guard_take_turn(g, t, now) <= GUARD_QUEUE_MAX_MS) {
		(void)guard_note_failure(g, t, now);
		test_true(++n < 200);
	}
	return n;
}

/* The owner comes from where he has not been, while somebody guesses. */
static void
somewhere_new(void **state)
{
	struct guard *g = *state;
	struct guard_try guess = { SLICE("anna@one.example"),
		SLICE("198.51.100.1"), 1 };
	struct guard_try owner = { SLICE("anna@one.example"),
		SLICE("203.0.113.7"), 1 };
	struct guard_try neighbour = { SLICE("ben@one.example"),
		SLICE("198.51.100.9"), 1 };
	int64_t now = TIME_HOUR;
	uint32_t wait;

	test_true(fill_queue(g, &guess, now) > 5);
	test_case("he does not queue behind the guesser");
	test_true(guard_take_turn(g, &owner, now) == 0);
	test_case("but behind others who have not failed yet");
	wait = guard_take_turn(g, &owner, now);
	test_true(wait > 0 && wait <= GUARD_TURN_MAX_MS);
	test_case("nor does another account of the guesser's network");
	guess.address = SLICE("carl@one.example");
	(void)fill_queue(g, &guess, now);
	test_true(guard_take_turn(g, &neighbour, now) == 0);
	test_case("who fails stands where the guessers stand");
	(void)guard_note_failure(g, &owner, now);
	test_true(guard_take_turn(g, &owner, now) > GUARD_QUEUE_MAX_MS);
}

/* One front that tries all accounts, from networks that it makes up. */
static void
channels(void **state)
{
	struct guard *g = *state;
	struct guard_try honest = { SLICE("anna@one.example"),
		SLICE("203.0.113.7"), 2 };
	int64_t now = TIME_HOUR;
	unsigned n = 0;
	char client[32], address[32];

	for (unsigned i = 0; i < 5000; i++) {
		struct guard_try t = { slice_cstr(address), slice_cstr(client),
			1 };

		(void)snprintf(address, sizeof(address), "u%u@one.example", i);
		(void)snprintf(client, sizeof(client), "10.%u.%u.1", i / 250,
		    i % 250);
		if (guard_take_turn(g, &t, now) > GUARD_QUEUE_MAX_MS)
			continue;
		(void)guard_note_failure(g, &t, now);
		n++;
	}
	test_true(n > 500 && n < 1000);
	test_int(guard_take_turn(g, &honest, now), 0);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(turns, setup, teardown),
    cmocka_unit_test_setup_teardown(somewhere_new, setup, teardown),
    cmocka_unit_test_setup_teardown(channels, setup, teardown),
    cmocka_unit_test_setup_teardown(good_ones, setup, teardown),
    cmocka_unit_test_setup_teardown(table_is_full, setup, teardown),
    cmocka_unit_test_setup_teardown(bad_ones, setup, teardown),
    cmocka_unit_test_setup_teardown(networks, setup, teardown))
