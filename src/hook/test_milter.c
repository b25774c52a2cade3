/* SPDX-License-Identifier: ISC */
/* What we say to a milter, octet by octet, and what we take from one. */
#include "base/test.h"
#include "hook/milter.h"

static void
open_with(struct milter *m, struct slice options)
{
	struct milter_effect e;
	struct buf out;

	milter_init(m);
	buf_init(&out, 1024);
	test_int(milter_say_open(m, &out), MILTER_WAIT);
	test_slice(buf_slice(&out),
	    SLICE("\0\0\0\15O\0\0\0\6\0\0\1\377\0\37\367\377"));
	test_int(milter_step(m, options, &e), options.len);
	test_int(e.todo, MILTER_READY);
	buf_deinit(&out);
}

#define PLAIN SLICE("\0\0\0\15O\0\0\0\6\0\0\1\377\0\0\4\0")
#define MUTE SLICE("\0\0\0\15O\0\0\0\6\0\0\0\0\0\17\360\200")

static void
negotiation(void **state)
{
	static const struct {
		const char *what;
		struct slice in;
		size_t eaten;
		uint8_t todo;
	} rows[] = {
		{ "nothing yet", SLICE(""), 0, MILTER_MORE },
		{ "half of the length", SLICE("\0\0"), 0, MILTER_MORE },
		{ "half of the packet", SLICE("\0\0\0\15O\0\0"), 0,
		    MILTER_MORE },
		{ "plain", SLICE("\0\0\0\15O\0\0\0\2\0\0\0\1\0\0\0\0"), 17,
		    MILTER_READY },
		{ "more follows", SLICE("\0\0\0\15O\0\0\0\6\0\0\0\1\0\0\0\0\0"),
		    17, MILTER_READY },
		{ "too short", SLICE("\0\0\0\11O\0\0\0\6\0\0\0\1"), 0,
		    MILTER_BAD },
		{ "length 0", SLICE("\0\0\0\0"), 0, MILTER_BAD },
		{ "length beyond all bounds", SLICE("\377\0\0\0"), 0,
		    MILTER_BAD },
		{ "version 1", SLICE("\0\0\0\15O\0\0\0\1\0\0\0\1\0\0\0\0"), 0,
		    MILTER_BAD },
		{ "version 7", SLICE("\0\0\0\15O\0\0\0\7\0\0\0\1\0\0\0\0"), 0,
		    MILTER_BAD },
		{ "an action that nobody offered",
		    SLICE("\0\0\0\15O\0\0\0\6\0\0\2\0\0\0\0\0"), 0,
		    MILTER_BAD },
		{ "a step that nobody offered",
		    SLICE("\0\0\0\15O\0\0\0\6\0\0\0\0\20\0\0\0"), 0,
		    MILTER_BAD },
		{ "symbols without the action",
		    SLICE("\0\0\0\23O\0\0\0\6\0\0\0\1\0\0\0\0\0\0\0\0j\0"), 0,
		    MILTER_BAD },
		{ "symbols without end",
		    SLICE("\0\0\0\22O\0\0\0\6\0\0\1\0\0\0\0\0\0\0\0\0j"), 0,
		    MILTER_BAD },
		{ "a verdict before it", SLICE("\0\0\0\1c"), 0, MILTER_BAD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct milter_effect e;
		struct milter m;
		struct buf out;

		test_case(rows[i].what);
		milter_init(&m);
		buf_init(&out, 1024);
		(void)milter_say_open(&m, &out);
		test_int(milter_step(&m, in, &e), rows[i].eaten);
		test_int(e.todo, rows[i].todo);
		if (e.todo == MILTER_BAD) {
			test_true(e.why != NULL);
			(void)milter_step(&m, in, &e);
			test_int(e.todo, MILTER_BAD); /* and it stays so */
		}
		buf_deinit(&out);
		test_free_copy(in);
	}
}

static void
commands(void **state)
{
	const struct milter_macro rows[] = {
		{ "j", SLICE("mx.one.example") },
		{ "{client_addr}", SLICE("192.0.2.1") },
		{ "i", SLICE("") },
		{ "{rcpt_addr}", SLICE("u@one.example") },
		{ "{auth_type}", SLICE("a\0b") },
	};
	const struct milter_macros macros = { rows, 5 };
	struct milter m;
	struct milter_effect e;
	struct buf out;

	(void)state;
	open_with(&m, PLAIN);
	buf_init(&out, LIMIT_MILTER_PACKET);
	test_case("connect");
	test_int(milter_say_connect(&m, &macros, SLICE("a.example"), 4, 258,
		     SLICE("192.0.2.1"), &out),
	    MILTER_WAIT);
	test_slice(buf_slice(&out),
	    SLICE("\0\0\0\53DCj\0mx.one.example\0{client_addr}\000192.0.2.1\0"
		  "\0\0\0\30Ca.example\0004\1\002192.0.2.1\0"));
	test_int(milter_step(&m, SLICE("\0\0\0\1c"), &e), 5);
	test_int(e.verdict, MILTER_CONTINUE);
	buf_reset(&out, 0);
	test_case("connect of unknown family");
	(void)milter_say_connect(&m, NULL, SLICE("x"), 0, 0, SLICE(""), &out);
	test_slice(buf_slice(&out), SLICE("\0\0\0\4Cx\0U"));
	(void)milter_step(&m, SLICE("\0\0\0\1c"), &e);
	buf_reset(&out, 0);
	test_case("MAIL with parameters; a value with NUL is left out");
	test_int(milter_say_mail(&m, &macros, SLICE("s@x.example"),
		     SLICE("SIZE=9 BODY=8BITMIME"), &out),
	    MILTER_WAIT);
	test_slice(buf_slice(&out),
	    SLICE("\0\0\0\2DM\0\0\0\44M<s@x.example>\0SIZE=9\0BODY=8BITMIME"
		  "\0"));
	(void)milter_step(&m, SLICE("\0\0\0\1c"), &e);
	buf_reset(&out, 0);
	test_case("RCPT");
	(void)milter_say_rcpt(&m, &macros, SLICE("u@one.example"), SLICE(""),
	    &out);
	test_slice(buf_slice(&out),
	    SLICE("\0\0\0\34DR{rcpt_addr}\0u@one.example\0"
		  "\0\0\0\21R<u@one.example>\0"));
	(void)milter_step(&m, SLICE("\0\0\0\1c"), &e);
	buf_reset(&out, 0);
	test_case("header: folds with LF, the blank behind the colon goes");
	(void)milter_say_header(&m, SLICE("Subject"), SLICE(" a\r\n b"), &out);
	test_slice(buf_slice(&out), SLICE("\0\0\0\16LSubject\0a\n b\0"));
	(void)milter_step(&m, SLICE("\0\0\0\1c"), &e);
	buf_reset(&out, 0);
	test_case("body, skipped by the filter");
	(void)milter_say_body(&m, SLICE("x\r\n"), &out);
	test_slice(buf_slice(&out), SLICE("\0\0\0\4Bx\r\n"));
	test_int(milter_step(&m, SLICE("\0\0\0\1s"), &e), 5);
	test_int(e.verdict, MILTER_SKIP);
	buf_reset(&out, 0);
	test_case("abort, quit");
	test_int(milter_say_abort(&m, &out), MILTER_GO);
	test_int(milter_say_quit(&m, &out), MILTER_GO);
	test_slice(buf_slice(&out), SLICE("\0\0\0\1A\0\0\0\1Q"));
	buf_deinit(&out);
	test_case("no room: nothing is added");
	buf_init(&out, 20);
	test_int(milter_say_mail(&m, &macros, SLICE("s@x.example"),
		     SLICE("SIZE=9"), &out),
	    MILTER_NO_ROOM);
	test_int(out.len, 0);
	test_int(m.awaits, 0);
	buf_deinit(&out);
}

/* Steps that the filter left out or does not answer. */
static void
steps(void **state)
{
	struct milter m;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	open_with(&m, MUTE);
	test_case("unanswered");
	test_int(milter_say_connect(&m, NULL, SLICE("x"), 0, 0, SLICE(""),
		     &out),
	    MILTER_GO);
	test_int(milter_say_helo(&m, NULL, SLICE("x"), &out), MILTER_GO);
	test_int(milter_say_mail(&m, NULL, SLICE("x"), SLICE(""), &out),
	    MILTER_GO);
	test_int(milter_say_rcpt(&m, NULL, SLICE("x"), SLICE(""), &out),
	    MILTER_GO);
	test_int(milter_say_data(&m, NULL, &out), MILTER_GO);
	test_int(milter_say_header(&m, SLICE("X"), SLICE(""), &out), MILTER_GO);
	test_int(milter_say_eoh(&m, NULL, &out), MILTER_GO);
	test_int(milter_say_body(&m, SLICE("x"), &out), MILTER_GO);
	test_true(out.len > 40);
	test_int(milter_say_end(&m, NULL, &out), MILTER_WAIT);
	buf_reset(&out, 0);
	open_with(&m, SLICE("\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\2\177"));
	test_case("left out");
	(void)milter_say_connect(&m, NULL, SLICE("x"), 0, 0, SLICE(""), &out);
	(void)milter_say_helo(&m, NULL, SLICE("x"), &out);
	(void)milter_say_mail(&m, NULL, SLICE("x"), SLICE("SIZE=1"), &out);
	(void)milter_say_rcpt(&m, NULL, SLICE("x"), SLICE(""), &out);
	(void)milter_say_data(&m, NULL, &out);
	(void)milter_say_header(&m, SLICE("X"), SLICE(""), &out);
	(void)milter_say_eoh(&m, NULL, &out);
	(void)milter_say_body(&m, SLICE("x"), &out);
	test_int(out.len, 0);
	open_with(&m, SLICE("\0\0\0\15O\0\0\0\3\0\0\0\0\0\0\0\0"));
	test_case("version 3 knows no DATA");
	test_int(milter_say_data(&m, NULL, &out), MILTER_GO);
	test_int(out.len, 0);
	buf_deinit(&out);
}

static void
symbols(void **state)
{
	const struct milter_macro rows[] = { { "j", SLICE("h") },
		{ "{x}", SLICE("y") } };
	const struct milter_macros macros = { rows, 2 };
	struct milter m;
	struct buf out;

	(void)state;
	buf_init(&out, 4096);
	/* stage 2 (MAIL): "{x}, j", then one of a newer version */
	open_with(&m,
	    SLICE("\0\0\0\41O\0\0\0\6\0\0\1\0\0\0\0\0"
		  "\0\0\0\2{x}, j\0\0\0\0\7zzzz\0"));
	test_case("the filter's own list");
	(void)milter_say_mail(&m, &macros, SLICE("a"), SLICE(""), &out);
	test_slice(buf_slice(&out),
	    SLICE("\0\0\0\14DM{x}\0y\0j\0h\0\0\0\0\5M<a>\0"));
	buf_deinit(&out);
}

static const struct reply_row {
	const char *what;
	char stage; /* H: HELO, E: end of message, B: body */
	struct slice in;
	uint8_t todo, verdict;
	uint16_t code;
	uint16_t detail;
	struct slice text;
} replies[] = {
	{ "continue", 'H', SLICE("\0\0\0\1c"), MILTER_VERDICT, MILTER_CONTINUE,
	    0, 0, { 0 } },
	{ "accept", 'H', SLICE("\0\0\0\1a"), MILTER_VERDICT, MILTER_ACCEPT, 0,
	    0, { 0 } },
	{ "reject", 'E', SLICE("\0\0\0\1r"), MILTER_VERDICT, MILTER_REJECT, 0,
	    0, { 0 } },
	{ "tempfail", 'E', SLICE("\0\0\0\1t"), MILTER_VERDICT, MILTER_TEMPFAIL,
	    0, 0, { 0 } },
	{ "discard", 'E', SLICE("\0\0\0\1d"), MILTER_VERDICT, MILTER_DISCARD, 0,
	    0, { 0 } },
	{ "discard of a HELO", 'H', SLICE("\0\0\0\1d"), MILTER_BAD, 0, 0, 0,
	    { 0 } },
	{ "skip of a HELO", 'H', SLICE("\0\0\0\1s"), MILTER_BAD, 0, 0, 0,
	    { 0 } },
	{ "shutdown", 'H', SLICE("\0\0\0\0014"), MILTER_VERDICT, MILTER_CLOSE,
	    0, 0, { 0 } },
	{ "verdict with data", 'H', SLICE("\0\0\0\2cx"), MILTER_BAD, 0, 0, 0,
	    { 0 } },
	{ "progress", 'E', SLICE("\0\0\0\1p"), MILTER_PROGRESS, 0, 0, 0,
	    { 0 } },
	{ "unknown", 'E', SLICE("\0\0\0\1Z"), MILTER_BAD, 0, 0, 0, { 0 } },
	{ "negotiation again", 'E', SLICE("\0\0\0\1O"), MILTER_BAD, 0, 0, 0,
	    { 0 } },
	{ "code, enhanced code, text", 'E',
	    SLICE("\0\0\0\24y550 5.7.9 go away\0\0"), MILTER_BAD, 0, 0, 0,
	    { 0 } },
	{ "the same, of the right length", 'E',
	    SLICE("\0\0\0\23y550 5.7.9 go away\0"), MILTER_VERDICT,
	    MILTER_REPLY, 550, 9, { (const uint8_t *)"go away", 7 } },
	{ "several lines: the first is said", 'H',
	    SLICE("\0\0\0\26y450-4.7.1 a\r\n450 b\r\n\0"), MILTER_VERDICT,
	    MILTER_REPLY, 450, 1, { (const uint8_t *)"a", 1 } },
	{ "code alone", 'H', SLICE("\0\0\0\5y451\0"), MILTER_VERDICT,
	    MILTER_REPLY, 451, 0, { 0 } },
	{ "a text that may not be said", 'H', SLICE("\0\0\0\10y451 \303\251\0"),
	    MILTER_VERDICT, MILTER_REPLY, 451, 0, { 0 } },
	{ "enhanced code of another class", 'H',
	    SLICE("\0\0\0\15y550 4.7.1 x\0"), MILTER_VERDICT, MILTER_REPLY, 550,
	    0, { (const uint8_t *)"4.7.1 x", 7 } },
	{ "421", 'H', SLICE("\0\0\0\7y421 x\0"), MILTER_VERDICT, MILTER_CLOSE,
	    421, 0, { (const uint8_t *)"x", 1 } },
	{ "250 is no refusal", 'H', SLICE("\0\0\0\7y250 x\0"), MILTER_BAD, 0, 0,
	    0, { 0 } },
	{ "600", 'H', SLICE("\0\0\0\7y600 x\0"), MILTER_BAD, 0, 0, 0, { 0 } },
	{ "no end", 'H', SLICE("\0\0\0\6y550 x"), MILTER_BAD, 0, 0, 0, { 0 } },
};

static void
await(struct milter *m, char stage, struct buf *out)
{
	if (stage == 'H')
		(void)milter_say_helo(m, NULL, SLICE("x"), out);
	else if (stage == 'B')
		(void)milter_say_body(m, SLICE("x"), out);
	else
		(void)milter_say_end(m, NULL, out);
}

static void
verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		const struct reply_row *row = &replies[i];
		struct slice in = test_exact_copy(row->in);
		struct milter_effect e;
		struct milter m;
		struct buf out;
		size_t n;

		test_case(row->what);
		buf_init(&out, 4096);
		open_with(&m, PLAIN);
		await(&m, row->stage, &out);
		n = milter_step(&m, in, &e);
		test_int(e.todo, row->todo);
		test_int(n, row->todo == MILTER_BAD ? 0 : in.len);
		if (row->todo == MILTER_VERDICT) {
			test_int(e.verdict, row->verdict);
			test_int(e.reply.code, row->code);
			test_int(e.reply.esc.detail, row->detail);
			test_slice(e.reply.text, row->text);
			test_int(m.awaits, 0);
		}
		buf_deinit(&out);
		test_free_copy(in);
	}
}

