/* SPDX-License-Identifier: ISC */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "queue/fair.h"

/* -- small things
 * -------------------------------------------------------------- */

int64_t
outbound_time(struct outbound *o)
{
	struct schedule_clock now = { env_wall(o->env), env_now(o->env) };

	return schedule_time(&o->started, &now);
}

void
outbound_pump_soon(struct outbound *o)
{
	env_defer(o->env, &o->pump);
}

uint64_t
outbound_refusals(const struct outbound *o)
{
	return o->n_refusals;
}

bool
outbound_take_in_hand(struct outbound *o, uint64_t row, void *holder)
{
	if (map_get_number(&o->in_hand, row) != NULL ||
	    map_put_number(&o->in_hand, row, holder) < 0)
		return false;
	out_fresh_forget(o, row);
	return true;
}

struct out_courier *
outbound_free_courier(struct outbound *o)
{
	struct out_courier *best = NULL;

	LIST_FOREACH (it, &o->couriers) {
		struct out_courier *c =
		    LIST_ENTRY(it, struct out_courier, link);

		if (c->in_hand >= c->slots || channel_is_full(c->channel))
			continue;
		if (best == NULL ||
		    c->slots - c->in_hand > best->slots - best->in_hand)
			best = c;
	}
	return best;
}

void
outbound_event(struct outbound *o, const struct id *message, const char *kind,
    struct slice address, struct slice text, struct slice detail)
{
	struct event e = { .message = *message,
		.kind = kind,
		.address = address,
		.text = text,
		.detail = detail };

	events_add(store_events(o->store), &e);
}

/* -- who is next
 * ----------------------------------------------------------------- */

/* One step for the destination that is next; false: nothing more just now. */
static bool
pump_one(struct outbound *o)
{
	struct destination *d =
	    destinations_next(&o->destinations, env_wall(o->env));
	struct out_courier *courier;
	struct pace_limits limits;
	int r;

	if (d == NULL)
		return false;
	limits = out_limits(o, destination_route(d));
	destination_limits(&o->destinations, d, &limits);
	if (d->heap_at == 0 || d->ready_at > o->destinations.now ||
	    (d->hosts != NULL && !hosts_have_room(d->hosts, &d->limits)))
		return true; /* it has enough just now */
	if (destination_window_is_empty(d)) {
		if (o->n_fills >= OUT_FILLS)
			return false; /* the next fill's end calls again */
		r = out_fill_start(o, d);
	} else if (!out_throttles_admit(o, d)) {
		return true;
	} else {
		courier = outbound_free_courier(o);
		if (courier == NULL)
			return false; /* its next result calls again */
		r = out_attempt_start(o, d, courier);
	}
	if (r < 0) /* no memory: a little later */
		destination_back_off(&o->destinations, d, d->failures,
		    env_wall(o->env) + OUT_TROUBLE);
	return true;
}

static void
set_wake(struct outbound *o)
{
	int64_t ready = destinations_ready_at(&o->destinations);
	int64_t wait = ready - env_wall(o->env);

	if (ready == QUEUE_NEVER)
		return;
	/* what cannot go on now is called by whoever makes it possible; a
	 * minute at the most, for the wall clock may jump */
	if (wait < TIME_SECOND)
		wait = TIME_SECOND;
	if (wait > TIME_MINUTE)
		wait = TIME_MINUTE;
	(void)env_timer_set(o->env, &o->wake, env_now(o->env) + wait);
}

static void
pump_run(struct env_defer *defer)
{
	struct outbound *o = LIST_ENTRY(defer, struct outbound, pump);

	if (!o->is_started)
		return;
	if (!o->is_full && outbound_free_courier(o) != NULL)
		while (pump_one(o))
			;
	outbound_bounces_go_on(o);
	set_wake(o);
}

static void
on_wake(struct env_timer *t)
{
	outbound_pump_soon(LIST_ENTRY(t, struct outbound, wake));
}

