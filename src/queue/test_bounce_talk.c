/* SPDX-License-Identifier: ISC */
/* What a report quotes of a dialogue, and whom it names. */
#include "base/test.h"
#include "queue/bounce_talk.h"

static const struct {
	const char *what;
	struct slice dialogue, want;
} talks[] = {
	{ "lines as they were",
	    SLICE("+0 * connecting to mx.two.example [192.0.2.1]:25\n"
		  "+3 > MAIL FROM:<anna@one.example> SIZE=10\n"
		  "+5 < 550 5.1.1 no Bob@two.example here\n"),
	    SLICE("    +0 * connecting to mx.two.example [192.0.2.1]:25\r\n"
		  "    +3 > MAIL FROM:<anna@one.example> SIZE=10\r\n"
		  "    +5 < 550 5.1.1 no Bob@two.example here\r\n\r\n") },
	{ "others are not named",
	    SLICE("+3 > RCPT TO:<carl@two.example> ORCPT=rfc822;x@y.example\n"
		  "+4 < 550 <carl@two.example>: \"carl\"@two.example\n"
		  "+4 < 550 bob@two.example. (eve@two.example!)\n"),
	    SLICE("    +3 > RCPT TO:<***> ORCPT=rfc822;***\r\n"
		  "    +4 < 550 <***>: ***\r\n"
		  "    +4 < 550 bob@two.example. (***)\r\n\r\n") },
	{ "nor what stands for them",
	    SLICE("< 550 <carl=two.example@lists.example> from=eve@x.example\n"
		  "< 550 SRS0=AAAA=BB=three.example=eve@one.example\n"
		  "< 550 eve@[192.0.2.1] \"e v e\"@[192.0.2.1] \"e\n"),
	    SLICE("    < 550 <***> ***\r\n    < 550 ***\r\n"
		  "    < 550 *** *** \"e\r\n\r\n") },
	{ "who it is about, in any form",
	    SLICE(
		"> MAIL FROM:<SRS0=AbCd=EF=ONE.example=anna@ours.example>\n"
		"> RCPT TO:<dora@[192.0.2.5]> ORCPT=rfc822;d+2Bo@two.example\n"
		"> RCPT TO:<\"emil \\\"e\"@two.example>\n"
		"> MAIL FROM:<SRS0=AbCd=EF=done.example=anna@ours.example>\n"
		"> MAIL FROM:<SRS0=AbCd=EF=one.example=hanna@ours.example>\n"),
	    SLICE("    > MAIL "
		  "FROM:<SRS0=AbCd=EF=ONE.example=anna@ours.example>\r\n"
		  "    > RCPT TO:<dora@[192.0.2.5]> "
		  "ORCPT=rfc822;d+2Bo@two.example\r\n"
		  "    > RCPT TO:<\"emil \\\"e\"@two.example>\r\n"
		  "    > MAIL FROM:<***>\r\n"
		  "    > MAIL FROM:<***>\r\n\r\n") },
	{ "controls and 8-bit", SLICE("+1 < 550 \x1b[2J caf\xc3\xa9\r\n"),
	    SLICE("    +1 < 550  [2J caf?? \r\n\r\n") },
	{ "without an end", SLICE("< 250"), SLICE("    < 250\r\n\r\n") },
};

static void
talks_by_table(void **state)
{
	const struct bounce_rcpt all[] = {
		{ .address = SLICE("bob@two.example") },
		{ .address = SLICE("dora@[192.0.2.5]"),
		    .orcpt = SLICE("rfc822;d+2Bo@two.example") },
		{ .address = SLICE("\"emil \\\"e\"@two.example") },
	};
	struct bounce b = { .sender = SLICE("anna@one.example"),
		.rcpts = all,
		.n_rcpts = sizeof(all) / sizeof(all[0]) };

	(void)state;
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		struct buf out;
		struct page p = { &out, 0 };
		struct slice got, head;

		test_case(talks[i].what);
		buf_init(&out, 10000);
		b.dialogue = test_exact_copy(talks[i].dialogue);
		bounce_talk(&p, &b);
		got = buf_slice(&out);
		test_true(slice_take_crlf_line(&got, &head));
		test_true(slice_take_crlf_line(&got, &head));
		test_slice(got, talks[i].want);
		buf_deinit(&out);
		test_free_copy(b.dialogue);
	}
}

/* He was rewritten by others before us. */
static void
a_sender_who_came_rewritten(void **state)
{
	struct bounce b = { .sender = SLICE("SRS0=HH=TT=x.example=y@f.example"),
		.dialogue = SLICE(
		    "<SRS1=KK=f.example==HH=TT=x.example=y@ours.example>\n"
		    "<SRS1=KK=f.example==LL=TT=x.example=y@ours.example>\n") };
	struct buf out;
	struct page p = { &out, 0 };

	(void)state;
	buf_init(&out, 10000);
	bounce_talk(&p, &b);
	test_true(slice_ends(buf_slice(&out),
	    SLICE("    <SRS1=KK=f.example==HH=TT=x.example=y@ours.example>\r\n"
		  "    <***>\r\n\r\n")));
	buf_deinit(&out);
}

static void
only_of_failures(void **state)
{
	struct bounce b = { .is_success = true,
		.dialogue = SLICE("< 250 ok\n") };
	struct buf out;
	struct page p = { &out, 0 };

	(void)state;
	buf_init(&out, 10000);
	bounce_talk(&p, &b);
	test_int(out.len, 0);
	b = (struct bounce){ 0 };
	bounce_talk(&p, &b);
	test_int(out.len, 0);
	buf_deinit(&out);
}

static void
a_long_one_is_cut(void **state)
{
	static char text[12000];
	struct bounce b = { .dialogue = slice_of(text, sizeof(text)) };
	struct buf out;
	struct page p = { &out, 0 };

	(void)state;
	memset(text, '\n', sizeof(text));
	buf_init(&out, 10000);
	bounce_talk(&p, &b);
	test_int(p.r, 0);
	test_true(out.len < 1000);
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(talks_by_table), cmocka_unit_test(only_of_failures),
    cmocka_unit_test(a_sender_who_came_rewritten),
    cmocka_unit_test(a_long_one_is_cut))
