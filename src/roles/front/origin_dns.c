/* SPDX-License-Identifier: ISC */
/* What the DNS says of a client, and what is made of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "roles/front/origin_impl.h"
#include "sys/log.h"

enum {
	MISSES_MAX = 5 /* in a row: then it is dead */
};
#define DEAD_TIME (60 * TIME_SECOND)

static void go_on(struct origin *o);

/* -- health ---------------------------------------------------------------- */

static const char *
health_name(const struct origin *o, size_t place)
{
	const struct origin_rules *r = origin_rules(o->conn);

	return place == HEALTH_REVERSE ? "reverse"
	    : place >= HEALTH_DOMAINS
	    ? r->domain_lists.rows[place - HEALTH_DOMAINS].zone
	    : r->lists.rows[place].zone;
}

bool
origin_may_ask(struct origin *o, size_t place)
{
	struct origin_health *h = &origin_rules(o->conn)->health[place];
	int64_t now = env_now(o->conn->front->env);

	if (!h->is_dead)
		return true;
	if (now < h->until)
		return false;
	h->until = now + DEAD_TIME; /* this one tries */
	return true;
}

void
origin_note_health(struct origin *o, size_t place, uint16_t rcode,
    int64_t since)
{
	bool is_answered = rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN;
	struct origin_health *h = &origin_rules(o->conn)->health[place];
	struct env *env = o->conn->front->env;

	if (is_answered) {
		if (h->is_dead)
			env_log(env, ENV_INFO, "dns-list-back", "list=%s",
			    health_name(o, place));
		*h = (struct origin_health){ 0 };
		return;
	}
	/* Not its fault: our resolver has gone, or has too much to do. */
	if (o->conn->front->resolver == NULL ||
	    (rcode == DNS_NO_ANSWER && env_now(env) - since < TIME_SECOND))
		return;
	if (h->is_dead || ++h->misses < MISSES_MAX)
		return;
	h->is_dead = true;
	h->until = env_now(env) + DEAD_TIME;
	env_log(env, ENV_WARN, "dns-list-dead", "list=%s",
	    health_name(o, place));
}

/* -- asking ---------------------------------------------------------------- */

uint32_t
origin_ask(struct origin *o, const char *name, uint16_t type)
{
	struct conn *c = o->conn;
	struct wire_dns_ask m = { .name = slice_cstr(name), .type = type };
	uint32_t ticket = front_ticket(c->front);

	if (c->front->resolver == NULL || channel_is_full(c->front->resolver) ||
	    wire_send_dns_ask(c->front->resolver, c->number, ticket, &m) != 0)
		return 0;
	return ticket;
}

static void
ask_name(struct origin *o)
{
	struct origin_lookup *l = o->lookup;
	char name[DNS_NAME_TEXT];
	uint16_t type;

	while (l->rdns_ticket == 0 && rdns_question(&l->rdns, name, &type)) {
		if (origin_may_ask(o, HEALTH_REVERSE))
			l->rdns_ticket = origin_ask(o, name, type);
		if (l->rdns_ticket == 0)
			rdns_answer(&l->rdns, DNS_NO_ANSWER, NULL, 0);
	}
}

static void
ask_list(struct origin *o, size_t i)
{
	const struct dnsbl_lists *lists = &origin_rules(o->conn)->lists;
	struct origin_lookup *l = o->lookup;
	char name[DNS_NAME_TEXT];

	o->facts->states[i] = DNSBL_ASKED;
	if (origin_may_ask(o, i) &&
	    dns_reverse_name(&o->ip, lists->rows[i].zone, name))
		l->tickets[i] = origin_ask(o, name, DNS_A);
	if (l->tickets[i] == 0)
		dnsbl_on_address(lists, i, DNS_NO_ANSWER, NULL, 0, o->facts);
}

