/* SPDX-License-Identifier: ISC */
#include "roles/front/origin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "policy/proxy.h"
#include "roles/front/origin_impl.h"
#include "sys/log.h"

#define PROXY_TIME (10 * TIME_SECOND)
/* A store that answers nothing for so long is in trouble of its own: the
 * session will hear of it where it matters. */
#define COUNT_TIME (5 * TIME_SECOND)
#define TELL_EVERY TIME_SECOND

/* -- of a front ------------------------------------------------------------ */

/* The texts were checked when the file was read. */
bool
origin_rules_make(struct front *f)
{
	struct origin_rules *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return false;
	(void)ip_networks_parse(slice_cstr(f->settings->clients_exempt),
	    &r->exempt);
	(void)ip_networks_parse(slice_cstr(f->settings->xclient), &r->xclient);
	(void)dnsbl_lists_parse(slice_cstr(f->settings->dnsbl_lists),
	    &r->lists);
	(void)dnsbl_lists_parse(slice_cstr(f->settings->dnsbl_domain_lists),
	    &r->domain_lists);
	front_own(f)->rules = r;
	return true;
}

void
origin_rules_free(struct front *f)
{
	free(front_own(f)->rules);
	front_own(f)->rules = NULL;
}

static struct ip
ip_of_addr(const struct env_addr *a)
{
	return a->family == 4 || a->family == 6
	    ? ip_unmapped(ip_of(a->family, a->bytes))
	    : (struct ip){ 0 };
}

bool
origin_is_proxy(const struct ip_networks *proxy, const struct env_addr *peer)
{
	struct ip ip = ip_of_addr(peer);

	return proxy != NULL && ip_networks_have(proxy, &ip);
}

static bool
is_smtp(const struct conn *c)
{
	return c->service == SERVICE_MX || c->service == SERVICE_SUBMISSION ||
	    c->service == SERVICE_SUBMISSIONS;
}

static bool
is_mx(const struct conn *c)
{
	return c->service == SERVICE_MX;
}

/* -- counts ---------------------------------------------------------------- */

static void
tell_counts(struct origin *o, bool is_gone)
{
	struct conn *c = o->conn;
	struct wire_client_note note = { .mails = o->counts[RATE_MAILS],
		.rcpts = o->counts[RATE_RCPTS],
		.unknown = o->counts[RATE_UNKNOWN],
		.errors = o->counts[RATE_ERRORS],
		.gone = is_gone };

	o->told_at = env_now(c->front->env);
	memset(o->counts, 0, sizeof(o->counts));
	if (o->is_counted && c->front->store != NULL)
		(void)wire_send_client_note(c->front->store, c->number, 0,
		    &note);
	if (is_gone)
		o->is_counted = false;
}

void
origin_count(struct conn *c, enum rate_thing thing, uint32_t n)
{
	struct origin *o = c->origin;

	if (o == NULL || n == 0)
		return;
	o->counts[thing] += n;
	if (env_now(c->front->env) - o->told_at >= TELL_EVERY)
		tell_counts(o, false);
}

bool
origin_check_rate(const struct conn *c, struct verdict *ret)
{
	const struct origin *o = c->origin;

	if (o == NULL || !o->is_over)
		return true;
	*ret = VERDICT(421, 4, 7, 0, "");
	ret->text = slice_cstr(o->over);
	return false;
}

/* -- the gate -------------------------------------------------------------- */

static void
enter(struct origin *o, enum origin_stage stage)
{
	o->stage = (uint8_t)stage;
	env_timer_stop(o->conn->front->env, &o->timer);
	conn_gate_watch(o->conn);
}

static void
open_gate(struct origin *o)
{
	enter(o, ORIGIN_OPEN);
	conn_gate_open(o->conn);
}

/* What is there before the greeting was sent without it. Exactly one read: it
 * costs what it finds. */
