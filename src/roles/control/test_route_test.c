/* SPDX-License-Identifier: ISC */
/*
 * `ulak route ADDRESS` with a resolver and a fetcher that are played here by a
 * table: the rows that come out, in order, and the answer at the end.
 */
#include <sys/socket.h>

#include "base/test.h"
#include "roles/control/route_test_impl.h"
#include "sys/env_posix.h"

enum {
	RECORDS = 3,
	OUT = 64 * 1024
};

/* -- the DNS --------------------------------------------------------------- */

#define A(d) SLICE("\xc0\0\2" d)
#define TLSA                                                                   \
	SLICE("\3\1\1"                                                         \
	      "0123456789abcdef0123456789abcdef")

static const struct {
	const char *name;
	uint16_t type;
	uint8_t rcode;
	bool is_secure, is_bogus;
	struct slice rdata[RECORDS];
} records[] = {
	{ "plain.example", DNS_MX, 0, false, false,
	    { SLICE("\0\12\2mx\5plain\7example\0") } },
	{ "mx.plain.example", DNS_A, 0, false, false, { A("\1") } },
	{ "signed.example", DNS_MX, 0, true, false,
	    { SLICE("\0\12\2mx\6signed\7example\0") } },
	{ "mx.signed.example", DNS_A, 0, true, false, { A("\2") } },
	{ "mx.signed.example", DNS_AAAA, 0, true },
	{ "_25._tcp.mx.signed.example", DNS_TLSA, 0, true, false, { TLSA } },
	{ "bogus.example", DNS_MX, 0, true, false,
	    { SLICE("\0\12\2mx\5bogus\7example\0") } },
	{ "mx.bogus.example", DNS_A, 0, true, false, { A("\3") } },
	{ "mx.bogus.example", DNS_AAAA, 0, true },
	{ "_25._tcp.mx.bogus.example", DNS_TLSA, DNS_SERVFAIL, false, true },
	{ "null.example", DNS_MX, 0, false, false, { SLICE("\0\0\0") } },
	{ "fails.example", DNS_MX, DNS_SERVFAIL },
};

static size_t
find(struct slice name, uint16_t type)
{
	size_t n = sizeof(records) / sizeof(records[0]);

	for (size_t i = 0; i < n; i++)
		if (slice_equal(name, slice_cstr(records[i].name)) &&
		    records[i].type == type)
			return i;
	return n;
}

/* -- who is asked ---------------------------------------------------------- */

struct scene {
	struct env *env;
	struct settings settings;
	struct route_test *test;
	struct channel to_resolver, resolver, to_fetcher, fetcher;
	struct route_test_peers peers;
	struct buf out;
	unsigned n_dns, n_sts;
	enum route_test_state state;
	bool has_ended;
};

static int
on_dns_ask(struct channel *c, const struct wire_head *h,
    const struct wire_dns_ask *m)
{
	size_t i = find(m->name, m->type);
	struct wire_dns_answer a = { .rcode = DNS_NXDOMAIN,
		.canonical = m->name };
	struct scene *s = c->ctx;
	struct buf rows;

	s->n_dns++;
	buf_init(&rows, 4096);
	if (i < sizeof(records) / sizeof(records[0])) {
		a.rcode = records[i].rcode;
		a.secure = records[i].is_secure;
		a.bogus = records[i].is_bogus;
		for (size_t k = 0; records[i].rdata[k].len > 0; k++) {
			struct wire_dns_record row = { records[i].rdata[k] };

			test_int(wire_dns_record_add(&rows, &row), 0);
			a.records.n++;
		}
	}
	a.records.raw = buf_slice(&rows);
	test_int(wire_send_dns_answer(c, h->session, h->ticket, &a), 0);
	buf_deinit(&rows);
	return 0;
}

static int
on_sts_ask(struct channel *c, const struct wire_head *h,
    const struct wire_sts_ask *m)
{
	struct wire_sts_answer a = { 0 };
	struct scene *s = c->ctx;

	s->n_sts++;
	if (slice_equal(m->domain, SLICE("plain.example")))
		a = (struct wire_sts_answer){ .mode = STS_ENFORCE,
			.mx = SLICE("other.plain.example"),
			.id = SLICE("one"),
			.fetched = 1,
			.max_age = 86400 };
	test_int(wire_send_sts_answer(c, h->session, h->ticket, &a), 0);
	return 0;
}

