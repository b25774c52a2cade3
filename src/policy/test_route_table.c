/* SPDX-License-Identifier: ISC */
/* Which route a mail takes, when several match; and what may be a pattern. */
#include "base/test.h"
#include "policy/route_table.h"

static const uint8_t seed[MAP_SEED];

static void
add(struct route_table *t, const char *name, uint8_t kind)
{
	struct route_rule rule = { .name = slice_cstr(name), .kind = kind };

	test_int(route_table_add(t, &rule), 0);
}

static void
match(struct route_table *t, const char *pattern, const char *name)
{
	test_int(route_table_match(t, slice_cstr(pattern), slice_cstr(name)),
	    0);
}

static void
make(struct route_table *t)
{
	route_table_init(t, seed);
	add(t, "exact", HOP_SMARTHOST);
	add(t, "above", HOP_SMARTHOST);
	add(t, "far", HOP_LMTP);
	add(t, "jo", HOP_SMARTHOST);
	add(t, "ours", HOP_SMARTHOST);
	add(t, "all", HOP_SMARTHOST);
	add(t, "door", HOP_MX);
	match(t, "to:two.example", "exact");
	match(t, "to:.two.example", "above");
	match(t, "to:.example", "far");
	match(t, "to:*", "all");
	match(t, "to:[192.0.2.1]", "exact");
	match(t, "to:plain.test", "door");
	match(t, "from:jo@one.example", "jo");
	match(t, "from:one.example", "ours");
	match(t, "from:.one.example", "ours");
	match(t, "to:nowhere.test", "is-not-there");
	test_int(route_table_target(t, SLICE("relay.test"),
		     SLICE("inner.test")),
	    0);
	test_int(route_table_target(t, SLICE("relay2.test"),
		     SLICE("route:far")),
	    0);
	test_int(route_table_target(t, SLICE("relay3.test"),
		     SLICE("route:gone")),
	    0);
	test_int(route_table_target(t, SLICE("relay4.test"),
		     SLICE("two.example")),
	    0);
}

static const struct {
	const char *what, *sender, *domain, *rule, *key, *to;
	unsigned why;
} rows[] = {
	{ "the domain", "x@y.test", "two.example", "exact", "route:exact",
	    "two.example", ROUTE_WHY_DOMAIN },
	{ "one above", "x@y.test", "a.two.example", "above", "route:above",
	    "a.two.example", ROUTE_WHY_PARENT },
	{ "the nearest above", "x@y.test", "b.a.two.example", "above",
	    "route:above", "b.a.two.example", ROUTE_WHY_PARENT },
	{ "a far one", "x@y.test", "three.example", "far", "route:far",
	    "three.example", ROUTE_WHY_PARENT },
	{ "the recipient before the sender", "jo@one.example", "two.example",
	    "exact", "route:exact", "two.example", ROUTE_WHY_DOMAIN },
	{ "the sender, in any case", "JO@One.Example", "y.test", "jo",
	    "route:jo", "y.test", ROUTE_WHY_SENDER },
	{ "the sender's domain", "al@one.example", "y.test", "ours",
	    "route:ours", "y.test", ROUTE_WHY_SENDER_DOMAIN },
	{ "above the sender's", "al@x.one.example", "y.test", "ours",
	    "route:ours", "y.test", ROUTE_WHY_SENDER_DOMAIN },
	{ "everything else", "x@y.test", "y.test", "all", "route:all", "y.test",
	    ROUTE_WHY_ALL },
	{ "a bounce", "", "y.test", "all", "route:all", "y.test",
	    ROUTE_WHY_ALL },
	{ "a literal", "", "[192.0.2.1]", "exact", "route:exact", "[192.0.2.1]",
	    ROUTE_WHY_DOMAIN },
	{ "of kind mx its key is the domain", "", "plain.test", "door",
	    "plain.test", "plain.test", ROUTE_WHY_DOMAIN },
	{ "a target, before any sender", "jo@one.example", "relay.test", NULL,
	    "inner.test", "inner.test", ROUTE_WHY_TARGET },
	{ "a target that is a route", "", "relay2.test", "far", "route:far",
	    "relay2.test", ROUTE_WHY_TARGET },
	{ "a target that is gone", "", "relay3.test", NULL, "relay3.test",
	    "relay3.test", ROUTE_WHY_TARGET },
	{ "a target with a route", "", "relay4.test", "exact", "route:exact",
	    "two.example", ROUTE_WHY_TARGET },
	{ "a route that is not there", "", "nowhere.test", "all", "route:all",
	    "nowhere.test", ROUTE_WHY_ALL },
	{ "not an address", "@@", "y.test", "all", "route:all", "y.test",
	    ROUTE_WHY_ALL },
};

static void
found_by_table(void **state)
{
	struct route_table t;

	(void)state;
	make(&t);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct route_choice c;

		test_case(rows[i].what);
		route_table_find(&t, slice_cstr(rows[i].sender),
		    slice_cstr(rows[i].domain), &c);
		test_int(c.why, rows[i].why);
		test_slice(c.key, slice_cstr(rows[i].key));
		test_slice(c.domain, slice_cstr(rows[i].to));
		test_true((c.rule == NULL) == (rows[i].rule == NULL));
		if (c.rule != NULL)
			test_slice(c.rule->name, slice_cstr(rows[i].rule));
	}
	route_table_deinit(&t);
}

static void
an_empty_one_changes_nothing(void **state)
{
	struct route_table t;
	struct route_choice c;

	(void)state;
	route_table_init(&t, seed);
	test_true(route_table_is_empty(&t));
	route_table_find(&t, SLICE("jo@one.example"), SLICE("two.example"), &c);
	test_true(c.rule == NULL);
	test_slice(c.key, SLICE("two.example"));
	test_int(c.why, ROUTE_WHY_MX);
	route_table_deinit(&t);
}

static const struct {
	const char *in;
	bool is_from;
	const char *want; /* NULL: refused */
} patterns[] = {
	{ "Two.Example", false, "to:two.example" },
	{ ".Two.Example", false, "to:.two.example" },
	{ "b\xc3\xbc"
	  "cher.example",
	    false, "to:xn--bcher-kva.example" },
	{ "*", false, "to:*" },
	{ "[192.0.2.1]", false, "to:[192.0.2.1]" },
	{ "jo@two.example", false, NULL },
	{ "", false, NULL },
	{ ".", false, NULL },
	{ "a b", false, NULL },
	{ "*.example", false, NULL },
	{ "Jo@Two.Example", true, "from:jo@two.example" },
	{ "two.example", true, "from:two.example" },
	{ "<>", true, "from:<>" },
	{ "*", true, NULL },
	{ "@", true, NULL },
};

static void
patterns_by_table(void **state)
{
	char got[ROUTE_PATTERN_MAX + 8];
	const char *why;

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		test_case(patterns[i].in);
		test_true(route_pattern_read(slice_cstr(patterns[i].in),
			      patterns[i].is_from, got,
			      &why) == (patterns[i].want != NULL));
		if (patterns[i].want != NULL)
			test_slice(slice_cstr(got),
			    slice_cstr(patterns[i].want));
	}
	test_true(route_name_is_valid(SLICE("a-b_c.9")));
	test_true(!route_name_is_valid(SLICE("")));
	test_true(!route_name_is_valid(SLICE("Ab")));
	test_true(!route_name_is_valid(SLICE("a23456789012345678901234567890123"
					     "4")));
}

TEST_MAIN(cmocka_unit_test(found_by_table),
    cmocka_unit_test(an_empty_one_changes_nothing),
    cmocka_unit_test(patterns_by_table))
