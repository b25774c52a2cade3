/* SPDX-License-Identifier: ISC */
/*
 * roles/fetcher - what its files share
 *
 *   main.c    channels: who asks, what the resolver and the store say
 *   domain.c  one domain: what is known of its policy, who waits for it, and
 *             the steps of looking (policy/sts decides)
 *   report.c  for TLS reports: where they go, and by HTTPS there
 *   fetch.c   one fetch: addresses of the policy's host, HTTPS, what came
 *
 *      IDLE -> TXT -> (PENDING ->) ADDRESSES -> HTTPS -> IDLE
 *
 * A domain is looked at once at a time, however many ask. It stays in memory
 * while it has a policy, a fresh failure, or somebody who waits.
 */
#ifndef ROLES_FETCHER_FETCHER_H
#define ROLES_FETCHER_FETCHER_H

#include "base/list.h"
#include "base/map.h"
#include "base/time.h"
#include "policy/dns.h"
#include "policy/route.h"
#include "policy/sts.h"
#include "roles/role.h"
#include "sys/https.h"

enum {
	FETCHER_LOOKUPS = 2000, /* domains that are looked at, at a time */
	FETCHER_JOBS = 200,     /* of report.c */
	FETCHER_FETCHES = 50,   /* of them by HTTPS */
	FETCHER_DOMAINS = 2 * LIMIT_STS_DOMAINS, /* failures included */
	FETCHER_REFRESHES = 20 /* begun in one turn of the timer */
};
#define FETCHER_TICK TIME_MINUTE
#define FETCHER_TXT_WAIT (3 * TIME_SECOND) /* for the record */
#define FETCHER_SILENCE TIME_MINUTE        /* then it is asked for again */

struct fetcher {
	struct role *role;
	struct env *env;
	const struct settings *settings;
	struct https *https; /* NULL: no libcurl; `why_not` says so */
	const char *why_not;
	struct channel *store, *resolver; /* NULL while there is none */
	struct list peers;                /* of struct channel: who asks */
	struct map domains;               /* of struct domain, by name */
	struct map lookups;               /* those that look, by number */
	struct map jobs;                  /* report.c's, by number */
	struct list used;    /* domains, the one used last at the end */
	struct list pending; /* those that wait to fetch, by `queue` */
	size_t n_policies, n_fetches;
	bool is_starting; /* domain_next_pending is at work */
	bool is_loaded;   /* the store has told what was kept */
	uint64_t next_lookup;
	uint32_t next_ticket;
	struct env_timer tick;
};

enum domain_stage {
	DOMAIN_IDLE,
	DOMAIN_TXT,
	DOMAIN_PENDING,
	DOMAIN_ADDRESSES,
	DOMAIN_HTTPS
};

struct waiter {
	struct list link;
	struct channel *channel;
	uint64_t session;
	uint32_t ticket;
};

struct domain {
	struct fetcher *fetcher;
	struct list link;  /* in `used` */
	struct list queue; /* in `pending` */
	struct list waiters;
	char name[DNS_NAME_TEXT];

	struct sts_state state;
	enum sts_mode mode;
	char *mx;               /* of the policy; NULL without one */
	enum sts_result result; /* of the last fetch */
	char why[STS_WHY];
	int64_t asked;  /* env_now, by the first of those who wait */
	int64_t silent; /* env_now: the record did not come; 0: it did */
	int64_t looked; /* env_now, without being asked */

	enum domain_stage stage;
	uint64_t lookup;  /* its number in `lookups` */
	bool is_forced;   /* an admin wants it fetched */
	enum sts_txt txt; /* what this look has found */
	char txt_id[STS_ID];
	uint32_t tickets[2]; /* of questions: TXT, or A and AAAA */
	unsigned n_missing;
	struct env_addr addresses[HTTPS_ADDRESSES];
	size_t n_addresses;
	struct env_timer patience; /* of those who wait */
	struct https_request request;
};

/* -- domain.c ---------------------------------------------------------------
 */

/* NULL: no memory. */
struct domain *domain_get(struct fetcher *f, struct slice name);
void domain_free(struct domain *d);
/* Who asks is answered now or later, once. */
void domain_ask(struct domain *d, struct channel *c, uint64_t session,
    uint32_t ticket);
/* Whoever waits at this channel waits no more. */
void domain_forget(struct domain *d, const struct channel *c);
/* Begins to look, unless it does already. */
void domain_look(struct domain *d);
void domain_on_dns(struct domain *d, uint32_t ticket,
    const struct wire_dns_answer *m);
/* Nothing will come to what was asked of the resolver. */
void domain_on_resolver_lost(struct domain *d);
/* What was kept: it counts unless a newer one is known. */
void domain_load(struct domain *d, const struct wire_sts_cached *m);
/* The fetch has ended; a policy when `result` is OK. */
void domain_on_fetched(struct domain *d, enum sts_result result,
    const char *why, const struct sts_policy *policy, struct slice mx);
/* Asks the resolver; false when it cannot be asked. */
bool domain_question(struct domain *d, unsigned i, const char *name,
    uint16_t type);
/* Fetches of those that wait for their turn. */
void domain_next_pending(struct fetcher *f);

/* -- fetch.c ----------------------------------------------------------------
 */

void fetch_begin(struct domain *d);
void fetch_on_address(struct domain *d, const struct wire_dns_answer *m,
    bool is_6);

/* Those of the addresses in an answer that are ours to knock at. */
void fetch_add_addresses(const struct fetcher *f,
    const struct wire_dns_answer *m, bool is_6, uint16_t port,
    struct env_addr addresses[HTTPS_ADDRESSES], size_t *n);

/* -- report.c ---------------------------------------------------------------
 */

struct job;

int on_rua_ask(struct channel *c, const struct wire_head *h,
    const struct wire_rua_ask *m);
int on_report_post(struct channel *c, const struct wire_head *h,
    const struct wire_report_post *m);
void job_on_dns(struct job *j, uint32_t ticket,
    const struct wire_dns_answer *m);
void jobs_on_resolver_lost(struct fetcher *f);
void jobs_drop(struct fetcher *f); /* nobody wants the answers */

#endif
