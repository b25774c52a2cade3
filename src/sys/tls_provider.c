/* SPDX-License-Identifier: ISC */
#include "sys/tls_provider.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "base/buf.h"
#include "base/time.h"
#include "wire/messages.h"

enum {
	TBS_MAX = 512, /* messages.def, SIGN_ASK.tbs */
	SIGNATURE_MAX = 1024,
	FRAME_MAX = WIRE_HEAD + 2048,
	POINT_SIZE = 65,      /* uncompressed P-256 */
	EC_SIGNATURE_MAX = 72 /* DER of two 32-byte integers */
};

#define ANSWER_TIME (2 * TIME_SECOND)
#define REST_TIME (5 * TIME_SECOND)
#define PARAM_SIGNER "ulak-signer"
#define PARAM_KEY "ulak-key"

/* -- asking the keeper --------------------------------------------------- */

void
tls_signer_init(struct tls_signer *s, struct env *env)
{
	*s = (struct tls_signer){ .env = env, .fd = -1 };
}

void
tls_signer_set(struct tls_signer *s, int fd)
{
	if (s->fd >= 0)
		env_close(s->env, s->fd, false);
	s->fd = fd;
	s->rests_until = 0;
}

static int
send_question(struct tls_signer *s, const struct wire_sign_ask *m)
{
	uint8_t head[WIRE_HEAD];
	struct buf out;
	int r;

	buf_init(&out, FRAME_MAX);
	r = wire_encode_sign_ask(&out, m);
	if (r == 0) {
		struct wire_head h = { .len = (uint32_t)out.len,
			.type = WIRE_SIGN_ASK,
			.session = ++s->asked };
		struct iovec v[] = { { head, sizeof(head) },
			{ (void *)(uintptr_t)buf_slice(&out).at, out.len } };
		ssize_t n;

		wire_head_encode(&h, head);
		n = env_sendv(s->env, s->fd, v, 2);
		r = n == (ssize_t)(sizeof(head) + out.len) ? 0 : -EPIPE;
	}
	buf_deinit(&out);
	return r;
}

/* 0, -EAGAIN: not here yet, -EPIPE: the pair is of no use any more. */
static int
take_answer(struct tls_signer *s, uint8_t *sig, size_t cap, size_t *ret_len)
{
	struct wire_signature m;
	struct wire_head h;
	uint8_t at[FRAME_MAX];
	ssize_t n = env_recv(s->env, s->fd, at, sizeof(at));

	if (n == -EAGAIN || n == -EINTR)
		return -EAGAIN;
	if (n < WIRE_HEAD || !wire_head_decode(at, &h) ||
	    h.type != WIRE_SIGNATURE || h.len != (size_t)n - WIRE_HEAD ||
	    wire_decode_signature(slice_of(at + WIRE_HEAD, h.len), &m) !=
		WIRE_OK ||
	    h.session > s->asked)
		return -EPIPE;
	if (h.session < s->asked)
		return -EAGAIN; /* of a question that was given up */
	if (!m.ok || m.signature.len > cap)
		return -EACCES;
	memcpy(sig, m.signature.at, m.signature.len);
	*ret_len = m.signature.len;
	return 0;
}

static int
wait_answer(struct tls_signer *s, uint8_t *sig, size_t cap, size_t *ret_len)
{
	int64_t until = env_now(s->env) + ANSWER_TIME;

	for (;;) {
		struct pollfd p = { .fd = s->fd, .events = POLLIN };
		int64_t left = until - env_now(s->env);
		int r;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(left / TIME_MS) + 1) < 1)
			continue; /* nothing, or a signal */
		r = take_answer(s, sig, cap, ret_len);
		if (r != -EAGAIN)
			return r;
	}
}

/*
 * Synchronous (design-notes 4.7): a round trip costs less than the signature.
 * A broken pair is closed; the supervisor brings another with the next keeper.
 * A keeper that is only slow keeps its pair: answers carry the number of their
 * question, so a late one is never taken for another's.
 */
