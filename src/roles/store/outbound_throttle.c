/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_throttle - how much may leave in a time
 *
 * The table (queue/throttle) is read at the start and after each change of an
 * admin. A row that a throttle keeps back leaves its destination's window, and
 * that is looked at again when the throttle permits the next one: nothing is
 * written for it. What has left is counted here at once and written with the
 * attempt's result, so that a restart gives nobody a burst. An attempt of which
 * nothing was taken does not count.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* -- reading
 * ------------------------------------------------------------------- */

struct throttles_load {
	struct store_read read;
	struct outbound *outbound;
	struct throttles table;
	void (*then)(struct outbound *o); /* may be NULL */
};

static int
load_page(struct db *db, struct throttles *table, struct throttle *last,
    size_t *ret_n)
{
	struct q_throttle_list row;
	struct db_rows rows;
	char name[THROTTLE_NAME_MAX + 1];
	int64_t kind = last->mails == 0 ? -1 : last->kind;
	int r;

	memcpy(name, last->name, sizeof(name));
	*ret_n = 0;
	r = DB_MANY(throttle_list, db, &rows, .kind = kind,
	    .name = slice_cstr(name));
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_throttle_list_next(&rows, &row)) == 0) {
		*last = (struct throttle){ .kind = row.kind,
			.mails = row.mails == 0 ? 1 : row.mails,
			.burst = row.burst,
			.period = row.period,
			.next = row.next };
		(void)slice_to_cstr(row.name, last->name, sizeof(last->name));
		++*ret_n;
		r = throttles_put(table, last);
		if (r == -ENOMEM)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
load_run(struct db *db, struct store_read *r)
{
	struct throttles_load *l = LIST_ENTRY(r, struct throttles_load, read);
	struct throttle last = { 0 };
	size_t n;
	int e;

	do {
		e = load_page(db, &l->table, &last, &n);
	} while (e == 0 && n > 0);
	return ERR_TRACE(e);
}

/* What we have counted is newer than what was written. */
static void
keep_counts(const struct throttles *old, struct throttles *new, int64_t now)
{
	struct throttle *t;
	size_t at = 0;

	while ((t = throttles_next(new, &at)) != NULL) {
		const struct throttle *o = throttles_same(old, t);

		if (o != NULL)
			throttle_follow(t, o, now);
	}
}

/* What cannot be read leaves what was: the next change, or start, reads it. */
static void
load_done(struct store_read *r, int result)
{
	struct throttles_load *l = LIST_ENTRY(r, struct throttles_load, read);
	struct outbound *o = l->outbound;

	if (result == 0) {
		struct throttles old = o->throttles;

		keep_counts(&old, &l->table, env_wall(o->env));
		o->throttles = l->table;
		l->table = old;
		destinations_undefer(&o->destinations);
	} else {
		env_log(o->env, ENV_ERROR, "queue-throttles", "errno=%d",
		    -result);
	}
	throttles_deinit(&l->table);
	if (l->then != NULL)
		l->then(o);
	outbound_pump_soon(o);
	free(l);
}

void
out_throttles_load(struct outbound *o, void (*then)(struct outbound *o))
{
	struct throttles_load *l = calloc(1, sizeof(*l));
	uint8_t seed[MAP_SEED];

	if (l == NULL) {
		env_log(o->env, ENV_ERROR, "queue-throttles", "errno=%d",
		    ENOMEM);
		if (then != NULL)
			then(o);
		return;
	}
	env_random(o->env, seed, sizeof(seed));
	throttles_init(&l->table, seed);
	l->outbound = o;
	l->then = then;
	l->read.run = load_run;
	l->read.done = load_done;
	store_read(o->store, &l->read);
}

void
outbound_throttles_changed(struct outbound *o)
{
	out_throttles_load(o, NULL);
}

/* -- who may go
 * ---------------------------------------------------------------- */

bool
out_throttles_admit(struct outbound *o, struct destination *d)
{
	struct slice route = destination_route(d);
	int64_t now = env_wall(o->env), ready;
	const struct queue_row *row;

	while ((row = destination_first(d)) != NULL) {
		ready =
		    throttles_ready(&o->throttles, route, row->flow, now, NULL);
		if (ready <= now)
			return true;
		destination_defer(&o->destinations, d, row->flow, ready);
	}
	return false;
}

void
out_throttles_take(struct out_attempt *a, int64_t flow)
{
	struct outbound *o = a->outbound;

	a->flow = flow;
	a->is_counted = o->throttles.by_key.n > 0;
	if (a->is_counted)
		throttles_count(&o->throttles,
		    destination_route(a->destination), flow, 1,
		    env_wall(o->env));
}

void
out_throttles_give_back(struct out_attempt *a)
{
	struct outbound *o = a->outbound;

	if (a->is_counted)
		throttles_count(&o->throttles,
		    destination_route(a->destination), a->flow, -1,
		    env_wall(o->env));
	a->is_counted = false;
}

/* -- what outlives a restart
 * --------------------------------------------------- */

void
out_throttles_of(const struct out_attempt *a, struct out_throttled *ret)
{
	const struct throttles *s = &a->outbound->throttles;

	ret->n = 0;
	for (unsigned k = 0; a->is_counted && k < THROTTLE_KINDS; k++) {
		const struct throttle *t = throttles_find(s, k,
		    destination_route(a->destination), a->flow);

		if (t != NULL)
			ret->at[ret->n++] = *t;
	}
}

int
out_throttled_write(struct db *db, const struct out_throttled *t)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->n; i++)
		r = DB_EXEC(throttle_next, db, .kind = t->at[i].kind,
		    .name = slice_cstr(t->at[i].name), .next = t->at[i].next);
	return ERR_TRACE(r);
}