static const struct edit_row {
	const char *what;
	struct slice in;
	bool is_bad;
	uint8_t edit;
	uint32_t index;
	struct slice name, value;
} edit_rows[] = {
	{ "add", SLICE("\0\0\0\6hX\0ab\0"), false, MILTER_EDIT_ADD, 0,
	    { (const uint8_t *)"X", 1 }, { (const uint8_t *)"ab", 2 } },
	{ "insert", SLICE("\0\0\0\11i\0\0\0\3X\0b\0"), false,
	    MILTER_EDIT_INSERT, 3, { (const uint8_t *)"X", 1 },
	    { (const uint8_t *)"b", 1 } },
	{ "take out", SLICE("\0\0\0\10m\0\0\0\1X\0\0"), false,
	    MILTER_EDIT_CHANGE, 1, { (const uint8_t *)"X", 1 }, { 0 } },
	{ "index is cut off", SLICE("\0\0\0\3m\0\0"), true, 0, 0, { 0 },
	    { 0 } },
	{ "value without end", SLICE("\0\0\0\4hX\0a"), true, 0, 0, { 0 },
	    { 0 } },
	{ "no name", SLICE("\0\0\0\4h\0a\0"), true, 0, 0, { 0 }, { 0 } },
	{ "add recipient",
	    SLICE("\0\0\0\6+<a@b"
		  ">"),
	    true, 0, 0, { 0 }, { 0 } },
	{ "add recipient, whole", SLICE("\0\0\0\7+<a@b>\0"), false,
	    MILTER_EDIT_ADD_RCPT, 0, { (const uint8_t *)"a@b", 3 }, { 0 } },
	{ "without brackets", SLICE("\0\0\0\5-a@b\0"), false,
	    MILTER_EDIT_DELETE_RCPT, 0, { (const uint8_t *)"a@b", 3 }, { 0 } },
	{ "one bracket", SLICE("\0\0\0\6-<a@b\0"), true, 0, 0, { 0 }, { 0 } },
	{ "recipient with parameters", SLICE("\0\0\0\0112<a@>\0X=\0"), false,
	    MILTER_EDIT_ADD_RCPT, 0, { (const uint8_t *)"a@", 2 },
	    { (const uint8_t *)"X=", 2 } },
	{ "sender", SLICE("\0\0\0\4e<>\0"), false, MILTER_EDIT_FROM, 0, { 0 },
	    { 0 } },
	{ "body", SLICE("\0\0\0\3b\0x"), false, MILTER_EDIT_BODY, 0, { 0 },
	    { (const uint8_t *)"\0x", 2 } },
	{ "quarantine", SLICE("\0\0\0\4qab\0"), false, MILTER_EDIT_QUARANTINE,
	    0, { 0 }, { (const uint8_t *)"ab", 2 } },
};

