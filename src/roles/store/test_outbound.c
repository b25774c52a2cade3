/* SPDX-License-Identifier: ISC */
/*
 * The outbound queue on a real store, with a made-up courier on the same loop.
 *
 * What the courier reports stands in the recipient's address: ok@, no@ (550),
 * later@ (451), mute@ (nothing, ever); everything at dead.example is the
 * failure of its host. After each scene the store is verified.
 */
#include <sys/socket.h>

#include "base/time.h"
#include "queue/bounce.h"
#include "roles/store/outbound_impl.h"
#include "store/domain.h"
#include "store/route.h"
#include "store/store_fixture.h"

enum {
	RCPTS = 8,
	SEEN = 2000
};

/* What SMTP's extensions ask for; 0: nothing. */
struct wish {
	int64_t hold_in, by_in, priority;
	uint8_t by_mode, notify, ret;
	bool by_trace, requires_tls;
};

struct scene {
	struct fixture f;
	struct wish wish;  /* of the letters sent from here on */
	const char *fresh; /* not NULL: told as the recipient of the row that
			    * has just come */
	bool offers_dsn, offers_deliverby;
	bool bounce_is_full;
	bool has_no_dns;             /* its lookups fail */
	struct wire_attempt attempt; /* the last; its slices are gone */
	struct settings settings;
	struct outbound *outbound;
	bool has_courier;
	struct channel store, courier; /* the two ends */
	struct channel admin, control;
	struct body *body; /* of a bounce */
	uint64_t number;
	unsigned n_frames; /* heard at either end so far */
	unsigned n_attempts, n_bounces, n_changed, n_rows, n_done;
	uint64_t affected;
	uint16_t admin_code; /* 0: no answer yet */
	char states[SEEN];   /* of the rows shown */
	bool keeps_bounces;  /* the courier dies over them, so to say */
	char seen[SEEN];     /* addresses, in order of their attempts */
	char bounce[SEEN];   /* what was asked of it: address code.class */
	struct slice body_got;
	bool reads_first; /* the result of an attempt waits for its body */
	uint64_t held_row, held_session;
	uint8_t body_bytes[200];
	uint64_t size;
	uint8_t bounce_kind;
	uint64_t bounce_session;
	struct id bounce_id;
};

/* -- the courier's side
 * ------------------------------------------------------------ */

static uint8_t
kind_of(struct slice address, struct wire_outcome *o)
{
	static const struct {
		const char *prefix;
		uint8_t kind;
		uint16_t code;
		uint8_t class;
	} kinds[] = {
		{ "ok", QUEUE_DELIVERED, 250, 2 },
		{ "no", QUEUE_PERMANENT, 550, 5 },
		{ "later", QUEUE_TEMPORARY, 451, 4 },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (!slice_starts(address, slice_cstr(kinds[i].prefix)))
			continue;
		o->kind = kinds[i].kind;
		o->code = kinds[i].code;
		o->class = kinds[i].class;
		return true;
	}
	return false;
}

static void
note(char *at, struct slice text)
{
	size_t n = strlen(at);

	(void)snprintf(at + n, SEEN - n, "%.*s ", SLICE_FMT(text));
}

static int
on_attempt(struct channel *c, const struct wire_head *h,
    const struct wire_attempt *m)
{
	struct scene *s = c->ctx;
	struct wire_attempt_result result = { .remote = SLICE("mx [1]:25"),
		.dialogue = SLICE("> hello") };
	struct wire_attempt_read read = { .length = m->size };
	struct wire_list rcpts = m->rcpts;
	struct wire_rcpt r;
	bool is_mute = false;
	struct buf rows;

	s->n_attempts++;
	s->size = m->size;
	test_int(m->body.len, m->size); /* small ones go along */
	test_true(m->lease_us > 0);
	test_int(wire_send_attempt_read(&s->courier, h->session, 3, &read), 0);
	s->attempt = *m;
	result.offers_dsn = s->offers_dsn;
	result.offers_deliverby = s->offers_deliverby;
	result.is_soon = s->has_no_dns;
	result.is_host_failure =
	    s->has_no_dns || slice_equal(m->route, SLICE("dead.example"));
	buf_init(&rows, 100000);
	while (wire_rcpt_next(&rcpts, &r)) {
		struct wire_outcome o = { .row = r.row,
			.text = SLICE("in its own words") };

		note(s->seen, r.address);
		if (result.is_host_failure)
			o.kind = QUEUE_TEMPORARY, o.code = 451, o.class = 4,
			o.subject = 4, o.detail = 1;
		else
			is_mute |= !kind_of(r.address, &o);
		test_int(wire_outcome_add(&rows, &o), 0);
		result.outcomes.n++;
	}
	result.outcomes.raw = buf_slice(&rows);
	if (s->reads_first) {
		s->held_row = r.row;
		s->held_session = h->session;
	} else if (!is_mute)
		test_int(wire_send_attempt_result(&s->courier, h->session, 0,
			     &result),
		    0);
	buf_deinit(&rows);
	return 0;
}

/* The host has failed, whatever it was. */
static int
send_held(struct scene *s)
{
	struct wire_attempt_result result = { .is_host_failure = true };
	struct wire_outcome o = { .row = s->held_row,
		.kind = QUEUE_TEMPORARY,
		.code = 451,
		.class = 4 };
	struct buf rows;

	buf_init(&rows, 1000);
	test_int(wire_outcome_add(&rows, &o), 0);
	result.outcomes = (struct wire_list){ buf_slice(&rows), 1 };
	test_int(wire_send_attempt_result(&s->courier, s->held_session, 0,
		     &result),
	    0);
	buf_deinit(&rows);
	return 0;
}

static int
on_attempt_data(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_data *m)
{
	struct scene *s = c->ctx;

	(void)h;
	if (m->verdict.code != 250) /* its message went with the result */
		return 0;
	test_true(m->last && m->data.len <= sizeof(s->body_bytes));
	memcpy(s->body_bytes, m->data.at, m->data.len);
	s->body_got = slice_of(s->body_bytes, m->data.len);
	return s->reads_first ? send_held(s) : 0;
}

static int
on_attempt_noted(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_noted *m)
{
	(void)c;
	(void)h;
	(void)m;
	return 0;
}

static void
send_bounce(struct scene *s, uint64_t session)
{
	struct wire_body_chunk chunk = { .body = 1,
		.data = SLICE("Return-Path: <>\r\nSubject: sorry\r\n\r\n") };
	struct wire_bounce_commit commit = { .body = 1 };
	struct wire_body_open open = { .body = 1 };

	id_make(&s->f.ids, env_wall(s->f.env), env_random_u64(s->f.env),
	    &commit.id);
	s->bounce_id = commit.id;
	test_int(wire_send_body_open(&s->courier, session, 0, &open), 0);
	test_int(wire_send_body_chunk(&s->courier, session, 0, &chunk), 0);
	test_int(wire_send_bounce_commit(&s->courier, session, 0, &commit), 0);
}

