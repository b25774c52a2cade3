/* SPDX-License-Identifier: ISC */
#include "policy/route.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/ip.h"

struct mx {
	uint32_t preference; /* of a hop, and then of its MX */
	uint16_t weight, port;
	uint8_t turn;
	struct slice host;
	const struct hop_host *hop; /* with an address; or NULL */
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

static bool
is_wanted(const struct run *run, uint8_t family)
{
	return run->in->families !=
	    (family == 4 ? ROUTE_V6_ONLY : ROUTE_V4_ONLY);
}

/* Their first one first, and the others in turn. */
static void
prefer_v4(struct route_host *host)
{
	for (size_t i = 0; i + 1 < host->n_addresses; i += 2) {
		struct route_address first = host->addresses[i];

		if (first.family != 6 || host->addresses[i + 1].family != 4)
			return;
		host->addresses[i] = host->addresses[i + 1];
		host->addresses[i + 1] = first;
	}
}

static bool
is_among(const struct ip *ip, const struct route_own *own)
{
	const struct ip_network network = { ip_of(own->address.family,
						own->address.bytes),
		own->bits > 0                  ? own->bits
		    : own->address.family == 4 ? 32
					       : 128 };

	return ip_network_has(&network, ip);
}

static bool
is_own(const struct run *run, const struct route_host *host)
{
	for (size_t i = 0; i < host->n_addresses; i++) {
		const struct route_address *a = &host->addresses[i];
		const struct ip ip = ip_of(a->family, a->bytes);

		for (size_t k = 0; k < run->in->n_own; k++)
			if (host->port == run->in->own[k].port &&
			    is_among(&ip, &run->in->own[k]))
				return true;
	}
	return false;
}

/* -- the hosts ----------------------------------------------------------------
 */

struct tally {
	bool is_waiting, has_failed, has_unwanted;
};

static void
add_resolved(struct run *run, struct route_host *host, struct tally *tally)
{
	const struct dns_answer *v6 = NULL, *v4 = NULL;
	size_t n_v6;

	if (is_wanted(run, 6) && (v6 = ask(run, host->name, DNS_AAAA)) == NULL)
		tally->is_waiting = true;
	if (is_wanted(run, 4) && (v4 = ask(run, host->name, DNS_A)) == NULL)
		tally->is_waiting = true;
	if (tally->is_waiting)
		return;
	if (v6 != NULL && !is_failed(v6))
		add_addresses(run, host, v6, 6);
	/* half of the places are IPv4's, if it needs them */
	if (v4 != NULL && !is_failed(v4) && v4->n_records > 0 &&
	    host->n_addresses > ROUTE_ADDRESSES / 2)
		host->n_addresses = ROUTE_ADDRESSES / 2;
	n_v6 = host->n_addresses;
	if (v4 != NULL && !is_failed(v4))
		add_addresses(run, host, v4, 4);
	if (host->n_addresses > 0) {
		interleave(host, n_v6);
		if (run->in->families == ROUTE_V4_FIRST)
			prefer_v4(host);
		run->route->hosts[run->route->n_hosts++] = *host;
		return;
	}
	tally->has_failed |=
	    (v4 != NULL && is_failed(v4)) || (v6 != NULL && is_failed(v6));
	tally->has_unwanted |= (v4 != NULL && v4->n_records > 0) ||
	    (v6 != NULL && v6->n_records > 0);
}

/* The operator gave its address. */
static void
add_given(struct run *run, const struct hop_host *hop, struct route_host *host,
    struct tally *tally)
{
	struct route_address *a = &host->addresses[0];

