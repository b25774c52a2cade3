/* SPDX-License-Identifier: ISC */
/*
 * sys/work - jobs in threads, a queue for each lane
 *
 * A lane's threads start with its first job, or all at once before a sandbox
 * closes that forbids new ones. A finished job goes to one list; the eventfd
 * is written only when that list was empty, so many endings cost one wake-up.
 * The mutex guards the lists and is never held while a job runs.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sys/posix.h"

static const unsigned threads_of_lane[ENV_N_LANES] = {
	[ENV_LANE_APPEND] = 1,
	[ENV_LANE_COMMIT] = 1,
	[ENV_LANE_READ] = 4,
	[ENV_LANE_HASH] = 1,
};

/* With the mutex, but not while it wakes the loop, which wants the mutex. */
static void
finish(struct work *w, struct env_job *job)
{
	bool was_empty = list_is_empty(&w->finished);
	const uint64_t one = 1;

	list_add_last(&w->finished, &job->link);
	if (!was_empty)
		return; /* who made it so wakes the loop */
	(void)pthread_mutex_unlock(&w->mutex);
	/* Cannot be full: it is read before the list is emptied. */
	(void)!write(w->wake_fd, &one, sizeof(one));
	(void)pthread_mutex_lock(&w->mutex);
}

static void *
thread_main(void *arg)
{
	struct work_lane *lane = arg;
	struct work *w = lane->work;

	(void)pthread_mutex_lock(&w->mutex);
	for (;;) {
		struct list *link;
		struct env_job *job;

		while (list_is_empty(&lane->jobs) && !w->is_ending)
			(void)pthread_cond_wait(&lane->cond, &w->mutex);
		if (w->is_ending)
			break;
		link = list_take_first(&lane->jobs);
		job = LIST_ENTRY(link, struct env_job, link);
		(void)pthread_mutex_unlock(&w->mutex);
		job->run(job);
		(void)pthread_mutex_lock(&w->mutex);
		finish(w, job);
	}
	(void)pthread_mutex_unlock(&w->mutex);
	return NULL;
}

static void
on_wake(struct env_watch *watch, unsigned events)
{
	struct work *w = LIST_ENTRY(watch, struct work, wake);
	struct list now = LIST_INIT(now), *link;
	uint64_t count;

	(void)events;
	(void)!read(w->wake_fd, &count, sizeof(count));
	(void)pthread_mutex_lock(&w->mutex);
	list_move_all(&now, &w->finished);
	(void)pthread_mutex_unlock(&w->mutex);
	while ((link = list_take_first(&now)) != NULL) {
		struct env_job *job = LIST_ENTRY(link, struct env_job, link);

		w->n_out--;
		job->done(job); /* may free job */
	}
}

static int
open_wake(struct work *w)
{
	int r;

	if (w->wake_fd != -1)
		return 0;
	w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd == -1)
		return -errno;
	r = env_watch_add(w->env, &w->wake, w->wake_fd, ENV_READ, on_wake);
	if (r < 0) {
		(void)close(w->wake_fd);
		w->wake_fd = -1;
	}
	return r;
}

/* Signals belong to the loop's thread. */
static int
start_lane(struct work *w, enum env_lane which)
{
	struct work_lane *lane = &w->lanes[which];
	sigset_t all, before;
	int r = open_wake(w);

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (r == 0 && lane->n_threads < threads_of_lane[which]) {
		assert(w->n_threads < WORK_THREADS);
		r = -pthread_create(&w->threads[w->n_threads], NULL,
		    thread_main, lane);
		if (r == 0) {
			lane->n_threads++;
			w->n_threads++;
		}
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	/* Fewer than wished for still work. */
	return lane->n_threads > 0 ? 0 : r;
}

int
posix_start_threads(struct env *env, unsigned lanes)
{
	for (unsigned lane = 0; lane < ENV_N_LANES; lane++) {
		int r = 0;

		if ((lanes & 1u << lane) != 0)
			r = start_lane(&ENV_POSIX(env)->work, lane);
		if (r < 0)
			return r;
	}
	return 0;
}

int
posix_work(struct env *env, enum env_lane which, struct env_job *job)
{
	struct work *w = &ENV_POSIX(env)->work;
	struct work_lane *lane = &w->lanes[which];
	int r = lane->n_threads > 0 ? 0 : start_lane(w, which);

	if (r < 0)
		return r;
	w->n_out++;
	(void)pthread_mutex_lock(&w->mutex);
	list_add_last(&lane->jobs, &job->link);
	(void)pthread_mutex_unlock(&w->mutex);
	(void)pthread_cond_signal(&lane->cond);
	return 0;
}

int
posix_work_init(struct work *w, struct env *env)
{
	w->env = env;
	w->wake_fd = -1;
	list_init(&w->finished);
	(void)pthread_mutex_init(&w->mutex, NULL);
	for (unsigned i = 0; i < ENV_N_LANES; i++) {
		w->lanes[i].work = w;
		list_init(&w->lanes[i].jobs);
		(void)pthread_cond_init(&w->lanes[i].cond, NULL);
	}
	return 0;
}

void
posix_work_deinit(struct work *w)
{
	(void)pthread_mutex_lock(&w->mutex);
	w->is_ending = true;
	for (unsigned i = 0; i < ENV_N_LANES; i++)
		(void)pthread_cond_broadcast(&w->lanes[i].cond);
	(void)pthread_mutex_unlock(&w->mutex);
	for (unsigned i = 0; i < w->n_threads; i++)
		(void)pthread_join(w->threads[i], NULL);
	if (w->wake_fd != -1) {
		env_watch_del(w->env, &w->wake);
		(void)close(w->wake_fd);
	}
	for (unsigned i = 0; i < ENV_N_LANES; i++)
		(void)pthread_cond_destroy(&w->lanes[i].cond);
	(void)pthread_mutex_destroy(&w->mutex);
}
