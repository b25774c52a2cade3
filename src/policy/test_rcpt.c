/* SPDX-License-Identifier: ISC */
/* Who gets it: tables of answers, and what RCPT then hears. */
#include "base/test.h"
#include "policy/rcpt.h"

#define NAME(s)                                                                \
	{                                                                      \
		SLICE(s), SLICE(s)                                             \
	}

#define ALIAS(list)                                                            \
	RCPT_IS_ALIAS, .targets = (list),                                      \
		       .n_targets = sizeof(list) / sizeof((list)[0])
#define GROUP(list)                                                            \
	RCPT_IS_GROUP, .targets = (list),                                      \
		       .n_targets = sizeof(list) / sizeof((list)[0])
#define A RCPT_ASK_ADDRESS
#define ACCOUNT(n) RCPT_IS_ACCOUNT, .account = (n), .room = 1000

static const struct rcpt_name all[] = { NAME("anna@one.example"),
	NAME("otto@one.example"), NAME("x@far.example"),
	NAME("list@one.example") };
static const struct rcpt_name list[] = { NAME("anna@one.example"),
	NAME("x@far.example") };
static const struct rcpt_name loop[] = { NAME("pool@one.example") };
static const struct rcpt_name pool[] = { NAME("loop@one.example") };
static const struct rcpt_name dead[] = { NAME("gone@one.example") };
static const struct rcpt_name crew[] = { NAME("anna@one.example"),
	NAME("gone@one.example"), NAME("off@one.example"),
	NAME("full@one.example"), NAME("y@far.example"),
	NAME("sub@one.example") };
static const struct rcpt_name sub[] = { NAME("otto@one.example"),
	NAME("crew@one.example"), NAME("z@far.example") };
static const struct rcpt_name to_full[] = { NAME("full@one.example") };
static const struct rcpt_name to_crew[] = { NAME("crew@one.example") };
static const struct rcpt_name deep[] = { NAME("x@other.example") };
static const struct rcpt_name many[RCPT_TARGETS + 1];

