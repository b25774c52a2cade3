/* SPDX-License-Identifier: ISC */
/*
 * imap/answer - what a server of IMAP says, for a client (RFC 3501, 7)
 *
 * For `ulak import imap://`, which copies an account from a server it does not
 * trust. Answers are framed first (a line, and literals with the lines behind
 * them), then read; what is not of its form is refused, what is of its form
 * and not known is skipped. Pure: what is read points into the answer, or into
 * the arena where a quoted string had backslashes.
 */
#ifndef IMAP_ANSWER_H
#define IMAP_ANSWER_H

#include "base/arena.h"
#include "base/buf.h"
#include "imap/parse.h"

enum {
	IMAP_ANSWER_DEPTH = 20, /* of lists in a value that is skipped */
	IMAP_ANSWER_SPECIAL = 32
};

/* -- framing */

struct imap_frame {   /* zero it for each answer */
	size_t at;    /* looked at up to here; behind the end in a literal */
	size_t begin; /* of the line at hand */
};
/* in: all that came since the last answer. The length of the whole answer; 0:
 * more must come, SIZE_MAX: never more than `most` octets are one. */
size_t imap_frame_len(struct imap_frame *f, struct slice in, size_t most);

/* -- reading */

enum imap_answer_kind {
	IMAP_ANSWER_TAGGED,   /* word: OK NO BAD */
	IMAP_ANSWER_CONTINUE, /* "+" */
	IMAP_ANSWER_STATUS,   /* "* OK" NO BAD BYE PREAUTH */
	IMAP_ANSWER_DATA      /* "* LIST …", "* 5 FETCH …": word, number */
};

struct imap_answer {
	enum imap_answer_kind kind;
	struct slice tag, word;
	uint32_t number;
	struct slice rest; /* behind the word */
};
bool imap_answer_read(struct slice whole, struct imap_answer *ret);
/* "[NAME 5]" at the beginning of a text. */
bool imap_answer_code(struct slice rest, struct slice name, uint32_t *ret);

struct imap_answer_fetch {
	bool has_uid, has_flags, has_date, has_size, has_body;
	uint32_t uid;
	uint64_t size;
	uint8_t flags; /* IMAP_*, without \Recent */
	struct slice
	    keywords;      /* as sent, with what begins with "\" in between */
	int64_t date;      /* microseconds UTC */
	int zone;          /* minutes */
	struct slice body; /* BODY[] */
};
bool imap_answer_fetch(struct slice rest, struct arena *a,
    struct imap_answer_fetch *ret);
/* The keywords of it, one space between. BUF_*. */
int imap_answer_keywords(const struct imap_answer_fetch *f, struct buf *ret);

struct imap_answer_list {
	bool is_noselect;
	char special_use[IMAP_ANSWER_SPECIAL]; /* "\Sent" or empty */
	char delimiter;                        /* 0: NIL */
	struct slice name;                     /* as it was sent */
};
bool imap_answer_list(struct slice rest, struct arena *a,
    struct imap_answer_list *ret);

#endif
