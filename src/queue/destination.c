/* SPDX-License-Identifier: ISC */
#include "queue/destination.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"

enum {
	SETTLING = 10 /* results to be written, for each attempt at a time */
};

/* Whose turn it is: a person's mail twice as often as the others. */
static const uint8_t turns[] = { 0, 2, 0, 1 };
enum {
	N_TURNS = sizeof(turns)
};

void
destinations_init(struct destinations *s, const uint8_t seed[MAP_SEED],
    uint32_t concurrency)
{
	*s = (struct destinations){ .concurrency = concurrency,
		.most_probes = UINT32_MAX };
	list_init(&s->parked);
	map_init(&s->by_key, seed);
	map_init(&s->hosts, seed);
}

static void
destination_free(struct destination *d)
{
	free(d->window);
	free(d);
}

void
destinations_deinit(struct destinations *s)
{
	struct destination *d;
	size_t at = 0;

	while ((d = map_next(&s->by_key, &at)) != NULL) {
		if (d->hosts != NULL)
			hosts_leave(&s->hosts, d->hosts);
		destination_free(d);
	}
	map_deinit(&s->by_key);
	map_deinit(&s->hosts);
	for (size_t i = 0; i < QUEUE_LANES; i++)
		free(s->lanes[i].heap);
}

/* -- the heap of one lane
 * ------------------------------------------------------ */

static void
heap_put(struct destinations *s, struct destination *d, size_t i)
{
	s->lanes[d->lane].heap[i] = d;
	d->heap_at = i;
}

static void
heap_sift(struct destinations *s, struct destination *d, size_t i)
{
	struct destination **heap = s->lanes[d->lane].heap;
	size_t n = s->lanes[d->lane].n, child;

	for (; i > 1 && heap[i / 2]->ready_at > d->ready_at; i /= 2)
		heap_put(s, heap[i / 2], i);
	for (; (child = 2 * i) <= n; i = child) {
		if (child < n &&
		    heap[child + 1]->ready_at < heap[child]->ready_at)
			child++;
		if (heap[child]->ready_at >= d->ready_at)
			break;
		heap_put(s, heap[child], i);
	}
	heap_put(s, d, i);
}

static void
heap_remove(struct destinations *s, struct destination *d)
{
	size_t at = d->heap_at;
	struct destination *last;

	if (at == 0)
		return;
	last = s->lanes[d->lane].heap[s->lanes[d->lane].n--];
	d->heap_at = 0;
	if (last != d)
		heap_sift(s, last, at);
}

/* Places were made when the destination was: this cannot fail. */
static void
heap_add(struct destinations *s, struct destination *d)
{
	heap_sift(s, d, ++s->lanes[d->lane].n);
}

static int
heap_make_room(struct destinations *s, uint8_t lane)
{
	size_t need = s->by_key.n + 2, size = s->lanes[lane].size;
	struct destination **heap;

	if (need <= size)
		return 0;
	size = size < 16 ? 16 : 2 * size;
	if (size < need)
		size = need;
	heap = reallocarray(s->lanes[lane].heap, size, sizeof(*heap));
	if (heap == NULL)
		return ERR_ORIGIN(-ENOMEM);
	s->lanes[lane].heap = heap;
	s->lanes[lane].size = size;
	return 0;
}

/* -- destinations
 * ---------------------------------------------------------------- */

/* A host that failed is probed by one attempt at a time. */
static uint32_t
concurrency_of(const struct destination *d)
{
	return d->failures > 0 ? 1 : pace_concurrency(&d->pace, &d->limits);
}

static void
unpark(struct destination *d)
{
	if (!d->is_parked)
		return;
	list_remove(&d->parked);
	d->is_parked = false;
}

/* Before that time its hosts, or what it may itself, permit none. */
static int64_t
paced(const struct destination *d)
{
	int64_t own = pace_ready(&d->pace, &d->limits);
	int64_t all = d->hosts == NULL ? 0 : hosts_ready(d->hosts, &d->limits);

	return own > all ? own : all;
}

/* The one place that decides when a destination is ready. */
static void
place(struct destinations *s, struct destination *d)
{
	int64_t ready =
	    destination_window_is_empty(d) ? d->least_due : d->turn_at;

	if (ready < d->retry_at)
		ready = d->retry_at;
	if (ready < paced(d))
		ready = paced(d);
	heap_remove(s, d);
	unpark(d);
	if (d->is_filling || d->in_flight >= concurrency_of(d) ||
	    d->settling >= SETTLING * concurrency_of(d) ||
	    (destination_window_is_empty(d) && d->least_due == QUEUE_NEVER))
		return;
	d->ready_at = ready;
	heap_add(s, d);
}

