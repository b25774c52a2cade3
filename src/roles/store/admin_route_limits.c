/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_route_limits - `ulak route`: what keeps mail back for a
 * while
 *
 * The throttles that concern a mail and the source addresses it may leave from
 * while they are new, as the database has them: what is written with each
 * result. Rows of kind throttle, warmup and leaves; "waits" in one of them is
 * the answer (roles/control/route_test.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/canon.h"
#include "policy/route.h"
#include "queue/throttle.h"
#include "queue/warmup.h"
#include "roles/store/admin_impl.h"

/* -- throttles ------------------------------------------------------------- */

static int
put_throttle(struct admin_job *j, const struct throttle *t)
{
	char subject[THROTTLE_TEXT_MAX], text[160], at[TIME_RFC3339];
	int64_t ready = throttle_ready(t, j->now);

	throttle_subject_print(t, subject);
	time_print_rfc3339(ready, at);
	(void)snprintf(text, sizeof(text),
	    "%u mails in %lld seconds, %u at once; the next one %s%s", t->mails,
	    (long long)(t->period / TIME_SECOND), t->burst,
	    ready > j->now ? "at " : "now", ready > j->now ? at : "");
	return admin_put_step(j, "throttle",
	    ready > j->now ? SLICE("waits") : SLICE("permits"),
	    slice_cstr(subject), slice_cstr(text));
}

/* prefix and name are the subject, as an admin writes it. */
static int
look_throttle(struct db *db, struct admin_job *j, const char *prefix,
    struct slice name)
{
	struct throttle t = { 0 };
	char subject[THROTTLE_TEXT_MAX];
	struct q_throttle_get row;
	int r;

	(void)snprintf(subject, sizeof(subject), "%s%.*s", prefix,
	    SLICE_FMT(slice_upto(name, THROTTLE_NAME_MAX)));
	if (!throttle_subject_parse(slice_cstr(subject), &t))
		return 0;
	r = DB_ONE(throttle_get, db, &row, .kind = t.kind,
	    .name = slice_cstr(t.name));
	if (r != 0)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	t.mails = row.mails;
	t.period = row.period;
	t.burst = row.burst;
	t.next = row.next;
	return ERR_TRACE(put_throttle(j, &t));
}

static int
put_throttles(struct db *db, struct admin_job *j, const struct route_choice *c,
    struct slice sender)
{
	struct slice route = c->key, local, domain;
	int r = 0;

	(void)slice_skip(&route, SLICE("route:"));
	if (canon_split(sender, &local, &domain)) {
		r = look_throttle(db, j, "sender:", sender);
		if (r == 0)
			r = look_throttle(db, j, "tenant:", domain);
	}
	return r == 0 ? look_throttle(db, j, "route:", route) : ERR_TRACE(r);
}

/* -- source addresses that are new ----------------------------------------- */

/* What is known of one address; is_warm: it has a ceiling, and that is reached.
 */
struct source {
	struct slice address;
	struct warmup warmup;
	bool is_known, is_used_up;
};

static int
find_warmup(struct db *db, struct admin_job *j, struct source *s)
{
	struct q_warmup_list row;
	struct db_rows rows;
	int r = DB_MANY(warmup_list, db, &rows, 0);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_warmup_list_next(&rows, &row)) == 0) {
		if (!slice_equal(row.address, s->address))
			continue;
		s->is_known = true;
		s->warmup = (struct warmup){ .first = row.first,
			.until = row.until,
			.growth = row.growth,
			.day = row.day < TIME_SECOND ? TIME_SECOND : row.day,
			.began = row.began,
			.ceiling = row.ceiling,
			.sent = row.sent,
			.bad = row.bad };
		warmup_turn(&s->warmup, j->now);
		s->is_used_up = !warmup_may(&s->warmup);
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
put_warmup(struct admin_job *j, const struct source *s, bool waits)
{
	const struct warmup *w = &s->warmup;
	char text[160], at[TIME_RFC3339];

	if (!s->is_known)
		return 0;
	time_print_rfc3339(warmup_next(w), at);
	if (warmup_is_over(w))
		(void)snprintf(text, sizeof(text), "it is over");
	else if (w->began == 0)
		(void)snprintf(text, sizeof(text),
		    "0 of %u mails, nothing was sent yet", w->ceiling);
	else
		(void)snprintf(text, sizeof(text),
		    "%u of %u mails, the next day begins at %s", w->sent,
		    w->ceiling, at);
	return admin_put_step(j, "warmup",
	    waits               ? SLICE("waits")
		: s->is_used_up ? SLICE("used up")
				: SLICE("permits"),
	    s->address, slice_cstr(text));
}

/* As out_warmups_admit decides, but for addresses that the system chooses. */
static int
put_warmups(struct db *db, struct admin_job *j, const struct route_rule *rule)
{
	const struct settings *s = j->asker.role->settings;
	struct source v4 = { .address = rule->source4.len > 0
		    ? rule->source4
		    : slice_cstr(s->outbound_source4) };
	struct source v6 = { .address = rule->source6.len > 0
		    ? rule->source6
		    : slice_cstr(s->outbound_source6) };
	bool may4, may6, waits;
	int r = find_warmup(db, j, &v4);

	if (r == 0)
		r = find_warmup(db, j, &v6);
	may4 = !v4.is_used_up && s->outbound_families != ROUTE_V6_ONLY;
	may6 = !v6.is_used_up && s->outbound_families != ROUTE_V4_ONLY &&
	    v6.address.len > 0;
	waits = (v4.is_used_up && !may6) || (v6.is_used_up && !may4);
	if (r == 0)
		r = put_warmup(j, &v4, waits && v4.is_used_up);
	return r == 0 ? put_warmup(j, &v6, waits && v6.is_used_up)
		      : ERR_TRACE(r);
}

/* -- what the route says of us --------------------------------------------- */

static int
put_leaves(struct admin_job *j, const struct route_rule *rule)
{
	const struct settings *s = j->asker.role->settings;
	struct slice source[2] = { rule->source4, rule->source6 };
	struct slice helo = rule->helo;
	char text[512];
	int r;

	if (source[0].len == 0)
		source[0] = slice_cstr(s->outbound_source4);
	if (source[1].len == 0)
		source[1] = slice_cstr(s->outbound_source6);
	if (helo.len == 0)
		helo = slice_cstr(s->outbound_hostname[0] != '\0'
			? s->outbound_hostname
			: s->hostname);
	r = admin_put_step(j, "leaves", SLICE("EHLO"), helo,
	    SLICE("the name that the server hears"));
	for (size_t i = 0; r == 0 && i < 2; i++)
		if (source[i].len > 0)
			r = admin_put_step(j, "leaves",
			    i == 0 ? SLICE("IPv4") : SLICE("IPv6"), source[i],
			    SLICE("the address it comes from"));
	if (r != 0 || rule->user.len == 0)
		return ERR_TRACE(r);
	(void)snprintf(text, sizeof(text), "logs in%s",
	    rule->auth_clear ? ", also without TLS" : "");
	return ERR_TRACE(admin_put_step(j, "leaves", SLICE("login"), rule->user,
	    slice_cstr(text)));
}

int
put_route_limits(struct db *db, struct admin_job *j,
    const struct route_choice *c, struct slice sender)
{
	static const struct route_rule none;
	const struct route_rule *rule = c->rule != NULL ? c->rule : &none;
	int r = put_throttles(db, j, c, sender);

	if (rule->kind == HOP_DISCARD || rule->kind == HOP_ERROR)
		return ERR_TRACE(r);
	if (r == 0)
		r = put_leaves(j, rule);
	if (r == 0 && rule->kind == HOP_MX)
		r = put_warmups(db, j, rule);
	return ERR_TRACE(r);
}
