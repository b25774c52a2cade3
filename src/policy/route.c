/* SPDX-License-Identifier: ISC */
#include "policy/route.h"

#include <arpa/inet.h>
#include <string.h>

struct mx {
	uint16_t preference;
	uint64_t shuffle;
	struct slice host;
};

struct run {
	const struct route_input *in;
	const struct route_answer *answers;
	size_t n_answers;
	struct arena *arena;
	struct route_question *questions;
	size_t n_questions;
	struct route *route;
};

/* -- answers so far -----------------------------------------------------------
 */

/* NULL, and the question noted, when it was not asked yet. */
static const struct dns_answer *
ask(struct run *run, struct slice name, uint16_t type)
{
	for (size_t i = 0; i < run->n_answers; i++)
		if (run->answers[i].question.type == type &&
		    slice_equal_nocase(run->answers[i].question.name, name))
			return &run->answers[i].answer;
	for (size_t i = 0; i < run->n_questions; i++)
		if (run->questions[i].type == type &&
		    slice_equal_nocase(run->questions[i].name, name))
			return NULL;
	if (run->n_questions < ROUTE_QUESTIONS)
		run->questions[run->n_questions++] =
		    (struct route_question){ name, type };
	return NULL;
}

static bool
is_failed(const struct dns_answer *a)
{
	return a->is_bogus ||
	    (a->rcode != DNS_NOERROR && a->rcode != DNS_NXDOMAIN);
}

static enum route_need
refuse(struct run *run, struct verdict verdict)
{
	run->route->n_hosts = 0;
	run->route->verdict = verdict;
	return ROUTE_DONE;
}

static enum route_need
refuse_failed(struct run *run, const struct dns_answer *a)
{
	return refuse(run,
	    a->is_bogus
		? VERDICT(451, 4, 7, 5, "DNS answer fails DNSSEC validation")
		: VERDICT(451, 4, 4, 3, "DNS lookup failed for now"));
}

/* -- addresses ----------------------------------------------------------------
 */

static bool
is_all(const uint8_t *at, size_t n, uint8_t byte)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != byte)
			return false;
	return true;
}

static bool
is_good_v4(const uint8_t *at, bool permit_loopback)
{
	if (at[0] == 127)
		return permit_loopback;
	return at[0] != 0 && at[0] < 224; /* 224/4 and above: nobody's */
}

/* A mapped IPv4 address would be a second name for a forbidden one. */
static bool
is_good_v6(const uint8_t *at, bool permit_loopback)
{
	if (is_all(at, 15, 0) && at[15] <= 1)
		return at[15] == 1 && permit_loopback;
	if (is_all(at, 10, 0) && is_all(at + 10, 2, 0xff))
		return false;
	if (is_all(at, 12, 0))
		return false;
	return at[0] != 0xff && !(at[0] == 0xfe && (at[1] & 0xc0) == 0x80);
}

bool
route_address_is_good(const struct route_address *a, bool permit_loopback)
{
	return a->family == 4 ? is_good_v4(a->bytes, permit_loopback)
			      : is_good_v6(a->bytes, permit_loopback);
}

bool
route_literal_parse(struct slice domain, struct route_address *ret)
{
	struct route_address a = { .family = 4 };
	char text[64];

	if (!slice_skip_byte(&domain, '[') || domain.len == 0 ||
	    domain.at[domain.len - 1] != ']')
		return false;
	domain.len--;
	if (slice_skip_nocase(&domain, SLICE("IPv6:")))
		a.family = 6;
	if (slice_find_byte(domain, '\0') != SIZE_MAX ||
	    !slice_to_cstr(domain, text, sizeof(text)) ||
	    inet_pton(a.family == 4 ? AF_INET : AF_INET6, text, a.bytes) != 1)
		return false;
	*ret = a;
	return true;
}

static void
add_addresses(struct run *run, struct route_host *host,
    const struct dns_answer *got, uint8_t family)
{
	size_t len = family == 4 ? 4 : 16;

	for (size_t i = 0; i < got->n_records; i++) {
		struct route_address a = { .family = family };

		if (got->records[i].len != len ||
		    host->n_addresses == ROUTE_ADDRESSES)
			continue;
		memcpy(a.bytes, got->records[i].at, len);
		if (route_address_is_good(&a, run->in->permit_loopback))
			host->addresses[host->n_addresses++] = a;
	}
}