static int
ask_keeper(struct tls_signer *s, const struct wire_sign_ask *m, uint8_t *sig,
    size_t cap, size_t *ret_len)
{
	int r;

	if (s->fd < 0 || env_now(s->env) < s->rests_until)
		return -EPIPE;
	r = send_question(s, m);
	if (r == 0)
		r = wait_answer(s, sig, cap, ret_len);
	if (r == -ETIMEDOUT)
		s->rests_until = env_now(s->env) + REST_TIME;
	else if (r < 0 && r != -EACCES)
		tls_signer_set(s, -1);
	return r;
}

/* -- keys ---------------------------------------------------------------- */

struct key {
	struct tls_signer *signer; /* NULL: a public key only */
	uint32_t number;
	bool is_rsa;
	uint8_t point[POINT_SIZE]; /* 33 bytes when compressed */
	size_t point_len;
	BIGNUM *n, *e;
};

static void *
key_new(bool is_rsa)
{
	struct key *k = calloc(1, sizeof(*k));

	if (k != NULL)
		k->is_rsa = is_rsa;
	return k;
}

static void *
ec_new(void *provider)
{
	(void)provider;
	return key_new(false);
}

static void *
rsa_new(void *provider)
{
	(void)provider;
	return key_new(true);
}

static void
key_free(void *at)
{
	struct key *k = at;

	if (k == NULL)
		return;
	BN_free(k->n);
	BN_free(k->e);
	free(k);
}

/* "Has it a private half" means "can it sign" to those who ask. */
static int
key_has(const void *at, int selection)
{
	const struct key *k = at;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 &&
	    k->signer == NULL)
		return 0;
	if ((selection & OSSL_KEYMGMT_SELECT_PUBLIC_KEY) == 0)
		return 1;
	return k->is_rsa ? k->n != NULL : k->point_len > 0;
}

static unsigned
point_parity(const struct key *k)
{
	return k->point_len == POINT_SIZE ? k->point[POINT_SIZE - 1] & 1u
					  : k->point[0] & 1u;
}

/* The certificate's key, imported by us, against the one that signs. The same
 * point may come compressed and uncompressed. */
static int
key_match(const void *a_at, const void *b_at, int selection)
{
	const struct key *a = a_at, *b = b_at;

	(void)selection;
	if (a->is_rsa != b->is_rsa)
		return 0;
	if (a->is_rsa)
		return a->n != NULL && b->n != NULL &&
		    BN_cmp(a->n, b->n) == 0 && BN_cmp(a->e, b->e) == 0;
	return a->point_len > 0 && b->point_len > 0 &&
	    memcmp(a->point + 1, b->point + 1, 32) == 0 &&
	    point_parity(a) == point_parity(b);
}

static bool
import_rsa(struct key *k, const OSSL_PARAM params[])
{
	const OSSL_PARAM *n =
	    OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_N);
	const OSSL_PARAM *e =
	    OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_RSA_E);

	return n != NULL && e != NULL && OSSL_PARAM_get_BN(n, &k->n) == 1 &&
	    OSSL_PARAM_get_BN(e, &k->e) == 1;
}

static bool
import_ec(struct key *k, const OSSL_PARAM params[])
{
	const OSSL_PARAM *group =
	    OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_GROUP_NAME);
	const OSSL_PARAM *point =
	    OSSL_PARAM_locate_const(params, OSSL_PKEY_PARAM_PUB_KEY);
	char name[64], *name_at = name;
	void *at = k->point;

	if (group == NULL || point == NULL ||
	    OSSL_PARAM_get_utf8_string(group, &name_at, sizeof(name)) != 1 ||
	    (strcmp(name, "prime256v1") != 0 && strcmp(name, "P-256") != 0) ||
	    OSSL_PARAM_get_octet_string(point, &at, sizeof(k->point),
		&k->point_len) != 1)
		return false;
	return k->point_len == POINT_SIZE || k->point_len == 33;
}

/* From tls_provider_key, and for the comparison with a certificate's key. A
 * private half that is offered is not looked at. */