/* Often enough that a warning comes before its mail expires, where an operator
 * (or a test) counts in seconds. */
static int64_t
sweep_period(const struct outbound *o)
{
	const struct settings *s = o->settings;
	int64_t least = s->lifetime;

	if (o->terms_least < least)
		least = o->terms_least;
	if (s->delay_warning > 0 && s->delay_warning < least)
		least = s->delay_warning;
	least /= 4;
	if (least > OUT_SWEEP)
		return OUT_SWEEP;
	return least < OUT_SWEEP_MIN ? OUT_SWEEP_MIN : least;
}

static void
on_sweep(struct env_timer *t)
{
	struct outbound *o = LIST_ENTRY(t, struct outbound, sweep);

	o->sweep_at = env_now(o->env) + sweep_period(o);
	(void)env_timer_set(o->env, &o->sweep, o->sweep_at);
	outbound_sweep_start(o);
	outbound_bounces_look(o);
}

void
outbound_sweep_by(struct outbound *o, int64_t wall)
{
	int64_t wait = wall - env_wall(o->env);
	int64_t at = env_now(o->env) + (wait < 0 ? 0 : wait) + TIME_MS;

	if (!o->is_started || at >= o->sweep_at)
		return;
	o->sweep_at = at;
	(void)env_timer_set(o->env, &o->sweep, at);
}

/* Where nobody else waits it need not be looked for. */
static bool
give_to_window(struct outbound *o, struct destination *d,
    const struct outbound_row *row, int64_t now)
{
	const struct queue_row r = { .row = row->row,
		.flow = fair_flow(row->sender),
		.message = row->message,
		.priority = (int8_t)row->priority };

	return row->row != 0 && row->due <= now && row->sender.at != NULL &&
	    destination_give(&o->destinations, d, &r, now);
}

static void
queued_to_send(struct outbound *o, const struct outbound_row *row)
{
	int64_t now = env_wall(o->env);
	struct destination *d;

	/* one that cannot be remembered now is found by the next start */
	if (destination_get(&o->destinations, row->route, row->lane, &d) < 0)
		return;
	if (!give_to_window(o, d, row, now)) {
		destination_row_due(&o->destinations, d,
		    row->due > now ? row->due : now);
		destination_urgent(&o->destinations, d, (int8_t)row->priority);
		if (row->sender.at != NULL)
			destination_came(&o->destinations, d,
			    fair_flow(row->sender));
	}
	outbound_pump_soon(o);
	if (row->by != 0)
		outbound_sweep_by(o, row->by);
}

void
outbound_queued(struct outbound *o, const struct outbound_row *row)
{
	if (row->state == ROW_WAITING)
		queued_to_send(o, row);
	else if (row->state == ROW_LOCAL)
		outbound_sweep_by(o, row->due);
	else
		outbound_bounces_look(o);
}

/* -- the start: all destinations, page by page
 * --------------------------------------- */

enum {
	PAGE = 1000,
	PAGE_ARENA = 1024 * 1024
};

struct page_row {
	struct slice route;
	uint8_t lane;
	int64_t n_rows;
	uint32_t failures;
	int64_t retry_at;
};

struct page {
	struct store_read read;
	struct outbound *outbound;
	struct arena arena;
	struct page_row *rows;
	size_t n;
	struct slice after;
	uint8_t after_lane;
	uint8_t after_bytes[QUEUE_ROUTE_MAX];
};

static int
page_run(struct db *db, struct store_read *r)
{
	struct page *p = LIST_ENTRY(r, struct page, read);
	struct q_destination_page row;
	struct db_rows rows;
	int e = DB_MANY(destination_page, db, &rows, .route = p->after,
	    .lane = p->after_lane);

	if (e != 0)
		return ERR_TRACE(e);
	while (p->n < PAGE && (e = q_destination_page_next(&rows, &row)) == 0) {
		struct page_row *to = &p->rows[p->n];

		*to = (struct page_row){ .lane = row.lane,
			.n_rows = row.n_rows,
			.failures = row.failures,
			.retry_at = row.retry_at };
		if (!arena_copy(&p->arena, row.route, &to->route)) {
			e = -ENOMEM;
			break;
		}
		p->n++;
	}
	db_rows_close(&rows);
	return e < 0 ? ERR_TRACE(e) : 0;
}

