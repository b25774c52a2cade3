/* SPDX-License-Identifier: ISC */
/*
 * roles/resolver - asks the DNS for the other roles, validating DNSSEC itself
 *
 * Talks to: couriers and fronts (DNS_ASK, DNS_ANSWER), name servers.
 *
 * May touch: DNS sockets. Reads root hints before its sandbox closes.
 *
 * If it is taken over: whoever has it can lie about the DNS, and so lead mail
 * astray; he sees domain names and no mail.
 *
 * If it dies: the asker's channel ends, which it takes for "no answer in
 * time"; mail waits and is tried again.
 *
 * Limits: ASKS_MAX questions at a time, more get DNS_NO_ANSWER at once; each
 * has ASK_TIME to be answered.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/dns.h"
#include "roles/role.h"
#include "sys/dns.h"

enum {
	ASKS_MAX = 900, /* below DNS_OUTSTANDING: forgotten ones linger */
	ANSWER_ARENA = 256 * 1024,
	ROWS_MAX = 900 * 1024,
	WHY_MAX = 512
};
#define ASK_TIME (10 * TIME_SECOND)

struct resolver {
	struct role *role;
	struct dns *dns;
	struct list channels; /* of struct channel, by link */
	struct list asks;     /* of struct ask */
	size_t n_asks;
};

struct ask {
	struct resolver *resolver;
	struct list link;
	struct channel *channel; /* the ask ends with it */
	uint64_t session;
	uint32_t ticket;
	uint16_t type;
	char name[DNS_NAME_TEXT];
	struct dns_query query;
	struct env_timer timer;
};

static void
ask_free(struct ask *a)
{
	dns_forget(&a->query);
	env_timer_stop(a->resolver->role->env, &a->timer);
	list_remove(&a->link);
	a->resolver->n_asks--;
	free(a);
}

static void
answer_none(struct channel *c, uint64_t session, uint32_t ticket,
    uint16_t rcode, const char *why)
{
	struct wire_dns_answer answer = { .rcode = rcode,
		.why = slice_upto(slice_cstr(why), WHY_MAX) };

	(void)wire_send_dns_answer(c, session, ticket, &answer);
}

/* A channel that is gone or full swallows the answer: the asker's own time
 * limit speaks for it. */
static void
answer_records(struct ask *a, const struct dns_result *result,
    const struct dns_answer *got)
{
	struct wire_dns_answer answer = { .rcode = got->rcode,
		.secure = result->is_secure,
		.bogus = result->is_bogus,
		.why = slice_upto(slice_cstr(result->why), WHY_MAX),
		.ttl = got->ttl,
		.canonical = got->canonical };
	struct buf rows;

	buf_init(&rows, ROWS_MAX);
	for (size_t i = 0; i < got->n_records; i++) {
		struct wire_dns_record row = { .data = got->records[i] };

		if (wire_dns_record_add(&rows, &row) != 0)
			break;
		answer.records.n++;
	}
	answer.records.raw = buf_slice(&rows);
	(void)wire_send_dns_answer(a->channel, a->session, a->ticket, &answer);
	buf_deinit(&rows);
}

/* A packet that is not of its form is a failed server, whoever sent it. */
static void
on_result(struct dns_query *q, const struct dns_result *result)
{
	struct ask *a = LIST_ENTRY(q, struct ask, query);
	struct dns_answer got = { 0 };
	const struct dns_result bad = { .rcode = DNS_SERVFAIL,
		.why = "malformed answer" };
	struct arena arena;

	/* what the library says is about itself; NXDOMAIN is in the packet */
	got.rcode = (uint16_t)result->rcode;

	arena_init(&arena, ANSWER_ARENA);
	if (result->packet.len > 0 &&
	    dns_packet_parse(result->packet, slice_cstr(a->name), a->type,
		&arena, &got) != DNS_OK) {
		result = &bad;
		got.rcode = DNS_SERVFAIL;
	} else if (result->is_bogus) /* what is forged is not handed on */
		got.n_records = 0;
	answer_records(a, result, &got);
	arena_reset(&arena);
	ask_free(a);
}

static void
on_late(struct env_timer *t)
{
	struct ask *a = LIST_ENTRY(t, struct ask, timer);

	answer_none(a->channel, a->session, a->ticket, DNS_NO_ANSWER,
	    "no answer in time");
	ask_free(a);
}

