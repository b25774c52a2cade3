/* SPDX-License-Identifier: ISC */
/*
 * imap/objectid - EMAILID and THREADID as a client sees them (RFC 8474)
 *
 * A letter that says of what kind it is, so that none can be taken for a
 * number or for one of another kind (section 4), and the store's number of it.
 * What is no id of ours is just one that nothing has. Pure.
 */
#ifndef IMAP_OBJECTID_H
#define IMAP_OBJECTID_H

#include "base/id.h"

enum {
	IMAP_OBJECTID = 1 + ID_TEXT + 1 /* the longest, with its NUL */
};

void imap_emailid_print(const struct id *id, char text[IMAP_OBJECTID]);
bool imap_emailid_parse(struct slice text, struct id *ret);
void imap_threadid_print(uint64_t thread, char text[IMAP_OBJECTID]);
bool imap_threadid_parse(struct slice text, uint64_t *ret);

/* objectid = 1*255(ALPHA / DIGIT / "_" / "-") */
bool imap_is_objectid(struct slice text);

#endif
