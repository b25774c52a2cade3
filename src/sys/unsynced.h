/* SPDX-License-Identifier: ISC */
/*
 * sys/unsynced - what a power cut would take; for tests
 *
 * Keeps, for each write and truncation that no sync has covered yet, what was
 * there before and what came. When the power goes, all of it is undone, or a
 * part that a seed chooses: a disk may have written later sectors and not
 * earlier ones, and half of a write. Names (made, renamed, removed) are taken
 * to be durable at once, and so is room that was only allocated.
 *
 * Files are known by their paths. Not safe for threads: env_faulty has a lock.
 */
#ifndef SYS_UNSYNCED_H
#define SYS_UNSYNCED_H

#include "base/list.h"
#include "sys/env.h"

struct unsynced {
	struct list records; /* oldest first */
	uint64_t n;          /* made so far: a point in time */
};

void unsynced_init(struct unsynced *u);
void unsynced_deinit(struct unsynced *u);
/* Before the write, or before the end is set. */
void unsynced_write(struct unsynced *u, const char *path, struct env_file *f,
    const struct iovec *v, size_t n, uint64_t offset);
void unsynced_truncate(struct unsynced *u, const char *path, struct env_file *f,
    uint64_t size);
/* Synced: what was written before the point `until` (u->n then) stays. */
void unsynced_keep(struct unsynced *u, const char *path, uint64_t until);
void unsynced_rename(struct unsynced *u, const char *from, const char *to);
/* The power goes. survivors: 0, nothing of it is there; else a seed. */
void unsynced_lose(struct unsynced *u, struct env_dir *dir, uint64_t survivors);

#endif
