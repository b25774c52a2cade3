/* SPDX-License-Identifier: ISC */
/* Which pattern counts for which destination, and what each term may be. */
#include "queue/terms.h"

#include <errno.h>
#include <string.h>

#include "base/test.h"
#include "base/time.h"
#include "policy/tls_policy.h"

static const struct {
	const char *route;
	const char *patterns[6];
} ways[] = {
	{ "mail.two.example",
	    { "mail.two.example", ".two.example", ".example", "*" } },
	{ "example", { "example", "*" } },
	{ "[192.0.2.1]", { "[192.0.2.1]", "*" } },
	{ "", { "*" } },
	{ "a.", { "a.", ".", "*" } },
	{ "..", { "..", ".", "*" } },
};

static void
test_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct slice pattern = { 0 };
		size_t n = 0;

		test_case(ways[i].route);
		while (terms_pattern_next(slice_cstr(ways[i].route), &pattern))
			test_slice(pattern, slice_cstr(ways[i].patterns[n++]));
		assert_null(ways[i].patterns[n]);
	}
}

static const struct {
	const char *text, *want; /* NULL: refused */
} patterns[] = {
	{ "*", "*" },
	{ "Two.Example", "two.example" },
	{ ".two.example", ".two.example" },
	{ "[192.0.2.1]", "[192.0.2.1]" },
	{ "", NULL },
	{ ".", NULL },
	{ "..two.example", NULL },
	{ "two..example", NULL },
	{ "two.example.", NULL },
	{ "*.two.example", NULL },
	{ "two example", NULL },
	{ "tw\xc3\xb6.example", NULL },
};

static void
test_patterns(void **state)
{
	char got[TERMS_PATTERN_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		bool is_good =
		    terms_pattern_make(slice_cstr(patterns[i].text), got);

		test_case(patterns[i].text);
		assert_int_equal(is_good, patterns[i].want != NULL);
		if (is_good)
			assert_string_equal(got, patterns[i].want);
	}
}

static const struct {
	enum terms_key key;
	const char *text;
	int64_t want; /* -2: refused */
	const char *printed;
} values[] = {
	{ TERMS_RETRY_FIRST, "5m", 5 * TIME_MINUTE, "5m" },
	{ TERMS_RETRY_FIRST, "0s", -2, NULL },
	{ TERMS_RETRY_FIRST, "5", -2, NULL },
	{ TERMS_RETRY_FIRST, "31d", -2, NULL },
	{ TERMS_RETRY_GROWTH, "150", 150, "150" },
	{ TERMS_RETRY_GROWTH, "99", -2, NULL },
	{ TERMS_DELAY_WARNING, "0s", 0, "0s" },
	{ TERMS_CONCURRENCY, "1", 1, "1" },
	{ TERMS_CONCURRENCY, "0", -2, NULL },
	{ TERMS_CONCURRENCY, "-1", -2, NULL },
	{ TERMS_CONCURRENCY, "default", TERMS_UNSET, "default" },
	{ TERMS_RATE, "0", 0, "0" },
	{ TERMS_RATE, "18446744073709551617", -2, NULL },
	{ TERMS_RCPTS, "101", -2, NULL },
	{ TERMS_TLS, "verify", TLS_MINIMUM_VERIFY, "verify" },
	{ TERMS_TLS, "Verify", -2, NULL },
	{ TERMS_TLS, "", -2, NULL },
};

static void
test_values(void **state)
{
	char text[TERMS_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int64_t got = -2;
		bool is_good = terms_value_parse(values[i].key,
		    slice_cstr(values[i].text), &got);

		test_case(values[i].text);
		assert_int_equal(is_good, values[i].want != -2);
		assert_int_equal(got, values[i].want);
		if (!is_good)
			continue;
		terms_value_print(values[i].key, got, text);
		assert_string_equal(text, values[i].printed);
	}
	for (enum terms_key k = 0; k < TERMS_N; k++) {
		assert_int_equal(terms_key_find(slice_cstr(terms_key_name(k))),
		    k);
		assert_non_null(terms_value_help(k));
	}
	assert_int_equal(terms_key_find(SLICE("colour")), TERMS_N);
}

static struct terms
nothing(void)
{
	struct terms t;

	for (int i = 0; i < TERMS_N; i++)
		t.value[i] = TERMS_UNSET;
	return t;
}

/* Each term for itself, from the closest pattern that sets it. */
static void
test_table(void **state)
{
	const uint8_t seed[MAP_SEED] = { 0 };
	struct terms all = nothing(), below = nothing(), one = nothing(), got;
	struct slice from[TERMS_N];
	struct terms_table t;

	(void)state;
	all.value[TERMS_RATE] = 60;
	all.value[TERMS_CONCURRENCY] = 10;
	below.value[TERMS_CONCURRENCY] = 5;
	below.value[TERMS_TLS] = TLS_MINIMUM_ENCRYPT;
	one.value[TERMS_CONCURRENCY] = 1;
	terms_table_init(&t, seed);
	terms_table_find(&t, SLICE("two.example"), &got, from);
	assert_int_equal(got.value[TERMS_RATE], TERMS_UNSET);
	assert_int_equal(terms_table_put(&t, SLICE("*"), &all), 0);
	assert_int_equal(terms_table_put(&t, SLICE(".two.example"), &below), 0);
	assert_int_equal(terms_table_put(&t, SLICE("a.two.example"), &one), 0);
	assert_int_equal(terms_table_put(&t, SLICE("a..b"), &one), -EINVAL);

	terms_table_find(&t, SLICE("a.two.example"), &got, from);
	assert_int_equal(got.value[TERMS_CONCURRENCY], 1);
	assert_int_equal(got.value[TERMS_TLS], TLS_MINIMUM_ENCRYPT);
	assert_int_equal(got.value[TERMS_RATE], 60);
	assert_int_equal(got.value[TERMS_LIFETIME], TERMS_UNSET);
	test_slice(from[TERMS_CONCURRENCY], SLICE("a.two.example"));
	test_slice(from[TERMS_TLS], SLICE(".two.example"));
	test_slice(from[TERMS_RATE], SLICE("*"));
	assert_int_equal(from[TERMS_LIFETIME].len, 0);

	/* the domain itself is not below itself */
	terms_table_find(&t, SLICE("two.example"), &got, NULL);
	assert_int_equal(got.value[TERMS_CONCURRENCY], 10);
	/* nor is one that only ends alike */
	terms_table_find(&t, SLICE("nottwo.example"), &got, NULL);
	assert_int_equal(got.value[TERMS_CONCURRENCY], 10);

	/* once more: replaced */
	all.value[TERMS_RATE] = 0;
	assert_int_equal(terms_table_put(&t, SLICE("*"), &all), 0);
	terms_table_find(&t, SLICE("[192.0.2.1]"), &got, NULL);
	assert_int_equal(got.value[TERMS_RATE], 0);
	terms_table_deinit(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
