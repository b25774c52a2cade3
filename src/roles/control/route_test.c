/* SPDX-License-Identifier: ISC */
#include "roles/control/route_test_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/ip.h"

enum {
	TEST_ARENA = 2 * 1024 * 1024
};

struct route_test *
route_test_new(const struct settings *s, const struct route_own *own,
    size_t n_own, uint64_t seed)
{
	struct route_test *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->settings = s;
	t->own = own;
	t->n_own = n_own;
	t->seed = seed;
	t->first_ticket = 1;
	arena_init(&t->arena, TEST_ARENA);
	return t;
}

void
route_test_free(struct route_test *t)
{
	if (t == NULL)
		return;
	arena_reset(&t->arena);
	free(t);
}

/* -- what the store said --------------------------------------------------- */

static struct slice
field_of(struct wire_list fields, const char *name)
{
	struct wire_field f;

	while (wire_field_next(&fields, &f))
		if (slice_equal(f.name, slice_cstr(name)))
			return f.value;
	return SLICE("");
}

/* What the route and the destination want of TLS, as the courier reads it. */
static void
take_tls(struct hop *h, struct wire_list fields)
{
	struct slice tls = field_of(fields, "tls");
	struct slice minimum = field_of(fields, "minimum");
	bool has_login = field_of(fields, "user").len > 0;

	h->is_lmtp = slice_equal(field_of(fields, "what"),
	    slice_cstr(hop_kinds[HOP_LMTP]));
	h->tls = has_login && !h->is_lmtp ? HOP_TLS_VERIFY : HOP_TLS_MAY;
	for (uint8_t i = HOP_TLS_NONE; i < HOP_TLS_KINDS; i++)
		if (slice_equal(tls, slice_cstr(hop_tls_texts[i])))
			h->tls = i;
	h->minimum = TLS_MINIMUM_DEFAULT;
	(void)tls_minimum_parse(minimum, &h->minimum);
}

static int
take_hop(struct route_test *t, struct wire_list fields)
{
	struct hop *h = &t->hops[t->n_hops];
	uint64_t port = 0;

	if (t->n_hops == ROUTE_TEST_HOPS)
		return 0;
	(void)slice_to_u64(field_of(fields, "port"), 65535, &port);
	h->port = (uint16_t)port;
	take_tls(h, fields);
	if (!arena_copy(&t->arena, field_of(fields, "what"), &h->kind) ||
	    !arena_copy(&t->arena, field_of(fields, "address"), &h->address) ||
	    !arena_copy(&t->arena, field_of(fields, "domain"), &h->domain) ||
	    !arena_copy(&t->arena, field_of(fields, "hosts"), &h->hosts))
		return ERR_ORIGIN(-ENOMEM);
	h->used_up = t->used_up;
	t->used_up = 0;
	t->n_hops++;
	return 0;
}

int
route_test_row(struct route_test *t, struct wire_list fields)
{
	struct slice kind = field_of(fields, "kind");
	struct slice what = field_of(fields, "what");

	if (slice_equal(kind, SLICE("hop")))
		return ERR_TRACE(take_hop(t, fields));
	if (slice_equal(kind, SLICE("warmup")) &&
	    !slice_equal(what, SLICE("permits")))
		t->used_up |= slice_find_byte(field_of(fields, "address"),
				  ':') == SIZE_MAX
		    ? FAMILY_V4
		    : FAMILY_V6;
	if (slice_equal(kind, SLICE("rcpt")) && what.len > 0) {
		t->is_refused = what.at[0] == '5';
		t->is_waiting |= what.at[0] == '4';
	}
	if (slice_equal(kind, SLICE("destination")) ||
	    slice_equal(kind, SLICE("throttle")) ||
	    slice_equal(kind, SLICE("warmup")))
		t->is_waiting |= slice_equal(what, SLICE("waits"));
	return 0;
}

/* -- rows ------------------------------------------------------------------ */

void
route_test_put(struct buf *out, const char *kind, const char *what,
    struct slice address, const char *text)
{
	struct control_request row;
	int r;

	memset(&row, 0, sizeof(row));
	buf_init(&row.fields, 8192);
	r = control_field_add(&row, SLICE("kind"), slice_cstr(kind));
	r |= control_field_add(&row, SLICE("depth"), SLICE("0"));
	r |= control_field_add(&row, SLICE("what"), slice_cstr(what));
	r |= control_field_add(&row, SLICE("address"), address);
	r |= control_field_add(&row, SLICE("text"), slice_cstr(text));
	if (r == 0)
		(void)control_row_print((struct wire_list){ .n = row.n_fields,
					    .raw = buf_slice(&row.fields) },
		    out);
	buf_deinit(&row.fields);
}

static const char *
type_name(uint16_t type)
{
	return type == DNS_MX ? "MX" : type == DNS_A ? "A" : "AAAA";
}

