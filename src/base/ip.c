/* SPDX-License-Identifier: ISC */
#include "base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static unsigned
ip_bits(uint8_t family)
{
	return family == 4 ? 32 : family == 6 ? 128 : 0;
}

struct ip
ip_of(uint8_t family, const uint8_t *bytes)
{
	struct ip ip = { .family = family };

	memcpy(ip.bytes, bytes, ip_bits(family) / 8);
	return ip;
}

bool
ip_parse(struct slice text, struct ip *ret)
{
	char copy[IP_TEXT];
	struct ip ip = { 0 };

	if (text.len == 0 || slice_find_byte(text, '\0') != SIZE_MAX ||
	    !slice_to_cstr(text, copy, sizeof(copy)))
		return false;
	if (inet_pton(AF_INET, copy, ip.bytes) == 1)
		ip.family = 4;
	else if (inet_pton(AF_INET6, copy, ip.bytes) == 1)
		ip.family = 6;
	else
		return false;
	*ret = ip;
	return true;
}

void
ip_print(const struct ip *ip, char text[IP_TEXT])
{
	text[0] = '\0';
	if (ip->family == 4)
		(void)inet_ntop(AF_INET, ip->bytes, text, IP_TEXT);
	else if (ip->family == 6)
		(void)inet_ntop(AF_INET6, ip->bytes, text, IP_TEXT);
	else
		(void)snprintf(text, IP_TEXT, "local");
}

bool
ip_equal(const struct ip *a, const struct ip *b)
{
	return a->family == b->family &&
	    memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct ip
ip_unmapped(struct ip ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (ip.family != 6 || memcmp(ip.bytes, mapped, sizeof(mapped)) != 0)
		return ip;
	return ip_of(4, ip.bytes + 12);
}

struct ip
ip_prefix(struct ip ip, unsigned bits4, unsigned bits6)
{
	unsigned bits = ip.family == 4 ? bits4 : bits6;

	for (unsigned i = 0; i < sizeof(ip.bytes);
	     i++, bits -= bits < 8 ? bits : 8)
		if (bits < 8)
			ip.bytes[i] &= (uint8_t)(0xff00u >> bits);
	return ip;
}

bool
ip_network_parse(struct slice text, struct ip_network *ret)
{
	struct ip_network n = { 0 };
	struct slice address = text;
	struct ip base;
	uint64_t bits = 0;
	bool has_bits = slice_take_until(&text, '/', &address);

	if (!ip_parse(address, &n.ip))
		return false;
	n.bits = (uint8_t)ip_bits(n.ip.family);
	if (has_bits) {
		if (!slice_to_u64(text, n.bits, &bits) ||
		    (text.len > 1 && text.at[0] == '0'))
			return false;
		n.bits = (uint8_t)bits;
	}
	base = ip_prefix(n.ip, n.bits, n.bits);
	if (!ip_equal(&base, &n.ip))
		return false;
	*ret = n;
	return true;
}

bool
ip_network_has(const struct ip_network *network, const struct ip *ip)
{
	struct ip base = ip_prefix(*ip, network->bits, network->bits);

	return ip_equal(&base, &network->ip);
}

void
ip_network_print(const struct ip_network *n, char text[IP_NETWORK_TEXT])
{
	char ip[IP_TEXT];

	ip_print(&n->ip, ip);
	if (n->bits == ip_bits(n->ip.family))
		(void)snprintf(text, IP_NETWORK_TEXT, "%s", ip);
	else
		(void)snprintf(text, IP_NETWORK_TEXT, "%s/%u", ip, n->bits);
}

bool
ip_networks_parse(struct slice lines, struct ip_networks *ret)
{
	struct ip_networks got = { .n = 0 };
	struct slice line;

	while (lines.len > 0) {
		if (!slice_take_until(&lines, '\n', &line)) {
			line = lines;
			lines.len = 0;
		}
		line = slice_trim(line);
		if (line.len == 0)
			continue;
		if (got.n == IP_NETWORKS ||
		    !ip_network_parse(line, &got.rows[got.n]))
			return false;
		got.n++;
	}
	*ret = got;
	return true;
}

bool
ip_networks_have(const struct ip_networks *list, const struct ip *ip)
{
	for (size_t i = 0; i < list->n; i++)
		if (ip_network_has(&list->rows[i], ip))
			return true;
	return false;
}
