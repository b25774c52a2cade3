/* SPDX-License-Identifier: ISC */
#include "roles/store/greylist.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/time.h"
#include "policy/dns.h"

enum {
	EXPIRE_MAX = 1000 /* a call */
};
/* A row is written anew for its last use when that is so much later. */
#define WRITE_EVERY TIME_HOUR

struct allowed {
	struct ip_network network; /* family 0: a domain */
	char domain[GREYLIST_TEXT];
};

struct greylist {
	struct env *env;
	bool is_on, was_full;
	struct greylist_limits limits;
	struct ip_networks exempt;
	struct map rows;
	struct list waiting, passed, unwritten;
	size_t n_bytes;
	struct allowed *allowed;
	size_t n_allowed, allowed_size;
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
	g->was_full = true; /* as far as we know */
	g->limits = (struct greylist_limits){ s->greylist_delay,
		s->greylist_window, s->greylist_lifetime, s->greylist_enough };
	(void)ip_networks_parse(slice_cstr(s->clients_exempt), &g->exempt);
	env_random(env, seed, sizeof(seed));
	map_init(&g->rows, seed);
	list_init(&g->waiting);
	list_init(&g->passed);
	list_init(&g->unwritten);
	return g;
}

static size_t
cost_of(const struct greylist_entry *e)
{
	return sizeof(*e) + e->len;
}

static void
entry_free(struct greylist *g, struct greylist_entry *e)
{
	g->n_bytes -= cost_of(e);
	list_remove(&e->link);
	list_remove(&e->unwritten);
	free(e);
}

static void
free_all(struct greylist *g, struct list *of)
{
	while (!list_is_empty(of))
		entry_free(g,
		    LIST_ENTRY(of->next, struct greylist_entry, link));
}

void
greylist_free(struct greylist *g)
{
	if (g == NULL)
		return;
	free_all(g, &g->waiting);
	free_all(g, &g->passed);
	while (!list_is_empty(&g->unwritten))
		entry_free(g,
		    LIST_ENTRY(g->unwritten.next, struct greylist_entry,
			unwritten));
	map_deinit(&g->rows);
	free(g->allowed);
	free(g);
}

const struct greylist_limits *
greylist_limits(const struct greylist *g)
{
	return &g->limits;
}

size_t
greylist_count(const struct greylist *g)
{
	return g->rows.n;
}

/* -- who never waits ------------------------------------------------------- */

bool
greylist_client_parse(struct slice typed, char ret[GREYLIST_TEXT])
{
	struct ip_network network;

	if (ip_network_parse(typed, &network)) {
		ip_network_print(&network, ret);
		return true;
	}
	if (typed.len == 0 || !dns_name_is_valid(typed) ||
	    !slice_to_cstr(typed, ret, GREYLIST_TEXT))
		return false;
	for (char *c = ret; *c != '\0'; c++)
		*c = (char)ascii_lower((uint8_t)*c);
	return true;
}

bool
greylist_allow(struct greylist *g, struct slice client)
{
	struct allowed a = { .network = { .bits = 0 } };

	if (!greylist_client_parse(client, a.domain))
		return true;
	(void)ip_network_parse(client, &a.network);
	if (g->n_allowed == LIMIT_GREYLIST_ALLOWED)
		return false;
	if (g->n_allowed == g->allowed_size) {
		size_t size = g->allowed_size == 0 ? 8 : g->allowed_size * 2;
		struct allowed *more =
		    reallocarray(g->allowed, size, sizeof(*more));

		if (more == NULL)
			return false;
		g->allowed = more;
		g->allowed_size = size;
	}
	g->allowed[g->n_allowed++] = a;
	return true;
}

void
greylist_allow_nobody(struct greylist *g)
{
	g->n_allowed = 0;
}

static bool
is_below(struct slice name, struct slice domain)
{
	if (name.len < domain.len ||
	    !slice_equal_nocase(slice_from(name, name.len - domain.len),
		domain))
		return false;
	return name.len == domain.len ||
	    name.at[name.len - domain.len - 1] == '.';
}

static bool
is_allowed(const struct greylist *g, const struct ip *ip, struct slice rdns)
{
	for (size_t i = 0; i < g->n_allowed; i++) {
		const struct allowed *a = &g->allowed[i];

		if (a->network.ip.family != 0
			? ip_network_has(&a->network, ip)
			: is_below(rdns, slice_cstr(a->domain)))
			return true;
	}
	return false;
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
	struct ip ip;

	ret->is_asked = false;
	if (!ip_parse(client, &ip))
		return;
	ip = ip_unmapped(ip);
	if (ip_networks_have(&g->exempt, &ip) || is_allowed(g, &ip, rdns) ||
	    must_be_reached(rcpt))
		return;
	greylist_key_make(&ip, rdns, sender, rcpt, &ret->key);
	ret->is_asked = true;
}

