/* SPDX-License-Identifier: ISC */
/*
 * How strings are written (RFC 3501, 4.3 and 9): each form by the bytes, and
 * that what was written is read again as it was.
 */
#include "base/test.h"
#include "imap/parse.h"
#include "imap/quote.h"

enum {
	CAP = 8192,
	ARENA = 64 * 1024
};

static const struct {
	const char *what;
	struct slice in, string, astring;
} rows[] = {
	{ "an atom", SLICE("a.b"), SLICE("\"a.b\""), SLICE("a.b") },
	{ "nothing", SLICE(""), SLICE("\"\""), SLICE("\"\"") },
	{ "] is in no atom, but in an astring", SLICE("a]"), SLICE("\"a]\""),
	    SLICE("a]") },
	{ "a space", SLICE("a b"), SLICE("\"a b\""), SLICE("\"a b\"") },
	{ "what would be a wildcard", SLICE("a%"), SLICE("\"a%\""),
	    SLICE("\"a%\"") },
	{ "what would be a list", SLICE("(a)"), SLICE("\"(a)\""),
	    SLICE("\"(a)\"") },
	{ "what would be a literal", SLICE("{3}"), SLICE("\"{3}\""),
	    SLICE("\"{3}\"") },
	{ "quoted-specials", SLICE("a\"\\"), SLICE("\"a\\\"\\\\\""),
	    SLICE("\"a\\\"\\\\\"") },
	{ "what would be no string at all", SLICE("nIl"), SLICE("\"nIl\""),
	    SLICE("\"nIl\"") },
	{ "a control character", SLICE("a\tb"), SLICE("\"a\tb\""),
	    SLICE("\"a\tb\"") },
	{ "line ends", SLICE("a\r\nb OK done"), SLICE("{12}\r\na\r\nb OK done"),
	    SLICE("{12}\r\na\r\nb OK done") },
	{ "eight bits", SLICE("\xc3\xa4"), SLICE("{2}\r\n\xc3\xa4"),
	    SLICE("{2}\r\n\xc3\xa4") },
	{ "no UTF-8", SLICE("\xff"), SLICE("{1}\r\n\xff"),
	    SLICE("{1}\r\n\xff") },
};

static void
check_reads_again(struct slice written, struct slice want)
{
	struct slice copy = test_exact_copy(written), got;
	struct arena a;
	struct imap_in in = { copy, &a, false, false };

	arena_init(&a, ARENA);
	test_true(imap_take_astring(&in, &got));
	test_slice(got, want);
	test_true(imap_is_end(&in));
	arena_reset(&a);
	test_free_copy(copy);
}

static void
writes_what_is_read_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct buf b;

		test_case(rows[i].what);
		buf_init(&b, CAP);
		test_int(imap_put_string(&b, in), BUF_OK);
		test_slice(buf_slice(&b), rows[i].string);
		check_reads_again(buf_slice(&b), rows[i].in);
		buf_reset(&b, 0);
		test_int(imap_put_astring(&b, in), BUF_OK);
		test_slice(buf_slice(&b), rows[i].astring);
		check_reads_again(buf_slice(&b), rows[i].in);
		buf_deinit(&b);
		test_free_copy(in);
	}
}

static void
says_nil_only_for_what_is_not_there(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, CAP);
	test_int(imap_put_nstring(&b, (struct slice){ 0 }), BUF_OK);
	test_slice(buf_slice(&b), SLICE("NIL"));
	buf_reset(&b, 0);
	test_int(imap_put_nstring(&b, SLICE("")), BUF_OK);
	test_slice(buf_slice(&b), SLICE("\"\""));
	test_case("a NUL cannot be sent");
	buf_reset(&b, 0);
	test_int(imap_put_string(&b, SLICE("a\0b")), BUF_OK);
	test_slice(buf_slice(&b), SLICE("{3}\r\na?b"));
	buf_deinit(&b);
}

/* 1000 octets are quoted, one more is a literal; so is a long atom. */
static void
long_ones_are_literals(void **state)
{
	uint8_t text[1001];
	struct buf b;

	(void)state;
	memset(text, '"', sizeof(text));
	buf_init(&b, CAP);
	test_int(imap_put_string(&b, slice_of(text, 1000)), BUF_OK);
	test_int(b.len, 2002);
	check_reads_again(buf_slice(&b), slice_of(text, 1000));
	buf_reset(&b, 0);
	test_int(imap_put_string(&b, slice_of(text, 1001)), BUF_OK);
	test_int(b.len, 8 + 1001);
	memset(text, 'a', sizeof(text));
	buf_reset(&b, 0);
	test_int(imap_put_astring(&b, slice_of(text, 1001)), BUF_OK);
	test_true(slice_starts(buf_slice(&b), SLICE("{1001}\r\n")));
	buf_deinit(&b);
}

static void
a_full_buffer_is_told(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	test_int(imap_put_string(&b, SLICE("abcde")), BUF_E_FULL);
	test_int(imap_put_string(&b, SLICE("\xc3\xa4")), BUF_E_FULL);
	buf_deinit(&b);
}

TEST_MAIN(cmocka_unit_test(writes_what_is_read_again),
    cmocka_unit_test(says_nil_only_for_what_is_not_there),
    cmocka_unit_test(long_ones_are_literals),
    cmocka_unit_test(a_full_buffer_is_told))
