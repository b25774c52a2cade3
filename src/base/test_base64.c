/* SPDX-License-Identifier: ISC */
/* RFC 4648, section 10, and every way to spell it wrongly. */
#include "base/base64.h"
#include "base/test.h"

static const struct {
	struct slice plain, encoded;
} both[] = {
	{ SLICE(""), SLICE("") },
	{ SLICE("f"), SLICE("Zg==") },
	{ SLICE("fo"), SLICE("Zm8=") },
	{ SLICE("foo"), SLICE("Zm9v") },
	{ SLICE("foob"), SLICE("Zm9vYg==") },
	{ SLICE("fooba"), SLICE("Zm9vYmE=") },
	{ SLICE("foobar"), SLICE("Zm9vYmFy") },
	{ SLICE("\0a\0\xff"), SLICE("AGEA/w==") },
};

static const struct {
	const char *what;
	struct slice in;
} bad[] = {
	{ "not a group", SLICE("Zg") },
	{ "padding alone", SLICE("====") },
	{ "three pads", SLICE("Z===") },
	{ "padding inside", SLICE("Zg==Zg==") },
	{ "unused bits set", SLICE("Zh==") },
	{ "unused bits set, one pad", SLICE("Zm9=") },
	{ "white space", SLICE("Zm9 ") },
	{ "line end", SLICE("Zm9v\r\n==") },
	{ "url alphabet", SLICE("_-_-") },
	{ "NUL", SLICE("Zm\0v") },
	{ "8-bit", SLICE("Zm\xc3v") },
};

static void
goes_both_ways(void **state)
{
	uint8_t out[16];
	char text[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(both) / sizeof(both[0]); i++) {
		struct slice in = test_exact_copy(both[i].encoded);

		test_case((const char *)both[i].encoded.at);
		n = base64_encode(both[i].plain, text);
		test_slice(slice_of(text, n), both[i].encoded);
		test_true(base64_decode(in, out, both[i].plain.len, &n));
		test_slice(slice_of(out, n), both[i].plain);
		if (both[i].plain.len > 0)
			test_true(!base64_decode(in, out, both[i].plain.len - 1,
			    &n));
		test_free_copy(in);
	}
}

static void
refuses(void **state)
{
	uint8_t out[16];
	size_t n = 77;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct slice in = test_exact_copy(bad[i].in);

		test_case(bad[i].what);
		test_true(!base64_decode(in, out, sizeof(out), &n));
		test_int(n, 77);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(goes_both_ways), cmocka_unit_test(refuses))
