/* SPDX-License-Identifier: ISC */
/*
 * The contract of store/db, which every engine has to keep: values come back
 * as they went, constraints are conditions, a savepoint takes back what came
 * after it and no more, readers see whole commits only. Runs on SQLite over
 * our own VFS; another engine is a row in the table of openers.
 */
#include "base/test.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "store/db_sqlite.h"
#include "store/queries.h"
#include "store/store.h"
#include "store/store_fixture.h"

static struct fixture f;
static struct store_vfs *vfs;

static struct db *
open_writer(void)
{
	struct db *db;

	test_int(store_vfs_new(f.env, f.dir, &vfs), 0);
	test_int(db_sqlite_open(vfs, "contract.db",
		     &(struct db_sqlite_options){
			 .is_writer = true, .create = true },
		     &db),
	    0);
	for (const struct db_migration *m = db_migrations; m->version != 0; m++)
		test_int(db_script(db, m->sql), 0);
	test_int(db_script(db, db_schema_events), 0);
	test_int(db_script(db, db_schema_search), 0);
	return db;
}

static struct db *
open_reader(void)
{
	struct db *db;

	test_int(db_sqlite_open(vfs, "contract.db",
		     &(struct db_sqlite_options){ 0 }, &db),
	    0);
	return db;
}

static int
setup(void **state)
{
	fixture_make(&f);
	*state = open_writer();
	return 0;
}

static int
teardown(void **state)
{
	db_close(*state);
	store_vfs_free(vfs);
	fixture_close(&f);
	fixture_drop(&f);
	return 0;
}

static void
every_query_can_be_prepared(void **state)
{
	struct db *db = *state;

	for (unsigned i = 0; i < db_n_queries; i++) {
		struct db_stmt *st;

		test_case(db_queries[i].name);
		test_int(db_start(db, i, &st), 0);
		test_int(db_end(st, 0), 0);
	}
}

static void
values_come_back(void **state)
{
	struct db *db = *state;
	struct q_meta_get row;
	struct q_event_by_message event;
	struct db_rows rows;
	struct id id = { { 0, 255, 1 } };
	struct slice text = SLICE("a\0b\xc3\xbc'\"");

	test_int(DB_EXEC(meta_set, db, .key = SLICE("k"), .value = SLICE("")),
	    0);
	test_int(DB_ONE(meta_get, db, &row, .key = SLICE("k")), 0);
	test_slice(row.value, SLICE(""));
	test_int(DB_ONE(meta_get, db, &row, .key = SLICE("none")), DB_NONE);
	test_int(DB_EXEC(event_insert, db, .message = id, .at = INT64_MIN,
		     .kind = text, .address = SLICE(""), .text = SLICE("t"),
		     .detail = SLICE("d")),
	    0);
	test_int(DB_MANY(event_by_message, db, &rows, .message = id), 0);
	test_int(q_event_by_message_next(&rows, &event), 0);
	test_true(event.at == INT64_MIN);
	test_slice(event.kind, text);
	test_int(q_event_by_message_next(&rows, &event), DB_NONE);
	db_rows_close(&rows);
}

static void
what_one_gives_stays(void **state)
{
	struct db *db = *state;
	struct q_meta_get row;
	struct q_counter_next counter;

	(void)DB_EXEC(meta_set, db, .key = SLICE("k"), .value = SLICE("kept"));
	test_int(DB_ONE(meta_get, db, &row, .key = SLICE("k")), 0);
	test_int(DB_EXEC(meta_set, db, .key = SLICE("k"),
		     .value = SLICE("else")),
	    0);
	test_int(DB_ONE(counter_next, db, &counter, .name = SLICE("queue"),
		     .n = 3),
	    0);
	test_int(counter.last, 3);
	test_slice(row.value, SLICE("kept"));
}

static void
constraints_are_conditions(void **state)
{
	struct db *db = *state;

	for (int i = 0; i < 2; i++)
		test_int(DB_EXEC(domain_insert, db, .domain = 1, .tenant = 1,
			     .name = SLICE("a"), .canonical = SLICE("a"),
			     .created = 0),
		    i == 0 ? 0 : DB_E_EXISTS);
	test_int(DB_EXEC(domain_insert, db, .domain = 2, .tenant = 1,
		     .name = SLICE("a"), .canonical = SLICE("a"), .created = 0),
	    DB_E_EXISTS);
	test_int(DB_EXEC(account_quota, db, .account = 77, .quota = 1), 0);
	test_int(db_changed(db), 0);
	test_int(DB_EXEC(account_quota, db, .account = 77, .quota = UINT64_MAX),
	    -ERANGE);
}

static int
count(struct db *db, const char *key)
{
	struct q_meta_get row;

	return DB_ONE(meta_get, db, &row, .key = slice_cstr(key)) == 0;
}

static void
put(struct db *db, const char *key)
{
	test_int(DB_EXEC(meta_set, db, .key = slice_cstr(key),
		     .value = SLICE("x")),
	    0);
}

