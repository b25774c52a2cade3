/* SPDX-License-Identifier: ISC */
/*
 * Tokens of the RFCs, and tokens signed here with whatever is wrong with them:
 * each row is one attack or one mistake, and the reason by which it fails.
 */
#include "base/test.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/base64.h"
#include "base/time.h"
#include "sasl/message.h"
#include "sasl/token.h"

enum {
	NOW = 1800000000 /* s */
};

static const struct sasl_token_rules rules = {
	.issuer = SLICE("https://id.example"),
	.audience = SLICE("ulak"),
	.claim = SLICE("email"),
	.skew = 60 * TIME_SECOND,
};

/* -- signing ----------------------------------------------------------------
 */

struct text {
	size_t len;
	char at[2 * SASL_TOKEN_MAX];
};

static void
add_url(struct text *t, struct slice s)
{
	char at[2 * SASL_TOKEN_MAX];
	size_t n = base64_encode(s, at);

	while (n > 0 && at[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		t->at[t->len++] = at[i] == '+' ? '-'
		    : at[i] == '/'             ? '_'
					       : at[i];
}

static size_t
sign(EVP_PKEY *key, struct slice data, uint8_t *at)
{
	bool is_ed = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[1024];
	const uint8_t *from = der;
	size_t n = sizeof(der);
	ECDSA_SIG *sig;

	test_int(EVP_DigestSignInit_ex(ctx, NULL, is_ed ? NULL : "SHA256", NULL,
		     NULL, key, NULL),
	    1);
	test_int(EVP_DigestSign(ctx, der, &n, data.at, data.len), 1);
	EVP_MD_CTX_free(ctx);
	if (EVP_PKEY_get_base_id(key) != EVP_PKEY_EC) {
		memcpy(at, der, n);
		return n;
	}
	sig = d2i_ECDSA_SIG(NULL, &from, (long)n);
	test_int(BN_bn2binpad(ECDSA_SIG_get0_r(sig), at, 32), 32);
	test_int(BN_bn2binpad(ECDSA_SIG_get0_s(sig), at + 32, 32), 32);
	ECDSA_SIG_free(sig);
	return 64;
}

static void
make(EVP_PKEY *key, struct slice header, struct slice payload, struct text *t)
{
	uint8_t at[1024];
	size_t n;

	t->len = 0;
	add_url(t, header);
	t->at[t->len++] = '.';
	add_url(t, payload);
	n = sign(key, slice_of(t->at, t->len), at);
	t->at[t->len++] = '.';
	add_url(t, slice_of(at, n));
}

static struct sasl_token_keys *
keys_of(struct slice text)
{
	struct sasl_token_keys *k = NULL;
	char why[SASL_KEYS_WHY] = "";

	test_int(sasl_token_keys_parse(text, &k, why), 0);
	return k;
}

/* One key of each kind, the second one with a name. */
struct world {
	EVP_PKEY *pkey[3];
	struct sasl_token_keys *keys;
};

static int
setup(void **state)
{
	static struct world w;

	w.pkey[SASL_RS256] = EVP_RSA_gen(2048);
	w.pkey[SASL_ES256] = EVP_EC_gen("P-256");
	w.pkey[SASL_EDDSA] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	w.keys = calloc(1, sizeof(*w.keys));
	for (uint8_t i = 0; i < 3; i++) {
		w.keys->keys[i].key = w.pkey[i];
		w.keys->keys[i].algorithm = i;
	}
	w.keys->n = 3;
	w.keys->keys[SASL_ES256].kid_len = 2;
	memcpy(w.keys->keys[SASL_ES256].kid, "k2", 2);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	sasl_token_keys_free(w->keys);
	return 0;
}

/* -- one thing wrong each ----------------------------------------------------
 */

#define ISS "\"iss\":\"https://id.example\","
#define AUD "\"aud\":\"ulak\","
#define EXP "\"exp\":1800000300"
#define WHO ",\"email\":\"anna@one.example\""
#define RS SLICE("{\"alg\":\"RS256\"}")

static const struct {
	const char *what;
	enum sasl_token_algorithm key;
	struct slice header, payload;
	enum sasl_token_result want;
} tokens[] = {
	{ "RS256", SASL_RS256, RS, SLICE("{" ISS AUD EXP WHO "}"),
	    SASL_TOKEN_GOOD },
	{ "ES256", SASL_ES256, SLICE("{\"alg\":\"ES256\",\"kid\":\"k2\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_GOOD },
	{ "ES256, key not named", SASL_ES256, SLICE("{\"alg\":\"ES256\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_GOOD },
	{ "EdDSA", SASL_EDDSA, SLICE("{\"alg\":\"EdDSA\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_GOOD },
	{ "a kid, where keys have none", SASL_RS256,
	    SLICE("{\"alg\":\"RS256\",\"kid\":\"2024-1\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_GOOD },
	{ "types", SASL_RS256, SLICE("{\"alg\":\"RS256\",\"typ\":\"at+JWT\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_GOOD },
	{ "list of audiences", SASL_RS256, RS,
	    SLICE("{" ISS "\"aud\":[\"a\",\"ulak\"]," EXP WHO "}"),
	    SASL_TOKEN_GOOD },
	{ "issued, valid, verified", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"iat\":1799999999.5,\"nbf\":"
		  "1799999999,\"email_verified\":true}"),
	    SASL_TOKEN_GOOD },
	{ "expired within the skew", SASL_RS256, RS,
	    SLICE("{" ISS AUD "\"exp\":1799999941" WHO "}"), SASL_TOKEN_GOOD },
	{ "from soon on, within the skew", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"nbf\":1800000060}"),
	    SASL_TOKEN_GOOD },

	{ "alg none, signed nevertheless", SASL_RS256,
	    SLICE("{\"alg\":\"none\"}"), SLICE("{" ISS AUD EXP WHO "}"),
	    SASL_TOKEN_ALGORITHM },
	{ "alg None", SASL_RS256, SLICE("{\"alg\":\"None\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_ALGORITHM },
	{ "HS256", SASL_RS256, SLICE("{\"alg\":\"HS256\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_ALGORITHM },
	{ "RS512", SASL_RS256, SLICE("{\"alg\":\"RS512\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_ALGORITHM },
	{ "no alg", SASL_RS256, SLICE("{}"), SLICE("{" ISS AUD EXP WHO "}"),
	    SASL_TOKEN_ALGORITHM },
	{ "alg is a list", SASL_RS256, SLICE("{\"alg\":[\"RS256\"]}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_ALGORITHM },
	{ "alg twice", SASL_RS256,
	    SLICE("{\"alg\":\"RS256\",\"alg\":\"none\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_SYNTAX },
	{ "alg of another key", SASL_EDDSA, RS, SLICE("{" ISS AUD EXP WHO "}"),
	    SASL_TOKEN_SIGNATURE },
	{ "kid unknown", SASL_ES256,
	    SLICE("{\"alg\":\"ES256\",\"kid\":\"k3\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_KEY },
	{ "kid of a key of another kind", SASL_EDDSA,
	    SLICE("{\"alg\":\"ES256\",\"kid\":\"k2\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_SIGNATURE },
	{ "kid is a number", SASL_RS256, SLICE("{\"alg\":\"RS256\",\"kid\":1}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_SYNTAX },
	{ "crit", SASL_RS256,
	    SLICE("{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_SYNTAX },
	{ "a token of another kind", SASL_RS256,
	    SLICE("{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_SYNTAX },
	{ "header too deep", SASL_RS256,
	    SLICE("{\"alg\":\"RS256\",\"x\":[[[[[[[[]]]]]]]]}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_SYNTAX },
	{ "brackets in a text are not deep", SASL_RS256,
	    SLICE("{\"alg\":\"RS256\",\"x\":\"\\\"[[[[[[[[[[\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_GOOD },
	{ "header is a list", SASL_RS256, SLICE("[\"alg\",\"RS256\"]"),
	    SLICE("{" ISS AUD EXP WHO "}"), SASL_TOKEN_SYNTAX },

	{ "no issuer", SASL_RS256, RS, SLICE("{" AUD EXP WHO "}"),
	    SASL_TOKEN_ISSUER },
	{ "another issuer", SASL_RS256, RS,
	    SLICE("{\"iss\":\"https://id.example/\"," AUD EXP WHO "}"),
	    SASL_TOKEN_ISSUER },
	{ "issuer is a list", SASL_RS256, RS,
	    SLICE("{\"iss\":[\"https://id.example\"]," AUD EXP WHO "}"),
	    SASL_TOKEN_ISSUER },
	{ "no audience", SASL_RS256, RS, SLICE("{" ISS EXP WHO "}"),
	    SASL_TOKEN_AUDIENCE },
	{ "another audience", SASL_RS256, RS,
	    SLICE("{" ISS "\"aud\":\"Ulak\"," EXP WHO "}"),
	    SASL_TOKEN_AUDIENCE },
	{ "no audience in the list", SASL_RS256, RS,
	    SLICE("{" ISS "\"aud\":[]," EXP WHO "}"), SASL_TOKEN_AUDIENCE },
	{ "a number among audiences", SASL_RS256, RS,
	    SLICE("{" ISS "\"aud\":[1,\"ulak\"]," EXP WHO "}"),
	    SASL_TOKEN_AUDIENCE },
	{ "expired", SASL_RS256, RS,
	    SLICE("{" ISS AUD "\"exp\":1799999940" WHO "}"),
	    SASL_TOKEN_EXPIRED },
	{ "without end", SASL_RS256, RS,
	    SLICE("{" ISS AUD "\"email\":\"anna@one.example\"}"),
	    SASL_TOKEN_EXPIRED },
	{ "the end is a text", SASL_RS256, RS,
	    SLICE("{" ISS AUD "\"exp\":\"1800000300\"" WHO "}"),
	    SASL_TOKEN_SYNTAX },
	{ "the end before 1970", SASL_RS256, RS,
	    SLICE("{" ISS AUD "\"exp\":-1" WHO "}"), SASL_TOKEN_SYNTAX },
	{ "the end after all", SASL_RS256, RS,
	    SLICE("{" ISS AUD "\"exp\":1e300" WHO "}"), SASL_TOKEN_SYNTAX },
	{ "not yet", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"nbf\":1800000061}"),
	    SASL_TOKEN_NOT_YET },
	{ "issued tomorrow", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"iat\":1800086400}"),
	    SASL_TOKEN_NOT_YET },
	{ "names nobody", SASL_RS256, RS, SLICE("{" ISS AUD EXP "}"),
	    SASL_TOKEN_NAME },
	{ "the name is empty", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP ",\"email\":\"\"}"), SASL_TOKEN_NAME },
	{ "the name is a list", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP ",\"email\":[\"anna@one.example\"]}"),
	    SASL_TOKEN_NAME },
	{ "an address that was not verified", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"email_verified\":false}"),
	    SASL_TOKEN_NAME },
	{ "a claim twice", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"email\":\"eve@one.example\"}"),
	    SASL_TOKEN_SYNTAX },
	{ "payload too deep", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"x\":[[[[[[[[]]]]]]]]}"),
	    SASL_TOKEN_SYNTAX },
	{ "payload is no JSON", SASL_RS256, RS, SLICE("anna@one.example"),
	    SASL_TOKEN_SYNTAX },
	{ "payload and more", SASL_RS256, RS, SLICE("{" ISS AUD EXP WHO "}{}"),
	    SASL_TOKEN_SYNTAX },
	{ "payload not UTF-8", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP WHO ",\"x\":\"\xff\"}"), SASL_TOKEN_SYNTAX },
	{ "NUL in the name", SASL_RS256, RS,
	    SLICE("{" ISS AUD EXP ",\"email\":\"anna@one.example\\u0000x\"}"),
	    SASL_TOKEN_SYNTAX },
};

static void
each(void **state)
{
	struct world *w = *state;
	struct text t;

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		struct sasl_token_owner owner = { 0 };
		struct slice in;

		test_case(tokens[i].what);
		make(w->pkey[tokens[i].key], tokens[i].header,
		    tokens[i].payload, &t);
		in = test_exact_copy(slice_of(t.at, t.len));
		test_int(sasl_token_check(in, w->keys, &rules,
			     NOW * (int64_t)TIME_SECOND, &owner),
		    tokens[i].want);
		test_slice(slice_of(owner.name, owner.len),
		    tokens[i].want == SASL_TOKEN_GOOD
			? SLICE("anna@one.example")
			: SLICE(""));
		test_true(sasl_token_problem(tokens[i].want) != NULL);
		test_free_copy(in);
	}
}

/* The public key as the secret of an HMAC (RFC 8725, 2.1). */
static void
key_confusion(void **state)
{
	struct world *w = *state;
	struct sasl_token_owner owner = { 0 };
	unsigned char *der = NULL;
	uint8_t mac[32];
	struct text t = { 0 };
	unsigned n = 0;
	int len = i2d_PUBKEY(w->pkey[SASL_RS256], &der);

	add_url(&t, SLICE("{\"alg\":\"HS256\"}"));
	t.at[t.len++] = '.';
	add_url(&t, SLICE("{" ISS AUD EXP WHO "}"));
	test_true(HMAC(EVP_sha256(), der, len, (uint8_t *)t.at, t.len, mac,
		      &n) != NULL);
	t.at[t.len++] = '.';
	add_url(&t, slice_of(mac, n));
	test_int(sasl_token_check(slice_of(t.at, t.len), w->keys, &rules,
		     NOW * (int64_t)TIME_SECOND, &owner),
	    SASL_TOKEN_ALGORITHM);
	OPENSSL_free(der);
}

static const struct {
	const char *what;
	struct slice scope, claims;
	enum sasl_token_result want;
} scopes[] = {
	{ "alone", SLICE("mail"), SLICE("\"mail\""), SASL_TOKEN_GOOD },
	{ "first", SLICE("mail"), SLICE("\"mail x\""), SASL_TOKEN_GOOD },
	{ "last", SLICE("mail"), SLICE("\"x mail\""), SASL_TOKEN_GOOD },
	{ "part of a word", SLICE("mail"), SLICE("\"mailbox x\""),
	    SASL_TOKEN_SCOPE },
	{ "none", SLICE("mail"), SLICE("\"\""), SASL_TOKEN_SCOPE },
	{ "a list", SLICE("mail"), SLICE("[\"mail\"]"), SASL_TOKEN_SCOPE },
	{ "none is needed", SLICE(""), SLICE("1"), SASL_TOKEN_GOOD },
};

static void
scope(void **state)
{
	struct world *w = *state;
	struct sasl_token_rules r = rules;
	struct sasl_token_owner owner;
	char payload[512];
	struct text t;

	for (size_t i = 0; i < sizeof(scopes) / sizeof(scopes[0]); i++) {
		test_case(scopes[i].what);
		r.scope = scopes[i].scope;
		(void)snprintf(payload, sizeof(payload),
		    "{" ISS AUD EXP WHO ",\"scope\":%.*s}",
		    SLICE_FMT(scopes[i].claims));
		make(w->pkey[SASL_EDDSA], SLICE("{\"alg\":\"EdDSA\"}"),
		    slice_cstr(payload), &t);
		test_int(sasl_token_check(slice_of(t.at, t.len), w->keys, &r,
			     NOW * (int64_t)TIME_SECOND, &owner),
		    scopes[i].want);
	}
}

/* Each character of a good token changed, and each length cut: never good,
 * and never read beyond its end. */
static void
changed(void **state)
{
	struct world *w = *state;
	struct sasl_token_owner owner;
	struct slice in;
	struct text t;
	uint8_t *at;

	make(w->pkey[SASL_EDDSA], SLICE("{\"alg\":\"EdDSA\"}"),
	    SLICE("{" ISS AUD EXP WHO "}"), &t);
	in = test_exact_copy(slice_of(t.at, t.len));
	at = (uint8_t *)(uintptr_t)in.at;
	for (size_t i = 0; i < in.len; i++) {
		uint8_t was = at[i];

		at[i] = was == 'A' ? 'B' : 'A';
		test_true(sasl_token_check(in, w->keys, &rules,
			      NOW * (int64_t)TIME_SECOND,
			      &owner) != SASL_TOKEN_GOOD);
		at[i] = was;
		test_true(sasl_token_check(slice_upto(in, i), w->keys, &rules,
			      NOW * (int64_t)TIME_SECOND,
			      &owner) != SASL_TOKEN_GOOD);
	}
	test_free_copy(in);
}

static void
no_rules_no_token(void **state)
{
	struct world *w = *state;
	struct sasl_token_rules r = rules;
	struct sasl_token_keys none = { 0 };
	struct sasl_token_owner owner;
	struct text t;

	make(w->pkey[SASL_EDDSA], SLICE("{\"alg\":\"EdDSA\"}"),
	    SLICE("{\"iss\":\"\",\"aud\":\"\"," EXP WHO "}"), &t);
	r.issuer = SLICE("");
	test_int(sasl_token_check(slice_of(t.at, t.len), w->keys, &r,
		     NOW * (int64_t)TIME_SECOND, &owner),
	    SASL_TOKEN_ISSUER);
	test_int(sasl_token_check(slice_of(t.at, t.len), &none, &rules,
		     NOW * (int64_t)TIME_SECOND, &owner),
	    SASL_TOKEN_KEY);
}

/* -- of the RFCs -------------------------------------------------------------
 */

#define JOE                                                                    \
	".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGx" \
	"l"                                                                    \
	"LmNvbS9pc19yb290Ijp0cnVlfQ."

static const struct {
	const char *what;
	struct slice key, token;
	enum sasl_token_result want; /* past the signature: right */
} examples[] = {
	{ "RFC 7515, A.2",
	    SLICE("{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJj"
		  "NiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2m"
		  "JPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r"
		  "2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-"
		  "KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9k"
		  "G4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs9"
		  "1kzk2PAcDTW9gb54h4FRWyuXpoQ\"}"),
	    SLICE("eyJhbGciOiJSUzI1NiJ9" JOE
		  "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5"
		  "RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcA"
		  "cQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSj"
		  "tQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHW"
		  "EsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9F"
		  "s98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"),
	    SASL_TOKEN_AUDIENCE },
	{ "RFC 7515, A.3",
	    SLICE("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9"
		  "tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LN"
		  "pXW6pCyStikYjKIWI5a0\"}"),
	    SLICE("eyJhbGciOiJFUzI1NiJ9" JOE
		  "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8"
		  "ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
	    SASL_TOKEN_AUDIENCE },
	{ "RFC 7515, A.5, none",
	    SLICE("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9"
		  "tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LN"
		  "pXW6pCyStikYjKIWI5a0\"}"),
	    SLICE("eyJhbGciOiJub25lIn0" JOE), SASL_TOKEN_ALGORITHM },
	{ "RFC 8037, A.4, whose payload is no JSON",
	    SLICE("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7"
		  "TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
	    SLICE("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
		  "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iyl"
		  "Gjg5BhVsPt9g7sVvpAr_MuM0KAg"),
	    SASL_TOKEN_SYNTAX },
	{ "the same, one bit changed",
	    SLICE("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7"
		  "TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
	    SLICE("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmg."
		  "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iyl"
		  "Gjg5BhVsPt9g7sVvpAr_MuM0KAg"),
	    SASL_TOKEN_SIGNATURE },
};

static void
of_the_rfcs(void **state)
{
	struct sasl_token_rules r = { .issuer = SLICE("joe"),
		.audience = SLICE("ulak"),
		.claim = SLICE("sub") };
	struct sasl_token_owner owner;

	(void)state;
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct sasl_token_keys *k = keys_of(examples[i].key);

		test_case(examples[i].what);
		test_int(sasl_token_check(examples[i].token, k, &r, 0, &owner),
		    examples[i].want);
		sasl_token_keys_free(k);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each),
		cmocka_unit_test(key_confusion), cmocka_unit_test(scope),
		cmocka_unit_test(changed), cmocka_unit_test(no_rules_no_token),
		cmocka_unit_test(of_the_rfcs) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
