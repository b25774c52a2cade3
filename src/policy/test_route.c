/* SPDX-License-Identifier: ISC */
/* Which hosts mail for a domain goes to, given what the DNS says. */
#include "base/test.h"
#include "policy/route.h"

enum {
	ROWS = 8,
	RDATAS = 4
};

/* One answer of the table; every question that no row answers is NOERROR
 * without records. */
struct row {
	const char *name;
	uint16_t type;
	uint16_t rcode;
	bool is_bogus;
	struct slice rdata[RDATAS];
};

#define MX(p, n)                                                               \
	{                                                                      \
		(const uint8_t *)("\0" p n), sizeof("\0" p n)                  \
	}
#define A(text)                                                                \
	{                                                                      \
		(const uint8_t *)text, 4                                       \
	}
#define V6(text)                                                               \
	{                                                                      \
		(const uint8_t *)text, 16                                      \
	}
#define V6_ADDR "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"

static const struct {
	const char *what, *domain;
	bool permit_loopback;
	struct row rows[ROWS];
	const char *hosts; /* in order, "/" and how many addresses */
	unsigned code, subject, detail;
} routes[] = {
	{ "one MX", "two.example", false,
	    { { "two.example", DNS_MX, 0, false, { MX("\x0a", "\2mx\3two") } },
		{ "mx.two", DNS_A, 0, false, { A("\xc0\0\2\1") } } },
	    "mx.two/1 " },
	{ "preference decides, not the order", "two.example", false,
	    { { "two.example", DNS_MX, 0, false,
		  { MX("\x14", "\1b"), MX("\x0a", "\1a") } },
		{ "a", DNS_A, 0, false, { A("\xc0\0\2\1") } },
		{ "b", DNS_AAAA, 0, false, { V6(V6_ADDR "\1") } } },
	    "a/1 b/1 " },
	{ "a host without address is left out", "two.example", false,
	    { { "two.example", DNS_MX, 0, false,
		  { MX("\x0a", "\1a"), MX("\x14", "\1b") } },
		{ "a", DNS_A, DNS_NXDOMAIN },
		{ "b", DNS_A, 0, false,
		    { A("\xc0\0\2\1"), A("\xc0\0\2\2") } } },
	    "b/2 " },
	{ "a host whose lookup fails does not stop the other", "two.example",
	    false,
	    { { "two.example", DNS_MX, 0, false,
		  { MX("\x0a", "\1a"), MX("\x14", "\1b") } },
		{ "a", DNS_A, DNS_SERVFAIL },
		{ "b", DNS_A, 0, false, { A("\xc0\0\2\1") } } },
	    "b/1 " },
	{ "all lookups fail", "two.example", false,
	    { { "two.example", DNS_MX, 0, false, { MX("\x0a", "\1a") } },
		{ "a", DNS_A, DNS_NO_ANSWER } },
	    NULL, 451, 4, 3 },
	{ "no MX: the domain itself", "two.example", false,
	    { { "two.example", DNS_A, 0, false, { A("\xc0\0\2\1") } } },
	    "two.example/1 " },
	{ "neither MX nor address", "two.example", false, { { 0 } }, NULL, 550,
	    1, 2 },
	{ "no such domain", "two.example", false,
	    { { "two.example", DNS_MX, DNS_NXDOMAIN } }, NULL, 550, 1, 2 },
	{ "null MX (RFC 7505)", "two.example", false,
	    { { "two.example", DNS_MX, 0, false, { MX("\0", "") } },
		{ "two.example", DNS_A, 0, false, { A("\xc0\0\2\1") } } },
	    NULL, 556, 1, 10 },
	{ "the MX lookup fails", "two.example", false,
	    { { "two.example", DNS_MX, DNS_SERVFAIL } }, NULL, 451, 4, 3 },
	{ "no answer in time", "two.example", false,
	    { { "two.example", DNS_MX, DNS_NO_ANSWER } }, NULL, 451, 4, 3 },
	{ "forged", "two.example", false,
	    { { "two.example", DNS_MX, DNS_SERVFAIL, true } }, NULL, 451, 7,
	    5 },
	{ "we are the second: only better ones", "two.example", false,
	    { { "two.example", DNS_MX, 0, false,
		  { MX("\x0a", "\1a"), MX("\x14", "\3ONE\7example"),
		      MX("\x14", "\1b"), MX("\x1e", "\1c") } },
		{ "a", DNS_A, 0, false, { A("\xc0\0\2\1") } },
		{ "b", DNS_A, 0, false, { A("\xc0\0\2\1") } },
		{ "c", DNS_A, 0, false, { A("\xc0\0\2\1") } } },
	    "a/1 " },
	{ "we are the best: a loop", "two.example", false,
	    { { "two.example", DNS_MX, 0, false,
		{ MX("\x0a", "\3one\7example"), MX("\x14", "\1a") } } },
	    NULL, 554, 4, 6 },
	{ "we are the domain itself, without MX", "one.example", false,
	    { { "one.example", DNS_A, 0, false, { A("\xc0\0\2\1") } } }, NULL,
	    554, 4, 6 },
	{ "MX at loopback", "two.example", false,
	    { { "two.example", DNS_MX, 0, false, { MX("\x0a", "\1a") } },
		{ "a", DNS_A, 0, false, { A("\x7f\0\0\1") } } },
	    NULL, 550, 4, 4 },
	{ "MX at loopback, in a test", "two.example", true,
	    { { "two.example", DNS_MX, 0, false, { MX("\x0a", "\1a") } },
		{ "a", DNS_A, 0, false, { A("\x7f\0\0\1") } } },
	    "a/1 " },
	{ "unspecified, multicast, ::1, mapped", "two.example", false,
	    { { "two.example", DNS_MX, 0, false, { MX("\x0a", "\1a") } },
		{ "a", DNS_A, 0, false,
		    { A("\0\0\0\0"), A("\xe0\0\0\1"), A("\xff\xff\xff\xff") } },
		{ "a", DNS_AAAA, 0, false,
		    { V6("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
			V6("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1"),
			V6("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1"),
			V6("\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1") } } },
	    NULL, 550, 4, 4 },
	{ "A record of a wrong length", "two.example", false,
	    { { "two.example", DNS_MX, 0, false, { MX("\x0a", "\1a") } },
		{ "a", DNS_A, 0, false,
		    { { (const uint8_t *)"\xc0\0\2", 3 } } } },
	    NULL, 550, 4, 4 },
	{ "MX that is an odd name", "two.example", false,
	    { { "two.example", DNS_MX, 0, false, { MX("\x0a", "\2a ") } } },
	    NULL, 550, 4, 4 },
	{ "literal", "[192.0.2.7]", false, { { 0 } }, "[192.0.2.7]/1 " },
	{ "IPv6 literal", "[IPv6:2001:db8::1]", false, { { 0 } },
	    "[IPv6:2001:db8::1]/1 " },
	{ "loopback literal", "[127.0.0.1]", false, { { 0 } }, NULL, 550, 4,
	    4 },
	{ "loopback literal, in a test", "[127.0.0.1]", true, { { 0 } },
	    "[127.0.0.1]/1 " },
	{ "no literal", "[banana]", false, { { 0 } }, NULL, 550, 1, 2 },
	{ "literal without end", "[192.0.2.7", false, { { 0 } }, NULL, 550, 1,
	    2 },
	{ "not a name", "two..example", false, { { 0 } }, NULL, 550, 1, 2 },
	{ "empty", "", false, { { 0 } }, NULL, 550, 1, 2 },
};

static struct dns_answer
answer_from(const struct row rows[ROWS], const struct route_question *q,
    struct slice *records)
{
	struct dns_answer answer = { .records = records };

	for (size_t i = 0; i < ROWS && rows[i].name != NULL; i++) {
		if (rows[i].type != q->type ||
		    !slice_equal(q->name, slice_cstr(rows[i].name)))
			continue;
		answer.rcode = rows[i].rcode;
		answer.is_bogus = rows[i].is_bogus;
		for (size_t k = 0; k < RDATAS && rows[i].rdata[k].len > 0; k++)
			records[answer.n_records++] = rows[i].rdata[k];
	}
	return answer;
}

/* The driver, as the courier has it. */
static enum route_need
drive(const struct route_input *in, const struct row rows[ROWS],
    struct arena *arena, struct route *ret)
{
	static struct route_answer answers[2 * ROUTE_QUESTIONS];
	static struct slice records[2 * ROUTE_QUESTIONS][RDATAS];
	struct route_question questions[ROUTE_QUESTIONS];
	enum route_need need;
	size_t n = 0, n_questions;

	for (unsigned round = 0; round < 3; round++) {
		need = route_decide(in, answers, n, arena, questions,
		    &n_questions, ret);
		if (need != ROUTE_NEED_ANSWER)
			return need;
		test_true(n_questions > 0);
		for (size_t i = 0; i < n_questions; i++, n++) {
			answers[n].question = questions[i];
			answers[n].answer =
			    answer_from(rows, &questions[i], records[n]);
		}
	}
	return ROUTE_NEED_ANSWER;
}

static void
routes_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		struct route_input in = {
			.domain = slice_cstr(routes[i].domain),
			.hostname = SLICE("one.example"),
			.seed = i,
			.permit_loopback = routes[i].permit_loopback,
		};
		struct route route;
		struct arena arena;
		char got[256] = "";

		test_case(routes[i].what);
		arena_init(&arena, 256 * 1024);
		test_int(drive(&in, routes[i].rows, &arena, &route),
		    ROUTE_DONE);
		for (size_t k = 0; k < route.n_hosts; k++)
			(void)snprintf(got + strlen(got),
			    sizeof(got) - strlen(got), "%.*s/%zu ",
			    SLICE_FMT(route.hosts[k].name),
			    route.hosts[k].n_addresses);
		test_slice(slice_cstr(got), slice_cstr(routes[i].hosts));
		if (routes[i].hosts == NULL) {
			test_int(route.verdict.code, routes[i].code);
			test_int(route.verdict.esc.class, routes[i].code / 100);
			test_int(route.verdict.esc.subject, routes[i].subject);
			test_int(route.verdict.esc.detail, routes[i].detail);
		}
		arena_reset(&arena);
	}
}

