/* SPDX-License-Identifier: ISC */
/*
 * roles/front/origin_impl - what origin.c and origin_dns.c share
 *
 * origin.c has the gate, the counts and what protocols ask; origin_dns.c asks
 * the resolver and judges its answers.
 */
#ifndef ROLES_FRONT_ORIGIN_IMPL_H
#define ROLES_FRONT_ORIGIN_IMPL_H

#include "policy/dnsbl.h"
#include "policy/rdns.h"
#include "roles/front/origin.h"

enum {
	HEALTH_REVERSE = LIMIT_DNSBL_LISTS, /* the place of reverse lookups */
	HEALTH_N
};

/* A list that answers nobody is left alone for a while, and said so once. */
struct origin_health {
	unsigned misses; /* one after the other */
	bool is_dead;
	int64_t until; /* not asked before */
};

struct origin_rules {
	struct ip_networks exempt, xclient;
	struct dnsbl_lists lists;
	struct origin_health health[HEALTH_N];
};

enum origin_stage {
	ORIGIN_PROXY, /* a header is to come */
	ORIGIN_COUNT, /* the store is asked */
	ORIGIN_GREET, /* nobody may speak yet */
	ORIGIN_OPEN
};

/* While the DNS is asked. */
struct origin_lookup {
	struct rdns rdns;
	uint32_t rdns_ticket; /* 0: nothing is out */
	uint32_t tickets[LIMIT_DNSBL_LISTS], text_ticket;
	bool is_rdns_wanted, are_lists_wanted;
	int64_t since;
};

struct origin {
	struct conn *conn;
	struct ip ip;
	uint8_t stage; /* enum origin_stage */
	bool is_exempt, is_early, is_counted, is_over;
	bool was_refused;        /* and has been logged */
	uint8_t rdns_state;      /* enum rdns_state; CONFIRMED: rdns */
	uint32_t ticket;         /* of CLIENT_ASK; 0: none is out */
	uint32_t counts[RATE_N]; /* not told yet */
	int64_t told_at;
	struct env_timer timer;   /* of the stage */
	struct env_timer lookups; /* the end of all lookups */
	struct origin_lookup *lookup;
	struct dnsbl_facts *facts; /* NULL: no list was asked */
	struct dnsbl_outcome outcome;
	char *rdns, *helo;
	char over[96];
};

/* origin_dns.c */
void origin_look_up(struct origin *o);
/* Stops asking; what is missing is unknown. */
void origin_stop_looking(struct origin *o);
/* As if the time were over. */
void origin_give_up(struct origin *o);

static inline struct origin_rules *
origin_rules(const struct conn *c)
{
	return front_own(c->front)->rules;
}

#endif
