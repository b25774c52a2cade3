/* SPDX-License-Identifier: ISC */
/* Keys of SCRAM as they are kept, and sets of verifiers. */
#include "base/test.h"

#include "base/base64.h"
#include "sasl/keys.h"

/* RFC 5802, section 5 and RFC 7677, section 3: "pencil", 4096 times */
static const struct {
	enum sasl_hash hash;
	struct slice salt, text;
} known[] = {
	{ SASL_SHA1, SLICE("QSXCR+Q6sek8bf92"),
	    SLICE("SCRAM-SHA-1$4096:QSXCR+Q6sek8bf92$"
		  "6dlGYMOdZcOPutkcNY8U2g7vK9Y=:D+CSWLOshSulAsxiupA+qs2/"
		  "fTE=") },
	{ SASL_SHA256, SLICE("W22ZaJ0SNY7soEsUEjb6gQ=="),
	    SLICE("SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"
		  "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
		  "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=") },
};

static void
derives_what_the_rfcs_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct sasl_keys keys, again;
		uint8_t salt[64];
		struct buf out;
		size_t n;

		test_true(base64_decode(known[i].salt, salt, sizeof(salt), &n));
		test_int(sasl_keys_derive(known[i].hash, SLICE("pencil"),
			     slice_of(salt, n), 4096, &keys),
		    0);
		buf_init(&out, SASL_KEYS_TEXT);
		test_int(sasl_keys_print(&keys, &out), 0);
		test_slice(buf_slice(&out), known[i].text);
		test_true(sasl_keys_parse(buf_slice(&out), &again));
		test_true(sasl_keys_equal(&keys, &again));
		test_int(again.iterations, 4096);
		test_int(again.salt_len, n);
		buf_deinit(&out);
	}
}

#define STORED "6dlGYMOdZcOPutkcNY8U2g7vK9Y="
#define SERVER "D+CSWLOshSulAsxiupA+qs2/fTE="
static const struct {
	const char *what;
	struct slice text;
	bool want;
} texts[] = {
	{ "good", SLICE("SCRAM-SHA-1$4096:QSXC$" STORED ":" SERVER), true },
	{ "too cheap", SLICE("SCRAM-SHA-1$4095:QSXC$" STORED ":" SERVER),
	    false },
	{ "dearest", SLICE("SCRAM-SHA-1$10000000:QSXC$" STORED ":" SERVER),
	    true },
	{ "too dear", SLICE("SCRAM-SHA-1$10000001:QSXC$" STORED ":" SERVER),
	    false },
	{ "beyond any number",
	    SLICE("SCRAM-SHA-1$99999999999999999999:QSXC$" STORED ":" SERVER),
	    false },
	{ "no salt", SLICE("SCRAM-SHA-1$4096:$" STORED ":" SERVER), false },
	{ "other hash", SLICE("SCRAM-SHA-512$4096:QSXC$" STORED ":" SERVER),
	    false },
	{ "digest of another length",
	    SLICE("SCRAM-SHA-256$4096:QSXC$" STORED ":" SERVER), false },
	{ "one key missing", SLICE("SCRAM-SHA-1$4096:QSXC$" STORED), false },
	{ "something behind",
	    SLICE("SCRAM-SHA-1$4096:QSXC$" STORED ":" SERVER "x"), false },
	{ "not base 64", SLICE("SCRAM-SHA-1$4096:Q!XC$" STORED ":" SERVER),
	    false },
	{ "empty", SLICE(""), false },
};

static void
parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct slice text = test_exact_copy(texts[i].text);
		struct sasl_keys keys;

		test_case(texts[i].what);
		test_int(sasl_keys_parse(text, &keys), texts[i].want);
		test_free_copy(text);
	}
}

static void
refuses_to_derive(void **state)
{
	struct sasl_keys keys;

	(void)state;
	test_true(sasl_keys_derive(SASL_SHA1, SLICE(""), SLICE("salt"), 4096,
		      &keys) < 0);
	test_true(sasl_keys_derive(SASL_SHA1, SLICE("x"), SLICE(""), 4096,
		      &keys) < 0);
	test_true(sasl_keys_derive(SASL_SHA1, SLICE("x"), SLICE("salt"), 0,
		      &keys) < 0);
	test_true(sasl_keys_derive(SASL_SHA1, SLICE("x"), SLICE("salt"),
		      SASL_ITERATIONS_MAX + 1, &keys) < 0);
}

static void
takes_sets_apart(void **state)
{
	struct slice set = SLICE("SCRAM-SHA-1$4096:QSXC$" STORED ":" SERVER
				 "  $argon2id$v=19$x {APP}y");
	struct sasl_keys keys;

	(void)state;
	test_slice(sasl_set_password(set), SLICE("$argon2id$v=19$x"));
	test_true(sasl_set_keys(set, SASL_SHA1, &keys));
	test_true(!sasl_set_keys(set, SASL_SHA256, &keys));
	test_slice(sasl_set_password(SLICE("SCRAM-x")), SLICE(""));
	test_slice(sasl_set_password(SLICE(" ")), SLICE(""));
	test_slice(sasl_set_password(SLICE("{CRYPT}abc")), SLICE("{CRYPT}abc"));
}

TEST_MAIN(cmocka_unit_test(derives_what_the_rfcs_say), cmocka_unit_test(parses),
    cmocka_unit_test(refuses_to_derive), cmocka_unit_test(takes_sets_apart))
