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
#include "roles/front/smtp_impl.h"

#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "store/flags.h"

enum {
	/* room for the reply to one command: LMTP has one for each recipient,
	 * EXPN one for each member */
	OUT_NEEDED = 4096 + LIMIT_LMTP_RCPTS * LIMIT_SMTP_REPLY_LINE,
	SLOWEST = 1000 /* bytes of a body in a second, on the whole */
};
_Static_assert((int)OUT_NEEDED < (int)LIMIT_CONN_OUT / 2,
    "all replies to a message fit, and something before them");

/* -- effects --------------------------------------------------------------- */

static void
do_drop(struct conn *c)
{
	conn_set_idle(c, conn_front(c)->settings->smtp_idle);
	smtp_forget_transaction(c);
}

/* A chunk that nobody wants has a time of its own. */
static void
note_eating(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	bool is_eating = x->s.state == SMTP_EAT;

	if (is_eating && !x->is_eating)
		x->body_since = env_now(conn_front(c)->env);
	x->is_eating = is_eating;
}

/* -- replies that are held back -------------------------------------------- */

static void
on_tarpit_over(struct env_timer *t)
{
	struct smtp *x = LIST_ENTRY(t, struct smtp, tarpit);
	struct smtp_effect e = x->held;

	e.delay_ms = 0;
	smtp_act(x->conn, &e);
	smtp_go_on(x->conn);
}

/* Its words stay in the session, which takes no step until they are said. Costs
 * a timer, and nothing of anybody else's. */
static bool
hold_back(struct conn *c, const struct smtp_effect *e)
{
	struct env *env = conn_front(c)->env;
	struct smtp *x = smtp_of(c);

	if (e->delay_ms == 0 || e->begins_body || e->body.len > 0 ||
	    env_timer_set(env, &x->tarpit,
		env_now(env) + e->delay_ms * TIME_MS) < 0)
		return false;
	x->held = *e;
	conn_pause(c);
	return true;
}

static bool
is_held_back(const struct smtp *x)
{
	return x->tarpit.slot != 0;
}

static void
say_members(struct conn *c, struct slice members)
{
	struct slice line;

	while (smtp_server_expn_line(&smtp_of(c)->s, &members, &line))
		conn_say(c, line);
}

void
smtp_act(struct conn *c, const struct smtp_effect *e)
{
	if (hold_back(c, e))
		return;
	if (e->begins_body)
		smtp_do_begin(c);
	if (e->body.len > 0)
		smtp_do_body(c, e->body);
	for (unsigned i = 0; i <= e->n_more; i++)
		conn_say(c, e->say);
	say_members(c, e->members);
	note_eating(c);
	switch ((enum smtp_do)e->todo) {
	case SMTP_DO_NOTHING:
		break;
	case SMTP_DO_CONNECT:
		smtp_do_connect(c);
		break;
	case SMTP_DO_HELO:
		smtp_do_helo(c);
		break;
	case SMTP_DO_MAIL:
		smtp_do_mail(c);
		break;
	case SMTP_DO_RCPT:
		smtp_do_rcpt(c);
		break;
	case SMTP_DO_AUTH:
		smtp_do_auth(c, e->auth);
		break;
	case SMTP_DO_AUTH_STEP:
		smtp_do_auth_step(c, e->auth);
		break;
	case SMTP_DO_AUTH_ABORT:
		login_abort(&smtp_of(c)->login);
		break;
	case SMTP_DO_DATA:
		smtp_do_data(c);
		break;
	case SMTP_DO_VRFY:
		smtp_do_vrfy(c, VERIFY_RCPT);
		break;
	case SMTP_DO_EXPN:
		smtp_do_vrfy(c, VERIFY_EXPAND);
		break;
	case SMTP_DO_COMMIT:
		smtp_do_commit(c);
		break;
	case SMTP_DO_DROP_BODY:
		smtp_forget_body(c);
		break;
	case SMTP_DO_DROP:
		do_drop(c);
		break;
	case SMTP_DO_TLS:
		conn_start_tls(c);
		break;
	case SMTP_DO_XCLIENT:
		smtp_do_xclient(c, e->args);
		break;
	case SMTP_DO_CLOSE:
		smtp_forget_transaction(c);
		conn_end(c);
		break;
	}
}

void
smtp_goodbye(struct conn *c, enum smtp_say why)
{
	struct smtp_effect e;

	env_timer_stop(conn_front(c)->env, &smtp_of(c)->tarpit);
	smtp_server_goodbye(&smtp_of(c)->s, why, &e);
	smtp_act(c, &e);
}

/* -- log ------------------------------------------------------------------- */

/* At the end of a message that the session itself refused. */
void
smtp_log_refused_mail(struct conn *c)
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

	x->s.weather = f->store == NULL || !f->has_state ? SMTP_TROUBLE
	    : is_open                                    ? SMTP_FAIR
							 : SMTP_FULL;
	x->s.wall_us = env_wall(f->env);
	x->s.config.can_tls = tls_server_has_key(f->tls);
}

