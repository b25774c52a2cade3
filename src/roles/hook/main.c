/* SPDX-License-Identifier: ISC */
/*
 * roles/hook - content filters: milters, Rspamd, clamd
 *
 * Talks to: fronts (HOOK_*), and the filters that the configuration names;
 * tells control how those fare.
 *
 * May touch: outbound TCP and local sockets; no file, no key. Reads nothing of
 * the store's: a front gives it each message, piece by piece.
 *
 * If it is taken over: whoever has it sees the mail that the fronts show it,
 * and can refuse, change and discard it, as a filter can.
 *
 * If it dies: fronts take it for a filter that does not answer, with the
 * consequence that is configured, until the supervisor has started another.
 *
 * Limits: settings.max connections to each filter, LIMIT_HOOK_MEMORY for the
 * messages that are looked at, SESSIONS_MAX clients of each front.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/hook/hook_role.h"

enum {
	SESSIONS_MAX = 20000 /* of one front */
};
/* A client waits for ten minutes (RFC 5321, 4.5.3.2.6); progress or not. */
#define QUESTION_TIME (9 * TIME_MINUTE)
#define LOST_TIME (30 * TIME_SECOND)

static const struct part_ops *const ops_of[N_HOOK_KINDS] = {
	[HOOK_MILTER] = &milter_ops,
	[HOOK_RSPAMD] = &rspamd_ops,
	[HOOK_CLAMD] = &clamd_ops,
};

/* -- what the log hears of a filter: its changes, not each mail -------------
 */

static void
tell(const struct filter *f, struct channel *to)
{
	const struct wire_hook_state m = { .filter =
					       (uint8_t)(f - f->role->filters),
		.state = f->state,
		.why = slice_cstr(f->why) };

	if (to->peer == WIRE_CONTROL)
		(void)wire_send_hook_state(to, 0, 0, &m);
}

static void
tell_all(const struct filter *f)
{
	LIST_FOREACH_SAFE (it, tmp, &f->role->peers)
		tell(f, &LIST_ENTRY(it, struct peer, link)->c);
}

void
filter_failed(struct filter *f, const char *why)
{
	if (f->state == HOOK_DOWN)
		return;
	f->state = HOOK_DOWN;
	(void)snprintf(f->why, sizeof(f->why), "%s", why);
	tell_all(f);
	env_log(f->role->env, ENV_ERROR, "filter-down",
	    "filter=%s why=\"%s\" consequence=%s", f->s->name, why,
	    f->s->accepts_on_failure ? "accept" : "tempfail");
}

void
filter_works(struct filter *f)
{
	bool was_down = f->state == HOOK_DOWN;

	if (f->state == HOOK_WORKS)
		return;
	f->state = HOOK_WORKS;
	f->why[0] = '\0';
	tell_all(f);
	if (was_down)
		env_log(f->role->env, ENV_INFO, "filter-up", "filter=%s",
		    f->s->name);
}

/* -- the fronts' messages ---------------------------------------------------
 */

static struct peer *
peer_of(struct channel *c)
{
	return LIST_ENTRY(c, struct peer, c);
}

static struct session *
session_find(struct channel *c, const struct wire_head *h)
{
	return map_get_number(&peer_of(c)->sessions, h->session);
}

/* Texts of messages are no longer than their places: the wire's caps. */
static void
set_text(struct slice from, char *to, size_t size)
{
	(void)slice_to_cstr(from, to, size);
}

static int
on_hook_connect(struct channel *c, const struct wire_head *h,
    const struct wire_hook_connect *m)
{
	struct peer *p = peer_of(c);
	struct session *s = session_find(c, h);

	if (s != NULL) /* it is another client now (XCLIENT) */
		session_free(s);
	if (p->sessions.n >= SESSIONS_MAX)
		return WIRE_E_BAD;
	s = session_new(p, h->session, m->service);
	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	set_text(m->client, s->client, sizeof(s->client));
	set_text(m->rdns, s->rdns, sizeof(s->rdns));
	set_text(m->hostname, s->hostname, sizeof(s->hostname));
	s->family = m->family;
	s->port = m->port;
	session_ask(s, STAGE_CONNECT, h->ticket);
	return 0;
}

/* The front asks one thing at a time. */
static struct session *
session_for(struct channel *c, const struct wire_head *h)
{
	struct session *s = session_find(c, h);

	return s != NULL && s->stage == STAGE_NONE ? s : NULL;
}

