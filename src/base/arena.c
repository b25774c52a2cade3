/* SPDX-License-Identifier: ISC */
#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

enum {
	ARENA_BLOCK = 2048 /* payload of an ordinary block */
};

struct arena_block {
	struct arena_block *next;
	size_t used, size;
	alignas(max_align_t) uint8_t bytes[];
};

void
arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){ .cap = cap };
}

void
arena_reset(struct arena *a)
{
	struct arena_block *b = a->first, *next;

	for (; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	a->first = NULL;
	a->used = 0;
	a->starved = false;
}

static struct arena_block *
add_block(struct arena *a, size_t size)
{
	size_t payload = size > ARENA_BLOCK ? size : ARENA_BLOCK;
	size_t room = a->cap - a->used;
	struct arena_block *b;

	if (room < sizeof(*b) || size > room - sizeof(*b))
		return NULL;
	if (payload > room - sizeof(*b))
		payload = size;
	b = calloc(1, sizeof(*b) + payload);
	if (b == NULL)
		return NULL;
	b->size = payload;
	b->next = a->first;
	a->first = b;
	a->used += sizeof(*b) + payload;
	return b;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct arena_block *b = a->first;
	size_t align = alignof(max_align_t);
	void *at;

	if (size > a->cap) {
		a->starved = true;
		return NULL;
	}
	size = (size + align - 1) & ~(align - 1);
	if (b == NULL || b->size - b->used < size)
		b = add_block(a, size);
	if (b == NULL) {
		a->starved = true;
		return NULL;
	}
	at = b->bytes + b->used;
	b->used += size;
	return at;
}

void *
arena_array(struct arena *a, size_t n, size_t size)
{
	if (size != 0 && n > a->cap / size) {
		a->starved = true;
		return NULL;
	}
	return arena_alloc(a, n * size);
}

bool
arena_copy(struct arena *a, struct slice s, struct slice *ret)
{
	uint8_t *at = arena_alloc(a, s.len);

	if (at == NULL)
		return false;
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	*ret = slice_of(at, s.len);
	return true;
}
