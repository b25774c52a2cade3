/* SPDX-License-Identifier: ISC */
/* Questions of the session and their answers; smtp_impl.h says how it is
 * divided. */
#include "roles/front/smtp_impl.h"

#include "base/time.h"
#include "roles/front/local.h"
#include "store/flags.h"

/* -- log ------------------------------------------------------------------- */

void
smtp_log_mail(struct conn *c, const struct verdict *v)
{
	struct smtp *x = smtp_of(c);
	char sender[LOG_QUOTE], helo[LOG_QUOTE], id[ID_TEXT + 1];

	id_print(&x->id, id);
	env_log(conn_front(c)->env, ENV_INFO, "mail",
	    "id=%s code=%u client=%s helo=%s sender=%s rcpts=%u size=%llu", id,
	    v->code, c->peer_text,
	    log_quote(slice_cstr(x->s.helo), helo, sizeof(helo)),
	    log_quote(slice_cstr(x->s.sender), sender, sizeof(sender)),
	    x->s.n_rcpts, (unsigned long long)x->s.body_size);
}

void
smtp_log_refused_rcpt(struct conn *c, const struct verdict *v)
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

/* -- questions ------------------------------------------------------------- */

void
smtp_answer(struct conn *c, struct verdict v)
{
	struct smtp_effect e;

	smtp_of(c)->ticket = 0;
	smtp_server_answer(&smtp_of(c)->s, &v, &e);
	smtp_act(c, &e);
}

/* Each recipient of LMTP hears of it (RFC 2033, 4.2): until nothing is asked.
 */
void
smtp_answer_trouble(struct conn *c)
{
	do
		smtp_answer(c, verdict_trouble());
	while (smtp_of(c)->s.state == SMTP_WAIT_COMMIT);
}

/* The question went out under this ticket, or it is answered by our trouble. */
static void
asked(struct conn *c, int r)
{
	if (r != 0)
		smtp_answer_trouble(c);
	else
		smtp_waits(c);
}

/* RFC 5321, 3.1 and 4.3.1: the server speaks first. */
void
smtp_do_connect(struct conn *c)
{
	const struct verdict yes = VERDICT(220, 0, 0, 0, "");
	struct verdict over;

	if (!origin_check_rate(c, &over)) {
		smtp_answer(c, over);
		return;
	}
	/* Without a delay it is a matter of luck whose bytes come first. */
	if (origin_is_early(c) && conn_front(c)->settings->refuse_early &&
	    conn_front(c)->settings->greet_delay > 0) {
		smtp_answer(c, smtp_say(SMTP_SAY_EARLY));
		return;
	}
	/* filters hear its name together with its address */
	if (smtp_filter_is_wanted(c) && !origin_is_known(c))
		smtp_of(c)->waits_for_origin = true;
	else
		smtp_filter_ask(c, SMTP_FILTER_CONNECT, &yes);
}

/* The same about the name that it says. */
void
smtp_do_helo(struct conn *c)
{
	const struct verdict yes = VERDICT(250, 0, 0, 0, "");

	smtp_filter_ask(c, SMTP_FILTER_HELO, &yes);
}

/* The same about the envelope as a whole. */
void
smtp_do_data(struct conn *c)
{
	const struct verdict yes = VERDICT(250, 0, 0, 0, "");

	smtp_filter_ask(c, SMTP_FILTER_DATA, &yes);
}

static uint64_t
txn_of(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	if (x->txn == 0)
		x->txn = ++conn_front(c)->next_txn;
	return x->txn;
}

/* The store says what a login may send as; a stranger's sender is looked at
 * with each recipient. */
