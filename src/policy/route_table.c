/* SPDX-License-Identifier: ISC */
#include "policy/route_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "policy/dns.h"
#include "policy/route.h"
#include "smtp/reply.h"

#define KEY_PREFIX "route:"

const char *const route_whys[ROUTE_WHYS] = {
	[ROUTE_WHY_MX] = "no route matches: its mail hosts",
	[ROUTE_WHY_TARGET] = "the target of the relay domain",
	[ROUTE_WHY_DOMAIN] = "by the recipient's domain",
	[ROUTE_WHY_PARENT] = "by a domain above the recipient's",
	[ROUTE_WHY_SENDER] = "by the sender",
	[ROUTE_WHY_SENDER_DOMAIN] = "by the sender's domain",
	[ROUTE_WHY_ALL] = "by the route for everything",
};

/* A rule with its key, or a relay domain's target. */
struct held {
	struct route_rule rule;
	struct slice key;
};
struct pattern {
	struct slice text;
	const struct held *held;
};
struct target {
	struct slice domain, target;
};

/* -- making it ------------------------------------------------------------- */

void
route_table_init(struct route_table *t, const uint8_t seed[MAP_SEED])
{
	arena_init(&t->arena, LIMIT_ROUTE_TABLE);
	map_init(&t->rules, seed);
	map_init(&t->patterns, seed);
	map_init(&t->targets, seed);
	t->n_to = t->n_from = 0;
}

void
route_table_deinit(struct route_table *t)
{
	map_deinit(&t->rules);
	map_deinit(&t->patterns);
	map_deinit(&t->targets);
	arena_reset(&t->arena);
}

bool
route_table_is_empty(const struct route_table *t)
{
	return t->patterns.n == 0 && t->targets.n == 0;
}

static bool
make_key(struct arena *arena, struct slice name, struct slice *ret)
{
	char text[sizeof(KEY_PREFIX) + ROUTE_NAME_MAX];

	(void)snprintf(text, sizeof(text), KEY_PREFIX "%.*s", SLICE_FMT(name));
	return arena_copy(arena, slice_cstr(text), ret);
}

int
route_table_add(struct route_table *t, const struct route_rule *rule)
{
	struct arena *arena = &t->arena;
	struct held *h;

	if (map_get(&t->rules, rule->name) != NULL)
		return 0;
	h = arena_alloc(arena, sizeof(*h));
	if (h == NULL)
		return ERR_ORIGIN(-ENOMEM);
	h->rule = *rule;
	if (!arena_copy(arena, rule->name, &h->rule.name) ||
	    !arena_copy(arena, rule->hosts, &h->rule.hosts) ||
	    !arena_copy(arena, rule->user, &h->rule.user) ||
	    !arena_copy(arena, rule->secret, &h->rule.secret) ||
	    !arena_copy(arena, rule->helo, &h->rule.helo) ||
	    !arena_copy(arena, rule->source4, &h->rule.source4) ||
	    !arena_copy(arena, rule->source6, &h->rule.source6) ||
	    !arena_copy(arena, rule->reply, &h->rule.reply) ||
	    !make_key(arena, rule->name, &h->key))
		return ERR_ORIGIN(-ENOMEM);
	return ERR_TRACE(map_put(&t->rules, h->rule.name, h));
}

int
route_table_match(struct route_table *t, struct slice pattern,
    struct slice name)
{
	const struct held *held = map_get(&t->rules, name);
	struct pattern *p;

	if (held == NULL || map_get(&t->patterns, pattern) != NULL)
		return 0;
	p = arena_alloc(&t->arena, sizeof(*p));
	if (p == NULL || !arena_copy(&t->arena, pattern, &p->text))
		return ERR_ORIGIN(-ENOMEM);
	p->held = held;
	t->n_from += slice_starts(pattern, SLICE("from:"));
	t->n_to += slice_starts(pattern, SLICE("to:")) &&
	    !slice_equal(pattern, SLICE("to:*"));
	return ERR_TRACE(map_put(&t->patterns, p->text, p));
}

int
route_table_target(struct route_table *t, struct slice domain,
    struct slice target)
{
	struct target *row;

	if (map_get(&t->targets, domain) != NULL)
		return 0;
	row = arena_alloc(&t->arena, sizeof(*row));
	if (row == NULL || !arena_copy(&t->arena, domain, &row->domain) ||
	    !arena_copy(&t->arena, target, &row->target))
		return ERR_ORIGIN(-ENOMEM);
	return ERR_TRACE(map_put(&t->targets, row->domain, row));
}

/* -- finding --------------------------------------------------------------- */

static void
take_rule(struct route_choice *c, const struct held *h)
{
	c->rule = &h->rule;
	if (h->rule.kind != HOP_MX)
		c->key = h->key;
}

static bool
try_pattern(const struct route_table *t, const char *kind, const char *mark,
    struct slice what, enum route_why why, struct route_choice *ret)
{
	char text[ROUTE_PATTERN_MAX + 16];
	const struct pattern *p;
	int n = snprintf(text, sizeof(text), "%s:%s%.*s", kind, mark,
	    SLICE_FMT(what));

	if (n < 0 || (size_t)n >= sizeof(text))
		return false;
	p = map_get(&t->patterns, slice_cstr(text));
	if (p == NULL)
		return false;
	take_rule(ret, p->held);
	ret->pattern = slice_from(p->text, strlen(kind) + 1);
	ret->why = (uint8_t)why;
	return true;
}

