/* SPDX-License-Identifier: ISC */
/*
 * A login of any mechanism with any words. The first byte chooses; responses
 * are divided by lines. Nobody gets in who does not know the password, the
 * token or the salt's keys.
 */
#include <stdlib.h>

#include "sasl/fake_keeper.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static bool
has_secret(struct slice in)
{
	return slice_find(in, SLICE("correct horse")) != SIZE_MAX ||
	    slice_find(in, SLICE("just-for-imap")) != SIZE_MAX ||
	    slice_find(in, SLICE("good-token")) != SIZE_MAX ||
	    slice_find(in, SLICE("p=")) != SIZE_MAX;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static struct fake_keeper k;
	struct slice in = slice_of(at, n), one;
	enum sasl_want want;
	uint8_t choice = 0;
	bool is_last = false;

	if (k.binding.exporter_len == 0)
		fake_keeper_init(&k);
	if (!slice_take_byte(&in, &choice))
		return 0;
	want = fake_keeper_start(&k, choice % N_SASL_MECHANISMS, SASL_MASK_ALL,
	    SASL_FOR_IMAP, NULL);
	while (want == SASL_SAY && !is_last) {
		is_last = !slice_take_until(&in, '\n', &one);
		if (is_last)
			one = in;
		want = fake_keeper_step(&k, one);
	}
	if (want == SASL_YES && !has_secret(slice_of(at, n)))
		abort();
	return 0;
}