void
smtp_do_mail(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_mail_ask ask = { .handle = x->handle,
		.txn = txn_of(c),
		.sender = slice_cstr(x->s.sender),
		.client = slice_cstr(c->peer_text),
		.size = x->s.params.size };
	const struct verdict yes = VERDICT(250, 2, 1, 0, "");
	struct verdict over;

	if (!origin_check_rate(c, &over)) {
		smtp_answer(c, over);
		return;
	}
	if (conn_front(c)->kind == WIRE_MX) {
		origin_on_mail(c, slice_cstr(x->s.helo),
		    slice_cstr(x->s.sender));
		smtp_filter_ask(c, SMTP_FILTER_MAIL, &yes);
		return;
	}
	if (conn_front(c)->kind == WIRE_LOCAL) {
		smtp_answer(c, local_may_send(c));
		return;
	}
	x->ticket = front_ticket(conn_front(c));
	asked(c,
	    store_of(c) == NULL
		? -1
		: wire_send_mail_ask(store_of(c), c->number, x->ticket, &ask));
}

/* True: policy about the client has answered already. */
static bool
is_refused_origin(struct conn *c)
{
	char text[ORIGIN_SAY];
	struct verdict v;

	if (origin_check_rate(c, &v) &&
	    origin_check_rcpt(c, slice_cstr(smtp_of(c)->s.rcpt), &v, text))
		return false;
	smtp_log_refused_rcpt(c, &v);
	smtp_answer(c, v);
	return true;
}

/* Our address that the client came to: it is asked for only where somebody is
 * wanted at an address (RFC 5321, 4.1.3), which may be that one. */
static struct slice
local_of(struct conn *c, struct slice rcpt, char text[ENV_ADDR_TEXT])
{
	struct env_addr local;

	if (slice_find(rcpt, SLICE("@[")) == SIZE_MAX ||
	    env_local_addr(conn_front(c)->env, c->watch.fd, &local) != 0)
		return SLICE("");
	env_addr_print(&local, text);
	return slice_cstr(text);
}

static void
ask_rcpt(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	char local[ENV_ADDR_TEXT];
	struct wire_rcpt_ask ask = { .handle = x->handle,
		.txn = txn_of(c),
		.sender = slice_cstr(x->s.sender),
		.rcpt = slice_cstr(x->s.rcpt),
		.client = slice_cstr(c->peer_text),
		.rdns = origin_rdns(c),
		.helo = slice_cstr(x->s.helo),
		.size = x->s.params.size,
		.notify = x->s.rcpt_params.notify,
		.orcpt = slice_cstr(x->s.orcpt),
		.rrvs = x->s.rcpt_params.rrvs,
		.rrvs_continue = x->s.rcpt_params.rrvs_may_continue,
		.local = local_of(c, slice_cstr(x->s.rcpt), local),
		.is_lmtp = x->s.config.kind == SMTP_LMTP };

	x->ticket = front_ticket(conn_front(c));
	asked(c,
	    store_of(c) == NULL || x->txn_is_lost
		? -1
		: wire_send_rcpt_ask(store_of(c), c->number, x->ticket, &ask));
}

/* What RCPT would hear; nothing of it is kept. */
void
smtp_do_vrfy(struct conn *c, uint8_t how)
{
	struct smtp *x = smtp_of(c);
	char local[ENV_ADDR_TEXT];
	struct wire_rcpt_ask ask = { .handle = x->handle,
		.rcpt = slice_cstr(x->s.asked),
		.local = local_of(c, slice_cstr(x->s.asked), local),
		.client = slice_cstr(c->peer_text),
		.rdns = origin_rdns(c),
		.helo = slice_cstr(x->s.helo),
		.how = how,
		.is_lmtp = x->s.config.kind == SMTP_LMTP };

	x->verifies = how;
	x->ticket = front_ticket(conn_front(c));
	if (store_of(c) == NULL ||
	    wire_send_rcpt_ask(store_of(c), c->number, x->ticket, &ask) != 0)
		smtp_answer_vrfy(c, verdict_trouble(), NULL);
	else
		smtp_waits(c);
}

/* The store sends no more rows than fit into a reply. */
static void
gather_members(const struct wire_list *rows, struct buf *out)
{
	struct wire_list rest = *rows;
	struct wire_member m;

	while (wire_member_next(&rest, &m))
		if (buf_printf(out, "%.*s\n", SLICE_FMT(m.address)) != BUF_OK)
			return buf_reset(out, LIMIT_FRAME);
}

