/* SPDX-License-Identifier: ISC */
#include "policy/tls_policy.h"

#include <assert.h>

/* -- what it is decided from -------------------------------------------------
 */

struct sts_verdict
tls_policy_sts(uint8_t mode, uint8_t result, struct slice mx, struct slice host)
{
	static const uint8_t troubles[] = {
		[STS_RESULT_OK] = TLS_RESULT_SUCCESS,
		[STS_RESULT_FETCH] = TLS_RESULT_STS_POLICY_FETCH_ERROR,
		[STS_RESULT_INVALID] = TLS_RESULT_STS_POLICY_INVALID,
		[STS_RESULT_WEBPKI] = TLS_RESULT_STS_WEBPKI_INVALID,
	};

	return (struct sts_verdict){ .mode = mode,
		.mx_matches = sts_mx_matches(mx, host),
		.trouble = troubles[result] };
}

uint8_t
tls_policy_minimum(uint8_t hop_kind, uint8_t hop_tls, uint8_t destination,
    uint8_t configured)
{
	static const uint8_t of_hop[HOP_TLS_KINDS] = {
		[HOP_TLS_DEFAULT] = TLS_MINIMUM_MAY,
		[HOP_TLS_NONE] = TLS_MINIMUM_NONE,
		[HOP_TLS_MAY] = TLS_MINIMUM_MAY,
		[HOP_TLS_ENCRYPT] = TLS_MINIMUM_ENCRYPT,
		[HOP_TLS_VERIFY] = TLS_MINIMUM_VERIFY,
	};
	uint8_t minimum = destination, hop = of_hop[hop_tls];

	/* of a server within the house only its route speaks */
	if (hop_kind == HOP_LMTP || hop == TLS_MINIMUM_NONE)
		return hop;
	if (minimum == TLS_MINIMUM_DEFAULT)
		minimum = configured;
	return minimum > hop || minimum == TLS_MINIMUM_NONE ? minimum : hop;
}

/* -- names -------------------------------------------------------------------
 */

static void
add_name(struct tls_demand *d, struct slice name)
{
	if (name.len == 0 || d->n_names == TLS_POLICY_NAMES)
		return;
	for (size_t i = 0; i < d->n_names; i++)
		if (slice_equal_nocase(d->names[i], name))
			return;
	d->names[d->n_names++] = name;
}

/* RFC 7672, 3.2.2: the TLSA base domain, the domain of the mail, and what that
 * is an alias of. An MX that nobody signed is only ever itself. */
static void
name_for_dane(struct tls_demand *d, const struct tls_policy_input *in)
{
	add_name(d, in->dane->base);
	add_name(d, in->dane->domain);
	add_name(d, in->dane->expanded);
}

/* -- the policies ------------------------------------------------------------
 */

static void
refuse(struct tls_demand *d, enum tls_result result, struct slice text)
{
	d->is_refused = true;
	d->result = (uint8_t)result;
	d->text = text;
}

static void
at_least(struct tls_demand *d, enum tls_level level)
{
	if (d->level < level)
		d->level = (uint8_t)level;
}

static void
apply_dane(struct tls_demand *d, const struct tls_policy_input *in)
{
	switch ((enum dane_state)in->dane->state) {
	case DANE_NONE:
		return;
	case DANE_FAILED: /* RFC 7672, 2.1.2: as if it could not be reached */
		d->policy = TLS_POLICY_TLSA;
		refuse(d, TLS_RESULT_DNSSEC_INVALID,
		    SLICE("the DNS gives no valid answer about the host's TLSA "
			  "records"));
		return;
	case DANE_UNUSABLE: /* 2.2: it has said that it speaks TLS */
		d->policy = TLS_POLICY_TLSA;
		d->dane = in->dane;
		at_least(d, TLS_LEVEL_ENCRYPT);
		return;
	case DANE_USABLE:
		d->policy = TLS_POLICY_TLSA;
		d->dane = in->dane;
		d->n_names = 0;
		name_for_dane(d, in);
		at_least(d, TLS_LEVEL_DANE);
		return;
	}
}

