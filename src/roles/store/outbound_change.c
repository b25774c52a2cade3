/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_change - `ulak queue retry, hold, release, delete, ...`
 *
 * What changes rows works in rounds: read some that are meant, change those
 * that no courier has in hand in one transaction, and wait a while for the
 * attempts of the others to end: their results count, and what is left of them
 * then is changed. Who is still being tried then is left as it is, and the
 * asker hears how many. An asker who wants slices is told behind which row to
 * go on; one who goes away leaves a queue in which each row is whole.
 */
#include "roles/store/outbound_admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/domain.h"
#include "store/flags.h"

/* -- changes
 * ---------------------------------------------------------------------------
 */

enum {
	WHICH_MAX = 100, /* as queue_which: one round, one write of the bulk
			  * lane: some milliseconds */
	WAITS_MAX = 50,  /* of one request, WAIT long each */
	CHANGE_E_HERE = 1
};
#define WAIT (200 * TIME_MS)

struct change_row {
	uint64_t row;
	uint8_t lane;
	size_t route_len;
	char route[LIMIT_DOMAIN + 1];
};

struct change {
	struct request request; /* first: freed as one */
	struct store_read read;
	struct store_write write;
	uint64_t after, affected, n_left, n_seen;
	int64_t now;
	bool is_last;
	/* Of this round: those to change now, and those in somebody's hand. */
	struct change_row rows[WHICH_MAX], busy[WHICH_MAX];
	size_t n, n_busy, n_changed;
	struct env_timer wait;
	unsigned n_waits;
};

int
apply_retry(struct db *db, const struct args *a, uint64_t row, int64_t now)
{
	(void)a;
	return DB_EXEC(queue_retry, db, .row = row, .now = now);
}

int
apply_hold(struct db *db, const struct args *a, uint64_t row, int64_t now)
{
	(void)a;
	(void)now;
	return DB_EXEC(queue_hold, db, .row = row, .hold = true);
}

int
apply_release(struct db *db, const struct args *a, uint64_t row, int64_t now)
{
	(void)a;
	(void)now;
	return DB_EXEC(queue_hold, db, .row = row, .hold = false);
}

int
apply_delete(struct db *db, const struct args *a, uint64_t row, int64_t now)
{
	(void)a;
	(void)now;
	return outbound_remove_row(db, row);
}

/* A bounce for the null sender goes nowhere: such a row is deleted. */
int
apply_bounce(struct db *db, const struct args *a, uint64_t row, int64_t now)
{
	struct q_queue_row q;
	int r = DB_ONE(queue_row, db, &q, .row = row);

	if (r == DB_NONE ||
	    (r == 0 && q.state != ROW_WAITING && q.state != ROW_LOCAL))
		return 0;
	if (r != 0)
		return r;
	if (q.sender.len == 0)
		return apply_delete(db, a, row, now);
	/* No attempt: the last one was when it was (RFC 3464, 2.3.7). */
	return DB_EXEC(queue_fail, db, .row = row, .now = q.last_at,
	    .code = 550, .class = 5, .subject = 0, .detail = 0,
	    .text = SLICE("returned by the administrator"),
	    .remote = SLICE(""));
}

/* The row's mail goes by another destination from now on. */
static int
move_row(struct db *db, uint64_t row, const struct q_queue_row *q,
    struct slice route, uint8_t lane)
{
	int r;

	if (slice_equal(q->route, route) && q->lane == lane)
		return 0;
	r = DB_EXEC(queue_move_row, db, .row = row, .route = route,
	    .lane = lane);
	if (r == 0)
		r = DB_EXEC(destination_add, db, .route = route, .lane = lane,
		    .n = 1);
	return r;
}

/* `to` is an address, whose domain is where it goes then, or only where. What
 * its sender is told stays the first address (RFC 3461, ORCPT). */
int
apply_redirect(struct db *db, const struct args *a, uint64_t row, int64_t now)
{
	struct slice to = slice_cstr(a->to), route = to;
	size_t at = slice_find_last_byte(to, '@');
	char old[LIMIT_DOMAIN + 1], orcpt[2 * LIMIT_ADDRESS];
	struct q_queue_row q;
	uint8_t lane;
	int r = DB_ONE(queue_row, db, &q, .row = row);

	if (r == DB_NONE || (r == 0 && q.state != ROW_WAITING))
		return 0;
	if (r != 0)
		return r;
	if (at != SIZE_MAX)
		route = slice_from(to, at + 1);
	lane = q.lane;
	(void)slice_to_cstr(q.route, old, sizeof(old));
	(void)snprintf(orcpt, sizeof(orcpt), "%.*s", SLICE_FMT(q.orcpt));
	if (at != SIZE_MAX && q.orcpt.len == 0 && slice_is_ascii(q.rcpt))
		(void)snprintf(orcpt, sizeof(orcpt), "rfc822;%.*s",
		    SLICE_FMT(q.rcpt));
	r = move_row(db, row, &q, route, lane);
	if (r == 0 && !slice_equal(slice_cstr(old), route))
		r = queue_leave(db, slice_cstr(old), lane);
	if (r == 0)
		r = at == SIZE_MAX
		    ? DB_EXEC(queue_set_via, db, .row = row, .via = to)
		    : DB_EXEC(queue_readdress, db, .row = row, .rcpt = to,
			  .orcpt = slice_cstr(orcpt));
	if (r == 0)
		r = DB_EXEC(queue_retry, db, .row = row, .now = now);
	return r;
}

