/* SPDX-License-Identifier: ISC */
/*
 * A fetcher in a process of its own, between a store, a resolver and a courier
 * that are made up here: what is known without a fetch, whatever the DNS says,
 * and where reports go. Fetches themselves are tests/e2e/test_sts.py's.
 */
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "base/time.h"
#include "policy/dns.h"
#include "policy/sts.h"
#include "roles/role.h"
#include "sys/env_posix.h"

#define TXT(lit)                                                               \
	{                                                                      \
		(const uint8_t *)lit, sizeof(lit) - 1                          \
	}

/* -- what the resolver says ------------------------------------------------ */

enum {
	SILENT = 100 /* in place of an rcode */
};

static const struct zone_row {
	const char *name;
	uint16_t rcode;
	struct slice rdata[2]; /* TXT */
	bool is_bogus;
} zone[] = {
	{ "_mta-sts.fails.example", DNS_SERVFAIL },
	{ "_mta-sts.forged.example", 0, { TXT("\x10v=STSv1; id=new;") }, true },
	{ "_mta-sts.silent.example", SILENT },
	{ "_mta-sts.twice.example", 0,
	    { TXT("\x0ev=STSv1; id=a;"), TXT("\x0ev=STSv1; id=b;") } },
	{ "_mta-sts.kept.example", 0, { TXT("\x10v=STSv1; id=old;") } },
	{ "_mta-sts.kept-fails.example", DNS_SERVFAIL },
	{ "_mta-sts.new.example", 0, { TXT("\x10v=STSv1; id=new;") } },
	{ "_smtp._tls.told.example", 0,
	    { TXT("\x27v=TLSRPTv1; rua=mailto:tls@told.example") } },
	{ "_smtp._tls.fails.example", DNS_SERVFAIL },
};

static const struct zone_row *
find_row(struct slice name)
{
	static const struct zone_row none = { "", DNS_NXDOMAIN };

	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		if (slice_equal(name, slice_cstr(zone[i].name)))
			return &zone[i];
	return &none;
}

/* -- what is asked --------------------------------------------------------- */

static const struct {
	const char *domain;
	bool is_kept; /* the store had told of a policy, with the id "old" */
	bool is_over; /* whose time has passed */
	enum sts_mode mode;
	enum sts_result result;
} domains[] = {
	{ "not a name" },
	{ "none.example" },
	{ "fails.example" },
	{ "forged.example" },
	{ "silent.example" },
	{ "twice.example" },
	{ "kept.example", .is_kept = true, .mode = STS_ENFORCE },
	{ "kept-fails.example", .is_kept = true, .mode = STS_ENFORCE },
	{ "kept-none.example", .is_kept = true, .mode = STS_ENFORCE },
	{ "over.example", .is_kept = true, .is_over = true },
	/* a policy that cannot be had: its web server has no address */
	{ "new.example", .result = STS_RESULT_FETCH },
};

static const struct {
	const char *domain;
	bool is_known;
	const char *record;
} places[] = {
	{ "told.example", true, "v=TLSRPTv1; rua=mailto:tls@told.example" },
	{ "none.example", true, "" },
	{ "fails.example", false, "" },
	{ "not a name", false, "" },
};

static const struct {
	const char *uri, *why;
} posts[] = {
	{ "mailto:tls@told.example", "it is no https URI" },
	{ "https://reports.example/tls", "the web server has no address" },
};

enum {
	N_DOMAINS = sizeof(domains) / sizeof(domains[0]),
	N_PLACES = sizeof(places) / sizeof(places[0]),
	N_POSTS = sizeof(posts) / sizeof(posts[0]),
	N_ALL = N_DOMAINS + N_PLACES + N_POSTS,
	COURIER_BASE = 100, /* sessions */
	PLACE_BASE = 200,
	POST_BASE = 300
};

struct bench {
	struct env *env;
	struct channel supervisor, courier, store, resolver;
	struct env_timer timer;
	unsigned n_answered, n_gone;
	bool has_timed_out, resolver_dies;
};

static void
count(struct bench *b)
{
	if (++b->n_answered == N_ALL)
		env_stop(b->env);
}

static int
on_sts_answer(struct channel *c, const struct wire_head *h,
    const struct wire_sts_answer *m)
{
	size_t i = (size_t)(h->session - COURIER_BASE);
	struct bench *b = c->ctx;
	bool is_used = domains[i].is_kept && !domains[i].is_over;

	test_true(i < N_DOMAINS);
	test_case(domains[i].domain);
	test_int(h->ticket, 7 + i);
	test_int(m->mode, domains[i].mode);
	test_slice(m->mx, is_used ? SLICE("mx.kept.example") : SLICE(""));
	test_slice(m->id, is_used ? SLICE("old") : SLICE(""));
	test_true((m->fetched != 0) == is_used);
	if (!b->resolver_dies) {
		test_int(m->result, domains[i].result);
		test_true((m->why.len > 0) ==
		    (domains[i].result != STS_RESULT_OK));
	}
	count(b);
	return 0;
}

