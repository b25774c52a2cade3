/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/auth - from AUTH_START to GRANT
 *
 *   front --AUTH_START--> [sasl] <--AUTH_CHALLENGE, AUTH_STEP--> front
 *         [name known] --VERIFIER_GET--> store --VERIFIER--> [sasl]
 *         [password typed] -> hash in the thread, unless remembered
 *   yes: GRANT to the store, which gives the front a handle
 *   no:  AUTH_REFUSED to the front, with the time it shall wait
 *
 * One struct login for each conversation, found again by the front's instance,
 * session and ticket. Whatever cannot be an account takes the same way: the
 * store is asked, a dummy is hashed, a salt is said. What was typed lives in
 * the login and is wiped with it. When there are too many conversations the
 * one that has waited longest for its client goes. At the role's end logins
 * whose job is in a thread are not freed: the process ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/base64.h"
#include "base/time.h"
#include "policy/canon.h"
#include "roles/keeper/keeper.h"
#include "roles/keeper/set.h"
#include "store/flags.h"

enum awaits {
	AWAITS_CLIENT, /* a response */
	AWAITS_TURN,   /* the timer: guessers queue up */
	AWAITS_STORE,
	AWAITS_PIN, /* the store: whose certificate is it? */
	AWAITS_THREAD
};

enum {
	NO_CREDENTIAL = 0xffffffff /* as in GRANT */
};

struct login {
	struct env_job job;
	struct env_timer turn;
	struct keeper *keeper;
	uint64_t number;
	uint8_t awaits; /* enum awaits */
	/* whom to answer */
	uint32_t instance, ticket;
	uint64_t session;
	/* what was asked */
	uint32_t scopes;
	char client[64 + 1];
	char address[LIMIT_ADDRESS + 1]; /* canonical; empty: cannot be one */
	size_t address_len;
	struct sasl sasl;
	/* what the store said */
	uint64_t account;
	bool is_allowed; /* found, not disabled */
	struct sasl_row rows[KEEPER_ROWS_MAX];
	size_t n_rows;
	char *sets; /* what rows point into */
	size_t sets_len;
	/* what the thread found */
	bool matches;
	bool is_no_guess;   /* what was shown cannot be found by trying */
	const char *reason; /* for the log; NULL: none but the usual */
	uint32_t used;
	char token_error[SASL_CHALLENGE_MAX];
	struct keeper_certificate *certificate; /* EXTERNAL only */
	char hashed[KEEPER_SET];                /* a fresh set, or empty */
};

static void drive(struct login *l, enum sasl_want want);

/* -- life ----------------------------------------------------------------- */

static struct slice
address_of(const struct login *l)
{
	return slice_of(l->address, l->address_len);
}

static struct guard_try
try_of(const struct login *l)
{
	/* What cannot be an account is counted under what was typed. */
	return (struct guard_try){ l->address_len > 0 ? address_of(l)
						      : sasl_name(&l->sasl),
		slice_cstr(l->client), l->instance };
}

static void
login_free(struct login *l)
{
	env_timer_stop(l->keeper->env, &l->turn);
	(void)map_take_number(&l->keeper->logins, l->number);
	if (l->sets != NULL)
		sodium_memzero(l->sets, l->sets_len);
	free(l->sets);
	free(l->certificate);
	sodium_memzero(l, sizeof(*l));
	free(l);
}

static struct login *
find(struct keeper *k, uint32_t instance, uint64_t session, uint32_t ticket)
{
	struct login *l;
	size_t at = 0;

	while ((l = map_next(&k->logins, &at)) != NULL)
		if (l->instance == instance && l->session == session &&
		    l->ticket == ticket)
			return l;
	return NULL;
}

static void
send_refused(struct login *l, const struct wire_auth_refused *m)
{
	struct channel *c = keeper_peer(l->keeper, WIRE_USER, l->instance);

	if (c != NULL)
		(void)wire_send_auth_refused(c, l->session, l->ticket, m);
}

/* Our trouble is not the client's mistake: nothing is counted. */
static void
refuse_temporarily(struct login *l)
{
	struct wire_auth_refused m = { .temporary = true };

	send_refused(l, &m);
	login_free(l);
}

/* The one that has been silent longest makes room. False: none is silent. */
static bool
evict(struct keeper *k)
{
	struct login *l, *oldest = NULL;
	size_t at = 0;

	while ((l = map_next(&k->logins, &at)) != NULL)
		if (l->awaits == AWAITS_CLIENT &&
		    (oldest == NULL || l->number < oldest->number))
			oldest = l;
	if (oldest != NULL)
		refuse_temporarily(oldest);
	return oldest != NULL;
}

