/* SPDX-License-Identifier: ISC */
/*
 * sasl/token - signed tokens that say who somebody is (RFC 7519, 8725, 9068)
 *
 * A token is a JWS in compact form: header.payload.signature, signed by the
 * issuer that the settings name. What it may be is decided here and by nothing
 * in it: RS256, ES256 or EdDSA, with the kind of key that was configured for
 * it, so that neither "none" nor a public key taken for a shared secret gets
 * anybody in. Headers that must be understood (crit) are not. Sizes and depths
 * are bounded before the JSON reader sees them; a name that stands twice is
 * refused. Pure: the clock is the caller's; nothing is asked of the issuer.
 */
#ifndef SASL_TOKEN_H
#define SASL_TOKEN_H

#include "base/limits.h"
#include "sasl/token_keys.h"

enum {
	SASL_TOKEN_DEPTH = 8 /* of objects and lists within each other */
};

/* What the settings ask of a token. */
struct sasl_token_rules {
	struct slice issuer, audience; /* exactly */
	struct slice claim; /* which names the account: "email", "sub" */
	struct slice scope; /* one that must be in "scope"; may be empty */
	int64_t skew;       /* us; clocks differ */
};

enum sasl_token_result {
	SASL_TOKEN_GOOD,
	SASL_TOKEN_SYNTAX,
	SASL_TOKEN_ALGORITHM,
	SASL_TOKEN_KEY,
	SASL_TOKEN_SIGNATURE,
	/* from here on the issuer's signature is right */
	SASL_TOKEN_ISSUER,
	SASL_TOKEN_AUDIENCE,
	SASL_TOKEN_EXPIRED,
	SASL_TOKEN_NOT_YET,
	SASL_TOKEN_NAME,
	SASL_TOKEN_SCOPE,
	N_SASL_TOKEN_RESULTS
};

struct sasl_token_owner {
	size_t len;
	char name[LIMIT_ADDRESS]; /* as the issuer writes it */
};

/* now: us since 1970. *ret only with SASL_TOKEN_GOOD. */
enum sasl_token_result sasl_token_check(struct slice token,
    const struct sasl_token_keys *keys, const struct sasl_token_rules *rules,
    int64_t now, struct sasl_token_owner *ret);
/* "no key of that kid": for logs and admins, never for clients. */
const char *sasl_token_problem(enum sasl_token_result r);

#endif
