/* SPDX-License-Identifier: ISC */
#include "store/route.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/ip.h"
#include "policy/dns.h"
#include "smtp/reply.h"

enum {
	ARENA = 256 * 1024,
	USER_MAX = 255,
	REPLY_MAX = 400
};

struct change {
	struct db *db;
	struct arena arena;
	struct route_rule rule;
	struct slice to, from; /* what was typed */
	bool has_to, has_from;
	struct route_trouble *why;
};

static int bad(struct change *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int
bad(struct change *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(c->why->text, sizeof(c->why->text), format, ap);
	va_end(ap);
	return ACCOUNT_E_VALUE;
}

static bool
is_none(struct slice value)
{
	return value.len == 0 || slice_equal(value, SLICE("none"));
}

/* -- one option after the other -------------------------------------------- */

static int
find_text(const char *const *texts, size_t n, struct slice value, uint8_t *ret)
{
	for (size_t i = 0; i < n; i++)
		if (slice_equal(value, slice_cstr(texts[i]))) {
			*ret = (uint8_t)i;
			return 0;
		}
	return ACCOUNT_E_VALUE;
}

static int
set_kind(struct change *c, struct slice value)
{
	return find_text(hop_kinds, HOP_KINDS, value, &c->rule.kind) == 0
	    ? 0
	    : bad(c, "kind is mx, smarthost, lmtp, discard or error");
}

static int
set_hosts(struct change *c, struct slice value)
{
	struct hop_host hosts[HOP_HOSTS];
	const char *why;
	size_t n;

	if (is_none(value))
		value = SLICE("");
	else if (!hop_hosts_read(value, hosts, &n, &why))
		return bad(c, "hosts: %s", why);
	c->rule.hosts = value;
	return 0;
}

static int
set_port(struct change *c, struct slice value)
{
	uint64_t port = 0;

	if (!is_none(value) &&
	    (!slice_to_u64(value, 65535, &port) || port == 0))
		return bad(c, "a port is a number from 1 to 65535, or none");
	c->rule.port = (uint16_t)port;
	return 0;
}

static int
set_tls(struct change *c, struct slice value)
{
	return find_text(hop_tls_texts, HOP_TLS_KINDS, value, &c->rule.tls) == 0
	    ? 0
	    : bad(c, "tls is default, none, may, encrypt or verify");
}

static int
set_implicit(struct change *c, struct slice value)
{
	c->rule.is_implicit = slice_equal(value, SLICE("yes"));
	return c->rule.is_implicit || slice_equal(value, SLICE("no"))
	    ? 0
	    : bad(c, "implicit is yes or no");
}

static int
set_user(struct change *c, struct slice value)
{
	if (is_none(value)) {
		c->rule.user = c->rule.secret = SLICE("");
		return 0;
	}
	if (value.len > USER_MAX || slice_find_byte(value, '\0') != SIZE_MAX)
		return bad(c, "a user has at most %d octets", USER_MAX);
	c->rule.user = value;
	return 0;
}

static int
set_secret(struct change *c, struct slice value)
{
	c->rule.secret = value;
	return 0;
}

static int
set_auth(struct change *c, struct slice value)
{
	c->rule.auth_clear = slice_equal(value, SLICE("clear"));
	return c->rule.auth_clear || slice_equal(value, SLICE("tls"))
	    ? 0
	    : bad(c, "auth is tls or clear");
}

/* One of each family at the most. */
static int
set_source(struct change *c, struct slice value)
{
	struct slice one;

	c->rule.source4 = c->rule.source6 = SLICE("");
	if (is_none(value))
		return 0;
	while (value.len > 0) {
		struct slice *to;
		struct ip ip;

		if (!slice_take_until(&value, ',', &one)) {
			one = value;
			value.len = 0;
		}
		one = slice_trim(one);
		if (!ip_parse(one, &ip))
			return bad(c,
			    "source is an IPv4 address, an IPv6 "
			    "address, or both with a comma between");
		to = ip.family == 4 ? &c->rule.source4 : &c->rule.source6;
		if (to->len > 0)
			return bad(c, "source has two addresses of a family");
		*to = one;
	}
	return 0;
}

static int
set_helo(struct change *c, struct slice value)
{
	if (is_none(value))
		value = SLICE("");
	else if (!dns_name_is_valid(value))
		return bad(c, "helo is a host name");
	c->rule.helo = value;
	return 0;
}

static bool
is_text_byte(uint8_t byte)
{
	return byte >= 0x20 && byte != 0x7f;
}

/* "550 5.7.1 No mail goes there" */
static int
set_reply(struct change *c, struct slice value)
{
	struct slice rest = value, run = SLICE("");
	uint64_t code;

	c->rule.reply_code = 0;
	c->rule.reply = SLICE("");
	if (is_none(value))
		return 0;
	if (value.len > REPLY_MAX || !slice_take_u64(&rest, 599, &code) ||
	    code < 500 || (rest.len > 0 && !slice_skip_byte(&rest, ' ')))
		return bad(c, "reply is a code from 500 to 599 and a text");
	c->rule.reply = rest;
	if (slice_take_while(&rest, is_text_byte, &run) && rest.len > 0)
		return bad(c, "reply is one line");
	c->rule.reply_code = (uint16_t)code;
	return 0;
}

static int
set_to(struct change *c, struct slice value)
{
	c->to = value;
	c->has_to = true;
	return 0;
}

static int
set_from(struct change *c, struct slice value)
{
	c->from = value;
	c->has_from = true;
	return 0;
}

static const struct {
	struct slice key;
	int (*set)(struct change *c, struct slice value);
} keys[] = {
	{ SLICE("kind"), set_kind },
	{ SLICE("hosts"), set_hosts },
	{ SLICE("port"), set_port },
	{ SLICE("tls"), set_tls },
	{ SLICE("implicit"), set_implicit },
	{ SLICE("user"), set_user },
	{ SLICE("secret"), set_secret },
	{ SLICE("auth"), set_auth },
	{ SLICE("source"), set_source },
	{ SLICE("helo"), set_helo },
	{ SLICE("reply"), set_reply },
	{ SLICE("to"), set_to },
	{ SLICE("from"), set_from },
};

static int
set_one(struct change *c, const struct option *o)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (slice_equal(keys[i].key, o->key))
			return keys[i].set(c, o->value);
	return bad(c, "there is no option %.*s", SLICE_FMT(o->key));
}

