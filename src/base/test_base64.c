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

static const struct {
	const char *what;
	struct slice in;
	bool want;
	struct slice plain;
} urls[] = {
	{ "empty", SLICE(""), true, SLICE("") },
	{ "one octet", SLICE("Zg"), true, SLICE("f") },
	{ "two", SLICE("Zm8"), true, SLICE("fo") },
	{ "three", SLICE("Zm9v"), true, SLICE("foo") },
	{ "RFC 7515, appendix C", SLICE("A-z_4ME"), true,
	    SLICE("\x03\xec\xff\xe0\xc1") },
	{ "padding", SLICE("Zg=="), false, SLICE("") },
	{ "one character over", SLICE("Zm9vZ"), false, SLICE("") },
	{ "unused bits set", SLICE("Zh"), false, SLICE("") },
	{ "unused bits set, of two", SLICE("Zm9"), false, SLICE("") },
	{ "the other alphabet", SLICE("A+z/4ME"), false, SLICE("") },
	{ "line end", SLICE("Zm9v\n"), false, SLICE("") },
	{ "NUL", SLICE("Zm\0v"), false, SLICE("") },
};

static void
of_urls(void **state)
{
	uint8_t out[16];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct slice in = test_exact_copy(urls[i].in);
		size_t room = urls[i].want ? urls[i].plain.len : sizeof(out);

		test_case(urls[i].what);
		test_int(base64url_decode(in, out, room, &n), urls[i].want);
		if (urls[i].want)
			test_slice(slice_of(out, n), urls[i].plain);
		if (room > 0)
			test_true(!urls[i].want ||
			    !base64url_decode(in, out, room - 1, &n));
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(of_urls), cmocka_unit_test(goes_both_ways),
    cmocka_unit_test(refuses))
