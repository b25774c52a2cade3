/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "imap/search_impl.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/subject.h"

static void gather_more(struct imap_session *s);

enum {
	CUT = SUMMARY_COLUMN - 3, /* as long as this, it may have been cut */
	REFERENCES_MAX = 1000,    /* looked at of one message */
	GATHER_ARENA = 8 * 1024 * 1024 /* holds the largest envelope, parsed */
};

struct search_gather *
search_gather_new(bool wants_display, search_take_fn *take,
    void (*done)(struct imap_session *))
{
	struct search_gather *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->head = wants_display ? LIMIT_SUMMARY : SUMMARY_HEAD;
	g->take = take;
	g->done = done;
	g->wants_display = wants_display;
	arena_init(&g->arena, GATHER_ARENA);
	buf_init(&g->header, LIMIT_HEADER);
	return g;
}

void
search_gather_free(struct search_gather *g)
{
	if (g == NULL)
		return;
	arena_reset(&g->arena);
	buf_deinit(&g->header);
	free(g);
}

/* -- from the summary --------------------------------------------------------
 */

static bool
may_be_cut(const struct summary_columns *c)
{
	return c->base_subject.len >= CUT || c->first_from.len >= CUT ||
	    c->first_to.len >= CUT || c->first_cc.len >= CUT ||
	    c->n_references == SUMMARY_REFERENCES;
}

/* RFC 5256: addr-mailbox; what stands before the last "@". */
static struct slice
local_of(struct slice address)
{
	size_t at = slice_find_last_byte(address, '@');

	return at == SIZE_MAX ? address : slice_upto(address, at);
}

/* RFC 5957, 3: the name, decoded; or the address. */
static struct slice
display_of(struct search_gather *g, struct address_list list)
{
	struct slice ret = SLICE(""), host;
	struct buf b;

	if (list.n == 0)
		return ret;
	buf_init(&b, 8 * (size_t)ADDRESS_PART_MAX);
	(void)encoded_words_decode(list.at[0].name, &b);
	host = list.at[0].host;
	if (b.len == 0) {
		(void)buf_add(&b, list.at[0].local);
		if (host.at != NULL && list.at[0].kind == ADDRESS_MAILBOX) {
			(void)buf_add_byte(&b, '@');
			(void)buf_add(&b, host);
		}
	}
	if (b.lost || !arena_copy(&g->arena, buf_slice(&b), &ret))
		g->has_trouble = true;
	buf_deinit(&b);
	return ret;
}

static bool
take_summary(struct search_gather *g, const struct imap_detail *d,
    struct search_columns *ret)
{
	struct summary_columns c;
	struct envelope e;
	bool ok = g->wants_display ? summary_columns_read(d->summary, &c)
				   : summary_head_read(d->summary, &c);

	if (!ok || may_be_cut(&c))
		return false;
	if (g->wants_display) {
		if (!summary_envelope(d->summary, &g->arena, &e))
			return false;
		ret->display_from = display_of(g, e.from);
		ret->display_to = display_of(g, e.to);
	}
	ret->has_sent = c.has_sent;
	ret->sent = c.sent_us;
	ret->subject = c.base_subject;
	ret->is_reply = c.is_reply;
	ret->from = local_of(c.first_from);
	ret->to = local_of(c.first_to);
	ret->cc = local_of(c.first_cc);
	ret->id = c.message_id;
	ret->n_references = c.n_references;
	memcpy(g->references, c.references,
	    c.n_references * sizeof(g->references[0]));
	ret->references = g->references;
	return true;
}

/* -- from the header ---------------------------------------------------------
 */

static void
add_references(struct search_gather *g, struct slice body, size_t most,
    struct search_columns *ret)
{
	struct slice before, id;

	while (ret->n_references < most &&
	    slice_take_until(&body, '<', &before) &&
	    slice_take_until(&body, '>', &id))
		g->references[ret->n_references++] = summary_hash(id);
}

/* RFC 5256, 3: In-Reply-To counts when there are no References. */
static void
take_ids(struct search_gather *g, struct slice header, const struct envelope *e,
    struct search_columns *ret)
{
	struct header_field field;
	struct buf flat;

	buf_init(&flat, LIMIT_HEADER);
	ret->references = g->references;
	if (header_find(header, SLICE("References"), &field) &&
	    header_unfold(field.body, &flat) == BUF_OK)
		add_references(g, buf_slice(&flat), REFERENCES_MAX, ret);
	if (ret->n_references == 0)
		add_references(g, e->in_reply_to, 1, ret);
	if (flat.lost)
		g->has_trouble = true;
	buf_deinit(&flat);
	if (e->message_id.len > 0) {
		struct slice in = e->message_id, before, id;

		if (slice_take_until(&in, '<', &before) &&
		    slice_take_until(&in, '>', &id))
			ret->id = summary_hash(id);
	}
}

/* Well-formed, in folded case, in the arena. */
static struct slice
fold_local(struct search_gather *g, struct address_list list)
{
	struct slice ret = SLICE("");
	struct buf clean, folded;

	if (list.n == 0)
		return ret;
	buf_init(&clean, 8 * (size_t)ADDRESS_PART_MAX);
	buf_init(&folded, 64 * (size_t)ADDRESS_PART_MAX);
	if (charset_to_utf8(SLICE("utf-8"), list.at[0].local, &clean) !=
		BUF_OK ||
	    text_fold(buf_slice(&clean), &folded) != BUF_OK ||
	    !arena_copy(&g->arena, buf_slice(&folded), &ret))
		g->has_trouble = true;
	buf_deinit(&clean);
	buf_deinit(&folded);
	return ret;
}

