/* SPDX-License-Identifier: ISC */
#include "roles/keeper/keys.h"

#include <errno.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <sodium.h>

#include "base/err.h"
#include "base/time.h"

enum {
	MASTER_SIZE = crypto_kdf_KEYBYTES,
	SEAL_VERSION = 1,
	SEAL_EC = 1,
	SEAL_RSA = 2,
	SEAL_SECRET = 3,
	SEAL_HEAD = 2, /* version and kind: the associated data */
	SEAL_NONCE = crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	SEAL_TAG = crypto_aead_xchacha20poly1305_ietf_ABYTES,
	PURPOSE_SEAL = 1, /* others: keeper_master_derive's callers, from 16 */
	LABEL_MAX = 63,
	SUBJECT_MAX = 64 /* RFC 5280, ub-common-name */
};

#define MASTER_PATH "keys/master"
static const char kdf_context[crypto_kdf_CONTEXTBYTES] = { 'u', 'l', 'a', 'k',
	'k', 'e', 'e', 'p' };

struct keeper_master {
	uint8_t secret[MASTER_SIZE];
	uint8_t seal[KEEPER_KEY];
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *provider;
};

/* -- the master secret --------------------------------------------------- */

int
keeper_master_create(struct env *env, struct env_dir *data)
{
	uint8_t secret[MASTER_SIZE];
	struct iovec v = { secret, sizeof(secret) };
	struct env_file *f;
	int r = ERR_TRACE(env_dir_make(data, "keys"));

	if (r < 0)
		return r;
	r = env_file_open(data, MASTER_PATH,
	    ENV_FILE_WRITE | ENV_FILE_CREATE | ENV_FILE_NEW, &f);
	if (r < 0)
		return r == -EEXIST ? r : ERR_TRACE(r);
	env_random(env, secret, sizeof(secret));
	r = ERR_TRACE(env_file_pwritev(f, &v, 1, 0));
	if (r >= 0)
		r = ERR_TRACE(env_file_sync(f));
	env_file_close(f);
	sodium_memzero(secret, sizeof(secret));
	if (r >= 0)
		r = ERR_TRACE(env_dir_sync(data, "keys"));
	if (r < 0)
		(void)env_dir_unlink(data, MASTER_PATH);
	return r < 0 ? r : 0;
}

static int
read_secret(struct env_dir *data, uint8_t secret[MASTER_SIZE])
{
	uint8_t at[MASTER_SIZE + 1]; /* one more: a longer file is not ours */
	struct env_file *f;
	ssize_t n;
	int r = env_file_open(data, MASTER_PATH, ENV_FILE_READ, &f);

	if (r < 0)
		return r == -ENOENT ? r : ERR_TRACE(r);
	n = env_file_pread(f, at, sizeof(at), 0);
	env_file_close(f);
	if (n == MASTER_SIZE)
		memcpy(secret, at, MASTER_SIZE);
	sodium_memzero(at, sizeof(at));
	if (n < 0)
		return ERR_TRACE((int)n);
	return n == MASTER_SIZE ? 0 : KEEPER_E_MASTER;
}

static bool
open_library(struct keeper_master *m)
{
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return false;
	m->lib = OSSL_LIB_CTX_new();
	if (m->lib == NULL)
		return false;
	m->provider = OSSL_PROVIDER_load(m->lib, "default");
	return m->provider != NULL;
}

int
keeper_master_read(struct env_dir *data, struct keeper_master **ret)
{
	struct keeper_master *m;
	int r;

	if (sodium_init() < 0)
		return ERR_ORIGIN(-EIO);
	m = sodium_malloc(sizeof(*m));
	if (m == NULL)
		return ERR_ORIGIN(-ENOMEM);
	memset(m, 0, sizeof(*m));
	r = read_secret(data, m->secret);
	if (r == 0 && !open_library(m))
		r = ERR_ORIGIN(-ENOMEM);
	if (r != 0) {
		keeper_master_free(m);
		return r;
	}
	keeper_master_derive(m, PURPOSE_SEAL, m->seal);
	*ret = m;
	return 0;
}

