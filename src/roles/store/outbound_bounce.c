/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_bounce - rows whose sender must hear of them
 *
 *   failed row ─look─▶ load ─BOUNCE_MAKE─▶ courier ─BOUNCE_COMMIT─▶ one
 *   transaction: the bounce is kept, the rows go
 *
 * Nothing of a bounce is remembered but the rows' state: whatever dies in
 * between, the rows are found again by the next look, and what was committed
 * twice is refused because its rows are gone. A late row is told of once
 * (`warned`). A bounce has the null sender, so nothing bounces for it.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "queue/bounce.h"
#include "store/account.h"

enum {
	HEADER_MAX = 32768,
	CONTENT_MAX = LIMIT_BOUNCE_CONTENT, /* as in BOUNCE_MAKE */
	LIST_MAX = 400 * 1024,
	LOOK_MAX = 50,
	TARGETS_MAX = 20 /* of an alias that sent the mail */
};

/* RFC 3461, 5.2.6; RFC 5321, 4.5.5: no bounce for a bounce. */
bool
outbound_is_unheard(struct slice sender, uint8_t notify)
{
	return sender.len == 0 || (notify & NOTIFY_NEVER) != 0 ||
	    (notify != 0 && (notify & NOTIFY_FAILURE) == 0);
}

struct out_bounce {
	struct outbound *outbound;
	uint64_t number;
	struct out_courier *courier;
	struct id message;
	uint8_t kind; /* BOUNCE_* */
	char sender[LIMIT_ADDRESS + 1];
	uint64_t rows[OUT_ROWS];
	size_t n_rows;
	struct env_timer timer;
	bool is_committing, requires_tls;
	int64_t priority; /* RFC 6710, 4.6: as the mail's */
};

/* They are looked for as soon as a slot is free; late ones by the next sweep.
 */
static void
want(struct outbound *o, uint8_t kind)
{
	if (kind != BOUNCE_DELAYED)
		o->wants_bounces |= (uint8_t)(1u << kind);
}

static void
bounce_free(struct out_bounce *b)
{
	struct outbound *o = b->outbound;

	if (b->courier != NULL)
		b->courier->in_hand--;
	env_timer_stop(o->env, &b->timer);
	(void)map_take_number(&o->bounces, b->number);
	free(b);
	outbound_pump_soon(o);
}

void
outbound_bounces_courier_lost(struct outbound *o, struct out_courier *c)
{
	struct out_bounce *b;
	size_t at = 0;

	while ((b = map_next(&o->bounces, &at)) != NULL) {
		if (b->courier != c)
			continue;
		b->courier = NULL;
		c->in_hand--;
		want(o, b->kind);
		if (!b->is_committing)
			bounce_free(b);
	}
}

static void
on_bounce_late(struct env_timer *t)
{
	struct out_bounce *b = LIST_ENTRY(t, struct out_bounce, timer);

	want(b->outbound, b->kind);
	bounce_free(b);
}

static bool
is_in_work(struct outbound *o, const struct id *message, uint8_t kind)
{
	struct out_bounce *b;
	size_t at = 0;

	while ((b = map_next(&o->bounces, &at)) != NULL)
		if (b->kind == kind && id_equal(&b->message, message))
			return true;
	return false;
}

