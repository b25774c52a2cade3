/* SPDX-License-Identifier: ISC */
/*
 * Content filters as a front asks them: a store and a role hook that are made
 * up here. What is asked at which stage; answers that refuse, discard, change
 * envelope, header and body; answers that are late, wrong or never come; a role
 * that dies or is silent.
 */
#include "base/test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "hook/hook.h"
#include "roles/front/conn.h"
#include "roles/front/smtp_impl.h"
#include "store/flags.h"
#include "sys/env_posix.h"

enum {
	SAID_MAX = 16 * 1024,
	BODIES = 8,
	BODY_MAX = 256 * 1024,
	QUARANTINE = 255 /* in step.edit */
};

struct body {
	uint64_t number; /* 0: free */
	struct buf bytes;
};

struct world {
	struct env *env;
	struct settings settings;
	struct role role;
	struct front front;
	struct env_timer stop;
	int client;
	struct conn *c;
	char said[SAID_MAX];
	/* the store */
	struct channel store;
	bool keeps_credit, refuses_second;
	struct body bodies[BODIES];
	uint64_t first_body;
	unsigned n_commits, n_drops;
	bool discards;
	char asked[1024]; /* RCPT_ASK, RCPT_DROP, in order */
	char kept[BODY_MAX];
	size_t kept_len;
	uint32_t relay_from;
	char sender[64], quarantine[64];
	/* the hook */
	struct channel hook;
	bool has_hook;
	char heard[1024]; /* a letter for each message, and what is in it */
	char holds;       /* the stage that is not answered */
	bool is_silent;   /* answers no ping either */
	uint32_t ticket, ping_ticket;
	uint64_t session;
	const struct end *end; /* how the end of a message is answered */
	struct buf pulled;
	unsigned n_done; /* steps of `end` */
	uint64_t rebuilt;
};

/* What the hook does at the end, one row after each thing that it hears. */
struct step {
	enum {
		PULL = 1,
		BODY,
		REWRITE,
		HEADER,
		ANSWER
	} what;
	struct slice data;
	uint64_t replaces;
	bool flag; /* first, has_body, last */
	uint8_t action;
	struct wire_verdict verdict;
	uint8_t edit;
};

struct end {
	struct step steps[8];
};

/* -- the store ------------------------------------------------------------- */

static const struct wire_verdict yes = { .code = 250 };

static struct body *
body_find(struct world *w, uint64_t number)
{
	for (size_t i = 0; i < BODIES; i++)
		if (w->bodies[i].number == number)
			return &w->bodies[i];
	return NULL;
}

static int
on_mail_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_mail_ask *m)
{
	struct wire_mail_answer a = { .verdict = yes };

	(void)m;
	return wire_send_mail_answer(ch, h->session, h->ticket, &a);
}

static void
note(char *log, size_t size, const char *what, struct slice text)
{
	size_t n = strlen(log);

	(void)snprintf(log + n, size - n, "%s%.*s ", what, SLICE_FMT(text));
}

static int
on_rcpt_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_rcpt_ask *m)
{
	struct world *w = ch->ctx;
	struct wire_rcpt_answer a = { .verdict = yes };

	note(w->asked, sizeof(w->asked), m->by_filter ? "+" : "", m->rcpt);
	if (slice_equal(m->rcpt, SLICE("no@one.example")))
		a.verdict = (struct wire_verdict){ 550, 5, 1, 1,
			SLICE("nobody of that name") };
	if (slice_equal(m->rcpt, SLICE("later@one.example")))
		a.verdict =
		    (struct wire_verdict){ 451, 4, 3, 0, SLICE("not now") };
	return wire_send_rcpt_answer(ch, h->session, h->ticket, &a);
}

static int
on_rcpt_drop(struct channel *ch, const struct wire_head *h,
    const struct wire_rcpt_drop *m)
{
	struct world *w = ch->ctx;

	(void)h;
	note(w->asked, sizeof(w->asked), m->all ? "--" : "-", m->rcpt);
	return 0;
}