/* Equals change places with the seed; the others never do. */
static void
equals_are_shuffled(void **state)
{
	static const struct row rows[ROWS] = {
		{ "two.example", DNS_MX, 0, false,
		    { MX("\x0a", "\1a"), MX("\x0a", "\1b"), MX("\x0a", "\1c"),
			MX("\x14", "\1z") } },
		{ "a", DNS_A, 0, false, { A("\xc0\0\2\1") } },
		{ "b", DNS_A, 0, false, { A("\xc0\0\2\2") } },
		{ "c", DNS_A, 0, false, { A("\xc0\0\2\3") } },
		{ "z", DNS_A, 0, false, { A("\xc0\0\2\4") } },
	};
	unsigned first[3] = { 0 };

	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct route_input in = { .domain = SLICE("two.example"),
			.hostname = SLICE("one.example"),
			.seed = seed };
		struct route route, again;
		struct arena arena;

		arena_init(&arena, 256 * 1024);
		test_int(drive(&in, rows, &arena, &route), ROUTE_DONE);
		test_int(drive(&in, rows, &arena, &again), ROUTE_DONE);
		test_int(route.n_hosts, 4);
		for (size_t i = 0; i < 4; i++)
			test_slice(again.hosts[i].name, route.hosts[i].name);
		test_slice(route.hosts[3].name, SLICE("z"));
		first[route.hosts[0].name.at[0] - 'a']++;
		arena_reset(&arena);
	}
	for (size_t i = 0; i < 3; i++)
		test_true(first[i] > 60);
}

