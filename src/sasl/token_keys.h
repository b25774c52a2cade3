/* SPDX-License-Identifier: ISC */
/*
 * sasl/token_keys - the public keys of who issues tokens (RFC 7517, 8037)
 *
 * From a text that an admin has put on this machine: a JWK Set as issuers
 * publish it, or PEM with public keys or certificates. RSA of 2048 to 8192
 * bits, P-256 and Ed25519; others in a set are passed over, as RFC 7517, 5
 * says, but a text without one usable key is wrong, and so is one with a
 * private key in it: that has come where it should not be. Pure; bounded.
 */
#ifndef SASL_TOKEN_KEYS_H
#define SASL_TOKEN_KEYS_H

#include <jansson.h>
#include <openssl/evp.h>

#include "base/limits.h"
#include "base/slice.h"

enum {
	SASL_TOKEN_KEYS_MAX = 32,
	SASL_KID_MAX = 256,
	SASL_KEYS_WHY = 160
};

enum sasl_token_algorithm {
	SASL_RS256,
	SASL_ES256,
	SASL_EDDSA, /* Ed25519 */
	N_SASL_TOKEN_ALGORITHMS
};
extern const char *const sasl_token_algorithms[N_SASL_TOKEN_ALGORITHMS];

struct sasl_token_key {
	EVP_PKEY *key;
	uint8_t algorithm; /* the only one it is used with */
	size_t kid_len;    /* 0: it has none, and fits any */
	char kid[SASL_KID_MAX];
};

struct sasl_token_keys {
	size_t n;
	struct sasl_token_key keys[SASL_TOKEN_KEYS_MAX];
};

enum {
	SASL_KEYS_OK,
	SASL_KEYS_E_BAD /* why says what is wrong */
};

/* SASL_KEYS_OK, SASL_KEYS_E_BAD or -ENOMEM; *ret only when OK. */
int sasl_token_keys_parse(struct slice text, struct sasl_token_keys **ret,
    char why[SASL_KEYS_WHY]);
void sasl_token_keys_free(struct sasl_token_keys *k);

/* A JSON object with at most `depth` levels, no name twice, nothing behind it;
 * NULL otherwise. */
json_t *sasl_json_object(struct slice text, unsigned depth);
/* The text of a member; empty when it is none, or empty. */
struct slice sasl_json_text(const json_t *object, const char *name);

#endif
