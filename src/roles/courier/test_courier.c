/* SPDX-License-Identifier: ISC */
/*
 * A courier in a process of its own, with a made-up store and resolver, and a
 * mail server that follows a script: what is reported for every way in which
 * a server can behave or misbehave.
 *
 * A script is a row of steps. "S" sends, "C" wants a line that begins so, "D"
 * reads a body to its dot, "N" waits for the next connection, "B" sends octet
 * by octet, "R" reads so many octets, "G" sends without end, "O" so, too, an
 * octet now and then, "Z" reads until the courier closes. Whatever happens, the
 * connection is closed behind the last step.
 *
 * No time is measured: what must not run out is long, and what must is short
 * in the cases that are about it. The courier is forked before the thread of
 * the server begins, or it could inherit a locked allocator.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/test.h"
#include "base/time.h"
#include "policy/dns.h"
#include "roles/role.h"
#include "store/flags.h"
#include "sys/env_posix.h"

enum {
	STEPS = 40,
	RCPTS = 2,
	ATTEMPTS = 2,
	BIG = 300 * 1024,
	RECEIVED = 1024 * 1024,
	PATIENCE = 240 /* seconds; then something hangs */
};

#define LEASE (PATIENCE * TIME_SECOND)

/* -- the mail server ---------------------------------------------------------
 */

struct server {
	int listener, fd;
	uint16_t port;
	const char *const *steps;
	char line[4096];
	size_t n_connections, n_received;
	char received[RECEIVED]; /* bodies, as they came */
	char failed[200];
};

static ssize_t
server_read(struct server *s, void *at, size_t n)
{
	ssize_t got;

	do
		got = recv(s->fd, at, n, 0);
	while (got == -1 && errno == EINTR);
	return got;
}

static bool
server_line(struct server *s)
{
	size_t n = 0;

	while (n + 1 < sizeof(s->line) && server_read(s, s->line + n, 1) == 1) {
		if (s->line[n++] != '\n')
			continue;
		s->line[n] = '\0';
		return true;
	}
	s->line[n] = '\0';
	return false;
}

static bool
server_body(struct server *s)
{
	while (server_line(s)) {
		size_t n = strlen(s->line);

		if (strcmp(s->line, ".\r\n") == 0)
			return true;
		if (n > RECEIVED - s->n_received)
			return false;
		memcpy(s->received + s->n_received, s->line, n);
		s->n_received += n;
	}
	return false;
}

static bool
server_octets(struct server *s, size_t n)
{
	while (n > 0 && n <= RECEIVED - s->n_received) {
		ssize_t got = server_read(s, s->received + s->n_received, n);

		if (got <= 0)
			return false;
		s->n_received += (size_t)got;
		n -= (size_t)got;
	}
	return n == 0;
}

static bool
server_send(struct server *s, const char *text, size_t at_a_time)
{
	for (size_t n = strlen(text), part; n > 0; n -= part, text += part) {
		part = n < at_a_time ? n : at_a_time;
		if (send(s->fd, text, part, MSG_NOSIGNAL) != (ssize_t)part)
			return false;
		if (at_a_time == 1)
			(void)usleep(500);
	}
	return true;
}

static bool
server_step(struct server *s, const char *step)
{
	char junk[4096];

	switch (step[0]) {
	case 'S':
		return server_send(s, step + 1, 100000);
	case 'B':
		return server_send(s, step + 1, 1);
	case 'C':
		return server_line(s) &&
		    strncmp(s->line, step + 1, strlen(step + 1)) == 0;
	case 'D':
		return server_body(s);
	case 'R':
		return server_octets(s, strtoul(step + 1, NULL, 10));
	case 'G':
		while (server_send(s, step + 1, 100000))
			;
		return true;
	case 'O':
		while (server_send(s, step + 1, 1))
			(void)usleep(20000);
		return true;
	case 'Z':
		while (server_read(s, junk, sizeof(junk)) > 0)
			;
		return true;
	case 'N':
		(void)close(s->fd);
		s->fd = accept(s->listener, NULL, NULL);
		s->n_connections++;
		return s->fd >= 0;
	default:
		return false;
	}
}

static void *
server_run(void *ctx)
{
	struct server *s = ctx;

	s->fd = accept(s->listener, NULL, NULL);
	s->n_connections = 1;
	for (size_t i = 0; s->fd >= 0 && s->steps[i] != NULL; i++) {
		if (server_step(s, s->steps[i]))
			continue;
		(void)snprintf(s->failed, sizeof(s->failed),
		    "step %zu \"%.60s\", got \"%.80s\"", i, s->steps[i],
		    s->line);
		break;
	}
	(void)close(s->fd);
	return NULL;
}

static void
server_open(struct server *s, const char *const *steps)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct timeval patience = { .tv_sec = PATIENCE };

	s->steps = steps;
	s->fd = -1;
	s->n_received = s->n_connections = 0;
	s->failed[0] = '\0';
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	test_true(s->listener >= 0);
	test_int(bind(s->listener, (struct sockaddr *)&a, len), 0);
	test_int(listen(s->listener, 10), 0);
	test_int(setsockopt(s->listener, SOL_SOCKET, SO_RCVTIMEO, &patience,
		     sizeof(patience)),
	    0);
	test_int(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
	s->port = ntohs(a.sin_port);
}

