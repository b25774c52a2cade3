/* SPDX-License-Identifier: ISC */
/*
 * imap/match - does text of a mail contain what a SEARCH is after?
 *
 * Compares case-folded, compatibility-decomposed UTF-8 (after RFC 5051), of
 * header fields with their encoded words decoded, and of bodies with their
 * transfer encoding and charset undone. Bodies come in pieces of any size;
 * what is kept of them is bounded by MATCH_PIECE and the longest needle.
 * Owns its buffers; the needles stay the caller's.
 */
#ifndef IMAP_MATCH_H
#define IMAP_MATCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "mail/encode.h"
#include "mail/mime.h"

/* The form in which things are compared. BUF_* or -ENOMEM. */
int match_fold(struct slice utf8, struct buf *out);

/* UTF-8 as i;unicode-casemap (RFC 5051) compares it, octet by octet: title case
 * and decomposed. BUF_* or -ENOMEM. */
int match_collate(struct slice utf8, struct buf *out);

/* Whether some field `name` of the section contains the folded needle: 1, 0, or
 * -ENOMEM. An empty needle asks whether the field is there. An empty name: any
 * field. */
int match_header(struct slice section, struct slice name, struct slice needle);

/* Whether an address of a field `name` contains it as the envelope would show
 * it, which has no comments and no quotes. */
int match_addresses(struct slice section, struct slice name,
    struct slice needle);

/* The text of a field in that form, as match_header and match_body_inner see
 * it. *ret is initialised in every case; not BUF_OK: they find nothing in it,
 * or fail with -ENOMEM. */
int match_field_text(struct slice body, struct buf *ret);

/* Who wants the text itself: an index. */
struct match_sink {
	void (*text)(void *ctx, struct slice folded); /* more of a part */
	void (*text_end)(void *ctx);                  /* the part is over */
	void (*field)(void *ctx, struct slice field); /* within; not folded */
	void *ctx;
};

struct match_needle {
	struct slice folded;
	bool *found;  /* set when it was seen */
	bool is_text; /* TEXT: in the headers within, too; not BODY */
};

struct match_body {
	const struct match_needle *needles;
	size_t n, longest;
	const struct match_sink *sink; /* or NULL */
	const struct mime_part *part;  /* whose bytes come */
	struct decoder decoder;
	struct slice charset;
	struct buf raw;  /* decoded, not yet looked at */
	struct buf text; /* folded; its end is kept for what follows */
	bool is_broken;  /* out of memory: may have missed something */
};

void match_body_init(struct match_body *m, const struct match_needle *needles,
    size_t n);
void match_body_deinit(struct match_body *m);
/* For mime_watch: ctx is the struct match_body. */
void match_body_feed(void *ctx, const struct mime_part *part,
    struct slice bytes);
/* For mime_watch_inner. */
void match_body_inner(void *ctx, struct slice field);
void match_body_end(struct match_body *m);

#endif
