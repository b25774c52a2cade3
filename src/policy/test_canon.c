/* SPDX-License-Identifier: ISC */
/* Which addresses are one, and which are none. */
#include "base/test.h"
#include "policy/canon.h"

static const struct {
	const char *what;
	struct slice in;
	enum canon_rule rule;
	int want;
	struct slice out;
} rows[] = {
	{ "plain", SLICE("anna@one.example"), CANON_FOLDED, CANON_OK,
	    SLICE("anna@one.example") },
	{ "case, ours", SLICE("Anna@One.EXAMPLE"), CANON_FOLDED, CANON_OK,
	    SLICE("anna@one.example") },
	{ "case, theirs: the local part stays", SLICE("Anna@One.EXAMPLE"),
	    CANON_FOREIGN, CANON_OK, SLICE("Anna@one.example") },
	{ "case, where the domain keeps it", SLICE("Anna@One.EXAMPLE"),
	    CANON_KEPT, CANON_OK, SLICE("Anna@one.example") },
	{ "kept, and composed", SLICE("U\xcc\x88@one.example"), CANON_KEPT,
	    CANON_OK, SLICE("\xc3\x9c@one.example") },
	{ "kept, needless quotes", SLICE("\"Anna\"@one.example"), CANON_KEPT,
	    CANON_OK, SLICE("Anna@one.example") },
	{ "sharp s folds", SLICE("Stra\xc3\x9f\x65@one.example"), CANON_FOLDED,
	    CANON_OK, SLICE("strasse@one.example") },
	{ "combining marks are composed", SLICE("u\xcc\x88@one.example"),
	    CANON_FOLDED, CANON_OK, SLICE("\xc3\xbc@one.example") },
	{ "U-label", SLICE("a@B\xc3\xbc\x63her.example"), CANON_FOLDED,
	    CANON_OK, SLICE("a@xn--bcher-kva.example") },
	{ "A-label", SLICE("a@XN--BCHER-KVA.example"), CANON_FOLDED, CANON_OK,
	    SLICE("a@xn--bcher-kva.example") },
	{ "quotes without need", SLICE("\"anna\"@one.example"), CANON_FOLDED,
	    CANON_OK, SLICE("anna@one.example") },
	{ "backslash without need", SLICE("\"an\\na\"@one.example"),
	    CANON_FOLDED, CANON_OK, SLICE("anna@one.example") },
	{ "quotes with need", SLICE("\"a b@c\"@one.example"), CANON_FOLDED,
	    CANON_OK, SLICE("\"a b@c\"@one.example") },
	{ "quoted quote", SLICE("\"a\\\"b\"@one.example"), CANON_FOLDED,
	    CANON_OK, SLICE("\"a\\\"b\"@one.example") },
	{ "empty quoted", SLICE("\"\"@one.example"), CANON_FOLDED, CANON_OK,
	    SLICE("\"\"@one.example") },
	{ "literal", SLICE("a@[IPv6:2001:DB8::1]"), CANON_FOREIGN, CANON_OK,
	    SLICE("a@[ipv6:2001:db8::1]") },
	{ "single label", SLICE("a@localhost"), CANON_FOLDED, CANON_OK,
	    SLICE("a@localhost") },
	{ "no at", SLICE("anna"), CANON_FOLDED, CANON_E_BAD, { 0 } },
	{ "no local part", SLICE("@one.example"), CANON_FOLDED, CANON_E_BAD,
	    { 0 } },
	{ "no domain", SLICE("a@"), CANON_FOLDED, CANON_E_BAD, { 0 } },
	{ "empty label", SLICE("a@one..example"), CANON_FOLDED, CANON_E_BAD,
	    { 0 } },
	{ "dot at the end", SLICE("a@one.example."), CANON_FOLDED, CANON_E_BAD,
	    { 0 } },
	{ "two dots", SLICE("a..b@one.example"), CANON_FOLDED, CANON_E_BAD,
	    { 0 } },
	{ "two ats", SLICE("a@b@one.example"), CANON_FOLDED, CANON_E_BAD,
	    { 0 } },
	{ "space", SLICE("a b@one.example"), CANON_FOLDED, CANON_E_BAD, { 0 } },
	{ "NUL", SLICE("a\0b@one.example"), CANON_FOLDED, CANON_E_BAD, { 0 } },
	{ "NUL in the domain", SLICE("a@one\0.example"), CANON_FOLDED,
	    CANON_E_BAD, { 0 } },
	{ "not UTF-8", SLICE("\xff@one.example"), CANON_FOLDED, CANON_E_BAD,
	    { 0 } },
	{ "open quote", SLICE("\"a@one.example"), CANON_FOLDED, CANON_E_BAD,
	    { 0 } },
	{ "line end in quotes", SLICE("\"a\r\nb\"@one.example"), CANON_FOLDED,
	    CANON_E_BAD, { 0 } },
	{ "backslash at the end", SLICE("\"a\\\"@one.example"), CANON_FOLDED,
	    CANON_E_BAD, { 0 } },
};

