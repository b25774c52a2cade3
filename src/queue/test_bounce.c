/* SPDX-License-Identifier: ISC */
/* What a bounce says, and that nothing from outside can bend its form. */
#include "base/test.h"
#include "base/time.h"
#include "queue/bounce.h"

#define T0 (INT64_C(1795000000) * TIME_SECOND)

static struct bounce
example(const struct bounce_rcpt *rcpts, size_t n)
{
	return (struct bounce){
		.id = { { 1 } },
		.original = { { 2 } },
		.hostname = SLICE("mx.one.example"),
		.sender = SLICE("anna@one.example"),
		.now = T0,
		.arrived = T0 - TIME_HOUR,
		.expires = T0 + TIME_DAY,
		.header = SLICE("From: anna@one.example\r\nSubject: hi\r\n\r\n"
				"secret text"),
		.rcpts = rcpts,
		.n_rcpts = n,
	};
}

static void
check_form(struct slice out)
{
	struct slice rest = out, line;

	while (slice_take_crlf_line(&rest, &line)) {
		test_true(line.len <= 998);
		for (size_t i = 0; i < line.len; i++)
			test_true(ascii_is_print(line.at[i]) ||
			    line.at[i] == '\t');
	}
	test_int(rest.len, 0);
	test_true(slice_starts(out, SLICE("Return-Path: <>\r\nFrom: ")));
}

static void
a_failure_is_told_to_people_and_programs(void **state)
{
	static const char *const wanted[] = {
		"From: Mail Delivery System <MAILER-DAEMON@mx.one.example>\r\n",
		"\r\nTo: <anna@one.example>\r\n",
		"\r\nAuto-Submitted: auto-replied\r\n",
		"\r\nSubject: Your message could not be delivered\r\n",
		"multipart/report; report-type=delivery-status;",
		"  <bob@two.example>\r\n    There is no such mailbox there.",
		"The server said: 550 no bob here\r\n",
		"\r\nOriginal-Envelope-Id: QQ+1\r\n",
		"\r\nReporting-MTA: dns; mx.one.example\r\n",
		"\r\nOriginal-Recipient: rfc822; Bob+x@two.example\r\n",
		"\r\nFinal-Recipient: rfc822; bob@two.example\r\n",
		"\r\nAction: failed\r\nStatus: 5.1.1\r\n",
		"\r\nRemote-MTA: dns; mx.two.example\r\n",
		"\r\nDiagnostic-Code: smtp; 550 5.1.1 no bob here\r\n",
		"\r\nDiagnostic-Code: x-ulak; 550 5.1.2 no such domain\r\n",
		"Content-Type: text/rfc822-headers\r\n\r\nFrom: anna",
	};
	const struct bounce_rcpt rcpts[] = {
		{ SLICE("bob@two.example"), SLICE("rfc822;Bob+2Bx@two.example"),
		    SLICE("mx.two.example [192.0.2.1]:25"),
		    VERDICT(550, 5, 1, 1, "no bob here") },
		{ .address = SLICE("eve@nowhere.example"),
		    .verdict = VERDICT(550, 5, 1, 2, "no such domain") },
	};
	struct bounce b = example(rcpts, 2);
	struct buf out;

	(void)state;
	b.envid = SLICE("QQ+2B1");
	buf_init(&out, BOUNCE_MAX);
	test_int(bounce_compose(&b, &out), BUF_OK);
	check_form(buf_slice(&out));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		test_case(wanted[i]);
		test_true(slice_find(buf_slice(&out), slice_cstr(wanted[i])) !=
		    SIZE_MAX);
	}
	test_case("no body of the original");
	test_true(slice_find(buf_slice(&out), SLICE("secret")) == SIZE_MAX);
	buf_deinit(&out);
}

static void
a_delay_says_until_when(void **state)
{
	static const char *const wanted[] = {
		"\r\nSubject: Your message is late\r\n",
		"\r\nAction: delayed\r\nStatus: 4.4.1\r\n",
		"\r\nWill-Retry-Until: ",
		"The server for this address could not be reached.",
	};
	const struct bounce_rcpt rcpt = { .address = SLICE("bob@two.example"),
		.verdict = VERDICT(451, 4, 4, 1, "connection refused") };
	struct bounce b = example(&rcpt, 1);
	struct buf out;

	(void)state;
	b.is_delayed = true;
	buf_init(&out, BOUNCE_MAX);
	test_int(bounce_compose(&b, &out), BUF_OK);
	check_form(buf_slice(&out));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		test_case(wanted[i]);
		test_true(slice_find(buf_slice(&out), slice_cstr(wanted[i])) !=
		    SIZE_MAX);
	}
	buf_deinit(&out);
}

