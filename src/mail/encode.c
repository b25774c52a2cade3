/* SPDX-License-Identifier: ISC */
#include "mail/encode.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/err.h"
#include "mail/charset.h"
#include "mail/lex.h"

enum {
	DECODER_SLACK = 80, /* what a decoder may hold */
	N_CHARSETS = sizeof(charsets) / sizeof(charsets[0])
};

/* -- transfer encodings -------------------------------------------------------
 */

enum encoding
encoding_of(struct slice name)
{
	if (slice_equal_nocase(name, SLICE("base64")))
		return ENCODING_BASE64;
	if (slice_equal_nocase(name, SLICE("quoted-printable")))
		return ENCODING_QUOTED_PRINTABLE;
	return ENCODING_NONE;
}

void
decoder_init(struct decoder *d, enum encoding encoding)
{
	*d = (struct decoder){ .encoding = (uint8_t)encoding };
}

static int
base64_value(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_is_digit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* What 2 or 3 held values say (RFC 2045, 6.8); one alone says nothing. */
static uint8_t *
base64_flush(struct decoder *d, uint8_t *to)
{
	if (d->n >= 2)
		*to++ = (uint8_t)(d->held[0] << 2 | d->held[1] >> 4);
	if (d->n >= 3)
		*to++ = (uint8_t)(d->held[1] << 4 | d->held[2] >> 2);
	d->n = 0;
	return to;
}

static uint8_t *
base64_octet(struct decoder *d, uint8_t c, uint8_t *to)
{
	int value = base64_value(c);

	if (d->ended)
		return to;
	if (c == '=') {
		d->ended = true;
		return base64_flush(d, to);
	}
	if (value < 0)
		return to;
	if (d->n < 3) {
		d->held[d->n++] = (uint8_t)value;
		return to;
	}
	to = base64_flush(d, to);
	*to++ = (uint8_t)(d->held[2] << 6 | value);
	return to;
}

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c)   ? c - '0'
	    : c >= 'a' && c <= 'f' ? c - 'a' + 10
				   : -1;
}

static uint8_t *
qp_flush_blanks(struct decoder *d, uint8_t *to)
{
	if (d->n_blank > 0)
		memcpy(to, d->blank, d->n_blank);
	to += d->n_blank;
	d->n_blank = 0;
	return to;
}

/* Outside of "=XX". Blanks are held: at the end of a line they are padding. */
static uint8_t *
qp_plain(struct decoder *d, uint8_t c, uint8_t *to)
{
	if (c == ' ' || c == '\t' || c == '\r') {
		if (d->n_blank == sizeof(d->blank))
			to = qp_flush_blanks(d, to);
		d->blank[d->n_blank++] = c;
		return to;
	}
	if (c == '\n') {
		if (d->n_blank > 0 && d->blank[d->n_blank - 1] == '\r')
			*to++ = '\r';
		d->n_blank = 0;
		*to++ = c;
		return to;
	}
	to = qp_flush_blanks(d, to);
	if (c == '=')
		d->held[d->n++] = c;
	else
		*to++ = c;
	return to;
}

/* Inside: a soft line break, an octet, or what is no code at all. */
static uint8_t *
qp_octet(struct decoder *d, uint8_t c, uint8_t *to)
{
	if (d->n == 0)
		return qp_plain(d, c, to);
	if (hex_value(c) >= 0) {
		d->held[d->n++] = c;
		if (d->n < 3)
			return to;
		*to++ = (uint8_t)(hex_value(d->held[1]) << 4 | hex_value(c));
		d->n = 0;
		return to;
	}
	if (d->n == 1 && (c == ' ' || c == '\t' || c == '\r'))
		return to;
	if (d->n > 1 || c != '\n') {
		memcpy(to, d->held, d->n);
		to += d->n;
		d->n = 0;
		return qp_plain(d, c, to);
	}
	d->n = 0;
	return to;
}

int
decoder_feed(struct decoder *d, struct slice in, struct buf *out)
{
	uint8_t *begin, *to;
	int r;

	if (d->encoding == ENCODING_NONE)
		return buf_add(out, in);
	r = buf_reserve(out, in.len + DECODER_SLACK, &begin);
	if (r != BUF_OK)
		return r;
	to = begin;
	for (size_t i = 0; i < in.len; i++)
		to = d->encoding == ENCODING_BASE64
		    ? base64_octet(d, in.at[i], to)
		    : qp_octet(d, in.at[i], to);
	buf_grew(out, (size_t)(to - begin));
	return BUF_OK;
}

