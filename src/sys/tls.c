/* SPDX-License-Identifier: ISC */
#include "sys/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "sys/tls_impl.h"

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
