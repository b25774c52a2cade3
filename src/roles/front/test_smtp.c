/* SPDX-License-Identifier: ISC */
/*
 * SMTP on a front whose store and keeper are made up here: what is asked of
 * them and when, credit, answers that come late or never, peers and clients
 * that vanish. The dialogue itself is shown by the transcripts.
 */
#include "base/test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/conn.h"
#include "store/flags.h"
#include "sys/env_posix.h"

enum {
	BODY_MAX = 2 * 1024 * 1024,
	SAID_MAX = 64 * 1024
};

struct world {
	struct env *env;
	struct settings settings;
	struct role role;
	struct front front;
	struct env_timer stop;
	int client;
	struct conn *c;
	char said[SAID_MAX]; /* by the server, since the last hear() */
	/* the store and the keeper */
	struct channel store, keeper;
	bool has_store, has_keeper;
	bool is_silent;    /* answers nothing */
	bool keeps_credit; /* gives none back */
	bool refuses_body;
	bool leaves_one_out; /* the second recipient of a COMMIT */
	bool refuses_commit;
	bool refuses_login, has_no_handle;
	unsigned n_rcpts, n_mails, n_opens, n_commits, n_body_drops,
	    n_txn_drops, n_handle_drops, n_aborts;
	uint64_t body_number;
	struct buf body;
	struct id id;
	uint32_t relay_from, handle;
	bool is_8bit, is_per_rcpt;
	char protocol[16], sender[64], rcpt[64];
	size_t summary_len;
	struct wire_head asked; /* the last question of a recipient */
};

/* -- a store ------------------------------------------------------------- */

static const struct wire_verdict yes = { .code = 250 };

static int
on_mail_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_mail_ask *m)
{
	struct world *w = ch->ctx;
	struct wire_mail_answer a = { .verdict = yes };

	w->n_mails++;
	w->handle = m->handle;
	if (!w->is_silent)
		(void)wire_send_mail_answer(ch, h->session, h->ticket, &a);
	return 0;
}

static int
on_rcpt_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_rcpt_ask *m)
{
	struct world *w = ch->ctx;
	struct wire_rcpt_answer a = { .verdict = yes };

	w->n_rcpts++;
	w->asked = *h;
	(void)slice_to_cstr(m->rcpt, w->rcpt, sizeof(w->rcpt));
	if (slice_equal(m->rcpt, SLICE("no@one.example")))
		a.verdict = (struct wire_verdict){ 550, 5, 1, 1,
			SLICE("nobody of that name") };
	if (!w->is_silent)
		(void)wire_send_rcpt_answer(ch, h->session, h->ticket, &a);
	return 0;
}

static int
on_body_open(struct channel *ch, const struct wire_head *h,
    const struct wire_body_open *m)
{
	struct world *w = ch->ctx;
	struct wire_body_refused r = { .body = m->body,
		.verdict = { 452, 4, 3, 1, SLICE("disk full") } };

	w->n_opens++;
	w->body_number = m->body;
	buf_reset(&w->body, 0);
	if (w->refuses_body)
		(void)wire_send_body_refused(ch, h->session, 0, &r);
	return 0;
}

static int
on_body_chunk(struct channel *ch, const struct wire_head *h,
    const struct wire_body_chunk *m)
{
	struct world *w = ch->ctx;
	struct wire_body_credit credit = { .body = m->body,
		.bytes = (uint32_t)m->data.len };

	test_true(m->body == w->body_number && m->data.len > 0);
	test_int(buf_add(&w->body, m->data), BUF_OK);
	if (!w->keeps_credit)
		(void)wire_send_body_credit(ch, h->session, 0, &credit);
	return 0;
}

static int
on_body_drop(struct channel *ch, const struct wire_head *h,
    const struct wire_body_drop *m)
{
	struct world *w = ch->ctx;

	(void)h;
	test_true(m->body == w->body_number);
	w->n_body_drops++;
	return 0;
}

static int
on_txn_drop(struct channel *ch, const struct wire_head *h,
    const struct wire_txn_drop *m)
{
	struct world *w = ch->ctx;

	(void)h;
	(void)m;
	w->n_txn_drops++;
	return 0;
}

