/* SPDX-License-Identifier: ISC */
/*
 * sys/tls_client - what a client asks of a server's certificate
 *
 * Every certificate is held against the names and the authorities, or against
 * TLSA records, and what came of it is kept as facts: whoever connects decides
 * whether they are enough. A session is resumed only at the same server under
 * the same wish (names, records), with the facts of its first handshake, and
 * not once its certificate has expired: so a resumed session is never worth
 * more than a full one would be. Sessions stay in memory.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/time.h"
#include "sys/tls_impl.h"

enum {
	PEER_CHAIN_MAX = 64 * 1024, /* what a server may send of certificates */
	NAME_MAX_TEXT = 256
};

struct session {
	struct list link;
	uint8_t key[TLS_SESSION_KEY];
	SSL_SESSION *ssl;
	struct tls_facts facts;
	int64_t until; /* env_now */
};

struct tls_client {
	struct tls_machine machine;
	SSL_CTX *ctx;
	struct list sessions; /* oldest first */
	size_t n_sessions;
};

/* -- sessions ------------------------------------------------------------ */

static void
session_free(struct tls_client *c, struct session *s)
{
	list_remove(&s->link);
	c->n_sessions--;
	SSL_SESSION_free(s->ssl);
	free(s);
}

/* Called when the server has sent a ticket, in TLS 1.3 any time later: 1 when
 * the session is ours now. */
static int
on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);
	struct tls_client *c = t->client;
	struct session *s;

	if (!t->has_key || !t->has_facts ||
	    (t->is_firm && t->facts.certificate != TLS_CERTIFICATE_GOOD) ||
	    SSL_SESSION_is_resumable(session) != 1)
		return 0;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return 0;
	if (c->n_sessions >= TLS_SESSIONS)
		session_free(c,
		    LIST_ENTRY(c->sessions.next, struct session, link));
	memcpy(s->key, t->key, sizeof(s->key));
	s->ssl = session;
	s->facts = t->facts;
	s->until = env_now(t->env) + TLS_SESSION_TIME;
	list_add_last(&c->sessions, &s->link);
	c->n_sessions++;
	return 1;
}

static bool
is_over(const struct session *s, struct env *env)
{
	return env_now(env) >= s->until ||
	    (!s->facts.is_dane &&
		env_wall(env) / TIME_SECOND >= s->facts.expires);
}

/* The newest that fits. Of TLS 1.3 each is used once (RFC 8446, C.4). */
static void
resume(struct tls *t)
{
	struct tls_client *c = t->client;

	for (struct list *it = c->sessions.prev, *next; it != &c->sessions;
	     it = next) {
		struct session *s = LIST_ENTRY(it, struct session, link);

		next = it->prev;
		if (is_over(s, t->env)) {
			session_free(c, s);
			continue;
		}
		if (memcmp(s->key, t->key, sizeof(s->key)) != 0)
			continue;
		if (SSL_set_session(t->ssl, s->ssl) == 1)
			t->facts = s->facts;
		else
			ERR_clear_error();
		t->facts.is_resumed = SSL_get_session(t->ssl) != NULL;
		if (SSL_SESSION_get_protocol_version(s->ssl) >= TLS1_3_VERSION)
			session_free(c, s);
		return;
	}
}

static bool
digest_slice(EVP_MD_CTX *md, struct slice s)
{
	uint32_t n = (uint32_t)s.len;

	return EVP_DigestUpdate(md, &n, sizeof(n)) == 1 &&
	    (s.len == 0 || EVP_DigestUpdate(md, s.at, s.len) == 1);
}

