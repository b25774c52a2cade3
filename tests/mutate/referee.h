/* SPDX-License-Identifier: ISC */
/*
 * mutate/referee - the client's view: were these the right replies?
 *
 * Walks through what was sent and what was said, knowing nothing of the
 * session's inside: its own, slow and plain idea of lines, chunks and of where
 * a message ends (RFC 5321, 3030, 2033). It holds the server to this:
 *   one reply to each command, in order, and none without one;
 *   2yz to MAIL, RCPT, VRFY, EXPN and to a message only when the world said so;
 *   no 2yz to what was out of order, or to a command with a bare CR or LF;
 *   a message that is kept is, octet for octet, the one that was sent, and had
 *   no line end but CRLF; nothing behind 421, 221 or a greeting with 554.
 */
#ifndef MUTATE_REFEREE_H
#define MUTATE_REFEREE_H

#include "mutate/play.h"

/* NULL: all was right. Otherwise what was not, and where in the stream. */
const char *referee_check(const struct play *p,
    const struct smtp_server_config *config, struct slice stream,
    size_t *ret_at);

#endif