/* -- what a bounce is made of
 * ------------------------------------------------------ */

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
		struct wire_outcome o = { row.row, QUEUE_PERMANENT,
			row.last_code, row.last_class, row.last_subject,
			row.last_detail, row.last_text, row.last_remote };
		struct wire_rcpt rcpt = { .row = row.row,
			.address = row.rcpt,
			.notify = row.notify,
			.orcpt = row.orcpt };

		if (l->n > 0 && !slice_equal(row.sender, l->sender))
			continue; /* behind a list: a notice of its own */
		r = load_add(l, &o, &rcpt);
		if (r == 0 && l->n == 1 &&
		    !arena_copy(&l->arena, row.sender, &l->sender))
			r = -ENOMEM;
		if (r != 0)
			break;
		l->expires = row.expires;
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* What the host did counts for rows that never got past it. */
static void
late_outcome(const struct q_queue_late_rows *row, struct wire_outcome *ret)
{
	bool is_own = row->last_code != 0;

	*ret = (struct wire_outcome){ .row = row->row,
		.kind = QUEUE_TEMPORARY,
		.code = is_own ? row->last_code : 451,
		.class = is_own ? row->last_class : 4,
		.subject = is_own ? row->last_subject : 4,
		.detail = is_own ? row->last_detail : 1,
		.text = is_own ? row->last_text : row->destination_text,
		.remote = is_own ? row->last_remote : row->destination_remote };
	if (row->late == 0) { /* RFC 2852, 4.1.3 */
		ret->class = 4;
		ret->subject = 4;
		ret->detail = 7;
	}
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

		if (row.sender.len == 0 ||
		    (l->n > 0 && !slice_equal(row.sender, l->sender)))
			continue;
		late_outcome(&row, &o);
		r = load_add(l, &o, &rcpt);
		if (r == 0 && l->n == 1 &&
		    !arena_copy(&l->arena, row.sender, &l->sender))
			r = -ENOMEM;
		if (r != 0)
			break;
		l->expires = row.expires;
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
			row.last_detail, row.last_text, row.last_remote };
		struct wire_rcpt rcpt = { .row = row.row,
			.address = row.rcpt,
			.notify = row.notify,
			.orcpt = row.orcpt };

		if (l->n > 0 && !slice_equal(row.sender, l->sender))
			continue; /* behind a list: a notice of its own */
		r = load_add(l, &o, &rcpt);
		if (r == 0 && l->n == 1 &&
		    !arena_copy(&l->arena, row.sender, &l->sender))
			r = -ENOMEM;
		if (r != 0)
			break;
		l->expires = row.expires;
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* Whether the sender is here: then nothing on the way back cannot take 8-bit
 * text. */
static bool
is_sender_here(struct db *db, struct slice sender)
{
	struct q_domain_get row;
	struct slice local, name;
	struct buf domain;
	bool is_here;

	buf_init(&domain, 2 * LIMIT_DOMAIN);
	is_here = canon_split(sender, &local, &name) &&
	    canon_domain(name, &domain) == CANON_OK &&
	    DB_ONE(domain_get, db, &row, .canonical = buf_slice(&domain)) == 0;
	buf_deinit(&domain);
	return is_here;
}

/* RFC 3461, 6.2: all of it for a failure, when that was asked for and it is
 * not too large; RFC 8689, 5: never, when it requires TLS. */
static bool
is_returned_whole(const struct load *l, const struct q_message_place *p)
{
	return l->kind == BOUNCE_FAILED && p->ret == 1 && !p->requires_tls &&
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
	l->ret = p.ret;
	(void)arena_copy(&l->arena, p.envid, &l->envid);
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
		r = load_message(db, l);
	return ERR_TRACE(r);
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
		.takes_8bit = l->takes_8bit };

	return wire_send_bounce_make(b->courier->channel, b->number, 0, &m);
}

static void
load_free(struct load *l)
{
	arena_reset(&l->arena);
	buf_deinit(&l->rows);
	buf_deinit(&l->rcpts);
	free(l);
}

static void
load_done(struct store_read *read, int r)
{
	struct load *l = LIST_ENTRY(read, struct load, read);
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
			bounce_free(b);
	}
	load_free(l);
}

static int
bounce_start(struct outbound *o, struct out_courier *courier,
    const struct id *message, uint8_t kind, int64_t before)
{
	struct out_bounce *b = calloc(1, sizeof(*b));
	struct load *l = calloc(1, sizeof(*l));

	if (b == NULL || l == NULL ||
	    map_put_number(&o->bounces, o->next_number + 1, b) < 0) {
		free(b);
		free(l);
		return ERR_ORIGIN(-ENOMEM);
	}
	b->outbound = l->outbound = o;
	b->number = l->number = ++o->next_number;
	b->message = l->message = *message;
	b->kind = l->kind = kind;
	b->courier = courier;
	b->timer.fire = on_bounce_late;
	courier->in_hand++;
	(void)env_timer_set(o->env, &b->timer,
	    env_now(o->env) + OUT_BOUNCE_TIME);
	l->before = before;
	arena_init(&l->arena, 16 * 1024);
	buf_init(&l->rows, LIST_MAX);
	buf_init(&l->rcpts, LIST_MAX);
	l->read.run = load_run;
	l->read.done = load_done;
	store_read(o->store, &l->read);
	return 0;
}

/* -- whose turn it is
 * ---------------------------------------------------------------- */

struct look {
	struct store_read read;
	struct outbound *outbound;
	uint8_t kind;
	int64_t before;
	struct id messages[LOOK_MAX];
	size_t n;
};

