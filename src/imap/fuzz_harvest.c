/* SPDX-License-Identifier: ISC */
/* fuzz: the terms of a message are the same however its bytes are cut. */
#include <stdlib.h>
#include <string.h>

#include "imap/harvest.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static struct harvest *
take(struct slice m, size_t chunk)
{
	struct harvest *h = malloc(sizeof(*h));

	if (h == NULL)
		abort();
	harvest_init(h, 1);
	harvest_begin(h);
	for (; m.len > 0; m = slice_from(m, chunk))
		harvest_feed(h, slice_upto(m, chunk));
	harvest_end(h);
	return h;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct harvest *one = take(slice_of(at, n), n + 1);
	struct harvest *two = take(slice_of(at, n), 1 + n % 13);

	if (one->is_partial != two->is_partial ||
	    (!one->is_partial &&
		(!slice_equal(buf_slice(&one->body.text),
		     buf_slice(&two->body.text)) ||
		    one->header.n != two->header.n)))
		abort();
	harvest_deinit(one);
	harvest_deinit(two);
	free(one);
	free(two);
	return 0;
}
