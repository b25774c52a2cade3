/* SPDX-License-Identifier: ISC */
#include "base/slice.h"

#include <string.h>

struct slice
slice_cstr(const char *text)
{
	return slice_of(text, text == NULL ? 0 : strlen(text));
}

uint8_t
ascii_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c;
}

uint8_t
ascii_upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

bool
ascii_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

bool
ascii_is_alpha(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool
ascii_is_alnum(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool
ascii_is_space(uint8_t c)
{
	return c == ' ' || c == '\t';
}

bool
ascii_is_print(uint8_t c)
{
	return c >= 0x20 && c <= 0x7e;
}

bool
slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool
slice_equal_nocase(struct slice a, struct slice b)
{
	return a.len == b.len && slice_starts_nocase(a, b);
}

int
slice_compare(struct slice a, struct slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int r = n == 0 ? 0 : memcmp(a.at, b.at, n);

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

bool
slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	    slice_equal(slice_upto(s, prefix.len), prefix);
}

bool
slice_ends(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	    slice_equal(slice_from(s, s.len - suffix.len), suffix);
}

bool
slice_starts_nocase(struct slice s, struct slice prefix)
{
	if (s.len < prefix.len)
		return false;
	for (size_t i = 0; i < prefix.len; i++)
		if (ascii_lower(s.at[i]) != ascii_lower(prefix.at[i]))
			return false;
	return true;
}

bool
slice_ends_nocase(struct slice s, struct slice suffix)
{
	return s.len >= suffix.len &&
	    slice_equal_nocase(slice_from(s, s.len - suffix.len), suffix);
}

size_t
slice_find_byte(struct slice s, uint8_t byte)
{
	const uint8_t *p = s.len == 0 ? NULL : memchr(s.at, byte, s.len);

	return p == NULL ? SIZE_MAX : (size_t)(p - s.at);
}

size_t
slice_find_last_byte(struct slice s, uint8_t byte)
{
	for (size_t i = s.len; i > 0; i--)
		if (s.at[i - 1] == byte)
			return i - 1;
	return SIZE_MAX;
}

size_t
slice_find(struct slice s, struct slice what)
{
	const uint8_t *p;

	if (what.len == 0)
		return 0;
	if (s.len == 0)
		return SIZE_MAX;
	p = memmem(s.at, s.len, what.at, what.len);
	return p == NULL ? SIZE_MAX : (size_t)(p - s.at);
}

size_t
slice_find_nocase(struct slice s, struct slice what)
{
	for (size_t i = 0; i + what.len <= s.len; i++)
		if (slice_starts_nocase(slice_from(s, i), what))
			return i;
	return SIZE_MAX;
}

bool
slice_skip(struct slice *in, struct slice prefix)
{
	if (!slice_starts(*in, prefix))
		return false;
	*in = slice_from(*in, prefix.len);
	return true;
}

bool
slice_skip_nocase(struct slice *in, struct slice prefix)
{
	if (!slice_starts_nocase(*in, prefix))
		return false;
	*in = slice_from(*in, prefix.len);
	return true;
}

bool
slice_take_while(struct slice *in, bool (*wanted)(uint8_t),
    struct slice *ret_run)
{
	size_t n = 0;

	while (n < in->len && wanted(in->at[n]))
		n++;
	return n > 0 && slice_take(in, n, ret_run);
}

bool
slice_take_until(struct slice *in, uint8_t byte, struct slice *ret_part)
{
	size_t n = slice_find_byte(*in, byte);

	if (n == SIZE_MAX)
		return false;
	*ret_part = slice_upto(*in, n);
	*in = slice_from(*in, n + 1);
	return true;
}

bool
slice_take_u64(struct slice *in, uint64_t max, uint64_t *ret_n)
{
	struct slice rest = *in, digits;
	uint64_t n = 0;

	if (!slice_take_while(&rest, ascii_is_digit, &digits))
		return false;
	for (size_t i = 0; i < digits.len; i++) {
		uint64_t d = (uint64_t)(digits.at[i] - '0');

		if (n > max / 10 || d > max - n * 10)
			return false;
		n = n * 10 + d;
	}
	*ret_n = n;
	*in = rest;
	return true;
}

bool
slice_to_u64(struct slice s, uint64_t max, uint64_t *ret_n)
{
	uint64_t n;

	if (!slice_take_u64(&s, max, &n) || s.len != 0)
		return false;
	*ret_n = n;
	return true;
}

bool
slice_take_crlf_line(struct slice *in, struct slice *ret_line)
{
	size_t n = slice_find(*in, SLICE("\r\n"));

	if (n == SIZE_MAX)
		return false;
	*ret_line = slice_upto(*in, n);
	*in = slice_from(*in, n + 2);
	return true;
}

struct slice
slice_trim(struct slice s)
{
	while (s.len > 0 && ascii_is_space(s.at[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && ascii_is_space(s.at[s.len - 1]))
		s.len--;
	return s;
}

bool
slice_to_cstr(struct slice s, char *dst, size_t size)
{
	struct slice fits = slice_upto(s, size - 1);

	if (fits.len > 0)
		memcpy(dst, fits.at, fits.len);
	dst[fits.len] = '\0';
	return fits.len == s.len;
}

bool
slice_is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] >= 0x80)
			return false;
	return true;
}

/* UTF8-tail and the ranges of the second octet: RFC 3629, section 4. */
static size_t
utf8_char_len(struct slice s)
{
	static const struct {
		uint8_t first_lo, first_hi, second_lo, second_hi, len;
	} forms[] = {
		{ 0x00, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },
		{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },
		{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },
		{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s.at[0] < forms[i].first_lo || s.at[0] > forms[i].first_hi)
			continue;
		if (forms[i].len > s.len)
			return 0;
		if (forms[i].len > 1 &&
		    (s.at[1] < forms[i].second_lo ||
			s.at[1] > forms[i].second_hi))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++)
			if ((s.at[k] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

/* How many octets in front are ASCII, eight at a time: not always all. */
static size_t
ascii_run(struct slice s)
{
	size_t n = 0;
	uint64_t eight;

	while (s.len - n >= sizeof(eight)) {
		memcpy(&eight, s.at + n, sizeof(eight));
		if ((eight & UINT64_C(0x8080808080808080)) != 0)
			break;
		n += sizeof(eight);
	}
	return n;
}

bool
slice_is_utf8(struct slice s)
{
	while (s.len > 0) {
		size_t n = ascii_run(s);

		if (n == 0)
			n = s.at[0] < 0x80 ? 1 : utf8_char_len(s);
		if (n == 0)
			return false;
		s = slice_from(s, n);
	}
	return true;
}
