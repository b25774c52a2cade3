/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/auth - AUTH_TRY to GRANT, and passwords to verifiers
 *
 *   front --AUTH_TRY--> [look up] --VERIFIER_GET--> store
 *   store --VERIFIER--> [hash, unless remembered]
 *   yes: GRANT to the store, which gives the front a handle
 *   no:  AUTH_REFUSED to the front, with the time it shall wait
 *
 * Unknown accounts are hashed against a dummy, so that they take as long as
 * known ones. A password lives in its login and is wiped with it. At the
 * role's end logins whose job is in a thread are not freed: the process ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "policy/canon.h"
#include "roles/keeper/keeper.h"
#include "store/flags.h"

struct login {
	struct env_job job;
	struct keeper *keeper;
	uint64_t number;
	/* whom to answer; a question of control has is_hash_ask */
	enum wire_role peer;
	uint32_t instance, ticket;
	uint64_t session;
	bool is_hash_ask;
	/* what was asked */
	uint32_t scopes;
	char client[64 + 1];
	char address[LIMIT_ADDRESS + 1]; /* canonical */
	size_t address_len, password_len;
	uint8_t password[KEEPER_PASSWORD_MAX];
	/* what the store said */
	uint64_t account;
	bool is_allowed; /* found, not disabled */
	char verifier[KEEPER_VERIFIER_MAX];
	size_t verifier_len;
	/* what the thread found */
	bool matches;
	int hash_result;
	char hashed[KEEPER_VERIFIER]; /* a fresh verifier, or empty */
};

static struct slice
password_of(const struct login *l)
{
	return slice_of(l->password, l->password_len);
}

static struct slice
verifier_of(const struct login *l)
{
	return slice_of(l->verifier, l->verifier_len);
}

static struct slice
address_of(const struct login *l)
{
	return slice_of(l->address, l->address_len);
}

static struct login *
login_new(struct channel *c, const struct wire_head *h, struct slice password)
{
	struct keeper *k = c->ctx;
	struct login *l;

	if (k->logins.n >= KEEPER_LOGINS_MAX ||
	    password.len > KEEPER_PASSWORD_MAX)
		return NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->keeper = k;
	l->number = ++k->next_login;
	l->peer = c->peer;
	l->instance = c->peer_instance;
	l->session = h->session;
	l->ticket = h->ticket;
	l->password_len = password.len;
	if (password.len > 0)
		memcpy(l->password, password.at, password.len);
	if (map_put_number(&k->logins, l->number, l) < 0) {
		sodium_memzero(l, sizeof(*l));
		free(l);
		return NULL;
	}
	return l;
}

static void
login_free(struct login *l)
{
	(void)map_take_number(&l->keeper->logins, l->number);
	sodium_memzero(l, sizeof(*l));
	free(l);
}

/* The frame's own copy; it is ours until the handler returns. */
static void
wipe(struct slice s)
{
	if (s.len > 0)
		sodium_memzero((void *)(uintptr_t)s.at, s.len);
}

/* -- answers ------------------------------------------------------------- */

static void
send_refused(struct keeper *k, const struct login *l, bool temporary,
    uint32_t wait_ms)
{
	struct channel *c = keeper_peer(k, l->peer, l->instance);
	struct wire_auth_refused m = { .temporary = temporary,
		.wait_ms = wait_ms };

	if (c != NULL)
		(void)wire_send_auth_refused(c, l->session, l->ticket, &m);
}

/* Our trouble is not the client's mistake: nothing is counted. */
static void
refuse_temporarily(struct login *l)
{
	send_refused(l->keeper, l, true, 0);
	login_free(l);
}

static void
refuse(struct login *l)
{
	struct keeper *k = l->keeper;
	uint32_t wait_ms = guard_note_failure(k->guard, address_of(l),
	    slice_cstr(l->client), env_now(k->env));

	/* Neither what was typed as a name: people type passwords there. */
	env_log(k->env, ENV_INFO, "auth-failed", "client=%s wait_ms=%u",
	    l->client[0] == '\0' ? "-" : l->client, wait_ms);
	send_refused(k, l, false, wait_ms);
	login_free(l);
}

