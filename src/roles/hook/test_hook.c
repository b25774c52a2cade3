/* SPDX-License-Identifier: ISC */
/*
 * The role hook between a front and a milter that are made up here: what is
 * asked of the filter, what the front hears of it, filters that lie, are slow
 * or gone; clients that leave, memory and time that run out, calls that fail.
 * Each question has exactly one answer.
 */
#include "base/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/hook/hook_role.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"

enum {
	LINKS = 8,
	HEARD_MAX = 4096,
	MESSAGE_MAX = 64 * 1024
};
#define MESSAGE "Subject: x\r\nX-Old: y\r\n\r\nbody\r\n"

struct world {
	struct env *posix, *env;
	struct settings settings;
	struct role role;
	struct hook_role hook;
	struct env_timer stop;
	/* the front */
	struct channel front;
	bool has_front, is_front_closed;
	uint32_t ticket, n_answers;
	uint8_t action;
	unsigned code;
	char text[128], quarantine[128], edits[256];
	char message[MESSAGE_MAX]; /* as it is now */
	size_t message_len;
	uint64_t replaces;
	bool has_body;
	char header[MESSAGE_MAX], body[MESSAGE_MAX];
	size_t header_len, body_len;
	unsigned n_pongs;
	/* the filter */
	char dir[64], path[100];
	int listener, links[LINKS];
	struct buf in[LINKS];
	char heard[HEARD_MAX]; /* a letter for each command */
	char at;               /* command at which it says `says` */
	struct slice says;     /* packets; empty: nothing */
	bool closes;           /* instead */
};

/* -- the front ------------------------------------------------------------- */

static int
on_hook_answer(struct channel *c, const struct wire_head *h,
    const struct wire_hook_answer *m)
{
	struct world *w = c->ctx;
	struct wire_list rest = m->edits;
	struct wire_hook_edit row;
	size_t n = 0;

	test_int(h->ticket, w->ticket);
	w->n_answers++;
	w->action = m->action;
	w->code = m->verdict.code;
	(void)slice_to_cstr(m->verdict.text, w->text, sizeof(w->text));
	(void)slice_to_cstr(m->quarantine, w->quarantine,
	    sizeof(w->quarantine));
	w->edits[0] = '\0';
	while (wire_hook_edit_next(&rest, &row))
		n += (size_t)snprintf(w->edits + n, sizeof(w->edits) - n,
		    "%u%.*s ", row.what, SLICE_FMT(row.address));
	return 0;
}

static int
on_hook_want(struct channel *c, const struct wire_head *h,
    const struct wire_hook_want *m)
{
	struct world *w = c->ctx;
	struct slice all = slice_of(w->message, w->message_len);
	struct wire_hook_chunk chunk = { .offset = m->offset,
		.data = slice_upto(slice_from(all, m->offset), 16) };

	chunk.last = m->offset + chunk.data.len >= w->message_len;
	return wire_send_hook_chunk(c, h->session, h->ticket, &chunk);
}

static int
say_more(struct channel *c, const struct wire_head *h)
{
	const struct wire_hook_more m = { 0 };

	return wire_send_hook_more(c, h->session, h->ticket, &m);
}

static int
on_hook_body(struct channel *c, const struct wire_head *h,
    const struct wire_hook_body *m)
{
	struct world *w = c->ctx;

	if (m->first)
		w->body_len = 0;
	memcpy(w->body + w->body_len, m->data.at, m->data.len);
	w->body_len += m->data.len;
	return say_more(c, h);
}

static int
on_hook_rewrite(struct channel *c, const struct wire_head *h,
    const struct wire_hook_rewrite *m)
{
	struct world *w = c->ctx;

	w->replaces = m->replaces;
	w->has_body = m->has_body;
	w->header_len = 0;
	return say_more(c, h);
}

static int
on_hook_header(struct channel *c, const struct wire_head *h,
    const struct wire_hook_header *m)
{
	struct world *w = c->ctx;
	struct wire_hook_rebuilt done;
	size_t n;

	memcpy(w->header + w->header_len, m->data.at, m->data.len);
	w->header_len += m->data.len;
	if (!m->last)
		return say_more(c, h);
	if (!w->has_body) {
		w->body_len = w->message_len - w->replaces;
		memcpy(w->body, w->message + w->replaces, w->body_len);
	}
	n = w->header_len;
	memcpy(w->message, w->header, n);
	memcpy(w->message + n, w->body, w->body_len);
	w->message_len = n + w->body_len;
	done.size = w->message_len;
	return wire_send_hook_rebuilt(c, h->session, h->ticket, &done);
}

