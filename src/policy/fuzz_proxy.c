/* SPDX-License-Identifier: ISC */
/* A header that is taken is as long as it says, and none of its beginnings is
 * taken or refused before. */
#include <stdlib.h>

#include "policy/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct proxy whole, part;

	if (proxy_parse(slice_of(at, n), &whole) != PROXY_OK)
		return 0;
	if (whole.len > n || whole.len > LIMIT_PROXY_HEADER ||
	    (!whole.is_own && whole.source.family == 0))
		abort();
	for (size_t i = 0; i < whole.len; i++)
		if (proxy_parse(slice_of(at, i), &part) != PROXY_MORE ||
		    proxy_need(slice_of(at, i)) == 0 ||
		    proxy_need(slice_of(at, i)) > whole.len - i)
			abort();
	return 0;
}
