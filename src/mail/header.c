/* SPDX-License-Identifier: ISC */
#include "mail/header.h"

/* The first line of `in` with its line end, or all of it when there is none. */
static struct slice
line_with_end(struct slice in)
{
	size_t lf = slice_find_byte(in, '\n');

	return lf == SIZE_MAX ? in : slice_upto(in, lf + 1);
}

static struct slice
without_line_end(struct slice line)
{
	if (line.len > 0 && line.at[line.len - 1] == '\n') {
		line.len--;
		if (line.len > 0 && line.at[line.len - 1] == '\r')
			line.len--;
	}
	return line;
}

static bool
is_empty_line(struct slice line)
{
	return slice_equal(line, SLICE("\r\n")) ||
	    slice_equal(line, SLICE("\n"));
}

size_t
header_len(struct slice message)
{
	struct slice rest = message, line;

	while (rest.len > 0) {
		line = line_with_end(rest);
		rest = slice_from(rest, line.len);
		if (is_empty_line(line))
			break;
	}
	return message.len - rest.len;
}

/* ftext = %d33-57 / %d59-126 (RFC 5322, 3.6.8), and the octets of RFC 6532 */
static bool
is_name_octet(uint8_t c)
{
	return c > ' ' && c != ':' && c != 0x7f;
}

/* field = field-name *WSP ":" unstructured (4.5 allows the blanks) */
static void
split_field(struct slice whole, struct header_field *ret)
{
	struct slice rest = without_line_end(whole), name;

	*ret = (struct header_field){ .body = rest, .whole = whole };
	if (!slice_take_while(&rest, is_name_octet, &name))
		return;
	while (rest.len > 0 && ascii_is_space(rest.at[0]))
		rest = slice_from(rest, 1);
	if (!slice_skip_byte(&rest, ':'))
		return;
	ret->name = name;
	ret->body = rest;
}

bool
header_next(struct slice *in, struct header_field *ret)
{
	struct slice rest = *in, line = line_with_end(rest);

	if (line.len == 0 || is_empty_line(line))
		return false;
	do {
		rest = slice_from(rest, line.len);
		line = line_with_end(rest);
	} while (line.len > 0 && ascii_is_space(line.at[0]));
	split_field(slice_upto(*in, in->len - rest.len), ret);
	*in = rest;
	return true;
}

bool
header_find(struct slice section, struct slice name, struct header_field *ret)
{
	struct header_field field;

	while (header_next(&section, &field)) {
		if (!slice_equal_nocase(field.name, name))
			continue;
		*ret = field;
		return true;
	}
	return false;
}

size_t
header_count(struct slice section, struct slice name)
{
	struct header_field field;
	size_t n = 0;

	while (header_next(&section, &field))
		n += slice_equal_nocase(field.name, name);
	return n;
}

static bool
is_blank_or_end(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice
trim_folded(struct slice s)
{
	while (s.len > 0 && is_blank_or_end(s.at[0]))
		s = slice_from(s, 1);
	while (s.len > 0 && is_blank_or_end(s.at[s.len - 1]))
		s.len--;
	return s;
}

static bool
is_not_line_end(uint8_t c)
{
	return c != '\r' && c != '\n';
}

int
header_unfold(struct slice body, struct buf *ret)
{
	struct slice rest = trim_folded(body), run;
	uint8_t *at;
	int r = buf_reserve(ret, rest.len, &at);

	if (r != BUF_OK)
		return r;
	while (rest.len > 0) {
		if (slice_take_while(&rest, is_not_line_end, &run))
			(void)buf_add(ret, run); /* fits: reserved above */
		else
			rest = slice_from(rest, 1);
	}
	return BUF_OK;
}
