/* SPDX-License-Identifier: ISC */
/*
 * store/db - one connection to the database, whichever engine it is
 *
 * Queries stand in queries.def; the generator makes one function for each
 * (store/queries.h), which is what the rest of the store calls. A connection
 * belongs to one thread at a time and keeps its prepared statements.
 *
 * Returns: 0 done (or a row); >0 one of DB_*; <0 -errno: -ENOSPC and -ENOMEM
 * pass, anything else is a database that cannot be relied on (design 4).
 *
 * What a `one` query gives as slices stays valid until the same query runs
 * again on this connection; what a row of a `many` query gives, until the next
 * row.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include "base/id.h"
#include "base/slice.h"

enum {
	DB_NONE = 1, /* no row, or no further one */
	DB_E_EXISTS, /* it would be there twice */
	DB_E_REFUSED /* another constraint said no */
};

enum db_engine_number {
	DB_SQLITE,
	DB_POSTGRES,
	DB_N_ENGINES
};

struct db_query {
	const char *name;
	const char *sql[DB_N_ENGINES];
	unsigned n_in, n_out;
	bool is_many; /* its rows come after what was bound may be gone */
};
extern const struct db_query db_queries[];
extern const unsigned db_n_queries;

struct db_migration {
	uint32_t version; /* 0 ends the table */
	const char *sql;
};
extern const struct db_migration db_migrations[];

struct db;
struct db_stmt;
struct db_rows {
	struct db_stmt *st;
};

/* q_NAME(db, &(struct q_NAME_in){ .a = 1 }) with less noise. */
#define DB_EXEC(name, db, ...)                                                 \
	q_##name((db), &(struct q_##name##_in){ __VA_ARGS__ })
#define DB_ONE(name, db, ret, ...)                                             \
	q_##name((db), &(struct q_##name##_in){ __VA_ARGS__ }, (ret))
#define DB_MANY(name, db, rows, ...)                                           \
	q_##name##_open((db), &(struct q_##name##_in){ __VA_ARGS__ }, (rows))

void db_close(struct db *db);

int db_begin(struct db *db); /* a transaction that will write */
int db_begin_read(struct db *db);
int db_commit(struct db *db);    /* <0: whether it holds is unknown */
void db_rollback(struct db *db); /* harmless without a transaction */
/* One savepoint at a time inside a transaction. */
int db_savepoint(struct db *db);
int db_release(struct db *db);
int db_rollback_to(struct db *db); /* and forgets the savepoint */
/* Several statements at once; for migrations. */
int db_script(struct db *db, const char *sql);
/* Rows that the last exec changed. */
uint64_t db_changed(const struct db *db);
/* Pages of the write-ahead log after the last commit; 0 where there is none. */
uint64_t db_log_pages(const struct db *db);
/* Moves what it can from the log to the database, without waiting. */
int db_checkpoint(struct db *db);
/* The whole database as it is, into a new file beside it; no transaction is
 * open. -ENOTSUP where the engine's own tools do that. */
int db_snapshot(struct db *db, const char *path);
/* The engine's own words for the last trouble; for the log. */
const char *db_trouble(const struct db *db);

/* Ends a `many` query; also when it was read to its end. */
void db_rows_close(struct db_rows *rows);

/* -- for the generated bindings ---------------------------------------------
 */

int db_start(struct db *db, unsigned query, struct db_stmt **ret);
void db_bind_u64(struct db_stmt *st, unsigned n, uint64_t value);
void db_bind_i64(struct db_stmt *st, unsigned n, int64_t value);
void db_bind_id(struct db_stmt *st, unsigned n, const struct id *id);
void db_bind_text(struct db_stmt *st, unsigned n, struct slice text);
void db_bind_blob(struct db_stmt *st, unsigned n, struct slice bytes);
int db_exec(struct db_stmt *st); /* to its end; no rows expected */
int db_step(struct db_stmt *st); /* 0: a row; DB_NONE; trouble */
int db_end(struct db_stmt *st, int r);
int db_row_check(const struct db_stmt *st); /* were the columns in range? */
uint64_t db_column_uint(struct db_stmt *st, unsigned n, uint64_t max);
int64_t db_column_i64(struct db_stmt *st, unsigned n);
void db_column_id(struct db_stmt *st, unsigned n, struct id *ret);
struct slice db_column_bytes(struct db_stmt *st, unsigned n);
struct slice db_column_kept(struct db_stmt *st, unsigned n);

/* -- for engines ------------------------------------------------------------
 */

struct db_engine {
	enum db_engine_number number;
	void (*close)(struct db *);
	int (*script)(struct db *, const char *sql);
	/* begin, commit and the like, as SQL of this engine */
	int (*command)(struct db *, unsigned command);
	uint64_t (*changed)(const struct db *);
	uint64_t (*log_pages)(const struct db *);
	int (*checkpoint)(struct db *);
	int (*snapshot)(struct db *, const char *path); /* or NULL */
	const char *(*trouble)(const struct db *);
	bool (*is_in_transaction)(const struct db *);
	int (*start)(struct db *, unsigned query, struct db_stmt **ret);
	void (*bind_i64)(struct db_stmt *, unsigned, int64_t);
	void (*bind_bytes)(struct db_stmt *, unsigned, struct slice, bool text);
	int (*step)(struct db_stmt *);
	void (*reset)(struct db_stmt *);
	int64_t (*column_i64)(struct db_stmt *, unsigned);
	struct slice (*column_bytes)(struct db_stmt *, unsigned);
};

enum db_command {
	DB_BEGIN,
	DB_BEGIN_READ,
	DB_COMMIT,
	DB_ROLLBACK,
	DB_SAVEPOINT,
	DB_RELEASE,
	DB_ROLLBACK_TO,
	DB_N_COMMANDS
};

struct db {
	const struct db_engine *engine;
	/* Taken from a counter and not yet used; the writer's (message.c). */
	uint64_t next_number;
	unsigned n_numbers;
};

struct db_kept {
	uint8_t *at;
	size_t size;
};

/* First member of an engine's own statement. */
struct db_stmt {
	struct db *db;
	struct db_kept
	    *kept; /* per column: copies of what a `one` query gave */
	int bad;   /* 0, or why the bound or read values cannot be right */
	bool is_open;
};

#endif
