/* SPDX-License-Identifier: ISC */
/*
 * sys/tls - TLS 1.2 and 1.3 on a non-blocking socket (RFC 8446, 5246)
 *
 * Server keys are never in this process: a server's certificate goes with a
 * key number, and the provider of tls_provider.c asks the keeper for each
 * handshake signature over a socketpair of its own.
 */
#ifndef SYS_TLS_H
#define SYS_TLS_H

#include "base/buf.h"
#include "base/slice.h"
#include "base/time.h"
#include "sys/env.h"

struct tls;        /* one connection */
struct tls_server; /* certificates by host name */
struct tls_client;

/* sign_fd: the socketpair to the keeper, or -1 until there is one (handshakes
 * fail cleanly then). The object owns it. */
int tls_server_new(struct env *env, struct tls_server **ret);
void tls_server_free(struct tls_server *s);
void tls_server_set_keeper(struct tls_server *s, int sign_fd);
/* chain: DER certificates, leaf first, each with its length before it (u32,
 * little-endian). names: host names with one space between; the first added
 * with is_default serves who names none or an unknown one. Adding a key number
 * again replaces it for new connections. 0, or -EINVAL. */
int tls_server_add(struct tls_server *s, uint32_t key, struct slice chain,
    struct slice names, bool is_default);
bool tls_server_has_key(const struct tls_server *s);
/* Before the first tls_server_add: clients are asked for a certificate, and
 * shown the names of these (PEM; may be empty). They need not have one. That
 * they have its key is checked here; whether it is good for anything, not. */
void tls_server_ask_certificates(struct tls_server *s, struct slice ca_pem);

int tls_client_new(struct env *env, struct tls_client **ret);
void tls_client_free(struct tls_client *c);

/* fd stays the caller's. */
int tls_accept_new(struct tls_server *s, int fd, struct tls **ret);
/* Certificates of authorities (PEM) to go by; -ENOENT: no such file, or nothing
 * of the kind in it. Without any nothing is ever verified. */
int tls_client_trust(struct tls_client *c, const char *path);

enum {
	TLS_NAMES = 4,
	TLS_TLSA = 32,
	TLS_SESSIONS = 500, /* kept for resumption */
	TLS_SESSION_KEY = 32,
	TLS_FACT_TEXT = 128
};
#define TLS_SESSION_TIME TIME_HOUR

/* RFC 6698, 2.1. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct slice data;
};

/* What is asked of a server. The handshake succeeds whatever the certificate
 * (opportunistic, RFC 7435): tls_facts says what it was worth. */
struct tls_wish {
	/* The first for SNI; the certificate is to be for one of them. None: it
	 * can be for nobody, and is never verified. */
	struct slice names[TLS_NAMES];
	size_t n_names;
	/* To go by these instead of the authorities (RFC 7672); those of forms
	 * that OpenSSL does not know are left out. */
	const struct tls_tlsa *tlsa;
	size_t n_tlsa;
	/* Which server it is (address and port): a session that was begun there
	 * under the very same wish may be resumed. Empty: none is. */
	struct slice place;
	bool is_firm; /* sessions without a verified certificate are not kept */
};
int tls_connect_wish(struct tls_client *c, int fd, const struct tls_wish *w,
    struct tls **ret);

enum tls_certificate {
	TLS_CERTIFICATE_GOOD,
	TLS_CERTIFICATE_NONE, /* or no name that it could be for */
	TLS_CERTIFICATE_HOST, /* for another name */
	TLS_CERTIFICATE_EXPIRED,
	TLS_CERTIFICATE_UNTRUSTED,
	TLS_CERTIFICATE_TLSA /* matches none of the records */
};

struct tls_facts {
	uint8_t certificate; /* enum tls_certificate */
	bool is_dane;        /* the records decided */
	bool is_resumed;
	const char *version, *cipher, *group;               /* never NULL */
	int64_t expires;                                    /* seconds UTC */
	char subject[TLS_FACT_TEXT], issuer[TLS_FACT_TEXT]; /* printable */
	char why[TLS_FACT_TEXT]; /* of a certificate that is not good */
};
/* Of a client's connection, after the handshake. */
const struct tls_facts *tls_facts(const struct tls *t);
/* Before the handshake: it tries to resume a session. */
bool tls_has_session(const struct tls *t);

/* As tls_connect_wish with that name alone; NULL or an address: none. */
int tls_connect_new(struct tls_client *c, int fd, const char *host,
    struct tls **ret);
void tls_free(struct tls *t);

/* 0 when done; -EAGAIN: wait for tls_wants(); -EPROTO: failed, tls_error says
 * why; -ECONNRESET. */
int tls_handshake(struct tls *t);
/* As env_recv and env_sendv; -EPROTO for bad records. 0 from recv: the peer's
 * close_notify, or its end without one. */
ssize_t tls_recv(struct tls *t, void *at, size_t n);
ssize_t tls_send(struct tls *t, const void *at, size_t n);
/* ENV_READ, ENV_WRITE: of the last call that said -EAGAIN, and of a send that
 * is still to be repeated, with the same bytes and maybe more behind them. */
unsigned tls_wants(const struct tls *t);
bool tls_has_pending(const struct tls *t); /* decrypted bytes wait inside */
void tls_goodbye(struct tls *t); /* sends close_notify, does not wait */
const char *tls_version(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);
/* After the handshake, of a client's connection: TLS_CERTIFICATE_GOOD. */
bool tls_is_verified(const struct tls *t);
const char *tls_error(const struct tls *t); /* one line, never NULL */

enum {
	TLS_BINDING_MAX = 64
};
/* What both ends of a server's connection know and nobody between them:
 * tls-exporter (RFC 9266), and tls-server-end-point (RFC 5929).
 * Returns how many bytes; 0: there is none. */
size_t tls_exporter(const struct tls *t, uint8_t at[TLS_BINDING_MAX]);
/* tls-unique, of TLS 1.2 with the extended master secret alone. */
size_t tls_unique(const struct tls *t, uint8_t at[TLS_BINDING_MAX]);
size_t tls_end_point(const struct tls *t, uint8_t at[TLS_BINDING_MAX]);

/* The certificate of which the client has shown that it has the key, and those
 * it sent along: as the chain of tls_server_add, cut where `out` is full. 0;
 * 1: it has none, or one that does not fit; -ENOMEM. */
int tls_peer_chain(const struct tls *t, struct buf *out);
bool tls_has_peer(const struct tls *t);

#endif