/* RFC 6710: below 0 it is bulk, above it never is. */
int
apply_priority(struct db *db, const struct args *a, uint64_t row, int64_t now)
{
	char route[LIMIT_DOMAIN + 1];
	struct q_queue_row q;
	uint8_t lane, old;
	int r = DB_ONE(queue_row, db, &q, .row = row);

	(void)now;
	if (r == DB_NONE || (r == 0 && q.state != ROW_WAITING))
		return 0;
	if (r != 0)
		return r;
	lane = old = q.lane;
	if (a->priority < 0 && lane == LANE_INTERACTIVE)
		lane = LANE_BULK;
	if (a->priority > 0 && lane == LANE_BULK)
		lane = LANE_INTERACTIVE;
	(void)slice_to_cstr(q.route, route, sizeof(route));
	r = move_row(db, row, &q, slice_cstr(route), lane);
	if (r == 0 && lane != old)
		r = queue_leave(db, slice_cstr(route), old);
	if (r == 0)
		r = DB_EXEC(queue_set_priority, db, .row = row,
		    .priority = a->priority);
	return r;
}

/* A redirect to a domain of ours would come back to us, as a loop. */
static int
check_target(struct db *db, const struct args *a)
{
	struct slice domain = slice_cstr(a->to);
	size_t at = slice_find_last_byte(domain, '@');
	struct q_domain_get d;
	int r;

	if (domain.len == 0)
		return 0;
	if (at != SIZE_MAX)
		domain = slice_from(domain, at + 1);
	r = DB_ONE(domain_get, db, &d, .canonical = domain);
	if (r < 0)
		return ERR_TRACE(r);
	return r == 0 && d.kind != DOMAIN_RELAY ? CHANGE_E_HERE : 0;
}

