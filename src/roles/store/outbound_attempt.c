/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_attempt - ATTEMPT, from the choice of its rows
 *
 *   start ─read rows and message─▶ sent ─ATTEMPT_RESULT─▶ write ─▶ gone
 *
 * Rows are checked when they are read: one that went, was held or put off
 * since the window was filled is left out. The body is in outbound_body.c, the
 * result in outbound_result.c.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "mail/summary.h"
#include "policy/canon.h"
#include "policy/srs.h"

enum {
	ATTEMPT_ARENA = 512 * 1024
};

/* -- the end -------------------------------------------------------------- */

/* The rows are nobody's any more; due: when they are to be tried again. */
void
out_attempt_release(struct out_attempt *a, size_t i, int64_t due)
{
	struct outbound *o = a->outbound;

	(void)map_take_number(&o->in_hand, a->rcpts[i].row);
	if (due != QUEUE_NEVER)
		destination_row_due(&o->destinations, a->destination, due);
}

void
out_attempt_free(struct out_attempt *a)
{
	struct outbound *o = a->outbound;

	out_body_forget(a);
	env_timer_stop(o->env, &a->lease);
	(void)map_take_number(&o->attempts, a->number);
	if (a->is_settling) {
		destination_settled(&o->destinations, a->destination);
	} else {
		if (a->courier != NULL)
			a->courier->in_hand--;
		destination_done(&o->destinations, a->destination);
	}
	arena_reset(&a->arena);
	free(a);
	outbound_pump_soon(o);
}

void
out_attempt_settle(struct out_attempt *a)
{
	a->is_settling = true;
	a->courier->in_hand--;
	destination_settle(&a->outbound->destinations, a->destination);
	outbound_pump_soon(a->outbound);
}

void
out_attempt_return(struct out_attempt *a)
{
	int64_t now = env_wall(a->outbound->env);

	out_throttles_give_back(a);
	out_warmups_give_back(a);
	for (size_t i = 0; i < a->n_rcpts; i++)
		out_attempt_release(a, i, now);
	out_attempt_free(a);
}

/* -- reading what is to be sent ------------------------------------------- */

struct load {
	struct store_read read;
	struct outbound *outbound;
	uint64_t number;
	struct id message;
	int64_t now;
	uint64_t rows[OUT_ROWS];
	size_t n;
	struct arena arena; /* becomes the attempt's */
	/* results */
	struct out_rcpt rcpts[OUT_ROWS];
	int64_t due[OUT_ROWS]; /* of those that may not be sent now */
	bool is_ready[OUT_ROWS], is_moved[OUT_ROWS];
	struct wire_attempt message_fields; /* slices in the arena */
	struct slice sender; /* of the first row; a list's is another */
	struct slice domains[OUT_ROWS];
	bool has_row;
	uint32_t attempts;
};

static int
load_row(struct load *l, size_t i, struct q_queue_row row)
{
	struct slice local, domain;

	if (row.state != 0 || row.hold || !id_equal(&row.message, &l->message))
		return 0;
	if (row.due > l->now) {
		l->due[i] = row.due;
		return 0;
	}
	if (l->has_row && !slice_equal(row.sender, l->sender)) {
		l->due[i] = l->now; /* the next attempt's */
		return 0;
	}
	if (!l->has_row && !arena_copy(&l->arena, row.sender, &l->sender))
		return ERR_ORIGIN(-ENOMEM);
	l->has_row = true;
	l->rcpts[i] = (struct out_rcpt){ .row = l->rows[i],
		.notify = row.notify,
		.rrvs = row.rrvs,
		.rrvs_continue = row.rrvs_continue,
		.attempts = row.attempts };
	if (row.via.len > 0) /* an admin has redirected it */
		domain = row.via;
	else if (!canon_split(row.rcpt_canon, &local, &domain))
		domain = (struct slice){ 0 };
	if (domain.len > 0 && !arena_copy(&l->arena, domain, &l->domains[i]))
		return ERR_ORIGIN(-ENOMEM);
	/* RFC 5890: where only the domain is not ASCII, its A-labels say the
	 * same to a host that knows no SMTPUTF8 */
	if (!slice_is_ascii(row.rcpt) && slice_is_ascii(row.rcpt_canon))
		row.rcpt = row.rcpt_canon;
	if (!arena_copy(&l->arena, row.rcpt, &l->rcpts[i].address) ||
	    !arena_copy(&l->arena, row.orcpt, &l->rcpts[i].orcpt))
		return ERR_ORIGIN(-ENOMEM);
	if (row.attempts > l->attempts)
		l->attempts = row.attempts;
	l->is_ready[i] = true;
	return 0;
}