static void on_turn(struct env_timer *t);

static struct login *
login_new(struct channel *c, const struct wire_head *h)
{
	struct keeper *k = c->ctx;
	struct login *l;

	if (k->logins.n >= KEEPER_LOGINS_MAX && !evict(k))
		return NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->keeper = k;
	l->number = ++k->next_login;
	l->instance = c->peer_instance;
	l->session = h->session;
	l->ticket = h->ticket;
	l->turn.fire = on_turn;
	if (map_put_number(&k->logins, l->number, l) < 0) {
		free(l);
		return NULL;
	}
	return l;
}

/* The frame's own copy; it is ours until the handler returns. */
static void
wipe(struct slice s)
{
	if (s.len > 0)
		sodium_memzero((void *)(uintptr_t)s.at, s.len);
}

/* -- the ends -------------------------------------------------------------- */

static void
refuse(struct login *l, bool malformed)
{
	struct keeper *k = l->keeper;
	struct guard_try try = try_of(l);
	struct wire_auth_refused m = { .malformed = malformed };

	/* A message that cannot be read is no guess, nor is a token that was
	 * good yesterday. */
	if (!malformed && !l->is_no_guess)
		m.wait_ms = guard_note_failure(k->guard, &try, env_now(k->env));
	/* Neither what was typed as a name: people type passwords there. */
	env_log(k->env, ENV_INFO, "auth-failed",
	    "client=%s mechanism=%s malformed=%d wait_ms=%u reason=\"%s\"",
	    l->client[0] == '\0' ? "-" : l->client,
	    sasl_mechanism_names[l->sasl.mechanism], malformed, m.wait_ms,
	    l->reason == NULL ? "" : l->reason);
	send_refused(l, &m);
	login_free(l);
}

static void
remember(struct login *l)
{
	struct keeper *k = l->keeper;
	struct guard_try try = try_of(l);

	guard_note_success(k->guard, &try, env_now(k->env));
	if (sasl_password(&l->sasl).len > 0 && l->used == 0 && l->n_rows > 0)
		guard_remember(k->guard, l->account, l->rows[0].set,
		    sasl_password(&l->sasl), env_now(k->env));
}

static void
grant(struct login *l)
{
	struct keeper *k = l->keeper;
	struct wire_grant m = { .front = l->instance,
		.account = l->account,
		.scopes = l->scopes,
		.credential = l->sasl.used };
	struct wire_rehashed rehashed = { .account = l->account,
		.verifier = slice_cstr(l->hashed) };

	if (!l->is_allowed) {
		refuse(l, false);
		return;
	}
	if (k->store == NULL ||
	    wire_send_grant(k->store, l->session, l->ticket, &m) != 0) {
		refuse_temporarily(l);
		return;
	}
	if (rehashed.verifier.len > 0) {
		rehashed.was = l->rows[0].set;
		(void)wire_send_rehashed(k->store, 0, 0, &rehashed);
	}
	remember(l);
	login_free(l);
}

/* -- the thread ------------------------------------------------------------ */

static void
run_check(struct env_job *job)
{
	struct login *l = LIST_ENTRY(job, struct login, job);
	struct slice password = sasl_password(&l->sasl);

	l->matches = keeper_rows_match(l->rows, l->n_rows, l->sasl.service,
	    slice_cstr(l->keeper->dummy), password, &l->used);
	/* An imported verifier, or one without keys for SCRAM, is replaced at
	 * the first good chance there is. */
	if (l->matches && l->is_allowed && l->used == 0 &&
	    keeper_set_is_old(l->rows[0].set) &&
	    keeper_set_make(l->keeper->master, address_of(l), password, false,
		l->hashed) != 0)
		l->hashed[0] = '\0';
}

static void
done_check(struct env_job *job)
{
	struct login *l = LIST_ENTRY(job, struct login, job);

	l->keeper->n_hashes--;
	drive(l, sasl_checked(&l->sasl, l->matches, l->used));
}

/* The password that was typed against what is there: what was right of late
 * costs nothing. */
static void
check(struct login *l)
{
	struct keeper *k = l->keeper;

	if (l->is_allowed && l->n_rows > 0 && l->rows[0].n == 0 &&
	    (l->rows[0].services & l->sasl.service) != 0 &&
	    guard_knows(k->guard, l->account, l->rows[0].set,
		sasl_password(&l->sasl), env_now(k->env))) {
		drive(l, sasl_checked(&l->sasl, true, 0));
		return;
	}
	l->awaits = AWAITS_THREAD;
	l->job.run = run_check;
	l->job.done = done_check;
	if (!keeper_submit(k, &l->job))
		refuse_temporarily(l);
}