static int
key_import(void *at, int selection, const OSSL_PARAM params[])
{
	struct key *k = at;
	const OSSL_PARAM *signer =
	    OSSL_PARAM_locate_const(params, PARAM_SIGNER);
	const OSSL_PARAM *number = OSSL_PARAM_locate_const(params, PARAM_KEY);
	uint64_t pointer = 0;

	(void)selection;
	if (signer != NULL && number != NULL) {
		if (OSSL_PARAM_get_uint64(signer, &pointer) != 1 ||
		    OSSL_PARAM_get_uint32(number, &k->number) != 1)
			return 0;
		k->signer = (struct tls_signer *)(uintptr_t)pointer;
	}
	return k->is_rsa ? import_rsa(k, params) : import_ec(k, params);
}

/*
 * DigestSign first looks for an implementation in the caller's own provider
 * and tries to move the key there with everything it has. Giving the public
 * half to that question would count as success, and signing would fail later.
 * So whoever wants a private half gets nothing.
 */
static int
key_export(void *at, int selection, OSSL_CALLBACK *give, void *arg)
{
	const struct key *k = at;
	OSSL_PARAM_BLD *b;
	OSSL_PARAM *params = NULL;
	int ok = 0;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0)
		return 0;
	b = OSSL_PARAM_BLD_new();
	if (b == NULL)
		return 0;
	if (k->is_rsa)
		ok = OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, k->n) &&
		    OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, k->e);
	else
		ok = OSSL_PARAM_BLD_push_utf8_string(b,
			 OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) &&
		    OSSL_PARAM_BLD_push_octet_string(b, OSSL_PKEY_PARAM_PUB_KEY,
			k->point, k->point_len);
	if (ok)
		params = OSSL_PARAM_BLD_to_param(b);
	ok = params != NULL && give(params, arg);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(b);
	return ok;
}

static const OSSL_PARAM ec_types[] = {
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	OSSL_PARAM_uint64(PARAM_SIGNER, NULL),
	OSSL_PARAM_uint32(PARAM_KEY, NULL), OSSL_PARAM_END
};
static const OSSL_PARAM rsa_types[] = { OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N,
					    NULL, 0),
	OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	OSSL_PARAM_uint64(PARAM_SIGNER, NULL),
	OSSL_PARAM_uint32(PARAM_KEY, NULL), OSSL_PARAM_END };

static const OSSL_PARAM *
ec_import_types(int selection)
{
	(void)selection;
	return ec_types;
}

static const OSSL_PARAM *
rsa_import_types(int selection)
{
	(void)selection;
	return rsa_types;
}

static int
key_bits(const struct key *k)
{
	if (!k->is_rsa)
		return 256;
	return k->n == NULL ? 0 : BN_num_bits(k->n);
}

static int
key_signature_max(const struct key *k)
{
	return k->is_rsa ? (key_bits(k) + 7) / 8 : EC_SIGNATURE_MAX;
}

static bool
answer_int(OSSL_PARAM params[], const char *name, int value)
{
	OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

	return p == NULL || OSSL_PARAM_set_int(p, value) == 1;
}

static bool
answer_text(OSSL_PARAM params[], const char *name, const char *value)
{
	OSSL_PARAM *p = OSSL_PARAM_locate(params, name);

	return p == NULL || OSSL_PARAM_set_utf8_string(p, value) == 1;
}

/* libssl sizes its buffers by max-size, and TLS 1.3 wants the group under the
 * name that OBJ_txt2nid knows, which "P-256" is not. A mandatory digest must
 * not be answered. */
