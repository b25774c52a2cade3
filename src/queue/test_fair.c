/* SPDX-License-Identifier: ISC */
/* Turns between tenants and between senders. */
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "queue/destination.h"
#include "queue/fair.h"

static void
a_flow_is_its_sender_and_its_domain(void **state)
{
	static const struct {
		const char *what, *a, *b;
		bool same_tenant, same_flow;
	} pairs[] = {
		{ "itself", "jo@one.example", "jo@one.example", true, true },
		{ "case", "Jo@ONE.example", "jo@one.example", true, true },
		{ "another sender", "jo@one.example", "al@one.example", true,
		    false },
		{ "another domain", "jo@one.example", "jo@two.example", false,
		    false },
		{ "an @ within quotes", "\"a@b\"@one.example", "jo@one.example",
		    true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		int64_t a = fair_flow(slice_cstr(pairs[i].a));
		int64_t b = fair_flow(slice_cstr(pairs[i].b));

		test_case(pairs[i].what);
		test_true(a >= 0 && b >= 0);
		test_int(a >> FAIR_SENDER_BITS == b >> FAIR_SENDER_BITS,
		    pairs[i].same_tenant);
		test_int(a == b, pairs[i].same_flow);
	}
	test_int(fair_flow(SLICE("")), 0);
	test_int(fair_flow(SLICE("jo@One.example")) >> FAIR_SENDER_BITS,
	    fair_tenant(SLICE("one.EXAMPLE")));
}

/* A row is written as tenant, sender, message; its priority is 0, or what
 * stands behind. */
static void
the_order_is_by_turns(void **state)
{
	static const struct {
		const char *what, *in, *want;
	} orders[] = {
		{ "nothing", "", "" },
		{ "one sender: as it was", "Aa1 Aa2 Aa3", "Aa1 Aa2 Aa3" },
		{ "one mail behind many", "Aa1 Aa2 Aa3 Aa4 Bb1",
		    "Aa1 Bb1 Aa2 Aa3 Aa4" },
		{ "two senders of a tenant", "Aa1 Aa2 Aa3 Ab1",
		    "Aa1 Ab1 Aa2 Aa3" },
		{ "three senders of one have together what one of another has",
		    "Aa1 Aa2 Ab1 Ac1 Bx1 Bx2 Bx3",
		    "Aa1 Bx1 Ab1 Bx2 Ac1 Bx3 Aa2" },
		{ "recipients of one message are one turn",
		    "Aa1 Aa1 Aa1 Aa2 Bb1 Bb2", "Aa1 Aa1 Aa1 Bb1 Aa2 Bb2" },
		{ "the urgent first", "Aa1 Aa2 Bb1-9 Aa3+4",
		    "Aa3+4 Aa1 Aa2 Bb1-9" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct queue_row rows[16];
		const char *names[16];
		size_t n = 0;
		char got[100] = "", copy[100];
		char *at = copy, *word;

		test_case(orders[i].what);
		(void)snprintf(copy, sizeof(copy), "%s", orders[i].in);
		while ((word = strsep(&at, " ")) != NULL && *word != '\0') {
			names[n] = word;
			rows[n] = (struct queue_row){ .row = n,
				.flow = (int64_t)word[0] << FAIR_SENDER_BITS |
				    word[1],
				.message = { { (uint8_t)word[0],
				    (uint8_t)word[1], (uint8_t)word[2] } },
				.priority = (int8_t)atoi(word + 3) };
			n++;
		}
		test_int(fair_order(rows, n), 0);
		for (size_t k = 0; k < n; k++) {
			(void)strcat(got, k > 0 ? " " : "");
			(void)strcat(got, names[rows[k].row]);
		}
		test_slice(slice_cstr(got), slice_cstr(orders[i].want));
	}
}

/* A crowd of one sender and one mail each of two hundred others. */
static void
nobody_waits_for_a_crowd(void **state)
{
	enum {
		N = 1000,
		OTHERS = 200
	};
	static struct queue_row rows[N];
	size_t last = 0;

	(void)state;
	for (size_t i = 0; i < N; i++)
		rows[i] = (struct queue_row){ .row = i,
			.flow = i < N - OTHERS
			    ? 1
			    : (int64_t)(i << FAIR_SENDER_BITS),
			.message = { { (uint8_t)(i >> 8), (uint8_t)i } } };
	test_int(fair_order(rows, N), 0);
	for (size_t i = 0; i < N; i++)
		if (rows[i].row >= N - OTHERS)
			last = i;
	test_int(last, OTHERS); /* one of the crowd goes with them */
}

TEST_MAIN(cmocka_unit_test(a_flow_is_its_sender_and_its_domain),
    cmocka_unit_test(the_order_is_by_turns),
    cmocka_unit_test(nobody_waits_for_a_crowd))
