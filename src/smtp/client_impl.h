/* SPDX-License-Identifier: ISC */
/*
 * smtp/client_impl - what the files of smtp/client share, and nobody else sees
 *
 *   client.c        phases, the dialogue, the end, what the driver asks
 *   client_hello.c  from the greeting to READY: EHLO, STARTTLS, AUTH
 *   client_mail.c   the envelope, the body, and the replies to them
 *   client_chunk.c  a body by BDAT
 *
 * The envelope is a row of items: RSET (when a transaction was left open),
 * MAIL, one RCPT for each recipient, DATA. With PIPELINING all are sent at
 * once and answered in order (RFC 2920), else one at a time.
 */
#ifndef SMTP_CLIENT_IMPL_H
#define SMTP_CLIENT_IMPL_H

#include "smtp/client.h"

enum {
	ITEM_RSET,
	ITEM_MAIL,
	ITEM_RCPT /* of recipient i - ITEM_RCPT; then DATA */
};

static inline size_t
client_item_data(const struct smtp_client *c)
{
	return ITEM_RCPT + c->mail.n_rcpts;
}

/* -- client.c -- */

/* Into the dialogue. */
void client_note(struct smtp_client *c, const char *mark, struct slice text);
/* The only assignment to phase. */
void client_enter(struct smtp_client *c, enum smtp_client_phase phase);
/* Ends the session for our own reason. Nothing the remote does wrong is a
 * 5xx. */
void client_fail(struct smtp_client *c, uint16_t subject, uint16_t detail,
    const char *why);
void client_fail_by_reply(struct smtp_client *c);
void client_fail_out_of_step(struct smtp_client *c);
/* The reply as an outcome; its text lives as long as the mail. When the arena
 * is full the codes remain. */
struct verdict client_verdict_of_reply(struct smtp_client *c);
bool client_is_class(const struct smtp_client *c, unsigned class);
bool client_is_refusal(const struct smtp_client *c);
void client_put(struct smtp_client *c, struct slice part);
/* One command: `text` has no line end. */
void client_say(struct smtp_client *c, const char *text);

/* -- client_hello.c: the replies of each phase -- */

void client_on_greeting(struct smtp_client *c);
void client_on_ehlo(struct smtp_client *c);
void client_on_helo(struct smtp_client *c);
void client_on_starttls(struct smtp_client *c);
void client_on_auth(struct smtp_client *c);
void client_say_hello(struct smtp_client *c, bool is_ehlo);

/* -- client_mail.c: the same -- */

void client_on_envelope(struct smtp_client *c);
void client_on_early(struct smtp_client *c);
void client_on_dot(struct smtp_client *c);
/* Recipients that are still open get this verdict; before DATA all of them,
 * after it those that the server had accepted. */
void client_settle(struct smtp_client *c, struct verdict v, bool is_local);
void client_end_mail(struct smtp_client *c);
/* 5.6.11 for all that are open; the session is of no more use. */
void client_fail_line_end(struct smtp_client *c);

/* -- client_chunk.c: a body by BDAT -- */

bool client_may_chunk(const struct smtp_client *c);
void client_begin_body(struct smtp_client *c);
size_t client_chunk_body(struct smtp_client *c, struct slice bytes);
void client_chunk_end(struct smtp_client *c);
/* The reply says that BDAT is not known, although CHUNKING was offered. */
bool client_is_chunk_unknown(const struct smtp_client *c);
void client_on_chunk(struct smtp_client *c);

#endif
