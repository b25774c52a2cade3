/* SPDX-License-Identifier: ISC */
/*
 * base/arena - memory that is given back all at once, with a cap
 *
 * For one mail transaction, one command, one decision. Running out is a
 * condition (NULL), which the caller turns into a 452 or its like; it never
 * ends the process.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_block;

struct arena {
	struct arena_block *first; /* newest first */
	size_t used;               /* of all blocks, with their heads */
	size_t cap;
	bool starved; /* an allocation was refused since init or reset: for who
		       * leaves out what does not fit, and asks in the end */
};

void arena_init(struct arena *a, size_t cap);
void arena_reset(struct arena *a); /* everything from it is gone */

/* Zeroed, aligned for any type; NULL when the cap or the machine says no. */
void *arena_alloc(struct arena *a, size_t size);
/* n * size without overflow. */
void *arena_array(struct arena *a, size_t n, size_t size);
/* A copy of the bytes; false leaves *ret alone. */
bool arena_copy(struct arena *a, struct slice s, struct slice *ret);

#endif