static const struct {
	const char *what;
	struct slice header, want;
} headers[] = {
	{ "8-bit is encoded", SLICE("Subject: caf\xc3\xa9=\r\n\r\n"),
	    SLICE("quoted-printable\r\n\r\nSubject: caf=C3=A9=3D\r\n\r\n") },
	{ "NUL and a lone CR", SLICE("A: \0\r.\r\n"), SLICE("A: =00=0D.\r\n") },
	{ "what looks like a boundary", SLICE("--=_x--\r\nA: b\r\n"),
	    SLICE("\r\n\r\n=2D-=3D_x--\r\nA: b\r\n") },
	{ "space at the end of a line that is encoded", SLICE("A: \xff \r\n"),
	    SLICE("A: =FF=20\r\n") },
	{ "a line cut in the middle is left out", SLICE("A: b\r\nSubject: ha"),
	    SLICE("text/rfc822-headers\r\n\r\nA: b\r\n\r\n--") },
	{ "none", SLICE(""), SLICE("text/rfc822-headers\r\n\r\n\r\n--") },
};

static void
headers_by_table(void **state)
{
	const struct bounce_rcpt rcpt = { .address =
					      SLICE("b\r\nX: y@two.example"),
		.remote = SLICE("evil\r\nBcc: x"),
		.orcpt = SLICE("rfc822;+0D+0AX:+20y"),
		.verdict = { 550, { 5, 1, 1 }, SLICE("a\r\n--=_\r\nb") } };

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		struct bounce b = example(&rcpt, 1);
		struct buf out;

		test_case(headers[i].what);
		b.header = test_exact_copy(headers[i].header);
		buf_init(&out, BOUNCE_MAX);
		test_int(bounce_compose(&b, &out), BUF_OK);
		check_form(buf_slice(&out));
		test_true(slice_find(buf_slice(&out), headers[i].want) !=
		    SIZE_MAX);
		test_true(slice_find(buf_slice(&out), SLICE("\nX: ")) ==
		    SIZE_MAX);
		test_true(slice_find(buf_slice(&out), SLICE("\nBcc")) ==
		    SIZE_MAX);
		buf_deinit(&out);
		test_free_copy(b.header);
	}
}

static void
the_largest_fits(void **state)
{
	static uint8_t junk[32768];
	static struct bounce_rcpt rcpts[BOUNCE_RCPTS];
	struct bounce b = example(rcpts, BOUNCE_RCPTS);
	struct buf out;

	(void)state;
	memset(junk, 0xff, sizeof(junk));
	junk[sizeof(junk) - 2] = '\r';
	junk[sizeof(junk) - 1] = '\n';
	for (size_t i = 0; i < BOUNCE_RCPTS; i++)
		rcpts[i] = (struct bounce_rcpt){ slice_of(junk, 320),
			slice_of(junk, 512), slice_of(junk, 320),
			{ 550, { 5, 999, 999 }, slice_of(junk, 1024) } };
	b.header = slice_of(junk, sizeof(junk));
	buf_init(&out, BOUNCE_MAX);
	test_int(bounce_compose(&b, &out), BUF_OK);
	check_form(buf_slice(&out));
	buf_deinit(&out);

	buf_init(&out, 1000);
	test_int(bounce_compose(&b, &out), BUF_E_FULL);
	buf_deinit(&out);
}

/* RFC 3461, 5.2.2 to 5.2.4: nobody is told that it failed. */
static void
a_success_is_told_as_one(void **state)
{
	static const char *const actions[] = {
		[BOUNCE_DELIVERED] =
		    "\r\nAction: delivered\r\nStatus: 2.0.0\r\n",
		[BOUNCE_RELAYED] = "\r\nAction: relayed\r\nStatus: 2.0.0\r\n",
		[BOUNCE_EXPANDED] = "\r\nAction: expanded\r\nStatus: 2.0.0\r\n",
	};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct bounce_rcpt rcpt = { .address = SLICE("bob@one.example"),
			.verdict = { 250, { 2, 0, 0 }, { 0 } },
			.action = (enum bounce_action)i };
		struct bounce b = example(&rcpt, 1);
		struct buf out;
		struct slice text;

		b.is_success = true;
		buf_init(&out, BOUNCE_MAX);
		test_int(bounce_compose(&b, &out), BUF_OK);
		text = buf_slice(&out);
		check_form(text);
		test_true(slice_find(text, slice_cstr(actions[i])) != SIZE_MAX);
		test_true(slice_find(text,
			      SLICE("Subject: Your message has arrived\r\n")) !=
		    SIZE_MAX);
		test_int(slice_find(text, SLICE("failed")), SIZE_MAX);
		test_int(slice_find(text, SLICE("could not")), SIZE_MAX);
		test_int(slice_find(text, SLICE("tried again")), SIZE_MAX);
		buf_deinit(&out);
	}
}

TEST_MAIN(cmocka_unit_test(a_success_is_told_as_one),
    cmocka_unit_test(a_failure_is_told_to_people_and_programs),
    cmocka_unit_test(a_delay_says_until_when),
    cmocka_unit_test(headers_by_table), cmocka_unit_test(the_largest_fits))
