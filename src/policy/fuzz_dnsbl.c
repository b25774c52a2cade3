/* SPDX-License-Identifier: ISC */
/* Lists that are taken have their bounds; no TXT can put a line end into a
 * reply; no PTR is a name that cannot be asked for. */
#include <stdlib.h>
#include <string.h>

#include "policy/dnsbl.h"
#include "policy/rdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static void
check_lists(struct slice in)
{
	static struct dnsbl_lists l;
	struct dnsbl_facts facts = { .states = { DNSBL_ASKED } };
	struct dnsbl_outcome o;

	if (!dnsbl_lists_parse(in, &l))
		return;
	if (l.n > LIMIT_DNSBL_LISTS)
		abort();
	for (size_t i = 0; i < l.n; i++)
		if (l.rows[i].n_ranges == 0 ||
		    l.rows[i].n_ranges > DNSBL_RANGES ||
		    abs(l.rows[i].weight) > DNSBL_WEIGHT_MAX ||
		    !dns_name_is_valid(slice_cstr(l.rows[i].zone)))
			abort();
	if (l.n == 0)
		return;
	dnsbl_on_address(&l, 0, DNS_NOERROR, &in, 1, &facts);
	(void)dnsbl_decide(&l, 1, &facts, &o);
}

static void
check_answers(struct slice in)
{
	struct dnsbl_facts facts = { .text_state = DNSBL_ASKED };
	const struct ip ip = { 4, { 192, 0, 2, 1 } };
	char name[DNS_NAME_TEXT];
	struct rdns r;
	uint16_t type;

	dnsbl_on_text(&facts, DNS_NOERROR, &in, 1);
	for (const char *c = facts.text; *c != '\0'; c++)
		if (!ascii_is_print((uint8_t)*c))
			abort();
	rdns_init(&r, &ip);
	rdns_answer(&r, DNS_NOERROR, &in, 1);
	if (rdns_question(&r, name, &type) &&
	    !dns_name_is_valid(slice_cstr(name)))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
	check_lists(slice_of(at, n));
	check_answers(slice_of(at, n));
	return 0;
}
