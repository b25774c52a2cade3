/* SPDX-License-Identifier: ISC */
#include "sasl/scram_client.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/base64.h"
#include "base/err.h"
#include "sasl/prep.h"

#define GS2 "n,,"
#define CHANNEL "c=biws,r=" /* base 64 of GS2 */

enum {
	PASSWORD_MAX = 1024,
	AUTH_MAX = SASL_CLIENT_FIRST_MAX + SASL_CLIENT_SERVER_MAX +
	    SASL_CLIENT_FINAL_MAX,
	NONCE_MIN = 18
};

/* saslname: "," and "=" stand as "=2C" and "=3D" (RFC 5802, 5.1) */
static int
add_name(struct buf *out, struct slice user)
{
	int r = user.len == 0 ? BUF_E_FULL : 0;

	for (size_t i = 0; i < user.len && r == 0; i++) {
		if (user.at[i] == ',')
			r = buf_add_cstr(out, "=2C");
		else if (user.at[i] == '=')
			r = buf_add_cstr(out, "=3D");
		else if (user.at[i] == 0)
			r = BUF_E_FULL;
		else
			r = buf_add_byte(out, user.at[i]);
	}
	return r;
}

int
sasl_scram_client_first(struct sasl_scram_client *c, enum sasl_hash hash,
    struct slice user, struct slice nonce)
{
	struct buf out;
	int r;

	memset(c, 0, sizeof(*c));
	c->hash = hash;
	if (nonce.len < NONCE_MIN || nonce.len > sizeof(c->nonce) ||
	    !slice_is_utf8(user))
		return SASL_CLIENT_E_NAME;
	memcpy(c->nonce, nonce.at, nonce.len);
	c->nonce_len = nonce.len;
	buf_init(&out, sizeof(c->first));
	r = buf_add_cstr(&out, GS2 "n=");
	if (r == 0)
		r = add_name(&out, user);
	if (r == 0)
		r = buf_add_cstr(&out, ",r=");
	if (r == 0)
		r = buf_add(&out, nonce);
	if (r == 0) {
		c->first_len = out.len;
		memcpy(c->first, buf_slice(&out).at, out.len);
	}
	buf_deinit(&out);
	return r == 0 ? SASL_CLIENT_OK : SASL_CLIENT_E_NAME;
}

/* -- the server's first ---------------------------------------------------- */

struct server_first {
	struct slice nonce;
	uint8_t salt[SASL_SALT_MAX];
	size_t salt_len;
	uint64_t iterations;
};

/* [extension "," ...] of "m=" is one that must be understood: none is. */
static int
parse_first(const struct sasl_scram_client *c, struct slice in,
    struct server_first *ret)
{
	struct slice salt, count;
	size_t end;

	if (in.len > SASL_CLIENT_SERVER_MAX || !slice_skip(&in, SLICE("r=")) ||
	    !slice_take_until(&in, ',', &ret->nonce) ||
	    !slice_skip(&in, SLICE("s=")) ||
	    !slice_take_until(&in, ',', &salt) || !slice_skip(&in, SLICE("i=")))
		return SASL_CLIENT_E_SYNTAX;
	end = slice_find_byte(in, ',');
	count = slice_upto(in, end == SIZE_MAX ? in.len : end);
	/* ours, and more behind it: or it is an answer to somebody else */
	if (ret->nonce.len <= c->nonce_len ||
	    !slice_starts(ret->nonce, slice_of(c->nonce, c->nonce_len)) ||
	    salt.len > BASE64_ENCODED(SASL_SALT_MAX) ||
	    !base64_decode(salt, ret->salt, sizeof(ret->salt),
		&ret->salt_len) ||
	    ret->salt_len == 0)
		return SASL_CLIENT_E_SYNTAX;
	if (!slice_to_u64(count, UINT32_MAX, &ret->iterations))
		return SASL_CLIENT_E_SYNTAX;
	return ret->iterations < SASL_ITERATIONS_MIN ||
		ret->iterations > SASL_CLIENT_ITERATIONS_MAX
	    ? SASL_CLIENT_E_WORK
	    : SASL_CLIENT_OK;
}

/* -- the proof (RFC 5802, 3) ----------------------------------------------- */

