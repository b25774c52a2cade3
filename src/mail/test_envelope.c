/* SPDX-License-Identifier: ISC */
/*
 * test_envelope - the ten fields, who stands in for whom, and what is cut
 */
#include "base/test.h"
#include "mail/envelope.h"

static void
takes_the_fields(void **state)
{
	struct slice header =
	    SLICE("date: Mon, 23 Nov 2026 06:30:00 +0000\r\n"
		  "Subject: a\r\n b\r\n"
		  "Subject: second\r\n"
		  "From: A <a@one.example>\r\n"
		  "To: b@two.example, c@two.example\r\n"
		  "Cc:\r\n"
		  "Message-Id: <1@one.example>\r\n"
		  "X-Other: x\r\n\r\nIn-Reply-To: <body>\r\n");
	struct envelope e;
	struct arena a;

	(void)state;
	arena_init(&a, 64 * 1024);
	test_case("fields");
	test_int(envelope_parse(header, &a, &e), ENVELOPE_OK);
	test_slice(e.date, SLICE("Mon, 23 Nov 2026 06:30:00 +0000"));
	test_slice(e.subject, SLICE("a b"));
	test_slice(e.message_id, SLICE("<1@one.example>"));
	test_true(e.in_reply_to.at == NULL);
	test_int(e.from.n, 1);
	test_int(e.to.n, 2);
	test_int(e.cc.n, 0);
	test_int(e.bcc.n, 0);
	test_int(e.sender.n, 1);
	test_slice(e.sender.at[0].local, SLICE("a"));
	test_true(e.reply_to.at == e.from.at);
	arena_reset(&a);
}

static void
keeps_a_sender_of_its_own(void **state)
{
	struct envelope e;
	struct arena a;

	(void)state;
	arena_init(&a, 64 * 1024);
	test_case("sender");
	test_int(envelope_parse(SLICE("From: a@one.example\r\nSender: "
				      "s@one.example\r\nReply-To: (none)\r\n"),
		     &a, &e),
	    ENVELOPE_OK);
	test_slice(e.sender.at[0].local, SLICE("s"));
	test_slice(e.reply_to.at[0].local, SLICE("a"));
	test_case("empty and absent subjects differ");
	test_int(envelope_parse(SLICE("Subject:\r\n"), &a, &e), ENVELOPE_OK);
	test_true(e.subject.at != NULL && e.subject.len == 0);
	test_int(envelope_parse(SLICE(""), &a, &e), ENVELOPE_OK);
	test_true(e.subject.at == NULL);
	arena_reset(&a);
}

static void
says_what_it_cut(void **state)
{
	static uint8_t wide[ENVELOPE_TEXT_MAX + 100];
	struct envelope e;
	struct arena a;

	(void)state;
	memset(wide, 'x', sizeof(wide));
	memcpy(wide, "Subject:", 8);
	arena_init(&a, 64 * 1024);
	test_case("long subject");
	test_int(envelope_parse(slice_of(wide, sizeof(wide)), &a, &e),
	    ENVELOPE_E_TRUNCATED);
	test_int(e.subject.len, ENVELOPE_TEXT_MAX);
	arena_reset(&a);
	arena_init(&a, 64);
	test_case("no memory");
	test_int(envelope_parse(SLICE("Subject: x\r\nFrom: a@b\r\n"), &a, &e),
	    ENVELOPE_E_TRUNCATED);
	arena_reset(&a);
}

TEST_MAIN(cmocka_unit_test(takes_the_fields),
    cmocka_unit_test(keeps_a_sender_of_its_own),
    cmocka_unit_test(says_what_it_cut))
