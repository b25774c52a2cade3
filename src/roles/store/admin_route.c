/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_route - `ulak route`: the operator's routes
 *
 * A password is shown to nobody, not even sealed: only whether there is one.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"
#include "store/route.h"

static int
save(struct db *db, struct admin_job *j, bool is_new)
{
	struct option options[ADMIN_ARGS];
	struct route_trouble why;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < j->n_args; i++)
		if (!slice_equal(j->args[i].name, SLICE("name")))
			options[n++] = (struct option){ j->args[i].name,
				j->args[i].value };
	r = route_save(db, arg(j, "name"), options, n, is_new, j->now, &why);
	if (r > 0 && why.text[0] != '\0')
		say(j, "%s", why.text);
	return r < 0 ? ERR_TRACE(r) : r;
}

int
add_route(struct db *db, struct admin_job *j)
{
	return save(db, j, true);
}

int
set_route(struct db *db, struct admin_job *j)
{
	return save(db, j, false);
}

int
remove_route(struct db *db, struct admin_job *j)
{
	struct route_trouble why;
	int r = route_delete(db, arg(j, "name"), &why);

	if (r > 0 && why.text[0] != '\0')
		say(j, "%s", why.text);
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- looking --------------------------------------------------------------- */

/* "a,b" of the patterns that begin with `kind`, without it. */
static int
join_patterns(struct db *db, struct admin_job *j, struct slice route,
    struct slice kind, struct slice *ret)
{
	struct q_route_match_of row;
	struct db_rows rows;
	struct buf out;
	int r = DB_MANY(route_match_of, db, &rows, .route = route);

	if (r != 0)
		return ERR_TRACE(r);
	buf_init(&out, ADMIN_TEXT_MAX);
	while ((r = q_route_match_of_next(&rows, &row)) == 0) {
		struct slice pattern = row.pattern;

		if (!slice_skip(&pattern, kind))
			continue;
		if (buf_room(&out) < pattern.len + 5) {
			(void)buf_add_cstr(&out, ",...");
			break;
		}
		if (out.len > 0)
			(void)buf_add_byte(&out, ',');
		(void)buf_add(&out, pattern);
	}
	db_rows_close(&rows);
	r = r < 0 ? r : keep(j, buf_slice(&out), ret);
	buf_deinit(&out);
	return ERR_TRACE(r);
}

static struct slice
or_none(struct slice s)
{
	return s.len > 0 ? s : SLICE("none");
}

static int
put_port(struct admin_job *j, uint16_t port)
{
	return port == 0 ? put_text(j, "port", SLICE("none"))
			 : put_number(j, "port", port);
}

static int
put_rule(struct admin_job *j, const struct route_rule *rule, struct slice to,
    struct slice from)
{
	char source[ROUTE_SOURCE_TEXT], reply[512] = "none";
	int r = put_text(j, "name", rule->name);

	route_source_print(rule->source4, rule->source6, source);
	if (rule->reply_code != 0)
		(void)snprintf(reply, sizeof(reply), "%u %.*s",
		    rule->reply_code, SLICE_FMT(slice_upto(rule->reply, 450)));
	r |= put_text(j, "kind",
	    slice_cstr(rule->kind < HOP_KINDS ? hop_kinds[rule->kind] : "?"));
	r |= put_text(j, "to", or_none(to));
	r |= put_text(j, "from", or_none(from));
	r |= put_text(j, "hosts", or_none(rule->hosts));
	r |= put_port(j, rule->port);
	r |= put_text(j, "tls",
	    slice_cstr(rule->tls < HOP_TLS_KINDS ? hop_tls_texts[rule->tls]
						 : "?"));
	r |= put_text(j, "implicit",
	    rule->is_implicit ? SLICE("yes") : SLICE("no"));
	r |= put_text(j, "user", or_none(rule->user));
	r |= put_text(j, "password",
	    rule->secret.len > 0 ? SLICE("set") : SLICE("none"));
	r |= put_text(j, "auth",
	    rule->auth_clear ? SLICE("clear") : SLICE("tls"));
	r |= put_text(j, "source", or_none(slice_cstr(source)));
	r |= put_text(j, "helo", or_none(rule->helo));
	r |= put_text(j, "reply", slice_cstr(reply));
	return ERR_TRACE(r);
}

static int
put_route(struct db *db, struct admin_job *j, const struct route_rule *rule,
    int64_t created)
{
	struct slice to = SLICE(""), from = SLICE("");
	int r = join_patterns(db, j, rule->name, SLICE("to:"), &to);

	if (r == 0)
		r = join_patterns(db, j, rule->name, SLICE("from:"), &from);
	if (r == 0)
		r = put_rule(j, rule, to, from);
	if (r == 0)
		r = put_number(j, "created", (uint64_t)created);
	end_row(j);
	return ERR_TRACE(r);
}

static int
show_one(struct db *db, struct admin_job *j, struct slice name)
{
	struct q_route_get row;
	struct route_rule rule = { .name = name };
	int64_t created;
	int r = DB_ONE(route_get, db, &row, .name = name);

	if (r != 0)
		return r == DB_NONE ? ACCOUNT_E_ABSENT : ERR_TRACE(r);
	rule.kind = row.kind;
	rule.port = row.port;
	rule.tls = row.tls;
	rule.is_implicit = row.is_implicit;
	rule.auth_clear = row.auth_clear;
	rule.reply_code = row.reply_code;
	created = row.created;
	r = keep(j, row.hosts, &rule.hosts);
	r |= keep(j, row.user, &rule.user);
	r |= keep(j, slice_upto(row.secret, 1), &rule.secret);
	r |= keep(j, row.source4, &rule.source4);
	r |= keep(j, row.source6, &rule.source6);
	r |= keep(j, row.helo, &rule.helo);
	r |= keep(j, row.reply, &rule.reply);
	return r != 0 ? ERR_ORIGIN(-ENOMEM) : put_route(db, j, &rule, created);
}

/* The rows are read one by one: each has further ones behind it. */
int
list_routes(struct db *db, struct admin_job *j)
{
	struct slice after = SLICE("");
	struct q_route_after row;
	struct db_rows rows;
	size_t n;
	int r;

	do {
		struct slice names[64];

		n = 0;
		r = DB_MANY(route_after, db, &rows, .after = after);
		if (r != 0)
			return ERR_TRACE(r);
		while (n < 64 && (r = q_route_after_next(&rows, &row)) == 0) {
			r = keep(j, row.name, &names[n++]);
			if (r != 0)
				break;
		}
		db_rows_close(&rows);
		if (r < 0)
			return ERR_TRACE(r);
		for (size_t i = 0; i < n; i++) {
			r = show_one(db, j, names[i]);
			if (r != 0)
				return ERR_TRACE(r);
		}
		if (n > 0)
			after = names[n - 1];
	} while (n > 0);
	return 0;
}

int
show_route(struct db *db, struct admin_job *j)
{
	return show_one(db, j, arg(j, "name"));
}