/* IPv6 and IPv4 in turn, so that a broken one of them costs one time-out. */
static void
interleave(struct route_host *host, size_t n_v6)
{
	struct route_address mixed[ROUTE_ADDRESSES];
	size_t v6 = 0, v4 = n_v6, n = 0;

	while (n < host->n_addresses) {
		if (v6 < n_v6)
			mixed[n++] = host->addresses[v6++];
		if (v4 < host->n_addresses)
			mixed[n++] = host->addresses[v4++];
	}
	memcpy(host->addresses, mixed, n * sizeof(mixed[0]));
}

/* -- the hosts ----------------------------------------------------------------
 */

struct tally {
	bool is_waiting, has_failed, has_unwanted;
};

static void
add_host(struct run *run, const struct mx *mx, struct tally *tally)
{
	const struct dns_answer *v6 = ask(run, mx->host, DNS_AAAA);
	const struct dns_answer *v4 = ask(run, mx->host, DNS_A);
	struct route_host host = { .name = mx->host,
		.preference = mx->preference };
	size_t n_v6;

	if (v6 == NULL || v4 == NULL) {
		tally->is_waiting = true;
		return;
	}
	if (!is_failed(v6))
		add_addresses(run, &host, v6, 6);
	/* half of the places are IPv4's, if it needs them */
	if (!is_failed(v4) && v4->n_records > 0 &&
	    host.n_addresses > ROUTE_ADDRESSES / 2)
		host.n_addresses = ROUTE_ADDRESSES / 2;
	n_v6 = host.n_addresses;
	if (!is_failed(v4))
		add_addresses(run, &host, v4, 4);
	if (host.n_addresses > 0) {
		interleave(&host, n_v6);
		run->route->hosts[run->route->n_hosts++] = host;
		return;
	}
	tally->has_failed |= is_failed(v4) || is_failed(v6);
	tally->has_unwanted |= v4->n_records > 0 || v6->n_records > 0;
}

static enum route_need
resolve_hosts(struct run *run, const struct mx *mxs, size_t n)
{
	struct tally tally = { 0 };

	run->route->hosts =
	    arena_array(run->arena, n == 0 ? 1 : n, sizeof(struct route_host));
	if (run->route->hosts == NULL)
		return ROUTE_E_MEMORY;
	for (size_t i = 0; i < n; i++)
		add_host(run, &mxs[i], &tally);
	if (tally.is_waiting)
		return ROUTE_NEED_ANSWER;
	if (run->route->n_hosts > 0)
		return ROUTE_DONE;
	if (tally.has_failed)
		return refuse(run,
		    VERDICT(451, 4, 4, 3,
			"DNS lookup of the mail hosts failed for now"));
	if (tally.has_unwanted)
		return refuse(run,
		    VERDICT(550, 5, 4, 4,
			"The domain's mail hosts have no usable address"));
	return refuse(run,
	    VERDICT(550, 5, 4, 4, "The domain's mail hosts have no address"));
}

/* xorshift on seed and index: a fixed order for a fixed seed */
static uint64_t
shuffle_key(uint64_t seed, size_t i)
{
	uint64_t x = seed ^ (0x9e3779b97f4a7c15u * (i + 1));

	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static bool
is_before(const struct mx *a, const struct mx *b)
{
	if (a->preference != b->preference)
		return a->preference < b->preference;
	return a->shuffle < b->shuffle;
}

static size_t
insert_mx(struct mx *mxs, size_t n, const struct mx *mx)
{
	size_t i = n;

	for (size_t k = 0; k < n; k++)
		if (slice_equal(mxs[k].host, mx->host))
			return n; /* the same host twice: one try */
	for (; i > 0 && is_before(mx, &mxs[i - 1]); i--)
		mxs[i] = mxs[i - 1];
	mxs[i] = *mx;
	return n + 1;
}

/* Fills mxs in order; ret_is_null: "MX 0 ." stands there (RFC 7505). */
static enum route_need
sort_mxs(struct run *run, const struct dns_answer *got, struct mx *mxs,
    size_t *ret_n, bool *ret_is_null)
{
	char host[DNS_NAME_TEXT];
	size_t n = 0;

	*ret_is_null = false;
	for (size_t i = 0; i < got->n_records; i++) {
		struct mx mx = { .shuffle = shuffle_key(run->in->seed, i) };

		if (!dns_mx_parse(got->records[i], &mx.preference, host))
			continue;
		if (host[0] == '\0') {
			*ret_is_null = true;
			continue;
		}
		if (!dns_name_is_valid(slice_cstr(host)))
			continue;
		if (!arena_copy(run->arena, slice_cstr(host), &mx.host))
			return ROUTE_E_MEMORY;
		n = insert_mx(mxs, n, &mx);
	}
	*ret_n = n;
	return ROUTE_DONE;
}

/* RFC 5321, 5.1: when we are among the hosts, only better ones are tried;
 * otherwise mail could go round between us and them for ever. */
static size_t
cut_at_ourselves(const struct run *run, const struct mx *mxs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!slice_equal_nocase(mxs[i].host, run->in->hostname))
			continue;
		while (i > 0 && mxs[i - 1].preference == mxs[i].preference)
			i--;
		return i;
	}
	return n;
}