struct slice
destination_route(const struct destination *d)
{
	return slice_of(d->key + 1, d->key_len - 1);
}

static bool
make_key(struct slice route, uint8_t lane, uint8_t key[QUEUE_ROUTE_MAX + 1])
{
	if (route.len == 0 || route.len > QUEUE_ROUTE_MAX ||
	    lane >= QUEUE_LANES)
		return false;
	key[0] = lane;
	memcpy(key + 1, route.at, route.len);
	return true;
}

struct destination *
destination_find(const struct destinations *s, struct slice route, uint8_t lane)
{
	uint8_t key[QUEUE_ROUTE_MAX + 1];

	if (!make_key(route, lane, key))
		return NULL;
	return map_get(&s->by_key, slice_of(key, route.len + 1));
}

int
destination_get(struct destinations *s, struct slice route, uint8_t lane,
    struct destination **ret)
{
	struct destination *d = destination_find(s, route, lane);
	int r;

	if (d != NULL) {
		*ret = d;
		return 0;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_ORIGIN(-ENOMEM);
	if (!make_key(route, lane, d->key)) {
		free(d);
		return ERR_ORIGIN(-EINVAL);
	}
	d->lane = lane;
	d->limits = (struct pace_limits){ s->concurrency, 0, 1, 0 };
	pace_init(&d->pace);
	d->key_len = route.len + 1;
	d->least_due = QUEUE_NEVER;
	r = heap_make_room(s, lane);
	if (r == 0)
		r = map_put(&s->by_key, slice_of(d->key, d->key_len), d);
	if (r < 0) {
		free(d);
		return ERR_TRACE(r);
	}
	*ret = d;
	return 0;
}

/* -- probes: room for those who are known to take mail
 * -------------------------------- */

void
destinations_probes(struct destinations *s, uint32_t most)
{
	s->most_probes = most == 0 ? 1 : most;
	while (!list_is_empty(&s->parked))
		place(s,
		    LIST_ENTRY(s->parked.next, struct destination, parked));
}

/* n places are free: so many of those who wait for one come back. */
static void
probes_less(struct destinations *s, uint32_t n)
{
	assert(s->n_probes >= n);
	s->n_probes -= n;
	for (; n > 0 && !list_is_empty(&s->parked); n--)
		place(s,
		    LIST_ENTRY(s->parked.next, struct destination, parked));
}

static void wake_hosts(struct destinations *s, struct hosts *h);

static void
prove(struct destinations *s, struct destination *d, bool is_proven)
{
	if (d->pace.is_proven == is_proven)
		return;
	d->pace.is_proven = is_proven;
	if (is_proven) {
		probes_less(s, d->in_flight);
	} else {
		pace_init(&d->pace);
		s->n_probes += d->in_flight;
	}
}

/* -- hosts that are shared
 * ------------------------------------------------------ */

/* There is, or may be, room: one of each lane looks. Whoever takes it wakes the
 * next. */
static void
wake_hosts(struct destinations *s, struct hosts *h)
{
	for (int i = 0; h != NULL && i < HOSTS_LANES; i++) {
		struct destination *d = NULL;

		while (!list_is_empty(&h->waiting[i]) &&
		    (d == NULL || d->heap_at == 0 || d->ready_at > s->now)) {
			d = LIST_ENTRY(h->waiting[i].next, struct destination,
			    parked);
			place(s, d);
		}
	}
}

uint64_t
destination_hosts(const struct destination *d)
{
	return d->hosts == NULL ? 0 : d->hosts->key;
}

static void
part(struct destinations *s, struct destination *d)
{
	struct hosts *h = d->hosts;

	if (h == NULL)
		return;
	unpark(d);
	d->hosts = NULL;
	h->in_flight -= d->in_flight;
	wake_hosts(s, h);
	hosts_leave(&s->hosts, h);
}

/* The attempt that asks has been counted as the destination's already. One that
 * began before its hosts were known, and asks when another one has told them,
 * may be too many as well. */
bool
destination_share(struct destinations *s, struct destination *d, uint64_t hosts)
{
	struct hosts *h;
	bool may = true;

	if (hosts == destination_hosts(d))
		return d->hosts == NULL ||
		    d->hosts->in_flight <=
		    hosts_concurrency(d->hosts, &d->limits);
	part(s, d);
	h = hosts_join(&s->hosts, hosts);
	if (h != NULL) { /* else it goes without */
		may = h->in_flight + d->in_flight <=
			hosts_concurrency(h, &d->limits) &&
		    hosts_ready(h, &d->limits) <= s->now;
		d->hosts = h;
		h->in_flight += d->in_flight;
		if (may)
			hosts_on_start(h, &d->limits, s->now);
	}
	place(s, d);
	return may;
}

bool
destination_forget(struct destinations *s, struct destination *d)
{
	if (d->in_flight > 0 || d->settling > 0 || d->is_filling ||
	    d->failures > 0 || !destination_window_is_empty(d) ||
	    d->least_due != QUEUE_NEVER ||
	    pace_is_worth_keeping(&d->pace, s->now))
		return false;
	heap_remove(s, d);
	unpark(d);
	if (d->hosts != NULL)
		hosts_leave(&s->hosts, d->hosts);
	(void)map_take(&s->by_key, slice_of(d->key, d->key_len));
	destination_free(d);
	return true;
}

void
destination_row_due(struct destinations *s, struct destination *d, int64_t due)
{
	if (due >= d->least_due)
		return;
	d->least_due = due;
	place(s, d);
}

void
destination_back_off(struct destinations *s, struct destination *d,
    uint32_t failures, int64_t retry_at)
{
	d->failures = failures;
	d->n_soon = 0;
	d->retry_at = retry_at;
	if (failures > 0)
		prove(s, d, false);
	place(s, d);
	wake_hosts(s, d->hosts);
}

void
destination_put_off(struct destinations *s, struct destination *d,
    uint32_t failures, int64_t retry_at)
{
	d->failures = failures;
	d->n_soon++;
	d->retry_at = retry_at;
	place(s, d);
	wake_hosts(s, d->hosts);
}

void
destination_forgive(struct destinations *s, struct destination *d)
{
	d->pace.pause = 0;
	d->pace.learnt = 0;
	destination_back_off(s, d, 0, 0);
}

void
destination_limits(struct destinations *s, struct destination *d,
    const struct pace_limits *l)
{
	if (d->limits.most == l->most && d->limits.rate == l->rate &&
	    d->limits.burst == l->burst &&
	    d->limits.most_shared == l->most_shared)
		return;
	d->limits = *l;
	place(s, d);
}

void
destination_taken(struct destinations *s, struct destination *d, int64_t now)
{
	prove(s, d, true);
	pace_on_taken(&d->pace, &d->limits, now);
	if (d->hosts != NULL)
		hosts_on_taken(d->hosts, &d->limits, now);
	place(s, d);
	wake_hosts(s, d->hosts);
}

void
destination_taken_slowly(struct destinations *s, struct destination *d,
    int64_t now)
{
	prove(s, d, true);
	pace_on_slow(&d->pace, now);
	place(s, d);
}

void
destination_pressed(struct destinations *s, struct destination *d,
    enum pace_pressure what, int64_t now)
{
	pace_on_pressure(&d->pace, what, d->in_flight, now);
	if (d->hosts != NULL && d->hosts->n_members > 1)
		hosts_on_pressure(d->hosts, what, now);
	place(s, d);
}

void
destination_refresh(struct destinations *s, struct destination *d)
{
	d->n_window = d->window_at = 0;
	d->is_stale = false;
	d->least_due = 0;
	place(s, d);
}

void
destination_urgent(struct destinations *s, struct destination *d,
    int8_t priority)
{
	if (d->window_at < d->n_window &&
	    d->window[d->window_at].priority < priority)
		destination_refresh(s, d);
}

enum {
	FEW = 20 /* rows in a window: it is not worth while for them */
};

void
destination_came(struct destinations *s, struct destination *d, int64_t flow)
{
	(void)s;
	if (d->is_stale || d->n_window - d->window_at < FEW)
		return;
	for (size_t i = d->window_at; i < d->n_window; i++)
		if (d->window[i].flow == flow)
			return;
	d->is_stale = true;
}

/* With few in front of it, and none outside, its turn is near anyway. All rows
 * of a message go together, in one transaction if they can. */
static bool
may_give(const struct destination *d, const struct queue_row *row, int64_t now)
{
	size_t n = d->n_window - d->window_at;
	const struct queue_row *last;

	if (d->is_filling || d->failures > 0 || d->retry_at > now ||
	    d->least_due <= now)
		return false;
	if (n == 0)
		return true;
	last = &d->window[d->n_window - 1];
	return last->priority >= row->priority &&
	    (n < FEW ||
		(n < QUEUE_WINDOW && id_equal(&last->message, &row->message)));
}

bool
destination_give(struct destinations *s, struct destination *d,
    const struct queue_row *row, int64_t now)
{
	size_t n = d->n_window - d->window_at;
	struct queue_row *window;

	if (!may_give(d, row, now))
		return false;
	if (d->window_at > 0)
		memmove(d->window, d->window + d->window_at,
		    n * sizeof(*d->window));
	d->window_at = 0;
	d->n_window = n;
	window = reallocarray(d->window, n + 1, sizeof(*window));
	if (window == NULL)
		return false;
	d->window = window;
	d->window[d->n_window++] = *row;
	if (n == 0) {
		d->has_given = d->is_stale = false;
		d->filled_at = d->turn_at = now;
	}
	place(s, d);
	return true;
}

bool
destination_window_is_empty(const struct destination *d)
{
	return d->window_at == d->n_window;
}

/* -- what is next
 * ---------------------------------------------------------------- */

/* In time: d stays where it is, for its window would have had its turn. */
static void
renew(struct destinations *s, struct destination *d, int64_t now)
{
	if (d->is_stale &&
	    (now < d->filled_at || now - d->filled_at >= QUEUE_STALE_TIME)) {
		destination_refresh(s, d);
		d->least_due = d->turn_at;
		place(s, d);
	}
}

/* The first of a lane whose time has come and for whom there is room. */
static struct destination *
first_of(struct destinations *s, uint8_t lane, int64_t now)
{
	struct destination *d;

	while (s->lanes[lane].n > 0 &&
	    (d = s->lanes[lane].heap[1])->ready_at <= now) {
		if (d->hosts != NULL && paced(d) > now) {
			place(s, d); /* others have been there meanwhile */
			continue;
		}
		if (d->hosts != NULL &&
		    !hosts_have_room(d->hosts, &d->limits)) {
			heap_remove(s, d);
			list_add_last(&d->hosts->waiting[lane], &d->parked);
			d->is_parked = true;
			continue;
		}
		if (d->pace.is_proven || s->n_probes < s->most_probes) {
			renew(s, d, now);
			return d;
		}
		heap_remove(s, d);
		list_add_last(&s->parked, &d->parked);
		d->is_parked = true;
		wake_hosts(s, d->hosts); /* others of them may be known */
	}
	return NULL;
}

/* The wall clock was set back: nobody waits until it is there again for having
 * had his turn. */
static void
turn_back(struct destinations *s, int64_t now)
{
	struct destination *d;
	size_t at = 0;

	while ((d = map_next(&s->by_key, &at)) != NULL) {
		pace_turn_back(&d->pace, now);
		if (d->hosts != NULL)
			pace_turn_back(&d->hosts->pace, now);
		if (d->turn_at > now)
			d->turn_at = now;
		if (d->heap_at != 0)
			place(s, d);
	}
}

struct destination *
destinations_next(struct destinations *s, int64_t now)
{
	struct destination *d;

	if (now < s->now - TIME_SECOND)
		turn_back(s, now);
	s->now = now;
	for (unsigned i = 0; i < N_TURNS; i++) {
		uint8_t lane = turns[(s->turn + i) % N_TURNS];

		d = first_of(s, lane, now);
		if (d == NULL)
			continue;
		s->turn = (s->turn + i + 1) % N_TURNS;
		return d;
	}
	return NULL;
}

int64_t
destinations_ready_at(const struct destinations *s)
{
	int64_t least = QUEUE_NEVER;

	for (size_t i = 0; i < QUEUE_LANES; i++)
		if (s->lanes[i].n > 0 && s->lanes[i].heap[1]->ready_at < least)
			least = s->lanes[i].heap[1]->ready_at;
	return least;
}

void
destination_fill_begin(struct destinations *s, struct destination *d)
{
	assert(!d->is_filling && destination_window_is_empty(d));
	d->is_filling = true;
	d->is_stale = false;
	d->filled_at = s->now;
	d->turn_at = d->least_due < s->now ? d->least_due : s->now;
	d->least_due = QUEUE_NEVER; /* what comes from now on is noted anew */
	place(s, d);
	wake_hosts(s, d->hosts);
}

int
destination_fill_end(struct destinations *s, struct destination *d,
    const struct queue_row *rows, size_t n, int64_t next_due)
{
	int r = 0;

	assert(d->is_filling);
	if (n > QUEUE_WINDOW) {
		n = QUEUE_WINDOW; /* the others are for the next one */
		if (next_due > s->now)
			next_due = s->now;
	}
	d->is_filling = d->has_given = false;
	free(d->window);
	d->window = NULL;
	d->n_window = d->window_at = 0;
	if (n > 0) {
		d->window = calloc(n, sizeof(*rows));
		if (d->window == NULL) {
			r = ERR_ORIGIN(-ENOMEM);
		} else {
			memcpy(d->window, rows, n * sizeof(*rows));
			d->n_window = n;
		}
	}
	if (next_due < d->least_due)
		d->least_due = next_due;
	place(s, d);
	return r;
}

const struct queue_row *
destination_first(const struct destination *d)
{
	return destination_window_is_empty(d) ? NULL : &d->window[d->window_at];
}

/* When of a whole window nothing may go, there may still be others behind it;
 * but they are not looked for again and again. */
void
destination_defer(struct destinations *s, struct destination *d, int64_t flow,
    int64_t until)
{
	size_t kept = d->window_at;

	for (size_t i = d->window_at; i < d->n_window; i++)
		if (d->window[i].flow != flow)
			d->window[kept++] = d->window[i];
	d->n_window = kept;
	d->is_deferred = true;
	if (destination_window_is_empty(d) && !d->has_given &&
	    d->least_due <= s->now)
		d->least_due = s->now + TIME_SECOND;
	if (until < d->least_due)
		d->least_due = until;
	place(s, d);
	wake_hosts(s, d->hosts);
}

void
destinations_undefer(struct destinations *s)
{
	struct destination *d;
	size_t at = 0;

	while ((d = map_next(&s->by_key, &at)) != NULL) {
		if (!d->is_deferred)
			continue;
		d->is_deferred = false;
		d->least_due = 0;
		place(s, d);
	}
}

/* Rows of one message stand near each other, as they were made together; the
 * order of the others is kept. */
size_t
destination_take(struct destinations *s, struct destination *d,
    struct queue_row *ret_rows, size_t max)
{
	size_t n = 0, kept = d->window_at;
	struct id message;

