/* SPDX-License-Identifier: ISC */
/*
 * mail/transfer - quoted-printable and base64, written (RFC 2045, 6.7, 6.8)
 *
 * Streaming encoders for the body of one part: octets go in by pieces of any
 * size, the same text comes out for each way of cutting. Lines have at most 76
 * octets and none ends in a blank. The text has no line end behind its last
 * line where the delimiter of the next part brings one. No line of
 * quoted-printable begins with "-": none can be taken for a delimiter.
 *
 * With `out` NULL it is only counted how much it would be.
 */
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "base/buf.h"

enum {
	/* How much may come of n octets: each begins a line and is encoded. */
	TRANSFER_GROWTH = 6,
	TRANSFER_REST = 16 /* and of what is held, and at the end */
};

struct transfer {
	struct buf *out; /* NULL: count */
	uint64_t size;   /* of what was written, or would be */
	bool is_base64;
	bool has_cr; /* quoted-printable: a CR is held */
	uint8_t n;   /* base64: octets held */
	uint8_t held[3];
	uint8_t blank;  /* quoted-printable: it is held; 0: none */
	uint8_t column; /* of the line in hand */
};

void transfer_init(struct transfer *t, bool is_base64, struct buf *out);
/* Wants room for TRANSFER_GROWTH * in.len + TRANSFER_REST in `out`. */
void transfer_add(struct transfer *t, struct slice in);
/* What is held; the last line with its end when the message ends here. */
void transfer_end(struct transfer *t, bool is_last);

#endif
