/* SPDX-License-Identifier: ISC */
#include "policy/dane.h"

#include <stdio.h>
#include <string.h>

enum {
	SHA256_SIZE = 32,
	SHA512_SIZE = 64
};

struct run {
	const struct dane_input *in;
	const struct route_answer *answers;
	size_t n_answers;
	struct arena *arena;
	struct route_question *question;
	struct dane *dane;
};

/* -- records -----------------------------------------------------------------
 */

bool
dane_record_parse(struct slice rdata, struct dane_record *ret)
{
	struct dane_record r = { 0 };

	if (!slice_take_byte(&rdata, &r.usage) ||
	    !slice_take_byte(&rdata, &r.selector) ||
	    !slice_take_byte(&rdata, &r.matching) || rdata.len == 0)
		return false;
	r.data = rdata;
	*ret = r;
	return true;
}

/* One DER value, a SEQUENCE, from the first octet to the last: whether it is a
 * certificate or a key is for who knows ASN.1. */
static bool
is_der_sequence(struct slice s)
{
	uint8_t byte = 0;
	size_t len = 0;

	if (!slice_skip_byte(&s, 0x30) || !slice_take_byte(&s, &byte))
		return false;
	if (byte < 0x80)
		return s.len == byte && byte > 0;
	if (byte < 0x81 || byte > 0x83)
		return false;
	for (unsigned n = byte - 0x80u; n > 0; n--) {
		if (!slice_take_byte(&s, &byte))
			return false;
		len = len << 8 | byte;
	}
	return s.len == len;
}

bool
dane_record_is_usable(const struct dane_record *r)
{
	if ((r->usage != DANE_TA && r->usage != DANE_EE) || r->selector > 1)
		return false;
	switch (r->matching) {
	case DANE_FULL:
		return is_der_sequence(r->data);
	case DANE_SHA256:
		return r->data.len == SHA256_SIZE;
	case DANE_SHA512:
		return r->data.len == SHA512_SIZE;
	default:
		return false;
	}
}

void
dane_record_print(const struct dane_record *r, char text[DANE_RECORD_TEXT])
{
	size_t at = (size_t)snprintf(text, DANE_RECORD_TEXT, "%u %u %u ",
	    r->usage, r->selector, r->matching);

	for (size_t i = 0; i < r->data.len; i++) {
		if (at + 6 > DANE_RECORD_TEXT) {
			(void)snprintf(text + at, DANE_RECORD_TEXT - at, "...");
			return;
		}
		at += (size_t)snprintf(text + at, DANE_RECORD_TEXT - at, "%02x",
		    r->data.at[i]);
	}
}

/* -- answers so far ----------------------------------------------------------
 */

static const struct dns_answer *
find(const struct run *run, struct slice name, uint16_t type)
{
	for (size_t i = 0; i < run->n_answers; i++)
		if (run->answers[i].question.type == type &&
		    slice_equal_nocase(run->answers[i].question.name, name))
			return &run->answers[i].answer;
	return NULL;
}

static bool
is_failed(const struct dns_answer *a)
{
	return a->is_bogus ||
	    (a->rcode != DNS_NOERROR && a->rcode != DNS_NXDOMAIN);
}

static enum route_need
ask(struct run *run, struct slice name, uint16_t type)
{
	*run->question = (struct route_question){ name, type };
	return ROUTE_NEED_ANSWER;
}

static enum route_need
say(struct run *run, enum dane_state state)
{
	run->dane->state = (uint8_t)state;
	return ROUTE_DONE;
}

/* -- the host ----------------------------------------------------------------
 */

struct address {
	bool is_known, is_secure;
	struct slice canonical;
};

/* Of the answers with addresses the signed one counts: the other family may lie
 * behind another, broken server. */
static struct address
find_address(const struct run *run)
{
	static const uint16_t types[] = { DNS_AAAA, DNS_A };
	struct address found = { 0 };

	for (size_t i = 0; i < 2; i++) {
		const struct dns_answer *a = find(run, run->in->host, types[i]);

		if (a == NULL || is_failed(a) || a->n_records == 0 ||
		    (found.is_known && !a->is_secure))
			continue;
		found = (struct address){ true, a->is_secure, a->canonical };
	}
	return found;
}

