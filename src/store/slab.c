/* SPDX-License-Identifier: ISC */
/*
 * The octets of a slab, numbers little-endian:
 *
 *   u32 magic, u32 messages;
 *   of each part u32 terms, u32 vocabulary, u32 postings, u32 skips: lengths;
 *   the ids; an octet each: partial;
 *   of each part: skips (u32 place in the vocabulary, u32 in the postings),
 *   the vocabulary (each term between two octets 0), the postings (of each
 *   term: length in octets, then the numbers of messages, each as what it is
 *   more than the one before; both as varints).
 */
#include "store/slab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAGIC = 0x31534c55, /* "ULS1" */
	HEAD = 8 + 16 * SLAB_N_PARTS,
	SLAB_SKIP = 32, /* terms to one skip */
	ID = 16,
	VARINT = 5,
	RADIX_BITS = 12,
	RADIX = 1 << RADIX_BITS
};
_Static_assert(SLAB_TEXT_MAX <= 1 << 2 * RADIX_BITS, "two passes sort places");
_Static_assert(SLAB_DOCS <= 1 << 16, "a pair has 16 bits for the message");

/* -- numbers --------------------------------------------------------------- */

static void
put_u32(uint8_t at[4], uint32_t n)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(n >> 8 * i);
}

static uint32_t
get_u32(struct slice s, size_t at)
{
	const uint8_t *p = s.at + at;

	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	    (uint32_t)p[3] << 24;
}

static size_t
print_varint(uint8_t at[VARINT], uint32_t n)
{
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		at[len++] = (uint8_t)(n | 0x80);
	at[len++] = (uint8_t)n;
	return len;
}

static bool
take_varint(struct slice *in, uint32_t *ret)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < VARINT && i < in->len; i++) {
		n |= (uint32_t)(in->at[i] & 0x7f) << 7 * i;
		if (in->at[i] < 0x80) {
			*in = slice_from(*in, i + 1);
			*ret = n;
			return true;
		}
	}
	return false;
}

/* -- gathering ------------------------------------------------------------- */

struct part {
	struct terms_set set;
	uint64_t *pairs; /* place of the term << 16 | message */
	size_t n_pairs, size;
};

struct slab_builder {
	size_t n;
	struct part parts[SLAB_N_PARTS];
	uint8_t ids[SLAB_DOCS][ID], partial[SLAB_DOCS];
};

struct slab_builder *
slab_builder_new(uint64_t seed)
{
	struct slab_builder *b = calloc(1, sizeof(*b));

	for (unsigned p = 0; b != NULL && p < SLAB_N_PARTS; p++)
		terms_set_init(&b->parts[p].set, SLAB_TEXT_MAX, seed + p);
	return b;
}

void
slab_builder_free(struct slab_builder *b)
{
	for (unsigned p = 0; b != NULL && p < SLAB_N_PARTS; p++) {
		terms_set_deinit(&b->parts[p].set);
		free(b->parts[p].pairs);
	}
	free(b);
}

void
slab_builder_reset(struct slab_builder *b)
{
	b->n = 0;
	for (unsigned p = 0; p < SLAB_N_PARTS; p++) {
		terms_set_reset(&b->parts[p].set);
		b->parts[p].n_pairs = 0;
	}
}

size_t
slab_builder_n(const struct slab_builder *b)
{
	return b->n;
}

/* Room for text of that length, and so many pairs. */
static bool
has_room(const struct part *p, size_t text, size_t pairs)
{
	return !p->set.is_full && text < buf_room(&p->set.text) &&
	    pairs <= SLAB_PAIRS_MAX - p->n_pairs;
}

static int
add_pair(struct part *p, uint32_t place, size_t doc)
{
	if (p->n_pairs == p->size) {
		size_t size = p->size == 0 ? 65536 : 2 * p->size;
		uint64_t *at = realloc(p->pairs, size * sizeof(*at));

		if (at == NULL)
			return -ENOMEM;
		p->pairs = at;
		p->size = size;
	}
	p->pairs[p->n_pairs++] = (uint64_t)place << 16 | doc;
	return 0;
}

static int
add_terms(struct slab_builder *b, struct part *p, struct slice text, size_t doc)
{
	struct slice term;

	while (terms_next(&text, &term)) {
		uint32_t place;
		int r = terms_set_put(&p->set, term, &place);

		if (r == 0 && place == 0)
			b->partial[doc] = 1; /* somebody found collisions */
		else if (r == 0)
			r = add_pair(p, place, doc);
		if (r != 0)
			return r;
	}
	return 0;
}

