/* SPDX-License-Identifier: ISC */
/*
 * SEARCH: row after row, in three steps that go only as far as they must. What
 * the row itself tells; then the header; then the bytes, which pass through
 * the MIME parser once for all keys. Numbers are written as they are found.
 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/match.h"
#include "imap/session_impl.h"
#include "mail/date.h"
#include "mail/header.h"

enum {
	ROWS_PIECE = 1000, /* looked at between two looks at the room */
	NEEDLE_MAX = 256 * 1024
};

enum tri {
	NO,
	YES,
	MAYBE
};
enum level {
	LEVEL_ROW,
	LEVEL_HEADER,
	LEVEL_BODY
};

struct search {
	size_t row;
	enum level level;
	struct buf b;      /* numbers of this piece */
	struct buf header; /* of the present message, or its beginning */
	size_t header_len;
	uint64_t at, end, window_end;
	bool is_broken, has_trouble, is_reading;
	struct arena arena; /* the tree of the present message */
	struct mime *mime;
	struct match_body body;
	struct match_needle *needles;
	struct imap_search **body_keys;
	size_t n_needles;
};

static void search_more(struct imap_session *s);

void
imap_search_free(struct imap_session *s)
{
	struct search *f = s->search;

	if (f == NULL)
		return;
	if (f->mime != NULL)
		match_body_deinit(&f->body);
	arena_reset(&f->arena);
	buf_deinit(&f->b);
	buf_deinit(&f->header);
	free(f);
	s->search = NULL;
}

/* -- keys
 * ----------------------------------------------------------------------- */

static enum tri
of(bool b)
{
	return b ? YES : NO;
}

static bool
has_keyword(const struct imap_session *s, const struct imap_row *row,
    struct slice word)
{
	struct slice set, part;

	if (row->keywords == 0)
		return false;
	set = s->view.sets[row->keywords];
	while (set.len > 0) {
		if (!slice_take_until(&set, ' ', &part)) {
			part = set;
			set.len = 0;
		}
		if (slice_equal_nocase(part, word))
			return true;
	}
	return false;
}

/* A key that the row answers. */
static bool
match_row(const struct imap_session *s, const struct imap_search *k, size_t i)
{
	const struct imap_row *row = &s->view.rows[i];
	struct imap_picks picks = { k->picks, k->n_picks };
	int64_t day = imap_day(row->date, row->zone);

	switch (k->what) {
	case IMAP_KEY_SET:
	case IMAP_KEY_UID:
		return imap_picks_have(&picks, i);
	case IMAP_KEY_FLAG:
		return (row->flags & k->bits) != 0;
	case IMAP_KEY_NO_FLAG:
		return (row->flags & k->bits) == 0;
	case IMAP_KEY_KEYWORD:
		return has_keyword(s, row, k->text);
	case IMAP_KEY_NO_KEYWORD:
		return !has_keyword(s, row, k->text);
	case IMAP_KEY_BEFORE:
		return day < k->day;
	case IMAP_KEY_ON:
		return day == k->day;
	case IMAP_KEY_SINCE:
		return day >= k->day;
	case IMAP_KEY_LARGER:
		return row->size > k->number;
	case IMAP_KEY_SMALLER:
		return row->size < k->number;
	default:
		return true;
	}
}

/* SENTBEFORE, SENTON, SENTSINCE: the Date field, its zone disregarded. */
static bool
match_sent(const struct search *f, const struct imap_search *k)
{
	struct slice section = slice_upto(buf_slice(&f->header), f->header_len);
	struct header_field field;
	struct mail_date date;
	int64_t day;

	if (!header_find(section, SLICE("Date"), &field) ||
	    !date_parse(field.body, &date))
		return false;
	day = imap_day(date.us, date.zone);
	return k->what == IMAP_KEY_SENT_BEFORE ? day < k->day
	    : k->what == IMAP_KEY_SENT_ON      ? day == k->day
					       : day >= k->day;
}

/* Without memory nothing is said to match, and the command fails in the end. */
static enum tri
match_fields(struct search *f, struct slice section, struct slice name,
    struct slice needle)
{
	int r = match_header(section, name, needle);

	if (r < 0)
		f->has_trouble = true;
	return of(r > 0);
}

static enum tri
match_text(struct search *f, struct imap_search *k)
{
	struct slice section = slice_upto(buf_slice(&f->header), f->header_len);

	if (f->level == LEVEL_ROW)
		return MAYBE;
	if (k->what == IMAP_KEY_HEADER)
		return match_fields(f, section, k->field, k->folded);
	if (k->is_found)
		return YES;
	if (f->level == LEVEL_BODY)
		return NO;
	if (k->what == IMAP_KEY_TEXT &&
	    match_fields(f, section, slice_of("", 0), k->folded) == YES) {
		k->is_found = true;
		return YES;
	}
	return MAYBE;
}

static enum tri match(const struct imap_session *s, struct imap_search *k,
    size_t i);