static const struct rcpt_answer world[] = {
	{ RCPT_ASK_DOMAIN, SLICE("one.example"), RCPT_IS_LOCAL,
	    .separators = SLICE("+-") },
	{ RCPT_ASK_DOMAIN, SLICE("plain.example"), RCPT_IS_LOCAL },
	{ RCPT_ASK_DOMAIN, SLICE("all.example"), RCPT_IS_LOCAL,
	    .separators = SLICE("+"), .catch_all = NAME("anna@one.example") },
	{ RCPT_ASK_DOMAIN, SLICE("empty.example"), RCPT_IS_LOCAL },
	{ RCPT_ASK_DOMAIN, SLICE("other.example"), RCPT_IS_OTHER,
	    .separators = SLICE("+"), .target = SLICE("one.example") },
	{ RCPT_ASK_DOMAIN, SLICE("same.example"), RCPT_IS_OTHER,
	    .target = SLICE("same.example") },
	{ RCPT_ASK_DOMAIN, SLICE("backup.example"), RCPT_IS_RELAY,
	    .separators = SLICE("+") },
	{ RCPT_ASK_DOMAIN, SLICE("inner.example"), RCPT_IS_RELAY,
	    .target = SLICE("mx.inner.example") },
	{ A, SLICE("anna@one.example"), ACCOUNT(1), .created = 100 },
	{ A, SLICE("otto@one.example"), ACCOUNT(2) },
	{ A, SLICE("mary-ann@one.example"), ACCOUNT(5) },
	{ A, SLICE("mary@one.example"), ACCOUNT(6) },
	{ A, SLICE("bob@plain.example"), ACCOUNT(7) },
	{ A, SLICE("full@one.example"), RCPT_IS_ACCOUNT, .account = 3 },
	{ A, SLICE("off@one.example"), RCPT_IS_ACCOUNT, .account = 4,
	    .disabled = true, .room = 1000 },
	{ A, SLICE("all@one.example"), ALIAS(all) },
	{ A, SLICE("list@one.example"), ALIAS(list) },
	{ A, SLICE("loop@one.example"), ALIAS(loop) },
	{ A, SLICE("pool@one.example"), ALIAS(pool) },
	{ A, SLICE("dead@one.example"), ALIAS(dead) },
	{ A, SLICE("tofull@one.example"), ALIAS(to_full) },
	{ A, SLICE("tocrew@one.example"), ALIAS(to_crew) },
	{ A, SLICE("deep@one.example"), ALIAS(deep) },
	{ A, SLICE("crew@one.example"), GROUP(crew),
	    .owner = NAME("otto@one.example"),
	    .sender = SLICE("owner-crew@one.example") },
	{ A, SLICE("sub@one.example"), GROUP(sub), .may_not_post = true },
	{ A, SLICE("nobodies@one.example"), GROUP(dead) },
	{ A, SLICE("none@one.example"), RCPT_IS_GROUP },
	{ A, SLICE("many@one.example"), RCPT_IS_GROUP, .targets = many,
	    .n_targets = RCPT_TARGETS + 1 },
	{ A, SLICE("known@backup.example"), RCPT_IS_RELAY },
	{ A, SLICE("known@inner.example"), RCPT_IS_RELAY },
	{ RCPT_ASK_FIRST_ACCOUNT, SLICE("one.example"), ACCOUNT(1) },
	{ RCPT_ASK_FIRST_ACCOUNT, SLICE("empty.example"), RCPT_IS_NOBODY },
	{ RCPT_ASK_DOMAIN, SLICE("strict.example"), RCPT_IS_LOCAL },
	{ A, SLICE("postmaster@strict.example"), GROUP(sub),
	    .may_not_post = true },
	{ A, SLICE("abuse@strict.example"), RCPT_IS_ACCOUNT, .account = 4,
	    .disabled = true },
	{ RCPT_ASK_FIRST_ACCOUNT, SLICE("strict.example"), ACCOUNT(8),
	    .is_in_domain = true },
	{ RCPT_ASK_DOMAIN, SLICE("broken.example"), RCPT_IS_LOCAL },
	{ A, SLICE("postmaster@broken.example"), ALIAS(loop) },
	{ A, SLICE("abuse@broken.example"), ALIAS(dead) },
	{ RCPT_ASK_FIRST_ACCOUNT, SLICE("broken.example"), ACCOUNT(9) },
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
	uint64_t first; /* account of the first target */
	uint8_t via;    /* of the last target */
	struct slice sender, route;
} rows[] = {
	{ "account", NAME("anna@one.example"), RCPT_FOUND, 1, 250, 250, 1 },
	{ "unknown", NAME("nix@one.example"), RCPT_NOBODY, 0, 550, 550 },
	{ "foreign", NAME("x@far.example"), RCPT_FOREIGN, 1, 550, 250 },
	{ "alias: each once, nested", NAME("all@one.example"), RCPT_FOUND, 3,
	    250, 250, 1, RCPT_VIA_ALIAS },
	{ "circle of two", NAME("loop@one.example"), RCPT_LOOP, 0, 550, 550 },
	{ "alias to nobody", NAME("dead@one.example"), RCPT_NOBODY, 0, 550,
	    550 },
	{ "full", NAME("full@one.example"), RCPT_FULL, 0, 452, 452 },
	{ "alias to full", NAME("tofull@one.example"), RCPT_FULL, 0, 452, 452 },
	{ "disabled", NAME("off@one.example"), RCPT_DISABLED, 0, 550, 550 },
	{ "detail", NAME("anna+a+b@one.example"), RCPT_FOUND, 1, 250, 250, 1,
	    RCPT_VIA_DETAIL },
	{ "detail by the other separator", NAME("anna-a@one.example"),
	    RCPT_FOUND, 1, 250, 250, 1, RCPT_VIA_DETAIL },
	{ "the longest name wins", NAME("mary-ann-list@one.example"),
	    RCPT_FOUND, 1, 250, 250, 5, RCPT_VIA_DETAIL },
	{ "a name with a separator is itself", NAME("mary-ann@one.example"),
	    RCPT_FOUND, 1, 250, 250, 5, 0 },
	{ "detail of an alias", NAME("list+x@one.example"), RCPT_FOUND, 2, 250,
	    250, 1, RCPT_VIA_DETAIL | RCPT_VIA_ALIAS },
	{ "detail of nobody", NAME("nix+a@one.example"), RCPT_NOBODY, 0, 550,
	    550 },
	{ "no details in this domain", NAME("bob+a@plain.example"), RCPT_NOBODY,
	    0, 550, 550 },
	{ "nothing before the plus", NAME("+a@one.example"), RCPT_NOBODY, 0,
	    550, 550 },
	{ "a quoted name has no detail", NAME("\"anna+a b\"@one.example"),
	    RCPT_NOBODY, 0, 550, 550 },
	{ "postmaster", NAME("postmaster@one.example"), RCPT_FOUND, 1, 250, 250,
	    1, RCPT_VIA_ROLE },
	{ "abuse", NAME("abuse@one.example"), RCPT_FOUND, 1, 250, 250, 1,
	    RCPT_VIA_ROLE },
	{ "postmaster of an empty domain", NAME("postmaster@empty.example"),
	    RCPT_NOBODY, 0, 550, 550 },
	{ "postmaster is a group with a rule",
	    NAME("postmaster@strict.example"), RCPT_FOUND, 5, 250, 250, 2,
	    RCPT_VIA_GROUP, SLICE("owner-crew@one.example") },
	{ "abuse is disabled", NAME("ABUSE@strict.example"), RCPT_FOUND, 1, 250,
	    250, 8, RCPT_VIA_ROLE },
	{ "postmaster leads in a circle", NAME("postmaster@broken.example"),
	    RCPT_FOUND, 1, 250, 250, 9, RCPT_VIA_ROLE },
	{ "abuse leads to nobody", NAME("abuse@broken.example"), RCPT_FOUND, 1,
	    250, 250, 9, RCPT_VIA_ROLE },
	{ "postmaster of a backup", NAME("postmaster@backup.example"),
	    RCPT_FOUND, 1, 250, 250, 0, RCPT_VIA_ROLE },
	{ "catch-all", NAME("whoever@all.example"), RCPT_FOUND, 1, 250, 250, 1,
	    RCPT_VIA_CATCH_ALL },
	{ "group: who cannot be reached is passed over",
	    NAME("crew@one.example"), RCPT_FOUND, 5, 250, 250, 1,
	    RCPT_VIA_GROUP, SLICE("owner-crew@one.example") },
	{ "alias to a group", NAME("tocrew@one.example"), RCPT_FOUND, 5, 250,
	    250, 1, RCPT_VIA_GROUP | RCPT_VIA_ALIAS,
	    SLICE("owner-crew@one.example") },
	{ "a group that this sender may not use", NAME("sub@one.example"),
	    RCPT_MAY_NOT_POST, 0, 550, 550 },
	{ "group of nobodies", NAME("nobodies@one.example"), RCPT_EMPTY, 0, 550,
	    550 },
	{ "group of none", NAME("none@one.example"), RCPT_EMPTY, 0, 550, 550 },
	{ "owner of a group", NAME("owner-crew@one.example"), RCPT_FOUND, 1,
	    250, 250, 2, RCPT_VIA_ROLE },
	{ "its other name", NAME("crew-owner@one.example"), RCPT_FOUND, 1, 250,
	    250, 2, RCPT_VIA_ROLE },
	{ "and RFC 2142's", NAME("crew-request@one.example"), RCPT_FOUND, 1,
	    250, 250, 2, RCPT_VIA_ROLE },
	{ "a group without owner", NAME("owner-sub@one.example"), RCPT_NOBODY,
	    0, 550, 550 },
	{ "alias domain", NAME("anna@other.example"), RCPT_FOUND, 1, 250, 250,
	    1, RCPT_VIA_DOMAIN },
	{ "alias domain, detail", NAME("otto-x@other.example"), RCPT_FOUND, 1,
	    250, 250, 2, RCPT_VIA_DOMAIN | RCPT_VIA_DETAIL },
	{ "alias domain, unknown", NAME("nix@other.example"), RCPT_NOBODY, 0,
	    550, 550 },
	{ "alias domain, postmaster", NAME("postmaster@other.example"),
	    RCPT_FOUND, 1, 250, 250, 1, RCPT_VIA_DOMAIN | RCPT_VIA_ROLE },
	{ "alias into an alias domain", NAME("deep@one.example"), RCPT_NOBODY,
	    0, 550, 550 },
	{ "a domain that stands for itself", NAME("a@same.example"), RCPT_LOOP,
	    0, 550, 550 },
	{ "backup, known", NAME("known@backup.example"), RCPT_FOUND, 1, 250,
	    250 },
	{ "backup, known, detail", NAME("known+x@backup.example"), RCPT_FOUND,
	    1, 250, 250, 0, RCPT_VIA_DETAIL },
	{ "backup, unknown", NAME("nix@backup.example"), RCPT_NOBODY, 0, 550,
	    550 },
	{ "relay with a route", NAME("known@inner.example"), RCPT_FOUND, 1, 250,
	    250, .route = SLICE("mx.inner.example") },
	{ "more than one transaction takes", NAME("many@one.example"),
	    RCPT_FOUND, 1, 250, 250 },
};

