/* SPDX-License-Identifier: ISC */
#include "sasl/token_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/base64.h"

enum {
	RSA_BITS_MIN = 2048, /* RFC 7518, section 3.3 */
	RSA_BITS_MAX = 8192, /* what a signature may cost us */
	RSA_EXPONENT_MAX = 8,
	P256_LEN = 32,
	ED25519_LEN = 32,
	JWKS_DEPTH = 8
};

const char *const sasl_token_algorithms[N_SASL_TOKEN_ALGORITHMS] = {
	[SASL_RS256] = "RS256",
	[SASL_ES256] = "ES256",
	[SASL_EDDSA] = "EdDSA",
};

/* -- JSON -------------------------------------------------------------------
 */

/* The reader goes down by calling itself; this keeps it from going deep. */
static bool
is_shallow(struct slice text, unsigned max)
{
	unsigned depth = 0;
	bool in_text = false;

	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.at[i];

		if (in_text && c == '\\')
			i++;
		else if (c == '"')
			in_text = !in_text;
		else if (!in_text && (c == '{' || c == '[') && ++depth > max)
			return false;
		else if (!in_text && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

json_t *
sasl_json_object(struct slice text, unsigned depth)
{
	json_t *root;

	if (text.len == 0 || !is_shallow(text, depth))
		return NULL;
	root = json_loadb((const char *)text.at, text.len,
	    JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(root))
		return root;
	json_decref(root);
	return NULL;
}

struct slice
sasl_json_text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_string(value)
	    ? slice_of(json_string_value(value), json_string_length(value))
	    : (struct slice){ 0 };
}

/* -- keys -------------------------------------------------------------------
 */

/* The algorithm that goes with a key, by what it is; N_... for none. */
static enum sasl_token_algorithm
algorithm_of(EVP_PKEY *key)
{
	char group[32] = "";
	size_t n;

	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
		return EVP_PKEY_get_bits(key) >= RSA_BITS_MIN &&
			EVP_PKEY_get_bits(key) <= RSA_BITS_MAX
		    ? SASL_RS256
		    : N_SASL_TOKEN_ALGORITHMS;
	case EVP_PKEY_EC:
		return EVP_PKEY_get_group_name(key, group, sizeof(group), &n) ==
			    1 &&
			strcmp(group, SN_X9_62_prime256v1) == 0
		    ? SASL_ES256
		    : N_SASL_TOKEN_ALGORITHMS;
	case EVP_PKEY_ED25519:
		return SASL_EDDSA;
	default:
		return N_SASL_TOKEN_ALGORITHMS;
	}
}

/* Takes over the key. False: it is none of ours, or there are too many. */
static bool
add_key(struct sasl_token_keys *k, EVP_PKEY *key, struct slice kid,
    struct slice algorithm)
{
	enum sasl_token_algorithm a =
	    key == NULL ? N_SASL_TOKEN_ALGORITHMS : algorithm_of(key);
	struct sasl_token_key *to = &k->keys[k->n];

	if (a == N_SASL_TOKEN_ALGORITHMS || k->n == SASL_TOKEN_KEYS_MAX ||
	    kid.len > SASL_KID_MAX ||
	    (algorithm.len > 0 &&
		!slice_equal(algorithm,
		    slice_cstr(sasl_token_algorithms[a])))) {
		EVP_PKEY_free(key);
		ERR_clear_error();
		return false;
	}
	to->key = key;
	to->algorithm = (uint8_t)a;
	to->kid_len = kid.len;
	if (kid.len > 0)
		memcpy(to->kid, kid.at, kid.len);
	k->n++;
	return true;
}

