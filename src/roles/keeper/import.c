/* SPDX-License-Identifier: ISC */
#include "roles/keeper/import.h"

#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/base64.h"

static const struct hash {
	int name;
	size_t len;
	const EVP_MD *(*digest)(void);
} hashes[] = { { 1, 20, EVP_sha1 }, { 256, 32, EVP_sha256 },
	{ 512, 64, EVP_sha512 } };

static const struct hash *
hash_of(int name)
{
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		if (hashes[i].name == name)
			return &hashes[i];
	return NULL;
}

/* -- {SSHA} and its like: base64(digest salt) ---------------------------------
 */

static bool
parse_digest(struct slice rest, struct import *i)
{
	uint8_t at[IMPORT_DIGEST_MAX + IMPORT_SALT_MAX];
	size_t len = hash_of(i->hash)->len, n;

	if (!base64_decode(rest, at, sizeof(at), &n) || n < len ||
	    n - len > IMPORT_SALT_MAX)
		return false;
	memcpy(i->digest, at, len);
	i->digest_len = len;
	memcpy(i->salt, at + len, n - len);
	i->salt_len = n - len;
	return true;
}

static bool
parse_salted(struct slice rest, struct import *i)
{
	return parse_digest(rest, i) && i->salt_len > 0;
}

static bool
parse_unsalted(struct slice rest, struct import *i)
{
	return parse_digest(rest, i) && i->salt_len == 0;
}

/* -- PBKDF2
 * --------------------------------------------------------------------- */

static bool
take_rounds(struct slice *in, struct import *i)
{
	uint64_t rounds;

	if (!slice_take_u64(in, IMPORT_ROUNDS_MAX, &rounds) || rounds == 0 ||
	    !slice_skip_byte(in, '$'))
		return false;
	i->rounds = (uint32_t)rounds;
	return true;
}

static int
hex_value(uint8_t c)
{
	c = ascii_lower(c);
	return ascii_is_digit(c)     ? c - '0'
	    : (c >= 'a' && c <= 'f') ? c - 'a' + 10
				     : -1;
}

/* Dovecot: $1$salt$rounds$hex, the salt as it stands */
static bool
parse_dovecot(struct slice rest, struct import *i)
{
	struct slice salt;

	if (!slice_skip(&rest, SLICE("$1$")) ||
	    !slice_take_until(&rest, '$', &salt) || salt.len == 0 ||
	    salt.len > IMPORT_SALT_MAX || !take_rounds(&rest, i) ||
	    rest.len != 2 * hash_of(i->hash)->len)
		return false;
	memcpy(i->salt, salt.at, salt.len);
	i->salt_len = salt.len;
	i->digest_len = rest.len / 2;
	for (size_t k = 0; k < i->digest_len; k++) {
		int hi = hex_value(rest.at[2 * k]);
		int lo = hex_value(rest.at[2 * k + 1]);

		if (hi < 0 || lo < 0)
			return false;
		i->digest[k] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* passlib's base 64: "." for "+", no padding */
static bool
decode_passlib(struct slice s, uint8_t *at, size_t size, size_t *ret_len)
{
	uint8_t text[BASE64_ENCODED(IMPORT_SALT_MAX)];
	size_t n = s.len;

	if (n > sizeof(text) - 3 || n % 4 == 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s.at[i] == '+' || s.at[i] == '=')
			return false;
		text[i] = s.at[i] == '.' ? '+' : s.at[i];
	}
	while (n % 4 != 0)
		text[n++] = '=';
	return base64_decode(slice_of(text, n), at, size, ret_len);
}

static bool
parse_passlib(struct slice rest, struct import *i)
{
	struct slice salt;

	return take_rounds(&rest, i) && slice_take_until(&rest, '$', &salt) &&
	    decode_passlib(salt, i->salt, sizeof(i->salt), &i->salt_len) &&
	    decode_passlib(rest, i->digest, sizeof(i->digest),
		&i->digest_len) &&
	    i->salt_len > 0 && i->digest_len == hash_of(i->hash)->len;
}

/* -- the table
 * ------------------------------------------------------------------- */

static const struct form {
	struct slice prefix;
	int hash;
	bool (*parse)(struct slice, struct import *);
} forms[] = {
	{ SLICE("{SHA}"), 1, parse_unsalted },
	{ SLICE("{SHA1}"), 1, parse_unsalted },
	{ SLICE("{SHA256}"), 256, parse_unsalted },
	{ SLICE("{SHA512}"), 512, parse_unsalted },
	{ SLICE("{SSHA}"), 1, parse_salted },
	{ SLICE("{SSHA256}"), 256, parse_salted },
	{ SLICE("{SSHA512}"), 512, parse_salted },
	{ SLICE("{PBKDF2}$1$"), 1, parse_dovecot },
	{ SLICE("$pbkdf2$"), 1, parse_passlib },
	{ SLICE("$pbkdf2-sha256$"), 256, parse_passlib },
	{ SLICE("$pbkdf2-sha512$"), 512, parse_passlib },
	{ SLICE("{PBKDF2}$pbkdf2$"), 1, parse_passlib },
	{ SLICE("{PBKDF2}$pbkdf2-sha256$"), 256, parse_passlib },
	{ SLICE("{PBKDF2}$pbkdf2-sha512$"), 512, parse_passlib },
	/* OpenLDAP's pw-pbkdf2 */
	{ SLICE("{PBKDF2}"), 1, parse_passlib },
	{ SLICE("{PBKDF2-SHA1}"), 1, parse_passlib },
	{ SLICE("{PBKDF2-SHA256}"), 256, parse_passlib },
	{ SLICE("{PBKDF2-SHA512}"), 512, parse_passlib },
};

bool
import_parse(struct slice verifier, struct import *ret)
{
	for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
		struct slice rest = verifier;
		struct import i;

		if (!slice_skip_nocase(&rest, forms[k].prefix))
			continue;
		memset(&i, 0, sizeof(i));
		i.hash = forms[k].hash;
		/* Dovecot's form begins with what tells it apart. */
		if (forms[k].parse == parse_dovecot)
			rest = slice_from(verifier, forms[k].prefix.len - 3);
		if (!forms[k].parse(rest, &i))
			return false;
		*ret = i;
		return true;
	}
	return false;
}

