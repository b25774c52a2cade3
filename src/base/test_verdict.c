/* SPDX-License-Identifier: ISC */
/* Our trouble is temporary, whatever it was. */
#include "base/test.h"
#include "base/verdict.h"

static void
trouble_is_temporary(void **state)
{
	struct verdict v = verdict_trouble();
	struct verdict no = VERDICT(550, 5, 1, 1, "no such user");
	struct verdict ok = VERDICT(250, 2, 0, 0, "ok");

	(void)state;
	test_case("451");
	test_int(v.code, 451);
	test_int(v.esc.class, 4);
	test_true(verdict_is_temporary(&v) && !verdict_is_permanent(&v));
	test_true(verdict_is_permanent(&no) && !verdict_is_ok(&no));
	test_true(verdict_is_ok(&ok) && !verdict_is_temporary(&ok));
}

TEST_MAIN(cmocka_unit_test(trouble_is_temporary))
