/* SPDX-License-Identifier: ISC */
/*
 * fuzz_spool - what is read can be written again, and reads the same
 */
#include <stdlib.h>

#include "mail/spool.h"

enum {
	CAP = 1024 * 1024
};

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct spool s, again;
	struct arena a;
	struct buf b;
	size_t len = 0, len_again = 0;

	arena_init(&a, CAP);
	buf_init(&b, CAP);
	if (spool_head_parse(slice_of(at, n), &a, &s, &len) == SPOOL_OK) {
		if (len > n || spool_head_print(&s, &b) != BUF_OK ||
		    spool_head_parse(buf_slice(&b), &a, &again, &len_again) !=
			SPOOL_OK ||
		    len_again != b.len || again.n_rcpts != s.n_rcpts ||
		    again.size != s.size || again.time != s.time ||
		    !slice_equal(again.sender, s.sender))
			abort();
	}
	buf_deinit(&b);
	arena_reset(&a);
	return 0;
}