/* What the world does not name is nobody, or foreign. */
static struct rcpt_answer
answer_of(const struct rcpt_question *q)
{
	struct rcpt_answer a = { .ask = q->ask,
		.what = q->what,
		.is = q->ask == RCPT_ASK_DOMAIN ? RCPT_IS_FOREIGN
						: RCPT_IS_NOBODY };

	for (unsigned i = 0; i < N_WORLD; i++)
		if (world[i].ask == q->ask &&
		    slice_equal(world[i].what, q->what))
			return world[i];
	return a;
}

static void
decide(const struct rcpt_input *in, struct arena *arena,
    struct rcpt_result *ret)
{
	struct rcpt_answer answers[64];
	struct rcpt_question ask;
	size_t n = 0;
	enum rcpt_need need;

	while ((need = rcpt_resolve(in, answers, n, arena, &ask, ret)) ==
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
		struct rcpt_input in = { .rcpt = rows[i].rcpt };
		const struct rcpt_target *last;
		struct rcpt_result result;
		enum rcpt_outcome outcome;
		struct verdict v;
		struct arena arena;

		test_case(rows[i].what);
		arena_init(&arena, 16 << 20);
		decide(&in, &arena, &result);
		outcome = rcpt_weigh(&result, 500, 0);
		test_int(outcome, rows[i].outcome);
		if (rows[i].n > 0) {
			test_int(result.n_targets, rows[i].n);
			test_int(result.targets[0].account, rows[i].first);
			last = &result.targets[result.n_targets - 1];
			test_int(last->via, rows[i].via);
			test_slice(last->sender, rows[i].sender);
			test_slice(last->route, rows[i].route);
		}
		v = rcpt_verdict(outcome, false);
		test_int(v.code, rows[i].code);
		v = rcpt_verdict(outcome, true);
		test_int(v.code, rows[i].code_relay);
		arena_reset(&arena);
	}
}

