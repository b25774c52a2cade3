/* SPDX-License-Identifier: ISC */
/* What a slice lets a parser see, and that it never sees past its end. */
#include "base/test.h"

static const struct {
	const char *what;
	struct slice in;
	uint64_t max;
	bool want;
	uint64_t n;
	size_t rest;
} numbers[] = {
	{ "one digit", SLICE("7"), 9, true, 7, 0 },
	{ "stops at the first non-digit", SLICE("12x"), 99, true, 12, 1 },
	{ "leading zeros", SLICE("0012"), 99, true, 12, 0 },
	{ "equal to the maximum", SLICE("4294967295"), UINT32_MAX, true,
	    UINT32_MAX, 0 },
	{ "one above the maximum", SLICE("4294967296"), UINT32_MAX, false, 0,
	    10 },
	{ "the largest of all", SLICE("18446744073709551615"), UINT64_MAX, true,
	    UINT64_MAX, 0 },
	{ "overflow", SLICE("18446744073709551616"), UINT64_MAX, false, 0, 20 },
	{ "empty", SLICE(""), 9, false, 0, 0 },
	{ "a sign is no digit", SLICE("-1"), 9, false, 0, 2 },
};

static void
takes_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct slice copy = test_exact_copy(numbers[i].in), in = copy;
		uint64_t n = 0;

		test_case(numbers[i].what);
		test_int(slice_take_u64(&in, numbers[i].max, &n),
		    numbers[i].want);
		test_true(n == numbers[i].n);
		test_int(in.len, numbers[i].rest);
		test_free_copy(copy);
	}
}

static const struct {
	const char *what;
	struct slice in;
	bool want;
} utf8[] = {
	{ "ASCII", SLICE("plain"), true },
	{ "two octets", SLICE("\xc3\xbc"), true },
	{ "overlong slash", SLICE("\xc0\xaf"), false },
	{ "overlong in three", SLICE("\xe0\x80\xaf"), false },
	{ "surrogate", SLICE("\xed\xa0\x80"), false },
	{ "the last code point", SLICE("\xf4\x8f\xbf\xbf"), true },
	{ "beyond the last", SLICE("\xf4\x90\x80\x80"), false },
	{ "cut short", SLICE("a\xe2\x82"), false },
	{ "a lone tail", SLICE("\x80"), false },
	{ "wrong third octet", SLICE("\xe2\x82\x41"), false },
	{ "empty", SLICE(""), true },
};

static void
knows_utf8(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(utf8) / sizeof(utf8[0]); i++) {
		struct slice in = test_exact_copy(utf8[i].in);

		test_case(utf8[i].what);
		test_int(slice_is_utf8(in), utf8[i].want);
		test_free_copy(in);
	}
}

static void
takes_lines_that_end_in_crlf_only(void **state)
{
	struct slice in = SLICE("a\nb\r\n\r\nrest\r"), line;

	(void)state;
	test_case("a bare LF is content");
	test_true(slice_take_crlf_line(&in, &line));
	test_slice(line, SLICE("a\nb"));
	test_true(slice_take_crlf_line(&in, &line));
	test_slice(line, SLICE(""));
	test_true(!slice_take_crlf_line(&in, &line));
	test_slice(in, SLICE("rest\r"));
}

static void
skips_and_takes_or_leaves_alone(void **state)
{
	struct slice in = SLICE("MAIL FROM:<>"), part;
	uint8_t byte;

	(void)state;
	test_case("chain");
	test_true(!slice_skip(&in, SLICE("mail")));
	test_true(slice_skip_nocase(&in, SLICE("mail ")));
	test_true(slice_take_until(&in, ':', &part));
	test_slice(part, SLICE("FROM"));
	test_true(!slice_take(&in, 3, &part));
	test_true(slice_take_byte(&in, &byte) && byte == '<');
	test_true(!slice_skip_byte(&in, '<'));
	test_true(slice_skip_byte(&in, '>'));
	test_true(!slice_take_byte(&in, &byte));
}

static void
finds(void **state)
{
	struct slice s = SLICE("one, Two, one");

	(void)state;
	test_case("find");
	test_int(slice_find(s, SLICE("one")), 0);
	test_true(slice_find(s, SLICE("three")) == SIZE_MAX);
	test_int(slice_find_nocase(s, SLICE("tWO")), 5);
	test_true(slice_find_nocase(s, SLICE("one, two, one!")) == SIZE_MAX);
	test_int(slice_find_byte(s, ','), 3);
	test_int(slice_find_last_byte(s, ','), 8);
	test_true(slice_find_byte(SLICE(""), 'a') == SIZE_MAX);
	test_true(slice_ends(s, SLICE("one")) && !slice_ends(s, SLICE("Two")));
}

static void
compares(void **state)
{
	(void)state;
	test_case("compare");
	test_true(slice_compare(SLICE("a"), SLICE("b")) < 0);
	test_true(slice_compare(SLICE("ab"), SLICE("a")) > 0);
	test_true(slice_compare(SLICE(""), SLICE("")) == 0);
	test_true(slice_equal_nocase(SLICE("InBoX"), SLICE("INBOX")));
	test_true(!slice_equal_nocase(SLICE("INBOX"), SLICE("INBOX2")));
	test_true(!slice_equal(SLICE("a"), SLICE("A")));
}

static void
copies_into_c_strings(void **state)
{
	char text[4];

	(void)state;
	test_case("fits with its NUL");
	test_true(slice_to_cstr(SLICE("abc"), text, sizeof(text)));
	assert_string_equal(text, "abc");
	test_case("cut");
	test_true(!slice_to_cstr(SLICE("abcd"), text, sizeof(text)));
	assert_string_equal(text, "abc");
}

TEST_MAIN(cmocka_unit_test(takes_numbers), cmocka_unit_test(knows_utf8),
    cmocka_unit_test(takes_lines_that_end_in_crlf_only),
    cmocka_unit_test(skips_and_takes_or_leaves_alone), cmocka_unit_test(finds),
    cmocka_unit_test(compares), cmocka_unit_test(copies_into_c_strings))