static int
on_hook_pong(struct channel *c, const struct wire_head *h,
    const struct wire_hook_pong *m)
{
	(void)m;
	test_int(h->ticket, 77);
	((struct world *)c->ctx)->n_pongs++;
	return 0;
}

static const struct wire_mx_handlers front_handlers = {
	.hook_answer = on_hook_answer,
	.hook_want = on_hook_want,
	.hook_body = on_hook_body,
	.hook_rewrite = on_hook_rewrite,
	.hook_header = on_hook_header,
	.hook_pong = on_hook_pong,
};

static int
front_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	return wire_dispatch_mx(&front_handlers, c, c->peer, h, payload, fd);
}

static void
on_front_closed(struct channel *c)
{
	((struct world *)c->ctx)->is_front_closed = true;
}

static const struct channel_ops front_ops = { front_dispatch, on_front_closed,
	NULL };

/* -- the filter ------------------------------------------------------------ */

static void
filter_say(struct world *w, int fd, char command)
{
	/* version 6, all changes, all steps */
	static const uint8_t options[] = { 0, 0, 0, 13, 'O', 0, 0, 0, 6, 0, 0,
		1, 0xff, 0, 0, 0, 0 };
	static const uint8_t go[] = { 0, 0, 0, 1, 'c' };
	size_t n = strlen(w->heard);

	if (n + 1 < HEARD_MAX)
		w->heard[n] = command;
	if (strchr("DAQK", command) != NULL)
		return;
	if (command == w->at && w->closes)
		(void)shutdown(fd, SHUT_RDWR);
	else if (command == w->at)
		(void)!send(fd, w->says.at, w->says.len, MSG_NOSIGNAL);
	else if (command == 'O')
		(void)!send(fd, options, sizeof(options), MSG_NOSIGNAL);
	else
		(void)!send(fd, go, sizeof(go), MSG_NOSIGNAL);
}

static void
filter_read(struct world *w, size_t i)
{
	uint8_t block[4096];
	ssize_t n;

	while ((n = read(w->links[i], block, sizeof(block))) > 0)
		test_int(buf_add(&w->in[i], slice_of(block, (size_t)n)),
		    BUF_OK);
	for (;;) {
		struct slice in = buf_slice(&w->in[i]);
		size_t len;

		if (in.len < 5)
			break;
		len = (size_t)in.at[2] << 8 | in.at[3];
		if (in.len < 4 + len)
			break;
		filter_say(w, w->links[i], (char)in.at[4]);
		buf_eat(&w->in[i], 4 + len);
	}
	if (n == 0) {
		(void)close(w->links[i]);
		w->links[i] = -1;
		buf_reset(&w->in[i], 0);
	}
}

static void
filter_serve(struct world *w)
{
	for (size_t i = 0; i < LINKS; i++) {
		if (w->links[i] < 0)
			w->links[i] = accept4(w->listener, NULL, NULL,
			    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (w->links[i] >= 0)
			filter_read(w, i);
	}
}

static unsigned
filter_links(const struct world *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < LINKS; i++)
		n += w->links[i] >= 0;
	return n;
}

static void
filter_open(struct world *w)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/ulak-hook-XXXXXX");
	test_true(mkdtemp(w->dir) != NULL);
	(void)snprintf(w->path, sizeof(w->path), "%s/filter", w->dir);
	(void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", w->path);
	w->listener =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	test_int(bind(w->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	test_int(listen(w->listener, 10), 0);
}

/* -- the world ------------------------------------------------------------- */

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct world, stop)->posix);
}

static void
turns(struct world *w, int n)
{
	w->stop.fire = on_stop;
	for (int i = 0; i < n; i++) {
		test_int(env_timer_set(w->posix, &w->stop,
			     env_now(w->posix) + 300),
		    0);
		test_int(env_run(w->posix), 0);
		filter_serve(w);
	}
}

/* Until it has answered, for a second at most. False: it has not. */
static bool
is_answered(struct world *w, unsigned before)
{
	for (int i = 0; i < 1000 && w->n_answers == before; i++)
		turns(w, 2);
	return w->n_answers > before;
}

