/* SPDX-License-Identifier: ISC */
/* Rows go in and come out, by walk and by number. */
#include "base/test.h"
#include "imap/hits.h"

static void
all(void **state)
{
	static const uint32_t rows[] = { 0, 1, 2, 5, 7, 8, 4000000 };
	enum {
		N = sizeof(rows) / sizeof(rows[0])
	};
	struct hits h = { 0 };
	struct hits_cursor c = { 0 };
	uint32_t row = 0;
	size_t n = 0;

	(void)state;
	test_case("empty");
	test_true(!hits_next(&h, &c, &row));
	for (size_t i = 0; i < N; i++)
		test_true(hits_add(&h, rows[i]));
	test_case("runs");
	test_int((int)h.count, N);
	test_int((int)h.n, 4);
	test_case("walk");
	for (c = (struct hits_cursor){ 0 }; hits_next(&h, &c, &row); n++)
		test_true(n < N && row == rows[n]);
	test_int((int)n, N);
	test_case("by number");
	for (size_t i = 0; i < N; i++)
		test_true(hits_get(&h, i) == rows[i]);
	hits_deinit(&h);
}

TEST_MAIN(cmocka_unit_test(all))
