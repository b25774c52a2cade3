/* SPDX-License-Identifier: ISC */
/*
 * test_inject - what sendmail(1) may change of a message, and nothing else
 */
#include "base/test.h"
#include "mail/inject.h"

enum {
	CAP = 64 * 1024,
	RCPTS = 4
};

#define FROM "From: <me@here.example>\r\n"
#define DATE "Date: now\r\n"
#define MID "Message-ID: <1@here.example>\r\n"

static const struct row {
	const char *what;
	struct slice text;
	bool dot_ends, takes_rcpts;
	int r;
	struct slice want;            /* header and body */
	const char *rcpts[RCPTS + 1]; /* in order */
} rows[] = {
	{ "line feeds become CRLF, fields are added behind",
	    SLICE("Subject: x\n\nhello\nyou\n"), false, false, INJECT_OK,
	    SLICE("Subject: x\r\n" FROM DATE MID "\r\nhello\r\nyou\r\n"),
	    { NULL } },
	{ "fields that are there stay, in any case",
	    SLICE("FROM: a\ndate: b\nmessage-id: c\n\n"), false, false,
	    INJECT_OK, SLICE("FROM: a\r\ndate: b\r\nmessage-id: c\r\n\r\n"),
	    { NULL } },
	{ "a text without a header is a body", SLICE("hello\n"), false, false,
	    INJECT_OK, SLICE(FROM DATE MID "\r\nhello\r\n"), { NULL } },
	{ "a line with blanks before its colon is no field",
	    SLICE("note to me: x\n"), false, false, INJECT_OK,
	    SLICE(FROM DATE MID "\r\nnote to me: x\r\n"), { NULL } },
	{ "nothing at all", SLICE(""), false, false, INJECT_OK,
	    SLICE(FROM DATE MID "\r\n"), { NULL } },
	{ "a header that only ends", SLICE("Subject: x"), false, false,
	    INJECT_OK, SLICE("Subject: x\r\n" FROM DATE MID "\r\n"), { NULL } },
	{ "mbox line goes, its like in the body stays",
	    SLICE("From me Mon Nov 23\nSubject: x\n\nFrom here\n"), false,
	    false, INJECT_OK,
	    SLICE("Subject: x\r\n" FROM DATE MID "\r\nFrom here\r\n"),
	    { NULL } },
	{ "a dot ends", SLICE("Subject: x\n\na\n.\nb\n"), true, false,
	    INJECT_OK, SLICE("Subject: x\r\n" FROM DATE MID "\r\na\r\n"),
	    { NULL } },
	{ "a dot does not end with -i", SLICE("Subject: x\n\n.\nb\n"), false,
	    false, INJECT_OK,
	    SLICE("Subject: x\r\n" FROM DATE MID "\r\n.\r\nb\r\n"), { NULL } },
	{ "two dots never end", SLICE("\n..\n"), true, false, INJECT_OK,
	    SLICE(FROM DATE MID "\r\n..\r\n"), { NULL } },
	{ "CR alone and CRLF end lines", SLICE("A: b\r\rc\r\nd"), false, false,
	    INJECT_OK, SLICE("A: b\r\n" FROM DATE MID "\r\nc\r\nd\r\n"),
	    { NULL } },
	{ "Bcc and Return-Path go, also without -t",
	    SLICE("Bcc: x@a.example,\n y@a.example\nReturn-Path: <z>\nA: b\n"),
	    false, false, INJECT_OK, SLICE("A: b\r\n" FROM DATE MID "\r\n"),
	    { NULL } },
	{ "-t: To, Cc, Bcc",
	    SLICE("To: A <a@x.example>\nCc: b@x.example (c)\n"
		  "bcc: \"c d\"@x.example\n\n"),
	    false, true, INJECT_OK,
	    SLICE("To: A <a@x.example>\r\nCc: b@x.example (c)\r\n" FROM DATE MID
		  "\r\n"),
	    { "a@x.example", "b@x.example", "\"c d\"@x.example" } },
	{ "-t: groups, folding, each once",
	    SLICE("To: g: a@x.example,\n\t\"q\" <b@x.example>;, a@x.example\n"),
	    false, true, INJECT_OK,
	    SLICE("To: g: a@x.example,\r\n\t\"q\" <b@x.example>;, "
		  "a@x.example\r\n" FROM DATE MID "\r\n"),
	    { "a@x.example", "b@x.example" } },
	{ "-t: names of this machine get the domain", SLICE("To: root\n"),
	    false, true, INJECT_OK, SLICE("To: root\r\n" FROM DATE MID "\r\n"),
	    { "root@here.example" } },
	{ "resent: what is there stays as it is",
	    SLICE("Resent-From: b@x.example\nresent-date: now\n"
		  "Resent-Message-Id: <1@x>\nFrom: a\nDate: d\n"
		  "Message-ID: m\n\n"),
	    false, false, INJECT_OK,
	    SLICE("Resent-From: b@x.example\r\nresent-date: now\r\n"
		  "Resent-Message-Id: <1@x>\r\nFrom: a\r\nDate: d\r\n"
		  "Message-ID: m\r\n\r\n"),
	    { NULL } },
	{ "-t: Resent- fields alone count when there are any",
	    SLICE("To: a@x.example\nResent-To: b@x.example\n"
		  "Resent-Bcc: c@x.example\n"),
	    false, true, INJECT_OK,
	    SLICE("Resent-" DATE "Resent-" FROM "Resent-" MID
		  "To: a@x.example\r\nResent-To: b@x.example\r\n" FROM DATE MID
		  "\r\n"),
	    { "b@x.example", "c@x.example" } },
	{ "-t: a To in the body is none", SLICE("A: b\n\nTo: a@x.example\n"),
	    false, true, INJECT_OK,
	    SLICE("A: b\r\n" FROM DATE MID "\r\nTo: a@x.example\r\n"),
	    { NULL } },
	{ "-t: more than it takes is refused, not cut",
	    SLICE("To: a@x, b@x, c@x, d@x, e@x\n"), false, true, INJECT_E_RCPTS,
	    SLICE(""), { NULL } },
	{ "UTF-8 stays", SLICE("Subject: \xc3\xa4\n\n\xff\0x\n"), false, false,
	    INJECT_OK,
	    SLICE("Subject: \xc3\xa4\r\n" FROM DATE MID "\r\n\xff\0x\r\n"),
	    { NULL } },
};

