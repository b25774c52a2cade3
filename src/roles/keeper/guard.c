/* SPDX-License-Identifier: ISC */
#include "roles/keeper/guard.h"

#include <string.h>

#include <sodium.h>

#include "base/time.h"
#include "sys/env.h"

enum {
	WAIT_FIRST_MS = 250,
	NETWORK_FREE = 20 /* failures of one network that are normal: an
			   * office with one forgetful colleague */
};

#define GOOD_TIME (10 * TIME_MINUTE)
#define BAD_HALF_LIFE (5 * TIME_MINUTE)

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

/* Counts one more; returns how many there are of late. */
static uint32_t
count_failure(struct guard *g, uint64_t who, int64_t now)
{
	struct guard_bad *row =
	    &g->bad[who % (GUARD_BAD / GUARD_WAYS) * GUARD_WAYS];
	struct guard_bad *place = row;

	for (int i = 0; i < GUARD_WAYS; i++) {
		if (row[i].who == who) {
			place = &row[i];
			break;
		}
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
	if (failures > 6)
		return GUARD_WAIT_MAX_MS;
	return (uint32_t)WAIT_FIRST_MS << (failures - 1);
}

/* The network: what one customer of a provider usually has. */
static uint64_t
network_hash(const struct guard *g, struct slice client)
{
	struct env_addr a;
	uint8_t kind = 2;

	if (!env_addr_parse(client, &a))
		return bad_hash(g, kind, client.at, client.len);
	return bad_hash(g, kind, a.bytes, a.family == 4 ? 3 : 7);
}

uint32_t
guard_note_failure(struct guard *g, struct slice address, struct slice client,
    int64_t now)
{
	uint32_t account, network;

	account =
	    count_failure(g, bad_hash(g, 1, address.at, address.len), now);
	network = count_failure(g, network_hash(g, client), now);
	network = network > NETWORK_FREE ? network - NETWORK_FREE : 0;
	return wait_for(account > network ? account : network);
}
