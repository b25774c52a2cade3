/* SPDX-License-Identifier: ISC */
/*
 * test_convert - 8-bit and binary mail made 7-bit, to the octet; and what is
 * refused, with its words
 */
#include "base/test.h"
#include "mail/convert.h"

#define MIME "MIME-Version: 1.0\r\n"
#define CTE "Content-Transfer-Encoding: "
#define PLAIN "Content-Type: text/plain; charset=utf-8\r\n"
#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n"

static const struct row {
	const char *name;
	enum convert_goal goal;
	struct slice in, want; /* want.len 0: refused, with why */
	const char *why;
} rows[] = {
	{ "one text", CONVERT_7BIT,
	    SLICE(MIME PLAIN CTE "8bit\r\nSubject: x\r\n\r\nG\xc3\xbcn\r\n"),
	    SLICE(MIME PLAIN CTE "quoted-printable\r\nSubject: x\r\n\r\n"
				 "G=C3=BCn\r\n"),
	    NULL },
	{ "folded, in another case, with a comment", CONVERT_7BIT,
	    SLICE(MIME PLAIN "content-transfer-ENCODING:\r\n (so) 8Bit\r\n"
			     "A: b\r\n\r\nG\xc3\xbcn\r\n"),
	    SLICE(MIME PLAIN CTE "quoted-printable\r\nA: b\r\n\r\n"
				 "G=C3=BCn\r\n"),
	    NULL },
	{ "nothing was said of it", CONVERT_7BIT,
	    SLICE(MIME PLAIN "\r\nG\xc3\xbcn\r\n"),
	    SLICE(MIME PLAIN CTE "quoted-printable\r\n\r\nG=C3=BCn\r\n"),
	    NULL },
	{ "no MIME (RFC 1428)", CONVERT_7BIT,
	    SLICE("Subject: x\r\n\r\nG\xfcn\r\n"),
	    SLICE("Subject: x\r\n" MIME
		  "Content-Type: text/plain; charset=unknown-8bit\r\n" CTE
		  "quoted-printable\r\n\r\nG=FCn\r\n"),
	    NULL },
	{ "no header", CONVERT_7BIT, SLICE("\r\n\xfc\xfc\xfc\xfc\r\n"),
	    SLICE(MIME "Content-Type: text/plain; charset=unknown-8bit\r\n" CTE
		       "base64\r\n\r\n/Pz8/A0K\r\n"),
	    NULL },
	{ "what is no text", CONVERT_7BIT,
	    SLICE(MIME "Content-Type: image/x\r\n" CTE "8bit\r\n\r\n"
		       "a long row of octets\xfc\r\n"),
	    SLICE(MIME "Content-Type: image/x\r\n" CTE "base64\r\n\r\n"
		       "YSBsb25nIHJvdyBvZiBvY3RldHP8DQo=\r\n"),
	    NULL },
	{ "one part of two, what is around them says so", CONVERT_7BIT,
	    SLICE(MIME MIXED CTE "8bit\r\n\r\nbefore\r\n--b\r\n" PLAIN CTE
				 "8bit\r\n\r\nG\xc3\xbcn\r\n--b\r\n" PLAIN CTE
				 "8bit\r\n\r\nplain  \r\n--b--\r\nbehind\r\n"),
	    SLICE(MIME MIXED CTE "7bit\r\n\r\nbefore\r\n--b\r\n" PLAIN CTE
				 "quoted-printable\r\n\r\nG=C3=BCn\r\n"
				 "--b\r\n" PLAIN CTE
				 "7bit\r\n\r\nplain  \r\n--b--\r\nbehind\r\n"),
	    NULL },
	{ "the second", CONVERT_7BIT,
	    SLICE(MIME MIXED "\r\n--b\r\n\r\nplain\r\n--b\r\n\r\n"
			     "Today: g\xc3\xbcn, g\xc3\xbcn\r\n\r\n--b--\r\n"),
	    SLICE(MIME MIXED "\r\n--b\r\n\r\nplain\r\n--b\r\n" CTE
			     "quoted-printable\r\n\r\n"
			     "Today: g=C3=BCn, g=C3=BCn\r\n\r\n--b--\r\n"),
	    NULL },
	{ "a message within", CONVERT_7BIT,
	    SLICE(MIME "Content-Type: message/rfc822\r\n" CTE "8bit\r\n\r\n"
		       "From: a\r\n" PLAIN "\r\nG\xc3\xbcn\r\n"),
	    SLICE(MIME "Content-Type: message/rfc822\r\n" CTE "7bit\r\n\r\n"
		       "From: a\r\n" PLAIN MIME CTE
		       "quoted-printable\r\n\r\nG=C3=BCn\r\n"),
	    NULL },
	{ "an international message within", CONVERT_7BIT,
	    SLICE(MIME "Content-Type: message/global\r\n" CTE "8bit\r\n\r\n"
		       "Subject: g\xc3\xbcn, today\r\n\r\nx\r\n"),
	    SLICE(MIME "Content-Type: message/global\r\n" CTE
		       "quoted-printable\r\n\r\n"
		       "Subject: g=C3=BCn, today\r\n\r\nx\r\n"),
	    NULL },
	{ "a signed part that is 7-bit", CONVERT_7BIT,
	    SLICE(MIME MIXED
		"\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n"
		"--s\r\n" CTE "8bit\r\n\r\nx\r\n--s--\r\n--b\r\n\r\n"
		"Today: g\xc3\xbcn, g\xc3\xbcn\r\n--b--\r\n"),
	    SLICE(MIME MIXED
		"\r\n--b\r\nContent-Type: multipart/signed; boundary=s\r\n\r\n"
		"--s\r\n" CTE "8bit\r\n\r\nx\r\n--s--\r\n--b\r\n" CTE
		"quoted-printable\r\n\r\n"
		"Today: g=C3=BCn, g=C3=BCn\r\n--b--\r\n"),
	    NULL },
	{ "binary to 8-bit", CONVERT_8BIT,
	    SLICE(MIME MIXED CTE "binary\r\n\r\n--b\r\n" PLAIN CTE
				 "binary\r\n\r\nG\xc3\xbcn\r\n--b\r\n"
				 "Content-Type: a/b\r\n" CTE "binary\r\n\r\n"
				 "\0\n\r\n--b--"),
	    SLICE(MIME MIXED CTE "8bit\r\n\r\n--b\r\n" PLAIN CTE
				 "8bit\r\n\r\nG\xc3\xbcn\r\n--b\r\n"
				 "Content-Type: a/b\r\n" CTE "base64\r\n\r\n"
				 "AAo=\r\n--b--\r\n"),
	    NULL },
	{ "8-bit header to 8-bit", CONVERT_8BIT,
	    SLICE("Subject: \xfc\r\n" MIME PLAIN CTE "binary\r\n\r\na\nb"),
	    SLICE("Subject: \xfc\r\n" MIME PLAIN CTE "base64\r\n\r\nYQpi\r\n"),
	    NULL },
	{ "8-bit as it is, the header is ASCII", CONVERT_ASCII_HEADER,
	    SLICE(MIME PLAIN CTE "8bit\r\n\r\nG\xc3\xbcn\r\n"),
	    SLICE(MIME PLAIN CTE "8bit\r\n\r\nG\xc3\xbcn\r\n"), NULL },
	{ "8-bit header to who has no SMTPUTF8", CONVERT_ASCII_HEADER,
	    SLICE("Subject: \xc3\xbc\r\n\r\nx\r\n"), SLICE(""),
	    "it has 8-bit octets in a header" },
	{ "ends within a line", CONVERT_7BIT,
	    SLICE(MIME PLAIN CTE "binary\r\n\r\nG\xc3\xbcn aydin"),
	    SLICE(MIME PLAIN CTE "quoted-printable\r\n\r\nG=C3=BCn aydin=\r\n"),
	    NULL },

	{ "header", CONVERT_7BIT, SLICE("Subject: \xfc\r\n\r\n\xfc\r\n"),
	    SLICE(""), "it has 8-bit octets in a header" },
	{ "header of a part", CONVERT_7BIT,
	    SLICE(MIME MIXED "\r\n--b\r\nContent-Type: a/b; name=\xfc\r\n\r\n"
			     "x\r\n--b--\r\n"),
	    SLICE(""), "it has 8-bit octets in a header" },
	{ "before the parts", CONVERT_7BIT,
	    SLICE(MIME MIXED "\r\n\xfc\r\n--b\r\n\r\nx\r\n--b--\r\n"),
	    SLICE(""), "it has 8-bit octets between its parts" },
	{ "no parts", CONVERT_7BIT, SLICE(MIME MIXED "\r\n\xfc\r\n"), SLICE(""),
	    "it has 8-bit octets between its parts" },
	{ "signed", CONVERT_7BIT,
	    SLICE(MIME "Content-Type: multipart/signed; boundary=b\r\n\r\n"
		       "--b\r\n\r\n\xfc\r\n--b--\r\n"),
	    SLICE(""), "it has a signed part" },
	{ "signed, deep", CONVERT_7BIT,
	    SLICE(MIME "Content-Type: multipart/signed; boundary=b\r\n\r\n"
		       "--b\r\nContent-Type: message/rfc822\r\n\r\n"
		       "A: b\r\n\r\n\xfc\r\n--b--\r\n"),
	    SLICE(""), "it has a signed part" },
	{ "encoded parts", CONVERT_7BIT,
	    SLICE(MIME MIXED CTE "base64\r\n\r\n--b\r\n\r\n\xfc\r\n--b--\r\n"),
	    SLICE(""), "it has parts in a part that is encoded" },
	{ "says base64 and is not", CONVERT_7BIT,
	    SLICE(MIME CTE "base64\r\n\r\n\xfc\r\n"), SLICE(""),
	    "a part is not encoded as it says" },
	{ "unknown encoding", CONVERT_7BIT,
	    SLICE(MIME CTE "x-own\r\n\r\n\xfc\r\n"), SLICE(""),
	    "a part is not encoded as it says" },
	{ "two fields", CONVERT_7BIT,
	    SLICE(MIME CTE "8bit\r\n" CTE "7bit\r\n\r\n\xfc\r\n"), SLICE(""),
	    "the header of a part is broken" },
	{ "no field", CONVERT_7BIT, SLICE("A: b\r\nno field\r\n\r\n\xfc\r\n"),
	    SLICE(""), "the header of a part is broken" },
	{ "must be 7-bit", CONVERT_7BIT,
	    SLICE(MIME "Content-Type: message/partial\r\n\r\n\xfc\r\n"),
	    SLICE(""), "it has a part of a type that must be 7-bit" },
	{ "header with LF", CONVERT_7BIT,
	    SLICE(MIME PLAIN CTE "binary\n\n\xfc\r\n"), SLICE(""),
	    "it has other than lines around its parts" },
	{ "header alone", CONVERT_8BIT, SLICE("A: b"), SLICE(""),
	    "it ends within a line" },
	{ "ends in half a delimiter", CONVERT_8BIT,
	    SLICE(MIME MIXED "\r\n--b\r\n\r\nx\r\n--bc--"), SLICE(""),
	    "it ends within a line" },
};

