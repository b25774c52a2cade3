/* SPDX-License-Identifier: ISC */
#include "sasl/token.h"

#include <math.h>
#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "base/base64.h"
#include "base/time.h"
#include "sasl/message.h"

enum {
	SIGNATURE_MAX = 8192 / 8,
	ES256_LEN = 64,
	ES256_DER_MAX = 80
};

struct token {
	struct slice head, payload, signature; /* as they came */
	struct slice signed_part;
	json_t *header, *claims;
};

/* -- the three parts (RFC 7515, section 3.1) ---------------------------------
 */

static bool
divide(struct slice text, struct token *t)
{
	struct slice rest = text;

	if (text.len > SASL_TOKEN_MAX ||
	    !slice_take_until(&rest, '.', &t->head) ||
	    !slice_take_until(&rest, '.', &t->payload) ||
	    slice_find_byte(rest, '.') != SIZE_MAX)
		return false;
	t->signature = rest;
	t->signed_part = slice_upto(text, t->head.len + 1 + t->payload.len);
	return true;
}

static json_t *
read_part(struct slice text)
{
	uint8_t at[SASL_TOKEN_MAX];
	size_t n;

	if (!base64url_decode(text, at, sizeof(at), &n))
		return NULL;
	return sasl_json_object(slice_of(at, n), SASL_TOKEN_DEPTH);
}

/* RFC 8725, 3.11: what it says to be must be what we take. */
static bool
is_type_ours(const json_t *header)
{
	static const struct slice types[] = { SLICE("JWT"), SLICE("at+jwt"),
		SLICE("application/jwt"), SLICE("application/at+jwt") };
	struct slice type = sasl_json_text(header, "typ");

	if (json_object_get(header, "typ") == NULL)
		return true;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (slice_equal_nocase(type, types[i]))
			return true;
	return false;
}

static enum sasl_token_result
check_header(const json_t *header, enum sasl_token_algorithm *ret)
{
	struct slice name = sasl_json_text(header, "alg");
	enum sasl_token_algorithm a = 0;

	/* crit names what must be understood, and none is (RFC 7515, 4.1.11);
	 * with kid of another type, or of another kind, it is no JWT at all. */
	if (json_object_get(header, "crit") != NULL || !is_type_ours(header) ||
	    (json_object_get(header, "kid") != NULL &&
		sasl_json_text(header, "kid").len == 0))
		return SASL_TOKEN_SYNTAX;
	while (a < N_SASL_TOKEN_ALGORITHMS &&
	    !slice_equal(name, slice_cstr(sasl_token_algorithms[a])))
		a++;
	*ret = a;
	return a == N_SASL_TOKEN_ALGORITHMS ? SASL_TOKEN_ALGORITHM
					    : SASL_TOKEN_GOOD;
}

/* -- the signature ----------------------------------------------------------
 */

/* RFC 7518, 3.4: two numbers in their full width; OpenSSL wants DER. */
static size_t
es256_to_der(const uint8_t raw[ES256_LEN], uint8_t der[ES256_DER_MAX])
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(raw, ES256_LEN / 2, NULL);
	BIGNUM *s = BN_bin2bn(raw + ES256_LEN / 2, ES256_LEN / 2, NULL);
	unsigned char *at = der;
	int n = 0;

	if (sig == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
	} else {
		n = i2d_ECDSA_SIG(sig, &at);
	}
	ECDSA_SIG_free(sig);
	return n > 0 ? (size_t)n : 0;
}

