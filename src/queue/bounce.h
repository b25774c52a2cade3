/* SPDX-License-Identifier: ISC */
/*
 * queue/bounce - the letter that tells a sender what became of his mail
 *
 * Composes a delivery status notification (RFC 3464 in RFC 6522's
 * multipart/report): words for a person, fields for a program, and of the
 * original its header, or all of it. Everything that came from outside
 * (addresses, replies, the header) is cleaned or encoded: lines end in CRLF,
 * none is longer than 998 octets, and the result is 7-bit. Only where nothing
 * on its way can be in the way of it (`takes_8bit`, or a sender in UTF-8) has
 * it 8-bit parts: UTF-8 (RFC 6533), and the original as it was.
 *
 * Pure. Size: about 2 KiB a recipient and three times the original at most;
 * BOUNCE_MAX holds any.
 */
#ifndef QUEUE_BOUNCE_H
#define QUEUE_BOUNCE_H

#include "base/buf.h"
#include "base/id.h"
#include "base/verdict.h"

enum {
	BOUNCE_MAX = 1024 * 1024,
	BOUNCE_RCPTS = 100, /* as in BOUNCE_MAKE */
	/* "Return-Path: <>" CRLF: for a mailbox here; what goes to another
	 * server begins behind it. */
	BOUNCE_RETURN_PATH = 17
};

/* What became of it, with is_success (RFC 3464, 2.3.3). */
enum bounce_action {
	BOUNCE_DELIVERED,
	BOUNCE_RELAYED,
	BOUNCE_EXPANDED
};

struct bounce_rcpt {
	struct slice address;
	struct slice orcpt;  /* of RFC 3461, xtext; may be empty */
	struct slice remote; /* "host [address]:port"; empty: there was none */
	struct verdict verdict;
	enum bounce_action action;
	bool is_ours;    /* the verdict: our words about that host */
	bool is_late;    /* its Status is 4.4.7, whatever was said */
	int64_t last_at; /* of the last attempt; 0: there was none */
};

struct bounce {
	struct id id, original; /* of the bounce, of the mail */
	struct slice hostname;  /* ours */
	struct slice sender;    /* to whom this goes */
	bool is_delayed;        /* only late so far */
	bool is_success;        /* NOTIFY=SUCCESS (RFC 3461, 5.2.2) */
	bool is_full;           /* `content` is all of it (RET=FULL) */
	bool is_smtputf8;       /* the original was mail of RFC 6531 */
	bool requires_tls;      /* RFC 8689 */
	bool takes_8bit;        /* the sender's mailbox is here */
	int64_t now, arrived, expires;
	int64_t deliver_by;    /* RFC 2852; 0: not said */
	struct slice envid;    /* xtext; may be empty */
	struct slice content;  /* of the original: its header, or the beginning
				* of that, or all of it */
	struct slice dialogue; /* with the servers; may be empty */
	const struct bounce_rcpt *rcpts;
	size_t n_rcpts; /* 1 to BOUNCE_RCPTS */
};

/* Appends the whole message. BUF_OK, BUF_E_FULL, -ENOMEM. */
int bounce_compose(const struct bounce *b, struct buf *out);

#endif
