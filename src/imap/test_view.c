/* SPDX-License-Identifier: ISC */
/* The view against a model that is a plain list: what the client was told is
 * what it would have counted itself. */
#include "base/test.h"
#include "imap/command.h"
#include "imap/view.h"

static const uint8_t seed[MAP_SEED];

static void
add(struct imap_view *v, uint32_t uid, uint8_t flags, struct slice keywords)
{
	struct imap_entry e = {
		.uid = uid, .flags = flags, .keywords = keywords
	};

	test_int(imap_view_add(v, &e), IMAP_VIEW_OK);
}

static void
fill(struct imap_view *v, uint32_t n)
{
	imap_view_init(v, seed);
	for (uint32_t i = 1; i <= n; i++)
		add(v, i * 10, 0, SLICE(""));
	v->n_told = v->n;
}

static void
rows(void **state)
{
	struct imap_view v;

	(void)state;
	fill(&v, 5);
	test_case("find");
	test_int(imap_view_find(&v, 1), 0);
	test_int(imap_view_find(&v, 30), 2);
	test_int(imap_view_find(&v, 31), 3);
	test_int(imap_view_find(&v, 51), 5);
	test_case("flags that did not change are not told");
	add(&v, 30, 0, SLICE(""));
	test_int(v.n_tell, 0);
	add(&v, 30, IMAP_SEEN, SLICE("$a b"));
	test_int(v.n_tell, 1);
	test_int(v.n_words, 2);
	add(&v, 30, IMAP_SEEN, SLICE("$a b"));
	test_int(v.n_tell, 1);
	test_case("a row between that nobody knows is ignored");
	add(&v, 35, IMAP_SEEN, SLICE(""));
	test_int(v.n, 5);
	test_case("a new one that goes before it was told leaves nothing");
	add(&v, 60, 0, SLICE(""));
	imap_view_gone(&v, 60, 60);
	test_int(v.n, 5);
	test_int(v.n_gone, 0);
	test_case("what goes is not told about any more");
	imap_view_gone(&v, 25, 40);
	test_int(v.n_gone, 2);
	test_int(v.n_tell, 0);
	imap_view_gone(&v, 30, 30);
	test_int(v.n_gone, 2);
	imap_view_deinit(&v);
}

static void
expunges(void **state)
{
	struct imap_expunge cursor = { 0, 0 };
	struct imap_view v;

	(void)state;
	test_case("1, 3, 4 of 5; one came meanwhile");
	fill(&v, 5);
	add(&v, 60, 0, SLICE(""));
	imap_view_gone(&v, 10, 10);
	imap_view_gone(&v, 30, 40);
	test_int(imap_view_expunge(&v, &cursor), 1);
	test_int(imap_view_expunge(&v, &cursor), 2);
	test_int(imap_view_expunge(&v, &cursor), 2);
	test_int(imap_view_expunge(&v, &cursor), 0);
	test_int(v.n, 3);
	test_int(v.n_told, 2);
	test_int(v.n_gone, 0);
	test_int(v.rows[0].uid, 20);
	test_int(v.rows[1].uid, 50);
	test_int(v.rows[2].uid, 60);
	imap_view_deinit(&v);
}

static const struct {
	const char *what;
	struct imap_range ranges[4];
	size_t n;
	bool is_uid, ok;
	size_t n_picks;
	struct imap_pick first, last;
} picks[] = {
	{ "numbers", { { 2, 3 } }, 1, false, true, 1, { 1, 2 }, { 1, 2 } },
	{ "star", { { 0, 0 } }, 1, false, true, 1, { 4, 4 }, { 4, 4 } },
	{ "backwards", { { 0, 2 } }, 1, false, true, 1, { 1, 4 }, { 1, 4 } },
	{ "joined", { { 3, 4 }, { 1, 2 }, { 2, 2 } }, 3, false, true, 1,
	    { 0, 3 }, { 0, 3 } },
	{ "apart", { { 5, 5 }, { 1, 2 } }, 2, false, true, 2, { 0, 1 },
	    { 4, 4 } },
	{ "one too many", { { 1, 6 } }, 1, false, false, 0, { 0, 0 },
	    { 0, 0 } },
	{ "uids", { { 15, 35 } }, 1, true, true, 1, { 1, 2 }, { 1, 2 } },
	{ "uids with star", { { 99, 0 } }, 1, true, true, 1, { 4, 4 },
	    { 4, 4 } },
	{ "no such uid", { { 11, 19 } }, 1, true, true, 0, { 0, 0 }, { 0, 0 } },
	{ "beyond", { { 51, 4294967295U } }, 1, true, true, 0, { 0, 0 },
	    { 0, 0 } },
};

