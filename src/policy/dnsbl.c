/* SPDX-License-Identifier: ISC */
#include "policy/dnsbl.h"

#include <stdio.h>
#include <string.h>

#define LOOPBACK 0x7f000000u
#define ERRORS_LO 0x7fffff00u /* 127.255.255.0 */

/* -- configuration --------------------------------------------------------- */

static bool
not_space(uint8_t c)
{
	return !ascii_is_space(c);
}

static uint32_t
u32_of(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	    (uint32_t)at[2] << 8 | at[3];
}

static bool
parse_ipv4(struct slice text, uint32_t *ret)
{
	struct ip ip;

	if (!ip_parse(text, &ip) || ip.family != 4)
		return false;
	*ret = u32_of(ip.bytes);
	return true;
}

/* address / address "-" (address / last-octet) / network */
static bool
parse_range(struct slice text, struct dnsbl_range *ret)
{
	struct ip_network network;
	struct slice first;
	uint64_t last;

	if (slice_take_until(&text, '-', &first)) {
		if (!parse_ipv4(first, &ret->lo))
			return false;
		if (slice_to_u64(text, 255, &last))
			ret->hi = (ret->lo & 0xffffff00u) | (uint32_t)last;
		else if (!parse_ipv4(text, &ret->hi))
			return false;
		return ret->lo <= ret->hi;
	}
	if (!ip_network_parse(text, &network) || network.ip.family != 4)
		return false;
	ret->lo = u32_of(network.ip.bytes);
	ret->hi = network.bits == 0
	    ? 0xffffffffu
	    : ret->lo | (uint32_t)(0xffffffffull >> network.bits);
	return true;
}

static bool
parse_ranges(struct slice text, struct dnsbl_list *l)
{
	struct slice part;
	bool is_more;

	do {
		is_more = slice_take_until(&text, ',', &part);
		if (l->n_ranges == DNSBL_RANGES ||
		    !parse_range(is_more ? part : text,
			&l->ranges[l->n_ranges]))
			return false;
		l->n_ranges++;
	} while (is_more);
	return true;
}

static bool
parse_weight(struct slice text, int *ret)
{
	bool is_negative = slice_skip_byte(&text, '-');
	uint64_t n;

	if (!slice_to_u64(text, DNSBL_WEIGHT_MAX, &n))
		return false;
	*ret = is_negative ? -(int)n : (int)n;
	return true;
}

static bool
take_word(struct slice *line, struct slice *ret)
{
	*line = slice_trim(*line);
	return slice_take_while(line, not_space, ret);
}

static bool
parse_list(struct slice line, struct dnsbl_list *l)
{
	struct slice word;

	/* room for the nibbles of an IPv6 address in front */
	if (!take_word(&line, &word) || !dns_name_is_valid(word) ||
	    word.len > 253 - 64)
		return false;
	(void)slice_to_cstr(word, l->zone, sizeof(l->zone));
	l->weight = 1;
	if (take_word(&line, &word) && !parse_weight(word, &l->weight))
		return false;
	if (take_word(&line, &word))
		return parse_ranges(word, l) && slice_trim(line).len == 0;
	l->ranges[0] = (struct dnsbl_range){ LOOPBACK, ERRORS_LO - 1 };
	l->n_ranges = 1;
	return true;
}

bool
dnsbl_lists_parse(struct slice lines, struct dnsbl_lists *ret)
{
	struct dnsbl_list l;
	struct slice line;
	size_t n = 0;

	while (lines.len > 0) {
		if (!slice_take_until(&lines, '\n', &line)) {
			line = lines;
			lines.len = 0;
		}
		if (slice_trim(line).len == 0)
			continue;
		l = (struct dnsbl_list){ .weight = 0 };
		if (n == LIMIT_DNSBL_LISTS || !parse_list(line, &l))
			return false;
		ret->rows[n++] = l;
	}
	ret->n = n;
	return true;
}

/* -- answers --------------------------------------------------------------- */

static bool
counts(const struct dnsbl_list *l, uint32_t reply)
{
	if ((reply & 0xff000000u) != LOOPBACK)
		return false;
	for (size_t i = 0; i < l->n_ranges; i++)
		if (reply >= l->ranges[i].lo && reply <= l->ranges[i].hi)
			return true;
	return false;
}