static enum tri
match_all(const struct imap_session *s, struct imap_search *k, size_t i)
{
	enum tri ret = YES;

	for (k = k->first; k != NULL; k = k->next) {
		enum tri one = match(s, k, i);

		if (one == NO)
			return NO;
		if (one == MAYBE)
			ret = MAYBE;
	}
	return ret;
}

static enum tri
match_any(const struct imap_session *s, struct imap_search *k, size_t i)
{
	enum tri ret = NO;

	for (k = k->first; k != NULL; k = k->next) {
		enum tri one = match(s, k, i);

		if (one == YES)
			return YES;
		if (one == MAYBE)
			ret = MAYBE;
	}
	return ret;
}

static enum tri
match(const struct imap_session *s, struct imap_search *k, size_t i)
{
	enum tri one;

	switch (k->what) {
	case IMAP_KEY_AND:
		return match_all(s, k, i);
	case IMAP_KEY_OR:
		return match_any(s, k, i);
	case IMAP_KEY_NOT:
		one = match(s, k->first, i);
		return one == MAYBE ? MAYBE : of(one == NO);
	case IMAP_KEY_HEADER:
	case IMAP_KEY_BODY:
	case IMAP_KEY_TEXT:
		return match_text(s->search, k);
	case IMAP_KEY_SENT_BEFORE:
	case IMAP_KEY_SENT_ON:
	case IMAP_KEY_SENT_SINCE:
		return s->search->level == LEVEL_ROW
		    ? MAYBE
		    : of(match_sent(s->search, k));
	default:
		return of(match_row(s, k, i));
	}
}

/* -- bytes
 * ---------------------------------------------------------------------------
 */

static void
then_bytes(struct imap_session *s, const struct imap_answer *a)
{
	struct search *f = s->search;

	if (a->result != IMAP_OK || a->bytes.len > f->window_end - f->at)
		f->is_broken = true;
	if (!f->is_broken) {
		if (f->level == LEVEL_BODY)
			mime_feed(f->mime, a->bytes);
		else if (buf_add(&f->header, a->bytes) != BUF_OK)
			f->is_broken = true;
		f->at += a->bytes.len;
	}
	if (a->more)
		return;
	if (f->at != f->window_end)
		f->is_broken = true;
	if (f->is_broken && a->result != IMAP_EXPUNGED)
		f->has_trouble = true;
	s->more = search_more;
}

static void
ask_window(struct imap_session *s)
{
	struct search *f = s->search;
	uint64_t n = f->end - f->at;
	struct imap_ask ask = { .what = IMAP_ASK_BODY,
		.uid = s->view.rows[f->row].uid,
		.offset = f->at };

	ask.length = n < IMAP_ASK_BYTES ? n : IMAP_ASK_BYTES;
	f->window_end = f->at + ask.length;
	imap_say_buf(s, &f->b);
	buf_reset(&f->b, LIMIT_CHUNK);
	if (s->state != IMAP_LOGGED_OUT)
		(void)imap_ask(s, &ask, then_bytes);
}

/* True when the header is there (or will not come). */
static bool
get_header(struct imap_session *s)
{
	struct search *f = s->search;
	uint64_t size = s->view.rows[f->row].size;

	if (!f->is_reading) {
		f->is_reading = true;
		f->at = 0;
		f->end = size < LIMIT_HEADER ? size : LIMIT_HEADER;
	}
	f->header_len = header_len(buf_slice(&f->header));
	if (f->is_broken || f->at == f->end || f->header_len < f->header.len) {
		f->is_reading = false;
		return true;
	}
	ask_window(s);
	return false;
}

static bool
get_body(struct imap_session *s)
{
	struct search *f = s->search;
	struct mime_tree tree;

	if (f->mime == NULL) {
		f->mime = mime_new(&f->arena);
		if (f->mime == NULL) {
			f->is_broken = f->has_trouble = true;
			return true;
		}
		match_body_init(&f->body, f->needles, f->n_needles);
		mime_watch(f->mime, NULL, match_body_feed, &f->body);
		mime_watch_inner(f->mime, match_body_inner);
		f->at = 0;
		f->end = s->view.rows[f->row].size;
	}
	if (!f->is_broken && f->at < f->end) {
		ask_window(s);
		return false;
	}
	(void)mime_end(f->mime, &tree);
	match_body_end(&f->body);
	f->has_trouble |= f->body.is_broken || f->arena.starved;
	match_body_deinit(&f->body);
	f->mime = NULL;
	return true;
}

/* -- the walk
 * ------------------------------------------------------------------------- */

static void
leave_row(struct search *f)
{
	f->row++;
	f->level = LEVEL_ROW;
	f->is_broken = f->is_reading = false;
	buf_reset(&f->header, LIMIT_CHUNK);
	arena_reset(&f->arena);
	for (size_t i = 0; i < f->n_needles; i++)
		f->body_keys[i]->is_found = false;
}

