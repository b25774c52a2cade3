/* SPDX-License-Identifier: ISC */
/* Terms of destinations in the database: written, read back, counted. */
#include "base/limits.h"
#include "base/test.h"
#include "base/time.h"
#include "store/store_fixture.h"
#include "store/terms.h"

struct job {
	struct store_write write;
	struct fixture *f;
	int (*run)(struct db *db);
	int result;
};

static int
apply(struct db *db, struct store_write *w)
{
	return LIST_ENTRY(w, struct job, write)->run(db);
}

static void
done(struct store_write *w, int r)
{
	struct job *j = LIST_ENTRY(w, struct job, write);

	j->result = r;
	j->f->n_waiting--;
}

static void
in_the_store(int (*run)(struct db *db))
{
	struct fixture f;
	struct job j = { .write = { .lane = STORE_LANE_INTERACTIVE,
			     .apply = apply,
			     .done = done },
		.f = &f,
		.run = run };

	fixture_make(&f);
	f.n_waiting++;
	store_submit(f.store, &j.write);
	fixture_run(&f);
	test_int(j.result, 0);
	fixture_close(&f);
	fixture_drop(&f);
}

static struct terms
one_term(enum terms_key key, int64_t value)
{
	struct terms t = terms_unset;

	t.value[key] = value;
	return t;
}

static int
check_rows(struct db *db)
{
	struct terms t = terms_unset, got;

	for (int i = 0; i < TERMS_N; i++)
		t.value[i] = 1000 + i;
	test_int(store_terms_read(db, SLICE("two.example"), &got), DB_NONE);
	test_int(memcmp(&got, &terms_unset, sizeof(got)), 0);
	test_int(store_terms_write(db, SLICE("two.example"), &t, 5), 0);
	test_int(store_terms_read(db, SLICE("two.example"), &got), 0);
	test_int(memcmp(&got, &t, sizeof(got)), 0);
	/* 0 is a value, no term at all is no row */
	t = one_term(TERMS_RATE, 0);
	test_int(store_terms_write(db, SLICE("two.example"), &t, 6), 0);
	test_int(store_terms_read(db, SLICE("two.example"), &got), 0);
	test_int(memcmp(&got, &t, sizeof(got)), 0);
	test_int(store_terms_write(db, SLICE("two.example"), &terms_unset, 7),
	    0);
	test_int(store_terms_read(db, SLICE("two.example"), &got), DB_NONE);
	return 0;
}

static int
check_times(struct db *db)
{
	struct terms below = one_term(TERMS_LIFETIME, TIME_DAY),
		     all = one_term(TERMS_DELAY_WARNING, 0),
		     rate = one_term(TERMS_RATE, 5);
	int64_t lifetime, warning;

	test_int(store_terms_write(db, SLICE("a.two.example"), &rate, 1), 0);
	test_int(store_terms_times(db, SLICE("a.two.example"), &lifetime,
		     &warning),
	    0);
	test_int(lifetime, TERMS_UNSET);
	test_int(warning, TERMS_UNSET);
	test_int(store_terms_write(db, SLICE(".two.example"), &below, 1), 0);
	test_int(store_terms_write(db, SLICE("*"), &all, 1), 0);
	test_int(store_terms_times(db, SLICE("a.two.example"), &lifetime,
		     &warning),
	    0);
	test_int(lifetime, TIME_DAY);
	test_int(warning, 0);
	test_int(store_terms_times(db, SLICE("two.example"), &lifetime,
		     &warning),
	    0);
	test_int(lifetime, TERMS_UNSET);
	test_int(warning, 0);
	return 0;
}

static int
count_one(void *ctx, struct slice pattern, const struct terms *t)
{
	unsigned *n = ctx;
	char want[32];

	(void)snprintf(want, sizeof(want), "d%05u.example", *n);
	test_slice(pattern, slice_cstr(want));
	test_int(t->value[TERMS_RATE], 7);
	return ++*n == LIMIT_TERMS + 100 ? -1 : 0;
}

static int
check_limit(struct db *db)
{
	struct terms t = one_term(TERMS_RATE, 7);
	unsigned n = 0;
	char name[32];

	for (unsigned i = 0; i < LIMIT_TERMS; i++) {
		(void)snprintf(name, sizeof(name), "d%05u.example", i);
		test_int(store_terms_write(db, slice_cstr(name), &t, 1), 0);
	}
	test_int(store_terms_write(db, SLICE("more.example"), &t, 1),
	    TERMS_E_FULL);
	/* what is there may still change */
	test_int(store_terms_write(db, SLICE("d00007.example"), &t, 2), 0);
	test_int(store_terms_each(db, count_one, &n), 0);
	test_int(n, LIMIT_TERMS);
	return 0;
}

static void
what_is_written_is_read(void **state)
{
	(void)state;
	in_the_store(check_rows);
}

static void
times_come_from_the_closest(void **state)
{
	(void)state;
	in_the_store(check_times);
}

static void
there_is_a_limit(void **state)
{
	(void)state;
	in_the_store(check_limit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(times_come_from_the_closest),
		cmocka_unit_test(there_is_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
