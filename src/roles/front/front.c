/* SPDX-License-Identifier: ISC */
/*
 * roles/front/front - the roles `mx`, `user` and `local`: clients
 *
 * Talks to: clients, on the listening sockets it is given (`local`: programs of
 * this machine); the store (mail, mailboxes); the keeper (logins, only `user`;
 * handshake signatures, `mx` and `user`); the resolver (not `local`).
 *
 * May touch: those sockets. No file, no new socket, no key. `local` also the
 * spool, in which mail of this machine waits while it is down.
 *
 * If it is taken over: `mx` can alter mail of its own sessions and store forged
 * mail for local recipients; `user` in addition hears the passwords typed
 * while it lasts and reaches the mailboxes whose handles it holds; `local` can
 * send mail as anybody of this machine, and sees what lies in the spool.
 *
 * If it dies: its clients lose their connections, nothing acknowledged is
 * lost, and the supervisor starts another.
 */
#include "roles/front/front.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/conn.h"
#include "roles/front/local.h"
#include "roles/front/origin.h"

enum {
	ACCEPT_BATCH = 64,
	REFUSAL_MAX = 512 /* a line */
};

#define STOP_LIMIT (8 * TIME_SECOND)
#define ACCEPT_PAUSE (100 * TIME_MS)

/* No enhanced code in what stands for the greeting (RFC 2034, 4). */
#define SMTP_TOO_MANY                                                          \
	SLICE(" too many connections or errors; try again later\r\n")

/* What is spoken behind each listening socket. */
static const struct service_row {
	unsigned service;
	enum wire_role kind;
	const struct conn_proto *proto;
	bool is_tls;
	struct conn_refusal refusal;
} services[] = {
	{ SERVICE_MX, WIRE_MX, &smtp_proto, false,
	    { SLICE("421 "), SMTP_TOO_MANY } },
	{ SERVICE_LMTP, WIRE_MX, &smtp_proto, false,
	    { SLICE("421 "), SMTP_TOO_MANY } },
	{ SERVICE_SUBMISSION, WIRE_USER, &smtp_proto, false,
	    { SLICE("421 "), SMTP_TOO_MANY } },
	{ SERVICE_SUBMISSIONS, WIRE_USER, &smtp_proto, true, { { 0 }, { 0 } } },
	{ SERVICE_IMAP, WIRE_USER, &imap_proto, false,
	    { SLICE("* BYE [UNAVAILABLE] too many connections\r\n"), { 0 } } },
	{ SERVICE_IMAPS, WIRE_USER, &imap_proto, true, { { 0 }, { 0 } } },
	{ SERVICE_POP3, WIRE_USER, &pop3_proto, false,
	    { SLICE("-ERR [SYS/TEMP] too many connections\r\n"), { 0 } } },
	{ SERVICE_POP3S, WIRE_USER, &pop3_proto, true, { { 0 }, { 0 } } },
	{ SERVICE_LOCAL, WIRE_LOCAL, &smtp_proto, false,
	    { SLICE("421 "), SMTP_TOO_MANY } },
};

struct front_own *
front_own(struct front *f)
{
	return f->own;
}

uint32_t
front_ticket(struct front *f)
{
	if (++f->next_ticket == 0)
		f->next_ticket = 1;
	return f->next_ticket;
}

/* -- listeners ----------------------------------------------------------- */

static void
listeners_want(struct front *f, unsigned want)
{
	struct front_own *own = front_own(f);

	for (size_t i = 0; i < FRONT_LISTENERS; i++)
		if (own->listeners[i].is_used)
			(void)env_watch_want(f->env, &own->listeners[i].watch,
			    want);
}

static void
on_accept_again(struct env_timer *t)
{
	struct front_own *own = LIST_ENTRY(t, struct front_own, accept_again);

	listeners_want(own->front, ENV_READ);
}

/* No descriptors or memory: the next clients wait in the kernel's queue. */
static void
accept_pause(struct front *f, int r)
{
	env_log(f->env, ENV_WARN, "accept-failed", "error=%d", -r);
	if (env_timer_set(f->env, &front_own(f)->accept_again,
		env_now(f->env) + ACCEPT_PAUSE) == 0)
		listeners_want(f, 0);
}

/* Why this client is not served, or NULL. A proxy has many clients: they are
 * counted once it has named them. */
