/* SPDX-License-Identifier: ISC */
/*
 * The conn under a made-up protocol: pauses, slow readers, half-closed and
 * vanished peers, floods, idle times, and its memory. The peer is the other
 * end of a socketpair in the same thread.
 */
#include "base/test.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/conn.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"

struct world {
	struct env *env;
	struct settings settings;
	struct role role;
	struct front front;
	struct env_timer stop;
	int peer;
	struct conn *c;
	/* what the protocol saw */
	unsigned started, closed, timeouts, rooms, lost, inputs, starved;
	size_t cost, can_give; /* of the session; what it can do without */
	size_t to_write;       /* of a pulled output */
	bool is_wordy;         /* it greets at length */
};

static struct world *world_of(struct conn *c);

/* -- the protocol: one line a command ------------------------------------ */

static void
write_more(struct conn *c)
{
	struct world *w = world_of(c);
	static const uint8_t block[1000];

	while (w->to_write > 0 && conn_out_room(c) >= sizeof(block)) {
		conn_say(c, slice_of(block, sizeof(block)));
		w->to_write -= sizeof(block);
	}
}

static void
on_start(struct conn *c)
{
	world_of(c)->started++;
	if (world_of(c)->is_wordy)
		conn_printf(c, "%0*d\r\n", 20000, 0);
	conn_say(c, SLICE("hello\r\n"));
}

static void
on_line(struct conn *c, struct slice line)
{
	struct world *w = world_of(c);

	if (slice_equal(line, SLICE("PAUSE"))) {
		conn_pause(c);
	} else if (slice_equal(line, SLICE("BIG"))) {
		w->to_write = 1000 * 1000;
		write_more(c);
	} else if (slice_equal(line, SLICE("FLOOD"))) {
		w->to_write = 0;
		for (int i = 0; i < 200; i++)
			conn_printf(c, "%01000d", i);
	} else if (slice_equal(line, SLICE("END"))) {
		conn_say(c, SLICE("bye\r\n"));
		conn_end(c);
		conn_say(c, SLICE("never said\r\n"));
	} else if (slice_equal(line, SLICE("DROP"))) {
		conn_drop(c);
	} else {
		conn_printf(c, "%.*s.\r\n", SLICE_FMT(line));
	}
}

static void
on_input(struct conn *c)
{
	struct world *w = world_of(c);
	struct slice in = conn_in(c), line, before = in;

	w->inputs++;
	while (!c->is_paused && slice_take_crlf_line(&in, &line)) {
		size_t n = before.len - in.len;

		on_line(c, line);
		conn_eat(c, n);
		before = in;
	}
}

static void
on_closed(struct conn *c)
{
	world_of(c)->closed++;
}

static void
on_timeout(struct conn *c)
{
	world_of(c)->timeouts++;
	conn_say(c, SLICE("too long\r\n"));
	conn_end(c);
}

static void
on_room(struct conn *c)
{
	world_of(c)->rooms++;
	write_more(c);
}

static void
on_peer_lost(struct conn *c, enum wire_role peer)
{
	world_of(c)->lost += peer == WIRE_STORE;
	conn_say(c, SLICE("store gone\r\n"));
}

static void
on_stopping(struct conn *c)
{
	conn_say(c, SLICE("421 going\r\n"));
	conn_end(c);
}

static size_t
cost(const struct conn *c)
{
	return LIST_ENTRY(c->front, struct world, front)->cost;
}

static bool
on_starved(struct conn *c)
{
	struct world *w = world_of(c);

	w->starved++;
	w->cost -= w->can_give;
	return w->can_give > 0;
}

static const struct conn_proto proto = {
	.name = "test",
	.sorry = SLICE("no room\r\n"),
	.session_size = 100,
	.cost = cost,
	.starved = on_starved,
	.start = on_start,
	.input = on_input,
	.closed = on_closed,
	.room = on_room,
	.timeout = on_timeout,
	.stopping = on_stopping,
	.peer_lost = on_peer_lost,
};

/* -- the world
 * ------------------------------------------------------------------ */

static struct world *
world_of(struct conn *c)
{
	return LIST_ENTRY(c->front, struct world, front);
}

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct world, stop)->env);
}

