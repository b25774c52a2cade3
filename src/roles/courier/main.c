/* SPDX-License-Identifier: ISC */
/*
 * roles/courier - carries mail to other servers
 *
 * Talks to: the store (ATTEMPT and what belongs to it, bounces), a resolver
 * (DNS_ASK), the fetcher (STS_ASK), the keeper (passwords of routes), mail
 * servers anywhere (SMTP, TLS).
 *
 * May touch: outbound sockets, and the bodies it is given; at its start, the
 * file of authorities.
 *
 * If it is taken over: whoever has it reads the mail in transit and can report
 * deliveries that were none. He has no mailbox, no key, no file.
 *
 * If it dies: its attempts are due again; a mail whose last reply was on its
 * way is sent a second time, none is lost.
 *
 * Limits: COURIER_SLOTS attempts and bounces at a time; the store is told
 * (COURIER_STATE) and keeps count.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "roles/courier/courier.h"
#include "roles/own.h"

uint32_t
courier_ticket(struct courier *c)
{
	if (++c->next_ticket == 0)
		c->next_ticket = 1;
	return c->next_ticket;
}

/* The store counts what it has given; the number is that of all slots. */
static void
tell_slots(struct courier *c)
{
	struct wire_courier_state m = { .free_slots = COURIER_SLOTS };

	(void)wire_send_courier_state(c->store, 0, 0, &m);
}

void
courier_slot_free(struct courier *c)
{
	if (c->is_stopping && c->attempts.n == 0)
		env_stop(c->env);
}

/* -- from the store
 * -------------------------------------------------------------- */

/* An attempt that cannot begin (no memory) is answered like one that failed;
 * without memory for that either, the store waits for its lease to end. */
static void
refuse_attempt(struct channel *c, uint64_t number, const struct wire_attempt *m)
{
	struct wire_attempt_result result = { .is_host_failure = true,
		.is_soon = true };
	struct wire_list rcpts = m->rcpts;
	struct wire_rcpt r;
	struct buf rows;

	buf_init(&rows, LIMIT_FRAME / 2);
	while (wire_rcpt_next(&rcpts, &r)) {
		struct wire_outcome o = { .row = r.row,
			.kind = RETRY_TEMPORARY,
			.code = 451,
			.class = 4,
			.subject = 3,
			.text = SLICE("the courier is out of memory") };

		if (wire_outcome_add(&rows, &o) == 0)
			result.outcomes.n++;
	}
	result.outcomes.raw = buf_slice(&rows);
	(void)wire_send_attempt_result(c, number, 0, &result);
	buf_deinit(&rows);
}

static int
on_attempt(struct channel *ch, const struct wire_head *h,
    const struct wire_attempt *m)
{
	struct courier *c = ch->ctx;

	if (map_get_number(&c->attempts, h->session) != NULL || m->rcpts.n == 0)
		return WIRE_E_BAD;
	if (c->is_stopping || attempt_start(c, h->session, m) < 0)
		refuse_attempt(ch, h->session, m);
	return 0;
}

static int
on_attempt_data(struct channel *ch, const struct wire_head *h,
    const struct wire_attempt_data *m)
{
	struct courier *c = ch->ctx;
	struct attempt *a = map_get_number(&c->attempts, h->session);

	if (a != NULL)
		attempt_on_data(a, h->ticket, m);
	return 0;
}

static int
on_attempt_go(struct channel *ch, const struct wire_head *h,
    const struct wire_attempt_go *m)
{
	struct courier *c = ch->ctx;
	struct attempt *a = map_get_number(&c->attempts, h->session);

	if (a != NULL)
		attempt_on_go(a, m->ok);
	return 0;
}

/* The result is committed: nothing to do, a courier keeps no results. */
static int
on_attempt_noted(struct channel *ch, const struct wire_head *h,
    const struct wire_attempt_noted *m)
{
	(void)ch;
	(void)h;
	(void)m;
	return 0;
}

static int
on_bounce_make(struct channel *ch, const struct wire_head *h,
    const struct wire_bounce_make *m)
{
	struct courier *c = ch->ctx;

	if (notice_start(c, h->session, m) < 0)
		env_log(c->env, ENV_WARN, "bounce-failed", "at=\"%s\"",
		    err_trace_text());
	return 0;
}

