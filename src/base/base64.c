/* SPDX-License-Identifier: ISC */
#include "base/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t
base64_encode(struct slice s, char *at)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i += 3) {
		size_t left = s.len - i;
		uint32_t v = (uint32_t)s.at[i] << 16;

		if (left > 1)
			v |= (uint32_t)s.at[i + 1] << 8;
		if (left > 2)
			v |= s.at[i + 2];
		at[n++] = alphabet[v >> 18];
		at[n++] = alphabet[v >> 12 & 63];
		at[n++] = left > 1 ? alphabet[v >> 6 & 63] : '=';
		at[n++] = left > 2 ? alphabet[v & 63] : '=';
	}
	return n;
}

/* 0 to 63, or 64 for what is not of the alphabet. */
static uint32_t
value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26u;
	if (ascii_is_digit(c))
		return c - '0' + 52u;
	return c == '+' ? 62 : c == '/' ? 63 : 64;
}

/* Four characters, the last n_pads of them '='. */
static bool
decode_group(const uint8_t *in, size_t n_pads, uint32_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t x = i < 4 - n_pads ? value_of(in[i]) : 0;

		if (x > 63)
			return false;
		v = v << 6 | x;
	}
	if ((n_pads == 1 && (v & 0xff) != 0) ||
	    (n_pads == 2 && (v & 0xffff) != 0))
		return false;
	*ret = v;
	return true;
}

bool
base64_decode(struct slice s, uint8_t *at, size_t size, size_t *ret_len)
{
	size_t n = 0, n_pads = 0;
	uint32_t v;

	if (s.len % 4 != 0)
		return false;
	while (n_pads < 2 && n_pads < s.len && s.at[s.len - 1 - n_pads] == '=')
		n_pads++;
	if (BASE64_DECODED(s.len) - n_pads > size)
		return false;
	for (size_t i = 0; i < s.len; i += 4) {
		size_t pads = i + 4 == s.len ? n_pads : 0;

		if (!decode_group(s.at + i, pads, &v))
			return false;
		at[n++] = (uint8_t)(v >> 16);
		if (pads < 2)
			at[n++] = (uint8_t)(v >> 8);
		if (pads < 1)
			at[n++] = (uint8_t)v;
	}
	*ret_len = n;
	return true;
}

static uint32_t
url_value_of(uint8_t c)
{
	if (c == '+' || c == '/')
		return 64;
	return c == '-' ? 62 : c == '_' ? 63 : value_of(c);
}

bool
base64url_decode(struct slice s, uint8_t *at, size_t size, size_t *ret_len)
{
	size_t n = 0, left = s.len % 4;
	uint32_t v = 0, x;

	if (left == 1 || s.len / 4 * 3 + (left == 0 ? 0 : left - 1) > size)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		x = url_value_of(s.at[i]);
		if (x > 63)
			return false;
		v = (v & 0xffffff) << 6 | x;
		if (i % 4 == 1)
			at[n++] = (uint8_t)(v >> 4);
		else if (i % 4 == 2)
			at[n++] = (uint8_t)(v >> 2);
		else if (i % 4 == 3)
			at[n++] = (uint8_t)v;
	}
	/* One form for each value: no bits over. */
	if ((left == 2 && (v & 0xf) != 0) || (left == 3 && (v & 3) != 0))
		return false;
	*ret_len = n;
	return true;
}
