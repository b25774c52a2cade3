/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_load - what a notice is made of
 *
 * A thread reads the rows of one sender, the envelope of their message, and its
 * header or (RET=FULL) all of it; the courier composes. What of the message
 * cannot be read is left out: that is no reason to say nothing.
 */
#include "roles/store/outbound_bounce.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/account.h"
#include "store/forward.h"

enum {
	HEADER_MAX = 32768,
	CONTENT_MAX = LIMIT_BOUNCE_CONTENT, /* as in BOUNCE_MAKE */
	LIST_MAX = 400 * 1024,
	LOAD_ARENA = 16 * 1024,
	ROUTES_MAX = TALKS_REPORT / TALK_MAX
};

struct load {
	struct store_read read;
	struct outbound *outbound;
	uint64_t number;
	struct id message;
	uint8_t kind;
	int64_t before; /* of late rows */
	/* results */
	struct arena arena;
	struct buf rows, rcpts;
	size_t n;
	uint64_t numbers[OUT_ROWS];
	struct slice sender, envid;
	struct slice routes[ROUTES_MAX]; /* each once, in the arena */
	size_t n_routes;
	struct buf talks;
	uint8_t ret;
	int64_t arrived, expires, deliver_by, priority;
	bool is_full, is_smtputf8, requires_tls, takes_8bit;
	size_t header_len;
	uint8_t header[CONTENT_MAX];
};

static int
load_add(struct load *l, const struct wire_outcome *o,
    const struct wire_rcpt *rcpt)
{
	int r = wire_outcome_add(&l->rows, o);

	if (r == 0)
		r = wire_rcpt_add(&l->rcpts, rcpt);
	if (r != 0)
		return ERR_ORIGIN(r < 0 ? r : -EMSGSIZE);
	l->numbers[l->n++] = o->row;
	return 0;
}

/* Another sender's stays: behind a list, a notice of its own. */
static int
load_row(struct load *l, struct slice sender, int64_t expires,
    const struct wire_outcome *o, const struct wire_rcpt *rcpt)
{
	int r;

	if (l->n > 0 && !slice_equal(sender, l->sender))
		return 0;
	r = load_add(l, o, rcpt);
	if (r == 0 && l->n == 1 && !arena_copy(&l->arena, sender, &l->sender))
		r = -ENOMEM;
	l->expires = expires;
	return ERR_TRACE(r);
}

/* Where its rows go, for what was said there. */
static void
load_route(struct load *l, struct slice route)
{
	for (size_t i = 0; i < l->n_routes; i++)
		if (slice_equal(l->routes[i], route))
			return;
	if (route.len > 0 && l->n_routes < ROUTES_MAX &&
	    arena_copy(&l->arena, route, &l->routes[l->n_routes]))
		l->n_routes++;
}

/* Its time is over, and nobody has said in a code what it waited for. */
static bool
is_unnamed_delay(const struct q_queue_failed_rows *row)
{
	return row->last_class == 4 && row->last_subject == 0 &&
	    row->last_detail == 0;
}

