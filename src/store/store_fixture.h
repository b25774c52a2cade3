/* SPDX-License-Identifier: ISC */
/*
 * store/store_fixture - a store in a directory of its own, for tests
 *
 * Makes domain one.example with anna, sends mails whose bytes follow from a
 * number, waits for the lanes, and reads back.
 */
#ifndef STORE_STORE_FIXTURE_H
#define STORE_STORE_FIXTURE_H

#include "base/test.h"
#include "store/store.h"

struct fixture {
	struct env *env;
	struct env *posix; /* the same, or what a faulty one wraps */
	struct env_dir *dir;
	struct store *store;
	struct id_source ids;
	struct env_timer timer;
	char path[64];
	uint64_t account;
	int64_t events_keep; /* of the next fixture_open() */
	unsigned n_waiting;
	bool is_broken;
};

struct mail {
	struct deposit d;
	struct fixture *f;
	uint64_t account;
	const char *queue_to;
	bool is_done;
	int result;
	uint32_t uid;
};

void fixture_make(struct fixture *f);
void fixture_open(struct fixture *f, bool create, int want);
void fixture_close(struct fixture *f);
void fixture_drop(struct fixture *f);
/* Until nothing waits and the lanes are idle. */
void fixture_run(struct fixture *f);
void fixture_run_for(struct fixture *f, int64_t ms);
/* Queues it; m->result is there after fixture_run. */
void fixture_send(struct fixture *f, struct mail *m, size_t size,
    unsigned salt);
void fixture_check_body(struct fixture *f, const struct mail *m, size_t size,
    unsigned salt);
/* want: problems; with 0 also how many messages there are (UINT64_MAX: any).
 */
void fixture_verify(struct fixture *f, uint64_t messages, int want);

#endif
