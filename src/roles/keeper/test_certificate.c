/* SPDX-License-Identifier: ISC */
/*
 * Certificates of clients, made here: by whom, for what, of whom and when; and
 * chains that a front should never have sent.
 */
#include "base/test.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/buf.h"
#include "base/time.h"
#include "roles/keeper/certificate.h"

enum {
	NOW = 1800000000, /* s */
	DAY = 86400
};

struct world {
	EVP_PKEY *key;
	X509 *ca, *middle, *other;
	X509_STORE *store;
};

static void
extend(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	test_true(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

/* All have the same key: who may sign what, the names say. */
static X509 *
make(struct world *w, const char *name, X509 *issuer, const char *purpose,
    const char *san, int from, int to)
{
	X509 *x = X509_new();
	X509_NAME *n = X509_get_subject_name(x);
	static long serial;

	(void)X509_set_version(x, X509_VERSION_3);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
	(void)X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC,
	    (const uint8_t *)name, -1, -1, 0);
	(void)X509_set_issuer_name(x,
	    X509_get_subject_name(issuer == NULL ? x : issuer));
	(void)ASN1_TIME_set(X509_getm_notBefore(x), NOW + from);
	(void)ASN1_TIME_set(X509_getm_notAfter(x), NOW + to);
	(void)X509_set_pubkey(x, w->key);
	extend(x, issuer == NULL ? x : issuer, NID_basic_constraints,
	    purpose == NULL ? "critical,CA:TRUE" : "CA:FALSE");
	if (purpose != NULL)
		extend(x, issuer, NID_ext_key_usage, purpose);
	if (san != NULL)
		extend(x, issuer, NID_subject_alt_name, san);
	test_true(X509_sign(x, w->key, EVP_sha256()) > 0);
	return x;
}

static int
setup(void **state)
{
	static struct world w;

	w.key = EVP_EC_gen("P-256");
	w.ca = make(&w, "ca", NULL, NULL, NULL, -DAY, DAY);
	w.middle = make(&w, "middle", w.ca, NULL, NULL, -DAY, DAY);
	w.other = make(&w, "other", NULL, NULL, NULL, -DAY, DAY);
	w.store = X509_STORE_new();
	test_int(X509_STORE_add_cert(w.store, w.ca), 1);
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	X509_STORE_free(w->store);
	X509_free(w->ca);
	X509_free(w->middle);
	X509_free(w->other);
	EVP_PKEY_free(w->key);
	return 0;
}

static void
add(struct buf *b, X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	uint8_t head[4] = { (uint8_t)n, (uint8_t)(n >> 8), 0, 0 };

	test_int(buf_add(b, slice_of(head, 4)), 0);
	test_int(buf_add(b, slice_of(der, (size_t)n)), 0);
	OPENSSL_free(der);
}

enum by {
	CA,
	MIDDLE,
	MIDDLE_KEPT_BACK,
	OTHER
};

static const struct {
	const char *what;
	enum by by;
	const char *purpose, *san;
	int from, to;
	bool in_time, trusted;
	size_t n_names;
} chains[] = {
	{ "by the CA", CA, "clientAuth", "email:anna@one.example", -1, 1, true,
	    true, 1 },
	{ "by one between", MIDDLE, "clientAuth", "email:anna@one.example", -1,
	    1, true, true, 1 },
	{ "who was not sent along", MIDDLE_KEPT_BACK, "clientAuth",
	    "email:anna@one.example", -1, 1, true, false, 1 },
	{ "by another, sent along", OTHER, "clientAuth",
	    "email:anna@one.example", -1, 1, true, false, 1 },
	{ "a server's", CA, "serverAuth", "email:anna@one.example", -1, 1, true,
	    false, 1 },
	{ "for both", CA, "serverAuth,clientAuth", "email:anna@one.example", -1,
	    1, true, true, 1 },
	{ "over", CA, "clientAuth", "email:anna@one.example", -2, -1, false,
	    false, 1 },
	{ "not yet", CA, "clientAuth", "email:anna@one.example", 1, 2, false,
	    false, 1 },
	{ "without a name", CA, "clientAuth", NULL, -1, 1, true, true, 0 },
	{ "only a host", CA, "clientAuth", "DNS:one.example", -1, 1, true, true,
	    0 },
	{ "two, and a host between", CA, "clientAuth",
	    "email:a@one.example,DNS:x.example,email:b@one.example", -1, 1,
	    true, true, 2 },
	{ "more than are looked at", CA, "clientAuth",
	    "email:1@x.example,email:2@x.example,email:3@x.example,email:4@x."
	    "example,email:5@x.example,email:6@x.example,email:7@x.example,"
	    "email:8@x.example,email:9@x.example",
	    -1, 1, true, true, KEEPER_CERT_NAMES },
};

static void
each(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		X509 *by = chains[i].by == CA ? w->ca
		    : chains[i].by == OTHER   ? w->other
					      : w->middle;
		X509 *x = make(w, "anna", by, chains[i].purpose, chains[i].san,
		    chains[i].from * 3600, chains[i].to * 3600);
		struct keeper_certificate *c;
		struct slice in;
		struct buf b;

		test_case(chains[i].what);
		buf_init(&b, 16384);
		add(&b, x);
		if (chains[i].by == MIDDLE || chains[i].by == OTHER)
			add(&b, by);
		in = test_exact_copy(buf_slice(&b));
		c = keeper_certificate_read(w->store, in,
		    NOW * (int64_t)TIME_SECOND);
		test_true(c != NULL);
		test_int(c->is_in_time, chains[i].in_time);
		test_int(c->is_trusted, chains[i].trusted);
		test_int(c->n_names, chains[i].n_names);
		test_int(strlen(c->fingerprint), 64);
		free(c);
		c = keeper_certificate_read(NULL, in,
		    NOW * (int64_t)TIME_SECOND);
		test_true(c != NULL && !c->is_trusted);
		free(c);
		test_free_copy(in);
		buf_deinit(&b);
		X509_free(x);
	}
}

