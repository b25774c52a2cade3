/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/attempt_hosts - one mail host after the other
 *
 * Each host of the route has its turn, and each of its addresses, until one
 * takes the mail or says no to it. What a carrier learns comes here, and with
 * it whether another host may be asked.
 */
#include "roles/courier/attempt.h"

#include <stdio.h>
#include <string.h>

/* Rounded down: who promises it in less promises it in time. */
static int64_t
seconds_left(const struct attempt *a)
{
	int64_t left = a->deliver_by - env_wall(a->courier->env);

	return left / TIME_SECOND - (left % TIME_SECOND < 0);
}

void
attempt_fill_mail(struct attempt *a, struct smtp_client_mail *ret)
{
	*ret = (struct smtp_client_mail){ .sender = a->sender,
		.rcpts = a->addresses,
		.n_rcpts = a->n_rcpts,
		.size = a->size,
		.is_8bit = a->is_8bit,
		.is_binary = a->is_binary,
		.is_smtputf8 = a->is_smtputf8,
		.requires_tls = a->requires_tls,
		.by_mode = a->by_mode,
		.by_trace = a->by_trace,
		.by_seconds = seconds_left(a),
		.priority = a->priority,
		.ret = a->ret,
		.envid = a->envid,
		.wishes = a->wishes };
	attempt_turn_answer(a);
	attempt_want_body(a); /* while the envelope is on its way */
}

void
attempt_settle(struct attempt *a, size_t i, const struct verdict *v,
    bool is_ours)
{
	if (a->rcpts[i].is_done)
		return;
	a->rcpts[i].is_done = true;
	a->rcpts[i].is_ours = is_ours;
	a->rcpts[i].verdict = attempt_keep_verdict(a, v);
}

void
attempt_on_outcomes(struct attempt *a, const struct verdict *failure,
    bool is_ours)
{
	if (failure->code != 0) {
		a->failure = attempt_keep_verdict(a, failure);
		a->failure_is_ours = is_ours;
		a->is_soon = false;
	}
	attempt_finish(a);
}

bool
attempt_has_more(const struct attempt *a)
{
	bool is_host_left = a->host < a->route.n_hosts &&
	    (a->host + 1 < a->route.n_hosts ||
		a->address < a->route.hosts[a->host].n_addresses);

	return !a->is_routed || (is_host_left && a->n_tries < COURIER_TRIES);
}

void
attempt_on_unfit(struct attempt *a)
{
	attempt_go_on(a);
}

/* Each host has its turn, however many addresses those before it have. */
static size_t
n_tried(const struct attempt *a, const struct route_host *h)
{
	size_t share = COURIER_TRIES / a->route.n_hosts;

	return h->n_addresses < share ? h->n_addresses : share;
}

/* The next address of the host, or of the next host. Those that were given up
 * early have the whole time behind the host's last. */
static void
find_address(struct attempt *a)
{
	while (a->host < a->route.n_hosts) {
		size_t n = n_tried(a, &a->route.hosts[a->host]);

		while (a->is_patient && a->address < n &&
		    (a->given_up & 1u << a->address) == 0)
			a->address++;
		if (a->address < n)
			return;
		a->address = 0;
		a->is_patient = !a->is_patient && a->given_up != 0;
		if (a->is_patient)
			continue;
		a->given_up = 0;
		a->host++;
	}
}

/* RFC 8305 in turn: while the host has another address, one that does not
 * answer soon is left for later. */
bool
attempt_give_up_soon(const struct attempt *a)
{
	return !a->is_patient &&
	    a->address < n_tried(a, &a->route.hosts[a->host]);
}

void
attempt_gave_up(struct attempt *a)
{
	if (a->address > 0 && a->address <= ROUTE_ADDRESSES)
		a->given_up |= (uint16_t)(1u << (a->address - 1));
}

/* The host whose turn it is; false: there is none any more. */
static bool
next_host(struct attempt *a)
{
	if ((a->is_clear_next || a->is_full_next || a->is_again_next) &&
	    a->address > 0)
		a->address--; /* the same one again */
	find_address(a);
	return a->host < a->route.n_hosts && a->n_tries < COURIER_TRIES &&
	    env_now(a->courier->env) < a->lease_end;
}

