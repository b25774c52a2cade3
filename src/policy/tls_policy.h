/* SPDX-License-Identifier: ISC */
/*
 * policy/tls_policy - what is demanded of one mail host's TLS, and why
 *
 * A decision: what the DNS says of the host (policy/dane), what the domain's
 * MTA-STS policy says of it, what we want of the destination at least, and what
 * the message asks for (RFC 8689) make one demand, that whoever connects keeps.
 * DANE comes before MTA-STS (RFC 8461, 2); a minimum of ours is never lowered
 * by either, nor by "TLS-Required: No", which lifts only what the recipient's
 * domain has published.
 *
 * Pure; slices point to what was given. The results of tries (RFC 8460, 4.3)
 * have their names here too.
 */
#ifndef POLICY_TLS_POLICY_H
#define POLICY_TLS_POLICY_H

#include "base/verdict.h"
#include "policy/dane.h"
#include "policy/hop.h"
#include "policy/sts.h"

enum {
	TLS_POLICY_NAMES = 4 /* that a certificate may be for */
};

/* What we want of a destination at least; as ATTEMPT says it. */
enum tls_minimum {
	TLS_MINIMUM_DEFAULT, /* what outbound.tls says */
	TLS_MINIMUM_NONE,    /* never TLS there, whatever it publishes */
	TLS_MINIMUM_MAY,
	TLS_MINIMUM_ENCRYPT,
	TLS_MINIMUM_VERIFY,
	TLS_MINIMUM_DANE
};

/* RFC 8460, 4.3. */
enum tls_result {
	TLS_RESULT_SUCCESS,
	TLS_RESULT_STARTTLS_NOT_SUPPORTED,
	TLS_RESULT_CERTIFICATE_HOST_MISMATCH,
	TLS_RESULT_CERTIFICATE_EXPIRED,
	TLS_RESULT_CERTIFICATE_NOT_TRUSTED,
	TLS_RESULT_VALIDATION_FAILURE,
	TLS_RESULT_TLSA_INVALID,
	TLS_RESULT_DNSSEC_INVALID,
	TLS_RESULT_DANE_REQUIRED,
	TLS_RESULT_STS_POLICY_FETCH_ERROR,
	TLS_RESULT_STS_POLICY_INVALID,
	TLS_RESULT_STS_WEBPKI_INVALID
};

/* What is known of the domain's MTA-STS policy, as to one of its hosts. */
struct sts_verdict {
	uint8_t mode;    /* enum sts_mode */
	bool mx_matches; /* one of its mx patterns is for the host */
	/* Why there is no policy although the domain says that there is one:
	 * one of TLS_RESULT_STS_..., for the report; 0: nothing to tell. */
	uint8_t trouble; /* enum tls_result */
};

/* From an answer of the fetcher (enum sts_mode, sts_result; patterns). */
struct sts_verdict tls_policy_sts(uint8_t mode, uint8_t result, struct slice mx,
    struct slice host);
/* What is wanted at least of the hosts behind a route: by the route itself
 * (enum hop_kind; enum hop_tls, not DEFAULT), by the destination (enum
 * tls_minimum) and, where that says DEFAULT, by the configuration. */
uint8_t tls_policy_minimum(uint8_t hop_kind, uint8_t hop_tls,
    uint8_t destination, uint8_t configured);

enum tls_level {
	TLS_LEVEL_NEVER,
	TLS_LEVEL_MAY,     /* as it comes; broken TLS: again in the clear */
	TLS_LEVEL_ENCRYPT, /* TLS, whoever it is */
	TLS_LEVEL_WEBPKI,  /* a certificate for one of the names, by an
			    * authority that we trust */
	TLS_LEVEL_DANE     /* as the TLSA records say */
};

/* Whose policy a try is counted under (RFC 8460, 4.4). */
enum tls_policy_kind {
	TLS_POLICY_NONE,
	TLS_POLICY_STS,
	TLS_POLICY_TLSA
};

struct tls_policy_input {
	struct slice domain, host; /* of the mail, and its MX */
	const struct dane *dane;   /* what was found, DANE_NONE when nothing */
	bool is_literal;           /* no names, nothing to be found */
	struct sts_verdict sts;
	uint8_t minimum;   /* enum tls_minimum, not DEFAULT */
	bool requires_tls; /* RFC 8689, 2; what it demands of the session is
			    * smtp/envelope's to check */
	bool tls_optional; /* "TLS-Required: No", and not requires_tls */
};

struct tls_demand {
	uint8_t level;  /* enum tls_level */
	uint8_t policy; /* enum tls_policy_kind */
	/* Not to be used at all: result says why, `text` in words. */
	bool is_refused;
	/* A policy in testing: what does not keep it is told, not stopped. */
	bool is_testing, is_mismatch;
	/* The DNS (signed) or MTA-STS say that it is a host of the domain: what
	 * REQUIRETLS needs beside a verified certificate (RFC 8689, 4.2.1). */
	bool is_right_host;
	bool is_sts_enforced; /* by which the host is to be verified */
	uint8_t result;       /* enum tls_result */
	struct slice text;
	/* The first is asked for by SNI; the certificate is for one of them. */
	struct slice names[TLS_POLICY_NAMES];
	size_t n_names;
	const struct dane *dane; /* level DANE: its records */
};

struct tls_demand tls_policy_decide(const struct tls_policy_input *in);

/* TLS is insisted on: without it, or when it fails, nothing goes there. */
bool tls_demand_is_firm(const struct tls_demand *d);

/* "starttls-not-supported"; "" for success. */
struct slice tls_result_name(enum tls_result r);
/* For a verdict: what a person reads when the demand was not met. */
struct slice tls_result_words(enum tls_result r);
/* "may"; false for an unknown word. "default" is one only for printing. */
bool tls_minimum_parse(struct slice word, uint8_t *ret);
struct slice tls_minimum_name(enum tls_minimum m);
struct slice tls_level_name(enum tls_level l);

#endif
