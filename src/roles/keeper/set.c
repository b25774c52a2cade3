/* SPDX-License-Identifier: ISC */
#include "roles/keeper/set.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "base/base64.h"
#include "policy/canon.h"

enum {
	PURPOSE_SALT = 16, /* keeper_master_derive */
	APP_SALT = 12
};

void
keeper_salt(const struct keeper_master *m, struct slice address,
    uint8_t salt[SASL_SALT])
{
	uint8_t key[KEEPER_KEY], out[SASL_DIGEST_MAX];

	keeper_master_derive(m, PURPOSE_SALT, key);
	sasl_hmac(SASL_SHA256, slice_of(key, sizeof(key)), address, out);
	memcpy(salt, out, SASL_SALT);
	sodium_memzero(key, sizeof(key));
}

/* -- an application's ------------------------------------------------------ */

static void
app_digest(struct slice salt, struct slice password,
    uint8_t out[crypto_hash_sha256_BYTES])
{
	crypto_hash_sha256_state h;

	(void)crypto_hash_sha256_init(&h);
	(void)crypto_hash_sha256_update(&h, salt.at, salt.len);
	(void)crypto_hash_sha256_update(&h, password.at, password.len);
	(void)crypto_hash_sha256_final(&h, out);
	sodium_memzero(&h, sizeof(h));
}

/* "{APP}" base64(salt, digest) */
static int
add_app(struct slice password, struct buf *out)
{
	uint8_t at[APP_SALT + crypto_hash_sha256_BYTES];
	char text[BASE64_ENCODED(sizeof(at))];
	int r;

	randombytes_buf(at, APP_SALT);
	app_digest(slice_of(at, APP_SALT), password, at + APP_SALT);
	r = buf_add(out, SLICE("{APP}"));
	if (r == 0)
		r = buf_add(out,
		    slice_of(text,
			base64_encode(slice_of(at, sizeof(at)), text)));
	return r;
}

static bool
app_matches(struct slice verifier, struct slice password)
{
	uint8_t at[APP_SALT + crypto_hash_sha256_BYTES + 2],
	    got[crypto_hash_sha256_BYTES];
	size_t n;

	if (!slice_skip(&verifier, SLICE("{APP}")) ||
	    !base64_decode(verifier, at, sizeof(at), &n) ||
	    n != APP_SALT + crypto_hash_sha256_BYTES)
		return false;
	app_digest(slice_of(at, APP_SALT), password, got);
	return sodium_memcmp(got, at + APP_SALT, sizeof(got)) == 0;
}

/* -- making -----------------------------------------------------------------
 */

/* The form that is hashed: prepared when it can be (RFC 4013). */
static struct slice
prepare(struct slice password, uint8_t at[KEEPER_PASSWORD_MAX])
{
	size_t n = 0;

	if (sasl_prep(password, at, KEEPER_PASSWORD_MAX, &n) != SASL_PREP_OK ||
	    n == 0)
		return password;
	return slice_of(at, n);
}

static int
add_keys(enum sasl_hash hash, struct slice password, struct slice salt,
    struct buf *out)
{
	struct sasl_keys keys;
	int r = sasl_keys_derive(hash, password, salt, SASL_ITERATIONS, &keys);

	if (r == 0)
		r = buf_add_byte(out, ' ');
	if (r == 0)
		r = sasl_keys_print(&keys, out);
	sodium_memzero(&keys, sizeof(keys));
	return r;
}

static int
add_set(struct slice password, struct slice salt, bool is_app, struct buf *out)
{
	char verifier[KEEPER_VERIFIER];
	int r;

	if (is_app) {
		r = add_app(password, out);
	} else {
		r = keeper_hash_password(password, verifier);
		if (r == 0)
			r = buf_add(out, slice_cstr(verifier));
	}
	for (enum sasl_hash h = SASL_SHA256; r == 0; h = SASL_SHA1) {
		r = add_keys(h, password, salt, out);
		if (h == SASL_SHA1)
			break;
	}
	return r;
}

