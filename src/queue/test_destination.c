/* SPDX-License-Identifier: ISC */
/* Which destination is next, and what it may do. */
#include <errno.h>

#include "base/test.h"
#include "queue/destination.h"

static const uint8_t seed[MAP_SEED];

static struct destination *
get(struct destinations *s, const char *route, uint8_t lane)
{
	struct destination *d = NULL;

	test_int(destination_get(s, slice_cstr(route), lane, &d), 0);
	return d;
}

static struct queue_row
row(uint64_t n, uint8_t message)
{
	return (struct queue_row){ n, { { message } } };
}

static void
a_destination_waits_for_its_least_row(void **state)
{
	struct destinations s;
	struct destination *a, *b;

	(void)state;
	destinations_init(&s, seed, 2);
	a = get(&s, "a.example", 0);
	b = get(&s, "b.example", 0);
	test_true(get(&s, "a.example", 0) == a);
	test_true(destinations_ready_at(&s) == QUEUE_NEVER);
	destination_row_due(&s, a, 300);
	destination_row_due(&s, b, 200);
	destination_row_due(&s, a, 100);
	destination_row_due(&s, a, 500);
	test_int(destinations_ready_at(&s), 100);
	test_true(destinations_next(&s, 99) == NULL);
	test_true(destinations_next(&s, 100) == a);
	destination_back_off(&s, a, 1, 400);
	test_true(destinations_next(&s, 399) == b);
	destination_fill_begin(&s, b);
	test_true(destinations_next(&s, 399) == NULL);
	test_int(destination_fill_end(&s, b, NULL, 0, QUEUE_NEVER), 0);
	test_true(destinations_next(&s, 399) == NULL);
	test_true(destinations_next(&s, 400) == a);
	destinations_deinit(&s);
}

static void
rows_of_a_message_go_together(void **state)
{
	const struct queue_row rows[] = { row(1, 7), row(2, 8), row(3, 7),
		row(4, 9), row(5, 7) };
	struct queue_row got[10];
	struct destinations s;
	struct destination *d;

	(void)state;
	destinations_init(&s, seed, 3);
	d = get(&s, "a.example", 1);
	destination_row_due(&s, d, 0);
	destination_fill_begin(&s, d);
	destination_row_due(&s, d, 50); /* one came while it was read */
	test_int(destination_fill_end(&s, d, rows, 5, 900), 0);
	test_int(destination_take(&s, d, got, 2), 2);
	test_int(got[0].row, 1);
	test_int(got[1].row, 3);
	test_int(destination_take(&s, d, got, 10), 1);
	test_int(got[0].row, 2);
	test_true(destinations_next(&s, 0) == d);
	test_int(destination_take(&s, d, got, 10), 1);
	test_int(got[0].row, 4);
	test_true(destinations_next(&s, 1000) == NULL); /* three in flight */
	destination_done(&s, d);
	test_true(destinations_next(&s, 0) == d);
	test_int(destination_take(&s, d, got, 10), 1);
	test_int(got[0].row, 5);
	test_int(destination_take(&s, d, got, 10), 0);
	test_true(destination_window_is_empty(d));
	destination_done(&s, d);
	test_int(destinations_ready_at(&s), 50); /* not 900 */
	destinations_deinit(&s);
}

static void
a_failed_host_is_probed_by_one(void **state)
{
	const struct queue_row rows[] = { row(1, 1), row(2, 2), row(3, 3) };
	struct queue_row got[3];
	struct destinations s;
	struct destination *d;

	(void)state;
	destinations_init(&s, seed, 5);
	d = get(&s, "dead.example", 0);
	destination_row_due(&s, d, 0);
	destination_fill_begin(&s, d);
	test_int(destination_fill_end(&s, d, rows, 3, QUEUE_NEVER), 0);
	test_int(destination_take(&s, d, got, 3), 1);
	destination_back_off(&s, d, 1, 1000);
	destination_done(&s, d);
	test_true(destinations_next(&s, 999) == NULL);
	test_true(destinations_next(&s, 1000) == d);
	test_int(destination_take(&s, d, got, 3), 1);
	test_true(destinations_next(&s, 1000) == NULL);
	destination_back_off(&s, d, 0, 0); /* it worked */
	test_true(destinations_next(&s, 1000) == d);
	destinations_deinit(&s);
}

