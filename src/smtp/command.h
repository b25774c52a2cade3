/* SPDX-License-Identifier: ISC */
/*
 * smtp/command - lines and verbs
 *
 * A command is printable ASCII and ends in CRLF (RFC 5321, 4.1.1, 2.3.8): a
 * line that ends in a bare LF, or has a CR, a NUL or another control character
 * in it, is refused as a whole and never executed. Well-formed UTF-8 is let
 * through (RFC 6531); where it may stand is the verb's to say. Pure; results
 * point into the caller's line.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "base/slice.h"

enum {
	SMTP_LINE_OK,
	SMTP_LINE_MORE,      /* no line end yet */
	SMTP_LINE_E_BAD,     /* ended, but not a command line */
	SMTP_LINE_E_CHARS,   /* CRLF alone ends it, but what is in it! */
	SMTP_LINE_E_TOO_LONG /* longer than `max`, ended or not */
};

/*
 * Takes one line off `in` (not with MORE; with TOO_LONG nothing is taken when
 * no line end is in sight). ret_line: without CRLF, when OK or E_CHARS, which
 * is for the reply alone. `max` counts the CRLF.
 */
int smtp_line_take(struct slice *in, size_t max, struct slice *ret_line);

/* "VERB[ args]": white space at the end is dropped (4.1.1), as are further
 * spaces before args. The verb may be empty. */
void smtp_command_split(struct slice line, struct slice *ret_verb,
    struct slice *ret_args);

#endif