void
keeper_master_free(struct keeper_master *m)
{
	if (m == NULL)
		return;
	if (m->provider != NULL)
		(void)OSSL_PROVIDER_unload(m->provider);
	OSSL_LIB_CTX_free(m->lib);
	sodium_free(m); /* wipes */
}

void
keeper_master_derive(const struct keeper_master *m, uint64_t purpose,
    uint8_t key[KEEPER_KEY])
{
	(void)crypto_kdf_derive_from_key(key, KEEPER_KEY, purpose, kdf_context,
	    m->secret);
}

OSSL_LIB_CTX *
keeper_master_lib(const struct keeper_master *m)
{
	return m->lib;
}

/* -- sealing ------------------------------------------------------------- */

static int
key_kind(const EVP_PKEY *key)
{
	char group[64];

	if (EVP_PKEY_is_a(key, "RSA"))
		return SEAL_RSA;
	if (EVP_PKEY_is_a(key, "EC") &&
	    EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
	    strcmp(group, "prime256v1") == 0)
		return SEAL_EC;
	return 0;
}

static int
seal_bytes(const struct keeper_master *m, uint8_t kind, const uint8_t *plain,
    size_t n, struct buf *sealed)
{
	unsigned long long len = 0;
	uint8_t *at;
	int r = buf_reserve(sealed, SEAL_HEAD + SEAL_NONCE + n + SEAL_TAG, &at);

	if (r != BUF_OK)
		return r < 0 ? r : -EMSGSIZE;
	at[0] = SEAL_VERSION;
	at[1] = kind;
	randombytes_buf(at + SEAL_HEAD, SEAL_NONCE);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(at + SEAL_HEAD +
		SEAL_NONCE,
	    &len, plain, n, at, SEAL_HEAD, NULL, at + SEAL_HEAD, m->seal);
	buf_grew(sealed, SEAL_HEAD + SEAL_NONCE + (size_t)len);
	return KEEPER_OK;
}

int
keeper_key_seal(const struct keeper_master *m, EVP_PKEY *key,
    struct buf *sealed)
{
	PKCS8_PRIV_KEY_INFO *info;
	unsigned char *der = NULL;
	int kind = key_kind(key), n, r;

	if (kind == 0)
		return KEEPER_E_KIND;
	info = EVP_PKEY2PKCS8(key);
	if (info == NULL)
		return ERR_ORIGIN(-ENOMEM);
	n = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	r = n <= 0 ? ERR_ORIGIN(-ENOMEM)
		   : seal_bytes(m, (uint8_t)kind, der, (size_t)n, sealed);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (n > 0)
		OPENSSL_clear_free(der, (size_t)n);
	return r;
}

static EVP_PKEY *
parse_private(const struct keeper_master *m, const uint8_t *der, size_t n,
    int kind)
{
	const unsigned char *at = der;
	PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)n);
	EVP_PKEY *key = NULL;

	if (info != NULL)
		key = EVP_PKCS82PKEY_ex(info, m->lib, NULL);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (key != NULL && key_kind(key) != kind) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	ERR_clear_error();
	return key;
}

int
keeper_key_open(const struct keeper_master *m, struct slice sealed,
    EVP_PKEY **ret)
{
	struct slice rest = sealed, head, nonce;
	unsigned long long n = 0;
	EVP_PKEY *key = NULL;
	uint8_t *plain;

	if (!slice_take(&rest, SEAL_HEAD, &head) ||
	    !slice_take(&rest, SEAL_NONCE, &nonce) || rest.len < SEAL_TAG ||
	    rest.len > KEEPER_SEALED_MAX || head.at[0] != SEAL_VERSION)
		return KEEPER_E_SEALED;
	plain = sodium_malloc(rest.len);
	if (plain == NULL)
		return ERR_ORIGIN(-ENOMEM);
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(plain, &n, NULL, rest.at,
		rest.len, head.at, head.len, nonce.at, m->seal) == 0)
		key = parse_private(m, plain, (size_t)n, head.at[1]);
	sodium_free(plain);
	if (key == NULL)
		return KEEPER_E_SEALED;
	*ret = key;
	return KEEPER_OK;
}