static int
on_sts_keep(struct channel *c, const struct wire_head *h,
    const struct wire_sts_keep *m)
{
	struct bench *b = c->ctx;

	(void)h;
	test_slice(m->domain, SLICE("over.example"));
	test_true(m->is_gone);
	b->n_gone++;
	return 0;
}

static int
on_rua_answer(struct channel *c, const struct wire_head *h,
    const struct wire_rua_answer *m)
{
	size_t i = (size_t)(h->session - PLACE_BASE);
	struct bench *b = c->ctx;

	test_true(i < N_PLACES);
	test_case(places[i].domain);
	if (!b->resolver_dies) {
		test_int(m->is_known, places[i].is_known);
		test_slice(m->record, slice_cstr(places[i].record));
	} else
		test_true(!m->is_known);
	count(b);
	return 0;
}

static int
on_report_posted(struct channel *c, const struct wire_head *h,
    const struct wire_report_posted *m)
{
	size_t i = (size_t)(h->session - POST_BASE);
	struct bench *b = c->ctx;

	test_true(i < N_POSTS);
	test_case(posts[i].uri);
	test_true(!m->ok);
	if (!b->resolver_dies)
		test_slice(m->why, slice_cstr(posts[i].why));
	count(b);
	return 0;
}

/* -- the made-up roles ----------------------------------------------------- */

static int
on_dns_ask(struct channel *c, const struct wire_head *h,
    const struct wire_dns_ask *m)
{
	const struct zone_row *row = find_row(m->name);
	struct wire_dns_answer answer = { .rcode = row->rcode,
		.bogus = row->is_bogus,
		.canonical = m->name };
	struct bench *b = c->ctx;
	struct buf rows;

	if (b->resolver_dies) {
		channel_close(c);
		return 0;
	}
	if (row->rcode == SILENT)
		return 0;
	buf_init(&rows, 1000);
	for (size_t i = 0; i < 2 && m->type == DNS_TXT; i++) {
		struct wire_dns_record r = { .data = row->rdata[i] };

		if (r.data.len == 0)
			break;
		test_int(wire_dns_record_add(&rows, &r), 0);
		answer.records.n++;
	}
	answer.records.raw = buf_slice(&rows);
	test_int(wire_send_dns_answer(c, h->session, h->ticket, &answer), 0);
	buf_deinit(&rows);
	return 0;
}

static int
resolver_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_resolver_handlers handlers = {
		.dns_ask = on_dns_ask,
	};

	return wire_dispatch_resolver(&handlers, c, c->peer, h, payload, fd);
}

static int
store_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_store_handlers handlers = {
		.sts_keep = on_sts_keep,
		.rua_answer = on_rua_answer,
		.report_posted = on_report_posted,
	};

	return wire_dispatch_store(&handlers, c, c->peer, h, payload, fd);
}

static int
courier_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_courier_handlers handlers = {
		.sts_answer = on_sts_answer,
	};

	return wire_dispatch_courier(&handlers, c, c->peer, h, payload, fd);
}

static void
tell_what_was_kept(struct bench *b)
{
	const struct wire_sts_cached_end end = { 0 };

	for (size_t i = 0; i < N_DOMAINS; i++) {
		struct wire_sts_cached m = { .domain =
						 slice_cstr(domains[i].domain),
			.mode = STS_ENFORCE,
			.mx = SLICE("mx.kept.example"),
			.id = SLICE("old"),
			.fetched = env_wall(b->env) -
			    (domains[i].is_over ? 2 : 0) * TIME_DAY,
			.max_age = 86400 };

		if (domains[i].is_kept)
			test_int(wire_send_sts_cached(&b->store, 0, 0, &m), 0);
	}
	test_int(wire_send_sts_cached_end(&b->store, 0, 0, &end), 0);
}

