/* SPDX-License-Identifier: ISC */
/*
 * test_encode - transfer encodings, charsets, encoded words: whole, in pieces,
 * and broken
 */
#include "base/test.h"
#include "mail/encode.h"

static const struct row {
	enum encoding encoding;
	struct slice in, want;
} rows[] = {
	{ ENCODING_NONE, SLICE("a=41\r\n"), SLICE("a=41\r\n") },
	{ ENCODING_BASE64, SLICE("aGVsbG8="), SLICE("hello") },
	{ ENCODING_BASE64, SLICE("aGVs\r\nbG8=\r\n"), SLICE("hello") },
	{ ENCODING_BASE64, SLICE("aGVsbG8"), SLICE("hello") },
	{ ENCODING_BASE64, SLICE("aGVsbA=="), SLICE("hell") },
	{ ENCODING_BASE64, SLICE("a!G.V*s"), SLICE("hel") },
	{ ENCODING_BASE64, SLICE("aGVs=ignored"), SLICE("hel") },
	{ ENCODING_BASE64, SLICE("a"), SLICE("") },
	{ ENCODING_BASE64, SLICE("+/+/"), SLICE("\xfb\xff\xbf") },
	{ ENCODING_BASE64, SLICE("===="), SLICE("") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a=41=6d"), SLICE("aAm") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a=\r\nb"), SLICE("ab") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a=\nb"), SLICE("ab") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a= \t\r\nb"), SLICE("ab") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a \t\r\nb "), SLICE("a\r\nb") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a \nb"), SLICE("a\nb") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a b"), SLICE("a b") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a\rb"), SLICE("a\rb") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("=zz=4z=="), SLICE("=zz=4z=") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a="), SLICE("a") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("a=4"), SLICE("a=4") },
	{ ENCODING_QUOTED_PRINTABLE, SLICE("=20=09"), SLICE(" \t") },
	{ ENCODING_QUOTED_PRINTABLE,
	    SLICE("1                                                       "
		  "                                                         x"),
	    SLICE("1                                                       "
		  "                                                         "
		  "x") },
};

static void
decode_in_steps(const struct row *row, size_t step)
{
	struct slice in = test_exact_copy(row->in), rest = in;
	struct decoder d;
	struct buf out;

	buf_init(&out, row->in.len + 200);
	decoder_init(&d, row->encoding);
	for (; rest.len > 0; rest = slice_from(rest, step))
		test_int(decoder_feed(&d, slice_upto(rest, step), &out),
		    BUF_OK);
	test_int(decoder_end(&d, &out), BUF_OK);
	test_slice(buf_slice(&out), row->want);
	buf_deinit(&out);
	test_free_copy(in);
}

static void
decodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case((const char *)rows[i].in.at);
		for (size_t step = 1; step <= rows[i].in.len; step++)
			decode_in_steps(&rows[i], step);
	}
}

static void
says_when_there_is_no_room(void **state)
{
	struct decoder d;
	struct buf out;

	(void)state;
	test_case("no room");
	buf_init(&out, 10);
	decoder_init(&d, ENCODING_BASE64);
	test_int(decoder_feed(&d, SLICE("aGVsbG8="), &out), BUF_E_FULL);
	test_int(out.len, 0);
	buf_deinit(&out);
}

static void
knows_encodings(void **state)
{
	(void)state;
	test_case("names");
	test_int(encoding_of(SLICE("BASE64")), ENCODING_BASE64);
	test_int(encoding_of(SLICE("Quoted-Printable")),
	    ENCODING_QUOTED_PRINTABLE);
	test_int(encoding_of(SLICE("8bit")), ENCODING_NONE);
	test_int(encoding_of(SLICE("")), ENCODING_NONE);
}

