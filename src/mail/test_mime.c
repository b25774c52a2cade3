/* SPDX-License-Identifier: ISC */
/*
 * test_mime - where parts begin and end, in the cases that vectors leave out
 *
 * Each row is parsed whole, byte by byte, and in all two-piece cuts.
 */
#include "base/buf.h"
#include "base/limits.h"
#include "base/test.h"
#include "mail/mime.h"

/* depth kind offset header_len body_len lines type/subtype, one a line */
static const struct row {
	const char *what;
	struct slice message;
	const char *want;
} rows[] = {
	{ "no octet at all", SLICE(""), "0 text 0 0 0 0 text/plain\n" },
	{ "only a header", SLICE("A: b\r\n"), "0 text 0 6 0 0 text/plain\n" },
	{ "header without an end", SLICE("A: b"),
	    "0 text 0 4 0 0 text/plain\n" },
	{ "only a body", SLICE("\r\nx\r\n"), "0 text 0 2 3 1 text/plain\n" },
	{ "bare line feeds", SLICE("A: b\n\nx\ny"),
	    "0 text 0 6 3 1 text/plain\n" },
	{ "a type that is none", SLICE("Content-Type: foo\r\n\r\n"),
	    "0 text 0 21 0 0 text/plain\n" },
	{ "the first type counts",
	    SLICE("Content-Type: a/b\r\nContent-Type: c/d\r\n\r\n"),
	    "0 leaf 0 40 0 0 a/b\n" },
	{ "multipart without a boundary",
	    SLICE("Content-Type: multipart/mixed\r\n\r\n--\r\n\r\nx"),
	    "0 multi 0 33 7 2 multipart/mixed\n" },
	{ "two parts, preamble, epilogue",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "pre\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: a/b\r\n\r\n"
		  "two\r\n\r\n--b--\r\nepilogue\r\n"),
	    "0 multi 0 45 67 11 multipart/mixed\n"
	    "1 text 55 2 3 0 text/plain\n"
	    "1 leaf 67 21 5 1 a/b\n" },
	{ "bare line feeds between parts",
	    SLICE("Content-Type: multipart/mixed; boundary=b\n\n"
		  "--b\n\none\n--b--"),
	    "0 multi 0 43 14 3 multipart/mixed\n"
	    "1 text 47 1 3 0 text/plain\n" },
	{ "no close-delimiter",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b\r\n\r\none\r\n"),
	    "0 multi 0 45 12 3 multipart/mixed\n"
	    "1 text 50 2 5 1 text/plain\n" },
	{ "nothing between two boundary lines",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b\r\n--b\r\n\r\n--b--\r\n"),
	    "0 multi 0 45 19 4 multipart/mixed\n"
	    "1 text 50 0 0 0 text/plain\n"
	    "1 text 55 2 0 0 text/plain\n" },
	{ "a header that a boundary line ends",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b\r\nContent-Type: a/b\r\n--b--\r\n"),
	    "0 multi 0 45 31 3 multipart/mixed\n"
	    "1 leaf 50 19 0 0 a/b\n" },
	{ "a boundary line counts by how it begins",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--bcd\r\n\r\nx\r\n--b-- trailing\r\ny"),
	    "0 multi 0 45 29 4 multipart/mixed\n"
	    "1 text 52 2 1 0 text/plain\n" },
	{ "one boundary begins like another",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b\r\nContent-Type: multipart/mixed; boundary=bc\r\n\r\n"
		  "--bc\r\n\r\nx\r\n--bc--\r\n--b--\r\n"),
	    "0 multi 0 45 77 8 multipart/mixed\n"
	    "1 multi 50 46 17 3 multipart/mixed\n"
	    "2 text 102 2 1 0 text/plain\n" },
	{ "the outer boundary ends the inner parts",
	    SLICE("Content-Type: multipart/mixed; boundary=a\r\n\r\n"
		  "--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b\r\n\r\nx\r\n--a\r\n\r\ny\r\n--a--\r\n"),
	    "0 multi 0 45 77 10 multipart/mixed\n"
	    "1 multi 50 45 8 2 multipart/mixed\n"
	    "2 text 100 2 1 0 text/plain\n"
	    "1 text 110 2 1 0 text/plain\n" },
	{ "a closed boundary is none any more",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b--\r\n--b\r\n\r\nx"),
	    "0 multi 0 45 15 3 multipart/mixed\n" },
	{ "a message in a message",
	    SLICE("Content-Type: message/rfc822\r\n\r\nSubject: "
		  "x\r\n\r\nhi\r\n"),
	    "0 message 0 32 18 3 message/rfc822\n"
	    "1 text 32 14 4 1 text/plain\n" },
	{ "a message without octets",
	    SLICE("Content-Type: message/rfc822\r\n\r\n"),
	    "0 message 0 32 0 0 message/rfc822\n"
	    "1 text 32 0 0 0 text/plain\n" },
	{ "a message whose header a boundary line ends",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b\r\nContent-Type: message/rfc822\r\n\r\n"
		  "Subject: x\r\n\r\n--b--\r\n"),
	    "0 multi 0 45 58 6 multipart/mixed\n"
	    "1 message 50 32 12 1 message/rfc822\n"
	    "2 text 82 12 0 0 text/plain\n" },
	{ "a message that a boundary line keeps from beginning",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "--b\r\nContent-Type: message/rfc822\r\n\r\n--b--\r\n"),
	    "0 multi 0 45 44 4 multipart/mixed\n"
	    "1 message 50 30 0 0 message/rfc822\n"
	    "2 text 80 0 0 0 text/plain\n" },
	{ "a digest",
	    SLICE("Content-Type: multipart/digest; boundary=b\r\n\r\n"
		  "--b\r\n\r\nSubject: x\r\n\r\ny\r\n--b--\r\n"),
	    "0 multi 0 46 31 6 multipart/digest\n"
	    "1 message 51 2 15 2 message/rfc822\n"
	    "2 text 53 14 1 0 text/plain\n" },
	{ "a folded boundary parameter",
	    SLICE("Content-Type: multipart/mixed;\r\n\tboundary=\"b b\"\r\n"
		  "\r\n--b b\r\n\r\nx\r\n--b b--\r\n"),
	    "0 multi 0 51 21 4 multipart/mixed\n"
	    "1 text 58 2 1 0 text/plain\n" },
	{ "dashes that are none",
	    SLICE("Content-Type: multipart/mixed; boundary=b\r\n\r\n"
		  "-\r\n--\r\n-b\r\n--B\r\n --b\r\n"),
	    "0 multi 0 45 22 5 multipart/mixed\n" },
};