static const char *
check_client(struct front *f, const struct listener *l,
    const struct env_addr *peer)
{
	struct front_own *own = front_own(f);

	if (f->settings->max_connections > 0 &&
	    own->n_conns >= f->settings->max_connections)
		return "max_connections";
	if (!origin_is_proxy(l->proxy, peer) &&
	    f->settings->max_per_client > 0 &&
	    front_client_count(f, peer) >= f->settings->max_per_client)
		return "max_per_client";
	return NULL;
}

static void
refuse(struct front *f, const struct listener *l, int fd,
    const struct env_addr *peer, const char *why)
{
	char text[ENV_ADDR_TEXT];
	struct buf words;

	env_addr_print(peer, text);
	env_log(f->env, ENV_INFO, "refused", "client=%s limit=%s port=%u", text,
	    why, l->port);
	buf_init(&words, REFUSAL_MAX);
	if (conn_refusal_print(&l->row->refusal, f, &words) == 0 &&
	    words.len > 0)
		(void)env_sendv(f->env, fd,
		    &(struct iovec){
			(void *)(uintptr_t)buf_slice(&words).at, words.len },
		    1);
	buf_deinit(&words);
	env_close(f->env, fd, false);
}

static void
on_accept(struct env_watch *w, unsigned events)
{
	struct listener *l = LIST_ENTRY(w, struct listener, watch);
	struct front *f = l->front;

	(void)events;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		struct env_addr peer = { 0 };
		int fd = env_accept(f->env, w->fd, &peer);
		const char *why;

		if (fd == -EAGAIN)
			return;
		if (fd == -ECONNABORTED || fd == -EINTR || fd == -EPROTO)
			continue; /* that client has left already */
		if (fd < 0) {
			accept_pause(f, fd);
			return;
		}
		why = check_client(f, l, &peer);
		if (f->kind == WIRE_LOCAL)
			local_wake(f);
		if (why != NULL)
			refuse(f, l, fd, &peer, why);
		else
			(void)conn_accept(f, fd, &peer, l->row->service,
			    l->row->proto, l->row->is_tls, l->proxy,
			    &l->row->refusal);
	}
}

static const struct service_row *
service_find(const struct front *f, unsigned service)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (services[i].service == service &&
		    services[i].kind == f->kind)
			return &services[i];
	return NULL;
}

/* The networks of the listener that is bound there, as the file has them. */
static bool
find_proxy(struct front *f, unsigned service, uint16_t port, int fd,
    struct ip_networks **ret)
{
	const struct settings *s = f->settings;
	struct env_addr here = { 0 };
	bool is_known = env_local_addr(f->env, fd, &here) == 0;

	*ret = NULL;
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct settings_listener *l = &s->listeners[i];

		if (l->service != service || l->port != port ||
		    s->listener_proxy[i][0] == '\0')
			continue;
		if (is_known &&
		    (l->family != here.family ||
			memcmp(l->address, here.bytes, sizeof(l->address)) !=
			    0))
			continue;
		*ret = calloc(1, sizeof(**ret));
		return *ret != NULL &&
		    ip_networks_parse(slice_cstr(s->listener_proxy[i]), *ret);
	}
	return true;
}

static void
on_listener(struct role *r, unsigned service, uint16_t port, int fd)
{
	struct front *f = r->ctx;
	struct front_own *own = front_own(f);
	const struct service_row *row = service_find(f, service);

	for (size_t i = 0; row != NULL && i < FRONT_LISTENERS; i++) {
		struct listener *l = &own->listeners[i];

		if (l->is_used)
			continue;
		l->front = f;
		l->row = row;
		l->port = port;
		if (!find_proxy(f, service, port, fd, &l->proxy))
			break;
		if (env_watch_add(f->env, &l->watch, fd, ENV_READ, on_accept) <
		    0)
			break;
		l->is_used = true;
		return;
	}
	env_log(f->env, ENV_ERROR, "listener-unusable", "service=%u port=%u",
	    service, port);
	env_close(f->env, fd, false);
}

