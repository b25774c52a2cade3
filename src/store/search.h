/* SPDX-License-Identifier: ISC */
/*
 * store/search - search.db: the slabs of all accounts (store/slab)
 *
 * A cache in a file of its own, written behind everything else and never waited
 * for: commits do not sync. What a slab says is believed only when its checksum
 * holds; any trouble with the file is answered with SEARCH_E_BAD or -errno,
 * and search_drop makes it anew. Nothing is lost but time.
 *
 * Two users, each in one thread at a time: who indexes (the writer's
 * connection) and who asks (the other one). open, close and drop: nobody uses
 * it.
 */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "store/slab.h"
#include "store/store.h"

enum {
	SEARCH_E_BAD = 64 /* not what we have written */
};

struct search;

/* Makes it when it is not there, and anew when it cannot be used. */
int search_open(struct store *s, struct search **ret);
void search_close(struct search *s);
/* Removes the file and begins anew. */
int search_drop(struct search *s);

/* -- who indexes ----------------------------------------------------------- */

/* The ids that are indexed. `each` returns 0 or -errno. */
int search_ids(struct search *s, uint64_t account,
    int (*each)(void *ctx, const struct id *id), void *ctx);
/* Writes what the builder has, together with smaller slabs, and empties it. */
int search_flush(struct search *s, uint64_t account, struct slab_builder *b);
int search_forget(struct search *s, uint64_t account);

/* -- who asks -------------------------------------------------------------- */

/* Each slab of the account, in one snapshot. `each` returns 0, SEARCH_E_BAD or
 * -errno. */
int search_each(struct search *s, uint64_t account,
    int (*each)(void *ctx, const struct slab *slab), void *ctx);
/* Accounts with what is there of them. */
struct search_account {
	uint64_t account, slabs, messages, bytes;
};
/* Any READ thread: with a connection of its own. */
int search_accounts(struct store *s,
    int (*each)(void *ctx, const struct search_account *a), void *ctx);

#endif
