/* SPDX-License-Identifier: ISC */
/*
 * mail/encode - what hides text: transfer encodings, encoded words, charsets
 *
 * Streaming decoders of base64 and quoted-printable (RFC 2045, 6.7 and 6.8),
 * encoded words (RFC 2047) to UTF-8, and single-byte charsets to UTF-8. For
 * display and search only: what is stored is never rewritten. Total: octets
 * that are no code are dropped or shown as they are, as RFC 2045 advises.
 */
#ifndef MAIL_ENCODE_H
#define MAIL_ENCODE_H

#include "base/buf.h"
#include "base/slice.h"

enum encoding {
	ENCODING_NONE, /* 7bit, 8bit, binary, or unknown: as it is */
	ENCODING_QUOTED_PRINTABLE,
	ENCODING_BASE64
};

/* From the value of Content-Transfer-Encoding. */
enum encoding encoding_of(struct slice name);

struct decoder {
	uint8_t encoding;
	uint8_t n; /* octets held */
	uint8_t held[3];
	bool ended; /* base64 after its padding */
	/* blanks that may stand at the end of a quoted-printable line */
	uint16_t n_blank;
	uint8_t blank[76];
};

void decoder_init(struct decoder *d, enum encoding encoding);
/* Wants room for in.len + 80 octets, writes no more. BUF_OK, BUF_E_FULL or
 * -ENOMEM; after a failure the decoder is not to be used again. */
int decoder_feed(struct decoder *d, struct slice in, struct buf *out);
int decoder_end(struct decoder *d, struct buf *out);

enum {
	CHARSET_E_UNKNOWN = 16 /* out of the way of BUF_E_* */
};

/* Text of that charset as UTF-8; octets that mean nothing become U+FFFD. An
 * empty name means US-ASCII. BUF_*, -ENOMEM, or CHARSET_E_UNKNOWN with nothing
 * added. */
int charset_to_utf8(struct slice charset, struct slice text, struct buf *out);
bool charset_is_known(struct slice charset);
/* The names of all of them, from 0; at == NULL behind the last. */
struct slice charset_name(size_t n);

/* The text of a header field with its encoded words decoded; what does not
 * decode stays as it is. Always well-formed UTF-8. BUF_* or -ENOMEM. */
int encoded_words_decode(struct slice text, struct buf *out);

/* UTF-8 without differences of case, composed (NFC): two texts that fold to
 * the same differ by case alone. BUF_* or -ENOMEM. */
int text_fold(struct slice text, struct buf *out);

#endif
