/* SPDX-License-Identifier: ISC */
/*
 * pop3/stuff - a message as a multi-line response (RFC 1939, 3)
 *
 * Doubles the dot that begins a line and gives every line its CRLF: a message
 * that came by IMAP may hold a bare LF, which a POP3 client would read as
 * anything. All else passes as it is. Counts lines for TOP. Streaming, any
 * size of chunks; writes at most three bytes for one.
 */
#ifndef POP3_STUFF_H
#define POP3_STUFF_H

#include "base/buf.h"

struct pop3_stuff {
	bool is_inside_line, has_cr; /* the last byte was a CR */
	bool is_in_body;
	bool is_limited; /* TOP: stop after `lines` of the body */
	uint32_t lines;
	bool is_done; /* TOP has enough */
};

/* BUF_* or -ENOMEM. */
int pop3_stuff_add(struct pop3_stuff *s, struct slice in, struct buf *out);
int pop3_stuff_end(struct pop3_stuff *s, struct buf *out); /* CRLF.CRLF */

#endif