static int
on_hook_helo(struct channel *c, const struct wire_head *h,
    const struct wire_hook_helo *m)
{
	struct session *s = session_for(c, h);

	if (s == NULL)
		return WIRE_E_BAD;
	set_text(m->helo, s->helo, sizeof(s->helo));
	session_ask(s, STAGE_HELO, h->ticket);
	return 0;
}

static int
on_hook_mail(struct channel *c, const struct wire_head *h,
    const struct wire_hook_mail *m)
{
	struct session *s = session_for(c, h);

	if (s == NULL)
		return WIRE_E_BAD;
	arena_reset(&s->arena);
	s->rcpts = NULL;
	s->n_rcpts = s->rcpts_size = 0;
	s->rcpt = s->rcpt_params = (struct slice){ 0 };
	s->id[0] = '\0';
	set_text(m->helo, s->helo, sizeof(s->helo));
	if (!arena_copy(&s->arena, m->sender, &s->sender) ||
	    !arena_copy(&s->arena, m->params, &s->params) ||
	    !arena_copy(&s->arena, m->login, &s->login) ||
	    !arena_copy(&s->arena, m->mechanism, &s->mechanism) ||
	    !arena_copy(&s->arena, m->tls, &s->tls))
		return ERR_ORIGIN(-ENOMEM);
	session_ask(s, STAGE_MAIL, h->ticket);
	return 0;
}

static int
on_hook_rcpt(struct channel *c, const struct wire_head *h,
    const struct wire_hook_rcpt *m)
{
	struct session *s = session_for(c, h);

	if (s == NULL)
		return WIRE_E_BAD;
	if (session_add_rcpt(s, m->rcpt, m->params) != 0)
		return ERR_ORIGIN(-ENOMEM);
	session_ask(s, STAGE_RCPT, h->ticket);
	return 0;
}

static int
on_hook_data(struct channel *c, const struct wire_head *h,
    const struct wire_hook_data *m)
{
	struct session *s = session_for(c, h);

	(void)m;
	if (s == NULL)
		return WIRE_E_BAD;
	session_ask(s, STAGE_DATA, h->ticket);
	return 0;
}

static int
on_hook_end(struct channel *c, const struct wire_head *h,
    const struct wire_hook_end *m)
{
	struct session *s = session_for(c, h);

	if (s == NULL)
		return WIRE_E_BAD;
	id_print(&m->id, s->id);
	s->size = m->size;
	session_ask(s, STAGE_END, h->ticket);
	return 0;
}

/* Those below belong to a question; when it is over, so are they. */
static struct session *
session_at(struct channel *c, const struct wire_head *h)
{
	struct session *s = session_find(c, h);

	return s != NULL && s->stage == STAGE_END && s->ticket == h->ticket
	    ? s
	    : NULL;
}

static int
on_hook_chunk(struct channel *c, const struct wire_head *h,
    const struct wire_hook_chunk *m)
{
	struct session *s = session_at(c, h);

	return s == NULL || session_chunk(s, m) == 0 ? 0 : WIRE_E_BAD;
}

static int
on_hook_more(struct channel *c, const struct wire_head *h,
    const struct wire_hook_more *m)
{
	struct session *s = session_at(c, h);

	(void)m;
	if (s != NULL)
		session_more(s);
	return 0;
}

static int
on_hook_rebuilt(struct channel *c, const struct wire_head *h,
    const struct wire_hook_rebuilt *m)
{
	struct session *s = session_at(c, h);

	if (s != NULL)
		session_rebuilt(s, m->size);
	return 0;
}

static int
on_hook_abort(struct channel *c, const struct wire_head *h,
    const struct wire_hook_abort *m)
{
	struct session *s = session_find(c, h);

	(void)m;
	if (s != NULL)
		session_abort(s);
	return 0;
}

static int
on_hook_quit(struct channel *c, const struct wire_head *h,
    const struct wire_hook_quit *m)
{
	struct session *s = session_find(c, h);

	(void)m;
	if (s != NULL)
		session_free(s);
	return 0;
}

static int
on_hook_ping(struct channel *c, const struct wire_head *h,
    const struct wire_hook_ping *m)
{
	const struct wire_hook_pong pong = { 0 };

	(void)m;
	(void)wire_send_hook_pong(c, 0, h->ticket, &pong);
	return 0;
}

