/* SPDX-License-Identifier: ISC */
/* Whatever is read as a report: bounded lines, texts without controls. */
#include <stdlib.h>

#include "policy/tlsrpt_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
on_line(void *ctx, const struct tlsrpt_line *line)
{
	size_t *lines = ctx;

	if (++*lines > TLSRPT_LINES_MAX)
		abort();
	for (size_t i = 0; i < line->reason.len; i++)
		if (line->reason.at[i] < 0x20)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	size_t lines = 0;
	const char *why;

	if (tlsrpt_read(slice_of(at, n), on_line, &lines, &why) == 1 &&
	    why[0] == '\0')
		abort();
	return 0;
}
