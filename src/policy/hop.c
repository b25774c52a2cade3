/* SPDX-License-Identifier: ISC */
#include "policy/hop.h"

#include <string.h>

#include "base/ip.h"
#include "policy/dns.h"

const char *const hop_kinds[HOP_KINDS] = {
	[HOP_MX] = "mx",
	[HOP_SMARTHOST] = "smarthost",
	[HOP_LMTP] = "lmtp",
	[HOP_DISCARD] = "discard",
	[HOP_ERROR] = "error",
};

const char *const hop_tls_texts[HOP_TLS_KINDS] = {
	[HOP_TLS_DEFAULT] = "default",
	[HOP_TLS_NONE] = "none",
	[HOP_TLS_MAY] = "may",
	[HOP_TLS_ENCRYPT] = "encrypt",
	[HOP_TLS_VERIFY] = "verify",
};

/* What stands behind `mark`, when it is there. */
static bool
take_number(struct slice *in, uint8_t mark, uint64_t least, uint64_t most,
    uint16_t *ret)
{
	struct slice digits;
	uint64_t n;

	if (!slice_skip_byte(in, mark))
		return true;
	if (!slice_take_while(in, ascii_is_digit, &digits) ||
	    !slice_to_u64(digits, most, &n) || n < least)
		return false;
	*ret = (uint16_t)n;
	return true;
}

static bool
is_name_byte(uint8_t c)
{
	return ascii_is_alnum(c) || c == '-' || c == '.' || c == '_';
}

static void
set_address(struct hop_host *h, const struct ip *ip)
{
	h->family = ip->family;
	memcpy(h->address, ip->bytes, sizeof(h->address));
}

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" as in mail, or "[2001:db8::1]". */
static bool
take_literal(struct slice *in, struct hop_host *h)
{
	size_t end = slice_find_byte(*in, ']');
	struct slice inner;
	struct ip ip;

	if (end == SIZE_MAX)
		return false;
	h->name = slice_upto(*in, end + 1);
	*in = slice_from(*in, end + 1);
	inner = slice_from(slice_upto(h->name, end), 1);
	(void)slice_skip_nocase(&inner, SLICE("IPv6:"));
	if (!ip_parse(inner, &ip))
		return false;
	set_address(h, &ip);
	return true;
}

/* A bare IPv4 address is one, and no name. */
static bool
take_name(struct slice *in, struct hop_host *h)
{
	struct ip ip;

	if (!slice_take_while(in, is_name_byte, &h->name))
		return false;
	if (ip_parse(h->name, &ip))
		set_address(h, &ip);
	return h->family != 0 || dns_name_is_valid(h->name);
}

static const char *
read_host(struct slice in, struct hop_host *ret)
{
	struct hop_host h = { .weight = 1, .preference = HOP_PREFERENCE };

	h.uses_mx = slice_skip(&in, SLICE("mx:"));
	if (in.len > 0 && in.at[0] == '[' ? !take_literal(&in, &h)
					  : !take_name(&in, &h))
		return "a host is not a name, nor [address]";
	if (h.uses_mx && h.family != 0)
		return "an address has no MX";
	if (!take_number(&in, ':', 1, 65535, &h.port))
		return "a port is a number from 1 to 65535";
	if (!take_number(&in, '*', 1, HOP_WEIGHT_MAX, &h.weight))
		return "a weight is a number from 1 to 1000";
	if (!take_number(&in, '@', 0, 65535, &h.preference))
		return "a preference is a number from 0 to 65535";
	if (in.len > 0)
		return "a host is NAME[:PORT][*WEIGHT][@PREFERENCE]";
	*ret = h;
	return NULL;
}

bool
hop_hosts_read(struct slice text, struct hop_host ret[HOP_HOSTS], size_t *ret_n,
    const char **ret_why)
{
	struct slice one;
	size_t n = 0;

	if (text.len > HOP_HOSTS_TEXT) {
		*ret_why = "that is too long";
		return false;
	}
	do {
		if (n == HOP_HOSTS) {
			*ret_why = "there are more than 20 hosts";
			return false;
		}
		if (!slice_take_until(&text, ',', &one)) {
			one = text;
			text.len = 0;
		}
		*ret_why = read_host(slice_trim(one), &ret[n]);
		if (*ret_why != NULL)
			return false;
		n++;
	} while (text.len > 0);
	*ret_n = n;
	return true;
}