/* Lets the loop turn for that long. */
static void
turns(struct world *w, int64_t us)
{
	w->stop.fire = on_stop;
	/* On a busy machine one turn may take all the time: four at least. */
	for (int i = 0; i < 4; i++) {
		test_int(env_timer_set(w->env, &w->stop,
			     env_now(w->env) + us / 4),
		    0);
		test_int(env_run(w->env), 0);
	}
}

static int
setup(void **state)
{
	static const struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR,
		.has_made_clock = true };
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL || env_posix_new(&options, &w->env) < 0)
		return -1;
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = &front_mx_ops,
		.ctx = &w->front };
	if (front_mx_ops.prepare(&w->role) != 0)
		return -1;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	front_mx_ops.deinit(&w->role);
	env_posix_free(w->env);
	free(w);
	return 0;
}

static void
join(struct world *w)
{
	struct env_addr peer = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	w->peer = pair[1];
	w->closed = w->timeouts = w->rooms = w->inputs = 0;
	w->c = conn_new(&w->front, pair[0], &peer, SERVICE_MX, &proto, false);
	test_true(w->c != NULL);
}

static void
leave(struct world *w)
{
	(void)close(w->peer);
	turns(w, 5 * TIME_MS);
}

static void
say(struct world *w, struct slice s)
{
	test_int(write(w->peer, s.at, s.len), s.len);
	turns(w, 5 * TIME_MS);
}

static void
hear_at(int fd, struct slice want)
{
	char at[4096];
	ssize_t n = read(fd, at, sizeof(at));

	test_slice(slice_of(at, n < 0 ? 0 : (size_t)n), want);
}

static void
hear(struct world *w, struct slice want)
{
	hear_at(w->peer, want);
}

static void
hear_end(struct world *w)
{
	char at[16];

	test_int(read(w->peer, at, sizeof(at)), 0);
}

/* -- what is shown
 * ---------------------------------------------------------------- */

static void
talks(void **state)
{
	struct world *w = *state;

	join(w);
	turns(w, TIME_MS);
	hear(w, SLICE("hello\r\n"));
	say(w, SLICE("a\r\nb\r\nc"));
	hear(w, SLICE("a.\r\nb.\r\n"));
	say(w, SLICE("\r\n"));
	hear(w, SLICE("c.\r\n"));
	test_int(w->c->in.size, 0);
	test_int(w->c->out.size, 0);
	/* Idle, in the clear: what design asks for is 8 KiB. */
	test_true(sizeof(struct conn) < 2048);
	test_true(w->front.memory.used < 4096);
	test_true(conn_find(&w->front, w->c->number) == w->c);
	test_true(conn_find(&w->front, w->c->number + 1) == NULL);
	test_int(front_client_count(&w->front, &w->c->peer), 1);
	say(w, SLICE("END\r\nafter\r\n"));
	test_int(front_client_count(&w->front, &w->c->peer), 0);
	hear(w, SLICE("bye\r\n"));
	hear_end(w);
	test_int(w->closed, 1);
	leave(w);
	test_int(front_own(&w->front)->n_conns, 0);
	test_int(w->front.memory.used, 0);
}

static void
pauses(void **state)
{
	struct world *w = *state;
	uint64_t number;

	join(w);
	number = w->c->number;
	say(w, SLICE("PAUSE\r\na\r\n"));
	hear(w, SLICE("hello\r\n"));
	say(w, SLICE("b\r\n"));
	hear(w, SLICE(""));
	conn_resume(w->c);
	turns(w, 5 * TIME_MS);
	hear(w, SLICE("a.\r\nb.\r\n"));

	test_case("half-closed while it waits: still answered, then ended");
	say(w, SLICE("PAUSE\r\nc\r\n"));
	(void)shutdown(w->peer, SHUT_WR);
	turns(w, 5 * TIME_MS);
	hear(w, SLICE(""));
	test_int(w->closed, 0);
	conn_resume(w->c);
	turns(w, 5 * TIME_MS);
	hear(w, SLICE("c.\r\n"));
	hear_end(w);
	test_int(w->closed, 1);
	test_true(conn_find(&w->front, number) == NULL);
	leave(w);
}

static void
half_closed(void **state)
{
	struct world *w = *state;

	join(w);
	test_int(write(w->peer, "a\r\nb\r\nrest", 10), 10);
	(void)shutdown(w->peer, SHUT_WR);
	turns(w, 5 * TIME_MS);
	hear(w, SLICE("hello\r\na.\r\nb.\r\n"));
	hear_end(w);
	test_int(w->closed, 1);
	leave(w);
}