struct key_text {
	size_t len, ends[2];
	char text[sizeof(struct greylist_key)];
};

static void
key_join(const char *client, const char *sender, const char *rcpt,
    struct key_text *ret)
{
	size_t c = strlen(client), s = strlen(sender), r = strlen(rcpt);

	ret->ends[0] = c;
	ret->ends[1] = c + 1 + s;
	ret->len = c + s + r + 3;
	memcpy(ret->text, client, c + 1);
	memcpy(ret->text + c + 1, sender, s + 1);
	memcpy(ret->text + c + s + 2, rcpt, r + 1);
}

static struct slice
key_of(const struct greylist_entry *e)
{
	return slice_of(e->text, e->len);
}

/* -- rows ------------------------------------------------------------------ */

static struct greylist_entry *
find(struct greylist *g, const struct key_text *key)
{
	return map_get(&g->rows, slice_of(key->text, key->len));
}

static void
forget_one(struct greylist *g)
{
	struct list *from =
	    list_is_empty(&g->waiting) ? &g->passed : &g->waiting;
	struct greylist_entry *e =
	    LIST_ENTRY(from->next, struct greylist_entry, link);

	g->was_full = true;
	(void)map_take(&g->rows, key_of(e));
	entry_free(g, e);
}

/* NULL: no memory. */
static struct greylist_entry *
entry_new(struct greylist *g, const struct key_text *key)
{
	struct greylist_entry *e = malloc(sizeof(*e) + key->len);

	if (e == NULL)
		return NULL;
	*e = (struct greylist_entry){ .len = (uint16_t)key->len,
		.ends = { (uint16_t)key->ends[0], (uint16_t)key->ends[1] } };
	memcpy(e->text, key->text, key->len);
	list_init(&e->link);
	list_init(&e->unwritten);
	if (map_put(&g->rows, key_of(e), e) != 0) {
		free(e);
		return NULL;
	}
	g->n_bytes += cost_of(e);
	return e;
}

static bool
is_full(const struct greylist *g, size_t more)
{
	return g->rows.n >= LIMIT_GREYLIST ||
	    g->n_bytes + more > LIMIT_GREYLIST_BYTES;
}

static struct greylist_entry *
find_or_make(struct greylist *g, const struct key_text *key)
{
	struct greylist_entry *e = find(g, key);

	if (e != NULL)
		return e;
	while (g->rows.n > 0 && is_full(g, sizeof(*e) + key->len))
		forget_one(g);
	return entry_new(g, key);
}

/* Its row has changed: where it stands, and whether that is to be written. */
static void
note(struct greylist *g, struct greylist_entry *e, uint32_t passes_before)
{
	int64_t late = g->limits.lifetime / 16 < WRITE_EVERY
	    ? g->limits.lifetime / 16
	    : WRITE_EVERY;
	bool must = e->written == 0 || e->row.last - e->written > late ||
	    e->row.passes < passes_before ||
	    (e->row.passes != passes_before &&
		(passes_before == 0 ||
		    (greylist_is_client(e) &&
			passes_before <= g->limits.enough)));

	list_remove(&e->link);
	list_add_last(e->row.passes > 0 ? &g->passed : &g->waiting, &e->link);
	if (!must || !list_is_empty(&e->unwritten))
		return;
	list_add_last(&g->unwritten, &e->unwritten);
}

/* A client's own row counts how many of its rows have passed. */
static bool
is_known_client(struct greylist *g, const struct key_text *key, int64_t now)
{
	struct greylist_entry *e = find(g, key);

	if (e == NULL || g->limits.enough == 0 ||
	    e->row.passes < g->limits.enough ||
	    greylist_is_over(&g->limits, &e->row, now))
		return false;
	e->row.last = now;
	note(g, e, e->row.passes);
	return true;
}

static void
count_client(struct greylist *g, const struct key_text *key, int64_t now)
{
	struct greylist_entry *e = find_or_make(g, key);
	uint32_t before;

	if (e == NULL)
		return;
	before = e->row.passes;
	if (greylist_is_over(&g->limits, &e->row, now))
		e->row = (struct greylist_row){ .first = now };
	e->row.last = now;
	e->row.passes++;
	note(g, e, before);
}

bool
greylist_pass(struct greylist *g, const struct greylist_ticket *t, uint8_t by,
    int64_t *ret_wait)
{
	int64_t now = env_wall(g->env);
	struct key_text own, all;
	struct greylist_entry *e;
	uint32_t before;
	int r;

	if (!t->is_asked || by == GREYLIST_OFF ||
	    (by == GREYLIST_AS_SET && !g->is_on))
		return true;
	key_join(t->key.client, "", "", &own);
	if (is_known_client(g, &own, now))
		return true;
	key_join(t->key.client, t->key.sender, t->key.rcpt, &all);
	e = find_or_make(g, &all);
	if (e == NULL)
		return true; /* our trouble is nobody else's */
	before = e->row.passes;
	r = greylist_decide(&g->limits, &e->row, now, ret_wait);
	note(g, e, before);
	if (r == GREYLIST_PASSED)
		count_client(g, &own, now);
	return r != GREYLIST_WAIT;
}

