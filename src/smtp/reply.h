/* SPDX-License-Identifier: ISC */
/*
 * smtp/reply - what a server says and what a client reads (RFC 5321, 4.2)
 *
 * Out: every text of ours stands in one table, with its codes (RFC 3463, RFC
 * 2034), those of policy and store, too (but with figures or names in it: where
 * those are); it is written line by line within 512 octets. In: a parser for
 * the replies of remote servers, bounded in line length, lines and bytes, fed
 * with chunks of any size. It never guesses: what is not a reply ends the
 * session.
 */
#ifndef SMTP_REPLY_H
#define SMTP_REPLY_H

#include "base/limits.h"
#include "base/verdict.h"

/* -- out ------------------------------------------------------------------- */

enum smtp_say {
	SMTP_SAY_OK,
	SMTP_SAY_RESET,
	SMTP_SAY_SENDER_OK,
	SMTP_SAY_RCPT_OK,
	SMTP_SAY_BYE,
	SMTP_SAY_VRFY,
	SMTP_SAY_VRFY_ELSEWHERE,
	SMTP_SAY_VRFY_WANT_ADDRESS,
	SMTP_SAY_TLS_GO,
	SMTP_SAY_AUTH_OK,
	SMTP_SAY_DATA_GO,
	SMTP_SAY_STOPPING,
	SMTP_SAY_LOST,
	SMTP_SAY_TOO_SLOW,
	SMTP_SAY_TOO_MANY_ERRORS,
	SMTP_SAY_TOO_MANY_IDLE,
	SMTP_SAY_TOO_MANY_MAILS,
	SMTP_SAY_TOO_MANY_AUTHS,
	SMTP_SAY_NOT_SMTP,
	SMTP_SAY_HASTY,
	SMTP_SAY_TOO_MANY_CLIENTS,
	SMTP_SAY_TROUBLE,
	SMTP_SAY_FULL,
	SMTP_SAY_TOO_MANY_RCPTS,
	SMTP_SAY_TLS_LATER,
	SMTP_SAY_AUTH_LATER,
	SMTP_SAY_UNKNOWN,
	SMTP_SAY_BAD_LINE,
	SMTP_SAY_BAD_CHARS,
	SMTP_SAY_LINE_TOO_LONG,
	SMTP_SAY_AUTH_TOO_LONG,
	SMTP_SAY_NO_ARGUMENT,
	SMTP_SAY_WANT_HELO,
	SMTP_SAY_WANT_FROM,
	SMTP_SAY_WANT_TO,
	SMTP_SAY_WANT_ARGUMENT,
	SMTP_SAY_BAD_SENDER,
	SMTP_SAY_BAD_RCPT,
	SMTP_SAY_SENDER_TOO_LONG,
	SMTP_SAY_RCPT_TOO_LONG,
	SMTP_SAY_BAD_PARAMS,
	SMTP_SAY_BAD_PARAM,
	SMTP_SAY_DOUBLE_PARAM,
	SMTP_SAY_UNKNOWN_PARAM,
	SMTP_SAY_PARAM_CONFLICT,
	SMTP_SAY_BY_TOO_SOON,
	SMTP_SAY_REQUIRETLS_NEEDS_TLS,
	SMTP_SAY_SENDER_NEEDS_UTF8,
	SMTP_SAY_RCPT_NEEDS_UTF8,
	SMTP_SAY_HOLD_PAST,
	SMTP_SAY_HOLD_TOO_LONG,
	SMTP_SAY_HOLD_BEHIND_BY,
	SMTP_SAY_BAD_BDAT,
	SMTP_SAY_WANT_BDAT,
	SMTP_SAY_DATA_IN_CHUNKS,
	SMTP_SAY_EXPN,
	SMTP_SAY_EXPN_WANT_ADDRESS,
	SMTP_SAY_EXPN_MANY,
	SMTP_SAY_EXPN_UTF8,
	SMTP_SAY_NO_HELP,
	SMTP_SAY_XCLIENT_SYNTAX,
	SMTP_SAY_XCLIENT_ATTRIBUTE,
	SMTP_SAY_XCLIENT_VALUE,
	SMTP_SAY_XCLIENT_DENIED,
	SMTP_SAY_NOT_IMPLEMENTED,
	SMTP_SAY_HELO_FIRST,
	SMTP_SAY_LHLO_FIRST,
	SMTP_SAY_MAIL_FIRST,
	SMTP_SAY_RCPT_FIRST,
	SMTP_SAY_NESTED_MAIL,
	SMTP_SAY_NOT_NOW,
	SMTP_SAY_ONLY_QUIT,
	SMTP_SAY_TLS_ALREADY,
	SMTP_SAY_AUTH_ALREADY,
	SMTP_SAY_TLS_FIRST,
	SMTP_SAY_AUTH_FIRST,
	SMTP_SAY_AUTH_NEEDS_TLS,
	SMTP_SAY_AUTH_UNKNOWN,
	SMTP_SAY_AUTH_CANCELLED,
	SMTP_SAY_AUTH_BAD,
	SMTP_SAY_AUTH_REFUSED,
	SMTP_SAY_TOO_BIG,
	SMTP_SAY_NO_VALID_RCPT,
	SMTP_SAY_BAD_LINE_END,
	SMTP_SAY_LOOP,
	/* of policy, store, filters and roles: asked by the session */
	SMTP_SAY_EARLY,
	SMTP_SAY_RCPT_FOUND,
	SMTP_SAY_RCPT_RELAYED,
	SMTP_SAY_NO_RELAYING,
	SMTP_SAY_NO_SUCH_USER,
	SMTP_SAY_SUPPRESSED,
	SMTP_SAY_DISABLED,
	SMTP_SAY_MAILBOX_FULL,
	SMTP_SAY_ALIAS_LOOP,
	SMTP_SAY_ALIAS_DEEP,
	SMTP_SAY_MAY_NOT_POST,
	SMTP_SAY_LIST_EMPTY,
	SMTP_SAY_NEW_OWNER,
	SMTP_SAY_RCPT_NO_ADDRESS,
	SMTP_SAY_NEW_MINUTE,
	SMTP_SAY_NEW_5_MINUTES,
	SMTP_SAY_NEW_15_MINUTES,
	SMTP_SAY_NEW_HOUR,
	SMTP_SAY_NEW_HOURS,
	SMTP_SAY_KEPT,
	SMTP_SAY_NOT_KEPT,
	SMTP_SAY_LOGIN_LOST,
	SMTP_SAY_FILTERS_LATER,
	SMTP_SAY_FILTER_LATER,
	SMTP_SAY_FILTER_TEMPFAIL,
	SMTP_SAY_FILTER_CLOSE,
	SMTP_SAY_FILTER_REFUSE,
	SMTP_SAY_LOCAL_NOBODY,
	SMTP_SAY_LOCAL_TOO_MANY,
	SMTP_N_SAYS
};

