/* SPDX-License-Identifier: ISC */
#include "roles/store/pages.h"

#include <stdlib.h>

#include "base/limits.h"

struct page *
pages_next(struct pages *p, uint32_t most)
{
	struct page *at;

	if (p->n > 0 && p->at[p->n - 1].n < most)
		return &p->at[p->n - 1];
	if (p->n == p->size) {
		size_t size = p->size == 0 ? 4 : p->size * 2;

		at = realloc(p->at, size * sizeof(*at));
		if (at == NULL)
			return NULL;
		p->at = at;
		p->size = size;
	}
	at = &p->at[p->n++];
	at->n = 0;
	buf_init(&at->rows, LIMIT_FRAME);
	return at;
}

struct wire_list
page_list(const struct page *p)
{
	return (struct wire_list){ buf_slice(&p->rows), p->n };
}

void
pages_deinit(struct pages *p)
{
	for (size_t i = 0; i < p->n; i++)
		buf_deinit(&p->at[i].rows);
	free(p->at);
	*p = (struct pages){ 0 };
}
