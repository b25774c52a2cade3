/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/hop - what the operator's route says of the next hop
 *
 * The store decides which route a mail takes and says it with each ATTEMPT
 * (policy/route_table); here it becomes hosts to be asked for, a source
 * address, a name for EHLO, and how much TLS there must be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/route_table.h"
#include "roles/courier/courier.h"

enum {
	PORT_SUBMISSIONS = 465, /* RFC 8314: TLS from the first octet */
	HOP_PASSWORD = 1025     /* with its NUL */
};

/* -- from ATTEMPT ---------------------------------------------------------- */

static int
copy_cstr(struct attempt *a, struct slice text, const char **ret)
{
	char *at;

	if (text.len == 0)
		return 0;
	at = arena_alloc(&a->arena, text.len + 1);
	if (at == NULL)
		return ERR_ORIGIN(-ENOMEM);
	if (!slice_to_cstr(text, at, text.len + 1) || strlen(at) != text.len)
		return ERR_ORIGIN(-EINVAL);
	*ret = at;
	return 0;
}

static int
take_source(struct slice text, uint8_t family, struct env_addr *ret, bool *has)
{
	if (text.len == 0)
		return 0;
	if (!env_addr_parse(text, ret) || ret->family != family)
		return ERR_ORIGIN(-EINVAL);
	ret->port = 0;
	*has = true;
	return 0;
}

/* Connections of a route are not for mail of another, even to the same host:
 * login, name and source address are theirs. */
static int
make_key(struct attempt *a, const struct wire_attempt *m)
{
	uint8_t *at =
	    arena_alloc(&a->arena, m->route.len + 1 + m->hop_name.len);

	if (at == NULL)
		return ERR_ORIGIN(-ENOMEM);
	memcpy(at, m->route.at, m->route.len);
	at[m->route.len] = ' ';
	if (m->hop_name.len > 0)
		memcpy(at + m->route.len + 1, m->hop_name.at, m->hop_name.len);
	a->key = slice_of(at, m->route.len + 1 + m->hop_name.len);
	return 0;
}

static int
take_user(struct attempt *a, struct slice user)
{
	if (user.len == 0)
		return 0;
	a->hop.login = arena_alloc(&a->arena, user.len + 1);
	if (a->hop.login == NULL)
		return ERR_ORIGIN(-ENOMEM);
	return slice_to_cstr(user, a->hop.login, user.len + 1)
	    ? 0
	    : ERR_ORIGIN(-EINVAL);
}

static uint8_t
tls_of(const struct wire_attempt *m)
{
	if (m->tls != HOP_TLS_DEFAULT)
		return m->tls;
	if (m->hop == HOP_LMTP)
		return HOP_TLS_MAY;
	return m->user.len > 0 ? HOP_TLS_VERIFY : HOP_TLS_MAY;
}

static int
take_hosts(struct attempt *a, const struct wire_attempt *m)
{
	struct attempt_hop *h = &a->hop;
	struct slice text;
	const char *why;

	if (m->hop != HOP_SMARTHOST && m->hop != HOP_LMTP)
		return 0;
	if (!arena_copy(&a->arena, m->hosts, &text))
		return ERR_ORIGIN(-ENOMEM);
	return hop_hosts_read(text, h->hosts, &h->n_hosts, &why)
	    ? 0
	    : ERR_ORIGIN(-EINVAL);
}

int
attempt_hop_fill(struct attempt *a, const struct wire_attempt *m)
{
	const struct settings *s = a->courier->settings;
	struct attempt_hop *h = &a->hop;
	int r;

	if (m->hop >= HOP_KINDS || m->tls >= HOP_TLS_KINDS)
		return ERR_ORIGIN(-EINVAL);
	*h = (struct attempt_hop){ .kind = m->hop,
		.tls = tls_of(m),
		.is_implicit = m->is_implicit,
		.auth_clear = m->auth_clear,
		.port = m->port,
		.reply.code = m->reply_code };
	if (!arena_copy(&a->arena, m->hop_name, &h->name) ||
	    !arena_copy(&a->arena, m->user, &h->user) ||
	    !arena_copy(&a->arena, m->secret, &h->secret) ||
	    !arena_copy(&a->arena, m->reply, &h->reply.text))
		return ERR_ORIGIN(-ENOMEM);
	r = take_source(m->source4.len > 0 ? m->source4
					   : slice_cstr(s->outbound_source4),
	    4, &h->source4, &h->has_source4);
	if (r == 0)
		r = take_source(m->source6.len > 0
			? m->source6
			: slice_cstr(s->outbound_source6),
		    6, &h->source6, &h->has_source6);
	if (r == 0)
		r = take_user(a, m->user);
	if (r == 0)
		r = copy_cstr(a, m->helo, &h->helo);
	if (r == 0)
		r = take_hosts(a, m);
	return r == 0 ? ERR_TRACE(make_key(a, m)) : ERR_TRACE(r);
}

