/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_attempt - ATTEMPT, its body, ATTEMPT_RESULT
 *
 *   start ─read rows and message─▶ sent ─ATTEMPT_RESULT─▶ write ─▶ gone
 *
 * Rows are checked when they are read: one that went, was held or put off
 * since the window was filled is left out. What a courier reports is believed
 * only for rows it had in hand. A result is one transaction; while it cannot
 * be written it is tried again, for the mail may have been delivered.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "store/suppress.h"
#include "store/segment.h"

enum {
	ATTEMPT_ARENA = 512 * 1024,
	RESULT_ARENA = 512 * 1024
};

/* -- the end
 * ---------------------------------------------------------------------- */

/* The rows are nobody's any more; due: when they are to be tried again. */
static void
release_row(struct out_attempt *a, size_t i, int64_t due)
{
	struct outbound *o = a->outbound;

	(void)map_take_number(&o->in_hand, a->rcpts[i].row);
	if (due != QUEUE_NEVER)
		destination_row_due(&o->destinations, a->destination, due);
}

static void body_forget(struct out_attempt *a);

static void
attempt_free(struct out_attempt *a)
{
	struct outbound *o = a->outbound;

	body_forget(a);
	env_timer_stop(o->env, &a->lease);
	if (a->courier != NULL)
		a->courier->in_hand--;
	(void)map_take_number(&o->attempts, a->number);
	destination_done(&o->destinations, a->destination);
	arena_reset(&a->arena);
	free(a);
	outbound_pump_soon(o);
}

void
out_attempt_return(struct out_attempt *a)
{
	int64_t now = env_wall(a->outbound->env);

	for (size_t i = 0; i < a->n_rcpts; i++)
		release_row(a, i, now);
	attempt_free(a);
}

/* -- reading what is to be sent
 * ------------------------------------------------------ */

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
load_row(struct db *db, struct load *l, size_t i)
{
	struct slice local, domain;
	struct q_queue_row row;
	int e = DB_ONE(queue_row, db, &row, .row = l->rows[i]);

	l->due[i] = QUEUE_NEVER;
	if (e == DB_NONE)
		return 0;
	if (e != 0)
		return ERR_TRACE(e);
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
		.tls_optional = p->is_report,
		.deliver_by = p->deliver_by,
		.by_mode = p->by_mode,
		.by_trace = p->by_trace,
		.priority = p->priority };
	m->sender = l->sender;
	if (!arena_copy(&l->arena, p->envid, &m->envid))
		return ERR_ORIGIN(-ENOMEM);
	return 0;
}

