/* SPDX-License-Identifier: ISC */
/*
 * roles/hook/hook_role - what the files of the role share
 *
 * A filter is one [[hook]] of the configuration. A session is one client of a
 * front; it has a part for each filter that looks at its service, in order.
 * A part is asked stage by stage and ends each with part_finish; the session
 * then asks the next one, and answers the front after the last. Memory: a
 * session is calloc'ed with its parts; what a message needs is charged to the
 * role's purse while the message is looked at.
 *
 *   main.c          the role's life, channels, the fronts' messages
 *   session.c       the order of parts, edits, answers
 *   link.c          the connection to a filter
 *   ask_milter.c    a part that speaks milter
 *   ask_scan.c      parts that ask Rspamd or clamd at the end of the message
 *   rspamd_reply.c  Rspamd's JSON
 */
#ifndef ROLES_HOOK_HOOK_ROLE_H
#define ROLES_HOOK_HOOK_ROLE_H

#include "base/arena.h"
#include "base/charge.h"
#include "base/list.h"
#include "base/map.h"
#include "hook/header.h"
#include "hook/hook.h"
#include "hook/http.h"
#include "hook/milter.h"
#include "roles/role.h"

enum stage {
	STAGE_CONNECT,
	STAGE_HELO,
	STAGE_MAIL,
	STAGE_RCPT,
	STAGE_DATA,
	STAGE_END,
	STAGE_NONE
};

struct part;

struct part_ops {
	void (*stage)(struct part *p); /* begin session->stage */
	void (*chunk)(struct part *p); /* session->chunk has come */
	void (*more)(struct part *p);  /* the front took a body piece */
	void (*connected)(struct part *p);
	void (*input)(struct part *p);   /* p->in has grown */
	void (*drained)(struct part *p); /* p->out is short again */
	void (*ended)(struct part *p);   /* the filter closed */
	void (*aborted)(struct part *p); /* the transaction is over */
};

struct filter {
	struct hook_role *role;
	const struct settings_hook *s;
	const struct part_ops *ops;
	unsigned n_links;
	struct list waiting; /* parts, by wait_link: for a free connection */
	struct list idle;    /* parts, by wait_link: with one, in no message */
	struct list busy;    /* those in one, the oldest first */
	uint8_t state;       /* HOOK_*: what was told of it */
	char why[HOOK_WHY];  /* it is down */
};

struct hook_role {
	struct role *role;
	struct env *env;
	struct list peers;
	struct purse memory;
	int64_t question_time; /* us, for all filters of a stage */
	/* fronts whose channel has ended, less those that came since the start:
	 * a successor may be here before its predecessor has gone */
	int n_lost;
	int64_t lost_time; /* us that they are waited for */
	struct env_timer lost;
	struct filter filters[LIMIT_HOOKS];
	unsigned n_filters;
};

struct peer { /* a front, or control without sessions */
	struct channel c;
	struct hook_role *role;
	struct map sessions; /* by the front's number */
	struct list link;
};

/* How far a milter was told of the message. */
enum milter_place {
	AT_BEGIN,
	AT_HEADER,
	AT_EOH,
	AT_BODY,
	AT_END
};

struct part {
	struct session *session;
	struct filter *filter;
	bool is_out_of_session; /* it has accepted the client */
	bool is_out_of_message; /* it has accepted the message, or failed */
	bool is_asked;          /* part_finish is due */
	/* link.c */
	bool is_open, is_connecting, is_waiting, is_paused;
	struct env_watch watch;
	struct env_timer timer;
	struct buf in, out;
	struct list wait_link;
	int64_t busy_since;
	bool was_taken; /* its connection, within a message */
	/* ask_milter.c */
	struct milter m;
	bool said_connect, said_helo, said_stage, in_message, skips_body;
	bool has_refused; /* the client as such */
	struct verdict refusal;
	char refusal_text[LIMIT_SMTP_REPLY_LINE];
	uint8_t place; /* enum milter_place */
	size_t n_fields;
	/* ask_scan.c */
	struct http_reply http;
	struct buf reply;
	bool has_all; /* all of the message was sent */
	/* what it has changed, while it is asked about the end */
	bool has_header, has_body;
	struct hook_lines lines; /* of its body */
};