static void
ask_text(struct origin *o)
{
	const struct dnsbl_lists *lists = &origin_rules(o->conn)->lists;
	struct origin_lookup *l = o->lookup;
	size_t i = o->outcome.heaviest;
	char name[DNS_NAME_TEXT];

	if (l->text_ticket != 0)
		return;
	o->facts->text_state = DNSBL_ASKED;
	o->facts->text_of = (uint8_t)i;
	if (dns_reverse_name(&o->ip, lists->rows[i].zone, name))
		l->text_ticket = origin_ask(o, name, DNS_TXT);
	if (l->text_ticket == 0)
		dnsbl_on_text(o->facts, DNS_NO_ANSWER, NULL, 0);
}

/* True: the lists have spoken. */
static bool
ask_lists(struct origin *o)
{
	const struct dnsbl_lists *lists = &origin_rules(o->conn)->lists;
	int threshold = (int)o->conn->front->settings->dnsbl_threshold;

	if (!o->lookup->are_lists_wanted)
		return true;
	for (size_t i = 0; i < lists->n; i++)
		if (o->facts->states[i] == DNSBL_UNASKED)
			ask_list(o, i);
	if (dnsbl_decide(lists, threshold, o->facts, &o->outcome) ==
	    DNSBL_NEED_TEXT)
		ask_text(o);
	return dnsbl_decide(lists, threshold, o->facts, &o->outcome) ==
	    DNSBL_DECIDED;
}

/* -- life ------------------------------------------------------------------ */

static bool
is_loopback(const struct ip *ip)
{
	static const uint8_t one[16] = { [15] = 1 };

	return ip->family == 4 ? ip->bytes[0] == 127
			       : memcmp(ip->bytes, one, sizeof(one)) == 0;
}

void
origin_look_up(struct origin *o)
{
	struct conn *c = o->conn;
	const struct settings *s = c->front->settings;
	bool lists = c->service == SERVICE_MX && !o->is_exempt &&
	    origin_rules(c)->lists.n > 0;
	bool name = s->reverse_dns && o->ip.family != 0 &&
	    !is_loopback(&o->ip) && o->rdns == NULL;

	if (o->lookup != NULL || (!lists && !name))
		return;
	o->lookup = calloc(1, sizeof(*o->lookup));
	if (lists)
		o->facts = calloc(1, sizeof(*o->facts));
	if (o->lookup == NULL || (lists && o->facts == NULL) ||
	    env_timer_set(c->front->env, &o->lookups,
		env_now(c->front->env) + s->lookup_timeout) < 0) {
		origin_stop_looking(o);
		return;
	}
	o->lookup->since = env_now(c->front->env);
	o->lookup->is_rdns_wanted = name;
	o->lookup->are_lists_wanted = lists;
	rdns_init(&o->lookup->rdns, &o->ip);
	go_on(o);
}

static void
keep_name(struct origin *o)
{
	const struct rdns *r = &o->lookup->rdns;
	struct slice name = rdns_name(r);

	if (!o->lookup->is_rdns_wanted)
		return;
	o->rdns_state = r->state == RDNS_ASK_PTR || r->state == RDNS_ASK_ADDRESS
	    ? RDNS_FAILED
	    : r->state;
	free(o->rdns);
	o->rdns = name.len == 0 ? NULL : strdup((const char *)name.at);
}

void
origin_stop_looking(struct origin *o)
{
	env_timer_stop(o->conn->front->env, &o->lookups);
	free(o->lookup);
	o->lookup = NULL;
}

static void
go_on(struct origin *o)
{
	struct conn *c = o->conn;
	const struct origin_lookup *l = o->lookup;
	bool is_known;

	if (l->is_rdns_wanted)
		ask_name(o);
	is_known = ask_lists(o);
	if (!is_known || (l->is_rdns_wanted && l->rdns_ticket != 0))
		return;
	keep_name(o);
	origin_stop_looking(o);
	origin_names_add_rdns(o);
	if (!origin_names_are_known(o))
		return;
	if (conn_is_live(c) && c->proto->origin_known != NULL)
		c->proto->origin_known(c);
}