static int
look_failed(struct db *db, struct look *k)
{
	struct q_queue_failed_messages row;
	struct db_rows rows;
	int r = DB_MANY(queue_failed_messages, db, &rows, .after = SLICE(""));

	if (r != 0)
		return r;
	while (k->n < LOOK_MAX &&
	    (r = q_queue_failed_messages_next(&rows, &row)) == 0)
		k->messages[k->n++] = row.message;
	db_rows_close(&rows);
	return r;
}

static int
look_late(struct db *db, struct look *k)
{
	struct q_queue_late_messages row;
	struct db_rows rows;
	int r = DB_MANY(queue_late_messages, db, &rows, .after = SLICE(""),
	    .before = k->before);

	if (r != 0)
		return r;
	while (k->n < LOOK_MAX &&
	    (r = q_queue_late_messages_next(&rows, &row)) == 0)
		k->messages[k->n++] = row.message;
	db_rows_close(&rows);
	return r;
}

static int
look_success(struct db *db, struct look *k)
{
	struct q_queue_success_messages row;
	struct db_rows rows;
	int r = DB_MANY(queue_success_messages, db, &rows, .after = SLICE(""));

	if (r != 0)
		return r;
	while (k->n < LOOK_MAX &&
	    (r = q_queue_success_messages_next(&rows, &row)) == 0)
		k->messages[k->n++] = row.message;
	db_rows_close(&rows);
	return r;
}

static int
look_run(struct db *db, struct store_read *read)
{
	static int (*const looks[])(struct db *,
	    struct look *) = { [BOUNCE_FAILED] = look_failed,
		[BOUNCE_DELAYED] = look_late,
		[BOUNCE_SUCCESS] = look_success };
	struct look *k = LIST_ENTRY(read, struct look, read);
	int r = looks[k->kind](db, k);

	return r < 0 ? ERR_TRACE(r) : 0;
}

/* As many as may be made at a time; the rest is found by the next look, which
 * comes when one of these has ended. */
static void
look_done(struct store_read *read, int r)
{
	struct look *k = LIST_ENTRY(read, struct look, read);
	struct outbound *o = k->outbound;
	struct out_courier *courier;
	bool is_rest = k->n == LOOK_MAX;

	o->is_reading_bounces = false;
	for (size_t i = 0; i < k->n; i++) {
		if (is_in_work(o, &k->messages[i], k->kind))
			continue;
		courier = outbound_free_courier(o);
		if (courier == NULL || o->bounces.n >= OUT_BOUNCES ||
		    bounce_start(o, courier, &k->messages[i], k->kind,
			k->before) < 0)
			is_rest = true;
	}
	if (is_rest || r != 0)
		want(o, k->kind);
	if (o->wants_bounces != 0 &&
	    !(is_rest || r != 0)) /* kept waiting by this look */
		outbound_pump_soon(o);
	free(k);
}

static void
look(struct outbound *o, uint8_t kind, int64_t before)
{
	struct look *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return; /* the next sweep looks again */
	k->outbound = o;
	k->kind = kind;
	k->before = before;
	k->read.run = look_run;
	k->read.done = look_done;
	o->is_reading_bounces = true;
	store_read(o->store, &k->read);
}

/* Failures first. */
void
outbound_bounces_go_on(struct outbound *o)
{
	uint8_t kind = (o->wants_bounces & 1 << BOUNCE_FAILED) != 0
	    ? BOUNCE_FAILED
	    : BOUNCE_SUCCESS;

	if (o->wants_bounces == 0 || o->is_reading_bounces ||
	    outbound_free_courier(o) == NULL || o->bounces.n >= OUT_BOUNCES)
		return; /* called again when a slot is free */
	o->wants_bounces &= (uint8_t) ~(1u << kind);
	look(o, kind, 0);
}

void
outbound_bounces_look(struct outbound *o)
{
	o->wants_bounces = 1 << BOUNCE_FAILED | 1 << BOUNCE_SUCCESS;
	outbound_bounces_go_on(o);
}

void
outbound_bounces_look_late(struct outbound *o, int64_t before)
{
	if (!o->is_reading_bounces && outbound_free_courier(o) != NULL)
		look(o, BOUNCE_DELAYED, before);
}

/* -- the commit
 * ------------------------------------------------------------------------ */

enum {
	BOUNCE_STALE = 1 /* its rows are gone: the bounce is not kept */
};

