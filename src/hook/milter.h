/* SPDX-License-Identifier: ISC */
/*
 * hook/milter - the mail server's side of the milter protocol, version 6
 *
 * A machine without input or output: each milter_say_* appends one command
 * (and the macros of its stage before it) to the bytes that go to the filter
 * and tells whether a reply is due; milter_step takes one packet of the
 * filter's and fills one effect. The filter is believed in nothing: a packet
 * that is too long, no reply to what was asked, an edit that was not
 * negotiated or comes at the wrong time is MILTER_BAD, after which the machine
 * is of no more use. There is no RFC: the constants are those that the
 * protocol's many implementations share. Memory: this struct, nothing else.
 */
#ifndef HOOK_MILTER_H
#define HOOK_MILTER_H

#include "base/buf.h"
#include "base/limits.h"
#include "base/verdict.h"

/* Stages that have a list of macros of their own; the numbers are the
 * protocol's. */
enum milter_stage {
	MILTER_CONNECT,
	MILTER_HELO,
	MILTER_MAIL,
	MILTER_RCPT,
	MILTER_DATA,
	MILTER_EOM,
	MILTER_EOH,
	MILTER_STAGES
};

/* What a filter may do at the end of a message. */
enum {
	MILTER_ADD_HEADERS = 0x001,
	MILTER_CHANGE_BODY = 0x002,
	MILTER_ADD_RCPT = 0x004,
	MILTER_DELETE_RCPT = 0x008,
	MILTER_CHANGE_HEADERS = 0x010,
	MILTER_QUARANTINE = 0x020,
	MILTER_CHANGE_FROM = 0x040,
	MILTER_ADD_RCPT_PARAMS = 0x080,
	MILTER_SET_SYMBOLS = 0x100,
	MILTER_ACTIONS = 0x1ff
};

/* Steps that it wants to be left out, or to leave unanswered. */
enum {
	MILTER_NO_CONNECT = 0x000001,
	MILTER_NO_HELO = 0x000002,
	MILTER_NO_MAIL = 0x000004,
	MILTER_NO_RCPT = 0x000008,
	MILTER_NO_BODY = 0x000010,
	MILTER_NO_HEADERS = 0x000020,
	MILTER_NO_EOH = 0x000040,
	MILTER_MUTE_HEADER = 0x000080,
	MILTER_NO_UNKNOWN = 0x000100,
	MILTER_NO_DATA = 0x000200,
	MILTER_MAY_SKIP = 0x000400,
	MILTER_MUTE_CONNECT = 0x001000,
	MILTER_MUTE_HELO = 0x002000,
	MILTER_MUTE_MAIL = 0x004000,
	MILTER_MUTE_RCPT = 0x008000,
	MILTER_MUTE_DATA = 0x010000,
	MILTER_MUTE_UNKNOWN = 0x020000,
	MILTER_MUTE_EOH = 0x040000,
	MILTER_MUTE_BODY = 0x080000,
	MILTER_LEADING_SPACE = 0x100000,
	/* all but the recipients that we refuse ourselves (0x800) */
	MILTER_STEPS = 0x1ff7ff
};

enum {
	MILTER_VERSION = 6,
	MILTER_BODY_MAX = 65535, /* of one body packet */
	MILTER_SYMBOLS = 512     /* octets of one stage's list */
};

struct milter_macro {
	const char *name; /* "j", "{client_addr}" */
	struct slice value;
};

struct milter_macros {
	const struct milter_macro *rows;
	size_t n;
};

struct milter {
	uint32_t version, actions, steps; /* as negotiated */
	uint8_t awaits;                   /* command that is not answered */
	bool is_ready, is_bad;
	bool has_symbols[MILTER_STAGES];
	char symbols[MILTER_STAGES][MILTER_SYMBOLS];
};

enum milter_sent {
	MILTER_GO,     /* no reply comes: the next may follow at once */
	MILTER_WAIT,   /* for milter_step to say more than PROGRESS */
	MILTER_NO_ROOM /* nothing was added */
};

void milter_init(struct milter *m);
/* Negotiation; MILTER_READY follows. */
enum milter_sent milter_say_open(struct milter *m, struct buf *out);
/* address: of the client, text; family 4, 6 or 0 (unknown) */
enum milter_sent milter_say_connect(struct milter *m,
    const struct milter_macros *macros, struct slice host, unsigned family,
    uint16_t port, struct slice address, struct buf *out);
enum milter_sent milter_say_helo(struct milter *m,
    const struct milter_macros *macros, struct slice helo, struct buf *out);
/* address without brackets; params as after the path, one space between. */
enum milter_sent milter_say_mail(struct milter *m,
    const struct milter_macros *macros, struct slice address,
    struct slice params, struct buf *out);
enum milter_sent milter_say_rcpt(struct milter *m,
    const struct milter_macros *macros, struct slice address,
    struct slice params, struct buf *out);
enum milter_sent milter_say_data(struct milter *m,
    const struct milter_macros *macros, struct buf *out);
/* body: behind the colon, folded with CRLF; goes out with LF alone. */
enum milter_sent milter_say_header(struct milter *m, struct slice name,
    struct slice body, struct buf *out);
enum milter_sent milter_say_eoh(struct milter *m,
    const struct milter_macros *macros, struct buf *out);
/* At most MILTER_BODY_MAX octets. */
enum milter_sent milter_say_body(struct milter *m, struct slice part,
    struct buf *out);
enum milter_sent milter_say_end(struct milter *m,
    const struct milter_macros *macros, struct buf *out);
/* Unanswered, both. */
enum milter_sent milter_say_abort(struct milter *m, struct buf *out);
enum milter_sent milter_say_quit(struct milter *m, struct buf *out);

enum milter_do {
	MILTER_MORE,     /* the packet is not whole yet */
	MILTER_READY,    /* negotiated */
	MILTER_VERDICT,  /* e.verdict: what was awaited is answered */
	MILTER_EDIT,     /* e.edit; a verdict follows */
	MILTER_PROGRESS, /* it is at work: wait as long again */
	MILTER_BAD       /* e.why */
};

enum milter_verdict {
	MILTER_CONTINUE,
	MILTER_ACCEPT,
	MILTER_REJECT,
	MILTER_TEMPFAIL,
	MILTER_DISCARD,
	MILTER_SKIP,  /* no more of the body, please */
	MILTER_REPLY, /* e.reply */
	MILTER_CLOSE  /* 421 */
};

enum milter_edit {
	MILTER_EDIT_ADD_RCPT,    /* name: address, value: params */
	MILTER_EDIT_DELETE_RCPT, /* name */
	MILTER_EDIT_BODY,        /* value: the next part of another body */
	MILTER_EDIT_FROM,        /* name: address, value: params */
	MILTER_EDIT_ADD,         /* name, value: a field, at the end */
	MILTER_EDIT_INSERT,      /* before the index-th of all, from 0 */
	MILTER_EDIT_CHANGE,      /* the index-th of that name, from 1; value
				  * empty: take it out */
	MILTER_EDIT_QUARANTINE   /* value: why */
};

struct milter_effect {
	uint8_t todo;    /* enum milter_do */
	uint8_t verdict; /* enum milter_verdict */
	uint8_t edit;    /* enum milter_edit */
	uint32_t index;
	struct slice name, value; /* in the packet */
	struct verdict reply;     /* its text too */
	const char *why;
};

/* Returns how much of `in` it has eaten: one packet, or 0 (MORE, BAD). `in`
 * must be able to grow to LIMIT_MILTER_PACKET + 4. */
size_t milter_step(struct milter *m, struct slice in, struct milter_effect *e);

#endif
