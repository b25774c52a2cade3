/* SPDX-License-Identifier: ISC */
/* What is taken from a DNS packet, and what is refused as a whole. */
#include "base/buf.h"
#include "base/limits.h"
#include "base/test.h"
#include "policy/dns.h"

/* id, flags, one question (two.example MX), n answers */
#define HEAD(flags_low, n) "\x12\x34\x81" flags_low "\0\1\0" n "\0\0\0\0"
#define QUESTION "\3two\7example\0\0\x0f\0\1"
#define OWNER "\xc0\x0c" /* the question's name */
#define RR(type, len) type "\0\1\0\0\1\x2c\0" len
#define MX "\0\x0f"
#define CNAME "\0\5"

static const struct {
	const char *what;
	struct slice packet;
	int want;
	uint16_t rcode;
	size_t n;
	struct slice first, canonical;
	uint32_t ttl;
} packets[] = {
	{ "one MX, compressed",
	    SLICE(HEAD("\x80", "\1")
		    QUESTION OWNER RR(MX, "\7") "\0\x0a"
						"\2mx\xc0\x0c"),
	    DNS_OK, 0, 1, SLICE("\0\x0a\2mx\3two\7example\0"),
	    SLICE("two.example"), 300 },
	{ "null MX",
	    SLICE(HEAD("\x80", "\1") QUESTION OWNER RR(MX, "\3") "\0\0\0"),
	    DNS_OK, 0, 1, SLICE("\0\0\0"), SLICE("two.example"), 300 },
	{ "NXDOMAIN", SLICE(HEAD("\x83", "\0") QUESTION), DNS_OK, 3, 0,
	    SLICE(""), SLICE("two.example"), 0 },
	{ "owner in capitals is the same owner",
	    SLICE(HEAD("\x80", "\1") QUESTION
		"\3TWO\7eXample\0" RR(MX, "\3") "\0\0\0"),
	    DNS_OK, 0, 1, SLICE("\0\0\0"), SLICE("two.example"), 300 },
	{ "a record of somebody else is left out",
	    SLICE(HEAD("\x80", "\1") QUESTION
		"\5other\0" RR(MX, "\3") "\0\0\0"),
	    DNS_OK, 0, 0, SLICE(""), SLICE("two.example"), 0 },
	{ "behind a CNAME that comes last",
	    SLICE(HEAD("\x80", "\2") QUESTION
		"\1a\0" RR(MX, "\3") "\0\1\0" OWNER RR(CNAME, "\3") "\1a\0"),
	    DNS_OK, 0, 1, SLICE("\0\1\0"), SLICE("a"), 300 },
	{ "CNAMEs in a ring end",
	    SLICE(HEAD("\x80", "\2") QUESTION "\1a\0" RR(CNAME, "\2")
		    OWNER OWNER RR(CNAME, "\3") "\1a\0"),
	    DNS_OK, 0, 0, SLICE(""), SLICE("two.example"), 300 },
	{ "pointer forwards",
	    SLICE(HEAD("\x80", "\1") QUESTION "\xc0\x60" RR(MX, "\3") "\0\0\0"),
	    DNS_E_FORM },
	{ "pointer to itself",
	    SLICE(HEAD("\x80", "\1")
		    QUESTION OWNER RR(MX, "\4") "\0\0\xc0\x2b"),
	    DNS_E_FORM },
	{ "rdata longer than the packet",
	    SLICE(HEAD("\x80", "\1") QUESTION OWNER RR(MX, "\x09") "\0\0\0"),
	    DNS_E_FORM },
	{ "name runs out of its rdata",
	    SLICE(HEAD("\x80", "\1") QUESTION OWNER RR(MX, "\3") "\0\0\2a\0"),
	    DNS_E_FORM },
	{ "fewer records than promised",
	    SLICE(HEAD("\x80", "\2") QUESTION OWNER RR(MX, "\3") "\0\0\0"),
	    DNS_E_FORM },
	{ "two questions",
	    SLICE("\x12\x34\x81\x80\0\2\0\0\0\0\0\0" QUESTION QUESTION),
	    DNS_E_FORM },
	{ "an answer to another question",
	    SLICE(HEAD("\x80", "\0") "\3one\7example\0\0\x0f\0\1"),
	    DNS_E_FORM },
	{ "an answer to another type",
	    SLICE(HEAD("\x80", "\0") "\3two\7example\0\0\1\0\1"), DNS_E_FORM },
	{ "no packet", SLICE("\x12\x34"), DNS_E_FORM },
	{ "empty", SLICE(""), DNS_E_FORM },
};

static void
packets_give_records_or_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(packets) / sizeof(packets[0]); i++) {
		struct slice packet = test_exact_copy(packets[i].packet);
		struct dns_answer got = { .rcode = 77 };
		struct arena arena;

		test_case(packets[i].what);
		arena_init(&arena, 64 * 1024);
		test_int(dns_packet_parse(packet, SLICE("two.example"), DNS_MX,
			     &arena, &got),
		    packets[i].want);
		if (packets[i].want == DNS_OK) {
			test_int(got.rcode, packets[i].rcode);
			test_int(got.n_records, packets[i].n);
			test_int(got.ttl, packets[i].ttl);
			test_slice(got.canonical, packets[i].canonical);
			if (packets[i].n > 0)
				test_slice(got.records[0], packets[i].first);
		} else {
			test_int(got.rcode, 77);
		}
		arena_reset(&arena);
		test_free_copy(packet);
	}
}

