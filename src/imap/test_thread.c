/* SPDX-License-Identifier: ISC */
/* RFC 5256, 3: what references and subjects make of messages. */
#include <time.h>

#include "base/test.h"
#include "imap/merge.h"
#include "imap/thread.h"

static const uint8_t seed[MAP_SEED];

enum {
	MOST = 10
};

/* Number n is the n-th row; of equal dates the first comes first. */
struct row {
	uint64_t id, references[4];
	int64_t sent;
	const char *subject;
	bool is_reply;
};

static const struct {
	const char *what;
	struct row rows[MOST];
	const char *by_references, *by_subject;
} cases[] = {
	{ "none", { { 0 } }, "", "" },
	{ "a question, an answer, an answer to it",
	    { { 1, { 0 }, 1, "a", false }, { 2, { 1 }, 2, "a", true },
		{ 3, { 1, 2 }, 3, "a", true } },
	    "(1 2 3)", "(1 (2)(3))" },
	{ "two answers",
	    { { 1, { 0 }, 1, "a", false }, { 2, { 1 }, 3, "a", true },
		{ 3, { 1 }, 2, "a", true } },
	    "(1 (3)(2))", "(1 (3)(2))" },
	{ "the answer came first",
	    { { 2, { 1 }, 2, "a", true }, { 1, { 0 }, 1, "b", false } },
	    "(2 1)", "(2)(1)" },
	{ "both of what is not there: below a dummy",
	    { { 2, { 1 }, 2, "a", false }, { 3, { 1 }, 1, "b", false } },
	    "((2)(1))", "(2)(1)" },
	{ "one of what is not there: no dummy",
	    { { 2, { 9, 8 }, 2, "a", false } }, "(1)", "(1)" },
	{ "a dummy inside goes, and its children stand in its place",
	    { { 1, { 0 }, 1, "a", false }, { 3, { 1, 9 }, 2, "b", false },
		{ 4, { 1, 9 }, 3, "c", false } },
	    "(1 (2)(3))", "(1)(2)(3)" },
	{ "what a message says of itself is more than what others say",
	    { { 3, { 1, 2 }, 1, "a", false }, { 2, { 5 }, 2, "b", false },
		{ 1, { 0 }, 3, "c", false }, { 5, { 0 }, 4, "d", false } },
	    "(3)(4 2 1)", "(1)(2)(3)(4)" },
	{ "without references it has no parent, whatever others say",
	    { { 3, { 1, 2 }, 1, "a", false }, { 2, { 0 }, 2, "b", false },
		{ 1, { 0 }, 3, "c", false } },
	    "(2 1)(3)", "(1)(2)(3)" },
	{ "a ring",
	    { { 1, { 2 }, 1, "a", false }, { 2, { 1 }, 2, "b", false } },
	    "(2 1)", "(1)(2)" },
	{ "an answer to itself", { { 1, { 1 }, 1, "a", false } }, "(1)",
	    "(1)" },
	{ "one id twice: the second has none",
	    { { 1, { 0 }, 1, "a", false }, { 1, { 0 }, 2, "b", false },
		{ 3, { 1 }, 3, "c", false } },
	    "(1 3)(2)", "(1)(2)(3)" },
	{ "a reply below what has its subject",
	    { { 1, { 0 }, 1, "a", false }, { 2, { 0 }, 2, "a", true } },
	    "(1 2)", "(1 2)" },
	{ "the reply is older",
	    { { 1, { 0 }, 1, "a", true }, { 2, { 0 }, 2, "a", false } },
	    "(2 1)", "(1 2)" },
	{ "two replies: below a dummy",
	    { { 1, { 0 }, 1, "a", true }, { 2, { 0 }, 2, "a", true } },
	    "((1)(2))", "(1 2)" },
	{ "two that are none: below a dummy",
	    { { 1, { 0 }, 1, "a", false }, { 2, { 0 }, 2, "a", false },
		{ 3, { 0 }, 3, "a", false } },
	    "((1)(2)(3))", "(1 (2)(3))" },
	{ "empty subjects are not joined by references",
	    { { 1, { 0 }, 1, "", false }, { 2, { 0 }, 2, "", false } },
	    "(1)(2)", "(1 2)" },
	{ "two dummies of a subject become one",
	    { { 1, { 8 }, 1, "a", false }, { 2, { 8 }, 2, "a", false },
		{ 3, { 9 }, 3, "a", false }, { 4, { 9 }, 4, "x", false } },
	    "((1)(2)(3)(4))", "(1 (2)(3))(4)" },
	{ "a message goes below the dummy of its subject",
	    { { 1, { 8 }, 1, "a", false }, { 2, { 8 }, 2, "b", false },
		{ 3, { 0 }, 3, "a", false } },
	    "((1)(2)(3))", "(1 3)(2)" },
	{ "a dummy is as old as its first child",
	    { { 1, { 8 }, 5, "a", false }, { 2, { 8 }, 1, "b", false },
		{ 3, { 0 }, 3, "c", false } },
	    "((2)(1))(3)", "(2)(3)(1)" },
	{ "threads by date, of equal ones the first",
	    { { 1, { 0 }, 7, "a", false }, { 2, { 0 }, 3, "b", false },
		{ 3, { 0 }, 7, "c", false } },
	    "(2)(1)(3)", "(2)(1)(3)" },
	{ "a long one that branches",
	    { { 3, { 0 }, 1, "a", false }, { 6, { 3 }, 2, "a", true },
		{ 4, { 3, 6 }, 3, "a", true }, { 23, { 4 }, 4, "a", true },
		{ 44, { 6 }, 5, "a", true }, { 7, { 44 }, 6, "a", true },
		{ 96, { 7 }, 7, "a", true } },
	    "(1 2 (3 4)(5 6 7))", "(1 (2)(3)(4)(5)(6)(7))" },
};