/* RFC 7672, 2.2.1. Without an MX record what is signed is that there is none.
 */
static bool
note_mx(struct run *run)
{
	const struct dns_answer *mx = find(run, run->in->domain, DNS_MX);

	if (run->in->is_chosen)
		return true;
	run->dane->domain = run->in->domain;
	if (mx == NULL || is_failed(mx))
		return false;
	run->dane->is_mx_secure = mx->is_secure;
	if (mx->canonical.len > 0 &&
	    !slice_equal_nocase(mx->canonical, run->in->domain))
		run->dane->expanded = mx->canonical;
	return mx->is_secure;
}

/* -- the records -------------------------------------------------------------
 */

static size_t
add_records(const struct dns_answer *a, bool usable, struct dane_record *to,
    size_t n)
{
	struct dane_record r;

	for (size_t i = 0; i < a->n_records && n < DANE_RECORDS; i++)
		if (dane_record_parse(a->records[i], &r) &&
		    dane_record_is_usable(&r) == usable)
			to[n++] = r;
	return n;
}

static enum route_need
take_records(struct run *run, const struct dns_answer *a, struct slice base)
{
	struct dane_record *records = arena_array(run->arena,
	    a->n_records < DANE_RECORDS ? a->n_records : DANE_RECORDS,
	    sizeof(*records));

	if (records == NULL)
		return ROUTE_E_MEMORY;
	run->dane->base = base;
	run->dane->records = records;
	run->dane->n_records = add_records(a, true, records, 0);
	run->dane->n_published =
	    add_records(a, false, records, run->dane->n_records);
	return say(run, run->dane->n_records > 0 ? DANE_USABLE : DANE_UNUSABLE);
}

/* RFC 7672, 2.2.3: the first of the names with a signed set of records. */
static enum route_need
look_at(struct run *run, struct slice base, struct slice other)
{
	char text[DNS_NAME_TEXT + 16];
	struct slice name;
	const struct dns_answer *a;

	(void)snprintf(text, sizeof(text), "_%u._tcp.%.*s", run->in->port,
	    SLICE_FMT(slice_upto(base, DNS_NAME_TEXT)));
	if (dns_name_is_valid(slice_cstr(text))) {
		if (!arena_copy(run->arena, slice_cstr(text), &name))
			return ROUTE_E_MEMORY;
		a = find(run, name, DNS_TLSA);
		if (a == NULL)
			return ask(run, name, DNS_TLSA);
		if (is_failed(a))
			return say(run, DANE_FAILED);
		if (a->is_secure && a->n_records > 0)
			return take_records(run, a, base);
	}
	return other.len > 0 ? look_at(run, other, (struct slice){ 0 })
			     : say(run, DANE_NONE);
}

/* 2.2.2, "insecure CNAME": whether the alias itself is signed. */
static enum route_need
look_at_alias(struct run *run)
{
	const struct dns_answer *a = find(run, run->in->host, DNS_CNAME);

	if (a == NULL)
		return ask(run, run->in->host, DNS_CNAME);
	if (is_failed(a))
		return say(run, DANE_FAILED);
	return a->is_secure ? look_at(run, run->in->host, (struct slice){ 0 })
			    : say(run, DANE_NONE);
}

static enum route_need
decide(struct run *run)
{
	struct slice host = run->in->host;
	struct address address;
	bool is_alias;

	if (run->in->is_literal || !note_mx(run))
		return say(run, DANE_NONE);
	address = find_address(run);
	is_alias = address.canonical.len > 0 &&
	    !slice_equal_nocase(address.canonical, host);
	if (!address.is_known)
		return say(run, DANE_NONE);
	if (!address.is_secure)
		return is_alias ? look_at_alias(run) : say(run, DANE_NONE);
	return is_alias ? look_at(run, address.canonical, host)
			: look_at(run, host, (struct slice){ 0 });
}

enum route_need
dane_decide(const struct dane_input *in, const struct route_answer *answers,
    size_t n_answers, struct arena *arena, struct route_question *ret_question,
    struct dane *ret)
{
	struct dane dane = { 0 };
	struct run run = { in, answers, n_answers, arena, ret_question, &dane };
	enum route_need need = decide(&run);

	if (need == ROUTE_DONE)
		*ret = dane;
	return need;
}
