/* SPDX-License-Identifier: ISC */
/*
 * What was acknowledged survives, whichever call of the disk is the last one
 *
 * A child sends mails, one group after the other, and writes the number of each
 * acknowledged one to a pipe; its n-th disk call ends the process (a write may
 * have been cut in half), for every n until the run is through. The parent
 * opens what is left: every acknowledged mail is there byte for byte, nothing
 * else is wrong. The same where the power goes, and what was not synced is
 * lost, whole or in part. The same with calls that fail instead: EIO, ENOSPC,
 * once or for good.
 */
#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_fixture.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"

enum {
	MAILS = 6,
	CRASHED = 42
};

static const size_t sizes[MAILS] = { 10, 5000, 300000, 100, 70000, 1 };

struct acked {
	bool is_acked[MAILS];
	struct segment_place places[MAILS];
};

static void
use_faulty(struct fixture *f)
{
	static const struct env_posix_options o = { .role = "test" };

	test_int(env_posix_new(&o, &f->posix), 0);
	test_int(env_faulty_new(f->posix, &f->env), 0);
}

/* Sends them in turn and tells each that is kept. True: all were answered. */
static void
send_all(struct fixture *f, int tell)
{
	static struct mail mails[MAILS];

	memset(mails, 0, sizeof(mails));
	for (unsigned i = 0; i < MAILS; i++) {
		struct acked one = { 0 };

		mails[i].queue_to = i % 2 == 0 ? "c@far.example" : NULL;
		fixture_send(f, &mails[i], sizes[i], i);
		fixture_run(f);
		buf_deinit(&mails[i].d.append.envelope);
		if (mails[i].result != 0)
			continue;
		one.is_acked[i] = true;
		one.places[i] = mails[i].d.append.place;
		if (write(tell, &one, sizeof(one)) != sizeof(one))
			_exit(1);
	}
}

static void
child(const struct fixture *from, enum env_fault fault,
    const struct fault_plan *plan, int tell)
{
	struct store_options o = { .segment_size = 1024 * 1024 };
	struct fixture f = *from;
	int status;

	use_faulty(&f);
	env_faulty_arm(f.env, fault, plan);
	if (env_dir_open(f.env, f.path, &f.dir) != 0 ||
	    store_open(f.env, f.dir, &o, &f.store) != 0)
		_exit(3); /* refused to start: nothing was promised */
	send_all(&f, tell);
	status = env_faulty_failed(f.env, fault) > 0 ? 4 : 0;
	if (plan->cuts_power)
		env_faulty_cut_power(f.env, plan->survivors);
	_exit(status);
}

