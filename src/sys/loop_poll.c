/* SPDX-License-Identifier: ISC */
/*
 * sys/loop_poll - waiting with poll(2), where epoll is not to be had
 *
 * The array is made anew for each turn from the list of watches: simple, and
 * fast enough for what does not need epoll.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "sys/posix.h"

static int
poll_init(struct env_posix *p)
{
	p->poll_fds = NULL;
	return posix_events_reserve(p, 16);
}

static void
poll_deinit(struct env_posix *p)
{
	free(p->poll_fds);
	p->poll_fds = NULL;
}

static int
poll_change(struct env_posix *p, struct env_watch *w, unsigned had,
    unsigned want)
{
	(void)p, (void)w, (void)had, (void)want;
	return 0;
}

/* As many as watch something; events[i] belongs to fds[i]. */
static int
gather(struct env_posix *p, nfds_t *ret_n)
{
	struct pollfd *fds;
	nfds_t n = 0;
	int r = posix_events_reserve(p, p->n_watches);

	if (r < 0)
		return r;
	fds = reallocarray(p->poll_fds, p->n_watches + 1, sizeof(*fds));
	if (fds == NULL)
		return -ENOMEM;
	p->poll_fds = fds;
	LIST_FOREACH (it, &p->watches) {
		struct env_watch *w = LIST_ENTRY(it, struct env_watch, link);

		if (w->want == 0)
			continue;
		fds[n].fd = w->fd;
		fds[n].revents = 0;
		fds[n].events = 0;
		if ((w->want & ENV_READ) != 0)
			fds[n].events |= POLLIN;
		if ((w->want & ENV_WRITE) != 0)
			fds[n].events |= POLLOUT;
		p->events[n++].w = w;
	}
	*ret_n = n;
	return 0;
}

static unsigned
told(short events)
{
	unsigned to = 0;

	if ((events & POLLIN) != 0)
		to |= ENV_READ;
	if ((events & POLLOUT) != 0)
		to |= ENV_WRITE;
	if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0)
		to |= ENV_READ | ENV_WRITE;
	return to;
}

static int
poll_wait_turn(struct env_posix *p, int timeout_ms)
{
	nfds_t n;
	int r;

	p->n_events = 0;
	r = gather(p, &n);
	if (r < 0)
		return r;
	if (poll(p->poll_fds, n, timeout_ms) == -1)
		return errno == EINTR ? 0 : -errno;
	for (nfds_t i = 0; i < n; i++) {
		unsigned events =
		    told(((struct pollfd *)p->poll_fds)[i].revents);

		if (events == 0)
			continue;
		p->events[p->n_events].w = p->events[i].w;
		p->events[p->n_events++].events = events;
	}
	return 0;
}

const struct loop_backend loop_poll = { poll_init, poll_deinit, poll_change,
	poll_wait_turn };
