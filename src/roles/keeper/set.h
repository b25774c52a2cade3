/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/set - from a password to all that is kept of it
 *
 * A set (sasl/keys.h): an Argon2id string for typed passwords, and the keys of
 * SCRAM for both hashes. An application's password is long and random, so a
 * salted digest is enough in place of Argon2id and costs nothing at login. The
 * salt of SCRAM comes from the master secret and the address: all passwords of
 * an account share it, and one that does not exist has one as well. These
 * functions block for some 100 ms: they run in the HASH lane.
 */
#ifndef ROLES_KEEPER_SET_H
#define ROLES_KEEPER_SET_H

#include "roles/keeper/keys.h"
#include "roles/keeper/password.h"
#include "sasl/prep.h"
#include "sasl/sasl.h"

enum {
	KEEPER_SET = KEEPER_VERIFIER_MAX + 1,
	KEEPER_APP_MIN = 20 /* characters of an application's password */
};

/* address: in any of its forms. 0; -EINVAL: no address; a password that is
 * empty, too long, with a NUL inside, or too short for an application;
 * -ENOMEM. */
int keeper_set_make(const struct keeper_master *m, struct slice address,
    struct slice password, bool is_app, char out[KEEPER_SET]);
/* Good, but not what keeper_set_make would make today. */
bool keeper_set_is_old(struct slice set);
/* Whether any of it can be checked at all. */
bool keeper_set_is_known(struct slice set);

/* address: canonical */
void keeper_salt(const struct keeper_master *m, struct slice address,
    uint8_t salt[SASL_SALT]);

/* Which of the rows the password belongs to, for that service. Costs the same
 * whatever is there: one slow hash, of `dummy` when there is none else to
 * check, unless it is an application's. */
bool keeper_rows_match(const struct sasl_row *rows, size_t n, uint32_t service,
    struct slice dummy, struct slice password, uint32_t *ret_used);

#endif
