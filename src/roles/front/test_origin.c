/* SPDX-License-Identifier: ISC */
/*
 * Where a client comes from: a store that counts and a resolver, both made up
 * here. Names and lists that are asked in the background; answers that are
 * late, wrong or never come; who is let in, who must wait, who is refused.
 */
#include "base/test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/time.h"
#include "policy/dns.h"
#include "roles/front/conn.h"
#include "roles/front/origin_impl.h"
#include "sys/env_posix.h"

enum {
	SAID_MAX = 16 * 1024,
	ASKED_MAX = 2048
};
#define REFUSAL "421 here.example not now"

struct world {
	struct env *env;
	struct settings settings;
	struct role role;
	struct front front;
	struct env_timer stop;
	int client;
	struct conn *c;
	char said[SAID_MAX];
	struct channel store, resolver;
	bool has_resolver, is_resolver_silent, is_store_silent;
	unsigned client_code;  /* the store's word; 0: 250 */
	char asked[ASKED_MAX]; /* of the resolver */
	char rdns[256];        /* that the store is told */
	unsigned n_asks, n_gone, n_rcpts;
	uint64_t session;
	uint32_t ticket; /* of the last question to the resolver */
};

/* -- the store ------------------------------------------------------------- */

static int
on_client_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_client_ask *m)
{
	struct world *w = ch->ctx;
	struct wire_client_answer a = { .verdict = { .code = 250 } };

	test_slice(m->client, SLICE("192.0.2.7"));
	w->n_asks++;
	if (w->client_code != 0)
		a.verdict = (struct wire_verdict){ (uint16_t)w->client_code, 4,
			7, 0, SLICE("too many of your network") };
	return w->is_store_silent
	    ? 0
	    : wire_send_client_answer(ch, h->session, h->ticket, &a);
}

static int
on_client_note(struct channel *ch, const struct wire_head *h,
    const struct wire_client_note *m)
{
	(void)h;
	((struct world *)ch->ctx)->n_gone += m->gone;
	return 0;
}

static int
on_mail_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_mail_ask *m)
{
	struct wire_mail_answer a = { .verdict = { .code = 250 } };

	(void)m;
	return wire_send_mail_answer(ch, h->session, h->ticket, &a);
}

static int
on_rcpt_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_rcpt_ask *m)
{
	struct world *w = ch->ctx;
	struct wire_rcpt_answer a = { .verdict = { .code = 250 } };

	w->n_rcpts++;
	(void)slice_to_cstr(m->rdns, w->rdns, sizeof(w->rdns));
	return wire_send_rcpt_answer(ch, h->session, h->ticket, &a);
}

static int
on_txn_drop(struct channel *ch, const struct wire_head *h,
    const struct wire_txn_drop *m)
{
	(void)ch;
	(void)h;
	(void)m;
	return 0;
}

static const struct wire_store_handlers store_handlers = {
	.client_ask = on_client_ask,
	.client_note = on_client_note,
	.mail_ask = on_mail_ask,
	.rcpt_ask = on_rcpt_ask,
	.txn_drop = on_txn_drop,
};

static int
store_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	return wire_dispatch_store(&store_handlers, c, c->peer, h, payload, fd);
}

/* -- the resolver ---------------------------------------------------------- */

static const struct record {
	const char *name;
	uint16_t type;
	struct slice data;
} zone[] = {
	{ "7.2.0.192.in-addr.arpa", DNS_PTR, SLICE("\6client\7example\0") },
	{ "client.example", DNS_A, SLICE("\xc0\0\2\7") },
	{ "7.2.0.192.bad.example", DNS_A, SLICE("\x7f\0\0\2") },
	{ "7.2.0.192.bad.example", DNS_TXT,
	    SLICE("\x09"
		  "spam, see") },
	{ "liar.example.names.example", DNS_A, SLICE("\x7f\0\0\2") },
};

static int
say_dns(struct channel *ch, uint64_t session, uint32_t ticket, uint16_t rcode,
    struct slice data)
{
	struct wire_dns_answer a = { .rcode = rcode };
	struct wire_dns_record row = { .data = data };
	struct buf rows;
	int r;

