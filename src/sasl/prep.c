/* SPDX-License-Identifier: ISC */
#include "sasl/prep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

struct range {
	int32_t lo, hi;
};

/* RFC 3454, table C.1.2: becomes a space */
static const struct range spaces[] = { { 0xa0, 0xa0 }, { 0x1680, 0x1680 },
	{ 0x2000, 0x200b }, { 0x202f, 0x202f }, { 0x205f, 0x205f },
	{ 0x3000, 0x3000 } };

/* table B.1: becomes nothing */
static const struct range nothings[] = { { 0xad, 0xad }, { 0x34f, 0x34f },
	{ 0x1806, 0x1806 }, { 0x180b, 0x180d }, { 0x200c, 0x200d },
	{ 0x2060, 0x2060 }, { 0xfe00, 0xfe0f }, { 0xfeff, 0xfeff } };

/* tables C.2.1, C.2.2, C.3 to C.9 */
static const struct range prohibited[] = { { 0, 0x1f }, { 0x7f, 0x9f },
	{ 0x340, 0x341 }, { 0x6dd, 0x6dd }, { 0x70f, 0x70f },
	{ 0x180e, 0x180e }, { 0x200c, 0x200f }, { 0x2028, 0x202e },
	{ 0x2060, 0x2063 }, { 0x206a, 0x206f }, { 0x2ff0, 0x2ffb },
	{ 0xd800, 0xf8ff }, { 0xfdd0, 0xfdef }, { 0xfeff, 0xfeff },
	{ 0xfff9, 0xffff }, { 0x1d173, 0x1d17a }, { 0xe0001, 0xe0001 },
	{ 0xe0020, 0xe007f }, { 0xf0000, 0x10ffff } };

#define IN(table, c) is_in(table, sizeof(table) / sizeof(table[0]), c)

static bool
is_in(const struct range *table, size_t n, int32_t c)
{
	for (size_t i = 0; i < n; i++)
		if (c >= table[i].lo && c <= table[i].hi)
			return true;
	return false;
}

static bool
is_prohibited(int32_t c)
{
	/* The last two of every plane are no characters. */
	return IN(prohibited, c) || (c & 0xfffe) == 0xfffe;
}

/* RFC 3454, section 6 */
static bool
has_one_direction(const int32_t *text, size_t n)
{
	bool has_left = false, has_right = false, is_right = false;

	for (size_t i = 0; i < n; i++) {
		int class = utf8proc_get_property(text[i])->bidi_class;

		is_right = class == UTF8PROC_BIDI_CLASS_R ||
		    class == UTF8PROC_BIDI_CLASS_AL;
		if (i == 0 && is_right)
			has_right = true;
		else if (is_right && !has_right)
			return false; /* the first one was none */
		has_left |= class == UTF8PROC_BIDI_CLASS_L;
	}
	return !has_right || (!has_left && is_right);
}

/* The mapping: *n code points, fewer than bytes. */
static bool
map_text(struct slice in, int32_t *text, size_t *ret_n)
{
	size_t n = 0;
	int32_t c;

	while (in.len > 0) {
		ssize_t used =
		    utf8proc_iterate(in.at, (utf8proc_ssize_t)in.len, &c);

		if (used <= 0)
			return false;
		in = slice_from(in, (size_t)used);
		if (IN(spaces, c))
			text[n++] = ' ';
		else if (!IN(nothings, c))
			text[n++] = c;
	}
	*ret_n = n;
	return true;
}

/* NFKC in two steps, as utf8proc wants it. Returns code points, or < 0. */
static ssize_t
normalize(const int32_t *text, size_t n, int32_t *out, size_t size)
{
	const utf8proc_option_t options =
	    UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
	int boundclass = 0;
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		ssize_t more = utf8proc_decompose_char(text[i], out + len,
		    (utf8proc_ssize_t)(size - len), options, &boundclass);

		if (more < 0 || (size_t)more > size - len)
			return -1;
		len += (size_t)more;
	}
	/* Canonical order, which utf8proc_decompose would have made. */
	for (size_t i = 1; i < len;) {
		int a = utf8proc_get_property(out[i - 1])->combining_class;
		int b = utf8proc_get_property(out[i])->combining_class;
		int32_t swap = out[i];

		if (b == 0 || a <= b) {
			i++;
			continue;
		}
		out[i] = out[i - 1];
		out[i - 1] = swap;
		i = i > 1 ? i - 1 : i + 1;
	}
	return utf8proc_normalize_utf32(out, (utf8proc_ssize_t)len, options);
}

static int
write_text(const int32_t *text, size_t n, uint8_t *at, size_t size,
    size_t *ret_len)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		utf8proc_uint8_t one[4];
		size_t k = (size_t)utf8proc_encode_char(text[i], one);

		if (k > size - len)
			return SASL_PREP_E_FULL;
		memcpy(at + len, one, k);
		len += k;
	}
	*ret_len = len;
	return SASL_PREP_OK;
}

static int
prepare(struct slice in, int32_t *text, int32_t *out, size_t out_size,
    uint8_t *at, size_t size, size_t *ret_len)
{
	ssize_t len;
	size_t n;

	if (!map_text(in, text, &n))
		return SASL_PREP_E_BAD;
	len = normalize(text, n, out, out_size);
	if (len < 0)
		return SASL_PREP_E_FULL;
	for (ssize_t i = 0; i < len; i++)
		if (is_prohibited(out[i]))
			return SASL_PREP_E_BAD;
	if (!has_one_direction(out, (size_t)len))
		return SASL_PREP_E_BAD;
	return write_text(out, (size_t)len, at, size, ret_len);
}

static bool
is_plain_ascii(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_print(s.at[i]))
			return false;
	return true;
}

int
sasl_prep(struct slice in, uint8_t *at, size_t size, size_t *ret_len)
{
	size_t room = in.len * 4 + 32; /* of the decomposed text */
	int32_t *text;
	int r;

	if (is_plain_ascii(in)) {
		if (in.len > size)
			return SASL_PREP_E_FULL;
		if (in.len > 0)
			memcpy(at, in.at, in.len);
		*ret_len = in.len;
		return SASL_PREP_OK;
	}
	if (in.len > 64 * 1024)
		return SASL_PREP_E_FULL;
	if (!slice_is_utf8(in))
		return SASL_PREP_E_BAD;
	text = calloc(in.len + room, sizeof(*text));
	if (text == NULL)
		return -ENOMEM;
	r = prepare(in, text, text + in.len, room, at, size, ret_len);
	explicit_bzero(text, (in.len + room) * sizeof(*text));
	free(text);
	return r;
}
