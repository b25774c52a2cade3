/* SPDX-License-Identifier: ISC */
/*
 * roles/control/control - what the files of the control role share
 *
 * control.c: the role, its peers and its socket. conn.c: one admin's
 * connection. request.c: a line of JSON into fields, fields into a line; no
 * input or output there, so that it can be tested and fuzzed alone.
 */
#ifndef ROLES_CONTROL_CONTROL_H
#define ROLES_CONTROL_CONTROL_H

#include "base/buf.h"
#include "base/id.h"
#include "hook/hook.h"
#include "policy/route.h"
#include "roles/role.h"

enum {
	CONTROL_CONNS = 64,
	CONTROL_LINE = 128 * 1024,      /* a request */
	CONTROL_OUT = 16 * 1024 * 1024, /* an answer not yet read */
	CONTROL_COMMAND = 32,           /* as in ADMIN_ASK */
	CONTROL_ARGS = 32,
	CONTROL_OWN = 256,
	CONTROL_FIELD = 1024 /* the same */
};

struct control_peer {
	struct channel channel;
	struct control *control;
	bool is_there;
};

/* How a content filter fares, as the role hook says (HOOK_STATE). */
struct control_filter {
	uint8_t state;
	char why[HOOK_WHY];
};

struct control {
	struct role *role;
	struct control_peer store, keeper, hook, resolver, fetcher;
	struct route_own own[CONTROL_OWN]; /* at which we answer */
	size_t n_own;
	struct control_filter filters[LIMIT_HOOKS];
	struct env_watch listener;
	bool is_listening;
	struct list conns; /* of struct control_conn */
	size_t n_conns;
	uint64_t next_session;
	uint64_t next_body;   /* bulk.c */
	struct id_source ids; /* the same */
};

/* A parsed request. Wiped and freed by request_deinit. */
struct control_request {
	char command[CONTROL_COMMAND + 1];
	struct buf fields; /* wire_field rows, without password and days */
	uint16_t n_fields;
	struct buf password; /* empty: none given */
	struct buf hash;     /* made elsewhere, in place of one */
	char address[LIMIT_ADDRESS + 1];
	struct buf names; /* key add */
	struct buf token_keys;
	uint32_t days;
	bool has_verifier;
};

enum {
	CONTROL_OK,
	CONTROL_E_REQUEST
};

/* CONTROL_OK; CONTROL_E_REQUEST with a sentence in *ret_why; -ENOMEM. What is
 * in *ret must be given to request_deinit in every case. */
int control_request_parse(struct slice line, struct control_request *ret,
    const char **ret_why);
void control_request_deinit(struct control_request *r);
/* A long value becomes several fields. CONTROL_OK, CONTROL_E_REQUEST when
 * there are too many, -ENOMEM. */
int control_field_add(struct control_request *r, struct slice name,
    struct slice value);

/* Adds {"row": {...}} and a line end; octets that are not UTF-8 become U+FFFD.
 * 0, BUF_E_FULL, -ENOMEM. */
int control_row_print(struct wire_list fields, struct buf *out);
int control_end_print(const struct wire_verdict *v, struct buf *out);

/* -- conn.c -----------------------------------------------------------------
 */

struct control_conn;

void control_conn_new(struct control *c, int fd); /* takes over fd */
void control_conn_free(struct control_conn *conn);
struct control_conn *control_conn_of(struct list *link);
/* NULL when it has gone meanwhile. */
struct control_conn *control_conn_find(struct control *c, uint64_t session);
void control_conn_on_rows(struct control_conn *conn,
    const struct wire_admin_rows *m);
void control_conn_on_hashed(struct control_conn *conn,
    const struct wire_hashed *m);
void control_conn_on_key(struct control_conn *conn,
    const struct wire_key_made *m);
void control_conn_on_sealed(struct control_conn *conn,
    const struct wire_sealed *m);
void control_conn_on_token_keys(struct control_conn *conn,
    const struct wire_token_keys_taken *m);
void control_conn_on_dns(struct control_conn *conn, uint32_t ticket,
    const struct wire_dns_answer *m);
void control_conn_on_sts(struct control_conn *conn, uint32_t ticket,
    const struct wire_sts_answer *m);
void control_conn_on_done(struct control_conn *conn, uint32_t ticket,
    const struct wire_done *m);
void control_conn_on_credit(struct control_conn *conn,
    const struct wire_body_credit *m);
void control_conn_on_refused(struct control_conn *conn,
    const struct wire_body_refused *m);
void control_conn_on_data(struct control_conn *conn, uint32_t ticket,
    const struct wire_body_data *m);
/* Whoever waits for this peer gets a 451. */
void control_conns_peer_lost(struct control *c, enum wire_role peer);

#endif
