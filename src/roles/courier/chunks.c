/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/chunks - hosts that offer CHUNKING and do not know it
 *
 * A body that went out by BDAT and found no reply, or one that BDAT is unknown,
 * leaves the host here: the next mail for it goes by DATA, in this attempt or
 * a later one. The last ones are remembered, in memory alone: who is forgotten
 * costs one connection.
 */
#include <string.h>

#include "roles/courier/courier.h"

static bool
is_same(const struct env_addr *a, const struct env_addr *b)
{
	return a->family == b->family && a->port == b->port &&
	    memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

bool
courier_may_chunk(const struct courier *c, const struct env_addr *host)
{
	if (!c->settings->chunking)
		return false;
	for (size_t i = 0; i < COURIER_PLAIN; i++)
		if (is_same(&c->without_chunks[i], host))
			return false;
	return true;
}

void
courier_chunks_failed(struct courier *c, const struct env_addr *host)
{
	if (!courier_may_chunk(c, host))
		return;
	c->without_chunks[c->next_without_chunks] = *host;
	c->next_without_chunks = (c->next_without_chunks + 1) % COURIER_PLAIN;
}