static void
slow_reader(void **state)
{
	struct world *w = *state;
	static char at[1 << 20];
	size_t got = 0;
	ssize_t n;

	join(w);
	say(w, SLICE("BIG\r\n"));
	test_true(w->c->out.len > 0);
	test_true(w->c->out.len <= LIMIT_CONN_OUT);
	for (int i = 0; i < 10000 && got < 1000 * 1000 + 7; i++) {
		n = read(w->peer, at, 40000);
		got += n > 0 ? (size_t)n : 0;
		turns(w, TIME_MS / 4);
	}
	test_int(got, 1000 * 1000 + 7);
	test_true(w->rooms > 2);
	say(w, SLICE("still there\r\n"));
	hear(w, SLICE("still there.\r\n"));
	leave(w);

	test_case("what does not ask for room is dropped");
	join(w);
	turns(w, TIME_MS);
	for (int i = 0; i < 20 && w->closed == 0; i++) {
		(void)!write(w->peer, "FLOOD\r\n", 7);
		turns(w, TIME_MS);
	}
	test_int(w->closed, 1);
	test_int(w->front.memory.used, 0);
	leave(w);
}

static void
floods(void **state)
{
	struct world *w = *state;
	static uint8_t line[LIMIT_CONN_IN + 1];

	memset(line, 'x', sizeof(line));
	test_case("without ever a line end");
	join(w);
	for (size_t at = 0; at < sizeof(line) && w->closed == 0;) {
		ssize_t n = write(w->peer, line + at, sizeof(line) - at);

		at += n > 0 ? (size_t)n : 0;
		turns(w, TIME_MS);
	}
	test_int(w->closed, 1);
	leave(w);

	test_case("while paused it is left in the kernel");
	join(w);
	say(w, SLICE("PAUSE\r\n"));
	for (int i = 0; i < 100; i++)
		(void)!write(w->peer, line, 10000);
	turns(w, 5 * TIME_MS);
	test_true(w->c->in.len <= LIMIT_CONN_IN);
	test_int(w->closed, 0);
	leave(w);
}

/* LIMIT_FRONT_MEMORY: who does not fit in is refused, who grows beyond it is
 * dropped, and the others do not notice. */
static void
uses_up_the_memory(void **state)
{
	struct env_addr peer = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	struct world *w = *state;
	size_t limit = w->front.memory.limit, one;
	int pair[2];

	join(w);
	turns(w, TIME_MS);
	hear(w, SLICE("hello\r\n"));
	one = w->front.memory.used;
	test_true(one > 0);
	w->front.memory.limit = one + one / 2;
	test_case("no room for another");
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_null(conn_new(&w->front, pair[0], &peer, SERVICE_MX, &proto,
	    false));
	hear_at(pair[1], SLICE("no room\r\n"));
	hear_at(pair[1], SLICE("")); /* it is over */
	test_int(close(pair[1]), 0);
	test_case("room for it, but not for a greeting");
	w->front.memory.limit = 2 * one;
	w->is_wordy = true;
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	assert_non_null(conn_new(&w->front, pair[0], &peer, SERVICE_MX, &proto,
	    false));
	turns(w, TIME_MS);
	hear_at(pair[1], SLICE("no room\r\n"));
	hear_at(pair[1], SLICE(""));
	test_int(close(pair[1]), 0);
	w->is_wordy = false;
	test_int(w->closed, 1);
	w->closed = 0;
	w->front.memory.limit = limit;
	say(w, SLICE("still there\r\n"));
	hear(w, SLICE("still there.\r\n"));
	test_case("no room to grow");
	w->front.memory.limit = w->front.memory.used;
	say(w, SLICE("BIG\r\n"));
	test_int(w->closed, 1);
	test_int(w->front.memory.used, 0);
	w->front.memory.limit = limit;
	leave(w);
}