/* -- the store, the resolver and the supervisor
 * --------------------------------- */

struct got { /* what was reported of one attempt */
	size_t n;
	uint8_t kind[RCPTS];
	uint16_t code[RCPTS];
	char esc[RCPTS][16];
	bool is_host_failure, is_soon, offers_dsn, offers_deliverby;
	char remote[321], tls[129], dialogue[16385];
};

struct bench {
	struct env *env;
	struct channel supervisor, store, resolver;
	struct env_timer timer;
	pid_t pid;
	int fd; /* the courier's supervisor is here */
	const char *route;
	const char *const *rcpts;
	struct slice message;
	bool is_8bit, has_timed_out, resolver_is_dead;
	const struct wire_attempt *wish; /* or NULL */
	const struct wire_rcpt *rcpt_wish;
	int64_t greeting_time, dot_time; /* 0: long */
	int64_t lease;
	size_t n_attempts, n_wanted;
	uint16_t mx_rcode;
	struct got got[ATTEMPTS];
	const struct wire_bounce_make *notice; /* or NULL: attempts */
	struct buf body;                       /* of the notice */
	uint64_t announced, credit;
	bool is_8bit_notice, is_smtputf8_notice;
};

/* Each second attempt has a small body with it. */
static bool
has_body(const struct bench *b, size_t attempt)
{
	return attempt % 2 == 1 && b->message.len <= 32768;
}

static void
give_attempt(struct bench *b)
{
	struct wire_attempt m = { 0 };
	struct buf rows;

	if (b->wish != NULL)
		m = *b->wish;
	m.mails = 100;
	m.message = (struct id){ { 1 } };
	m.sender = SLICE("anna@one.example");
	m.route = slice_cstr(b->route);
	m.size = b->message.len;
	if (has_body(b, b->n_attempts))
		m.body = b->message;
	m.is_8bit = b->is_8bit;
	m.lease_us = b->lease;
	if (m.by_mode != MAIL_BY_NONE) /* seconds, in the tables */
		m.deliver_by = env_wall(b->env) + m.deliver_by * TIME_SECOND;
	buf_init(&rows, 10000);
	for (size_t i = 0; i < RCPTS && b->rcpts[i] != NULL; i++) {
		struct wire_rcpt row = { 0 };

		if (b->rcpt_wish != NULL)
			row = *b->rcpt_wish;
		row.row = 100 + i;
		row.address = slice_cstr(b->rcpts[i]);
		test_int(wire_rcpt_add(&rows, &row), 0);
		m.rcpts.n++;
	}
	m.rcpts.raw = buf_slice(&rows);
	test_int(wire_send_attempt(&b->store, 7 + b->n_attempts, 0, &m), 0);
	b->n_attempts++;
	buf_deinit(&rows);
}

static int
on_courier_state(struct channel *c, const struct wire_head *h,
    const struct wire_courier_state *m)
{
	const struct bench *b = c->ctx;

	(void)h;
	test_true(m->free_slots > 0);
	if (b->notice != NULL)
		return wire_send_bounce_make(c, 70, 0, b->notice);
	give_attempt(c->ctx);
	return 0;
}

static int
on_body_open(struct channel *c, const struct wire_head *h,
    const struct wire_body_open *m)
{
	struct bench *b = c->ctx;

	test_int(h->session, 70);
	b->announced = m->size;
	b->credit = LIMIT_CREDIT;
	return 0;
}

/* More credit only when there is none left. */
static int
on_body_chunk(struct channel *c, const struct wire_head *h,
    const struct wire_body_chunk *m)
{
	struct bench *b = c->ctx;
	struct wire_body_credit more = { .body = m->body, .bytes = 100000 };

	test_true(m->data.len <= b->credit);
	test_int(buf_add(&b->body, m->data), BUF_OK);
	b->credit -= m->data.len;
	if (b->credit > 0)
		return 0;
	b->credit = more.bytes;
	return wire_send_body_credit(c, h->session, 0, &more);
}

static int
on_bounce_commit(struct channel *c, const struct wire_head *h,
    const struct wire_bounce_commit *m)
{
	struct bench *b = c->ctx;

	test_int(h->session, 70);
	test_true(m->summary.len > 0);
	b->is_8bit_notice = m->is_8bit;
	b->is_smtputf8_notice = m->is_smtputf8;
	env_stop(b->env);
	return 0;
}

static int
on_attempt_read(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_read *m)
{
	struct bench *b = c->ctx;
	struct wire_attempt_data data = { .verdict = { .code = 250 } };

	test_true(!has_body(b, h->session - 7));
	test_true(m->length > 0 && m->length <= LIMIT_CHUNK);
	test_true(m->offset + m->length <= b->message.len);
	data.data = slice_upto(slice_from(b->message, (size_t)m->offset),
	    (size_t)m->length);
	data.last = m->offset + m->length == b->message.len;
	return wire_send_attempt_data(c, h->session, h->ticket, &data);
}

static int
on_attempt_hosts(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_hosts *m)
{
	(void)m;
	return wire_send_attempt_go(c, h->session, 0,
	    &(struct wire_attempt_go){ .ok = true });
}

