/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/carrier - one connection to a mail host, among its files
 *
 *   CONNECTING ─▶ TALKING ─▶ (HANDSHAKE ─▶ TALKING) ─▶ IDLE ─▶ LEAVING
 *
 *   carrier.c       its beginning and its end
 *   carrier_time.c  the time limits of RFC 5321, 4.5.3.2
 *   carrier_tls.c   the handshake, and TLS that fails
 *   carrier_talk.c  bytes between the socket (or its TLS) and smtp/client, and
 *                   what the client wants done
 *
 * Nothing outside of these files looks into a carrier. Its attempt and it know
 * of each other; whichever ends first clears the other's pointer.
 */
#ifndef ROLES_COURIER_CARRIER_H
#define ROLES_COURIER_CARRIER_H

#include "roles/courier/courier.h"

enum {
	CARRIER_KEY = 2 * LIMIT_DOMAIN,
	CARRIER_NONCE = 32
};

enum carrier_state {
	CARRIER_CONNECTING,
	CARRIER_TALKING,
	CARRIER_HANDSHAKE,
	CARRIER_IDLE,
	CARRIER_LEAVING /* QUIT was said */
};

/* How far the dialogue is; a change of it starts the time limit anew. */
struct progress {
	uint64_t phase, n_replied, body_sent, out_left;
};

struct carrier {
	struct courier *courier;
	struct list link;        /* in carriers or idle */
	struct attempt *attempt; /* NULL: idle or leaving */
	uint8_t state;
	uint8_t last_phase; /* of the client */
	bool dot_is_out;
	bool is_reset;              /* by the other side's TCP */
	bool is_verified;           /* RFC 8689, 4.2.1 */
	bool is_implicit;           /* TLS came before the greeting */
	bool is_hasty;              /* another address is waiting its turn */
	bool has_told_tls;          /* there is a fact about it */
	bool is_full, tls_optional; /* as the first attempt had it */
	uint8_t tls_minimum;
	uint8_t turn;         /* of which of the route's hosts it is */
	int64_t connected_at; /* env_now */
	struct security_peer peer;
	uint64_t hosts; /* which set (policy/route_set) */
	unsigned n_mails, mails_max;
	struct env_watch watch; /* has the fd */
	struct env_timer timer;
	struct progress progress;
	struct tls *tls;
	struct smtp_client client;
	char nonce[CARRIER_NONCE];
	char key[CARRIER_KEY], host[LIMIT_DOMAIN + 1], helo[LIMIT_DOMAIN + 1];
	char remote[ATTEMPT_REMOTE], tls_text[ATTEMPT_TLS];
};

/* -- carrier.c -- */

/* Before anything that may tell the client of the end: what it was doing. */
void carrier_note_phase(struct carrier *k);
/* Between STARTTLS and the first reply inside TLS. */
bool carrier_is_at_tls(const struct carrier *k);
/* is_refused: the remote said so itself, in so many words. */
enum attempt_failure carrier_failure_of(const struct carrier *k,
    bool is_refused);
/* The other side's TCP knows nothing of the connection, and said so when it was
 * asked: its queue was full. */
bool carrier_is_unheard(const struct carrier *k);
/* What the client has noted so far, in its place among our own lines. */
void carrier_take_notes(struct carrier *k);
void carrier_tell_time(struct carrier *k);
/* The carrier is gone, and its attempt goes on without it. */
void carrier_fail(struct carrier *k, enum attempt_failure what,
    struct verdict why, bool is_ours);
void carrier_fail_local(struct carrier *k, enum attempt_failure what,
    uint16_t subject, uint16_t detail, const char *text);

/* -- carrier_time.c -- */

void carrier_enter(struct carrier *k, enum carrier_state state);
void carrier_watch_progress(struct carrier *k);
void carrier_on_timer(struct env_timer *t);

/* -- carrier_tls.c -- */

void carrier_start_tls(struct carrier *k);
void carrier_go_on_handshake(struct carrier *k);
/* What the attempt hears of TLS that failed; the carrier is gone. */
void carrier_fail_tls(struct carrier *k, const char *why);
/* The session ended: true when TLS was why, and the carrier is gone. */
bool carrier_fail_at_tls(struct carrier *k, struct verdict why);
/* For the report: the server did without TLS that we would have taken. */
void carrier_tell_no_tls(struct carrier *k);

/* -- carrier_talk.c -- */

void carrier_update_watch(struct carrier *k);
void carrier_receive(struct carrier *k);
void carrier_run(struct carrier *k);
/* QUIT, and the end a little later. */
void carrier_leave(struct carrier *k);

#endif
