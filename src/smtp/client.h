/* SPDX-License-Identifier: ISC */
/*
 * smtp/client - one SMTP connection as a client, without input or output
 *
 *   start ─▶ greeting ─▶ EHLO (HELO) ─▶ [STARTTLS, EHLO] ─▶ [AUTH] ─▶ READY
 *   READY ─mail()─▶ MAIL RCPT… DATA ─▶ BODY ─end()─▶ dot ─▶ MAIL_DONE ─▶ READY
 *   where CHUNKING is offered:  RCPT… ─▶ BDAT size LAST, BODY ─end()─▶ "dot"
 *                        binary: RCPT… ─▶ BODY ◀─▶ BDAT ─end()─▶ BDAT 0 LAST
 *
 * What the driver does: gives bytes read to feed(), sends what out() shows and
 * tells sent(), and after each of these asks next() until it says WAIT. Time
 * is the driver's: timeout() says which limit of RFC 5321 4.5.3.2 runs now.
 * The remote is hostile: its replies are bounded, nothing it says before TLS
 * is believed after it, and it decides nothing but what its codes say.
 *
 * About 50 KiB a connection; owned by the caller, init/deinit.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/verdict.h"
#include "smtp/auth.h"
#include "smtp/dot.h"
#include "smtp/envelope.h"
#include "smtp/reply.h"

enum {
	SMTP_CLIENT_RCPTS = 100,       /* of one mail; as in ATTEMPT */
	SMTP_CLIENT_OUT = 128 * 1024,  /* one pipelined group, or body */
	SMTP_CLIENT_TEXTS = 256 * 1024 /* outcomes of one mail */
};

enum smtp_client_tls {
	SMTP_TLS_NEVER,
	SMTP_TLS_MAY,  /* when offered; refused: go on in the clear */
	SMTP_TLS_MUST, /* not offered or refused: fail */
	SMTP_TLS_IS_UP /* port 465: TLS was there first */
};

struct smtp_client_config {
	const char *helo; /* our host name; borrowed for life */
	enum smtp_client_tls tls;
	/* AUTH (smtp/auth) when user is not NULL; a password is said only
	 * inside TLS unless plain_auth. Borrowed until READY. nonce: for SCRAM,
	 * which is not used without. */
	const char *user, *password, *nonce;
	bool plain_auth;
	bool is_lmtp;   /* RFC 2033: LHLO, and replies for each recipient */
	bool no_chunks; /* DATA, whatever is offered; binary mail needs BDAT */
};

/* What next() says. */
enum smtp_client_event {
	SMTP_CLIENT_WAIT,      /* for input, or for output to be sent */
	SMTP_CLIENT_START_TLS, /* send all of out(), do the handshake, then
				* tls_up() or close the connection */
	SMTP_CLIENT_READY,     /* mail() or quit() */
	SMTP_CLIENT_BODY,      /* body() while it takes, at the end end() */
	SMTP_CLIENT_MAIL_DONE, /* outcomes are there; the next next() goes on
				* (READY, or CLOSED when the server said 421) */
	SMTP_CLIENT_CLOSED     /* close the connection; c->failure says why,
				* its code is 0 after an orderly QUIT */
};

/* RFC 5321, 4.5.3.2 */
enum smtp_client_time {
	SMTP_TIME_NONE,       /* nothing runs: READY, or the driver's turn */
	SMTP_TIME_GREETING,   /* 5 min */
	SMTP_TIME_COMMAND,    /* 5 min: EHLO, STARTTLS, AUTH, QUIT */
	SMTP_TIME_MAIL,       /* 5 min */
	SMTP_TIME_RCPT,       /* 5 min */
	SMTP_TIME_DATA,       /* 2 min: for 354 */
	SMTP_TIME_DATA_BLOCK, /* 3 min: for each block to be taken */
	SMTP_TIME_DOT         /* 10 min */
};

/* What became of one recipient. A 2xx: the server has the responsibility. */
struct smtp_client_outcome {
	struct verdict verdict; /* text: first line of the reply, without codes;
				 * borrowed until the next mail() or deinit */
	bool is_local;          /* decided here; the server was not asked */
	bool is_done;
};