static int
load_run(struct db *db, struct store_read *r)
{
	struct load *l = LIST_ENTRY(r, struct load, read);
	struct q_message_place place;
	int e = 0;

	for (size_t i = 0; e == 0 && i < l->n; i++)
		e = load_row(db, l, i);
	if (e == 0)
		e = DB_ONE(message_place, db, &place, .id = l->message);
	if (e != 0)
		return e == DB_NONE ? DB_NONE : ERR_TRACE(e);
	return ERR_TRACE(load_message(l, &place));
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
		release_row(a, i,
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
	out_hop_fill(choice, &m);

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
		attempt_free(a);
	else if (a->courier == NULL || send_attempt(a, l, &choice) != 0)
		out_attempt_return(a);
	else
		start_lease(a);
	free(l);
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
	put_in_hand(a, l, rows, n);
	l->read.run = load_run;
	l->read.done = load_done;
	store_read(o->store, &l->read);
	return 0;
}

/* -- the body
 * ----------------------------------------------------------------------------
 */

struct body_read {
	struct store_read read;
	struct list link; /* among those that wait */
	struct outbound *outbound;
	uint64_t number;
	struct id message;
	uint32_t ticket;
	uint64_t offset;
	size_t len;
	uint8_t bytes[];
};

/* 0 when the disk still gives what was stored, -EBADMSG when it does not. */
static int
check_whole(struct store *s, const struct q_message_place *p)
{
	uint8_t piece[16 * 1024], is[SEGMENT_CHECKSUM];
	crypto_generichash_state state;

	(void)crypto_generichash_init(&state, NULL, 0, sizeof(is));
	for (uint64_t at = 0; at < p->stored_len;) {
		size_t n = p->stored_len - at < sizeof(piece)
		    ? (size_t)(p->stored_len - at)
		    : sizeof(piece);
		int r = segment_read(s, p->segment, p->body + at, piece, n);

		if (r != 0)
			return ERR_TRACE(r);
		(void)crypto_generichash_update(&state, piece, n);
		at += n;
	}
	(void)crypto_generichash_final(&state, is, sizeof(is));
	return slice_equal(p->checksum, slice_of(is, sizeof(is)))
	    ? 0
	    : ERR_ORIGIN(-EBADMSG);
}

/* The place is looked up each time: compaction may have moved the message.
 * Before the first byte leaves, all of it is held against its checksum: a
 * ruined mail waits in the queue instead of going out as if it were sound. */
static int
body_run(struct db *db, struct store_read *r)
{
	struct body_read *b = LIST_ENTRY(r, struct body_read, read);
	struct q_message_place p;
	int e = DB_ONE(message_place, db, &p, .id = b->message);

	if (e != 0)
		return ERR_TRACE(e);
	if (p.is_bad || b->len > p.stored_len ||
	    b->offset > p.stored_len - b->len ||
	    p.relay_from > p.stored_len - b->len - b->offset)
		return ERR_ORIGIN(-EBADMSG);
	e = b->offset == 0 ? check_whole(b->read.store, &p) : 0;
	if (e != 0)
		return ERR_TRACE(e);
	return ERR_TRACE(segment_read(b->read.store, p.segment,
	    p.body + p.relay_from + b->offset, b->bytes, b->len));
}

/* One at a time: several threads would answer in any order, and the courier
 * puts the chunks together as they come. */
static void
body_next(struct out_attempt *a)
{
	struct list *link;

	if (a->is_reading || (link = list_take_first(&a->reads)) == NULL)
		return;
	a->is_reading = true;
	store_read(a->outbound->store,
	    &LIST_ENTRY(link, struct body_read, link)->read);
}

static void
body_send(struct out_attempt *a, const struct body_read *b, int result)
{
	struct wire_attempt_data m = { 0 };

	m.verdict.code = 250;
	if (result == 0) {
		m.data = slice_of(b->bytes, b->len);
		m.last = b->offset + b->len == a->size;
	} else {
		m.verdict = (struct wire_verdict){ .code = 451,
			.class = 4,
			.subject = 3,
			.text = SLICE("the message cannot be read") };
		env_log(b->outbound->env, ENV_ERROR, "body-read", "errno=%d",
		    -result);
	}
	(void)wire_send_attempt_data(a->courier->channel, b->number, b->ticket,
	    &m);
}

static void
body_done(struct store_read *r, int result)
{
	struct body_read *b = LIST_ENTRY(r, struct body_read, read);
	struct out_attempt *a =
	    map_get_number(&b->outbound->attempts, b->number);

	if (a != NULL) {
		a->n_reads--;
		a->is_reading = false;
		if (a->courier != NULL && b->ticket == a->read_ticket)
			body_send(a, b, result);
		body_next(a);
	}
	free(b);
}

/* What waits for a try that the courier has given up. */
static void
body_forget(struct out_attempt *a)
{
	struct list *link;

	while ((link = list_take_first(&a->reads)) != NULL) {
		free(LIST_ENTRY(link, struct body_read, link));
		a->n_reads--;
	}
}

int
outbound_on_attempt_read(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_attempt_read *m)
{
	struct out_attempt *a = map_get_number(&o->attempts, h->session);
	struct body_read *b;

	/* returned meanwhile, or not its own */
	if (a == NULL || a->courier == NULL || a->courier->channel != c)
		return 0;
	if (h->ticket != a->read_ticket)
		body_forget(a);
	a->read_ticket = h->ticket;
	if (!a->is_sent || m->length == 0 || m->length > LIMIT_CHUNK ||
	    m->offset > a->size || m->length > a->size - m->offset ||
	    a->n_reads >= OUT_READS)
		return WIRE_E_BAD;
	b = calloc(1, sizeof(*b) + (size_t)m->length);
	if (b == NULL)
		return ERR_ORIGIN(-ENOMEM);
	b->outbound = o;
	b->number = a->number;
	b->message = a->message;
	b->ticket = h->ticket;
	b->offset = m->offset;
	b->len = (size_t)m->length;
	b->read.run = body_run;
	b->read.done = body_done;
	a->n_reads++;
	list_add_last(&a->reads, &b->link);
	body_next(a);
	return 0;
}

/* -- the result
 * -------------------------------------------------------------------------- */

enum fate {        /* of one row */
	FATE_KEPT, /* the host's failure: the row is untouched */
	FATE_SENT,
	FATE_TOLD, /* sent, and its sender will hear of it */
	FATE_LATER,
	FATE_FAILED, /* its sender will hear of it */
	FATE_DROPPED /* failed, and nobody wants to hear of it */
};

struct result_row {
	uint64_t row;
	enum fate fate;
	struct verdict verdict; /* text in the arena */
	int64_t due;
	bool is_counted, is_ours;
	struct slice address;
};

struct result {
	struct store_write write;
	struct env_timer timer; /* until it is tried again */
	struct outbound *outbound;
	uint64_t number;
	struct arena arena;
	struct slice route, remote, tls, dialogue;
	struct schedule schedule; /* of that destination */
	uint8_t lane;
	int64_t now;
	struct result_row rows[OUT_ROWS];
	size_t n;
	/* of the destination */
	bool is_host_failure, was_failing;
	uint32_t failures;
	int64_t retry_at;
	struct verdict host_verdict;
};

static int
apply_row(struct db *db, const struct result *x, const struct result_row *row)
{
	const struct verdict *v = &row->verdict;

	switch (row->fate) {
	case FATE_SENT:
	case FATE_DROPPED:
		return ERR_TRACE(outbound_remove_row(db, row->row));
	case FATE_TOLD:
		return ERR_TRACE(DB_EXEC(queue_sent, db, .row = row->row,
		    .state = ROW_RELAYED, .now = x->now, .code = v->code,
		    .class = v->esc.class, .subject = v->esc.subject,
		    .detail = v->esc.detail, .text = v->text,
		    .remote = x->remote));
	case FATE_LATER:
		return ERR_TRACE(DB_EXEC(queue_later, db, .row = row->row,
		    .due = row->due, .counted = row->is_counted, .now = x->now,
		    .code = v->code, .class = v->esc.class,
		    .subject = v->esc.subject, .detail = v->esc.detail,
		    .text = v->text, .remote = x->remote,
		    .is_ours = row->is_ours));
	case FATE_FAILED:
		return ERR_TRACE(DB_EXEC(queue_fail, db, .row = row->row,
		    .now = x->now, .code = v->code, .class = v->esc.class,
		    .subject = v->esc.subject, .detail = v->esc.detail,
		    .text = v->text, .remote = x->remote,
		    .is_ours = row->is_ours));
	case FATE_KEPT:
		break;
	}
	return 0;
}

static int
apply_destination(struct db *db, const struct result *x)
{
	if (x->is_host_failure)
		return ERR_TRACE(DB_EXEC(destination_failed, db,
		    .route = x->route, .lane = x->lane, .failures = x->failures,
		    .retry_at = x->retry_at, .now = x->now,
		    .code = x->host_verdict.code, .text = x->host_verdict.text,
		    .remote = x->remote, .is_ours = x->rows[0].is_ours));
	if (x->was_failing) {
		int r = DB_EXEC(destination_well, db, .route = x->route,
		    .lane = x->lane);

		if (r != 0)
			return ERR_TRACE(r);
	}
	return ERR_TRACE(DB_EXEC(destination_tidy, db, .route = x->route,
	    .lane = x->lane));
}

/* Whom there is no use in sending to again (store/suppress). */
static int
note_refusal(struct db *db, const struct result *x,
    const struct result_row *row)
{
	if ((row->fate != FATE_FAILED && row->fate != FATE_DROPPED) ||
	    row->is_ours)
		return 0;
	return ERR_TRACE(suppress_note(db, row->row, &row->verdict, x->now,
	    x->outbound->settings->suppress_for));
}

static int
result_apply(struct db *db, struct store_write *w)
{
	struct result *x = LIST_ENTRY(w, struct result, write);
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->n; i++)
		r = note_refusal(db, x, &x->rows[i]);
	for (size_t i = 0; r == 0 && i < x->n; i++)
		r = apply_row(db, x, &x->rows[i]);
	if (r == 0)
		r = apply_destination(db, x);
	return r <= 0 ? r : ERR_ORIGIN(-EBADMSG);
}

