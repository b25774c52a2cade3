/* SPDX-License-Identifier: ISC */
/*
 * What an index says before a search begins: of each text that is looked for,
 * the rows that may have it. The others have not, for sure; of the rest the
 * bytes decide. So it is sound below AND, OR and NOT alike.
 */
#include <stdlib.h>

#include "imap/search_impl.h"
#include "mail/terms.h"

enum {
	FIND_LEAST = 64, /* messages to be read that are worth a question */
	FIND_STEPS = 200000
};

struct search_find {
	struct imap_search *keys[IMAP_ASK_NEEDLES];
	uint8_t *rows[IMAP_ASK_NEEDLES]; /* a bit each */
	size_t n;
	struct imap_needle needles[IMAP_ASK_NEEDLES];
};

void
search_find_free(struct search_run *r)
{
	/* The keys may be gone by now; their next run forgets our rows. */
	for (size_t i = 0; r->find != NULL && i < r->find->n; i++)
		free(r->find->rows[i]);
	free(r->find);
	r->find = NULL;
}

static void
forget(struct imap_search *k)
{
	k->may = NULL;
	for (struct imap_search *c = k->first; c != NULL; c = c->next)
		forget(c);
}

/* -- whether --------------------------------------------------------------- */

/* Enough messages whose bytes the row alone does not spare us? */
static bool
is_worth_it(struct search_run *r)
{
	size_t least = r->s->config->find_least, n = 0;
	size_t row = r->row;

	if (least == 0)
		least = FIND_LEAST;
	r->known.n_steps = 0;
	for (; row < r->end && n < least && r->known.n_steps < FIND_STEPS;
	     row++) {
		r->known.row = row;
		if ((r->view->rows[row].state & IMAP_ROW_GONE) == 0)
			n +=
			    search_match(&r->known, r->program) == SEARCH_MAYBE;
	}
	r->known.n_steps = 0;
	return row > r->row && (n >= least || row < r->end);
}

/* Not FROM and its like: what they find need not stand there in one piece
 * (imap/match, match_addresses). */
static bool
is_asked_for(const struct imap_search *k)
{
	struct terms_demand demands[TERMS_DEMANDS];

	return (k->what == IMAP_KEY_BODY || k->what == IMAP_KEY_TEXT ||
		   (k->what == IMAP_KEY_HEADER && k->bits == 0)) &&
	    terms_demands(k->folded, demands) > 0;
}

/* A beginning of the text will do, when it is too long: whatever contains the
 * one contains the other. */
static struct slice
beginning(struct slice s)
{
	struct slice cut = slice_upto(s, IMAP_ASK_NEEDLE);

	while (cut.len < s.len && cut.len > 0 && (s.at[cut.len] & 0xc0) == 0x80)
		cut.len--;
	return cut;
}

static void
add_key(struct search_run *r, struct imap_search *k)
{
	struct search_find *f = r->find;

	if (f->n < IMAP_ASK_NEEDLES && is_asked_for(k)) {
		f->rows[f->n] = calloc(r->end / 8 + 1, 1);
		if (f->rows[f->n] == NULL)
			return;
		f->keys[f->n] = k;
		f->needles[f->n++] =
		    (struct imap_needle){ .part = k->what == IMAP_KEY_BODY
				? IMAP_FIND_BODY
				: k->what == IMAP_KEY_TEXT ? IMAP_FIND_TEXT
							   : IMAP_FIND_HEADER,
			    .text = beginning(k->folded) };
	}
	for (struct imap_search *c = k->first; c != NULL; c = c->next)
		add_key(r, c);
}

/* -- the answer ------------------------------------------------------------ */

static size_t
first_row(const struct search_run *r, uint32_t uid)
{
	size_t lo = 0, hi = r->end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->view->rows[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
take_ranges(struct search_run *r, const struct imap_answer *a)
{
	uint8_t *rows = r->find->rows[a->needle];

	r->find->keys[a->needle]->may = rows;
	for (size_t i = 0; i < a->n_ranges; i++)
		for (size_t row = first_row(r, a->ranges[i].lo);
		     row < r->end && r->view->rows[row].uid <= a->ranges[i].hi;
		     row++)
			rows[row / 8] |= (uint8_t)(1u << row % 8);
}

static void
then_found(struct imap_session *s, const struct imap_answer *a)
{
	struct search_run *r = s->search->run;

	if (a->result == IMAP_OK && !a->is_all && a->needle < r->find->n)
		take_ranges(r, a);
	if (a->more)
		return;
	if (a->result != IMAP_OK) { /* half an answer is none */
		forget(r->program);
		search_find_free(r);
	}
	s->more = search_run_more;
}

static void
ask(struct imap_session *s)
{
	struct search_run *r = s->search->run;
	struct imap_ask question = { .what = IMAP_ASK_FIND,
		.mailbox = r->mailbox,
		.needles = r->find->needles,
		.n_needles = r->find->n };

	(void)imap_ask(s, &question, then_found);
}

bool
search_find_start(struct search_run *r)
{
	forget(r->program);
	if ((r->wants & (SEARCH_WANTS_HEADER | SEARCH_WANTS_BODY)) == 0 ||
	    !is_worth_it(r))
		return false;
	r->find = calloc(1, sizeof(*r->find));
	if (r->find == NULL)
		return false;
	add_key(r, r->program);
	if (r->find->n == 0) {
		search_find_free(r);
		return false;
	}
	r->s->more = ask;
	return true;
}