/* Behind a mailing list nothing of what the sender asked for goes on (RFC 3461,
 * 5.2.7.1): its mail has a sender of the list's, and no rewritten one. */
static bool
is_by_list(const struct load *l, const struct q_message_place *p)
{
	struct slice local, domain;

	return !slice_equal(l->sender, p->sender) &&
	    canon_split(l->sender, &local, &domain) && !srs_is_form(local);
}

static int
load_message(struct load *l, const struct q_message_place *p)
{
	struct wire_attempt *m = &l->message_fields;

	if (p->relay_from > p->stored_len)
		return ERR_ORIGIN(-EBADMSG);
	*m = (struct wire_attempt){ .message = l->message,
		.size = p->stored_len - p->relay_from,
		.is_8bit = p->is_8bit,
		.ret = p->ret,
		.is_binary = p->is_binary,
		.is_smtputf8 = p->is_smtputf8,
		.requires_tls = p->requires_tls,
		/* RFC 8460, 3: a report is not held up by what it is about */
		.is_report = p->is_report,
		.tls_optional = p->is_report ||
		    (!p->requires_tls &&
			(p->attributes & SUMMARY_TLS_OPTIONAL) != 0),
		.deliver_by = p->deliver_by,
		.by_mode = p->by_mode,
		.by_trace = p->by_trace,
		.priority = p->priority };
	m->sender = l->sender;
	if (is_by_list(l, p))
		m->ret = 0;
	else if (!arena_copy(&l->arena, p->envid, &m->envid))
		return ERR_ORIGIN(-ENOMEM);
	return 0;
}

static int
read_row(struct db *db, struct load *l, size_t i)
{
	struct q_queue_row row;
	int e = DB_ONE(queue_row, db, &row, .row = l->rows[i]);

	l->due[i] = QUEUE_NEVER;
	if (e != 0)
		return e == DB_NONE ? 0 : ERR_TRACE(e);
	return ERR_TRACE(load_row(l, i, row));
}

static int
load_run(struct db *db, struct store_read *r)
{
	struct load *l = LIST_ENTRY(r, struct load, read);
	struct q_message_place place;
	struct slice body = { 0 };
	int e = 0;

	for (size_t i = 0; e == 0 && i < l->n; i++)
		e = read_row(db, l, i);
	/* whose rows have all gone meanwhile may itself be no more */
	if (e != 0 || !l->has_row)
		return ERR_TRACE(e);
	e = DB_ONE(message_place, db, &place, .id = l->message);
	if (e != 0)
		return e == DB_NONE ? ERR_ORIGIN(-ENOENT) : ERR_TRACE(e);
	body = out_body_with(l->read.store, &place, &l->arena);
	e = load_message(l, &place);
	l->message_fields.body = body;
	return ERR_TRACE(e);
}

/* Only what may be sent stays with the attempt. */
static void
keep_ready(struct out_attempt *a, const struct load *l, int64_t otherwise)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		a->rcpts[i].row = l->rows[i];
		if (otherwise == QUEUE_NEVER && l->is_ready[i]) {
			a->rcpts[kept++] = l->rcpts[i];
			continue;
		}
		if (otherwise == QUEUE_NEVER && l->is_moved[i])
			continue; /* in the hand of its move */
		out_attempt_release(a, i,
		    otherwise == QUEUE_NEVER ? l->due[i] : otherwise);
	}
	a->n_rcpts = kept;
}

/* The courier has lost it, or had no memory to say what became of it. */
static void
on_lease_over(struct env_timer *t)
{
	struct out_attempt *a = LIST_ENTRY(t, struct out_attempt, lease);

	env_log(a->outbound->env, ENV_WARN, "attempt-lost", "rows=%zu",
	    a->n_rcpts);
	out_attempt_return(a);
}

/* Behind the final dot, which it may send until its lease ends, the courier
 * may wait for the reply as long as the settings say. */
static void
start_lease(struct out_attempt *a)
{
	struct outbound *o = a->outbound;

	a->began = env_now(o->env);
	a->lease.fire = on_lease_over;
	(void)env_timer_set(o->env, &a->lease,
	    env_now(o->env) + OUT_LEASE + o->settings->dot_timeout);
}

