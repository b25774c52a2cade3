/* SPDX-License-Identifier: ISC */
/* The client's SCRAM against the examples of RFC 5802 and 7677, and against
 * servers that are none. */
#include "base/test.h"
#include "sasl/scram_client.h"

static const struct {
	const char *what;
	enum sasl_hash hash;
	struct slice nonce, first, server, final, signature;
} examples[] = {
	{ "RFC 5802, 5", SASL_SHA1, SLICE("fyko+d2lbbFgONRv9qkxdawL"),
	    SLICE("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"),
	    SLICE("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
		  "s=QSXCR+Q6sek8bf92,i=4096"),
	    SLICE("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
		  "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
	    SLICE("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=") },
	{ "RFC 7677, 3", SASL_SHA256, SLICE("rOprNGfwEbeRWgbNEkqO"),
	    SLICE("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
	    SLICE("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		  "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
	    SLICE("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)"
		  "hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
	    SLICE("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") },
};

static void
examples_of_the_rfcs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct sasl_scram_client c;
		struct buf out;

		test_case(examples[i].what);
		buf_init(&out, SASL_CLIENT_FINAL_MAX);
		test_int(sasl_scram_client_first(&c, examples[i].hash,
			     SLICE("user"), examples[i].nonce),
		    SASL_CLIENT_OK);
		test_slice(slice_of(c.first, c.first_len), examples[i].first);
		test_true(!sasl_scram_client_is_server(&c,
		    examples[i].signature));
		test_int(sasl_scram_client_final(&c, SLICE("pencil"),
			     examples[i].server, &out),
		    SASL_CLIENT_OK);
		test_slice(buf_slice(&out), examples[i].final);
		test_true(sasl_scram_client_is_server(&c,
		    examples[i].signature));
		test_true(!sasl_scram_client_is_server(&c,
		    SLICE("v=AAAAAAAAAAAAAAAAAAAAAAAAAAA=")));
		test_true(!sasl_scram_client_is_server(&c,
		    SLICE("e=invalid-proof")));
		buf_deinit(&out);
	}
}

static const struct {
	const char *what;
	struct slice server;
	int want;
} servers[] = {
	{ "another's nonce",
	    SLICE("r=xxxx+d2lbbFgONRv9qkxdawL3r,s=QSXC,i=4096"),
	    SASL_CLIENT_E_SYNTAX },
	{ "no nonce of its own",
	    SLICE("r=fyko+d2lbbFgONRv9qkxdawL,s=QSXC,i=4096"),
	    SASL_CLIENT_E_SYNTAX },
	{ "no salt", SLICE("r=fyko+d2lbbFgONRv9qkxdawL3r,s=,i=4096"),
	    SASL_CLIENT_E_SYNTAX },
	{ "salt that is no base 64",
	    SLICE("r=fyko+d2lbbFgONRv9qkxdawL3r,s=!,i=4096"),
	    SASL_CLIENT_E_SYNTAX },
	{ "too little work", SLICE("r=fyko+d2lbbFgONRv9qkxdawL3r,s=QSXC,i=1"),
	    SASL_CLIENT_E_WORK },
	{ "too much work",
	    SLICE("r=fyko+d2lbbFgONRv9qkxdawL3r,s=QSXC,i=4000000000"),
	    SASL_CLIENT_E_WORK },
	{ "no number", SLICE("r=fyko+d2lbbFgONRv9qkxdawL3r,s=QSXC,i=-1"),
	    SASL_CLIENT_E_SYNTAX },
	{ "what must be understood",
	    SLICE("m=x,r=fyko+d2lbbFgONRv9qkxdawL3r,s=QSXC,i=4096"),
	    SASL_CLIENT_E_SYNTAX },
	{ "nothing", SLICE(""), SASL_CLIENT_E_SYNTAX },
};

static void
servers_that_are_none(void **state)
{
	struct sasl_scram_client c;
	struct buf out;

	(void)state;
	buf_init(&out, SASL_CLIENT_FINAL_MAX);
	for (size_t i = 0; i < sizeof(servers) / sizeof(servers[0]); i++) {
		test_case(servers[i].what);
		test_int(sasl_scram_client_first(&c, SASL_SHA1, SLICE("a,b=c"),
			     SLICE("fyko+d2lbbFgONRv9qkxdawL")),
		    SASL_CLIENT_OK);
		test_slice(slice_of(c.first, c.first_len),
		    SLICE("n,,n=a=2Cb=3Dc,r=fyko+d2lbbFgONRv9qkxdawL"));
		test_int(sasl_scram_client_final(&c, SLICE("pencil"),
			     servers[i].server, &out),
		    servers[i].want);
		test_int(out.len, 0);
	}
	test_int(sasl_scram_client_first(&c, SASL_SHA1, SLICE(""),
		     SLICE("fyko+d2lbbFgONRv9qkxdawL")),
	    SASL_CLIENT_E_NAME);
	test_int(sasl_scram_client_first(&c, SASL_SHA1, SLICE("jo"),
		     SLICE("short")),
	    SASL_CLIENT_E_NAME);
	buf_deinit(&out);
}

TEST_MAIN(cmocka_unit_test(examples_of_the_rfcs),
    cmocka_unit_test(servers_that_are_none))
