/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "imap/search_impl.h"
#include "mail/header.h"
#include "mail/summary.h"

static void next_question(struct imap_session *s);

/* -- life ------------------------------------------------------------------ */

static size_t
count_body_keys(const struct imap_search *k)
{
	size_t n = k->what == IMAP_KEY_BODY || k->what == IMAP_KEY_TEXT;

	for (const struct imap_search *c = k->first; c != NULL; c = c->next)
		n += count_body_keys(c);
	return n;
}

static void
collect(struct search_run *r, struct imap_search *k)
{
	if (k->what == IMAP_KEY_BODY || k->what == IMAP_KEY_TEXT) {
		r->body_keys[r->n_needles] = k;
		r->needles[r->n_needles++] = (struct match_needle){ k->folded,
			&k->is_found, k->what == IMAP_KEY_TEXT };
	}
	for (struct imap_search *c = k->first; c != NULL; c = c->next)
		collect(r, c);
}

struct search_run *
search_run_new(struct imap_session *s, const struct imap_view *view,
    uint64_t mailbox, struct imap_search *program)
{
	size_t n = count_body_keys(program);
	struct search_run *r = malloc(sizeof(*r));

	if (r == NULL)
		return NULL;
	memset(r, 0, sizeof(*r));
	r->s = s;
	r->view = view;
	r->mailbox = mailbox;
	r->program = program;
	r->wants = search_wants(program);
	r->end = view->n_told;
	r->known.view = view;
	r->known.now = s->host->wall(s->ctx);
	buf_init(&r->header, LIMIT_HEADER);
	arena_init(&r->arena, MIME_MEMORY);
	r->needles = calloc(n + 1, sizeof(*r->needles));
	r->body_keys = calloc(n + 1, sizeof(struct imap_search *));
	if (r->needles == NULL || r->body_keys == NULL) {
		search_run_free(r);
		return NULL;
	}
	collect(r, program);
	return r;
}

static void
forget_message(struct search_run *r)
{
	if (r->mime != NULL)
		match_body_deinit(&r->body);
	r->mime = NULL;
	arena_reset(&r->arena);
	buf_reset(&r->header, LIMIT_CHUNK);
	r->is_open = false;
	/* What was seen in this one says nothing of the next, be it of another
	 * run of the same program. */
	for (size_t i = 0; i < r->n_needles; i++)
		r->body_keys[i]->is_found = r->body_keys[i]->was_header_read =
		    false;
}

void
search_run_free(struct search_run *r)
{
	if (r == NULL)
		return;
	forget_message(r);
	search_find_free(r);
	hits_deinit(&r->hits);
	buf_deinit(&r->header);
	free(r->needles);
	free(r->body_keys);
	free(r);
}

/* Nothing is said to match that was not seen to. */
static void
no_memory(struct search_run *r)
{
	r->is_bad = r->has_trouble = r->has_no_memory = true;
}

/* -- deciding -------------------------------------------------------------- */

static uint8_t *
verdict_of(struct search_run *r, const struct search_item *it)
{
	return &r->verdicts[it->row - r->first];
}

/* With what r->known says of its bytes. */
static enum search_tri
decide_item(struct search_run *r, const struct search_item *it)
{
	enum search_tri verdict;

	r->known.row = it->row;
	r->known.detail = it->detail.is_there ? &it->detail : NULL;
	verdict = search_match(&r->known, r->program);
	if (r->known.has_trouble)
		no_memory(r);
	*verdict_of(r, it) = (uint8_t)verdict;
	return verdict;
}

/* Those that are not decided yet move together. What was asked for and did not
 * come has left the mailbox meanwhile. */
static void
keep_undecided(struct search_run *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_items; i++)
		if (*verdict_of(r, &r->items[i]) == SEARCH_MAYBE)
			r->items[n++] = r->items[i];
	r->n_items = n;
}

static bool
is_wanted(struct search_run *r)
{
	if ((r->view->rows[r->row].state & IMAP_ROW_GONE) != 0)
		return false;
	if (r->only == NULL)
		return true;
	while (r->only_next < r->row &&
	    hits_next(r->only, &r->only_cursor, &r->only_next))
		;
	return r->only_next == r->row;
}

