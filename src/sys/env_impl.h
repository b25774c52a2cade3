/* SPDX-License-Identifier: ISC */
/*
 * sys/env_impl - what an env must be able to do; for those who make one
 *
 * struct env is the first member of each implementation's own struct. The
 * functions of env.h are thin calls through this table (env.c).
 */
#ifndef SYS_ENV_IMPL_H
#define SYS_ENV_IMPL_H

#include <stdarg.h>

#include "sys/env.h"

struct env_vt {
	int64_t (*now)(struct env *);
	int64_t (*wall)(struct env *);
	void (*random)(struct env *, void *, size_t);
	int (*timer_set)(struct env *, struct env_timer *, int64_t);
	void (*timer_stop)(struct env *, struct env_timer *);
	int (*watch_add)(struct env *, struct env_watch *);
	int (*watch_want)(struct env *, struct env_watch *, unsigned);
	void (*watch_del)(struct env *, struct env_watch *);
	void (*defer)(struct env *, struct env_defer *);
	void (*defer_cancel)(struct env *, struct env_defer *);
	int (*work)(struct env *, enum env_lane, struct env_job *);
	int (*start_threads)(struct env *, unsigned);
	int (*accept)(struct env *, int, struct env_addr *);
	int (*connect)(struct env *, const struct env_addr *,
	    const struct env_addr *);
	int (*connect_local)(struct env *, const char *);
	int (*connect_result)(struct env *, int);
	int (*local_addr)(struct env *, int, struct env_addr *);
	ssize_t (*recv)(struct env *, int, void *, size_t);
	ssize_t (*sendv)(struct env *, int, const struct iovec *, size_t);
	void (*shutdown_write)(struct env *, int);
	void (*close)(struct env *, int, bool);
	int (*dup)(struct env *, int);
	int (*pair)(struct env *, int *);
	ssize_t (*sendv_fds)(struct env *, int, const struct iovec *, size_t,
	    const int *, size_t);
	ssize_t (*recv_fds)(
	    struct env *, int, void *, size_t, int *, size_t *);
	int (*dir_open)(struct env *, const char *, struct env_dir **);
	void (*log)(struct env *, enum env_level, const char *, const char *,
	    va_list);
	int (*run)(struct env *);
	void (*stop)(struct env *);
};

struct env {
	const struct env_vt *vt;
};

struct env_dir_vt {
	void (*close)(struct env_dir *);
	int (*sync)(struct env_dir *, const char *);
	int (*make)(struct env_dir *, const char *);
	int (*list)(struct env_dir *, const char *,
	    int (*)(void *, const char *), void *);
	int (*unlink)(struct env_dir *, const char *);
	int (*rename)(struct env_dir *, const char *, const char *);
	int (*link)(struct env_dir *, const char *, const char *);
	int (*free_space)(struct env_dir *, uint64_t *, uint64_t *);
	int (*lock)(struct env_dir *, const char *, int *);
	int (*open)(
	    struct env_dir *, const char *, unsigned, struct env_file **);
};

struct env_dir {
	const struct env_dir_vt *vt;
	struct env *env;
};

struct env_file_vt {
	void (*close)(struct env_file *);
	ssize_t (*pread)(struct env_file *, void *, size_t, uint64_t);
	int (*pwritev)(
	    struct env_file *, const struct iovec *, size_t, uint64_t);
	int (*sync)(struct env_file *);
	int (*size)(struct env_file *, uint64_t *);
	int (*stat)(struct env_file *, struct env_file_stat *);
	int (*truncate)(struct env_file *, uint64_t);
	int (*allocate)(struct env_file *, uint64_t);
};

struct env_file {
	const struct env_file_vt *vt;
};

#endif
