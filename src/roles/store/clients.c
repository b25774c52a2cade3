/* SPDX-License-Identifier: ISC */
/*
 * roles/store/clients - what networks do, counted across all fronts
 *
 * Every front asks before it greets a client and tells what the session did; so
 * a network has one measure, however many processes serve it. In memory alone:
 * a restart forgets, which harms nobody. A front that dies takes its
 * connections with it. Bounded: LIMIT_RATE_ROWS networks, and one small row for
 * each connection of a living front.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "policy/rate.h"
#include "roles/store/store_role.h"

struct client {
	uint64_t number; /* the front's, of the connection */
	uint64_t who;
	bool was_told; /* that it is over */
};

int
clients_make(struct store_role *s)
{
	uint8_t seed[MAP_SEED];

	s->rate = malloc(sizeof(*s->rate));
	if (s->rate == NULL)
		return -1;
	env_random(s->env, seed, sizeof(seed));
	rate_init(s->rate, seed);
	return 0;
}

/* 25 and the rest have measures of their own. */
static struct rate_limits
limits_of(const struct store_role *s, enum wire_role front)
{
	const struct settings *set = s->settings;
	struct rate_limits l = { .open = front == WIRE_MX
		    ? set->clients_open
		    : set->clients_open_users };

	l.minute[RATE_CONNECTIONS] = front == WIRE_MX
	    ? set->clients_connections
	    : set->clients_connections_users;
	l.minute[RATE_MAILS] = set->clients_mails;
	l.minute[RATE_RCPTS] = set->clients_rcpts;
	l.minute[RATE_UNKNOWN] = set->clients_unknown;
	l.minute[RATE_ERRORS] = set->clients_errors;
	return l;
}

static void
say_over(struct channel *c, uint64_t session, uint32_t ticket, unsigned over)
{
	struct wire_client_answer a = {
		.verdict = { .code = 421, .class = 4, .subject = 7 }
	};
	char text[96];
	int n = snprintf(text, sizeof(text),
	    "too many %s from your network, try again in a minute",
	    rate_name(over));

	a.verdict.text = slice_of(text, (size_t)n);
	(void)wire_send_client_answer(c, session, ticket, &a);
}

static void
log_over(struct store_role *s, struct slice client, unsigned over)
{
	env_log(s->env, ENV_INFO, "network-limit", "client=%.*s limit=\"%s\"",
	    SLICE_FMT(client), rate_name(over));
}

static void
client_leave(struct peer *p, struct client *client)
{
	rate_leave(p->role->rate, client->who);
	(void)map_take_number(&p->clients, client->number);
	free(client);
}

int
on_client_ask(struct channel *c, const struct wire_head *h,
    const struct wire_client_ask *m)
{
	struct peer *p = peer_of(c);
	struct store_role *s = p->role;
	struct rate_limits limits = limits_of(s, c->peer);
	struct wire_client_answer yes = { .verdict = { .code = 250 } };
	struct client *client;
	unsigned over = 0;
	struct ip ip;

	/* A front says what it was told; nobody can be counted by less. */
	if (!ip_parse(m->client, &ip))
		return -1;
	/* It has become somebody else before our answer was there. */
	client = map_get_number(&p->clients, h->session);
	if (client != NULL)
		client_leave(p, client);
	ip = ip_unmapped(ip);
	client = calloc(1, sizeof(*client));
	if (client == NULL ||
	    map_put_number(&p->clients, h->session, client) != 0) {
		free(client);
		(void)wire_send_client_answer(c, h->session, h->ticket, &yes);
		return 0;
	}
	client->number = h->session;
	client->who = rate_who(s->rate, &ip, c->peer == WIRE_MX);
	if (rate_enter(s->rate, client->who, &limits, env_now(s->env), &over)) {
		(void)wire_send_client_answer(c, h->session, h->ticket, &yes);
		return 0;
	}
	(void)map_take_number(&p->clients, h->session);
	free(client);
	log_over(s, m->client, over);
	say_over(c, h->session, h->ticket, over);
	return 0;
}

int
on_client_note(struct channel *c, const struct wire_head *h,
    const struct wire_client_note *m)
{
	struct peer *p = peer_of(c);
	struct store_role *s = p->role;
	struct client *client = map_get_number(&p->clients, h->session);
	struct rate_limits limits = limits_of(s, c->peer);
	const uint32_t counts[RATE_N] = { [RATE_MAILS] = m->mails,
		[RATE_RCPTS] = m->rcpts,
		[RATE_UNKNOWN] = m->unknown,
		[RATE_ERRORS] = m->errors };
	int64_t now = env_now(s->env), wait;
	unsigned over = RATE_N;

	if (client == NULL)
		return 0; /* it was one too many */
	for (unsigned i = 0; i < RATE_N; i++)
		if (counts[i] > 0 &&
		    !rate_add(s->rate, client->who, i, counts[i], &limits, now,
			&wait))
			over = i;
	if (m->gone) {
		client_leave(p, client);
	} else if (over < RATE_N && !client->was_told) {
		client->was_told = true;
		say_over(c, h->session, 0, over);
	}
	return 0;
}

void
clients_peer_lost(struct peer *p)
{
	struct client *client;
	size_t at = 0;

	while ((client = map_next(&p->clients, &at)) != NULL)
		client_leave(p, client);
	map_deinit(&p->clients);
}
