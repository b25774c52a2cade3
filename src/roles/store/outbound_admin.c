/* SPDX-License-Identifier: ISC */
/*
 * roles/store/outbound_admin - `ulak queue list, show, retry, hold, ...`
 *
 * docs/admin.md has the arguments and columns. Who may ask was checked by the
 * control role. What changes rows works in rounds: read some that are meant,
 * change those that no courier has in hand in one transaction, and wait a
 * while for the attempts of the others to end. Who is still being tried then
 * is left as it is, and the asker hears how many.
 */
#include "roles/store/outbound_impl.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "queue/classify.h"

enum {
	SHOW_MAX = 10000,
	SHOW_DEFAULT = 1000,
	WHICH_MAX = 200, /* as queue_which: one round */
	WAITS_MAX = 50,  /* of one request, WAIT long each */
	WAIT = 200 * TIME_MS,
	ROWS_BUF = 70 * 1024
};

struct args {
	uint8_t id[ID_SIZE];
	bool has_id, all;
	uint64_t row, limit;
	char rcpt[LIMIT_ADDRESS + 1], sender[LIMIT_ADDRESS + 1],
	    route[LIMIT_DOMAIN + 1], state[16];
};

/* Common to both kinds of request. */
struct request {
	struct list link; /* in o->controls */
	struct outbound *outbound;
	struct channel *channel; /* NULL: the asker is gone */
	uint64_t session;
	uint32_t ticket;
	struct env_timer *waits; /* of a change; NULL: of a list */
	struct args args;
};

/* -- arguments
 * --------------------------------------------------------------------- */

static bool
take_text(struct slice value, char *at, size_t size)
{
	return value.len > 0 && slice_find_byte(value, '\0') == SIZE_MAX &&
	    slice_to_cstr(value, at, size);
}

static bool
take_id(struct args *a, struct slice value)
{
	struct id id;

	a->has_id = id_parse(value, &id);
	memcpy(a->id, id.bytes, a->has_id ? sizeof(a->id) : 0);
	return a->has_id;
}

static bool
take_arg(struct args *a, const struct wire_field *f)
{
	if (slice_equal(f->name, SLICE("id")))
		return take_id(a, f->value);
	if (slice_equal(f->name, SLICE("row")))
		return slice_to_u64(f->value, INT64_MAX, &a->row);
	if (slice_equal(f->name, SLICE("limit")))
		return slice_to_u64(f->value, SHOW_MAX, &a->limit);
	if (slice_equal(f->name, SLICE("recipient")))
		return take_text(f->value, a->rcpt, sizeof(a->rcpt));
	if (slice_equal(f->name, SLICE("sender")))
		return take_text(f->value, a->sender, sizeof(a->sender));
	if (slice_equal(f->name, SLICE("route")))
		return take_text(f->value, a->route, sizeof(a->route));
	if (slice_equal(f->name, SLICE("state")))
		return take_text(f->value, a->state, sizeof(a->state));
	if (slice_equal(f->name, SLICE("all"))) {
		a->all = slice_equal(f->value, SLICE("1"));
		return true;
	}
	return false;
}

static bool
take_args(struct args *a, const struct wire_admin_ask *m)
{
	struct wire_list rows = m->args;
	struct wire_field f;

	while (wire_field_next(&rows, &f))
		if (!take_arg(a, &f))
			return false;
	return true;
}

/* -- answers
 * ----------------------------------------------------------------------- */

struct table {
	struct request *request;
	struct buf fields;
	uint32_t n;
};

static void
add_text(struct table *t, const char *name, struct slice value)
{
	struct wire_field f = { slice_cstr(name), slice_upto(value, 1024) };

	if (wire_field_add(&t->fields, &f) == 0)
		t->n++;
}

static void
add_number(struct table *t, const char *name, int64_t value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, value);
	add_text(t, name, slice_cstr(text));
}

static void
send_row(struct table *t, bool more, struct verdict v)
{
	struct request *q = t->request;
	struct wire_admin_rows m = { .verdict = { v.code, v.esc.class,
					 v.esc.subject, v.esc.detail, v.text },
		.rows = { buf_slice(&t->fields), t->n },
		.more = more };

	if (q->channel != NULL)
		(void)wire_send_admin_rows(q->channel, q->session, q->ticket,
		    &m);
	buf_reset(&t->fields, ROWS_BUF);
	t->n = 0;
}