static int
on_bounce_make(struct channel *c, const struct wire_head *h,
    const struct wire_bounce_make *m)
{
	struct scene *s = c->ctx;
	struct wire_list rcpts = m->rcpts, rows = m->rows;
	struct wire_outcome o;
	struct wire_rcpt r;
	char text[400];

	s->n_bounces++;
	s->bounce_kind = m->kind;
	s->bounce_is_full = m->is_full;
	s->bounce_session = h->session;
	test_slice(m->hostname, SLICE("mx.one.example"));
	test_int(m->rows.n, m->rcpts.n);
	note(s->bounce, m->sender);
	while (wire_rcpt_next(&rcpts, &r) && wire_outcome_next(&rows, &o)) {
		test_int(o.row, r.row);
		(void)snprintf(text, sizeof(text), "%.*s:%u:%u.%u.%u%s:%.*s",
		    SLICE_FMT(r.address), o.code, o.class, o.subject, o.detail,
		    o.kind == QUEUE_LATE ? " late" : "", SLICE_FMT(o.remote));
		note(s->bounce, slice_cstr(text));
	}
	if (!s->keeps_bounces)
		send_bounce(s, h->session);
	return 0;
}

static int
on_done(struct channel *c, const struct wire_head *h, const struct wire_done *m)
{
	struct scene *s = c->ctx;

	(void)h;
	(void)m;
	s->n_done++;
	return 0;
}

static int
on_courier_kick(struct channel *c, const struct wire_head *h,
    const struct wire_courier_kick *m)
{
	(void)c;
	(void)h;
	(void)m;
	return 0;
}

static int
courier_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_courier_handlers handlers = {
		.attempt = on_attempt,
		.attempt_data = on_attempt_data,
		.attempt_noted = on_attempt_noted,
		.bounce_make = on_bounce_make,
		.courier_kick = on_courier_kick,
		.done = on_done,
	};

	((struct scene *)c->ctx)->n_frames++;
	return wire_dispatch_courier(&handlers, c, c->peer, h, payload, fd);
}

/* -- the store's side
 * ---------------------------------------------------------------- */

static int
on_state(struct channel *c, const struct wire_head *h,
    const struct wire_courier_state *m)
{
	struct scene *s = c->ctx;

	(void)h;
	return outbound_on_courier_state(s->outbound, c, m);
}

static int
on_read(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_read *m)
{
	struct scene *s = c->ctx;

	return outbound_on_attempt_read(s->outbound, c, h, m);
}

static int
on_result(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_result *m)
{
	struct scene *s = c->ctx;

	return outbound_on_attempt_result(s->outbound, c, h, m);
}

static void
on_room(struct body *b, uint32_t n)
{
	(void)b;
	(void)n;
}

static void
on_refused(struct body *b, int r)
{
	(void)b;
	(void)r;
}

static const struct body_ops body_ops = { on_room, on_refused };

static int
on_body_open(struct channel *c, const struct wire_head *h,
    const struct wire_body_open *m)
{
	struct scene *s = c->ctx;

	(void)h;
	(void)m;
	return body_new(store_appender(s->f.store), 1 << 20, &body_ops, NULL,
	    &s->body);
}

static int
on_body_chunk(struct channel *c, const struct wire_head *h,
    const struct wire_body_chunk *m)
{
	struct scene *s = c->ctx;

	(void)h;
	return body_add(s->body, m->data);
}

static int
on_bounce_commit(struct channel *c, const struct wire_head *h,
    const struct wire_bounce_commit *m)
{
	struct scene *s = c->ctx;
	struct body *body = s->body;

	s->body = NULL;
	return outbound_on_bounce_commit(s->outbound, c, h, m, body);
}

static int
store_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_store_handlers handlers = {
		.courier_state = on_state,
		.attempt_read = on_read,
		.attempt_result = on_result,
		.body_open = on_body_open,
		.body_chunk = on_body_chunk,
		.bounce_commit = on_bounce_commit,
	};

	((struct scene *)c->ctx)->n_frames++;
	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

static const struct channel_ops store_ops = { .dispatch = store_dispatch,
	.on_closed = channel_close };
static const struct channel_ops courier_ops = { .dispatch = courier_dispatch,
	.on_closed = channel_close };

/* -- scenes
 * -----------------------------------------------------------------------------
 */

static void
on_changed(void *ctx, uint64_t account, uint64_t mailbox, uint64_t modseq)
{
	struct scene *s = ctx;

	test_int(account, s->f.account);
	test_true(mailbox != 0 && modseq != 0);
	s->n_changed++;
}

static void
scene_begin(struct scene *s)
{
	struct outbound_options o = { on_changed, s };

	test_int(outbound_new(s->f.env, s->f.store, &s->settings, &o,
		     &s->outbound),
	    0);
	outbound_start(s->outbound);
}

