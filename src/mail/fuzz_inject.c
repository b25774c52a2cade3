/* SPDX-License-Identifier: ISC */
/*
 * fuzz_inject - no bare line end, no Bcc, no recipient with a line end
 */
#include <stdlib.h>

#include "mail/header.h"
#include "mail/inject.h"

enum {
	CAP = 1024 * 1024,
	RCPTS = 20
};

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_lines(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '\n' && (i == 0 || s.at[i - 1] != '\r'))
			abort();
		if (s.at[i] == '\r' && (i + 1 == s.len || s.at[i + 1] != '\n'))
			abort();
	}
}

static void
check(struct inject *j, const struct inject_rcpts *rcpts)
{
	struct header_field f;

	check_lines(buf_slice(&j->header));
	check_lines(j->body);
	if (header_find(buf_slice(&j->header), SLICE("Bcc"), &f) ||
	    !header_find(buf_slice(&j->header), SLICE("From"), &f))
		abort();
	for (size_t i = 0; i < rcpts->n; i++)
		if (slice_find_byte(rcpts->at[i], '\n') != SIZE_MAX ||
		    slice_find_byte(rcpts->at[i], '\r') != SIZE_MAX)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice rcpt_at[RCPTS];
	struct buf from;

	for (unsigned how = 0; how < 4; how++) {
		struct inject_options o = { .dot_ends = (how & 1) != 0,
			.takes_rcpts = (how & 2) != 0,
			.domain = SLICE("here.example"),
			.from = SLICE("From: x\r\n"),
			.date = SLICE("Date: x\r\n"),
			.message_id = SLICE("Message-ID: <x>\r\n") };
		struct inject_rcpts rcpts = { rcpt_at, 0, RCPTS, false };
		struct inject j;
		struct arena a;

		inject_init(&j, CAP);
		arena_init(&a, CAP);
		if (inject_message(&j, slice_of(at, n), &o, &a, &rcpts) ==
		    INJECT_OK)
			check(&j, &rcpts);
		inject_deinit(&j);
		arena_reset(&a);
	}
	buf_init(&from, CAP);
	if (inject_from_print(slice_of(at, n), SLICE("a@b"), &from) == BUF_OK)
		check_lines(buf_slice(&from));
	buf_deinit(&from);
	return 0;
}