struct verdict smtp_say(enum smtp_say which);

/* Writes "CODE ESC TEXT\r\n" at `at`, cut to 512 octets; what is not printable
 * ASCII in the text becomes '?' (or is left out when it is a line end). Returns
 * the number of bytes. `name` (a host name) goes between codes and text for
 * those replies that begin with it (4.2.2); it may be empty. */
size_t smtp_reply_write(uint8_t at[LIMIT_SMTP_REPLY_LINE],
    const struct verdict *v, struct slice name);

/* -- in -------------------------------------------------------------------- */

enum {
	SMTP_REPLY_OK,   /* *r is whole */
	SMTP_REPLY_MORE, /* the input is used up */
	SMTP_REPLY_E_BAD,
	SMTP_REPLY_E_TOO_LONG
};

/* One reply on its way in; zeroed is the beginning. */
struct smtp_reply {
	uint16_t code;
	struct esc esc; /* of the first line; class 0: none */
	unsigned n_lines;
	size_t len;      /* of text */
	size_t line_len; /* of the line now read */
	bool has_cr, is_last, is_whole;
	/* Lines without codes, '\n' between them; cut, never too long. Bytes as
	 * they came, control characters as '?'. */
	uint8_t text[LIMIT_REPLY_TEXT];
	uint8_t head[4]; /* code and separator of the line now read */
};

/* Begins anew by itself when the last one was whole. */
int smtp_reply_feed(struct smtp_reply *r, struct slice *in);
void smtp_reply_reset(struct smtp_reply *r);
struct slice smtp_reply_text(const struct smtp_reply *r);
/* The n-th line, from 0; false when there are not so many. */
bool smtp_reply_line(const struct smtp_reply *r, unsigned n,
    struct slice *ret_line);
/* What the text begins with: "5.1.1 ", and skips it; false leaves all alone. */
bool smtp_esc_take(struct slice *text, struct esc *ret);

#endif
