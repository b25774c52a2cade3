/* SPDX-License-Identifier: ISC */
/*
 * imap/parse - the words of an IMAP command (RFC 3501, 9)
 *
 * Eats one whole command: its lines with the literals still in their places,
 * "{5}CRLFhello", as the session gathered them. Every imap_take_* advances
 * past what matched or leaves the input alone and returns false. What it
 * returns points into the input, or into the arena when a quoted string had
 * backslashes. Nothing is repaired: two spaces are not one.
 *
 * One liberty, RFC 6855's and 9051's: a quoted string may hold well-formed
 * UTF-8.
 */
#ifndef IMAP_PARSE_H
#define IMAP_PARSE_H

#include "base/arena.h"

struct imap_in {
	struct slice rest;
	struct arena *arena;
	bool is_too_much; /* the arena ran out, or a limit was passed */
	bool has_utf8;    /* names of mailboxes are UTF-8 (RFC 6855) */
	bool has_numbers; /* a search by sequence numbers (RFC 9586) */
};

enum { /* the values of store/flags.h, of which this folder knows nothing */
	IMAP_SEEN = 1,
	IMAP_ANSWERED = 2,
	IMAP_FLAGGED = 4,
	IMAP_DRAFT = 8,
	IMAP_DELETED = 16,
	IMAP_RECENT = 32
};

struct imap_range { /* as typed: lo may be above hi; 0 is "*" */
	uint32_t lo, hi;
};
struct imap_set {
	struct imap_range *ranges;
	size_t n;
	bool is_saved; /* "$": what the last search saved (RFC 5182) */
};

struct imap_partial { /* results [lo, hi], from 1 (RFC 9394) */
	bool is_there, from_end;
	uint32_t lo, hi;
};

struct imap_flags {
	uint8_t bits;
	struct slice keywords; /* sorted, one space between, no two alike */
};

/* Which of n results it means: [*lo, *hi) from 0, perhaps none. */
void imap_partial_window(const struct imap_partial *p, size_t n, size_t *ret_lo,
    size_t *ret_hi);

bool imap_skip_sp(struct imap_in *in);
bool imap_is_end(const struct imap_in *in);
bool imap_take_tag(struct imap_in *in, struct slice *ret);
bool imap_take_atom(struct imap_in *in, struct slice *ret);
bool imap_take_string(struct imap_in *in, struct slice *ret);
bool imap_take_astring(struct imap_in *in, struct slice *ret);
bool imap_take_list_mailbox(struct imap_in *in, struct slice *ret);
bool imap_take_number(struct imap_in *in, uint32_t *ret);
bool imap_take_set(struct imap_in *in, struct imap_set *ret);
/* A list in parentheses; or, with `bare`, also flags with spaces between. */
bool imap_take_flags(struct imap_in *in, bool bare, struct imap_flags *ret);
/* Whole days since 1970; the civil date, whatever the zone. */
bool imap_take_date(struct imap_in *in, int64_t *ret_day);
bool imap_take_date_time(struct imap_in *in, int64_t *ret_us,
    int *ret_zone_minutes);

/* The day of a moment as its own zone sees it. */
int64_t imap_day(int64_t us, int zone_minutes);

/* `word` is the keyword exactly, and what follows it is a delimiter. */
bool imap_skip_word(struct imap_in *in, struct slice word);

/* "\Seen" and its like; 0 for any other word. */
uint8_t imap_flag_bit(struct slice name);

#endif