static void
lanes_take_turns(void **state)
{
	unsigned seen[QUEUE_LANES] = { 0 };
	struct destinations s;

	(void)state;
	destinations_init(&s, seed, 1);
	for (uint8_t lane = 0; lane < QUEUE_LANES; lane++)
		destination_row_due(&s, get(&s, "a.example", lane), lane);
	for (unsigned i = 0; i < 400; i++)
		seen[destinations_next(&s, 10)->lane]++;
	test_int(seen[0], 200);
	test_int(seen[1], 100);
	test_int(seen[2], 100);
	destinations_deinit(&s);
}

static void
only_what_is_idle_is_forgotten(void **state)
{
	const struct queue_row one = row(1, 1);
	struct queue_row got[1];
	struct destinations s;
	struct destination *d;

	(void)state;
	destinations_init(&s, seed, 1);
	d = get(&s, "a.example", 0);
	destination_row_due(&s, d, 5);
	test_true(!destination_forget(&s, d));
	destination_fill_begin(&s, d);
	test_true(!destination_forget(&s, d));
	test_int(destination_fill_end(&s, d, &one, 1, QUEUE_NEVER), 0);
	test_true(!destination_forget(&s, d));
	test_int(destination_take(&s, d, got, 1), 1);
	test_true(!destination_forget(&s, d));
	destination_done(&s, d);
	destination_back_off(&s, d, 1, 50);
	test_true(!destination_forget(&s, d));
	destination_back_off(&s, d, 0, 0);
	test_true(destination_forget(&s, d));
	test_true(destination_find(&s, SLICE("a.example"), 0) == NULL);
	test_true(destination_find(&s, SLICE(""), 0) == NULL);
	test_int(destination_get(&s, SLICE("a"), QUEUE_LANES, &d), -EINVAL);
	destinations_deinit(&s);
}

/* Against a model: the one that is next is always the least that is ready. */
static void
the_heap_keeps_its_order(void **state)
{
	enum {
		N = 60
	};
	int64_t due[N];
	struct destinations s;
	uint64_t random = 88172645463325252u;
	char name[16];

	(void)state;
	destinations_init(&s, seed, 1);
	for (size_t i = 0; i < N; i++)
		due[i] = QUEUE_NEVER;
	for (unsigned step = 0; step < 5000; step++) {
		struct destination *d, *next;
		int64_t least = QUEUE_NEVER;
		size_t i;

		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		i = (size_t)(random % N);
		(void)snprintf(name, sizeof(name), "d%zu.example", i);
		d = get(&s, name, 0);
		if (random % 5 == 0 && d->least_due != QUEUE_NEVER) {
			destination_fill_begin(&s, d);
			due[i] = (int64_t)(random >> 32);
			test_int(destination_fill_end(&s, d, NULL, 0, due[i]),
			    0);
		} else {
			int64_t at = (int64_t)(random >> 33);

			destination_row_due(&s, d, at);
			due[i] = at < due[i] ? at : due[i];
		}
		for (size_t k = 0; k < N; k++)
			least = due[k] < least ? due[k] : least;
		test_true(destinations_ready_at(&s) == least);
		next = destinations_next(&s, QUEUE_NEVER - 1);
		test_true(next != NULL && next->least_due == least);
	}
	destinations_deinit(&s);
}

TEST_MAIN(cmocka_unit_test(a_destination_waits_for_its_least_row),
    cmocka_unit_test(rows_of_a_message_go_together),
    cmocka_unit_test(a_failed_host_is_probed_by_one),
    cmocka_unit_test(lanes_take_turns),
    cmocka_unit_test(only_what_is_idle_is_forgotten),
    cmocka_unit_test(the_heap_keeps_its_order))
