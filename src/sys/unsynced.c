/* SPDX-License-Identifier: ISC */
#include "sys/unsynced.h"

#include <stdlib.h>
#include <string.h>

enum {
	PATH = 128,
	SECTOR = 512
};

struct record {
	struct list link;
	char path[PATH];
	uint64_t number;
	uint64_t offset, old_size;
	bool is_truncation; /* to offset */
	uint8_t *old, *new;
	size_t old_len, new_len;
};

#define RECORD(it) LIST_ENTRY(it, struct record, link)

/* A test that has no memory has nothing to show. */
static void *
must(void *at)
{
	if (at == NULL)
		abort();
	return at;
}

void
unsynced_init(struct unsynced *u)
{
	list_init(&u->records);
	u->n = 0;
}

static void
record_free(struct record *r)
{
	list_remove(&r->link);
	free(r->old);
	free(r->new);
	free(r);
}

void
unsynced_deinit(struct unsynced *u)
{
	LIST_FOREACH_SAFE (it, tmp, &u->records)
		record_free(RECORD(it));
}

static struct record *
record_new(struct unsynced *u, const char *path, struct env_file *f,
    uint64_t offset, uint64_t len)
{
	struct record *r = must(calloc(1, sizeof(*r)));

	if (strlen(path) >= PATH || env_file_size(f, &r->old_size) != 0)
		abort();
	memcpy(r->path, path, strlen(path));
	r->offset = offset;
	r->number = u->n++;
	if (offset < r->old_size) {
		r->old_len =
		    (size_t)(r->old_size - offset < len ? r->old_size - offset
							: len);
		r->old = must(malloc(r->old_len + 1));
		if (env_file_pread(f, r->old, r->old_len, offset) !=
		    (ssize_t)r->old_len)
			abort();
	}
	list_add_last(&u->records, &r->link);
	return r;
}

void
unsynced_write(struct unsynced *u, const char *path, struct env_file *f,
    const struct iovec *v, size_t n, uint64_t offset)
{
	struct record *r;
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += v[i].iov_len;
	r = record_new(u, path, f, offset, len);
	r->new = must(malloc(len + 1));
	for (size_t i = 0; i < n; i++) {
		if (v[i].iov_len > 0)
			memcpy(r->new + r->new_len, v[i].iov_base,
			    v[i].iov_len);
		r->new_len += v[i].iov_len;
	}
}

void
unsynced_truncate(struct unsynced *u, const char *path, struct env_file *f,
    uint64_t size)
{
	record_new(u, path, f, size, UINT64_MAX)->is_truncation = true;
}

void
unsynced_keep(struct unsynced *u, const char *path, uint64_t until)
{
	LIST_FOREACH_SAFE (it, tmp, &u->records)
		if (RECORD(it)->number < until &&
		    strcmp(RECORD(it)->path, path) == 0)
			record_free(RECORD(it));
}

void
unsynced_rename(struct unsynced *u, const char *from, const char *to)
{
	unsynced_keep(u, to, u->n); /* what was there is nowhere any more */
	LIST_FOREACH (it, &u->records) {
		struct record *r = RECORD(it);

		if (strcmp(r->path, from) != 0)
			continue;
		if (strlen(to) >= PATH)
			abort();
		memset(r->path, 0, PATH);
		memcpy(r->path, to, strlen(to));
	}
}

static void
put(struct env_file *f, const uint8_t *at, size_t len, uint64_t offset)
{
	struct iovec v = { .iov_base = (void *)(uintptr_t)at, .iov_len = len };

	if (len > 0 && env_file_pwritev(f, &v, 1, offset) != 0)
		abort();
}

static void
undo(struct env_dir *dir, const struct record *r)
{
	struct env_file *f;

	if (env_file_open(dir, r->path, ENV_FILE_WRITE, &f) != 0)
		return; /* it was removed meanwhile */
	put(f, r->old, r->old_len, r->offset);
	if (env_file_truncate(f, r->old_size) != 0)
		abort();
	env_file_close(f);
}

/* Its first half in sectors (0), the other one (1), or all of it. */
static void
redo(struct env_dir *dir, const struct record *r, unsigned chance)
{
	size_t half = r->new_len / 2 / SECTOR * SECTOR;
	struct env_file *f;

	if (env_file_open(dir, r->path, ENV_FILE_WRITE, &f) != 0)
		return;
	if (r->is_truncation) {
		if (env_file_truncate(f, r->offset) != 0)
			abort();
	} else if (chance == 0)
		put(f, r->new, half, r->offset);
	else if (chance == 1)
		put(f, r->new + half, r->new_len - half, r->offset + half);
	else
		put(f, r->new, r->new_len, r->offset);
	env_file_close(f);
}

/* splitmix64 */
static uint64_t
next_random(uint64_t *seed)
{
	uint64_t z = *seed += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

void
unsynced_lose(struct unsynced *u, struct env_dir *dir, uint64_t survivors)
{
	struct list *records = &u->records;

	for (struct list *it = records->prev; it != records; it = it->prev)
		undo(dir, RECORD(it));
	if (survivors == 0)
		return;
	LIST_FOREACH (it, records) {
		unsigned chance = (unsigned)(next_random(&survivors) % 8);

		if (chance < 4) /* 0 and 1: in part */
			redo(dir, RECORD(it), chance);
	}
}
