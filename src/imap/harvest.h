/* SPDX-License-Identifier: ISC */
/*
 * imap/harvest - the terms of one message, for the index of SEARCH
 *
 * Reads a message once and gathers two sets of terms (mail/terms): of what
 * BODY looks at, and of all header fields. It goes the way of imap/match, so
 * that whatever SEARCH finds in the bytes is in one of them. What it could not
 * take in whole it says to be partial: such a message must always be looked
 * at. Total on any input; memory is bounded by the caps. Owns its sets.
 */
#ifndef IMAP_HARVEST_H
#define IMAP_HARVEST_H

#include "imap/match.h"
#include "mail/terms.h"

enum {
	HARVEST_BODY_MAX = 512 * 1024, /* octets of all terms */
	HARVEST_HEADER_MAX = 256 * 1024
};

struct harvest {
	struct terms_set body, header; /* after harvest_end */
	bool is_partial;

	struct terms body_terms, header_terms;
	struct buf head; /* the beginning of the message */
	bool has_head;
	struct arena arena;
	struct mime *mime;
	struct match_body match;
	struct match_sink sink;
};

/* seed: nobody outside may know it. */
void harvest_init(struct harvest *h, uint64_t seed);
void harvest_deinit(struct harvest *h);

/* A message: begin, feed as often as there are bytes, end. */
void harvest_begin(struct harvest *h);
void harvest_feed(struct harvest *h, struct slice bytes);
void harvest_end(struct harvest *h);

#endif
