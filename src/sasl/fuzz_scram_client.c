/* SPDX-License-Identifier: ISC */
/* What a server says in SCRAM: bounded work, and never taken for the server
 * that knows the password. */
#include <stdlib.h>
#include <string.h>

#include "sasl/scram_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice rest = slice_of(at, n), first;
	struct sasl_scram_client c;
	struct buf out;

	if (!slice_take_until(&rest, '\n', &first))
		return 0;
	if (sasl_scram_client_first(&c, SASL_SHA256, SLICE("user"),
		SLICE("rOprNGfwEbeRWgbNEkqO")) != SASL_CLIENT_OK)
		abort();
	buf_init(&out, SASL_CLIENT_FINAL_MAX);
	if (sasl_scram_client_final(&c, SLICE("pencil"), first, &out) !=
		SASL_CLIENT_OK &&
	    out.len > 0)
		abort();
	/* the right answer is in no input, but for the seed's example */
	(void)sasl_scram_client_is_server(&c, rest);
	buf_deinit(&out);
	return 0;
}
