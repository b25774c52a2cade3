/* SPDX-License-Identifier: ISC */
#include "imap/url.h"

#include <string.h>

#include "base/limits.h"

static int
hex_value(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%41" becomes "A". False: a "%" without two digits, a NUL, no memory. */
static bool
decode(struct slice in, struct arena *arena, struct slice *ret)
{
	uint8_t *at = arena_alloc(arena, in.len + 1);
	size_t n = 0;

	if (at == NULL)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		int hi, lo;

		at[n] = in.at[i];
		if (in.at[i] == '%') {
			if (in.len - i < 3)
				return false;
			hi = hex_value(in.at[i + 1]);
			lo = hex_value(in.at[i + 2]);
			if (hi < 0 || lo < 0)
				return false;
			at[n] = (uint8_t)(hi << 4 | lo);
			i += 2;
		}
		if (at[n++] == 0)
			return false;
	}
	*ret = slice_of(at, n);
	return true;
}

static bool
take_u32(struct slice *in, uint32_t *ret)
{
	uint64_t n;

	if (!slice_take_u64(in, UINT32_MAX, &n))
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* enc-mailbox [";UIDVALIDITY=" nz-number], up to the "/" before ";UID=" */
static bool
take_mailbox(struct slice text, struct arena *arena, struct imap_url *ret)
{
	size_t at = slice_find_byte(text, ';');
	struct slice rest = slice_from(text, at == SIZE_MAX ? text.len : at);

	if (!decode(slice_upto(text, text.len - rest.len), arena, &ret->name) ||
	    ret->name.len == 0 || ret->name.len > LIMIT_MAILBOX_NAME ||
	    !slice_is_utf8(ret->name))
		return false;
	if (slice_equal_nocase(ret->name, SLICE("INBOX")))
		ret->name = SLICE("INBOX");
	if (rest.len == 0)
		return true;
	return slice_skip_nocase(&rest, SLICE(";UIDVALIDITY=")) &&
	    take_u32(&rest, &ret->uidvalidity) && ret->uidvalidity > 0 &&
	    rest.len == 0;
}

/* "/;SECTION=" enc-section: read as FETCH reads it, in its brackets. */
static bool
take_section(struct slice text, struct arena *arena, struct imap_url *ret)
{
	struct slice plain;
	uint8_t *at;
	struct imap_in in = { .arena = arena };

	if (!decode(text, arena, &plain) || plain.len == 0)
		return false;
	at = arena_alloc(arena, plain.len + 1);
	if (at == NULL)
		return false;
	memcpy(at, plain.at, plain.len);
	at[plain.len] = ']';
	in.rest = slice_of(at, plain.len + 1);
	ret->section.what = IMAP_ITEM_SECTION;
	return imap_take_section(&in, &ret->section) && in.rest.len == 0;
}

/* number ["." nz-number] */
static bool
take_partial(struct slice text, struct imap_url *ret)
{
	ret->section.has_partial = true;
	ret->section.length = UINT32_MAX;
	if (!take_u32(&text, &ret->section.offset))
		return false;
	if (text.len == 0)
		return true;
	return slice_skip_byte(&text, '.') &&
	    take_u32(&text, &ret->section.length) && ret->section.length > 0 &&
	    text.len == 0;
}

/* What stands up to the next "/;" or the end. */
static struct slice
take_piece(struct slice *in)
{
	size_t at = slice_find(*in, SLICE("/;"));
	struct slice piece = slice_upto(*in, at == SIZE_MAX ? in->len : at);

	*in = slice_from(*in, piece.len);
	return piece;
}

static bool
take_rest(struct slice rest, struct arena *arena, struct imap_url *ret)
{
	struct slice uid;

	if (!slice_skip_nocase(&rest, SLICE(";UID=")))
		return false;
	uid = take_piece(&rest);
	if (!take_u32(&uid, &ret->uid) || uid.len > 0 || ret->uid == 0)
		return false;
	if (slice_skip_nocase(&rest, SLICE("/;SECTION=")) &&
	    !take_section(take_piece(&rest), arena, ret))
		return false;
	if (slice_skip_nocase(&rest, SLICE("/;PARTIAL=")) &&
	    !take_partial(take_piece(&rest), ret))
		return false;
	return rest.len == 0;
}

bool
imap_url_parse(struct slice text, struct arena *arena, struct imap_url *ret)
{
	size_t at;

	memset(ret, 0, sizeof(*ret));
	ret->section.what = IMAP_ITEM_SECTION;
	if (slice_starts_nocase(text, SLICE(";UID=")))
		return take_rest(text, arena, ret);
	if (slice_starts_nocase(text, SLICE("/;UID=")))
		return take_rest(slice_from(text, 1), arena, ret);
	if (!slice_skip_byte(&text, '/') || slice_starts(text, SLICE("/")))
		return false;
	at = slice_find_nocase(text, SLICE("/;UID="));
	return at != SIZE_MAX &&
	    take_mailbox(slice_upto(text, at), arena, ret) &&
	    take_rest(slice_from(text, at + 1), arena, ret);
}
