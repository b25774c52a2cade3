/* SPDX-License-Identifier: ISC */
/* Who gets it: tables of answers, and what RCPT then hears. */
#include "base/test.h"
#include "policy/rcpt.h"

#define NAME(s)                                                                \
	{                                                                      \
		SLICE(s), SLICE(s)                                             \
	}

static const struct rcpt_name all_targets[] = { NAME("anna@one.example"),
	NAME("otto@one.example"), NAME("x@far.example"),
	NAME("list@one.example") };
static const struct rcpt_name list_targets[] = { NAME("anna@one.example"),
	NAME("x@far.example") };
static const struct rcpt_name loop_targets[] = { NAME("pool@one.example") };
static const struct rcpt_name pool_targets[] = { NAME("loop@one.example") };
static const struct rcpt_name dead_targets[] = { NAME("gone@one.example") };

static const struct rcpt_answer world[] = {
	{ RCPT_ASK_ADDRESS, SLICE("anna@one.example"), RCPT_IS_ACCOUNT, 1 },
	{ RCPT_ASK_ADDRESS, SLICE("otto@one.example"), RCPT_IS_ACCOUNT, 2 },
	{ RCPT_ASK_ADDRESS, SLICE("full@one.example"), RCPT_IS_ACCOUNT, 3,
	    .is_full = true },
	{ RCPT_ASK_ADDRESS, SLICE("off@one.example"), RCPT_IS_ACCOUNT, 4,
	    .disabled = true },
	{ RCPT_ASK_ADDRESS, SLICE("all@one.example"), RCPT_IS_ALIAS,
	    .targets = all_targets, .n_targets = 4 },
	{ RCPT_ASK_ADDRESS, SLICE("list@one.example"), RCPT_IS_ALIAS,
	    .targets = list_targets, .n_targets = 2 },
	{ RCPT_ASK_ADDRESS, SLICE("loop@one.example"), RCPT_IS_ALIAS,
	    .targets = loop_targets, .n_targets = 1 },
	{ RCPT_ASK_ADDRESS, SLICE("pool@one.example"), RCPT_IS_ALIAS,
	    .targets = pool_targets, .n_targets = 1 },
	{ RCPT_ASK_ADDRESS, SLICE("dead@one.example"), RCPT_IS_ALIAS,
	    .targets = dead_targets, .n_targets = 1 },
	{ RCPT_ASK_FIRST_ACCOUNT, SLICE("one.example"), RCPT_IS_ACCOUNT, 1 },
	{ RCPT_ASK_FIRST_ACCOUNT, SLICE("empty.example"), RCPT_IS_NOBODY },
};
enum {
	N_WORLD = sizeof(world) / sizeof(world[0])
};

static const struct {
	const char *what;
	struct rcpt_name rcpt;
	enum rcpt_outcome outcome;
	size_t n;
	unsigned code, code_relay;
} rows[] = {
	{ "account", NAME("anna@one.example"), RCPT_FOUND, 1, 250, 250 },
	{ "unknown", NAME("nix@one.example"), RCPT_NOBODY, 0, 550, 550 },
	{ "foreign", NAME("x@far.example"), RCPT_FOREIGN, 1, 550, 250 },
	{ "alias: each once, nested", NAME("all@one.example"), RCPT_FOUND, 3,
	    250, 250 },
	{ "circle of two", NAME("loop@one.example"), RCPT_LOOP, 0, 550, 550 },
	{ "alias to nobody", NAME("dead@one.example"), RCPT_NOBODY, 0, 550,
	    550 },
	{ "full", NAME("full@one.example"), RCPT_FULL, 0, 452, 452 },
	{ "disabled", NAME("off@one.example"), RCPT_DISABLED, 0, 550, 550 },
	{ "detail", NAME("anna+a+b@one.example"), RCPT_FOUND, 1, 250, 250 },
	{ "detail of nobody", NAME("nix+a@one.example"), RCPT_NOBODY, 0, 550,
	    550 },
	{ "nothing before the plus", NAME("+a@one.example"), RCPT_NOBODY, 0,
	    550, 550 },
	{ "postmaster", NAME("postmaster@one.example"), RCPT_FOUND, 1, 250,
	    250 },
	{ "abuse", NAME("abuse@one.example"), RCPT_FOUND, 1, 250, 250 },
	{ "postmaster of an empty domain", NAME("postmaster@empty.example"),
	    RCPT_NOBODY, 0, 550, 550 },
};

/* What the world does not name: far.example is foreign, the rest nobody. */
static struct rcpt_answer
answer_of(const struct rcpt_question *q)
{
	struct rcpt_answer a = { .ask = q->ask,
		.what = q->what,
		.is = slice_ends(q->what, SLICE("far.example"))
		    ? RCPT_IS_FOREIGN
		    : RCPT_IS_NOBODY };

	for (unsigned i = 0; i < N_WORLD; i++)
		if (world[i].ask == q->ask &&
		    slice_equal(world[i].what, q->what))
			return world[i];
	return a;
}

static void
decide(const struct rcpt_name *rcpt, struct arena *arena,
    struct rcpt_result *ret)
{
	struct rcpt_answer answers[64];
	struct rcpt_question ask;
	size_t n = 0;
	enum rcpt_need need;

	while ((need = rcpt_resolve(rcpt, answers, n, arena, &ask, ret)) ==
	    RCPT_NEED_ANSWER) {
		test_true(n < 64);
		answers[n++] = answer_of(&ask);
	}
	test_int(need, RCPT_DECIDED);
}

static void
tables_decide(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct rcpt_result result;
		struct verdict v;
		struct arena arena;

		test_case(rows[i].what);
		arena_init(&arena, 4 << 20);
		decide(&rows[i].rcpt, &arena, &result);
		test_int(result.outcome, rows[i].outcome);
		if (rows[i].n > 0)
			test_int(result.n_targets, rows[i].n);
		v = rcpt_verdict(result.outcome, false);
		test_int(v.code, rows[i].code);
		v = rcpt_verdict(result.outcome, true);
		test_int(v.code, rows[i].code_relay);
		arena_reset(&arena);
	}
}

static void
memory_that_ends_is_a_condition(void **state)
{
	struct rcpt_question ask;
	struct rcpt_result result;
	struct arena arena;

	(void)state;
	arena_init(&arena, 100);
	test_int(rcpt_resolve(&rows[0].rcpt, NULL, 0, &arena, &ask, &result),
	    RCPT_NO_MEMORY);
	arena_reset(&arena);
}

static void
too_many_are_said_to_be(void **state)
{
	static struct rcpt_name many[RCPT_TARGETS + 1];
	struct rcpt_answer a = { RCPT_ASK_ADDRESS, SLICE("m@one.example"),
		RCPT_IS_ALIAS, .targets = many, .n_targets = RCPT_TARGETS + 1 };
	struct rcpt_name rcpt = NAME("m@one.example");
	struct rcpt_question ask;
	struct rcpt_result result;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	test_int(rcpt_resolve(&rcpt, &a, 1, &arena, &ask, &result),
	    RCPT_DECIDED);
	test_int(result.outcome, RCPT_TOO_MANY);
	arena_reset(&arena);
}

TEST_MAIN(cmocka_unit_test(tables_decide),
    cmocka_unit_test(memory_that_ends_is_a_condition),
    cmocka_unit_test(too_many_are_said_to_be))
