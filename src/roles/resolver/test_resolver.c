/* SPDX-License-Identifier: ISC */
/*
 * A resolver in a process of its own, asked as a courier asks, above a made-up
 * name server on loopback: answers, refusals, forms that are none, silence.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "base/time.h"
#include "policy/dns.h"
#include "roles/role.h"
#include "sys/env_posix.h"

#define BYTES(lit)                                                             \
	{                                                                      \
		(const uint8_t *)lit, sizeof(lit) - 1                          \
	}

enum {
	PACKET = 512
};

/* -- the name server
 * ------------------------------------------------------------ */

static const struct zone_row {
	const char *name;
	uint16_t type;
	struct slice rdata;
} zone[] = {
	{ "two.example", DNS_MX, BYTES("\0\x0a\2mx\3two\7example\0") },
	{ "two.example", DNS_MX, BYTES("\0\x14\3mx2\3two\7example\0") },
	{ "mx.two.example", DNS_A, BYTES("\xc0\0\2\1") },
	{ "alias.example", DNS_CNAME, BYTES("\2mx\3two\7example\0") },
	{ "empty.two.example", DNS_TXT, BYTES("\1x") },
};

static size_t
put_u16(uint8_t *at, unsigned n)
{
	at[0] = (uint8_t)(n >> 8);
	at[1] = (uint8_t)n;
	return 2;
}

/* "" for the root; false when the packet is no question. */
static bool
read_question(const uint8_t *in, size_t n, char name[DNS_NAME_TEXT],
    uint16_t *type, size_t *end)
{
	struct slice rest = slice_of(in + 12, n - 12);
	size_t before = rest.len;

	if (!dns_name_take(&rest, name) || rest.len < 4)
		return false;
	*type = (uint16_t)(rest.at[0] << 8 | rest.at[1]);
	*end = 12 + before - rest.len + 4;
	return true;
}

static bool
name_is_known(const char *name)
{
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		if (slice_ends(slice_cstr(zone[i].name), slice_cstr(name)))
			return true;
	return false;
}

static size_t
put_answers(uint8_t *out, size_t at, const char *name, uint16_t type,
    unsigned *n_answers)
{
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++) {
		if (strcmp(zone[i].name, name) != 0 ||
		    (zone[i].type != type && zone[i].type != DNS_CNAME))
			continue;
		at += put_u16(out + at, 0xc00c);
		at += put_u16(out + at, zone[i].type);
		at += put_u16(out + at, 1);
		at += put_u16(out + at, 0);
		at += put_u16(out + at, 300);
		at += put_u16(out + at, (unsigned)zone[i].rdata.len);
		memcpy(out + at, zone[i].rdata.at, zone[i].rdata.len);
		at += zone[i].rdata.len;
		(*n_answers)++;
	}
	return at;
}

/* A denial names the zone that denies (RFC 2308, 3): here the root. */
static size_t
put_soa(uint8_t *out, size_t at)
{
	static const uint8_t soa[] = { 0, 0, DNS_SOA, 0, 1, 0, 0, 1, 44, 0, 22,
		0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0,
		60 };

	memcpy(out + at, soa, sizeof(soa));
	return at + sizeof(soa);
}

static void *
serve(void *ctx)
{
	int fd = *(int *)ctx;
	uint8_t in[PACKET], out[PACKET];

	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		char name[DNS_NAME_TEXT];
		ssize_t n = recvfrom(fd, in, sizeof(in), 0,
		    (struct sockaddr *)&from, &len);
		unsigned n_answers = 0, rcode = 0;
		uint16_t type;
		size_t end;

		if (n < 0 && errno != EAGAIN)
			return NULL;
		if (n == 1) /* the test's end */
			return NULL;
		if (n < 12 || !read_question(in, (size_t)n, name, &type, &end))
			continue;
		if (strcmp(name, "silent.example") == 0)
			continue;
		memcpy(out, in, end);
		if (strcmp(name, "broken.example") == 0)
			rcode = DNS_SERVFAIL;
		else if (!name_is_known(name))
			rcode = DNS_NXDOMAIN;
		end = put_answers(out, end, name, type, &n_answers);
		out[2] = 0x84; /* an answer, with authority */
		out[3] = (uint8_t)rcode;
		if (n_answers == 0)
			end = put_soa(out, end);
		(void)put_u16(out + 6, n_answers);
		(void)put_u16(out + 8, n_answers == 0);
		(void)put_u16(out + 10, 0);
		(void)sendto(fd, out, end, 0, (struct sockaddr *)&from, len);
	}
}

