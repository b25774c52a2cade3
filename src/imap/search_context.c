/* SPDX-License-Identifier: ISC */
/*
 * CONTEXT=SEARCH (RFC 5267): searches whose results are told further on.
 *
 * A context keeps the command's own memory, in which its program stands. Which
 * messages are in its result is a bit of their rows. When a sync begins, those
 * that leave are told by REMOVEFROM, before their EXPUNGE; the rows that came
 * or changed are noted by uid, and when the sync has said all else, the
 * programs run over them alone, and the difference is told.
 */
#include <stdlib.h>
#include <string.h>

#include "imap/search_impl.h"

enum {
	RUNS_PIECE = 500 /* in one ESEARCH response */
};

struct search_context {
	struct slice tag;
	bool is_uid;
	struct imap_search *program; /* NULL: free */
	struct buf line;
	struct arena arena; /* in these two the program stands */
};

struct search_contexts {
	struct search_context at[LIMIT_IMAP_CONTEXTS];
	size_t n;
	uint32_t *changed; /* uids to be looked at */
	size_t n_changed, size_changed;
	bool is_lost; /* no memory for them: all are looked at */
	imap_more_fn *then;
};

/* One context at work. */
struct search_update {
	size_t context;
	struct hits rows; /* those that came or changed */
	struct hits added, removed;
	struct hits_cursor cursor;
	struct arena picks;
};

/* -- life
 * ---------------------------------------------------------------------- */

static void
context_free(struct search_contexts *all, struct search_context *c)
{
	if (c->program == NULL)
		return;
	buf_deinit(&c->line);
	arena_reset(&c->arena);
	c->program = NULL;
	all->n--;
}

void
imap_contexts_free(struct imap_session *s)
{
	if (s->contexts == NULL)
		return;
	for (size_t i = 0; i < LIMIT_IMAP_CONTEXTS; i++)
		context_free(s->contexts, &s->contexts->at[i]);
	free(s->contexts->changed);
	free(s->contexts);
	s->contexts = NULL;
}

void
search_update_free(struct search_update *u)
{
	if (u == NULL)
		return;
	hits_deinit(&u->rows);
	hits_deinit(&u->added);
	hits_deinit(&u->removed);
	arena_reset(&u->picks);
	free(u);
}

static struct search_context *
find_context(struct imap_session *s, struct slice tag)
{
	for (size_t i = 0; s->contexts != NULL && i < LIMIT_IMAP_CONTEXTS; i++)
		if (s->contexts->at[i].program != NULL &&
		    slice_equal(s->contexts->at[i].tag, tag))
			return &s->contexts->at[i];
	return NULL;
}

const char *
search_context_check(struct imap_session *s)
{
	if ((s->cmd.returns & IMAP_RETURN_UPDATE) == 0)
		return NULL;
	return find_context(s, s->cmd.tag) != NULL
	    ? "BAD That tag has its updates already"
	    : NULL;
}

static struct search_context *
free_context(struct imap_session *s)
{
	if (s->contexts == NULL)
		s->contexts = calloc(1, sizeof(*s->contexts));
	for (size_t i = 0; s->contexts != NULL && i < LIMIT_IMAP_CONTEXTS; i++)
		if (s->contexts->at[i].program == NULL)
			return &s->contexts->at[i];
	return NULL;
}

/* RFC 5267, 4.3: sequence numbers mean what they meant when it began. */
static bool
freeze_numbers(const struct imap_view *v, struct arena *arena,
    struct imap_search *k)
{
	if (k->what == IMAP_KEY_SET || k->set.is_saved) {
		k->what = IMAP_KEY_UID;
		k->set.is_saved = false;
		k->set.n = k->n_picks;
		k->set.ranges =
		    arena_array(arena, k->n_picks + 1, sizeof(*k->set.ranges));
		if (k->set.ranges == NULL)
			return false;
		for (size_t i = 0; i < k->n_picks; i++)
			k->set.ranges[i] =
			    (struct imap_range){ v->rows[k->picks[i].lo].uid,
				    v->rows[k->picks[i].hi].uid };
	}
	for (struct imap_search *c = k->first; c != NULL; c = c->next)
		if (!freeze_numbers(v, arena, c))
			return false;
	return true;
}

