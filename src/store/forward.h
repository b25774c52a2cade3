/* SPDX-License-Identifier: ISC */
/*
 * store/forward - policy/srs with the secret and the domains of the database
 *
 * Inside run() of a read or apply() of a write. The secret is made with the
 * first mail that needs it; only this installation's own addresses depend on
 * it (docs/decisions/0030-srs.md).
 */
#ifndef STORE_FORWARD_H
#define STORE_FORWARD_H

#include "policy/srs.h"
#include "store/db.h"

/* What the sender of a forwarded mail becomes, in the name of the domain (A-
 * label) whose alias it went through. DB_NONE: he stays as he is (he is ours,
 * the domain does not want it, or it cannot be done). `fresh`: random octets,
 * in case there is no secret yet; NULL: nothing is written, and the hash is not
 * one to be known again, if there is none. */
int forward_sender(struct db *db, struct slice sender, struct slice domain,
    int64_t now, const uint8_t fresh[SRS_SECRET], struct buf *out);

/* Whom such an address stands for. DB_NONE: it has no such form, or is not in a
 * domain of ours. FORWARD_E_BAD: forged or too old. */
enum {
	FORWARD_E_BAD = 60
};
int forward_undo(struct db *db, struct slice address, int64_t now,
    struct buf *out);

#endif