/* Each length cut: no leaf, or a leaf whose helpers are missing. */
static void
cut(void **state)
{
	struct world *w = *state;
	X509 *x = make(w, "anna", w->middle, "clientAuth",
	    "email:a@one.example", -1, 1);
	struct keeper_certificate *c;
	struct buf b;
	size_t leaf;

	buf_init(&b, 16384);
	add(&b, x);
	leaf = b.len;
	add(&b, w->middle);
	for (size_t n = 0; n < b.len; n++) {
		struct slice in = test_exact_copy(slice_upto(buf_slice(&b), n));

		c = keeper_certificate_read(w->store, in,
		    NOW * (int64_t)TIME_SECOND);
		test_true((c != NULL) == (n >= leaf));
		test_true(c == NULL || !c->is_trusted);
		free(c);
		test_free_copy(in);
	}
	buf_deinit(&b);
	X509_free(x);
}

static void
files(void **state)
{
	struct world *w = *state;
	BIO *out = BIO_new(BIO_s_mem());
	char why[KEEPER_CA_WHY] = "";
	struct buf b;
	X509_STORE *ca;
	char *at;
	long n;

	test_int(PEM_write_bio_X509(out, w->ca), 1);
	test_int(PEM_write_bio_X509(out, w->other), 1);
	n = BIO_get_mem_data(out, &at);
	ca = keeper_ca_parse(slice_of(at, (size_t)n), why);
	test_true(ca != NULL);
	X509_STORE_free(ca);
	test_true(keeper_ca_parse(SLICE(""), why) == NULL);
	test_true(why[0] != '\0');
	test_true(keeper_ca_parse(SLICE("words"), why) == NULL);
	buf_init(&b, 65536);
	test_int(buf_add(&b, slice_of(at, (size_t)n - 40)), 0);
	test_true(keeper_ca_parse(buf_slice(&b), why) == NULL);
	buf_deinit(&b);
	BIO_free(out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each),
		cmocka_unit_test(cut), cmocka_unit_test(files) };

	return cmocka_run_group_tests(tests, setup, teardown);
}
