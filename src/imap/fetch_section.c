/* SPDX-License-Identifier: ISC */
/*
 * imap/fetch_section - BODY[...], and the RFC822 items, which are the same
 *
 * A range of the message's bytes becomes a literal, window by window. Named
 * fields are picked out of the header, of which LIMIT_HEADER octets are looked
 * at.
 */
#include <inttypes.h>
#include <string.h>

#include "base/limits.h"
#include "imap/fetch_impl.h"
#include "imap/quote.h"
#include "mail/header.h"

/* -- sections
 * ----------------------------------------------------------------------- */

static void
put_section_text(struct buf *b, const struct imap_fetch_item *item)
{
	static const char *const texts[] = { "", "HEADER", "HEADER.FIELDS",
		"HEADER.FIELDS.NOT", "TEXT", "MIME" };
	const char *sep = "";

	(void)buf_add_cstr(b,
	    item->what == IMAP_ITEM_BINARY_SIZE  ? "BINARY.SIZE["
		: item->what == IMAP_ITEM_BINARY ? "BINARY["
						 : "BODY[");
	for (size_t i = 0; i < item->n_path; i++) {
		(void)buf_printf(b, "%s%u", sep, item->path[i]);
		sep = ".";
	}
	if (item->kind != IMAP_PART_ALL)
		(void)buf_printf(b, "%s%s", sep, texts[item->kind]);
	for (size_t i = 0; i < item->n_fields; i++) {
		(void)buf_add_cstr(b, i == 0 ? " (" : " ");
		(void)imap_put_astring(b, item->fields[i]);
	}
	(void)buf_add_cstr(b, item->n_fields > 0 ? ")]" : "]");
}

void
fetch_put_label(struct buf *b, const struct imap_fetch_item *item)
{
	if (item->label != NULL)
		(void)buf_add_cstr(b, item->label);
	else
		put_section_text(b, item);
	if (item->has_partial)
		(void)buf_printf(b, "<%u>", item->offset);
	(void)buf_add_byte(b, ' ');
}

/* RFC 3501, 6.4.5. False: there is no such part. */
static bool
find_part(const struct mime_tree *tree, const struct imap_fetch_item *item,
    uint64_t *ret_at, uint64_t *ret_len)
{
	const struct mime_part *p;
	bool is_inner =
	    item->kind != IMAP_PART_ALL && item->kind != IMAP_PART_MIME;

	p = mime_section(tree, item->path, item->n_path);
	if (p != NULL && is_inner)
		p = p->kind == MIME_MESSAGE && p->first_child < tree->n
		    ? &tree->parts[p->first_child]
		    : NULL;
	if (p == NULL)
		return false;
	if (item->kind == IMAP_PART_ALL || item->kind == IMAP_PART_TEXT) {
		*ret_at = p->offset + p->header_len;
		*ret_len = p->body_len;
	} else {
		*ret_at = p->offset;
		*ret_len = p->header_len;
	}
	return true;
}

bool
imap_find_section(const struct mime_tree *tree, uint64_t size,
    uint64_t header_len, const struct imap_fetch_item *item, uint64_t *ret_at,
    uint64_t *ret_len)
{
	if (item->n_path > 0)
		return find_part(tree, item, ret_at, ret_len) &&
		    *ret_at <= size && *ret_len <= size - *ret_at;
	*ret_at = item->kind == IMAP_PART_TEXT ? header_len : 0;
	*ret_len = item->kind == IMAP_PART_ALL ? size
	    : item->kind == IMAP_PART_TEXT     ? size - header_len
					       : header_len;
	return true;
}

bool
fetch_find_section(struct fetch *f, const struct imap_fetch_item *item,
    uint64_t *ret_at, uint64_t *ret_len)
{
	return imap_find_section(&f->tree, f->size, f->header_len, item, ret_at,
	    ret_len);
}

/* <offset.length> of n bytes. */
void
fetch_cut_partial(const struct imap_fetch_item *item, uint64_t *at, uint64_t *n)
{
	uint64_t skip;

	if (!item->has_partial)
		return;
	skip = item->offset < *n ? item->offset : *n;
	*at += skip;
	*n -= skip;
	if (*n > item->length)
		*n = item->length;
}

/* A NUL is no octet of a literal (CHAR8): in its place stands 0x80, so that
 * all sizes and offsets stay true. BINARY[...] has it. */
static void
hide_nul(uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] == 0)
			at[i] = 0x80;
}

static void
say_text(struct imap_session *s, struct slice bytes)
{
	uint8_t piece[4096];

	if (slice_find_byte(bytes, 0) == SIZE_MAX) {
		imap_say(s, bytes);
		return;
	}
	while (bytes.len > 0) {
		struct slice part = slice_upto(bytes, sizeof(piece));

		memcpy(piece, part.at, part.len);
		hide_nul(piece, part.len);
		imap_say(s, slice_of(piece, part.len));
		bytes = slice_from(bytes, part.len);
	}
}