/* -- the store --------------------------------------------------------------
 */

/* False: no account can have this name. */
static bool
set_address(struct login *l, struct slice name)
{
	struct buf canonical;
	struct slice s;
	bool ok;

	buf_init(&canonical, LIMIT_ADDRESS);
	ok = canon_address(name, true, &canonical) == 0;
	s = buf_slice(&canonical);
	ok = ok && s.len > 0 && slice_is_utf8(s);
	if (ok) {
		memcpy(l->address, s.at, s.len);
		l->address_len = s.len;
	}
	buf_deinit(&canonical);
	return ok;
}

/* The store is asked also for what cannot be, so that the answer takes as long
 * as any other. */
static void
ask_store(struct login *l)
{
	struct keeper *k = l->keeper;
	struct wire_verifier_get get = { .address = sasl_name(&l->sasl) };

	/* as it was given: the store knows whether case makes a difference */
	if (l->address_len == 0 || l->scopes == 0 ||
	    get.address.len > LIMIT_ADDRESS)
		get.address = SLICE("nobody@invalid");
	l->awaits = AWAITS_STORE;
	if (k->store == NULL ||
	    wire_send_verifier_get(k->store, l->number, 0, &get) != 0)
		refuse_temporarily(l);
}

static void
on_turn(struct env_timer *t)
{
	ask_store(LIST_ENTRY(t, struct login, turn));
}

/* The name is known now: who guesses waits for a turn. */
static void
look_up(struct login *l)
{
	struct env *env = l->keeper->env;
	struct guard_try try;
	uint32_t wait;

	if (!set_address(l, sasl_name(&l->sasl)))
		l->address_len = 0;
	try = try_of(l);
	wait = guard_take_turn(l->keeper->guard, &try, env_now(env));
	l->awaits = AWAITS_TURN;
	if (wait == 0)
		ask_store(l);
	else if (wait > GUARD_QUEUE_MAX_MS ||
	    env_timer_set(env, &l->turn, env_now(env) + wait * TIME_MS) < 0)
		refuse_temporarily(l);
}

/* Copies: the frame goes. A row that nothing can be done with is left out. */
static bool
keep_rows(struct login *l, const struct wire_verifier *m)
{
	struct wire_list rest = m->rows;
	struct wire_credential row;
	size_t at = 0;

	l->sets_len = m->rows.raw.len;
	l->sets = malloc(l->sets_len == 0 ? 1 : l->sets_len);
	if (l->sets == NULL)
		return false;
	while (wire_credential_next(&rest, &row) &&
	    l->n_rows < KEEPER_ROWS_MAX) {
		memcpy(l->sets + at, row.verifiers.at, row.verifiers.len);
		l->rows[l->n_rows++] = (struct sasl_row){ .n = row.n,
			.services = l->is_allowed ? row.services : 0,
			.set = slice_of(l->sets + at, row.verifiers.len) };
		at += row.verifiers.len;
	}
	return true;
}

static void
make_stand_in(struct login *l, struct sasl_stand_in *s)
{
	uint8_t random[SASL_SCRAM_NONCE / 4 * 3];
	struct slice name =
	    l->address_len > 0 ? address_of(l) : sasl_name(&l->sasl);

	env_random(l->keeper->env, random, sizeof(random));
	(void)base64_encode(slice_of(random, sizeof(random)), s->nonce);
	keeper_salt(l->keeper->master, name, s->salt);
}

/* A token or certificate needs no password; the account must be there. */
static void
use_account_alone(struct login *l)
{
	l->rows[0] =
	    (struct sasl_row){ .n = NO_CREDENTIAL, .services = SASL_FOR_ALL };
	l->n_rows = l->is_allowed ? 1 : 0;
	l->sasl.used = NO_CREDENTIAL;
}

int
auth_on_verifier(struct channel *c, const struct wire_head *h,
    const struct wire_verifier *m)
{
	struct keeper *k = c->ctx;
	struct login *l = map_get_number(&k->logins, h->session);
	unsigned no_password = SASL_MASK_TOKEN | SASL_BIT(SASL_EXTERNAL);
	struct sasl_stand_in stand_in;

	if (l == NULL || l->awaits != AWAITS_STORE)
		return 0; /* answered meanwhile */
	if (m->temporary) {
		refuse_temporarily(l);
		return 0;
	}
	l->account = m->account;
	l->is_allowed =
	    m->found && !m->disabled && l->scopes != 0 && l->address_len > 0;
	if (m->found && !keep_rows(l, m)) {
		refuse_temporarily(l);
		return 0;
	}
	if ((SASL_BIT(l->sasl.mechanism) & no_password) != 0)
		use_account_alone(l);
	make_stand_in(l, &stand_in);
	drive(l, sasl_looked_up(&l->sasl, l->rows, l->n_rows, &stand_in));
	return 0;
}

