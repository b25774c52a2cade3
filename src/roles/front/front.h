/* SPDX-License-Identifier: ISC */
/*
 * roles/front - sockets of clients, and the protocols that are spoken on them
 *
 * A conn is one client: socket, TLS, two bounded buffers, a timer, charges.
 * A protocol (smtp.c, imap.c, pop3.c) is a table of functions around a pure
 * session; it never touches the socket. Answers of other roles are matched by
 * the conn's number: one for a client that has left is dropped.
 */
#ifndef ROLES_FRONT_FRONT_H
#define ROLES_FRONT_FRONT_H

#include "base/buf.h"
#include "base/charge.h"
#include "base/id.h"
#include "base/list.h"
#include "base/map.h"
#include "roles/role.h"
#include "sys/tls.h"

struct conn;
struct front;

/* What a protocol is. Everything but name, session_size, start, input and
 * closed may be NULL or empty. Handlers of
 * answers have the names of their messages (wire/messages.def). */
struct conn_proto {
	const char *name; /* "smtp" */
	/* Said in the clear, instead of a greeting, to a client that there is
	 * no memory for: a whole line, static. Empty: nothing is said. */
	struct slice sorry;
	size_t session_size;
	/* What the session has allocated beside that; may be NULL. */
	size_t (*cost)(const struct conn *);
	/* There is no memory for it: it gives back what it can do without.
	 * False: nothing; then the conn ends. May be NULL. */
	bool (*starved)(struct conn *); /* zeroed memory at conn_session() */
	void (*start)(struct conn *c); /* connected (and TLS up, if implicit) */
	void (*input)(struct conn
		*c); /* conn_in(c) has grown, or conn_resume */
	void (*closed)(struct conn *c);  /* the last call; free what is yours */
	void (*room)(struct conn *c);    /* conn_out(c) fell below a quarter */
	void (*tls_up)(struct conn *c);  /* after conn_start_tls */
	void (*timeout)(struct conn *c); /* idle too long; say goodbye, close */
	void (*stopping)(struct conn *c); /* the server goes down: 421, BYE */
	/* The channel to the store (or keeper) ended: what was asked there will
	 * never be answered and handles are gone. Say 4xx / NO [UNAVAILABLE]
	 * for what was waiting. */
	void (*peer_lost)(struct conn *c, enum wire_role peer);
	/* Every PEER_WATCH_LOOK_S while it may be that somebody waits for the
	 * store: true when this one does, and not too long yet. */
	bool (*look)(struct conn *c);
	/* The channel to the store has room again. */
	void (*store_room)(struct conn *c);
	/* What is to be known of the client is known (roles/front/origin.h). */
	void (*origin_known)(struct conn *c);

	void (*auth_challenge)(struct conn *, uint32_t ticket,
	    const struct wire_auth_challenge *);
	void (*auth_refused)(struct conn *, uint32_t ticket,
	    const struct wire_auth_refused *);
	void (*handle)(struct conn *, uint32_t ticket,
	    const struct wire_handle *);
	void (*mail_answer)(struct conn *, uint32_t ticket,
	    const struct wire_mail_answer *);
	void (*rcpt_answer)(struct conn *, uint32_t ticket,
	    const struct wire_rcpt_answer *);
	void (*body_credit)(struct conn *, const struct wire_body_credit *);
	void (*body_refused)(struct conn *, const struct wire_body_refused *);
	void (*body_piece_data)(struct conn *, uint32_t ticket,
	    const struct wire_body_piece_data *);
	void (*hook_answer)(struct conn *, uint32_t ticket,
	    const struct wire_hook_answer *);
	void (*hook_want)(struct conn *, uint32_t ticket,
	    const struct wire_hook_want *);
	void (*hook_body)(struct conn *, uint32_t ticket,
	    const struct wire_hook_body *);
	void (*hook_rewrite)(struct conn *, uint32_t ticket,
	    const struct wire_hook_rewrite *);
	void (*hook_header)(struct conn *, uint32_t ticket,
	    const struct wire_hook_header *);
	void (*done)(struct conn *, uint32_t ticket, const struct wire_done *);
	void (*mailbox_rows)(struct conn *, uint32_t ticket,
	    const struct wire_mailbox_rows *);
	void (*mailbox_opened)(struct conn *, uint32_t ticket,
	    const struct wire_mailbox_opened *);
	void (*mailbox_done)(struct conn *, uint32_t ticket,
	    const struct wire_mailbox_done *);
	void (*annotations)(struct conn *, uint32_t ticket,
	    const struct wire_annotations *);
	void (*quota)(struct conn *, uint32_t ticket,
	    const struct wire_quota *);
	void (*found)(struct conn *, uint32_t ticket,
	    const struct wire_found *);
	void (*scan_rows)(struct conn *, uint32_t ticket,
	    const struct wire_scan_rows *);
	void (*changed)(struct conn *, const struct wire_changed *);
	void (*detail_rows)(struct conn *, uint32_t ticket,
	    const struct wire_detail_rows *);
	void (*bodies_data)(struct conn *, uint32_t ticket,
	    const struct wire_bodies_data *);
	void (*summary_row)(struct conn *, uint32_t ticket,
	    const struct wire_summary_row *);
	void (*body_data)(struct conn *, uint32_t ticket,
	    const struct wire_body_data *);
	void (*flags_done)(struct conn *, uint32_t ticket,
	    const struct wire_flags_done *);
	void (*expunged)(struct conn *, uint32_t ticket,
	    const struct wire_expunged *);
	void (*copied)(struct conn *, uint32_t ticket,
	    const struct wire_copied *);
};

