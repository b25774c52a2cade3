/* SPDX-License-Identifier: ISC */
/*
 * FIND: which messages of a mailbox may contain what is searched for.
 *
 * The mailbox's entries are held beside all slabs of its account, in a READ
 * thread; messages that no slab has may contain anything. One question at a
 * time: they take turns, so that searches never hold all threads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/indexer_impl.h"

enum {
	ROWS = 4096,          /* of one FOUND */
	ROWS_MAX = 64 * 1024, /* of one needle; more do not narrow */
	ENTRIES_FIRST = 4096
};

struct entry {
	struct id id;
	uint32_t uid;
	uint32_t hits; /* a bit for each needle */
	bool is_indexed;
};

struct needle {
	uint8_t part; /* FIND_* */
	size_t n;
	struct terms_demand demands[TERMS_DEMANDS];
};

struct find {
	struct list link; /* of those that wait */
	struct store_read read;
	struct asker asker;
	uint64_t account, mailbox;
	struct needle needles[SLAB_NEEDLES];
	size_t n_needles;
	struct entry *entries; /* sorted by id, then by uid */
	size_t n, size, n_missing, n_slabs;
};

/* -- in the thread --------------------------------------------------------- */

static int
add_entry(struct find *f, const struct q_index_entries *row)
{
	if (f->n == f->size) {
		size_t size = f->size == 0 ? ENTRIES_FIRST : 2 * f->size;
		struct entry *at = realloc(f->entries, size * sizeof(*at));

		if (at == NULL)
			return ERR_ORIGIN(-ENOMEM);
		f->entries = at;
		f->size = size;
	}
	f->entries[f->n++] =
	    (struct entry){ .id = row->message, .uid = row->uid };
	return 0;
}

static int
load_entries(struct find *f, struct db *db)
{
	struct q_index_entries row;
	struct db_rows rows;
	int r = DB_MANY(index_entries, db, &rows, .account = f->account,
	    .mailbox = f->mailbox);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_index_entries_next(&rows, &row)) == 0) {
		r = add_entry(f, &row);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
by_id(const void *a, const void *b)
{
	return id_compare(&((const struct entry *)a)->id,
	    &((const struct entry *)b)->id);
}

static int
by_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct entry *)a)->uid,
		 y = ((const struct entry *)b)->uid;

	return x < y ? -1 : x > y;
}

/* TEXT is in the header or in the body; a needle lies in one of them. */
static int
find_needle(const struct slab *slab, const struct needle *n,
    struct slab_hits *ret)
{
	struct slab_hits more;
	int r =
	    slab_find(slab, n->part == FIND_HEADER ? SLAB_HEADER : SLAB_BODY,
		n->demands, n->n, ret);

	if (r != 0 || n->part != FIND_TEXT)
		return r;
	r = slab_find(slab, SLAB_HEADER, n->demands, n->n, &more);
	for (size_t i = 0; i < SLAB_DOCS / 64; i++)
		ret->bits[i] |= more.bits[i];
	return r;
}

static void
note_doc(struct find *f, const struct slab *slab, size_t doc,
    const struct slab_hits *hits)
{
	struct entry key = { .id = slab_id(slab, doc) };
	struct entry *e =
	    bsearch(&key, f->entries, f->n, sizeof(*f->entries), by_id);

	/* a message may be in the mailbox more than once */
	while (e != NULL && e > f->entries && by_id(e - 1, &key) == 0)
		e--;
	for (; e != NULL && e < f->entries + f->n && by_id(e, &key) == 0; e++) {
		e->is_indexed = true;
		for (size_t i = 0; i < f->n_needles; i++)
			if (slab_has(&hits[i], doc))
				e->hits |= 1u << i;
	}
}

static int
look_in(void *ctx, const struct slab *slab)
{
	struct find *f = ctx;
	struct slab_hits hits[SLAB_NEEDLES];
	int r = 0;

	f->n_slabs++;
	for (size_t i = 0; i < f->n_needles && r == 0; i++)
		r = find_needle(slab, &f->needles[i], &hits[i]);
	for (size_t doc = 0; doc < slab->n && r == 0; doc++)
		note_doc(f, slab, doc, hits);
	return r == 0 ? 0 : SEARCH_E_BAD;
}

static int
run_find(struct db *db, struct store_read *read)
{
	struct find *f = LIST_ENTRY(read, struct find, read);
	struct indexer *x = f->asker.role->indexer;
	int r = load_entries(f, db);

	if (r == 0 && f->n > 0) {
		qsort(f->entries, f->n, sizeof(*f->entries), by_id);
		r = search_each(x->search, f->account, look_in, f);
	}
	if (r != 0 || f->n == 0)
		return r;
	qsort(f->entries, f->n, sizeof(*f->entries), by_uid);
	for (size_t i = 0; i < f->n; i++)
		f->n_missing += !f->entries[i].is_indexed;
	return 0;
}

