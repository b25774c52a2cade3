/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/attempt_route - where an attempt goes
 *
 * policy/route decides; here its questions go to the resolver and the answers
 * are kept, until it has a verdict. What the domain demands of TLS (MTA-STS)
 * comes at the same time, from the fetcher.
 */
#include "roles/courier/attempt.h"

#include <errno.h>

static int
ask_one(struct attempt *a, const struct route_question *q)
{
	struct courier *c = a->courier;
	struct wire_dns_ask m = { .name = q->name, .type = q->type };
	size_t i = a->n_answers;

	if (i == COURIER_QUESTIONS || c->resolver == NULL)
		return -EAGAIN;
	a->answers[i].question.type = q->type;
	if (!arena_copy(&a->arena, q->name, &a->answers[i].question.name))
		return -ENOMEM;
	a->tickets[i] = courier_ticket(c);
	a->n_answers++;
	a->n_missing++;
	return wire_send_dns_ask(c->resolver, a->number, a->tickets[i], &m);
}

int
attempt_ask(struct attempt *a, const struct route_question *q)
{
	struct env *env = a->courier->env;
	int r = env_timer_set(env, &a->timer, env_now(env) + ATTEMPT_DNS_TIME);

	return r < 0 ? r : ask_one(a, q);
}

void
attempt_fail_dns(struct attempt *a, const char *why)
{
	struct verdict v = { 451, { 4, 4, 3 }, slice_cstr(why) };

	attempt_note(a, "! %s", why);
	a->failure = attempt_keep_verdict(a, &v);
	a->failure_is_ours = a->is_soon = true;
	attempt_finish(a);
}

static void
note_route(struct attempt *a)
{
	for (size_t i = 0; i < a->route.n_hosts && i < 10; i++)
		attempt_note(a, "* mail host %u %.*s, %zu addresses",
		    a->route.hosts[i].preference,
		    SLICE_FMT(slice_upto(a->route.hosts[i].name, 255)),
		    a->route.hosts[i].n_addresses);
}

/* Where the mail goes is known, what the domain demands is not. */
static void
wait_for_sts(struct attempt *a)
{
	if (env_timer_set(a->courier->env, &a->timer,
		env_now(a->courier->env) + ATTEMPT_DNS_TIME) < 0)
		attempt_fail_dns(a, "out of memory");
}

/* Its hosts are known, and it may go there. */
static void
go_there(struct attempt *a)
{
	if (sts_is_missing(a)) {
		wait_for_sts(a);
		return;
	}
	env_timer_stop(a->courier->env, &a->timer);
	attempt_connect(a);
}

void
attempt_on_sts(struct attempt *a, uint32_t ticket,
    const struct wire_sts_answer *m)
{
	if (!sts_on_answer(a, ticket, m) || !a->is_routed || a->waits_for_go)
		return;
	go_there(a);
}

/* The store counts attempts by hosts. It knows these already, or is asked; its
 * time is that of the DNS. */
static void
ask_to_go(struct attempt *a)
{
	struct wire_attempt_hosts m = { .mx_set =
					    route_set(&a->route, a->hop.name) };

	if (m.mx_set == a->hosts) {
		go_there(a);
		return;
	}
	a->hosts = m.mx_set;
	a->waits_for_go = true;
	if (env_timer_set(a->courier->env, &a->timer,
		env_now(a->courier->env) + ATTEMPT_DNS_TIME) < 0 ||
	    a->courier->store == NULL ||
	    wire_send_attempt_hosts(a->courier->store, a->number, 0, &m) != 0)
		attempt_fail_dns(a, "the store cannot be asked");
}

/* No: its rows are in the queue again. */
void
attempt_on_go(struct attempt *a, bool ok)
{
	struct courier *c = a->courier;

	if (!a->waits_for_go)
		return;
	a->waits_for_go = false;
	if (ok) {
		go_there(a);
		return;
	}
	attempt_drop(a);
	courier_slot_free(c);
}

static void
attempt_routed(struct attempt *a)
{
	struct verdict *v = &a->route.verdict;

	a->is_routed = true;
	if (a->route.n_hosts > 0) {
		note_route(a);
		ask_to_go(a);
		return;
	}
	env_timer_stop(a->courier->env, &a->timer);
	attempt_note(a, "! %.*s", SLICE_FMT(v->text));
	if (verdict_is_permanent(v)) {
		attempt_finish_all(a, *v);
		return;
	}
	a->failure = attempt_keep_verdict(a, v);
	a->failure_is_ours = true;
	attempt_finish(a);
}

void
attempt_route(struct attempt *a)
{
	struct route_input in;
	struct route_question questions[ROUTE_QUESTIONS];
	enum route_need need;
	size_t n;

	attempt_hop_route(a, &in);
	sts_begin(a);
	need = route_decide(&in, a->answers, a->n_answers, &a->arena, questions,
	    &n, &a->route);
	if (need == ROUTE_DONE) {
		attempt_routed(a);
		return;
	}
	if (need == ROUTE_E_MEMORY) {
		attempt_fail_dns(a, "too much was said about the domain");
		return;
	}
	if (env_timer_set(a->courier->env, &a->timer,
		env_now(a->courier->env) + ATTEMPT_DNS_TIME) < 0) {
		attempt_fail_dns(a, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (ask_one(a, &questions[i]) == 0)
			continue;
		attempt_fail_dns(a, "the resolver cannot be asked now");
		return;
	}
}

/* Rows of the answer into the arena; what does not fit is a failed lookup. */
static void
keep_answer(struct attempt *a, size_t i, const struct wire_dns_answer *m)
{
	struct dns_answer *to = &a->answers[i].answer;
	struct wire_list rows = m->records;
	struct wire_dns_record row;

	*to = (struct dns_answer){ .rcode = m->rcode,
		.is_secure = m->secure,
		.is_bogus = m->bogus,
		.ttl = m->ttl };
	if (!arena_copy(&a->arena, m->canonical, &to->canonical))
		to->rcode = DNS_SERVFAIL;
	to->records = arena_array(&a->arena, rows.n == 0 ? 1 : rows.n,
	    sizeof(*to->records));
	while (to->records != NULL && wire_dns_record_next(&rows, &row)) {
		if (!arena_copy(&a->arena, row.data,
			&to->records[to->n_records]))
			break;
		to->n_records++;
	}
	if (to->n_records < m->records.n) {
		to->n_records = 0;
		to->rcode = DNS_SERVFAIL;
	}
}

static bool
lookup_has_failed(const struct wire_dns_answer *m)
{
	return m->rcode != DNS_NOERROR && m->rcode != DNS_NXDOMAIN;
}

void
attempt_on_dns(struct attempt *a, uint32_t ticket,
    const struct wire_dns_answer *m)
{
	for (size_t i = 0; i < a->n_answers; i++) {
		if (a->tickets[i] != ticket || ticket == 0)
			continue;
		a->tickets[i] = 0;
		a->n_missing--;
		keep_answer(a, i, m);
		a->is_soon |= m->bogus || lookup_has_failed(m);
		if (lookup_has_failed(m))
			attempt_note(a, "! DNS: %.*s: %.*s",
			    SLICE_FMT(a->answers[i].question.name),
			    SLICE_FMT(attempt_keep_text(a, m->why)));
		if (a->n_missing > 0)
			return;
		if (!a->is_routed) {
			attempt_route(a);
			return;
		}
		env_timer_stop(a->courier->env, &a->timer);
		attempt_connect(a);
		return;
	}
}

void
attempt_on_resolver_lost(struct attempt *a)
{
	if (a->n_missing > 0)
		attempt_fail_dns(a, "the resolver went away");
}