static void
courier_joins(struct scene *s)
{
	struct wire_courier_state state = { .free_slots = 5 };
	int fds[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	test_int(channel_open(&s->store, s->f.env, s, fds[0], WIRE_STORE,
		     WIRE_COURIER, 1, &store_ops),
	    0);
	test_int(channel_open(&s->courier, s->f.env, s, fds[1], WIRE_COURIER,
		     WIRE_STORE, 1, &courier_ops),
	    0);
	test_int(wire_send_courier_state(&s->courier, 0, 0, &state), 0);
	s->has_courier = true;
}

static void
courier_leaves(struct scene *s)
{
	if (!s->has_courier)
		return;
	outbound_courier_lost(s->outbound, &s->store);
	channel_close(&s->store);
	channel_close(&s->courier);
	s->has_courier = false;
}

static void
scene_open(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	fixture_make(&s->f);
	s->settings = (struct settings){ .hostname = "mx.one.example",
		.retry_first = 10 * TIME_MINUTE,
		.retry_max = TIME_HOUR,
		.retry_growth = 200,
		.lifetime = TIME_DAY,
		.per_destination = 2 };
	scene_begin(s);
	courier_joins(s);
}

/* Long enough for what is due now; nothing else is due within an hour. */
static void
scene_run(struct scene *s)
{
	unsigned quiet = 0;

	/* Until nothing was said and nothing worked on for some rounds. */
	while (quiet < 5) {
		unsigned before = s->n_frames;
		bool was_idle = store_is_idle(s->f.store);

		fixture_run_for(&s->f, 20);
		fixture_run(&s->f);
		quiet = was_idle && s->n_frames == before ? quiet + 1 : 0;
	}
}

/* What takes the time that it takes on a busy machine; at most 20 seconds. */
#define SCENE_UNTIL(s, condition)                                              \
	do {                                                                   \
		for (unsigned n_ = 0; n_ < 1000 && !(condition); n_++)         \
			fixture_run_for(&(s)->f, 20);                          \
		scene_run(s);                                                  \
	} while (0)

static void
scene_sweep(struct scene *s)
{
	outbound_sweep_start(s->outbound);
	scene_run(s);
}

static void
scene_end(struct scene *s)
{
	courier_leaves(s);
	fixture_run(&s->f);
	/* A reader's thread may be at work yet; the role waits as well. */
	for (unsigned n = 0; n < 1000 && !store_is_idle(s->f.store); n++)
		fixture_run_for(&s->f, 20);
	outbound_free(s->outbound);
	fixture_close(&s->f);
}

static void
scene_close(struct scene *s, uint64_t messages)
{
	courier_leaves(s);
	scene_run(s);
	fixture_verify(&s->f, messages, 0);
	scene_end(s);
	fixture_drop(&s->f);
}

/* The same directory, a new life. */
static void
scene_restart(struct scene *s)
{
	scene_end(s);
	fixture_open(&s->f, false, 0);
	scene_begin(s);
}

struct letter {
	struct deposit d;
	const char *const *rcpts;
	const char *sender;
	int64_t age; /* how long ago it came */
	int64_t lifetime;
	struct scene *s;
	int result;
	uint64_t row; /* of its last recipient */
};

static struct slice
domain_of(const char *address)
{
	return slice_cstr(strchr(address, '@') + 1);
}

/* Whoever is here gets it from the queue only when it is held. */
static uint8_t
state_of(const struct letter *l, size_t i)
{
	return slice_equal(domain_of(l->rcpts[i]), SLICE("one.example"))
	    ? ROW_LOCAL
	    : ROW_WAITING;
}

static int
letter_apply(struct db *db, struct store_write *w)
{
	struct letter *l =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write), struct letter, d);
	const struct wish *wish = &l->s->wish;
	int64_t now = env_wall(l->s->f.env);
	struct slice none = SLICE("");
	struct message_row row = { .id = l->d.append.header.id,
		.place = &l->d.append.place,
		.relay_from = 4,
		.received_at = now - l->age,
		.sender = slice_cstr(l->sender),
		.client = none,
		.helo = none,
		.protocol = none,
		.envid = none,
		.summary = none,
		.ret = wish->ret,
		.requires_tls = wish->requires_tls,
		.deliver_by = wish->by_in == 0 ? 0 : now + wish->by_in,
		.by_mode = wish->by_mode,
		.by_trace = wish->by_trace,
		.priority = wish->priority,
		.hold_until = wish->hold_in == 0 ? 0 : now + wish->hold_in };
	int r = 0;

	for (; r == 0 && row.refs < RCPTS && l->rcpts[row.refs] != NULL;
	     row.refs++) {
		struct slice rcpt = slice_cstr(l->rcpts[row.refs]);
		struct queue_add q = { .message = row.id,
			.n = row.refs,
			.tenant = 1,
			.sender = row.sender,
			.rcpt = rcpt,
			.rcpt_canon = rcpt,
			.route = domain_of(l->rcpts[row.refs]),
			.now = now - l->age,
			.expires = now - l->age + l->lifetime,
			.orcpt = none,
			.notify = wish->notify,
			.state = state_of(l, row.refs),
			.due = row.hold_until,
			.by = row.deliver_by,
			.by_mode = row.by_mode,
			.priority = row.priority };

		r = queue_add(db, &q);
		l->row = q.row;
	}
	return r != 0 ? r : message_insert(db, &row);
}

/* Not what the database has: so it is seen which of both was used. */
static void
keep_fresh(struct letter *l)
{
	struct slice none = SLICE("");
	struct out_fresh_row row = { .row = l->row,
		.is = { .message = l->d.append.header.id,
		    .sender = slice_cstr(l->sender),
		    .rcpt = slice_cstr(l->s->fresh),
		    .rcpt_canon = slice_cstr(l->s->fresh),
		    .orcpt = none } };
	const struct q_message_place place = { .stored_len =
						   l->d.append.place.stored_len,
		.relay_from = 4,
		.sender = slice_cstr(l->sender),
		.envid = none };
	struct fresh_mail *m;
	struct arena arena;

	arena_init(&arena, 10000);
	m = outbound_fresh_new(&arena,
	    SLICE("HOMESubject: hi\r\n\r\nbody\r\n"));
	test_true(m != NULL);
	outbound_fresh_keep(l->s->outbound, m, &arena, &place, &row, 1);
	arena_reset(&arena);
}

static void
letter_done(struct store_write *w, int r)
{
	struct letter *l =
	    LIST_ENTRY(LIST_ENTRY(w, struct deposit, write), struct letter, d);

	const struct wish *wish = &l->s->wish;
	int64_t now = env_wall(l->s->f.env);

	l->result = r;
	l->s->f.n_waiting--;
	for (size_t i = 0; i < RCPTS && l->rcpts[i] != NULL; i++)
		outbound_queued(l->s->outbound,
		    &(struct outbound_row){
			.row = l->rcpts[1] == NULL ? l->row : 0,
			.message = l->d.append.header.id,
			.route = domain_of(l->rcpts[i]),
			.state = state_of(l, i),
			.due = wish->hold_in == 0 ? 0 : now + wish->hold_in,
			.by = wish->by_in == 0 ? 0 : now + wish->by_in,
			.priority = wish->priority,
			.sender = slice_cstr(l->sender) });
	if (l->s->fresh != NULL)
		keep_fresh(l);
}

static void
send_letter(struct scene *s, const char *sender, const char *const *rcpts,
    int64_t age)
{
	struct letter l = { .rcpts = rcpts,
		.sender = sender,
		.age = age,
		.lifetime = s->settings.lifetime,
		.s = s,
		.result = -1 };
	struct body *b;

	test_int(body_new(store_appender(s->f.store), 1 << 20, &body_ops, NULL,
		     &b),
	    0);
	test_int(body_add(b, SLICE("HOMESubject: hi\r\n\r\nbody\r\n")), 0);
	id_make(&s->f.ids, env_wall(s->f.env), env_random_u64(s->f.env),
	    &l.d.append.header.id);
	l.d.append.header.kind = SEGMENT_MAIL;
	buf_init(&l.d.append.envelope, SEGMENT_ENVELOPE_MAX);
	l.d.write = (struct store_write){ .lane = STORE_LANE_ACCEPT,
		.apply = letter_apply,
		.done = letter_done };
	s->f.n_waiting++;
	deposit_submit(s->f.store, &l.d, b);
	fixture_run(&s->f);
	test_int(l.result, 0);
	buf_deinit(&l.d.append.envelope);
	scene_run(s);
}

/* -- the administrator's side
 * ------------------------------------------------------------- */

static int
on_admin_rows(struct channel *c, const struct wire_head *h,
    const struct wire_admin_rows *m)
{
	struct scene *s = c->ctx;
	struct wire_list rows = m->rows;
	struct wire_field f;

	test_int(h->session, 31);
	while (wire_field_next(&rows, &f)) {
		if (slice_equal(f.name, SLICE("affected")))
			test_true(slice_to_u64(f.value, 1000, &s->affected));
		if (slice_equal(f.name, SLICE("state")))
			note(s->states, f.value);
	}
	if (!m->more)
		s->admin_code = m->verdict.code;
	return 0;
}

