/* SPDX-License-Identifier: ISC */
/*
 * store/reader - reads in threads, and the connections that they use
 *
 * A job for a thread costs two switches, and a transaction costs SQLite's whole
 * cache, for each commit makes it stale. So short reads, of which a mail
 * needs three or four, go together: those of one turn of the loop, and those
 * that come while as many batches as may be are under way. A long one has a
 * thread and a transaction of its own, and none waits for it.
 *
 * Connections are shared by the READ threads behind the mutex; all else is the
 * loop's.
 */
#include <errno.h>

#include "base/err.h"
#include "store/store_impl.h"

enum {
	READER_CACHE_KIB = 8 * 1024,
	BATCH_MAX = 32 /* so that the first does not wait long for the last */
};

/* -- connections
 * ------------------------------------------------------------------------ */

static int
open_reader(struct store *s, struct db **ret)
{
	return ERR_TRACE(db_sqlite_open(s->vfs, "ulak.db",
	    &(struct db_sqlite_options){ .cache_kib = READER_CACHE_KIB }, ret));
}

struct db *
store_reader_take(struct store *s, int *ret_r)
{
	struct db *db = NULL;
	int r = -EMFILE;

	(void)pthread_mutex_lock(&s->mutex);
	for (unsigned i = 0; i < STORE_READERS && db == NULL; i++) {
		if (s->reader_in_use[i])
			continue;
		r = s->readers[i] != NULL ? 0 : open_reader(s, &s->readers[i]);
		if (r != 0)
			break;
		s->reader_in_use[i] = true;
		db = s->readers[i];
	}
	(void)pthread_mutex_unlock(&s->mutex);
	*ret_r = db != NULL ? 0 : r;
	return db;
}

void
store_reader_give(struct store *s, struct db *db)
{
	(void)pthread_mutex_lock(&s->mutex);
	for (unsigned i = 0; i < STORE_READERS; i++)
		if (s->readers[i] == db)
			s->reader_in_use[i] = false;
	(void)pthread_mutex_unlock(&s->mutex);
}

/* -- one alone
 * ------------------------------------------------------------------------ */

static void
on_read(struct env_job *job)
{
	struct store_read *r = LIST_ENTRY(job, struct store_read, job);
	struct db *db = store_reader_take(r->store, &r->result);

	if (db == NULL)
		return;
	r->result = db_begin_read(db);
	if (r->result == 0)
		r->result = r->run(db, r);
	db_rollback(db);
	store_reader_give(r->store, db);
}

static void
after_read(struct env_job *job)
{
	struct store_read *r = LIST_ENTRY(job, struct store_read, job);

	r->store->n_reads--;
	r->done(r, r->result);
}

/* Where not one thread can be had the loop reads for itself. */
static void
read_alone(struct store *s, struct store_read *r)
{
	r->job = (struct env_job){ .run = on_read, .done = after_read };
	if (env_work(s->env, ENV_LANE_READ, &r->job) != 0) {
		on_read(&r->job);
		after_read(&r->job);
	}
}

/* -- several together
 * ------------------------------------------------------------------------ */

/* One that meets trouble does not leave it to the next. */
static void
on_batch(struct env_job *job)
{
	struct read_batch *b = LIST_ENTRY(job, struct read_batch, job);
	int r = 0;
	struct db *db = store_reader_take(b->store, &r);
	bool is_open = false;

	LIST_FOREACH (it, &b->reads) {
		struct store_read *read =
		    LIST_ENTRY(it, struct store_read, job.link);

		if (db != NULL && !is_open)
			r = db_begin_read(db);
		is_open = r == 0;
		read->result = r == 0 ? read->run(db, read) : r;
		if (db != NULL && read->result < 0) {
			db_rollback(db);
			is_open = false;
		}
	}
	if (db == NULL)
		return;
	db_rollback(db);
	store_reader_give(b->store, db);
}

static void
after_batch(struct env_job *job)
{
	struct read_batch *b = LIST_ENTRY(job, struct read_batch, job);
	struct list done, *link;

	list_init(&done);
	list_move_all(&done, &b->reads);
	b->is_busy = false;
	if (!list_is_empty(&b->store->short_reads))
		env_defer(b->store->env, &b->store->start_batches);
	while ((link = list_take_first(&done)) != NULL) {
		struct store_read *r =
		    LIST_ENTRY(link, struct store_read, job.link);

		after_read(&r->job);
	}
}

static void
start_batch(struct store *s, struct read_batch *b)
{
	struct list *link;

	for (unsigned n = 0;
	     n < BATCH_MAX && (link = list_take_first(&s->short_reads)) != NULL;
	     n++)
		list_add_last(&b->reads, link);
	b->is_busy = true;
	b->job = (struct env_job){ .run = on_batch, .done = after_batch };
	if (env_work(s->env, ENV_LANE_READ, &b->job) != 0) {
		on_batch(&b->job);
		after_batch(&b->job);
	}
}

static void
on_start_batches(struct env_defer *d)
{
	struct store *s = LIST_ENTRY(d, struct store, start_batches);

	for (unsigned i = 0;
	     i < STORE_BATCHES && !list_is_empty(&s->short_reads); i++)
		if (!s->batches[i].is_busy)
			start_batch(s, &s->batches[i]);
}

void
store_read(struct store *s, struct store_read *r)
{
	r->store = s;
	r->result = 0;
	s->n_reads++;
	if (!r->is_short) {
		read_alone(s, r);
		return;
	}
	list_add_last(&s->short_reads, &r->job.link);
	env_defer(s->env, &s->start_batches);
}

/* -- the whole
 * ------------------------------------------------------------------------ */

void
store_readers_init(struct store *s)
{
	list_init(&s->short_reads);
	s->start_batches.run = on_start_batches;
	list_init(&s->start_batches.link);
	for (unsigned i = 0; i < STORE_BATCHES; i++) {
		s->batches[i].store = s;
		list_init(&s->batches[i].reads);
	}
}

void
store_readers_close(struct store *s)
{
	env_defer_cancel(s->env, &s->start_batches);
	for (unsigned i = 0; i < STORE_READERS; i++)
		db_close(s->readers[i]);
}