static const struct {
	const char *kind;
} fates[] = {
	[FATE_KEPT] = { "delayed" },
	[FATE_SENT] = { "sent" },
	[FATE_TOLD] = { "sent" },
	[FATE_LATER] = { "delayed" },
	[FATE_FAILED] = { "failed" },
	[FATE_DROPPED] = { "failed" },
};

/* Somebody's sender will hear of it. */
static bool
has_refusal(const struct result *x)
{
	for (size_t i = 0; i < x->n; i++)
		if (x->rows[i].fate == FATE_FAILED)
			return true;
	return false;
}

static void
tell_events(struct outbound *o, struct out_attempt *a, const struct result *x)
{
	char text[1000];

	(void)snprintf(text, sizeof(text), "%.*s%s%.*s",
	    SLICE_FMT(slice_upto(x->remote, 320)), x->tls.len > 0 ? ", " : "",
	    SLICE_FMT(slice_upto(x->tls, 128)));
	outbound_event(o, &a->message, "attempt", x->route, slice_cstr(text),
	    x->dialogue);
	if (has_refusal(x))
		talks_keep(&o->talks, &a->message, x->route, x->dialogue);
	for (size_t i = 0; i < x->n; i++) {
		const struct verdict *v = &x->rows[i].verdict;

		(void)snprintf(text, sizeof(text), "%u %u.%u.%u %.*s", v->code,
		    v->esc.class, v->esc.subject, v->esc.detail,
		    SLICE_FMT(slice_upto(v->text, 900)));
		outbound_event(o, &a->message,
		    a->is_discarded && x->rows[i].fate == FATE_SENT
			? "discarded"
			: fates[x->rows[i].fate].kind,
		    x->rows[i].address, slice_cstr(text), (struct slice){ 0 });
	}
}

