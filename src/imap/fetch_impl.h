/* SPDX-License-Identifier: ISC */
/*
 * imap/fetch_impl - what the files of FETCH share
 *
 * fetch.c walks the rows and writes the small items; fetch_place.c finds out
 * where things lie in a message, fetch_section.c writes BODY[...] and
 * fetch_binary.c BINARY[...]. A step that waits has asked, or has no room; the
 * same function is called again when it can go on, and finds in struct fetch
 * how far it was. Not for anybody else.
 */
#ifndef IMAP_FETCH_IMPL_H
#define IMAP_FETCH_IMPL_H

#include "imap/session_impl.h"
#include "mail/encode.h"
#include "mail/mime.h"
#include "mail/preview.h"

enum {
	FETCH_PIECE = 16 * 1024,  /* written before the room is looked at */
	FETCH_AHEAD = 256 * 1024, /* of details that are kept */
	FETCH_RESPONSE_MAX = 4 * 1024 * 1024
};

enum fetch_step {
	FETCH_READY,
	FETCH_WAITS,
	FETCH_SKIP
};

enum fetch_pass {
	FETCH_MEASURE,
	FETCH_EMIT
};

struct fetch {
	struct buf b; /* of the present piece */
	size_t pick, row;
	bool in_row, has_begun; /* "* 1 FETCH (" is out */
	size_t item;
	/* of each message: whether anything is asked for beside its row, where
	 * its header ends, and so on */
	bool needs_detail, needs_layout, needs_tree, needs_envelope;
	bool needs_preview, wants_preview; /* wants: when it costs nothing */
	bool has_trouble, has_unknown, is_first;

	/* details of the rows ahead: struct fetch_detail and its summary */
	struct buf ahead;
	uint32_t asked_to, kept_to; /* uids up to here were asked for, kept */
	bool is_ahead_full;
	struct fetch_ahead *ahead_bytes; /* NULL: each by itself */

	/* the present message */
	struct arena arena;
	bool is_placed;
	uint64_t size, header_len;
	struct mime_tree tree;
	bool has_tree, has_envelope, has_preview;
	struct envelope envelope;
	struct id id;
	uint64_t thread;
	int64_t saved_at;
	struct preview preview; /* while its bytes are parsed */
	struct buf preview_text;
	struct mime *mime; /* while its bytes are parsed */
	struct buf header; /* for HEADER.FIELDS */

	/* a range of bytes on its way */
	uint64_t at, end, window_end;
	bool is_reading, is_announced, is_broken;

	/* BINARY: a section, decoded; of that [from, from + len) is wanted */
	enum fetch_pass pass;
	enum encoding encoding;
	struct decoder decoder;
	struct buf decoded;
	uint64_t section_at, section_len;
	uint64_t decoded_n, decoded_from, decoded_len;
	bool has_nul, is_ended;
};

struct fetch_detail {
	uint32_t uid, len; /* of the summary */
	uint64_t thread;
	int64_t saved_at;
	struct id id;
};

void fetch_flush(struct imap_session *s);
/* Says what is there, then asks. */
bool fetch_ask(struct imap_session *s, const struct imap_ask *question,
    imap_then_fn *then);
/* The bytes from f->at on, at most IMAP_ASK_BYTES and not beyond f->end. */
enum fetch_step fetch_ask_window(struct imap_session *s, imap_then_fn *then);
/* fetch_ahead.c: begins to read ahead when the command wants bytes. */
void fetch_ahead_start(struct fetch *f, const struct imap_fetch_args *args);
void fetch_ahead_free(struct fetch *f);
/* Answers for f->at to f->end, or has asked; false: not read ahead. */
bool fetch_ahead(struct imap_session *s, imap_then_fn *then);
const struct imap_row *fetch_present(const struct imap_session *s);
imap_more_fn imap_fetch_more;

/* FETCH_WAITS until f->is_placed; FETCH_SKIP when this message cannot be had.
 */
enum fetch_step fetch_place(struct imap_session *s);

void fetch_put_label(struct buf *b, const struct imap_fetch_item *item);
/* Where a section lies; false: there is no such part. The tree is looked at
 * only when the section has numbers. */
bool imap_find_section(const struct mime_tree *tree, uint64_t size,
    uint64_t header_len, const struct imap_fetch_item *item, uint64_t *ret_at,
    uint64_t *ret_len);
/* Of HEADER.FIELDS and its NOT. BUF_OK, or not all of them were added. */
int imap_pick_fields(struct slice header, const struct imap_fetch_item *item,
    struct buf *ret);
bool fetch_find_section(struct fetch *f, const struct imap_fetch_item *item,
    uint64_t *ret_at, uint64_t *ret_len);
/* <offset.length> of n bytes. */
void fetch_cut_partial(const struct imap_fetch_item *item, uint64_t *at,
    uint64_t *n);
enum fetch_step fetch_put_section(struct imap_session *s,
    const struct imap_fetch_item *item);
enum fetch_step fetch_put_binary(struct imap_session *s,
    const struct imap_fetch_item *item);

#endif
