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
#include "imap/thread.h"
#include "mail/summary.h"

enum {
	SEARCH_SPAN = 8192,    /* rows decided before their hits are kept */
	SEARCH_ITEMS = 1024,   /* of them more must be known of, at most */
	SEARCH_STEPS = 200000, /* keys looked at in one turn of the loop */
	SEARCH_NEEDLE = 256 * 1024
};

struct multi;
struct search;
struct search_sorted;
struct search_update;

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

/* Sets become rows of the view (if there is one), texts UTF-8 in folded case.
 * NULL, or the line that refuses
 * the command. */
const char *search_prepare(struct imap_session *s, const struct imap_view *v,
    struct imap_search *k, struct slice charset);
/* The rows of its sets alone, once more: of another view, or when the rows have
 * moved. False: the arena ran out. */
bool search_pick(const struct imap_view *v, struct arena *arena,
    struct imap_search *k);
unsigned search_wants(const struct imap_search *k);
enum search_tri search_match(struct search_known *x, struct imap_search *k);

/* -- search_run.c --------------------------------------------------------- */

struct search_item {
	uint32_t row;
	struct search_detail detail;
};

struct search_find;

struct search_run {
	struct imap_session *s;
	const struct imap_view *view;
	uint64_t mailbox; /* 0: the selected one */
	struct imap_search *program;
	unsigned wants;
	size_t row, end;         /* rows [row, end) are still to be looked at */
	const struct hits *only; /* and of them but these; NULL: all */
	struct hits_cursor only_cursor;
	uint32_t only_next;
	struct hits hits;
	void (*done)(struct imap_session *s);
	struct search_find *find; /* search_find.c's, or NULL */
	struct search_known known;
	bool has_trouble;   /* not all of it could be read, */
	bool has_no_memory; /* for this reason */

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
/* Looks at these rows alone; they stay the caller's. */
void search_run_only(struct search_run *r, const struct hits *only);
void search_run_free(struct search_run *r);
/* Goes on by s->more and s->then, and calls done in the end. It stands in
 * s->search->run meanwhile. */
void search_run_start(struct search_run *r,
    void (*done)(struct imap_session *));

void search_run_more(struct imap_session *s); /* from a span to the next */

/* -- search_find.c: what an index tells before. False: it is not asked. ---- */

bool search_find_start(struct search_run *r);
void search_find_free(struct search_run *r);

/* -- search_gather.c --------------------------------------------------------
 */

/* Of one message; texts in folded case, and gone after the call. */
struct search_columns {
	bool has_sent, is_reply;
	int64_t sent; /* or INTERNALDATE (RFC 5256, 2.2) */
	struct slice subject, from, to, cc, display_from, display_to;
	uint64_t id;
	const uint64_t *references;
	size_t n_references;
};

/* False: no memory. */
typedef bool search_take_fn(struct imap_session *s, uint32_t row,
    const struct search_columns *c);

struct search_gather {
	uint32_t head;
	bool wants_display, has_trouble;
	search_take_fn *take;
	void (*done)(struct imap_session *s);
	struct hits_cursor cursor;
	uint32_t rows[SEARCH_ITEMS];
	bool is_had[SEARCH_ITEMS];
	struct imap_range ranges[SEARCH_ITEMS];
	size_t n, at;
	uint32_t uid; /* whose header comes */
	struct buf header;
	struct arena arena; /* of one message */
	uint64_t references[1000];
};

/* Columns of all that was found, in the order of the mailbox but for those
 * that have no summary. The gather stands in s->search->gather. */
struct search_gather *search_gather_new(bool wants_display,
    search_take_fn *take, void (*done)(struct imap_session *));
void search_gather_free(struct search_gather *g);
void search_gather_start(struct imap_session *s);

/* -- search_sort.c -----------------------------------------------------------
 */

/* After the run; they end by s->search->order or ->threads being there and
 * `done`, or by having ended the command. */
void search_sort_start(struct imap_session *s,
    void (*done)(struct imap_session *));
void search_thread_start(struct imap_session *s,
    void (*done)(struct imap_session *));
void search_sort_free(struct search *f);

/* -- search_say.c ------------------------------------------------------------
 */

/* What was found, as the command wants to hear it; then the end. */
void search_say_start(struct imap_session *s,
    void (*done)(struct imap_session *));

/* SAVE without a word, when there is nothing to say. */
void search_save_start(struct imap_session *s,
    void (*done)(struct imap_session *));

/* -- search_context.c -------------------------------------------------------
 */

/* The line that refuses UPDATE, or NULL. */
const char *search_context_check(struct imap_session *s);
/* What was found is told further on (or NOUPDATE). Before the sync. */
void search_context_add(struct imap_session *s);
void search_update_free(struct search_update *u);

/* -- multisearch.c -----------------------------------------------------------
 */

void search_multi_free(struct multi *m);

/* -- search.c ---------------------------------------------------------------
 */

void search_refuse_charset(struct imap_session *s);

struct search {
	struct search_run *run;
	struct search_gather *gather;
	uint32_t *order; /* rows, of a SORT; run->hits.count of them */
	size_t n_order;
	/* what sorts them, and what threads are made of */
	struct arena texts;
	struct search_sorted *sorted;
	struct thread_message *messages;
	size_t n_items;
	struct threads *threads;
	void (*after)(struct imap_session *s);

	/* saying: results [at, end) in their order */
	struct hits_cursor cursor;
	size_t at, end;
	uint32_t run_lo, run_hi;  /* numbers not said yet; 0: none */
	bool has_comma, has_runs; /* an ESEARCH: runs with commas between */
	const char *tail;         /* behind the numbers */
	const char *correlators;  /* beside the tag */
	struct search_update *update;
	struct multi *multi;
	uint64_t modseq;
	void (*done)(struct imap_session *s);
};

#endif