int
slab_add(struct slab_builder *b, const struct id *id, bool is_partial,
    const struct slice texts[SLAB_N_PARTS])
{
	int r = 0;

	if (b->n == SLAB_DOCS)
		return SLAB_E_FULL;
	for (unsigned p = 0; p < SLAB_N_PARTS; p++)
		if (!has_room(&b->parts[p], texts[p].len, texts[p].len / 2 + 1))
			return SLAB_E_FULL;
	memcpy(b->ids[b->n], id_slice(id).at, ID);
	b->partial[b->n] = is_partial;
	for (unsigned p = 0; p < SLAB_N_PARTS && !is_partial && r == 0; p++)
		r = add_terms(b, &b->parts[p], texts[p], b->n);
	if (r == 0)
		b->n++;
	return r;
}

/* -- putting a slab back --------------------------------------------------- */

static int
add_list(struct part *p, uint32_t place, struct slice list, size_t base,
    uint32_t n)
{
	uint32_t doc = 0, delta;
	int r = 0;

	while (list.len > 0 && r == 0) {
		if (!take_varint(&list, &delta) || delta >= n - doc)
			return SLAB_E_BAD;
		doc += delta;
		r = add_pair(p, place, base + doc);
	}
	return r;
}

static int
add_part(struct part *p, const struct slab_terms *from, size_t base, uint32_t n)
{
	struct slice words = from->vocabulary, lists = from->postings, term;

	while (terms_next(&words, &term)) {
		uint32_t place, len;
		struct slice list;
		int r;

		if (!take_varint(&lists, &len) ||
		    !slice_take(&lists, len, &list))
			return SLAB_E_BAD;
		r = terms_set_put(&p->set, term, &place);
		if (r == 0 && place == 0)
			r = SLAB_E_FULL;
		if (r == 0)
			r = add_list(p, place, list, base, n);
		if (r != 0)
			return r;
	}
	return 0;
}

int
slab_add_slab(struct slab_builder *b, struct slice bytes)
{
	struct slab s;
	int r = slab_open(bytes, &s);

	if (r != 0)
		return r;
	if (s.n > SLAB_DOCS - b->n)
		return SLAB_E_FULL;
	for (unsigned p = 0; p < SLAB_N_PARTS && r == 0; p++)
		if (!has_room(&b->parts[p], s.parts[p].vocabulary.len,
			s.parts[p].postings.len))
			return SLAB_E_FULL;
	for (unsigned p = 0; p < SLAB_N_PARTS && r == 0; p++)
		r = add_part(&b->parts[p], &s.parts[p], b->n, s.n);
	if (r != 0)
		return r;
	memcpy(b->ids[b->n], s.ids.at, s.ids.len);
	memcpy(b->partial + b->n, s.partial.at, s.partial.len);
	b->n += s.n;
	return 0;
}

/* -- making one ------------------------------------------------------------ */

static void
sort_by(const uint64_t *from, uint64_t *to, size_t n, unsigned shift)
{
	size_t at[RADIX] = { 0 }, sum = 0;

	for (size_t i = 0; i < n; i++)
		at[from[i] >> shift & (RADIX - 1)]++;
	for (size_t i = 0; i < RADIX; i++) {
		size_t here = at[i];

		at[i] = sum;
		sum += here;
	}
	for (size_t i = 0; i < n; i++)
		to[at[from[i] >> shift & (RADIX - 1)]++] = from[i];
}

/* By place; those of one place stay in the order of messages. */
static int
sort_pairs(struct part *p)
{
	uint64_t *other = malloc((p->n_pairs + 1) * sizeof(*other));

	if (other == NULL)
		return -ENOMEM;
	sort_by(p->pairs, other, p->n_pairs, 16);
	sort_by(other, p->pairs, p->n_pairs, 16 + RADIX_BITS);
	free(other);
	return 0;
}

/* The list of the term whose pairs begin at `i`; behind it the next one's. */
static int
put_list(const struct part *p, size_t *i, struct buf *list, struct buf *out)
{
	uint64_t place = p->pairs[*i] >> 16;
	uint32_t before = 0;
	uint8_t text[VARINT];
	int r = BUF_OK;

	buf_reset(list, 65536);
	for (; *i < p->n_pairs && p->pairs[*i] >> 16 == place && r == BUF_OK;
	     ++*i) {
		uint32_t doc = p->pairs[*i] & 0xffff;

		r = buf_add(list,
		    slice_of(text, print_varint(text, doc - before)));
		before = doc;
	}
	if (r == BUF_OK)
		r = buf_add(out,
		    slice_of(text, print_varint(text, (uint32_t)list->len)));
	return r == BUF_OK ? buf_add(out, buf_slice(list)) : r;
}

