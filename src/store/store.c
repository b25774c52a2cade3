/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/store_impl.h"

enum {
	SEGMENT_SIZE = 64 * 1024 * 1024,
	BODY_MEMORY = 512 * 1024 * 1024,
	WRITER_CACHE_KIB = 64 * 1024
};

/* -- segments, in READ threads
 * ------------------------------------------------- */

static struct open_segment *
find_segment(struct store *s, uint64_t number)
{
	for (unsigned i = 0; i < STORE_OPEN_SEGMENTS; i++)
		if (s->segments[i].number == number)
			return &s->segments[i];
	return NULL;
}

/* The one used longest ago that nobody reads from; NULL: all are in use. */
static struct open_segment *
free_segment(struct store *s)
{
	struct open_segment *best = NULL;

	for (unsigned i = 0; i < STORE_OPEN_SEGMENTS; i++) {
		struct open_segment *o = &s->segments[i];

		if (o->n_users == 0 &&
		    (best == NULL || o->used_at < best->used_at))
			best = o;
	}
	return best;
}

static int
take_segment(struct store *s, uint64_t number, struct open_segment **ret)
{
	char path[SEGMENT_PATH];
	struct open_segment *o;
	struct env_file *file;
	int r = 0;

	(void)pthread_mutex_lock(&s->mutex);
	o = find_segment(s, number);
	if (o == NULL) {
		segment_path(number, path);
		o = free_segment(s);
		r = o == NULL
		    ? -EMFILE
		    : env_file_open(s->dir, path, ENV_FILE_READ, &file);
		if (r == 0) {
			if (o->file != NULL)
				env_file_close(o->file);
			*o = (struct open_segment){ number, file, 0, 0 };
		}
	}
	if (r == 0) {
		o->n_users++;
		o->used_at = ++s->clock;
		*ret = o;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	return r == 0 ? 0 : ERR_ORIGIN(r);
}

int
segment_read(struct store *s, uint64_t segment, uint64_t offset, void *at,
    size_t n)
{
	struct open_segment *o = NULL;
	ssize_t got;
	int r = take_segment(s, segment, &o);

	if (r != 0)
		return ERR_TRACE(r);
	got = env_file_pread(o->file, at, n, offset);
	(void)pthread_mutex_lock(&s->mutex);
	o->n_users--;
	(void)pthread_mutex_unlock(&s->mutex);
	if (got < 0)
		return ERR_ORIGIN((int)got);
	return (size_t)got == n ? 0 : ERR_ORIGIN(-EIO);
}

/* Called before its file is unlinked; one that is being read stays until it
 * is the oldest. */
void
store_segment_forget(struct store *s, uint64_t number)
{
	struct open_segment *o;

	(void)pthread_mutex_lock(&s->mutex);
	o = find_segment(s, number);
	if (o != NULL && o->n_users == 0) {
		env_file_close(o->file);
		*o = (struct open_segment){ 0 };
	}
	(void)pthread_mutex_unlock(&s->mutex);
}

/* -- deposits
 * ------------------------------------------------------------------------ */

static void
after_deposit(struct deposit *d, int r)
{
	list_remove(&d->link);
	d->caller_done(&d->write, r);
}

/* Bytes that were kept for a mail that was not: an account without room, a
 * bounce whose rows are gone. No row names their segment, so that nothing would
 * ever collect it. */
struct garbage {
	struct store_write write;
	struct segment_place place;
};

static int
apply_garbage(struct db *db, struct store_write *w)
{
	struct garbage *g = LIST_ENTRY(w, struct garbage, write);

	return ERR_TRACE(DB_EXEC(segment_note, db, .segment = g->place.segment,
	    .end = g->place.end));
}

static void
done_garbage(struct store_write *w, int r)
{
	(void)r; /* the next one in this segment tells of it */
	free(LIST_ENTRY(w, struct garbage, write));
}

/* After a condition, or after trouble that passes, it is certain that no row
 * was written; after any other the store ends, and a start looks. */
static void
leave_garbage(struct store *s, const struct segment_place *p, int r)
{
	struct garbage *g;

	if (r < 0 && r != -ENOSPC && r != -ENOMEM && r != -E2BIG)
		return;
	if (p->is_big) {
		store_segment_remove(s, p->segment);
		return;
	}
	if (s->noted_segment == p->segment)
		return;
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return;
	s->noted_segment = r > 0 ? p->segment : s->noted_segment;
	g->place = *p;
	g->write = (struct store_write){ .lane = STORE_LANE_BULK,
		.apply = apply_garbage,
		.done = done_garbage };
	store_submit(s, &g->write);
}

static void
on_deposit_committed(struct store_write *w, int r)
{
	struct deposit *d = LIST_ENTRY(w, struct deposit, write);

	w->done = d->caller_done;
	if (r != 0)
		leave_garbage(d->store, &d->append.place, r);
	after_deposit(d, r);
}

static void
on_deposit_appended(struct append *a, int r)
{
	struct deposit *d = LIST_ENTRY(a, struct deposit, append);

	if (r != 0) {
		after_deposit(d, r);
		return;
	}
	d->is_appended = true;
	d->caller_done = d->write.done;
	d->write.done = on_deposit_committed;
	committer_submit(d->store->committer, &d->write);
}

void
deposit_submit(struct store *s, struct deposit *d, struct body *body)
{
	d->store = s;
	d->is_appended = false;
	d->caller_done = d->write.done;
	d->append.done = on_deposit_appended;
	list_add_last(&s->deposits, &d->link);
	body_append(body, &d->append);
}

static void
on_appended_alone(struct append *a, int r)
{
	struct deposit *d = LIST_ENTRY(a, struct deposit, append);

	d->is_appended = r == 0;
	d->appended(d, r);
}

void
deposit_append(struct store *s, struct deposit *d, struct body *body,
    void (*appended)(struct deposit *d, int r))
{
	d->store = s;
	d->is_appended = false;
	d->appended = appended;
	d->append.done = on_appended_alone;
	list_add_last(&s->deposits, &d->link);
	body_append(body, &d->append);
}

void
deposit_release(struct deposit *d, int r)
{
	if (r != 0 && d->is_appended)
		leave_garbage(d->store, &d->append.place, r);
	list_remove(&d->link);
}

/* Every segment below this one holds only what rows name, or garbage. */
uint64_t
store_safe_segment(const struct store *s)
{
	uint64_t low = appender_safe_segment(s->appender);

	LIST_FOREACH (it, &s->deposits) {
		const struct deposit *d = LIST_ENTRY(it, struct deposit, link);

		if (d->is_appended && d->append.place.segment < low)
			low = d->append.place.segment;
	}
	return low;
}

/* -- opening
 * ------------------------------------------------------------------------- */

static bool
file_exists(struct env_dir *dir, const char *path)
{
	struct env_file *f;

	if (env_file_open(dir, path, ENV_FILE_READ, &f) != 0)
		return false;
	env_file_close(f);
	return true;
}

static int
make_key(struct store *s)
{
	struct iovec v = { s->key, sizeof(s->key) };
	struct env_file *f;
	int r = env_file_open(s->dir, "segments/key",
	    ENV_FILE_WRITE | ENV_FILE_CREATE | ENV_FILE_NEW, &f);

	if (r != 0)
		return ERR_ORIGIN(r);
	env_random(s->env, s->key, sizeof(s->key));
	r = env_file_pwritev(f, &v, 1, 0);
	if (r == 0)
		r = env_file_sync(f);
	if (r == 0)
		r = env_dir_sync(s->dir, "segments");
	env_file_close(f);
	return r == 0 ? 0 : ERR_ORIGIN(r);
}

static int
read_key(struct store *s)
{
	struct env_file *f;
	uint64_t size = 0;
	ssize_t got = -1;

	if (env_file_open(s->dir, "segments/key", ENV_FILE_READ, &f) != 0)
		return STORE_E_KEY;
	if (env_file_size(f, &size) == 0 && size == sizeof(s->key))
		got = env_file_pread(f, s->key, sizeof(s->key), 0);
	env_file_close(f);
	return got == sizeof(s->key) ? 0 : STORE_E_KEY;
}

static int
make_tree(struct store *s)
{
	static const char *const dirs[] = { "segments", "events" };

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		int r = env_dir_make(s->dir, dirs[i]);

		if (r != 0)
			return ERR_ORIGIN(r);
	}
	if (!file_exists(s->dir, "segments/key"))
		return ERR_TRACE(make_key(s));
	return 0;
}

