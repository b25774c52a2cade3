/* SPDX-License-Identifier: ISC */
/*
 * mail/mime - the parts of a message and where they lie (RFC 2045, 2046)
 *
 * An incremental parser: bytes go in by chunks of any size, a tree of parts
 * with byte offsets comes out, the same for every way of cutting the chunks.
 * Total: every input has a tree. Bounded: what exceeds a limit or the arena is
 * left out and `truncated` is set; the offsets of what is there still hold.
 * Everything it returns lies in the arena given to mime_new. It decodes
 * nothing and repairs nothing.
 */
#ifndef MAIL_MIME_H
#define MAIL_MIME_H

#include "base/arena.h"
#include "base/slice.h"
#include "mail/envelope.h"

enum {
	MIME_DEPTH = 50,   /* levels below the message itself */
	MIME_PARTS = 1000, /* in one message */
	MIME_PARAMS = 50,  /* of one field */
	MIME_LANGUAGES = 20,
	MIME_FIELD = 64 * 1024,       /* octets looked at of one field */
	MIME_BOUNDARY = 200,          /* RFC 2046 allows 70 */
	MIME_NONE = 0xffff,           /* no such part */
	MIME_MEMORY = 4 * 1024 * 1024 /* an arena that holds any tree */
};

enum mime_kind {
	MIME_LEAF,
	MIME_TEXT,      /* a leaf of type text */
	MIME_MULTIPART, /* no children: no boundary line was found */
	MIME_MESSAGE    /* message/rfc822: exactly one child, the message */
};

struct mime_param {
	struct slice name, value; /* value without quotes; RFC 2231 as it is */
};

struct mime_params {
	const struct mime_param *at;
	size_t n;
};

/* at == NULL: the part has no such field. Letters stand in the case in which
 * they came. */
struct mime_part {
	uint16_t parent, first_child, next_sibling; /* index or MIME_NONE */
	uint16_t n_children;
	uint8_t kind;  /* enum mime_kind */
	uint8_t depth; /* 0: the message */

	/* The header of the part begins at `offset`; the body follows it. The
	 * line end before a boundary line belongs to neither. */
	uint64_t offset, header_len, body_len;
	uint64_t lines; /* LFs of the body */

	/* Never NULL: text/plain; charset=us-ascii when nothing (valid) was
	 * said, message/rfc822 inside of multipart/digest. */
	struct slice type, subtype;
	struct mime_params params;
	struct slice encoding; /* never NULL: "7bit" when nothing was said */
	struct slice id, description, md5, location;
	struct slice disposition;
	struct mime_params disposition_params;
	const struct slice *languages;
	size_t n_languages;

	/* For who writes the header anew (mail/convert); not in a summary. */
	uint64_t encoding_at, encoding_len; /* the field with its line end */
	bool has_version, has_type;         /* MIME-Version, Content-Type */
	/* What its form is cannot be said for sure: such a field stands there
	 * twice or is not understood, or a line is no field. */
	bool is_odd;

	/* Only where the header is one of a whole message: part 0 and the child
	 * of a MIME_MESSAGE; else NULL. */
	const struct envelope *envelope;
};

struct mime_tree {
	const struct mime_part *parts; /* [0] is the message; each after its
					* parent; children in their order */
	size_t n;                      /* at least 1 */
	uint64_t size, lines;          /* of all bytes fed */
	bool truncated;
	bool has_8bit, has_nul, has_bare_lf, has_bare_cr;
	bool header_has_8bit; /* in the header of the message itself */
};

/* Called while feeding, with bytes of a leaf's body as they are found; a line
 * end before a boundary may be among them. The part is complete up to its
 * header. */
typedef void mime_body_fn(void *ctx, const struct mime_part *part,
    struct slice bytes);
/* Called for each field of the message's own header, body folded and cut at
 * MIME_FIELD. */
typedef void mime_field_fn(void *ctx, struct slice name, struct slice body);

/* Called for each field of the headers within: of parts and of enclosed
 * messages; the whole field, cut at MIME_FIELD. */
typedef void mime_inner_fn(void *ctx, struct slice field);

struct mime;

/* NULL when the arena cannot hold even the parser. */
struct mime *mime_new(struct arena *a);
void mime_watch(struct mime *m, mime_field_fn *field, mime_body_fn *body,
    void *ctx);
/* With the ctx of mime_watch. */
void mime_watch_inner(struct mime *m, mime_inner_fn *inner);
void mime_feed(struct mime *m, struct slice bytes);
/* After the last byte; *ret lives as long as the arena. True: when the arena is
 * full the message alone is the tree, truncated. */
bool mime_end(struct mime *m, struct mime_tree *ret);

/* The whole message at once. False: the arena cannot hold even the parser. */
bool mime_parse(struct slice message, struct arena *a, struct mime_tree *ret);

/* The part that RFC 3501 (6.4.5) calls "1.2.3"; n == 0: the message. NULL when
 * there is none. BODY[1.2] is the body of it, [1.2.MIME] its header; [1.2.TEXT]
 * and [1.2.HEADER] are body and header of its child when it is a MIME_MESSAGE.
 * "1" of a message that is no multipart is the message itself. */
const struct mime_part *mime_section(const struct mime_tree *tree,
    const uint32_t *numbers, size_t n);

/* The value of a parameter, in any case of letters; false when absent. */
bool mime_param_get(struct mime_params params, struct slice name,
    struct slice *ret);

#endif
