/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/security - what an attempt demands of a mail host's TLS
 *
 *   host chosen ─▶ security_decide ─(TLSA asked)─▶ a->demand ─▶ carrier_open
 *   handshake done or broken, no STARTTLS ─▶ security_on_… ─▶ a fact, a verdict
 *
 * The decision is policy/tls_policy's; here its facts are gathered, host by
 * host and only when the host's turn comes, and what became of each session is
 * kept for the result (RFC 8460). A demand speaks of one host of one attempt; a
 * connection that is kept for later mail remembers under what it was made.
 */
#include <stdio.h>
#include <string.h>

#include "roles/courier/attempt.h"

enum {
	LINES_MAX = 2048, /* of tls_fact */
	SECURITY_REPLY = 160
};

/* -- before the connection ---------------------------------------------------
 */

uint8_t
security_minimum(const struct attempt *a)
{
	return tls_policy_minimum(a->hop.kind, a->hop.tls, a->tls_minimum,
	    a->courier->settings->outbound_tls);
}

/* Nothing that a domain has published matters then: it is not asked for. */
static bool
is_without_policies(const struct attempt *a)
{
	uint8_t minimum = security_minimum(a);

	return minimum == TLS_MINIMUM_NONE ||
	    ((a->is_report || a->is_without_dane) &&
		minimum != TLS_MINIMUM_DANE);
}

/* A next hop that the operator has named speaks for itself alone. */
static bool
is_chosen(const struct attempt *a)
{
	return a->hop.n_hosts > 0;
}

static enum security
find_dane(struct attempt *a, const struct route_host *h, struct dane *ret)
{
	struct dane_input in = { .domain = a->domain,
		.host = h->name,
		.port = h->port,
		.is_literal = h->is_literal,
		.is_chosen = is_chosen(a) };
	struct route_question question;
	enum route_need need;

	*ret = (struct dane){ 0 };
	if (is_without_policies(a))
		return SECURITY_READY;
	need = dane_decide(&in, a->answers, a->n_answers, &a->arena, &question,
	    ret);
	if (need == ROUTE_NEED_ANSWER && attempt_ask(a, &question) == 0)
		return SECURITY_WAIT;
	if (need != ROUTE_DONE) /* no memory, no resolver: not known */
		*ret = (struct dane){ .state = DANE_FAILED };
	return SECURITY_READY;
}

static struct verdict
refusal(enum tls_result result, struct slice text)
{
	return (struct verdict){ 451,
		{ 4, 7, result == TLS_RESULT_STARTTLS_NOT_SUPPORTED ? 10 : 5 },
		text };
}

/* The host is not used: it is told as a session that was not to be. */
static enum security
refuse(struct attempt *a, const struct route_host *h)
{
	enum tls_result result = (enum tls_result)a->demand.result;
	struct verdict v;
	char text[SECURITY_TEXT];

	(void)snprintf(text, sizeof(text), "%.*s is not used: %.*s",
	    SLICE_FMT(slice_upto(h->name, LIMIT_DOMAIN)),
	    SLICE_FMT(slice_upto(a->demand.text, 140)));
	attempt_note(a, "! %s", text);
	security_fact(a, result, NULL, text);
	v = refusal(result, slice_cstr(text));
	attempt_set_failure(a, &v);
	return SECURITY_REFUSED;
}

enum security
security_decide(struct attempt *a)
{
	const struct route_host *h = &a->route.hosts[a->host];
	struct tls_policy_input in = {
		.domain = is_chosen(a) ? (struct slice){ 0 } : a->domain,
		.host = h->name,
		.dane = &a->dane,
		.is_literal = h->is_literal,
		.sts = sts_verdict_of(a, h->name),
		.minimum = security_minimum(a),
		.requires_tls = a->requires_tls,
		.tls_optional = a->tls_optional
	};

	if (a->has_demand && a->demand_host == a->host)
		return SECURITY_READY;
	if (find_dane(a, h, &a->dane) == SECURITY_WAIT)
		return SECURITY_WAIT;
	a->demand = tls_policy_decide(&in);
	a->demand_host = a->host;
	a->has_demand = true;
	if (a->demand.is_refused)
		return refuse(a, h);
	if (a->tls_optional && a->demand.policy != TLS_POLICY_NONE)
		attempt_note(a,
		    "* TLS: its sender does without where it fails "
		    "(TLS-Required: No)");
	else if (a->demand.policy != TLS_POLICY_NONE ||
	    a->demand.level > TLS_LEVEL_MAY)
		attempt_note(a, "* TLS: %.*s%s, %zu TLSA records",
		    SLICE_FMT(tls_level_name((enum tls_level)a->demand.level)),
		    a->demand.policy == TLS_POLICY_STS ? " by MTA-STS" : "",
		    a->dane.n_records);
	return SECURITY_READY;
}