static int
on_attempt_result(struct channel *c, const struct wire_head *h,
    const struct wire_attempt_result *m)
{
	struct bench *b = c->ctx;
	struct got *got = &b->got[h->session - 7];
	struct wire_list rows = m->outcomes;
	struct wire_outcome o;

	while (got->n < RCPTS && wire_outcome_next(&rows, &o)) {
		test_int(o.row, 100 + got->n);
		got->kind[got->n] = o.kind;
		got->code[got->n] = o.code;
		(void)snprintf(got->esc[got->n], sizeof(got->esc[0]),
		    "%u.%u.%u", o.class, o.subject, o.detail);
		got->n++;
	}
	got->is_host_failure = m->is_host_failure;
	got->is_soon = m->is_soon;
	got->offers_dsn = m->offers_dsn;
	got->offers_deliverby = m->offers_deliverby;
	test_true(slice_to_cstr(m->remote, got->remote, sizeof(got->remote)));
	test_true(slice_to_cstr(m->tls, got->tls, sizeof(got->tls)));
	test_true(slice_to_cstr(m->dialogue, got->dialogue,
	    sizeof(got->dialogue)));
	if (b->n_attempts < b->n_wanted)
		give_attempt(b);
	else
		env_stop(b->env);
	return 0;
}

static int
store_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_store_handlers handlers = {
		.courier_state = on_courier_state,
		.attempt_read = on_attempt_read,
		.attempt_result = on_attempt_result,
		.attempt_hosts = on_attempt_hosts,
		.body_open = on_body_open,
		.body_chunk = on_body_chunk,
		.bounce_commit = on_bounce_commit,
	};

	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

/* two.example has an MX at loopback, of whatever rcode the test wants. */
static int
on_dns_ask(struct channel *c, const struct wire_head *h,
    const struct wire_dns_ask *m)
{
	struct bench *b = c->ctx;
	struct wire_dns_answer answer = { .canonical = m->name };
	struct wire_dns_record row = { 0 };
	struct buf rows;
	int r;

	if (b->resolver_is_dead) {
		channel_close(c);
		return 0;
	}
	buf_init(&rows, 1000);
	if (m->type == DNS_MX && slice_equal(m->name, SLICE("two.example"))) {
		answer.rcode = b->mx_rcode;
		row.data = SLICE("\0\x0a\2mx\3two\7example\0");
	} else if (m->type == DNS_A) {
		row.data = SLICE("\x7f\0\0\1");
	}
	if (answer.rcode == 0 && row.data.len > 0) {
		test_int(wire_dns_record_add(&rows, &row), 0);
		answer.records =
		    (struct wire_list){ .raw = buf_slice(&rows), .n = 1 };
	}
	r = wire_send_dns_answer(c, h->session, h->ticket, &answer);
	buf_deinit(&rows);
	return r;
}

static int
resolver_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_resolver_handlers handlers = {
		.dns_ask = on_dns_ask,
	};

	return wire_dispatch_resolver(&handlers, c, c->peer, h, payload, fd);
}

static int
on_ready(struct channel *c, const struct wire_head *h,
    const struct wire_ready *m)
{
	(void)c;
	(void)h;
	(void)m;
	return 0;
}

static int
supervisor_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_supervisor_handlers handlers = {
		.ready = on_ready,
	};

	return wire_dispatch_supervisor(&handlers, c, c->peer, h, payload, fd);
}

static void
on_closed(struct channel *c)
{
	channel_close(c);
}

static const struct channel_ops supervisor_ops = {
	.dispatch = supervisor_dispatch,
	.on_closed = on_closed,
};
static const struct channel_ops store_ops = {
	.dispatch = store_dispatch,
	.on_closed = on_closed,
};
static const struct channel_ops resolver_ops = {
	.dispatch = resolver_dispatch,
	.on_closed = on_closed,
};

static void
on_timeout(struct env_timer *t)
{
	struct bench *b = LIST_ENTRY(t, struct bench, timer);

	b->has_timed_out = true;
	env_stop(b->env);
}

static void
make_pair(int fds[2])
{
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
}

static void
run_courier(const struct bench *b, int fd, uint16_t port)
{
	const int64_t patience = PATIENCE * TIME_SECOND;
	struct settings s = { .hostname = "one.example",
		.outbound_port = port,
		.outbound_permit_loopback = true,
		.connect_timeout = patience,
		.greeting_timeout =
		    b->greeting_time > 0 ? b->greeting_time : patience,
		.command_timeout = patience,
		.mail_timeout = patience,
		.rcpt_timeout = patience,
		.data_start_timeout = patience,
		.data_timeout = patience,
		.dot_timeout = b->dot_time > 0 ? b->dot_time : patience };
	struct env_posix_options options = { .role = "courier",
		.log_level = ENV_ERROR };
	struct env *env;
	int status = 99;

	if (env_posix_new(&options, &env) == 0) {
		status = role_courier(env, &s, fd);
		env_posix_free(env);
	}
	exit(status);
}

static void
give_peer(struct bench *b, struct channel *c, enum wire_role self,
    const struct channel_ops *ops)
{
	struct wire_peer peer = {
		.role = (uint8_t)self, .instance = 5, .purpose = PEER_CHANNEL
	};
	int fds[2];

	make_pair(fds);
	test_int(channel_open(c, b->env, b, fds[0], self, WIRE_COURIER, 1, ops),
	    0);
	test_int(wire_send_peer(&b->supervisor, 0, 0, &peer, fds[1]), 0);
	(void)close(fds[1]);
}