int
decoder_end(struct decoder *d, struct buf *out)
{
	uint8_t rest[8], *to = rest;

	if (d->encoding == ENCODING_BASE64) {
		to = base64_flush(d, to);
	} else if (d->n > 1) { /* "=X"; "=" alone is a soft line break */
		memcpy(to, d->held, d->n);
		to += d->n;
	}
	return buf_add(out, slice_of(rest, (size_t)(to - rest)));
}

/* -- charsets -----------------------------------------------------------------
 */

static bool
is_ascii_name(struct slice name)
{
	return name.len == 0 || slice_equal_nocase(name, SLICE("us-ascii")) ||
	    slice_equal_nocase(name, SLICE("ascii"));
}

static bool
is_utf8_name(struct slice name)
{
	return slice_equal_nocase(name, SLICE("utf-8")) ||
	    slice_equal_nocase(name, SLICE("utf8"));
}

static const struct charset *
find_charset(struct slice name)
{
	for (size_t i = 0; i < N_CHARSETS; i++)
		if (slice_equal_nocase(name, charsets[i].name) ||
		    (charsets[i].alias.len > 0 &&
			slice_equal_nocase(name, charsets[i].alias)))
			return &charsets[i];
	return NULL;
}

bool
charset_is_known(struct slice charset)
{
	return is_ascii_name(charset) || is_utf8_name(charset) ||
	    find_charset(charset) != NULL;
}

struct slice
charset_name(size_t n)
{
	if (n == 0)
		return SLICE("US-ASCII");
	if (n == 1)
		return SLICE("UTF-8");
	return n - 2 < N_CHARSETS ? charsets[n - 2].name
				  : (struct slice){ NULL, 0 };
}

static int
add_code_point(struct buf *out, uint32_t c)
{
	uint8_t at[4];
	utf8proc_ssize_t n = utf8proc_encode_char((utf8proc_int32_t)c, at);

	return buf_add(out, slice_of(at, n < 0 ? 0 : (size_t)n));
}

