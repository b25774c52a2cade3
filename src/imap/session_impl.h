/* SPDX-License-Identifier: ISC */
/*
 * imap/session_impl - what the files of the session share
 *
 * session_read.c reads, session.c dispatches; session_auth.c has the commands
 * by which one gets in, session_box.c those about mailboxes, session_append.c
 * APPEND, session_copy.c COPY and MOVE, session_msg.c the others about
 * messages, session_sync.c tells what has changed, fetch.c and search.c do what
 * they say. Not for anybody else.
 */
#ifndef IMAP_SESSION_IMPL_H
#define IMAP_SESSION_IMPL_H

#include "base/limits.h"
#include "imap/capability.h"
#include "imap/session.h"
#include "imap/utf7.h"

struct fetch;
struct search;
struct imap_append;
struct list_run;
struct resync;
struct notify;

enum {
	IMAP_COMMAND_MAX = LIMIT_IMAP_LINE + LIMIT_IMAP_LITERAL
};

enum imap_reader {
	IMAP_READ_LINE,
	IMAP_READ_LITERAL,
	IMAP_READ_SKIP, /* a literal nobody wants */
	IMAP_READ_SASL,
	IMAP_READ_IDLE,
	IMAP_READ_APPEND
};

typedef void imap_then_fn(struct imap_session *s,
    const struct imap_answer *answer);
typedef void imap_more_fn(struct imap_session *s);

struct imap_session {
	const struct imap_host *host;
	void *ctx;
	const struct imap_config *config;
	enum imap_state state;
	bool has_tls;
	unsigned enabled; /* IMAP_ENABLED_* */
	unsigned n_errors, n_auths;

	/* reading */
	enum imap_reader reader;
	struct buf line;       /* the command so far, literals in place */
	size_t line_at;        /* where its present line begins */
	size_t n_text;         /* octets of it that are no literals */
	uint64_t literal_left; /* of READ_LITERAL, READ_SKIP, READ_APPEND */
	bool is_discarding;    /* the command was refused; its rest goes */
	const char *why;       /* refused, because; NULL: syntax */
	bool is_compressed;
	bool has_switched; /* just now: what follows comes otherwise */
	bool wants_tls;    /* STARTTLS was said; what follows is not ours */

	/* the command that runs */
	struct arena arena;
	struct imap_command cmd;
	imap_then_fn *then; /* waits for an answer */
	enum imap_question asked;
	imap_more_fn *more; /* goes on when there is room */
	struct buf out;     /* said, but the host had no room */

	/* the selected mailbox */
	struct imap_view view;
	bool has_view, is_read_only, is_dirty;
	uint64_t mailbox, upto;
	uint64_t highest; /* the mailbox's modseq at the last scan */
	uint64_t floor;   /* below it the store has forgotten what left */
	uint32_t uidvalidity, uidnext;

	/* finishing a command */
	bool may_expunge; /* untagged EXPUNGE is in order */
	bool says_uid;    /* FETCH of the sync has UIDs */
	bool is_syncing;
	bool must_send_flags; /* FLAGS has new words */
	struct imap_expunge expunge;
	size_t sync_at;
	size_t told_before;
	void (*after_sync)(struct imap_session *s);
	const char *done; /* "OK Done" */
	struct buf code;  /* "[COPYUID ...] ", or empty */

	/* RFC 5465 (session_notify.c) */
	struct notify *notify, *new_notify;
	bool is_pushing;             /* a FETCH that is no command's */
	bool no_flags;               /* the sync tells none */
	struct imap_command own_cmd; /* IDLE, while one is pushed */
	struct imap_pick pushed;