static void
give_front(struct world *w)
{
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	memset(&w->front, 0, sizeof(w->front));
	test_int(channel_open(&w->front, w->posix, w, pair[1], WIRE_MX,
		     WIRE_HOOK, 1, &front_ops),
	    0);
	w->has_front = true;
	w->is_front_closed = false;
	hook_ops.on_peer(&w->role, WIRE_MX, 1, PEER_CHANNEL, pair[0]);
}

static int
setup(void **state)
{
	static const struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR + 1,
		.has_made_clock = true };
	struct world *w = calloc(1, sizeof(*w));
	struct settings_hook *h;

	if (w == NULL || env_posix_new(&options, &w->posix) < 0 ||
	    env_faulty_new(w->posix, &w->env) < 0)
		return -1;
	filter_open(w);
	for (size_t i = 0; i < LINKS; i++) {
		w->links[i] = -1;
		buf_init(&w->in[i], 1024 * 1024);
	}
	h = &w->settings.hooks[0];
	w->settings.n_hooks = 1;
	*h = (struct settings_hook){ .name = "f",
		.kind = HOOK_MILTER,
		.services = HOOK_OF_MX,
		.connect_timeout = TIME_SECOND,
		.timeout = TIME_SECOND,
		.end_timeout = TIME_SECOND,
		.max = 4 };
	(void)snprintf(h->path, sizeof(h->path), "%s", w->path);
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = &hook_ops,
		.ctx = &w->hook };
	if (hook_ops.prepare(&w->role) != 0)
		return -1;
	give_front(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	hook_ops.deinit(&w->role);
	if (w->has_front)
		channel_close(&w->front);
	for (size_t i = 0; i < LINKS; i++) {
		if (w->links[i] >= 0)
			(void)close(w->links[i]);
		buf_deinit(&w->in[i]);
	}
	(void)close(w->listener);
	(void)unlink(w->path);
	(void)rmdir(w->dir);
	env_faulty_free(w->env);
	env_posix_free(w->posix);
	free(w);
	return 0;
}

/* -- questions ------------------------------------------------------------- */

enum {
	CONNECT,
	HELO,
	MAIL,
	RCPT,
	DATA,
	END,
	STAGES
};

static void
ask(struct world *w, unsigned stage)
{
	const struct wire_hook_connect connect = { .service = SERVICE_MX,
		.client = SLICE("192.0.2.1"),
		.family = 4,
		.port = 1025,
		.hostname = SLICE("here.example") };
	const struct wire_hook_helo helo = { .helo = SLICE("c.example") };
	const struct wire_hook_mail mail = { .sender = SLICE("a@c.example"),
		.helo = SLICE("c.example") };
	const struct wire_hook_rcpt rcpt = { .rcpt = SLICE("u@one.example") };
	const struct wire_hook_data data = { 0 };
	const struct wire_hook_end end = { .size = sizeof(MESSAGE) - 1 };
	struct channel *c = &w->front;
	uint32_t t = ++w->ticket;
	int r = stage == CONNECT ? wire_send_hook_connect(c, 5, t, &connect)
	    : stage == HELO      ? wire_send_hook_helo(c, 5, t, &helo)
	    : stage == MAIL      ? wire_send_hook_mail(c, 5, t, &mail)
	    : stage == RCPT      ? wire_send_hook_rcpt(c, 5, t, &rcpt)
	    : stage == DATA      ? wire_send_hook_data(c, 5, t, &data)
				 : wire_send_hook_end(c, 5, t, &end);

	test_int(r, 0);
	if (stage == END) {
		w->message_len = sizeof(MESSAGE) - 1;
		memcpy(w->message, MESSAGE, w->message_len);
	}
}

/* The stages from `from` on, until one is refused; the last that was asked. */
static unsigned
ask_on(struct world *w, unsigned from)
{
	for (unsigned stage = from; stage < STAGES; stage++) {
		unsigned before = w->n_answers;

		ask(w, stage);
		test_true(is_answered(w, before));
		test_int(w->n_answers, before + 1);
		if (w->action != HOOK_GO)
			return stage;
	}
	return STAGES;
}

