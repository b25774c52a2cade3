/* SPDX-License-Identifier: ISC */
/*
 * The keeper between a made-up store, front and control: who gets a grant,
 * what a refusal says, and that nothing hangs when one of them goes.
 */
#include "base/test.h"

#include <crypt.h>
#include <errno.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/time.h"
#include "policy/canon.h"
#include "roles/keeper/keeper.h"
#include "roles/keeper/set.h"
#include "store/flags.h"
#include "sys/env_posix.h"

enum {
	FRONT = 5,
	CONTROL = 6,
	MANY = 200
};

struct world {
	struct env *env;
	char dir[64];
	struct settings settings;
	struct role role;
	struct keeper keeper;
	struct keeper_master *master; /* the same, for the test */
	struct env_timer stop;
	struct channel *store, *front, *control;
	int signing;
	/* the store's */
	char verifier[KEEPER_SET], app[KEEPER_SET];
	bool is_temporary, is_disabled, is_silent;
	const char *pinned; /* to whom the certificate is given, or NULL */
	char asked_for[LIMIT_ADDRESS + 1];
	unsigned n_asked;
	/* what came */
	unsigned grants, refused, refused_temporarily, rehashed;
	struct wire_grant grant;
	uint64_t session;
	uint32_t ticket, wait_ms;
	char hashed[KEEPER_SET];
	char challenge[SASL_CHALLENGE_MAX + 1];
	unsigned challenges, malformed;
	struct buf sealed, chain;
	bool made;
	unsigned keys_told, n_keys;
};

#define ANNA SLICE("anna@one.example")

static struct world *
world_of(struct channel *c)
{
	return c->ctx;
}

/* -- the others ---------------------------------------------------------- */

static void
put_rows(struct world *w, struct buf *b, struct wire_list *list)
{
	struct wire_credential own = { .n = 0,
		.services = SASL_FOR_ALL,
		.verifiers = slice_cstr(w->verifier) };
	struct wire_credential app = { .n = 5,
		.services = SASL_FOR_SMTP,
		.verifiers = slice_cstr(w->app) };

	if (w->verifier[0] != '\0' && ++list->n)
		test_int(wire_credential_add(b, &own), 0);
	if (w->app[0] != '\0' && ++list->n)
		test_int(wire_credential_add(b, &app), 0);
	list->raw = buf_slice(b);
}

static int
on_verifier_get(struct channel *c, const struct wire_head *h,
    const struct wire_verifier_get *m)
{
	struct world *w = world_of(c);
	struct wire_verifier answer = { .temporary = w->is_temporary };
	struct buf rows, name;
	int r;

	buf_init(&rows, 65536);
	w->n_asked++;
	/* as a store does it whose domain folds */
	buf_init(&name, LIMIT_ADDRESS);
	(void)canon_address(m->address, CANON_FOLDED, &name);
	(void)slice_to_cstr(buf_slice(&name), w->asked_for,
	    sizeof(w->asked_for));
	buf_deinit(&name);
	if (w->is_silent) {
		buf_deinit(&rows);
		return 0;
	}
	if (!w->is_temporary && strcmp(w->asked_for, "anna@one.example") == 0) {
		answer.found = true;
		answer.account = 17;
		answer.disabled = w->is_disabled;
		put_rows(w, &rows, &answer.rows);
	}
	r = wire_send_verifier(c, h->session, h->ticket, &answer);
	buf_deinit(&rows);
	return r;
}

static int
on_certificate_get(struct channel *c, const struct wire_head *h,
    const struct wire_certificate_get *m)
{
	struct world *w = world_of(c);
	struct wire_certificate answer = { .temporary = w->is_temporary,
		.address = slice_cstr(w->pinned) };

	test_int(m->fingerprint.len, 64);
	return wire_send_certificate(c, h->session, h->ticket, &answer);
}

static int
on_grant(struct channel *c, const struct wire_head *h,
    const struct wire_grant *m)
{
	struct world *w = world_of(c);

	w->grants++;
	w->grant = *m;
	w->session = h->session;
	w->ticket = h->ticket;
	return 0;
}

static int
on_rehashed(struct channel *c, const struct wire_head *h,
    const struct wire_rehashed *m)
{
	struct world *w = world_of(c);

	(void)h;
	test_int(m->account, 17);
	test_slice(m->was, slice_cstr(w->verifier));
	w->rehashed++;
	(void)slice_to_cstr(m->verifier, w->hashed, sizeof(w->hashed));
	return 0;
}

static int
on_refused(struct channel *c, const struct wire_head *h,
    const struct wire_auth_refused *m)
{
	struct world *w = world_of(c);

	if (m->temporary)
		w->refused_temporarily++;
	else
		w->refused++;
	w->malformed += m->malformed;
	w->session = h->session;
	w->ticket = h->ticket;
	w->wait_ms = m->wait_ms;
	return 0;
}

static int
on_challenge(struct channel *c, const struct wire_head *h,
    const struct wire_auth_challenge *m)
{
	struct world *w = world_of(c);

	w->challenges++;
	w->session = h->session;
	w->ticket = h->ticket;
	(void)slice_to_cstr(m->challenge, w->challenge, sizeof(w->challenge));
	return 0;
}

static int
on_hashed(struct channel *c, const struct wire_head *h,
    const struct wire_hashed *m)
{
	struct world *w = world_of(c);

	(void)h;
	w->made = m->ok;
	(void)slice_to_cstr(m->verifier, w->hashed, sizeof(w->hashed));
	return 0;
}

static int
on_key_made(struct channel *c, const struct wire_head *h,
    const struct wire_key_made *m)
{
	struct world *w = world_of(c);

	(void)h;
	w->made = m->ok;
	test_int(buf_add(&w->sealed, m->sealed), BUF_OK);
	test_int(buf_add(&w->chain, m->chain), BUF_OK);
	return 0;
}

