/* SPDX-License-Identifier: ISC */
/*
 * smtp/dot - a message between "354" and CRLF.CRLF (RFC 5321, 4.5.2)
 *
 * In: takes away the doubled dots and finds the end. Lines end in CRLF and
 * nothing else; a CR or LF that stands alone makes the whole message refused,
 * and reading goes on to the real end, so that no two servers can disagree
 * about where it is. Out: puts the dots in; a CR or LF that stands alone
 * cannot get out. Streaming, no allocation, O(1) state, chunks of any size.
 */
#ifndef SMTP_DOT_H
#define SMTP_DOT_H

#include "base/buf.h"
#include "base/slice.h"

enum smtp_dot_state {
	SMTP_DOT_START, /* at the start of a line */
	SMTP_DOT_TEXT,
	SMTP_DOT_CR,     /* after a CR, not yet given out */
	SMTP_DOT_DOT,    /* after a dot that began a line, not given out */
	SMTP_DOT_DOT_CR, /* after that, a CR; neither given out */
	SMTP_DOT_DONE
};

struct smtp_dot {
	uint8_t state; /* enum smtp_dot_state */
	bool is_bad;   /* a CR or LF stood alone */
	bool is_8bit;
};

enum {
	SMTP_DOT_RUN,  /* *ret_run is content; call again */
	SMTP_DOT_MORE, /* the input is used up */
	SMTP_DOT_END   /* the final dot is read; `in` is what follows it */
};

/* State zero is the beginning. *ret_run points into `in` or is constant; no
 * content is given out any more once is_bad. */
int smtp_dot_next(struct smtp_dot *d, struct slice *in, struct slice *ret_run);

/* The way out; zeroed is the beginning. */
struct smtp_stuff {
	bool is_inside_line;
	bool has_cr; /* the last byte was a CR; it is held back */
};

enum {
	SMTP_STUFF_OK,
	SMTP_STUFF_E_LINE_END /* a CR or LF stands alone: give up the body */
};

/* Adds as much of `in` as `out` has room for and advances `in`; -ENOMEM. After
 * SMTP_STUFF_E_LINE_END the connection cannot be used for anything else. */
int smtp_stuff_add(struct smtp_stuff *s, struct slice *in, struct buf *out);
/* The final dot, after a CRLF of its own when the last line has none. Needs
 * room for 5 bytes; SMTP_STUFF_E_LINE_END, BUF_E_FULL becomes -ENOBUFS. */
int smtp_stuff_end(struct smtp_stuff *s, struct buf *out);

#endif
