/* SPDX-License-Identifier: ISC */
/* A map agrees with a plain table through growth, graves and reuse. */
#include "base/map.h"
#include "base/test.h"

static const uint8_t seed[MAP_SEED] = { 1, 2, 3 };

static void
agrees_with_a_table(void **state)
{
	static char *model[1000];
	struct map m;
	size_t n = 0;

	(void)state;
	test_case("numbers");
	map_init(&m, seed);
	srand(3);
	for (int i = 0; i < 200000; i++) {
		unsigned key = (unsigned)rand() % 1000;

		test_true(map_get_number(&m, key) == model[key]);
		if (model[key] == NULL) {
			model[key] = (char *)model + key;
			test_int(map_put_number(&m, key, model[key]), 0);
			n++;
		} else {
			test_true(map_take_number(&m, key) == model[key]);
			model[key] = NULL;
			n--;
		}
		test_int(m.n, n);
	}
	test_true(m.size <= 4096); /* graves do not make it grow for ever */
	map_deinit(&m);
}

static void
tells_keys_apart(void **state)
{
	int a, b, c;
	struct map m;

	(void)state;
	test_case("slices");
	map_init(&m, seed);
	test_int(map_put(&m, SLICE("a"), &a), 0);
	test_int(map_put(&m, SLICE(""), &b), 0);
	test_int(map_put_number(&m, 'a', &c), 0);
	test_true(map_get(&m, SLICE("a")) == &a);
	test_true(map_get(&m, SLICE("")) == &b);
	test_true(map_get_number(&m, 'a') == &c);
	test_true(map_get(&m, SLICE("A")) == NULL);
	test_true(map_take(&m, SLICE("a")) == &a);
	test_true(map_take(&m, SLICE("a")) == NULL);
	map_deinit(&m);
}

static void
walks_each_once(void **state)
{
	static int values[500], seen[500];
	struct map m;
	size_t at = 0, n = 0;
	int *v;

	(void)state;
	test_case("walk, taking what was returned");
	map_init(&m, seed);
	for (size_t i = 0; i < 500; i++)
		test_int(map_put_number(&m, i, &values[i]), 0);
	while ((v = map_next(&m, &at)) != NULL) {
		seen[v - values]++;
		n++;
		test_true(map_take_number(&m, (uint64_t)(v - values)) == v);
	}
	test_int(n, 500);
	for (size_t i = 0; i < 500; i++)
		test_int(seen[i], 1);
	test_int(m.n, 0);
	map_deinit(&m);
}

TEST_MAIN(cmocka_unit_test(agrees_with_a_table),
    cmocka_unit_test(tells_keys_apart), cmocka_unit_test(walks_each_once))