int
keeper_set_make(const struct keeper_master *m, struct slice address,
    struct slice password, bool is_app, char out[KEEPER_SET])
{
	uint8_t prepared[KEEPER_PASSWORD_MAX], salt[SASL_SALT];
	struct buf set, canonical;
	int r;

	if (password.len == 0 || password.len > KEEPER_PASSWORD_MAX ||
	    slice_find_byte(password, '\0') != SIZE_MAX ||
	    (is_app && password.len < KEEPER_APP_MIN))
		return -EINVAL;
	buf_init(&canonical, LIMIT_ADDRESS);
	r = canon_address(address, true, &canonical);
	if (r == CANON_OK)
		keeper_salt(m, buf_slice(&canonical), salt);
	buf_deinit(&canonical);
	if (r != CANON_OK)
		return r < 0 ? r : -EINVAL;
	buf_init(&set, KEEPER_SET - 1);
	r = add_set(prepare(password, prepared), slice_of(salt, SASL_SALT),
	    is_app, &set);
	if (r == 0)
		(void)slice_to_cstr(buf_slice(&set), out, KEEPER_SET);
	buf_deinit(&set);
	sodium_memzero(prepared, sizeof(prepared));
	return r > 0 ? -ENOMEM : r;
}

/* -- what is there -----------------------------------------------------------
 */

static bool
has_keys(struct slice set, enum sasl_hash hash)
{
	struct sasl_keys keys;

	return sasl_set_keys(set, hash, &keys) &&
	    keys.iterations == SASL_ITERATIONS;
}

bool
keeper_set_is_old(struct slice set)
{
	return !has_keys(set, SASL_SHA256) || !has_keys(set, SASL_SHA1) ||
	    keeper_verifier_is_old(sasl_set_password(set));
}

bool
keeper_set_is_known(struct slice set)
{
	struct sasl_keys keys;
	struct slice one;

	if (set.len > KEEPER_VERIFIER_MAX)
		return false;
	while (sasl_set_next(&set, &one))
		if (!keeper_verifier_is_known(one) &&
		    !slice_starts(one, SLICE("{APP}")) &&
		    !sasl_keys_parse(one, &keys))
			return false;
		else if (set.len == 0)
			return true;
	return false;
}

/* -- checking -----------------------------------------------------------------
 */

/* The prepared form first; what was stored before there was preparing, or by
 * another program, is of the raw one. */
static bool
slow_match(struct slice verifier, struct slice prepared, struct slice raw)
{
	return keeper_password_matches(verifier, prepared) ||
	    (!slice_equal(prepared, raw) &&
		keeper_password_matches(verifier, raw));
}

bool
keeper_rows_match(const struct sasl_row *rows, size_t n, uint32_t service,
    struct slice dummy, struct slice password, uint32_t *ret_used)
{
	uint8_t at[KEEPER_PASSWORD_MAX];
	struct slice prepared, verifier = { 0 };
	bool matches = false;

	if (sodium_init() < 0 || password.len > sizeof(at))
		return false;
	prepared = prepare(password, at);
	*ret_used = 0;
	for (size_t i = 0; i < n && !matches; i++) {
		struct slice own = sasl_set_password(rows[i].set);

		if ((rows[i].services & service) == 0)
			continue;
		if (rows[i].n == 0 && keeper_verifier_is_known(own)) {
			verifier = own;
		} else if (app_matches(own, prepared)) {
			*ret_used = rows[i].n;
			matches = true;
		}
	}
	if (!matches) {
		matches = slow_match(verifier.len > 0 ? verifier : dummy,
			      prepared, password) &&
		    verifier.len > 0;
	}
	if (!matches && keeper_verifier_is_cheap(verifier))
		(void)slow_match(dummy, prepared, password);
	sodium_memzero(at, sizeof(at));
	return matches;
}
