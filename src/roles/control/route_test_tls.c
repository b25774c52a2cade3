/* SPDX-License-Identifier: ISC */
/*
 * roles/control/route_test_tls - what would be demanded of each host's TLS
 *
 * The same decisions as the courier's (policy/dane, policy/tls_policy), with
 * the same questions: the domain's MTA-STS policy of the fetcher, TLSA records
 * of the resolver. Nothing is connected to, so whether a host keeps what is
 * demanded is not known here.
 */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "roles/control/route_test_impl.h"

/* Tickets of the DNS are below. */
#define STS_TICKET UINT32_MAX

void
route_test_tls_reset(struct route_test *t)
{
	memset(&t->sts, 0, sizeof(t->sts));
	t->host = t->n_good = 0;
}

/* -- MTA-STS --------------------------------------------------------------- */

static bool
is_chosen(const struct hop *h)
{
	return h->hosts.len > 0;
}

static bool
has_policies(const struct route_test *t)
{
	const struct hop *h = &t->hops[t->at];
	bool is_literal = h->domain.len > 0 && h->domain.at[0] == '[';

	return t->settings->mta_sts && !is_chosen(h) && !is_literal;
}

/* False: there will be an answer. */
static bool
sts_is_settled(struct route_test *t, struct buf *out)
{
	const struct hop *h = &t->hops[t->at];
	struct wire_sts_ask m = { .domain = h->domain };

	if (t->sts.is_asked || !has_policies(t))
		return !t->sts.is_missing;
	t->sts.is_asked = true;
	if (t->fetcher != NULL &&
	    wire_send_sts_ask(t->fetcher, t->session, STS_TICKET, &m) == 0) {
		t->sts.is_missing = true;
		return false;
	}
	route_test_put(out, "sts", "unknown", h->domain,
	    "the fetcher cannot be asked now; mail waits for it");
	route_test_note_fate(t, FATE_WAITS);
	return true;
}

static void
put_sts(const struct route_test *t, const struct wire_sts_answer *m,
    struct buf *out)
{
	char text[ROW_TEXT], at[TIME_RFC3339];
	const char *trouble = sts_result_name((enum sts_result)m->result);
	size_t n = 0;

	text[0] = '\0';
	if (m->fetched != 0) {
		time_print_rfc3339(m->fetched, at);
		n = (size_t)snprintf(text, sizeof(text),
		    "mx: %.*s; policy %.*s of %s, for %u s",
		    SLICE_FMT(slice_upto(m->mx, 500)),
		    SLICE_FMT(slice_upto(m->id, STS_ID)), at, m->max_age);
	}
	if (m->result != STS_RESULT_OK)
		(void)snprintf(text + n, sizeof(text) - n, "%s%s: %.*s",
		    n > 0 ? "; " : "", trouble,
		    SLICE_FMT(slice_upto(m->why, STS_WHY)));
	else if (n == 0)
		(void)snprintf(text, sizeof(text), "the domain has none");
	route_test_put(out, "sts", sts_mode_name((enum sts_mode)m->mode),
	    t->hops[t->at].domain, text);
}

bool
route_test_on_sts(struct route_test *t, uint32_t ticket,
    const struct wire_sts_answer *m, struct buf *out)
{
	bool is_sane = m->mode <= STS_ENFORCE &&
	    m->result <= STS_RESULT_WEBPKI && sts_mx_is_valid(m->mx);

	if (ticket != STS_TICKET || !t->sts.is_missing || !is_sane ||
	    !arena_copy(&t->arena, m->mx, &t->sts.mx))
		return false;
	t->sts.is_missing = false;
	t->sts.mode = m->mode;
	t->sts.result = m->result;
	put_sts(t, m, out);
	return true;
}

/* -- DANE ------------------------------------------------------------------ */

static void
put_dane(const struct dane *d, const struct route_host *h, struct buf *out)
{
	static const struct {
		const char *what, *text;
	} states[] = {
		[DANE_NONE] = { "none", "no TLSA records that are signed" },
		[DANE_FAILED] = { "failed",
		    "the DNS gives no valid answer about TLSA records" },
		[DANE_UNUSABLE] = { "unusable",
		    "there are TLSA records, of forms that are none for mail" },
		[DANE_USABLE] = { "validated", "" },
	};
	char text[ROW_TEXT], line[DANE_RECORD_TEXT];
	size_t n =
	    (size_t)snprintf(text, sizeof(text), "%s", states[d->state].text);

	for (size_t i = 0; i < d->n_records; i++) {
		dane_record_print(&d->records[i], line);
		if (n + strlen(line) + 3 > sizeof(text))
			break;
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
		    i > 0 ? "; " : "", line);
	}
	route_test_put(out, "dane", states[d->state].what, h->name, text);
}

