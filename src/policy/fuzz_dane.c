/* SPDX-License-Identifier: ISC */
/*
 * TLSA records and the decision about a host under answers made of the input's
 * bytes: it ends after a few rounds, and nothing comes out as usable that
 * nobody signed or that is not of its form.
 */
#include <stdlib.h>
#include <string.h>

#include "policy/tls_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

enum {
	ROUNDS = 6,
	RECORDS = 40
};

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static struct dns_answer
answer_from(struct slice *in, struct arena *arena)
{
	struct dns_answer a = { 0 };
	uint8_t byte = 0, n = 0, len;

	(void)slice_take_byte(in, &byte);
	a.is_secure = (byte & 1) != 0;
	a.is_bogus = byte > 250;
	a.rcode = (byte & 6) == 6 ? DNS_SERVFAIL : DNS_NOERROR;
	if ((byte & 24) == 24)
		a.canonical = SLICE("h.three.example");
	(void)slice_take_byte(in, &n);
	a.records = arena_array(arena, RECORDS, sizeof(*a.records));
	while (a.records != NULL && n-- > 0 && a.n_records < RECORDS) {
		if (!slice_take_byte(in, &len) ||
		    !slice_take(in, len, &a.records[a.n_records]))
			break;
		a.n_records++;
	}
	return a;
}

static void
check(const struct dane *dane)
{
	struct tls_policy_input in = { .domain = SLICE("two.example"),
		.host = SLICE("mx.two.example"),
		.dane = dane,
		.minimum = TLS_MINIMUM_MAY };
	struct tls_demand d = tls_policy_decide(&in);
	char text[DANE_RECORD_TEXT];

	must((dane->state == DANE_USABLE) == (dane->n_records > 0));
	must(dane->n_records <= dane->n_published);
	must(dane->n_published <= DANE_RECORDS);
	must(d.n_names <= TLS_POLICY_NAMES && d.n_names > 0);
	must(dane->state == DANE_NONE || d.is_refused ||
	    tls_demand_is_firm(&d));
	for (size_t i = 0; i < dane->n_published; i++) {
		must(dane_record_is_usable(&dane->records[i]) ==
		    (i < dane->n_records));
		dane_record_print(&dane->records[i], text);
		must(strlen(text) < sizeof(text));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	struct slice rest = slice_of(at, n);
	struct route_answer answers[ROUNDS + 3];
	struct dane_input in = { .domain = SLICE("two.example"),
		.host = SLICE("mx.two.example"),
		.port = 25 };
	struct dane dane;
	struct arena arena;
	size_t n_answers = 3;
	bool is_done = false;

	arena_init(&arena, 256 * 1024);
	answers[0].question = (struct route_question){ in.domain, DNS_MX };
	answers[1].question = (struct route_question){ in.host, DNS_AAAA };
	answers[2].question = (struct route_question){ in.host, DNS_A };
	for (size_t i = 0; i < 3; i++)
		answers[i].answer = answer_from(&rest, &arena);
	for (unsigned i = 0; i < ROUNDS && !is_done; i++) {
		is_done = dane_decide(&in, answers, n_answers, &arena,
			      &answers[n_answers].question,
			      &dane) != ROUTE_NEED_ANSWER;
		if (!is_done)
			answers[n_answers++].answer =
			    answer_from(&rest, &arena);
	}
	must(is_done);
	if (!arena.starved)
		check(&dane);
	arena_reset(&arena);
	return 0;
}
