/* SPDX-License-Identifier: ISC */
/*
 * store/annotation - what clients note at mailboxes (RFC 5464)
 *
 * Rows (account, mailbox, entry): mailbox 0 is the server as the account sees
 * it. Entries are in lower case; values at most LIMIT_ANNOTATION octets, at
 * most LIMIT_ANNOTATIONS of them a mailbox. /private/specialuse is no row but
 * the mailbox's special use (RFC 6154, 4). Inside a transaction.
 */
#ifndef STORE_ANNOTATION_H
#define STORE_ANNOTATION_H

#include "store/mailbox.h"

struct annotation {
	struct slice entry, value;
	bool is_removed;
};

/* The mailbox of a name; an empty name is 0. STORE_E_NO_MAILBOX. */
int annotation_target(struct db *db, uint64_t account, struct slice name,
    uint64_t *ret_mailbox);
/* All or none of them. STORE_E_TOO_MANY, STORE_E_USE. */
int annotation_set(struct db *db, uint64_t account, struct slice name,
    const struct annotation *all, size_t n);

#endif
