/* SPDX-License-Identifier: ISC */
/*
 * Handshakes with keys that another thread holds; which certificate is shown
 * to whom; and that nothing worse than a failed handshake comes of a keeper
 * that is gone, silent or mad, or of a peer that speaks no TLS.
 */
#include "base/test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/keeper/keys.h"
#include "roles/keeper/sign.h"
#include "sys/env_posix.h"
#include "sys/tls.h"

enum {
	KEY_EC = 7,
	KEY_RSA = 8,
	ROUNDS = 1000
};
enum mood {
	GOOD,
	REFUSES,
	SILENT,
	MAD,
	LATE
};

struct world {
	struct env *env;
	char dir[64];
	struct env_dir *data;
	struct keeper_master *master;
	EVP_PKEY *keys[2]; /* EC, RSA */
	struct buf chains[2];
	struct tls_server *server;
	pthread_t keeper;
	int keeper_fd;
	enum mood mood;
	unsigned asked;
};

/* -- the keeper's side --------------------------------------------------- */

static size_t
answer(struct world *w, struct slice frame, uint8_t *at)
{
	struct wire_signature m = { .ok = false };
	struct wire_sign_ask ask;
	struct wire_head h;
	struct buf sig, out;
	size_t n;

	if (!wire_head_decode(frame.at, &h) ||
	    wire_decode_sign_ask(slice_from(frame, WIRE_HEAD), &ask) != WIRE_OK)
		abort();
	buf_init(&sig, SIGN_SIGNATURE_MAX);
	buf_init(&out, 4096);
	m.ok = w->mood != REFUSES &&
	    sign_handshake(keeper_master_lib(w->master),
		w->keys[ask.key == KEY_EC ? 0 : 1], &ask, &sig);
	m.signature = buf_slice(&sig);
	if (wire_encode_signature(&out, &m) != 0)
		abort();
	h.type = WIRE_SIGNATURE;
	h.len = (uint32_t)out.len;
	wire_head_encode(&h, at);
	memcpy(at + WIRE_HEAD, buf_slice(&out).at, out.len);
	n = WIRE_HEAD + out.len;
	if (w->mood == MAD)
		at[WIRE_HEAD + 3] ^= 0x40;
	buf_deinit(&sig);
	buf_deinit(&out);
	return n;
}

static void *
keeper_thread(void *arg)
{
	struct world *w = arg;
	uint8_t in[4096], out[4096], stale[4096];
	size_t n_stale = 0;
	ssize_t n;

	while ((n = recv(w->keeper_fd, in, sizeof(in), 0)) > 0) {
		size_t n_out = answer(w, slice_of(in, (size_t)n), out);

		w->asked++;
		if (w->mood == SILENT) {
			memcpy(stale, out, n_out);
			n_stale = n_out;
			continue;
		}
		if (w->mood == LATE && n_stale > 0)
			(void)send(w->keeper_fd, stale, n_stale, 0);
		(void)send(w->keeper_fd, out, n_out, 0);
	}
	return NULL;
}

static void
start_keeper(struct world *w, enum mood mood)
{
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair),
	    0);
	w->keeper_fd = pair[1];
	w->mood = mood;
	w->asked = 0;
	tls_server_set_keeper(w->server, pair[0]);
	test_int(pthread_create(&w->keeper, NULL, keeper_thread, w), 0);
}

static void
stop_keeper(struct world *w)
{
	(void)shutdown(w->keeper_fd, SHUT_RDWR);
	(void)pthread_join(w->keeper, NULL);
	(void)close(w->keeper_fd);
}

/* -- the world
 * ----------------------------------------------------------------- */

