/* SPDX-License-Identifier: ISC */
/*
 * mail/spool - the file in which a message waits while the server is down
 *
 *   ulak-spool 1 LF            format and version
 *   KEY SP VALUE LF ...        the envelope; keys in spool.c's table
 *   LF
 *   the message, `size` octets, lines end in CRLF
 *   32 hexadecimal digits LF   BLAKE2b of all that stands before
 *
 * Written by `ulak sendmail` as its user, read by the role `local`: whoever
 * wrote it is not trusted with more than handing in mail. A reader takes a
 * file whole or not at all. Pure: bytes in, bytes out. docs/storage-format.md
 * says the same for people.
 */
#ifndef MAIL_SPOOL_H
#define MAIL_SPOOL_H

#include <sodium.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/id.h"
#include "base/slice.h"

enum {
	SPOOL_HEAD_MAX = 64 * 1024, /* up to the empty line */
	SPOOL_RCPTS = 100, /* of one file; more are several files: its id is
			    * the key of one commit */
	SPOOL_SUM = 33,    /* the last line */
	SPOOL_NAME = ID_TEXT + 5, /* ID.mail */
	SPOOL_TEXT_MAX = 1024     /* one value */
};

struct spool {
	int64_t time;        /* when it was handed in, microseconds UTC */
	struct slice sender; /* empty: <> */
	struct slice *rcpts; /* local@domain */
	size_t n_rcpts;
	uint64_t size; /* of the message */
	bool is_8bit, is_utf8;
	uint64_t notify; /* RFC 3461 bits, 0: none given */
	uint64_t ret;    /* 0 none, 1 FULL, 2 HDRS */
	struct slice envid;
	uint64_t uid; /* for whom the server itself wrote it; else his own */
	bool has_uid;
};

enum {
	SPOOL_OK,
	SPOOL_E_MORE, /* the empty line has not come yet */
	SPOOL_E_BAD,
	SPOOL_E_VERSION /* of a later Ulak */
};

/* BUF_OK, BUF_E_FULL (also for a value that cannot stand in it), -ENOMEM. */
int spool_head_print(const struct spool *s, struct buf *out);
/* The head at the beginning of `in`; *ret_len is where the message begins.
 * What *ret holds lies in `in` and in the arena. */
int spool_head_parse(struct slice in, struct arena *a, struct spool *ret,
    size_t *ret_len);

/* The last line, from everything before it. */
struct spool_sum {
	crypto_generichash_state state;
};
void spool_sum_init(struct spool_sum *s);
void spool_sum_add(struct spool_sum *s, struct slice bytes);
void spool_sum_print(struct spool_sum *s, char text[SPOOL_SUM + 1]);

/* "ID.mail" */
void spool_name_print(const struct id *id, char name[SPOOL_NAME + 1]);
bool spool_name_parse(struct slice name, struct id *ret);

#endif
