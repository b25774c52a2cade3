/* SPDX-License-Identifier: ISC */
/*
 * policy/hop - the next hop that an operator has chosen: its hosts in one text
 *
 *   hosts  = host *("," host)                      spaces around each are void
 *   host   = ["mx:"] name [":" port] ["*" weight] ["@" preference]
 *   name   = host name in A-labels / "[" address "]"
 *
 * Lower preferences first (10 when it is not said), and among equals each has
 * the share of the mails that its weight (1) says (policy/turns). "mx:" stands
 * for the mail hosts of that name. Pure; what is read points into the text.
 */
#ifndef POLICY_HOP_H
#define POLICY_HOP_H

#include "base/slice.h"

enum hop_kind {
	HOP_MX, /* the mail hosts of the domain itself */
	HOP_SMARTHOST,
	HOP_LMTP,
	HOP_DISCARD, /* gone, and an event says so */
	HOP_ERROR,   /* refused, with a text of the operator's */
	HOP_KINDS
};

enum hop_tls {
	HOP_TLS_DEFAULT, /* verify with a login, else may */
	HOP_TLS_NONE,
	HOP_TLS_MAY,
	HOP_TLS_ENCRYPT,
	HOP_TLS_VERIFY,
	HOP_TLS_KINDS
};

enum {
	HOP_HOSTS = 20,
	HOP_HOSTS_TEXT = 2048,
	HOP_WEIGHT_MAX = 1000,
	HOP_PREFERENCE = 10 /* when none is said */
};

struct hop_host {
	struct slice name;
	uint16_t port; /* 0: the usual one */
	uint16_t weight, preference;
	uint8_t family; /* 4 or 6: an address, and no name */
	uint8_t address[16];
	bool uses_mx;
};

extern const char *const hop_kinds[HOP_KINDS];
extern const char *const hop_tls_texts[HOP_TLS_KINDS];

/* At least one host, and all are good; otherwise false, and why. */
bool hop_hosts_read(struct slice text, struct hop_host ret[HOP_HOSTS],
    size_t *ret_n, const char **ret_why);

#endif