static int
on_body_open(struct channel *ch, const struct wire_head *h,
    const struct wire_body_open *m)
{
	struct world *w = ch->ctx;
	struct body *b = body_find(w, 0);
	struct wire_body_refused r = { .body = m->body,
		.verdict = { 552, 5, 3, 4, SLICE("too big") } };

	test_true(b != NULL);
	b->number = m->body;
	buf_reset(&b->bytes, 0);
	if (w->first_body == 0)
		w->first_body = m->body;
	else if (w->refuses_second)
		return wire_send_body_refused(ch, h->session, 0, &r);
	return 0;
}

static int
on_body_chunk(struct channel *ch, const struct wire_head *h,
    const struct wire_body_chunk *m)
{
	struct world *w = ch->ctx;
	struct body *b = body_find(w, m->body);
	struct wire_body_credit credit = { .body = m->body,
		.bytes = (uint32_t)m->data.len };

	test_true(b != NULL);
	test_int(buf_add(&b->bytes, m->data), BUF_OK);
	return w->keeps_credit
	    ? 0
	    : wire_send_body_credit(ch, h->session, 0, &credit);
}

static int
on_body_piece(struct channel *ch, const struct wire_head *h,
    const struct wire_body_piece *m)
{
	struct world *w = ch->ctx;
	struct body *b = body_find(w, m->body);
	struct wire_body_piece_data a = { .verdict = yes };

	test_true(b != NULL);
	a.data =
	    slice_upto(slice_from(buf_slice(&b->bytes), m->offset), m->length);
	return wire_send_body_piece_data(ch, h->session, h->ticket, &a);
}

static int
on_body_drop(struct channel *ch, const struct wire_head *h,
    const struct wire_body_drop *m)
{
	struct world *w = ch->ctx;
	struct body *b = body_find(w, m->body);

	(void)h;
	test_true(b != NULL); /* each is dropped once, and none that is ours */
	b->number = 0;
	w->n_drops++;
	return 0;
}

static int
on_txn_drop(struct channel *ch, const struct wire_head *h,
    const struct wire_txn_drop *m)
{
	(void)ch;
	(void)h;
	(void)m;
	return 0;
}

static int
on_commit(struct channel *ch, const struct wire_head *h,
    const struct wire_commit *m)
{
	struct world *w = ch->ctx;
	struct wire_done done = { .id = m->id, .verdict = yes };
	struct body *b = body_find(w, m->body);

	test_true(b != NULL);
	w->n_commits++;
	w->discards = m->discards;
	w->relay_from = m->relay_from;
	w->kept_len = b->bytes.len;
	memcpy(w->kept, buf_slice(&b->bytes).at, b->bytes.len);
	(void)slice_to_cstr(m->sender, w->sender, sizeof(w->sender));
	(void)slice_to_cstr(m->quarantine, w->quarantine,
	    sizeof(w->quarantine));
	b->number = 0;
	return wire_send_done(ch, h->session, h->ticket, &done);
}

static const struct wire_store_handlers store_handlers = {
	.mail_ask = on_mail_ask,
	.rcpt_ask = on_rcpt_ask,
	.rcpt_drop = on_rcpt_drop,
	.body_open = on_body_open,
	.body_chunk = on_body_chunk,
	.body_piece = on_body_piece,
	.body_drop = on_body_drop,
	.txn_drop = on_txn_drop,
	.commit = on_commit,
};

static int
store_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	return wire_dispatch_store(&store_handlers, c, c->peer, h, payload, fd);
}

/* -- the hook -------------------------------------------------------------- */

static int
answer(struct world *w, const struct step *s)
{
	struct wire_hook_answer a = { .action = s->action,
		.verdict = s->verdict };
	struct wire_hook_edit row = { .what = s->edit, .address = s->data };
	struct buf rows;
	int r;

	buf_init(&rows, 1024);
	if (s->edit == QUARANTINE)
		a.quarantine = s->data;
	else if (s->data.len > 0)
		a.edits.n = wire_hook_edit_add(&rows, &row) == 0;
	a.edits.raw = buf_slice(&rows);
	r = wire_send_hook_answer(&w->hook, w->session, w->ticket, &a);
	buf_deinit(&rows);
	return r;
}

