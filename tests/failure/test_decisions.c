/* SPDX-License-Identifier: ISC */
/*
 * failure/test_decisions - policy/ and queue/ when memory runs out
 *
 * Our trouble is temporary: without memory no address is said to be unknown
 * and no domain to take no mail.
 */
#include <errno.h>

#include "alloc.h"
#include "base/test.h"
#include "policy/canon.h"
#include "policy/rcpt.h"
#include "policy/route.h"
#include "queue/bounce.h"
#include "queue/destination.h"

/* -- routes
 * ---------------------------------------------------------------------- */

static const struct slice mx[] = {
	{ (const uint8_t *)"\0\x0a\1a\7example", 13 },
	{ (const uint8_t *)"\0\x14\1b\7example", 13 },
};
static const struct slice a[] = { { (const uint8_t *)"\xc0\0\2\1", 4 } };

static bool
run_route(void *ctx)
{
	static const struct route_input in = { .domain = SLICE("two.example"),
		.hostname = SLICE("one.example") };
	struct route_answer answers[8] = { 0 };
	struct route_question questions[ROUTE_QUESTIONS];
	struct slice mx_rows[] = { mx[0], mx[1] }, a_rows[] = { a[0] };
	size_t n = 0, n_questions;
	enum route_need need;
	struct route route = { 0 };
	struct arena arena;

	(void)ctx;
	arena_init(&arena, 256 * 1024);
	for (;;) {
		need = ALLOC_IN(route_decide(&in, answers, n, &arena, questions,
		    &n_questions, &route));
		if (need != ROUTE_NEED_ANSWER)
			break;
		for (size_t i = 0; i < n_questions && n < 8; i++, n++) {
			bool is_mx = questions[i].type == DNS_MX;

			answers[n].question = questions[i];
			answers[n].answer.records = is_mx ? mx_rows : a_rows;
			answers[n].answer.n_records = is_mx ? 2
			    : questions[i].type == DNS_A    ? 1
							    : 0;
		}
	}
	if (need == ROUTE_DONE) {
		test_true(!alloc_has_failed() || route.n_hosts == 2 ||
		    verdict_is_temporary(&route.verdict));
		test_true(alloc_has_failed() || route.n_hosts == 2);
	}
	ALLOC_IN_VOID(arena_reset(&arena));
	return need == ROUTE_DONE;
}

/* two.example. MX: a header, the question, one answer */
static const uint8_t packet[] = "\0\1\x81\x80\0\1\0\1\0\0\0\0"
				"\3two\7example\0\0\x0f\0\1"
				"\xc0\x0c\0\x0f\0\1\0\0\0\x3c\0\6"
				"\0\x0a\1a\xc0\x0c";

static bool
run_packet(void *ctx)
{
	struct dns_answer answer = { 0 };
	struct arena arena;
	int r;

	(void)ctx;
	arena_init(&arena, 64 * 1024);
	r = ALLOC_IN(dns_packet_parse(slice_of(packet, sizeof(packet) - 1),
	    SLICE("two.example"), DNS_MX, &arena, &answer));
	test_true(r == DNS_OK || (r == DNS_E_MEMORY && alloc_has_failed()));
	if (r == DNS_OK)
		test_int(answer.n_records, 1);
	ALLOC_IN_VOID(arena_reset(&arena));
	return r == DNS_OK;
}

/* -- recipients
 * -------------------------------------------------------------------- */

static bool
run_rcpt(void *ctx)
{
	static const struct rcpt_input asked = {
		.rcpt = { SLICE("Team@one.example"), SLICE("team@one.example") }
	};
	static const struct rcpt_name targets[] = {
		{ SLICE("a@one.example"), SLICE("a@one.example") },
		{ SLICE("x@two.example"), SLICE("x@two.example") },
	};
	struct rcpt_answer answers[8] = { 0 };
	struct rcpt_question question;
	struct rcpt_result result = { 0 };
	enum rcpt_need need;
	struct arena arena;
	size_t n = 0;

	(void)ctx;
	arena_init(&arena, 256 * 1024);
	while ((need = ALLOC_IN(rcpt_resolve(&asked, answers, n, &arena,
		    &question, &result))) == RCPT_NEED_ANSWER &&
	    n < 8) {
		struct rcpt_answer *to = &answers[n++];

		to->ask = question.ask;
		to->what = question.what;
		to->is = question.ask == RCPT_ASK_DOMAIN
		    ? (slice_equal(question.what, SLICE("one.example"))
			      ? RCPT_IS_LOCAL
			      : RCPT_IS_FOREIGN)
		    : slice_starts(question.what, SLICE("team")) ? RCPT_IS_ALIAS
		    : slice_starts(question.what, SLICE("a@"))
		    ? RCPT_IS_ACCOUNT
		    : RCPT_IS_FOREIGN;
		to->account = 7;
		to->targets = to->is == RCPT_IS_ALIAS ? targets : NULL;
		to->n_targets = to->is == RCPT_IS_ALIAS ? 2 : 0;
	}
	test_true(need == RCPT_DECIDED ||
	    (need == RCPT_NO_MEMORY && alloc_has_failed()));
	if (need == RCPT_DECIDED) {
		test_int(result.outcome, RCPT_FOUND);
		test_int(result.n_targets, 2);
	}
	ALLOC_IN_VOID(arena_reset(&arena));
	return need == RCPT_DECIDED;
}