static const struct wire_store_handlers store_handlers = {
	.verifier_get = on_verifier_get,
	.certificate_get = on_certificate_get,
	.grant = on_grant,
	.rehashed = on_rehashed,
};
static const struct wire_user_handlers user_handlers = {
	.auth_challenge = on_challenge,
	.auth_refused = on_refused,
};
static int
on_token_keys_taken(struct channel *c, const struct wire_head *h,
    const struct wire_token_keys_taken *m)
{
	struct world *w = world_of(c);

	(void)h;
	w->keys_told++;
	w->made = m->ok;
	w->n_keys = m->n;
	return 0;
}

static const struct wire_control_handlers control_handlers = {
	.token_keys_taken = on_token_keys_taken,
	.hashed = on_hashed,
	.key_made = on_key_made,
};

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	if (c->self == WIRE_STORE)
		return wire_dispatch_store(&store_handlers, c, c->peer, h,
		    payload, fd);
	if (c->self == WIRE_USER)
		return wire_dispatch_user(&user_handlers, c, c->peer, h,
		    payload, fd);
	return wire_dispatch_control(&control_handlers, c, c->peer, h, payload,
	    fd);
}

static void
on_closed(struct channel *c)
{
	(void)c;
}

static const struct channel_ops ops = { .dispatch = dispatch,
	.on_closed = on_closed };

static struct channel *
join(struct world *w, enum wire_role self, uint32_t instance)
{
	struct channel *c = calloc(1, sizeof(*c));
	int pair[2];

	test_int(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
		     0, pair),
	    0);
	keeper_ops.on_peer(&w->role, self, instance, PEER_CHANNEL, pair[0]);
	test_int(channel_open(c, w->env, w, pair[1], self, WIRE_KEEPER, 1,
		     &ops),
	    0);
	return c;
}

static void
part(struct channel **c)
{
	if (*c == NULL)
		return;
	channel_close(*c);
	free(*c);
	*c = NULL;
}

/* -- the world
 * ------------------------------------------------------------------ */

static void
on_stop(struct env_timer *t)
{
	env_stop(LIST_ENTRY(t, struct world, stop)->env);
}

static void
turns(struct world *w, int64_t us)
{
	w->stop.fire = on_stop;
	/* On a busy machine one turn may take all the time: four at least. */
	for (int i = 0; i < 4; i++) {
		test_int(env_timer_set(w->env, &w->stop,
			     env_now(w->env) + us / 4),
		    0);
		test_int(env_run(w->env), 0);
	}
}

