/* SPDX-License-Identifier: ISC */
#include "roles/courier/courier.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/flags.h"

static void attempt_go_on(struct attempt *a);

/* -- the dialogue
 * --------------------------------------------------------------- */

uint32_t
attempt_clock(const struct attempt *a)
{
	return (uint32_t)((env_now(a->courier->env) - a->began) / TIME_MS);
}

void
attempt_note(struct attempt *a, const char *format, ...)
{
	char line[620];
	va_list ap;
	int n = snprintf(line, sizeof(line), "+%" PRIu32 " ", attempt_clock(a));

	va_start(ap, format);
	(void)vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	if (buf_room(&a->dialogue) < strlen(line) + 1)
		return; /* full: what was first explains the most */
	(void)buf_add_cstr(&a->dialogue, line);
	(void)buf_add_byte(&a->dialogue, '\n');
}

void
attempt_note_client(struct attempt *a, const struct smtp_client *client)
{
	struct slice d =
	    slice_upto(smtp_client_dialogue(client), buf_room(&a->dialogue));

	(void)buf_add(&a->dialogue, d);
}

/* -- the end
 * ---------------------------------------------------------------------- */

static void
attempt_free(struct attempt *a)
{
	struct courier *c = a->courier;

	if (a->carrier != NULL)
		carrier_drop(a->carrier);
	env_timer_stop(c->env, &a->timer);
	attempt_hop_free(a);
	(void)map_take_number(&c->attempts, a->number);
	buf_deinit(&a->body);
	buf_deinit(&a->dialogue);
	buf_deinit(&a->tls_facts);
	arena_reset(&a->arena);
	free(a);
}

void
attempt_drop(struct attempt *a)
{
	attempt_free(a);
}

/* Cleaned, and in the arena; empty when that is full. */
static struct slice
keep_text(struct attempt *a, struct slice text)
{
	struct slice kept = { 0 };
	struct buf clean;

	buf_init(&clean, RETRY_TEXT);
	if (retry_clean(&clean, text, RETRY_TEXT) == BUF_OK)
		(void)arena_copy(&a->arena, buf_slice(&clean), &kept);
	buf_deinit(&clean);
	return kept;
}

static struct verdict
keep_verdict(struct attempt *a, const struct verdict *v)
{
	return (struct verdict){ v->code, retry_esc(v), keep_text(a, v->text) };
}

static int
add_outcome(struct buf *rows, const struct attempt_rcpt *r)
{
	struct wire_outcome o = { .row = r->row,
		.kind = r->is_done ? (uint8_t)retry_kind(&r->verdict)
				   : (uint8_t)RETRY_TEMPORARY,
		.code = r->verdict.code,
		.class = r->verdict.esc.class,
		.subject = r->verdict.esc.subject,
		.detail = r->verdict.esc.detail,
		.text = slice_upto(r->verdict.text, RETRY_TEXT),
		.is_ours = r->is_ours };

	return wire_outcome_add(rows, &o);
}

/* Says what became of every recipient; those of whom nothing was learnt get
 * the failure of the last host. When that is all, it is the host's failure. */
static void
attempt_finish(struct attempt *a)
{
	struct courier *c = a->courier;
	struct wire_attempt_result m = { .is_host_failure = true };
	struct buf rows;

	buf_init(&rows, LIMIT_FRAME / 2);
	for (size_t i = 0; i < a->n_rcpts; i++) {
		if (a->rcpts[i].is_done) {
			m.is_host_failure = false;
		} else {
			a->rcpts[i].verdict = a->failure;
			a->rcpts[i].is_ours = a->failure_is_ours;
		}
		if (add_outcome(&rows, &a->rcpts[i]) == 0)
			m.outcomes.n++;
	}
	m.outcomes.raw = buf_slice(&rows);
	m.offers_dsn = a->offers_dsn;
	m.is_refused = a->is_refused;
	m.offers_deliverby = a->offers_deliverby;
	m.remote = slice_cstr(a->remote);
	m.tls = slice_cstr(a->tls);
	m.dialogue = slice_upto(buf_slice(&a->dialogue), LIMIT_DIALOGUE);
	m.tls_facts.raw = buf_slice(&a->tls_facts);
	m.tls_facts.n = a->n_tls_facts;
	if (c->store != NULL)
		(void)wire_send_attempt_result(c->store, a->number, 0, &m);
	buf_deinit(&rows);
	attempt_free(a);
	courier_slot_free(c);
}

