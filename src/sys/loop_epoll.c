/* SPDX-License-Identifier: ISC */
/*
 * sys/loop_epoll - waiting with epoll(7), level-triggered
 *
 * A watch is registered exactly while it wants something, because epoll tells
 * of errors and hang-ups also to those who asked for nothing.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sys/posix.h"

enum {
	EVENTS = 256 /* of one turn; the rest comes in the next */
};

static int
epoll_init(struct env_posix *p)
{
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd == -1)
		return -errno;
	return posix_events_reserve(p, EVENTS);
}

static void
epoll_deinit(struct env_posix *p)
{
	if (p->epoll_fd != -1)
		(void)close(p->epoll_fd);
	p->epoll_fd = -1;
}

static int
epoll_change(struct env_posix *p, struct env_watch *w, unsigned had,
    unsigned want)
{
	struct epoll_event e = { .data.ptr = w };
	int op = had == 0 ? EPOLL_CTL_ADD
	    : want == 0   ? EPOLL_CTL_DEL
			  : EPOLL_CTL_MOD;

	if (had == want)
		return 0;
	if ((want & ENV_READ) != 0)
		e.events |= EPOLLIN;
	if ((want & ENV_WRITE) != 0)
		e.events |= EPOLLOUT;
	return epoll_ctl(p->epoll_fd, op, w->fd, &e) == -1 ? -errno : 0;
}

static unsigned
told(uint32_t events)
{
	unsigned to = 0;

	if ((events & EPOLLIN) != 0)
		to |= ENV_READ;
	if ((events & EPOLLOUT) != 0)
		to |= ENV_WRITE;
	if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		to |= ENV_READ | ENV_WRITE;
	return to;
}

static int
epoll_wait_turn(struct env_posix *p, int timeout_ms)
{
	struct epoll_event got[EVENTS];
	int n = epoll_wait(p->epoll_fd, got, EVENTS, timeout_ms);

	p->n_events = 0;
	if (n == -1)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		p->events[p->n_events++] =
		    (struct loop_event){ got[i].data.ptr, told(got[i].events) };
	return 0;
}

const struct loop_backend loop_epoll = { epoll_init, epoll_deinit, epoll_change,
	epoll_wait_turn };
