/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_sweep - what the clock does to rows of the queue
 *
 *   read ─▶ one transaction: what is over fails, what is late is marked
 *        ─▶ one transaction for each row that is released to a mailbox here
 *
 * Over is a row whose time to live has passed, or whose "deliver by" has with
 * mode R (RFC 2852, 4.1.3); with mode N it is late from then on. Rows in the
 * hands of a courier are left to it. Mail held for a mailbox here (RFC 4865)
 * is delivered by this file and goes through no courier; a full mailbox makes
 * it wait like any other row. Runs every half minute, and when something of
 * this is due.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/account.h"

enum {
	EXPIRE_READ = 500, /* as queue_expired */
	EXPIRE_MAX = 50,   /* rows in one transaction: about 5 ms */
	LOCAL_MAX = 50     /* as queue_local */
};

/* -- released to a mailbox here
 * -------------------------------------------------------- */

enum {
	LOCAL_NO_ACCOUNT = 1000 /* beside STORE_E_* */
};

/* One row. It is delivered in one transaction, or what became of it is written
 * in another. */
struct local {
	struct store_write write;
	struct outbound *outbound;
	uint64_t row;
	int64_t now;
	int result; /* of the delivery, when it failed */
	/* results */
	struct id message;
	uint64_t account, mailbox, modseq;
	uint64_t random;
	bool is_delivered, is_told, is_failed;
	char rcpt[LIMIT_ADDRESS + 1];
};

/* False: the administrator was there first, or it is not due any more. */
static bool
local_is_due(const struct local *l, const struct q_queue_row *row)
{
	return row->state == ROW_LOCAL && !row->hold && row->due <= l->now;
}

/* The name may be one with a detail, or a role's. */
static int
local_find(struct db *db, struct local *l, struct slice rcpt)
{
	struct rcpt_request ask = { .typed = rcpt, .is_member = true };
	struct rcpt_result result;
	struct arena arena;
	int r;

	arena_init(&arena, LIMIT_LOOKUP);
	r = rcpt_lookup(db, &ask, &arena, &result);
	if (r >= 0) {
		bool found = r == 0 && result.outcome == RCPT_FOUND &&
		    result.n_targets == 1 && result.targets[0].account != 0;

		l->account = found ? result.targets[0].account : 0;
		r = found ? 0 : LOCAL_NO_ACCOUNT;
	}
	arena_reset(&arena);
	return r < 0 ? ERR_TRACE(r) : r;
}

static int
local_deliver(struct db *db, struct local *l, const struct q_queue_row *row)
{
	struct q_message_summary m;
	struct delivery d = { .message = row->message,
		.keywords = SLICE(""),
		.date = l->now,
		.saved_at = l->now };
	int r = local_find(db, l, row->rcpt_canon);

	if (r == LOCAL_NO_ACCOUNT)
		return r;
	if (r == 0)
		r = DB_ONE(message_summary, db, &m, .id = row->message);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
	d.message = row->message;
	d.account = l->account;
	d.size = m.stored_len;
	d.summary = m.summary;
	r = mailbox_deliver(db, &d);
	l->mailbox = d.mailbox;
	l->modseq = d.modseq;
	l->is_delivered = r == 0;
	return r != 0 ? r : message_ref(db, &row->message, 1);
}

static int
local_finish(struct db *db, const struct local *l)
{
	if (!l->is_told)
		return ERR_TRACE(outbound_remove_row(db, l->row));
	return ERR_TRACE(DB_EXEC(queue_sent, db, .row = l->row,
	    .state = ROW_DELIVERED, .now = l->now, .code = 250, .class = 2,
	    .text = SLICE(""), .remote = SLICE("")));
}

static int
local_apply(struct db *db, struct store_write *w)
{
	struct local *l = LIST_ENTRY(w, struct local, write);
	struct q_queue_row row;
	int r = DB_ONE(queue_row, db, &row, .row = l->row);

	l->is_delivered = false;
	if (r == DB_NONE || (r == 0 && !local_is_due(l, &row)))
		return 0;
	if (r != 0)
		return ERR_TRACE(r);
	l->message = row.message;
	l->is_told = row.sender.len > 0 && (row.notify & NOTIFY_SUCCESS) != 0;
	(void)slice_to_cstr(row.rcpt, l->rcpt, sizeof(l->rcpt));
	r = local_deliver(db, l, &row);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	return local_finish(db, l);
}

