/* SPDX-License-Identifier: ISC */
/*
 * One step of the indexer, in a READ thread: take the terms that came, look
 * for emails without any, read the bytes of the next ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/indexer_impl.h"

enum {
	SET_FIRST = 8192,
	DEAD_MIN = 1000 /* messages that are gone, before all is made anew */
};

/* -- ids ------------------------------------------------------------------- */

static uint64_t
hash_of(const struct id_set *s, const struct id *id)
{
	struct slice bytes = id_slice(id);
	uint64_t h = s->seed;

	for (size_t i = 0; i < bytes.len; i++) {
		h = (h ^ bytes.at[i]) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	return h;
}

static struct id *
slot_of(const struct id_set *s, const struct id *id)
{
	static const struct id zero;

	for (size_t at = (size_t)hash_of(s, id);; at++) {
		struct id *there = &s->at[at & (s->size - 1)];

		if (id_equal(there, &zero) || id_equal(there, id))
			return there;
	}
}

static int
grow(struct id_set *s)
{
	static const struct id zero;
	struct id_set more = *s;

	more.size = s->size == 0 ? SET_FIRST : 2 * s->size;
	more.at = calloc(more.size, sizeof(*more.at));
	if (more.at == NULL)
		return ERR_ORIGIN(-ENOMEM);
	for (size_t i = 0; i < s->size; i++)
		if (!id_equal(&s->at[i], &zero))
			*slot_of(&more, &s->at[i]) = s->at[i];
	free(s->at);
	*s = more;
	return 0;
}

static int
id_set_add(struct id_set *s, const struct id *id)
{
	struct id *slot;
	int r = 2 * s->n >= s->size ? grow(s) : 0;

	if (r != 0)
		return r;
	slot = slot_of(s, id);
	s->n += !id_equal(slot, id);
	*slot = *id;
	return 0;
}

static bool
id_set_has(const struct id_set *s, const struct id *id)
{
	return s->size > 0 && id_equal(slot_of(s, id), id);
}

void
id_set_free(struct id_set *s)
{
	free(s->at);
	s->at = NULL;
	s->n = s->size = 0;
}

/* -- terms that came ------------------------------------------------------- */

static int
add_result(struct indexer *x, const struct id *id, bool is_partial,
    const struct slice texts[SLAB_N_PARTS])
{
	int r = slab_add(x->builder, id, is_partial, texts);

	if (r == SLAB_E_FULL) {
		r = search_flush(x->search, x->account, x->builder);
		if (r == 0)
			r = slab_add(x->builder, id, is_partial, texts);
	}
	if (r == 0)
		r = id_set_add(&x->ids, id);
	x->n_live += r == 0;
	return r > 0 && r != SEARCH_E_BAD ? ERR_ORIGIN(-EBADMSG) : r;
}

static int
add_results(struct indexer *x)
{
	int r = 0;

	for (size_t i = 0; i < x->n_results && r == 0; i++) {
		const struct index_result *one = &x->results[i];
		struct slice rest = slice_from(buf_slice(&x->terms), one->at);
		const struct slice texts[SLAB_N_PARTS] = {
			slice_upto(rest, one->len[SLAB_BODY]),
			slice_upto(slice_from(rest, one->len[SLAB_BODY]),
			    one->len[SLAB_HEADER]),
		};

		r = add_result(x, &one->id, one->is_partial, texts);
	}
	x->n_results = 0;
	buf_reset(&x->terms, LIMIT_FRAME);
	return r;
}

/* Nobody can tell what is in it: it always may contain what is looked for. */
static int
add_unknown(struct indexer *x, const struct id *id)
{
	const struct slice none[SLAB_N_PARTS] = { { 0 } };

	return add_result(x, id, true, none);
}

/* -- what is to do --------------------------------------------------------- */

static int
take_id(void *ctx, const struct id *id)
{
	return id_set_add(ctx, id);
}

static int
begin_account(struct indexer *x)
{
	int r = 0;

	if (x->is_dropped) {
		x->is_dropped = false;
		r = search_forget(x->search, x->account);
	}
	if (r == 0)
		r = search_ids(x->search, x->account, take_id, &x->ids);
	x->has_ids = r == 0;
	return r;
}

/* The next ids of the account; those that no slab has are to be done. */
static int
scan(struct indexer *x, struct db *db)
{
	struct q_index_emails row;
	struct db_rows rows;
	size_t n = 0;
	int r = DB_MANY(index_emails, db, &rows, .account = x->account,
	    .after = x->after, .limit = INDEX_SCAN);

	if (r != 0)
		return ERR_TRACE(r);
	x->n_todo = x->at = 0;
	while (n < INDEX_SCAN && (r = q_index_emails_next(&rows, &row)) == 0) {
		x->after = row.message;
		n++;
		if (id_set_has(&x->ids, &row.message))
			x->n_live++;
		else
			x->todo[x->n_todo++] = row.message;
	}
	db_rows_close(&rows);
	x->is_scanned = n < INDEX_SCAN;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

/* All of it is written. When most of what is indexed is gone from the account,
 * it is made anew; of an account that is gone nothing stays. */
static int
end_account(struct indexer *x)
{
	int r = search_flush(x->search, x->account, x->builder);
	uint64_t dead;

	x->is_done = true;
	dead = x->n_live == 0 ? 0 : x->n_live + DEAD_MIN;
	if (r == 0 && x->ids.n - x->n_live > dead) {
		x->is_done = x->is_scanned = x->has_ids = false;
		x->is_dropped = true;
		x->n_live = 0;
		x->after = (struct id){ 0 };
		id_set_free(&x->ids);
	}
	return r;
}

/* -- bytes ----------------------------------------------------------------- */

static bool
has_room(const struct indexer *x)
{
	return x->n_items < INDEX_ITEMS && x->n_data < INDEX_BYTES;
}

/* The next piece of a message whose bytes lie there; false when it does not
 * fit and others are before it. */
static int
read_piece(struct indexer *x, const struct id *id,
    const struct q_message_place *place, bool *ret_last)
{
	struct index_item *it = &x->items[x->n_items];
	uint64_t left = place->stored_len - x->offset;
	size_t room = INDEX_BYTES - x->n_data;
	size_t n = left < LIMIT_CHUNK ? (size_t)left : LIMIT_CHUNK;
	int r;

	if (n > room)
		n = room;
	*it = (struct index_item){ .id = *id,
		.at = x->n_data,
		.len = n,
		.is_first = x->offset == 0,
		.is_last = n == left };
	r = segment_read(x->role->store, place->segment,
	    place->body + x->offset, x->data + x->n_data, n);
	if (r != 0)
		return ERR_TRACE(r);
	x->n_items++;
	x->n_data += n;
	x->offset += n;
	*ret_last = it->is_last;
	return 0;
}

/* What cannot be read is not for us to mend: a search that looks says so. */
static int
skip_unreadable(struct indexer *x, const struct id *id)
{
	while (x->n_items > 0 && id_equal(&x->items[x->n_items - 1].id, id))
		x->n_items--;
	return add_unknown(x, id);
}

/* As much of one message as there is room for. */
static int
read_message(struct indexer *x, struct db *db, const struct id *id)
{
	struct q_message_place place;
	bool is_whole = false;
	int r = DB_ONE(message_place, db, &place, .id = *id);

	if (r < 0)
		return ERR_TRACE(r);
	if (r == 0 && place.stored_len <= x->offset)
		r = DB_NONE; /* an empty one: nothing is in it */
	while (r == 0 && !is_whole && has_room(x))
		r = read_piece(x, id, &place, &is_whole);
	if (r < 0)
		r = skip_unreadable(x, id);
	else if (r == 0 && !is_whole)
		return 0;
	x->at++;
	x->offset = 0;
	return r < 0 || r == SEARCH_E_BAD ? r : 0;
}

static int
read_messages(struct indexer *x, struct db *db)
{
	size_t before = x->at, most = x->n_alone > 0 ? 1 : INDEX_ITEMS;
	int r = 0;

	x->batch_from = x->at;
	x->n_items = x->n_data = 0;
	while (r == 0 && x->at < x->n_todo && x->at - before < most &&
	    has_room(x)) {
		struct id id = x->todo[x->at];

		r = read_message(x, db, &id);
	}
	return r;
}

static int
make_room(struct indexer *x)
{
	if (x->data == NULL)
		x->data = malloc(INDEX_BYTES);
	if (x->todo == NULL)
		x->todo = calloc(INDEX_SCAN, sizeof(*x->todo));
	if (x->builder == NULL)
		x->builder = slab_builder_new(x->ids.seed);
	return x->data == NULL || x->todo == NULL || x->builder == NULL
	    ? ERR_ORIGIN(-ENOMEM)
	    : 0;
}

int
indexer_step(struct db *db, struct store_read *read)
{
	struct indexer *x = LIST_ENTRY(read, struct indexer, step);
	int r = make_room(x);

	x->n_items = 0;
	if (r == 0 && !x->has_ids)
		r = begin_account(x);
	if (r == 0)
		r = add_results(x);
	if (r == 0 && x->at == x->n_todo && !x->is_scanned)
		r = scan(x, db);
	if (r == 0 && x->at == x->n_todo && x->is_scanned)
		return end_account(x);
	return r == 0 ? read_messages(x, db) : r;
}