void
origin_give_up(struct origin *o)
{
	const struct dnsbl_lists *lists = &origin_rules(o->conn)->lists;
	struct origin_lookup *l = o->lookup;

	if (l == NULL)
		return;
	for (size_t i = 0; l->are_lists_wanted && i < lists->n; i++) {
		if (o->facts->states[i] != DNSBL_ASKED)
			continue;
		origin_note_health(o, i, DNS_NO_ANSWER, l->since);
		dnsbl_on_address(lists, i, DNS_NO_ANSWER, NULL, 0, o->facts);
	}
	if (l->are_lists_wanted && o->facts->text_state <= DNSBL_ASKED)
		o->facts->text_state = DNSBL_DEAD;
	if (l->rdns_ticket != 0) {
		origin_note_health(o, HEALTH_REVERSE, DNS_NO_ANSWER, l->since);
		/* further ways back are not tried */
		l->rdns.state = RDNS_FAILED;
		l->rdns_ticket = 0;
	}
	go_on(o);
}

/* -- answers --------------------------------------------------------------- */

static size_t
take_records(const struct wire_dns_answer *m, struct slice *records)
{
	struct wire_list rows = m->records;
	struct wire_dns_record row;
	size_t n = 0;

	while (n < LIMIT_DNS_RECORDS && wire_dns_record_next(&rows, &row))
		records[n++] = row.data;
	return n;
}

void
origin_on_dns_answer(struct conn *c, uint32_t ticket,
    const struct wire_dns_answer *m)
{
	struct slice records[LIMIT_DNS_RECORDS];
	struct origin *o = c->origin;
	struct origin_lookup *l = o == NULL ? NULL : o->lookup;
	size_t n;

	if (o == NULL || ticket == 0)
		return;
	n = take_records(m, records);
	if (origin_names_on_answer(o, ticket, m->rcode, records, n) ||
	    l == NULL)
		return;
	if (ticket == l->rdns_ticket) {
		l->rdns_ticket = 0;
		/* One broken reverse zone says nothing about the others. */
		if (m->rcode != DNS_SERVFAIL)
			origin_note_health(o, HEALTH_REVERSE, m->rcode,
			    l->since);
		rdns_answer(&l->rdns, m->rcode, records, n);
	} else if (ticket == l->text_ticket) {
		dnsbl_on_text(o->facts, m->rcode, records, n);
	} else {
		for (size_t i = 0; i < LIMIT_DNSBL_LISTS; i++) {
			if (l->tickets[i] != ticket)
				continue;
			l->tickets[i] = 0;
			origin_note_health(o, i, m->rcode, l->since);
			dnsbl_on_address(&origin_rules(c)->lists, i, m->rcode,
			    records, n, o->facts);
		}
	}
	go_on(o);
}

/* -- what is made of it ---------------------------------------------------- */

/* RFC 5321, 4.5.1 and RFC 2142: who is refused may ask there. */
static bool
must_be_reached(struct slice rcpt)
{
	size_t at = slice_find_last_byte(rcpt, '@');
	struct slice local = at == SIZE_MAX ? rcpt : slice_upto(rcpt, at);

	return slice_equal_nocase(local, SLICE("postmaster")) ||
	    slice_equal_nocase(local, SLICE("abuse"));
}

/* What the list says of it comes last: it may be cut. */
static void
say_listed(const struct origin *o, char text[ORIGIN_SAY])
{
	const struct front *f = o->conn->front;
	const struct dnsbl_list *l =
	    &origin_rules(o->conn)->lists.rows[o->outcome.heaviest];
	const char *contact = f->settings->dnsbl_contact;
	bool has_text = o->facts->text_state == DNSBL_HIT &&
	    o->facts->text_of == o->outcome.heaviest &&
	    o->facts->text[0] != '\0';

	(void)snprintf(text, ORIGIN_SAY,
	    "[%.45s] is listed by %.189s; ask %.120s%.120s about it%s%.200s",
	    o->conn->peer_text, l->zone,
	    contact[0] != '\0' ? contact : "postmaster@",
	    contact[0] != '\0' ? "" : f->hostname, has_text ? ": " : "",
	    has_text ? o->facts->text : "");
}

