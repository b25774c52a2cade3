/* SPDX-License-Identifier: ISC */
/* What each kind of reply means for a recipient and for his host. */
#include "base/test.h"
#include "queue/retry.h"

static const struct {
	const char *what;
	struct verdict v;
	enum retry_kind kind;
	struct esc esc;
	bool is_host;
} replies[] = {
	{ "taken", { 250, { 2, 1, 5 }, { 0 } }, RETRY_DELIVERED, { 2, 1, 5 },
	    false },
	{ "taken without enhanced code", { 250, { 0, 0, 0 }, { 0 } },
	    RETRY_DELIVERED, { 2, 0, 0 }, false },
	{ "greylisted", { 450, { 4, 7, 1 }, { 0 } }, RETRY_TEMPORARY,
	    { 4, 7, 1 }, false },
	{ "no such user", { 550, { 5, 1, 1 }, { 0 } }, RETRY_PERMANENT,
	    { 5, 1, 1 }, false },
	{ "classes that differ: the reply code wins",
	    { 550, { 4, 1, 1 }, { 0 } }, RETRY_PERMANENT, { 5, 0, 0 }, false },
	{ "2.0.0 in a 4yz", { 451, { 2, 0, 0 }, { 0 } }, RETRY_TEMPORARY,
	    { 4, 0, 0 }, false },
	{ "numbers out of range", { 550, { 5, 1000, 1 }, { 0 } },
	    RETRY_PERMANENT, { 5, 0, 0 }, false },
	{ "going down", { 421, { 4, 3, 2 }, { 0 } }, RETRY_TEMPORARY,
	    { 4, 3, 2 }, true },
	{ "no reply at all", { 0, { 0, 0, 0 }, { 0 } }, RETRY_TEMPORARY,
	    { 4, 4, 2 }, true },
	{ "354 to a RCPT", { 354, { 0, 0, 0 }, { 0 } }, RETRY_TEMPORARY,
	    { 4, 0, 0 }, true },
	{ "a code that is none", { 999, { 9, 9, 9 }, { 0 } }, RETRY_TEMPORARY,
	    { 4, 0, 0 }, true },
};

static void
replies_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		struct esc esc = retry_esc(&replies[i].v);

		test_case(replies[i].what);
		test_int(retry_kind(&replies[i].v), replies[i].kind);
		test_int(esc.class, replies[i].esc.class);
		test_int(esc.subject, replies[i].esc.subject);
		test_int(esc.detail, replies[i].esc.detail);
		test_int(retry_is_host_failure(&replies[i].v),
		    replies[i].is_host);
	}
}

static void
too_many_recipients(void **state)
{
	struct verdict full = VERDICT(452, 4, 5, 3, "too many recipients");
	struct verdict other = VERDICT(451, 4, 5, 3, "too many recipients");

	(void)state;
	test_true(retry_is_too_many(&full, true));
	test_true(!retry_is_too_many(&full, false));
	test_true(!retry_is_too_many(&other, true));
}

static const struct {
	const char *what;
	struct slice in;
	size_t max;
	struct slice want;
} texts[] = {
	{ "plain", SLICE("mailbox full"), 100, SLICE("mailbox full") },
	{ "lines", SLICE("one\r\ntwo\n\tthree"), 100, SLICE("one two three") },
	{ "control and 8-bit", SLICE("a\0b\x1b[31mc\xc3\xa9"), 100,
	    SLICE("a?b?[31mc??") },
	{ "cut", SLICE("abcdef"), 3, SLICE("abc") },
	{ "blank", SLICE("  \r\n "), 100, SLICE("") },
};

static void
texts_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct slice in = test_exact_copy(texts[i].in);
		struct buf out;

		test_case(texts[i].what);
		buf_init(&out, 1000);
		test_int(retry_clean(&out, in, texts[i].max), BUF_OK);
		test_slice(buf_slice(&out), texts[i].want);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(replies_by_table),
    cmocka_unit_test(too_many_recipients), cmocka_unit_test(texts_by_table))
