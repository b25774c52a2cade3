/* SPDX-License-Identifier: ISC */
#include "store/domain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "policy/greylist.h"
#include "store/route.h"
#include "store/sending.h"

enum {
	SEPARATORS_MAX = 4
};

static const struct slice kinds[] = {
	[DOMAIN_LOCAL] = SLICE("local"),
	[DOMAIN_RELAY] = SLICE("relay"),
	[DOMAIN_ALIAS] = SLICE("alias"),
};

const char *
domain_kind_text(uint8_t kind)
{
	return kind < sizeof(kinds) / sizeof(kinds[0])
	    ? (const char *)kinds[kind].at
	    : "?";
}

int
domain_read(struct db *db, struct slice typed, struct arena *arena,
    struct domain_options *ret)
{
	char text[LIMIT_ADDRESS + 1];
	struct domain_options d;
	struct q_domain_get row;
	size_t len = 0;
	int r = account_read_domain(typed, text, &len);

	if (r == 0)
		r = DB_ONE(domain_get, db, &row,
		    .canonical = slice_of(text, len));
	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_NO_DOMAIN
		    : r < 0         ? ERR_TRACE(r)
				    : r;
	d = (struct domain_options){ .domain = row.domain,
		.tenant = row.tenant,
		.kind = row.kind,
		.keeps_case = row.keeps_case,
		.quota = row.quota_bytes,
		.greylist = row.greylist,
		.srs_is_off = row.srs_is_off,
		.created = row.created };
	if (!arena_copy(arena, row.name, &d.name) ||
	    !arena_copy(arena, row.canonical, &d.canonical) ||
	    !arena_copy(arena, row.target, &d.target) ||
	    !arena_copy(arena, row.separators, &d.separators) ||
	    !arena_copy(arena, row.catch_all, &d.catch_all) ||
	    !arena_copy(arena, row.catch_all_canonical, &d.catch_all_canonical))
		return ERR_ORIGIN(-ENOMEM);
	*ret = d;
	return 0;
}

/* -- changing
 * ------------------------------------------------------------------ */

struct change {
	struct db *db;
	struct domain_options d;
	struct sending_limits limits;
	char target[LIMIT_ADDRESS + 1];
	struct address catch_all;
	bool changes_case, changes_limits;
};

static bool
is_none(struct slice value)
{
	return value.len == 0 || slice_equal(value, SLICE("none"));
}

