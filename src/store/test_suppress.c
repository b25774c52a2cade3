/* SPDX-License-Identifier: ISC */
/* Whom there is no use in sending to, for whom, since when and how long; and
 * the senders of what is passed on. */
#include "base/time.h"
#include "store/forward.h"
#include "store/queries.h"
#include "store/store_fixture.h"
#include "store/suppress.h"

#define T0 (INT64_C(1795000000) * TIME_SECOND)

static uint64_t
queue_one(struct fixture *f, const char *sender, const char *rcpt, uint32_t n)
{
	struct queue_add q = { .message = { { 7 } },
		.n = n,
		.tenant = 1,
		.sender = slice_cstr(sender),
		.rcpt = slice_cstr(rcpt),
		.rcpt_canon = slice_cstr(rcpt),
		.route = SLICE("two.example"),
		.now = T0,
		.expires = T0 + TIME_DAY,
		.orcpt = SLICE("") };

	struct q_queue_show row;
	struct db_rows rows;
	uint64_t last = 0;

	test_int(queue_add(store_writer(f->store), &q), 0);
	test_int(DB_MANY(queue_show, store_writer(f->store), &rows,
		     .id = SLICE(""), .limit = 100),
	    0);
	while (q_queue_show_next(&rows, &row) == 0)
		last = row.row > last ? row.row : last;
	db_rows_close(&rows);
	return last;
}

static bool
is_suppressed(struct fixture *f, const char *sender, const char *rcpt,
    uint32_t after, int64_t now)
{
	bool is_so = false;

	test_int(suppress_check(store_writer(f->store), slice_cstr(sender),
		     slice_cstr(rcpt), after, now, &is_so),
	    0);
	return is_so;
}

static const struct {
	const char *what, *sender;
	struct verdict v;
	bool counts;
} refusals[] = {
	{ "nobody there", "anna@one.example",
	    { 550, { 5, 1, 1 }, SLICE("user unknown") }, true },
	{ "later perhaps", "anna@one.example",
	    { 450, { 4, 1, 1 }, SLICE("user unknown") }, false },
	{ "policy", "anna@one.example", { 550, { 5, 7, 1 }, SLICE("spam") },
	    false },
	{ "content", "anna@one.example", { 552, { 5, 3, 4 }, SLICE("too big") },
	    false },
	{ "a report", "", { 550, { 5, 1, 1 }, SLICE("user unknown") }, false },
	{ "what we passed on", "SRS0=abcdef=xy=x.example=y@one.example",
	    { 550, { 5, 1, 1 }, SLICE("user unknown") }, false },
};

static void
refusals_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct fixture f;
		struct db *db;
		uint64_t row;

		test_case(refusals[i].what);
		fixture_make(&f);
		db = store_writer(f.store);
		row = queue_one(&f, refusals[i].sender, "bob@two.example", 0);
		test_int(suppress_note(db, row, &refusals[i].v, T0, TIME_DAY),
		    0);
		test_int(is_suppressed(&f, "eve@ONE.example", "bob@TWO.example",
			     1, T0 + 1),
		    refusals[i].counts);
		test_true(!is_suppressed(&f, "eve@three.example",
		    "bob@two.example", 1, T0 + 1));
		test_true(!is_suppressed(&f, "eve@one.example",
		    "bob@two.example", 0, T0 + 1));
		test_true(!is_suppressed(&f, "eve@one.example",
		    "bob@two.example", 2, T0 + 1));
		test_true(!is_suppressed(&f, "eve@one.example",
		    "bob@two.example", 1, T0 + TIME_DAY + 1));
		fixture_close(&f);
		fixture_drop(&f);
	}
}

static void
counts_and_hands(void **state)
{
	struct verdict v = VERDICT(550, 5, 1, 1, "user unknown");
	struct fixture f;
	struct db *db;

	(void)state;
	fixture_make(&f);
	db = store_writer(f.store);
	for (uint32_t n = 0; n < 2; n++)
		test_int(suppress_note(db,
			     queue_one(&f, "anna@one.example",
				 "bob@two.example", n),
			     &v, T0, TIME_DAY),
		    0);
	test_true(is_suppressed(&f, "anna@one.example", "bob@two.example", 2,
	    T0 + 1));
	test_int(DB_EXEC(suppress_add, db, .sender_domain = SLICE("*"),
		     .rcpt = SLICE("al@two.example"), .now = T0,
		     .text = SLICE("")),
	    0);
	test_true(is_suppressed(&f, "anna@one.example", "al@two.example", 0,
	    T0 + 5000 * TIME_DAY));
	test_int(suppress_note(db,
		     queue_one(&f, "anna@one.example", "nobody@two.example", 5),
		     &v, T0 + 2 * TIME_DAY, TIME_DAY),
	    0);
	test_true(!is_suppressed(&f, "anna@one.example", "bob@two.example", 1,
	    T0 + 1)); /* over, and swept out by the last one */
	fixture_close(&f);
	fixture_drop(&f);
}

static void
senders_go_and_come_back(void **state)
{
	const uint8_t fresh[SRS_SECRET] = { 1, 2, 3 },
		      other[SRS_SECRET] = { 9 };
	struct buf there, again, back;
	struct fixture f;
	struct db *db;

	(void)state;
	fixture_make(&f);
	db = store_writer(f.store);
	buf_init(&there, 400);
	buf_init(&again, 400);
	buf_init(&back, 400);
	test_int(forward_sender(db, SLICE("eve@two.example"),
		     SLICE("one.example"), T0, fresh, &there),
	    0);
	test_case("the secret is made once");
	test_int(forward_sender(db, SLICE("eve@two.example"),
		     SLICE("one.example"), T0, other, &again),
	    0);
	test_slice(buf_slice(&again), buf_slice(&there));
	test_int(forward_undo(db, buf_slice(&there), T0 + TIME_DAY, &back), 0);
	test_slice(buf_slice(&back), SLICE("eve@two.example"));
	test_int(forward_undo(db, buf_slice(&there), T0 + 60 * TIME_DAY, &back),
	    FORWARD_E_BAD);
	test_int(forward_undo(db,
		     SLICE("SRS0=aaaaaa=aa=x.example=y@one.example"), T0,
		     &back),
	    FORWARD_E_BAD);
	test_int(forward_undo(db, SLICE("anna@one.example"), T0, &back),
	    DB_NONE);
	test_case("our own, and through a domain that is not ours");
	test_int(forward_sender(db, SLICE("anna@one.example"),
		     SLICE("one.example"), T0, fresh, &back),
	    DB_NONE);
	test_int(forward_sender(db, SLICE("eve@two.example"),
		     SLICE("three.example"), T0, fresh, &back),
	    DB_NONE);
	buf_deinit(&there);
	buf_deinit(&again);
	buf_deinit(&back);
	fixture_close(&f);
	fixture_drop(&f);
}

TEST_MAIN(cmocka_unit_test(refusals_by_table),
    cmocka_unit_test(counts_and_hands),
    cmocka_unit_test(senders_go_and_come_back))