void
dnsbl_on_address(const struct dnsbl_lists *lists, size_t list, uint16_t rcode,
    const struct slice *records, size_t n, struct dnsbl_facts *facts)
{
	uint8_t *state = &facts->states[list];

	if (*state != DNSBL_ASKED)
		return;
	*state = rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN ? DNSBL_CLEAR
							       : DNSBL_DEAD;
	for (size_t i = 0; rcode == DNS_NOERROR && i < n; i++) {
		if (records[i].len != 4 ||
		    !counts(&lists->rows[list], u32_of(records[i].at)))
			continue;
		*state = DNSBL_HIT;
		facts->replies[list] = u32_of(records[i].at);
		return;
	}
}

/* The first string of the first record (RFC 1035, 3.3.14), as far as it can be
 * said in a reply. */
void
dnsbl_on_text(struct dnsbl_facts *facts, uint16_t rcode,
    const struct slice *records, size_t n)
{
	size_t len = 0;

	if (facts->text_state != DNSBL_ASKED)
		return;
	facts->text_state = DNSBL_CLEAR;
	facts->text[0] = '\0';
	if (rcode != DNS_NOERROR || n == 0 || records[0].len < 2 ||
	    records[0].at[0] > records[0].len - 1)
		return;
	for (; len < records[0].at[0] && len < DNSBL_TEXT - 1; len++) {
		uint8_t c = records[0].at[1 + len];

		facts->text[len] = ascii_is_print(c) ? (char)c : '?';
	}
	facts->text[len] = '\0';
	facts->text_state = DNSBL_HIT;
}

/* -- the decision ---------------------------------------------------------- */

static void
weigh(const struct dnsbl_lists *lists, const struct dnsbl_facts *facts,
    struct dnsbl_outcome *o)
{
	for (size_t i = 0; i < lists->n; i++) {
		int weight = lists->rows[i].weight;

		if (facts->states[i] != DNSBL_HIT)
			continue;
		o->score += weight;
		if (weight > 0 &&
		    (!o->has_heaviest ||
			weight > lists->rows[o->heaviest].weight)) {
			o->heaviest = i;
			o->has_heaviest = true;
		}
	}
}

/* True: something is still unknown. *least: the score if of all that is unknown
 * only the good ones come true. */
static bool
is_open(const struct dnsbl_lists *lists, const struct dnsbl_facts *facts,
    int score, int *ret_least)
{
	bool is_unknown = false;

	*ret_least = score;
	for (size_t i = 0; i < lists->n; i++) {
		if (facts->states[i] > DNSBL_ASKED)
			continue;
		is_unknown = true;
		if (lists->rows[i].weight < 0)
			*ret_least += lists->rows[i].weight;
	}
	return is_unknown;
}

int
dnsbl_decide(const struct dnsbl_lists *lists, int threshold,
    const struct dnsbl_facts *facts, struct dnsbl_outcome *ret)
{
	struct dnsbl_outcome o = { 0 };
	int least;

	weigh(lists, facts, &o);
	if (is_open(lists, facts, o.score, &least) &&
	    (least < threshold || !o.has_heaviest)) {
		*ret = o;
		return DNSBL_NEED_ANSWER;
	}
	o.is_refused = o.has_heaviest && o.score >= threshold;
	*ret = o;
	return o.is_refused && facts->text_state <= DNSBL_ASKED
	    ? DNSBL_NEED_TEXT
	    : DNSBL_DECIDED;
}

void
dnsbl_print_hits(const struct dnsbl_lists *lists,
    const struct dnsbl_facts *facts, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < lists->n; i++) {
		uint32_t r = facts->replies[i];
		int n;

		if (facts->states[i] != DNSBL_HIT)
			continue;
		n = snprintf(out + at, size - at, "%s%s=%u.%u.%u.%u",
		    at == 0 ? "" : " ", lists->rows[i].zone, r >> 24,
		    r >> 16 & 0xff, r >> 8 & 0xff, r & 0xff);
		if (n < 0 || (size_t)n >= size - at) {
			out[at] = '\0';
			return;
		}
		at += (size_t)n;
	}
}
