/* SPDX-License-Identifier: ISC */
/* Any bytes as a segment: lengths are followed, nothing is read beyond. */
#include <stdlib.h>
#include <string.h>

#include "store/segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	static const uint8_t key[SEGMENT_KEY] = "fuzz";
	struct slice in = slice_of(at, n);
	struct segment_header h;
	unsigned tag;
	bool bad;

	while (in.len >= SEGMENT_HEADER) {
		struct slice envelope, field, rest;
		uint8_t sum[SEGMENT_CHECKSUM];

		if (segment_header_peek(in.at, &h) != SEGMENT_OK)
			break;
		rest = slice_from(in, SEGMENT_HEADER);
		envelope = slice_upto(rest, h.envelope_len);
		(void)segment_header_decode(in.at, envelope, key, &h);
		while (segment_envelope_next(&envelope, &tag, &field, &bad))
			if (field.len > n)
				abort();
		if (segment_record_len(&h) > in.len)
			break;
		rest = slice_from(rest, h.envelope_len + h.stored_len);
		(void)segment_trailer_decode(rest.at, h.stored_len, sum);
		in = slice_from(in, segment_record_len(&h));
	}
	/* The bytes as an envelope of their own. */
	in = slice_of(at, n);
	while (segment_envelope_next(&in, &tag, &(struct slice){ 0 }, &bad))
		;
	return 0;
}
