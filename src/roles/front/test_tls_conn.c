/* SPDX-License-Identifier: ISC */
/*
 * TLS on a conn: at once and after STARTTLS, with the real keeper in a thread
 * of its own; what was said in the clear before the handshake does not count
 * inside it (RFC 3207, 4.2), and junk instead of TLS ends that client alone.
 */
#include "base/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/conn.h"
#include "roles/keeper/keeper.h"
#include "sys/env_posix.h"

enum {
	KEY = 7
};

struct world {
	char dir[64];
	struct settings settings;
	/* the keeper's thread */
	pthread_t thread;
	struct env *keeper_env;
	struct keeper keeper;
	struct role keeper_role;
	struct env_timer look;
	atomic_bool is_over;
	/* the front's */
	struct env *env;
	struct role role;
	struct front front;
	struct env_timer stop;
	struct tls_client *client;
	struct tls *tls;
	int peer;
	struct conn *c;
	unsigned started, tls_ups, closed;
	char tls_text[96];
};

/* -- the keeper
 * ---------------------------------------------------------------- */

static void
on_look(struct env_timer *t)
{
	struct world *w = LIST_ENTRY(t, struct world, look);

	if (atomic_load(&w->is_over))
		env_stop(w->keeper_env);
	else if (env_timer_set(w->keeper_env, t,
		     env_now(w->keeper_env) + 5 * TIME_MS) < 0)
		abort();
}

static void *
keeper_thread(void *arg)
{
	struct world *w = arg;

	w->look.fire = on_look;
	on_look(&w->look);
	if (env_run(w->keeper_env) < 0)
		abort();
	return NULL;
}

static int
begin_keeper(struct world *w)
{
	static const struct env_posix_options options = { .role = "keeper",
		.log_level = ENV_ERROR };
	struct env_dir *data;
	struct buf sealed, chain;
	EVP_PKEY *key;
	int pair[2];

	buf_init(&sealed, KEEPER_SEALED_MAX);
	buf_init(&chain, KEEPER_CHAIN_MAX);
	w->keeper_role = (struct role){
		.settings = &w->settings, .ops = &keeper_ops, .ctx = &w->keeper
	};
	if (env_posix_new(&options, &w->keeper_env) < 0 ||
	    env_dir_open(w->keeper_env, w->dir, &data) < 0 ||
	    keeper_master_create(w->keeper_env, data) < 0)
		return -1;
	env_dir_close(data);
	w->keeper_role.env = w->keeper_env;
	if (keeper_ops.prepare(&w->keeper_role) != 0 ||
	    keeper_key_make(w->keeper.master, SLICE("one.example"), 30,
		env_wall(w->env), &sealed, &chain) != 0 ||
	    keeper_key_open(w->keeper.master, buf_slice(&sealed), &key) != 0 ||
	    map_put_number(&w->keeper.keys, KEY, key) < 0 ||
	    tls_server_add(w->front.tls, KEY, buf_slice(&chain),
		SLICE("one.example"), true) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
		0, pair) != 0)
		return -1;
	buf_deinit(&sealed);
	buf_deinit(&chain);
	keeper_ops.on_peer(&w->keeper_role, WIRE_MX, 1, PEER_SIGNING, pair[0]);
	front_mx_ops.on_peer(&w->role, WIRE_KEEPER, 1, PEER_SIGNING, pair[1]);
	return pthread_create(&w->thread, NULL, keeper_thread, w);
}

/* -- the protocol
 * --------------------------------------------------------------- */

static struct world *
world_of(struct conn *c)
{
	return LIST_ENTRY(c->front, struct world, front);
}

static void
on_start(struct conn *c)
{
	world_of(c)->started++;
	conn_say(c, SLICE("hello\r\n"));
}

static void
on_input(struct conn *c)
{
	struct slice in, line;

	while (c->state == CONN_OPEN &&
	    (in = conn_in(c), slice_take_crlf_line(&in, &line))) {
		if (slice_equal(line, SLICE("STARTTLS"))) {
			conn_say(c, SLICE("go ahead\r\n"));
			conn_start_tls(c);
			conn_say(c, SLICE("never in the clear\r\n"));
		} else {
			conn_printf(c, "%.*s.\r\n", SLICE_FMT(line));
		}
		conn_eat(c, line.len + 2);
	}
}

static void
on_tls_up(struct conn *c)
{
	struct world *w = world_of(c);

	w->tls_ups++;
	test_int(conn_in(c).len, 0);
	test_true(conn_has_tls(c));
	(void)snprintf(w->tls_text, sizeof(w->tls_text), "%s",
	    conn_tls_text(c));
}

static void
on_closed(struct conn *c)
{
	world_of(c)->closed++;
}

static const struct conn_proto proto = {
	.name = "test",
	.start = on_start,
	.input = on_input,
	.tls_up = on_tls_up,
	.closed = on_closed,
};

/* -- the world
 * ------------------------------------------------------------------- */

