/* SPDX-License-Identifier: ISC */
/*
 * policy/dane - the TLSA records of a mail host (RFC 7672, 2; 6698; 7671)
 *
 * A decision, as policy/route: dane_decide runs from the top each time with the
 * answers known so far, those of the routing among them, and names the question
 * it still needs, or says what stands there. Only hosts of which the DNS has
 * signed everything are asked about: their MX (2.2.1) and their address or
 * alias (2.2.2). A lookup that fails is DANE_FAILED, never "there are none".
 *
 * Pure; what it returns points into the answers and the caller's arena. Limits:
 * DANE_RECORDS; more of them are left out.
 */
#ifndef POLICY_DANE_H
#define POLICY_DANE_H

#include "policy/route.h"

enum {
	DANE_RECORDS = 32,
	DANE_QUESTIONS = 1 /* at a time */
};

enum { /* RFC 7218 */
	DANE_PKIX_TA = 0,
	DANE_PKIX_EE = 1,
	DANE_TA = 2,
	DANE_EE = 3,
	DANE_FULL = 0,
	DANE_SHA256 = 1,
	DANE_SHA512 = 2
};

struct dane_record {
	uint8_t usage, selector, matching;
	struct slice data;
};

enum dane_state {
	DANE_NONE,     /* no records, or not signed: there is no DANE here */
	DANE_FAILED,   /* not known whether there are: not to be used now */
	DANE_UNUSABLE, /* there are, of forms that are none for mail */
	DANE_USABLE
};

struct dane {
	uint8_t state; /* enum dane_state */
	bool is_mx_secure;
	struct slice base;     /* the TLSA base domain */
	struct slice domain;   /* of the mail */
	struct slice expanded; /* what that is an alias of, or empty */
	/* Those that can be used, and behind them, for who is told of them,
	 * those that cannot. */
	const struct dane_record *records;
	size_t n_records, n_published;
};

struct dane_input {
	struct slice domain, host; /* of the mail; of its MX, or a relay */
	uint16_t port;
	bool is_literal;
	/* A relay that we were told of: no MX led there. */
	bool is_chosen;
};

/* ROUTE_NEED_ANSWER: ret_question is to be asked. ROUTE_E_MEMORY. */
enum route_need dane_decide(const struct dane_input *in,
    const struct route_answer *answers, size_t n_answers, struct arena *arena,
    struct route_question *ret_question, struct dane *ret);

/* False when the rdata is no TLSA record. */
bool dane_record_parse(struct slice rdata, struct dane_record *ret);
/* RFC 7672, 3.1: usages 2 and 3, with a selector, a matching type and a length
 * that we know. */
bool dane_record_is_usable(const struct dane_record *r);

enum {
	DANE_RECORD_TEXT = 720 /* an RSA key of 2048 bits is whole in it */
};
/* "3 1 1 0a1b…", as in a zone file; what is longer ends in "...". */
void dane_record_print(const struct dane_record *r,
    char text[DANE_RECORD_TEXT]);

#endif
