/* SPDX-License-Identifier: ISC */
/* The fields for programs, recipient by recipient. */
#include "base/test.h"
#include "base/time.h"
#include "queue/bounce_fields.h"

#define T0 (INT64_C(1795000000) * TIME_SECOND)

static const struct {
	const char *what;
	struct bounce_rcpt rcpt;
	const char *want, *want_not;
} rcpts[] = {
	{ "xtext is decoded (RFC 3461, 6.3)",
	    { .orcpt = SLICE("rfc822;Bob+2Bx+zz@two.example") },
	    "Original-Recipient: rfc822; Bob+x+zz@two.example\r\n", "utf-8" },
	{ "so is UTF-8 (RFC 6533, 3)",
	    { .orcpt = SLICE("utf-8;\\x{E9}\\x{20AC}\\x{1F600}@x") },
	    "Original-Recipient: utf-8; \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80@x"
	    "\r\n",
	    "x{" },
	{ "UTF-8 as it is", { .orcpt = SLICE("UTF-8;\xc3\xa9@x") },
	    "Original-Recipient: UTF-8; \xc3\xa9@x\r\n", "x{" },
	{ "a surrogate stays as it came",
	    { .orcpt = SLICE("utf-8;\\x{D800}@x") },
	    "Original-Recipient: utf-8; \\x{D800}@x\r\n", "\xed" },
	{ "no form of it stays as it came",
	    { .orcpt = SLICE("utf-8;\\x{e9}\\x{}\\x{1}\\x{E9@x") },
	    "Original-Recipient: utf-8; \\x{e9}\\x{}\\x{1}\\x{E9@x\r\n",
	    "\xc3" },
	{ "a line end in it", { .orcpt = SLICE("utf-8;\\x{0D}\\x{0A}X:@x") },
	    "Original-Recipient: utf-8; X:@x\r\n", "\nX:" },
	{ "none was given", { .orcpt = SLICE("") }, "Action: failed\r\n",
	    "Original-R" },
	{ "no type", { .orcpt = SLICE(";a@x") }, "Action: failed\r\n",
	    "Original-R" },
	{ "nothing more to say", { .verdict = { 250, { 2, 0, 0 }, { 0 } } },
	    "Status: 2.0.0\r\n", "Diagnostic" },
	{ "it was never tried",
	    { .verdict = { 451, { 4, 4, 7 }, SLICE("too late") } },
	    "Status: 4.4.7\r\nDiagnostic-Code: x-ulak; 451 4.4.7 too late\r\n",
	    "Last-Attempt-Date" },
	{ "when it was tried last (RFC 3464, 2.3.7)", { .last_at = T0 },
	    "Last-Attempt-Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n",
	    "1970 11" },
	{ "our words about a host (RFC 3464, 2.3.6)",
	    { .remote = SLICE("mx.x.example [192.0.2.1]:25"),
		.is_ours = true,
		.verdict = { 451, { 4, 4, 2 }, SLICE("no reply in time") } },
	    "Remote-MTA: dns; mx.x.example\r\nDiagnostic-Code: x-ulak; 451 "
	    "4.4.2 no reply in time\r\n",
	    "smtp;" },
	{ "late is a status of ours, and not among its words (RFC 2852, 5)",
	    { .remote = SLICE("mx.x.example [192.0.2.1]:25"),
		.is_late = true,
		.verdict = { 451, { 4, 3, 0 }, SLICE("not now") } },
	    "Status: 4.4.7\r\nRemote-MTA: dns; mx.x.example\r\n"
	    "Diagnostic-Code: smtp; 451 4.3.0 not now\r\n",
	    "451 4.4.7" },
	{ "without a code of its own none is among its words",
	    { .remote = SLICE("mx.x.example [192.0.2.1]:25"),
		.is_late = true,
		.verdict = { 451, { 4, 0, 0 }, SLICE("not now") } },
	    "Status: 4.4.7\r\nRemote-MTA: dns; mx.x.example\r\n"
	    "Diagnostic-Code: smtp; 451 not now\r\n",
	    "451 4" },
	{ "what a host said with 5yz is only late, and quoted as it was",
	    { .remote = SLICE("mx.x.example [192.0.2.1]:25"),
		.verdict = { 554, { 4, 3, 2 }, SLICE("closed") } },
	    "Status: 4.3.2\r\nRemote-MTA: dns; mx.x.example\r\n"
	    "Diagnostic-Code: smtp; 554 5.3.2 closed\r\n",
	    "554 4" },
	{ "our name for it (RFC 3464, 2.3.8)", { .last_at = T0 },
	    "+0000\r\nFinal-Log-ID: ", "Will-Retry" },
	{ "what kind of trouble it is",
	    { .verdict = { 550, { 5, 7, 1 }, SLICE("user unknown") } },
	    "X-Ulak-Class: unknown-user\r\n", "policy" },
	{ "no enhanced code that it did not say (RFC 3464, 2.3.6)",
	    { .remote = SLICE("mx.x.example [192.0.2.1]:25"),
		.verdict = { 550, { 5, 0, 0 }, SLICE("4.2.2 full") } },
	    "Status: 5.0.0\r\nRemote-MTA: dns; mx.x.example\r\n"
	    "Diagnostic-Code: smtp; 550 4.2.2 full\r\n",
	    "550 5.0.0" },
	{ "who said so",
	    { .remote = SLICE("mx.x.example [192.0.2.1]:25"),
		.verdict = { 550, { 5, 1, 1 }, SLICE("no\r\nX: y") } },
	    "Remote-MTA: dns; mx.x.example\r\nDiagnostic-Code: smtp; 550 5.1.1 "
	    "no X: y\r\n",
	    "\nX:" },
};

