/* SPDX-License-Identifier: ISC */
/*
 * sys/env - a role's only door to the machine
 *
 * Clocks, randomness, timers, readiness, threads, sockets and files: all of it
 * goes through struct env, so that a role can run under the real kernel
 * (env_posix.c), under one that fails on purpose (env_faulty.c), and under a
 * simulated one, and can run several times in one process. No role has mutable
 * globals.
 *
 * Threads: only env_now, env_wall, env_random and the env_file_* calls may be
 * used from a job of env_work(); everything else belongs to the loop's thread.
 *
 * Errors: 0 or a count on success, -errno otherwise, unless a call says more.
 */
#ifndef SYS_ENV_H
#define SYS_ENV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/list.h"
#include "base/slice.h"

struct env;

/* -- clocks and chance ---------------------------------------------------- */

int64_t env_now(struct env *env);  /* monotonic, microseconds */
int64_t env_wall(struct env *env); /* since 1970 UTC, microseconds; may jump */
void env_random(struct env *env, void *at, size_t n);
uint64_t env_random_u64(struct env *env);

/* -- timers --------------------------------------------------------------- */

/* Owned by the caller, zeroed before first use, at rest while slot == 0. */
struct env_timer {
	int64_t due; /* env_now() */
	void (*fire)(struct env_timer *t);
	size_t slot;	    /* env's; place in its heap, from 1 */
};

/* Sets or moves it. 0 or -ENOMEM (moving never fails). */
int env_timer_set(struct env *env, struct env_timer *t, int64_t due);
void env_timer_stop(struct env *env, struct env_timer *t);

/* -- readiness ------------------------------------------------------------ */

enum { ENV_READ = 1, ENV_WRITE = 2 };

/* One a descriptor, owned by the caller. Level-triggered. An error or hang-up
 * is told as readiness for whatever is wanted: the next call on the descriptor
 * says what it is. */
struct env_watch {
	int fd;
	unsigned want; /* change through env_watch_want */
	void (*ready)(struct env_watch *w, unsigned events);
	struct list link; /* env's */
	bool is_dead;	  /* env's */
};

int env_watch_add(struct env *env, struct env_watch *w, int fd, unsigned want,
    void (*ready)(struct env_watch *w, unsigned events));
int env_watch_want(struct env *env, struct env_watch *w, unsigned want);
/* No call of `ready` comes after this, also not later in the same turn. The
 * descriptor stays open. The watch's memory may be freed at once. */
void env_watch_del(struct env *env, struct env_watch *w);

/* -- the turn ------------------------------------------------------------- */

/* Called once at the end of the present loop turn (after all readiness, timers
 * and finished jobs of it), then forgotten. Deferring twice in a turn is one
 * call. Channels are flushed by these. */
struct env_defer {
	void (*run)(struct env_defer *d);
	struct list link; /* env's; initialise with list_init */
};
void env_defer(struct env *env, struct env_defer *d);
void env_defer_cancel(struct env *env, struct env_defer *d);

/* -- work in threads ------------------------------------------------------ */

/* A lane has its own threads and runs its jobs in the order they came. */
enum env_lane {
	ENV_LANE_APPEND, /* one thread: the store's appender */
	ENV_LANE_COMMIT, /* one thread: the store's writer */
	ENV_LANE_READ,	 /* a few: the store's readers */
	ENV_LANE_HASH,	 /* one or two: password hashing */
	ENV_N_LANES
};

struct env_job {
	void (*run)(struct env_job *job);  /* in a thread */
	void (*done)(struct env_job *job); /* on the loop afterwards */
	struct list link;		   /* env's */
};

/* 0, or -errno when the thread cannot be started. */
int env_work(struct env *env, enum env_lane lane, struct env_job *job);
/* Starts the threads of these lanes (1 << ENV_LANE_...) now, because a sandbox
 * that allows no new ones is about to close. role_run does it. */
int env_start_threads(struct env *env, unsigned lanes);

/* -- sockets -------------------------------------------------------------- */

/* What a peer's address is to us. */
struct env_addr {
	uint8_t family; /* 4, 6, or 0 for a local socket */
	uint8_t bytes[16]; /* IPv4 in the first four; of a local socket see
			    * env_addr_uid */
	uint16_t port;
};
enum { ENV_ADDR_TEXT = 64 };
void env_addr_print(const struct env_addr *a, char text[ENV_ADDR_TEXT]); /* no port; "uid:1000" */
bool env_addr_parse(struct slice text, struct env_addr *ret);
/* A peer on a local socket: its user as the kernel says. */
struct env_addr env_addr_of_uid(uint32_t uid);
bool env_addr_uid(const struct env_addr *a, uint32_t *ret);
bool env_addr_is_loopback(const struct env_addr *a);