static void
listeners_close(struct front *f)
{
	struct front_own *own = front_own(f);

	for (size_t i = 0; i < FRONT_LISTENERS; i++) {
		struct listener *l = &own->listeners[i];

		if (!l->is_used)
			continue;
		l->is_used = false;
		env_watch_del(f->env, &l->watch);
		env_close(f->env, l->watch.fd, false);
		free(l->proxy);
		l->proxy = NULL;
	}
	env_timer_stop(f->env, &own->accept_again);
}

/* -- peers
 * ---------------------------------------------------------------------- */

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	const struct front *f = c->ctx;

	if (f->kind == WIRE_MX)
		return wire_dispatch_mx(&front_mx_handlers, c, c->peer, h,
		    payload, fd);
	if (f->kind == WIRE_LOCAL)
		return wire_dispatch_local(&front_local_handlers, c, c->peer, h,
		    payload, fd);
	return wire_dispatch_user(&front_user_handlers, c, c->peer, h, payload,
	    fd);
}

static struct channel **
peer_place(struct front *f, enum wire_role peer)
{
	switch (peer) {
	case WIRE_STORE:
		return &f->store;
	case WIRE_KEEPER:
		return &f->keeper;
	case WIRE_RESOLVER:
		return &f->resolver;
	case WIRE_HOOK:
		return &f->hook;
	default:
		return NULL;
	}
}

static void
on_closed(struct channel *c)
{
	struct front *f = c->ctx;
	struct channel **place = peer_place(f, c->peer);

	if (place != NULL && *place == c) {
		*place = NULL;
		if (c->peer == WIRE_HOOK)
			hook_watch_reset(&front_own(f)->hook_watch);
		peer_watch_lost(&front_own(f)->peer_watch, c->peer);
		front_lost_peer(f, c->peer);
	}
	channel_close(c);
	free(c);
}

static void
on_room(struct channel *c)
{
	if (c->peer == WIRE_STORE)
		front_store_room(c->ctx);
}

/* The old channel may still stand when the news of its end comes later than
 * that of its successor. */
static void
replace_peer(struct front *f, struct channel **place)
{
	struct channel *old = *place;

	if (old == NULL)
		return;
	*place = NULL;
	if (old->peer == WIRE_HOOK)
		hook_watch_reset(&front_own(f)->hook_watch);
	front_lost_peer(f, old->peer);
	channel_close(old);
	free(old);
}

static void
on_peer(struct role *r, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct front *f = r->ctx;
	struct channel **place = peer_place(f, peer);
	struct channel *c;

	if (purpose == PEER_SIGNING && peer == WIRE_KEEPER) {
		tls_server_set_keeper(f->tls, fd);
		return;
	}
	if (purpose != PEER_CHANNEL || place == NULL) {
		env_close(f->env, fd, false); /* of no use yet */
		return;
	}
	replace_peer(f, place);
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		env_close(f->env, fd, false);
		return;
	}
	if (channel_open(c, f->env, f, fd, f->kind, peer, instance,
		&front_own(f)->channel_ops) < 0) {
		free(c);
		return;
	}
	*place = c;
	peer_watch_found(&front_own(f)->peer_watch, peer);
}

/* -- life
 * ------------------------------------------------------------------------ */

/* Clients choose by the names that they are shown. The keeper has the file
 * too, and says what is wrong with it. */
static int
ask_certificates(struct front *f)
{
	uint8_t *at = malloc(LIMIT_CLIENT_CA);
	size_t n = 0;

	if (at == NULL)
		return -ENOMEM;
	if (f->settings->client_ca[0] == '\0' ||
	    role_read_file(f->env, f->settings->client_ca, at, LIMIT_CLIENT_CA,
		&n) != 0)
		n = 0;
	tls_server_ask_certificates(f->tls, slice_of(at, n));
	free(at);
	return 0;
}

