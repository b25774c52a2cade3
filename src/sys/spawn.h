/* SPDX-License-Identifier: ISC */
/*
 * sys/spawn - starts this program again as one of its roles
 *
 * For the supervisor, which has one thread. The child shares nothing with us
 * but the descriptors named here and stderr; it dies when we die.
 */
#ifndef SYS_SPAWN_H
#define SYS_SPAWN_H

#include <sys/types.h>

#include "base/slice.h"

enum {
	SPAWN_CHANNEL_FD = 3,
	SPAWN_CONFIG_FD = 4,
	SPAWN_EXIT = 71 /* EX_OSERR: the child did not get as far as exec */
};

struct spawn_user { /* root's children become this one */
	uid_t uid;
	gid_t gid;
};

struct spawn {
	const char *program; /* NULL: what we ourselves run */
	const char *role;
	const char *config_path; /* for messages; in $ULAK_CONFIG */
	int channel_fd, config_fd;
	const struct spawn_user *user; /* NULL: stay who we are */
};

/* The caller still owns both descriptors. */
int spawn_role(const struct spawn *s, pid_t *ret_pid);
/* We are root, and not one of a user namespace who is alone in it. */
bool spawn_can_change_user(void);
/* -ENOENT when there is no such user. */
int spawn_user_find(const char *name, struct spawn_user *ret);
/* A sealed memory file with these bytes, or -errno. */
int spawn_seal(struct slice text);

#endif
