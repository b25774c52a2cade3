/* SPDX-License-Identifier: ISC */
/*
 * imap/fetch_binary - BINARY[...] and BINARY.SIZE[...] (RFC 3516, RFC 9051)
 *
 * The part without its transfer encoding. It passes through twice: how long it
 * is and whether there is a NUL in it must be said before the first octet; a
 * window of 64 KiB and what was decoded of it is all that is held. What has no
 * encoding of its own (a multipart, a message, a header) comes as it lies.
 * A part whose encoding we do not know is NIL and fails the command.
 */
#include <inttypes.h>

#include "base/limits.h"
#include "imap/fetch_impl.h"

static bool
is_known(struct slice name)
{
	return encoding_of(name) != ENCODING_NONE ||
	    slice_equal_nocase(name, SLICE("7bit")) ||
	    slice_equal_nocase(name, SLICE("8bit")) ||
	    slice_equal_nocase(name, SLICE("binary"));
}

/* What the octets of the section are encoded in; false: nobody knows. */
static bool
find_encoding(struct fetch *f, const struct imap_fetch_item *item)
{
	const struct mime_part *p;

	f->encoding = ENCODING_NONE;
	if (item->n_path == 0 || item->kind != IMAP_PART_ALL)
		return true;
	p = mime_section(&f->tree, item->path, item->n_path);
	if (p == NULL || p->kind == MIME_MULTIPART || p->kind == MIME_MESSAGE)
		return true;
	f->encoding = encoding_of(p->encoding);
	return is_known(p->encoding);
}

static void
begin_pass(struct fetch *f)
{
	f->at = f->section_at;
	f->end = f->section_at + f->section_len;
	f->decoded_n = 0;
	f->is_ended = false;
	decoder_init(&f->decoder, f->encoding);
}

/* -- what was decoded ------------------------------------------------------ */

/* Of the next piece what lies in [from, from + n) of all. */
static struct slice
wanted(const struct fetch *f, struct slice piece)
{
	uint64_t at = f->decoded_n, end = f->decoded_from + f->decoded_len;

	if (at + piece.len <= f->decoded_from || at >= end)
		return slice_upto(piece, 0);
	if (end - at < piece.len)
		piece = slice_upto(piece, (size_t)(end - at));
	if (at < f->decoded_from)
		piece = slice_from(piece, (size_t)(f->decoded_from - at));
	return piece;
}

static void
take_decoded(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct slice all = buf_slice(&f->decoded), part = wanted(f, all);

	f->decoded_n += all.len;
	if (f->pass == FETCH_MEASURE) {
		f->has_nul |= slice_find_byte(part, 0) != SIZE_MAX;
	} else if (part.len > 0) {
		if (!f->is_announced)
			imap_printf(s, "%s{%" PRIu64 "}\r\n",
			    f->has_nul ? "~" : "", f->decoded_len);
		f->is_announced = true;
		imap_say(s, part);
	}
}

static void
decode(struct imap_session *s, struct slice bytes)
{
	struct fetch *f = s->fetch;

	buf_reset(&f->decoded, 2 * IMAP_ASK_BYTES);
	if (decoder_feed(&f->decoder, bytes, &f->decoded) != BUF_OK)
		f->is_broken = true;
	else
		take_decoded(s);
}

static void
then_decode(struct imap_session *s, const struct imap_answer *a)
{
	struct fetch *f = s->fetch;

	if (a->result != IMAP_OK || a->bytes.len > f->window_end - f->at)
		f->is_broken = true;
	if (!f->is_broken) {
		decode(s, a->bytes);
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

/* One window more, or what the decoder still holds. */
static enum fetch_step
go_on(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	bool is_enough = f->pass == FETCH_EMIT &&
	    f->decoded_n >= f->decoded_from + f->decoded_len;

	if (!f->is_broken && !is_enough && f->at < f->end)
		return fetch_ask_window(s, then_decode);
	if (!f->is_broken && !is_enough && !f->is_ended) {
		fetch_flush(s);
		buf_reset(&f->decoded, 2 * IMAP_ASK_BYTES);
		if (decoder_end(&f->decoder, &f->decoded) != BUF_OK)
			f->is_broken = true;
		else
			take_decoded(s);
		f->is_ended = true;
	}
	if (f->is_broken && f->is_announced)
		imap_fatal(s, NULL);
	return s->state == IMAP_LOGGED_OUT ? FETCH_WAITS : FETCH_READY;
}

/* -- the items ------------------------------------------------------------- */

static enum fetch_step
put_nothing(struct fetch *f, const struct imap_fetch_item *item)
{
	f->is_reading = false;
	(void)buf_add_cstr(&f->b,
	    item->what == IMAP_ITEM_BINARY_SIZE ? "0" : "NIL");
	return FETCH_READY;
}

static bool
begin(struct fetch *f, const struct imap_fetch_item *item)
{
	fetch_put_label(&f->b, item);
	if (!fetch_find_section(f, item, &f->section_at, &f->section_len))
		return false;
	if (!find_encoding(f, item)) {
		f->has_unknown = true;
		return false;
	}
	f->is_reading = true;
	f->is_announced = f->is_broken = f->has_nul = false;
	f->pass = FETCH_MEASURE;
	f->decoded_from = item->has_partial ? item->offset : 0;
	f->decoded_len = item->has_partial ? item->length : UINT64_MAX / 2;
	begin_pass(f);
	return true;
}

/* How long it is, is known: false when there is nothing to be sent. */
static bool
end_measure(struct fetch *f, const struct imap_fetch_item *item)
{
	uint64_t at = 0, n = f->decoded_n;

	if (item->what == IMAP_ITEM_BINARY_SIZE) {
		(void)buf_printf(&f->b, "%" PRIu64, n);
		return false;
	}
	fetch_cut_partial(item, &at, &n);
	f->decoded_from = at;
	f->decoded_len = n;
	if (n == 0)
		(void)buf_add_cstr(&f->b, "\"\"");
	return n > 0;
}

/* A field of a header is part of a section that cannot be asked for by its
 * place: such a section is never encoded, so BODY[...] says the same. */
enum fetch_step
fetch_put_binary(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	enum fetch_step step;

	if (!f->is_reading && !begin(f, item))
		return put_nothing(f, item);
	for (;;) {
		step = go_on(s);
		if (step != FETCH_READY)
			return step;
		if (f->is_broken)
			return put_nothing(f, item);
		if (f->pass == FETCH_EMIT || !end_measure(f, item))
			break;
		f->pass = FETCH_EMIT;
		begin_pass(f);
	}
	f->is_reading = false;
	return FETCH_READY;
}
