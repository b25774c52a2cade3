/* SPDX-License-Identifier: ISC */
#include "store/search.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "store/store_impl.h"

enum {
	CACHE_KIB = 1024,
	LOG_PAGES = 4096, /* then they are moved into the file */
	MERGED_MAX = 16
};

static const char path[] = "search.db";

struct search {
	struct store *store;
	struct db *writer, *reader;
	uint64_t seed; /* of builders */
};

/* -- the file -------------------------------------------------------------- */

static int
open_one(struct search *s, bool is_writer, struct db **ret)
{
	return ERR_TRACE(db_sqlite_open(s->store->vfs, path,
	    &(struct db_sqlite_options){ .is_writer = is_writer,
		.create = is_writer,
		.is_lazy = true,
		.cache_kib = CACHE_KIB },
	    ret));
}

static void
close_both(struct search *s)
{
	db_close(s->reader);
	db_close(s->writer);
	s->reader = s->writer = NULL;
}

static int
open_both(struct search *s)
{
	int r = open_one(s, true, &s->writer);

	if (r == 0)
		r = db_script(s->writer, db_schema_search);
	if (r == 0)
		r = open_one(s, false, &s->reader);
	if (r != 0)
		close_both(s);
	return r < 0 ? ERR_TRACE(r) : r == 0 ? 0 : ERR_ORIGIN(-EBADMSG);
}

int
search_drop(struct search *s)
{
	static const char *const names[] = { "search.db-wal", "search.db" };

	close_both(s);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int r = env_dir_unlink(s->store->dir, names[i]);

		if (r < 0 && r != -ENOENT)
			return ERR_TRACE(r);
	}
	return ERR_TRACE(open_both(s));
}

int
search_open(struct store *store, struct search **ret)
{
	struct search *s = calloc(1, sizeof(*s));
	int r;

	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	s->store = store;
	s->seed = env_random_u64(store->env);
	r = open_both(s);
	if (r != 0)
		r = search_drop(s);
	if (r != 0) {
		free(s);
		return ERR_TRACE(r);
	}
	*ret = s;
	return 0;
}

void
search_close(struct search *s)
{
	if (s == NULL)
		return;
	close_both(s);
	free(s);
}

/* -- slabs ----------------------------------------------------------------- */

static bool
is_whole(struct slice data, struct slice checksum)
{
	uint8_t is[SEGMENT_CHECKSUM];

	segment_checksum(data, is);
	return slice_equal(checksum, slice_of(is, sizeof(is)));
}

static int
open_slab(struct slice data, struct slice checksum, struct slab *ret)
{
	return is_whole(data, checksum) && slab_open(data, ret) == 0
	    ? 0
	    : SEARCH_E_BAD;
}

static int
each_slab(struct db *db, uint64_t account,
    int (*each)(void *ctx, const struct slab *slab), void *ctx)
{
	struct q_slab_of_account row;
	struct db_rows rows;
	int r = db == NULL
	    ? ERR_ORIGIN(-ENOENT)
	    : DB_MANY(slab_of_account, db, &rows, .account = account);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_slab_of_account_next(&rows, &row)) == 0) {
		struct slab slab;

		r = open_slab(row.data, row.checksum, &slab);
		if (r == 0)
			r = each(ctx, &slab);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : r;
}

int
search_each(struct search *s, uint64_t account,
    int (*each)(void *ctx, const struct slab *slab), void *ctx)
{
	return each_slab(s->reader, account, each, ctx);
}

struct ids {
	int (*each)(void *ctx, const struct id *id);
	void *ctx;
};

static int
each_id(void *ctx, const struct slab *slab)
{
	struct ids *ids = ctx;
	int r = 0;

	for (size_t i = 0; i < slab->n && r == 0; i++) {
		struct id id = slab_id(slab, i);

		r = ids->each(ids->ctx, &id);
	}
	return r;
}

int
search_ids(struct search *s, uint64_t account,
    int (*each)(void *ctx, const struct id *id), void *ctx)
{
	struct ids ids = { each, ctx };

	return each_slab(s->writer, account, each_id, &ids);
}

/* -- writing --------------------------------------------------------------- */

struct merge {
	uint64_t slabs[MERGED_MAX];
	size_t n, docs;
};

/* Those that are not much greater than what comes to them: so each message is
 * written again a few times only, and few slabs stay. */
