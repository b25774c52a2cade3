/* SPDX-License-Identifier: ISC */
#include "store/forward.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "policy/canon.h"
#include "store/account.h"
#include "store/queries.h"

#define SECRET_KEY SLICE("srs_secret")

static void
print_hex(const uint8_t *at, char text[2 * SRS_SECRET])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < SRS_SECRET; i++) {
		text[2 * i] = hex[at[i] >> 4];
		text[2 * i + 1] = hex[at[i] & 15];
	}
}

/* The text itself is the key of the HMAC. */
static int
read_secret(struct db *db, uint8_t secret[2 * SRS_SECRET])
{
	struct q_meta_get row;
	int r = DB_ONE(meta_get, db, &row, .key = SECRET_KEY);

	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	if (row.value.len != 2 * SRS_SECRET)
		return ERR_ORIGIN(-EBADMSG);
	memcpy(secret, row.value.at, 2 * SRS_SECRET);
	return 0;
}

static int
need_secret(struct db *db, const uint8_t *fresh, uint8_t secret[2 * SRS_SECRET])
{
	int r = read_secret(db, secret);

	if (r != DB_NONE || fresh == NULL)
		return r == DB_NONE ? 0 : ERR_TRACE(r);
	print_hex(fresh, (char *)secret);
	return ERR_TRACE(DB_EXEC(meta_set, db, .key = SECRET_KEY,
	    .value = slice_of(secret, 2 * SRS_SECRET)));
}

/* 0: served here, and *ret_is_off; DB_NONE: not ours. */
static int
domain_is_ours(struct db *db, struct slice domain, bool *ret_is_off)
{
	char text[LIMIT_ADDRESS + 1];
	struct q_domain_get row;
	size_t len = 0;
	int r = account_read_domain(domain, text, &len);

	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : DB_NONE;
	r = DB_ONE(domain_get, db, &row, .canonical = slice_of(text, len));
	if (r == 0)
		*ret_is_off = row.srs_is_off;
	return r < 0 ? ERR_TRACE(r) : r;
}

int
forward_sender(struct db *db, struct slice sender, struct slice domain,
    int64_t now, const uint8_t fresh[SRS_SECRET], struct buf *out)
{
	uint8_t secret[2 * SRS_SECRET] = { 0 };
	struct srs s = { slice_of(secret, sizeof(secret)), now };
	struct slice local, from;
	bool is_off = true;
	int r;

	if (!canon_split(sender, &local, &from))
		return DB_NONE;
	r = domain_is_ours(db, from, &is_off);
	if (r != DB_NONE)
		return r < 0 ? ERR_TRACE(r) : DB_NONE;
	r = domain_is_ours(db, domain, &is_off);
	if (r != 0 || is_off)
		return r < 0 ? ERR_TRACE(r) : DB_NONE;
	r = need_secret(db, fresh, secret);
	if (r != 0)
		return ERR_TRACE(r);
	return srs_forward(&s, sender, domain, out) == SRS_OK ? 0 : DB_NONE;
}

int
forward_undo(struct db *db, struct slice address, int64_t now, struct buf *out)
{
	uint8_t secret[2 * SRS_SECRET] = { 0 };
	struct srs s = { slice_of(secret, sizeof(secret)), now };
	struct slice local, domain;
	bool is_off = true;
	int r;

	if (!canon_split(address, &local, &domain) || !srs_is_form(local))
		return DB_NONE;
	r = domain_is_ours(db, domain, &is_off);
	if (r == 0)
		r = read_secret(db, secret);
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : DB_NONE;
	return srs_reverse(&s, local, out) == SRS_OK ? 0 : FORWARD_E_BAD;
}