static void
edits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edit_rows) / sizeof(edit_rows[0]); i++) {
		const struct edit_row *row = &edit_rows[i];
		struct slice in = test_exact_copy(row->in);
		struct milter_effect e;
		struct milter m;
		struct buf out;

		test_case(row->what);
		buf_init(&out, 4096);
		open_with(&m, PLAIN);
		await(&m, 'E', &out);
		(void)milter_step(&m, in, &e);
		test_int(e.todo, row->is_bad ? MILTER_BAD : MILTER_EDIT);
		if (!row->is_bad) {
			test_int(e.edit, row->edit);
			test_int(e.index, row->index);
			test_slice(e.name, row->name);
			test_slice(e.value, row->value);
			test_int(m.awaits, 'E'); /* a verdict follows */
		}
		test_case("before the end of the message");
		open_with(&m, PLAIN);
		await(&m, 'B', &out);
		(void)milter_step(&m, in, &e);
		test_int(e.todo, MILTER_BAD);
		test_case("not negotiated");
		open_with(&m, SLICE("\0\0\0\15O\0\0\0\6\0\0\0\0\0\0\0\0"));
		await(&m, 'E', &out);
		(void)milter_step(&m, in, &e);
		test_int(e.todo, MILTER_BAD);
		test_case("without being asked");
		open_with(&m, PLAIN);
		(void)milter_step(&m, in, &e);
		test_int(e.todo, MILTER_BAD);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(negotiation), cmocka_unit_test(commands),
    cmocka_unit_test(steps), cmocka_unit_test(symbols),
    cmocka_unit_test(verdicts), cmocka_unit_test(edits))
