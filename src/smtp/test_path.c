/* SPDX-License-Identifier: ISC */
/* What RFC 5321 section 4.1.2 lets into an envelope, and what we keep out. */
#include "base/test.h"
#include "smtp/path.h"

#define S(text)                                                                \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}
#define A62 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A63 A62 "a"
#define A64 A63 "a"
#define B60 "bbbbbbbbbb.bbbbbbbbbb.bbbbbbbbbb.bbbbbbbbbb.bbbbbbbbbb.bbbbb"

static const struct {
	const char *what;
	struct slice in;
	int want;
	struct slice address, domain, rest;
} paths[] = {
	{ "plain", S("<a.b@example.org>"), SMTP_PATH_OK, S("a.b@example.org"),
	    S("example.org"), S("") },
	{ "null path", S("<> SIZE=9"), SMTP_PATH_OK, S(""), S(""),
	    S(" SIZE=9") },
	{ "quoted, with the brackets inside", S("<\"a>@b\"@c.org>"),
	    SMTP_PATH_OK, S("\"a>@b\"@c.org"), S("c.org"), S("") },
	{ "quoted pair", S("<\"a\\\"\\\\\"@c.org>"), SMTP_PATH_OK,
	    S("\"a\\\"\\\\\"@c.org"), S("c.org"), S("") },
	{ "source route", S("<@a.org,@[192.0.2.1]:u@c.org>x"), SMTP_PATH_OK,
	    S("u@c.org"), S("c.org"), S("x") },
	{ "IPv4", S("<a@[192.0.2.255]>"), SMTP_PATH_OK, S("a@[192.0.2.255]"),
	    S("[192.0.2.255]"), S("") },
	{ "IPv6", S("<a@[ipv6:2001:DB8:0:0:0:0:0:1]>"), SMTP_PATH_OK,
	    S("a@[ipv6:2001:DB8:0:0:0:0:0:1]"),
	    S("[ipv6:2001:DB8:0:0:0:0:0:1]"), S("") },
	{ "one label", S("<a@b>"), SMTP_PATH_OK, S("a@b"), S("b"), S("") },
	{ "digits", S("<1@2>"), SMTP_PATH_OK, S("1@2"), S("2"), S("") },
	{ "local part of 64", S("<" A64 "@c.org>"), SMTP_PATH_OK,
	    S(A64 "@c.org"), S("c.org"), S("") },
	{ "local part of 65", S("<a" A64 "@c.org>"), SMTP_PATH_E_TOO_LONG },
	{ "path of 256", S("<" A64 "@" B60 "." B60 "." B60 ".cccccc>"),
	    SMTP_PATH_OK, S(A64 "@" B60 "." B60 "." B60 ".cccccc"),
	    S(B60 "." B60 "." B60 ".cccccc"), S("") },
	{ "path of 257", S("<" A64 "@" B60 "." B60 "." B60 ".ccccccc>"),
	    SMTP_PATH_E_TOO_LONG },
	{ "label of 64", S("<a@" A64 ">"), SMTP_PATH_E_SYNTAX },
	{ "shell in the local part, no domain", S("<;id;>"),
	    SMTP_PATH_E_SYNTAX },
	{ "backslash at the very end", S("<\"\\"), SMTP_PATH_E_SYNTAX },
	{ "NUL inside", S("<a\0b@c.org>"), SMTP_PATH_E_SYNTAX },
	{ "NUL as atom", S("<\0@c.org>"), SMTP_PATH_E_SYNTAX },
	{ "CR LF inside quotes", S("<\"a\r\nb\"@c.org>"), SMTP_PATH_E_SYNTAX },
	{ "UTF-8", S("<\xc3\xa9@\xc3\xa9.org>"), SMTP_PATH_OK,
	    S("\xc3\xa9@\xc3\xa9.org"), S("\xc3\xa9.org"), S("") },
	{ "UTF-8 in quotes", S("<\"\xc3\xa9 \"@c.org>"), SMTP_PATH_OK,
	    S("\"\xc3\xa9 \"@c.org"), S("c.org"), S("") },
	{ "UTF-8 behind a backslash", S("<\"\\\xc3\xa9\"@c.org>"),
	    SMTP_PATH_E_SYNTAX },
	{ "8-bit that is no UTF-8", S("<\xe9@c.org>"), SMTP_PATH_E_SYNTAX },
	{ "an overlong slash", S("<a@\xc0\xaf.org>"), SMTP_PATH_E_SYNTAX },
	{ "a surrogate", S("<\xed\xa0\x80@c.org>"), SMTP_PATH_E_SYNTAX },
	{ "empty", S(""), SMTP_PATH_E_SYNTAX },
	{ "only the bracket", S("<"), SMTP_PATH_E_SYNTAX },
	{ "no end", S("<a@b"), SMTP_PATH_E_SYNTAX },
	{ "no bracket", S("a@b>"), SMTP_PATH_E_SYNTAX },
	{ "dot at the end of the domain", S("<a@b.>"), SMTP_PATH_E_SYNTAX },
	{ "underscores in the domain", S("<a@_b_._c.d_e>"), SMTP_PATH_OK,
	    S("a@_b_._c.d_e"), S("_b_._c.d_e"), S("") },
	{ "label of 64 with an underscore", S("<a@_" A63 ">"),
	    SMTP_PATH_E_SYNTAX },
	{ "label of 63 with an underscore", S("<a@_" A62 ">"), SMTP_PATH_OK,
	    S("a@_" A62), S("_" A62), S("") },
	{ "space before the bracket is the command's matter", S(" <a@b>"),
	    SMTP_PATH_E_SYNTAX },
	{ "space within the brackets", S("< a@b>"), SMTP_PATH_E_SYNTAX },
	{ "space before the closing one", S("<a@b >"), SMTP_PATH_E_SYNTAX },
	{ "hyphen at the end of a label", S("<a@b-.c>"), SMTP_PATH_E_SYNTAX },
	{ "two dots", S("<a..b@c>"), SMTP_PATH_E_SYNTAX },
	{ "route without colon", S("<@a.org u@c.org>"), SMTP_PATH_E_SYNTAX },
	{ "route to nobody", S("<@a.org:>"), SMTP_PATH_E_SYNTAX },
	{ "lone postmaster is RCPT's only", S("<postmaster>"),
	    SMTP_PATH_E_SYNTAX },
};

