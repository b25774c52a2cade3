/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "imap/command.h"
#include "imap/view.h"

enum {
	SETS_MAX = 16384,
	SET_BYTES_MAX = 1024 * 1024 /* of all sets of keywords in a view */
};

void
imap_view_init(struct imap_view *v, const uint8_t seed[MAP_SEED])
{
	memset(v, 0, sizeof(*v));
	map_init(&v->set_index, seed);
	v->recent = UINT32_MAX;
}

void
imap_view_deinit(struct imap_view *v)
{
	map_deinit(&v->set_index);
	for (size_t i = 1; i < v->n_sets; i++)
		free((void *)(uintptr_t)v->sets[i].at);
	free(v->sets);
	free(v->rows);
	free(v->saved);
	free(v->saved_picks);
	memset(v, 0, sizeof(*v));
}

/* -- sets of keywords ----------------------------------------------------- */

static void
note_words(struct imap_view *v, struct slice set)
{
	struct slice word;

	while (set.len > 0) {
		size_t i;

		if (!slice_take_until(&set, ' ', &word)) {
			word = set;
			set.len = 0;
		}
		for (i = 0; i < v->n_words; i++)
			if (slice_equal_nocase(v->words[i], word))
				break;
		if (i < v->n_words || i == IMAP_VIEW_WORDS)
			continue;
		v->words[v->n_words++] = word;
		v->has_new_words = true;
	}
}

static int
grow_sets(struct imap_view *v)
{
	size_t size = v->size_sets == 0 ? 8 : v->size_sets * 2;
	struct slice *sets;

	if (v->n_sets < v->size_sets)
		return 0;
	sets = realloc(v->sets, size * sizeof(*sets));
	if (sets == NULL)
		return -ENOMEM;
	v->sets = sets;
	v->size_sets = size;
	return 0;
}

static int
new_set(struct imap_view *v, struct slice keywords)
{
	uint8_t *copy;
	int r;

	if (v->n_sets == 0) {
		r = grow_sets(v);
		if (r < 0)
			return r;
		v->sets[v->n_sets++] = slice_of("", 0);
	}
	if (v->n_sets == SETS_MAX || keywords.len > LIMIT_KEYWORDS ||
	    keywords.len > SET_BYTES_MAX - v->set_bytes)
		return -ENOSPC;
	r = grow_sets(v);
	if (r < 0)
		return r;
	copy = malloc(keywords.len);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, keywords.at, keywords.len);
	v->sets[v->n_sets] = slice_of(copy, keywords.len);
	r = map_put(&v->set_index, v->sets[v->n_sets],
	    (void *)(uintptr_t)(v->n_sets + 1));
	if (r < 0) {
		free(copy);
		return r;
	}
	v->set_bytes += keywords.len;
	note_words(v, v->sets[v->n_sets]);
	return (int)v->n_sets++;
}

int
imap_view_set(struct imap_view *v, struct slice keywords)
{
	void *known;

	if (keywords.len == 0)
		return 0;
	known = map_get(&v->set_index, keywords);
	if (known != NULL)
		return (int)((uintptr_t)known - 1);
	return new_set(v, keywords);
}

static bool
has_word(struct slice set, struct slice word)
{
	struct slice part;

	while (set.len > 0) {
		if (!slice_take_until(&set, ' ', &part)) {
			part = set;
			set.len = 0;
		}
		if (slice_equal_nocase(part, word))
			return true;
	}
	return false;
}

static bool
take_word(struct slice *set, struct slice *ret)
{
	if (set->len == 0)
		return false;
	if (!slice_take_until(set, ' ', ret)) {
		*ret = *set;
		set->len = 0;
	}
	return true;
}

static int
join(struct imap_view *v, struct slice *words, size_t n)
{
	uint8_t text[LIMIT_KEYWORDS];
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (words[i].len + 1 > sizeof(text) - len)
			return -ENOSPC;
		if (i > 0)
			text[len++] = ' ';
		memcpy(text + len, words[i].at, words[i].len);
		len += words[i].len;
	}
	return imap_view_set(v, slice_of(text, len));
}

/* Both sorted: the union, or what `old` has and `change` has not. */
static int
merge(struct imap_view *v, struct slice old, struct slice change, bool adds)
{
	struct slice words[LIMIT_KEYWORDS];
	struct slice rest = old, word;
	size_t n = 0;

	while (take_word(&rest, &word))
		if (adds || !has_word(change, word))
			words[n++] = word;
	rest = change;
	while (adds && take_word(&rest, &word)) {
		size_t i = n;

		if (has_word(old, word))
			continue;
		if (n == LIMIT_KEYWORDS)
			return -ENOSPC;
		for (; i > 0 && slice_compare(words[i - 1], word) > 0; i--)
			words[i] = words[i - 1];
		words[i] = word;
		n++;
	}
	return join(v, words, n);
}

