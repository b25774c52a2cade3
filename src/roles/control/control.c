/* SPDX-License-Identifier: ISC */
/*
 * roles/control/control - takes commands on the admin socket
 *
 * Talks to: `ulak` commands, on the local socket that the supervisor made; the
 * store (ADMIN_ASK), the keeper (HASH_ASK, KEY_MAKE, SEAL_ASK, TOKEN_KEYS); the
 * role hook tells it how content filters fare (HOOK_STATE).
 *
 * May touch: that socket and its channels. No file, no network.
 *
 * If it is taken over: whoever has it can do what the admin who is asking just
 * then may do, which is everything the store offers; mail it sees while an
 * admin imports or exports some (bulk.h), or by asking as if one did.
 *
 * If it dies: the command that was running says so and may be given again;
 * mail goes on.
 */
#include "roles/control/control.h"
#include "roles/own.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
	ACCEPT_BATCH = 16
};

/* -- answers -------------------------------------------------------------- */

static struct control *
of_channel(struct channel *c)
{
	return ((struct control_peer *)c->peer_state)->control;
}

static int
on_admin_rows(struct channel *c, const struct wire_head *h,
    const struct wire_admin_rows *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_rows(conn, m);
	return 0;
}

static int
on_hashed(struct channel *c, const struct wire_head *h,
    const struct wire_hashed *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_hashed(conn, m);
	return 0;
}

static int
on_key_made(struct channel *c, const struct wire_head *h,
    const struct wire_key_made *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_key(conn, m);
	return 0;
}

static int
on_sealed(struct channel *c, const struct wire_head *h,
    const struct wire_sealed *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_sealed(conn, m);
	return 0;
}

static int
on_token_keys_taken(struct channel *c, const struct wire_head *h,
    const struct wire_token_keys_taken *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_token_keys(conn, m);
	return 0;
}

static int
on_hook_state(struct channel *c, const struct wire_head *h,
    const struct wire_hook_state *m)
{
	struct control_filter *f;

	(void)h;
	if (m->filter >= LIMIT_HOOKS || m->state >= N_HOOK_STATES)
		return WIRE_E_BAD;
	f = &of_channel(c)->filters[m->filter];
	f->state = m->state;
	(void)slice_to_cstr(m->why, f->why, sizeof(f->why));
	return 0;
}

static int
on_dns_answer(struct channel *c, const struct wire_head *h,
    const struct wire_dns_answer *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_dns(conn, h->ticket, m);
	return 0;
}

static int
on_sts_answer(struct channel *c, const struct wire_head *h,
    const struct wire_sts_answer *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_sts(conn, h->ticket, m);
	return 0;
}

static int
on_done(struct channel *c, const struct wire_head *h, const struct wire_done *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_done(conn, h->ticket, m);
	return 0;
}

static int
on_credit(struct channel *c, const struct wire_head *h,
    const struct wire_body_credit *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_credit(conn, m);
	return 0;
}

static int
on_refused(struct channel *c, const struct wire_head *h,
    const struct wire_body_refused *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_refused(conn, m);
	return 0;
}

static int
on_data(struct channel *c, const struct wire_head *h,
    const struct wire_body_data *m)
{
	struct control_conn *conn =
	    control_conn_find(of_channel(c), h->session);

	if (conn != NULL)
		control_conn_on_data(conn, h->ticket, m);
	return 0;
}

static const struct wire_control_handlers handlers = {
	.done = on_done,
	.body_credit = on_credit,
	.body_refused = on_refused,
	.body_data = on_data,
	.dns_answer = on_dns_answer,
	.sts_answer = on_sts_answer,
	.admin_rows = on_admin_rows,
	.hashed = on_hashed,
	.key_made = on_key_made,
	.sealed = on_sealed,
	.token_keys_taken = on_token_keys_taken,
	.hook_state = on_hook_state,
};

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	return wire_dispatch_control(&handlers, c, c->peer, h, payload, fd);
}

/* -- peers ---------------------------------------------------------------- */

static void
on_closed(struct channel *c)
{
	struct control_peer *peer = c->peer_state;

	peer->is_there = false;
	control_conns_peer_lost(peer->control, c->peer);
}

static const struct channel_ops ops = { .dispatch = dispatch,
	.on_closed = on_closed };

static void
on_peer(struct role *r, enum wire_role role, uint32_t instance,
    unsigned purpose, int fd)
{
	struct control *c = r->ctx;
	struct control_peer *peer = role == WIRE_STORE ? &c->store
	    : role == WIRE_KEEPER                      ? &c->keeper
	    : role == WIRE_HOOK                        ? &c->hook
	    : role == WIRE_RESOLVER                    ? &c->resolver
	    : role == WIRE_FETCHER                     ? &c->fetcher
						       : NULL;

	if (peer == NULL || purpose != PEER_CHANNEL) {
		env_close(r->env, fd, false);
		return;
	}
	if (peer->is_there) { /* its end has not been noticed yet */
		channel_close(&peer->channel);
		on_closed(&peer->channel);
	}
	memset(&peer->channel, 0, sizeof(peer->channel));
	peer->control = c;
	if (channel_open(&peer->channel, r->env, c, fd, WIRE_CONTROL, role,
		instance, &ops) != 0)
		return;
	peer->channel.peer_state = peer;
	peer->is_there = true;
}

/* -- the socket ----------------------------------------------------------- */

static void
on_accept(struct env_watch *w, unsigned events)
{
	struct control *c = LIST_ENTRY(w, struct control, listener);
	struct env_addr peer;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = env_accept(c->role->env, w->fd, &peer);

		if (fd < 0)
			return;
		control_conn_new(c, fd);
	}
}

static void
on_listener(struct role *r, unsigned service, uint16_t port, int fd)
{
	struct control *c = r->ctx;

	(void)port;
	if (service != SERVICE_CONTROL || c->is_listening ||
	    env_watch_add(r->env, &c->listener, fd, ENV_READ, on_accept) != 0)
		env_close(r->env, fd, false);
	else
		c->is_listening = true;
}

/* -- the role ------------------------------------------------------------- */

static int
prepare(struct role *r)
{
	struct control *c = r->ctx;

	c->role = r;
	list_init(&c->conns);
	c->n_own = role_own_find(r->settings, c->own, CONTROL_OWN);
	/* or jansson would open /dev/urandom inside the sandbox */
	json_object_seed((size_t)env_random_u64(r->env) | 1);
	return 0;
}

static void
deinit(struct role *r)
{
	struct control *c = r->ctx;

	LIST_FOREACH_SAFE (it, tmp, &c->conns)
		control_conn_free(control_conn_of(it));
	if (c->store.is_there)
		channel_close(&c->store.channel);
	if (c->keeper.is_there)
		channel_close(&c->keeper.channel);
	if (c->hook.is_there)
		channel_close(&c->hook.channel);
	if (c->resolver.is_there)
		channel_close(&c->resolver.channel);
	if (c->fetcher.is_there)
		channel_close(&c->fetcher.channel);
	if (c->is_listening) {
		env_watch_del(r->env, &c->listener);
		env_close(r->env, c->listener.fd, false);
	}
}

static const struct role_ops control_ops = {
	.self = WIRE_CONTROL,
	.prepare = prepare,
	.on_peer = on_peer,
	.on_listener = on_listener,
	.deinit = deinit,
};

int
role_control(struct env *env, const struct settings *s, int supervisor_fd)
{
	struct control c;

	memset(&c, 0, sizeof(c));
	return role_run(env, s, supervisor_fd, &control_ops, &c);
}