/* A client has a share of the front's memory, over all its connections. */
static void
uses_up_its_share(void **state)
{
	struct env_addr other = { .family = 4, .bytes = { 192, 0, 2, 99 } };
	struct world *w = *state;
	struct conn *c;
	size_t one;
	int pair[2];

	join(w);
	turns(w, TIME_MS);
	hear(w, SLICE("hello\r\n"));
	one = w->front.memory.used;
	test_int(w->c->client->memory.used, 0);
	test_true(conn_bill_client(w->c));
	test_true(conn_bill_client(w->c)); /* once */
	test_int(w->c->client->memory.used, one);
	test_int(w->c->client->memory.limit, LIMIT_CLIENT_MEMORY);
	test_int(w->front.memory.used, one);
	test_case("what the session has counts");
	w->cost = 5000;
	say(w, SLICE("a\r\n"));
	hear(w, SLICE("a.\r\n"));
	test_true(w->c->client->memory.used >= one + 5000);
	test_case("it gives back what it can do without");
	w->c->client->memory.limit = w->c->client->memory.used;
	w->cost += 4000;
	w->can_give = 9000;
	say(w, SLICE("b\r\n"));
	hear(w, SLICE("b.\r\n"));
	test_int(w->starved, 1);
	test_int(w->cost, 0);
	w->can_give = 0;
	test_case("another client has a share of its own");
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	c = conn_new(&w->front, pair[0], &other, SERVICE_MX, &proto, false);
	assert_non_null(c);
	test_true(conn_bill_client(c));
	turns(w, TIME_MS);
	hear_at(pair[1], SLICE("hello\r\n"));
	test_true(c->client->memory.used > 0);
	test_case("beyond its share");
	w->cost = 100000;
	say(w, SLICE("c\r\n"));
	hear(w, SLICE("no room\r\n"));
	test_int(w->closed, 1);
	w->cost = 0;
	test_int(write(pair[1], "d\r\n", 3), 3);
	turns(w, TIME_MS);
	hear_at(pair[1], SLICE("d.\r\n"));
	leave(w);
	test_int(close(pair[1]), 0);
	turns(w, TIME_MS);
	test_int(w->front.memory.used, 0);
}

/* As if that much time had passed: then its timer fires. */
static void
passes(struct world *w, int64_t us)
{
	w->c->active -= us;
	w->c->paused_at -= us;
	w->c->timer.fire(&w->c->timer);
}

static void
idles(void **state)
{
	struct world *w = *state;

	join(w);
	conn_set_idle(w->c, TIME_MINUTE);
	passes(w, 40 * TIME_SECOND);
	say(w, SLICE("a\r\n"));
	passes(w, 40 * TIME_SECOND);
	test_int(w->timeouts, 0);
	hear(w, SLICE("hello\r\na.\r\n"));
	test_case("it is not idle while it waits for us");
	say(w, SLICE("PAUSE\r\n"));
	passes(w, 2 * TIME_MINUTE);
	test_int(w->timeouts, 0);
	conn_resume(w->c);
	turns(w, 5 * TIME_MS);
	passes(w, 2 * TIME_MINUTE);
	test_int(w->timeouts, 1);
	turns(w, 5 * TIME_MS);
	hear(w, SLICE("too long\r\n"));
	hear_end(w);
	leave(w);

	test_case("the timer fires by itself");
	join(w);
	conn_set_idle(w->c, 10 * TIME_MS);
	turns(w, 100 * TIME_MS);
	test_int(w->timeouts, 1);
	leave(w);

	test_case("our own answer never comes");
	join(w);
	conn_set_idle(w->c, TIME_MINUTE);
	say(w, SLICE("PAUSE\r\n"));
	passes(w, 14 * TIME_MINUTE);
	test_int(w->closed, 0);
	passes(w, 2 * TIME_MINUTE);
	turns(w, 5 * TIME_MS);
	test_int(w->closed, 1);
	leave(w);

	test_case("a paused client that does not read is idle");
	join(w);
	conn_set_idle(w->c, TIME_MINUTE);
	say(w, SLICE("BIG\r\nPAUSE\r\n"));
	passes(w, 2 * TIME_MINUTE);
	test_int(w->timeouts, 1);
	leave(w);
}

static void
vanishes(void **state)
{
	struct world *w = *state;

	join(w);
	say(w, SLICE("BIG\r\n"));
	leave(w);
	test_int(w->closed, 1);
	test_int(front_own(&w->front)->n_conns, 0);

	test_case("dropped by its own protocol in the middle of input");
	join(w);
	say(w, SLICE("a\r\nDROP\r\nb\r\n"));
	test_int(w->closed, 1);
	test_int(front_own(&w->front)->n_conns, 0);
	leave(w);

	test_case("never says a word");
	join(w);
	leave(w);
	test_int(w->closed, 1);
	test_int(w->front.memory.used, 0);
}