static void
mark_rows(struct imap_session *s, uint8_t bit)
{
	struct hits_cursor cursor = { 0 };
	uint32_t row;

	for (size_t i = 0; i < s->view.n; i++)
		s->view.rows[i].contexts &= (uint8_t)~bit;
	while (hits_next(&s->search->run->hits, &cursor, &row))
		s->view.rows[row].contexts |= bit;
}

void
search_context_add(struct imap_session *s)
{
	struct search_context *c;

	if ((s->cmd.returns & IMAP_RETURN_UPDATE) == 0)
		return;
	c = s->cmd.verb == IMAP_SORT || s->search->multi != NULL
	    ? NULL
	    : free_context(s);
	if (c == NULL || !freeze_numbers(&s->view, &s->arena, s->cmd.search)) {
		imap_printf(s, "* NO [NOUPDATE \"%.*s\"] Not told further\r\n",
		    SLICE_FMT(s->cmd.tag));
		return;
	}
	/* The command's memory goes on living here; nothing moves. */
	*c = (struct search_context){ .tag = s->cmd.tag,
		.is_uid = s->cmd.is_uid,
		.program = s->cmd.search,
		.line = s->line,
		.arena = s->arena };
	imap_line_init(s);
	arena_init(&s->arena, LIMIT_IMAP_ARENA);
	s->contexts->n++;
	mark_rows(s, (uint8_t)(1u << (c - s->contexts->at)));
}

/* cancelupdate = "CANCELUPDATE" 1*(SP quoted-tag) */
int
imap_cancelupdate_args(struct imap_in *in, struct imap_command *c)
{
	struct slice all = in->rest, tag;

	do {
		if (!imap_skip_sp(in) || !imap_take_string(in, &tag))
			return IMAP_COMMAND_BAD;
	} while (!imap_is_end(in));
	c->name = all; /* it is read again */
	return IMAP_COMMAND_OK;
}

void
imap_run_cancelupdate(struct imap_session *s)
{
	struct imap_in in = { s->cmd.name, &s->arena, false };
	struct slice tag;
	bool is_known = true;

	while (imap_skip_sp(&in) && imap_take_string(&in, &tag)) {
		struct search_context *c = find_context(s, tag);

		if (c != NULL)
			context_free(s->contexts, c);
		is_known &= c != NULL;
	}
	imap_done(s, is_known ? "OK No further updates" : "BAD No such search");
}

/* -- telling
 * --------------------------------------------------------------------- */

