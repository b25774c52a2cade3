/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/password - from a password to a verifier, and back to a yes
 *
 * New verifiers are Argon2id strings (19 MiB, two passes). Imported ones may be
 * crypt(3) strings, plain or behind "{CRYPT}" and its like. These functions
 * block for some 30 ms: the role calls them in the HASH lane, `ulak init` just
 * so. They keep nothing of the password.
 */
#ifndef ROLES_KEEPER_PASSWORD_H
#define ROLES_KEEPER_PASSWORD_H

#include "base/slice.h"

enum {
	KEEPER_VERIFIER = 128,     /* a new one with its NUL */
	KEEPER_VERIFIER_MAX = 512, /* an imported one */
	KEEPER_PASSWORD_MAX = 1024
};

/* 0; -EINVAL: empty, too long, or with a NUL inside; -ENOMEM. */
int keeper_hash_password(struct slice password, char out[KEEPER_VERIFIER]);
bool keeper_password_matches(struct slice verifier, struct slice password);
/* A form that this program can check at all. */
bool keeper_verifier_is_known(struct slice verifier);
/* Checked in next to no time: who asks could tell it from a verifier of ours,
 * or from none. */
bool keeper_verifier_is_cheap(struct slice verifier);
/* Good, but not what keeper_hash_password would make today. */
bool keeper_verifier_is_old(struct slice verifier);

#endif
