/* SPDX-License-Identifier: ISC */
/*
 * roles/store/greylist - who has been here before
 *
 * The rows behind policy/greylist, in memory and bounded (LIMIT_GREYLIST): the
 * one not seen for longest goes first. Keys are keyed hashes of client, sender
 * and recipient, so a row has a fixed size. A restart of the store forgets; who
 * was known is put off once more (docs/decisions/0011).
 */
#ifndef ROLES_STORE_GREYLIST_H
#define ROLES_STORE_GREYLIST_H

#include "config/settings.h"
#include "policy/greylist.h"
#include "sys/env.h"

enum {
	GREYLIST_HASH = 16
};

/* What a recipient is asked about; set by greylist_ticket_make. */
struct greylist_ticket {
	bool is_asked;
	uint8_t all[GREYLIST_HASH], client[GREYLIST_HASH];
};

struct greylist;

/* NULL: no memory. */
struct greylist *greylist_new(struct env *env, const struct settings *s);
void greylist_free(struct greylist *g);
/* Nothing is asked of exempt clients, of postmaster and abuse. */
void greylist_ticket_make(const struct greylist *g, struct slice client,
    struct slice rdns, struct slice sender, struct slice rcpt,
    struct greylist_ticket *ret);
/* by: the switch of the recipient's domain (enum greylist_switch). False:
 * *ret_wait (us) from now. */
bool greylist_pass(struct greylist *g, const struct greylist_ticket *t,
    uint8_t by, int64_t *ret_wait);

#endif
