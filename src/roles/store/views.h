/* SPDX-License-Identifier: ISC */
/*
 * roles/store/views - mailboxes whose rows are in memory, as they are sent
 *
 * A client that selects a mailbox wants all of its rows. The rows of those
 * that were selected last are kept, encoded; the next one needs only what has
 * changed since. A cache and nothing else: it may be forgotten at any time.
 *
 * One scan has a view at a time, from views_take to views_give; both on the
 * loop. In between it is the scan's, in its thread too. Who finds it taken
 * reads the rows for itself. At most LIMIT_VIEWS octets are kept in all, the
 * ones that were not asked for longest go first.
 */
#ifndef ROLES_STORE_VIEWS_H
#define ROLES_STORE_VIEWS_H

#include "base/list.h"
#include "base/map.h"
#include "roles/store/pages.h"

enum {
	VIEW_ROWS = 512 /* of a page: at most half a frame */
};

struct view_page {
	struct page page;
	uint32_t lo, hi; /* uids: of its first and last row */
};

struct view {
	struct list link;
	uint64_t mailbox;
	uint64_t
	    upto; /* modseq up to which the rows are true; 0: no rows yet */
	struct view_page *pages;
	size_t n, size;
	size_t bytes;  /* as it was counted */
	bool is_taken; /* by a scan */
};

struct views {
	struct map by_mailbox;
	struct list all; /* the least lately used first */
	size_t bytes;
};

void views_init(struct views *v, const uint8_t seed[MAP_SEED]);
void views_deinit(struct views *v);

/* NULL: somebody else has it, or no memory. */
struct view *views_take(struct views *v, uint64_t mailbox);
/* is_good: it is whole, and true up to view->upto; else it is forgotten. */
void views_give(struct views *v, struct view *view, bool is_good);

/* No rows, as of no time. */
void view_clear(struct view *v);
/* A row behind the last. 0, or -ENOMEM: then it is not to be kept. */
int view_add(struct view *v, const struct wire_entry *row);
/* Rows that are new or have changed, and ranges that have left; both ascending
 * by uid. 0, or -ENOMEM as above. */
int view_change(struct view *v, const struct pages *rows,
    const struct pages *gone);

#endif
