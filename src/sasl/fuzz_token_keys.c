/* SPDX-License-Identifier: ISC */
/* Any text as a file of keys: what is taken has keys of the kinds there are. */
#include <stdlib.h>

#include "sasl/token_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct sasl_token_keys *k = NULL;
	char why[SASL_KEYS_WHY] = "";

	if (sasl_token_keys_parse(slice_of(at, n), &k, why) == SASL_KEYS_OK) {
		if (k->n == 0 || k->n > SASL_TOKEN_KEYS_MAX)
			abort();
		for (size_t i = 0; i < k->n; i++)
			if (k->keys[i].algorithm >= N_SASL_TOKEN_ALGORITHMS ||
			    k->keys[i].kid_len > SASL_KID_MAX)
				abort();
	}
	sasl_token_keys_free(k);
	return 0;
}
