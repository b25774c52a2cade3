/* SPDX-License-Identifier: ISC */
#include "store/committer.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"

enum {
	/* 4 MiB of log: then it is moved into the database between groups. */
	CHECKPOINT_PAGES = 1024,
	/* that many that are patient are worth a group of their own */
	PATIENT_MAX = 64
};

struct committer {
	struct env *env;
	struct db *db;
	const struct committer_ops *ops;
	void *ctx;
	struct list lanes[STORE_N_LANES];
	size_t n_hasty, n_patient; /* in the lanes */
	struct env_timer patience; /* runs while only patient ones are there */
	bool is_patience_over;
	/* The group at work; the thread's until `job` is done. */
	struct list group;
	struct env_job job, checkpoint_job;
	int group_result, checkpoint_result;
	uint64_t moved_at;  /* pages of the log at the last checkpoint */
	struct list failed; /* submitted after the end */
	struct env_defer tell_failed, start_later;
	bool is_busy, is_broken;
};

/* -- in the thread -----------------------------------------------------------
 */

/* One write under its savepoint. < 0 ends the group. */
static int
run_one(struct db *db, struct store_write *w)
{
	int r = db_savepoint(db);

	if (r != 0)
		return ERR_TRACE(r < 0 ? r : -EIO);
	w->result = w->apply(db, w);
	if (w->result < 0)
		return ERR_TRACE(w->result);
	if (w->result == 0 || w->result == STORE_AGAIN)
		r = db_release(db);
	else
		r = db_rollback_to(db);
	return r == 0 ? 0 : ERR_TRACE(r < 0 ? r : -EIO);
}

/* 0 when the group is durable. -ENOSPC, -ENOMEM and what a write itself came
 * back with: nothing of it is there. -EIO from the commit: unknown. */
static int
run_group(struct db *db, struct list *group)
{
	int r = db_begin(db);

	if (r != 0)
		return ERR_TRACE(r < 0 ? r : -EIO);
	LIST_FOREACH (it, group) {
		r = run_one(db, LIST_ENTRY(it, struct store_write, link));
		if (r != 0)
			break;
	}
	if (r == 0) {
		r = db_commit(db);
		if (r == 0)
			return 0;
		r = r < 0 ? r : -EIO;
	}
	db_rollback(db);
	return ERR_TRACE(r);
}

/* Trouble with the file itself: what it holds is not known any more. */
static bool
is_fatal(int r)
{
	return r == -EIO || r == -EROFS || r == -EBADMSG || r == -EBUSY;
}

/* A group that one of its writes spoiled, not the disk: each alone, so that
 * only the one is told. */
static int
run_each(struct db *db, struct list *group)
{
	int r;

	LIST_FOREACH (it, group) {
		struct store_write *w =
		    LIST_ENTRY(it, struct store_write, link);
		struct list *next = it->next, *before = it->prev;
		struct list alone;

		list_init(&alone);
		list_remove(it);
		list_add_last(&alone, it);
		r = run_group(db, &alone);
		list_remove(it);
		list_add_before(next, it);
		assert(it->prev == before);
		if (is_fatal(r))
			return ERR_TRACE(r);
		if (r != 0)
			w->result = r;
	}
	return 0;
}

static void
on_group(struct env_job *job)
{
	struct committer *c = LIST_ENTRY(job, struct committer, job);
	bool is_alone = c->group.next->next == &c->group;

	c->group_result = run_group(c->db, &c->group);
	if (c->group_result < 0 && !is_fatal(c->group_result) && !is_alone)
		c->group_result = run_each(c->db, &c->group);
}

static void
on_checkpoint(struct env_job *job)
{
	struct committer *c = LIST_ENTRY(job, struct committer, checkpoint_job);

	c->checkpoint_result = db_checkpoint(c->db);
}

/* -- on the loop
 * --------------------------------------------------------------- */

static void start(struct committer *c);

static void
break_down(struct committer *c, int r)
{
	if (c->is_broken)
		return;
	c->is_broken = true;
	for (unsigned i = 0; i < STORE_N_LANES; i++)
		list_move_all(&c->failed, &c->lanes[i]);
	c->n_hasty = c->n_patient = 0;
	env_timer_stop(c->env, &c->patience);
	if (!list_is_empty(&c->failed))
		env_defer(c->env, &c->tell_failed);
	c->ops->broken(c->ctx, r, db_trouble(c->db));
}

/* A write that came back with trouble of its own is told that; the others of
 * a failed group are told the group's. */
static void
after_group(struct env_job *job)
{
	struct committer *c = LIST_ENTRY(job, struct committer, job);
	int result = c->group_result;
	struct list group;
	struct list *link;

	list_init(&group);
	list_move_all(&group, &c->group);
	c->is_busy = false;
	while ((link = list_take_first(&group)) != NULL) {
		struct store_write *w =
		    LIST_ENTRY(link, struct store_write, link);

		if (result == 0 && w->result == STORE_AGAIN) {
			w->was_kept = true;
			committer_submit(c, w);
		} else {
			w->done(w, result == 0 ? w->result : result);
		}
	}
	if (is_fatal(result))
		break_down(c, result);
	start(c);
}

static void
after_checkpoint(struct env_job *job)
{
	struct committer *c = LIST_ENTRY(job, struct committer, checkpoint_job);

	c->is_busy = false;
	if (is_fatal(c->checkpoint_result))
		break_down(c, c->checkpoint_result);
	start(c);
}

