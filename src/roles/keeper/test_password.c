/* SPDX-License-Identifier: ISC */
/* Which verifiers are checked, how, and which are refused unread. */
#include "base/test.h"

#include <crypt.h>
#include <errno.h>

#include "roles/keeper/password.h"

static void
fresh_ones(void **state)
{
	char a[KEEPER_VERIFIER], b[KEEPER_VERIFIER];

	(void)state;
	test_int(keeper_hash_password(SLICE("correct horse"), a), 0);
	test_int(keeper_hash_password(SLICE("correct horse"), b), 0);
	test_true(strcmp(a, b) != 0);
	test_true(strncmp(a, "$argon2id$v=19$m=19456,t=2,p=1$", 31) == 0);
	test_true(keeper_password_matches(slice_cstr(a),
	    SLICE("correct horse")));
	test_true(!keeper_password_matches(slice_cstr(a),
	    SLICE("Correct horse")));
	test_true(!keeper_password_matches(slice_cstr(a), SLICE("")));
	test_true(!keeper_password_matches(slice_cstr(a),
	    SLICE("correct horse\0x")));
	test_true(keeper_verifier_is_known(slice_cstr(a)));
	test_true(!keeper_verifier_is_old(slice_cstr(a)));
}

static void
no_passwords(void **state)
{
	static uint8_t long_one[KEEPER_PASSWORD_MAX + 1];
	char out[KEEPER_VERIFIER] = "as it was";

	(void)state;
	memset(long_one, 'x', sizeof(long_one));
	test_int(keeper_hash_password(SLICE(""), out), -EINVAL);
	test_int(keeper_hash_password(SLICE("a\0b"), out), -EINVAL);
	test_int(keeper_hash_password(slice_of(long_one, sizeof(long_one)),
		     out),
	    -EINVAL);
	test_true(strcmp(out, "as it was") == 0);
	test_int(keeper_hash_password(slice_of(long_one, KEEPER_PASSWORD_MAX),
		     out),
	    0);
}

static void
imported(void **state)
{
	static const struct {
		const char *what, *setting, *prefix;
	} rows[] = {
		{ "SHA-512", "$6$saltsalt$", "{CRYPT}" },
		{ "SHA-512 by its name", "$6$saltsalt$", "{SHA512-CRYPT}" },
		{ "SHA-256, bare", "$5$saltsalt$", "" },
		{ "MD5", "$1$saltsalt$", "{crypt}" },
		{ "DES, behind a scheme only", "ab", "{CRYPT}" },
		{ "yescrypt", "$y$j75$saltsaltsalt$", "{CRYPT}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct crypt_data *work = calloc(1, sizeof(*work));
		char verifier[KEEPER_VERIFIER_MAX];
		const char *hash = crypt_rn("secret", rows[i].setting, work,
		    (int)sizeof(*work));

		test_case(rows[i].what);
		test_true(hash != NULL && hash[0] != '*');
		(void)snprintf(verifier, sizeof(verifier), "%s%s",
		    rows[i].prefix, hash);
		free(work);
		test_true(keeper_verifier_is_known(slice_cstr(verifier)));
		test_true(keeper_verifier_is_old(slice_cstr(verifier)));
		test_true(keeper_password_matches(slice_cstr(verifier),
		    SLICE("secret")));
		test_true(!keeper_password_matches(slice_cstr(verifier),
		    SLICE("secre")));
	}
}

static const struct {
	const char *what;
	struct slice verifier;
} refused[] = {
	{ "empty", SLICE("") },
	{ "plain text", SLICE("secret") },
	{ "scheme for plain text", SLICE("{PLAIN}secret") },
	{ "locked", SLICE("{CRYPT}*") },
	{ "locked with a hash behind", SLICE("{CRYPT}!$6$saltsalt$abc") },
	{ "only a scheme", SLICE("{CRYPT}") },
	{ "a NUL inside", SLICE("$6$saltsalt$\0") },
	{ "Argon2 of four gigabytes",
	    SLICE("$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$"
		  "AAAAAAAAAAAAAAAAAAAAAA") },
	{ "Argon2 of many passes",
	    SLICE("$argon2id$v=19$m=19456,t=4000000,p=1$c2FsdHNhbHRzYWx0$"
		  "AAAAAAAAAAAAAAAAAAAAAA") },
	{ "Argon2 with garbage", SLICE("$argon2id$v=19$m=x") },
	{ "Argon2 without parts", SLICE("$argon2id$") },
	{ "crypt behind Argon2's name", SLICE("{ARGON2ID}$6$saltsalt$x") },
};

static void
refused_ones(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct slice v = test_exact_copy(refused[i].verifier);

		test_case(refused[i].what);
		test_true(!keeper_password_matches(v, SLICE("secret")));
		test_true(!keeper_password_matches(v, refused[i].verifier));
		test_free_copy(v);
	}
}

TEST_MAIN(cmocka_unit_test(fresh_ones), cmocka_unit_test(no_passwords),
    cmocka_unit_test(imported), cmocka_unit_test(refused_ones))
