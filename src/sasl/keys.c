/* SPDX-License-Identifier: ISC */
#include "sasl/keys.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/base64.h"

static const struct {
	struct slice name;
	size_t len;
	const EVP_MD *(*digest)(void);
} hashes[N_SASL_HASHES] = {
	[SASL_SHA1] = { SLICE("SCRAM-SHA-1$"), 20, EVP_sha1 },
	[SASL_SHA256] = { SLICE("SCRAM-SHA-256$"), 32, EVP_sha256 },
};

size_t
sasl_digest_len(enum sasl_hash hash)
{
	return hashes[hash].len;
}

void
sasl_hmac(enum sasl_hash hash, struct slice key, struct slice data,
    uint8_t out[SASL_DIGEST_MAX])
{
	static const uint8_t nothing[1];
	unsigned n = 0;

	if (HMAC(hashes[hash].digest(), key.len > 0 ? key.at : nothing,
		(int)key.len, data.len > 0 ? data.at : nothing, data.len, out,
		&n) == NULL)
		memset(out, 0, SASL_DIGEST_MAX); /* equals nothing we keep */
}

void
sasl_digest(enum sasl_hash hash, struct slice data,
    uint8_t out[SASL_DIGEST_MAX])
{
	if (EVP_Digest(data.at, data.len, out, NULL, hashes[hash].digest(),
		NULL) != 1)
		memset(out, 0xff, SASL_DIGEST_MAX);
}

int
sasl_keys_derive(enum sasl_hash hash, struct slice password, struct slice salt,
    uint32_t iterations, struct sasl_keys *ret)
{
	uint8_t salted[SASL_DIGEST_MAX], client[SASL_DIGEST_MAX];
	size_t n = hashes[hash].len;

	if (password.len == 0 || password.len > 64 * 1024 || salt.len == 0 ||
	    salt.len > SASL_SALT_MAX || iterations == 0 ||
	    iterations > SASL_ITERATIONS_MAX)
		return -EINVAL;
	if (PKCS5_PBKDF2_HMAC((const char *)password.at, (int)password.len,
		salt.at, (int)salt.len, (int)iterations, hashes[hash].digest(),
		(int)n, salted) != 1)
		return -ENOMEM;
	memset(ret, 0, sizeof(*ret));
	ret->hash = hash;
	ret->iterations = iterations;
	ret->salt_len = salt.len;
	memcpy(ret->salt, salt.at, salt.len);
	sasl_hmac(hash, slice_of(salted, n), SLICE("Client Key"), client);
	sasl_digest(hash, slice_of(client, n), ret->stored);
	sasl_hmac(hash, slice_of(salted, n), SLICE("Server Key"), ret->server);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client, sizeof(client));
	return 0;
}

/* -- text ---------------------------------------------------------------- */

static int
add_base64(struct buf *out, const uint8_t *at, size_t n)
{
	char text[BASE64_ENCODED(SASL_SALT_MAX)];

	return buf_add(out,
	    slice_of(text, base64_encode(slice_of(at, n), text)));
}

int
sasl_keys_print(const struct sasl_keys *keys, struct buf *out)
{
	size_t n = hashes[keys->hash].len;
	int r = buf_add(out, hashes[keys->hash].name);

	if (r == 0)
		r = buf_printf(out, "%u:", keys->iterations);
	if (r == 0)
		r = add_base64(out, keys->salt, keys->salt_len);
	if (r == 0)
		r = buf_add_byte(out, '$');
	if (r == 0)
		r = add_base64(out, keys->stored, n);
	if (r == 0)
		r = buf_add_byte(out, ':');
	if (r == 0)
		r = add_base64(out, keys->server, n);
	return r;
}

static bool
take_digest(struct slice text, size_t n, uint8_t at[SASL_DIGEST_MAX])
{
	size_t len;

	return base64_decode(text, at, SASL_DIGEST_MAX, &len) && len == n;
}

bool
sasl_keys_parse(struct slice text, struct sasl_keys *ret)
{
	struct slice salt, stored;
	struct sasl_keys keys;
	uint64_t iterations;

	memset(&keys, 0, sizeof(keys));
	for (keys.hash = 0; keys.hash < N_SASL_HASHES; keys.hash++)
		if (slice_skip(&text, hashes[keys.hash].name))
			break;
	if (keys.hash == N_SASL_HASHES ||
	    !slice_take_u64(&text, SASL_ITERATIONS_MAX, &iterations) ||
	    iterations < SASL_ITERATIONS_MIN || !slice_skip_byte(&text, ':') ||
	    !slice_take_until(&text, '$', &salt) ||
	    !slice_take_until(&text, ':', &stored) ||
	    !base64_decode(salt, keys.salt, sizeof(keys.salt),
		&keys.salt_len) ||
	    keys.salt_len == 0 ||
	    !take_digest(stored, hashes[keys.hash].len, keys.stored) ||
	    !take_digest(text, hashes[keys.hash].len, keys.server))
		return false;
	keys.iterations = (uint32_t)iterations;
	*ret = keys;
	return true;
}

bool
sasl_keys_equal(const struct sasl_keys *a, const struct sasl_keys *b)
{
	return a->hash == b->hash &&
	    CRYPTO_memcmp(a->stored, b->stored, hashes[a->hash].len) == 0;
}

/* -- sets ---------------------------------------------------------------- */

bool
sasl_set_next(struct slice *set, struct slice *ret_verifier)
{
	struct slice rest = *set, one;

	while (slice_skip_byte(&rest, ' '))
		;
	if (rest.len == 0)
		return false;
	if (!slice_take_until(&rest, ' ', &one)) {
		one = rest;
		rest = slice_from(rest, rest.len);
	}
	*ret_verifier = one;
	*set = rest;
	return true;
}

bool
sasl_set_keys(struct slice set, enum sasl_hash hash, struct sasl_keys *ret)
{
	struct slice one;

	while (sasl_set_next(&set, &one))
		if (slice_starts(one, hashes[hash].name))
			return sasl_keys_parse(one, ret);
	return false;
}

struct slice
sasl_set_password(struct slice set)
{
	struct slice one;

	while (sasl_set_next(&set, &one))
		if (!slice_starts(one, SLICE("SCRAM-")))
			return one;
	return (struct slice){ 0 };
}
