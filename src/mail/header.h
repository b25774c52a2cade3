/* SPDX-License-Identifier: ISC */
/*
 * mail/header - the fields of a header section (RFC 5322, 2.2)
 *
 * Walks the fields of bytes that somebody else owns and returns slices of
 * them. Total: every input has an answer, and a line that is no field comes
 * out as one without a name, so that no byte is lost. A line ends in LF; a CR
 * before it belongs to the line end (stored mail ends in CRLF, but what comes
 * by APPEND is kept as it came). Nothing is repaired.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/buf.h"
#include "base/slice.h"

struct header_field {
	struct slice
	    name; /* without blanks before the colon; empty: no field */
	struct slice
	    body; /* behind the colon, folded, without the last line end */
	struct slice whole; /* with its line end: the fields in a row are the
			     * section */
};

/* Length of the header section with the empty line that ends it; the whole
 * message when it has no empty line. */
size_t header_len(struct slice message);

/* Takes one field off the front of `in`. False at the empty line (which stays
 * in `in`) and at the end. */
bool header_next(struct slice *in, struct header_field *ret);

/* The first field of that name, in any case of letters. */
bool header_find(struct slice section, struct slice name,
    struct header_field *ret);
size_t header_count(struct slice section, struct slice name);

/* The body with its line ends taken out (the blanks behind them stay, 2.2.3)
 * and without blanks at both ends. A CR or LF of any kind never gets through.
 * BUF_OK, BUF_E_FULL or -ENOMEM. */
int header_unfold(struct slice body, struct buf *ret);

#endif
