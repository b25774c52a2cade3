/* SPDX-License-Identifier: ISC */
/*
 * smtp/command - lines, verbs and the parameters of MAIL and RCPT
 *
 * A command is printable ASCII and ends in CRLF (RFC 5321, 4.1.1, 2.3.8): a
 * line that ends in a bare LF, or has a CR, a NUL or an octet above 127 in it,
 * is refused as a whole and never executed. Parameters: RFC 5321 4.1.2, SIZE
 * (RFC 1870), BODY (RFC 6152), AUTH (RFC 4954, 5). Pure; results point into
 * the caller's line.
 */
#ifndef SMTP_COMMAND_H
#define SMTP_COMMAND_H

#include "base/slice.h"

enum {
	SMTP_LINE_OK,
	SMTP_LINE_MORE,      /* no line end yet */
	SMTP_LINE_E_BAD,     /* ended, but not a command line */
	SMTP_LINE_E_TOO_LONG /* longer than `max`, ended or not */
};

/*
 * Takes one line off `in` (not with MORE; with TOO_LONG nothing is taken when
 * no line end is in sight). ret_line: without CRLF, only when OK. `max` counts
 * the CRLF.
 */
int smtp_line_take(struct slice *in, size_t max, struct slice *ret_line);

/* "VERB[ args]": white space at the end is dropped (4.1.1), as are further
 * spaces before args. The verb may be empty. */
void smtp_command_split(struct slice line, struct slice *ret_verb,
    struct slice *ret_args);

enum smtp_body {
	SMTP_BODY_NONE, /* not said: 7BIT */
	SMTP_BODY_7BIT,
	SMTP_BODY_8BITMIME
};

struct smtp_params {
	bool has_size;
	uint64_t size;
	uint8_t body;      /* enum smtp_body */
	struct slice auth; /* xtext as sent, or "<>"; empty: not given */
};

enum { /* what may be said; the others are unknown */
	SMTP_PARAM_SIZE = 1,
	SMTP_PARAM_BODY = 2,
	SMTP_PARAM_AUTH = 4
};

enum {
	SMTP_PARAMS_OK,
	SMTP_PARAMS_E_SYNTAX,  /* 501 */
	SMTP_PARAMS_E_VALUE,   /* 501 */
	SMTP_PARAMS_E_TWICE,   /* 501 */
	SMTP_PARAMS_E_UNKNOWN, /* 555 */
	SMTP_PARAMS_N
};

/* What stands after the path, to the end of the line. */
int smtp_params_parse(struct slice args, unsigned offered,
    struct smtp_params *ret);

/* authorization-id NUL authentication-id NUL password, decoded (RFC 4616). */
struct smtp_plain {
	struct slice authzid, authcid, password;
};
bool smtp_plain_parse(struct slice message, struct smtp_plain *ret);

#endif