static size_t
fill(const struct row *rows, struct thread_message *m)
{
	size_t n = 0;

	for (; n < MOST && rows[n].subject != NULL; n++) {
		m[n] = (struct thread_message){ .id = rows[n].id,
			.references = rows[n].references,
			.sent = rows[n].sent,
			.subject = slice_cstr(rows[n].subject),
			.is_reply = rows[n].is_reply,
			.number = (uint32_t)n + 1 };
		while (rows[n].references[m[n].n_references] != 0)
			m[n].n_references++;
	}
	return n;
}

/* In pieces of one message: they must fit together. */
static void
check(struct threads *t, const char *want)
{
	struct buf b;

	buf_init(&b, 4096);
	while (threads_print(t, 1, &b))
		;
	test_slice(buf_slice(&b), slice_cstr(want));
	buf_deinit(&b);
	threads_deinit(t);
}

static void
forests(void **state)
{
	struct thread_message m[MOST];
	struct threads t;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n = fill(cases[i].rows, m);

		test_case(cases[i].what);
		threads_init(&t, seed);
		test_int(threads_by_references(&t, m, n), 0);
		check(&t, cases[i].by_references);
		threads_init(&t, seed);
		test_int(threads_by_subject(&t, m, n), 0);
		check(&t, cases[i].by_subject);
	}
}

/* Whatever they refer to, each message comes out once. */
static void
count_numbers(struct threads *t, size_t n)
{
	size_t digits = 0, depth = 0, found = 0;
	struct buf b;

	buf_init(&b, 16 * 1024 * 1024);
	while (threads_print(t, 1000, &b))
		;
	for (size_t i = 0; i < b.len; i++) {
		uint8_t c = buf_slice(&b).at[i];

		depth += c == '(';
		test_true(c != ')' || depth-- > 0);
		found += c >= '0' && c <= '9' && digits++ == 0;
		digits = c >= '0' && c <= '9' ? digits : 0;
	}
	test_int((int)depth, 0);
	test_true(found == n);
	buf_deinit(&b);
	threads_deinit(t);
}

enum {
	MANY = 100000
};

/* kind 0: each answers the one before; 1: the one after it; 2: any, with
 * rings; 3: all one. */
static void
refer(unsigned kind, size_t i, uint64_t *ret)
{
	ret[0] = kind == 0 ? i
	    : kind == 1    ? i + 2
	    : kind == 2    ? (i * 7919 + 13) % MANY + 1
			   : 1;
	ret[1] = kind == 2 ? (i * 104729 + 7) % MANY + 1 : ret[0];
}

static void
many(void **state)
{
	struct thread_message *m = calloc(MANY, sizeof(*m));
	uint64_t *references = calloc(2 * MANY, sizeof(*references));
	struct threads t;

	(void)state;
	test_true(m != NULL && references != NULL);
	for (unsigned kind = 0; kind < 4; kind++) {
		test_case("a hundred thousand");
		for (size_t i = 0; i < MANY; i++) {
			refer(kind, i, &references[2 * i]);
			m[i] = (struct thread_message){ .id = i + 1,
				.references = &references[2 * i],
				.n_references = 2,
				.sent = (int64_t)(i * 31 % 1000),
				.number = (uint32_t)i + 1 };
		}
		threads_init(&t, seed);
		test_int(threads_by_references(&t, m, MANY), 0);
		count_numbers(&t, MANY);
	}
	free(references);
	free(m);
}

static bool
is_less(const void *a, const void *b, void *ctx)
{
	(void)ctx;
	return *(const int *)a / 10 < *(const int *)b / 10;
}

/* By tens: those of one ten stay in their order. */
static void
merging(void **state)
{
	int at[1000];

	(void)state;
	for (int n = 0; n < 1000; n += 37) {
		test_case("stable");
		for (int i = 0; i < n; i++)
			at[i] = (i * 7919 % 50) * 10 + i / 100;
		test_true(merge_sort(at, (size_t)n, sizeof(at[0]), is_less,
		    NULL));
		for (int i = 1; i < n; i++)
			test_true(at[i - 1] <= at[i]);
	}
}

TEST_MAIN(cmocka_unit_test(forests), cmocka_unit_test(many),
    cmocka_unit_test(merging))
