/* SPDX-License-Identifier: ISC */
/*
 * store/vfs - SQLite's files, clock and chance, out of struct env
 *
 * So that the database fails, is cut off and is simulated together with the
 * segments. The log's index lives in our memory and locks are ours, too: the
 * directory's lock keeps other processes out. All connections to one file go
 * through one store_vfs. Threads may use it at once.
 */
#ifndef STORE_VFS_H
#define STORE_VFS_H

#include "sys/env.h"

struct store_vfs;

int store_vfs_new(struct env *env, struct env_dir *dir, struct store_vfs **ret);
/* Every connection is closed. */
void store_vfs_free(struct store_vfs *v);
const char *store_vfs_name(const struct store_vfs *v);

#endif
