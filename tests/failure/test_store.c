/* SPDX-License-Identifier: ISC */
/*
 * failure/test_store - the store when memory runs out
 *
 * In a child the n-th allocation of our code fails, in whichever thread, while
 * a store is opened and mails are committed. Nothing crashes, each mail is
 * answered with yes or no, and what was answered with yes is there afterwards.
 */
#include <errno.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "store/store_fixture.h"
#include "sys/env_posix.h"

enum {
	MAILS = 4,
	NOT_OPENED = 3,
	WENT_WELL = 4
};
static const size_t sizes[MAILS] = { 10, 300000, 5000, 1 };

static atomic_size_t n_made, fails_at; /* 0: never */

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *at, size_t n);
void *__real_reallocarray(void *at, size_t n, size_t size);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *at, size_t n);
void *__wrap_reallocarray(void *at, size_t n, size_t size);

static bool
is_to_fail(void)
{
	return fails_at != 0 && ++n_made == fails_at;
}

void *
__wrap_malloc(size_t n)
{
	return is_to_fail() ? NULL : __real_malloc(n);
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return is_to_fail() ? NULL : __real_calloc(n, size);
}

void *
__wrap_realloc(void *at, size_t n)
{
	return is_to_fail() ? NULL : __real_realloc(at, n);
}

void *
__wrap_reallocarray(void *at, size_t n, size_t size)
{
	return is_to_fail() ? NULL : __real_reallocarray(at, n, size);
}

struct acked {
	bool is_acked;
	struct segment_place place;
};

/* A page shared with the child tells what it was told. */
static void
child(const struct fixture *from, size_t n, int tell)
{
	static struct mail mails[MAILS];
	struct store_options o = { .segment_size = 1024 * 1024 };
	struct env_posix_options env = { .role = "test",
		.log_level = ENV_ERROR };
	struct fixture f = *from;
	struct acked acked[MAILS] = { 0 };

	if (env_posix_new(&env, &f.env) != 0)
		_exit(1);
	f.posix = f.env;
	fails_at = n;
	if (env_dir_open(f.env, f.path, &f.dir) != 0 ||
	    store_open(f.env, f.dir, &o, &f.store) != 0)
		_exit(n_made >= n ? NOT_OPENED : 1);
	for (unsigned i = 0; i < MAILS; i++) {
		fixture_send(&f, &mails[i], sizes[i], i);
		fixture_run(&f);
		if (!mails[i].is_done)
			_exit(1); /* nobody was told */
		acked[i].is_acked = mails[i].result == 0;
		acked[i].place = mails[i].d.append.place;
	}
	if (write(tell, acked, sizeof(acked)) != sizeof(acked))
		_exit(1);
	_exit(n_made >= n ? 0 : WENT_WELL);
}

static int
run_child(const struct fixture *f, size_t n, struct acked acked[MAILS])
{
	int tell[2], status;
	pid_t pid;

	memset(acked, 0, MAILS * sizeof(acked[0]));
	test_int(pipe(tell), 0);
	pid = fork();
	test_true(pid >= 0);
	if (pid == 0) {
		(void)close(tell[0]);
		child(f, n, tell[1]);
	}
	(void)close(tell[1]);
	if (read(tell[0], acked, MAILS * sizeof(acked[0])) !=
	    (ssize_t)(MAILS * sizeof(acked[0])))
		memset(acked, 0, MAILS * sizeof(acked[0]));
	(void)close(tell[0]);
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
check(struct fixture *f, const struct acked acked[MAILS])
{
	fixture_open(f, false, 0);
	fixture_verify(f, UINT64_MAX, 0);
	for (unsigned i = 0; i < MAILS; i++) {
		struct mail m = { .d.append.place = acked[i].place };

		if (acked[i].is_acked)
			fixture_check_body(f, &m, sizes[i], i);
	}
	fixture_close(f);
}

static void
each_allocation_fails_once(void **state)
{
	struct acked acked[MAILS];
	struct fixture f;
	int status = 0;
	size_t n;

	(void)state;
	fixture_make(&f);
	fixture_close(&f);
	for (n = 1; status != WENT_WELL; n++) {
		char what[32];

		(void)snprintf(what, sizeof(what), "allocation %zu", n);
		test_case(what);
		status = run_child(&f, n, acked);
		test_true(status == 0 || status == NOT_OPENED ||
		    status == WENT_WELL);
		check(&f, acked);
	}
	test_true(n > 50);
	for (unsigned i = 0; i < MAILS; i++)
		test_true(acked[i].is_acked);
	fixture_drop(&f);
}

TEST_MAIN(cmocka_unit_test(each_allocation_fails_once))