/* The next step of the plan for the end of a message. */
static int
do_step(struct world *w)
{
	const struct step *s = &w->end->steps[w->n_done++];
	struct wire_hook_want want = { .offset = w->pulled.len };
	struct wire_hook_body body = { .data = s->data, .first = s->flag };
	struct wire_hook_rewrite rewrite = { s->replaces, s->flag };
	struct wire_hook_header header = { s->data, s->flag };

	switch (s->what) {
	case PULL:
		return wire_send_hook_want(&w->hook, w->session, w->ticket,
		    &want);
	case BODY:
		return wire_send_hook_body(&w->hook, w->session, w->ticket,
		    &body);
	case REWRITE:
		return wire_send_hook_rewrite(&w->hook, w->session, w->ticket,
		    &rewrite);
	case HEADER:
		return wire_send_hook_header(&w->hook, w->session, w->ticket,
		    &header);
	case ANSWER:
		return answer(w, s);
	default:
		return 0;
	}
}

/* Hears a stage, and says go to it unless it is the one that is held. */
static int
hears(struct channel *ch, const struct wire_head *h, const char *stage,
    struct slice text)
{
	static const struct step go = { .action = HOOK_GO };
	struct world *w = ch->ctx;

	if (w->is_silent)
		return 0;
	note(w->heard, sizeof(w->heard), stage, text);
	w->ticket = h->ticket;
	w->session = h->session;
	if (w->holds == stage[0])
		return 0;
	if (stage[0] == 'E' && w->end != NULL) {
		w->n_done = 0;
		buf_reset(&w->pulled, 0);
		return do_step(w);
	}
	return answer(w, &go);
}

#define HEARS(message, letter, text)                                           \
	static int on_hook_##message(struct channel *ch,                       \
	    const struct wire_head *h, const struct wire_hook_##message *m)    \
	{                                                                      \
		(void)m;                                                       \
		return hears(ch, h, letter, text);                             \
	}

HEARS(connect, "C", m->client)
HEARS(helo, "H", m->helo)
HEARS(mail, "M", m->sender)
HEARS(rcpt, "R", m->rcpt)
HEARS(data, "D", SLICE(""))
HEARS(end, "E", SLICE(""))

static int
on_hook_chunk(struct channel *ch, const struct wire_head *h,
    const struct wire_hook_chunk *m)
{
	struct world *w = ch->ctx;

	(void)h;
	test_int(m->offset, w->pulled.len);
	test_int(buf_add(&w->pulled, m->data), BUF_OK);
	if (!m->last)
		w->n_done--; /* the same again */
	return do_step(w);
}

static int
on_hook_more(struct channel *ch, const struct wire_head *h,
    const struct wire_hook_more *m)
{
	(void)h;
	(void)m;
	return do_step(ch->ctx);
}

static int
on_hook_rebuilt(struct channel *ch, const struct wire_head *h,
    const struct wire_hook_rebuilt *m)
{
	struct world *w = ch->ctx;

	(void)h;
	w->rebuilt = m->size;
	return do_step(w);
}

static int
on_hook_abort(struct channel *ch, const struct wire_head *h,
    const struct wire_hook_abort *m)
{
	struct world *w = ch->ctx;

	(void)h;
	(void)m;
	note(w->heard, sizeof(w->heard), "A", SLICE(""));
	return 0;
}

static int
on_hook_quit(struct channel *ch, const struct wire_head *h,
    const struct wire_hook_quit *m)
{
	struct world *w = ch->ctx;

	(void)h;
	(void)m;
	note(w->heard, sizeof(w->heard), "Q", SLICE(""));
	return 0;
}

static int
on_hook_ping(struct channel *ch, const struct wire_head *h,
    const struct wire_hook_ping *m)
{
	struct world *w = ch->ctx;
	const struct wire_hook_pong pong = { 0 };

	(void)m;
	w->ping_ticket = h->ticket;
	return w->is_silent ? 0 : wire_send_hook_pong(ch, 0, h->ticket, &pong);
}