static int
set_kind(struct change *c, struct slice value)
{
	for (uint8_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (slice_equal(value, kinds[i])) {
			c->d.kind = i;
			return 0;
		}
	return ACCOUNT_E_VALUE;
}

static int
set_target(struct change *c, struct slice value)
{
	struct slice name = value;
	struct q_route_get route;
	size_t len = 0;
	int r;

	if (is_none(value)) {
		c->d.target = SLICE("");
		return 0;
	}
	if (slice_skip(&name, SLICE("route:"))) {
		r = route_name_is_valid(name)
		    ? DB_ONE(route_get, c->db, &route, .name = name)
		    : DB_NONE;
		c->d.target = value;
		return r == DB_NONE ? ACCOUNT_E_VALUE : ERR_TRACE(r);
	}
	r = account_read_domain(value, c->target, &len);
	if (r == 0)
		c->d.target = slice_of(c->target, len);
	return r == ACCOUNT_E_ADDRESS ? ACCOUNT_E_VALUE : r;
}

static bool
may_separate(uint8_t byte)
{
	return slice_find_byte(SLICE("!#$%&*+-/=^_.~"), byte) != SIZE_MAX;
}

static int
set_separators(struct change *c, struct slice value)
{
	if (is_none(value))
		value = SLICE("");
	if (value.len > SEPARATORS_MAX)
		return ACCOUNT_E_VALUE;
	for (size_t i = 0; i < value.len; i++)
		if (!may_separate(value.at[i]))
			return ACCOUNT_E_VALUE;
	c->d.separators = value;
	return 0;
}

static int
set_catch_all(struct change *c, struct slice value)
{
	int r;

	if (is_none(value)) {
		c->d.catch_all = c->d.catch_all_canonical = SLICE("");
		return 0;
	}
	r = address_read(c->db, value, &c->catch_all);
	if (r != 0)
		return r == ACCOUNT_E_ADDRESS ? ACCOUNT_E_VALUE : ERR_TRACE(r);
	c->d.catch_all = value;
	c->d.catch_all_canonical = c->catch_all.canonical;
	return 0;
}

static int
set_case(struct change *c, struct slice value)
{
	bool keeps = slice_equal(value, SLICE("keep"));

	if (!keeps && !slice_equal(value, SLICE("fold")))
		return ACCOUNT_E_VALUE;
	c->changes_case = keeps != c->d.keeps_case;
	c->d.keeps_case = keeps;
	return 0;
}

static int
set_quota(struct change *c, struct slice value)
{
	if (is_none(value))
		value = SLICE("0");
	return slice_to_u64(value, INT64_MAX, &c->d.quota) ? 0
							   : ACCOUNT_E_VALUE;
}

static const struct slice switches[] = {
	[GREYLIST_AS_SET] = SLICE("default"),
	[GREYLIST_ON] = SLICE("on"),
	[GREYLIST_OFF] = SLICE("off"),
};

const char *
domain_greylist_text(uint8_t greylist)
{
	return greylist < sizeof(switches) / sizeof(switches[0])
	    ? (const char *)switches[greylist].at
	    : "?";
}

static int
set_greylist(struct change *c, struct slice value)
{
	for (uint8_t i = 0; i < sizeof(switches) / sizeof(switches[0]); i++)
		if (slice_equal(value, switches[i])) {
			c->d.greylist = i;
			return 0;
		}
	return ACCOUNT_E_VALUE;
}

static int
set_srs(struct change *c, struct slice value)
{
	c->d.srs_is_off = slice_equal(value, SLICE("off"));
	return c->d.srs_is_off || slice_equal(value, SLICE("on"))
	    ? 0
	    : ACCOUNT_E_VALUE;
}

static const struct {
	struct slice key;
	int (*set)(struct change *c, struct slice value);
} keys[] = {
	{ SLICE("kind"), set_kind },
	{ SLICE("target"), set_target },
	{ SLICE("subaddress"), set_separators },
	{ SLICE("catch_all"), set_catch_all },
	{ SLICE("case"), set_case },
	{ SLICE("quota"), set_quota },
	{ SLICE("greylist"), set_greylist },
	{ SLICE("srs"), set_srs },
};

static int
set_one(struct change *c, const struct option *o)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (slice_equal(o->key, keys[i].key))
			return keys[i].set(c, o->value);
	c->changes_limits = true;
	return sending_limit_parse(o->key, o->value, &c->limits)
	    ? 0
	    : ACCOUNT_E_VALUE;
}

/* An alias domain stands for a local or relay domain that is served here, and
 * goes by its case rule. */
static int
check_target(struct change *c)
{
	struct q_domain_get other;
	struct q_domain_others others;
	struct domain_options *d = &c->d;
	int r;

	if (d->kind != DOMAIN_ALIAS)
		return 0;
	if (slice_equal(d->target, d->canonical))
		return ACCOUNT_E_LOOP;
	r = DB_ONE(domain_get, c->db, &other, .canonical = d->target);
	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_NO_DOMAIN : ERR_TRACE(r);
	if (other.kind == DOMAIN_ALIAS)
		return ACCOUNT_E_LOOP;
	c->changes_case |= other.keeps_case != d->keeps_case;
	d->keeps_case = other.keeps_case;
	r = DB_ONE(domain_others, c->db, &others, .canonical = d->canonical);
	if (r != 0)
		return ERR_TRACE(r);
	return others.n > 0 ? ACCOUNT_E_LOOP : 0;
}

/* Canonical addresses stand in the tables in one form: with it changed, none
 * would be found. */
static int
check_case(struct change *c)
{
	struct q_domain_is_used used;
	struct q_domain_others others;
	int r;

	if (!c->changes_case)
		return 0;
	r = DB_ONE(domain_is_used, c->db, &used, .domain = c->d.domain);
	if (r == 0)
		r = DB_ONE(domain_others, c->db, &others,
		    .canonical = c->d.canonical);
	if (r != 0)
		return ERR_TRACE(r);
	return used.n + others.n > 0 ? ACCOUNT_E_IN_USE : 0;
}

