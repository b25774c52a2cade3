/* SPDX-License-Identifier: ISC */
/*
 * sys/env_faulty - an env that fails when it is told to; for tests
 *
 * Directories and files are wrapped, too. Jobs call files from their threads,
 * so the counters have a mutex.
 */
#include "sys/env_faulty.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/env_impl.h"
#include "sys/unsynced.h"

struct faulty {
	struct env env;
	struct env *inner;
	struct env_dir *dir; /* the inner one that was opened last */
	pthread_mutex_t mutex;
	bool keeps_unsynced;
	struct unsynced unsynced;
	struct fault_plan plans[N_FAULTS];
	uint64_t counts[N_FAULTS], armed_at[N_FAULTS], failed[N_FAULTS];
};

struct faulty_dir {
	struct env_dir dir;
	struct env_dir *inner;
};

struct faulty_file {
	struct env_file file;
	struct env_file *inner;
	struct faulty *faulty;
	char path[128];
};

#define FAULTY(e) ((struct faulty *)(void *)(e))
#define INNER(e) (FAULTY(e)->inner)
#define DIR_INNER(d) (((struct faulty_dir *)(void *)(d))->inner)
#define FILE_OF(f) ((struct faulty_file *)(void *)(f))

/* Counts one call; true when it is one of those that shall fail. */
static bool
is_due(struct faulty *f, enum env_fault fault)
{
	const struct fault_plan *plan = &f->plans[fault];
	uint64_t n = ++f->counts[fault] - f->armed_at[fault];

	return plan->nth != 0 && n >= plan->nth &&
	    (plan->n == 0 || n - plan->nth < plan->n);
}

/* Nothing is written any more: the mutex stays locked. */
static void
cut_power(struct faulty *f, uint64_t survivors)
{
	(void)pthread_mutex_lock(&f->mutex);
	unsynced_lose(&f->unsynced, f->dir, survivors);
}

static void
end(struct faulty *f, const struct fault_plan *plan)
{
	if (plan->cuts_power)
		cut_power(f, plan->survivors);
	_exit(plan->exit_status);
}

/* NULL, or the plan by which this call fails. */
static const struct fault_plan *
find_plan(struct faulty *f, enum env_fault fault)
{
	const struct fault_plan *plan = NULL;

	(void)pthread_mutex_lock(&f->mutex);
	if (is_due(f, fault))
		plan = &f->plans[fault];
	if (fault >= FAULT_OPEN && fault <= FAULT_DIR_SYNC &&
	    is_due(f, FAULT_ANY_DISK) && plan == NULL)
		plan = &f->plans[FAULT_ANY_DISK];
	if (plan != NULL)
		f->failed[plan - f->plans]++;
	(void)pthread_mutex_unlock(&f->mutex);
	/* Of a write that is torn a half comes first. */
	if (plan != NULL && plan->exit_status != 0 &&
	    !(plan->is_torn && fault == FAULT_WRITE))
		end(f, plan);
	return plan;
}

static int
error_of(const struct fault_plan *plan)
{
	return plan->error != 0 ? -plan->error : -EIO;
}

/* 0 when the call may go on. */
static int
check(struct env *env, enum env_fault fault)
{
	const struct fault_plan *plan = find_plan(FAULTY(env), fault);

	return plan == NULL ? 0 : error_of(plan);
}

/* -- files
 * --------------------------------------------------------------------- */

static void
file_close(struct env_file *f)
{
	env_file_close(FILE_OF(f)->inner);
	free(f);
}

static ssize_t
file_pread(struct env_file *f, void *at, size_t n, uint64_t offset)
{
	int r = check(&FILE_OF(f)->faulty->env, FAULT_READ);

	return r < 0 ? r : env_file_pread(FILE_OF(f)->inner, at, n, offset);
}

/* What is written, or cut off (v NULL), and not synced. */
static void
note_unsynced(struct faulty_file *f, const struct iovec *v, size_t n,
    uint64_t offset)
{
	struct faulty *faulty = f->faulty;

	(void)pthread_mutex_lock(&faulty->mutex);
	if (faulty->keeps_unsynced && v != NULL)
		unsynced_write(&faulty->unsynced, f->path, f->inner, v, n,
		    offset);
	else if (faulty->keeps_unsynced)
		unsynced_truncate(&faulty->unsynced, f->path, f->inner, offset);
	(void)pthread_mutex_unlock(&faulty->mutex);
}