/* Rows as far as the span goes, or the room for those that want more. */
static void
begin_span(struct search_run *r)
{
	r->first = r->row;
	r->n_items = 0;
	r->asked = 0;
	memset(&r->known, 0, offsetof(struct search_known, now));
	r->known.view = r->view;
	while (r->row < r->end && r->row - r->first < SEARCH_SPAN &&
	    r->n_items < SEARCH_ITEMS && r->known.n_steps < SEARCH_STEPS) {
		enum search_tri verdict = SEARCH_NO;

		r->known.row = r->row;
		if (is_wanted(r))
			verdict = search_match(&r->known, r->program);
		r->verdicts[r->row - r->first] = (uint8_t)verdict;
		if (verdict == SEARCH_MAYBE)
			r->items[r->n_items++] =
			    (struct search_item){ .row = (uint32_t)r->row };
		r->row++;
	}
}

static void
end_span(struct imap_session *s)
{
	struct search_run *r = s->search->run;

	for (size_t row = r->first; row < r->row; row++)
		if (r->verdicts[row - r->first] == SEARCH_YES &&
		    !hits_add(&r->hits, (uint32_t)row)) {
			imap_fatal(s, "Out of memory");
			return;
		}
	s->more = search_run_more;
}

/* -- asking ---------------------------------------------------------------- */

/* Runs of items without another row between them. */
static size_t
item_ranges(struct search_run *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_items; i++) {
		uint32_t uid = r->view->rows[r->items[i].row].uid;

		if (i > 0 && r->items[i - 1].row + 1 == r->items[i].row)
			r->ranges[n - 1].hi = uid;
		else
			r->ranges[n++] = (struct imap_range){ uid, uid };
	}
	return n;
}

/* The next item with that uid; answers come in their order. */
static struct search_item *
find_item(struct search_run *r, uint32_t uid)
{
	while (r->at < r->n_items &&
	    r->view->rows[r->items[r->at].row].uid < uid)
		r->at++;
	return r->at < r->n_items &&
		r->view->rows[r->items[r->at].row].uid == uid
	    ? &r->items[r->at]
	    : NULL;
}

static void
after_question(struct imap_session *s, const struct imap_answer *a)
{
	struct search_run *r = s->search->run;

	if (a->result != IMAP_OK && a->uid == 0)
		r->has_trouble = true;
	if (a->more)
		return;
	keep_undecided(r);
	s->more = next_question;
}

static void
ask_items(struct imap_session *s, enum imap_question what, imap_then_fn *then)
{
	struct search_run *r = s->search->run;
	struct imap_ask ask = { .what = what,
		.mailbox = r->mailbox,
		.uids = r->ranges,
		.length = SUMMARY_HEAD,
		.headers = r->asked == SEARCH_WANTS_HEADER };

	ask.n_uids = item_ranges(r);
	r->at = 0;
	r->is_open = false;
	(void)imap_ask(s, &ask, then);
}

/* -- columns --------------------------------------------------------------- */

static void
take_detail(struct search_run *r, const struct imap_detail *d)
{
	struct search_item *it = find_item(r, d->uid);
	struct summary_columns columns;

	if (it == NULL)
		return;
	it->detail = (struct search_detail){ .is_there = true,
		.saved_at = d->saved_at,
		.thread = d->thread,
		.id = d->id };
	if (summary_head_read(d->summary, &columns)) {
		it->detail.has_summary = true;
		it->detail.has_sent = columns.has_sent;
		it->detail.sent_day =
		    imap_day(columns.sent_us, columns.sent_zone);
	}
	(void)decide_item(r, it);
}

static void
then_details(struct imap_session *s, const struct imap_answer *a)
{
	struct search_run *r = s->search->run;

	for (size_t i = 0; i < a->n_details; i++)
		take_detail(r, &a->details[i]);
	for (size_t i = 0; !a->more && i < r->n_items; i++)
		if (!r->items[i].detail.is_there)
			*verdict_of(r, &r->items[i]) = SEARCH_NO;
	after_question(s, a);
}

/* -- bytes ----------------------------------------------------------------- */

static void
begin_message(struct search_run *r, uint32_t uid)
{
	forget_message(r);
	r->uid = uid;
	r->is_open = true;
	r->is_decided = r->is_bad = false;
	r->known.has_header = r->known.has_body = false;
	if (r->asked != SEARCH_WANTS_BODY)
		return;
	r->mime = mime_new(&r->arena);
	if (r->mime == NULL) {
		no_memory(r);
		return;
	}
	match_body_init(&r->body, r->needles, r->n_needles);
	mime_watch(r->mime, NULL, match_body_feed, &r->body);
	mime_watch_inner(r->mime, match_body_inner);
}

