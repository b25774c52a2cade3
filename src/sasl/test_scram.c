/* SPDX-License-Identifier: ISC */
/*
 * The server's half of SCRAM: the RFCs' own conversations, each way to be
 * wrong, and what binding to the channel keeps out.
 */
#include "base/test.h"

#include "base/base64.h"
#include "sasl/scram.h"

static const struct sasl_binding bound = { .exporter_len = 4,
	.exporter = "EXPO",
	.end_point_len = 3,
	.end_point = "END" };

static void
make_keys(enum sasl_hash hash, const char *salt, struct sasl_keys *keys)
{
	uint8_t at[64];
	size_t n = 0;

	test_true(base64_decode(slice_cstr(salt), at, sizeof(at), &n));
	test_int(sasl_keys_derive(hash, SLICE("pencil"), slice_of(at, n), 4096,
		     keys),
	    0);
}

/* The nonces of the RFCs are not as long as ours: the challenge is set. */
static void
set_challenge(struct sasl_scram *s, const char *text, const char *nonce)
{
	memcpy(s->server, text, strlen(text));
	s->server_len = strlen(text);
	s->nonce_len = strlen(nonce);
}

static const struct {
	const char *what;
	enum sasl_hash hash;
	const char *salt, *nonce, *challenge, *final, *signature;
	struct slice first;
} vectors[] = {
	{ "RFC 5802, 5", SASL_SHA1, "QSXCR+Q6sek8bf92",
	    "fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j",
	    "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,"
	    "i=4096",
	    "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
	    "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	    "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	    SLICE("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL") },
	{ "RFC 7677, 3", SASL_SHA256, "W22ZaJ0SNY7soEsUEjb6gQ==",
	    "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	    "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	    SLICE("n,,n=user,r=rOprNGfwEbeRWgbNEkqO") },
};

static void
speaks_as_the_rfcs(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		uint8_t signature[SASL_DIGEST_MAX], want[SASL_DIGEST_MAX];
		struct sasl_scram s;
		struct sasl_scram_final final;
		struct sasl_keys keys;
		size_t n = 0;

		test_case(vectors[i].what);
		make_keys(vectors[i].hash, vectors[i].salt, &keys);
		test_int(sasl_scram_first(&s, vectors[i].hash, false, false,
			     &bound, vectors[i].first),
		    SASL_SCRAM_OK);
		test_slice(slice_of(s.name, s.name_len), SLICE("user"));
		set_challenge(&s, vectors[i].challenge, vectors[i].nonce);
		test_int(sasl_scram_final(&s, slice_cstr(vectors[i].final),
			     &final),
		    SASL_SCRAM_OK);
		test_true(sasl_scram_matches(&s, &final, &keys, signature));
		test_true(base64_decode(slice_cstr(vectors[i].signature), want,
		    sizeof(want), &n));
		test_slice(slice_of(signature, n), slice_of(want, n));
		test_case("a bit of the proof");
		final.proof[5] ^= 1;
		test_true(!sasl_scram_matches(&s, &final, &keys, signature));
	}
}

