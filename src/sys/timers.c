/* SPDX-License-Identifier: ISC */
/*
 * sys/timers - a binary heap of pointers to timers that others own
 *
 * heap[0] is slot 1, the first to be due. A timer knows its slot, so that
 * moving and stopping it need no search. Timers set while others fire wait for
 * the next turn when they are due already, so a turn always ends.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/time.h"
#include "sys/posix.h"

static void
place(struct env_posix *p, size_t slot, struct env_timer *t)
{
	p->heap[slot - 1] = t;
	t->slot = slot;
}

static void
sift_up(struct env_posix *p, struct env_timer *t)
{
	size_t slot = t->slot;

	while (slot > 1 && p->heap[slot / 2 - 1]->due > t->due) {
		place(p, slot, p->heap[slot / 2 - 1]);
		slot /= 2;
	}
	place(p, slot, t);
}

static void
sift_down(struct env_posix *p, struct env_timer *t)
{
	size_t slot = t->slot;

	for (;;) {
		size_t child = slot * 2;

		if (child > p->n_timers)
			break;
		if (child < p->n_timers &&
		    p->heap[child]->due < p->heap[child - 1]->due)
			child++;
		if (p->heap[child - 1]->due >= t->due)
			break;
		place(p, slot, p->heap[child - 1]);
		slot = child;
	}
	place(p, slot, t);
}

int
posix_timer_set(struct env *env, struct env_timer *t, int64_t due)
{
	struct env_posix *p = ENV_POSIX(env);

	if (t->slot == 0) {
		if (p->n_timers == p->heap_size) {
			size_t size = p->heap_size == 0 ? 64 : p->heap_size * 2;
			struct env_timer **heap = reallocarray(p->heap, size,
			    sizeof(struct env_timer *));

			if (heap == NULL)
				return -ENOMEM;
			p->heap = heap;
			p->heap_size = size;
		}
		place(p, ++p->n_timers, t);
	}
	t->due = due;
	sift_up(p, t);
	sift_down(p, t);
	return 0;
}

void
posix_timer_stop(struct env *env, struct env_timer *t)
{
	struct env_posix *p = ENV_POSIX(env);
	size_t slot = t->slot;
	struct env_timer *last;

	if (slot == 0)
		return;
	last = p->heap[--p->n_timers];
	t->slot = 0;
	if (last == t)
		return;
	place(p, slot, last);
	sift_up(p, last);
	sift_down(p, last);
}

void
posix_timers_fire(struct env_posix *p, int64_t now)
{
	size_t most = p->n_timers;

	while (most-- > 0 && p->n_timers > 0 && p->heap[0]->due <= now) {
		struct env_timer *t = p->heap[0];

		posix_timer_stop(&p->env, t);
		t->fire(t); /* may free t */
	}
}

int
posix_timers_wait(const struct env_posix *p, int64_t now)
{
	int64_t us;

	if (p->n_timers == 0)
		return -1;
	if (p->heap[0]->due <= now)
		return 0;
	us = p->heap[0]->due - now;
	if (us / TIME_MS >= INT_MAX)
		return INT_MAX;
	return (int)((us + TIME_MS - 1) / TIME_MS);
}