/* Starts the courier. No thread may live in this process. */
static void
bench_fork(struct bench *b, uint16_t port)
{
	int fds[2];

	make_pair(fds);
	(void)fflush(NULL);
	b->pid = fork();
	test_true(b->pid >= 0);
	if (b->pid == 0) {
		(void)close(fds[0]);
		run_courier(b, fds[1], port);
	}
	(void)close(fds[1]);
	b->fd = fds[0];
}

/* Until all attempts are reported; the courier must then end by itself. */
static void
bench_run(struct bench *b)
{
	struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR };
	struct wire_start start = { .instance = 9 };
	int status;

	test_int(env_posix_new(&options, &b->env), 0);
	test_int(channel_open(&b->supervisor, b->env, b, b->fd, WIRE_SUPERVISOR,
		     WIRE_COURIER, 1, &supervisor_ops),
	    0);
	give_peer(b, &b->store, WIRE_STORE, &store_ops);
	give_peer(b, &b->resolver, WIRE_RESOLVER, &resolver_ops);
	test_int(wire_send_start(&b->supervisor, 0, 0, &start), 0);
	b->timer.fire = on_timeout;
	test_int(env_timer_set(b->env, &b->timer,
		     env_now(b->env) + PATIENCE / 2 * TIME_SECOND),
	    0);
	test_int(env_run(b->env), 0);
	env_timer_stop(b->env, &b->timer);
	channel_close(&b->store);
	channel_close(&b->resolver);
	channel_close(&b->supervisor);
	env_posix_free(b->env);
	test_int(waitpid(b->pid, &status, 0), b->pid);
	/* 1: the end of the supervisor; anything else is a crash or a leak */
	test_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	test_true(!b->has_timed_out);
}

/* -- what is reported
 * --------------------------------------------------------------- */

#define HELLO                                                                  \
	"S220 mx.two.example\r\n", "CEHLO one.example\r\n",                    \
	    "S250-mx.two.example\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
#define PIPELINING                                                             \
	"S220 mx.two.example\r\n", "CEHLO one.example\r\n",                    \
	    "S250-mx.two.example\r\n250 PIPELINING\r\n"
#define BOB "CRCPT TO:<bob@two.example>\r\n"
#define BOB_WITH "CRCPT TO:<bob@two.example>"
#define EVE "CRCPT TO:<eve@two.example>\r\n"
#define FROM "CMAIL FROM:<anna@one.example>"

static const char *const bob[] = { "bob@two.example", NULL };
static const char *const both[] = { "bob@two.example", "eve@two.example" };

