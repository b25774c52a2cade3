/* SPDX-License-Identifier: ISC */
/*
 * Reads: each has its own result whatever happens to its neighbours, sees what
 * was durable when it was asked, and short ones go together.
 */
#include <errno.h>
#include <pthread.h>

#include "store/store_fixture.h"

enum {
	N = 100 /* more than all batches at a time */
};

struct look {
	struct store_read read;
	struct fixture *f;
	int told;           /* what run() says, when it is not 0 */
	uint64_t n_domains; /* what it saw */
	pthread_t thread;
	unsigned n_done;
	int result;
};

static int
run(struct db *db, struct store_read *r)
{
	struct look *l = LIST_ENTRY(r, struct look, read);
	struct q_domain_get row;

	l->thread = pthread_self();
	l->n_domains = DB_ONE(domain_get, db, &row,
			   .canonical = SLICE("one.example")) == 0;
	return l->told;
}

static void
done(struct store_read *r, int result)
{
	struct look *l = LIST_ENTRY(r, struct look, read);

	l->n_done++;
	l->result = result;
	l->f->n_waiting--;
}

static void
start(struct fixture *f, struct look *l, bool is_short, int told)
{
	*l = (struct look){ .f = f,
		.told = told,
		.read = { .run = run, .done = done, .is_short = is_short } };
	f->n_waiting++;
	store_read(f->store, &l->read);
}

static void
each_has_its_own_result(void **state)
{
	static const int told[] = { 0, 0, DB_NONE, -EIO, 0, -ENOMEM, 7 };
	enum {
		N_TOLD = sizeof(told) / sizeof(told[0])
	};
	static struct look looks[2 * N];
	struct fixture f;

	(void)state;
	fixture_make(&f);
	for (unsigned i = 0; i < 2 * N; i++)
		start(&f, &looks[i], i < N, told[i % N_TOLD]);
	test_true(!store_is_idle(f.store));
	fixture_run(&f);
	test_true(store_is_idle(f.store));
	for (unsigned i = 0; i < 2 * N; i++) {
		test_int(looks[i].n_done, 1);
		test_int(looks[i].result, told[i % N_TOLD]);
		test_int(looks[i].n_domains, 1);
	}
	fixture_close(&f);
	fixture_drop(&f);
}

static void
short_ones_of_a_turn_go_together(void **state)
{
	static struct look looks[20];
	struct fixture f;

	(void)state;
	fixture_make(&f);
	for (unsigned i = 0; i < 20; i++)
		start(&f, &looks[i], true, 0);
	fixture_run(&f);
	for (unsigned i = 1; i < 20; i++)
		test_true(pthread_equal(looks[0].thread, looks[i].thread));
	fixture_close(&f);
	fixture_drop(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_has_its_own_result),
		cmocka_unit_test(short_ones_of_a_turn_go_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
