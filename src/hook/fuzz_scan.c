/* SPDX-License-Identifier: ISC */
/* clamd's answer, and a request made of hostile values: no value begins a line
 * of it. */
#include <stdlib.h>

#include "hook/scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static size_t
count_lines(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += s.at[i] == '\n';
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), text = { 0 };
	struct rspamd_request r = {
		.helo = in, .from = in, .rcpts = &in, .n_rcpts = 1
	};
	struct buf out;

	if (clamd_parse(in, &text) == CLAMD_FOUND &&
	    (text.len == 0 || slice_find_byte(text, '\n') != SIZE_MAX))
		abort();
	buf_init(&out, 64 * 1024);
	/* request line, three values at most, two fields, the empty line */
	if (rspamd_request_print(&r, &out) == BUF_OK &&
	    count_lines(buf_slice(&out)) > 7)
		abort();
	buf_deinit(&out);
	return 0;
}
