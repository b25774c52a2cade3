/* SPDX-License-Identifier: ISC */
/*
 * pop3/session - one POP3 client, as a machine that does no input or output
 *
 *   AUTHORIZATION --PASS, AUTH--> TRANSACTION --QUIT--> UPDATE
 *
 * RFC 1939, with 2449 (CAPA, response codes), 2595 (STLS), 1734 and 5034
 * (AUTH), 3206. Shaped as imap/session: bytes and answers go in, the host is
 * given bytes to say and questions to ask; one command at a time; output is
 * pulled, a message passes through in windows of 64 KiB. What DELE marked is
 * removed at QUIT and only then. Pure; 28 bytes for each message.
 */
#ifndef POP3_SESSION_H
#define POP3_SESSION_H

#include "base/buf.h"
#include "base/id.h"
#include "sasl/sasl.h"

enum pop3_state {
	POP3_AUTHORIZATION = 1,
	POP3_TRANSACTION = 2,
	POP3_OVER = 4
};

enum pop3_result {
	POP3_OK,
	POP3_TROUBLE, /* ours: [SYS/TEMP] */
	POP3_IN_USE,
	POP3_GONE,
	POP3_REFUSED,   /* wrong name or password */
	POP3_MALFORMED, /* login: not what the mechanism wants */
	POP3_CHALLENGE  /* login: bytes are said, POP3_ASK_RESPOND follows */
};

enum pop3_question {
	POP3_ASK_NOTHING,
	POP3_ASK_LOGIN,   /* user, secret */
	POP3_ASK_AUTH,    /* mechanism, has_initial, bytes in base 64 */
	POP3_ASK_RESPOND, /* bytes in base 64; answered as POP3_ASK_AUTH */
	POP3_ASK_ABORT,   /* no answer */
	POP3_ASK_OPEN,    /* the maildrop, for this session alone */
	POP3_ASK_SCAN,    /* -> rows, more */
	POP3_ASK_BODY,    /* uid, offset, length -> bytes, more */
	POP3_ASK_EXPUNGE, /* uids */
	POP3_ASK_CLOSE    /* no answer */
};

struct pop3_ask {
	enum pop3_question what;
	struct slice user, secret, bytes;
	enum sasl_mechanism mechanism;
	bool has_initial;
	uint32_t uid;
	uint64_t offset, length;
	const uint32_t *uids; /* ascending */
	size_t n_uids;
};

enum {
	POP3_ASK_UIDS = 1024,
	POP3_ASK_BYTES = 64 * 1024,
	POP3_MESSAGES = 1000 * 1000
};

struct pop3_row {
	uint32_t uid, size;
	struct id id;
	bool is_deleted;
};

struct pop3_answer {
	enum pop3_question what;
	enum pop3_result result;
	bool more;
	const struct pop3_row *rows;
	size_t n_rows;
	struct slice bytes;
};

struct pop3_host {
	size_t (*room)(void *ctx);
	void (*say)(void *ctx, struct slice bytes);
	/* False: nobody is there. The answer comes later, never inside. */
	bool (*ask)(void *ctx, const struct pop3_ask *ask);
	void (*start_tls)(void *ctx);
	void (*end)(void *ctx);
};

struct pop3_config {
	const char *hostname;
	bool may_start_tls;
	bool plain_auth;
	unsigned mechanisms; /* sasl/mechanism.h; changes with TLS */
};

struct pop3_session;

struct pop3_session *pop3_session_new(const struct pop3_host *host, void *ctx,
    const struct pop3_config *config); /* NULL: out of memory */
void pop3_session_free(struct pop3_session *s);
void pop3_session_start(struct pop3_session *s, bool has_tls);
void pop3_session_tls_up(struct pop3_session *s);
/* Eats what it can; the rest waits for an answer or for room. */
size_t pop3_session_input(struct pop3_session *s, struct slice in);
bool pop3_session_is_busy(const struct pop3_session *s);
void pop3_session_pump(struct pop3_session *s); /* there is room */
void pop3_session_answer(struct pop3_session *s,
    const struct pop3_answer *answer);
void pop3_session_lost_store(struct pop3_session *s);
void pop3_session_lost_keeper(struct pop3_session *s);
/* Says -ERR and ends; what was marked stays. */
void pop3_session_bye(struct pop3_session *s, const char *why);
enum pop3_state pop3_session_state(const struct pop3_session *s);

#endif