/* False: the store, or a client that reads no replies, must catch up. */
static bool
may_step(struct conn *c)
{
	const struct smtp *x = smtp_of(c);
	bool is_streaming = smtp_server_is_streaming(&x->s) && !x->s.is_refused;

	if (conn_out_room(c) < OUT_NEEDED)
		return false;
	return !is_streaming || store_of(c) == NULL ||
	    (x->credit >= SMTP_CREDIT_NEEDED && !channel_is_full(store_of(c)));
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
	smtp_goodbye(c, x->is_stopping ? SMTP_SAY_STOPPING : SMTP_SAY_LOST);
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

	if (smtp_server_has_body(&x->s) || x->is_eating) {
		limit = 10 * settings->smtp_data_idle +
		    (int64_t)(x->s.body_size / SLOWEST) * TIME_SECOND;
		if (settings->smtp_data_idle == 0 ||
		    now - x->body_since <= limit)
			return false;
	} else if (settings->smtp_idle == 0 || x->line_since == 0 ||
	    now - x->line_since <= settings->smtp_idle) {
		return false;
	}
	smtp_goodbye(c, SMTP_SAY_TOO_SLOW);
	return true;
}

static void
stall(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	x->is_stalled = true;
	x->stall_since = env_now(conn_front(c)->env);
	smtp_waits(c);
	conn_pause(c);
}

/* After the steps: a part of a line is there, or not. */
static void
note_line(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (smtp_server_is_streaming(&x->s) ||
	    !smtp_server_wants_input(&x->s) ||
	    (conn_in(c).len == 0 && x->s.discarded == 0))
		x->line_since = 0;
	else if (x->line_since == 0)
		x->line_since = env_now(conn_front(c)->env);
}

static void
note_errors(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (x->s.n_errors == x->n_errors_told)
		return;
	origin_count(c, RATE_ERRORS, x->s.n_errors - x->n_errors_told);
	x->n_errors_told = x->s.n_errors;
}

static void
run(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct smtp_effect e;
	bool was_body;
	size_t n = 1;

	if (is_too_slow(c))
		return;
	while (n > 0 && smtp_server_wants_input(&x->s) && !is_held_back(x) &&
	    !is_over(c) && conn_in(c).len > 0) {
		if (!may_step(c)) {
			stall(c);
			return;
		}
		look_around(c);
		was_body = smtp_server_has_body(&x->s);
		n = smtp_server_step(&x->s, conn_in(c), &e);
		if (was_body && e.todo == SMTP_DO_DROP && x->s.is_refused)
			smtp_log_refused_mail(c);
		smtp_act(c, &e);
		conn_eat(c, n);
		if (n > 0 && x->s.discarded == 0)
			x->line_since = 0;
	}
	note_line(c);
	note_errors(c);
	if (!smtp_server_wants_input(&x->s) && x->s.state != SMTP_WAIT_TLS)
		conn_pause(c);
}

/* An answer has come. */
void
smtp_go_on(struct conn *c)
{
	const struct smtp *x = smtp_of(c);

	if (smtp_server_wants_input(&x->s) && !is_held_back(x) && !is_over(c))
		conn_resume(c);
}

void
smtp_unstall(struct conn *c)
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
	    : service == SERVICE_LOCAL      ? SMTP_LOCAL
	    : service == SERVICE_LMTP       ? SMTP_LMTP
	    : service == SERVICE_SUBMISSION ? SMTP_SUBMISSION
					    : SMTP_SUBMISSIONS;
}

static void
set_tarpit(struct conn *c, struct smtp_server_config *config)
{
	const struct settings *s = conn_front(c)->settings;

	config->tarpit_after = origin_is_exempt(c) ? 0 : s->tarpit_after;
	config->tarpit_ms = (uint32_t)(s->tarpit_delay / TIME_MS);
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
		.max_hold = (uint32_t)(f->settings->max_hold / TIME_SECOND),
		.max_priority = (uint8_t)f->settings->max_priority,
		.can_tls = tls_server_has_key(f->tls),
		.mechanisms = login_mechanisms(c),
		.plain_auth = f->settings->plain_auth };
	struct smtp_effect e;

	x->conn = c;
	x->tarpit.fire = on_tarpit_over;
	set_tarpit(c, &config);
	config.vrfy = f->settings->vrfy;
	config.expn = f->settings->expn;
	(void)smtp_withheld_parse(slice_cstr(f->settings->withheld),
	    config.kind, &config.withheld);
	config.is_strict = f->settings->strict_pipelining;
	config.may_xclient = origin_may_xclient(c);
	login_init(&x->login, c, "smtp", smtp_on_login);
	buf_init(&x->gathered, SMTP_GATHER);
	smtp_filter_init(c);
	smtp_server_init(&x->s, &config);
	conn_set_idle(c, f->settings->smtp_idle);
	smtp_server_start(&x->s, &e);
	smtp_act(c, &e);
}