static void page_start(struct outbound *o, struct slice after,
    uint8_t after_lane);

/* Everything may be due, whatever it was when the last process ended. */
static void
take_destination(struct outbound *o, const struct page_row *row)
{
	struct destination *d;

	if (row->n_rows <= 0 ||
	    destination_get(&o->destinations, row->route, row->lane, &d) < 0)
		return;
	/* mail that came meanwhile may have been tried: its news are newer */
	if (d->failures == 0 && d->in_flight == 0 && d->settling == 0)
		destination_back_off(&o->destinations, d, row->failures,
		    row->retry_at);
	destination_row_due(&o->destinations, d, 0);
}

static void
page_done(struct store_read *r, int result)
{
	struct page *p = LIST_ENTRY(r, struct page, read);
	struct outbound *o = p->outbound;

	for (size_t i = 0; i < p->n; i++)
		take_destination(o, &p->rows[i]);
	if (result < 0)
		env_log(o->env, ENV_ERROR, "queue-start", "errno=%d", -result);
	else if (p->n == PAGE)
		page_start(o, p->rows[p->n - 1].route, p->rows[p->n - 1].lane);
	arena_reset(&p->arena);
	free(p->rows);
	free(p);
	outbound_pump_soon(o);
}

static void
page_start(struct outbound *o, struct slice after, uint8_t after_lane)
{
	struct page *p = calloc(1, sizeof(*p));

	if (p != NULL)
		p->rows = calloc(PAGE, sizeof(*p->rows));
	if (p == NULL || p->rows == NULL ||
	    after.len > sizeof(p->after_bytes)) {
		free(p);
		env_log(o->env, ENV_ERROR, "queue-start", "errno=%d", ENOMEM);
		return;
	}
	p->outbound = o;
	arena_init(&p->arena, PAGE_ARENA);
	memcpy(p->after_bytes,
	    after.at == NULL ? (const uint8_t *)"" : after.at, after.len);
	p->after = slice_of(p->after_bytes, after.len);
	p->after_lane = after_lane;
	p->read.run = page_run;
	p->read.done = page_done;
	store_read(o->store, &p->read);
}

/* -- couriers
 * -------------------------------------------------------------------- */

static struct out_courier *
find_courier(struct outbound *o, const struct channel *c)
{
	LIST_FOREACH (it, &o->couriers) {
		struct out_courier *courier =
		    LIST_ENTRY(it, struct out_courier, link);

		if (courier->channel == c)
			return courier;
	}
	return NULL;
}

/* A quarter of all slots is kept for hosts that are known to take mail: dead
 * ones, of whom each must be found out, never have them all. */
static void
share_slots(struct outbound *o)
{
	uint32_t all = 0;

	LIST_FOREACH (it, &o->couriers)
		all += LIST_ENTRY(it, struct out_courier, link)->slots;
	destinations_probes(&o->destinations, all - all / 4);
}

int
outbound_on_courier_state(struct outbound *o, struct channel *c,
    const struct wire_courier_state *m)
{
	struct out_courier *courier = find_courier(o, c);

	if (courier == NULL) {
		courier = calloc(1, sizeof(*courier));
		if (courier == NULL)
			return ERR_ORIGIN(-ENOMEM);
		courier->channel = c;
		list_add_last(&o->couriers, &courier->link);
	}
	courier->slots = m->free_slots;
	share_slots(o);
	outbound_pump_soon(o);
	return 0;
}

