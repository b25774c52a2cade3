/* SPDX-License-Identifier: ISC */
/*
 * sasl/mechanism - the ways to log in, by name and number (RFC 4422)
 *
 * One table for EHLO, CAPABILITY and CAPA, and for what a client asks for. A
 * mask of bits says which are offered: by the setting, by what TLS gives (the
 * -PLUS forms need channel binding) and by what else there is (tokens, client
 * certificates). Pure.
 */
#ifndef SASL_MECHANISM_H
#define SASL_MECHANISM_H

#include "base/buf.h"

/* Strongest first: the order in which they are listed. */
enum sasl_mechanism {
	SASL_SCRAM_SHA_256_PLUS,
	SASL_SCRAM_SHA_1_PLUS,
	SASL_SCRAM_SHA_256,
	SASL_SCRAM_SHA_1,
	SASL_EXTERNAL,
	SASL_OAUTHBEARER,
	SASL_XOAUTH2,
	SASL_PLAIN,
	SASL_LOGIN,
	N_SASL_MECHANISMS /* none */
};

#define SASL_BIT(mechanism) (1u << (mechanism))

enum {
	SASL_MASK_PLUS =
	    SASL_BIT(SASL_SCRAM_SHA_256_PLUS) | SASL_BIT(SASL_SCRAM_SHA_1_PLUS),
	SASL_MASK_SCRAM = SASL_MASK_PLUS | SASL_BIT(SASL_SCRAM_SHA_256) |
	    SASL_BIT(SASL_SCRAM_SHA_1),
	SASL_MASK_TOKEN = SASL_BIT(SASL_OAUTHBEARER) | SASL_BIT(SASL_XOAUTH2),
	SASL_MASK_PASSWORD = SASL_BIT(SASL_PLAIN) | SASL_BIT(SASL_LOGIN),
	SASL_MASK_ALL = SASL_BIT(N_SASL_MECHANISMS) - 1
};

extern const char *const sasl_mechanism_names[N_SASL_MECHANISMS];

/* N_SASL_MECHANISMS: no such mechanism. Case does not count. */
enum sasl_mechanism sasl_mechanism_find(struct slice name);
/* "SCRAM-SHA-256 PLAIN": false when a name is none, or none is there. */
bool sasl_mechanisms_parse(struct slice list, unsigned *ret_mask);
/* Each with `before` in front of it. */
int sasl_mechanisms_print(unsigned mask, const char *before, struct buf *out);

#endif
