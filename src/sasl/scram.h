/* SPDX-License-Identifier: ISC */
/*
 * sasl/scram - the server's half of SCRAM (RFC 5802, 7677)
 *
 *   first():  n,,n=user,r=nonce            -> who, and how bound
 *   challenge(): r=nonce+ours,s=salt,i=N   <- salt and count of his keys
 *   final():  c=..,r=..,p=proof            -> checked against keys
 *
 * The client shows that it knows the password, and the server's signature shows
 * that we know its keys. Bound to the TLS channel (RFC 5929, 9266) it also
 * shows that nobody sits between. A client that says it could bind but thinks
 * we cannot is refused where we can: somebody took -PLUS out of our list. Pure;
 * names and nonces are bounded; what it holds is no secret.
 */
#ifndef SASL_SCRAM_H
#define SASL_SCRAM_H

#include "base/limits.h"
#include "sasl/keys.h"

enum {
	SASL_SCRAM_FIRST_MAX = 2048,
	SASL_SCRAM_NONCE_MAX = 256, /* the client's */
	SASL_SCRAM_NONCE = 24,      /* characters of ours */
	SASL_SCRAM_SERVER_FIRST_MAX = 512,
	SASL_SCRAM_FINAL_MAX = 4096,
	SASL_BINDING_MAX = 64
};

/* What both ends of the TLS connection know; empty: cannot be had. */
struct sasl_binding {
	size_t exporter_len, end_point_len, unique_len;
	uint8_t exporter[SASL_BINDING_MAX];  /* tls-exporter (RFC 9266) */
	uint8_t end_point[SASL_BINDING_MAX]; /* tls-server-end-point (5929) */
	uint8_t unique[SASL_BINDING_MAX];    /* tls-unique (5929) */
};

enum {
	SASL_SCRAM_OK,
	SASL_SCRAM_E_SYNTAX,
	SASL_SCRAM_E_REFUSED /* binding, nonce, extension: as a wrong proof */
};

struct sasl_scram {
	enum sasl_hash hash;
	bool is_plus;
	size_t gs2_len, first_len, server_len, nonce_len;
	size_t binding_len;
	uint8_t first[SASL_SCRAM_FIRST_MAX]; /* gs2 header and bare part */
	/* "r=<both nonces>,s=..": the nonces begin at 2 */
	uint8_t server[SASL_SCRAM_SERVER_FIRST_MAX];
	uint8_t binding[SASL_BINDING_MAX];
	/* decoded; not yet canonical */
	size_t name_len, authzid_len;
	char name[LIMIT_ADDRESS], authzid[LIMIT_ADDRESS];
};

struct sasl_scram_final {
	struct slice without_proof; /* both in the message */
	uint8_t proof[SASL_DIGEST_MAX];
};

/* plus_is_offered: the list held the -PLUS form of this hash. */
int sasl_scram_first(struct sasl_scram *s, enum sasl_hash hash, bool is_plus,
    bool plus_is_offered, const struct sasl_binding *binding,
    struct slice message);
/* Of keys, salt and iterations are said. nonce: SASL_SCRAM_NONCE printable
 * characters without comma. The challenge is s->server. */
void sasl_scram_challenge(struct sasl_scram *s, const struct sasl_keys *keys,
    const char nonce[SASL_SCRAM_NONCE]);
int sasl_scram_final(const struct sasl_scram *s, struct slice message,
    struct sasl_scram_final *ret);
/* Whether the proof is of the password of these keys. signature: for "v=". */
bool sasl_scram_matches(const struct sasl_scram *s,
    const struct sasl_scram_final *final, const struct sasl_keys *keys,
    uint8_t signature[SASL_DIGEST_MAX]);

#endif
