/* SPDX-License-Identifier: ISC */
#include "sys/env.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "sys/env_impl.h"

int64_t
env_now(struct env *env)
{
	return env->vt->now(env);
}

int64_t
env_wall(struct env *env)
{
	return env->vt->wall(env);
}

void
env_random(struct env *env, void *at, size_t n)
{
	env->vt->random(env, at, n);
}

uint64_t
env_random_u64(struct env *env)
{
	uint64_t value;

	env_random(env, &value, sizeof(value));
	return value;
}

int
env_timer_set(struct env *env, struct env_timer *t, int64_t due)
{
	return env->vt->timer_set(env, t, due);
}

void
env_timer_stop(struct env *env, struct env_timer *t)
{
	env->vt->timer_stop(env, t);
}

int
env_watch_add(struct env *env, struct env_watch *w, int fd, unsigned want,
    void (*ready)(struct env_watch *w, unsigned events))
{
	w->fd = fd;
	w->want = want;
	w->ready = ready;
	w->is_dead = false;
	list_init(&w->link);
	return env->vt->watch_add(env, w);
}

int
env_watch_want(struct env *env, struct env_watch *w, unsigned want)
{
	return w->want == want ? 0 : env->vt->watch_want(env, w, want);
}

void
env_watch_del(struct env *env, struct env_watch *w)
{
	env->vt->watch_del(env, w);
}

void
env_defer(struct env *env, struct env_defer *d)
{
	env->vt->defer(env, d);
}

void
env_defer_cancel(struct env *env, struct env_defer *d)
{
	env->vt->defer_cancel(env, d);
}

int
env_work(struct env *env, enum env_lane lane, struct env_job *job)
{
	return env->vt->work(env, lane, job);
}

int
env_start_threads(struct env *env, unsigned lanes)
{
	return env->vt->start_threads(env, lanes);
}

int
env_accept(struct env *env, int listen_fd, struct env_addr *ret_peer)
{
	return env->vt->accept(env, listen_fd, ret_peer);
}

int
env_connect(struct env *env, const struct env_addr *to,
    const struct env_addr *from)
{
	return env->vt->connect(env, to, from);
}

int
env_connect_local(struct env *env, const char *path)
{
	return env->vt->connect_local(env, path);
}

int
env_connect_result(struct env *env, int fd)
{
	return env->vt->connect_result(env, fd);
}

int
env_local_addr(struct env *env, int fd, struct env_addr *ret)
{
	return env->vt->local_addr(env, fd, ret);
}

ssize_t
env_recv(struct env *env, int fd, void *at, size_t n)
{
	return env->vt->recv(env, fd, at, n);
}

ssize_t
env_sendv(struct env *env, int fd, const struct iovec *v, size_t n)
{
	return env->vt->sendv(env, fd, v, n);
}

void
env_shutdown_write(struct env *env, int fd)
{
	env->vt->shutdown_write(env, fd);
}

void
env_close(struct env *env, int fd, bool reset)
{
	env->vt->close(env, fd, reset);
}

int
env_dup(struct env *env, int fd)
{
	return env->vt->dup(env, fd);
}

int
env_pair(struct env *env, int ret_fds[2])
{
	return env->vt->pair(env, ret_fds);
}

ssize_t
env_sendv_fds(struct env *env, int fd, const struct iovec *v, size_t n,
    const int *fds, size_t n_fds)
{
	return env->vt->sendv_fds(env, fd, v, n, fds, n_fds);
}

ssize_t
env_recv_fds(struct env *env, int fd, void *at, size_t n, int fds[ENV_FDS_MAX],
    size_t *ret_n_fds)
{
	return env->vt->recv_fds(env, fd, at, n, fds, ret_n_fds);
}

int
env_dir_open(struct env *env, const char *path, struct env_dir **ret)
{
	return env->vt->dir_open(env, path, ret);
}

void
env_dir_close(struct env_dir *d)
{
	if (d != NULL)
		d->vt->close(d);
}

int
env_dir_sync(struct env_dir *d, const char *sub)
{
	return d->vt->sync(d, sub);
}

int
env_dir_make(struct env_dir *d, const char *sub)
{
	return d->vt->make(d, sub);
}

