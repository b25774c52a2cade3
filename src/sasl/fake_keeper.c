/* SPDX-License-Identifier: ISC */
#include "sasl/fake_keeper.h"

#include <string.h>

enum {
	FAKE_ITERATIONS = 4096
};

static const struct sasl_stand_in fake_stand_in = {
	.salt = { 's', 'a', 'l', 't' },
	.nonce = "0123456789abcdefghijklmn",
};

static const struct {
	struct slice password;
	uint32_t services;
} fake_passwords[2] = {
	{ SLICE("correct horse"), SASL_FOR_ALL },
	{ SLICE("just-for-imap"), SASL_FOR_IMAP },
};

static void
keeper_make_set(size_t i, char at[512])
{
	struct sasl_keys keys;
	struct buf out;

	buf_init(&out, 512);
	for (enum sasl_hash h = 0; h < N_SASL_HASHES; h++) {
		if (h > 0)
			(void)buf_add_byte(&out, ' ');
		if (sasl_keys_derive(h, fake_passwords[i].password,
			slice_of(fake_stand_in.salt, SASL_SALT),
			FAKE_ITERATIONS, &keys) == 0)
			(void)sasl_keys_print(&keys, &out);
	}
	(void)slice_to_cstr(buf_slice(&out), at, 512);
	buf_deinit(&out);
}

void
fake_keeper_init(struct fake_keeper *k)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->binding.exporter, "exporter", 8);
	k->binding.exporter_len = 8;
	memcpy(k->binding.end_point, "end point", 9);
	k->binding.end_point_len = 9;
}

static bool
keeper_is_alice(const struct fake_keeper *k)
{
	return slice_equal_nocase(sasl_name(&k->sasl),
	    SLICE("alice@one.example"));
}

/* Only when somebody asks: it takes some milliseconds. */
static void
keeper_make_rows(struct fake_keeper *k)
{
	for (size_t i = 0; i < 2; i++) {
		if (k->sets[i][0] == '\0' &&
		    (SASL_BIT(k->sasl.mechanism) & SASL_MASK_SCRAM) != 0)
			keeper_make_set(i, k->sets[i]);
		k->rows[i] = (struct sasl_row){ .n = (uint32_t)i,
			.services = fake_passwords[i].services,
			.set = slice_cstr(k->sets[i]) };
	}
}

static enum sasl_want
keeper_look_up(struct fake_keeper *k)
{
	keeper_make_rows(k);
	return sasl_looked_up(&k->sasl, k->rows, keeper_is_alice(k) ? 2 : 0,
	    &fake_stand_in);
}

static enum sasl_want
keeper_check(struct fake_keeper *k)
{
	for (uint32_t i = 0; keeper_is_alice(k) && i < 2; i++)
		if (slice_equal(sasl_password(&k->sasl),
			fake_passwords[i].password) &&
		    (fake_passwords[i].services & k->sasl.service) != 0)
			return sasl_checked(&k->sasl, true, i);
	return sasl_checked(&k->sasl, false, 0);
}

/* The token or the certificate: whose, if anybody's. */
static enum sasl_want
keeper_find_owner(struct fake_keeper *k, bool is_good)
{
	struct slice who = slice_of(k->sasl.authzid, k->sasl.authzid_len);

	is_good = is_good &&
	    (who.len == 0 || slice_equal(who, SLICE("alice@one.example")));
	return sasl_owner_is(&k->sasl,
	    is_good ? SLICE("alice@one.example") : SLICE(""));
}

static enum sasl_want
keeper_answer(struct fake_keeper *k, enum sasl_want want)
{
	for (;;)
		switch (want) {
		case SASL_LOOK_UP:
			want = keeper_look_up(k);
			break;
		case SASL_CHECK:
			want = keeper_check(k);
			break;
		case SASL_TOKEN:
			want = keeper_find_owner(k,
			    slice_equal(slice_of(k->sasl.token,
					    k->sasl.token_len),
				SLICE("good-token")));
			break;
		case SASL_CERTIFICATE:
			want = keeper_find_owner(k, k->has_certificate);
			break;
		case SASL_SAY:
			return want;
		case SASL_YES:
		case SASL_NO:
		case SASL_MALFORMED:
			k->is_there = false;
			return want;
		}
}

enum sasl_want
fake_keeper_start(struct fake_keeper *k, enum sasl_mechanism mechanism,
    unsigned offered, uint32_t service, const struct slice *initial)
{
	k->is_there = true;
	return keeper_answer(k,
	    sasl_begin(&k->sasl, mechanism, offered, service, &k->binding,
		initial));
}

enum sasl_want
fake_keeper_step(struct fake_keeper *k, struct slice response)
{
	return keeper_answer(k, sasl_respond(&k->sasl, response));
}

enum sasl_want
fake_keeper_start64(struct fake_keeper *k, enum sasl_mechanism mechanism,
    unsigned offered, uint32_t service, const struct slice *initial)
{
	uint8_t at[SASL_RESPONSE_MAX];
	struct slice response;
	size_t n;

	if (initial == NULL)
		return fake_keeper_start(k, mechanism, offered, service, NULL);
	if (!sasl_decode(*initial, true, at, &n))
		return SASL_MALFORMED;
	response = slice_of(at, n);
	return fake_keeper_start(k, mechanism, offered, service, &response);
}

enum sasl_want
fake_keeper_step64(struct fake_keeper *k, struct slice response)
{
	uint8_t at[SASL_RESPONSE_MAX];
	size_t n;

	if (!sasl_decode(response, false, at, &n)) {
		k->is_there = false;
		return SASL_MALFORMED;
	}
	return fake_keeper_step(k, slice_of(at, n));
}

struct slice
fake_keeper_challenge(const struct fake_keeper *k)
{
	return slice_of(k->sasl.challenge, k->sasl.challenge_len);
}
