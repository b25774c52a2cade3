/* SPDX-License-Identifier: ISC */
/*
 * roles/store/greylist - who has been here before
 *
 * The rows behind policy/greylist. They live in memory, where they are asked;
 * the database has a copy, written behind (greylist_rows.c): never in the
 * transaction that takes a mail, so a power cut loses the last seconds of it
 * and nobody but a newcomer waits for that. Bounded by LIMIT_GREYLIST rows and
 * LIMIT_GREYLIST_BYTES. When there is no room the newcomer seen least lately is
 * forgotten, so that a flood of newcomers displaces newcomers; who has passed
 * goes only when there are no others.
 */
#ifndef ROLES_STORE_GREYLIST_H
#define ROLES_STORE_GREYLIST_H

#include "base/list.h"
#include "config/settings.h"
#include "policy/greylist.h"
#include "sys/env.h"

/* What a recipient is asked about; set by greylist_ticket_make. */
struct greylist_ticket {
	bool is_asked;
	struct greylist_key key;
};

struct greylist;

/* NULL: no memory. */
struct greylist *greylist_new(struct env *env, const struct settings *s);
void greylist_free(struct greylist *g);
/* Nothing is asked of clients that are exempt or allowed, of postmaster and
 * abuse. */
void greylist_ticket_make(const struct greylist *g, struct slice client,
    struct slice rdns, struct slice sender, struct slice rcpt,
    struct greylist_ticket *ret);
/* by: the switch of the recipient's domain (enum greylist_switch). False:
 * *ret_wait (us) from now. Without memory for its row everybody passes. */
bool greylist_pass(struct greylist *g, const struct greylist_ticket *t,
    uint8_t by, int64_t *ret_wait);

/* -- rows ------------------------------------------------------------------ */

struct greylist_entry {
	struct list link;      /* of those that wait or those that have passed;
				* seen last, last */
	struct list unwritten; /* changed, or gone, since it was written */
	struct greylist_row row;
	int64_t written;  /* the row's `last` in the database */
	bool is_gone;     /* out of all but the unwritten */
	uint16_t len;     /* of `text` */
	uint16_t ends[2]; /* of client and of sender in it */
	char text[];      /* client, NUL, sender, NUL, rcpt, NUL */
};
static inline const char *
greylist_client(const struct greylist_entry *e)
{
	return e->text;
}
static inline const char *
greylist_sender(const struct greylist_entry *e)
{
	return e->text + e->ends[0] + 1;
}
static inline const char *
greylist_rcpt(const struct greylist_entry *e)
{
	return e->text + e->ends[1] + 1;
}
/* It counts how many of its client's rows have passed. */
static inline bool
greylist_is_client(const struct greylist_entry *e)
{
	return greylist_rcpt(e)[0] == '\0';
}

size_t greylist_count(const struct greylist *g);
const struct greylist_limits *greylist_limits(const struct greylist *g);
int64_t greylist_expires(const struct greylist *g,
    const struct greylist_row *r);
/* Each entry, those that have passed first, the ones seen last first. */
void greylist_walk(struct greylist *g,
    bool (*visit)(struct greylist_entry *e, void *ctx), void *ctx);
/* Forgets what the three name (empty: any). Returns how many. */
size_t greylist_remove(struct greylist *g, struct slice client,
    struct slice sender, struct slice rcpt);
/* What is over by now; a bounded number a call. */
void greylist_expire(struct greylist *g);

/* -- for the copy in the database --------------------------------------------
 */

/* A row as it was written; those seen last first. False: no room for more. */
bool greylist_load(struct greylist *g, const struct greylist_key *key,
    const struct greylist_row *row);
bool greylist_has_unwritten(const struct greylist *g);
/* Rows were forgotten that the database may still have; once. */
bool greylist_was_full(struct greylist *g);
struct greylist_copy {
	struct greylist_key key;
	struct greylist_row row;
	int64_t expires;
	bool is_gone;
};
/* The next of the unwritten, in the order of their changes; returns how many.
 */
size_t greylist_take_unwritten(struct greylist *g, struct greylist_copy *at,
    size_t n);

/* -- who never waits ---------------------------------------------------------
 */

/* A network, or a domain in lower case; what is no such is left out. False: no
 * room, or no memory. */
bool greylist_allow(struct greylist *g, struct slice client);
void greylist_allow_nobody(struct greylist *g);
/* The one text that stands for it. False: neither network nor domain. */
bool greylist_client_parse(struct slice typed, char ret[GREYLIST_TEXT]);

#endif