struct session {
	struct peer *peer;
	struct hook_role *role;
	uint64_t number;
	uint8_t service, family;
	uint16_t port;
	char client[65], rdns[256], hostname[256], helo[256];
	/* the question */
	uint8_t stage; /* enum stage */
	uint32_t ticket;
	int64_t until; /* env_now() at which all of its parts are to be done */
	unsigned at;   /* part that is asked */
	bool is_discarded;
	/* the transaction */
	struct arena arena;
	struct slice sender, params, login, mechanism, tls, rcpt, rcpt_params;
	struct slice *rcpts;
	size_t n_rcpts, rcpts_size;
	/* the message */
	char id[ID_TEXT + 1];
	uint64_t size, offset; /* of the chunk that is wanted or there */
	struct buf chunk;
	size_t chunk_at; /* used so far */
	bool wants, is_last;
	struct hook_section section;
	struct hook_header header; /* of the part that is asked */
	struct charge charge;
	/* a rewrite */
	struct buf body; /* another one, as far as it was not sent */
	bool has_sent_body;
	struct buf printed;
	unsigned n_due; /* HOOK_MOREs */
	bool is_rewriting, has_said_rewrite, has_sent_header;
	/* edits of the envelope */
	struct buf edits;                 /* rows of hook_edit */
	uint32_t n_edits, n_edits_before; /* ... this part was asked */
	size_t edits_before;
	char quarantine[256];
	unsigned n_parts;
	struct part parts[];
};

/* -- main.c -- */
/* Tells the fronts nothing; once for each time it goes down. */
void filter_failed(struct filter *f, const char *why);
void filter_works(struct filter *f);

/* -- session.c -- */
struct session *session_new(struct peer *p, uint64_t number, unsigned service);
void session_free(struct session *s);
void session_ask(struct session *s, enum stage stage, uint32_t ticket);
void session_abort(struct session *s);
/* The next chunk of the message, from s->offset on. */
void session_want(struct session *s);
int session_chunk(struct session *s, const struct wire_hook_chunk *m);
void session_more(struct session *s);
void session_rebuilt(struct session *s, uint64_t size);
int session_add_rcpt(struct session *s, struct slice rcpt, struct slice params);
/* The chunk goes to the section until that is done. HOOK_OK or an error that
 * ends the part. */
int session_feed_section(struct session *s);
/* s->header is filled from s->section for the part that is asked. */
int session_need_header(struct part *p);
bool session_edit(struct session *s, unsigned what, struct slice address);
void session_quarantine(struct session *s, struct slice why);
/* A piece of another body. SESSION_SENT: more() follows, and nothing may be
 * added before it. */
enum session_body {
	SESSION_KEPT,
	SESSION_SENT,
	SESSION_BAD /* lines do not end in CRLF */
};
enum session_body session_body(struct part *p, struct slice data);

/* The part that is asked has decided. v: of HOOK_REFUSE. */
void part_finish(struct part *p, unsigned action, const struct verdict *v);
/* It cannot: why, for the log. The consequence is configured. */
void part_fail(struct part *p, const char *why);
/* The consequence alone: it is not the filter's fault. */
void part_give_up(struct part *p);

/* -- link.c -- */
/* Opens now, or when another one closes; connected() follows, or the part
 * fails. */
void link_open(struct part *p);
/* Harmless when it is not open. */
void link_close(struct part *p);
void link_flush(struct part *p);
void link_pause(struct part *p, bool is_paused);
/* The filter has so long for what it is asked. 0: it is asked nothing. */
void link_wait(struct part *p, int64_t us);
/* In no message: it may be closed when another part needs one. */
void link_is_idle(struct part *p, bool is_idle);

/* main.c: for tests */
extern const struct role_ops hook_ops;
extern const struct part_ops milter_ops, rspamd_ops, clamd_ops;

#endif
