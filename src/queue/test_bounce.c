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
		.content = SLICE("From: anna@one.example\r\nSubject: hi\r\n\r\n"
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

/* RFC 3834, 3.1.5: the mail programs put it where the mail is. */
static const struct {
	const char *what;
	struct slice header;
	const char *want; /* NULL: no name that could be repeated */
} names[] = {
	{ "its name", SLICE("From: x\r\nMessage-Id: <a.b+c@one.example>\r\n"),
	    "<a.b+c@one.example>" },
	{ "on a line of its own",
	    SLICE("Message-ID:\r\n <a@[192.0.2.1]> \r\nA: b\r\n"),
	    "<a@[192.0.2.1]>" },
	{ "none", SLICE("From: x\r\n"), NULL },
	{ "none in the body", SLICE("A: b\r\n\r\nMessage-ID: <a@b>\r\n"),
	    NULL },
	{ "without its brackets", SLICE("Message-ID: a@b\r\n"), NULL },
	{ "without a domain", SLICE("Message-ID: <ab>\r\n"), NULL },
	{ "two", SLICE("Message-ID: <a@b> <c@d>\r\n"), NULL },
	{ "with a blank", SLICE("Message-ID: <a @b>\r\n"), NULL },
	{ "in the middle of a line end", SLICE("Message-ID: <a\r\n @b>\r\n"),
	    NULL },
	{ "a lone CR", SLICE("Message-ID: <a@b>\rBcc: x@y\r\n"), NULL },
	{ "8-bit", SLICE("Message-ID: <\xc3\xa9@b>\r\n"), NULL },
	{ "nothing", SLICE("Message-ID:\r\n"), NULL },
};

static void
a_report_says_what_it_answers(void **state)
{
	const struct bounce_rcpt rcpt = { .address = SLICE("bob@two.example"),
		.verdict = VERDICT(550, 5, 1, 1, "no") };

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct bounce b = example(&rcpt, 1);
		struct buf out, want;

		test_case(names[i].what);
		b.content = names[i].header;
		buf_init(&out, BOUNCE_MAX);
		buf_init(&want, 1000);
		test_int(bounce_compose(&b, &out), BUF_OK);
		check_form(buf_slice(&out));
		if (names[i].want == NULL) {
			test_true(slice_find(buf_slice(&out),
				      SLICE("\r\nIn-Reply-To:")) == SIZE_MAX);
			test_true(slice_find(buf_slice(&out),
				      SLICE("\r\nReferences:")) == SIZE_MAX);
		} else {
			(void)buf_printf(&want,
			    "\r\nIn-Reply-To: %s\r\nReferences: "
			    "%s\r\nAuto-",
			    names[i].want, names[i].want);
			test_true(slice_find(buf_slice(&out),
				      buf_slice(&want)) != SIZE_MAX);
		}
		buf_deinit(&want);
		buf_deinit(&out);
	}
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
		b.content = test_exact_copy(headers[i].header);
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
		test_free_copy(b.content);
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
	b.content = slice_of(junk, sizeof(junk));
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

/* What comes back of the mail, and how it is written. */
static const struct {
	const char *what;
	const char *sender;
	bool is_full, is_smtputf8, takes_8bit, requires_tls;
	struct slice content;
	const char *want, *want_not;
	bool is_8bit;
} thirds[] = {
	{ "all of it", "anna@one.example", true, false, false, false,
	    SLICE("A: b\r\n\r\n\x01-- text\r\n--\r\nno end"),
	    "Your message is attached.\r\n|Content-Type: message/rfc822\r\n"
	    "\r\nA: b\r\n\r\n\x01-- text\r\n--\r\nno end\r\n--=_",
	    "Transfer", false },
	{ "8-bit, and its sender is here", "anna@one.example", true, false,
	    true, false, SLICE("A: b\r\n\r\n\xff secret\r\n"),
	    "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
	    "A: b\r\n\r\n\xff secret\r\n\r\n--=_",
	    "us-ascii\r\nContent-Tr", true },
	{ "8-bit, and its sender is not here", "anna@one.example", true, false,
	    false, false, SLICE("A: b\r\n\r\n\xff secret\r\n"),
	    "The header of your|text/rfc822-headers\r\n\r\nA: b\r\n", "secret",
	    false },
	{ "a NUL", "anna@one.example", true, false, true, false,
	    SLICE("A: b\r\n\r\nx\0 secret\r\n"), "text/rfc822-headers\r\n",
	    "secret", false },
	{ "a lone CR", "anna@one.example", true, false, true, false,
	    SLICE("A: b\r\n\r\nx\ry secret\r\n"), "text/rfc822-headers\r\n",
	    "secret", false },
	{ "a lone LF at the end", "anna@one.example", true, false, true, false,
	    SLICE("A: b\r\n\r\nx secret\n"), "text/rfc822-headers\r\n",
	    "x secret", false },
	{ "it requires TLS (RFC 8689, 5)", "anna@one.example", true, false,
	    true, true, SLICE("A: b\r\n\r\nx secret\r\n"),
	    "text/rfc822-headers\r\n", "x secret", false },
	{ "not asked for", "anna@one.example", false, false, true, false,
	    SLICE("A: b\r\n\r\nx secret\r\n"), "text/rfc822-headers\r\n",
	    "x secret", false },
	{ "UTF-8, to ASCII (RFC 6533, 4.5)", "anna@one.example", true, true,
	    false, false, SLICE("A: \xc3\xa9\r\n\r\ntext\r\n"),
	    "message/global\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n\r\nA: =C3=A9\r\n\r\ntext\r\n",
	    "rfc822-headers", false },
	{ "its header", "anna@one.example", false, true, false, false,
	    SLICE("A: \xc3\xa9\r\n\r\ntext\r\n"),
	    "message/global-headers\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n\r\nA: =C3=A9\r\n",
	    "text\r\n\r\n--", false },
	{ "UTF-8, to UTF-8", "\xc3\xa9@one.example", true, true, false, false,
	    SLICE("A: \xc3\xa9\r\n\r\ntext\r\n"),
	    "To: <\xc3\xa9@one.example>\r\n|message/global\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\nA: \xc3\xa9\r\n",
	    "=C3", true },
	{ "its header here", "anna@one.example", false, true, true, false,
	    SLICE("A: \xc3\xa9\r\n\r\ntext\r\n"),
	    "message/global-headers\r\nContent-Transfer-Encoding: 8bit\r\n"
	    "\r\nA: \xc3\xa9\r\n",
	    "=C3", true },
	{ "said to be UTF-8, and it is not", "anna@one.example", false, true,
	    true, false, SLICE("A: \xff\r\n\r\n"),
	    "text/rfc822-headers\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n\r\nA: =FF\r\n",
	    "global", false },
	{ "no TLS wanted (RFC 8689, 6)", "anna@one.example", false, false,
	    false, false, SLICE("A: b\r\ntls-required:  no\r\n\r\n"),
	    "\r\nTLS-Required: No\r\nMIME", "X-", false },
	{ "only said in the body", "anna@one.example", true, false, false,
	    false, SLICE("A: b\r\n\r\nTLS-Required: No\r\n"), "A: b\r\n",
	    "TLS-Required: No\r\nMIME", false },
	{ "no TLS wanted, and REQUIRETLS", "anna@one.example", false, false,
	    false, true, SLICE("A: b\r\nTLS-Required: No\r\n\r\n"), "A: b\r\n",
	    "TLS-Required: No\r\nMIME", false },
};

static void
has_all(struct slice text, const char *wanted)
{
	struct slice rest = slice_cstr(wanted), want;

	while (rest.len > 0) {
		if (!slice_take_until(&rest, '|', &want)) {
			want = rest;
			rest.len = 0;
		}
		if (slice_find(text, want) == SIZE_MAX)
			test_slice(text, want);
	}
}

static void
what_comes_back(void **state)
{
	const struct bounce_rcpt rcpt = { .address = SLICE("b@two.example"),
		.verdict = VERDICT(550, 5, 1, 1, "no") };

	(void)state;
	for (size_t i = 0; i < sizeof(thirds) / sizeof(thirds[0]); i++) {
		struct bounce b = example(&rcpt, 1);
		struct slice text;
		struct buf out;

		test_case(thirds[i].what);
		b.sender = slice_cstr(thirds[i].sender);
		b.content = test_exact_copy(thirds[i].content);
		b.is_full = thirds[i].is_full;
		b.is_smtputf8 = thirds[i].is_smtputf8;
		b.takes_8bit = thirds[i].takes_8bit;
		b.requires_tls = thirds[i].requires_tls;
		buf_init(&out, BOUNCE_MAX);
		test_int(bounce_compose(&b, &out), BUF_OK);
		text = buf_slice(&out);
		has_all(text, thirds[i].want);
		if (strcmp(thirds[i].want_not, "X-") != 0)
			test_int(slice_find(text,
				     slice_cstr(thirds[i].want_not)),
			    SIZE_MAX);
		test_int(slice_is_ascii(text), !thirds[i].is_8bit);
		buf_deinit(&out);
		test_free_copy(b.content);
	}
}

/* RFC 6533, 4.1: as it is where it can be read, encoded where it cannot. */
static void
an_address_in_utf8(void **state)
{
	const struct bounce_rcpt rcpt = { .address =
					      SLICE("\xc3\xa9@two.example"),
		.verdict = VERDICT(550, 5, 1, 1, "no") };
	struct bounce b = example(&rcpt, 1);
	struct buf out;

	(void)state;
	buf_init(&out, BOUNCE_MAX);
	test_int(bounce_compose(&b, &out), BUF_OK);
	check_form(buf_slice(&out));
	has_all(buf_slice(&out),
	    "charset=utf-8\r\nContent-Transfer-Encoding: "
	    "quoted-printable\r\n|  <=C3=A9@two.example>\r\n|"
	    "Content-Type: message/global-delivery-status\r\n"
	    "Content-Transfer-Encoding: quoted-printable\r\n|"
	    "Final-Recipient: utf-8; =C3=A9@two.example\r\n");
	buf_reset(&out, 0);
	b.takes_8bit = true;
	test_int(bounce_compose(&b, &out), BUF_OK);
	has_all(buf_slice(&out),
	    "global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n|"
	    "Final-Recipient: utf-8; \xc3\xa9@two.example\r\n|"
	    "  <\xc3\xa9@two.example>\r\n");
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(what_comes_back),
    cmocka_unit_test(an_address_in_utf8),
    cmocka_unit_test(a_success_is_told_as_one),
    cmocka_unit_test(a_failure_is_told_to_people_and_programs),
    cmocka_unit_test(a_delay_says_until_when),
    cmocka_unit_test(a_report_says_what_it_answers),
    cmocka_unit_test(headers_by_table), cmocka_unit_test(the_largest_fits))
