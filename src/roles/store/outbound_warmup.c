/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_warmup - source addresses that are new
 *
 * Each has a ceiling for the day (queue/warmup). An attempt counts when it is
 * given to a courier, which says with the result from which address the mail
 * really went: others get it back. Where an address has had its mails, the
 * attempt goes by the address of the other family when one is configured, or
 * its destination waits until the next day.
 *
 * Only mail to the hosts of domains counts: smarthosts have names of their own.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/hop.h"
#include "policy/route.h"

enum {
	V4,
	V6
};

static struct warmup *
find_warmup(struct outbound *o, const char *address)
{
	for (size_t i = 0; address[0] != '\0' && i < o->n_warmups; i++)
		if (strcmp(o->warmups[i].address, address) == 0)
			return &o->warmups[i];
	return NULL;
}

/* -- reading
 * ------------------------------------------------------------------- */

struct warmups_load {
	struct store_read read;
	struct outbound *outbound;
	struct warmup at[LIMIT_WARMUPS];
	size_t n;
	void (*then)(struct outbound *o); /* may be NULL */
};

static int
load_run(struct db *db, struct store_read *r)
{
	struct warmups_load *l = LIST_ENTRY(r, struct warmups_load, read);
	struct q_warmup_list row;
	struct db_rows rows;
	int e = DB_MANY(warmup_list, db, &rows, 0);

	if (e != 0)
		return ERR_TRACE(e);
	while (l->n < LIMIT_WARMUPS &&
	    (e = q_warmup_list_next(&rows, &row)) == 0) {
		struct warmup *w = &l->at[l->n++];

		*w = (struct warmup){ .first = row.first,
			.until = row.until,
			.growth = row.growth,
			.day = row.day < TIME_SECOND ? TIME_SECOND : row.day,
			.began = row.began,
			.ceiling = row.ceiling,
			.sent = row.sent,
			.bad = row.bad };
		(void)slice_to_cstr(row.address, w->address,
		    sizeof(w->address));
	}
	db_rows_close(&rows);
	return e < 0 ? ERR_TRACE(e) : 0;
}

/* Who waited for an address may go, or waits anew. */
static void
wake_warming(struct outbound *o)
{
	struct destination *d;
	size_t at = 0;

	while ((d = map_next(&o->destinations.by_key, &at)) != NULL) {
		if (!d->is_warming)
			continue;
		d->is_warming = false;
		destination_back_off(&o->destinations, d, d->failures, 0);
	}
	outbound_pump_soon(o);
}

/* What we have counted is newer than what was written. */
static void
load_done(struct store_read *r, int result)
{
	struct warmups_load *l = LIST_ENTRY(r, struct warmups_load, read);
	struct outbound *o = l->outbound;

	if (result == 0) {
		for (size_t i = 0; i < l->n; i++) {
			const struct warmup *old =
			    find_warmup(o, l->at[i].address);

			if (old != NULL && old->day == l->at[i].day)
				l->at[i] = *old;
		}
		memcpy(o->warmups, l->at, sizeof(o->warmups));
		o->n_warmups = l->n;
		wake_warming(o);
	} else {
		env_log(o->env, ENV_ERROR, "queue-warmups", "errno=%d",
		    -result);
	}
	if (l->then != NULL)
		l->then(o);
	free(l);
}

void
out_warmups_load(struct outbound *o, void (*then)(struct outbound *o))
{
	struct warmups_load *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		env_log(o->env, ENV_ERROR, "queue-warmups", "errno=%d", ENOMEM);
		if (then != NULL)
			then(o);
		return;
	}
	l->outbound = o;
	l->then = then;
	l->read.run = load_run;
	l->read.done = load_done;
	store_read(o->store, &l->read);
}

void
outbound_warmups_changed(struct outbound *o)
{
	out_warmups_load(o, NULL);
}

/* -- who may go
 * ---------------------------------------------------------------- */

/* As the route says, or the configuration, or the system has chosen so far. */
static struct warmup *
warmup_of(struct out_attempt *a, int family, struct slice said,
    const char *configured)
{
	struct outbound *o = a->outbound;
	char address[WARMUP_ADDRESS_MAX];

	a->has_no_source[family] = said.len == 0 && configured[0] == '\0';
	if (said.len > 0 && slice_to_cstr(said, address, sizeof(address)))
		return find_warmup(o, address);
	return find_warmup(o,
	    configured[0] != '\0' ? configured : o->seen_source[family]);
}