/* The first half of the pieces and of the bytes of the last of them. */
static void
write_torn(struct env_file *inner, const struct iovec *v, size_t n,
    uint64_t offset)
{
	size_t total = 0, half;

	for (size_t i = 0; i < n; i++)
		total += v[i].iov_len;
	half = total / 2;
	for (size_t i = 0; i < n && half > 0; i++) {
		struct iovec one = v[i];

		if (one.iov_len > half)
			one.iov_len = half;
		(void)env_file_pwritev(inner, &one, 1, offset);
		offset += one.iov_len;
		half -= one.iov_len;
	}
}

static int
file_pwritev(struct env_file *f, const struct iovec *v, size_t n,
    uint64_t offset)
{
	const struct fault_plan *plan =
	    find_plan(FILE_OF(f)->faulty, FAULT_WRITE);

	if (plan == NULL || plan->is_torn)
		note_unsynced(FILE_OF(f), v, n, offset);
	if (plan == NULL)
		return env_file_pwritev(FILE_OF(f)->inner, v, n, offset);
	if (plan->is_torn)
		write_torn(FILE_OF(f)->inner, v, n, offset);
	if (plan->exit_status != 0)
		end(FILE_OF(f)->faulty, plan);
	return error_of(plan);
}

static int
file_sync(struct env_file *f)
{
	struct faulty *faulty = FILE_OF(f)->faulty;
	int r = check(&faulty->env, FAULT_SYNC);
	uint64_t until;

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&faulty->mutex);
	until = faulty->unsynced.n;
	(void)pthread_mutex_unlock(&faulty->mutex);
	r = env_file_sync(FILE_OF(f)->inner);
	(void)pthread_mutex_lock(&faulty->mutex);
	if (r == 0)
		unsynced_keep(&faulty->unsynced, FILE_OF(f)->path, until);
	(void)pthread_mutex_unlock(&faulty->mutex);
	return r;
}

static int
file_size(struct env_file *f, uint64_t *ret)
{
	return env_file_size(FILE_OF(f)->inner, ret);
}

static int
file_stat(struct env_file *f, struct env_file_stat *ret)
{
	return env_file_stat(FILE_OF(f)->inner, ret);
}

static int
file_truncate(struct env_file *f, uint64_t size)
{
	int r = check(&FILE_OF(f)->faulty->env, FAULT_TRUNCATE);

	if (r < 0)
		return r;
	note_unsynced(FILE_OF(f), NULL, 0, size);
	return env_file_truncate(FILE_OF(f)->inner, size);
}

static int
file_allocate(struct env_file *f, uint64_t size)
{
	int r = check(&FILE_OF(f)->faulty->env, FAULT_ALLOCATE);

	return r < 0 ? r : env_file_allocate(FILE_OF(f)->inner, size);
}

static const struct env_file_vt file_vt = { file_close, file_pread,
	file_pwritev, file_sync, file_size, file_stat, file_truncate,
	file_allocate };

/* -- directories
 * --------------------------------------------------------------- */

static void
dir_close(struct env_dir *d)
{
	env_dir_close(DIR_INNER(d));
	free(d);
}

static int
dir_sync(struct env_dir *d, const char *sub)
{
	int r = check(d->env, FAULT_DIR_SYNC);

	return r < 0 ? r : env_dir_sync(DIR_INNER(d), sub);
}

static int
dir_make(struct env_dir *d, const char *sub)
{
	int r = check(d->env, FAULT_NAMES);

	return r < 0 ? r : env_dir_make(DIR_INNER(d), sub);
}

static int
dir_list(struct env_dir *d, const char *sub, int (*each)(void *, const char *),
    void *ctx)
{
	int r = check(d->env, FAULT_NAMES);

	return r < 0 ? r : env_dir_list(DIR_INNER(d), sub, each, ctx);
}

static int
dir_unlink(struct env_dir *d, const char *path)
{
	struct faulty *f = FAULTY(d->env);
	int r = check(d->env, FAULT_NAMES);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&f->mutex);
	unsynced_keep(&f->unsynced, path, f->unsynced.n);
	(void)pthread_mutex_unlock(&f->mutex);
	return env_dir_unlink(DIR_INNER(d), path);
}

static int
dir_rename(struct env_dir *d, const char *from, const char *to)
{
	struct faulty *f = FAULTY(d->env);
	int r = check(d->env, FAULT_NAMES);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&f->mutex);
	unsynced_rename(&f->unsynced, from, to);
	(void)pthread_mutex_unlock(&f->mutex);
	return env_dir_rename(DIR_INNER(d), from, to);
}

static int
dir_link(struct env_dir *d, const char *from, const char *to)
{
	int r = check(d->env, FAULT_NAMES);

	return r < 0 ? r : env_dir_link(DIR_INNER(d), from, to);
}

static int
dir_free_space(struct env_dir *d, uint64_t *ret_free, uint64_t *ret_size)
{
	return env_dir_free_space(DIR_INNER(d), ret_free, ret_size);
}

