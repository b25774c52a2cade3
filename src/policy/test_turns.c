/* SPDX-License-Identifier: ISC */
/* Shares of hosts by weight, and what one that fails has of them. */
#include "base/test.h"
#include "policy/turns.h"

enum {
	START = 1000 * TIME_SECOND
};

/* hosts: read as an operator writes them; each turn is a letter. */
static void
play(struct turns *t, const char *hosts, size_t turns, int64_t now, char *ret)
{
	struct hop_host at[HOP_HOSTS];
	const char *why = NULL;
	size_t n = 0;

	test_true(hop_hosts_read(slice_cstr(hosts), at, &n, &why));
	for (size_t i = 0; i < turns; i++)
		ret[i] = (char)('a' + turns_next(t, at, n, now));
	ret[turns] = '\0';
}

static const struct {
	const char *what, *hosts, *turns;
} rows[] = {
	{ "one", "a.example", "aaaa" },
	{ "equals take turns", "a.example,b.example", "abab" },
	{ "by weight, spread", "a.example*3,b.example", "aabaaaba" },
	{ "three of them", "a.example*2,b.example,c.example", "abcaabca" },
	{ "the better preference alone", "a.example@20,b.example,c.example",
	    "bcbc" },
	{ "the greatest weight", "a.example*1000,b.example*1", "aaaa" },
};

static void
shares_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct turns t = { 0 };
		char got[64];

		test_case(rows[i].what);
		play(&t, rows[i].hosts, strlen(rows[i].turns), START, got);
		test_slice(slice_cstr(got), slice_cstr(rows[i].turns));
	}
}

static void
a_dead_host_has_a_mail_a_minute(void **state)
{
	const char *hosts = "a.example*8,b.example,spare.example@20";
	struct turns t = { 0 };
	char got[64];

	(void)state;
	turns_ask(&t, 0, START);
	turns_fail(&t, 0, START);
	play(&t, hosts, 4, START, got);
	test_slice(slice_cstr(got), slice_cstr("bbbb"));
	play(&t, hosts, 1, START + TURNS_SHUT, got);
	test_slice(slice_cstr(got), slice_cstr("a")); /* one that finds out */
	turns_ask(&t, 0, START + TURNS_SHUT);
	play(&t, hosts, 3, START + TURNS_SHUT, got);
	test_slice(slice_cstr(got), slice_cstr("bbb"));
	turns_fail(&t, 1, START + TURNS_SHUT);
	play(&t, hosts, 2, START + TURNS_SHUT, got);
	test_slice(slice_cstr(got), slice_cstr("cc")); /* the spare one */
	turns_answer(&t, 0);
	play(&t, hosts, 2, START + TURNS_SHUT, got);
	test_slice(slice_cstr(got), slice_cstr("aa"));
}

static void
all_dead_are_as_good_as_all_alive(void **state)
{
	struct turns t = { 0 };
	char got[64];

	(void)state;
	turns_fail(&t, 0, START);
	turns_fail(&t, 1, START);
	play(&t, "a.example,b.example", 4, START, got);
	test_slice(slice_cstr(got), slice_cstr("abab"));
}

static void
the_silent_have_no_more(void **state)
{
	const char *hosts = "a.example,b.example";
	struct turns t = { 0 };
	char got[64];

	(void)state;
	turns_ask(&t, 0, START);
	play(&t, hosts, 2, START, got);
	test_slice(slice_cstr(got), slice_cstr("ab")); /* it may yet answer */
	turns_ask(&t, 0, START + TIME_SECOND);
	play(&t, hosts, 2, START + TURNS_SILENCE, got);
	test_slice(slice_cstr(got), slice_cstr("bb"));
	/* who asked it has never said what came of it */
	play(&t, hosts, 1, START + TURNS_SHUT, got);
	test_slice(slice_cstr(got), slice_cstr("a"));
	turns_ask(&t, 0, START + TURNS_SHUT);
	turns_answer(&t, 0);
	play(&t, hosts, 2, START + 2 * TURNS_SHUT, got);
	test_int(got[0] != got[1], 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_by_table),
		cmocka_unit_test(a_dead_host_has_a_mail_a_minute),
		cmocka_unit_test(all_dead_are_as_good_as_all_alive),
		cmocka_unit_test(the_silent_have_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
