/* SPDX-License-Identifier: ISC */
/*
 * roles/front/smtp - SMTP on a conn: the session asks, others answer
 *
 * Drives smtp/server: commands go in, its questions go to the store and the
 * keeper, the answers come back in the order of the commands, because nothing
 * is read while one is awaited. A body streams to the store in chunks as long
 * as there is credit, with its summary made on the way; a small mail is one
 * flush: BODY_OPEN, BODY_CHUNK, COMMIT. Owns of each session: one body, one
 * transaction number, one handle. What was asked of a peer that is gone gets
 * 4yz; nothing of it is believed afterwards.
 */
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "mail/date.h"
#include "mail/received.h"
#include "mail/summary.h"
#include "roles/front/front.h"
#include "smtp/server.h"
#include "sys/log.h"

enum {
	GATHER = 16 * 1024, /* smaller parts of a body wait for more */
	/* A step gives at most LIMIT_CONN_IN, behind what was gathered. */
	CREDIT_NEEDED = LIMIT_CONN_IN + 2 * GATHER,
	OUT_NEEDED = 4096, /* room for the reply to one command */
	SLOWEST = 1000     /* bytes of a body in a second, on the whole */
};

struct smtp {
	struct smtp_server s;
	struct conn *conn;
	/* login */
	uint32_t handle;
	bool handle_is_lost;      /* with the store that gave it */
	struct env_timer refusal; /* AUTH_REFUSED is said only then */
	/* transaction */
	uint64_t txn; /* 0: the store knows of none */
	bool txn_is_lost;
	uint32_t ticket; /* of the question that is open */
	/* body */
	struct id id;
	uint64_t body;
	bool body_is_open; /* at the store */
	bool body_has_failed;
	uint64_t credit;
	uint32_t relay_from;
	struct buf gathered;
	struct summary *summary;
	bool is_stalled, is_stopping;
	/* env_now() when the line now read, the body, a stall began; 0: none */
	int64_t line_since, body_since, stall_since;
};

static void act(struct conn *c, const struct smtp_effect *e);
static void run(struct conn *c);

static struct smtp *
smtp_of(struct conn *c)
{
	return conn_session(c);
}

static struct channel *
store_of(struct conn *c)
{
	return conn_front(c)->store;
}

static struct verdict
verdict_of(const struct wire_verdict *w)
{
	return (struct verdict){ w->code, { w->class, w->subject, w->detail },
		w->text };
}

/* -- transaction and body at the store ------------------------------------- */

static uint64_t
txn_of(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (x->txn == 0)
		x->txn = ++conn_front(c)->next_txn;
	return x->txn;
}

static void
forget_body(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_body_drop drop = { .body = x->body };

	if (x->body_is_open && store_of(c) != NULL)
		(void)wire_send_body_drop(store_of(c), c->number, 0, &drop);
	x->body_is_open = false;
	summary_free(x->summary);
	x->summary = NULL;
	buf_reset(&x->gathered, 0);
}

static void
forget_transaction(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_txn_drop drop = { .txn = x->txn };

	forget_body(c);
	if (x->txn != 0 && !x->txn_is_lost && store_of(c) != NULL)
		(void)wire_send_txn_drop(store_of(c), c->number, 0, &drop);
	x->txn = 0;
	x->txn_is_lost = false;
}

static void
refuse_body(struct conn *c)
{
	struct verdict v = verdict_trouble();

	smtp_of(c)->body_has_failed = true;
	smtp_server_refuse_body(&smtp_of(c)->s, &v);
	forget_body(c);
}

static int
send_chunk(struct conn *c, struct slice data)
{
	struct smtp *x = smtp_of(c);
	struct wire_body_chunk chunk = { .body = x->body, .data = data };
	struct wire_body_open open = { .body = x->body,
		.size = x->s.params.size };
	int r = 0;

	if (data.len == 0)
		return 0;
	if (!x->body_is_open)
		r = wire_send_body_open(store_of(c), c->number, 0, &open);
	if (r == 0) {
		x->body_is_open = true;
		r = wire_send_body_chunk(store_of(c), c->number, 0, &chunk);
	}
	x->credit -= data.len < x->credit ? data.len : x->credit;
	return r;
}

