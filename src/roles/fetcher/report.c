/* SPDX-License-Identifier: ISC */
/*
 * roles/fetcher/report - for reports about TLS (RFC 8460): where a domain wants
 * them, and one report to a web server
 *
 * A job is one question of the store's. Each is answered, once; when there are
 * too many, at once with a no. The store tries again, for a day.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/tlsrpt.h"
#include "roles/fetcher/fetcher.h"

enum {
	ANSWER_MAX = 64 * 1024 /* of what a web server says to a report */
};
#define POST_TIME TIME_MINUTE

struct job {
	struct fetcher *fetcher;
	uint64_t number, session;
	bool is_post;
	struct buf content;
	struct tlsrpt_target target;
	uint32_t tickets[2];
	unsigned n_missing;
	struct env_addr addresses[HTTPS_ADDRESSES];
	size_t n_addresses;
	struct https_request request;
};

static void
job_free(struct job *j)
{
	https_forget(&j->request);
	(void)map_take_number(&j->fetcher->jobs, j->number);
	buf_deinit(&j->content);
	free(j);
}

static struct job *
job_new(struct fetcher *f, uint64_t session)
{
	struct job *j = f->jobs.n < FETCHER_JOBS ? calloc(1, sizeof(*j)) : NULL;

	if (j == NULL)
		return NULL;
	j->fetcher = f;
	j->session = session;
	j->number = ++f->next_lookup;
	buf_init(&j->content, LIMIT_FRAME);
	if (map_put_number(&f->jobs, j->number, j) < 0) {
		free(j);
		return NULL;
	}
	return j;
}

static bool
ask(struct job *j, unsigned i, const char *name, uint16_t type)
{
	struct fetcher *f = j->fetcher;
	struct wire_dns_ask m = { .name = slice_cstr(name), .type = type };

	if (++f->next_ticket == 0)
		f->next_ticket = 1;
	j->tickets[i] = f->next_ticket;
	j->n_missing++;
	return f->resolver != NULL &&
	    wire_send_dns_ask(f->resolver, j->number, j->tickets[i], &m) == 0;
}

/* -- where they go -------------------------------------------------------- */

static void
say_rua(struct fetcher *f, uint64_t session, bool is_known, struct slice record)
{
	struct wire_rua_answer m = { .is_known = is_known, .record = record };

	if (f->store != NULL)
		(void)wire_send_rua_answer(f->store, session, 0, &m);
}

int
on_rua_ask(struct channel *c, const struct wire_head *h,
    const struct wire_rua_ask *m)
{
	struct fetcher *f = c->ctx;
	struct job *j = job_new(f, h->session);
	char name[DNS_NAME_TEXT];
	int n = snprintf(name, sizeof(name), "_smtp._tls.%.*s",
	    SLICE_FMT(slice_upto(m->domain, DNS_NAME_TEXT)));

	if (j == NULL) {
		say_rua(f, h->session, false, SLICE(""));
	} else if (!dns_name_is_valid(m->domain) || n < 0 ||
	    (size_t)n >= sizeof(name) || !ask(j, 0, name, DNS_TXT)) {
		say_rua(f, h->session, false, SLICE(""));
		job_free(j);
	}
	return 0;
}

static void
on_record(struct job *j, const struct wire_dns_answer *m)
{
	struct slice rdata[LIMIT_DNS_RECORDS];
	struct wire_list rows = m->records;
	struct wire_dns_record row;
	struct buf text;
	size_t n = 0;

	buf_init(&text, DNS_RDATA);
	while (n < LIMIT_DNS_RECORDS && wire_dns_record_next(&rows, &row))
		rdata[n++] = row.data;
	if (tlsrpt_records_read(rdata, n, &text) != TLSRPT_OK)
		buf_reset(&text, 0);
	say_rua(j->fetcher, j->session,
	    !m->bogus && (m->rcode == DNS_NOERROR || m->rcode == DNS_NXDOMAIN),
	    buf_slice(&text));
	buf_deinit(&text);
	job_free(j);
}

