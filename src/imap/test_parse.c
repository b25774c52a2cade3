/* SPDX-License-Identifier: ISC */
/* The words of a command, and what we write: RFC 3501, 9. */
#include "base/limits.h"
#include "base/test.h"
#include "imap/parse.h"
#include "imap/quote.h"

static struct arena arena;

static const struct {
	const char *what;
	struct slice in;
	bool ok;
	struct slice value, rest;
} astrings[] = {
	{ "atom", SLICE("abc def"), true, SLICE("abc"), SLICE(" def") },
	{ "with a bracket", SLICE("a]b)"), true, SLICE("a]b"), SLICE(")") },
	{ "quoted", SLICE("\"a b\" c"), true, SLICE("a b"), SLICE(" c") },
	{ "empty quoted", SLICE("\"\""), true, SLICE(""), SLICE("") },
	{ "escapes", SLICE("\"a\\\"\\\\b\""), true, SLICE("a\"\\b"),
	    SLICE("") },
	{ "UTF-8", SLICE("\"\xc3\xbc\""), true, SLICE("\xc3\xbc"), SLICE("") },
	{ "literal", SLICE("{3}\r\na\rb x"), true, SLICE("a\rb"), SLICE(" x") },
	{ "literal+", SLICE("{2+}\r\nab"), true, SLICE("ab"), SLICE("") },
	{ "empty literal", SLICE("{0}\r\n"), true, SLICE(""), SLICE("") },
	{ "nothing", SLICE(""), false, SLICE(""), SLICE("") },
	{ "open quote", SLICE("\"ab"), false, SLICE(""), SLICE("") },
	{ "bad escape", SLICE("\"a\\b\""), false, SLICE(""), SLICE("") },
	{ "backslash at the end", SLICE("\"a\\"), false, SLICE(""), SLICE("") },
	{ "line end in quotes", SLICE("\"a\r\nb\""), false, SLICE(""),
	    SLICE("") },
	{ "8 bits that are no UTF-8", SLICE("\"\xff\""), false, SLICE(""),
	    SLICE("") },
	{ "NUL in quotes", SLICE("\"a\0b\""), false, SLICE(""), SLICE("") },
	{ "NUL in a literal", SLICE("{3}\r\na\0b"), false, SLICE(""),
	    SLICE("") },
	{ "literal too short", SLICE("{3}\r\nab"), false, SLICE(""),
	    SLICE("") },
	{ "literal without CRLF", SLICE("{2}\nab"), false, SLICE(""),
	    SLICE("") },
	{ "8 bits in an atom", SLICE("\xc3\xbc"), false, SLICE(""), SLICE("") },
};

static void
strings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(astrings) / sizeof(astrings[0]); i++) {
		struct slice copy = test_exact_copy(astrings[i].in), got;
		struct imap_in in = { copy, &arena, false, false };

		test_case(astrings[i].what);
		arena_init(&arena, 4096);
		test_int(imap_take_astring(&in, &got), astrings[i].ok);
		if (astrings[i].ok) {
			test_slice(got, astrings[i].value);
			test_slice(in.rest, astrings[i].rest);
		} else {
			test_slice(in.rest, astrings[i].in);
		}
		arena_reset(&arena);
		test_free_copy(copy);
	}
}

static const struct {
	const char *what;
	struct slice in;
	bool ok;
	size_t n;
	struct imap_range last;
} sets[] = {
	{ "one", SLICE("7 x"), true, 1, { 7, 7 } },
	{ "star", SLICE("*"), true, 1, { 0, 0 } },
	{ "range", SLICE("2:9"), true, 1, { 2, 9 } },
	{ "backwards", SLICE("9:2"), true, 1, { 9, 2 } },
	{ "from star", SLICE("1,*:3"), true, 2, { 0, 3 } },
	{ "the greatest", SLICE("4294967295"), true, 1,
	    { 4294967295U, 4294967295U } },
	{ "too great", SLICE("4294967296"), false, 0, { 0, 0 } },
	{ "zero", SLICE("0"), false, 0, { 0, 0 } },
	{ "leading zero", SLICE("01"), false, 0, { 0, 0 } },
	{ "comma at the end", SLICE("1,"), false, 0, { 0, 0 } },
	{ "comma at the beginning", SLICE(",1"), false, 0, { 0, 0 } },
	{ "half a range", SLICE("1:"), false, 0, { 0, 0 } },
	{ "nothing", SLICE(""), false, 0, { 0, 0 } },
};

static void
sequence_sets(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct slice copy = test_exact_copy(sets[i].in);
		struct imap_in in = { copy, &arena, false, false };
		struct imap_set got = { NULL, 0 };

		test_case(sets[i].what);
		arena_init(&arena, 4096);
		test_int(imap_take_set(&in, &got), sets[i].ok);
		test_int(got.n, sets[i].n);
		if (sets[i].ok) {
			test_int(got.ranges[got.n - 1].lo, sets[i].last.lo);
			test_int(got.ranges[got.n - 1].hi, sets[i].last.hi);
		}
		arena_reset(&arena);
		test_free_copy(copy);
	}
}

