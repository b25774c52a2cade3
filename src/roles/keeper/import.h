/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/import - verifiers that other programs made
 *
 *   {SHA} {SHA256} {SHA512} {SSHA} {SSHA256} {SSHA512}   digest, then salt
 *   {PBKDF2}$1$salt$rounds$hex                           Dovecot's
 *   $pbkdf2$ $pbkdf2-sha256$ $pbkdf2-sha512$             passlib's
 *   {PBKDF2} {PBKDF2-SHA1} {-SHA256} {-SHA512}rounds$... OpenLDAP's
 *
 * crypt(3) strings and Argon2 are in password.c. Each names its own cost, so
 * costs are bounded here: whoever can have a verifier imported shall not be
 * able to keep the hashing thread busy for minutes. Pure.
 */
#ifndef ROLES_KEEPER_IMPORT_H
#define ROLES_KEEPER_IMPORT_H

#include "base/slice.h"

enum {
	IMPORT_ROUNDS_MAX = 2 * 1000 * 1000, /* of PBKDF2: about a second */
	IMPORT_DIGEST_MAX = 64,
	IMPORT_SALT_MAX = 128
};

struct import {
	int hash;        /* 1, 256, 512: SHA-1, SHA-2 */
	uint32_t rounds; /* 0: one digest */
	size_t salt_len, digest_len;
	uint8_t salt[IMPORT_SALT_MAX], digest[IMPORT_DIGEST_MAX];
};

bool import_parse(struct slice verifier, struct import *ret);
bool import_matches(const struct import *i, struct slice password);
/* A crypt(3) string whose cost is bounded, of a kind that is known, and whole.
 */
bool import_crypt_is_affordable(struct slice bare);

#endif