	a->family = hop->family;
	memcpy(a->bytes, hop->address, sizeof(a->bytes));
	host->is_literal = true;
	host->n_addresses = 1;
	if (route_address_is_good(a, run->in->permit_loopback))
		run->route->hosts[run->route->n_hosts++] = *host;
	else
		tally->has_unwanted = true;
}

static void
add_host(struct run *run, const struct mx *mx, struct tally *tally)
{
	struct route_host host = { .name = mx->host,
		.port = mx->port,
		.turn = mx->turn,
		.preference = (uint16_t)mx->preference };

	if (run->in->n_hops > 0)
		host.preference = (uint16_t)(mx->preference >> 16);
	if (mx->hop != NULL)
		add_given(run, mx->hop, &host, tally);
	else
		add_resolved(run, &host, tally);
}

/* RFC 5321, 5.1: when we are among the hosts, only better ones are tried. Of
 * hosts that the operator named, we alone are left out. Returns whether any
 * was. */
static bool
cut_own(struct run *run)
{
	struct route *r = run->route;
	size_t n = 0, i = 0;

	for (; i < r->n_hosts; i++) {
		if (!is_own(run, &r->hosts[i])) {
			r->hosts[n++] = r->hosts[i];
			continue;
		}
		if (run->in->n_hops > 0)
			continue;
		while (n > 0 &&
		    r->hosts[n - 1].preference == r->hosts[i].preference)
			n--;
		r->n_hosts = n;
		return true;
	}
	r->n_hosts = n;
	return n < i;
}

static enum route_need
refuse_loop(struct run *run)
{
	return refuse(run,
	    VERDICT(554, 5, 4, 6,
		"Mail for the domain comes back to this host: it is the best "
		"mail host and does not serve the domain"));
}

/* Who named hosts that cannot be reached can mend that, and the mail waits. */
static enum route_need
refuse_hops(struct run *run, const struct tally *tally, bool is_own)
{
	if (is_own)
		return refuse(run,
		    VERDICT(451, 4, 4, 6,
			"The route leads to this host itself"));
	if (tally->has_failed)
		return refuse(run,
		    VERDICT(451, 4, 4, 3,
			"DNS lookup of the route's hosts failed for now"));
	return refuse(run,
	    VERDICT(451, 4, 4, 4, "The route's hosts have no usable address"));
}

static enum route_need
resolve_hosts(struct run *run, const struct mx *mxs, size_t n)
{
	struct tally tally = { 0 };
	bool was_cut;

	run->route->hosts =
	    arena_array(run->arena, n == 0 ? 1 : n, sizeof(struct route_host));
	if (run->route->hosts == NULL)
		return ROUTE_E_MEMORY;
	for (size_t i = 0; i < n; i++)
		add_host(run, &mxs[i], &tally);
	if (tally.is_waiting)
		return ROUTE_NEED_ANSWER;
	was_cut = cut_own(run);
	if (run->route->n_hosts > 0)
		return ROUTE_DONE;
	if (run->in->n_hops > 0)
		return refuse_hops(run, &tally, was_cut);
	if (was_cut)
		return refuse_loop(run);
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

/* By preference; a name that is there twice keeps its best. */
static size_t
insert_mx(struct mx *mxs, size_t n, const struct mx *mx)
{
	size_t i;

	for (size_t k = 0; k < n; k++) {
		if (!slice_equal_nocase(mxs[k].host, mx->host) ||
		    mxs[k].port != mx->port)
			continue;
		if (mxs[k].preference <= mx->preference)
			return n;
		memmove(&mxs[k], &mxs[k + 1], (--n - k) * sizeof(*mxs));
		break;
	}
	for (i = n; i > 0 && mx->preference < mxs[i - 1].preference; i--)
		mxs[i] = mxs[i - 1];
	mxs[i] = *mx;
	return n + 1;
}

/* One of those from `at` on that are equally good, as often as it weighs. */
static size_t
draw(const struct mx *mxs, size_t n, size_t at, uint64_t number)
{
	uint64_t total = 0;
	size_t i;

	for (i = at; i < n && mxs[i].preference == mxs[at].preference; i++)
		total += mxs[i].weight;
	number %= total;
	for (i = at; number >= mxs[i].weight; i++)
		number -= mxs[i].weight;
	return i;
}

static void
shuffle(const struct run *run, struct mx *mxs, size_t n)
{
	for (size_t at = 0; at < n; at++) {
		size_t i = draw(mxs, n, at, shuffle_key(run->in->seed, at));
		struct mx drawn = mxs[i];

		memmove(&mxs[at + 1], &mxs[at], (i - at) * sizeof(*mxs));
		mxs[at] = drawn;
	}
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
		struct mx mx = { .weight = 1, .port = run->in->port };
		uint16_t preference;

		if (!dns_mx_parse(got->records[i], &preference, host))
			continue;
		mx.preference = preference;
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
	shuffle(run, mxs, n);
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
	struct mx mx = {
		.host = run->in->domain, .weight = 1, .port = run->in->port
	};
	enum route_need need;

	if (slice_equal_nocase(run->in->domain, run->in->hostname))
		return refuse_loop(run);
	need = resolve_hosts(run, &mx, 1);
	if (need == ROUTE_DONE && run->route->n_hosts == 0 &&
	    verdict_is_permanent(&run->route->verdict) &&
	    run->route->verdict.esc.detail != 6)
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
	host->port = run->in->port;
	host->is_literal = true;
	if (is_own(run, host))
		return refuse_loop(run);
	run->route->hosts = host;
	run->route->n_hosts = 1;
	return ROUTE_DONE;
}

/* -- hosts that the operator named --------------------------------------------
 */

struct hop_list {
	struct mx *mxs;
	size_t n;
	bool is_waiting;
};

static void
add_hop(struct hop_list *l, const struct mx *base, struct slice host,
    uint16_t preference)
{
	struct mx mx = *base;

	mx.host = host;
	mx.preference |= preference;
	l->n = insert_mx(l->mxs, l->n, &mx);
}

/* The mail hosts of that name; where it has none, or they are not to be had,
 * the name itself. */
static enum route_need
add_hop_mxs(struct run *run, struct hop_list *l, const struct mx *base)
{
	const struct dns_answer *got = ask(run, base->host, DNS_MX);
	struct mx *mxs;
	size_t n = 0;
	bool is_null;

	if (got == NULL) {
		l->is_waiting = true;
		return ROUTE_DONE;
	}
	mxs = arena_array(run->arena, got->n_records + 1, sizeof(*mxs));
	if (mxs == NULL || sort_mxs(run, got, mxs, &n, &is_null) != ROUTE_DONE)
		return ROUTE_E_MEMORY;
	for (size_t i = 0; i < n && i < LIMIT_MX_HOSTS; i++)
		add_hop(l, base, mxs[i].host, (uint16_t)mxs[i].preference);
	if (n == 0)
		add_hop(l, base, base->host, 0);
	return ROUTE_DONE;
}

/* Those of the hop whose turn it is, in their order. */
static void
put_first(struct mx *mxs, size_t n, uint8_t turn)
{
	size_t n_first = 0;

	for (size_t i = 0; turn != 0 && i < n; i++) {
		struct mx mx = mxs[i];

		if (mx.turn != turn)
			continue;
		memmove(&mxs[n_first + 1], &mxs[n_first],
		    (i - n_first) * sizeof(*mxs));
		mxs[n_first++] = mx;
	}
}

static enum route_need
decide_hops(struct run *run)
{
	const struct route_input *in = run->in;
	struct hop_list l = { .mxs = arena_array(run->arena,
				  in->n_hops * LIMIT_MX_HOSTS,
				  sizeof(struct mx)) };
	enum route_need need = ROUTE_DONE;

	if (l.mxs == NULL)
		return ROUTE_E_MEMORY;
	for (size_t i = 0; i < in->n_hops && need == ROUTE_DONE; i++) {
		const struct hop_host *h = &in->hops[i];
		struct mx mx = { .host = h->name,
			.weight = h->weight,
			.port = h->port != 0 ? h->port : in->port,
			.preference = (uint32_t)h->preference << 16,
			.turn = (uint8_t)(i + 1),
			.hop = h->family != 0 ? h : NULL };

		if (h->uses_mx)
			need = add_hop_mxs(run, &l, &mx);
		else
			add_hop(&l, &mx, h->name, 0);
	}
	if (need != ROUTE_DONE || l.is_waiting)
		return need == ROUTE_DONE ? ROUTE_NEED_ANSWER : need;
	shuffle(run, l.mxs, l.n);
	put_first(l.mxs, l.n, in->first);
	return resolve_hosts(run, l.mxs,
	    l.n < LIMIT_MX_HOSTS ? l.n : LIMIT_MX_HOSTS);
}

static enum route_need
decide(struct run *run)
{
	const struct dns_answer *got;

	if (run->in->n_hops > 0)
		return decide_hops(run);
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

/* -- which hosts these are ------------------------------------------------- */

/* FNV-1a. */
static uint64_t
hash_text(uint64_t h, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		h = (h ^ ascii_lower(text.at[i])) * UINT64_C(0x100000001b3);
	return h;
}

/* Sums are the same in any order. */
uint64_t
route_set(const struct route *r, struct slice hop)
{
	const uint64_t basis = UINT64_C(0xcbf29ce484222325);
	uint64_t sum = hash_text(basis, hop);

	for (size_t i = 0; i < r->n_hosts; i++) {
		const uint8_t port[2] = { (uint8_t)(r->hosts[i].port >> 8),
			(uint8_t)r->hosts[i].port };
		uint64_t h = hash_text(basis, slice_of(port, sizeof(port)));

		h = hash_text(h, r->hosts[i].name);
		sum += h ^ h >> 29;
	}
	return sum == 0 ? 1 : sum;
}

uint64_t
route_hops_key(struct slice name, const struct hop_host *hops, size_t n)
{
	uint64_t h = hash_text(UINT64_C(0xcbf29ce484222325), name);

	for (size_t i = 0; i < n; i++) {
		const uint16_t of[] = { hops[i].port, hops[i].weight,
			hops[i].preference, hops[i].uses_mx };

		h = hash_text(h, hops[i].name);
		for (size_t k = 0; k < sizeof(of) / sizeof(of[0]); k++)
			h = (h ^ of[k]) * UINT64_C(0x100000001b3);
	}
	return h == 0 ? 1 : h;
}
