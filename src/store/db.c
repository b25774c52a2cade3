/* SPDX-License-Identifier: ISC */
/*
 * store/db - what is the same for every engine: checks of values on their way
 * in and out, and the copies that `one` queries give
 */
#include "store/db.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void
db_close(struct db *db)
{
	if (db != NULL)
		db->engine->close(db);
}

static int
command(struct db *db, enum db_command c)
{
	return ERR_TRACE(db->engine->command(db, c));
}

int
db_begin(struct db *db)
{
	return command(db, DB_BEGIN);
}

int
db_begin_read(struct db *db)
{
	return command(db, DB_BEGIN_READ);
}

int
db_commit(struct db *db)
{
	return command(db, DB_COMMIT);
}

void
db_rollback(struct db *db)
{
	db->n_numbers = 0; /* the counter may not know that they were taken */
	if (db->engine->is_in_transaction(db))
		(void)command(db, DB_ROLLBACK);
}

int
db_savepoint(struct db *db)
{
	return command(db, DB_SAVEPOINT);
}

int
db_release(struct db *db)
{
	return command(db, DB_RELEASE);
}

int
db_rollback_to(struct db *db)
{
	int r = command(db, DB_ROLLBACK_TO);

	db->n_numbers = 0;
	return r != 0 ? r : command(db, DB_RELEASE);
}

int
db_script(struct db *db, const char *sql)
{
	return ERR_TRACE(db->engine->script(db, sql));
}

uint64_t
db_changed(const struct db *db)
{
	return db->engine->changed(db);
}

uint64_t
db_log_pages(const struct db *db)
{
	return db->engine->log_pages(db);
}

int
db_checkpoint(struct db *db)
{
	return ERR_TRACE(db->engine->checkpoint(db));
}

int
db_snapshot(struct db *db, const char *path)
{
	if (db->engine->snapshot == NULL)
		return ERR_ORIGIN(-ENOTSUP);
	return ERR_TRACE(db->engine->snapshot(db, path));
}

const char *
db_trouble(const struct db *db)
{
	return db->engine->trouble(db);
}

void
db_rows_close(struct db_rows *rows)
{
	if (rows->st != NULL)
		(void)db_end(rows->st, 0);
	rows->st = NULL;
}

int
db_start(struct db *db, unsigned query, struct db_stmt **ret)
{
	int r = db->engine->start(db, query, ret);

	if (r != 0)
		return ERR_TRACE(r);
	(*ret)->bad = 0;
	(*ret)->is_open = true;
	return 0;
}

/* SQL integers are signed: what does not fit is our own mistake, and the
 * statement will not run. */
void
db_bind_u64(struct db_stmt *st, unsigned n, uint64_t value)
{
	if (value > INT64_MAX)
		st->bad = -ERANGE;
	st->db->engine->bind_i64(st, n, (int64_t)value);
}

void
db_bind_i64(struct db_stmt *st, unsigned n, int64_t value)
{
	st->db->engine->bind_i64(st, n, value);
}

void
db_bind_id(struct db_stmt *st, unsigned n, const struct id *id)
{
	st->db->engine->bind_bytes(st, n, id_slice(id), false);
}

void
db_bind_text(struct db_stmt *st, unsigned n, struct slice text)
{
	st->db->engine->bind_bytes(st, n, text, true);
}

void
db_bind_blob(struct db_stmt *st, unsigned n, struct slice bytes)
{
	st->db->engine->bind_bytes(st, n, bytes, false);
}

int
db_step(struct db_stmt *st)
{
	if (st->bad != 0)
		return ERR_ORIGIN(st->bad);
	return st->db->engine->step(st);
}

int
db_end(struct db_stmt *st, int r)
{
	if (r == 0)
		r = st->bad;
	st->db->engine->reset(st);
	st->is_open = false;
	return r < 0 ? ERR_TRACE(r) : r;
}

int
db_exec(struct db_stmt *st)
{
	int r = db_step(st);

	return db_end(st, r == DB_NONE ? 0 : r);
}

int
db_row_check(const struct db_stmt *st)
{
	return st->bad < 0 ? ERR_ORIGIN(st->bad) : 0;
}

/* A value out of range stands in a database that something else wrote. */
uint64_t
db_column_uint(struct db_stmt *st, unsigned n, uint64_t max)
{
	int64_t value = st->db->engine->column_i64(st, n);

	if (value < 0 || (uint64_t)value > max) {
		st->bad = -EBADMSG;
		return 0;
	}
	return (uint64_t)value;
}

int64_t
db_column_i64(struct db_stmt *st, unsigned n)
{
	return st->db->engine->column_i64(st, n);
}

void
db_column_id(struct db_stmt *st, unsigned n, struct id *ret)
{
	if (!id_from_slice(st->db->engine->column_bytes(st, n), ret))
		st->bad = -EBADMSG;
}

struct slice
db_column_bytes(struct db_stmt *st, unsigned n)
{
	return st->db->engine->column_bytes(st, n);
}

struct slice
db_column_kept(struct db_stmt *st, unsigned n)
{
	struct slice s = st->db->engine->column_bytes(st, n);
	struct db_kept *k = &st->kept[n];

	if (k->size < s.len || k->at == NULL) {
		size_t size = s.len < 64 ? 64 : s.len;
		uint8_t *at = realloc(k->at, size);

		if (at == NULL) {
			st->bad = -ENOMEM;
			return slice_of("", 0);
		}
		k->at = at;
		k->size = size;
	}
	if (s.len > 0)
		memcpy(k->at, s.at, s.len);
	return slice_of(k->at, s.len);
}