int
imap_view_apply(struct imap_view *v, struct imap_row *row, int mode,
    const struct imap_flags *flags)
{
	struct slice old =
	    row->keywords == 0 ? slice_of("", 0) : v->sets[row->keywords];
	uint8_t keep = row->flags & IMAP_RECENT;
	int set;

	if (mode == IMAP_STORE_SET)
		set = imap_view_set(v, flags->keywords);
	else if (flags->keywords.len == 0)
		set = row->keywords;
	else
		set = merge(v, old, flags->keywords, mode == IMAP_STORE_ADD);
	if (set < 0)
		return set;
	row->state |= IMAP_ROW_CHANGED;
	v->has_changed = true;
	row->keywords = (uint16_t)set;
	row->flags = mode == IMAP_STORE_SET ? keep | flags->bits
	    : mode == IMAP_STORE_ADD        ? row->flags | flags->bits
				     : row->flags & (uint8_t)~flags->bits;
	return 0;
}

/* -- rows ----------------------------------------------------------------- */

size_t
imap_view_find(const struct imap_view *v, uint32_t uid)
{
	size_t lo = 0, hi = v->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->rows[mid].uid < uid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t
imap_view_count_recent(const struct imap_view *v)
{
	return v->n - imap_view_find(v, v->recent);
}

static int
append_row(struct imap_view *v, const struct imap_entry *e, uint8_t flags,
    uint16_t set)
{
	if (v->n == v->size) {
		size_t size = v->size == 0 ? 16 : v->size + v->size / 2;
		struct imap_row *rows;

		if (v->n >= IMAP_VIEW_ROWS)
			return IMAP_VIEW_E_FULL;
		rows = realloc(v->rows, size * sizeof(*rows));
		if (rows == NULL)
			return -ENOMEM;
		v->rows = rows;
		v->size = size;
	}
	v->rows[v->n++] = (struct imap_row){ .uid = e->uid,
		.size = e->size,
		.date = e->date,
		.zone = (int16_t)e->zone,
		.modseq = e->modseq,
		.keywords = set,
		.flags = flags };
	return IMAP_VIEW_OK;
}

enum {
	TELLS = IMAP_ROW_TELL | IMAP_ROW_TELL_MODSEQ
};

void
imap_view_tell(struct imap_view *v, struct imap_row *row, uint8_t what)
{
	if (row >= v->rows + v->n_told || (row->state & IMAP_ROW_GONE) != 0)
		return;
	v->n_tell += (row->state & TELLS) == 0;
	row->state |= what;
}

void
imap_view_told(struct imap_view *v, struct imap_row *row)
{
	v->n_tell -= (row->state & TELLS) != 0;
	row->state &= (uint8_t)~TELLS;
}

int
imap_view_add(struct imap_view *v, const struct imap_entry *e)
{
	uint8_t flags = e->flags & (IMAP_RECENT - 1);
	bool is_newer;
	struct imap_row *row;
	size_t at;
	int set;

	set = imap_view_set(v, e->keywords);
	if (set < 0)
		return set == -ENOSPC ? IMAP_VIEW_E_FULL : set;
	if (e->uid >= v->recent)
		flags |= IMAP_RECENT;
	if (v->n == 0 || v->rows[v->n - 1].uid < e->uid)
		return append_row(v, e, flags, (uint16_t)set);
	at = imap_view_find(v, e->uid);
	row = &v->rows[at];
	if (row->uid != e->uid)
		return IMAP_VIEW_OK;
	is_newer = row->modseq != e->modseq;
	row->modseq = e->modseq;
	if (row->flags != flags || row->keywords != (uint16_t)set)
		imap_view_tell(v, row, IMAP_ROW_TELL);
	else if (is_newer && v->tells_modseq)
		imap_view_tell(v, row, IMAP_ROW_TELL_MODSEQ);
	if (row->flags != flags || row->keywords != (uint16_t)set || is_newer) {
		row->state |= IMAP_ROW_CHANGED;
		v->has_changed = true;
	}
	row->flags = flags;
	row->keywords = (uint16_t)set;
	return IMAP_VIEW_OK;
}

/* A row the client never heard of just goes. */
static void
forget_untold(struct imap_view *v, size_t at)
{
	memmove(&v->rows[at], &v->rows[at + 1],
	    (v->n - at - 1) * sizeof(v->rows[0]));
	v->n--;
}

void
imap_view_gone(struct imap_view *v, uint32_t lo, uint32_t hi)
{
	size_t i = imap_view_find(v, lo);

	while (i < v->n && v->rows[i].uid <= hi) {
		struct imap_row *row = &v->rows[i];

		if (i >= v->n_told) {
			forget_untold(v, i);
			continue;
		}
		if ((row->state & IMAP_ROW_GONE) == 0)
			v->n_gone++;
		imap_view_told(v, row);
		row->state = IMAP_ROW_GONE;
		i++;
	}
}

uint32_t
imap_view_expunge(struct imap_view *v, struct imap_expunge *c)
{
	while (c->from < v->n) {
		struct imap_row *row = &v->rows[c->from++];

		if ((row->state & IMAP_ROW_GONE) == 0) {
			v->rows[c->to++] = *row;
			continue;
		}
		v->n_gone--;
		v->n_told--;
		c->uid = row->uid;
		return (uint32_t)c->to + 1;
	}
	v->n = c->to;
	return 0;
}

/* -- sets of numbers ------------------------------------------------------ */

static int
compare_picks(const void *a, const void *b)
{
	const struct imap_pick *x = a, *y = b;

	return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void
sort_and_join(struct imap_picks *p)
{
	size_t n = 0;

	if (p->n == 0)
		return;
	qsort(p->at, p->n, sizeof(p->at[0]), compare_picks);
	for (size_t i = 1; i < p->n; i++) {
		if (p->at[i].lo > p->at[n].hi + 1)
			p->at[++n] = p->at[i];
		else if (p->at[i].hi > p->at[n].hi)
			p->at[n].hi = p->at[i].hi;
	}
	p->n = n + 1;
}

static void
pick_uids(const struct imap_view *v, struct imap_range r, struct imap_picks *p)
{
	uint32_t last = v->rows[v->n_told - 1].uid;
	uint32_t a = r.lo == 0 ? last : r.lo, b = r.hi == 0 ? last : r.hi;
	uint32_t lo = a < b ? a : b, hi = a < b ? b : a;
	size_t from = imap_view_find(v, lo), to = imap_view_find(v, hi);

	if (to < v->n_told && v->rows[to].uid == hi)
		to++;
	if (to > v->n_told)
		to = v->n_told;
	if (from < to)
		p->at[p->n++] = (struct imap_pick){ from, to - 1 };
}

static bool
pick_numbers(const struct imap_view *v, struct imap_range r, bool is_clipped,
    struct imap_picks *p)
{
	size_t a = r.lo == 0 ? v->n_told : r.lo;
	size_t b = r.hi == 0 ? v->n_told : r.hi;
	size_t lo = a < b ? a : b, hi = a < b ? b : a;

	if (is_clipped && hi > v->n_told)
		hi = v->n_told;
	if (lo == 0 || lo > hi || hi > v->n_told)
		return is_clipped;
	p->at[p->n++] = (struct imap_pick){ lo - 1, hi - 1 };
	return true;
}

static bool
pick(const struct imap_view *v, struct arena *arena, struct imap_set set,
    bool is_uid, bool is_clipped, struct imap_picks *ret)
{
	struct imap_picks p = { NULL, 0 };

	if (set.is_saved) {
		set.ranges = v->saved;
		set.n = v->n_saved;
		is_uid = true;
	}
	/* It may have as many as the mailbox: more than a command's arena. */
	p.at = set.is_saved && set.n > 0
	    ? v->saved_picks
	    : arena_array(arena, set.n + 1, sizeof(*p.at));
	if (p.at == NULL)
		return false;
	for (size_t i = 0; i < set.n; i++) {
		if (is_uid && v->n_told > 0)
			pick_uids(v, set.ranges[i], &p);
		else if (!is_uid &&
		    !pick_numbers(v, set.ranges[i], is_clipped, &p))
			return false;
	}
	sort_and_join(&p);
	*ret = p;
	return true;
}

bool
imap_view_pick(const struct imap_view *v, struct arena *arena,
    const struct imap_set *set, bool is_uid, struct imap_picks *ret)
{
	return pick(v, arena, *set, is_uid, false, ret);
}

bool
imap_view_pick_clipped(const struct imap_view *v, struct arena *arena,
    const struct imap_set *set, bool is_uid, struct imap_picks *ret)
{
	return pick(v, arena, *set, is_uid, true, ret);
}

bool
imap_view_save(struct imap_view *v, struct imap_range *uids, size_t n)
{
	free(v->saved);
	free(v->saved_picks);
	v->saved = uids;
	v->n_saved = n;
	v->saved_picks = calloc(n + 1, sizeof(*v->saved_picks));
	if (v->saved_picks != NULL)
		return true;
	free(v->saved);
	v->saved = NULL;
	v->n_saved = 0;
	return false;
}

void
imap_picks_keep(struct imap_picks *p, const struct imap_partial *partial)
{
	size_t total = 0, lo, hi, at = 0, n = 0;

	for (size_t i = 0; i < p->n; i++)
		total += p->at[i].hi - p->at[i].lo + 1;
	imap_partial_window(partial, total, &lo, &hi);
	for (size_t i = 0; i < p->n; i++) {
		struct imap_pick pick = p->at[i];
		size_t len = pick.hi - pick.lo + 1;
		size_t from = lo > at ? lo - at : 0;
		size_t to = hi > at ? hi - at : 0;

		if (from < len && from < to)
			p->at[n++] = (struct imap_pick){ pick.lo + from,
				pick.lo + (to < len ? to : len) - 1 };
		at += len;
	}
	p->n = n;
}

bool
imap_picks_have(const struct imap_picks *p, size_t index)
{
	size_t lo = 0, hi = p->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (p->at[mid].hi < index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < p->n && p->at[lo].lo <= index;
}