static void
grant(struct login *l)
{
	struct keeper *k = l->keeper;
	struct wire_grant m = {
		.front = l->instance, .account = l->account, .scopes = l->scopes
	};
	struct wire_rehashed rehashed = { .account = l->account,
		.was = verifier_of(l),
		.verifier = slice_cstr(l->hashed) };

	if (k->store == NULL) {
		refuse_temporarily(l);
		return;
	}
	if (wire_send_grant(k->store, l->session, l->ticket, &m) != 0) {
		refuse_temporarily(l);
		return;
	}
	if (rehashed.verifier.len > 0)
		(void)wire_send_rehashed(k->store, 0, 0, &rehashed);
	guard_remember(k->guard, l->account, verifier_of(l), password_of(l),
	    env_now(k->env));
	login_free(l);
}

/* -- the thread
 * ---------------------------------------------------------------- */

static void
run_check(struct env_job *job)
{
	struct login *l = LIST_ENTRY(job, struct login, job);

	l->matches = keeper_password_matches(verifier_of(l), password_of(l));
	/* An imported verifier is replaced by a better one at the first good
	 * chance there is. */
	if (l->matches && l->is_allowed &&
	    keeper_verifier_is_old(verifier_of(l)) &&
	    keeper_hash_password(password_of(l), l->hashed) != 0)
		l->hashed[0] = '\0';
}

static void
done_check(struct env_job *job)
{
	struct login *l = LIST_ENTRY(job, struct login, job);

	l->keeper->n_hashes--;
	if (l->matches && l->is_allowed)
		grant(l);
	else
		refuse(l);
}

static void
run_hash(struct env_job *job)
{
	struct login *l = LIST_ENTRY(job, struct login, job);

	l->hash_result = keeper_hash_password(password_of(l), l->hashed);
}

static void
send_hashed(struct login *l, bool ok)
{
	struct channel *c = keeper_peer(l->keeper, l->peer, l->instance);
	struct wire_hashed m = { .ok = ok };

	if (ok)
		m.verifier = slice_cstr(l->hashed);
	if (c != NULL)
		(void)wire_send_hashed(c, l->session, l->ticket, &m);
	login_free(l);
}

static void
done_hash(struct env_job *job)
{
	struct login *l = LIST_ENTRY(job, struct login, job);

	l->keeper->n_hashes--;
	send_hashed(l, l->hash_result == 0);
}

/* False when there are too many already: then it costs no memory either. */
static bool
submit(struct login *l, void (*run)(struct env_job *),
    void (*done)(struct env_job *))
{
	struct keeper *k = l->keeper;

	if (k->n_hashes >= KEEPER_HASHES_MAX)
		return false;
	l->job.run = run;
	l->job.done = done;
	list_init(&l->job.link);
	if (env_work(k->env, ENV_LANE_HASH, &l->job) < 0)
		return false;
	k->n_hashes++;
	return true;
}

/* -- questions
 * ------------------------------------------------------------------ */

static uint32_t
service_scopes(struct slice service)
{
	static const struct {
		struct slice service;
		uint32_t scopes;
	} table[] = { { SLICE("smtp"), GRANT_SUBMIT },
		{ SLICE("imap"), GRANT_READ | GRANT_WRITE },
		{ SLICE("pop3"), GRANT_READ | GRANT_WRITE } };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (slice_equal(table[i].service, service))
			return table[i].scopes;
	return 0;
}

/* False: no account can have this name. */
static bool
set_address(struct login *l, struct slice authcid)
{
	struct buf canonical;
	struct slice s;
	bool ok;

	buf_init(&canonical, LIMIT_ADDRESS);
	ok = canon_address(authcid, true, &canonical) == 0;
	s = buf_slice(&canonical);
	ok = ok && s.len > 0 && slice_is_utf8(s);
	if (ok) {
		memcpy(l->address, s.at, s.len);
		l->address_len = s.len;
	}
	buf_deinit(&canonical);
	return ok;
}

static void
use_dummy(struct login *l)
{
	l->is_allowed = false;
	l->verifier_len = strlen(l->keeper->dummy);
	memcpy(l->verifier, l->keeper->dummy, l->verifier_len);
}

/* The store is asked also for what cannot be, so that the answer takes as long
 * as any other. */
