/* SPDX-License-Identifier: ISC */
/* What servers say is framed and read; what is not of its form is refused. */
#include "base/test.h"
#include "base/time.h"
#include "imap/answer.h"

static const struct {
	const char *what;
	struct slice in;
	size_t len;
} frames[] = {
	{ "a line", SLICE("* OK hi\r\nmore"), 9 },
	{ "half a line", SLICE("* OK hi"), 0 },
	{ "a literal", SLICE("* 1 FETCH (BODY[] {3}\r\na\nb)\r\n* "), 29 },
	{ "a literal that has not come", SLICE("* LIST () {9}\r\nabc"), 0 },
	{ "two literals", SLICE("* X {1}\r\n\n{0}\r\n\r\n"), 17 },
	{ "a text that looks like one", SLICE("* OK a {9}\r\n"), 12 },
	{ "a tagged one, too", SLICE("a1 NO a {9}\r\n"), 13 },
	{ "longer than allowed", SLICE("* LIST {99999}\r\n"), SIZE_MAX },
};

static void
framed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct imap_frame f = { 0 };

		test_case(frames[i].what);
		test_int(imap_frame_len(&f, frames[i].in, 1000), frames[i].len);
	}
}

static void
first_words(void **state)
{
	struct imap_answer a;
	uint32_t n = 0;

	(void)state;
	assert_true(imap_answer_read(SLICE("* 12 EXISTS\r\n"), &a));
	test_int(a.kind, IMAP_ANSWER_DATA);
	test_int(a.number, 12);
	test_slice(a.word, SLICE("EXISTS"));
	assert_true(imap_answer_read(SLICE("* OK [UIDVALIDITY 7] x\r\n"), &a));
	test_int(a.kind, IMAP_ANSWER_STATUS);
	assert_true(imap_answer_code(a.rest, SLICE("UIDVALIDITY"), &n));
	test_int(n, 7);
	assert_false(imap_answer_code(a.rest, SLICE("UIDNEXT"), &n));
	assert_true(imap_answer_read(SLICE("t1 NO later\n"), &a));
	test_int(a.kind, IMAP_ANSWER_TAGGED);
	test_slice(a.tag, SLICE("t1"));
	test_slice(a.word, SLICE("NO"));
	test_slice(a.rest, SLICE("later"));
	assert_true(imap_answer_read(SLICE("+ go\r\n"), &a));
	test_int(a.kind, IMAP_ANSWER_CONTINUE);
	assert_false(imap_answer_read(SLICE("t1 MAYBE\r\n"), &a));
	assert_false(imap_answer_read(SLICE("* \r\n"), &a));
	assert_false(imap_answer_read(SLICE("\r\n"), &a));
}

static void
fetched(void **state)
{
	struct imap_answer_fetch f;
	struct arena a;
	struct buf keywords;

	(void)state;
	arena_init(&a, 4096);
	buf_init(&keywords, 100);
	assert_true(imap_answer_fetch(
	    SLICE("(FLAGS (\\Seen a \\Recent $b) UID 5 MODSEQ (12) BODY[HEADER."
		  "FIELDS (X Y)] NIL X-Y (1 (\"a)\" ({2}\r\n))) ())) BODY[] "
		  "{2}\r\nab INTERNALDATE \" 5-Nov-2025 09:08:09 +0200\" "
		  "RFC822.SIZE 2)"),
	    &a, &f));
	test_int(f.uid, 5);
	test_int(f.flags, IMAP_SEEN);
	test_int(f.date, 1762326489 * TIME_SECOND);
	test_int(f.zone, 120);
	test_int(f.size, 2);
	test_slice(f.body, SLICE("ab"));
	test_int(imap_answer_keywords(&f, &keywords), 0);
	test_slice(buf_slice(&keywords), SLICE("a $b"));
	assert_true(imap_answer_fetch(
	    SLICE("(UID 6 INTERNALDATE \"yesterday\" BODY[] NIL)"), &a, &f));
	assert_false(f.has_date || f.has_body || f.has_flags);
	assert_false(imap_answer_fetch(SLICE("(UID 0)"), &a, &f));
	assert_false(imap_answer_fetch(SLICE("(UID 5"), &a, &f));
	assert_false(imap_answer_fetch(SLICE("(UID)"), &a, &f));
	assert_false(imap_answer_fetch(SLICE("(FLAGS (\\Seen UID 5)"), &a, &f));
	buf_deinit(&keywords);
	arena_reset(&a);
}

static void
listed(void **state)
{
	struct imap_answer_list l;
	struct arena a;

	(void)state;
	arena_init(&a, 4096);
	assert_true(imap_answer_list(
	    SLICE("(\\HasNoChildren \\Sent) \".\" \"Sent Items\""), &a, &l));
	test_slice(l.name, SLICE("Sent Items"));
	test_int(l.delimiter, '.');
	test_slice(slice_cstr(l.special_use), SLICE("\\Sent"));
	assert_false(l.is_noselect);
	assert_true(imap_answer_list(SLICE("(\\Noselect) NIL {3}\r\na b"), &a,
	    &l));
	assert_true(l.is_noselect);
	test_slice(l.name, SLICE("a b"));
	assert_false(imap_answer_list(SLICE("() \"..\" x"), &a, &l));
	assert_false(imap_answer_list(SLICE("\"/\" x"), &a, &l));
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(framed),
		cmocka_unit_test(first_words),
		cmocka_unit_test(fetched),
		cmocka_unit_test(listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
