/* SPDX-License-Identifier: ISC */
/*
 * test_preview - which part is shown, and how much of it
 */
#include "base/test.h"
#include "mail/preview.h"

static void
on_body(void *ctx, const struct mime_part *part, struct slice bytes)
{
	preview_feed(ctx, part, bytes);
}

static void
check(struct slice message, size_t step, struct slice want)
{
	struct mime_tree tree;
	struct preview p;
	struct arena a;
	struct mime *m;
	struct buf out;

	arena_init(&a, MIME_MEMORY);
	buf_init(&out, 256);
	preview_init(&p);
	m = mime_new(&a);
	test_true(m != NULL);
	mime_watch(m, NULL, on_body, &p);
	for (; message.len > 0; message = slice_from(message, step))
		mime_feed(m, slice_upto(message, step));
	(void)mime_end(m, &tree);
	test_int(preview_end(&p, 24, &out), BUF_OK);
	test_slice(buf_slice(&out), want);
	preview_deinit(&p);
	buf_deinit(&out);
	arena_reset(&a);
}

static void
shows_the_first_text(void **state)
{
	static const struct {
		struct slice message, want;
	} rows[] = {
		{ SLICE("A: b\r\n\r\n  Hello,\r\n\tyou \0 there\r\n"),
		    SLICE("Hello, you there") },
		{ SLICE("A: b\r\n\r\n0123456789012345678901\xc3\xa4\xc3\xa4"),
		    SLICE("0123456789012345678901") },
		{ SLICE("Content-Type: text/plain; charset=utf-8\r\n\r\n"
			"0123456789012345678901\xc3\xa4\xc3\xa4"),
		    SLICE("0123456789012345678901\xc3\xa4") },
		{ SLICE("Content-Type: text/plain; charset=utf-8\r\n\r\n"
			"01234567890123456789012\xc3\xa4\xc3\xa4"),
		    SLICE("01234567890123456789012") },
		{ SLICE("Content-Type: text/plain; charset=iso-8859-1\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
			"=E4=\r\nb"),
		    SLICE("\xc3\xa4"
			  "b") },
		{ SLICE("Content-Type: text/plain; charset=iso-8859-1\r\n"
			"Content-Transfer-Encoding: base64\r\n\r\n5A\r\n"),
		    SLICE("\xc3\xa4") },
		{ SLICE("Content-Type: text/html\r\n\r\n<html><head><title>T"
			"</title><style>x{}</style></head><body>a<!-- > -->"
			"&amp;<b>b</b></body>"),
		    SLICE("a & b") },
		{ SLICE("Content-Type: multipart/alternative; boundary=b\n\n"
			"--b\nContent-Type: text/html\n\n<p>html\n"
			"--b\n\nplain\n--b\n\nother\n--b--\n"),
		    SLICE("plain") },
		{ SLICE("Content-Type: multipart/mixed; boundary=b\n\n"
			"--b\nContent-Disposition: attachment\n\nno\n"
			"--b\n\nyes\n--b--\n"),
		    SLICE("yes") },
		{ SLICE("Content-Type: image/png\n\nno"), SLICE("") },
		{ SLICE("Content-Type: text/plain; charset=x-nobody\n\nno"),
		    SLICE("") },
		{ SLICE(""), SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case((const char *)rows[i].message.at);
		check(rows[i].message, 1, rows[i].want);
		check(rows[i].message, 10000, rows[i].want);
	}
}

static void
keeps_little_of_much(void **state)
{
	struct mime_part part = { .kind = MIME_TEXT,
		.subtype = SLICE("html"),
		.encoding = SLICE("7bit") };
	struct preview p;
	struct buf out;

	(void)state;
	test_case("much");
	preview_init(&p);
	buf_init(&out, 256);
	for (int i = 0; i < 100000; i++)
		preview_feed(&p, &part, SLICE("<a href='x'>"));
	test_true(p.text.size <= p.text.cap);
	test_int(preview_end(&p, 256, &out), BUF_OK);
	test_int(out.len, 0);
	preview_deinit(&p);
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(shows_the_first_text),
    cmocka_unit_test(keeps_little_of_much))