/* False: bytes were asked for. */
static bool
look_at_row(struct imap_session *s)
{
	struct search *f = s->search;
	enum tri r;

	for (;;) {
		r = MAYBE;
		if (f->level == LEVEL_HEADER && !get_header(s))
			return false;
		if (f->level == LEVEL_BODY && !get_body(s))
			return false;
		if (f->is_broken)
			r = NO;
		else
			r = match(s, s->cmd.search, f->row);
		if (r != MAYBE || f->level == LEVEL_BODY)
			break;
		f->level = f->level == LEVEL_ROW ? LEVEL_HEADER : LEVEL_BODY;
	}
	if (r == YES)
		(void)buf_printf(&f->b, " %u",
		    s->cmd.is_uid ? s->view.rows[f->row].uid
				  : (uint32_t)f->row + 1);
	leave_row(f);
	return true;
}

static void
search_done(struct imap_session *s)
{
	struct search *f = s->search;
	bool has_trouble = f->has_trouble;

	imap_say_buf(s, &f->b);
	imap_say(s, SLICE("\r\n"));
	imap_search_free(s);
	s->more = NULL;
	imap_sync_done(s,
	    has_trouble ? "NO [UNAVAILABLE] Not all of it could be read"
			: "OK Searched",
	    false);
}

static void
search_more(struct imap_session *s)
{
	struct search *f = s->search;

	for (int i = 0; i < ROWS_PIECE; i++) {
		if (f->row >= s->view.n_told) {
			search_done(s);
			return;
		}
		if ((s->view.rows[f->row].state & IMAP_ROW_GONE) != 0) {
			f->row++;
			continue;
		}
		if (!look_at_row(s))
			return;
	}
	imap_say_buf(s, &f->b);
	buf_reset(&f->b, LIMIT_CHUNK);
}

/* -- beginning
 * ---------------------------------------------------------------------------
 */

static bool
fold_text(struct imap_session *s, struct imap_search *k)
{
	struct buf b;
	bool ok;

	buf_init(&b, NEEDLE_MAX);
	ok = match_fold(k->text, &b) == BUF_OK &&
	    arena_copy(&s->arena, buf_slice(&b), &k->folded);
	buf_deinit(&b);
	return ok;
}

/* Sets become rows, texts their folded form; counts keys on bodies. 0, or the
 * line that refuses the command. */
static const char *
prepare(struct imap_session *s, struct imap_search *k, size_t *n)
{
	struct imap_picks picks;
	const char *why;

	if (k->what == IMAP_KEY_SET || k->what == IMAP_KEY_UID) {
		if (!imap_view_pick(&s->view, &s->arena, &k->set,
			k->what == IMAP_KEY_UID, &picks))
			return "BAD No such message";
		k->picks = picks.at;
		k->n_picks = picks.n;
	}
	if (k->what == IMAP_KEY_HEADER || k->what == IMAP_KEY_BODY ||
	    k->what == IMAP_KEY_TEXT) {
		*n += k->what != IMAP_KEY_HEADER;
		if (!fold_text(s, k))
			return "NO [LIMIT] Too much to search for";
	}
	for (struct imap_search *c = k->first; c != NULL; c = c->next) {
		why = prepare(s, c, n);
		if (why != NULL)
			return why;
	}
	return NULL;
}

static void
collect(struct search *f, struct imap_search *k)
{
	if (k->what == IMAP_KEY_BODY || k->what == IMAP_KEY_TEXT) {
		f->body_keys[f->n_needles] = k;
		f->needles[f->n_needles++] = (struct match_needle){ k->folded,
			&k->is_found, k->what == IMAP_KEY_TEXT };
	}
	for (struct imap_search *c = k->first; c != NULL; c = c->next)
		collect(f, c);
}

void
imap_run_search(struct imap_session *s)
{
	struct search *f;
	const char *why;
	size_t n = 0;

	if (s->cmd.bad_charset) {
		imap_done(s,
		    "NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset");
		return;
	}
	why = prepare(s, s->cmd.search, &n);
	f = calloc(1, sizeof(*f));
	s->search = f;
	if (why != NULL || f == NULL) {
		imap_done(s, why != NULL ? why : "NO [UNAVAILABLE] Busy");
		return;
	}
	buf_init(&f->b, LIMIT_CHUNK);
	buf_init(&f->header, LIMIT_HEADER);
	arena_init(&f->arena, MIME_MEMORY);
	f->needles = arena_array(&s->arena, n + 1, sizeof(*f->needles));
	f->body_keys = arena_array(&s->arena, n + 1, sizeof(*f->body_keys));
	if (f->needles == NULL || f->body_keys == NULL) {
		imap_done(s, "NO [LIMIT] Too much to search for");
		return;
	}
	collect(f, s->cmd.search);
	imap_say(s, SLICE("* SEARCH"));
	s->more = search_more;
}
