/* SPDX-License-Identifier: ISC */
/*
 * FETCH: walks the rows that were picked. For each it first gets what is
 * needed to know where things lie (summaries, 16 messages at a time; the bytes
 * themselves where a summary is missing or cut), then writes the items one
 * after the other. Bytes of sections pass through in windows of 64 KiB, asked
 * for when the one before is on its way to the client.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/quote.h"
#include "imap/session_impl.h"
#include "imap/structure.h"
#include "mail/header.h"
#include "mail/summary.h"

enum {
	PIECE = 16 * 1024, /* written before the room is looked at again */
	RESPONSE_MAX = 4 * 1024 * 1024
};

enum step {
	READY,
	WAITS,
	SKIP
};

struct fetch {
	struct buf b; /* of the present piece */
	size_t pick, row;
	bool in_row, has_begun; /* "* 1 FETCH (" is out */
	size_t item;
	bool needs_place, needs_tree, needs_envelope, has_trouble, is_first;

	/* summaries of the rows ahead: struct summary_head and its bytes */
	struct buf ahead;
	uint32_t asked_to; /* uids up to here were asked for */

	/* the present message */
	struct arena arena;
	bool is_placed;
	uint64_t size, header_len;
	struct mime_tree tree;
	bool has_tree, has_envelope;
	struct envelope envelope;
	struct mime *mime; /* while its bytes are parsed */
	struct buf header; /* for HEADER.FIELDS */

	/* a range of bytes on its way */
	uint64_t at, end, window_end;
	bool is_reading, is_announced, is_broken;
};

struct summary_head {
	uint32_t uid, len;
	uint64_t header_len;
};

static void fetch_more(struct imap_session *s);

void
imap_fetch_free(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	if (f == NULL)
		return;
	arena_reset(&f->arena);
	buf_deinit(&f->b);
	buf_deinit(&f->ahead);
	buf_deinit(&f->header);
	free(f);
	s->fetch = NULL;
}

static void
flush(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	imap_say_buf(s, &f->b);
	if (s->fetch != NULL)
		buf_reset(&f->b, PIECE * 2);
}

static bool
ask(struct imap_session *s, const struct imap_ask *question, imap_then_fn *then)
{
	flush(s);
	return s->state != IMAP_LOGGED_OUT && imap_ask(s, question, then);
}

static const struct imap_row *
present(const struct imap_session *s)
{
	return &s->view.rows[s->fetch->row];
}

/* -- the walk
 * ------------------------------------------------------------------ */

/* To the next row that is still there; false behind the last. */
static bool
next_row(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	for (;;) {
		if (f->is_first && f->pick < s->picks.n)
			f->row = s->picks.at[f->pick].lo;
		else
			f->row++;
		f->is_first = false;
		if (f->pick >= s->picks.n)
			return false;
		if (f->row > s->picks.at[f->pick].hi) {
			f->pick++;
			f->is_first = true;
			continue;
		}
		if ((present(s)->state & IMAP_ROW_GONE) == 0)
			break;
		s->has_missed = true;
	}
	arena_reset(&f->arena);
	buf_reset(&f->header, 0);
	f->in_row = true;
	f->has_begun = f->is_placed = f->has_tree = f->has_envelope = false;
	f->is_reading = false;
	f->mime = NULL;
	f->item = 0;
	f->size = present(s)->size;
	return true;
}

/* -- where things lie
 * ------------------------------------------------------------ */

static void
then_summaries(struct imap_session *s, const struct imap_answer *a)
{
	struct fetch *f = s->fetch;
	struct summary_head head = { a->uid, (uint32_t)a->bytes.len,
		a->header_len };

	if (a->result != IMAP_OK && a->result != IMAP_EXPUNGED)
		f->has_trouble = true;
	else if (a->uid != 0 &&
	    (buf_add(&f->ahead, slice_of(&head, sizeof(head))) != BUF_OK ||
		buf_add(&f->ahead, a->bytes) != BUF_OK)) {
		imap_fatal(s, NULL);
		return;
	}
	if (!a->more)
		s->more = fetch_more;
}