static int64_t
due_after(const struct result *x, const struct result_row *row)
{
	switch (row->fate) {
	case FATE_KEPT:
		return x->now;
	case FATE_LATER:
		return row->due;
	case FATE_SENT:
	case FATE_TOLD:
	case FATE_FAILED:
	case FATE_DROPPED:
		break;
	}
	return QUEUE_NEVER;
}

static void
on_result_timer(struct env_timer *t)
{
	struct result *x = LIST_ENTRY(t, struct result, timer);

	store_submit(x->outbound->store, &x->write);
}

/* What the remote has taken must not be sent again: a result that could not
 * be written waits here, and its rows stay in hand. */
static void
result_done(struct store_write *w, int r)
{
	struct result *x = LIST_ENTRY(w, struct result, write);
	struct outbound *o = x->outbound;
	struct out_attempt *a = map_get_number(&o->attempts, x->number);
	const struct wire_attempt_noted noted = { 0 };
	bool has_failed = false;

	if (a == NULL) { /* the outbound queue is at its end */
		arena_reset(&x->arena);
		free(x);
		return;
	}
	if (r != 0) {
		env_log(o->env, ENV_ERROR, "queue-result", "errno=%d", -r);
		x->timer.fire = on_result_timer;
		(void)env_timer_set(o->env, &x->timer,
		    env_now(o->env) + OUT_TROUBLE);
		return;
	}
	tell_events(o, a, x);
	for (size_t i = 0; i < x->n; i++) {
		release_row(a, i, due_after(x, &x->rows[i]));
		has_failed |= x->rows[i].fate == FATE_FAILED ||
		    x->rows[i].fate == FATE_TOLD;
	}
	if (a->courier != NULL)
		(void)wire_send_attempt_noted(a->courier->channel, a->number, 0,
		    &noted);
	attempt_free(a);
	arena_reset(&x->arena);
	free(x);
	if (has_failed)
		outbound_bounces_look(o);
}

