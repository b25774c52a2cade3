/* SPDX-License-Identifier: ISC */
/*
 * roles/front/pop3 - POP3 on a conn: what the session asks becomes messages
 *
 * Drives pop3/session as imap.c does its own. The maildrop is INBOX, opened
 * for this session alone; the store lets go of it when the mailbox is closed
 * or the channel or the handle goes. Owns of each session: a handle, the
 * opened mailbox.
 */
#include <string.h>

#include "base/limits.h"
#include "pop3/session.h"
#include "roles/front/login.h"

enum {
	ROWS = 64 /* of one SCAN_ROWS, by messages.def */
};

struct pop3 {
	struct pop3_session *s;
	struct pop3_config config;
	struct login login;
	enum pop3_question login_ask; /* what it answers */
	bool wants_tls;
	uint32_t ticket;
	uint64_t mailbox; /* open at the store; 0: none */
};

static struct pop3 *
pop3_of(struct conn *c)
{
	return conn_session(c);
}

static enum pop3_result
result_of(const struct wire_verdict *v)
{
	switch (box_code(v)) {
	case BOX_OK:
		return POP3_OK;
	case BOX_IN_USE:
		return POP3_IN_USE;
	case BOX_EXPUNGED:
		return POP3_GONE;
	default:
		return POP3_TROUBLE;
	}
}

static void
go_on(struct conn *c)
{
	if (!pop3_session_is_busy(pop3_of(c)->s))
		conn_resume(c);
}

static void
answer(struct conn *c, const struct pop3_answer *a)
{
	pop3_session_answer(pop3_of(c)->s, a);
	go_on(c);
}

/* -- questions ----------------------------------------------------------------
 */

static int
ask_login(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct pop3 *x = pop3_of(c);

	(void)ticket;
	x->login_ask = ask->what;
	login_try(&x->login, ask->user, ask->secret);
	return 0;
}

static int
ask_auth(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct pop3 *x = pop3_of(c);

	(void)ticket;
	x->login_ask = ask->what;
	login_start(&x->login, ask->mechanism,
	    ask->has_initial ? &ask->bytes : NULL);
	return 0;
}

static int
ask_respond(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct pop3 *x = pop3_of(c);

	(void)ticket;
	x->login_ask = ask->what;
	login_step(&x->login, ask->bytes);
	return 0;
}

static int
ask_abort(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	(void)ticket;
	(void)ask;
	login_abort(&pop3_of(c)->login);
	return 0;
}

static int
ask_open(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct wire_mailbox_open m = { .handle = pop3_of(c)->login.handle,
		.name = SLICE("INBOX"),
		.exclusive = true };

	(void)ask;
	return wire_send_mailbox_open(conn_front(c)->store, c->number, ticket,
	    &m);
}

static int
ask_scan(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct pop3 *x = pop3_of(c);
	struct wire_scan m = { .handle = x->login.handle,
		.mailbox = x->mailbox,
		.lo = 1,
		.hi = UINT32_MAX };

	(void)ask;
	return wire_send_scan(conn_front(c)->store, c->number, ticket, &m);
}

static int
ask_body(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct pop3 *x = pop3_of(c);
	struct wire_body_read m = { .handle = x->login.handle,
		.mailbox = x->mailbox,
		.uid = ask->uid,
		.offset = ask->offset,
		.length = ask->length };

	return wire_send_body_read(conn_front(c)->store, c->number, ticket, &m);
}

static int
ask_expunge(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct pop3 *x = pop3_of(c);
	struct wire_expunge m = { .handle = x->login.handle,
		.mailbox = x->mailbox,
		.any_flag = true };
	struct buf b;
	int r = 0;

	buf_init(&b, POP3_ASK_UIDS * 16);
	for (size_t i = 0; i < ask->n_uids && r == 0; i++) {
		struct wire_range range = { ask->uids[i], ask->uids[i] };

		r = wire_range_add(&b, &range);
	}
	m.uids.raw = buf_slice(&b);
	m.uids.n = (uint32_t)ask->n_uids;
	if (r == 0)
		r = wire_send_expunge(conn_front(c)->store, c->number, ticket,
		    &m);
	buf_deinit(&b);
	return r;
}