static void
parses_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		/* exactly as long as the input, so ASan guards its edge */
		struct slice in = test_exact_copy(paths[i].in);
		struct slice whole = in, before = in;
		struct smtp_path got = { 0 };

		test_case(paths[i].what);
		test_int(smtp_path_parse(&in, &got), paths[i].want);
		if (paths[i].want == SMTP_PATH_OK) {
			test_slice(got.address, paths[i].address);
			test_slice(got.domain, paths[i].domain);
			test_slice(in, paths[i].rest);
			test_int(got.is_ascii, slice_is_ascii(got.address));
		} else {
			test_slice(in, before); /* untouched on failure */
			test_int(got.address.len, 0);
		}
		test_free_copy(whole);
	}
}

static const struct {
	const char *text;
	bool is_domain, is_helo;
} domains[] = {
	{ "client.example", true, true },
	{ "[192.0.2.1]", true, true },
	{ "[192.0.2.256]", false, false },
	{ "[192.0.2.1", false, false },
	{ "[192.0.2.0001]", false, false },
	{ "[192.0.2.1.1]", false, false },
	{ "[IPv6:::]", true, true },
	{ "[IPv6:::1]", true, true },
	{ "[IPv6:1::]", true, true },
	{ "[IPv6:1:2:3:4:5:6:7:8]", true, true },
	{ "[IPv6:1:2:3:4:5:6:7]", false, false },
	{ "[IPv6:1:2:3:4:5:6:7:8:9]", false, false },
	{ "[IPv6:1:2:3:4:5:6::]", true, true },
	{ "[IPv6:1:2:3:4:5:6:7::]", false, false },
	{ "[IPv6:1::2::3]", false, false },
	{ "[IPv6:12345::]", false, false },
	{ "[IPv6:1:2:3:4:5:6:192.0.2.1]", true, true },
	{ "[IPv6:::192.0.2.1]", true, true },
	{ "[IPv6:1:2:3:4:5:6:7:192.0.2.1]", false, false },
	{ "[IPv6:1:2:3:4:5:6:7:]", false, false },
	{ "[IPv6::1]", false, false },
	{ "[IPv6:]", false, false },
	{ "[2001:db8::1]", false, false },
	{ "[tag:x]", false, false },
	{ "my_pc", true, true },
	{ "_", true, true },
	{ "_a._b_.c", true, true },
	{ "a_-.b", false, true },
	{ "-_.b", false, false },
	{ "[192.0.2.1_]", false, false },
	{ "[IPv6:_::1]", false, false },
	{ "a_b\xc3\xa9", false, false },
	{ "a..b", false, false },
	{ ".a", false, false },
	{ "a.", false, false },
	{ "-a", false, false },
	{ "a b", false, false },
	{ "", false, false },
};

static void
knows_domains(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		struct slice s = test_exact_copy(slice_cstr(domains[i].text));

		test_case(domains[i].text);
		test_int(smtp_domain_is_valid(s), domains[i].is_domain);
		test_int(smtp_helo_is_valid(s), domains[i].is_helo);
		test_free_copy(s);
	}
}

static void
rcpt_takes_postmaster(void **state)
{
	struct slice in = SLICE("<PostMaster> x"), null = SLICE("<>");
	struct smtp_path got = { 0 };

	(void)state;
	test_int(smtp_path_parse_rcpt(&in, &got), SMTP_PATH_OK);
	test_slice(got.address, SLICE("PostMaster"));
	test_slice(in, SLICE(" x"));
	test_int(smtp_path_parse_rcpt(&null, &got), SMTP_PATH_E_SYNTAX);
	test_true(smtp_address_is_valid(SLICE("a@b.example")));
	test_true(!smtp_address_is_valid(SLICE("a@b.example>")));
	test_true(!smtp_address_is_valid(SLICE("a@b.example\r\nRSET")));
	test_true(!smtp_address_is_valid(SLICE("")));
}

TEST_MAIN(cmocka_unit_test(parses_paths), cmocka_unit_test(knows_domains),
    cmocka_unit_test(rcpt_takes_postmaster))