/* -- tokens ------------------------------------------------------------------
 */

/* Who the token says, when that is who the client says (RFC 7628, 3.1). */
static void
check_token(struct login *l)
{
	struct keeper *k = l->keeper;
	struct slice authzid = slice_of(l->sasl.authzid, l->sasl.authzid_len);
	struct sasl_token_owner owner = { 0 };
	enum sasl_token_result r;

	if (k->token_keys == NULL) {
		refuse_temporarily(l);
		return;
	}
	r = keeper_token_check(k, slice_of(l->sasl.token, l->sasl.token_len),
	    &owner);
	l->is_no_guess = r == SASL_TOKEN_GOOD || r >= SASL_TOKEN_ISSUER;
	if (r != SASL_TOKEN_GOOD) {
		l->reason = sasl_token_problem(r);
	} else if (authzid.len > 0 &&
	    !canon_is_same(authzid, slice_of(owner.name, owner.len))) {
		l->reason = "the token is somebody else's";
		owner.len = 0;
	} else {
		l->reason = "no such account";
	}
	l->sasl.token_error =
	    keeper_token_error(k, l->sasl.mechanism, r, l->token_error);
	drive(l, sasl_owner_is(&l->sasl, slice_of(owner.name, owner.len)));
}

/* -- certificates (RFC 4422, appendix A) --------------------------------------
 */

/* That the client has the key, the front says: docs/decisions/0017. */
static void
check_certificate(struct login *l)
{
	struct keeper *k = l->keeper;
	struct wire_certificate_get get = { 0 };

	l->is_no_guess = true;
	if (l->certificate == NULL || !l->certificate->is_in_time) {
		l->reason = l->certificate == NULL ? "no certificate"
						   : "expired, or not yet good";
		drive(l, sasl_owner_is(&l->sasl, (struct slice){ 0 }));
		return;
	}
	get.fingerprint = slice_cstr(l->certificate->fingerprint);
	l->awaits = AWAITS_PIN;
	if (k->store == NULL ||
	    wire_send_certificate_get(k->store, l->number, 0, &get) != 0)
		refuse_temporarily(l);
}

/* An admin's word goes first; else the address in a certificate that one whom
 * we trust has signed. With an authzid that one, or nobody. */
static struct slice
owner_of(const struct login *l, struct slice pinned)
{
	const struct keeper_certificate *x = l->certificate;
	struct slice authzid = slice_of(l->sasl.authzid, l->sasl.authzid_len);

	if (pinned.len > 0 &&
	    (authzid.len == 0 || canon_is_same(authzid, pinned)))
		return pinned;
	if (!x->is_trusted || (authzid.len == 0 && x->n_names != 1))
		return (struct slice){ 0 };
	for (size_t i = 0; i < x->n_names; i++)
		if (authzid.len == 0 ||
		    canon_is_same(authzid, slice_cstr(x->names[i])))
			return slice_cstr(x->names[i]);
	return (struct slice){ 0 };
}

int
auth_on_certificate(struct channel *c, const struct wire_head *h,
    const struct wire_certificate *m)
{
	struct keeper *k = c->ctx;
	struct login *l = map_get_number(&k->logins, h->session);
	struct slice owner;

	if (l == NULL || l->awaits != AWAITS_PIN)
		return 0;
	if (m->temporary) {
		refuse_temporarily(l);
		return 0;
	}
	owner = owner_of(l, m->address);
	l->reason = owner.len > 0 ? "no such account"
	    : l->certificate->is_trusted
	    ? "the certificate is of another address"
	    : "nobody vouches for the certificate";
	drive(l, sasl_owner_is(&l->sasl, owner));
	return 0;
}

/* -- the conversation --------------------------------------------------------
 */

static void
say(struct login *l)
{
	struct channel *c = keeper_peer(l->keeper, WIRE_USER, l->instance);
	struct wire_auth_challenge m = {
		.challenge = slice_of(l->sasl.challenge, l->sasl.challenge_len)
	};

	l->awaits = AWAITS_CLIENT;
	if (c == NULL ||
	    wire_send_auth_challenge(c, l->session, l->ticket, &m) != 0)
		login_free(l);
}