/* LIMIT_MX_HOSTS: thirty hosts, the worst first; each has an address. */
static void
most_preferred(const struct hop_host *hop)
{
	enum {
		HOSTS = 30
	};
	static uint8_t rdata[HOSTS][6];
	static struct slice records[HOSTS];
	static struct slice a = A("\xc0\0\2\1");
	static struct route_answer answers[1 + ROUTE_QUESTIONS];
	struct route_question questions[ROUTE_QUESTIONS];
	struct route_input in = { .domain = SLICE("two.example"),
		.hostname = SLICE("one.example"),
		.hops = hop,
		.n_hops = hop != NULL };
	struct route route;
	struct arena arena;
	size_t n = 0, n_questions;

	arena_init(&arena, 256 * 1024);
	for (uint8_t i = 0; i < HOSTS; i++) {
		/* preference, then "m" and a letter: mA is the best */
		const uint8_t row[6] = { 0, (uint8_t)(HOSTS - i), 2, 'm',
			(uint8_t)(HOSTS - 1 - i < 26
				? 'a' + HOSTS - 1 - i
				: '0' + HOSTS - 1 - i - 26),
			0 };

		memcpy(rdata[i], row, sizeof(row));
		records[i] = slice_of(rdata[i], sizeof(row));
	}
	test_int(route_decide(&in, answers, 0, &arena, questions, &n_questions,
		     &route),
	    ROUTE_NEED_ANSWER);
	test_int(n_questions, 1);
	answers[n++] = (struct route_answer){ questions[0],
		{ .records = records, .n_records = HOSTS } };
	test_int(route_decide(&in, answers, n, &arena, questions, &n_questions,
		     &route),
	    ROUTE_NEED_ANSWER);
	test_int(n_questions, 2 * LIMIT_MX_HOSTS); /* A and AAAA of each */
	for (size_t i = 0; i < n_questions; i++)
		answers[n++] = (struct route_answer){ questions[i],
			{ .records = &a,
			    .n_records = questions[i].type == DNS_A } };
	test_int(route_decide(&in, answers, n, &arena, questions, &n_questions,
		     &route),
	    ROUTE_DONE);
	test_int(route.n_hosts, LIMIT_MX_HOSTS);
	for (size_t i = 0; i < route.n_hosts; i++) {
		if (hop == NULL)
			test_int(route.hosts[i].preference, i + 1);
		test_int(route.hosts[i].name.at[1], 'a' + i);
	}
	arena_reset(&arena);
}

