/* SPDX-License-Identifier: ISC */
/*
 * What sys/env.h promises, tried on the real kernel with each back end:
 * order of timers, deletion inside a turn, defers, lanes, sockets, files.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/test.h"
#include "base/time.h"
#include "sys/env_posix.h"
#include "sys/log.h"

static struct env *
new_env(bool use_poll)
{
	struct env_posix_options o = {
		.role = "test", .log_level = ENV_ERROR, .use_poll = use_poll
	};
	struct env *env;

	test_case(use_poll ? "poll" : "epoll");
	test_int(env_posix_new(&o, &env), 0);
	return env;
}

/* -- timers --------------------------------------------------------------- */

enum {
	TIMERS = 200
};

struct clockwork {
	struct env_timer timer;
	struct env *env;
	int64_t *last;
	int *n;
};

static void
on_fire(struct env_timer *t)
{
	struct clockwork *c = LIST_ENTRY(t, struct clockwork, timer);

	test_int(t->slot, 0);
	test_true(t->due >= *c->last);
	test_true(env_now(c->env) >= t->due);
	*c->last = t->due;
	if (--*c->n == 0)
		env_stop(c->env);
}

static void
timers_fire_in_order(bool use_poll)
{
	struct env *env = new_env(use_poll);
	struct clockwork all[TIMERS] = { 0 };
	int64_t last = 0, now = env_now(env);
	int n = TIMERS;

	for (int i = 0; i < TIMERS; i++) {
		all[i] = (struct clockwork){ .env = env,
			.last = &last,
			.n = &n,
			.timer.fire = on_fire };
		test_int(env_timer_set(env, &all[i].timer,
			     now + (i * 7919) % 20000),
		    0);
	}
	/* A third moves later, a third stops. */
	for (int i = 0; i < TIMERS; i += 3)
		(void)env_timer_set(env, &all[i].timer, now + 30000 - i);
	for (int i = 1; i < TIMERS; i += 3) {
		env_timer_stop(env, &all[i].timer);
		env_timer_stop(env, &all[i].timer); /* harmless */
		n--;
	}
	test_int(env_run(env), 0);
	test_int(n, 0);
	env_posix_free(env);
}

/* -- readiness --------------------------------------------------------------
 */

struct pair {
	struct env_watch watch;
	struct env *env;
	struct pair *other;
	int n_ready;
};

/* Whoever comes first deletes the other, whose event must not come. */
static void
on_pair_ready(struct env_watch *w, unsigned events)
{
	struct pair *p = LIST_ENTRY(w, struct pair, watch);

	test_true((events & ENV_READ) != 0);
	p->n_ready++;
	env_watch_del(p->env, &p->other->watch);
	env_watch_del(p->env, w);
	env_stop(p->env);
}

