/* SPDX-License-Identifier: ISC */
/*
 * test_transfer - quoted-printable and base64, to the octet, in pieces
 */
#include "base/test.h"
#include "mail/encode.h"
#include "mail/transfer.h"

#define A10 "aaaaaaaaaa"
#define A70 A10 A10 A10 A10 A10 A10 A10

static const struct row {
	bool is_base64, is_last;
	struct slice in, want;
} rows[] = {
	{ false, false, SLICE(""), SLICE("") },
	{ false, true, SLICE("a\r\n"), SLICE("a\r\n") },
	{ false, false, SLICE("g\xc3\xbcn=1\r\n"), SLICE("g=C3=BCn=3D1\r\n") },
	{ false, false, SLICE("a \r\nb\t\r\n c d"),
	    SLICE("a=20\r\nb=09\r\n c d") },
	{ false, false, SLICE("a "), SLICE("a=20") },
	{ false, false, SLICE("a  \r\n"), SLICE("a =20\r\n") },
	{ false, false, SLICE("a\nb\rc\r\r\n"), SLICE("a=0Ab=0Dc=0D\r\n") },
	{ false, false, SLICE("a\r"), SLICE("a=0D") },
	{ false, false, SLICE("a \rb"), SLICE("a =0Db") },
	{ false, false, SLICE("\0\x7f"), SLICE("=00=7F") },
	/* nothing that looks like a delimiter, or like the end */
	{ false, false, SLICE("--b\r\n.\r\n"), SLICE("=2D-b\r\n=2E\r\n") },
	{ false, false, SLICE(A70 "aaaaa--b"), SLICE(A70 "aaaaa=\r\n=2D-b") },
	/* 76 octets with the soft line break */
	{ false, false, SLICE(A70 "aaaaaa"), SLICE(A70 "aaaaa=\r\na") },
	{ false, false,
	    SLICE(A70 "aa\xe9"
		      "a"),
	    SLICE(A70 "aa=E9=\r\na") },
	{ false, false, SLICE(A70 "aaa\xe9"), SLICE(A70 "aaa=\r\n=E9") },
	/* a message that ends within a line */
	{ false, true, SLICE("a\xe9"), SLICE("a=E9=\r\n") },
	{ false, true, SLICE("a "), SLICE("a=20=\r\n") },
	{ true, false, SLICE(""), SLICE("") },
	{ true, false, SLICE("hello"), SLICE("aGVsbG8=") },
	{ true, true, SLICE("hello!"), SLICE("aGVsbG8h\r\n") },
	{ true, true,
	    SLICE("012345678901234567890123456789012345678901234567"
		  "890123456"),
	    SLICE("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMj"
		  "M0NTY3ODkwMTIzNDU2\r\n") },
	{ true, false,
	    SLICE("012345678901234567890123456789012345678901234567"
		  "8901234567"),
	    SLICE("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMj"
		  "M0NTY3ODkwMTIzNDU2\r\nNw==") },
};

static void
encode_in_steps(const struct row *row, size_t step)
{
	struct slice in = test_exact_copy(row->in), rest = in;
	struct transfer t, counted;
	struct buf out;

	buf_init(&out, 1000);
	transfer_init(&t, row->is_base64, &out);
	transfer_init(&counted, row->is_base64, NULL);
	for (; rest.len > 0; rest = slice_from(rest, step)) {
		transfer_add(&t, slice_upto(rest, step));
		transfer_add(&counted, slice_upto(rest, step));
	}
	transfer_end(&t, row->is_last);
	transfer_end(&counted, row->is_last);
	test_slice(buf_slice(&out), row->want);
	test_int(t.size, out.len);
	test_int(counted.size, out.len);
	buf_deinit(&out);
	test_free_copy(in);
}

static void
encodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case((const char *)rows[i].want.at);
		for (size_t step = 1; step <= rows[i].in.len + 1; step++)
			encode_in_steps(&rows[i], step);
	}
}

/* What is written decodes to what it was, and is never more than is said. */
static void
decodes_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct decoder d;
		struct buf out;

		test_case((const char *)rows[i].want.at);
		buf_init(&out, 1000);
		decoder_init(&d,
		    rows[i].is_base64 ? ENCODING_BASE64
				      : ENCODING_QUOTED_PRINTABLE);
		test_int(decoder_feed(&d, rows[i].want, &out), BUF_OK);
		test_int(decoder_end(&d, &out), BUF_OK);
		test_slice(buf_slice(&out), rows[i].in);
		test_true(rows[i].want.len <=
		    TRANSFER_GROWTH * rows[i].in.len + TRANSFER_REST);
		buf_deinit(&out);
	}
}

TEST_MAIN(cmocka_unit_test(encodes), cmocka_unit_test(decodes_again))