static const struct wire_hook_handlers hook_handlers = {
	.hook_connect = on_hook_connect,
	.hook_helo = on_hook_helo,
	.hook_mail = on_hook_mail,
	.hook_rcpt = on_hook_rcpt,
	.hook_data = on_hook_data,
	.hook_end = on_hook_end,
	.hook_chunk = on_hook_chunk,
	.hook_more = on_hook_more,
	.hook_rebuilt = on_hook_rebuilt,
	.hook_abort = on_hook_abort,
	.hook_quit = on_hook_quit,
	.hook_ping = on_hook_ping,
};

static int
hook_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	return wire_dispatch_hook(&hook_handlers, c, c->peer, h, payload, fd);
}

static void
on_peer_closed(struct channel *c)
{
	(void)c;
}

static const struct channel_ops store_ops = { store_dispatch, on_peer_closed,
	NULL };
static const struct channel_ops hook_ops = { hook_dispatch, on_peer_closed,
	NULL };

/* -- the world ------------------------------------------------------------- */

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
give_hook(struct world *w)
{
	add_peer(w, WIRE_HOOK, &w->hook, &hook_ops);
	w->has_hook = true;
	w->heard[0] = '\0';
}

static void
give_store(struct world *w)
{
	struct wire_state here = { .strangers = true,
		.submission = true,
		.max_size = 10 * 1024 * 1024,
		.hostname = SLICE("here.example") };

	add_peer(w, WIRE_STORE, &w->store, &store_ops);
	test_int(wire_send_state(&w->store, 0, 0, &here), 0);
}

/* Another one comes at once, without the bodies. */
static void
replace_store(struct world *w)
{
	channel_close(&w->store);
	for (size_t i = 0; i < BODIES; i++)
		w->bodies[i].number = 0;
	turns(w, 5 * TIME_MS);
	give_store(w);
	turns(w, 5 * TIME_MS);
}

static void
lose_hook(struct world *w)
{
	channel_close(&w->hook);
	w->has_hook = false;
	turns(w, 5 * TIME_MS);
}

static int
setup(void **state)
{
	static const struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR + 1,
		.has_made_clock = true };
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL || env_posix_new(&options, &w->env) < 0)
		return -1;
	w->settings.max_size = LIMIT_MESSAGE_SIZE;
	(void)strcpy(w->settings.hostname, "here.example");
	w->settings.n_hooks = 1;
	w->settings.hooks[0].services = HOOK_OF_MX;
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = &front_mx_ops,
		.ctx = &w->front };
	for (size_t i = 0; i < BODIES; i++)
		buf_init(&w->bodies[i].bytes, BODY_MAX);
	buf_init(&w->pulled, BODY_MAX);
	if (front_mx_ops.prepare(&w->role) != 0)
		return -1;
	front_own(&w->front)->hook_watch.interval = 4 * TIME_MS;
	give_store(w);
	give_hook(w);
	turns(w, 5 * TIME_MS);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	w->role.ops->deinit(&w->role);
	channel_close(&w->store);
	if (w->has_hook)
		channel_close(&w->hook);
	env_posix_free(w->env);
	for (size_t i = 0; i < BODIES; i++)
		buf_deinit(&w->bodies[i].bytes);
	buf_deinit(&w->pulled);
	free(w);
	return 0;
}

/* The next reply begins with this; nothing: there is none. */
static void
hear(struct world *w, const char *want)
{
	size_t n = strlen(w->said);
	ssize_t got;
	char *end;
	bool is_last;

	turns(w, 5 * TIME_MS);
	while ((got = read(w->client, w->said + n, sizeof(w->said) - 1 - n)) >
	    0)
		n += (size_t)got;
	w->said[n] = '\0';
	do {
		end = strstr(w->said, "\r\n");
		if (end == NULL || want[0] == '\0' ||
		    strncmp(w->said, want, strlen(want)) != 0) {
			test_slice(slice_cstr(w->said), slice_cstr(want));
			return;
		}
		is_last = w->said[3] != '-';
		memmove(w->said, end + 2, strlen(end + 2) + 1);
	} while (!is_last);
}