int
keeper_secret_seal(const struct keeper_master *m, struct slice secret,
    struct buf *sealed)
{
	if (secret.len > KEEPER_SECRET_MAX)
		return ERR_ORIGIN(-EMSGSIZE);
	return ERR_TRACE(
	    seal_bytes(m, SEAL_SECRET, secret.at, secret.len, sealed));
}

int
keeper_secret_open(const struct keeper_master *m, struct slice sealed,
    uint8_t secret[KEEPER_SECRET_MAX], size_t *ret_len)
{
	struct slice rest = sealed, head, nonce;
	unsigned long long n = 0;

	if (!slice_take(&rest, SEAL_HEAD, &head) ||
	    !slice_take(&rest, SEAL_NONCE, &nonce) || rest.len < SEAL_TAG ||
	    rest.len - SEAL_TAG > KEEPER_SECRET_MAX ||
	    head.at[0] != SEAL_VERSION || head.at[1] != SEAL_SECRET ||
	    crypto_aead_xchacha20poly1305_ietf_decrypt(secret, &n, NULL,
		rest.at, rest.len, head.at, head.len, nonce.at, m->seal) != 0)
		return KEEPER_E_SEALED;
	*ret_len = (size_t)n;
	return KEEPER_OK;
}

/* -- certificates -------------------------------------------------------- */

static bool
is_label_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* host = ["*."] label *("." label), at most 253 bytes. Nothing else may come
 * near the text form of an extension. */
static bool
is_host_name(struct slice name)
{
	struct slice rest = name, label;

	if (name.len == 0 || name.len > 253)
		return false;
	(void)slice_skip(&rest, SLICE("*."));
	do {
		if (!slice_take_while(&rest, is_label_byte, &label) ||
		    label.len > LABEL_MAX)
			return false;
	} while (slice_skip_byte(&rest, '.'));
	return rest.len == 0;
}

static bool
next_name(struct slice *names, struct slice *ret)
{
	if (names->len == 0)
		return false;
	if (!slice_take_until(names, ' ', ret)) {
		*ret = *names;
		names->len = 0;
	}
	return true;
}

static bool
check_names(struct slice names)
{
	struct slice name;

	if (names.len == 0 || names.len > KEEPER_NAMES_MAX ||
	    names.at[names.len - 1] == ' ')
		return false;
	while (next_name(&names, &name))
		if (!is_host_name(name))
			return false;
	return true;
}

static bool
add_alt_names(X509 *x, struct slice names)
{
	GENERAL_NAMES *all = GENERAL_NAMES_new();
	struct slice name;
	bool ok = all != NULL;

	while (ok && next_name(&names, &name)) {
		GENERAL_NAME *g = GENERAL_NAME_new();
		ASN1_IA5STRING *text = ASN1_IA5STRING_new();

		ok = g != NULL && text != NULL &&
		    ASN1_STRING_set(text, name.at, (int)name.len) == 1;
		if (!ok) {
			GENERAL_NAME_free(g);
			ASN1_IA5STRING_free(text);
			break;
		}
		GENERAL_NAME_set0_value(g, GEN_DNS, text);
		ok = sk_GENERAL_NAME_push(all, g) > 0;
		if (!ok)
			GENERAL_NAME_free(g);
	}
	ok = ok && X509_add1_ext_i2d(x, NID_subject_alt_name, all, 0, 0) == 1;
	GENERAL_NAMES_free(all);
	return ok;
}

