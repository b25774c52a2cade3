/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/keeper - the role's state, shared by its files
 *
 * keeper.c: life, channels, keys. auth.c: logins. hash.c: new passwords, and
 * the thread's queue. token.c: logins by token. A login waits in `logins` by a
 * number of its own while its client thinks, the store looks up its verifiers
 * and the thread hashes; whoever is gone when it is done hears nothing.
 */
#ifndef ROLES_KEEPER_KEEPER_H
#define ROLES_KEEPER_KEEPER_H

#include "base/list.h"
#include "base/map.h"
#include "roles/keeper/certificate.h"
#include "roles/keeper/guard.h"
#include "roles/keeper/keys.h"
#include "roles/keeper/password.h"
#include "roles/role.h"
#include "sasl/sasl.h"
#include "sasl/token.h"

enum {
	KEEPER_HASHES_MAX = 64, /* waiting for the thread: about two seconds */
	KEEPER_LOGINS_MAX = 1024,
	KEEPER_ROWS_MAX = 33 /* messages.def: VERIFIER.rows */
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
	uint64_t n_hashed; /* jobs since the start: what logins cost */
	struct guard *guard;
	char dummy[KEEPER_VERIFIER]; /* hashed against for who is unknown */
	/* token.c's */
	struct sasl_token_keys *token_keys; /* NULL: none that can be used */
	X509_STORE *client_ca;              /* the same */
};

extern const struct role_ops keeper_ops;

int auth_init(struct keeper *k);
void auth_deinit(struct keeper *k);
void auth_lost_store(struct keeper *k);
void auth_lost_front(struct keeper *k, uint32_t instance);
int auth_on_start(struct channel *c, const struct wire_head *h,
    const struct wire_auth_start *m);
int auth_on_step(struct channel *c, const struct wire_head *h,
    const struct wire_auth_step *m);
int auth_on_abort(struct channel *c, const struct wire_head *h,
    const struct wire_auth_abort *m);
int auth_on_verifier(struct channel *c, const struct wire_head *h,
    const struct wire_verifier *m);
int auth_on_certificate(struct channel *c, const struct wire_head *h,
    const struct wire_certificate *m);
int auth_on_hash_ask(struct channel *c, const struct wire_head *h,
    const struct wire_hash_ask *m);

/* token.c: the keys of who issues tokens. A file that cannot be used is told
 * once and is no end: logins by token get a temporary refusal then. */
int keeper_token_init(struct keeper *k);
void keeper_token_deinit(struct keeper *k);
int keeper_token_on_keys(struct channel *c, const struct wire_head *h,
    const struct wire_token_keys *m);
enum sasl_token_result keeper_token_check(const struct keeper *k,
    struct slice token, struct sasl_token_owner *ret);
/* What the client is told (RFC 7628, 3.2.2). */
struct slice keeper_token_error(const struct keeper *k,
    enum sasl_mechanism mechanism, enum sasl_token_result why,
    char at[SASL_CHALLENGE_MAX]);

/* hash.c: into the thread; done() must count n_hashes down. */
bool keeper_submit(struct keeper *k, struct env_job *job);

/* The channel of that role and instance, or NULL when it has gone. */
struct channel *keeper_peer(struct keeper *k, enum wire_role peer,
    uint32_t instance);

#endif
