/* SPDX-License-Identifier: ISC */
/*
 * fuzz: the keys of a SEARCH, from the space on; a tree that was parsed is no
 * deeper than it may be.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "imap/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check(const struct imap_search *k, int depth)
{
	if (depth > LIMIT_IMAP_NESTING + 2)
		abort();
	for (const struct imap_search *c = k->first; c != NULL; c = c->next)
		check(c, depth + 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct arena arena;
	struct imap_command c = { .verb = IMAP_SEARCH };
	struct imap_in in = { slice_of(at, n), &arena, false, false };

	arena_init(&arena, LIMIT_IMAP_ARENA);
	if (imap_search_args(&in, &c) == IMAP_COMMAND_OK && !c.bad_charset)
		check(c.search, 0);
	arena_reset(&arena);
	return 0;
}
