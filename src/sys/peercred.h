/* SPDX-License-Identifier: ISC */
/*
 * sys/peercred - who stands at the other end of a local socket
 *
 * The kernel's word (SO_PEERCRED, SO_PEERGROUPS), fixed when the peer
 * connected. Trusted are root, our own user, and, when we run as a user other
 * than who may enter by file mode, those in our own group: the group that the
 * socket's file belongs to. Needs getsockopt(2) inside the sandbox.
 */
#ifndef SYS_PEERCRED_H
#define SYS_PEERCRED_H

#include <stdbool.h>
#include <stdint.h>

uint32_t peercred_own_uid(void);
/* False too when the kernel does not say. */
bool peercred_is_trusted(int fd, uint32_t *ret_uid);

#endif
