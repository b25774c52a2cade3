/* SPDX-License-Identifier: ISC */
/* What is TOML 1.0 and what it means; what is not, and where that is said.
 * Strings and words have tests of their own. */
#include <errno.h>

#include "base/buf.h"
#include "base/test.h"
#include "config/toml.h"

enum {
	ARENA = 4 * 1024 * 1024,
	DUMP = 64 * 1024
};

static void dump(const struct toml_node *node, struct buf *out);

static void
dump_children(const struct toml_node *node, struct buf *out)
{
	for (const struct toml_node *n = node->first; n != NULL; n = n->next) {
		if (n != node->first)
			(void)buf_add_cstr(out, " ");
		if (node->type == TOML_TABLE) {
			(void)buf_add(out, n->key);
			(void)buf_add_cstr(out, "=");
		}
		dump(n, out);
	}
}

/* One form for each tree: {a=1 b=[s:x t]}. */
static void
dump(const struct toml_node *node, struct buf *out)
{
	if (node->type == TOML_TABLE || node->type == TOML_ARRAY) {
		(void)buf_add_cstr(out, node->type == TOML_TABLE ? "{" : "[");
		dump_children(node, out);
		(void)buf_add_cstr(out, node->type == TOML_TABLE ? "}" : "]");
	} else if (node->type == TOML_INTEGER) {
		(void)buf_printf(out, "%lld", (long long)node->integer);
	} else if (node->type == TOML_BOOL) {
		(void)buf_add_cstr(out, node->is_true ? "t" : "f");
	} else {
		(void)buf_add_cstr(out,
		    node->type == TOML_STRING      ? "s:"
			: node->type == TOML_FLOAT ? "n:"
						   : "d:");
		(void)buf_add(out, node->text);
	}
}

static const struct {
	const char *what;
	struct slice in, want;
} good[] = {
	{ "nothing", SLICE(""), SLICE("{}") },
	{ "a comment without a line end", SLICE("# a"), SLICE("{}") },
	{ "CRLF", SLICE("a=1\r\nb=2\r\n"), SLICE("{a=1 b=2}") },
	{ "white space around everything", SLICE(" a\t=  1 # x\n"),
	    SLICE("{a=1}") },
	{ "bare, quoted and literal keys", SLICE("a-_1=1\n\"b c\"=2\n'd\"'=3"),
	    SLICE("{a-_1=1 b c=2 d\"=3}") },
	{ "an empty quoted key", SLICE("\"\"=1"), SLICE("{=1}") },
	{ "keys of digits", SLICE("1234=1\n3.14=2"),
	    SLICE("{1234=1 3={14=2}}") },
	{ "dotted keys with blanks", SLICE("a . b . \"c.d\" = 1"),
	    SLICE("{a={b={c.d=1}}}") },
	{ "dotted keys out of order", SLICE("a.x=1\nb.x=2\na.y=3"),
	    SLICE("{a={x=1 y=3} b={x=2}}") },
	{ "values of each type", SLICE("a=[-1,1.0,true,false,1979-05-27,'x']"),
	    SLICE("{a=[-1 n:1.0 t f d:1979-05-27 s:x]}") },
	{ "a date before a comment", SLICE("a=2024-02-29 # x"),
	    SLICE("{a=d:2024-02-29}") },
	{ "arrays over lines, with comments and a last comma",
	    SLICE("a=[ # x\n 1, #y\n\n 'b' , [ ] ,\n]"),
	    SLICE("{a=[1 s:b []]}") },
	{ "tables in braces", SLICE("a={b=1, c.d='x', e={}}"),
	    SLICE("{a={b=1 c={d=s:x} e={}}}") },
	{ "headers", SLICE("[a]\nx=1\n[b.c]\ny=2\n[ d . 'e' ]"),
	    SLICE("{a={x=1} b={c={y=2}} d={e={}}}") },
	{ "a parent defined after its child", SLICE("[a.b]\nx=1\n[a]\ny=2"),
	    SLICE("{a={b={x=1} y=2}}") },
	{ "arrays of tables",
	    SLICE("[[a]]\nx=1\n[[a]]\n[[a.b]]\ny=2\n[a.c]\nz=3"),
	    SLICE("{a=[{x=1} {b=[{y=2}] c={z=3}}]}") },
	{ "a header below a dotted table", SLICE("[a]\nb.c=1\n[a.b.d]\ne=2"),
	    SLICE("{a={b={c=1 d={e=2}}}}") },
	{ "UTF-8 in strings and comments", SLICE("a='\xc3\xa9' # \xc3\xa9"),
	    SLICE("{a=s:\xc3\xa9}") },
};

static void
reads_what_is_toml(void **state)
{
	struct arena arena;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct slice in = test_exact_copy(good[i].in);
		struct toml_node *root = NULL;
		struct toml_error err = { 0 };

		test_case(good[i].what);
		arena_init(&arena, ARENA);
		buf_init(&out, DUMP);
		test_int(toml_parse(in, &arena, &root, &err), TOML_OK);
		dump(root, &out);
		test_slice(buf_slice(&out), good[i].want);
		buf_deinit(&out);
		arena_reset(&arena);
		test_free_copy(in);
	}
}

