/* SPDX-License-Identifier: ISC */
/* Destinations that share mail hosts, and what these bear. */
#include "base/test.h"
#include "base/time.h"
#include "queue/destination.h"

static const uint8_t seed[MAP_SEED];

enum {
	HOSTS = 4711
};

static struct destination *
get(struct destinations *s, const char *route, uint8_t lane)
{
	struct destination *d = NULL;

	test_int(destination_get(s, slice_cstr(route), lane, &d), 0);
	return d;
}

/* n messages are due. */
static void
fill(struct destinations *s, struct destination *d, uint8_t n)
{
	struct queue_row rows[100];

	for (uint8_t i = 0; i < n; i++)
		rows[i] = (struct queue_row){ .row = i + 1u,
			.message = { { (uint8_t)(i + 1) } } };
	destination_row_due(s, d, 0);
	destination_fill_begin(s, d);
	test_int(destination_fill_end(s, d, rows, n, QUEUE_NEVER), 0);
}

static unsigned
take_all(struct destinations *s, int64_t now)
{
	struct destination *d;
	struct queue_row got;
	unsigned n = 0;

	while ((d = destinations_next(s, now)) != NULL) {
		test_int(destination_take(s, d, &got, 1), 1);
		n++;
	}
	return n;
}

static void
two_domains_share_two_connections(void **state)
{
	const struct pace_limits l = { 2, 0, 1, 2 };
	struct destinations s;
	struct destination *a, *b;

	(void)state;
	destinations_init(&s, seed, 20);
	a = get(&s, "a.example", 0);
	b = get(&s, "b.example", 1);
	destination_limits(&s, a, &l);
	destination_limits(&s, b, &l);
	fill(&s, a, 10);
	fill(&s, b, 10);
	/* of what is not known yet: two each */
	test_int(take_all(&s, 1), 4);
	test_int(destination_hosts(a), 0);
	test_true(destination_share(&s, a, HOSTS));
	test_true(destination_share(&s, a, HOSTS)); /* the second one asks */
	test_int(destination_hosts(a), HOSTS);
	test_true(!destination_share(&s, b, HOSTS)); /* four are too many */
	destination_done(&s, b);
	destination_done(&s, b);
	test_int(take_all(&s, 2), 0);
	/* whoever ends, one of both goes on; lanes take turns */
	for (int i = 0; i < 8; i++) {
		destination_done(&s, a->in_flight > 0 ? a : b);
		test_int(take_all(&s, 3 + i), 1);
		test_int(a->in_flight + b->in_flight, 2);
	}
	test_true(b->window_at > 0 || b->n_window < 10);
	destinations_deinit(&s);
}

static void
the_rate_is_theirs(void **state)
{
	const struct pace_limits l = { 20, 60, 1, 20 };
	struct destinations s;
	struct destination *a, *b;

	(void)state;
	destinations_init(&s, seed, 20);
	a = get(&s, "a.example", 0);
	b = get(&s, "b.example", 0);
	destination_limits(&s, a, &l);
	destination_limits(&s, b, &l);
	test_true(destination_share(&s, a, HOSTS));
	test_true(!destination_share(&s, b, HOSTS)); /* not at once */
	fill(&s, a, 5);
	fill(&s, b, 5);
	for (int64_t t = 1; t < 5; t++) {
		test_int(take_all(&s, t * TIME_SECOND), 1);
		test_int(take_all(&s, t * TIME_SECOND + TIME_SECOND / 2), 0);
	}
	destinations_deinit(&s);
}

