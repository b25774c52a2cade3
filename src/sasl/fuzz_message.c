/* SPDX-License-Identifier: ISC */
/* What is taken out of a message lies in it, within the bounds. */
#include <stdlib.h>

#include "sasl/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
within(struct slice part, const uint8_t *at, size_t n, size_t max)
{
	if (part.len > max ||
	    (part.len > 0 && (part.at < at || part.at + part.len > at + n)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);
	struct sasl_plain p;
	struct sasl_bearer b;

	if (sasl_plain_parse(in, &p)) {
		within(p.authcid, at, n, LIMIT_ADDRESS);
		within(p.authzid, at, n, LIMIT_ADDRESS);
		within(p.password, at, n, SASL_PASSWORD_MAX);
	}
	if (sasl_oauthbearer_parse(in, &b) || sasl_xoauth2_parse(in, &b)) {
		within(b.token, at, n, SASL_TOKEN_MAX);
		if (b.name_len > LIMIT_ADDRESS || b.token.len == 0)
			abort();
	}
	return 0;
}