static void
then_bytes(struct imap_session *s, const struct imap_answer *a)
{
	struct fetch *f = s->fetch;

	if (a->result != IMAP_OK || f->is_broken ||
	    a->bytes.len > f->window_end - f->at)
		f->is_broken = true;
	if (!f->is_broken && a->bytes.len > 0) {
		if (!f->is_announced)
			imap_printf(s, "{%" PRIu64 "}\r\n", f->end - f->at);
		f->is_announced = true;
		say_text(s, a->bytes);
		f->at += a->bytes.len;
	}
	if (a->more || s->state == IMAP_LOGGED_OUT)
		return;
	if (f->at != f->window_end)
		f->is_broken = true;
	if (f->is_broken && f->is_announced) {
		imap_fatal(s, NULL); /* a literal cannot be cut short */
		return;
	}
	if (a->result == IMAP_EXPUNGED)
		s->has_missed = true;
	else if (f->is_broken)
		f->has_trouble = true;
	s->more = imap_fetch_more;
}

/* The bytes of f->at to f->end as a literal. */
static enum fetch_step
put_range(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	uint64_t at = 0, n = 0;

	if (!f->is_reading) {
		fetch_put_label(&f->b, item);
		if (!fetch_find_section(f, item, &at, &n)) {
			(void)buf_add_cstr(&f->b, "NIL");
			return FETCH_READY;
		}
		fetch_cut_partial(item, &at, &n);
		if (n == 0) {
			(void)buf_add_cstr(&f->b, "\"\"");
			return FETCH_READY;
		}
		f->at = at;
		f->end = at + n;
		f->is_reading = true;
		f->is_announced = f->is_broken = false;
	}
	if (f->is_broken) {
		(void)buf_add_cstr(&f->b, "NIL");
	} else if (f->at < f->end) {
		return fetch_ask_window(s, then_bytes);
	}
	f->is_reading = false;
	return FETCH_READY;
}

/* -- HEADER.FIELDS
 * ----------------------------------------------------------------- */

static void
then_header(struct imap_session *s, const struct imap_answer *a)
{
	struct fetch *f = s->fetch;

	if (a->result != IMAP_OK || a->bytes.len > f->window_end - f->at)
		f->is_broken = true;
	if (!f->is_broken) {
		uint8_t *at;

		if (buf_reserve(&f->header, a->bytes.len, &at) != BUF_OK) {
			f->is_broken = true;
		} else if (a->bytes.len > 0) {
			memcpy(at, a->bytes.at, a->bytes.len);
			hide_nul(at, a->bytes.len);
			buf_grew(&f->header, a->bytes.len);
		}
		f->at += a->bytes.len;
	}
	if (a->more)
		return;
	if (f->at != f->window_end)
		f->is_broken = true;
	if (a->result == IMAP_EXPUNGED)
		s->has_missed = true;
	else if (f->is_broken)
		f->has_trouble = true;
	s->more = imap_fetch_more;
}

static bool
is_named(const struct imap_fetch_item *item, struct slice name)
{
	for (size_t i = 0; i < item->n_fields; i++)
		if (slice_equal_nocase(item->fields[i], name))
			return true;
	return false;
}

/* The fields that were asked for, and the empty line. */
int
imap_pick_fields(struct slice header, const struct imap_fetch_item *item,
    struct buf *ret)
{
	struct header_field field;
	int r = BUF_OK;

	while (header_next(&header, &field))
		if (field.name.len > 0 &&
		    is_named(item, field.name) ==
			(item->kind == IMAP_PART_FIELDS))
			r |= buf_add(ret, field.whole);
	return r | buf_add(ret, SLICE("\r\n"));
}

static void
put_fields(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	uint64_t at = 0, n;
	struct buf b;
	int r;

	buf_init(&b, LIMIT_HEADER + 2);
	r = imap_pick_fields(buf_slice(&f->header), item, &b);
	n = b.len;
	fetch_cut_partial(item, &at, &n);
	r |= buf_printf(&f->b, "{%" PRIu64 "}\r\n", n);
	r |= buf_add(&f->b,
	    slice_upto(slice_from(buf_slice(&b), (size_t)at), (size_t)n));
	buf_deinit(&b);
	if (r != BUF_OK)
		imap_fatal(s, NULL);
}

static enum fetch_step
put_header_fields(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	uint64_t at, n;

	if (!f->is_reading) {
		fetch_put_label(&f->b, item);
		if (!fetch_find_section(f, item, &at, &n)) {
			(void)buf_add_cstr(&f->b, "NIL");
			return FETCH_READY;
		}
		f->at = at;
		f->end = at + (n < LIMIT_HEADER ? n : LIMIT_HEADER);
		f->is_reading = true;
		f->is_broken = false;
		buf_reset(&f->header, FETCH_PIECE);
	}
	if (!f->is_broken && f->at < f->end)
		return fetch_ask_window(s, then_header);
	f->is_reading = false;
	if (f->is_broken)
		(void)buf_add_cstr(&f->b, "NIL");
	else
		put_fields(s, item);
	return s->state == IMAP_LOGGED_OUT ? FETCH_WAITS : FETCH_READY;
}

enum fetch_step
fetch_put_section(struct imap_session *s, const struct imap_fetch_item *item)
{
	return item->kind == IMAP_PART_FIELDS ||
		item->kind == IMAP_PART_FIELDS_NOT
	    ? put_header_fields(s, item)
	    : put_range(s, item);
}
