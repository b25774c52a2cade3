/* SPDX-License-Identifier: ISC */
/*
 * roles/front/origin_names - what lists of domains in the DNS say of a mail
 *
 * The names that a mail comes with: HELO's, that of its sender's domain, the
 * client's confirmed one. Asked at MAIL, in the background and in parallel; the
 * first recipient waits at most settings.lookup_timeout. What is not answered
 * by then is unknown. The weight of each list that has one of the names is
 * added to what lists of addresses say. The next mail of the session with the
 * same names asks nobody.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "roles/front/origin_impl.h"

static const struct dnsbl_lists *
lists_of(const struct origin *o)
{
	return &origin_rules(o->conn)->domain_lists;
}

/* -- which names ----------------------------------------------------------- */

/* At least two labels, and no address. */
static bool
is_worth_asking(struct slice name)
{
	size_t dot = slice_find_last_byte(name, '.');
	uint64_t number;

	return dns_name_is_valid(name) && dot != SIZE_MAX &&
	    !slice_to_u64(slice_from(name, dot + 1), UINT64_MAX, &number);
}

static void
add_name(struct origin_names *n, struct slice name)
{
	char *to = n->names[n->n];

	if (n->n == ORIGIN_NAMES || !is_worth_asking(name) ||
	    !slice_to_cstr(name, to, DNS_NAME_TEXT))
		return;
	for (char *c = to; *c != '\0'; c++)
		*c = (char)ascii_lower((uint8_t)*c);
	for (size_t i = 0; i < n->n; i++)
		if (strcmp(n->names[i], to) == 0)
			return;
	n->n++;
}

/* -- asking ---------------------------------------------------------------- */

static bool
is_answered(const struct origin *o, const struct origin_names *n)
{
	for (size_t k = 0; k < n->n; k++)
		for (size_t i = 0; i < lists_of(o)->n; i++)
			if (n->facts[k].states[i] <= DNSBL_ASKED)
				return false;
	return true;
}

bool
origin_names_are_known(struct origin *o)
{
	struct origin_names *n = o->names;

	if (n == NULL || n->is_over)
		return true;
	/* the client's own name may still come */
	if (o->lookup != NULL || !is_answered(o, n))
		return false;
	env_timer_stop(o->conn->front->env, &n->timer);
	n->is_over = true;
	return true;
}

/* Whoever is told may begin another mail, or end: nothing of `o` is used
 * behind it. */
static void
tell(struct origin *o)
{
	struct conn *c = o->conn;

	if (conn_is_live(c) && c->proto->origin_known != NULL)
		c->proto->origin_known(c);
}

static void
ask_names(struct origin *o)
{
	const struct dnsbl_lists *lists = lists_of(o);
	struct origin_names *n = o->names;
	char name[2 * DNS_NAME_TEXT];

	for (size_t k = n->n_asked; k < n->n; k++)
		for (size_t i = 0; i < lists->n; i++) {
			(void)snprintf(name, sizeof(name), "%s.%s", n->names[k],
			    lists->rows[i].zone);
			n->facts[k].states[i] = DNSBL_ASKED;
			if (dns_name_is_valid(slice_cstr(name)) &&
			    origin_may_ask(o, HEALTH_DOMAINS + i))
				n->tickets[k][i] = origin_ask(o, name, DNS_A);
			if (n->tickets[k][i] == 0)
				dnsbl_on_address(lists, i, DNS_NO_ANSWER, NULL,
				    0, &n->facts[k]);
		}
	n->n_asked = n->n;
}

void
origin_names_give_up(struct origin *o)
{
	struct origin_names *n = o->names;

	if (n == NULL || n->is_over)
		return;
	for (size_t k = 0; k < n->n; k++)
		for (size_t i = 0; i < lists_of(o)->n; i++) {
			if (n->facts[k].states[i] > DNSBL_ASKED)
				continue;
			n->tickets[k][i] = 0;
			origin_note_health(o, HEALTH_DOMAINS + i, DNS_NO_ANSWER,
			    n->since);
			dnsbl_on_address(lists_of(o), i, DNS_NO_ANSWER, NULL, 0,
			    &n->facts[k]);
		}
	env_timer_stop(o->conn->front->env, &n->timer);
	n->is_over = true;
	tell(o);
}

