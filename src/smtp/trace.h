/* SPDX-License-Identifier: ISC */
/*
 * smtp/trace - the header section of a message that streams by
 *
 * Counts Received fields (a loop, RFC 5321 6.3) and, for submission, sees
 * whether Date and Message-ID are there and says them at the end of the
 * header section when they are not (RFC 6409, 8.1 and 8.2). Knows nothing else
 * of mail: a line that is no field ends the section, and nothing is added to
 * such a message. Input is what smtp/dot gives out: lines end in CRLF.
 */
#ifndef SMTP_TRACE_H
#define SMTP_TRACE_H

#include "base/slice.h"

enum smtp_trace_state {
	SMTP_TRACE_START, /* of a line */
	SMTP_TRACE_NAME,
	SMTP_TRACE_VALUE, /* to the end of the line */
	SMTP_TRACE_DONE   /* the header section is over */
};

enum {
	SMTP_TRACE_NAME_MAX = 16, /* of names that we look for */
	SMTP_TRACE_FIELD_MAX = 400
};

struct smtp_trace {
	uint8_t state; /* enum smtp_trace_state; zeroed is the beginning */
	bool has_date, has_message_id, is_pending;
	uint8_t name_len;
	uint8_t name[SMTP_TRACE_NAME_MAX]; /* lower case */
	unsigned n_received;
	/* What to add, each with its CRLF; empty: do not add. */
	uint8_t date[SMTP_TRACE_FIELD_MAX], message_id[SMTP_TRACE_FIELD_MAX];
	size_t date_len, message_id_len;
	uint8_t added[2 * SMTP_TRACE_FIELD_MAX];
	size_t added_len;
};

/* To be called before the first byte. Longer fields are left out. */
void smtp_trace_add_if_missing(struct smtp_trace *t, struct slice date,
    struct slice message_id);
/* The next part of the message, from `in` or added; false: `in` is used up and
 * nothing waits. Valid until the next call. */
bool smtp_trace_next(struct smtp_trace *t, struct slice *in,
    struct slice *ret_part);
/* The message ends here. Ask smtp_trace_next once more, with nothing. */
void smtp_trace_end(struct smtp_trace *t);

#endif
