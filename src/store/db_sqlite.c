/* SPDX-License-Identifier: ISC */
#include "store/db_sqlite.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct stmt {
	struct db_stmt base;
	sqlite3_stmt *st;
	sqlite3_destructor_type keeping; /* of what is bound */
};

struct db_sqlite {
	struct db base;
	sqlite3 *handle;
	sqlite3_stmt *commands[DB_N_COMMANDS];
	uint64_t log_pages;
	struct stmt *stmts[];
};

static const char *const command_sql[DB_N_COMMANDS] = {
	[DB_BEGIN] = "BEGIN IMMEDIATE",
	[DB_BEGIN_READ] = "BEGIN",
	[DB_COMMIT] = "COMMIT",
	[DB_ROLLBACK] = "ROLLBACK",
	[DB_SAVEPOINT] = "SAVEPOINT one",
	[DB_RELEASE] = "RELEASE one",
	[DB_ROLLBACK_TO] = "ROLLBACK TO one",
};

static struct db_sqlite *
sqlite_of(struct db *db)
{
	return (struct db_sqlite *)(void *)db;
}

/* Which of our answers SQLite's is. Constraints are conditions; a full disk
 * and memory pass; everything else is trouble with the file itself. */
static int
result_of(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
		return 0;
	case SQLITE_DONE:
		return DB_NONE;
	case SQLITE_CONSTRAINT:
		return rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
			rc == SQLITE_CONSTRAINT_UNIQUE ||
			rc == SQLITE_CONSTRAINT_ROWID
		    ? DB_E_EXISTS
		    : DB_E_REFUSED;
	case SQLITE_FULL:
		return ERR_ORIGIN(-ENOSPC);
	case SQLITE_NOMEM:
		return ERR_ORIGIN(-ENOMEM);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_ORIGIN(-EBUSY);
	case SQLITE_CANTOPEN:
		return ERR_ORIGIN(-ENOENT);
	case SQLITE_TOOBIG:
		return ERR_ORIGIN(-E2BIG);
	case SQLITE_READONLY:
		return ERR_ORIGIN(-EROFS);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return ERR_ORIGIN(-EBADMSG);
	default:
		return ERR_ORIGIN(-EIO);
	}
}

static void
on_close(struct db *db)
{
	struct db_sqlite *d = sqlite_of(db);

	for (unsigned i = 0; i < db_n_queries; i++) {
		struct stmt *st = d->stmts[i];

		if (st == NULL)
			continue;
		for (unsigned n = 0; n < db_queries[i].n_out; n++)
			free(st->base.kept[n].at);
		free(st->base.kept);
		(void)sqlite3_finalize(st->st);
		free(st);
	}
	for (unsigned i = 0; i < DB_N_COMMANDS; i++)
		(void)sqlite3_finalize(d->commands[i]);
	(void)sqlite3_close(d->handle);
	free(d);
}

static int
on_script(struct db *db, const char *sql)
{
	return result_of(sqlite3_exec(sqlite_of(db)->handle, sql, NULL, NULL,
	    NULL));
}

static int
on_command(struct db *db, unsigned command)
{
	struct db_sqlite *d = sqlite_of(db);
	int rc;

	if (d->commands[command] == NULL) {
		rc = sqlite3_prepare_v3(d->handle, command_sql[command], -1,
		    SQLITE_PREPARE_PERSISTENT, &d->commands[command], NULL);
		if (rc != SQLITE_OK)
			return result_of(rc);
	}
	rc = sqlite3_step(d->commands[command]);
	(void)sqlite3_reset(d->commands[command]);
	return rc == SQLITE_DONE ? 0 : result_of(rc);
}

static uint64_t
on_changed(const struct db *db)
{
	return (uint64_t)
	    sqlite3_changes64(((const struct db_sqlite *)(const void *)db)
				  ->handle);
}

static uint64_t
on_log_pages(const struct db *db)
{
	return ((const struct db_sqlite *)(const void *)db)->log_pages;
}

