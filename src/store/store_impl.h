/* SPDX-License-Identifier: ISC */
/*
 * store/store_impl - what the files of the store share among themselves
 */
#ifndef STORE_STORE_IMPL_H
#define STORE_STORE_IMPL_H

#include <pthread.h>

#include "store/db_sqlite.h"
#include "store/events.h"
#include "store/store.h"

enum {
	STORE_READERS = 8, /* connections; READ threads are fewer */
	STORE_BATCHES = 2, /* of short reads at a time */
	STORE_OPEN_SEGMENTS = 64,
	STORE_SCHEMA = 4 /* the newest this program knows */
};

struct open_segment {
	uint64_t number; /* 0: free */
	struct env_file *file;
	unsigned n_users;
	uint64_t used_at;
};

/* Short reads under way together, in one thread. */
struct read_batch {
	struct env_job job;
	struct store *store;
	struct list reads;
	bool is_busy;
};

struct store {
	struct env *env;
	struct env_dir *dir;
	struct store_options o;
	struct store_vfs *vfs;
	struct db *writer;
	struct committer *committer;
	struct appender *appender;
	struct events *events;
	uint8_t key[SEGMENT_KEY];
	struct list deposits;   /* in flight */
	uint64_t noted_segment; /* the last with garbage that has a row */
	unsigned n_reads;
	struct list short_reads; /* waiting */
	struct read_batch batches[STORE_BATCHES];
	struct env_defer start_batches;
	/* Behind the mutex: shared with the READ threads. */
	pthread_mutex_t mutex;
	struct db *readers[STORE_READERS];
	bool reader_in_use[STORE_READERS];
	struct open_segment segments[STORE_OPEN_SEGMENTS];
	uint64_t clock;
};

/* reader.c */
void store_readers_init(struct store *s);
void store_readers_close(struct store *s);
/* A reading connection for this thread; NULL with *r set. */
struct db *store_reader_take(struct store *s, int *ret_r);
void store_reader_give(struct store *s, struct db *db);
void store_segment_forget(struct store *s, uint64_t number);

/* recover.c: what a start finds. Unfinished files are removed, the rest is
 * left alone. */
bool store_segment_number(const char *name, uint64_t *ret);
int store_recover(struct store *s, struct appender_options *ret);

/* migrate.c: the version a database file has; and its upgrade to STORE_SCHEMA
 * (0: a fresh one). STORE_E_UPGRADE: it is as it was. */
int store_version(struct store *s, const char *path, uint32_t *ret);
int store_migrate(struct store *s, uint32_t from);

/* events.c */
int events_new(struct store *s, struct events **ret);
void events_free(struct events *e);
bool events_is_idle(const struct events *e);

#endif
