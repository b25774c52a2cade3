/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_route - the operator's routes, and rows that follow them
 *
 * The table is in memory, read at the start and after each change. A queue row
 * keeps the destination it was given when it came; when its turn comes, the
 * table is asked again (outbound_attempt.c), and a row that now goes elsewhere
 * is moved there in one transaction before anybody tries it. So a change holds
 * for everything that waits, costs nothing when it is made, and a crash in
 * between loses nothing: the row lies at one destination or at the other.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/route.h"

/* -- the table ------------------------------------------------------------- */

struct reading {
	struct store_read read;
	struct outbound *outbound;
	struct route_table table;
	void (*then)(struct outbound *o);
};

static int
reading_run(struct db *db, struct store_read *r)
{
	struct reading *x = LIST_ENTRY(r, struct reading, read);

	return ERR_TRACE(route_table_load(db, &x->table));
}

/* Everything may go elsewhere now, and what kept it from going may be gone. */
static void
wake_destinations(struct outbound *o)
{
	int64_t now = env_wall(o->env);
	struct destination *d;
	size_t at = 0;

	while ((d = map_next(&o->destinations.by_key, &at)) != NULL) {
		if (d->failures == 0)
			continue;
		destination_back_off(&o->destinations, d, 0, 0);
		destination_row_due(&o->destinations, d, now);
	}
	LIST_FOREACH (it, &o->couriers) {
		struct out_courier *c =
		    LIST_ENTRY(it, struct out_courier, link);

		(void)wire_send_courier_kick(c->channel, 0, 0,
		    &(struct wire_courier_kick){ 0 });
	}
	outbound_pump_soon(o);
}

static void
reading_done(struct store_read *r, int result)
{
	struct reading *x = LIST_ENTRY(r, struct reading, read);
	struct outbound *o = x->outbound;
	void (*then)(struct outbound *) = x->then;
	struct route_table old = o->routes;

	o->is_reading_routes = false;
	if (result == 0) {
		o->routes = x->table;
		x->table = old;
	} else {
		env_log(o->env, ENV_ERROR, "routes", "errno=%d", -result);
	}
	route_table_deinit(&x->table);
	free(x);
	if (result == 0 && then == NULL)
		wake_destinations(o);
	if (then != NULL)
		then(o);
	if (o->routes_are_stale) {
		o->routes_are_stale = false;
		outbound_routes_read(o, NULL);
	}
}

void
outbound_routes_read(struct outbound *o, void (*then)(struct outbound *o))
{
	struct reading *x;

	if (o->is_reading_routes) {
		o->routes_are_stale = true;
		return;
	}
	x = calloc(1, sizeof(*x));
	if (x == NULL) {
		env_log(o->env, ENV_ERROR, "routes", "errno=%d", ENOMEM);
		if (then != NULL)
			then(o);
		return;
	}
	o->is_reading_routes = true;
	x->outbound = o;
	x->then = then;
	route_table_init(&x->table, o->routes_seed);
	x->read.run = reading_run;
	x->read.done = reading_done;
	store_read(o->store, &x->read);
}

void
outbound_routes_changed(struct outbound *o)
{
	if (o->is_started)
		outbound_routes_read(o, NULL);
}

void
outbound_route(const struct outbound *o, struct slice sender,
    struct slice domain, struct route_choice *ret)
{
	route_table_find(&o->routes, sender, domain, ret);
}

void
out_hop_fill(const struct route_choice *choice, struct wire_attempt *m)
{
	const struct route_rule *r = choice->rule;

	m->domain = choice->domain;
	if (r == NULL)
		return;
	m->hop = r->kind;
	m->hop_name = r->name;
	m->hosts = r->hosts;
	m->port = r->port;
	m->tls = r->tls;
	m->is_implicit = r->is_implicit;
	m->auth_clear = r->auth_clear;
	m->user = r->user;
	m->secret = r->secret;
	m->helo = r->helo;
	m->source4 = r->source4;
	m->source6 = r->source6;
	m->reply_code = r->reply_code;
	m->reply = r->reply;
}

/* -- rows that move -------------------------------------------------------- */

struct moved_row {
	uint64_t row;
	uint16_t to_len;
	uint8_t to[QUEUE_ROUTE_MAX];
};

struct out_move {
	struct store_write write;
	struct outbound *outbound;
	uint8_t lane;
	size_t from_len, n;
	uint8_t from[QUEUE_ROUTE_MAX];
	struct moved_row rows[OUT_ROWS];
};

struct out_move *
out_move_new(struct outbound *o, struct slice from, uint8_t lane)
{
	struct out_move *m =
	    from.len <= QUEUE_ROUTE_MAX ? calloc(1, sizeof(*m)) : NULL;

	if (m == NULL)
		return NULL;
	m->outbound = o;
	m->lane = lane;
	m->from_len = from.len;
	memcpy(m->from, from.at, from.len);
	return m;
}

int
out_move_add(struct out_move *m, uint64_t row, struct slice to)
{
	struct moved_row *r = &m->rows[m->n];

	if (m->n == OUT_ROWS || to.len == 0 || to.len > QUEUE_ROUTE_MAX)
		return -ENOMEM;
	r->row = row;
	r->to_len = (uint16_t)to.len;
	memcpy(r->to, to.at, to.len);
	m->n++;
	return 0;
}

static int
move_apply(struct db *db, struct store_write *w)
{
	struct out_move *m = LIST_ENTRY(w, struct out_move, write);
	struct slice from = slice_of(m->from, m->from_len);
	int r = 0;

	for (size_t i = 0; i < m->n && r == 0; i++) {
		struct slice to = slice_of(m->rows[i].to, m->rows[i].to_len);

		r = DB_EXEC(queue_move, db, .row = m->rows[i].row, .from = from,
		    .to = to);
		if (r != 0 || db_changed(db) == 0)
			continue; /* it has left meanwhile */
		r = queue_leave(db, from, m->lane);
		if (r == 0)
			r = DB_EXEC(destination_add, db, .route = to,
			    .lane = m->lane, .n = 1);
	}
	return ERR_TRACE(r);
}

static void
due_at(struct outbound *o, struct slice route, uint8_t lane, int64_t due)
{
	struct destination *d;

	/* one that cannot be remembered now is found by the next start */
	if (destination_get(&o->destinations, route, lane, &d) == 0)
		destination_row_due(&o->destinations, d, due);
}

static void
move_done(struct store_write *w, int r)
{
	struct out_move *m = LIST_ENTRY(w, struct out_move, write);
	struct outbound *o = m->outbound;
	int64_t now = env_wall(o->env);

	for (size_t i = 0; i < m->n; i++) {
		(void)map_take_number(&o->in_hand, m->rows[i].row);
		if (r == 0)
			due_at(o, slice_of(m->rows[i].to, m->rows[i].to_len),
			    m->lane, now);
	}
	if (r != 0) {
		env_log(o->env, ENV_ERROR, "queue-move", "errno=%d", -r);
		due_at(o, slice_of(m->from, m->from_len), m->lane,
		    now + OUT_TROUBLE);
	}
	free(m);
	outbound_pump_soon(o);
}

void
out_move_submit(struct out_move *m)
{
	if (m->n == 0) {
		free(m);
		return;
	}
	m->write.lane = STORE_LANE_QUEUE;
	m->write.apply = move_apply;
	m->write.done = move_done;
	store_submit(m->outbound->store, &m->write);
}
