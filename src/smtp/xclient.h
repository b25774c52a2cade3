/* SPDX-License-Identifier: ISC */
/*
 * smtp/xclient - a trusted front says who its client is (Postfix's XCLIENT)
 *
 *   XCLIENT 1*( SP attribute "=" value )
 *
 * Offered to networks of smtp.xclient alone, and only there obeyed: it changes
 * what policy is asked about, so it is read to the letter. Values are xtext
 * (RFC 3461, 4) or [UNAVAILABLE] or [TEMPUNAVAIL]. LOGIN is not among the
 * attributes: no authority comes from the network (docs/decisions). Pure;
 * allocates nothing.
 */
#ifndef SMTP_XCLIENT_H
#define SMTP_XCLIENT_H

#include "base/ip.h"
#include "base/limits.h"

/* What EHLO says behind XCLIENT. */
#define SMTP_XCLIENT_ATTRIBUTES "NAME ADDR PORT PROTO HELO DESTADDR DESTPORT"

enum {
	SMTP_XCLIENT_OK,
	SMTP_XCLIENT_E_SYNTAX,    /* no attribute at all, or not of the form */
	SMTP_XCLIENT_E_ATTRIBUTE, /* unknown, or given twice */
	SMTP_XCLIENT_E_VALUE
};

enum smtp_xclient_is {
	SMTP_XCLIENT_UNSAID,
	SMTP_XCLIENT_SAID,
	SMTP_XCLIENT_UNAVAILABLE, /* there is none, or it is not known */
	SMTP_XCLIENT_TEMPUNAVAIL  /* not known for now */
};

struct smtp_xclient {
	uint8_t name_is, addr_is, port_is, proto_is, helo_is, dest_is,
	    dest_port_is; /* enum smtp_xclient_is */
	char name[LIMIT_DOMAIN + 1];
	char helo[LIMIT_DOMAIN + 1];
	struct ip addr, dest;
	uint16_t port, dest_port;
	bool is_esmtp;
};

/* *ret is set on OK only. */
int smtp_xclient_parse(struct slice args, struct smtp_xclient *ret);

#endif