static enum route_need
refuse_loop(struct run *run)
{
	return refuse(run,
	    VERDICT(554, 5, 4, 6,
		"Mail for the domain comes back to this host: it is the best "
		"mail host and does not serve the domain"));
}

static enum route_need
decide_mx(struct run *run, const struct dns_answer *got)
{
	struct mx *mxs = arena_array(run->arena, got->n_records, sizeof(*mxs));
	size_t n, n_left;
	bool is_null;

	if (mxs == NULL || sort_mxs(run, got, mxs, &n, &is_null) != ROUTE_DONE)
		return ROUTE_E_MEMORY;
	if (n == 0 && is_null)
		return refuse(run,
		    VERDICT(556, 5, 1, 10,
			"The domain accepts no mail (null MX)"));
	if (n == 0)
		return refuse(run,
		    VERDICT(550, 5, 4, 4,
			"The domain's MX records name no valid host"));
	n_left = cut_at_ourselves(run, mxs, n);
	if (n_left == 0)
		return refuse_loop(run);
	return resolve_hosts(run, mxs,
	    n_left < LIMIT_MX_HOSTS ? n_left : LIMIT_MX_HOSTS);
}

/* No MX record: the domain's own address is its mail host, preference 0. */
static enum route_need
decide_implicit(struct run *run)
{
	struct mx mx = { .host = run->in->domain };
	enum route_need need;

	if (slice_equal_nocase(run->in->domain, run->in->hostname))
		return refuse_loop(run);
	need = resolve_hosts(run, &mx, 1);
	if (need == ROUTE_DONE && run->route->n_hosts == 0 &&
	    verdict_is_permanent(&run->route->verdict))
		run->route->verdict = VERDICT(550, 5, 1, 2,
		    "The domain has neither MX nor usable address records");
	return need;
}

static enum route_need
decide_literal(struct run *run)
{
	struct route_host *host = arena_alloc(run->arena, sizeof(*host));

	if (host == NULL)
		return ROUTE_E_MEMORY;
	if (!route_literal_parse(run->in->domain, &host->addresses[0]))
		return refuse(run,
		    VERDICT(550, 5, 1, 2,
			"The address literal is not understood"));
	if (!route_address_is_good(&host->addresses[0],
		run->in->permit_loopback))
		return refuse(run,
		    VERDICT(550, 5, 4, 4,
			"Mail is not carried to that address"));
	host->n_addresses = 1;
	host->name = run->in->domain;
	run->route->hosts = host;
	run->route->n_hosts = 1;
	run->route->is_literal = true;
	return ROUTE_DONE;
}

static enum route_need
decide(struct run *run)
{
	const struct dns_answer *got;

	if (run->in->domain.len > 0 && run->in->domain.at[0] == '[')
		return decide_literal(run);
	if (!dns_name_is_valid(run->in->domain))
		return refuse(run,
		    VERDICT(550, 5, 1, 2,
			"The domain is not a valid host name"));
	got = ask(run, run->in->domain, DNS_MX);
	if (got == NULL)
		return ROUTE_NEED_ANSWER;
	if (is_failed(got))
		return refuse_failed(run, got);
	if (got->rcode == DNS_NXDOMAIN)
		return refuse(run,
		    VERDICT(550, 5, 1, 2, "The domain does not exist"));
	if (got->n_records > 0)
		return decide_mx(run, got);
	return decide_implicit(run);
}

enum route_need
route_decide(const struct route_input *in, const struct route_answer *answers,
    size_t n_answers, struct arena *arena,
    struct route_question questions[ROUTE_QUESTIONS], size_t *ret_n_questions,
    struct route *ret)
{
	struct route route = { 0 };
	struct run run = { in, answers, n_answers, arena, questions, 0,
		&route };
	enum route_need need = decide(&run);

	*ret_n_questions = need == ROUTE_NEED_ANSWER ? run.n_questions : 0;
	if (need == ROUTE_DONE)
		*ret = route;
	return need;
}
