/* SPDX-License-Identifier: ISC */
/*
 * mail/lex - blanks, comments and quoted strings between the words of a field
 *
 * The small rules that structured header fields share (RFC 5322, 3.2). Total:
 * what is not closed goes to the end. Results lie in the caller's arena.
 */
#ifndef MAIL_LEX_H
#define MAIL_LEX_H

#include "base/arena.h"
#include "base/slice.h"

bool lex_is_blank(uint8_t c); /* SP HT CR LF: what stands in folded text */
bool lex_is_token(uint8_t c); /* RFC 2045, 5.1: no CTL, blank or tspecials */

/* CFWS; true when there was any. */
bool lex_skip_cfws(struct slice *in);

/* quoted-string without its quotes, backslashes and line ends; `in` begins
 * with the quote. False: the arena is full (and `in` is past it all the same).
 */
bool lex_take_quoted(struct slice *in, struct arena *a, struct slice *ret);

/* The text without line ends, and without blanks at both ends. At most max
 * octets; *ret_cut is set when more stood there or the arena is full. */
struct slice lex_unfold(struct slice body, size_t max, struct arena *a,
    bool *ret_cut);

#endif
