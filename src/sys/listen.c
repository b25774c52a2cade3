/* SPDX-License-Identifier: ISC */
/*
 * sys/listen - listening sockets, made by the supervisor for its roles
 *
 * SO_REUSEPORT lets any process of our user share a port, also a second server
 * by mistake: a first bind without it finds out. Who has a port is read from
 * /proc, best effort, for the error message only.
 */
#include "sys/listen.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	BACKLOG = 1024,
	PROC_LINE = 512
};

static int
set_options(int fd, int family, bool is_shared)
{
	const int on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == -1)
		return -errno;
	if (family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == -1)
		return -errno;
	if (is_shared &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == -1)
		return -errno;
	return 0;
}

static int
bind_inet(const struct env_addr *at, bool is_shared)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(at->port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_port = htons(at->port) };
	int family = at->family == 6 ? AF_INET6 : AF_INET, fd, r;

	memcpy(&in.sin_addr, at->bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, at->bytes, sizeof(in6.sin6_addr));
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	r = set_options(fd, family, is_shared);
	if (r < 0)
		goto undo;
	r = family == AF_INET6 ? bind(fd, (struct sockaddr *)&in6, sizeof(in6))
			       : bind(fd, (struct sockaddr *)&in, sizeof(in));
	if (r == -1) {
		r = -errno;
		goto undo;
	}
	return fd;

undo:
	(void)close(fd);
	return r;
}

int
listen_inet(const struct env_addr *at, int *ret_fds, size_t n)
{
	int first = bind_inet(at, false), r = 0;
	size_t made = 0;

	if (first < 0)
		return first;
	(void)close(first);
	while (made < n) {
		int fd = bind_inet(at, true);

		if (fd < 0) {
			r = fd;
			goto undo;
		}
		ret_fds[made++] = fd;
		if (listen(fd, BACKLOG) == -1) {
			r = -errno;
			goto undo;
		}
	}
	return 0;

undo:
	while (made > 0)
		(void)close(ret_fds[--made]);
	return r;
}

/* -EADDRINUSE when somebody answers there. */
static int
remove_stale(const struct sockaddr_un *at)
{
	struct stat st;
	int fd, r;

	if (lstat(at->sun_path, &st) == -1)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -ENOTSOCK;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	r = connect(fd, (const struct sockaddr *)at, sizeof(*at));
	r = r == 0 ? -EADDRINUSE : -errno;
	(void)close(fd);
	if (r != -ECONNREFUSED)
		return r == -ENOENT ? 0 : r;
	return unlink(at->sun_path) == -1 ? -errno : 0;
}

int
listen_local(const char *path, unsigned mode)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	mode_t before;
	int fd, r;

	if (!slice_to_cstr(slice_cstr(path), at.sun_path, sizeof(at.sun_path)))
		return -ENAMETOOLONG;
	r = remove_stale(&at);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -errno;
	before = umask(0777 & ~mode); /* from its first moment on */
	r = bind(fd, (struct sockaddr *)&at, sizeof(at));
	r = r == -1 ? -errno : 0;
	(void)umask(before);
	if (r == 0 && listen(fd, BACKLOG) == -1)
		r = -errno;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

/* -- who has it -------------------------------------------------------------
 */

/* The inode of the socket that listens at the port, from a table such as
 * /proc/net/tcp: "sl local_address rem_address st ... uid timeout inode". */
static unsigned long
find_inode(const char *table, uint16_t port)
{
	FILE *f = fopen(table, "re");
	unsigned long inode = 0;
	char line[PROC_LINE];

	while (f != NULL && inode == 0 &&
	    fgets(line, sizeof(line), f) != NULL) {
		unsigned got_port, state;
		unsigned long got;

		if (sscanf(line,
			" %*d: %*[0-9A-F]:%x %*s %x %*s %*s %*s %*d %*d %lu",
			&got_port, &state, &got) == 3 &&
		    got_port == port && state == 0x0a)
			inode = got;
	}
	if (f != NULL)
		(void)fclose(f);
	return inode;
}

static bool
has_socket(const char *pid, unsigned long inode)
{
	char path[300], target[64], wanted[64];
	struct dirent *e;
	bool found = false;
	DIR *dir;

	(void)snprintf(wanted, sizeof(wanted), "socket:[%lu]", inode);
	(void)snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (e = readdir(dir)) != NULL) {
		ssize_t n = readlinkat(dirfd(dir), e->d_name, target,
		    sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		found = strcmp(target, wanted) == 0;
	}
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}

static void
print_owner(const char *pid, char owner[LISTEN_OWNER])
{
	char path[300], comm[32] = "?";
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f != NULL) {
		if (fgets(comm, sizeof(comm), f) != NULL)
			comm[strcspn(comm, "\n\"")] = '\0';
		(void)fclose(f);
	}
	(void)snprintf(owner, LISTEN_OWNER, "%s (pid %.12s)", comm, pid);
}

bool
listen_find_owner(uint16_t port, char owner[LISTEN_OWNER])
{
	unsigned long inode = find_inode("/proc/net/tcp", port);
	struct dirent *e;
	bool found = false;
	DIR *dir;

	if (inode == 0)
		inode = find_inode("/proc/net/tcp6", port);
	if (inode == 0)
		return false;
	dir = opendir("/proc");
	while (dir != NULL && !found && (e = readdir(dir)) != NULL) {
		found = ascii_is_digit((uint8_t)e->d_name[0]) &&
		    has_socket(e->d_name, inode);
		if (found)
			print_owner(e->d_name, owner);
	}
	if (dir != NULL)
		(void)closedir(dir);
	return found;
}
