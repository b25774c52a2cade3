/* SPDX-License-Identifier: ISC */
#include "policy/greylist.h"

#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "policy/organisation.h"

static void
keep_lower(struct slice s, char *out, size_t size)
{
	(void)slice_to_cstr(s, out, size);
	for (; *out != '\0'; out++)
		*out = (char)ascii_lower((uint8_t)*out);
}

static struct slice
domain_of(struct slice address)
{
	size_t at = slice_find_last_byte(address, '@');

	return at == SIZE_MAX ? address : slice_from(address, at + 1);
}

void
greylist_key_make(const struct ip *client, struct slice rdns,
    struct slice sender, struct slice rcpt, struct greylist_key *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (rdns.len > 0 && !organisation_is_generic(rdns, client)) {
		keep_lower(organisation_of(rdns), ret->client,
		    sizeof(ret->client));
	} else {
		struct ip_network n = { ip_prefix(*client, 24, 64),
			client->family == 4 ? 24 : 64 };

		_Static_assert((int)GREYLIST_TEXT >= (int)IP_NETWORK_TEXT,
		    "fits");
		ip_network_print(&n, ret->client);
	}
	keep_lower(organisation_of(domain_of(sender)), ret->sender,
	    sizeof(ret->sender));
	keep_lower(rcpt, ret->rcpt, sizeof(ret->rcpt));
}

bool
greylist_is_over(const struct greylist_limits *limits,
    const struct greylist_row *row, int64_t now)
{
	if (row->first == 0 || now < row->last - TIME_MINUTE)
		return true;
	return row->passes > 0 ? now - row->last > limits->lifetime
			       : now - row->first > limits->window;
}

int
greylist_decide(const struct greylist_limits *limits, struct greylist_row *row,
    int64_t now, int64_t *ret_wait)
{
	if (greylist_is_over(limits, row, now)) {
		*row = (struct greylist_row){ .first = now, .last = now };
		if (limits->delay > 0) {
			*ret_wait = limits->delay;
			return GREYLIST_WAIT;
		}
	}
	if (row->passes == 0 && now - row->first < limits->delay) {
		row->last = now;
		*ret_wait = limits->delay - (now - row->first);
		return GREYLIST_WAIT;
	}
	row->last = now;
	if (row->passes < UINT32_MAX)
		row->passes++;
	return row->passes == 1 ? GREYLIST_PASSED : GREYLIST_PASS;
}
