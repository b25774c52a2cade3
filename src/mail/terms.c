/* SPDX-License-Identifier: ISC */
#include "mail/terms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

enum kind {
	KIND_NONE,
	KIND_WORD,
	KIND_PAIRS /* written without spaces */
};

enum {
	CHAR_MAX_OCTETS = 4,
	SLOTS_FIRST = 1024,
	PROBES_MAX = 256 /* a sender who finds collisions fills the set */
};

/* -- characters ------------------------------------------------------------ */

static const struct {
	utf8proc_int32_t lo, hi;
} paired[] = {
	{ 0x2e80, 0x2fdf },   /* radicals */
	{ 0x3005, 0x3007 },   /* iteration mark, zero */
	{ 0x3040, 0x312f },   /* Kana with their marks, Bopomofo */
	{ 0x31a0, 0x31ff },   /* Bopomofo, Kana */
	{ 0x3400, 0x4dbf },   /* Han */
	{ 0x4e00, 0x9fff },   /* Han */
	{ 0xf900, 0xfaff },   /* Han, for compatibility */
	{ 0x1b000, 0x1b16f }, /* Kana */
	{ 0x20000, 0x3ffff }, /* Han */
};

static enum kind
kind_of(utf8proc_int32_t c)
{
	utf8proc_category_t category;

	if (c < 0x80)
		return ascii_is_alnum((uint8_t)c) ? KIND_WORD : KIND_NONE;
	for (size_t i = 0; i < sizeof(paired) / sizeof(paired[0]); i++)
		if (c >= paired[i].lo && c <= paired[i].hi)
			return KIND_PAIRS;
	category = utf8proc_category(c);
	return category >= UTF8PROC_CATEGORY_LU &&
		category <= UTF8PROC_CATEGORY_NO
	    ? KIND_WORD
	    : KIND_NONE;
}

/* Takes one character off the front; what is no UTF-8 is KIND_NONE. */
static struct slice
take_char(struct slice *in, enum kind *ret)
{
	utf8proc_int32_t c = in->at[0];
	utf8proc_ssize_t n = 1;
	struct slice one;

	if (c >= 0x80)
		n = utf8proc_iterate(in->at, (utf8proc_ssize_t)in->len, &c);
	*ret = n > 0 ? kind_of(c) : KIND_NONE;
	one = slice_upto(*in, n > 0 ? (size_t)n : 1);
	*in = slice_from(*in, one.len);
	return one;
}

/* -- terms of a text ------------------------------------------------------- */

void
terms_init(struct terms *t, int (*each)(void *ctx, struct slice term),
    void *ctx)
{
	*t = (struct terms){ .each = each, .ctx = ctx };
}

static int
put(struct terms *t)
{
	return t->each(t->ctx, slice_of(t->run, t->len));
}

/* Begins anew with what is behind the first n octets. */
static void
keep_from(struct terms *t, size_t n)
{
	memmove(t->run, t->run + n, t->len - n);
	t->len = (uint8_t)(t->len - n);
}

/* Pieces begin at each TERMS_OVERLAP and are twice as long; the last one ends
 * with the run and is longer than the overlap. */
static int
add_to_word(struct terms *t, struct slice one)
{
	int r = BUF_OK;

	for (size_t i = 0; i < one.len && r == BUF_OK; i++) {
		if (t->len == TERMS_MAX) {
			r = put(t);
			keep_from(t, TERMS_OVERLAP);
		}
		t->run[t->len++] = one.at[i];
	}
	return r;
}

static int
add_to_pairs(struct terms *t, struct slice one)
{
	size_t before = t->len;
	int r = BUF_OK;

	memcpy(t->run + before, one.at, one.len);
	t->len = (uint8_t)(before + one.len);
	if (before > 0) {
		r = put(t);
		t->was_paired = true;
		keep_from(t, before);
	}
	return r;
}

int
terms_end(struct terms *t)
{
	int r = BUF_OK;

	if (t->len > 0 && !t->was_paired)
		r = put(t);
	t->len = 0;
	t->was_paired = false;
	t->kind = KIND_NONE;
	return r;
}

int
terms_feed(struct terms *t, struct slice in)
{
	int r = BUF_OK;

	while (in.len > 0 && r == BUF_OK) {
		enum kind kind;
		struct slice one = take_char(&in, &kind);

		if (kind != t->kind)
			r = terms_end(t);
		t->kind = (uint8_t)kind;
		if (kind == KIND_WORD && r == BUF_OK)
			r = add_to_word(t, one);
		else if (kind == KIND_PAIRS && r == BUF_OK)
			r = add_to_pairs(t, one);
	}
	return r;
}

/* -- what a needle demands ------------------------------------------------- */

struct demands {
	struct terms_demand *at;
	size_t n;
};

static void
demand(struct demands *d, struct slice text, bool is_begin, bool is_end)
{
	struct terms_demand *one;

	if (d->n == TERMS_DEMANDS)
		return;
	one = &d->at[d->n++];
	memcpy(one->text, text.at, text.len);
	one->len = (uint8_t)text.len;
	one->is_begin = is_begin;
	one->is_end = is_end;
}

/* A long one stands in pieces: any part of it of the length of the overlap is
 * in one of them, and its first and its last are tried. */
static void
demand_word(struct demands *d, struct slice run, bool is_begin, bool is_end)
{
	if (run.len <= TERMS_OVERLAP) {
		demand(d, run, is_begin, is_end);
		return;
	}
	demand(d, slice_upto(run, TERMS_OVERLAP), false, false);
	demand(d, slice_from(run, run.len - TERMS_OVERLAP), false, false);
}

