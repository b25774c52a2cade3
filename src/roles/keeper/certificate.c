/* SPDX-License-Identifier: ISC */
#include "roles/keeper/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/time.h"
#include "roles/role.h"

/* -- the chain --------------------------------------------------------------
 */

static X509 *
take_x509(struct slice *chain)
{
	struct slice head, der;
	const unsigned char *at;
	X509 *x;

	if (!slice_take(chain, 4, &head) ||
	    !slice_take(chain,
		(uint32_t)head.at[0] | (uint32_t)head.at[1] << 8 |
		    (uint32_t)head.at[2] << 16 | (uint32_t)head.at[3] << 24,
		&der))
		return NULL;
	at = der.at;
	x = d2i_X509(NULL, &at, (long)der.len);
	if (x != NULL && at != der.at + der.len) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static bool
is_in_time(const X509 *x, time_t now)
{
	return X509_cmp_time(X509_get0_notBefore(x), &now) < 0 &&
	    X509_cmp_time(X509_get0_notAfter(x), &now) > 0;
}

/* By its purpose too: a server's certificate is no client's. */
static bool
is_trusted(X509_STORE *ca, X509 *leaf, STACK_OF(X509) * rest, time_t now)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ok = ctx != NULL &&
	    X509_STORE_CTX_init(ctx, ca, leaf, rest) == 1 &&
	    X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) == 1;

	if (ok) {
		X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);

		X509_VERIFY_PARAM_set_time(p, now);
		X509_VERIFY_PARAM_set_depth(p, KEEPER_CERT_CHAIN);
		ok = X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	return ok;
}

/* rfc822Name alone: what stands in the subject is no address for us. */
static void
read_names(X509 *x, struct keeper_certificate *c)
{
	GENERAL_NAMES *all =
	    X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);

	for (int i = 0;
	     i < sk_GENERAL_NAME_num(all) && c->n_names < KEEPER_CERT_NAMES;
	     i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(all, i);
		struct slice name;

		if (one->type != GEN_EMAIL)
			continue;
		name = slice_of(ASN1_STRING_get0_data(one->d.rfc822Name),
		    (size_t)ASN1_STRING_length(one->d.rfc822Name));
		if (name.len > 0 && name.len <= LIMIT_ADDRESS &&
		    slice_is_ascii(name) &&
		    slice_find_byte(name, 0) == SIZE_MAX)
			(void)slice_to_cstr(name, c->names[c->n_names++],
			    sizeof(c->names[0]));
	}
	GENERAL_NAMES_free(all);
}

static bool
read_fingerprint(const X509 *x, char at[KEEPER_FINGERPRINT])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(x, EVP_sha256(), digest, &n) != 1 || n != 32)
		return false;
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(at + 2 * i, 3, "%02x", digest[i]);
	return true;
}

static void
read_rest(X509_STORE *ca, X509 *leaf, struct slice chain, int64_t now,
    struct keeper_certificate *c)
{
	time_t seconds = (time_t)(now / (int64_t)TIME_SECOND);
	STACK_OF(X509) *rest = sk_X509_new_null();
	X509 *x;

	while (rest != NULL && sk_X509_num(rest) < KEEPER_CERT_CHAIN &&
	    (x = take_x509(&chain)) != NULL)
		if (sk_X509_push(rest, x) <= 0)
			X509_free(x);
	c->is_in_time = is_in_time(leaf, seconds);
	c->is_trusted =
	    ca != NULL && c->is_in_time && is_trusted(ca, leaf, rest, seconds);
	read_names(leaf, c);
	sk_X509_pop_free(rest, X509_free);
}

struct keeper_certificate *
keeper_certificate_read(X509_STORE *ca, struct slice chain, int64_t now)
{
	struct keeper_certificate *c = calloc(1, sizeof(*c));
	X509 *leaf = take_x509(&chain);
	bool ok =
	    c != NULL && leaf != NULL && read_fingerprint(leaf, c->fingerprint);

	if (ok)
		read_rest(ca, leaf, chain, now, c);
	X509_free(leaf);
	ERR_clear_error();
	if (ok)
		return c;
	free(c);
	return NULL;
}

/* -- who vouches ------------------------------------------------------------
 */

/* Lists are asked for as soon as there is one: then each certificate's issuer
 * needs one. */
static bool
add_all(X509_STORE *ca, STACK_OF(X509_INFO) * all, int *ret_n)
{
	for (int i = 0; i < sk_X509_INFO_num(all); i++) {
		const X509_INFO *one = sk_X509_INFO_value(all, i);

		if (one->x509 != NULL) {
			if (X509_STORE_add_cert(ca, one->x509) != 1)
				return false;
			++*ret_n;
		}
		if (one->crl != NULL &&
		    (X509_STORE_add_crl(ca, one->crl) != 1 ||
			X509_STORE_set_flags(ca, X509_V_FLAG_CRL_CHECK) != 1))
			return false;
	}
	return true;
}

X509_STORE *
keeper_ca_parse(struct slice pem, char why[KEEPER_CA_WHY])
{
	BIO *in = BIO_new_mem_buf(pem.len > 0 ? pem.at : (const void *)"",
	    (int)pem.len);
	STACK_OF(X509_INFO) *all =
	    in == NULL ? NULL : PEM_X509_INFO_read_bio(in, NULL, NULL, NULL);
	X509_STORE *ca = X509_STORE_new();
	int n = 0;

	if (all == NULL || ca == NULL || !add_all(ca, all, &n) || n == 0) {
		X509_STORE_free(ca);
		ca = NULL;
		(void)snprintf(why, KEEPER_CA_WHY,
		    "no certificate of PEM in it, or a broken one");
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(in);
	ERR_clear_error();
	return ca;
}

int
keeper_ca_init(struct env *env, const char *path, X509_STORE **ret)
{
	char why[KEEPER_CA_WHY];
	uint8_t *at;
	size_t n = 0;
	int r;

	if (path[0] != '/')
		return 0;
	at = malloc(LIMIT_CLIENT_CA);
	if (at == NULL)
		return -ENOMEM;
	r = role_read_file(env, path, at, LIMIT_CLIENT_CA, &n);
	if (r == 0)
		*ret = keeper_ca_parse(slice_of(at, n), why);
	else
		(void)snprintf(why, sizeof(why), "%s",
		    r == -EFBIG ? "longer than 128 KiB" : strerror(-r));
	if (*ret == NULL)
		env_log(env, ENV_ERROR, "client-ca-unusable",
		    "file=%s reason=\"%s\"", path, why);
	free(at);
	return 0;
}
