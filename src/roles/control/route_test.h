/* SPDX-License-Identifier: ISC */
/*
 * roles/control/route_test - the hosts behind a route, asked for in the DNS
 *
 * The store has said which next hop each target would have; here the decision
 * that the courier makes (policy/route) is driven with the resolver's answers,
 * and every question and host becomes a row; then what would be demanded of
 * each host's TLS (MTA-STS, DANE, what is wanted at least). Nothing is
 * connected to. Owned by the admin's connection; its memory is capped.
 */
#ifndef ROLES_CONTROL_ROUTE_TEST_H
#define ROLES_CONTROL_ROUTE_TEST_H

#include "config/settings.h"
#include "policy/route.h"
#include "wire/channel.h"

enum {
	ROUTE_TEST_HOPS = 20,
	ROUTE_TEST_QUESTIONS = 3 * ROUTE_QUESTIONS /* as the courier's */
};

enum route_test_state {
	ROUTE_TEST_ASKING, /* answers will come */
	ROUTE_TEST_DONE,
	ROUTE_TEST_E_RESOLVER /* it cannot be asked */
};

struct route_test;

struct route_test_peers { /* NULL: not there */
	struct channel *resolver, *fetcher;
};

struct route_test *route_test_new(const struct settings *s,
    const struct route_own *own, size_t n_own, uint64_t seed);
void route_test_free(struct route_test *t);
/* A row of the store's answer; -ENOMEM. */
int route_test_row(struct route_test *t, struct wire_list fields);
/* Asks what is to be asked; rows go to `out`. session: of the questions. */
enum route_test_state route_test_go_on(struct route_test *t,
    const struct route_test_peers *peers, uint64_t session, struct buf *out);
/* False: it was none of ours. */
bool route_test_on_answer(struct route_test *t, uint32_t ticket,
    const struct wire_dns_answer *m);

bool route_test_on_sts(struct route_test *t, uint32_t ticket,
    const struct wire_sts_answer *m, struct buf *out);

#endif