static void
the_most_preferred_are_tried(void **state)
{
	struct hop_host hops[HOP_HOSTS];
	const char *why;
	size_t n;

	(void)state;
	test_case("thirty hosts");
	most_preferred(NULL);
	test_case("thirty hosts of a smarthost");
	test_true(hop_hosts_read(SLICE("mx:two.example"), hops, &n, &why));
	most_preferred(hops);
}

static const struct row hop_rows[ROWS] = {
	{ "two.example", DNS_MX, 0, false, { MX("\x0a", "\1c") } },
	{ "a", DNS_A, 0, false, { A("\xc0\0\2\1") } },
	{ "b", DNS_A, 0, false, { A("\xc0\0\2\2") } },
	{ "c", DNS_A, 0, false, { A("\xc0\0\2\3") } },
	{ "d", DNS_A, DNS_SERVFAIL },
	{ "own", DNS_A, 0, false, { A("\xc0\0\2\x09") } },
};

static const struct {
	const char *what, *hosts, *want; /* NULL: 4yz */
	uint8_t first;
} hops[] = {
	{ "one", "a", "a:25 " },
	{ "its port", "a:587", "a:587 " },
	{ "by preference", "b@20,a", "a:25 b:25 " },
	{ "an address", "[192.0.2.7]:26,a@20", "[192.0.2.7]:26 a:25 " },
	{ "the mail hosts of a name", "mx:two.example:2525,a@20",
	    "c:2525 a:25 " },
	{ "a name without mail hosts is one itself", "mx:a", "a:25 " },
	{ "one that cannot be looked up", "d,a@20", "a:25 " },
	{ "none that can", "d", NULL },
	{ "none with an address", "nowhere", NULL },
	{ "ourselves are left out, and no worse one", "own,a@20", "a:25 " },
	{ "ourselves alone", "own", NULL },
	{ "loopback, for the operator says so", "[127.0.0.1]:24",
	    "[127.0.0.1]:24 " },
	{ "whose turn it is, and then the best", "a,b@20,c@30",
	    "c:25 a:25 b:25 ", 3 },
	{ "its mail hosts, too", "a,mx:two.example@20", "c:25 a:25 ", 2 },
	{ "whose turn it is cannot be looked up", "a,d", "a:25 ", 2 },
};