/* The octets below 128 at the front, taken off; most text is nothing else. */
static bool
take_ascii(struct slice *in, struct slice *ret_run)
{
	uint64_t word;
	size_t n = 0;

	for (; n + sizeof(word) <= in->len; n += sizeof(word)) {
		memcpy(&word, in->at + n, sizeof(word));
		if ((word & UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	while (n < in->len && in->at[n] < 0x80)
		n++;
	*ret_run = slice_upto(*in, n);
	*in = slice_from(*in, n);
	return n > 0;
}

static int
add_single_byte(struct buf *out, struct slice text, const uint16_t *high)
{
	struct slice run;
	int r = BUF_OK;

	while (r == BUF_OK && text.len > 0) {
		if (take_ascii(&text, &run)) {
			r = buf_add(out, run);
			continue;
		}
		r = add_code_point(out,
		    high == NULL || high[text.at[0] - 0x80] == 0
			? 0xfffd
			: high[text.at[0] - 0x80]);
		text = slice_from(text, 1);
	}
	return r;
}

static int
add_utf8(struct buf *out, struct slice text)
{
	struct slice run;
	int r = BUF_OK;

	while (r == BUF_OK && text.len > 0) {
		utf8proc_int32_t c;
		utf8proc_ssize_t n;

		if (take_ascii(&text, &run)) {
			r = buf_add(out, run);
			continue;
		}
		n = utf8proc_iterate(text.at,
		    (utf8proc_ssize_t)(text.len > 4 ? 4 : text.len), &c);
		r = n > 0 ? buf_add(out, slice_upto(text, (size_t)n))
			  : add_code_point(out, 0xfffd);
		text = slice_from(text, n > 0 ? (size_t)n : 1);
	}
	return r;
}

int
charset_to_utf8(struct slice charset, struct slice text, struct buf *out)
{
	const struct charset *c;

	if (is_utf8_name(charset))
		return add_utf8(out, text);
	if (is_ascii_name(charset))
		return add_single_byte(out, text, NULL);
	c = find_charset(charset);
	return c == NULL ? CHARSET_E_UNKNOWN
			 : add_single_byte(out, text, c->high);
}

/* -- encoded words
 * -------------------------------------------------------------- */

struct word {
	struct slice charset, text;
	bool is_base64;
};

/* encoded-word = "=?" charset ["*" language] "?" encoding "?" text "?=" */
static bool
take_encoded_word(struct slice *in, struct word *ret)
{
	struct slice rest = *in, encoding, language;
	struct word word;

	if (!slice_skip(&rest, SLICE("=?")) ||
	    !slice_take_until(&rest, '?', &word.charset) ||
	    !slice_take_until(&rest, '?', &encoding) ||
	    !slice_take_until(&rest, '?', &word.text) ||
	    !slice_skip_byte(&rest, '='))
		return false;
	if (slice_take_until(&word.charset, '*', &language))
		word.charset = language; /* what stands before the "*" */
	word.is_base64 = slice_equal_nocase(encoding, SLICE("b"));
	if (!word.is_base64 && !slice_equal_nocase(encoding, SLICE("q")))
		return false;
	if (word.charset.len == 0 || !charset_is_known(word.charset))
		return false;
	for (size_t i = 0; i < word.text.len; i++)
		if (lex_is_blank(word.text.at[i]) && word.is_base64)
			return false;
	*in = rest;
	*ret = word;
	return true;
}

/* "Q" is quoted-printable with "_" for a space (RFC 2047, 4.2). */
static int
add_q(struct buf *out, struct slice text)
{
	int r = BUF_OK;

	for (size_t i = 0; r == BUF_OK && i < text.len; i++) {
		uint8_t c = text.at[i];

		if (c == '_') {
			c = ' ';
		} else if (c == '=' && i + 2 < text.len &&
		    hex_value(text.at[i + 1]) >= 0 &&
		    hex_value(text.at[i + 2]) >= 0) {
			c = (uint8_t)(hex_value(text.at[i + 1]) << 4 |
			    hex_value(text.at[i + 2]));
			i += 2;
		}
		r = buf_add_byte(out, c);
	}
	return r;
}

static int
add_word(struct buf *raw, const struct word *word)
{
	struct decoder d;
	int r;

	if (!word->is_base64)
		return add_q(raw, word->text);
	decoder_init(&d, ENCODING_BASE64);
	r = decoder_feed(&d, word->text, raw);
	return r == BUF_OK ? decoder_end(&d, raw) : r;
}

/* A run of encoded words with only blanks between: they are one text, and a
 * character may be split between two of one charset. False: there was none. */
static bool
take_words(struct slice *in, struct buf *out, int *ret)
{
	struct slice rest = *in, charset = SLICE("");
	struct word word;
	struct buf raw;
	bool any = false;
	int r = BUF_OK;

	buf_init(&raw, in->len + 2 * DECODER_SLACK);
	while (r == BUF_OK && take_encoded_word(&rest, &word)) {
		if (any && !slice_equal_nocase(word.charset, charset)) {
			r = charset_to_utf8(charset, buf_slice(&raw), out);
			buf_reset(&raw, raw.cap);
		}
		any = true;
		charset = word.charset;
		if (r == BUF_OK)
			r = add_word(&raw, &word);
		*in = rest;
		while (rest.len > 0 && lex_is_blank(rest.at[0]))
			rest = slice_from(rest, 1);
	}
	if (any && r == BUF_OK)
		r = charset_to_utf8(charset, buf_slice(&raw), out);
	buf_deinit(&raw);
	*ret = r;
	return any;
}

int
encoded_words_decode(struct slice text, struct buf *out)
{
	int r = BUF_OK;

	while (r == BUF_OK && text.len > 0) {
		size_t next = slice_find(text, SLICE("=?"));
		struct slice plain = slice_upto(text, next);

		r = add_utf8(out, plain);
		text = slice_from(text, plain.len);
		if (r != BUF_OK || text.len == 0)
			break;
		if (!take_words(&text, out, &r)) {
			r = r == BUF_OK ? buf_add(out, SLICE("=?")) : r;
			text = slice_from(text, 2);
		}
	}
	return r;
}

/* -- folding
 * --------------------------------------------------------------------- */

int
text_fold(struct slice text, struct buf *out)
{
	utf8proc_uint8_t *folded = NULL;
	utf8proc_ssize_t n = utf8proc_map(text.at, (utf8proc_ssize_t)text.len,
	    &folded, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	int r;

	if (n == UTF8PROC_ERROR_NOMEM)
		return ERR_ORIGIN(-ENOMEM);
	r = n < 0 ? buf_add(out, text)
		  : buf_add(out, slice_of(folded, (size_t)n));
	free(folded);
	return r;
}
