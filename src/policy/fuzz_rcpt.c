/* SPDX-License-Identifier: ISC */
/*
 * Random answers: whatever the aliases are, there is a decision within the
 * budget, and every account in it was named by an answer.
 */
#include <stdlib.h>

#include "policy/rcpt.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

/* Eight names, so that circles are common. */
static const struct rcpt_name names[8] = {
	{ SLICE("a@x.example"), SLICE("a@x.example") },
	{ SLICE("b@x.example"), SLICE("b@x.example") },
	{ SLICE("c+d@x.example"), SLICE("c+d@x.example") },
	{ SLICE("c@x.example"), SLICE("c@x.example") },
	{ SLICE("postmaster@x.example"), SLICE("postmaster@x.example") },
	{ SLICE("d@y.example"), SLICE("d@y.example") },
	{ SLICE("noat"), SLICE("noat") },
	{ SLICE("+@x.example"), SLICE("+@x.example") },
};

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct rcpt_answer answers[64] = { 0 };
	struct rcpt_question ask;
	struct rcpt_result result;
	struct slice in = slice_of(at, n);
	struct arena arena;
	uint8_t byte = 0;
	size_t k = 0;

	(void)slice_take_byte(&in, &byte);
	arena_init(&arena, 16 << 20);
	while (k < 64 &&
	    rcpt_resolve(&names[byte % 8], answers, k, &arena, &ask, &result) ==
		RCPT_NEED_ANSWER) {
		uint8_t how = 0;

		(void)slice_take_byte(&in, &how);
		answers[k] = (struct rcpt_answer){ ask.ask, ask.what,
			(enum rcpt_is)(how % 4), how, (how & 16) != 0,
			(how & 32) != 0, names, (size_t)(how >> 5) + 1 };
		k++;
	}
	if (k == 64)
		abort(); /* so many questions there are not */
	arena_reset(&arena);
	return 0;
}
