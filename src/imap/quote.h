/* SPDX-License-Identifier: ISC */
/*
 * imap/quote - strings as an IMAP server writes them (RFC 3501, 4.3 and 9)
 *
 * Chooses among atom, quoted string and literal, so that what we send can be
 * read by any client whatever the bytes are. A NUL cannot be sent at all
 * (CHAR8): it is written as '?', which only happens to names and addresses,
 * never to a body. Appends to a buffer of the caller; a full buffer is told
 * by it.
 */
#ifndef IMAP_QUOTE_H
#define IMAP_QUOTE_H

#include "base/buf.h"

bool imap_is_atom_char(uint8_t c);    /* RFC 3501, ATOM-CHAR */
bool imap_is_astring_char(uint8_t c); /* the same and ']' */

/* All return what buf_add returns. */
int imap_put_string(struct buf *b, struct slice s);  /* quoted or literal */
int imap_put_astring(struct buf *b, struct slice s); /* or an atom */
int imap_put_nstring(struct buf *b, struct slice s); /* at == NULL: NIL */
/* "23-Nov-2026 06:15:00 +0200", with its quotes (date-time). */
int imap_put_date_time(struct buf *b, int64_t wall_us, int zone_minutes);

#endif