static void
request_end(struct request *q, struct verdict v)
{
	struct table t = { .request = q };

	buf_init(&t.fields, ROWS_BUF);
	send_row(&t, false, v);
	buf_deinit(&t.fields);
	list_remove(&q->link);
	free(q);
}

/* -- list and show
 * -------------------------------------------------------------------- */

struct show {
	struct request request; /* first: freed as one */
	struct store_read read;
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
			add_number(t, numbers[i].name, numbers[i].value);
	if (row->by_mode > 0 && row->by_mode < 3)
		add_text(t, "by_mode", slice_cstr(modes[row->by_mode]));
	if (row->ret > 0 && row->ret < 3)
		add_text(t, "ret", slice_cstr(rets[row->ret]));
	if (row->envid.len > 0)
		add_text(t, "envid", row->envid);
	if (row->is_binary || row->is_8bit)
		add_text(t, "body",
		    row->is_binary ? SLICE("binary") : SLICE("8bit"));
	if (row->is_smtputf8)
		add_text(t, "smtputf8", SLICE("1"));
	if (row->requires_tls)
		add_text(t, "requires_tls", SLICE("1"));
}

static void
show_long(struct table *t, const struct q_queue_show *row)
{
	static const char *const lanes[] = { "interactive", "bulk", "bounce" };

	add_text(t, "lane",
	    slice_cstr(row->lane < N_LANES ? lanes[row->lane] : "?"));
	add_number(t, "created", row->created);
	add_number(t, "last", row->last_at);
	add_text(t, "remote", row->last_remote);
	add_number(t, "notify", row->notify);
	add_text(t, "orcpt", row->orcpt);
	add_number(t, "size", (int64_t)row->size);
	show_wishes(t, row);
}

/* What kind of trouble it is, when there was any. */
static void
show_class(struct table *t, const struct q_queue_show *row, bool is_own)
{
	struct verdict v = { row->destination_code, { 0 },
		row->destination_text };

	if (is_own)
		v = (struct verdict){ row->last_code,
			{ row->last_class, row->last_subject,
			    row->last_detail },
			row->last_text };
	add_text(t, "class",
	    v.code == 0 || verdict_is_ok(&v)
		? SLICE("")
		: slice_cstr(reply_class_name(reply_classify(&v))));
}

static int
show_row(struct show *s, struct table *t, const struct q_queue_show *row,
    const char *state)
{
	/* a filter's reason for holding it came without a code */
	bool is_own =
	    row->last_code != 0 || (row->hold && row->last_text.len > 0);
	char id[ID_TEXT + 1];

	id_print(&row->message, id);
	add_number(t, "row", (int64_t)row->row);
	add_text(t, "id", slice_cstr(id));
	add_text(t, "sender", row->sender);
	add_text(t, "recipient", row->rcpt);
	add_text(t, "route", row->route);
	add_text(t, "state", slice_cstr(state));
	add_number(t, "attempts", row->attempts);
	add_number(t, "due", due_of(row));
	add_number(t, "expires", row->expires);
	add_number(t, "code", is_own ? row->last_code : row->destination_code);
	add_text(t, "text", is_own ? row->last_text : row->destination_text);
	show_class(t, row, is_own);
	if (s->is_long)
		show_long(t, row);
	return show_add(s, t);
}