	buf_init(&rows, 4096);
	a.records.n = data.len > 0 && wire_dns_record_add(&rows, &row) == 0;
	a.records.raw = buf_slice(&rows);
	r = wire_send_dns_answer(ch, session, ticket, &a);
	buf_deinit(&rows);
	return r;
}

static int
on_dns_ask(struct channel *ch, const struct wire_head *h,
    const struct wire_dns_ask *m)
{
	struct world *w = ch->ctx;
	size_t n = strlen(w->asked);

	(void)snprintf(w->asked + n, ASKED_MAX - n, "%.*s/%u ",
	    SLICE_FMT(m->name), m->type);
	w->session = h->session;
	w->ticket = h->ticket;
	if (w->is_resolver_silent)
		return 0;
	for (size_t i = 0; i < sizeof(zone) / sizeof(zone[0]); i++)
		if (slice_equal(m->name, slice_cstr(zone[i].name)) &&
		    m->type == zone[i].type)
			return say_dns(ch, h->session, h->ticket, DNS_NOERROR,
			    zone[i].data);
	return say_dns(ch, h->session, h->ticket, DNS_NXDOMAIN, SLICE(""));
}

static const struct wire_resolver_handlers resolver_handlers = {
	.dns_ask = on_dns_ask,
};

static int
resolver_dispatch(struct channel *c, const struct wire_head *h,
    struct slice payload, int fd)
{
	return wire_dispatch_resolver(&resolver_handlers, c, c->peer, h,
	    payload, fd);
}

static void
on_peer_closed(struct channel *c)
{
	(void)c;
}

static const struct channel_ops store_ops = { store_dispatch, on_peer_closed,
	NULL };
static const struct channel_ops resolver_ops = { resolver_dispatch,
	on_peer_closed, NULL };

/* -- the world ------------------------------------------------------------- */

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct world, stop)->env);
}

static void
turns(struct world *w, int64_t us)
{
	w->stop.fire = on_stop;
	test_int(env_timer_set(w->env, &w->stop, env_now(w->env) + us), 0);
	test_int(env_run(w->env), 0);
}

static void
add_peer(struct world *w, enum wire_role role, struct channel *c,
    const struct channel_ops *ops)
{
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	memset(c, 0, sizeof(*c));
	test_int(channel_open(c, w->env, w, pair[1], role, WIRE_MX, 1, ops), 0);
	w->role.ops->on_peer(&w->role, role, 1, PEER_CHANNEL, pair[0]);
}

static void
give_resolver(struct world *w)
{
	add_peer(w, WIRE_RESOLVER, &w->resolver, &resolver_ops);
	w->has_resolver = true;
}

static int
setup(void **state)
{
	static const struct env_posix_options options = { .role = "test",
		.log_level = ENV_ERROR,
		.has_made_clock = true };
	struct wire_state here = { .strangers = true,
		.submission = true,
		.max_size = 1024 * 1024,
		.hostname = SLICE("here.example") };
	struct world *w = calloc(1, sizeof(*w));
	struct settings *s;

	if (w == NULL || env_posix_new(&options, &w->env) < 0)
		return -1;
	s = &w->settings;
	s->max_size = 1024 * 1024;
	s->reverse_dns = true;
	s->lookup_timeout = 50 * TIME_MS;
	s->dnsbl_threshold = 1;
	(void)strcpy(s->hostname, "here.example");
	(void)strcpy(s->dnsbl_lists, "bad.example 0\n");
	(void)strcpy(s->dnsbl_domain_lists, "names.example 2\n");
	w->role = (struct role){ .env = w->env,
		.settings = s,
		.ops = &front_mx_ops,
		.ctx = &w->front };
	if (front_mx_ops.prepare(&w->role) != 0)
		return -1;
	add_peer(w, WIRE_STORE, &w->store, &store_ops);
	test_int(wire_send_state(&w->store, 0, 0, &here), 0);
	give_resolver(w);
	turns(w, 5 * TIME_MS);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	w->role.ops->deinit(&w->role);
	channel_close(&w->store);
	if (w->has_resolver)
		channel_close(&w->resolver);
	env_posix_free(w->env);
	free(w);
	return 0;
}

