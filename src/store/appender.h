/* SPDX-License-Identifier: ISC */
/*
 * store/appender - brings bodies to disk before any row names them
 *
 * A body comes in chunks (bodies are pulled through memory while they are
 * small; above LIMIT_SMALL_BODY they stream into a segment file of their own,
 * in the READ lane, one job at a time). Small ones that wait are written in
 * one pwritev and one sync, in the APPEND lane, while the last group commits.
 *
 * A failed write or sync: every waiter of the group gets -errno, the segment
 * is sealed at its last good length and never synced again. Two failures in a
 * row and the store stops accepting (design 4). Nothing here retries a sync.
 */
#ifndef STORE_APPENDER_H
#define STORE_APPENDER_H

#include "store/segment.h"
#include "sys/env.h"

struct appender;

/* Where bytes lie: goes into the row of the message. */
struct segment_place {
	uint64_t segment, offset; /* of the record */
	uint64_t body;            /* offset of the body */
	uint64_t stored_len, end; /* end: of the record */
	bool is_big;              /* alone in its file */
	uint8_t checksum[SEGMENT_CHECKSUM];
};

/* Bytes on their way in. Loop only. */
struct body;

struct body_ops {
	/* So many bytes more may come (only for bodies that do not stay in
	 * memory). */
	void (*room)(struct body *b, uint32_t bytes);
	/* It cannot be kept: no room, too large, a failing disk. -errno, or
	 * -EMSGSIZE. Only body_free is sensible now. */
	void (*refused)(struct body *b, int r);
};

int body_new(struct appender *a, uint64_t max, const struct body_ops *ops,
    void *ctx, struct body **ret);
void *body_ctx(struct body *b);
uint64_t body_len(const struct body *b);
/* All of it while it is small and in memory, else nothing. Until body_append.
 */
struct slice body_bytes(const struct body *b);
/* 0, -EMSGSIZE, -ENOMEM; on failure the body is good for body_free only. */
int body_add(struct body *b, struct slice chunk);
void body_free(struct body *b); /* at any time before body_append */

/* Reads back a part of what came so far, for who must look at it again before
 * it is committed. done on the loop, maybe at once: r 0 and the bytes in `got`
 * (fewer than `len` at the end of the body, valid until it returns), or -errno.
 * One at a time; not after body_append; body_free forgets it. */
struct body_peek {
	void (*done)(struct body_peek *p, int r, struct slice got);
	uint64_t offset;
	size_t len; /* at most LIMIT_CHUNK */
};
void body_peek(struct body *b, struct body_peek *p);

/* From here on the body is the appender's. done on the loop: r 0 and the place,
 * durable; or -errno and nothing is kept. */
struct append {
	void (*done)(struct append *a, int r);
	struct segment_header header; /* id, time, kind: the caller's */
	struct buf envelope;          /* filled by the caller, who frees it */
	struct segment_place place;   /* the result */
	/* the appender's own */
	struct body *body;
	struct list link;
	uint8_t head[SEGMENT_HEADER], tail[SEGMENT_TRAILER + SEGMENT_ALIGN];
};
void body_append(struct body *b, struct append *a);

struct appender_options {
	uint64_t segment;      /* to go on in, or 0 */
	uint64_t offset;       /* its committed length */
	uint64_t next_segment; /* number of the next new file */
	uint64_t segment_size; /* when to begin a new one */
	const uint8_t *key;    /* SEGMENT_KEY bytes */
	size_t memory;         /* for all bodies that are in memory */
	void (*broken)(void *ctx, int r); /* two failures in a row */
	/* One group failed with r; the next may do better. May be NULL. */
	void (*trouble)(void *ctx, int r);
	void *ctx;
};
int appender_new(struct env *env, struct env_dir *dir,
    const struct appender_options *o, struct appender **ret);
void appender_free(struct appender *a);
/* Small bodies that come from now on go into this segment or later ones. */
uint64_t appender_safe_segment(const struct appender *a);
bool appender_is_idle(const struct appender *a);
/* "segments/0000000000000001.seg" */
enum {
	SEGMENT_PATH = 40
};
void segment_path(uint64_t number, char path[SEGMENT_PATH]);

#endif