static int
put_postings(const struct part *p, struct buf *skips, struct buf *out)
{
	struct buf list;
	size_t i = 0, n = 0;
	int r = BUF_OK;

	buf_init(&list, (size_t)SLAB_DOCS * VARINT);
	for (; i < p->n_pairs && r == BUF_OK; n++) {
		uint8_t skip[8];

		if (n % SLAB_SKIP == 0) {
			put_u32(skip, (uint32_t)(p->pairs[i] >> 16));
			put_u32(skip + 4, (uint32_t)out->len);
			r = buf_add(skips, slice_of(skip, 8));
		}
		if (r == BUF_OK)
			r = put_list(p, &i, &list, out);
	}
	buf_deinit(&list);
	return r;
}

struct written {
	struct buf skips, postings;
};

static int
put_all(struct slab_builder *b, const struct written w[SLAB_N_PARTS],
    struct buf *ret)
{
	uint8_t head[HEAD], *at = head + 8;
	int r;

	put_u32(head, MAGIC);
	put_u32(head + 4, (uint32_t)b->n);
	for (unsigned p = 0; p < SLAB_N_PARTS; p++, at += 16) {
		put_u32(at, (uint32_t)b->parts[p].set.n);
		put_u32(at + 4, (uint32_t)b->parts[p].set.text.len);
		put_u32(at + 8, (uint32_t)w[p].postings.len);
		put_u32(at + 12, (uint32_t)w[p].skips.len);
	}
	r = buf_add(ret, slice_of(head, sizeof(head)));
	if (r == BUF_OK)
		r = buf_add(ret, slice_of(b->ids, b->n * ID));
	if (r == BUF_OK)
		r = buf_add(ret, slice_of(b->partial, b->n));
	for (unsigned p = 0; p < SLAB_N_PARTS && r == BUF_OK; p++) {
		r = buf_add(ret, buf_slice(&w[p].skips));
		if (r == BUF_OK)
			r = buf_add(ret, buf_slice(&b->parts[p].set.text));
		if (r == BUF_OK)
			r = buf_add(ret, buf_slice(&w[p].postings));
	}
	return r;
}

int
slab_build(struct slab_builder *b, struct buf *ret)
{
	struct written w[SLAB_N_PARTS];
	int r = BUF_OK;

	for (unsigned p = 0; p < SLAB_N_PARTS; p++) {
		buf_init(&w[p].skips, SLAB_BYTES_MAX);
		buf_init(&w[p].postings, SLAB_BYTES_MAX);
	}
	for (unsigned p = 0; p < SLAB_N_PARTS && r == BUF_OK; p++) {
		r = sort_pairs(&b->parts[p]);
		if (r == 0)
			r = put_postings(&b->parts[p], &w[p].skips,
			    &w[p].postings);
	}
	if (r == BUF_OK)
		r = put_all(b, w, ret);
	for (unsigned p = 0; p < SLAB_N_PARTS; p++) {
		buf_deinit(&w[p].skips);
		buf_deinit(&w[p].postings);
	}
	return r == BUF_OK ? 0 : -ENOMEM;
}

/* -- reading --------------------------------------------------------------- */

static bool
open_part(struct slice head, struct slice *in, struct slab_terms *ret)
{
	ret->n = get_u32(head, 0);
	return slice_take(in, get_u32(head, 12), &ret->skips) &&
	    ret->skips.len % 8 == 0 &&
	    slice_take(in, get_u32(head, 4), &ret->vocabulary) &&
	    slice_take(in, get_u32(head, 8), &ret->postings) &&
	    ret->skips.len / 8 ==
	    ((size_t)ret->n + SLAB_SKIP - 1) / SLAB_SKIP &&
	    (ret->vocabulary.len == 0 ||
		(ret->vocabulary.at[0] == 0 &&
		    ret->vocabulary.at[ret->vocabulary.len - 1] == 0));
}

int
slab_open(struct slice in, struct slab *ret)
{
	struct slice head;

	*ret = (struct slab){ 0 };
	if (!slice_take(&in, HEAD, &head) || get_u32(head, 0) != MAGIC)
		return SLAB_E_BAD;
	ret->n = get_u32(head, 4);
	if (ret->n > SLAB_DOCS ||
	    !slice_take(&in, (size_t)ret->n * ID, &ret->ids) ||
	    !slice_take(&in, ret->n, &ret->partial))
		return SLAB_E_BAD;
	for (unsigned p = 0; p < SLAB_N_PARTS; p++)
		if (!open_part(slice_from(head, 8 + 16 * p), &in,
			&ret->parts[p]))
			return SLAB_E_BAD;
	return in.len == 0 ? 0 : SLAB_E_BAD;
}

