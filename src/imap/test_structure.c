/* SPDX-License-Identifier: ISC */
/*
 * ENVELOPE and BODYSTRUCTURE of real and of broken mail: what is made from the
 * summary is what is made from the bytes, and it can be read by its grammar
 * (RFC 3501, 9).
 */
#include <dirent.h>

#include "base/limits.h"
#include "base/test.h"
#include "imap/structure.h"
#include "mail/summary.h"

enum {
	FILE_MAX = 1024 * 1024,
	OUT_MAX = 4 * 1024 * 1024
};

/* nstring / number / atom / "(" *... ")"; false when it is none. */
static bool
read_value(struct slice *in, int depth)
{
	struct slice bytes;
	uint64_t n;
	uint8_t c;

	if (slice_skip_byte(in, '(')) {
		if (depth > 200)
			return false;
		while (in->len > 0 && in->at[0] != ')') {
			(void)slice_skip_byte(in, ' ');
			if (!read_value(in, depth + 1))
				return false;
		}
		return slice_skip_byte(in, ')');
	}
	if (slice_skip_byte(in, '{'))
		return slice_take_u64(in, UINT32_MAX, &n) &&
		    slice_skip(in, SLICE("}\r\n")) &&
		    slice_take(in, (size_t)n, &bytes) &&
		    slice_find_byte(bytes, 0) == SIZE_MAX;
	if (slice_skip_byte(in, '"')) {
		while (slice_take_byte(in, &c) && c != '"')
			if (c == 0 || c == '\r' || c == '\n' || c >= 0x80 ||
			    (c == '\\' && !slice_take_byte(in, &c)))
				return false;
		return c == '"';
	}
	return slice_skip(in, SLICE("NIL")) ||
	    slice_take_u64(in, UINT64_MAX, &n);
}

static void
check_readable(struct slice text)
{
	test_true(read_value(&text, 0));
	test_int(text.len, 0);
}

static void
print(const struct mime_tree *tree, struct buf *b)
{
	test_int(imap_put_envelope(b, tree->parts[0].envelope), BUF_OK);
	check_readable(buf_slice(b));
	test_int(buf_add_byte(b, '\n'), BUF_OK);
	for (int extended = 0; extended < 2; extended++) {
		size_t at = b->len;

		test_int(imap_put_structure(b, tree, extended != 0), BUF_OK);
		check_readable(slice_from(buf_slice(b), at));
		test_int(buf_add_byte(b, '\n'), BUF_OK);
	}
}

/* 1 when there was a summary to compare with. */
static int
check_message(struct slice message)
{
	struct arena arena, other;
	struct mime_tree tree, summed;
	struct buf blob, one, two;
	int n = 0;

	arena_init(&arena, MIME_MEMORY);
	arena_init(&other, SUMMARY_ARENA);
	buf_init(&blob, LIMIT_SUMMARY);
	buf_init(&one, OUT_MAX);
	buf_init(&two, OUT_MAX);
	test_true(mime_parse(message, &arena, &tree));
	print(&tree, &one);
	test_int(summary_make(message, &blob), BUF_OK);
	if (summary_tree(buf_slice(&blob), message.len, &other, &summed)) {
		print(&summed, &two);
		test_slice(buf_slice(&two), buf_slice(&one));
		n = 1;
	}
	arena_reset(&arena);
	arena_reset(&other);
	buf_deinit(&blob);
	buf_deinit(&one);
	buf_deinit(&two);
	return n;
}

struct walk {
	uint8_t *text;
	unsigned n, n_summed;
};

static void
look_at_file(struct walk *w, const char *path)
{
	FILE *f = fopen(path, "rb");
	size_t len;

	assert_non_null(f);
	len = fread(w->text, 1, FILE_MAX, f);
	(void)fclose(f);
	test_case(path);
	w->n_summed += (unsigned)check_message(slice_of(w->text, len));
	w->n++;
}

static void
walk(struct walk *w, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[8192];

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_type == DT_DIR)
			walk(w, path);
		else
			look_at_file(w, path);
	}
	(void)closedir(d);
}

static void
real_mail(void **state)
{
	static const char *const dirs[] = { "tests/corpus/mail",
		"tests/corpus/mime", "tests/corpus/fuzz/mail_mime" };
	const char *root = getenv("SOURCE_ROOT");
	struct walk w = { .text = malloc(FILE_MAX) };
	char path[4096];

	(void)state;
	assert_non_null(w.text);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s",
		    root == NULL ? "." : root, dirs[i]);
		walk(&w, path);
	}
	free(w.text);
	test_case("there is mail to look at, most of it with summaries");
	test_true(w.n > 100);
	test_true(w.n_summed > w.n / 2);
}

static const struct {
	const char *what;
	struct slice message, structure;
} odd[] = {
	{ "empty", SLICE(""),
	    SLICE("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		  "\"7bit\" 0 0)") },
	{ "a multipart without parts",
	    SLICE("Content-Type: multipart/mixed; boundary=x\r\n\r\nhello\r\n"),
	    SLICE("((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		  "\"7bit\" 0 0) \"mixed\")") },
	{ "quotes and 8 bits in a name",
	    SLICE("Content-Type: a/b; name=\"x\\\"\xc3\xbc\"\r\n\r\nz"),
	    SLICE("(\"a\" \"b\" (\"name\" {4}\r\nx\"\xc3\xbc) NIL NIL "
		  "\"7bit\" 1)") },
};

static void
odd_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		struct slice message = test_exact_copy(odd[i].message);
		struct mime_tree tree;
		struct arena arena;
		struct buf b;

		test_case(odd[i].what);
		arena_init(&arena, MIME_MEMORY);
		buf_init(&b, OUT_MAX);
		test_true(mime_parse(message, &arena, &tree));
		test_int(imap_put_structure(&b, &tree, false), BUF_OK);
		test_slice(buf_slice(&b), odd[i].structure);
		buf_deinit(&b);
		arena_reset(&arena);
		test_free_copy(message);
		(void)check_message(odd[i].message);
	}
}

TEST_MAIN(cmocka_unit_test(real_mail), cmocka_unit_test(odd_mail))
