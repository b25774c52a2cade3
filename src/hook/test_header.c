/* SPDX-License-Identifier: ISC */
/* Where a header section ends, and what filters' edits make of it. */
#include "base/test.h"
#include "hook/header.h"

static const struct {
	const char *what;
	struct slice in;
	size_t fields, len;
} sections[] = {
	{ "plain", SLICE("A: b\r\nC: d\r\n\r\nbody\r\n"), 12, 14 },
	{ "folded", SLICE("A: b\r\n c\r\n\r\nbody"), 10, 12 },
	{ "no body", SLICE("A: b\r\n"), 6, 6 },
	{ "no header", SLICE("\r\nbody\r\n"), 0, 2 },
	{ "no field in the first line", SLICE("hello\r\nA: b\r\n\r\n"), 0, 0 },
	{ "no field in the second", SLICE("A: b\r\nhello\r\n\r\n"), 6, 6 },
	{ "begins with a blank", SLICE(" A: b\r\n\r\n"), 0, 0 },
	{ "nothing", SLICE(""), 0, 0 },
};

static void
section_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++)
		for (size_t step = 1; step <= 30; step += 29) {
			struct hook_section s;
			struct slice in = sections[i].in;

			test_case(sections[i].what);
			hook_section_init(&s);
			do {
				struct slice part = slice_upto(in, step);

				in = slice_from(in, part.len);
				test_int(hook_section_feed(&s, part,
					     in.len == 0),
				    HOOK_OK);
			} while (in.len > 0 && !s.is_done);
			test_true(s.is_done);
			test_int(s.fields, sections[i].fields);
			test_int(s.len, sections[i].len);
			hook_section_deinit(&s);
		}
}

static void
section_is_bounded(void **state)
{
	struct hook_section s;
	struct slice line =
	    SLICE("A: 0123456789012345678901234567890123456\r\n");
	int r = HOOK_OK;
	size_t n = 0;

	(void)state;
	hook_section_init(&s);
	while (r == HOOK_OK && n <= LIMIT_HEADER) {
		r = hook_section_feed(&s, line, false);
		n += line.len;
	}
	test_int(r, HOOK_E_FULL);
	test_true(n > LIMIT_HEADER);
	hook_section_deinit(&s);
}

#define HEADER SLICE("A: 1\r\nB: 2\r\n x\r\na: 3\r\n")

static const struct {
	const char *what;
	char edit; /* add, insert, change, remove */
	int index;
	struct slice name, value;
	int want;
	struct slice after;
} edits[] = {
	{ "add", 'a', 0, SLICE("N"), SLICE("v"), HOOK_OK,
	    SLICE("A: 1\r\nB: 2\r\n x\r\na: 3\r\nN: v\r\n") },
	{ "add, folded with LF", 'a', 0, SLICE("N"), SLICE("v\n\tw"), HOOK_OK,
	    SLICE("A: 1\r\nB: 2\r\n x\r\na: 3\r\nN: v\r\n\tw\r\n") },
	{ "add, folded with CRLF", 'a', 0, SLICE("N"), SLICE("v\r\n w"),
	    HOOK_OK, SLICE("A: 1\r\nB: 2\r\n x\r\na: 3\r\nN: v\r\n w\r\n") },
	{ "insert first", 'i', 0, SLICE("N"), SLICE("v"), HOOK_OK,
	    SLICE("N: v\r\nA: 1\r\nB: 2\r\n x\r\na: 3\r\n") },
	{ "insert second", 'i', 1, SLICE("N"), SLICE("v"), HOOK_OK,
	    SLICE("A: 1\r\nN: v\r\nB: 2\r\n x\r\na: 3\r\n") },
	{ "insert beyond the last", 'i', 99, SLICE("N"), SLICE("v"), HOOK_OK,
	    SLICE("A: 1\r\nB: 2\r\n x\r\na: 3\r\nN: v\r\n") },
	{ "change, whatever the case", 'c', 2, SLICE("A"), SLICE("v"), HOOK_OK,
	    SLICE("A: 1\r\nB: 2\r\n x\r\nA: v\r\n") },
	{ "change index 0 is the first", 'c', 0, SLICE("a"), SLICE("v"),
	    HOOK_OK, SLICE("a: v\r\nB: 2\r\n x\r\na: 3\r\n") },
	{ "change one that is not there adds", 'c', 3, SLICE("A"), SLICE("v"),
	    HOOK_OK, SLICE("A: 1\r\nB: 2\r\n x\r\na: 3\r\nA: v\r\n") },
	{ "take out", 'c', 1, SLICE("B"), SLICE(""), HOOK_OK,
	    SLICE("A: 1\r\na: 3\r\n") },
	{ "take out what is not there", 'c', 2, SLICE("B"), SLICE(""), HOOK_OK,
	    HEADER },
	{ "remove all", 'r', 0, SLICE("A"), SLICE(""), HOOK_OK,
	    SLICE("B: 2\r\n x\r\n") },
	{ "remove the last", 'r', -1, SLICE("A"), SLICE(""), HOOK_OK,
	    SLICE("A: 1\r\nB: 2\r\n x\r\n") },
	{ "remove the first", 'r', 1, SLICE("A"), SLICE(""), HOOK_OK,
	    SLICE("B: 2\r\n x\r\na: 3\r\n") },
	{ "an empty line in the value", 'a', 0, SLICE("N"),
	    SLICE("v\n\nhidden body"), HOOK_E_BAD, HEADER },
	{ "a line of blanks in the value", 'a', 0, SLICE("N"),
	    SLICE("v\n \n w"), HOOK_E_BAD, HEADER },
	{ "a second field in the value", 'a', 0, SLICE("N"),
	    SLICE("v\nBcc: x@y.example"), HOOK_E_BAD, HEADER },
	{ "bare CR", 'a', 0, SLICE("N"), SLICE("v\rw"), HOOK_E_BAD, HEADER },
	{ "NUL", 'a', 0, SLICE("N"), SLICE("v\0w"), HOOK_E_BAD, HEADER },
	{ "name with colon", 'i', 0, SLICE("N:"), SLICE("v"), HOOK_E_BAD,
	    HEADER },
	{ "name with line end", 'c', 1, SLICE("A\r\nB"), SLICE("v"), HOOK_E_BAD,
	    HEADER },
	{ "no name", 'r', 1, SLICE(""), SLICE(""), HOOK_E_BAD, HEADER },
};