static int
start_ask(struct ask *a)
{
	struct env *env = a->resolver->role->env;
	int r;

	a->query.done = on_result;
	a->timer.fire = on_late;
	r = ERR_TRACE(env_timer_set(env, &a->timer, env_now(env) + ASK_TIME));
	if (r < 0)
		return r;
	/* may call on_result, which frees the ask */
	return ERR_TRACE(dns_ask(a->resolver->dns, &a->query, a->name,
	    a->type));
}

static int
on_dns_ask(struct channel *c, const struct wire_head *h,
    const struct wire_dns_ask *m)
{
	struct resolver *r = c->ctx;
	struct ask *a;

	if (!dns_name_is_valid(m->name)) {
		answer_none(c, h->session, h->ticket, DNS_NXDOMAIN,
		    "not a host name");
		return 0;
	}
	a = r->n_asks < ASKS_MAX ? calloc(1, sizeof(*a)) : NULL;
	if (a == NULL) {
		answer_none(c, h->session, h->ticket, DNS_NO_ANSWER,
		    "too many questions");
		return 0;
	}
	*a = (struct ask){ .resolver = r,
		.channel = c,
		.session = h->session,
		.ticket = h->ticket,
		.type = m->type };
	(void)slice_to_cstr(m->name, a->name, sizeof(a->name));
	list_add_last(&r->asks, &a->link);
	r->n_asks++;
	if (start_ask(a) < 0) {
		answer_none(c, h->session, h->ticket, DNS_NO_ANSWER,
		    "the resolver cannot ask");
		ask_free(a);
	}
	return 0;
}

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_resolver_handlers handlers = {
		.dns_ask = on_dns_ask,
	};

	return wire_dispatch_resolver(&handlers, c, c->peer, h, payload, fd);
}

static void
on_channel_closed(struct channel *c)
{
	struct resolver *r = c->ctx;

	LIST_FOREACH_SAFE (it, tmp, &r->asks) {
		struct ask *a = LIST_ENTRY(it, struct ask, link);

		if (a->channel == c)
			ask_free(a);
	}
	list_remove(&c->link);
	channel_close(c);
	free(c);
}

static const struct channel_ops channel_ops = {
	.dispatch = dispatch,
	.on_closed = on_channel_closed,
};

static void
resolver_on_peer(struct role *role, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct resolver *r = role->ctx;
	struct channel *c = calloc(1, sizeof(*c));

	if (c == NULL || purpose != PEER_CHANNEL) {
		free(c);
		env_close(role->env, fd, false);
		return;
	}
	if (channel_open(c, role->env, r, fd, WIRE_RESOLVER, peer, instance,
		&channel_ops) < 0) {
		free(c);
		return;
	}
	list_add_last(&r->channels, &c->link);
}

static int
resolver_prepare(struct role *role)
{
	struct resolver *r = role->ctx;
	const struct settings *s = role->settings;
	struct dns_options options = { .server = s->resolver_server,
		.port = s->resolver_port,
		.root_hints = s->resolver_root_hints,
		.stubs = s->resolver_stubs,
		.trust_anchor = s->resolver_trust_anchor,
		.permit_loopback = s->resolver_permit_loopback };
	const char *why;
	int e;

	r->role = role;
	list_init(&r->channels);
	list_init(&r->asks);
	e = ERR_TRACE(dns_new(role->env, &options, &r->dns, &why));
	if (e < 0)
		env_log(role->env, ENV_ERROR, "resolver-options", "why=\"%s\"",
		    why);
	return e == -EINVAL ? ROLE_EXIT_CONFIG : e;
}

static void
resolver_deinit(struct role *role)
{
	struct resolver *r = role->ctx;

	while (!list_is_empty(&r->channels))
		on_channel_closed(LIST_ENTRY(r->channels.next, struct channel,
		    link));
	dns_free(r->dns);
}

int
role_resolver(struct env *env, const struct settings *s, int supervisor_fd)
{
	static const struct role_ops ops = {
		.self = WIRE_RESOLVER,
		.prepare = resolver_prepare,
		.on_peer = resolver_on_peer,
		.deinit = resolver_deinit,
	};
	struct resolver r = { 0 };

	return role_run(env, s, supervisor_fd, &ops, &r);
}