static void
picking(void **state)
{
	struct arena arena;
	struct imap_view v;

	(void)state;
	fill(&v, 5);
	add(&v, 60, 0, SLICE("")); /* not told: not to be picked */
	arena_init(&arena, 4096);
	for (size_t i = 0; i < sizeof(picks) / sizeof(picks[0]); i++) {
		struct imap_range copy[4];
		struct imap_set set = { copy, picks[i].n };
		struct imap_picks got = { NULL, 0 };

		memcpy(copy, picks[i].ranges, sizeof(copy));
		test_case(picks[i].what);
		test_int(imap_view_pick(&v, &arena, &set, picks[i].is_uid,
			     &got),
		    picks[i].ok);
		test_int(got.n, picks[i].n_picks);
		if (got.n == 0)
			continue;
		test_int(got.at[0].lo, picks[i].first.lo);
		test_int(got.at[0].hi, picks[i].first.hi);
		test_int(got.at[got.n - 1].lo, picks[i].last.lo);
		test_int(got.at[got.n - 1].hi, picks[i].last.hi);
		for (size_t j = 0; j < v.n; j++) {
			bool is_in = false;

			for (size_t k = 0; k < got.n; k++)
				is_in |= got.at[k].lo <= j && j <= got.at[k].hi;
			test_int(imap_picks_have(&got, j), is_in);
		}
	}
	arena_reset(&arena);
	imap_view_deinit(&v);
}

static const struct {
	const char *what;
	struct slice before;
	int mode;
	struct imap_flags with;
	uint8_t bits; /* from IMAP_SEEN | IMAP_RECENT */
	struct slice after;
} changes[] = {
	{ "set", SLICE("a b"), IMAP_STORE_SET, { IMAP_DRAFT, SLICE("c") },
	    IMAP_DRAFT | IMAP_RECENT, SLICE("c") },
	{ "set to nothing", SLICE("a"), IMAP_STORE_SET, { 0, SLICE("") },
	    IMAP_RECENT, SLICE("") },
	{ "add between", SLICE("a c"), IMAP_STORE_ADD,
	    { IMAP_FLAGGED, SLICE("b c d") },
	    IMAP_SEEN | IMAP_RECENT | IMAP_FLAGGED, SLICE("a b c d") },
	{ "add what is there in other letters", SLICE("Ab"), IMAP_STORE_ADD,
	    { 0, SLICE("aB") }, IMAP_SEEN | IMAP_RECENT, SLICE("Ab") },
	{ "remove", SLICE("a b c"), IMAP_STORE_REMOVE,
	    { IMAP_SEEN, SLICE("B x") }, IMAP_RECENT, SLICE("a c") },
	{ "remove the last", SLICE("a"), IMAP_STORE_REMOVE, { 0, SLICE("a") },
	    IMAP_SEEN | IMAP_RECENT, SLICE("") },
};

static void
changing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct imap_row row = { .flags = IMAP_SEEN | IMAP_RECENT };
		struct imap_view v;
		int set;

		test_case(changes[i].what);
		imap_view_init(&v, seed);
		set = imap_view_set(&v, changes[i].before);
		test_true(set >= 0);
		row.keywords = (uint16_t)set;
		test_int(imap_view_apply(&v, &row, changes[i].mode,
			     &changes[i].with),
		    0);
		test_int(row.flags, changes[i].bits);
		test_slice(row.keywords == 0 ? slice_of("", 0)
					     : v.sets[row.keywords],
		    changes[i].after);
		imap_view_deinit(&v);
	}
}

TEST_MAIN(cmocka_unit_test(rows), cmocka_unit_test(expunges),
    cmocka_unit_test(picking), cmocka_unit_test(changing))
