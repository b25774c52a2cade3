/* SPDX-License-Identifier: ISC */
/*
 * test_subject - the base subject, step by step of RFC 5256, 2.1
 */
#include "base/test.h"
#include "mail/subject.h"

static void
finds_the_base(void **state)
{
	static const struct {
		struct slice in, want;
		bool is_reply;
	} rows[] = {
		{ SLICE("Hello"), SLICE("hello"), false },
		{ SLICE("Re: Hello"), SLICE("hello"), true },
		{ SLICE("RE: re : FWD: fw: Hello"), SLICE("hello"), true },
		{ SLICE("Re[2]: Hello"), SLICE("hello"), true },
		{ SLICE("[list] Hello"), SLICE("hello"), false },
		{ SLICE("[list] Re: [other] Hello"), SLICE("hello"), true },
		{ SLICE("[list]"), SLICE("[list]"), false },
		{ SLICE("[a] [b]"), SLICE("[b]"), false },
		{ SLICE("Hello (fwd)"), SLICE("hello"), true },
		{ SLICE("Hello (FWD) (fwd) "), SLICE("hello"), true },
		{ SLICE("[fwd: Hello]"), SLICE("hello"), true },
		{ SLICE("[Fwd: Re: [list] Hello (fwd)]"), SLICE("hello"),
		    true },
		{ SLICE(" a \t b\r\n c "), SLICE("a b c"), false },
		{ SLICE("=?utf-8?q?Re:_=C3=84?="), SLICE("\xc3\xa4"), true },
		{ SLICE("Re:"), SLICE(""), true },
		{ SLICE("Regarding"), SLICE("regarding"), false },
		{ SLICE("[unclosed Hello"), SLICE("[unclosed hello"), false },
		{ SLICE("[a[b]] x"), SLICE("[a[b]] x"), false },
		{ SLICE("[fwd:]"), SLICE(""), true },
		{ SLICE("\xff"), SLICE("\xef\xbf\xbd"), false },
		{ SLICE(""), SLICE(""), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		bool is_reply = !rows[i].is_reply;
		struct buf out;

		buf_init(&out, 256);
		test_case((const char *)rows[i].in.at);
		test_int(subject_base(in, &out, &is_reply), BUF_OK);
		test_slice(buf_slice(&out), rows[i].want);
		test_int(is_reply, rows[i].is_reply);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

/* Long chains of what is taken off end quickly and without recursion. */
static void
takes_long_chains_off(void **state)
{
	struct buf in, out;
	bool is_reply;

	(void)state;
	test_case("long");
	buf_init(&in, 64 * 1024);
	buf_init(&out, 64 * 1024);
	while (in.len < 60000)
		(void)buf_add_cstr(&in, "Re: [x] ");
	test_int(subject_base(buf_slice(&in), &out, &is_reply), BUF_OK);
	test_slice(buf_slice(&out), SLICE("[x]"));
	buf_deinit(&in);
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(finds_the_base),
    cmocka_unit_test(takes_long_chains_off))
