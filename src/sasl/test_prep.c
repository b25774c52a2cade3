/* SPDX-License-Identifier: ISC */
/* Passwords as RFC 4013 wants them: its own examples, and more of each rule. */
#include "base/test.h"

#include "sasl/prep.h"

static const struct {
	const char *what;
	struct slice in;
	int want;
	struct slice out;
} rows[] = {
	{ "RFC 4013, 3: soft hyphen goes", SLICE("I\xc2\xadX"), SASL_PREP_OK,
	    SLICE("IX") },
	{ "RFC 4013, 3: as it is", SLICE("user"), SASL_PREP_OK, SLICE("user") },
	{ "RFC 4013, 3: case stays", SLICE("USER"), SASL_PREP_OK,
	    SLICE("USER") },
	{ "RFC 4013, 3: a with ring above, NFKC of feminine ordinal",
	    SLICE("\xc2\xaa"), SASL_PREP_OK, SLICE("a") },
	{ "RFC 4013, 3: roman nine", SLICE("\xe2\x85\xa8"), SASL_PREP_OK,
	    SLICE("IX") },
	{ "RFC 4013, 3: BEL", SLICE("\x07"), SASL_PREP_E_BAD, SLICE("") },
	{ "RFC 4013, 3: mixed directions", SLICE("\xd8\xa7\x31"),
	    SASL_PREP_E_BAD, SLICE("") },
	{ "empty", SLICE(""), SASL_PREP_OK, SLICE("") },
	{ "space stays", SLICE(" a  b "), SASL_PREP_OK, SLICE(" a  b ") },
	{ "no-break space", SLICE("a\xc2\xa0z"), SASL_PREP_OK, SLICE("a z") },
	{ "zero width space is one of C.1.2", SLICE("a\xe2\x80\x8bz"),
	    SASL_PREP_OK, SLICE("a z") },
	{ "composes", SLICE("u\xcc\x88"), SASL_PREP_OK, SLICE("\xc3\xbc") },
	{ "two marks in the wrong order", SLICE("a\xcc\x81\xcc\xa3"),
	    SASL_PREP_OK, SLICE("\xe1\xba\xa1\xcc\x81") },
	{ "Hangul", SLICE("\xe1\x84\x80\xe1\x85\xa1"), SASL_PREP_OK,
	    SLICE("\xea\xb0\x80") },
	{ "all Hebrew", SLICE("\xd7\xa9\xd7\x9c"), SASL_PREP_OK,
	    SLICE("\xd7\xa9\xd7\x9c") },
	{ "Hebrew in the midst",
	    SLICE("a\xd7\xa9"
		  "b"),
	    SASL_PREP_E_BAD, SLICE("") },
	{ "tab", SLICE("a\tb"), SASL_PREP_E_BAD, SLICE("") },
	{ "NUL", SLICE("a\0b"), SASL_PREP_E_BAD, SLICE("") },
	{ "private use", SLICE("\xee\x80\x80"), SASL_PREP_E_BAD, SLICE("") },
	{ "noncharacter of plane 1", SLICE("\xf0\x9f\xbf\xbe"), SASL_PREP_E_BAD,
	    SLICE("") },
	{ "tag", SLICE("\xf3\xa0\x80\xa0"), SASL_PREP_E_BAD, SLICE("") },
	{ "not UTF-8", SLICE("\xff"), SASL_PREP_E_BAD, SLICE("") },
	{ "emoji, younger than Unicode 3.2", SLICE("\xf0\x9f\x94\x91"),
	    SASL_PREP_OK, SLICE("\xf0\x9f\x94\x91") },
	{ "longest decomposition (U+FDFA)", SLICE("\xef\xb7\xba"), SASL_PREP_OK,
	    SLICE("\xd8\xb5\xd9\x84\xd9\x89 \xd8\xa7\xd9\x84\xd9\x84\xd9\x87 "
		  "\xd8\xb9\xd9\x84\xd9\x8a\xd9\x87 "
		  "\xd9\x88\xd8\xb3\xd9\x84\xd9\x85") },
};

static void
prepares(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		uint8_t at[64];
		size_t n = 4711;

		test_case(rows[i].what);
		test_int(sasl_prep(in, at, sizeof(at), &n), rows[i].want);
		if (rows[i].want == SASL_PREP_OK)
			test_slice(slice_of(at, n), rows[i].out);
		else
			test_int(n, 4711);
		test_free_copy(in);
	}
}

static void
minds_the_room(void **state)
{
	uint8_t at[4];
	size_t n = 0;

	(void)state;
	test_int(sasl_prep(SLICE("abcd"), at, 4, &n), SASL_PREP_OK);
	test_int(sasl_prep(SLICE("abcde"), at, 4, &n), SASL_PREP_E_FULL);
	test_int(sasl_prep(SLICE("ab\xe2\x82\xac"), at, 4, &n),
	    SASL_PREP_E_FULL);
}

TEST_MAIN(cmocka_unit_test(prepares), cmocka_unit_test(minds_the_room))