/* May free the login. */
static void
drive(struct login *l, enum sasl_want want)
{
	switch (want) {
	case SASL_SAY:
		say(l);
		break;
	case SASL_LOOK_UP:
		look_up(l);
		break;
	case SASL_CHECK:
		check(l);
		break;
	case SASL_TOKEN:
		check_token(l);
		break;
	case SASL_CERTIFICATE:
		check_certificate(l);
		break;
	case SASL_YES:
		grant(l);
		break;
	case SASL_NO:
		refuse(l, false);
		break;
	case SASL_MALFORMED:
		refuse(l, true);
		break;
	}
}

static const struct {
	struct slice name;
	uint32_t service, scopes;
} services[] = { { SLICE("smtp"), SASL_FOR_SMTP, GRANT_SUBMIT },
	{ SLICE("imap"), SASL_FOR_IMAP, GRANT_READ | GRANT_WRITE },
	{ SLICE("pop3"), SASL_FOR_POP3, GRANT_READ | GRANT_WRITE } };

static uint32_t
set_service(struct login *l, struct slice name)
{
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		if (slice_equal(services[i].name, name)) {
			l->scopes = services[i].scopes;
			return services[i].service;
		}
	return 0;
}

static size_t
copy_binding(struct slice from, uint8_t to[SASL_BINDING_MAX])
{
	if (from.len > 0)
		memcpy(to, from.at, from.len);
	return from.len;
}

static void
set_client(struct login *l, struct slice client)
{
	(void)slice_to_cstr(client, l->client, sizeof(l->client));
	if (!slice_is_ascii(client) || slice_find_byte(client, ' ') != SIZE_MAX)
		l->client[0] = '\0';
}

int
auth_on_start(struct channel *c, const struct wire_head *h,
    const struct wire_auth_start *m)
{
	struct wire_auth_refused sorry = { .temporary = true };
	struct sasl_binding binding = { 0 };
	struct login *l;
	uint32_t service;

	if (m->mechanism >= N_SASL_MECHANISMS)
		return -EPROTO; /* no front of ours asks for that */
	l = login_new(c, h);
	if (l == NULL) {
		wipe(m->initial);
		return wire_send_auth_refused(c, h->session, h->ticket,
			   &sorry) < 0
		    ? -EPIPE
		    : 0;
	}
	set_client(l, m->client);
	service = set_service(l, m->service);
	binding.exporter_len = copy_binding(m->exporter, binding.exporter);
	binding.end_point_len = copy_binding(m->end_point, binding.end_point);
	binding.unique_len = copy_binding(m->unique, binding.unique);
	if (m->mechanism == SASL_EXTERNAL)
		l->certificate = keeper_certificate_read(l->keeper->client_ca,
		    m->certificate, env_wall(l->keeper->env));
	drive(l,
	    sasl_begin(&l->sasl, m->mechanism, m->offered, service, &binding,
		m->has_initial ? &m->initial : NULL));
	wipe(m->initial);
	return 0;
}

int
auth_on_step(struct channel *c, const struct wire_head *h,
    const struct wire_auth_step *m)
{
	struct wire_auth_refused sorry = { .temporary = true };
	struct login *l = find(c->ctx, c->peer_instance, h->session, h->ticket);

	if (l != NULL && l->awaits == AWAITS_CLIENT)
		drive(l, sasl_respond(&l->sasl, m->response));
	else if (l == NULL) /* evicted, or we are new */
		(void)wire_send_auth_refused(c, h->session, h->ticket, &sorry);
	wipe(m->response);
	return 0;
}

int
auth_on_abort(struct channel *c, const struct wire_head *h,
    const struct wire_auth_abort *m)
{
	struct login *l = find(c->ctx, c->peer_instance, h->session, h->ticket);

	(void)m;
	/* What is in the thread ends there, and is answered to nobody. */
	if (l != NULL && l->awaits != AWAITS_THREAD)
		login_free(l);
	return 0;
}

/* -- peers --------------------------------------------------------------------
 */

void
auth_lost_store(struct keeper *k)
{
	struct login *l;
	size_t at = 0;

	/* Taking one out leaves the others where they are (base/map.h). */
	while ((l = map_next(&k->logins, &at)) != NULL)
		if (l->awaits == AWAITS_STORE || l->awaits == AWAITS_PIN)
			refuse_temporarily(l);
}

void
auth_lost_front(struct keeper *k, uint32_t instance)
{
	struct login *l;
	size_t at = 0;

	while ((l = map_next(&k->logins, &at)) != NULL)
		if (l->instance == instance && l->awaits != AWAITS_THREAD)
			login_free(l);
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
		if (l->awaits != AWAITS_THREAD)
			login_free(l);
	map_deinit(&k->logins);
	if (k->guard != NULL)
		sodium_memzero(k->guard, sizeof(*k->guard));
	free(k->guard);
}
