/* SPDX-License-Identifier: ISC */
/*
 * imap/session - one IMAP client, as a machine that does no input or output
 *
 *   NOT_AUTH --LOGIN--> AUTH --SELECT--> SELECTED --LOGOUT--> LOGOUT
 *                        ^---CLOSE, UNSELECT---'
 *
 * Bytes go in by imap_session_input, answers of the store by
 * imap_session_answer. What comes out is given to the host: bytes to say,
 * questions to ask, the end. One command runs at a time; while it does, input
 * is left where it is. Output is pulled: the session never holds more than
 * one piece (a literal's chunk, one response) and goes on when the host has
 * room (imap_session_pump). Commands are carried out by the table in
 * session.c; a failing store makes NO [UNAVAILABLE], or BYE where the view
 * would no longer be true.
 *
 * Pure: knows nothing of sockets, processes or clocks.
 */
#ifndef IMAP_SESSION_H
#define IMAP_SESSION_H

#include "base/buf.h"
#include "base/id.h"
#include "imap/command.h"
#include "imap/view.h"
#include "sasl/sasl.h"

enum imap_state { /* bits, for the table of commands */
	IMAP_NOT_AUTH = 1,
	IMAP_AUTH = 2,
	IMAP_SELECTED = 4,
	IMAP_LOGGED_OUT = 8
};

/* What a question came to. */
enum imap_result {
	IMAP_OK,
	IMAP_TROUBLE, /* ours: the store is away, or says 4xx */
	IMAP_IN_USE,
	IMAP_NONEXISTENT,
	IMAP_EXISTS,
	IMAP_EXPUNGED,
	IMAP_OVERQUOTA,
	IMAP_CANNOT,
	IMAP_USEATTR,   /* RFC 6154 */
	IMAP_TOO_MANY,  /* RFC 5464 */
	IMAP_REFUSED,   /* login: wrong */
	IMAP_MALFORMED, /* login: not what the mechanism wants */
	IMAP_CHALLENGE  /* login: bytes are said, IMAP_ASK_RESPOND follows */
};

enum imap_question {
	IMAP_ASK_NOTHING,
	IMAP_ASK_LOGIN,     /* user, secret */
	IMAP_ASK_AUTH,      /* mechanism, has_initial, bytes in base 64 */
	IMAP_ASK_RESPOND,   /* bytes in base 64; answered as IMAP_ASK_AUTH */
	IMAP_ASK_ABORT,     /* no answer */
	IMAP_ASK_LIST,      /* -> boxes, more */
	IMAP_ASK_STATUS,    /* name -> one box */
	IMAP_ASK_OPEN,      /* name, read_only -> one box */
	IMAP_ASK_CLOSE,     /* no answer */
	IMAP_ASK_NOTICES,   /* read_only: no more of them; no answer. Then
			     * imap_session_noticed, once */
	IMAP_ASK_LEAVE,     /* no answer: nobody is logged in any more */
	IMAP_ASK_NOTES,     /* name, or empty -> notes */
	IMAP_ASK_SET_NOTES, /* name, notes -> result */
	IMAP_ASK_QUOTA,     /* -> quota */
	IMAP_ASK_CHANGE,    /* change, name, to -> result */
	IMAP_ASK_SCAN,      /* since, gone_since -> entries, gone, upto, modseq,
			     * floor, uidnext, more */
	IMAP_ASK_SUMMARY,   /* uids -> uid, header_len, bytes; last */
	IMAP_ASK_BODY,      /* uid, offset, length -> bytes, last */
	IMAP_ASK_FLAGS,     /* uids, mode, flags, is_conditional, since -> gone:
			     * what was left as it is, more */
	IMAP_ASK_EXPUNGE,   /* uids, any_flag */
	IMAP_ASK_COPY,      /* uids, to, is_move -> uidvalidity, pairs, more:
			     * all or nothing */
	IMAP_ASK_BODY_OPEN, /* size; then host->body; no answer unless refused
			     */
	IMAP_ASK_BODY_DROP, /* no answer */
	IMAP_ASK_DETAILS,   /* uids, length: octets of each summary ->
			     * details, more */
	IMAP_ASK_BODIES,    /* uids, headers -> uid, bytes, ends, more; of each
			     * message in turn; result is that message's when
			     * uid is not 0 */
	IMAP_ASK_FIND,      /* mailbox, needles -> needle, is_all, ranges, more:
			     * which uids may have it */
	IMAP_ASK_PAUSE,     /* answered in the next turn of the loop: others
			     * come in between */
	IMAP_ASK_APPEND_DROP, /* no answer: what was told with `more` is void */
	IMAP_ASK_APPEND       /* name, flags, date, zone, bytes = summary, uid =
			       * what is replaced in the selected mailbox ->
			       * uidvalidity, uid; with `more`: no answer, all go
			       * with the last, whose uid is the highest */
};