static const struct {
	const char *what;
	const char *const *rcpts;
	const char *steps[STEPS];
	bool is_8bit;
	bool is_host;
	int64_t greeting_time, dot_time; /* of the courier; 0: long */
	uint8_t kind[RCPTS];
	uint16_t code[RCPTS];
	const char *esc[RCPTS];
	const char *in_dialogue;
	size_t n_bodies; /* that arrived whole */
} cases[] = {
	{ "taken", bob,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S250 ok\r\n", "CDATA\r\n",
		"S354 go\r\n", "D", "S250 2.0.0 kept\r\n", "Z" },
	    .kind = { QUEUE_DELIVERED }, .code = { 250 }, .esc = { "2.0.0" },
	    .in_dialogue = "< 250 ", .n_bodies = 1 },
	{ "one of two refused", both,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S550 5.1.1 no bob\r\n", EVE,
		"S250 ok\r\n", "CDATA\r\n", "S354 go\r\n", "D",
		"S250 2.0.0 kept\r\n", "Z" },
	    .kind = { QUEUE_PERMANENT, QUEUE_DELIVERED }, .code = { 550, 250 },
	    .esc = { "5.1.1", "2.0.0" }, .in_dialogue = "no bob",
	    .n_bodies = 1 },
	{ "pipelined, one greylisted", both,
	    { PIPELINING, FROM, BOB, EVE, "CDATA\r\n",
		"S250 ok\r\n451 4.7.1 later\r\n250 ok\r\n354 go\r\n", "D",
		"S250 kept\r\n", "Z" },
	    .kind = { QUEUE_TEMPORARY, QUEUE_DELIVERED }, .code = { 451, 250 },
	    .esc = { "4.7.1", "2.0.0" }, .n_bodies = 1 },
	{ "replies octet by octet", bob,
	    { "B220-mx.two.example\r\n220 hello\r\n", "CEHLO", "B250 x\r\n",
		FROM, "B250 ok\r\n", BOB, "B250 ok\r\n", "CDATA", "B354 go\r\n",
		"D", "B250-kept\r\n250 indeed\r\n", "Z" },
	    .kind = { QUEUE_DELIVERED }, .code = { 250 }, .esc = { "2.0.0" },
	    .n_bodies = 1 },
	{ "HELO is enough", bob,
	    { "S220 mx\r\n", "CEHLO", "S502 what?\r\n", "CHELO", "S250 x\r\n",
		FROM, "S250 ok\r\n", BOB, "S250 ok\r\n", "CDATA", "S354 go\r\n",
		"D", "S250 kept\r\n", "Z" },
	    .kind = { QUEUE_DELIVERED }, .code = { 250 }, .esc = { "2.0.0" },
	    .n_bodies = 1 },
	{ "the sender refused for now", bob,
	    { HELLO, FROM, "S451 4.3.0 later\r\n", "Z" },
	    .kind = { QUEUE_TEMPORARY }, .code = { 451 }, .esc = { "4.3.0" } },
	{ "refused behind the dot", bob,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S250 ok\r\n", "CDATA",
		"S354 go\r\n", "D", "S554 5.7.1 spam\r\n", "Z" },
	    .kind = { QUEUE_PERMANENT }, .code = { 554 }, .esc = { "5.7.1" },
	    .n_bodies = 1 },
	{ "8-bit to a 7-bit server", bob,
	    { "S220 mx\r\n", "CEHLO", "S250 mx\r\n", "Z" }, .is_8bit = true,
	    .kind = { QUEUE_PERMANENT }, .code = { 554 }, .esc = { "5.6.3" } },
	{ "no service", bob, { "S554 go away\r\n", "Z" }, .is_host = true,
	    .kind = { QUEUE_TEMPORARY }, .code = { 554 }, .esc = { "5.0.0" } },
	{ "silence", bob, { "Z" }, .is_host = true,
	    .greeting_time = 100 * TIME_MS, .kind = { QUEUE_TEMPORARY },
	    .code = { 451 }, .esc = { "4.4.2" },
	    .in_dialogue = "no greeting in time" },
	{ "an octet now and then is no greeting", bob, { "S220-", "Ox" },
	    .is_host = true, .greeting_time = 300 * TIME_MS,
	    .kind = { QUEUE_TEMPORARY }, .code = { 451 }, .esc = { "4.4.2" } },
	{ "an octet now and then is no answer to the dot", bob,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S250 ok\r\n", "CDATA",
		"S354 go\r\n", "D", "S250-", "Ox" },
	    .is_host = true, .dot_time = 300 * TIME_MS,
	    .kind = { QUEUE_TEMPORARY }, .code = { 451 }, .esc = { "4.4.2" },
	    .n_bodies = 1 },
	{ "not a mail server", bob,
	    { "SHTTP/1.1 400 Bad Request\r\n\r\n", "Z" }, .is_host = true,
	    .kind = { QUEUE_TEMPORARY }, .code = { 451 }, .esc = { "4.5.0" },
	    .in_dialogue = "does not speak SMTP" },
	{ "a greeting without end", bob, { "G220-more and more\r\n" },
	    .is_host = true, .kind = { QUEUE_TEMPORARY }, .code = { 451 },
	    .esc = { "4.5.0" }, .in_dialogue = "too long" },
	{ "a line without end", bob, { "G2200000000000000000000000000000000" },
	    .is_host = true, .kind = { QUEUE_TEMPORARY }, .code = { 451 },
	    .esc = { "4.5.0" } },
	{ "gone before the greeting", bob, { NULL }, .is_host = true,
	    .kind = { QUEUE_TEMPORARY }, .code = { 451 }, .esc = { "4.4.2" } },
	{ "gone after MAIL", bob, { HELLO, FROM }, .is_host = true,
	    .kind = { QUEUE_TEMPORARY }, .code = { 451 }, .esc = { "4.4.2" } },
	{ "gone in the body", bob,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S250 ok\r\n", "CDATA",
		"S354 go\r\n" },
	    .is_host = true, .kind = { QUEUE_TEMPORARY }, .code = { 451 },
	    .esc = { "4.4.2" } },
	{ "the last reply is lost", bob,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S250 ok\r\n", "CDATA",
		"S354 go\r\n", "D" },
	    .is_host = true, .kind = { QUEUE_TEMPORARY }, .code = { 451 },
	    .esc = { "4.4.2" }, .n_bodies = 1 },
	{ "closing down at RCPT", bob,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S421 4.3.2 bye\r\n" },
	    .is_host = true, .kind = { QUEUE_TEMPORARY }, .code = { 421 },
	    .esc = { "4.3.2" } },
	{ "closing down behind the first of two", both,
	    { HELLO, FROM, "S250 ok\r\n", BOB, "S550 5.1.1 no\r\n", EVE,
		"S421 bye\r\n" },
	    .kind = { QUEUE_PERMANENT, QUEUE_TEMPORARY }, .code = { 550, 421 },
	    .esc = { "5.1.1", "4.0.0" } },
	{ "speaks out of turn", bob,
	    { HELLO, FROM, "S250 ok\r\n250 ok\r\n250 ok\r\n", "Z" },
	    .is_host = true, .kind = { QUEUE_TEMPORARY }, .code = { 451 },
	    .esc = { "4.5.0" } },
	{ "TLS that fails: once more in the clear", bob,
	    { "S220 mx\r\n", "CEHLO", "S250-mx\r\n250 STARTTLS\r\n",
		"CSTARTTLS", "S220 go\r\n", "Sno TLS at all\r\n", "Z", "N",
		"S220 mx\r\n", "CEHLO", "S250-mx\r\n250 STARTTLS\r\n", FROM,
		"S250 ok\r\n", BOB, "S250 ok\r\n", "CDATA", "S354 go\r\n", "D",
		"S250 kept\r\n", "Z" },
	    .kind = { QUEUE_DELIVERED }, .code = { 250 }, .esc = { "2.0.0" },
	    .in_dialogue = "without TLS", .n_bodies = 1 },
	{ "gone at STARTTLS: once more in the clear", bob,
	    { "S220 mx\r\n", "CEHLO", "S250-mx\r\n250 STARTTLS\r\n",
		"CSTARTTLS", "N", "S220 mx\r\n", "CEHLO",
		"S250-mx\r\n250 STARTTLS\r\n", FROM, "S250 ok\r\n", BOB,
		"S250 ok\r\n", "CDATA", "S354 go\r\n", "D", "S250 kept\r\n",
		"Z" },
	    .kind = { QUEUE_DELIVERED }, .code = { 250 }, .esc = { "2.0.0" },
	    .in_dialogue = "without TLS", .n_bodies = 1 },
	{ "words in the clear behind STARTTLS: the same", bob,
	    { "S220 mx\r\n", "CEHLO", "S250-mx\r\n250 STARTTLS\r\n",
		"CSTARTTLS", "S220 go\r\n250 logged in\r\n", "N", "S220 mx\r\n",
		"CEHLO", "S250-mx\r\n250 STARTTLS\r\n", FROM, "S250 ok\r\n",
		BOB, "S250 ok\r\n", "CDATA", "S354 go\r\n", "D",
		"S250 kept\r\n", "Z" },
	    .kind = { QUEUE_DELIVERED }, .code = { 250 }, .esc = { "2.0.0" },
	    .in_dialogue = "without TLS", .n_bodies = 1 },
	{ "421 at STARTTLS is no failure of TLS", bob,
	    { "S220 mx\r\n", "CEHLO", "S250-mx\r\n250 STARTTLS\r\n",
		"CSTARTTLS", "S421 4.3.2 bye\r\n" },
	    .is_host = true, .kind = { QUEUE_TEMPORARY }, .code = { 421 },
	    .esc = { "4.3.2" } },
};

