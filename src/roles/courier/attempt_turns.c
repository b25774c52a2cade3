/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/attempt_turns - which of a route's hosts has this mail
 *
 * policy/turns decides; what it remembers of a route stands in the courier, for
 * the routes that were used last. A mail has its turn before a connection is
 * looked for, so that shares are those of mails and not of connections.
 */
#include "policy/route.h"
#include "roles/courier/attempt.h"

static struct courier_turns *
find_turns(struct courier *c, uint64_t key)
{
	for (size_t i = 0; i < COURIER_TURNS; i++)
		if (c->turns[i].key == key)
			return &c->turns[i];
	return NULL;
}

/* In the place of the one used longest ago. */
static struct courier_turns *
new_turns(struct courier *c, uint64_t key)
{
	struct courier_turns *oldest = &c->turns[0];

	for (size_t i = 1; i < COURIER_TURNS; i++)
		if (c->turns[i].used < oldest->used)
			oldest = &c->turns[i];
	*oldest = (struct courier_turns){ .key = key };
	return oldest;
}

void
attempt_turn_draw(struct attempt *a)
{
	struct attempt_hop *h = &a->hop;
	struct courier *c = a->courier;
	int64_t now = env_now(c->env);
	struct courier_turns *t;

	if (h->n_hosts < 2)
		return;
	a->turns_key = route_hops_key(h->name, h->hosts, h->n_hosts);
	t = find_turns(c, a->turns_key);
	if (t == NULL)
		t = new_turns(c, a->turns_key);
	t->used = now;
	a->turn =
	    (uint8_t)(turns_next(&t->turns, h->hosts, h->n_hosts, now) + 1);
}

void
attempt_turn_ask(struct attempt *a, uint8_t turn)
{
	struct courier_turns *t = find_turns(a->courier, a->turns_key);

	a->asked_turn = turn;
	if (t != NULL && turn != 0)
		turns_ask(&t->turns, turn - 1u, env_now(a->courier->env));
}

void
attempt_turn_answer(struct attempt *a)
{
	struct courier_turns *t = find_turns(a->courier, a->turns_key);

	if (t != NULL && a->asked_turn != 0)
		turns_answer(&t->turns, a->asked_turn - 1u);
	a->asked_turn = 0;
}

void
attempt_turn_fail(struct attempt *a)
{
	struct courier_turns *t = find_turns(a->courier, a->turns_key);

	if (t != NULL && a->asked_turn != 0)
		turns_fail(&t->turns, a->asked_turn - 1u,
		    env_now(a->courier->env));
	a->asked_turn = 0;
}
