/* SPDX-License-Identifier: ISC */
/*
 * config/toml_string - basic, literal and multi-line strings of TOML
 *
 * The end of a string is looked for first, so that its value needs one
 * allocation of known size: no value is longer than what is written for it.
 */
#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "config/toml_impl.h"

struct output {
	uint8_t *at;
	size_t len;
};

static void
put_utf8(struct output *out, uint32_t c)
{
	uint8_t *b = out->at + out->len;

	if (c < 0x80) {
		b[0] = (uint8_t)c;
		out->len += 1;
	} else if (c < 0x800) {
		b[0] = (uint8_t)(0xc0 | (c >> 6));
		b[1] = (uint8_t)(0x80 | (c & 0x3f));
		out->len += 2;
	} else if (c < 0x10000) {
		b[0] = (uint8_t)(0xe0 | (c >> 12));
		b[1] = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
		b[2] = (uint8_t)(0x80 | (c & 0x3f));
		out->len += 3;
	} else {
		b[0] = (uint8_t)(0xf0 | (c >> 18));
		b[1] = (uint8_t)(0x80 | ((c >> 12) & 0x3f));
		b[2] = (uint8_t)(0x80 | ((c >> 6) & 0x3f));
		b[3] = (uint8_t)(0x80 | (c & 0x3f));
		out->len += 4;
	}
}

/* \uXXXX and \UXXXXXXXX: Unicode scalar values only. */
static int
take_unicode(struct parser *p, size_t n_digits, struct output *out)
{
	const uint8_t *at = p->in.at - 2;
	struct slice digits;
	uint32_t c = 0;

	if (!slice_take(&p->in, n_digits, &digits))
		return toml_fail(p, at, "the escape is cut short");
	for (size_t i = 0; i < n_digits; i++) {
		int d = toml_hex_digit(digits.at[i]);

		if (d < 0)
			return toml_fail(p, at,
			    "the escape needs %zu hexadecimal digits",
			    n_digits);
		c = c << 4 | (uint32_t)d;
	}
	if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return toml_fail(p, at, "no Unicode character has this number");
	put_utf8(out, c);
	return TOML_OK;
}

/* After the backslash. */
static int
take_escape(struct parser *p, struct output *out)
{
	static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
	const char *found;
	uint8_t c = 0;

	if (!slice_take_byte(&p->in, &c))
		return toml_fail(p, p->in.at, "the string does not end");
	if (c == 'u')
		return take_unicode(p, 4, out);
	if (c == 'U')
		return take_unicode(p, 8, out);
	found = c == 0 ? NULL : strchr(from, c);
	if (found == NULL)
		return toml_fail(p, p->in.at - 2,
		    "unknown escape; a backslash itself is written \\\\");
	out->at[out->len++] = (uint8_t)to[found - from];
	return TOML_OK;
}

/* A backslash at the end of a line eats the white space up to the next text. */
static bool
skip_line_joint(struct parser *p)
{
	struct parser look = *p;

	toml_skip_blank(&look);
	if (!toml_skip_newline(&look))
		return false;
	do
		toml_skip_blank(&look);
	while (toml_skip_newline(&look));
	p->in = look.in;
	return true;
}

/* How many bytes stand before the closing quotes, or SIZE_MAX. */
static size_t
find_end(const struct parser *p, uint8_t quote, size_t n_quotes)
{
	size_t n = 0;

	for (size_t i = 0; i < p->in.len; i++) {
		uint8_t c = p->in.at[i];

		if (n_quotes == 1 && c == '\n')
			return SIZE_MAX;
		if (c == '\\' && quote == '"') {
			i++; /* what it escapes is no end */
			n = 0;
			continue;
		}
		n = c == quote ? n + 1 : 0;
		if (n == n_quotes)
			return i + 1 - n;
	}
	return SIZE_MAX;
}

/* Three quotes end it; up to two more just before them belong to the value. */
static bool
skip_long_end(struct parser *p, uint8_t quote, struct output *out)
{
	size_t n = 0;

	while (n < 5 && n < p->in.len && p->in.at[n] == quote)
		n++;
	if (n < 3)
		return false;
	for (size_t i = 3; i < n; i++)
		out->at[out->len++] = quote;
	p->in = slice_from(p->in, n);
	return true;
}

/* One character; the caller has made sure that the string has an end. */
static int
take_char(struct parser *p, uint8_t quote, bool is_long, struct output *out)
{
	uint8_t c = 0;

	if (is_long && toml_at_newline(p)) {
		(void)toml_skip_newline(p);
		out->at[out->len++] = '\n';
		return TOML_OK;
	}
	if (!slice_take_byte(&p->in, &c))
		return toml_fail(p, p->in.at, "the string does not end");
	if (!toml_is_text(c))
		return toml_fail(p, p->in.at - 1,
		    "a control character in a string");
	if (c != '\\' || quote == '\'') {
		out->at[out->len++] = c;
		return TOML_OK;
	}
	if (is_long && skip_line_joint(p))
		return TOML_OK;
	return take_escape(p, out);
}

static int
take_long(struct parser *p, uint8_t quote, struct slice *ret)
{
	const uint8_t *start = p->in.at - 3;
	struct output out = { 0 };
	size_t end;
	int r;

	(void)toml_skip_newline(p);
	end = find_end(p, quote, 3);
	if (end == SIZE_MAX)
		return toml_fail(p, start, "the string does not end");
	out.at = arena_alloc(p->arena, end + 3); /* and two quotes */
	if (out.at == NULL)
		return ERR_ORIGIN(-ENOMEM);
	while (!skip_long_end(p, quote, &out)) {
		r = take_char(p, quote, true, &out);
		if (r != TOML_OK)
			return r;
	}
	*ret = slice_of(out.at, out.len);
	return TOML_OK;
}

static int
take_short(struct parser *p, uint8_t quote, struct slice *ret)
{
	struct output out = { 0 };
	size_t end = find_end(p, quote, 1);
	int r;

	if (end == SIZE_MAX)
		return toml_fail(p, p->in.at - 1,
		    "the string does not end on its line");
	out.at = arena_alloc(p->arena, end + 1);
	if (out.at == NULL)
		return ERR_ORIGIN(-ENOMEM);
	while (!slice_skip_byte(&p->in, quote)) {
		r = take_char(p, quote, false, &out);
		if (r != TOML_OK)
			return r;
	}
	*ret = slice_of(out.at, out.len);
	return TOML_OK;
}

int
toml_take_string(struct parser *p, struct slice *ret)
{
	if (slice_skip(&p->in, SLICE("\"\"\"")))
		return take_long(p, '"', ret);
	if (slice_skip(&p->in, SLICE("'''")))
		return take_long(p, '\'', ret);
	if (slice_skip_byte(&p->in, '"'))
		return take_short(p, '"', ret);
	(void)slice_skip_byte(&p->in, '\'');
	return take_short(p, '\'', ret);
}