static void
collect(struct world *w)
{
	size_t n = strlen(w->said);
	ssize_t got;

	turns(w, 5 * TIME_MS);
	while ((got = read(w->client, w->said + n, sizeof(w->said) - 1 - n)) >
	    0)
		n += (size_t)got;
	w->said[n] = '\0';
}

/* All replies so far: the last line begins with this; nothing: there is none.
 */
static void
hear_last(struct world *w, const char *want)
{
	struct slice rest, line, last = { 0 };

	collect(w);
	rest = slice_cstr(w->said);
	while (slice_take_crlf_line(&rest, &line))
		last = line;
	test_slice(slice_upto(last, strlen(want)), slice_cstr(want));
	if (want[0] == '\0')
		test_slice(last, SLICE(""));
	w->said[0] = '\0';
}

static void
say(struct world *w, const char *text)
{
	test_int(write(w->client, text, strlen(text)), strlen(text));
	turns(w, 5 * TIME_MS);
}

static void
come(struct world *w)
{
	static const struct conn_refusal refusal = { SLICE("421 "),
		SLICE(" not now\r\n") };
	struct env_addr peer = { .family = 4, .bytes = { 192, 0, 2, 7 } };
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	w->client = pair[1];
	w->said[0] = w->asked[0] = w->rdns[0] = '\0';
	w->c = conn_accept(&w->front, pair[0], &peer, SERVICE_MX, &smtp_proto,
	    false, NULL, &refusal);
	test_true(w->c != NULL);
}

static void
join(struct world *w, const char *helo)
{
	char line[100];

	come(w);
	hear_last(w, "220 ");
	(void)snprintf(line, sizeof(line), "EHLO %s\r\n", helo);
	say(w, line);
	hear_last(w, "250 ");
}

static void
leave(struct world *w)
{
	(void)close(w->client);
	turns(w, 10 * TIME_MS);
	test_int(front_own(&w->front)->n_conns, 0);
}

#define RCPT "MAIL FROM:<>\r\nRCPT TO:<u@one.example>\r\n"

/* -- what is shown --------------------------------------------------------- */

static void
names_are_looked_up(void **state)
{
	struct world *w = *state;

	join(w, "me.example");
	say(w, RCPT);
	hear_last(w, "250 2.1.5 ");
	test_slice(slice_cstr(w->rdns), SLICE("client.example"));
	test_true(strstr(w->asked, "7.2.0.192.in-addr.arpa/12 ") != NULL);
	test_true(strstr(w->asked, "7.2.0.192.bad.example/1 ") != NULL);
	test_true(strstr(w->asked, "me.example.names.example/1 ") != NULL);
	test_case("the next mail of the session asks nobody");
	w->asked[0] = '\0';
	say(w, "RSET\r\n" RCPT);
	hear_last(w, "250 2.1.5 ");
	test_slice(slice_cstr(w->asked), SLICE(""));
	leave(w);
	test_int(w->n_asks, 1);
	test_int(w->n_gone, 1);
}

static void
the_listed_are_refused(void **state)
{
	struct world *w = *state;

	test_case("by its address, in the list's words");
	front_own(&w->front)->rules->lists.rows[0].weight = 2;
	join(w, "me.example");
	say(w, RCPT);
	hear_last(w,
	    "554 5.7.1 [192.0.2.7] is listed by bad.example; ask "
	    "postmaster@here.example about it: spam, see");
	test_int(w->n_rcpts, 0);
	test_case("who is refused may ask");
	say(w, "RCPT TO:<Postmaster@one.example>\r\n");
	hear_last(w, "250 2.1.5 ");
	leave(w);
	test_case("by the name that it gives");
	front_own(&w->front)->rules->lists.rows[0].weight = 0;
	join(w, "LIAR.example");
	say(w, RCPT);
	hear_last(w, "554 5.7.1 liar.example is listed by names.example; ");
	leave(w);
}

