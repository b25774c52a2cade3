/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "imap/merge.h"
#include "imap/search_impl.h"

struct sort_value {
	int64_t number;
	struct slice text; /* as the collation compares it */
};

struct search_sorted {
	uint32_t row;
	struct sort_value *values; /* one each key of the command */
};

void
search_sort_free(struct search *f)
{
	arena_reset(&f->texts);
	free(f->sorted);
	free(f->messages);
	free(f->order);
	if (f->threads != NULL)
		threads_deinit(f->threads);
	free(f->threads);
}

static bool
keep_text(struct search *f, struct slice text, struct slice *ret)
{
	*ret = SLICE("");
	return text.len == 0 || arena_copy(&f->texts, text, ret);
}

/* As i;unicode-casemap compares (RFC 5051). */
static bool
keep_collated(struct search *f, struct slice text, struct slice *ret)
{
	struct buf b;
	bool ok;

	*ret = SLICE("");
	if (text.len == 0)
		return true;
	buf_init(&b, SEARCH_NEEDLE);
	ok = match_collate(text, &b) == BUF_OK &&
	    arena_copy(&f->texts, buf_slice(&b), ret);
	buf_deinit(&b);
	return ok;
}

static void
end_with(struct imap_session *s, const char *line)
{
	imap_search_free(s);
	s->more = NULL;
	imap_sync_done(s, line, false);
}

/* False: it has ended the command. */
static bool
check_gather(struct imap_session *s)
{
	struct search *f = s->search;

	if (!f->gather->has_trouble && !f->texts.starved)
		return true;
	end_with(s,
	    f->texts.starved ? "NO [LIMIT] Too many messages to be sorted"
			     : "NO [UNAVAILABLE] Not all of it could be read");
	return false;
}

/* -- SORT --------------------------------------------------------------------
 */

static bool
set_value(struct imap_session *s, enum imap_sort what, uint32_t row,
    const struct search_columns *c, struct sort_value *v)
{
	const struct slice texts[IMAP_N_SORTS] = {
		[IMAP_SORT_CC] = c->cc,
		[IMAP_SORT_FROM] = c->from,
		[IMAP_SORT_SUBJECT] = c->subject,
		[IMAP_SORT_TO] = c->to,
		[IMAP_SORT_DISPLAY_FROM] = c->display_from,
		[IMAP_SORT_DISPLAY_TO] = c->display_to,
	};

	v->text = SLICE("");
	switch (what) {
	case IMAP_SORT_ARRIVAL:
		v->number = s->view.rows[row].date;
		return true;
	case IMAP_SORT_DATE:
		v->number = c->sent;
		return true;
	case IMAP_SORT_SIZE:
		v->number = s->view.rows[row].size;
		return true;
	default:
		return keep_collated(s->search, texts[what], &v->text);
	}
}

static bool
take_sorted(struct imap_session *s, uint32_t row,
    const struct search_columns *c)
{
	struct search *f = s->search;
	struct search_sorted *it = &f->sorted[f->n_items];

	it->row = row;
	it->values = arena_array(&f->texts, s->cmd.n_sort, sizeof(*it->values));
	if (it->values == NULL)
		return false;
	for (size_t k = 0; k < s->cmd.n_sort; k++)
		if (!set_value(s, s->cmd.sort[k].what, row, c, &it->values[k]))
			return false;
	f->n_items++;
	return true;
}

static int
compare_values(const struct sort_value *a, const struct sort_value *b)
{
	size_t n = a->text.len < b->text.len ? a->text.len : b->text.len;
	int r;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	r = n == 0 ? 0 : memcmp(a->text.at, b->text.at, n);
	if (r != 0)
		return r;
	return a->text.len == b->text.len ? 0
	    : a->text.len < b->text.len   ? -1
					  : 1;
}

/* REVERSE is a key's own; of what is equal the first in the mailbox is first
 * in any case (RFC 5256, 3). */
static bool
is_sorted_before(const void *a, const void *b, void *ctx)
{
	const struct search_sorted *x = a, *y = b;
	const struct imap_command *c = ctx;

	for (size_t k = 0; k < c->n_sort; k++) {
		int r = compare_values(&x->values[k], &y->values[k]);

		if (r != 0)
			return (r < 0) != c->sort[k].is_reverse;
	}
	return x->row < y->row;
}

static void
on_sort_gathered(struct imap_session *s)
{
	struct search *f = s->search;

	if (!check_gather(s))
		return;
	f->order = calloc(f->n_items + 1, sizeof(*f->order));
	if (f->order == NULL ||
	    !merge_sort(f->sorted, f->n_items, sizeof(*f->sorted),
		is_sorted_before, &s->cmd)) {
		end_with(s, "NO [UNAVAILABLE] Busy");
		return;
	}
	for (size_t i = 0; i < f->n_items; i++)
		f->order[i] = f->sorted[i].row;
	f->n_order = f->n_items;
	f->after(s);
}

