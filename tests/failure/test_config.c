/* SPDX-License-Identifier: ISC */
/*
 * failure/test_config - the configuration when memory runs out: -ENOMEM, and
 * what there was before stays
 */
#include <errno.h>

#include "alloc.h"
#include "base/test.h"
#include "config/settings.h"
#include "config/toml.h"

static const struct slice text =
    SLICE("[server]\nhostname = \"one.example\"\ndata = '/var/lib/ulak'\n"
	  "[[listener]]\nservice = \"mx\"\naddress = \"127.0.0.1\"\n"
	  "[[listener]]\nservice = \"imaps\"\naddress = \"::1\"\nport = 993\n"
	  "[outbound]\nport = 2525\n");

static const struct slice toml =
    SLICE("a = \"\\u00e4\\n\"\nb = [1, [2, \"x\"], {c = 1, d.e = true}]\n"
	  "[t.u]\nv = \"\"\"\nlong\n\"\"\"\n[[w]]\nx = 1979-05-27\n[[w]]\n"
	  "y = 1.5\n");

static bool
run_settings(void *ctx)
{
	static struct settings s;
	struct settings_error err;
	int r;

	(void)ctx;
	memset(&s, 0x55, sizeof(s));
	r = ALLOC_IN(settings_parse(text, "ulak.toml", &s, &err));
	if (r == SETTINGS_E_INVALID)
		print_error("%u:%u: %s\n", err.line, err.col, err.text);
	test_true(r == SETTINGS_OK || (r == -ENOMEM && alloc_has_failed()));
	if (r != SETTINGS_OK)
		test_int(s.hostname[0], 0x55);
	return r == SETTINGS_OK;
}

static bool
run_toml(void *ctx)
{
	struct toml_node *root = NULL;
	struct toml_error err;
	struct arena a;
	int r;

	(void)ctx;
	arena_init(&a, 256 * 1024);
	r = ALLOC_IN(toml_parse(toml, &a, &root, &err));
	test_true(r == TOML_OK || (r == -ENOMEM && alloc_has_failed()));
	test_int(root != NULL, r == TOML_OK);
	ALLOC_IN_VOID(arena_reset(&a));
	return r == TOML_OK;
}

static bool
run_printers(void *ctx)
{
	static struct settings s;
	struct buf out;
	int r = 0;

	(void)ctx;
	settings_default(&s);
	buf_init(&out, 64 * 1024);
	for (size_t i = 0; r == 0 && i < settings_n_keys(); i++)
		r = ALLOC_IN(settings_value_print(&s, i, &out));
	if (r == 0)
		r = ALLOC_IN(settings_man_print(&out));
	test_true(r == 0 || (r == -ENOMEM && alloc_has_failed()));
	ALLOC_IN_VOID(buf_deinit(&out));
	return r == 0;
}

static void
each_allocation_of_config(void **state)
{
	(void)state;
	test_true(alloc_each("settings", run_settings, NULL) > 0);
	test_true(alloc_each("toml", run_toml, NULL) > 0);
	test_true(alloc_each("printers", run_printers, NULL) > 0);
}

TEST_MAIN(cmocka_unit_test(each_allocation_of_config))
