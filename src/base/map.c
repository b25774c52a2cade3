/* SPDX-License-Identifier: ISC */
#include "base/map.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum {
	MAP_FIRST = 16,
	HASH_FREE = 0,
	HASH_GRAVE = 1,
	HASH_LEAST = 2
};

_Static_assert(MAP_SEED == crypto_shorthash_KEYBYTES,
    "the seed is a SipHash key");

void
map_init(struct map *m, const uint8_t seed[MAP_SEED])
{
	*m = (struct map){ 0 };
	memcpy(m->seed, seed, MAP_SEED);
}

void
map_deinit(struct map *m)
{
	free(m->slots);
	m->slots = NULL;
	m->size = m->n = m->n_used = 0;
}

static uint64_t
hash_of(const struct map *m, struct slice key, uint64_t number)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t hash;

	if (key.at == NULL)
		key = slice_of(&number, sizeof(number));
	(void)crypto_shorthash(out, key.at, key.len, m->seed);
	memcpy(&hash, out, sizeof(hash));
	return hash < HASH_LEAST ? hash + HASH_LEAST : hash;
}

static bool
is_same(const struct map_slot *s, uint64_t hash, struct slice key, uint64_t n)
{
	if (s->hash != hash || (s->key.at == NULL) != (key.at == NULL))
		return false;
	return key.at == NULL ? s->number == n : slice_equal(s->key, key);
}

static struct map_slot *
find(const struct map *m, struct slice key, uint64_t number)
{
	uint64_t hash;

	if (m->n == 0)
		return NULL;
	hash = hash_of(m, key, number);
	for (size_t i = hash & (m->size - 1);; i = (i + 1) & (m->size - 1)) {
		struct map_slot *s = &m->slots[i];

		if (s->hash == HASH_FREE)
			return NULL;
		if (is_same(s, hash, key, number))
			return s;
	}
}

static void
place(struct map *m, const struct map_slot *element)
{
	size_t i = element->hash & (m->size - 1);

	while (m->slots[i].hash != HASH_FREE)
		i = (i + 1) & (m->size - 1);
	m->slots[i] = *element;
	m->n++;
	m->n_used++;
}

static int
make_room(struct map *m)
{
	struct map bigger = *m;

	if (m->size > 0 && (m->n_used + 1) * 4 <= m->size * 3)
		return 0;
	bigger.size = m->size == 0 ? MAP_FIRST
	    : m->n * 2 >= m->size  ? m->size * 2
				   : m->size;
	bigger.slots = calloc(bigger.size, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return ERR_ORIGIN(-ENOMEM);
	bigger.n = bigger.n_used = 0;
	for (size_t i = 0; i < m->size; i++)
		if (m->slots[i].hash >= HASH_LEAST)
			place(&bigger, &m->slots[i]);
	free(m->slots);
	*m = bigger;
	return 0;
}

static int
put(struct map *m, struct slice key, uint64_t number, void *value)
{
	struct map_slot element = { key, number, 0, value };
	int r;

	assert(value != NULL && find(m, key, number) == NULL);
	r = make_room(m);
	if (r < 0)
		return r;
	element.hash = hash_of(m, key, number);
	place(m, &element);
	return 0;
}

static void *
take(struct map *m, struct slice key, uint64_t number)
{
	struct map_slot *s = find(m, key, number);
	void *value;

	if (s == NULL)
		return NULL;
	value = s->value;
	*s = (struct map_slot){ .hash = HASH_GRAVE };
	m->n--;
	return value;
}

static struct slice
not_null(struct slice key)
{
	return key.at == NULL ? slice_of("", 0) : key;
}

int
map_put(struct map *m, struct slice key, void *value)
{
	return put(m, not_null(key), 0, value);
}

int
map_put_number(struct map *m, uint64_t key, void *value)
{
	return put(m, slice_of(NULL, 0), key, value);
}

void *
map_get(const struct map *m, struct slice key)
{
	struct map_slot *s = find(m, not_null(key), 0);

	return s == NULL ? NULL : s->value;
}

void *
map_get_number(const struct map *m, uint64_t key)
{
	struct map_slot *s = find(m, slice_of(NULL, 0), key);

	return s == NULL ? NULL : s->value;
}

void *
map_take(struct map *m, struct slice key)
{
	return take(m, not_null(key), 0);
}

void *
map_take_number(struct map *m, uint64_t key)
{
	return take(m, slice_of(NULL, 0), key);
}

void *
map_next(const struct map *m, size_t *at)
{
	while (*at < m->size) {
		const struct map_slot *s = &m->slots[(*at)++];

		if (s->hash >= HASH_LEAST)
			return s->value;
	}
	return NULL;
}