static void
count_on(struct out_attempt *a, int family, struct warmup *w)
{
	if (w == NULL)
		return;
	warmup_send(w, env_wall(a->outbound->env));
	memcpy(a->warm[family], w->address, sizeof(w->address));
}

static void
let_it_wait(struct outbound *o, struct destination *d, int64_t until)
{
	d->is_warming = true;
	destination_back_off(&o->destinations, d, d->failures, until);
}

static bool
is_barred(struct warmup *w, int64_t now)
{
	if (w == NULL)
		return false;
	warmup_turn(w, now);
	return !warmup_may(w);
}

bool
out_warmups_admit(struct out_attempt *a, struct wire_attempt *m)
{
	struct outbound *o = a->outbound;
	const struct settings *s = o->settings;
	int64_t now = env_wall(o->env);
	struct warmup *w4, *w6;
	bool not4, not6, may4, may6;

	if (m->hop != HOP_MX || o->n_warmups == 0)
		return true;
	w4 = warmup_of(a, V4, m->source4, s->outbound_source4);
	w6 = warmup_of(a, V6, m->source6, s->outbound_source6);
	not4 = is_barred(w4, now);
	not6 = is_barred(w6, now);
	may4 = !not4 && s->outbound_families != ROUTE_V6_ONLY;
	may6 = !not6 && s->outbound_families != ROUTE_V4_ONLY &&
	    !a->has_no_source[V6];
	if ((not4 && !may6) || (not6 && !may4)) {
		let_it_wait(o, a->destination, warmup_next(not4 ? w4 : w6));
		return false;
	}
	m->not_v4 = not4;
	m->not_v6 = not6;
	count_on(a, V4, not4 ? NULL : w4);
	count_on(a, V6, not6 ? NULL : w6);
	return true;
}

/* Its hosts have no address of the family that was free: that is known only
 * now. Until one of those that have had their mails may send again. */
void
out_warmups_wait(struct outbound *o, struct destination *d)
{
	int64_t now = env_wall(o->env), until = 0;

	for (size_t i = 0; i < o->n_warmups; i++)
		if (is_barred(&o->warmups[i], now) &&
		    (until == 0 || warmup_next(&o->warmups[i]) < until))
			until = warmup_next(&o->warmups[i]);
	let_it_wait(o, d, until);
}

void
out_warmups_give_back(struct out_attempt *a)
{
	for (int f = V4; f <= V6; f++) {
		struct warmup *w = find_warmup(a->outbound, a->warm[f]);

		if (w != NULL)
			warmup_unsend(w);
		a->warm[f][0] = '\0';
	}
}

/* -- the result
 * ---------------------------------------------------------------- */

static bool
is_bad(const struct wire_attempt_result *m)
{
	struct wire_list rows = m->outcomes;
	struct wire_outcome o;

	while (wire_outcome_next(&rows, &o))
		if (o.code >= 400 && !o.is_ours)
			return true;
	return false;
}

/* Which address the system chooses is known from here on. */
static void
learn_source(struct out_attempt *a, struct slice source)
{
	int family = slice_find_byte(source, ':') != SIZE_MAX ? V6 : V4;

	if (source.len > 0 && a->has_no_source[family])
		(void)slice_to_cstr(source, a->outbound->seen_source[family],
		    WARMUP_ADDRESS_MAX);
}

void
out_warmups_heard(struct out_attempt *a, const struct wire_attempt_result *m)
{
	learn_source(a, m->source);
	for (int f = V4; f <= V6; f++) {
		struct warmup *w = find_warmup(a->outbound, a->warm[f]);

		if (w == NULL)
			continue;
		if (slice_equal(m->source, slice_cstr(w->address)))
			warmup_heard(w, is_bad(m));
		else
			warmup_unsend(w);
	}
}

void
out_warmed_of(const struct out_attempt *a, struct out_warmed *ret)
{
	ret->n = 0;
	for (int f = V4; f <= V6; f++) {
		const struct warmup *w = find_warmup(a->outbound, a->warm[f]);

		if (w != NULL)
			ret->at[ret->n++] = *w;
	}
}

int
out_warmed_write(struct db *db, const struct out_warmed *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n; i++)
		r = DB_EXEC(warmup_state, db,
		    .address = slice_cstr(w->at[i].address),
		    .began = w->at[i].began, .ceiling = w->at[i].ceiling,
		    .sent = w->at[i].sent, .bad = w->at[i].bad);
	return ERR_TRACE(r);
}
