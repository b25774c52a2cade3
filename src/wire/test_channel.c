/* SPDX-License-Identifier: ISC */
/*
 * Two channels over a socketpair in one loop: frames, descriptors, closing
 * inside handlers, and peers that break the rules.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/test.h"
#include "base/time.h"
#include "sys/env_posix.h"
#include "wire/channel.h"

struct end {
	struct channel *channel; /* allocated, so that ASan sees its end */
	struct env *env;
	int n_frames, n_closed, n_room;
	int stop_at; /* frames */
	bool close_in_handler, throw_out_in_handler, fail_in_handler;
	struct slice last_text; /* valid inside the handler only */
	char name[600];
	int fd;
};

static int
on_frame(struct end *e)
{
	e->n_frames++;
	if (e->n_frames == e->stop_at)
		env_stop(e->env);
	if (e->close_in_handler) {
		channel_close(e->channel);
		free(e->channel);
		e->channel = NULL;
	}
	if (e->throw_out_in_handler)
		channel_throw_out(e->channel, "test");
	return e->fail_in_handler ? -EPROTO : 0;
}

static int
on_status(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_status *m)
{
	struct end *e = c->ctx;
	int r;

	test_int(h->session, 77);
	test_int(h->ticket, (uint32_t)m->handle);
	r = on_frame(e);
	/* also after the channel is closed */
	(void)slice_to_cstr(m->name, e->name, sizeof(e->name));
	return r;
}

static int
on_peer(struct channel *c, const struct wire_head *h, const struct wire_peer *m,
    int fd)
{
	struct end *e = c->ctx;
	char byte;

	(void)h;
	test_int(read(fd, &byte, 1), 1);
	test_int(byte, 'a' + (int)m->instance);
	env_close(c->env, fd, false);
	return on_frame(e);
}

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_store_handlers to = {
		.mailbox_status = on_status, .peer = on_peer
	};

	return wire_dispatch_store(&to, c, c->peer, h, payload, fd);
}

static void
on_closed(struct channel *c)
{
	struct end *e = c->ctx;

	test_true(channel_is_dead(c));
	e->n_closed++;
	channel_close(c); /* harmless */
	free(c);
	e->channel = NULL;
	env_stop(e->env);
}

static void
on_room(struct channel *c)
{
	((struct end *)c->ctx)->n_room++;
}

static const struct channel_ops ops = { dispatch, on_closed, on_room };

static struct env *env;
static int null_fd;

static void
open_end(struct end *e, int fd, enum wire_role self, enum wire_role peer)
{
	*e = (struct end){ .env = env, .fd = fd };
	e->channel = malloc(sizeof(*e->channel));
	test_true(e->channel != NULL);
	test_int(channel_open(e->channel, env, e, fd, self, peer, 5, &ops), 0);
}