static int
control_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_control_handlers handlers = {
		.admin_rows = on_admin_rows,
	};

	((struct scene *)c->ctx)->n_frames++;
	return wire_dispatch_control(&handlers, c, c->peer, h, payload, fd);
}

static int
on_admin_ask(struct channel *c, const struct wire_head *h,
    const struct wire_admin_ask *m)
{
	struct scene *s = c->ctx;

	test_true(outbound_admin(s->outbound, c, h, m));
	return 0;
}

static int
admin_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_store_handlers handlers = {
		.admin_ask = on_admin_ask,
	};

	((struct scene *)c->ctx)->n_frames++;
	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

static const struct channel_ops admin_ops = { .dispatch = admin_dispatch,
	.on_closed = channel_close };
static const struct channel_ops control_ops = { .dispatch = control_dispatch,
	.on_closed = channel_close };

static void
admin_opens(struct scene *s)
{
	int fds[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	test_int(channel_open(&s->admin, s->f.env, s, fds[0], WIRE_STORE,
		     WIRE_CONTROL, 1, &admin_ops),
	    0);
	test_int(channel_open(&s->control, s->f.env, s, fds[1], WIRE_CONTROL,
		     WIRE_STORE, 1, &control_ops),
	    0);
}

static void
admin_closes(struct scene *s)
{
	outbound_control_lost(s->outbound, &s->admin);
	channel_close(&s->admin);
	channel_close(&s->control);
}

static void
admin_asks(struct scene *s, const char *command, const char *name,
    const char *value)
{
	struct wire_field f = { slice_cstr(name), slice_cstr(value) };
	struct wire_admin_ask m = { .command = slice_cstr(command) };
	struct buf rows;

	test_case(command);
	buf_init(&rows, 1000);
	if (name != NULL) {
		test_int(wire_field_add(&rows, &f), 0);
		m.args.n = 1;
	}
	m.args.raw = buf_slice(&rows);
	s->admin_code = 0;
	s->affected = 0;
	s->states[0] = '\0';
	test_int(wire_send_admin_ask(&s->control, 31, 4, &m), 0);
	buf_deinit(&rows);
}

static void
admin(struct scene *s, const char *command, const char *name, const char *value)
{
	admin_asks(s, command, name, value);
	scene_run(s);
	test_true(s->admin_code != 0);
}

#define RCPTS_OF(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
taken_rows_are_gone(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "anna@one.example",
	    RCPTS_OF("ok1@two.example", "ok2@two.example", "ok@x.example"), 0);
	test_int(s.n_attempts, 2);
	test_int(s.size, 21); /* without what stays at home */
	/* each once; which destination comes first is nobody's promise */
	test_int(strlen(s.seen),
	    strlen("ok1@two.example ok2@two.example ok@x.example "));
	test_true(strstr(s.seen, "ok1@two.example ok2@two.example ") != NULL);
	test_true(strstr(s.seen, "ok@x.example ") != NULL);
	test_int(s.n_bounces, 0);
	scene_close(&s, 0);
}

static void
the_body_begins_behind_what_stays_at_home(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.reads_first = true;
	send_letter(&s, "anna@one.example", RCPTS_OF("later@two.example"), 0);
	test_slice(s.body_got, SLICE("Subject: hi\r\n\r\nbody\r\n"));
	scene_close(&s, 1);
}

static void
later_means_later(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "anna@one.example",
	    RCPTS_OF("later@two.example", "ok@two.example"), 0);
	scene_run(&s);
	test_slice(slice_cstr(s.seen),
	    SLICE("later@two.example ok@two.example "));
	/* nor does a restart make it due */
	scene_restart(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_attempts, 1);
	scene_close(&s, 1);
}

static void
a_refusal_becomes_a_bounce_to_a_mailbox(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "anna@one.example",
	    RCPTS_OF("no@two.example", "ok@two.example"), 0);
	test_int(s.n_bounces, 1);
	test_int(s.bounce_kind, BOUNCE_FAILED);
	test_slice(slice_cstr(s.bounce),
	    SLICE("anna@one.example no@two.example:550:5.0.0:mx [1]:25 "));
	test_int(s.n_changed, 1);
	scene_close(&s, 1); /* the bounce; the letter itself is gone */
}

static void
a_bounce_to_elsewhere_is_queued_and_never_bounced(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "no@far.example", RCPTS_OF("no@two.example"), 0);
	test_int(s.n_bounces, 1);
	test_slice(slice_cstr(s.seen), SLICE("no@two.example no@far.example "));
	test_int(s.size, 18); /* Return-Path stays at home */
	scene_close(&s, 0);
}

/* hub.example becomes a domain that is only passed on for. */
static int
relay_apply(struct db *db, struct store_write *w)
{
	static const struct option options[] = { { SLICE("kind"),
						     SLICE("relay") },
		{ SLICE("target"), SLICE("inside.example") } };
	const struct option *bad;
	int r = domain_set(db, SLICE("hub.example"), options, 2, &bad);

	(void)w;
	return r != 0 ? r
		      : relay_rcpt_add(db, SLICE("hub.example"), SLICE("*"), 1);
}

static void
relay_done(struct store_write *w, int r)
{
	(void)w;
	test_int(r, 0);
}

/* A sender here whose mail goes elsewhere hears of it there. */
static void
a_bounce_follows_its_sender(void **state)
{
	struct store_write w = { .lane = STORE_LANE_BULK,
		.apply = relay_apply,
		.done = relay_done };
	struct scene s;

	(void)state;
	scene_open(&s);
	test_int(store_alias_add(s.f.store, SLICE("sales@one.example"),
		     SLICE("ok@far.example")),
	    0);
	test_int(store_domain_add(s.f.store, SLICE("hub.example")), 0);
	store_submit(s.f.store, &w);
	scene_run(&s);
	test_case("an alias");
	send_letter(&s, "sales@one.example", RCPTS_OF("no@two.example"), 0);
	test_int(s.n_bounces, 1);
	test_slice(slice_cstr(s.seen), SLICE("no@two.example ok@far.example "));
	test_case("a domain that is passed on for");
	send_letter(&s, "ok@hub.example", RCPTS_OF("no@two.example"), 0);
	test_int(s.n_bounces, 2);
	test_slice(slice_cstr(s.seen),
	    SLICE("no@two.example ok@far.example no@two.example "
		  "ok@hub.example "));
	scene_close(&s, 0);
}

static void
nothing_bounces_to_nobody(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "", RCPTS_OF("no@two.example"), 0);
	test_int(s.n_bounces, 0);
	scene_close(&s, 0);
}