static struct carrier_target
next_target(struct attempt *a)
{
	const struct route_host *h = &a->route.hosts[a->host];
	const struct route_address *address = &h->addresses[a->address++];
	struct carrier_target target = { .host = h->name,
		.is_literal = h->is_literal,
		.is_local = address->family == 0,
		.in_the_clear = a->is_clear_next,
		.is_full = a->is_full_next,
		.turn = h->turn };

	target.address.family = address->family;
	target.address.port = h->port;
	memcpy(target.address.bytes, address->bytes, sizeof(address->bytes));
	a->is_clear_next = a->is_full_next = a->is_again_next = false;
	a->n_tries++;
	return target;
}

static void
fail_connect(struct attempt *a, int r)
{
	char text[200];
	struct verdict v = { 451, { 4, 4, 1 }, { 0 } };

	(void)snprintf(text, sizeof(text), "cannot connect to %.100s: %s",
	    a->remote, strerror(-r));
	attempt_note(a, "! %s", text);
	attempt_turn_fail(a);
	v.text = slice_cstr(text);
	a->failure = attempt_keep_verdict(a, &v);
	a->failure_is_ours = true;
}

/* The store knows how much leaves from which address. */
static void
fail_source(struct attempt *a, const struct env_addr *to)
{
	struct verdict v = VERDICT(451, 4, 4, 1,
	    "our address for this host has sent what it may today");

	attempt_note(a, "! not by IPv%u: the source address is warming up",
	    to->family);
	a->failure = attempt_keep_verdict(a, &v);
	a->failure_is_ours = a->is_warming = true;
}

/* Until one is under way, or none is left. */
void
attempt_connect(struct attempt *a)
{
	struct carrier_target target;
	int r;

	while (next_host(a)) {
		switch (security_decide(a)) {
		case SECURITY_WAIT:
			return;
		case SECURITY_REFUSED:
			a->host++;
			a->address = 0;
			a->is_patient = false;
			a->given_up = 0;
			continue;
		case SECURITY_READY:
			break;
		}
		target = next_target(a);
		if (target.address.family == 4
			? a->not_v4
			: target.address.family == 6 && a->not_v6) {
			fail_source(a, &target.address);
			continue;
		}
		attempt_rewind_body(a);
		attempt_turn_ask(a, target.turn);
		carrier_make_room(a);
		r = carrier_open(a, &target);
		a->has_knocked = true;
		if (r == 0) {
			attempt_want_body(a);
			return;
		}
		fail_connect(a, r);
	}
	attempt_finish(a);
}

/* Answers that come all the same are nobody's. */
void
attempt_connect_without_policies(struct attempt *a)
{
	memset(a->tickets, 0, sizeof(a->tickets));
	a->n_missing = 0;
	a->is_without_dane = a->sts.is_known = true;
	attempt_note(a, "* TLS: what the domain demands is not known in time");
	attempt_connect(a);
}

void
attempt_set_failure(struct attempt *a, const struct verdict *why)
{
	a->failure = attempt_keep_verdict(a, why);
	a->failure_is_ours = true;
}

/* A connection that was kept may have been closed under our hands: that says
 * nothing about the host. Behind the dot nobody else may be asked. */
void
attempt_on_failed(struct attempt *a, enum attempt_failure what,
    const struct verdict *why, bool is_ours)
{
	a->failure = attempt_keep_verdict(a, why);
	a->failure_is_ours = is_ours;
	a->is_refused = what == ATTEMPT_CONNECT || what == ATTEMPT_UNHEARD;
	attempt_turn_fail(a);
	a->is_soon &= is_ours;
	if (why->code == 0)
		a->failure.code = 451;
	if (what == ATTEMPT_DOT) {
		attempt_finish(a);
		return;
	}
	a->is_clear_next = what == ATTEMPT_TLS_FAILED &&
	    !tls_demand_is_firm(&a->demand) && attempt_hop_may_be_clear(a);
	a->is_full_next = what == ATTEMPT_RESUMPTION;
	a->is_again_next = what == ATTEMPT_CHUNKS ||
	    (what == ATTEMPT_UNHEARD && a->n_unheard++ < COURIER_UNHEARD);
	attempt_go_on(a);
}