/* All that decides what a session is worth. */
static bool
make_key(struct tls *t, const struct tls_wish *w)
{
	EVP_MD *sha = EVP_MD_fetch(t->client->machine.lib, "SHA256", NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	bool ok = sha != NULL && md != NULL &&
	    EVP_DigestInit_ex(md, sha, NULL) == 1 &&
	    digest_slice(md, w->place) &&
	    EVP_DigestUpdate(md, &w->is_firm, sizeof(w->is_firm)) == 1;

	for (size_t i = 0; ok && i < w->n_names; i++)
		ok = digest_slice(md, w->names[i]);
	for (size_t i = 0; ok && i < w->n_tlsa; i++) {
		const struct tls_tlsa *r = &w->tlsa[i];
		uint8_t head[3] = { r->usage, r->selector, r->matching };

		ok = digest_slice(md, slice_of(head, sizeof(head))) &&
		    digest_slice(md, r->data);
	}
	ok = ok && EVP_DigestFinal_ex(md, t->key, NULL) == 1;
	EVP_MD_CTX_free(md);
	EVP_MD_free(sha);
	ERR_clear_error();
	return ok;
}

bool
tls_has_session(const struct tls *t)
{
	return t->facts.is_resumed && !t->has_facts;
}

/* -- clients ------------------------------------------------------------- */

/* Opportunistic: a weak certificate is better than none at all, as nobody
 * looks at it (RFC 7435, section 3). */
int
tls_client_new(struct env *env, struct tls_client **ret)
{
	struct tls_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return -ENOMEM;
	list_init(&c->sessions);
	if (tls_machine_init(&c->machine, env) < 0) {
		free(c);
		return -ENOMEM;
	}
	c->ctx = tls_context_new(&c->machine, TLS_client_method());
	if (c->ctx == NULL || SSL_CTX_dane_enable(c->ctx) != 1) {
		tls_client_free(c);
		return -ENOMEM;
	}
	SSL_CTX_set_security_level(c->ctx, 1);
	SSL_CTX_set_max_cert_list(c->ctx, PEER_CHAIN_MAX);
	(void)SSL_CTX_set_session_cache_mode(c->ctx,
	    SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c->ctx, on_session);
	*ret = c;
	return 0;
}

void
tls_client_free(struct tls_client *c)
{
	if (c == NULL)
		return;
	while (!list_is_empty(&c->sessions))
		session_free(c,
		    LIST_ENTRY(c->sessions.next, struct session, link));
	SSL_CTX_free(c->ctx);
	tls_machine_deinit(&c->machine);
	free(c);
}

int
tls_client_trust(struct tls_client *c, const char *path)
{
	int ok = SSL_CTX_load_verify_file(c->ctx, path);

	ERR_clear_error();
	return ok == 1 ? 0 : -ENOENT;
}

/* -- what is asked for --------------------------------------------------- */

/* RFC 7672, 3.1.1 and 3.2: usage 3 looks at no name and no date, usage 2 at all
 * of the names. A record that OpenSSL cannot use is one of a key or certificate
 * that is none. */
static bool
ask_dane(struct tls *t, const struct tls_wish *w, const char *base)
{
	bool has_one = false;

	if (SSL_dane_enable(t->ssl, base) != 1)
		return false;
	(void)SSL_dane_set_flags(t->ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
	for (size_t i = 0; i < w->n_tlsa; i++) {
		const struct tls_tlsa *r = &w->tlsa[i];

		if (SSL_dane_tlsa_add(t->ssl, r->usage, r->selector,
			r->matching, r->data.at, r->data.len) == 1)
			has_one = true;
		ERR_clear_error();
	}
	return has_one;
}

/* What is not strong enough may be used, but is not called verified; the key in
 * a TLSA record is its owner's choice. */
static void
ask_names(struct tls *t, const struct tls_wish *w)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	char name[NAME_MAX_TEXT];

	for (size_t i = 0; i < w->n_names; i++) {
		if (w->names[i].len == 0 ||
		    !slice_to_cstr(w->names[i], name, sizeof(name)))
			continue;
		if (i == 0 && SSL_set_tlsext_host_name(t->ssl, name) != 1)
			ERR_clear_error();
		if (i == 0 && w->n_tlsa > 0)
			t->has_dane = ask_dane(t, w, name);
		if ((t->has_host ? SSL_add1_host(t->ssl, name)
				 : SSL_set1_host(t->ssl, name)) == 1)
			t->has_host = true;
		ERR_clear_error();
	}
	X509_VERIFY_PARAM_set_auth_level(param, t->has_dane ? 1 : 2);
	/* RFC 8461, 4.2: a DNS-ID; RFC 7672, 3.2.3: or a CN without any */
	SSL_set_hostflags(t->ssl,
	    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
		(t->has_dane ? 0u : X509_CHECK_FLAG_NEVER_CHECK_SUBJECT));
}

int
tls_connect_wish(struct tls_client *c, int fd, const struct tls_wish *w,
    struct tls **ret)
{
	struct tls *t;
	int r = tls_new(&c->machine, c->ctx, fd, &t);

	assert(w->n_names <= TLS_NAMES && w->n_tlsa <= TLS_TLSA);
	if (r < 0)
		return r;
	t->client = c;
	t->is_firm = w->is_firm;
	SSL_set_app_data(t->ssl, t);
	ask_names(t, w);
	if (w->place.len > 0 && make_key(t, w)) {
		t->has_key = true;
		resume(t);
	} else {
		(void)SSL_set_options(t->ssl, SSL_OP_NO_TICKET);
	}
	SSL_set_connect_state(t->ssl);
	t->wants = ENV_WRITE;
	*ret = t;
	return 0;
}

int
tls_connect_new(struct tls_client *c, int fd, const char *host,
    struct tls **ret)
{
	struct tls_wish wish = { .n_names = 0 };
	struct env_addr literal;

	/* An address is no name to ask for (RFC 6066, section 3). */
	if (host != NULL && host[0] != '\0' &&
	    !env_addr_parse(slice_cstr(host), &literal))
		wish.names[wish.n_names++] = slice_cstr(host);
	return tls_connect_wish(c, fd, &wish, ret);
}

/* -- what was found ------------------------------------------------------ */

static void
print_name(const X509_NAME *name, char text[TLS_FACT_TEXT])
{
	BIO *out = BIO_new(BIO_s_mem());
	int n = 0;

	if (out != NULL && name != NULL &&
	    X509_NAME_print_ex(out, name, 0,
		XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_UTF8_CONVERT) >=
		0)
		n = BIO_read(out, text, TLS_FACT_TEXT - 1);
	text[n > 0 ? n : 0] = '\0';
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~' || *c == '"')
			*c = '?';
	BIO_free(out);
	ERR_clear_error();
}

static uint8_t
certificate_of(const struct tls *t, const X509 *leaf)
{
	if (leaf == NULL || !t->has_host)
		return TLS_CERTIFICATE_NONE;
	switch (SSL_get_verify_result(t->ssl)) {
	case X509_V_OK:
		return TLS_CERTIFICATE_GOOD;
	case X509_V_ERR_HOSTNAME_MISMATCH:
		return TLS_CERTIFICATE_HOST;
	case X509_V_ERR_CERT_HAS_EXPIRED:
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return TLS_CERTIFICATE_EXPIRED;
	case X509_V_ERR_DANE_NO_MATCH:
		return TLS_CERTIFICATE_TLSA;
	default:
		return TLS_CERTIFICATE_UNTRUSTED;
	}
}

static int64_t
expiry_of(const X509 *leaf)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(leaf), &tm) != 1) {
		ERR_clear_error();
		return 0;
	}
	return (int64_t)timegm(&tm);
}

