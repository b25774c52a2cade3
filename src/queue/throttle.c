/* SPDX-License-Identifier: ISC */
#include "queue/throttle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "queue/fair.h"

/* -- subjects
 * ------------------------------------------------------------------ */

static const char *const kinds[THROTTLE_KINDS] = {
	[THROTTLE_SENDER] = "sender",
	[THROTTLE_TENANT] = "tenant",
	[THROTTLE_ROUTE] = "route",
};

static bool
is_name(enum throttle_kind kind, struct slice name)
{
	size_t at = slice_find_byte(name, '@');

	if (name.len == 0 || name.len > THROTTLE_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] <= ' ' || name.at[i] == 0x7f)
			return false;
	if (kind != THROTTLE_SENDER)
		return at == SIZE_MAX;
	return at != SIZE_MAX && at > 0 && name.at[name.len - 1] != '@';
}

bool
throttle_subject_parse(struct slice text, struct throttle *ret)
{
	struct slice kind;

	if (!slice_take_until(&text, ':', &kind))
		return false;
	for (uint8_t k = 0; k < THROTTLE_KINDS; k++) {
		if (!slice_equal(kind, slice_cstr(kinds[k])))
			continue;
		if (!is_name(k, text))
			return false;
		ret->kind = k;
		for (size_t i = 0; i < text.len; i++)
			ret->name[i] = (char)ascii_lower(text.at[i]);
		ret->name[text.len] = '\0';
		return true;
	}
	return false;
}

void
throttle_subject_print(const struct throttle *t, char text[THROTTLE_TEXT_MAX])
{
	(void)snprintf(text, THROTTLE_TEXT_MAX, "%s:%s", kinds[t->kind],
	    t->name);
}

/* -- one
 * ------------------------------------------------------------------ */

static int64_t
interval_of(const struct throttle *t)
{
	int64_t interval = t->mails == 0 ? t->period : t->period / t->mails;

	return interval < 1 ? 1 : interval;
}

/* Never more than its burst is owed: then the clock was set back, or the
 * throttle is another now. */
static int64_t
next_of(const struct throttle *t, int64_t now)
{
	int64_t most = now + t->burst * interval_of(t);

	return t->next < most ? t->next : most;
}

int64_t
throttle_ready(const struct throttle *t, int64_t now)
{
	int64_t burst = t->burst > 1 ? t->burst - 1 : 0;

	return next_of(t, now) - burst * interval_of(t);
}

void
throttle_count(struct throttle *t, int n, int64_t now)
{
	t->next = next_of(t, now);
	if (n > 0 && t->next < now)
		t->next = now;
	t->next += n * interval_of(t);
}

void
throttle_follow(struct throttle *t, const struct throttle *old, int64_t now)
{
	int64_t owed = next_of(old, now) - now, was = interval_of(old);
	double rest; /* of a mail */

	t->next = now;
	if (owed <= 0)
		return;
	rest = (double)(owed % was) / (double)was;
	t->next += owed / was * interval_of(t) +
	    (int64_t)(rest * (double)interval_of(t));
}

/* -- all
 * ------------------------------------------------------------------ */

enum {
	KEY_MAX = 1 + THROTTLE_NAME_MAX
};

static struct slice
number_key(uint8_t kind, int64_t number, uint8_t key[KEY_MAX])
{
	key[0] = kind;
	memcpy(key + 1, &number, sizeof(number));
	return slice_of(key, 1 + sizeof(number));
}

/* Senders and tenants are found by what a queue row says of its flow. */
static struct slice
make_key(uint8_t kind, struct slice name, uint8_t key[KEY_MAX])
{
	if (kind == THROTTLE_SENDER)
		return number_key(kind, fair_flow(name), key);
	if (kind == THROTTLE_TENANT)
		return number_key(kind, fair_tenant(name), key);
	key[0] = kind;
	memcpy(key + 1, name.at, name.len);
	return slice_of(key, 1 + name.len);
}

void
throttles_init(struct throttles *s, const uint8_t seed[MAP_SEED])
{
	map_init(&s->by_key, seed);
}

struct entry {
	struct throttle throttle;
	uint8_t key[KEY_MAX]; /* the map has no copy */
};

void
throttles_deinit(struct throttles *s)
{
	struct entry *e;
	size_t at = 0;

	while ((e = map_next(&s->by_key, &at)) != NULL)
		free(e);
	map_deinit(&s->by_key);
}

int
throttles_put(struct throttles *s, const struct throttle *t)
{
	struct entry *e = calloc(1, sizeof(*e));
	struct slice key;
	int r;

	if (e == NULL)
		return ERR_ORIGIN(-ENOMEM);
	e->throttle = *t;
	key = make_key(t->kind, slice_cstr(e->throttle.name), e->key);
	r = map_get(&s->by_key, key) != NULL ? -EINVAL
					     : map_put(&s->by_key, key, e);
	if (r < 0) {
		free(e);
		return ERR_ORIGIN(r);
	}
	return 0;
}

struct throttle *
throttles_find(const struct throttles *s, enum throttle_kind kind,
    struct slice route, int64_t flow)
{
	uint8_t key[KEY_MAX];
	struct slice k;
	struct entry *e;

	(void)slice_skip(&route, SLICE("route:"));
	if (kind == THROTTLE_ROUTE && route.len > THROTTLE_NAME_MAX)
		return NULL;
	k = kind == THROTTLE_ROUTE ? make_key(kind, route, key)
	    : kind == THROTTLE_TENANT
	    ? number_key(kind, flow >> FAIR_SENDER_BITS, key)
	    : number_key(kind, flow, key);
	e = map_get(&s->by_key, k);
	return e == NULL ? NULL : &e->throttle;
}

struct throttle *
throttles_next(const struct throttles *s, size_t *at)
{
	struct entry *e = map_next(&s->by_key, at);

	return e == NULL ? NULL : &e->throttle;
}

const struct throttle *
throttles_same(const struct throttles *s, const struct throttle *t)
{
	uint8_t key[KEY_MAX];
	struct entry *e =
	    map_get(&s->by_key, make_key(t->kind, slice_cstr(t->name), key));

	return e == NULL ? NULL : &e->throttle;
}

int64_t
throttles_ready(const struct throttles *s, struct slice route, int64_t flow,
    int64_t now, const struct throttle **ret_why)
{
	int64_t ready = INT64_MIN;

	if (ret_why != NULL)
		*ret_why = NULL;
	for (unsigned k = 0; k < THROTTLE_KINDS && s->by_key.n > 0; k++) {
		const struct throttle *t = throttles_find(s, k, route, flow);

		if (t == NULL || throttle_ready(t, now) <= ready)
			continue;
		ready = throttle_ready(t, now);
		if (ret_why != NULL)
			*ret_why = t;
	}
	return ready;
}

void
throttles_count(struct throttles *s, struct slice route, int64_t flow, int n,
    int64_t now)
{
	for (unsigned k = 0; k < THROTTLE_KINDS && s->by_key.n > 0; k++) {
		struct throttle *t = throttles_find(s, k, route, flow);

		if (t != NULL)
			throttle_count(t, n, now);
	}
}