/* As what the RCPT of such a mail would have been told. */
static struct verdict
local_verdict(int result)
{
	switch (result) {
	case LOCAL_NO_ACCOUNT:
	case STORE_E_NO_ACCOUNT:
		return VERDICT(550, 5, 1, 1, "no such mailbox here any more");
	case STORE_E_QUOTA:
		return VERDICT(452, 4, 2, 2, "the mailbox is full");
	default:
		return VERDICT(451, 4, 3, 0, "it could not be delivered");
	}
}

static int
local_put_off(struct db *db, struct store_write *w)
{
	struct local *l = LIST_ENTRY(w, struct local, write);
	struct outbound *o = l->outbound;
	struct verdict v = local_verdict(l->result);
	struct q_queue_row row;
	int r = DB_ONE(queue_row, db, &row, .row = l->row);

	if (r == DB_NONE || (r == 0 && !local_is_due(l, &row)))
		return 0;
	if (r != 0)
		return ERR_TRACE(r);
	if (l->result == DB_E_EXISTS) /* got it by another address */
		return local_finish(db, l);
	l->is_failed = verdict_is_permanent(&v) || row.expires <= l->now;
	if (!l->is_failed)
		return ERR_TRACE(DB_EXEC(queue_later, db, .row = l->row,
		    .due = l->now +
			schedule_delay(&o->schedule, row.attempts + 1,
			    l->random),
		    .counted = 1, .now = l->now, .code = v.code,
		    .class = v.esc.class, .subject = v.esc.subject,
		    .detail = v.esc.detail, .text = v.text,
		    .remote = SLICE("")));
	if (outbound_is_unheard(row.sender, row.notify))
		return ERR_TRACE(outbound_remove_row(db, l->row));
	return ERR_TRACE(DB_EXEC(queue_fail, db, .row = l->row, .now = l->now,
	    .code = v.code, .class = v.esc.class, .subject = v.esc.subject,
	    .detail = v.esc.detail, .text = v.text, .remote = SLICE("")));
}

static void
local_end(struct local *l)
{
	(void)map_take_number(&l->outbound->in_hand, l->row);
	free(l);
}

static void
local_put_off_done(struct store_write *w, int r)
{
	struct local *l = LIST_ENTRY(w, struct local, write);
	struct outbound *o = l->outbound;
	struct verdict v = local_verdict(l->result);

	if (r == 0 && l->result != DB_E_EXISTS)
		outbound_event(o, &l->message,
		    l->is_failed ? "failed" : "delayed", slice_cstr(l->rcpt),
		    v.text, (struct slice){ 0 });
	if (r == 0)
		outbound_bounces_look(o);
	local_end(l);
}

static void
local_done(struct store_write *w, int r)
{
	struct local *l = LIST_ENTRY(w, struct local, write);
	struct outbound *o = l->outbound;

	if (r > 0) {
		l->result = r;
		l->write.apply = local_put_off;
		l->write.done = local_put_off_done;
		store_submit(o->store, &l->write);
		return;
	}
	if (r == 0 && l->is_delivered) {
		outbound_event(o, &l->message, "delivered", slice_cstr(l->rcpt),
		    SLICE("into INBOX"), (struct slice){ 0 });
		if (o->options.changed != NULL)
			o->options.changed(o->options.ctx, l->account,
			    l->mailbox, l->modseq);
	}
	if (r == 0 && l->is_told)
		outbound_bounces_look(o);
	local_end(l); /* after trouble the next sweep finds it again */
}

static void
local_start(struct outbound *o, uint64_t row)
{
	struct local *l;

	l = calloc(1, sizeof(*l));
	if (l == NULL || !outbound_take_in_hand(o, row, l)) {
		free(l);
		return;
	}
	l->outbound = o;
	l->row = row;
	l->now = outbound_time(o);
	l->random = env_random_u64(o->env);
	l->write.lane = STORE_LANE_QUEUE;
	l->write.apply = local_apply;
	l->write.done = local_done;
	store_submit(o->store, &l->write);
}

/* -- over, and late
 * -------------------------------------------------------------------- */

