/* SPDX-License-Identifier: ISC */
/*
 * store/db_sqlite - connections to SQLite, over our own VFS
 *
 * One writer per file, and only it checkpoints, when db_checkpoint is called:
 * SQLite before 3.51.3 can corrupt a file that is checkpointed beside another
 * writer. Readers are read-only and never checkpoint, not even at close.
 */
#ifndef STORE_DB_SQLITE_H
#define STORE_DB_SQLITE_H

#include "store/db.h"
#include "store/vfs.h"

struct db_sqlite_options {
	bool is_writer;
	bool create;
	bool is_lazy; /* commits do not wait for the disk (events) */
	unsigned cache_kib;
};

int db_sqlite_open(struct store_vfs *vfs, const char *path,
    const struct db_sqlite_options *o, struct db **ret);

#endif
