/* SPDX-License-Identifier: ISC */
/* man/ulak.toml.5 lists the settings as the table has them; when this fails:
 * tools/man-options.sh BUILD/ulak. */
#include "base/test.h"
#include "config/settings.h"

enum {
	PAGE_MAX = 256 * 1024
};

static struct slice
read_page(char *text)
{
	const char *root = getenv("SOURCE_ROOT");
	char path[1024];
	FILE *page;
	size_t n;

	(void)snprintf(path, sizeof(path), "%s/man/ulak.toml.5",
	    root == NULL ? "." : root);
	page = fopen(path, "r");
	test_true(page != NULL);
	n = fread(text, 1, PAGE_MAX, page);
	(void)fclose(page);
	return slice_of(text, n);
}

static void
page_is_current(void **state)
{
	static char text[PAGE_MAX];
	struct slice page = read_page(text), rest;
	struct buf list;
	size_t at;

	(void)state;
	buf_init(&list, PAGE_MAX);
	test_int(settings_man_print(&list), 0);
	test_true(list.len > 1000);
	at = slice_find(page, SLICE(".\\\" From here"));
	test_true(at != SIZE_MAX);
	rest = slice_from(page, at);
	rest = slice_from(rest, slice_find_byte(rest, '\n') + 1);
	at = slice_find(rest, SLICE(".\\\" END"));
	test_true(at != SIZE_MAX);
	test_slice(slice_upto(rest, at), buf_slice(&list));
	buf_deinit(&list);
}

TEST_MAIN(cmocka_unit_test(page_is_current))