static int
show_run(struct db *db, struct store_read *read)
{
	struct show *s = LIST_ENTRY(read, struct show, read);
	const struct args *a = &s->request.args;
	struct table t = { .request = &s->request };
	struct q_queue_show row;
	struct db_rows rows;
	int r = DB_MANY(queue_show, db, &rows,
	    .id = slice_of(a->id, a->has_id ? sizeof(a->id) : 0),
	    .route = slice_cstr(a->route), .sender = slice_cstr(a->sender),
	    .rcpt = slice_cstr(a->rcpt),
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

/* Rows that a courier has in hand are "sending": only the loop knows. */
static bool
mark_sending(struct show *s, struct slice fields, uint32_t n, struct table *t)
{
	struct wire_list list = { fields, n };
	struct outbound *o = s->request.outbound;
	const char *wanted = s->request.args.state;
	struct wire_field f;
	uint64_t row = 0;
	bool is_sending = false, is_wanted = wanted[0] == '\0';

	while (wire_field_next(&list, &f)) {
		if (slice_equal(f.name, SLICE("row")) &&
		    slice_to_u64(f.value, UINT64_MAX, &row))
			is_sending = map_get_number(&o->in_hand, row) != NULL;
		if (slice_equal(f.name, SLICE("state"))) {
			if (is_sending)
				f.value = SLICE("sending");
			is_wanted |= slice_equal(f.value, slice_cstr(wanted));
		}
		if (wire_field_add(&t->fields, &f) == 0)
			t->n++;
	}
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
		if (mark_sending(s, fields, n, &t)) {
			send_row(&t, true, VERDICT(250, 2, 0, 0, ""));
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

static bool
show_start(struct show *s, bool is_long)
{
	s->is_long = is_long;
	s->now = env_wall(s->request.outbound->env);
	buf_init(&s->rows, 64 * 1024 * 1024);
	s->read.run = show_run;
	s->read.done = show_done;
	store_read(s->request.outbound->store, &s->read);
	return true;
}

/* -- changes
 * ---------------------------------------------------------------------------
 */

enum show_kind {
	SHOW_NOT,
	SHOW_LIST,
	SHOW_LONG
};

struct command {
	const char *name;
	enum show_kind show;
	int (*apply)(struct db *db, uint64_t row, int64_t now);
	bool makes_due; /* those being tried already are */
	bool makes_bounce;
};

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
	const struct command *command;
	uint64_t after, affected, n_left;
	int64_t now;
	bool is_last;
	/* Of this round: those to change now, and those in somebody's hand. */
	struct change_row rows[WHICH_MAX], busy[WHICH_MAX];
	size_t n, n_busy, n_changed;
	struct env_timer wait;
	unsigned n_waits;
};

static int
apply_retry(struct db *db, uint64_t row, int64_t now)
{
	return DB_EXEC(queue_retry, db, .row = row, .now = now);
}

static int
apply_hold(struct db *db, uint64_t row, int64_t now)
{
	(void)now;
	return DB_EXEC(queue_hold, db, .row = row, .hold = true);
}

static int
apply_release(struct db *db, uint64_t row, int64_t now)
{
	(void)now;
	return DB_EXEC(queue_hold, db, .row = row, .hold = false);
}

static int
apply_delete(struct db *db, uint64_t row, int64_t now)
{
	(void)now;
	return outbound_remove_row(db, row);
}

/* A bounce for the null sender goes nowhere: such a row is deleted. */
static int
apply_bounce(struct db *db, uint64_t row, int64_t now)
{
	struct q_queue_row q;
	int r = DB_ONE(queue_row, db, &q, .row = row);

	if (r == DB_NONE ||
	    (r == 0 && q.state != ROW_WAITING && q.state != ROW_LOCAL))
		return 0;
	if (r != 0)
		return r;
	if (q.sender.len == 0)
		return apply_delete(db, row, now);
	return DB_EXEC(queue_fail, db, .row = row, .now = now, .code = 550,
	    .class = 5, .subject = 0, .detail = 0,
	    .text = SLICE("returned by the administrator"),
	    .remote = SLICE(""));
}

static int
change_run(struct db *db, struct store_read *read)
{
	struct change *c = LIST_ENTRY(read, struct change, read);
	const struct args *a = &c->request.args;
	struct q_queue_which row;
	struct db_rows rows;
	int r = DB_MANY(queue_which, db, &rows, .after = c->after,
	    .id = slice_of(a->id, a->has_id ? sizeof(a->id) : 0), .row = a->row,
	    .rcpt = slice_cstr(a->rcpt), .sender = slice_cstr(a->sender),
	    .route = slice_cstr(a->route));

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
			r = c->command->apply(db, c->rows[i].row, c->now);
		c->n_changed++;
	}
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

static struct verdict
change_verdict(const struct change *c, int r, char *text, size_t size)
{
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
	bool has_failed = c->command->makes_bounce && c->affected > 0;
	char text[128];
	bool makes_due = c->command->makes_due;

	if (r == 0) {
		buf_init(&t.fields, ROWS_BUF);
		add_number(&t, "affected", (int64_t)c->affected);
		send_row(&t, true, VERDICT(250, 2, 0, 0, ""));
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
	struct slice route = slice_of(row->route, row->route_len);
	struct destination *d;

	if (!c->command->makes_due ||
	    destination_get(&o->destinations, route, row->lane, &d) < 0)
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
		if (map_get_number(&o->in_hand, c->rows[i].row) == NULL &&
		    map_put_number(&o->in_hand, c->rows[i].row, c) == 0)
			c->rows[kept++] = c->rows[i];
		else if (!c->command->makes_due)
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
	if (r != 0 || c->is_last)
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

static bool
change_start(struct change *c)
{
	c->read.run = change_run;
	c->read.done = change_read;
	c->write.lane = STORE_LANE_BULK;
	c->write.apply = change_apply;
	c->write.done = change_written;
	store_read(c->request.outbound->store, &c->read);
	return true;
}

/* -- commands
 * ---------------------------------------------------------------------------
 */

static const struct command commands[] = {
	{ "queue list", SHOW_LIST, NULL, false, false },
	{ "queue show", SHOW_LONG, NULL, false, false },
	{ "queue retry", SHOW_NOT, apply_retry, true, false },
	{ "queue hold", SHOW_NOT, apply_hold, false, false },
	{ "queue release", SHOW_NOT, apply_release, true, false },
	{ "queue delete", SHOW_NOT, apply_delete, false, false },
	{ "queue bounce", SHOW_NOT, apply_bounce, false, true },
};

static const struct command *
command_find(struct slice name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (slice_equal(name, slice_cstr(commands[i].name)))
			return &commands[i];
	return NULL;
}

/* A change must say which rows; one that names none is a slip. */
static bool
args_are_good(const struct command *cmd, const struct args *a)
{
	bool names_some = a->has_id || a->row != 0 || a->rcpt[0] != '\0' ||
	    a->sender[0] != '\0' || a->route[0] != '\0';

	if (cmd->show == SHOW_LONG)
		return a->has_id;
	return cmd->show == SHOW_LIST || names_some != a->all;
}

static struct request *
request_new(const struct command *cmd, struct outbound *o, struct channel *c,
    const struct wire_head *h)
{
	struct request *q = calloc(1,
	    cmd->show == SHOW_NOT ? sizeof(struct change)
				  : sizeof(struct show));

	if (q == NULL)
		return NULL;
	q->outbound = o;
	q->channel = c;
	q->session = h->session;
	q->ticket = h->ticket;
	list_add_last(&o->controls, &q->link);
	return q;
}

static void
refuse(struct channel *c, const struct wire_head *h, struct verdict v)
{
	struct wire_admin_rows m = { .verdict = { v.code, v.esc.class,
					 v.esc.subject, v.esc.detail,
					 v.text } };

	(void)wire_send_admin_rows(c, h->session, h->ticket, &m);
}

bool
outbound_admin(struct outbound *o, struct channel *c, const struct wire_head *h,
    const struct wire_admin_ask *m)
{
	const struct command *cmd = command_find(m->command);
	struct request *q;
	struct change *change;

	if (cmd == NULL)
		return false;
	q = request_new(cmd, o, c, h);
	if (q == NULL) {
		refuse(c, h, verdict_trouble());
		return true;
	}
	if (!take_args(&q->args, m) || !args_are_good(cmd, &q->args)) {
		request_end(q,
		    VERDICT(501, 5, 5, 4, "unknown, bad or missing argument"));
		return true;
	}
	if (cmd->show != SHOW_NOT)
		return show_start(LIST_ENTRY(q, struct show, request),
		    cmd->show == SHOW_LONG);
	change = LIST_ENTRY(q, struct change, request);
	change->command = cmd;
	q->waits = &change->wait;
	return change_start(change);
}

void
outbound_control_lost(struct outbound *o, struct channel *c)
{
	LIST_FOREACH (it, &o->controls) {
		struct request *q = LIST_ENTRY(it, struct request, link);

		if (q->channel == c)
			q->channel = NULL;
	}
}

/* The loop does not turn any more: only what waits for a timer is ours to
 * free; the rest is with the threads. */
void
outbound_admin_end(struct outbound *o)
{
	struct list *it = o->controls.next;

	while (it != &o->controls) {
		struct request *q = LIST_ENTRY(it, struct request, link);

		it = it->next;
		if (q->waits == NULL || q->waits->slot == 0)
			continue;
		env_timer_stop(o->env, q->waits);
		list_remove(&q->link);
		free(q);
	}
}
