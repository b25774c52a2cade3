/* SPDX-License-Identifier: ISC */
#include "roles/own.h"

#include <string.h>

#include "base/ip.h"
#include "sys/interfaces.h"

enum {
	INTERFACES = 64
};

static bool
is_any(const struct settings_listener *l)
{
	for (size_t i = 0; i < sizeof(l->address); i++)
		if (l->address[i] != 0)
			return false;
	return true;
}

static size_t
add(struct route_own *ret, size_t n, size_t max, uint8_t family,
    const uint8_t *bytes, uint16_t port)
{
	if (n == max)
		return n;
	ret[n] = (struct route_own){ .address.family = family, .port = port };
	memcpy(ret[n].address.bytes, bytes, sizeof(ret[n].address.bytes));
	return n + 1;
}

/* Behind a NAT the world knows us by addresses that we do not have. */
static size_t
add_named(const struct settings *s, struct route_own *ret, size_t max)
{
	struct ip_networks named;
	size_t n = 0;

	if (!ip_networks_parse(slice_cstr(s->outbound_own), &named))
		return 0; /* the configuration's reader has let none through */
	for (size_t i = 0; i < named.n && n < max; i++) {
		const struct ip_network *row = &named.rows[i];

		n = add(ret, n, max, row->ip.family, row->ip.bytes,
		    s->outbound_port);
		ret[n - 1].bits = row->bits;
	}
	return n;
}

/* A listener at no address in particular is at all of its family. */
size_t
role_own_find(const struct settings *s, struct route_own *ret, size_t max)
{
	struct env_addr all[INTERFACES];
	size_t n_all = interfaces_list(all, INTERFACES);
	size_t n = add_named(s, ret, max);

	for (uint32_t i = 0; i < s->n_listeners; i++) {
		const struct settings_listener *l = &s->listeners[i];

		if (l->service != SERVICE_MX || l->family == 0)
			continue;
		if (!is_any(l)) {
			n = add(ret, n, max, l->family, l->address, l->port);
			continue;
		}
		for (size_t k = 0; k < n_all; k++)
			if (all[k].family == l->family)
				n = add(ret, n, max, l->family, all[k].bytes,
				    l->port);
	}
	return n;
}
