/* SPDX-License-Identifier: ISC */
/*
 * A large list and a disk that ends or fails at any call: nobody on it is
 * missed, and nobody gets the mail twice
 *
 * A child works the list off, slice by slice, as the store role does; its n-th
 * disk call ends the process, or fails. The parent opens what is left, works
 * the rest off and counts. Each run begins with the same directory.
 */
#include "base/test.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/time.h"
#include "store/expand.h"
#include "store/group.h"
#include "store/store_fixture.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"

enum {
	FAR = 90,    /* members elsewhere: three slices */
	SLICES = 40, /* more than there are */
	CRASHED = 42,
	FAILED = 4
};

struct slice_job {
	struct store_write write;
	struct expand_slice slice;
	struct fixture *f;
	int result;
};

static int
apply_slice(struct db *db, struct store_write *w)
{
	struct slice_job *j = LIST_ENTRY(w, struct slice_job, write);

	arena_reset(&j->slice.arena);
	return expand_work(db, &j->slice);
}

static void
done_slice(struct store_write *w, int r)
{
	struct slice_job *j = LIST_ENTRY(w, struct slice_job, write);

	j->result = r;
	j->f->n_waiting--;
}

/* 0 when nothing is left; else that of the slice that failed last. */
static int
work_off(struct fixture *f)
{
	static struct slice_job j;
	int failed = 0;

	memset(&j, 0, sizeof(j));
	j.f = f;
	arena_init(&j.slice.arena, 32 << 20);
	for (unsigned i = 0; i < SLICES && j.result != DB_NONE; i++) {
		j.slice.now = 1;
		j.write = (struct store_write){ .lane = STORE_LANE_BULK,
			.apply = apply_slice,
			.done = done_slice };
		f->n_waiting++;
		store_submit(f->store, &j.write);
		fixture_run(f);
		if (j.result < 0)
			failed = j.result;
	}
	arena_reset(&j.slice.arena);
	return j.result == DB_NONE ? 0 : failed;
}

static void
add_member(struct db *db, const char *member)
{
	test_int(group_member_add(db, SLICE("big@one.example"),
		     slice_cstr(member), 1),
	    0);
}

/* anna is a member, bob one under two names and of a list within the list. */
static void
make_list(struct fixture *f)
{
	struct expand_begin e = {
		.sender = SLICE("b@far.example"), .expires = 1000, .now = 1
	};
	struct db *db = store_writer(f->store);
	static struct mail mail;
	char text[64];

	memset(&mail, 0, sizeof(mail));
	fixture_send(f, &mail, 1000, 1);
	fixture_run(f);
	test_int(mail.result, 0);
	buf_deinit(&mail.d.append.envelope);
	e.message = mail.d.append.header.id;
	test_int(store_account_add(f->store, SLICE("bob@one.example"),
		     SLICE(""), SLICE(""), NULL),
	    0);
	test_int(db_begin(db), 0);
	test_int(group_add(db, SLICE("big@one.example"), SLICE(""), SLICE(""),
		     SLICE(""), 1),
	    0);
	test_int(group_add(db, SLICE("sub@one.example"), SLICE(""), SLICE(""),
		     SLICE(""), 1),
	    0);
	test_int(group_member_add(db, SLICE("sub@one.example"),
		     SLICE("bob@one.example"), 1),
	    0);
	for (unsigned i = 0; i < FAR; i++) {
		(void)snprintf(text, sizeof(text), "m%u@far.example", i);
		add_member(db, text);
	}
	add_member(db, "bob@one.example");
	add_member(db, "bob+x@one.example");
	add_member(db, "sub@one.example");
	add_member(db, "anna@one.example");
	test_int(expand_begin(db, &e), 0);
	test_int(message_ref(db, &e.message, 1), 0);
	test_int(expand_add(db, e.expansion, SLICE("big@one.example"),
		     SLICE("")),
	    0);
	test_int(expand_reached_account(db, e.expansion, f->account), 0);
	test_int(db_commit(db), 0);
}