/* What it had in hand comes back; results that are being committed stand. */
void
outbound_courier_lost(struct outbound *o, struct channel *c)
{
	struct out_courier *courier = find_courier(o, c);
	struct out_attempt *a;
	size_t at = 0;

	if (courier == NULL)
		return;
	while ((a = map_next(&o->attempts, &at)) != NULL) {
		if (a->courier != courier)
			continue;
		a->courier = NULL;
		if (a->is_sent && !a->has_result)
			out_attempt_return(a);
	}
	outbound_bounces_courier_lost(o, courier);
	list_remove(&courier->link);
	free(courier);
	share_slots(o);
	outbound_pump_soon(o);
}

/* -- its life
 * ---------------------------------------------------------------------- */

int
outbound_new(struct env *env, struct store *store,
    const struct settings *settings, const struct outbound_options *options,
    struct outbound **ret)
{
	struct outbound *o = calloc(1, sizeof(*o));
	uint8_t seed[MAP_SEED];

	if (o == NULL)
		return ERR_ORIGIN(-ENOMEM);
	*o = (struct outbound){ .env = env,
		.store = store,
		.settings = settings,
		.options = *options,
		.schedule = { settings->retry_first, settings->retry_max,
		    settings->retry_growth },
		.terms_least = INT64_MAX,
		.started = { env_wall(env), env_now(env) },
		.wake.fire = on_wake,
		.sweep.fire = on_sweep,
		.pump.run = pump_run };
	list_init(&o->couriers);
	list_init(&o->controls);
	list_init(&o->pump.link);
	env_random(env, seed, sizeof(seed));
	destinations_init(&o->destinations, seed,
	    settings->per_destination == 0 ? 1 : settings->per_destination);
	terms_table_init(&o->terms, seed);
	throttles_init(&o->throttles, seed);
	map_init(&o->attempts, seed);
	map_init(&o->in_hand, seed);
	list_init(&o->fresh);
	map_init(&o->fresh_rows, seed);
	map_init(&o->bounces, seed);
	talks_init(&o->talks);
	memcpy(o->routes_seed, seed, sizeof(seed));
	route_table_init(&o->routes, seed);
	*ret = o;
	return 0;
}

/* Not before it is known on what terms. */
static void
start_destinations(struct outbound *o)
{
	o->is_started = true;
	page_start(o, (struct slice){ 0 }, 0);
}

static void
read_routes(struct outbound *o)
{
	outbound_routes_read(o, start_destinations);
}

static void
read_warmups(struct outbound *o)
{
	out_warmups_load(o, read_routes);
}

static void
read_throttles(struct outbound *o)
{
	out_throttles_load(o, read_warmups);
}

void
outbound_start(struct outbound *o)
{
	o->wants_bounces = 1 << BOUNCE_FAILED | 1 << BOUNCE_SUCCESS;
	out_terms_load(o, read_throttles);
	o->sweep_at = env_now(o->env) + TIME_SECOND;
	(void)env_timer_set(o->env, &o->sweep, o->sweep_at);
}

void
outbound_free(struct outbound *o)
{
	struct out_attempt *a;
	size_t at = 0;

	if (o == NULL)
		return;
	o->is_started = false;
	while ((a = map_next(&o->attempts, &at)) != NULL)
		out_attempt_return(a);
	while (!list_is_empty(&o->couriers))
		outbound_courier_lost(o,
		    LIST_ENTRY(o->couriers.next, struct out_courier, link)
			->channel);
	env_defer_cancel(o->env, &o->pump);
	env_timer_stop(o->env, &o->wake);
	env_timer_stop(o->env, &o->sweep);
	outbound_admin_end(o);
	destinations_deinit(&o->destinations);
	terms_table_deinit(&o->terms);
	throttles_deinit(&o->throttles);
	map_deinit(&o->attempts);
	map_deinit(&o->in_hand);
	out_fresh_forget_all(o);
	map_deinit(&o->fresh_rows);
	map_deinit(&o->bounces);
	talks_deinit(&o->talks);
	route_table_deinit(&o->routes);
	free(o);
}