static void
deleted_watch_is_silent(bool use_poll)
{
	struct env *env = new_env(use_poll);
	struct pair a = { .env = env }, b = { .env = env, .other = &a };
	int fds[2];

	a.other = &b;
	test_int(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	test_int(env_watch_add(env, &a.watch, fds[0], ENV_READ, on_pair_ready),
	    0);
	test_int(env_watch_add(env, &b.watch, fds[1], ENV_READ, on_pair_ready),
	    0);
	test_int(write(fds[0], "x", 1), 1);
	test_int(write(fds[1], "x", 1), 1);
	test_int(env_run(env), 0);
	test_int(a.n_ready + b.n_ready, 1);
	env_close(env, fds[0], false);
	env_close(env, fds[1], false);
	env_posix_free(env);
}

static void
on_alarm(struct env_timer *t)
{
	struct clockwork *c = LIST_ENTRY(t, struct clockwork, timer);

	env_stop(c->env);
}

static void
on_hangup(struct env_watch *w, unsigned events)
{
	struct pair *p = LIST_ENTRY(w, struct pair, watch);

	p->n_ready++;
	test_int(events, w->want);
}

/* Who wants nothing hears nothing, also not of a hang-up. */
static void
unwanted_is_not_told(bool use_poll)
{
	struct env *env = new_env(use_poll);
	struct clockwork alarm = { .env = env, .timer.fire = on_alarm };
	struct pair a = { .env = env };
	int fds[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	test_int(env_watch_add(env, &a.watch, fds[0], ENV_WRITE, on_hangup), 0);
	test_int(env_watch_want(env, &a.watch, 0), 0);
	env_close(env, fds[1], false);
	(void)env_timer_set(env, &alarm.timer, env_now(env) + 5 * TIME_MS);
	test_int(env_run(env), 0);
	test_int(a.n_ready, 0);
	test_int(env_watch_want(env, &a.watch, ENV_READ), 0);
	(void)env_timer_set(env, &alarm.timer, env_now(env) + TIME_MS);
	test_int(env_run(env), 0);
	test_true(a.n_ready > 0);
	env_watch_del(env, &a.watch);
	env_close(env, fds[0], false);
	env_posix_free(env);
}

/* -- deferred ---------------------------------------------------------------
 */

struct later {
	struct env_defer defer;
	struct env *env;
	int n;
};

static void
on_later(struct env_defer *d)
{
	struct later *l = LIST_ENTRY(d, struct later, defer);

	if (++l->n == 3)
		env_stop(l->env);
	else
		env_defer(l->env, d);
}

static void
defers_run_once_a_turn(bool use_poll)
{
	struct env *env = new_env(use_poll);
	struct later a = { .env = env, .defer.run = on_later };
	struct later b = { .env = env, .defer.run = on_later };

	env_defer(env, &a.defer);
	env_defer(env, &a.defer);
	env_defer(env, &b.defer);
	env_defer_cancel(env, &b.defer);
	test_int(env_run(env), 0);
	test_int(a.n, 3);
	test_int(b.n, 0);
	env_posix_free(env);
}

/* -- jobs ---------------------------------------------------------------------
 */

enum {
	JOBS = 500
};

struct task {
	struct env_job job;
	struct env *env;
	int number;
	int *run_next, *n_done; /* run_next: the lane's thread's own */
	bool was_run;
};

static void
task_run(struct env_job *job)
{
	struct task *t = LIST_ENTRY(job, struct task, job);

	t->was_run = *t->run_next == t->number;
	(*t->run_next)++;
}

static void
task_done(struct env_job *job)
{
	struct task *t = LIST_ENTRY(job, struct task, job);

	test_true(t->was_run);
	if (++*t->n_done == 2 * JOBS)
		env_stop(t->env);
}

static void
jobs_run_in_order(bool use_poll)
{
	static struct task tasks[2][JOBS];
	const enum env_lane lanes[] = { ENV_LANE_APPEND, ENV_LANE_COMMIT };
	struct env *env = new_env(use_poll);
	int next[2] = { 0 }, n_done = 0;

	test_int(env_start_threads(env, 1u << ENV_LANE_COMMIT), 0);
	for (int i = 0; i < JOBS; i++)
		for (int l = 0; l < 2; l++) {
			struct task *t = &tasks[l][i];

			*t = (struct task){ .env = env,
				.number = i,
				.run_next = &next[l],
				.n_done = &n_done,
				.job = { .run = task_run, .done = task_done } };
			test_int(env_work(env, lanes[l], &t->job), 0);
		}
	test_int(env_run(env), 0);
	test_int(n_done, 2 * JOBS);
	env_posix_free(env);
}

/* -- sockets
 * ------------------------------------------------------------------- */

struct dial {
	struct env_watch listen, client;
	struct env *env;
	int accepted;
	int connected; /* 1: not yet */
	struct env_addr peer;
};

static void
on_listen(struct env_watch *w, unsigned events)
{
	struct dial *d = LIST_ENTRY(w, struct dial, listen);

	(void)events;
	d->accepted = env_accept(d->env, w->fd, &d->peer);
	if (d->connected <= 0)
		env_stop(d->env);
}

static void
on_connected(struct env_watch *w, unsigned events)
{
	struct dial *d = LIST_ENTRY(w, struct dial, client);

	(void)events;
	d->connected = env_connect_result(d->env, w->fd);
	(void)env_watch_want(d->env, w, 0);
	if (d->accepted >= 0 || d->connected < 0)
		env_stop(d->env);
}

static int
listen_on(int family, struct env_addr *ret)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_ANY_INIT };
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(in6);

	*ret = (struct env_addr){ .family = 4, .bytes = { 127, 0, 0, 1 } };
	if (family == AF_INET6) {
		if (fd == -1 ||
		    bind(fd, (struct sockaddr *)&in6, sizeof(in6)) == -1)
			return -1;
	} else {
		test_int(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	}
	test_int(listen(fd, 5), 0);
	test_int(getsockname(fd, (struct sockaddr *)&in6, &len), 0);
	ret->port = ntohs(in6.sin6_port);
	return fd;
}

/* An IPv4 client of an IPv6 socket is told as IPv4. */
static void
connect_and_accept(bool use_poll, int family)
{
	struct env *env = new_env(use_poll);
	struct dial d = { .env = env, .accepted = -1, .connected = 1 };
	struct env_addr to, local;
	int lfd = listen_on(family, &to), fd;
	char got[8], text[ENV_ADDR_TEXT];

	if (lfd == -1) { /* no IPv6 here */
		env_posix_free(env);
		return;
	}
	test_int(env_watch_add(env, &d.listen, lfd, ENV_READ, on_listen), 0);
	fd = env_connect(env, &to, NULL);
	test_true(fd >= 0);
	test_int(env_watch_add(env, &d.client, fd, ENV_WRITE, on_connected), 0);
	test_int(env_run(env), 0);
	test_int(d.connected, 0);
	test_true(d.accepted >= 0);
	env_addr_print(&d.peer, text);
	assert_string_equal(text, "127.0.0.1");
	test_int(env_local_addr(env, fd, &local), 0);
	test_int(local.port, d.peer.port);
	test_int(env_recv(env, d.accepted, got, sizeof(got)), -EAGAIN);
	env_close(env, fd, true);
	test_int(env_recv(env, d.accepted, got, sizeof(got)), -ECONNRESET);
	env_watch_del(env, &d.client);
	env_watch_del(env, &d.listen);
	env_close(env, d.accepted, false);
	env_close(env, lfd, false);
	env_posix_free(env);
}

static void
refused_connect_is_told(bool use_poll)
{
	struct env *env = new_env(use_poll);
	struct dial d = { .env = env, .accepted = -1, .connected = 1 };
	struct env_addr to;
	int lfd = listen_on(AF_INET, &to), fd;

	env_close(env, lfd, false);
	fd = env_connect(env, &to, NULL);
	if (fd >= 0) {
		test_int(env_watch_add(env, &d.client, fd, ENV_WRITE,
			     on_connected),
		    0);
		test_int(env_run(env), 0);
		test_int(d.connected, -ECONNREFUSED);
		env_watch_del(env, &d.client);
		env_close(env, fd, false);
	} else {
		test_int(fd, -ECONNREFUSED);
	}
	env_posix_free(env);
}

/* -- descriptors
 * ------------------------------------------------------------------ */

static void
fds_travel(bool use_poll)
{
	struct env *env = new_env(use_poll);
	struct iovec v = { (char[]){ "ab" }, 2 };
	int pair[2], pipe_fds[2], got[ENV_FDS_MAX];
	size_t n;
	char at[8];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	test_int(pipe(pipe_fds), 0);
	test_int(env_sendv_fds(env, pair[0], &v, 1, pipe_fds, 2), 2);
	test_int(env_recv_fds(env, pair[1], at, sizeof(at), got, &n), 2);
	test_int(n, 2);
	test_true((fcntl(got[0], F_GETFD) & FD_CLOEXEC) != 0);
	test_true((fcntl(got[0], F_GETFL) & O_NONBLOCK) != 0);
	test_int(write(got[1], "z", 1), 1);
	test_int(read(pipe_fds[0], at, 1), 1);
	for (int i = 0; i < 2; i++) {
		env_close(env, got[i], false);
		env_close(env, pipe_fds[i], false);
	}
	env_close(env, pair[0], false);
	test_int(env_recv_fds(env, pair[1], at, sizeof(at), got, &n), 0);
	env_close(env, pair[1], false);
	env_posix_free(env);
}

/* -- files
 * ---------------------------------------------------------------------------
 */

static int
count_name(void *ctx, const char *name)
{
	int *n = ctx;

	test_true(name[0] != '\0');
	++*n;
	return 0;
}

static const char *const outside[] = { "", "/etc/passwd", "..", "../x",
	"sub/../../x", "sub//x", "./x", "sub/..", "sub/." };

static void
names_stay_beneath(struct env_dir *d)
{
	struct env_file *f;

	for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		test_case(outside[i]);
		test_int(env_file_open(d, outside[i],
			     ENV_FILE_WRITE | ENV_FILE_CREATE, &f),
		    -EINVAL);
	}
}

