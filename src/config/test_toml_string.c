/* SPDX-License-Identifier: ISC */
/*
 * The four kinds of strings: what they are worth, where they end, and what is
 * said, and of which place, when they are none.
 */
#include <errno.h>

#include "base/test.h"
#include "config/toml_impl.h"

enum {
	ARENA = 64 * 1024
};

static const struct {
	const char *what;
	struct slice in, value, rest;
} good[] = {
	{ "basic", SLICE("\"a b\" # c"), SLICE("a b"), SLICE(" # c") },
	{ "literal", SLICE("'a\"b'x"), SLICE("a\"b"), SLICE("x") },
	{ "empty basic", SLICE("\"\""), SLICE(""), SLICE("") },
	{ "empty literal", SLICE("''"), SLICE(""), SLICE("") },
	{ "empty long basic", SLICE("\"\"\"\"\"\""), SLICE(""), SLICE("") },
	{ "empty long literal", SLICE("''''''"), SLICE(""), SLICE("") },
	{ "escapes", SLICE("\"\\b\\t\\n\\f\\r\\\"\\\\\""),
	    SLICE("\b\t\n\f\r\"\\"), SLICE("") },
	{ "one octet by number", SLICE("\"\\u0041\\u007f\""), SLICE("A\x7f"),
	    SLICE("") },
	{ "two octets", SLICE("\"\\u0080\\u07FF\""), SLICE("\xc2\x80\xdf\xbf"),
	    SLICE("") },
	{ "three octets", SLICE("\"\\u0800\\ud7ff\\ue000\\uFFFF\""),
	    SLICE("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"),
	    SLICE("") },
	{ "four octets", SLICE("\"\\U00010000\\U0010FFFF\""),
	    SLICE("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"), SLICE("") },
	{ "NUL by number is a character", SLICE("\"a\\u0000b\""), SLICE("a\0b"),
	    SLICE("") },
	{ "UTF-8 as it is", SLICE("'\xc3\xa9'"), SLICE("\xc3\xa9"), SLICE("") },
	{ "tab is text", SLICE("'a\tb'"), SLICE("a\tb"), SLICE("") },
	{ "a literal takes nothing for an escape", SLICE("'c:\\x\\'"),
	    SLICE("c:\\x\\"), SLICE("") },
	{ "an escaped quote is no end", SLICE("\"a\\\"b\" c"), SLICE("a\"b"),
	    SLICE(" c") },
	{ "an escaped backslash before the end", SLICE("\"a\\\\\"b\""),
	    SLICE("a\\"), SLICE("b\"") },
	{ "long: the first line end goes", SLICE("\"\"\"\nx\ny\n\"\"\""),
	    SLICE("x\ny\n"), SLICE("") },
	{ "long: only the first", SLICE("'''\n\nx'''"), SLICE("\nx"),
	    SLICE("") },
	{ "long: CRLF becomes LF", SLICE("'''\r\nx\r\ny'''"), SLICE("x\ny"),
	    SLICE("") },
	{ "long: joined lines", SLICE("\"\"\"x \\  \n\n   \t y\\\n\"\"\""),
	    SLICE("x y"), SLICE("") },
	{ "long: joined over CRLF", SLICE("\"\"\"x\\\r\n \r\n y\"\"\""),
	    SLICE("xy"), SLICE("") },
	{ "long literal: no joints", SLICE("'''x\\\ny'''"), SLICE("x\\\ny"),
	    SLICE("") },
	{ "long: quotes inside", SLICE("\"\"\"\"x\"\" y\"\"\""),
	    SLICE("\"x\"\" y"), SLICE("") },
	{ "long: one quote before the end", SLICE("\"\"\"x\"\"\"\""),
	    SLICE("x\""), SLICE("") },
	{ "long: two quotes before the end", SLICE("'''x'''''"), SLICE("x''"),
	    SLICE("") },
	{ "long: a sixth quote is no part of it", SLICE("'''x''''''"),
	    SLICE("x''"), SLICE("'") },
	{ "long: an escaped quote before the end", SLICE("\"\"\"x\\\"\"\"\""),
	    SLICE("x\""), SLICE("") },
	{ "long: nothing but two quotes", SLICE("\"\"\"\"\"\"\"\""),
	    SLICE("\"\""), SLICE("") },
};

