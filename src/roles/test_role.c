/* SPDX-License-Identifier: ISC */
/*
 * A role's life as its supervisor sees it: what it is given, READY, STOP, the
 * end of the channel, failures at each step, and frames it must not accept.
 * Runs in this process, so with the sandbox off.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "base/time.h"
#include "roles/role.h"
#include "sys/env_posix.h"

struct story {
	int prepare_result, started_result;
	bool has_stop, was_stopped, was_ready;
	int n_peers, n_listeners, n_deinit;
	uint32_t instance;
	int status;
	struct env_timer late;
	struct env *env;
};

static int
prepare(struct role *r)
{
	return ((struct story *)r->ctx)->prepare_result;
}

static void
on_peer(struct role *r, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct story *s = r->ctx;

	test_int(peer, WIRE_STORE);
	test_int(instance, 7);
	test_int(purpose, PEER_SIGNING);
	test_true(fcntl(fd, F_GETFD) >= 0);
	env_close(r->env, fd, false);
	s->n_peers++;
}

static void
on_listener(struct role *r, unsigned service, uint16_t port, int fd)
{
	struct story *s = r->ctx;

	test_int(service, SERVICE_MX);
	test_int(port, 25);
	env_close(r->env, fd, false);
	s->n_listeners++;
}

static int
started(struct role *r)
{
	struct story *s = r->ctx;

	test_int(s->n_peers, 1);
	test_int(s->n_listeners, 1);
	s->instance = r->instance;
	return s->started_result;
}

static void
stop(struct role *r)
{
	((struct story *)r->ctx)->was_stopped = true;
	role_end(r, 0);
}

static void
deinit(struct role *r)
{
	((struct story *)r->ctx)->n_deinit++;
}

static const struct role_ops ops = { .self = WIRE_MX,
	.prepare = prepare,
	.on_peer = on_peer,
	.on_listener = on_listener,
	.started = started,
	.stop = stop,
	.deinit = deinit };

/* -- the supervisor's end
 * ---------------------------------------------------------- */

enum act {
	GIVE,
	START,
	STOP,
	START_TWICE,
	BAD_FRAME,
	FOREIGN_FRAME,
	HANG_UP
};

static void
give(struct channel *c)
{
	struct wire_peer peer = {
		.role = WIRE_STORE, .instance = 7, .purpose = PEER_SIGNING
	};
	struct wire_listener listener = { .service = SERVICE_MX, .port = 25 };
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	test_int(wire_send_peer(c, 0, 0, &peer, fd), 0);
	test_int(wire_send_listener(c, 0, 0, &listener, fd), 0);
	test_int(close(fd), 0);
}

static void
send_start(struct channel *c)
{
	struct wire_start m = { .instance = 42 };

	test_int(wire_send_start(c, 0, 0, &m), 0);
}

static void
send_stop(struct channel *c)
{
	struct wire_stop m = { 0 };

	test_int(wire_send_stop(c, 0, 0, &m), 0);
}

static void
send_raw(struct channel *c, uint16_t type)
{
	struct wire_head h = { .type = type };
	uint8_t at[WIRE_HEAD];

	wire_head_encode(&h, at);
	test_int(buf_add(channel_out(c), slice_of(at, sizeof(at))), 0);
	env_defer(c->env, &c->flush);
}

static void
act(struct channel *c, enum act what)
{
	if (what == GIVE)
		give(c);
	if (what == START || what == START_TWICE)
		send_start(c);
	if (what == START_TWICE)
		send_start(c);
	if (what == STOP)
		send_stop(c);
	if (what == BAD_FRAME)
		send_raw(c, WIRE_START);
	if (what == FOREIGN_FRAME)
		send_raw(c, WIRE_CERTS_END);
	if (what == HANG_UP) {
		c->flush.run(&c->flush);
		channel_close(c);
	}
}

static int
on_ready(struct channel *c, const struct wire_head *h,
    const struct wire_ready *m)
{
	(void)h, (void)m;
	((struct story *)c->ctx)->was_ready = true;
	send_stop(c);
	return 0;
}

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_supervisor_handlers to = { .ready = on_ready };

	return wire_dispatch_supervisor(&to, c, c->peer, h, payload, fd);
}

static const struct channel_ops supervisor_ops = { .dispatch = dispatch };

static void
on_late(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct story, late)->env);
}

enum {
	NEVER = 0,
	READY = 1,
	STOPPED = 2
};

static const struct {
	const char *what;
	int prepare, started;
	enum act acts[4];
	int n_acts;
	int status, seen; /* READY, STOPPED */
} stories[] = {
	{ "start, ready, stop", 0, 0, { GIVE, START }, 2, 0, READY | STOPPED },
	{ "prepare fails", -ENOENT, 0, { GIVE, START }, 2, ROLE_EXIT_TROUBLE,
	    NEVER },
	{ "prepare wants no restart", ROLE_EXIT_CONFIG, 0, { GIVE, START }, 2,
	    ROLE_EXIT_CONFIG, NEVER },
	{ "started fails", 0, -EIO, { GIVE, START }, 2, ROLE_EXIT_TROUBLE,
	    NEVER },
	{ "started wants no restart", 0, ROLE_EXIT_CONFIG, { GIVE, START }, 2,
	    ROLE_EXIT_CONFIG, NEVER },
	{ "stop before start", 0, 0, { GIVE, STOP }, 2, 0, NEVER },
	{ "the supervisor dies", 0, 0, { GIVE, HANG_UP }, 2, ROLE_EXIT_TROUBLE,
	    NEVER },
	{ "a second start", 0, 0, { GIVE, START_TWICE }, 2, ROLE_EXIT_TROUBLE,
	    NEVER },
	{ "a start without its field", 0, 0, { GIVE, BAD_FRAME }, 2,
	    ROLE_EXIT_TROUBLE, NEVER },
	{ "a frame that supervisors do not send", 0, 0, { GIVE, FOREIGN_FRAME },
	    2, ROLE_EXIT_TROUBLE, NEVER },
};

static void
tell(size_t i, struct story *s)
{
	struct env_posix_options o = { .role = "mx" };
	struct settings settings = { .sandbox = false };
	struct channel c;
	int fds[2], null_fd;

	test_case(stories[i].what);
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	o.log_fd = null_fd;
	*s = (struct story){ .prepare_result = stories[i].prepare,
		.started_result = stories[i].started,
		.late.fire = on_late };
	test_int(env_posix_new(&o, &s->env), 0);
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	test_int(channel_open(&c, s->env, s, fds[0], WIRE_SUPERVISOR, WIRE_MX,
		     1, &supervisor_ops),
	    0);
	for (int k = 0; k < stories[i].n_acts; k++)
		act(&c, stories[i].acts[k]);
	(void)env_timer_set(s->env, &s->late,
	    env_now(s->env) + 10 * TIME_SECOND);
	s->status = role_run(s->env, &settings, fds[1], &ops, s);
	test_true(s->late.slot != 0); /* it did not take too long */
	env_timer_stop(s->env, &s->late);
	channel_close(&c);
	test_int(fcntl(fds[1], F_GETFD), -1); /* role_run took it over */
	env_posix_free(s->env);
	(void)close(null_fd);
}

static void
stories_end_as_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct story s;

		tell(i, &s);
		test_int(s.status, stories[i].status);
		test_int(s.was_ready, (stories[i].seen & READY) != 0);
		test_int(s.was_stopped, (stories[i].seen & STOPPED) != 0);
		test_int(s.n_deinit, 1);
		if (s.was_ready)
			test_int(s.instance, 42);
	}
}

TEST_MAIN(cmocka_unit_test(stories_end_as_told))