/* Each row goes by the routes that stand now. Whose destination is another
 * since it was queued goes there first; and an attempt has one route. */
static void
choose_routes(struct out_attempt *a, struct load *l, struct route_choice *ret)
{
	struct outbound *o = a->outbound;
	struct slice here = destination_route(a->destination);
	struct out_move *move = NULL;
	bool has_choice = false;

	for (size_t i = 0; i < l->n; i++) {
		struct route_choice c;

		if (!l->is_ready[i] || l->domains[i].len == 0)
			continue;
		outbound_route(o, l->sender, l->domains[i], &c);
		if (!slice_equal(c.key, here)) {
			if (move == NULL)
				move =
				    out_move_new(o, here, a->destination->lane);
			l->is_ready[i] = false;
			l->is_moved[i] = move != NULL &&
			    out_move_add(move, l->rows[i], c.key) == 0;
			l->due[i] = l->now + OUT_TROUBLE;
		} else if (!has_choice) {
			*ret = c;
			has_choice = true;
		} else if (c.rule != ret->rule ||
		    !slice_equal(c.domain, ret->domain)) {
			l->is_ready[i] = ret->rule != NULL &&
			    ret->rule == c.rule && c.rule->kind != HOP_MX;
			l->due[i] = l->now; /* the next attempt's */
		}
	}
	if (move != NULL)
		out_move_submit(move);
}

static int
send_attempt(struct out_attempt *a, const struct load *l,
    const struct route_choice *choice)
{
	struct wire_attempt m = l->message_fields;
	struct terms terms;
	struct buf rows;
	int r = 0;

	m.route = destination_route(a->destination);
	out_terms(a->outbound, m.route, &terms, NULL);
	m.lease_us = OUT_LEASE - TIME_MINUTE;
	m.attempts = l->attempts;
	m.mails = (uint32_t)terms.value[TERMS_MAILS];
	m.tls_minimum = (uint8_t)terms.value[TERMS_TLS];
	m.mx_set = destination_hosts(a->destination);
	m.mx_most = out_limits(a->outbound, m.route).most_shared;
	out_hop_fill(choice, &m);
	if (!out_warmups_admit(a, &m))
		return -EAGAIN;

	buf_init(&rows, LIMIT_FRAME / 2);
	for (size_t i = 0; r == 0 && i < a->n_rcpts; i++) {
		struct wire_rcpt row = { .row = a->rcpts[i].row,
			.address = a->rcpts[i].address,
			.notify = a->rcpts[i].notify,
			.orcpt = a->rcpts[i].orcpt,
			.rrvs = a->rcpts[i].rrvs,
			.rrvs_continue = a->rcpts[i].rrvs_continue };

		r = wire_rcpt_add(&rows, &row);
		m.rcpts.n++;
	}
	m.rcpts.raw = buf_slice(&rows);
	if (r == 0)
		r = wire_send_attempt(a->courier->channel, a->number, 0, &m);
	buf_deinit(&rows);
	return r;
}

static void
load_done(struct store_read *r, int result)
{
	struct load *l = LIST_ENTRY(r, struct load, read);
	struct outbound *o = l->outbound;
	struct out_attempt *a = map_get_number(&o->attempts, l->number);
	struct route_choice choice = { 0 };

	if (a == NULL) { /* the outbound queue is at its end */
		arena_reset(&l->arena);
		free(l);
		return;
	}
	if (result != 0)
		env_log(o->env, ENV_WARN, "queue-read", "errno=%d", -result);
	a->arena = l->arena;
	a->size = l->message_fields.size;
	a->has_sender = l->message_fields.sender.len > 0;
	a->deliver_by = l->message_fields.deliver_by;
	a->by_mode = l->message_fields.by_mode;
	a->by_trace = l->message_fields.by_trace;
	a->is_sent = true;
	if (result == 0)
		choose_routes(a, l, &choice);
	if (choice.key.len == 0)
		choice.key = choice.domain = destination_route(a->destination);
	a->is_discarded =
	    choice.rule != NULL && choice.rule->kind == HOP_DISCARD;
	keep_ready(a, l,
	    result == 0 ? QUEUE_NEVER : env_wall(o->env) + OUT_TROUBLE);
	if (a->n_rcpts == 0)
		out_attempt_return(a);
	else if (a->courier == NULL || send_attempt(a, l, &choice) != 0)
		out_attempt_return(a);
	else
		start_lease(a);
	free(l);
}