static void
count(struct committer *c, const struct list *link, int d)
{
	size_t *n = LIST_ENTRY(link, struct store_write, link)->is_patient
	    ? &c->n_patient
	    : &c->n_hasty;

	*n += (size_t)d;
}

static size_t
take_group(struct committer *c)
{
	size_t n = 0;

	for (unsigned i = 0; i < STORE_N_LANES; i++) {
		struct list *link;

		/* One slice of bulk work a group bounds everybody's wait. */
		size_t most = i == STORE_LANE_BULK ? n + 1 : LIMIT_GROUP;

		while (n < most &&
		    (link = list_take_first(&c->lanes[i])) != NULL) {
			list_add_last(&c->group, link);
			n++;
			count(c, link, -1);
		}
	}
	return n;
}

/* Whether a group is to begin; if not now, a timer says when. */
static bool
is_wanted(struct committer *c)
{
	if (c->n_hasty > 0 || c->n_patient >= PATIENT_MAX ||
	    (c->is_patience_over && c->n_patient > 0))
		return true;
	if (c->n_patient == 0 || c->patience.slot != 0)
		return false;
	return env_timer_set(c->env, &c->patience,
		   env_now(c->env) + COMMITTER_PATIENCE) != 0;
}

/* A reader may hold the log where it is, and a full disk may keep its pages
 * from moving: another try is worth it only when the log has grown again, and
 * groups go on in between. */
static bool
wants_checkpoint(struct committer *c)
{
	uint64_t pages = db_log_pages(c->db);

	if (pages > 0 && pages < c->moved_at)
		c->moved_at = 0; /* it has begun anew */
	if (pages <= c->moved_at + CHECKPOINT_PAGES)
		return false;
	c->moved_at = pages;
	return true;
}

static void
group_cannot_start(struct committer *c, int r)
{
	c->group_result = r;
	after_group(&c->job);
}

static void
start(struct committer *c)
{
	int r;

	if (c->is_busy || c->is_broken)
		return;
	if (wants_checkpoint(c)) {
		c->checkpoint_job = (struct env_job){ .run = on_checkpoint,
			.done = after_checkpoint };
		c->is_busy =
		    env_work(c->env, ENV_LANE_COMMIT, &c->checkpoint_job) == 0;
		if (c->is_busy)
			return;
	}
	if (!is_wanted(c))
		return;
	env_timer_stop(c->env, &c->patience);
	c->is_patience_over = false;
	(void)take_group(c);
	c->is_busy = true;
	c->job = (struct env_job){ .run = on_group, .done = after_group };
	r = env_work(c->env, ENV_LANE_COMMIT, &c->job);
	if (r != 0)
		group_cannot_start(c, -ENOMEM);
}

static void
on_start_later(struct env_defer *d)
{
	start(LIST_ENTRY(d, struct committer, start_later));
}

static void
on_patience_over(struct env_timer *t)
{
	struct committer *c = LIST_ENTRY(t, struct committer, patience);

	c->is_patience_over = true;
	start(c);
}

static void
on_tell_failed(struct env_defer *d)
{
	struct committer *c = LIST_ENTRY(d, struct committer, tell_failed);
	struct list *link;

	while ((link = list_take_first(&c->failed)) != NULL) {
		struct store_write *w =
		    LIST_ENTRY(link, struct store_write, link);

		w->done(w, -EIO);
	}
}

/* Groups begin at the end of the turn, so that all that came in it goes
 * together. */
void
committer_submit(struct committer *c, struct store_write *w)
{
	assert(w->lane < STORE_N_LANES && w->apply != NULL && w->done != NULL);
	w->result = 0;
	if (c->is_broken) {
		list_add_last(&c->failed, &w->link);
		env_defer(c->env, &c->tell_failed);
		return;
	}
	list_add_last(&c->lanes[w->lane], &w->link);
	count(c, &w->link, 1);
	if (!c->is_busy)
		env_defer(c->env, &c->start_later);
}

bool
committer_is_idle(const struct committer *c)
{
	if (c->is_busy)
		return false;
	for (unsigned i = 0; i < STORE_N_LANES; i++)
		if (!list_is_empty(&c->lanes[i]))
			return false;
	return list_is_empty(&c->failed);
}

int
committer_new(struct env *env, struct db *writer,
    const struct committer_ops *ops, void *ctx, struct committer **ret)
{
	struct committer *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return ERR_ORIGIN(-ENOMEM);
	c->env = env;
	c->db = writer;
	c->ops = ops;
	c->ctx = ctx;
	for (unsigned i = 0; i < STORE_N_LANES; i++)
		list_init(&c->lanes[i]);
	list_init(&c->group);
	list_init(&c->failed);
	c->tell_failed.run = on_tell_failed;
	list_init(&c->tell_failed.link);
	c->patience.fire = on_patience_over;
	c->start_later.run = on_start_later;
	list_init(&c->start_later.link);
	*ret = c;
	return 0;
}

void
committer_free(struct committer *c)
{
	if (c == NULL)
		return;
	env_defer_cancel(c->env, &c->tell_failed);
	env_defer_cancel(c->env, &c->start_later);
	env_timer_stop(c->env, &c->patience);
	free(c);
}

int
committer_run(struct db *writer, struct store_write *w)
{
	struct list group;
	int r;

	do {
		list_init(&group);
		list_add_last(&group, &w->link);
		r = run_group(writer, &group);
		w->was_kept = true;
	} while (r == 0 && w->result == STORE_AGAIN);
	return r != 0 ? ERR_TRACE(r) : w->result;
}