static int
on_handle_drop(struct channel *ch, const struct wire_head *h,
    const struct wire_handle_drop *m)
{
	struct world *w = ch->ctx;

	(void)h;
	(void)m;
	w->n_handle_drops++;
	return 0;
}

static int
on_commit(struct channel *ch, const struct wire_head *h,
    const struct wire_commit *m)
{
	struct world *w = ch->ctx;
	struct wire_done done = { .id = m->id, .verdict = yes };
	struct wire_left_out left_out = { .rcpt = 1,
		.verdict = { 452, 4, 2, 2, SLICE("mailbox full") } };
	struct buf rows;

	w->n_commits++;
	w->is_per_rcpt = m->is_per_rcpt;
	w->id = m->id;
	w->relay_from = m->relay_from;
	w->is_8bit = m->is_8bit;
	w->handle = m->handle;
	w->summary_len = m->summary.len;
	(void)slice_to_cstr(m->protocol, w->protocol, sizeof(w->protocol));
	(void)slice_to_cstr(m->sender, w->sender, sizeof(w->sender));
	buf_init(&rows, LIMIT_FRAME);
	if (w->refuses_commit)
		done.verdict =
		    (struct wire_verdict){ 452, 4, 3, 1, SLICE("disk full") };
	else if (w->leaves_one_out)
		test_int(wire_left_out_add(&rows, &left_out), 0);
	done.left_out =
	    (struct wire_list){ .n = rows.len > 0, .raw = buf_slice(&rows) };
	if (!w->is_silent)
		(void)wire_send_done(ch, h->session, h->ticket, &done);
	buf_deinit(&rows);
	return 0;
}

static const struct wire_store_handlers store_handlers = {
	.mail_ask = on_mail_ask,
	.rcpt_ask = on_rcpt_ask,
	.body_open = on_body_open,
	.body_chunk = on_body_chunk,
	.body_drop = on_body_drop,
	.txn_drop = on_txn_drop,
	.handle_drop = on_handle_drop,
	.commit = on_commit,
};

static int
store_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	return wire_dispatch_store(&store_handlers, c, c->peer, h, payload, fd);
}

/* "AHUAcA==" is u with p; asked without a response it says "go on". */
static int
on_auth_start(struct channel *ch, const struct wire_head *h,
    const struct wire_auth_start *m)
{
	struct world *w = ch->ctx;
	struct wire_auth_refused no = { .wait_ms = 10 };
	struct wire_handle handle = { .handle = w->has_no_handle ? 0 : 7,
		.account = 1,
		.address = SLICE("u") };
	struct wire_auth_challenge go = { .challenge = SLICE("go on") };

	test_slice(m->service, SLICE("smtp"));
	if (w->is_silent)
		return 0;
	if (!m->has_initial)
		return wire_send_auth_challenge(ch, h->session, h->ticket, &go);
	test_slice(m->initial, SLICE("\0u\0p"));
	if (w->refuses_login)
		(void)wire_send_auth_refused(ch, h->session, h->ticket, &no);
	else
		(void)wire_send_handle(&w->store, h->session, h->ticket,
		    &handle);
	return 0;
}

static int
on_auth_step(struct channel *ch, const struct wire_head *h,
    const struct wire_auth_step *m)
{
	struct wire_auth_refused no = { .malformed = true };
	struct wire_handle handle = { .handle = 7, .account = 1 };
	struct world *w = ch->ctx;

	if (slice_equal(m->response, SLICE("hello")))
		return wire_send_handle(&w->store, h->session, h->ticket,
		    &handle);
	return wire_send_auth_refused(ch, h->session, h->ticket, &no);
}

static int
on_auth_abort(struct channel *ch, const struct wire_head *h,
    const struct wire_auth_abort *m)
{
	struct world *w = ch->ctx;

	(void)h;
	(void)m;
	w->n_aborts++;
	return 0;
}

static const struct wire_keeper_handlers keeper_handlers = {
	.auth_start = on_auth_start,
	.auth_step = on_auth_step,
	.auth_abort = on_auth_abort,
};

static int
keeper_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	return wire_dispatch_keeper(&keeper_handlers, c, c->peer, h, payload,
	    fd);
}

static void
on_peer_closed(struct channel *c)
{
	(void)c;
}

static const struct channel_ops store_ops = { store_dispatch, on_peer_closed,
	NULL };
