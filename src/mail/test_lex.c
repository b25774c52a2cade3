/* SPDX-License-Identifier: ISC */
/*
 * test_lex - comments nest, quotes hide, and an open end is the end
 */
#include "base/test.h"
#include "mail/lex.h"

static void
skips_blanks_and_comments(void **state)
{
	static const struct {
		struct slice in, rest;
	} rows[] = {
		{ SLICE(" \t\r\n x"), SLICE("x") },
		{ SLICE("(a)x"), SLICE("x") },
		{ SLICE("(a(b)c) (d)x"), SLICE("x") },
		{ SLICE("(a\\)b)x"), SLICE("x") },
		{ SLICE("(a\\"), SLICE("") },
		{ SLICE("(a(b)"), SLICE("") },
		{ SLICE(")x"), SLICE(")x") },
		{ SLICE("x (a)"), SLICE("x (a)") },
		{ SLICE(""), SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in), rest = in;
		bool any;

		test_case((const char *)rows[i].in.at);
		any = lex_skip_cfws(&rest);
		test_int(any, rest.len != in.len);
		test_slice(rest, rows[i].rest);
		test_free_copy(in);
	}
}

static void
takes_quoted_strings(void **state)
{
	static const struct {
		struct slice in, want, rest;
	} rows[] = {
		{ SLICE("\"a b\"c"), SLICE("a b"), SLICE("c") },
		{ SLICE("\"\""), SLICE(""), SLICE("") },
		{ SLICE("\"a\\\"b\" "), SLICE("a\"b"), SLICE(" ") },
		{ SLICE("\"a\r\n b\""), SLICE("a b"), SLICE("") },
		{ SLICE("\"a"), SLICE("a"), SLICE("") },
		{ SLICE("\"a\\"), SLICE("a\\"), SLICE("") },
		{ SLICE("\""), SLICE(""), SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in), rest = in, got;
		struct arena a;

		arena_init(&a, 4096);
		test_case((const char *)rows[i].in.at);
		test_true(lex_take_quoted(&rest, &a, &got));
		test_slice(got, rows[i].want);
		test_slice(rest, rows[i].rest);
		arena_reset(&a);
		arena_init(&a, 8);
		rest = in;
		test_true(!lex_take_quoted(&rest, &a, &got));
		test_slice(rest, rows[i].rest);
		arena_reset(&a);
		test_free_copy(in);
	}
}

static void
unfolds_into_an_arena(void **state)
{
	struct slice got;
	struct arena a;
	bool cut = false;

	(void)state;
	test_case("unfold");
	arena_init(&a, 4096);
	test_slice(lex_unfold(SLICE(" a\r\n b\r\n"), 100, &a, &cut),
	    SLICE("a b"));
	test_slice(lex_unfold(SLICE("abc"), 3, &a, &cut), SLICE("abc"));
	test_slice(lex_unfold(SLICE("abc\r\n"), 3, &a, &cut), SLICE("abc"));
	got = lex_unfold(SLICE("  "), 3, &a, &cut);
	test_true(got.at != NULL && got.len == 0);
	test_true(!cut);
	test_slice(lex_unfold(SLICE("abcd"), 3, &a, &cut), SLICE("abc"));
	test_true(cut);
	arena_reset(&a);
	cut = false;
	arena_init(&a, 8);
	got = lex_unfold(SLICE("abcd"), 3, &a, &cut);
	test_true(got.at != NULL && got.len == 0);
	test_true(cut);
	arena_reset(&a);
}

static void
knows_tokens(void **state)
{
	(void)state;
	test_case("tokens");
	for (unsigned c = 0; c < 256; c++) {
		bool special =
		    c != 0 && strchr("()<>@,;:\\\"/[]?=", (int)c) != NULL;

		test_int(lex_is_token((uint8_t)c),
		    c > 32 && c < 127 && !special);
	}
}

TEST_MAIN(cmocka_unit_test(skips_blanks_and_comments),
    cmocka_unit_test(takes_quoted_strings),
    cmocka_unit_test(unfolds_into_an_arena), cmocka_unit_test(knows_tokens))
