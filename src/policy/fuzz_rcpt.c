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
	struct rcpt_answer answers[128] = { 0 };
	struct rcpt_input input = { 0 };
	struct rcpt_question ask;
	struct rcpt_result result;
	struct slice in = slice_of(at, n);
	struct arena arena;
	uint8_t byte = 0;
	size_t k = 0;

	(void)slice_take_byte(&in, &byte);
	input = (struct rcpt_input){ names[byte % 8], byte >> 6,
		(byte & 8) != 0, (byte & 16) != 0 };
	arena_init(&arena, 256 << 20);
	while (k < 128 &&
	    rcpt_resolve(&input, answers, k, &arena, &ask, &result) ==
		RCPT_NEED_ANSWER) {
		uint8_t how = 0;

		(void)slice_take_byte(&in, &how);
		answers[k] = (struct rcpt_answer){ .ask = ask.ask,
			.what = ask.what,
			.is = (enum rcpt_is)(how % 8),
			.separators = (how & 16) != 0 ? SLICE("+-") : SLICE(""),
			.target = (how & 32) != 0 ? SLICE("x.example")
						  : SLICE("y.example"),
			.catch_all = names[how >> 5],
			.account = how,
			.disabled = (how & 64) != 0,
			.room = how,
			.targets = names,
			.n_targets = (size_t)(how >> 5) + 1,
			.owner = names[how >> 5],
			.sender = names[how >> 5].typed };
		k++;
	}
	if (k == 128)
		abort(); /* so many questions there are not */
	(void)rcpt_weigh(&result, byte, byte);
	arena_reset(&arena);
	return 0;
}