/* What is wrong with hosts that the operator named is never a 5yz. */
static void
hops_by_table(void **state)
{
	static const struct route_own own = { { 4, { 192, 0, 2, 9 } }, 25 };

	(void)state;
	for (size_t i = 0; i < sizeof(hops) / sizeof(hops[0]); i++) {
		struct hop_host hosts[HOP_HOSTS];
		struct route_input in = { .domain = SLICE("far.example"),
			.hostname = SLICE("one.example"),
			.permit_loopback = true,
			.port = 25,
			.own = &own,
			.n_own = 1,
			.hops = hosts,
			.first = hops[i].first };
		struct route route = { 0 };
		struct arena arena;
		char got[256] = "";
		const char *why;

		test_case(hops[i].what);
		if (!hop_hosts_read(slice_cstr(hops[i].hosts), hosts,
			&in.n_hops, &why)) {
			test_true(hops[i].want == NULL);
			continue;
		}
		arena_init(&arena, 256 * 1024);
		test_int(drive(&in, hop_rows, &arena, &route), ROUTE_DONE);
		for (size_t k = 0; k < route.n_hosts; k++)
			(void)snprintf(got + strlen(got),
			    sizeof(got) - strlen(got), "%.*s:%u ",
			    SLICE_FMT(route.hosts[k].name),
			    route.hosts[k].port);
		test_slice(slice_cstr(got),
		    slice_cstr(hops[i].want == NULL ? "" : hops[i].want));
		if (hops[i].want == NULL)
			test_int(route.verdict.code / 100, 4);
		arena_reset(&arena);
	}
}

static void
weights_count(void **state)
{
	struct hop_host hosts[HOP_HOSTS];
	unsigned first = 0;
	const char *why;
	size_t n;

	(void)state;
	test_true(hop_hosts_read(SLICE("a*9,b*1"), hosts, &n, &why));
	for (uint64_t seed = 0; seed < 500; seed++) {
		struct route_input in = { .domain = SLICE("far.example"),
			.hostname = SLICE("one.example"),
			.seed = seed,
			.hops = hosts,
			.n_hops = n };
		struct route route;
		struct arena arena;

		arena_init(&arena, 256 * 1024);
		test_int(drive(&in, hop_rows, &arena, &route), ROUTE_DONE);
		test_int(route.n_hosts, 2);
		first += route.hosts[0].name.at[0] == 'a';
		arena_reset(&arena);
	}
	test_true(first > 400 && first < 490);
}

static const struct row own_rows[ROWS] = {
	{ "two.example", DNS_MX, 0, false,
	    { MX("\x0a", "\1a"), MX("\x14", "\3own"), MX("\x14", "\1b"),
		MX("\x1e", "\1c") } },
	{ "loop.example", DNS_MX, 0, false,
	    { MX("\x0a", "\3own"), MX("\x14", "\1a") } },
	{ "bare.example", DNS_A, 0, false, { A("\xc0\0\2\x09") } },
	{ "a", DNS_A, 0, false, { A("\xc0\0\2\1") } },
	{ "b", DNS_A, 0, false, { A("\xc0\0\2\2") } },
	{ "c", DNS_A, 0, false, { A("\xc0\0\2\3") } },
	{ "own", DNS_A, 0, false, { A("\xc0\0\2\x09") } },
};

/* A NAT's address, one of a network behind a balancer, and their neighbours. */
static const struct {
	const char *address;
	bool is_own;
} nats[] = {
	{ "203.0.113.7", true },
	{ "203.0.113.6", false },
	{ "198.51.100.64", true },
	{ "198.51.100.127", true },
	{ "198.51.100.63", false },
	{ "198.51.100.128", false },
	{ "2001:db8:5::1", true },
	{ "2001:db8:6::1", false },
};

