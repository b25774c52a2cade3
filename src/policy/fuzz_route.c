/* SPDX-License-Identifier: ISC */
/*
 * The routing decision under answers made of the input's bytes: it ends after
 * a few rounds, and no host without a good address comes out.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

enum {
	ROUNDS = 4,
	RECORDS = 30
};

/* rcode, number of records, then each with its length. */
static struct dns_answer
answer_from(struct slice *in, struct arena *arena)
{
	struct dns_answer a = { 0 };
	uint8_t byte = 0, n = 0;

	(void)slice_take_byte(in, &byte);
	a.rcode = byte % 5 == 4 ? DNS_NO_ANSWER : byte % 5;
	a.is_bogus = byte > 250;
	(void)slice_take_byte(in, &n);
	a.records = arena_array(arena, RECORDS, sizeof(*a.records));
	while (a.records != NULL && n-- > 0 && a.n_records < RECORDS) {
		if (!slice_take_byte(in, &byte) ||
		    !slice_take(in, byte, &a.records[a.n_records]))
			break;
		a.n_records++;
	}
	return a;
}

static void
check(const struct route *route)
{
	if (route->n_hosts > LIMIT_MX_HOSTS ||
	    (route->n_hosts == 0 && route->verdict.code / 100 != 4 &&
		route->verdict.code / 100 != 5))
		abort();
	for (size_t i = 0; i < route->n_hosts; i++) {
		const struct route_host *h = &route->hosts[i];

		if (h->n_addresses == 0 || h->n_addresses > ROUTE_ADDRESSES)
			abort();
		for (size_t k = 0; k < h->n_addresses; k++)
			if (h->addresses[k].family == 4 &&
			    h->addresses[k].bytes[0] == 127)
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice rest = slice_of(at, n), domain;
	struct route_question questions[ROUTE_QUESTIONS];
	struct route_answer answers[ROUNDS * ROUTE_QUESTIONS];
	struct route_input in = { .hostname = SLICE("one.example") };
	struct route route;
	struct arena arena;
	size_t n_answers = 0, n_questions;
	enum route_need need;

	if (!slice_take_until(&rest, '\n', &domain))
		return 0;
	in.domain = domain;
	in.seed = n;
	arena_init(&arena, 1024 * 1024);
	for (unsigned round = 0; round < ROUNDS; round++) {
		need = route_decide(&in, answers, n_answers, &arena, questions,
		    &n_questions, &route);
		if (need != ROUTE_NEED_ANSWER)
			break;
		for (size_t i = 0; i < n_questions; i++, n_answers++) {
			answers[n_answers].question = questions[i];
			answers[n_answers].answer = answer_from(&rest, &arena);
		}
	}
	if (need == ROUTE_NEED_ANSWER)
		abort();
	if (need == ROUTE_DONE)
		check(&route);
	arena_reset(&arena);
	return 0;
}