void
smtp_answer_vrfy(struct conn *c, struct verdict v, const struct wire_list *rows)
{
	struct smtp *x = smtp_of(c);
	struct smtp_effect e;
	struct buf members;

	x->ticket = 0;
	if (x->verifies != VERIFY_EXPAND) {
		smtp_answer(c, v);
		return;
	}
	buf_init(&members, LIMIT_FRAME);
	if (rows != NULL)
		gather_members(rows, &members);
	smtp_server_answer_expn(&x->s, &v, buf_slice(&members), &e);
	smtp_act(c, &e);
	buf_deinit(&members);
}

void
smtp_do_rcpt(struct conn *c)
{
	if (!origin_is_known(c))
		smtp_of(c)->waits_for_origin = true;
	else if (!is_refused_origin(c))
		ask_rcpt(c);
}

void
smtp_do_auth(struct conn *c, struct slice initial)
{
	struct smtp *x = smtp_of(c);

	login_start(&x->login, x->s.mechanism,
	    x->s.has_initial ? &initial : NULL);
}

void
smtp_do_auth_step(struct conn *c, struct slice response)
{
	login_step(&smtp_of(c)->login, response);
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
		.envid = slice_cstr(x->s.envid),
		.ret = x->s.params.ret,
		.is_8bit = smtp_server_is_8bit(&x->s) || x->filter.is_8bit,
		.is_binary = x->s.params.body == SMTP_BODY_BINARYMIME,
		.is_smtputf8 = x->s.params.is_smtputf8,
		.requires_tls = x->s.params.requires_tls,
		.hold_until = x->s.hold_until,
		.deliver_by = x->s.deliver_by,
		.by_mode = x->s.params.by_mode,
		.by_trace = x->s.params.has_by_trace,
		.priority = x->s.params.priority,
		.is_per_rcpt = x->s.config.kind == SMTP_LMTP,
		.relay_from = x->relay_from,
		.discards = x->filter.discards,
		.quarantine = slice_cstr(x->filter.quarantine),
		.summary = summary };

	x->ticket = front_ticket(conn_front(c));
	return wire_send_commit(store_of(c), c->number, x->ticket, &commit);
}

/* All of the message is at the store now; then the filters may look at it. */
void
smtp_do_commit(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	conn_set_idle(c, conn_front(c)->settings->smtp_idle);
	smtp_do_body(c, (struct slice){ 0 });
	if (!smtp_filter_is_wanted(c))
		smtp_commit_now(c);
	else if (x->body_has_failed || store_of(c) == NULL || x->txn_is_lost ||
	    smtp_send_gathered(c) != 0)
		smtp_answer(c, verdict_trouble());
	else
		smtp_filter_end(c);
}

void
smtp_commit_now(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct buf summary;
	int r;

	if (x->body_has_failed || store_of(c) == NULL || x->txn_is_lost) {
		smtp_answer_trouble(c);
		return;
	}
	buf_init(&summary, LIMIT_SUMMARY);
	if (x->summary != NULL && summary_end(x->summary, &summary) != 0)
		buf_reset(&summary, 0);
	r = smtp_send_gathered(c);
	if (r == 0)
		r = send_commit(c, buf_slice(&summary));
	buf_deinit(&summary);
	if (r == 0) {
		/* The store has both now, however it ends. */
		x->body_is_open = false;
		x->txn = 0;
	}
	smtp_forget_body(c);
	asked(c, r);
}

/* -- answers --------------------------------------------------------------- */

void
smtp_drop_handle(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_handle_drop drop = { .handle = x->handle };

	if (x->handle != 0 && store_of(c) != NULL)
		(void)wire_send_handle_drop(store_of(c), c->number, 0, &drop);
	x->handle = 0;
}