static const struct {
	struct slice in;
	uint32_t line, col;
	const char *part; /* of what is said */
} bad[] = {
	{ SLICE("a"), 1, 2, "\"=\" is missing" },
	{ SLICE("a="), 1, 3, "value is missing" },
	{ SLICE("a=\nb=1"), 1, 3, "value is missing" },
	{ SLICE("=1"), 1, 1, "key is missing" },
	{ SLICE("a.=1"), 1, 3, "key is missing" },
	{ SLICE("a=1 b=2"), 1, 5, "nothing more" },
	{ SLICE("\n  a=1\n a=2"), 3, 2, "already there, on line 2" },
	{ SLICE("a=1\na.b=2"), 2, 1, "already there" },
	{ SLICE("a.b=1\na=2"), 2, 1, "already there" },
	{ SLICE("[a]\n[a]"), 2, 2, "already there, on line 1" },
	{ SLICE("[a]\nb=1\n[a.b]"), 3, 4, "already there" },
	{ SLICE("a={}\n[a.b]"), 2, 2, "already there" },
	{ SLICE("a={b={c=1}}\na.b.d=1"), 2, 1, "already there" },
	{ SLICE("a={b.c=1, b.c=2}"), 1, 13, "already there" },
	{ SLICE("a=[]\n[[a]]"), 2, 3, "already there" },
	{ SLICE("[[a]]\n[a]"), 2, 2, "already there" },
	{ SLICE("[a]\n[[a]]"), 2, 3, "already there" },
	{ SLICE("[a]\nb.c=1\n[a.b]"), 3, 4, "already there" },
	{ SLICE("[a.b]\nx=1\n[a]\nb.y=2"), 4, 1, "already there" },
	{ SLICE("[[a.b]]\n[a]\nb.y=2"), 3, 1, "already there" },
	{ SLICE("[a"), 1, 3, "\"]\" is missing" },
	{ SLICE("[[a]"), 1, 4, "\"]]\" is missing" },
	{ SLICE("[]"), 1, 2, "key is missing" },
	{ SLICE("[a] b=1"), 1, 5, "nothing more" },
	{ SLICE("a=\"x"), 1, 3, "does not end on its line" },
	{ SLICE("a='x\\'y'"), 1, 7, "nothing more" },
	{ SLICE("# \x01"), 1, 3, "control character" },
	{ SLICE("# a\rb"), 1, 4, "control character" },
	{ SLICE("a=1\rb=2"), 1, 4, "nothing more" },
	{ SLICE("a=x"), 1, 3, "needs quotes" },
	{ SLICE("a=[1 2]"), 1, 6, "missing in the array" },
	{ SLICE("a=[1,,2]"), 1, 6, "value is missing" },
	{ SLICE("a=[,]"), 1, 4, "value is missing" },
	{ SLICE("a=[1,\n2"), 1, 3, "missing in the array" },
	{ SLICE("a=[1,\n"), 1, 3, "does not end" },
	{ SLICE("a={b=1"), 1, 7, "is missing" },
	{ SLICE("a={b=1,}"), 1, 8, "key is missing" },
	{ SLICE("a={b=1\n}"), 1, 7, "is missing" },
	{ SLICE("a={\nb=1}"), 1, 4, "key is missing" },
	{ SLICE("\"\"\"a\"\"\"=1"), 1, 1, "one line" },
	{ SLICE("a=1\nb='\xff'"), 2, 1, "UTF-8" },
	{ SLICE("a='\xc3\xa9' b"), 1, 7, "nothing more" },
	{ SLICE("\xef\xbb\xbf"
		"a=1"),
	    1, 1, "key is missing" },
};

static void
tells_where_it_is_not(void **state)
{
	struct arena arena;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct slice in = test_exact_copy(bad[i].in);
		struct toml_node *root = NULL;
		struct toml_error err = { 0 };
		char what[128];

		(void)snprintf(what, sizeof(what), "%.*s",
		    SLICE_FMT(bad[i].in));
		test_case(what);
		arena_init(&arena, ARENA);
		test_int(toml_parse(in, &arena, &root, &err), TOML_E_SYNTAX);
		test_true(root == NULL);
		if (strstr(err.text, bad[i].part) == NULL)
			print_error("said \"%s\"\n", err.text);
		test_true(strstr(err.text, bad[i].part) != NULL);
		test_int(err.line, bad[i].line);
		test_int(err.col, bad[i].col);
		arena_reset(&arena);
		test_free_copy(in);
	}
}

/* n times `open`, as an array, a table in braces, or the parts of a key. */
static int
parse_repeated(const char *before, const char *open, size_t n, size_t cap)
{
	struct toml_node *root = NULL;
	struct toml_error err;
	struct arena arena;
	struct buf text;
	int r;

	buf_init(&text, 1024 * 1024);
	arena_init(&arena, cap);
	(void)buf_add_cstr(&text, before);
	for (size_t i = 0; i < n; i++)
		(void)buf_add_cstr(&text, open);
	r = toml_parse(buf_slice(&text), &arena, &root, &err);
	if (r == TOML_E_SYNTAX && strstr(err.text, "deeper") == NULL &&
	    strstr(err.text, "more than") == NULL)
		r = 100; /* an error of another kind */
	arena_reset(&arena);
	buf_deinit(&text);
	return r;
}

static void
has_bounds(void **state)
{
	(void)state;
	test_case("arrays in arrays");
	test_int(parse_repeated("a=", "[", TOML_DEPTH + 1, ARENA),
	    TOML_E_SYNTAX);
	test_int(parse_repeated("a=", "[", TOML_DEPTH, ARENA), 100);
	test_case("tables in tables");
	test_int(parse_repeated("a=", "{a=", 100000, ARENA), TOML_E_SYNTAX);
	test_case("parts of a key");
	test_int(parse_repeated("a", ".a", 100000, ARENA), TOML_E_SYNTAX);
	test_case("values");
	test_int(parse_repeated("a=[", "1,", TOML_NODES, ARENA), TOML_E_SYNTAX);
	test_case("no memory");
	test_int(parse_repeated("a=[", "1,", 1000, 1024), -ENOMEM);
}

TEST_MAIN(cmocka_unit_test(reads_what_is_toml),
    cmocka_unit_test(tells_where_it_is_not), cmocka_unit_test(has_bounds))