static int
send_gathered(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	int r = send_chunk(c, buf_slice(&x->gathered));

	buf_reset(&x->gathered, GATHER);
	return r;
}

/* Bytes of the stored message, in order. */
static void
emit(struct conn *c, struct slice part)
{
	struct smtp *x = smtp_of(c);
	int r;

	if (x->body_has_failed)
		return;
	if (x->summary != NULL)
		summary_feed(x->summary, part);
	if (part.len <= GATHER - x->gathered.len) {
		r = buf_add(&x->gathered, part);
	} else {
		r = send_gathered(c);
		if (r == 0)
			r = send_chunk(c, part);
	}
	if (r != 0)
		refuse_body(c);
}

/* -- questions ------------------------------------------------------------- */

static void
answer(struct conn *c, struct verdict v)
{
	struct smtp_effect e;

	smtp_server_answer(&smtp_of(c)->s, &v, &e);
	act(c, &e);
}

static void
answer_auth(struct conn *c, enum smtp_auth_answer how)
{
	struct smtp_effect e;

	smtp_server_answer_auth(&smtp_of(c)->s, how, &e);
	act(c, &e);
}

/* The question went out under this ticket, or it is answered by our trouble. */
static void
asked(struct conn *c, int r)
{
	if (r != 0)
		answer(c, verdict_trouble());
}

static void
do_mail(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_mail_ask ask = { .handle = x->handle,
		.txn = txn_of(c),
		.sender = slice_cstr(x->s.sender),
		.size = x->s.params.size };

	x->ticket = front_ticket(conn_front(c));
	asked(c,
	    store_of(c) == NULL
		? -1
		: wire_send_mail_ask(store_of(c), c->number, x->ticket, &ask));
}

static void
do_rcpt(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_rcpt_ask ask = { .handle = x->handle,
		.txn = txn_of(c),
		.sender = slice_cstr(x->s.sender),
		.rcpt = slice_cstr(x->s.rcpt),
		.size = x->s.params.size };

	x->ticket = front_ticket(conn_front(c));
	asked(c,
	    store_of(c) == NULL || x->txn_is_lost
		? -1
		: wire_send_rcpt_ask(store_of(c), c->number, x->ticket, &ask));
}

static void
do_auth(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct channel *keeper = conn_front(c)->keeper;
	struct wire_auth_try try = { .service = SLICE("smtp"),
		.client = slice_cstr(c->peer_text),
		.authcid = x->s.plain.authcid,
		.authzid = x->s.plain.authzid,
		.password = x->s.plain.password };

	x->ticket = front_ticket(conn_front(c));
	if (keeper == NULL || store_of(c) == NULL ||
	    wire_send_auth_try(keeper, c->number, x->ticket, &try) != 0)
		answer_auth(c, SMTP_AUTH_LATER);
}

/* -- the message ----------------------------------------------------------- */

static void
emit_trace(struct conn *c, int64_t wall_us)
{
	struct smtp *x = smtp_of(c);
	char id[ID_TEXT + 1];
	struct received received = { .helo = slice_cstr(x->s.helo),
		.client = slice_cstr(c->peer_text),
		.by = slice_cstr(conn_front(c)->hostname),
		.protocol = slice_cstr(smtp_server_protocol(&x->s)),
		.tls = slice_cstr(conn_tls_text(c)),
		.id = slice_of(id, ID_TEXT),
		.wall_us = wall_us };
	struct buf trace;

	id_print(&x->id, id);
	if (x->s.n_rcpts == 1)
		received.rcpt = slice_cstr(x->s.first_rcpt);
	buf_init(&trace, RECEIVED_MAX + LIMIT_ADDRESS + 32);
	/* RFC 5321 4.4; these bytes stay at home: relaying begins behind. */
	if (buf_printf(&trace, "Return-Path: <%s>\r\n", x->s.sender) != BUF_OK)
		refuse_body(c);
	x->relay_from = (uint32_t)trace.len;
	if (received_print(&received, &trace) != BUF_OK)
		refuse_body(c);
	emit(c, buf_slice(&trace));
	buf_deinit(&trace);
}

