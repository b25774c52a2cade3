/* SPDX-License-Identifier: ISC */
/*
 * imap/session_resync - what changed while a client was away (RFC 7162)
 *
 * CONDSTORE's beginning, and VANISHED (EARLIER): the uids that left since a
 * modseq, or all that are not there when the store no longer remembers so far
 * back. They are candidates as the store told them, cut to what the client
 * knows of, without what stands in the view; they are said in pieces. Owns
 * s->resync, which lives as long as its command.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "imap/session_impl.h"

enum {
	GONE_MAX = 1024 * 1024, /* ranges; beyond them all is a candidate */
	PIECE = 8 * 1024,       /* bytes said between two looks at the room */
	LINE_RANGES = 200       /* in one response */
};

struct resync {
	struct imap_range *gone; /* ascending */
	size_t n, size;
	bool has_all;          /* more than was kept */
	struct imap_set known; /* ascending, apart; n == 0: everything */
	uint64_t next;         /* uids below are done with */
	size_t at, known_at;
	void (*after)(struct imap_session *s);
};

/* -- CONDSTORE ---------------------------------------------------------------
 */

void
imap_say_highest(struct imap_session *s)
{
	imap_printf(s, "* OK [HIGHESTMODSEQ %" PRIu64 "] Highest\r\n",
	    s->highest);
}

void
imap_condstore_on(struct imap_session *s)
{
	if ((s->enabled & IMAP_ENABLED_CONDSTORE) != 0)
		return;
	s->enabled |= IMAP_ENABLED_CONDSTORE;
	s->view.tells_modseq = true;
	if (s->state == IMAP_SELECTED)
		imap_say_highest(s);
}

bool
imap_keep_since(struct imap_session *s, uint64_t since)
{
	struct imap_picks kept = { NULL, 0 };
	size_t size = 0;

	for (size_t i = 0; i < s->picks.n; i++)
		for (size_t j = s->picks.at[i].lo; j <= s->picks.at[i].hi;
		     j++) {
			if (s->view.rows[j].modseq <= since)
				continue;
			if (kept.n > 0 && kept.at[kept.n - 1].hi + 1 == j) {
				kept.at[kept.n - 1].hi = j;
				continue;
			}
			if (kept.n == size) {
				size_t more = size == 0 ? 64 : size * 2;
				void *at = reallocarray(kept.at, more,
				    sizeof(*kept.at));

				if (at == NULL) {
					free(kept.at);
					imap_no(s, IMAP_TROUBLE);
					return false;
				}
				kept.at = at;
				size = more;
			}
			kept.at[kept.n++] = (struct imap_pick){ j, j };
		}
	free(s->kept_picks);
	s->kept_picks = kept.at;
	s->picks = kept;
	return true;
}

/* -- what vanished ------------------------------------------------------------
 */

void
imap_resync_free(struct imap_session *s)
{
	if (s->resync != NULL)
		free(s->resync->gone);
	free(s->resync);
	s->resync = NULL;
}