/* -- one report ----------------------------------------------------------- */

static void
say_posted(struct fetcher *f, uint64_t session, bool ok, const char *why)
{
	struct wire_report_posted m = { .ok = ok,
		.why = slice_upto(slice_cstr(why), STS_WHY) };

	if (f->store != NULL)
		(void)wire_send_report_posted(f->store, session, 0, &m);
}

static void
fail(struct job *j, const char *why)
{
	say_posted(j->fetcher, j->session, false, why);
	job_free(j);
}

/* RFC 8460, 5.4: "typically a 200 or 201" */
static void
on_posted(struct https_request *q, const struct https_result *r)
{
	struct job *j = LIST_ENTRY(q, struct job, request);
	char why[STS_WHY];

	if (r->error != HTTPS_OK && r->error != HTTPS_E_LARGE) {
		fail(j, r->why);
		return;
	}
	(void)snprintf(why, sizeof(why), "the web server says %u", r->status);
	say_posted(j->fetcher, j->session, r->status >= 200 && r->status < 300,
	    why);
	job_free(j);
}

static void
post(struct job *j)
{
	struct fetcher *f = j->fetcher;
	struct https_question q = { .url = j->target.url,
		.host = j->target.host,
		.port = j->target.port,
		.addresses = j->addresses,
		.n_addresses = j->n_addresses,
		.max_body = ANSWER_MAX,
		.timeout = POST_TIME,
		.is_post = true,
		.content_type = "application/tlsrpt+gzip",
		.content = buf_slice(&j->content) };

	j->request.done = on_posted;
	if (j->n_addresses == 0)
		fail(j, "the web server has no address");
	else if (f->https == NULL)
		fail(j, f->why_not);
	else if (https_ask(f->https, &j->request, &q) < 0)
		fail(j, "it cannot be sent now");
}

int
on_report_post(struct channel *c, const struct wire_head *h,
    const struct wire_report_post *m)
{
	struct fetcher *f = c->ctx;
	struct job *j = job_new(f, h->session);

	if (j == NULL) {
		say_posted(f, h->session, false, "too much is being fetched");
		return 0;
	}
	j->is_post = true;
	if (!tlsrpt_uri_parse(m->uri, &j->target) ||
	    j->target.scheme != TLSRPT_HTTPS ||
	    buf_add(&j->content, m->content) != BUF_OK)
		fail(j, "it is no https URI");
	else if (!ask(j, 0, j->target.host, DNS_A) ||
	    !ask(j, 1, j->target.host, DNS_AAAA))
		fail(j, "the resolver cannot be asked");
	return 0;
}

void
job_on_dns(struct job *j, uint32_t ticket, const struct wire_dns_answer *m)
{
	for (unsigned i = 0; i < 2; i++) {
		if (j->tickets[i] != ticket || ticket == 0)
			continue;
		j->tickets[i] = 0;
		j->n_missing--;
		if (!j->is_post) {
			on_record(j, m);
			return;
		}
		fetch_add_addresses(j->fetcher, m, i == 1, j->target.port,
		    j->addresses, &j->n_addresses);
		if (j->n_missing == 0)
			post(j);
		return;
	}
}

void
jobs_on_resolver_lost(struct fetcher *f)
{
	struct job *j;
	size_t at = 0;

	while ((j = map_next(&f->jobs, &at)) != NULL) {
		if (j->n_missing == 0)
			continue;
		if (j->is_post) {
			fail(j, "the resolver went away");
		} else {
			say_rua(f, j->session, false, SLICE(""));
			job_free(j);
		}
	}
}

void
jobs_drop(struct fetcher *f)
{
	struct job *j;
	size_t at = 0;

	while ((j = map_next(&f->jobs, &at)) != NULL)
		job_free(j);
}
