/* SPDX-License-Identifier: ISC */
/*
 * imap/hits - which rows of a view were found
 *
 * Indices of rows in ascending order, kept as runs: 8 octets for each, so
 * never more than 4 octets a row. Owns its memory; bounded by the view.
 */
#ifndef IMAP_HITS_H
#define IMAP_HITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hit_run { /* lo <= hi, apart from each other */
	uint32_t lo, hi;
};

struct hits {
	struct hit_run *at;
	size_t n, size;
	size_t count; /* rows */
};

void hits_deinit(struct hits *h);
/* The next greater one. False: no memory. */
bool hits_add(struct hits *h, uint32_t row);

struct hits_cursor {
	size_t run;
	uint32_t next;
	bool is_begun;
};
/* Walk: a zeroed cursor; false at the end. */
bool hits_next(const struct hits *h, struct hits_cursor *c, uint32_t *ret);
/* Behind the first n. */
void hits_seek(const struct hits *h, size_t n, struct hits_cursor *c);
/* The n-th, from 0; n < count. */
uint32_t hits_get(const struct hits *h, size_t n);

#endif