/* Looks with a reader, which changes nothing, before the writer opens. */
static int
check_version(struct store *s, uint32_t *ret)
{
	int r = store_version(s, "ulak.db", ret);

	if (r != 0)
		return ERR_TRACE(r);
	if (*ret > STORE_SCHEMA)
		return STORE_E_NEWER;
	return *ret < STORE_SCHEMA && s->o.read_only ? STORE_E_OLDER : 0;
}

static int
open_database(struct store *s)
{
	bool is_there = file_exists(s->dir, "ulak.db");
	uint32_t version = 0;
	int r;

	if (!is_there && !s->o.create)
		return STORE_E_ABSENT;
	if (is_there) {
		r = check_version(s, &version);
		/* An init that died before its first transaction. */
		if (r < 0 && s->o.create)
			r = 0;
		if (r != 0)
			return r;
	}
	r = db_sqlite_open(s->vfs, "ulak.db",
	    &(struct db_sqlite_options){ .is_writer = true,
		.create = s->o.create,
		.cache_kib = WRITER_CACHE_KIB },
	    &s->writer);
	return r != 0 ? ERR_TRACE(r) : store_migrate(s, version);
}

static void
on_broken(void *ctx, int r, const char *why)
{
	struct store *s = ctx;

	env_log(s->env, ENV_ERROR, "store-broken", "errno=%d why=\"%s\"", -r,
	    why);
	if (s->o.broken != NULL)
		s->o.broken(s->o.ctx, why);
}

