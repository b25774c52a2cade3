/* SPDX-License-Identifier: ISC */
/*
 * fuzz_header - fields in a row are the section, and an unfolded body is one
 * line
 */
#include <stdlib.h>

#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_unfolded(struct slice body)
{
	struct buf b;

	buf_init(&b, body.len);
	if (header_unfold(body, &b) != BUF_OK ||
	    slice_find_byte(buf_slice(&b), '\n') != SIZE_MAX ||
	    slice_find_byte(buf_slice(&b), '\r') != SIZE_MAX)
		abort();
	buf_deinit(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice message = slice_of(at, n), rest, found;
	struct header_field field, first;
	size_t sum = 0, len = header_len(message);

	if (len > n)
		abort();
	rest = slice_upto(message, len);
	while (header_next(&rest, &field)) {
		sum += field.whole.len;
		check_unfolded(field.body);
		found = slice_upto(message, len);
		if (!header_find(found, field.name, &first) ||
		    header_count(found, field.name) == 0)
			abort();
	}
	if (sum + rest.len != len || rest.len > 2)
		abort();
	return 0;
}
