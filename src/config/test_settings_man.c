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

/* What mdoc would take for something else does not stand in it: a line begins
 * with a macro of ours or a letter, and no quote or backslash is bare. */
static void
check_line(struct slice line)
{
	static const struct slice macros[] = { SLICE(".Ss ["),
		SLICE(".Bl -tag"), SLICE(".It Cm "), SLICE(".El") };
	bool is_known = line.len > 0 && ascii_is_alpha(line.at[0]);

	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		is_known |= slice_starts(line, macros[i]);
	if (!is_known)
		print_error("the line is \"%.*s\"\n", SLICE_FMT(line));
	test_true(is_known);
	test_true(slice_find_byte(line, '"') == SIZE_MAX);
	for (size_t i = 0; i < line.len; i++)
		if (line.at[i] == '\\')
			test_true(i + 1 < line.len &&
			    slice_find_byte(SLICE("e(&"), line.at[i + 1]) !=
				SIZE_MAX);
}

static unsigned
count(struct slice in, const char *what)
{
	unsigned n = 0;
	size_t at;

	while ((at = slice_find(in, slice_cstr(what))) != SIZE_MAX) {
		in = slice_from(in, at + strlen(what));
		n++;
	}
	return n;
}

static void
every_key_is_there_once(void **state)
{
	struct slice rest, line;
	unsigned n_sections = 0;
	struct buf list;

	(void)state;
	buf_init(&list, PAGE_MAX);
	test_int(settings_man_print(&list), 0);
	test_int(count(buf_slice(&list), ".It Cm "), settings_n_keys());
	for (size_t i = 0; i < settings_n_keys(); i++) {
		char head[128];

		test_case(settings_key_name(i));
		(void)snprintf(head, sizeof(head), ".Ss [%s]\n",
		    settings_key_section(i));
		test_int(count(buf_slice(&list), head), 1);
		n_sections += i == 0 ||
		    strcmp(settings_key_section(i),
			settings_key_section(i - 1)) != 0;
	}
	test_case("lists are opened and closed");
	test_int(count(buf_slice(&list), ".Bl "), n_sections);
	test_int(count(buf_slice(&list), ".El\n"), n_sections);
	test_case("what must be given has no default");
	test_int(count(buf_slice(&list), "; it must be given.\n"), 2);
	test_int(count(buf_slice(&list), "; default "), settings_n_keys() - 2);
	rest = buf_slice(&list);
	while (slice_take_until(&rest, '\n', &line))
		check_line(line);
	test_int(rest.len, 0);
	buf_deinit(&list);
}

static void
no_room_is_told(void **state)
{
	size_t whole;
	struct buf list;

	(void)state;
	buf_init(&list, PAGE_MAX);
	test_int(settings_man_print(&list), 0);
	whole = list.len;
	buf_deinit(&list);
	for (size_t cap = 0; cap < whole; cap += whole / 50) {
		buf_init(&list, cap);
		test_int(settings_man_print(&list), BUF_E_FULL);
		buf_deinit(&list);
	}
	buf_init(&list, whole);
	test_int(settings_man_print(&list), 0);
	buf_deinit(&list);
}

TEST_MAIN(cmocka_unit_test(page_is_current),
    cmocka_unit_test(every_key_is_there_once),
    cmocka_unit_test(no_room_is_told))