struct target {
	uint64_t account; /* 0: somewhere else */
	uint64_t mailbox, modseq;
	bool is_done;
	bool waits; /* its mailbox is full */
};

struct commit {
	struct deposit deposit;
	struct outbound *outbound;
	uint64_t number;
	struct id id, message;
	uint8_t kind;
	bool is_8bit, is_smtputf8, requires_tls;
	struct slice sender;
	char sender_text[LIMIT_ADDRESS + 1];
	uint64_t rows[OUT_ROWS];
	size_t n_rows;
	int64_t now, lifetime, priority;
	uint64_t size;
	struct buf summary, domain, canonical;
	/* results */
	struct target targets[TARGETS_MAX];
	size_t n_targets;
};

/* Who stands behind the address: an alias, a detail, the owner of a list. */
static int
find_here(struct db *db, struct commit *c)
{
	struct rcpt_request ask = { .typed = c->sender };
	struct rcpt_result result;
	struct arena arena;
	int r;

	arena_init(&arena, LIMIT_LOOKUP);
	r = rcpt_lookup(db, &ask, &arena, &result);
	for (size_t i = 0; r == 0 && result.outcome == RCPT_FOUND &&
	     i < result.n_targets && c->n_targets < TARGETS_MAX;
	     i++)
		if (result.targets[i].account != 0)
			c->targets[c->n_targets++] =
			    (struct target){ .account =
						 result.targets[i].account };
	arena_reset(&arena);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
find_targets(struct db *db, struct commit *c)
{
	struct q_domain_get domain;
	struct slice local, name;
	int r;

	c->n_targets = 0;
	buf_reset(&c->domain, 0);
	buf_reset(&c->canonical, 0);
	if (!canon_split(c->sender, &local, &name) ||
	    canon_domain(name, &c->domain) != CANON_OK)
		return 0; /* nobody: such a sender was never accepted */
	r = DB_ONE(domain_get, db, &domain, .canonical = buf_slice(&c->domain));
	if (r < 0)
		return ERR_TRACE(r);
	if (canon_address(c->sender, r == 0, &c->canonical) != CANON_OK)
		return 0;
	if (r == DB_NONE) {
		c->targets[c->n_targets++] = (struct target){ 0 };
		return 0;
	}
	return ERR_TRACE(find_here(db, c));
}

static int
take_row(struct db *db, struct slice route, uint8_t lane,
    const struct id *message)
{
	int r =
	    DB_EXEC(destination_less, db, .route = route, .lane = lane, .n = 1);

	if (r == 0)
		r = DB_EXEC(destination_tidy, db, .route = route, .lane = lane);
	if (r == 0)
		r = message_ref(db, message, -1);
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

int
outbound_remove_row(struct db *db, uint64_t row)
{
	struct q_queue_remove gone;
	int r = DB_ONE(queue_remove, db, &gone, .row = row);

	if (r == DB_NONE)
		return 0; /* deleted by the administrator meanwhile */
	return r != 0 ? ERR_TRACE(r)
		      : take_row(db, gone.route, gone.lane, &gone.message);
}

static int
remove_rows(struct db *db, const struct commit *c, size_t *ret_n)
{
	struct q_queue_remove_failed gone;
	size_t n = 0;

	for (size_t i = 0; i < c->n_rows; i++) {
		int r =
		    DB_ONE(queue_remove_failed, db, &gone, .row = c->rows[i]);

		if (r == DB_NONE)
			continue;
		if (r == 0)
			r = take_row(db, gone.route, gone.lane, &gone.message);
		if (r != 0)
			return ERR_TRACE(r);
		n++;
	}
	*ret_n = n;
	return 0;
}

/* Rows that are still late and were not told of meanwhile. */
static int
mark_warned(struct db *db, const struct commit *c, size_t *ret_n)
{
	for (size_t i = 0; i < c->n_rows; i++) {
		int r = DB_EXEC(queue_warned, db, .row = c->rows[i]);

		if (r != 0)
			return ERR_TRACE(r);
		*ret_n += db_changed(db);
	}
	return 0;
}

static int
insert_message(struct db *db, const struct commit *c)
{
	struct slice none = SLICE("");
	struct message_row m = { .id = c->id,
		.place = &c->deposit.append.place,
		.refs = (uint32_t)c->n_targets,
		.relay_from = BOUNCE_RETURN_PATH,
		.received_at = c->now,
		.sender = none,
		.client = none,
		.helo = none,
		.protocol = SLICE("bounce"),
		.envid = none,
		.summary = buf_slice(&c->summary),
		.is_8bit = c->is_8bit,
		.is_smtputf8 = c->is_smtputf8,
		.requires_tls = c->requires_tls,
		.priority = c->priority };

	return ERR_TRACE(message_insert(db, &m));
}

static int
queue_target(struct db *db, const struct commit *c, uint32_t n, uint8_t state)
{
	struct queue_add q = { .message = c->id,
		.n = n,
		.tenant = 1,
		.sender = SLICE(""),
		.rcpt = c->sender,
		.rcpt_canon = buf_slice(&c->canonical),
		.route = buf_slice(&c->domain),
		.lane = LANE_BOUNCE,
		.now = c->now,
		.expires = c->now + c->lifetime,
		.orcpt = SLICE(""),
		.state = state,
		.due = c->now,
		.priority = c->priority };

	return ERR_TRACE(queue_add(db, &q));
}

static int
deliver_target(struct db *db, const struct commit *c, struct target *t)
{
	struct delivery d = { .account = t->account,
		.message = c->id,
		.size = c->size,
		.keywords = SLICE(""),
		.date = c->now,
		.saved_at = c->now,
		.summary = buf_slice(&c->summary) };
	int r = mailbox_deliver(db, &d);

	t->mailbox = d.mailbox;
	t->modseq = d.modseq;
	return r;
}

/* A mailbox that is full is told when there is room; one that is gone cannot be
 * told of anything: its reference is
 * taken back, and the mail's story (events) has to do. */
static int
keep_targets(struct db *db, struct commit *c)
{
	int r = c->n_targets == 0 ? 0 : insert_message(db, c);

	for (size_t i = 0; r == 0 && i < c->n_targets; i++) {
		struct target *t = &c->targets[i];

		r = t->account == 0
		    ? queue_target(db, c, (uint32_t)i, ROW_WAITING)
		    : deliver_target(db, c, t);
		t->waits = r == STORE_E_QUOTA;
		if (t->waits)
			r = queue_target(db, c, (uint32_t)i, ROW_LOCAL);
		t->is_done = r == 0;
		if (r > 0)
			r = message_ref(db, &c->id, -1);
	}
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

static int
commit_apply(struct db *db, struct store_write *w)
{
	struct commit *c = LIST_ENTRY(LIST_ENTRY(w, struct deposit, write),
	    struct commit, deposit);
	size_t n = 0;
	int r = message_exists(db, &c->id);

	if (r == 0)
		return 0; /* this very bounce was committed before */
	if (r < 0)
		return ERR_TRACE(r);
	r = c->kind == BOUNCE_DELAYED ? mark_warned(db, c, &n)
				      : remove_rows(db, c, &n);
	if (r != 0)
		return ERR_TRACE(r);
	if (n == 0)
		return BOUNCE_STALE;
	r = find_targets(db, c);
	return r != 0 ? ERR_TRACE(r) : keep_targets(db, c);
}

static void
commit_free(struct commit *c)
{
	buf_deinit(&c->summary);
	buf_deinit(&c->domain);
	buf_deinit(&c->canonical);
	buf_deinit(&c->deposit.append.envelope);
	free(c);
}

/* The original's story says where the bounce is to be looked for. */
static void
tell_events(struct outbound *o, const struct commit *c)
{
	static const struct {
		const char *event, *text;
	} kinds[] = {
		[BOUNCE_FAILED] = { "bounced", "notice of failure" },
		[BOUNCE_DELAYED] = { "delayed", "notice of delay" },
		[BOUNCE_SUCCESS] = { "told", "notice of success" },
	};
	char text[100], id[ID_TEXT + 1];
	size_t n = 0;

	for (size_t i = 0; i < c->n_targets; i++)
		n += c->targets[i].is_done;
	id_print(&c->id, id);
	if (n == 0)
		(void)snprintf(text, sizeof(text),
		    "the sender has no mailbox that takes a notice");
	else
		(void)snprintf(text, sizeof(text), "%s %s", kinds[c->kind].text,
		    id);
	outbound_event(o, &c->message, kinds[c->kind].event, c->sender,
	    slice_cstr(text), (struct slice){ 0 });
	if (n > 0)
		outbound_event(o, &c->id,
		    c->targets[0].account == 0 ? "queued" : "delivered",
		    c->sender, SLICE("notice about another message"),
		    (struct slice){ 0 });
}

static void
tell_watchers(struct outbound *o, const struct commit *c)
{
	for (size_t i = 0; i < c->n_targets; i++) {
		const struct target *t = &c->targets[i];

		if (!t->is_done || t->waits)
			continue;
		if (t->account == 0)
			outbound_queued(o,
			    &(struct outbound_row){
				.route = buf_slice(&c->domain),
				.lane = LANE_BOUNCE,
				.priority = c->priority });
		else if (o->options.changed != NULL)
			o->options.changed(o->options.ctx, t->account,
			    t->mailbox, t->modseq);
	}
}

static void
commit_done(struct store_write *w, int r)
{
	struct commit *c = LIST_ENTRY(LIST_ENTRY(w, struct deposit, write),
	    struct commit, deposit);
	struct outbound *o = c->outbound;
	struct out_bounce *b = map_get_number(&o->bounces, c->number);
	struct wire_done done = { .id = c->id, .verdict = { .code = 250 } };

	if (r == 0) {
		tell_events(o, c);
		tell_watchers(o, c);
	} else {
		done.verdict.code = 451;
	}
	if (r < 0)
		env_log(o->env, ENV_ERROR, "bounce-commit", "errno=%d", -r);
	if (b != NULL && b->courier != NULL)
		(void)wire_send_done(b->courier->channel, b->number, 0, &done);
	/* a message may have more than 100 rows */
	want(o, c->kind);
	if (b != NULL)
		bounce_free(b);
	commit_free(c);
}

static struct commit *
commit_new(struct out_bounce *b, const struct wire_bounce_commit *m,
    struct body *body)
{
	struct outbound *o = b->outbound;
	struct commit *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->outbound = o;
	c->number = b->number;
	c->id = m->id;
	c->message = b->message;
	c->kind = b->kind;
	c->is_8bit = m->is_8bit;
	c->is_smtputf8 = m->is_smtputf8;
	c->requires_tls = b->requires_tls;
	c->priority = b->priority;
	memcpy(c->sender_text, b->sender, sizeof(c->sender_text));
	c->sender = slice_cstr(c->sender_text);
	memcpy(c->rows, b->rows, sizeof(c->rows));
	c->n_rows = b->n_rows;
	c->now = env_wall(o->env);
	c->lifetime = o->settings->lifetime;
	c->size = body_len(body);
	buf_init(&c->summary, LIMIT_SUMMARY);
	buf_init(&c->domain, 2 * LIMIT_DOMAIN);
	buf_init(&c->canonical, 4 * LIMIT_ADDRESS);
	buf_init(&c->deposit.append.envelope, SEGMENT_ENVELOPE_MAX);
	c->deposit.append.header.id = m->id;
	c->deposit.append.header.time = c->now;
	c->deposit.append.header.kind = SEGMENT_BOUNCE;
	c->deposit.write.lane = STORE_LANE_QUEUE;
	c->deposit.write.apply = commit_apply;
	c->deposit.write.done = commit_done;
	if (buf_add(&c->summary, m->summary) != BUF_OK ||
	    segment_envelope_add(&c->deposit.append.envelope, SEGMENT_RCPT,
		c->sender) != 0) {
		commit_free(c);
		return NULL;
	}
	return c;
}

/* Only the courier that was asked, only once, and only with a Return-Path to
 * nobody, as the composer writes it (it is cut off by its length later). */
int
outbound_on_bounce_commit(struct outbound *o, struct channel *ch,
    const struct wire_head *h, const struct wire_bounce_commit *m,
    struct body *body)
{
	const struct wire_done no = { .id = m->id, .verdict = { .code = 451 } };
	struct out_bounce *b = map_get_number(&o->bounces, h->session);
	struct commit *c = NULL;

	if (b == NULL || b->courier == NULL || b->courier->channel != ch ||
	    b->is_committing) {
		/* too late: somebody else was asked meanwhile */
		if (body != NULL)
			body_free(body);
		(void)wire_send_done(ch, h->session, 0, &no);
		return 0;
	}
	if (body != NULL && body_len(body) > BOUNCE_RETURN_PATH)
		c = commit_new(b, m, body);
	if (c == NULL) {
		if (body != NULL)
			body_free(body);
		on_bounce_late(&b->timer);
		(void)wire_send_done(ch, h->session, 0, &no);
		return 0;
	}
	b->is_committing = true;
	env_timer_stop(o->env, &b->timer);
	deposit_submit(o->store, &c->deposit, body);
	return 0;
}
