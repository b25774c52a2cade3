/* SPDX-License-Identifier: ISC */
/*
 * mail/received - the trace line of a mail that arrived (RFC 5321, 4.4)
 *
 * Writes one Received field, folded, lines of at most 998 octets and ending in
 * CRLF. What the client said of itself is hostile: a name that is neither
 * domain nor address literal goes into a comment with every octet masked that
 * could end the comment, the line or the field.
 */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "base/buf.h"
#include "base/slice.h"

enum {
	RECEIVED_MAX = 2048 /* octets; a buffer of that cap holds any */
};

struct received {
	struct slice helo;     /* as it was said; may be empty */
	struct slice client;   /* address as text, without brackets; or, of a
				* local socket, "uid:1000" */
	struct slice rdns;     /* its confirmed name; may be empty */
	struct slice by;       /* our host name */
	struct slice protocol; /* "ESMTPSA" (RFC 3848) */
	struct slice tls;      /* "TLSv1.3 with cipher ...", or empty */
	struct slice id;       /* message id, 26 characters */
	struct slice rcpt;     /* only when there is exactly one; else empty.
				* Left out when it is not printable ASCII. */
	int64_t wall_us;
};

/* BUF_OK, BUF_E_FULL or -ENOMEM; on failure nothing was added. */
int received_print(const struct received *r, struct buf *ret);

#endif