static void
end_transaction(struct world *w)
{
	const struct wire_hook_abort m = { 0 };

	test_int(wire_send_hook_abort(&w->front, 5, 0, &m), 0);
	turns(w, 5);
}

static void
leave(struct world *w)
{
	const struct wire_hook_quit m = { 0 };

	test_int(wire_send_hook_quit(&w->front, 5, 0, &m), 0);
	turns(w, 10);
	test_int(filter_links(w), 0);
	test_int(w->hook.filters[0].n_links, 0);
	test_int(w->hook.memory.used, 0);
}

/* -- what is shown --------------------------------------------------------- */

static void
asks_in_order(void **state)
{
	struct world *w = *state;
	const struct wire_hook_ping ping = { 0 };

	test_int(ask_on(w, CONNECT), STAGES);
	end_transaction(w);
	/* D: macros. The connection serves the next message, too. */
	test_slice(slice_cstr(w->heard), SLICE("ODCDHDMDRDTLLDNBDE"));
	w->heard[0] = '\0';
	memset(w->heard, 0, sizeof(w->heard));
	test_int(ask_on(w, MAIL), STAGES);
	end_transaction(w);
	test_slice(slice_cstr(w->heard), SLICE("DMDRDTLLDNBDE"));
	test_int(wire_send_hook_ping(&w->front, 0, 77, &ping), 0);
	turns(w, 5);
	test_int(w->n_pongs, 1);
	leave(w);
}

#define P(n, rest) "\0\0\0" n rest
static void
tells_what_it_says(void **state)
{
	static const struct {
		const char *what;
		char at;
		struct slice says;
		unsigned stage; /* that is refused, or STAGES */
		unsigned code;
		bool is_failure; /* the other consequence: it goes on */
	} rows[] = {
		{ "refuses the client", 'C', SLICE(P("\1", "r")), CONNECT,
		    550 },
		{ "refuses the name", 'H', SLICE(P("\1", "t")), HELO, 451 },
		{ "refuses the sender", 'M', SLICE(P("\1", "r")), MAIL, 550 },
		{ "refuses a recipient", 'R', SLICE(P("\1", "t")), RCPT, 451 },
		{ "in its own words", 'R',
		    SLICE(P("\x11", "y550 5.7.9 go on\0")), RCPT, 550 },
		{ "at DATA", 'T', SLICE(P("\1", "r")), DATA, 550 },
		{ "a field", 'L', SLICE(P("\1", "r")), END, 550 },
		{ "the body", 'B', SLICE(P("\1", "t")), END, 451 },
		{ "at the end", 'E', SLICE(P("\1", "r")), END, 550 },
		{ "accepts all of the client", 'C', SLICE(P("\1", "a")), STAGES,
		    0 },
		{ "accepts the message", 'M', SLICE(P("\1", "a")), STAGES, 0 },
		{ "an answer nobody knows", 'R', SLICE(P("\2", "Zx")), RCPT,
		    451, true },
		{ "no packet", 'M', SLICE("HTTP/1.1 400 what\r\n"), MAIL, 451,
		    true },
		{ "nothing in it", 'M', SLICE(P("\0", "")), MAIL, 451, true },
		{ "edits too early", 'M',
		    SLICE(P("\5", "hA\0b\0") P("\1", "c")), MAIL, 451, true },
		{ "a field with a line of its own", 'E',
		    SLICE(P("\7", "hA\0b\nc\0") P("\1", "c")), END, 451, true },
		{ "a body that ends within a line", 'E',
		    SLICE(P("\4", "bx\ny") P("\1", "c")), END, 451, true },
		{ "twice the end", 'E', SLICE(P("\1", "c") P("\1", "r")),
		    STAGES, 0 },
		{ "closes", 'R', SLICE(""), RCPT, 451, true },
		{ "closes at the end", 'E', SLICE(""), END, 451, true },
		{ "closes while it negotiates", 'O', SLICE(""), MAIL, 451,
		    true },
	};
	struct world *w = *state;

	for (size_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
		bool accepts = i % 2 == 1;
		unsigned want = accepts && rows[i / 2].is_failure
		    ? STAGES
		    : rows[i / 2].stage;

		test_case(rows[i / 2].what);
		w->settings.hooks[0].accepts_on_failure = accepts;
		w->at = rows[i / 2].at;
		w->says = rows[i / 2].says;
		w->closes = w->says.len == 0;
		test_int(ask_on(w, CONNECT), want);
		if (want < STAGES)
			test_int(w->code, rows[i / 2].code);
		end_transaction(w);
		/* the session is usable */
		w->at = '\0';
		(void)ask_on(w, MAIL);
		test_int(w->n_answers, w->ticket);
		leave(w);
	}
}

