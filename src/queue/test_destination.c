/* SPDX-License-Identifier: ISC */
/* Which destination is next, and what it may do. */
#include <errno.h>

#include "base/test.h"
#include "base/time.h"
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
	return (struct queue_row){ .row = n, .message = { { message } } };
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
	destination_taken(&s, d, 0); /* one more than at first */
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

/* The host is free when its reply is there, not when that is on disk; but a
 * disk that takes nothing ends it. */
static void
results_that_are_written_leave_room(void **state)
{
	enum {
		N = 30,
		MOST = 10 /* of one attempt at a time */
	};
	struct queue_row rows[N], got[1];
	struct destinations s;
	struct destination *d;

	(void)state;
	for (unsigned i = 0; i < N; i++)
		rows[i] = row(i + 1, (uint8_t)(i + 1));
	destinations_init(&s, seed, 1);
	d = get(&s, "a.example", 0);
	destination_row_due(&s, d, 0);
	destination_fill_begin(&s, d);
	test_int(destination_fill_end(&s, d, rows, N, QUEUE_NEVER), 0);
	for (unsigned i = 0; i < MOST; i++) {
		test_true(destinations_next(&s, 0) == d);
		test_int(destination_take(&s, d, got, 1), 1);
		test_true(destinations_next(&s, 0) == NULL);
		destination_settle(&s, d);
		test_int(d->in_flight, 0);
	}
	test_true(destinations_next(&s, 0) == NULL); /* none is on disk */
	test_true(!destination_forget(&s, d));
	destination_settled(&s, d);
	test_true(destinations_next(&s, 0) == d);
	destinations_deinit(&s);
}

/* Mail that came to a window that was full already waited for ever. */
static void
what_the_window_has_no_room_for_is_read_again(void **state)
{
	static const struct {
		size_t n;
		int64_t next_due, want;
	} cases[] = {
		{ QUEUE_WINDOW, QUEUE_NEVER, QUEUE_NEVER },
		{ QUEUE_WINDOW, 900, 900 },
		{ QUEUE_WINDOW + 1, QUEUE_NEVER, 100 },
		{ QUEUE_WINDOW + 500, 900, 100 },
		{ QUEUE_WINDOW + 500, 50, 50 },
	};
	static struct queue_row rows[QUEUE_WINDOW + 500], got[QUEUE_WINDOW];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		rows[i] = row(i + 1, 7);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct destinations s;
		struct destination *d;

		destinations_init(&s, seed, 2);
		d = get(&s, "a.example", 0);
		destination_row_due(&s, d, 0);
		test_true(destinations_next(&s, 100) == d);
		destination_fill_begin(&s, d);
		test_int(destination_fill_end(&s, d, rows, cases[i].n,
			     cases[i].next_due),
		    0);
		test_int(d->least_due, cases[i].want);
		test_int(destination_take(&s, d, got, cases[i].n),
		    QUEUE_WINDOW);
		test_int(got[QUEUE_WINDOW - 1].row, QUEUE_WINDOW);
		destinations_deinit(&s);
	}
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

/* Fills its window with n rows, each of a message of its own. */
static void
fill(struct destinations *s, struct destination *d, uint8_t n)
{
	struct queue_row rows[100];

	for (uint8_t i = 0; i < n; i++)
		rows[i] = row(i + 1u, (uint8_t)(i + 1));
	destination_row_due(s, d, 0);
	destination_fill_begin(s, d);
	test_int(destination_fill_end(s, d, rows, n, QUEUE_NEVER), 0);
}

/* Who takes half a minute for a mail has two attempts, however much it takes.
 */
static void
slow_hosts_keep_few_attempts(void **state)
{
	struct destinations s;
	struct queue_row got[1];
	struct destination *d;
	unsigned n = 0;

	(void)state;
	destinations_init(&s, seed, 20);
	d = get(&s, "slow.example", 0);
	for (int i = 0; i < 10; i++)
		destination_taken_slowly(&s, d, 0);
	test_true(d->pace.is_proven);
	test_int(pace_concurrency(&d->pace, &d->limits), 2);
	for (int i = 0; i < 30; i++)
		destination_taken(&s, d, 0);
	test_int(pace_concurrency(&d->pace, &d->limits), 20);
	for (int i = 0; i < 30; i++)
		destination_taken_slowly(&s, d, 0);
	fill(&s, d, 40);
	for (; destinations_next(&s, TIME_HOUR) == d; n++)
		test_int(destination_take(&s, d, got, 1), 1);
	test_int(n, 2);
	destinations_deinit(&s);
}