static const struct slice small = { (const uint8_t *)"Subject: hi\r\n\r\n"
						     ".dot\r\nbody\r\n",
	27 };
static const char small_stuffed[] = "Subject: hi\r\n\r\n..dot\r\nbody\r\n";

static void
check_got(const struct got *got, size_t i)
{
	test_int(got->is_host_failure, cases[i].is_host);
	for (size_t k = 0; k < got->n; k++) {
		test_int(got->kind[k], cases[i].kind[k]);
		test_int(got->code[k], cases[i].code[k]);
		test_slice(slice_cstr(got->esc[k]),
		    slice_cstr(cases[i].esc[k]));
	}
	test_int(got->n, cases[i].rcpts == both ? 2 : 1);
	if (cases[i].in_dialogue != NULL &&
	    strstr(got->dialogue, cases[i].in_dialogue) == NULL)
		test_slice(slice_cstr(got->dialogue),
		    slice_cstr(cases[i].in_dialogue));
}

static void
servers_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench b = { .route = "[127.0.0.1]",
			.rcpts = cases[i].rcpts,
			.message = small,
			.is_8bit = cases[i].is_8bit,
			.greeting_time = cases[i].greeting_time,
			.dot_time = cases[i].dot_time,
			.lease = LEASE,
			.n_wanted = 1 };
		static struct server s;
		pthread_t thread;

		test_case(cases[i].what);
		server_open(&s, cases[i].steps);
		bench_fork(&b, s.port);
		test_int(pthread_create(&thread, NULL, server_run, &s), 0);
		bench_run(&b);
		(void)shutdown(s.listener, SHUT_RDWR);
		test_int(pthread_join(thread, NULL), 0);
		test_slice(slice_cstr(s.failed), SLICE(""));
		check_got(&b.got[0], i);
		test_int(s.n_received,
		    cases[i].n_bodies * (sizeof(small_stuffed) - 1));
		if (cases[i].n_bodies > 0)
			test_slice(slice_of(s.received, s.n_received),
			    slice_cstr(small_stuffed));
		(void)close(s.listener);
	}
}

