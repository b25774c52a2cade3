/* SPDX-License-Identifier: ISC */
/*
 * hook/header - the header section as filters see it, and their edits to it
 *
 * hook_section finds where the header section of a message that streams by
 * ends: behind the empty line, or before the first line that is no field.
 * hook_header is the list of its fields, changed by the rules that filters
 * expect of a mail server; what they give is checked (one field, CRLF made of
 * LF, folded lines begin with a blank, no line above 998 octets) and refused
 * when it is not legal: a filter cannot smuggle an empty line into a header.
 * Bounds: LIMIT_HEADER octets, LIMIT_HOOK_FIELDS fields. Owns its memory.
 */
#ifndef HOOK_HEADER_H
#define HOOK_HEADER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"

enum {
	HOOK_OK,
	HOOK_E_BAD, /* what the filter gave is no legal field */
	HOOK_E_FULL /* LIMIT_HEADER or LIMIT_HOOK_FIELDS is reached */
};

struct hook_section {
	struct buf bytes; /* all that was fed */
	size_t scanned;
	size_t fields; /* length of the fields, once is_done */
	size_t len;    /* the same with the empty line, if there is one */
	bool is_done;
};

void hook_section_init(struct hook_section *s);
void hook_section_deinit(struct hook_section *s);
/* Until is_done; the bytes behind s->len are of the body. */
int hook_section_feed(struct hook_section *s, struct slice part, bool is_last);

struct hook_header {
	struct arena arena;
	struct slice *fields; /* each with its CRLF */
	size_t n, size;
	size_t bytes;
	bool is_changed;
};

/* The slice must live as long as the header does. */
int hook_header_init(struct hook_header *h, struct slice fields);
void hook_header_deinit(struct hook_header *h);
/* value: lines are parted by LF or CRLF; a blank is put before it unless
 * `is_exact` (the filter gives that itself). */
int hook_header_add(struct hook_header *h, struct slice name,
    struct slice value, bool is_exact);
/* Before the index-th of all fields, from 0; beyond the last: at the end. */
int hook_header_insert(struct hook_header *h, size_t index, struct slice name,
    struct slice value, bool is_exact);
/* The index-th of that name, from 1. An empty value takes it out; when there
 * are not so many, a value is added and nothing taken out. */
int hook_header_change(struct hook_header *h, size_t index, struct slice name,
    struct slice value, bool is_exact);
/* From the last of that name, 1 is the last; 0: all. */
int hook_header_remove(struct hook_header *h, struct slice name, int index);
int hook_header_print(const struct hook_header *h, struct buf *out);

/* Lines end in CRLF and nothing else, and none has more than 998 octets (RFC
 * 5322, 2.1.1). Zeroed is the beginning. */
struct hook_lines {
	size_t len; /* of the line so far */
	bool was_cr;
};
bool hook_lines_check(struct hook_lines *l, struct slice part);
bool hook_lines_end(const struct hook_lines *l); /* after a whole line */

#endif