static void
changes_the_message(void **state)
{
	struct world *w = *state;

	w->at = 'E';
	test_case("a field more, a recipient more");
	w->says = SLICE(P("\7", "hX-A\0b\0") P("\7", "+<v@d>\0")
		P("\5", "qbad\0") P("\1", "c"));
	test_int(ask_on(w, CONNECT), STAGES);
	test_slice(slice_of(w->message, w->message_len),
	    SLICE("Subject: x\r\nX-Old: y\r\nX-A: b\r\n\r\nbody\r\n"));
	test_slice(slice_cstr(w->edits), SLICE("0v@d "));
	test_slice(slice_cstr(w->quarantine), SLICE("bad"));
	end_transaction(w);
	test_case("another body; nothing is left of the last one's edits");
	w->says = SLICE(P("\6", "bnew\r\n") P("\1", "c"));
	test_int(ask_on(w, MAIL), STAGES);
	test_slice(slice_of(w->message, w->message_len),
	    SLICE("Subject: x\r\nX-Old: y\r\n\r\nnew\r\n"));
	test_slice(slice_cstr(w->edits), SLICE(""));
	test_slice(slice_cstr(w->quarantine), SLICE(""));
	leave(w);
}

static void
bounds_time_and_memory(void **state)
{
	struct world *w = *state;
	int64_t begun;

	test_case("silence: its time-out");
	w->settings.hooks[0].timeout = 200 * TIME_MS;
	w->settings.hooks[0].end_timeout = 200 * TIME_MS;
	w->at = 'R';
	test_int(ask_on(w, CONNECT), RCPT);
	test_int(w->code, 451);
	end_transaction(w);
	test_case("progress for ever: the time of the question");
	w->settings.hooks[0].end_timeout = 3600 * TIME_SECOND;
	w->hook.question_time = 300 * TIME_MS;
	w->at = 'E';
	w->says = SLICE(P("\1", "p"));
	begun = env_now(w->posix);
	test_int(ask_on(w, MAIL), END);
	test_int(w->code, 451);
	test_true(env_now(w->posix) - begun >= 300 * TIME_MS);
	end_transaction(w);
	w->hook.question_time = TIME_MINUTE;
	w->at = '\0';
	test_case("no memory for a message; then there is");
	purse_init(&w->hook.memory, NULL, 1000);
	test_int(ask_on(w, MAIL), END);
	test_int(w->code, 451);
	end_transaction(w);
	purse_init(&w->hook.memory, NULL, LIMIT_HOOK_MEMORY);
	test_int(ask_on(w, MAIL), STAGES);
	leave(w);
}

static void
clients_leave(void **state)
{
	struct world *w = *state;

	for (unsigned stage = CONNECT; stage < STAGES; stage++) {
		for (int aborts = 0; aborts < 2; aborts++) {
			unsigned before;

			test_case("while the filter thinks");
			w->at = "CHMRTE"[stage];
			w->says = SLICE("");
			w->closes = false;
			for (unsigned s = CONNECT; s < stage; s++) {
				before = w->n_answers;
				ask(w, s);
				test_true(is_answered(w, before));
			}
			before = w->n_answers;
			ask(w, stage);
			turns(w, 20);
			test_int(w->n_answers, before);
			w->at = '\0';
			if (aborts == 1 && stage >= MAIL) {
				end_transaction(w);
				test_int(ask_on(w, MAIL), STAGES);
				before = w->n_answers;
			}
			leave(w);
			test_int(w->n_answers, before);
		}
	}
	test_case("another client of that number (XCLIENT)");
	test_int(ask_on(w, CONNECT), STAGES);
	test_int(ask_on(w, CONNECT), STAGES);
	leave(w);
	test_case("the front goes with all its clients");
	test_int(ask_on(w, CONNECT), STAGES);
	channel_close(&w->front);
	turns(w, 10);
	test_int(filter_links(w), 0);
	give_front(w);
	test_int(ask_on(w, CONNECT), STAGES);
	leave(w);
}

