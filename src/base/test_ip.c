/* SPDX-License-Identifier: ISC */
/* Which texts are addresses and networks, and what a network holds. */
#include "base/ip.h"
#include "base/test.h"

static const struct {
	const char *what;
	struct slice in;
	bool ok;
	struct slice out;
} networks[] = {
	{ "one IPv4", SLICE("192.0.2.1"), true, SLICE("192.0.2.1") },
	{ "one IPv6", SLICE("2001:DB8:0::1"), true, SLICE("2001:db8::1") },
	{ "a /24", SLICE("192.0.2.0/24"), true, SLICE("192.0.2.0/24") },
	{ "all", SLICE("0.0.0.0/0"), true, SLICE("0.0.0.0/0") },
	{ "a /32 of one", SLICE("192.0.2.1/32"), true, SLICE("192.0.2.1") },
	{ "odd prefix", SLICE("10.64.0.0/10"), true, SLICE("10.64.0.0/10") },
	{ "an IPv6 /32", SLICE("2001:db8::/32"), true, SLICE("2001:db8::/32") },
	{ "host bits", SLICE("192.0.2.1/24"), false },
	{ "host bits, odd", SLICE("10.96.0.0/10"), false },
	{ "too long a prefix", SLICE("192.0.2.0/33"), false },
	{ "no prefix", SLICE("192.0.2.0/"), false },
	{ "leading zero", SLICE("192.0.2.0/024"), false },
	{ "negative", SLICE("192.0.2.0/-1"), false },
	{ "short", SLICE("192.0.2"), false },
	{ "empty", SLICE(""), false },
	{ "a name", SLICE("one.example"), false },
	{ "NUL", SLICE("192.0.2.1\0"), false },
	{ "zone", SLICE("fe80::1%lo"), false },
	{ "very long",
	    SLICE("0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"), false },
};

static void
networks_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++) {
		struct slice in = test_exact_copy(networks[i].in);
		struct ip_network n = { 0 };
		char text[IP_NETWORK_TEXT];

		test_case(networks[i].what);
		test_int(ip_network_parse(in, &n), networks[i].ok);
		if (networks[i].ok) {
			ip_network_print(&n, text);
			test_slice(slice_cstr(text), networks[i].out);
		}
		test_free_copy(in);
	}
}

static const struct {
	const char *what;
	struct slice list, ip;
	bool has;
} members[] = {
	{ "inside", SLICE("192.0.2.0/24"), SLICE("192.0.2.255"), true },
	{ "beside", SLICE("192.0.2.0/24"), SLICE("192.0.3.0"), false },
	{ "second line", SLICE("10.0.0.0/8\n 2001:db8::/33 \n"),
	    SLICE("2001:db8:7fff::1"), true },
	{ "behind an odd bit", SLICE("2001:db8::/33"),
	    SLICE("2001:db8:8000::1"), false },
	{ "other family", SLICE("0.0.0.0/0"), SLICE("::1"), false },
	{ "everything", SLICE("::/0\n0.0.0.0/0"), SLICE("::1"), true },
	{ "nothing", SLICE(""), SLICE("192.0.2.1"), false },
};

static void
networks_have(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct ip_networks list;
		struct ip ip;

		test_case(members[i].what);
		test_true(ip_networks_parse(members[i].list, &list));
		test_true(ip_parse(members[i].ip, &ip));
		test_int(ip_networks_have(&list, &ip), members[i].has);
	}
}

static void
mapped_is_one(void **state)
{
	struct ip a, b;
	char text[IP_TEXT];

	(void)state;
	test_true(ip_parse(SLICE("::ffff:192.0.2.1"), &a));
	test_true(ip_parse(SLICE("192.0.2.1"), &b));
	a = ip_unmapped(a);
	test_true(ip_equal(&a, &b));
	a = ip_prefix(a, 24, 64);
	ip_print(&a, text);
	test_slice(slice_cstr(text), SLICE("192.0.2.0"));
	test_true(ip_parse(SLICE("2001:db8:1:2:3:4:5:6"), &a));
	a = ip_prefix(a, 24, 64);
	ip_print(&a, text);
	test_slice(slice_cstr(text), SLICE("2001:db8:1:2::"));
}

static void
too_many(void **state)
{
	struct ip_networks list = { .n = 7 };
	char lines[IP_NETWORKS * 8 + 16];
	size_t n = 0;

	(void)state;
	for (int i = 0; i < IP_NETWORKS; i++)
		n +=
		    (size_t)snprintf(lines + n, sizeof(lines) - n, "1.1.1.1\n");
	test_true(ip_networks_parse(slice_of(lines, n), &list));
	test_int(list.n, IP_NETWORKS);
	n += (size_t)snprintf(lines + n, sizeof(lines) - n, "1.1.1.1\n");
	list.n = 7;
	test_true(!ip_networks_parse(slice_of(lines, n), &list));
	test_int(list.n, 7);
}

TEST_MAIN(cmocka_unit_test(networks_parse), cmocka_unit_test(networks_have),
    cmocka_unit_test(mapped_is_one), cmocka_unit_test(too_many))
