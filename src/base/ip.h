/* SPDX-License-Identifier: ISC */
/*
 * base/ip - IP addresses and networks as values
 *
 * Parsing is exact: an address in one of its text forms, a network as
 * "192.0.2.0/24" or "2001:db8::/32" with no bit behind its prefix, or one
 * address alone. Nothing is allocated; a list of networks has a fixed size. An
 * IPv4 address inside IPv6 (::ffff:192.0.2.1) is taken for what it is by
 * ip_unmapped, so that nobody has two identities.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/slice.h"

enum {
	IP_TEXT = 46,     /* with its NUL */
	IP_NETWORKS = 128 /* in one list */
};

struct ip {
	uint8_t family;    /* 4, 6; 0: none */
	uint8_t bytes[16]; /* IPv4 in the first four, the rest 0 */
};

struct ip_network {
	struct ip ip;
	uint8_t bits;
};

struct ip_networks {
	struct ip_network rows[IP_NETWORKS];
	size_t n;
};

struct ip ip_of(uint8_t family, const uint8_t *bytes);
bool ip_parse(struct slice text, struct ip *ret);
void ip_print(const struct ip *ip, char text[IP_TEXT]);
bool ip_equal(const struct ip *a, const struct ip *b);
struct ip ip_unmapped(struct ip ip);
/* With all bits behind the first `bits4` (IPv4) or `bits6` cleared. */
struct ip ip_prefix(struct ip ip, unsigned bits4, unsigned bits6);

bool ip_network_parse(struct slice text, struct ip_network *ret);
bool ip_network_has(const struct ip_network *network, const struct ip *ip);
/* "192.0.2.0/24"; without "/32" or "/128" when it is one address. */
enum {
	IP_NETWORK_TEXT = IP_TEXT + 4
};
void ip_network_print(const struct ip_network *n, char text[IP_NETWORK_TEXT]);

/* One a line; spaces around it and empty lines do not count. False when a
 * line is no network or there are too many; *ret is untouched then. */
bool ip_networks_parse(struct slice lines, struct ip_networks *ret);
bool ip_networks_have(const struct ip_networks *list, const struct ip *ip);

#endif