static void
look_for_early(struct origin *o)
{
	struct conn *c = o->conn;
	uint8_t *scratch = front_own(c->front)->scratch;
	size_t room = buf_room(&c->in);
	ssize_t n = env_recv(c->front->env, c->watch.fd, scratch,
	    room < FRONT_SCRATCH ? room : FRONT_SCRATCH);

	if (n < 0)
		return;
	if (n == 0 || buf_add(&c->in, slice_of(scratch, (size_t)n)) != BUF_OK) {
		conn_gate_shut(c);
		return;
	}
	o->is_early = true;
	env_log(c->front->env, ENV_INFO, "early-talker",
	    "client=%s session=%llu refused=%d", c->peer_text,
	    (unsigned long long)c->number, c->front->settings->refuse_early);
}

static void
greet(struct origin *o)
{
	struct conn *c = o->conn;

	if (is_mx(c) && !o->is_exempt && !o->is_early)
		look_for_early(o);
	if (c->state == CONN_GATE)
		open_gate(o);
}

static void
begin_greet(struct origin *o)
{
	struct conn *c = o->conn;
	int64_t delay = c->front->settings->greet_delay;

	if (delay == 0 || !is_mx(c) || o->is_exempt) {
		greet(o);
		return;
	}
	enter(o, ORIGIN_GREET);
	if (env_timer_set(c->front->env, &o->timer,
		env_now(c->front->env) + delay) < 0)
		greet(o);
}

static void
begin_count(struct origin *o)
{
	struct conn *c = o->conn;
	struct wire_client_ask ask = { .client = slice_cstr(c->peer_text) };

	if (is_smtp(c))
		origin_look_up(o);
	if (o->is_exempt || c->front->store == NULL) {
		begin_greet(o);
		return;
	}
	enter(o, ORIGIN_COUNT);
	o->ticket = front_ticket(c->front);
	if (env_timer_set(c->front->env, &o->timer,
		env_now(c->front->env) + COUNT_TIME) < 0 ||
	    wire_send_client_ask(c->front->store, c->number, o->ticket, &ask) !=
		0) {
		o->ticket = 0;
		begin_greet(o);
	}
}

void
origin_on_client_answer(struct conn *c, uint32_t ticket,
    const struct wire_client_answer *m)
{
	struct origin *o = c->origin;
	struct wire_client_note gone = { .gone = true };
	bool is_ok = m->verdict.code / 100 == 2;

	if (o == NULL || (ticket != 0 && ticket != o->ticket)) {
		/* It was asked about somebody who has become another one: when
		 * that one was asked about, the store knows. */
		if (is_ok &&
		    (o == NULL || (o->ticket == 0 && !o->is_counted)) &&
		    c->front->store != NULL && ticket != 0)
			(void)wire_send_client_note(c->front->store, c->number,
			    0, &gone);
		return;
	}
	if (ticket == 0) {
		o->is_over = !is_ok;
		(void)slice_to_cstr(m->verdict.text, o->over, sizeof(o->over));
		return;
	}
	o->ticket = 0;
	o->is_counted = is_ok;
	o->told_at = env_now(c->front->env);
	if (!is_ok) {
		o->is_over = true; /* of who is through the gate already */
		(void)slice_to_cstr(m->verdict.text, o->over, sizeof(o->over));
	}
	if (o->stage != ORIGIN_COUNT)
		return;
	if (is_ok)
		begin_greet(o);
	else
		conn_gate_refuse(c);
}

/* -- PROXY ----------------------------------------------------------------- */

static void
refuse_proxy(struct origin *o, const char *why)
{
	struct conn *c = o->conn;

	env_log(c->front->env, ENV_WARN, "proxy-refused",
	    "proxy=%s service=%s why=\"%s\"", c->peer_text,
	    settings_service_names[c->service], why);
	conn_gate_shut(c);
}

/* False: its client has no memory for one more. */
static bool
note_client(struct origin *o)
{
	struct conn *c = o->conn;

	o->ip = ip_of_addr(&c->peer);
	o->is_exempt = o->ip.family == 0 || c->front->kind == WIRE_LOCAL ||
	    ip_networks_have(&origin_rules(c)->exempt, &o->ip);
	return o->is_exempt || conn_bill_client(c);
}

static bool
set_client(struct origin *o, const struct ip *ip, uint16_t port)
{
	struct env_addr peer = { .family = ip->family, .port = port };

	memcpy(peer.bytes, ip->bytes, sizeof(peer.bytes));
	return conn_set_peer(o->conn, &peer) && note_client(o);
}

