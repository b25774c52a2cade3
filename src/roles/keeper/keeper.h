/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/keeper - the role's state, shared by its files
 *
 * keeper.c: life, channels, keys. auth.c: logins and hashing. A login waits in
 * `logins` by a number of its own while the store looks up its verifier and
 * the thread hashes; whoever is gone when it is done hears nothing.
 */
#ifndef ROLES_KEEPER_KEEPER_H
#define ROLES_KEEPER_KEEPER_H

#include "base/list.h"
#include "base/map.h"
#include "roles/keeper/guard.h"
#include "roles/keeper/keys.h"
#include "roles/keeper/password.h"
#include "roles/role.h"

enum {
	KEEPER_HASHES_MAX = 64, /* waiting for the thread: about two seconds */
	KEEPER_LOGINS_MAX = 1024
};

struct keeper {
	struct role *role;
	struct env *env;
	struct keeper_master *master;
	struct map keys;       /* EVP_PKEY by number */
	struct list peers;     /* channels, by their link */
	struct channel *store; /* one of them, or NULL */
	struct list signers;   /* see keeper.c */
	/* auth.c's */
	struct map logins;
	uint64_t next_login;
	uint32_t n_hashes; /* jobs in the lane */
	struct guard *guard;
	char dummy[KEEPER_VERIFIER]; /* hashed against for who is unknown */
};

extern const struct role_ops keeper_ops;

int auth_init(struct keeper *k);
void auth_deinit(struct keeper *k);
void auth_lost_store(struct keeper *k);
int auth_on_try(struct channel *c, const struct wire_head *h,
    const struct wire_auth_try *m);
int auth_on_verifier(struct channel *c, const struct wire_head *h,
    const struct wire_verifier *m);
int auth_on_hash_ask(struct channel *c, const struct wire_head *h,
    const struct wire_hash_ask *m);

/* The channel of that role and instance, or NULL when it has gone. */
struct channel *keeper_peer(struct keeper *k, enum wire_role peer,
    uint32_t instance);

#endif
