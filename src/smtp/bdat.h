/* SPDX-License-Identifier: ISC */
/*
 * smtp/bdat - a message that comes in chunks of a known length (RFC 3030)
 *
 * Counts the octets of a chunk and holds the message to the rule of DATA: lines
 * end in CRLF and nothing else, also where a chunk ends between the two. With
 * BODY=BINARYMIME that holds for the header section alone; what follows it is
 * any octets (docs/decisions/0008). Streaming, no allocation, O(1) state, input
 * in pieces of any size.
 */
#ifndef SMTP_BDAT_H
#define SMTP_BDAT_H

#include "base/slice.h"

enum {
	SMTP_BDAT_OK,
	SMTP_BDAT_E_SYNTAX
};

/* chunk-size [SP "LAST"]; a size above 2^63 is none. */
int smtp_bdat_parse(struct slice args, uint64_t *ret_size, bool *ret_is_last);

struct smtp_bdat {     /* zeroed is the beginning of a message */
	uint64_t left; /* of the chunk */
	bool is_last;  /* the chunk is */
	bool is_binary;
	bool is_bad; /* a CR or LF stood alone */
	bool is_8bit;
	bool has_cr;  /* the last octet was a CR; it is held back */
	bool is_body; /* behind the header section */
	bool is_inside_line;
};

void smtp_bdat_chunk(struct smtp_bdat *b, uint64_t size, bool is_last);
/* Takes at most the rest of the chunk off `in`, at least an octet when there is
 * one. The content so far, perhaps none; it points into `in` or is constant.
 * None is given out any more once is_bad. */
struct slice smtp_bdat_next(struct smtp_bdat *b, struct slice *in);
/* The message is over: false when a CR is still held back. */
bool smtp_bdat_end(const struct smtp_bdat *b);

#endif