static const struct {
	const char *what;
	struct slice in;
	bool ok;
	uint8_t bits;
	struct slice keywords;
} flags[] = {
	{ "none", SLICE("()"), true, 0, SLICE("") },
	{ "system, any case", SLICE("(\\sEEN \\Deleted)"), true,
	    IMAP_SEEN | IMAP_DELETED, SLICE("") },
	{ "sorted and once", SLICE("(zed $a ZED b $a)"), true, 0,
	    SLICE("$a b zed") },
	{ "bare", SLICE("\\Draft x"), true, IMAP_DRAFT, SLICE("x") },
	{ "Recent", SLICE("(\\Recent)"), false, 0, SLICE("") },
	{ "unknown system flag", SLICE("(\\Foo)"), false, 0, SLICE("") },
	{ "star", SLICE("(\\*)"), false, 0, SLICE("") },
	{ "open", SLICE("(a"), false, 0, SLICE("") },
	{ "two spaces", SLICE("(a  b)"), false, 0, SLICE("") },
};

static void
flag_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		struct slice copy = test_exact_copy(flags[i].in);
		struct imap_in in = { copy, &arena, false, false };
		struct imap_flags got = { 0, SLICE("") };

		test_case(flags[i].what);
		arena_init(&arena, 4096);
		test_int(imap_take_flags(&in, true, &got), flags[i].ok);
		test_int(got.bits, flags[i].bits);
		test_slice(got.keywords, flags[i].keywords);
		arena_reset(&arena);
		test_free_copy(copy);
	}
}

static void
limits(void **state)
{
	static char text[3 * LIMIT_IMAP_SET + 10];
	struct imap_in in = { { NULL, 0 }, &arena, false, false };
	struct imap_set set;
	struct imap_flags got;
	size_t n = 0;

	(void)state;
	test_case("too many ranges");
	arena_init(&arena, LIMIT_IMAP_ARENA);
	for (size_t i = 0; i <= LIMIT_IMAP_SET; i++) {
		text[n++] = '1';
		text[n++] = ',';
	}
	in.rest = slice_of(text, n - 1);
	test_true(!imap_take_set(&in, &set));
	test_true(in.is_too_much);
	test_case("exactly as many as may be");
	in.is_too_much = false;
	in.rest = slice_of(text, n - 3);
	test_true(imap_take_set(&in, &set));
	test_int(set.n, LIMIT_IMAP_SET);
	test_case("keywords too long");
	memset(text, 'k', LIMIT_KEYWORDS + 1);
	in.rest = slice_of(text, LIMIT_KEYWORDS + 1);
	test_true(!imap_take_flags(&in, true, &got));
	test_true(in.is_too_much);
	in.is_too_much = false;
	in.rest = slice_of(text, LIMIT_KEYWORDS);
	test_true(imap_take_flags(&in, true, &got));
	arena_reset(&arena);
}

static const struct {
	struct slice in, string, astring;
} outs[] = {
	{ SLICE("abc"), SLICE("\"abc\""), SLICE("abc") },
	{ SLICE(""), SLICE("\"\""), SLICE("\"\"") },
	{ SLICE("a b"), SLICE("\"a b\""), SLICE("\"a b\"") },
	{ SLICE("a\"\\"), SLICE("\"a\\\"\\\\\""), SLICE("\"a\\\"\\\\\"") },
	{ SLICE("nil"), SLICE("\"nil\""), SLICE("\"nil\"") },
	{ SLICE("\xc3\xbc"), SLICE("{2}\r\n\xc3\xbc"),
	    SLICE("{2}\r\n\xc3\xbc") },
	{ SLICE("a\r\nb"), SLICE("{4}\r\na\r\nb"), SLICE("{4}\r\na\r\nb") },
	{ SLICE("a\0b"), SLICE("{3}\r\na?b"), SLICE("{3}\r\na?b") },
	{ SLICE("100%"), SLICE("\"100%\""), SLICE("\"100%\"") },
};

static void
writing(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < sizeof(outs) / sizeof(outs[0]); i++) {
		test_case("string");
		test_int(imap_put_string(&b, outs[i].in), BUF_OK);
		test_slice(buf_slice(&b), outs[i].string);
		buf_reset(&b, 0);
		test_case("astring");
		test_int(imap_put_astring(&b, outs[i].in), BUF_OK);
		test_slice(buf_slice(&b), outs[i].astring);
		buf_reset(&b, 0);
	}
	test_case("nstring");
	test_int(imap_put_nstring(&b, (struct slice){ NULL, 0 }), BUF_OK);
	test_slice(buf_slice(&b), SLICE("NIL"));
	buf_reset(&b, 0);
	test_case("date-time");
	test_int(imap_put_date_time(&b, 0, -90), BUF_OK);
	test_slice(buf_slice(&b), SLICE("\"31-Dec-1969 22:30:00 -0130\""));
	buf_deinit(&b);
}

TEST_MAIN(cmocka_unit_test(strings), cmocka_unit_test(sequence_sets),
    cmocka_unit_test(flag_lists), cmocka_unit_test(limits),
    cmocka_unit_test(writing))