	if (destination_window_is_empty(d) || max == 0)
		return 0;
	message = d->window[d->window_at].message;
	for (size_t i = d->window_at; i < d->n_window; i++)
		if (n < max && id_equal(&d->window[i].message, &message))
			ret_rows[n++] = d->window[i];
		else
			d->window[kept++] = d->window[i];
	d->n_window = kept;
	if (destination_window_is_empty(d)) {
		free(d->window);
		d->window = NULL;
		d->n_window = d->window_at = 0;
	}
	d->in_flight++;
	d->has_given = true;
	d->turn_at = s->now; /* behind all whose time has come before */
	if (!d->pace.is_proven)
		s->n_probes++;
	pace_on_start(&d->pace, &d->limits, s->now);
	if (d->hosts != NULL) {
		d->hosts->in_flight++;
		hosts_on_start(d->hosts, &d->limits, s->now);
	}
	place(s, d);
	if (d->hosts != NULL && hosts_have_room(d->hosts, &d->limits))
		wake_hosts(s, d->hosts);
	return n;
}

static void
leave_flight(struct destinations *s, struct destination *d)
{
	assert(d->in_flight > 0);
	d->in_flight--;
	if (!d->pace.is_proven)
		probes_less(s, 1);
	if (d->hosts != NULL)
		d->hosts->in_flight--;
}

void
destination_done(struct destinations *s, struct destination *d)
{
	leave_flight(s, d);
	place(s, d);
	wake_hosts(s, d->hosts);
}

void
destination_settle(struct destinations *s, struct destination *d)
{
	leave_flight(s, d);
	d->settling++;
	place(s, d);
	wake_hosts(s, d->hosts);
}

void
destination_settled(struct destinations *s, struct destination *d)
{
	assert(d->settling > 0);
	d->settling--;
	place(s, d);
}
