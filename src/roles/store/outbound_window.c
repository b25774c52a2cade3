/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_window - which rows of a destination are tried next
 *
 * As many as a window holds are read in the order in which they are due. When
 * that is not all that is due, who came early with much would keep out who came
 * late with little: then a few of each of many senders are read as well
 * (read_flows), so that each of them has something in the window. There they
 * take turns (queue/fair).
 *
 * Of a host that has taken nothing so far, a few rows are enough: one of them
 * will be tried, and then none for a while. A thousand such hosts with a
 * thousand rows each cost next to nothing.
 *
 * Read in a thread, which has copies; the loop leaves out what is in hand.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "queue/fair.h"

enum {
	TENANTS = 128, /* read of in one window; others another time */
	SENDERS = 256, /* of all of them */
	BY_DUE = 250,  /* rows in the order of due, when it is crowded */
	PROBE_ROWS = 100
};

/* Reads the rows of one destination that are due. */
struct fill {
	struct store_read read;
	struct outbound *outbound;
	struct destination *destination; /* stays while it is filling */
	int64_t now, next_due;
	uint64_t seed; /* with whom to begin */
	uint32_t limit;
	size_t n;
	bool is_probe;          /* the host has taken nothing yet */
	bool is_crowded;        /* more is due than was read */
	struct queue_row *rows; /* room for limit */
};

struct flows {
	int64_t at[SENDERS];
	int n;
};

/* -- of many, a few each
 * ---------------------------------------------------- */

/* The first flow of this priority from `least` on; DB_NONE. */
static int
next_flow(struct db *db, const struct fill *f, int64_t priority, int64_t least,
    int64_t *ret)
{
	struct q_queue_flow_next row;
	int e = DB_ONE(queue_flow_next, db, &row,
	    .route = destination_route(f->destination),
	    .lane = f->destination->lane, .priority = priority, .least = least);

	*ret = e == 0 ? row.flow : 0;
	return ERR_TRACE(e);
}

/* The tenants, from any one on, and round. < 0, or how many. */
static int
find_tenants(struct db *db, const struct fill *f, int64_t priority,
    int64_t ret[TENANTS])
{
	int64_t first = (int64_t)(f->seed & 0x7fffffff), flow, least = first;
	bool is_round = false;
	int n = 0, e;

	while (n < TENANTS) {
		e = next_flow(db, f, priority, least << FAIR_SENDER_BITS,
		    &flow);
		if (e < 0)
			return ERR_TRACE(e);
		if (e == 0)
			least = flow >> FAIR_SENDER_BITS;
		if (is_round && (e != 0 || least >= first))
			break;
		if (e != 0) {
			is_round = true;
			least = 0;
			continue;
		}
		ret[n++] = least++;
	}
	return n;
}

/* Of n senders of a tenant at most, from any one on, and round. */
static int
find_senders(struct db *db, const struct fill *f, int64_t priority,
    int64_t tenant, struct flows *flows, int n)
{
	int64_t base = tenant << FAIR_SENDER_BITS, first, least, flow;
	bool is_round = false;
	int e;

	first = least = base | (int64_t)(f->seed >> FAIR_SENDER_BITS);
	while (n > 0) {
		e = next_flow(db, f, priority, least, &flow);
		if (e < 0)
			return ERR_TRACE(e);
		if (e != 0 || flow >> FAIR_SENDER_BITS != tenant) {
			if (is_round)
				break;
			is_round = true;
			least = base;
			continue;
		}
		if (is_round && flow >= first)
			break;
		flows->at[flows->n++] = flow;
		least = flow + 1;
		n--;
	}
	return 0;
}

static int
read_flow(struct db *db, struct fill *f, int64_t priority, int64_t flow,
    uint32_t most)
{
	struct q_queue_flow_due row;
	struct db_rows rows;
	int e = DB_MANY(queue_flow_due, db, &rows,
	    .route = destination_route(f->destination),
	    .lane = f->destination->lane, .priority = priority, .flow = flow,
	    .now = f->now, .limit = most);

	if (e != 0)
		return ERR_TRACE(e);
	while (f->n < f->limit && (e = q_queue_flow_due_next(&rows, &row)) == 0)
		f->rows[f->n++] = (struct queue_row){ .row = row.row,
			.message = row.message,
			.flow = flow,
			.priority = (int8_t)priority };
	db_rows_close(&rows);
	return e < 0 ? ERR_TRACE(e) : 0;
}

static int
by_row(const void *a, const void *b)
{
	const struct queue_row *x = a, *y = b;

	return (x->row > y->row) - (x->row < y->row);
}

/* What was read both ways stands there twice. A higher number came later: it
 * is the order within a sender. */
static void
drop_twins(struct queue_row *rows, size_t *n)
{
	size_t kept = 0;

	qsort(rows, *n, sizeof(*rows), by_row);
	for (size_t i = 0; i < *n; i++)
		if (kept == 0 || rows[kept - 1].row != rows[i].row)
			rows[kept++] = rows[i];
	*n = kept;
}

static int
find_flows(struct db *db, const struct fill *f, int64_t priority,
    struct flows *ret)
{
	int64_t tenants[TENANTS];
	int n = find_tenants(db, f, priority, tenants), e = 0;

	ret->n = 0;
	for (int i = 0; e == 0 && i < n; i++)
		e = find_senders(db, f, priority, tenants[i], ret, SENDERS / n);
	return n < 0 ? ERR_TRACE(n) : ERR_TRACE(e);
}

