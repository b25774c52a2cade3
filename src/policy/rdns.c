/* SPDX-License-Identifier: ISC */
#include "policy/rdns.h"

#include <string.h>

void
rdns_init(struct rdns *r, const struct ip *ip)
{
	memset(r, 0, sizeof(*r));
	r->ip = *ip;
	if (ip->family == 0)
		r->state = RDNS_NONE;
}

bool
rdns_question(const struct rdns *r, char name[DNS_NAME_TEXT],
    uint16_t *ret_type)
{
	if (r->state == RDNS_ASK_PTR) {
		*ret_type = DNS_PTR;
		return dns_reverse_name(&r->ip, NULL, name);
	}
	if (r->state != RDNS_ASK_ADDRESS)
		return false;
	*ret_type = r->ip.family == 4 ? DNS_A : DNS_AAAA;
	memcpy(name, r->names[r->at], DNS_NAME_TEXT);
	return true;
}

static void
take_names(struct rdns *r, const struct slice *records, size_t n)
{
	for (size_t i = 0; i < n && r->n < RDNS_NAMES; i++) {
		struct slice rdata = records[i];
		char name[DNS_NAME_TEXT];

		if (!dns_name_take(&rdata, name) || rdata.len != 0 ||
		    !dns_name_is_valid(slice_cstr(name)))
			continue;
		memcpy(r->names[r->n++], name, sizeof(name));
	}
	r->state = r->n > 0 ? RDNS_ASK_ADDRESS : RDNS_NONE;
}

static bool
points_back(const struct rdns *r, const struct slice *records, size_t n)
{
	struct slice want = slice_of(r->ip.bytes, r->ip.family == 4 ? 4 : 16);

	for (size_t i = 0; i < n; i++)
		if (slice_equal(records[i], want))
			return true;
	return false;
}

void
rdns_answer(struct rdns *r, uint16_t rcode, const struct slice *records,
    size_t n)
{
	bool is_known = rcode == DNS_NOERROR || rcode == DNS_NXDOMAIN;

	if (r->state == RDNS_ASK_PTR) {
		if (is_known)
			take_names(r, records, n);
		else
			r->state = RDNS_FAILED;
		return;
	}
	if (r->state != RDNS_ASK_ADDRESS)
		return;
	if (is_known && points_back(r, records, n)) {
		r->state = RDNS_CONFIRMED;
		return;
	}
	r->has_failed |= !is_known;
	if (++r->at == r->n)
		r->state = r->has_failed ? RDNS_FAILED : RDNS_UNCONFIRMED;
}

struct slice
rdns_name(const struct rdns *r)
{
	return r->state == RDNS_CONFIRMED ? slice_cstr(r->names[r->at])
					  : (struct slice){ 0 };
}
