/* SPDX-License-Identifier: ISC */
/*
 * store/committer - the one writer: groups of writes, one transaction each
 *
 * Whoever wants to change the database fills a store_write, embeds it in what
 * it needs to know, and submits it on the loop. In the COMMIT lane the writes
 * that gathered meanwhile run in one transaction, each inside a savepoint of
 * its own; when that is durable (or has failed), done() comes on the loop, in
 * the order of submission within a lane. No timer makes groups of what somebody
 * waits for; what nobody waits for (is_patient) goes along with those.
 *
 * apply() runs in the writer's thread: it may use the database and what hangs
 * on the write, nothing else of the store. It must be repeatable: a write
 * whose group failed may be submitted again.
 */
#ifndef STORE_COMMITTER_H
#define STORE_COMMITTER_H

#include "base/list.h"
#include "base/time.h"
#include "store/db.h"
#include "sys/env.h"

/* In this order when a group is taken: nobody's 250 waits for bulk work. */
enum store_lane {
	STORE_LANE_ACCEPT,
	STORE_LANE_INTERACTIVE,
	STORE_LANE_QUEUE,
	STORE_LANE_BULK, /* slices of 5 ms: return STORE_AGAIN between them */
	STORE_N_LANES
};

/* What apply() may return besides 0, its own conditions > 0 and -errno: this
 * slice is kept, call me again in a later group. */
enum {
	STORE_AGAIN = 1 << 20
};

struct store_write {
	enum store_lane lane;
	/* 0: keep. STORE_AGAIN: keep and come again. Other > 0: a condition;
	 * what it changed is rolled back, its neighbours are not touched.
	 * < 0: trouble; the whole group is rolled back and told so. */
	int (*apply)(struct db *db, struct store_write *w);
	/* On the loop. r: 0 (durable), apply's condition (nothing changed), or
	 * -errno: not done, or after -EIO perhaps done. The write is the
	 * caller's again and may be freed. */
	void (*done)(struct store_write *w, int r);
	/* Set before apply() is called once more after STORE_AGAIN: what it
	 * did the last time is durable. When it is called again without this,
	 * what it did was rolled back. apply() clears it. */
	bool was_kept;
	/* Nobody waits for it: it begins no group before COMMITTER_PATIENCE is
	 * over, or many like it are there, but goes along with any. */
	bool is_patient;
	/* the committer's own */
	int result;
	struct list link;
};

#define COMMITTER_PATIENCE (10 * TIME_MS)

struct committer;

struct committer_ops {
	/* On the loop: the database cannot be relied on any more. Everything
	 * submitted from now on fails with -EIO. */
	void (*broken)(void *ctx, int r, const char *why);
};

int committer_new(struct env *env, struct db *writer,
    const struct committer_ops *ops, void *ctx, struct committer **ret);
/* Nothing may be in the lane any more (committer_is_idle). */
void committer_free(struct committer *c);

/* Loop only. done() never comes from inside this call. */
void committer_submit(struct committer *c, struct store_write *w);
bool committer_is_idle(const struct committer *c);
/* For one process that owns the store alone (init, verify, tests): runs one
 * write at once in this thread; done is not called. */
int committer_run(struct db *writer, struct store_write *w);

#endif
