/* SPDX-License-Identifier: ISC */
#include "policy/rate.h"

#include <string.h>

#include <sodium.h>

#include "base/time.h"

static const uint64_t UNIT = TIME_MINUTE; /* of a level: one */
static const uint64_t LEVEL_MAX = UINT64_MAX / 4;

_Static_assert(RATE_ROWS % RATE_WAYS == 0, "rows stand in sets of ways");

void
rate_init(struct rate *r, const uint8_t seed[MAP_SEED])
{
	memset(r, 0, sizeof(*r));
	memcpy(r->seed, seed, MAP_SEED);
}

uint64_t
rate_who(const struct rate *r, const struct ip *client, uint8_t service_kind)
{
	struct ip network = ip_prefix(*client, 24, 64);
	uint8_t key[2 + sizeof(network.bytes)];
	uint64_t who;

	key[0] = service_kind;
	key[1] = network.family;
	memcpy(key + 2, network.bytes, sizeof(network.bytes));
	(void)crypto_shorthash((uint8_t *)&who, key, sizeof(key), r->seed);
	return who == 0 ? 1 : who;
}

/* -- rows ------------------------------------------------------------------ */

static uint64_t
drained(uint64_t level, uint32_t per_minute, int64_t us)
{
	uint64_t out;

	if (us <= 0)
		return level;
	if (us > TIME_HOUR)
		us = TIME_HOUR; /* a bucket is empty long before */
	out = (uint64_t)us * per_minute;
	return out >= level ? 0 : level - out;
}

static void
bring_up(struct rate_row *row, const struct rate_limits *limits, int64_t now)
{
	for (int i = 0; i < RATE_N; i++)
		row->level[i] =
		    drained(row->level[i], limits->minute[i], now - row->at);
	if (now > row->at)
		row->at = now;
}

static struct rate_row *
row_find(struct rate *r, uint64_t who)
{
	struct rate_row *row =
	    &r->rows[who % (RATE_ROWS / RATE_WAYS) * RATE_WAYS];

	for (int i = 0; i < RATE_WAYS; i++)
		if (row[i].who == who)
			return &row[i];
	return NULL;
}

/* Its own place, a free one, or that of who is least missed. */
static struct rate_row *
row_make(struct rate *r, uint64_t who, int64_t now)
{
	struct rate_row *row =
	    &r->rows[who % (RATE_ROWS / RATE_WAYS) * RATE_WAYS];
	struct rate_row *place = row_find(r, who);

	if (place != NULL)
		return place;
	place = row;
	for (int i = 0; i < RATE_WAYS; i++) {
		bool was_open = place->open > 0, is_open = row[i].open > 0;

		if (row[i].who == 0) {
			place = &row[i];
			break;
		}
		if (is_open != was_open ? was_open : row[i].at < place->at)
			place = &row[i];
	}
	*place = (struct rate_row){ .who = who, .at = now };
	return place;
}

/* -- counting -------------------------------------------------------------- */

static void
level_add(uint64_t *level, uint32_t n)
{
	uint64_t more = n * UNIT;

	*level = more > LEVEL_MAX - *level ? LEVEL_MAX : *level + more;
}

/* How long until it is within its limit; 0: it is. */
static int64_t
wait_of(uint64_t level, uint32_t per_minute)
{
	uint64_t full = per_minute * UNIT;

	if (per_minute == 0 || level <= full)
		return 0;
	return (int64_t)((level - full) / per_minute) + 1;
}

bool
rate_enter(struct rate *r, uint64_t who, const struct rate_limits *limits,
    int64_t now, unsigned *ret_over)
{
	struct rate_row *row = row_make(r, who, now);
	int64_t wait;

	if (rate_is_over(r, who, limits, now, ret_over, &wait))
		return false;
	if (limits->open > 0 && row->open >= limits->open) {
		*ret_over = RATE_OPEN;
		return false;
	}
	level_add(&row->level[RATE_CONNECTIONS], 1);
	if (wait_of(row->level[RATE_CONNECTIONS],
		limits->minute[RATE_CONNECTIONS]) > 0) {
		/* Not counted: who is told to wait is served once it has. */
		row->level[RATE_CONNECTIONS] -= UNIT;
		*ret_over = RATE_CONNECTIONS;
		return false;
	}
	row->open++;
	return true;
}

void
rate_leave(struct rate *r, uint64_t who)
{
	struct rate_row *row = row_find(r, who);

	if (row != NULL && row->open > 0)
		row->open--;
}

bool
rate_add(struct rate *r, uint64_t who, enum rate_thing thing, uint32_t n,
    const struct rate_limits *limits, int64_t now, int64_t *ret_wait)
{
	struct rate_row *row = row_make(r, who, now);
	int64_t wait;

	bring_up(row, limits, now);
	level_add(&row->level[thing], n);
	wait = wait_of(row->level[thing], limits->minute[thing]);
	if (wait == 0)
		return true;
	/* A minute is the longest that anybody waits. */
	if (row->level[thing] > 2 * UNIT * limits->minute[thing])
		row->level[thing] = 2 * UNIT * limits->minute[thing];
	*ret_wait = wait_of(row->level[thing], limits->minute[thing]);
	return false;
}

bool
rate_is_over(struct rate *r, uint64_t who, const struct rate_limits *limits,
    int64_t now, unsigned *ret_over, int64_t *ret_wait)
{
	struct rate_row *row = row_find(r, who);
	int64_t longest = 0;

	if (row == NULL)
		return false;
	bring_up(row, limits, now);
	for (unsigned i = 0; i < RATE_N; i++) {
		int64_t wait = wait_of(row->level[i], limits->minute[i]);

		if (wait <= longest)
			continue;
		longest = wait;
		*ret_over = i;
	}
	if (longest > 0)
		*ret_wait = longest;
	return longest > 0;
}

const char *
rate_name(unsigned thing)
{
	static const char *const names[] = { "connections", "mails",
		"recipients", "unknown recipients", "errors",
		"connections at a time" };

	return thing < sizeof(names) / sizeof(names[0]) ? names[thing] : "?";
}
