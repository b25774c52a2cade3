/* SPDX-License-Identifier: ISC */
/*
 * roles/supervisor/impl - what its files share
 *
 * begin.c: configuration, users, sockets, before anything runs. child.c: one
 * child's life. supervisor.c: all of them together, signals, the end.
 */
#ifndef ROLES_SUPERVISOR_IMPL_H
#define ROLES_SUPERVISOR_IMPL_H

#include <sys/types.h>

#include "roles/role.h"
#include "roles/supervisor/supervisor.h"
#include "roles/supervisor/table.h"
#include "sys/env_posix.h"
#include "sys/spawn.h"

enum {
	CHILDREN_MAX = 9 + 2 * SUPERVISOR_FRONTS
};

struct supervisor;

struct child {
	struct supervisor *supervisor;
	enum wire_role role;
	unsigned index;    /* among the fronts of its kind */
	uint32_t instance; /* never used twice in a run */
	pid_t pid;         /* 0: not running */
	struct channel channel;
	bool is_ready;
	int64_t started;        /* env_now */
	unsigned n_fast;        /* deaths soon after the start, in a row */
	struct env_timer again; /* to start it, or to kill it */
};

struct supervisor {
	struct env *env;
	const char *program, *config_path;
	struct supervisor_table table;
	int config_fd; /* sealed */
	bool is_root;
	struct spawn_user users[WIRE_N_ROLES]; /* when is_root */
	struct child children[CHILDREN_MAX];
	size_t n_children;
	int listeners[LIMIT_LISTENERS][SUPERVISOR_FRONTS];
	int control_fd, local_fd;
	unsigned n_waits; /* begin.c: for the last server's end */
	uint32_t last_instance;
	int signal_fd;
	struct env_watch signals;
	bool was_ready, is_stopping;
	unsigned phase; /* of the end */
	struct env_timer patience;
	int exit_status;
};

/* begin.c: 0, or the exit status after it has said why on stderr. */
int supervisor_begin(struct supervisor *s);
void supervisor_close_listeners(struct supervisor *s);
/* Mx fronts have port 25 and LMTP, user fronts what wants a login. */
bool supervisor_serves(enum wire_role role, uint8_t service);

/* child.c */
void child_start(struct child *c);
void child_stop(struct child *c);
void child_kill(struct child *c);
/* It has ended; `status` as of waitpid. */
void child_ended(struct child *c, int status);

/* supervisor.c, called from child.c */
void supervisor_is_ready(struct supervisor *s);
void supervisor_end(struct supervisor *s, int exit_status);
/* Sends each of the two its end of a new socketpair. */
void supervisor_join(struct supervisor *s, struct child *c);

#endif
