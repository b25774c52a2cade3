/* SPDX-License-Identifier: ISC */
/*
 * base/test - a thin header over cmocka for tests that stand beside the code
 *
 * A test program holds functions `static void name(void **state)` and a main
 * of TEST_MAIN(cmocka_unit_test(name), ...). Inside table-driven tests call
 * test_case() first, so that a failure says which row it was.
 */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define TEST_MAIN(...)                                                         \
	int main(void)                                                         \
	{                                                                      \
		const struct CMUnitTest tests[] = { __VA_ARGS__ };             \
		return cmocka_run_group_tests(tests, NULL, NULL);              \
	}

static const char *test_case_name = "";

static inline void
test_case(const char *what)
{
	test_case_name = what;
}

/* A copy exactly as long as the input, so that ASan guards its edge. Freed
 * with test_free_copy. */
static inline struct slice
test_exact_copy(struct slice s)
{
	uint8_t *at = malloc(s.len == 0 ? 1 : s.len);

	if (at == NULL)
		abort();
	if (s.len > 0)
		memcpy(at, s.at, s.len);
	return slice_of(at, s.len);
}

static inline void
test_free_copy(struct slice s)
{
	free((void *)(uintptr_t)s.at);
}

static inline void
test_fail(const char *file, int line, const char *what)
{
	print_error("in case \"%s\": %s\n", test_case_name, what);
	_fail(file, line);
}

#define test_true(c)                                                           \
	do {                                                                   \
		if (!(c))                                                      \
			test_fail(__FILE__, __LINE__, #c " is false");         \
	} while (0)

#define test_int(got, want)                                                    \
	test_int_at((long long)(got), (long long)(want), __FILE__, __LINE__)
#define test_slice(got, want) test_slice_at((got), (want), __FILE__, __LINE__)

static inline void
test_int_at(long long got, long long want, const char *file, int line)
{
	char what[96];

	if (got == want)
		return;
	(void)snprintf(what, sizeof(what), "got %lld, want %lld", got, want);
	test_fail(file, line, what);
}

static inline void
test_slice_at(struct slice got, struct slice want, const char *file, int line)
{
	if (slice_equal(got, want))
		return;
	print_error("got  \"%.*s\"\nwant \"%.*s\"\n", SLICE_FMT(got),
	    SLICE_FMT(want));
	test_fail(file, line, "slices differ");
}

#endif
