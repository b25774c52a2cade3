/* SPDX-License-Identifier: ISC */
/*
 * sys/loop - the turn: wait, readiness, timers, then what was deferred
 *
 * A handler may delete any watch, also its own and ones that are ready in the
 * same turn: their events are struck from the list before they are given out.
 * Finished jobs come through a watch like any other (work.c).
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "sys/posix.h"

int
posix_events_reserve(struct env_posix *p, size_t n)
{
	struct loop_event *events;

	if (n <= p->events_size)
		return 0;
	events = reallocarray(p->events, n, sizeof(*events));
	if (events == NULL)
		return -ENOMEM;
	p->events = events;
	p->events_size = n;
	return 0;
}

int
posix_watch_add(struct env *env, struct env_watch *w)
{
	struct env_posix *p = ENV_POSIX(env);
	int r = w->want == 0 ? 0 : p->backend->change(p, w, 0, w->want);

	if (r < 0)
		return r;
	list_add_last(&p->watches, &w->link);
	p->n_watches++;
	return 0;
}

int
posix_watch_want(struct env *env, struct env_watch *w, unsigned want)
{
	struct env_posix *p = ENV_POSIX(env);
	int r;

	assert(!w->is_dead);
	r = p->backend->change(p, w, w->want, want);
	if (r == 0)
		w->want = want;
	return r;
}

void
posix_watch_del(struct env *env, struct env_watch *w)
{
	struct env_posix *p = ENV_POSIX(env);

	/* Zeroed, or deleted before: nothing to do. */
	if (w->link.next == NULL || list_is_empty(&w->link))
		return;
	if (w->want != 0)
		(void)p->backend->change(p, w, w->want, 0);
	list_remove(&w->link);
	p->n_watches--;
	w->is_dead = true;
	for (size_t i = 0; i < p->n_events; i++)
		if (p->events[i].w == w)
			p->events[i].w = NULL;
}

void
posix_defer(struct env *env, struct env_defer *d)
{
	if (d->link.next == NULL)
		list_init(&d->link);
	if (list_is_empty(&d->link))
		list_add_last(&ENV_POSIX(env)->defers, &d->link);
}

void
posix_defer_cancel(struct env *env, struct env_defer *d)
{
	(void)env;
	if (d->link.next != NULL)
		list_remove(&d->link);
}

static void
give_events(struct env_posix *p)
{
	for (size_t i = 0; i < p->n_events; i++) {
		struct env_watch *w = p->events[i].w;
		unsigned events;

		if (w == NULL)
			continue;
		/* An earlier handler may want less by now. */
		events = p->events[i].events & w->want;
		if (events != 0)
			w->ready(w, events);
	}
	p->n_events = 0;
}

/* What is deferred meanwhile waits for the next turn, which comes at once. */
static void
run_deferred(struct env_posix *p)
{
	struct list now = LIST_INIT(now), *link;

	list_move_all(&now, &p->defers);
	while ((link = list_take_first(&now)) != NULL) {
		struct env_defer *d = LIST_ENTRY(link, struct env_defer, link);

		d->run(d); /* may free d */
	}
}

/* Until something is ready, or the first timer is due. */
static int
wait_turn(struct env_posix *p)
{
	int wait = list_is_empty(&p->defers)
	    ? posix_timers_wait(p, env_now(&p->env))
	    : 0;
	int r;

	if (!p->has_made_clock || wait <= 0)
		return p->backend->wait(p, wait);
	r = p->backend->wait(p, 0);
	if (r < 0 || p->n_events > 0)
		return r;
	if (p->work.n_out > 0)
		return p->backend->wait(p, -1);
	p->made = p->heap[0]->due;
	return 0;
}

int
posix_run(struct env *env)
{
	struct env_posix *p = ENV_POSIX(env);

	p->is_stopping = false;
	while (!p->is_stopping) {
		int r = wait_turn(p);

		if (r < 0)
			return r;
		give_events(p);
		posix_timers_fire(p, env_now(env));
		run_deferred(p);
	}
	return 0;
}

void
posix_stop(struct env *env)
{
	ENV_POSIX(env)->is_stopping = true;
}
