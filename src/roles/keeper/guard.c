/* SPDX-License-Identifier: ISC */
#include "roles/keeper/guard.h"

#include <string.h>

#include <sodium.h>

#include "base/time.h"
#include "sys/env.h"

enum {
	WAIT_FIRST_MS = 250,
	NETWORK_FREE = 20, /* failures of one network that are normal: an
			    * office with one forgetful colleague */
	CHANNEL_FREE = 500
};

#define GOOD_TIME (10 * TIME_MINUTE)
#define BAD_HALF_LIFE (5 * TIME_MINUTE)
#define KNOWN_TIME (30 * TIME_DAY)

void
guard_init(struct guard *g, const uint8_t key[GUARD_KEY])
{
	memset(g, 0, sizeof(*g));
	memcpy(g->key, key, GUARD_KEY);
}

/* -- good ones ----------------------------------------------------------- */

static void
mac_add(crypto_generichash_state *h, struct slice s)
{
	uint64_t len = s.len;

	(void)crypto_generichash_update(h, (const uint8_t *)&len, sizeof(len));
	(void)crypto_generichash_update(h, s.at, s.len);
}

static void
login_mac(const struct guard *g, uint64_t account, struct slice verifier,
    struct slice password, uint8_t mac[GUARD_MAC])
{
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, g->key, GUARD_KEY, GUARD_MAC);
	(void)crypto_generichash_update(&h, (const uint8_t *)&account,
	    sizeof(account));
	mac_add(&h, verifier);
	mac_add(&h, password);
	(void)crypto_generichash_final(&h, mac, GUARD_MAC);
	sodium_memzero(&h, sizeof(h));
}

static size_t
good_place(const uint8_t mac[GUARD_MAC])
{
	uint32_t n;

	memcpy(&n, mac, sizeof(n));
	return n % (GUARD_GOOD / GUARD_WAYS) * GUARD_WAYS;
}

bool
guard_knows(const struct guard *g, uint64_t account, struct slice verifier,
    struct slice password, int64_t now)
{
	const struct guard_good *row;
	uint8_t mac[GUARD_MAC];
	bool knows = false;

	login_mac(g, account, verifier, password, mac);
	row = &g->good[good_place(mac)];
	for (int i = 0; i < GUARD_WAYS; i++)
		knows |= row[i].until > now &&
		    sodium_memcmp(row[i].mac, mac, GUARD_MAC) == 0;
	return knows;
}

void
guard_remember(struct guard *g, uint64_t account, struct slice verifier,
    struct slice password, int64_t now)
{
	struct guard_good *row, *place;
	uint8_t mac[GUARD_MAC];

	login_mac(g, account, verifier, password, mac);
	row = &g->good[good_place(mac)];
	place = row;
	for (int i = 0; i < GUARD_WAYS; i++) {
		if (sodium_memcmp(row[i].mac, mac, GUARD_MAC) == 0) {
			place = &row[i];
			break;
		}
		if (row[i].until < place->until)
			place = &row[i];
	}
	memcpy(place->mac, mac, GUARD_MAC);
	place->until = now + GOOD_TIME;
}

/* -- bad ones ------------------------------------------------------------ */

static uint64_t
bad_hash(const struct guard *g, uint8_t kind, const uint8_t *at, size_t n)
{
	crypto_generichash_state h;
	uint8_t out[crypto_generichash_BYTES_MIN];
	uint64_t who;

	(void)crypto_generichash_init(&h, g->key, GUARD_KEY, sizeof(out));
	(void)crypto_generichash_update(&h, &kind, 1);
	(void)crypto_generichash_update(&h, at, n);
	(void)crypto_generichash_final(&h, out, sizeof(out));
	memcpy(&who, out, sizeof(who));
	return who == 0 ? 1 : who;
}

static uint32_t
decayed(const struct guard_bad *b, int64_t now)
{
	int64_t halvings = (now - b->at) / BAD_HALF_LIFE;

	return halvings >= 32 ? 0 : b->n >> halvings;
}

static struct guard_bad *
find_row(struct guard *g, uint64_t who)
{
	struct guard_bad *row =
	    &g->bad[who % (GUARD_BAD / GUARD_WAYS) * GUARD_WAYS];

	for (int i = 0; i < GUARD_WAYS; i++)
		if (row[i].who == who)
			return &row[i];
	return NULL;
}

/* Counts one more; returns how many there are of late. */
static uint32_t
count_failure(struct guard *g, uint64_t who, int64_t now)
{
	struct guard_bad *row =
	    &g->bad[who % (GUARD_BAD / GUARD_WAYS) * GUARD_WAYS];
	struct guard_bad *place = find_row(g, who);

	for (int i = 0; place == NULL && i < GUARD_WAYS; i++)
		if (row[i].who == 0)
			place = &row[i];
	if (place == NULL) {
		place = row;
		for (int i = 1; i < GUARD_WAYS; i++)
			if (decayed(&row[i], now) < decayed(place, now))
				place = &row[i];
	}
	if (place->who != who)
		*place = (struct guard_bad){ .who = who, .at = now };
	place->n = decayed(place, now);
	place->at = now;
	if (place->n < UINT32_MAX)
		place->n++;
	return place->n;
}

/* 250 ms, doubled by each failure. */
static uint32_t
wait_for(uint32_t failures)
{
	if (failures == 0)
		return 0;
	if (failures > 4)
		return GUARD_WAIT_MAX_MS;
	return (uint32_t)WAIT_FIRST_MS << (failures - 1);
}

/* -- who ------------------------------------------------------------------- */

