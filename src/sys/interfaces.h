/* SPDX-License-Identifier: ISC */
/*
 * sys/interfaces - the addresses of this machine, as they are just now
 */
#ifndef SYS_INTERFACES_H
#define SYS_INTERFACES_H

#include "sys/env.h"

/* Returns how many there are, at most `max` of them; ports are 0. Needs more
 * system calls than a role may make behind its sandbox. */
size_t interfaces_list(struct env_addr *ret, size_t max);

#endif
