/* SPDX-License-Identifier: ISC */
/*
 * Keeper and front do their work with their sandboxes closed: a handshake by
 * an mx front whose key is in a keeper, three processes in all. Before it the
 * keeper opens a key, makes one and hashes, all from inside. Whatever OpenSSL,
 * libsodium or libcrypt want of the kernel late would fail here.
 */
#include "base/test.h"

#include <crypt.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "roles/keeper/keeper.h"
#include "roles/keeper/sign.h"
#include "sys/env_posix.h"
#include "sys/sandbox.h"
#include "sys/tls.h"

enum {
	KEY = 7,
	TRIES = 500
};

struct world {
	char dir[64];
	struct settings settings;
	struct buf sealed, chain;
	int sign[2], conn[2];
	pid_t keeper, front;
};

static const struct env_posix_options options = { .role = "test",
	.log_level = ENV_ERROR };

/* Steps of a child, told by its exit status. */
#define STEP(n, ok)                                                            \
	do {                                                                   \
		if (!(ok))                                                     \
			_exit(n);                                              \
	} while (0)

static bool
shut(struct env *env, enum wire_role role)
{
	struct sandbox_paths paths = { .data = "/nonexistent" };
	struct sandbox_report report;

	return sandbox_enter(env, role, &paths, &report) == 0;
}

/* -- the keeper
 * ------------------------------------------------------------------ */

struct hashing {
	struct env_job job;
	struct env *env;
	bool ok;
};

static void
run_hashing(struct env_job *job)
{
	struct hashing *h = LIST_ENTRY(job, struct hashing, job);
	char verifier[KEEPER_VERIFIER];
	struct crypt_data *work = calloc(1, sizeof(*work));
	const char *old =
	    crypt_rn("x", "$y$j75$saltsaltsalt$", work, (int)sizeof(*work));

	h->ok = keeper_hash_password(SLICE("secret"), verifier) == 0 &&
	    keeper_password_matches(slice_cstr(verifier), SLICE("secret")) &&
	    old != NULL && keeper_password_matches(slice_cstr(old), SLICE("x"));
	free(work);
}

static void
done_hashing(struct env_job *job)
{
	env_stop(LIST_ENTRY(job, struct hashing, job)->env);
}

static void
run_keeper(struct world *w)
{
	static struct keeper k;
	struct env *env;
	struct role role = {
		.settings = &w->settings, .ops = &keeper_ops, .ctx = &k
	};
	struct hashing h = { .job = {
				 .run = run_hashing, .done = done_hashing } };
	struct buf sealed, chain;
	EVP_PKEY *key;

	STEP(1, env_posix_new(&options, &env) == 0);
	role.env = h.env = env;
	STEP(2, keeper_ops.prepare(&role) == 0);
	STEP(3, shut(env, WIRE_KEEPER));
	STEP(4, keeper_key_open(k.master, buf_slice(&w->sealed), &key) == 0);
	STEP(5, map_put_number(&k.keys, KEY, key) == 0);
	buf_init(&sealed, KEEPER_SEALED_MAX);
	buf_init(&chain, KEEPER_CHAIN_MAX);
	STEP(6,
	    keeper_key_make(k.master, SLICE("two.example"), 1, env_wall(env),
		&sealed, &chain) == 0);
	list_init(&h.job.link);
	STEP(7, env_work(env, ENV_LANE_HASH, &h.job) == 0);
	STEP(8, env_run(env) == 0);
	STEP(9, h.ok);
	keeper_ops.on_peer(&role, WIRE_MX, 1, PEER_SIGNING, w->sign[0]);
	(void)env_run(env); /* until it is killed */
	_exit(10);
}

/* -- the front
 * -------------------------------------------------------------------- */

static int
until_done(struct tls *t, int fd)
{
	int r = -EAGAIN;

	for (int i = 0; i < TRIES && r == -EAGAIN; i++) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		r = tls_handshake(t);
		if (r == -EAGAIN)
			(void)poll(&p, 1, 20);
	}
	return r;
}