static size_t
print_record(uint16_t type, struct slice rdata, char *at, size_t size)
{
	char host[DNS_NAME_TEXT], text[IP_TEXT];
	uint16_t preference;
	struct ip ip;
	int n = 0;

	if (type == DNS_MX && dns_mx_parse(rdata, &preference, host)) {
		n = snprintf(at, size, " %u %s", preference,
		    host[0] == '\0' ? "." : host);
	} else if ((type == DNS_A && rdata.len == 4) ||
	    (type == DNS_AAAA && rdata.len == 16)) {
		ip = ip_of(type == DNS_A ? 4 : 6, rdata.at);
		ip_print(&ip, text);
		n = snprintf(at, size, " %s", text);
	}
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

static void
put_answer(struct buf *out, const struct route_answer *a)
{
	const struct dns_answer *d = &a->answer;
	char text[ROW_TEXT];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s%s",
	    d->is_bogus                    ? "bogus"
		: d->rcode == DNS_NXDOMAIN ? "no such name"
		: d->rcode != DNS_NOERROR  ? "failed"
		: d->n_records == 0        ? "none"
					   : "",
	    d->is_secure ? " (signed)" : "");

	for (size_t i = 0; i < d->n_records && n + 1 < sizeof(text); i++)
		n += print_record(a->question.type, d->records[i], text + n,
		    sizeof(text) - n);
	route_test_put(out, "dns", type_name(a->question.type),
	    a->question.name, text[0] == ' ' ? text + 1 : text);
}

static void
put_host(struct buf *out, const struct route_host *h)
{
	char what[24], text[ROW_TEXT], address[IP_TEXT];
	size_t n = 0;

	(void)snprintf(what, sizeof(what), "%u", h->preference);
	text[0] = '\0';
	for (size_t i = 0; i < h->n_addresses && n < sizeof(text); i++) {
		struct ip ip =
		    ip_of(h->addresses[i].family, h->addresses[i].bytes);

		ip_print(&ip, address);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s[%s]:%u",
		    i > 0 ? " " : "", address, h->port);
	}
	route_test_put(out, "host", what, h->name, text);
}

void
route_test_note_fate(struct route_test *t, enum fate fate)
{
	if (fate > t->fate)
		t->fate = fate;
}

/* Where our address of one family has had its mails of today, the other has to
 * do. */
static bool
is_used_up(const struct hop *h, const struct route *route)
{
	for (size_t i = 0; i < route->n_hosts; i++)
		for (size_t k = 0; k < route->hosts[i].n_addresses; k++)
			if ((h->used_up &
				(route->hosts[i].addresses[k].family == 4
					? FAMILY_V4
					: FAMILY_V6)) == 0)
				return false;
	return h->used_up != 0;
}

static void
put_route(struct route_test *t, const struct route *route, struct buf *out)
{
	const struct verdict *v = &route->verdict;
	char what[24], text[ROW_TEXT];

	for (size_t i = 0; i < t->n_answers; i++)
		put_answer(out, &t->answers[i]);
	for (size_t i = 0; i < route->n_hosts; i++)
		put_host(out, &route->hosts[i]);
	t->is_waiting |= is_used_up(&t->hops[t->at], route);
	if (route->n_hosts > 0)
		return;
	(void)snprintf(what, sizeof(what), "%u %u.%u.%u", v->code, v->esc.class,
	    v->esc.subject, v->esc.detail);
	(void)slice_to_cstr(v->text, text, sizeof(text));
	route_test_put(out, "verdict", what, t->hops[t->at].address, text);
	route_test_note_fate(t, v->code / 100 == 5 ? FATE_BOUNCES : FATE_WAITS);
}

static void
put_end(const struct route_test *t, struct buf *out)
{
	static const struct {
		const char *what, *text;
	} ends[] = {
		[FATE_GOES] = { "goes", "to the first host that answers" },
		[FATE_DISCARDED] = { "discarded", "as a route says" },
		[FATE_WAITS] = { "waits", "and is tried again later" },
		[FATE_BOUNCES] = { "bounces", "or is refused at once" },
	};
	enum fate fate = t->is_refused              ? FATE_BOUNCES
	    : t->fate < FATE_WAITS && t->is_waiting ? FATE_WAITS
						    : t->fate;

	route_test_put(out, "answer", ends[fate].what, SLICE(""),
	    ends[fate].text);
}

/* -- the decision ---------------------------------------------------------- */

static void
next_hop(struct route_test *t)
{
	t->first_ticket += ROUTE_TEST_QUESTIONS;
	t->n_answers = t->n_missing = 0;
	memset(t->has_answer, 0, sizeof(t->has_answer));
	t->is_routed = false;
	route_test_tls_reset(t);
	t->at++;
}

