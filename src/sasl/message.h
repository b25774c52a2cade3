/* SPDX-License-Identifier: ISC */
/*
 * sasl/message - what clients send in one piece: PLAIN and tokens
 *
 *   PLAIN (RFC 4616):        [authzid] NUL authcid NUL passwd
 *   OAUTHBEARER (RFC 7628):  n,a=name,^Ahost=..^Aport=..^Aauth=Bearer token^A^A
 *   XOAUTH2:                 user=name^Aauth=Bearer token^A^A
 *
 * Pure; slices point into the message, names of OAUTHBEARER are decoded into
 * the caller's memory.
 */
#ifndef SASL_MESSAGE_H
#define SASL_MESSAGE_H

#include "base/limits.h"
#include "base/slice.h"

enum {
	SASL_PASSWORD_MAX = 1024,
	SASL_TOKEN_MAX = 8192
};

struct sasl_plain {
	struct slice authzid, authcid, password;
};
bool sasl_plain_parse(struct slice message, struct sasl_plain *ret);

struct sasl_bearer {
	size_t name_len;
	char name[LIMIT_ADDRESS]; /* may be empty with OAUTHBEARER */
	struct slice token;
};
bool sasl_oauthbearer_parse(struct slice message, struct sasl_bearer *ret);
bool sasl_xoauth2_parse(struct slice message, struct sasl_bearer *ret);

#endif
