/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/keys - the master secret and the private keys under it
 *
 * The master secret is keys/master in the data directory: 32 random bytes,
 * read once before the sandbox closes. Private keys leave the keeper only
 * sealed by it; the store keeps the blobs and hands them back at the start.
 *
 * A sealed key: version (1), kind (1: EC P-256, 2: RSA; 3: no key but a password
 * that is said to other servers, as it is), 24 bytes of nonce, the PKCS #8 form encrypted by XChaCha20-Poly1305 with the first two bytes as
 * associated data. A certificate chain: DER, leaf first, each with its length
 * before it (u32, little-endian). `ulak init` calls these in its own process.
 */
#ifndef ROLES_KEEPER_KEYS_H
#define ROLES_KEEPER_KEYS_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "sys/env.h"

enum {
	KEEPER_SEALED_MAX = 4096, /* messages.def */
	KEEPER_CHAIN_MAX = 32768,
	KEEPER_NAMES_MAX = 4096,
	KEEPER_KEY = 32, /* bytes of a symmetric key */
	KEEPER_SECRET_MAX = 1024,
	KEEPER_DAYS_MAX = 36500
};

enum {
	KEEPER_OK,
	KEEPER_E_NAMES,  /* not a list of host names */
	KEEPER_E_DAYS,   /* 0, or beyond KEEPER_DAYS_MAX */
	KEEPER_E_SEALED, /* not sealed by this master, or damaged */
	KEEPER_E_MASTER, /* the file is not a master secret */
	KEEPER_E_KIND    /* neither P-256 nor RSA */
};

struct keeper_master; /* in guarded memory; wiped when freed */

/* Makes keys/master in the data directory; it is safe on disk on return. 0,
 * -EEXIST when there is one, -errno. */
int keeper_master_create(struct env *env, struct env_dir *data);
/* 0, KEEPER_E_MASTER, or -errno (-ENOENT: run `ulak init`). */
int keeper_master_read(struct env_dir *data, struct keeper_master **ret);
void keeper_master_free(struct keeper_master *m);
/* A key of its own for another purpose, derived. */
void keeper_master_derive(const struct keeper_master *m, uint64_t purpose,
    uint8_t key[KEEPER_KEY]);
/* OpenSSL for keys of this master: nothing of it is read from disk. */
OSSL_LIB_CTX *keeper_master_lib(const struct keeper_master *m);

/* A new EC P-256 key, sealed, and a self-signed certificate for names (host
 * names, one space between; the first is the subject). wall: env_wall(). Both
 * buffers are appended to. KEEPER_OK, KEEPER_E_NAMES, KEEPER_E_DAYS, -errno. */
int keeper_key_make(const struct keeper_master *m, struct slice names,
    uint32_t days, int64_t wall, struct buf *sealed, struct buf *chain);
/* For keys made elsewhere. KEEPER_OK, KEEPER_E_KIND, -errno. */
int keeper_key_seal(const struct keeper_master *m, EVP_PKEY *key,
    struct buf *sealed);
/* The caller frees *ret. KEEPER_OK, KEEPER_E_SEALED, -errno. */
int keeper_key_open(const struct keeper_master *m, struct slice sealed,
    EVP_PKEY **ret);
/* A self-signed certificate for an existing key, as keeper_key_make. */
int keeper_key_certify(const struct keeper_master *m, EVP_PKEY *key,
    struct slice names, uint32_t days, int64_t wall, struct buf *chain);

/* A password that this server says to others (a route's). KEEPER_OK, -errno. */
int keeper_secret_seal(const struct keeper_master *m, struct slice secret,
    struct buf *sealed);
/* KEEPER_OK; KEEPER_E_SEALED, also for a key. The caller wipes it. */
int keeper_secret_open(const struct keeper_master *m, struct slice sealed,
    uint8_t secret[KEEPER_SECRET_MAX], size_t *ret_len);

#endif