static void
store_dies(void **state)
{
	struct world *w = *state;

	join(w);
	turns(w, TIME_MS);
	front_lost_peer(&w->front, WIRE_STORE);
	turns(w, TIME_MS);
	test_int(w->lost, 1);
	hear(w, SLICE("hello\r\nstore gone\r\n"));
	test_int(front_client_count(&w->front, &w->c->peer), 1);
	leave(w);
}

/* Whatever the n-th call of a kind says, the conn ends or goes on, is freed
 * once, and gives everything back; the front serves the next. */
static void
calls_fail(void **state)
{
	static const struct {
		enum env_fault fault;
		int error;
	} kinds[] = { { FAULT_TIMER, ENOMEM }, { FAULT_WATCH, ENOMEM },
		{ FAULT_RECV, ECONNRESET }, { FAULT_SEND, EPIPE },
		{ FAULT_SEND, EAGAIN } };
	struct world *w = *state;
	struct env *faulty;
	uint64_t failed = 0;

	test_int(env_faulty_new(w->env, &faulty), 0);
	w->front.env = faulty;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		for (uint64_t n = 1; n < 12; n++) {
			struct fault_plan plan = {
				.nth = n, .n = 1, .error = kinds[k].error
			};
			struct env_addr peer = { .family = 6 };
			int pair[2];

			test_int(socketpair(AF_UNIX,
				     SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
			    0);
			w->closed = 0;
			w->peer = pair[1];
			env_faulty_arm(faulty, kinds[k].fault, &plan);
			w->c = conn_new(&w->front, pair[0], &peer, SERVICE_MX,
			    &proto, false);
			if (w->c != NULL)
				conn_set_idle(w->c, TIME_MINUTE);
			for (int i = 0; i < 4; i++) {
				(void)!send(w->peer, "a\r\nBIG\r\n", 8,
				    MSG_NOSIGNAL);
				turns(w, TIME_MS);
			}
			(void)!send(w->peer, "END\r\n", 5, MSG_NOSIGNAL);
			turns(w, TIME_MS);
			failed += env_faulty_failed(faulty, kinds[k].fault) > 0;
			plan.nth = 0;
			env_faulty_arm(faulty, kinds[k].fault, &plan);
			leave(w);
			test_int(front_own(&w->front)->n_conns, 0);
			test_int(w->front.memory.used, 0);
			test_int(w->closed, w->c != NULL);
		}
	}
	test_true(failed > 20);
	w->front.env = w->env;
	env_faulty_free(faulty);
}

static void
stops(void **state)
{
	struct world *w = *state;

	join(w);
	turns(w, TIME_MS);
	front_mx_ops.stop(&w->role);
	turns(w, 5 * TIME_MS);
	hear(w, SLICE("hello\r\n421 going\r\n"));
	hear_end(w);
	(void)close(w->peer);
	test_case("the last one to leave ends the loop");
	w->stop.fire = on_stop;
	test_int(env_timer_set(w->env, &w->stop,
		     env_now(w->env) + 5 * TIME_SECOND),
	    0);
	test_int(env_run(w->env), 0);
	test_int(front_own(&w->front)->n_conns, 0);
	env_timer_stop(w->env, &w->stop);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(talks, setup, teardown),
    cmocka_unit_test_setup_teardown(pauses, setup, teardown),
    cmocka_unit_test_setup_teardown(half_closed, setup, teardown),
    cmocka_unit_test_setup_teardown(slow_reader, setup, teardown),
    cmocka_unit_test_setup_teardown(floods, setup, teardown),
    cmocka_unit_test_setup_teardown(uses_up_the_memory, setup, teardown),
    cmocka_unit_test_setup_teardown(uses_up_its_share, setup, teardown),
    cmocka_unit_test_setup_teardown(idles, setup, teardown),
    cmocka_unit_test_setup_teardown(vanishes, setup, teardown),
    cmocka_unit_test_setup_teardown(store_dies, setup, teardown),
    cmocka_unit_test_setup_teardown(calls_fail, setup, teardown),
    cmocka_unit_test_setup_teardown(stops, setup, teardown))