/* RFC 6409, 8.1 and 8.2 */
static void
offer_fields(struct conn *c, int64_t wall_us)
{
	struct smtp *x = smtp_of(c);
	char date[DATE_RFC5322 + 16], text[DATE_RFC5322];
	char message_id[SMTP_TRACE_FIELD_MAX], id[ID_TEXT + 1];

	date_print(wall_us, 0, text);
	id_print(&x->id, id);
	(void)snprintf(date, sizeof(date), "Date: %s\r\n", text);
	(void)snprintf(message_id, sizeof(message_id),
	    "Message-ID: <%s@%s>\r\n", id, conn_front(c)->hostname);
	smtp_trace_add_if_missing(&x->s.trace, slice_cstr(date),
	    slice_cstr(message_id));
}

static void
do_begin(struct conn *c)
{
	struct front *f = conn_front(c);
	struct smtp *x = smtp_of(c);
	int64_t wall_us = env_wall(f->env);

	conn_set_idle(c, f->settings->smtp_data_idle);
	x->body_since = env_now(f->env);
	id_make(&f->ids, wall_us, env_random_u64(f->env), &x->id);
	x->body = ++f->next_body;
	x->body_is_open = x->body_has_failed = false;
	x->credit = LIMIT_CREDIT;
	x->summary = summary_begin(); /* NULL is an empty one */
	if (x->txn_is_lost || f->store == NULL) {
		refuse_body(c);
		return;
	}
	emit_trace(c, wall_us);
	if (f->kind == WIRE_USER)
		offer_fields(c, wall_us);
}

static void
do_body(struct conn *c, struct slice body)
{
	struct slice part;

	while (smtp_server_body_part(&smtp_of(c)->s, &body, &part))
		emit(c, part);
}

static int
send_commit(struct conn *c, struct slice summary)
{
	struct smtp *x = smtp_of(c);
	struct wire_commit commit = { .handle = x->handle,
		.txn = x->txn,
		.body = x->body,
		.id = x->id,
		.sender = slice_cstr(x->s.sender),
		.helo = slice_cstr(x->s.helo),
		.client = slice_cstr(c->peer_text),
		.protocol = slice_cstr(smtp_server_protocol(&x->s)),
		.is_8bit = x->s.dot.is_8bit,
		.relay_from = x->relay_from,
		.summary = summary };

	x->ticket = front_ticket(conn_front(c));
	return wire_send_commit(store_of(c), c->number, x->ticket, &commit);
}

static void
do_commit(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct buf summary;
	int r;

	conn_set_idle(c, conn_front(c)->settings->smtp_idle);
	do_body(c, (struct slice){ 0 });
	if (x->body_has_failed || store_of(c) == NULL || x->txn_is_lost) {
		answer(c, verdict_trouble());
		return;
	}
	buf_init(&summary, LIMIT_SUMMARY);
	if (x->summary != NULL && summary_end(x->summary, &summary) != 0)
		buf_reset(&summary, 0);
	r = send_gathered(c);
	if (r == 0)
		r = send_commit(c, buf_slice(&summary));
	buf_deinit(&summary);
	if (r == 0) {
		/* The store has both now, however it ends. */
		x->body_is_open = false;
		x->txn = 0;
	}
	forget_body(c);
	asked(c, r);
}

/* -- effects --------------------------------------------------------------- */