enum smtp_client_phase {
	SMTP_PHASE_GREETING,
	SMTP_PHASE_EHLO,
	SMTP_PHASE_HELO,
	SMTP_PHASE_STARTTLS,
	SMTP_PHASE_TLS, /* the driver's handshake */
	SMTP_PHASE_AUTH,
	SMTP_PHASE_READY,
	SMTP_PHASE_ENVELOPE, /* RSET, MAIL, RCPT, DATA in flight */
	SMTP_PHASE_BODY,
	SMTP_PHASE_CHUNK, /* of the body: its reply is awaited (RFC 3030) */
	SMTP_PHASE_DOT,
	SMTP_PHASE_MAIL_DONE,
	SMTP_PHASE_QUIT,
	SMTP_PHASE_CLOSED
};

struct smtp_client {
	struct smtp_client_config config;
	struct smtp_offer offer; /* after TLS, when there is TLS */
	uint8_t phase;           /* enum smtp_client_phase */
	bool has_tls, is_ehlo, starttls_was_refused;
	bool lacks_tls; /* it was demanded and is not to be had */
	/* Why it ended: the server's words, or ours with is_local. Nothing was
	 * learnt about recipients that have no outcome. */
	struct verdict failure;
	bool failure_is_local;
	char failure_text[LIMIT_SMTP_REPLY_LINE];

	/* the mail */
	struct smtp_client_mail mail;
	struct smtp_client_outcome outcomes[SMTP_CLIENT_RCPTS];
	struct arena texts;
	size_t n_sent, n_replied; /* items of the envelope (client_impl.h) */
	size_t n_accepted;
	bool has_open_transaction, needs_reset;
	bool mail_was_refused, is_closing, body_is_void;
	bool is_chunked; /* by BDAT */
	/* CHUNKING was offered, and BDAT is not known: not learnt about who
	 * was accepted is what becomes of them. */
	bool chunks_were_refused;
	struct smtp_stuff stuff;
	uint64_t body_sent;

	struct smtp_auth auth;
	struct buf out;
	struct smtp_reply reply;
	struct buf dialogue;
	bool dialogue_is_cut;
	/* For the lines of the dialogue, by the driver: milliseconds since it
	 * began. Without has_clock they have no time. */
	bool has_clock;
	uint32_t clock_ms;
};

/* Waits for the greeting. */
void smtp_client_init(struct smtp_client *c,
    const struct smtp_client_config *config);
void smtp_client_deinit(struct smtp_client *c);

/* What the server sent. All of it is eaten; what does not belong ends the
 * session (CLOSED with a local failure). */
void smtp_client_feed(struct smtp_client *c, struct slice in);
/* The server closed, reset, or a time-out struck: CLOSED with `why`. During a
 * mail next() says MAIL_DONE first when some outcomes are known. */
void smtp_client_lost(struct smtp_client *c, const char *why);

struct slice smtp_client_out(const struct smtp_client *c);
void smtp_client_sent(struct smtp_client *c, size_t n);

enum smtp_client_event smtp_client_next(struct smtp_client *c);
enum smtp_client_time smtp_client_timeout(const struct smtp_client *c);

/* After START_TLS, when the handshake is done. */
void smtp_client_tls_up(struct smtp_client *c);

/* In READY only. What can be decided here (smtp/envelope) is an outcome at
 * once. */
void smtp_client_mail(struct smtp_client *c,
    const struct smtp_client_mail *mail);
/* In BODY only: takes as much as the output has room for, returns how much (0:
 * send first). A CR or LF that stands alone ends the session with 5.6.11 for
 * all recipients: such a body must never have been stored; but binary mail may
 * have it. */
size_t smtp_client_body(struct smtp_client *c, struct slice bytes);
/* In BODY only: the final dot. Whether it may still be sent (the lease) is the
 * driver's to know. */
void smtp_client_end(struct smtp_client *c);
/* The body is one chunk: behind its last octet it is the server's, and end()
 * says no more. */
bool smtp_client_ends_itself(const struct smtp_client *c);
/* In READY only. */
void smtp_client_quit(struct smtp_client *c);

/* "> MAIL FROM:<a@one.example>", "< 250 2.1.0 ok" (with a clock, "+42 > …"):
 * lines as sent and received, cut at LIMIT_DIALOGUE; secrets as "***", the body
 * as its size. */
struct slice smtp_client_dialogue(const struct smtp_client *c);
void smtp_client_dialogue_clear(struct smtp_client *c);

#endif
