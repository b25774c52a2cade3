/* SPDX-License-Identifier: ISC */
/* Any text as a verifier: parsed within its bounds, and cheap when taken. */
#include <stdlib.h>

#include "roles/keeper/import.h"
#include "roles/keeper/set.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice v = slice_of(at, n);
	struct import i;

	(void)keeper_set_is_known(v);
	(void)keeper_set_is_old(v);
	(void)import_crypt_is_affordable(v);
	if (!import_parse(v, &i))
		return 0;
	if (i.rounds > IMPORT_ROUNDS_MAX || i.salt_len > IMPORT_SALT_MAX ||
	    i.digest_len > IMPORT_DIGEST_MAX || i.digest_len < 20)
		abort();
	if (i.rounds < 2)
		(void)import_matches(&i, SLICE("secret"));
	return 0;
}
