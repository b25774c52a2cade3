/* SPDX-License-Identifier: ISC */
/*
 * imap/url - the URL of a message or a part of it (RFC 5092), for CATENATE
 *
 * Relative ones only, as RFC 4469 has them: "/box;UIDVALIDITY=3/;UID=20/
 * ;SECTION=1.2/;PARTIAL=0.100", with or without the mailbox. What names a
 * server, or needs a token, is none of ours. Pure; what it gives lies in the
 * arena.
 */
#ifndef IMAP_URL_H
#define IMAP_URL_H

#include "imap/command.h"

struct imap_url {
	struct slice name;    /* UTF-8; empty: the selected mailbox */
	uint32_t uidvalidity; /* 0: not said */
	uint32_t uid;
	struct imap_fetch_item section; /* with its partial */
};

/* False: not such a URL; or in->is_too_much. */
bool imap_url_parse(struct slice text, struct arena *arena,
    struct imap_url *ret);

#endif
