/* SPDX-License-Identifier: ISC */
/*
 * A frame: head, then payload. Whatever decodes must encode to the same bytes.
 */
#include <stdlib.h>

#include "wire/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check(uint16_t type, struct slice payload)
{
	struct buf out;

	(void)wire_decode_any(type, payload);
	buf_init(&out, 4u << 20);
	if (wire_round_trip(type, payload, &out) == WIRE_OK &&
	    !slice_equal(buf_slice(&out), payload))
		abort();
	buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n), payload = slice_from(in, WIRE_HEAD);
	uint8_t again[WIRE_HEAD];
	struct wire_head h;

	if (n < WIRE_HEAD)
		return 0;
	if (wire_head_decode(at, &h)) {
		wire_head_encode(&h, again);
		if (!slice_equal(slice_of(again, WIRE_HEAD),
			slice_upto(in, WIRE_HEAD)))
			abort();
		check(h.type, payload);
	}
	/* and as every other type */
	for (uint16_t type = 0; type <= WIRE_N_TYPES; type++)
		check(type, payload);
	return 0;
}
