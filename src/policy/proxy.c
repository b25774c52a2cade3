/* SPDX-License-Identifier: ISC */
#include "policy/proxy.h"

#include <string.h>

enum {
	V1_MIN = 15,  /* "PROXY UNKNOWN" and its CRLF */
	V1_MAX = 107, /* CRLF included */
	V2_HEAD = 16,
	V2_INET = 12,
	V2_INET6 = 36,
	V2_UNIX = 216,
	TLV_HEAD = 3,
	TLV_CRC32C = 0x03
};

static const uint8_t signature[] = "\r\n\r\n\0\r\nQUIT\n";
enum {
	SIGNATURE = sizeof(signature) - 1
};

/* -- version 2 ------------------------------------------------------------- */

static uint16_t
u16_at(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* CRC-32C (Castagnoli), bit by bit: one header a connection. */
static uint32_t
crc32c_add(uint32_t crc, uint8_t byte)
{
	crc ^= byte;
	for (int i = 0; i < 8; i++)
		crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	return crc;
}

/* The whole header with the four bytes of the checksum itself as zeros. */
static bool
is_checksum(struct slice header, size_t at)
{
	uint32_t crc = 0xffffffffu;
	const uint8_t *c = header.at + at;

	for (size_t i = 0; i < header.len; i++)
		crc = crc32c_add(crc, i >= at && i < at + 4 ? 0 : header.at[i]);
	return ~crc ==
	    ((uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 |
		c[3]);
}

static bool
check_tlvs(struct slice header, size_t at)
{
	while (at < header.len) {
		size_t len;

		if (header.len - at < TLV_HEAD)
			return false;
		len = u16_at(header.at + at + 1);
		if (len > header.len - at - TLV_HEAD)
			return false;
		if (header.at[at] == TLV_CRC32C &&
		    (len != 4 || !is_checksum(header, at + TLV_HEAD)))
			return false;
		at += TLV_HEAD + len;
	}
	return true;
}

static void
take_ends(struct proxy *p, uint8_t family, const uint8_t *at)
{
	size_t n = family == 4 ? 4 : 16;

	p->source = ip_unmapped(ip_of(family, at));
	p->target = ip_unmapped(ip_of(family, at + n));
	p->source_port = u16_at(at + 2 * n);
	p->target_port = u16_at(at + 2 * n + 2);
}

/* Families and transports: how long the addresses are; those that name nobody
 * have no family. */
static const struct form {
	uint8_t code, family;
	uint16_t len;
} forms[] = {
	{ 0x00, 0, 0 },        /* UNSPEC: what follows is skipped whole */
	{ 0x11, 4, V2_INET },  /* TCP over IPv4 */
	{ 0x21, 6, V2_INET6 }, /* TCP over IPv6 */
	{ 0x31, 0, V2_UNIX },  /* a UNIX stream socket */
};

static bool
take_addresses(struct slice header, struct proxy *p)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct form *f = &forms[i];

		if (f->code != header.at[13])
			continue;
		if (f->len > header.len - V2_HEAD)
			return false;
		p->is_own = f->family == 0;
		if (f->family != 0)
			take_ends(p, f->family, header.at + V2_HEAD);
		return f->code == 0 || check_tlvs(header, V2_HEAD + f->len);
	}
	return false;
}

static int
parse_v2(struct slice in, struct proxy *ret)
{
	struct proxy p = { .version = 2 };
	struct slice header;

	if (in.len > 12 && in.at[12] != 0x20 && in.at[12] != 0x21)
		return PROXY_E_BAD;
	if (in.len < V2_HEAD)
		return PROXY_MORE;
	p.len = (size_t)V2_HEAD + u16_at(in.at + 14);
	if (p.len > LIMIT_PROXY_HEADER)
		return PROXY_E_BAD;
	if (in.len < p.len)
		return PROXY_MORE;
	header = slice_upto(in, p.len);
	if (in.at[12] == 0x20)
		p.is_own = true; /* LOCAL: addresses do not count */
	else if (!take_addresses(header, &p))
		return PROXY_E_BAD;
	*ret = p;
	return PROXY_OK;
}

/* -- version 1 ------------------------------------------------------------- */

static bool
take_port(struct slice *in, uint16_t *ret)
{
	struct slice digits;
	uint64_t port;

	if (!slice_take_while(in, ascii_is_digit, &digits) ||
	    (digits.len > 1 && digits.at[0] == '0') ||
	    !slice_to_u64(digits, 65535, &port))
		return false;
	*ret = (uint16_t)port;
	return true;
}

static bool
take_ip(struct slice *in, uint8_t family, struct ip *ret)
{
	struct slice word;
	struct ip ip;

	if (!slice_take_until(in, ' ', &word) || !ip_parse(word, &ip) ||
	    ip.family != family)
		return false;
	*ret = ip_unmapped(ip);
	return true;
}

/* "PROXY" SP ("TCP4" / "TCP6") SP source SP target SP port SP port, or
 * "PROXY UNKNOWN" and whatever else */
static bool
parse_line(struct slice line, struct proxy *p)
{
	uint8_t family;

	if (slice_skip(&line, SLICE("UNKNOWN"))) {
		p->is_own = true;
		return line.len == 0 || line.at[0] == ' ';
	}
	if (slice_skip(&line, SLICE("TCP4 ")))
		family = 4;
	else if (slice_skip(&line, SLICE("TCP6 ")))
		family = 6;
	else
		return false;
	return take_ip(&line, family, &p->source) &&
	    take_ip(&line, family, &p->target) &&
	    take_port(&line, &p->source_port) && slice_skip_byte(&line, ' ') &&
	    take_port(&line, &p->target_port) && line.len == 0;
}

static int
parse_v1(struct slice in, struct proxy *ret)
{
	struct proxy p = { .version = 1 };
	struct slice line;
	size_t cr = slice_find_byte(slice_upto(in, V1_MAX), '\r');

	if (cr == SIZE_MAX)
		return in.len < V1_MAX && slice_find_byte(in, '\n') == SIZE_MAX
		    ? PROXY_MORE
		    : PROXY_E_BAD;
	if (cr + 1 == in.len && in.len < V1_MAX)
		return PROXY_MORE;
	if (cr + 2 > V1_MAX || in.at[cr + 1] != '\n')
		return PROXY_E_BAD;
	line = slice_upto(in, cr);
	if (slice_find_byte(line, '\n') != SIZE_MAX)
		return PROXY_E_BAD; /* as when it comes in pieces */
	(void)slice_skip(&line, SLICE("PROXY "));
	p.len = cr + 2;
	if (!parse_line(line, &p))
		return PROXY_E_BAD;
	*ret = p;
	return PROXY_OK;
}

size_t
proxy_need(struct slice in)
{
	const struct slice v2 = { signature, SIGNATURE };

	if (in.len < V1_MIN)
		return V1_MIN - in.len;
	if (!slice_starts(in, v2))
		return 1; /* where the line ends nobody has said */
	if (in.len < V2_HEAD)
		return V2_HEAD - in.len;
	return (size_t)V2_HEAD + u16_at(in.at + 14) - in.len;
}

int
proxy_parse(struct slice in, struct proxy *ret)
{
	const struct slice v1 = SLICE("PROXY "), v2 = { signature, SIGNATURE };

	if (slice_starts(in, v2))
		return parse_v2(in, ret);
	if (slice_starts(in, v1))
		return parse_v1(in, ret);
	if (slice_starts(v1, in) || slice_starts(v2, in))
		return PROXY_MORE;
	return PROXY_E_BAD;
}
