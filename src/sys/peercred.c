/* SPDX-License-Identifier: ISC */
/*
 * sys/peercred - see peercred.h
 */
#include "sys/peercred.h"

#include <sys/socket.h>
#include <unistd.h>

enum {
	GROUPS_MAX = 256 /* of a peer; who is in more is judged by these */
};

static bool
is_in_group(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[GROUPS_MAX];
	socklen_t len = sizeof(groups);

	if (peer->gid == group)
		return true;
#ifdef SO_PEERGROUPS
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == -1)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
#else
	(void)len, (void)groups;
#endif
	return false;
}

bool
peercred_is_trusted(int fd, uint32_t *ret_uid)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 ||
	    len != sizeof(peer))
		return false;
	*ret_uid = peer.uid;
	return peer.uid == 0 || peer.uid == geteuid() ||
	    is_in_group(fd, &peer, getegid());
}

uint32_t
peercred_own_uid(void)
{
	return geteuid();
}