static bool
run_canon(void *ctx)
{
	struct buf out;
	int r;

	(void)ctx;
	buf_init(&out, 1024);
	r = ALLOC_IN(canon_address(SLICE("J\xc3\xb6rg@B\xc3\xbc.Example"), true,
	    &out));
	test_true(r == 0 || (r == -ENOMEM && alloc_has_failed()));
	ALLOC_IN_VOID(buf_deinit(&out));
	return r == 0;
}

/* -- the queue
 * ----------------------------------------------------------------------- */

static bool
run_bounce(void *ctx)
{
	const struct bounce_rcpt rcpt = {
		.address = SLICE("bob@two.example"),
		.remote = SLICE("mx.two.example [192.0.2.1]:25"),
		.verdict = VERDICT(550, 5, 1, 1, "no bob here"),
	};
	const struct bounce b = {
		.hostname = SLICE("mx.one.example"),
		.sender = SLICE("anna@one.example"),
		.content = SLICE("Subject: x\r\nFrom: anna\xff\r\n\r\n"),
		.rcpts = &rcpt,
		.n_rcpts = 1,
	};
	struct buf out;
	int r;

	(void)ctx;
	buf_init(&out, BOUNCE_MAX);
	r = ALLOC_IN(bounce_compose(&b, &out));
	test_true(r == BUF_OK || (r == -ENOMEM && alloc_has_failed()));
	/* A letter that is called whole is whole. */
	if (r == BUF_OK)
		test_true(slice_find(buf_slice(&out), SLICE("Subject: x")) !=
			SIZE_MAX &&
		    slice_ends(buf_slice(&out), SLICE("--\r\n")));
	ALLOC_IN_VOID(buf_deinit(&out));
	return r == BUF_OK;
}

static bool
run_destinations(void *ctx)
{
	static const uint8_t seed[MAP_SEED];
	static const struct queue_row rows[20];
	struct queue_row taken[20];
	struct destinations s;
	struct destination *d;
	bool is_well = true;

	(void)ctx;
	destinations_init(&s, seed, 1);
	for (char c = 'a'; c <= 'z'; c++) {
		char route[] = "x.example";
		int r;

		route[0] = c;
		r = ALLOC_IN(destination_get(&s, slice_cstr(route), 0, &d));
		test_true(r == 0 || (r == -ENOMEM && alloc_has_failed()));
		is_well &= r == 0;
		if (r == 0)
			ALLOC_IN_VOID(destination_row_due(&s, d, 1));
	}
	d = destinations_next(&s, 10);
	if (d != NULL) {
		ALLOC_IN_VOID(destination_fill_begin(&s, d));
		if (ALLOC_IN(destination_fill_end(&s, d, rows, 20,
			QUEUE_NEVER)) != 0) {
			is_well = false;
			ALLOC_IN_VOID(destination_row_due(&s, d, 20));
		}
		/* What did not fit into memory is not forgotten. */
		test_true(destination_take(&s, d, taken, 20) == 20 ||
		    destinations_next(&s, INT64_MAX - 1) != NULL);
	}
	ALLOC_IN_VOID(destinations_deinit(&s));
	return is_well && d != NULL;
}

static void
each_allocation_of_decisions(void **state)
{
	(void)state;
	test_true(alloc_each("route", run_route, NULL) > 0);
	test_true(alloc_each("packet", run_packet, NULL) > 0);
	test_true(alloc_each("rcpt", run_rcpt, NULL) > 0);
	test_true(alloc_each("canon", run_canon, NULL) > 0);
	test_true(alloc_each("bounce", run_bounce, NULL) > 0);
	test_true(alloc_each("destinations", run_destinations, NULL) > 26);
}

TEST_MAIN(cmocka_unit_test(each_allocation_of_decisions))
