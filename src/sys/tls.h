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
/* host: for SNI, and whose certificate it has to be for tls_is_verified; a
 * handshake succeeds without, too (opportunistic, RFC 7435). */
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
/* After the handshake, of a client's connection: the certificate is one for the
 * host (RFC 6125), and an authority that we trust says so. */
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