static const struct channel_ops keeper_ops = { keeper_dispatch, on_peer_closed,
	NULL };

/* -- the world ----------------------------------------------------------- */

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct world, stop)->env);
}

static void
turns(struct world *w, int64_t us)
{
	w->stop.fire = on_stop;
	test_int(env_timer_set(w->env, &w->stop, env_now(w->env) + us), 0);
	test_int(env_run(w->env), 0);
}

/* Both ends of the channel live on this loop. */
static void
add_peer(struct world *w, enum wire_role role, struct channel *c,
    const struct channel_ops *ops)
{
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	memset(c, 0, sizeof(*c));
	test_int(channel_open(c, w->env, w, pair[1], role, w->front.kind, 1,
		     ops),
	    0);
	w->role.ops->on_peer(&w->role, role, 1, PEER_CHANNEL, pair[0]);
}

static void
give_store(struct world *w, bool strangers)
{
	struct wire_state state = { .strangers = strangers,
		.submission = true,
		.max_size = 10 * 1024 * 1024,
		.hostname = SLICE("here.example") };

	add_peer(w, WIRE_STORE, &w->store, &store_ops);
	w->has_store = true;
	test_int(wire_send_state(&w->store, 0, 0, &state), 0);
	turns(w, 5 * TIME_MS);
}

static void
lose_store(struct world *w)
{
	channel_close(&w->store);
	w->has_store = false;
	turns(w, 5 * TIME_MS);
}

static int
setup_kind(void **state, const struct role_ops *ops)
{
	static const struct env_posix_options options = {
		.role = "test", .log_level = ENV_ERROR, .has_made_clock = true
	};
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL || env_posix_new(&options, &w->env) < 0)
		return -1;
	w->settings.plain_auth = true;
	w->settings.max_size = LIMIT_MESSAGE_SIZE;
	(void)strcpy(w->settings.hostname, "here.example");
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = ops,
		.ctx = &w->front };
	buf_init(&w->body, BODY_MAX);
	if (ops->prepare(&w->role) != 0)
		return -1;
	*state = w;
	return 0;
}

static int
setup_mx(void **state)
{
	return setup_kind(state, &front_mx_ops);
}

static int
setup_user(void **state)
{
	return setup_kind(state, &front_user_ops);
}

static int
teardown(void **state)
{
	struct world *w = *state;

	w->role.ops->deinit(&w->role);
	if (w->has_store)
		channel_close(&w->store);
	if (w->has_keeper)
		channel_close(&w->keeper);
	env_posix_free(w->env);
	buf_deinit(&w->body);
	free(w);
	return 0;
}

static void
collect(struct world *w)
{
	size_t n = strlen(w->said);
	ssize_t got;

	turns(w, 5 * TIME_MS);
	while ((got = read(w->client, w->said + n, sizeof(w->said) - 1 - n)) >
	    0)
		n += (size_t)got;
	w->said[n] = '\0';
}

/* The next reply begins with this; nothing: there is none. */
static void
hear(struct world *w, const char *want)
{
	char *end;

	collect(w);
	if (want[0] == '\0') {
		test_slice(slice_cstr(w->said), SLICE(""));
		return;
	}
	for (;;) {
		end = strstr(w->said, "\r\n");
		test_true(end != NULL);
		if (strncmp(w->said, want, strlen(want)) != 0)
			test_slice(slice_cstr(w->said), slice_cstr(want));
		bool is_last = w->said[3] != '-';

		memmove(w->said, end + 2, strlen(end + 2) + 1);
		if (is_last)
			return;
	}
}

static void
say(struct world *w, const char *text)
{
	test_int(write(w->client, text, strlen(text)), strlen(text));
	turns(w, 5 * TIME_MS);
}

static void
join(struct world *w, unsigned service)
{
	struct env_addr peer = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	w->client = pair[1];
	w->said[0] = '\0';
	w->c = conn_new(&w->front, pair[0], &peer, service, &smtp_proto, false);
	test_true(w->c != NULL);
	hear(w, "220 here.example ");
	say(w,
	    service == SERVICE_LMTP ? "LHLO client.example\r\n"
				    : "EHLO client.example\r\n");
	hear(w, "250");
}