/* -- the questions
 * ---------------------------------------------------------------- */

static const struct {
	const char *name;
	uint16_t type;
	uint16_t rcode[2]; /* either will do */
	size_t n;
	struct slice first;
	const char *canonical;
} questions[] = {
	{ "two.example", DNS_MX, { 0, 0 }, 2,
	    BYTES("\0\x0a\2mx\3two\7example\0"), "two.example" },
	{ "alias.example", DNS_A, { 0, 0 }, 1, BYTES("\xc0\0\2\1"),
	    "mx.two.example" },
	{ "empty.two.example", DNS_MX, { 0, 0 }, 0, { 0 },
	    "empty.two.example" },
	{ "nobody.example", DNS_MX, { DNS_NXDOMAIN, DNS_NXDOMAIN }, 0, { 0 },
	    "nobody.example" },
	{ "broken.example", DNS_MX, { DNS_SERVFAIL, DNS_NO_ANSWER }, 0, { 0 },
	    NULL },
	{ "not a name", DNS_MX, { DNS_NXDOMAIN, DNS_NXDOMAIN }, 0, { 0 },
	    NULL },
	{ "silent.example", DNS_MX, { DNS_NO_ANSWER, DNS_SERVFAIL }, 0, { 0 },
	    NULL },
};
enum {
	N_QUESTIONS = sizeof(questions) / sizeof(questions[0])
};

struct bench {
	struct env *env;
	struct channel supervisor, courier;
	struct env_timer timer;
	unsigned n_answered;
	bool is_answered[N_QUESTIONS], has_timed_out;
};

static void
check_answer(const struct wire_dns_answer *m, size_t i)
{
	struct wire_list rows = m->records;
	struct wire_dns_record row;

	test_case(questions[i].name);
	if (m->rcode != questions[i].rcode[0])
		test_int(m->rcode, questions[i].rcode[1]);
	test_true(!m->secure && !m->bogus);
	test_int(m->records.n, questions[i].n);
	if (questions[i].canonical != NULL)
		test_slice(m->canonical, slice_cstr(questions[i].canonical));
	if (questions[i].n == 0)
		return;
	test_int(m->ttl, 300);
	for (size_t k = 0; k < questions[i].n; k++) {
		test_true(wire_dns_record_next(&rows, &row));
		if (slice_equal(row.data, questions[i].first))
			return; /* their order is not promised */
	}
	test_true(false);
}

static int
on_dns_answer(struct channel *c, const struct wire_head *h,
    const struct wire_dns_answer *m)
{
	struct bench *b = c->ctx;
	size_t i = (size_t)(h->session - 40);

	test_true(i < N_QUESTIONS && !b->is_answered[i]);
	test_int(h->ticket, 70 + i);
	b->is_answered[i] = true;
	check_answer(m, i);
	if (++b->n_answered == N_QUESTIONS)
		env_stop(b->env);
	return 0;
}

static int
courier_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_courier_handlers handlers = {
		.dns_answer = on_dns_answer,
	};

	return wire_dispatch_courier(&handlers, c, c->peer, h, payload, fd);
}