static void
on_timer(struct env_timer *t)
{
	origin_names_give_up(LIST_ENTRY(t, struct origin_names, timer)->origin);
}

void
origin_names_forget(struct origin *o)
{
	if (o->names == NULL)
		return;
	env_timer_stop(o->conn->front->env, &o->names->timer);
	free(o->names);
	o->names = NULL;
}

/* Its confirmed name has become known. */
void
origin_names_add_rdns(struct origin *o)
{
	struct origin_names *n = o->names;

	if (n == NULL || n->is_over || o->rdns == NULL)
		return;
	add_name(n, slice_cstr(o->rdns));
	ask_names(o);
}

static bool
has_same_names(const struct origin_names *a, const struct origin_names *b)
{
	for (size_t i = 0; i < a->n && a->n == b->n; i++)
		if (strcmp(a->names[i], b->names[i]) != 0)
			return false;
	return a->n == b->n;
}

void
origin_on_mail(struct conn *c, struct slice helo, struct slice sender)
{
	struct env *env = c->front->env;
	struct origin *o = c->origin;
	size_t at = slice_find_last_byte(sender, '@');
	struct origin_names *n;

	if (o == NULL || o->is_exempt || c->service != SERVICE_MX ||
	    lists_of(o)->n == 0)
		return;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return; /* nobody is refused for our trouble */
	n->origin = o;
	n->timer.fire = on_timer;
	n->since = env_now(env);
	add_name(n, helo);
	if (at != SIZE_MAX)
		add_name(n, slice_from(sender, at + 1));
	if (o->rdns != NULL)
		add_name(n, slice_cstr(o->rdns));
	if (o->names != NULL && o->names->is_over &&
	    has_same_names(n, o->names)) {
		free(n);
		return;
	}
	origin_names_forget(o);
	if (env_timer_set(env, &n->timer,
		n->since + c->front->settings->lookup_timeout) < 0) {
		free(n);
		return;
	}
	o->names = n;
	ask_names(o);
	(void)origin_names_are_known(o);
}

bool
origin_names_on_answer(struct origin *o, uint32_t ticket, uint16_t rcode,
    const struct slice *records, size_t n_records)
{
	struct origin_names *n = o->names;

	if (n == NULL || n->is_over)
		return false;
	for (size_t k = 0; k < n->n; k++)
		for (size_t i = 0; i < lists_of(o)->n; i++) {
			if (n->tickets[k][i] != ticket)
				continue;
			n->tickets[k][i] = 0;
			origin_note_health(o, HEALTH_DOMAINS + i, rcode,
			    n->since);
			dnsbl_on_address(lists_of(o), i, rcode, records,
			    n_records, &n->facts[k]);
			if (origin_names_are_known(o))
				tell(o);
			return true;
		}
	return false;
}

/* -- what is made of it ---------------------------------------------------- */

bool
origin_names_weigh(const struct origin *o, struct origin_names_outcome *ret)
{
	const struct dnsbl_lists *lists = lists_of(o);
	const struct origin_names *n = o->names;
	int heaviest = 0;

	*ret = (struct origin_names_outcome){ .score = 0 };
	for (size_t i = 0; n != NULL && i < lists->n; i++) {
		size_t k = 0;

		while (k < n->n && n->facts[k].states[i] != DNSBL_HIT)
			k++;
		if (k == n->n)
			continue;
		ret->is_hit = true;
		ret->score += lists->rows[i].weight;
		if (lists->rows[i].weight > heaviest) {
			heaviest = lists->rows[i].weight;
			ret->name = n->names[k];
			ret->zone = lists->rows[i].zone;
		}
	}
	return ret->name != NULL;
}

void
origin_names_print(const struct origin *o, char *out, size_t size)
{
	const struct origin_names *n = o->names;
	size_t at = strlen(out);

	for (size_t k = 0; n != NULL && k < n->n && at + 2 < size; k++) {
		if (at > 0)
			out[at++] = ' ';
		out[at] = '\0';
		dnsbl_print_hits(lists_of(o), &n->facts[k], out + at,
		    size - at);
		if (out[at] == '\0' && at > 0)
			out[--at] = '\0';
		at += strlen(out + at);
	}
}