static int
on_checkpoint(struct db *db)
{
	struct db_sqlite *d = sqlite_of(db);
	int in_log = 0, moved = 0;
	int rc = sqlite3_wal_checkpoint_v2(d->handle, NULL,
	    SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);

	if (rc == SQLITE_OK && moved == in_log)
		d->log_pages = 0;
	return rc == SQLITE_BUSY ? 0 : result_of(rc);
}

static int
on_snapshot(struct db *db, const char *path)
{
	char *sql = sqlite3_mprintf("VACUUM INTO %Q", path);
	int rc;

	if (sql == NULL)
		return ERR_ORIGIN(-ENOMEM);
	rc = sqlite3_exec(sqlite_of(db)->handle, sql, NULL, NULL, NULL);
	sqlite3_free(sql);
	return result_of(rc);
}

static const char *
on_trouble(const struct db *db)
{
	return sqlite3_errmsg(((const struct db_sqlite *)(const void *)db)
				  ->handle);
}

static bool
on_is_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(((const struct db_sqlite *)(const void *)
					    db)
					   ->handle);
}

static int
prepare(struct db_sqlite *d, unsigned query, struct stmt **ret)
{
	const struct db_query *q = &db_queries[query];
	struct stmt *st = calloc(1, sizeof(*st));
	int rc;

	if (st == NULL)
		return ERR_ORIGIN(-ENOMEM);
	st->base.db = &d->base;
	st->keeping = q->is_many ? SQLITE_TRANSIENT : SQLITE_STATIC;
	st->base.kept = calloc(q->n_out + 1u, sizeof(*st->base.kept));
	if (st->base.kept == NULL) {
		free(st);
		return ERR_ORIGIN(-ENOMEM);
	}
	rc = sqlite3_prepare_v3(d->handle, q->sql[DB_SQLITE], -1,
	    SQLITE_PREPARE_PERSISTENT, &st->st, NULL);
	if (rc != SQLITE_OK) {
		free(st->base.kept);
		free(st);
		return result_of(rc);
	}
	*ret = st;
	return 0;
}

static int
on_start(struct db *db, unsigned query, struct db_stmt **ret)
{
	struct db_sqlite *d = sqlite_of(db);
	int r;

	if (d->stmts[query] == NULL) {
		r = prepare(d, query, &d->stmts[query]);
		if (r != 0)
			return r;
	}
	/* The same `many` query twice at once would share a cursor. */
	if (d->stmts[query]->base.is_open)
		return ERR_ORIGIN(-EINPROGRESS);
	*ret = &d->stmts[query]->base;
	return 0;
}

static void
on_bind_i64(struct db_stmt *base, unsigned n, int64_t value)
{
	struct stmt *st = (struct stmt *)(void *)base;

	if (sqlite3_bind_int64(st->st, (int)n, value) != SQLITE_OK)
		base->bad = -EINVAL;
}

/* The bytes are the caller's and live until the statement ends, which is when
 * the call returns; a `many` query copies, since its rows come later. What a
 * statement at rest points to is bound anew before it runs again. */
static void
on_bind_bytes(struct db_stmt *base, unsigned n, struct slice s, bool text)
{
	struct stmt *st = (struct stmt *)(void *)base;
	const char *at = s.at == NULL ? "" : (const char *)s.at;
	int rc;

	if (text)
		rc = sqlite3_bind_text64(st->st, (int)n, at, s.len, st->keeping,
		    SQLITE_UTF8);
	else
		rc =
		    sqlite3_bind_blob64(st->st, (int)n, at, s.len, st->keeping);
	if (rc != SQLITE_OK)
		base->bad = rc == SQLITE_NOMEM ? -ENOMEM : -EINVAL;
}

static int
on_step(struct db_stmt *base)
{
	return result_of(sqlite3_step(((struct stmt *)(void *)base)->st));
}

