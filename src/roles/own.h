/* SPDX-License-Identifier: ISC */
/*
 * roles/own - the addresses at which this server takes mail from others
 *
 * What mail must not be carried to (RFC 5321, 5.1): where an mx listener is, and
 * what outbound.own_addresses names. Found before the sandbox closes, by
 * whoever decides or tells where mail goes.
 */
#ifndef ROLES_OWN_H
#define ROLES_OWN_H

#include "config/settings.h"
#include "policy/route.h"

size_t role_own_find(const struct settings *s, struct route_own *ret,
    size_t max);

#endif