/* -- all of it together ---------------------------------------------------- */

static int
check(struct change *c)
{
	const struct route_rule *r = &c->rule;
	bool has_hosts = r->kind == HOP_SMARTHOST || r->kind == HOP_LMTP;

	if (has_hosts && r->hosts.len == 0)
		return bad(c, "kind=%s needs hosts=", hop_kinds[r->kind]);
	if (!has_hosts && r->hosts.len > 0)
		return bad(c, "hosts= is for kind=smarthost and kind=lmtp");
	if (r->user.len > 0 && !has_hosts)
		return bad(c, "a login is for kind=smarthost and kind=lmtp");
	if (r->user.len > 0 && r->secret.len == 0)
		return bad(c, "user= needs a password (--password-file)");
	if (r->user.len == 0 && r->secret.len > 0)
		return bad(c, "a password needs user=");
	if (r->user.len > 0 && r->tls == HOP_TLS_NONE && !r->auth_clear)
		return bad(c, "a login with tls=none needs auth=clear");
	if (r->tls == HOP_TLS_NONE && r->is_implicit)
		return bad(c, "implicit=yes is TLS, and tls=none is none");
	if (r->reply_code != 0 && r->kind != HOP_ERROR)
		return bad(c, "reply= is for kind=error");
	return 0;
}

static int
add_pattern(struct change *c, struct slice text, bool is_from, int64_t now)
{
	char pattern[ROUTE_PATTERN_MAX + 8];
	struct q_route_match_owner row;
	const char *why;
	int r;

	if (!route_pattern_read(text, is_from, pattern, &why))
		return bad(c, "\"%.*s\": %s", SLICE_FMT(slice_upto(text, 80)),
		    why);
	r = DB_ONE(route_match_owner, c->db, &row,
	    .pattern = slice_cstr(pattern));
	if (r == 0 && slice_equal(row.route, c->rule.name))
		return 0; /* said twice */
	if (r == 0) {
		(void)bad(c, "%.80s is for the route %.*s already",
		    strchr(pattern, ':') + 1,
		    SLICE_FMT(slice_upto(row.route, ROUTE_NAME_MAX)));
		return ACCOUNT_E_EXISTS;
	}
	if (r == DB_NONE)
		r = DB_EXEC(route_match_add, c->db,
		    .pattern = slice_cstr(pattern), .route = c->rule.name,
		    .now = now);
	return ERR_TRACE(r);
}

