/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/certificate - what a client's certificate says (RFC 5280, 8398)
 *
 * The front has seen that the client has the key; here the rest is judged: its
 * time, who vouches for it (the file tls.client_ca, with revocation lists when
 * it holds some) and of whom it speaks (rfc822Name). A chain comes from a front
 * and is bounded; nothing of it is trusted before it is checked.
 */
#ifndef ROLES_KEEPER_CERTIFICATE_H
#define ROLES_KEEPER_CERTIFICATE_H

#include <openssl/x509.h>

#include "base/limits.h"
#include "base/slice.h"
#include "sys/env.h"

enum {
	KEEPER_CERT_NAMES = 8, /* more are not looked at */
	KEEPER_CERT_CHAIN = 10,
	KEEPER_FINGERPRINT = 2 * 32 + 1,
	KEEPER_CA_WHY = 128
};

struct keeper_certificate {
	char fingerprint[KEEPER_FINGERPRINT]; /* SHA-256, lower-case hex */
	bool is_in_time;
	bool is_trusted; /* by the file: as a client's, now */
	size_t n_names;
	char names[KEEPER_CERT_NAMES][LIMIT_ADDRESS + 1];
};

/* ca may be NULL: nobody vouches. NULL: no certificate, or no memory. The
 * caller frees it. now: us since 1970. */
struct keeper_certificate *keeper_certificate_read(X509_STORE *ca,
    struct slice chain, int64_t now);

/* PEM of certificates and revocation lists. NULL with *why. */
X509_STORE *keeper_ca_parse(struct slice pem, char why[KEEPER_CA_WHY]);
/* The file, when there is one in the settings. One that cannot be used is told
 * and is no end. 0 or -ENOMEM. */
int keeper_ca_init(struct env *env, const char *path, X509_STORE **ret);

#endif
