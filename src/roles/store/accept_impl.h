/* SPDX-License-Identifier: ISC */
/*
 * roles/store/accept_impl - what the files of the way in share
 *
 *   bodies.c         BODY_*: bytes on their way to the appender
 *   accept.c         mail transactions, and MAIL
 *   accept_rcpt.c    RCPT: who gets it, remembered for a moment
 *   accept_commit.c  COMMIT: one deposit
 *
 * What was approved is kept per channel and transaction: COMMIT reaches
 * exactly these, and a front cannot name others. All of a transaction lies in
 * its arena, which goes to the deposit at COMMIT.
 */
#ifndef ROLES_STORE_ACCEPT_IMPL_H
#define ROLES_STORE_ACCEPT_IMPL_H

#include "roles/store/store_role.h"
#include "store/sending.h"

struct approval {
	struct approval *next;
	struct rcpt_result result; /* in the transaction's arena */
	struct slice rcpt, orcpt;
	uint8_t notify;
	int64_t rrvs; /* RFC 7293 */
	bool rrvs_continue;
	bool is_left_out; /* at COMMIT, when there was no room */
};

struct txn {
	uint64_t number;
	uint32_t handle;
	bool has_sender; /* the login may use `sender` */
	bool is_relay;   /* of a network that may, as `sender` */
	struct slice sender;
	struct arena arena;
	struct approval *first, **last;
	unsigned n;
	bool is_emptied;  /* filters have taken somebody out */
	size_t n_targets; /* of all of them */
};

/* The transaction of that number, made when there is none; NULL: no memory. */
struct txn *txn_get(struct peer *p, uint64_t number);
void txn_free(struct peer *p, struct txn *t);
/* Deep, into the arena; false: no memory. */
bool rcpt_result_copy(struct arena *arena, const struct rcpt_result *from,
    struct rcpt_result *ret);
void bodies_peer_lost(struct peer *p);

/* Who gets it: store/account's rcpt_lookup, and postmaster and abuse of this
 * host. here: the address that the client is connected to, or empty. */
int accept_lookup(struct db *db, const struct settings *s, struct slice here,
    const struct rcpt_request *ask, struct arena *arena,
    struct rcpt_result *ret);

/* The limits of an account that has none of its own. */
struct sending_limits accept_sending_defaults(const struct store_role *s);
/* STORE_E_SENDING as the sender hears it: 452 4.7.1, and when to come again. */
enum {
	ACCEPT_TEXT = 400
};
struct wire_verdict accept_sending_verdict(const struct sending *s,
    char text[ACCEPT_TEXT]);

#endif