static const char *const kinds[] = { "leaf", "text", "multi", "message" };

static void
check_envelopes(const struct mime_tree *tree)
{
	for (size_t i = 0; i < tree->n; i++) {
		const struct mime_part *p = &tree->parts[i];
		bool is_message =
		    i == 0 || tree->parts[p->parent].kind == MIME_MESSAGE;

		test_int(p->envelope != NULL, is_message);
	}
}

static void
check(const struct row *row, struct slice first, struct slice second)
{
	struct mime_tree tree;
	struct arena a;
	struct mime *m;
	struct buf got;

	arena_init(&a, MIME_MEMORY);
	buf_init(&got, 4096);
	m = mime_new(&a);
	test_true(m != NULL);
	mime_feed(m, first);
	mime_feed(m, second);
	test_true(mime_end(m, &tree));
	for (size_t i = 0; i < tree.n; i++) {
		const struct mime_part *p = &tree.parts[i];

		(void)buf_printf(&got, "%d %s %u %u %u %u %.*s/%.*s\n",
		    p->depth, kinds[p->kind], (unsigned)p->offset,
		    (unsigned)p->header_len, (unsigned)p->body_len,
		    (unsigned)p->lines, SLICE_FMT(p->type),
		    SLICE_FMT(p->subtype));
	}
	test_case(row->what);
	test_slice(buf_slice(&got), slice_cstr(row->want));
	test_int(tree.size, row->message.len);
	test_true(!tree.truncated);
	check_envelopes(&tree);
	buf_deinit(&got);
	arena_reset(&a);
}

static void
finds_the_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = rows[i].message;

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct slice first =
			    test_exact_copy(slice_upto(in, cut));
			struct slice second =
			    test_exact_copy(slice_from(in, cut));

			check(&rows[i], first, second);
			test_free_copy(first);
			test_free_copy(second);
		}
	}
}

/* -- limits
 * ---------------------------------------------------------------------- */

static void
nests_no_deeper_than_allowed(void **state)
{
	struct mime_tree tree;
	struct arena a;
	struct buf in;

	(void)state;
	test_case("80 levels");
	buf_init(&in, 64 * 1024);
	arena_init(&a, MIME_MEMORY);
	for (int i = 0; i < 80; i++)
		(void)buf_printf(&in,
		    "Content-Type: multipart/mixed; "
		    "boundary=b%02d\n\n--b%02d\n",
		    i, i);
	test_true(mime_parse(buf_slice(&in), &a, &tree));
	test_true(tree.truncated);
	test_int(tree.n, MIME_DEPTH + 1);
	test_int(tree.parts[tree.n - 1].depth, MIME_DEPTH);
	arena_reset(&a);
	buf_reset(&in, 0);
	test_case("80 messages");
	for (int i = 0; i < 80; i++)
		(void)buf_add_cstr(&in, "Content-Type: message/rfc822\n\n");
	test_true(mime_parse(buf_slice(&in), &a, &tree));
	test_true(tree.truncated);
	test_int(tree.n, MIME_DEPTH + 1);
	test_int(tree.parts[MIME_DEPTH].kind, MIME_LEAF);
	arena_reset(&a);
	buf_deinit(&in);
}