static uint64_t
messages_of(struct db *db, const char *address)
{
	struct q_account_get row;
	uint64_t account = 0;

	test_int(account_find(db, slice_cstr(address), &account), 0);
	test_int(DB_ONE(account_get, db, &row, .account = account), 0);
	return row.used_messages;
}

/* What is left is worked off, and then everybody has it once. */
static void
check(struct fixture *f)
{
	struct q_count_queue queue;
	struct db *db;

	fixture_open(f, false, 0);
	test_int(work_off(f), 0);
	db = store_writer(f->store);
	test_int(DB_ONE(count_queue, db, &queue, 0), 0);
	test_int(queue.n, FAR);
	test_int(messages_of(db, "anna@one.example"), 1);
	test_int(messages_of(db, "bob@one.example"), 1);
	fixture_verify(f, 1, 0);
	fixture_close(f);
}

static void
child(const struct fixture *from, enum env_fault fault,
    const struct fault_plan *plan)
{
	static const struct env_posix_options o = { .role = "test" };
	struct store_options so = { .segment_size = 1024 * 1024 };
	struct fixture f = *from;

	test_int(env_posix_new(&o, &f.posix), 0);
	test_int(env_faulty_new(f.posix, &f.env), 0);
	env_faulty_arm(f.env, fault, plan);
	if (env_dir_open(f.env, f.path, &f.dir) != 0 ||
	    store_open(f.env, f.dir, &so, &f.store) != 0)
		_exit(FAILED);
	(void)work_off(&f);
	_exit(env_faulty_failed(f.env, fault) > 0 ? FAILED : 0);
}

static int
run_child(struct fixture *f, enum env_fault fault,
    const struct fault_plan *plan)
{
	pid_t pid = fork();
	int status;

	test_true(pid >= 0);
	if (pid == 0)
		child(f, fault, plan);
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Every run begins with the directory as it was kept. */
static void
restore(const struct fixture *f)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -rf %s && cp -r %s.0 %s",
	    f->path, f->path, f->path);
	test_int(system(command), 0);
}

static void
keep(const struct fixture *f)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "cp -r %s %s.0", f->path,
	    f->path);
	test_int(system(command), 0);
}

static void
tidy(struct fixture *f)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -rf %s.0", f->path);
	test_int(system(command), 0);
	fixture_drop(f);
}

static void
try_each(enum env_fault fault, struct fault_plan plan, unsigned step,
    int want_end)
{
	struct fixture f;
	char what[32];
	int status = -1;

	fixture_make(&f);
	make_list(&f);
	fixture_close(&f);
	keep(&f);
	for (plan.nth = 1; status != 0; plan.nth += step) {
		(void)snprintf(what, sizeof(what), "call %llu",
		    (unsigned long long)plan.nth);
		test_case(what);
		restore(&f);
		plan.is_torn = plan.nth % 2 == 0;
		status = run_child(&f, fault, &plan);
		test_true(status == 0 || status == want_end ||
		    status == FAILED);
		check(&f);
	}
	test_true(plan.nth > 5 * step); /* there was something to try */
	tidy(&f);
}

static void
the_process_ends_at_each_call(void **state)
{
	(void)state;
	try_each(FAULT_ANY_DISK,
	    (struct fault_plan){ .n = 1, .exit_status = CRASHED }, 9, CRASHED);
}

static void
each_write_fails_once(void **state)
{
	(void)state;
	try_each(FAULT_WRITE, (struct fault_plan){ .n = 1, .error = EIO }, 5,
	    FAILED);
}

static void
the_disk_is_full_from_here(void **state)
{
	(void)state;
	try_each(FAULT_WRITE, (struct fault_plan){ .n = 0, .error = ENOSPC }, 7,
	    FAILED);
}

TEST_MAIN(cmocka_unit_test(the_process_ends_at_each_call),
    cmocka_unit_test(each_write_fails_once),
    cmocka_unit_test(the_disk_is_full_from_here))
