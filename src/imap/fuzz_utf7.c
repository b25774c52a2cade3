/* SPDX-License-Identifier: ISC */
/*
 * fuzz: mailbox names. What decodes is UTF-8 and encodes to the same bytes;
 * what encodes decodes to the same.
 */
#include <stdlib.h>

#include "imap/utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static uint8_t one[70000], two[400000];
	struct slice in = slice_of(at, n);
	size_t n_one, n_two;

	if (n > 60000)
		return 0;
	if (imap_utf7_decode(in, one, sizeof(one), &n_one) &&
	    (!slice_is_utf8(slice_of(one, n_one)) ||
		!imap_utf7_encode(slice_of(one, n_one), two, sizeof(two),
		    &n_two) ||
		!slice_equal(slice_of(two, n_two), in)))
		abort();
	if (imap_utf7_encode(in, two, IMAP_UTF7_MAX(n), &n_two)) {
		if (!imap_utf7_decode(slice_of(two, n_two), one, sizeof(one),
			&n_one) ||
		    !slice_equal(slice_of(one, n_one), in))
			abort();
	} else if (slice_is_utf8(in) && slice_find_byte(in, 0) == SIZE_MAX) {
		abort();
	}
	return 0;
}