static int
on_ready(struct channel *c, const struct wire_head *h,
    const struct wire_ready *m)
{
	struct bench *b = c->ctx;

	(void)h;
	(void)m;
	for (uint32_t i = 0; i < N_QUESTIONS; i++) {
		struct wire_dns_ask ask = { .name =
						slice_cstr(questions[i].name),
			.type = questions[i].type };

		test_int(wire_send_dns_ask(&b->courier, 40 + i, 70 + i, &ask),
		    0);
	}
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

static const struct channel_ops supervisor_ops = {
	.dispatch = supervisor_dispatch,
	.on_closed = channel_close,
};
static const struct channel_ops courier_ops = {
	.dispatch = courier_dispatch,
	.on_closed = channel_close,
};

static void
on_timeout(struct env_timer *t)
{
	struct bench *b = LIST_ENTRY(t, struct bench, timer);

	b->has_timed_out = true;
	env_stop(b->env);
}

static void
run_resolver(int fd, uint16_t port)
{
	struct settings s = { .hostname = "one.example",
		.resolver_permit_loopback = true };
	struct env_posix_options options = { .role = "resolver",
		.log_level = ENV_ERROR };
	struct env *env;
	int status = 99;

	(void)snprintf(s.resolver_stubs, sizeof(s.resolver_stubs),
	    "# the root is here\n. 127.0.0.1@%u\n", port);
	if (env_posix_new(&options, &env) == 0) {
		status = role_resolver(env, &s, fd);
		env_posix_free(env);
	}
	exit(status);
}

static void
make_pair(int fds[2])
{
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
}

/* No thread may live yet, or the child could inherit a locked allocator. */
static pid_t
fork_resolver(int up[2], uint16_t port)
{
	pid_t pid;

	make_pair(up);
	(void)fflush(NULL);
	pid = fork();
	test_true(pid >= 0);
	if (pid == 0) {
		(void)close(up[0]);
		run_resolver(up[1], port);
	}
	(void)close(up[1]);
	return pid;
}

static void
bench_run(struct bench *b, pid_t pid, int up)
{
	struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR };
	struct wire_peer peer = {
		.role = WIRE_COURIER, .instance = 5, .purpose = PEER_CHANNEL
	};
	struct wire_start start = { .instance = 9 };
	int fds[2], status;

	test_int(env_posix_new(&options, &b->env), 0);
	test_int(channel_open(&b->supervisor, b->env, b, up, WIRE_SUPERVISOR,
		     WIRE_RESOLVER, 1, &supervisor_ops),
	    0);
	make_pair(fds);
	test_int(channel_open(&b->courier, b->env, b, fds[0], WIRE_COURIER,
		     WIRE_RESOLVER, 1, &courier_ops),
	    0);
	test_int(wire_send_peer(&b->supervisor, 0, 0, &peer, fds[1]), 0);
	(void)close(fds[1]);
	test_int(wire_send_start(&b->supervisor, 0, 0, &start), 0);
	b->timer.fire = on_timeout;
	test_int(env_timer_set(b->env, &b->timer,
		     env_now(b->env) + 2 * TIME_MINUTE),
	    0);
	test_int(env_run(b->env), 0);
	env_timer_stop(b->env, &b->timer);
	channel_close(&b->courier);
	channel_close(&b->supervisor);
	env_posix_free(b->env);
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}

static void
questions_are_answered(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	struct bench b = { 0 };
	pthread_t thread;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), up[2];
	pid_t pid;

	(void)state;
	test_true(fd >= 0);
	test_int(bind(fd, (struct sockaddr *)&a, len), 0);
	test_int(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	pid = fork_resolver(up, ntohs(a.sin_port));
	test_int(pthread_create(&thread, NULL, serve, &fd), 0);
	bench_run(&b, pid, up[0]);
	test_true(sendto(fd, "", 1, 0, (struct sockaddr *)&a, len) == 1);
	test_int(pthread_join(thread, NULL), 0);
	(void)close(fd);
	for (size_t i = 0; i < N_QUESTIONS; i++) {
		test_case(questions[i].name);
		test_true(b.is_answered[i]);
	}
	test_true(!b.has_timed_out);
}

TEST_MAIN(cmocka_unit_test(questions_are_answered))
