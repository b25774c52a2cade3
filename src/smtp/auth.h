/* SPDX-License-Identifier: ISC */
/*
 * smtp/auth - logging in at another server (RFC 4954), as a client
 *
 * The best of what is offered: SCRAM-SHA-256, SCRAM-SHA-1, PLAIN, LOGIN; the
 * last two only where nobody can listen, unless the caller says otherwise. With
 * SCRAM a server that does not show that it knows the password, too, is not
 * believed when it says yes. Pure; lines go in and out without CRLF; the caller
 * wipes what it was given to send.
 */
#ifndef SMTP_AUTH_H
#define SMTP_AUTH_H

#include "sasl/scram_client.h"

enum {
	SMTP_AUTH_SCRAM_SHA_256 = 1,
	SMTP_AUTH_SCRAM_SHA_1 = 2,
	SMTP_AUTH_PLAIN = 4,
	SMTP_AUTH_LOGIN = 8
};
enum {
	SMTP_LOGIN_LINE = 2048
};

struct smtp_auth_input {
	const char *user, *password;
	const char *nonce; /* for SCRAM; NULL: not that */
	unsigned offered;  /* SMTP_AUTH_* */
	bool may_say_password;
};

struct smtp_auth {
	unsigned mechanism;
	unsigned step;
	bool is_done; /* what is left is the server's yes */
	struct sasl_scram_client scram;
};

enum {
	SMTP_AUTH_SAY,     /* send the line */
	SMTP_AUTH_E_NONE,  /* nothing that both know */
	SMTP_AUTH_E_CLEAR, /* only what may not be said here */
	SMTP_AUTH_E_BAD    /* the server, or the password, is not sound */
};

/* SMTP_AUTH_* of one word of the offer; 0: another. */
unsigned smtp_auth_of(struct slice word);
/* "AUTH PLAIN ..." */
int smtp_auth_begin(struct smtp_auth *a, const struct smtp_auth_input *in,
    char line[SMTP_LOGIN_LINE]);
/* After a 334: what stood behind it. */
int smtp_auth_go_on(struct smtp_auth *a, const struct smtp_auth_input *in,
    struct slice challenge, char line[SMTP_LOGIN_LINE]);
const char *smtp_auth_name(const struct smtp_auth *a);

#endif