/* The present row and those behind it. */
static enum step
ask_summaries(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct imap_range ranges[IMAP_ASK_SUMMARIES];
	struct imap_ask question = { .what = IMAP_ASK_SUMMARY, .uids = ranges };
	size_t row = f->row, n = 0;

	for (size_t p = f->pick; p < s->picks.n && n < IMAP_ASK_SUMMARIES;) {
		const struct imap_row *r = &s->view.rows[row];

		if ((r->state & IMAP_ROW_GONE) == 0) {
			ranges[n++] = (struct imap_range){ r->uid, r->uid };
			f->asked_to = r->uid;
		}
		if (++row > s->picks.at[p].hi && ++p < s->picks.n)
			row = s->picks.at[p].lo;
	}
	question.n_uids = n;
	buf_reset(&f->ahead, 0);
	(void)ask(s, &question, then_summaries);
	return WAITS;
}

/* The summary of the present row off the front of what was read ahead. */
static bool
take_summary(struct imap_session *s, struct summary_head *ret_head,
    struct slice *ret_bytes)
{
	struct fetch *f = s->fetch;

	for (;;) {
		struct slice rest = buf_slice(&f->ahead), head;

		if (!slice_take(&rest, sizeof(*ret_head), &head))
			return false;
		memcpy(ret_head, head.at, sizeof(*ret_head));
		if (ret_head->uid > present(s)->uid)
			return false;
		(void)slice_take(&rest, ret_head->len, ret_bytes);
		if (ret_head->uid == present(s)->uid)
			return true;
		buf_eat(&f->ahead, sizeof(*ret_head) + ret_head->len);
	}
}

static void
use_summary(struct fetch *f, struct slice blob)
{
	struct summary_columns columns;

	if (!summary_columns_read(blob, &columns) || columns.size != f->size ||
	    columns.header_len > f->size)
		return;
	f->header_len = columns.header_len;
	if (f->needs_tree) {
		f->has_tree = summary_tree(blob, f->size, &f->arena, &f->tree);
		if (!f->has_tree)
			return;
	}
	if (f->needs_envelope) {
		f->has_envelope =
		    summary_envelope(blob, &f->arena, &f->envelope);
		if (!f->has_envelope)
			return;
	}
	f->is_placed = true;
}

static void
then_parse(struct imap_session *s, const struct imap_answer *a)
{
	struct fetch *f = s->fetch;

	if (a->result != IMAP_OK)
		f->is_broken = true;
	if (!f->is_broken && a->bytes.len <= f->window_end - f->at) {
		mime_feed(f->mime, a->bytes);
		f->at += a->bytes.len;
	}
	if (a->more)
		return;
	if (f->at != f->window_end)
		f->is_broken = true;
	if (f->is_broken && a->result != IMAP_EXPUNGED)
		f->has_trouble = true;
	s->more = fetch_more;
}

static enum step
ask_window(struct imap_session *s, imap_then_fn *then)
{
	struct fetch *f = s->fetch;
	uint64_t n = f->end - f->at;
	struct imap_ask question = {
		.what = IMAP_ASK_BODY, .uid = present(s)->uid, .offset = f->at
	};

	question.length = n < IMAP_ASK_BYTES ? n : IMAP_ASK_BYTES;
	f->window_end = f->at + question.length;
	(void)ask(s, &question, then);
	return WAITS;
}

static enum step
finish_parse(struct fetch *f)
{
	static const struct envelope none = { 0 };

	(void)mime_end(f->mime, &f->tree);
	f->mime = NULL;
	if (f->arena.starved) { /* a tree, but not this message's */
		f->has_trouble = true;
		return SKIP;
	}
	f->header_len = f->tree.parts[0].header_len;
	f->envelope = f->tree.parts[0].envelope != NULL
	    ? *f->tree.parts[0].envelope
	    : none;
	f->has_tree = f->has_envelope = f->is_placed = true;
	return READY;
}

/* No summary, or one that does not hold it all: the bytes tell. */
static enum step
parse_bytes(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	if (f->mime == NULL) {
		arena_reset(&f->arena);
		f->mime = mime_new(&f->arena);
		f->at = 0;
		f->end = f->size;
		f->is_broken = false;
	}
	if (f->mime == NULL)
		f->has_trouble = true;
	if (f->mime == NULL || f->is_broken)
		return SKIP;
	return f->at < f->end ? ask_window(s, then_parse) : finish_parse(f);
}

