/* SPDX-License-Identifier: ISC */
/*
 * test_header - fields are found whole, whatever stands between them
 */
#include "base/test.h"
#include "mail/header.h"

static const struct row {
	const char *what;
	struct slice section;
	size_t n;                /* fields, with and without a name */
	struct slice name, body; /* of the first */
} rows[] = {
	{ "one field", SLICE("A: b\r\n\r\n"), 1, SLICE("A"), SLICE(" b") },
	{ "folded", SLICE("A: b\r\n c\r\nD: e\r\n"), 2, SLICE("A"),
	    SLICE(" b\r\n c") },
	{ "blank before the colon", SLICE("A \t: b\r\n"), 1, SLICE("A"),
	    SLICE(" b") },
	{ "no line end at the end", SLICE("A:b"), 1, SLICE("A"), SLICE("b") },
	{ "line feeds alone", SLICE("A: b\nC: d\n\nbody: x"), 2, SLICE("A"),
	    SLICE(" b") },
	{ "a CR alone is no line end", SLICE("A: b\rC: d\r\n\r\n"), 1,
	    SLICE("A"), SLICE(" b\rC: d") },
	{ "no colon: no name", SLICE("From x\r\nA: b\r\n"), 2, SLICE(""),
	    SLICE("From x") },
	{ "continuation first", SLICE(" x\r\nA: b\r\n"), 2, SLICE(""),
	    SLICE(" x") },
	{ "colon first", SLICE(": x\r\n"), 1, SLICE(""), SLICE(": x") },
	{ "octets above 127", SLICE("\xc3\xa4: x\r\n"), 1, SLICE("\xc3\xa4"),
	    SLICE(" x") },
	{ "no octet at all", SLICE(""), 0, SLICE(""), SLICE("") },
	{ "only the empty line", SLICE("\r\nA: b\r\n"), 0, SLICE(""),
	    SLICE("") },
	{ "blanks do not end the header", SLICE("A: b\r\n \r\nC: d\r\n"), 2,
	    SLICE("A"), SLICE(" b\r\n ") },
	{ "NUL in a body", SLICE("A: \0\r\n"), 1, SLICE("A"), SLICE(" \0") },
};

static void
walks_all_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].section), rest = in;
		struct header_field field;
		size_t n = 0, sum = 0;

		test_case(rows[i].what);
		while (header_next(&rest, &field)) {
			if (n++ == 0) {
				test_slice(field.name, rows[i].name);
				test_slice(field.body, rows[i].body);
			}
			sum += field.whole.len;
		}
		test_int(n, rows[i].n);
		test_int(sum + rest.len, in.len);
		test_free_copy(in);
	}
}

static void
knows_where_the_header_ends(void **state)
{
	static const struct {
		struct slice message;
		size_t len;
	} cases[] = {
		{ SLICE("A: b\r\n\r\nbody"), 8 },
		{ SLICE("A: b\n\nbody\r\n\r\n"), 6 },
		{ SLICE("\r\nbody"), 2 },
		{ SLICE("A: b\r\n"), 6 },
		{ SLICE("A: b"), 4 },
		{ SLICE(""), 0 },
		{ SLICE("A: b\r\n \r\n\r\nx"), 11 },
		{ SLICE("A: b\r\n\r"), 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case((const char *)cases[i].message.at);
		test_int(header_len(cases[i].message), cases[i].len);
	}
}

static void
finds_and_counts(void **state)
{
	struct slice section = SLICE("Received: 1\r\nX: y\r\nreceived: 2\r\n"
				     "\r\nReceived: not a field\r\n");
	struct header_field field = { .name = SLICE("kept") };

	(void)state;
	test_case("find");
	test_true(header_find(section, SLICE("RECEIVED"), &field));
	test_slice(field.body, SLICE(" 1"));
	test_slice(field.whole, SLICE("Received: 1\r\n"));
	field.name = SLICE("kept");
	test_true(!header_find(section, SLICE("Receive"), &field));
	test_slice(field.name, SLICE("kept"));
	test_int(header_count(section, SLICE("Received")), 2);
	test_int(header_count(section, SLICE("")), 0);
}

static void
unfolds(void **state)
{
	static const struct {
		struct slice body, want;
	} cases[] = {
		{ SLICE(" a b "), SLICE("a b") },
		{ SLICE(" a\r\n b\r\n\tc\r\n"), SLICE("a b\tc") },
		{ SLICE("a\n b"), SLICE("a b") },
		{ SLICE("a\rb"), SLICE("ab") },
		{ SLICE(" \r\n "), SLICE("") },
		{ SLICE(""), SLICE("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		buf_init(&b, 64);
		test_case((const char *)cases[i].body.at);
		test_int(header_unfold(cases[i].body, &b), BUF_OK);
		test_slice(buf_slice(&b), cases[i].want);
		buf_deinit(&b);
	}
	test_case("too small");
	{
		struct buf b;

		buf_init(&b, 3);
		test_int(header_unfold(SLICE("abcd"), &b), BUF_E_FULL);
		test_int(b.len, 0);
		buf_deinit(&b);
	}
}

TEST_MAIN(cmocka_unit_test(walks_all_fields),
    cmocka_unit_test(knows_where_the_header_ends),
    cmocka_unit_test(finds_and_counts), cmocka_unit_test(unfolds))
