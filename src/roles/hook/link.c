/* SPDX-License-Identifier: ISC */
/*
 * roles/hook/link - one connection to a filter
 *
 * Non-blocking; two buffers with caps; one timer for whatever is waited for. A
 * filter has settings.max connections at most: who comes later waits, for as
 * long as a connection may take to be made; a milter's connection that is in
 * no message makes room for it. So does, when there is none, the one whose
 * client has been longest at its message, if that is longer than one waits:
 * clients that begin mails and say no more would shut out all others.
 * Before MAIL nobody waits: the greeting is not held back for that.
 */
#include <errno.h>
#include <string.h>

#include "roles/hook/hook_role.h"

enum {
	READ = 16 * 1024,
	DRAINED = 64 * 1024 /* of what goes out */
};

static bool take_from_slow(struct part *p);

static void
on_timer(struct env_timer *t)
{
	struct part *p = LIST_ENTRY(t, struct part, timer);

	if (p->is_waiting && take_from_slow(p))
		return;
	part_fail(p,
	    p->is_waiting          ? "too many connections to it"
		: p->is_connecting ? "no connection in time"
				   : "no answer in time");
}

void
link_wait(struct part *p, int64_t us)
{
	struct env *env = p->session->role->env;

	int64_t at = env_now(env) + us;

	p->timer.fire = on_timer;
	if (us == 0)
		env_timer_stop(env, &p->timer);
	else
		(void)env_timer_set(env, &p->timer,
		    at < p->session->until ? at : p->session->until);
}

static void
want(struct part *p)
{
	unsigned events = p->is_paused ? 0 : ENV_READ;

	if (p->is_connecting || p->out.len > 0)
		events |= ENV_WRITE;
	(void)env_watch_want(p->session->role->env, &p->watch, events);
}

void
link_pause(struct part *p, bool is_paused)
{
	p->is_paused = is_paused;
	if (p->is_open)
		want(p);
}

/* -- readiness ------------------------------------------------------------- */

/* False: it is closed now. */
static bool
read_some(struct part *p)
{
	struct env *env = p->session->role->env;
	uint8_t *at;
	ssize_t n;

	if (buf_room(&p->in) < READ)
		return true; /* the part will eat first */
	if (buf_reserve(&p->in, READ, &at) != BUF_OK) {
		part_fail(p, "out of memory");
		return false;
	}
	n = env_recv(env, p->watch.fd, at, READ);
	if (n == -EAGAIN)
		return true;
	if (n <= 0) {
		p->filter->ops->ended(p);
		return false;
	}
	buf_grew(&p->in, (size_t)n);
	p->filter->ops->input(p);
	return p->is_open;
}

static bool
write_some(struct part *p)
{
	struct env *env = p->session->role->env;
	struct slice out = buf_slice(&p->out);
	struct iovec v = { (void *)(uintptr_t)out.at, out.len };
	ssize_t n;
	bool was_long = p->out.len >= DRAINED;

	if (out.len == 0)
		return true;
	n = env_sendv(env, p->watch.fd, &v, 1);
	if (n == -EAGAIN)
		return true;
	if (n < 0) {
		p->filter->ops->ended(p);
		return false;
	}
	buf_eat(&p->out, (size_t)n);
	if (p->out.len == 0)
		buf_reset(&p->out, READ);
	if (was_long && p->out.len < DRAINED)
		p->filter->ops->drained(p);
	return p->is_open;
}

static void
on_ready(struct env_watch *w, unsigned events)
{
	struct part *p = LIST_ENTRY(w, struct part, watch);
	struct env *env = p->session->role->env;
	int r;

	if (p->is_connecting) {
		r = env_connect_result(env, w->fd);
		if (r < 0) {
			part_fail(p, strerror(-r));
			return;
		}
		p->is_connecting = false;
		link_wait(p, 0);
		p->filter->ops->connected(p);
		if (p->is_open)
			want(p);
		return;
	}
	if ((events & ENV_WRITE) != 0 && !write_some(p))
		return;
	if ((events & ENV_READ) != 0 && !p->is_paused && !read_some(p))
		return;
	want(p);
}

void
link_flush(struct part *p)
{
	if (!p->is_open || p->is_connecting)
		return;
	want(p); /* written when the socket says so: many pieces, one write */
}

/* -- open and close -------------------------------------------------------- */

