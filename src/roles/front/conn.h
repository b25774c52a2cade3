/* SPDX-License-Identifier: ISC */
/*
 * roles/front/conn - what front.c, handlers.c and conn.c share
 *
 * Protocols include front.h only. A conn is freed in its own deferred call,
 * never inside a call of its protocol, so that a session may end itself at any
 * point; until then its state is CONN_DEAD and nobody finds it by number.
 */
#ifndef ROLES_FRONT_CONN_H
#define ROLES_FRONT_CONN_H

#include "base/ip.h"
#include "roles/front/front.h"
#include "roles/front/hook_watch.h"
#include "roles/front/peer_watch.h"

enum conn_state {
	CONN_GATE,      /* who it is, and whether it is served (origin.c) */
	CONN_HANDSHAKE, /* TLS is coming up, at once or after STARTTLS */
	CONN_OPEN,
	CONN_TLS_FLUSH, /* the last reply in the clear is on its way */
	CONN_ENDING,    /* the last output is on its way */
	CONN_LINGER,    /* all is sent; reads until the peer ends, too, so that
			 * the kernel does not throw our last words away */
	CONN_DEAD
};

enum {
	FRONT_SCRATCH = 64 * 1024, /* one read, before it is copied to a conn */
	FRONT_LISTENERS = 16,
	CLIENT_KEY = 17 /* family, then the address or its /64 */
};

struct client {
	uint8_t key[CLIENT_KEY];
	struct purse memory; /* of those of its conns that are not exempt */
	struct list conns;
	uint32_t n;
};

struct listener {
	struct env_watch watch;
	struct ip_networks *proxy; /* who speaks PROXY here; NULL: nobody */
	struct front *front;
	const struct service_row *row;
	uint16_t port;
	bool is_used;
};

struct front_own {
	struct front *front;
	struct list conns;
	uint32_t n_conns;
	struct map clients; /* by key */
	struct listener listeners[FRONT_LISTENERS];
	struct local *local;           /* only kind WIRE_LOCAL: local.c */
	struct env_timer accept_again; /* after descriptors ran out */
	struct env_timer stop_limit;
	bool is_stopping;
	struct channel_ops channel_ops;
	struct origin_rules *rules; /* origin.c's */
	struct hook_watch hook_watch;
	struct peer_watch peer_watch;
	uint8_t scratch[FRONT_SCRATCH];
};

struct front_own *front_own(struct front *f);
/* The last conn of a stopping front has gone. */
void front_conn_gone(struct front *f);

/* Takes over fd. NULL when it cannot be served (fd is closed then, behind the
 * protocol's `sorry` where that can be said). */
struct conn *conn_new(struct front *f, int fd, const struct env_addr *peer,
    unsigned service, const struct conn_proto *proto, bool is_tls);
/* The same at a listener, with all that is asked about a client before. */
struct conn *conn_accept(struct front *f, int fd, const struct env_addr *peer,
    unsigned service, const struct conn_proto *proto, bool is_tls,
    const struct ip_networks *proxy, const struct conn_refusal *refusal);

/* -- for origin.c: the gate ------------------------------------------------ */

void conn_gate_open(struct conn *c);
/* 0, BUF_E_FULL or -ENOMEM. */
int conn_refusal_print(const struct conn_refusal *r, const struct front *f,
    struct buf *out);
/* Says the refusal of its service, in the clear only, and ends it. */
void conn_gate_refuse(struct conn *c);
/* Ends it without a word. */
void conn_gate_shut(struct conn *c);
/* What is waited for has changed. */
void conn_gate_watch(struct conn *c);
/* It is somebody else's: counted as such. False: it is one too many. */
bool conn_set_peer(struct conn *c, const struct env_addr *peer);

/* Any that is not dead, live or not; NULL when there is none. */
struct conn *conn_find_any(struct front *f, uint64_t number);
/* The session of that number, or NULL when it has left or is leaving. */
struct conn *conn_find(struct front *f, uint64_t number);
bool conn_is_live(const struct conn *c); /* started, and not on its way out */
void conn_free_now(struct conn *c);      /* at the role's end */
uint32_t front_client_count(struct front *f, const struct env_addr *peer);

extern const struct role_ops front_mx_ops, front_user_ops, front_local_ops;
extern const struct wire_mx_handlers front_mx_handlers;
extern const struct wire_user_handlers front_user_handlers;
extern const struct wire_local_handlers front_local_handlers;
void front_lost_peer(struct front *f, enum wire_role peer);
void front_store_room(struct front *f);
/* From here on its client pays for it, too (LIMIT_CLIENT_MEMORY), not only the
 * front. False, with nothing changed: its client has no more. */
bool conn_bill_client(struct conn *c);

#endif
