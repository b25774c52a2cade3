/* SPDX-License-Identifier: ISC */
/* Modified UTF-7: each mailbox name has one spelling (RFC 3501, 5.1.3). */
#include "base/test.h"
#include "imap/utf7.h"

static const struct {
	const char *what;
	struct slice wire, name;
} names[] = {
	{ "plain", SLICE("INBOX/x y"), SLICE("INBOX/x y") },
	{ "empty", SLICE(""), SLICE("") },
	{ "ampersand", SLICE("a&-b"), SLICE("a&b") },
	{ "two ampersands", SLICE("&-&-"), SLICE("&&") },
	{ "the RFC's own", SLICE("~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
	    SLICE("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
		  "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e") },
	{ "one umlaut", SLICE("&APw-"), SLICE("\xc3\xbc") },
	{ "two in one shift", SLICE("&APwA5A-x"), SLICE("\xc3\xbc\xc3\xa4x") },
	{ "a pair", SLICE("&2D3eAA-"), SLICE("\xf0\x9f\x98\x80") },
};

static const struct {
	const char *what;
	struct slice wire;
} bad[] = {
	{ "no end of the shift", SLICE("&APw") },
	{ "ampersand alone", SLICE("a&") },
	{ "printable in base 64", SLICE("&AGE-") },
	{ "NUL in base 64", SLICE("&AAA-") },
	{ "two shifts that could be one", SLICE("&APw-&AOQ-") },
	{ "bits left over", SLICE("&APx-") },
	{ "half a unit", SLICE("&AP-") },
	{ "high surrogate alone", SLICE("&2D0-") },
	{ "low surrogate alone", SLICE("&3gA-") },
	{ "slash of usual base 64", SLICE("&U/BTFw-") },
	{ "padding", SLICE("&APw=-") },
	{ "8 bits", SLICE("\xc3\xbc") },
	{ "control", SLICE("a\tb") },
	{ "DEL", SLICE("a\x7f") },
};

static void
round_trips(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct slice wire = test_exact_copy(names[i].wire);
		uint8_t out[200];
		size_t n;

		test_case(names[i].what);
		test_true(imap_utf7_decode(wire, out, sizeof(out), &n));
		test_slice(slice_of(out, n), names[i].name);
		test_true(imap_utf7_encode(names[i].name, out, sizeof(out),
		    &n));
		test_slice(slice_of(out, n), names[i].wire);
		if (n > 0)
			test_true(!imap_utf7_encode(names[i].name, out, n - 1,
			    &n));
		test_free_copy(wire);
	}
}

static void
refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct slice wire = test_exact_copy(bad[i].wire);
		uint8_t out[200];
		size_t n = 77;

		test_case(bad[i].what);
		test_true(!imap_utf7_decode(wire, out, sizeof(out), &n));
		test_int(n, 77);
		test_free_copy(wire);
	}
	test_case("not UTF-8");
	{
		uint8_t out[20];
		size_t n;

		test_true(!imap_utf7_encode(SLICE("\xc3"), out, 20, &n));
		test_true(!imap_utf7_encode(SLICE("a\0b"), out, 20, &n));
	}
}

TEST_MAIN(cmocka_unit_test(round_trips), cmocka_unit_test(refusals))
