/* SPDX-License-Identifier: ISC */
/*
 * sys/env_posix - the table of a real process's env; clocks and chance
 *
 * Everything else stands in the files named in sys/posix.h.
 */
#include "sys/env_posix.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "sys/posix.h"

static int64_t
clock_us(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t); /* fails for no clock we name */
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t
posix_now(struct env *env)
{
	const struct env_posix *p = ENV_POSIX(env);

	return p->has_made_clock ? p->made : clock_us(CLOCK_MONOTONIC);
}

static int64_t
posix_wall(struct env *env)
{
	const struct env_posix *p = ENV_POSIX(env);

	return p->has_made_clock ? p->made + p->made_wall
				 : clock_us(CLOCK_REALTIME);
}

/* A process without random numbers must not go on: ids and salts would
 * repeat. */
static void
posix_random(struct env *env, void *at, size_t n)
{
	uint8_t *to = at;

	(void)env;
	while (n > 0) {
		ssize_t got = getrandom(to, n, 0);

		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		to += got;
		n -= (size_t)got;
	}
}

static const struct env_vt posix_vt = {
	.now = posix_now,
	.wall = posix_wall,
	.random = posix_random,
	.timer_set = posix_timer_set,
	.timer_stop = posix_timer_stop,
	.watch_add = posix_watch_add,
	.watch_want = posix_watch_want,
	.watch_del = posix_watch_del,
	.defer = posix_defer,
	.defer_cancel = posix_defer_cancel,
	.work = posix_work,
	.start_threads = posix_start_threads,
	.accept = posix_accept,
	.connect = posix_connect,
	.connect_local = posix_connect_local,
	.connect_result = posix_connect_result,
	.local_addr = posix_local_addr,
	.recv = posix_recv,
	.sendv = posix_sendv,
	.shutdown_write = posix_shutdown_write,
	.close = posix_close,
	.dup = posix_dup,
	.pair = posix_pair,
	.sendv_fds = posix_sendv_fds,
	.recv_fds = posix_recv_fds,
	.dir_open = posix_dir_open,
	.log = posix_log,
	.run = posix_run,
	.stop = posix_stop,
};

int
env_posix_new(const struct env_posix_options *options, struct env **ret)
{
	struct env_posix *p = calloc(1, sizeof(*p));
	int r;

	if (p == NULL)
		return -ENOMEM;
	p->env.vt = &posix_vt;
	p->backend = options->use_poll ? &loop_poll : &loop_epoll;
	p->epoll_fd = -1;
	p->role = options->role != NULL ? options->role : "ulak";
	p->log_level = options->log_level;
	p->log_fd = options->log_fd > 0 ? options->log_fd : STDERR_FILENO;
	p->has_made_clock = options->has_made_clock;
	p->made = clock_us(CLOCK_MONOTONIC);
	p->made_wall = clock_us(CLOCK_REALTIME) - p->made;
	list_init(&p->watches);
	list_init(&p->defers);
	(void)posix_work_init(&p->work, &p->env);
	r = p->backend->init(p);
	if (r < 0) {
		env_posix_free(&p->env);
		return r;
	}
	*ret = &p->env;
	return 0;
}

void
env_posix_free(struct env *env)
{
	struct env_posix *p = ENV_POSIX(env);

	if (env == NULL)
		return;
	posix_work_deinit(&p->work);
	p->backend->deinit(p);
	free(p->events);
	free(p->heap);
	free(p);
}
