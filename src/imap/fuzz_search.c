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
	static int (*const parsers[])(struct imap_in *,
	    struct imap_command *) = { imap_search_args, imap_sort_args,
		imap_thread_args, imap_esearch_args, imap_cancelupdate_args };

	for (size_t i = 0; i < sizeof(parsers) / sizeof(parsers[0]); i++) {
		struct arena arena;
		struct imap_command c = { .verb = IMAP_SEARCH };
		struct imap_in in = { .rest = slice_of(at, n),
			.arena = &arena };

		arena_init(&arena, LIMIT_IMAP_ARENA);
		if (parsers[i](&in, &c) == IMAP_COMMAND_OK && c.search != NULL)
			check(c.search, 0);
		if (c.n_sort > IMAP_N_SORTS)
			abort();
		arena_reset(&arena);
	}
	return 0;
}
