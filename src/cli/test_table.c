/* SPDX-License-Identifier: ISC */
/* How rows look to people, and what they are to programs. */
#include "base/test.h"
#include "cli/table.h"

static const struct table_column columns[] = {
	{ "who", "who", TABLE_TEXT },
	{ "n", "count", TABLE_NUMBER },
	{ "at", "at", TABLE_TIME },
	{ "size", "size", TABLE_SIZE },
	{ "ok", "ok", TABLE_BOOL },
	{ "secret", NULL, TABLE_TEXT },
	{ NULL, NULL, TABLE_TEXT },
};

static const struct {
	const char *what, *rows, *want;
} tables[] = {
	{ "nothing", "[]", "" },
	{ "numbers to the right, texts to the left",
	    "[{\"who\":\"a\",\"n\":\"7\",\"at\":\"0\",\"size\":\"0\",\"ok\":"
	    "\"1\"},"
	    "{\"who\":\"bcde\",\"n\":\"123456\",\"at\":\"1763876767000000\","
	    "\"size\":\"1536\",\"ok\":\"0\"}]",
	    "who    count  at                      size  ok\n"
	    "a          7  -                        0 B  yes\n"
	    "bcde  123456  2025-11-23 05:46:07  1.5 KiB  no\n" },
	{ "unknown columns stand at the end, untitled ones nowhere",
	    "[{\"who\":\"a\",\"secret\":\"s\",\"new\":\"x\"}]",
	    "who  count  at  size  ok  new\n"
	    "a                         x\n" },
	{ "wide characters",
	    "[{\"who\":\"\xe6\x97\xa5\",\"n\":\"1\"},{\"who\":\"abc\"}]",
	    "who  count  at  size  ok\n"
	    "\xe6\x97\xa5       1            \n"
	    "abc                   \n" },
	{ "what a terminal would obey",
	    "[{\"who\":\"\\u001b[31m\\u009b\\r\\n\\u007f\",\"n\":\"x\"}]",
	    "who                           count  at  size  ok\n"
	    "\\x1b[31m\\xc2\\x9b\\x0d\\x0a\\x7f      x            \n" },
};

static void
quotas_may_be_none(void **state)
{
	char cell[TABLE_CELL];

	(void)state;
	table_cell(TABLE_QUOTA, "0", cell);
	test_slice(slice_cstr(cell), SLICE("none"));
	table_cell(TABLE_QUOTA, "2048", cell);
	test_slice(slice_cstr(cell), SLICE("2.0 KiB"));
}

static void
prints_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		json_t *rows = json_loads(tables[i].rows, 0, NULL);
		char *text = NULL;
		size_t len = 0;
		FILE *to = open_memstream(&text, &len);

		test_case(tables[i].what);
		test_true(rows != NULL && to != NULL);
		table_print(rows, columns, to);
		(void)fclose(to);
		test_slice(slice_of(text, len), slice_cstr(tables[i].want));
		free(text);
		json_decref(rows);
	}
}

static void
prints_json(void **state)
{
	json_t *rows =
	    json_loads("[{\"who\":\"7\",\"n\":\"7\",\"at\":"
		       "\"1763876767000042\",\"ok\":"
		       "\"1\",\"size\":\"-3\",\"secret\":\"s\",\"new\":\"1\"},"
		       "{\"at\":\"0\",\"n\":\"many\"}]",
		0, NULL);
	json_t *typed = table_json(rows, columns);
	char *text = json_dumps(typed, JSON_COMPACT);

	(void)state;
	test_slice(slice_cstr(text),
	    SLICE("[{\"who\":\"7\",\"n\":7,\"at\":\"2025-11-23T05:46:07."
		  "000042Z\",\"ok\":true,\"size\":-3,\"secret\":\"s\","
		  "\"new\":\"1\"},{\"at\":null,\"n\":\"many\"}]"));
	free(text);
	json_decref(typed);
	json_decref(rows);
}

/* Nothing is written past the cell, whatever comes. */
static void
cuts_long_cells(void **state)
{
	static uint8_t long_text[4 * TABLE_CELL];
	char cell[TABLE_CELL];

	(void)state;
	memset(long_text, 0x1b, sizeof(long_text));
	table_clean(slice_of(long_text, sizeof(long_text)), cell);
	test_true(strlen(cell) < TABLE_CELL && strlen(cell) > TABLE_CELL - 10);
	memset(long_text, 'a', sizeof(long_text));
	table_clean(slice_of(long_text, sizeof(long_text)), cell);
	test_true(strlen(cell) < TABLE_CELL && strlen(cell) > TABLE_CELL - 10);
}

TEST_MAIN(cmocka_unit_test(prints_tables), cmocka_unit_test(quotas_may_be_none),
    cmocka_unit_test(prints_json), cmocka_unit_test(cuts_long_cells))