/* -- what becomes of each row
 * --------------------------------------------------------------- */

/* Whether we are the last who can say that it went on: success was asked for
 * and the next host tells nobody (RFC 3461, 5.2.2); or a time for its delivery
 * was, and that host knows nothing of it, or all are to be told (RFC 2852,
 * 4.1.4). */
static bool
is_told(const struct out_attempt *a, const struct out_rcpt *rcpt,
    const struct wire_attempt_result *m)
{
	if (!a->has_sender || a->is_discarded ||
	    (rcpt->notify & NOTIFY_NEVER) != 0)
		return false;
	if ((rcpt->notify & NOTIFY_SUCCESS) != 0 && !m->offers_dsn)
		return true;
	if (a->by_mode == MAIL_BY_NONE)
		return false;
	return a->by_trace ||
	    (a->by_mode == MAIL_BY_NOTIFY && !m->offers_deliverby &&
		env_wall(a->outbound->env) < a->deliver_by);
}

static enum fate
fate_of(const struct out_attempt *a, const struct out_rcpt *rcpt, uint8_t kind,
    const struct wire_attempt_result *m)
{
	if (kind == QUEUE_DELIVERED)
		return is_told(a, rcpt, m) ? FATE_TOLD : FATE_SENT;
	if (kind != QUEUE_PERMANENT)
		return FATE_LATER;
	return !a->has_sender || outbound_is_unheard(SLICE("?"), rcpt->notify)
	    ? FATE_DROPPED
	    : FATE_FAILED;
}

static bool
some_were_sent(const struct wire_attempt_result *m)
{
	struct wire_list rows = m->outcomes;
	struct wire_outcome o;

	while (wire_outcome_next(&rows, &o))
		if (o.kind == QUEUE_DELIVERED)
			return true;
	return false;
}

static void
decide_row(struct result *x, const struct out_attempt *a, size_t i,
    const struct wire_outcome *o, const struct wire_attempt_result *m)
{
	const struct out_rcpt *rcpt = &a->rcpts[i];
	struct result_row *row = &x->rows[i];
	struct outbound *out = x->outbound;

	row->verdict = (struct verdict){ o->code,
		{ o->class, o->subject, o->detail }, { 0 } };
	(void)arena_copy(&x->arena, o->text, &row->verdict.text);
	row->is_ours = o->is_ours;
	row->fate =
	    x->is_host_failure ? FATE_KEPT : fate_of(a, rcpt, o->kind, m);
	row->is_counted = !retry_is_too_many(&row->verdict, some_were_sent(m));
	row->due = row->is_counted ? x->now +
		schedule_delay(&x->schedule, rcpt->attempts + 1,
		    env_random_u64(out->env))
				   : x->now;
}

static bool
find_outcome(const struct wire_attempt_result *m, uint64_t row,
    struct wire_outcome *ret)
{
	struct wire_list rows = m->outcomes;

	while (wire_outcome_next(&rows, ret))
		if (ret->row == row)
			return true;
	return false;
}