static void
go_on(struct scene *s)
{
	s->state = route_test_go_on(s->test, &s->peers, 7, &s->out);
	s->has_ended = s->state != ROUTE_TEST_ASKING;
	if (s->has_ended)
		env_stop(s->env);
}

/* The loop ends with the answer. */
static void
run(struct scene *s)
{
	go_on(s);
	if (!s->has_ended)
		test_int(env_run(s->env), 0);
}

static int
on_dns_answer(struct channel *c, const struct wire_head *h,
    const struct wire_dns_answer *m)
{
	struct scene *s = c->ctx;

	test_int(h->session, 7);
	test_true(route_test_on_answer(s->test, h->ticket, m));
	test_true(!route_test_on_answer(s->test, h->ticket, m)); /* twice */
	go_on(s);
	return 0;
}

static int
on_sts_answer(struct channel *c, const struct wire_head *h,
    const struct wire_sts_answer *m)
{
	struct scene *s = c->ctx;

	test_true(!route_test_on_sts(s->test, h->ticket - 1, m, &s->out));
	test_true(route_test_on_sts(s->test, h->ticket, m, &s->out));
	test_true(!route_test_on_sts(s->test, h->ticket, m, &s->out));
	go_on(s);
	return 0;
}

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_resolver_handlers resolver = {
		.dns_ask = on_dns_ask
	};
	static const struct wire_fetcher_handlers fetcher = { .sts_ask =
								  on_sts_ask };
	static const struct wire_control_handlers control = {
		.dns_answer = on_dns_answer, .sts_answer = on_sts_answer
	};

	if (c->self == WIRE_RESOLVER)
		return wire_dispatch_resolver(&resolver, c, c->peer, h, payload,
		    fd);
	if (c->self == WIRE_FETCHER)
		return wire_dispatch_fetcher(&fetcher, c, c->peer, h, payload,
		    fd);
	return wire_dispatch_control(&control, c, c->peer, h, payload, fd);
}

static void
on_closed(struct channel *c)
{
	(void)c;
}

static const struct channel_ops ops = { .dispatch = dispatch,
	.on_closed = on_closed };

static void
connect_both(struct scene *s, struct channel *ours, struct channel *theirs,
    enum wire_role role)
{
	int fds[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
	test_int(channel_open(ours, s->env, s, fds[0], WIRE_CONTROL, role, 1,
		     &ops),
	    0);
	test_int(channel_open(theirs, s->env, s, fds[1], role, WIRE_CONTROL, 1,
		     &ops),
	    0);
}

static void
set_up(struct scene *s)
{
	struct env_posix_options o = { .role = "control",
		.log_level = ENV_ERROR };

	memset(s, 0, sizeof(*s));
	test_int(env_posix_new(&o, &s->env), 0);
	settings_default(&s->settings);
	(void)strcpy(s->settings.hostname, "mail.one.example");
	connect_both(s, &s->to_resolver, &s->resolver, WIRE_RESOLVER);
	connect_both(s, &s->to_fetcher, &s->fetcher, WIRE_FETCHER);
	s->peers = (struct route_test_peers){ &s->to_resolver, &s->to_fetcher };
	s->test = route_test_new(&s->settings, NULL, 0, 1);
	test_true(s->test != NULL);
	buf_init(&s->out, OUT);
}

static void
tear_down(struct scene *s)
{
	channel_close(&s->to_resolver);
	channel_close(&s->resolver);
	channel_close(&s->to_fetcher);
	channel_close(&s->fetcher);
	route_test_free(s->test);
	buf_deinit(&s->out);
	env_posix_free(s->env);
}

/* -- what the store said, and what comes of it ----------------------------- */

struct said {
	const char *kind, *what, *domain, *hosts, *tls, *minimum;
};

static void
tell(struct scene *s, const struct said *said)
{
	const struct wire_field fields[] = {
		{ SLICE("kind"), slice_cstr(said->kind) },
		{ SLICE("what"), slice_cstr(said->what) },
		{ SLICE("address"), SLICE("x@y.example") },
		{ SLICE("domain"), slice_cstr(said->domain) },
		{ SLICE("hosts"), slice_cstr(said->hosts) },
		{ SLICE("tls"), slice_cstr(said->tls) },
		{ SLICE("minimum"), slice_cstr(said->minimum) },
	};
	struct wire_list list = { .n = sizeof(fields) / sizeof(fields[0]) };
	struct buf rows;

	buf_init(&rows, 4096);
	for (size_t i = 0; i < list.n; i++)
		test_int(wire_field_add(&rows, &fields[i]), 0);
	list.raw = buf_slice(&rows);
	test_int(route_test_row(s->test, list), 0);
	buf_deinit(&rows);
}

static const struct {
	const char *what;
	struct said said[2];
	const char *want[5]; /* in this order, in the rows */
	const char *answer;
} rows[] = {
	{ "its mail hosts, which MTA-STS does not name",
	    { { "hop", "mx", "plain.example", "", "default", "default" } },
	    { "\"dns\"", "\"mx.plain.example\"", "other.plain.example",
		"not used", "does not name" },
	    "waits" },
	{ "DANE", { { "hop", "mx", "signed.example", "", "default", "may" } },
	    { "\"sts\"", "\"validated\"", "3 1 1 30313233", "\"dane\"",
		"TLSA records say" },
	    "goes" },
	{ "DANE that is no good",
	    { { "hop", "mx", "bogus.example", "", "default", "default" } },
	    { "\"failed\"", "not used", "no valid answer" }, "waits" },
	{ "never TLS", { { "hop", "mx", "bogus.example", "", "none", "dane" } },
	    { "\"never\"" }, "goes" },
	{ "no mail is wanted",
	    { { "hop", "mx", "null.example", "", "default", "default" } },
	    { "\"verdict\"", "5.1.10" }, "bounces" },
	{ "the DNS does not say",
	    { { "hop", "mx", "fails.example", "", "default", "default" } },
	    { "\"verdict\"", "4.4.3" }, "waits" },
	{ "a smarthost speaks for itself",
	    { { "hop", "smarthost", "plain.example", "[192.0.2.9]:2525",
		"verify", "default" } },
	    { "[192.0.2.9]:2525", "\"verify\"", "as is set here" }, "goes" },
	{ "thrown away",
	    { { "hop", "discard", "plain.example", "", "default", "default" } },
	    { "\"answer\"" }, "discarded" },
	{ "the worst of two counts",
	    { { "hop", "mx", "signed.example", "", "default", "default" },
		{ "hop", "error", "plain.example", "", "default", "default" } },
	    { "\"dane\"" }, "bounces" },
	{ "a mailbox here is full", { { "rcpt", "452 4.2.2", "", "", "", "" } },
	    { "\"answer\"" }, "waits" },
	{ "nobody here", { { "rcpt", "550 5.1.1", "", "", "", "" } },
	    { "\"answer\"" }, "bounces" },
};

static void
rows_by_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene s;
		struct slice rest;
		char end[80];