static void
join_all(struct world *w)
{
	int pair[2];

	w->store = join(w, WIRE_STORE, 1);
	w->front = join(w, WIRE_USER, FRONT);
	w->control = join(w, WIRE_CONTROL, CONTROL);
	test_int(socketpair(AF_UNIX,
		     SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
	    0);
	keeper_ops.on_peer(&w->role, WIRE_USER, FRONT, PEER_SIGNING, pair[0]);
	w->signing = pair[1];
}

static int
make_set(struct world *w, struct slice password, char set[KEEPER_SET])
{
	return keeper_set_make(w->master, SLICE("anna@one.example"), password,
	    false, set);
}

static int
setup(void **state)
{
	static const struct env_posix_options options = {
		.role = "test", .log_fd = -1, .log_level = ENV_ERROR
	};
	struct world *w = calloc(1, sizeof(*w));
	struct env_dir *data;

	if (w == NULL)
		return -1;
	(void)snprintf(w->dir, sizeof(w->dir), "/tmp/ulak-keeper-XXXXXX");
	if (mkdtemp(w->dir) == NULL || env_posix_new(&options, &w->env) < 0 ||
	    env_dir_open(w->env, w->dir, &data) < 0 ||
	    keeper_master_create(w->env, data) < 0 ||
	    keeper_master_read(data, &w->master) != 0 ||
	    make_set(w, SLICE("secret"), w->verifier) != 0)
		return -1;
	env_dir_close(data);
	(void)snprintf(w->settings.data, sizeof(w->settings.data), "%s",
	    w->dir);
	/* No such file: what control tells is all there is. */
	(void)snprintf(w->settings.oauth_keys, sizeof(w->settings.oauth_keys),
	    "%s/tokens", w->dir);
	(void)snprintf(w->settings.oauth_issuer, SETTINGS_CLAIM, "%s", "us");
	(void)snprintf(w->settings.oauth_audience, SETTINGS_CLAIM, "%s",
	    "ulak");
	(void)snprintf(w->settings.oauth_claim, SETTINGS_CLAIM, "%s", "email");
	buf_init(&w->sealed, KEEPER_SEALED_MAX);
	buf_init(&w->chain, KEEPER_CHAIN_MAX);
	w->role = (struct role){ .env = w->env,
		.settings = &w->settings,
		.ops = &keeper_ops,
		.ctx = &w->keeper };
	if (keeper_ops.prepare(&w->role) != 0)
		return -1;
	join_all(w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char path[96];

	part(&w->store);
	part(&w->front);
	part(&w->control);
	(void)close(w->signing);
	turns(w, 2 * TIME_SECOND); /* hashes that are under way */
	keeper_ops.deinit(&w->role);
	keeper_master_free(w->master);
	env_posix_free(w->env);
	buf_deinit(&w->sealed);
	buf_deinit(&w->chain);
	(void)snprintf(path, sizeof(path), "%s/keys/master", w->dir);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/keys", w->dir);
	(void)rmdir(path);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

static void
ask_as(struct world *w, const char *service, enum sasl_mechanism mechanism,
    const struct slice *initial)
{
	struct wire_auth_start m = { .service = slice_cstr(service),
		.client = SLICE("192.0.2.1"),
		.mechanism = (uint8_t)mechanism,
		.offered = SASL_MASK_ALL,
		.has_initial = initial != NULL };

	if (initial != NULL)
		m.initial = *initial;
	test_int(wire_send_auth_start(w->front, 4711, 3, &m), 0);
}

static void
ask_for(struct world *w, const char *service, struct slice authzid,
    struct slice name, struct slice password)
{
	char at[1024];
	struct slice initial = slice_of(at,
	    (size_t)snprintf(at, sizeof(at), "%.*s%c%.*s%c%.*s",
		SLICE_FMT(authzid), 0, SLICE_FMT(name), 0,
		SLICE_FMT(password)));

	ask_as(w, service, SASL_PLAIN, &initial);
}

static void
ask(struct world *w, struct slice name, struct slice password)
{
	ask_for(w, "imap", SLICE(""), name, password);
}

static void
respond(struct world *w, struct slice response)
{
	struct wire_auth_step m = { .response = response };

	test_int(wire_send_auth_step(w->front, 4711, 3, &m), 0);
}

/* Until so many answers are there, five seconds at most. */
static void
await(struct world *w, unsigned n)
{
	for (int i = 0; i < 500; i++) {
		if (w->grants + w->refused + w->refused_temporarily +
			w->challenges >=
		    n)
			return;
		turns(w, 10 * TIME_MS);
	}
}

static void
forget(struct world *w)
{
	w->grants = w->refused = w->refused_temporarily = w->malformed = 0;
	w->challenges = 0;
	w->session = w->ticket = w->wait_ms = 0;
}

static const struct {
	const char *what;
	struct slice name, password;
	bool is_disabled, is_temporary;
	unsigned grants, refused, temporarily;
} logins[] = {
	{ "right", SLICE("anna@one.example"), SLICE("secret"), false, false, 1,
	    0, 0 },
	{ "right, and remembered", SLICE("anna@one.example"), SLICE("secret"),
	    false, false, 1, 0, 0 },
	{ "right, name in another form", SLICE("\"Anna\"@ONE.example"),
	    SLICE("secret"), false, false, 1, 0, 0 },
	{ "wrong", SLICE("anna@one.example"), SLICE("Secret"), false, false, 0,
	    1, 0 },
	{ "disabled, though remembered", SLICE("anna@one.example"),
	    SLICE("secret"), true, false, 0, 1, 0 },
	{ "unknown", SLICE("eve@one.example"), SLICE("secret"), false, false, 0,
	    1, 0 },
	{ "no address", SLICE("anna"), SLICE("secret"), false, false, 0, 1, 0 },
	{ "the verifier is no password", SLICE("anna@one.example"),
	    SLICE("$argon2id$v=19$m=19456"), false, false, 0, 1, 0 },
	{ "store in trouble", SLICE("anna@one.example"), SLICE("secret"), false,
	    true, 0, 0, 1 },
};

static void
who_gets_in(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		test_case(logins[i].what);
		forget(w);
		w->is_disabled = logins[i].is_disabled;
		w->is_temporary = logins[i].is_temporary;
		w->n_asked = 0;
		ask(w, logins[i].name, logins[i].password);
		await(w, 1);
		test_int(w->grants, logins[i].grants);
		test_int(w->refused, logins[i].refused);
		test_int(w->refused_temporarily, logins[i].temporarily);
		test_int(w->n_asked, 1);
		test_int(w->session, 4711);
		test_int(w->ticket, 3);
		test_int(w->keeper.logins.n, 0);
		test_true((w->wait_ms > 0) == (logins[i].refused == 1));
		if (logins[i].grants == 1) {
			test_int(w->grant.front, FRONT);
			test_int(w->grant.account, 17);
			test_int(w->grant.scopes, GRANT_READ | GRANT_WRITE);
			test_true(strcmp(w->asked_for, "anna@one.example") ==
			    0);
		}
	}
	test_int(w->rehashed, 0);
}

static void
services_and_masks(void **state)
{
	struct world *w = *state;

	ask_for(w, "smtp", SLICE(""), ANNA, SLICE("secret"));
	await(w, 1);
	test_int(w->grants, 1);
	test_int(w->grant.scopes, GRANT_SUBMIT);
	test_int(w->grant.credential, 0);

	test_case("acting for oneself is no acting for another");
	ask_for(w, "smtp", ANNA, ANNA, SLICE("secret"));
	await(w, 2);
	test_int(w->grants, 2);
	test_case("for another");
	ask_for(w, "smtp", SLICE("ben@one.example"), ANNA, SLICE("secret"));
	await(w, 3);
	test_int(w->refused, 1);
	test_case("a service that is none");
	ask_for(w, "admin", SLICE(""), ANNA, SLICE("secret"));
	await(w, 4);
	test_int(w->refused, 2);
	test_int(w->grants, 2);
}

/* -- tokens (RFC 7628) -------------------------------------------------------
 */

enum {
	TOKEN_TIME = 300 /* s */
};

static size_t
add_url(char *at, struct slice s)
{
	size_t n = base64_encode(s, at);

	while (n > 0 && at[n - 1] == '=')
		n--;
	for (size_t i = 0; i < n; i++)
		at[i] = at[i] == '+' ? '-' : at[i] == '/' ? '_' : at[i];
	return n;
}

/* An EdDSA token for anna or whomever; the wall's time and `seconds`. */
static size_t
make_token(struct world *w, EVP_PKEY *key, const char *email, int seconds,
    char at[1024])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char payload[512];
	uint8_t sig[64];
	size_t n, sig_len = sizeof(sig);

	(void)snprintf(payload, sizeof(payload),
	    "{\"iss\":\"us\",\"aud\":\"ulak\",\"email\":\"%s\",\"exp\":%lld}",
	    email,
	    (long long)(env_wall(w->env) / (int64_t)TIME_SECOND + seconds));
	n = add_url(at, SLICE("{\"alg\":\"EdDSA\"}"));
	at[n++] = '.';
	n += add_url(at + n, slice_cstr(payload));
	test_int(EVP_DigestSignInit(ctx, NULL, NULL, NULL, key), 1);
	test_int(EVP_DigestSign(ctx, sig, &sig_len, (uint8_t *)at, n), 1);
	EVP_MD_CTX_free(ctx);
	at[n++] = '.';
	return n + add_url(at + n, slice_of(sig, sig_len));
}

static void
tell_keys(struct world *w, EVP_PKEY *key)
{
	char text[256] = "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"";
	struct wire_token_keys m = { .text = SLICE("{") };
	uint8_t raw[32];
	size_t n = sizeof(raw), len = strlen(text);

	if (key != NULL) {
		test_int(EVP_PKEY_get_raw_public_key(key, raw, &n), 1);
		len += add_url(text + len, slice_of(raw, n));
		memcpy(text + len, "\"}", 2);
		m.text = slice_of(text, len + 2);
	}
	w->keys_told = 0;
	test_int(wire_send_token_keys(w->control, 1, 1, &m), 0);
	for (int i = 0; w->keys_told == 0 && i < 500; i++)
		turns(w, 10 * TIME_MS);
}

static void
ask_token(struct world *w, enum sasl_mechanism mechanism, const char *head,
    struct slice token)
{
	char at[2048];
	struct slice initial = slice_of(at,
	    (size_t)snprintf(at, sizeof(at), "%s\1auth=Bearer %.*s\1\1", head,
		SLICE_FMT(token)));

	forget(w);
	ask_as(w, "smtp", mechanism, &initial);
	await(w, 1);
}

static const struct {
	const char *what;
	enum sasl_mechanism mechanism;
	const char *head, *email;
	int seconds;
	bool is_ours, granted, counted;
} bearers[] = {
	{ "OAUTHBEARER", SASL_OAUTHBEARER, "n,,", "anna@one.example",
	    TOKEN_TIME, true, true, false },
	{ "with authzid", SASL_OAUTHBEARER, "n,a=anna@one.example,",
	    "anna@one.example", TOKEN_TIME, true, true, false },
	{ "authzid in another form", SASL_OAUTHBEARER, "n,a=Anna@ONE.example,",
	    "ANNA@one.example", TOKEN_TIME, true, true, false },
	{ "XOAUTH2", SASL_XOAUTH2, "user=anna@one.example", "anna@one.example",
	    TOKEN_TIME, true, true, false },
	{ "for somebody else", SASL_OAUTHBEARER, "n,a=anna@one.example,",
	    "eve@one.example", TOKEN_TIME, true, false, false },
	{ "XOAUTH2 for somebody else", SASL_XOAUTH2, "user=anna@one.example",
	    "eve@one.example", TOKEN_TIME, true, false, false },
	{ "no such account", SASL_OAUTHBEARER, "n,,", "eve@one.example",
	    TOKEN_TIME, true, false, false },
	{ "no address", SASL_OAUTHBEARER, "n,,", "anna", TOKEN_TIME, true,
	    false, false },
	{ "expired", SASL_OAUTHBEARER, "n,,", "anna@one.example", -TOKEN_TIME,
	    true, false, false },
	{ "of another key", SASL_OAUTHBEARER, "n,,", "anna@one.example",
	    TOKEN_TIME, false, false, true },
};

/* A refusal has its challenge first, and any answer to it does. */
static void
bearer_tokens(void **state)
{
	struct world *w = *state;
	EVP_PKEY *ours = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char token[1024];

	tell_keys(w, ours);
	test_true(w->made && w->n_keys == 1);
	for (size_t i = 0; i < sizeof(bearers) / sizeof(bearers[0]); i++) {
		size_t n = make_token(w, bearers[i].is_ours ? ours : other,
		    bearers[i].email, bearers[i].seconds, token);

		test_case(bearers[i].what);
		ask_token(w, bearers[i].mechanism, bearers[i].head,
		    slice_of(token, n));
		test_int(w->grants, bearers[i].granted);
		test_int(w->challenges, !bearers[i].granted);
		if (bearers[i].granted) {
			test_int(w->grant.account, 17);
			test_int(w->grant.scopes, GRANT_SUBMIT);
			test_int(w->grant.credential, 0xffffffff);
			continue;
		}
		test_true(strstr(w->challenge, "invalid_token") != NULL ||
		    strstr(w->challenge, "401") != NULL);
		respond(w, SLICE("\1"));
		await(w, 2);
		test_int(w->refused, 1);
		test_int(w->malformed, 0);
		test_true((w->wait_ms > 0) == bearers[i].counted);
	}
	/* Not a token in any way: the same end. */
	ask_token(w, SASL_OAUTHBEARER, "n,,", SLICE("a.b.c"));
	test_int(w->challenges, 1);
	EVP_PKEY_free(ours);
	EVP_PKEY_free(other);
}

/* New keys take the place of the old ones; such as cannot be used do not. */
static void
keys_change(void **state)
{
	struct world *w = *state;
	EVP_PKEY *old = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *new = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	char at[2][1024];
	size_t n[2] = { make_token(w, old, "anna@one.example", TOKEN_TIME,
			    at[0]),
		make_token(w, new, "anna@one.example", TOKEN_TIME, at[1]) };

	ask_token(w, SASL_OAUTHBEARER, "n,,", slice_of(at[0], n[0]));
	test_int(w->refused_temporarily, 1); /* there are no keys */
	tell_keys(w, old);
	tell_keys(w, NULL);
	test_true(!w->made);
	ask_token(w, SASL_OAUTHBEARER, "n,,", slice_of(at[0], n[0]));
	test_int(w->grants, 1);
	tell_keys(w, new);
	ask_token(w, SASL_OAUTHBEARER, "n,,", slice_of(at[0], n[0]));
	test_int(w->grants, 0);
	ask_token(w, SASL_OAUTHBEARER, "n,,", slice_of(at[1], n[1]));
	test_int(w->grants, 1);
	EVP_PKEY_free(old);
	EVP_PKEY_free(new);
}

/* -- certificates (RFC 4422, appendix A) -------------------------------------
 */

static X509 *
make_certificate(const char *san)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	X509_EXTENSION *e =
	    X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);

	(void)X509_set_version(x, X509_VERSION_3);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	test_int(X509_add_ext(x, e, -1), 1);
	test_true(X509_sign(x, key, EVP_sha256()) > 0);
	X509_EXTENSION_free(e);
	EVP_PKEY_free(key);
	return x;
}

