/* SPDX-License-Identifier: ISC */
/*
 * sys/posix - what the parts of env_posix share; nobody else includes this
 *
 * loop.c turns, loop_epoll.c and loop_poll.c wait, timers.c keeps the heap,
 * work.c the threads, net_posix.c the sockets, file_posix.c the files, log.c
 * the log. Everything hangs on one struct env_posix, owned by its loop's
 * thread; only the `work` part is touched by other threads, under its mutex.
 */
#ifndef SYS_POSIX_H
#define SYS_POSIX_H

#include <pthread.h>

#include "sys/env_impl.h"
#include "sys/env_posix.h"

/* A descriptor that is ready; w == NULL when its watch went meanwhile. */
struct loop_event {
	struct env_watch *w;
	unsigned events; /* ENV_READ, ENV_WRITE, or both for an error */
};

struct env_posix;

/* How to wait. A watch that wants nothing is in no back end. */
struct loop_backend {
	int (*init)(struct env_posix *p);
	void (*deinit)(struct env_posix *p);
	/* From `had` to `want`; either may be 0. */
	int (*change)(struct env_posix *p, struct env_watch *w, unsigned had,
	    unsigned want);
	/* Fills p->events; -errno, never -EINTR. timeout_ms -1: for ever. */
	int (*wait)(struct env_posix *p, int timeout_ms);
};
extern const struct loop_backend loop_epoll, loop_poll;

enum {
	WORK_THREADS = 8
};

struct work_lane {
	struct work *work;
	pthread_cond_t cond;
	struct list jobs;
	unsigned n_threads;
};

struct work {
	pthread_mutex_t mutex;
	struct work_lane lanes[ENV_N_LANES];
	pthread_t threads[WORK_THREADS];
	unsigned n_threads;
	unsigned n_out; /* jobs that have not come back; the loop's alone */
	struct list finished;
	int wake_fd; /* eventfd; -1 before the first thread */
	struct env_watch wake;
	struct env *env;
	bool is_ending;
};

struct env_posix {
	struct env env;
	const struct loop_backend *backend;
	int epoll_fd;
	struct list watches; /* all of them */
	size_t n_watches;
	struct loop_event *events;
	size_t n_events, events_size;
	void *poll_fds; /* loop_poll's */
	struct env_timer **heap;
	size_t n_timers, heap_size;
	struct list defers;
	struct work work;
	const char *role;
	unsigned log_level;
	int log_fd;
	bool is_stopping;
	bool has_made_clock;
	int64_t made, made_wall; /* its time now; and what to add for the date */
};

#define ENV_POSIX(e) ((struct env_posix *)(void *)(e))

/* loop.c */
int posix_watch_add(struct env *env, struct env_watch *w);
int posix_watch_want(struct env *env, struct env_watch *w, unsigned want);
void posix_watch_del(struct env *env, struct env_watch *w);
void posix_defer(struct env *env, struct env_defer *d);
void posix_defer_cancel(struct env *env, struct env_defer *d);
int posix_run(struct env *env);
void posix_stop(struct env *env);
/* Makes room for n events; 0 or -ENOMEM. */
int posix_events_reserve(struct env_posix *p, size_t n);

/* timers.c */
int posix_timer_set(struct env *env, struct env_timer *t, int64_t due);
void posix_timer_stop(struct env *env, struct env_timer *t);
void posix_timers_fire(struct env_posix *p, int64_t now);
/* Milliseconds until the first is due, rounded up; -1 when there is none. */
int posix_timers_wait(const struct env_posix *p, int64_t now);

/* work.c */
int posix_work(struct env *env, enum env_lane lane, struct env_job *job);
int posix_start_threads(struct env *env, unsigned lanes);
int posix_work_init(struct work *w, struct env *env);
void posix_work_deinit(struct work *w);

/* net_posix.c */
int posix_accept(struct env *env, int listen_fd, struct env_addr *ret_peer);
int posix_connect(struct env *env, const struct env_addr *to,
    const struct env_addr *from);
int posix_connect_local(struct env *env, const char *path);
int posix_connect_result(struct env *env, int fd);
int posix_local_addr(struct env *env, int fd, struct env_addr *ret);
ssize_t posix_recv(struct env *env, int fd, void *at, size_t n);
ssize_t posix_sendv(struct env *env, int fd, const struct iovec *v, size_t n);
void posix_shutdown_write(struct env *env, int fd);
void posix_close(struct env *env, int fd, bool reset);
int posix_dup(struct env *env, int fd);
int posix_pair(struct env *env, int *ret_fds);
ssize_t posix_sendv_fds(struct env *env, int fd, const struct iovec *v,
    size_t n, const int *fds, size_t n_fds);
ssize_t posix_recv_fds(struct env *env, int fd, void *at, size_t n, int *fds,
    size_t *ret_n_fds);

/* file_posix.c */
int posix_dir_open(struct env *env, const char *path, struct env_dir **ret);

/* log.c */
void posix_log(struct env *env, enum env_level level, const char *event,
    const char *format, va_list ap) __attribute__((format(printf, 4, 0)));

#endif
