/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "imap/objectid.h"
#include "imap/search_impl.h"
#include "mail/date.h"
#include "mail/header.h"

static enum search_tri
of(bool b)
{
	return b ? SEARCH_YES : SEARCH_NO;
}

/* -- what the row answers -------------------------------------------------- */

static bool
has_keyword(const struct search_known *x, const struct imap_search *k)
{
	const struct imap_row *row = &x->view->rows[x->row];
	struct slice set, part;

	if (row->keywords == 0)
		return false;
	set = x->view->sets[row->keywords];
	while (set.len > 0) {
		if (!slice_take_until(&set, ' ', &part)) {
			part = set;
			set.len = 0;
		}
		if (slice_equal_nocase(part, k->text))
			return true;
	}
	return false;
}

static int64_t
row_day(const struct search_known *x)
{
	const struct imap_row *row = &x->view->rows[x->row];

	return imap_day(row->date, row->zone);
}

/* RFC 5032: within so many seconds before now. */
static bool
is_within(const struct search_known *x, const struct imap_search *k)
{
	int64_t ago = (int64_t)k->number * 1000000;

	return x->view->rows[x->row].date >= x->now - ago;
}

static enum search_tri
on_all(struct search_known *x, struct imap_search *k)
{
	(void)x;
	(void)k;
	return SEARCH_YES;
}

static enum search_tri
on_set(struct search_known *x, struct imap_search *k)
{
	struct imap_picks picks = { k->picks, k->n_picks };

	return of(imap_picks_have(&picks, x->row));
}

static enum search_tri
on_flag(struct search_known *x, struct imap_search *k)
{
	return of((x->view->rows[x->row].flags & k->bits) != 0);
}

static enum search_tri
on_no_flag(struct search_known *x, struct imap_search *k)
{
	return of((x->view->rows[x->row].flags & k->bits) == 0);
}

static enum search_tri
on_keyword(struct search_known *x, struct imap_search *k)
{
	return of(has_keyword(x, k));
}

static enum search_tri
on_no_keyword(struct search_known *x, struct imap_search *k)
{
	return of(!has_keyword(x, k));
}

static enum search_tri
on_before(struct search_known *x, struct imap_search *k)
{
	return of(row_day(x) < k->day);
}

static enum search_tri
on_on(struct search_known *x, struct imap_search *k)
{
	return of(row_day(x) == k->day);
}

static enum search_tri
on_since(struct search_known *x, struct imap_search *k)
{
	return of(row_day(x) >= k->day);
}

static enum search_tri
on_larger(struct search_known *x, struct imap_search *k)
{
	return of(x->view->rows[x->row].size > k->number64);
}

static enum search_tri
on_smaller(struct search_known *x, struct imap_search *k)
{
	return of(x->view->rows[x->row].size < k->number64);
}

static enum search_tri
on_older(struct search_known *x, struct imap_search *k)
{
	/* Of what is exactly so old both are true: "at least", "at most". */
	int64_t ago = (int64_t)k->number * 1000000;

	return of(x->view->rows[x->row].date <= x->now - ago);
}

static enum search_tri
on_younger(struct search_known *x, struct imap_search *k)
{
	return of(is_within(x, k));
}

static enum search_tri
on_modseq(struct search_known *x, struct imap_search *k)
{
	return of(x->view->rows[x->row].modseq >= k->number64);
}

/* -- what columns answer --------------------------------------------------- */

static enum search_tri
compare_day(const struct imap_search *k, enum imap_key first, int64_t day)
{
	switch ((int)k->what - (int)first) {
	case 0: /* BEFORE */
		return of(day < k->day);
	case 1: /* ON */
		return of(day == k->day);
	default: /* SINCE */
		return of(day >= k->day);
	}
}

/* SENTBEFORE, SENTON, SENTSINCE: the Date field, its zone disregarded. */
static enum search_tri
on_sent(struct search_known *x, struct imap_search *k)
{
	struct header_field field;
	struct mail_date date;

	if (x->detail != NULL && x->detail->has_summary)
		return x->detail->has_sent
		    ? compare_day(k, IMAP_KEY_SENT_BEFORE, x->detail->sent_day)
		    : SEARCH_NO;
	if (!x->has_header)
		return SEARCH_MAYBE;
	if (!header_find(x->header, SLICE("Date"), &field) ||
	    !date_parse(field.body, &date))
		return SEARCH_NO;
	return compare_day(k, IMAP_KEY_SENT_BEFORE,
	    imap_day(date.us, date.zone));
}

/* RFC 8514: of a day without a zone; we have those of UTC. */
static enum search_tri
on_saved(struct search_known *x, struct imap_search *k)
{
	return x->detail == NULL ? SEARCH_MAYBE
				 : compare_day(k, IMAP_KEY_SAVED_BEFORE,
				       imap_day(x->detail->saved_at, 0));
}

