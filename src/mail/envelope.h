/* SPDX-License-Identifier: ISC */
/*
 * mail/envelope - what RFC 3501 calls the envelope of a message: ten fields
 *
 * Made from the bytes of a header section here, or from a summary
 * (mail/summary.h): the same struct, so that its user writes one printer. The
 * values lie in the caller's arena, unfolded, encoded words left as they are.
 */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "base/arena.h"
#include "base/slice.h"
#include "mail/address.h"

/* at == NULL: no such field (NIL); no slice holds a CR or LF. When a field
 * stands twice the first one counts. */
struct envelope {
	struct slice date, subject, in_reply_to, message_id;
	struct address_list from;
	/* As RFC 3501 wants them: those of From when the field is absent or
	 * empty. */
	struct address_list sender, reply_to;
	struct address_list to, cc, bcc;
};

enum {
	ENVELOPE_TEXT_MAX = 8192, /* octets of one text; the rest is cut off */
	ENVELOPE_OK = 0,
	ENVELOPE_E_TRUNCATED =
	    1 /* limits or a full arena; *ret holds the rest */
};

/* header: the section, with or without its empty line (see header_len). */
int envelope_parse(struct slice header, struct arena *a, struct envelope *ret);

/* Field by field, for who walks the header anyway. True when the name is one
 * of the ten; *ret_cut is then set when something had to be left out. Call
 * envelope_finish() at the end, which fills sender and reply_to. */
bool envelope_add(struct envelope *e, struct slice name, struct slice body,
    struct arena *a, bool *ret_cut);
void envelope_finish(struct envelope *e);

#endif
