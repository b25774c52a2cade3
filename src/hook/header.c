/* SPDX-License-Identifier: ISC */
#include "hook/header.h"

#include <string.h>

#include "base/err.h"
#include "mail/header.h"

enum {
	LINE_MAX = 998, /* RFC 5322, 2.1.1 */
	FIELDS_FIRST = 64
};

/* -- where it ends --------------------------------------------------------- */

void
hook_section_init(struct hook_section *s)
{
	memset(s, 0, sizeof(*s));
	buf_init(&s->bytes, LIMIT_HEADER + LIMIT_CHUNK);
}

void
hook_section_deinit(struct hook_section *s)
{
	buf_deinit(&s->bytes);
}

static void
section_end(struct hook_section *s, size_t separator)
{
	s->fields = s->scanned;
	s->len = s->scanned + separator;
	s->is_done = true;
}

/* Line by line: a field, one that goes on, the empty one, or of the body. */
static void
section_scan(struct hook_section *s)
{
	struct slice rest = slice_from(buf_slice(&s->bytes), s->scanned);
	struct header_field field;
	size_t lf;

	while (!s->is_done && (lf = slice_find_byte(rest, '\n')) != SIZE_MAX) {
		struct slice line = slice_upto(rest, lf + 1);

		if (slice_equal(line, SLICE("\r\n"))) {
			section_end(s, line.len);
			return;
		}
		if (s->scanned == 0 || !ascii_is_space(line.at[0])) {
			struct slice one = line;

			if (!header_next(&one, &field) || field.name.len == 0) {
				section_end(s, 0);
				return;
			}
		}
		s->scanned += line.len;
		rest = slice_from(rest, line.len);
	}
}

int
hook_section_feed(struct hook_section *s, struct slice part, bool is_last)
{
	int r = buf_add(&s->bytes, part);

	if (r != BUF_OK)
		return r < 0 ? ERR_TRACE(r) : HOOK_E_FULL;
	section_scan(s);
	if (!s->is_done && is_last)
		section_end(s, 0);
	if (s->scanned > LIMIT_HEADER ||
	    (!s->is_done && s->bytes.len > LIMIT_HEADER))
		return HOOK_E_FULL;
	return HOOK_OK;
}

/* -- fields ---------------------------------------------------------------- */

static int
make_room(struct hook_header *h)
{
	size_t size = h->size == 0 ? FIELDS_FIRST : 2 * h->size;
	struct slice *fields;

	if (h->n >= LIMIT_HOOK_FIELDS)
		return HOOK_E_FULL;
	if (h->n < h->size)
		return HOOK_OK;
	fields = arena_array(&h->arena, size, sizeof(*fields));
	if (fields == NULL)
		return HOOK_E_FULL;
	if (h->n > 0)
		memcpy(fields, h->fields, h->n * sizeof(*fields));
	h->fields = fields;
	h->size = size;
	return HOOK_OK;
}

static int
put_at(struct hook_header *h, size_t at, struct slice field)
{
	int r;

	if (field.len > LIMIT_HEADER || h->bytes > LIMIT_HEADER - field.len)
		return HOOK_E_FULL;
	r = make_room(h);
	if (r != HOOK_OK)
		return r;
	memmove(h->fields + at + 1, h->fields + at,
	    (h->n - at) * sizeof(*h->fields));
	h->fields[at] = field;
	h->n++;
	h->bytes += field.len;
	return HOOK_OK;
}

static void
take_out(struct hook_header *h, size_t at)
{
	h->bytes -= h->fields[at].len;
	h->n--;
	memmove(h->fields + at, h->fields + at + 1,
	    (h->n - at) * sizeof(*h->fields));
	h->is_changed = true;
}

int
hook_header_init(struct hook_header *h, struct slice fields)
{
	struct header_field field;
	int r = HOOK_OK;

	memset(h, 0, sizeof(*h));
	arena_init(&h->arena, LIMIT_HOOK_ARENA);
	while (r == HOOK_OK && header_next(&fields, &field))
		r = put_at(h, h->n, field.whole);
	return r;
}

void
hook_header_deinit(struct hook_header *h)
{
	arena_reset(&h->arena);
}

static struct slice
name_of(struct slice whole)
{
	struct header_field field = { 0 };

	(void)header_next(&whole, &field);
	return field.name;
}

/* field-name = 1*ftext (RFC 5322, 2.2) */
static bool
is_ftext(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != ':';
}

static bool
is_name(struct slice name)
{
	struct slice run;

	return slice_take_while(&name, is_ftext, &run) && name.len == 0 &&
	    run.len < LINE_MAX;
}

/* Behind each line but the first stands a blank, so that no line is taken for
 * a field or for the end of the section. */
