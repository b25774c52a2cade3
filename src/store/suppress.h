/* SPDX-License-Identifier: ISC */
/*
 * store/suppress - recipients elsewhere whose servers said that there is nobody
 *
 * One row for a domain of senders and a recipient: how often he was refused for
 * good as unknown in reply to our own mail, and until when that is remembered.
 * Nothing that a stranger sends makes a row: not a report, forged or not. What
 * a server refuses for its policy or the content is no row either. An admin's
 * own rows (n == 0, sender domain perhaps "*") are refused from the first mail.
 *
 * Inside run() of a read or apply() of a write.
 */
#ifndef STORE_SUPPRESS_H
#define STORE_SUPPRESS_H

#include "base/verdict.h"
#include "store/db.h"

/* A queue row's recipient was refused with this verdict, in its server's own
 * words: counts, when they say that there is nobody. */
int suppress_note(struct db *db, uint64_t row, const struct verdict *v,
    int64_t now, int64_t keep);

/* Whether a mail is to be refused: an admin's row, or one that counts `after`
 * or more (0: those are never refused). */
int suppress_check(struct db *db, struct slice sender, struct slice rcpt,
    uint32_t after, int64_t now, bool *ret_is_suppressed);
/* 0: somebody is; DB_NONE: nobody at all. */
int suppress_any(struct db *db);

#endif
