/* SPDX-License-Identifier: ISC */
/* Which hosts are asked for TLSA records, and what their answers mean. */
#include "base/test.h"
#include "policy/dane.h"

#define SHA "0123456789abcdef0123456789abcdef"

/* -- records --------------------------------------------------------------- */

static const struct {
	const char *what;
	struct slice rdata;
	bool is_record, is_usable;
	const char *text; /* NULL: not looked at */
} records[] = {
	{ "3 1 1", SLICE("\3\1\1" SHA), true, true,
	    "3 1 1 3031323334353637383961626364656630313233343536373839616263"
	    "646566" },
	{ "2 0 1", SLICE("\2\0\1" SHA), true, true, NULL },
	{ "3 0 2", SLICE("\3\0\2" SHA SHA), true, true, NULL },
	{ "PKIX-TA is not for mail", SLICE("\0\0\1" SHA), true, false, NULL },
	{ "PKIX-EE is not for mail", SLICE("\1\1\1" SHA), true, false, NULL },
	{ "private usage", SLICE("\xff\0\1" SHA), true, false, NULL },
	{ "unknown selector", SLICE("\3\2\1" SHA), true, false, NULL },
	{ "unknown matching type", SLICE("\3\1\3" SHA), true, false, NULL },
	{ "a digest cut short", SLICE("\3\1\1" SHA "0"), true, false, NULL },
	{ "SHA-512 of half its length", SLICE("\3\1\2" SHA), true, false,
	    NULL },
	{ "whole, short form", SLICE("\3\1\0\x30\2xx"), true, true,
	    "3 1 0 30027878" },
	{ "whole, but not to the end", SLICE("\3\1\0\x30\2xxx"), true, false,
	    NULL },
	{ "whole, length cut", SLICE("\3\1\0\x30\x82\1"), true, false, NULL },
	{ "whole, no SEQUENCE", SLICE("\3\1\0\x31\2xx"), true, false, NULL },
	{ "no data", SLICE("\3\1\1"), false, false, NULL },
	{ "cut", SLICE("\3\1"), false, false, NULL },
};

static void
records_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct slice rdata = test_exact_copy(records[i].rdata);
		struct dane_record r = { 0 };
		char text[DANE_RECORD_TEXT];

		test_case(records[i].what);
		test_true(dane_record_parse(rdata, &r) == records[i].is_record);
		if (!records[i].is_record) {
			test_free_copy(rdata);
			continue;
		}
		test_true(dane_record_is_usable(&r) == records[i].is_usable);
		dane_record_print(&r, text);
		if (records[i].text != NULL)
			test_slice(slice_cstr(text),
			    slice_cstr(records[i].text));
		test_true(strlen(text) < DANE_RECORD_TEXT);
		test_free_copy(rdata);
	}
}

/* -- hosts ----------------------------------------------------------------- */

static struct slice ee[] = { SLICE("\3\1\1" SHA) };
static struct slice pkix[] = { SLICE("\1\1\1" SHA) };
static struct slice broken[] = { SLICE("\3") };
static struct slice mixed[] = { SLICE("\1\1\1" SHA), SLICE("\2\0\1" SHA) };
static struct slice some[] = { SLICE("\xc0\0\2\1") };

#define Q(name, type)                                                          \
	{                                                                      \
		SLICE(name), type                                              \
	}
#define YES(list) .n_records = sizeof(list) / sizeof(list[0]), .records = list

#define MX                                                                     \
	{                                                                      \
		Q("two.example", DNS_MX),                                      \
		{                                                              \
			.is_secure = true, YES(some)                           \
		}                                                              \
	}
#define A(secure_)                                                             \
	{                                                                      \
		Q("mx.two.example", DNS_A),                                    \
		{                                                              \
			.is_secure = secure_, YES(some)                        \
		}                                                              \
	}
#define TLSA(...)                                                              \
	{                                                                      \
		Q("_25._tcp.mx.two.example", DNS_TLSA),                        \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}

