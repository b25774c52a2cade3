/* SPDX-License-Identifier: ISC */
/*
 * imap/structure - ENVELOPE and BODYSTRUCTURE as text (RFC 3501, 7.4.2)
 *
 * Prints what mail/envelope and mail/mime found; decides nothing. Appends to
 * a buffer of the caller, which says when it is full. Deep trees are bounded
 * by MIME_DEPTH.
 */
#ifndef IMAP_STRUCTURE_H
#define IMAP_STRUCTURE_H

#include "base/buf.h"
#include "mail/mime.h"

/* What buf_add returns; the buffer may hold a part of it then. */
int imap_put_envelope(struct buf *b, const struct envelope *e);
/* BODY, or with `extended` BODYSTRUCTURE, of the whole message. */
int imap_put_structure(struct buf *b, const struct mime_tree *tree,
    bool extended);

#endif