static void
ask_certificate(struct world *w, X509 *x, struct slice authzid)
{
	struct wire_auth_start m = { .service = SLICE("smtp"),
		.client = SLICE("192.0.2.1"),
		.mechanism = SASL_EXTERNAL,
		.offered = SASL_MASK_ALL,
		.has_initial = true,
		.initial = authzid };
	unsigned char *der = NULL;
	int n = x == NULL ? 0 : i2d_X509(x, &der);
	uint8_t head[4] = { (uint8_t)n, (uint8_t)(n >> 8), 0, 0 };
	struct buf chain;

	buf_init(&chain, 16384);
	if (x != NULL) {
		test_int(buf_add(&chain, slice_of(head, 4)), 0);
		test_int(buf_add(&chain, slice_of(der, (size_t)n)), 0);
	}
	m.certificate = buf_slice(&chain);
	forget(w);
	test_int(wire_send_auth_start(w->front, 4711, 3, &m), 0);
	await(w, 1);
	buf_deinit(&chain);
	OPENSSL_free(der);
}

static const struct {
	const char *what;
	bool has_one, is_trusted, is_temporary;
	const char *san, *pinned;
	struct slice authzid;
	bool granted;
} externals[] = {
	{ "by its address", true, true, false, "email:anna@one.example", NULL,
	    SLICE(""), true },
	{ "and asked for", true, true, false, "email:anna@one.example", NULL,
	    SLICE("Anna@one.example"), true },
	{ "one of two, asked for", true, true, false,
	    "email:eve@one.example,email:anna@one.example", NULL,
	    SLICE("anna@one.example"), true },
	{ "one of two", true, true, false,
	    "email:eve@one.example,email:anna@one.example", NULL, SLICE(""),
	    false },
	{ "of somebody else", true, true, false, "email:eve@one.example", NULL,
	    SLICE("anna@one.example"), false },
	{ "of nobody", true, true, false, "email:eve@one.example", NULL,
	    SLICE(""), false },
	{ "nobody vouches", true, false, false, "email:anna@one.example", NULL,
	    SLICE(""), false },
	{ "nobody vouches, asked for", true, false, false,
	    "email:anna@one.example", NULL, SLICE("anna@one.example"), false },
	{ "given by an admin", true, false, false, "DNS:x.example",
	    "anna@one.example", SLICE(""), true },
	{ "given, and asked for", true, false, false, "DNS:x.example",
	    "anna@one.example", SLICE("anna@one.example"), true },
	{ "given to another", true, false, false, "email:anna@one.example",
	    "eve@one.example", SLICE("anna@one.example"), false },
	{ "what is given goes first", true, true, false,
	    "email:eve@one.example", "anna@one.example", SLICE(""), true },
	{ "none", false, true, false, "email:anna@one.example", NULL, SLICE(""),
	    false },
	{ "the store is in trouble", true, true, true, "email:anna@one.example",
	    NULL, SLICE(""), false },
};

