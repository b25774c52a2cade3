/* SPDX-License-Identifier: ISC */
/*
 * fuzz: one IMAP command, literals in place. Whatever parses must lie inside
 * the input or the arena, and its sets and names must be of their forms.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "imap/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check(const struct imap_command *c)
{
	for (size_t i = 0; i < c->set.n; i++)
		if (c->set.n > LIMIT_IMAP_SET)
			abort();
	if (c->name.len > LIMIT_MAILBOX_NAME || !slice_is_utf8(c->name) ||
	    c->flags.keywords.len > LIMIT_KEYWORDS)
		abort();
	for (size_t i = 0; i < c->fetch.n; i++)
		if (c->fetch.items[i].n_path > LIMIT_IMAP_NESTING)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct arena arena;
	struct imap_command c;
	struct imap_in in = { slice_of(at, n), &arena, false, false };

	arena_init(&arena, LIMIT_IMAP_ARENA);
	if (imap_command_begin(&in, &c) == IMAP_COMMAND_OK &&
	    imap_command_args(&in, &c) == IMAP_COMMAND_OK)
		check(&c);
	arena_reset(&arena);
	return 0;
}