/* A row of which nothing was said is tried again. */
static void
decide(struct result *x, const struct out_attempt *a,
    const struct wire_attempt_result *m)
{
	for (size_t i = 0; i < a->n_rcpts; i++) {
		struct wire_outcome o = { .kind = QUEUE_TEMPORARY,
			.code = 451,
			.class = 4,
			.subject = 3,
			.text = SLICE("the courier said nothing"),
			.is_ours = true };

		(void)find_outcome(m, a->rcpts[i].row, &o);
		x->rows[i].row = a->rcpts[i].row;
		(void)arena_copy(&x->arena, a->rcpts[i].address,
		    &x->rows[i].address);
		decide_row(x, a, i, &o, m);
	}
	x->n = a->n_rcpts;
}

/* What the replies say of our pace. */
static void
decide_pace(const struct result *x, struct destination *d, bool some_taken,
    bool is_alive)
{
	struct destinations *s = &x->outbound->destinations;
	enum pace_pressure what = PACE_EASE;

	for (size_t i = 0; i < x->n && what == PACE_EASE; i++)
		what = pace_pressure(&x->rows[i].verdict);
	if (what == PACE_EASE && x->is_host_failure && is_alive)
		what = PACE_CONNECTIONS;
	if (some_taken)
		destination_taken(s, d, x->now);
	if (what != PACE_EASE)
		destination_pressed(s, d, what, x->now);
}

/* In memory at once, so that nobody knocks there meanwhile. A host that took
 * mail a moment ago has not failed for refusing one more connection. */
static void
decide_destination(struct result *x, struct destination *d, bool some_taken,
    bool is_refused)
{
	struct outbound *o = x->outbound;
	bool is_alive = is_refused && d->failures == 0 &&
	    pace_is_alive(&d->pace, x->now);

	x->was_failing = d->failures > 0;
	decide_pace(x, d, some_taken, is_alive);
	if (!x->is_host_failure) {
		destination_back_off(&o->destinations, d, 0, 0);
		return;
	}
	x->host_verdict = x->rows[0].verdict;
	if (is_alive)
		return;
	/* attempts that were under way together are one failure */
	x->failures = d->retry_at > x->now ? d->failures : d->failures + 1;
	x->retry_at = d->retry_at > x->now ? d->retry_at
					   : x->now +
		schedule_delay(&x->schedule, x->failures,
		    env_random_u64(o->env));
	destination_back_off(&o->destinations, d, x->failures, x->retry_at);
}

int
outbound_on_attempt_result(struct outbound *o, struct channel *c,
    const struct wire_head *h, const struct wire_attempt_result *m)
{
	struct out_attempt *a = map_get_number(&o->attempts, h->session);
	struct terms terms;
	struct result *x;

	if (a == NULL)
		return 0; /* after its lease: somebody else has the rows */
	if (a->courier == NULL || a->courier->channel != c || !a->is_sent ||
	    a->has_result)
		return WIRE_E_BAD;
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		return ERR_ORIGIN(-ENOMEM);
	a->has_result = true;
	env_timer_stop(o->env, &a->lease);
	x->outbound = o;
	x->number = a->number;
	x->lane = a->destination->lane;
	x->now = env_wall(o->env);
	x->is_host_failure = m->is_host_failure;
	arena_init(&x->arena, RESULT_ARENA);
	if (!arena_copy(&x->arena, destination_route(a->destination),
		&x->route)) {
		free(x);
		out_attempt_return(a);
		return ERR_ORIGIN(-ENOMEM);
	}
	out_terms(o, x->route, &terms, NULL);
	x->schedule = out_terms_schedule(&terms);
	/* these may be empty when memory is short: they only inform */
	(void)arena_copy(&x->arena, m->remote, &x->remote);
	(void)arena_copy(&x->arena, m->tls, &x->tls);
	(void)arena_copy(&x->arena, m->dialogue, &x->dialogue);
	decide(x, a, m);
	decide_destination(x, a->destination, some_were_sent(m), m->is_refused);
	x->write.lane = STORE_LANE_QUEUE;
	x->write.apply = result_apply;
	x->write.done = result_done;
	store_submit(o->store, &x->write);
	return 0;
}
