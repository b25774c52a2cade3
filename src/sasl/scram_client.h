/* SPDX-License-Identifier: ISC */
/*
 * sasl/scram_client - the client's half of SCRAM (RFC 5802, 7677)
 *
 *   first():  n,,n=user,r=nonce            -> to the server
 *   final():  r=..,s=salt,i=N              <- c=biws,r=..,p=proof
 *   is_server(): v=signature               <- he knows the password too
 *
 * For our own logins at other servers. Without channel binding. The server is
 * a stranger until it has shown its signature: its texts are bounded, and how
 * much work it may ask for, too. Pure; holds no password, but what could check
 * one: the caller wipes it.
 */
#ifndef SASL_SCRAM_CLIENT_H
#define SASL_SCRAM_CLIENT_H

#include "base/buf.h"
#include "sasl/keys.h"

enum {
	SASL_CLIENT_FIRST_MAX = 640,
	SASL_CLIENT_SERVER_MAX = 1024, /* what the server may say */
	SASL_CLIENT_FINAL_MAX = 1024,
	SASL_CLIENT_ITERATIONS_MAX = 250 * 1000 /* a tenth of a second */
};

enum {
	SASL_CLIENT_OK,
	SASL_CLIENT_E_NAME,   /* the name or password cannot be used */
	SASL_CLIENT_E_SYNTAX, /* the server does not speak SCRAM */
	SASL_CLIENT_E_WORK    /* it asks for too little work, or too much */
};

struct sasl_scram_client {
	enum sasl_hash hash;
	size_t first_len; /* with "n,," */
	size_t nonce_len;
	char first[SASL_CLIENT_FIRST_MAX];
	char nonce[64];
	uint8_t signature[SASL_DIGEST_MAX]; /* the server's, as it must be */
	bool has_signature;
};

/* nonce: printable, without comma; 18 characters or more. c->first is to be
 * sent. */
int sasl_scram_client_first(struct sasl_scram_client *c, enum sasl_hash hash,
    struct slice user, struct slice nonce);
/* Appends what is to be sent. -ENOMEM. */
int sasl_scram_client_final(struct sasl_scram_client *c, struct slice password,
    struct slice server_first, struct buf *out);
bool sasl_scram_client_is_server(const struct sasl_scram_client *c,
    struct slice server_final);

#endif