static void
certificates(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(externals) / sizeof(externals[0]); i++) {
		X509 *x = make_certificate(externals[i].san);
		bool temporary = externals[i].is_temporary;

		test_case(externals[i].what);
		if (externals[i].is_trusted) {
			w->keeper.client_ca = X509_STORE_new();
			test_int(X509_STORE_add_cert(w->keeper.client_ca, x),
			    1);
			test_int(X509_STORE_set_flags(w->keeper.client_ca,
				     X509_V_FLAG_PARTIAL_CHAIN),
			    1);
		}
		w->pinned = externals[i].pinned;
		w->is_temporary = temporary;
		ask_certificate(w, externals[i].has_one ? x : NULL,
		    externals[i].authzid);
		test_int(w->grants, externals[i].granted);
		test_int(w->refused, !externals[i].granted && !temporary);
		test_int(w->refused_temporarily, temporary);
		test_int(w->wait_ms, 0); /* no guess */
		X509_STORE_free(w->keeper.client_ca);
		w->keeper.client_ca = NULL;
		X509_free(x);
	}
}

static void
app_passwords(void **state)
{
	struct world *w = *state;

	test_int(keeper_set_make(w->master, ANNA,
		     SLICE("abcde-fghij-klmno-pqrst"), true, w->app),
	    0);
	test_case("where it is good");
	ask_for(w, "smtp", SLICE(""), ANNA, SLICE("abcde-fghij-klmno-pqrst"));
	await(w, 1);
	test_int(w->grants, 1);
	test_int(w->grant.credential, 5);
	test_case("where it is not");
	ask_for(w, "imap", SLICE(""), ANNA, SLICE("abcde-fghij-klmno-pqrst"));
	await(w, 2);
	test_int(w->refused, 1);
	test_case("one's own beside it");
	ask_for(w, "imap", SLICE(""), ANNA, SLICE("secret"));
	await(w, 3);
	test_int(w->grants, 2);
	test_case("no password of one's own");
	w->verifier[0] = '\0';
	ask_for(w, "smtp", SLICE(""), ANNA, SLICE("secret"));
	await(w, 4);
	test_int(w->refused, 2);
	ask_for(w, "smtp", SLICE(""), ANNA, SLICE("abcde-fghij-klmno-pqrst"));
	await(w, 5);
	test_int(w->grants, 3);
	test_int(w->rehashed, 0);
	test_case("too short for one");
	test_true(keeper_set_make(w->master, ANNA, SLICE("short"), true,
		      w->app) < 0);
}