static int
dial(struct part *p)
{
	const struct settings_hook *s = p->filter->s;
	struct env *env = p->session->role->env;
	struct env_addr to = { .family = s->family, .port = s->port };

	if (s->family == 0)
		return env_connect_local(env, s->path);
	memcpy(to.bytes, s->address, sizeof(to.bytes));
	return env_connect(env, &to, NULL);
}

static void
start(struct part *p)
{
	struct env *env = p->session->role->env;
	int fd = dial(p), r;

	p->is_waiting = false;
	if (fd < 0) {
		part_fail(p, strerror(-fd));
		return;
	}
	buf_init(&p->in, LIMIT_MILTER_PACKET + 2 * READ);
	buf_init(&p->out, 4 * LIMIT_HEADER);
	r = env_watch_add(env, &p->watch, fd, ENV_WRITE, on_ready);
	if (r < 0) {
		env_close(env, fd, false);
		part_fail(p, strerror(-r));
		return;
	}
	p->is_open = p->is_connecting = true;
	p->is_paused = false;
	p->filter->n_links++;
	link_wait(p, p->filter->s->connect_timeout);
}

static void
take_next(struct filter *f)
{
	struct list *link;

	if (f->n_links < f->s->max &&
	    (link = list_take_first(&f->waiting)) != NULL)
		start(LIST_ENTRY(link, struct part, wait_link));
}

/* Whose client has been at its message for too long, but is not being
 * answered now. */
static struct part *
find_slow(struct filter *f)
{
	int64_t now = env_now(f->role->env);

	LIST_FOREACH_SAFE (it, tmp, &f->busy) {
		struct part *p = LIST_ENTRY(it, struct part, wait_link);

		if (now - p->busy_since < f->s->connect_timeout)
			return NULL;
		if (!p->is_asked)
			return p;
	}
	return NULL;
}

/* True: `p` has its place now, before whoever else waits. */
static bool
take_from_slow(struct part *p)
{
	struct filter *f = p->filter;
	struct part *slow = find_slow(f);

	if (slow == NULL)
		return false;
	env_log(f->role->env, ENV_INFO, "filter-client-slow",
	    "filter=%s client=%s", f->s->name, slow->session->client);
	slow->was_taken = true;
	list_remove(&p->wait_link);
	list_add_first(&f->waiting, &p->wait_link);
	link_close(slow);
	return true;
}

void
link_open(struct part *p)
{
	struct filter *f = p->filter;
	struct list *idle;

	if (f->n_links >= f->s->max &&
	    (idle = list_take_first(&f->idle)) != NULL)
		link_close(LIST_ENTRY(idle, struct part, wait_link));
	if (f->n_links < f->s->max && list_is_empty(&f->waiting)) {
		start(p);
		return;
	}
	if (p->session->stage <= STAGE_HELO) {
		part_give_up(p); /* asked at MAIL */
		return;
	}
	if (take_from_slow(p))
		return;
	p->is_waiting = true;
	list_add_last(&f->waiting, &p->wait_link);
	link_wait(p, f->s->connect_timeout);
}

void
link_close(struct part *p)
{
	struct env *env = p->session->role->env;

	link_wait(p, 0);
	list_remove(&p->wait_link);
	p->is_waiting = false;
	if (!p->is_open)
		return;
	/* what is still to be said, such as QUIT, if it fits */
	if (!p->is_connecting && p->out.len > 0) {
		struct slice out = buf_slice(&p->out);
		struct iovec v = { (void *)(uintptr_t)out.at, out.len };

		(void)env_sendv(env, p->watch.fd, &v, 1);
	}
	env_watch_del(env, &p->watch);
	env_close(env, p->watch.fd, false);
	buf_deinit(&p->in);
	buf_deinit(&p->out);
	p->is_open = p->is_connecting = p->is_paused = false;
	p->filter->n_links--;
	take_next(p->filter);
}

void
link_is_idle(struct part *p, bool is_idle)
{
	if (p->is_waiting)
		return;
	list_remove(&p->wait_link);
	if (!is_idle && p->is_open) {
		p->busy_since = env_now(p->session->role->env);
		list_add_last(&p->filter->busy, &p->wait_link);
	}
	if (is_idle && p->is_open) {
		list_add_last(&p->filter->idle, &p->wait_link);
		/* one that waits may have it */
		if (!list_is_empty(&p->filter->waiting))
			link_close(p);
	}
}
