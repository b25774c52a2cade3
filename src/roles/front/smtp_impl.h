/* SPDX-License-Identifier: ISC */
/*
 * roles/front/smtp_impl - what the files of front/smtp share
 *
 * smtp.c drives the session (input, effects, the conn's calls), smtp_ask.c
 * sends its questions and takes the answers, smtp_body.c makes the message of
 * what streams by, smtp_filter.c and smtp_rewrite.c have it looked at and
 * changed by content filters. Nobody else includes this.
 */
#ifndef ROLES_FRONT_SMTP_IMPL_H
#define ROLES_FRONT_SMTP_IMPL_H

#include "mail/summary.h"
#include "roles/front/front.h"
#include "roles/front/login.h"
#include "roles/front/origin.h"
#include "roles/front/smtp_filter.h"
#include "smtp/server.h"
#include "sys/log.h"

enum {
	SMTP_GATHER = 16 * 1024, /* smaller parts of a body wait for more */
	/* A step gives at most LIMIT_CONN_IN, behind what was gathered. */
	SMTP_CREDIT_NEEDED = LIMIT_CONN_IN + 2 * SMTP_GATHER
};

struct smtp {
	struct smtp_server s;
	struct conn *conn;
	/* login */
	struct login login;
	uint32_t handle;
	bool handle_is_lost;          /* with the store that gave it */
	char user[LIMIT_ADDRESS + 1]; /* of the login */
	struct smtp_filter filter;
	/* a reply that is held back (e.delay_ms), and what follows it */
	struct env_timer tarpit;
	struct smtp_effect held;
	bool waits_for_origin; /* in WAIT_RCPT; for filters in WAIT_CONNECT */
	unsigned n_errors_told;
	/* transaction */
	uint64_t txn; /* 0: the store knows of none */
	bool txn_is_lost;
	uint32_t ticket;  /* of the question to the store that is open; or 0 */
	uint32_t looked_at; /* that was open at the last look, and at how many
			     * looks before (smtp_look.c) */
	unsigned n_looks;
	uint8_t verifies; /* VERIFY_* (store/flags.h), in WAIT_VRFY */
	/* body */
	struct id id;
	uint64_t body;
	bool body_is_open; /* at the store */
	bool body_has_failed;
	uint64_t credit;
	uint32_t relay_from;
	uint32_t trace_len; /* of the fields that we put in front */
	uint64_t stored;    /* octets of the body, with them */
	struct buf gathered;
	struct summary *summary;
	bool is_stalled, is_stopping, is_eating;
	/* env_now() when the line now read, the body, a stall began; 0: none */
	int64_t line_since, body_since, stall_since;
};

static inline struct smtp *
smtp_of(struct conn *c)
{
	return conn_session(c);
}

static inline struct channel *
store_of(struct conn *c)
{
	return conn_front(c)->store;
}

static inline struct verdict
verdict_of(const struct wire_verdict *w)
{
	return (struct verdict){ w->code, { w->class, w->subject, w->detail },
		w->text };
}

/* smtp.c: carries out what the session wants. */
void smtp_act(struct conn *c, const struct smtp_effect *e);
void smtp_goodbye(struct conn *c, enum smtp_say why);
/* After an answer: goes on to read. */
void smtp_go_on(struct conn *c);
/* The store, or a slow reader, may have caught up. */
void smtp_unstall(struct conn *c);

/* smtp_ask.c: answers to the session, then its wishes. */
void smtp_answer(struct conn *c, struct verdict v);
/* 451 to whatever is asked. */
void smtp_answer_trouble(struct conn *c);
/* smtp_look.c: the store or the keeper has been asked; and whether that has
 * lasted too long. */
void smtp_waits(struct conn *c);
bool smtp_look(struct conn *c);
void smtp_do_connect(struct conn *c);
void smtp_do_helo(struct conn *c);
void smtp_do_mail(struct conn *c);
void smtp_do_rcpt(struct conn *c);
void smtp_do_auth(struct conn *c, struct slice initial);
void smtp_do_auth_step(struct conn *c, struct slice response);
void smtp_do_data(struct conn *c);
void smtp_do_vrfy(struct conn *c, uint8_t how);
/* rows: of EXPN, or NULL */
void smtp_answer_vrfy(struct conn *c, struct verdict v,
    const struct wire_list *rows);
void smtp_do_commit(struct conn *c);
void smtp_on_login(struct conn *c, enum login_result how,
    struct slice challenge);
void smtp_on_auth_challenge(struct conn *c, uint32_t ticket,
    const struct wire_auth_challenge *m);
void smtp_on_auth_refused(struct conn *c, uint32_t ticket,
    const struct wire_auth_refused *m);
void smtp_on_handle(struct conn *c, uint32_t ticket,
    const struct wire_handle *m);
void smtp_on_mail_answer(struct conn *c, uint32_t ticket,
    const struct wire_mail_answer *m);
void smtp_on_rcpt_answer(struct conn *c, uint32_t ticket,
    const struct wire_rcpt_answer *m);
void smtp_on_done(struct conn *c, uint32_t ticket, const struct wire_done *m);
void smtp_drop_handle(struct conn *c);

/* Once the filters have nothing against it. */
void smtp_commit_now(struct conn *c);
/* It was refused, or nothing of it is kept. */
void smtp_log_mail(struct conn *c, const struct verdict *v);
void smtp_log_refused_rcpt(struct conn *c, const struct verdict *v);

/* smtp_filter.c, smtp_rewrite.c: what they share */
void smtp_filter_trouble(struct conn *c);
void smtp_filter_next_edit(struct conn *c);
void smtp_rewrite_sender(struct conn *c, struct slice sender);
void smtp_rewrite_forget(struct conn *c);

/* smtp_body.c */
void smtp_emit(struct conn *c, struct slice part);
void smtp_do_begin(struct conn *c);
void smtp_do_body(struct conn *c, struct slice body);
int smtp_send_gathered(struct conn *c);
void smtp_refuse_body(struct conn *c);
void smtp_forget_body(struct conn *c);
void smtp_forget_transaction(struct conn *c);
void smtp_on_body_credit(struct conn *c, const struct wire_body_credit *m);
void smtp_on_body_refused(struct conn *c, const struct wire_body_refused *m);

/* smtp.c: the conn is somebody else's (XCLIENT). */
void smtp_do_xclient(struct conn *c, struct slice args);
/* smtp.c: at the end of a message that the session itself refused. */
void smtp_log_refused_mail(struct conn *c);

#endif
