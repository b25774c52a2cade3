/* SPDX-License-Identifier: ISC */
/*
 * smtp/trace - the header section of a message that streams by
 *
 * smtp_fields looks on: how many Received fields there are, and how often they
 * say "by" us (loops, RFC 5321 6.3), whether Date and Message-ID are there,
 * whether an octet above 127 is. smtp_trace says Date and Message-ID at the end
 * of the header section when they are not there (RFC 6409, 8.1 and 8.2). Knows
 * nothing else of mail: a line that is no field ends the section, and nothing
 * is added to such a message. Input is what smtp/dot or smtp/bdat gives out:
 * lines end in CRLF.
 */
#ifndef SMTP_TRACE_H
#define SMTP_TRACE_H

#include "base/slice.h"

enum smtp_fields_state {
	SMTP_FIELDS_START, /* of a line */
	SMTP_FIELDS_NAME,
	SMTP_FIELDS_VALUE, /* to the end of the line */
	SMTP_FIELDS_END,   /* an empty line follows */
	SMTP_FIELDS_NONE   /* it ended in a line that is no field */
};

enum {
	SMTP_TRACE_NAME_MAX = 16, /* of names that we look for */
	SMTP_TRACE_FIELD_MAX = 400
};

struct smtp_fields {
	uint8_t state; /* enum smtp_fields_state; zeroed is the beginning */
	bool has_date, has_message_id, has_8bit;
	uint8_t name_len;
	uint8_t name[SMTP_TRACE_NAME_MAX]; /* lower case */
	unsigned n_received;
	/* To be set before the first byte: the name that we have in them;
	 * empty: nobody asks. Outlives the message. */
	struct slice own;
	unsigned n_own;
	/* the word of a Received field that is being read */
	bool is_received, was_by, is_not_own, is_not_by;
	size_t word_len;
};

/* Returns how many octets of `in` belong to the section. */
size_t smtp_fields_scan(struct smtp_fields *f, struct slice in);

struct smtp_trace { /* zeroed is the beginning */
	struct smtp_fields fields;
	bool is_done, is_pending;
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
