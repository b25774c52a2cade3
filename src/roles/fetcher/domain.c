/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/fetcher/fetcher.h"

/* -- what is known
 * ---------------------------------------------------------------------- */

struct domain *
domain_get(struct fetcher *f, struct slice name)
{
	char lower[DNS_NAME_TEXT];
	struct domain *d;

	if (!slice_to_cstr(name, lower, sizeof(lower)))
		return NULL;
	for (char *c = lower; *c != '\0'; c++)
		*c = (char)ascii_lower((uint8_t)*c);
	d = map_get(&f->domains, slice_cstr(lower));
	if (d != NULL) {
		list_remove(&d->link);
		list_add_last(&f->used, &d->link);
		return d;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->fetcher = f;
	list_init(&d->waiters);
	list_init(&d->queue);
	memcpy(d->name, lower, sizeof(lower));
	if (map_put(&f->domains, slice_cstr(d->name), d) < 0) {
		free(d);
		return NULL;
	}
	list_add_last(&f->used, &d->link);
	return d;
}

static void
drop_policy(struct domain *d)
{
	if (d->state.has_policy)
		d->fetcher->n_policies--;
	d->state.has_policy = false;
	free(d->mx);
	d->mx = NULL;
	d->mode = STS_NONE;
}

static void
leave_stage(struct domain *d)
{
	struct fetcher *f = d->fetcher;
	bool was_fetching =
	    d->stage == DOMAIN_ADDRESSES || d->stage == DOMAIN_HTTPS;

	https_forget(&d->request);
	list_remove(&d->queue);
	list_init(&d->queue);
	if (d->stage != DOMAIN_IDLE)
		(void)map_take_number(&f->lookups, d->lookup);
	d->stage = DOMAIN_IDLE;
	d->tickets[0] = d->tickets[1] = 0;
	d->n_missing = 0;
	d->is_forced = false;
	if (was_fetching)
		f->n_fetches--;
}

void
domain_free(struct domain *d)
{
	struct fetcher *f = d->fetcher;
	struct list *link;

	leave_stage(d);
	drop_policy(d);
	while ((link = list_take_first(&d->waiters)) != NULL)
		free(LIST_ENTRY(link, struct waiter, link));
	env_timer_stop(f->env, &d->patience);
	(void)map_take(&f->domains, slice_cstr(d->name));
	list_remove(&d->link);
	free(d);
}

/* Name servers that say nothing to such a question must not hold up each mail
 * for their domains. */
static bool
is_silent(const struct domain *d)
{
	return d->silent != 0 &&
	    env_now(d->fetcher->env) < d->silent + FETCHER_SILENCE;
}

static bool
is_of_use(const struct domain *d, int64_t now)
{
	return d->stage != DOMAIN_IDLE || !list_is_empty(&d->waiters) ||
	    sts_is_valid(&d->state, now) || is_silent(d) ||
	    (d->state.has_failed && now < d->state.failed + STS_AGAIN &&
		d->fetcher->domains.n < FETCHER_DOMAINS);
}

static void
tell_store(const struct domain *d, bool is_gone)
{
	struct wire_sts_keep m = { .domain = slice_cstr(d->name),
		.is_gone = is_gone,
		.mode = (uint8_t)d->mode,
		.mx = slice_cstr(d->mx),
		.id = slice_cstr(d->state.id),
		.fetched = d->state.fetched,
		.max_age = d->state.max_age };

	if (d->fetcher->store != NULL)
		(void)wire_send_sts_keep(d->fetcher->store, 0, 0, &m);
}

/* Afterwards the domain may be gone. */
static void
settle(struct domain *d)
{
	if (is_of_use(d, env_wall(d->fetcher->env)))
		return;
	if (d->state.has_policy)
		tell_store(d, true);
	domain_free(d);
}

/* The one used longest ago makes room. */
static void
make_room(struct fetcher *f, const struct domain *keep)
{
	LIST_FOREACH_SAFE (it, tmp, &f->used) {
		struct domain *d = LIST_ENTRY(it, struct domain, link);

		if (f->n_policies < LIMIT_STS_DOMAINS)
			return;
		if (d == keep || !d->state.has_policy)
			continue;
		tell_store(d, true);
		drop_policy(d);
		settle(d);
	}
}

static bool
set_policy(struct domain *d, enum sts_mode mode, struct slice mx,
    struct slice id, int64_t fetched, uint32_t max_age)
{
	char *copy = malloc(mx.len + 1);

	if (copy == NULL)
		return false;
	(void)slice_to_cstr(mx, copy, mx.len + 1);
	drop_policy(d);
	make_room(d->fetcher, d);
	d->mx = copy;
	d->mode = mode;
	d->state.has_policy = true;
	(void)slice_to_cstr(id, d->state.id, sizeof(d->state.id));
	d->state.fetched = fetched;
	d->state.max_age = max_age;
	d->fetcher->n_policies++;
	return true;
}

/* The store's word is checked like a stranger's: a policy is a demand. */
void
domain_load(struct domain *d, const struct wire_sts_cached *m)
{
	bool is_good = m->mode <= STS_ENFORCE && m->max_age <= STS_MAX_AGE &&
	    sts_mx_is_valid(m->mx);

	if (is_good && !d->state.has_policy)
		(void)set_policy(d, m->mode, m->mx, m->id, m->fetched,
		    m->max_age);
	if (d->state.has_policy &&
	    !sts_is_valid(&d->state, env_wall(d->fetcher->env))) {
		tell_store(d, true);
		drop_policy(d);
	}
	settle(d);
}

/* -- who waits
 * -------------------------------------------------------------------------- */

static void
answer(const struct domain *d, const struct waiter *w)
{
	bool is_valid = sts_is_valid(&d->state, env_wall(d->fetcher->env));
	struct wire_sts_answer m = { .result = d->txt == STS_TXT_ID || is_valid
		    ? (uint8_t)d->result
		    : (uint8_t)STS_RESULT_OK };

	if (is_valid) {
		m.mode = (uint8_t)d->mode;
		m.mx = slice_cstr(d->mx);
		m.id = slice_cstr(d->state.id);
		m.fetched = d->state.fetched;
		m.max_age = d->state.max_age;
	}
	if (m.result != STS_RESULT_OK)
		m.why = slice_cstr(d->why);
	(void)wire_send_sts_answer(w->channel, w->session, w->ticket, &m);
}

static void
answer_all(struct domain *d)
{
	struct list *link;

	env_timer_stop(d->fetcher->env, &d->patience);
	while ((link = list_take_first(&d->waiters)) != NULL) {
		struct waiter *w = LIST_ENTRY(link, struct waiter, link);

		answer(d, w);
		free(w);
	}
}

static void on_impatient(struct env_timer *t);

static void
wait_until(struct domain *d, int64_t when)
{
	d->patience.fire = on_impatient;
	(void)env_timer_set(d->fetcher->env, &d->patience, when);
}

/* They go on with what there is; the look goes on, too. Before the store has
 * told what was kept nothing is known, and nothing may be said. */
static void
on_impatient(struct env_timer *t)
{
	struct domain *d = LIST_ENTRY(t, struct domain, patience);
	struct fetcher *f = d->fetcher;
	int64_t now = env_now(f->env);

	if (!f->is_loaded) {
		wait_until(d, now + TIME_SECOND);
		return;
	}
	if (d->stage == DOMAIN_TXT) {
		d->silent = now;
	} else if (now < d->asked + f->settings->mta_sts_wait) {
		wait_until(d, d->asked + f->settings->mta_sts_wait);
		return;
	} else {
		d->result = STS_RESULT_FETCH;
		(void)snprintf(d->why, sizeof(d->why),
		    "the policy has not come in time");
	}
	answer_all(d);
	settle(d);
}

void
domain_ask(struct domain *d, struct channel *c, uint64_t session,
    uint32_t ticket)
{
	struct fetcher *f = d->fetcher;
	struct waiter *w = calloc(1, sizeof(*w));

	if (w == NULL) { /* silence: the asker has a limit of its own */
		settle(d);
		return;
	}
	*w = (struct waiter){
		.channel = c, .session = session, .ticket = ticket
	};
	if (list_is_empty(&d->waiters)) {
		d->asked = env_now(f->env);
		wait_until(d,
		    d->asked +
			(f->settings->mta_sts_wait < FETCHER_TXT_WAIT
				? f->settings->mta_sts_wait
				: FETCHER_TXT_WAIT));
	}
	list_add_last(&d->waiters, &w->link);
	if (!f->is_loaded)
		return;
	if (is_silent(d)) {
		d->txt = STS_TXT_FAILED;
		answer_all(d);
	} else {
		domain_look(d);
	}
}

void
domain_forget(struct domain *d, const struct channel *c)
{
	LIST_FOREACH_SAFE (it, tmp, &d->waiters) {
		struct waiter *w = LIST_ENTRY(it, struct waiter, link);

		if (w->channel != c)
			continue;
		list_remove(&w->link);
		free(w);
	}
	settle(d);
}

/* -- looking
 * ---------------------------------------------------------------------------
 */

bool
domain_question(struct domain *d, unsigned i, const char *name, uint16_t type)
{
	struct fetcher *f = d->fetcher;
	struct wire_dns_ask m = { .name = slice_cstr(name), .type = type };

	if (f->resolver == NULL)
		return false;
	if (++f->next_ticket == 0)
		f->next_ticket = 1;
	d->tickets[i] = f->next_ticket;
	d->n_missing++;
	return wire_send_dns_ask(f->resolver, d->lookup, d->tickets[i], &m) ==
	    0;
}

static void
start_fetch(struct domain *d)
{
	struct fetcher *f = d->fetcher;

	if (f->n_fetches >= FETCHER_FETCHES) {
		d->stage = DOMAIN_PENDING;
		list_add_last(&f->pending, &d->queue);
		return;
	}
	d->stage = DOMAIN_ADDRESSES;
	f->n_fetches++;
	fetch_begin(d);
}

void
domain_next_pending(struct fetcher *f)
{
	struct list *link;

	if (f->is_starting) /* one that failed at once has come back here */
		return;
	f->is_starting = true;
	while (f->n_fetches < FETCHER_FETCHES &&
	    (link = list_take_first(&f->pending)) != NULL) {
		struct domain *d = LIST_ENTRY(link, struct domain, queue);

		list_init(&d->queue);
		start_fetch(d);
	}
	f->is_starting = false;
}

/* What the record says is known now. */
static void
on_txt(struct domain *d)
{
	enum sts_step step =
	    sts_decide(&d->state, env_wall(d->fetcher->env), d->txt, d->txt_id);

	if (d->is_forced && d->txt == STS_TXT_ID)
		step = STS_FETCH;
	if (step == STS_FETCH || step == STS_USE_FETCH) {
		if (step == STS_USE_FETCH)
			answer_all(d);
		start_fetch(d);
		return;
	}
	if (step == STS_WITHOUT && d->state.has_policy) { /* it is over */
		tell_store(d, true);
		drop_policy(d);
	}
	leave_stage(d);
	answer_all(d);
	settle(d);
}

void
domain_look(struct domain *d)
{
	struct fetcher *f = d->fetcher;
	char name[DNS_NAME_TEXT];
	int n;

	if (d->stage != DOMAIN_IDLE)
		return;
	n = snprintf(name, sizeof(name), "_mta-sts.%s", d->name);
	d->lookup = ++f->next_lookup;
	d->txt = STS_TXT_FAILED;
	d->txt_id[0] = '\0';
	d->stage = DOMAIN_TXT;
	if (f->lookups.n >= FETCHER_LOOKUPS ||
	    map_put_number(&f->lookups, d->lookup, d) < 0 || n < 0 ||
	    (size_t)n >= sizeof(name) || !domain_question(d, 0, name, DNS_TXT))
		on_txt(d); /* with what there is */
}

static void
read_txt(struct domain *d, const struct wire_dns_answer *m)
{
	struct slice rdata[LIMIT_DNS_RECORDS];
	struct wire_list rows = m->records;
	struct wire_dns_record row;
	size_t n = 0;

	if (m->bogus || (m->rcode != DNS_NOERROR && m->rcode != DNS_NXDOMAIN))
		return; /* STS_TXT_FAILED */
	d->silent = 0;
	while (n < LIMIT_DNS_RECORDS && wire_dns_record_next(&rows, &row))
		rdata[n++] = row.data;
	d->txt = sts_records_read(rdata, n, d->txt_id) == STS_OK ? STS_TXT_ID
								 : STS_TXT_NONE;
}

void
domain_on_dns(struct domain *d, uint32_t ticket,
    const struct wire_dns_answer *m)
{
	for (unsigned i = 0; i < 2; i++) {
		if (d->tickets[i] != ticket || ticket == 0)
			continue;
		d->tickets[i] = 0;
		d->n_missing--;
		if (d->stage == DOMAIN_TXT) {
			read_txt(d, m);
			on_txt(d);
		} else {
			fetch_on_address(d, m, i == 1);
		}
		return;
	}
}

void
domain_on_resolver_lost(struct domain *d)
{
	if (d->stage == DOMAIN_TXT)
		on_txt(d);
	else if (d->stage == DOMAIN_ADDRESSES)
		domain_on_fetched(d, STS_RESULT_FETCH, "the resolver went away",
		    NULL, SLICE(""));
}

/* RFC 8461, 3.3: who runs the machine hears of it while a policy is at stake.
 */
static void
log_failure(const struct domain *d)
{
	bool is_at_stake = d->state.has_policy && d->mode != STS_NONE;

	env_log(d->fetcher->env, is_at_stake ? ENV_WARN : ENV_INFO,
	    "sts-not-fetched", "domain=%s result=%s why=\"%s\" kept=%s",
	    d->name, sts_result_name(d->result), d->why,
	    sts_mode_name(d->mode));
}

void
domain_on_fetched(struct domain *d, enum sts_result result, const char *why,
    const struct sts_policy *policy, struct slice mx)
{
	struct fetcher *f = d->fetcher;
	int64_t now = env_wall(f->env);

	d->result = result;
	(void)slice_to_cstr(slice_cstr(why), d->why, sizeof(d->why));
	if (result == STS_RESULT_OK &&
	    !set_policy(d, policy->mode, mx, slice_cstr(d->txt_id), now,
		policy->max_age)) {
		d->result = STS_RESULT_FETCH;
		(void)snprintf(d->why, sizeof(d->why), "out of memory");
	}
	d->state.has_failed = d->result != STS_RESULT_OK;
	if (d->state.has_failed) {
		memcpy(d->state.failed_id, d->txt_id, sizeof(d->txt_id));
		d->state.failed = now;
		log_failure(d);
	} else {
		tell_store(d, false);
		env_log(f->env, ENV_INFO, "sts-fetched",
		    "domain=%s mode=%s id=%s max_age=%u", d->name,
		    sts_mode_name(d->mode), d->state.id, d->state.max_age);
	}
	leave_stage(d);
	answer_all(d);
	settle(d);
	domain_next_pending(f);
}