		test_case(rows[i].what);
		set_up(&s);
		for (size_t k = 0; k < 2 && rows[i].said[k].kind != NULL; k++)
			tell(&s, &rows[i].said[k]);
		run(&s);
		test_int(s.state, ROUTE_TEST_DONE);
		rest = buf_slice(&s.out);
		for (size_t k = 0; k < 5 && rows[i].want[k] != NULL; k++) {
			size_t at =
			    slice_find(rest, slice_cstr(rows[i].want[k]));

			if (at == SIZE_MAX)
				test_slice(rest, slice_cstr(rows[i].want[k]));
			rest = slice_from(rest, at);
		}
		(void)snprintf(end, sizeof(end), "\"what\":\"%s\"",
		    rows[i].answer);
		test_true(slice_find(rest, slice_cstr(end)) != SIZE_MAX);
		tear_down(&s);
	}
}

/* Without a resolver there is no answer; without a fetcher the mail waits. */
static void
peers_may_be_away(void **state)
{
	static const struct said said = { "hop", "mx", "signed.example", "",
		"default", "default" };
	struct scene s;

	(void)state;
	set_up(&s);
	s.peers.resolver = NULL;
	tell(&s, &said);
	go_on(&s);
	test_int(s.state, ROUTE_TEST_E_RESOLVER);
	tear_down(&s);

	set_up(&s);
	s.peers.fetcher = NULL;
	tell(&s, &said);
	run(&s);
	test_int(s.state, ROUTE_TEST_DONE);
	test_true(slice_find(buf_slice(&s.out), SLICE("mail waits for it")) !=
	    SIZE_MAX);
	test_true(slice_find(buf_slice(&s.out), SLICE("\"waits\"")) !=
	    SIZE_MAX);
	tear_down(&s);

	set_up(&s);
	s.settings.mta_sts = false;
	tell(&s, &said);
	run(&s);
	test_int(s.n_sts, 0);
	tear_down(&s);
}

TEST_MAIN(cmocka_unit_test(rows_by_table), cmocka_unit_test(peers_may_be_away))
