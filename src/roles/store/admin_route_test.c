/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_route_test - which way would a mail to this address go?
 *
 * `ulak route ADDRESS`, as far as the store knows it: how the address is
 * resolved (policy/rcpt), for each target elsewhere the route that it takes and
 * why (policy/route_table: the decision that is made when a mail is queued),
 * what becomes of the sender, what is known of that destination, what an admin
 * has set for it, and whether its recipient is suppressed. Rows as of
 * "address"; those of kind hop also say, for control, what ATTEMPT would say,
 * and control asks the DNS (roles/control/route_test.c). Nothing is sent,
 * nothing remembered.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/canon.h"
#include "policy/tls_policy.h"
#include "roles/store/accept_impl.h"
#include "roles/store/admin_impl.h"
#include "store/forward.h"
#include "store/route.h"
#include "store/suppress.h"
#include "store/terms.h"

static int
put_line(struct admin_job *j, const char *kind, struct slice what,
    struct slice address, struct slice text)
{
	int r = put_text(j, "kind", slice_cstr(kind));

	r |= put_number(j, "depth", 0);
	r |= put_text(j, "what", what);
	r |= put_text(j, "address", address);
	r |= put_text(j, "text", text);
	return ERR_TRACE(r);
}

int
admin_put_step(struct admin_job *j, const char *kind, struct slice what,
    struct slice address, struct slice text)
{
	int r = put_line(j, kind, what, address, text);

	end_row(j);
	return r;
}

/* -- one target elsewhere -------------------------------------------------- */

static int
put_choice(struct admin_job *j, const struct route_choice *c,
    struct slice address)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "%s%s%.*s",
	    c->why < ROUTE_WHYS ? route_whys[c->why] : "?",
	    c->pattern.len > 0 ? ": " : "", SLICE_FMT(c->pattern));
	return admin_put_step(j, "route",
	    c->rule != NULL ? c->rule->name : SLICE("none"), address,
	    slice_cstr(text));
}

static int
put_destination(struct db *db, struct admin_job *j,
    const struct route_choice *c)
{
	char text[640], at[TIME_RFC3339];
	struct q_destination_get d;
	int r = DB_ONE(destination_get, db, &d, .route = c->key,
	    .lane = LANE_INTERACTIVE);

	if (r == DB_NONE || (r == 0 && d.failures == 0))
		return admin_put_step(j, "destination", SLICE("ready"), c->key,
		    SLICE("nothing keeps mail from it"));
	if (r != 0)
		return ERR_TRACE(r);
	time_print_rfc3339(d.retry_at, at);
	(void)snprintf(text, sizeof(text),
	    "%u failures in a row, next try %s; last: %u %u.%u.%u %.*s",
	    d.failures, at, d.last_code, d.last_class, d.last_subject,
	    d.last_detail, SLICE_FMT(slice_upto(d.last_text, 400)));
	return admin_put_step(j, "destination",
	    d.retry_at > j->now ? SLICE("waits") : SLICE("failing"), c->key,
	    slice_cstr(text));
}

/* What an admin has set for it, by which pattern; the rest is as configured. */
static int
put_terms(struct admin_job *j, const struct terms_table *table,
    const struct route_choice *c, uint8_t *ret_minimum)
{
	struct slice from[TERMS_N];
	struct terms terms;
	int r = 0;

	terms_table_find(table, c->key, &terms, from);
	*ret_minimum = TLS_MINIMUM_DEFAULT;
	if (terms.value[TERMS_TLS] != TERMS_UNSET)
		*ret_minimum = (uint8_t)terms.value[TERMS_TLS];
	for (enum terms_key key = 0; r == 0 && key < TERMS_N; key++) {
		char text[TERMS_TEXT_MAX];

		if (terms.value[key] == TERMS_UNSET)
			continue;
		terms_value_print(key, terms.value[key], text);
		r = admin_put_step(j, "terms", slice_cstr(terms_key_name(key)),
		    from[key], slice_cstr(text));
	}
	return ERR_TRACE(r);
}