static int
setup(void **state)
{
	static const struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR };
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/ulak-front-XXXXXX");
	if (mkdtemp(w->dir) == NULL || env_posix_new(&options, &w->env) < 0)
		return -1;
	(void)snprintf(w->settings.data, sizeof(w->settings.data), "%s",
	    w->dir);
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = &front_mx_ops,
		.ctx = &w->front };
	if (front_mx_ops.prepare(&w->role) != 0 || begin_keeper(w) != 0 ||
	    tls_client_new(w->env, &w->client) < 0)
		return -1;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char path[96];

	front_mx_ops.deinit(&w->role);
	atomic_store(&w->is_over, true);
	(void)pthread_join(w->thread, NULL);
	keeper_ops.deinit(&w->keeper_role);
	env_posix_free(w->keeper_env);
	tls_client_free(w->client);
	env_posix_free(w->env);
	(void)snprintf(path, sizeof(path), "%s/keys/master", w->dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/keys", w->dir);
	(void)rmdir(path);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

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

static void
join(struct world *w, bool is_tls)
{
	struct env_addr peer = { .family = 4, .bytes = { 192, 0, 2, 1 } };
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	w->peer = pair[1];
	w->started = w->tls_ups = w->closed = 0;
	w->tls_text[0] = '\0';
	w->c = conn_new(&w->front, pair[0], &peer, SERVICE_MX, &proto, is_tls);
	test_true(w->c != NULL);
}

static void
leave(struct world *w)
{
	tls_free(w->tls);
	w->tls = NULL;
	(void)close(w->peer);
	turns(w, 5 * TIME_MS);
	test_int(front_own(&w->front)->n_conns, 0);
	test_int(w->front.memory.used, 0);
}

static void
shake(struct world *w)
{
	int r = -EAGAIN;

	test_int(tls_connect_new(w->client, w->peer, "one.example", &w->tls),
	    0);
	for (int i = 0; i < 200 && r == -EAGAIN; i++) {
		r = tls_handshake(w->tls);
		turns(w, TIME_MS);
	}
	test_int(r, 0);
}

static void
hear_clear(struct world *w, struct slice want)
{
	char at[4096];
	ssize_t n;

	turns(w, 5 * TIME_MS);
	n = read(w->peer, at, sizeof(at));
	test_slice(slice_of(at, n < 0 ? 0 : (size_t)n), want);
}

static void
hear(struct world *w, struct slice want)
{
	char at[4096];
	ssize_t n = -EAGAIN;

	for (int i = 0; i < 20 && n == -EAGAIN; i++) {
		turns(w, 2 * TIME_MS);
		n = tls_recv(w->tls, at, sizeof(at));
	}
	test_slice(slice_of(at, n < 0 ? 0 : (size_t)n), want);
}

/* -- what is shown
 * ------------------------------------------------------------------ */

static void
at_once(void **state)
{
	struct world *w = *state;

	join(w, true);
	test_int(w->started, 0);
	shake(w);
	test_int(w->started, 1);
	test_int(w->tls_ups, 0);
	hear(w, SLICE("hello\r\n"));
	test_int(tls_send(w->tls, "a\r\nb\r\n", 6), 6);
	hear(w, SLICE("a.\r\nb.\r\n"));
	test_true(strncmp(conn_tls_text(w->c), "TLSv1.3 with cipher TLS_",
		      24) == 0);
	conn_end(w->c);
	hear(w, SLICE(""));
	test_int(tls_recv(w->tls, w->tls_text, 1), 0); /* close_notify */
	test_int(w->closed, 1);
	leave(w);
}

static void
after_a_command(void **state)
{
	struct world *w = *state;

	join(w, false);
	hear_clear(w, SLICE("hello\r\n"));
	test_int(write(w->peer, "STARTTLS\r\nINJECTED\r\n", 20), 20);
	hear_clear(w, SLICE("go ahead\r\n"));
	shake(w);
	test_int(w->started, 1);
	test_int(w->tls_ups, 1);
	test_true(strstr(w->tls_text, "TLSv1.3") != NULL);
	test_int(tls_send(w->tls, "inside\r\n", 8), 8);
	hear(w, SLICE("inside.\r\n"));
	leave(w);
	test_int(w->closed, 1);
}

static void
junk(void **state)
{
	struct world *w = *state;

	join(w, true);
	test_int(write(w->peer, "EHLO x\r\nEHLO x\r\n", 16), 16);
	turns(w, 10 * TIME_MS);
	test_int(front_own(&w->front)->n_conns, 0);
	test_int(w->started + w->closed, 0);
	leave(w);

	test_case("after STARTTLS");
	join(w, false);
	hear_clear(w, SLICE("hello\r\n"));
	test_int(write(w->peer, "STARTTLS\r\n", 10), 10);
	hear_clear(w, SLICE("go ahead\r\n"));
	test_int(write(w->peer, "MAIL FROM:<a@b.example>\r\n", 25), 25);
	turns(w, 10 * TIME_MS);
	test_int(w->closed, 1);
	leave(w);

	test_case("others go on");
	join(w, true);
	shake(w);
	hear(w, SLICE("hello\r\n"));
	leave(w);
}

static void
gone_half_way(void **state)
{
	struct world *w = *state;

	join(w, true);
	test_int(tls_connect_new(w->client, w->peer, NULL, &w->tls), 0);
	test_int(tls_handshake(w->tls), -EAGAIN);
	turns(w, 5 * TIME_MS);
	leave(w);
	test_int(w->started, 0);

	test_case("no certificate yet: ended, without a word");
	tls_server_free(w->front.tls);
	test_int(tls_server_new(w->env, &w->front.tls), 0);
	{
		struct env_addr peer = { .family = 4 };
		int pair[2];

		test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
			     pair),
		    0);
		test_true(conn_new(&w->front, pair[0], &peer, SERVICE_MX,
			      &proto, true) == NULL);
		w->peer = pair[1];
		leave(w);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
TEST_MAIN(T(at_once), T(after_a_command), T(junk), T(gone_half_way))