static void
savepoints_and_rollbacks(void **state)
{
	struct db *db = *state;

	test_int(db_begin(db), 0);
	put(db, "before");
	test_int(db_savepoint(db), 0);
	put(db, "inside");
	test_int(db_rollback_to(db), 0);
	test_int(db_savepoint(db), 0);
	put(db, "second");
	test_int(db_release(db), 0);
	test_int(db_commit(db), 0);
	test_int(count(db, "before"), 1);
	test_int(count(db, "inside"), 0);
	test_int(count(db, "second"), 1);
	test_int(db_begin(db), 0);
	put(db, "gone");
	db_rollback(db);
	db_rollback(db);
	test_int(count(db, "gone"), 0);
}

static uint64_t
add_row(struct db *db, uint32_t n)
{
	struct queue_add q = { .n = n,
		.tenant = 1,
		.sender = SLICE("a@one.example"),
		.rcpt = SLICE("b@two.example"),
		.rcpt_canon = SLICE("b@two.example"),
		.route = SLICE("two.example"),
		.expires = 1 };

	test_int(queue_add(db, &q), 0);
	return q.row;
}

/* Where the counter does not know that numbers were taken (message.c), those
 * that are left of them are not used. */
static void
no_row_has_the_number_of_another(void **state)
{
	struct db *db = *state;
	uint64_t last, row;

	test_int(db_begin(db), 0);
	last = add_row(db, 0);
	test_int(db_commit(db), 0);
	test_int(db_begin(db), 0);
	test_true((row = add_row(db, 1)) > last);
	last = row;
	test_int(db_savepoint(db), 0);
	for (uint32_t i = 2; i < 600; i++) /* into the next blocks */
		(void)add_row(db, i);
	test_int(db_rollback_to(db), 0);
	for (uint32_t i = 2; i < 600; i++) {
		test_true((row = add_row(db, i)) > last);
		last = row;
	}
	test_int(db_commit(db), 0);
	test_int(db_begin(db), 0);
	for (uint32_t i = 600; i < 1200; i++)
		(void)add_row(db, i);
	db_rollback(db);
	test_int(db_begin(db), 0);
	test_true(add_row(db, 600) > last);
	test_int(db_commit(db), 0);
}

static void
readers_see_whole_commits(void **state)
{
	struct db *db = *state, *reader = open_reader();

	test_int(db_begin(db), 0);
	put(db, "a");
	test_int(count(reader, "a"), 0);
	test_int(db_commit(db), 0);
	test_int(count(reader, "a"), 1);
	test_int(db_begin_read(reader), 0);
	test_int(count(reader, "a"), 1);
	put(db, "b");
	test_int(count(reader, "b"), 0);
	db_rollback(reader);
	test_int(count(reader, "b"), 1);
	test_true(DB_EXEC(meta_set, reader, .key = SLICE("c"),
		      .value = SLICE("")) < 0);
	db_close(reader);
}

static void
the_log_is_moved_while_readers_look(void **state)
{
	struct db *db = *state, *reader = open_reader();
	char key[32];

	test_int(db_begin_read(reader), 0);
	test_int(count(reader, "key-1"), 0);
	for (int i = 0; i < 300; i++) {
		(void)snprintf(key, sizeof(key), "key-%d", i);
		put(db, key);
	}
	test_true(db_log_pages(db) > 0);
	test_int(db_checkpoint(db), 0);
	test_int(count(reader, "key-1"), 0); /* its snapshot holds */
	db_rollback(reader);
	test_int(db_checkpoint(db), 0);
	test_int(db_log_pages(db), 0);
	put(db, "after");
	test_true(db_log_pages(db) < 10); /* begun anew */
	test_int(count(reader, "key-299"), 1);
	test_int(count(reader, "after"), 1);
	db_close(reader);
}

static void
the_same_cursor_twice_is_refused(void **state)
{
	struct db *db = *state;
	struct db_rows one, two;

	test_int(DB_MANY(segment_list, db, &one, 0), 0);
	test_int(DB_MANY(segment_list, db, &two, 0), -EINPROGRESS);
	db_rows_close(&one);
	test_int(DB_MANY(segment_list, db, &two, 0), 0);
	db_rows_close(&two);
}

/* Otherwise SQLite opens /dev/urandom by itself, from inside the sandbox. */
static void
chance_comes_from_env(void **state)
{
	const sqlite3_vfs *first = sqlite3_vfs_find(NULL);

	(void)state;
	assert_non_null(first);
	test_true(strcmp(first->zName, store_vfs_name(vfs)) == 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

TEST_MAIN(CASE(every_query_can_be_prepared), CASE(values_come_back),
    CASE(what_one_gives_stays), CASE(constraints_are_conditions),
    CASE(savepoints_and_rollbacks), CASE(no_row_has_the_number_of_another),
    CASE(readers_see_whole_commits), CASE(the_log_is_moved_while_readers_look),
    CASE(the_same_cursor_twice_is_refused), CASE(chance_comes_from_env))
