/* SPDX-License-Identifier: ISC */
/* A charge fits every purse of the chain or changes none. */
#include "base/charge.h"
#include "base/test.h"

static void
fits_all_or_none(void **state)
{
	struct purse process, client;
	struct charge a = { 0 }, b = { 0 };

	(void)state;
	test_case("chain");
	purse_init(&process, NULL, 100);
	purse_init(&client, &process, 80);
	test_true(charge_take(&a, &client, 60));
	test_int(client.used, 60);
	test_int(process.used, 60);
	test_true(!charge_take(&b, &client, 30)); /* the client's limit */
	test_true(charge_take(&b, &process, 40));
	test_true(!charge_change(&a, 61)); /* the process's limit */
	test_int(client.used, 60);
	test_int(process.used, 100);
	test_true(charge_change(&a, 10));
	test_int(process.used, 50);
	charge_release(&a);
	charge_release(&a);
	charge_release(&b);
	test_int(client.used, 0);
	test_int(process.used, 0);
}

static void
has_no_overflow(void **state)
{
	struct purse p;
	struct charge a = { 0 }, b = { 0 };

	(void)state;
	test_case("SIZE_MAX");
	purse_init(&p, NULL, 100);
	test_true(charge_take(&a, &p, 1));
	test_true(!charge_take(&b, &p, SIZE_MAX));
	test_true(!charge_change(&a, SIZE_MAX));
	test_int(p.used, 1);
	charge_release(&a);
}

TEST_MAIN(cmocka_unit_test(fits_all_or_none), cmocka_unit_test(has_no_overflow))
