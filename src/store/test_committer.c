/* SPDX-License-Identifier: ISC */
/*
 * What goes into one group of the committer and what waits for the next: no
 * more than LIMIT_GROUP writes, one slice of bulk work, the lanes in their
 * order; and that none is lost where a group is cut.
 */
#include <stdatomic.h>

#include "base/limits.h"
#include "store/store_fixture.h"

enum {
	EXTRA = 10,
	MANY = 64, /* patient ones are worth a group */
	N = LIMIT_GROUP + EXTRA,
	BULK = 3
};

/* A row of its own; `seen` says how many were durable when it was applied, so
 * those of one group say the same. */
struct one {
	struct store_write write;
	struct bench *bench;
	uint64_t number;
	unsigned seen, place; /* place: in the order of done() */
	int result;
	bool is_done;
};

struct bench {
	struct fixture f;
	atomic_uint n_done;
	struct one one[N + BULK];
};

static int
apply(struct db *db, struct store_write *w)
{
	struct one *one = LIST_ENTRY(w, struct one, write);
	char name[32];

	(void)snprintf(name, sizeof(name), "d%llu.example",
	    (unsigned long long)one->number);
	one->seen = atomic_load(&one->bench->n_done);
	return DB_EXEC(domain_insert, db, .domain = 1000 + one->number,
	    .tenant = 1, .name = slice_cstr(name),
	    .canonical = slice_cstr(name), .created = 1);
}

static void
done(struct store_write *w, int r)
{
	struct one *one = LIST_ENTRY(w, struct one, write);
	struct bench *b = one->bench;

	one->result = r;
	one->is_done = true;
	one->place = atomic_fetch_add(&b->n_done, 1);
	b->f.n_waiting--;
}

static void
submit(struct bench *b, unsigned i, enum store_lane lane)
{
	struct one *one = &b->one[i];

	*one = (struct one){
		.write = { .lane = lane, .apply = apply, .done = done },
		.bench = b,
		.number = i
	};
	b->f.n_waiting++;
	committer_submit(store_committer(b->f.store), &one->write);
}

static void
submit_patient(struct bench *b, unsigned i)
{
	struct one *one = &b->one[i];

	*one = (struct one){ .write = { .lane = STORE_LANE_QUEUE,
				 .apply = apply,
				 .done = done,
				 .is_patient = true },
		.bench = b,
		.number = i };
	b->f.n_waiting++;
	committer_submit(store_committer(b->f.store), &one->write);
}

static void
is_kept(struct bench *b, unsigned i)
{
	struct q_domain_get row;
	char name[32];

	test_true(b->one[i].is_done);
	test_int(b->one[i].result, 0);
	(void)snprintf(name, sizeof(name), "d%u.example", i);
	test_int(DB_ONE(domain_get, store_writer(b->f.store), &row,
		     .canonical = slice_cstr(name)),
	    0);
	test_int(row.domain, 1000 + i);
}

static void
open_bench(struct bench *b)
{
	fixture_make(&b->f);
	atomic_store(&b->n_done, 0);
}

static void
close_bench(struct bench *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		is_kept(b, i);
	fixture_close(&b->f);
	fixture_drop(&b->f);
}

static void
a_batch_above_the_bound_is_two_groups(void **state)
{
	static struct bench b;

	(void)state;
	open_bench(&b);
	for (unsigned i = 0; i < N; i++)
		submit(&b, i, STORE_LANE_ACCEPT);
	fixture_run(&b.f);
	for (unsigned i = 0; i < N; i++) {
		test_int(b.one[i].seen, i < LIMIT_GROUP ? 0 : LIMIT_GROUP);
		test_int(b.one[i].place, i);
	}
	close_bench(&b, N);
}

/* The bound is that of the group, not of each lane in it. */
static void
lanes_share_the_bound(void **state)
{
	static struct bench b;
	const unsigned half = LIMIT_GROUP / 2;

	(void)state;
	open_bench(&b);
	for (unsigned i = 0; i < N; i++)
		submit(&b, i,
		    i < half ? STORE_LANE_INTERACTIVE : STORE_LANE_ACCEPT);
	fixture_run(&b.f);
	for (unsigned i = 0; i < N; i++) {
		/* accept first; the last of the interactive ones wait */
		bool is_late = i < half && i >= half - EXTRA;

		test_int(b.one[i].seen, is_late ? LIMIT_GROUP : 0);
	}
	close_bench(&b, N);
}

static void
one_slice_of_bulk_work_a_group(void **state)
{
	static struct bench b;

	(void)state;
	open_bench(&b);
	for (unsigned i = 0; i < BULK; i++)
		submit(&b, i, STORE_LANE_BULK);
	submit(&b, BULK, STORE_LANE_QUEUE);
	fixture_run(&b.f);
	test_int(b.one[BULK].place, 0);
	test_int(b.one[BULK].seen, 0);
	test_int(b.one[0].seen, 0);
	test_int(b.one[1].seen, 2);
	test_int(b.one[2].seen, 3);
	close_bench(&b, BULK + 1);
}

/* What nobody waits for goes along with what somebody does. */
static void
patient_ones_go_with_the_next(void **state)
{
	static struct bench b;
	int64_t began;

	(void)state;
	open_bench(&b);
	began = env_now(b.f.env);
	submit_patient(&b, 0);
	submit_patient(&b, 1);
	fixture_run(&b.f); /* alone they wait for company, and not for ever */
	test_true(env_now(b.f.env) - began >= COMMITTER_PATIENCE);
	test_int(b.one[1].seen, 0);
	began = env_now(b.f.env);
	submit_patient(&b, 2);
	submit(&b, 3, STORE_LANE_ACCEPT);
	fixture_run(&b.f);
	test_true(env_now(b.f.env) - began < COMMITTER_PATIENCE);
	test_int(b.one[2].seen, 2); /* of one group */
	test_int(b.one[3].seen, 2);
	close_bench(&b, 4);
}

/* Were they counted wrongly, they would wait, or the group would be empty. The
 * fixture's clock is a made one. */
static void
many_patient_ones_do_not_wait(void **state)
{
	static struct bench b;
	int64_t began;

	(void)state;
	open_bench(&b);
	began = env_now(b.f.env);
	for (unsigned i = 0; i < MANY; i++)
		submit_patient(&b, i);
	fixture_run(&b.f);
	test_true(env_now(b.f.env) - began < COMMITTER_PATIENCE);
	for (unsigned i = 0; i < MANY; i++)
		test_int(b.one[i].seen, 0);
	began = env_now(b.f.env);
	submit_patient(&b, MANY);
	fixture_run(&b.f);
	test_true(env_now(b.f.env) - began >= COMMITTER_PATIENCE);
	close_bench(&b, MANY + 1);
}

TEST_MAIN(cmocka_unit_test(a_batch_above_the_bound_is_two_groups),
    cmocka_unit_test(lanes_share_the_bound),
    cmocka_unit_test(one_slice_of_bulk_work_a_group),
    cmocka_unit_test(patient_ones_go_with_the_next),
    cmocka_unit_test(many_patient_ones_do_not_wait))
