/* SPDX-License-Identifier: ISC */
#include "store/events.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "store/store_impl.h"

enum {
	/* Waiting for the writer; above it events are dropped and counted. */
	EVENTS_MEMORY = 16 * 1024 * 1024,
	EVENT_TEXT_MAX = 1024,
	EVENT_DETAIL_MAX = 16 * 1024,
	DAY_MAX = 32
};
/* A mail has four; a transaction for each would cost more than the mail. */
#define EVENTS_GATHER (10 * TIME_MS)

struct waiting {
	struct list link;
	struct id message;
	int64_t at;
	struct slice kind, address, text, detail; /* in `bytes` */
	uint8_t bytes[];
};

struct events {
	struct store *store;
	struct list waiting;
	size_t memory;
	uint64_t n_dropped;
	bool is_busy, is_due, is_losing; /* is_due: the timer is set */
	/* who waits for what was added before (struct events_wait), in order */
	struct list readers;
	uint64_t n_added, n_taken, n_written;
	struct env_timer gather;
	/* the writer's thread's while is_busy */
	struct env_job job;
	int result;         /* of the last write */
	uint64_t n_refused; /* of the batch */
	struct list batch;
	struct db *db;
	char day[DAY_MAX]; /* "events/2026-11-23.db", of db */
};

static void
day_path(int64_t at, char path[DAY_MAX])
{
	char text[TIME_RFC3339];

	time_print_rfc3339(at, text);
	(void)snprintf(path, DAY_MAX, "events/%.10s.db", text);
}

/* Days that are over long enough; not the one that is being written. What
 * cannot be deleted now is tried again tomorrow. */
static void
drop_old_days(struct events *e, const char *current)
{
	struct store *s = e->store;
	struct events_days *days;
	char least[DAY_MAX], path[DAY_MAX], log[DAY_MAX + 8];

	if (s->o.events_keep == 0)
		return;
	days = malloc(sizeof(*days));
	day_path(env_wall(s->env) - s->o.events_keep, least);
	if (days != NULL && events_days(s, days) == 0)
		for (size_t i = 0; i < days->n; i++) {
			(void)snprintf(path, sizeof(path), "events/%s",
			    days->names[i]);
			if (strcmp(path, least) >= 0 ||
			    strcmp(path, current) == 0)
				continue;
			(void)snprintf(log, sizeof(log), "%s-wal", path);
			(void)env_dir_unlink(s->dir, log);
			(void)env_dir_unlink(s->dir, path);
		}
	free(days);
}

static int
open_day(struct events *e, const char *path)
{
	int r;

	if (e->db != NULL && strcmp(e->day, path) == 0)
		return 0;
	db_close(e->db);
	e->db = NULL;
	r = db_sqlite_open(e->store->vfs, path,
	    &(struct db_sqlite_options){ .is_writer = true,
		.create = true,
		.is_lazy = true,
		.cache_kib = 2048 },
	    &e->db);
	if (r == 0)
		r = db_script(e->db, db_schema_events);
	if (r != 0) {
		db_close(e->db);
		e->db = NULL;
		return r < 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
	}
	(void)snprintf(e->day, sizeof(e->day), "%s", path);
	drop_old_days(e, path);
	return 0;
}

static int
write_one(struct events *e, const struct waiting *w)
{
	return DB_EXEC(event_insert, e->db, .message = w->message, .at = w->at,
	    .kind = w->kind, .address = w->address, .text = w->text,
	    .detail = w->detail);
}

/* Those of one day in one transaction; the first of another day ends it. */
static int
write_day(struct events *e, struct list *from)
{
	char path[DAY_MAX], other[DAY_MAX];
	struct list *it = from->next;
	int r;

	day_path(LIST_ENTRY(it, struct waiting, link)->at, path);
	r = open_day(e, path);
	if (r == 0)
		r = db_begin(e->db);
	while (r == 0 && it != from) {
		struct waiting *w = LIST_ENTRY(it, struct waiting, link);

		day_path(w->at, other);
		if (strcmp(path, other) != 0)
			break;
		it = it->next;
		r = write_one(e, w);
		list_remove(&w->link);
		free(w);
	}
	if (r == 0)
		r = db_commit(e->db);
	if (r != 0 && e->db != NULL)
		db_rollback(e->db);
	if (r == 0 && db_log_pages(e->db) > 1024)
		r = db_checkpoint(e->db);
	return r;
}

static void
on_write(struct env_job *job)
{
	struct events *e = LIST_ENTRY(job, struct events, job);
	struct list *link;

	e->n_refused = 0;
	do
		e->result = write_day(e, &e->batch);
	while (e->result == 0 && !list_is_empty(&e->batch));
	/* What could not be written is not worth a mail's life. */
	while ((link = list_take_first(&e->batch)) != NULL) {
		free(LIST_ENTRY(link, struct waiting, link));
		e->n_refused++;
	}
}

/* Said when it begins and when it is over, not for each. */
static void
tell_losses(struct events *e)
{
	bool is_losing = e->result != 0;

	e->n_dropped += e->n_refused;
	if (is_losing && !e->is_losing)
		env_log(e->store->env, ENV_ERROR, "events-lost", "errno=%d",
		    e->result < 0 ? -e->result : 0);
	else if (!is_losing && e->is_losing)
		env_log(e->store->env, ENV_INFO, "events-kept-again",
		    "lost=%llu", (unsigned long long)e->n_dropped);
	e->is_losing = is_losing;
}

