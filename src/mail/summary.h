/* SPDX-License-Identifier: ISC */
/*
 * mail/summary - what is known of a mail without reading it again
 *
 * Fronts make it while the bytes stream by; the store keeps it as a blob it
 * never looks into; readers take ENVELOPE, BODYSTRUCTURE, sort keys and
 * preview from it. It is a cache and a hint from another process: each reader
 * checks every offset against the real size on every use, takes nothing about
 * authority from it, and falls back to the bytes (envelope_parse, mime_parse)
 * when a function here says false. Format: version, then type-length-value
 * records; unknown types are skipped; at most LIMIT_SUMMARY octets
 * (docs/summary-format.md).
 */
#ifndef MAIL_SUMMARY_H
#define MAIL_SUMMARY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"
#include "mail/envelope.h"
#include "mail/mime.h"

enum {
	SUMMARY_VERSION = 1,
	SUMMARY_REFERENCES = 20,
	SUMMARY_COLUMN = 128,        /* octets of a sortable text */
	SUMMARY_PREVIEW = 256,       /* octets of UTF-8 (RFC 8970) */
	SUMMARY_HEAD = 1024,         /* octets that hold all columns */
	SUMMARY_MEMORY = 320 * 1024, /* the most that a builder takes */
	SUMMARY_ARENA = 1024 * 1024  /* holds anything decoded */
};

enum {
	SUMMARY_HAS_8BIT = 1,
	SUMMARY_HAS_8BIT_HEADER = 2,
	SUMMARY_HAS_NUL = 4,
	SUMMARY_HAS_BARE_LINE_END = 8, /* CR or LF alone */
	SUMMARY_HAS_ATTACHMENT = 16,
	SUMMARY_IS_AUTO = 32, /* Auto-Submitted other than no (RFC 3834) */
	SUMMARY_IS_LIST = 64, /* List-Id, List-Post or Precedence: bulk, list */
	SUMMARY_TLS_OPTIONAL = 128 /* TLS-Required: No (RFC 8689, 3) */
};

/* -- making ------------------------------------------------------------------
 */

struct summary;

/* NULL: out of memory. The bytes fed are those that will be stored, from the
 * first (Return-Path, Received) to the last. */
struct summary *summary_begin(void);
void summary_feed(struct summary *s, struct slice bytes);
/* Appends at most LIMIT_SUMMARY octets to ret; what does not fit is left out
 * and marked. 0, BUF_E_FULL or -ENOMEM: then go on without one: an empty
 * summary is legal everywhere. */
int summary_end(struct summary *s, struct buf *ret);
void summary_free(struct summary *s); /* NULL is harmless */
/* What it has allocated by now: at most SUMMARY_MEMORY. */
size_t summary_cost(const struct summary *s);

/* begin, feed, end of a message that is there whole. */
int summary_make(struct slice message, struct buf *ret);

/* -- reading -----------------------------------------------------------------
 */

/* What serves sorting, threading and searching; slices point into the blob. */
struct summary_columns {
	uint64_t size, lines, header_len; /* of the message as it was fed */
	uint32_t flags;                   /* SUMMARY_* */
	bool has_sent;
	int64_t sent_us; /* Date field; 0 when it has none that is valid */
	int sent_zone;   /* minutes */
	struct slice base_subject; /* RFC 5256, 2.1; UTF-8, case folded */
	bool is_reply;             /* something was taken off the subject */
	/* Of the first address, local@host, case folded. RFC 5256 sorts by the
	 * local part alone: what stands before the last "@". */
	struct slice first_from, first_to, first_cc;
	struct slice preview;
	uint64_t message_id; /* keyless 64-bit hashes; 0: none */
	uint64_t list_id;
	uint64_t references[SUMMARY_REFERENCES]; /* oldest first */
	size_t n_references;
};

/* False: empty, of another version, or nonsense. Needs no memory. */
bool summary_columns_read(struct slice blob, struct summary_columns *ret);

/* The same of the first SUMMARY_HEAD octets of one, in which everything of it
 * but the preview stands; what was cut off is as if it had been left out. */
bool summary_head_read(struct slice head, struct summary_columns *ret);

/* False: not there, truncated or nonsense: use the header bytes. */
bool summary_envelope(struct slice blob, struct arena *a, struct envelope *ret);

/* The MIME tree, with envelopes; every range was checked to lie within
 * message_size and within its parent. has_* of the tree are not filled. False:
 * not there, truncated or nonsense: parse the bytes. */
bool summary_tree(struct slice blob, uint64_t message_size, struct arena *a,
    struct mime_tree *ret);

/* The hash in which message ids and references are kept: of the text between
 * < and >. Never 0. */
uint64_t summary_hash(struct slice text);

#endif
