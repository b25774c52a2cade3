/* SPDX-License-Identifier: ISC */
#include "roles/store/greylist.h"

#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/list.h"
#include "base/map.h"

struct entry {
	struct list link; /* in `seen`, the latest last */
	uint8_t key[GREYLIST_HASH];
	struct greylist_row row;
};

struct greylist {
	struct env *env;
	bool is_on;
	struct greylist_limits limits;
	struct ip_networks exempt;
	uint8_t key[crypto_generichash_KEYBYTES];
	struct map rows;
	struct list seen;
};

struct greylist *
greylist_new(struct env *env, const struct settings *s)
{
	struct greylist *g = calloc(1, sizeof(*g));
	uint8_t seed[MAP_SEED];

	if (g == NULL)
		return NULL;
	g->env = env;
	g->is_on = s->greylist;
	g->limits = (struct greylist_limits){ s->greylist_delay,
		s->greylist_window, s->greylist_lifetime, s->greylist_enough };
	(void)ip_networks_parse(slice_cstr(s->clients_exempt), &g->exempt);
	env_random(env, g->key, sizeof(g->key));
	env_random(env, seed, sizeof(seed));
	map_init(&g->rows, seed);
	list_init(&g->seen);
	return g;
}

void
greylist_free(struct greylist *g)
{
	struct list *link;

	if (g == NULL)
		return;
	while ((link = list_take_first(&g->seen)) != NULL)
		free(LIST_ENTRY(link, struct entry, link));
	map_deinit(&g->rows);
	free(g);
}

/* -- keys ------------------------------------------------------------------ */

static bool
must_be_reached(struct slice rcpt)
{
	size_t at = slice_find_last_byte(rcpt, '@');
	struct slice local = at == SIZE_MAX ? rcpt : slice_upto(rcpt, at);

	return slice_equal_nocase(local, SLICE("postmaster")) ||
	    slice_equal_nocase(local, SLICE("abuse"));
}

void
greylist_ticket_make(const struct greylist *g, struct slice client,
    struct slice rdns, struct slice sender, struct slice rcpt,
    struct greylist_ticket *ret)
{
	struct greylist_key key;
	struct ip ip;

	*ret = (struct greylist_ticket){ .is_asked = false };
	if (!ip_parse(client, &ip) || ip_networks_have(&g->exempt, &ip) ||
	    must_be_reached(rcpt))
		return;
	greylist_key_make(&ip, rdns, sender, rcpt, &key);
	(void)crypto_generichash(ret->all, sizeof(ret->all),
	    (const uint8_t *)&key, sizeof(key), g->key, sizeof(g->key));
	(void)crypto_generichash(ret->client, sizeof(ret->client),
	    (const uint8_t *)key.client, sizeof(key.client), g->key,
	    sizeof(g->key));
	ret->is_asked = true;
}

/* -- rows ------------------------------------------------------------------ */

static void
forget_oldest(struct greylist *g)
{
	struct entry *e =
	    LIST_ENTRY(list_take_first(&g->seen), struct entry, link);

	(void)map_take(&g->rows, slice_of(e->key, sizeof(e->key)));
	free(e);
}

/* Its row, a new one, or NULL: no memory. */
static struct entry *
find(struct greylist *g, const uint8_t key[GREYLIST_HASH])
{
	struct entry *e = map_get(&g->rows, slice_of(key, GREYLIST_HASH));

	if (e != NULL) {
		list_remove(&e->link);
		list_add_last(&g->seen, &e->link);
		return e;
	}
	if (g->rows.n >= LIMIT_GREYLIST)
		forget_oldest(g);
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	memcpy(e->key, key, sizeof(e->key));
	if (map_put(&g->rows, slice_of(e->key, sizeof(e->key)), e) != 0) {
		free(e);
		return NULL;
	}
	list_add_last(&g->seen, &e->link);
	return e;
}

/* A client's own row counts how many of its rows have passed. */
static bool
is_known_client(const struct greylist *g, struct entry *client, int64_t now)
{
	if (g->limits.enough == 0 || client->row.passes < g->limits.enough ||
	    greylist_is_over(&g->limits, &client->row, now))
		return false;
	client->row.last = now;
	return true;
}

bool
greylist_pass(struct greylist *g, const struct greylist_ticket *t, uint8_t by,
    int64_t *ret_wait)
{
	int64_t now = env_wall(g->env);
	struct entry *client, *e;
	int r;

	if (!t->is_asked || by == GREYLIST_OFF ||
	    (by == GREYLIST_AS_SET && !g->is_on))
		return true;
	client = map_get(&g->rows, slice_of(t->client, GREYLIST_HASH));
	if (client != NULL && is_known_client(g, client, now))
		return true;
	e = find(g, t->all);
	if (e == NULL)
		return true; /* our trouble is nobody else's */
	r = greylist_decide(&g->limits, &e->row, now, ret_wait);
	if (r == GREYLIST_WAIT)
		return false;
	client = r == GREYLIST_PASSED ? find(g, t->client) : NULL;
	if (client == NULL)
		return true;
	if (greylist_is_over(&g->limits, &client->row, now))
		client->row = (struct greylist_row){ .first = now };
	client->row.last = now;
	client->row.passes++;
	return true;
}
