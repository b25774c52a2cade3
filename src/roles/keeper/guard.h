/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/guard - what is remembered of logins, good and bad
 *
 * A good one is remembered for ten minutes as a keyed hash of account,
 * verifier and password, so that the reconnects of a mail program cost no
 * Argon2; a changed password changes the verifier and is refused at once.
 * Bad ones are counted for the account and for the client's network; the
 * answer comes the later the more there were. Nobody is locked out. Fixed
 * memory; a full table forgets its oldest. No I/O, no clock of its own.
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
	GUARD_WAIT_MAX_MS = 10000
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
		uint32_t n;
	} bad[GUARD_BAD];
};

void guard_init(struct guard *g, const uint8_t key[GUARD_KEY]);

void guard_remember(struct guard *g, uint64_t account, struct slice verifier,
    struct slice password, int64_t now);
bool guard_knows(const struct guard *g, uint64_t account, struct slice verifier,
    struct slice password, int64_t now);

/* Counts a failure and says how long its answer shall wait. client: the
 * address as text, of which the network counts (/24, /56). */
uint32_t guard_note_failure(struct guard *g, struct slice address,
    struct slice client, int64_t now);

#endif