static int
choose(struct search *s, uint64_t account, size_t n, struct merge *ret)
{
	struct q_slab_smallest row;
	struct db_rows rows;
	int r = DB_MANY(slab_smallest, s->writer, &rows, .account = account,
	    .docs = SLAB_DOCS / 2);

	if (r != 0)
		return ERR_TRACE(r);
	*ret = (struct merge){ .docs = n };
	while (ret->n < MERGED_MAX &&
	    (r = q_slab_smallest_next(&rows, &row)) == 0) {
		if (row.docs > 2 * ret->docs ||
		    row.docs > SLAB_DOCS - ret->docs)
			break;
		ret->docs += row.docs;
		ret->slabs[ret->n++] = row.slab;
	}
	db_rows_close(&rows);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
add_stored(struct search *s, uint64_t number, struct slab_builder *b)
{
	struct q_slab_get row;
	struct slab slab;
	int r = DB_ONE(slab_get, s->writer, &row, .slab = number);

	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : SEARCH_E_BAD;
	r = open_slab(row.data, row.checksum, &slab);
	return r != 0 ? r : slab_add_slab(b, row.data);
}

/* *data, together with the chosen ones, when they are one slab. */
static int
merge(struct search *s, struct merge *m, struct buf *data)
{
	struct slab_builder *b = slab_builder_new(s->seed);
	struct buf whole;
	int r = b == NULL ? ERR_ORIGIN(-ENOMEM) : 0;

	buf_init(&whole, SLAB_BYTES_MAX);
	for (size_t i = 0; i < m->n && r == 0; i++)
		r = add_stored(s, m->slabs[i], b);
	if (r == 0)
		r = slab_add_slab(b, buf_slice(data));
	if (r == 0)
		r = slab_build(b, &whole);
	slab_builder_free(b);
	if (r == 0) {
		struct buf before = *data;

		*data = whole;
		whole = before;
	} else if (r == SLAB_E_FULL) {
		m->n = 0; /* too many terms: it stays alone */
		r = 0;
	} else if (r > 0) {
		r = SEARCH_E_BAD;
	}
	buf_deinit(&whole);
	return r;
}

static int
insert(struct search *s, uint64_t account, size_t n, struct slice data)
{
	uint8_t checksum[SEGMENT_CHECKSUM];

	segment_checksum(data, checksum);
	return ERR_TRACE(DB_EXEC(slab_insert, s->writer, .account = account,
	    .docs = (uint32_t)n,
	    .checksum = slice_of(checksum, sizeof(checksum)), .data = data));
}

static int
write_slab(struct search *s, uint64_t account, size_t n, const struct merge *m,
    struct slice data)
{
	int r = db_begin(s->writer);

	for (size_t i = 0; i < m->n && r == 0; i++)
		r = DB_EXEC(slab_delete, s->writer, .slab = m->slabs[i]);
	if (r == 0)
		r = insert(s, account, m->n > 0 ? m->docs : n, data);
	if (r == 0)
		r = db_commit(s->writer);
	if (r != 0)
		db_rollback(s->writer);
	else if (db_log_pages(s->writer) > LOG_PAGES)
		r = db_checkpoint(s->writer);
	return r;
}

int
search_flush(struct search *s, uint64_t account, struct slab_builder *b)
{
	size_t n = slab_builder_n(b);
	struct merge m = { .n = 0 };
	struct buf data;
	int r;

	if (n == 0)
		return 0;
	if (s->writer == NULL)
		return ERR_ORIGIN(-ENOENT);
	buf_init(&data, SLAB_BYTES_MAX);
	r = slab_build(b, &data);
	if (r == 0)
		r = choose(s, account, n, &m);
	if (r == 0 && m.n > 0)
		r = merge(s, &m, &data);
	if (r == 0)
		r = write_slab(s, account, n, &m, buf_slice(&data));
	buf_deinit(&data);
	slab_builder_reset(b);
	return r;
}

int
search_forget(struct search *s, uint64_t account)
{
	return s->writer == NULL ? ERR_ORIGIN(-ENOENT)
				 : ERR_TRACE(DB_EXEC(slab_delete_account,
				       s->writer, .account = account));
}

/* -- looking --------------------------------------------------------------- */

int
search_accounts(struct store *s,
    int (*each)(void *ctx, const struct search_account *a), void *ctx)
{
	struct search own = { .store = s };
	struct q_slab_accounts row;
	struct db_rows rows;
	struct db *db;
	int r = open_one(&own, false, &db);

	if (r != 0)
		return ERR_TRACE(r);
	r = DB_MANY(slab_accounts, db, &rows, .after = 0);
	while (r == 0 && (r = q_slab_accounts_next(&rows, &row)) == 0)
		r = each(ctx,
		    &(struct search_account){
			row.account, row.slabs, row.docs, row.bytes });
	if (r >= 0)
		db_rows_close(&rows);
	db_close(db);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}
