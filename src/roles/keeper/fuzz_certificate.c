/* SPDX-License-Identifier: ISC */
/* Any bytes as the chain of a client: never trusted, where nobody vouches. */
#include <stdlib.h>
#include <string.h>

#include "roles/keeper/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct keeper_certificate *c =
	    keeper_certificate_read(NULL, slice_of(at, n), 1800000000000000);

	if (c != NULL &&
	    (c->is_trusted || c->n_names > KEEPER_CERT_NAMES ||
		strlen(c->fingerprint) != KEEPER_FINGERPRINT - 1))
		abort();
	free(c);
	return 0;
}
