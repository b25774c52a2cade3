/* SPDX-License-Identifier: ISC */
#include "imap/hits.h"

#include <stdlib.h>

void
hits_deinit(struct hits *h)
{
	free(h->at);
	*h = (struct hits){ 0 };
}

bool
hits_add(struct hits *h, uint32_t row)
{
	if (h->n > 0 && h->at[h->n - 1].hi + 1 == row) {
		h->at[h->n - 1].hi = row;
		h->count++;
		return true;
	}
	if (h->n == h->size) {
		size_t size = h->size == 0 ? 16 : h->size * 2;
		struct hit_run *at = realloc(h->at, size * sizeof(*at));

		if (at == NULL)
			return false;
		h->at = at;
		h->size = size;
	}
	h->at[h->n++] = (struct hit_run){ row, row };
	h->count++;
	return true;
}

bool
hits_next(const struct hits *h, struct hits_cursor *c, uint32_t *ret)
{
	if (c->run >= h->n)
		return false;
	if (!c->is_begun) {
		c->next = h->at[c->run].lo;
		c->is_begun = true;
	}
	*ret = c->next;
	if (c->next == h->at[c->run].hi) {
		c->run++;
		c->is_begun = false;
	} else {
		c->next++;
	}
	return true;
}

void
hits_seek(const struct hits *h, size_t n, struct hits_cursor *c)
{
	*c = (struct hits_cursor){ 0 };
	while (c->run < h->n && n > h->at[c->run].hi - h->at[c->run].lo) {
		n -= (size_t)h->at[c->run].hi - h->at[c->run].lo + 1;
		c->run++;
	}
	if (c->run < h->n) {
		c->next = h->at[c->run].lo + (uint32_t)n;
		c->is_begun = true;
	}
}

uint32_t
hits_get(const struct hits *h, size_t n)
{
	size_t i = 0;

	while (n > h->at[i].hi - h->at[i].lo) {
		n -= (size_t)h->at[i].hi - h->at[i].lo + 1;
		i++;
	}
	return h->at[i].lo + (uint32_t)n;
}
