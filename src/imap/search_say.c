/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdlib.h>

#include "imap/merge.h"
#include "imap/search_impl.h"

enum {
	NUMBERS_PIECE = 1000 /* said between two looks at the room */
};

/* -- results in their order ---------------------------------------------------
 */

static size_t
count(const struct search *f)
{
	return f->order != NULL ? f->n_order : f->run->hits.count;
}

static uint32_t
nth(const struct search *f, size_t n)
{
	return f->order != NULL ? f->order[n] : hits_get(&f->run->hits, n);
}

static uint32_t
number_of(const struct imap_session *s, uint32_t row)
{
	return s->cmd.is_uid ? s->search->run->view->rows[row].uid : row + 1;
}

static void
walk_from(struct search *f, size_t lo, size_t hi)
{
	f->at = lo;
	f->end = hi;
	f->cursor = (struct hits_cursor){ 0 };
	if (f->order == NULL)
		hits_seek(&f->run->hits, lo, &f->cursor);
}

static bool
walk_next(struct search *f, uint32_t *ret_row)
{
	if (f->at >= f->end)
		return false;
	if (f->order != NULL)
		*ret_row = f->order[f->at];
	else if (!hits_next(&f->run->hits, &f->cursor, ret_row))
		return false;
	f->at++;
	return true;
}

/* -- MODSEQ (RFC 7162, 3.1.5, 3.1.10)
 * ------------------------------------------ */

static uint64_t
modseq_of(const struct search *f, uint32_t row)
{
	return f->run->view->rows[row].modseq;
}

static uint64_t
highest(struct search *f, size_t lo, size_t hi)
{
	uint64_t ret = 0;
	uint32_t row;

	walk_from(f, lo, hi);
	while (walk_next(f, &row))
		if (modseq_of(f, row) > ret)
			ret = modseq_of(f, row);
	return ret;
}

/* Of those that are told; of all when all of them are, or their number. */
static uint64_t
highest_told(struct imap_session *s)
{
	enum {
		WHOLE = IMAP_RETURN_ALL | IMAP_RETURN_COUNT
	};
	struct search *f = s->search;
	unsigned returns = s->cmd.has_return ? s->cmd.returns : WHOLE;
	size_t n = count(f), lo = 0, hi = 0;
	uint64_t ret = 0, one;

	if (n == 0)
		return 0;
	if ((returns & WHOLE) != 0)
		return highest(f, 0, n);
	if ((returns & IMAP_RETURN_PARTIAL) != 0) {
		imap_partial_window(&s->cmd.partial, n, &lo, &hi);
		ret = highest(f, lo, hi);
	}
	if ((returns & IMAP_RETURN_MIN) != 0)
		ret = (one = modseq_of(f, nth(f, 0))) > ret ? one : ret;
	if ((returns & IMAP_RETURN_MAX) != 0)
		ret = (one = modseq_of(f, nth(f, n - 1))) > ret ? one : ret;
	return ret;
}

/* -- the untagged line
 * --------------------------------------------------------- */

static void
say_end(struct imap_session *s)
{
	struct search *f = s->search;
	bool is_esearch = f->has_runs;

	imap_say(s, slice_cstr(f->tail));
	if (f->modseq > 0 && is_esearch)
		imap_printf(s, " MODSEQ %" PRIu64, f->modseq);
	else if (f->modseq > 0)
		imap_printf(s, " (MODSEQ %" PRIu64 ")", f->modseq);
	imap_say(s, SLICE("\r\n"));
	s->more = NULL;
	f->done(s);
}

static void
put_run(struct search *f, struct buf *b)
{
	if (f->run_lo == 0)
		return;
	(void)buf_printf(b, f->has_comma ? ",%u" : "%u", f->run_lo);
	if (f->run_hi > f->run_lo)
		(void)buf_printf(b, ":%u", f->run_hi);
	f->has_comma = true;
	f->run_lo = 0;
}