static int
salt_password(enum sasl_hash hash, struct slice password,
    const struct server_first *first, uint8_t salted[SASL_DIGEST_MAX])
{
	uint8_t prepared[PASSWORD_MAX];
	size_t n = 0;
	int r = sasl_prep(password, prepared, sizeof(prepared), &n);

	if (r < 0)
		return ERR_TRACE(r);
	if (r != SASL_PREP_OK)
		return SASL_CLIENT_E_NAME;
	r = PKCS5_PBKDF2_HMAC((const char *)prepared, (int)n, first->salt,
		(int)first->salt_len, (int)first->iterations,
		hash == SASL_SHA1 ? EVP_sha1() : EVP_sha256(),
		(int)sasl_digest_len(hash), salted) == 1
	    ? 0
	    : ERR_ORIGIN(-ENOMEM);
	OPENSSL_cleanse(prepared, sizeof(prepared));
	return r;
}

/* auth: AuthMessage */
static void
prove(struct sasl_scram_client *c, const uint8_t salted[SASL_DIGEST_MAX],
    struct slice auth, uint8_t proof[SASL_DIGEST_MAX])
{
	size_t n = sasl_digest_len(c->hash);
	struct slice key = slice_of(salted, n);
	uint8_t client[SASL_DIGEST_MAX], stored[SASL_DIGEST_MAX],
	    server[SASL_DIGEST_MAX], signature[SASL_DIGEST_MAX];

	sasl_hmac(c->hash, key, SLICE("Client Key"), client);
	sasl_digest(c->hash, slice_of(client, n), stored);
	sasl_hmac(c->hash, slice_of(stored, n), auth, signature);
	for (size_t i = 0; i < n; i++)
		proof[i] = client[i] ^ signature[i];
	sasl_hmac(c->hash, key, SLICE("Server Key"), server);
	sasl_hmac(c->hash, slice_of(server, n), auth, c->signature);
	c->has_signature = true;
	OPENSSL_cleanse(client, sizeof(client));
	OPENSSL_cleanse(server, sizeof(server));
}

static int
add_proof(struct buf *out, const uint8_t *proof, size_t n)
{
	char text[BASE64_ENCODED(SASL_DIGEST_MAX) + 1];
	int r = buf_add_cstr(out, ",p=");

	(void)base64_encode(slice_of(proof, n), text);
	if (r == 0)
		r = buf_add(out, slice_of(text, BASE64_ENCODED(n)));
	return r;
}

int
sasl_scram_client_final(struct sasl_scram_client *c, struct slice password,
    struct slice server_first, struct buf *out)
{
	uint8_t salted[SASL_DIGEST_MAX], proof[SASL_DIGEST_MAX];
	struct server_first first;
	struct buf auth;
	int r = parse_first(c, server_first, &first);

	if (r == 0)
		r = salt_password(c->hash, password, &first, salted);
	if (r != 0)
		return r;
	buf_init(&auth, AUTH_MAX);
	r = buf_add(&auth,
	    slice_from(slice_of(c->first, c->first_len), strlen(GS2)));
	r |= buf_add_byte(&auth, ',');
	r |= buf_add(&auth, server_first);
	r |= buf_add_cstr(&auth, "," CHANNEL);
	r |= buf_add(&auth, first.nonce);
	if (r == 0) {
		prove(c, salted, buf_slice(&auth), proof);
		r = buf_add_cstr(out, CHANNEL);
		r |= buf_add(out, first.nonce);
		r |= add_proof(out, proof, sasl_digest_len(c->hash));
	}
	buf_deinit(&auth);
	OPENSSL_cleanse(salted, sizeof(salted));
	return r == 0 ? SASL_CLIENT_OK : ERR_ORIGIN(-ENOMEM);
}

/* "v=" base64, perhaps with extensions behind it; "e=..." is a no. */
bool
sasl_scram_client_is_server(const struct sasl_scram_client *c,
    struct slice server_final)
{
	uint8_t got[SASL_DIGEST_MAX];
	struct slice text;
	size_t end, n = 0;

	if (!c->has_signature || !slice_skip(&server_final, SLICE("v=")))
		return false;
	end = slice_find_byte(server_final, ',');
	text =
	    slice_upto(server_final, end == SIZE_MAX ? server_final.len : end);
	return text.len == BASE64_ENCODED(sasl_digest_len(c->hash)) &&
	    base64_decode(text, got, sizeof(got), &n) &&
	    n == sasl_digest_len(c->hash) &&
	    CRYPTO_memcmp(got, c->signature, n) == 0;
}
