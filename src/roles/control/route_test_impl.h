/* SPDX-License-Identifier: ISC */
/*
 * roles/control/route_test_impl - what the files of route_test share
 *
 *   route_test.c      what the store said, the hosts of each hop, the answer
 *   route_test_tls.c  what is demanded of the TLS of each host
 */
#ifndef ROLES_CONTROL_ROUTE_TEST_IMPL_H
#define ROLES_CONTROL_ROUTE_TEST_IMPL_H

#include "policy/tls_policy.h"
#include "roles/control/control.h"
#include "roles/control/route_test.h"

enum {
	ROW_TEXT = 900
};

struct hop {
	struct slice kind, address, domain, hosts;
	uint16_t port;
	uint8_t tls;     /* enum hop_tls, not DEFAULT */
	uint8_t minimum; /* enum tls_minimum, of the destination */
	bool is_lmtp;
	uint8_t used_up; /* FAMILY_*: our addresses that have had their mails */
};

enum {
	FAMILY_V4 = 1,
	FAMILY_V6 = 2
};

enum fate { /* the worst of all targets counts */
	FATE_GOES,
	FATE_DISCARDED,
	FATE_WAITS,
	FATE_BOUNCES
};

struct route_test {
	const struct settings *settings;
	const struct route_own *own;
	size_t n_own;
	uint64_t seed;
	struct arena arena;
	struct channel *resolver,
	    *fetcher; /* NULL: not there; while going on */
	uint64_t session;
	struct hop hops[ROUTE_TEST_HOPS];
	size_t n_hops, at;
	bool is_refused, is_waiting; /* as the store said */
	uint8_t used_up;             /* of the hop that is told next */
	enum fate fate;
	/* of hops[at] */
	struct hop_host hosts[HOP_HOSTS];
	struct route_answer answers[ROUTE_TEST_QUESTIONS];
	bool has_answer[ROUTE_TEST_QUESTIONS];
	size_t n_answers, n_missing;
	uint32_t first_ticket; /* of answers[0] */
	bool is_routed;
	struct route route;
	struct {
		bool is_asked, is_missing;
		uint8_t mode, result; /* enum sts_mode, sts_result */
		struct slice mx;
	} sts;
	size_t host, n_good; /* the next one; those that may be used */
};

/* A row of the answer. */
void route_test_put(struct buf *out, const char *kind, const char *what,
    struct slice address, const char *text);
void route_test_note_fate(struct route_test *t, enum fate fate);
/* One more question to the DNS; false: it cannot be asked. */
bool route_test_ask(struct route_test *t, const struct route_question *q);

/* -- route_test_tls.c -- */

void route_test_tls_reset(struct route_test *t);
/* Of all hosts of t->route, as far as the answers go. */
enum route_test_state route_test_tls_go_on(struct route_test *t,
    struct buf *out);

#endif
