/* SPDX-License-Identifier: ISC */
/*
 * smtp/server - one SMTP client of ours, as a machine without input or output
 *
 *      (WAIT_CONNECT) --554--> REFUSED
 *        |220
 *      NEW --EHLO-(WAIT_HELO)-> READY --MAIL-(WAIT_MAIL)-> ENVELOPE
 *                                ^ ^                       |  ^ RCPT
 *                  AUTH, TLS ----+ |          (WAIT_DATA)  |  +-(WAIT_RCPT)
 *                                  |            DATA, BDAT v
 *                                  +--(WAIT_COMMIT)-<--- DATA, CHUNK(S)
 *
 * A step takes one command, or a run of message bytes, and fills one effect:
 * what to say, then what to do. Whoever owns the socket carries it out. In a
 * WAIT state no input is taken, so replies stay in the order of commands (RFC
 * 2920). Everything the client sends is hostile; every bound of base/limits.h
 * has its reply here. Memory: this struct, nothing else.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "base/limits.h"
#include "base/verdict.h"
#include "sasl/sasl.h"
#include "smtp/bdat.h"
#include "smtp/command.h"
#include "smtp/dot.h"
#include "smtp/param.h"
#include "smtp/path.h"
#include "smtp/reply.h"
#include "smtp/trace.h"

enum smtp_kind {
	SMTP_MX,          /* 25: strangers */
	SMTP_SUBMISSION,  /* 587: RFC 6409 */
	SMTP_SUBMISSIONS, /* 465: the same inside TLS, RFC 8314 */
	SMTP_LMTP,        /* mail from other programs: RFC 2033 */
	SMTP_LOCAL,       /* a program of this machine: the kernel says who */
	SMTP_N_KINDS
};

struct smtp_server_config {
	enum smtp_kind kind;
	const char *hostname; /* borrowed for life */
	uint64_t max_size;
	uint32_t max_hold;    /* seconds of FUTURERELEASE; 0: not offered */
	unsigned withheld;    /* SMTP_EXT_* that are not offered */
	uint8_t max_priority; /* MT-PRIORITY above it is lowered to it */
	uint8_t vrfy, expn;   /* enum smtp_told */
	bool can_tls;         /* there is a certificate */
	bool plain_auth;      /* AUTH without TLS, for tests */
	bool may_xclient;
	bool is_strict; /* what may not be pipelined (RFC 2920, 3.1) ends it */
	/* From the errors and refused recipients behind this number on, each
	 * reply is held back by so much longer, up to TARPIT_STEPS times; 0:
	 * never. */
	unsigned tarpit_after;
	uint32_t tarpit_ms;
	/* XCLIENT's, instead of what EHLO says; or NULL. Borrowed. */
	const char *helo_override;
	unsigned mechanisms; /* sasl/mechanism.h; the owner's to change */
};

/* Whether mail is taken just now. */
enum smtp_weather {
	SMTP_FAIR,
	SMTP_FULL,   /* 452: no room */
	SMTP_TROUBLE /* 451: nobody to give it to */
};

enum smtp_do {
	SMTP_DO_NOTHING,
	SMTP_DO_CONNECT,   /* ask whether this client is wanted at all */
	SMTP_DO_HELO,      /* ask about s->asked */
	SMTP_DO_VRFY,      /* ask about s->asked, outside the transaction */
	SMTP_DO_EXPN,      /* ask who is behind it; smtp_server_answer_expn */
	SMTP_DO_MAIL,      /* ask whether the client may send as s->sender */
	SMTP_DO_RCPT,      /* ask about s->rcpt */
	SMTP_DO_AUTH,      /* begin s->mechanism; s->has_initial: with e.auth */
	SMTP_DO_AUTH_STEP, /* e.auth is the response */
	SMTP_DO_AUTH_ABORT, /* said no more to it */
	SMTP_DO_DATA,       /* ask whether the envelope may have a body */
	SMTP_DO_COMMIT,     /* first body_part with nothing, until it is false;
			     * LMTP: answer once for each of s->n_rcpts */
	SMTP_DO_DROP_BODY,  /* refused; the client is still sending */
	SMTP_DO_DROP,       /* the transaction is over: forget all of it */
	SMTP_DO_TLS,     /* say, then handshake; later input is thrown away */
	SMTP_DO_XCLIENT, /* e.body: its arguments, well-formed. The owner makes
			  * them true and calls smtp_server_start */
	SMTP_DO_CLOSE    /* say, then close */
};