static bool
is_carried(struct route_test *t, const struct hop *h)
{
	if (slice_equal(h->kind, SLICE("discard"))) {
		route_test_note_fate(t, FATE_DISCARDED);
		return false;
	}
	if (slice_equal(h->kind, SLICE("error"))) {
		route_test_note_fate(t, FATE_BOUNCES);
		return false;
	}
	return true;
}

static enum route_need
decide(struct route_test *t, struct route_question *questions, size_t *ret_n,
    struct route *ret)
{
	const struct hop *h = &t->hops[t->at];
	struct route_input in = { .domain = h->domain,
		.hostname = slice_cstr(t->settings->hostname),
		.seed = t->seed,
		.permit_loopback =
		    t->settings->outbound_permit_loopback || h->hosts.len > 0,
		.families = t->settings->outbound_families,
		.port = h->port != 0 ? h->port : t->settings->outbound_port,
		.own = t->own,
		.n_own = t->n_own,
		.hops = t->hosts };
	const char *why;

	if (h->hosts.len > 0 &&
	    !hop_hosts_read(h->hosts, t->hosts, &in.n_hops, &why))
		in.n_hops = 0;
	return route_decide(&in, t->answers, t->n_answers, &t->arena, questions,
	    ret_n, ret);
}

bool
route_test_ask(struct route_test *t, const struct route_question *q)
{
	struct channel *resolver = t->resolver;

	struct wire_dns_ask m = { .name = q->name, .type = q->type };
	size_t i = t->n_answers;

	if (i == ROUTE_TEST_QUESTIONS || resolver == NULL)
		return false;
	t->answers[i] = (struct route_answer){ .question.type = q->type };
	if (!arena_copy(&t->arena, q->name, &t->answers[i].question.name))
		return false;
	t->n_answers++;
	t->n_missing++;
	return wire_send_dns_ask(resolver, t->session,
		   t->first_ticket + (uint32_t)i, &m) == 0;
}

/* Until the hosts of the present hop are known, or it is known that there are
 * none. */
static enum route_test_state
go_on_routing(struct route_test *t, struct buf *out)
{
	struct route_question questions[ROUTE_QUESTIONS];
	enum route_need need;
	size_t n = 0;

	if (t->is_routed)
		return ROUTE_TEST_DONE;
	need = decide(t, questions, &n, &t->route);
	if (need == ROUTE_E_MEMORY)
		return ROUTE_TEST_E_RESOLVER;
	if (need == ROUTE_DONE) {
		t->is_routed = true;
		put_route(t, &t->route, out);
		return ROUTE_TEST_DONE;
	}
	for (size_t i = 0; i < n; i++)
		if (!route_test_ask(t, &questions[i]))
			return ROUTE_TEST_E_RESOLVER;
	return ROUTE_TEST_ASKING;
}

enum route_test_state
route_test_go_on(struct route_test *t, const struct route_test_peers *peers,
    uint64_t session, struct buf *out)
{
	t->resolver = peers->resolver;
	t->fetcher = peers->fetcher;
	t->session = session;
	if (t->n_missing > 0 || t->sts.is_missing)
		return ROUTE_TEST_ASKING;
	for (; t->at < t->n_hops; next_hop(t)) {
		enum route_test_state state;

		if (!is_carried(t, &t->hops[t->at]))
			continue;
		state = go_on_routing(t, out);
		if (state == ROUTE_TEST_DONE && t->route.n_hosts > 0)
			state = route_test_tls_go_on(t, out);
		if (state != ROUTE_TEST_DONE)
			return state;
	}
	put_end(t, out);
	return ROUTE_TEST_DONE;
}

/* What does not fit is a failed lookup. */
static void
keep_answer(struct route_test *t, struct dns_answer *to,
    const struct wire_dns_answer *m)
{
	struct wire_list rows = m->records;
	struct wire_dns_record row;

	*to = (struct dns_answer){ .rcode = m->rcode,
		.is_secure = m->secure,
		.is_bogus = m->bogus,
		.ttl = m->ttl };
	if (!arena_copy(&t->arena, m->canonical, &to->canonical))
		to->rcode = DNS_SERVFAIL;
	to->records = arena_array(&t->arena, rows.n == 0 ? 1 : rows.n,
	    sizeof(*to->records));
	while (to->records != NULL && wire_dns_record_next(&rows, &row) &&
	    arena_copy(&t->arena, row.data, &to->records[to->n_records]))
		to->n_records++;
	if (to->n_records < m->records.n) {
		to->n_records = 0;
		to->rcode = DNS_SERVFAIL;
	}
}

bool
route_test_on_answer(struct route_test *t, uint32_t ticket,
    const struct wire_dns_answer *m)
{
	size_t i = ticket - t->first_ticket;

	if (ticket < t->first_ticket || i >= t->n_answers || t->has_answer[i])
		return false;
	t->has_answer[i] = true;
	t->n_missing--;
	keep_answer(t, &t->answers[i].answer, m);
	return true;
}
