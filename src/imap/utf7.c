/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "imap/utf7.h"

static const char digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

struct sink {
	uint8_t *at;
	size_t len, size;
};

static bool
put(struct sink *out, uint32_t byte)
{
	if (out->len == out->size)
		return false;
	out->at[out->len++] = (uint8_t)byte;
	return true;
}

static bool
put_utf8(struct sink *out, uint32_t c)
{
	if (c < 0x80)
		return put(out, c);
	if (c < 0x800)
		return put(out, 0xc0 | c >> 6) && put(out, 0x80 | (c & 0x3f));
	if (c < 0x10000)
		return put(out, 0xe0 | c >> 12) &&
		    put(out, 0x80 | (c >> 6 & 0x3f)) &&
		    put(out, 0x80 | (c & 0x3f));
	return put(out, 0xf0 | c >> 18) && put(out, 0x80 | (c >> 12 & 0x3f)) &&
	    put(out, 0x80 | (c >> 6 & 0x3f)) && put(out, 0x80 | (c & 0x3f));
}

static bool
is_direct(uint32_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

/* One UTF-16 unit; `high` keeps the first half of a pair. */
static bool
take_unit(struct sink *out, uint32_t unit, uint32_t *high)
{
	if (*high != 0) {
		uint32_t c;

		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		c = 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00);
		*high = 0;
		return put_utf8(out, c);
	}
	if (unit >= 0xd800 && unit <= 0xdbff) {
		*high = unit;
		return true;
	}
	if (is_direct(unit) || unit == 0 || (unit >= 0xdc00 && unit <= 0xdfff))
		return false;
	return put_utf8(out, unit);
}

/* The base 64 between '&' and '-', both already taken off. */
static bool
take_shifted(struct sink *out, struct slice in)
{
	uint32_t bits = 0, n_bits = 0, high = 0;

	for (size_t i = 0; i < in.len; i++) {
		const char *digit =
		    in.at[i] == 0 ? NULL : strchr(digits, in.at[i]);

		if (digit == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(digit - digits);
		n_bits += 6;
		if (n_bits < 16)
			continue;
		n_bits -= 16;
		if (!take_unit(out, bits >> n_bits & 0xffff, &high))
			return false;
	}
	return high == 0 && n_bits < 6 && (bits & ((1U << n_bits) - 1)) == 0;
}

bool
imap_utf7_decode(struct slice in, uint8_t *dst, size_t size, size_t *ret_len)
{
	struct sink out = { dst, 0, size };
	bool was_shifted = false; /* "&..-&..-" should have been one shift */
	uint8_t c;

	while (slice_take_byte(&in, &c)) {
		struct slice run;

		if (!is_direct(c))
			return false;
		if (c != '&') {
			was_shifted = false;
			if (!put(&out, c))
				return false;
			continue;
		}
		if (!slice_take_until(&in, '-', &run))
			return false;
		if (run.len == 0) {
			was_shifted = false;
			if (!put(&out, '&'))
				return false;
			continue;
		}
		if (was_shifted || !take_shifted(&out, run))
			return false;
		was_shifted = true;
	}
	*ret_len = out.len;
	return true;
}

/* The input was found to be well-formed before. */
static uint32_t
take_utf8(struct slice *in)
{
	uint32_t c = in->at[0];
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	c = n == 1 ? c : c & (0x7fU >> n);
	for (size_t i = 1; i < n; i++)
		c = c << 6 | (in->at[i] & 0x3fU);
	*in = slice_from(*in, n);
	return c;
}

struct shift {
	uint32_t bits, n_bits;
	bool is_open;
};

static bool
put_unit(struct sink *out, struct shift *s, uint32_t unit)
{
	s->bits = s->bits << 16 | unit;
	s->n_bits += 16;
	while (s->n_bits >= 6) {
		s->n_bits -= 6;
		if (!put(out, (uint8_t)digits[s->bits >> s->n_bits & 0x3f]))
			return false;
	}
	s->bits &= (1U << s->n_bits) - 1;
	return true;
}

static bool
close_shift(struct sink *out, struct shift *s)
{
	uint32_t last = s->bits << (6 - s->n_bits) & 0x3f;
	bool has_rest = s->n_bits > 0;

	if (!s->is_open)
		return true;
	*s = (struct shift){ 0 };
	return (!has_rest || put(out, (uint8_t)digits[last])) && put(out, '-');
}

static bool
put_shifted(struct sink *out, struct shift *s, uint32_t c)
{
	if (!s->is_open && !put(out, '&'))
		return false;
	s->is_open = true;
	if (c < 0x10000)
		return put_unit(out, s, c);
	c -= 0x10000;
	return put_unit(out, s, 0xd800 + (c >> 10)) &&
	    put_unit(out, s, 0xdc00 + (c & 0x3ff));
}

bool
imap_utf7_encode(struct slice in, uint8_t *dst, size_t size, size_t *ret_len)
{
	struct sink out = { dst, 0, size };
	struct shift shift = { 0 };

	if (!slice_is_utf8(in) || slice_find_byte(in, 0) != SIZE_MAX)
		return false;
	while (in.len > 0) {
		uint32_t c = take_utf8(&in);

		if (!is_direct(c)) {
			if (!put_shifted(&out, &shift, c))
				return false;
			continue;
		}
		if (!close_shift(&out, &shift) || !put(&out, c) ||
		    (c == '&' && !put(&out, '-')))
			return false;
	}
	if (!close_shift(&out, &shift))
		return false;
	*ret_len = out.len;
	return true;
}

bool
imap_name_from_wire(struct slice in, bool has_utf8, uint8_t *dst, size_t size,
    size_t *ret_len)
{
	if (!has_utf8)
		return imap_utf7_decode(in, dst, size, ret_len);
	if (in.len > size || !slice_is_utf8(in))
		return false;
	if (in.len > 0)
		memcpy(dst, in.at, in.len);
	*ret_len = in.len;
	return true;
}