static void
leave(struct world *w)
{
	(void)close(w->client);
	turns(w, 10 * TIME_MS);
	test_int(front_own(&w->front)->n_conns, 0);
}

static void
envelope(struct world *w)
{
	say(w,
	    "MAIL FROM:<a@client.example>\r\nRCPT TO:<u@one.example>\r\n"
	    "DATA\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
}

/* -- what is shown ------------------------------------------------------- */

static void
keeps_a_mail(void **state)
{
	struct world *w = *state;
	char id[ID_TEXT + 1], want[64];
	struct slice body, line;

	give_store(w, true);
	join(w, SERVICE_MX);
	say(w,
	    "MAIL FROM:<a@client.example>\r\nRCPT TO:<no@one.example>\r\n"
	    "RCPT TO:<u@one.example>\r\nDATA\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "550 5.1.1 nobody of that name");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
	test_int(w->n_opens, 0); /* goes with the first bytes */
	say(w, "Subject: x\r\n\r\n..\xc3\xa9\r\n.\r\n");
	id_print(&w->id, id);
	(void)snprintf(want, sizeof(want), "250 2.0.0 %s\r\n", id);
	hear(w, want);
	test_int(w->n_commits, 1);
	test_slice(slice_cstr(w->protocol), SLICE("ESMTP"));
	test_slice(slice_cstr(w->sender), SLICE("a@client.example"));
	test_true(w->is_8bit);
	test_true(w->summary_len > 0);

	body = buf_slice(&w->body);
	test_true(slice_take_crlf_line(&body, &line));
	test_slice(line, SLICE("Return-Path: <a@client.example>"));
	test_int(w->relay_from, line.len + 2);
	test_true(slice_starts(body, SLICE("Received: from client.example ")));
	test_true(slice_find(body, slice_cstr(id)) != SIZE_MAX);
	test_true(slice_find(body, SLICE("<u@one.example>")) != SIZE_MAX);
	test_true(slice_ends(body, SLICE("Subject: x\r\n\r\n.\xc3\xa9\r\n")));
	test_int(w->n_body_drops + w->n_txn_drops, 0); /* COMMIT took both */

	test_case("nothing was left over for the next mail");
	envelope(w);
	say(w, "y\r\n.\r\n");
	hear(w, "250 2.0.0 ");
	test_true(!w->is_8bit);
	leave(w);
	test_int(w->n_body_drops + w->n_txn_drops, 0);
}

static void
waits_for_credit(void **state)
{
	struct world *w = *state;
	static char block[100 * 1000 + 1];
	struct wire_body_credit credit = { .bytes = 10 * 1000 * 1000 };
	ssize_t n, sent = 0;

	give_store(w, true);
	join(w, SERVICE_MX);
	envelope(w);
	w->keeps_credit = true;
	for (size_t i = 0; i + 1 < sizeof(block); i += 100)
		(void)snprintf(block + i, 101, "%097d.\r\n", 0);
	for (int i = 0; i < 10 && sent < 1000 * 1000; i++) {
		/* as much as the socket takes while the front reads */
		n = write(w->client, block + sent % 100,
		    sizeof(block) - 1 - (size_t)(sent % 100));
		if (n > 0)
			sent += n;
		turns(w, 3 * TIME_MS);
	}
	test_true(w->body.len <= LIMIT_CREDIT);
	test_true(w->body.len > LIMIT_CREDIT / 2);
	test_true(w->c->in.len <= LIMIT_CONN_IN);
	test_true(w->c->is_paused);
	test_case("a credit for another body is not ours");
	credit.body = w->body_number + 1;
	test_int(wire_send_body_credit(&w->store, w->c->number, 0, &credit), 0);
	turns(w, 5 * TIME_MS);
	test_true(w->body.len <= LIMIT_CREDIT);
	test_case("credit sets it going again");
	credit.body = w->body_number;
	test_int(wire_send_body_credit(&w->store, w->c->number, 0, &credit), 0);
	turns(w, 50 * TIME_MS);
	n = write(w->client, "x\r\n.\r\n", 6);
	test_int(n, 6);
	turns(w, 50 * TIME_MS);
	test_int(w->n_commits, 1);
	test_true(w->body.len > (size_t)sent);
	collect(w);
	test_true(strncmp(w->said, "250 2.0.0 ", 10) == 0);
	leave(w);
}

/* More than it has credit for, until the front reads no further. */
static void
send_too_much(struct world *w)
{
	static char block[100 * 1000 + 1];
	ssize_t n, sent = 0;

	for (size_t i = 0; i + 1 < sizeof(block); i += 100)
		(void)snprintf(block + i, 101, "%097d.\r\n", 0);
	for (int i = 0; i < 10 && !w->c->is_paused; i++) {
		n = write(w->client, block + sent % 100,
		    sizeof(block) - 1 - (size_t)(sent % 100));
		if (n > 0)
			sent += n;
		turns(w, 3 * TIME_MS);
	}
	test_true(w->c->is_paused);
}

static void
gives_up_on_a_silent_store(struct world *w)
{
	const struct wire_rcpt_answer late = { .verdict = yes };

	test_case("it says nothing to a recipient");
	w->is_silent = true;
	say(w, "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\nNOOP\r\n");
	hear(w, "250 2.1.0 ");
	turns(w, (LIMIT_STORE_SILENCE_S - 5) * TIME_SECOND);
	hear(w, "");
	turns(w, 15 * TIME_SECOND);
	hear(w, "451 4.3.0 ");
	hear(w, "250 2.0.0 ");
	test_int(w->n_txn_drops, 1);
	test_case("what it says later is not believed");
	test_int(wire_send_rcpt_answer(&w->store, w->asked.session,
		     w->asked.ticket, &late),
	    0);
	hear(w, "");
	w->is_silent = false;
	say(w, "RCPT TO:<u@one.example>\r\nDATA\r\nRSET\r\n");
	hear(w, "451 4.3.0 ");
	hear(w, "554 5.5.1 ");
	hear(w, "250 2.0.0 ");
	test_int(w->n_rcpts, 1);
}

static void
answers_for_a_silent_store(void **state)
{
	struct world *w = *state;

	give_store(w, true);
	join(w, SERVICE_MX);
	gives_up_on_a_silent_store(w);
	test_case("a mail may take longer");
	w->is_silent = false;
	envelope(w);
	w->is_silent = true;
	say(w, "a\r\n.\r\n");
	turns(w, (LIMIT_COMMIT_SILENCE_S - 5) * TIME_SECOND);
	hear(w, "");
	turns(w, 15 * TIME_SECOND);
	hear(w, "451 4.3.0 ");
	test_int(w->n_commits, 1);
	test_case("it takes no more of a body");
	w->is_silent = false;
	envelope(w);
	w->keeps_credit = true;
	send_too_much(w);
	turns(w, (LIMIT_STORE_SILENCE_S + 10) * TIME_SECOND);
	test_true(!w->c->is_paused);
	say(w, "x\r\n.\r\n");
	hear(w, "451 4.3.0 ");
	test_int(w->n_commits, 1);
	w->keeps_credit = false;
	envelope(w);
	say(w, "a\r\n.\r\n");
	hear(w, "250 2.0.0 ");
	leave(w);
}

static void
survives_the_store(void **state)
{
	struct world *w = *state;

	test_case("no store: trouble, for now");
	join(w, SERVICE_MX);
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "451 4.3.0 ");

	test_case("a store that has not said yet whether there is room");
	add_peer(w, WIRE_STORE, &w->store, &store_ops);
	turns(w, 5 * TIME_MS);
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "451 4.3.0 ");
	channel_close(&w->store);
	turns(w, 5 * TIME_MS);

	test_case("strangers must wait");
	give_store(w, false);
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "452 4.3.1 ");
	lose_store(w);

	test_case("lost while it decides on a recipient");
	give_store(w, true);
	w->is_silent = true;
	say(w, "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\nNOOP\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "");
	test_int(w->n_rcpts, 1);
	lose_store(w);
	hear(w, "451 4.3.0 ");
	hear(w, "250 2.0.0 ");

	test_case("its successor knows nothing of that transaction");
	w->is_silent = false;
	give_store(w, true);
	say(w, "RCPT TO:<u@one.example>\r\n");
	hear(w, "451 4.3.0 ");
	test_int(w->n_rcpts, 1);
	say(w, "RSET\r\n");
	hear(w, "250 2.0.0 ");

	test_case("lost in the middle of a body");
	envelope(w);
	say(w, "a\r\n");
	lose_store(w);
	give_store(w, true);
	say(w, "b\r\n.\r\n");
	hear(w, "451 4.3.0 ");
	test_int(w->n_commits, 0);

	test_case("lost before DATA");
	say(w, "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	lose_store(w);
	give_store(w, true);
	say(w, "DATA\r\n");
	hear(w, "354 ");
	say(w, "b\r\n.\r\n");
	hear(w, "451 4.3.0 ");
	test_int(w->n_commits, 0);

	test_case("lost while it commits: nobody knows, so 451");
	envelope(w);
	w->is_silent = true;
	say(w, "b\r\n.\r\n");
	hear(w, "");
	test_int(w->n_commits, 1);
	lose_store(w);
	hear(w, "451 4.3.0 ");

	test_case("and the session is as good as new");
	w->is_silent = false;
	give_store(w, true);
	envelope(w);
	say(w, "b\r\n.\r\n");
	hear(w, "250 2.0.0 ");
	leave(w);
}

/* Three recipients up to the end of the data. */
static void
lmtp_mail(struct world *w)
{
	say(w,
	    "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\n"
	    "RCPT TO:<no@one.example>\r\nRCPT TO:<v@one.example>\r\n"
	    "RCPT TO:<w@one.example>\r\nDATA\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "550 5.1.1 ");
	hear(w, "250 2.1.5 ");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
	say(w, "b\r\n.\r\n");
}

/* RFC 2033, 4.2: one for each RCPT that was accepted, whatever happens. */
static void
hear_thrice(struct world *w, const char *first, const char *second)
{
	hear(w, first);
	hear(w, second);
	hear(w, first);
	say(w, "NOOP\r\n");
	hear(w, "250 2.0.0 OK");
}

static void
answers_each_of_lmtp(void **state)
{
	struct world *w = *state;

	give_store(w, true);
	join(w, SERVICE_LMTP);
	test_case("all are kept");
	lmtp_mail(w);
	hear_thrice(w, "250 2.0.0 ", "250 2.0.0 ");
	test_true(w->is_per_rcpt);
	test_slice(slice_cstr(w->protocol), SLICE("LMTP"));

	test_case("one has no room");
	w->leaves_one_out = true;
	lmtp_mail(w);
	hear_thrice(w, "250 2.0.0 ", "452 4.2.2 mailbox full");

	test_case("the store refuses all of it");
	w->refuses_commit = true;
	lmtp_mail(w);
	hear_thrice(w, "452 4.3.1 disk full", "452 4.3.1 disk full");
	w->refuses_commit = w->leaves_one_out = false;

	test_case("the store is lost while it commits");
	w->is_silent = false;
	say(w,
	    "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\n"
	    "RCPT TO:<v@one.example>\r\nRCPT TO:<w@one.example>\r\n"
	    "DATA\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "250 2.1.5 ");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
	w->is_silent = true;
	say(w, "b\r\n.\r\n");
	hear(w, "");
	lose_store(w);
	hear_thrice(w, "451 4.3.0 ", "451 4.3.0 ");

	test_case("the store is lost within the body");
	w->is_silent = false;
	give_store(w, true);
	say(w,
	    "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\n"
	    "RCPT TO:<v@one.example>\r\nRCPT TO:<w@one.example>\r\n"
	    "DATA\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "250 2.1.5 ");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
	lose_store(w);
	say(w, "b\r\n.\r\n");
	hear_thrice(w, "451 4.3.0 ", "451 4.3.0 ");

	test_case("as good as new");
	give_store(w, true);
	lmtp_mail(w);
	hear_thrice(w, "250 2.0.0 ", "250 2.0.0 ");
	leave(w);
}

static void
drops_what_is_refused(void **state)
{
	struct world *w = *state;
	static char line[40000];

	memset(line, 'x', sizeof(line) - 1);
	give_store(w, true);
	join(w, SERVICE_MX);
	test_case("a bare LF");
	envelope(w);
	say(w, line);
	say(w, "\na\r\n.\r\n");
	hear(w, "554 5.6.11 ");
	test_int(w->n_opens, 1);
	test_int(w->n_body_drops, 1);
	test_int(w->n_txn_drops, 1);
	test_int(w->n_commits, 0);

	test_case("the store refuses the body");
	w->refuses_body = true;
	envelope(w);
	say(w, line);
	say(w, line);
	say(w, "\r\n.\r\n");
	hear(w, "452 4.3.1 disk full");
	test_int(w->n_commits, 0);
	w->refuses_body = false;

	test_case("RSET");
	say(w, "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\nRSET\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "250 2.0.0 ");
	test_int(w->n_txn_drops, 3);

	test_case("the client vanishes");
	envelope(w);
	say(w, line);
	w->n_body_drops = w->n_txn_drops = 0;
	leave(w);
	test_int(w->n_body_drops, 1);
	test_int(w->n_txn_drops, 1);
	test_int(w->n_commits, 0);
}

static void
ends_in_order(void **state)
{
	struct world *w = *state;

	give_store(w, true);
	test_case("a client that closes behind its last command");
	join(w, SERVICE_MX);
	say(w, "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\nDATA\r\n");
	test_int(write(w->client, "x\r\n.\r\nQUIT\r\n", 12), 12);
	(void)shutdown(w->client, SHUT_WR);
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
	hear(w, "250 2.0.0 ");
	hear(w, "221 2.0.0 ");
	leave(w);

	test_case("too slow");
	join(w, SERVICE_MX);
	w->c->proto->timeout(w->c);
	hear(w, "421 4.4.2 here.example ");
	leave(w);

	test_case("bytes that trickle do not make a line");
	w->settings.smtp_idle = 40 * TIME_MS;
	join(w, SERVICE_MX);
	for (int i = 0; i < 12; i++)
		(void)!write(w->client, "x", 1), turns(w, 5 * TIME_MS);
	hear(w, "421 4.4.2 ");
	leave(w);
	w->settings.smtp_idle = 0;

	test_case("nor a body");
	w->settings.smtp_data_idle = 20 * TIME_MS;
	join(w, SERVICE_MX);
	say(w, "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\nDATA\r\n");
	for (int i = 0; i < 130; i++)
		(void)!write(w->client, "x", 1), turns(w, 2 * TIME_MS);
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
	hear(w, "421 4.4.2 ");
	leave(w);
	w->settings.smtp_data_idle = 0;

	test_case("the server goes down: a mail that has begun is finished");
	join(w, SERVICE_MX);
	envelope(w);
	w->c->proto->stopping(w->c);
	say(w, "x\r\n.\r\n");
	hear(w, "250 2.0.0 ");
	hear(w, "421 4.3.2 ");
	leave(w);
	test_int(w->n_commits, 2);
}

static void
is_not_let_in(struct world *w)
{
	test_case("no keeper");
	say(w, "AUTH PLAIN AHUAcA==\r\n");
	hear(w, "454 4.7.0 ");
	add_peer(w, WIRE_KEEPER, &w->keeper, &keeper_ops);
	w->has_keeper = true;

	test_case("refused, and told only later");
	w->refuses_login = true;
	say(w, "AUTH PLAIN AHUAcA==\r\n");
	turns(w, 20 * TIME_MS);
	hear(w, "535 5.7.8 ");
	w->refuses_login = false;

	test_case("granted, but the store has no handle");
	w->has_no_handle = true;
	say(w, "AUTH PLAIN AHUAcA==\r\n");
	hear(w, "454 4.7.0 ");
	w->has_no_handle = false;
}

static void
is_challenged(struct world *w)
{
	test_case("a challenge, given up; and one that is answered badly");
	say(w, "AUTH LOGIN\r\n");
	hear(w, "334 Z28gb24=");
	w->n_aborts = 0;
	say(w, "*\r\n");
	hear(w, "501 5.0.0 ");
	test_int(w->n_aborts, 1);
	say(w, "AUTH LOGIN\r\n");
	hear(w, "334 Z28gb24=");
	say(w, "!\r\n");
	hear(w, "501 5.5.2 ");
	test_int(w->n_aborts, 2);
	say(w, "AUTH LOGIN\r\n");
	hear(w, "334 Z28gb24=");
	say(w, "AAAA\r\n");
	hear(w, "501 5.5.2 ");
	test_case("the client goes in the middle");
	say(w, "AUTH LOGIN\r\n");
	hear(w, "334 Z28gb24=");
	w->n_aborts = 0;
	leave(w);
	test_int(w->n_aborts, 1);
	join(w, SERVICE_SUBMISSION);
	test_case("answered well");
	say(w, "AUTH LOGIN\r\n");
	hear(w, "334 Z28gb24=");
	say(w, "aGVsbG8=\r\n");
	hear(w, "235 2.7.0 ");
	leave(w);
	w->n_handle_drops = 0;
	join(w, SERVICE_SUBMISSION);
}

static void
sends_with_the_handle(struct world *w)
{
	test_case("accepted; the handle goes with every question");
	say(w,
	    "AUTH PLAIN AHUAcA==\r\nMAIL FROM:<u@one.example>\r\n"
	    "RCPT TO:<x@two.example>\r\nDATA\r\n");
	hear(w, "235 2.7.0 ");
	hear(w, "250 2.1.0 ");
	hear(w, "250 2.1.5 ");
	hear(w, "354 ");
	say(w, "x: y\r\n\r\nz\r\n.\r\n");
	hear(w, "250 2.0.0 ");
	test_int(w->n_mails, 1);
	test_int(w->handle, 7);
	test_slice(slice_cstr(w->protocol), SLICE("ESMTPA"));
	test_true(slice_find(buf_slice(&w->body), SLICE("\r\nDate: ")) !=
	    SIZE_MAX);
	test_true(slice_find(buf_slice(&w->body),
		      SLICE("@here.example>\r\n\r\nz\r\n")) != SIZE_MAX);
	leave(w);
	test_int(w->n_handle_drops, 1);
}

static void
loses_the_store(struct world *w)
{
	test_case("the login goes with the store that gave it");
	join(w, SERVICE_SUBMISSION);
	say(w, "AUTH PLAIN AHUAcA==\r\n");
	hear(w, "235 2.7.0 ");
	lose_store(w);
	give_store(w, true);
	say(w, "MAIL FROM:<u@one.example>\r\n");
	hear(w, "421 4.3.0 ");
	leave(w);
}

static void
loses_the_keeper(struct world *w)
{
	const struct wire_handle late = { .handle = 9 };

	test_case("keeper lost while it thinks; its late answer is given back");
	join(w, SERVICE_SUBMISSION);
	w->is_silent = true;
	say(w, "AUTH PLAIN AHUAcA==\r\n");
	hear(w, "");
	channel_close(&w->keeper);
	w->has_keeper = false;
	hear(w, "454 4.7.0 ");
	w->n_handle_drops = 0;
	test_int(wire_send_handle(&w->store, w->c->number, 1, &late), 0);
	turns(w, 5 * TIME_MS);
	test_int(w->n_handle_drops, 1);
	leave(w);
}

static void
logs_in(void **state)
{
	struct world *w = *state;

	give_store(w, true);
	join(w, SERVICE_SUBMISSION);
	is_not_let_in(w);
	is_challenged(w);
	sends_with_the_handle(w);
	loses_the_store(w);
	loses_the_keeper(w);
}

static void
answers_for_a_silent_keeper(void **state)
{
	struct world *w = *state;

	give_store(w, true);
	add_peer(w, WIRE_KEEPER, &w->keeper, &keeper_ops);
	w->has_keeper = true;
	join(w, SERVICE_SUBMISSION);
	w->is_silent = true;
	say(w, "AUTH PLAIN AHUAcA==\r\n");
	turns(w, (LIMIT_STORE_SILENCE_S - 5) * TIME_SECOND);
	hear(w, "");
	turns(w, 15 * TIME_SECOND);
	hear(w, "454 4.7.0 ");
	w->is_silent = false;
	say(w, "AUTH PLAIN AHUAcA==\r\n");
	hear(w, "235 2.7.0 ");
	leave(w);
}

#define MX(f) cmocka_unit_test_setup_teardown(f, setup_mx, teardown)
TEST_MAIN(MX(keeps_a_mail), MX(waits_for_credit), MX(survives_the_store),
    MX(answers_for_a_silent_store),
    cmocka_unit_test_setup_teardown(answers_for_a_silent_keeper, setup_user,
	teardown),
    MX(answers_each_of_lmtp), MX(drops_what_is_refused), MX(ends_in_order),
    cmocka_unit_test_setup_teardown(logs_in, setup_user, teardown))