static void
apply_sts(struct tls_demand *d, const struct tls_policy_input *in)
{
	const struct sts_verdict *sts = &in->sts;

	if (d->level == TLS_LEVEL_DANE || d->is_refused)
		return;
	if (sts->mode == STS_NONE) {
		if (sts->trouble != TLS_RESULT_SUCCESS &&
		    d->policy == TLS_POLICY_NONE) {
			d->policy = TLS_POLICY_STS;
			d->result = sts->trouble;
		}
		return;
	}
	if (d->policy == TLS_POLICY_NONE)
		d->policy = TLS_POLICY_STS;
	if (sts->mode == STS_TESTING) {
		d->is_testing = true;
		d->is_mismatch = !sts->mx_matches;
		return;
	}
	if (!sts->mx_matches) {
		refuse(d, TLS_RESULT_VALIDATION_FAILURE,
		    SLICE("the domain's MTA-STS policy does not name this mail "
			  "host"));
		return;
	}
	d->is_sts_enforced = true;
	at_least(d, TLS_LEVEL_WEBPKI);
}

static void
apply_minimum(struct tls_demand *d, const struct tls_policy_input *in)
{
	if (d->is_refused)
		return;
	if (in->minimum == TLS_MINIMUM_ENCRYPT)
		at_least(d, TLS_LEVEL_ENCRYPT);
	if (in->minimum == TLS_MINIMUM_VERIFY) {
		/* MTA-STS allows the host's name alone (RFC 8461, 4.2) */
		if (d->level < TLS_LEVEL_WEBPKI && !in->is_literal)
			add_name(d, in->domain);
		at_least(d, TLS_LEVEL_WEBPKI);
	}
	if (in->minimum == TLS_MINIMUM_DANE && d->level != TLS_LEVEL_DANE)
		refuse(d, TLS_RESULT_DANE_REQUIRED,
		    SLICE("DANE is demanded for this destination, and the mail "
			  "host has no usable signed TLSA records"));
}

/* What the domain has published is followed for "TLS-Required: No" too, but
 * nothing fails for it (RFC 8689, 4.2.2); it is told as in testing. */
static void
lift(struct tls_demand *d)
{
	d->is_testing = d->is_testing || d->level >= TLS_LEVEL_WEBPKI;
	d->is_refused = d->is_sts_enforced = false;
	d->text = (struct slice){ 0 };
	d->level = TLS_LEVEL_MAY;
}

static void
apply_policies(struct tls_demand *d, const struct tls_policy_input *in)
{
	/* we want it ourselves, by whatever the host shows; nothing to lift */
	if (in->tls_optional && in->minimum == TLS_MINIMUM_VERIFY)
		return;
	apply_dane(d, in);
	apply_sts(d, in);
	if (in->tls_optional && in->minimum != TLS_MINIMUM_DANE)
		lift(d);
}

static bool
is_right_host(const struct tls_policy_input *in)
{
	return in->dane->is_mx_secure ||
	    (in->sts.mode == STS_ENFORCE && in->sts.mx_matches);
}

struct tls_demand
tls_policy_decide(const struct tls_policy_input *in)
{
	struct tls_demand d = { .level = TLS_LEVEL_MAY };

	assert(in->minimum != TLS_MINIMUM_DEFAULT);
	d.is_right_host = is_right_host(in);
	if (!in->is_literal)
		add_name(&d, in->host);
	if (in->minimum == TLS_MINIMUM_NONE) {
		d.level = TLS_LEVEL_NEVER;
		return d;
	}
	apply_policies(&d, in);
	apply_minimum(&d, in);
	return d;
}

bool
tls_demand_is_firm(const struct tls_demand *d)
{
	return d->level >= TLS_LEVEL_ENCRYPT;
}

/* -- words -------------------------------------------------------------------
 */

