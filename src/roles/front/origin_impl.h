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
	HEALTH_DOMAINS,                     /* that of each list of domains */
	HEALTH_N = HEALTH_DOMAINS + LIMIT_DNSBL_LISTS
};

/* A list that answers nobody is left alone for a while, and said so once. */
struct origin_health {
	unsigned misses; /* one after the other */
	bool is_dead;
	int64_t until; /* not asked before */
};

struct origin_rules {
	struct ip_networks exempt, xclient;
	struct dnsbl_lists lists, domain_lists;
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

/* Of a mail: origin_names.c. */
enum {
	ORIGIN_NAMES = 3
};
struct origin_names {
	struct origin *origin;
	struct env_timer timer;
	int64_t since;
	bool is_over;
	size_t n, n_asked;
	char names[ORIGIN_NAMES][DNS_NAME_TEXT];
	uint32_t tickets[ORIGIN_NAMES][LIMIT_DNSBL_LISTS];
	struct dnsbl_facts facts[ORIGIN_NAMES];
};
struct origin_names_outcome {
	bool is_hit;
	int score;
	const char *name, *zone; /* of the heaviest hit above 0, or NULL */
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
	struct origin_names *names; /* NULL: no list was asked */
	char *rdns, *helo;
	char over[96];
};

/* origin_dns.c */
void origin_look_up(struct origin *o);
/* Stops asking; what is missing is unknown. */
void origin_stop_looking(struct origin *o);
/* As if the time were over. */
void origin_give_up(struct origin *o);

/* The ticket it went out under, or 0. */
uint32_t origin_ask(struct origin *o, const char *name, uint16_t type);
/* place: HEALTH_*, or that of a list. False: it is dead, and was tried not
 * long ago. */
bool origin_may_ask(struct origin *o, size_t place);
void origin_note_health(struct origin *o, size_t place, uint16_t rcode,
    int64_t since);

/* origin_names.c */
void origin_names_forget(struct origin *o);
void origin_names_give_up(struct origin *o);
void origin_names_add_rdns(struct origin *o);
bool origin_names_are_known(struct origin *o);
/* False: it was none of its questions. */
bool origin_names_on_answer(struct origin *o, uint32_t ticket, uint16_t rcode,
    const struct slice *records, size_t n);
/* False: no list with a positive weight has a name. */
bool origin_names_weigh(const struct origin *o,
    struct origin_names_outcome *ret);
/* Appends its hits. */
void origin_names_print(const struct origin *o, char *out, size_t size);

static inline struct origin_rules *
origin_rules(const struct conn *c)
{
	return front_own(c->front)->rules;
}

#endif
