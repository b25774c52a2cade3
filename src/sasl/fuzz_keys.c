/* SPDX-License-Identifier: ISC */
/* Keys that are taken print as they came; a set gives no more than it holds. */
#include <stdlib.h>

#include "sasl/keys.h"
#include "sasl/prep.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_keys(struct slice text)
{
	struct sasl_keys keys, again;
	struct buf out;

	if (!sasl_keys_parse(text, &keys))
		return;
	buf_init(&out, SASL_KEYS_TEXT);
	if (sasl_keys_print(&keys, &out) != 0 ||
	    !sasl_keys_parse(buf_slice(&out), &again) ||
	    !sasl_keys_equal(&keys, &again))
		abort();
	buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice set = slice_of(at, n), one;
	uint8_t once[4096], twice[4096];
	size_t len, again;

	check_keys(set);
	while (sasl_set_next(&set, &one))
		check_keys(one);
	/* What was prepared stays as it is (RFC 3454, 4: NFKC is stable). */
	if (sasl_prep(slice_of(at, n), once, sizeof(once), &len) ==
		SASL_PREP_OK &&
	    sasl_prep(slice_of(once, len), twice, sizeof(twice), &again) ==
		SASL_PREP_OK &&
	    !slice_equal(slice_of(once, len), slice_of(twice, again)))
		abort();
	return 0;
}
