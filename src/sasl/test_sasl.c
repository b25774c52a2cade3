/* SPDX-License-Identifier: ISC */
/*
 * Whole logins: each mechanism, right and wrong, and that a name nobody has
 * goes the way of one that somebody has.
 */
#include "base/test.h"

#include "base/base64.h"
#include "sasl/fake_keeper.h"

/* One conversation: responses in turn, "-" for no initial response. */
static const struct {
	const char *what;
	enum sasl_mechanism mechanism;
	uint32_t service;
	struct slice responses[4];
	size_t n;
	enum sasl_want want;
	struct slice last_challenge;
} talks[] = {
	{ "PLAIN", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("\0alice@one.example\0correct horse") }, 1, SASL_YES,
	    SLICE("") },
	{ "PLAIN for herself", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("alice@one.example\0alice@one.example\0correct horse") }, 1,
	    SASL_YES, SLICE("") },
	{ "PLAIN for herself, in capitals", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("Alice@One.Example\0alice@one.example\0correct horse") }, 1,
	    SASL_YES, SLICE("") },
	{ "PLAIN for another", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("bob@one.example\0alice@one.example\0correct horse") }, 1,
	    SASL_NO, SLICE("") },
	{ "PLAIN after a challenge", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("-"), SLICE("\0alice@one.example\0correct horse") }, 2,
	    SASL_YES, SLICE("") },
	{ "PLAIN wrong", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("\0alice@one.example\0Correct horse") }, 1, SASL_NO,
	    SLICE("") },
	{ "PLAIN unknown", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("\0eve@one.example\0correct horse") }, 1, SASL_NO,
	    SLICE("") },
	{ "PLAIN malformed", SASL_PLAIN, SASL_FOR_SMTP,
	    { SLICE("alice@one.example\0correct horse") }, 1, SASL_MALFORMED,
	    SLICE("") },
	{ "application password", SASL_PLAIN, SASL_FOR_IMAP,
	    { SLICE("\0alice@one.example\0just-for-imap") }, 1, SASL_YES,
	    SLICE("") },
	{ "application password, elsewhere", SASL_PLAIN, SASL_FOR_POP3,
	    { SLICE("\0alice@one.example\0just-for-imap") }, 1, SASL_NO,
	    SLICE("") },
	{ "LOGIN", SASL_LOGIN, SASL_FOR_SMTP,
	    { SLICE("-"), SLICE("alice@one.example"), SLICE("correct horse") },
	    3, SASL_YES, SLICE("Password:") },
	{ "LOGIN with the name at once", SASL_LOGIN, SASL_FOR_SMTP,
	    { SLICE("alice@one.example"), SLICE("correct horse") }, 2, SASL_YES,
	    SLICE("Password:") },
	{ "LOGIN wrong", SASL_LOGIN, SASL_FOR_SMTP,
	    { SLICE("-"), SLICE("alice@one.example"), SLICE("") }, 3, SASL_NO,
	    SLICE("Password:") },
	{ "LOGIN without name", SASL_LOGIN, SASL_FOR_SMTP,
	    { SLICE("-"), SLICE("") }, 2, SASL_MALFORMED, SLICE("Username:") },
	{ "SCRAM-SHA-1 malformed", SASL_SCRAM_SHA_1, SASL_FOR_SMTP,
	    { SLICE("n,,x") }, 1, SASL_MALFORMED, SLICE("") },
	{ "SCRAM, final malformed", SASL_SCRAM_SHA_1, SASL_FOR_SMTP,
	    { SLICE("n,,n=alice@one.example,r=x"), SLICE("c=biws") }, 2,
	    SASL_MALFORMED,
	    SLICE("r=x0123456789abcdefghijklmn,s=c2FsdAAAAAAAAAAAAAAAAA==,"
		  "i=4096") },
	{ "SCRAM unknown: a challenge all the same", SASL_SCRAM_SHA_1,
	    SASL_FOR_SMTP,
	    { SLICE("n,,n=eve@one.example,r=x"),
		SLICE("c=biws,r=x0123456789abcdefghijklmn,"
		      "p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=") },
	    2, SASL_NO,
	    SLICE("r=x0123456789abcdefghijklmn,s=c2FsdAAAAAAAAAAAAAAAAA==,"
		  "i=65536") },
	{ "OAUTHBEARER", SASL_OAUTHBEARER, SASL_FOR_SMTP,
	    { SLICE("n,a=alice@one.example,\1auth=Bearer good-token\1\1") }, 1,
	    SASL_YES, SLICE("") },
	{ "OAUTHBEARER without name", SASL_OAUTHBEARER, SASL_FOR_SMTP,
	    { SLICE("n,,\1auth=Bearer good-token\1\1") }, 1, SASL_YES,
	    SLICE("") },
	{ "OAUTHBEARER for another", SASL_OAUTHBEARER, SASL_FOR_SMTP,
	    { SLICE("n,a=bob@one.example,\1auth=Bearer good-token\1\1"),
		SLICE("\1") },
	    2, SASL_NO, SLICE("{\"status\":\"invalid_token\"}") },
	{ "OAUTHBEARER bad token", SASL_OAUTHBEARER, SASL_FOR_SMTP,
	    { SLICE("n,,\1auth=Bearer bad-token\1\1"), SLICE("\1") }, 2,
	    SASL_NO, SLICE("{\"status\":\"invalid_token\"}") },
	{ "XOAUTH2", SASL_XOAUTH2, SASL_FOR_SMTP,
	    { SLICE("user=alice@one.example\1auth=Bearer good-token\1\1") }, 1,
	    SASL_YES, SLICE("") },
	{ "XOAUTH2 bad", SASL_XOAUTH2, SASL_FOR_SMTP,
	    { SLICE("user=alice@one.example\1auth=Bearer x\1\1"), SLICE("") },
	    2, SASL_NO, SLICE("{\"status\":\"401\",\"schemes\":\"bearer\"}") },
	{ "EXTERNAL", SASL_EXTERNAL, SASL_FOR_SMTP, { SLICE("") }, 1, SASL_YES,
	    SLICE("") },
	{ "EXTERNAL for another", SASL_EXTERNAL, SASL_FOR_SMTP,
	    { SLICE("bob@one.example") }, 1, SASL_NO, SLICE("") },
	{ "EXTERNAL malformed", SASL_EXTERNAL, SASL_FOR_SMTP, { SLICE("a\0b") },
	    1, SASL_MALFORMED, SLICE("") },
};