static enum search_tri
on_email_id(struct search_known *x, struct imap_search *k)
{
	struct id id;

	if (!imap_emailid_parse(k->text, &id))
		return SEARCH_NO;
	return x->detail == NULL ? SEARCH_MAYBE
				 : of(id_equal(&id, &x->detail->id));
}

static enum search_tri
on_thread_id(struct search_known *x, struct imap_search *k)
{
	uint64_t thread;

	if (!imap_threadid_parse(k->text, &thread))
		return SEARCH_NO;
	return x->detail == NULL ? SEARCH_MAYBE
				 : of(thread == x->detail->thread);
}

/* -- what bytes answer ----------------------------------------------------- */

/* Without memory nothing is said to match, and the command fails in the end. */
static enum search_tri
match_fields(struct search_known *x, struct slice name, struct slice needle)
{
	int r = match_header(x->header, name, needle);

	if (r < 0)
		x->has_trouble = true;
	return of(r > 0);
}

/* An index has said that it is not there. */
static bool
is_out(const struct search_known *x, const struct imap_search *k)
{
	return k->may != NULL && (k->may[x->row / 8] >> x->row % 8 & 1) == 0;
}

/* FROM and its like are about the envelope (RFC 3501, 6.4.4); what stands in
 * the field but not there, a comment, is found as well. */
static enum search_tri
on_header(struct search_known *x, struct imap_search *k)
{
	enum search_tri ret;
	int r;

	if (is_out(x, k))
		return SEARCH_NO;
	if (!x->has_header)
		return SEARCH_MAYBE;
	ret = match_fields(x, k->field, k->folded);
	if (ret == SEARCH_YES || k->bits == 0)
		return ret;
	r = match_addresses(x->header, k->field, k->folded);
	if (r < 0)
		x->has_trouble = true;
	return of(r > 0);
}

static enum search_tri
on_body(struct search_known *x, struct imap_search *k)
{
	if (is_out(x, k))
		return SEARCH_NO;
	if (k->is_found || k->folded.len == 0)
		return SEARCH_YES;
	return x->has_body ? SEARCH_NO : SEARCH_MAYBE;
}

static enum search_tri
on_text(struct search_known *x, struct imap_search *k)
{
	if (is_out(x, k))
		return SEARCH_NO;
	/* Looked at once: the needle is in the header, or is not. */
	if (!k->is_found && x->has_header && !k->was_header_read) {
		k->was_header_read = true;
		k->is_found =
		    match_fields(x, slice_of("", 0), k->folded) == SEARCH_YES;
	}
	return on_body(x, k);
}

/* -- programs -------------------------------------------------------------- */

static enum search_tri
on_and(struct search_known *x, struct imap_search *k)
{
	enum search_tri ret = SEARCH_YES;

	for (k = k->first; k != NULL; k = k->next) {
		enum search_tri one = search_match(x, k);

		if (one == SEARCH_NO)
			return SEARCH_NO;
		if (one == SEARCH_MAYBE)
			ret = SEARCH_MAYBE;
	}
	return ret;
}

static enum search_tri
on_or(struct search_known *x, struct imap_search *k)
{
	enum search_tri ret = SEARCH_NO;

	for (k = k->first; k != NULL; k = k->next) {
		enum search_tri one = search_match(x, k);

		if (one == SEARCH_YES)
			return SEARCH_YES;
		if (one == SEARCH_MAYBE)
			ret = SEARCH_MAYBE;
	}
	return ret;
}

static enum search_tri
on_not(struct search_known *x, struct imap_search *k)
{
	enum search_tri one = search_match(x, k->first);

	return one == SEARCH_MAYBE ? one : of(one == SEARCH_NO);
}