static const struct wire_hook_handlers handlers = {
	.hook_connect = on_hook_connect,
	.hook_helo = on_hook_helo,
	.hook_mail = on_hook_mail,
	.hook_rcpt = on_hook_rcpt,
	.hook_data = on_hook_data,
	.hook_end = on_hook_end,
	.hook_chunk = on_hook_chunk,
	.hook_more = on_hook_more,
	.hook_rebuilt = on_hook_rebuilt,
	.hook_abort = on_hook_abort,
	.hook_quit = on_hook_quit,
	.hook_ping = on_hook_ping,
};

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	struct hook_role *r = c->ctx;
	int done = wire_dispatch_hook(&handlers, c, c->peer, h, payload, fd);

	/* The channel ends with that, and only another role gets another. */
	if (done == -ENOMEM) {
		env_log(r->env, ENV_ERROR, "out-of-memory", "role=hook");
		role_end(r->role, 1);
	}
	return done;
}

/* -- life ------------------------------------------------------------------ */

/* A front that has died has a successor by now. This one lives: its channel
 * alone has ended, and only another role gets another one. */
static void
on_lost(struct env_timer *t)
{
	struct hook_role *r = LIST_ENTRY(t, struct hook_role, lost);

	if (r->n_lost <= 0)
		return;
	env_log(r->env, ENV_ERROR, "channel-lost", "role=hook peer=front");
	role_end(r->role, 1);
}

static bool
is_front(enum wire_role peer)
{
	return peer == WIRE_MX || peer == WIRE_USER;
}

static void
note_lost(struct hook_role *r, enum wire_role peer)
{
	if (!is_front(peer))
		return;
	r->n_lost++;
	(void)env_timer_set(r->env, &r->lost, env_now(r->env) + r->lost_time);
}

static void
on_closed(struct channel *c)
{
	struct peer *p = peer_of(c);
	struct session *s;
	size_t at = 0;

	while ((s = map_next(&p->sessions, &at)) != NULL)
		session_free(s);
	map_deinit(&p->sessions);
	list_remove(&p->link);
	note_lost(p->role, c->peer);
	channel_close(c);
	free(p);
}

static const struct channel_ops channel_ops = { .dispatch = dispatch,
	.on_closed = on_closed };

static void
on_peer(struct role *role, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct hook_role *r = role->ctx;
	struct peer *p = calloc(1, sizeof(*p));
	uint8_t seed[MAP_SEED];

	if (p == NULL || purpose != PEER_CHANNEL) {
		free(p);
		env_close(role->env, fd, false);
		return;
	}
	env_random(role->env, seed, sizeof(seed));
	map_init(&p->sessions, seed);
	p->role = r;
	if (channel_open(&p->c, role->env, r, fd, WIRE_HOOK, peer, instance,
		&channel_ops) < 0) {
		free(p);
		return;
	}
	list_add_last(&r->peers, &p->link);
	if (is_front(peer))
		r->n_lost--;
	for (unsigned i = 0; i < r->n_filters; i++)
		tell(&r->filters[i], &p->c);
}

static int
prepare(struct role *role)
{
	struct hook_role *r = role->ctx;
	const struct settings *s = role->settings;

	/* or jansson would open /dev/urandom inside the sandbox */
	json_object_seed((size_t)env_random_u64(role->env) | 1);
	r->role = role;
	r->env = role->env;
	list_init(&r->peers);
	purse_init(&r->memory, NULL, LIMIT_HOOK_MEMORY);
	r->question_time = QUESTION_TIME;
	r->lost_time = LOST_TIME;
	r->lost.fire = on_lost;
	r->n_filters = s->n_hooks;
	for (unsigned i = 0; i < r->n_filters; i++) {
		struct filter *f = &r->filters[i];

		f->role = r;
		f->s = &s->hooks[i];
		f->ops = ops_of[f->s->kind];
		list_init(&f->waiting);
		list_init(&f->idle);
		list_init(&f->busy);
	}
	return 0;
}

static int
started(struct role *role)
{
	struct hook_role *r = role->ctx;

	r->n_lost = 0;
	return 0;
}

static void
deinit(struct role *role)
{
	struct hook_role *r = role->ctx;

	while (!list_is_empty(&r->peers))
		on_closed(&LIST_ENTRY(r->peers.next, struct peer, link)->c);
	env_timer_stop(r->env, &r->lost);
}

const struct role_ops hook_ops = {
	.self = WIRE_HOOK,
	.prepare = prepare,
	.on_peer = on_peer,
	.started = started,
	.deinit = deinit,
};

int
role_hook(struct env *env, const struct settings *s, int supervisor_fd)
{
	struct hook_role r = { 0 };

	return role_run(env, s, supervisor_fd, &hook_ops, &r);
}