static EVP_PKEY *
key_from(const char *type, OSSL_PARAM_BLD *b)
{
	OSSL_PARAM *params = b == NULL ? NULL : OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

/* RFC 7518, section 6.3 */
static EVP_PKEY *
rsa_key(const json_t *jwk)
{
	uint8_t n_at[RSA_BITS_MAX / 8 + 1], e_at[RSA_EXPONENT_MAX];
	OSSL_PARAM_BLD *b;
	BIGNUM *n, *e;
	size_t n_len, e_len;
	EVP_PKEY *key = NULL;

	if (!base64url_decode(sasl_json_text(jwk, "n"), n_at, sizeof(n_at),
		&n_len) ||
	    !base64url_decode(sasl_json_text(jwk, "e"), e_at, sizeof(e_at),
		&e_len) ||
	    n_len == 0 || e_len == 0)
		return NULL;
	b = OSSL_PARAM_BLD_new();
	n = BN_bin2bn(n_at, (int)n_len, NULL);
	e = BN_bin2bn(e_at, (int)e_len, NULL);
	if (b != NULL && n != NULL && e != NULL && BN_is_odd(n) &&
	    BN_is_odd(e) && !BN_is_one(e) &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
	    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		key = key_from("RSA", b);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(b);
	return key;
}

/* RFC 7518, section 6.2: a point on the curve, or no key */
static EVP_PKEY *
ec_key(const json_t *jwk)
{
	uint8_t point[1 + 2 * P256_LEN] = { 4 };
	OSSL_PARAM_BLD *b;
	size_t x, y;
	EVP_PKEY *key = NULL;

	if (!slice_equal(sasl_json_text(jwk, "crv"), SLICE("P-256")) ||
	    !base64url_decode(sasl_json_text(jwk, "x"), point + 1, P256_LEN,
		&x) ||
	    !base64url_decode(sasl_json_text(jwk, "y"), point + 1 + P256_LEN,
		P256_LEN, &y) ||
	    x != P256_LEN || y != P256_LEN)
		return NULL;
	b = OSSL_PARAM_BLD_new();
	if (b != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(b, OSSL_PKEY_PARAM_GROUP_NAME,
		SN_X9_62_prime256v1, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY, point,
		sizeof(point)) == 1)
		key = key_from("EC", b);
	OSSL_PARAM_BLD_free(b);
	return key;
}

/* RFC 8037, section 2 */
static EVP_PKEY *
okp_key(const json_t *jwk)
{
	uint8_t x[ED25519_LEN];
	size_t n;

	if (!slice_equal(sasl_json_text(jwk, "crv"), SLICE("Ed25519")) ||
	    !base64url_decode(sasl_json_text(jwk, "x"), x, sizeof(x), &n) ||
	    n != sizeof(x))
		return NULL;
	return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, n);
}

static const struct {
	struct slice type;
	EVP_PKEY *(*make)(const json_t *);
} key_types[] = {
	{ SLICE("RSA"), rsa_key },
	{ SLICE("EC"), ec_key },
	{ SLICE("OKP"), okp_key },
};

/* -- JWK (RFC 7517) ---------------------------------------------------------
 */

/* "use" and "key_ops" may say that it is not for signatures (4.2, 4.3). */
static bool
is_for_signatures(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use");
	const json_t *ops = json_object_get(jwk, "key_ops");
	const json_t *op;
	size_t i;

	if (use != NULL &&
	    !slice_equal(sasl_json_text(jwk, "use"), SLICE("sig")))
		return false;
	if (ops == NULL)
		return true;
	json_array_foreach(ops, i, op)
	{
		if (json_is_string(op) &&
		    strcmp(json_string_value(op), "verify") == 0)
			return true;
	}
	return false;
}

static bool
is_private(const json_t *jwk)
{
	return json_object_get(jwk, "d") != NULL;
}

static int
bad(char why[SASL_KEYS_WHY], const char *text)
{
	(void)snprintf(why, SASL_KEYS_WHY, "%s", text);
	return SASL_KEYS_E_BAD;
}

/* One that we cannot use is passed over. */
static int
add_jwk(struct sasl_token_keys *k, const json_t *jwk, char why[SASL_KEYS_WHY])
{
	struct slice type = sasl_json_text(jwk, "kty");

	if (!json_is_object(jwk) || type.len == 0)
		return bad(why, "a key is no object with a \"kty\"");
	if (is_private(jwk))
		return bad(why,
		    "a private key is in it; only public ones belong here");
	if (k->n == SASL_TOKEN_KEYS_MAX)
		return bad(why, "more than 32 keys");
	if (!is_for_signatures(jwk))
		return SASL_KEYS_OK;
	for (size_t i = 0; i < sizeof(key_types) / sizeof(key_types[0]); i++)
		if (slice_equal(type, key_types[i].type))
			(void)add_key(k, key_types[i].make(jwk),
			    sasl_json_text(jwk, "kid"),
			    sasl_json_text(jwk, "alg"));
	ERR_clear_error();
	return SASL_KEYS_OK;
}

static int
read_jwks(struct slice text, struct sasl_token_keys *k, char why[SASL_KEYS_WHY])
{
	json_t *root = sasl_json_object(text, JWKS_DEPTH);
	const json_t *list = json_object_get(root, "keys"), *jwk;
	int r = SASL_KEYS_OK;
	size_t i;

	if (root == NULL)
		return bad(why,
		    "no JSON object, or one with a name twice or too deep");
	if (list == NULL && json_object_get(root, "kty") != NULL)
		r = add_jwk(k, root, why);
	else if (!json_is_array(list))
		r = bad(why, "no JWK Set: \"keys\" is missing");
	json_array_foreach(list, i, jwk)
	{
		if (r == SASL_KEYS_OK)
			r = add_jwk(k, jwk, why);
	}
	json_decref(root);
	return r;
}

/* -- PEM (RFC 7468) ---------------------------------------------------------
 */

static EVP_PKEY *
certificate_key(const uint8_t *at, long n)
{
	X509 *x = d2i_X509(NULL, &at, n);
	EVP_PKEY *key = x == NULL ? NULL : X509_get_pubkey(x);

	X509_free(x);
	return key;
}

static EVP_PKEY *
public_key(const uint8_t *at, long n)
{
	return d2i_PUBKEY(NULL, &at, n);
}

static const struct {
	const char *label;
	EVP_PKEY *(*read)(const uint8_t *at, long n);
} labels[] = {
	{ PEM_STRING_PUBLIC, public_key },
	{ PEM_STRING_X509, certificate_key },
};

static int
add_pem(struct sasl_token_keys *k, const char *label, const uint8_t *at, long n,
    char why[SASL_KEYS_WHY])
{
	if (strstr(label, "PRIVATE KEY") != NULL)
		return bad(why,
		    "a private key is in it; only public ones belong here");
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		if (strcmp(label, labels[i].label) == 0)
			return add_key(k, labels[i].read(at, n), SLICE(""),
				   SLICE(""))
			    ? SASL_KEYS_OK
			    : bad(why,
				  "a key is neither RSA of 2048 to 8192 bits, "
				  "P-256 nor Ed25519, or there are too many");
	return bad(why, "something else than public keys or certificates");
}

static int
read_pem(struct slice text, struct sasl_token_keys *k, char why[SASL_KEYS_WHY])
{
	BIO *in = BIO_new_mem_buf(text.at, (int)text.len);
	char *label, *header;
	unsigned char *at;
	int r = SASL_KEYS_OK;
	long n;

	if (in == NULL)
		return -ENOMEM;
	while (r == SASL_KEYS_OK &&
	    PEM_read_bio(in, &label, &header, &at, &n) == 1) {
		r = add_pem(k, label, at, n, why);
		OPENSSL_free(label);
		OPENSSL_free(header);
		OPENSSL_clear_free(at, (size_t)n);
	}
	/* The end is where no block begins; a broken one is something else. */
	if (r == SASL_KEYS_OK &&
	    ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		r = bad(why, "a block of PEM is broken");
	ERR_clear_error();
	BIO_free(in);
	return r;
}

/* -- all --------------------------------------------------------------------
 */

void
sasl_token_keys_free(struct sasl_token_keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->n; i++)
		EVP_PKEY_free(k->keys[i].key);
	free(k);
}

static bool
is_json(struct slice text)
{
	uint8_t c = ' ';

	while (slice_take_byte(&text, &c))
		if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
			break;
	return c == '{';
}

int
sasl_token_keys_parse(struct slice text, struct sasl_token_keys **ret,
    char why[SASL_KEYS_WHY])
{
	struct sasl_token_keys *k;
	int r;

	(void)OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
	if (text.len > LIMIT_TOKEN_KEYS)
		return bad(why, "longer than 32 KiB");
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return -ENOMEM;
	r = is_json(text) ? read_jwks(text, k, why) : read_pem(text, k, why);
	if (r == SASL_KEYS_OK && k->n == 0)
		r = bad(why,
		    "no key that can be used: RSA of 2048 to 8192 bits, "
		    "P-256 or Ed25519, for signatures");
	if (r == SASL_KEYS_OK)
		*ret = k;
	else
		sasl_token_keys_free(k);
	return r;
}
