/* SPDX-License-Identifier: ISC */
/* A hostile server's replies, in chunks: the outcome does not depend on the
 * cuts, and what is kept is bounded. */
#include <stdlib.h>
#include <string.h>

#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static int
read_one(struct smtp_reply *r, struct slice *in, size_t chunk)
{
	int got = SMTP_REPLY_MORE;

	while (in->len > 0 && got == SMTP_REPLY_MORE) {
		struct slice part = slice_upto(*in, chunk);
		size_t n = part.len;

		got = smtp_reply_feed(r, &part);
		*in = slice_from(*in, n - part.len);
	}
	return got;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static struct smtp_reply a, b;
	struct slice in_a = slice_of(at, n), in_b = in_a, line;
	int got;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	do {
		got = read_one(&a, &in_a, n);
		if (got != read_one(&b, &in_b, 1) || in_a.len != in_b.len)
			abort();
		if (got != SMTP_REPLY_OK)
			return 0;
		if (a.code < 200 || a.code > 559 || a.code != b.code ||
		    a.n_lines > LIMIT_REPLY_LINES ||
		    !slice_equal(smtp_reply_text(&a), smtp_reply_text(&b)))
			abort();
		for (unsigned i = 0; smtp_reply_line(&a, i, &line); i++)
			if (slice_find_byte(line, '\r') != SIZE_MAX)
				abort();
	} while (in_a.len > 0);
	return 0;
}