static void
do_drop(struct conn *c)
{
	conn_set_idle(c, conn_front(c)->settings->smtp_idle);
	forget_transaction(c);
}

static void
act(struct conn *c, const struct smtp_effect *e)
{
	conn_say(c, e->say);
	switch ((enum smtp_do)e->todo) {
	case SMTP_DO_NOTHING:
		break;
	case SMTP_DO_MAIL:
		do_mail(c);
		break;
	case SMTP_DO_RCPT:
		do_rcpt(c);
		break;
	case SMTP_DO_AUTH:
		do_auth(c);
		break;
	case SMTP_DO_BEGIN:
		do_begin(c);
		break;
	case SMTP_DO_BODY:
		do_body(c, e->body);
		break;
	case SMTP_DO_COMMIT:
		do_commit(c);
		break;
	case SMTP_DO_DROP_BODY:
		forget_body(c);
		break;
	case SMTP_DO_DROP:
		do_drop(c);
		break;
	case SMTP_DO_TLS:
		conn_start_tls(c);
		break;
	case SMTP_DO_CLOSE:
		forget_transaction(c);
		conn_end(c);
		break;
	}
}

static void
goodbye(struct conn *c, enum smtp_say why)
{
	struct smtp_effect e;

	smtp_server_goodbye(&smtp_of(c)->s, why, &e);
	act(c, &e);
}

/* -- log ------------------------------------------------------------------- */

static void
log_mail(struct conn *c, const char *id, const struct verdict *v)
{
	struct smtp *x = smtp_of(c);
	char sender[LOG_QUOTE], helo[LOG_QUOTE];

	env_log(conn_front(c)->env, ENV_INFO, "mail",
	    "id=%s code=%u client=%s helo=%s sender=%s rcpts=%u size=%llu", id,
	    v->code, c->peer_text,
	    log_quote(slice_cstr(x->s.helo), helo, sizeof(helo)),
	    log_quote(slice_cstr(x->s.sender), sender, sizeof(sender)),
	    x->s.n_rcpts, (unsigned long long)x->s.body_size);
}

static void
log_refused_rcpt(struct conn *c, const struct verdict *v)
{
	struct smtp *x = smtp_of(c);
	char sender[LOG_QUOTE], rcpt[LOG_QUOTE], text[LOG_QUOTE];

	env_log(conn_front(c)->env, ENV_INFO, "rcpt-refused",
	    "code=%u client=%s sender=%s rcpt=%s text=%s", v->code,
	    c->peer_text,
	    log_quote(slice_cstr(x->s.sender), sender, sizeof(sender)),
	    log_quote(slice_cstr(x->s.rcpt), rcpt, sizeof(rcpt)),
	    log_quote(v->text, text, sizeof(text)));
}

/* At the end of a message that the session itself refused. */
static void
log_refused_mail(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	char id[ID_TEXT + 1], text[LOG_QUOTE];

	id_print(&x->id, id);
	env_log(conn_front(c)->env, ENV_INFO, "mail",
	    "id=%s code=%u client=%s size=%llu text=%s", id, x->s.refusal.code,
	    c->peer_text, (unsigned long long)x->s.body_size,
	    log_quote(x->s.refusal.text, text, sizeof(text)));
}

/* -- input ----------------------------------------------------------------- */

/* What the session must know of the world before each step. */
static void
look_around(struct conn *c)
{
	const struct front *f = conn_front(c);
	struct smtp *x = smtp_of(c);
	bool is_open =
	    f->kind == WIRE_MX ? f->state.strangers : f->state.submission;

	x->s.weather = f->store == NULL ? SMTP_TROUBLE
	    : is_open                   ? SMTP_FAIR
					: SMTP_FULL;
	x->s.config.can_tls = tls_server_has_key(f->tls);
}