bool
import_matches(const struct import *i, struct slice password)
{
	const struct hash *h = hash_of(i->hash);
	uint8_t at[1024 + IMPORT_SALT_MAX], got[IMPORT_DIGEST_MAX] = { 0 };
	bool ok;

	if (password.len == 0 || password.len > 1024)
		return false;
	if (i->rounds > 0) {
		ok = PKCS5_PBKDF2_HMAC((const char *)password.at,
			 (int)password.len, i->salt, (int)i->salt_len,
			 (int)i->rounds, h->digest(), (int)h->len, got) == 1;
	} else {
		memcpy(at, password.at, password.len);
		memcpy(at + password.len, i->salt, i->salt_len);
		ok = EVP_Digest(at, password.len + i->salt_len, got, NULL,
			 h->digest(), NULL) == 1;
		OPENSSL_cleanse(at, sizeof(at));
	}
	return ok && CRYPTO_memcmp(got, i->digest, h->len) == 0;
}

/* -- crypt(3)
 * ---------------------------------------------------------------------- */

/* "rounds=N$" may follow; N is at most a million, some seconds */
static bool
is_sha_affordable(struct slice rest)
{
	uint64_t n;

	return !slice_skip(&rest, SLICE("rounds=")) ||
	    (slice_take_u64(&rest, 1000 * 1000, &n) &&
		slice_skip_byte(&rest, '$'));
}

/* "NN$": two to that power */
static bool
is_bcrypt_affordable(struct slice rest)
{
	uint64_t n;

	return rest.len > 2 && slice_to_u64(slice_upto(rest, 2), 14, &n) &&
	    rest.at[2] == '$';
}

static int
itoa64_value(uint8_t c)
{
	static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabc"
				     "defghijklmnopqrstuvwxyz";
	const char *at = c == 0 ? NULL : strchr(digits, c);

	return at == NULL ? -1 : (int)(at - digits);
}

/* "jNR$": flags, log2 of N less one, r less one; nothing behind these. Up to
 * 128 * 2^16 * 32 bytes, 256 MiB. */
static bool
is_yescrypt_affordable(struct slice rest)
{
	return rest.len > 3 && rest.at[0] == 'j' &&
	    itoa64_value(rest.at[1]) >= 0 && itoa64_value(rest.at[1]) < 16 &&
	    itoa64_value(rest.at[2]) >= 0 && itoa64_value(rest.at[2]) < 32 &&
	    rest.at[3] == '$';
}

static bool
is_cheap(struct slice rest)
{
	(void)rest;
	return true;
}

/* All n characters of the alphabet: a cut one would never match. */
static bool
is_digest(struct slice s, size_t n)
{
	for (size_t i = 0; i < s.len; i++)
		if (itoa64_value(s.at[i]) < 0)
			return false;
	return s.len == n;
}

/* Behind the last '$'; bcrypt's salt is part of it. */
static bool
ends_in_digest(struct slice rest, size_t n)
{
	size_t at = slice_find_last_byte(rest, '$');

	return at != SIZE_MAX && is_digest(slice_from(rest, at + 1), n);
}

bool
import_crypt_is_affordable(struct slice bare)
{
	static const struct {
		struct slice prefix;
		bool (*is_affordable)(struct slice);
		size_t digest;
	} known[] = {
		{ SLICE("$1$"), is_cheap, 22 },
		{ SLICE("$2a$"), is_bcrypt_affordable, 53 },
		{ SLICE("$2b$"), is_bcrypt_affordable, 53 },
		{ SLICE("$2y$"), is_bcrypt_affordable, 53 },
		{ SLICE("$5$"), is_sha_affordable, 43 },
		{ SLICE("$6$"), is_sha_affordable, 86 },
		{ SLICE("$y$"), is_yescrypt_affordable, 43 },
		{ SLICE("$gy$"), is_yescrypt_affordable, 43 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (slice_skip(&bare, known[i].prefix))
			return known[i].is_affordable(bare) &&
			    ends_in_digest(bare, known[i].digest);
	return is_digest(bare, 13); /* traditional DES */
}