struct sweep {
	struct store_read read;
	struct store_write write;
	struct outbound *outbound;
	int64_t now, late_before; /* 0: nobody is warned */
	uint64_t rows[EXPIRE_READ];
	struct id messages[EXPIRE_MAX];
	bool is_failed[EXPIRE_MAX];
	size_t n;
	bool is_more;
	uint64_t locals[LOCAL_MAX];
	size_t n_locals;
	int64_t next; /* something is to be done then; -1: nothing */
};

static int
read_expired(struct db *db, struct sweep *s)
{
	struct q_queue_expired row;
	struct db_rows rows;
	int r = DB_MANY(queue_expired, db, &rows, .now = s->now);

	if (r != 0)
		return r;
	while (s->n < EXPIRE_READ &&
	    (r = q_queue_expired_next(&rows, &row)) == 0)
		s->rows[s->n++] = row.row;
	db_rows_close(&rows);
	return r;
}

static int
read_overdue(struct db *db, struct sweep *s)
{
	struct q_queue_overdue row;
	struct db_rows rows;
	int r = DB_MANY(queue_overdue, db, &rows, .now = s->now);

	if (r != 0)
		return r;
	while (s->n < EXPIRE_READ &&
	    (r = q_queue_overdue_next(&rows, &row)) == 0)
		s->rows[s->n++] = row.row;
	db_rows_close(&rows);
	return r;
}

static int
read_locals(struct db *db, struct sweep *s)
{
	struct q_queue_local row;
	struct db_rows rows;
	int r = DB_MANY(queue_local, db, &rows, .now = s->now);

	if (r != 0)
		return r;
	while (s->n_locals < LOCAL_MAX &&
	    (r = q_queue_local_next(&rows, &row)) == 0)
		s->locals[s->n_locals++] = row.row;
	db_rows_close(&rows);
	return r;
}

static int
sweep_run(struct db *db, struct store_read *read)
{
	struct sweep *s = LIST_ENTRY(read, struct sweep, read);
	struct q_queue_next_sweep next;
	int r = read_expired(db, s);

	if (r >= 0)
		r = read_overdue(db, s);
	if (r >= 0)
		r = read_locals(db, s);
	if (r >= 0)
		r = DB_ONE(queue_next_sweep, db, &next, .now = s->now);
	if (r < 0)
		return ERR_TRACE(r);
	s->next = next.by_at;
	if (next.due >= 0 && (s->next < 0 || next.due < s->next))
		s->next = next.due;
	return 0;
}

/* A row that no recipient's server ever answered fails with what its host did
 * last. */
static int
expire_fail(struct db *db, uint64_t row, struct slice route, uint8_t lane)
{
	struct q_destination_get d;
	int r = DB_ONE(destination_get, db, &d, .route = route, .lane = lane);
	bool is_known = r == 0 && d.last_code != 0;

	if (r < 0)
		return ERR_TRACE(r);
	return ERR_TRACE(DB_EXEC(queue_fail, db, .row = row,
	    .now = is_known ? d.last_at : 0,
	    .code = is_known ? d.last_code : 451, .class = 4,
	    .subject = is_known ? d.last_subject : 4,
	    .detail = is_known ? d.last_detail : 7,
	    .text = is_known ? d.last_text
			     : SLICE("the time for its delivery is over"),
	    .remote = is_known ? d.last_remote : SLICE(""),
	    .is_ours = is_known && d.last_is_ours));
}

static bool
is_overdue(const struct sweep *s, const struct q_queue_row *row)
{
	return row->by_mode == MAIL_BY_RETURN && row->by_at > 0 &&
	    row->by_at <= s->now;
}

static int
fail_overdue(struct db *db, uint64_t row, int64_t last_at)
{
	return ERR_TRACE(DB_EXEC(queue_fail, db, .row = row, .now = last_at,
	    .code = 554, .class = 5, .subject = 4, .detail = 7,
	    .text = SLICE("it could not be delivered by the time that was "
			  "asked for"),
	    .remote = SLICE("")));
}