static int
apply(struct hook_header *h, char edit, int index, struct slice name,
    struct slice value)
{
	switch (edit) {
	case 'a':
		return hook_header_add(h, name, value, false);
	case 'i':
		return hook_header_insert(h, (size_t)index, name, value, false);
	case 'c':
		return hook_header_change(h, (size_t)index, name, value, false);
	default:
		return hook_header_remove(h, name, index);
	}
}

static void
edits_apply(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct slice in = test_exact_copy(HEADER);
		struct hook_header h;
		struct buf out;

		test_case(edits[i].what);
		buf_init(&out, LIMIT_HEADER);
		test_int(hook_header_init(&h, in), HOOK_OK);
		test_int(apply(&h, edits[i].edit, edits[i].index, edits[i].name,
			     edits[i].value),
		    edits[i].want);
		test_int(hook_header_print(&h, &out), HOOK_OK);
		test_slice(buf_slice(&out), edits[i].after);
		test_int(h.bytes, out.len);
		test_int(h.is_changed, !slice_equal(edits[i].after, HEADER));
		hook_header_deinit(&h);
		buf_deinit(&out);
		test_free_copy(in);
	}
}

static void
header_is_bounded(void **state)
{
	struct hook_header h;
	int r = HOOK_OK;
	size_t n = 0;

	(void)state;
	test_int(hook_header_init(&h, HEADER), HOOK_OK);
	for (; r == HOOK_OK && n <= LIMIT_HOOK_FIELDS; n++)
		r = hook_header_add(&h, SLICE("N"), SLICE("v"), false);
	test_int(r, HOOK_E_FULL);
	test_int(h.n, LIMIT_HOOK_FIELDS);
	hook_header_deinit(&h);
	test_int(hook_header_init(&h, HEADER), HOOK_OK);
	{
		struct buf value;

		buf_init(&value, 1000);
		for (size_t i = 0; i < 996; i++)
			(void)buf_add_byte(&value, 'x');
		test_case("a line of 999 octets");
		test_int(hook_header_add(&h, SLICE("N"), buf_slice(&value),
			     false),
		    HOOK_E_BAD);
		test_case("a line of 998 octets");
		value.len--;
		test_int(hook_header_add(&h, SLICE("N"), buf_slice(&value),
			     false),
		    HOOK_OK);
		buf_deinit(&value);
	}
	hook_header_deinit(&h);
}

static void
lines(void **state)
{
	static const struct {
		struct slice in;
		bool is_fine, ends;
	} rows[] = {
		{ SLICE(""), true, true },
		{ SLICE("a\r\n"), true, true },
		{ SLICE("a"), true, false },
		{ SLICE("a\r"), true, false },
		{ SLICE("a\n"), false, false },
		{ SLICE("a\rb"), false, false },
		{ SLICE("a\r\r\n"), false, false },
		{ SLICE("a\r\n.\r\n\r\n"), true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct hook_lines l = { 0 };
		bool is_fine = true;

		/* octet by octet: nothing hides at a seam */
		for (size_t k = 0; k < rows[i].in.len; k++)
			is_fine = is_fine &&
			    hook_lines_check(&l,
				slice_of(rows[i].in.at + k, 1));
		test_int(is_fine, rows[i].is_fine);
		if (is_fine)
			test_int(hook_lines_end(&l), rows[i].ends);
	}
}

TEST_MAIN(cmocka_unit_test(section_ends), cmocka_unit_test(section_is_bounded),
    cmocka_unit_test(edits_apply), cmocka_unit_test(header_is_bounded),
    cmocka_unit_test(lines))
