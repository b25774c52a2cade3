/* SPDX-License-Identifier: ISC */
/*
 * sys/listen - listening sockets, made by the supervisor for its roles
 */
#ifndef SYS_LISTEN_H
#define SYS_LISTEN_H

#include <sys/types.h>

#include "sys/env.h"

/* Makes n sockets that share the address (SO_REUSEPORT), one a front. 0, or
 * -errno with none made; -EADDRINUSE also when the other one would share. */
int listen_inet(const struct env_addr *at, int *ret_fds, size_t n);
/* A socket at `path` with that mode; one that nobody answers is removed first.
 * An fd, -EADDRINUSE when somebody answers, -errno. */
int listen_local(const char *path, unsigned mode);

enum {
	LISTEN_OWNER = 64
};
/* "nginx (pid 1234)" of whoever listens at the port, or false when /proc does
 * not tell. */
bool listen_find_owner(uint16_t port, char owner[LISTEN_OWNER]);

#endif