int
auth_on_try(struct channel *c, const struct wire_head *h,
    const struct wire_auth_try *m)
{
	struct keeper *k = c->ctx;
	struct login *l = login_new(c, h, m->password);
	struct wire_auth_refused sorry = { .temporary = true };
	struct wire_verifier_get get = { 0 };
	bool is_possible;

	wipe(m->password);
	if (l == NULL)
		return wire_send_auth_refused(c, h->session, h->ticket,
			   &sorry) < 0
		    ? -EPIPE
		    : 0;
	(void)slice_to_cstr(m->client, l->client, sizeof(l->client));
	if (!slice_is_ascii(m->client) ||
	    slice_find_byte(m->client, ' ') != SIZE_MAX)
		l->client[0] = '\0';
	l->scopes = service_scopes(m->service);
	is_possible = set_address(l, m->authcid);
	/* Acting for somebody else is not offered (RFC 4616, section 2). */
	if (m->authzid.len > 0 && !slice_equal(m->authzid, m->authcid))
		is_possible = false;
	if (l->scopes == 0)
		is_possible = false;
	get.address = is_possible ? address_of(l) : SLICE("nobody@invalid");
	if (!is_possible)
		l->scopes = 0;
	if (k->store == NULL ||
	    wire_send_verifier_get(k->store, l->number, 0, &get) != 0)
		refuse_temporarily(l);
	return 0;
}

int
auth_on_verifier(struct channel *c, const struct wire_head *h,
    const struct wire_verifier *m)
{
	struct keeper *k = c->ctx;
	struct login *l = map_get_number(&k->logins, h->session);

	if (l == NULL || l->is_hash_ask || l->verifier_len > 0)
		return 0; /* answered meanwhile */
	if (m->temporary) {
		refuse_temporarily(l);
		return 0;
	}
	if (m->found && l->scopes != 0 &&
	    keeper_verifier_is_known(m->verifier)) {
		l->account = m->account;
		l->is_allowed = !m->disabled;
		l->verifier_len = m->verifier.len;
		memcpy(l->verifier, m->verifier.at, m->verifier.len);
	} else {
		use_dummy(l);
	}
	if (l->is_allowed &&
	    guard_knows(k->guard, l->account, verifier_of(l), password_of(l),
		env_now(k->env)))
		grant(l);
	else if (!submit(l, run_check, done_check))
		refuse_temporarily(l);
	return 0;
}

int
auth_on_hash_ask(struct channel *c, const struct wire_head *h,
    const struct wire_hash_ask *m)
{
	struct login *l = login_new(c, h, m->password);
	struct wire_hashed sorry = { .ok = false };

	wipe(m->password);
	if (l == NULL) {
		(void)wire_send_hashed(c, h->session, h->ticket, &sorry);
		return 0;
	}
	l->is_hash_ask = true;
	if (!submit(l, run_hash, done_hash))
		send_hashed(l, false);
	return 0;
}

/* Those in the thread go on; grant() finds out for itself. */
void
auth_lost_store(struct keeper *k)
{
	struct login *l;
	size_t at = 0;

	while ((l = map_next(&k->logins, &at)) != NULL)
		if (!l->is_hash_ask && l->verifier_len == 0)
			refuse_temporarily(l);
}

int
auth_init(struct keeper *k)
{
	uint8_t seed[MAP_SEED], key[GUARD_KEY], random[16];
	char text[2 * sizeof(random) + 1];

	env_random(k->env, seed, sizeof(seed));
	map_init(&k->logins, seed);
	k->guard = malloc(sizeof(*k->guard));
	if (k->guard == NULL)
		return -ENOMEM;
	env_random(k->env, key, sizeof(key));
	guard_init(k->guard, key);
	sodium_memzero(key, sizeof(key));
	env_random(k->env, random, sizeof(random));
	(void)sodium_bin2hex(text, sizeof(text), random, sizeof(random));
	return keeper_hash_password(slice_cstr(text), k->dummy);
}

void
auth_deinit(struct keeper *k)
{
	struct login *l;
	size_t at = 0;

	while ((l = map_next(&k->logins, &at)) != NULL)
		if (l->job.run == NULL)
			login_free(l);
	map_deinit(&k->logins);
	if (k->guard != NULL)
		sodium_memzero(k->guard, sizeof(*k->guard));
	free(k->guard);
}