static int
set_patterns(struct change *c, struct slice list, bool is_from, int64_t now)
{
	struct slice one;
	int r = DB_EXEC(route_match_clear, c->db, .route = c->rule.name,
	    .kind = is_from ? SLICE("from:%") : SLICE("to:%"));

	if (r != 0 || is_none(list))
		return ERR_TRACE(r);
	while (r == 0 && list.len > 0) {
		if (!slice_take_until(&list, ',', &one)) {
			one = list;
			list.len = 0;
		}
		r = add_pattern(c, slice_trim(one), is_from, now);
	}
	return r;
}

/* The rows' slices are gone with the next query. */
static int
read_rule(struct change *c, struct slice name)
{
	struct q_route_get row;
	struct route_rule *r = &c->rule;
	int e = DB_ONE(route_get, c->db, &row, .name = name);

	if (e != 0)
		return e == DB_NONE ? ACCOUNT_E_ABSENT : ERR_TRACE(e);
	*r = (struct route_rule){ .kind = row.kind,
		.port = row.port,
		.tls = row.tls,
		.is_implicit = row.is_implicit,
		.auth_clear = row.auth_clear,
		.reply_code = row.reply_code };
	if (!arena_copy(&c->arena, row.hosts, &r->hosts) ||
	    !arena_copy(&c->arena, row.user, &r->user) ||
	    !arena_copy(&c->arena, row.secret, &r->secret) ||
	    !arena_copy(&c->arena, row.source4, &r->source4) ||
	    !arena_copy(&c->arena, row.source6, &r->source6) ||
	    !arena_copy(&c->arena, row.helo, &r->helo) ||
	    !arena_copy(&c->arena, row.reply, &r->reply))
		return ERR_ORIGIN(-ENOMEM);
	return 0;
}

static int
check_new(struct change *c, struct slice name)
{
	struct q_route_count n;
	int r = read_rule(c, name);

	if (r == 0)
		return ACCOUNT_E_EXISTS;
	if (r != ACCOUNT_E_ABSENT)
		return ERR_TRACE(r);
	r = DB_ONE(route_count, c->db, &n, 0);
	if (r == 0 && n.routes >= LIMIT_ROUTES) {
		(void)bad(c, "there are %d routes already", LIMIT_ROUTES);
		return ACCOUNT_E_LIMIT;
	}
	return ERR_TRACE(r);
}

static int
put(struct change *c, int64_t now)
{
	const struct route_rule *r = &c->rule;
	struct q_route_count n;
	int e = DB_EXEC(route_put, c->db, .name = r->name, .kind = r->kind,
	    .hosts = r->hosts, .port = r->port, .tls = r->tls,
	    .is_implicit = r->is_implicit, .user = r->user, .secret = r->secret,
	    .auth_clear = r->auth_clear, .source4 = r->source4,
	    .source6 = r->source6, .helo = r->helo, .reply_code = r->reply_code,
	    .reply = r->reply, .now = now);

	if (e == 0 && c->has_to)
		e = set_patterns(c, c->to, false, now);
	if (e == 0 && c->has_from)
		e = set_patterns(c, c->from, true, now);
	if (e == 0)
		e = DB_ONE(route_count, c->db, &n, 0);
	if (e == 0 && n.patterns > LIMIT_ROUTE_PATTERNS) {
		(void)bad(c, "all routes together have at most %d patterns",
		    LIMIT_ROUTE_PATTERNS);
		return ACCOUNT_E_LIMIT;
	}
	return e;
}

