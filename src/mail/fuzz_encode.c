/* SPDX-License-Identifier: ISC */
/*
 * fuzz_encode - decoding does not depend on the pieces; text is always UTF-8
 */
#include <stdlib.h>

#include "mail/encode.h"
#include "mail/preview.h"
#include "mail/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
decode(enum encoding encoding, struct slice in, size_t step, struct buf *out)
{
	struct decoder d;

	decoder_init(&d, encoding);
	for (; in.len > 0; in = slice_from(in, step))
		if (decoder_feed(&d, slice_upto(in, step), out) != BUF_OK)
			abort();
	if (decoder_end(&d, out) != BUF_OK)
		abort();
}

static void
check_decoder(enum encoding encoding, struct slice in)
{
	struct buf whole, pieces;

	buf_init(&whole, in.len + 400);
	buf_init(&pieces, in.len + 400);
	decode(encoding, in, SIZE_MAX, &whole);
	decode(encoding, in, 3, &pieces);
	if (!slice_equal(buf_slice(&whole), buf_slice(&pieces)) ||
	    whole.len > in.len)
		abort();
	buf_deinit(&whole);
	buf_deinit(&pieces);
}

static void
check_texts(struct slice in)
{
	static const struct slice charsets[] = { SLICE("utf-8"), SLICE(""),
		SLICE("iso-8859-6"), SLICE("koi8-r") };
	struct buf out;
	bool is_reply;

	buf_init(&out, 40 * in.len + 100);
	if (encoded_words_decode(in, &out) != BUF_OK ||
	    !slice_is_utf8(buf_slice(&out)))
		abort();
	for (size_t i = 0; i < sizeof(charsets) / sizeof(charsets[0]); i++) {
		buf_reset(&out, out.cap);
		if (charset_to_utf8(charsets[i], in, &out) != BUF_OK ||
		    !slice_is_utf8(buf_slice(&out)))
			abort();
	}
	buf_reset(&out, out.cap);
	if (subject_base(in, &out, &is_reply) != BUF_OK ||
	    !slice_is_utf8(buf_slice(&out)))
		abort();
	buf_reset(&out, out.cap);
	if (html_text(in, &out) != BUF_OK)
		abort();
	buf_deinit(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);

	check_decoder(ENCODING_NONE, in);
	check_decoder(ENCODING_BASE64, in);
	check_decoder(ENCODING_QUOTED_PRINTABLE, in);
	check_texts(in);
	return 0;
}