static int
on_body_credit(struct channel *ch, const struct wire_head *h,
    const struct wire_body_credit *m)
{
	(void)h;
	notice_on_credit(ch->ctx, m);
	return 0;
}

static int
on_body_refused(struct channel *ch, const struct wire_head *h,
    const struct wire_body_refused *m)
{
	(void)h;
	notice_on_refused(ch->ctx, m);
	return 0;
}

static int
on_done(struct channel *ch, const struct wire_head *h,
    const struct wire_done *m)
{
	(void)m;
	notice_on_done(ch->ctx, h->session);
	return 0;
}

static int
on_courier_kick(struct channel *ch, const struct wire_head *h,
    const struct wire_courier_kick *m)
{
	(void)h;
	(void)m;
	carrier_drop_idle(ch->ctx);
	return 0;
}

/* -- from the resolver
 * ------------------------------------------------------------- */

static int
on_dns_answer(struct channel *ch, const struct wire_head *h,
    const struct wire_dns_answer *m)
{
	struct courier *c = ch->ctx;
	struct attempt *a = map_get_number(&c->attempts, h->session);

	if (a != NULL)
		attempt_on_dns(a, h->ticket, m);
	return 0;
}

/* -- from the fetcher
 * -------------------------------------------------------------- */

static int
on_sts_answer(struct channel *ch, const struct wire_head *h,
    const struct wire_sts_answer *m)
{
	struct courier *c = ch->ctx;
	struct attempt *a = map_get_number(&c->attempts, h->session);

	if (a != NULL)
		attempt_on_sts(a, h->ticket, m);
	return 0;
}

static int
on_secret(struct channel *ch, const struct wire_head *h,
    const struct wire_secret *m)
{
	struct courier *c = ch->ctx;
	struct attempt *a = map_get_number(&c->attempts, h->session);

	if (a != NULL)
		attempt_hop_on_secret(a, h->ticket, m);
	return 0;
}

/* -- channels
 * ------------------------------------------------------------------------ */

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_courier_handlers handlers = {
		.attempt = on_attempt,
		.attempt_data = on_attempt_data,
		.attempt_noted = on_attempt_noted,
		.attempt_go = on_attempt_go,
		.bounce_make = on_bounce_make,
		.body_credit = on_body_credit,
		.body_refused = on_body_refused,
		.done = on_done,
		.dns_answer = on_dns_answer,
		.secret = on_secret,
		.courier_kick = on_courier_kick,
		.sts_answer = on_sts_answer,
	};

	return wire_dispatch_courier(&handlers, c, c->peer, h, payload, fd);
}

/* Nobody would take the results: everything in hand is dropped and comes again
 * from the next store. */
static void
store_lost(struct courier *c)
{
	struct attempt *a;
	size_t at = 0;

	c->store = NULL;
	while ((a = map_next(&c->attempts, &at)) != NULL)
		attempt_drop(a);
	while (!list_is_empty(&c->notices))
		notice_drop(LIST_ENTRY(c->notices.next, struct notice, link));
}

/* An attempt that is told may end, and with it its place in the map. */
static void
resolver_lost(struct courier *c)
{
	struct attempt *a;
	size_t at = 0;

	c->resolver = NULL;
	while ((a = map_next(&c->attempts, &at)) != NULL)
		attempt_on_resolver_lost(a);
}

static void
keeper_lost(struct courier *c)
{
	struct attempt *a;
	size_t at = 0;

	c->keeper = NULL;
	while ((a = map_next(&c->attempts, &at)) != NULL)
		attempt_hop_on_keeper_lost(a);
}

static void
on_channel_closed(struct channel *ch)
{
	struct courier *c = ch->ctx;

	if (ch == c->store)
		store_lost(c);
	if (ch == c->resolver)
		resolver_lost(c);
	if (ch == c->fetcher)
		c->fetcher = NULL; /* the next one is asked again */
	if (ch == c->keeper)
		keeper_lost(c);
	list_remove(&ch->link);
	channel_close(ch);
	free(ch);
}

