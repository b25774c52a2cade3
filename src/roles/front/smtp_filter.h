/* SPDX-License-Identifier: ISC */
/*
 * roles/front/smtp_filter - content filters, as an SMTP conn asks them
 *
 * Each stage that policy and store have said yes to is put to the role hook;
 * what it refuses is refused, what it does not answer has the consequence that
 * the configuration names. At the end of a message the hook pulls it, piece by
 * piece, out of the store; what it changes becomes another body there, written
 * anew from the old one's pieces (docs/decisions/0020-filters-pull.md), so that
 * neither of us ever has a message in memory.
 */
#ifndef ROLES_FRONT_SMTP_FILTER_H
#define ROLES_FRONT_SMTP_FILTER_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/verdict.h"
#include "hook/header.h"
#include "wire/messages.h"

struct conn;

enum smtp_filter_stage {
	SMTP_FILTER_NONE,
	SMTP_FILTER_CONNECT,
	SMTP_FILTER_HELO,
	SMTP_FILTER_MAIL,
	SMTP_FILTER_RCPT,
	SMTP_FILTER_DATA,
	SMTP_FILTER_END,
	SMTP_FILTER_EDITS /* the store is asked about a change of envelope */
};

enum smtp_filter_copy {
	SMTP_COPY_NONE, /* pieces go to the hook */
	SMTP_COPY_TRACE,
	SMTP_COPY_HEADER,
	SMTP_COPY_REST
};

enum {
	SMTP_FILTER_TEXT = 200
};

struct smtp_filter {
	uint8_t asks; /* enum smtp_filter_stage: an answer is due */
	uint8_t then; /* what follows a CONNECT that was made up for */
	bool is_open; /* the hook knows of this client */
	bool in_txn;  /* and of its transaction */
	bool is_off;  /* failed, and the consequence is to accept */
	uint32_t ticket;
	int64_t asked_at;   /* env_now() of that */
	struct verdict yes; /* to be said when nobody has anything against it */
	char yes_text[SMTP_FILTER_TEXT];
	/* the end of a message */
	uint64_t wants; /* offset, behind our trace */
	uint32_t piece_ticket;
	uint32_t piece_len;         /* that is due */
	uint8_t copy;               /* enum smtp_filter_copy */
	uint64_t source, at, until; /* body, and which part of it */
	uint64_t old;               /* body that is rewritten */
	uint64_t scratch;           /* a filter's other body; 0: none */
	uint64_t scratch_len, scratch_credit, replaces;
	struct buf held; /* a piece that waits for credit */
	bool is_last_header;
	struct hook_lines lines; /* of the header that the hook sends */
	bool is_8bit; /* what was written anew has octets above 127 */
	/* edits */
	struct buf edits;
	struct wire_list rest;
	char address[LIMIT_ADDRESS + 1]; /* of the one that is asked about */
	uint8_t what;
	char quarantine[256];
	bool discards;
};

void smtp_filter_init(struct conn *c);
/* v: what would be said without filters. */
void smtp_filter_ask(struct conn *c, enum smtp_filter_stage stage,
    const struct verdict *v);
/* All of it is at the store. smtp_commit_now comes later, or a refusal. */
bool smtp_filter_is_wanted(struct conn *c);
void smtp_filter_end(struct conn *c);
/* The transaction is over, however. */
void smtp_filter_forget(struct conn *c);
void smtp_filter_closed(struct conn *c);
void smtp_filter_lost(struct conn *c);
/* An answer of the role is due. If that is too long ago: not any more. */
bool smtp_filter_is_asking(struct conn *c);
/* The store is gone: nothing of a message is left there. */
void smtp_filter_store_lost(struct conn *c);
bool smtp_filter_credit(struct conn *c, const struct wire_body_credit *m);
bool smtp_filter_body_refused(struct conn *c,
    const struct wire_body_refused *m);
/* True: it was about a change that a filter has made to the envelope. */
bool smtp_filter_store_answer(struct conn *c, uint32_t ticket,
    const struct verdict *v);

void smtp_on_hook_answer(struct conn *c, uint32_t ticket,
    const struct wire_hook_answer *m);
void smtp_on_hook_want(struct conn *c, uint32_t ticket,
    const struct wire_hook_want *m);
void smtp_on_hook_body(struct conn *c, uint32_t ticket,
    const struct wire_hook_body *m);
void smtp_on_hook_rewrite(struct conn *c, uint32_t ticket,
    const struct wire_hook_rewrite *m);
void smtp_on_hook_header(struct conn *c, uint32_t ticket,
    const struct wire_hook_header *m);
void smtp_on_body_piece_data(struct conn *c, uint32_t ticket,
    const struct wire_body_piece_data *m);

#endif
