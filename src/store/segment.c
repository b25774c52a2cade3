/* SPDX-License-Identifier: ISC */
#include "store/segment.h"

#include <string.h>

static const uint8_t magic[8] = { 'U', 'L', 'A', 'K', 'r', 'e', 'c', '\n' };

enum {                  /* offsets; little-endian; what is not named is zero */
	AT_VERSION = 8, /* u16 */
	AT_HEADER_LEN = 10, /* u16 */
	AT_KIND = 12,
	AT_CODEC = 13,
	AT_CIPHER = 14,
	AT_ID = 16,
	AT_STORED_LEN = 32,
	AT_RAW_LEN = 40,
	AT_KEY_ID = 48,
	AT_TIME = 56,
	AT_ENVELOPE_LEN = 64, /* u32 */
	AT_RESERVED = 68,
	AT_MAC = 96
};

static void
put(uint8_t *at, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get(const uint8_t *at, size_t n)
{
	uint64_t value = 0;

	while (n-- > 0)
		value = value << 8 | at[n];
	return value;
}

static void
mac(const uint8_t at[SEGMENT_HEADER], struct slice envelope,
    const uint8_t key[SEGMENT_KEY], uint8_t out[SEGMENT_CHECKSUM])
{
	crypto_generichash_state s;

	(void)crypto_generichash_init(&s, key, SEGMENT_KEY, SEGMENT_CHECKSUM);
	(void)crypto_generichash_update(&s, at, AT_MAC);
	(void)crypto_generichash_update(&s, envelope.at, envelope.len);
	(void)crypto_generichash_final(&s, out, SEGMENT_CHECKSUM);
}

void
segment_header_encode(const struct segment_header *h,
    const uint8_t key[SEGMENT_KEY], struct slice envelope,
    uint8_t at[SEGMENT_HEADER])
{
	memset(at, 0, SEGMENT_HEADER);
	memcpy(at, magic, sizeof(magic));
	put(at + AT_VERSION, SEGMENT_VERSION, 2);
	put(at + AT_HEADER_LEN, SEGMENT_HEADER, 2);
	at[AT_KIND] = h->kind;
	at[AT_CODEC] = h->codec;
	at[AT_CIPHER] = h->cipher;
	memcpy(at + AT_ID, h->id.bytes, ID_SIZE);
	put(at + AT_STORED_LEN, h->stored_len, 8);
	put(at + AT_RAW_LEN, h->raw_len, 8);
	put(at + AT_KEY_ID, h->key_id, 8);
	put(at + AT_TIME, (uint64_t)h->time, 8);
	put(at + AT_ENVELOPE_LEN, envelope.len, 4);
	mac(at, envelope, key, at + AT_MAC);
}

static bool
is_zero(const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != 0)
			return false;
	return true;
}

int
segment_header_peek(const uint8_t at[SEGMENT_HEADER],
    struct segment_header *ret)
{
	struct segment_header h = { 0 };

	if (is_zero(at, SEGMENT_HEADER))
		return SEGMENT_E_END;
	if (memcmp(at, magic, sizeof(magic)) != 0 ||
	    get(at + AT_VERSION, 2) != SEGMENT_VERSION ||
	    get(at + AT_HEADER_LEN, 2) != SEGMENT_HEADER ||
	    at[AT_CIPHER + 1] != 0 ||
	    !is_zero(at + AT_RESERVED, AT_MAC - AT_RESERVED))
		return SEGMENT_E_BAD;
	h.kind = at[AT_KIND];
	h.codec = at[AT_CODEC];
	h.cipher = at[AT_CIPHER];
	memcpy(h.id.bytes, at + AT_ID, ID_SIZE);
	h.stored_len = get(at + AT_STORED_LEN, 8);
	h.raw_len = get(at + AT_RAW_LEN, 8);
	h.key_id = get(at + AT_KEY_ID, 8);
	h.time = (int64_t)get(at + AT_TIME, 8);
	h.envelope_len = (uint32_t)get(at + AT_ENVELOPE_LEN, 4);
	/* Lengths whose sum could overflow are nobody's. */
	if (h.envelope_len > SEGMENT_ENVELOPE_MAX ||
	    h.stored_len > INT64_MAX / 2)
		return SEGMENT_E_BAD;
	*ret = h;
	return SEGMENT_OK;
}