/* Nothing is to be read: all of it has just come. */
static bool
is_fresh(const struct outbound *o, const struct load *l)
{
	for (size_t i = 0; i < l->n; i++)
		if (out_fresh_find(o, l->rows[i]) == NULL)
			return false;
	return l->n > 0;
}

static int
load_fresh(struct outbound *o, struct load *l)
{
	const struct q_message_place *place = NULL;
	struct slice body = { 0 };
	int e = 0;

	for (size_t i = 0; e == 0 && i < l->n; i++) {
		const struct out_fresh_row *row = out_fresh_find(o, l->rows[i]);

		l->due[i] = QUEUE_NEVER;
		place = out_fresh_place(row, &body);
		e = load_row(l, i, row->is);
	}
	if (e == 0 && l->has_row)
		e = load_message(l, place);
	if (e == 0 && l->has_row && body.len == place->stored_len)
		l->message_fields.body =
		    slice_from(body, (size_t)place->relay_from);
	return ERR_TRACE(e);
}

static void
load(struct outbound *o, struct load *l)
{
	uint64_t rows[OUT_ROWS];
	size_t n = l->n;

	memcpy(rows, l->rows, n * sizeof(rows[0]));
	if (is_fresh(o, l)) {
		l->read.done(&l->read, load_fresh(o, l));
	} else {
		l->read.run = load_run;
		l->read.is_short = true;
		store_read(o->store, &l->read);
	}
	for (size_t i = 0; i < n; i++)
		out_fresh_forget(o, rows[i]);
}

/* A row that a sweep or the administrator has in hand just now stays theirs;
 * one for which the map has no room stays out too. The next window finds both
 * again, if there is still something to be done. */
static void
put_in_hand(struct out_attempt *a, struct load *l, const struct queue_row *rows,
    size_t n)
{
	struct outbound *o = a->outbound;

	for (size_t i = 0; i < n; i++) {
		if (map_get_number(&o->in_hand, rows[i].row) != NULL ||
		    map_put_number(&o->in_hand, rows[i].row, a) < 0) {
			destination_row_due(&o->destinations, a->destination,
			    env_wall(o->env) + OUT_TROUBLE);
			continue;
		}
		l->rows[l->n++] = rows[i].row;
	}
}

int
out_attempt_start(struct outbound *o, struct destination *d,
    struct out_courier *courier)
{
	struct out_attempt *a = calloc(1, sizeof(*a));
	struct load *l = calloc(1, sizeof(*l));
	struct queue_row rows[OUT_ROWS];
	struct terms terms;
	size_t n;

	if (a == NULL || l == NULL ||
	    map_put_number(&o->attempts, o->next_number + 1, a) < 0) {
		free(a);
		free(l);
		return ERR_ORIGIN(-ENOMEM);
	}
	out_terms(o, destination_route(d), &terms, NULL);
	n = destination_take(&o->destinations, d, rows,
	    (size_t)terms.value[TERMS_RCPTS]);
	a->outbound = o;
	a->number = l->number = ++o->next_number;
	a->destination = d;
	a->courier = courier;
	list_init(&a->reads);
	a->message = l->message = rows[0].message;
	courier->in_hand++;
	l->outbound = o;
	l->now = env_wall(o->env);
	arena_init(&l->arena, ATTEMPT_ARENA);
	out_throttles_take(a, rows[0].flow);
	put_in_hand(a, l, rows, n);
	l->read.done = load_done;
	load(o, l);
	return 0;
}

/* Other destinations may have the same hosts, and these enough to do. */
int
outbound_on_attempt_hosts(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_attempt_hosts *m)
{
	struct out_attempt *a = map_get_number(&o->attempts, h->session);
	struct wire_attempt_go go = { 0 };
	int r;

	if (a == NULL || a->courier == NULL || a->courier->channel != c)
		return 0; /* returned meanwhile */
	if (!a->is_sent || a->has_result || m->mx_set == 0)
		return WIRE_E_BAD;
	go.ok = destination_share(&o->destinations, a->destination, m->mx_set);
	r = wire_send_attempt_go(c, a->number, 0, &go);
	if (r != 0 || !go.ok)
		out_attempt_return(a);
	return 0;
}
