/* SPDX-License-Identifier: ISC */
/*
 * sys/tls_server - certificates by name, and the server's side of a connection
 *
 * Holds the public chains; each private key is a number that the keeper knows
 * (sys/tls_provider). A certificate that is put in the place of another is
 * used by the next handshake; those that run keep theirs.
 */
#include "sys/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "sys/tls_impl.h"
#include "sys/tls_provider.h"

enum {
	CHAIN_MAX = 10,
	PEER_CHAIN_MAX = 32 * 1024 /* as the client may send it */
};

/* AEAD with an ephemeral key exchange only; there is no RSA decryption in the
 * provider, so nothing else could work with it either. */
#define CIPHERS_TLS12 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define GROUPS "X25519:P-256:P-384"

struct cert {
	struct list link;
	uint32_t key;
	bool is_default;
	SSL_CTX *ctx;
	char *names;
};

struct tls_server {
	struct tls_machine machine;
	/* The keeper's keys live apart, so that no other lookup meets them. */
	OSSL_LIB_CTX *key_lib;
	OSSL_PROVIDER *key_provider;
	struct tls_signer signer;
	struct list certs;
	bool asks_certificates;
	STACK_OF(X509_NAME) * client_ca; /* their names */
};

int
tls_server_new(struct env *env, struct tls_server **ret)
{
	struct tls_server *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	list_init(&s->certs);
	tls_signer_init(&s->signer, env);
	if (tls_machine_init(&s->machine, env) < 0) {
		free(s);
		return -ENOMEM;
	}
	s->key_lib = OSSL_LIB_CTX_new();
	if (s->key_lib != NULL)
		s->key_provider = tls_provider_load(s->key_lib);
	if (s->key_provider == NULL) {
		tls_server_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

static void
cert_free(struct cert *c)
{
	list_remove(&c->link);
	SSL_CTX_free(c->ctx);
	free(c->names);
	free(c);
}

void
tls_server_free(struct tls_server *s)
{
	if (s == NULL)
		return;
	LIST_FOREACH_SAFE (it, next, &s->certs)
		cert_free(LIST_ENTRY(it, struct cert, link));
	sk_X509_NAME_pop_free(s->client_ca, X509_NAME_free);
	tls_signer_set(&s->signer, -1);
	if (s->key_provider != NULL)
		(void)OSSL_PROVIDER_unload(s->key_provider);
	OSSL_LIB_CTX_free(s->key_lib);
	tls_machine_deinit(&s->machine);
	free(s);
}

void
tls_server_set_keeper(struct tls_server *s, int sign_fd)
{
	tls_signer_set(&s->signer, sign_fd);
}

bool
tls_server_has_key(const struct tls_server *s)
{
	return !list_is_empty(&s->certs);
}

/* "*.example" stands for one label (RFC 6125, 6.4.3). */
static bool
name_matches(struct slice pattern, struct slice name)
{
	struct slice label;

	if (slice_equal_nocase(pattern, name))
		return true;
	return slice_skip(&pattern, SLICE("*.")) &&
	    slice_take_until(&name, '.', &label) && label.len > 0 &&
	    slice_equal_nocase(pattern, name);
}

static bool
cert_matches(const struct cert *c, struct slice name)
{
	struct slice rest = slice_cstr(c->names), one;

	while (slice_take_until(&rest, ' ', &one))
		if (name_matches(one, name))
			return true;
	return rest.len > 0 && name_matches(rest, name);
}

static struct cert *
cert_default(const struct tls_server *s)
{
	LIST_FOREACH (it, &s->certs) {
		struct cert *c = LIST_ENTRY(it, struct cert, link);

		if (c->is_default)
			return c;
	}
	return list_is_empty(&s->certs)
	    ? NULL
	    : LIST_ENTRY(s->certs.next, struct cert, link);
}

/*
 * Runs for every ClientHello, also without a name, when the version is known.
 * TLS 1.2 gets no tickets: there they would be encrypted under one key for as
 * long as the process lives, and the session's secrets with them.
 */
static int
on_server_name(SSL *ssl, int *alert, void *arg)
{
	struct tls_server *s = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	if (SSL_version(ssl) < TLS1_3_VERSION)
		(void)SSL_set_options(ssl, SSL_OP_NO_TICKET);
	if (name == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	LIST_FOREACH (it, &s->certs) {
		struct cert *c = LIST_ENTRY(it, struct cert, link);

		if (!cert_matches(c, slice_cstr(name)))
			continue;
		return SSL_set_SSL_CTX(ssl, c->ctx) == NULL
		    ? SSL_TLSEXT_ERR_ALERT_FATAL
		    : SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static X509 *
take_x509(struct tls_server *s, struct slice *chain)
{
	struct slice head, der;
	const unsigned char *at;
	X509 *x;
	uint32_t n;

	if (!slice_take(chain, 4, &head))
		return NULL;
	n = (uint32_t)head.at[0] | (uint32_t)head.at[1] << 8 |
	    (uint32_t)head.at[2] << 16 | (uint32_t)head.at[3] << 24;
	if (!slice_take(chain, n, &der))
		return NULL;
	x = X509_new_ex(s->machine.lib, NULL);
	at = der.at;
	if (x != NULL &&
	    (d2i_X509(&x, &at, (long)der.len) == NULL ||
		at != der.at + der.len)) {
		X509_free(x);
		return NULL;
	}
	return x;
}

static bool
use_chain(struct tls_server *s, SSL_CTX *ctx, uint32_t key, struct slice chain)
{
	X509 *x = take_x509(s, &chain);
	EVP_PKEY *pkey;
	bool ok;

	if (x == NULL)
		return false;
	pkey = tls_provider_key(s->key_lib, &s->signer, key, x);
	ok = pkey != NULL && SSL_CTX_use_certificate(ctx, x) == 1 &&
	    SSL_CTX_use_PrivateKey(ctx, pkey) == 1 &&
	    SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(pkey);
	X509_free(x);
	for (int i = 0; ok && chain.len > 0 && i < CHAIN_MAX; i++) {
		x = take_x509(s, &chain);
		ok = x != NULL && SSL_CTX_add1_chain_cert(ctx, x) == 1;
		X509_free(x);
	}
	return ok && chain.len == 0;
}

/* Whether anybody may log in with it, the keeper says; a client that shows
 * some other certificate is served like one that has none. */
static int
accept_any(X509_STORE_CTX *ctx, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(ctx, X509_V_OK);
	return 1;
}

/* Without tickets: they would carry the leaf of the chain alone. */
static void
ask_certificate(struct tls_server *s, SSL_CTX *ctx)
{
	static const uint8_t id[] = "ulak";

	if (!s->asks_certificates)
		return;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
	SSL_CTX_set_max_cert_list(ctx, PEER_CHAIN_MAX);
	(void)SSL_CTX_set_num_tickets(ctx, 0);
	(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	(void)SSL_CTX_set_session_id_context(ctx, id, sizeof(id));
	SSL_CTX_set_client_CA_list(ctx, SSL_dup_CA_list(s->client_ca));
}

void
tls_server_ask_certificates(struct tls_server *s, struct slice ca_pem)
{
	BIO *in = BIO_new_mem_buf(ca_pem.len > 0 ? ca_pem.at : (const void *)"",
	    (int)ca_pem.len);
	X509 *x;

	assert(list_is_empty(&s->certs));
	s->asks_certificates = true;
	s->client_ca = sk_X509_NAME_new_null();
	while (in != NULL && s->client_ca != NULL &&
	    (x = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL) {
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(x));

		if (name == NULL || sk_X509_NAME_push(s->client_ca, name) <= 0)
			X509_NAME_free(name);
		X509_free(x);
	}
	ERR_clear_error();
	BIO_free(in);
}

static SSL_CTX *
server_context(struct tls_server *s, uint32_t key, struct slice chain)
{
	SSL_CTX *ctx = tls_context_new(&s->machine, TLS_server_method());

	if (ctx == NULL)
		return NULL;
	(void)SSL_CTX_set_num_tickets(ctx, 1);
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, on_server_name);
	(void)SSL_CTX_set_tlsext_servername_arg(ctx, s);
	ask_certificate(s, ctx);
	if (SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS12) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 ||
	    !use_chain(s, ctx, key, chain)) {
		ERR_clear_error();
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int
tls_server_add(struct tls_server *s, uint32_t key, struct slice chain,
    struct slice names, bool is_default)
{
	struct cert *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	list_init(&c->link);
	c->key = key;
	c->is_default = is_default;
	c->names = calloc(1, names.len + 1);
	if (c->names != NULL && slice_find_byte(names, '\0') == SIZE_MAX) {
		if (names.len > 0)
			memcpy(c->names, names.at, names.len);
		c->ctx = server_context(s, key, chain);
	}
	if (c->ctx == NULL) {
		cert_free(c);
		return -EINVAL;
	}
	/* The new one takes the place of the old; running handshakes hold a
	 * reference to theirs. */
	LIST_FOREACH (it, &s->certs) {
		struct cert *old = LIST_ENTRY(it, struct cert, link);

		if (old->key != key)
			continue;
		list_add_before(&old->link, &c->link);
		cert_free(old);
		return 0;
	}
	list_add_last(&s->certs, &c->link);
	return 0;
}

int
tls_accept_new(struct tls_server *s, int fd, struct tls **ret)
{
	const struct cert *c = cert_default(s);
	int r;

	if (c == NULL)
		return -ENOENT;
	r = tls_new(&s->machine, c->ctx, fd, ret);
	if (r < 0)
		return r;
	SSL_set_accept_state((*ret)->ssl);
	(*ret)->wants = ENV_READ;
	return 0;
}
