/* SPDX-License-Identifier: ISC */
/* The keeper signs handshakes, and nothing that looks like something else. */
#include "base/test.h"

#include <openssl/provider.h>
#include <openssl/rsa.h>

#include "roles/keeper/sign.h"

enum {
	PADDING = 64
};

/* 64 times `fill`, then what is given, then `n` bytes of zero. */
static const struct {
	const char *what;
	uint8_t fill;
	struct slice middle;
	size_t n;
	enum sign_shape want;
} shapes[] = {
	{ "1.3, SHA-256 transcript", ' ',
	    SLICE("TLS 1.3, server CertificateVerify\0"), 32,
	    SIGN_SHAPE_TLS13 },
	{ "1.3, SHA-384 transcript", ' ',
	    SLICE("TLS 1.3, server CertificateVerify\0"), 48,
	    SIGN_SHAPE_TLS13 },
	{ "1.3, the client's", ' ',
	    SLICE("TLS 1.3, client CertificateVerify\0"), 32, SIGN_SHAPE_NONE },
	{ "1.3, a byte more", ' ', SLICE("TLS 1.3, server CertificateVerify\0"),
	    33, SIGN_SHAPE_NONE },
	{ "1.3, a byte less", ' ', SLICE("TLS 1.3, server CertificateVerify\0"),
	    31, SIGN_SHAPE_NONE },
	{ "1.3, no NUL", ' ', SLICE("TLS 1.3, server CertificateVerify!"), 32,
	    SIGN_SHAPE_NONE },
	{ "1.3, other padding", '!',
	    SLICE("TLS 1.3, server CertificateVerify\0"), 32, SIGN_SHAPE_NONE },
	{ "1.2, x25519", 7, SLICE("\3\0\x1d\x20"), 32, SIGN_SHAPE_TLS12 },
	{ "1.2, x448", 7, SLICE("\3\0\x1e\x38"), 56, SIGN_SHAPE_TLS12 },
	{ "1.2, P-256", 7, SLICE("\3\0\x17\x41\4"), 64, SIGN_SHAPE_TLS12 },
	{ "1.2, P-384", 7, SLICE("\3\0\x18\x61\4"), 96, SIGN_SHAPE_TLS12 },
	{ "1.2, P-521", 7, SLICE("\3\0\x19\x85\4"), 132, SIGN_SHAPE_TLS12 },
	{ "1.2, random of spaces", ' ', SLICE("\3\0\x1d\x20"), 32,
	    SIGN_SHAPE_TLS12 },
	{ "1.2, compressed point", 7, SLICE("\3\0\x17\x41\2"), 64,
	    SIGN_SHAPE_NONE },
	{ "1.2, a byte more", 7, SLICE("\3\0\x1d\x20"), 33, SIGN_SHAPE_NONE },
	{ "1.2, a byte less", 7, SLICE("\3\0\x1d\x20"), 31, SIGN_SHAPE_NONE },
	{ "1.2, length of another curve", 7, SLICE("\3\0\x1d\x38"), 56,
	    SIGN_SHAPE_NONE },
	{ "1.2, explicit prime", 7, SLICE("\1\0\x1d\x20"), 32,
	    SIGN_SHAPE_NONE },
	{ "1.2, unknown curve", 7, SLICE("\3\0\x16\x20"), 32, SIGN_SHAPE_NONE },
	{ "1.2, curve with a high byte", 7, SLICE("\3\1\x1d\x20"), 32,
	    SIGN_SHAPE_NONE },
	{ "only padding", ' ', SLICE(""), 0, SIGN_SHAPE_NONE },
};

static struct slice
make(uint8_t at[512], size_t i)
{
	size_t n = PADDING + shapes[i].middle.len + shapes[i].n;

	memset(at, 0, 512);
	memset(at, shapes[i].fill, PADDING);
	memcpy(at + PADDING, shapes[i].middle.at, shapes[i].middle.len);
	return slice_of(at, n);
}

static void
knows_shapes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		uint8_t at[512];
		struct slice tbs = test_exact_copy(make(at, i));

		test_case(shapes[i].what);
		test_int(sign_shape(tbs), shapes[i].want);
		test_free_copy(tbs);
	}
	test_int(sign_shape(SLICE("")), SIGN_SHAPE_NONE);
	test_int(sign_shape(SLICE("pay 1000 to mallory")), SIGN_SHAPE_NONE);
}

/* row: of shapes above */
static const struct {
	const char *what;
	size_t row;
	bool is_rsa, pss, want;
	uint16_t digest;
} asks[] = {
	{ "1.3 EC", 0, false, false, true, 256 },
	{ "1.3 EC with SHA-384 (RFC 8446, 4.2.3)", 0, false, false, false,
	    384 },
	{ "1.3 RSA PSS", 0, true, true, true, 256 },
	{ "1.3 RSA PSS SHA-512", 1, true, true, true, 512 },
	{ "1.3 RSA PKCS#1", 0, true, false, false, 256 },
	{ "1.2 EC", 7, false, false, true, 256 },
	{ "1.2 EC SHA-512", 7, false, false, true, 512 },
	{ "1.2 RSA PKCS#1", 7, true, false, true, 384 },
	{ "1.2 RSA PSS", 7, true, true, true, 256 },
	{ "PSS with EC", 7, false, true, false, 256 },
	{ "SHA-1", 7, true, false, false, 160 },
	{ "no shape", 13, false, false, false, 256 },
};

static bool
verifies(EVP_PKEY *key, OSSL_LIB_CTX *lib, size_t i, struct slice tbs,
    struct slice sig)
{
	static const char *const names[] = { "SHA256", "SHA384", "SHA512" };
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p;
	bool ok =
	    EVP_DigestVerifyInit_ex(c, &p, names[asks[i].digest / 128 - 2], lib,
		NULL, key, NULL) == 1;

	if (asks[i].pss)
		ok = ok &&
		    EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) >
			0 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(p,
			RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_DigestVerify(c, sig.at, sig.len, tbs.at, tbs.len) == 1;
	EVP_MD_CTX_free(c);
	return ok;
}

static void
signs_handshakes_only(void **state)
{
	OSSL_LIB_CTX *lib = OSSL_LIB_CTX_new();
	OSSL_PROVIDER *p = OSSL_PROVIDER_load(lib, "default");
	EVP_PKEY *ec = EVP_PKEY_Q_keygen(lib, NULL, "EC", "P-256");
	EVP_PKEY *rsa = EVP_PKEY_Q_keygen(lib, NULL, "RSA", (size_t)2048);

	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		EVP_PKEY *key = asks[i].is_rsa ? rsa : ec;
		uint8_t at[512];
		struct wire_sign_ask ask = { .digest = asks[i].digest,
			.pss = asks[i].pss,
			.tbs = make(at, asks[i].row) };
		struct buf sig;

		test_case(asks[i].what);
		buf_init(&sig, SIGN_SIGNATURE_MAX);
		test_int(sign_handshake(lib, key, &ask, &sig), asks[i].want);
		test_int(sig.len > 0, asks[i].want);
		if (asks[i].want)
			test_true(verifies(key, lib, i, ask.tbs,
			    buf_slice(&sig)));
		buf_deinit(&sig);
	}
	EVP_PKEY_free(ec);
	EVP_PKEY_free(rsa);
	(void)OSSL_PROVIDER_unload(p);
	OSSL_LIB_CTX_free(lib);
}

TEST_MAIN(cmocka_unit_test(knows_shapes),
    cmocka_unit_test(signs_handshakes_only))
