/* SPDX-License-Identifier: ISC */
/*
 * Verifiers of other programs: each form with a hash made by another program
 * (Python's hashlib), and what is refused unread because of its form or cost.
 */
#include "base/test.h"

#include "roles/keeper/import.h"
#include "roles/keeper/password.h"
#include "roles/keeper/set.h"

static const char *const good[] = {
	"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
	"{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
	"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=",
	"{SSHA256}+E+iFJ27Yu1ODPH1UNKUmzOmUT06dwfghQJRHHnMsO5zYWx0",
	"{SHA512}"
	"vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF"
	"5bDufKRpayrW/isg==",
	"{SSHA512}E491yrR9AdCoE7rbOPYS3EZgSuZpVE65AD9xko08s6floNesY/"
	"Zpe9zMVvLix4S2FiQSJ99RIkNvhHomNO9uL3NhbHQ=",
	"{ssha}D4kSuvPIF4rZzl+dW9Km/1788fBwZXBwZXI=",
	"{PBKDF2}$1$salt$1000$fa7bab9eff3a06a5271ccfb9b6d8728d0c7a334d",
	"$pbkdf2$1000$c2FsdHNhbHQ$iwnGHj3e4ShfYAA1SPz7CWOx6OI",
	"{PBKDF2}1000$c2FsdHNhbHQ$iwnGHj3e4ShfYAA1SPz7CWOx6OI",
	"{PBKDF2-SHA1}1000$c2FsdHNhbHQ$iwnGHj3e4ShfYAA1SPz7CWOx6OI",
	"{PBKDF2-SHA256}1000$c2FsdHNhbHQ$hgR9HsqtKupWxpnv8y99TrPDajTT/"
	"9PcSTlNafpdLXQ",
	"{PBKDF2-SHA512}1000$c2FsdHNhbHQ$sm09rUzS3..3."
	"cqsWziIoWFO8bEknKwJwGEvyD1ra4PcWJt5OiWFlM/"
	"BVv8ybJe4XW8qMpq33ecFrOaibNGiHA",
	"{PBKDF2}$pbkdf2$1000$c2FsdHNhbHQ$iwnGHj3e4ShfYAA1SPz7CWOx6OI",
	"$pbkdf2-sha256$1000$c2FsdHNhbHQ$hgR9HsqtKupWxpnv8y99TrPDajTT/"
	"9PcSTlNafpdLXQ",
	"{PBKDF2}$pbkdf2-sha256$1000$c2FsdHNhbHQ$hgR9HsqtKupWxpnv8y99TrPDajTT/"
	"9PcSTlNafpdLXQ",
	"$pbkdf2-sha512$1000$c2FsdHNhbHQ$sm09rUzS3..3."
	"cqsWziIoWFO8bEknKwJwGEvyD1ra4PcWJt5OiWFlM/"
	"BVv8ybJe4XW8qMpq33ecFrOaibNGiHA",
	"{PBKDF2}$pbkdf2-sha512$1000$c2FsdHNhbHQ$sm09rUzS3..3."
	"cqsWziIoWFO8bEknKwJwGEvyD1ra4PcWJt5OiWFlM/"
	"BVv8ybJe4XW8qMpq33ecFrOaibNGiHA",
	"{BLF-CRYPT}$2b$04$"
	"abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
	"{CRYPT}$6$rounds=1000$saltsalt$"
	"LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/otop/Zok96Hr8Q13LEv0DRY/"
	"x8v0/crpIjl8NJSAqXV/",
	"$y$j75$saltsaltsalt$jyf/lxrpdyAIshWRo1x5DRC6KIE7sNRRtjcomR3PgHA",
};

static void
takes_what_others_made(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct slice v = test_exact_copy(slice_cstr(good[i]));

		test_case(good[i]);
		test_true(keeper_set_is_known(v));
		test_true(keeper_set_is_old(v));
		test_true(keeper_password_matches(v, SLICE("secret")));
		test_true(!keeper_password_matches(v, SLICE("secre")));
		test_true(!keeper_password_matches(v, SLICE("secret ")));
		test_true(!keeper_password_matches(v, SLICE("")));
		test_free_copy(v);
	}
}