/* The route by its MX; a large body; the second mail on the same connection. */
static void
one_connection_for_two(void **state)
{
	static const char *const steps[STEPS] = { HELLO, FROM, "S250 ok\r\n",
		BOB, "S250 ok\r\n", "CDATA", "S354 go\r\n", "D",
		"S250 kept\r\n", FROM, "S250 ok\r\n", BOB, "S250 ok\r\n",
		"CDATA", "S354 go\r\n", "D", "S250 kept too\r\n", "Z" };
	struct bench b = { .route = "two.example",
		.rcpts = bob,
		.lease = LEASE,
		.n_wanted = 2 };
	static char big[BIG];
	static struct server s;
	pthread_t thread;

	(void)state;
	test_case("two of 300 KiB");
	for (size_t i = 0; i < BIG; i++)
		big[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	b.message = slice_of(big, BIG);
	server_open(&s, steps);
	bench_fork(&b, s.port);
	test_int(pthread_create(&thread, NULL, server_run, &s), 0);
	bench_run(&b);
	(void)shutdown(s.listener, SHUT_RDWR);
	test_int(pthread_join(thread, NULL), 0);
	test_slice(slice_cstr(s.failed), SLICE(""));
	test_int(s.n_connections, 1);
	test_int(s.n_received, 2 * BIG);
	test_true(memcmp(s.received, big, BIG) == 0);
	test_true(memcmp(s.received + BIG, big, BIG) == 0);
	for (size_t i = 0; i < 2; i++)
		test_int(b.got[i].kind[0], QUEUE_DELIVERED);
	test_true(strstr(b.got[0].remote, "mx.two.example [127.0.0.1]:") ==
	    b.got[0].remote);
	test_true(strstr(b.got[1].dialogue, "open connection") != NULL);
	(void)close(s.listener);
}

#define SAYS "S220 mx\r\n", "CEHLO", "S250-mx\r\n250-PIPELINING\r\n250-"
#define TAKES "D", "S250 kept\r\n"

/* What a sender asked for, to servers that know of it and to others. */
static const struct {
	const char *what;
	struct wire_attempt wish;
	struct wire_rcpt rcpt;
	const char *steps[STEPS];
	size_t n_mails;
	uint16_t code;
	const char *esc;
	bool offers_dsn, offers_deliverby;
} wishes[] = {
	{ "DSN, BY, MT-PRIORITY and RRVS are passed on",
	    { .ret = 1,
		.envid = SLICE("e1"),
		.by_mode = MAIL_BY_NOTIFY,
		.by_trace = true,
		.deliver_by = -5,
		.priority = 7 },
	    { .notify = NOTIFY_SUCCESS | NOTIFY_DELAY,
		.orcpt = SLICE("rfc822;b@x.example"),
		.rrvs = TIME_SECOND },
	    { SAYS "DSN\r\n250-MT-PRIORITY\r\n250-RRVS\r\n250 DELIVERBY\r\n",
		FROM " RET=FULL ENVID=e1 BY=-",
		BOB_WITH " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@x.example "
			 "RRVS=1970-01-01T00:00:01Z;R\r\n",
		"CDATA", "S250 x\r\n250 x\r\n354 x\r\n", TAKES, "Z" },
	    1, 250, "2.0.0", true, true },
	{ "in time: to who promises it",
	    { .by_mode = MAIL_BY_RETURN, .deliver_by = 5000 }, { .row = 0 },
	    { SAYS "DSN\r\n250 DELIVERBY 4000\r\n", FROM " BY=49", BOB, "CDATA",
		"S250 x\r\n250 x\r\n354 x\r\n", TAKES, "Z" },
	    1, 250, "2.0.0", true, true },
	{ "in time: not to who needs longer",
	    { .by_mode = MAIL_BY_RETURN, .deliver_by = 3000 }, { .row = 0 },
	    { SAYS "DSN\r\n250 DELIVERBY 4000\r\n", "Z" }, 1, 554, "5.4.7",
	    true, true },
	{ "the server refuses what it offered", { .envid = SLICE("e1") },
	    { .row = 0 },
	    { SAYS "X\r\n250 DSN\r\n", FROM " ENVID=e1", BOB, "CDATA",
		"S555 5.5.4 no ENVID\r\n503 x\r\n503 x\r\n", "Z" },
	    1, 555, "5.5.4", true, false },
	{ "binary goes in chunks", { .is_binary = true }, { .row = 0 },
	    { SAYS "CHUNKING\r\n250 BINARYMIME\r\n", FROM " BODY=BINARYMIME",
		BOB, "S250 x\r\n250 x\r\n", "CBDAT 27\r\n", "R27", "S250 x\r\n",
		"CBDAT 0 LAST\r\n", "S250 kept\r\n", "Z" },
	    1, 250, "2.0.0", false, false },
	{ "a session of one mail (RFC 9422)", { .priority = 0 }, { .row = 0 },
	    { SAYS "X\r\n250 LIMITS MAILMAX=1\r\n", FROM, BOB, "CDATA",
		"S250 x\r\n250 x\r\n354 x\r\n", TAKES, "CQUIT", "S221 x\r\n",
		"N", SAYS "X\r\n250 x\r\n", FROM, BOB, "CDATA",
		"S250 x\r\n250 x\r\n354 x\r\n", TAKES, "Z" },
	    2, 250, "2.0.0", false, false },
};

static void
wishes_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct bench b = { .route = "[127.0.0.1]",
			.rcpts = bob,
			.message = small,
			.wish = &wishes[i].wish,
			.rcpt_wish = &wishes[i].rcpt,
			.lease = LEASE,
			.n_wanted = wishes[i].n_mails };
		const struct got *got = &b.got[wishes[i].n_mails - 1];
		static struct server s;
		pthread_t thread;

		test_case(wishes[i].what);
		server_open(&s, wishes[i].steps);
		bench_fork(&b, s.port);
		test_int(pthread_create(&thread, NULL, server_run, &s), 0);
		bench_run(&b);
		(void)shutdown(s.listener, SHUT_RDWR);
		test_int(pthread_join(thread, NULL), 0);
		test_slice(slice_cstr(s.failed), SLICE(""));
		test_int(got->code[0], wishes[i].code);
		test_slice(slice_cstr(got->esc[0]), slice_cstr(wishes[i].esc));
		test_int(got->offers_dsn, wishes[i].offers_dsn);
		test_int(got->offers_deliverby, wishes[i].offers_deliverby);
		if (wishes[i].wish.is_binary)
			test_slice(slice_of(s.received, s.n_received), small);
		(void)close(s.listener);
	}
}