/* `rows` as numbers or uids, from the cursor on, in one response. */
static void
say_rows(struct imap_session *s, const struct search_context *c,
    const char *what, const struct hits *rows, struct hits_cursor *cursor)
{
	struct imap_range run = { 0, 0 };
	const char *sep = "";
	struct buf b;
	uint32_t row;
	int n = 0;

	buf_init(&b, LIMIT_IMAP_LINE * 2 + 24 * RUNS_PIECE);
	(void)buf_printf(&b, "* ESEARCH (TAG \"%.*s\")%s %s (0 ",
	    SLICE_FMT(c->tag), c->is_uid ? " UID" : "", what);
	while (n < RUNS_PIECE && hits_next(rows, cursor, &row)) {
		uint32_t number = c->is_uid ? s->view.rows[row].uid : row + 1;

		if (run.lo != 0 && run.hi + 1 == number) {
			run.hi = number;
			continue;
		}
		if (run.lo != 0) {
			(void)buf_add_cstr(&b, sep);
			(void)imap_put_range(&b, run);
			sep = ",";
			n++;
		}
		run.lo = run.hi = number;
	}
	(void)buf_add_cstr(&b, sep);
	(void)imap_put_range(&b, run);
	(void)buf_add_cstr(&b, ")\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
}

static bool
is_at_end(const struct hits *h, const struct hits_cursor *c)
{
	return c->run >= h->n;
}

/* -- before the sync
 * --------------------------------------------------------------- */

static void
note_uid(struct search_contexts *all, uint32_t uid)
{
	if (all->n_changed == all->size_changed) {
		size_t size =
		    all->size_changed == 0 ? 64 : all->size_changed * 2;
		uint32_t *at = realloc(all->changed, size * sizeof(*at));

		if (at == NULL) {
			all->is_lost = true;
			return;
		}
		all->changed = at;
		all->size_changed = size;
	}
	all->changed[all->n_changed++] = uid;
}

/* What came, and what has changed, whether the client was told or had asked for
 * silence. */
static void
note_changed(struct imap_session *s)
{
	struct search_contexts *all = s->contexts;
	struct imap_view *v = &s->view;

	all->n_changed = 0;
	all->is_lost = false;
	for (size_t i = v->has_changed ? 0 : v->n_told; i < v->n; i++) {
		bool is_changed = (v->rows[i].state & IMAP_ROW_CHANGED) != 0;

		v->rows[i].state &= (uint8_t)~IMAP_ROW_CHANGED;
		if (is_changed || i >= v->n_told)
			note_uid(all, v->rows[i].uid);
	}
	v->has_changed = false;
}

/* One context's part of what leaves. */
static bool
collect_gone(struct imap_session *s, uint8_t bit, struct hits *ret)
{
	for (size_t i = 0; i < s->view.n_told; i++)
		if ((s->view.rows[i].state & IMAP_ROW_GONE) != 0 &&
		    (s->view.rows[i].contexts & bit) != 0 &&
		    !hits_add(ret, (uint32_t)i))
			return false;
	return true;
}

static void
tell_gone(struct imap_session *s)
{
	for (size_t i = 0; i < LIMIT_IMAP_CONTEXTS; i++) {
		struct search_context *c = &s->contexts->at[i];
		struct hits_cursor cursor = { 0 };
		struct hits gone = { 0 };

		if (c->program == NULL)
			continue;
		if (!collect_gone(s, (uint8_t)(1u << i), &gone))
			imap_fatal(s, "Out of memory");
		while (!is_at_end(&gone, &cursor) &&
		    s->state != IMAP_LOGGED_OUT)
			say_rows(s, c, "REMOVEFROM", &gone, &cursor);
		hits_deinit(&gone);
	}
}

void
imap_contexts_before(struct imap_session *s)
{
	if (s->contexts == NULL || s->contexts->n == 0)
		return;
	note_changed(s);
	if (s->may_expunge && s->view.n_gone > 0)
		tell_gone(s);
}

/* -- after the sync
 * ---------------------------------------------------------------- */

static void next_context(struct imap_session *s);

static void
end_updates(struct imap_session *s)
{
	imap_more_fn *then = s->contexts->then;

	imap_search_free(s);
	s->more = NULL;
	/* More came while these ran, and nobody else would ask for it. */
	if (s->is_idling && s->is_dirty)
		imap_sync_start(s, then);
	else
		then(s);
}

static void
say_difference(struct imap_session *s)
{
	struct search_update *u = s->search->update;
	struct search_context *c = &s->contexts->at[u->context];

	if (!is_at_end(&u->removed, &u->cursor)) {
		say_rows(s, c, "REMOVEFROM", &u->removed, &u->cursor);
		if (is_at_end(&u->removed, &u->cursor))
			hits_deinit(&u->removed);
		if (u->removed.n == 0)
			u->cursor = (struct hits_cursor){ 0 };
		return;
	}
	if (!is_at_end(&u->added, &u->cursor)) {
		say_rows(s, c, "ADDTO", &u->added, &u->cursor);
		return;
	}
	u->context++;
	s->more = next_context;
}

/* The rows that were looked at: in the result now, and before? */
static bool
compare_rows(struct imap_session *s)
{
	struct search_update *u = s->search->update;
	uint8_t bit = (uint8_t)(1u << u->context);
	struct hits_cursor cursor = { 0 }, found = { 0 };
	uint32_t row, hit = 0;
	bool has_hit = hits_next(&s->search->run->hits, &found, &hit);

	while (hits_next(&u->rows, &cursor, &row)) {
		struct imap_row *at = &s->view.rows[row];
		bool was = (at->contexts & bit) != 0;
		bool is = has_hit && hit == row;

		if (is)
			has_hit =
			    hits_next(&s->search->run->hits, &found, &hit);
		if (was != is && !hits_add(is ? &u->added : &u->removed, row))
			return false;
		at->contexts ^= was != is ? bit : 0;
	}
	return true;
}

/* What cannot be read now is looked at in the next sync. */
static void
look_again(struct imap_session *s)
{
	struct hits_cursor cursor = { 0 };
	uint32_t row;

	while (hits_next(&s->search->update->rows, &cursor, &row))
		s->view.rows[row].state |= IMAP_ROW_CHANGED;
	s->view.has_changed = true;
}

static void
on_run(struct imap_session *s)
{
	struct search_update *u = s->search->update;

	hits_deinit(&u->added);
	hits_deinit(&u->removed);
	u->cursor = (struct hits_cursor){ 0 };
	if (s->search->run->has_trouble)
		look_again(s);
	if (s->search->run->has_no_memory ||
	    (!s->search->run->has_trouble && !compare_rows(s))) {
		imap_fatal(s, "Out of memory");
		return;
	}
	search_run_free(s->search->run);
	s->search->run = NULL;
	s->more = say_difference;
}

static void
next_context(struct imap_session *s)
{
	struct search_update *u = s->search->update;
	struct search_context *c;

	while (u->context < LIMIT_IMAP_CONTEXTS &&
	    s->contexts->at[u->context].program == NULL)
		u->context++;
	if (u->context == LIMIT_IMAP_CONTEXTS) {
		end_updates(s);
		return;
	}
	c = &s->contexts->at[u->context];
	arena_reset(&u->picks);
	if (search_pick(&s->view, &u->picks, c->program))
		s->search->run = search_run_new(s, &s->view, 0, c->program);
	if (s->search->run == NULL) {
		imap_fatal(s, "Out of memory");
		return;
	}
	search_run_only(s->search->run, &u->rows);
	search_run_start(s->search->run, on_run);
}

/* The noted uids as rows that are there now. */
static bool
find_rows(struct imap_session *s, struct hits *ret)
{
	const struct search_contexts *all = s->contexts;

	for (size_t i = 0; !all->is_lost && i < all->n_changed; i++) {
		size_t row = imap_view_find(&s->view, all->changed[i]);

		if (row < s->view.n_told &&
		    s->view.rows[row].uid == all->changed[i] &&
		    !hits_add(ret, (uint32_t)row))
			return false;
	}
	for (size_t i = 0; all->is_lost && i < s->view.n_told; i++)
		if (!hits_add(ret, (uint32_t)i))
			return false;
	return true;
}

bool
imap_contexts_after(struct imap_session *s, imap_more_fn *then)
{
	struct search_contexts *all = s->contexts;
	struct search_update *u;

	if (all == NULL || all->n == 0 ||
	    (all->n_changed == 0 && !all->is_lost))
		return false;
	all->then = then;
	u = calloc(1, sizeof(*u));
	s->search = calloc(1, sizeof(*s->search));
	if (u != NULL)
		arena_init(&u->picks, LIMIT_IMAP_ARENA);
	if (u == NULL || s->search == NULL || !find_rows(s, &u->rows)) {
		search_update_free(u);
		imap_fatal(s, "Out of memory");
		return true;
	}
	all->n_changed = 0;
	all->is_lost = false;
	s->search->update = u;
	s->more = next_context;
	return true;
}