struct id
slab_id(const struct slab *s, size_t n)
{
	struct id id = { 0 };

	(void)id_from_slice(slice_of(s->ids.at + n * ID, ID), &id);
	return id;
}

/* Where a walk through the terms is: all before `word` have been passed, and
 * the postings of that one begin at `list`. */
struct walk {
	const struct slab_terms *t;
	size_t word, list;
};

static bool
pass_lists(struct walk *w, size_t n)
{
	struct slice rest = slice_from(w->t->postings, w->list);

	for (; n > 0; n--) {
		struct slice list;
		uint32_t len;

		if (!take_varint(&rest, &len) || !slice_take(&rest, len, &list))
			return false;
	}
	w->list = w->t->postings.len - rest.len;
	return true;
}

/* To the last skip that is not behind that place. */
static bool
jump(struct walk *w, size_t place)
{
	size_t lo = 0, hi = w->t->skips.len / 8;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (get_u32(w->t->skips, mid * 8) <= place)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0)
		return false;
	if (get_u32(w->t->skips, (lo - 1) * 8) <= w->word)
		return true;
	w->word = get_u32(w->t->skips, (lo - 1) * 8);
	w->list = get_u32(w->t->skips, (lo - 1) * 8 + 4);
	return w->list <= w->t->postings.len;
}

/* To the term that begins at that place, which is not before w->word. */
static bool
go_to(struct walk *w, size_t place)
{
	size_t n = 0;

	if (!jump(w, place) || place > w->t->vocabulary.len)
		return false;
	for (size_t i = w->word; i < place; i++)
		n += w->t->vocabulary.at[i] == 0;
	w->word = place;
	return pass_lists(w, n);
}

/* Sets the bits of the present term's messages. */
static bool
mark(const struct walk *w, uint32_t n, struct slab_hits *h)
{
	struct slice rest = slice_from(w->t->postings, w->list), list;
	uint32_t doc = 0, delta, len;

	if (!take_varint(&rest, &len) || !slice_take(&rest, len, &list))
		return false;
	while (list.len > 0) {
		if (!take_varint(&list, &delta) || delta >= n - doc)
			return false;
		doc += delta;
		h->bits[doc / 64] |= (uint64_t)1 << doc % 64;
	}
	return true;
}

/* The octets to look for in a vocabulary. */
static struct slice
pattern(const struct terms_demand *d, uint8_t at[TERMS_MAX + 2])
{
	size_t n = 0;

	if (d->is_begin)
		at[n++] = 0;
	memcpy(at + n, d->text, d->len);
	n += d->len;
	if (d->is_end)
		at[n++] = 0;
	return slice_of(at, n);
}

/* The term around that place: it begins behind an octet 0. */
static size_t
begin_of(struct slice words, size_t at)
{
	while (at > 0 && words.at[at - 1] != 0)
		at--;
	return at;
}

static int
find_demand(const struct slab *s, const struct slab_terms *t,
    const struct terms_demand *d, struct slab_hits *h)
{
	uint8_t octets[TERMS_MAX + 2];
	struct slice what = pattern(d, octets), words = t->vocabulary;
	struct walk w = { .t = t, .word = words.len > 0 };
	size_t from = 0, at;

	while ((at = slice_find(slice_from(words, from), what)) != SIZE_MAX) {
		at = begin_of(words, from + at + d->is_begin);
		if (!go_to(&w, at) || !mark(&w, s->n, h))
			return SLAB_E_BAD;
		/* the 0 behind it may be the one before the next */
		at = slice_find_byte(slice_from(words, at), 0);
		from = at == SIZE_MAX ? words.len : w.word + at;
	}
	return 0;
}

int
slab_find(const struct slab *s, enum slab_part part,
    const struct terms_demand *demands, size_t n, struct slab_hits *ret)
{
	struct slab_hits one;

	memset(ret, n == 0 ? 0xff : 0, sizeof(*ret));
	for (size_t i = 0; i < n; i++) {
		int r;

		memset(&one, 0, sizeof(one));
		r = find_demand(s, &s->parts[part], &demands[i],
		    i == 0 ? ret : &one);
		if (r != 0)
			return r;
		for (size_t k = 0; i > 0 && k < SLAB_DOCS / 64; k++)
			ret->bits[k] &= one.bits[k];
	}
	for (uint32_t doc = 0; doc < s->n; doc++)
		if (s->partial.at[doc] != 0)
			ret->bits[doc / 64] |= (uint64_t)1 << doc % 64;
	return 0;
}