static void
write_and_read(struct env_dir *d)
{
	const unsigned make = ENV_FILE_WRITE | ENV_FILE_CREATE | ENV_FILE_NEW;
	struct iovec v[200];
	char ab[] = "ab";
	struct env_file *f;
	char text[512];
	uint64_t size;

	for (int i = 0; i < 200; i++)
		v[i] = (struct iovec){ ab, (size_t)(i % 3) };
	test_int(env_file_open(d, "sub/a", make, &f), 0);
	test_int(env_file_allocate(f, 4096), 0);
	test_int(env_file_size(f, &size), 0);
	test_int(size, 4096);
	test_int(env_file_truncate(f, 0), 0);
	test_int(env_file_pwritev(f, v, 200, 10), 0);
	test_int(env_file_sync(f), 0);
	test_int(env_file_size(f, &size), 0);
	test_int(size, 209);
	test_int(env_file_pread(f, text, sizeof(text), 9), 200);
	test_int(text[0], 0);
	assert_memory_equal(text + 1, "aabaab", 6);
	test_int(env_file_pread(f, text, sizeof(text), 9999), 0);
	env_file_close(f);
	test_int(env_file_open(d, "sub/a", make, &f), -EEXIST);
	test_int(env_file_open(d, "sub/b", ENV_FILE_READ, &f), -ENOENT);
}