static int
load_failed(struct db *db, struct load *l)
{
	struct q_queue_failed_rows row;
	struct db_rows rows;
	int r = DB_MANY(queue_failed_rows, db, &rows, .message = l->message);

	if (r != 0)
		return ERR_TRACE(r);
	while (l->n < OUT_ROWS &&
	    (r = q_queue_failed_rows_next(&rows, &row)) == 0) {
		struct wire_outcome o = { row.row,
			is_unnamed_delay(&row) ? QUEUE_LATE : QUEUE_PERMANENT,
			row.last_code, row.last_class, row.last_subject,
			row.last_detail, row.last_text, row.last_remote,
			row.last_is_ours, row.last_at };
		struct wire_rcpt rcpt = { .row = row.row,
			.address = row.rcpt,
			.notify = row.notify,
			.orcpt = row.orcpt };

		r = load_row(l, row.sender, row.expires, &o, &rcpt);
		if (r != 0)
			break;
		load_route(l, row.route);
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* What the host did counts for rows that never got past it; whatever it said,
 * they are late and not lost. */
static void
late_outcome(const struct q_queue_late_rows *row, struct wire_outcome *ret)
{
	bool is_own = row->last_code != 0;
	bool is_known = row->destination_code != 0;

	*ret = (struct wire_outcome){ .row = row->row,
		/* RFC 2852, 4.1.3 */
		.kind = row->late == 0 ? QUEUE_LATE : QUEUE_TEMPORARY,
		.code = is_own ? row->last_code
		    : is_known ? row->destination_code
			       : 451,
		.class = is_own ? row->last_class : 4,
		.subject = is_own ? row->last_subject
		    : is_known    ? row->destination_subject
				  : 4,
		.detail = is_own ? row->last_detail
		    : is_known   ? row->destination_detail
				 : 1,
		.text = is_own ? row->last_text : row->destination_text,
		.remote = is_own ? row->last_remote : row->destination_remote,
		.is_ours =
		    is_own ? row->last_is_ours : row->destination_is_ours,
		.at = is_own ? row->last_at : row->destination_at };
}

static int
load_late(struct db *db, struct load *l)
{
	struct q_queue_late_rows row;
	struct db_rows rows;
	int r = DB_MANY(queue_late_rows, db, &rows, .message = l->message,
	    .before = l->before);

	if (r != 0)
		return ERR_TRACE(r);
	while (l->n < OUT_ROWS &&
	    (r = q_queue_late_rows_next(&rows, &row)) == 0) {
		struct wire_rcpt rcpt = { .row = row.row,
			.address = row.rcpt,
			.notify = row.notify,
			.orcpt = row.orcpt };
		struct wire_outcome o;

		if (row.sender.len == 0)
			continue;
		late_outcome(&row, &o);
		r = load_row(l, row.sender, row.expires, &o, &rcpt);
		if (r != 0)
			break;
		load_route(l, row.route);
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
load_success(struct db *db, struct load *l)
{
	static const uint8_t kinds[] = { [ROW_RELAYED] = QUEUE_RELAYED,
		[ROW_DELIVERED] = QUEUE_DELIVERED,
		[ROW_EXPANDED] = QUEUE_EXPANDED };
	struct q_queue_success_rows row;
	struct db_rows rows;
	int r = DB_MANY(queue_success_rows, db, &rows, .message = l->message);

	if (r != 0)
		return ERR_TRACE(r);
	while (l->n < OUT_ROWS &&
	    (r = q_queue_success_rows_next(&rows, &row)) == 0) {
		struct wire_outcome o = { row.row, kinds[row.state],
			row.last_code, row.last_class, row.last_subject,
			row.last_detail, row.last_text, row.last_remote, false,
			row.last_at };
		struct wire_rcpt rcpt = { .row = row.row,
			.address = row.rcpt,
			.notify = row.notify,
			.orcpt = row.orcpt };

		r = load_row(l, row.sender, row.expires, &o, &rcpt);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* Of mail that we forwarded, whose sender was rewritten: himself. */
static int
load_sender(struct db *db, struct load *l)
{
	struct buf sender;
	int r;

	buf_init(&sender, LIMIT_ADDRESS);
	r = forward_undo(db, l->sender, env_wall(l->outbound->env), &sender);
	if (r == 0 && !arena_copy(&l->arena, buf_slice(&sender), &l->sender))
		r = ERR_ORIGIN(-ENOMEM);
	buf_deinit(&sender);
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* Whether all who will read it are here: then nothing on the way back cannot
 * take 8-bit text. */
static bool
is_sender_here(struct db *db, struct slice sender)
{
	struct rcpt_request ask = { .typed = sender };
	struct rcpt_result result;
	struct arena arena;
	bool is_here;

	arena_init(&arena, LIMIT_LOOKUP);
	is_here = rcpt_lookup(db, &ask, &arena, &result) == 0 &&
	    result.outcome == RCPT_FOUND;
	for (size_t i = 0; is_here && i < result.n_targets; i++)
		is_here = result.targets[i].account != 0;
	arena_reset(&arena);
	return is_here;
}

/* RFC 3461, 6.2: all of it for a failure, when that was asked for and it is
 * not too large; RFC 8689, 5: never, when it requires TLS. */
static bool
is_returned_whole(const struct load *l, const struct q_message_place *p)
{
	return l->kind == BOUNCE_FAILED && l->ret == 1 && !p->requires_tls &&
	    !p->is_binary && !p->is_bad &&
	    p->stored_len - p->relay_from <= CONTENT_MAX &&
	    (!p->is_8bit || l->takes_8bit || p->is_smtputf8);
}

/* A header that cannot be read is no reason to say nothing. */
static int
load_message(struct db *db, struct load *l)
{
	bool is_here = is_sender_here(db, l->sender);
	struct q_message_place p;
	int r = DB_ONE(message_place, db, &p, .id = l->message);
	uint64_t n;

	if (r == DB_NONE)
		return 0;
	if (r != 0)
		return ERR_TRACE(r);
	l->arrived = p.received_at;
	/* a list's owner did not send it (RFC 3461, 5.2.7.1) */
	if (slice_equal(l->sender, p.sender)) {
		l->ret = p.ret;
		(void)arena_copy(&l->arena, p.envid, &l->envid);
	}
	l->deliver_by = p.deliver_by;
	l->is_smtputf8 = p.is_smtputf8;
	l->requires_tls = p.requires_tls;
	l->priority = p.priority;
	l->takes_8bit = is_here;
	l->is_full = is_returned_whole(l, &p);
	n = l->is_full ? p.stored_len : p.header_len;
	if (n > p.stored_len || p.relay_from > n)
		return 0;
	n -= p.relay_from;
	l->header_len = l->is_full || n < HEADER_MAX ? (size_t)n : HEADER_MAX;
	if (segment_read(l->read.store, p.segment, p.body + p.relay_from,
		l->header, l->header_len) != 0)
		l->header_len = 0;
	return 0;
}

static int
load_run(struct db *db, struct store_read *read)
{
	struct load *l = LIST_ENTRY(read, struct load, read);
	static int (*const rows[])(struct db *,
	    struct load *) = { [BOUNCE_FAILED] = load_failed,
		[BOUNCE_DELAYED] = load_late,
		[BOUNCE_SUCCESS] = load_success };
	int r = rows[l->kind](db, l);

	if (r == 0 && l->n > 0)
		r = load_sender(db, l);
	if (r == 0 && l->n > 0)
		r = load_message(db, l);
	return ERR_TRACE(r);
}

/* -- what was said
 * ------------------------------------------------------------------ */

static int
talks_run(struct db *db, struct store_read *read)
{
	struct load *l = LIST_ENTRY(read, struct load, read);

	(void)db; /* events have databases of their own */
	for (size_t i = 0; i < l->n_routes; i++)
		if (l->routes[i].len > 0)
			(void)talks_read(l->read.store, &l->message,
			    l->routes[i], &l->talks);
	return 0;
}

/* What is in memory; true when a thread must look for the rest. */
static bool
talks_are_missing(struct load *l)
{
	bool is_missing = false;

	for (size_t i = 0; i < l->n_routes; i++) {
		if (talks_find(&l->outbound->talks, &l->message, l->routes[i],
			&l->talks))
			l->routes[i] = SLICE("");
		else
			is_missing = true;
	}
	return is_missing;
}

static int
send_make(struct out_bounce *b, const struct load *l)
{
	struct outbound *o = b->outbound;
	struct wire_bounce_make m = { .message = b->message,
		.sender = slice_cstr(b->sender),
		.kind = b->kind,
		.arrived = l->arrived,
		.envid = l->envid,
		.ret = l->ret,
		.rows = { buf_slice(&l->rows), (uint32_t)l->n },
		.rcpts = { buf_slice(&l->rcpts), (uint32_t)l->n },
		.expires = l->expires,
		.header = slice_of(l->header, l->header_len),
		.hostname = slice_cstr(o->settings->hostname),
		.is_full = l->is_full,
		.is_smtputf8 = l->is_smtputf8,
		.deliver_by = l->deliver_by,
		.requires_tls = l->requires_tls,
		.takes_8bit = l->takes_8bit,
		.dialogue = slice_upto(buf_slice(&l->talks), TALKS_REPORT) };

	return wire_send_bounce_make(b->courier->channel, b->number, 0, &m);
}

static void
load_free(struct load *l)
{
	arena_reset(&l->arena);
	buf_deinit(&l->rows);
	buf_deinit(&l->rcpts);
	buf_deinit(&l->talks);
	free(l);
}

static void
load_finish(struct load *l, int r)
{
	struct outbound *o = l->outbound;
	struct out_bounce *b = map_get_number(&o->bounces, l->number);

	if (b != NULL) { /* else its courier was lost meanwhile */
		memcpy(b->rows, l->numbers, sizeof(b->rows));
		b->n_rows = l->n;
		b->requires_tls = l->requires_tls;
		b->priority = l->priority;
		if (r != 0)
			env_log(o->env, ENV_WARN, "bounce-read", "errno=%d",
			    -r);
		if (r != 0 || l->n == 0 ||
		    !slice_to_cstr(l->sender, b->sender, sizeof(b->sender)) ||
		    b->courier == NULL || send_make(b, l) != 0)
			out_bounce_free(b);
	}
	load_free(l);
}

static void
talks_done(struct store_read *read, int r)
{
	(void)r;
	load_finish(LIST_ENTRY(read, struct load, read), 0);
}

static void
load_done(struct store_read *read, int r)
{
	struct load *l = LIST_ENTRY(read, struct load, read);

	if (r != 0 || !talks_are_missing(l)) {
		load_finish(l, r);
		return;
	}
	l->read = (struct store_read){ .run = talks_run, .done = talks_done };
	store_read(l->outbound->store, &l->read);
}

int
out_bounce_load(struct out_bounce *b)
{
	struct load *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		out_bounce_free(b);
		return ERR_ORIGIN(-ENOMEM);
	}
	l->outbound = b->outbound;
	l->number = b->number;
	l->message = b->message;
	l->kind = b->kind;
	l->before = b->before;
	arena_init(&l->arena, LOAD_ARENA);
	buf_init(&l->rows, LIST_MAX);
	buf_init(&l->rcpts, LIST_MAX);
	buf_init(&l->talks, TALKS_REPORT);
	l->read.run = load_run;
	l->read.done = load_done;
	store_read(b->outbound->store, &l->read);
	return 0;
}
