/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/guard - what is remembered of logins, good and bad
 *
 * A good one is remembered for ten minutes as a keyed hash of account,
 * verifier and password, so that the reconnects of a mail program cost no
 * Argon2; a changed password changes the verifier and is refused at once.
 * Bad ones are counted for the account, for the client's network and for the
 * channel of the front: the answer comes the later the more there were, and
 * the next try of the kind has to wait for its turn before it is looked at, so
 * that a thousand connections guess no faster than one. Nobody is locked out:
 * who comes to an account from a network where he was let in of late waits no
 * longer than behind a first bad one, whatever others do, and takes nobody's
 * turn. Who has not failed there of late queues apart from who has, so that
 * guessers are in front of each other, not of an owner who comes from
 * somewhere new. Fixed memory; a full table forgets its oldest; all is forgotten when
 * the keeper starts anew. No I/O, no clock of its own.
 */
#ifndef ROLES_KEEPER_GUARD_H
#define ROLES_KEEPER_GUARD_H

#include "base/slice.h"

enum {
	GUARD_KEY = 32,
	GUARD_MAC = 32,
	GUARD_GOOD = 4096,
	GUARD_BAD = 16384,
	GUARD_WAYS = 4, /* places where one entry may stand */
	GUARD_KNOWN = 8192,
	GUARD_WAIT_MAX_MS = 4000,  /* clients give up after ten seconds */
	GUARD_TURN_MAX_MS = 2000,  /* between two tries of one kind */
	GUARD_QUEUE_MAX_MS = 15000 /* who would wait longer comes again */
};

struct guard {
	uint8_t key[GUARD_KEY];
	struct guard_good {
		uint8_t mac[GUARD_MAC];
		int64_t until; /* 0: free */
	} good[GUARD_GOOD];
	struct guard_bad {
		uint64_t who; /* a keyed hash */
		int64_t at;   /* of the last one */
		int64_t next[2]; /* the next turn: of who has not failed as
				  * this account from this network, of who has */
		uint32_t n;
	} bad[GUARD_BAD];
	struct guard_known { /* account and network, let in before */
		uint64_t who;
		int64_t until;
	} known[GUARD_KNOWN];
};

void guard_init(struct guard *g, const uint8_t key[GUARD_KEY]);

void guard_remember(struct guard *g, uint64_t account, struct slice verifier,
    struct slice password, int64_t now);
bool guard_knows(const struct guard *g, uint64_t account, struct slice verifier,
    struct slice password, int64_t now);

/* Who tries: the address that was typed in its canonical form; the client's
 * address as text, of which the network counts (/24, /56); the front. */
struct guard_try {
	struct slice address, client;
	uint64_t channel;
};

/* How long this try waits before it is looked at; takes that turn. More than
 * GUARD_QUEUE_MAX_MS: it has none and shall come again later. */
uint32_t guard_take_turn(struct guard *g, const struct guard_try *t,
    int64_t now);
/* Counts a failure and says how long its answer shall wait. */
uint32_t guard_note_failure(struct guard *g, const struct guard_try *t,
    int64_t now);
void guard_note_success(struct guard *g, const struct guard_try *t,
    int64_t now);

#endif
