/* SPDX-License-Identifier: ISC */
/*
 * mail/subject - the base subject, by which mails are sorted and threaded
 *
 * RFC 5256, section 2.1: encoded words decoded, "Re:", "Fwd:", "[list]" and
 * "(fwd)" taken off, case folded. Pure; the result is well-formed UTF-8.
 */
#ifndef MAIL_SUBJECT_H
#define MAIL_SUBJECT_H

#include "base/buf.h"
#include "base/slice.h"

enum {
	SUBJECT_MAX = 8192 /* octets looked at */
};

/* subject: unfolded. *ret_is_reply: a reply or forward, as RFC 5256 counts.
 * BUF_* or -ENOMEM. */
int subject_base(struct slice subject, struct buf *ret, bool *ret_is_reply);

#endif
