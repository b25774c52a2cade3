/* SPDX-License-Identifier: ISC */
/* Which headers of a proxy are taken, which wait, which end the connection. */
#include "base/test.h"
#include "policy/proxy.h"

#define V2 "\r\n\r\n\0\r\nQUIT\n"
/* 192.0.2.9 port 4660 to 198.51.100.25 port 25 */
#define ENDS4 "\xc0\0\x02\x09\xc6\x33\x64\x19\x12\x34\0\x19"
#define ENDS6                                                                  \
	" \x01\r\xb8\0\0\0\0\0\0\0\0\0\0\0\x09"                                \
	" \x01\r\xb8\0\0\0\0\0\0\0\0\0\0\0\x19\x12\x34\0\x19"
#define MAPPED                                                                 \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\x02\x09"                           \
	"\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x19\x12\x34\0\x19"

static const struct {
	const char *what;
	struct slice in;
	int want;
	const char *source; /* NULL: its own */
	struct slice rest;
} rows[] = {
	{ "v2, IPv4", SLICE(V2 "!\x11\0\x0c" ENDS4 "EHLO"), PROXY_OK,
	    "192.0.2.9", SLICE("EHLO") },
	{ "v2, IPv6", SLICE(V2 "!!\0$" ENDS6), PROXY_OK, "2001:db8::9",
	    SLICE("") },
	{ "v2, IPv4 inside IPv6 is IPv4", SLICE(V2 "!!\0$" MAPPED), PROXY_OK,
	    "192.0.2.9", SLICE("") },
	{ "v2, LOCAL", SLICE(V2 " \0\0\0x"), PROXY_OK, NULL, SLICE("x") },
	{ "v2, LOCAL with addresses, which do not count",
	    SLICE(V2 " \x11\0\x0c" ENDS4), PROXY_OK, NULL, SLICE("") },
	{ "v2, UNSPEC with something behind",
	    SLICE(V2 "!\0\0\x03"
		     "abc"),
	    PROXY_OK, NULL, SLICE("") },
	{ "v2, with TLVs", SLICE(V2 "!\x11\0\x14" ENDS4 "\x05\0\x02id\x04\0\0"),
	    PROXY_OK, "192.0.2.9", SLICE("") },
	{ "v2, TLV cut", SLICE(V2 "!\x11\0\x11" ENDS4 "\x05\0\x03id"),
	    PROXY_E_BAD },
	{ "v2, TLV head cut", SLICE(V2 "!\x11\0\x0e" ENDS4 "\x05\0"),
	    PROXY_E_BAD },
	{ "v2, wrong checksum",
	    SLICE(V2 "!\x11\0\x13" ENDS4 "\x03\0\x04\1\2\3\4"), PROXY_E_BAD },
	{ "v2, checksum of three bytes",
	    SLICE(V2 "!\x11\0\x12" ENDS4 "\x03\0\x03\1\2\3"), PROXY_E_BAD },
	{ "v2, too short for its family", SLICE(V2 "!\x11\0\x0b" ENDS4),
	    PROXY_E_BAD },
	{ "v2, too short for IPv6", SLICE(V2 "!!\0\x0c" ENDS4), PROXY_E_BAD },
	{ "v2, datagrams", SLICE(V2 "!\x12\0\x0c" ENDS4), PROXY_E_BAD },
	{ "v2, no such family", SLICE(V2 "!A\0\x0c" ENDS4), PROXY_E_BAD },
	{ "v2, version 3", SLICE(V2 "1\x11\0\x0c" ENDS4), PROXY_E_BAD },
	{ "v2, no such command", SLICE(V2 "\"\x11\0\x0c" ENDS4), PROXY_E_BAD },
	{ "v2, bad command before it is whole", SLICE(V2 "\""), PROXY_E_BAD },
	{ "v2, too long", SLICE(V2 "!\x11\x7f\xff"), PROXY_E_BAD },
	{ "v2, cut in the signature", SLICE("\r\n\r\n\0\r\nQ"), PROXY_MORE },
	{ "v2, cut in the head", SLICE(V2 "!\x11"), PROXY_MORE },
	{ "v2, cut in the addresses", SLICE(V2 "!\x11\0\x0c\xc0\0\x02"),
	    PROXY_MORE },
	{ "v1, IPv4",
	    SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 4660 25\r\nEHLO"),
	    PROXY_OK, "192.0.2.9", SLICE("EHLO") },
	{ "v1, IPv6", SLICE("PROXY TCP6 2001:db8::9 2001:db8::19 4660 25\r\n"),
	    PROXY_OK, "2001:db8::9", SLICE("") },
	{ "v1, unknown", SLICE("PROXY UNKNOWN\r\n"), PROXY_OK, NULL,
	    SLICE("") },
	{ "v1, unknown with more", SLICE("PROXY UNKNOWN ffff:f...f\r\nx"),
	    PROXY_OK, NULL, SLICE("x") },
	{ "v1, families differ",
	    SLICE("PROXY TCP4 2001:db8::9 198.51.100.25 4660 25\r\n"),
	    PROXY_E_BAD },
	{ "v1, no port", SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 4660\r\n"),
	    PROXY_E_BAD },
	{ "v1, port too large",
	    SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 4660 65536\r\n"),
	    PROXY_E_BAD },
	{ "v1, port with a zero in front",
	    SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 04660 25\r\n"),
	    PROXY_E_BAD },
	{ "v1, two spaces",
	    SLICE("PROXY TCP4  192.0.2.9 198.51.100.25 4660 25\r\n"),
	    PROXY_E_BAD },
	{ "v1, something behind",
	    SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 4660 25 \r\n"),
	    PROXY_E_BAD },
	{ "v1, LF alone", SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 4660 25\n"),
	    PROXY_E_BAD },
	{ "v1, CR alone",
	    SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 4660 25\rX"),
	    PROXY_E_BAD },
	{ "v1, UDP", SLICE("PROXY UDP4 192.0.2.9 198.51.100.25 1 2\r\n"),
	    PROXY_E_BAD },
	{ "v1, lower case", SLICE("proxy TCP4 192.0.2.9 1.2.3.4 1 2\r\n"),
	    PROXY_E_BAD },
	{ "v1, cut in the word", SLICE("PRO"), PROXY_MORE },
	{ "v1, cut before LF",
	    SLICE("PROXY TCP4 192.0.2.9 198.51.100.25 4660 25\r"), PROXY_MORE },
	{ "nothing yet", SLICE(""), PROXY_MORE },
	{ "a client that speaks at once", SLICE("EHLO x\r\n"), PROXY_E_BAD },
	{ "one wrong byte", SLICE("\r\n\r\r"), PROXY_E_BAD },
};

