/* SPDX-License-Identifier: ISC */
/*
 * roles/fetcher/fetch - one policy: the addresses of its host, and HTTPS
 *
 * Every failure ends in domain_on_fetched, which remembers it. Addresses that
 * are nobody's to knock at from here (loopback, multicast) are left out, as
 * with mail hosts: a policy's host is named by strangers.
 */
#include <stdio.h>
#include <string.h>

#include "roles/fetcher/fetcher.h"

enum {
	HTTPS_PORT = 443
};

static void
fail(struct domain *d, enum sts_result result, const char *why)
{
	domain_on_fetched(d, result, why, NULL, SLICE(""));
}

/* "mta-sts.DOMAIN" (3.2); false when that is no name. */
static bool
host_of(const struct domain *d, char host[DNS_NAME_TEXT])
{
	int n = snprintf(host, DNS_NAME_TEXT, "mta-sts.%s", d->name);

	return n > 0 && n < DNS_NAME_TEXT &&
	    dns_name_is_valid(slice_cstr(host));
}

void
fetch_begin(struct domain *d)
{
	char host[DNS_NAME_TEXT];

	d->n_addresses = 0;
	if (!host_of(d, host))
		fail(d, STS_RESULT_FETCH, "the policy's host has no good name");
	else if (!domain_question(d, 0, host, DNS_A) ||
	    !domain_question(d, 1, host, DNS_AAAA))
		fail(d, STS_RESULT_FETCH, "the resolver cannot be asked");
}

/* -- what came
 * -------------------------------------------------------------------------- */

/* text/plain, with or without parameters (3.2). */
static bool
is_plain_text(struct slice type)
{
	struct slice before = type;
	size_t semicolon = slice_find_byte(type, ';');

	if (semicolon != SIZE_MAX)
		before = slice_upto(type, semicolon);
	return slice_equal_nocase(slice_trim(before), SLICE("text/plain"));
}

static void
read_policy(struct domain *d, struct slice text)
{
	struct sts_policy policy;
	const char *why;
	struct buf mx;
	int r;

	buf_init(&mx, 2 * STS_MX);
	r = sts_policy_parse(text, &mx, &policy, &why);
	if (r == STS_OK)
		domain_on_fetched(d, STS_RESULT_OK, "", &policy,
		    buf_slice(&mx));
	else
		fail(d, r < 0 ? STS_RESULT_FETCH : STS_RESULT_INVALID,
		    r < 0 ? "out of memory" : why);
	buf_deinit(&mx);
}

static void
on_done(struct https_request *q, const struct https_result *r)
{
	struct domain *d = LIST_ENTRY(q, struct domain, request);
	char why[STS_WHY];

	if (r->error != HTTPS_OK) {
		fail(d,
		    r->error == HTTPS_E_CERTIFICATE ? STS_RESULT_WEBPKI
						    : STS_RESULT_FETCH,
		    r->why);
		return;
	}
	if (r->status != 200) { /* a redirect is none, either (3.3) */
		(void)snprintf(why, sizeof(why), "the web server says %u",
		    r->status);
		fail(d, STS_RESULT_FETCH, why);
	} else if (!is_plain_text(r->content_type)) {
		fail(d, STS_RESULT_FETCH, "it is not text/plain");
	} else {
		read_policy(d, r->body);
	}
}

/* -- where it is
 * ---------------------------------------------------------------------------
 */

static void
ask_web(struct domain *d)
{
	struct fetcher *f = d->fetcher;
	char host[DNS_NAME_TEXT], url[HTTPS_URL];
	struct https_question q = { .url = url,
		.host = host,
		.port = HTTPS_PORT,
		.addresses = d->addresses,
		.n_addresses = d->n_addresses,
		.max_body = LIMIT_STS_POLICY,
		.timeout = f->settings->mta_sts_timeout };

	(void)host_of(d, host);
	(void)snprintf(url, sizeof(url), "https://%s/.well-known/mta-sts.txt",
	    host);
	d->request.done = on_done;
	d->stage = DOMAIN_HTTPS;
	if (f->https == NULL)
		fail(d, STS_RESULT_FETCH, f->why_not);
	else if (https_ask(f->https, &d->request, &q) < 0)
		fail(d, STS_RESULT_FETCH, "it cannot be asked for now");
}

void
fetch_add_addresses(const struct fetcher *f, const struct wire_dns_answer *m,
    bool is_6, uint16_t port, struct env_addr addresses[HTTPS_ADDRESSES],
    size_t *n)
{
	struct wire_list rows = m->records;
	struct wire_dns_record row;
	size_t len = is_6 ? 16 : 4;

	while (!m->bogus && *n < HTTPS_ADDRESSES &&
	    wire_dns_record_next(&rows, &row)) {
		struct env_addr *to = &addresses[*n];
		struct route_address a = { .family = is_6 ? 6 : 4 };

		if (row.data.len != len)
			continue;
		memcpy(a.bytes, row.data.at, len);
		if (!route_address_is_good(&a,
			f->settings->outbound_permit_loopback))
			continue;
		*to = (struct env_addr){ .family = a.family, .port = port };
		memcpy(to->bytes, a.bytes, len);
		++*n;
	}
}

void
fetch_on_address(struct domain *d, const struct wire_dns_answer *m, bool is_6)
{
	fetch_add_addresses(d->fetcher, m, is_6, HTTPS_PORT, d->addresses,
	    &d->n_addresses);
	if (d->n_missing > 0)
		return;
	if (d->n_addresses == 0)
		fail(d, STS_RESULT_FETCH, "the policy's host has no address");
	else
		ask_web(d);
}
