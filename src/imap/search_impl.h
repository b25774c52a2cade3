/* SPDX-License-Identifier: ISC */
/*
 * imap/search_impl - what the files of a search share
 *
 * search.c has the commands; search_run.c walks the rows in spans and asks for
 * what is needed, many messages at a time: what the row tells first, then
 * columns (the beginning of the summary), then header sections, then bytes;
 * each only for those that are not decided yet. search_keys.c decides. Not for
 * anybody else.
 */
#ifndef IMAP_SEARCH_IMPL_H
#define IMAP_SEARCH_IMPL_H

#include "imap/hits.h"
#include "imap/match.h"
#include "imap/session_impl.h"

enum {
	SEARCH_SPAN = 8192,    /* rows decided before their hits are kept */
	SEARCH_ITEMS = 1024,   /* of them more must be known of, at most */
	SEARCH_STEPS = 200000, /* keys looked at in one turn of the loop */
	SEARCH_NEEDLE = 256 * 1024
};

enum search_tri {
	SEARCH_NO,
	SEARCH_YES,
	SEARCH_MAYBE
};

enum { /* what a program may want beside the row */
	SEARCH_WANTS_DETAIL = 1,
	SEARCH_WANTS_HEADER = 2,
	SEARCH_WANTS_BODY = 4
};

/* Columns of one message. */
struct search_detail {
	bool is_there;    /* asked for, and came */
	bool has_summary; /* sent_day is known, or that there is none */
	bool has_sent;
	int64_t sent_day, saved_at;
	uint64_t thread;
	struct id id;
};

/* What is known of the message that is looked at. */
struct search_known {
	const struct imap_view *view;
	size_t row;
	const struct search_detail *detail; /* NULL: not yet */
	bool has_header, has_body;
	struct slice header;
	int64_t now;
	size_t n_steps;   /* counts keys */
	bool has_trouble; /* no memory */
};

/* Sets become rows, texts UTF-8 in folded case. NULL, or the line that refuses
 * the command. */
const char *search_prepare(struct imap_session *s, const struct imap_view *v,
    struct imap_search *k, struct slice charset);
unsigned search_wants(const struct imap_search *k);
enum search_tri search_match(struct search_known *x, struct imap_search *k);

/* -- search_run.c --------------------------------------------------------- */

struct search_item {
	uint32_t row;
	struct search_detail detail;
};

struct search_run {
	struct imap_session *s;
	const struct imap_view *view;
	uint64_t mailbox; /* 0: the selected one */
	struct imap_search *program;
	unsigned wants;
	size_t row, end; /* rows [row, end) are still to be looked at */
	struct hits hits;
	void (*done)(struct imap_session *s);
	struct search_known known;
	bool has_trouble; /* not all of it could be read */

	/* the present span: rows from `first` on */
	size_t first;
	uint8_t verdicts[SEARCH_SPAN];
	struct search_item items[SEARCH_ITEMS];
	size_t n_items, at;
	unsigned asked; /* SEARCH_WANTS_*: had for the items */
	struct imap_range ranges[SEARCH_ITEMS];

	/* the present message */
	uint32_t uid;
	bool is_open, is_decided, is_bad;
	struct buf header;
	struct arena arena;
	struct mime *mime;
	struct match_body body;
	struct match_needle *needles;
	struct imap_search **body_keys;
	size_t n_needles;
};

/* NULL: no memory. The program must be prepared. */
struct search_run *search_run_new(struct imap_session *s,
    const struct imap_view *view, uint64_t mailbox,
    struct imap_search *program);
void search_run_free(struct search_run *r);
/* Goes on by s->more and s->then, and calls done in the end. It stands in
 * s->search->run meanwhile. */
void search_run_start(struct search_run *r,
    void (*done)(struct imap_session *));

/* -- search.c ------------------------------------------------------------- */

struct search {
	struct search_run *run;
	struct hits_cursor cursor; /* what is being said */
	size_t n_said;
};

#endif
