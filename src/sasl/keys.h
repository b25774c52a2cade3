/* SPDX-License-Identifier: ISC */
/*
 * sasl/keys - verifiers as text, and the keys of SCRAM among them (RFC 5802)
 *
 * What the store keeps of one password is a set: verifiers with a space between
 * them, so that they change together. The first is for passwords that are
 * typed ("$argon2id$..."); behind it stand the keys of SCRAM, in the form
 * "SCRAM-SHA-256$ITERATIONS:SALT$STOREDKEY:SERVERKEY" (base 64), which allow to
 * check a proof but not to make one. Pure; libcrypto does the arithmetic.
 */
#ifndef SASL_KEYS_H
#define SASL_KEYS_H

#include "base/buf.h"

enum {
	SASL_DIGEST_MAX = 32,
	SASL_SALT = 16,
	SASL_SALT_MAX = 64,
	/* What a client must spend at each login; ours once per password. The
	 * upper bound keeps an imported key from costing phones their minute
	 * and is never paid here. */
	SASL_ITERATIONS = 65536,
	SASL_ITERATIONS_MIN = 4096, /* RFC 7677, section 4 */
	SASL_ITERATIONS_MAX = 10 * 1000 * 1000,
	SASL_KEYS_TEXT = 240 /* longest printed form */
};

enum sasl_hash {
	SASL_SHA1,
	SASL_SHA256,
	N_SASL_HASHES
};

struct sasl_keys {
	enum sasl_hash hash;
	uint32_t iterations;
	size_t salt_len;
	uint8_t salt[SASL_SALT_MAX];
	uint8_t stored[SASL_DIGEST_MAX], server[SASL_DIGEST_MAX];
};

size_t sasl_digest_len(enum sasl_hash hash);

/* password: prepared. Costs `iterations` of HMAC. 0, -EINVAL or -ENOMEM. */
int sasl_keys_derive(enum sasl_hash hash, struct slice password,
    struct slice salt, uint32_t iterations, struct sasl_keys *ret);
int sasl_keys_print(const struct sasl_keys *keys, struct buf *out);
bool sasl_keys_parse(struct slice text, struct sasl_keys *ret);
bool sasl_keys_equal(const struct sasl_keys *a, const struct sasl_keys *b);

/* The next verifier of a set; false at its end. */
bool sasl_set_next(struct slice *set, struct slice *ret_verifier);
/* The keys for that hash in a set; false when there are none. */
bool sasl_set_keys(struct slice set, enum sasl_hash hash,
    struct sasl_keys *ret);
/* The one for typed passwords: the first that is not of SCRAM, or empty. */
struct slice sasl_set_password(struct slice set);

/* HMAC(key, data); `out` has sasl_digest_len bytes. */
void sasl_hmac(enum sasl_hash hash, struct slice key, struct slice data,
    uint8_t out[SASL_DIGEST_MAX]);
void sasl_digest(enum sasl_hash hash, struct slice data,
    uint8_t out[SASL_DIGEST_MAX]);

#endif