static void
talk(size_t i, enum sasl_want *ret, struct slice *ret_challenge)
{
	static struct fake_keeper k;
	size_t at = 0;
	bool has_initial = !slice_equal(talks[i].responses[0], SLICE("-"));

	fake_keeper_init(&k);
	k.has_certificate = true;
	*ret_challenge = SLICE("");
	*ret = fake_keeper_start(&k, talks[i].mechanism, SASL_MASK_ALL,
	    talks[i].service, has_initial ? &talks[i].responses[0] : NULL);
	for (at = 1; *ret == SASL_SAY && at < talks[i].n; at++) {
		*ret_challenge = fake_keeper_challenge(&k);
		*ret = fake_keeper_step(&k, talks[i].responses[at]);
	}
	test_int(at, talks[i].n);
}

static void
who_gets_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(talks) / sizeof(talks[0]); i++) {
		enum sasl_want got;
		struct slice challenge;

		test_case(talks[i].what);
		talk(i, &got, &challenge);
		test_int(got, talks[i].want);
		test_slice(challenge, talks[i].last_challenge);
	}
}

/* The client's half, which the program does not need. */
static size_t
client_final(struct slice bare, struct slice server, struct slice password,
    char *at, size_t size)
{
	static const char head[] = "c=biws,r=x0123456789abcdefghijklmn";
	uint8_t client[SASL_DIGEST_MAX], mask[SASL_DIGEST_MAX], salt[SASL_SALT];
	char all[512], proof[64];
	struct sasl_keys keys;
	uint8_t salted[SASL_DIGEST_MAX];
	int n;

	memset(salt, 0, sizeof(salt));
	memcpy(salt, "salt", 4);
	test_int(sasl_keys_derive(SASL_SHA256, password,
		     slice_of(salt, sizeof(salt)), 4096, &keys),
	    0);
	/* PBKDF2 by hand, one block (RFC 8018, 5.2) */
	uint8_t block[SASL_SALT + 4] = { 's', 'a', 'l', 't' }, u[32];

	block[SASL_SALT + 3] = 1;
	sasl_hmac(SASL_SHA256, password, slice_of(block, sizeof(block)), u);
	memcpy(salted, u, sizeof(u));
	for (int i = 1; i < 4096; i++) {
		sasl_hmac(SASL_SHA256, password, slice_of(u, sizeof(u)), u);
		for (size_t j = 0; j < sizeof(u); j++)
			salted[j] ^= u[j];
	}
	sasl_hmac(SASL_SHA256, slice_of(salted, 32), SLICE("Client Key"),
	    client);
	n = snprintf(all, sizeof(all), "%.*s,%.*s,%s", SLICE_FMT(bare),
	    SLICE_FMT(server), head);
	sasl_hmac(SASL_SHA256, slice_of(keys.stored, 32),
	    slice_of(all, (size_t)n), mask);
	for (size_t i = 0; i < 32; i++)
		client[i] ^= mask[i];
	proof[base64_encode(slice_of(client, 32), proof)] = '\0';
	return (size_t)snprintf(at, size, "%s,p=%s", head, proof);
}

