/* SPDX-License-Identifier: ISC */
#include "roles/store/reports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/dns.h"
#include "policy/tls_policy.h"

enum rdomain_state {
	RDOMAIN_UNKNOWN,
	RDOMAIN_ASKED,
	RDOMAIN_UNWANTED,
	RDOMAIN_WANTED
};

struct rrow {
	struct list link;
	struct rdomain *domain;
	int64_t day;
	struct wire_tls_fact fact; /* points into `bytes` */
	uint64_t n;                /* not written yet */
	struct slice key;          /* all of `bytes` */
	uint8_t bytes[];
};

struct rdomain {
	struct list link; /* in reports.list */
	uint64_t number;
	enum rdomain_state state;
	int64_t day; /* when that was learnt */
	char *record;
	struct map rows;
	struct list row_list;
	char name[];
};

struct reports {
	struct store_role *role;
	struct reports_daily *daily;
	struct map domains, numbers;
	struct list list;
	uint64_t last_number;
	struct env_timer timer, tick;
	bool is_waiting, is_writing;
	void (*then)(struct reports *r);
	struct store_write write;
	/* the batch; rows that a failure gives their counts back */
	struct {
		struct rrow *row;
		uint64_t n;
	} batch[REPORTS_BATCH];
	size_t n_batch;
};

struct reports_daily *
reports_daily(struct reports *r)
{
	return r->daily;
}

static int64_t
today(const struct reports *r)
{
	return env_wall(r->role->env) / TIME_DAY;
}

static struct channel *
fetcher_of(const struct reports *r)
{
	LIST_FOREACH (it, &r->role->peer_list) {
		struct peer *p = LIST_ENTRY(it, struct peer, link);

		if (p->c.peer == WIRE_FETCHER && !channel_is_dead(&p->c))
			return &p->c;
	}
	return NULL;
}

/* -- who wants them -------------------------------------------------------- */

static void
rows_free(struct rdomain *d)
{
	struct list *link;

	while ((link = list_take_first(&d->row_list)) != NULL) {
		struct rrow *row = LIST_ENTRY(link, struct rrow, link);

		(void)map_take(&d->rows, row->key);
		free(row);
	}
}

static void
rdomain_free(struct reports *r, struct rdomain *d)
{
	rows_free(d);
	map_deinit(&d->rows);
	(void)map_take(&r->domains, slice_cstr(d->name));
	(void)map_take_number(&r->numbers, d->number);
	list_remove(&d->link);
	free(d->record);
	free(d);
}

static struct rdomain *
rdomain_get(struct reports *r, struct slice name)
{
	struct rdomain *d = map_get(&r->domains, name);
	uint8_t seed[MAP_SEED];

	if (d != NULL || r->domains.n >= REPORTS_DOMAINS || name.len == 0)
		return d;
	d = calloc(1, sizeof(*d) + name.len + 1);
	if (d == NULL)
		return NULL;
	(void)slice_to_cstr(name, d->name, name.len + 1);
	d->number = ++r->last_number;
	list_init(&d->row_list);
	env_random(r->role->env, seed, sizeof(seed));
	map_init(&d->rows, seed);
	list_add_last(&r->list, &d->link);
	if (map_put(&r->domains, slice_cstr(d->name), d) < 0 ||
	    map_put_number(&r->numbers, d->number, d) < 0) {
		rdomain_free(r, d);
		return NULL;
	}
	return d;
}

static void
ask_who_wants(struct reports *r, struct rdomain *d)
{
	struct channel *c = fetcher_of(r);
	struct wire_rua_ask m = { .domain = slice_cstr(d->name) };

	if (c == NULL || d->state != RDOMAIN_UNKNOWN)
		return;
	d->state = RDOMAIN_ASKED;
	(void)wire_send_rua_ask(c, d->number, 0, &m);
}

static void
wait_to_write(struct reports *r)
{
	if (!r->is_waiting && !r->is_writing)
		r->is_waiting = env_timer_set(r->role->env, &r->timer,
				    env_now(r->role->env) + REPORTS_FLUSH) == 0;
}

int
on_rua_answer(struct channel *c, const struct wire_head *h,
    const struct wire_rua_answer *m)
{
	struct reports *r = peer_of(c)->role->reports;
	struct rdomain *d = map_get_number(&r->numbers, h->session);

	if (d == NULL || d->state != RDOMAIN_ASKED)
		return 0;
	d->day = today(r);
	if (!m->is_known) {
		d->state = RDOMAIN_UNKNOWN; /* asked again with the next fact */
		return 0;
	}
	d->state = m->record.len > 0 ? RDOMAIN_WANTED : RDOMAIN_UNWANTED;
	if (d->state == RDOMAIN_UNWANTED) {
		rows_free(d);
		return 0;
	}
	free(d->record);
	d->record = malloc(m->record.len + 1);
	if (d->record == NULL)
		d->state = RDOMAIN_UNKNOWN;
	else
		(void)slice_to_cstr(m->record, d->record, m->record.len + 1);
	wait_to_write(r);
	return 0;
}