static const struct {
	struct slice name, words;
} results[] = {
	[TLS_RESULT_SUCCESS] = { SLICE(""), SLICE("") },
	[TLS_RESULT_STARTTLS_NOT_SUPPORTED] = { SLICE("starttls-not-supported"),
	    SLICE("the mail host does not offer STARTTLS, and TLS is required "
		  "there") },
	[TLS_RESULT_CERTIFICATE_HOST_MISMATCH] = { SLICE("certificate-host-"
							 "mismatch"),
	    SLICE("the mail host's certificate is for another name") },
	[TLS_RESULT_CERTIFICATE_EXPIRED] = { SLICE("certificate-expired"),
	    SLICE("the mail host's certificate has expired") },
	[TLS_RESULT_CERTIFICATE_NOT_TRUSTED] = { SLICE("certificate-not-"
						       "trusted"),
	    SLICE("the mail host's certificate is not trusted") },
	[TLS_RESULT_VALIDATION_FAILURE] = { SLICE("validation-failure"),
	    SLICE("TLS with the mail host failed, and it is required there") },
	[TLS_RESULT_TLSA_INVALID] = { SLICE("tlsa-invalid"),
	    SLICE("the mail host's certificate does not match its TLSA "
		  "records") },
	[TLS_RESULT_DNSSEC_INVALID] = { SLICE("dnssec-invalid"),
	    SLICE("the DNS gives no valid answer about the host's TLSA "
		  "records") },
	[TLS_RESULT_DANE_REQUIRED] = { SLICE("dane-required"),
	    SLICE("DANE is demanded for this destination") },
	[TLS_RESULT_STS_POLICY_FETCH_ERROR] = { SLICE("sts-policy-fetch-error"),
	    SLICE("the domain's MTA-STS policy cannot be fetched") },
	[TLS_RESULT_STS_POLICY_INVALID] = { SLICE("sts-policy-invalid"),
	    SLICE("the domain's MTA-STS policy is not valid") },
	[TLS_RESULT_STS_WEBPKI_INVALID] = { SLICE("sts-webpki-invalid"),
	    SLICE("the certificate of the domain's MTA-STS policy host is not "
		  "valid") },
};

struct slice
tls_result_name(enum tls_result r)
{
	return (size_t)r < sizeof(results) / sizeof(results[0])
	    ? results[r].name
	    : SLICE("validation-failure");
}

struct slice
tls_result_words(enum tls_result r)
{
	return (size_t)r < sizeof(results) / sizeof(results[0])
	    ? results[r].words
	    : results[TLS_RESULT_VALIDATION_FAILURE].words;
}

static const struct slice minimums[] = {
	[TLS_MINIMUM_DEFAULT] = SLICE("default"),
	[TLS_MINIMUM_NONE] = SLICE("none"),
	[TLS_MINIMUM_MAY] = SLICE("may"),
	[TLS_MINIMUM_ENCRYPT] = SLICE("encrypt"),
	[TLS_MINIMUM_VERIFY] = SLICE("verify"),
	[TLS_MINIMUM_DANE] = SLICE("dane"),
};

bool
tls_minimum_parse(struct slice word, uint8_t *ret)
{
	for (size_t i = TLS_MINIMUM_NONE;
	     i < sizeof(minimums) / sizeof(minimums[0]); i++) {
		if (!slice_equal(word, minimums[i]))
			continue;
		*ret = (uint8_t)i;
		return true;
	}
	return false;
}

struct slice
tls_minimum_name(enum tls_minimum m)
{
	return (size_t)m < sizeof(minimums) / sizeof(minimums[0])
	    ? minimums[m]
	    : minimums[TLS_MINIMUM_DEFAULT];
}

struct slice
tls_level_name(enum tls_level l)
{
	static const struct slice names[] = {
		[TLS_LEVEL_NEVER] = SLICE("never"),
		[TLS_LEVEL_MAY] = SLICE("may"),
		[TLS_LEVEL_ENCRYPT] = SLICE("encrypt"),
		[TLS_LEVEL_WEBPKI] = SLICE("verify"),
		[TLS_LEVEL_DANE] = SLICE("dane"),
	};

	return (size_t)l < sizeof(names) / sizeof(names[0]) ? names[l]
							    : SLICE("may");
}
