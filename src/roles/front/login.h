/* SPDX-License-Identifier: ISC */
/*
 * roles/front/login - the login that IMAP and POP3 share
 *
 * A password goes to the keeper (AUTH_TRY); what comes back is a HANDLE of the
 * store, or a refusal that is told only after the time the keeper says, which
 * slows guessing down. One login at a time for a conn. Owns a timer and the
 * handle, which is given back with the conn. Also says what a verdict about a
 * mailbox means.
 */
#ifndef ROLES_FRONT_LOGIN_H
#define ROLES_FRONT_LOGIN_H

#include "roles/front/front.h"
#include "store/flags.h"

enum login_result {
	LOGIN_YES,
	LOGIN_NO,
	LOGIN_LATER
};

struct login {
	struct conn *conn;
	const char *service; /* "imap" */
	void (*done)(struct conn *c, enum login_result how);
	/* login.c's own */
	struct env_timer refusal;
	bool is_waiting, is_temporary;
	uint32_t handle; /* 0: not logged in */
	uint64_t account;
};

void login_init(struct login *l, struct conn *c, const char *service,
    void (*done)(struct conn *c, enum login_result how));
void login_deinit(struct login *l);
/* False: nobody can be asked now. */
bool login_try(struct login *l, struct slice user, struct slice secret,
    struct slice authzid);
void login_on_refused(struct login *l, const struct wire_auth_refused *m);
void login_on_handle(struct login *l, const struct wire_handle *m);
/* The store or the keeper is gone. */
void login_on_lost(struct login *l, enum wire_role peer);

/* An answer about mailboxes: one of BOX_*, other codes by their class. */
unsigned box_code(const struct wire_verdict *v);

#endif