static int
prepare(struct role *r)
{
	struct front *f = r->ctx;
	uint8_t seed[MAP_SEED];
	struct front_own *own = calloc(1, sizeof(*own));

	if (own == NULL)
		return -ENOMEM;
	f->role = r;
	f->env = r->env;
	f->settings = r->settings;
	f->kind = r->ops->self;
	f->own = own;
	own->front = f;
	own->channel_ops = (struct channel_ops){ dispatch, on_closed, on_room };
	own->accept_again.fire = on_accept_again;
	list_init(&own->conns);
	hook_watch_init(&own->hook_watch, f);
	peer_watch_init(&own->peer_watch, f, r->ops->stop);
	env_random(f->env, seed, sizeof(seed));
	map_init(&f->conns, seed);
	map_init(&own->clients, seed);
	purse_init(&f->memory, NULL, LIMIT_FRONT_MEMORY);
	(void)slice_to_cstr(slice_cstr(f->settings->hostname), f->hostname,
	    sizeof(f->hostname));
	f->state.hostname = slice_cstr(f->hostname);
	f->state.max_size = f->settings->max_size;
	if (f->kind == WIRE_LOCAL) {
		int made = local_new(f, &own->local);

		if (made < 0)
			return made;
	}
	if (!origin_rules_make(f))
		return -ENOMEM;
	if (tls_server_new(f->env, &f->tls) < 0)
		return -ENOMEM;
	return f->kind == WIRE_USER && f->settings->client_certificates
	    ? ask_certificates(f)
	    : 0;
}

static int
started(struct role *r)
{
	struct front *f = r->ctx;

	if (f->kind == WIRE_LOCAL)
		local_start(front_own(f)->local);
	return 0;
}

void
front_conn_gone(struct front *f)
{
	struct front_own *own = front_own(f);

	if (own->is_stopping && list_is_empty(&own->conns))
		env_stop(f->env);
}

static void
on_stop_limit(struct env_timer *t)
{
	struct front_own *own = LIST_ENTRY(t, struct front_own, stop_limit);

	env_stop(own->front->env);
}

static void
stop(struct role *r)
{
	struct front *f = r->ctx;
	struct front_own *own = front_own(f);

	if (own->is_stopping)
		return;
	own->is_stopping = true;
	if (own->local != NULL)
		local_stop(own->local);
	listeners_close(f);
	own->stop_limit.fire = on_stop_limit;
	if (env_timer_set(f->env, &own->stop_limit,
		env_now(f->env) + STOP_LIMIT) < 0) {
		env_stop(f->env);
		return;
	}
	LIST_FOREACH (it, &own->conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (conn_is_live(c) && c->proto->stopping != NULL)
			c->proto->stopping(c);
		else
			conn_end(c);
	}
	front_conn_gone(f);
}

static void
deinit(struct role *r)
{
	struct front *f = r->ctx;
	struct front_own *own = front_own(f);

	if (own == NULL)
		return;
	own->is_stopping = false;
	listeners_close(f);
	env_timer_stop(f->env, &own->stop_limit);
	local_free(own->local);
	LIST_FOREACH_SAFE (it, next, &own->conns)
		conn_free_now(LIST_ENTRY(it, struct conn, link));
	replace_peer(f, &f->store);
	replace_peer(f, &f->keeper);
	replace_peer(f, &f->resolver);
	replace_peer(f, &f->hook);
	hook_watch_reset(&own->hook_watch);
	peer_watch_deinit(&own->peer_watch);
	origin_rules_free(f);
	tls_server_free(f->tls);
	map_deinit(&f->conns);
	map_deinit(&own->clients);
	free(own);
	f->own = NULL;
}

#define FRONT_OPS(kind)                                                        \
	{                                                                      \
		.self = (kind), .prepare = prepare, .on_peer = on_peer,        \
		.on_listener = on_listener, .started = started, .stop = stop,  \
		.deinit = deinit                                               \
	}

const struct role_ops front_mx_ops = FRONT_OPS(WIRE_MX);
const struct role_ops front_user_ops = FRONT_OPS(WIRE_USER);
const struct role_ops front_local_ops = FRONT_OPS(WIRE_LOCAL);

static int
run(struct env *env, const struct settings *s, int supervisor_fd,
    const struct role_ops *ops)
{
	struct front *f = calloc(1, sizeof(*f));
	int status;

	if (f == NULL)
		return 1;
	status = role_run(env, s, supervisor_fd, ops, f);
	free(f);
	return status;
}

int
role_mx(struct env *env, const struct settings *s, int supervisor_fd)
{
	return run(env, s, supervisor_fd, &front_mx_ops);
}

int
role_user(struct env *env, const struct settings *s, int supervisor_fd)
{
	return run(env, s, supervisor_fd, &front_user_ops);
}

int
role_local(struct env *env, const struct settings *s, int supervisor_fd)
{
	return run(env, s, supervisor_fd, &front_local_ops);
}
