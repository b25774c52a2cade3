/* SPDX-License-Identifier: ISC */
/*
 * Rows kept in memory are those of the mailbox, whatever came and left; one
 * scan has them at a time; those not asked for longest go first.
 */
#include "base/test.h"

#include <stdlib.h>

#include "base/limits.h"
#include "roles/store/views.h"

enum {
	UIDS = 3000,
	ROUNDS = 300
};

static const uint8_t seed[MAP_SEED];

/* What should be in the view: modseq of each uid; 0: not there. */
static uint64_t model[UIDS + 1];
static char keywords[1024];

static struct wire_entry
entry_of(uint32_t uid)
{
	return (struct wire_entry){ .uid = uid,
		.modseq = model[uid],
		.size = uid * 3,
		.keywords = slice_of(keywords, model[uid] % 40) };
}

static void
add_row(struct pages *p, uint32_t uid)
{
	struct page *page = pages_next(p, 64);
	struct wire_entry e = entry_of(uid);

	assert_non_null(page);
	test_int(wire_entry_add(&page->rows, &e), 0);
	page->n++;
}

static void
add_gone(struct pages *p, uint32_t uid)
{
	struct page *page = pages_next(p, 256);
	struct wire_range r = { uid, uid };

	assert_non_null(page);
	test_int(wire_range_add(&page->rows, &r), 0);
	page->n++;
}

static void
check(const struct view *v)
{
	uint32_t uid = 0;

	for (size_t i = 0; i < v->n; i++) {
		struct wire_list rows = page_list(&v->pages[i].page);
		struct wire_entry row;

		test_true(rows.n > 0 && rows.n <= VIEW_ROWS);
		while (wire_entry_next(&rows, &row)) {
			while (++uid <= UIDS && model[uid] == 0)
				;
			test_int(row.uid, uid);
			test_int(row.modseq, model[uid]);
			test_int(row.size, uid * 3);
			test_int(row.keywords.len, model[uid] % 40);
			test_true(row.uid >= v->pages[i].lo &&
			    row.uid <= v->pages[i].hi);
		}
	}
	while (++uid <= UIDS)
		test_int(model[uid], 0);
}

/* Some change, some leave, some come: what a scan would say of it. */
static void
change(struct view *v, uint64_t modseq, uint32_t *last, unsigned odds)
{
	struct pages rows = { 0 }, gone = { 0 };

	for (uint32_t uid = 1; uid <= *last; uid++) {
		unsigned dice = (unsigned)rand() % odds;

		if (model[uid] == 0 || dice > 1)
			continue;
		model[uid] = dice == 0 ? 0 : modseq;
		if (dice == 0)
			add_gone(&gone, uid);
		else
			add_row(&rows, uid);
	}
	for (int n = rand() % 20; n > 0 && *last < UIDS; n--) {
		model[++*last] = modseq;
		add_row(&rows, *last);
	}
	test_int(view_change(v, &rows, &gone), 0);
	pages_deinit(&rows);
	pages_deinit(&gone);
}

static void
changes_keep_it_true(void **state)
{
	struct views all;
	struct view *v;
	uint32_t last = 0;

	(void)state;
	memset(keywords, 'k', sizeof(keywords));
	views_init(&all, seed);
	v = views_take(&all, 7);
	while (last < UIDS / 2) {
		struct wire_entry e;

		model[++last] = 1;
		e = entry_of(last);
		test_int(view_add(v, &e), 0);
	}
	check(v);
	for (unsigned i = 0; i < ROUNDS; i++) {
		change(v, i + 2, &last, i % 3 == 0 ? 5 : 1000);
		check(v);
	}
	v->upto = ROUNDS;
	views_give(&all, v, true);
	views_deinit(&all);
}

static void
one_has_it_at_a_time(void **state)
{
	struct views all;
	struct view *v;

	(void)state;
	views_init(&all, seed);
	v = views_take(&all, 7);
	assert_non_null(v);
	assert_null(views_take(&all, 7));
	v->upto = 5;
	views_give(&all, v, true);
	assert_ptr_equal(views_take(&all, 7), v);
	test_int(v->upto, 5);
	views_give(&all, v, false); /* it came to nothing */
	v = views_take(&all, 7);
	test_int(v->upto, 0);
	views_give(&all, v, false);
	views_deinit(&all);
}

static void
the_oldest_goes_first(void **state)
{
	struct views all;
	uint64_t box = 0;

	(void)state;
	memset(keywords, 'k', sizeof(keywords));
	views_init(&all, seed);
	do {
		struct view *v = views_take(&all, ++box);

		for (uint32_t uid = 1; uid <= 10 * VIEW_ROWS; uid++) {
			struct wire_entry e = { .uid = uid,
				.keywords =
				    slice_of(keywords, sizeof(keywords)) };

			test_int(view_add(v, &e), 0);
		}
		v->upto = box;
		views_give(&all, v, true);
		test_true(all.bytes <= LIMIT_VIEWS);
	} while (box < 50);
	assert_null(map_get_number(&all.by_mailbox, 1));
	assert_non_null(map_get_number(&all.by_mailbox, box));
	views_deinit(&all);
	test_int(all.bytes, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_keep_it_true),
		cmocka_unit_test(one_has_it_at_a_time),
		cmocka_unit_test(the_oldest_goes_first),
	};

	srand(1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
