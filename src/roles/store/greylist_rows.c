/* SPDX-License-Identifier: ISC */
/*
 * roles/store/greylist_rows - the greylist's copy in the database
 *
 * Read once at the start. What changes is written behind: one batch at a time
 * in the bulk lane, where no 250 waits for it, a moment after the first change.
 * A batch that could not be written comes again. What is over is deleted in
 * slices, and what is more than LIMIT_GREYLIST, the nearest to its end first.
 * Who never waits (greylist_allowed) is read anew when it was changed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/store_role.h"

enum {
	BATCH = 64,
	SLICE_ROWS = 200 /* deleted at a time */
};
#define WRITE_DELAY (2 * TIME_SECOND)
#define TROUBLE_WAIT (5 * TIME_SECOND)
#define SWEEP_EVERY (5 * TIME_MINUTE)

struct greylist_writer {
	struct store_role *role;
	struct store_write write, sweep;
	struct env_timer timer, sweep_timer;
	bool is_writing, is_waiting, is_sweeping, is_over_limit;
	int64_t now; /* of the sweep */
	size_t n;
	struct greylist_copy batch[BATCH];
};

/* -- reading --------------------------------------------------------------- */

static bool
copy_text(struct slice from, char *to, size_t size)
{
	return slice_to_cstr(from, to, size);
}

static int
load_rows(struct greylist *g, struct db *db, int64_t now)
{
	struct q_greylist_load row;
	struct greylist_key key;
	struct db_rows rows;
	int r = DB_MANY(greylist_load, db, &rows, .now = now,
	    .limit = LIMIT_GREYLIST);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_greylist_load_next(&rows, &row)) == 0) {
		struct greylist_row kept = { row.first, row.last, row.passes };

		if (copy_text(row.client, key.client, sizeof(key.client)) &&
		    copy_text(row.sender, key.sender, sizeof(key.sender)) &&
		    copy_text(row.rcpt, key.rcpt, sizeof(key.rcpt)) &&
		    !greylist_load(g, &key, &kept))
			break;
	}
	db_rows_close(&rows);
	return r >= 0 ? 0 : ERR_TRACE(r);
}

struct allowed_row {
	char client[GREYLIST_TEXT];
};

struct allowed_load {
	struct store_read read;
	struct store_role *role;
	size_t n;
	struct allowed_row rows[LIMIT_GREYLIST_ALLOWED];
};

static int
run_allowed(struct db *db, struct store_read *r)
{
	struct allowed_load *l = LIST_ENTRY(r, struct allowed_load, read);
	struct q_greylist_allowed_list row;
	struct db_rows rows;
	int q = DB_MANY(greylist_allowed_list, db, &rows, 0);

	l->n = 0;
	if (q != 0)
		return ERR_TRACE(q);
	while (l->n < LIMIT_GREYLIST_ALLOWED &&
	    (q = q_greylist_allowed_list_next(&rows, &row)) == 0)
		l->n += copy_text(row.client, l->rows[l->n].client,
		    sizeof(l->rows[l->n].client));
	db_rows_close(&rows);
	return q >= 0 ? 0 : ERR_TRACE(q);
}

static void
take_allowed(const struct allowed_load *l)
{
	struct greylist *g = l->role->greylist;

	greylist_allow_nobody(g);
	for (size_t i = 0; i < l->n; i++)
		(void)greylist_allow(g, slice_cstr(l->rows[i].client));
}

static void
done_allowed(struct store_read *r, int result)
{
	struct allowed_load *l = LIST_ENTRY(r, struct allowed_load, read);

	if (result == 0)
		take_allowed(l);
	free(l);
}

void
greylist_allowed_changed(struct store_role *s)
{
	struct allowed_load *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return; /* until the next change, or start */
	l->role = s;
	l->read.run = run_allowed;
	l->read.done = done_allowed;
	store_read(s->store, &l->read);
}

/* -- writing --------------------------------------------------------------- */

static int
apply_batch(struct db *db, struct store_write *w)
{
	struct greylist_writer *b =
	    LIST_ENTRY(w, struct greylist_writer, write);
	int r = 0;

	for (size_t i = 0; i < b->n && r == 0; i++) {
		const struct greylist_copy *c = &b->batch[i];
		struct slice client = slice_cstr(c->key.client);
		struct slice sender = slice_cstr(c->key.sender);
		struct slice rcpt = slice_cstr(c->key.rcpt);

		r = c->is_gone
		    ? DB_EXEC(greylist_delete, db, .client = client,
			  .sender = sender, .rcpt = rcpt)
		    : DB_EXEC(greylist_put, db, .client = client,
			  .sender = sender, .rcpt = rcpt, .first = c->row.first,
			  .last = c->row.last, .passes = c->row.passes,
			  .expires = c->expires);
	}
	return ERR_TRACE(r);
}

static void start_writing(struct greylist_writer *b);

static void
wait_to_write(struct greylist_writer *b, int64_t delay)
{
	struct env *env = b->role->env;

	if (b->is_writing || b->is_waiting)
		return;
	if (b->role->is_stopping)
		start_writing(b);
	else
		b->is_waiting =
		    env_timer_set(env, &b->timer, env_now(env) + delay) == 0;
}

