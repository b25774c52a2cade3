/* SPDX-License-Identifier: ISC */
#include "roles/keeper/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "roles/keeper/import.h"

enum {
	PASSES = 2,
	MEMORY = 19 * 1024 * 1024,
	/* An imported verifier names its own cost: bounded, as it is paid by
	 * the one hashing thread. */
	MEMORY_KIB_MAX = 256 * 1024,
	PASSES_MAX = 10
};

/* What may stand before a crypt(3) string. */
static const struct slice crypt_prefixes[] = { SLICE("{CRYPT}"),
	SLICE("{BLF-CRYPT}"), SLICE("{SHA512-CRYPT}"), SLICE("{SHA256-CRYPT}"),
	SLICE("{MD5-CRYPT}"), SLICE("{DES-CRYPT}") };
static const struct slice argon_prefixes[] = { SLICE("{ARGON2ID}"),
	SLICE("{ARGON2I}") };

static bool
skip_any(struct slice *s, const struct slice *prefixes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_skip_nocase(s, prefixes[i]))
			return true;
	return false;
}

static bool
is_argon(struct slice v)
{
	return slice_starts(v, SLICE("$argon2id$")) ||
	    slice_starts(v, SLICE("$argon2i$"));
}

/* "$argon2id$v=19$m=19456,t=2,p=1$salt$hash" */
static bool
is_affordable(struct slice v)
{
	uint64_t memory, passes, lanes;
	struct slice part;

	return slice_skip_byte(&v, '$') && slice_take_until(&v, '$', &part) &&
	    slice_take_until(&v, '$', &part) && slice_skip(&v, SLICE("m=")) &&
	    slice_take_u64(&v, MEMORY_KIB_MAX, &memory) &&
	    slice_skip(&v, SLICE(",t=")) &&
	    slice_take_u64(&v, PASSES_MAX, &passes) &&
	    slice_skip(&v, SLICE(",p=")) && slice_take_u64(&v, 16, &lanes);
}

enum verifier_kind {
	VERIFIER_UNKNOWN,
	VERIFIER_ARGON,
	VERIFIER_CRYPT,
	VERIFIER_IMPORT
};

/* *ret_bare: without the scheme in braces. */
static enum verifier_kind
classify(struct slice v, struct slice *ret_bare)
{
	struct import import;
	bool says_argon = skip_any(&v, argon_prefixes,
	    sizeof(argon_prefixes) / sizeof(argon_prefixes[0]));
	bool says_crypt = !says_argon &&
	    skip_any(&v, crypt_prefixes,
		sizeof(crypt_prefixes) / sizeof(crypt_prefixes[0]));

	if (v.len == 0 || v.len > KEEPER_VERIFIER_MAX ||
	    slice_find_byte(v, '\0') != SIZE_MAX)
		return VERIFIER_UNKNOWN;
	*ret_bare = v;
	if (is_argon(v))
		return is_affordable(v) ? VERIFIER_ARGON : VERIFIER_UNKNOWN;
	if (!says_argon && !says_crypt && import_parse(v, &import))
		return VERIFIER_IMPORT;
	/* Traditional DES has no '$'; only its scheme name tells of it. */
	return !says_argon && (says_crypt || v.at[0] == '$') &&
		import_crypt_is_affordable(v)
	    ? VERIFIER_CRYPT
	    : VERIFIER_UNKNOWN;
}

static bool
is_password(struct slice password)
{
	return password.len > 0 && password.len <= KEEPER_PASSWORD_MAX &&
	    slice_find_byte(password, '\0') == SIZE_MAX;
}

int
keeper_hash_password(struct slice password, char out[KEEPER_VERIFIER])
{
	char text[crypto_pwhash_STRBYTES];

	if (!is_password(password))
		return -EINVAL;
	if (sodium_init() < 0 ||
	    crypto_pwhash_str_alg(text, (const char *)password.at, password.len,
		PASSES, MEMORY, crypto_pwhash_ALG_ARGON2ID13) != 0)
		return -ENOMEM;
	memcpy(out, text, KEEPER_VERIFIER);
	return 0;
}

/*
 * crypt wants a C string, and its work area holds the password. crypt_rn, not
 * crypt_r: ASan's library defines the latter, so that the linker would take
 * libcrypt for superfluous and leave it out.
 */
static bool
crypt_matches(const char *verifier, struct slice password)
{
	struct crypt_data *work = calloc(1, sizeof(*work));
	char text[KEEPER_PASSWORD_MAX + 1];
	const char *got;
	bool ok;

	if (work == NULL)
		return false;
	(void)slice_to_cstr(password, text, sizeof(text));
	got = crypt_rn(text, verifier, work, (int)sizeof(*work));
	ok = got != NULL && got[0] != '*' && strlen(got) == strlen(verifier) &&
	    sodium_memcmp(got, verifier, strlen(verifier)) == 0;
	sodium_memzero(text, sizeof(text));
	sodium_memzero(work, sizeof(*work));
	free(work);
	return ok;
}

bool
keeper_password_matches(struct slice verifier, struct slice password)
{
	char text[KEEPER_VERIFIER_MAX + 1];
	enum verifier_kind kind;
	struct import import;
	struct slice bare;

	if (sodium_init() < 0 || !is_password(password))
		return false;
	kind = classify(verifier, &bare);
	if (kind == VERIFIER_UNKNOWN)
		return false;
	(void)slice_to_cstr(bare, text, sizeof(text));
	if (kind == VERIFIER_IMPORT)
		return import_parse(bare, &import) &&
		    import_matches(&import, password);
	if (kind == VERIFIER_CRYPT)
		return crypt_matches(text, password);
	return crypto_pwhash_str_verify(text, (const char *)password.at,
		   password.len) == 0;
}

bool
keeper_verifier_is_known(struct slice verifier)
{
	struct slice bare;

	return classify(verifier, &bare) != VERIFIER_UNKNOWN;
}

bool
keeper_verifier_is_cheap(struct slice verifier)
{
	static const struct slice slow[] = { SLICE("$2"), SLICE("$y$"),
		SLICE("$gy$") };
	struct import import;
	struct slice bare;

	switch (classify(verifier, &bare)) {
	case VERIFIER_IMPORT:
		return import_parse(bare, &import) && import.rounds == 0;
	case VERIFIER_CRYPT:
		for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
			if (slice_starts(bare, slow[i]))
				return false;
		return true;
	case VERIFIER_ARGON:
	case VERIFIER_UNKNOWN:
		break;
	}
	return false;
}

bool
keeper_verifier_is_old(struct slice verifier)
{
	char text[crypto_pwhash_STRBYTES];
	struct slice bare;

	if (classify(verifier, &bare) != VERIFIER_ARGON ||
	    !slice_starts(bare, SLICE("$argon2id$")) ||
	    !slice_to_cstr(bare, text, sizeof(text)))
		return true;
	return crypto_pwhash_str_needs_rehash(text, PASSES, MEMORY) != 0;
}
