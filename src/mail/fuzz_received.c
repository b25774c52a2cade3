/* SPDX-License-Identifier: ISC */
/*
 * fuzz_received - whatever a client says, the trace line is one field
 */
#include <stdlib.h>

#include "mail/header.h"
#include "mail/received.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), half = slice_from(in, n / 2);
	struct received r = { .helo = in,
		.client = half,
		.by = half,
		.protocol = in,
		.tls = half,
		.id = in,
		.rcpt = slice_upto(in, n / 2),
		.wall_us = (int64_t)n * 1000000 };
	struct header_field field;
	struct slice rest;
	struct buf b;

	buf_init(&b, RECEIVED_MAX);
	if (received_print(&r, &b) != BUF_OK)
		abort();
	rest = buf_slice(&b);
	if (!header_next(&rest, &field) || rest.len != 0 ||
	    !slice_equal(field.name, SLICE("Received")) ||
	    !slice_is_ascii(field.whole) ||
	    !slice_ends(field.whole, SLICE("\r\n")))
		abort();
	buf_deinit(&b);
	return 0;
}
