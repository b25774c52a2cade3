/* SPDX-License-Identifier: ISC */
/*
 * imap/capability - what this server can, as the client hears it
 *
 * One table: name, in which states it is told, on which condition, and what
 * ENABLE (RFC 5161) makes of it. A name stands here only when all of its RFC
 * is there. Pure.
 */
#ifndef IMAP_CAPABILITY_H
#define IMAP_CAPABILITY_H

#include "base/buf.h"
#include "base/slice.h"

struct imap_session;

/* What the client has enabled: bits of imap_session.enabled. */
enum {
	IMAP_ENABLED_REV2 = 1,
	IMAP_ENABLED_UTF8 = 2, /* RFC 6855 */
	IMAP_ENABLED_CONDSTORE = 4,
	IMAP_ENABLED_QRESYNC = 8, /* and with it CONDSTORE */
	IMAP_ENABLED_UIDONLY = 16
};

/* Passwords may be asked for: there is TLS, or the operator does not mind. */
bool imap_may_auth(const struct imap_session *s);
bool imap_may_login(const struct imap_session *s);

/* "CAPABILITY IMAP4rev1 ..." as it is true now. */
void imap_put_capabilities(const struct imap_session *s, struct buf *b);

/* The bit that ENABLE of this word sets; 0 for what cannot be enabled. */
unsigned imap_enable_bit(struct slice word);
/* " CONDSTORE QRESYNC" of these bits. */
void imap_put_enabled(unsigned bits, struct buf *b);

#endif
