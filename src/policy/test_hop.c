/* SPDX-License-Identifier: ISC */
/* What an operator may write as the hosts of a route. */
#include "base/test.h"
#include "policy/hop.h"

static const struct {
	const char *what;
	struct slice in;
	bool is_good;
	size_t n;
	struct slice name; /* of the last one */
	unsigned port, weight, preference, family;
	bool uses_mx;
} rows[] = {
	{ "a name", SLICE("mx.one.example"), true, 1, SLICE("mx.one.example"),
	    0, 1, 10 },
	{ "a port", SLICE("mx.one.example:587"), true, 1,
	    SLICE("mx.one.example"), 587, 1, 10 },
	{ "everything", SLICE("mx:one.example:26*5@20"), true, 1,
	    SLICE("one.example"), 26, 5, 20, .uses_mx = true },
	{ "several, with spaces", SLICE("a.example , b.example:465@30"), true,
	    2, SLICE("b.example"), 465, 1, 30 },
	{ "an address", SLICE("[192.0.2.1]:25"), true, 1, SLICE("[192.0.2.1]"),
	    25, 1, 10, 4 },
	{ "a bare address", SLICE("192.0.2.1"), true, 1, SLICE("192.0.2.1"), 0,
	    1, 10, 4 },
	{ "IPv6", SLICE("[2001:db8::1]:2525"), true, 1, SLICE("[2001:db8::1]"),
	    2525, 1, 10, 6 },
	{ "IPv6 as in mail", SLICE("[IPv6:2001:db8::1]"), true, 1,
	    SLICE("[IPv6:2001:db8::1]"), 0, 1, 10, 6 },
	{ "a socket", SLICE("unix:/run/lmtp.sock"), false },
	{ "nothing", SLICE(""), false },
	{ "nothing behind a comma", SLICE("a.example,"), true, 1,
	    SLICE("a.example"), 0, 1, 10 },
	{ "nothing before one", SLICE(",a.example"), false },
	{ "port 0", SLICE("a.example:0"), false },
	{ "no port", SLICE("a.example:"), false },
	{ "port 65536", SLICE("a.example:65536"), false },
	{ "weight 0", SLICE("a.example*0"), false },
	{ "more behind it", SLICE("a.example:25 26"), false },
	{ "a space in it", SLICE("a b.example"), false },
	{ "not a name", SLICE("a..example"), false },
	{ "not an address", SLICE("[192.0.2]"), false },
	{ "no end of it", SLICE("[192.0.2.1"), false },
	{ "the MX of an address", SLICE("mx:[192.0.2.1]"), false },
	{ "the MX of a bare one", SLICE("mx:192.0.2.1"), false },
	{ "21 hosts", SLICE("a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a"),
	    false },
};

static void
hosts_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct hop_host hosts[HOP_HOSTS];
		const struct hop_host *last;
		const char *why = NULL;
		size_t n = 0;

		test_case(rows[i].what);
		test_true(hop_hosts_read(in, hosts, &n, &why) ==
		    rows[i].is_good);
		if (!rows[i].is_good) {
			test_true(why != NULL);
			test_free_copy(in);
			continue;
		}
		test_int(n, rows[i].n);
		last = &hosts[n - 1];
		test_slice(last->name, rows[i].name);
		test_int(last->port, rows[i].port);
		test_int(last->weight, rows[i].weight);
		test_int(last->preference, rows[i].preference);
		test_int(last->family, rows[i].family);
		test_true(last->uses_mx == rows[i].uses_mx);
		test_free_copy(in);
	}
}

TEST_MAIN(cmocka_unit_test(hosts_by_table))
