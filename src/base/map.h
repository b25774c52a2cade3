/* SPDX-License-Identifier: ISC */
/*
 * base/map - from bytes, or from a number, to a pointer
 *
 * Open addressing with a keyed hash (SipHash), so that a peer who chooses the
 * keys cannot choose the collisions. The key bytes stay the caller's and must
 * live as long as the element. Walking order is unspecified: code whose
 * outcome depends on order keeps a list beside the map.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

enum {
	MAP_SEED = 16 /* bytes of a hash key */
};

struct map_slot {
	struct slice key; /* at == NULL: a number, in `number` */
	uint64_t number;
	uint64_t hash; /* 0: free; 1: was in use */
	void *value;
};

struct map {
	struct map_slot *slots;
	size_t size;   /* a power of two, or 0 */
	size_t n;      /* elements */
	size_t n_used; /* elements and graves */
	uint8_t seed[MAP_SEED];
};

void map_init(struct map *m, const uint8_t seed[MAP_SEED]);
void map_deinit(struct map *m);

/* 0, or -ENOMEM; the key must not be there yet (see map_get). */
int map_put(struct map *m, struct slice key, void *value);
int map_put_number(struct map *m, uint64_t key, void *value);
/* NULL when it is not there. */
void *map_get(const struct map *m, struct slice key);
void *map_get_number(const struct map *m, uint64_t key);
/* Returns what was there, or NULL. */
void *map_take(struct map *m, struct slice key);
void *map_take_number(struct map *m, uint64_t key);

/* Walk: start with *at = 0; NULL at the end. Taking the element just returned
 * is allowed, putting is not. */
void *map_next(const struct map *m, size_t *at);

#endif