	/* one command's own */
	struct imap_picks picks;
	struct imap_pick *kept_picks; /* those of picks that were made anew */
	struct resync *resync;        /* session_resync.c's */
	struct buf modified;          /* STORE's: uids left as they were */
	bool says_highest;            /* the tagged OK has HIGHESTMODSEQ */
	size_t pick_at;
	struct imap_range *ranges; /* IMAP_ASK_RANGES of them */
	bool has_missed;           /* messages that were gone */
	struct fetch *fetch;
	struct search *search;
	struct search_contexts *contexts; /* of the selected mailbox */
	struct buf boxes;                 /* LIST's rows, packed */
	struct buf tree; /* and one row of session_list.c each name */
	size_t box_at, n_boxes;
	struct list_run *list;
	struct buf pairs; /* COPY's */
	uint32_t pair_validity;
	struct slice selected;      /* name of the mailbox, allocated */
	struct imap_append *append; /* while it runs */
	bool is_idling;
};

/* -- saying --------------------------------------------------------------- */

/* Bytes to the host, or to `out` when it has no room. */
void imap_say(struct imap_session *s, struct slice bytes);
/* A text made of many pieces; one of them lost ends the session: half an
 * answer is none. */
void imap_say_buf(struct imap_session *s, const struct buf *b);
void imap_printf(struct imap_session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool imap_is_drained(const struct imap_session *s);
/* Says the tagged line and ends the command. `line`: "OK Done". */
void imap_done(struct imap_session *s, const char *line);
/* First tells what has changed (always, or only when something is known to
 * have), then the same. */
void imap_sync_done(struct imap_session *s, const char *line, bool always);
/* NO, with the response code that fits. */
void imap_no(struct imap_session *s, enum imap_result result);
/* BYE and the end: memory, a broken view, an answer that makes no sense. */
void imap_fatal(struct imap_session *s, const char *why);

/* -- asking --------------------------------------------------------------- */

/* False: nobody was there; the command has been ended with NO. */
bool imap_ask(struct imap_session *s, const struct imap_ask *ask,
    imap_then_fn *then);

/* -- the view ------------------------------------------------------------- */

void imap_leave_mailbox(struct imap_session *s);
/* Takes the rows of one answer; false when it ended the session. */
bool imap_take_rows(struct imap_session *s, const struct imap_answer *a);
void imap_sync_start(struct imap_session *s,
    void (*after)(struct imap_session *));
/* Asks and takes what has changed, and tells nothing of it yet. */
void imap_sync_quietly(struct imap_session *s, uint64_t gone_since,
    void (*after)(struct imap_session *));
/* Tells what is known to have changed. */
void imap_tell(struct imap_session *s, void (*after)(struct imap_session *));
/* "* 7 FETCH (" of that row. */
int imap_put_row_head(const struct imap_session *s, size_t index,
    struct buf *b);
int imap_put_flags(struct imap_session *s, const struct imap_row *row,
    struct buf *b);
bool imap_is_rev2(const struct imap_session *s);
void imap_say_exists(struct imap_session *s); /* and RECENT, in rev1 */
void imap_say_flags(struct imap_session *s);  /* FLAGS and PERMANENTFLAGS */
/* s->picks from the command's set; and that the mailbox may be changed. False:
 * the command has been ended. */
bool imap_pick(struct imap_session *s);
bool imap_check_writable(struct imap_session *s);
/* The next ranges of uids of s->picks, at most `max`; 0 when all were had. */
size_t imap_next_ranges(struct imap_session *s, size_t max);

/* -- RFC 7162 (session_resync.c) ------------------------------------------- */

void imap_say_highest(struct imap_session *s);
/* What any command does that enables CONDSTORE. */
void imap_condstore_on(struct imap_session *s);
/* Of s->picks those whose modseq is above. False: the command was ended. */
bool imap_keep_since(struct imap_session *s, uint64_t since);
int imap_put_range(struct buf *b, struct imap_range r);
bool imap_resync_begin(struct imap_session *s);
void imap_resync_gone(struct imap_session *s, const struct imap_answer *a);
/* Says VANISHED (EARLIER): of `known` (sorted in place; NULL: of all), what
 * left since s->cmd.sync.modseq. */
void imap_resync_tell(struct imap_session *s, const struct imap_set *known,
    void (*after)(struct imap_session *));
/* All of it for SELECT (QRESYNC ...), and then s->done. */
void imap_resync_select(struct imap_session *s);
void imap_resync_free(struct imap_session *s);

/* -- RFC 5465 (session_notify.c) ------------------------------------------- */

/* Tells what is to be told between two commands, one step of it; false when
 * there is nothing, or no time for it. */
bool imap_notify_go(struct imap_session *s);
void imap_notify_free(struct imap_session *s);
/* False: NOTIFY was said, and not of the selected mailbox. */
bool imap_notify_wants_selected(const struct imap_session *s);
/* FETCH of s->picks and s->cmd.fetch that no command asked for; it ends with
 * imap_push_done. */
void imap_fetch_push(struct imap_session *s);
void imap_push_done(struct imap_session *s);

/* -- reading -------------------------------------------------------------- */

/* Eats what the present reader can of it, and says how much. */
size_t imap_read(struct imap_session *s, struct slice in);
/* Tag and verb of the command: what is wrong with it so far, or NULL. */
const char *imap_check_begin(struct imap_session *s, struct imap_in *in);
/* The line that refuses arguments: of imap_command_args. */
const char *imap_args_text(int r);
/* A whole command, its literals in it, without its last CRLF. */
void imap_run_line(struct imap_session *s, struct slice text);
void imap_on_sasl_line(struct imap_session *s, struct slice line);
void imap_on_idle_line(struct imap_session *s, struct slice line);
void imap_abort_auth(struct imap_session *s);

/* -- mailboxes ------------------------------------------------------------ */

enum {
	IMAP_WIRE_NAME = IMAP_UTF7_MAX(LIMIT_MAILBOX_NAME)
};

/* Names are UTF-8 on the wire, too. */
bool imap_has_utf8_names(const struct imap_session *s);
/* A mailbox name as it goes out. */
int imap_put_name(const struct imap_session *s, struct buf *b,
    struct slice name);
/* "(F1f)" (RFC 8474): of the mailbox, whatever its name. */
int imap_put_mailbox_id(struct buf *b, uint64_t mailbox);
/* * METADATA with what s->cmd asks for of the notes; the size of the longest
 * that was too long. */
size_t imap_say_metadata(struct imap_session *s, struct slice name,
    const struct imap_answer *a);
/* * STATUS with the items of s->cmd.status. */
void imap_say_status(struct imap_session *s, const struct imap_box *box);

/* -- the commands --------------------------------------------------------- */

imap_more_fn imap_run_notify;
imap_more_fn imap_run_compress, imap_run_language, imap_run_unauthenticate;
imap_more_fn imap_run_authenticate, imap_run_capability,
    imap_run_close, imap_run_copy, imap_run_create, imap_run_enable,
    imap_run_id, imap_run_login, imap_run_namespace, imap_run_starttls,
    imap_run_delete, imap_run_expunge, imap_run_fetch, imap_run_list,
    imap_run_rename, imap_run_getmetadata, imap_run_setmetadata,
    imap_run_getquota, imap_run_getquotaroot, imap_run_setquota,
    imap_run_search, imap_run_select, imap_run_status, imap_run_store,
    imap_run_subscribe, imap_run_unselect, imap_run_unsubscribe;
struct imap_literal { /* at the end of a line */
	uint64_t n;
	bool is_sync, is_8;
};
/* Whether this line belongs to an APPEND or REPLACE; then it is for
 * imap_append_line. literal NULL: the line is the last. */
bool imap_append_takes(struct imap_session *s, struct slice text);
void imap_append_line(struct imap_session *s, struct slice text,
    const struct imap_literal *literal);
bool imap_append_waits(const struct imap_session *s); /* for room */
size_t imap_append_input(struct imap_session *s, struct slice in);
void imap_append_forget(struct imap_session *s);
void imap_fetch_free(struct imap_session *s);
void imap_search_free(struct imap_session *s);
/* Searches that are told further on (RFC 5267): before a sync, and when all
 * else of it was said; false: nothing to be done, `then` is not called. */
void imap_contexts_before(struct imap_session *s);
bool imap_contexts_after(struct imap_session *s, imap_more_fn *then);
void imap_contexts_free(struct imap_session *s);
void imap_line_init(struct imap_session *s);
imap_more_fn imap_run_cancelupdate, imap_run_esearch;

#endif