/* LIMIT_DNS_RECORDS: the first ones count, the rest costs nothing ... */
static void
records_are_bounded(void **state)
{
	static const char one[] = OWNER RR(MX, "\3") "\0\0\0";
	struct dns_answer got;
	struct arena arena;
	struct buf b;

	(void)state;
	buf_init(&b, 65535);
	test_int(buf_add(&b, SLICE(HEAD("\x80", "\xff") QUESTION)), BUF_OK);
	for (size_t i = 0; i < 255; i++)
		test_int(buf_add(&b, slice_of(one, sizeof(one) - 1)), BUF_OK);
	arena_init(&arena, 256 * 1024);
	test_int(dns_packet_parse(buf_slice(&b), SLICE("two.example"), DNS_MX,
		     &arena, &got),
	    DNS_OK);
	test_int(got.n_records, LIMIT_DNS_RECORDS);
	arena_reset(&arena);
	buf_deinit(&b);
}

/* ... but of mail hosts the best ones count, wherever they stand. */
static void
the_best_mail_hosts_are_kept(void **state)
{
	enum {
		HOSTS = 255
	};
	char one[] = OWNER RR(MX, "\3") "\0\0\0";
	bool is_there[HOSTS] = { false };
	struct dns_answer got;
	struct arena arena;
	struct buf b;

	(void)state;
	buf_init(&b, 65535);
	test_int(buf_add(&b, SLICE(HEAD("\x80", "\xff") QUESTION)), BUF_OK);
	for (unsigned i = 0; i < HOSTS; i++) { /* the worst first */
		one[sizeof(one) - 3] = (char)(HOSTS - 1 - i);
		test_int(buf_add(&b, slice_of(one, sizeof(one) - 1)), BUF_OK);
	}
	arena_init(&arena, 256 * 1024);
	test_int(dns_packet_parse(buf_slice(&b), SLICE("two.example"), DNS_MX,
		     &arena, &got),
	    DNS_OK);
	test_int(got.n_records, LIMIT_DNS_RECORDS);
	for (size_t i = 0; i < got.n_records; i++)
		is_there[got.records[i].at[1]] = true;
	for (size_t i = 0; i < HOSTS; i++)
		test_int(is_there[i], i < LIMIT_DNS_RECORDS);
	arena_reset(&arena);
	buf_deinit(&b);
}

static void
a_full_arena_is_said(void **state)
{
	struct dns_answer got;
	struct arena arena;

	(void)state;
	arena_init(&arena, 100);
	test_int(dns_packet_parse(packets[0].packet, SLICE("two.example"),
		     DNS_MX, &arena, &got),
	    DNS_E_MEMORY);
	arena_reset(&arena);
}

static const struct {
	const char *what;
	struct slice rdata;
	bool want;
	uint16_t preference;
	const char *host;
} mxs[] = {
	{ "plain", SLICE("\0\x0a\2Mx\3two\0"), true, 10, "mx.two" },
	{ "root", SLICE("\0\0\0"), true, 0, "" },
	{ "preference above 255", SLICE("\1\2\1a\0"), true, 258, "a" },
	{ "space in a label", SLICE("\0\x0a\2m \0"), false, 0, NULL },
	{ "dot in a label", SLICE("\0\x0a\3a.b\0"), false, 0, NULL },
	{ "no end", SLICE("\0\x0a\2mx"), false, 0, NULL },
	{ "more after it", SLICE("\0\x0a\1a\0\1"), false, 0, NULL },
	{ "cut", SLICE("\0"), false, 0, NULL },
};

static void
mx_rdata(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mxs) / sizeof(mxs[0]); i++) {
		struct slice rdata = test_exact_copy(mxs[i].rdata);
		char host[DNS_NAME_TEXT] = "untouched";
		uint16_t preference = 0;

		test_case(mxs[i].what);
		test_int(dns_mx_parse(rdata, &preference, host), mxs[i].want);
		test_int(preference, mxs[i].preference);
		test_slice(slice_cstr(host),
		    slice_cstr(mxs[i].want ? mxs[i].host : "untouched"));
		test_free_copy(rdata);
	}
}

static void
names_we_ask_for(void **state)
{
	static const struct {
		const char *name;
		bool want;
	} names[] = {
		{ "two.example", true },
		{ "xn--bcher-kva.example", true },
		{ "_25._tcp.mx.example", true },
		{ "a", true },
		{ "", false },
		{ ".", false },
		{ "a.", false },
		{ ".a", false },
		{ "a..b", false },
		{ "a b", false },
		{ "a/b", false },
		{ "b\xc3\xbc"
		  "cher.example",
		    false },
		{ "123456789012345678901234567890123456789012345678901234567890"
		  "1234.example",
		    false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		test_case(names[i].name);
		test_int(dns_name_is_valid(slice_cstr(names[i].name)),
		    names[i].want);
	}
}

TEST_MAIN(cmocka_unit_test(packets_give_records_or_nothing),
    cmocka_unit_test(records_are_bounded),
    cmocka_unit_test(the_best_mail_hosts_are_kept),
    cmocka_unit_test(a_full_arena_is_said), cmocka_unit_test(mx_rdata),
    cmocka_unit_test(names_we_ask_for))
