/* SPDX-License-Identifier: ISC */
/*
 * cli/certificate - the certificates with which an account's owner logs in
 *
 * A file is read here, by who gives the command; the server learns its
 * fingerprint (SHA-256) and its subject, which is only shown in lists.
 */
#include "cli/certificate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "cli/admin.h"
#include "roles/keeper/certificate.h"

enum {
	CERTIFICATE_MAX = 64 * 1024
};

int
certificate_check_ca(const struct settings *s)
{
	char why[KEEPER_CA_WHY];
	X509_STORE *ca;
	char *text;
	size_t len;
	int r;

	if (s->client_ca[0] == '\0')
		return CLI_OK;
	r = cli_read_file(s->client_ca, LIMIT_CLIENT_CA, &text, &len);
	if (r < 0)
		return cli_fail(CLI_REFUSED, "tls.client_ca: %s: %s",
		    s->client_ca,
		    r == -EFBIG ? "longer than 128 KiB" : strerror(-r));
	ca = keeper_ca_parse(slice_of(text, len), why);
	free(text);
	X509_STORE_free(ca);
	return ca != NULL
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "tls.client_ca: %s: %s", s->client_ca, why);
}

/* 64 digits, maybe with colons between. */
static bool
is_fingerprint(const char *text)
{
	size_t digits = 0;

	for (; *text != '\0'; text++) {
		if (strchr("0123456789abcdefABCDEF", *text) != NULL)
			digits++;
		else if (*text != ':')
			return false;
	}
	return digits == 64;
}

static int
set_args(json_t *args, const X509 *x)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	char hex[KEEPER_FINGERPRINT] = "", name[200];
	unsigned n = 0;

	if (X509_digest(x, EVP_sha256(), digest, &n) != 1 || n != 32)
		return cli_fail(CLI_REFUSED, "out of memory");
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	(void)X509_NAME_oneline(X509_get_subject_name(x), name, sizeof(name));
	return json_object_set_new(args, "fingerprint", json_string(hex)) ==
		    0 &&
		json_object_set_new(args, "name", json_string(name)) == 0
	    ? CLI_OK
	    : cli_fail(CLI_REFUSED, "out of memory");
}

/* Replaces the operand, which names a file, by what the server wants. */
int
certificate_prepare(struct cli *cli, json_t *args)
{
	const char *path = cli->operands[1];
	char *text;
	size_t len;
	X509 *x;
	BIO *in;
	int r;

	if (is_fingerprint(path))
		return CLI_OK;
	r = cli_read_file(path, CERTIFICATE_MAX, &text, &len);
	if (r < 0)
		return cli_fail(CLI_REFUSED, "%s: %s", path, strerror(-r));
	in = BIO_new_mem_buf(text, (int)len);
	x = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, NULL);
	r = x == NULL
	    ? cli_fail(CLI_REFUSED, "%s: no certificate of PEM in it", path)
	    : set_args(args, x);
	X509_free(x);
	BIO_free(in);
	free(text);
	return r;
}