static void
take_proxy(struct origin *o, const struct proxy *p)
{
	struct conn *c = o->conn;

	buf_reset(&c->in, 0);
	if (!p->is_own && !set_client(o, &p->source, p->source_port)) {
		env_log(c->front->env, ENV_INFO, "refused",
		    "client=%s limit=max_per_client", c->peer_text);
		conn_gate_refuse(c);
		return;
	}
	begin_count(o);
}

/* Not a byte more than the header has: TLS is read by somebody else. */
static void
read_proxy(struct origin *o)
{
	struct conn *c = o->conn;
	struct proxy p;
	uint8_t at[LIMIT_PROXY_HEADER];

	for (;;) {
		int r = proxy_parse(buf_slice(&c->in), &p);
		size_t want = proxy_need(buf_slice(&c->in));
		ssize_t n;

		if (r == PROXY_OK) {
			take_proxy(o, &p);
			return;
		}
		if (r == PROXY_E_BAD || want > sizeof(at) - c->in.len) {
			refuse_proxy(o, "not a header");
			return;
		}
		n = env_recv(c->front->env, c->watch.fd, at, want);
		if (n == -EAGAIN)
			return;
		if (n <= 0 ||
		    buf_add(&c->in, slice_of(at, (size_t)n)) != BUF_OK) {
			refuse_proxy(o, "closed before its end");
			return;
		}
	}
}

/* -- the stages' events ---------------------------------------------------- */

bool
origin_wants_input(const struct conn *c)
{
	const struct origin *o = c->origin;

	return o != NULL &&
	    (o->stage == ORIGIN_PROXY ||
		(o->stage == ORIGIN_GREET && !o->is_early));
}

/* Who spoke too early hears so only when the wait is over: it gains nothing. */
void
origin_on_input(struct conn *c)
{
	struct origin *o = c->origin;

	if (o != NULL && o->stage == ORIGIN_PROXY)
		read_proxy(o);
	else if (o != NULL && o->stage == ORIGIN_GREET && !o->is_early)
		look_for_early(o);
	conn_gate_watch(c);
}

static void
on_timer(struct env_timer *t)
{
	struct origin *o = LIST_ENTRY(t, struct origin, timer);

	if (o->conn->state != CONN_GATE)
		return;
	if (o->stage == ORIGIN_PROXY)
		refuse_proxy(o, "not in time");
	else if (o->stage == ORIGIN_COUNT)
		begin_greet(o);
	else if (o->stage == ORIGIN_GREET)
		greet(o);
}

static void
on_lookups_over(struct env_timer *t)
{
	origin_give_up(LIST_ENTRY(t, struct origin, lookups));
}

/* -- life ------------------------------------------------------------------ */

bool
origin_begin(struct conn *c, const struct ip_networks *proxy)
{
	struct env *env = c->front->env;
	struct origin *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return false;
	c->origin = o;
	o->conn = c;
	o->timer.fire = on_timer;
	o->lookups.fire = on_lookups_over;
	if (!note_client(o)) {
		env_log(env, ENV_WARN, "memory-limit", "client=%s of=client",
		    c->peer_text);
		conn_gate_refuse(c);
		return true;
	}
	if (!origin_is_proxy(proxy, &c->peer)) {
		begin_count(o);
		return true;
	}
	enter(o, ORIGIN_PROXY);
	return env_timer_set(env, &o->timer, env_now(env) + PROXY_TIME) == 0;
}

void
origin_leave(struct conn *c)
{
	struct origin *o = c->origin;

	if (o == NULL)
		return;
	if (o->is_counted)
		tell_counts(o, true);
	env_timer_stop(c->front->env, &o->timer);
	origin_stop_looking(o);
	origin_names_forget(o);
	c->origin = NULL;
	free(o->facts);
	free(o->rdns);
	free(o->helo);
	free(o);
}

size_t
origin_cost(const struct conn *c)
{
	const struct origin *o = c->origin;

	if (o == NULL)
		return 0;
	return sizeof(*o) + (o->lookup == NULL ? 0 : sizeof(*o->lookup)) +
	    (o->facts == NULL ? 0 : sizeof(*o->facts)) +
	    (o->names == NULL ? 0 : sizeof(*o->names));
}

