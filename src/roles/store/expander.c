/* SPDX-License-Identifier: ISC */
/*
 * roles/store/expander - works large lists off, slice by slice (store/expand)
 *
 * One write at a time in the bulk lane, so nobody's 250 waits for it. What a
 * slice did is told (events, who watches a mailbox, the queue) when it is
 * durable. After trouble it is tried again a little later; after a restart
 * the first look goes on where the last kept slice ended.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/store_role.h"
#include "store/expand.h"

enum {
	SLICE_ARENA = 32 * 1024 * 1024
};
#define TROUBLE_WAIT (5 * TIME_SECOND)

struct expander {
	struct store_role *role;
	struct store_write write;
	struct expand_slice slice;
	struct env_timer timer;
	bool is_working, wants_more;
};

static int
apply_slice(struct db *db, struct store_write *w)
{
	struct expander *e = LIST_ENTRY(w, struct expander, write);

	/* once more after a group that failed: from the beginning */
	arena_reset(&e->slice.arena);
	return expand_work(db, &e->slice);
}

static void
tell_member(struct expander *e, const struct expand_member *m)
{
	static const char *const kinds[] = {
		[EXPAND_DELIVERED] = "delivered",
		[EXPAND_QUEUED] = "queued",
		[EXPAND_WAITING] = "queued",
		[EXPAND_HELD] = "held",
		[EXPAND_MISSED] = "missed",
	};
	static const char *const texts[] = {
		[EXPAND_DELIVERED] = "into INBOX, as a member of a list",
		[EXPAND_QUEUED] = "",
		[EXPAND_WAITING] = "until there is room in the mailbox",
		[EXPAND_HELD] = "as all of this message",
		[EXPAND_MISSED] = "a member of a list that does not exist",
	};
	struct store_role *s = e->role;
	struct event event = { .message = e->slice.message,
		.at = e->slice.now,
		.kind = kinds[m->fate],
		.address = m->address,
		.text = m->fate == EXPAND_QUEUED ? m->route
						 : slice_cstr(texts[m->fate]) };

	events_add(store_events(s->store), &event);
	if (m->fate == EXPAND_DELIVERED)
		scan_changed(s, m->account, m->modseq);
	else if (m->fate != EXPAND_MISSED && m->fate != EXPAND_HELD)
		outbound_queued(s->outbound,
		    &(struct outbound_row){ .route = m->route,
			.lane = m->lane,
			.state = m->fate == EXPAND_WAITING ? ROW_LOCAL
							   : ROW_WAITING });
}

static void
done_slice(struct store_write *w, int r)
{
	struct expander *e = LIST_ENTRY(w, struct expander, write);
	struct store_role *s = e->role;

	e->is_working = false;
	for (size_t i = 0; r == 0 && i < e->slice.n; i++)
		tell_member(e, &e->slice.members[i]);
	if (r == 0 && e->slice.is_end)
		events_add(store_events(s->store),
		    &(struct event){ .message = e->slice.message,
			.at = e->slice.now,
			.kind = "expanded",
			.address = SLICE(""),
			.text = SLICE("all members of its lists") });
	arena_reset(&e->slice.arena);
	if (r < 0) {
		env_log(s->env, ENV_ERROR, "expand", "errno=%d", -r);
		(void)env_timer_set(s->env, &e->timer,
		    env_now(s->env) + TROUBLE_WAIT);
	} else if (r == 0 || e->wants_more) {
		expander_look(s);
	}
}

void
expander_look(struct store_role *s)
{
	struct expander *e = s->expander;

	if (e->is_working || s->is_stopping) {
		e->wants_more = true;
		return;
	}
	e->is_working = true;
	e->wants_more = false;
	e->slice.now = env_wall(s->env);
	e->write = (struct store_write){ .lane = STORE_LANE_BULK,
		.apply = apply_slice,
		.done = done_slice };
	store_submit(s->store, &e->write);
}

static void
on_timer(struct env_timer *t)
{
	expander_look(LIST_ENTRY(t, struct expander, timer)->role);
}

int
expander_new(struct store_role *s)
{
	struct expander *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return ERR_ORIGIN(-ENOMEM);
	e->role = s;
	e->timer.fire = on_timer;
	arena_init(&e->slice.arena, SLICE_ARENA);
	s->expander = e;
	return 0;
}

void
expander_free(struct store_role *s)
{
	if (s->expander == NULL)
		return;
	env_timer_stop(s->env, &s->expander->timer);
	arena_reset(&s->expander->slice.arena);
	free(s->expander);
	s->expander = NULL;
}
