/* SPDX-License-Identifier: ISC */
/*
 * Any token against one key of each kind, of which the private halves are
 * nowhere: none is ever good.
 */
#include <stdlib.h>

#include "sasl/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static const struct sasl_token_rules rules = {
	.issuer = SLICE("joe"),
	.audience = SLICE("ulak"),
	.claim = SLICE("sub"),
};

#define KEYS                                                                   \
	SLICE("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\","                  \
	      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":"   \
	      "\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},{\"kty\":"     \
	      "\"OKP\",\"kid\":\"1\",\"crv\":\"Ed25519\",\"x\":"               \
	      "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}")

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static struct sasl_token_keys *keys;
	struct sasl_token_owner owner;
	char why[SASL_KEYS_WHY];

	if (keys == NULL &&
	    sasl_token_keys_parse(KEYS, &keys, why) != SASL_KEYS_OK)
		abort();
	if (sasl_token_check(slice_of(at, n), keys, &rules, 1300819000,
		&owner) == SASL_TOKEN_GOOD)
		abort();
	return 0;
}