void
reports_peer_lost(struct peer *p)
{
	struct reports *r = p->role->reports;

	if (r == NULL || p->c.peer != WIRE_FETCHER)
		return;
	LIST_FOREACH (it, &r->list) {
		struct rdomain *d = LIST_ENTRY(it, struct rdomain, link);

		if (d->state == RDOMAIN_ASKED)
			d->state = RDOMAIN_UNKNOWN;
	}
	reports_fetcher_lost(r->daily);
}

/* -- counting -------------------------------------------------------------- */

static bool
add_part(struct buf *b, struct slice s)
{
	return buf_add(b, s) == BUF_OK && buf_add_byte(b, '\0') == BUF_OK;
}

/* Whatever makes a row another one. */
static bool
make_key(struct buf *b, int64_t day, const struct wire_tls_fact *f)
{
	return buf_add(b, slice_of(&day, sizeof(day))) == BUF_OK &&
	    buf_add_byte(b, f->policy) == BUF_OK &&
	    buf_add_byte(b, f->result) == BUF_OK && add_part(b, f->lines) &&
	    add_part(b, f->mx) && add_part(b, f->remote) &&
	    add_part(b, f->local) && add_part(b, f->info);
}

static struct slice
place(const uint8_t **at, struct slice s)
{
	struct slice got = slice_of(*at, s.len);

	*at += s.len + 1;
	return got;
}

static struct rrow *
row_new(struct rdomain *d, int64_t day, const struct wire_tls_fact *f,
    struct slice key)
{
	struct rrow *row = calloc(1, sizeof(*row) + key.len);
	const uint8_t *at;

	if (row == NULL)
		return NULL;
	memcpy(row->bytes, key.at, key.len);
	at = row->bytes + sizeof(day) + 2;
	row->domain = d;
	row->day = day;
	row->key = slice_of(row->bytes, key.len);
	row->fact =
	    (struct wire_tls_fact){ .policy = f->policy, .result = f->result };
	row->fact.lines = place(&at, f->lines);
	row->fact.mx = place(&at, f->mx);
	row->fact.remote = place(&at, f->remote);
	row->fact.local = place(&at, f->local);
	row->fact.info = place(&at, f->info);
	if (map_put(&d->rows, row->key, row) < 0) {
		free(row);
		return NULL;
	}
	list_add_last(&d->row_list, &row->link);
	return row;
}

static void
count_one(struct reports *r, const struct wire_tls_fact *f)
{
	struct rdomain *d = rdomain_get(r, f->domain);
	struct rrow *row;
	struct buf key;

	if (d == NULL || d->state == RDOMAIN_UNWANTED ||
	    f->policy > TLS_POLICY_TLSA ||
	    f->result > TLS_RESULT_STS_WEBPKI_INVALID)
		return;
	buf_init(&key, LIMIT_FRAME);
	if (make_key(&key, today(r), f)) {
		row = map_get(&d->rows, buf_slice(&key));
		if (row == NULL && d->rows.n < REPORTS_ROWS)
			row = row_new(d, today(r), f, buf_slice(&key));
		if (row != NULL)
			row->n++;
	}
	buf_deinit(&key);
	ask_who_wants(r, d);
	if (d->state == RDOMAIN_WANTED)
		wait_to_write(r);
}

void
reports_count(struct store_role *s, const struct wire_attempt_result *m)
{
	struct wire_list rows = m->tls_facts;
	struct wire_tls_fact f;

	if (s->reports == NULL || !s->settings->reports_tls)
		return;
	while (wire_tls_fact_next(&rows, &f))
		count_one(s->reports, &f);
}

/* -- writing behind -------------------------------------------------------- */

static int
write_row(struct db *db, const struct rrow *row, uint64_t n)
{
	struct slice domain = slice_cstr(row->domain->name);
	const struct wire_tls_fact *f = &row->fact;
	struct q_tls_count_rows count;
	int r = DB_EXEC(tls_count_more, db, .day = row->day, .domain = domain,
	    .kind = f->policy, .result = f->result, .lines = f->lines,
	    .mx = f->mx, .local = f->local, .remote = f->remote,
	    .info = f->info, .n = n);

	if (r != 0 || db_changed(db) > 0)
		return ERR_TRACE(r);
	r = DB_ONE(tls_count_rows, db, &count, .day = row->day,
	    .domain = domain);
	if (r != 0 || count.n >= REPORTS_DAY_ROWS)
		return ERR_TRACE(r); /* so many different ones: left out */
	return ERR_TRACE(DB_EXEC(tls_count_put, db, .day = row->day,
	    .domain = domain, .kind = f->policy, .result = f->result,
	    .lines = f->lines, .mx = f->mx, .local = f->local,
	    .remote = f->remote, .info = f->info, .n = n));
}

static int
apply_batch(struct db *db, struct store_write *w)
{
	struct reports *r = LIST_ENTRY(w, struct reports, write);
	const struct rdomain *last = NULL;
	int result = 0;

	for (size_t i = 0; result == 0 && i < r->n_batch; i++) {
		const struct rrow *row = r->batch[i].row;

		if (row->domain != last)
			result = DB_EXEC(tls_wish_put, db,
			    .domain = slice_cstr(row->domain->name),
			    .record = slice_cstr(row->domain->record),
			    .seen = row->day);
		last = row->domain;
		if (result == 0)
			result = write_row(db, row, r->batch[i].n);
	}
	return ERR_TRACE(result);
}