/* -- what it means --------------------------------------------------------- */

bool
attempt_hop_ends(const struct attempt *a, struct verdict *ret)
{
	const struct attempt_hop *h = &a->hop;

	if (h->kind == HOP_DISCARD) {
		*ret = VERDICT(250, 2, 0, 0, "discarded, as the route says");
		return true;
	}
	if (h->kind != HOP_ERROR)
		return false;
	*ret = route_reply((uint16_t)h->reply.code, h->reply.text);
	return true;
}

void
attempt_hop_route(const struct attempt *a, struct route_input *ret)
{
	const struct settings *s = a->courier->settings;
	const struct attempt_hop *h = &a->hop;

	*ret = (struct route_input){ .domain = a->domain,
		.hostname = slice_cstr(s->hostname),
		.seed = a->seed,
		.permit_loopback = s->outbound_permit_loopback,
		.families = s->outbound_families,
		.port = h->port != 0 ? h->port : s->outbound_port,
		.own = a->courier->own,
		.n_own = a->courier->n_own,
		.hops = h->hosts,
		.n_hops = h->n_hosts,
		.first = a->turn };
	/* the operator himself says where */
	if (h->n_hosts > 0)
		ret->permit_loopback = true;
}

const char *
attempt_hop_helo(const struct attempt *a)
{
	const struct settings *s = a->courier->settings;

	if (a->hop.helo != NULL)
		return a->hop.helo;
	return s->outbound_hostname[0] != '\0' ? s->outbound_hostname
					       : s->hostname;
}

const struct env_addr *
attempt_hop_source(const struct attempt *a, uint8_t family)
{
	if (family == 4 && a->hop.has_source4)
		return &a->hop.source4;
	return family == 6 && a->hop.has_source6 ? &a->hop.source6 : NULL;
}

bool
attempt_hop_is_implicit(const struct attempt *a, uint16_t port)
{
	return a->hop.is_implicit ||
	    (a->hop.kind == HOP_SMARTHOST && port == PORT_SUBMISSIONS);
}

bool
attempt_hop_may_be_clear(const struct attempt *a)
{
	return a->hop.tls == HOP_TLS_MAY && !a->hop.is_implicit &&
	    a->hop.login == NULL;
}

/* -- the login ------------------------------------------------------------- */

void
attempt_hop_free(struct attempt *a)
{
	if (a->hop.password == NULL)
		return;
	explicit_bzero(a->hop.password, HOP_PASSWORD);
	free(a->hop.password);
	a->hop.password = NULL;
}

bool
attempt_hop_ask(struct attempt *a)
{
	struct wire_secret_ask m = { .sealed = a->hop.secret };
	struct courier *c = a->courier;

	if (a->hop.secret.len == 0 || a->hop.password != NULL)
		return false;
	if (a->hop.ticket != 0)
		return true;
	a->hop.ticket = courier_ticket(c);
	if (c->keeper == NULL ||
	    wire_send_secret_ask(c->keeper, a->number, a->hop.ticket, &m) != 0)
		attempt_secret_failed(a,
		    "the keeper cannot be asked for the "
		    "password now");
	return true;
}

void
attempt_hop_on_secret(struct attempt *a, uint32_t ticket,
    const struct wire_secret *m)
{
	if (a->hop.ticket != ticket || a->hop.password != NULL)
		return;
	a->hop.ticket = 0;
	if (m->ok)
		a->hop.password = calloc(1, HOP_PASSWORD);
	if (a->hop.password == NULL ||
	    !slice_to_cstr(m->secret, a->hop.password, HOP_PASSWORD)) {
		attempt_secret_failed(a,
		    "the route's password cannot be "
		    "opened; set it anew");
		return;
	}
	attempt_secret_came(a);
}

void
attempt_hop_on_keeper_lost(struct attempt *a)
{
	if (a->hop.ticket != 0)
		attempt_secret_failed(a, "the keeper went away");
}

/* Never the mail's fault: it waits until the password is put right. */
struct verdict
attempt_hop_login_failed(struct attempt *a, const struct verdict *said)
{
	env_log(a->courier->env, ENV_WARN, "route-login-refused",
	    "route=%.*s host=\"%s\" code=%u", SLICE_FMT(a->hop.name), a->remote,
	    said->code);
	return (struct verdict){ 454, { 4, 7, 8 }, said->text };
}
