/* SPDX-License-Identifier: ISC */
/*
 * sys/env_posix - the env of a real process on a real kernel
 *
 * One a process or thread. The caller owns what it makes and ends it with
 * env_posix_free, after env_run has returned; threads are joined then. Jobs
 * still waiting at that time are not run.
 */
#ifndef SYS_ENV_POSIX_H
#define SYS_ENV_POSIX_H

#include "sys/env.h"

struct env_posix_options {
	const char *role;     /* for the log; must outlive the env */
	uint8_t log_level;    /* enum env_level; what is above is not written */
	int log_fd;	      /* 0: stderr */
	bool use_poll;	      /* poll(2) instead of epoll(7) */
	/* Tests in one thread: the clock stands still while anything is ready
	 * or a job is out, and then goes on to the next timer at once. What
	 * they see does not depend on how busy the machine is. */
	bool has_made_clock;
};

int env_posix_new(const struct env_posix_options *options, struct env **ret);
void env_posix_free(struct env *env);

#endif