static void
run_front(struct world *w)
{
	struct env *env;
	struct tls_server *s;
	struct tls *t;
	uint8_t at[16];
	struct pollfd p = { .fd = w->conn[0], .events = POLLIN };

	STEP(1, env_posix_new(&options, &env) == 0);
	STEP(2, tls_server_new(env, &s) == 0);
	STEP(3, shut(env, WIRE_MX));
	STEP(4,
	    tls_server_add(s, KEY, buf_slice(&w->chain), SLICE("one.example"),
		true) == 0);
	tls_server_set_keeper(s, w->sign[1]);
	STEP(5, tls_accept_new(s, w->conn[0], &t) == 0);
	STEP(6, until_done(t, w->conn[0]) == 0);
	(void)poll(&p, 1, 5000);
	STEP(7, tls_recv(t, at, sizeof(at)) == 4);
	STEP(8, tls_send(t, at, 4) == 4);
	tls_goodbye(t);
	_exit(0);
}

/* -- from outside
 * ------------------------------------------------------------------ */

static void
make_key(struct world *w, struct env *env)
{
	struct keeper_master *m;
	struct env_dir *data;

	test_int(env_dir_open(env, w->dir, &data), 0);
	test_int(keeper_master_create(env, data), 0);
	test_int(keeper_master_read(data, &m), 0);
	buf_init(&w->sealed, KEEPER_SEALED_MAX);
	buf_init(&w->chain, KEEPER_CHAIN_MAX);
	test_int(keeper_key_make(m, SLICE("one.example"), 1, env_wall(env),
		     &w->sealed, &w->chain),
	    0);
	keeper_master_free(m);
	env_dir_close(data);
}

static void
start(struct world *w)
{
	test_int(socketpair(AF_UNIX,
		     SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, w->sign),
	    0);
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, w->conn),
	    0);
	w->keeper = fork();
	if (w->keeper == 0)
		run_keeper(w);
	w->front = fork();
	if (w->front == 0)
		run_front(w);
	test_true(w->keeper > 0 && w->front > 0);
	(void)close(w->sign[0]);
	(void)close(w->sign[1]);
	(void)close(w->conn[0]);
}

static void
handshake_from_behind_walls(void **state)
{
	static struct world w;
	struct tls_client *client;
	struct env *env;
	struct tls *t;
	struct pollfd p;
	uint8_t at[8];
	int status = 0;

	(void)state;
	(void)snprintf(w.dir, sizeof(w.dir), "/tmp/ulak-shut-XXXXXX");
	test_true(mkdtemp(w.dir) != NULL);
	(void)snprintf(w.settings.data, sizeof(w.settings.data), "%s", w.dir);
	test_int(env_posix_new(&options, &env), 0);
	make_key(&w, env);
	start(&w);
	test_int(tls_client_new(env, &client), 0);
	test_int(tls_connect_new(client, w.conn[1], "one.example", &t), 0);
	(void)until_done(t, w.conn[1]);
	(void)tls_send(t, "ping", 4);
	p = (struct pollfd){ .fd = w.conn[1], .events = POLLIN };
	for (int i = 0; i < 100 && tls_recv(t, at, sizeof(at)) == -EAGAIN; i++)
		(void)poll(&p, 1, 50);

	test_case("the front's step");
	(void)waitpid(w.front, &status, 0);
	test_int(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
	    0);
	test_case("the keeper's step: it was alive to the end");
	test_int(waitpid(w.keeper, &status, WNOHANG), 0);
	(void)kill(w.keeper, SIGKILL);
	(void)waitpid(w.keeper, &status, 0);
	test_slice(slice_of(at, 4), SLICE("ping"));

	tls_free(t);
	tls_client_free(client);
	(void)close(w.conn[1]);
	env_posix_free(env);
	buf_deinit(&w.sealed);
	buf_deinit(&w.chain);
	(void)chdir(w.dir);
	(void)unlink("keys/master");
	(void)rmdir("keys");
	(void)chdir("/");
	(void)rmdir(w.dir);
}

TEST_MAIN(cmocka_unit_test(handshake_from_behind_walls))
