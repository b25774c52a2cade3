/* SPDX-License-Identifier: ISC */
/* An arena gives zeroed, aligned memory up to its cap and takes it back whole.
 */
#include <stdalign.h>

#include "base/arena.h"
#include "base/test.h"

static void
keeps_its_cap(void **state)
{
	struct arena a;
	size_t n = 0;

	(void)state;
	test_case("cap");
	arena_init(&a, 10000);
	while (arena_alloc(&a, 100) != NULL)
		n++;
	test_true(n > 60 && n <= 100);
	test_true(a.used <= 10000);
	test_true(arena_alloc(&a, SIZE_MAX) == NULL);
	test_true(arena_array(&a, SIZE_MAX / 2, 16) == NULL);
	arena_reset(&a);
	test_int(a.used, 0);
	test_true(arena_alloc(&a, 5000) != NULL);
	arena_reset(&a);
}

static void
gives_zeroed_aligned_distinct_memory(void **state)
{
	struct arena a;
	uint8_t *last = NULL;

	(void)state;
	test_case("pieces");
	arena_init(&a, 100000);
	for (size_t size = 1; size < 200; size++) {
		uint8_t *at = arena_alloc(&a, size);

		assert_non_null(at);
		test_int((uintptr_t)at % alignof(max_align_t), 0);
		for (size_t i = 0; i < size; i++)
			test_int(at[i], 0);
		memset(at, 0xee, size);
		test_true(at != last);
		last = at;
	}
	arena_reset(&a);
}

static void
copies(void **state)
{
	struct slice got = SLICE("untouched");
	struct arena a;

	(void)state;
	test_case("copy");
	arena_init(&a, 4096);
	test_true(arena_copy(&a, SLICE("bytes"), &got));
	test_slice(got, SLICE("bytes"));
	test_true(!a.starved);
	test_true(!arena_copy(&a, slice_of(got.at, 5000), &got));
	test_slice(got, SLICE("bytes"));
	test_true(a.starved);
	arena_reset(&a);
	test_true(!a.starved);
}

TEST_MAIN(cmocka_unit_test(keeps_its_cap),
    cmocka_unit_test(gives_zeroed_aligned_distinct_memory),
    cmocka_unit_test(copies))
