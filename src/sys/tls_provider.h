/* SPDX-License-Identifier: ISC */
/*
 * sys/tls_provider - private keys that are in another process, for OpenSSL
 *
 * A built-in provider with two key types (EC P-256, RSA) and one operation: a
 * one-shot DigestSign, which sends the bytes to be signed to the keeper and
 * waits for the answer. The key objects hold the public half and a number; no
 * private half can be imported, exported or made. Used by tls.c alone.
 */
#ifndef SYS_TLS_PROVIDER_H
#define SYS_TLS_PROVIDER_H

#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/x509.h>

#include "sys/env.h"

/* The way to the keeper: a SOCK_SEQPACKET pair, one question at a time. */
struct tls_signer {
	struct env *env;
	int fd;              /* -1: none; handshakes fail then */
	uint64_t asked;      /* number of the last question */
	int64_t rests_until; /* after a time-out nobody waits again so soon */
};

void tls_signer_init(struct tls_signer *s, struct env *env);
void tls_signer_set(struct tls_signer *s, int fd); /* takes over fd; or -1 */

/* Loads the provider into `lib`, which should hold no other; the caller
 * unloads it. NULL: no memory. */
OSSL_PROVIDER *tls_provider_load(OSSL_LIB_CTX *lib);
/* A key object for the certificate's public key, signing as number `key`
 * through `s`, which must outlive it. NULL: not P-256 and not RSA. */
EVP_PKEY *tls_provider_key(OSSL_LIB_CTX *lib, struct tls_signer *s,
    uint32_t key, X509 *cert);

#endif