static void
takes_no_more_parts_than_allowed(void **state)
{
	struct mime_tree tree;
	struct arena a;
	struct buf in;

	(void)state;
	test_case("1500 parts");
	buf_init(&in, 64 * 1024);
	arena_init(&a, MIME_MEMORY);
	(void)buf_add_cstr(&in,
	    "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 1500; i++)
		(void)buf_add_cstr(&in, "--b\n\nx\n");
	test_true(mime_parse(buf_slice(&in), &a, &tree));
	test_true(tree.truncated);
	test_int(tree.n, MIME_PARTS);
	test_int(tree.parts[0].n_children, MIME_PARTS - 1);
	test_int(tree.parts[MIME_PARTS - 1].body_len, 1);
	arena_reset(&a);
	buf_deinit(&in);
}

static void
reads_no_more_header_than_allowed(void **state)
{
	struct mime_tree tree;
	struct arena a;
	struct buf in;

	(void)state;
	test_case("a field of 100 KiB, then a type");
	buf_init(&in, 2 * 1024 * 1024);
	arena_init(&a, MIME_MEMORY);
	(void)buf_add_cstr(&in, "X: ");
	for (int i = 0; i < 100 * 1024; i++)
		(void)buf_add_byte(&in, 'x');
	(void)buf_add_cstr(&in, "\r\nContent-Type: a/b\r\n\r\nbody");
	test_true(mime_parse(buf_slice(&in), &a, &tree));
	test_true(tree.truncated);
	test_slice(tree.parts[0].type, SLICE("a"));
	test_int(tree.parts[0].body_len, 4);
	arena_reset(&a);
	test_case("a header of 1 MiB, then a type");
	buf_reset(&in, 2 * 1024 * 1024);
	while (in.len < 1024 * 1024)
		(void)buf_add_cstr(&in, "X: y\r\n");
	(void)buf_add_cstr(&in, "Content-Type: a/b\r\n\r\nbody");
	test_true(mime_parse(buf_slice(&in), &a, &tree));
	test_true(tree.truncated);
	test_slice(tree.parts[0].type, SLICE("text"));
	test_int(tree.parts[0].body_len, 4);
	arena_reset(&a);
	buf_deinit(&in);
}

/* A header of n octets whose last field is a type, then a body. */
static void
check_header_of(size_t n, bool is_seen, bool is_cut)
{
	const struct slice type = SLICE("Content-Type: a/b\r\n");
	struct mime_tree tree;
	struct arena a;
	struct buf in;

	buf_init(&in, 2 * LIMIT_HEADER);
	arena_init(&a, MIME_MEMORY);
	while (in.len + 100 < n - type.len)
		(void)buf_printf(&in, "X: %061d\r\n", 0);
	(void)buf_add_cstr(&in, "Y: ");
	while (in.len + 2 < n - type.len)
		(void)buf_add_byte(&in, 'y');
	(void)buf_add_cstr(&in, "\r\n");
	(void)buf_add(&in, type);
	test_int(in.len, n);
	(void)buf_add_cstr(&in, "\r\nbody");
	test_true(mime_parse(buf_slice(&in), &a, &tree));
	test_int(tree.truncated, is_cut);
	test_slice(tree.parts[0].subtype,
	    is_seen ? SLICE("b") : SLICE("plain"));
	/* What is not looked at is counted. */
	test_int(tree.parts[0].header_len, n + 2);
	test_int(tree.parts[0].body_len, 4);
	buf_deinit(&in);
	arena_reset(&a);
}

static void
bounds_the_header(void **state)
{
	(void)state;
	test_case("LIMIT_HEADER octets with the empty line");
	check_header_of(LIMIT_HEADER - 2, true, false);
	test_case("one more: all fields, but not all octets");
	check_header_of(LIMIT_HEADER - 1, true, true);
	test_case("the last field loses \"b\" and its line end");
	check_header_of(LIMIT_HEADER + 3, false, true);
}

/* Whatever memory there is, there is an answer or none: never a crash. */
static void
lives_with_little_memory(void **state)
{
	const struct row *row = &rows[sizeof(rows) / sizeof(rows[0]) - 3];
	bool was_cut = false, was_whole = false;

	(void)state;
	test_case("little memory");
	for (size_t cap = 0; cap < 24 * 1024; cap += 16) {
		struct mime_tree tree = { 0 };
		struct arena a;

		arena_init(&a, cap);
		if (mime_parse(row->message, &a, &tree)) {
			test_int(tree.size, row->message.len);
			check_envelopes(&tree);
			was_cut |= tree.truncated;
			was_whole |= !tree.truncated;
		}
		arena_reset(&a);
	}
	test_true(was_cut && was_whole);
}

/* -- the rest
 * ----------------------------------------------------------------------- */

static void
finds_sections(void **state)
{
	static const struct slice message =
	    SLICE("Content-Type: multipart/mixed; boundary=a\n\n"
		  "--a\n\none\n"
		  "--a\nContent-Type: message/rfc822\n\n"
		  "Content-Type: multipart/mixed; boundary=b\n\n"
		  "--b\n\ntwo\n--b\n\nthree\n--b--\n"
		  "--a\nContent-Type: message/rfc822\n\nSubject: x\n\nfour\n"
		  "--a--\n");
	static const struct {
		uint32_t numbers[4];
		size_t n;
		int part; /* -1: none */
	} cases[] = {
		{ { 0 }, 0, 0 },
		{ { 1 }, 1, 1 },
		{ { 2 }, 1, 2 },
		{ { 2, 1 }, 2, 4 },
		{ { 2, 2 }, 2, 5 },
		{ { 3 }, 1, 6 },
		{ { 3, 1 }, 2, 7 },
		{ { 3, 2 }, 2, -1 },
		{ { 3, 1, 1 }, 3, -1 },
		{ { 4 }, 1, -1 },
		{ { 1, 1 }, 2, -1 },
		{ { 2, 3 }, 2, -1 },
		{ { 0 }, 1, -1 },
		{ { 0xffffffff }, 1, -1 },
	};
	static const uint32_t ones[] = { 1, 1 };
	struct mime_tree tree;
	struct arena a;

	(void)state;
	test_case("sections");
	arena_init(&a, MIME_MEMORY);
	test_true(mime_parse(message, &a, &tree));
	test_int(tree.n, 8);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct mime_part *p =
		    mime_section(&tree, cases[i].numbers, cases[i].n);

		test_int(p == NULL ? -1 : p - tree.parts, cases[i].part);
	}
	test_case("sections of a plain message");
	test_true(mime_parse(SLICE("A: b\n\nx"), &a, &tree));
	test_true(mime_section(&tree, ones, 1) == &tree.parts[0]);
	test_true(mime_section(&tree, ones, 2) == NULL);
	arena_reset(&a);
}