static enum convert_need
read_in_steps(struct convert *c, struct slice in, size_t step)
{
	enum convert_need need = CONVERT_MORE;

	for (; in.len > 0; in = slice_from(in, step))
		need = convert_read(c, slice_upto(in, step));
	return need;
}

static void
write_in_steps(struct convert *c, struct slice in, size_t step, struct buf *out)
{
	convert_begin(c);
	while (in.len > 0) {
		size_t n = convert_write(c, slice_upto(in, step), out);

		test_true(n > 0);
		in = slice_from(in, n);
	}
}

static void
convert_in_steps(const struct row *row, size_t step)
{
	struct slice in = test_exact_copy(row->in);
	enum convert_need need;
	struct convert c;
	struct buf out;

	convert_init(&c, row->goal, in.len);
	need = read_in_steps(&c, in, step);
	if (need == CONVERT_AGAIN)
		need = read_in_steps(&c, in, step);
	if (row->why != NULL) {
		test_int(need, CONVERT_REFUSED);
		test_slice(slice_cstr(c.why), slice_cstr(row->why));
	} else {
		test_int(need, CONVERT_READY);
		for (int twice = 0; twice < 2; twice++) {
			buf_init(&out, 8192);
			write_in_steps(&c, in, step, &out);
			test_slice(buf_slice(&out), row->want);
			test_int(c.size, row->want.len);
			buf_deinit(&out);
		}
		test_int(c.is_8bit, !slice_is_ascii(row->want));
	}
	convert_deinit(&c);
	test_free_copy(in);
}

static void
converts_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].name);
		for (size_t step = 1; step <= rows[i].in.len; step++)
			convert_in_steps(&rows[i], step);
	}
}

/* One that has more parts than the memory that may be spent on them. */
static void
parts_are_bounded(void **state)
{
	struct buf in;
	struct convert c;

	(void)state;
	test_case("many parts");
	buf_init(&in, 256 * 1024);
	test_int(buf_add(&in, SLICE(MIME MIXED "\r\n")), BUF_OK);
	for (int i = 0; i <= MIME_PARTS; i++)
		test_int(buf_add(&in, SLICE("--b\r\n\r\n\xfc\r\n")), BUF_OK);
	convert_init(&c, CONVERT_7BIT, in.len);
	test_int(read_in_steps(&c, buf_slice(&in), in.len), CONVERT_REFUSED);
	test_slice(slice_cstr(c.why),
	    SLICE("it has too many parts, or too long a header"));
	test_true(c.arena.used <= LIMIT_CONVERT_MEMORY);
	convert_deinit(&c);
	buf_deinit(&in);
}

TEST_MAIN(cmocka_unit_test(converts_by_table),
    cmocka_unit_test(parts_are_bounded))
