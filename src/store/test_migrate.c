/* SPDX-License-Identifier: ISC */
/*
 * A store of version 1 becomes one of this version with everything in it, a
 * snapshot of it lies in backup/, and with the snapshot in its place it is of
 * version 1 again. Whatever call of the disk fails or is the last one: the
 * store has the old version or the new one, whole.
 *
 * The version-1 store is made from 001.sql and the rows that this program
 * wrote into the tables of version 1.
 */
#include "base/test.h"

#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_fixture.h"
#include "store/store_impl.h"
#include "sys/env_faulty.h"
#include "sys/env_posix.h"

enum {
	MAILS = 3,
	CRASHED = 42
};

static void
sql(sqlite3 *db, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
}

static sqlite3 *
open_raw(const struct fixture *f, const char *name)
{
	char path[128];
	sqlite3 *db;

	(void)snprintf(path, sizeof(path), "%s/%s", f->path, name);
	test_int(sqlite3_open_v2(path, &db,
		     SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, "unix"),
	    SQLITE_OK);
	return db;
}

static int64_t
number(const struct fixture *f, const char *name, const char *query)
{
	sqlite3 *db = open_raw(f, name);
	sqlite3_stmt *st;
	int64_t n;

	test_int(sqlite3_prepare_v2(db, query, -1, &st, NULL), SQLITE_OK);
	test_int(sqlite3_step(st), SQLITE_ROW);
	n = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(db);
	return n;
}

/* INSERT for every table of version 1, its columns by name. */
static const char copies[] =
    "SELECT group_concat(line, ' ') FROM (SELECT 'INSERT OR REPLACE INTO '"
    " || m.name || ' (' || group_concat('\"' || c.name || '\"') || ') SELECT '"
    " || group_concat('\"' || c.name || '\"') || ' FROM new.' || m.name || ';'"
    " AS line FROM main.sqlite_schema m, pragma_table_info(m.name, 'main') c"
    " WHERE m.type = 'table' GROUP BY m.name)";