static void
say(struct world *w, const char *text)
{
	test_int(write(w->client, text, strlen(text)), strlen(text));
	turns(w, 5 * TIME_MS);
}

static void
come(struct world *w)
{
	struct env_addr peer = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	w->client = pair[1];
	w->said[0] = '\0';
	w->c =
	    conn_new(&w->front, pair[0], &peer, SERVICE_MX, &smtp_proto, false);
	test_true(w->c != NULL);
	turns(w, 5 * TIME_MS);
}

static void
join(struct world *w)
{
	come(w);
	hear(w, "220 here.example ");
	say(w, "EHLO client.example\r\n");
	hear(w, "250");
}

static void
leave(struct world *w)
{
	(void)close(w->client);
	turns(w, 10 * TIME_MS);
	test_int(front_own(&w->front)->n_conns, 0);
	for (size_t i = 0; i < BODIES; i++)
		test_int(w->bodies[i].number, 0); /* none is left behind */
	test_int(w->front.pieces_due, 0);
}

static void
heard(struct world *w, const char *want)
{
	turns(w, 5 * TIME_MS);
	test_slice(slice_cstr(w->heard), slice_cstr(want));
	w->heard[0] = '\0';
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

#define MESSAGE "Subject: x\r\nX-Old: y\r\n\r\nbody\r\n"

static void
mail(struct world *w, const struct end *end, const char *want)
{
	w->end = end;
	w->first_body = 0;
	w->asked[0] = w->quarantine[0] = '\0';
	w->kept_len = 0;
	envelope(w);
	say(w, MESSAGE ".\r\n");
	hear(w, want);
	hear(w, "");
}

/* -- stages ---------------------------------------------------------------- */

static void
asks_at_each_stage(void **state)
{
	struct world *w = *state;

	join(w);
	heard(w, "C192.0.2.1 Hclient.example ");
	mail(w, NULL, "250 2.0.0 ");
	heard(w, "Ma@client.example Ru@one.example D E A ");
	test_int(w->n_commits, 1);

	test_case("what the store refuses is not asked about");
	say(w, "MAIL FROM:<>\r\nRCPT TO:<no@one.example>\r\nRSET\r\n");
	hear(w, "250 2.1.0 ");
	hear(w, "550 5.1.1 ");
	hear(w, "250 2.0.0 ");
	heard(w, "M A ");
	leave(w);
	heard(w, "Q ");
}

static void
says_what_they_refuse(void **state)
{
	static const struct step refuse = { .action = HOOK_REFUSE,
		.verdict = { 550, 5, 7, 1, SLICE("no") } };
	static const struct end refused = { { { ANSWER, .action = HOOK_REFUSE,
	    .verdict = { 550, 5, 7, 1, SLICE("no") } } } };
	struct world *w = *state;

	test_case("the connection: 554 (RFC 5321, 3.1)");
	w->holds = 'C';
	come(w);
	hear(w, "");
	test_int(answer(w, &refuse), 0);
	hear(w, "554 "); /* RFC 2034, 4: no enhanced code here */
	leave(w);

	test_case("a recipient: the store hears of it");
	w->holds = 'R';
	join(w);
	say(w, "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\n");
	hear(w, "250 2.1.0 ");
	test_int(answer(w, &refuse), 0);
	hear(w, "550 5.7.1 no");
	test_slice(slice_cstr(w->asked),
	    SLICE("u@one.example -u@one.example "));
	say(w, "RSET\r\n");
	hear(w, "250 2.0.0 ");

	test_case("the message");
	w->holds = '\0';
	mail(w, &refused, "550 5.7.1 no");
	test_int(w->n_commits, 0);

	test_case("an answer to another question is none");
	w->holds = 'M';
	say(w, "MAIL FROM:<>\r\n");
	w->ticket++;
	test_int(answer(w, &refuse), 0);
	hear(w, "");
	w->ticket--;
	w->session++;
	test_int(answer(w, &refuse), 0);
	hear(w, "");
	w->session--;
	test_int(answer(w, &refuse), 0);
	hear(w, "550 5.7.1 no");
	test_int(answer(w, &refuse), 0); /* once more */
	hear(w, "");
	leave(w);
}

/* -- the end --------------------------------------------------------------- */

static struct slice
kept(struct world *w)
{
	return slice_from(slice_of(w->kept, w->kept_len), w->relay_from);
}

static void
changes_the_envelope(void **state)
{
	static const struct end discard = {
		{ { ANSWER, .action = HOOK_DISCARD } }
	};
	static const struct end quarantine = {
		{ { ANSWER, SLICE("a worm"), .edit = QUARANTINE } }
	};
	static const struct end add = { { { ANSWER, SLICE("v@one.example"),
	    .edit = HOOK_EDIT_ADD_RCPT } } };
	static const struct end add_no = { { { ANSWER, SLICE("no@one.example"),
	    .edit = HOOK_EDIT_ADD_RCPT } } };
	static const struct end add_later = { { { ANSWER,
	    SLICE("later@one.example"), .edit = HOOK_EDIT_ADD_RCPT } } };
	static const struct end take = { { { ANSWER, SLICE("u@one.example"),
	    .edit = HOOK_EDIT_DELETE_RCPT } } };
	static const struct end from = {
		{ { ANSWER, SLICE("b@two.example"), .edit = HOOK_EDIT_FROM } }
	};
	struct world *w = *state;

	join(w);
	test_case("discarded: the store makes a note");
	mail(w, &discard, "250 2.0.0 ");
	test_true(w->n_commits == 1 && w->discards);
	test_case("kept away");
	mail(w, &quarantine, "250 2.0.0 ");
	test_slice(slice_cstr(w->quarantine), SLICE("a worm"));
	test_true(!w->discards);
	test_case("one more recipient, as the store allows");
	mail(w, &add, "250 2.0.0 ");
	test_slice(slice_cstr(w->asked),
	    SLICE("u@one.example +v@one.example "));
	test_slice(slice_cstr(w->quarantine), SLICE(""));
	mail(w, &add_no, "250 2.0.0 ");
	test_int(w->n_commits, 4);
	mail(w, &add_later, "451 4.3.0 ");
	test_int(w->n_commits, 4);
	test_case("one less");
	mail(w, &take, "250 2.0.0 ");
	test_slice(slice_cstr(w->asked),
	    SLICE("u@one.example --u@one.example "));
	test_case("another sender stands in Return-Path, too");
	mail(w, &from, "250 2.0.0 ");
	test_slice(slice_cstr(w->sender), SLICE("b@two.example"));
	test_true(slice_starts(slice_of(w->kept, w->kept_len),
	    SLICE("Return-Path: <b@two.example>\r\nReceived: ")));
	test_true(slice_starts(kept(w), SLICE("Received: ")));
	test_true(slice_ends(kept(w), SLICE("\r\n" MESSAGE)));
	leave(w);
}

static void
writes_it_anew(void **state)
{
	static const struct end look = { { { PULL }, { ANSWER } } };
	static const struct end header = { { { PULL },
	    { REWRITE, .replaces = 24 }, { HEADER, SLICE("X-New: z\r\n") },
	    { HEADER, SLICE("\r\n"), .flag = true }, { ANSWER } } };
	static const struct end body = { { { BODY, SLICE("void\r\n"),
					       .flag = true },
	    { BODY, SLICE("an"), .flag = true }, { BODY, SLICE("other\r\n") },
	    { REWRITE, .replaces = 24, .flag = true },
	    { HEADER, SLICE("X-New: z\r\n\r\n"), .flag = true }, { ANSWER } } };
	struct world *w = *state;

	join(w);
	test_case("it sees what the client sent, not our trace");
	mail(w, &look, "250 2.0.0 ");
	test_slice(buf_slice(&w->pulled), SLICE(MESSAGE));
	test_case("another header");
	mail(w, &header, "250 2.0.0 ");
	test_true(slice_starts(kept(w), SLICE("Received: ")));
	test_true(slice_ends(kept(w), SLICE("\r\nX-New: z\r\n\r\nbody\r\n")));
	test_int(w->rebuilt, sizeof("X-New: z\r\n\r\nbody\r\n") - 1);
	test_case("another body; what came before the first piece is void");
	mail(w, &body, "250 2.0.0 ");
	test_true(slice_ends(kept(w),
	    SLICE("\r\nX-New: z\r\n\r\nanother\r\n")));
	test_true(slice_find(kept(w), SLICE("Subject")) == SIZE_MAX);
	leave(w);
}

/* Our trouble, and nothing of it is kept. */
static void
believes_no_nonsense(void **state)
{
	static const struct {
		const char *what;
		struct end end;
	} rows[] = {
		{ "more than there is", { { { REWRITE, .replaces = 1000 } } } },
		{ "a body that never came",
		    { { { REWRITE, .replaces = 1, .flag = true } } } },
		{ "a later piece before the first",
		    { { { BODY, SLICE("x\r\n") } } } },
		{ "a bare LF in a header",
		    { { { REWRITE, .replaces = 1 },
			{ HEADER, SLICE("X: y\nZ: a\r\n"), .flag = true } } } },
	};
	static const struct end big = {
		{ { BODY, SLICE("x\r\n"), .flag = true }, { ANSWER } }
	};
	struct world *w = *state;

	join(w);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		test_case(rows[i].what);
		mail(w, &rows[i].end, "451 4.3.0 ");
		say(w, "NOOP\r\n");
		hear(w, "250 2.0.0 ");
	}
	test_case("a filter's body that is too big is not the client's fault");
	w->refuses_second = true;
	mail(w, &big, "451 4.7.1 ");
	w->refuses_second = false;
	test_int(w->n_commits, 0);
	mail(w, NULL, "250 2.0.0 ");
	leave(w);
}