static int
key_get_params(void *at, OSSL_PARAM params[])
{
	struct key *k = at;
	int bits = key_bits(k);
	OSSL_PARAM *p;

	if (!answer_int(params, OSSL_PKEY_PARAM_BITS, bits) ||
	    !answer_int(params, OSSL_PKEY_PARAM_SECURITY_BITS,
		k->is_rsa ? BN_security_bits(bits, -1) : 128) ||
	    !answer_int(params, OSSL_PKEY_PARAM_MAX_SIZE,
		key_signature_max(k)) ||
	    !answer_text(params, OSSL_PKEY_PARAM_DEFAULT_DIGEST, "SHA256"))
		return 0;
	if (k->is_rsa)
		return 1;
	p = OSSL_PARAM_locate(params, OSSL_PKEY_PARAM_PUB_KEY);
	return answer_text(params, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1") &&
	    (p == NULL ||
		OSSL_PARAM_set_octet_string(p, k->point, k->point_len) == 1);
}

static const OSSL_PARAM gettable[] = { OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS,
					   NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	OSSL_PARAM_END };

static const OSSL_PARAM *
key_gettable(void *provider)
{
	(void)provider;
	return gettable;
}

/* Which SIGNATURE goes with a key of this type; "EC" itself is none. */
static const char *
ec_operation_name(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

static const char *
rsa_operation_name(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "RSA" : NULL;
}

/* -- the signature ------------------------------------------------------- */

struct signing {
	struct key *key; /* the EVP layer keeps it alive */
	uint16_t digest;
	bool is_pss;
};

static void *
signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return calloc(1, sizeof(struct signing));
}

static bool
set_padding(struct signing *s, const OSSL_PARAM *p)
{
	const char *text = NULL;
	int mode = 0;

	if (OSSL_PARAM_get_utf8_string_ptr(p, &text) == 1) {
		if (strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0)
			mode = RSA_PKCS1_PSS_PADDING;
		else if (strcmp(text, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0)
			mode = RSA_PKCS1_PADDING;
	} else if (OSSL_PARAM_get_int(p, &mode) != 1) {
		return false;
	}
	if (!s->key->is_rsa ||
	    (mode != RSA_PKCS1_PSS_PADDING && mode != RSA_PKCS1_PADDING))
		return false;
	s->is_pss = mode == RSA_PKCS1_PSS_PADDING;
	return true;
}

/* TLS always uses a salt as long as the digest, and so does the keeper. */
static bool
is_digest_salt(const OSSL_PARAM *p)
{
	const char *text = NULL;
	int len = 0;

	if (OSSL_PARAM_get_utf8_string_ptr(p, &text) == 1)
		return strcmp(text, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0;
	return OSSL_PARAM_get_int(p, &len) == 1 &&
	    len == RSA_PSS_SALTLEN_DIGEST;
}

static int
signing_set_params(void *at, const OSSL_PARAM params[])
{
	struct signing *s = at;
	const OSSL_PARAM *p;

	if (params == NULL)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p != NULL && !set_padding(s, p))
		return 0;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	return p == NULL || is_digest_salt(p);
}

static const OSSL_PARAM settable[] = {
	OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
	OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
	OSSL_PARAM_END
};

static const OSSL_PARAM *
signing_settable(void *at, void *provider)
{
	(void)at;
	(void)provider;
	return settable;
}

static const struct {
	const char *name;
	uint16_t digest;
} digests[] = { { "SHA2-256", 256 }, { "SHA256", 256 }, { "SHA2-384", 384 },
	{ "SHA384", 384 }, { "SHA2-512", 512 }, { "SHA512", 512 } };

/* libssl tries every algorithm of the client here: the keeper is not asked. */
static int
signing_init(void *at, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = at;

	if (key != NULL)
		s->key = key;
	if (s->key == NULL || s->key->signer == NULL)
		return 0;
	s->is_pss = false;
	s->digest = digest == NULL ? 256 : 0;
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (digest != NULL &&
		    OPENSSL_strcasecmp(digest, digests[i].name) == 0)
			s->digest = digests[i].digest;
	return s->digest != 0 && signing_set_params(s, params);
}

/* Called first with sig == NULL, for the size. */
static int
signing_sign(void *at, unsigned char *sig, size_t *len, size_t cap,
    const unsigned char *tbs, size_t tbs_len)
{
	const struct signing *s = at;
	struct wire_sign_ask m = { .key = s->key->number,
		.digest = s->digest,
		.pss = s->is_pss,
		.tbs = slice_of(tbs, tbs_len) };

	if (sig == NULL) {
		*len = (size_t)key_signature_max(s->key);
		return 1;
	}
	if (tbs_len > TBS_MAX)
		return 0;
	if (ask_keeper(s->key->signer, &m, sig, cap, len) < 0) {
		ERR_raise(ERR_LIB_USER, ERR_R_OPERATION_FAIL);
		return 0;
	}
	return 1;
}

/* -- the tables OpenSSL reads -------------------------------------------- */

#define F(id, function)                                                        \
	{                                                                      \
		id, (void (*)(void))(function)                                 \
	}
#define KEYMGMT(type)                                                          \
	static const OSSL_DISPATCH type##_keymgmt[] = {                        \
		F(OSSL_FUNC_KEYMGMT_NEW, type##_new),                          \
		F(OSSL_FUNC_KEYMGMT_FREE, key_free),                           \
		F(OSSL_FUNC_KEYMGMT_HAS, key_has),                             \
		F(OSSL_FUNC_KEYMGMT_MATCH, key_match),                         \
		F(OSSL_FUNC_KEYMGMT_IMPORT, key_import),                       \
		F(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, type##_import_types),        \
		F(OSSL_FUNC_KEYMGMT_EXPORT, key_export),                       \
		F(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, type##_import_types),        \
		F(OSSL_FUNC_KEYMGMT_GET_PARAMS, key_get_params),               \
		F(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, key_gettable),            \
		F(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME,                      \
		    type##_operation_name),                                    \
		{ 0, NULL }                                                    \
	}

KEYMGMT(ec);
KEYMGMT(rsa);

static const OSSL_DISPATCH signature_functions[] = {
	F(OSSL_FUNC_SIGNATURE_NEWCTX, signing_new),
	F(OSSL_FUNC_SIGNATURE_FREECTX, free),
	F(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, signing_init),
	F(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, signing_sign),
	F(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, signing_set_params),
	F(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, signing_settable),
	{ 0, NULL }
};

/* libssl finds a certificate's slot by these second names. */
#define PROPERTIES "provider=ulak"
static const OSSL_ALGORITHM keymgmts[] = {
	{ "EC:id-ecPublicKey:1.2.840.10045.2.1", PROPERTIES, ec_keymgmt, "" },
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES, rsa_keymgmt,
	    "" },
	{ NULL, NULL, NULL, NULL }
};
static const OSSL_ALGORITHM signatures[] = { { "ECDSA", PROPERTIES,
						 signature_functions, "" },
	{ "RSA:rsaEncryption:1.2.840.113549.1.1.1", PROPERTIES,
	    signature_functions, "" },
	{ NULL, NULL, NULL, NULL } };

static const OSSL_ALGORITHM *
provider_query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	if (operation == OSSL_OP_KEYMGMT)
		return keymgmts;
	return operation == OSSL_OP_SIGNATURE ? signatures : NULL;
}

static const OSSL_DISPATCH provider_functions[] = {
	F(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query), { 0, NULL }
};

static int
provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **provider)
{
	(void)in;
	*out = provider_functions;
	*provider = (void *)(uintptr_t)handle; /* only must not be NULL */
	return 1;
}

OSSL_PROVIDER *
tls_provider_load(OSSL_LIB_CTX *lib)
{
	if (OSSL_PROVIDER_add_builtin(lib, "ulak", provider_init) != 1)
		return NULL;
	return OSSL_PROVIDER_load(lib, "ulak");
}

EVP_PKEY *
tls_provider_key(OSSL_LIB_CTX *lib, struct tls_signer *s, uint32_t number,
    X509 *cert)
{
	uint64_t pointer = (uintptr_t)s;
	OSSL_PARAM ours[] = { OSSL_PARAM_construct_uint64(PARAM_SIGNER,
				  &pointer),
		OSSL_PARAM_construct_uint32(PARAM_KEY, &number),
		OSSL_PARAM_construct_end() };
	EVP_PKEY *public = X509_get0_pubkey(cert), *key = NULL;
	OSSL_PARAM *half = NULL, *all = NULL;
	EVP_PKEY_CTX *c = NULL;
	const char *type;

	if (public == NULL)
		return NULL;
	type = EVP_PKEY_is_a(public, "RSA") ? "RSA" : "EC";
	if (EVP_PKEY_todata(public, EVP_PKEY_PUBLIC_KEY, &half) == 1 &&
	    (all = OSSL_PARAM_merge(half, ours)) != NULL &&
	    (c = EVP_PKEY_CTX_new_from_name(lib, type, PROPERTIES)) != NULL &&
	    EVP_PKEY_fromdata_init(c) > 0)
		(void)EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, all);
	EVP_PKEY_CTX_free(c);
	OPENSSL_free(all);
	OSSL_PARAM_free(half);
	return key;
}