static void
on_reset(struct db_stmt *base)
{
	(void)sqlite3_reset(((struct stmt *)(void *)base)->st);
}

static int64_t
on_column_i64(struct db_stmt *base, unsigned n)
{
	return sqlite3_column_int64(((struct stmt *)(void *)base)->st, (int)n);
}

static struct slice
on_column_bytes(struct db_stmt *base, unsigned n)
{
	sqlite3_stmt *st = ((struct stmt *)(void *)base)->st;
	const void *at = sqlite3_column_blob(st, (int)n);
	int len = sqlite3_column_bytes(st, (int)n);

	return at == NULL ? slice_of("", 0) : slice_of(at, (size_t)len);
}

static const struct db_engine engine = {
	.number = DB_SQLITE,
	.close = on_close,
	.script = on_script,
	.command = on_command,
	.changed = on_changed,
	.log_pages = on_log_pages,
	.checkpoint = on_checkpoint,
	.snapshot = on_snapshot,
	.trouble = on_trouble,
	.is_in_transaction = on_is_in_transaction,
	.start = on_start,
	.bind_i64 = on_bind_i64,
	.bind_bytes = on_bind_bytes,
	.step = on_step,
	.reset = on_reset,
	.column_i64 = on_column_i64,
	.column_bytes = on_column_bytes,
};

static int
on_wal(void *ctx, sqlite3 *handle, const char *name, int pages)
{
	struct db_sqlite *d = ctx;

	(void)handle;
	(void)name;
	d->log_pages = (uint64_t)pages;
	return SQLITE_OK;
}

/* Why each: no file beside ours is ever made (temp_store), the log is synced
 * at each commit (FULL), nobody but db_checkpoint checkpoints, deleted pages
 * are not overwritten (Debian's default costs writes), a damaged file is met
 * with an error and not with a guess. */
static int
configure(struct db_sqlite *d, const struct db_sqlite_options *o)
{
	char sql[512];

	(void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
	    !o->is_writer, NULL);
	(void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(d->handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0,
	    NULL);
	(void)snprintf(sql, sizeof(sql),
	    "PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
	    "PRAGMA cache_size = -%u; PRAGMA cell_size_check = 1;"
	    "PRAGMA secure_delete = OFF; PRAGMA foreign_keys = OFF; %s",
	    o->cache_kib == 0 ? 8192u : o->cache_kib,
	    o->is_writer ? "PRAGMA journal_mode = WAL;"
			   "PRAGMA wal_autocheckpoint = 0;"
			 : "PRAGMA query_only = ON;");
	if (sqlite3_exec(d->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
		return result_of(sqlite3_extended_errcode(d->handle));
	return result_of(sqlite3_exec(d->handle,
	    o->is_lazy ? "PRAGMA synchronous = OFF"
		       : "PRAGMA synchronous = FULL",
	    NULL, NULL, NULL));
}

int
db_sqlite_open(struct store_vfs *vfs, const char *path,
    const struct db_sqlite_options *o, struct db **ret)
{
	/* Readers open read-write, too: with a log in use SQLite wants its
	 * index, which is in memory here. query_only keeps them honest. */
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
	    SQLITE_OPEN_EXRESCODE | (o->create ? SQLITE_OPEN_CREATE : 0);
	struct db_sqlite *d =
	    calloc(1, sizeof(*d) + db_n_queries * sizeof(d->stmts[0]));
	int rc, r;

	if (d == NULL)
		return ERR_ORIGIN(-ENOMEM);
	d->base.engine = &engine;
	rc = sqlite3_open_v2(path, &d->handle, flags, store_vfs_name(vfs));
	r = result_of(rc);
	if (r == 0)
		r = configure(d, o);
	if (r != 0) {
		on_close(&d->base);
		return ERR_TRACE(r);
	}
	if (o->is_writer)
		(void)sqlite3_wal_hook(d->handle, on_wal, d);
	*ret = &d->base;
	return 0;
}
