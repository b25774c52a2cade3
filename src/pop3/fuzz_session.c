/* SPDX-License-Identifier: ISC */
/*
 * fuzz: a POP3 session, from its greeting on; lines of transcripts may begin
 * with "C: ". Nothing is removed unless the maildrop was open.
 */
#include <stdlib.h>
#include <string.h>

#include "pop3/fake_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct fake_pop3 f = { .config = { .hostname = "here.example",
				   .mechanisms = SASL_MASK_ALL } };
	struct slice rest = slice_of(at, n), line;

	fake_pop3_init(&f, true);
	if (n % 2 == 0)
		fake_pop3_feed(&f,
		    SLICE("USER alice@one.example\r\nPASS correct horse\r\n"));
	while (slice_take_until(&rest, '\n', &line) && !f.is_over) {
		(void)slice_skip(&line, SLICE("C: "));
		fake_pop3_feed(&f, line);
		fake_pop3_feed(&f, SLICE("\r\n"));
	}
	if (!f.is_over)
		fake_pop3_feed(&f, rest);
	if (!f.is_over && f.removed[0])
		abort(); /* only QUIT removes */
	fake_pop3_deinit(&f);
	return 0;
}