static void
demand_pairs(struct demands *d, struct slice run)
{
	enum kind kind;
	struct slice from = run, one = take_char(&run, &kind);

	if (run.len == 0) {
		demand(d, one, false, false);
		return;
	}
	while (run.len > 0) {
		struct slice next = take_char(&run, &kind);

		demand(d, slice_upto(from, one.len + next.len), true, true);
		from = slice_from(from, one.len);
		one = next;
	}
}

/* The characters of one kind at the front. */
static struct slice
take_run(struct slice *in, enum kind *ret)
{
	struct slice run = *in, rest = *in;
	enum kind kind;

	(void)take_char(&rest, ret);
	*in = rest;
	while (rest.len > 0) {
		(void)take_char(&rest, &kind);
		if (kind != *ret)
			break;
		*in = rest;
	}
	return slice_upto(run, run.len - in->len);
}

size_t
terms_demands(struct slice needle, struct terms_demand ret[TERMS_DEMANDS])
{
	struct demands d = { ret, 0 };
	bool is_first = true;

	while (needle.len > 0) {
		enum kind kind;
		struct slice run = take_run(&needle, &kind);

		if (kind == KIND_WORD)
			demand_word(&d, run, !is_first, needle.len > 0);
		else if (kind == KIND_PAIRS)
			demand_pairs(&d, run);
		is_first = false;
	}
	return d.n;
}

/* -- a set ----------------------------------------------------------------- */

void
terms_set_init(struct terms_set *s, size_t cap, uint64_t seed)
{
	*s = (struct terms_set){ .seed = seed };
	buf_init(&s->text, cap);
}

void
terms_set_deinit(struct terms_set *s)
{
	buf_deinit(&s->text);
	free(s->slots);
	s->slots = NULL;
}

void
terms_set_reset(struct terms_set *s)
{
	buf_reset(&s->text, s->text.cap);
	s->n = 0;
	s->is_full = false;
	if (s->n_slots > 8 * SLOTS_FIRST) {
		free(s->slots);
		s->slots = NULL;
		s->n_slots = 0;
	}
	if (s->slots != NULL)
		memset(s->slots, 0, s->n_slots * sizeof(s->slots[0]));
}

static uint64_t
hash_of(uint64_t h, struct slice term)
{
	for (size_t i = 0; i < term.len; i++) {
		h = (h ^ term.at[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

/* Where it is, or would be put; SIZE_MAX: too many stand before it. */
static size_t
find_slot(const struct terms_set *s, struct slice term)
{
	struct slice text = buf_slice(&s->text);
	size_t at = (size_t)hash_of(s->seed, term);

	for (size_t n = 0; n < PROBES_MAX; n++, at++) {
		uint32_t place = s->slots[at & (s->n_slots - 1)];
		struct slice there;

		if (place == 0)
			return at & (s->n_slots - 1);
		there = slice_from(text, place);
		if (slice_starts(there, term) && there.at[term.len] == 0)
			return at & (s->n_slots - 1);
	}
	return SIZE_MAX;
}

static int
grow(struct terms_set *s)
{
	size_t n = s->n_slots == 0 ? SLOTS_FIRST : 2 * s->n_slots;
	uint32_t *before = s->slots, *slots = calloc(n, sizeof(*slots));
	struct slice text = buf_slice(&s->text), rest = text, term;

	if (slots == NULL)
		return -ENOMEM;
	s->slots = slots;
	s->n_slots = n;
	while (terms_next(&rest, &term)) {
		size_t at = find_slot(s, term);

		if (at == SIZE_MAX) {
			s->is_full = true;
			break;
		}
		slots[at] = (uint32_t)(term.at - text.at);
	}
	free(before);
	return BUF_OK;
}

static int
append(struct terms_set *s, struct slice term)
{
	int r = BUF_OK;

	if (s->text.len == 0)
		r = buf_add_byte(&s->text, 0);
	if (r == BUF_OK)
		r = buf_add(&s->text, term);
	if (r == BUF_OK)
		r = buf_add_byte(&s->text, 0);
	return r;
}

int
terms_set_put(struct terms_set *s, struct slice term, uint32_t *ret_place)
{
	size_t at;
	int r = BUF_OK;

	*ret_place = 0;
	if (s->is_full)
		return BUF_OK;
	if (2 * s->n >= s->n_slots)
		r = grow(s);
	if (r != BUF_OK || s->is_full)
		return r;
	at = find_slot(s, term);
	if (at == SIZE_MAX || buf_room(&s->text) < term.len + 2) {
		s->is_full = true;
		return BUF_OK;
	}
	if (s->slots[at] == 0) {
		r = append(s, term);
		s->is_full = r != BUF_OK;
		if (s->is_full)
			return r;
		s->slots[at] = (uint32_t)(s->text.len - term.len - 1);
		s->n++;
	}
	*ret_place = s->slots[at];
	return BUF_OK;
}

int
terms_set_add(void *ctx, struct slice term)
{
	uint32_t place;

	return terms_set_put(ctx, term, &place);
}

bool
terms_next(struct slice *text, struct slice *ret)
{
	while (text->len > 0) {
		struct slice one;

		if (!slice_take_until(text, 0, &one))
			return false; /* not ended: no term */
		if (one.len > 0 && one.len <= TERMS_MAX) {
			*ret = one;
			return true;
		}
	}
	return false;
}