static const struct {
	const char *what;
	struct slice bare, password;
	uint32_t service;
	enum sasl_want want;
	uint32_t used;
} scrams[] = {
	{ "right", SLICE("n=alice@one.example,r=x"), SLICE("correct horse"),
	    SASL_FOR_SMTP, SASL_YES, 0 },
	{ "wrong", SLICE("n=alice@one.example,r=x"), SLICE("wrong"),
	    SASL_FOR_SMTP, SASL_NO, 0 },
	{ "application password", SLICE("n=alice@one.example,r=x"),
	    SLICE("just-for-imap"), SASL_FOR_IMAP, SASL_YES, 1 },
	{ "application password elsewhere", SLICE("n=alice@one.example,r=x"),
	    SLICE("just-for-imap"), SASL_FOR_SMTP, SASL_NO, 0 },
};

static void
scram(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scrams) / sizeof(scrams[0]); i++) {
		static struct fake_keeper k;
		char first[128], final[256];
		struct slice response;
		enum sasl_want got;

		test_case(scrams[i].what);
		fake_keeper_init(&k);
		response = slice_of(first,
		    (size_t)snprintf(first, sizeof(first), "n,,%.*s",
			SLICE_FMT(scrams[i].bare)));
		got = fake_keeper_start(&k, SASL_SCRAM_SHA_256,
		    SASL_BIT(SASL_SCRAM_SHA_256), scrams[i].service, &response);
		test_int(got, SASL_SAY);
		response = slice_of(final,
		    client_final(scrams[i].bare, fake_keeper_challenge(&k),
			scrams[i].password, final, sizeof(final)));
		got = fake_keeper_step(&k, response);
		if (scrams[i].want == SASL_YES) {
			test_int(got, SASL_SAY);
			test_true(slice_starts(fake_keeper_challenge(&k),
			    SLICE("v=")));
			got = fake_keeper_step(&k, SLICE(""));
			test_int(k.sasl.used, scrams[i].used);
		}
		test_int(got, scrams[i].want);
	}
}

static void
names(void **state)
{
	struct buf out;
	unsigned mask = 0;

	(void)state;
	buf_init(&out, 256);
	test_int(sasl_mechanisms_print(SASL_MASK_PASSWORD |
			 SASL_BIT(SASL_SCRAM_SHA_256),
		     " AUTH=", &out),
	    0);
	test_slice(buf_slice(&out),
	    SLICE(" AUTH=SCRAM-SHA-256 AUTH=PLAIN AUTH=LOGIN"));
	buf_deinit(&out);
	test_int(sasl_mechanism_find(SLICE("scram-sha-1-plus")),
	    SASL_SCRAM_SHA_1_PLUS);
	test_int(sasl_mechanism_find(SLICE("CRAM-MD5")), N_SASL_MECHANISMS);
	test_true(sasl_mechanisms_parse(SLICE("PLAIN login"), &mask));
	test_int(mask, SASL_MASK_PASSWORD);
	test_true(!sasl_mechanisms_parse(SLICE("PLAIN  LOGIN"), &mask));
	test_true(!sasl_mechanisms_parse(SLICE(""), &mask));
	test_true(!sasl_mechanisms_parse(SLICE("PLAIN NTLM"), &mask));
}

static void
wipes(void **state)
{
	static struct fake_keeper k;
	static const struct sasl zero;
	struct slice first = SLICE("\0alice@one.example\0correct horse");

	(void)state;
	fake_keeper_init(&k);
	(void)fake_keeper_start(&k, SASL_PLAIN, SASL_MASK_ALL, SASL_FOR_SMTP,
	    &first);
	sasl_wipe(&k.sasl);
	test_int(memcmp(&k.sasl, &zero, sizeof(zero)), 0);
}

TEST_MAIN(cmocka_unit_test(who_gets_in), cmocka_unit_test(scram),
    cmocka_unit_test(names), cmocka_unit_test(wipes))
