/* SPDX-License-Identifier: ISC */
/* A scanner that answers anything: cut into pieces or whole, it comes out the
 * same, and never more than the bound. */
#include <stdlib.h>

#include "hook/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static struct http_reply
run(struct slice in, size_t step)
{
	struct http_reply h = { 0 };
	size_t given = 0, at = 0, n;

	while (given < in.len) {
		given = in.len - given < step ? in.len : given + step;
		do {
			struct slice part;

			n = http_step(&h, slice_of(in.at + at, given - at),
			    &part);
			if (part.len > n)
				abort();
			at += n;
		} while (n > 0);
	}
	(void)http_end(&h);
	return h;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);
	struct http_reply a = run(in, 1), b = run(in, 1 + n);

	if (a.state != b.state || a.content != b.content || a.code != b.code ||
	    a.content > LIMIT_HTTP_CONTENT ||
	    (a.state != HTTP_DONE && a.state != HTTP_BAD))
		abort();
	return 0;
}