static const char *const bad[] = {
	"",
	"{SSHA}",
	"{SSHA}AAAA",
	"{SSHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",    /* no salt */
	"{SHA}5en6G6MezRroT3XKqkdPOmY/BfRzYWx0", /* salt */
	"{SSHA}!!!!",
	"{PLAIN}secret",
	"{CLEARTEXT}secret",
	"{SMD5}AAAAAAAAAAAAAAAAAAAAAHNhbHQ=",
	"{PBKDF2}$1$salt$0$"
	"0000000000000000000000000000000000000000",
	"{PBKDF2}$1$salt$2000001$"
	"0000000000000000000000000000000000000000",
	"{PBKDF2}$1$$1000$"
	"0000000000000000000000000000000000000000",
	"{PBKDF2}$1$salt$1000$"
	"000000000000000000000000000000000000000g",
	"{PBKDF2}$1$salt$1000$"
	"00000000000000000000000000000000000000",
	"{PBKDF2}$2$salt$1000$"
	"0000000000000000000000000000000000000000",
	"$pbkdf2-sha256$99999999$c2FsdA$c2FsdA",
	"$pbkdf2-sha256$1000$c2FsdA$c2FsdA",
	"$pbkdf2-sha256$1000$c2FsdA==$c2FsdA",
	"$pbkdf2-md5$1000$c2FsdA$c2FsdA",
	"{PBKDF2}1000$c2FsdHNhbHQ$",
	"{PBKDF2-SHA256}1000$c2FsdHNhbHQ$iwnGHj3e4ShfYAA1SPz7CWOx6OI",
	"$6$saltsalt$x", /* cut */
	"{CRYPT}$6$saltsalt$",
	"$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr",
	"$y$j75$saltsaltsalt$jyf/lxrpdyAIshWRo1x5DRC6KIE7sNRRtjcomR3PgH",
	"$6$rounds=1000001$saltsalt$x",
	"$5$rounds=x$saltsalt$x",
	"$2b$15$abcdefghijklmnopqrstuu",
	"$2b$xx$abcdefghijklmnopqrstuu",
	"$y$jFT$saltsalt$x",
	"$y$j9z$saltsalt$x",
	"$y$j9TA$saltsalt$x",
	"$7$CU..../....saltsalt$x",
	"$sha1$99999999$saltsalt$x",
	"{CRYPT}_J9..saltxxxxxxxxxxx",
	"{CRYPT}tooshort",
	"SCRAM-SHA-256$1:AAAA$x:y",
	"$6$saltsalt$x garbage",
};

static void
refuses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct slice v = test_exact_copy(slice_cstr(bad[i]));

		test_case(bad[i]);
		test_true(!keeper_set_is_known(v));
		test_free_copy(v);
	}
}

/* By counted work: whoever is asked about, one slow check and no more. */
static void
rows(void **state)
{
	const struct sasl_row none[] = { { 0, SASL_FOR_ALL, SLICE("") } };
	const struct sasl_row other[] = { { 0, SASL_FOR_IMAP,
	    SLICE("{SSHA}uKRlmvISaU9m495w4GjscnTL0BBzYWx0") } };
	const struct sasl_row own[] = { { 0, SASL_FOR_IMAP,
	    SLICE("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0") } };
	uint32_t used = 7;

	(void)state;
	test_true(keeper_rows_match(own, 1, SASL_FOR_IMAP,
	    SLICE("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"), SLICE("secret"),
	    &used));
	test_int(used, 0);
	test_case("the dummy that is tried, too, behind a cheap one");
	test_true(!keeper_rows_match(own, 1, SASL_FOR_IMAP,
	    SLICE("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="), SLICE("other"),
	    &used));
	test_true(!keeper_rows_match(other, 1, SASL_FOR_IMAP,
	    SLICE("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="), SLICE("secret"),
	    &used));
	test_case("another service; nobody; no password: the dummy is no way "
		  "in");
	test_true(!keeper_rows_match(own, 1, SASL_FOR_SMTP,
	    SLICE("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"), SLICE("secret"),
	    &used));
	test_true(!keeper_rows_match(NULL, 0, SASL_FOR_IMAP,
	    SLICE("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"), SLICE("secret"),
	    &used));
	test_true(!keeper_rows_match(none, 1, SASL_FOR_IMAP,
	    SLICE("{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0"), SLICE("secret"),
	    &used));
}

/* A wrong password for them takes as long as for anybody: something slow is
 * made besides. */
static void
cheap_ones(void **state)
{
	static const struct {
		const char *verifier;
		bool is_cheap;
	} cases[] = {
		{ "{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0", true },
		{ "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", true },
		{ "{CRYPT}abJnggxhB/yWI", true },
		{ "{CRYPT}$6$rounds=1000$saltsalt$"
		  "LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/"
		  "otop/Zok96Hr8Q13LEv0DRY/x8v0/crpIjl8NJSAqXV/",
		    true },
		{ "{PBKDF2}$1$salt$1000$"
		  "fa7bab9eff3a06a5271ccfb9b6d8728d0c7a334d",
		    false },
		{ "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8W"
		  "IrW",
		    false },
		{ "$y$j75$saltsaltsalt$jyf/lxrpdyAIshWRo1x5DRC6KIE7sNRRtjcom"
		  "R3PgHA",
		    false },
		{ "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA", false },
		{ "", false },
		{ "nonsense", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case(cases[i].verifier);
		test_int(
		    keeper_verifier_is_cheap(slice_cstr(cases[i].verifier)),
		    cases[i].is_cheap);
	}
}

TEST_MAIN(cmocka_unit_test(takes_what_others_made), cmocka_unit_test(refuses),
    cmocka_unit_test(rows), cmocka_unit_test(cheap_ones))
