/* SPDX-License-Identifier: ISC */
/* What SEARCH finds: cases, encodings, and the seams between pieces. */
#include "base/test.h"
#include "imap/match.h"

static const char header[] = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from\r\n"
			     " far  away\r\n"
			     "X-Odd: \xff\xfe\r\n"
			     "From: a@b.example\r\n\r\n";

static const struct {
	const char *what, *name, *needle;
	bool found;
} headers[] = {
	{ "encoded word, other case", "subject", "GR\xc3\x9cSSE", true },
	{ "over the fold", "Subject", "from far", true },
	{ "not there", "Subject", "near", false },
	{ "other field", "From", "gr", false },
	{ "the field is there", "x-odd", "", true },
	{ "the field is not there", "x-even", "", false },
	{ "any field", "", "b.example", true },
	{ "any field, its name", "", "x-odd", true },
};

static void
fold(const char *text, struct buf *b)
{
	buf_init(b, 4096);
	test_int(match_fold(slice_cstr(text), b), BUF_OK);
}

static void
in_headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct buf b;

		test_case(headers[i].what);
		fold(headers[i].needle, &b);
		test_int(match_header(slice_cstr(header),
			     slice_cstr(headers[i].name), buf_slice(&b)),
		    headers[i].found);
		buf_deinit(&b);
	}
}

/* RFC 3501, 6.4.4: FROM and its like find what the envelope shows. */
static const struct {
	const char *what, *header, *needle;
	bool in_field, in_envelope;
} addresses[] = {
	{ "plain", "From: A B <a@b.example>\r\n\r\n", "b <a@b.exam", true,
	    false /* nothing else could be found */ },
	{ "comments", "From: <u (c)@ (c) d.example>\r\n\r\n", "u@d.example",
	    false, true },
	{ "a comment is found in the field", "From: u@d.example (Ann)\r\n\r\n",
	    "ann", true, true },
	{ "quotes", "From: \"B, A\" <a@b.example>\r\n\r\n", "b, a <a@b", false,
	    true },
	{ "quotes, as they stand", "From: \"B, A\" <a@b.example>\r\n\r\n",
	    "a\" <a", true, false },
	{ "a group", "From: g: a@b.example, c@d.example;\r\n\r\n",
	    "c@d.example", true, true },
	{ "folded", "From: a@b.example,\r\n c@d.example\r\n\r\n", "c@D.example",
	    true, true },
	{ "nobody", "From: (x) a@b.example\r\n\r\n", "z@b.example", false,
	    false },
};

static void
in_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct slice section = slice_cstr(addresses[i].header);
		struct buf b;

		test_case(addresses[i].what);
		fold(addresses[i].needle, &b);
		test_int(match_header(section, SLICE("From"), buf_slice(&b)),
		    addresses[i].in_field);
		test_int(match_addresses(section, SLICE("from"), buf_slice(&b)),
		    addresses[i].in_envelope);
		buf_deinit(&b);
	}
}

/* RFC 5051: title case, decomposed. */
static void
collating(void **state)
{
	struct buf b;

	(void)state;
	test_case("title case");
	buf_init(&b, 100);
	test_int(match_collate(SLICE("aB_\xc3\xa4"), &b), BUF_OK);
	test_slice(buf_slice(&b), SLICE("AB_A\xcc\x88"));
	buf_deinit(&b);
}

static bool
find(struct slice message, size_t chunk, const char *what)
{
	struct arena arena;
	struct match_body m;
	struct mime_tree tree;
	struct buf folded;
	bool found = false;
	struct match_needle needle;
	struct mime *mime;

	arena_init(&arena, MIME_MEMORY);
	fold(what, &folded);
	needle = (struct match_needle){ buf_slice(&folded), &found };
	match_body_init(&m, &needle, 1);
	mime = mime_new(&arena);
	assert_non_null(mime);
	mime_watch(mime, NULL, match_body_feed, &m);
	for (; message.len > 0; message = slice_from(message, chunk))
		mime_feed(mime, slice_upto(message, chunk));
	test_true(mime_end(mime, &tree));
	match_body_end(&m);
	test_true(!m.is_broken);
	match_body_deinit(&m);
	buf_deinit(&folded);
	arena_reset(&arena);
	return found;
}

static const char encoded[] =
    "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Sch=F6ne soft=\r\nly\r\n"
    "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Reporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822; "
    "nobody@two.example\r\n"
    "--b\r\nContent-Type: message/global-delivery-status\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Final-Recipient: utf-8; n=C3=A9@two.example\r\n"
    "--b\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\n"
    "RsO8bmYgQsOkcmVu\r\n"
    "--b\r\nContent-Type: application/x\r\n\r\nhidden\r\n"
    "--b--\r\n";

static const struct {
	const char *what, *needle;
	bool found;
} bodies[] = {
	{ "quoted-printable, Latin-1", "SCH\xc3\x96NE", true },
	{ "a soft line break", "softly", true },
	{ "base 64", "f\xc3\xbcnf b\xc3\xa4ren", true },
	{ "decomposed", "Fu\xcc\x88nf", true },
	{ "not in attachments", "hidden", false },
	{ "in the fields of a report", "nobody@two.example", true },
	{ "in UTF-8, encoded", "n\xc3\xa9@two.example", true },
	{ "not over parts", "softlyf", false },
};

static void
in_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		for (size_t chunk = 1; chunk < 200; chunk += 33) {
			test_case(bodies[i].what);
			test_int(find(slice_cstr(encoded), chunk,
				     bodies[i].needle),
			    bodies[i].found);
		}
}

/* The needle lies over the seam, wherever that is. */
static void
over_seams(void **state)
{
	static char text[200000];

	(void)state;
	test_case("seam");
	for (size_t at = 32000; at < 33500; at += 7) {
		memset(text, 'a', sizeof(text));
		memcpy(text, "\r\n", 2);
		memcpy(text + at, "needle", 6);
		test_true(find(slice_of(text, sizeof(text)), 64 * 1024,
		    "NEEDLE"));
	}
	memset(text, 'a', sizeof(text));
	memcpy(text, "\r\n", 2);
	test_true(!find(slice_of(text, sizeof(text)), 65536, "needle"));
}

TEST_MAIN(cmocka_unit_test(in_addresses), cmocka_unit_test(collating),
    cmocka_unit_test(in_headers), cmocka_unit_test(in_bodies),
    cmocka_unit_test(over_seams))