/* What who is not served reads in place of a greeting, in the clear only. */
struct conn_refusal {
	struct slice before;
	struct slice behind_name; /* our name goes between; empty: without it */
};

struct conn {
	struct front *front;
	const struct conn_proto *proto;
	uint64_t number;  /* what other roles know it by; never used twice */
	unsigned service; /* SERVICE_* */
	struct env_addr peer;
	char peer_text[ENV_ADDR_TEXT];
	struct tls *tls;         /* NULL: in the clear */
	struct deflate *deflate; /* RFC 4978; NULL: as it is */
	bool is_deflating;       /* it is in use, not only ready */
	struct buf in, out;
	struct origin *origin; /* NULL: nothing is asked about the client */
	/* conn.c's own */
	struct env_watch watch;
	struct env_timer timer;
	struct env_defer later;
	struct list link, client_link;
	struct client *client; /* its address, for max_per_client */
	struct charge charge;
	int64_t idle;   /* us until timeout(); 0: none */
	int64_t active; /* env_now() of the last byte in or out */
	int64_t paused_at;
	uint8_t state; /* enum conn_state */
	bool is_paused, wants_input_call, is_eof, is_started, is_closed;
	bool is_unspoken;  /* in the clear, and no byte is out yet */
	bool is_tls_first; /* the handshake comes before the session */
	const struct conn_refusal *refusal; /* NULL: without a word */
	char tls_text[96];
	void *session;
};

struct front {
	struct role *role;
	struct env *env;
	const struct settings *settings;
	enum wire_role kind; /* WIRE_MX, WIRE_USER or WIRE_LOCAL */
	struct channel *store, *keeper, *resolver,
	    *hook;               /* NULL while there is none */
	struct wire_state state; /* what the store last said */
	bool has_state;          /* it has said something */
	char hostname[256];
	struct tls_server *tls; /* certificates by name; keys in the keeper */
	struct id_source ids;
	struct map conns; /* by number */
	struct purse memory;
	uint64_t next_number, next_body, next_txn;
	uint32_t next_ticket;
	uint64_t pieces_due; /* octets of bodies that the store is asked for */
	void *own;           /* front.c's */
};

/* -- for protocols ------------------------------------------------------- */

struct front *conn_front(struct conn *c);
void *conn_session(struct conn *c);
struct slice conn_in(const struct conn *c);
void conn_eat(struct conn *c, size_t n);
/* Bytes of TLS or socket read no further until conn_resume: for a session that
 * waits for an answer. What is in conn_in stays. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c); /* and calls input() soon, if any is there */
/* Appends to the output; sent at the end of the turn. When LIMIT_CONN_OUT is
 * reached the connection is dropped: pull-style writers ask conn_out_room. */
void conn_say(struct conn *c, struct slice bytes);
void conn_printf(struct conn *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
size_t conn_out_room(const struct conn *c);
/* The output so far is sent in the clear, input already read is thrown away
 * (RFC 3207 4.2, against injection), then the handshake; tls_up() follows. */
void conn_start_tls(struct conn *c);
/* Makes ready to compress (false: no memory); then, between a reply in the
 * clear and the next: what is said and read from here on is compressed. */
bool conn_prepare_deflate(struct conn *c);
void conn_start_deflate(struct conn *c);
bool conn_has_tls(const struct conn *c);
/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384", or "" */
const char *conn_tls_text(const struct conn *c);
void conn_set_idle(struct conn *c, int64_t us);
/* Sends what is there, then closes; input is not read any more. */
void conn_end(struct conn *c);
void conn_drop(struct conn *c); /* at once, with a reset */

uint32_t front_ticket(struct front *f); /* never 0 */

extern const struct conn_proto smtp_proto, imap_proto, pop3_proto;

#endif
