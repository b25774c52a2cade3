/* SPDX-License-Identifier: ISC */
/*
 * pop3/session_impl - what the files of a POP3 session share
 *
 *   session.c       saying, logging in, the table of commands, lines, its life
 *   session_mail.c  the messages: STAT, LIST, UIDL, DELE, RETR, TOP, QUIT
 */
#ifndef POP3_SESSION_IMPL_H
#define POP3_SESSION_IMPL_H

#include "base/limits.h"
#include "pop3/session.h"
#include "pop3/stuff.h"

enum {
	PUMP_ROOM = 4096,
	OUT_MAX = 4 * POP3_ASK_BYTES, /* one window, every byte a bare LF */
	SASL_MAX = LIMIT_SMTP_AUTH_LINE,
	ROWS_PIECE = 100,
	AUTHS_MAX = 5
};

typedef void pop3_then_fn(struct pop3_session *s, const struct pop3_answer *a);
typedef void pop3_more_fn(struct pop3_session *s);

struct pop3_session {
	const struct pop3_host *host;
	void *ctx;
	const struct pop3_config *config;
	enum pop3_state state;
	bool has_tls, wants_tls, is_sasl, is_too_long;
	unsigned n_errors, n_auths;
	struct buf line, out;
	char user[LIMIT_ADDRESS + 1];
	bool has_user;

	struct pop3_row *rows;
	size_t n, size;
	size_t n_deleted;

	pop3_then_fn *then;
	enum pop3_question asked;
	pop3_more_fn *more;
	bool is_uidl;
	size_t at; /* row of LIST, UIDL, RETR, of the deletion */
	uint32_t *uids;
	bool has_failed;

	struct pop3_stuff stuff;
	uint64_t read, window_end, total;
	bool has_begun;
};

/* -- session.c -- */

void pop3_drain(struct pop3_session *s);
void pop3_end(struct pop3_session *s);
void pop3_say(struct pop3_session *s, const char *text);
void pop3_err(struct pop3_session *s, const char *text);
bool pop3_ask(struct pop3_session *s, const struct pop3_ask *question,
    pop3_then_fn *then);
const char *pop3_trouble(enum pop3_result result);
void pop3_leave(struct pop3_session *s);

/* -- session_mail.c -- */

void pop3_on_stat(struct pop3_session *s, struct slice args);
void pop3_on_list(struct pop3_session *s, struct slice args);
void pop3_on_uidl(struct pop3_session *s, struct slice args);
void pop3_on_dele(struct pop3_session *s, struct slice args);
void pop3_on_rset(struct pop3_session *s, struct slice args);
void pop3_on_noop(struct pop3_session *s, struct slice args);
void pop3_on_retr(struct pop3_session *s, struct slice args);
void pop3_on_top(struct pop3_session *s, struct slice args);
void pop3_on_quit(struct pop3_session *s, struct slice args);

#endif
