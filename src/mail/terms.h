/* SPDX-License-Identifier: ISC */
/*
 * mail/terms - the terms of a text, and what a needle demands of them
 *
 * For an index that narrows a search for substrings: text that contains a
 * needle has terms that fit all demands of it; the reverse need not be true.
 * Both sides are in folded case (imap/match). A run of letters, digits and
 * marks is a term; a longer one than TERMS_MAX becomes pieces that overlap by
 * half. Characters that are written without spaces (Han, Kana) become pairs of
 * neighbours. Terms never hold an octet 0; a piece may end inside of a
 * character. Text may come cut anywhere between its characters. Pure.
 */
#ifndef MAIL_TERMS_H
#define MAIL_TERMS_H

#include "base/buf.h"
#include "base/slice.h"

enum {
	TERMS_MAX = 64,
	TERMS_OVERLAP = TERMS_MAX / 2, /* so long a part of a run is in one */
	TERMS_DEMANDS = 16             /* more of a needle do not narrow much */
};

struct terms {
	/* BUF_OK goes on; anything else ends the feed and is returned */
	int (*each)(void *ctx, struct slice term);
	void *ctx;
	uint8_t run[TERMS_MAX];
	uint8_t len;
	uint8_t kind;    /* of the run in hand */
	bool was_paired; /* its last character is in a term already */
};

void terms_init(struct terms *t, int (*each)(void *ctx, struct slice term),
    void *ctx);
int terms_feed(struct terms *t, struct slice utf8);
int terms_end(struct terms *t); /* the text is over; another may follow */

/* Some term must be this, or begin, end, or only contain it. */
struct terms_demand {
	uint8_t text[TERMS_MAX];
	uint8_t len;
	bool is_begin, is_end; /* nothing may stand before, behind it */
};

/* How many; 0: any text may contain the needle. */
size_t terms_demands(struct slice needle,
    struct terms_demand ret[TERMS_DEMANDS]);

/* -- a set of them: each between two octets 0, in no order ------------------
 */

struct terms_set {
	struct buf text; /* empty, or from 0 to 0 */
	uint32_t *slots; /* of a hash table: places in text */
	size_t n_slots, n;
	uint64_t seed;
	bool is_full; /* some are not there */
};

/* cap: octets of the whole. */
void terms_set_init(struct terms_set *s, size_t cap, uint64_t seed);
void terms_set_deinit(struct terms_set *s);
void terms_set_reset(struct terms_set *s);
/* For struct terms: ctx is the set. BUF_OK or -ENOMEM. */
int terms_set_add(void *ctx, struct slice term);
/* The same, with the place of the term in the text; 0: it is not there, the
 * set is full. */
int terms_set_put(struct terms_set *s, struct slice term, uint32_t *ret_place);
/* Walk: the next one off the front of a set's text. Total on any octets: what
 * is empty or too long is passed over. */
bool terms_next(struct slice *text, struct slice *ret);

#endif
