/* SPDX-License-Identifier: ISC */
#include "roles/keeper/sign.h"

#include <openssl/err.h>
#include <openssl/rsa.h>

enum {
	PADDING = 64, /* spaces; and the two randoms of TLS 1.2 */
	NAMED_CURVE = 3,
	UNCOMPRESSED = 4
};

/* RFC 8446, 4.4.3: 64 spaces, the context string, a NUL, the transcript's
 * hash. The client's context string is refused: these keys serve. */
static bool
is_tls13(struct slice tbs)
{
	for (int i = 0; i < PADDING; i++)
		if (!slice_skip_byte(&tbs, ' '))
			return false;
	return slice_skip(&tbs, SLICE("TLS 1.3, server CertificateVerify")) &&
	    slice_skip_byte(&tbs, 0) && (tbs.len == 32 || tbs.len == 48);
}

/* RFC 8422, 5.4: client random, server random, named_curve, the curve, one
 * point of exactly that curve's length, nothing behind it. */
static bool
is_tls12(struct slice tbs)
{
	static const struct {
		uint8_t id, len;
		bool is_point;
	} groups[] = { { 23, 65, true }, { 24, 97, true }, { 25, 133, true },
		{ 29, 32, false }, { 30, 56, false } };
	struct slice randoms;
	uint8_t curve, len;

	if (!slice_take(&tbs, PADDING, &randoms) ||
	    !slice_skip_byte(&tbs, NAMED_CURVE) || !slice_skip_byte(&tbs, 0) ||
	    !slice_take_byte(&tbs, &curve) || !slice_take_byte(&tbs, &len))
		return false;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (groups[i].id == curve)
			return len == groups[i].len && tbs.len == len &&
			    (!groups[i].is_point || tbs.at[0] == UNCOMPRESSED);
	return false;
}

/* The two cannot be confused: the 65th byte is 'T' in one and 3 in the other.
 */
enum sign_shape
sign_shape(struct slice tbs)
{
	if (is_tls13(tbs))
		return SIGN_SHAPE_TLS13;
	return is_tls12(tbs) ? SIGN_SHAPE_TLS12 : SIGN_SHAPE_NONE;
}

static const char *
digest_name(uint16_t digest)
{
	switch (digest) {
	case 256:
		return "SHA2-256";
	case 384:
		return "SHA2-384";
	case 512:
		return "SHA2-512";
	default:
		return NULL;
	}
}

/* RFC 8446, 4.2.3: in 1.3, RSA is PSS and P-256 goes with SHA-256 only. */
static bool
is_allowed(const struct wire_sign_ask *ask, bool is_rsa)
{
	switch (sign_shape(ask->tbs)) {
	case SIGN_SHAPE_TLS13:
		return is_rsa ? ask->pss : !ask->pss && ask->digest == 256;
	case SIGN_SHAPE_TLS12:
		return is_rsa || !ask->pss;
	case SIGN_SHAPE_NONE:
		break;
	}
	return false;
}

bool
sign_handshake(OSSL_LIB_CTX *lib, EVP_PKEY *key,
    const struct wire_sign_ask *ask, struct buf *signature)
{
	const char *digest = digest_name(ask->digest);
	EVP_MD_CTX *c;
	EVP_PKEY_CTX *p = NULL;
	uint8_t *at;
	size_t n = SIGN_SIGNATURE_MAX;
	bool ok;

	if (digest == NULL || !is_allowed(ask, EVP_PKEY_is_a(key, "RSA")) ||
	    buf_reserve(signature, n, &at) != BUF_OK)
		return false;
	c = EVP_MD_CTX_new();
	ok = c != NULL &&
	    EVP_DigestSignInit_ex(c, &p, digest, lib, NULL, key, NULL) > 0;
	if (ok && ask->pss)
		ok = EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) >
			0 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(p,
			RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_DigestSign(c, at, &n, ask->tbs.at, ask->tbs.len) > 0;
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	if (ok)
		buf_grew(signature, n);
	return ok;
}
