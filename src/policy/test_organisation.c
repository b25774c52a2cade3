/* SPDX-License-Identifier: ISC */
/* To whom a name belongs, and which names are the line's. */
#include "base/test.h"
#include "policy/organisation.h"

static const struct {
	struct slice in, out;
} organisations[] = {
	{ SLICE("one.example"), SLICE("one.example") },
	{ SLICE("mta7.bounces.one.example"), SLICE("one.example") },
	{ SLICE("mail.shop.co.uk"), SLICE("shop.co.uk") },
	{ SLICE("shop.co.uk"), SLICE("shop.co.uk") },
	{ SLICE("co.uk"), SLICE("co.uk") },
	{ SLICE("a.b.com.au"), SLICE("b.com.au") },
	{ SLICE("a.b.co.example"), SLICE("co.example") },
	{ SLICE("localhost"), SLICE("localhost") },
	{ SLICE("[192.0.2.1]"), SLICE("[192.0.2.1]") },
	{ SLICE(""), SLICE("") },
};

static void
organisations_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(organisations) / sizeof(organisations[0]);
	     i++) {
		struct slice in = test_exact_copy(organisations[i].in);

		test_slice(organisation_of(in), organisations[i].out);
		test_free_copy(in);
	}
}

static const struct {
	struct slice host;
	const char *ip;
	bool is_generic;
} hosts[] = {
	{ SLICE("dsl-192-0-2-7.isp.example"), "192.0.2.7", true },
	{ SLICE("7.2.0.192.dyn.isp.example"), "192.0.2.7", true },
	{ SLICE("host7.net2.isp.example"), "192.0.2.7", true },
	{ SLICE("mx7.isp.example"), "192.0.2.7", false },
	{ SLICE("mta2.pool3.isp.example"), "192.0.2.7", false },
	{ SLICE("mail.one.example"), "192.0.2.7", false },
	{ SLICE("p2001db8-7f3a.isp.example"), "2001:db8::7f3a", true },
	{ SLICE("mx.isp.example"), "2001:db8::7f3a", false },
};

static void
generic_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct ip ip;

		test_case((const char *)hosts[i].host.at);
		test_true(ip_parse(slice_cstr(hosts[i].ip), &ip));
		test_int(organisation_is_generic(hosts[i].host, &ip),
		    hosts[i].is_generic);
	}
}

TEST_MAIN(cmocka_unit_test(organisations_are_found),
    cmocka_unit_test(generic_names))