static void
destinations_take_turns(void **state)
{
	struct destinations s;
	struct destination *d[3];
	struct queue_row got[1];

	(void)state;
	destinations_init(&s, seed, 50);
	for (int i = 0; i < 3; i++) {
		d[i] = get(&s, (const char *[]){ "a", "b", "c" }[i], 0);
		for (int j = 0; j < 50; j++)
			destination_taken(&s, d[i], 0);
		fill(&s, d[i], 40);
	}
	for (int64_t now = 1; now <= 30; now++) {
		struct destination *next =
		    destinations_next(&s, TIME_HOUR + now);

		test_true(next != NULL);
		test_int(destination_take(&s, next, got, 1), 1);
	}
	for (int i = 0; i < 3; i++)
		test_int(d[i]->in_flight, 10);
	/* the clock is set back by an hour: the turns go on */
	for (int64_t now = 1000; now < 1030; now++)
		test_int(destination_take(&s, destinations_next(&s, now), got,
			     1),
		    1);
	for (int i = 0; i < 3; i++)
		test_true(d[i]->in_flight >= 19 && d[i]->in_flight <= 21);
	destinations_deinit(&s);
}

/* However many hosts nothing is known of: who takes mail has room. */
static void
probes_leave_room(void **state)
{
	struct destinations s;
	struct destination *good, *d;
	struct queue_row got[1];
	unsigned n = 0;

	(void)state;
	destinations_init(&s, seed, 20);
	destinations_probes(&s, 4);
	good = get(&s, "good.example", 0);
	destination_taken(&s, good, 0);
	for (unsigned i = 0; i < 10; i++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "dead%u.example", i);
		fill(&s, get(&s, name, 0), 2);
	}
	while ((d = destinations_next(&s, 100)) != NULL) {
		test_int(destination_take(&s, d, got, 1), 1);
		n++;
	}
	test_int(n, 4);
	/* among them it is served all the same */
	fill(&s, good, 2);
	test_true(destinations_next(&s, 101) == good);
	test_int(destination_take(&s, good, got, 1), 1);
	/* one is found out, by success or failure: the next may */
	d = get(&s, "dead0.example", 0);
	destination_taken(&s, d, 102);
	test_int(s.n_probes, 4 - d->in_flight);
	test_true(destinations_next(&s, 103) != NULL);
	destination_back_off(&s, d, 1, 5000);
	test_int(s.n_probes, 4);
	destination_done(&s, d);
	test_int(s.n_probes, 3);
	destinations_deinit(&s);
}

static void
a_rate_is_kept(void **state)
{
	const struct pace_limits l = { 20, 60, 2 };
	struct destinations s;
	struct destination *d;
	struct queue_row got[1];

	(void)state;
	destinations_init(&s, seed, 20);
	d = get(&s, "a.example", 0);
	destination_taken(&s, d, 0);
	destination_limits(&s, d, &l);
	fill(&s, d, 10);
	for (int i = 0; i < 2; i++) {
		test_true(destinations_next(&s, 1000) == d);
		test_int(destination_take(&s, d, got, 1), 1);
		destination_done(&s, d);
	}
	test_true(destinations_next(&s, 1000) == NULL);
	test_true(destinations_next(&s, 999999) == NULL);
	test_int(destinations_ready_at(&s), 1001000);
	test_true(destinations_next(&s, 1001000) == d);
	destinations_deinit(&s);
}

/* Who has nothing in a window full of another's has it read anew, but not for
 * each of his mails. */
static void
who_comes_late_is_not_kept_out(void **state)
{
	struct destinations s;
	struct destination *d;
	struct queue_row got[1];

	(void)state;
	destinations_init(&s, seed, 50);
	d = get(&s, "a.example", 0);
	test_true(destinations_next(&s, TIME_HOUR) == NULL);
	fill(&s, d, 40);
	destination_came(&s, d, 0); /* the flow of those in the window */
	test_true(destinations_next(&s, 2 * TIME_HOUR) == d);
	test_true(!destination_window_is_empty(d));
	destination_came(&s, d, 7);
	test_true(destinations_next(&s, TIME_HOUR + 10) == d);
	test_true(!destination_window_is_empty(d)); /* not so soon */
	test_int(destination_take(&s, d, got, 1), 1);
	test_true(destinations_next(&s, TIME_HOUR + QUEUE_STALE_TIME) == d);
	test_true(destination_window_is_empty(d));
	destination_fill_begin(&s, d);
	test_int(destination_fill_end(&s, d, NULL, 0, QUEUE_NEVER), 0);
	/* a few rows are not worth it */
	fill(&s, d, 5);
	destination_came(&s, d, 8);
	test_true(destinations_next(&s, 2 * TIME_HOUR) == d);
	test_true(!destination_window_is_empty(d));
	destinations_deinit(&s);
}

/* Into the window without a look into the database, where nobody is kept out
 * by that. */
