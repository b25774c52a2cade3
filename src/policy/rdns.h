/* SPDX-License-Identifier: ISC */
/*
 * policy/rdns - the name of an address, if both directions agree
 *
 * The PTR records of the address name hosts; a host whose A or AAAA records
 * hold the address again is its confirmed name. Everything else is hearsay
 * (whoever has the address writes its PTR) and is not told. A machine without
 * input or output: rdns_question says what to ask, rdns_answer takes it. At
 * most RDNS_NAMES hosts are looked at. What could not be learnt for now is
 * RDNS_FAILED, which is not "it has none".
 */
#ifndef POLICY_RDNS_H
#define POLICY_RDNS_H

#include "policy/dns.h"

enum {
	RDNS_NAMES = 3
};

enum rdns_state {
	RDNS_ASK_PTR,
	RDNS_ASK_ADDRESS,
	RDNS_CONFIRMED,
	RDNS_NONE,        /* no PTR record */
	RDNS_UNCONFIRMED, /* names that do not point back */
	RDNS_FAILED       /* no answer, or none in time */
};

struct rdns {
	struct ip ip;
	uint8_t state; /* enum rdns_state */
	uint8_t n, at;
	bool has_failed; /* one of the ways back */
	char names[RDNS_NAMES][DNS_NAME_TEXT];
};

void rdns_init(struct rdns *r, const struct ip *ip);
/* False: it is decided. */
bool rdns_question(const struct rdns *r, char name[DNS_NAME_TEXT],
    uint16_t *ret_type);
void rdns_answer(struct rdns *r, uint16_t rcode, const struct slice *records,
    size_t n);
/* The confirmed name, or empty. */
struct slice rdns_name(const struct rdns *r);

#endif