int
route_save(struct db *db, struct slice name, const struct option *options,
    size_t n, bool is_new, int64_t now, struct route_trouble *ret_why)
{
	struct change c = { .db = db, .why = ret_why };
	int r = 0;

	ret_why->text[0] = '\0';
	if (!route_name_is_valid(name))
		return bad(&c, "a route's name has 1 to %d of a-z 0-9 - _ .",
		    ROUTE_NAME_MAX);
	arena_init(&c.arena, ARENA);
	r = is_new ? check_new(&c, name) : read_rule(&c, name);
	c.rule.name = name;
	for (size_t i = 0; i < n && r == 0; i++)
		r = set_one(&c, &options[i]);
	if (r == 0)
		r = check(&c);
	if (r == 0)
		r = put(&c, now);
	arena_reset(&c.arena);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
route_delete(struct db *db, struct slice name, struct route_trouble *ret_why)
{
	char target[sizeof("route:") + ROUTE_NAME_MAX];
	struct q_domain_target_users users;
	struct q_route_get row;
	int r;

	ret_why->text[0] = '\0';
	if (!route_name_is_valid(name))
		return ACCOUNT_E_ABSENT;
	r = DB_ONE(route_get, db, &row, .name = name);
	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_ABSENT : ERR_TRACE(r);
	(void)snprintf(target, sizeof(target), "route:%.*s", SLICE_FMT(name));
	r = DB_ONE(domain_target_users, db, &users,
	    .target = slice_cstr(target));
	if (r == 0 && users.n > 0) {
		(void)snprintf(ret_why->text, sizeof(ret_why->text),
		    "it is the target of %llu domains (ulak domain set)",
		    (unsigned long long)users.n);
		return ACCOUNT_E_IN_USE;
	}
	if (r == 0)
		r = DB_EXEC(route_match_clear, db, .route = name,
		    .kind = SLICE("%"));
	if (r == 0)
		r = DB_EXEC(route_delete, db, .name = name);
	return ERR_TRACE(r);
}

/* -- all of them ----------------------------------------------------------- */

static int
load_rules(struct db *db, struct route_table *t)
{
	char after[ROUTE_NAME_MAX + 1] = "";
	struct q_route_after row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		n = 0;
		r = DB_MANY(route_after, db, &rows, .after = slice_cstr(after));
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_route_after_next(&rows, &row)) == 0) {
			struct route_rule rule = { .name = row.name,
				.hosts = row.hosts,
				.user = row.user,
				.secret = row.secret,
				.helo = row.helo,
				.source4 = row.source4,
				.source6 = row.source6,
				.reply = row.reply,
				.port = row.port,
				.reply_code = row.reply_code,
				.kind = row.kind,
				.tls = row.tls,
				.is_implicit = row.is_implicit,
				.auth_clear = row.auth_clear };

			n++;
			(void)slice_to_cstr(row.name, after, sizeof(after));
			r = route_table_add(t, &rule);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (r == DB_NONE && n > 0);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
load_patterns(struct db *db, struct route_table *t)
{
	char after[ROUTE_PATTERN_MAX + 8] = "";
	struct q_route_match_after row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		n = 0;
		r = DB_MANY(route_match_after, db, &rows,
		    .after = slice_cstr(after));
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_route_match_after_next(&rows, &row)) == 0) {
			n++;
			(void)slice_to_cstr(row.pattern, after, sizeof(after));
			r = route_table_match(t, row.pattern, row.route);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (r == DB_NONE && n > 0);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
load_targets(struct db *db, struct route_table *t)
{
	char after[LIMIT_DOMAIN + 1] = "";
	struct q_domain_target_after row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		n = 0;
		r = DB_MANY(domain_target_after, db, &rows,
		    .after = slice_cstr(after));
		if (r != 0)
			return ERR_TRACE(r);
		while ((r = q_domain_target_after_next(&rows, &row)) == 0) {
			n++;
			(void)slice_to_cstr(row.canonical, after,
			    sizeof(after));
			r = route_table_target(t, row.canonical, row.target);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
	} while (r == DB_NONE && n > 0);
	return r < 0 ? ERR_TRACE(r) : 0;
}

int
route_table_load(struct db *db, struct route_table *t)
{
	int r = load_rules(db, t);

	if (r == 0)
		r = load_patterns(db, t);
	if (r == 0)
		r = load_targets(db, t);
	return ERR_TRACE(r);
}

void
route_source_print(struct slice source4, struct slice source6,
    char text[ROUTE_SOURCE_TEXT])
{
	(void)snprintf(text, ROUTE_SOURCE_TEXT, "%.*s%s%.*s",
	    SLICE_FMT(slice_upto(source4, 60)),
	    source4.len > 0 && source6.len > 0 ? "," : "",
	    SLICE_FMT(slice_upto(source6, 60)));
}
