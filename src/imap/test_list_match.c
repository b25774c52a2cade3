/* SPDX-License-Identifier: ISC */
/*
 * test: patterns of LIST. The matcher, which remembers two places, agrees with
 * one that tries everything, for all short patterns and names.
 */
#include "base/test.h"
#include "imap/list_match.h"

static bool
slow(struct slice p, struct slice n)
{
	if (p.len == 0)
		return n.len == 0;
	if (p.at[0] == '*' || p.at[0] == '%')
		return slow(slice_from(p, 1), n) ||
		    (n.len > 0 && (p.at[0] == '*' || n.at[0] != '/') &&
			slow(p, slice_from(n, 1)));
	return n.len > 0 && p.at[0] == n.at[0] &&
	    slow(slice_from(p, 1), slice_from(n, 1));
}

static size_t
spell(unsigned number, const char *letters, unsigned base, uint8_t *to)
{
	size_t n = 0;

	for (; number > 0; number /= base)
		to[n++] = (uint8_t)letters[number-- % base];
	return n;
}

static void
agrees_with_the_slow_one(void **state)
{
	uint8_t pattern[16], name[16];

	(void)state;
	for (unsigned i = 0; i < 5 * 5 * 5 * 5 * 4; i++)
		for (unsigned j = 0; j < 3 * 3 * 3 * 3 * 3; j++) {
			struct slice p =
			    slice_of(pattern, spell(i, "*%/ab", 5, pattern));
			struct slice n =
			    slice_of(name, spell(j, "/ab", 3, name));

			assert_int_equal(imap_list_matches(p, n, false),
			    slow(p, n));
		}
}

static void
inbox_in_any_case(void **state)
{
	(void)state;
	test_true(imap_list_matches(SLICE("inB*"), SLICE("INBOX"), true));
	test_true(!imap_list_matches(SLICE("inB*"), SLICE("INBOX"), false));
	test_true(!imap_list_matches(SLICE("in"), SLICE("INBOX"), true));
}

static void
children_follow_their_parent(void **state)
{
	static const char *const sorted[] = { "a", "a/b", "a/b/c", "a b", "a-b",
		"a-b/c", "a0", "b" };

	(void)state;
	for (size_t i = 0; i + 1 < sizeof(sorted) / sizeof(sorted[0]); i++)
		test_true(imap_names_compare(slice_cstr(sorted[i]),
			      slice_cstr(sorted[i + 1])) < 0);
	test_int(imap_names_compare(SLICE("a/b"), SLICE("a/b")), 0);
	test_true(imap_name_is_below(SLICE("a/b"), SLICE("a")));
	test_true(!imap_name_is_below(SLICE("ab"), SLICE("a")));
	test_true(!imap_name_is_below(SLICE("a"), SLICE("a")));
}

TEST_MAIN(cmocka_unit_test(agrees_with_the_slow_one),
    cmocka_unit_test(inbox_in_any_case),
    cmocka_unit_test(children_follow_their_parent))
