/* SPDX-License-Identifier: ISC */
/*
 * imap/append_args - the words of APPEND and REPLACE between their literals
 *
 * RFC 9051 6.3.12, 3502 (several messages), 4469 (CATENATE), 6855 (UTF8),
 * 8508 (REPLACE). A message's literal is not kept, so these commands are read
 * piece by piece: what stands between two messages' literals becomes a list of
 * steps. A piece that ends in a literal of another kind (a name, a URL) is not
 * whole yet: it is parsed again when that is there. Pure.
 */
#ifndef IMAP_APPEND_ARGS_H
#define IMAP_APPEND_ARGS_H

#include "imap/command.h"

enum imap_append_at {
	IMAP_APPEND_AT_COMMAND, /* behind the verb */
	IMAP_APPEND_AT_MESSAGE,
	IMAP_APPEND_AT_PART,      /* of CATENATE */
	IMAP_APPEND_AT_PART_END,  /* behind the literal of one */
	IMAP_APPEND_AT_UTF8_END,  /* ")" of UTF8 (...) */
	IMAP_APPEND_AT_UTF8_PART, /* the same, in CATENATE */
	IMAP_APPEND_AT_END,       /* of a message */
	IMAP_APPEND_AT_NEXT,      /* another one, or the end of it all */
	IMAP_APPEND_AT_DONE
};

enum imap_append_what {
	IMAP_APPEND_BEGINS,
	IMAP_APPEND_HAS_URL,
	IMAP_APPEND_HAS_DATA, /* the literal that ends this piece; the last */
	IMAP_APPEND_ENDS,     /* the message */
	IMAP_APPEND_IS_DONE
};

struct imap_append_step {
	struct imap_append_step *next;
	enum imap_append_what what;
	struct imap_flags flags; /* BEGINS */
	bool has_date;
	int64_t date;
	int zone;
	struct slice url; /* HAS_URL */
};

enum {                             /* beside IMAP_COMMAND_* */
	IMAP_APPEND_ARGUMENT = 100 /* more of this piece is to come */
};

/* Reads the piece to its end. ends_in_literal: a literal follows it; is_8: it
 * is a literal8, whose "~" is not in the piece. `at` moves on when OK is
 * returned. In `c`, AT_COMMAND fills name and, of REPLACE, `set`. */
int imap_append_parse(struct imap_in *in, struct imap_command *c,
    bool ends_in_literal, bool is_8, enum imap_append_at *at,
    struct imap_append_step **ret);

#endif