static void
put_number(struct search *f, uint32_t number, struct buf *b)
{
	if (!f->has_runs) {
		(void)buf_printf(b, " %u", number);
		return;
	}
	if (f->run_lo != 0 && f->run_hi + 1 == number) {
		f->run_hi = number;
		return;
	}
	put_run(f, b);
	f->run_lo = f->run_hi = number;
}

static void
say_numbers(struct imap_session *s)
{
	struct search *f = s->search;
	struct buf b;
	uint32_t row = 0;
	int n = 0;

	buf_init(&b, 32 * NUMBERS_PIECE);
	while (n < NUMBERS_PIECE && walk_next(f, &row)) {
		put_number(f, number_of(s, row), &b);
		n++;
	}
	if (n < NUMBERS_PIECE)
		put_run(f, &b);
	imap_say_buf(s, &b);
	buf_deinit(&b);
	if (n < NUMBERS_PIECE && s->state != IMAP_LOGGED_OUT)
		say_end(s);
}

static void
say_list(struct imap_session *s, const char *name)
{
	imap_printf(s, "* %s", name);
	walk_from(s->search, 0, count(s->search));
	s->more = say_numbers;
}

static void
put_min_max(struct imap_session *s, struct buf *b)
{
	struct search *f = s->search;
	size_t n = count(f);

	if (n > 0 && (s->cmd.returns & IMAP_RETURN_MIN) != 0)
		(void)buf_printf(b, " MIN %u", number_of(s, nth(f, 0)));
	if (n > 0 && (s->cmd.returns & IMAP_RETURN_MAX) != 0)
		(void)buf_printf(b, " MAX %u", number_of(s, nth(f, n - 1)));
	if ((s->cmd.returns & IMAP_RETURN_COUNT) != 0)
		(void)buf_printf(b, " COUNT %zu", n);
}

static void
put_partial(struct imap_session *s, struct buf *b)
{
	const struct imap_partial *p = &s->cmd.partial;
	const char *sign = p->from_end ? "-" : "";
	size_t lo, hi;

	imap_partial_window(p, count(s->search), &lo, &hi);
	(void)buf_printf(b, " PARTIAL (%s%u:%s%u ", sign, p->lo, sign, p->hi);
	if (lo == hi)
		(void)buf_add_cstr(b, "NIL");
	walk_from(s->search, lo, hi);
	s->search->tail = ")";
}

/* RFC 4731, 3.1; the correlator first, what stands in runs last. */
static void
say_esearch(struct imap_session *s)
{
	struct search *f = s->search;
	struct buf b;

	f->has_runs = true;
	f->has_comma = false;
	buf_init(&b, LIMIT_IMAP_LINE * 2);
	(void)buf_printf(&b, "* ESEARCH (TAG \"%.*s\"%s)%s",
	    SLICE_FMT(s->cmd.tag), f->correlators != NULL ? f->correlators : "",
	    s->cmd.is_uid ? " UID" : "");
	put_min_max(s, &b);
	walk_from(f, 0, 0);
	if ((s->cmd.returns & IMAP_RETURN_PARTIAL) != 0) {
		put_partial(s, &b);
	} else if ((s->cmd.returns & IMAP_RETURN_ALL) != 0 && count(f) > 0) {
		(void)buf_add_cstr(&b, " ALL ");
		walk_from(f, 0, count(f));
	}
	imap_say_buf(s, &b);
	buf_deinit(&b);
	s->more = say_numbers;
}

static void
say_threads(struct imap_session *s)
{
	struct search *f = s->search;
	struct buf b;
	bool has_more;

	buf_init(&b, 64 * NUMBERS_PIECE);
	has_more = threads_print(f->threads, NUMBERS_PIECE, &b);
	imap_say_buf(s, &b);
	buf_deinit(&b);
	if (!has_more && s->state != IMAP_LOGGED_OUT)
		say_end(s);
}

static void
say_thread(struct imap_session *s)
{
	imap_say(s,
	    s->search->n_items > 0 ? SLICE("* THREAD ") : SLICE("* THREAD"));
	s->more = say_threads;
}

/* -- SAVE (RFC 5182, 2.4; 9394, 3.2)
 * ------------------------------------------- */

