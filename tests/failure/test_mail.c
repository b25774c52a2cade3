/* SPDX-License-Identifier: ISC */
/*
 * failure/test_mail - mail/ when memory runs out: it says so, or does less,
 * and gives everything back
 */
#include <errno.h>

#include "alloc.h"
#include "base/test.h"
#include "mail/encode.h"
#include "mail/envelope.h"
#include "mail/mime.h"
#include "mail/preview.h"
#include "mail/received.h"
#include "mail/subject.h"
#include "mail/summary.h"

static const struct slice message =
    SLICE("Received: x\r\n"
	  "Date: Mon, 23 Nov 2026 08:30:00 +0200\r\n"
	  "Subject: Re: [list] =?utf-8?q?=C3=84pfel?= =?iso-8859-1?q?=E4?=\r\n"
	  "From: \"A B\" <A@One.example> (comment)\r\n"
	  "To: group: B@two.example, \"c\" <c@two.example>;\r\n"
	  "Cc: <@a.example:d@two.example>\r\n"
	  "Message-ID: <3@one.example>\r\n"
	  "References: <1@one.example>\r\n\t<2@one.example>\r\n"
	  "Content-Language: de, en\r\n"
	  "Content-Type: multipart/mixed; boundary=\"b b\"\r\n"
	  "\r\n"
	  "--b b\r\nContent-Type: text/html; charset=\"utf-8\"\r\n"
	  "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
	  "<p>Hello =C3=A4\r\n"
	  "--b b\r\nContent-Type: message/rfc822\r\n\r\n"
	  "Subject: inner\r\nContent-ID: <1>\r\n\r\nx\r\n"
	  "--b b\r\nContent-Type: image/png; name=x\r\n"
	  "Content-Disposition: attachment; filename=\"x\"\r\n\r\nx\r\n"
	  "--b b--\r\n");

static bool
run_summary(void *ctx)
{
	struct summary_columns columns;
	struct buf blob;
	int r;

	(void)ctx;
	buf_init(&blob, LIMIT_SUMMARY);
	r = ALLOC_IN(summary_make(message, &blob));
	test_true(r == 0 || (r == -ENOMEM && alloc_has_failed()));
	/* What came out is a summary; nothing else may come out. */
	if (r == 0)
		test_true(summary_columns_read(buf_slice(&blob), &columns));
	else
		test_int(blob.len, 0);
	ALLOC_IN_VOID(buf_deinit(&blob));
	return r == 0;
}

static bool
run_summary_read(void *ctx)
{
	struct buf *blob = ctx;
	struct mime_tree tree;
	struct envelope e;
	struct arena a;
	bool ok;

	arena_init(&a, SUMMARY_ARENA);
	ok = ALLOC_IN(summary_envelope(buf_slice(blob), &a, &e));
	ok &= ALLOC_IN(summary_tree(buf_slice(blob), message.len, &a, &tree));
	ALLOC_IN_VOID(arena_reset(&a));
	return ok;
}

static bool
run_mime(void *ctx)
{
	struct mime_tree tree = { 0 };
	struct arena a;
	bool ok;

	(void)ctx;
	arena_init(&a, MIME_MEMORY);
	ok = ALLOC_IN(mime_parse(message, &a, &tree));
	if (ok) {
		test_int(tree.size, message.len);
		test_true(tree.n >= 1 && tree.parts[0].envelope != NULL);
		test_true(!alloc_has_failed() || tree.truncated);
		ok = !tree.truncated;
	}
	ALLOC_IN_VOID(arena_reset(&a));
	return ok;
}

static bool
run_envelope(void *ctx)
{
	struct envelope e;
	struct arena a;
	int r;

	(void)ctx;
	arena_init(&a, 256 * 1024);
	r = ALLOC_IN(envelope_parse(message, &a, &e));
	test_true(r == ENVELOPE_OK || r == ENVELOPE_E_TRUNCATED);
	test_int(r == ENVELOPE_OK, !alloc_has_failed());
	ALLOC_IN_VOID(arena_reset(&a));
	return r == ENVELOPE_OK;
}

static bool
run_texts(void *ctx)
{
	struct buf out;
	bool is_reply;
	int r, e;

	(void)ctx;
	buf_init(&out, 4096);
	r = ALLOC_IN(encoded_words_decode(
	    SLICE("a =?utf-8?q?=C3=84pfel?= =?koi8-r?b?wQ==?= b"), &out));
	ALLOC_IN_VOID(buf_reset(&out, 0));
	e = ALLOC_IN(subject_base(SLICE("Re: =?utf-8?q?=C3=84?="), &out,
	    &is_reply));
	ALLOC_IN_VOID(buf_reset(&out, 0));
	test_true(r == BUF_OK || r == -ENOMEM);
	test_true(e == BUF_OK || e == -ENOMEM);
	r = r == BUF_OK ? e : r;
	e = ALLOC_IN(html_text(SLICE("<p>a&amp;b"), &out));
	test_true(e == BUF_OK || e == -ENOMEM);
	ALLOC_IN_VOID(buf_deinit(&out));
	return r == BUF_OK && e == BUF_OK;
}

static bool
run_received(void *ctx)
{
	struct received r = { .helo = SLICE("a.example"),
		.client = SLICE("192.0.2.1"),
		.by = SLICE("b.example"),
		.protocol = SLICE("ESMTPS"),
		.tls = SLICE("TLSv1.3"),
		.id = SLICE("1"),
		.rcpt = SLICE("c@d.example") };
	struct buf out;
	int e;

	(void)ctx;
	buf_init(&out, RECEIVED_MAX);
	e = ALLOC_IN(received_print(&r, &out));
	test_true(e == BUF_OK || (e == -ENOMEM && out.len == 0));
	ALLOC_IN_VOID(buf_deinit(&out));
	return e == BUF_OK;
}

static void
each_allocation_of_mail(void **state)
{
	struct buf blob;

	(void)state;
	buf_init(&blob, LIMIT_SUMMARY);
	test_int(summary_make(message, &blob), 0);
	test_true(alloc_each("summary", run_summary, NULL) > 10);
	test_true(alloc_each("summary_read", run_summary_read, &blob) > 1);
	test_true(alloc_each("mime", run_mime, NULL) > 1);
	test_true(alloc_each("envelope", run_envelope, NULL) > 0);
	test_true(alloc_each("texts", run_texts, NULL) > 5);
	test_true(alloc_each("received", run_received, NULL) > 1);
	buf_deinit(&blob);
}

TEST_MAIN(cmocka_unit_test(each_allocation_of_mail))