/* WAITS until f->is_placed; SKIP when this message cannot be had. */
static enum step
place(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct summary_head head;
	struct slice blob;

	if (!f->needs_place || f->is_placed)
		return READY;
	if (f->mime != NULL)
		return parse_bytes(s);
	if (present(s)->uid > f->asked_to)
		return ask_summaries(s);
	if (!take_summary(s, &head, &blob))
		return SKIP;
	use_summary(f, blob);
	return f->is_placed ? READY : parse_bytes(s);
}

/* -- sections
 * ----------------------------------------------------------------------- */

static void
put_section_text(struct buf *b, const struct imap_fetch_item *item)
{
	static const char *const texts[] = { "", "HEADER", "HEADER.FIELDS",
		"HEADER.FIELDS.NOT", "TEXT", "MIME" };
	const char *sep = "";

	(void)buf_add_cstr(b, "BODY[");
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

static void
put_label(struct buf *b, const struct imap_fetch_item *item)
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
find_part(struct fetch *f, const struct imap_fetch_item *item, uint64_t *ret_at,
    uint64_t *ret_len)
{
	const struct mime_part *p;
	bool is_inner =
	    item->kind != IMAP_PART_ALL && item->kind != IMAP_PART_MIME;

	p = mime_section(&f->tree, item->path, item->n_path);
	if (p != NULL && is_inner)
		p = p->kind == MIME_MESSAGE && p->first_child < f->tree.n
		    ? &f->tree.parts[p->first_child]
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
	return *ret_at <= f->size && *ret_len <= f->size - *ret_at;
}

static bool
find_section(struct fetch *f, const struct imap_fetch_item *item,
    uint64_t *ret_at, uint64_t *ret_len)
{
	if (item->n_path > 0)
		return find_part(f, item, ret_at, ret_len);
	*ret_at = item->kind == IMAP_PART_TEXT ? f->header_len : 0;
	*ret_len = item->kind == IMAP_PART_ALL ? f->size
	    : item->kind == IMAP_PART_TEXT     ? f->size - f->header_len
					       : f->header_len;
	return true;
}

/* <offset.length> of n bytes. */
static void
cut_partial(const struct imap_fetch_item *item, uint64_t *at, uint64_t *n)
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
		imap_say(s, a->bytes);
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
	s->more = fetch_more;
}