static void
attempt_finish_all(struct attempt *a, struct verdict v)
{
	v = keep_verdict(a, &v);
	for (size_t i = 0; i < a->n_rcpts; i++) {
		if (a->rcpts[i].is_done)
			continue;
		a->rcpts[i].verdict = v;
		a->rcpts[i].is_ours = true;
		a->rcpts[i].is_done = true;
	}
	attempt_finish(a);
}

/* -- the body
 * ------------------------------------------------------------------------ */

/* Small bodies stay whole in memory, for the next host if this one fails. */
static bool
is_kept_whole(const struct attempt *a)
{
	return a->size <= LIMIT_CHUNK;
}

static void
want_body(struct attempt *a)
{
	struct courier *c = a->courier;

	while (c->store != NULL && a->body_asked < a->size &&
	    a->body.len - a->body_at + (a->body_asked - a->body_got) <
		ATTEMPT_AHEAD) {
		uint64_t left = a->size - a->body_asked;
		struct wire_attempt_read m = { .offset = a->body_asked,
			.length = left < LIMIT_CHUNK ? left : LIMIT_CHUNK };

		if (wire_send_attempt_read(c->store, a->number, a->body_ticket,
			&m) != 0)
			return;
		a->body_asked += m.length;
	}
}

/* For a new connection: from the first byte. */
static void
rewind_body(struct attempt *a)
{
	a->body_at = 0;
	if (is_kept_whole(a) && a->body_asked == a->size)
		return;
	a->body_ticket = courier_ticket(a->courier);
	a->body_asked = a->body_got = 0;
	buf_reset(&a->body, 0);
}

void
attempt_on_data(struct attempt *a, uint32_t ticket,
    const struct wire_attempt_data *m)
{
	if (ticket != a->body_ticket)
		return;
	if (m->verdict.code >= 400 || m->data.len == 0 ||
	    m->data.len > a->body_asked - a->body_got ||
	    buf_add(&a->body, m->data) != BUF_OK) {
		attempt_note(a, "! the store cannot read the message");
		attempt_finish_all(a,
		    VERDICT(451, 4, 3, 0, "the message cannot be read now"));
		return;
	}
	a->body_got += m->data.len;
	if (a->carrier != NULL)
		carrier_go_on(a->carrier);
}

bool
attempt_give_body(struct attempt *a, struct smtp_client *client)
{
	size_t n;

	while (a->body_at < a->body.len && client->phase == SMTP_PHASE_BODY) {
		n = smtp_client_body(client,
		    slice_from(buf_slice(&a->body), a->body_at));
		if (n == 0)
			break;
		a->body_at += n;
	}
	if (!is_kept_whole(a)) {
		buf_eat(&a->body, a->body_at);
		a->body_at = 0;
	}
	if (client->phase != SMTP_PHASE_BODY)
		return true;
	if (a->body_got < a->size || a->body_at < a->body.len) {
		want_body(a);
		return true;
	}
	/* The point of no return: behind the dot the message is the remote's.
	 * Without the lease somebody else may be sending it already. */
	if (env_now(a->courier->env) >= a->lease_end)
		return false;
	smtp_client_end(client);
	return true;
}

/* -- one host after the other
 * ---------------------------------------------------------- */

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
	want_body(a); /* while the envelope is on its way */
}

void
attempt_settle(struct attempt *a, size_t i, const struct verdict *v,
    bool is_ours)
{
	if (a->rcpts[i].is_done)
		return;
	a->rcpts[i].is_done = true;
	a->rcpts[i].is_ours = is_ours;
	a->rcpts[i].verdict = keep_verdict(a, v);
}