/* More are due than there is room for; those of this priority begin at
 * `from`. All of one sender: they stay. */
static int
read_flows(struct db *db, struct fill *f, int64_t priority, size_t from)
{
	struct flows flows;
	size_t n_level;
	int e = find_flows(db, f, priority, &flows);

	f->is_crowded = true;
	if (e != 0 || flows.n < 2)
		return ERR_TRACE(e);
	if (f->n > from + BY_DUE)
		f->n = from + BY_DUE;
	for (int i = 0; e == 0 && i < flows.n; i++)
		e = read_flow(db, f, priority, flows.at[i],
		    (f->limit - BY_DUE) / (uint32_t)flows.n);
	n_level = f->n - from;
	drop_twins(f->rows + from, &n_level);
	f->n = from + n_level;
	return ERR_TRACE(e);
}

/* -- in the order of due
 * ------------------------------------------------------- */

/* Those of one priority. */
static int
fill_level(struct db *db, struct fill *f, int64_t priority)
{
	struct slice route = destination_route(f->destination);
	uint8_t lane = f->destination->lane;
	struct q_queue_next_due next;
	struct q_queue_due row;
	struct db_rows rows;
	size_t from = f->n;
	int e;

	e = DB_MANY(queue_due, db, &rows, .route = route, .lane = lane,
	    .priority = priority, .now = f->now, .limit = f->limit);
	if (e != 0)
		return ERR_TRACE(e);
	while (f->n < f->limit && (e = q_queue_due_next(&rows, &row)) == 0)
		f->rows[f->n++] = (struct queue_row){ .row = row.row,
			.message = row.message,
			.flow = row.flow,
			.priority = (int8_t)priority };
	db_rows_close(&rows);
	if (e < 0)
		return ERR_TRACE(e);
	if (f->n == f->limit && f->is_probe) {
		f->is_crowded = true;
		return 0;
	}
	if (f->n == f->limit)
		return ERR_TRACE(read_flows(db, f, priority, from));
	e = DB_ONE(queue_next_due, db, &next, .route = route, .lane = lane,
	    .priority = priority, .now = f->now);
	if (e == 0 && next.due >= 0 && next.due < f->next_due)
		f->next_due = next.due;
	return e < 0 ? ERR_TRACE(e) : 0;
}

/* The most urgent first (RFC 6710), and among equals by turns. */
static int
fill_run(struct db *db, struct store_read *r)
{
	struct fill *f = LIST_ENTRY(r, struct fill, read);
	struct q_queue_priority level = { .priority = 10 };
	int e = 0;

	f->next_due = QUEUE_NEVER;
	while (e == 0 && !f->is_crowded) {
		e = DB_ONE(queue_priority, db, &level,
		    .route = destination_route(f->destination),
		    .lane = f->destination->lane, .below = level.priority);
		if (e == 0)
			e = fill_level(db, f, level.priority);
	}
	/* without memory they go in the order they were read in */
	if (e >= 0)
		(void)fair_order(f->rows, f->n);
	return e < 0 ? ERR_TRACE(e) : 0;
}

/* Rows in hand are left out: their results will say when they are due. */
static size_t
drop_in_hand(struct outbound *o, struct queue_row *rows, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (map_get_number(&o->in_hand, rows[i].row) == NULL)
			rows[kept++] = rows[i];
	return kept;
}

static void
fill_done(struct store_read *r, int result)
{
	struct fill *f = LIST_ENTRY(r, struct fill, read);
	struct outbound *o = f->outbound;
	struct destination *d = f->destination;
	size_t n = result == 0 ? drop_in_hand(o, f->rows, f->n) : 0;

	o->n_fills--;
	if (result != 0)
		f->next_due = f->now + OUT_TROUBLE;
	else if (f->is_crowded)
		f->next_due = f->now;
	if (destination_fill_end(&o->destinations, d, f->rows, n, f->next_due) <
	    0)
		destination_row_due(&o->destinations, d, f->now + OUT_TROUBLE);
	/* nobody waits for it: its past is of no interest either */
	if (result == 0 && f->n == 0 && f->next_due == QUEUE_NEVER &&
	    d->in_flight == 0 && d->settling == 0 &&
	    d->least_due == QUEUE_NEVER) {
		destination_back_off(&o->destinations, d, 0, 0);
		(void)destination_forget(&o->destinations, d);
	}
	free(f->rows);
	free(f);
	outbound_pump_soon(o);
}

int
out_fill_start(struct outbound *o, struct destination *d)
{
	struct fill *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return ERR_ORIGIN(-ENOMEM);
	f->is_probe = !d->pace.is_proven;
	f->limit = (f->is_probe ? PROBE_ROWS : QUEUE_WINDOW) +
	    (d->in_flight + d->settling) * OUT_ROWS;
	f->rows = calloc(f->limit, sizeof(*f->rows));
	if (f->rows == NULL) {
		free(f);
		return ERR_ORIGIN(-ENOMEM);
	}
	f->outbound = o;
	f->destination = d;
	f->now = env_wall(o->env);
	f->seed = env_random_u64(o->env);
	f->read.run = fill_run;
	f->read.done = fill_done;
	destination_fill_begin(&o->destinations, d);
	o->n_fills++;
	store_read(o->store, &f->read);
	return 0;
}
