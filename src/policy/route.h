/* SPDX-License-Identifier: ISC */
/*
 * policy/route - where mail for a domain is to be carried (RFC 5321, 5.1)
 *
 * A decision: route_decide runs from the top each time with the answers known
 * so far and either names the questions it still needs (all it can reach, so
 * that they are asked at once) or gives the verdict: hosts in the order in
 * which they are to be tried, each with its addresses. Null MX is RFC 7505.
 *
 * Pure; what it returns lies in the caller's arena. Answers are hostile: names
 * that nobody may ask for, and addresses that are not ours to knock at, are
 * left out; so are we ourselves, with every host that is not better (RFC 5321,
 * 5.1). When the operator has named the next hop, its hosts (policy/hop) take
 * the place of the domain's; nothing that is wrong with those is a refusal of
 * the mail. Limits: LIMIT_MX_HOSTS, ROUTE_ADDRESSES.
 */
#ifndef POLICY_ROUTE_H
#define POLICY_ROUTE_H

#include "base/arena.h"
#include "base/verdict.h"
#include "policy/dns.h"
#include "policy/hop.h"

enum {
	ROUTE_QUESTIONS = 2 * LIMIT_MX_HOSTS,
	ROUTE_ADDRESSES = 8 /* of one host */
};

enum route_need {
	ROUTE_DONE,
	ROUTE_NEED_ANSWER,
	ROUTE_E_MEMORY /* the arena is full: try later */
};

struct route_address {
	uint8_t family; /* 4 or 6 */
	uint8_t bytes[16];
};

/* An address at which we answer ourselves, or a network of such. */
struct route_own {
	struct route_address address;
	uint16_t port;
	uint8_t bits; /* of the network; 0: the address alone */
};

enum route_families {
	ROUTE_BOTH, /* IPv6 first */
	ROUTE_V4_FIRST,
	ROUTE_V4_ONLY,
	ROUTE_V6_ONLY
};

struct route_input {
	struct slice domain;   /* A-label form, or "[192.0.2.1]" */
	struct slice hostname; /* our own */
	uint64_t seed;         /* for the order among equals */
	bool permit_loopback;
	uint8_t families; /* enum route_families */
	uint16_t port;    /* where none is said */
	const struct route_own *own;
	size_t n_own;
	const struct hop_host *hops; /* instead of the domain's hosts */
	size_t n_hops;
	uint8_t first; /* of them: its hosts come first; 1 is hops[0], 0 none */
};

struct route_question {
	struct slice name; /* lower case */
	uint16_t type;
};

struct route_answer {
	struct route_question question;
	struct dns_answer answer;
};

struct route_host {
	struct slice name; /* of the MX, or the literal */
	uint16_t port;
	uint16_t preference;
	struct route_address addresses[ROUTE_ADDRESSES];
	size_t n_addresses; /* > 0 */
	bool is_literal;    /* its name is not one for DNS or certificates */
	uint8_t turn;       /* of which hop it is: 1 is hops[0]; 0: of none */
};

/* Either hosts (n_hosts > 0), or why there are none. */
struct route {
	struct route_host *hosts;
	size_t n_hosts;
	struct verdict verdict; /* 4xx or 5xx when n_hosts is 0 */
};

enum route_need route_decide(const struct route_input *in,
    const struct route_answer *answers, size_t n_answers, struct arena *arena,
    struct route_question questions[ROUTE_QUESTIONS], size_t *ret_n_questions,
    struct route *ret);

/* A number for the set of hosts (names and ports) in whatever order, as they
 * are seen by one of the operator's routes; never 0. */
uint64_t route_set(const struct route *r, struct slice hop);

/* The same for hosts as the operator named them, with weights; never 0. */
uint64_t route_hops_key(struct slice name, const struct hop_host *hops,
    size_t n);

/* Ours to knock at: not loopback (unless permitted), multicast, nobody's. */
bool route_address_is_good(const struct route_address *a, bool permit_loopback);

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" (RFC 5321, 4.1.3). */
bool route_literal_parse(struct slice domain, struct route_address *ret);

#endif