void
smtp_on_login(struct conn *c, enum login_result how, struct slice challenge)
{
	static const enum smtp_auth_answer answers[] = {
		[LOGIN_YES] = SMTP_AUTH_YES,
		[LOGIN_NO] = SMTP_AUTH_NO,
		[LOGIN_LATER] = SMTP_AUTH_LATER,
		[LOGIN_MALFORMED] = SMTP_AUTH_MALFORMED,
	};
	struct smtp *x = smtp_of(c);
	struct smtp_effect e;

	if (x->s.state != SMTP_WAIT_AUTH)
		return;
	if (how == LOGIN_CHALLENGE && challenge.len <= SASL_CHALLENGE_MAX) {
		smtp_server_challenge(&x->s, challenge, &e);
	} else {
		x->handle = login_take_handle(&x->login);
		smtp_server_answer_auth(&x->s,
		    how == LOGIN_CHALLENGE ? SMTP_AUTH_LATER : answers[how],
		    &e);
	}
	smtp_act(c, &e);
	smtp_go_on(c);
}

void
smtp_on_auth_challenge(struct conn *c, uint32_t ticket,
    const struct wire_auth_challenge *m)
{
	login_on_challenge(&smtp_of(c)->login, ticket, m);
}

void
smtp_on_auth_refused(struct conn *c, uint32_t ticket,
    const struct wire_auth_refused *m)
{
	login_on_refused(&smtp_of(c)->login, ticket, m);
}

void
smtp_on_handle(struct conn *c, uint32_t ticket, const struct wire_handle *m)
{
	struct smtp *x = smtp_of(c);

	(void)slice_to_cstr(m->address, x->user, sizeof(x->user));
	login_on_handle(&x->login, ticket, m);
}

static bool
is_awaited(struct conn *c, uint32_t ticket, enum smtp_server_state state)
{
	const struct smtp *x = smtp_of(c);

	return x->s.state == state && x->ticket == ticket;
}

void
smtp_on_mail_answer(struct conn *c, uint32_t ticket,
    const struct wire_mail_answer *m)
{
	struct verdict v = verdict_of(&m->verdict);

	if (smtp_filter_store_answer(c, ticket, &v) ||
	    !is_awaited(c, ticket, SMTP_WAIT_MAIL))
		return;
	smtp_of(c)->ticket = 0; /* the filters' turn */
	smtp_filter_ask(c, SMTP_FILTER_MAIL, &v);
	smtp_go_on(c);
}

void
smtp_on_rcpt_answer(struct conn *c, uint32_t ticket,
    const struct wire_rcpt_answer *m)
{
	struct verdict v = verdict_of(&m->verdict);
	bool is_vrfy = is_awaited(c, ticket, SMTP_WAIT_VRFY);

	if (smtp_filter_store_answer(c, ticket, &v) ||
	    (!is_vrfy && !is_awaited(c, ticket, SMTP_WAIT_RCPT)))
		return;
	if (!is_vrfy && !verdict_is_ok(&v))
		smtp_log_refused_rcpt(c, &v);
	origin_count(c, RATE_RCPTS, 1);
	if (v.code == 550 && v.esc.subject == 1) /* RFC 3463, 3.2 */
		origin_count(c, RATE_UNKNOWN, 1);
	if (is_vrfy) {
		smtp_answer_vrfy(c, v, &m->rows);
	} else {
		smtp_of(c)->ticket = 0; /* the filters' turn */
		smtp_filter_ask(c, SMTP_FILTER_RCPT, &v);
	}
	smtp_go_on(c);
}

/* LMTP: each recipient has a reply of its own, in the order of RCPTs (RFC 2033,
 * 4.2). The rows come in that order, too. */
static void
answer_each(struct conn *c, const struct wire_done *m, struct verdict v)
{
	struct smtp *x = smtp_of(c);
	struct wire_list rows = m->left_out;
	struct wire_left_out row;
	bool is_more = verdict_is_ok(&v) && wire_left_out_next(&rows, &row);

	for (uint32_t i = 0; x->s.state == SMTP_WAIT_COMMIT; i++) {
		bool is_left_out = is_more && row.rcpt == i;

		smtp_answer(c, is_left_out ? verdict_of(&row.verdict) : v);
		if (is_left_out)
			is_more = wire_left_out_next(&rows, &row);
	}
}

void
smtp_on_done(struct conn *c, uint32_t ticket, const struct wire_done *m)
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
		origin_count(c, RATE_MAILS, 1);
	}
	smtp_log_mail(c, &v);
	answer_each(c, m, v);
	smtp_go_on(c);
}