static int
ask_close(struct conn *c, uint32_t ticket, const struct pop3_ask *ask)
{
	struct pop3 *x = pop3_of(c);
	struct wire_mailbox_close m = { .handle = x->login.handle,
		.mailbox = x->mailbox };

	(void)ask;
	x->mailbox = 0;
	return m.mailbox == 0 ? 0
			      : wire_send_mailbox_close(conn_front(c)->store,
				    c->number, ticket, &m);
}

static int (*const questions[])(struct conn *c, uint32_t ticket,
    const struct pop3_ask *ask) = {
	[POP3_ASK_LOGIN] = ask_login,
	[POP3_ASK_AUTH] = ask_auth,
	[POP3_ASK_RESPOND] = ask_respond,
	[POP3_ASK_ABORT] = ask_abort,
	[POP3_ASK_OPEN] = ask_open,
	[POP3_ASK_SCAN] = ask_scan,
	[POP3_ASK_BODY] = ask_body,
	[POP3_ASK_EXPUNGE] = ask_expunge,
	[POP3_ASK_CLOSE] = ask_close,
};

/* -- the session's host
 * --------------------------------------------------------- */

static bool
host_ask(void *ctx, const struct pop3_ask *ask)
{
	struct conn *c = ctx;
	struct pop3 *x = pop3_of(c);

	if (conn_front(c)->store == NULL)
		return false;
	x->ticket = front_ticket(conn_front(c));
	return questions[ask->what](c, x->ticket, ask) == 0;
}

static size_t
host_room(void *ctx)
{
	return conn_out_room(ctx);
}

static void
host_say(void *ctx, struct slice bytes)
{
	conn_say(ctx, bytes);
}

static void
host_start_tls(void *ctx)
{
	pop3_of(ctx)->wants_tls = true;
}

static void
host_end(void *ctx)
{
	conn_end(ctx);
}

static const struct pop3_host host = { host_room, host_say, host_ask,
	host_start_tls, host_end };

/* -- the conn's calls
 * -------------------------------------------------------------- */

static void
on_input(struct conn *c)
{
	struct pop3 *x = pop3_of(c);
	size_t n = pop3_session_input(x->s, conn_in(c));

	conn_eat(c, n);
	if (x->wants_tls) {
		x->wants_tls = false;
		conn_start_tls(c);
	} else if (pop3_session_is_busy(x->s)) {
		conn_pause(c);
	}
}

static void on_login(struct conn *c, enum login_result how,
    struct slice challenge);

static void
on_start(struct conn *c)
{
	struct front *f = conn_front(c);
	struct pop3 *x = pop3_of(c);

	x->config = (struct pop3_config){ .hostname = f->hostname,
		.may_start_tls = tls_server_has_key(f->tls),
		.mechanisms = login_mechanisms(c),
		.plain_auth = f->settings->plain_auth };
	login_init(&x->login, c, "pop3", on_login);
	x->s = pop3_session_new(&host, c, &x->config);
	if (x->s == NULL) {
		conn_drop(c);
		return;
	}
	conn_set_idle(c, f->settings->pop3_idle);
	pop3_session_start(x->s, conn_has_tls(c));
}

static void
on_closed(struct conn *c)
{
	struct pop3 *x = pop3_of(c);
	struct pop3_ask nothing = { .what = POP3_ASK_CLOSE };

	if (conn_front(c)->store != NULL)
		(void)ask_close(c, 0, &nothing);
	pop3_session_free(x->s);
	x->s = NULL;
	login_deinit(&x->login);
}

static void
on_room(struct conn *c)
{
	pop3_session_pump(pop3_of(c)->s);
	go_on(c);
}

static void
on_tls_up(struct conn *c)
{
	pop3_of(c)->config.mechanisms = login_mechanisms(c);
	pop3_session_tls_up(pop3_of(c)->s);
}

static void
on_timeout(struct conn *c)
{
	/* RFC 1939, 3: closed without a response, nothing is removed. */
	conn_end(c);
}

static void
on_stopping(struct conn *c)
{
	pop3_session_bye(pop3_of(c)->s, "-ERR [SYS/TEMP] The server goes down");
}

static bool
on_look(struct conn *c)
{
	return login_look(&pop3_of(c)->login);
}