static void
a_dead_host_changes_no_row(void **state)
{
	struct destination *d;
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "anna@one.example", RCPTS_OF("ok1@dead.example"), 0);
	send_letter(&s, "anna@one.example", RCPTS_OF("ok2@dead.example"), 0);
	send_letter(&s, "anna@one.example", RCPTS_OF("ok3@two.example"), 0);
	test_slice(slice_cstr(s.seen),
	    SLICE("ok1@dead.example ok3@two.example "));
	d = destination_find(&s.outbound->destinations, SLICE("dead.example"),
	    0);
	test_true(d != NULL && d->failures == 1);
	/* the back-off outlives the process */
	scene_restart(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_attempts, 2);
	d = destination_find(&s.outbound->destinations, SLICE("dead.example"),
	    0);
	test_true(d != NULL && d->failures == 1);
	scene_close(&s, 2);
}

/* Of the scene's only destination there; its time has come. */
static struct destination *
try_dead_again(struct scene *s)
{
	struct destination *d = destination_find(&s->outbound->destinations,
	    SLICE("dead.example"), 0);

	test_true(d != NULL);
	d->retry_at = 0;
	destination_refresh(&s->outbound->destinations, d);
	outbound_pump_soon(s->outbound);
	scene_run(s);
	return d;
}

static void
a_failed_lookup_is_repeated_soon(void **state)
{
	struct destination *d;
	struct scene s;

	(void)state;
	scene_open(&s);
	s.has_no_dns = true;
	send_letter(&s, "anna@one.example", RCPTS_OF("ok1@dead.example"), 0);
	d = destination_find(&s.outbound->destinations, SLICE("dead.example"),
	    0);
	test_true(d != NULL && d->failures == 1 && d->n_soon == 1);
	test_true(d->retry_at < env_wall(s.f.env) + 7 * TIME_SECOND);
	d = try_dead_again(&s);
	test_int(d->failures, 2);
	test_true(d->retry_at < env_wall(s.f.env) + 14 * TIME_SECOND);
	/* the host itself begins with its first failure */
	s.has_no_dns = false;
	d = try_dead_again(&s);
	test_int(s.n_attempts, 3);
	test_int(d->failures, 1);
	test_true(d->retry_at > env_wall(s.f.env) + 20 * TIME_SECOND);
	scene_close(&s, 1);
}

static void
what_a_dead_courier_had_is_tried_again(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "anna@one.example", RCPTS_OF("mute@two.example"), 0);
	scene_run(&s);
	test_int(s.n_attempts, 1);
	courier_leaves(&s);
	scene_run(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_attempts, 2);
	/* and so it is when the store dies */
	scene_restart(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_attempts, 3);
	scene_close(&s, 1);
}

static void
a_bounce_is_made_once_whoever_dies(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.keeps_bounces = true;
	send_letter(&s, "anna@one.example", RCPTS_OF("no@two.example"), 0);
	test_int(s.n_bounces, 1);
	courier_leaves(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_bounces, 2);
	s.keeps_bounces = false;
	scene_restart(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_bounces, 3);
	test_int(s.n_changed, 1);
	scene_restart(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_bounces, 3);
	test_int(s.n_attempts, 1);
	scene_close(&s, 1);
}

static void
what_is_too_old_expires(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	send_letter(&s, "anna@one.example",
	    RCPTS_OF("ok@dead.example", "later@two.example"), 2 * TIME_DAY);
	scene_sweep(&s);
	test_int(s.n_bounces, 1);
	test_true(strstr(s.bounce, "ok@dead.example:451:4.4.1:mx [1]:25") !=
	    NULL);
	test_true(strstr(s.bounce, "later@two.example:451:4.0.0 late:") !=
	    NULL);
	scene_close(&s, 1);
}

static void
a_delay_is_told_once(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.settings.delay_warning = TIME_HOUR;
	send_letter(&s, "anna@one.example", RCPTS_OF("later@two.example"),
	    2 * TIME_HOUR);
	send_letter(&s, "", RCPTS_OF("later@x.example"), 2 * TIME_HOUR);
	send_letter(&s, "anna@one.example", RCPTS_OF("later@y.example"), 0);
	scene_sweep(&s);
	test_int(s.n_bounces, 1);
	test_int(s.bounce_kind, BOUNCE_DELAYED);
	scene_sweep(&s);
	scene_restart(&s);
	courier_joins(&s);
	scene_sweep(&s);
	test_int(s.n_bounces, 1);
	scene_close(&s, 4);
}

static void
the_administrator_has_his_way(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	send_letter(&s, "anna@one.example", RCPTS_OF("later@two.example"), 0);
	send_letter(&s, "anna@one.example", RCPTS_OF("mute@x.example"), 0);
	send_letter(&s, "anna@one.example", RCPTS_OF("ok@dead.example"), 0);
	test_int(s.n_attempts, 3);
	admin(&s, "queue list", NULL, NULL);
	test_int(s.admin_code, 250);
	test_slice(slice_cstr(s.states), SLICE("sending waiting waiting "));
	admin(&s, "queue list", "state", "sending");
	test_slice(slice_cstr(s.states), SLICE("sending "));

	admin(&s, "queue hold", "recipient", "later@two.example");
	test_int(s.affected, 1);
	admin(&s, "queue list", "state", "held");
	test_slice(slice_cstr(s.states), SLICE("held "));
	admin(&s, "queue retry", "all", "1");
	test_int(s.affected, 2);   /* what is being sent is left alone */
	test_int(s.n_attempts, 4); /* what is held waits */
	admin(&s, "queue release", "route", "two.example");
	test_int(s.affected, 1);
	test_int(s.n_attempts, 5);

	admin(&s, "queue delete", "recipient", "later@two.example");
	test_int(s.affected, 1);
	admin(&s, "queue bounce", "route", "dead.example");
	test_int(s.affected, 1);
	test_int(s.n_bounces, 1);
	admin(&s, "queue list", NULL, NULL);
	test_slice(slice_cstr(s.states), SLICE("sending "));

	admin(&s, "queue delete", NULL, NULL);
	test_int(s.admin_code, 501);
	admin(&s, "queue delete", "colour", "red");
	test_int(s.admin_code, 501);
	admin(&s, "queue show", "id", "nonsense");
	test_int(s.admin_code, 501);
	admin_closes(&s);
	scene_close(&s, 2); /* the one in hand, and the bounce */
}

/* Not while it is being tried; as soon as that has ended. */
static void
a_change_waits_for_the_attempt(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	send_letter(&s, "anna@one.example", RCPTS_OF("mute@two.example"), 0);
	admin_asks(&s, "queue delete", "recipient", "mute@two.example");
	scene_run(&s);
	test_int(s.admin_code, 0);
	courier_leaves(&s);
	while (s.admin_code == 0)
		fixture_run_for(&s.f, 20);
	test_int(s.admin_code, 250);
	test_int(s.affected, 1);
	admin(&s, "queue list", NULL, NULL);
	test_slice(slice_cstr(s.states), SLICE(""));
	admin_closes(&s);
	scene_close(&s, 0);
}

/* Nor does the store's end trip over one that waits. */
static void
a_change_waits_at_the_end(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	send_letter(&s, "anna@one.example", RCPTS_OF("mute@two.example"), 0);
	admin_asks(&s, "queue hold", "recipient", "mute@two.example");
	scene_run(&s);
	test_int(s.admin_code, 0);
	admin_closes(&s);
	scene_close(&s, 1);
}

