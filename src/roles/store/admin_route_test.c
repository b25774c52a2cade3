/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_route_test - which way would a mail to this address go?
 *
 * `ulak route ADDRESS`, as far as the store knows it: how the address is
 * resolved (policy/rcpt), for each target elsewhere the route that it takes and
 * why (policy/route_table: the decision that is made when a mail is queued),
 * and what is known of that destination. Rows as of "address"; those of kind
 * hop also say, for control, what ATTEMPT would say, and control asks the DNS
 * (roles/control/route_test.c). Nothing is sent, nothing remembered.
 */
#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/canon.h"
#include "roles/store/accept_impl.h"
#include "roles/store/admin_impl.h"
#include "store/route.h"

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

static int
put_whole(struct admin_job *j, const char *kind, struct slice what,
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
	return put_whole(j, "route",
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
		return put_whole(j, "destination", SLICE("ready"), c->key,
		    SLICE("nothing keeps mail from it"));
	if (r != 0)
		return ERR_TRACE(r);
	time_print_rfc3339(d.retry_at, at);
	(void)snprintf(text, sizeof(text),
	    "%u failures in a row, next try %s; last: %u %u.%u.%u %.*s",
	    d.failures, at, d.last_code, d.last_class, d.last_subject,
	    d.last_detail, SLICE_FMT(slice_upto(d.last_text, 400)));
	return put_whole(j, "destination",
	    d.retry_at > j->now ? SLICE("waits") : SLICE("failing"), c->key,
	    slice_cstr(text));
}

/* What control needs for the DNS. */
static int
put_hop(struct admin_job *j, const struct route_choice *c, struct slice address)
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
	r |= put_text(j, "user", rule->user);
	r |= put_text(j, "source4", rule->source4);
	r |= put_text(j, "source6", rule->source6);
	r |= put_text(j, "helo", rule->helo);
	end_row(j);
	return ERR_TRACE(r);
}

static int
put_remote(struct db *db, struct admin_job *j, const struct route_table *t,
    const struct rcpt_target *target)
{
	struct slice sender = arg(j, "sender"), local, domain;
	struct route_choice c;
	int r;

	if (target->sender.len > 0)
		sender = target->sender;
	if (!canon_split(target->name.canonical, &local, &domain))
		return 0;
	route_table_find(t, sender, domain, &c);
	r = put_choice(j, &c, target->name.canonical);
	if (r == 0)
		r = put_destination(db, j, &c);
	return r == 0 ? put_hop(j, &c, target->name.canonical) : ERR_TRACE(r);
}

static int
put_targets(struct db *db, struct admin_job *j, const struct rcpt_result *got)
{
	static const uint8_t seed[MAP_SEED];
	struct route_table table;
	int r;

	route_table_init(&table, seed);
	r = route_table_load(db, &table);
	for (size_t i = 0; r == 0 && i < got->n_targets; i++) {
		const struct rcpt_target *t = &got->targets[i];

		if (t->account != 0)
			r = put_whole(j, "target", SLICE("mailbox"),
			    t->name.canonical, SLICE("into INBOX, here"));
		else if (t->is_list)
			r = put_whole(j, "target", SLICE("list"),
			    t->name.canonical,
			    SLICE("its members, each by a way of its own"));
		else
			r = put_remote(db, j, &table, t);
	}
	route_table_deinit(&table);
	return ERR_TRACE(r);
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
		if (r == 0 && verdict_is_ok(&v))
			r = put_targets(db, j, &got);
		if (r != 0)
			return ERR_TRACE(r);
	}
	(void)snprintf(status, sizeof(status), "%u %u.%u.%u", v.code,
	    v.esc.class, v.esc.subject, v.esc.detail);
	return put_whole(j, "rcpt", slice_cstr(status), arg(j, "address"),
	    v.text);
}