/* False: the store, or a client that reads no replies, must catch up. */
static bool
may_step(struct conn *c)
{
	const struct smtp *x = smtp_of(c);
	bool is_streaming = x->s.state == SMTP_DATA && !x->s.is_refused;

	if (conn_out_room(c) < OUT_NEEDED)
		return false;
	return !is_streaming || store_of(c) == NULL ||
	    (x->credit >= CREDIT_NEEDED && !channel_is_full(store_of(c)));
}

/* A login that went with its store, or a server that goes down: the session
 * ends where nothing is lost by it. */
static bool
is_over(struct conn *c)
{
	const struct smtp *x = smtp_of(c);

	if (x->s.state != SMTP_READY && x->s.state != SMTP_NEW)
		return false;
	if (!x->handle_is_lost && !x->is_stopping)
		return false;
	goodbye(c, x->is_stopping ? SMTP_SAY_STOPPING : SMTP_SAY_LOST);
	return true;
}

/* Bytes that trickle keep the idle timer away; these are the limits for whole
 * lines and whole bodies. Time that we made the client wait is its own. */
static bool
is_too_slow(struct conn *c)
{
	const struct settings *settings = conn_front(c)->settings;
	const struct smtp *x = smtp_of(c);
	int64_t now = env_now(conn_front(c)->env), limit;

	if (x->s.state == SMTP_DATA) {
		limit = 10 * settings->smtp_data_idle +
		    (int64_t)(x->s.body_size / SLOWEST) * TIME_SECOND;
		if (settings->smtp_data_idle == 0 ||
		    now - x->body_since <= limit)
			return false;
	} else if (settings->smtp_idle == 0 || x->line_since == 0 ||
	    now - x->line_since <= settings->smtp_idle) {
		return false;
	}
	goodbye(c, SMTP_SAY_TOO_SLOW);
	return true;
}

static void
stall(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	x->is_stalled = true;
	x->stall_since = env_now(conn_front(c)->env);
	conn_pause(c);
}

/* After the steps: a part of a line is there, or not. */
static void
note_line(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (x->s.state == SMTP_DATA || !smtp_server_wants_input(&x->s) ||
	    (conn_in(c).len == 0 && x->s.discarded == 0))
		x->line_since = 0;
	else if (x->line_since == 0)
		x->line_since = env_now(conn_front(c)->env);
}

static void
run(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct smtp_effect e;
	bool was_data;
	size_t n = 1;

	if (is_too_slow(c))
		return;
	while (n > 0 && smtp_server_wants_input(&x->s) && !is_over(c) &&
	    conn_in(c).len > 0) {
		if (!may_step(c)) {
			stall(c);
			return;
		}
		look_around(c);
		was_data = x->s.state == SMTP_DATA;
		n = smtp_server_step(&x->s, conn_in(c), &e);
		if (was_data && e.todo == SMTP_DO_DROP)
			log_refused_mail(c);
		act(c, &e);
		conn_eat(c, n);
		if (n > 0 && x->s.discarded == 0)
			x->line_since = 0;
	}
	note_line(c);
	if (!smtp_server_wants_input(&x->s) && x->s.state != SMTP_WAIT_TLS)
		conn_pause(c);
}

/* An answer has come. */
static void
go_on(struct conn *c)
{
	if (smtp_server_wants_input(&smtp_of(c)->s) && !is_over(c))
		conn_resume(c);
}

static void
unstall(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (!x->is_stalled || !may_step(c))
		return;
	x->is_stalled = false;
	x->body_since += env_now(conn_front(c)->env) - x->stall_since;
	conn_resume(c);
}

/* -- the conn's calls ------------------------------------------------------ */

static enum smtp_kind
kind_of(unsigned service)
{
	return service == SERVICE_MX        ? SMTP_MX
	    : service == SERVICE_SUBMISSION ? SMTP_SUBMISSION
					    : SMTP_SUBMISSIONS;
}

