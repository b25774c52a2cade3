/* SPDX-License-Identifier: ISC */
/*
 * policy/organisation - to whom a host or mail domain belongs, roughly
 *
 * The organisational domain: mta7.bounces.shop.example.co.uk is one of
 * example.co.uk. Without the Public Suffix List this is by rule: two labels, or
 * three where the second level is one that registries use below a country
 * (co.uk, com.au). Good for what forgives (greylisting counts the hosts of one
 * organisation as one); never for what grants. Pure.
 */
#ifndef POLICY_ORGANISATION_H
#define POLICY_ORGANISATION_H

#include "base/ip.h"

/* The tail of `domain` that names the organisation; a literal or a name of one
 * label is its own. */
struct slice organisation_of(struct slice domain);
/* The name was made from the address (dsl-192-0-2-7.isp.example): its domain is
 * that of the line, not of whoever sends. */
bool organisation_is_generic(struct slice host, const struct ip *ip);

#endif
