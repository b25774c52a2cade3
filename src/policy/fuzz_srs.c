/* SPDX-License-Identifier: ISC */
/* Any address comes back as it was, and any local part is only read. */
#include <stdlib.h>

#include "policy/srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static const struct srs now = { SLICE("0123456789abcdef0123456789abcdef"),
	INT64_C(1795000000000000) };

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), local;
	struct buf there, back;
	size_t end;

	buf_init(&there, 1024);
	buf_init(&back, 1024);
	(void)srs_reverse(&now, in, &back);
	buf_reset(&back, 1024);
	if (srs_forward(&now, in, SLICE("us.example"), &there) == SRS_OK) {
		end = slice_find_last_byte(buf_slice(&there), '@');
		local = slice_upto(buf_slice(&there), end);
		if (local.len > 64 || !srs_is_form(local))
			abort();
		if (!srs_is_form(in) &&
		    (srs_reverse(&now, local, &back) != SRS_OK ||
			!slice_equal(buf_slice(&back), in)))
			abort();
	}
	buf_deinit(&there);
	buf_deinit(&back);
	return 0;
}
