/* SPDX-License-Identifier: ISC */
/* The lives of messages, a file for each day, and how long they are kept. */
#include "base/time.h"
#include "store/events.h"
#include "store/store_fixture.h"

static void
add(struct fixture *f, int64_t at)
{
	struct event e = { .message = { { 1 } },
		.at = at,
		.kind = "accepted",
		.address = SLICE("anna@one.example"),
		.text = SLICE("a test") };

	events_add(store_events(f->store), &e);
	fixture_run(f);
}

static size_t
days_of(struct fixture *f)
{
	static struct events_days days;

	test_int(events_days(f->store, &days), 0);
	return days.n;
}

static void
old_days_go(void **state)
{
	static const struct {
		const char *what;
		int64_t keep;
		size_t left;
	} cases[] = {
		{ "for ever", 0, 3 },
		{ "for ten days", 10 * TIME_DAY, 2 },
		{ "for a hundred", 100 * TIME_DAY, 3 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture f;
		int64_t now;

		test_case(cases[i].what);
		fixture_make(&f);
		f.events_keep = cases[i].keep;
		fixture_close(&f);
		fixture_open(&f, false, 0);
		now = env_wall(f.env);
		add(&f, now - 50 * TIME_DAY); /* the one being written stays */
		test_int(days_of(&f), 1);
		add(&f, now - 5 * TIME_DAY);
		add(&f, now);
		test_int(days_of(&f), cases[i].left);
		fixture_close(&f);
		fixture_drop(&f);
	}
}

struct reader {
	struct events_wait wait;
	struct fixture *f;
	unsigned n;
	size_t n_days; /* it saw */
};

static void
reads(struct events_wait *w)
{
	struct reader *r = LIST_ENTRY(w, struct reader, wait);

	r->n++;
	r->n_days = days_of(r->f);
}

/* `ulak trace` right behind a reply: what was said before is there. */
static void
a_reader_waits_for_what_was_added(void **state)
{
	struct fixture f;
	struct reader early = { .wait.then = reads, .f = &f }, late = early;
	struct event e = { .message = { { 1 } }, .kind = "accepted" };

	(void)state;
	fixture_make(&f);
	events_wait(store_events(f.store), &early.wait);
	test_int(early.n, 1); /* nothing to wait for */
	test_int(early.n_days, 0);
	events_add(store_events(f.store), &e);
	events_wait(store_events(f.store), &late.wait);
	test_int(late.n, 0);
	fixture_run(&f);
	test_int(late.n, 1);
	test_int(late.n_days, 1);
	fixture_close(&f);
	fixture_drop(&f);
}

TEST_MAIN(cmocka_unit_test(old_days_go),
    cmocka_unit_test(a_reader_waits_for_what_was_added))