static bool
wants(const struct imap_command *c, enum imap_sort first, enum imap_sort last)
{
	for (size_t k = 0; k < c->n_sort; k++)
		if (c->sort[k].what >= first && c->sort[k].what <= last)
			return true;
	return false;
}

/* What rows alone can be sorted by is there already. */
static bool
is_by_row(const struct imap_command *c)
{
	return !wants(c, IMAP_SORT_CC, IMAP_SORT_FROM) &&
	    !wants(c, IMAP_SORT_SUBJECT, IMAP_SORT_DISPLAY_TO);
}

static void
sort_by_row(struct imap_session *s)
{
	struct search *f = s->search;
	const struct search_columns none = { 0 };
	struct hits_cursor cursor = { 0 };
	uint32_t row;

	while (!f->gather->has_trouble &&
	    hits_next(&f->run->hits, &cursor, &row))
		f->gather->has_trouble = !take_sorted(s, row, &none);
	on_sort_gathered(s);
}

void
search_sort_start(struct imap_session *s, void (*done)(struct imap_session *))
{
	struct search *f = s->search;

	f->after = done;
	arena_init(&f->texts, LIMIT_IMAP_SORT);
	f->sorted = calloc(f->run->hits.count + 1, sizeof(*f->sorted));
	f->gather = search_gather_new(wants(&s->cmd, IMAP_SORT_DISPLAY_FROM,
					  IMAP_SORT_DISPLAY_TO),
	    take_sorted, on_sort_gathered);
	if (f->sorted == NULL || f->gather == NULL)
		end_with(s, "NO [UNAVAILABLE] Busy");
	else if (is_by_row(&s->cmd))
		s->more = sort_by_row;
	else
		search_gather_start(s);
}

/* -- THREAD ------------------------------------------------------------------
 */

static bool
take_message(struct imap_session *s, uint32_t row,
    const struct search_columns *c)
{
	struct search *f = s->search;
	struct thread_message *m = &f->messages[f->n_items];
	uint64_t *references =
	    arena_array(&f->texts, c->n_references + 1, sizeof(*references));

	if (references == NULL || !keep_text(f, c->subject, &m->subject))
		return false;
	if (c->n_references > 0)
		memcpy(references, c->references,
		    c->n_references * sizeof(*references));
	m->references = references;
	m->n_references = c->n_references;
	m->id = c->id;
	m->sent = c->sent;
	m->is_reply = c->is_reply;
	m->number = row; /* its number comes when all are in order */
	f->n_items++;
	return true;
}

static bool
is_earlier(const void *a, const void *b, void *ctx)
{
	const struct thread_message *x = a, *y = b;

	(void)ctx;
	return x->number < y->number;
}

/* Those without a summary came last of their batch. */
static bool
order_messages(struct imap_session *s)
{
	struct search *f = s->search;

	if (!merge_sort(f->messages, f->n_items, sizeof(*f->messages),
		is_earlier, NULL))
		return false;
	for (size_t i = 0; i < f->n_items; i++)
		f->messages[i].number = s->cmd.is_uid
		    ? s->view.rows[f->messages[i].number].uid
		    : f->messages[i].number + 1;
	return true;
}

static void
on_thread_gathered(struct imap_session *s)
{
	struct search *f = s->search;
	int r = -1;

	if (!check_gather(s))
		return;
	f->threads = malloc(sizeof(*f->threads));
	if (f->threads != NULL && order_messages(s)) {
		threads_init(f->threads, s->config->seed);
		r = s->cmd.thread == IMAP_THREAD_SUBJECT
		    ? threads_by_subject(f->threads, f->messages, f->n_items)
		    : threads_by_references(f->threads, f->messages,
			  f->n_items);
	} else if (f->threads != NULL) {
		threads_init(f->threads, s->config->seed);
	}
	if (r != 0)
		end_with(s, "NO [UNAVAILABLE] Busy");
	else
		f->after(s);
}

void
search_thread_start(struct imap_session *s, void (*done)(struct imap_session *))
{
	struct search *f = s->search;

	f->after = done;
	arena_init(&f->texts, LIMIT_IMAP_SORT);
	f->messages = calloc(f->run->hits.count + 1, sizeof(*f->messages));
	f->gather = search_gather_new(false, take_message, on_thread_gathered);
	if (f->messages == NULL || f->gather == NULL)
		end_with(s, "NO [UNAVAILABLE] Busy");
	else
		search_gather_start(s);
}
