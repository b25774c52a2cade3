/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "base/time.h"
#include "roles/front/login.h"
#include "sys/log.h"

static void
drop_handle(struct conn *c, uint32_t handle)
{
	struct channel *store = conn_front(c)->store;
	struct wire_handle_drop drop = { .handle = handle };

	if (handle != 0 && store != NULL)
		(void)wire_send_handle_drop(store, c->number, 0, &drop);
}

static void
finish(struct login *l, enum login_result how)
{
	if (!l->is_waiting)
		return;
	l->is_waiting = false;
	env_timer_stop(conn_front(l->conn)->env, &l->refusal);
	l->done(l->conn, how);
}

static void
on_due(struct env_timer *t)
{
	finish(LIST_ENTRY(t, struct login, refusal), LOGIN_NO);
}

void
login_init(struct login *l, struct conn *c, const char *service,
    void (*done)(struct conn *c, enum login_result how))
{
	memset(l, 0, sizeof(*l));
	l->conn = c;
	l->service = service;
	l->done = done;
	l->refusal.fire = on_due;
}

void
login_deinit(struct login *l)
{
	env_timer_stop(conn_front(l->conn)->env, &l->refusal);
	drop_handle(l->conn, l->handle);
	l->handle = 0;
	l->is_waiting = false;
}

bool
login_try(struct login *l, struct slice user, struct slice secret,
    struct slice authzid)
{
	struct conn *c = l->conn;
	struct front *f = conn_front(c);
	struct wire_auth_try try = { .service = slice_cstr(l->service),
		.client = slice_cstr(c->peer_text),
		.authcid = user,
		.authzid = authzid,
		.password = secret };
	char name[LOG_QUOTE];

	if (f->keeper == NULL || f->store == NULL ||
	    wire_send_auth_try(f->keeper, c->number, front_ticket(f), &try) !=
		0)
		return false;
	/* A second login of the conn (POP3, maildrop in use) has a new one. */
	drop_handle(c, l->handle);
	l->handle = 0;
	l->is_waiting = true;
	env_log(f->env, ENV_DEBUG, "login-try", "service=%s client=%s name=%s",
	    l->service, c->peer_text, log_quote(user, name, sizeof(name)));
	return true;
}

void
login_on_refused(struct login *l, const struct wire_auth_refused *m)
{
	struct env *env = conn_front(l->conn)->env;

	if (!l->is_waiting || l->refusal.slot != 0)
		return;
	env_log(env, ENV_INFO, "login-refused",
	    "service=%s client=%s temporary=%d", l->service, l->conn->peer_text,
	    m->temporary);
	if (m->temporary)
		finish(l, LOGIN_LATER);
	else if (env_timer_set(env, &l->refusal,
		     env_now(env) + m->wait_ms * TIME_MS) < 0)
		finish(l, LOGIN_NO);
}

void
login_on_handle(struct login *l, const struct wire_handle *m)
{
	if (!l->is_waiting || l->handle != 0) {
		/* To a question that was given up. */
		drop_handle(l->conn, m->handle);
		return;
	}
	l->handle = m->handle;
	l->account = m->account;
	finish(l, LOGIN_YES);
}

void
login_on_lost(struct login *l, enum wire_role peer)
{
	if (peer == WIRE_STORE)
		l->handle = 0;
	/* A refusal that only waits for its time stays one. */
	if (l->refusal.slot == 0)
		finish(l, LOGIN_LATER);
}

unsigned
box_code(const struct wire_verdict *v)
{
	unsigned code = v->code;

	if (code >= 200 && code < 300)
		return BOX_OK;
	if (code >= BOX_NONEXISTENT && code <= BOX_CANNOT)
		return code;
	if (code == BOX_IN_USE)
		return BOX_IN_USE;
	return code >= 500 && code < 600 ? BOX_CANNOT : BOX_TROUBLE;
}
