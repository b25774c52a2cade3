/* SPDX-License-Identifier: ISC */
#include "base/id.h"

#include <string.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static void
put_be(uint8_t *at, uint64_t value, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)(value >> (8 * (n - 1 - i)));
}

void
id_make(struct id_source *s, int64_t wall_us, uint64_t random, struct id *ret)
{
	uint64_t ms = wall_us < 0 ? 0 : (uint64_t)wall_us / 1000;

	if (ms > s->last_ms) {
		s->last_ms = ms;
		s->count = 0;
	} else if (s->count == UINT16_MAX) {
		s->last_ms++; /* more than 65,536 in one millisecond */
		s->count = 0;
	} else {
		s->count++;
	}
	put_be(ret->bytes, s->last_ms, 6);
	put_be(ret->bytes + 6, s->count, 2);
	put_be(ret->bytes + 8, random, 8);
}

/* 26 digits hold 130 bits: the two highest are zero. */
void
id_print(const struct id *id, char text[ID_TEXT + 1])
{
	for (unsigned i = 0; i < ID_TEXT; i++) {
		unsigned value = 0;

		for (unsigned k = 0; k < 5; k++) {
			unsigned bit = i * 5 + k; /* of 130, from the top */

			value <<= 1;
			if (bit >= 2)
				value |= (unsigned)(id->bytes[(bit - 2) / 8] >>
					     (7 - (bit - 2) % 8)) &
				    1;
		}
		text[i] = digits[value];
	}
	text[ID_TEXT] = '\0';
}

bool
id_parse(struct slice text, struct id *ret)
{
	struct id id = { { 0 } };

	if (text.len != ID_TEXT)
		return false;
	for (unsigned i = 0; i < ID_TEXT; i++) {
		const char *d = text.at[i] == '\0'
		    ? NULL
		    : strchr(digits, ascii_upper(text.at[i]));

		if (d == NULL)
			return false;
		for (unsigned k = 0; k < 5; k++) {
			unsigned bit = i * 5 + k;
			unsigned one = (unsigned)((d - digits) >> (4 - k)) & 1;

			if (bit < 2 && one != 0)
				return false;
			if (bit >= 2 && one != 0)
				id.bytes[(bit - 2) / 8] |=
				    (uint8_t)(0x80 >> ((bit - 2) % 8));
		}
	}
	*ret = id;
	return true;
}

bool
id_equal(const struct id *a, const struct id *b)
{
	return id_compare(a, b) == 0;
}

int
id_compare(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_SIZE);
}

struct slice
id_slice(const struct id *id)
{
	return slice_of(id->bytes, ID_SIZE);
}

bool
id_from_slice(struct slice bytes, struct id *ret)
{
	if (bytes.len != ID_SIZE)
		return false;
	memcpy(ret->bytes, bytes.at, ID_SIZE);
	return true;
}

int64_t
id_time(const struct id *id)
{
	int64_t ms = 0;

	for (size_t i = 0; i < 6; i++)
		ms = ms * 256 + id->bytes[i];
	return ms * 1000;
}
