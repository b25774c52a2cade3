/* SPDX-License-Identifier: ISC */
/*
 * roles/store/pages - rows of an answer, made in a thread, sent in messages
 *
 * A page is what one message carries. Filled by a reader's job, sent on the
 * loop, freed by whoever owns the answer.
 */
#ifndef ROLES_STORE_PAGES_H
#define ROLES_STORE_PAGES_H

#include "base/buf.h"
#include "wire/messages.h"

struct page {
	struct buf rows;
	uint32_t n;
};
struct pages {
	struct page *at;
	size_t n, size;
};

/* The page for the next row: the last one, or a new one when that has `most`
 * rows. NULL: no memory. */
struct page *pages_next(struct pages *p, uint32_t most);
struct wire_list page_list(const struct page *p);
void pages_deinit(struct pages *p);

#endif
