/* SPDX-License-Identifier: ISC */
/*
 * failure/test_front - a new client while memory runs out
 *
 * Each allocation that a front makes for a new connection fails, alone and
 * with all that come after it. The client hears the greeting, or in one line
 * that it should come again (RFC 5321 3.8, RFC 3501 7.1.5, RFC 2449 8.1.1);
 * never nothing, never a reset. The front gives everything back and serves
 * the next. Over TCP, because only there a reset can be told from an end.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "alloc.h"
#include "base/test.h"
#include "base/time.h"
#include "roles/front/conn.h"
#include "sys/env_posix.h"

static const struct door {
	const char *what;
	unsigned service;
	const struct conn_proto *proto;
	const struct role_ops *ops;
	struct slice greeting, sorry;
} doors[] = {
	{ "mx", SERVICE_MX, &smtp_proto, &front_mx_ops, SLICE("220 "),
	    SLICE("421 4.3.2 ") },
	{ "submission", SERVICE_SUBMISSION, &smtp_proto, &front_user_ops,
	    SLICE("220 "), SLICE("421 4.3.2 ") },
	{ "imap", SERVICE_IMAP, &imap_proto, &front_user_ops, SLICE("* OK "),
	    SLICE("* BYE ") },
	{ "pop3", SERVICE_POP3, &pop3_proto, &front_user_ops, SLICE("+OK "),
	    SLICE("-ERR ") },
};

struct world {
	const struct door *door;
	struct env *env;
	struct settings settings;
	struct role role;
	struct front front;
	struct env_timer stop;
	int client, server;
	unsigned n_sorry;
};

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct world, stop)->env);
}

/* What is said goes out at the end of the turn in which it is said, before
 * any timer: a few turns are enough, however slow they are. */
static void
turns(struct world *w, bool is_tried)
{
	int r;

	w->stop.fire = on_stop;
	for (int i = 0; i < 4; i++) {
		test_int(env_timer_set(w->env, &w->stop, env_now(w->env)), 0);
		r = is_tried ? ALLOC_IN(env_run(w->env)) : env_run(w->env);
		test_int(r, 0);
	}
}

/* Both ends of a connection on loopback. */
static void
connect_both(struct world *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	test_int(bind(fd, (struct sockaddr *)&a, n), 0);
	test_int(listen(fd, 1), 0);
	test_int(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	w->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	test_int(connect(w->client, (struct sockaddr *)&a, sizeof(a)), 0);
	w->server = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	test_true(w->server >= 0);
	(void)close(fd);
}

static void
world_open(struct world *w)
{
	struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR };

	test_int(env_posix_new(&options, &w->env), 0);
	(void)snprintf(w->settings.hostname, sizeof(w->settings.hostname),
	    "mx.one.example");
	w->settings.max_size = 1000;
	w->settings.smtp_idle = w->settings.imap_idle = w->settings.pop3_idle =
	    TIME_HOUR;
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = w->door->ops,
		.ctx = &w->front };
	test_int(w->door->ops->prepare(&w->role), 0);
	/* The loop's own memory, for the timer of the test. */
	turns(w, false);
}

/* One line came, whole, and behind a sorry the end of the stream. */
static bool
check_heard(struct world *w)
{
	char at[600];
	ssize_t n = recv(w->client, at, sizeof(at), MSG_DONTWAIT);
	struct slice heard = slice_of(at, n < 0 ? 0 : (size_t)n), line;
	bool is_greeted = slice_starts(heard, w->door->greeting);

	test_true(slice_take_crlf_line(&heard, &line));
	test_int(heard.len, 0);
	n = recv(w->client, at, 1, MSG_DONTWAIT);
	if (is_greeted) {
		test_true(n == -1 && errno == EAGAIN);
		return true;
	}
	test_true(slice_starts(line, w->door->sorry));
	test_int(n, 0);
	w->n_sorry++;
	return false;
}

/* True when the client is served. */
static bool
serve_one(struct world *w, bool is_tried)
{
	struct env_addr peer = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	bool is_greeted;

	connect_both(w);
	if (is_tried)
		ALLOC_IN_VOID((void)conn_new(&w->front, w->server, &peer,
		    w->door->service, w->door->proto, false));
	else
		(void)conn_new(&w->front, w->server, &peer, w->door->service,
		    w->door->proto, false);
	turns(w, is_tried);
	is_greeted = check_heard(w);
	(void)close(w->client);
	turns(w, false);
	test_int(front_own(&w->front)->n_conns, 0);
	test_int(w->front.memory.used, 0);
	return is_greeted;
}

static bool
run(void *ctx)
{
	struct world *w = ctx;
	bool is_greeted;

	world_open(w);
	is_greeted = serve_one(w, true);
	test_true(serve_one(w, false)); /* there is memory again */
	w->door->ops->deinit(&w->role);
	env_posix_free(w->env);
	return is_greeted;
}

static void
a_word_for_everybody(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++) {
		static struct world w;

		test_case(doors[i].what);
		memset(&w, 0, sizeof(w));
		w.door = &doors[i];
		test_true(alloc_each(doors[i].what, run, &w) >= 4);
		/* Both alone and with all that follow. */
		test_true(w.n_sorry >= 8);
	}
}

TEST_MAIN(cmocka_unit_test(a_word_for_everybody))