enum kind {
	ACCOUNT = 1,
	NETWORK = 2,
	CHANNEL = 3,
	PAIR = 4,
	N_LANES_OF_TRIES = 3
};

/* The network: what one customer of a provider usually has. */
static uint64_t
network_hash(const struct guard *g, struct slice client)
{
	struct env_addr a;

	if (!env_addr_parse(client, &a))
		return bad_hash(g, NETWORK, client.at, client.len);
	return bad_hash(g, NETWORK, a.bytes, a.family == 4 ? 3 : 7);
}

static uint64_t
account_hash(const struct guard *g, const struct guard_try *t)
{
	return bad_hash(g, ACCOUNT, t->address.at, t->address.len);
}

static uint64_t
channel_hash(const struct guard *g, const struct guard_try *t)
{
	return bad_hash(g, CHANNEL, (const uint8_t *)&t->channel,
	    sizeof(t->channel));
}

static uint64_t
pair_hash(const struct guard *g, const struct guard_try *t)
{
	uint64_t both[2] = { account_hash(g, t), network_hash(g, t->client) };

	return bad_hash(g, PAIR, (const uint8_t *)both, sizeof(both));
}

static bool
is_known(const struct guard *g, const struct guard_try *t, int64_t now)
{
	uint64_t who = pair_hash(g, t);
	const struct guard_known *row =
	    &g->known[who % (GUARD_KNOWN / GUARD_WAYS) * GUARD_WAYS];

	for (int i = 0; i < GUARD_WAYS; i++)
		if (row[i].who == who && row[i].until > now)
			return true;
	return false;
}

void
guard_note_success(struct guard *g, const struct guard_try *t, int64_t now)
{
	uint64_t who = pair_hash(g, t);
	struct guard_known *row =
	    &g->known[who % (GUARD_KNOWN / GUARD_WAYS) * GUARD_WAYS];
	struct guard_known *place = row;

	for (int i = 0; i < GUARD_WAYS; i++) {
		if (row[i].who == who) {
			place = &row[i];
			break;
		}
		if (row[i].until < place->until)
			place = &row[i];
	}
	*place = (struct guard_known){ who, now + KNOWN_TIME };
}

/* -- turns -------------------------------------------------------------------
 */

/* How many failures are normal of late: a forgetful person, an office with
 * some, everybody who comes through one front. */
static const struct {
	uint32_t free, first_ms, max_ms;
} paces[] = {
	[ACCOUNT] = { 5, 250, GUARD_TURN_MAX_MS },
	[NETWORK] = { NETWORK_FREE, 250, GUARD_TURN_MAX_MS },
	[CHANNEL] = { CHANNEL_FREE, 50, 50 },
};

static uint32_t
pace(enum kind kind, uint32_t failures)
{
	uint32_t over =
	    failures > paces[kind].free ? failures - paces[kind].free : 0;
	uint32_t ms;

	if (over == 0)
		return 0;
	ms = paces[kind].first_ms << (over > 8 ? 8 : over - 1);
	return ms < paces[kind].max_ms ? ms : paces[kind].max_ms;
}

/* Until the turn of this row, in ms; *ret_pace: between turns. */
static uint32_t
until_turn(const struct guard_bad *b, enum kind kind, bool has_failed,
    int64_t now, uint32_t *ret_pace)
{
	*ret_pace = b == NULL ? 0 : pace(kind, decayed(b, now));
	return *ret_pace == 0 || b->next[has_failed] <= now
	    ? 0
	    : (uint32_t)((b->next[has_failed] - now) / TIME_MS);
}

uint32_t
guard_take_turn(struct guard *g, const struct guard_try *t, int64_t now)
{
	const uint64_t who[] = { account_hash(g, t), network_hash(g, t->client),
		channel_hash(g, t) };
	const struct guard_bad *pair = find_row(g, pair_hash(g, t));
	bool has_failed = pair != NULL && decayed(pair, now) > 0;
	bool known = is_known(g, t, now);
	struct guard_bad *rows[N_LANES_OF_TRIES];
	uint32_t paces_ms[N_LANES_OF_TRIES], wait = 0;

	for (unsigned i = 0; i < N_LANES_OF_TRIES; i++) {
		uint32_t ms;

		rows[i] = find_row(g, who[i]);
		ms = until_turn(rows[i], (enum kind)(i + ACCOUNT), has_failed,
		    now, &paces_ms[i]);
		if (known && ms > paces[i + ACCOUNT].first_ms)
			ms = paces[i + ACCOUNT].first_ms;
		wait = ms > wait ? ms : wait;
	}
	if (wait > GUARD_QUEUE_MAX_MS)
		return wait;
	/* Who is known takes nobody's turn. */
	for (unsigned i = 0; !known && i < N_LANES_OF_TRIES; i++)
		if (paces_ms[i] > 0)
			rows[i]->next[has_failed] =
			    now + (int64_t)(wait + paces_ms[i]) * TIME_MS;
	return wait;
}

uint32_t
guard_note_failure(struct guard *g, const struct guard_try *t, int64_t now)
{
	uint32_t account = 1, network;

	/* A token that is not good names nobody; such are not one account. */
	if (t->address.len > 0) {
		account = count_failure(g, account_hash(g, t), now);
		(void)count_failure(g, pair_hash(g, t), now);
	}
	network = count_failure(g, network_hash(g, t->client), now);
	(void)count_failure(g, channel_hash(g, t), now);
	network = network > NETWORK_FREE ? network - NETWORK_FREE : 0;
	return wait_for(account > network ? account : network);
}