static void
files(bool use_poll)
{
	char path[] = "/tmp/ulak-test-XXXXXX", sub[64];
	struct env *env = new_env(use_poll);
	struct env_dir *d, *again;
	int n = 0, owner;
	uint64_t room, size;

	test_true(mkdtemp(path) != NULL);
	test_int(env_dir_open(env, path, &d), 0);
	test_int(env_dir_open(env, path, &again), 0);
	test_int(env_dir_lock(d, "lock", &owner), 0);
	test_int(env_dir_lock(again, "lock", &owner), -EWOULDBLOCK);
	test_int(owner, getpid());
	test_int(env_dir_make(d, "sub"), 0);
	test_int(env_dir_make(d, "sub"), 0);
	names_stay_beneath(d);
	write_and_read(d);
	test_int(env_dir_link(d, "sub/a", "sub/b"), 0);
	test_int(env_dir_rename(d, "sub/a", "c"), 0);
	test_int(env_dir_list(d, "sub", count_name, &n), 0);
	test_int(n, 1);
	test_int(env_dir_list(d, ".", count_name, &n), 0);
	test_int(n, 4); /* sub/b; lock, c, sub */
	test_int(env_dir_sync(d, "sub"), 0);
	test_int(env_dir_sync(d, "."), 0);
	test_int(env_dir_free_space(d, &room, &size), 0);
	test_true(room <= size && size > 0);
	test_int(env_dir_unlink(d, "sub/b"), 0);
	test_int(env_dir_unlink(d, "sub/b"), -ENOENT);
	test_int(env_dir_unlink(d, "c"), 0);
	test_int(env_dir_unlink(d, "lock"), 0);
	env_dir_close(again);
	env_dir_close(d);
	env_posix_free(env);
	(void)snprintf(sub, sizeof(sub), "%s/sub", path);
	test_int(rmdir(sub), 0);
	test_int(rmdir(path), 0);
}

/* -- log
 * --------------------------------------------------------------------------------
 */

static const struct {
	const char *what;
	struct slice in;
	size_t size;
	const char *want;
} quotes[] = {
	{ "plain", SLICE("a b"), 64, "\"a b\"" },
	{ "a line end cannot forge a line", SLICE("x\r\nts=1"), 64,
	    "\"x\\x0d\\x0ats=1\"" },
	{ "quotes", SLICE("\"\\"), 64, "\"\\\"\\\\\"" },
	{ "NUL and eight bits", SLICE("\0\xff"), 64, "\"\\x00\\xff\"" },
	{ "cut", SLICE("abcdefghijkl"), 12, "\"abcde...\"" },
	{ "no escape is cut in two", SLICE("ab\x01"), 12, "\"ab...\"" },
};

static void
quoting(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		char *at = malloc(quotes[i].size);

		test_case(quotes[i].what);
		assert_string_equal(log_quote(quotes[i].in, at, quotes[i].size),
		    quotes[i].want);
		free(at);
	}
}