/* -- looking and forgetting ------------------------------------------------ */

int64_t
greylist_expires(const struct greylist *g, const struct greylist_row *r)
{
	return r->passes > 0 ? r->last + g->limits.lifetime
			     : r->first + g->limits.window;
}

void
greylist_walk(struct greylist *g,
    bool (*visit)(struct greylist_entry *e, void *ctx), void *ctx)
{
	struct list *const heads[] = { &g->passed, &g->waiting };

	for (size_t i = 0; i < 2; i++) {
		struct list *it = heads[i]->prev;

		while (it != heads[i]) {
			struct list *next = it->prev;

			if (!visit(LIST_ENTRY(it, struct greylist_entry, link),
				ctx))
				return;
			it = next;
		}
	}
}

/* Out of memory as soon as the database knows. */
static void
let_go(struct greylist *g, struct greylist_entry *e)
{
	(void)map_take(&g->rows, key_of(e));
	if (e->written == 0) {
		entry_free(g, e);
		return;
	}
	list_remove(&e->link);
	e->is_gone = true;
	list_remove(&e->unwritten);
	list_add_last(&g->unwritten, &e->unwritten);
}

struct removal {
	struct greylist *g;
	struct slice client, sender, rcpt;
	size_t n;
};

static bool
fits(struct slice wanted, const char *text)
{
	return wanted.len == 0 || slice_equal_nocase(wanted, slice_cstr(text));
}

static bool
remove_one(struct greylist_entry *e, void *ctx)
{
	struct removal *r = ctx;

	if (fits(r->client, greylist_client(e)) &&
	    fits(r->sender, greylist_sender(e)) &&
	    fits(r->rcpt, greylist_rcpt(e))) {
		let_go(r->g, e);
		r->n++;
	}
	return true;
}

size_t
greylist_remove(struct greylist *g, struct slice client, struct slice sender,
    struct slice rcpt)
{
	struct removal r = { g, client, sender, rcpt, 0 };

	greylist_walk(g, remove_one, &r);
	return r.n;
}

/* Those seen longest ago stand first; what has to wait for others there is
 * found at another time. The database forgets by itself (greylist_rows.c). */
void
greylist_expire(struct greylist *g)
{
	struct list *const heads[] = { &g->passed, &g->waiting };
	int64_t now = env_wall(g->env);
	size_t n = 0;

	for (size_t i = 0; i < 2; i++)
		while (!list_is_empty(heads[i]) && n++ < EXPIRE_MAX) {
			struct greylist_entry *e = LIST_ENTRY(heads[i]->next,
			    struct greylist_entry, link);

			if (!greylist_is_over(&g->limits, &e->row, now))
				break;
			(void)map_take(&g->rows, key_of(e));
			entry_free(g, e);
		}
}

/* -- the copy in the database ---------------------------------------------- */

bool
greylist_load(struct greylist *g, const struct greylist_key *k,
    const struct greylist_row *row)
{
	struct greylist_entry *e;
	struct key_text key;

	key_join(k->client, k->sender, k->rcpt, &key);
	if (is_full(g, sizeof(*e) + key.len))
		return false;
	if (find(g, &key) != NULL)
		return true;
	e = entry_new(g, &key);
	if (e == NULL)
		return false;
	e->row = *row;
	e->written = row->last;
	list_add_first(row->passes > 0 ? &g->passed : &g->waiting, &e->link);
	return true;
}

bool
greylist_has_unwritten(const struct greylist *g)
{
	return !list_is_empty(&g->unwritten);
}

bool
greylist_was_full(struct greylist *g)
{
	bool was = g->was_full;

	g->was_full = false;
	return was;
}

size_t
greylist_take_unwritten(struct greylist *g, struct greylist_copy *at, size_t n)
{
	size_t i = 0;

	for (; i < n && !list_is_empty(&g->unwritten); i++) {
		struct greylist_entry *e = LIST_ENTRY(g->unwritten.next,
		    struct greylist_entry, unwritten);

		at[i] = (struct greylist_copy){ .row = e->row,
			.expires = greylist_expires(g, &e->row),
			.is_gone = e->is_gone };
		memcpy(at[i].key.client, greylist_client(e), e->ends[0] + 1u);
		memcpy(at[i].key.sender, greylist_sender(e),
		    (size_t)e->ends[1] - e->ends[0]);
		memcpy(at[i].key.rcpt, greylist_rcpt(e),
		    e->len - e->ends[1] - 1u);
		e->written = e->row.last;
		if (e->is_gone)
			entry_free(g, e);
		else
			list_remove(&e->unwritten);
	}
	return i;
}
