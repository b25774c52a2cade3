/* SPDX-License-Identifier: ISC */
/*
 * test_address - lists as people write them, and what bounds them
 */
#include "base/test.h"
#include "mail/address.h"

#define M ADDRESS_MAILBOX
#define G ADDRESS_GROUP
#define E ADDRESS_GROUP_END
#define NIL                                                                    \
	{                                                                      \
		NULL, 0                                                        \
	}

static const struct row {
	struct slice body;
	size_t n;
	struct address want[5];
} rows[] = {
	{ SLICE("a@b.example"), 1,
	    { { M, NIL, NIL, SLICE("a"), SLICE("b.example") } } },
	{ SLICE(" A B <a@b.example>"), 1,
	    { { M, SLICE("A B"), NIL, SLICE("a"), SLICE("b.example") } } },
	{ SLICE("a@b.example (Old Style)"), 1,
	    { { M, SLICE("Old Style"), NIL, SLICE("a"),
		SLICE("b.example") } } },
	{ SLICE("<a@b.example> (Old Style)"), 1,
	    { { M, SLICE("Old Style"), NIL, SLICE("a"),
		SLICE("b.example") } } },
	{ SLICE("N (c) <a@b.example>"), 1,
	    { { M, SLICE("N"), NIL, SLICE("a"), SLICE("b.example") } } },
	{ SLICE("\"a \\\" b\"@b.example"), 1,
	    { { M, NIL, NIL, SLICE("a \" b"), SLICE("b.example") } } },
	{ SLICE("\"\"@b.example"), 1,
	    { { M, NIL, NIL, SLICE(""), SLICE("b.example") } } },
	{ SLICE("N <@a.example,@b.example:c@d.example>"), 1,
	    { { M, SLICE("N"), SLICE("@a.example,@b.example"), SLICE("c"),
		SLICE("d.example") } } },
	{ SLICE("a . b @ c . example"), 1,
	    { { M, NIL, NIL, SLICE("a.b"), SLICE("c.example") } } },
	{ SLICE("a@[192.0.2.1]"), 1,
	    { { M, NIL, NIL, SLICE("a"), SLICE("[192.0.2.1]") } } },
	{ SLICE("G: a@b.example, C <c@d.example>;, e@f.example"), 5,
	    { { G, NIL, NIL, SLICE("G"), NIL },
		{ M, NIL, NIL, SLICE("a"), SLICE("b.example") },
		{ M, SLICE("C"), NIL, SLICE("c"), SLICE("d.example") },
		{ E, NIL, NIL, NIL, NIL },
		{ M, NIL, NIL, SLICE("e"), SLICE("f.example") } } },
	{ SLICE("undisclosed-recipients:;"), 2,
	    { { G, NIL, NIL, SLICE("undisclosed-recipients"), NIL },
		{ E, NIL, NIL, NIL, NIL } } },
	{ SLICE("G: a@b.example"), 3,
	    { { G, NIL, NIL, SLICE("G"), NIL },
		{ M, NIL, NIL, SLICE("a"), SLICE("b.example") },
		{ E, NIL, NIL, NIL, NIL } } },
	{ SLICE("Someone"), 1,
	    { { M, NIL, NIL, SLICE("Someone"), SLICE("") } } },
	{ SLICE("Some One, <>, a@"), 3,
	    { { M, NIL, NIL, SLICE("Some One"), SLICE("") },
		{ M, NIL, NIL, SLICE(""), SLICE("") },
		{ M, NIL, NIL, SLICE("a"), SLICE("") } } },
	{ SLICE("a@b.example <c@d.example>"), 1,
	    { { M, SLICE("a@b.example"), NIL, SLICE("c"),
		SLICE("d.example") } } },
	{ SLICE("a@b.example; c@d.example"), 2,
	    { { M, NIL, NIL, SLICE("a"), SLICE("b.example") },
		{ M, NIL, NIL, SLICE("c"), SLICE("d.example") } } },
	{ SLICE("\"A\r\n B\" <a@b.example>\r\n"), 1,
	    { { M, SLICE("A B"), NIL, SLICE("a"), SLICE("b.example") } } },
	{ SLICE("[x] y <a@b.example>"), 1,
	    { { M, SLICE("[x] y"), NIL, SLICE("a"), SLICE("b.example") } } },
	{ SLICE("<a@b.example"), 1,
	    { { M, NIL, NIL, SLICE("a"), SLICE("b.example") } } },
	{ SLICE("\"not closed <a@b.example>"), 1,
	    { { M, NIL, NIL, SLICE("not closed <a@b.example>"), SLICE("") } } },
	{ SLICE("(not closed <a@b.example>"), 0, { { 0 } } },
	{ SLICE(" ,, ;, (c) "), 0, { { 0 } } },
	{ SLICE(">"), 1, { { M, NIL, NIL, SLICE(">"), SLICE("") } } },
	{ SLICE(""), 0, { { 0 } } },
};

static void
check_same(struct slice got, struct slice want)
{
	test_slice(got, want);
	test_true((got.at == NULL) == (want.at == NULL));
}

static void
reads_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice body = test_exact_copy(rows[i].body);
		struct address_list list;
		struct arena a;

		arena_init(&a, 64 * 1024);
		test_case((const char *)rows[i].body.at);
		test_int(address_parse(body, &a, ADDRESS_MAX, &list),
		    ADDRESS_OK);
		test_int(list.n, rows[i].n);
		for (size_t k = 0; k < list.n; k++) {
			test_int(list.at[k].kind, rows[i].want[k].kind);
			check_same(list.at[k].name, rows[i].want[k].name);
			check_same(list.at[k].route, rows[i].want[k].route);
			check_same(list.at[k].local, rows[i].want[k].local);
			check_same(list.at[k].host, rows[i].want[k].host);
		}
		arena_reset(&a);
		test_free_copy(body);
	}
}

static void
stops_at_its_limits(void **state)
{
	static uint8_t many[4000], wide[4000];
	struct address_list list;
	struct arena a;

	(void)state;
	for (size_t i = 0; i + 4 <= sizeof(many); i += 4)
		memcpy(many + i, "a@b,", 4);
	arena_init(&a, 256 * 1024);
	test_case("1000 addresses");
	test_int(address_parse(slice_of(many, sizeof(many)), &a, 10, &list),
	    ADDRESS_E_TRUNCATED);
	test_int(list.n, 10);
	test_case("1000 in a group: it has its end");
	memcpy(many, "g: ,", 4);
	test_int(address_parse(slice_of(many, sizeof(many)), &a, 10, &list),
	    ADDRESS_E_TRUNCATED);
	test_int(list.n, 11);
	test_int(list.at[10].kind, ADDRESS_GROUP_END);
	test_case("a long name");
	memset(wide, 'x', sizeof(wide));
	test_int(address_parse(slice_of(wide, sizeof(wide)), &a, 10, &list),
	    ADDRESS_E_TRUNCATED);
	test_int(list.n, 1);
	test_int(list.at[0].local.len, ADDRESS_PART_MAX);
	test_case("deep comments");
	memset(wide, '(', sizeof(wide));
	test_int(address_parse(slice_of(wide, sizeof(wide)), &a, 10, &list),
	    ADDRESS_OK);
	test_int(list.n, 0);
	arena_reset(&a);
	test_case("no memory");
	arena_init(&a, 16);
	test_int(address_parse(SLICE("a@b"), &a, 10, &list),
	    ADDRESS_E_TRUNCATED);
	test_int(list.n, 0);
	arena_reset(&a);
}

TEST_MAIN(cmocka_unit_test(reads_lists), cmocka_unit_test(stops_at_its_limits))
