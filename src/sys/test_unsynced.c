/* SPDX-License-Identifier: ISC */
/*
 * The power that goes: what was synced is there, what was not is as it was
 * before, or in part when a seed says so.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"

enum {
	OVER = 7, /* the status of who lost his power */
	ROOM = 8192
};

struct place {
	struct env *inner, *env;
	struct env_dir *dir;
	char path[40];
};

static void
place_open(struct place *p)
{
	struct env_posix_options o = { .role = "test" };

	(void)strcpy(p->path, "/tmp/ulak-unsynced-XXXXXX");
	test_true(mkdtemp(p->path) != NULL);
	test_int(env_posix_new(&o, &p->inner), 0);
	test_int(env_faulty_new(p->inner, &p->env), 0);
	test_int(env_dir_open(p->env, p->path, &p->dir), 0);
}

static void
place_close(struct place *p)
{
	(void)env_dir_unlink(p->dir, "a");
	(void)env_dir_unlink(p->dir, "b");
	env_dir_close(p->dir);
	env_faulty_free(p->env);
	env_posix_free(p->inner);
	test_int(rmdir(p->path), 0);
}

static struct env_file *
open_file(struct place *p, const char *name)
{
	struct env_file *f;

	test_int(env_file_open(p->dir, name, ENV_FILE_WRITE | ENV_FILE_CREATE,
		     &f),
	    0);
	return f;
}

static void
write_at(struct env_file *f, const char *text, uint64_t offset)
{
	struct iovec v = { (char *)(uintptr_t)text, strlen(text) };

	test_int(env_file_pwritev(f, &v, 1, offset), 0);
}

static void
is_now(struct place *p, const char *name, const char *want)
{
	struct env_file *f = open_file(p, name);
	char got[100];
	ssize_t n = env_file_pread(f, got, sizeof(got), 0);

	test_true(n >= 0);
	test_slice(slice_of(got, (size_t)n), slice_cstr(want));
	env_file_close(f);
}

/* What each scene writes; S syncs, T cuts at 3. All without power at its end.
 */
static const struct {
	const char *what;
	const char
	    *steps; /* of file a: letters are written at the end so far */
	const char *want;
} scenes[] = {
	{ "synced", "abcS", "abc" },
	{ "not synced", "abc", "" },
	{ "synced, and more", "abcSdef", "abc" },
	{ "cut off", "abcdefST", "abcdef" },
	{ "cut off and synced", "abcdefSTS", "abc" },
	{ "cut off, and written again", "abcdefSTxy", "abcdef" },
	{ "synced after both", "abcSdefTxyS", "abcxy" },
};

static void
play(struct place *p, const char *steps)
{
	struct env_file *f = open_file(p, "a");
	uint64_t end = 0;

	for (; *steps != '\0'; steps++) {
		char one[2] = { *steps, '\0' };

		if (*steps == 'S')
			test_int(env_file_sync(f), 0);
		else if (*steps == 'T') {
			test_int(env_file_truncate(f, 3), 0);
			end = 3;
		} else
			write_at(f, one, end++);
	}
	env_file_close(f);
}

/* A child does it, for without power nothing goes on. */
static int
in_a_child(struct place *p, void (*act)(struct place *, const char *),
    const char *arg, const struct fault_plan *plan)
{
	int status;
	pid_t pid = fork();

	test_true(pid >= 0);
	if (pid == 0) {
		env_faulty_arm(p->env, FAULT_WRITE, plan);
		act(p, arg);
		env_faulty_cut_power(p->env, plan->survivors);
		_exit(OVER);
	}
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const struct fault_plan never = { .cuts_power = true };

static void
only_what_was_synced_is_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		struct place p;

		test_case(scenes[i].what);
		place_open(&p);
		test_int(in_a_child(&p, play, scenes[i].steps, &never), OVER);
		is_now(&p, "a", scenes[i].want);
		place_close(&p);
	}
}

static void
rename_it(struct place *p, const char *text)
{
	struct env_file *f = open_file(p, "a");

	write_at(f, "kept", 0);
	test_int(env_file_sync(f), 0);
	write_at(f, text, 0);
	env_file_close(f);
	test_int(env_dir_rename(p->dir, "a", "b"), 0);
}

static void
it_knows_the_new_name(void **state)
{
	struct place p;

	(void)state;
	place_open(&p);
	test_int(in_a_child(&p, rename_it, "lost", &never), OVER);
	is_now(&p, "b", "kept");
	place_close(&p);
}

static void
the_nth_write_is_the_end(void **state)
{
	struct fault_plan third = {
		.nth = 3, .n = 1, .exit_status = 5, .cuts_power = true
	};
	struct place p;

	(void)state;
	place_open(&p);
	test_int(in_a_child(&p, play, "aSbcS", &third), 5);
	is_now(&p, "a", "a");
	third.is_torn = true; /* half of it was written, and is lost, too */
	test_int(in_a_child(&p, play, "aSbcS", &third), 5);
	is_now(&p, "a", "a");
	place_close(&p);
}

static void
fill(struct place *p, const char *name)
{
	static char text[ROOM];
	struct env_file *f = open_file(p, name);

	memset(text, 'x', ROOM - 1);
	write_at(f, text, 0);
	env_file_close(f);
}

/* Over some seeds: nothing, all, the one half and the other one. */
static void
a_part_may_survive(void **state)
{
	unsigned nothing = 0, all = 0, first = 0, second = 0;
	static char got[ROOM];

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct fault_plan plan = { .cuts_power = true,
			.survivors = seed };
		struct env_file *f;
		struct place p;
		ssize_t n;

		place_open(&p);
		test_int(in_a_child(&p, fill, "a", &plan), OVER);
		f = open_file(&p, "a");
		n = env_file_pread(f, got, ROOM, 0);
		nothing += n == 0;
		all += n == ROOM - 1 && got[0] == 'x';
		first += n > 0 && n < ROOM - 1;
		second += n == ROOM - 1 && got[0] == '\0';
		env_file_close(f);
		place_close(&p);
	}
	test_true(nothing > 0 && all > 0 && first > 0 && second > 0);
	test_int(nothing + all + first + second, 60);
}

TEST_MAIN(cmocka_unit_test(only_what_was_synced_is_there),
    cmocka_unit_test(it_knows_the_new_name),
    cmocka_unit_test(the_nth_write_is_the_end),
    cmocka_unit_test(a_part_may_survive))