static void
table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct buf out;

		test_case(rows[i].what);
		buf_init(&out, 1024);
		test_int(buf_add_byte(&out, '!'), BUF_OK);
		test_int(canon_address(in, rows[i].rule, &out), rows[i].want);
		test_slice(slice_upto(buf_slice(&out), 1), SLICE("!"));
		test_slice(slice_from(buf_slice(&out), 1), rows[i].out);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

/* The canonical form is its own canonical form. */
static void
idempotent(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		if (rows[i].want != CANON_OK)
			continue;
		test_case(rows[i].what);
		buf_init(&out, 1024);
		test_int(canon_address(rows[i].out, rows[i].rule, &out),
		    CANON_OK);
		test_slice(buf_slice(&out), rows[i].out);
		buf_deinit(&out);
	}
}

static void
too_long(void **state)
{
	char text[400];
	struct buf out;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 257, "@one.example", 12);
	buf_init(&out, 1024);
	test_int(canon_address(slice_of(text, 269), true, &out), CANON_E_BAD);
	test_int(canon_address(slice_of(text + 1, 268), true, &out), CANON_OK);
	buf_deinit(&out);
}

/* U+0149 takes two bytes, and what it folds to takes three. */
static void
too_long_when_folded(void **state)
{
	char text[400];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < 210; i += 2)
		memcpy(text + i, "\xc5\x89", 2);
	memcpy(text + 210, "@a", 2);
	buf_init(&out, 1024);
	test_int(canon_address(slice_of(text, 212), CANON_FOLDED, &out),
	    CANON_E_BAD);
	test_int(out.len, 0);
	test_int(canon_address(slice_of(text + 40, 172), CANON_FOLDED, &out),
	    CANON_OK);
	buf_deinit(&out);
}

static void
are_the_same(void **state)
{
	static const struct {
		struct slice a, b;
		bool want;
	} pairs[] = {
		{ SLICE("a@one.example"), SLICE("A@One.EXAMPLE"), true },
		{ SLICE("\xc3\xa9@b\xc3\xbc.example"),
		    SLICE("\xc3\x89@xn--b-eha.example"), true },
		{ SLICE("a@one.example"), SLICE("b@one.example"), false },
		{ SLICE("a@one.example"), SLICE("a@two.example"), false },
		{ SLICE("a@one.example"), SLICE("a@one.example "), false },
		{ SLICE("a"), SLICE("a"), false }, /* no addresses */
		{ SLICE(""), SLICE(""), false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		test_int(canon_is_same(pairs[i].a, pairs[i].b), pairs[i].want);
}

TEST_MAIN(cmocka_unit_test(table), cmocka_unit_test(are_the_same),
    cmocka_unit_test(idempotent), cmocka_unit_test(too_long),
    cmocka_unit_test(too_long_when_folded))