static void
on_refusal_due(struct env_timer *t)
{
	struct smtp *x = LIST_ENTRY(t, struct smtp, refusal);
	struct conn *c = x->conn;

	if (x->s.state != SMTP_WAIT_AUTH)
		return;
	answer_auth(c, SMTP_AUTH_NO);
	go_on(c);
}

static void
on_start(struct conn *c)
{
	struct front *f = conn_front(c);
	struct smtp *x = smtp_of(c);
	struct smtp_server_config config = { .kind = kind_of(c->service),
		.hostname = f->hostname,
		.max_size = f->state.max_size > 0 ? f->state.max_size
						  : f->settings->max_size,
		.can_tls = tls_server_has_key(f->tls),
		.plain_auth = f->settings->plain_auth };
	struct smtp_effect e;

	x->conn = c;
	x->refusal.fire = on_refusal_due;
	buf_init(&x->gathered, GATHER);
	smtp_server_init(&x->s, &config);
	conn_set_idle(c, f->settings->smtp_idle);
	smtp_server_start(&x->s, &e);
	act(c, &e);
}

static void
drop_handle(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_handle_drop drop = { .handle = x->handle };

	if (x->handle != 0 && store_of(c) != NULL)
		(void)wire_send_handle_drop(store_of(c), c->number, 0, &drop);
	x->handle = 0;
}

static void
on_closed(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	env_timer_stop(conn_front(c)->env, &x->refusal);
	forget_transaction(c);
	drop_handle(c);
	buf_deinit(&x->gathered);
	explicit_bzero(&x->s, sizeof(x->s));
}

/* A login before TLS (settings.plain_auth) does not outlive it. */
static void
on_tls_up(struct conn *c)
{
	drop_handle(c);
	smtp_of(c)->handle_is_lost = false;
	smtp_server_tls_up(&smtp_of(c)->s);
}

static void
on_timeout(struct conn *c)
{
	goodbye(c, SMTP_SAY_TOO_SLOW);
}

/* A mail whose bytes are coming, or whose fate is being decided, is finished
 * first; the front has a limit of its own for that. */
static void
on_stopping(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	x->is_stopping = true;
	if (x->s.state != SMTP_DATA && x->s.state != SMTP_WAIT_COMMIT &&
	    x->s.state != SMTP_WAIT_TLS)
		goodbye(c, SMTP_SAY_STOPPING);
}

static void
on_store_lost(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	/* Its number means nothing to the next store. */
	x->body_is_open = false;
	x->txn_is_lost = x->txn != 0;
	x->handle_is_lost = x->handle != 0;
	x->handle = 0;
	switch ((enum smtp_server_state)x->s.state) {
	case SMTP_WAIT_MAIL:
	case SMTP_WAIT_RCPT:
	case SMTP_WAIT_COMMIT:
		answer(c, verdict_trouble());
		break;
	case SMTP_WAIT_AUTH:
		env_timer_stop(conn_front(c)->env, &x->refusal);
		answer_auth(c, SMTP_AUTH_LATER);
		break;
	case SMTP_DATA:
		refuse_body(c);
		break;
	default:
		return;
	}
	unstall(c);
	go_on(c);
}

static void
on_peer_lost(struct conn *c, enum wire_role peer)
{
	struct smtp *x = smtp_of(c);

	if (peer == WIRE_STORE) {
		on_store_lost(c);
	} else if (peer == WIRE_KEEPER && x->s.state == SMTP_WAIT_AUTH &&
	    x->refusal.slot == 0) {
		answer_auth(c, SMTP_AUTH_LATER);
		go_on(c);
	}
}

/* -- answers --------------------------------------------------------------- */

