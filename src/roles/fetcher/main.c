/* SPDX-License-Identifier: ISC */
/*
 * roles/fetcher - fetches by HTTPS what others publish about their mail
 *
 * Talks to: couriers and control (STS_ASK), a resolver (DNS_ASK), the store,
 * which keeps the policies (STS_KEEP, STS_CACHED), and web servers anywhere.
 *
 * May touch: outbound sockets; at its start libcurl and the file of
 * authorities.
 *
 * If it is taken over: whoever has it can say that a domain has no policy, or
 * a false one, so that its mail goes unprotected or waits; he sees domain
 * names and no mail.
 *
 * If it dies: couriers ask its successor, which has from the store what was
 * kept; until then what must ask waits.
 *
 * Limits: FETCHER_LOOKUPS, FETCHER_FETCHES, LIMIT_STS_DOMAINS.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "roles/fetcher/fetcher.h"

enum {
	AUTHORITIES_MAX = 4 * 1024 * 1024
};

/* -- what arrives
 * ---------------------------------------------------------------------- */

static void
answer_nothing(struct channel *c, const struct wire_head *h)
{
	const struct wire_sts_answer none = { 0 };

	(void)wire_send_sts_answer(c, h->session, h->ticket, &none);
}

static int
on_sts_ask(struct channel *c, const struct wire_head *h,
    const struct wire_sts_ask *m)
{
	struct fetcher *f = c->ctx;
	struct domain *d;

	if (!dns_name_is_valid(m->domain)) { /* nobody can publish there */
		answer_nothing(c, h);
		return 0;
	}
	d = domain_get(f, m->domain);
	if (d == NULL)
		return ERR_ORIGIN(-ENOMEM);
	domain_ask(d, c, h->session, h->ticket);
	return 0;
}

static int
on_dns_answer(struct channel *c, const struct wire_head *h,
    const struct wire_dns_answer *m)
{
	struct fetcher *f = c->ctx;
	struct domain *d = map_get_number(&f->lookups, h->session);

	struct job *j = map_get_number(&f->jobs, h->session);

	if (d != NULL)
		domain_on_dns(d, h->ticket, m);
	else if (j != NULL)
		job_on_dns(j, h->ticket, m);
	return 0;
}

static int
on_sts_cached(struct channel *c, const struct wire_head *h,
    const struct wire_sts_cached *m)
{
	struct fetcher *f = c->ctx;
	struct domain *d;

	(void)h;
	if (!dns_name_is_valid(m->domain))
		return 0;
	d = domain_get(f, m->domain);
	if (d != NULL)
		domain_load(d, m);
	return 0;
}

/* A domain that begins to look may end at once, and with it its place. */
static void
look_at_those_who_wait(struct fetcher *f)
{
	LIST_FOREACH_SAFE (it, tmp, &f->used) {
		struct domain *d = LIST_ENTRY(it, struct domain, link);

		if (!list_is_empty(&d->waiters))
			domain_look(d);
	}
}

static int
on_sts_cached_end(struct channel *c, const struct wire_head *h,
    const struct wire_sts_cached_end *m)
{
	struct fetcher *f = c->ctx;

	(void)h;
	(void)m;
	f->is_loaded = true;
	env_log(f->env, ENV_DEBUG, "sts-loaded", "policies=%zu", f->n_policies);
	look_at_those_who_wait(f);
	return 0;
}

static int
on_sts_refresh(struct channel *c, const struct wire_head *h,
    const struct wire_sts_refresh *m)
{
	struct fetcher *f = c->ctx;
	struct domain *d;

	(void)h;
	if (!dns_name_is_valid(m->domain))
		return 0;
	d = domain_get(f, m->domain);
	if (d == NULL)
		return 0;
	d->is_forced = true;
	domain_look(d);
	return 0;
}

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	static const struct wire_fetcher_handlers handlers = {
		.sts_ask = on_sts_ask,
		.dns_answer = on_dns_answer,
		.sts_cached = on_sts_cached,
		.sts_cached_end = on_sts_cached_end,
		.sts_refresh = on_sts_refresh,
		.rua_ask = on_rua_ask,
		.report_post = on_report_post,
	};

	return wire_dispatch_fetcher(&handlers, c, c->peer, h, payload, fd);
}

/* -- channels
 * -----------------------------------------------------------------------------
 */

static struct domain *
who_asks_the_resolver(struct fetcher *f)
{
	struct domain *d;
	size_t at = 0;

	while ((d = map_next(&f->lookups, &at)) != NULL)
		if (d->stage == DOMAIN_TXT || d->stage == DOMAIN_ADDRESSES)
			return d;
	return NULL;
}

/* Each ends its look, and others that were pending may end theirs with it: so
 * no walk of the map goes on behind one. */
static void
resolver_lost(struct fetcher *f)
{
	struct domain *d;

	f->resolver = NULL;
	while ((d = who_asks_the_resolver(f)) != NULL)
		domain_on_resolver_lost(d);
	jobs_on_resolver_lost(f);
}

static void
asker_lost(struct fetcher *f, const struct channel *c)
{
	LIST_FOREACH_SAFE (it, tmp, &f->used)
		domain_forget(LIST_ENTRY(it, struct domain, link), c);
}