static void
look_at_leaf(struct tls *t, X509 *leaf)
{
	struct tls_facts *f = &t->facts;

	*f = (struct tls_facts){ .is_dane = t->has_dane };
	f->certificate = certificate_of(t, leaf);
	if (leaf != NULL) {
		print_name(X509_get_subject_name(leaf), f->subject);
		print_name(X509_get_issuer_name(leaf), f->issuer);
		f->expires = expiry_of(leaf);
	}
	if (f->certificate == TLS_CERTIFICATE_NONE)
		(void)snprintf(f->why, sizeof(f->why), "%s",
		    leaf == NULL ? "no certificate" : "no name to check");
	else if (f->certificate != TLS_CERTIFICATE_GOOD)
		(void)snprintf(f->why, sizeof(f->why), "%s",
		    X509_verify_cert_error_string(
			SSL_get_verify_result(t->ssl)));
}

static const char *
group_of(SSL *ssl)
{
	long nid = SSL_get_negotiated_group(ssl);
	const char *name =
	    nid > 0 && nid < TLSEXT_nid_unknown ? OBJ_nid2sn((int)nid) : NULL;

	ERR_clear_error();
	return name == NULL ? "" : name;
}

void
tls_note_facts(struct tls *t)
{
	bool is_resumed = SSL_session_reused(t->ssl) == 1;

	if (t->has_facts)
		return;
	/* of a resumed session the facts came with it */
	if (!is_resumed)
		look_at_leaf(t, SSL_get0_peer_certificate(t->ssl));
	t->facts.is_resumed = is_resumed;
	t->facts.version = SSL_get_version(t->ssl);
	t->facts.cipher = SSL_get_cipher_name(t->ssl);
	t->facts.group = group_of(t->ssl);
	t->has_facts = true;
}

const struct tls_facts *
tls_facts(const struct tls *t)
{
	assert(t->has_facts);
	return &t->facts;
}

bool
tls_is_verified(const struct tls *t)
{
	return t->has_facts && t->facts.certificate == TLS_CERTIFICATE_GOOD;
}
