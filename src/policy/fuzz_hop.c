/* SPDX-License-Identifier: ISC */
/*
 * What is typed as hosts, patterns and names of routes: whatever comes out lies
 * inside of what went in, and a pattern that was read is one that matches.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/hop.h"
#include "policy/route_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_hosts(struct slice in)
{
	struct hop_host hosts[HOP_HOSTS];
	const char *why = NULL;
	size_t n = 0;

	if (!hop_hosts_read(in, hosts, &n, &why)) {
		if (why == NULL)
			abort();
		return;
	}
	if (n == 0 || n > HOP_HOSTS)
		abort();
	for (size_t i = 0; i < n; i++)
		if (hosts[i].name.len == 0 || hosts[i].weight == 0 ||
		    hosts[i].name.at < in.at ||
		    hosts[i].name.at + hosts[i].name.len > in.at + in.len)
			abort();
}

static void
check_pattern(struct slice in, bool is_from)
{
	static const uint8_t seed[MAP_SEED];
	struct route_rule rule = { .name = SLICE("r"), .kind = HOP_DISCARD };
	char pattern[ROUTE_PATTERN_MAX + 8];
	struct route_choice choice;
	struct route_table t;
	const char *why = NULL;

	if (!route_pattern_read(in, is_from, pattern, &why))
		return;
	route_table_init(&t, seed);
	if (route_table_add(&t, &rule) != 0 ||
	    route_table_match(&t, slice_cstr(pattern), rule.name) != 0)
		abort();
	/* an exact domain, as it is asked for */
	if (!is_from && pattern[3] != '.' && pattern[3] != '*') {
		route_table_find(&t, SLICE(""), slice_cstr(pattern + 3),
		    &choice);
		if (choice.rule == NULL)
			abort();
	}
	route_table_find(&t, in, SLICE("two.example"), &choice);
	if (choice.key.len == 0)
		abort();
	route_table_deinit(&t);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice in = slice_of(at, n);

	check_hosts(in);
	check_pattern(in, false);
	check_pattern(in, true);
	(void)route_name_is_valid(in);
	return 0;
}