/* The bytes of f->at to f->end as a literal. */
static enum step
put_range(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	uint64_t at = 0, n = 0;

	if (!f->is_reading) {
		put_label(&f->b, item);
		if (!find_section(f, item, &at, &n)) {
			(void)buf_add_cstr(&f->b, "NIL");
			return READY;
		}
		cut_partial(item, &at, &n);
		if (n == 0) {
			(void)buf_add_cstr(&f->b, "\"\"");
			return READY;
		}
		f->at = at;
		f->end = at + n;
		f->is_reading = true;
		f->is_announced = f->is_broken = false;
	}
	if (f->is_broken) {
		(void)buf_add_cstr(&f->b, "NIL");
	} else if (f->at < f->end) {
		return ask_window(s, then_bytes);
	}
	f->is_reading = false;
	return READY;
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
		if (buf_add(&f->header, a->bytes) != BUF_OK)
			f->is_broken = true;
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
	s->more = fetch_more;
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
static void
put_fields(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	struct slice rest = buf_slice(&f->header);
	struct header_field field;
	uint64_t at = 0, n;
	struct buf b;
	int r = BUF_OK;

	buf_init(&b, LIMIT_HEADER + 2);
	while (header_next(&rest, &field))
		if (field.name.len > 0 &&
		    is_named(item, field.name) ==
			(item->kind == IMAP_PART_FIELDS))
			r |= buf_add(&b, field.whole);
	r |= buf_add(&b, SLICE("\r\n"));
	n = b.len;
	cut_partial(item, &at, &n);
	r |= buf_printf(&f->b, "{%" PRIu64 "}\r\n", n);
	r |= buf_add(&f->b,
	    slice_upto(slice_from(buf_slice(&b), (size_t)at), (size_t)n));
	buf_deinit(&b);
	if (r != BUF_OK)
		imap_fatal(s, NULL);
}

static enum step
put_header_fields(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	uint64_t at, n;

	if (!f->is_reading) {
		put_label(&f->b, item);
		if (!find_section(f, item, &at, &n)) {
			(void)buf_add_cstr(&f->b, "NIL");
			return READY;
		}
		f->at = at;
		f->end = at + (n < LIMIT_HEADER ? n : LIMIT_HEADER);
		f->is_reading = true;
		f->is_broken = false;
		buf_reset(&f->header, PIECE);
	}
	if (!f->is_broken && f->at < f->end)
		return ask_window(s, then_header);
	f->is_reading = false;
	if (f->is_broken)
		(void)buf_add_cstr(&f->b, "NIL");
	else
		put_fields(s, item);
	return s->state == IMAP_LOGGED_OUT ? WAITS : READY;
}

/* -- items
 * ----------------------------------------------------------------------------
 */

static int
put_small(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;
	const struct imap_row *row = present(s);
	int r;

	switch (item->what) {
	case IMAP_ITEM_FLAGS:
		return imap_put_flags(s, row, &f->b);
	case IMAP_ITEM_UID:
		return buf_printf(&f->b, "UID %u", row->uid);
	case IMAP_ITEM_SIZE:
		return buf_printf(&f->b, "RFC822.SIZE %u", row->size);
	case IMAP_ITEM_INTERNALDATE:
		r = buf_add_cstr(&f->b, "INTERNALDATE ");
		return r | imap_put_date_time(&f->b, row->date, row->zone);
	case IMAP_ITEM_ENVELOPE:
		r = buf_add_cstr(&f->b, "ENVELOPE ");
		return r | imap_put_envelope(&f->b, &f->envelope);
	case IMAP_ITEM_BODY:
		r = buf_add_cstr(&f->b, "BODY ");
		return r | imap_put_structure(&f->b, &f->tree, false);
	case IMAP_ITEM_BODYSTRUCTURE:
		r = buf_add_cstr(&f->b, "BODYSTRUCTURE ");
		return r | imap_put_structure(&f->b, &f->tree, true);
	case IMAP_ITEM_SECTION:
		break;
	}
	return BUF_OK;
}

static enum step
put_item(struct imap_session *s, const struct imap_fetch_item *item)
{
	struct fetch *f = s->fetch;

	if (!f->is_reading && f->item > 0)
		(void)buf_add_byte(&f->b, ' ');
	if (item->what != IMAP_ITEM_SECTION) {
		if (put_small(s, item) == BUF_OK)
			return READY;
		imap_fatal(s, NULL); /* larger than any response may be */
		return WAITS;
	}
	if (item->kind == IMAP_PART_FIELDS ||
	    item->kind == IMAP_PART_FIELDS_NOT)
		return put_header_fields(s, item);
	return put_range(s, item);
}

/* \Seen was set by this command: the response says so (6.4.5). */
static void
put_changed_flags(struct imap_session *s)
{
	struct fetch *f = s->fetch;
	struct imap_row *row = &s->view.rows[f->row];
	bool is_asked = false;

	if ((row->state & IMAP_ROW_TELL) == 0)
		return;
	row->state &= (uint8_t)~IMAP_ROW_TELL;
	s->view.n_tell--;
	for (size_t i = 0; i < s->cmd.fetch.n; i++)
		is_asked |= s->cmd.fetch.items[i].what == IMAP_ITEM_FLAGS;
	if (is_asked)
		return;
	(void)buf_add_byte(&f->b, ' ');
	(void)imap_put_flags(s, row, &f->b);
}

static enum step
put_row(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	if (!f->has_begun) {
		(void)buf_printf(&f->b, "* %zu FETCH (", f->row + 1);
		f->has_begun = true;
	}
	for (; f->item < s->cmd.fetch.n; f->item++)
		if (put_item(s, &s->cmd.fetch.items[f->item]) == WAITS)
			return WAITS;
	put_changed_flags(s);
	(void)buf_add_cstr(&f->b, ")\r\n");
	f->in_row = false;
	return READY;
}

static void
fetch_done(struct imap_session *s)
{
	bool has_trouble = s->fetch->has_trouble;

	flush(s);
	imap_fetch_free(s);
	s->more = NULL;
	imap_sync_done(s,
	    has_trouble ? "NO [UNAVAILABLE] Not all of it could be read"
		: s->has_missed && !s->cmd.is_uid
		? "NO [EXPUNGEISSUED] Some of the messages are gone"
		: "OK Fetched",
	    false);
}

static void
fetch_more(struct imap_session *s)
{
	struct fetch *f = s->fetch;

	while (f->b.len < PIECE) {
		enum step step;

		if (!f->in_row && !next_row(s)) {
			fetch_done(s);
			return;
		}
		step = f->has_begun ? READY : place(s);
		if (step == READY)
			step = put_row(s);
		if (step == WAITS)
			return;
		if (step == SKIP) {
			s->has_missed = true;
			f->in_row = false;
		}
	}
	flush(s);
}

/* -- beginning
 * -------------------------------------------------------------------------- */

static void
start(struct imap_session *s)
{
	struct fetch *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	s->fetch = f;
	f->is_first = true;
	buf_init(&f->b, RESPONSE_MAX);
	buf_init(&f->ahead,
	    IMAP_ASK_SUMMARIES * (LIMIT_SUMMARY + sizeof(struct summary_head)));
	buf_init(&f->header, LIMIT_HEADER);
	arena_init(&f->arena, MIME_MEMORY);
	for (size_t i = 0; i < s->cmd.fetch.n; i++) {
		const struct imap_fetch_item *item = &s->cmd.fetch.items[i];
		bool is_section = item->what == IMAP_ITEM_SECTION;

		f->needs_envelope |= item->what == IMAP_ITEM_ENVELOPE;
		f->needs_tree |= item->what == IMAP_ITEM_BODY ||
		    item->what == IMAP_ITEM_BODYSTRUCTURE ||
		    (is_section && item->n_path > 0);
		f->needs_place |= is_section && item->kind != IMAP_PART_ALL;
	}
	f->needs_place |= f->needs_envelope || f->needs_tree;
	s->more = fetch_more;
}

static void seen_more(struct imap_session *s);

static void
then_seen(struct imap_session *s, const struct imap_answer *a)
{
	/* Not being able to mark them is no reason not to show them. */
	if (a->result == IMAP_OK)
		seen_more(s);
	else
		start(s);
}

/* False: nothing to mark. */
static bool
has_unseen(const struct imap_session *s)
{
	bool sets = false;

	for (size_t i = 0; i < s->cmd.fetch.n; i++)
		sets |= s->cmd.fetch.items[i].sets_seen;
	if (!sets || s->is_read_only)
		return false;
	for (size_t i = 0; i < s->picks.n; i++)
		for (size_t j = s->picks.at[i].lo; j <= s->picks.at[i].hi; j++)
			if ((s->view.rows[j].flags & IMAP_SEEN) == 0)
				return true;
	return false;
}

static void
mark_seen(struct imap_session *s)
{
	for (size_t i = 0; i < s->picks.n; i++)
		for (size_t j = s->picks.at[i].lo; j <= s->picks.at[i].hi;
		     j++) {
			struct imap_row *row = &s->view.rows[j];

			if ((row->flags & IMAP_SEEN) != 0 ||
			    (row->state & IMAP_ROW_GONE) != 0)
				continue;
			row->flags |= IMAP_SEEN;
			if ((row->state & IMAP_ROW_TELL) == 0)
				s->view.n_tell++;
			row->state |= IMAP_ROW_TELL;
		}
}

static void
seen_more(struct imap_session *s)
{
	struct imap_ask question = { .what = IMAP_ASK_FLAGS,
		.mode = IMAP_STORE_ADD,
		.flags = IMAP_SEEN,
		.keywords = SLICE("") };

	question.n_uids = imap_next_ranges(s, IMAP_ASK_RANGES);
	question.uids = s->ranges;
	if (question.n_uids > 0) {
		(void)imap_ask(s, &question, then_seen);
	} else if (s->state != IMAP_LOGGED_OUT) {
		mark_seen(s);
		start(s);
	}
}

void
imap_run_fetch(struct imap_session *s)
{
	s->pick_at = 0;
	if (!imap_view_pick(&s->view, &s->arena, &s->cmd.set, s->cmd.is_uid,
		&s->picks)) {
		imap_done(s, "BAD No such message");
		return;
	}
	if (has_unseen(s))
		seen_more(s);
	else
		start(s);
}