/* RFC 1870: what does not fit is refused before it is sent. RFC 7293: whose
 * account is younger than the sender's knowledge of him is somebody else. */
static void
size_and_age_are_weighed(void **state)
{
	static const struct {
		const char *what;
		struct rcpt_name rcpt;
		uint64_t size;
		int64_t since;
		enum rcpt_outcome outcome;
	} cases[] = {
		{ "fits exactly", NAME("anna@one.example"), 1000, 0,
		    RCPT_FOUND },
		{ "a byte too many", NAME("anna@one.example"), 1001, 0,
		    RCPT_FULL },
		{ "size not known", NAME("anna@one.example"), 0, 0,
		    RCPT_FOUND },
		{ "postmaster is never full", NAME("postmaster@one.example"),
		    5000, 0, RCPT_FOUND },
		{ "members of a group do not count", NAME("crew@one.example"),
		    5000, 0, RCPT_FOUND },
		{ "an alias does", NAME("list@one.example"), 5000, 0,
		    RCPT_FULL },
		{ "as old as it was said", NAME("anna@one.example"), 1, 100,
		    RCPT_FOUND },
		{ "younger", NAME("anna@one.example"), 1, 99, RCPT_NEW_OWNER },
		{ "younger, with detail", NAME("anna+x@one.example"), 1, 99,
		    RCPT_NEW_OWNER },
		{ "an alias has no age", NAME("list@one.example"), 1, 99,
		    RCPT_FOUND },
		{ "nobody stays nobody", NAME("nix@one.example"), 5000, 99,
		    RCPT_NOBODY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rcpt_input in = { .rcpt = cases[i].rcpt };
		struct rcpt_result result;
		struct arena arena;

		test_case(cases[i].what);
		arena_init(&arena, 16 << 20);
		decide(&in, &arena, &result);
		test_int(rcpt_weigh(&result, cases[i].size, cases[i].since),
		    cases[i].outcome);
		arena_reset(&arena);
	}
	test_int(rcpt_verdict(RCPT_NEW_OWNER, false).esc.detail, 17);
}

/* For the one who works a list off: what stands in it, not what is behind. */
static void
a_list_can_be_a_target(void **state)
{
	struct rcpt_input in = { .rcpt = NAME("list+x@one.example"),
		.stops_at_lists = true };
	struct rcpt_result result;
	struct arena arena;

	(void)state;
	arena_init(&arena, 16 << 20);
	decide(&in, &arena, &result);
	test_int(result.n_targets, 1);
	test_true(result.targets[0].is_list);
	test_slice(result.targets[0].name.canonical, SLICE("list@one.example"));
	arena_reset(&arena);
}

static void
steps_are_told(void **state)
{
	static const enum rcpt_step_kind want[] = { RCPT_STEP_DETAIL,
		RCPT_STEP_GROUP, RCPT_STEP_ACCOUNT, RCPT_STEP_NOBODY,
		RCPT_STEP_DISABLED, RCPT_STEP_ACCOUNT, RCPT_STEP_FOREIGN,
		RCPT_STEP_GROUP, RCPT_STEP_ACCOUNT, RCPT_STEP_LOOP,
		RCPT_STEP_FOREIGN };
	struct rcpt_input in = { .rcpt = NAME("crew+x@one.example"),
		.wants_steps = true };
	struct rcpt_result result;
	struct arena arena;

	(void)state;
	arena_init(&arena, 16 << 20);
	decide(&in, &arena, &result);
	test_int(result.n_steps, sizeof(want) / sizeof(want[0]));
	for (size_t i = 0; i < result.n_steps; i++)
		test_int(result.steps[i].kind, want[i]);
	for (size_t i = 0; i < RCPT_N_STEP_KINDS; i++)
		test_true(rcpt_step_texts[i] != NULL);
	arena_reset(&arena);
}

static void
memory_that_ends_is_a_condition(void **state)
{
	struct rcpt_input in = { .rcpt = NAME("anna@one.example") };
	const struct rcpt_answer answers[] = {
		{ RCPT_ASK_DOMAIN, SLICE("one.example"), RCPT_IS_LOCAL },
		{ A, SLICE("anna@one.example"), ACCOUNT(1) },
	};
	struct rcpt_question ask;
	struct rcpt_result result;
	struct arena arena;

	(void)state;
	arena_init(&arena, 100);
	test_int(rcpt_resolve(&in, answers, 2, &arena, &ask, &result),
	    RCPT_NO_MEMORY);
	arena_reset(&arena);
}

static void
what_is_large_is_worked_off_later(void **state)
{
	struct rcpt_input in = { .rcpt = NAME("many@one.example") };
	struct rcpt_result result;
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	decide(&in, &arena, &result);
	test_int(result.outcome, RCPT_FOUND);
	test_true(result.targets[0].is_list);
	arena_reset(&arena);
}

/* Ten names after each other are followed, and no eleventh. */
static void
chains_are_bounded(void **state)
{
	static char texts[RCPT_DEPTH + 3][32];
	static struct rcpt_name names[RCPT_DEPTH + 3];
	struct rcpt_answer answers[RCPT_DEPTH + 4] = { { RCPT_ASK_DOMAIN,
	    SLICE("one.example"), RCPT_IS_LOCAL } };

	(void)state;
	for (unsigned i = 0; i < RCPT_DEPTH + 3; i++) {
		(void)snprintf(texts[i], sizeof(texts[i]), "d%u@one.example",
		    i);
		names[i].typed = names[i].canonical = slice_cstr(texts[i]);
	}
	for (unsigned n = RCPT_DEPTH; n <= RCPT_DEPTH + 1; n++) {
		struct rcpt_input in = { .rcpt = names[0] };
		struct rcpt_question ask;
		struct rcpt_result result;
		struct arena arena;

		for (unsigned i = 0; i < n; i++)
			answers[i + 1] =
			    (struct rcpt_answer){ .ask = RCPT_ASK_ADDRESS,
				    .what = names[i].canonical,
				    .is = RCPT_IS_ALIAS,
				    .targets = &names[i + 1],
				    .n_targets = 1 };
		answers[n + 1] = (struct rcpt_answer){ .ask = RCPT_ASK_ADDRESS,
			.what = names[n].canonical,
			.is = RCPT_IS_ACCOUNT,
			.account = 1 };
		arena_init(&arena, 1 << 20);
		test_int(rcpt_resolve(&in, answers, n + 2, &arena, &ask,
			     &result),
		    RCPT_DECIDED);
		test_int(result.outcome,
		    n == RCPT_DEPTH ? RCPT_FOUND : RCPT_DEEP);
		arena_reset(&arena);
	}
}

TEST_MAIN(cmocka_unit_test(chains_are_bounded), cmocka_unit_test(tables_decide),
    cmocka_unit_test(size_and_age_are_weighed),
    cmocka_unit_test(a_list_can_be_a_target), cmocka_unit_test(steps_are_told),
    cmocka_unit_test(memory_that_ends_is_a_condition),
    cmocka_unit_test(what_is_large_is_worked_off_later))
