/* SPDX-License-Identifier: ISC */
#include "sys/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

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

/* -- bytes --------------------------------------------------------------- */

static int
bio_read(BIO *bio, char *at, size_t n, size_t *ret_n)
{
	struct tls *t = BIO_get_data(bio);
	ssize_t r = env_recv(t->env, t->fd, at, n);

	BIO_clear_retry_flags(bio);
	*ret_n = 0;
	if (r > 0) {
		*ret_n = (size_t)r;
		return 1;
	}
	if (r == -EAGAIN)
		BIO_set_retry_read(bio);
	else if (r == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	else
		t->io_error = (int)r;
	return r == 0 ? 0 : -1;
}

static int
bio_write(BIO *bio, const char *at, size_t n, size_t *ret_n)
{
	struct tls *t = BIO_get_data(bio);
	struct iovec v = { (void *)(uintptr_t)at, n };
	ssize_t r = env_sendv(t->env, t->fd, &v, 1);

	BIO_clear_retry_flags(bio);
	*ret_n = 0;
	if (r >= 0) {
		*ret_n = (size_t)r;
		return 1;
	}
	if (r == -EAGAIN)
		BIO_set_retry_write(bio);
	else
		t->io_error = (int)r;
	return -1;
}

static long
bio_ctrl(BIO *bio, int command, long number, void *at)
{
	(void)number;
	(void)at;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	if (command == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return 0;
}

void
tls_machine_deinit(struct tls_machine *m)
{
	BIO_meth_free(m->bio);
	if (m->standard != NULL)
		(void)OSSL_PROVIDER_unload(m->standard);
	OSSL_LIB_CTX_free(m->lib);
}

int
tls_machine_init(struct tls_machine *m, struct env *env)
{
	m->env = env;
	if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) != 1)
		return -ENOMEM;
	m->lib = OSSL_LIB_CTX_new();
	if (m->lib == NULL)
		return -ENOMEM;
	m->standard = OSSL_PROVIDER_load(m->lib, "default");
	m->bio = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "env");
	if (m->standard == NULL || m->bio == NULL ||
	    BIO_meth_set_read_ex(m->bio, bio_read) != 1 ||
	    BIO_meth_set_write_ex(m->bio, bio_write) != 1 ||
	    BIO_meth_set_ctrl(m->bio, bio_ctrl) != 1) {
		tls_machine_deinit(m);
		return -ENOMEM;
	}
	return 0;
}