/* The values of store/flags.h. */
enum imap_change {
	IMAP_CHANGE_CREATE,
	IMAP_CHANGE_DELETE,
	IMAP_CHANGE_RENAME,
	IMAP_CHANGE_SUBSCRIBE,
	IMAP_CHANGE_UNSUBSCRIBE
};

enum imap_find { /* values of store/flags.h */
	IMAP_FIND_BODY,
	IMAP_FIND_TEXT,
	IMAP_FIND_HEADER
};

struct imap_needle {
	enum imap_find part;
	struct slice text; /* in folded case */
};

struct imap_ask {
	enum imap_question what;
	struct slice name, to, use;
	struct slice user, secret;
	enum sasl_mechanism mechanism;
	bool has_initial;
	bool sums_deleted; /* LIST, STATUS */
	bool read_only, any_flag, is_move, headers, more;
	uint64_t mailbox; /* of DETAILS, BODY, BODIES, SCAN; 0: the selected */
	enum imap_change change;
	const struct imap_needle *needles;
	size_t n_needles;
	uint64_t since, gone_since; /* modseqs */
	bool is_conditional;
	uint32_t uid;
	uint64_t offset, length, size;
	const struct imap_range *uids; /* lo <= hi */
	size_t n_uids;
	enum imap_store_mode mode;
	uint8_t flags;
	struct slice keywords;
	int64_t date; /* 0: now */
	int zone;
	struct slice bytes;
	const struct imap_note *notes;
	size_t n_notes;
};

enum { /* ranges in one question; the lists of messages.def */
	IMAP_ASK_RANGES = 1024,
	IMAP_ASK_COPY_RANGES = 65536,
	IMAP_ASK_NEEDLES = 16,
	IMAP_ASK_NEEDLE = 512,     /* octets of one */
	IMAP_ASK_SUMMARIES = 128,  /* messages in one ASK_DETAILS of FETCH */
	IMAP_ASK_BYTES = 64 * 1024 /* of one ASK_BODY */
};

struct imap_box {
	struct slice name; /* UTF-8 */
	struct slice special_use;
	uint64_t mailbox;
	uint32_t uidvalidity, uidnext, messages, unseen, recent, deleted;
	uint64_t size, modseq; /* of all in it; of the last change */
	uint64_t deleted_size; /* with sums_deleted */
	bool is_subscribed, exists;
};

struct imap_detail {
	uint32_t uid;
	struct id id; /* of the email */
	uint64_t thread;
	int64_t saved_at;     /* microseconds UTC */
	uint64_t size;        /* octets, as stored */
	struct slice summary; /* so many of its octets as were asked for */
};

struct imap_quota { /* limits: 0 is none */
	uint64_t used_bytes, limit_bytes, used_messages, limit_messages;
};

struct imap_pair {
	uint32_t from, to;
};