static bool
add_extensions(X509 *x, struct slice names)
{
	static const struct {
		int nid;
		const char *value;
	} fixed[] = { { NID_basic_constraints, "critical,CA:FALSE" },
		{ NID_key_usage, "critical,digitalSignature" },
		{ NID_ext_key_usage, "serverAuth" },
		{ NID_subject_key_identifier, "hash" } };
	X509V3_CTX c;
	bool ok = add_alt_names(x, names);

	X509V3_set_ctx_nodb(&c);
	X509V3_set_ctx(&c, x, x, NULL, NULL, 0);
	for (size_t i = 0; ok && i < sizeof(fixed) / sizeof(fixed[0]); i++) {
		X509_EXTENSION *e =
		    X509V3_EXT_conf_nid(NULL, &c, fixed[i].nid, fixed[i].value);

		ok = e != NULL && X509_add_ext(x, e, -1) == 1;
		X509_EXTENSION_free(e);
	}
	return ok;
}

/* A subject longer than its bound is left empty: the names are what counts
 * (RFC 6125, 6.4.4). */
static bool
set_subject(X509 *x, struct slice names)
{
	X509_NAME *n = X509_get_subject_name(x);
	struct slice first;

	if (next_name(&names, &first) && first.len <= SUBJECT_MAX &&
	    X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8,
		first.at, (int)first.len, -1, 0) != 1)
		return false;
	return X509_set_issuer_name(x, n) == 1;
}

static bool
set_serial_and_time(X509 *x, uint32_t days, int64_t wall)
{
	uint64_t serial;
	time_t now = (time_t)(wall / TIME_SECOND);
	ASN1_TIME *from = X509_getm_notBefore(x), *to = X509_getm_notAfter(x);

	randombytes_buf(&serial, sizeof(serial));
	/* An hour back, for clients whose clocks are behind. */
	return ASN1_INTEGER_set_uint64(X509_get_serialNumber(x),
		   serial >> 1 | 1) == 1 &&
	    X509_time_adj_ex(from, 0, -3600, &now) != NULL &&
	    X509_time_adj_ex(to, (int)days, 0, &now) != NULL;
}

static int
add_der(X509 *x, struct buf *chain)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der), r;
	uint8_t len[4];

	if (n <= 0)
		return ERR_ORIGIN(-ENOMEM);
	for (int i = 0; i < 4; i++)
		len[i] = (uint8_t)((uint32_t)n >> (8 * i));
	r = buf_room(chain) < sizeof(len) + (size_t)n ? -EMSGSIZE : 0;
	if (r == 0)
		r = buf_add(chain, slice_of(len, sizeof(len)));
	if (r == 0)
		r = buf_add(chain, slice_of(der, (size_t)n));
	OPENSSL_free(der);
	return r;
}

int
keeper_key_certify(const struct keeper_master *m, EVP_PKEY *key,
    struct slice names, uint32_t days, int64_t wall, struct buf *chain)
{
	EVP_MD *digest;
	X509 *x;
	int r;

	if (!check_names(names))
		return KEEPER_E_NAMES;
	if (days == 0 || days > KEEPER_DAYS_MAX)
		return KEEPER_E_DAYS;
	digest = EVP_MD_fetch(m->lib, "SHA2-256", NULL);
	x = X509_new_ex(m->lib, NULL);
	if (digest != NULL && x != NULL && X509_set_version(x, 2) == 1 &&
	    set_serial_and_time(x, days, wall) && set_subject(x, names) &&
	    X509_set_pubkey(x, key) == 1 && add_extensions(x, names) &&
	    X509_sign(x, key, digest) > 0)
		r = add_der(x, chain);
	else
		r = ERR_ORIGIN(-ENOMEM);
	X509_free(x);
	EVP_MD_free(digest);
	ERR_clear_error();
	return r;
}

int
keeper_key_make(const struct keeper_master *m, struct slice names,
    uint32_t days, int64_t wall, struct buf *sealed, struct buf *chain)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(m->lib, NULL, "EC", "P-256");
	int r;

	if (key == NULL)
		return ERR_ORIGIN(-ENOMEM);
	r = keeper_key_certify(m, key, names, days, wall, chain);
	if (r == 0)
		r = keeper_key_seal(m, key, sealed);
	EVP_PKEY_free(key);
	return r;
}
