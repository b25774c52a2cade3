/* SPDX-License-Identifier: ISC */
/*
 * roles/sorter - what can be searched for in one stored message after another
 *
 * Talks to: the store, which sends messages and takes terms (SORT, SORTED).
 * May touch: nothing; no file, no socket. If it is taken over: it sees the mail
 * that is being indexed, and can hide messages from SEARCH or make it slow;
 * it changes nothing and tells nobody. If it dies: the store sends the
 * message again, then alone, then does without it; the supervisor starts it
 * again.
 *
 * It parses what strangers wrote (imap/harvest), so that the store need not.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/time.h"
#include "imap/harvest.h"
#include "roles/sorter/sorter.h"

struct sorter {
	struct role *role;
	struct channel store;
	bool is_open; /* the channel */
	struct id id; /* of the message in hand */
	bool is_busy;
	struct env_timer lost;
	struct harvest harvest;
};

/* -- messages -------------------------------------------------------------- */

static int
answer(struct sorter *s, const struct wire_head *h)
{
	struct wire_sorted m = { .id = s->id };

	harvest_end(&s->harvest);
	s->is_busy = false;
	m.is_partial = s->harvest.is_partial;
	if (!m.is_partial) {
		m.body = buf_slice(&s->harvest.body.text);
		m.header = buf_slice(&s->harvest.header.text);
	}
	return wire_send_sorted(&s->store, h->session, h->ticket, &m);
}

static int
take(struct sorter *s, const struct wire_head *h, struct slice data, bool last)
{
	const struct wire_sort_more more = { 0 };

	harvest_feed(&s->harvest, data);
	return last
	    ? answer(s, h)
	    : wire_send_sort_more(&s->store, h->session, h->ticket, &more);
}

static int
on_sort(struct channel *c, const struct wire_head *h, const struct wire_sort *m)
{
	struct sorter *s = c->ctx;

	harvest_begin(&s->harvest);
	s->id = m->id;
	s->is_busy = true;
	return take(s, h, m->data, m->last);
}

static int
on_sort_body(struct channel *c, const struct wire_head *h,
    const struct wire_sort_body *m)
{
	struct sorter *s = c->ctx;

	return s->is_busy ? take(s, h, m->data, m->last) : WIRE_E_BAD;
}

static const struct wire_sorter_handlers handlers = { .sort = on_sort,
	.sort_body = on_sort_body };

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	return wire_dispatch_sorter(&handlers, c, c->peer, h, payload, fd);
}

/* -- life ------------------------------------------------------------------ */

/* A store that has died has a successor by now. This one lives, and gives a
 * channel only to the next sorter. */
static void
on_lost(struct env_timer *t)
{
	struct sorter *s = LIST_ENTRY(t, struct sorter, lost);

	if (s->is_open)
		return;
	env_log(s->role->env, ENV_ERROR, "channel-lost",
	    "role=sorter peer=store");
	role_end(s->role, ROLE_EXIT_TROUBLE);
}

static void
on_closed(struct channel *c)
{
	struct sorter *s = c->ctx;

	channel_close(c);
	s->is_open = s->is_busy = false;
	(void)env_timer_set(s->role->env, &s->lost,
	    env_now(s->role->env) + LIMIT_PEER_LOST_S * TIME_SECOND);
}

static const struct channel_ops channel_ops = { .dispatch = dispatch,
	.on_closed = on_closed };

static void
on_peer(struct role *role, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct sorter *s = role->ctx;

	if (peer != WIRE_STORE || purpose != PEER_CHANNEL) {
		env_close(role->env, fd, false);
		return;
	}
	if (s->is_open)
		channel_close(&s->store);
	s->is_busy = false;
	s->is_open = channel_open(&s->store, role->env, s, fd, WIRE_SORTER,
			 peer, instance, &channel_ops) == 0;
}

static int
prepare(struct role *role)
{
	struct sorter *s = role->ctx;

	s->role = role;
	s->lost.fire = on_lost;
	harvest_init(&s->harvest, env_random_u64(role->env));
	return 0;
}

static void
deinit(struct role *role)
{
	struct sorter *s = role->ctx;

	if (s->is_open)
		channel_close(&s->store);
	env_timer_stop(role->env, &s->lost);
	harvest_deinit(&s->harvest);
}

const struct role_ops sorter_ops = {
	.self = WIRE_SORTER,
	.prepare = prepare,
	.on_peer = on_peer,
	.deinit = deinit,
};

struct sorter *
sorter_new(void)
{
	return calloc(1, sizeof(struct sorter));
}

int
role_sorter(struct env *env, const struct settings *settings, int supervisor_fd)
{
	struct sorter *s = sorter_new();
	int status;

	if (s == NULL)
		return ROLE_EXIT_TROUBLE;
	status = role_run(env, settings, supervisor_fd, &sorter_ops, s);
	free(s);
	return status;
}