/* An alias that leads outside sends in its own domain's name (policy/srs). */
static int
put_sender(struct db *db, struct admin_job *j, const struct rcpt_target *target)
{
	struct slice sender = arg(j, "sender"), local, domain;
	struct buf rewritten;
	int r;

	if (target->sender.len > 0)
		return admin_put_step(j, "sender", SLICE("owner"),
		    target->sender,
		    SLICE("who hears of failures, for the members of a group"));
	if (target->via == 0 || target->is_relay || sender.len == 0 ||
	    !canon_split(arg(j, "address"), &local, &domain))
		return 0;
	buf_init(&rewritten, LIMIT_ADDRESS);
	r = forward_sender(db, sender, domain, j->now, NULL, &rewritten);
	if (r == 0)
		r = admin_put_step(j, "sender", SLICE("srs"),
		    buf_slice(&rewritten),
		    SLICE("it is forwarded: the sender is rewritten"));
	else if (r == DB_NONE)
		r = admin_put_step(j, "sender", SLICE("kept"), sender,
		    SLICE("it is forwarded with its sender as it is"));
	buf_deinit(&rewritten);
	return ERR_TRACE(r);
}

/* What control needs for the DNS. */
static int
put_hop(struct admin_job *j, const struct route_choice *c, struct slice address,
    uint8_t minimum)
{
	static const struct route_rule none;
	const struct route_rule *rule = c->rule != NULL ? c->rule : &none;
	struct verdict v = route_reply(rule->reply_code, rule->reply);
	int r = put_line(j, "hop", slice_cstr(hop_kinds[rule->kind]), address,
	    rule->kind == HOP_ERROR         ? v.text
		: rule->kind == HOP_DISCARD ? SLICE("thrown away")
		: rule->hosts.len > 0       ? rule->hosts
					    : c->domain);

	r |= put_text(j, "domain", c->domain);
	r |= put_text(j, "hosts", rule->hosts);
	r |= put_number(j, "port", rule->port);
	r |= put_text(j, "tls", slice_cstr(hop_tls_texts[rule->tls]));
	r |=
	    put_text(j, "minimum", tls_minimum_name((enum tls_minimum)minimum));
	r |= put_text(j, "user", rule->user);
	r |= put_text(j, "source4", rule->source4);
	r |= put_text(j, "source6", rule->source6);
	r |= put_text(j, "helo", rule->helo);
	end_row(j);
	return ERR_TRACE(r);
}

struct tables {
	struct route_table routes;
	struct terms_table terms;
};

static int
put_remote(struct db *db, struct admin_job *j, const struct tables *tables,
    const struct rcpt_target *target)
{
	struct slice sender = arg(j, "sender"), local, domain;
	struct route_choice c;
	uint8_t minimum;
	int r;

	if (target->sender.len > 0)
		sender = target->sender;
	if (!canon_split(target->name.canonical, &local, &domain))
		return 0;
	route_table_find(&tables->routes, sender, domain, &c);
	r = put_choice(j, &c, target->name.canonical);
	if (r == 0)
		r = put_sender(db, j, target);
	if (r == 0)
		r = put_destination(db, j, &c);
	if (r == 0)
		r = put_terms(j, &tables->terms, &c, &minimum);
	if (r == 0)
		r = put_route_limits(db, j, &c, sender);
	return r == 0 ? put_hop(j, &c, target->name.canonical, minimum)
		      : ERR_TRACE(r);
}

static int
load_terms(void *ctx, struct slice pattern, const struct terms *t)
{
	int r = terms_table_put(ctx, pattern, t);

	return r == -EINVAL ? 0 : r;
}

static int
load_tables(struct db *db, struct tables *ret)
{
	static const uint8_t seed[MAP_SEED];
	int r;

	route_table_init(&ret->routes, seed);
	terms_table_init(&ret->terms, seed);
	r = route_table_load(db, &ret->routes);
	if (r == 0)
		r = store_terms_each(db, load_terms, &ret->terms);
	return ERR_TRACE(r);
}

static int
put_target(struct db *db, struct admin_job *j, const struct tables *tables,
    const struct rcpt_target *t)
{
	if (t->account != 0)
		return admin_put_step(j, "target", SLICE("mailbox"),
		    t->name.canonical, SLICE("into INBOX, here"));
	if (t->is_list)
		return admin_put_step(j, "target", SLICE("list"),
		    t->name.canonical,
		    SLICE("its members, each by a way of its own"));
	return put_remote(db, j, tables, t);
}