struct imap_answer {
	enum imap_question what;
	enum imap_result result;
	struct slice text; /* the store's words; may be empty */
	bool more;         /* further answers to the same question follow */
	const struct imap_box *boxes;
	size_t n_boxes;
	const struct imap_entry *entries;
	size_t n_entries;
	const struct imap_range *gone;
	size_t n_gone;
	uint64_t upto, modseq, floor;
	uint32_t uid, uidnext, uidvalidity;
	uint64_t header_len;
	struct slice bytes;
	bool ends; /* of BODIES: the message does */
	const struct imap_detail *details;
	size_t n_details;
	const struct imap_pair *pairs;
	size_t n_pairs;
	uint64_t mailbox; /* that CHANGE_CREATE made */
	struct imap_quota quota;
	const struct imap_note *notes;
	size_t n_notes;
	size_t needle; /* of FIND */
	bool is_all;
	const struct imap_range *ranges;
	size_t n_ranges;
};

struct imap_host {
	/* How many bytes may be said now. */
	size_t (*room)(void *ctx);
	void (*say)(void *ctx, struct slice bytes);
	/* False: nobody is there to be asked. The answer must not come before
	 * this has returned. */
	bool (*ask)(void *ctx, const struct imap_ask *ask);
	/* APPEND's bytes on their way to the store. */
	size_t (*body_room)(void *ctx);
	void (*body)(void *ctx, struct slice bytes);
	void (*start_tls)(void *ctx);
	/* Makes ready for it; false: no memory. Then, with `now`: what is said
	 * and comes in from here on is compressed (RFC 4978). */
	bool (*compress)(void *ctx, bool now);
	int64_t (*wall)(void *ctx); /* microseconds since 1970 */
	void (*end)(void *ctx);     /* after what was said; input is over */
};

struct imap_config {
	const char *hostname;
	bool may_start_tls;  /* there is a certificate */
	bool plain_auth;     /* passwords may travel in the clear */
	unsigned mechanisms; /* sasl/mechanism.h; changes with TLS */
	uint64_t max_size;   /* of an appended message */
	size_t find_least;   /* messages that are worth an index; 0: as usual */
	uint8_t seed[MAP_SEED];
};

struct imap_session;

/* NULL: out of memory. */
struct imap_session *imap_session_new(const struct imap_host *host, void *ctx,
    const struct imap_config *config);
void imap_session_free(struct imap_session *s);

void imap_session_start(struct imap_session *s, bool has_tls); /* greeting */
void imap_session_tls_up(struct imap_session *s);

/* Eats what it can and says how much that was. When less than everything was
 * eaten it waits for an answer or for room: call again after them. */
size_t imap_session_input(struct imap_session *s, struct slice in);
/* True while input would not be eaten. */
bool imap_session_is_busy(const struct imap_session *s);
/* There is room again. */
void imap_session_pump(struct imap_session *s);

void imap_session_answer(struct imap_session *s,
    const struct imap_answer *answer);
/* The selected mailbox has changed since the last scan. */
void imap_session_changed(struct imap_session *s);
/* Something of the account has changed since ASK_NOTICES. */
void imap_session_noticed(struct imap_session *s);
/* The store is gone, and with it the open question, the handle, the mailbox:
 * nothing this session could still do. The keeper: only a login waits. */
void imap_session_lost_store(struct imap_session *s);
void imap_session_lost_keeper(struct imap_session *s);
/* host->body_room says more than it did. */
void imap_session_body_room(struct imap_session *s);
/* The body of an APPEND is not wanted any more. */
void imap_session_body_refused(struct imap_session *s, enum imap_result result);
/* Something is said to a client in IDLE, so that its connection stays. */
void imap_session_still_here(struct imap_session *s);
/* Idle for too long, or the server goes down. */
void imap_session_bye(struct imap_session *s, const char *why);

enum imap_state imap_session_state(const struct imap_session *s);
bool imap_session_is_idling(const struct imap_session *s);

#endif
