/* SPDX-License-Identifier: ISC */
/*
 * roles/front/login - logging in, for every protocol
 *
 * Carries the words of a login between the client and the keeper: base 64 on
 * one side, bytes on the other, understood by neither (AUTH_START, AUTH_STEP,
 * AUTH_CHALLENGE). What comes back at the end is a HANDLE of the store, or a
 * refusal that is told only after the time the keeper says, which slows
 * guessing down. One login at a time for a conn, matched by its ticket. Owns a
 * timer and the handle, which is given back with the conn. Also says what a
 * verdict about a mailbox means.
 */
#ifndef ROLES_FRONT_LOGIN_H
#define ROLES_FRONT_LOGIN_H

#include "roles/front/front.h"
#include "sasl/sasl.h"
#include "store/flags.h"

enum login_result {
	LOGIN_YES,
	LOGIN_NO,
	LOGIN_LATER,
	LOGIN_MALFORMED,
	LOGIN_CHALLENGE /* not the end: login_step or login_abort follows */
};

struct login {
	struct conn *conn;
	const char *service; /* "imap" */
	/* challenge: only with LOGIN_CHALLENGE. Never called from inside of
	 * login_start and its like. */
	void (*done)(struct conn *c, enum login_result how,
	    struct slice challenge);
	/* login.c's own */
	struct env_timer refusal;
	struct env_defer later; /* what could not be sent is said soon */
	uint8_t soon;           /* enum login_result, for it */
	bool is_open;           /* the keeper has a login of ours */
	bool is_waiting;        /* for its answer, or to say it */
	bool is_try;            /* what PLAIN cannot hold is just wrong */
	uint32_t ticket;
	uint32_t handle;  /* 0: not logged in */
	unsigned n_looks; /* that saw it wait for this answer */
	uint64_t account;
};

/* The mechanisms that may be offered on this conn now (sasl/mechanism.h). */
unsigned login_mechanisms(struct conn *c);

void login_init(struct login *l, struct conn *c, const char *service,
    void (*done)(struct conn *c, enum login_result how,
	struct slice challenge));
void login_deinit(struct login *l);
/* Each is answered by done(). Responses are in base 64, as they came. */
void login_start(struct login *l, enum sasl_mechanism mechanism,
    const struct slice *initial);
void login_step(struct login *l, struct slice response);
/* A name and a password that were said otherwise: as PLAIN. */
void login_try(struct login *l, struct slice user, struct slice secret);
/* No answer is wanted any more. */
void login_abort(struct login *l);
/* conn_proto.look: whether it waits for keeper or store. When that has lasted
 * too long, done(LOGIN_LATER). */
bool login_look(struct login *l);
/* The caller's now. */
uint32_t login_take_handle(struct login *l);

void login_on_challenge(struct login *l, uint32_t ticket,
    const struct wire_auth_challenge *m);
void login_on_refused(struct login *l, uint32_t ticket,
    const struct wire_auth_refused *m);
void login_on_handle(struct login *l, uint32_t ticket,
    const struct wire_handle *m);
/* The store or the keeper is gone. */
void login_on_lost(struct login *l, enum wire_role peer);

/* An answer about mailboxes: one of BOX_*, other codes by their class. */
unsigned box_code(const struct wire_verdict *v);

#endif