static int
setup(void **state)
{
	static const struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR };
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/ulak-tls-XXXXXX");
	if (mkdtemp(w->dir) == NULL || env_posix_new(&options, &w->env) < 0 ||
	    env_dir_open(w->env, w->dir, &w->data) < 0 ||
	    keeper_master_create(w->env, w->data) < 0 ||
	    keeper_master_read(w->data, &w->master) != 0 ||
	    tls_server_new(w->env, &w->server) < 0)
		return -1;
	w->keys[0] = EVP_PKEY_Q_keygen(keeper_master_lib(w->master), NULL, "EC",
	    "P-256");
	w->keys[1] = EVP_PKEY_Q_keygen(keeper_master_lib(w->master), NULL,
	    "RSA", (size_t)2048);
	for (int i = 0; i < 2; i++) {
		struct slice names = i == 0 ? SLICE("one.example *.w.example")
					    : SLICE("two.example");

		buf_init(&w->chains[i], KEEPER_CHAIN_MAX);
		if (keeper_key_certify(w->master, w->keys[i], names, 30,
			env_wall(w->env), &w->chains[i]) != 0 ||
		    tls_server_add(w->server, i == 0 ? KEY_EC : KEY_RSA,
			buf_slice(&w->chains[i]), names, i == 0) < 0)
			return -1;
	}
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	tls_server_free(w->server);
	for (int i = 0; i < 2; i++) {
		EVP_PKEY_free(w->keys[i]);
		buf_deinit(&w->chains[i]);
	}
	keeper_master_free(w->master);
	(void)env_dir_unlink(w->data, "keys/master");
	env_dir_close(w->data);
	env_posix_free(w->env);
	(void)chdir(w->dir);
	(void)rmdir("keys");
	(void)chdir("/");
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

static void
stream_pair(int pair[2])
{
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
}

/* -- a client that is not ours
 * --------------------------------------------------- */

struct stranger {
	SSL_CTX *ctx;
	SSL *ssl;
};

static void
stranger_open(struct stranger *s, int fd, int version, const char *sigalgs,
    const char *name)
{
	s->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(s->ctx, 0);
	SSL_CTX_set_verify(s->ctx, SSL_VERIFY_NONE, NULL);
	s->ssl = SSL_new(s->ctx);
	test_int(SSL_set_min_proto_version(s->ssl, version), 1);
	test_int(SSL_set_max_proto_version(s->ssl, version), 1);
	if (sigalgs != NULL)
		test_int(SSL_set1_sigalgs_list(s->ssl, sigalgs), 1);
	if (name != NULL)
		test_int(SSL_set_tlsext_host_name(s->ssl, name), 1);
	test_int(SSL_set_fd(s->ssl, fd), 1);
	SSL_set_connect_state(s->ssl);
}

static void
stranger_close(struct stranger *s)
{
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	ERR_clear_error();
}

/* What the server's handshake came to. */
static int
shake(struct tls *server, struct stranger *client)
{
	int r = -EAGAIN;

	for (int i = 0; i < ROUNDS && r == -EAGAIN; i++) {
		(void)SSL_do_handshake(client->ssl);
		ERR_clear_error();
		r = tls_handshake(server);
	}
	(void)SSL_do_handshake(client->ssl);
	ERR_clear_error();
	return r;
}

static const struct {
	const char *what;
	int version;
	const char *sigalgs, *name;
	bool wants_rsa;
	int want;
} handshakes[] = {
	{ "1.3, EC, by name", TLS1_3_VERSION, NULL, "one.example", false, 0 },
	{ "1.2, EC, by name", TLS1_2_VERSION, NULL, "one.example", false, 0 },
	{ "1.3, no name: the default", TLS1_3_VERSION, NULL, NULL, false, 0 },
	{ "1.3, unknown name: the default", TLS1_3_VERSION, NULL,
	    "three.example", false, 0 },
	{ "1.3, RSA by name is PSS", TLS1_3_VERSION, NULL, "two.example", true,
	    0 },
	{ "1.2, RSA PSS", TLS1_2_VERSION, "RSA-PSS+SHA256", "two.example", true,
	    0 },
	{ "1.2, RSA PKCS#1", TLS1_2_VERSION, "RSA+SHA256", "two.example", true,
	    0 },
	{ "1.2, RSA with SHA-512", TLS1_2_VERSION, "RSA+SHA512", "TWO.example",
	    true, 0 },
	{ "1.2, EC with SHA-384", TLS1_2_VERSION, "ECDSA+SHA384", "one.example",
	    false, 0 },
	{ "1.3, wildcard", TLS1_3_VERSION, NULL, "a.w.example", false, 0 },
	{ "1.1", TLS1_1_VERSION, NULL, "one.example", false, -EPROTO },
	{ "1.2, RSA with SHA-1 alone", TLS1_2_VERSION, "RSA+SHA1",
	    "two.example", false, -EPROTO },
};