static void
log_lines(void **state)
{
	struct env_posix_options o = { .role = "store", .log_level = ENV_INFO };
	struct env *env;
	char got[9000];
	int fds[2];
	ssize_t n;

	(void)state;
	test_int(pipe(fds), 0);
	o.log_fd = fds[1];
	test_int(env_posix_new(&o, &env), 0);
	env_log(env, ENV_DEBUG, "hidden", "a=1");
	env_log(env, ENV_WARN, "shown", "a=%d text=%s", 1, "x\n\x1b\x7fy");
	env_log(env, ENV_INFO, "long", "%05000d", 1);
	n = read(fds[0], got, sizeof(got) - 1);
	test_true(n > 0);
	got[n] = '\0';
	test_true(strstr(got, "hidden") == NULL);
	test_true(strncmp(got, "ts=2", 4) == 0);
	test_true(strstr(got,
		      "Z level=warn role=store event=shown a=1 text=x   y\n") !=
	    NULL);
	test_int(got[n - 1], '\n');
	test_true(n < 4096 + 200);
	env_posix_free(env);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

/* -- a made clock --------------------------------------------------------- */

struct patience {
	struct env *env;
	struct env_timer hour;
	struct env_watch watch;
	struct env_job job;
	int64_t begun, at_watch, at_job;
};

static void
on_hour(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct patience, hour)->env);
}

static void
on_octet(struct env_watch *w, unsigned events)
{
	struct patience *p = LIST_ENTRY(w, struct patience, watch);

	(void)events;
	p->at_watch = env_now(p->env);
	env_watch_del(p->env, w);
}

static void
run_long(struct env_job *job)
{
	(void)job;
	(void)usleep(20000);
}

static void
after_long(struct env_job *job)
{
	struct patience *p = LIST_ENTRY(job, struct patience, job);

	p->at_job = env_now(p->env);
}

/* Neither what is ready nor a job that takes its time moves it; then an hour
 * is over at once. */
static void
made_clock(bool use_poll)
{
	struct env_posix_options o = { .role = "test",
		.log_level = ENV_ERROR,
		.use_poll = use_poll,
		.has_made_clock = true };
	struct patience p = { .hour.fire = on_hour,
		.job = { .run = run_long, .done = after_long } };
	int64_t wall;
	int fds[2];

	test_int(env_posix_new(&o, &p.env), 0);
	p.begun = env_now(p.env);
	wall = env_wall(p.env);
	test_int(pipe(fds), 0);
	test_int(write(fds[1], "x", 1), 1);
	test_int(env_watch_add(p.env, &p.watch, fds[0], ENV_READ, on_octet), 0);
	test_int(env_work(p.env, ENV_LANE_READ, &p.job), 0);
	test_int(env_timer_set(p.env, &p.hour, p.begun + TIME_HOUR), 0);
	test_int(env_run(p.env), 0);
	test_int(p.at_watch - p.begun, 0);
	test_int(p.at_job - p.begun, 0);
	test_int(env_now(p.env) - p.begun, TIME_HOUR);
	test_int(env_wall(p.env) - wall, TIME_HOUR);
	env_posix_free(p.env);
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
with_each_backend(void (*test)(bool use_poll))
{
	test(false);
	test(true);
}

static void
connect_both(bool use_poll)
{
	connect_and_accept(use_poll, AF_INET);
	connect_and_accept(use_poll, AF_INET6);
}

#define BOTH(name)                                                             \
	static void name##_both(void **state)                                  \
	{                                                                      \
		(void)state;                                                   \
		with_each_backend(name);                                       \
	}
BOTH(timers_fire_in_order)
BOTH(deleted_watch_is_silent)
BOTH(unwanted_is_not_told)
BOTH(defers_run_once_a_turn)
BOTH(jobs_run_in_order)
BOTH(connect_both)
BOTH(refused_connect_is_told)
BOTH(fds_travel)
BOTH(files)
BOTH(made_clock)

TEST_MAIN(cmocka_unit_test(timers_fire_in_order_both),
    cmocka_unit_test(deleted_watch_is_silent_both),
    cmocka_unit_test(unwanted_is_not_told_both),
    cmocka_unit_test(defers_run_once_a_turn_both),
    cmocka_unit_test(jobs_run_in_order_both),
    cmocka_unit_test(connect_both_both),
    cmocka_unit_test(refused_connect_is_told_both),
    cmocka_unit_test(fds_travel_both), cmocka_unit_test(files_both),
    cmocka_unit_test(made_clock_both), cmocka_unit_test(quoting),
    cmocka_unit_test(log_lines))