static void
converts_charsets(void **state)
{
	static const struct {
		struct slice charset, in, want;
		int r;
	} cases[] = {
		{ SLICE("utf-8"), SLICE("\xc3\xa4"), SLICE("\xc3\xa4"), 0 },
		{ SLICE("UTF-8"), SLICE("\xc3z\xff"),
		    SLICE("\xef\xbf\xbdz\xef\xbf\xbd"), 0 },
		{ SLICE("utf-8"), SLICE("\xed\xa0\x80"),
		    SLICE("\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"), 0 },
		{ SLICE("iso-8859-1"), SLICE("\xe4"), SLICE("\xc3\xa4"), 0 },
		{ SLICE("Latin1"), SLICE("\xe4"), SLICE("\xc3\xa4"), 0 },
		{ SLICE("iso-8859-15"), SLICE("\xa4"), SLICE("\xe2\x82\xac"),
		    0 },
		{ SLICE("windows-1252"), SLICE("\x80\x81"),
		    SLICE("\xe2\x82\xac\xef\xbf\xbd"), 0 },
		{ SLICE("koi8-r"), SLICE("\xc1"), SLICE("\xd0\xb0"), 0 },
		{ SLICE("cp1251"), SLICE("\xe0"), SLICE("\xd0\xb0"), 0 },
		{ SLICE("us-ascii"), SLICE("a\x80"), SLICE("a\xef\xbf\xbd"),
		    0 },
		{ SLICE(""), SLICE("a"), SLICE("a"), 0 },
		{ SLICE("x-nobody"), SLICE("a"), SLICE(""), CHARSET_E_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out;

		buf_init(&out, 64);
		test_case((const char *)cases[i].charset.at);
		test_int(charset_to_utf8(cases[i].charset, cases[i].in, &out),
		    cases[i].r);
		test_slice(buf_slice(&out), cases[i].want);
		test_int(charset_is_known(cases[i].charset), cases[i].r == 0);
		buf_deinit(&out);
	}
}

static void
decodes_words(void **state)
{
	static const struct {
		struct slice in, want;
	} cases[] = {
		{ SLICE("plain"), SLICE("plain") },
		{ SLICE("=?utf-8?q?a=20b_c?="), SLICE("a b c") },
		{ SLICE("=?UTF-8?B?w6Q=?="), SLICE("\xc3\xa4") },
		{ SLICE("x =?iso-8859-1?q?=E4?= y"), SLICE("x \xc3\xa4 y") },
		{ SLICE("=?utf-8?q?a?= =?utf-8?q?b?="), SLICE("ab") },
		{ SLICE("=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E4?= c"),
		    SLICE("a\xc3\xa4 c") },
		/* a character in two words, against RFC 2047, 5: it happens */
		{ SLICE("=?utf-8?q?=C3?= =?utf-8?q?=A4?="), SLICE("\xc3\xa4") },
		{ SLICE("=?utf-8*en?q?a?="), SLICE("a") },
		{ SLICE("=?x-nobody?q?a?="), SLICE("=?x-nobody?q?a?=") },
		{ SLICE("=?utf-8?x?a?="), SLICE("=?utf-8?x?a?=") },
		{ SLICE("=?utf-8?q?a"), SLICE("=?utf-8?q?a") },
		{ SLICE("=?=?utf-8?q?a?="), SLICE("=?a") },
		{ SLICE("=?utf-8?q?=?="), SLICE("=") },
		{ SLICE("=?utf-8?q?=ff?="), SLICE("\xef\xbf\xbd") },
		{ SLICE("raw \xff"), SLICE("raw \xef\xbf\xbd") },
		{ SLICE("=?"), SLICE("=?") },
		{ SLICE(""), SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice in = test_exact_copy(cases[i].in);
		struct buf out;

		buf_init(&out, 256);
		test_case((const char *)cases[i].in.at);
		test_int(encoded_words_decode(in, &out), BUF_OK);
		test_slice(buf_slice(&out), cases[i].want);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

static void
folds(void **state)
{
	static const struct {
		struct slice a, b;
	} same[] = {
		{ SLICE("Hello"), SLICE("hELLO") },
		{ SLICE("\xc3\x84"), SLICE("a\xcc\x88") },
		{ SLICE("Stra\xc3\x9f"
			"e"),
		    SLICE("STRASSE") },
		{ SLICE(""), SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct buf a, b;

		buf_init(&a, 64);
		buf_init(&b, 64);
		test_case((const char *)same[i].a.at);
		test_int(text_fold(same[i].a, &a), BUF_OK);
		test_int(text_fold(same[i].b, &b), BUF_OK);
		test_slice(buf_slice(&a), buf_slice(&b));
		buf_deinit(&a);
		buf_deinit(&b);
	}
}

TEST_MAIN(cmocka_unit_test(decodes),
    cmocka_unit_test(says_when_there_is_no_room),
    cmocka_unit_test(knows_encodings), cmocka_unit_test(converts_charsets),
    cmocka_unit_test(decodes_words), cmocka_unit_test(folds))