/* -- nobody answers -------------------------------------------------------- */

static void
has_no_filters(void **state)
{
	struct world *w = *state;

	lose_hook(w);
	test_case("the greeting and EHLO do not wait for them");
	join(w);
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "451 4.7.1 ");
	test_case("there again: what was missed is made up for");
	give_hook(w);
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "250 2.1.0 ");
	heard(w, "C192.0.2.1 M ");
	test_case("lost within a transaction: the successor knows nothing");
	lose_hook(w);
	give_hook(w);
	say(w, "RCPT TO:<u@one.example>\r\n");
	hear(w, "451 4.7.1 ");
	heard(w, "");
	say(w, "RSET\r\nMAIL FROM:<>\r\n");
	hear(w, "250 2.0.0 ");
	hear(w, "250 2.1.0 ");
	test_case("lost while it is asked");
	w->holds = 'R';
	say(w, "RCPT TO:<u@one.example>\r\n");
	hear(w, "");
	lose_hook(w);
	hear(w, "451 4.7.1 ");
	test_slice(slice_cstr(w->asked),
	    SLICE("u@one.example -u@one.example "
		  "u@one.example -u@one.example "));
	leave(w);
}

static void
may_pass_them_by(void **state)
{
	struct world *w = *state;

	w->settings.hooks[0].accepts_on_failure = true;
	lose_hook(w);
	join(w);
	mail(w, NULL, "250 2.0.0 ");
	give_hook(w);
	mail(w, NULL, "250 2.0.0 ");
	heard(w, "C192.0.2.1 Ma@client.example Ru@one.example D E A ");
	test_case("lost at the end: the message as the client sent it");
	w->holds = 'E';
	envelope(w);
	say(w, MESSAGE ".\r\n");
	hear(w, "");
	lose_hook(w);
	hear(w, "250 2.0.0 ");
	test_true(slice_ends(kept(w), SLICE("\r\n" MESSAGE)));
	test_int(w->n_commits, 3);
	leave(w);
}

