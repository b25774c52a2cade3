/* SPDX-License-Identifier: ISC */
#include "roles/front/login.h"

#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/conn.h"

enum {
	CHAIN_MAX = 16384 /* messages.def: AUTH_START.certificate */
};

static const struct slice nothing;

unsigned
login_mechanisms(struct conn *c)
{
	const struct settings *s = conn_front(c)->settings;
	struct slice list = slice_cstr(s->mechanisms);
	unsigned mask = SASL_MASK_ALL;
	uint8_t at[TLS_BINDING_MAX];

	if (list.len > 0 && !sasl_mechanisms_parse(list, &mask))
		return 0; /* the settings were checked: cannot be */
	if (!s->client_certificates || c->tls == NULL || !tls_has_peer(c->tls))
		mask &= ~SASL_BIT(SASL_EXTERNAL);
	/* A bearer token in the clear is anybody's (RFC 7628, section 4). */
	if (s->oauth_keys[0] == '\0' || c->tls == NULL)
		mask &= ~(unsigned)SASL_MASK_TOKEN;
	if (c->tls == NULL ||
	    (tls_exporter(c->tls, at) == 0 && tls_end_point(c->tls, at) == 0))
		mask &= ~(unsigned)SASL_MASK_PLUS;
	return mask;
}

/* -- its end -------------------------------------------------------------- */

static void
drop_handle(struct conn *c, uint32_t handle)
{
	struct channel *store = conn_front(c)->store;
	struct wire_handle_drop drop = { .handle = handle };

	if (handle != 0 && store != NULL)
		(void)wire_send_handle_drop(store, c->number, 0, &drop);
}

static void
finish(struct login *l, enum login_result how, struct slice challenge)
{
	if (!l->is_waiting)
		return;
	l->is_waiting = false;
	l->is_open = how == LOGIN_CHALLENGE;
	if (how == LOGIN_MALFORMED && l->is_try)
		how = LOGIN_NO;
	env_timer_stop(conn_front(l->conn)->env, &l->refusal);
	l->done(l->conn, how, challenge);
}

static void
on_due(struct env_timer *t)
{
	finish(LIST_ENTRY(t, struct login, refusal), LOGIN_NO, nothing);
}

static void
on_later(struct env_defer *d)
{
	struct login *l = LIST_ENTRY(d, struct login, later);

	finish(l, l->soon, nothing);
}

/* What is known at once is said at the end of the turn: the session that asks
 * is still in the middle of its step. */
static void
finish_soon(struct login *l, enum login_result how)
{
	l->is_waiting = true;
	l->soon = (uint8_t)how;
	env_defer(conn_front(l->conn)->env, &l->later);
}

void
login_init(struct login *l, struct conn *c, const char *service,
    void (*done)(struct conn *c, enum login_result how, struct slice challenge))
{
	memset(l, 0, sizeof(*l));
	l->conn = c;
	l->service = service;
	l->done = done;
	l->refusal.fire = on_due;
	l->later.run = on_later;
	list_init(&l->later.link);
}

void
login_abort(struct login *l)
{
	struct front *f = conn_front(l->conn);
	struct wire_auth_abort m = { 0 };

	if (l->is_open && f->keeper != NULL)
		(void)wire_send_auth_abort(f->keeper, l->conn->number,
		    l->ticket, &m);
	l->is_open = l->is_waiting = false;
	env_timer_stop(f->env, &l->refusal);
	env_defer_cancel(f->env, &l->later);
}

void
login_deinit(struct login *l)
{
	if (l->conn == NULL)
		return;
	login_abort(l);
	drop_handle(l->conn, l->handle);
	l->handle = 0;
}

uint32_t
login_take_handle(struct login *l)
{
	uint32_t handle = l->handle;

	l->handle = 0;
	return handle;
}

/* -- words ---------------------------------------------------------------- */

static bool
send_start(struct login *l, enum sasl_mechanism mechanism,
    const struct slice *initial)
{
	struct conn *c = l->conn;
	struct front *f = conn_front(c);
	uint8_t exporter[TLS_BINDING_MAX], end_point[TLS_BINDING_MAX],
	    unique[TLS_BINDING_MAX];
	struct buf chain;
	bool ok;
	struct wire_auth_start m = { .service = slice_cstr(l->service),
		.client = slice_cstr(c->peer_text),
		.mechanism = (uint8_t)mechanism,
		.offered = login_mechanisms(c),
		.has_initial = initial != NULL };

	if (initial != NULL)
		m.initial = *initial;
	if (c->tls != NULL) {
		m.exporter = slice_of(exporter, tls_exporter(c->tls, exporter));
		m.end_point =
		    slice_of(end_point, tls_end_point(c->tls, end_point));
		m.unique = slice_of(unique, tls_unique(c->tls, unique));
	}
	buf_init(&chain, CHAIN_MAX);
	if (mechanism == SASL_EXTERNAL && c->tls != NULL &&
	    tls_peer_chain(c->tls, &chain) == 0)
		m.certificate = buf_slice(&chain);
	ok = f->keeper != NULL && f->store != NULL &&
	    wire_send_auth_start(f->keeper, c->number, l->ticket, &m) == 0;
	buf_deinit(&chain);
	return ok;
}

static void
wait_for_answer(struct login *l)
{
	l->is_open = l->is_waiting = true;
	l->n_looks = 0;
	peer_watch_asked(&front_own(conn_front(l->conn))->peer_watch);
}

