/* SPDX-License-Identifier: ISC */
/*
 * store/migrate - a store of an older version becomes one of this program's
 *
 * First a snapshot: backup/ulak-vN-DATE.db is the whole database as it was,
 * complete and synced before anything is changed. Then every schema/NNN.sql
 * that the store lacks, and its version, in one transaction: a failure or a
 * power cut leaves the version it had. A newer store is refused before its
 * file is written to. The log says how to go back.
 *
 * Runs at the start, before the loop turns and with nobody else in the store.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "store/store_impl.h"

enum {
	NAME_MAX_OURS = 64
};

static int
read_version(struct db *db, uint32_t *ret)
{
	struct q_meta_get row;
	uint64_t version = 0;
	int r = DB_ONE(meta_get, db, &row, .key = SLICE("schema_version"));

	if (r == DB_NONE ||
	    (r == 0 && !slice_to_u64(row.value, UINT32_MAX, &version)))
		return ERR_ORIGIN(-EBADMSG);
	if (r != 0)
		return ERR_TRACE(r);
	*ret = (uint32_t)version;
	return 0;
}

uint32_t
store_schema(void)
{
	return STORE_SCHEMA;
}

int
store_version(struct store *s, const char *path, uint32_t *ret)
{
	struct db *db;
	int r =
	    db_sqlite_open(s->vfs, path, &(struct db_sqlite_options){ 0 }, &db);

	if (r != 0)
		return ERR_TRACE(r);
	r = read_version(db, ret);
	db_close(db);
	return r == 0 ? 0 : ERR_TRACE(r);
}

/* "backup/ulak-v1-20261123T093500Z.db" */
static void
snapshot_name(const struct store *s, uint32_t version, char *ret)
{
	struct civil c;

	time_to_civil(env_wall(s->env), 0, &c);
	(void)snprintf(ret, NAME_MAX_OURS,
	    "backup/ulak-v%u-%04d%02d%02dT%02d%02d%02dZ.db", version,
	    c.year % 10000, c.month % 100, c.day % 100, c.hour % 100,
	    c.minute % 100, c.second % 100);
}

/* The engine may have left the last bytes to the kernel. */
static int
sync_file(struct store *s, const char *path)
{
	struct env_file *f;
	int r = env_file_open(s->dir, path, ENV_FILE_WRITE, &f);

	if (r != 0)
		return ERR_ORIGIN(r);
	r = env_file_sync(f);
	env_file_close(f);
	return r == 0 ? 0 : ERR_ORIGIN(r);
}

/* Its name comes last: a snapshot that has one is whole. */
static int
take_snapshot(struct store *s, uint32_t version, const char *name)
{
	static const char unfinished[] = "backup/unfinished.db";
	uint32_t found = 0;
	int r = env_dir_make(s->dir, "backup");

	if (r != 0)
		return ERR_ORIGIN(r);
	(void)env_dir_unlink(s->dir, unfinished);
	r = db_snapshot(s->writer, unfinished);
	if (r == 0)
		r = store_version(s, unfinished, &found);
	if (r == 0 && found != version)
		r = ERR_ORIGIN(-EBADMSG);
	if (r == 0)
		r = sync_file(s, unfinished);
	if (r == 0)
		r = env_dir_rename(s->dir, unfinished, name);
	if (r == 0)
		r = env_dir_sync(s->dir, "backup");
	if (r == 0)
		r = env_dir_sync(s->dir, ".");
	if (r != 0)
		(void)env_dir_unlink(s->dir, unfinished);
	return r == 0 ? 0 : ERR_TRACE(r);
}

static int
run_one(struct db *db, const struct db_migration *m)
{
	char version[16];
	int r = db_script(db, m->sql);

	(void)snprintf(version, sizeof(version), "%u", m->version);
	return r != 0 ? r
		      : DB_EXEC(meta_set, db, .key = SLICE("schema_version"),
			    .value = slice_cstr(version));
}

static int
run_all(struct db *db, uint32_t from)
{
	int r = db_begin(db);

	for (const struct db_migration *m = db_migrations;
	     r == 0 && m->version != 0; m++)
		if (m->version > from)
			r = run_one(db, m);
	if (r == 0)
		r = db_commit(db);
	if (r != 0)
		db_rollback(db);
	return r <= 0 ? ERR_TRACE(r) : ERR_ORIGIN(-EBADMSG);
}

static int
failed(struct store *s, const char *event, uint32_t from, int r)
{
	env_log(s->env, ENV_ERROR, event, "from=%u to=%u errno=%d why=\"%s\"",
	    from, STORE_SCHEMA, -r, db_trouble(s->writer));
	return STORE_E_UPGRADE;
}

int
store_migrate(struct store *s, uint32_t from)
{
	char name[NAME_MAX_OURS];
	int r;

	if (from >= STORE_SCHEMA)
		return 0;
	if (from == 0)
		return ERR_TRACE(run_all(s->writer, from));
	snapshot_name(s, from, name);
	r = take_snapshot(s, from, name);
	if (r != 0)
		return failed(s, "store-snapshot-failed", from, r);
	r = run_all(s->writer, from);
	if (r != 0)
		return failed(s, "store-upgrade-failed", from, r);
	env_log(s->env, ENV_INFO, "store-upgraded",
	    "from=%u to=%u snapshot=\"%s\" back=\"stop ulak, remove "
	    "ulak.db-wal, copy the snapshot over ulak.db, start the older "
	    "ulak\"",
	    from, STORE_SCHEMA, name);
	return 0;
}
