/* SPDX-License-Identifier: ISC */
/*
 * test_spool - a spool file is read as it was written, or not at all
 */
#include "base/limits.h"
#include "base/test.h"
#include "mail/spool.h"

enum {
	CAP = 256 * 1024
};

#define HEAD "ulak-spool 1\ntime 5\nsize 9\nsender a@b.example\n"

static void
reads_what_it_wrote(void **state)
{
	struct slice rcpts[] = { SLICE("x@y.example"), SLICE("\"a b\"@c") };
	struct spool s = { .time = 1234567890123456,
		.sender = SLICE(""),
		.rcpts = rcpts,
		.n_rcpts = 2,
		.size = 4711,
		.is_8bit = true,
		.notify = 3,
		.ret = 2,
		.envid = SLICE("a+2Bb") },
		     got;
	struct arena a;
	struct buf b;
	struct slice in;
	size_t len = 0;

	(void)state;
	test_case("round");
	buf_init(&b, CAP);
	arena_init(&a, CAP);
	test_int(spool_head_print(&s, &b), BUF_OK);
	in = test_exact_copy(buf_slice(&b));
	test_int(spool_head_parse(in, &a, &got, &len), SPOOL_OK);
	test_int(len, in.len);
	test_int(got.time, s.time);
	test_int(got.size, s.size);
	test_true(got.is_8bit && !got.is_utf8);
	test_int(got.notify, 3);
	test_int(got.ret, 2);
	test_slice(got.envid, s.envid);
	test_slice(got.sender, s.sender);
	test_int(got.n_rcpts, 2);
	test_slice(got.rcpts[1], rcpts[1]);
	for (size_t n = 0; n < in.len; n++) { /* however it is cut */
		arena_reset(&a);
		test_int(spool_head_parse(slice_upto(in, n), &a, &got, &len),
		    SPOOL_E_MORE);
	}
	test_free_copy(in);
	buf_deinit(&b);
	arena_reset(&a);
}

static void
refuses(void **state)
{
	static const struct {
		const char *what;
		struct slice in;
		int want;
	} cases[] = {
		{ "good", SLICE(HEAD "rcpt c@d\n\nX"), SPOOL_OK },
		{ "no recipient", SLICE(HEAD "\n"), SPOOL_E_BAD },
		{ "an empty one", SLICE(HEAD "rcpt \n\n"), SPOOL_E_BAD },
		{ "no size",
		    SLICE("ulak-spool 1\ntime 5\nsender a@b\nrcpt c@d"
			  "\n\n"),
		    SPOOL_E_BAD },
		{ "no magic", SLICE("hello\n\n"), SPOOL_E_BAD },
		{ "a later version", SLICE("ulak-spool 2\n"), SPOOL_E_VERSION },
		{ "version 0", SLICE("ulak-spool 0\n"), SPOOL_E_BAD },
		{ "an unknown key", SLICE(HEAD "colour red\n"), SPOOL_E_BAD },
		{ "a key twice", SLICE(HEAD "size 9\n"), SPOOL_E_BAD },
		{ "no value", SLICE(HEAD "8bit\n"), SPOOL_E_BAD },
		{ "a flag that is none", SLICE(HEAD "8bit 2\n"), SPOOL_E_BAD },
		{ "a number that is none", SLICE(HEAD "ret x\n"), SPOOL_E_BAD },
		{ "too large", SLICE("ulak-spool 1\ntime 5\nsize 1073741825\n"),
		    SPOOL_E_BAD },
		{ "a CR", SLICE(HEAD "rcpt c@d\r\n"), SPOOL_E_BAD },
		{ "a NUL", SLICE(HEAD "rcpt c\0@d\n"), SPOOL_E_BAD },
		{ "no UTF-8", SLICE(HEAD "rcpt \xff@d\n"), SPOOL_E_BAD },
		{ "a first line without end",
		    SLICE("ulak-spool 1xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			  "xxxxxxxxxxxxxxxxxxxxxxxx"),
		    SPOOL_E_BAD },
	};
	struct spool s;
	struct arena a;
	size_t len;

	(void)state;
	arena_init(&a, 4 * CAP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct slice in = test_exact_copy(cases[i].in);

		test_case(cases[i].what);
		test_int(spool_head_parse(in, &a, &s, &len), cases[i].want);
		test_free_copy(in);
	}
	arena_reset(&a);
}

static void
writes_no_line_ends_into_values(void **state)
{
	struct slice rcpt = SLICE("x@y\nsize 1");
	struct spool s = { .rcpts = &rcpt, .n_rcpts = 1 };
	struct buf b;

	(void)state;
	test_case("recipient");
	buf_init(&b, CAP);
	test_int(spool_head_print(&s, &b), BUF_E_FULL);
	test_case("sender");
	rcpt = SLICE("x@y");
	s.sender = SLICE("a\rb");
	test_int(spool_head_print(&s, &b), BUF_E_FULL);
	buf_deinit(&b);
}

static void
sums_and_names(void **state)
{
	char one[SPOOL_SUM + 1], two[SPOOL_SUM + 1], name[SPOOL_NAME + 1];
	struct spool_sum s;
	struct id id = { { 1, 2, 3 } }, got;

	(void)state;
	test_case("the same in two pieces");
	spool_sum_init(&s);
	spool_sum_add(&s, SLICE("abcdef"));
	spool_sum_print(&s, one);
	spool_sum_init(&s);
	spool_sum_add(&s, SLICE("abc"));
	spool_sum_add(&s, SLICE("def"));
	spool_sum_print(&s, two);
	test_slice(slice_cstr(one), slice_cstr(two));
	test_int(strlen(one), SPOOL_SUM);
	test_case("another for other bytes");
	spool_sum_init(&s);
	spool_sum_add(&s, SLICE("abcdeg"));
	spool_sum_print(&s, two);
	test_true(strcmp(one, two) != 0);
	test_case("names");
	spool_name_print(&id, name);
	test_true(spool_name_parse(slice_cstr(name), &got));
	test_true(id_equal(&id, &got));
	name[SPOOL_NAME - 1] = 'x';
	test_true(!spool_name_parse(slice_cstr(name), &got));
	test_true(!spool_name_parse(SLICE(".mail"), &got));
}

TEST_MAIN(cmocka_unit_test(reads_what_it_wrote), cmocka_unit_test(refuses),
    cmocka_unit_test(writes_no_line_ends_into_values),
    cmocka_unit_test(sums_and_names))
