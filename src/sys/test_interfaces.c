/* SPDX-License-Identifier: ISC */
/* This machine has at least its loopback, and no more than there is room for.
 */
#include "base/test.h"
#include "sys/interfaces.h"

static void
loopback_is_among_them(void **state)
{
	struct env_addr all[64];
	size_t n = interfaces_list(all, 64);
	bool has_loopback = false;

	(void)state;
	test_true(n > 0);
	for (size_t i = 0; i < n; i++) {
		test_true(all[i].family == 4 || all[i].family == 6);
		has_loopback |= env_addr_is_loopback(&all[i]);
	}
	test_true(has_loopback);
	test_int(interfaces_list(all, 0), 0);
	test_int(interfaces_list(all, 1), 1);
}

TEST_MAIN(cmocka_unit_test(loopback_is_among_them))