/* All sockets are non-blocking; -EAGAIN says "wait for readiness". */
int env_accept(struct env *env, int listen_fd, struct env_addr *ret_peer); /* fd */
/* Begins to connect; -errno at once, or an fd that becomes writable, after
 * which env_connect_result tells 0 or -errno. `from` may be NULL. A peer that
 * is silent for ENV_KEEPALIVE_SECONDS is asked whether it is there: it resets
 * a connection that it does not know of. */
enum {
	ENV_KEEPALIVE_SECONDS = 10
};
int env_connect(struct env *env, const struct env_addr *to,
    const struct env_addr *from);
/* The same to a socket in the file system. */
int env_connect_local(struct env *env, const char *path);
int env_connect_result(struct env *env, int fd);
int env_local_addr(struct env *env, int fd, struct env_addr *ret);
ssize_t env_recv(struct env *env, int fd, void *at, size_t n); /* 0: end */
ssize_t env_sendv(struct env *env, int fd, const struct iovec *v, size_t n);
void env_shutdown_write(struct env *env, int fd);
/* Closes with a reset instead of an orderly end, when `reset`. */
void env_close(struct env *env, int fd, bool reset);
/* Another descriptor for the same thing, close-on-exec. */
int env_dup(struct env *env, int fd);
/* Two that are connected to each other (AF_UNIX, a stream). */
int env_pair(struct env *env, int ret_fds[2]);

/* For channels between roles (AF_UNIX): descriptors ride on the first byte.
 * Received ones are close-on-exec and non-blocking. */
enum { ENV_FDS_MAX = 4 };
ssize_t env_sendv_fds(struct env *env, int fd, const struct iovec *v, size_t n,
    const int *fds, size_t n_fds);
ssize_t env_recv_fds(struct env *env, int fd, void *at, size_t n,
    int fds[ENV_FDS_MAX], size_t *ret_n_fds);

/* -- files ---------------------------------------------------------------- */

/* Every path is relative to a directory opened at start-up, before the sandbox
 * closed; "sub/name" is allowed, ".." and a leading '/' are refused. */
struct env_dir;
struct env_file;

enum {
	ENV_FILE_READ = 0, /* must exist; read only */
	ENV_FILE_WRITE = 1, /* read and write */
	ENV_FILE_CREATE = 2, /* with WRITE: make it when it is not there */
	ENV_FILE_NEW = 4     /* with CREATE: -EEXIST when it is there */
};

int env_dir_open(struct env *env, const char *path, struct env_dir **ret);
void env_dir_close(struct env_dir *d);
/* Makes sure that names made or removed in sub (or "." ) survive a power cut. */
int env_dir_sync(struct env_dir *d, const char *sub);
int env_dir_make(struct env_dir *d, const char *sub); /* mode 0700; 0 if there */
/* Calls `each` for every name in sub, in no order; stops when it returns != 0
 * and returns that. */
int env_dir_list(struct env_dir *d, const char *sub,
    int (*each)(void *ctx, const char *name), void *ctx);
int env_dir_unlink(struct env_dir *d, const char *path);
int env_dir_rename(struct env_dir *d, const char *from, const char *to);
int env_dir_link(struct env_dir *d, const char *from, const char *to);
int env_dir_free_space(struct env_dir *d, uint64_t *ret_free, uint64_t *ret_size);
/* Takes the directory's lock file for this process; -EWOULDBLOCK when another
 * has it (its pid in *ret_owner when known, else 0). Held until close. */
int env_dir_lock(struct env_dir *d, const char *name, int *ret_owner);

int env_file_open(struct env_dir *d, const char *path, unsigned how,
    struct env_file **ret);
void env_file_close(struct env_file *f);
/* Reads up to n bytes; a short count means the end of the file. */
ssize_t env_file_pread(struct env_file *f, void *at, size_t n, uint64_t offset);
/* Writes all of it or fails; no retry after an error. */
int env_file_pwritev(struct env_file *f, const struct iovec *v, size_t n,
    uint64_t offset);
/* fdatasync. After a failure nothing about the file's unsynced bytes is known
 * and it must not be called again on it: there is no retry (design 4). */
int env_file_sync(struct env_file *f);
int env_file_size(struct env_file *f, uint64_t *ret);
/* Of a file that somebody else has made: what it is, and whose. */
struct env_file_stat {
	bool is_regular;
	uint32_t uid;
	uint64_t n_links, size;
};
int env_file_stat(struct env_file *f, struct env_file_stat *ret);
int env_file_truncate(struct env_file *f, uint64_t size);
int env_file_allocate(struct env_file *f, uint64_t size); /* keeps content */

/* -- log ------------------------------------------------------------------ */

enum env_level { ENV_ERROR, ENV_WARN, ENV_INFO, ENV_DEBUG };

/*
 * One logfmt line on stderr. `format` gives key=value pairs; anything from
 * outside goes through log_quote (sys/log.h) first. Secrets never.
 */
void env_log(struct env *env, enum env_level level, const char *event,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* -- running -------------------------------------------------------------- */

/* Turns until env_stop; 0, or -errno when the loop itself failed. */
int env_run(struct env *env);
void env_stop(struct env *env);

#endif