/* -- the answer ------------------------------------------------------------ */

static bool
may_have(const struct entry *e, size_t needle)
{
	return !e->is_indexed || (e->hits >> needle & 1) != 0;
}

/* The next run of entries that may have it; false at the end. */
static bool
next_run(const struct find *f, size_t needle, size_t *at,
    struct wire_range *ret)
{
	while (*at < f->n && !may_have(&f->entries[*at], needle))
		++*at;
	if (*at == f->n)
		return false;
	ret->lo = f->entries[*at].uid;
	while (*at < f->n && may_have(&f->entries[*at], needle))
		ret->hi = f->entries[(*at)++].uid;
	return true;
}

static bool
is_worth_it(const struct find *f, size_t needle)
{
	struct wire_range run;
	size_t at = 0, n = 0;

	while (next_run(f, needle, &at, &run))
		n++;
	return n <= ROWS_MAX;
}

static int
send_page(struct find *f, struct channel *c, size_t needle, size_t *at)
{
	struct wire_found m = { .verdict = wire_verdict_box(0),
		.needle = (uint32_t)needle,
		.more = true };
	struct wire_range run;
	struct buf rows;
	int r = 0;

	buf_init(&rows, (size_t)ROWS * 16);
	while (m.rows.n < ROWS && r == 0 && next_run(f, needle, at, &run)) {
		r = wire_range_add(&rows, &run);
		m.rows.n++;
	}
	m.rows.raw = buf_slice(&rows);
	if (r == 0)
		r = wire_send_found(c, f->asker.session, f->asker.ticket, &m);
	buf_deinit(&rows);
	return r;
}

static void
send_needle(struct find *f, struct channel *c, size_t needle)
{
	size_t at = 0;

	if (!is_worth_it(f, needle))
		return;
	do
		if (send_page(f, c, needle, &at) != 0)
			return;
	while (at < f->n);
}

/* Ends the answer: what was not spoken of may be anywhere. */
static void
send_end(const struct asker *a, struct channel *c)
{
	struct wire_found m = { .verdict = wire_verdict_box(0),
		.is_all = true };

	(void)wire_send_found(c, a->session, a->ticket, &m);
}

static void
send_found(struct find *f, struct channel *c, int r)
{
	/* No entry at all: not a mailbox of this account, or an empty one. */
	for (size_t i = 0; r == 0 && f->n_slabs > 0 && i < f->n_needles; i++)
		send_needle(f, c, i);
	send_end(&f->asker, c);
}

/* -- turns ----------------------------------------------------------------- */

static void
find_free(struct find *f)
{
	free(f->entries);
	free(f);
}

static void
done_find(struct store_read *read, int r)
{
	struct find *f = LIST_ENTRY(read, struct find, read);
	struct store_role *s = f->asker.role;
	struct channel *c = asker_channel(&f->asker);

	s->indexer->is_finding = false;
	if (c != NULL)
		send_found(f, c, r);
	if (r != 0 || s->indexer->is_bad)
		indexer_is_bad(s, r);
	else if (f->n_missing >= INDEX_MISSING)
		indexer_want(s, f->account);
	find_free(f);
	find_next(s);
}

void
find_next(struct store_role *s)
{
	struct indexer *x = s->indexer;
	struct find *f;

	while (!x->is_finding && !list_is_empty(&x->finds)) {
		f = LIST_ENTRY(list_take_first(&x->finds), struct find, link);
		if (indexer_search(s) == NULL || x->is_stopping) {
			struct channel *c = asker_channel(&f->asker);

			if (c != NULL)
				send_end(&f->asker, c);
			find_free(f);
			continue;
		}
		x->is_finding = true;
		store_read(s->store, &f->read);
	}
}

int
on_find(struct channel *c, const struct wire_head *h, const struct wire_find *m)
{
	struct store_role *s = peer_of(c)->role;
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct asker asker = asker_of(c, h);
	struct wire_list needles = m->needles;
	struct wire_needle n;
	struct find *f = NULL;

	if (of != NULL && indexer_search(s) != NULL)
		f = calloc(1, sizeof(*f));
	if (f == NULL) {
		send_end(&asker, c);
		return 0;
	}
	f->asker = asker;
	f->account = of->account;
	f->mailbox = m->mailbox;
	f->read.run = run_find;
	f->read.done = done_find;
	while (f->n_needles < SLAB_NEEDLES && wire_needle_next(&needles, &n)) {
		struct needle *to = &f->needles[f->n_needles++];

		to->part = n.part;
		to->n = terms_demands(n.text, to->demands);
	}
	list_add_last(&s->indexer->finds, &f->link);
	find_next(s);
	return 0;
}