static void
what_one_hears_counts_for_all(void **state)
{
	struct destinations s;
	struct destination *d[4];

	(void)state;
	destinations_init(&s, seed, 20);
	for (int i = 0; i < 4; i++) {
		d[i] = get(&s, (const char *[]){ "a", "b", "c", "d" }[i], 0);
		test_true(destination_share(&s, d[i], HOSTS));
		fill(&s, d[i], 50);
	}
	test_int(take_all(&s, TIME_HOUR), 8);
	destination_pressed(&s, d[0], PACE_CONNECTIONS, TIME_HOUR);
	for (int i = 0; i < 4; i++) {
		destination_done(&s, d[i]);
		destination_done(&s, d[i]);
	}
	test_int(take_all(&s, TIME_HOUR), 0); /* a pause */
	test_int(take_all(&s, TIME_HOUR + 2 * TIME_SECOND), 4);
	/* another set of hosts: he is out of it */
	test_true(destination_share(&s, d[1], HOSTS + 1));
	test_true(take_all(&s, TIME_HOUR + 2 * TIME_SECOND) > 0);
	destinations_deinit(&s);
}

static void
a_set_goes_with_its_last_member(void **state)
{
	struct destinations s;
	struct destination *a, *b;

	(void)state;
	destinations_init(&s, seed, 20);
	a = get(&s, "a.example", 0);
	b = get(&s, "b.example", 0);
	test_true(destination_share(&s, a, HOSTS));
	test_true(destination_share(&s, b, HOSTS));
	test_int(s.hosts.n, 1);
	test_true(destination_forget(&s, a));
	test_int(b->hosts->n_members, 1);
	test_true(destination_share(&s, b, 5));
	test_int(s.hosts.n, 1);
	test_true(destination_forget(&s, b));
	test_int(s.hosts.n, 0);
	destinations_deinit(&s);
}

static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static struct destination *
any_in_flight(struct destination **d, size_t n, uint64_t x)
{
	for (size_t i = 0; i < n; i++)
		if (d[(x + i) % n]->in_flight > 0)
			return d[(x + i) % n];
	return NULL;
}

/* Whatever happens: never more than are permitted, and when nothing is under
 * way, somebody who is ready goes. */
static void
nobody_is_forgotten(void **state)
{
	enum {
		N = 12
	};
	const struct pace_limits l = { 3, 0, 1, 3 };
	struct destinations s;
	struct destination *d[N];
	uint64_t x = 88172645463325252u;
	unsigned n_taken = 0;

	(void)state;
	destinations_init(&s, seed, 20);
	destinations_probes(&s, 2);
	for (size_t i = 0; i < N; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "d%zu.example", i);
		d[i] = get(&s, name, (uint8_t)(i % QUEUE_LANES));
		destination_limits(&s, d[i], &l);
		test_true(destination_share(&s, d[i], 1 + i % 2));
	}
	for (int64_t now = 1; now < 20000; now++) {
		struct destination *next, *one = d[next_random(&x) % N];
		struct queue_row got;

		if (x % 7 == 0 && destination_window_is_empty(one) &&
		    !one->is_filling)
			fill(&s, one, 3);
		if (x % 11 == 0)
			destination_back_off(&s, one, (uint32_t)(x >> 40) % 2,
			    now + 3);
		if (x % 13 == 0)
			destination_taken(&s, one, now);
		if (x % 5 < 3 && (one = any_in_flight(d, N, x)) != NULL)
			destination_done(&s, one);
		next = destinations_next(&s, now);
		if (next != NULL && destination_window_is_empty(next)) {
			destination_fill_begin(&s, next);
			test_int(destination_fill_end(&s, next, NULL, 0,
				     QUEUE_NEVER),
			    0);
		} else if (next != NULL) {
			test_int(destination_take(&s, next, &got, 1), 1);
			n_taken++;
			test_true(next->hosts->in_flight <= 3);
		}
		for (size_t i = 0; i < N && next == NULL; i++)
			test_true(d[i]->hosts->in_flight > 0 ||
			    s.n_probes >= s.most_probes ||
			    destination_window_is_empty(d[i]) ||
			    d[i]->retry_at > now);
	}
	test_true(n_taken > 1000);
	destinations_deinit(&s);
}

TEST_MAIN(cmocka_unit_test(two_domains_share_two_connections),
    cmocka_unit_test(the_rate_is_theirs),
    cmocka_unit_test(what_one_hears_counts_for_all),
    cmocka_unit_test(a_set_goes_with_its_last_member),
    cmocka_unit_test(nobody_is_forgotten))