/* Composed here and sent as far as the credit goes; its form is the affair of
 * queue/bounce. */
static void
notices_are_made(void **state)
{
	static char content[LIMIT_BOUNCE_CONTENT];
	static const struct {
		const char *what, *sender;
		bool is_full, takes_8bit, is_8bit, is_smtputf8;
		size_t least;
	} notices[] = {
		{ "a small one", "anna@one.example", false, false, false, false,
		    500 },
		{ "more than the credit", "anna@one.example", true, false,
		    false, false, LIMIT_CREDIT },
		{ "as it is", "anna@one.example", true, true, true, false,
		    LIMIT_BOUNCE_CONTENT },
		{ "to UTF-8", "\xc3\xa9@one.example", false, false, true, true,
		    500 },
	};

	(void)state;
	for (size_t i = 0; i < LIMIT_BOUNCE_CONTENT; i += 4)
		memcpy(content + i,
		    i % 256 == 252 ? "\xc3\xa9\r\n" : "\xc3\xa9xy", 4);
	for (size_t i = 0; i < sizeof(notices) / sizeof(notices[0]); i++) {
		struct wire_bounce_make m = { .message = { { 1 } },
			.sender = slice_cstr(notices[i].sender),
			.hostname = SLICE("mx.one.example"),
			.header = slice_of(content,
			    notices[i].is_full ? sizeof(content) : 256),
			.is_full = notices[i].is_full,
			.is_smtputf8 = true,
			.takes_8bit = notices[i].takes_8bit };
		struct wire_outcome o = { .row = 1, .code = 550, .class = 5 };
		struct wire_rcpt rcpt = { .row = 1,
			.address = SLICE("bob@two.example") };
		struct bench b = { .notice = &m };
		struct buf rows, rcpts;

		test_case(notices[i].what);
		buf_init(&rows, 1000);
		buf_init(&rcpts, 1000);
		buf_init(&b.body, 1024 * 1024);
		test_int(wire_outcome_add(&rows, &o), 0);
		test_int(wire_rcpt_add(&rcpts, &rcpt), 0);
		m.rows = (struct wire_list){ buf_slice(&rows), 1 };
		m.rcpts = (struct wire_list){ buf_slice(&rcpts), 1 };
		bench_fork(&b, 1);
		bench_run(&b);
		test_int(b.body.len, b.announced);
		test_true(b.body.len > notices[i].least);
		test_true(slice_starts(buf_slice(&b.body),
		    SLICE("Return-Path: <>\r\nFrom: ")));
		test_true(slice_ends(buf_slice(&b.body), SLICE("--\r\n")));
		test_int(b.is_8bit_notice, notices[i].is_8bit);
		test_int(b.is_smtputf8_notice, notices[i].is_smtputf8);
		buf_deinit(&rows);
		buf_deinit(&rcpts);
		buf_deinit(&b.body);
	}
}

static const struct {
	const char *what, *route;
	uint16_t mx_rcode;
	bool resolver_is_dead;
	int64_t lease;
	uint8_t kind;
	const char *esc;
	bool is_host, is_soon;
} unreachable[] = {
	{ "nobody listens", "[127.0.0.1]", 0, false, LEASE, QUEUE_TEMPORARY,
	    "4.4.1", true },
	{ "nobody listens at the MX", "two.example", 0, false, LEASE,
	    QUEUE_TEMPORARY, "4.4.1", true },
	{ "no such domain", "two.example", DNS_NXDOMAIN, false, LEASE,
	    QUEUE_PERMANENT, "5.1.2", false },
	{ "no answer from the DNS", "two.example", DNS_NO_ANSWER, false, LEASE,
	    QUEUE_TEMPORARY, "4.4.3", true, true },
	{ "the resolver dies", "two.example", 0, true, LEASE, QUEUE_TEMPORARY,
	    "4.4.3", true, true },
	{ "the lease is over before it begins", "[127.0.0.1]", 0, false, 0,
	    QUEUE_TEMPORARY, "4.4.2", true },
};

static void
unreachable_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unreachable) / sizeof(unreachable[0]);
	     i++) {
		struct bench b = { .route = unreachable[i].route,
			.rcpts = bob,
			.message = small,
			.mx_rcode = unreachable[i].mx_rcode,
			.resolver_is_dead = unreachable[i].resolver_is_dead,
			.lease = unreachable[i].lease,
			.n_wanted = 1 };
		static struct server s; /* only for a port nobody has */

		test_case(unreachable[i].what);
		server_open(&s, NULL);
		(void)close(s.listener);
		bench_fork(&b, s.port);
		bench_run(&b);
		test_int(b.got[0].n, 1);
		test_int(b.got[0].kind[0], unreachable[i].kind);
		test_slice(slice_cstr(b.got[0].esc[0]),
		    slice_cstr(unreachable[i].esc));
		test_int(b.got[0].is_host_failure, unreachable[i].is_host);
		test_int(b.got[0].is_soon, unreachable[i].is_soon);
	}
}

TEST_MAIN(cmocka_unit_test(servers_by_table),
    cmocka_unit_test(notices_are_made), cmocka_unit_test(wishes_by_table),
    cmocka_unit_test(one_connection_for_two),
    cmocka_unit_test(unreachable_by_table))
