/* SPDX-License-Identifier: ISC */
/*
 * sys/dns - a validating resolver (libunbound) inside the env's loop
 *
 * libunbound asks for readiness and time-outs through unbound-event.h; dns.c
 * answers it from env's watches and timers, so that there is no thread and no
 * child. All options are set, and everything it reads from the disk is read,
 * in dns_new: call that before the sandbox closes. Packets come back as they
 * are and are hostile; policy/dns parses them.
 *
 * Trust: the library's sockets are its own, past the env. Limits: at most
 * DNS_OUTSTANDING questions are under way; who asks keeps his own time limit
 * and forgets a question with dns_forget. It is kept here until the library
 * has finished with it, and counts until then.
 */
#ifndef SYS_DNS_H
#define SYS_DNS_H

#include "base/slice.h"
#include "sys/env.h"

enum {
	DNS_OUTSTANDING = 1000
};

struct dns;

struct dns_options {            /* strings may be NULL or empty */
	const char *server;     /* forward everything to it, not to the roots */
	uint16_t port;          /* of that server; 0: 53 */
	const char *root_hints; /* path of a file */
	const char *stubs;      /* lines "zone address@port"; "." is all */
	const char *trust_anchor; /* lines of DS or DNSKEY records */
	bool permit_loopback;     /* servers on loopback may be asked */
};

struct dns_result {
	int rcode;           /* 0: see the packet for what the answer says */
	struct slice packet; /* empty when rcode != 0 */
	bool is_secure, is_bogus;
	const char *why; /* of bogus; never NULL */
};

/* Owned by the caller; at rest while slot == NULL. */
struct dns_query {
	void (*done)(struct dns_query *q, const struct dns_result *result);
	void *slot; /* dns.c's */
};

/* 0, -EINVAL (an option is not understood; *ret_why says which, static text),
 * -ENOMEM. */
int dns_new(struct env *env, const struct dns_options *o, struct dns **ret,
    const char **ret_why);
/* Queries under way are dropped without `done`. */
void dns_free(struct dns *d);

/* name: NUL-ended, without a dot at the end. `done` may be called before this
 * returns. 0, -EBUSY (too many under way), -ENOMEM, -EIO. */
int dns_ask(struct dns *d, struct dns_query *q, const char *name,
    uint16_t type);
/* `done` will not be called. Harmless on a query at rest. */
void dns_forget(struct dns_query *q);

#endif