/* The domain itself, then those above it, the nearest first. */
static bool
try_domain(const struct route_table *t, const char *kind, struct slice domain,
    enum route_why own, enum route_why above, struct route_choice *ret)
{
	struct slice label;

	if (try_pattern(t, kind, "", domain, own, ret))
		return true;
	while (slice_take_until(&domain, '.', &label))
		if (try_pattern(t, kind, ".", domain, above, ret))
			return true;
	return false;
}

static bool
try_sender(const struct route_table *t, struct slice sender,
    struct route_choice *ret)
{
	struct slice local, domain;
	struct buf canonical;
	bool found = false;

	if (sender.len == 0)
		return try_pattern(t, "from", "", SLICE("<>"), ROUTE_WHY_SENDER,
		    ret);
	buf_init(&canonical, LIMIT_ADDRESS + 64);
	if (canon_address(sender, CANON_FOLDED, &canonical) == CANON_OK &&
	    canon_split(buf_slice(&canonical), &local, &domain))
		found = try_pattern(t, "from", "", buf_slice(&canonical),
			    ROUTE_WHY_SENDER, ret) ||
		    try_domain(t, "from", domain, ROUTE_WHY_SENDER_DOMAIN,
			ROUTE_WHY_SENDER_DOMAIN, ret);
	buf_deinit(&canonical);
	return found;
}

static void
take_target(const struct route_table *t, const struct target *target,
    struct route_choice *ret)
{
	struct slice name = target->target;
	const struct held *h = NULL;

	ret->why = ROUTE_WHY_TARGET;
	ret->pattern = target->domain;
	if (slice_skip(&name, SLICE(KEY_PREFIX))) {
		h = map_get(&t->rules, name);
		if (h != NULL)
			take_rule(ret, h);
		return; /* one that is gone: the domain's own mail hosts */
	}
	ret->domain = ret->key = target->target;
	(void)try_domain(t, "to", target->target, ROUTE_WHY_TARGET,
	    ROUTE_WHY_TARGET, ret);
}

void
route_table_find(const struct route_table *t, struct slice sender,
    struct slice domain, struct route_choice *ret)
{
	const struct target *target;

	*ret = (struct route_choice){
		.domain = domain, .key = domain, .why = ROUTE_WHY_MX
	};
	if (route_table_is_empty(t))
		return;
	target = map_get(&t->targets, domain);
	if (target != NULL)
		take_target(t, target, ret);
	else if (!(t->n_to > 0 &&
		     try_domain(t, "to", domain, ROUTE_WHY_DOMAIN,
			 ROUTE_WHY_PARENT, ret)) &&
	    !(t->n_from > 0 && try_sender(t, sender, ret)))
		(void)try_pattern(t, "to", "", SLICE("*"), ROUTE_WHY_ALL, ret);
}

struct verdict
route_reply(uint16_t code, struct slice text)
{
	struct verdict v = { code / 100 == 5 ? code : 550, { 5, 7, 1 }, text };
	struct esc esc;

	if (smtp_esc_take(&v.text, &esc) && esc.class == 5)
		v.esc = esc;
	if (v.text.len == 0)
		v.text = SLICE("Mail is not carried there");
	return v;
}

/* -- what an operator writes ----------------------------------------------- */

static bool
is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '-' ||
	    c == '_' || c == '.';
}

bool
route_name_is_valid(struct slice name)
{
	struct slice run;

	return name.len <= ROUTE_NAME_MAX &&
	    slice_take_while(&name, is_name_byte, &run) && name.len == 0;
}

/* A domain, a literal, or "." and a domain. */
static bool
read_domain(struct slice text, struct buf *out)
{
	struct route_address literal;
	size_t from = out->len + (text.len > 0 && text.at[0] == '.');
	bool is_parent = slice_skip_byte(&text, '.');

	if (is_parent && buf_add_byte(out, '.') != BUF_OK)
		return false;
	if (!is_parent && route_literal_parse(text, &literal))
		return buf_add(out, text) == BUF_OK;
	return canon_domain(text, out) == CANON_OK &&
	    dns_name_is_valid(slice_from(buf_slice(out), from));
}

static bool
read_from(struct slice text, struct buf *out)
{
	if (slice_equal(text, SLICE("<>")))
		return buf_add(out, text) == BUF_OK;
	if (slice_find_byte(text, '@') != SIZE_MAX)
		return canon_address(text, CANON_FOLDED, out) == CANON_OK;
	return read_domain(text, out);
}

bool
route_pattern_read(struct slice text, bool is_from,
    char ret[ROUTE_PATTERN_MAX + 8], const char **ret_why)
{
	struct buf out;
	bool is_good;

	buf_init(&out, ROUTE_PATTERN_MAX + 7);
	is_good = buf_add_cstr(&out, is_from ? "from:" : "to:") == BUF_OK;
	if (!is_from && slice_equal(text, SLICE("*")))
		is_good = is_good && buf_add_byte(&out, '*') == BUF_OK;
	else
		is_good = is_good &&
		    (is_from ? read_from(text, &out) : read_domain(text, &out));
	is_good = is_good &&
	    slice_to_cstr(buf_slice(&out), ret, ROUTE_PATTERN_MAX + 8);
	buf_deinit(&out);
	*ret_why = is_from
	    ? "from= takes addresses, domains, .domains with all below, or <>"
	    : "to= takes domains, .domains with all below, or *";
	return is_good;
}