/* To be carried out in this order. */
struct smtp_effect {
	bool begins_body;     /* open one */
	struct slice body;    /* bytes of it, for smtp_server_body_part; points
			       * into the input */
	uint32_t delay_ms;    /* to wait before `say`: a tarpit */
	struct slice say;     /* in s; until the next call */
	unsigned n_more;      /* say it so many times more (LMTP) */
	struct slice members; /* of EXPN: say each, smtp_server_expn_line */
	uint8_t todo;         /* enum smtp_do */
	struct slice args;    /* of XCLIENT; into the input */
	struct slice auth;    /* a response in base 64; points into the input */
};

enum smtp_server_state {
	SMTP_NEW,
	SMTP_READY,
	SMTP_ENVELOPE,
	SMTP_AUTH_LINE,
	SMTP_DATA,
	SMTP_CHUNK,   /* inside one of BDAT's */
	SMTP_CHUNKS,  /* between two of them */
	SMTP_EAT,     /* inside one that belongs to no message */
	SMTP_REFUSED, /* the greeting was 554: only QUIT (RFC 5321, 3.1) */
	SMTP_WAIT_CONNECT,
	SMTP_WAIT_HELO,
	SMTP_WAIT_VRFY,
	SMTP_WAIT_MAIL,
	SMTP_WAIT_RCPT,
	SMTP_WAIT_AUTH,
	SMTP_WAIT_DATA,
	SMTP_WAIT_COMMIT,
	SMTP_WAIT_TLS,
	SMTP_CLOSED
};

enum {
	SMTP_SAY_MAX = 1536, /* EHLO's lines */
	SMTP_ID_MAX = 32,
	SMTP_TARPIT_STEPS = 10
};

/* What may be wrong with a message, the lightest first: the heaviest of all that
 * it has is said, in whatever pieces it came. */
enum smtp_fault {
	SMTP_FAULT_NONE,
	SMTP_FAULT_TOO_BIG,
	SMTP_FAULT_LOOP,
	SMTP_FAULT_LINE_END
};

struct smtp_server {
	struct smtp_server_config config;
	uint8_t state;   /* enum smtp_server_state */
	uint8_t weather; /* enum smtp_weather; the owner's to set */
	int64_t wall_us; /* the owner's to set before each step */
	bool has_tls, is_authed, is_ehlo;
	char helo[SMTP_DOMAIN_MAX + 1];

	/* in WAIT_HELO, WAIT_VRFY and EAT: what was asked, where to go back */
	char asked[LIMIT_ADDRESS + 1];
	bool asked_is_ehlo, asked_in_utf8;
	uint8_t state_before;

	/* the transaction */
	char sender[LIMIT_ADDRESS + 1];      /* empty: the null path */
	struct smtp_mail_params params;      /* its slices are void */
	char envid[SMTP_ENVID_MAX + 1];      /* RFC 3461, xtext */
	int64_t hold_until, deliver_by;      /* us since 1970; 0: not said */
	bool is_lowered;                     /* params.priority was higher */
	char rcpt[LIMIT_ADDRESS + 1];        /* the one asked about, and */
	struct smtp_rcpt_params rcpt_params; /* its own; slices are void */
	char orcpt[SMTP_ORCPT_MAX + 1];      /* RFC 3461, xtext or utf-8 */
	char first_rcpt[LIMIT_ADDRESS + 1];
	unsigned n_rcpts, n_rcpts_tried; /* accepted, asked */