static void
check_row(const struct row *row)
{
	const struct inject_options o = { .dot_ends = row->dot_ends,
		.takes_rcpts = row->takes_rcpts,
		.domain = SLICE("here.example"),
		.from = SLICE(FROM),
		.date = SLICE(DATE),
		.message_id = SLICE(MID) };
	struct slice in = test_exact_copy(row->text), at[RCPTS];
	struct inject_rcpts rcpts = { at, 0, RCPTS, false };
	struct inject j;
	struct arena a;
	size_t n = 0;

	test_case(row->what);
	inject_init(&j, CAP);
	arena_init(&a, CAP);
	test_int(inject_message(&j, in, &o, &a, &rcpts), row->r);
	if (row->r == INJECT_OK) {
		test_int(buf_add(&j.header, j.body), 0);
		test_slice(buf_slice(&j.header), row->want);
		while (row->rcpts[n] != NULL && n < rcpts.n) {
			test_slice(rcpts.at[n], slice_cstr(row->rcpts[n]));
			n++;
		}
		test_int(rcpts.n, n);
		test_true(row->rcpts[n] == NULL);
	}
	inject_deinit(&j);
	arena_reset(&a);
	test_free_copy(in);
}

static void
makes_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		check_row(&rows[i]);
}

static void
says_when_it_is_too_large(void **state)
{
	const struct inject_options o = { .from = SLICE(FROM) };
	struct inject_rcpts rcpts = { 0 };
	struct inject j;
	struct arena a;

	(void)state;
	test_case("lines");
	arena_init(&a, CAP);
	inject_init(&j, 8);
	test_int(inject_message(&j, SLICE("0123456\n"), &o, &a, &rcpts),
	    INJECT_E_FULL);
	inject_deinit(&j);
	test_case("header");
	inject_init(&j, 12);
	test_int(inject_message(&j, SLICE("A: b\n"), &o, &a, &rcpts),
	    INJECT_E_FULL);
	inject_deinit(&j);
	arena_reset(&a);
}

static void
prints_from(void **state)
{
	static const struct {
		const char *what;
		struct slice name, want;
	} cases[] = {
		{ "no name", SLICE(""), SLICE("From: <a@b.example>\r\n") },
		{ "a phrase", SLICE(" Cron Daemon "),
		    SLICE("From: Cron Daemon <a@b.example>\r\n") },
		{ "to be quoted", SLICE("A. \"B\" C"),
		    SLICE("From: \"A. \\\"B\\\" C\" <a@b.example>\r\n") },
		{ "to be encoded", SLICE("J\xc3\xb6rg"),
		    SLICE("From: =?utf-8?B?SsO2cmc=?= <a@b.example>\r\n") },
		{ "no UTF-8: left out", SLICE("J\xf6rg"),
		    SLICE("From:  <a@b.example>\r\n") },
		{ "a line end cannot get out", SLICE("a\r\nBcc: x"),
		    SLICE("From: =?utf-8?B?YQ0KQmNjOiB4?= <a@b.example>\r\n") },
		{ "long: no character is cut",
		    SLICE("\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
			  "\xc3\xa4\xc3\xa4"
			  "a\xc3\xa4"),
		    SLICE("From: "
			  "=?utf-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDp"
			  "MOkw6TDpMOkw6TDpGE=?=\r\n =?utf-8?B?w6Q=?= "
			  "<a@b.example>\r\n") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		test_case(cases[i].what);
		buf_init(&b, CAP);
		test_int(inject_from_print(cases[i].name, SLICE("a@b.example"),
			     &b),
		    BUF_OK);
		test_slice(buf_slice(&b), cases[i].want);
		buf_deinit(&b);
	}
}

static void
prints_addresses(void **state)
{
	static const struct {
		struct slice local, want;
	} cases[] = {
		{ SLICE("a.b"), SLICE("a.b@x.example") },
		{ SLICE(".a"), SLICE("\".a\"@x.example") },
		{ SLICE("a..b"), SLICE("\"a..b\"@x.example") },
		{ SLICE("a b"), SLICE("\"a b\"@x.example") },
		{ SLICE("a\"\\"), SLICE("\"a\\\"\\\\\"@x.example") },
		{ SLICE("\xc3\xa4"), SLICE("\xc3\xa4@x.example") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		test_case((const char *)cases[i].want.at);
		buf_init(&b, CAP);
		test_int(inject_address_print(cases[i].local,
			     SLICE("x.example"), &b),
		    BUF_OK);
		test_slice(buf_slice(&b), cases[i].want);
		buf_deinit(&b);
	}
}

TEST_MAIN(cmocka_unit_test(makes_messages),
    cmocka_unit_test(says_when_it_is_too_large), cmocka_unit_test(prints_from),
    cmocka_unit_test(prints_addresses))