static void
on_peer_lost(struct conn *c, enum wire_role peer)
{
	struct pop3 *x = pop3_of(c);

	if (peer == WIRE_STORE)
		x->mailbox = 0;
	login_on_lost(&x->login, peer);
	if (peer == WIRE_STORE)
		pop3_session_lost_store(x->s);
	go_on(c);
}

/* -- answers
 * ------------------------------------------------------------------------- */

static void
on_login(struct conn *c, enum login_result how, struct slice challenge)
{
	static const enum pop3_result results[] = {
		[LOGIN_YES] = POP3_OK,
		[LOGIN_NO] = POP3_REFUSED,
		[LOGIN_LATER] = POP3_TROUBLE,
		[LOGIN_MALFORMED] = POP3_MALFORMED,
		[LOGIN_CHALLENGE] = POP3_CHALLENGE,
	};
	struct pop3_answer a = { .what = pop3_of(c)->login_ask,
		.result = results[how],
		.bytes = challenge };

	answer(c, &a);
}

static void
on_auth_refused(struct conn *c, uint32_t ticket,
    const struct wire_auth_refused *m)
{
	login_on_refused(&pop3_of(c)->login, ticket, m);
}

static void
on_auth_challenge(struct conn *c, uint32_t ticket,
    const struct wire_auth_challenge *m)
{
	login_on_challenge(&pop3_of(c)->login, ticket, m);
}

static void
on_handle(struct conn *c, uint32_t ticket, const struct wire_handle *m)
{
	login_on_handle(&pop3_of(c)->login, ticket, m);
}

static void
on_mailbox_opened(struct conn *c, uint32_t ticket,
    const struct wire_mailbox_opened *m)
{
	struct pop3 *x = pop3_of(c);
	struct pop3_answer a = { .what = POP3_ASK_OPEN,
		.result = result_of(&m->verdict) };

	if (ticket != x->ticket)
		return;
	if (a.result == POP3_OK)
		x->mailbox = m->box.mailbox;
	answer(c, &a);
}

static void
on_scan_rows(struct conn *c, uint32_t ticket, const struct wire_scan_rows *m)
{
	struct pop3_answer a = { .what = POP3_ASK_SCAN,
		.result = result_of(&m->verdict) };
	struct wire_list rows = m->rows;
	struct wire_entry row;
	struct pop3_row out[ROWS];

	if (ticket != pop3_of(c)->ticket)
		return;
	a.rows = out;
	do {
		a.n_rows = 0;
		while (a.n_rows < ROWS && wire_entry_next(&rows, &row))
			out[a.n_rows++] = (struct pop3_row){ .uid = row.uid,
				.size = row.size,
				.id = row.message };
		a.more = m->more || rows.n > 0;
		answer(c, &a);
	} while (rows.n > 0 && pop3_of(c)->s != NULL);
}

static void
on_body_data(struct conn *c, uint32_t ticket, const struct wire_body_data *m)
{
	struct pop3_answer a = { .what = POP3_ASK_BODY,
		.result = result_of(&m->verdict),
		.bytes = m->data,
		.more = !m->last };

	if (ticket == pop3_of(c)->ticket)
		answer(c, &a);
}

static void
on_expunged(struct conn *c, uint32_t ticket, const struct wire_expunged *m)
{
	struct pop3_answer a = { .what = POP3_ASK_EXPUNGE,
		.result = result_of(&m->verdict) };

	if (ticket == pop3_of(c)->ticket)
		answer(c, &a);
}

const struct conn_proto pop3_proto = {
	.name = "pop3",
	.sorry = SLICE("-ERR [SYS/TEMP] cannot serve you just now, try again "
		       "soon\r\n"),
	.session_size = sizeof(struct pop3),
	.start = on_start,
	.input = on_input,
	.closed = on_closed,
	.room = on_room,
	.tls_up = on_tls_up,
	.timeout = on_timeout,
	.stopping = on_stopping,
	.peer_lost = on_peer_lost,
	.look = on_look,
	.auth_challenge = on_auth_challenge,
	.auth_refused = on_auth_refused,
	.handle = on_handle,
	.mailbox_opened = on_mailbox_opened,
	.scan_rows = on_scan_rows,
	.body_data = on_body_data,
	.expunged = on_expunged,
};