static void
does_not_wait_for_a_silent_one(void **state)
{
	static const struct step refuse = { .action = HOOK_REFUSE,
		.verdict = { 550, 5, 7, 1, SLICE("no") } };
	const struct wire_hook_pong pong = { 0 };
	struct world *w = *state;

	test_case("slow, but it answers pings: it is waited for");
	join(w);
	w->holds = 'M';
	say(w, "MAIL FROM:<>\r\n");
	turns(w, 100 * TIME_MS);
	hear(w, "");
	test_true(w->ping_ticket != 0);
	test_case("silent: its consequence");
	w->is_silent = true;
	turns(w, 100 * TIME_MS);
	hear(w, "451 4.7.1 ");
	test_case("known: nobody waits again");
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "451 4.7.1 ");
	heard(w, "C192.0.2.1 Hclient.example M Q ");
	leave(w);
	join(w);
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "451 4.7.1 ");
	heard(w, "");
	test_case("a late answer, a pong to another ping: nothing");
	w->is_silent = false;
	w->holds = '\0';
	test_int(answer(w, &refuse), 0);
	test_int(wire_send_hook_pong(&w->hook, 0, w->ping_ticket + 1, &pong),
	    0);
	hear(w, "");
	say(w, "MAIL FROM:<>\r\n");
	hear(w, "451 4.7.1 ");
	test_case("it answers again");
	test_int(wire_send_hook_pong(&w->hook, 0, w->ping_ticket, &pong), 0);
	turns(w, 5 * TIME_MS);
	mail(w, NULL, "250 2.0.0 ");
	heard(w, "C192.0.2.1 Ma@client.example Ru@one.example D E A ");
	leave(w);
}

