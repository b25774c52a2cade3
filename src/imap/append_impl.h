/* SPDX-License-Identifier: ISC */
/*
 * imap/append_impl - an APPEND or REPLACE that runs: what its files share
 *
 * session_append.c reads the command and puts messages together, catenate.c
 * fetches what a URL names. Lives from the command's first piece to its tagged
 * answer. Not for anybody else.
 */
#ifndef IMAP_APPEND_IMPL_H
#define IMAP_APPEND_IMPL_H

#include "imap/append_args.h"
#include "imap/session_impl.h"
#include "mail/summary.h"

enum {
	IMAP_APPEND_WHY = 1100 /* a refusal with its URL */
};

struct catenate;

struct imap_append {
	/* the piece in hand: where in s->line it begins, and its literal */
	size_t text_at;
	enum imap_append_at at;
	bool has_literal, is_sync, is_8;
	uint64_t literal;
	const struct imap_append_step *step; /* the next to be done */

	bool is_checked; /* the mailbox is there */
	uint32_t replaced;
	size_t n_messages;
	bool has_sent; /* messages that wait at the store for the last one */

	/* the message in hand */
	const struct imap_append_step *message;
	struct summary *summary; /* NULL: it is stored without one */
	uint64_t size;
	bool has_body, has_nul;
	enum imap_result result; /* the store's, when it refused the body */

	struct catenate *url; /* while it is read */
	bool waits_room;
	char why[IMAP_APPEND_WHY];
};

/* Octets of the message in hand; no more than host->body_room. */
void imap_append_bytes(struct imap_session *s, struct slice bytes);
/* The end of it, said now or behind the literal that is on its way. */
void imap_append_refuse(struct imap_session *s, const char *line);
/* The part is there. */
void imap_append_go_on(struct imap_session *s);

/* Ends in imap_append_go_on or _refuse. */
void imap_catenate_start(struct imap_session *s, struct slice url);
imap_more_fn imap_catenate_more;
void imap_catenate_free(struct imap_append *a);

#endif