static int
compare_ranges(const void *a, const void *b)
{
	const struct imap_range *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

/* In order, joined, "*" made a number: in place, since it is not needed as it
 * was typed. */
static void
sort_known(struct imap_set *set, uint32_t last)
{
	size_t n = 0;

	for (size_t i = 0; i < set->n; i++) {
		struct imap_range *r = &set->ranges[i], was;

		r->lo = r->lo == 0 ? last : r->lo;
		r->hi = r->hi == 0 ? last : r->hi;
		was = *r;
		if (was.lo > was.hi)
			*r = (struct imap_range){ was.hi, was.lo };
	}
	if (set->n > 0)
		qsort(set->ranges, set->n, sizeof(set->ranges[0]),
		    compare_ranges);
	for (size_t i = 1; i < set->n; i++) {
		if (set->ranges[i].lo > set->ranges[n].hi)
			set->ranges[++n] = set->ranges[i];
		else if (set->ranges[i].hi > set->ranges[n].hi)
			set->ranges[n].hi = set->ranges[i].hi;
	}
	set->n = set->n == 0 ? 0 : n + 1;
}

bool
imap_resync_begin(struct imap_session *s)
{
	s->resync = calloc(1, sizeof(*s->resync));
	if (s->resync == NULL)
		imap_no(s, IMAP_TROUBLE);
	return s->resync != NULL;
}

void
imap_resync_gone(struct imap_session *s, const struct imap_answer *a)
{
	struct resync *r = s->resync;

	for (size_t i = 0; i < a->n_gone && !r->has_all; i++) {
		if (r->n > 0 && r->gone[r->n - 1].hi + 1 == a->gone[i].lo) {
			r->gone[r->n - 1].hi = a->gone[i].hi;
			continue;
		}
		if (r->n == r->size) {
			size_t size = r->size == 0 ? 64 : r->size * 2;
			void *at = size > GONE_MAX
			    ? NULL
			    : reallocarray(r->gone, size, sizeof(*r->gone));

			r->has_all = at == NULL;
			if (at == NULL)
				return;
			r->gone = at;
			r->size = size;
		}
		r->gone[r->n++] = a->gone[i];
	}
}

/* Pairs that still hold: the client knows of all that left below the last of
 * them (RFC 7162, 3.2.5.2). */
static uint32_t
match(const struct imap_session *s)
{
	const struct imap_set *numbers = &s->cmd.sync.match_numbers;
	const struct imap_set *uids = &s->cmd.sync.match_uids;
	uint32_t ret = 0, uid;
	size_t u = 0;

	if (numbers->n == 0)
		return 0;
	uid = uids->ranges[0].lo;
	for (size_t i = 0; i < numbers->n; i++)
		for (size_t k = numbers->ranges[i].lo;
		     k <= numbers->ranges[i].hi; k++) {
			if (k > s->view.n || s->view.rows[k - 1].uid != uid)
				return ret;
			ret = uid;
			if (uid < uids->ranges[u].hi)
				uid++;
			else if (++u < uids->n)
				uid = uids->ranges[u].lo;
			else
				return ret;
		}
	return ret;
}

/* The next uids to be told, as long a run of them as there is. */
static bool
next_run(struct imap_session *s, struct imap_range *ret)
{
	const struct imap_range all = { 1, UINT32_MAX };
	const struct imap_view *v = &s->view;
	struct resync *r = s->resync;

	while (r->at < r->n && (r->known.n == 0 || r->known_at < r->known.n)) {
		struct imap_range c = r->gone[r->at];
		struct imap_range k =
		    r->known.n == 0 ? all : r->known.ranges[r->known_at];
		uint64_t lo = c.lo > k.lo ? c.lo : k.lo;
		uint64_t hi = c.hi < k.hi ? c.hi : k.hi;
		size_t row;

		lo = r->next > lo ? r->next : lo;
		if (lo <= hi) {
			row = imap_view_find(v, (uint32_t)lo);
			for (; row < v->n && v->rows[row].uid == lo; row++)
				lo++;
			r->next = lo;
		}
		if (lo > hi) {
			if (c.hi <= k.hi)
				r->at++;
			else
				r->known_at++;
			continue;
		}
		if (row < v->n && v->rows[row].uid <= hi)
			hi = v->rows[row].uid - 1;
		*ret = (struct imap_range){ (uint32_t)lo, (uint32_t)hi };
		r->next = hi + 1;
		return true;
	}
	return false;
}

int
imap_put_range(struct buf *b, struct imap_range r)
{
	return r.lo == r.hi ? buf_printf(b, "%u", r.lo)
			    : buf_printf(b, "%u:%u", r.lo, r.hi);
}

static void
vanished_more(struct imap_session *s)
{
	void (*after)(struct imap_session *) = s->resync->after;
	bool is_more = true;
	struct buf b;

	buf_init(&b, PIECE * 2);
	while (is_more && b.len < PIECE) {
		struct imap_range run;
		int n = 0;

		while (n < LINE_RANGES && (is_more = next_run(s, &run))) {
			(void)buf_add_cstr(&b,
			    n++ == 0 ? "* VANISHED (EARLIER) " : ",");
			(void)imap_put_range(&b, run);
		}
		if (n > 0)
			(void)buf_add_cstr(&b, "\r\n");
	}
	imap_say_buf(s, &b);
	buf_deinit(&b);
	if (is_more || s->state == IMAP_LOGGED_OUT)
		return;
	imap_resync_free(s);
	s->more = NULL;
	after(s);
}

/* What the store does not remember: all that could have been there. */
static bool
take_all(struct imap_session *s)
{
	struct resync *r = s->resync;

	if (r->size == 0) {
		r->gone = malloc(sizeof(*r->gone));
		if (r->gone == NULL) {
			imap_no(s, IMAP_TROUBLE);
			return false;
		}
		r->size = 1;
	}
	r->gone[0] = (struct imap_range){ 1, s->uidnext - 1 };
	r->n = s->uidnext > 1 ? 1 : 0;
	return true;
}

void
imap_resync_tell(struct imap_session *s, const struct imap_set *known,
    void (*after)(struct imap_session *))
{
	struct resync *r = s->resync;

	r->after = after;
	if ((r->has_all || s->floor > s->cmd.sync.modseq) && !take_all(s))
		return;
	if (known != NULL) {
		uint32_t last =
		    s->view.n > 0 ? s->view.rows[s->view.n - 1].uid : 0;

		r->known = *known;
		sort_known(&r->known, last > 0 ? last : 1);
	}
	r->next = (uint64_t)match(s) + 1;
	s->more = vanished_more;
}

/* -- SELECT (QRESYNC ...)
 * ------------------------------------------------------ */

static void
resynced(struct imap_session *s)
{
	imap_done(s, s->done);
}

/* The flags that changed: only of what the client knows of. */
static void
tell_changed(struct imap_session *s)
{
	const struct imap_set *known = &s->cmd.sync.known;
	struct imap_view *v = &s->view;
	size_t k = 0;

	for (size_t i = 0; i < v->n; i++) {
		struct imap_row *row = &v->rows[i];

		while (k < known->n && known->ranges[k].hi < row->uid)
			k++;
		if (s->cmd.sync.has_known &&
		    (k == known->n || known->ranges[k].lo > row->uid))
			continue;
		if (row->modseq > s->cmd.sync.modseq)
			imap_view_tell(v, row, IMAP_ROW_TELL);
	}
	imap_tell(s, resynced);
}

void
imap_resync_select(struct imap_session *s)
{
	if (s->cmd.sync.has_known)
		sort_known(&s->cmd.sync.known, 1);
	imap_resync_tell(s, s->cmd.sync.has_known ? &s->cmd.sync.known : NULL,
	    tell_changed);
}