int
env_dir_list(struct env_dir *d, const char *sub,
    int (*each)(void *ctx, const char *name), void *ctx)
{
	return d->vt->list(d, sub, each, ctx);
}

int
env_dir_unlink(struct env_dir *d, const char *path)
{
	return d->vt->unlink(d, path);
}

int
env_dir_rename(struct env_dir *d, const char *from, const char *to)
{
	return d->vt->rename(d, from, to);
}

int
env_dir_link(struct env_dir *d, const char *from, const char *to)
{
	return d->vt->link(d, from, to);
}

int
env_dir_free_space(struct env_dir *d, uint64_t *ret_free, uint64_t *ret_size)
{
	return d->vt->free_space(d, ret_free, ret_size);
}

int
env_dir_lock(struct env_dir *d, const char *name, int *ret_owner)
{
	return d->vt->lock(d, name, ret_owner);
}

int
env_file_open(struct env_dir *d, const char *path, unsigned how,
    struct env_file **ret)
{
	return d->vt->open(d, path, how, ret);
}

void
env_file_close(struct env_file *f)
{
	if (f != NULL)
		f->vt->close(f);
}

ssize_t
env_file_pread(struct env_file *f, void *at, size_t n, uint64_t offset)
{
	return f->vt->pread(f, at, n, offset);
}

int
env_file_pwritev(struct env_file *f, const struct iovec *v, size_t n,
    uint64_t offset)
{
	return f->vt->pwritev(f, v, n, offset);
}

int
env_file_sync(struct env_file *f)
{
	return f->vt->sync(f);
}

int
env_file_size(struct env_file *f, uint64_t *ret)
{
	return f->vt->size(f, ret);
}

int
env_file_stat(struct env_file *f, struct env_file_stat *ret)
{
	return f->vt->stat(f, ret);
}

int
env_file_truncate(struct env_file *f, uint64_t size)
{
	return f->vt->truncate(f, size);
}

int
env_file_allocate(struct env_file *f, uint64_t size)
{
	return f->vt->allocate(f, size);
}

void
env_log(struct env *env, enum env_level level, const char *event,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	env->vt->log(env, level, event, format, ap);
	va_end(ap);
}

int
env_run(struct env *env)
{
	return env->vt->run(env);
}

void
env_stop(struct env *env)
{
	env->vt->stop(env);
}

void
env_addr_print(const struct env_addr *a, char text[ENV_ADDR_TEXT])
{
	uint32_t uid = 0;

	if (a->family == 4)
		(void)inet_ntop(AF_INET, a->bytes, text, ENV_ADDR_TEXT);
	else if (a->family == 6)
		(void)inet_ntop(AF_INET6, a->bytes, text, ENV_ADDR_TEXT);
	else if (env_addr_uid(a, &uid))
		(void)snprintf(text, ENV_ADDR_TEXT, "uid:%u", uid);
	else
		memcpy(text, "local", sizeof("local"));
}

enum {
	UID_KNOWN = 4 /* where in bytes it is said; the number before */
};

struct env_addr
env_addr_of_uid(uint32_t uid)
{
	struct env_addr a = { 0 };

	memcpy(a.bytes, &uid, sizeof(uid));
	a.bytes[UID_KNOWN] = 1;
	return a;
}

bool
env_addr_uid(const struct env_addr *a, uint32_t *ret)
{
	if (a->family != 0 || a->bytes[UID_KNOWN] != 1)
		return false;
	memcpy(ret, a->bytes, sizeof(*ret));
	return true;
}

bool
env_addr_parse(struct slice text, struct env_addr *ret)
{
	struct env_addr a = { 0 };
	char copy[ENV_ADDR_TEXT];

	if (!slice_to_cstr(text, copy, sizeof(copy)))
		return false;
	if (inet_pton(AF_INET, copy, a.bytes) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, copy, a.bytes) == 1)
		a.family = 6;
	else
		return false;
	*ret = a;
	return true;
}

bool
env_addr_is_loopback(const struct env_addr *a)
{
	static const uint8_t v6[16] = { [15] = 1 };
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (a->family == 4)
		return a->bytes[0] == 127;
	if (a->family != 6)
		return false;
	return memcmp(a->bytes, v6, sizeof(v6)) == 0 ||
	    (memcmp(a->bytes, mapped, sizeof(mapped)) == 0 &&
		a->bytes[12] == 127);
}
