/* SPDX-License-Identifier: ISC */
/*
 * roles/front/spool_impl - what the files of the spool share
 *
 *   spool.c       which file is next, and what becomes of it
 *   spool_file.c  one file: opened, checked, read, divided, moved, removed
 *   spool_talk.c  the role's conversation with itself about it
 *
 * Files are anybody's: a file is what the kernel says it is (regular, one
 * name, its owner), its content is believed as far as its owner would be at
 * the socket. One file at a time; what must wait is remembered, so that it
 * keeps nobody else waiting.
 */
#ifndef ROLES_FRONT_SPOOL_IMPL_H
#define ROLES_FRONT_SPOOL_IMPL_H

#include "mail/spool.h"
#include "roles/front/conn.h"
#include "roles/front/local.h"
#include "smtp/client.h"

enum {
	SPOOL_BATCH = 1000, /* files of one look */
	SPOOL_ARENA = 256 * 1024,
	SPOOL_HEADER = 32 * 1024 /* of the original, in a report */
};

/* The file at hand. */
struct spool_file {
	struct env_file *file; /* NULL: none */
	struct id id;
	char name[SPOOL_NAME + 1];
	struct buf text; /* its head */
	struct arena arena;
	struct spool head; /* in text and arena */
	uint64_t body_at;
	uint32_t uid; /* whose it is */
};

/* What is said, to whom; its bytes are the file's, or in `text`. */
struct spool_talk {
	struct smtp_client *client; /* NULL: nothing is said */
	struct env_watch watch;
	struct env_timer timer;
	uint64_t conn; /* the other end; 0: none */
	struct id id;  /* of its commit */
	struct slice sender;
	const struct slice *rcpts;
	size_t n_rcpts;
	struct slice text; /* at == NULL: from the file */
	uint64_t size, given;
	bool has_begun, is_8bit;
	struct spool_sum sum;
	bool is_damaged; /* the file is not what its last line says */
	bool is_divided; /* given up before the end: some must wait */
};

struct spool_run {
	struct front *front;
	struct env *env;
	struct env_dir *dir;
	uint32_t own_uid;
	struct env_timer timer;
	bool is_busy, is_stopping;
	struct map waiting;         /* id -> struct spool_waiting */
	struct id ids[SPOOL_BATCH]; /* still to be done */
	size_t n_ids, at, n_junk;
	struct spool_file file;
	struct spool_talk talk;
	struct verdict verdicts[SPOOL_RCPTS]; /* texts in the file's arena */
	struct buf report; /* a bounce that is being handed in */
};

/* -- spool_file.c -----------------------------------------------------------
 */

enum {
	SPOOL_FILE_OK,
	SPOOL_FILE_GONE,
	SPOOL_FILE_LATER,
	SPOOL_FILE_BAD /* *ret_why says why */
};
int spool_file_open(struct spool_run *s, const struct id *id,
    const char **ret_why);
void spool_file_close(struct spool_run *s);
/* For good. */
void spool_file_remove(struct spool_run *s);
/* Out of the way, for a person to look at. 0 or -errno, which is logged. */
int spool_file_set_aside(struct spool_run *s, const char *name,
    const char *why);
/* Two files in its place: those who must wait, and the others. 0 or -errno,
 * with the file as it was. */
int spool_file_divide(struct spool_run *s);
/* At most n bytes of the message; a short count is its end, or trouble. */
size_t spool_file_read(struct spool_run *s, void *at, size_t n,
    uint64_t offset);

/* -- spool_talk.c -----------------------------------------------------------
 */

/* 0, or -errno when it cannot even begin; spool_on_talked follows later. The
 * caller has filled sender, rcpts, text, size, is_8bit and id. */
int spool_talk_begin(struct spool_run *s);
void spool_talk_end(struct spool_run *s);

/* -- spool.c ----------------------------------------------------------------
 */

/* The conversation is over, s->verdicts tell; code 0: nothing was learnt. */
void spool_on_talked(struct spool_run *s);

#endif
