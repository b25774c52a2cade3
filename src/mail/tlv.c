/* SPDX-License-Identifier: ISC */
#include "mail/tlv.h"

void
tlv_put(struct tlv_writer *w, uint64_t number)
{
	uint8_t at[10];
	size_t n = 0;

	do {
		at[n] = (uint8_t)(number & 0x7f);
		number >>= 7;
		if (number != 0)
			at[n] |= 0x80;
		n++;
	} while (number != 0);
	if (w->r == BUF_OK)
		w->r = buf_add(w->buf, slice_of(at, n));
}

/* 0, -1, 1, -2, ... become 0, 1, 2, 3, ... */
void
tlv_put_signed(struct tlv_writer *w, int64_t number)
{
	uint64_t twice = (uint64_t)number << 1;

	tlv_put(w, number < 0 ? ~twice : twice);
}

void
tlv_put_text(struct tlv_writer *w, struct slice text)
{
	tlv_put(w, text.at == NULL ? 0 : text.len + 1);
	if (w->r == BUF_OK)
		w->r = buf_add(w->buf, text);
}

int
tlv_add_record(struct buf *to, uint8_t type, struct slice value)
{
	uint8_t head[3] = { type, (uint8_t)(value.len & 0xff),
		(uint8_t)(value.len >> 8) };
	uint8_t *at;
	int r;

	if (value.len > 0xffff)
		return BUF_E_FULL;
	r = buf_reserve(to, sizeof(head) + value.len, &at);
	if (r != BUF_OK)
		return r;
	(void)buf_add(to, slice_of(head, sizeof(head)));
	return buf_add(to, value);
}

bool
tlv_get(struct slice *in, uint64_t max, uint64_t *ret)
{
	uint64_t number = 0;
	uint8_t c = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (!slice_take_byte(in, &c))
			return false;
		if (shift == 63 && c > 1)
			return false;
		number |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			break;
	}
	if (c >= 0x80 || number > max)
		return false;
	*ret = number;
	return true;
}

bool
tlv_get_signed(struct slice *in, int64_t *ret)
{
	uint64_t n;

	if (!tlv_get(in, UINT64_MAX, &n))
		return false;
	*ret = (int64_t)((n & 1) != 0 ? ~(n >> 1) : n >> 1);
	return true;
}

bool
tlv_get_text(struct slice *in, struct slice *ret)
{
	struct slice text;
	uint64_t n;

	if (!tlv_get(in, (uint64_t)in->len, &n))
		return false;
	if (n == 0) {
		*ret = (struct slice){ 0 };
		return true;
	}
	if (!slice_take(in, (size_t)n - 1, &text) ||
	    slice_find_byte(text, '\r') != SIZE_MAX ||
	    slice_find_byte(text, '\n') != SIZE_MAX)
		return false;
	*ret = text;
	return true;
}

bool
tlv_next_record(struct slice *in, uint8_t *ret_type, struct slice *ret_value)
{
	struct slice rest = *in, value;
	uint8_t type, low, high;

	if (!slice_take_byte(&rest, &type) || !slice_take_byte(&rest, &low) ||
	    !slice_take_byte(&rest, &high) ||
	    !slice_take(&rest, (size_t)low | (size_t)high << 8, &value))
		return false;
	*ret_type = type;
	*ret_value = value;
	*in = rest;
	return true;
}