bool
login_look(struct login *l)
{
	/* A refusal that waits for its time is known. */
	if (!l->is_waiting || !l->is_open || l->refusal.slot != 0)
		return false;
	if (++l->n_looks <= LIMIT_STORE_SILENCE_S / PEER_WATCH_LOOK_S)
		return true;
	env_log(conn_front(l->conn)->env, ENV_ERROR, "login-silent",
	    "client=%s session=%llu", l->conn->peer_text,
	    (unsigned long long)l->conn->number);
	login_abort(l);
	l->is_waiting = true;
	finish(l, LOGIN_LATER, nothing);
	return false;
}

/* initial: bytes */
static void
start(struct login *l, enum sasl_mechanism mechanism,
    const struct slice *initial)
{
	login_abort(l);
	/* A second login of the conn (POP3, maildrop in use) has a new one. */
	drop_handle(l->conn, l->handle);
	l->handle = 0;
	l->ticket = front_ticket(conn_front(l->conn));
	if (send_start(l, mechanism, initial))
		wait_for_answer(l);
	else
		finish_soon(l, LOGIN_LATER);
}

void
login_start(struct login *l, enum sasl_mechanism mechanism,
    const struct slice *initial)
{
	uint8_t at[SASL_RESPONSE_MAX];
	struct slice bytes;
	size_t n = 0;

	l->is_try = false;
	if (initial == NULL) {
		start(l, mechanism, NULL);
		return;
	}
	if (sasl_decode(*initial, true, at, &n)) {
		bytes = slice_of(at, n);
		start(l, mechanism, &bytes);
	} else {
		finish_soon(l, LOGIN_MALFORMED);
	}
	explicit_bzero(at, n);
}

void
login_step(struct login *l, struct slice response)
{
	struct channel *keeper = conn_front(l->conn)->keeper;
	uint8_t at[SASL_RESPONSE_MAX];
	struct wire_auth_step m = { 0 };
	size_t n = 0;

	if (!sasl_decode(response, false, at, &n)) {
		login_abort(l);
		finish_soon(l, LOGIN_MALFORMED);
		return;
	}
	m.response = slice_of(at, n);
	if (l->is_open && keeper != NULL &&
	    wire_send_auth_step(keeper, l->conn->number, l->ticket, &m) == 0)
		wait_for_answer(l);
	else
		finish_soon(l, LOGIN_LATER);
	explicit_bzero(at, n);
}

void
login_try(struct login *l, struct slice user, struct slice secret)
{
	uint8_t at[1 + LIMIT_ADDRESS + 1 + SASL_PASSWORD_MAX];
	struct slice bytes;

	l->is_try = true;
	if (user.len > LIMIT_ADDRESS || secret.len > SASL_PASSWORD_MAX) {
		finish_soon(l, LOGIN_NO);
		return;
	}
	at[0] = at[1 + user.len] = 0;
	if (user.len > 0)
		memcpy(at + 1, user.at, user.len);
	if (secret.len > 0)
		memcpy(at + 2 + user.len, secret.at, secret.len);
	bytes = slice_of(at, 2 + user.len + secret.len);
	start(l, SASL_PLAIN, &bytes);
	explicit_bzero(at, bytes.len);
}

/* -- answers -------------------------------------------------------------- */

static bool
is_awaited(const struct login *l, uint32_t ticket)
{
	return l->is_open && l->is_waiting && l->ticket == ticket &&
	    l->refusal.slot == 0;
}

void
login_on_challenge(struct login *l, uint32_t ticket,
    const struct wire_auth_challenge *m)
{
	if (is_awaited(l, ticket))
		finish(l, LOGIN_CHALLENGE, m->challenge);
}

void
login_on_refused(struct login *l, uint32_t ticket,
    const struct wire_auth_refused *m)
{
	struct env *env = conn_front(l->conn)->env;

	if (!is_awaited(l, ticket))
		return;
	/* Not the name: people type passwords there. */
	env_log(env, ENV_INFO, "login-refused",
	    "service=%s client=%s temporary=%d malformed=%d", l->service,
	    l->conn->peer_text, m->temporary, m->malformed);
	if (m->temporary)
		finish(l, LOGIN_LATER, nothing);
	else if (m->malformed)
		finish(l, LOGIN_MALFORMED, nothing);
	else if (env_timer_set(env, &l->refusal,
		     env_now(env) + m->wait_ms * TIME_MS) < 0)
		finish(l, LOGIN_NO, nothing);
}

void
login_on_handle(struct login *l, uint32_t ticket, const struct wire_handle *m)
{
	if (!is_awaited(l, ticket) || l->handle != 0) {
		/* To a question that was given up. */
		drop_handle(l->conn, m->handle);
		return;
	}
	l->handle = m->handle;
	l->account = m->account;
	finish(l, LOGIN_YES, nothing);
}

void
login_on_lost(struct login *l, enum wire_role peer)
{
	if (peer == WIRE_STORE)
		l->handle = 0;
	/* A refusal that only waits for its time stays one. Between challenge
	 * and response nobody waits; the next response finds it closed. */
	if (l->refusal.slot == 0 && l->is_waiting)
		finish(l, LOGIN_LATER, nothing);
	if (l->refusal.slot == 0)
		l->is_open = false;
}

unsigned
box_code(const struct wire_verdict *v)
{
	unsigned code = v->code;

	if (code >= 200 && code < 300)
		return BOX_OK;
	if (code >= BOX_NONEXISTENT && code <= BOX_LAST)
		return code;
	if (code == BOX_IN_USE)
		return BOX_IN_USE;
	return code >= 500 && code < 600 ? BOX_CANNOT : BOX_TROUBLE;
}
