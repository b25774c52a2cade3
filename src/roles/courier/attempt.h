/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/attempt - one message for recipients of one route, among its
 * files
 *
 *   attempt.c        its beginning, the dialogue, the result
 *   attempt_route.c  where to: the questions to the DNS, MTA-STS
 *   attempt_hosts.c  one host after the other, and what a carrier tells
 *   attempt_turns.c whose turn it is, of a route's hosts
 *   attempt_body.c   the body, as the store reads it
 *   attempt_convert.c  the body, made fit for the host
 *
 * What others of the courier may call stands in courier.h.
 */
#ifndef ROLES_COURIER_ATTEMPT_H
#define ROLES_COURIER_ATTEMPT_H

#include "roles/courier/courier.h"

/* -- attempt.c -- */

/* What comes next, at the start and whenever a connection failed. */
void attempt_go_on(struct attempt *a);
/* Cleaned, and in the arena; empty when that is full. */
struct slice attempt_keep_text(struct attempt *a, struct slice text);
struct verdict attempt_keep_verdict(struct attempt *a, const struct verdict *v);
/* Says what became of every recipient; the attempt is gone. */
void attempt_finish(struct attempt *a);
/* The same verdict for all of whom nothing is known. */
void attempt_finish_all(struct attempt *a, struct verdict v);

/* -- attempt_route.c -- */

void attempt_route(struct attempt *a);
void attempt_fail_dns(struct attempt *a, const char *why);

/* -- attempt_hosts.c -- */

/* What the domain demands of TLS cannot be found out, and its sender does
 * without. */
void attempt_connect_without_policies(struct attempt *a);
/* Until one is under way, or none is left. */
void attempt_connect(struct attempt *a);

/* -- attempt_turns.c -- */

/* Which of several hosts it is for: a->turn. */
void attempt_turn_draw(struct attempt *a);
/* A connection to one of them is begun, and what came of it: it speaks, or it
 * does not. */
void attempt_turn_ask(struct attempt *a, uint8_t turn);
void attempt_turn_answer(struct attempt *a);
void attempt_turn_fail(struct attempt *a);

/* -- attempt_body.c -- */

void attempt_want_body(struct attempt *a);
/* What came with the attempt, if anything. 0 or -EBADMSG. */
int attempt_take_body(struct attempt *a, struct slice body);
/* For a new connection: from the first byte. */
void attempt_rewind_body(struct attempt *a);
/* For this connection, once more. */
void attempt_reread_body(struct attempt *a);
/* What is behind body_at. */
void attempt_forget_body(struct attempt *a);

/* -- attempt_convert.c -- */

void attempt_drop_convert(struct attempt *a);

#endif