static void
print_hits(const struct origin *o, char *out, size_t size)
{
	out[0] = '\0';
	if (o->facts != NULL)
		dnsbl_print_hits(&origin_rules(o->conn)->lists, o->facts, out,
		    size);
	origin_names_print(o, out, size);
}

static int
score_of(const struct origin *o)
{
	struct origin_names_outcome names;

	(void)origin_names_weigh(o, &names);
	return o->outcome.score + names.score;
}

static void
log_refusal(struct origin *o)
{
	struct conn *c = o->conn;
	char hits[ORIGIN_SAY];

	if (o->was_refused)
		return;
	o->was_refused = true;
	print_hits(o, hits, sizeof(hits));
	env_log(c->front->env, ENV_INFO, "dnsbl-refused",
	    "client=%s session=%llu score=%d lists=\"%s\"", c->peer_text,
	    (unsigned long long)c->number, score_of(o), hits);
}

/* What lists say of addresses and of names together. */
static bool
is_refused_by_name(struct origin *o)
{
	struct origin_names_outcome names;

	if (!origin_names_weigh(o, &names) ||
	    names.score + o->outcome.score <
		(int)o->conn->front->settings->dnsbl_threshold)
		return false;
	log_refusal(o);
	return true;
}

static void
say_name_listed(const struct origin *o, char text[ORIGIN_SAY])
{
	const struct front *f = o->conn->front;
	const char *contact = f->settings->dnsbl_contact;
	struct origin_names_outcome names;

	(void)origin_names_weigh(o, &names);
	(void)snprintf(text, ORIGIN_SAY,
	    "%.200s is listed by %.189s; ask %.120s%.120s about it", names.name,
	    names.zone, contact[0] != '\0' ? contact : "postmaster@",
	    contact[0] != '\0' ? "" : f->hostname);
}

bool
origin_check_rcpt(struct conn *c, struct slice rcpt, struct verdict *ret,
    char text[ORIGIN_SAY])
{
	struct origin *o = c->origin;

	if (o == NULL || o->is_exempt || c->service != SERVICE_MX ||
	    must_be_reached(rcpt))
		return true;
	if (o->facts != NULL && o->outcome.is_refused) {
		log_refusal(o);
		say_listed(o, text);
		*ret = VERDICT(554, 5, 7, 1, "");
		ret->text = slice_cstr(text);
		return false;
	}
	if (is_refused_by_name(o)) {
		say_name_listed(o, text);
		*ret = VERDICT(554, 5, 7, 1, "");
		ret->text = slice_cstr(text);
		return false;
	}
	if (c->front->settings->require_reverse_dns &&
	    o->rdns_state != RDNS_CONFIRMED) {
		(void)snprintf(text, ORIGIN_SAY,
		    "[%s] has no name in the DNS that points back to it",
		    c->peer_text);
		*ret = VERDICT(450, 4, 7, 25, "");
		ret->text = slice_cstr(text);
		return false;
	}
	return true;
}

struct slice
origin_tag(const struct conn *c, char out[ORIGIN_TAG])
{
	const struct origin *o = c->origin;
	char hits[ORIGIN_TAG - 64];
	int n;

	if (o == NULL || !c->front->settings->dnsbl_tag)
		return (struct slice){ 0 };
	print_hits(o, hits, sizeof(hits));
	if (hits[0] == '\0')
		return (struct slice){ 0 };
	n = snprintf(out, ORIGIN_TAG, "%s score=%d", hits, score_of(o));
	return slice_of(out, n > 0 ? (size_t)n : 0);
}