void
attempt_on_outcomes(struct attempt *a, const struct verdict *failure,
    bool is_ours)
{
	if (failure->code != 0) {
		a->failure = keep_verdict(a, failure);
		a->failure_is_ours = is_ours;
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
	if ((a->is_clear_next || a->is_full_next) && a->address > 0)
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
		.is_full = a->is_full_next };

	target.address.family = address->family;
	target.address.port = h->port;
	memcpy(target.address.bytes, address->bytes, sizeof(address->bytes));
	a->is_clear_next = a->is_full_next = false;
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
	v.text = slice_cstr(text);
	a->failure = keep_verdict(a, &v);
	a->failure_is_ours = true;
}

/* Until one is under way, or none is left. */
static void
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
		rewind_body(a);
		r = carrier_open(a, &target);
		if (r == 0) {
			want_body(a);
			return;
		}
		fail_connect(a, r);
	}
	attempt_finish(a);
}

void
attempt_set_failure(struct attempt *a, const struct verdict *why)
{
	a->failure = keep_verdict(a, why);
	a->failure_is_ours = true;
}

/* A connection that was kept may have been closed under our hands: that says
 * nothing about the host. Behind the dot nobody else may be asked. */
void
attempt_on_failed(struct attempt *a, enum attempt_failure what,
    const struct verdict *why, bool is_ours)
{
	a->failure = keep_verdict(a, why);
	a->failure_is_ours = is_ours;
	a->is_refused = what == ATTEMPT_CONNECT;
	if (why->code == 0)
		a->failure.code = 451;
	if (what == ATTEMPT_DOT) {
		attempt_finish(a);
		return;
	}
	a->is_clear_next = what == ATTEMPT_TLS_FAILED &&
	    !tls_demand_is_firm(&a->demand) && attempt_hop_may_be_clear(a);
	a->is_full_next = what == ATTEMPT_RESUMPTION;
	attempt_go_on(a);
}

/* -- where to
 * ----------------------------------------------------------------------------
 */

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

static void
fail_dns(struct attempt *a, const char *why)
{
	struct verdict v = { 451, { 4, 4, 3 }, slice_cstr(why) };

	attempt_note(a, "! %s", why);
	a->failure = keep_verdict(a, &v);
	a->failure_is_ours = true;
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
		fail_dns(a, "out of memory");
}

void
attempt_on_sts(struct attempt *a, uint32_t ticket,
    const struct wire_sts_answer *m)
{
	if (!sts_on_answer(a, ticket, m) || !a->is_routed)
		return;
	env_timer_stop(a->courier->env, &a->timer);
	attempt_connect(a);
}

static void
attempt_routed(struct attempt *a)
{
	struct verdict *v = &a->route.verdict;

	a->is_routed = true;
	if (a->route.n_hosts > 0 && sts_is_missing(a)) {
		note_route(a);
		wait_for_sts(a);
		return;
	}
	env_timer_stop(a->courier->env, &a->timer);
	if (a->route.n_hosts > 0) {
		note_route(a);
		attempt_connect(a);
		return;
	}
	attempt_note(a, "! %.*s", SLICE_FMT(v->text));
	if (verdict_is_permanent(v)) {
		attempt_finish_all(a, *v);
		return;
	}
	a->failure = keep_verdict(a, v);
	a->failure_is_ours = true;
	attempt_finish(a);
}

static void
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
		fail_dns(a, "too much was said about the domain");
		return;
	}
	if (env_timer_set(a->courier->env, &a->timer,
		env_now(a->courier->env) + ATTEMPT_DNS_TIME) < 0) {
		fail_dns(a, "out of memory");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (ask_one(a, &questions[i]) == 0)
			continue;
		fail_dns(a, "the resolver cannot be asked now");
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
		if (m->rcode != DNS_NOERROR && m->rcode != DNS_NXDOMAIN)
			attempt_note(a, "! DNS: %.*s: %.*s",
			    SLICE_FMT(a->answers[i].question.name),
			    SLICE_FMT(keep_text(a, m->why)));
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
		fail_dns(a, "the resolver went away");
}

/* -- the whole
 * ------------------------------------------------------------------------------
 */

static void
on_timer(struct env_timer *t)
{
	struct attempt *a = LIST_ENTRY(t, struct attempt, timer);

	fail_dns(a,
	    a->n_missing == 0 && sts_is_missing(a)
		? "whether the domain has an MTA-STS policy is not known"
		: "no answer from the DNS in time");
}