static void
on_channel_closed(struct channel *c)
{
	struct fetcher *f = c->ctx;

	if (c == f->store) {
		f->store = NULL;
		jobs_drop(f);
	} else if (c == f->resolver)
		resolver_lost(f);
	else
		asker_lost(f, c);
	list_remove(&c->link);
	channel_close(c);
	free(c);
}

static const struct channel_ops channel_ops = {
	.dispatch = dispatch,
	.on_closed = on_channel_closed,
};

static void
fetcher_on_peer(struct role *role, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct fetcher *f = role->ctx;
	struct channel *c = calloc(1, sizeof(*c));
	struct channel **place = peer == WIRE_STORE ? &f->store
	    : peer == WIRE_RESOLVER                 ? &f->resolver
						    : NULL;

	if (c == NULL || purpose != PEER_CHANNEL) {
		free(c);
		env_close(role->env, fd, false);
		return;
	}
	list_init(&c->link);
	if (place != NULL && *place != NULL)
		on_channel_closed(*place); /* its end was not seen yet */
	if (channel_open(c, role->env, f, fd, WIRE_FETCHER, peer, instance,
		&channel_ops) < 0) {
		free(c);
		return;
	}
	list_add_last(&f->peers, &c->link);
	if (place != NULL)
		*place = c;
}

/* -- policies that nobody asks for
 * ------------------------------------------------------ */

/* RFC 8461, 3.3: a policy is fetched again before it ends, so that who blocks
 * one fetch gains nothing. What is over goes. */
static void
on_tick(struct env_timer *t)
{
	struct fetcher *f = LIST_ENTRY(t, struct fetcher, tick);
	int64_t wall = env_wall(f->env), now = env_now(f->env);
	unsigned n = 0;

	LIST_FOREACH_SAFE (it, tmp, &f->used) {
		struct domain *d = LIST_ENTRY(it, struct domain, link);

		if (d->stage != DOMAIN_IDLE)
			continue;
		if (d->state.has_policy && d->mode != STS_NONE &&
		    sts_wants_refresh(&d->state, wall) &&
		    n < FETCHER_REFRESHES &&
		    (d->looked == 0 || now - d->looked > TIME_HOUR)) {
			d->looked = now;
			n++;
			domain_look(d);
		} else if (!sts_is_valid(&d->state, wall)) {
			domain_forget(d, NULL); /* goes when of no use */
		}
	}
	(void)env_timer_set(f->env, t, now + FETCHER_TICK);
}

/* -- the role
 * ----------------------------------------------------------------------------
 */

static void
open_https(struct fetcher *f)
{
	const char *path = f->settings->outbound_authorities;
	uint8_t *pem = malloc(AUTHORITIES_MAX);
	size_t len = 0;
	int r = 0;

	f->why_not = "out of memory";
	if (pem == NULL)
		return;
	if (path[0] != '\0')
		r = role_read_file(f->env, path, pem, AUTHORITIES_MAX, &len);
	if (r == 0)
		r = https_new(f->env, slice_of(pem, len), &f->https,
		    &f->why_not);
	else
		f->why_not = "outbound.authorities cannot be read";
	if (r < 0)
		env_log(f->env, ENV_WARN, "no-https", "why=\"%s\"", f->why_not);
	else if (https_n_authorities(f->https) == 0)
		env_log(f->env, ENV_WARN, "no-authorities", "file=%s", path);
	free(pem);
}

static int
fetcher_prepare(struct role *role)
{
	struct fetcher *f = role->ctx;
	uint8_t seed[MAP_SEED];

	f->role = role;
	f->env = role->env;
	f->settings = role->settings;
	list_init(&f->peers);
	list_init(&f->used);
	list_init(&f->pending);
	env_random(f->env, seed, sizeof(seed));
	map_init(&f->domains, seed);
	map_init(&f->lookups, seed);
	map_init(&f->jobs, seed);
	open_https(f);
	f->tick.fire = on_tick;
	return ERR_TRACE(env_timer_set(f->env, &f->tick,
	    env_now(f->env) + FETCHER_TICK));
}

static void
fetcher_deinit(struct role *role)
{
	struct fetcher *f = role->ctx;

	while (!list_is_empty(&f->used))
		domain_free(LIST_ENTRY(f->used.next, struct domain, link));
	while (!list_is_empty(&f->peers))
		on_channel_closed(LIST_ENTRY(f->peers.next, struct channel,
		    link));
	jobs_drop(f);
	env_timer_stop(f->env, &f->tick);
	https_free(f->https);
	map_deinit(&f->domains);
	map_deinit(&f->lookups);
	map_deinit(&f->jobs);
}

int
role_fetcher(struct env *env, const struct settings *s, int supervisor_fd)
{
	static const struct role_ops ops = {
		.self = WIRE_FETCHER,
		.prepare = fetcher_prepare,
		.on_peer = fetcher_on_peer,
		.deinit = fetcher_deinit,
	};
	struct fetcher f = { 0 };

	return role_run(env, s, supervisor_fd, &ops, &f);
}