/* False: there will be an answer. */
static bool
find_dane(struct route_test *t, const struct route_host *h, uint8_t minimum,
    struct dane *ret)
{
	const struct hop *hop = &t->hops[t->at];
	struct dane_input in = { .domain = hop->domain,
		.host = h->name,
		.port = h->port,
		.is_literal = h->is_literal,
		.is_chosen = is_chosen(hop) };
	struct route_question question;
	enum route_need need;

	*ret = (struct dane){ 0 };
	if (minimum == TLS_MINIMUM_NONE)
		return true;
	need = dane_decide(&in, t->answers, t->n_answers, &t->arena, &question,
	    ret);
	if (need == ROUTE_NEED_ANSWER && route_test_ask(t, &question))
		return false;
	if (need != ROUTE_DONE)
		*ret = (struct dane){ .state = DANE_FAILED };
	return true;
}

/* -- both together --------------------------------------------------------- */

static const char *
who_wants(const struct tls_demand *d, uint8_t minimum)
{
	if (d->level == TLS_LEVEL_NEVER)
		return "TLS is never used there, as is set here";
	if (d->level == TLS_LEVEL_DANE)
		return "as its TLSA records say";
	if (d->is_testing)
		return "the domain's MTA-STS policy is only tested";
	if (d->level == TLS_LEVEL_WEBPKI && minimum < TLS_MINIMUM_VERIFY)
		return "a certificate for it, as the domain's MTA-STS policy "
		       "says";
	if (d->level == TLS_LEVEL_ENCRYPT && minimum < TLS_MINIMUM_ENCRYPT)
		return "it has TLSA records, so it speaks TLS";
	if (d->level > TLS_LEVEL_MAY)
		return "as is set here at least";
	return "when the host has it";
}

static void
put_demand(struct route_test *t, const struct route_host *h,
    const struct tls_demand *d, uint8_t minimum, struct buf *out)
{
	char what[24], text[ROW_TEXT];

	(void)slice_to_cstr(d->is_refused
		? SLICE("not used")
		: tls_level_name((enum tls_level)d->level),
	    what, sizeof(what));
	(void)snprintf(text, sizeof(text), "%s", who_wants(d, minimum));
	if (d->is_refused)
		(void)slice_to_cstr(d->text, text, sizeof(text));
	else
		t->n_good++;
	route_test_put(out, "tls", what, h->name, text);
}

enum route_test_state
route_test_tls_go_on(struct route_test *t, struct buf *out)
{
	const struct hop *hop = &t->hops[t->at];
	uint8_t minimum = tls_policy_minimum(hop->is_lmtp ? HOP_LMTP : HOP_MX,
	    hop->tls, hop->minimum, t->settings->outbound_tls);

	if (!sts_is_settled(t, out))
		return ROUTE_TEST_ASKING;
	for (; t->host < t->route.n_hosts; t->host++) {
		const struct route_host *h = &t->route.hosts[t->host];
		struct dane dane;
		struct tls_policy_input in = { .domain = is_chosen(hop)
			    ? (struct slice){ 0 }
			    : hop->domain,
			.host = h->name,
			.dane = &dane,
			.is_literal = h->is_literal,
			.sts = tls_policy_sts(t->sts.mode, t->sts.result,
			    t->sts.mx, h->name),
			.minimum = minimum };
		struct tls_demand d;

		if (!find_dane(t, h, minimum, &dane))
			return ROUTE_TEST_ASKING;
		d = tls_policy_decide(&in);
		if (minimum != TLS_MINIMUM_NONE && !h->is_literal)
			put_dane(&dane, h, out);
		put_demand(t, h, &d, minimum, out);
	}
	if (t->n_good == 0)
		route_test_note_fate(t, FATE_WAITS);
	return ROUTE_TEST_DONE;
}
