/* SPDX-License-Identifier: ISC */
/* The first line: a key's value, or a pattern; the second: a route. */
#include "queue/terms.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read back is what was printed. */
static void
check_values(struct slice text)
{
	for (enum terms_key k = 0; k < TERMS_N; k++) {
		char printed[TERMS_TEXT_MAX];
		int64_t value, again;

		if (!terms_value_parse(k, text, &value))
			continue;
		terms_value_print(k, value, printed);
		if (!terms_value_parse(k, slice_cstr(printed), &again) ||
		    again != value)
			abort();
	}
}

/* Patterns get shorter until "*": there is an end. */
static void
check_ways(struct slice route)
{
	struct slice pattern = { 0 };
	size_t n = 0;

	while (terms_pattern_next(route, &pattern))
		if (++n > route.len + 2 || pattern.len == 0)
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t seed[MAP_SEED] = { 0 };
	struct slice rest = slice_of(data, size), first;
	struct terms_table t;
	struct terms terms;

	if (!slice_take_until(&rest, '\n', &first)) {
		first = rest;
		rest.len = 0;
	}
	check_values(first);
	check_ways(rest);
	memset(&terms, 0, sizeof(terms));
	terms_table_init(&t, seed);
	if (terms_table_put(&t, first, &terms) == 0)
		terms_table_find(&t, rest, &terms, NULL);
	terms_table_deinit(&t);
	return 0;
}