static void
make_old(struct fixture *f)
{
	char path[300];
	sqlite3_stmt *st;
	sqlite3 *db = open_raw(f, "old.db");

	sql(db, db_migrations[0].sql);
	(void)snprintf(path, sizeof(path), "ATTACH '%s/ulak.db' AS new",
	    f->path);
	sql(db, path);
	test_int(sqlite3_prepare_v2(db, copies, -1, &st, NULL), SQLITE_OK);
	test_int(sqlite3_step(st), SQLITE_ROW);
	sql(db, (const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	sql(db, "UPDATE meta SET value = '1' WHERE key = 'schema_version'");
	sql(db, "DETACH new");
	(void)sqlite3_close(db);
	(void)snprintf(path, sizeof(path),
	    "cd %s && rm -f ulak.db-wal ulak.db-shm && mv old.db ulak.db",
	    f->path);
	test_int(system(path), 0);
}

/* With mail, a queue and an account in it. */
static void
make_full(struct fixture *f, struct mail mails[MAILS])
{
	fixture_make(f);
	for (unsigned i = 0; i < MAILS; i++) {
		mails[i].queue_to = i == 1 ? NULL : "c@far.example";
		fixture_send(f, &mails[i], 3000 + i, i);
	}
	fixture_run(f);
	for (unsigned i = 0; i < MAILS; i++) {
		test_int(mails[i].result, 0);
		buf_deinit(&mails[i].d.append.envelope);
	}
	fixture_close(f);
	make_old(f);
}

static void
check_full(struct fixture *f, const struct mail mails[MAILS])
{
	fixture_open(f, false, 0);
	fixture_verify(f, MAILS, 0);
	for (unsigned i = 0; i < MAILS; i++)
		fixture_check_body(f, &mails[i], 3000 + i, i);
	fixture_close(f);
}

/* The only file in backup/; empty: there is none. */
static unsigned
find_snapshot(const struct fixture *f, char ret[300])
{
	char path[128];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;

	ret[0] = '\0';
	(void)snprintf(path, sizeof(path), "%s/backup", f->path);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL)
		if (e->d_name[0] != '.') {
			n++;
			(void)snprintf(ret, 300, "backup/%s", e->d_name);
		}
	if (d != NULL)
		(void)closedir(d);
	return n;
}

static void
everything_is_there_afterwards(void **state)
{
	struct mail mails[MAILS] = { 0 };
	char snapshot[300], command[700];
	struct fixture f;

	(void)state;
	make_full(&f, mails);
	test_int(number(&f, "ulak.db", "SELECT count(*) FROM queue"), 2);
	for (unsigned i = 0; i < 2; i++) { /* the second changes nothing */
		check_full(&f, mails);
		test_int(number(&f, "ulak.db",
			     "SELECT value FROM meta"
			     " WHERE key = 'schema_version'"),
		    STORE_SCHEMA);
		test_int(number(&f, "ulak.db", "SELECT count(*) FROM queue"),
		    2);
		test_int(find_snapshot(&f, snapshot), 1);
	}
	/* The way back. */
	test_int(number(&f, snapshot,
		     "SELECT value FROM meta WHERE key = 'schema_version'"),
	    1);
	(void)snprintf(command, sizeof(command),
	    "cd %s && rm -f ulak.db-wal && cp %s ulak.db", f.path, snapshot);
	test_int(system(command), 0);
	test_int(number(&f, "ulak.db", "SELECT count(*) FROM message"), MAILS);
	check_full(&f, mails);
	fixture_drop(&f);
}

static void
reading_only_upgrades_nothing(void **state)
{
	struct store_options o = { .read_only = true };
	struct mail mails[MAILS] = { 0 };
	char snapshot[300];
	struct fixture f;

	(void)state;
	make_full(&f, mails);
	test_int(env_dir_open(f.env, f.path, &f.dir), 0);
	test_int(store_open(f.env, f.dir, &o, &f.store), STORE_E_OLDER);
	env_dir_close(f.dir);
	test_int(find_snapshot(&f, snapshot), 0);
	test_int(number(&f, "ulak.db",
		     "SELECT value FROM meta WHERE key = 'schema_version'"),
	    1);
	fixture_drop(&f);
}

/* What the new version wants to make is there already: its script fails on
 * the last statement, or before. */
static void
a_script_that_fails_changes_nothing(void **state)
{
	struct mail mails[MAILS] = { 0 };
	char snapshot[300];
	struct fixture f;
	sqlite3 *db;

	(void)state;
	make_full(&f, mails);
	db = open_raw(&f, "ulak.db");
	sql(db,
	    "CREATE TRIGGER stop BEFORE INSERT ON meta"
	    " WHEN new.key = 'schema_version'"
	    " BEGIN SELECT RAISE(ABORT, 'no'); END");
	(void)sqlite3_close(db);
	fixture_open(&f, false, STORE_E_UPGRADE);
	test_int(number(&f, "ulak.db",
		     "SELECT value FROM meta WHERE key = 'schema_version'"),
	    1);
	test_int(find_snapshot(&f, snapshot), 1);
	db = open_raw(&f, "ulak.db");
	sql(db, "DROP TRIGGER stop");
	(void)sqlite3_close(db);
	check_full(&f, mails);
	fixture_drop(&f);
}

/* In a child: its store may be left as it is. */
static int
open_with(const struct fixture *from, const struct fault_plan *plan)
{
	static const struct env_posix_options o = { .role = "test",
		.log_level = ENV_ERROR };
	struct store_options options = { .segment_size = 1024 * 1024 };
	struct fixture f = *from;
	pid_t pid = fork();
	int status, r;

	test_true(pid >= 0);
	if (pid == 0) {
		(void)freopen("/dev/null", "w", stderr);
		if (env_posix_new(&o, &f.posix) != 0 ||
		    env_faulty_new(f.posix, &f.env) != 0)
			_exit(1);
		env_faulty_arm(f.env, FAULT_ANY_DISK, plan);
		r = env_dir_open(f.env, f.path, &f.dir);
		if (r == 0)
			r = store_open(f.env, f.dir, &options, &f.store);
		_exit(env_faulty_failed(f.env, FAULT_ANY_DISK) == 0 ? 0
			: r == 0                                    ? 3
								    : 4);
	}
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The first calls one by one, and then some; all with tools/upgrade-test. */
static unsigned
next_call(unsigned n)
{
	return n + (n < 10 || getenv("EACH_CALL") != NULL ? 1 : 31);
}

static void
try_each(struct fault_plan plan)
{
	struct mail mails[MAILS] = { 0 };
	char command[300], what[64];
	struct fixture f;
	unsigned n = 0;
	int status;

	make_full(&f, mails);
	(void)snprintf(command, sizeof(command), "cp -r %s %s.0", f.path,
	    f.path);
	test_int(system(command), 0);
	do {
		n = next_call(n);
		(void)snprintf(what, sizeof(what), "call %u", n);
		test_case(what);
		plan.nth = n;
		plan.is_torn = n % 2 == 0;
		status = open_with(&f, &plan);
		test_true(status == 0 || status == 3 || status == 4 ||
		    status == CRASHED);
		check_full(&f, mails);
		(void)snprintf(command, sizeof(command),
		    "rm -rf %s && cp -r %s.0 %s", f.path, f.path, f.path);
		test_int(system(command), 0);
	} while (status != 0);
	test_true(n > 20);
	(void)snprintf(command, sizeof(command), "rm -rf %s.0", f.path);
	test_int(system(command), 0);
	fixture_drop(&f);
}

static void
each_call_of_the_disk_fails_once(void **state)
{
	(void)state;
	try_each((struct fault_plan){ .n = 1, .error = EIO });
}

static void
the_disk_is_full_from_each_call(void **state)
{
	(void)state;
	try_each((struct fault_plan){ .n = 0, .error = ENOSPC });
}

static void
the_process_ends_at_each_call(void **state)
{
	(void)state;
	try_each((struct fault_plan){ .n = 1, .exit_status = CRASHED });
}

TEST_MAIN(cmocka_unit_test(everything_is_there_afterwards),
    cmocka_unit_test(reading_only_upgrades_nothing),
    cmocka_unit_test(a_script_that_fails_changes_nothing),
    cmocka_unit_test(each_call_of_the_disk_fails_once),
    cmocka_unit_test(the_disk_is_full_from_each_call),
    cmocka_unit_test(the_process_ends_at_each_call))