static const struct key_row {
	enum search_tri (*match)(struct search_known *x, struct imap_search *k);
	unsigned wants;
} keys[IMAP_N_KEYS] = {
	[IMAP_KEY_ALL] = { on_all, 0 },
	[IMAP_KEY_SET] = { on_set, 0 },
	[IMAP_KEY_UID] = { on_set, 0 },
	[IMAP_KEY_FLAG] = { on_flag, 0 },
	[IMAP_KEY_NO_FLAG] = { on_no_flag, 0 },
	[IMAP_KEY_KEYWORD] = { on_keyword, 0 },
	[IMAP_KEY_NO_KEYWORD] = { on_no_keyword, 0 },
	[IMAP_KEY_BEFORE] = { on_before, 0 },
	[IMAP_KEY_ON] = { on_on, 0 },
	[IMAP_KEY_SINCE] = { on_since, 0 },
	/* The header is wanted only of those that have no summary. */
	[IMAP_KEY_SENT_BEFORE] = { on_sent,
	    SEARCH_WANTS_DETAIL | SEARCH_WANTS_HEADER },
	[IMAP_KEY_SENT_ON] = { on_sent,
	    SEARCH_WANTS_DETAIL | SEARCH_WANTS_HEADER },
	[IMAP_KEY_SENT_SINCE] = { on_sent,
	    SEARCH_WANTS_DETAIL | SEARCH_WANTS_HEADER },
	[IMAP_KEY_LARGER] = { on_larger, 0 },
	[IMAP_KEY_SMALLER] = { on_smaller, 0 },
	[IMAP_KEY_HEADER] = { on_header, SEARCH_WANTS_HEADER },
	[IMAP_KEY_BODY] = { on_body, SEARCH_WANTS_BODY },
	[IMAP_KEY_TEXT] = { on_text, SEARCH_WANTS_BODY },
	[IMAP_KEY_NOT] = { on_not, 0 },
	[IMAP_KEY_OR] = { on_or, 0 },
	[IMAP_KEY_AND] = { on_and, 0 },
	[IMAP_KEY_OLDER] = { on_older, 0 },
	[IMAP_KEY_YOUNGER] = { on_younger, 0 },
	[IMAP_KEY_MODSEQ] = { on_modseq, 0 },
	[IMAP_KEY_SAVED_BEFORE] = { on_saved, SEARCH_WANTS_DETAIL },
	[IMAP_KEY_SAVED_ON] = { on_saved, SEARCH_WANTS_DETAIL },
	[IMAP_KEY_SAVED_SINCE] = { on_saved, SEARCH_WANTS_DETAIL },
	[IMAP_KEY_EMAIL_ID] = { on_email_id, SEARCH_WANTS_DETAIL },
	[IMAP_KEY_THREAD_ID] = { on_thread_id, SEARCH_WANTS_DETAIL },
};

enum search_tri
search_match(struct search_known *x, struct imap_search *k)
{
	x->n_steps++;
	return keys[k->what].match(x, k);
}

unsigned
search_wants(const struct imap_search *k)
{
	unsigned ret = keys[k->what].wants;

	for (const struct imap_search *c = k->first; c != NULL; c = c->next)
		ret |= search_wants(c);
	return ret;
}

/* -- beginning ------------------------------------------------------------- */

static bool
is_text_key(const struct imap_search *k)
{
	return k->what == IMAP_KEY_HEADER || k->what == IMAP_KEY_BODY ||
	    k->what == IMAP_KEY_TEXT;
}

/* The text in folded case; it came in that charset. */
static const char *
fold_text(struct imap_session *s, struct imap_search *k, struct slice charset)
{
	struct buf utf8, folded;
	bool ok;

	/* Unless another one was named it is UTF-8, or ASCII, which is. */
	if (charset.len == 0 && !slice_is_utf8(k->text))
		return "BAD Text that is no UTF-8";
	buf_init(&utf8, SEARCH_NEEDLE);
	buf_init(&folded, SEARCH_NEEDLE);
	if (charset.len > 0)
		ok = charset_to_utf8(charset, k->text, &utf8) == BUF_OK;
	else
		ok = buf_add(&utf8, k->text) == BUF_OK;
	ok = ok && match_fold(buf_slice(&utf8), &folded) == BUF_OK &&
	    arena_copy(&s->arena, buf_slice(&folded), &k->folded);
	buf_deinit(&utf8);
	buf_deinit(&folded);
	return ok ? NULL : "NO [LIMIT] Too much to search for";
}

static const char *
fold_all(struct imap_session *s, struct imap_search *k, struct slice charset)
{
	const char *why = is_text_key(k) ? fold_text(s, k, charset) : NULL;

	for (struct imap_search *c = k->first; c != NULL && why == NULL;
	     c = c->next)
		why = fold_all(s, c, charset);
	return why;
}

bool
search_pick(const struct imap_view *v, struct arena *arena,
    struct imap_search *k)
{
	struct imap_picks picks;

	if (k->what == IMAP_KEY_SET || k->what == IMAP_KEY_UID) {
		if (!imap_view_pick_clipped(v, arena, &k->set,
			k->what == IMAP_KEY_UID, &picks))
			return false;
		k->picks = picks.at;
		k->n_picks = picks.n;
	}
	for (struct imap_search *c = k->first; c != NULL; c = c->next)
		if (!search_pick(v, arena, c))
			return false;
	return true;
}

static size_t
count_texts(const struct imap_search *k)
{
	size_t n = is_text_key(k);

	for (const struct imap_search *c = k->first; c != NULL; c = c->next)
		n += count_texts(c);
	return n;
}

const char *
search_prepare(struct imap_session *s, const struct imap_view *v,
    struct imap_search *k, struct slice charset)
{
	const char *why = count_texts(k) > LIMIT_IMAP_TEXTS
	    ? "NO [LIMIT] Too much to search for"
	    : fold_all(s, k, charset);

	if (why == NULL && v != NULL && !search_pick(v, &s->arena, k))
		why = "BAD [LIMIT] More than I take in one command";
	return why;
}