void
security_fill_wish(const struct attempt *a, struct tls_wish *wish,
    struct tls_tlsa tlsa[TLS_TLSA])
{
	const struct tls_demand *d = &a->demand;

	_Static_assert((int)TLS_NAMES >= (int)TLS_POLICY_NAMES, "");
	_Static_assert((int)TLS_TLSA >= (int)DANE_RECORDS, "");
	wish->is_firm = tls_demand_is_firm(d);
	for (size_t i = 0; i < d->n_names; i++)
		wish->names[wish->n_names++] = d->names[i];
	if (d->dane == NULL || d->dane->state != DANE_USABLE)
		return;
	wish->tlsa = tlsa;
	for (size_t i = 0; i < d->dane->n_records; i++) {
		const struct dane_record *r = &d->dane->records[i];

		tlsa[wish->n_tlsa++] = (struct tls_tlsa){ r->usage, r->selector,
			r->matching, r->data };
	}
}

/* -- what became of it -------------------------------------------------------
 */

static enum tls_result
result_of(const struct tls_facts *f)
{
	static const enum tls_result results[] = {
		[TLS_CERTIFICATE_GOOD] = TLS_RESULT_SUCCESS,
		[TLS_CERTIFICATE_NONE] = TLS_RESULT_CERTIFICATE_NOT_TRUSTED,
		[TLS_CERTIFICATE_HOST] = TLS_RESULT_CERTIFICATE_HOST_MISMATCH,
		[TLS_CERTIFICATE_EXPIRED] = TLS_RESULT_CERTIFICATE_EXPIRED,
		[TLS_CERTIFICATE_UNTRUSTED] =
		    TLS_RESULT_CERTIFICATE_NOT_TRUSTED,
		/* RFC 8460, 4.3.1: "did not adhere to the constraints specified
		 * in the [...] DANE policy" */
		[TLS_CERTIFICATE_TLSA] = TLS_RESULT_CERTIFICATE_HOST_MISMATCH,
	};

	return results[f->certificate];
}

/* What a session with these facts is told as, and whether it will do. A policy
 * in testing is told what enforcing it would have meant. */
static enum tls_result
judge(const struct tls_demand *d, const struct tls_facts *f,
    bool *ret_is_enough)
{
	enum tls_result result = result_of(f);

	/* RFC 7672, 2.2: none of the records is of use after all */
	bool is_unusable = d->dane != NULL && !f->is_dane;

	*ret_is_enough = true;
	if (d->level == TLS_LEVEL_DANE && !is_unusable) {
		*ret_is_enough = result == TLS_RESULT_SUCCESS;
		return result;
	}
	if (d->level == TLS_LEVEL_WEBPKI) {
		*ret_is_enough = result == TLS_RESULT_SUCCESS;
		if (!*ret_is_enough)
			return result;
	}
	if (is_unusable)
		return TLS_RESULT_TLSA_INVALID;
	if (d->is_testing)
		return d->is_mismatch ? TLS_RESULT_VALIDATION_FAILURE : result;
	return d->level == TLS_LEVEL_WEBPKI ? result
					    : (enum tls_result)d->result;
}

static const char *
whose_demand(const struct tls_demand *d)
{
	if (d->is_sts_enforced)
		return "the domain's MTA-STS policy demands it";
	if (d->dane != NULL && d->level != TLS_LEVEL_WEBPKI)
		return "the host's TLSA records demand it";
	return "it is demanded for this destination here";
}

/* Words that a person can act on: what is wrong, and who wants it right. */
static struct verdict
failure(const struct attempt *a, enum tls_result result, struct slice words,
    const char *why, char text[SECURITY_TEXT])
{
	bool has_why = why[0] != '\0';

	(void)snprintf(text, SECURITY_TEXT, "%.*s%s%.120s%s; %s",
	    SLICE_FMT(words), has_why ? " (" : "", why, has_why ? ")" : "",
	    whose_demand(&a->demand));
	return refusal(result, slice_cstr(text));
}

/* RFC 8460, 4.3.3: what the result's name does not say. */
static const char *
reason(const struct attempt *a, const struct tls_facts *f,
    enum tls_result result)
{
	const struct tls_demand *d = &a->demand;

	if (result == TLS_RESULT_TLSA_INVALID)
		return "none of the TLSA records is usable for SMTP";
	if (result == TLS_RESULT_VALIDATION_FAILURE && d->is_mismatch)
		return "the MTA-STS policy does not name this mail host";
	return result >= TLS_RESULT_STS_POLICY_FETCH_ERROR ? a->sts.why
							   : f->why;
}

