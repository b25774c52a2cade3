/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_show - `ulak queue list, show, count, summary`
 *
 * Rows are read and encoded in a thread and sent on the loop, for only the
 * loop knows which of them a courier has in hand.
 */
#include "roles/store/outbound_admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "queue/classify.h"
#include "queue/fair.h"

/* -- list and show
 * -------------------------------------------------------------------- */

struct show {
	struct request request; /* first: freed as one */
	struct store_read read;
	int (*run)(struct db *db, struct show *s);
	struct buf rows; /* admin rows, each with its length before it */
	bool is_long;
	int64_t now;
};

/* Encoded in the thread; sent on the loop. */
static int
show_add(struct show *s, struct table *t)
{
	uint8_t head[8];
	int r;

	memcpy(head, &(uint32_t){ (uint32_t)t->fields.len }, 4);
	memcpy(head + 4, &t->n, 4);
	r = buf_add(&s->rows, slice_of(head, sizeof(head)));
	if (r == 0)
		r = buf_add(&s->rows, buf_slice(&t->fields));
	buf_reset(&t->fields, ROWS_BUF);
	t->n = 0;
	return r;
}

static const char *
state_of(const struct q_queue_show *row, int64_t now)
{
	static const char *const states[] = { [ROW_FAILED] = "failed",
		[ROW_RELAYED] = "relayed",
		[ROW_DELIVERED] = "delivered",
		[ROW_EXPANDED] = "expanded" };

	if (row->state < sizeof(states) / sizeof(states[0]) &&
	    states[row->state] != NULL)
		return states[row->state];
	if (row->hold)
		return "held";
	return row->hold_until > now && row->late > now ? "scheduled"
							: "waiting";
}

static int64_t
due_of(const struct q_queue_show *row)
{
	return row->retry_at > row->due ? row->retry_at : row->due;
}

