/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_result - ATTEMPT_RESULT: what becomes of each row
 *
 * What a courier reports is believed only for rows it had in hand. A result is
 * one transaction; while it cannot be written it is tried again, for the mail
 * may have been delivered.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "store/suppress.h"

enum {
	RESULT_ARENA = 512 * 1024
};

/* -- the result ----------------------------------------------------------- */

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
	bool is_warming; /* the host has not failed: it was not asked */
	uint32_t failures;
	int64_t retry_at;
	struct verdict host_verdict;
	struct out_throttled throttled;
	struct out_warmed warmed;
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
	const struct verdict *v = &x->host_verdict;

	if (x->is_warming)
		return 0;
	if (x->is_host_failure)
		return ERR_TRACE(DB_EXEC(destination_failed, db,
		    .route = x->route, .lane = x->lane, .failures = x->failures,
		    .retry_at = x->retry_at, .now = x->now, .code = v->code,
		    .class = v->esc.class, .subject = v->esc.subject,
		    .detail = v->esc.detail, .text = v->text,
		    .remote = x->remote, .is_ours = x->rows[0].is_ours));
	if (x->was_failing) {
		int r = DB_EXEC(destination_well, db, .route = x->route,
		    .lane = x->lane);

		if (r != 0)
			return ERR_TRACE(r);
	}
	return 0;
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
	if (r == 0)
		r = out_throttled_write(db, &x->throttled);
	if (r == 0)
		r = out_warmed_write(db, &x->warmed);
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
	o->is_full = r == -ENOSPC;
	if (r != 0) {
		env_log(o->env, ENV_ERROR, "queue-result", "errno=%d", -r);
		x->timer.fire = on_result_timer;
		(void)env_timer_set(o->env, &x->timer,
		    env_now(o->env) + OUT_TROUBLE);
		return;
	}
	tell_events(o, a, x);
	for (size_t i = 0; i < x->n; i++) {
		out_attempt_release(a, i, due_after(x, &x->rows[i]));
		has_failed |= x->rows[i].fate == FATE_FAILED ||
		    x->rows[i].fate == FATE_TOLD;
		o->n_refusals += x->rows[i].fate == FATE_FAILED ||
		    x->rows[i].fate == FATE_DROPPED;
	}
	if (a->courier != NULL)
		(void)wire_send_attempt_noted(a->courier->channel, a->number, 0,
		    &noted);
	out_attempt_free(a);
	arena_reset(&x->arena);
	free(x);
	if (has_failed)
		outbound_bounces_look(o);
}

/* -- what becomes of each row --------------------------------------------- */

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

/* It has taken nothing, of this destination or another at the same hosts: there
 * is no rate that could be halved, and its back-off says when it is asked
 * again. */
static bool
has_no_rate(const struct destination *d)
{
	return !d->pace.is_proven &&
	    (d->hosts == NULL || d->hosts->n_members <= 1);
}

/* What the replies say of our pace. */
static void
decide_pace(const struct result *x, struct destination *d, bool some_taken,
    bool is_alive)
{
	const struct out_attempt *a =
	    map_get_number(&x->outbound->attempts, x->number);
	bool is_slow =
	    a != NULL && env_now(x->outbound->env) - a->began > OUT_SLOW;
	struct destinations *s = &x->outbound->destinations;
	enum pace_pressure what = PACE_EASE;

	for (size_t i = 0; i < x->n && what == PACE_EASE; i++)
		what = pace_pressure(&x->rows[i].verdict);
	if (what == PACE_RATE && x->is_host_failure && has_no_rate(d))
		what = PACE_EASE;
	if (what == PACE_EASE && x->is_host_failure && is_alive)
		what = PACE_CONNECTIONS;
	if (some_taken && is_slow)
		destination_taken_slowly(s, d, x->now);
	else if (some_taken)
		destination_taken(s, d, x->now);
	if (what != PACE_EASE)
		destination_pressed(s, d, what, x->now);
}

static void
back_off(struct result *x, struct destination *d, bool is_soon)
{
	struct outbound *o = x->outbound;
	uint64_t random = env_random_u64(o->env);

	x->failures = d->failures;
	x->retry_at = d->retry_at;
	if (d->retry_at > x->now) /* those under way together are one failure */
		return;
	if (is_soon) {
		x->failures = d->failures + 1;
		x->retry_at =
		    x->now + schedule_soon(&x->schedule, d->n_soon + 1, random);
		destination_put_off(&o->destinations, d, x->failures,
		    x->retry_at);
		return;
	}
	/* lookups that failed before say nothing about the host */
	x->failures = d->failures -
	    (d->n_soon < d->failures ? d->n_soon : d->failures) + 1;
	x->retry_at =
	    x->now + schedule_delay(&x->schedule, x->failures, random);
	destination_back_off(&o->destinations, d, x->failures, x->retry_at);
}

/* In memory at once, so that nobody knocks there meanwhile. A host that took
 * mail a moment ago has not failed for refusing one more connection. */
static void
decide_destination(struct result *x, struct destination *d,
    const struct wire_attempt_result *m)
{
	struct outbound *o = x->outbound;
	bool is_alive = m->is_refused && d->failures == 0 &&
	    pace_is_alive(&d->pace, x->now);

	x->was_failing = d->failures > 0;
	if (x->is_warming) {
		out_warmups_wait(o, d);
		return;
	}
	decide_pace(x, d, some_were_sent(m), is_alive);
	if (!x->is_host_failure) {
		destination_back_off(&o->destinations, d, 0, 0);
		return;
	}
	x->host_verdict = x->rows[0].verdict;
	if (!is_alive)
		back_off(x, d, m->is_soon);
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
	x->is_warming = m->is_warming && m->is_host_failure;
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
	decide_destination(x, a->destination, m);
	if (!some_were_sent(m))
		out_throttles_give_back(a);
	out_throttles_of(a, &x->throttled);
	out_warmups_heard(a, m);
	out_warmed_of(a, &x->warmed);
	out_attempt_settle(a);
	x->write.lane = STORE_LANE_QUEUE;
	x->write.apply = result_apply;
	x->write.done = result_done;
	x->write.is_patient = true;
	store_submit(o->store, &x->write);
	return 0;
}