static int
run_child(struct fixture *f, enum env_fault fault,
    const struct fault_plan *plan, struct acked *ret)
{
	struct acked one;
	int tell[2], status;
	pid_t pid;

	memset(ret, 0, sizeof(*ret));
	test_int(pipe(tell), 0);
	pid = fork();
	test_true(pid >= 0);
	if (pid == 0) {
		(void)close(tell[0]);
		child(f, fault, plan, tell[1]);
	}
	(void)close(tell[1]);
	while (read(tell[0], &one, sizeof(one)) == sizeof(one))
		for (unsigned i = 0; i < MAILS; i++)
			if (one.is_acked[i]) {
				ret->is_acked[i] = true;
				ret->places[i] = one.places[i];
			}
	(void)close(tell[0]);
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void
check(struct fixture *f, const struct acked *acked)
{
	fixture_open(f, false, 0);
	fixture_verify(f, UINT64_MAX, 0);
	for (unsigned i = 0; i < MAILS; i++) {
		struct mail m = { .d.append.place = acked->places[i] };

		if (acked->is_acked[i])
			fixture_check_body(f, &m, sizes[i], i);
	}
	fixture_close(f);
}

/* Every run begins with the same directory. */
static void
restore(const struct fixture *f)
{
	char command[256];

	(void)snprintf(command, sizeof(command), "rm -rf %s && cp -r %s.0 %s",
	    f->path, f->path, f->path);
	test_int(system(command), 0);
}

static void
prepare(struct fixture *f)
{
	char command[256];

	fixture_make(f);
	fixture_close(f);
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
	struct acked acked;
	unsigned n_runs = 0;
	char what[64];
	int status;

	prepare(&f);
	for (uint64_t n = 1;; n += step) {
		(void)snprintf(what, sizeof(what), "call %llu",
		    (unsigned long long)n);
		test_case(what);
		restore(&f);
		plan.nth = n;
		plan.is_torn = n % 2 == 0;
		plan.survivors = plan.cuts_power && n % 3 != 0 ? n : 0;
		status = run_child(&f, fault, &plan, &acked);
		check(&f, &acked);
		n_runs++;
		if (status == 0)
			break;
		test_true(status == want_end || status == 3 || status == 4);
	}
	for (unsigned i = 0; i < MAILS; i++)
		test_true(acked.is_acked[i]); /* without a fault, all */
	test_true(n_runs > 5);
	tidy(&f);
}

static void
the_process_ends_at_each_call(void **state)
{
	(void)state;
	try_each(FAULT_ANY_DISK,
	    (struct fault_plan){ .n = 1, .exit_status = CRASHED }, 3, CRASHED);
}

static void
the_power_goes_at_each_call(void **state)
{
	(void)state;
	try_each(FAULT_ANY_DISK,
	    (struct fault_plan){
		.n = 1, .exit_status = CRASHED, .cuts_power = true },
	    3, CRASHED);
}

static void
a_write_fails_once(void **state)
{
	(void)state;
	try_each(FAULT_WRITE, (struct fault_plan){ .n = 1, .error = EIO }, 7,
	    4);
}

static void
the_disk_is_full_from_here(void **state)
{
	(void)state;
	try_each(FAULT_WRITE, (struct fault_plan){ .n = 0, .error = ENOSPC }, 9,
	    4);
}

static void
a_sync_fails_once(void **state)
{
	(void)state;
	try_each(FAULT_SYNC, (struct fault_plan){ .n = 1, .error = EIO }, 1, 4);
}

static void
room_cannot_be_had(void **state)
{
	(void)state;
	try_each(FAULT_ANY_DISK, (struct fault_plan){ .n = 3, .error = ENOSPC },
	    11, 4);
}

/* The rules, one by one: what each of three mails is told when `fault` begins
 * with the first of them. */
enum {
	RULE_MAILS = 3
};
static const struct rule {
	const char *what;
	enum env_fault fault;
	struct fault_plan plan;
	int results[RULE_MAILS];
	bool is_broken;
	/* Of the kind, in the first mail: no call is made a second time. */
	unsigned calls;
} rules[] = {
	{ "one sync of a segment: its waiters, nobody else", FAULT_SYNC,
	    { .nth = 1, .n = 1, .error = EIO }, { -EIO, 0, 0 }, false, 1 },
	{ "two in a row: nothing more is taken", FAULT_SYNC,
	    { .nth = 1, .n = 2, .error = EIO }, { -EIO, -EIO, -EIO }, true, 1 },
	{ "a commit's sync: nothing more is taken", FAULT_SYNC,
	    { .nth = 2, .n = 1, .error = EIO }, { -EIO, -EIO, -EIO }, true, 2 },
	{ "one write of a segment", FAULT_WRITE,
	    { .nth = 1, .n = 1, .error = EIO }, { -EIO, 0, 0 }, false, 1 },
	{ "two writes in a row", FAULT_WRITE,
	    { .nth = 1, .n = 2, .error = EIO }, { -EIO, -EIO, -EIO }, true, 1 },
	{ "a full disk is no broken one", FAULT_WRITE,
	    { .nth = 1, .n = 2, .error = ENOSPC }, { -ENOSPC, -ENOSPC, 0 },
	    false, 1 },
};

static void
try_rule(const struct rule *rule)
{
	struct mail mails[RULE_MAILS + 1] = { 0 };
	struct fixture f;
	uint64_t before = 0, calls = 0;

	fixture_make(&f);
	fixture_close(&f);
	env_posix_free(f.posix);
	use_faulty(&f);
	fixture_open(&f, false, 0);
	for (unsigned i = 0; i <= RULE_MAILS; i++) {
		if (i == 1) { /* the first has made the segment */
			before = env_faulty_count(f.env, rule->fault);
			env_faulty_arm(f.env, rule->fault, &rule->plan);
		}
		fixture_send(&f, &mails[i], 5000, i);
		fixture_run(&f);
		if (i == 1)
			calls = env_faulty_count(f.env, rule->fault) - before;
		test_int(mails[i].result, i == 0 ? 0 : rule->results[i - 1]);
		buf_deinit(&mails[i].d.append.envelope);
	}
	test_int(f.is_broken, rule->is_broken);
	if (rule->results[0] != 0)
		test_int(calls, rule->calls);
	fixture_close(&f);
	env_faulty_free(f.env);
	f.env = f.posix;
	fixture_open(&f, false, 0);
	fixture_verify(&f, UINT64_MAX, 0);
	for (unsigned i = 0; i <= RULE_MAILS; i++)
		if (mails[i].result == 0)
			fixture_check_body(&f, &mails[i], 5000, i);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
the_rules_of_trouble_hold(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		test_case(rules[i].what);
		try_rule(&rules[i]);
	}
}

TEST_MAIN(cmocka_unit_test(the_rules_of_trouble_hold),
    cmocka_unit_test(the_process_ends_at_each_call),
    cmocka_unit_test(the_power_goes_at_each_call),
    cmocka_unit_test(a_write_fails_once),
    cmocka_unit_test(the_disk_is_full_from_here),
    cmocka_unit_test(a_sync_fails_once), cmocka_unit_test(room_cannot_be_had))