static int
dir_lock(struct env_dir *d, const char *name, int *ret_owner)
{
	return env_dir_lock(DIR_INNER(d), name, ret_owner);
}

static int
dir_file_open(struct env_dir *d, const char *path, unsigned how,
    struct env_file **ret)
{
	struct faulty_file *f;
	int r = check(d->env, FAULT_OPEN);

	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (f == NULL)
		return -ENOMEM;
	r = env_file_open(DIR_INNER(d), path, how, &f->inner);
	if (r < 0) {
		free(f);
		return r;
	}
	f->file.vt = &file_vt;
	f->faulty = FAULTY(d->env);
	(void)snprintf(f->path, sizeof(f->path), "%s", path);
	*ret = &f->file;
	return 0;
}

static const struct env_dir_vt dir_vt = { dir_close, dir_sync, dir_make,
	dir_list, dir_unlink, dir_rename, dir_link, dir_free_space, dir_lock,
	dir_file_open };

static int
faulty_dir_open(struct env *env, const char *path, struct env_dir **ret)
{
	struct faulty_dir *d = calloc(1, sizeof(*d));
	int r;

	if (d == NULL)
		return -ENOMEM;
	r = env_dir_open(INNER(env), path, &d->inner);
	if (r < 0) {
		free(d);
		return r;
	}
	d->dir.vt = &dir_vt;
	d->dir.env = env;
	FAULTY(env)->dir = d->inner;
	*ret = &d->dir;
	return 0;
}

/* -- the rest
 * -------------------------------------------------------------------- */

static int64_t
faulty_now(struct env *env)
{
	return env_now(INNER(env));
}

static int64_t
faulty_wall(struct env *env)
{
	return env_wall(INNER(env));
}

static void
faulty_random(struct env *env, void *at, size_t n)
{
	env_random(INNER(env), at, n);
}

/* Moving a timer never fails. */
static int
faulty_timer_set(struct env *env, struct env_timer *t, int64_t due)
{
	int r = t->slot == 0 ? check(env, FAULT_TIMER) : 0;

	return r < 0 ? r : env_timer_set(INNER(env), t, due);
}

static void
faulty_timer_stop(struct env *env, struct env_timer *t)
{
	env_timer_stop(INNER(env), t);
}

static int
faulty_watch_add(struct env *env, struct env_watch *w)
{
	int r = check(env, FAULT_WATCH);

	return r < 0 ? r : INNER(env)->vt->watch_add(INNER(env), w);
}

static int
faulty_watch_want(struct env *env, struct env_watch *w, unsigned want)
{
	int r = check(env, FAULT_WATCH);

	return r < 0 ? r : INNER(env)->vt->watch_want(INNER(env), w, want);
}

static void
faulty_watch_del(struct env *env, struct env_watch *w)
{
	env_watch_del(INNER(env), w);
}

static void
faulty_defer(struct env *env, struct env_defer *d)
{
	env_defer(INNER(env), d);
}

static void
faulty_defer_cancel(struct env *env, struct env_defer *d)
{
	env_defer_cancel(INNER(env), d);
}

static int
faulty_work(struct env *env, enum env_lane lane, struct env_job *job)
{
	int r = check(env, FAULT_WORK);

	return r < 0 ? r : env_work(INNER(env), lane, job);
}

static int
faulty_start_threads(struct env *env, unsigned lanes)
{
	return env_start_threads(INNER(env), lanes);
}

static int
faulty_accept(struct env *env, int listen_fd, struct env_addr *ret_peer)
{
	int r = check(env, FAULT_ACCEPT);

	return r < 0 ? r : env_accept(INNER(env), listen_fd, ret_peer);
}

static int
faulty_connect(struct env *env, const struct env_addr *to,
    const struct env_addr *from)
{
	int r = check(env, FAULT_CONNECT);

	return r < 0 ? r : env_connect(INNER(env), to, from);
}

static int
faulty_connect_local(struct env *env, const char *path)
{
	int r = check(env, FAULT_CONNECT);

	return r < 0 ? r : env_connect_local(INNER(env), path);
}

static int
faulty_connect_result(struct env *env, int fd)
{
	return env_connect_result(INNER(env), fd);
}

static int
faulty_local_addr(struct env *env, int fd, struct env_addr *ret)
{
	return env_local_addr(INNER(env), fd, ret);
}

static ssize_t
faulty_recv(struct env *env, int fd, void *at, size_t n)
{
	int r = check(env, FAULT_RECV);

	return r < 0 ? r : env_recv(INNER(env), fd, at, n);
}

