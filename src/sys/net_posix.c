/* SPDX-License-Identifier: ISC */
/*
 * sys/net_posix - sockets of the real kernel
 *
 * Everything is non-blocking and close-on-exec. An IPv4 peer of an IPv6 socket
 * is told as IPv4. SIGPIPE never comes: MSG_NOSIGNAL on each send.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sys/posix.h"

union any_addr {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
	struct sockaddr_storage storage;
};

static void
addr_from_kernel(const union any_addr *from, struct env_addr *ret)
{
	struct env_addr a = { 0 };

	if (from->sa.sa_family == AF_INET) {
		a.family = 4;
		a.port = ntohs(from->in.sin_port);
		memcpy(a.bytes, &from->in.sin_addr, 4);
	} else if (from->sa.sa_family == AF_INET6) {
		a.port = ntohs(from->in6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&from->in6.sin6_addr)) {
			a.family = 4;
			memcpy(a.bytes, from->in6.sin6_addr.s6_addr + 12, 4);
		} else {
			a.family = 6;
			memcpy(a.bytes, &from->in6.sin6_addr, 16);
		}
	}
	*ret = a;
}

/* 0 for a family that is not of the Internet. */
static socklen_t
addr_to_kernel(const struct env_addr *a, union any_addr *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (a->family == 4) {
		ret->in.sin_family = AF_INET;
		ret->in.sin_port = htons(a->port);
		memcpy(&ret->in.sin_addr, a->bytes, 4);
		return sizeof(ret->in);
	}
	if (a->family == 6) {
		ret->in6.sin6_family = AF_INET6;
		ret->in6.sin6_port = htons(a->port);
		memcpy(&ret->in6.sin6_addr, a->bytes, 16);
		return sizeof(ret->in6);
	}
	return 0;
}

/* Replies are written whole, so there is nothing Nagle's wait could gather. */
static void
set_no_delay(int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* A peer that is gone is noticed where its silence would be waited for. So is
 * one that has never heard of the connection: Linux, when its queue is full,
 * answers SYNs with cookies and keeps nothing of them. */
static void
set_keepalive(int fd)
{
#ifdef TCP_KEEPIDLE
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, ENV_KEEPALIVE_SECONDS },
		{ IPPROTO_TCP, TCP_KEEPINTVL, 15 },
		{ IPPROTO_TCP, TCP_KEEPCNT, 8 },
	};

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
#else
	(void)fd;
#endif
}

/* Fixed when it connected. */
static struct env_addr
peer_of_local(int fd)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1 ||
	    len != sizeof(peer))
		return (struct env_addr){ 0 };
	return env_addr_of_uid(peer.uid);
}

int
posix_accept(struct env *env, int listen_fd, struct env_addr *ret_peer)
{
	union any_addr from = { 0 };
	socklen_t len = sizeof(from);
	int fd;

	(void)env;
	do
		fd = accept4(listen_fd, &from.sa, &len,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd == -1 && errno == EINTR);
	if (fd == -1)
		return -errno;
	addr_from_kernel(&from, ret_peer);
	if (ret_peer->family != 0)
		set_no_delay(fd);
	else
		*ret_peer = peer_of_local(fd);
	return fd;
}

int
posix_connect(struct env *env, const struct env_addr *to,
    const struct env_addr *from)
{
	union any_addr there, here;
	socklen_t len = addr_to_kernel(to, &there);
	int fd, r;

	(void)env;
	if (len == 0)
		return -EAFNOSUPPORT;
	fd = socket(there.sa.sa_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	set_no_delay(fd);
	set_keepalive(fd);
	if (from != NULL) {
		socklen_t n = addr_to_kernel(from, &here);

		if (n == 0 || bind(fd, &here.sa, n) == -1) {
			r = n == 0 ? -EAFNOSUPPORT : -errno;
			goto undo;
		}
	}
	if (connect(fd, &there.sa, len) == -1 && errno != EINPROGRESS) {
		r = -errno;
		goto undo;
	}
	return fd;

undo:
	(void)close(fd);
	return r;
}

int
posix_connect_local(struct env *env, const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd, r;

	(void)env;
	if (!slice_to_cstr(slice_cstr(path), un.sun_path, sizeof(un.sun_path)))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == -1 &&
	    errno != EINPROGRESS) {
		r = -errno;
		(void)close(fd);
		return r;
	}
	return fd;
}

