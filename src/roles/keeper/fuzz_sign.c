/* SPDX-License-Identifier: ISC */
/* What may be signed has one of two fixed heads and never more than 201 bytes;
 * a sealed key from anywhere is refused without harm. */
#include <stdlib.h>
#include <string.h>

#include "roles/keeper/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	enum sign_shape shape = sign_shape(slice_of(at, n));

	if (shape == SIGN_SHAPE_TLS13 &&
	    (n > 146 || memcmp(at + 64, "TLS 1.3, server ", 16) != 0))
		abort();
	if (shape == SIGN_SHAPE_TLS12 &&
	    (n > 201 || at[64] != 3 || n != 68u + at[67]))
		abort();
	return 0;
}