/* A courier that lives and says nothing: its rows are not lost to it. */
static void
what_a_courier_forgot_is_tried_again(void **state)
{
	struct out_attempt *a;
	struct scene s;
	size_t at = 0;

	(void)state;
	scene_open(&s);
	send_letter(&s, "anna@one.example", RCPTS_OF("mute@two.example"), 0);
	a = map_next(&s.outbound->attempts, &at);
	assert_non_null(a);
	assert_non_null(a->lease.fire);
	a->lease.fire(&a->lease);
	scene_run(&s);
	test_int(s.n_attempts, 2);
	test_int(s.outbound->in_hand.n, 1);
	scene_close(&s, 1);
}

/* The courier would wait for ever, with the bounce in its memory. */
static void
a_late_bounce_is_answered(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.keeps_bounces = true;
	send_letter(&s, "anna@one.example", RCPTS_OF("no@two.example"), 0);
	test_int(s.n_bounces, 1);
	send_bounce(&s, s.bounce_session + 1000);
	scene_run(&s);
	test_int(s.n_done, 1);
	test_int(s.n_changed, 0);
	scene_close(&s, 1);
}

/* As a sweep does, and `ulak queue`, while the row stands in a window. */
static void
a_row_in_other_hands_is_left_there(void **state)
{
	struct wire_courier_state one = { .free_slots = 1 };
	struct scene s;

	(void)state;
	scene_open(&s);
	courier_leaves(&s);
	send_letter(&s, "anna@one.example", RCPTS_OF("mute@two.example"), 0);
	send_letter(&s, "anna@one.example", RCPTS_OF("ok@two.example"), 0);
	courier_joins(&s);
	test_int(wire_send_courier_state(&s.courier, 0, 0, &one), 0);
	scene_run(&s);
	test_slice(slice_cstr(s.seen), SLICE("mute@two.example "));
	test_int(map_put_number(&s.outbound->in_hand, 2, &s), 0);
	courier_leaves(&s);
	courier_joins(&s);
	scene_run(&s);
	test_slice(slice_cstr(s.seen),
	    SLICE("mute@two.example mute@two.example "));
	test_true(map_take_number(&s.outbound->in_hand, 2) == &s);
	scene_close(&s, 2);
}

static void
a_delay_that_is_over_is_not_told(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	s.settings.delay_warning = TIME_HOUR;
	s.keeps_bounces = true;
	send_letter(&s, "anna@one.example", RCPTS_OF("later@two.example"),
	    2 * TIME_HOUR);
	scene_sweep(&s);
	test_int(s.n_bounces, 1);
	admin(&s, "queue delete", "recipient", "later@two.example");
	test_int(s.affected, 1);
	send_bounce(&s, s.bounce_session);
	scene_run(&s);
	test_int(s.n_changed, 0);
	admin_closes(&s);
	scene_close(&s, 0);
}

/* RFC 3461, 5.2.2 and 5.2.6; RFC 2852, 4.1.4. */
static const struct told {
	const char *what, *sender;
	struct wish wish;
	bool offers_dsn, offers_deliverby, is_told;
} tolds[] = {
	{ "success was asked for, and the host tells nobody",
	    "anna@one.example", { .notify = NOTIFY_SUCCESS }, false, false,
	    true },
	{ "the host will tell", "anna@one.example",
	    { .notify = NOTIFY_SUCCESS }, true, false, false },
	{ "nothing was asked for", "anna@one.example", { 0 }, false, false,
	    false },
	{ "only failure", "anna@one.example", { .notify = NOTIFY_FAILURE },
	    false, false, false },
	{ "nobody sent it", "", { .notify = NOTIFY_SUCCESS }, false, false,
	    false },
	{ "a trace", "anna@one.example",
	    { .by_in = TIME_HOUR, .by_mode = MAIL_BY_NOTIFY, .by_trace = true },
	    true, true, true },
	{ "a trace, and NEVER", "anna@one.example",
	    { .by_in = TIME_HOUR,
		.by_mode = MAIL_BY_NOTIFY,
		.by_trace = true,
		.notify = NOTIFY_NEVER },
	    true, true, false },
	{ "a time that the next host knows nothing of", "anna@one.example",
	    { .by_in = TIME_HOUR, .by_mode = MAIL_BY_NOTIFY }, true, false,
	    true },
	{ "and one that does", "anna@one.example",
	    { .by_in = TIME_HOUR, .by_mode = MAIL_BY_NOTIFY }, true, true,
	    false },
};

static void
who_wants_to_hear_of_success_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tolds) / sizeof(tolds[0]); i++) {
		const struct told *t = &tolds[i];
		struct scene s;

		test_case(t->what);
		scene_open(&s);
		s.wish = t->wish;
		s.offers_dsn = t->offers_dsn;
		s.offers_deliverby = t->offers_deliverby;
		send_letter(&s, t->sender, RCPTS_OF("ok@two.example"), 0);
		test_int(s.n_attempts, 1);
		test_int(s.n_bounces, t->is_told);
		if (t->is_told) {
			test_int(s.bounce_kind, BOUNCE_SUCCESS);
			test_slice(slice_cstr(s.bounce),
			    SLICE("anna@one.example "
				  "ok@two.example:250:2.0.0:mx [1]:25 "));
		}
		scene_close(&s, t->is_told); /* the notice alone is there */
	}
}

/* Neither the store nor the courier need live on for it. */
static void
a_notice_of_success_outlives_everybody(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.wish.notify = NOTIFY_SUCCESS;
	s.keeps_bounces = true;
	send_letter(&s, "anna@one.example", RCPTS_OF("ok@two.example"), 0);
	test_int(s.n_bounces, 1);
	courier_leaves(&s);
	scene_restart(&s);
	s.keeps_bounces = false;
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_attempts, 1);
	test_int(s.n_bounces, 2);
	test_int(s.n_changed, 1);
	scene_close(&s, 1);
}

static void
wishes_go_with_the_attempt(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.wish = (struct wish){ .by_in = TIME_HOUR,
		.by_mode = MAIL_BY_RETURN,
		.by_trace = true,
		.priority = -4,
		.ret = 2,
		.requires_tls = true };
	send_letter(&s, "anna@one.example", RCPTS_OF("later@two.example"), 0);
	test_int(s.attempt.by_mode, MAIL_BY_RETURN);
	test_true(s.attempt.by_trace && s.attempt.requires_tls);
	test_int(s.attempt.ret, 2);
	test_true(s.attempt.priority == -4);
	test_true(s.attempt.deliver_by > env_wall(s.f.env) &&
	    s.attempt.deliver_by <= env_wall(s.f.env) + TIME_HOUR);
	scene_close(&s, 1);
}