static void
notes_what_is_odd(void **state)
{
	static const struct {
		struct slice in;
		bool bit8, header8, nul, lf, cr;
	} cases[] = {
		{ SLICE("A: b\r\n\r\nx\r\n"), 0, 0, 0, 0, 0 },
		{ SLICE("A: \xff\r\n\r\nx\r\n"), 1, 1, 0, 0, 0 },
		{ SLICE("A: b\r\n\r\n\xff\r\n"), 1, 0, 0, 0, 0 },
		{ SLICE("A: b\r\n\r\n\0\r\n"), 0, 0, 1, 0, 0 },
		{ SLICE("A: b\r\n\r\nx\n"), 0, 0, 0, 1, 0 },
		{ SLICE("A: b\r\n\r\nx\r"), 0, 0, 0, 0, 1 },
		{ SLICE("\n\r"), 0, 0, 0, 1, 1 },
		{ SLICE("A: b\r\n\r\nx\r\r\n"), 0, 0, 0, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mime_tree tree;
		struct arena a;

		test_case((const char *)cases[i].in.at);
		arena_init(&a, MIME_MEMORY);
		test_true(mime_parse(cases[i].in, &a, &tree));
		test_int(tree.has_8bit, cases[i].bit8);
		test_int(tree.header_has_8bit, cases[i].header8);
		test_int(tree.has_nul, cases[i].nul);
		test_int(tree.has_bare_lf, cases[i].lf);
		test_int(tree.has_bare_cr, cases[i].cr);
		arena_reset(&a);
	}
}

TEST_MAIN(cmocka_unit_test(finds_the_parts),
    cmocka_unit_test(nests_no_deeper_than_allowed),
    cmocka_unit_test(takes_no_more_parts_than_allowed),
    cmocka_unit_test(reads_no_more_header_than_allowed),
    cmocka_unit_test(bounds_the_header),
    cmocka_unit_test(lives_with_little_memory),
    cmocka_unit_test(finds_sections), cmocka_unit_test(notes_what_is_odd))