static int
expire_one(struct db *db, struct sweep *s, size_t i)
{
	uint8_t route[QUEUE_ROUTE_MAX];
	struct q_queue_row row;
	int r = DB_ONE(queue_row, db, &row, .row = s->rows[i]);

	if (r == DB_NONE || (r == 0 && (row.state != ROW_WAITING || row.hold)))
		return 0;
	if (r != 0)
		return ERR_TRACE(r);
	if (row.expires > s->now && !is_overdue(s, &row))
		return 0;
	s->messages[i] = row.message;
	s->is_failed[i] = true;
	if (outbound_is_unheard(row.sender, row.notify))
		return ERR_TRACE(outbound_remove_row(db, s->rows[i]));
	if (is_overdue(s, &row))
		return ERR_TRACE(fail_overdue(db, s->rows[i], row.last_at));
	if (row.last_code != 0)
		return ERR_TRACE(DB_EXEC(queue_fail_now, db,
		    .row = s->rows[i]));
	if (row.route.len > sizeof(route))
		return ERR_ORIGIN(-EBADMSG);
	memcpy(route, row.route.at, row.route.len);
	return ERR_TRACE(expire_fail(db, s->rows[i],
	    slice_of(route, row.route.len), row.lane));
}

static int
sweep_apply(struct db *db, struct store_write *w)
{
	struct sweep *s = LIST_ENTRY(w, struct sweep, write);
	int r = DB_EXEC(queue_overdue_note, db, .now = s->now);

	if (r == 0)
		r = DB_EXEC(queue_late_note, db, .now = s->now);
	if (r == 0)
		r = DB_EXEC(queue_late_skip, db, .before = s->late_before);
	for (size_t i = 0; r == 0 && i < s->n; i++)
		r = expire_one(db, s, i);
	return ERR_TRACE(r);
}

static void
sweep_end(struct sweep *s)
{
	struct outbound *o = s->outbound;

	for (size_t i = 0; i < s->n; i++)
		(void)map_take_number(&o->in_hand, s->rows[i]);
	o->is_sweeping = false;
	free(s);
}

static void
sweep_written(struct store_write *w, int r)
{
	struct sweep *s = LIST_ENTRY(w, struct sweep, write);
	struct outbound *o = s->outbound;
	int64_t late = s->late_before, next = s->next;
	bool has_failed = false, is_more = s->is_more && r == 0;

	for (size_t i = 0; r == 0 && i < s->n; i++) {
		if (!s->is_failed[i])
			continue;
		has_failed = true;
		outbound_event(o, &s->messages[i], "expired",
		    (struct slice){ 0 }, SLICE("the time for it is over"),
		    (struct slice){ 0 });
	}
	sweep_end(s);
	if (r == 0)
		outbound_bounces_look_late(o, late);
	if (next >= 0 && r == 0)
		outbound_sweep_by(o, next);
	if (has_failed)
		outbound_bounces_look(o);
	if (is_more)
		outbound_sweep_start(o);
}

/* Rows in the hands of a courier are left to it; the others are taken in hand,
 * so that none is given out while it expires. */
static void
take_in_hand(struct sweep *s)
{
	struct outbound *o = s->outbound;
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (kept == EXPIRE_MAX) {
			s->is_more = true;
			break;
		}
		if (outbound_take_in_hand(o, s->rows[i], s))
			s->rows[kept++] = s->rows[i];
	}
	s->n = kept;
}

static void
sweep_read(struct store_read *read, int r)
{
	struct sweep *s = LIST_ENTRY(read, struct sweep, read);

	if (r != 0)
		s->n = s->n_locals = 0;
	take_in_hand(s);
	for (size_t i = 0; i < s->n_locals; i++)
		local_start(s->outbound, s->locals[i]);
	s->write.lane = STORE_LANE_BULK;
	s->write.apply = sweep_apply;
	s->write.done = sweep_written;
	store_submit(s->outbound->store, &s->write);
}

void
outbound_sweep_start(struct outbound *o)
{
	struct sweep *s;

	if (o->is_sweeping || (s = calloc(1, sizeof(*s))) == NULL)
		return;
	s->outbound = o;
	s->now = outbound_time(o);
	if (o->settings->delay_warning > 0)
		s->late_before = s->now - o->settings->delay_warning;
	s->read.run = sweep_run;
	s->read.done = sweep_read;
	o->is_sweeping = true;
	store_read(o->store, &s->read);
}