static int
on_ready(struct channel *c, const struct wire_head *h,
    const struct wire_ready *m)
{
	struct bench *b = c->ctx;

	(void)h;
	(void)m;
	tell_what_was_kept(b);
	for (uint32_t i = 0; i < N_DOMAINS; i++) {
		struct wire_sts_ask ask = { slice_cstr(domains[i].domain) };

		test_int(wire_send_sts_ask(&b->courier, COURIER_BASE + i, 7 + i,
			     &ask),
		    0);
	}
	for (uint32_t i = 0; i < N_PLACES; i++) {
		struct wire_rua_ask ask = { slice_cstr(places[i].domain) };

		test_int(wire_send_rua_ask(&b->store, PLACE_BASE + i, 0, &ask),
		    0);
	}
	for (uint32_t i = 0; i < N_POSTS; i++) {
		struct wire_report_post post = { .uri =
						     slice_cstr(posts[i].uri),
			.content = SLICE("zipped") };

		test_int(wire_send_report_post(&b->store, POST_BASE + i, 0,
			     &post),
		    0);
	}
	return 0;
}

static int
supervisor_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	static const struct wire_supervisor_handlers handlers = {
		.ready = on_ready,
	};

	return wire_dispatch_supervisor(&handlers, c, c->peer, h, payload, fd);
}

/* -- the run --------------------------------------------------------------- */

static void
on_timeout(struct env_timer *t)
{
	struct bench *b = LIST_ENTRY(t, struct bench, timer);

	b->has_timed_out = true;
	env_stop(b->env);
}

static void
run_fetcher(int fd)
{
	struct settings s = { .hostname = "one.example",
		.mta_sts = true,
		.mta_sts_timeout = 30 * TIME_SECOND,
		.mta_sts_wait = 500 * TIME_MS };
	struct env_posix_options options = { .role = "fetcher",
		.log_level = ENV_ERROR };
	struct env *env;
	int status = 99;

	if (env_posix_new(&options, &env) == 0) {
		status = role_fetcher(env, &s, fd);
		env_posix_free(env);
	}
	exit(status);
}

static void
make_pair(int fds[2])
{
	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, fds),
	    0);
}

static void
join(struct bench *b, struct channel *c, enum wire_role self,
    int (*dispatch)(struct channel *, const struct wire_head *, struct slice,
	int),
    struct channel_ops *ops)
{
	struct wire_peer peer = {
		.role = self, .instance = 5, .purpose = PEER_CHANNEL
	};
	int fds[2];

	*ops = (struct channel_ops){ .dispatch = dispatch,
		.on_closed = channel_close };
	make_pair(fds);
	test_int(channel_open(c, b->env, b, fds[0], self, WIRE_FETCHER, 1, ops),
	    0);
	test_int(wire_send_peer(&b->supervisor, 0, 0, &peer, fds[1]), 0);
	(void)close(fds[1]);
}

static void
bench_run(struct bench *b)
{
	struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR };
	struct channel_ops ops[4] = { { .dispatch = supervisor_dispatch,
	    .on_closed = channel_close } };
	struct wire_start start = { .instance = 9 };
	int up[2], status;
	pid_t pid;

	make_pair(up);
	(void)fflush(NULL);
	pid = fork();
	test_true(pid >= 0);
	if (pid == 0) {
		(void)close(up[0]);
		run_fetcher(up[1]);
	}
	(void)close(up[1]);
	test_int(env_posix_new(&options, &b->env), 0);
	test_int(channel_open(&b->supervisor, b->env, b, up[0], WIRE_SUPERVISOR,
		     WIRE_FETCHER, 1, &ops[0]),
	    0);
	join(b, &b->courier, WIRE_COURIER, courier_dispatch, &ops[1]);
	join(b, &b->store, WIRE_STORE, store_dispatch, &ops[2]);
	join(b, &b->resolver, WIRE_RESOLVER, resolver_dispatch, &ops[3]);
	test_int(wire_send_start(&b->supervisor, 0, 0, &start), 0);
	b->timer.fire = on_timeout;
	test_int(env_timer_set(b->env, &b->timer,
		     env_now(b->env) + 2 * TIME_MINUTE),
	    0);
	test_int(env_run(b->env), 0);
	env_timer_stop(b->env, &b->timer);
	channel_close(&b->courier);
	channel_close(&b->store);
	channel_close(&b->resolver);
	channel_close(&b->supervisor);
	env_posix_free(b->env);
	test_int(waitpid(pid, &status, 0), pid);
	test_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	test_true(!b->has_timed_out);
	test_int(b->n_answered, N_ALL);
	test_int(b->n_gone, 1);
}

static void
all_are_answered(void **state)
{
	struct bench b = { 0 };

	(void)state;
	bench_run(&b);
}

/* With what was kept, or without a policy; and no later than with it. */
static void
a_resolver_that_dies_leaves_nobody_waiting(void **state)
{
	struct bench b = { .resolver_dies = true };

	(void)state;
	bench_run(&b);
}

TEST_MAIN(cmocka_unit_test(all_are_answered),
    cmocka_unit_test(a_resolver_that_dies_leaves_nobody_waiting))