/* What no front of ours says ends the channel, and nothing else. */
static void
believes_no_nonsense(void **state)
{
	struct world *w = *state;

	for (unsigned stage = HELO; stage < STAGES; stage++) {
		test_case("a question for nobody");
		ask(w, stage);
		turns(w, 10);
		test_true(w->is_front_closed);
		channel_close(&w->front);
		give_front(w);
	}
	test_case("two questions at once");
	w->at = 'M';
	w->says = SLICE("");
	ask(w, CONNECT);
	test_true(is_answered(w, w->n_answers));
	ask(w, MAIL);
	ask(w, RCPT);
	turns(w, 20);
	test_true(w->is_front_closed);
	test_int(filter_links(w), 0);
	channel_close(&w->front);
	w->has_front = false;
}

/* A front that dies has a successor; one whose channel has ended alone gets
 * another with another role. */
static void
makes_way_for_another(void **state)
{
	struct world *w = *state;

	w->hook.lost_time = 100 * TIME_MS;
	test_int(hook_ops.started(&w->role), 0);
	test_int(ask_on(w, CONNECT), STAGES);
	channel_close(&w->front);
	turns(w, 5);
	test_int(w->hook.n_lost, 1);
	give_front(w);
	turns(w, 400);
	test_int(w->role.exit_status, 0);
	test_int(ask_on(w, CONNECT), STAGES);
	leave(w);
	channel_close(&w->front);
	w->has_front = false;
	turns(w, 5);
	test_int(w->role.exit_status, 0);
	turns(w, 400);
	test_int(w->role.exit_status, 1);
}

/* A whole mail: yes or 451 at each stage, or the end of the channel. */
static void
ask_in_spite(struct world *w)
{
	w->action = HOOK_GO;
	for (unsigned stage = CONNECT; stage < STAGES; stage++) {
		unsigned before = w->n_answers;

		ask(w, stage);
		for (int i = 0;
		     i < 1000 && w->n_answers == before && !w->is_front_closed;
		     i++)
			turns(w, 2);
		if (w->is_front_closed)
			return;
		test_int(w->n_answers, before + 1);
		if (w->action != HOOK_GO) {
			test_int(w->code, 451);
			return;
		}
	}
}

/* Of each kind of call the n-th fails: each question has an answer, a yes or a
 * 451, and what comes after is as ever. */
static void
survives_calls_that_fail(void **state)
{
	static const enum env_fault kinds[] = { FAULT_TIMER, FAULT_WATCH,
		FAULT_CONNECT, FAULT_RECV, FAULT_SEND };
	static const int errors[] = { ENOMEM, ENOMEM, ECONNRESET, ECONNRESET,
		ENOBUFS };
	static const char *const names[] = { "timer", "watch", "connect",
		"recv", "send" };
	char what[40];
	struct world *w = *state;

	w->settings.hooks[0].timeout = 200 * TIME_MS;
	w->settings.hooks[0].end_timeout = 200 * TIME_MS;
	w->settings.hooks[0].connect_timeout = 200 * TIME_MS;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (uint64_t nth = 1; nth < 30; nth++) {
			struct fault_plan plan = {
				.nth = nth, .n = 1, .error = errors[k]
			};
			uint64_t before = env_faulty_failed(w->env, kinds[k]);

			(void)snprintf(what, sizeof(what), "%s %u", names[k],
			    (unsigned)nth);
			test_case(what);
			env_faulty_arm(w->env, kinds[k], &plan);
			ask_in_spite(w);
			env_faulty_arm(w->env, kinds[k],
			    &(struct fault_plan){ 0 });
			turns(w, 5);
			if (w->is_front_closed) { /* the channel's own call */
				channel_close(&w->front);
				give_front(w);
				test_int(ask_on(w, CONNECT), STAGES);
			} else {
				end_transaction(w);
				test_int(ask_on(w, MAIL), STAGES);
			}
			leave(w);
			if (env_faulty_failed(w->env, kinds[k]) == before)
				break; /* no more of them */
		}
	}
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
TEST_MAIN(WITH(asks_in_order), WITH(tells_what_it_says),
    WITH(changes_the_message), WITH(bounds_time_and_memory),
    WITH(clients_leave), WITH(believes_no_nonsense),
    WITH(survives_calls_that_fail), WITH(makes_way_for_another))