static void
named_addresses_are_ours(void **state)
{
	static const struct route_own own[] = {
		{ { 4, { 203, 0, 113, 7 } }, 25, 32 },
		{ { 4, { 198, 51, 100, 64 } }, 25, 26 },
		{ { 6, { 0x20, 0x01, 0x0d, 0xb8, 0, 5 } }, 25, 48 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(nats) / sizeof(nats[0]); i++) {
		for (uint16_t port = 25; port <= 26; port++) {
			char literal[80];
			struct route_input in = { .hostname =
						      SLICE("one.example"),
				.port = port,
				.own = own,
				.n_own = 3 };
			struct route route = { 0 };
			struct arena arena;

			(void)snprintf(literal, sizeof(literal), "[%s%s]",
			    strchr(nats[i].address, ':') ? "IPv6:" : "",
			    nats[i].address);
			test_case(literal);
			in.domain = slice_cstr(literal);
			arena_init(&arena, 64 * 1024);
			test_int(drive(&in, own_rows, &arena, &route),
			    ROUTE_DONE);
			test_int(route.n_hosts == 0,
			    nats[i].is_own && port == 25);
			if (route.n_hosts == 0)
				test_int(route.verdict.esc.detail, 6);
			arena_reset(&arena);
		}
	}
}

static void
own_addresses_cut(void **state)
{
	static const struct route_own own = { { 4, { 192, 0, 2, 9 } }, 25 };
	static const struct {
		const char *domain;
		uint16_t port;
		size_t n; /* 0: 5.4.6 */
	} cases[] = {
		{ "two.example", 25, 1 },
		{ "loop.example", 25, 0 },
		{ "bare.example", 25, 0 },
		{ "[192.0.2.9]", 25, 0 },
		/* another server of this machine */
		{ "loop.example", 2525, 2 },
		{ "two.example", 2525, 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_input in = {
			.domain = slice_cstr(cases[i].domain),
			.hostname = SLICE("one.example"),
			.port = cases[i].port,
			.own = &own,
			.n_own = 1,
		};
		struct route route;
		struct arena arena;

		test_case(cases[i].domain);
		arena_init(&arena, 256 * 1024);
		test_int(drive(&in, own_rows, &arena, &route), ROUTE_DONE);
		test_int(route.n_hosts, cases[i].n);
		if (cases[i].n == 0) {
			test_int(route.verdict.code, 554);
			test_int(route.verdict.esc.subject, 4);
			test_int(route.verdict.esc.detail, 6);
		}
		arena_reset(&arena);
	}
}

static void
a_name_twice_keeps_its_best(void **state)
{
	static const struct row rows[ROWS] = {
		{ "two.example", DNS_MX, 0, false,
		    { MX("\x1e", "\1b"), MX("\x14", "\1a"),
			MX("\x0a", "\1b") } },
		{ "a", DNS_A, 0, false, { A("\xc0\0\2\1") } },
		{ "b", DNS_A, 0, false, { A("\xc0\0\2\2") } },
	};
	struct route_input in = { .domain = SLICE("two.example"),
		.hostname = SLICE("one.example") };
	struct route route;
	struct arena arena;

	(void)state;
	arena_init(&arena, 256 * 1024);
	test_int(drive(&in, rows, &arena, &route), ROUTE_DONE);
	test_int(route.n_hosts, 2);
	test_slice(route.hosts[0].name, SLICE("b"));
	test_int(route.hosts[0].preference, 10);
	test_slice(route.hosts[1].name, SLICE("a"));
	arena_reset(&arena);
}

static void
families_by_choice(void **state)
{
	static const struct row rows[ROWS] = {
		{ "two.example", DNS_MX, 0, false, { MX("\x0a", "\1a") } },
		{ "a", DNS_A, 0, false, { A("\xc0\0\2\1") } },
		{ "a", DNS_AAAA, 0, false, { V6(V6_ADDR "\1") } },
	};
	static const struct {
		uint8_t families, n, first;
	} want[] = {
		{ ROUTE_BOTH, 2, 6 },
		{ ROUTE_V4_FIRST, 2, 4 },
		{ ROUTE_V4_ONLY, 1, 4 },
		{ ROUTE_V6_ONLY, 1, 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		struct route_input in = { .domain = SLICE("two.example"),
			.hostname = SLICE("one.example"),
			.families = want[i].families };
		struct route route;
		struct arena arena;

		arena_init(&arena, 256 * 1024);
		test_int(drive(&in, rows, &arena, &route), ROUTE_DONE);
		test_int(route.hosts[0].n_addresses, want[i].n);
		test_int(route.hosts[0].addresses[0].family, want[i].first);
		arena_reset(&arena);
	}
}

static void
a_full_arena_is_said(void **state)
{
	struct route_input in = { .domain = SLICE("[192.0.2.1]") };
	struct route route;
	struct arena arena;

	(void)state;
	arena_init(&arena, 16);
	test_int(drive(&in, routes[0].rows, &arena, &route), ROUTE_E_MEMORY);
	arena_reset(&arena);
}

TEST_MAIN(cmocka_unit_test(routes_by_table),
    cmocka_unit_test(equals_are_shuffled),
    cmocka_unit_test(the_most_preferred_are_tried),
    cmocka_unit_test(hops_by_table), cmocka_unit_test(weights_count),
    cmocka_unit_test(own_addresses_cut),
    cmocka_unit_test(named_addresses_are_ours),
    cmocka_unit_test(a_name_twice_keeps_its_best),
    cmocka_unit_test(families_by_choice),
    cmocka_unit_test(a_full_arena_is_said))