static const struct {
	const char *what;
	struct slice first;
	bool is_plus, plus_is_offered;
	int want;
} firsts[] = {
	{ "simple", SLICE("n,,n=u,r=abc"), false, true, SASL_SCRAM_OK },
	{ "authzid", SLICE("n,a=u,n=u,r=abc"), false, true, SASL_SCRAM_OK },
	{ "extension", SLICE("n,,n=u,r=abc,x=1"), false, true, SASL_SCRAM_OK },
	{ "escaped name", SLICE("n,,n=a=2Cb=3Dc,r=abc"), false, true,
	    SASL_SCRAM_OK },
	{ "could bind, but the list said no", SLICE("y,,n=u,r=abc"), false,
	    false, SASL_SCRAM_OK },
	{ "could bind; somebody changed the list", SLICE("y,,n=u,r=abc"), false,
	    true, SASL_SCRAM_E_REFUSED },
	{ "bound", SLICE("p=tls-exporter,,n=u,r=abc"), true, true,
	    SASL_SCRAM_OK },
	{ "bound to the certificate",
	    SLICE("p=tls-server-end-point,,n=u,r=abc"), true, true,
	    SASL_SCRAM_OK },
	{ "bound in a way that this channel has not",
	    SLICE("p=tls-unique,,n=u,r=abc"), true, true,
	    SASL_SCRAM_E_REFUSED },
	{ "bound in a way that nobody knows", SLICE("p=tls-other,,n=u,r=abc"),
	    true, true, SASL_SCRAM_E_REFUSED },
	{ "bound, but not -PLUS", SLICE("p=tls-exporter,,n=u,r=abc"), false,
	    true, SASL_SCRAM_E_REFUSED },
	{ "-PLUS, not bound", SLICE("n,,n=u,r=abc"), true, true,
	    SASL_SCRAM_E_REFUSED },
	{ "-PLUS, y", SLICE("y,,n=u,r=abc"), true, true, SASL_SCRAM_E_REFUSED },
	{ "mandatory extension", SLICE("n,,m=1,n=u,r=abc"), false, true,
	    SASL_SCRAM_E_REFUSED },
	{ "mandatory extension behind", SLICE("n,,n=u,r=abc,m=1"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "empty", SLICE(""), false, true, SASL_SCRAM_E_SYNTAX },
	{ "no gs2 header", SLICE("n=u,r=abc"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "flag unknown", SLICE("q,,n=u,r=abc"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "no name of binding", SLICE("p=,,n=u,r=abc"), true, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "no name", SLICE("n,,n=,r=abc"), false, true, SASL_SCRAM_E_SYNTAX },
	{ "bad escape", SLICE("n,,n=a=2c,r=abc"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "escape cut off", SLICE("n,,n=a=,r=abc"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "NUL in the name", SLICE("n,,n=a\0,r=abc"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "name not UTF-8", SLICE("n,,n=a\xff,r=abc"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "no nonce", SLICE("n,,n=u"), false, true, SASL_SCRAM_E_SYNTAX },
	{ "empty nonce", SLICE("n,,n=u,r="), false, true, SASL_SCRAM_E_SYNTAX },
	{ "space in the nonce", SLICE("n,,n=u,r=a b"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "other order", SLICE("n,,r=abc,n=u"), false, true,
	    SASL_SCRAM_E_SYNTAX },
	{ "comma at the end", SLICE("n,,n=u,r=abc,"), false, true,
	    SASL_SCRAM_E_SYNTAX },
};

static void
takes_firsts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		struct slice in = test_exact_copy(firsts[i].first);
		struct sasl_scram s;

		test_case(firsts[i].what);
		test_int(sasl_scram_first(&s, SASL_SHA256, firsts[i].is_plus,
			     firsts[i].plus_is_offered, &bound, in),
		    firsts[i].want);
		test_free_copy(in);
	}
}

static void
bounds_of_the_first(void **state)
{
	uint8_t at[SASL_SCRAM_FIRST_MAX + 1];
	struct sasl_scram s;

	(void)state;
	memset(at, 'x', sizeof(at));
	memcpy(at, "n,,n=u,r=", 9);
	test_int(sasl_scram_first(&s, SASL_SHA1, false, false, &bound,
		     slice_of(at, 9 + SASL_SCRAM_NONCE_MAX)),
	    SASL_SCRAM_OK);
	test_int(sasl_scram_first(&s, SASL_SHA1, false, false, &bound,
		     slice_of(at, 10 + SASL_SCRAM_NONCE_MAX)),
	    SASL_SCRAM_E_SYNTAX);
	memcpy(at + 9 + SASL_SCRAM_NONCE_MAX, ",x=", 3);
	test_int(sasl_scram_first(&s, SASL_SHA1, false, false, &bound,
		     slice_of(at, SASL_SCRAM_FIRST_MAX)),
	    SASL_SCRAM_OK);
	test_int(sasl_scram_first(&s, SASL_SHA1, false, false, &bound,
		     slice_of(at, sizeof(at))),
	    SASL_SCRAM_E_SYNTAX);
}

/* With TLS 1.2: tls-unique, and not what another connection has. */
static void
old_channels(void **state)
{
	static const struct sasl_binding old = { .unique_len = 4,
		.unique = "UNIQ" };
	static const struct sasl_keys keys = {
		.hash = SASL_SHA1, .salt_len = 4, .iterations = 4096
	};
	struct sasl_scram_final final;
	struct sasl_scram s;

	(void)state;
	test_int(sasl_scram_first(&s, SASL_SHA1, true, true, &old,
		     SLICE("p=tls-unique,,n=u,r=abc")),
	    SASL_SCRAM_OK);
	sasl_scram_challenge(&s, &keys, "NNNNNNNNNNNNNNNNNNNNNNNN");
	test_int(sasl_scram_final(&s,
		     SLICE("c=cD10bHMtdW5pcXVlLCxVTklR,"
			   "r=abcNNNNNNNNNNNNNNNNNNNNNNNN,p="
			   "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
		     &final),
	    SASL_SCRAM_OK);
	test_int(sasl_scram_final(&s,
		     SLICE("c=cD10bHMtdW5pcXVlLCxVTklS,"
			   "r=abcNNNNNNNNNNNNNNNNNNNNNNNN,p="
			   "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
		     &final),
	    SASL_SCRAM_E_REFUSED);
	test_int(sasl_scram_first(&s, SASL_SHA1, true, true, &old,
		     SLICE("p=tls-exporter,,n=u,r=abc")),
	    SASL_SCRAM_E_REFUSED);
}

/* cD10...: base 64 of "p=tls-exporter,,EXPO" and so on */
#define P "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define N "r=abcNNNNNNNNNNNNNNNNNNNNNNNN"
static const struct {
	const char *what;
	struct slice first, final;
	int want;
} finals[] = {
	{ "good form", SLICE("n,,n=u,r=abc"), SLICE("c=biws," N ",p=" P),
	    SASL_SCRAM_OK },
	{ "extension", SLICE("n,,n=u,r=abc"), SLICE("c=biws," N ",x=1,p=" P),
	    SASL_SCRAM_OK },
	{ "bound", SLICE("p=tls-exporter,,n=u,r=abc"),
	    SLICE("c=cD10bHMtZXhwb3J0ZXIsLEVYUE8=," N ",p=" P), SASL_SCRAM_OK },
	{ "bound to another channel", SLICE("p=tls-exporter,,n=u,r=abc"),
	    SLICE("c=cD10bHMtZXhwb3J0ZXIsLEVYUFA=," N ",p=" P),
	    SASL_SCRAM_E_REFUSED },
	{ "the channel left out", SLICE("p=tls-exporter,,n=u,r=abc"),
	    SLICE("c=cD10bHMtZXhwb3J0ZXIsLA==," N ",p=" P),
	    SASL_SCRAM_E_REFUSED },
	{ "header changed from y to n", SLICE("y,,n=u,r=abc"),
	    SLICE("c=biws," N ",p=" P), SASL_SCRAM_E_REFUSED },
	{ "nonce cut", SLICE("n,,n=u,r=abc"),
	    SLICE("c=biws,r=abcNNNNNNNNNNNNNNNNNNNNNNN,p=" P),
	    SASL_SCRAM_E_REFUSED },
	{ "nonce of the client alone", SLICE("n,,n=u,r=abc"),
	    SLICE("c=biws,r=abc,p=" P), SASL_SCRAM_E_REFUSED },
	{ "no proof", SLICE("n,,n=u,r=abc"), SLICE("c=biws," N),
	    SASL_SCRAM_E_SYNTAX },
	{ "proof of another length", SLICE("n,,n=u,r=abc"),
	    SLICE("c=biws," N ",p=AAAA"), SASL_SCRAM_E_SYNTAX },
	{ "proof not last", SLICE("n,,n=u,r=abc"),
	    SLICE("c=biws," N ",p=" P ",x=1"), SASL_SCRAM_E_SYNTAX },
	{ "binding is no base 64", SLICE("n,,n=u,r=abc"),
	    SLICE("c=biw," N ",p=" P), SASL_SCRAM_E_REFUSED },
	{ "mandatory extension", SLICE("n,,n=u,r=abc"),
	    SLICE("c=biws," N ",m=1,p=" P), SASL_SCRAM_E_SYNTAX },
	{ "empty", SLICE("n,,n=u,r=abc"), SLICE(""), SASL_SCRAM_E_SYNTAX },
};

static void
takes_finals(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		struct slice in = test_exact_copy(finals[i].final);
		struct sasl_keys keys = { .hash = SASL_SHA1,
			.iterations = 65536,
			.salt_len = 3,
			.salt = "abc" };
		struct sasl_scram_final final;
		struct sasl_scram s;

		test_case(finals[i].what);
		test_int(sasl_scram_first(&s, SASL_SHA1,
			     finals[i].first.at[0] == 'p', false, &bound,
			     finals[i].first),
		    SASL_SCRAM_OK);
		sasl_scram_challenge(&s, &keys, "NNNNNNNNNNNNNNNNNNNNNNNN");
		test_slice(slice_of(s.server, s.server_len),
		    SLICE(N ",s=YWJj,i=65536"));
		test_int(sasl_scram_final(&s, in, &final), finals[i].want);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(old_channels), cmocka_unit_test(speaks_as_the_rfcs),
    cmocka_unit_test(takes_firsts), cmocka_unit_test(bounds_of_the_first),
    cmocka_unit_test(takes_finals))