static void
on_auth_refused(struct conn *c, const struct wire_auth_refused *m)
{
	struct env *env = conn_front(c)->env;
	struct smtp *x = smtp_of(c);

	if (x->s.state != SMTP_WAIT_AUTH || x->refusal.slot != 0)
		return;
	/* Not the name: people type passwords there. */
	env_log(env, ENV_INFO, "login-refused",
	    "service=smtp client=%s temporary=%d", c->peer_text, m->temporary);
	if (m->temporary) {
		answer_auth(c, SMTP_AUTH_LATER);
		go_on(c);
	} else if (env_timer_set(env, &x->refusal,
		       env_now(env) + m->wait_ms * TIME_MS) < 0) {
		on_refusal_due(&x->refusal);
	}
}

static void
on_handle(struct conn *c, const struct wire_handle *m)
{
	struct smtp *x = smtp_of(c);
	struct wire_handle_drop drop = { .handle = m->handle };

	if (x->s.state != SMTP_WAIT_AUTH || x->handle != 0) {
		/* To a question that was given up. */
		if (store_of(c) != NULL)
			(void)wire_send_handle_drop(store_of(c), c->number, 0,
			    &drop);
		return;
	}
	x->handle = m->handle;
	answer_auth(c, SMTP_AUTH_YES);
	go_on(c);
}

static bool
is_awaited(struct conn *c, uint32_t ticket, enum smtp_server_state state)
{
	const struct smtp *x = smtp_of(c);

	return x->s.state == state && x->ticket == ticket;
}

static void
on_mail_answer(struct conn *c, uint32_t ticket,
    const struct wire_mail_answer *m)
{
	if (!is_awaited(c, ticket, SMTP_WAIT_MAIL))
		return;
	answer(c, verdict_of(&m->verdict));
	go_on(c);
}

static void
on_rcpt_answer(struct conn *c, uint32_t ticket,
    const struct wire_rcpt_answer *m)
{
	struct verdict v = verdict_of(&m->verdict);

	if (!is_awaited(c, ticket, SMTP_WAIT_RCPT))
		return;
	if (!verdict_is_ok(&v))
		log_refused_rcpt(c, &v);
	answer(c, v);
	go_on(c);
}

static void
on_body_credit(struct conn *c, const struct wire_body_credit *m)
{
	struct smtp *x = smtp_of(c);

	if (m->body != x->body)
		return;
	x->credit += m->bytes;
	unstall(c);
}

static void
on_body_refused(struct conn *c, const struct wire_body_refused *m)
{
	struct smtp *x = smtp_of(c);
	struct verdict v = verdict_of(&m->verdict);

	if (m->body != x->body || x->s.state != SMTP_DATA)
		return;
	x->body_has_failed = true;
	smtp_server_refuse_body(&x->s, &v);
	forget_body(c);
	unstall(c);
}

static void
on_done(struct conn *c, uint32_t ticket, const struct wire_done *m)
{
	struct smtp *x = smtp_of(c);
	struct verdict v = verdict_of(&m->verdict);
	char id[ID_TEXT + 1];

	if (!is_awaited(c, ticket, SMTP_WAIT_COMMIT) ||
	    !id_equal(&m->id, &x->id))
		return;
	id_print(&x->id, id);
	if (verdict_is_ok(&v)) {
		v = VERDICT(250, 2, 0, 0, "");
		v.text = slice_of(id, ID_TEXT);
	}
	log_mail(c, id, &v);
	answer(c, v);
	go_on(c);
}

const struct conn_proto smtp_proto = {
	.name = "smtp",
	.session_size = sizeof(struct smtp),
	.start = on_start,
	.input = run,
	.closed = on_closed,
	.room = unstall,
	.tls_up = on_tls_up,
	.timeout = on_timeout,
	.stopping = on_stopping,
	.peer_lost = on_peer_lost,
	.store_room = unstall,
	.auth_refused = on_auth_refused,
	.handle = on_handle,
	.mail_answer = on_mail_answer,
	.rcpt_answer = on_rcpt_answer,
	.body_credit = on_body_credit,
	.body_refused = on_body_refused,
	.done = on_done,
};
