/* SPDX-License-Identifier: ISC */
#include "roles/front/peer_watch.h"

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/conn.h"

/* -- silence --------------------------------------------------------------- */

static void
on_look(struct env_timer *t)
{
	struct peer_watch *w = LIST_ENTRY(t, struct peer_watch, look);
	bool is_awaited = false;

	/* A conn may end itself in the call, but is freed later. */
	LIST_FOREACH (it, &front_own(w->front)->conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (conn_is_live(c) && c->proto->look != NULL &&
		    c->proto->look(c))
			is_awaited = true;
	}
	if (is_awaited)
		peer_watch_asked(w);
}

void
peer_watch_asked(struct peer_watch *w)
{
	struct env *env = w->front->env;

	if (w->look.slot == 0)
		(void)env_timer_set(env, &w->look, env_now(env) + w->interval);
}

/* -- loss ------------------------------------------------------------------ */

static bool *
place_of(struct peer_watch *w, enum wire_role peer)
{
	return peer == WIRE_STORE ? &w->is_store_lost
	    : peer == WIRE_KEEPER ? &w->is_keeper_lost
				  : NULL;
}

static void
on_lost(struct env_timer *t)
{
	struct peer_watch *w = LIST_ENTRY(t, struct peer_watch, lost);

	env_log(w->front->env, ENV_ERROR, "channel-lost", "peer=%s",
	    w->is_store_lost ? "store" : "keeper");
	w->front->role->exit_status = 1;
	w->end(w->front->role);
}

void
peer_watch_lost(struct peer_watch *w, enum wire_role peer)
{
	struct env *env = w->front->env;
	bool *is_lost = place_of(w, peer);

	if (is_lost == NULL || front_own(w->front)->is_stopping)
		return;
	*is_lost = true;
	(void)env_timer_set(env, &w->lost, env_now(env) + w->lost_time);
}

void
peer_watch_found(struct peer_watch *w, enum wire_role peer)
{
	bool *is_lost = place_of(w, peer);

	if (is_lost == NULL)
		return;
	*is_lost = false;
	if (!w->is_store_lost && !w->is_keeper_lost)
		env_timer_stop(w->front->env, &w->lost);
}

/* -- life ------------------------------------------------------------------ */

void
peer_watch_init(struct peer_watch *w, struct front *f,
    void (*end)(struct role *r))
{
	*w = (struct peer_watch){ .front = f,
		.look.fire = on_look,
		.lost.fire = on_lost,
		.interval = PEER_WATCH_LOOK_S * TIME_SECOND,
		.lost_time = LIMIT_PEER_LOST_S * TIME_SECOND,
		.end = end };
}

void
peer_watch_deinit(struct peer_watch *w)
{
	env_timer_stop(w->front->env, &w->look);
	env_timer_stop(w->front->env, &w->lost);
}