static struct slice
fold_subject(struct search_gather *g, struct slice subject, bool *ret_is_reply)
{
	struct slice ret = SLICE("");
	struct buf b;

	buf_init(&b, 16 * (size_t)SUBJECT_MAX);
	if (subject_base(subject, &b, ret_is_reply) != BUF_OK ||
	    !arena_copy(&g->arena, buf_slice(&b), &ret))
		g->has_trouble = true;
	buf_deinit(&b);
	return ret;
}

static void
take_header(struct search_gather *g, struct slice header,
    struct search_columns *ret)
{
	struct mail_date date;
	struct envelope e;

	(void)envelope_parse(header, &g->arena, &e);
	ret->has_sent = date_parse(e.date, &date);
	ret->sent = ret->has_sent ? date.us : 0;
	ret->subject = fold_subject(g, e.subject, &ret->is_reply);
	ret->from = fold_local(g, e.from);
	ret->to = fold_local(g, e.to);
	ret->cc = fold_local(g, e.cc);
	if (g->wants_display) {
		ret->display_from = display_of(g, e.from);
		ret->display_to = display_of(g, e.to);
	}
	take_ids(g, header, &e, ret);
	g->has_trouble |= g->arena.starved;
}

/* -- asking ------------------------------------------------------------------
 */

static bool
hand_over(struct imap_session *s, size_t i, struct search_columns *c)
{
	struct search_gather *g = s->search->gather;

	if (!c->has_sent)
		c->sent = s->view.rows[g->rows[i]].date;
	g->is_had[i] = true;
	if (g->take(s, g->rows[i], c)) {
		arena_reset(&g->arena);
		return true;
	}
	g->has_trouble = true;
	return false;
}

/* The next of the present rows with that uid. */
static bool
find_row(struct imap_session *s, uint32_t uid, size_t *ret)
{
	struct search_gather *g = s->search->gather;

	while (g->at < g->n && s->view.rows[g->rows[g->at]].uid < uid)
		g->at++;
	*ret = g->at;
	return g->at < g->n && s->view.rows[g->rows[g->at]].uid == uid;
}

static void
ask_rows(struct imap_session *s, enum imap_question what, imap_then_fn *then)
{
	struct search_gather *g = s->search->gather;
	struct imap_ask ask = { .what = what,
		.uids = g->ranges,
		.length = g->head,
		.headers = true };
	bool was_taken = false;

	for (size_t i = 0; i < g->n; i++) {
		uint32_t uid = s->view.rows[g->rows[i]].uid;

		if (g->is_had[i]) {
			was_taken = false;
			continue;
		}
		if (was_taken && g->rows[i - 1] + 1 == g->rows[i])
			g->ranges[ask.n_uids - 1].hi = uid;
		else
			g->ranges[ask.n_uids++] =
			    (struct imap_range){ uid, uid };
		was_taken = true;
	}
	g->at = 0;
	if (ask.n_uids == 0)
		s->more = gather_more;
	else
		(void)imap_ask(s, &ask, then);
}

static void
then_headers(struct imap_session *s, const struct imap_answer *a)
{
	struct search_gather *g = s->search->gather;
	struct search_columns c = { 0 };
	size_t i;

	if (a->result != IMAP_OK)
		g->has_trouble = true;
	if (a->uid != 0 && a->uid != g->uid)
		buf_reset(&g->header, LIMIT_CHUNK);
	g->uid = a->uid;
	if (a->uid != 0 && buf_add(&g->header, a->bytes) != BUF_OK)
		g->has_trouble = true;
	if (a->uid != 0 && a->ends && find_row(s, a->uid, &i)) {
		struct slice all = buf_slice(&g->header);

		take_header(g, slice_upto(all, header_len(all)), &c);
		(void)hand_over(s, i, &c);
		g->uid = 0;
		buf_reset(&g->header, LIMIT_CHUNK);
	}
	if (!a->more)
		s->more = gather_more;
}

static void
then_details(struct imap_session *s, const struct imap_answer *a)
{
	struct search_gather *g = s->search->gather;
	size_t i;

	if (a->result != IMAP_OK)
		g->has_trouble = true;
	for (size_t k = 0; k < a->n_details; k++) {
		struct search_columns c = { 0 };

		if (find_row(s, a->details[k].uid, &i) &&
		    take_summary(g, &a->details[k], &c))
			(void)hand_over(s, i, &c);
	}
	/* The rest of them have no summary, or one that is cut. */
	if (!a->more)
		ask_rows(s, IMAP_ASK_BODIES, then_headers);
}

static void
gather_more(struct imap_session *s)
{
	struct search_gather *g = s->search->gather;
	uint32_t row;

	g->n = 0;
	memset(g->is_had, 0, sizeof(g->is_had));
	while (g->n < SEARCH_ITEMS &&
	    hits_next(&s->search->run->hits, &g->cursor, &row))
		g->rows[g->n++] = row;
	if (g->n > 0 && !g->has_trouble) {
		ask_rows(s, IMAP_ASK_DETAILS, then_details);
		return;
	}
	s->more = NULL;
	g->done(s);
}

void
search_gather_start(struct imap_session *s)
{
	s->more = gather_more;
}