	/* the message */
	bool is_chunked; /* by BDAT */
	struct smtp_dot dot;
	struct smtp_bdat bdat;
	struct smtp_fields fields;
	struct smtp_trace trace;
	/* Its id, for the words of a refusal; the owner's to set at
	 * begins_body. */
	char id[SMTP_ID_MAX + 1];
	uint64_t body_size;  /* without stuffing */
	unsigned n_answered; /* LMTP: how many recipients had their reply */
	bool is_kept;
	bool is_refused; /* body; the reply comes at the end */
	uint8_t fault;   /* enum smtp_fault: why, if it is for us to say */
	bool is_skipped; /* the chunk is read over */
	struct verdict refusal;
	char refusal_text[LIMIT_SMTP_REPLY_LINE];

	/* bounds */
	unsigned n_errors, n_idle, n_mails, n_auths, n_refused_rcpts;
	bool is_hasty;      /* pipelined what may not be */
	size_t discarded;   /* of a line that is too long */
	bool discards_auth; /* what is discarded was of a login */

	uint8_t mechanism; /* enum sasl_mechanism, of the login under way */
	bool has_initial;
	uint8_t out[SMTP_SAY_MAX];
	size_t out_len;
};

void smtp_server_init(struct smtp_server *s,
    const struct smtp_server_config *config);
/* Asks DO_CONNECT, then greets; with submissions TLS is up before. Once more
 * from NEW when the client turns out to be another one (XCLIENT). */
void smtp_server_start(struct smtp_server *s, struct smtp_effect *e);

/* False: an answer is awaited, or it is closed. */
bool smtp_server_wants_input(const struct smtp_server *s);
/* Returns how much of `in` it has eaten. 0 with an empty effect: come again
 * with more behind the same bytes. */
size_t smtp_server_step(struct smtp_server *s, struct slice in,
    struct smtp_effect *e);

/* The answer to DO_CONNECT, HELO, VRFY, MAIL, RCPT, DATA or COMMIT. A
 * code that is none of 2yz, 4yz, 5yz is trouble; 421 ends the session. 2yz
 * without text: ours is said. */
void smtp_server_answer(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e);
/* The answer to DO_EXPN: addresses, each with a '\n' behind it; of no account
 * when it is a no. They become e->members, of which the owner says line by
 * line: true, *ret_line is the next one. */
void smtp_server_answer_expn(struct smtp_server *s, const struct verdict *v,
    struct slice members, struct smtp_effect *e);
bool smtp_server_expn_line(struct smtp_server *s, struct slice *members,
    struct slice *ret_line);
/* The answers to DO_AUTH and DO_AUTH_STEP: a challenge, or the end. */
void smtp_server_challenge(struct smtp_server *s, struct slice challenge,
    struct smtp_effect *e);
enum smtp_auth_answer {
	SMTP_AUTH_YES,
	SMTP_AUTH_NO,
	SMTP_AUTH_LATER,
	SMTP_AUTH_MALFORMED
};
void smtp_server_answer_auth(struct smtp_server *s,
    enum smtp_auth_answer answer, struct smtp_effect *e);
void smtp_server_tls_up(struct smtp_server *s);

/* What an effect's body becomes with the fields that are added. */
bool smtp_server_body_part(struct smtp_server *s, struct slice *body,
    struct slice *ret_part);
/* Bytes of a message are awaited, or the next chunk of one. */
bool smtp_server_has_body(const struct smtp_server *s);
/* Bytes are awaited that are no commands; refused ones, too. */
bool smtp_server_is_streaming(const struct smtp_server *s);
/* What was read of the message so far. */
bool smtp_server_is_8bit(const struct smtp_server *s);
/* While the body streams: it will not be stored. The first reason stays. */
void smtp_server_refuse_body(struct smtp_server *s, const struct verdict *v);

/* Out of turn: SMTP_SAY_TOO_SLOW, SMTP_SAY_STOPPING; closes. */
void smtp_server_goodbye(struct smtp_server *s, enum smtp_say why,
    struct smtp_effect *e);

/* "ESMTPSA" and so on (RFC 3848, RFC 6531). */
const char *smtp_server_protocol(const struct smtp_server *s);

#endif
