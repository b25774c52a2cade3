/* SPDX-License-Identifier: ISC */
/*
 * The env that fails: which call, how many, torn writes, the sudden end; and
 * what channels do when the env beneath them fails.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"
#include "wire/channel.h"

struct place {
	struct env *inner, *env;
	struct env_dir *dir;
	char path[40];
};

static void
open_place(struct place *p)
{
	struct env_posix_options o = { .role = "test" };

	(void)strcpy(p->path, "/tmp/ulak-faulty-XXXXXX");
	test_true(mkdtemp(p->path) != NULL);
	test_int(env_posix_new(&o, &p->inner), 0);
	test_int(env_faulty_new(p->inner, &p->env), 0);
	test_int(env_dir_open(p->env, p->path, &p->dir), 0);
}

static void
close_place(struct place *p)
{
	(void)env_dir_unlink(p->dir, "a");
	env_dir_close(p->dir);
	env_faulty_free(p->env);
	env_posix_free(p->inner);
	test_int(rmdir(p->path), 0);
}

static int
write_to(struct place *p, const char *text)
{
	struct iovec v = { (char *)(uintptr_t)text, strlen(text) };
	struct env_file *f;
	int r =
	    env_file_open(p->dir, "a", ENV_FILE_WRITE | ENV_FILE_CREATE, &f);

	if (r < 0)
		return r;
	r = env_file_pwritev(f, &v, 1, 0);
	if (r == 0)
		r = env_file_sync(f);
	env_file_close(f);
	return r;
}

static const struct {
	const char *what;
	enum env_fault fault;
	struct fault_plan plan;
	int want[4]; /* of four writes in a row */
} plans[] = {
	{ "nothing armed", FAULT_WRITE, { 0 }, { 0, 0, 0, 0 } },
	{ "the second", FAULT_WRITE, { .nth = 2, .n = 1 }, { 0, -EIO, 0, 0 } },
	{ "two in a row, no space", FAULT_WRITE,
	    { .nth = 1, .n = 2, .error = ENOSPC }, { -ENOSPC, -ENOSPC, 0, 0 } },
	{ "all from the third on", FAULT_SYNC, { .nth = 3 },
	    { 0, 0, -EIO, -EIO } },
	{ "open", FAULT_OPEN, { .nth = 1, .n = 1, .error = EMFILE },
	    { -EMFILE, 0, 0, 0 } },
	{ "the fifth call to the disk is the second write", FAULT_ANY_DISK,
	    { .nth = 5, .n = 1 }, { 0, -EIO, 0, 0 } },
};

static void
fails_as_planned(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		uint64_t n_failed = 0;
		struct place p;

		test_case(plans[i].what);
		open_place(&p);
		env_faulty_arm(p.env, plans[i].fault, &plans[i].plan);
		for (int k = 0; k < 4; k++) {
			test_int(write_to(&p, "text"), plans[i].want[k]);
			n_failed += plans[i].want[k] != 0;
		}
		test_int(env_faulty_failed(p.env, plans[i].fault), n_failed);
		close_place(&p);
	}
}

static void
torn_writes_leave_half(void **state)
{
	const struct fault_plan plan = { .nth = 1, .n = 1, .is_torn = true };
	struct env_file *f;
	struct place p;
	char at[16];

	(void)state;
	open_place(&p);
	env_faulty_arm(p.env, FAULT_WRITE, &plan);
	test_int(write_to(&p, "12345678"), -EIO);
	test_int(env_file_open(p.dir, "a", ENV_FILE_READ, &f), 0);
	test_int(env_file_pread(f, at, sizeof(at), 0), 4);
	env_file_close(f);
	test_int(env_faulty_count(p.env, FAULT_WRITE), 1);
	close_place(&p);
}

static void
the_end_comes_at_the_call(void **state)
{
	const struct fault_plan plan = { .nth = 1, .exit_status = 86 };
	struct place p;
	int status;
	pid_t pid;

	(void)state;
	open_place(&p);
	env_faulty_arm(p.env, FAULT_SYNC, &plan);
	pid = fork();
	test_true(pid != -1);
	if (pid == 0) {
		(void)write_to(&p, "x");
		_exit(0);
	}
	test_int(waitpid(pid, &status, 0), pid);
	test_int(WEXITSTATUS(status), 86);
	close_place(&p);
}

/* -- channels over a failing env
 * -------------------------------------------------- */

static int
ignore(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	(void)c, (void)h, (void)payload, (void)fd;
	return 0;
}

static void
count_end(struct channel *c)
{
	++*(int *)c->ctx;
	env_stop(c->env);
}

static const struct channel_ops ops = { .dispatch = ignore,
	.on_closed = count_end };

static void
stop_in_time(struct env_timer *t)
{
	(void)t;
	_exit(3); /* the channel's end did not come */
}

static void
channels_end_when_reading_fails(void **state)
{
	const struct fault_plan plan = { .nth = 1, .error = ECONNRESET };
	struct env_timer t = { .fire = stop_in_time };
	struct channel c;
	int fds[2], n = 0;
	struct place p;

	(void)state;
	open_place(&p);
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	test_int(channel_open(&c, p.env, &n, fds[0], WIRE_STORE, WIRE_MX, 1,
		     &ops),
	    0);
	env_faulty_arm(p.env, FAULT_RECV, &plan);
	test_int(write(fds[1], "x", 1), 1);
	(void)env_timer_set(p.env, &t, env_now(p.env) + 10000000);
	test_int(env_run(p.env), 0);
	test_int(n, 1);
	test_true(channel_is_dead(&c));
	env_timer_stop(p.env, &t);
	channel_close(&c);
	(void)close(fds[1]);
	close_place(&p);
}

static void
channels_do_not_open_unwatched(void **state)
{
	const struct fault_plan plan = { .nth = 1, .error = ENOMEM };
	struct channel c;
	int fds[2], n = 0;
	struct place p;

	(void)state;
	open_place(&p);
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	env_faulty_arm(p.env, FAULT_WATCH, &plan);
	test_int(channel_open(&c, p.env, &n, fds[0], WIRE_STORE, WIRE_MX, 1,
		     &ops),
	    -ENOMEM);
	test_true(channel_is_dead(&c));
	test_int(write(fds[0], "x", 1), -1); /* closed */
	(void)close(fds[1]);
	close_place(&p);
}

TEST_MAIN(cmocka_unit_test(fails_as_planned),
    cmocka_unit_test(torn_writes_leave_half),
    cmocka_unit_test(the_end_comes_at_the_call),
    cmocka_unit_test(channels_end_when_reading_fails),
    cmocka_unit_test(channels_do_not_open_unwatched))
