/* SPDX-License-Identifier: ISC */
/*
 * The front's doors and channels: how many clients it lets in, what the others
 * are told, what of a store's messages it keeps, and what it gives back.
 */
#include "base/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "roles/front/conn.h"
#include "sys/env_posix.h"

struct world {
	struct env *env;
	struct settings settings;
	struct role role;
	struct front front;
	struct env_timer stop;
	uint16_t port;
	struct channel *store;
	unsigned handles_dropped, store_closed;
	uint32_t dropped;
};

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct world, stop)->env);
}

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
setup_kind(void **state, const struct role_ops *ops)
{
	static const struct env_posix_options options = {
		.role = "test", .log_level = ENV_ERROR, .has_made_clock = true
	};
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL || env_posix_new(&options, &w->env) < 0)
		return -1;
	(void)snprintf(w->settings.hostname, sizeof(w->settings.hostname),
	    "mx.one.example");
	w->settings.smtp_idle = TIME_MINUTE;
	w->settings.max_size = 1000;
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = ops,
		.ctx = &w->front };
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

	if (w->store != NULL)
		channel_close(w->store);
	free(w->store);
	w->role.ops->deinit(&w->role);
	env_posix_free(w->env);
	free(w);
	return 0;
}

/* -- doors --------------------------------------------------------------- */

static void
listen_as(struct world *w, unsigned service)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	test_int(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	test_int(listen(fd, 100), 0);
	test_int(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	w->port = ntohs(a.sin_port);
	w->role.ops->on_listener(&w->role, service, w->port, fd);
}

static int
call(struct world *w)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_port = htons(w->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	test_int(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	turns(w, 5 * TIME_MS);
	return fd;
}

static struct slice
hear(int fd, char at[512])
{
	ssize_t n = recv(fd, at, 512, MSG_DONTWAIT);

	return slice_of(at, n < 0 ? 0 : (size_t)n);
}

static void
limits(void **state)
{
	struct world *w = *state;
	char at[512];
	int a, b, c;

	listen_as(w, SERVICE_MX);
	test_case("of one address");
	w->settings.max_per_client = 2;
	w->settings.max_connections = 10;
	a = call(w);
	b = call(w);
	c = call(w);
	test_true(slice_starts(hear(a, at), SLICE("220 ")));
	test_true(slice_starts(hear(b, at), SLICE("220 ")));
	test_slice(hear(c, at),
	    SLICE("421 mx.one.example too many connections or errors; try "
		  "again "
		  "later\r\n"));
	test_int(recv(c, at, 1, MSG_DONTWAIT), 0);
	(void)close(c);
	test_case("one leaves, one may come");
	(void)close(b);
	turns(w, 5 * TIME_MS);
	b = call(w);
	test_true(slice_starts(hear(b, at), SLICE("220 ")));

	test_case("of all");
	w->settings.max_per_client = 0;
	w->settings.max_connections = 2;
	c = call(w);
	test_true(slice_starts(hear(c, at), SLICE("421 ")));
	test_int(front_own(&w->front)->n_conns, 2);
	(void)close(a);
	(void)close(b);
	(void)close(c);
	turns(w, 5 * TIME_MS);
	test_int(front_own(&w->front)->n_conns, 0);
	test_int(w->front.memory.used, 0);
}

static void
wrong_kind(void **state)
{
	struct world *w = *state;

	test_case("an mx front has no doors for mail programs");
	listen_as(w, SERVICE_IMAP);
	for (size_t i = 0; i < FRONT_LISTENERS; i++)
		test_true(!front_own(&w->front)->listeners[i].is_used);
	test_case("a place for each listener, and no more");
	for (size_t i = 0; i < FRONT_LISTENERS + 1; i++)
		listen_as(w, SERVICE_MX);
	test_true(front_own(&w->front)->listeners[FRONT_LISTENERS - 1].is_used);
}

/* -- channels
 * ------------------------------------------------------------------- */

static int
on_handle_drop(struct channel *c, const struct wire_head *h,
    const struct wire_handle_drop *m)
{
	struct world *w = c->ctx;

	(void)h;
	w->handles_dropped++;
	w->dropped = m->handle;
	return 0;
}

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_store_handlers handlers = {
		.handle_drop = on_handle_drop
	};

	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

static void
on_closed(struct channel *c)
{
	((struct world *)c->ctx)->store_closed++;
}

static const struct channel_ops ops = { .dispatch = dispatch,
	.on_closed = on_closed };

static void
join_store(struct world *w, uint32_t instance)
{
	int pair[2];

	if (w->store != NULL)
		channel_close(w->store);
	free(w->store);
	w->store = calloc(1, sizeof(*w->store));
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	w->role.ops->on_peer(&w->role, WIRE_STORE, instance, PEER_CHANNEL,
	    pair[0]);
	test_int(channel_open(w->store, w->env, w, pair[1], WIRE_STORE,
		     w->front.kind, 1, &ops),
	    0);
}

static void
store_says(void **state)
{
	struct world *w = *state;
	struct wire_state m = { .strangers = true,
		.submission = true,
		.max_size = 5000,
		.hostname = SLICE("other.example") };
	struct wire_handle handle = { .handle = 9, .account = 1 };
	struct wire_cert cert = { .key = 1, .chain = SLICE("none") };

	test_int(w->front.state.max_size, 1000);
	test_true(w->front.store == NULL);
	join_store(w, 1);
	test_true(w->front.store != NULL);
	test_int(wire_send_state(w->store, 0, 0, &m), 0);
	test_int(wire_send_cert(w->store, 0, 0, &cert), 0);
	test_int(wire_send_handle(w->store, 4711, 1, &handle), 0);
	turns(w, 100 * TIME_MS);
	test_true(w->front.state.strangers);
	test_int(w->front.state.max_size, 5000);
	test_true(strcmp(w->front.hostname, "other.example") == 0);
	test_slice(w->front.state.hostname, SLICE("other.example"));
	test_true(!tls_server_has_key(w->front.tls));
	test_case("a handle for who has left is given back");
	test_int(w->handles_dropped, 1);
	test_int(w->dropped, 9);

	test_case("dies, comes back");
	channel_close(w->store);
	turns(w, 5 * TIME_MS);
	test_true(w->front.store == NULL);
	join_store(w, 2);
	test_int(w->front.store->peer_instance, 2);
	test_case("the next is there before the news of the end");
	join_store(w, 3);
	test_int(w->front.store->peer_instance, 3);
	turns(w, 5 * TIME_MS);
	test_int(w->front.store->peer_instance, 3);

	test_case("what a store may not say to a front ends the channel");
	test_int(w->store_closed, 0);
	test_int(send(w->store->watch.fd, "nonsense that is no frame", 25, 0),
	    25);
	turns(w, 5 * TIME_MS);
	test_true(w->front.store == NULL);
	test_int(w->store_closed, 1);

	test_case("nobody gives it another: it ends, for a front that has one");
	turns(w, (LIMIT_PEER_LOST_S - 1) * TIME_SECOND);
	test_int(w->role.exit_status, 0);
	join_store(w, 4);
	turns(w, 2 * TIME_SECOND);
	test_int(w->role.exit_status, 0);
	channel_close(w->store);
	turns(w, (LIMIT_PEER_LOST_S + 1) * TIME_SECOND);
	test_int(w->role.exit_status, 1);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(limits, setup_mx, teardown),
    cmocka_unit_test_setup_teardown(wrong_kind, setup_mx, teardown),
    cmocka_unit_test_setup_teardown(store_says, setup_user, teardown))