static void start_writing(struct reports *r);

static void
done_batch(struct store_write *w, int result)
{
	struct reports *r = LIST_ENTRY(w, struct reports, write);
	void (*then)(struct reports *) = r->then;
	bool is_full = r->n_batch == REPORTS_BATCH;

	r->is_writing = false;
	for (size_t i = 0; i < r->n_batch; i++) {
		struct rrow *row = r->batch[i].row;

		if (result == 0)
			row->n -= r->batch[i].n;
		if (row->n == 0) {
			(void)map_take(&row->domain->rows, row->key);
			list_remove(&row->link);
			free(row);
		}
	}
	r->n_batch = 0;
	if (result == 0 && is_full) {
		start_writing(r);
		return;
	}
	if (result != 0 && !r->role->is_stopping)
		wait_to_write(r);
	r->then = NULL;
	if (then != NULL)
		then(r);
}

static void
gather(struct reports *r)
{
	LIST_FOREACH (it, &r->list) {
		struct rdomain *d = LIST_ENTRY(it, struct rdomain, link);

		if (d->state != RDOMAIN_WANTED)
			continue;
		LIST_FOREACH (at, &d->row_list) {
			struct rrow *row = LIST_ENTRY(at, struct rrow, link);

			if (r->n_batch == REPORTS_BATCH)
				return;
			r->batch[r->n_batch].row = row;
			r->batch[r->n_batch++].n = row->n;
		}
	}
}

static void
start_writing(struct reports *r)
{
	void (*then)(struct reports *) = r->then;

	gather(r);
	if (r->n_batch == 0) {
		r->then = NULL;
		if (then != NULL)
			then(r);
		return;
	}
	r->is_writing = true;
	r->write = (struct store_write){ .lane = STORE_LANE_BULK,
		.apply = apply_batch,
		.done = done_batch };
	store_submit(r->role->store, &r->write);
}

void
reports_flush(struct reports *r, void (*then)(struct reports *r))
{
	if (then != NULL)
		r->then = then;
	if (r->is_writing)
		return; /* `then` comes behind what is under way */
	env_timer_stop(r->role->env, &r->timer);
	r->is_waiting = false;
	start_writing(r);
}

static void
on_timer(struct env_timer *t)
{
	struct reports *r = LIST_ENTRY(t, struct reports, timer);

	r->is_waiting = false;
	reports_flush(r, NULL);
}

/* -- life ------------------------------------------------------------------ */

/* What was learnt on another day is asked anew; rows in a batch must stay. */
static void
forget_yesterday(struct reports *r)
{
	if (r->is_writing)
		return;
	LIST_FOREACH_SAFE (it, tmp, &r->list) {
		struct rdomain *d = LIST_ENTRY(it, struct rdomain, link);

		if (d->day != today(r) && list_is_empty(&d->row_list))
			rdomain_free(r, d);
	}
}

static void
on_tick(struct env_timer *t)
{
	struct reports *r = LIST_ENTRY(t, struct reports, tick);

	(void)env_timer_set(r->role->env, t,
	    env_now(r->role->env) + REPORTS_TICK);
	forget_yesterday(r);
	if (r->role->settings->reports_tls)
		reports_daily_look(r->daily, false);
}

int
reports_new(struct store_role *s)
{
	struct reports *r = calloc(1, sizeof(*r));
	uint8_t seed[MAP_SEED];
	int result;

	if (r == NULL)
		return ERR_ORIGIN(-ENOMEM);
	r->role = s;
	list_init(&r->list);
	env_random(s->env, seed, sizeof(seed));
	map_init(&r->domains, seed);
	map_init(&r->numbers, seed);
	r->timer.fire = on_timer;
	r->tick.fire = on_tick;
	result = reports_daily_new(s, &r->daily);
	if (result < 0) {
		free(r);
		return ERR_TRACE(result);
	}
	s->reports = r;
	return 0;
}

void
reports_start(struct store_role *s)
{
	(void)env_timer_set(s->env, &s->reports->tick,
	    env_now(s->env) + REPORTS_TICK);
}

void
reports_stop(struct store_role *s)
{
	if (s->reports == NULL)
		return;
	env_timer_stop(s->env, &s->reports->tick);
	reports_flush(s->reports, NULL);
}

void
reports_free(struct store_role *s)
{
	struct reports *r = s->reports;

	if (r == NULL)
		return;
	while (!list_is_empty(&r->list))
		rdomain_free(r, LIST_ENTRY(r->list.next, struct rdomain, link));
	map_deinit(&r->domains);
	map_deinit(&r->numbers);
	env_timer_stop(s->env, &r->timer);
	env_timer_stop(s->env, &r->tick);
	reports_daily_free(r->daily);
	free(r);
	s->reports = NULL;
}
