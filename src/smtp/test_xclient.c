/* SPDX-License-Identifier: ISC */
/* What a trusted front may say of its client. */
#include "base/test.h"
#include "smtp/xclient.h"

static const struct {
	const char *what;
	struct slice in;
	int want;
	const char *name, *addr, *helo;
	int name_is, addr_is, port;
} rows[] = {
	{ "as Postfix says it",
	    SLICE("NAME=spike.example ADDR=192.0.2.9 PORT=4660 PROTO=ESMTP "
		  "HELO=mx.example DESTADDR=198.51.100.25 DESTPORT=25"),
	    SMTP_XCLIENT_OK, "spike.example", "192.0.2.9", "mx.example",
	    SMTP_XCLIENT_SAID, SMTP_XCLIENT_SAID, 4660 },
	{ "IPv6", SLICE("ADDR=IPV6:2001:db8::9"), SMTP_XCLIENT_OK, "",
	    "2001:db8::9", "", 0, SMTP_XCLIENT_SAID, 0 },
	{ "IPv6, case", SLICE("addr=ipv6:2001:DB8::9"), SMTP_XCLIENT_OK, "",
	    "2001:db8::9", "", 0, SMTP_XCLIENT_SAID, 0 },
	{ "IPv4 inside IPv6", SLICE("ADDR=IPV6:::ffff:192.0.2.9"),
	    SMTP_XCLIENT_OK, "", "192.0.2.9", "", 0, SMTP_XCLIENT_SAID, 0 },
	{ "not available", SLICE("NAME=[UNAVAILABLE] ADDR=[TEMPUNAVAIL]"),
	    SMTP_XCLIENT_OK, "", "local", "", SMTP_XCLIENT_UNAVAILABLE,
	    SMTP_XCLIENT_TEMPUNAVAIL, 0 },
	{ "xtext", SLICE("NAME=a+2Db.example"), SMTP_XCLIENT_OK, "a-b.example",
	    "local", "", SMTP_XCLIENT_SAID, 0, 0 },
	{ "HELO with a literal", SLICE("HELO=[192.0.2.9]"), SMTP_XCLIENT_OK, "",
	    "local", "[192.0.2.9]", 0, 0, 0 },
	{ "nothing", SLICE(""), SMTP_XCLIENT_E_SYNTAX },
	{ "no value", SLICE("NAME"), SMTP_XCLIENT_E_SYNTAX },
	{ "no name", SLICE("=x"), SMTP_XCLIENT_E_SYNTAX },
	{ "two spaces", SLICE("PORT=1  PROTO=SMTP"), SMTP_XCLIENT_E_SYNTAX },
	{ "space at the end", SLICE("PORT=1 "), SMTP_XCLIENT_E_SYNTAX },
	{ "empty value", SLICE("NAME="), SMTP_XCLIENT_E_VALUE },
	{ "twice", SLICE("PORT=1 PORT=1"), SMTP_XCLIENT_E_ATTRIBUTE },
	{ "unknown", SLICE("SHOE=44"), SMTP_XCLIENT_E_ATTRIBUTE },
	{ "no authority from the network", SLICE("LOGIN=alice"),
	    SMTP_XCLIENT_E_ATTRIBUTE },
	{ "IPv6 without its word", SLICE("ADDR=2001:db8::9"),
	    SMTP_XCLIENT_E_VALUE },
	{ "IPv4 with it", SLICE("ADDR=IPV6:192.0.2.9"), SMTP_XCLIENT_E_VALUE },
	{ "a name for an address", SLICE("ADDR=one.example"),
	    SMTP_XCLIENT_E_VALUE },
	{ "port too large", SLICE("PORT=65536"), SMTP_XCLIENT_E_VALUE },
	{ "other protocol", SLICE("PROTO=LMTP"), SMTP_XCLIENT_E_VALUE },
	{ "protocol not available", SLICE("PROTO=[UNAVAILABLE]"),
	    SMTP_XCLIENT_E_VALUE },
	{ "broken xtext", SLICE("NAME=a+2"), SMTP_XCLIENT_E_VALUE },
	{ "xtext in lower case", SLICE("NAME=a+2d"), SMTP_XCLIENT_E_VALUE },
	{ "line end in xtext", SLICE("HELO=a+0D+0Ab"), SMTP_XCLIENT_E_VALUE },
	{ "space in a name", SLICE("NAME=a+20b"), SMTP_XCLIENT_E_VALUE },
	{ "a bracket word that is none", SLICE("NAME=[GONE]"),
	    SMTP_XCLIENT_E_VALUE },
	{ "'=' in a value", SLICE("NAME=a=b"), SMTP_XCLIENT_E_VALUE },
	{ "8 bit", SLICE("NAME=\xc3\xa4"), SMTP_XCLIENT_E_VALUE },
};

static void
attributes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct smtp_xclient x = { .port = 4711 };
		char text[IP_TEXT];

		test_case(rows[i].what);
		test_int(smtp_xclient_parse(in, &x), rows[i].want);
		if (rows[i].want == SMTP_XCLIENT_OK) {
			ip_print(&x.addr, text);
			test_slice(slice_cstr(text), slice_cstr(rows[i].addr));
			test_slice(slice_cstr(x.name),
			    slice_cstr(rows[i].name));
			test_slice(slice_cstr(x.helo),
			    slice_cstr(rows[i].helo));
			test_int(x.name_is, rows[i].name_is);
			test_int(x.addr_is, rows[i].addr_is);
			test_int(x.port, rows[i].port);
		} else {
			test_int(x.port, 4711);
		}
		test_free_copy(in);
	}
}

static void
names_are_bounded(void **state)
{
	char in[600];
	struct smtp_xclient x;
	int n;

	(void)state;
	n = snprintf(in, sizeof(in), "NAME=%0*d", LIMIT_DOMAIN, 0);
	test_int(smtp_xclient_parse(slice_of(in, (size_t)n), &x),
	    SMTP_XCLIENT_OK);
	n = snprintf(in, sizeof(in), "NAME=%0*d", LIMIT_DOMAIN + 1, 0);
	test_int(smtp_xclient_parse(slice_of(in, (size_t)n), &x),
	    SMTP_XCLIENT_E_VALUE);
}

TEST_MAIN(cmocka_unit_test(attributes), cmocka_unit_test(names_are_bounded))
