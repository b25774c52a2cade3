/* SPDX-License-Identifier: ISC */
/*
 * fuzz: slabs of the search index. The first octet says how long a needle
 * follows, the rest is the slab. What can be put back into a builder becomes a
 * slab that opens, with as many messages.
 */
#include <stdlib.h>

#include "store/slab.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
grow(struct slice bytes, const struct slab *s)
{
	struct slab_builder *b = slab_builder_new(1);
	struct slab again;
	struct buf out;

	if (b == NULL)
		return;
	buf_init(&out, SLAB_BYTES_MAX);
	if (slab_add_slab(b, bytes) == 0 && slab_build(b, &out) == 0 &&
	    (slab_open(buf_slice(&out), &again) != 0 || again.n != s->n))
		abort();
	buf_deinit(&out);
	slab_builder_free(b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), needle;
	struct terms_demand demands[TERMS_DEMANDS];
	struct slab_hits hits;
	struct slab s;
	uint8_t len;
	size_t n_demands;

	if (!slice_take_byte(&in, &len) || !slice_take(&in, len, &needle) ||
	    slab_open(in, &s) != 0)
		return 0;
	n_demands = terms_demands(needle, demands);
	for (unsigned p = 0; p < SLAB_N_PARTS; p++)
		(void)slab_find(&s, p, demands, n_demands, &hits);
	grow(in, &s);
	return 0;
}