/* As RCPT does: for one recipient whom a route of kind error has. */
static int
refuse_by_route(struct admin_job *j, const struct tables *tables,
    const struct rcpt_target *t, struct verdict *v)
{
	struct slice sender = t->sender.len > 0 ? t->sender : arg(j, "sender");
	struct slice local, domain;
	struct route_choice c;

	if (t->account != 0 || t->is_list ||
	    !canon_split(t->name.canonical, &local, &domain))
		return 0;
	route_table_find(&tables->routes, sender, domain, &c);
	if (c.rule == NULL || c.rule->kind != HOP_ERROR)
		return 0;
	*v = route_reply(c.rule->reply_code, c.rule->reply);
	return arena_copy(&j->arena, v->text, &v->text) ? 0
							: ERR_ORIGIN(-ENOMEM);
}

static int
put_targets(struct db *db, struct admin_job *j, const struct rcpt_result *got,
    struct verdict *v)
{
	struct tables tables;
	int r = load_tables(db, &tables);

	for (size_t i = 0; r == 0 && i < got->n_targets; i++)
		r = put_target(db, j, &tables, &got->targets[i]);
	if (r == 0 && got->n_targets == 1)
		r = refuse_by_route(j, &tables, &got->targets[0], v);
	route_table_deinit(&tables.routes);
	terms_table_deinit(&tables.terms);
	return ERR_TRACE(r);
}

/* Whom senders of ours are refused; of an address that is nobody's here. */
static int
put_suppressed(struct db *db, struct admin_job *j, struct verdict *v)
{
	uint32_t after = j->asker.role->settings->suppress_after;
	bool is_refused = false;
	struct q_suppress_list row;
	struct address a;
	struct db_rows rows;
	int r = address_read(db, arg(j, "address"), &a);

	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : 0;
	r = suppress_check(db, arg(j, "sender"), arg(j, "address"), after,
	    j->now, &is_refused);
	if (r == 0 && is_refused)
		*v = smtp_say(SMTP_SAY_SUPPRESSED);
	if (r == 0)
		r = DB_MANY(suppress_list, db, &rows, .rcpt = a.canonical,
		    .now = j->now, .limit = 10);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_suppress_list_next(&rows, &row)) == 0) {
		bool counts = row.n == 0 || (after > 0 && row.n >= after);
		char text[600];

		(void)snprintf(text, sizeof(text), "%u times; last: %u %.*s",
		    row.n, row.code, SLICE_FMT(slice_upto(row.text, 400)));
		if (row.n == 0)
			(void)snprintf(text, sizeof(text), "by hand: %.*s",
			    SLICE_FMT(slice_upto(row.text, 400)));
		r = admin_put_step(j, "suppressed",
		    counts ? SLICE("refused") : SLICE("noted"),
		    row.sender_domain, slice_cstr(text));
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

int
test_route(struct db *db, struct admin_job *j)
{
	struct rcpt_request ask = { .typed = arg(j, "address"),
		.sender = arg(j, "sender"),
		.wants_steps = true };
	struct verdict v = VERDICT(553, 5, 1, 3, "not an address");
	struct rcpt_result got;
	char status[32];
	int r = accept_lookup(db, j->asker.role->settings, SLICE(""), &ask,
	    &j->arena, &got);

	if (r < 0)
		return ERR_TRACE(r);
	if (r == 0) {
		v = rcpt_verdict(rcpt_weigh(&got, 0, 0), true);
		r = put_address_steps(db, j, &got);
		if (r == 0 && got.outcome == RCPT_FOREIGN)
			r = put_suppressed(db, j, &v);
		if (r == 0 && verdict_is_ok(&v))
			r = put_targets(db, j, &got, &v);
		if (r != 0)
			return ERR_TRACE(r);
	}
	(void)snprintf(status, sizeof(status), "%u %u.%u.%u", v.code,
	    v.esc.class, v.esc.subject, v.esc.detail);
	return admin_put_step(j, "rcpt", slice_cstr(status), arg(j, "address"),
	    v.text);
}