static void
on_closed(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	env_timer_stop(conn_front(c)->env, &x->tarpit);
	if (x->s.is_hasty)
		env_log(conn_front(c)->env, ENV_INFO, "hasty-client",
		    "client=%s session=%llu", c->peer_text,
		    (unsigned long long)c->number);
	login_deinit(&x->login);
	smtp_forget_transaction(c);
	smtp_filter_closed(c);
	smtp_drop_handle(c);
	buf_deinit(&x->gathered);
	explicit_bzero(&x->s, sizeof(x->s));
}

/* A login before TLS (settings.plain_auth) does not outlive it. */
static void
on_tls_up(struct conn *c)
{
	smtp_drop_handle(c);
	smtp_of(c)->handle_is_lost = false;
	smtp_of(c)->s.config.mechanisms = login_mechanisms(c);
	smtp_server_tls_up(&smtp_of(c)->s);
}

static void
on_timeout(struct conn *c)
{
	smtp_goodbye(c, SMTP_SAY_TOO_SLOW);
}

/* A mail whose bytes are coming, or whose fate is being decided, is finished
 * first; the front has a limit of its own for that. */
static void
on_stopping(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	x->is_stopping = true;
	if (!smtp_server_has_body(&x->s) && x->s.state != SMTP_WAIT_COMMIT &&
	    x->s.state != SMTP_WAIT_TLS)
		smtp_goodbye(c, SMTP_SAY_STOPPING);
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
		x->waits_for_origin = false;
		smtp_filter_store_lost(c);
		smtp_answer_trouble(c);
		break;
	case SMTP_WAIT_VRFY:
		smtp_answer_vrfy(c, verdict_trouble(), NULL);
		break;
	case SMTP_DATA:
	case SMTP_CHUNK:
	case SMTP_CHUNKS:
		smtp_refuse_body(c);
		break;
	default:
		return;
	}
	smtp_unstall(c);
	smtp_go_on(c);
}

static void
on_peer_lost(struct conn *c, enum wire_role peer)
{
	struct smtp *x = smtp_of(c);

	login_on_lost(&x->login, peer);
	if (peer == WIRE_STORE)
		on_store_lost(c);
	else if (peer == WIRE_HOOK)
		smtp_filter_lost(c);
}

static void
on_origin_known(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (!x->waits_for_origin)
		return;
	x->waits_for_origin = false;
	if (x->s.state == SMTP_WAIT_CONNECT)
		smtp_do_connect(c);
	else
		smtp_do_rcpt(c);
	smtp_go_on(c);
}

/* docs/decisions/0012. The session begins anew. */
void
smtp_do_xclient(struct conn *c, struct slice args)
{
	struct smtp *x = smtp_of(c);
	struct smtp_xclient who;
	struct smtp_effect e;
	char was[ENV_ADDR_TEXT];

	memcpy(was, c->peer_text, sizeof(was));
	if (smtp_xclient_parse(args, &who) != SMTP_XCLIENT_OK ||
	    !origin_become(c, &who)) {
		smtp_goodbye(c, SMTP_SAY_TOO_MANY_CLIENTS);
		return;
	}
	env_log(conn_front(c)->env, ENV_INFO, "xclient",
	    "client=%s by=%s session=%llu", c->peer_text, was,
	    (unsigned long long)c->number);
	set_tarpit(c, &x->s.config);
	x->s.config.helo_override = origin_helo(c);
	x->s.config.may_xclient = origin_may_xclient(c);
	smtp_server_start(&x->s, &e);
	smtp_act(c, &e);
}

static size_t
cost(const struct conn *c)
{
	const struct smtp *x = c->session;

	return summary_cost(x->summary) + x->gathered.size +
	    x->filter.held.size + x->filter.edits.size;
}

/* An empty summary is legal everywhere: the mail is taken all the same. */
static bool
on_starved(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (x->summary == NULL)
		return false;
	summary_free(x->summary);
	x->summary = NULL;
	return true;
}

const struct conn_proto smtp_proto = {
	.name = "smtp",
	.sorry =
	    SLICE("421 4.3.2 cannot serve you just now, try again soon\r\n"),
	.session_size = sizeof(struct smtp),
	.cost = cost,
	.starved = on_starved,
	.start = on_start,
	.input = run,
	.closed = on_closed,
	.room = smtp_unstall,
	.tls_up = on_tls_up,
	.timeout = on_timeout,
	.stopping = on_stopping,
	.peer_lost = on_peer_lost,
	.look = smtp_look,
	.store_room = smtp_unstall,
	.origin_known = on_origin_known,
	.auth_challenge = smtp_on_auth_challenge,
	.auth_refused = smtp_on_auth_refused,
	.handle = smtp_on_handle,
	.mail_answer = smtp_on_mail_answer,
	.rcpt_answer = smtp_on_rcpt_answer,
	.body_credit = smtp_on_body_credit,
	.body_refused = smtp_on_body_refused,
	.done = smtp_on_done,
	.body_piece_data = smtp_on_body_piece_data,
	.hook_answer = smtp_on_hook_answer,
	.hook_want = smtp_on_hook_want,
	.hook_body = smtp_on_hook_body,
	.hook_rewrite = smtp_on_hook_rewrite,
	.hook_header = smtp_on_hook_header,
};