/* What comes next, at the start and whenever a connection failed. */
static void
attempt_go_on(struct attempt *a)
{
	struct verdict v;

	if (attempt_hop_ends(a, &v)) {
		attempt_note(a, "* %.*s", SLICE_FMT(v.text));
		attempt_finish_all(a, v);
		return;
	}
	if (!a->has_tried_idle) {
		a->has_tried_idle = true;
		rewind_body(a);
		if (carrier_reuse(a))
			return;
	}
	if (attempt_hop_ask(a))
		return;
	if (a->is_routed)
		attempt_connect(a);
	else
		attempt_route(a);
}

void
attempt_secret_came(struct attempt *a)
{
	attempt_go_on(a);
}

void
attempt_secret_failed(struct attempt *a, const char *why)
{
	struct verdict v = { 454, { 4, 7, 0 }, slice_cstr(why) };

	attempt_note(a, "! %s", why);
	a->failure = keep_verdict(a, &v);
	attempt_finish(a);
}

static bool
copy_rcpts(struct attempt *a, const struct wire_attempt *m)
{
	struct wire_list rows = m->rcpts;
	struct wire_rcpt row;

	while (a->n_rcpts < SMTP_CLIENT_RCPTS && wire_rcpt_next(&rows, &row)) {
		a->rcpts[a->n_rcpts].row = row.row;
		if (!arena_copy(&a->arena, row.address,
			&a->addresses[a->n_rcpts]) ||
		    !arena_copy(&a->arena, row.orcpt,
			&a->wishes[a->n_rcpts].orcpt))
			return false;
		a->wishes[a->n_rcpts].notify = row.notify;
		a->wishes[a->n_rcpts].rrvs = row.rrvs;
		a->wishes[a->n_rcpts].rrvs_continue = row.rrvs_continue;
		a->n_rcpts++;
	}
	return a->n_rcpts > 0 && a->n_rcpts == m->rcpts.n;
}

static int
attempt_fill(struct attempt *a, const struct wire_attempt *m)
{
	a->answers =
	    arena_array(&a->arena, COURIER_QUESTIONS, sizeof(*a->answers));
	if (a->answers == NULL ||
	    !arena_copy(&a->arena, m->sender, &a->sender) ||
	    !arena_copy(&a->arena, m->envid, &a->envid) ||
	    !arena_copy(&a->arena, m->domain.len > 0 ? m->domain : m->route,
		&a->domain) ||
	    !copy_rcpts(a, m))
		return ERR_ORIGIN(-ENOMEM);
	return ERR_TRACE(attempt_hop_fill(a, m));
}

int
attempt_start(struct courier *c, uint64_t number, const struct wire_attempt *m)
{
	struct attempt *a = calloc(1, sizeof(*a));
	int r;

	if (a == NULL)
		return ERR_ORIGIN(-ENOMEM);
	*a = (struct attempt){ .courier = c,
		.number = number,
		.size = m->size,
		.is_8bit = m->is_8bit,
		.is_binary = m->is_binary,
		.is_smtputf8 = m->is_smtputf8,
		.requires_tls = m->requires_tls,
		.deliver_by = m->deliver_by,
		.by_mode = m->by_mode,
		.by_trace = m->by_trace,
		.priority = (int8_t)m->priority,
		.ret = m->ret,
		.mails = m->mails,
		.tls_minimum = m->tls_minimum,
		.tls_optional = m->tls_optional,
		.lease_end = env_now(c->env) + m->lease_us,
		.seed = env_random_u64(c->env),
		.began = env_now(c->env),
		.failure = VERDICT(451, 4, 4, 2, "the session ended early"),
		.failure_is_ours = true,
		.timer.fire = on_timer };
	arena_init(&a->arena, ATTEMPT_ARENA);
	buf_init(&a->body, ATTEMPT_BODY);
	buf_init(&a->dialogue, LIMIT_DIALOGUE);
	buf_init(&a->tls_facts, LIMIT_DIALOGUE * 2);
	r = map_put_number(&c->attempts, number, a);
	if (r == 0)
		r = attempt_fill(a, m);
	if (r < 0) {
		attempt_free(a);
		return ERR_ORIGIN(r);
	}
	attempt_go_on(a);
	return 0;
}
