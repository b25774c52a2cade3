/* SPDX-License-Identifier: ISC */
/*
 * Numbers, truth, dates and times: which words are one of them, what they are
 * worth, how far they reach, and what is said of the others.
 */
#include "base/test.h"
#include "config/toml_impl.h"

static const struct {
	struct slice in;
	enum toml_type type;
	int64_t integer; /* of a bool: whether it is true */
	struct slice rest;
} good[] = {
	{ SLICE("0"), TOML_INTEGER, 0, SLICE("") },
	{ SLICE("+0"), TOML_INTEGER, 0, SLICE("") },
	{ SLICE("-0"), TOML_INTEGER, 0, SLICE("") },
	{ SLICE("+99 # x"), TOML_INTEGER, 99, SLICE(" # x") },
	{ SLICE("-17,"), TOML_INTEGER, -17, SLICE(",") },
	{ SLICE("1_000"), TOML_INTEGER, 1000, SLICE("") },
	{ SLICE("5_3_4]"), TOML_INTEGER, 534, SLICE("]") },
	{ SLICE("9223372036854775807"), TOML_INTEGER, INT64_MAX, SLICE("") },
	{ SLICE("-9223372036854775808"), TOML_INTEGER, INT64_MIN, SLICE("") },
	{ SLICE("0xDEAD_beef"), TOML_INTEGER, 3735928559, SLICE("") },
	{ SLICE("0x7fffffffffffffff"), TOML_INTEGER, INT64_MAX, SLICE("") },
	{ SLICE("0o755}"), TOML_INTEGER, 493, SLICE("}") },
	{ SLICE("0b1101\n"), TOML_INTEGER, 13, SLICE("\n") },
	{ SLICE("0x00"), TOML_INTEGER, 0, SLICE("") },
	{ SLICE("true"), TOML_BOOL, 1, SLICE("") },
	{ SLICE("false,"), TOML_BOOL, 0, SLICE(",") },
	{ SLICE("1.0"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("-0.01"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("5e+22"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("1E06"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("6.626e-34"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("1_0.0_1"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("inf"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("-inf"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("+nan"), TOML_FLOAT, 0, SLICE("") },
	{ SLICE("1979-05-27T07:32:00Z"), TOML_TIME, 0, SLICE("") },
	{ SLICE("1979-05-27t07:32:00z"), TOML_TIME, 0, SLICE("") },
	{ SLICE("1979-05-27T07:32:00.999-07:00"), TOML_TIME, 0, SLICE("") },
	{ SLICE("1979-05-27 07:32:00+23:59"), TOML_TIME, 0, SLICE("") },
	{ SLICE("1979-05-27T07:32:00"), TOML_TIME, 0, SLICE("") },
	{ SLICE("1979-05-27"), TOML_TIME, 0, SLICE("") },
	{ SLICE("07:32:00.5"), TOML_TIME, 0, SLICE("") },
	{ SLICE("2024-02-29"), TOML_TIME, 0, SLICE("") },
	{ SLICE("2000-02-29"), TOML_TIME, 0, SLICE("") },
	/* one space, and a digit behind it, or the date is all */
	{ SLICE("2024-02-29 # x"), TOML_TIME, 0, SLICE(" # x") },
	{ SLICE("2024-02-29  07:32:00"), TOML_TIME, 0, SLICE("  07:32:00") },
	{ SLICE("2024-02-29 x"), TOML_TIME, 0, SLICE(" x") },
};

static void
reads_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct slice in = test_exact_copy(good[i].in);
		struct slice word = slice_upto(in, in.len - good[i].rest.len);
		struct toml_error err = { 0 };
		struct toml_node node = { 0 };
		struct parser p = { .text = in, .in = in, .err = &err };
		char what[64];

		(void)snprintf(what, sizeof(what), "%.*s", SLICE_FMT(in));
		test_case(what);
		test_int(toml_take_word(&p, &node), TOML_OK);
		test_int(node.type, good[i].type);
		test_slice(p.in, good[i].rest);
		if (node.type == TOML_INTEGER)
			test_true(node.integer == good[i].integer);
		else if (node.type == TOML_BOOL)
			test_int(node.is_true, good[i].integer);
		else
			test_slice(node.text, word); /* as written */
		test_free_copy(in);
	}
}

static const struct {
	struct slice in;
	const char *part; /* of what is said */
} bad[] = {
	{ SLICE(""), "value is missing" },
	{ SLICE("\n"), "value is missing" },
	{ SLICE("]"), "value is missing" },
	{ SLICE("x"), "\"x\" is no value; text needs quotes" },
	{ SLICE("True"), "needs quotes" },
	{ SLICE("truex"), "needs quotes" },
	{ SLICE("Inf"), "no value" },
	{ SLICE("01"), "no value" },
	{ SLICE("-01"), "no value" },
	{ SLICE("+-1"), "no value" },
	{ SLICE("-"), "no value" },
	{ SLICE("1__0"), "no value" },
	{ SLICE("_1"), "no value" },
	{ SLICE("1_"), "no value" },
	{ SLICE("+0x1"), "no value" },
	{ SLICE("-0b1"), "no value" },
	{ SLICE("0X1"), "no value" },
	{ SLICE("0xg"), "no value" },
	{ SLICE("0x"), "no value" },
	{ SLICE("0x_1"), "no value" },
	{ SLICE("0o8"), "no value" },
	{ SLICE("0b2"), "no value" },
	{ SLICE("1."), "no value" },
	{ SLICE(".5"), "no value" },
	{ SLICE("1e"), "no value" },
	{ SLICE("1.e5"), "no value" },
	{ SLICE("1e5.0"), "no value" },
	{ SLICE("03.14"), "no value" },
	{ SLICE("1._5"), "no value" },
	{ SLICE("9223372036854775808"), "out of range" },
	{ SLICE("-9223372036854775809"), "out of range" },
	{ SLICE("0x8000000000000000"), "out of range" },
	{ SLICE("99999999999999999999999999"), "out of range" },
	{ SLICE("2023-02-29"), "out of range" },
	{ SLICE("1900-02-29"), "out of range" },
	{ SLICE("2023-13-01"), "out of range" },
	{ SLICE("2023-00-01"), "out of range" },
	{ SLICE("2023-04-31"), "out of range" },
	{ SLICE("2023-01-01T25:00:00Z"), "out of range" },
	{ SLICE("2023-01-01T10:60:00Z"), "out of range" },
	{ SLICE("24:00:00"), "out of range" },
	{ SLICE("2023-01-01T10:00Z"), "no value" },
	{ SLICE("2023-01-01T10:00:00."), "no value" },
	{ SLICE("2023-01-01T10:00:00+25:00"), "no value" },
	{ SLICE("2023-01-01T10:00:00+01:60"), "no value" },
	{ SLICE("2023-01-01T10:00:00+0100"), "no value" },
	{ SLICE("2023-01-01T"), "no value" },
	{ SLICE("2023-01-01 1"), "no value" },
	{ SLICE("10:00:00Z"), "no value" },
	{ SLICE("10:00"), "no value" },
	{ SLICE("1979-5-27"), "no value" },
	{ SLICE("79-05-27"), "no value" },
};

static void
tells_what_is_none(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct slice in = test_exact_copy(bad[i].in);
		struct toml_error err = { 0 };
		struct toml_node node = { 0 };
		struct parser p = { .text = in, .in = in, .err = &err };
		char what[64];

		(void)snprintf(what, sizeof(what), "%.*s", SLICE_FMT(in));
		test_case(what);
		test_int(toml_take_word(&p, &node), TOML_E_SYNTAX);
		if (strstr(err.text, bad[i].part) == NULL)
			print_error("said \"%s\"\n", err.text);
		test_true(strstr(err.text, bad[i].part) != NULL);
		test_int(err.line, 1); /* where the word begins */
		test_int(err.col, 1);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(reads_words), cmocka_unit_test(tells_what_is_none))