/* -- conversations --------------------------------------------------------- */

static void
login_mechanism(void **state)
{
	struct world *w = *state;

	ask_as(w, "imap", SASL_LOGIN, NULL);
	await(w, 1);
	test_true(strcmp(w->challenge, "Username:") == 0);
	respond(w, ANNA);
	await(w, 2);
	test_true(strcmp(w->challenge, "Password:") == 0);
	respond(w, SLICE("secret"));
	await(w, 3);
	test_int(w->grants, 1);
	test_int(w->session, 4711);
	test_int(w->ticket, 3);
	test_int(w->keeper.logins.n, 0);

	test_case("given up");
	forget(w);
	ask_as(w, "imap", SASL_LOGIN, NULL);
	await(w, 1);
	test_int(w->keeper.logins.n, 1);
	test_int(wire_send_auth_abort(w->front, 4711, 3,
		     &(struct wire_auth_abort){ 0 }),
	    0);
	turns(w, 5 * TIME_MS);
	test_int(w->keeper.logins.n, 0);
	test_case("a response to nothing");
	respond(w, ANNA);
	await(w, 2);
	test_int(w->refused_temporarily, 1);
	test_case("malformed: no guess, no wait");
	ask_as(w, "imap", SASL_LOGIN, &SLICE(""));
	await(w, 3);
	test_int(w->malformed, 1);
	test_int(w->wait_ms, 0);
}

/* What anybody sees of an account with SCRAM before it is clear who he is. */
static void
salt_of(struct world *w, struct slice first, char salt[64])
{
	const char *at;

	forget(w);
	ask_as(w, "imap", SASL_SCRAM_SHA_256, &first);
	await(w, 1);
	test_int(w->challenges, 1);
	at = strstr(w->challenge, ",s=");
	test_true(at != NULL);
	(void)snprintf(salt, 64, "%.*s", 63, at);
	test_int(wire_send_auth_abort(w->front, 4711, 3,
		     &(struct wire_auth_abort){ 0 }),
	    0);
	turns(w, 5 * TIME_MS);
}

static void
scram_tells_nothing(void **state)
{
	struct world *w = *state;
	char anna[64], again[64], eve[64], eve_again[64];

	salt_of(w, SLICE("n,,n=anna@one.example,r=x"), anna);
	salt_of(w, SLICE("n,,n=Anna@ONE.example,r=y"), again);
	test_true(strcmp(anna, again) == 0);
	salt_of(w, SLICE("n,,n=eve@one.example,r=x"), eve);
	salt_of(w, SLICE("n,,n=eve@one.example,r=y"), eve_again);
	test_true(strcmp(eve, eve_again) == 0);
	test_true(strcmp(anna, eve) != 0);
	test_int(strlen(anna), strlen(eve)); /* iterations too */
	test_case("one without keys looks like one with them");
	test_int(keeper_hash_password(SLICE("secret"), w->verifier), 0);
	salt_of(w, SLICE("n,,n=anna@one.example,r=x"), again);
	test_true(strcmp(anna, again) == 0);
	test_int(w->keeper.logins.n, 0);
}