SSL_CTX *
tls_context_new(struct tls_machine *m, const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new_ex(m->lib, NULL, method);

	if (ctx == NULL)
		return NULL;
	(void)SSL_CTX_set_options(ctx,
	    SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	(void)SSL_CTX_set_mode(ctx,
	    SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
		SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

/* -- servers ------------------------------------------------------------- */

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

/* -- connections --------------------------------------------------------- */

int
tls_new(struct tls_machine *m, SSL_CTX *ctx, int fd, struct tls **ret)
{
	struct tls *t = calloc(1, sizeof(*t));
	BIO *bio;

	if (t == NULL)
		return -ENOMEM;
	t->env = m->env;
	t->fd = fd;
	t->ssl = SSL_new(ctx);
	bio = BIO_new(m->bio);
	if (t->ssl == NULL || bio == NULL) {
		(void)BIO_free(bio);
		tls_free(t);
		ERR_clear_error();
		return -ENOMEM;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	*ret = t;
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

void
tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	/* A connection that is cut off leaves its session good (RFC 5246,
	 * 7.2.1); one that broke does not. */
	if (t->ssl != NULL && t->has_facts && t->failed != -EPROTO)
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN);
	SSL_free(t->ssl);
	free(t);
}

static void
note_error(struct tls *t, const char *text)
{
	if (t->error[0] == '\0')
		(void)snprintf(t->error, sizeof(t->error), "%s", text);
}

/* The first error in OpenSSL's queue is the cause, the others are its echo. */
static void
note_queue(struct tls *t)
{
	unsigned long code = ERR_peek_error();
	const char *why = ERR_reason_error_string(code);

	if (ERR_GET_LIB(code) == ERR_LIB_USER)
		why = "the keeper did not sign";
	note_error(t, why == NULL ? "unknown TLS error" : why);
	ERR_clear_error();
}

static int
fail(struct tls *t, int r)
{
	t->failed = r;
	return r;
}

/* What a call that returned <= 0 means. */
static int
outcome(struct tls *t, int r)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		t->wants = ENV_READ;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->wants = ENV_WRITE;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN:
		ERR_clear_error();
		return 0;
	case SSL_ERROR_SYSCALL:
		ERR_clear_error();
		note_error(t, "connection lost");
		return fail(t, t->io_error < 0 ? t->io_error : -ECONNRESET);
	default:
		note_queue(t);
		return fail(t, -EPROTO);
	}
}

int
tls_handshake(struct tls *t)
{
	int r;

	if (t->failed < 0)
		return t->failed;
	ERR_clear_error();
	r = SSL_do_handshake(t->ssl);
	if (r == 1) {
		t->wants = ENV_READ;
		if (t->client != NULL)
			tls_note_facts(t);
		return 0;
	}
	r = outcome(t, r);
	if (r == 0) {
		note_error(t, "the peer left during the handshake");
		return fail(t, -ECONNRESET);
	}
	return r;
}

ssize_t
tls_recv(struct tls *t, void *at, size_t n)
{
	size_t got = 0;
	int r;

	if (t->failed < 0)
		return t->failed;
	ERR_clear_error();
	r = SSL_read_ex(t->ssl, at, n, &got);
	return r == 1 ? (ssize_t)got : outcome(t, r);
}

ssize_t
tls_send(struct tls *t, const void *at, size_t n)
{
	size_t put = 0;
	int r;

	if (t->failed < 0)
		return t->failed;
	if (n == 0)
		return 0;
	ERR_clear_error();
	r = SSL_write_ex(t->ssl, at, n, &put);
	t->send_wants = 0;
	if (r == 1)
		return (ssize_t)put;
	r = outcome(t, r);
	if (r == -EAGAIN)
		t->send_wants = t->wants;
	return r == 0 ? fail(t, -ECONNRESET) : r;
}

unsigned
tls_wants(const struct tls *t)
{
	return t->wants | t->send_wants;
}

bool
tls_has_pending(const struct tls *t)
{
	return SSL_pending(t->ssl) > 0;
}

void
tls_goodbye(struct tls *t)
{
	if (t->failed < 0 || SSL_is_init_finished(t->ssl) != 1)
		return;
	ERR_clear_error();
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

const char *
tls_version(const struct tls *t)
{
	return SSL_get_version(t->ssl);
}

const char *
tls_cipher(const struct tls *t)
{
	return SSL_get_cipher_name(t->ssl);
}

const char *
tls_error(const struct tls *t)
{
	return t->error;
}

/* -- channel binding ------------------------------------------------------- */

/* RFC 7627: else somebody between two connections can make both alike. */
static bool
is_bound(const struct tls *t)
{
	return SSL_version(t->ssl) == TLS1_3_VERSION ||
	    SSL_get_extms_support(t->ssl) == 1;
}

size_t
tls_exporter(const struct tls *t, uint8_t at[TLS_BINDING_MAX])
{
	static const char label[] = "EXPORTER-Channel-Binding";

	/* With TLS 1.2 it is only as good as the extended master secret. */
	if (!is_bound(t) ||
	    SSL_export_keying_material(t->ssl, at, 32, label, sizeof(label) - 1,
		NULL, 0, 0) != 1)
		return 0;
	return 32;
}

size_t
tls_end_point(const struct tls *t, uint8_t at[TLS_BINDING_MAX])
{
	X509 *leaf = SSL_get_certificate(t->ssl);
	int digest = NID_undef;
	unsigned n = 0;

	if (leaf == NULL ||
	    X509_get_signature_info(leaf, &digest, NULL, NULL, NULL) != 1)
		return 0;
	if (digest == NID_md5 || digest == NID_sha1)
		digest = NID_sha256; /* RFC 5929, section 4.1 */
	if (digest != NID_sha256 && digest != NID_sha384 &&
	    digest != NID_sha512)
		return 0;
	if (X509_digest(leaf, EVP_get_digestbynid(digest), at, &n) != 1)
		return 0;
	return n;
}

/* The first Finished of a full handshake is the client's, and all of TLS 1.2
 * are full here: there are neither tickets nor a cache. */
size_t
tls_unique(const struct tls *t, uint8_t at[TLS_BINDING_MAX])
{
	size_t n;

	if (SSL_version(t->ssl) != TLS1_2_VERSION || !is_bound(t) ||
	    SSL_session_reused(t->ssl) == 1)
		return 0;
	n = SSL_get_peer_finished(t->ssl, at, TLS_BINDING_MAX);
	return n <= TLS_BINDING_MAX ? n : 0;
}

/* -- the client's certificate --------------------------------------------- */

bool
tls_has_peer(const struct tls *t)
{
	return SSL_get0_peer_certificate(t->ssl) != NULL;
}

static int
add_der(X509 *x, struct buf *out)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der), r;
	uint8_t head[4] = { (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
		(uint8_t)(n >> 24) };
	size_t before = out->len;

	if (n <= 0)
		return -ENOMEM;
	r = buf_add(out, slice_of(head, sizeof(head)));
	if (r == 0)
		r = buf_add(out, slice_of(der, (size_t)n));
	if (r != 0)
		out->len = before;
	OPENSSL_free(der);
	return r;
}

int
tls_peer_chain(const struct tls *t, struct buf *out)
{
	X509 *leaf = SSL_get0_peer_certificate(t->ssl);
	STACK_OF(X509) *rest = SSL_get_peer_cert_chain(t->ssl);
	int r = leaf == NULL ? 1 : add_der(leaf, out);

	for (int i = 0; r == 0 && i < sk_X509_num(rest); i++)
		if (add_der(sk_X509_value(rest, i), out) != 0)
			break;
	return r;
}