static void
recipients_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rcpts) / sizeof(rcpts[0]); i++) {
		struct bounce_rcpt rcpt = rcpts[i].rcpt;
		struct bounce b = { .hostname = SLICE("mx.one.example"),
			.rcpts = &rcpt,
			.n_rcpts = 1 };
		struct buf out;
		struct page p = { &out, 0 };

		test_case(rcpts[i].what);
		rcpt.address = SLICE("r@x.example");
		buf_init(&out, 10000);
		bounce_fields(&p, &b);
		test_int(p.r, BUF_OK);
		if (slice_find(buf_slice(&out), slice_cstr(rcpts[i].want)) ==
		    SIZE_MAX)
			test_slice(buf_slice(&out), slice_cstr(rcpts[i].want));
		test_int(slice_find(buf_slice(&out),
			     slice_cstr(rcpts[i].want_not)),
		    SIZE_MAX);
		buf_deinit(&out);
	}
}

/* In the order of RFC 3464, 2.2, with RFC 2852, 5. */
static void
the_message_has_its_fields(void **state)
{
	const struct bounce_rcpt rcpt = { .address = SLICE("r@x.example"),
		.verdict = VERDICT(554, 5, 4, 7, "late") };
	struct bounce b = { .original = { { 2 } },
		.hostname = SLICE("mx.one.example"),
		.arrived = T0,
		.deliver_by = T0 + TIME_HOUR,
		.now = T0,
		.envid = SLICE("a+2Bb"),
		.rcpts = &rcpt,
		.n_rcpts = 1 };
	struct buf out;
	struct page p = { &out, 0 };

	(void)state;
	buf_init(&out, 10000);
	bounce_fields(&p, &b);
	test_slice(slice_upto(buf_slice(&out),
		       slice_find(buf_slice(&out), SLICE("X-Ulak"))),
	    SLICE("Original-Envelope-Id: a+b\r\n"
		  "Reporting-MTA: dns; mx.one.example\r\n"
		  "Arrival-Date: Wed, 18 Nov 2026 11:06:40 +0000\r\n"
		  "Deliver-By-Date: Wed, 18 Nov 2026 12:06:40 +0000\r\n"));
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(recipients_by_table),
    cmocka_unit_test(the_message_has_its_fields))