static void
scram_wrong(void **state)
{
	struct world *w = *state;
	char final[256];
	struct slice first = SLICE("n,,n=anna@one.example,r=x");

	ask_as(w, "imap", SASL_SCRAM_SHA_256, &first);
	await(w, 1);
	(void)snprintf(final, sizeof(final),
	    "c=biws,r=%.*s,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	    (int)strcspn(w->challenge + 2, ","), w->challenge + 2);
	respond(w, slice_cstr(final));
	await(w, 2);
	test_int(w->refused, 1);
	test_int(w->malformed, 0);
	test_true(w->wait_ms > 0);
	test_int(w->keeper.logins.n, 0);
}

/* Too many conversations that wait for their clients: the oldest goes. */
/* Unknown, disabled, not for this service or just wrong: the store is asked
 * once, and as many slow hashes are made. Counted, for clocks lie. */
static const struct {
	const char *what, *service;
	struct slice name;
	bool is_disabled;
} failures[] = {
	{ "wrong", "imap", ANNA, false },
	{ "unknown", "imap", SLICE("eve@one.example"), false },
	{ "unknown domain", "imap", SLICE("anna@two.example"), false },
	{ "no address", "imap", SLICE("anna"), false },
	{ "disabled", "imap", ANNA, true },
	{ "another service", "smtp", ANNA, false },
	{ "no such service", "ftp", ANNA, false },
};
static const struct {
	enum sasl_mechanism mechanism;
	uint64_t hashes;
} costs[] = { { SASL_PLAIN, 1 }, { SASL_LOGIN, 1 }, { SASL_SCRAM_SHA_256, 0 },
	{ SASL_SCRAM_SHA_1, 0 } };

static void
fail_once(struct world *w, enum sasl_mechanism mechanism, const char *service,
    struct slice name)
{
	bool is_sha1 = mechanism == SASL_SCRAM_SHA_1;
	char at[512];
	struct slice first;

	if (mechanism == SASL_PLAIN) {
		ask_for(w, service, SLICE(""), name, SLICE("guess"));
		await(w, 1);
		return;
	}
	first = mechanism == SASL_LOGIN
	    ? name
	    : slice_of(at,
		  (size_t)snprintf(at, sizeof(at), "n,,n=%.*s,r=x",
		      SLICE_FMT(name)));
	ask_as(w, service, mechanism, &first);
	await(w, 1);
	test_int(w->challenges, 1);
	if (mechanism == SASL_LOGIN)
		(void)snprintf(at, sizeof(at), "guess");
	else
		(void)snprintf(at, sizeof(at), "c=biws,r=%.*s,p=%s",
		    (int)strcspn(w->challenge + 2, ","), w->challenge + 2,
		    is_sha1 ? "AAAAAAAAAAAAAAAAAAAAAAAAAAA="
			    : "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
	respond(w, slice_cstr(at));
	await(w, 2);
}

static void
failures_cost_the_same(void **state)
{
	struct world *w = *state;
	const size_t n_costs = sizeof(costs) / sizeof(costs[0]);

	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
		for (size_t j = 0; j < n_costs; j++) {
			uint64_t before = w->keeper.n_hashed;

			test_case(failures[i].what);
			forget(w);
			w->n_asked = 0;
			w->is_disabled = failures[i].is_disabled;
			fail_once(w, costs[j].mechanism, failures[i].service,
			    failures[i].name);
			test_int(w->refused, 1);
			test_int(w->n_asked, 1);
			test_int(w->keeper.n_hashed - before, costs[j].hashes);
			/* Only the cost matters here, not who must wait. */
			memset(w->keeper.guard->bad, 0,
			    sizeof(w->keeper.guard->bad));
		}
}

static void
idle_ones_make_room(void **state)
{
	struct world *w = *state;

	for (uint32_t i = 0; i <= KEEPER_LOGINS_MAX; i++) {
		struct wire_auth_start m = { .service = SLICE("imap"),
			.client = SLICE("192.0.2.1"),
			.mechanism = SASL_LOGIN,
			.offered = SASL_MASK_ALL };

		test_int(wire_send_auth_start(w->front, i, 3, &m), 0);
	}
	for (int i = 0; i < 500 && w->challenges <= KEEPER_LOGINS_MAX; i++)
		turns(w, 10 * TIME_MS);
	test_int(w->challenges, KEEPER_LOGINS_MAX + 1);
	test_int(w->refused_temporarily, 1);
	test_int(w->keeper.logins.n, KEEPER_LOGINS_MAX);
	test_case("their front goes, and they with it");
	part(&w->front);
	turns(w, 5 * TIME_MS);
	test_int(w->keeper.logins.n, 0);
}

static void
changed_password(void **state)
{
	struct world *w = *state;

	ask(w, SLICE("anna@one.example"), SLICE("secret"));
	await(w, 1);
	test_int(w->grants, 1);
	test_int(make_set(w, SLICE("fresh"), w->verifier), 0);
	ask(w, SLICE("anna@one.example"), SLICE("secret"));
	await(w, 2);
	test_int(w->refused, 1);
	ask(w, SLICE("anna@one.example"), SLICE("fresh"));
	await(w, 3);
	test_int(w->grants, 2);
}

static void
imported_verifier(void **state)
{
	struct world *w = *state;
	struct crypt_data *work = calloc(1, sizeof(*work));

	(void)snprintf(w->verifier, sizeof(w->verifier), "{CRYPT}%s",
	    crypt_rn("secret", "$6$rounds=1000$saltsalt$", work,
		(int)sizeof(*work)));
	free(work);
	ask(w, SLICE("anna@one.example"), SLICE("wrong"));
	await(w, 1);
	test_int(w->rehashed, 0);
	ask(w, SLICE("anna@one.example"), SLICE("secret"));
	await(w, 2);
	turns(w, 5 * TIME_MS);
	test_int(w->grants, 1);
	test_int(w->rehashed, 1);
	test_true(keeper_password_matches(
	    sasl_set_password(slice_cstr(w->hashed)), SLICE("secret")));
	test_true(!keeper_set_is_old(slice_cstr(w->hashed)));
}

static void
too_many(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < MANY; i++)
		ask(w, SLICE("anna@one.example"), SLICE("wrong"));
	await(w, MANY - KEEPER_HASHES_MAX);
	/* Those above the bound hear at once that it is our trouble. */
	test_int(w->refused_temporarily, MANY - KEEPER_HASHES_MAX);
	test_true(w->keeper.logins.n <= KEEPER_HASHES_MAX);
	for (int i = 0; i < 10 && w->refused < KEEPER_HASHES_MAX; i++)
		await(w, MANY);
	test_int(w->refused, KEEPER_HASHES_MAX);
	test_int(w->keeper.logins.n, 0);
}

static void
store_goes(void **state)
{
	struct world *w = *state;

	test_case("while it is asked");
	w->is_silent = true;
	ask(w, SLICE("anna@one.example"), SLICE("secret"));
	turns(w, 5 * TIME_MS);
	test_int(w->n_asked, 1);
	part(&w->store);
	await(w, 1);
	test_int(w->refused_temporarily, 1);
	test_case("is not there");
	ask(w, SLICE("anna@one.example"), SLICE("secret"));
	await(w, 2);
	test_int(w->refused_temporarily, 2);
	test_case("is back");
	w->is_silent = false;
	w->store = join(w, WIRE_STORE, 9);
	ask(w, SLICE("anna@one.example"), SLICE("secret"));
	await(w, 3);
	test_int(w->grants, 1);
}

static void
front_goes(void **state)
{
	struct world *w = *state;

	ask(w, SLICE("anna@one.example"), SLICE("wrong"));
	turns(w, TIME_MS);
	part(&w->front);
	turns(w, TIME_SECOND);
	test_int(w->grants, 0);
	test_int(w->keeper.logins.n, 0);
}

/* -- control's questions, and signatures
 * ------------------------------------------ */

static void
hashes(void **state)
{
	struct world *w = *state;
	struct wire_hash_ask m = { .password = SLICE("new one"),
		.address = SLICE("ben@one.example") };

	test_int(wire_send_hash_ask(w->control, 1, 1, &m), 0);
	for (int i = 0; i < 10000 && w->hashed[0] == '\0'; i++)
		turns(w, 10 * TIME_MS);
	test_true(w->made);
	test_true(keeper_password_matches(
	    sasl_set_password(slice_cstr(w->hashed)), SLICE("new one")));
	test_true(!keeper_set_is_old(slice_cstr(w->hashed)));
	test_case("no password");
	w->made = true;
	m.password = SLICE("");
	test_int(wire_send_hash_ask(w->control, 1, 1, &m), 0);
	for (int i = 0; i < 500 && w->made; i++)
		turns(w, 10 * TIME_MS);
	test_true(!w->made);
}

static void
send_sign_ask(struct world *w, uint32_t key, struct slice tbs, uint64_t number)
{
	struct wire_sign_ask m = { .key = key, .digest = 256, .tbs = tbs };
	struct wire_head h = { .type = WIRE_SIGN_ASK, .session = number };
	uint8_t head[WIRE_HEAD];
	struct buf out;

	buf_init(&out, 4096);
	test_int(buf_add(&out, slice_of(head, sizeof(head))), BUF_OK);
	test_int(wire_encode_sign_ask(&out, &m), 0);
	h.len = (uint32_t)out.len - WIRE_HEAD;
	wire_head_encode(&h, out.mem + out.at);
	test_int(send(w->signing, buf_slice(&out).at, out.len, MSG_NOSIGNAL),
	    out.len);
	buf_deinit(&out);
	turns(w, 5 * TIME_MS);
}

static bool
hear_signature(struct world *w, uint64_t number, size_t *ret_len)
{
	struct wire_signature m;
	struct wire_head h;
	uint8_t at[4096];
	ssize_t n = recv(w->signing, at, sizeof(at), 0);

	test_true(n > WIRE_HEAD && wire_head_decode(at, &h));
	test_int(h.session, number);
	test_int(h.type, WIRE_SIGNATURE);
	test_int(wire_decode_signature(slice_of(at + WIRE_HEAD,
					   (size_t)n - WIRE_HEAD),
		     &m),
	    WIRE_OK);
	*ret_len = m.signature.len;
	return m.ok;
}

static void
keys_and_signatures(void **state)
{
	struct world *w = *state;
	struct wire_key_make make = { .names = SLICE("one.example"),
		.days = 30 };
	struct wire_sealed_key key = { .key = 5 };
	uint8_t tbs[100] = { [64] = 3, [65] = 0, [66] = 29, [67] = 32 };
	size_t n = 0;

	test_int(wire_send_key_make(w->control, 1, 1, &make), 0);
	for (int i = 0; i < 100 && !w->made; i++)
		turns(w, 10 * TIME_MS);
	test_true(w->made && w->sealed.len > 0 && w->chain.len > 0);

	send_sign_ask(w, 5, slice_of(tbs, sizeof(tbs)), 1);
	test_true(!hear_signature(w, 1, &n));
	test_int(n, 0);
	key.sealed = SLICE("no key at all");
	test_int(wire_send_sealed_key(w->store, 0, 0, &key), 0);
	key.sealed = buf_slice(&w->sealed);
	test_int(wire_send_sealed_key(w->store, 0, 0, &key), 0);
	test_int(wire_send_sealed_key(w->store, 0, 0, &key), 0);
	turns(w, 5 * TIME_MS);
	test_int(w->keeper.keys.n, 1);
	send_sign_ask(w, 5, slice_of(tbs, sizeof(tbs)), 2);
	test_true(hear_signature(w, 2, &n));
	test_true(n > 60);
	test_case("no handshake");
	tbs[64] = 1;
	send_sign_ask(w, 5, slice_of(tbs, sizeof(tbs)), 3);
	test_true(!hear_signature(w, 3, &n));
	test_case("another key");
	tbs[64] = 3;
	send_sign_ask(w, 6, slice_of(tbs, sizeof(tbs)), 4);
	test_true(!hear_signature(w, 4, &n));
	test_case("garbage ends the pair");
	test_int(send(w->signing, "garbage", 7, MSG_NOSIGNAL), 7);
	turns(w, 5 * TIME_MS);
	test_int(recv(w->signing, tbs, sizeof(tbs), 0), 0);
	test_true(list_is_empty(&w->keeper.signers));
}

static void
no_master(void **state)
{
	struct world *w = *state;
	struct keeper k = { 0 };
	struct role r = { .env = w->env,
		.settings = &w->settings,
		.ops = &keeper_ops,
		.ctx = &k };
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/keys/master", w->dir);
	test_int(unlink(path), 0);
	test_int(keeper_ops.prepare(&r), ROLE_EXIT_CONFIG);
	keeper_ops.deinit(&r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
TEST_MAIN(T(who_gets_in), T(services_and_masks), T(app_passwords),
    T(bearer_tokens), T(keys_change), T(certificates), T(login_mechanism),
    T(scram_tells_nothing), T(scram_wrong), T(failures_cost_the_same),
    T(idle_ones_make_room), T(changed_password), T(imported_verifier),
    T(too_many), T(store_goes), T(front_goes), T(hashes),
    T(keys_and_signatures), T(no_master))
