/* SPDX-License-Identifier: ISC */
/*
 * base/buf - bytes that grow up to a cap given at birth, eaten from the front
 *
 * Owns its memory. All caps come from base/limits.h. What is added is either
 * there whole or not at all. Eating moves no bytes; room is made when needed.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdarg.h>

#include "base/slice.h"

enum {
	BUF_OK,
	BUF_E_FULL /* the cap is reached; nothing was added */
};

struct buf {
	uint8_t *mem;
	size_t at;   /* first byte not yet eaten */
	size_t len;  /* bytes from `at` on */
	size_t size; /* allocated */
	size_t cap;
	bool lost; /* something was not added since init or reset: for
		    * who adds many pieces and asks once, at the end */
};

/* No allocation happens before the first byte arrives. */
void buf_init(struct buf *b, size_t cap);
void buf_deinit(struct buf *b);
/* Empties it; gives memory above `keep` bytes back. */
void buf_reset(struct buf *b, size_t keep);

struct slice buf_slice(const struct buf *b);
size_t buf_room(const struct buf *b); /* what the cap still allows */

/* Return BUF_OK, BUF_E_FULL or -ENOMEM. */
int buf_add(struct buf *b, struct slice s);
int buf_add_byte(struct buf *b, uint8_t byte);
int buf_add_cstr(struct buf *b, const char *text);
int buf_printf(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int buf_vprintf(struct buf *b, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Room for at least n more bytes in one run; write there, then buf_grew(). */
int buf_reserve(struct buf *b, size_t n, uint8_t **ret_at);
void buf_grew(struct buf *b, size_t n);

void buf_eat(struct buf *b, size_t n); /* n <= len */

#endif