static void
nobody_waits_for_ever(void **state)
{
	struct world *w = *state;
	uint32_t late;

	test_case("silent: until the time is over, then unknown");
	front_own(&w->front)->rules->lists.rows[0].weight = 2;
	w->is_resolver_silent = true;
	join(w, "me.example");
	say(w, RCPT);
	late = w->ticket;
	turns(w, 120 * TIME_MS);
	hear_last(w, "250 2.1.5 ");
	test_slice(slice_cstr(w->rdns), SLICE(""));
	test_case("a late answer changes nothing");
	test_int(say_dns(&w->resolver, w->session, late, DNS_NOERROR,
		     SLICE("\x7f\0\0\2")),
	    0);
	say(w, "RCPT TO:<v@one.example>\r\n");
	hear_last(w, "250 2.1.5 ");
	leave(w);

	test_case("it goes while it is asked");
	w->settings.lookup_timeout = 10 * TIME_SECOND;
	join(w, "me.example");
	say(w, RCPT);
	hear_last(w, "250 2.1.0 ");
	channel_close(&w->resolver);
	w->has_resolver = false;
	turns(w, 10 * TIME_MS);
	hear_last(w, "250 2.1.5 ");
	leave(w);
	test_case("there is none");
	join(w, "me.example");
	say(w, RCPT);
	hear_last(w, "250 2.1.5 ");
	leave(w);

	test_case("the client goes meanwhile: noticed when it is over");
	w->settings.lookup_timeout = 50 * TIME_MS;
	give_resolver(w);
	join(w, "me.example");
	say(w, RCPT);
	(void)close(w->client);
	turns(w, 120 * TIME_MS);
	test_int(front_own(&w->front)->n_conns, 0);
	test_case("what is answered then is nobody's");
	test_int(say_dns(&w->resolver, w->session, w->ticket, DNS_NOERROR,
		     SLICE("\x7f\0\0\2")),
	    0);
	turns(w, 5 * TIME_MS);
}

static void
no_name_no_mail(void **state)
{
	struct world *w = *state;

	w->settings.require_reverse_dns = true;
	join(w, "me.example");
	say(w, RCPT);
	hear_last(w, "250 2.1.5 ");
	leave(w);
	w->is_resolver_silent = true;
	join(w, "me.example");
	say(w, RCPT);
	turns(w, 120 * TIME_MS);
	hear_last(w, "450 4.7.25 ");
	leave(w);
}

static void
the_gate(void **state)
{
	const struct wire_client_answer over = { .verdict = { 421, 4, 7, 0,
						     SLICE("too many") } };
	struct world *w = *state;

	test_case("the store has enough of its network");
	w->client_code = 421;
	come(w);
	hear_last(w, REFUSAL);
	leave(w);
	test_int(w->n_gone, 0); /* it was not counted */
	test_case("a store that says nothing: in it comes");
	w->client_code = 0;
	w->is_store_silent = true;
	come(w);
	for (int i = 0; i < 100 && w->said[0] == '\0'; i++)
		turns(w, 50 * TIME_MS), collect(w);
	hear_last(w, "220 ");
	leave(w);
	w->is_store_silent = false;
	test_case("beyond a limit while it is there");
	join(w, "me.example");
	test_int(wire_send_client_answer(&w->store, w->c->number, 0, &over), 0);
	turns(w, 5 * TIME_MS);
	say(w, "MAIL FROM:<>\r\n");
	hear_last(w, "421 4.7.0 ");
	leave(w);
	test_case("who speaks before the greeting");
	w->settings.greet_delay = 200 * TIME_MS;
	w->settings.refuse_early = true;
	come(w);
	say(w, "EHLO x.example\r\n");
	turns(w, 300 * TIME_MS);
	collect(w);
	test_true(strncmp(w->said, "554 ", 4) == 0);
	leave(w);
	come(w);
	hear_last(w, "");
	turns(w, 300 * TIME_MS);
	hear_last(w, "220 ");
	leave(w);
}

#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
TEST_MAIN(WITH(names_are_looked_up), WITH(the_listed_are_refused),
    WITH(nobody_waits_for_ever), WITH(no_name_no_mail), WITH(the_gate))
