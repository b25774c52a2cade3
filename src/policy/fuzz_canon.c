/* SPDX-License-Identifier: ISC */
/* An address that is taken is short, and stays as it is the second time. */
#include <stdlib.h>

#include "policy/canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	for (int i = 0; i < 3; i++) {
		enum canon_rule rule = (enum canon_rule)i;
		struct buf once, twice;

		buf_init(&once, 1024);
		buf_init(&twice, 1024);
		if (canon_address(slice_of(at, n), rule, &once) == CANON_OK &&
		    (once.len > LIMIT_ADDRESS ||
			canon_address(buf_slice(&once), rule, &twice) !=
			    CANON_OK ||
			!slice_equal(buf_slice(&once), buf_slice(&twice))))
			abort();
		buf_deinit(&once);
		buf_deinit(&twice);
	}
	return 0;
}