/* Of the header as much as there is room for. True: it is whole now. */
static bool
feed_header(struct search_run *r, struct slice bytes)
{
	size_t len;

	if (r->known.has_header)
		return false;
	bytes = slice_upto(bytes, LIMIT_HEADER - r->header.len);
	if (buf_add(&r->header, bytes) != BUF_OK) {
		no_memory(r);
		return false;
	}
	len = header_len(buf_slice(&r->header));
	r->known.has_header =
	    len < r->header.len || r->header.len == LIMIT_HEADER;
	r->known.header = slice_upto(buf_slice(&r->header), len);
	return r->known.has_header;
}

static void
feed_message(struct search_run *r, struct search_item *it, struct slice bytes)
{
	if (feed_header(r, bytes))
		r->is_decided = decide_item(r, it) != SEARCH_MAYBE;
	if (r->mime != NULL && !r->is_decided && !r->is_bad)
		mime_feed(r->mime, bytes);
}

static void
end_message(struct search_run *r, struct search_item *it)
{
	struct mime_tree tree;

	r->known.header = buf_slice(&r->header);
	r->known.has_header = true;
	if (r->mime != NULL) {
		(void)mime_end(r->mime, &tree);
		match_body_end(&r->body);
		if (r->body.is_broken || r->arena.starved)
			no_memory(r);
		r->known.has_body = true;
	}
	(void)decide_item(r, it);
}

/* One piece of a message. What cannot be read is not said to match, and the
 * command fails in the end. */
static void
take_piece(struct search_run *r, const struct imap_answer *a)
{
	struct search_item *it = find_item(r, a->uid);

	if (it == NULL)
		return;
	if (!r->is_open || r->uid != a->uid)
		begin_message(r, a->uid);
	if (a->result != IMAP_OK)
		r->is_bad = r->has_trouble = true;
	if (!r->is_bad && !r->is_decided)
		feed_message(r, it, a->bytes);
	if (!a->ends)
		return;
	if (r->is_bad)
		*verdict_of(r, it) = SEARCH_NO;
	else if (!r->is_decided)
		end_message(r, it);
	r->at++;
	forget_message(r);
}

static void
then_bodies(struct imap_session *s, const struct imap_answer *a)
{
	struct search_run *r = s->search->run;

	if (a->uid != 0)
		take_piece(r, a);
	if (!a->more)
		forget_message(r);
	after_question(s, a);
}

/* -- the walk -------------------------------------------------------------- */

/* What may decide those that are left. */
static unsigned
next_want(const struct search_run *r)
{
	if (r->asked < SEARCH_WANTS_DETAIL &&
	    (r->wants & SEARCH_WANTS_DETAIL) != 0)
		return SEARCH_WANTS_DETAIL;
	if (r->asked < SEARCH_WANTS_HEADER &&
	    (r->wants & SEARCH_WANTS_HEADER) != 0)
		return SEARCH_WANTS_HEADER;
	if (r->asked < SEARCH_WANTS_BODY && (r->wants & SEARCH_WANTS_BODY) != 0)
		return SEARCH_WANTS_BODY;
	return 0;
}

static void
next_question(struct imap_session *s)
{
	struct search_run *r = s->search->run;
	unsigned want = r->n_items == 0 ? 0 : next_want(r);

	if (want == 0) {
		end_span(s);
		return;
	}
	r->asked = want;
	r->known.has_header = r->known.has_body = false;
	if (want == SEARCH_WANTS_DETAIL)
		ask_items(s, IMAP_ASK_DETAILS, then_details);
	else
		ask_items(s, IMAP_ASK_BODIES, then_bodies);
}

static void
then_on(struct imap_session *s, const struct imap_answer *a)
{
	(void)a;
	s->more = search_run_more;
}

void
search_run_more(struct imap_session *s)
{
	struct search_run *r = s->search->run;
	struct imap_ask pause = { .what = IMAP_ASK_PAUSE };

	if (r->row >= r->end) {
		s->more = NULL;
		r->done(s);
		return;
	}
	if (r->known.n_steps >= SEARCH_STEPS) {
		r->known.n_steps = 0;
		(void)imap_ask(s, &pause, then_on);
		return;
	}
	begin_span(r);
	next_question(s);
}

void
search_run_only(struct search_run *r, const struct hits *only)
{
	r->only = only;
	if (only->count == 0) {
		r->end = r->row;
		return;
	}
	(void)hits_next(only, &r->only_cursor, &r->only_next);
	r->row = r->only_next;
	r->end = (size_t)only->at[only->n - 1].hi + 1;
}

void
search_run_start(struct search_run *r, void (*done)(struct imap_session *))
{
	r->done = done;
	if (!search_find_start(r))
		r->s->more = search_run_more;
}
