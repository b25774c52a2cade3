/* SPDX-License-Identifier: ISC */
/*
 * roles/store/indexer - the index for SEARCH, made behind everything else
 *
 * One account at a time: emails that no slab has go to the sorter, their terms
 * come back and become slabs (store/search). A step is one job of a READ
 * thread: it takes the last answers, looks for what is missing, reads the next
 * bodies; between steps the sorter works. Everything may be interrupted at any
 * time: what is not written is found missing again.
 *
 * find.c answers FIND from the slabs, one question at a time.
 */
#ifndef ROLES_STORE_INDEXER_H
#define ROLES_STORE_INDEXER_H

#include "roles/store/store_role.h"
#include "store/search.h"

enum {
	INDEX_ITEMS = 32,         /* pieces of messages in one step */
	INDEX_BYTES = 256 * 1024, /* of them */
	INDEX_SCAN = 4096,        /* ids looked at in one step */
	INDEX_MISSING = 32,       /* so many that a search had to look at are
				   * worth an entry */
	INDEX_TERMS = 32 * 1024 * 1024 /* that come back in one step */
};

struct indexer;

int indexer_new(struct store_role *s); /* 0 or -ENOMEM; s->indexer */
void indexer_free(struct store_role *s);
void indexer_stop(struct store_role *s);
bool indexer_is_idle(const struct store_role *s);
/* NULL: no index is made. */
struct search *indexer_search(struct store_role *s);
/* It lacks messages of this account, or the account is gone. */
void indexer_want(struct store_role *s, uint64_t account);
/* Mail has come, or gone. */
void indexer_changed(struct store_role *s, uint64_t account);
/* The file is not what we wrote: begin anew, as soon as nobody uses it. */
void indexer_is_bad(struct store_role *s, int r);
void indexer_on_peer(struct peer *p);
void indexer_peer_lost(struct peer *p);
int on_sort_more(struct channel *c, const struct wire_head *h,
    const struct wire_sort_more *m);
int on_sorted(struct channel *c, const struct wire_head *h,
    const struct wire_sorted *m);

/* -- find.c -- */
int on_find(struct channel *c, const struct wire_head *h,
    const struct wire_find *m);
void find_next(struct store_role *s); /* those that wait */

#endif
