/* SPDX-License-Identifier: ISC */
/* Which names of an address are believed. */
#include "base/test.h"
#include "policy/rdns.h"

#define PTR(text)                                                              \
	{                                                                      \
		0, { SLICE(text) }, 1                                          \
	}
#define NONE                                                                   \
	{                                                                      \
		DNS_NXDOMAIN, { { 0 } }, 0                                     \
	}
#define DEAD                                                                   \
	{                                                                      \
		DNS_NO_ANSWER, { { 0 } }, 0                                    \
	}
#define A1 SLICE("\xc0\0\x02\x01")
#define A2 SLICE("\xc0\0\x02\x02")

struct answer {
	uint16_t rcode;
	struct slice records[4];
	size_t n;
};

static const struct {
	const char *what, *ip;
	struct answer answers[4];
	size_t n_asked;
	int state;
	const char *last; /* the last question's name */
	const char *name;
} rows[] = {
	{ "both ways", "192.0.2.1",
	    { PTR("\2mx\7example\0"), { 0, { A2, A1 }, 2 } }, 2, RDNS_CONFIRMED,
	    "mx.example", "mx.example" },
	{ "none", "192.0.2.1", { NONE }, 1, RDNS_NONE, "1.2.0.192.in-addr.arpa",
	    "" },
	{ "empty answer", "192.0.2.1", { { 0 } }, 1, RDNS_NONE,
	    "1.2.0.192.in-addr.arpa", "" },
	{ "no answer", "192.0.2.1", { DEAD }, 1, RDNS_FAILED,
	    "1.2.0.192.in-addr.arpa", "" },
	{ "failing server", "192.0.2.1", { { DNS_SERVFAIL, { { 0 } }, 0 } }, 1,
	    RDNS_FAILED, "1.2.0.192.in-addr.arpa", "" },
	{ "points elsewhere", "192.0.2.1",
	    { PTR("\2mx\7example\0"), { 0, { A2 }, 1 } }, 2, RDNS_UNCONFIRMED,
	    "mx.example", "" },
	{ "somebody else's good name", "192.0.2.1",
	    { PTR("\4bank\7example\0"), NONE }, 2, RDNS_UNCONFIRMED,
	    "bank.example", "" },
	{ "the second does", "192.0.2.1",
	    { { 0, { SLICE("\1a\0"), SLICE("\1b\0") }, 2 }, DEAD,
		{ 0, { A1 }, 1 } },
	    3, RDNS_CONFIRMED, "b", "b" },
	{ "a way back that failed", "192.0.2.1",
	    { { 0, { SLICE("\1a\0"), SLICE("\1b\0") }, 2 }, DEAD, NONE }, 3,
	    RDNS_FAILED, "b", "" },
	{ "three names, no more", "192.0.2.1",
	    { { 0,
		  { SLICE("\1a\0"), SLICE("\1b\0"), SLICE("\1c\0"),
		      SLICE("\1d\0") },
		  4 },
		NONE, NONE, NONE },
	    4, RDNS_UNCONFIRMED, "c", "" },
	{ "names that are none", "192.0.2.1",
	    { { 0,
		{ SLICE("\3a b\0"), SLICE("\0"), SLICE("\1a"),
		    SLICE("\1a\0x") },
		4 } },
	    1, RDNS_NONE, "1.2.0.192.in-addr.arpa", "" },
	{ "IPv6", "2001:db8::1",
	    { PTR("\2mx\7example\0"),
		{ 0, { SLICE(" \x01\r\xb8\0\0\0\0\0\0\0\0\0\0\0\x01") }, 1 } },
	    2, RDNS_CONFIRMED, "mx.example", "mx.example" },
	{ "A of an IPv6 client", "2001:db8::1",
	    { PTR("\2mx\7example\0"), { 0, { A1 }, 1 } }, 2, RDNS_UNCONFIRMED,
	    "mx.example", "" },
};

static void
names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[DNS_NAME_TEXT], last[DNS_NAME_TEXT] = "";
		struct rdns r;
		uint16_t type;
		struct ip ip;
		size_t n = 0;

		test_case(rows[i].what);
		test_true(ip_parse(slice_cstr(rows[i].ip), &ip));
		rdns_init(&r, &ip);
		while (rdns_question(&r, name, &type)) {
			const struct answer *a = &rows[i].answers[n++];

			test_true(n <= rows[i].n_asked);
			memcpy(last, name, sizeof(last));
			test_int(type,
			    n == 1               ? DNS_PTR
				: ip.family == 4 ? DNS_A
						 : DNS_AAAA);
			rdns_answer(&r, a->rcode, a->records, a->n);
		}
		test_int(n, rows[i].n_asked);
		test_int(r.state, rows[i].state);
		test_slice(slice_cstr(last), slice_cstr(rows[i].last));
		test_slice(rdns_name(&r), slice_cstr(rows[i].name));
		rdns_answer(&r, 0, NULL, 0); /* one too many changes nothing */
		test_int(r.state, rows[i].state);
	}
}

static void
reverse_names(void **state)
{
	char name[DNS_NAME_TEXT], zone[DNS_NAME_TEXT];
	struct ip ip;

	(void)state;
	test_true(ip_parse(SLICE("2001:db8::1"), &ip));
	test_true(dns_reverse_name(&ip, NULL, name));
	test_slice(slice_cstr(name),
	    SLICE("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0."
		  "0.2.ip6.arpa"));
	test_true(dns_reverse_name(&ip, "bl.example", name));
	test_true(slice_ends(slice_cstr(name), SLICE(".0.0.2.bl.example")));
	memset(zone, 'a', sizeof(zone));
	for (size_t i = 20; i < 200; i += 20)
		zone[i] = '.';
	zone[191] = '\0';
	test_true(!dns_reverse_name(&ip, zone, name));
	zone[189] = '\0';
	test_true(dns_reverse_name(&ip, zone, name));
	test_int(strlen(name), 253);
}

TEST_MAIN(cmocka_unit_test(names), cmocka_unit_test(reverse_names))