static ssize_t
faulty_sendv(struct env *env, int fd, const struct iovec *v, size_t n)
{
	int r = check(env, FAULT_SEND);

	return r < 0 ? r : env_sendv(INNER(env), fd, v, n);
}

static void
faulty_shutdown_write(struct env *env, int fd)
{
	env_shutdown_write(INNER(env), fd);
}

static void
faulty_close(struct env *env, int fd, bool reset)
{
	env_close(INNER(env), fd, reset);
}

static int
faulty_dup(struct env *env, int fd)
{
	int r = check(env, FAULT_DUP);

	return r < 0 ? r : env_dup(INNER(env), fd);
}

static int
faulty_pair(struct env *env, int *ret_fds)
{
	int r = check(env, FAULT_DUP);

	return r < 0 ? r : env_pair(INNER(env), ret_fds);
}

static ssize_t
faulty_sendv_fds(struct env *env, int fd, const struct iovec *v, size_t n,
    const int *fds, size_t n_fds)
{
	int r = check(env, FAULT_SEND);

	return r < 0 ? r : env_sendv_fds(INNER(env), fd, v, n, fds, n_fds);
}

static ssize_t
faulty_recv_fds(struct env *env, int fd, void *at, size_t n, int *fds,
    size_t *ret_n_fds)
{
	int r = check(env, FAULT_RECV);

	*ret_n_fds = 0;
	return r < 0 ? r : env_recv_fds(INNER(env), fd, at, n, fds, ret_n_fds);
}

static void
faulty_log(struct env *env, enum env_level level, const char *event,
    const char *format, va_list ap)
{
	INNER(env)->vt->log(INNER(env), level, event, format, ap);
}

static int
faulty_run(struct env *env)
{
	return env_run(INNER(env));
}

static void
faulty_stop(struct env *env)
{
	env_stop(INNER(env));
}

static const struct env_vt faulty_vt = {
	.now = faulty_now,
	.wall = faulty_wall,
	.random = faulty_random,
	.timer_set = faulty_timer_set,
	.timer_stop = faulty_timer_stop,
	.watch_add = faulty_watch_add,
	.watch_want = faulty_watch_want,
	.watch_del = faulty_watch_del,
	.defer = faulty_defer,
	.defer_cancel = faulty_defer_cancel,
	.work = faulty_work,
	.start_threads = faulty_start_threads,
	.accept = faulty_accept,
	.connect = faulty_connect,
	.connect_local = faulty_connect_local,
	.connect_result = faulty_connect_result,
	.local_addr = faulty_local_addr,
	.recv = faulty_recv,
	.sendv = faulty_sendv,
	.shutdown_write = faulty_shutdown_write,
	.close = faulty_close,
	.dup = faulty_dup,
	.pair = faulty_pair,
	.sendv_fds = faulty_sendv_fds,
	.recv_fds = faulty_recv_fds,
	.dir_open = faulty_dir_open,
	.log = faulty_log,
	.run = faulty_run,
	.stop = faulty_stop,
};

int
env_faulty_new(struct env *inner, struct env **ret)
{
	struct faulty *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	f->env.vt = &faulty_vt;
	f->inner = inner;
	unsynced_init(&f->unsynced);
	(void)pthread_mutex_init(&f->mutex, NULL);
	*ret = &f->env;
	return 0;
}

void
env_faulty_free(struct env *env)
{
	if (env == NULL)
		return;
	(void)pthread_mutex_destroy(&FAULTY(env)->mutex);
	unsynced_deinit(&FAULTY(env)->unsynced);
	free(env);
}

void
env_faulty_arm(struct env *env, enum env_fault fault,
    const struct fault_plan *plan)
{
	struct faulty *f = FAULTY(env);

	(void)pthread_mutex_lock(&f->mutex);
	f->plans[fault] = *plan;
	f->armed_at[fault] = f->counts[fault];
	f->keeps_unsynced |= plan->cuts_power;
	(void)pthread_mutex_unlock(&f->mutex);
}

void
env_faulty_cut_power(struct env *env, uint64_t survivors)
{
	cut_power(FAULTY(env), survivors);
}

uint64_t
env_faulty_count(struct env *env, enum env_fault fault)
{
	struct faulty *f = FAULTY(env);
	uint64_t n;

	(void)pthread_mutex_lock(&f->mutex);
	n = f->counts[fault];
	(void)pthread_mutex_unlock(&f->mutex);
	return n;
}

uint64_t
env_faulty_failed(struct env *env, enum env_fault fault)
{
	struct faulty *f = FAULTY(env);
	uint64_t n;

	(void)pthread_mutex_lock(&f->mutex);
	n = f->failed[fault];
	(void)pthread_mutex_unlock(&f->mutex);
	return n;
}
