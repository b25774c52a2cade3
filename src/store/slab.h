/* SPDX-License-Identifier: ISC */
/*
 * store/slab - the terms of some thousand messages, in one piece
 *
 * The unit of the index for SEARCH (docs/decisions: 0060). A slab holds the
 * ids of its messages, and twice (bodies, headers) a vocabulary and for each
 * term which of the messages have it. A question goes through the whole
 * vocabulary with memmem(): so a needle may begin and end inside of words, and
 * a slab needs no tree.
 *
 * A builder gathers messages and becomes a slab; a slab can be put back into
 * one, to grow. What reads a slab is total: what does not hang together is
 * SLAB_E_BAD, and the index is made anew. No I/O; any thread.
 */
#ifndef STORE_SLAB_H
#define STORE_SLAB_H

#include "base/buf.h"
#include "base/id.h"
#include "mail/terms.h"

enum {
	SLAB_DOCS = 4096,                   /* messages in one */
	SLAB_TEXT_MAX = 16 * 1024 * 1024,   /* octets of one vocabulary */
	SLAB_PAIRS_MAX = 4 * 1024 * 1024,   /* of term and message */
	SLAB_BYTES_MAX = 128 * 1024 * 1024, /* of a slab */
	SLAB_NEEDLES = 16                   /* of one question */
};

enum {
	SLAB_E_FULL = 1, /* the builder holds what it may: nothing was added */
	SLAB_E_BAD
};

enum slab_part {
	SLAB_BODY,
	SLAB_HEADER,
	SLAB_N_PARTS
};

struct slab_builder;

struct slab_builder *slab_builder_new(uint64_t seed); /* NULL: no memory */
void slab_builder_free(struct slab_builder *b);
void slab_builder_reset(struct slab_builder *b);
size_t slab_builder_n(const struct slab_builder *b);
/* texts: as struct terms_set has them. is_partial: it always may contain what
 * is looked for, its terms do not matter. 0, SLAB_E_FULL, -ENOMEM. */
int slab_add(struct slab_builder *b, const struct id *id, bool is_partial,
    const struct slice texts[SLAB_N_PARTS]);
/* All of a slab. After anything but 0 the builder is to be reset. */
int slab_add_slab(struct slab_builder *b, struct slice slab);
/* The slab, added to `ret`. 0 or -ENOMEM. */
int slab_build(struct slab_builder *b, struct buf *ret);

/* -- reading --------------------------------------------------------------- */

struct slab_terms {
	struct slice vocabulary, postings;
	struct slice skips; /* places in both, of each SLAB_SKIP-th term */
	uint32_t n;
};

struct slab {
	uint32_t n;
	struct slice ids, partial; /* 16 octets, 1 octet each */
	struct slab_terms parts[SLAB_N_PARTS];
};

/* 0 or SLAB_E_BAD; *ret points into bytes. */
int slab_open(struct slice bytes, struct slab *ret);
struct id slab_id(const struct slab *s, size_t n);

/* Bits of the messages that may contain the needle in that part (folded). 0 or
 * SLAB_E_BAD. */
struct slab_hits {
	uint64_t bits[SLAB_DOCS / 64];
};
int slab_find(const struct slab *s, enum slab_part part,
    const struct terms_demand *demands, size_t n, struct slab_hits *ret);
static inline bool
slab_has(const struct slab_hits *h, size_t n)
{
	return (h->bits[n / 64] >> n % 64 & 1) != 0;
}

#endif