static void
held_mail_waits_for_its_release(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	s.wish.hold_in = 3 * TIME_SECOND;
	send_letter(&s, "anna@one.example", RCPTS_OF("ok1@two.example"), 0);
	s.wish.hold_in = 2 * TIME_DAY; /* longer than it would live */
	send_letter(&s, "anna@one.example", RCPTS_OF("ok2@two.example"), 0);
	test_int(s.n_attempts, 0);
	scene_restart(&s);
	courier_joins(&s);
	scene_sweep(&s);
	admin(&s, "queue list", "sender", "anna@one.example");
	test_true(strstr(s.states, "scheduled") != NULL);
	SCENE_UNTIL(&s, s.seen[0] != '\0');
	test_slice(slice_cstr(s.seen), SLICE("ok1@two.example "));
	admin(&s, "queue retry", "recipient", "ok2@two.example");
	test_slice(slice_cstr(s.seen),
	    SLICE("ok1@two.example ok2@two.example "));
	admin_closes(&s);
	scene_close(&s, 0);
}

static void
held_mail_for_a_mailbox_here_comes_then(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.wish.hold_in = 300 * TIME_MS;
	s.wish.notify = NOTIFY_SUCCESS;
	send_letter(&s, "anna@one.example",
	    RCPTS_OF("anna@one.example", "gone@one.example"), 0);
	test_int(s.n_changed, 0);
	SCENE_UNTIL(&s, s.n_bounces > 0);
	test_int(s.n_attempts, 0);
	/* the mail, and a notice of success; gone@ asked for no other */
	test_int(s.n_changed, 2);
	test_int(s.n_bounces, 1);
	test_int(s.bounce_kind, BOUNCE_SUCCESS);
	scene_close(&s, 2);
}

static void
held_mail_whose_mailbox_went_is_returned(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.wish.hold_in = 100 * TIME_MS;
	send_letter(&s, "anna@one.example", RCPTS_OF("gone@one.example"), 0);
	SCENE_UNTIL(&s, s.bounce[0] != '\0');
	test_slice(slice_cstr(s.bounce),
	    SLICE("anna@one.example gone@one.example:550:5.1.1: "));
	scene_close(&s, 1);
}

static void
what_must_be_there_by_then_is_given_up(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.wish =
	    (struct wish){ .by_in = 300 * TIME_MS, .by_mode = MAIL_BY_RETURN };
	send_letter(&s, "anna@one.example", RCPTS_OF("later@two.example"), 0);
	test_int(s.n_bounces, 0);
	SCENE_UNTIL(&s, s.n_bounces > 0); /* no sweep is asked for */
	test_int(s.bounce_kind, BOUNCE_FAILED);
	test_slice(slice_cstr(s.bounce),
	    SLICE("anna@one.example later@two.example:554:5.4.7: "));
	test_int(s.n_attempts, 1);
	scene_close(&s, 1);
}

/* Even where nobody is warned of ordinary delays, and once. */
static void
what_is_not_there_by_then_is_told(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	s.wish =
	    (struct wish){ .by_in = 300 * TIME_MS, .by_mode = MAIL_BY_NOTIFY };
	send_letter(&s, "anna@one.example", RCPTS_OF("later@two.example"), 0);
	s.wish.notify = NOTIFY_FAILURE; /* and not of delay */
	send_letter(&s, "anna@one.example", RCPTS_OF("later2@two.example"), 0);
	SCENE_UNTIL(&s, s.n_bounces > 0);
	scene_sweep(&s);
	scene_sweep(&s);
	test_int(s.n_bounces, 1);
	test_int(s.bounce_kind, BOUNCE_DELAYED);
	test_slice(slice_cstr(s.bounce),
	    SLICE("anna@one.example later@two.example:451:4.0.0 late:mx "
		  "[1]:25 "));
	scene_close(&s, 3); /* the letters wait on */
}

static void
the_urgent_go_first(void **state)
{
	static const struct {
		int64_t priority;
		const char *rcpt;
	} letters[] = {
		{ 0, "ok0@two.example" },
		{ -9, "ok-9@two.example" },
		{ 9, "ok9@two.example" },
		{ 3, "ok3@two.example" },
		{ 0, "ok00@two.example" },
	};
	struct scene s;

	(void)state;
	scene_open(&s);
	courier_leaves(&s);
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
		s.wish.priority = letters[i].priority;
		send_letter(&s, "anna@one.example", RCPTS_OF(letters[i].rcpt),
		    0);
	}
	s.settings.per_destination = 1;
	s.outbound->destinations.concurrency = 1;
	courier_joins(&s);
	scene_run(&s);
	test_slice(slice_cstr(s.seen),
	    SLICE("ok9@two.example ok3@two.example ok0@two.example "
		  "ok00@two.example ok-9@two.example "));
	scene_close(&s, 0);
}

static void
the_whole_mail_comes_back_when_asked_for(void **state)
{
	struct scene s;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		scene_open(&s);
		s.wish.ret = i == 0 ? 2 : 1;
		s.wish.requires_tls = i == 2; /* RFC 8689, 5 */
		send_letter(&s, "anna@one.example", RCPTS_OF("no@two.example"),
		    0);
		test_int(s.n_bounces, 1);
		test_int(s.bounce_is_full, i == 1);
		scene_close(&s, 1);
	}
}

struct rerouting {
	struct store_write write;
	struct scene *s;
	const char *hosts; /* NULL: the route is deleted */
	bool is_new;
	int result;
};

static int
rerouting_apply(struct db *db, struct store_write *w)
{
	struct rerouting *x = LIST_ENTRY(w, struct rerouting, write);
	struct option options[] = {
		{ SLICE("kind"), SLICE("smarthost") },
		{ SLICE("hosts"), slice_cstr(x->hosts ? x->hosts : "") },
		{ SLICE("to"), SLICE("two.example") },
	};
	struct route_trouble why;

	if (x->hosts == NULL)
		return route_delete(db, SLICE("hop"), &why);
	return route_save(db, SLICE("hop"), options, 3, x->is_new,
	    env_wall(x->s->f.env), &why);
}

static void
rerouting_done(struct store_write *w, int r)
{
	struct rerouting *x = LIST_ENTRY(w, struct rerouting, write);

	x->result = r;
	x->s->f.n_waiting--;
}

/* As `ulak route` does: written, and told. */
static void
reroute(struct scene *s, const char *hosts)
{
	struct rerouting x = { .write.lane = STORE_LANE_INTERACTIVE,
		.write.apply = rerouting_apply,
		.write.done = rerouting_done,
		.s = s,
		.hosts = hosts,
		.is_new = true,
		.result = -1 };

	s->f.n_waiting++;
	store_submit(s->f.store, &x.write);
	fixture_run(&s->f);
	test_int(x.result, 0);
	outbound_routes_changed(s->outbound);
	scene_run(s);
}

/* What waits goes by the routes of its turn, there and back again; a restart in
 * between finds it where it lies. */
