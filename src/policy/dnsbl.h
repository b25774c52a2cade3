/* SPDX-License-Identifier: ISC */
/*
 * policy/dnsbl - lists of senders in the DNS: what they say, what it weighs
 *
 * Each list is a zone, a weight, and the replies that count (RFC 5782). The
 * weights of the lists that hold a client add up; a list of good ones has a
 * negative weight. From the threshold on the client is refused with the words
 * of the list that weighs most. A decision without input or output: run again
 * with the facts so far, it names what is still to be asked, or is done. A list
 * that does not answer says nothing: it neither refuses nor excuses.
 *
 * A line of configuration: ZONE [WEIGHT [REPLIES]], WEIGHT from -100 to 100 (1
 * when missing), REPLIES addresses, ranges (127.0.0.2-11 or two whole ones) or
 * networks with commas between. Without: every 127.0.0.0/8 but
 * 127.255.255.0/24, by which lists tell of errors. Replies outside 127.0.0.0/8
 * never count: they are those of somebody who sells the expired name.
 */
#ifndef POLICY_DNSBL_H
#define POLICY_DNSBL_H

#include "policy/dns.h"

enum {
	DNSBL_RANGES = 8,
	DNSBL_TEXT = 256,
	DNSBL_WEIGHT_MAX = 100
};

struct dnsbl_list {
	char zone[DNS_NAME_TEXT];
	int weight;
	struct dnsbl_range {
		uint32_t lo, hi;
	} ranges[DNSBL_RANGES];
	size_t n_ranges;
};

struct dnsbl_lists {
	struct dnsbl_list rows[LIMIT_DNSBL_LISTS];
	size_t n;
};

enum dnsbl_state {
	DNSBL_UNASKED,
	DNSBL_ASKED,
	DNSBL_CLEAR,
	DNSBL_HIT,
	DNSBL_DEAD
};

struct dnsbl_facts {
	uint8_t states[LIMIT_DNSBL_LISTS];
	uint32_t
	    replies[LIMIT_DNSBL_LISTS]; /* of hits, the first that counts */
	uint8_t text_state; /* of what the heaviest list says of it */
	uint8_t text_of;    /* which that was */
	char text[DNSBL_TEXT];
};

enum {
	DNSBL_DECIDED,
	DNSBL_NEED_ANSWER, /* ask every list that is UNASKED, by A */
	DNSBL_NEED_TEXT    /* ask list ret->heaviest by TXT */
};

struct dnsbl_outcome {
	int score;
	bool is_refused;
	size_t heaviest; /* of the hits with a positive weight */
	bool has_heaviest;
};

bool dnsbl_lists_parse(struct slice lines, struct dnsbl_lists *ret);
int dnsbl_decide(const struct dnsbl_lists *lists, int threshold,
    const struct dnsbl_facts *facts, struct dnsbl_outcome *ret);

/* What an answer says; rcode DNS_NO_ANSWER when the time is over. */
void dnsbl_on_address(const struct dnsbl_lists *lists, size_t list,
    uint16_t rcode, const struct slice *records, size_t n,
    struct dnsbl_facts *facts);
void dnsbl_on_text(struct dnsbl_facts *facts, uint16_t rcode,
    const struct slice *records, size_t n);

/* "zone=127.0.0.2 other.zone=127.0.0.4": the hits, as many as fit. */
void dnsbl_print_hits(const struct dnsbl_lists *lists,
    const struct dnsbl_facts *facts, char *out, size_t size);

#endif