static void start(struct events *e);

static void
let_read(struct events *e, uint64_t until)
{
	struct events_wait *w;

	while (!list_is_empty(&e->readers)) {
		w = LIST_ENTRY(e->readers.next, struct events_wait, link);
		if (w->until > until)
			return;
		list_remove(&w->link);
		w->then(w);
	}
}

static void
after_write(struct env_job *job)
{
	struct events *e = LIST_ENTRY(job, struct events, job);

	e->is_busy = false;
	e->n_written = e->n_taken;
	tell_losses(e);
	start(e);
	let_read(e, e->n_written);
}

/* Beside the groups, not between them: it is another file, and nobody waits. */
static void
on_gathered(struct env_timer *t)
{
	struct events *e = LIST_ENTRY(t, struct events, gather);

	e->is_due = false;
	e->is_busy = true;
	e->memory = 0;
	e->n_taken = e->n_added;
	list_move_all(&e->batch, &e->waiting);
	e->job = (struct env_job){ .run = on_write, .done = after_write };
	if (env_work(e->store->env, ENV_LANE_READ, &e->job) != 0) {
		on_write(&e->job);
		after_write(&e->job);
	}
}

static void
start(struct events *e)
{
	struct env *env = e->store->env;

	if (e->is_busy || e->is_due || list_is_empty(&e->waiting))
		return;
	e->is_due =
	    env_timer_set(env, &e->gather, env_now(env) + EVENTS_GATHER) == 0;
}

static void
put(struct waiting *w, size_t *at, struct slice from, struct slice *ret)
{
	if (from.len > 0)
		memcpy(w->bytes + *at, from.at, from.len);
	*ret = slice_of(w->bytes + *at, from.len);
	*at += from.len;
}

void
events_add(struct events *e, const struct event *event)
{
	struct slice kind = slice_cstr(event->kind);
	struct slice text = slice_upto(event->text, EVENT_TEXT_MAX);
	struct slice detail = slice_upto(event->detail, EVENT_DETAIL_MAX);
	struct slice address = slice_upto(event->address, EVENT_TEXT_MAX);
	size_t need = sizeof(struct waiting) + kind.len + text.len +
	    detail.len + address.len,
	       at = 0;
	struct waiting *w =
	    e->memory + need > EVENTS_MEMORY ? NULL : malloc(need);

	if (w == NULL) {
		e->n_dropped++;
		return;
	}
	e->memory += need;
	w->message = event->message;
	w->at = event->at != 0 ? event->at : env_wall(e->store->env);
	put(w, &at, kind, &w->kind);
	put(w, &at, address, &w->address);
	put(w, &at, text, &w->text);
	put(w, &at, detail, &w->detail);
	list_add_last(&e->waiting, &w->link);
	e->n_added++;
	start(e);
}

void
events_wait(struct events *e, struct events_wait *w)
{
	w->until = e->n_added;
	list_add_last(&e->readers, &w->link);
	start(e);
	/* without memory for a timer they are written with the next one */
	let_read(e, e->is_busy || e->is_due ? e->n_written : UINT64_MAX);
}

int
events_new(struct store *s, struct events **ret)
{
	struct events *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return ERR_ORIGIN(-ENOMEM);
	e->store = s;
	e->gather.fire = on_gathered;
	list_init(&e->waiting);
	list_init(&e->batch);
	list_init(&e->readers);
	*ret = e;
	return 0;
}

void
events_free(struct events *e)
{
	struct list *link;

	if (e == NULL)
		return;
	env_timer_stop(e->store->env, &e->gather);
	while ((link = list_take_first(&e->waiting)) != NULL)
		free(LIST_ENTRY(link, struct waiting, link));
	db_close(e->db);
	free(e);
}

bool
events_is_idle(const struct events *e)
{
	return !e->is_busy && list_is_empty(&e->waiting);
}

/* -- reading: in a READ thread
 * ------------------------------------------------- */

static int
collect_day(void *ctx, const char *name)
{
	struct events_days *days = ctx;
	struct slice s = slice_cstr(name);

	if (s.len != 13 || !slice_ends(s, SLICE(".db")) ||
	    days->n == EVENTS_DAYS_MAX)
		return 0;
	(void)snprintf(days->names[days->n++], sizeof(days->names[0]), "%s",
	    name);
	return 0;
}

static int
newest_first(const void *a, const void *b)
{
	return strcmp(b, a);
}

int
events_days(struct store *s, struct events_days *ret)
{
	int r;

	ret->n = 0;
	r = env_dir_list(s->dir, "events", collect_day, ret);
	if (r != 0)
		return ERR_TRACE(r);
	qsort(ret->names, ret->n, sizeof(ret->names[0]), newest_first);
	return 0;
}

int
events_open_day(struct store *s, const char *name, struct db **ret)
{
	char path[DAY_MAX];

	(void)snprintf(path, sizeof(path), "events/%s", name);
	return ERR_TRACE(db_sqlite_open(s->vfs, path,
	    &(struct db_sqlite_options){ .cache_kib = 512 }, ret));
}