static void
open_pair(struct end *a, enum wire_role role, struct end *store)
{
	int fds[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	open_end(a, fds[0], role, WIRE_STORE);
	open_end(store, fds[1], WIRE_STORE, role);
}

static void
close_end(struct end *e)
{
	if (e->channel == NULL)
		return;
	channel_close(e->channel);
	free(e->channel);
	e->channel = NULL;
}

static void
send_status(struct end *e, uint32_t n, const char *name)
{
	struct wire_mailbox_status m = { .handle = n,
		.name = slice_cstr(name) };

	test_int(wire_send_mailbox_status(e->channel, 77, n, &m), 0);
}

static void
frames_arrive_in_order(void **state)
{
	struct end user, store;

	(void)state;
	open_pair(&user, WIRE_USER, &store);
	for (uint32_t i = 0; i < 5000; i++)
		send_status(&user, i, i % 2 ? "Work/\xc3\xa4" : "INBOX");
	store.stop_at = 5000;
	test_int(env_run(env), 0);
	test_int(store.n_frames, 5000);
	assert_string_equal(store.name, "Work/\xc3\xa4");
	close_end(&user);
	test_int(env_run(env), 0);
	test_int(store.n_closed, 1);
}

/* Descriptors among frames without: each lands at its own frame. */
static void
descriptors_ride_on_their_frame(void **state)
{
	struct end super, store;
	int fds[2];

	(void)state;
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	open_end(&super, fds[0], WIRE_SUPERVISOR, WIRE_STORE);
	open_end(&store, fds[1], WIRE_STORE, WIRE_SUPERVISOR);
	for (uint32_t i = 0; i < 20; i++) {
		struct wire_peer m = { .role = WIRE_MX, .instance = i };
		char byte = (char)('a' + i);
		int p[2];

		test_int(pipe(p), 0);
		test_int(write(p[1], &byte, 1), 1);
		test_int(wire_send_peer(super.channel, 0, 0, &m, p[0]), 0);
		test_int(close(p[0]), 0);
		test_int(close(p[1]), 0);
	}
	store.stop_at = 20;
	test_int(env_run(env), 0);
	test_int(store.n_frames, 20);
	close_end(&super);
	close_end(&store);
}

static void
closing_in_a_handler(void **state)
{
	struct end user, store;

	(void)state;
	open_pair(&user, WIRE_USER, &store);
	store.close_in_handler = true;
	send_status(&user, 1, "first");
	send_status(&user, 2, "second");
	test_int(env_run(env), 0); /* the user end sees the end */
	test_int(store.n_frames, 1);
	test_int(store.n_closed, 0);
	test_int(user.n_closed, 1);
	assert_string_equal(store.name, "first");
}

static void
throwing_out_in_a_handler(void **state)
{
	struct end user, store;

	(void)state;
	open_pair(&user, WIRE_USER, &store);
	store.throw_out_in_handler = true;
	send_status(&user, 1, "first");
	send_status(&user, 2, "second");
	while (store.n_closed == 0 || user.n_closed == 0)
		test_int(env_run(env), 0);
	test_int(store.n_frames, 1);
	assert_string_equal(store.name, "first");
}

static void
failing_handler_ends_the_channel(void **state)
{
	struct end user, store;

	(void)state;
	open_pair(&user, WIRE_USER, &store);
	store.fail_in_handler = true;
	send_status(&user, 1, "first");
	send_status(&user, 2, "second");
	while (store.n_closed == 0 || user.n_closed == 0)
		test_int(env_run(env), 0);
	test_int(store.n_frames, 1);
}

/* What was said before the end is heard, although our own words no longer
 * arrive. */
static void
last_words_are_heard(void **state)
{
	struct end user, store;
	struct wire_mailbox_done done = { 0 };

	(void)state;
	open_pair(&user, WIRE_USER, &store);
	send_status(&user, 1, "last");
	user.channel->flush.run(&user.channel->flush);
	env_defer_cancel(env, &user.channel->flush);
	close_end(&user);
	test_int(wire_send_mailbox_done(store.channel, 1, 1, &done), 0);
	store.channel->flush.run(&store.channel->flush);
	test_int(env_run(env), 0);
	test_int(store.n_frames, 1);
	test_int(store.n_closed, 1);
}

static void
dead_channel_swallows(void **state)
{
	struct wire_mailbox_status m = { .name = SLICE("x") };
	struct end user, store;

	(void)state;
	open_pair(&user, WIRE_USER, &store);
	channel_throw_out(user.channel, "test");
	test_int(wire_send_mailbox_status(user.channel, 1, 1, &m), -EPIPE);
	while (store.n_closed == 0 || user.n_closed == 0)
		test_int(env_run(env), 0);
}

/* A field that is too long drops its frame, and only that. */
static void
too_long_is_not_sent(void **state)
{
	static char name[514];
	struct wire_mailbox_status m = { .handle = 1 };
	struct end user, store;

	(void)state;
	memset(name, 'a', 513);
	m.name = slice_cstr(name);
	open_pair(&user, WIRE_USER, &store);
	send_status(&user, 0, "before");
	test_int(wire_send_mailbox_status(user.channel, 77, 1, &m), BUF_E_FULL);
	send_status(&user, 2, "after");
	store.stop_at = 2;
	test_int(env_run(env), 0);
	test_int(store.n_frames, 2);
	assert_string_equal(store.name, "after");
	close_end(&user);
	close_end(&store);
}

/* Full, then room again; and a peer that never reads goes. */
static void
full_and_room(void **state)
{
	static uint8_t data[LIMIT_CHUNK];
	struct wire_body_data m = { .data = { data, sizeof(data) } };
	static uint8_t sink[1 << 20];
	int fds[2], n = 0;
	struct end store;
	ssize_t got = 0;

	(void)state;
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	open_end(&store, fds[0], WIRE_STORE, WIRE_USER);
	while (!channel_is_full(store.channel)) {
		test_int(wire_send_body_data(store.channel, 1, 1, &m), 0);
		n++;
	}
	test_true(n > 100);
	for (size_t left = (size_t)n * (LIMIT_CHUNK + WIRE_HEAD);
	     left > 0 && store.n_room == 0;) {
		store.channel->flush.run(&store.channel->flush);
		got = recv(fds[1], sink, sizeof(sink), 0);
		if (got > 0)
			left -= (size_t)got;
	}
	test_int(store.n_room, 1);
	n = 0;
	while (!channel_is_dead(store.channel) && n++ < 1000)
		(void)wire_send_body_data(store.channel, 1, 1, &m);
	test_true(channel_is_dead(store.channel));
	test_int(env_run(env), 0);
	test_int(store.n_closed, 1);
	(void)close(fds[1]);
}

/* -- hostile peers
 * ---------------------------------------------------------------- */

static const uint8_t garbage[WIRE_HEAD] = { 0xff, 0xff, 0xff, 0xff };

static void
put_frame(struct buf *out, uint16_t type, struct slice payload, uint8_t n_fds)
{
	struct wire_head h = { .len = (uint32_t)payload.len,
		.type = type,
		.n_fds = n_fds,
		.session = 77 };
	uint8_t at[WIRE_HEAD];

	wire_head_encode(&h, at);
	test_int(buf_add(out, slice_of(at, WIRE_HEAD)), 0);
	test_int(buf_add(out, payload), 0);
}

static const struct {
	const char *what;
	uint16_t type; /* WIRE_NONE: the bytes as they are */
	struct slice payload;
	enum wire_role self, peer;
	uint8_t n_fds;
} hostile[] = {
	{ "no head", WIRE_NONE, { garbage, sizeof(garbage) }, WIRE_STORE,
	    WIRE_USER, 0 },
	{ "type beyond the last", WIRE_N_TYPES, SLICE(""), WIRE_STORE,
	    WIRE_USER, 0 },
	{ "payload missing", WIRE_MAILBOX_STATUS, SLICE(""), WIRE_STORE,
	    WIRE_USER, 0 },
	{ "payload too long", WIRE_MAILBOX_STATUS, SLICE("\0\0\0\0\0\0\0\0x"),
	    WIRE_STORE, WIRE_USER, 0 },
	{ "name is not UTF-8", WIRE_MAILBOX_STATUS,
	    SLICE("\0\0\0\0\1\0\0\0\xff"), WIRE_STORE, WIRE_USER, 0 },
	{ "a stranger's front asks for a mailbox", WIRE_MAILBOX_STATUS,
	    SLICE("\0\0\0\0\0\0\0\0"), WIRE_STORE, WIRE_MX, 0 },
	{ "a front grants itself", WIRE_GRANT,
	    SLICE("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), WIRE_STORE, WIRE_USER,
	    0 },
	{ "nobody handles it", WIRE_MAILBOX_LIST, SLICE("\0\0\0\0"), WIRE_STORE,
	    WIRE_USER, 0 },
	{ "descriptor promised, none sent", WIRE_PEER, SLICE("\0\0\0\0\0\0"),
	    WIRE_STORE, WIRE_SUPERVISOR, 1 },
};

static void
hostile_peers_are_thrown_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct end store;
		struct buf out;
		int fds[2];

		test_case(hostile[i].what);
		buf_init(&out, 4096);
		test_int(socketpair(AF_UNIX,
			     SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
			     fds),
		    0);
		open_end(&store, fds[0], hostile[i].self, hostile[i].peer);
		if (hostile[i].type == WIRE_NONE)
			test_int(buf_add(&out, hostile[i].payload), 0);
		else
			put_frame(&out, hostile[i].type, hostile[i].payload,
			    hostile[i].n_fds);
		test_int(write(fds[1], out.mem + out.at, out.len), out.len);
		test_int(env_run(env), 0);
		test_int(store.n_closed, 1);
		test_int(store.n_frames, 0);
		buf_deinit(&out);
		(void)close(fds[1]);
	}
}