static void
rows_follow_a_changed_route(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	send_letter(&s, "anna@one.example",
	    RCPTS_OF("later1@two.example", "later2@two.example"), 0);
	test_int(s.n_attempts, 1);
	test_int(s.attempt.hop, HOP_MX);
	reroute(&s, "[192.0.2.9]:26");
	test_int(s.n_attempts, 1); /* its time has not come */
	admin(&s, "queue list", "route", "route:hop");
	test_slice(slice_cstr(s.states), SLICE(""));
	admin(&s, "queue retry", "all", "1");
	test_int(s.n_attempts, 2);
	test_int(s.attempt.hop, HOP_SMARTHOST);
	admin(&s, "queue list", "route", "route:hop");
	test_slice(slice_cstr(s.states), SLICE("waiting waiting "));
	admin_closes(&s);

	scene_restart(&s);
	admin_opens(&s);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_attempts, 2);
	reroute(&s, NULL);
	admin(&s, "queue retry", "all", "1");
	test_int(s.n_attempts, 3);
	test_int(s.attempt.hop, HOP_MX);
	admin(&s, "queue list", "route", "route:hop");
	test_slice(slice_cstr(s.states), SLICE(""));
	admin(&s, "queue delete", "all", "1");
	test_int(s.affected, 2);
	admin_closes(&s);
	scene_close(&s, 0);
}

/* The first attempt takes what has just come, all others the database. */
static void
fresh_mail_is_not_read(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	s.fresh = "later-fresh@two.example";
	send_letter(&s, "anna@one.example", RCPTS_OF("ok@two.example"), 0);
	test_slice(slice_cstr(s.seen), SLICE("later-fresh@two.example "));
	test_int(s.outbound->fresh_bytes, 0);
	admin(&s, "queue retry", "recipient", "ok@two.example");
	test_slice(slice_cstr(s.seen),
	    SLICE("later-fresh@two.example ok@two.example "));
	admin_closes(&s);
	scene_close(&s, 0);
}

/* What the administrator has changed is not sent as it was. */
static void
a_changed_row_is_not_fresh(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s);
	admin_opens(&s);
	courier_leaves(&s);
	s.fresh = "no@two.example";
	send_letter(&s, "anna@one.example", RCPTS_OF("ok@two.example"), 0);
	test_true(s.outbound->fresh_bytes > 0);
	admin(&s, "queue hold", "recipient", "ok@two.example");
	test_int(s.outbound->fresh_bytes, 0);
	courier_joins(&s);
	scene_run(&s);
	test_int(s.n_attempts, 0);
	admin(&s, "queue release", "recipient", "ok@two.example");
	scene_run(&s);
	test_slice(slice_cstr(s.seen), SLICE("ok@two.example "));
	admin_closes(&s);
	scene_close(&s, 0);
}

/* A mail to many needs the memory for itself. */
static void
fresh_mail_leaves_room(void **state)
{
	static uint8_t body[OUT_BODY_WITH];
	struct arena arena;

	(void)state;
	arena_init(&arena, 100000);
	test_true(arena_alloc(&arena, 60000) != NULL);
	test_true(outbound_fresh_new(&arena, slice_of(body, sizeof(body))) ==
	    NULL);
	test_true(arena_alloc(&arena, 30000) != NULL);
	arena_reset(&arena);
}

/* The oldest make room; a row that was in hand when it came is none. */
static void
fresh_mail_has_a_bound(void **state)
{
	enum {
		N = 300
	};
	static uint8_t body[OUT_BODY_WITH + 1];
	struct scene s;

	(void)state;
	scene_open(&s);
	for (uint64_t i = 1; i <= N; i++) {
		struct out_fresh_row row = { .row = i };
		const struct q_message_place place = { .stored_len = 1 };
		struct fresh_mail *m;
		struct arena arena;

		arena_init(&arena, 100000);
		if (i == N)
			test_int(map_put_number(&s.outbound->in_hand, i, &s),
			    0);
		test_true(outbound_fresh_new(&arena,
			      slice_of(body, OUT_BODY_WITH + 1)) == NULL);
		m = outbound_fresh_new(&arena, slice_of(body, OUT_BODY_WITH));
		test_true(m != NULL);
		outbound_fresh_keep(s.outbound, m, &arena, &place, &row, 1);
		arena_reset(&arena);
		test_true(s.outbound->fresh_bytes <= LIMIT_FRESH);
	}
	test_true(out_fresh_find(s.outbound, 1) == NULL);
	test_true(out_fresh_find(s.outbound, N - 1) != NULL);
	test_true(out_fresh_find(s.outbound, N) == NULL);
	(void)map_take_number(&s.outbound->in_hand, N);
	scene_close(&s, 0);
}

TEST_MAIN(cmocka_unit_test(fresh_mail_is_not_read),
    cmocka_unit_test(a_changed_row_is_not_fresh),
    cmocka_unit_test(fresh_mail_has_a_bound),
    cmocka_unit_test(fresh_mail_leaves_room),
    cmocka_unit_test(taken_rows_are_gone),
    cmocka_unit_test(a_change_waits_for_the_attempt),
    cmocka_unit_test(a_change_waits_at_the_end),
    cmocka_unit_test(who_wants_to_hear_of_success_does),
    cmocka_unit_test(a_notice_of_success_outlives_everybody),
    cmocka_unit_test(wishes_go_with_the_attempt),
    cmocka_unit_test(held_mail_waits_for_its_release),
    cmocka_unit_test(held_mail_for_a_mailbox_here_comes_then),
    cmocka_unit_test(held_mail_whose_mailbox_went_is_returned),
    cmocka_unit_test(what_must_be_there_by_then_is_given_up),
    cmocka_unit_test(what_is_not_there_by_then_is_told),
    cmocka_unit_test(the_urgent_go_first),
    cmocka_unit_test(the_whole_mail_comes_back_when_asked_for),
    cmocka_unit_test(a_row_in_other_hands_is_left_there),
    cmocka_unit_test(what_a_courier_forgot_is_tried_again),
    cmocka_unit_test(a_late_bounce_is_answered),
    cmocka_unit_test(a_delay_that_is_over_is_not_told),
    cmocka_unit_test(the_body_begins_behind_what_stays_at_home),
    cmocka_unit_test(later_means_later),
    cmocka_unit_test(a_refusal_becomes_a_bounce_to_a_mailbox),
    cmocka_unit_test(a_bounce_to_elsewhere_is_queued_and_never_bounced),
    cmocka_unit_test(a_bounce_follows_its_sender),
    cmocka_unit_test(nothing_bounces_to_nobody),
    cmocka_unit_test(a_dead_host_changes_no_row),
    cmocka_unit_test(a_failed_lookup_is_repeated_soon),
    cmocka_unit_test(what_a_dead_courier_had_is_tried_again),
    cmocka_unit_test(a_bounce_is_made_once_whoever_dies),
    cmocka_unit_test(what_is_too_old_expires),
    cmocka_unit_test(a_delay_is_told_once),
    cmocka_unit_test(the_administrator_has_his_way),
    cmocka_unit_test(rows_follow_a_changed_route))