/* At each step of a rewrite: 451, nothing of it is believed afterwards, and the
 * session goes on. */
static void
survives_the_store(void **state)
{
	static const struct end all = { { { PULL },
	    { BODY, SLICE("another\r\n"), .flag = true },
	    { REWRITE, .replaces = 24, .flag = true },
	    { HEADER, SLICE("X: y\r\n") },
	    { HEADER, SLICE("\r\n"), .flag = true }, { ANSWER } } };
	struct world *w = *state;

	join(w);
	for (size_t n = 1; n < 6; n++) {
		struct end end = all;

		end.steps[n].what = 0; /* there it stops */
		w->end = &end;
		w->first_body = 0;
		envelope(w);
		say(w, MESSAGE ".\r\n");
		hear(w, "");
		test_int(w->n_done, n + 1);
		replace_store(w);
		hear(w, "451 4.3.0 ");
		w->n_commits = 0;
		mail(w, &all, "250 2.0.0 ");
		test_int(w->n_commits, 1);
		test_true(slice_ends(kept(w),
		    SLICE("\r\nX: y\r\n\r\nanother\r\n")));
	}
	leave(w);
}

static void
ends_an_old_question(void **state)
{
	struct world *w = *state;

	join(w);
	w->holds = 'E';
	envelope(w);
	say(w, MESSAGE ".\r\n");
	turns(w, 30 * TIME_MS);
	hear(w, "");
	smtp_of(w->c)->filter.asked_at -= LIMIT_HOOK_QUESTION_S * TIME_SECOND;
	turns(w, 30 * TIME_MS);
	hear(w, "451 4.7.1 ");
	test_int(w->n_commits, 0);
	w->holds = '\0';
	w->heard[0] = '\0';
	mail(w, NULL, "250 2.0.0 ");
	heard(w, "C192.0.2.1 Ma@client.example Ru@one.example D E A ");
	leave(w);
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
TEST_MAIN(WITH(asks_at_each_stage), WITH(says_what_they_refuse),
    WITH(changes_the_envelope), WITH(writes_it_anew),
    WITH(believes_no_nonsense), WITH(has_no_filters), WITH(may_pass_them_by),
    WITH(does_not_wait_for_a_silent_one), WITH(ends_an_old_question),
    WITH(survives_the_store))
