/* SPDX-License-Identifier: ISC */
#include "policy/organisation.h"

#include <stdio.h>

/* What registries put between a country and its registrants. */
static const struct slice second_levels[] = {
	SLICE("ac"),
	SLICE("co"),
	SLICE("com"),
	SLICE("edu"),
	SLICE("go"),
	SLICE("gob"),
	SLICE("gov"),
	SLICE("govt"),
	SLICE("gouv"),
	SLICE("gv"),
	SLICE("id"),
	SLICE("ltd"),
	SLICE("ne"),
	SLICE("net"),
	SLICE("nhs"),
	SLICE("nom"),
	SLICE("or"),
	SLICE("org"),
	SLICE("plc"),
	SLICE("sch"),
};

static bool
is_second_level(struct slice label)
{
	for (size_t i = 0; i < sizeof(second_levels) / sizeof(second_levels[0]);
	     i++)
		if (slice_equal_nocase(label, second_levels[i]))
			return true;
	return false;
}

/* Where the label that ends before `end` begins. */
static size_t
label_start(struct slice s, size_t end)
{
	size_t dot = slice_find_last_byte(slice_upto(s, end), '.');

	return dot == SIZE_MAX ? 0 : dot + 1;
}

struct slice
organisation_of(struct slice domain)
{
	size_t top, second;

	if (domain.len == 0 || domain.at[0] == '[')
		return domain;
	top = label_start(domain, domain.len);
	if (top == 0)
		return domain;
	second = label_start(domain, top - 1);
	if (second > 0 && domain.len - top == 2 &&
	    is_second_level(slice_upto(slice_from(domain, second),
		top - 1 - second)))
		second = label_start(domain, second - 1);
	return slice_from(domain, second);
}

/* The runs of digits in front of the last two labels, as numbers. */
static size_t
take_numbers(struct slice host, uint64_t *numbers, size_t max)
{
	struct slice digits;
	size_t n = 0;
	uint8_t c;

	while (host.len > 0 && n < max) {
		if (slice_take_while(&host, ascii_is_digit, &digits)) {
			if (slice_to_u64(digits, 255, &numbers[n]))
				n++;
			else /* "192000002007" and the like */
				numbers[n++] = 256;
		} else {
			(void)slice_take_byte(&host, &c);
		}
	}
	return n;
}

/* Two of the last three octets, in either order, stand in it. For IPv6 the
 * last two bytes in hexadecimal. */
bool
organisation_is_generic(struct slice host, const struct ip *ip)
{
	uint64_t numbers[16];
	struct slice own =
	    slice_upto(host, host.len - organisation_of(host).len);
	size_t n, found = 0;
	char tail[8];

	if (ip->family == 6) {
		(void)snprintf(tail, sizeof(tail), "%02x%02x", ip->bytes[14],
		    ip->bytes[15]);
		return slice_find_nocase(own, slice_cstr(tail)) != SIZE_MAX;
	}
	n = take_numbers(own, numbers, sizeof(numbers) / sizeof(numbers[0]));
	for (size_t octet = 1; octet < 4; octet++)
		for (size_t i = 0; i < n; i++)
			if (numbers[i] == ip->bytes[octet]) {
				numbers[i] = 256;
				found++;
				break;
			}
	return found >= 2;
}