static void
on_append_broken(void *ctx, int r)
{
	on_broken(ctx, r, "two writes of segments failed in a row");
}

static void
on_append_trouble(void *ctx, int r)
{
	struct store *s = ctx;

	env_log(s->env, ENV_WARN, "append-failed", "errno=%d", -r);
	if (s->o.trouble != NULL)
		s->o.trouble(s->o.ctx, r);
}

static const struct committer_ops committer_ops = { .broken = on_broken };

static int
start_writers(struct store *s)
{
	struct appender_options a = {
		.segment_size =
		    s->o.segment_size == 0 ? SEGMENT_SIZE : s->o.segment_size,
		.memory =
		    s->o.body_memory == 0 ? BODY_MEMORY : s->o.body_memory,
		.key = s->key,
		.broken = on_append_broken,
		.trouble = on_append_trouble,
		.ctx = s,
	};
	int r = store_recover(s, &a);

	if (r == 0)
		r = appender_new(s->env, s->dir, &a, &s->appender);
	if (r == 0)
		r = committer_new(s->env, s->writer, &committer_ops, s,
		    &s->committer);
	if (r == 0)
		r = events_new(s, &s->events);
	return r == 0 ? 0 : ERR_TRACE(r);
}

static int
open_all(struct store *s)
{
	int r = 0;

	if (s->o.create)
		r = make_tree(s);
	else if (!file_exists(s->dir, "ulak.db"))
		return STORE_E_ABSENT;
	if (r == 0)
		r = read_key(s);
	if (r == 0)
		r = store_vfs_new(s->env, s->dir, &s->vfs);
	if (r == 0)
		r = open_database(s);
	if (r == 0 && !s->o.read_only)
		r = start_writers(s);
	return r;
}

static void
close_all(struct store *s)
{
	events_free(s->events);
	committer_free(s->committer);
	appender_free(s->appender);
	store_readers_close(s);
	for (unsigned i = 0; i < STORE_OPEN_SEGMENTS; i++)
		if (s->segments[i].file != NULL)
			env_file_close(s->segments[i].file);
	db_close(s->writer);
	store_vfs_free(s->vfs);
	(void)pthread_mutex_destroy(&s->mutex);
	sodium_memzero(s->key, sizeof(s->key));
	free(s);
}

int
store_open(struct env *env, struct env_dir *data, const struct store_options *o,
    struct store **ret)
{
	struct store *s;
	int owner = 0;
	int r = env_dir_lock(data, "lock", &owner);

	if (r == -EWOULDBLOCK) {
		env_log(env, ENV_ERROR, "store-locked", "pid=%d", owner);
		return STORE_E_LOCKED;
	}
	if (r != 0)
		return ERR_ORIGIN(r);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	s->env = env;
	s->dir = data;
	s->o = *o;
	list_init(&s->deposits);
	store_readers_init(s);
	(void)pthread_mutex_init(&s->mutex, NULL);
	r = open_all(s);
	if (r != 0) {
		close_all(s);
		if (r == -EBADMSG)
			return STORE_E_DAMAGED;
		return r < 0 ? ERR_TRACE(r) : r;
	}
	*ret = s;
	return 0;
}

void
store_close(struct store *s)
{
	close_all(s);
}

bool
store_is_idle(const struct store *s)
{
	return s->n_reads == 0 && committer_is_idle(s->committer) &&
	    appender_is_idle(s->appender) && events_is_idle(s->events) &&
	    list_is_empty(&s->deposits);
}

const char *
store_open_text(int r)
{
	switch (r) {
	case STORE_E_LOCKED:
		return "the data directory is in use by another process";
	case STORE_E_NEWER:
		return "the store was written by a newer ulak; use that one";
	case STORE_E_OLDER:
		return "the store was written by an older ulak; start this one "
		       "once, which upgrades it, or use that one";
	case STORE_E_UPGRADE:
		return "the store could not be upgraded and is as it was; the "
		       "log says why";
	case STORE_E_ABSENT:
		return "there is no store here; make one with: ulak init";
	case STORE_E_KEY:
		return "segments/key is missing or not a key; bring it back "
		       "from a backup";
	case STORE_E_DAMAGED:
		return "ulak.db is damaged or no database; bring it back from "
		       "a backup";
	default:
		return "the store cannot be opened";
	}
}

struct env *
store_env(struct store *s)
{
	return s->env;
}

struct committer *
store_committer(struct store *s)
{
	return s->committer;
}

struct appender *
store_appender(struct store *s)
{
	return s->appender;
}

struct events *
store_events(struct store *s)
{
	return s->events;
}

struct db *
store_writer(struct store *s)
{
	return s->writer;
}

void
store_submit(struct store *s, struct store_write *w)
{
	committer_submit(s->committer, w);
}

void
store_segment_remove(struct store *s, uint64_t number)
{
	char path[SEGMENT_PATH];

	store_segment_forget(s, number);
	segment_path(number, path);
	(void)env_dir_unlink(s->dir, path);
}