void
origin_peer_lost(struct conn *c, enum wire_role peer)
{
	struct origin *o = c->origin;

	if (o == NULL || c->state == CONN_DEAD)
		return;
	if (peer == WIRE_RESOLVER) {
		origin_give_up(o);
		if (c->origin == o)
			origin_names_give_up(o);
	}
	if (peer != WIRE_STORE)
		return;
	/* The next one counts anew. */
	o->is_counted = o->is_over = false;
	o->ticket = 0;
	if (c->state == CONN_GATE && o->stage == ORIGIN_COUNT)
		begin_greet(o);
}

/* -- what protocols ask ---------------------------------------------------- */

bool
origin_is_exempt(const struct conn *c)
{
	return c->origin == NULL || c->origin->is_exempt;
}

bool
origin_is_early(const struct conn *c)
{
	return c->origin != NULL && c->origin->is_early;
}

bool
origin_is_known(const struct conn *c)
{
	const struct origin *o = c->origin;

	return o == NULL ||
	    (o->lookup == NULL && (o->names == NULL || o->names->is_over));
}

struct slice
origin_rdns(const struct conn *c)
{
	return c->origin == NULL ? (struct slice){ 0 }
				 : slice_cstr(c->origin->rdns);
}

/* -- XCLIENT --------------------------------------------------------------- */

bool
origin_may_xclient(const struct conn *c)
{
	return c->origin != NULL &&
	    ip_networks_have(&origin_rules(c)->xclient, &c->origin->ip);
}

const char *
origin_helo(const struct conn *c)
{
	return c->origin == NULL ? NULL : c->origin->helo;
}

static void
forget_client(struct origin *o)
{
	origin_stop_looking(o);
	origin_names_forget(o);
	free(o->facts);
	o->facts = NULL;
	free(o->rdns);
	o->rdns = NULL;
	o->outcome = (struct dnsbl_outcome){ 0 };
	o->rdns_state = RDNS_NONE;
	o->is_over = o->was_refused = o->is_early = false;
	o->ticket = 0;
	if (o->is_counted)
		tell_counts(o, true);
}

/* The network of the new one is counted, too; its answer comes while the
 * session goes on (origin_check_rate). */
static void
count_again(struct origin *o)
{
	struct conn *c = o->conn;
	struct wire_client_ask ask = { .client = slice_cstr(c->peer_text) };

	if (o->is_exempt || c->front->store == NULL)
		return;
	o->ticket = front_ticket(c->front);
	if (wire_send_client_ask(c->front->store, c->number, o->ticket, &ask) !=
	    0)
		o->ticket = 0;
}

/* What is not said stays as it was, and is not asked again. */
bool
origin_become(struct conn *c, const struct smtp_xclient *x)
{
	struct origin *o = c->origin;

	if (o == NULL)
		return false;
	if (x->addr_is == SMTP_XCLIENT_SAID) {
		forget_client(o);
		if (!set_client(o, &x->addr,
			x->port_is == SMTP_XCLIENT_SAID ? x->port : 0))
			return false;
		count_again(o);
		if (x->name_is == SMTP_XCLIENT_UNSAID)
			origin_look_up(o);
	}
	if (x->name_is != SMTP_XCLIENT_UNSAID) {
		free(o->rdns);
		o->rdns = NULL;
		o->rdns_state = x->name_is == SMTP_XCLIENT_TEMPUNAVAIL
		    ? RDNS_FAILED
		    : RDNS_NONE;
		if (x->name_is == SMTP_XCLIENT_SAID) {
			o->rdns = strdup(x->name);
			o->rdns_state = RDNS_CONFIRMED;
		}
		if (x->addr_is == SMTP_XCLIENT_SAID)
			origin_look_up(o);
	}
	if (x->helo_is != SMTP_XCLIENT_UNSAID) {
		free(o->helo);
		o->helo =
		    x->helo_is == SMTP_XCLIENT_SAID ? strdup(x->helo) : NULL;
	}
	return true;
}