static int
write_change(struct change *c)
{
	const struct domain_options *d = &c->d;
	int r = DB_EXEC(domain_update, c->db, .domain = d->domain,
	    .kind = d->kind, .target = d->target, .separators = d->separators,
	    .keeps_case = d->keeps_case, .catch_all = d->catch_all,
	    .catch_all_canonical = d->catch_all_canonical,
	    .quota_bytes = d->quota, .greylist = d->greylist,
	    .srs_is_off = d->srs_is_off);

	if (r == 0 && c->changes_limits)
		r = sending_limit_write(c->db, SENDING_DOMAIN, d->domain,
		    &c->limits);
	return ERR_TRACE(r);
}

/* Who is wanted by nobody's name would hear of it with every mail. */
static int
check_catch_all(struct db *db, const struct domain_options *d)
{
	struct rcpt_request ask = { .typed = d->catch_all };
	struct rcpt_result result;
	struct arena arena;
	int r;

	if (d->catch_all.len == 0)
		return 0;
	arena_init(&arena, LIMIT_LOOKUP);
	r = rcpt_lookup(db, &ask, &arena, &result);
	if (r == 0 && result.outcome == RCPT_LOOP)
		r = ACCOUNT_E_LOOP;
	else if (r == 0 && result.outcome == RCPT_DEEP)
		r = ACCOUNT_E_DEEP;
	arena_reset(&arena);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
domain_set(struct db *db, struct slice typed, const struct option *options,
    size_t n, const struct option **ret_bad)
{
	struct change c = { .db = db };
	struct arena arena;
	int r;

	arena_init(&arena, 16 * 1024);
	r = domain_read(db, typed, &arena, &c.d);
	if (r == 0)
		r = sending_limit_read(db, SENDING_DOMAIN, c.d.domain,
		    &c.limits);
	for (size_t i = 0; r == 0 && i < n; i++) {
		r = set_one(&c, &options[i]);
		if (r == ACCOUNT_E_VALUE)
			*ret_bad = &options[i];
	}
	if (r == 0)
		r = check_target(&c);
	if (r == 0)
		r = check_case(&c);
	if (r == 0)
		r = write_change(&c);
	if (r == 0)
		r = check_catch_all(db, &c.d);
	arena_reset(&arena);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- recipients of relay domains
 * ------------------------------------------------------ */

/* "*" becomes "@domain"; a name alone is one of the domain. */
static int
relay_address(struct db *db, struct slice domain, struct slice address,
    struct address *ret)
{
	char text[LIMIT_ADDRESS + 1];
	struct address a;
	char whole[2 * LIMIT_ADDRESS + 2];
	size_t len = 0;
	int r = account_read_domain(domain, text, &len);

	if (r != 0)
		return r;
	if (address.len > LIMIT_ADDRESS || address.len == 0)
		return ACCOUNT_E_ADDRESS;
	if (slice_equal(address, SLICE("*")))
		(void)snprintf(whole, sizeof(whole), "x@%.*s", (int)len, text);
	else if (slice_find_byte(address, '@') == SIZE_MAX)
		(void)snprintf(whole, sizeof(whole), "%.*s@%.*s",
		    SLICE_FMT(address), (int)len, text);
	else
		(void)snprintf(whole, sizeof(whole), "%.*s",
		    SLICE_FMT(address));
	r = address_read(db, slice_cstr(whole), &a);
	if (r != 0)
		return r;
	if (!a.is_ours)
		return ACCOUNT_E_NO_DOMAIN;
	if (a.kind != DOMAIN_RELAY)
		return ACCOUNT_E_KIND;
	if (!slice_equal(a.domain, slice_of(text, len)))
		return ACCOUNT_E_ADDRESS;
	address_copy(&a, ret);
	if (slice_equal(address, SLICE("*")))
		ret->canonical = slice_from(ret->canonical, 1);
	return 0;
}

int
relay_rcpt_add(struct db *db, struct slice domain, struct slice address,
    int64_t now)
{
	struct address a;
	int r = relay_address(db, domain, address, &a);

	if (r == 0)
		r = DB_EXEC(relay_rcpt_insert, db, .canonical = a.canonical,
		    .domain = a.domain_number, .address = address,
		    .created = now);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
relay_rcpt_remove(struct db *db, struct slice domain, struct slice address)
{
	struct address a;
	int r = relay_address(db, domain, address, &a);

	if (r == 0)
		r = DB_EXEC(relay_rcpt_delete, db, .canonical = a.canonical);
	if (r == 0 && db_changed(db) == 0)
		return ACCOUNT_E_ABSENT;
	return r < 0 ? ERR_TRACE(r) : r;
}