/* What SMTP's extensions asked for; what was not said is left out. */
static void
show_wishes(struct table *t, const struct q_queue_show *row)
{
	static const char *const rets[] = { "", "FULL", "HDRS" };
	static const char *const modes[] = { "", "return", "notify" };
	const struct {
		const char *name;
		int64_t value;
	} numbers[] = {
		{ "released", row->hold_until },
		{ "deliver_by", row->deliver_by },
		{ "priority", row->priority },
		{ "rrvs", row->rrvs },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (numbers[i].value != 0)
			table_number(t, numbers[i].name, numbers[i].value);
	if (row->by_mode > 0 && row->by_mode < 3)
		table_text(t, "by_mode", slice_cstr(modes[row->by_mode]));
	if (row->ret > 0 && row->ret < 3)
		table_text(t, "ret", slice_cstr(rets[row->ret]));
	if (row->envid.len > 0)
		table_text(t, "envid", row->envid);
	if (row->is_binary || row->is_8bit)
		table_text(t, "body",
		    row->is_binary ? SLICE("binary") : SLICE("8bit"));
	if (row->is_smtputf8)
		table_text(t, "smtputf8", SLICE("1"));
	if (row->requires_tls)
		table_text(t, "requires_tls", SLICE("1"));
}

static void
show_long(struct table *t, const struct q_queue_show *row)
{
	static const char *const lanes[] = { "interactive", "bulk", "bounce" };

	table_text(t, "lane",
	    slice_cstr(row->lane < N_LANES ? lanes[row->lane] : "?"));
	table_number(t, "created", row->created);
	table_number(t, "notify", row->notify);
	table_text(t, "orcpt", row->orcpt);
	table_number(t, "size", (int64_t)row->size);
	show_wishes(t, row);
}

/* The enhanced code, and what kind of trouble it is, when there was any. */
static void
show_class(struct table *t, const struct q_queue_show *row, bool is_own)
{
	struct verdict v = { row->destination_code,
		{ row->destination_class, row->destination_subject,
		    row->destination_detail },
		row->destination_text };
	char status[24] = "";

	if (is_own)
		v = (struct verdict){ row->last_code,
			{ row->last_class, row->last_subject,
			    row->last_detail },
			row->last_text };
	if (v.esc.class != 0)
		(void)snprintf(status, sizeof(status), "%u.%u.%u", v.esc.class,
		    v.esc.subject, v.esc.detail);
	table_text(t, "status", slice_cstr(status));
	table_text(t, "class",
	    v.code == 0 || verdict_is_ok(&v)
		? SLICE("")
		: slice_cstr(reply_class_name(reply_classify(&v))));
}

/* Whether the last words were about this recipient: not of its host, which has
 * failed since. A filter's reason for holding it came without a code. */
static bool
has_own_words(const struct q_queue_show *row)
{
	if (row->last_code == 0)
		return row->hold && row->last_text.len > 0;
	return row->retry_at == 0 || row->destination_code == 0 ||
	    row->destination_at <= row->last_at;
}

static int
show_row(struct show *s, struct table *t, const struct q_queue_show *row,
    const char *state)
{
	bool is_own = has_own_words(row);
	char id[ID_TEXT + 1];

	id_print(&row->message, id);
	table_number(t, "row", (int64_t)row->row);
	table_text(t, "id", slice_cstr(id));
	table_text(t, "sender", row->sender);
	table_text(t, "recipient", row->rcpt);
	table_text(t, "route", row->route);
	table_text(t, "state", slice_cstr(state));
	table_number(t, "attempts", row->attempts);
	table_number(t, "due", due_of(row));
	table_number(t, "expires", row->expires);
	table_number(t, "last", is_own ? row->last_at : row->destination_at);
	table_text(t, "remote",
	    is_own ? row->last_remote : row->destination_remote);
	table_number(t, "code",
	    is_own ? row->last_code : row->destination_code);
	table_text(t, "text", is_own ? row->last_text : row->destination_text);
	if (row->retry_at > 0)
		table_number(t, "backoff", row->retry_at);
	show_class(t, row, is_own);
	if (s->is_long)
		show_long(t, row);
	return show_add(s, t);
}

static int
show_run(struct db *db, struct show *s)
{
	const struct args *a = &s->request.args;
	struct table t = { .request = &s->request };
	struct q_queue_show row;
	struct db_rows rows;
	int r = DB_MANY(queue_show, db, &rows,
	    .id = slice_of(a->id, a->has_id ? sizeof(a->id) : 0),
	    .route = slice_cstr(a->route), .sender = slice_cstr(a->sender),
	    .rcpt = slice_cstr(a->rcpt), .row = a->row, .older = a->older,
	    .newer = a->newer, .reason = slice_cstr(a->reason), .lane = a->lane,
	    .state = a->which,
	    .limit = a->limit == 0 ? SHOW_DEFAULT : (uint32_t)a->limit);

	if (r != 0)
		return ERR_TRACE(r);
	buf_init(&t.fields, ROWS_BUF);
	while ((r = q_queue_show_next(&rows, &row)) == 0) {
		const char *state = state_of(&row, s->now);

		if (a->state[0] != '\0' && strcmp(a->state, "sending") != 0 &&
		    strcmp(a->state, state) != 0)
			continue;
		r = show_row(s, &t, &row, state);
		if (r != 0)
			break;
	}
	buf_deinit(&t.fields);
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

/* What the loop alone knows of a row: who has it in hand, what keeps it back.
 */
struct seen {
	bool is_sending, is_waiting;
	struct slice sender, route;
	int64_t until;
	char why[THROTTLE_TEXT_MAX + 16];
};

static void
see_throttle(const struct outbound *o, struct seen *x)
{
	int64_t now = env_wall(o->env);
	const struct throttle *why;
	char text[THROTTLE_TEXT_MAX];

	if (!x->is_waiting || x->is_sending)
		return;
	for (uint8_t lane = 0; lane < QUEUE_LANES; lane++) {
		const struct destination *d =
		    destination_find(&o->destinations, x->route, lane);

		if (d == NULL || !d->is_warming || d->retry_at <= now)
			continue;
		x->until = d->retry_at;
		(void)snprintf(x->why, sizeof(x->why), "throttled by warmup");
		return;
	}
	x->until = throttles_ready(&o->throttles, x->route,
	    fair_flow(x->sender), now, &why);
	if (x->until <= now || why == NULL)
		return;
	throttle_subject_print(why, text);
	(void)snprintf(x->why, sizeof(x->why), "throttled by %s", text);
}

static void
see(const struct outbound *o, struct wire_list list, struct seen *x)
{
	struct wire_field f;
	uint64_t row = 0;

	*x = (struct seen){ 0 };
	while (wire_field_next(&list, &f)) {
		if (slice_equal(f.name, SLICE("row")) &&
		    slice_to_u64(f.value, UINT64_MAX, &row))
			x->is_sending =
			    map_get_number(&o->in_hand, row) != NULL;
		if (slice_equal(f.name, SLICE("sender")))
			x->sender = f.value;
		if (slice_equal(f.name, SLICE("route")))
			x->route = f.value;
		if (slice_equal(f.name, SLICE("state")))
			x->is_waiting = slice_equal(f.value, SLICE("waiting"));
	}
	see_throttle(o, x);
}

/* A throttle that lets it wait longer than it would anyway. */
static void
show_throttled(struct seen *x, struct wire_field *f, char text[24])
{
	uint64_t due;

	if (x->why[0] == '\0')
		return;
	if (slice_equal(f->name, SLICE("due")) &&
	    slice_to_u64(f->value, INT64_MAX, &due)) {
		if ((int64_t)due >= x->until) {
			x->why[0] = '\0';
			return;
		}
		(void)snprintf(text, 24, "%" PRId64, x->until);
		f->value = slice_cstr(text);
	} else if (slice_equal(f->name, SLICE("text")) && f->value.len == 0) {
		/* what a server said last is worth more; "throttled" says it,
		 * too */
		f->value = slice_cstr(x->why);
	}
}

/* Rows that a courier has in hand are "sending"; what is held is so while it is
 * changed, too. */
static bool
add_seen(struct show *s, struct slice fields, uint32_t n, struct table *t)
{
	struct wire_list list = { fields, n };
	const char *wanted = s->request.args.state;
	bool is_wanted = wanted[0] == '\0';
	struct wire_field f;
	struct seen x;
	char due[24];

	see(s->request.outbound, list, &x);
	while (wire_field_next(&list, &f)) {
		if (slice_equal(f.name, SLICE("state"))) {
			if (x.is_sending && x.is_waiting)
				f.value = SLICE("sending");
			is_wanted |= slice_equal(f.value, slice_cstr(wanted));
		}
		show_throttled(&x, &f, due);
		if (wire_field_add(&t->fields, &f) == 0)
			t->n++;
	}
	if (x.why[0] != '\0')
		table_text(t, "throttled",
		    slice_cstr(x.why + strlen("throttled by ")));
	return is_wanted;
}

static void
show_done(struct store_read *read, int r)
{
	struct show *s = LIST_ENTRY(read, struct show, read);
	struct slice rest = buf_slice(&s->rows), head, fields;
	struct table t = { .request = &s->request };
	unsigned shown = 0;
	char text[40];

	buf_init(&t.fields, ROWS_BUF);
	while (r == 0 && slice_take(&rest, 8, &head)) {
		uint32_t len, n;

		memcpy(&len, head.at, 4);
		memcpy(&n, head.at + 4, 4);
		if (!slice_take(&rest, len, &fields))
			break;
		if (add_seen(s, fields, n, &t)) {
			table_send(&t, true, VERDICT(250, 2, 0, 0, ""));
			shown++;
		}
		buf_reset(&t.fields, ROWS_BUF);
		t.n = 0;
	}
	buf_deinit(&t.fields);
	buf_deinit(&s->rows);
	(void)snprintf(text, sizeof(text), "%u rows", shown);
	request_end(&s->request,
	    r != 0 ? verdict_trouble()
		   : (struct verdict){ 250, { 2, 0, 0 }, slice_cstr(text) });
}

static int
show_read(struct db *db, struct store_read *read)
{
	struct show *s = LIST_ENTRY(read, struct show, read);

	return ERR_TRACE(s->run(db, s));
}

struct request *
show_make(void)
{
	struct show *s = calloc(1, sizeof(*s));

	return s == NULL ? NULL : &s->request;
}

static bool
start(struct request *q, int (*run)(struct db *db, struct show *s))
{
	struct show *s = LIST_ENTRY(q, struct show, request);

	s->run = run;
	s->is_long = q->command->needs_id;
	s->now = env_wall(q->outbound->env);
	buf_init(&s->rows, 64 * 1024 * 1024);
	s->read.run = show_read;
	s->read.done = show_done;
	store_read(q->outbound->store, &s->read);
	return true;
}

bool
show_start(struct request *q)
{
	return start(q, show_run);
}

/* -- count and summary
 * ------------------------------------------------------------- */

static int
count_run(struct db *db, struct show *s)
{
	const struct args *a = &s->request.args;
	struct table t = { .request = &s->request };
	struct q_queue_count row;
	int r = DB_ONE(queue_count, db, &row,
	    .id = slice_of(a->id, a->has_id ? sizeof(a->id) : 0), .row = a->row,
	    .rcpt = slice_cstr(a->rcpt), .sender = slice_cstr(a->sender),
	    .route = slice_cstr(a->route), .older = a->older, .newer = a->newer,
	    .reason = slice_cstr(a->reason), .lane = a->lane,
	    .state = a->which);

	if (r != 0)
		return ERR_TRACE(r);
	buf_init(&t.fields, ROWS_BUF);
	table_number(&t, "rows", row.n);
	table_number(&t, "messages", row.messages);
	r = show_add(s, &t);
	buf_deinit(&t.fields);
	return ERR_TRACE(r);
}

bool
count_start(struct request *q)
{
	return start(q, count_run);
}

static int
summary_add(struct show *s, struct table *t, struct slice what, int64_t waiting,
    int64_t held, int64_t failed, int64_t oldest)
{
	table_text(t, "what", what);
	table_number(t, "waiting", waiting);
	table_number(t, "held", held);
	table_number(t, "failed", failed);
	table_number(t, "oldest", oldest);
	return show_add(s, t);
}

/* The largest first, at most `limit` of them. */
static int
summary_run(struct db *db, struct show *s)
{
	const struct args *a = &s->request.args;
	struct table t = { .request = &s->request };
	struct q_queue_summary row;
	struct db_rows rows;
	int r = DB_MANY(queue_summary, db, &rows,
	    .by_sender = strcmp(a->by, "sender") == 0,
	    .limit = a->limit == 0 ? SHOW_DEFAULT : (uint32_t)a->limit);

	if (r != 0)
		return ERR_TRACE(r);
	buf_init(&t.fields, ROWS_BUF);
	while ((r = q_queue_summary_next(&rows, &row)) == 0) {
		r = summary_add(s, &t, row.what, row.waiting, row.held,
		    row.failed, row.oldest);
		if (r != 0)
			break;
	}
	buf_deinit(&t.fields);
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

bool
summary_start(struct request *q)
{
	return start(q, summary_run);
}
