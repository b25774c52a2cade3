/* SPDX-License-Identifier: ISC */
/*
 * policy/dns - answers of the DNS: packets, records, names (RFC 1035, 4.1)
 *
 * dns_packet_parse reads what a resolver returned, hostile to the last byte:
 * compression pointers only go backwards, counts and lengths are bounded, and
 * a packet that is not of its form gives nothing at all. Names inside rdata
 * come out uncompressed, so that whoever gets a record needs no packet. The
 * smaller functions read such rdata.
 *
 * Pure. Results lie in the caller's arena. Limits: LIMIT_DNS_RECORDS.
 */
#ifndef POLICY_DNS_H
#define POLICY_DNS_H

#include "base/arena.h"
#include "base/ip.h"
#include "base/limits.h"
#include "base/slice.h"

enum { /* record types */
	DNS_A = 1,
	DNS_NS = 2,
	DNS_CNAME = 5,
	DNS_SOA = 6,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52
};

enum { /* response codes; the last is ours */
	DNS_NOERROR = 0,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NO_ANSWER = 0xffff /* none in time */
};

enum {
	DNS_NAME_WIRE = 255, /* RFC 1035, 2.3.4 */
	DNS_NAME_TEXT = 256, /* with its NUL; no dot at the end */
	DNS_CHAIN = 16,      /* CNAMEs followed in one answer */
	DNS_RDATA = 4096     /* one record; longer ones are left out */
};

struct dns_answer {
	uint16_t rcode;
	bool is_secure, is_bogus;
	uint32_t ttl;           /* the least of the records used; 0 when none */
	struct slice canonical; /* text: the end of the CNAMEs, lower case */
	struct slice *records;  /* rdata */
	size_t n_records;
};

enum {
	DNS_OK,
	DNS_E_FORM,  /* not a packet, or not an answer to that question */
	DNS_E_MEMORY /* the arena is full */
};

/* Records of `type` at the end of the CNAMEs that start at `name`. is_secure
 * and is_bogus are the caller's to fill. */
int dns_packet_parse(struct slice packet, struct slice name, uint16_t type,
    struct arena *arena, struct dns_answer *ret);

/* An uncompressed name at the front of `rdata` becomes text: lower case, no
 * dot at the end, "" for the root. False, and rdata untouched, when it is cut
 * or has a label of other characters than letters, digits, '-' and '_'. */
bool dns_name_take(struct slice *rdata, char text[DNS_NAME_TEXT]);

/* A host or domain name as we are willing to ask for it: labels of 1 to 63
 * such characters, at most 253 in all, no dot at the end. */
bool dns_name_is_valid(struct slice text);

/* "1.2.0.192.in-addr.arpa" of 192.0.2.1; IPv6 by nibbles (RFC 3596, 2.5).
 * zone NULL: in-addr.arpa or ip6.arpa. False when it is too long a name. */
bool dns_reverse_name(const struct ip *ip, const char *zone,
    char name[DNS_NAME_TEXT]);

/* False unless the rdata has exactly that form. */
bool dns_mx_parse(struct slice rdata, uint16_t *ret_preference,
    char host[DNS_NAME_TEXT]);

#endif
