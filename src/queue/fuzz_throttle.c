/* SPDX-License-Identifier: ISC */
/*
 * fuzz: the subject of a throttle: what is one prints and parses to itself, and
 * is found again; a mail that was counted is never owed more than the burst.
 */
#include <stdlib.h>
#include <string.h>

#include "queue/fair.h"
#include "queue/throttle.h"

static struct throttle *
find(const struct throttles *s, const struct throttle *t)
{
	struct slice name = slice_cstr(t->name);
	int64_t flow = t->kind == THROTTLE_SENDER
	    ? fair_flow(name)
	    : fair_tenant(name) << FAIR_SENDER_BITS;

	return throttles_find(s, t->kind, name, flow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t seed[MAP_SEED] = { 0 };
	struct throttle t = { .mails = 3, .burst = 2, .period = 1000 }, again;
	char text[THROTTLE_TEXT_MAX];
	struct throttles s;

	if (!throttle_subject_parse(slice_of(data, size), &t))
		return 0;
	throttle_subject_print(&t, text);
	again = t;
	if (!throttle_subject_parse(slice_cstr(text), &again) ||
	    memcmp(&t, &again, sizeof(t)) != 0)
		abort();
	throttles_init(&s, seed);
	if (throttles_put(&s, &t) == 0) {
		struct throttle *got = find(&s, &t);

		/* "route:" before the name of a route is not the name */
		if (got == NULL &&
		    !(t.kind == THROTTLE_ROUTE &&
			strncmp(t.name, "route:", 6) == 0))
			abort();
		for (int i = 0; got != NULL && i < 5; i++)
			throttle_count(got, 1, 50);
		if (got != NULL && throttle_ready(got, 50) > 50 + 1000)
			abort();
	}
	throttles_deinit(&s);
	return 0;
}
