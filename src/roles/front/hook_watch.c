/* SPDX-License-Identifier: ISC */
#include "roles/front/hook_watch.h"

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/conn.h"
#include "roles/front/smtp_filter.h"

enum {
	MISSES = LIMIT_HOOK_SILENCE_S / 2 /* looks, two seconds apart */
};
#define INTERVAL (2 * TIME_SECOND)

struct channel *
hook_watch_channel(struct front *f)
{
	return front_own(f)->hook_watch.is_silent ? NULL : f->hook;
}

static void
ping(struct hook_watch *w)
{
	const struct wire_hook_ping m = { 0 };

	w->ticket = front_ticket(w->front);
	w->n_missed = 0;
	(void)wire_send_hook_ping(w->front->hook, 0, w->ticket, &m);
}

static void
give_up(struct hook_watch *w)
{
	w->is_silent = true;
	env_log(w->front->env, ENV_ERROR, "filters-silent",
	    "role=hook seconds=%d", LIMIT_HOOK_SILENCE_S);
	front_lost_peer(w->front, WIRE_HOOK);
}

/* True: somebody waits for the filters. What was asked too long ago ends. */
static bool
look_at_conns(struct front *f)
{
	bool is_asked = false;

	LIST_FOREACH (it, &front_own(f)->conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (conn_is_live(c) && c->proto == &smtp_proto &&
		    smtp_filter_is_asking(c))
			is_asked = true;
	}
	return is_asked;
}

/* Looks are counted, not time: a front that did not run itself, because it was
 * stopped or the machine slept, has then missed one. */
static void
on_timer(struct env_timer *t)
{
	struct hook_watch *w = LIST_ENTRY(t, struct hook_watch, timer);

	if (w->is_silent || w->front->hook == NULL || !look_at_conns(w->front))
		return;
	if (w->ticket == 0)
		ping(w);
	else if (++w->n_missed >= MISSES) {
		give_up(w);
		return;
	}
	(void)env_timer_set(w->front->env, &w->timer,
	    env_now(w->front->env) + w->interval);
}

void
hook_watch_init(struct hook_watch *w, struct front *f)
{
	w->front = f;
	w->interval = INTERVAL;
	w->timer.fire = on_timer;
}

void
hook_watch_reset(struct hook_watch *w)
{
	env_timer_stop(w->front->env, &w->timer);
	w->ticket = 0;
	w->n_missed = 0;
	w->is_silent = false;
}

void
hook_watch_asked(struct hook_watch *w)
{
	if (w->timer.slot == 0)
		(void)env_timer_set(w->front->env, &w->timer,
		    env_now(w->front->env) + w->interval);
}

void
hook_watch_heard(struct hook_watch *w, uint32_t ticket)
{
	if (w->ticket == 0 || ticket != w->ticket)
		return;
	w->ticket = 0;
	w->n_missed = 0;
	if (!w->is_silent)
		return;
	w->is_silent = false;
	env_log(w->front->env, ENV_INFO, "filters-answer", "role=hook");
}
