/* SPDX-License-Identifier: ISC */
/*
 * mail/inject - what a program of this machine hands in becomes a message
 *
 * The step between sendmail(1) and SMTP: line ends become CRLF, a leading mbox
 * line goes, Bcc and Return-Path go, From, Date and Message-ID come when they
 * are missing, recipients are read out of the header when that is asked for
 * (RFC 5322, 3.6.3 and 3.6.6). This is the one place that completes a message;
 * servers never do. Pure; everything it is given may be hostile. What it
 * returns lies in the caller's arena, in struct inject or in its text.
 */
#ifndef MAIL_INJECT_H
#define MAIL_INJECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

/* CRLF, LF and CR each end a line, and so does the end of the text; each
 * becomes CRLF. With `dot_ends` a line of one dot ends the text and goes.
 * BUF_OK, BUF_E_FULL or -ENOMEM. */
int inject_lines(struct slice text, bool dot_ends, struct buf *out);
/* Without the "From " line that stands before a message in an mbox. */
struct slice inject_skip_mbox(struct slice text);

struct inject_options {
	bool dot_ends;
	bool takes_rcpts;    /* To, Cc and Bcc, or their Resent- forms */
	struct slice domain; /* behind a local part that has none */
	/* Fields for a message that has none of that name, each with its CRLF;
	 * empty: none is added. */
	struct slice from, date, message_id;
};

struct inject_rcpts {
	struct slice *at; /* local@domain, each once */
	size_t n, max;
	bool is_cut; /* there were more, or the arena was full */
};

enum {
	INJECT_OK,
	INJECT_E_RCPTS, /* more recipients than it takes */
	INJECT_E_FULL   /* larger than the buffers' caps */
};

struct inject {
	struct buf lines;  /* all of the text, with CRLF */
	struct buf header; /* what goes first, with its empty line */
	struct slice body; /* of `lines`: what goes behind */
};

void inject_init(struct inject *j, size_t cap);
void inject_deinit(struct inject *j);
/* INJECT_OK, INJECT_E_*, -ENOMEM. Recipients are added to *rcpts. */
int inject_message(struct inject *j, struct slice text,
    const struct inject_options *o, struct arena *a,
    struct inject_rcpts *rcpts);

/* Every address of `list`, as in a To field or as an argument of a command.
 * INJECT_OK, INJECT_E_RCPTS. */
int inject_rcpts_add(struct slice list, struct slice domain, struct arena *a,
    struct inject_rcpts *rcpts);
/* local@domain as it stands in an envelope, quoted where it must be. BUF_OK,
 * BUF_E_FULL, -ENOMEM. */
int inject_address_print(struct slice local, struct slice domain,
    struct buf *out);
/* "From: Name <address>" CRLF; the name is quoted or encoded (RFC 2047). */
int inject_from_print(struct slice name, struct slice address, struct buf *out);

#endif