static int
put_lines(struct slice value, struct buf *out)
{
	size_t lf;

	for (bool is_first = true;; is_first = false) {
		struct slice line;

		lf = slice_find_byte(value, '\n');
		line = slice_upto(value, lf);
		if (lf != SIZE_MAX && line.len > 0 &&
		    line.at[line.len - 1] == '\r')
			line.len--;
		if (slice_find_byte(line, '\r') != SIZE_MAX ||
		    slice_find_byte(line, '\0') != SIZE_MAX ||
		    (!is_first &&
			(line.len == 0 || !ascii_is_space(line.at[0]) ||
			    slice_trim(line).len == 0)))
			return HOOK_E_BAD;
		if (buf_add(out, line) != BUF_OK ||
		    buf_add(out, SLICE("\r\n")) != BUF_OK)
			return HOOK_E_FULL;
		if (lf == SIZE_MAX)
			return HOOK_OK;
		value = slice_from(value, lf + 1);
	}
}

static int
make_field(struct hook_header *h, struct slice name, struct slice value,
    bool is_exact, struct slice *ret)
{
	struct hook_lines lines = { 0 };
	struct buf out;
	int r = HOOK_E_BAD;

	if (!is_name(name))
		return HOOK_E_BAD;
	/* some end their value with a line end */
	if (slice_ends(value, SLICE("\n")))
		value.len--;
	if (slice_ends(value, SLICE("\r")))
		value.len--;
	buf_init(&out, LIMIT_HEADER);
	if (buf_add(&out, name) != BUF_OK ||
	    buf_add(&out, is_exact ? SLICE(":") : SLICE(": ")) != BUF_OK)
		r = HOOK_E_FULL;
	else
		r = put_lines(value, &out);
	if (r == HOOK_OK && !hook_lines_check(&lines, buf_slice(&out)))
		r = HOOK_E_BAD;
	if (r == HOOK_OK && !arena_copy(&h->arena, buf_slice(&out), ret))
		r = HOOK_E_FULL;
	buf_deinit(&out);
	return r;
}

int
hook_header_insert(struct hook_header *h, size_t index, struct slice name,
    struct slice value, bool is_exact)
{
	struct slice field;
	int r = make_field(h, name, value, is_exact, &field);

	if (r == HOOK_OK)
		r = put_at(h, index < h->n ? index : h->n, field);
	if (r == HOOK_OK)
		h->is_changed = true;
	return r;
}

int
hook_header_add(struct hook_header *h, struct slice name, struct slice value,
    bool is_exact)
{
	return hook_header_insert(h, SIZE_MAX, name, value, is_exact);
}

int
hook_header_change(struct hook_header *h, size_t index, struct slice name,
    struct slice value, bool is_exact)
{
	struct slice field;
	size_t at = 0, left = index == 0 ? 1 : index;
	int r;

	if (!is_name(name))
		return HOOK_E_BAD;
	for (; at < h->n; at++)
		if (slice_equal_nocase(name_of(h->fields[at]), name) &&
		    --left == 0)
			break;
	if (value.len == 0) {
		if (at < h->n)
			take_out(h, at);
		return HOOK_OK;
	}
	if (at == h->n)
		return hook_header_add(h, name, value, is_exact);
	r = make_field(h, name, value, is_exact, &field);
	if (r != HOOK_OK)
		return r;
	if (field.len > LIMIT_HEADER ||
	    h->bytes - h->fields[at].len > LIMIT_HEADER - field.len)
		return HOOK_E_FULL;
	h->bytes = h->bytes - h->fields[at].len + field.len;
	h->fields[at] = field;
	h->is_changed = true;
	return HOOK_OK;
}

int
hook_header_remove(struct hook_header *h, struct slice name, int index)
{
	int seen = 0;

	if (!is_name(name))
		return HOOK_E_BAD;
	if (index > 0)
		return hook_header_change(h, (size_t)index, name,
		    (struct slice){ 0 }, true);
	for (size_t i = h->n; i-- > 0;) {
		if (!slice_equal_nocase(name_of(h->fields[i]), name))
			continue;
		if (index == 0 || --seen == index)
			take_out(h, i);
	}
	return HOOK_OK;
}

int
hook_header_print(const struct hook_header *h, struct buf *out)
{
	int r = BUF_OK;

	for (size_t i = 0; i < h->n && r == BUF_OK; i++)
		r = buf_add(out, h->fields[i]);
	return r < 0 ? ERR_TRACE(r) : r == BUF_OK ? HOOK_OK : HOOK_E_FULL;
}

/* -- lines ----------------------------------------------------------------- */

bool
hook_lines_check(struct hook_lines *l, struct slice part)
{
	for (size_t i = 0; i < part.len; i++) {
		uint8_t c = part.at[i];

		if ((c == '\n') != l->was_cr)
			return false;
		l->was_cr = c == '\r';
		if (c == '\n')
			l->len = 0;
		else if (c != '\r' && ++l->len > LINE_MAX)
			return false;
	}
	return true;
}

bool
hook_lines_end(const struct hook_lines *l)
{
	return l->len == 0 && !l->was_cr;
}
