/* SPDX-License-Identifier: ISC */
/* Any bytes as command lines. */
#include <stdlib.h>

#include "smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), line, verb, args;
	int r;

	for (;;) {
		size_t before = in.len;

		r = smtp_line_take(&in, 64, &line);
		if (r == SMTP_LINE_MORE || in.len == before)
			break;
		if (r != SMTP_LINE_OK)
			continue;
		if (line.len > 62 || slice_find_byte(line, '\n') != SIZE_MAX ||
		    slice_find_byte(line, 0) != SIZE_MAX)
			abort();
		smtp_command_split(line, &verb, &args);
	}
	return 0;
}
