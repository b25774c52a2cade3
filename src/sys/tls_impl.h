/* SPDX-License-Identifier: ISC */
/*
 * sys/tls_impl - what the files of sys/tls share, and nobody else sees
 *
 *   tls.c         connections of both sides
 *   tls_server.c  the server's side: certificates by name
 *   tls_client.c  the client's side: what it asks of a server's certificate,
 *                 what it found, sessions to be resumed
 */
#ifndef SYS_TLS_IMPL_H
#define SYS_TLS_IMPL_H

#include <openssl/bio.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>

#include "sys/tls.h"

enum {
	TLS_ERROR_TEXT = 160
};

/* What both sides need: an OpenSSL of our own that reads no openssl.cnf and
 * loads no module, and a BIO over env. */
struct tls_machine {
	struct env *env;
	OSSL_LIB_CTX *lib;
	OSSL_PROVIDER *standard;
	BIO_METHOD *bio;
};

struct tls {
	struct env *env;
	SSL *ssl;
	int fd, io_error, failed;
	unsigned wants, send_wants; /* of the last call; of a send that waits */
	char error[TLS_ERROR_TEXT];

	/* a client's */
	struct tls_client *client;
	uint8_t key[TLS_SESSION_KEY]; /* of what was asked for */
	bool has_key, is_firm, has_dane, has_facts;
	bool has_host; /* to be verified */
	struct tls_facts facts;
};

int tls_machine_init(struct tls_machine *m, struct env *env);
void tls_machine_deinit(struct tls_machine *m);
SSL_CTX *tls_context_new(struct tls_machine *m, const SSL_METHOD *method);
int tls_new(struct tls_machine *m, SSL_CTX *ctx, int fd, struct tls **ret);
/* The handshake of a client's connection is done. */
void tls_note_facts(struct tls *t);

#endif