bool
security_on_handshake(struct attempt *a, const struct security_peer *peer,
    const struct tls_facts *f, char text[SECURITY_TEXT], struct verdict *ret)
{
	bool is_enough;
	enum tls_result result = judge(&a->demand, f, &is_enough);
	char date[TIME_RFC3339];

	if (f->subject[0] != '\0') {
		time_print_rfc3339(f->expires * TIME_SECOND, date);
		attempt_note(a, "* certificate of %s by %s until %s%s%s%s",
		    f->subject, f->issuer, date, f->is_dane ? ", by TLSA" : "",
		    f->why[0] != '\0' ? ": " : "", f->why);
	}
	security_fact(a, result, peer, reason(a, f, result));
	if (is_enough)
		return true;
	*ret = failure(a, result,
	    tls_result_words(f->certificate == TLS_CERTIFICATE_TLSA
		    ? TLS_RESULT_TLSA_INVALID
		    : result),
	    f->why, text);
	return false;
}

struct verdict
security_on_broken(struct attempt *a, const struct security_peer *peer,
    const char *why, char text[SECURITY_TEXT])
{
	security_fact(a, TLS_RESULT_VALIDATION_FAILURE, peer, why);
	return failure(a, TLS_RESULT_VALIDATION_FAILURE,
	    tls_result_words(TLS_RESULT_VALIDATION_FAILURE), why, text);
}

static const char *
print_reply(struct attempt *a, const struct verdict *said,
    char out[SECURITY_REPLY])
{
	struct slice text =
	    attempt_keep_text(a, slice_upto(said->text, SECURITY_REPLY - 40));

	if (said->esc.class == 0)
		(void)snprintf(out, SECURITY_REPLY, "%u %.*s", said->code,
		    SLICE_FMT(text));
	else
		(void)snprintf(out, SECURITY_REPLY, "%u %u.%u.%u %.*s",
		    said->code, said->esc.class, said->esc.subject,
		    said->esc.detail, SLICE_FMT(text));
	return out;
}

struct verdict
security_on_no_tls(struct attempt *a, const struct security_peer *peer,
    const struct verdict *said, char text[SECURITY_TEXT])
{
	const enum tls_result r = TLS_RESULT_STARTTLS_NOT_SUPPORTED;
	char reply[SECURITY_REPLY] = "";
	const char *why = said != NULL ? print_reply(a, said, reply) : "";

	security_fact(a, r, peer, why);
	return failure(a, r,
	    said != NULL ? SLICE("the mail host refuses STARTTLS, and TLS is "
				 "required there")
			 : tls_result_words(r),
	    why, text);
}

/* -- for the report ----------------------------------------------------------
 */

static void
print_lines(const struct attempt *a, struct buf *out)
{
	char line[DANE_RECORD_TEXT];

	if (a->demand.policy == TLS_POLICY_STS && a->sts.mode != STS_NONE)
		sts_print_lines(a, out);
	if (a->demand.policy != TLS_POLICY_TLSA)
		return;
	for (size_t i = 0; i < a->dane.n_published; i++) {
		dane_record_print(&a->dane.records[i], line);
		if (buf_room(out) < strlen(line) + 1)
			return;
		(void)buf_printf(out, "%s%s", i > 0 ? "\n" : "", line);
	}
}

void
security_fact(struct attempt *a, enum tls_result result,
    const struct security_peer *peer, const char *info)
{
	char remote[ENV_ADDR_TEXT] = "", local[ENV_ADDR_TEXT] = "";
	const struct route_host *h;
	struct wire_tls_fact f;
	struct buf lines;

	/* RFC 8460, 3: a report's own session is not told of, either */
	if (!a->has_demand || a->n_tls_facts == SECURITY_FACTS ||
	    is_chosen(a) || a->is_report)
		return;
	h = &a->route.hosts[a->demand_host];
	if (h->is_literal)
		return;
	buf_init(&lines, LINES_MAX);
	print_lines(a, &lines);
	if (peer != NULL) {
		env_addr_print(&peer->remote, remote);
		env_addr_print(&peer->local, local);
	}
	f = (struct wire_tls_fact){ .policy = a->demand.policy,
		.result = (uint8_t)result,
		.lines = buf_slice(&lines),
		.domain = a->domain,
		.mx = slice_upto(h->name, LIMIT_DOMAIN),
		.remote = slice_cstr(remote),
		.local = slice_cstr(local),
		.info = slice_cstr(info) };
	if (wire_tls_fact_add(&a->tls_facts, &f) == 0)
		a->n_tls_facts++;
	buf_deinit(&lines);
}
