/* SPDX-License-Identifier: ISC */
/* PLAIN, OAUTHBEARER and XOAUTH2 as clients send them, and nearly so. */
#include "base/test.h"

#include "sasl/message.h"

static const struct {
	const char *what;
	struct slice in;
	bool want;
	struct slice authzid, authcid, password;
} plains[] = {
	{ "RFC 4616, 4", SLICE("\0tim\0tanstaaftanstaaf"), true, SLICE(""),
	    SLICE("tim"), SLICE("tanstaaftanstaaf") },
	{ "for another", SLICE("Ursel\0Kurt\0xipj3plmq"), true, SLICE("Ursel"),
	    SLICE("Kurt"), SLICE("xipj3plmq") },
	{ "no password", SLICE("\0tim\0"), false },
	{ "name not UTF-8", SLICE("\0ti\xff\0x"), false },
	{ "password not UTF-8", SLICE("\0tim\0\xff"), true, SLICE(""),
	    SLICE("tim"), SLICE("\xff") },
	{ "no name", SLICE("\0\0x"), false },
	{ "one NUL", SLICE("tim\0x"), false },
	{ "three NULs", SLICE("\0tim\0x\0"), false },
	{ "empty", SLICE(""), false },
};

static void
plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		struct slice in = test_exact_copy(plains[i].in);
		struct sasl_plain p;

		test_case(plains[i].what);
		test_int(sasl_plain_parse(in, &p), plains[i].want);
		if (plains[i].want) {
			test_slice(p.authzid, plains[i].authzid);
			test_slice(p.authcid, plains[i].authcid);
			test_slice(p.password, plains[i].password);
		}
		test_free_copy(in);
	}
}

static void
plain_bounds(void **state)
{
	uint8_t at[2 + LIMIT_ADDRESS + 1 + SASL_PASSWORD_MAX + 1];
	struct sasl_plain p;

	(void)state;
	memset(at, 'x', sizeof(at));
	at[0] = at[1 + LIMIT_ADDRESS] = 0;
	test_true(sasl_plain_parse(slice_of(at,
				       2 + LIMIT_ADDRESS + SASL_PASSWORD_MAX),
	    &p));
	test_true(!sasl_plain_parse(slice_of(at,
					3 + LIMIT_ADDRESS + SASL_PASSWORD_MAX),
	    &p));
	at[1 + LIMIT_ADDRESS] = 'x';
	at[2 + LIMIT_ADDRESS] = 0;
	test_true(!sasl_plain_parse(slice_of(at, 10 + LIMIT_ADDRESS), &p));
}

#define A "\1"
static const struct {
	const char *what;
	struct slice in;
	bool is_xoauth2, want;
	struct slice name, token;
} bearers[] = {
	{ "RFC 7628, 4.1",
	    SLICE("n,a=user@example.com," A "host=server.example.com" A
		  "port=143" A "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRh" A A),
	    false, true, SLICE("user@example.com"),
	    SLICE("vF9dft4qmTc2Nvb3RlckBhbHRh") },
	{ "no name", SLICE("n,," A "auth=Bearer abc" A A), false, true,
	    SLICE(""), SLICE("abc") },
	{ "scheme in other case", SLICE("y,," A "auth=bearer abc==" A A), false,
	    true, SLICE(""), SLICE("abc==") },
	{ "name with comma", SLICE("n,a=a=2Cb=3D," A "auth=Bearer x" A A),
	    false, true, SLICE("a,b="), SLICE("x") },
	{ "name badly escaped", SLICE("n,a=a=2c," A "auth=Bearer x" A A), false,
	    false },
	{ "bound", SLICE("p=tls-exporter,," A "auth=Bearer x" A A), false,
	    false },
	{ "twice", SLICE("n,," A "auth=Bearer x" A "auth=Bearer y" A A), false,
	    false },
	{ "none", SLICE("n,," A "host=x" A A), false, false },
	{ "no end", SLICE("n,," A "auth=Bearer x" A), false, false },
	{ "behind the end", SLICE("n,," A "auth=Bearer x" A A "y"), false,
	    false },
	{ "other scheme", SLICE("n,," A "auth=Basic x" A A), false, false },
	{ "space in the token", SLICE("n,," A "auth=Bearer x y" A A), false,
	    false },
	{ "NUL", SLICE("n,," A "host=\0" A "auth=Bearer x" A A), false, false },
	{ "empty", SLICE(""), false, false },
	{ "only the error's answer", SLICE(A), false, false },
	{ "XOAUTH2", SLICE("user=a@b.example" A "auth=Bearer abc.d-e_f" A A),
	    true, true, SLICE("a@b.example"), SLICE("abc.d-e_f") },
	{ "XOAUTH2 without name", SLICE("user=" A "auth=Bearer x" A A), true,
	    false },
	{ "XOAUTH2 without end", SLICE("user=a" A "auth=Bearer x" A), true,
	    false },
	{ "XOAUTH2 empty", SLICE(""), true, false },
};

static void
tokens(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bearers) / sizeof(bearers[0]); i++) {
		struct slice in = test_exact_copy(bearers[i].in);
		struct sasl_bearer b;
		bool got = bearers[i].is_xoauth2
		    ? sasl_xoauth2_parse(in, &b)
		    : sasl_oauthbearer_parse(in, &b);

		test_case(bearers[i].what);
		test_int(got, bearers[i].want);
		if (got && bearers[i].want) {
			test_slice(slice_of(b.name, b.name_len),
			    bearers[i].name);
			test_slice(b.token, bearers[i].token);
		}
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(plain), cmocka_unit_test(plain_bounds),
    cmocka_unit_test(tokens))