static const struct {
	const char *what;
	struct route_answer answers[6];
	bool is_literal, is_chosen;
	const char *asks; /* NULL: it is decided */
	uint16_t type;
	enum dane_state state;
	size_t n, n_others;
	const char *base;
} hosts[] = {
	{ "all signed: the records are asked for", { MX, A(true) },
	    .asks = "_25._tcp.mx.two.example", .type = DNS_TLSA },
	{ "and used", { MX, A(true), TLSA(.is_secure = true, YES(ee)) },
	    .state = DANE_USABLE, .n = 1, .base = "mx.two.example" },
	{ "MX not signed",
	    { { Q("two.example", DNS_MX), { YES(some) } }, A(true) },
	    .state = DANE_NONE },
	{ "but a relay of our choice needs none", { A(true) },
	    .is_chosen = true, .asks = "_25._tcp.mx.two.example",
	    .type = DNS_TLSA },
	{ "address not signed", { MX, A(false) }, .state = DANE_NONE },
	{ "a literal", { MX, A(true) }, .is_literal = true,
	    .state = DANE_NONE },
	{ "signed that there are none",
	    { MX, A(true), TLSA(.is_secure = true) }, .state = DANE_NONE },
	{ "NXDOMAIN, signed",
	    { MX, A(true), TLSA(.rcode = DNS_NXDOMAIN, .is_secure = true) },
	    .state = DANE_NONE },
	{ "records that nobody signed count for nothing",
	    { MX, A(true), TLSA(YES(ee)) }, .state = DANE_NONE },
	{ "bogus", { MX, A(true), TLSA(.is_bogus = true) },
	    .state = DANE_FAILED },
	{ "SERVFAIL", { MX, A(true), TLSA(.rcode = DNS_SERVFAIL) },
	    .state = DANE_FAILED },
	{ "no answer in time", { MX, A(true), TLSA(.rcode = DNS_NO_ANSWER) },
	    .state = DANE_FAILED },
	{ "REFUSED", { MX, A(true), TLSA(.rcode = 5) }, .state = DANE_FAILED },
	{ "of forms that are not for mail",
	    { MX, A(true), TLSA(.is_secure = true, YES(pkix)) },
	    .state = DANE_UNUSABLE, .n_others = 1, .base = "mx.two.example" },
	{ "of no form at all",
	    { MX, A(true), TLSA(.is_secure = true, YES(broken)) },
	    .state = DANE_UNUSABLE, .base = "mx.two.example" },
	{ "one of two will do",
	    { MX, A(true), TLSA(.is_secure = true, YES(mixed)) },
	    .state = DANE_USABLE, .n = 1, .n_others = 1,
	    .base = "mx.two.example" },
	{ "an alias, all signed: its end first",
	    { MX,
		{ Q("mx.two.example", DNS_A),
		    { .is_secure = true,
			.canonical = SLICE("h.three.example"),
			YES(some) } } },
	    .asks = "_25._tcp.h.three.example", .type = DNS_TLSA },
	{ "nothing there: the name itself",
	    { MX,
		{ Q("mx.two.example", DNS_A),
		    { .is_secure = true,
			.canonical = SLICE("h.three.example"),
			YES(some) } },
		{ Q("_25._tcp.h.three.example", DNS_TLSA),
		    { .is_secure = true } } },
	    .asks = "_25._tcp.mx.two.example", .type = DNS_TLSA },
	{ "an alias to where nobody signs: is the alias signed?",
	    { MX,
		{ Q("mx.two.example", DNS_A),
		    { .canonical = SLICE("h.three.example"), YES(some) } } },
	    .asks = "mx.two.example", .type = DNS_CNAME },
	{ "it is",
	    { MX,
		{ Q("mx.two.example", DNS_A),
		    { .canonical = SLICE("h.three.example"), YES(some) } },
		{ Q("mx.two.example", DNS_CNAME), { .is_secure = true } } },
	    .asks = "_25._tcp.mx.two.example", .type = DNS_TLSA },
	{ "it is not",
	    { MX,
		{ Q("mx.two.example", DNS_A),
		    { .canonical = SLICE("h.three.example"), YES(some) } },
		{ Q("mx.two.example", DNS_CNAME), { 0 } } },
	    .state = DANE_NONE },
	{ "the signed family counts",
	    { MX, { Q("mx.two.example", DNS_AAAA), { YES(some) } }, A(true) },
	    .asks = "_25._tcp.mx.two.example", .type = DNS_TLSA },
};

static size_t
count(const struct route_answer *answers)
{
	size_t n = 0;

	while (n < 6 && answers[n].question.type != 0)
		n++;
	return n;
}

static void
hosts_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		struct dane_input in = { .domain = SLICE("two.example"),
			.host = SLICE("mx.two.example"),
			.port = 25,
			.is_literal = hosts[i].is_literal,
			.is_chosen = hosts[i].is_chosen };
		struct route_question q = { 0 };
		struct dane dane = { 0 };
		struct arena arena;
		enum route_need need;

		test_case(hosts[i].what);
		arena_init(&arena, 64 * 1024);
		need = dane_decide(&in, hosts[i].answers,
		    count(hosts[i].answers), &arena, &q, &dane);
		if (hosts[i].asks != NULL) {
			test_int(need, ROUTE_NEED_ANSWER);
			test_slice(q.name, slice_cstr(hosts[i].asks));
			test_int(q.type, hosts[i].type);
		} else {
			test_int(need, ROUTE_DONE);
			test_int(dane.state, hosts[i].state);
			test_int(dane.n_records, hosts[i].n);
			test_int(dane.n_published,
			    hosts[i].n + hosts[i].n_others);
			if (hosts[i].base != NULL)
				test_slice(dane.base,
				    slice_cstr(hosts[i].base));
		}
		arena_reset(&arena);
	}
}

TEST_MAIN(cmocka_unit_test(records_by_table), cmocka_unit_test(hosts_by_table))