static void
reads_strings(void **state)
{
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct slice in = test_exact_copy(good[i].in), got;
		struct toml_error err = { 0 };
		struct parser p = {
			.text = in, .in = in, .arena = &arena, .err = &err
		};

		test_case(good[i].what);
		arena_init(&arena, ARENA);
		test_int(toml_take_string(&p, &got), TOML_OK);
		test_slice(got, good[i].value);
		test_slice(p.in, good[i].rest);
		arena_reset(&arena);
		test_free_copy(in);
	}
}

static const struct {
	struct slice in;
	uint32_t line, col;
	const char *part; /* of what is said */
} bad[] = {
	{ SLICE("\""), 1, 1, "does not end on its line" },
	{ SLICE("'x"), 1, 1, "does not end on its line" },
	{ SLICE("\"x\ny\""), 1, 1, "does not end on its line" },
	{ SLICE("\"x\\\n\""), 1, 3, "unknown escape" },
	{ SLICE("\"x\\\""), 1, 1, "does not end on its line" },
	{ SLICE("\"x\\"), 1, 1, "does not end on its line" },
	{ SLICE("\"\"\"x\n\ny\"\""), 1, 1, "does not end" },
	{ SLICE("\"\"\"x\\\"\"\""), 1, 1, "does not end" },
	{ SLICE("'''x''"), 1, 1, "does not end" },
	{ SLICE("\"x\\y\""), 1, 3, "unknown escape" },
	{ SLICE("\"\\\0\""), 1, 2, "unknown escape" },
	{ SLICE("\"\\ \""), 1, 2, "unknown escape" },
	{ SLICE("\"\"\"a\n\\q\"\"\""), 2, 1, "unknown escape" },
	{ SLICE("\"\"\"a\\ b\"\"\""), 1, 5, "unknown escape" },
	{ SLICE("\"\\ud800\""), 1, 2, "no Unicode character" },
	{ SLICE("\"\\uDFFF\""), 1, 2, "no Unicode character" },
	{ SLICE("\"\\U00110000\""), 1, 2, "no Unicode character" },
	{ SLICE("\"\\UFFFFFFFF\""), 1, 2, "no Unicode character" },
	{ SLICE("\"\\u00g0\""), 1, 2, "4 hexadecimal" },
	{ SLICE("\"\\U0000000\""), 1, 2, "8 hexadecimal" },
	{ SLICE("\"\\u00\""), 1, 2, "cut short" },
	{ SLICE("\"x\x01\""), 1, 3, "control character" },
	{ SLICE("\"x\0\""), 1, 3, "control character" },
	{ SLICE("'\x7f'"), 1, 2, "control character" },
	{ SLICE("\"\r\""), 1, 2, "control character" },
	{ SLICE("'''\r'''"), 1, 4, "control character" },
	{ SLICE("'''a\n\x1b'''"), 2, 1, "control character" },
};

static void
tells_what_is_none(void **state)
{
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct slice in = test_exact_copy(bad[i].in);
		struct slice got = SLICE("untouched");
		struct toml_error err = { 0 };
		struct parser p = {
			.text = in, .in = in, .arena = &arena, .err = &err
		};
		char what[64];

		(void)snprintf(what, sizeof(what), "%.*s",
		    SLICE_FMT(bad[i].in));
		test_case(what);
		arena_init(&arena, ARENA);
		test_int(toml_take_string(&p, &got), TOML_E_SYNTAX);
		if (strstr(err.text, bad[i].part) == NULL)
			print_error("said \"%s\"\n", err.text);
		test_true(strstr(err.text, bad[i].part) != NULL);
		test_int(err.line, bad[i].line);
		test_int(err.col, bad[i].col);
		test_slice(got, SLICE("untouched"));
		arena_reset(&arena);
		test_free_copy(in);
	}
}

static void
says_when_there_is_no_memory(void **state)
{
	static const struct slice texts[] = { SLICE("\"aaaaaaaaaaaaaaaaaaaa\""),
		SLICE("'''aaaaaaaaaaaaaaaaaaaa'''") };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct arena arena;
		struct toml_error err = { 0 };
		struct slice got;
		struct parser p = { .text = texts[i],
			.in = texts[i],
			.arena = &arena,
			.err = &err };

		arena_init(&arena, 8);
		test_int(toml_take_string(&p, &got), -ENOMEM);
		arena_reset(&arena);
	}
}

TEST_MAIN(cmocka_unit_test(reads_strings), cmocka_unit_test(tells_what_is_none),
    cmocka_unit_test(says_when_there_is_no_memory))