static void
done_batch(struct store_write *w, int r)
{
	struct greylist_writer *b =
	    LIST_ENTRY(w, struct greylist_writer, write);

	b->is_writing = false;
	if (r == 0)
		b->n = 0;
	if (r < 0 && b->role->is_stopping)
		return; /* so much is lost */
	if (r < 0)
		wait_to_write(b, TROUBLE_WAIT);
	else if (greylist_has_unwritten(b->role->greylist))
		start_writing(b);
}

static void
start_writing(struct greylist_writer *b)
{
	if (b->is_writing)
		return;
	if (b->n == 0)
		b->n =
		    greylist_take_unwritten(b->role->greylist, b->batch, BATCH);
	if (b->n == 0)
		return;
	b->is_writing = true;
	b->write = (struct store_write){ .lane = STORE_LANE_BULK,
		.apply = apply_batch,
		.done = done_batch };
	store_submit(b->role->store, &b->write);
}

static void
on_timer(struct env_timer *t)
{
	struct greylist_writer *b =
	    LIST_ENTRY(t, struct greylist_writer, timer);

	b->is_waiting = false;
	start_writing(b);
}

void
greylist_written_behind(struct store_role *s)
{
	if (s->greylist_writer != NULL && greylist_has_unwritten(s->greylist))
		wait_to_write(s->greylist_writer, WRITE_DELAY);
}

/* -- sweeping -------------------------------------------------------------- */

static int
delete_some(struct db *db, int64_t until, uint64_t n)
{
	uint32_t limit = n < SLICE_ROWS ? (uint32_t)n : SLICE_ROWS;
	int r = DB_EXEC(greylist_expire, db, .now = until, .limit = limit);

	if (r != 0)
		return ERR_TRACE(r);
	return db_changed(db) >= limit ? STORE_AGAIN : 0;
}

static int
apply_sweep(struct db *db, struct store_write *w)
{
	struct greylist_writer *b =
	    LIST_ENTRY(w, struct greylist_writer, sweep);
	struct q_greylist_count count;
	int r = delete_some(db, b->now, SLICE_ROWS);

	w->was_kept = false;
	if (r != 0 || !b->is_over_limit)
		return ERR_TRACE(r);
	r = DB_ONE(greylist_count, db, &count, 0);
	if (r != 0 || count.n <= LIMIT_GREYLIST)
		return ERR_TRACE(r);
	r = delete_some(db, INT64_MAX, count.n - LIMIT_GREYLIST);
	return r == 0 ? STORE_AGAIN : ERR_TRACE(r);
}

static void
done_sweep(struct store_write *w, int r)
{
	struct greylist_writer *b =
	    LIST_ENTRY(w, struct greylist_writer, sweep);

	(void)r; /* there will be another */
	b->is_sweeping = false;
}

static void
on_sweep(struct env_timer *t)
{
	struct greylist_writer *b =
	    LIST_ENTRY(t, struct greylist_writer, sweep_timer);
	struct store_role *s = b->role;

	(void)env_timer_set(s->env, t, env_now(s->env) + SWEEP_EVERY);
	greylist_expire(s->greylist);
	if (b->is_sweeping || s->is_stopping)
		return;
	b->is_sweeping = true;
	b->now = env_wall(s->env);
	b->is_over_limit = greylist_was_full(s->greylist);
	b->sweep = (struct store_write){ .lane = STORE_LANE_BULK,
		.apply = apply_sweep,
		.done = done_sweep };
	store_submit(s->store, &b->sweep);
}

/* -- life ------------------------------------------------------------------ */

int
greylist_rows_new(struct store_role *s)
{
	struct greylist_writer *b = calloc(1, sizeof(*b));
	struct allowed_load *l = calloc(1, sizeof(*l));
	int r = b == NULL || l == NULL ? ERR_ORIGIN(-ENOMEM) : 0;

	if (r == 0)
		r = load_rows(s->greylist, store_writer(s->store),
		    env_wall(s->env));
	if (r == 0)
		r = run_allowed(store_writer(s->store), &l->read);
	if (r == 0) {
		l->role = s;
		take_allowed(l);
		b->role = s;
		b->timer.fire = on_timer;
		b->sweep_timer.fire = on_sweep;
		s->greylist_writer = b;
		b = NULL;
	}
	free(l);
	free(b);
	return ERR_TRACE(r);
}

void
greylist_rows_start(struct store_role *s)
{
	on_sweep(&s->greylist_writer->sweep_timer);
}

void
greylist_rows_stop(struct store_role *s)
{
	struct greylist_writer *b = s->greylist_writer;

	if (b == NULL)
		return;
	env_timer_stop(s->env, &b->sweep_timer);
	env_timer_stop(s->env, &b->timer);
	b->is_waiting = false;
	start_writing(b);
}

void
greylist_rows_free(struct store_role *s)
{
	struct greylist_writer *b = s->greylist_writer;

	if (b == NULL)
		return;
	env_timer_stop(s->env, &b->sweep_timer);
	env_timer_stop(s->env, &b->timer);
	free(b);
	s->greylist_writer = NULL;
}
