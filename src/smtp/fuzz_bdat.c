/* SPDX-License-Identifier: ISC */
/*
 * Chunks against a reference that sees the whole message: octet for octet the
 * same comes out, however it is cut, or it is bad for both. The first octet
 * says how long the chunks are, the second how long the pieces, the third
 * whether it is BODY=BINARYMIME.
 */
#include <stdlib.h>
#include <string.h>

#include "smtp/bdat.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
must(bool is_so)
{
	if (!is_so)
		abort();
}

static bool
is_clean(struct slice s, bool is_binary)
{
	size_t header = slice_find(s, SLICE("\r\n\r\n"));

	if (slice_starts(s, SLICE("\r\n")))
		header = 0;
	for (size_t i = 0; i < s.len; i++) {
		if (is_binary && header != SIZE_MAX &&
		    i >= header + (header == 0 ? 2 : 4))
			return true;
		if (s.at[i] == '\n' && (i == 0 || s.at[i - 1] != '\r'))
			return false;
		if (s.at[i] == '\r' && (i + 1 == s.len || s.at[i + 1] != '\n'))
			return false;
	}
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct smtp_bdat b = { 0 };
	struct slice in, all;
	size_t chunk, piece, n_out = 0;
	uint64_t size;
	bool is_last;
	uint8_t *out;

	if (n < 4)
		return 0;
	(void)smtp_bdat_parse(slice_of(at, n), &size, &is_last);
	chunk = at[0] == 0 ? n : at[0];
	piece = at[1] == 0 ? n : at[1];
	b.is_binary = at[2] % 2 == 1;
	in = all = slice_of(at + 3, n - 3);
	out = malloc(n);
	must(out != NULL);
	while (in.len > 0) {
		struct slice whole = slice_upto(in, chunk);

		in = slice_from(in, whole.len);
		smtp_bdat_chunk(&b, whole.len, in.len == 0);
		while (b.left > 0) {
			struct slice part = slice_upto(whole, piece), run;
			size_t before = part.len;

			run = smtp_bdat_next(&b, &part);
			must(part.len < before && (!b.is_bad || run.len == 0));
			whole = slice_from(whole, before - part.len);
			if (run.len > 0)
				memcpy(out + n_out, run.at, run.len);
			n_out += run.len;
		}
		must(whole.len == 0);
	}
	must(smtp_bdat_end(&b) == is_clean(all, b.is_binary));
	if (smtp_bdat_end(&b))
		must(n_out == all.len &&
		    (n_out == 0 || memcmp(out, all.at, n_out) == 0) &&
		    b.is_8bit == !slice_is_ascii(all));
	free(out);
	return 0;
}
