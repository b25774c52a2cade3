/* SPDX-License-Identifier: ISC */
/*
 * imap/fake_world - the three messages that transcripts and fuzzers begin with
 *
 * INBOX: 1 (\Seen) plain text; 2 () multipart/mixed of a text and an
 * attachment in base 64; 3 (\Flagged) a forwarded message (message/rfc822)
 * whose subject is an encoded word. Tests only.
 */
#ifndef IMAP_FAKE_WORLD_H
#define IMAP_FAKE_WORLD_H

#include "imap/fake_store.h"

extern const char fake_plain[], fake_mixed[], fake_forward[];

void fake_world_fill(struct fake_store *f);

#endif