int
segment_header_decode(const uint8_t at[SEGMENT_HEADER], struct slice envelope,
    const uint8_t key[SEGMENT_KEY], struct segment_header *ret)
{
	uint8_t want[SEGMENT_CHECKSUM];
	struct segment_header h;
	int r = segment_header_peek(at, &h);

	if (r != SEGMENT_OK)
		return r;
	if (h.envelope_len != envelope.len)
		return SEGMENT_E_BAD;
	mac(at, envelope, key, want);
	if (sodium_memcmp(want, at + AT_MAC, sizeof(want)) != 0)
		return SEGMENT_E_BAD;
	*ret = h;
	return SEGMENT_OK;
}

void
segment_trailer_encode(const uint8_t checksum[SEGMENT_CHECKSUM],
    uint64_t stored_len, uint8_t at[SEGMENT_TRAILER])
{
	memcpy(at, checksum, SEGMENT_CHECKSUM);
	put(at + SEGMENT_CHECKSUM, stored_len, 8);
}

bool
segment_trailer_decode(const uint8_t at[SEGMENT_TRAILER], uint64_t stored_len,
    uint8_t ret_checksum[SEGMENT_CHECKSUM])
{
	if (get(at + SEGMENT_CHECKSUM, 8) != stored_len)
		return false;
	memcpy(ret_checksum, at, SEGMENT_CHECKSUM);
	return true;
}

void
segment_checksum(struct slice stored, uint8_t checksum[SEGMENT_CHECKSUM])
{
	(void)crypto_generichash(checksum, SEGMENT_CHECKSUM, stored.at,
	    stored.len, NULL, 0);
}

size_t
segment_padding(const struct segment_header *h)
{
	uint64_t len = SEGMENT_HEADER + (uint64_t)h->envelope_len +
	    h->stored_len + SEGMENT_TRAILER;

	return (size_t)((SEGMENT_ALIGN - len % SEGMENT_ALIGN) % SEGMENT_ALIGN);
}

uint64_t
segment_record_len(const struct segment_header *h)
{
	return SEGMENT_HEADER + (uint64_t)h->envelope_len + h->stored_len +
	    SEGMENT_TRAILER + segment_padding(h);
}

static int
add_field(struct buf *envelope, unsigned tag, struct slice s)
{
	uint8_t head[3] = { (uint8_t)tag };
	int r;

	put(head + 1, s.len, 2);
	r = buf_add(envelope, slice_of(head, sizeof(head)));
	if (r == BUF_OK)
		r = buf_add(envelope, s);
	return r;
}

/* Room for the mark of a cut is always left. */
int
segment_envelope_add(struct buf *envelope, unsigned tag, struct slice s)
{
	size_t need = 3 + s.len;

	if (s.len > UINT16_MAX ||
	    need > SEGMENT_ENVELOPE_MAX - 8 - SEGMENT_HEADER ||
	    envelope->len > SEGMENT_ENVELOPE_MAX - 8 - SEGMENT_HEADER - need) {
		struct slice e = buf_slice(envelope);

		if (e.len >= 3 && e.at[e.len - 3] == SEGMENT_CUT)
			return 0;
		tag = SEGMENT_CUT;
		s.len = 0;
	}
	return add_field(envelope, tag, s);
}

bool
segment_envelope_next(struct slice *in, unsigned *ret_tag, struct slice *ret,
    bool *bad)
{
	struct slice part;
	size_t len;

	*bad = false;
	if (in->len == 0 || in->at[0] == SEGMENT_END)
		return false;
	if (in->len < 3) {
		*bad = true;
		return false;
	}
	len = (size_t)get(in->at + 1, 2);
	if (in->at[0] > SEGMENT_CUT || len > in->len - 3) {
		*bad = true;
		return false;
	}
	*ret_tag = in->at[0];
	part = slice_from(*in, 3);
	*ret = slice_upto(part, len);
	*in = slice_from(part, len);
	return true;
}