static bool
compare_rows(const void *a, const void *b, void *ctx)
{
	(void)ctx;
	return *(const uint32_t *)a < *(const uint32_t *)b;
}

/* MIN, MAX and PARTIAL alone save what they tell; all else saves all. The rows
 * of a sorted window are put in order. */
static bool
pick_saved(struct imap_session *s, struct hits *h)
{
	enum {
		SOME = IMAP_RETURN_MIN | IMAP_RETURN_MAX | IMAP_RETURN_PARTIAL,
		WHOLE = IMAP_RETURN_ALL | IMAP_RETURN_COUNT
	};
	struct search *f = s->search;
	unsigned returns = s->cmd.returns;
	bool is_whole = (returns & SOME) == 0 || (returns & WHOLE) != 0;
	size_t n = count(f), lo = 0, hi = n, k = 0;
	uint32_t *rows, row;
	bool ok = true;

	if (n == 0)
		return true;
	if (!is_whole && (returns & IMAP_RETURN_PARTIAL) != 0)
		imap_partial_window(&s->cmd.partial, n, &lo, &hi);
	else if (!is_whole)
		hi = 0;
	rows = calloc(hi - lo + 3, sizeof(*rows));
	if (rows == NULL)
		return false;
	walk_from(f, lo, hi);
	while (walk_next(f, &row))
		rows[k++] = row;
	if (!is_whole && (returns & IMAP_RETURN_MIN) != 0)
		rows[k++] = nth(f, 0);
	if (!is_whole && (returns & IMAP_RETURN_MAX) != 0)
		rows[k++] = nth(f, n - 1);
	ok = merge_sort(rows, k, sizeof(*rows), compare_rows, NULL);
	for (size_t i = 0; i < k && ok; i++)
		if (i == 0 || rows[i] != rows[i - 1])
			ok = hits_add(h, rows[i]);
	free(rows);
	return ok;
}

/* False: no memory; "$" is nothing. */
static bool
save(struct imap_session *s)
{
	struct hits h = { 0 };
	struct imap_range *uids = NULL;
	bool ok = pick_saved(s, &h);

	if (ok)
		uids = calloc(h.n + 1, sizeof(*uids));
	if (uids == NULL) {
		hits_deinit(&h);
		(void)imap_view_save(&s->view, NULL, 0);
		return false;
	}
	for (size_t i = 0; i < h.n; i++)
		uids[i] = (struct imap_range){ s->view.rows[h.at[i].lo].uid,
			s->view.rows[h.at[i].hi].uid };
	ok = imap_view_save(&s->view, uids, h.n);
	hits_deinit(&h);
	return ok;
}

void
search_save_start(struct imap_session *s, void (*done)(struct imap_session *))
{
	if ((s->cmd.returns & IMAP_RETURN_SAVE) != 0 && !save(s))
		s->search->run->has_trouble = true;
	done(s);
}

void
search_say_start(struct imap_session *s, void (*done)(struct imap_session *))
{
	struct search *f = s->search;
	unsigned silent = IMAP_RETURN_SAVE | IMAP_RETURN_CONTEXT;

	f->done = done;
	f->tail = "";
	f->modseq = s->cmd.has_modseq ? highest_told(s) : 0;
	if ((s->cmd.returns & IMAP_RETURN_SAVE) != 0 && !save(s))
		f->run->has_trouble = true;
	if (f->threads != NULL) {
		f->modseq = 0;
		say_thread(s);
	} else if (s->cmd.has_return && (s->cmd.returns & ~silent) == 0) {
		done(s); /* RETURN (SAVE) has nothing to say */
	} else if (s->cmd.has_return) {
		say_esearch(s);
	} else if (s->cmd.verb == IMAP_SORT) {
		say_list(s, "SORT");
	} else if ((s->enabled & IMAP_ENABLED_REV2) != 0) {
		s->cmd.returns = IMAP_RETURN_ALL; /* RFC 9051, 6.4.4 */
		say_esearch(s);
	} else {
		say_list(s, "SEARCH");
	}
}
