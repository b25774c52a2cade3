/* SPDX-License-Identifier: ISC */
/* Which login is chosen, and what it says, line by line. */
#include <string.h>

#include "base/test.h"
#include "smtp/auth.h"

enum {
	S256 = SMTP_AUTH_SCRAM_SHA_256,
	S1 = SMTP_AUTH_SCRAM_SHA_1,
	P = SMTP_AUTH_PLAIN,
	L = SMTP_AUTH_LOGIN
};

static const struct {
	const char *what;
	unsigned offered;
	bool may_say, has_nonce;
	int want;
	const char *line; /* it begins with that */
} firsts[] = {
	{ "the best", S256 | S1 | P | L, true, true, SMTP_AUTH_SAY,
	    "AUTH SCRAM-SHA-256 biwsbj1qbyxyPXJPcHJOR2Z3RWJlUldnYk5Fa3FP" },
	{ "the next", S1 | P | L, true, true, SMTP_AUTH_SAY,
	    "AUTH SCRAM-SHA-1 " },
	{ "without a nonce", S256 | P, true, false, SMTP_AUTH_SAY,
	    "AUTH PLAIN AGpvAHBlbmNpbA==" },
	{ "the last", L, true, true, SMTP_AUTH_SAY, "AUTH LOGIN" },
	{ "SCRAM may be heard", S1 | P, false, true, SMTP_AUTH_SAY,
	    "AUTH SCRAM-SHA-1 " },
	{ "a password may not", P | L, false, true, SMTP_AUTH_E_CLEAR, NULL },
	{ "nothing", 0, true, true, SMTP_AUTH_E_NONE, NULL },
};

static struct smtp_auth_input
input(unsigned offered, bool may_say, bool has_nonce)
{
	return (struct smtp_auth_input){ .user = "jo",
		.password = "pencil",
		.nonce = has_nonce ? "rOprNGfwEbeRWgbNEkqO" : NULL,
		.offered = offered,
		.may_say_password = may_say };
}

static void
first_lines_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		struct smtp_auth_input in = input(firsts[i].offered,
		    firsts[i].may_say, firsts[i].has_nonce);
		char line[SMTP_LOGIN_LINE];
		struct smtp_auth a;

		test_case(firsts[i].what);
		test_int(smtp_auth_begin(&a, &in, line), firsts[i].want);
		if (firsts[i].line != NULL)
			test_true(strncmp(line, firsts[i].line,
				      strlen(firsts[i].line)) == 0);
	}
}

static void
login_says_both(void **state)
{
	struct smtp_auth_input in = input(L, true, true);
	char line[SMTP_LOGIN_LINE];
	struct smtp_auth a;

	(void)state;
	test_int(smtp_auth_begin(&a, &in, line), SMTP_AUTH_SAY);
	test_int(smtp_auth_go_on(&a, &in, SLICE("VXNlcm5hbWU6"), line),
	    SMTP_AUTH_SAY);
	test_slice(slice_cstr(line), SLICE("am8="));
	test_true(!a.is_done);
	test_int(smtp_auth_go_on(&a, &in, SLICE(""), line), SMTP_AUTH_SAY);
	test_slice(slice_cstr(line), SLICE("cGVuY2ls"));
	test_true(a.is_done);
	test_int(smtp_auth_go_on(&a, &in, SLICE(""), line), SMTP_AUTH_E_BAD);
}

static void
scram_believes_nobody(void **state)
{
	struct smtp_auth_input in = input(S1, false, true);
	char line[SMTP_LOGIN_LINE];
	struct smtp_auth a;

	(void)state;
	test_int(smtp_auth_begin(&a, &in, line), SMTP_AUTH_SAY);
	test_true(!a.is_done);
	test_int(smtp_auth_go_on(&a, &in, SLICE("not base 64"), line),
	    SMTP_AUTH_E_BAD);
	test_int(smtp_auth_begin(&a, &in, line), SMTP_AUTH_SAY);
	/* r=rOprNGfwEbeRWgbNEkqOx,s=QSXC,i=4096 */
	test_int(smtp_auth_go_on(&a, &in,
		     SLICE("cj1yT3ByTkdmd0ViZVJXZ2JORWtxT3gscz1RU1hDLGk9NDA5"
			   "Ng=="),
		     line),
	    SMTP_AUTH_SAY);
	test_true(!a.is_done);
	/* v=AAAA */
	test_int(smtp_auth_go_on(&a, &in, SLICE("dj1BQUFB"), line),
	    SMTP_AUTH_E_BAD);
	test_true(!a.is_done);
}

TEST_MAIN(cmocka_unit_test(first_lines_by_table),
    cmocka_unit_test(login_says_both), cmocka_unit_test(scram_believes_nobody))