static void
headers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct slice in = test_exact_copy(rows[i].in);
		struct proxy p = { .len = 4711 };
		char text[IP_TEXT];

		test_case(rows[i].what);
		test_int(proxy_parse(in, &p), rows[i].want);
		if (rows[i].want == PROXY_OK) {
			test_int(p.is_own, rows[i].source == NULL);
			if (rows[i].source != NULL) {
				ip_print(&p.source, text);
				test_slice(slice_cstr(text),
				    slice_cstr(rows[i].source));
				test_int(p.source_port, 4660);
				test_int(p.target_port, 25);
			}
			test_slice(slice_from(in, p.len), rows[i].rest);
		} else {
			test_int(p.len, 4711);
		}
		test_free_copy(in);
	}
}

/* Every beginning of a good header waits for more. */
static void
every_cut_waits(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t whole = rows[i].in.len - rows[i].rest.len;

		test_case(rows[i].what);
		for (size_t n = 0; rows[i].want == PROXY_OK && n < whole; n++) {
			struct slice in =
			    test_exact_copy(slice_upto(rows[i].in, n));
			struct proxy p;

			test_int(proxy_parse(in, &p), PROXY_MORE);
			test_true(proxy_need(in) > 0);
			test_true(n + proxy_need(in) <= whole);
			test_free_copy(in);
		}
	}
}

/* The checksum as computed here, from the lowest bit of each byte on; and that
 * it covers the addresses. */
static void
checksum(void **state)
{
	uint8_t header[] = V2 "!\x11\0\x13" ENDS4 "\x03\0\x04\0\0\0\0";
	const size_t n = sizeof(header) - 1;
	uint32_t crc = 0xffffffffu;
	struct proxy p;

	(void)state;
	for (size_t i = 0; i < n; i++) { /* by a table-free second way */
		for (int bit = 0; bit < 8; bit++) {
			uint32_t in = (uint32_t)(header[i] >> bit & 1);

			crc =
			    (crc & 1) != in ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
		}
	}
	crc = ~crc;
	for (int i = 0; i < 4; i++)
		header[n - 4 + (size_t)i] = (uint8_t)(crc >> (24 - 8 * i));
	test_int(proxy_parse(slice_of(header, n), &p), PROXY_OK);
	header[20] ^= 1; /* another client */
	test_int(proxy_parse(slice_of(header, n), &p), PROXY_E_BAD);
}

static void
longest_line(void **state)
{
	char line[160];
	struct proxy p;
	int n;

	(void)state;
	n = snprintf(line, sizeof(line), "PROXY UNKNOWN %0*d\r\n", 107 - 16, 0);
	test_int(n, 107);
	test_int(proxy_parse(slice_of(line, 107), &p), PROXY_OK);
	n = snprintf(line, sizeof(line), "PROXY UNKNOWN %0*d\r\n", 108 - 16, 0);
	test_int(proxy_parse(slice_of(line, (size_t)n), &p), PROXY_E_BAD);
	test_int(proxy_parse(slice_of(line, 107), &p), PROXY_E_BAD);
}

TEST_MAIN(cmocka_unit_test(headers), cmocka_unit_test(every_cut_waits),
    cmocka_unit_test(checksum), cmocka_unit_test(longest_line))
