/* SPDX-License-Identifier: ISC */
/*
 * fuzz: the pieces of an APPEND or REPLACE. The first octet says of each piece
 * whether a literal follows; pieces end in a NUL. A list of steps must be in
 * order: a message begins before it has data or ends, data comes last.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "imap/append_args.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static bool
check(const struct imap_append_step *step, bool is_open)
{
	for (; step != NULL; step = step->next) {
		if (step->what == IMAP_APPEND_BEGINS)
			is_open = !is_open ? true : (abort(), false);
		else if (step->what != IMAP_APPEND_IS_DONE && !is_open)
			abort();
		if (step->what == IMAP_APPEND_ENDS)
			is_open = false;
		if (step->what == IMAP_APPEND_HAS_DATA && step->next != NULL)
			abort();
		if (step->flags.keywords.len > LIMIT_KEYWORDS)
			abort();
	}
	return is_open;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	enum imap_append_at state = IMAP_APPEND_AT_COMMAND;
	struct imap_command c = { .verb = IMAP_APPEND };
	struct slice rest = slice_of(at, n), piece;
	struct imap_append_step *steps;
	struct arena arena;
	uint8_t marks = n > 0 ? at[0] : 0;
	bool is_open = false;

	rest = slice_from(rest, 1);
	if ((marks & 1) != 0)
		c.verb = IMAP_REPLACE;
	arena_init(&arena, LIMIT_IMAP_ARENA);
	while (slice_take_until(&rest, 0, &piece)) {
		struct imap_in in = { piece, &arena, false };

		marks = (uint8_t)(marks >> 1 | marks << 7);
		if (imap_append_parse(&in, &c, (marks & 1) != 0,
			(marks & 2) != 0, &state, &steps) != IMAP_COMMAND_OK ||
		    state == IMAP_APPEND_AT_DONE)
			break;
		is_open = check(steps, is_open);
		if ((marks & 1) == 0)
			abort(); /* neither an end nor a literal */
	}
	arena_reset(&arena);
	return 0;
}
