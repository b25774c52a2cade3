/* SPDX-License-Identifier: ISC */
/*
 * smtp/server_impl - what the files of smtp/server share among themselves
 *
 * server.c has the states, the table of verbs and the small ones; server_helo.c
 * the beginning (connection, EHLO, HELO, STARTTLS), server_auth.c logins,
 * server_mail.c the envelope, server_data.c the message. Nobody else includes
 * this. A verb's function runs only in the states of its row; it fills the
 * effect, which is empty when it is called.
 */
#ifndef SMTP_SERVER_IMPL_H
#define SMTP_SERVER_IMPL_H

#include "smtp/server.h"

#define IN(state) (1u << (state))

/* With server_leave_wait the only one to set s->state; READY and NEW clear the
 * transaction. */
void server_enter(struct smtp_server *s, enum smtp_server_state state);
/* To WAIT_HELO, WAIT_VRFY or EAT; the transaction stays. */
void server_wait(struct smtp_server *s, enum smtp_server_state state);
/* From there to the state before. */
void server_leave_wait(struct smtp_server *s);
/* The promises of server.h, checked around every step. */
void server_check(const struct smtp_server *s);

/* -- saying ---------------------------------------------------------------- */

void server_say(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say which);
void server_say_verdict(struct smtp_server *s, struct smtp_effect *e,
    const struct verdict *v);
/* A no, with what a person needs to ask about it: whom, when it is for good
 * and policy's or about a message, and the id of that message. */
void server_say_no(struct smtp_server *s, struct smtp_effect *e,
    const struct verdict *v, bool is_of_message);
/* A last word. */
void server_say_and_close(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say which);
/* For what no well-made client sends. */
void server_complain(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say which);
void server_complain_verdict(struct smtp_server *s, struct smtp_effect *e,
    const struct verdict *v);
/* A reply to what should not be: held back after many of them. */
void server_hold_back(const struct smtp_server *s, struct smtp_effect *e);
/* One more line of a reply that is made by hand; s->out_len = 0 begins it. */
void server_add_line(struct smtp_server *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* For what is in order but moves no mail; true: the session is over. */
bool server_is_idle_too_long(struct smtp_server *s, struct smtp_effect *e);
/* Back to READY; the owner forgets recipients and body. */
void server_end_transaction(struct smtp_server *s, struct smtp_effect *e);

/* To whom VRFY or EXPN answers; who: enum smtp_told. */
enum smtp_say server_helo_first(const struct smtp_server *s);
bool server_is_told(const struct smtp_server *s, uint8_t who);
bool server_is_submission(const struct smtp_server *s);
/* AUTH is offered: a login can begin, or could have. */
bool server_can_auth(const struct smtp_server *s);
/* SMTP_EXT_* that were said in the reply to EHLO; none after HELO. */
unsigned server_offers(const struct smtp_server *s);

/* -- verbs ----------------------------------------------------------------- */

#define VERB_FUNCTION(name)                                                    \
	void name(struct smtp_server *s, struct slice args,                    \
	    struct smtp_effect *e)
VERB_FUNCTION(server_on_ehlo);
VERB_FUNCTION(server_on_helo);
VERB_FUNCTION(server_on_starttls);
VERB_FUNCTION(server_on_xclient);
VERB_FUNCTION(server_on_auth);
VERB_FUNCTION(server_on_mail);
VERB_FUNCTION(server_on_rcpt);
VERB_FUNCTION(server_on_data);
VERB_FUNCTION(server_on_bdat);

/* A line in AUTH_LINE. */
void server_on_auth_line(struct smtp_server *s, struct slice line,
    struct smtp_effect *e);
/* Leaves AUTH_LINE. */
void server_abort_auth(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say why);
/* Bytes in DATA; returns how many are eaten. */
size_t server_step_data(struct smtp_server *s, struct slice in,
    struct smtp_effect *e);
/* The same in CHUNK and EAT. */
size_t server_step_chunk(struct smtp_server *s, struct slice in,
    struct smtp_effect *e);

/* -- answers: each in its WAIT state; 2yz, 4yz or 5yz, never 421 ----------- */

#define ANSWER_FUNCTION(name)                                                  \
	void name(struct smtp_server *s, const struct verdict *v,              \
	    struct smtp_effect *e)
ANSWER_FUNCTION(server_answer_connect);
ANSWER_FUNCTION(server_answer_helo);
ANSWER_FUNCTION(server_answer_vrfy);
ANSWER_FUNCTION(server_answer_mail);
ANSWER_FUNCTION(server_answer_rcpt);
ANSWER_FUNCTION(server_answer_data);
ANSWER_FUNCTION(server_answer_commit);

#endif
