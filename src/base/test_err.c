/* SPDX-License-Identifier: ISC */
/* Errors go up unchanged and leave a trail; conditions leave none. */
#include <errno.h>

#include "base/err.h"
#include "base/test.h"

static int
deep(int r)
{
	return ERR_ORIGIN(r);
}

static int
middle(int r)
{
	return ERR_TRACE(deep(r));
}

static void
leave_a_trail(void **state)
{
	const char *text;

	(void)state;
	test_case("trail");
	test_int(middle(-EIO), -EIO);
	text = err_trace_text();
	test_true(strncmp(text, "EIO at deep test_err.c:", 23) == 0);
	test_true(strstr(text, " < middle test_err.c:") != NULL);
	test_int(middle(-ENOSPC), -ENOSPC);
	test_true(strstr(err_trace_text(), "EIO") == NULL);
}

static void
conditions_pass_in_silence(void **state)
{
	char before[800];

	(void)state;
	test_case("condition");
	(void)middle(-EPERM);
	(void)snprintf(before, sizeof(before), "%s", err_trace_text());
	test_int(middle(3), 3);
	test_int(middle(0), 0);
	assert_string_equal(before, err_trace_text());
}

static void
a_long_trail_is_cut(void **state)
{
	(void)state;
	test_case("long");
	(void)ERR_ORIGIN(-EIO);
	for (int i = 0; i < 100; i++)
		(void)ERR_TRACE(-EIO);
	test_true(strlen(err_trace_text()) < 768);
}

TEST_MAIN(cmocka_unit_test(leave_a_trail),
    cmocka_unit_test(conditions_pass_in_silence),
    cmocka_unit_test(a_long_trail_is_cut))