static void
what_is_at_hand_need_not_be_read(void **state)
{
	struct queue_row r = row(1, 1), got[4];
	struct destinations s;
	struct destination *d;

	(void)state;
	destinations_init(&s, seed, 5);
	d = get(&s, "a.example", 0);
	test_true(destination_give(&s, d, &r, 100));
	test_true(destinations_next(&s, 99) == NULL);
	test_true(destinations_next(&s, 100) == d);
	test_true(!destination_window_is_empty(d));
	r = row(2, 1); /* of the same message */
	test_true(destination_give(&s, d, &r, 100));
	r = row(3, 2);
	r.priority = 5; /* before the others: it must be read */
	test_true(!destination_give(&s, d, &r, 100));
	test_int(destination_take(&s, d, got, 4), 2);
	test_int(got[0].row, 1);
	test_int(got[1].row, 2);
	test_true(destination_give(&s, d, &r, 100));
	destination_row_due(&s, d, 90); /* others are due outside */
	r = row(4, 3);
	test_true(!destination_give(&s, d, &r, 100));
	test_int(destination_take(&s, d, got, 4), 1);
	test_int(got[0].row, 3);
	destination_fill_begin(&s, d);
	test_true(!destination_give(&s, d, &r, 100));
	test_int(destination_fill_end(&s, d, &r, 1, 500), 0);
	r = row(5, 4);
	test_true(destination_give(&s, d, &r, 100));
	destination_back_off(&s, d, 1, 200); /* a host that fails */
	r = row(6, 5);
	test_true(!destination_give(&s, d, &r, 150));
	test_true(!destination_give(&s, d, &r, 250));
	destination_back_off(&s, d, 0, 0);
	test_true(!destination_give(&s, d, &r, 500)); /* read with the other */
	destinations_deinit(&s);
}

static void
a_long_window_takes_none_by_hand(void **state)
{
	struct destinations s;
	struct destination *d;
	struct queue_row r;
	unsigned n = 0;

	(void)state;
	destinations_init(&s, seed, 5);
	d = get(&s, "a.example", 0);
	for (;; n++) {
		r = row(n + 1, (uint8_t)n);
		if (!destination_give(&s, d, &r, 1))
			break;
	}
	test_int(n, 20);
	r.message = row(0, (uint8_t)(n - 1)).message; /* as the last one's */
	for (; n < 100; n++)
		test_true(destination_give(&s, d, &r, 1));
	destinations_deinit(&s);
}

/* Both began two before they knew that they have the same hosts, which take two
 * in all. */
static void
attempts_that_began_before_are_too_many(void **state)
{
	static const struct pace_limits two = { 2, 0, 1, 2 };
	struct queue_row rows[4], got[1];
	struct destination *d[2];
	struct destinations s;
	unsigned n_going = 0;

	(void)state;
	destinations_init(&s, seed, 2);
	for (unsigned i = 0; i < 2; i++) {
		d[i] = get(&s, i == 0 ? "a.example" : "b.example", 0);
		destination_limits(&s, d[i], &two);
		for (unsigned n = 0; n < 2; n++) {
			rows[n] = row(10 * i + n + 1, (uint8_t)(2 * i + n));
			test_true(destination_give(&s, d[i], &rows[n], 1));
			test_int(destination_take(&s, d[i], got, 1), 1);
		}
	}
	for (unsigned i = 0; i < 4; i++) {
		bool goes = destination_share(&s, d[i % 2], 77);

		n_going += goes;
		if (!goes) /* taken back */
			destination_done(&s, d[i % 2]);
	}
	test_int(n_going, 2);
	test_int(d[0]->in_flight + d[1]->in_flight, 2);
	destinations_deinit(&s);
}

TEST_MAIN(cmocka_unit_test(attempts_that_began_before_are_too_many),
    cmocka_unit_test(what_is_at_hand_need_not_be_read),
    cmocka_unit_test(a_long_window_takes_none_by_hand),
    cmocka_unit_test(who_comes_late_is_not_kept_out),
    cmocka_unit_test(what_the_window_has_no_room_for_is_read_again),
    cmocka_unit_test(a_destination_waits_for_its_least_row),
    cmocka_unit_test(rows_of_a_message_go_together),
    cmocka_unit_test(results_that_are_written_leave_room),
    cmocka_unit_test(destinations_take_turns),
    cmocka_unit_test(slow_hosts_keep_few_attempts),
    cmocka_unit_test(probes_leave_room), cmocka_unit_test(a_rate_is_kept),
    cmocka_unit_test(a_failed_host_is_probed_by_one),
    cmocka_unit_test(lanes_take_turns),
    cmocka_unit_test(only_what_is_idle_is_forgotten),
    cmocka_unit_test(the_heap_keeps_its_order))