int
posix_connect_result(struct env *env, int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	(void)env;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		return -errno;
	return -error;
}

int
posix_local_addr(struct env *env, int fd, struct env_addr *ret)
{
	union any_addr a = { 0 };
	socklen_t len = sizeof(a);

	(void)env;
	if (getsockname(fd, &a.sa, &len) == -1)
		return -errno;
	addr_from_kernel(&a, ret);
	return 0;
}

ssize_t
posix_recv(struct env *env, int fd, void *at, size_t n)
{
	ssize_t got;

	(void)env;
	do
		got = recv(fd, at, n, 0);
	while (got == -1 && errno == EINTR);
	return got == -1 ? -errno : got;
}

ssize_t
posix_sendv(struct env *env, int fd, const struct iovec *v, size_t n)
{
	return posix_sendv_fds(env, fd, v, n, NULL, 0);
}

void
posix_shutdown_write(struct env *env, int fd)
{
	(void)env;
	(void)shutdown(fd, SHUT_WR);
}

void
posix_close(struct env *env, int fd, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)env;
	if (reset)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	(void)close(fd);
}

int
posix_dup(struct env *env, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	(void)env;
	return copy == -1 ? -errno : copy;
}

int
posix_pair(struct env *env, int *ret_fds)
{
	(void)env;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		   0, ret_fds) == -1
	    ? -errno
	    : 0;
}

union fds_control {
	char at[CMSG_SPACE(sizeof(int) * ENV_FDS_MAX)];
	struct cmsghdr align;
};

ssize_t
posix_sendv_fds(struct env *env, int fd, const struct iovec *v, size_t n,
    const int *fds, size_t n_fds)
{
	union fds_control control = { 0 };
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)v,
		.msg_iovlen = n };
	ssize_t sent;

	(void)env;
	if (n_fds > ENV_FDS_MAX)
		return -E2BIG;
	if (n_fds > 0) {
		struct cmsghdr *c;

		m.msg_control = control.at;
		m.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
	}
	do
		sent = sendmsg(fd, &m, MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	return sent == -1 ? -errno : sent;
}

/* All that came, at most ENV_FDS_MAX; *ret_n says how many. */
static void
take_fds(struct msghdr *m, int *fds, size_t *ret_n)
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL;
	     c = CMSG_NXTHDR(m, c)) {
		size_t n_here = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n_here; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int),
			    sizeof(got));
			if (n == ENV_FDS_MAX) {
				(void)close(got);
				continue;
			}
			(void)fcntl(got, F_SETFL,
			    fcntl(got, F_GETFL) | O_NONBLOCK);
			fds[n++] = got;
		}
	}
	*ret_n = n;
}

ssize_t
posix_recv_fds(struct env *env, int fd, void *at, size_t n, int *fds,
    size_t *ret_n_fds)
{
	union fds_control control = { 0 };
	struct iovec v = { at, n };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = control.at,
		.msg_controllen = sizeof(control.at) };
	ssize_t got;

	(void)env;
	*ret_n_fds = 0;
	do
		got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (got == -1 && errno == EINTR);
	if (got == -1)
		return -errno;
	take_fds(&m, fds, ret_n_fds);
	if ((m.msg_flags & MSG_CTRUNC) == 0)
		return got;
	/* Some were lost; which frame they belonged to is unknown. */
	while (*ret_n_fds > 0)
		(void)close(fds[--*ret_n_fds]);
	return -EPROTO;
}