static void
by_name_and_version(void **state)
{
	struct world *w = *state;

	start_keeper(w, GOOD);
	for (size_t i = 0; i < sizeof(handshakes) / sizeof(handshakes[0]);
	     i++) {
		struct stranger client;
		struct tls *t;
		int pair[2];

		test_case(handshakes[i].what);
		stream_pair(pair);
		test_int(tls_accept_new(w->server, pair[0], &t), 0);
		stranger_open(&client, pair[1], handshakes[i].version,
		    handshakes[i].sigalgs, handshakes[i].name);
		w->asked = 0;
		test_int(shake(t, &client), handshakes[i].want);
		if (handshakes[i].want == 0) {
			X509 *x = SSL_get0_peer_certificate(client.ssl);

			test_int(w->asked, 1);
			test_true(SSL_is_init_finished(client.ssl));
			test_int(EVP_PKEY_is_a(X509_get0_pubkey(x), "RSA"),
			    handshakes[i].wants_rsa);
			test_true(strcmp(tls_version(t),
				      SSL_get_version(client.ssl)) == 0);
			test_true(strstr(tls_cipher(t), "GCM") != NULL ||
			    strstr(tls_cipher(t), "CHACHA20") != NULL);
			/* RFC 5077 tickets are never given in 1.2. */
			test_true(handshakes[i].version == TLS1_3_VERSION ||
			    !SSL_SESSION_has_ticket(
				SSL_get0_session(client.ssl)));
		} else {
			test_true(tls_error(t)[0] != '\0');
			test_int(tls_handshake(t), handshakes[i].want);
		}
		stranger_close(&client);
		tls_free(t);
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
	stop_keeper(w);
}

/* -- our own client
 * -------------------------------------------------------------- */

static int
shake_both(struct tls *a, struct tls *b)
{
	int ra = -EAGAIN, rb = -EAGAIN;

	for (int i = 0; i < ROUNDS && (ra == -EAGAIN || rb == -EAGAIN); i++) {
		if (ra == -EAGAIN)
			ra = tls_handshake(a);
		if (rb == -EAGAIN)
			rb = tls_handshake(b);
	}
	return ra < 0 ? ra : rb;
}

static void
bytes_both_ways(void **state)
{
	struct world *w = *state;
	static uint8_t big[300000], got[sizeof(big)];
	struct tls_client *client;
	struct tls *a, *b;
	size_t sent = 0, read = 0;
	bool has_waited = false;
	uint8_t byte;
	int pair[2];

	start_keeper(w, GOOD);
	stream_pair(pair);
	test_int(tls_client_new(w->env, &client), 0);
	test_int(tls_accept_new(w->server, pair[0], &a), 0);
	test_int(tls_connect_new(client, pair[1], "one.example", &b), 0);
	test_int(tls_wants(a), ENV_READ);
	test_int(tls_wants(b), ENV_WRITE);
	test_int(shake_both(a, b), 0);
	test_int(tls_recv(a, got, sizeof(got)), -EAGAIN);
	test_int(tls_wants(a), ENV_READ);

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	for (int i = 0; i < ROUNDS && read < sizeof(big); i++) {
		ssize_t n = sent < sizeof(big)
		    ? tls_send(a, big + sent, sizeof(big) - sent)
		    : 0;

		test_true(n >= 0 || n == -EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		if (n == -EAGAIN) {
			/* Reading does not make it forget. */
			test_int(tls_recv(a, &byte, 1), -EAGAIN);
			test_int(tls_wants(a), ENV_READ | ENV_WRITE);
			has_waited = true;
		} else if (n > 0) {
			continue;
		}
		n = tls_recv(b, got + read, sizeof(got) - read);
		test_true(n > 0 || n == -EAGAIN);
		read += n > 0 ? (size_t)n : 0;
	}
	test_slice(slice_of(got, read), slice_of(big, sizeof(big)));
	test_true(has_waited);
	test_true((tls_wants(a) & ENV_WRITE) == 0);

	test_int(tls_send(b, "0123456789", 10), 10);
	test_int(tls_recv(a, got, 4), 4);
	test_true(tls_has_pending(a));
	test_int(tls_recv(a, got, 100), 6);
	test_true(!tls_has_pending(a));

	tls_goodbye(a);
	test_int(tls_recv(b, got, 10), 0);
	tls_free(a);
	tls_free(b);
	tls_client_free(client);
	(void)close(pair[0]);
	(void)close(pair[1]);
	stop_keeper(w);
}

/* The leaf of a chain, as a file of authorities. */
static void
write_authority(const struct buf *chain, const char *path)
{
	const uint8_t *der = buf_slice(chain).at + 4;
	X509 *x = d2i_X509(NULL, &der, (long)buf_slice(chain).len - 4);
	FILE *f = fopen(path, "w");

	test_true(x != NULL && f != NULL);
	test_int(PEM_write_X509(f, x), 1);
	X509_free(x);
	(void)fclose(f);
}

/* A handshake succeeds in any case; whether the name is proven is another
 * question (RFC 8689, 4.2.1). */
static void
who_is_verified(void **state)
{
	static const struct {
		const char *host;
		bool has_authority, is_verified;
	} cases[] = {
		{ "one.example", true, true },
		{ "ONE.example", true, true },
		{ "a.w.example", true, true },
		{ "one.example", false, false },
		{ "two.example", true, false },   /* its own authority */
		{ "three.example", true, false }, /* gets one.example's */
		{ "a.b.w.example", true, false },
		{ "192.0.2.1", true, false },
		{ NULL, true, false },
	};
	struct world *w = *state;
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/authorities", w->dir);
	write_authority(&w->chains[0], path);
	start_keeper(w, GOOD);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_client *client;
		struct tls *a, *b;
		int pair[2];

		test_case(cases[i].host == NULL ? "no host" : cases[i].host);
		stream_pair(pair);
		test_int(tls_client_new(w->env, &client), 0);
		test_int(tls_client_trust(client, "/nothing/there"), -ENOENT);
		if (cases[i].has_authority)
			test_int(tls_client_trust(client, path), 0);
		test_int(tls_accept_new(w->server, pair[0], &a), 0);
		test_int(tls_connect_new(client, pair[1], cases[i].host, &b),
		    0);
		test_true(!tls_is_verified(b));
		test_int(shake_both(a, b), 0);
		test_int(tls_is_verified(b), cases[i].is_verified);
		test_true(!tls_is_verified(a));
		tls_free(a);
		tls_free(b);
		tls_client_free(client);
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
	stop_keeper(w);
	test_int(unlink(path), 0);
}

/* One session of `client` with the server, from the handshake through a ticket
 * to the end; what the client knows of it. */
static struct tls_facts
one_session(struct world *w, struct tls_client *client,
    const struct tls_wish *wish)
{
	struct tls_facts facts;
	struct tls *a, *b;
	uint8_t byte;
	int pair[2];

	stream_pair(pair);
	test_int(tls_accept_new(w->server, pair[0], &a), 0);
	test_int(tls_connect_wish(client, pair[1], wish, &b), 0);
	test_int(shake_both(a, b), 0);
	test_int(tls_send(a, "x", 1), 1);
	test_int(tls_recv(b, &byte, 1), 1); /* the ticket came before it */
	facts = *tls_facts(b);
	tls_free(a);
	tls_free(b);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return facts;
}

/* A session is worth what its first handshake showed: it is taken up again by
 * the same wish at the same place, and by no other. */
static void
sessions_under_the_same_wish(void **state)
{
	static const struct tls_tlsa other = { 3, 1, 1,
		SLICE("0123456789abcdef0123456789abcdef") };
	static const struct {
		const char *what;
		struct tls_wish wish;
		bool is_resumed;
	} cases[] = {
		{ "the first",
		    { .names = { SLICE("one.example") },
			1,
			.place = SLICE("here") },
		    false },
		{ "again",
		    { .names = { SLICE("one.example") },
			1,
			.place = SLICE("here") },
		    true },
		{ "elsewhere",
		    { .names = { SLICE("one.example") },
			1,
			.place = SLICE("there") },
		    false },
		{ "another name",
		    { .names = { SLICE("two.example") },
			1,
			.place = SLICE("here") },
		    false },
		{ "a name more",
		    { .names = { SLICE("one.example"), SLICE("two.example") },
			2,
			.place = SLICE("here") },
		    false },
		{ "records",
		    { .names = { SLICE("one.example") },
			1,
			.tlsa = &other,
			.n_tlsa = 1,
			.place = SLICE("here") },
		    false },
		{ "nowhere", { .names = { SLICE("one.example") }, 1 }, false },
		{ "firm, and the certificate is not good",
		    { .names = { SLICE("one.example") },
			1,
			.place = SLICE("here"),
			.is_firm = true },
		    false },
		{ "it was not kept",
		    { .names = { SLICE("one.example") },
			1,
			.place = SLICE("here"),
			.is_firm = true },
		    false },
		{ "and once more",
		    { .names = { SLICE("one.example") },
			1,
			.place = SLICE("here") },
		    true },
	};
	struct world *w = *state;
	struct tls_client *client;

	start_keeper(w, GOOD);
	test_int(tls_client_new(w->env, &client), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_facts f;

		test_case(cases[i].what);
		f = one_session(w, client, &cases[i].wish);
		test_true(f.is_resumed == cases[i].is_resumed);
		test_int(f.certificate,
		    cases[i].wish.n_tlsa > 0 ? TLS_CERTIFICATE_TLSA
					     : TLS_CERTIFICATE_UNTRUSTED);
		test_true(f.expires > env_wall(w->env) / TIME_SECOND);
		test_true(f.subject[0] != '\0' && f.why[0] != '\0');
	}
	tls_client_free(client);
	stop_keeper(w);
}

/* An end without close_notify is an end, too. */
static void
ends_without_a_word(void **state)
{
	struct world *w = *state;
	struct tls_client *client;
	struct tls *a, *b;
	uint8_t got[16];
	int pair[2];

	start_keeper(w, GOOD);
	test_int(tls_client_new(w->env, &client), 0);
	stream_pair(pair);
	test_int(tls_accept_new(w->server, pair[0], &a), 0);
	test_int(tls_connect_new(client, pair[1], "192.0.2.1", &b), 0);
	test_int(shake_both(a, b), 0);
	/* Unread bytes (its ticket) would make this a reset. */
	test_int(tls_recv(b, got, sizeof(got)), -EAGAIN);
	(void)close(pair[1]);
	test_int(tls_recv(a, got, sizeof(got)), 0);
	tls_free(a);
	tls_free(b);
	(void)close(pair[0]);

	test_case("in the middle of the handshake");
	stream_pair(pair);
	test_int(tls_accept_new(w->server, pair[0], &a), 0);
	test_int(tls_connect_new(client, pair[1], NULL, &b), 0);
	test_int(tls_handshake(b), -EAGAIN);
	test_int(tls_handshake(a), -EAGAIN);
	(void)close(pair[1]);
	test_int(tls_handshake(a), -ECONNRESET);
	test_true(tls_error(a)[0] != '\0');
	tls_free(a);
	tls_free(b);
	(void)close(pair[0]);
	tls_client_free(client);
	stop_keeper(w);
}

static void
no_tls_at_all(void **state)
{
	static const struct slice words[] = { SLICE("GET / HTTP/1.0\r\n\r\n"),
		SLICE("EHLO client.example\r\nMAIL FROM:<>\r\n"),
		SLICE("\x16\x03\x01\xff\xff\x01"),
		SLICE("\x15\x03\x03\x00\x02\x02\x28"),
		SLICE("\x80\x80\x01\x03\x01\x00\x57\x00\x00\x00\x20") };
	struct world *w = *state;
	struct tls_client *client;

	test_int(tls_client_new(w->env, &client), 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct tls *sides[2];
		int pair[2];

		test_case("garbage");
		stream_pair(pair);
		test_int(tls_accept_new(w->server, pair[0], &sides[0]), 0);
		test_int(write(pair[1], words[i].at, words[i].len),
		    words[i].len);
		(void)shutdown(pair[1], SHUT_WR);
		test_true(tls_handshake(sides[0]) < 0 &&
		    tls_handshake(sides[0]) != -EAGAIN);
		tls_free(sides[0]);
		(void)close(pair[0]);
		(void)close(pair[1]);

		stream_pair(pair);
		test_int(tls_connect_new(client, pair[0], "x.example",
			     &sides[1]),
		    0);
		test_int(tls_handshake(sides[1]), -EAGAIN);
		test_int(write(pair[1], words[i].at, words[i].len),
		    words[i].len);
		(void)shutdown(pair[1], SHUT_WR);
		test_true(tls_handshake(sides[1]) < 0 &&
		    tls_handshake(sides[1]) != -EAGAIN);
		tls_free(sides[1]);
		(void)close(pair[0]);
		(void)close(pair[1]);
	}
	tls_client_free(client);
}

/* -- a keeper in trouble
 * ----------------------------------------------------------- */

static int
try_once(struct world *w, int version)
{
	struct stranger client;
	struct tls *t;
	int pair[2], r;

	stream_pair(pair);
	test_int(tls_accept_new(w->server, pair[0], &t), 0);
	stranger_open(&client, pair[1], version, NULL, "one.example");
	r = shake(t, &client);
	if (r == -EPROTO)
		test_true(strstr(tls_error(t), "keeper") != NULL);
	stranger_close(&client);
	tls_free(t);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return r;
}

static void
keeper_in_trouble(void **state)
{
	struct world *w = *state;
	int64_t begin;

	test_case("none yet");
	tls_server_set_keeper(w->server, -1);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_int(try_once(w, TLS1_2_VERSION), -EPROTO);

	test_case("refuses");
	start_keeper(w, REFUSES);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_case("refused before, signs now");
	w->mood = GOOD;
	test_int(try_once(w, TLS1_3_VERSION), 0);
	test_case("dies");
	stop_keeper(w);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_case("comes back");
	start_keeper(w, GOOD);
	test_int(try_once(w, TLS1_3_VERSION), 0);
	stop_keeper(w);

	test_case("answers nonsense: not asked again");
	start_keeper(w, MAD);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_int(w->asked, 1);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_int(w->asked, 1);
	stop_keeper(w);

	test_case("silent: two seconds, and then nobody waits again so soon");
	start_keeper(w, SILENT);
	begin = env_now(w->env);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_true(env_now(w->env) - begin >= 2 * TIME_SECOND);
	begin = env_now(w->env);
	test_int(try_once(w, TLS1_3_VERSION), -EPROTO);
	test_true(env_now(w->env) - begin < TIME_SECOND);
	test_case("awake: the late answer is not taken for this one");
	w->mood = LATE;
	(void)sleep(5);
	test_int(try_once(w, TLS1_3_VERSION), 0);
	stop_keeper(w);
}

/* -- certificates that are none
 * ------------------------------------------------------ */

static void
bad_chains(void **state)
{
	struct world *w = *state;
	struct slice good = buf_slice(&w->chains[0]);
	struct buf b;

	test_int(tls_server_add(w->server, 9, SLICE(""), SLICE("x"), false),
	    -EINVAL);
	test_int(tls_server_add(w->server, 9, SLICE("\xff\xff\xff\xff"),
		     SLICE("x"), false),
	    -EINVAL);
	test_int(tls_server_add(w->server, 9, slice_upto(good, good.len - 1),
		     SLICE("x"), false),
	    -EINVAL);
	test_int(tls_server_add(w->server, 9, good, SLICE("a\0b"), false),
	    -EINVAL);
	buf_init(&b, KEEPER_CHAIN_MAX);
	test_int(buf_add(&b, good), BUF_OK);
	test_int(buf_add_byte(&b, 0), BUF_OK);
	test_int(tls_server_add(w->server, 9, buf_slice(&b), SLICE("x"), false),
	    -EINVAL);
	buf_reset(&b, 0);
	/* A leaf and an issuer is a chain; replacing works. */
	test_int(buf_add(&b, good), BUF_OK);
	test_int(buf_add(&b, buf_slice(&w->chains[1])), BUF_OK);
	test_int(tls_server_add(w->server, KEY_EC, buf_slice(&b),
		     SLICE("one.example"), true),
	    0);
	start_keeper(w, GOOD);
	test_int(try_once(w, TLS1_3_VERSION), 0);
	stop_keeper(w);
	buf_deinit(&b);
}

TEST_MAIN(cmocka_unit_test_setup_teardown(by_name_and_version, setup, teardown),
    cmocka_unit_test_setup_teardown(bytes_both_ways, setup, teardown),
    cmocka_unit_test_setup_teardown(who_is_verified, setup, teardown),
    cmocka_unit_test_setup_teardown(sessions_under_the_same_wish, setup,
	teardown),
    cmocka_unit_test_setup_teardown(ends_without_a_word, setup, teardown),
    cmocka_unit_test_setup_teardown(no_tls_at_all, setup, teardown),
    cmocka_unit_test_setup_teardown(keeper_in_trouble, setup, teardown),
    cmocka_unit_test_setup_teardown(bad_chains, setup, teardown))