static int
change_run(struct db *db, struct store_read *read)
{
	struct change *c = LIST_ENTRY(read, struct change, read);
	const struct args *a = &c->request.args;
	struct q_queue_which row;
	struct db_rows rows;
	int r = check_target(db, a);

	if (r != 0)
		return r;
	r = DB_MANY(queue_which, db, &rows, .after = c->after,
	    .id = slice_of(a->id, a->has_id ? sizeof(a->id) : 0), .row = a->row,
	    .rcpt = slice_cstr(a->rcpt), .sender = slice_cstr(a->sender),
	    .route = slice_cstr(a->route), .older = a->older, .newer = a->newer,
	    .reason = slice_cstr(a->reason), .lane = a->lane,
	    .state = a->which);

	if (r != 0)
		return ERR_TRACE(r);
	c->n = 0;
	while (c->n < WHICH_MAX && (r = q_queue_which_next(&rows, &row)) == 0) {
		struct change_row *to = &c->rows[c->n++];

		to->row = c->after = row.row;
		to->lane = row.lane;
		to->route_len =
		    slice_to_cstr(row.route, to->route, sizeof(to->route))
		    ? row.route.len
		    : 0;
	}
	c->is_last = c->n < WHICH_MAX;
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
change_apply(struct db *db, struct store_write *w)
{
	struct change *c = LIST_ENTRY(w, struct change, write);
	struct q_queue_row q;
	int r = 0;

	c->n_changed = 0;
	for (size_t i = 0; r == 0 && i < c->n; i++) {
		r = DB_ONE(queue_row, db, &q, .row = c->rows[i].row);
		if (r == DB_NONE) { /* delivered while we waited */
			r = 0;
			continue;
		}
		if (r == 0)
			r = c->request.command->apply(db, &c->request.args,
			    c->rows[i].row, c->now);
		c->n_changed++;
	}
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

static struct verdict
change_verdict(const struct change *c, int r, char *text, size_t size)
{
	if (r == CHANGE_E_HERE)
		return VERDICT(550, 5, 1, 2,
		    "that domain is served here: redirect to one elsewhere");
	if (r != 0)
		return verdict_trouble();
	if (c->n_left == 0)
		return VERDICT(250, 2, 0, 0, "done");
	(void)snprintf(text, size,
	    "%" PRIu64 " recipients are being tried just now and were left as "
	    "they are; ask again when that has ended",
	    c->n_left);
	return (struct verdict){ 450, { 4, 0, 0 }, slice_cstr(text) };
}

static void
change_end(struct change *c, int r)
{
	struct outbound *o = c->request.outbound;
	struct table t = { .request = &c->request };
	bool has_failed = c->request.command->makes_bounce && c->affected > 0;
	char text[128];
	bool makes_due = c->request.command->makes_due;

	if (r == 0) {
		buf_init(&t.fields, ROWS_BUF);
		table_number(&t, "affected", (int64_t)c->affected);
		table_number(&t, "after", (int64_t)c->after);
		table_number(&t, "ended", c->is_last);
		table_send(&t, true, VERDICT(250, 2, 0, 0, ""));
		buf_deinit(&t.fields);
	}
	request_end(&c->request, change_verdict(c, r, text, sizeof(text)));
	if (has_failed)
		outbound_bounces_look(o);
	if (makes_due) /* what is held for mailboxes here */
		outbound_sweep_start(o);
	outbound_pump_soon(o);
}

/* "Try now" means now: what is believed of the host is forgotten too. */
static void
tell_destination(struct outbound *o, const struct change *c,
    const struct change_row *row)
{
	struct slice route = slice_of(row->route, row->route_len),
		     to = slice_cstr(c->request.args.to);
	uint8_t lane = row->lane;
	struct destination *d;

	if (c->request.args.has_priority) {
		for (lane = 0; lane < LANE_BOUNCE; lane++)
			if (destination_get(&o->destinations, route, lane,
				&d) == 0)
				destination_refresh(&o->destinations, d);
		return;
	}
	if (to.len > 0 && slice_find_last_byte(to, '@') != SIZE_MAX)
		to = slice_from(to, slice_find_last_byte(to, '@') + 1);
	if (to.len > 0)
		route = to;
	if (!c->request.command->makes_due ||
	    destination_get(&o->destinations, route, lane, &d) < 0)
		return;
	destination_forgive(&o->destinations, d);
	destination_row_due(&o->destinations, d, c->now);
}

/* Divides c->rows into those that are ours now and those to wait for. */
static void
take_rows(struct change *c)
{
	struct outbound *o = c->request.outbound;
	size_t kept = 0;

	c->n_busy = 0;
	for (size_t i = 0; i < c->n; i++)
		if (outbound_take_in_hand(o, c->rows[i].row, c))
			c->rows[kept++] = c->rows[i];
		else if (!c->request.command->makes_due)
			c->busy[c->n_busy++] = c->rows[i];
	c->n = kept;
	c->now = env_wall(o->env);
	store_submit(o->store, &c->write);
}

static void
on_waited(struct env_timer *t)
{
	struct change *c = LIST_ENTRY(t, struct change, wait);

	c->n = c->n_busy;
	memcpy(c->rows, c->busy, c->n * sizeof(c->rows[0]));
	take_rows(c);
}

/* False: it has waited enough. */
static bool
wait_for_busy(struct change *c)
{
	struct env *env = c->request.outbound->env;

	if (c->n_waits >= WAITS_MAX)
		return false;
	c->n_waits++;
	c->wait.fire = on_waited;
	return env_timer_set(env, &c->wait, env_now(env) + WAIT) == 0;
}

static void
change_written(struct store_write *w, int r)
{
	struct change *c = LIST_ENTRY(w, struct change, write);
	struct outbound *o = c->request.outbound;

	for (size_t i = 0; i < c->n; i++) {
		(void)map_take_number(&o->in_hand, c->rows[i].row);
		if (r == 0)
			tell_destination(o, c, &c->rows[i]);
	}
	if (r == 0)
		c->affected += c->n_changed;
	if (r == 0 && c->n_busy > 0) {
		if (wait_for_busy(c))
			return;
		c->n_left += c->n_busy;
	}
	c->n_seen += c->n + c->n_busy;
	if (r != 0 || c->is_last ||
	    (c->request.args.slice > 0 && c->n_seen >= c->request.args.slice))
		change_end(c, r);
	else
		store_read(o->store, &c->read);
}

static void
change_read(struct store_read *read, int r)
{
	struct change *c = LIST_ENTRY(read, struct change, read);

	if (r != 0)
		change_end(c, r);
	else
		take_rows(c);
}

struct request *
change_make(void)
{
	struct change *c = calloc(1, sizeof(*c));

	return c == NULL ? NULL : &c->request;
}

bool
change_start(struct request *q)
{
	struct change *c = LIST_ENTRY(q, struct change, request);

	q->waits = &c->wait;
	c->after = q->args.after;
	c->read.run = change_run;
	c->read.done = change_read;
	c->write.lane = STORE_LANE_BULK;
	c->write.apply = change_apply;
	c->write.done = change_written;
	store_read(q->outbound->store, &c->read);
	return true;
}