static bool
verify(const struct sasl_token_key *k, struct slice data, struct slice raw)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t der[ES256_DER_MAX];
	bool ok;

	if (k->algorithm == SASL_ES256)
		raw = raw.len == ES256_LEN
		    ? slice_of(der, es256_to_der(raw.at, der))
		    : SLICE("");
	ok = ctx != NULL && raw.len > 0 &&
	    EVP_DigestVerifyInit_ex(ctx, NULL,
		k->algorithm == SASL_EDDSA ? NULL : "SHA256", NULL, NULL,
		k->key, NULL) == 1 &&
	    EVP_DigestVerify(ctx, raw.at, raw.len, data.at, data.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

/* A key that names itself serves only who names it; one without a name, from
 * PEM, serves all. */
static bool
is_named(const struct sasl_token_key *k, struct slice kid)
{
	return k->kid_len == 0 || kid.len == 0 ||
	    slice_equal(slice_of(k->kid, k->kid_len), kid);
}

static enum sasl_token_result
check_signature(const struct token *t, enum sasl_token_algorithm a,
    const struct sasl_token_keys *keys)
{
	struct slice kid = sasl_json_text(t->header, "kid");
	uint8_t at[SIGNATURE_MAX];
	bool has_key = false;
	size_t n;

	if (!base64url_decode(t->signature, at, sizeof(at), &n) || n == 0)
		return SASL_TOKEN_SYNTAX;
	for (size_t i = 0; i < keys->n; i++) {
		const struct sasl_token_key *k = &keys->keys[i];

		if (k->algorithm != a || !is_named(k, kid))
			continue;
		has_key = true;
		if (verify(k, t->signed_part, slice_of(at, n)))
			return SASL_TOKEN_GOOD;
	}
	return has_key ? SASL_TOKEN_SIGNATURE : SASL_TOKEN_KEY;
}

/* -- the claims (RFC 7519, section 4.1) --------------------------------------
 */

/* NumericDate: seconds, maybe with a fraction. False: there, and none. */
static bool
take_time(const json_t *claims, const char *name, bool *ret_has, int64_t *ret)
{
	const json_t *value = json_object_get(claims, name);
	double s;

	*ret_has = value != NULL;
	if (value == NULL)
		return true;
	if (!json_is_number(value))
		return false;
	s = json_number_value(value);
	if (!isfinite(s) || s < 0 || s > 1e12)
		return false;
	*ret = (int64_t)(s * (double)TIME_SECOND);
	return true;
}

static enum sasl_token_result
check_times(const json_t *claims, int64_t skew, int64_t now)
{
	int64_t expires = 0, from = 0, issued = 0;
	bool has_end, has_from, has_issued;

	if (!take_time(claims, "exp", &has_end, &expires) ||
	    !take_time(claims, "nbf", &has_from, &from) ||
	    !take_time(claims, "iat", &has_issued, &issued))
		return SASL_TOKEN_SYNTAX;
	if (!has_end || now >= expires + skew)
		return SASL_TOKEN_EXPIRED;
	if ((has_from && from > now + skew) ||
	    (has_issued && issued > now + skew))
		return SASL_TOKEN_NOT_YET;
	return SASL_TOKEN_GOOD;
}

/* One text, or a list of texts (RFC 7519, 4.1.3). */
static bool
is_for(const json_t *claims, struct slice audience)
{
	const json_t *value = json_object_get(claims, "aud"), *one;
	bool is_there = false;
	size_t i;

	if (json_is_string(value))
		return slice_equal(sasl_json_text(claims, "aud"), audience);
	json_array_foreach(value, i, one)
	{
		if (!json_is_string(one))
			return false;
		is_there = is_there ||
		    slice_equal(slice_of(json_string_value(one),
				    json_string_length(one)),
			audience);
	}
	return is_there;
}

/* "scope": words with a space between (RFC 8693, 4.2) */
static bool
has_scope(const json_t *claims, struct slice scope)
{
	struct slice rest = sasl_json_text(claims, "scope"), one;

	if (scope.len == 0)
		return true;
	while (slice_take_until(&rest, ' ', &one))
		if (slice_equal(one, scope))
			return true;
	return slice_equal(rest, scope);
}

/* Not an address of which the issuer itself says that it has not seen the
 * person get mail there: anybody could claim it. */
static bool
take_name(const json_t *claims, struct slice claim,
    struct sasl_token_owner *ret)
{
	char key[64];
	struct slice name;

	if (!slice_to_cstr(claim, key, sizeof(key)))
		return false;
	name = sasl_json_text(claims, key);
	if (name.len == 0 || name.len > sizeof(ret->name) ||
	    (strcmp(key, "email") == 0 &&
		json_object_get(claims, "email_verified") != NULL &&
		!json_is_true(json_object_get(claims, "email_verified"))))
		return false;
	memcpy(ret->name, name.at, name.len);
	ret->len = name.len;
	return true;
}

static enum sasl_token_result
check_claims(const json_t *claims, const struct sasl_token_rules *rules,
    int64_t now, struct sasl_token_owner *ret)
{
	enum sasl_token_result r;

	if (rules->issuer.len == 0 ||
	    !slice_equal(sasl_json_text(claims, "iss"), rules->issuer))
		return SASL_TOKEN_ISSUER;
	if (rules->audience.len == 0 || !is_for(claims, rules->audience))
		return SASL_TOKEN_AUDIENCE;
	r = check_times(claims, rules->skew, now);
	if (r != SASL_TOKEN_GOOD)
		return r;
	if (!take_name(claims, rules->claim, ret))
		return SASL_TOKEN_NAME;
	return has_scope(claims, rules->scope) ? SASL_TOKEN_GOOD
					       : SASL_TOKEN_SCOPE;
}

/* -- all --------------------------------------------------------------------
 */

/* The payload is read only when the signature is right. */
static enum sasl_token_result
check(struct token *t, const struct sasl_token_keys *keys,
    const struct sasl_token_rules *rules, int64_t now,
    struct sasl_token_owner *owner)
{
	enum sasl_token_algorithm a;
	enum sasl_token_result r;

	t->header = read_part(t->head);
	if (t->header == NULL)
		return SASL_TOKEN_SYNTAX;
	r = check_header(t->header, &a);
	if (r == SASL_TOKEN_GOOD)
		r = check_signature(t, a, keys);
	if (r != SASL_TOKEN_GOOD)
		return r;
	t->claims = read_part(t->payload);
	if (t->claims == NULL)
		return SASL_TOKEN_SYNTAX;
	return check_claims(t->claims, rules, now, owner);
}

enum sasl_token_result
sasl_token_check(struct slice token, const struct sasl_token_keys *keys,
    const struct sasl_token_rules *rules, int64_t now,
    struct sasl_token_owner *ret)
{
	struct sasl_token_owner owner = { 0 };
	struct token t = { 0 };
	enum sasl_token_result r = SASL_TOKEN_SYNTAX;

	if (divide(token, &t))
		r = check(&t, keys, rules, now, &owner);
	json_decref(t.header);
	json_decref(t.claims);
	if (r == SASL_TOKEN_GOOD)
		*ret = owner;
	return r;
}

const char *
sasl_token_problem(enum sasl_token_result r)
{
	static const char *const texts[N_SASL_TOKEN_RESULTS] = {
		[SASL_TOKEN_GOOD] = "good",
		[SASL_TOKEN_SYNTAX] = "not a token of a form that is taken",
		[SASL_TOKEN_ALGORITHM] = "its algorithm is not taken",
		[SASL_TOKEN_KEY] = "no key of that kid and algorithm",
		[SASL_TOKEN_SIGNATURE] = "the signature is wrong",
		[SASL_TOKEN_ISSUER] = "of another issuer",
		[SASL_TOKEN_AUDIENCE] = "for another audience",
		[SASL_TOKEN_EXPIRED] = "expired, or without an end",
		[SASL_TOKEN_NOT_YET] = "not valid yet",
		[SASL_TOKEN_NAME] = "names no account",
		[SASL_TOKEN_SCOPE] = "without the scope that is needed",
	};

	return texts[r];
}
