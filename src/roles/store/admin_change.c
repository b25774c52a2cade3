/* SPDX-License-Identifier: ISC */
/*
 * roles/store/admin_change - the admin's commands that change
 *
 * Each is one write, kept or refused as a whole; what takes long returns
 * STORE_AGAIN and comes again.
 */
#include <errno.h>

#include "base/err.h"
#include "roles/store/admin_impl.h"
#include "sasl/sasl.h"

enum {
	SHA256_HEX = 64
};

int
remove_domain(struct db *db, struct admin_job *j)
{
	return domain_remove(db, arg(j, "domain"));
}

static int
read_quota(const struct admin_job *j, uint64_t *ret)
{
	struct slice text = arg(j, "quota");

	*ret = ACCOUNT_QUOTA_DEFAULT;
	return text.len == 0 || slice_to_u64(text, INT64_MAX, ret)
	    ? 0
	    : ACCOUNT_E_ADDRESS;
}

int
add_account(struct db *db, struct admin_job *j)
{
	uint64_t quota;
	int r = read_quota(j, &quota);

	return r != 0 ? r
		      : account_add(db, arg(j, "address"), arg(j, "name"),
			    arg(j, "verifier"), quota, j->now, &j->number);
}

/* For whoever must be logged out afterwards. */
static int
note_account(struct db *db, struct admin_job *j)
{
	struct address a;
	int r = address_read(db, arg(j, "address"), &a);

	if (r == 0)
		r = account_find(db, a.canonical, &j->account);
	return r == DB_NONE ? ACCOUNT_E_ABSENT : r;
}

int
remove_account(struct db *db, struct admin_job *j)
{
	int r = note_account(db, j);

	return r != 0 ? r : account_remove(db, arg(j, "address"));
}

int
set_password(struct db *db, struct admin_job *j)
{
	int r = note_account(db, j);

	return r != 0 ? r
		      : account_set_password(db, arg(j, "address"),
			    arg(j, "verifier"), j->now);
}

/* "smtp,imap", or "all" */
static bool
read_services(struct slice text, uint32_t *ret)
{
	static const struct {
		struct slice name;
		uint32_t bit;
	} names[] = { { SLICE("smtp"), SASL_FOR_SMTP },
		{ SLICE("imap"), SASL_FOR_IMAP },
		{ SLICE("pop3"), SASL_FOR_POP3 },
		{ SLICE("all"), SASL_FOR_ALL } };
	uint32_t services = 0;
	struct slice name;

	while (text.len > 0) {
		uint32_t found = 0;

		if (!slice_take_until(&text, ',', &name)) {
			name = text;
			text.len = 0;
		}
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (slice_equal(name, names[i].name))
				found = names[i].bit;
		if (found == 0)
			return false;
		services |= found;
	}
	*ret = services;
	return true;
}

int
add_app_password(struct db *db, struct admin_job *j)
{
	struct slice expires = arg(j, "expires");
	uint32_t services = SASL_FOR_ALL, n = 0;
	uint64_t until = 0;
	int r;

	if (arg(j, "name").len == 0 || arg(j, "name").len > 64 ||
	    (arg(j, "scope").len > 0 &&
		!read_services(arg(j, "scope"), &services)) ||
	    (expires.len > 0 && !slice_to_u64(expires, INT64_MAX, &until)))
		return ACCOUNT_E_VALUE;
	r = account_add_app(db, arg(j, "address"), arg(j, "name"),
	    arg(j, "verifier"), services, (int64_t)until, j->now, &n);
	j->number = n;
	return r;
}

int
remove_app_password(struct db *db, struct admin_job *j)
{
	int r = note_account(db, j);

	return r != 0
	    ? r
	    : account_remove_app(db, arg(j, "address"), arg(j, "which"));
}

/* As openssl prints it, with colons and in either case. */
static bool
read_fingerprint(struct slice s, char ret[SHA256_HEX])
{
	size_t n = 0;
	uint8_t c;

	while (slice_take_byte(&s, &c)) {
		c = ascii_lower(c);
		if (c == ':')
			continue;
		if (n == SHA256_HEX ||
		    (!ascii_is_digit(c) && (c < 'a' || c > 'f')))
			return false;
		ret[n++] = (char)c;
	}
	return n == SHA256_HEX;
}

int
add_certificate(struct db *db, struct admin_job *j)
{
	char at[SHA256_HEX];

	if (!read_fingerprint(arg(j, "fingerprint"), at) ||
	    arg(j, "name").len > 256)
		return ACCOUNT_E_VALUE;
	return account_add_certificate(db, arg(j, "address"),
	    slice_of(at, sizeof(at)), arg(j, "name"), j->now);
}

int
remove_certificate(struct db *db, struct admin_job *j)
{
	char at[SHA256_HEX];
	int r = note_account(db, j);

	if (r != 0)
		return r;
	return read_fingerprint(arg(j, "fingerprint"), at)
	    ? account_remove_certificate(db, arg(j, "address"),
		  slice_of(at, sizeof(at)))
	    : ACCOUNT_E_VALUE;
}

int
set_quota(struct db *db, struct admin_job *j)
{
	uint64_t quota;
	int r = read_quota(j, &quota);

	return r != 0 ? r : account_set_quota(db, arg(j, "address"), quota);
}

int
disable_account(struct db *db, struct admin_job *j)
{
	int r = note_account(db, j);

	return r != 0 ? r : account_set_disabled(db, arg(j, "address"), true);
}

int
enable_account(struct db *db, struct admin_job *j)
{
	return account_set_disabled(db, arg(j, "address"), false);
}

int
add_alias(struct db *db, struct admin_job *j)
{
	return alias_add(db, arg(j, "address"), arg(j, "target"), j->now);
}

int
remove_alias(struct db *db, struct admin_job *j)
{
	return alias_remove(db, arg(j, "address"), arg(j, "target"));
}

int
add_key(struct db *db, struct admin_job *j)
{
	return tls_key_add(db, arg(j, "names"), arg(j, "sealed"),
	    arg(j, "chain"), slice_equal(arg(j, "default"), SLICE("1")), j->now,
	    &j->number);
}

int
remove_key(struct db *db, struct admin_job *j)
{
	uint64_t key;
	int r;

	if (!slice_to_u64(arg(j, "key"), INT64_MAX, &key))
		return ACCOUNT_E_ADDRESS;
	r = DB_EXEC(tls_key_delete, db, .tls_key = key);
	return r == 0 && db_changed(db) == 0 ? ACCOUNT_E_ABSENT : ERR_TRACE(r);
}
