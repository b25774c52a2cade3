/* SPDX-License-Identifier: ISC */
/*
 * queue/page - writing a report
 *
 * Output that remembers its first failure, so that composing reads as a list of
 * what is written. What came from outside goes through page_clean() or
 * page_utf8(): neither lets a control or the end of a line through.
 *
 * Pure; the buffer is the caller's.
 */
#ifndef QUEUE_PAGE_H
#define QUEUE_PAGE_H

#include "base/buf.h"
#include "base/id.h"
#include "base/verdict.h"

struct page {
	struct buf *out;
	int r; /* BUF_OK, BUF_E_FULL, -ENOMEM */
};

void page_put(struct page *p, struct slice s);
void page_text(struct page *p, const char *text);
void page_number(struct page *p, unsigned n);
void page_date(struct page *p, int64_t us);
void page_id(struct page *p, const struct id *id);
void page_esc(struct page *p, const struct esc *esc);
/* At most `max` octets; spaces and line ends become one space, other octets
 * that are no printable ASCII a question mark. */
void page_clean(struct page *p, struct slice s, size_t max);
/* The same, but well-formed UTF-8 stays; of what is longer than `max`, nothing
 * but its ASCII. */
void page_utf8(struct page *p, struct slice s, size_t max);
/* RFC 2045, 6.7; the lines of `text` end in CRLF, the last one, too. */
void page_quoted_printable(struct page *p, struct slice text);

#endif