/* One byte at a time. */
static void
slow_peer_is_understood(void **state)
{
	struct end store;
	struct buf out;
	int fds[2];

	(void)state;
	buf_init(&out, 4096);
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	open_end(&store, fds[0], WIRE_STORE, WIRE_USER);
	put_frame(&out, WIRE_MAILBOX_STATUS, SLICE("\0\0\0\0\2\0\0\0hi\0"), 0);
	for (size_t i = 0; i < out.len; i++) {
		test_int(store.n_frames, 0);
		test_int(write(fds[1], out.mem + out.at + i, 1), 1);
		store.channel->watch.ready(&store.channel->watch, ENV_READ);
	}
	test_int(store.n_frames, 1);
	assert_string_equal(store.name, "hi");
	buf_deinit(&out);
	close_end(&store);
	(void)close(fds[1]);
}

static int
set_up(void **state)
{
	struct env_posix_options o = { .role = "test", .log_level = 0 };

	(void)state;
	/* The refusals are expected; keep them off the output. */
	null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	o.log_fd = null_fd;
	return env_posix_new(&o, &env);
}

static int
tear_down(void **state)
{
	(void)state;
	env_posix_free(env);
	return close(null_fd);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

TEST_MAIN(T(frames_arrive_in_order), T(descriptors_ride_on_their_frame),
    T(closing_in_a_handler), T(throwing_out_in_a_handler),
    T(failing_handler_ends_the_channel), T(last_words_are_heard),
    T(dead_channel_swallows), T(too_long_is_not_sent), T(full_and_room),
    T(hostile_peers_are_thrown_out), T(slow_peer_is_understood))
