/* SPDX-License-Identifier: ISC */
/* search.db: slabs grow together, are forgotten, and damage is seen. */
#include <errno.h>

#include "store/search.h"
#include "store/store_fixture.h"

static struct id
id_at(unsigned n)
{
	uint8_t bytes[16] = { (uint8_t)(n >> 8), (uint8_t)n, 1 };
	struct id id = { 0 };

	test_true(id_from_slice(slice_of(bytes, sizeof(bytes)), &id));
	return id;
}

static void
add(struct slab_builder *b, unsigned from, unsigned n)
{
	const struct slice texts[SLAB_N_PARTS] = { slice_of("\0word", 6),
		slice_of("\0head", 6) };

	for (unsigned i = from; i < from + n; i++) {
		struct id id = id_at(i);

		test_int(slab_add(b, &id, false, texts), 0);
	}
}

struct sum {
	unsigned slabs, docs, words;
};

static int
each_slab(void *ctx, const struct slab *slab)
{
	struct sum *sum = ctx;
	struct terms_demand demands[TERMS_DEMANDS];
	size_t n = terms_demands(SLICE("ord"), demands);
	struct slab_hits hits;

	test_int(slab_find(slab, SLAB_BODY, demands, n, &hits), 0);
	sum->slabs++;
	sum->docs += slab->n;
	for (size_t i = 0; i < slab->n; i++)
		sum->words += slab_has(&hits, i);
	return 0;
}

static int
each_id(void *ctx, const struct id *id)
{
	(void)id;
	++*(unsigned *)ctx;
	return 0;
}

static struct sum
look(struct search *s, uint64_t account)
{
	struct sum sum = { 0 };
	unsigned ids = 0;

	test_int(search_each(s, account, each_slab, &sum), 0);
	test_int(search_ids(s, account, each_id, &ids), 0);
	test_int(ids, sum.docs);
	test_int(sum.words, sum.docs);
	return sum;
}

/* Two hundred times twenty: few slabs are left. */
static void
grows(void **state)
{
	struct slab_builder *b = slab_builder_new(1);
	struct search *s;
	struct fixture f;
	struct sum sum;

	(void)state;
	fixture_make(&f);
	test_int(search_open(f.store, &s), 0);
	for (unsigned i = 0; i < 200; i++) {
		add(b, i * 20, 20);
		test_int(search_flush(s, 7, b), 0);
		test_int(slab_builder_n(b), 0);
	}
	add(b, 0, 3);
	test_int(search_flush(s, 8, b), 0);
	sum = look(s, 7);
	test_int(sum.docs, 4000);
	test_true(sum.slabs < 12);
	test_int(look(s, 8).docs, 3);
	search_close(s);

	/* it is there again */
	test_int(search_open(f.store, &s), 0);
	test_int(look(s, 7).docs, 4000);
	test_int(search_forget(s, 7), 0);
	test_int(look(s, 7).docs, 0);
	test_int(look(s, 8).docs, 3);
	test_int(search_drop(s), 0);
	test_int(look(s, 8).docs, 0);
	search_close(s);
	slab_builder_free(b);
	fixture_close(&f);
	fixture_drop(&f);
}

static void
overwrite(struct fixture *f, uint64_t from, size_t n, uint8_t with)
{
	uint8_t junk[4096];
	struct iovec v = { junk, n };
	struct env_file *file;

	memset(junk, with, sizeof(junk));
	test_int(env_file_open(f->dir, "search.db", ENV_FILE_WRITE, &file), 0);
	test_int(env_file_pwritev(file, &v, 1, from), 0);
	env_file_close(file);
}

static void
damage(void **state)
{
	struct slab_builder *b = slab_builder_new(1);
	struct sum sum = { 0 };
	struct search *s;
	struct fixture f;
	uint64_t size = 0;
	struct env_file *file;

	(void)state;
	fixture_make(&f);
	test_int(search_open(f.store, &s), 0);
	add(b, 0, 2000);
	test_int(search_flush(s, 7, b), 0);
	search_close(s);
	/* in the middle of a slab */
	test_int(env_file_open(f.dir, "search.db", ENV_FILE_READ, &file), 0);
	test_int(env_file_size(file, &size), 0);
	env_file_close(file);
	test_true(size > 20000);
	overwrite(&f, size - 3000, 16, 0x5a);
	test_int(search_open(f.store, &s), 0);
	test_true(search_each(s, 7, each_slab, &sum) != 0);
	test_int(sum.words, 0);
	test_int(search_drop(s), 0);
	test_int(look(s, 7).docs, 0);
	search_close(s);
	/* no database at all: made anew at once */
	overwrite(&f, 0, 4096, 'x');
	test_int(search_open(f.store, &s), 0);
	test_int(look(s, 7).docs, 0);
	search_close(s);
	slab_builder_free(b);
	fixture_close(&f);
	fixture_drop(&f);
}

TEST_MAIN(cmocka_unit_test(grows), cmocka_unit_test(damage))