static void
on_room(struct channel *ch)
{
	struct courier *c = ch->ctx;

	if (ch == c->store)
		notice_on_room(c);
}

static const struct channel_ops channel_ops = {
	.dispatch = dispatch,
	.on_closed = on_channel_closed,
	.on_room = on_room,
};

static struct channel **
channel_place(struct courier *c, enum wire_role peer)
{
	if (peer == WIRE_STORE)
		return &c->store;
	if (peer == WIRE_FETCHER)
		return &c->fetcher;
	if (peer == WIRE_KEEPER)
		return &c->keeper;
	return peer == WIRE_RESOLVER ? &c->resolver : NULL;
}

static void
courier_on_peer(struct role *role, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct courier *c = role->ctx;
	struct channel **place = channel_place(c, peer), *ch;

	ch = calloc(1, sizeof(*ch));
	if (place == NULL || purpose != PEER_CHANNEL || ch == NULL) {
		free(ch);
		env_close(role->env, fd, false);
		return;
	}
	list_init(&ch->link);
	if (*place != NULL) /* its end has not been seen yet */
		on_channel_closed(*place);
	if (channel_open(ch, role->env, c, fd, WIRE_COURIER, peer, instance,
		&channel_ops) < 0) {
		free(ch);
		return;
	}
	*place = ch;
	if (peer == WIRE_STORE && role->is_started)
		tell_slots(c);
	if (peer == WIRE_FETCHER)
		sts_ask_again(c);
}

/* -- the role
 * -------------------------------------------------------------------------- */

static int
courier_prepare(struct role *role)
{
	const char *authorities = role->settings->outbound_authorities;
	struct courier *c = role->ctx;
	uint8_t seed[MAP_SEED];
	int r;

	c->role = role;
	c->env = role->env;
	c->settings = role->settings;
	list_init(&c->carriers);
	list_init(&c->idle);
	list_init(&c->notices);
	env_random(c->env, seed, sizeof(seed));
	map_init(&c->attempts, seed);
	c->n_own = role_own_find(c->settings, c->own, COURIER_OWN);
	r = tls_client_new(role->env, &c->tls);
	if (r < 0)
		return ERR_TRACE(r);
	if (authorities[0] != '\0' && tls_client_trust(c->tls, authorities) < 0)
		env_log(role->env, ENV_WARN, "no-authorities", "file=%s",
		    authorities);
	return 0;
}

static int
courier_started(struct role *role)
{
	struct courier *c = role->ctx;

	if (c->store != NULL)
		tell_slots(c);
	return 0;
}

static void
on_stop_timer(struct env_timer *t)
{
	struct courier *c = LIST_ENTRY(t, struct courier, stop_timer);

	env_stop(c->env);
}

/* What is on its way gets a moment, so that fewer mails go twice. */
static void
courier_stop(struct role *role)
{
	struct courier *c = role->ctx;

	c->is_stopping = true;
	c->stop_timer.fire = on_stop_timer;
	if (c->attempts.n == 0 ||
	    env_timer_set(c->env, &c->stop_timer,
		env_now(c->env) + COURIER_STOP_TIME) < 0)
		env_stop(c->env);
}

static void
courier_deinit(struct role *role)
{
	struct courier *c = role->ctx;

	if (c->store != NULL)
		on_channel_closed(c->store);
	if (c->resolver != NULL)
		on_channel_closed(c->resolver);
	if (c->fetcher != NULL)
		on_channel_closed(c->fetcher);
	if (c->keeper != NULL)
		on_channel_closed(c->keeper);
	carrier_drop_all(c);
	map_deinit(&c->attempts);
	env_timer_stop(c->env, &c->stop_timer);
	tls_client_free(c->tls);
}

int
role_courier(struct env *env, const struct settings *s, int supervisor_fd)
{
	static const struct role_ops ops = {
		.self = WIRE_COURIER,
		.prepare = courier_prepare,
		.on_peer = courier_on_peer,
		.started = courier_started,
		.stop = courier_stop,
		.deinit = courier_deinit,
	};
	struct courier c = { 0 };

	return role_run(env, s, supervisor_fd, &ops, &c);
}
