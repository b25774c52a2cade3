/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "imap/quote.h"
#include "mail/date.h"

enum {
	QUOTED_MAX = 1000 /* longer strings go as literals */
};

bool
imap_is_atom_char(uint8_t c)
{
	return c > 0x20 && c < 0x7f && strchr("(){%*\"\\]", c) == NULL;
}

bool
imap_is_astring_char(uint8_t c)
{
	return c == ']' || imap_is_atom_char(c);
}

/* TEXT-CHAR, 7 bits; quoted-specials get their backslash. */
static bool
fits_quoted(struct slice s)
{
	unsigned bad = 0;

	if (s.len > QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		bad |= (unsigned)(s.at[i] == 0) | (unsigned)(s.at[i] == '\r') |
		    (unsigned)(s.at[i] == '\n') | (unsigned)(s.at[i] >= 0x80);
	return bad == 0;
}

static int
put_quoted(struct buf *b, struct slice s)
{
	uint8_t *at;
	size_t n = 0;
	int r = buf_reserve(b, 2 * s.len + 2, &at);

	if (r != BUF_OK)
		return r;
	at[n++] = '"';
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] == '"' || s.at[i] == '\\')
			at[n++] = '\\';
		at[n++] = s.at[i];
	}
	at[n++] = '"';
	buf_grew(b, n);
	return BUF_OK;
}

static int
put_literal(struct buf *b, struct slice s)
{
	uint8_t *at;
	int r;

	r = buf_printf(b, "{%zu}\r\n", s.len);
	if (r == BUF_OK)
		r = buf_reserve(b, s.len, &at);
	if (r != BUF_OK)
		return r;
	for (size_t i = 0; i < s.len; i++)
		at[i] = s.at[i] == 0 ? '?' : s.at[i];
	buf_grew(b, s.len);
	return BUF_OK;
}

int
imap_put_string(struct buf *b, struct slice s)
{
	return fits_quoted(s) ? put_quoted(b, s) : put_literal(b, s);
}

int
imap_put_astring(struct buf *b, struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!imap_is_astring_char(s.at[i]))
			return imap_put_string(b, s);
	/* An atom that spells NIL would read as no string at all. */
	if (s.len == 0 || s.len > QUOTED_MAX ||
	    slice_equal_nocase(s, SLICE("NIL")))
		return imap_put_string(b, s);
	return buf_add(b, s);
}

int
imap_put_nstring(struct buf *b, struct slice s)
{
	return s.at == NULL ? buf_add(b, SLICE("NIL")) : imap_put_string(b, s);
}

int
imap_put_date_time(struct buf *b, int64_t wall_us, int zone_minutes)
{
	char text[DATE_INTERNAL];

	date_print_internal(wall_us, zone_minutes, text);
	return buf_printf(b, "\"%s\"", text);
}
