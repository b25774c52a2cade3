/* SPDX-License-Identifier: ISC */
/*
 * roles/keeper/keeper - the role that holds the secrets
 *
 * Talks to: fronts (logins from `user`, handshake signatures for both kinds,
 * these on a socketpair of their own), the store (verifiers, sealed keys,
 * grants), control (new passwords and keys), the courier (passwords that it has
 * to say to other servers).
 *
 * May touch: its channels. The master secret and the keys of who issues tokens
 * are read before the sandbox.
 *
 * If it is taken over: it can let anyone in, and sign as this server, while it
 * lasts; sealed keys can be opened with what it knows.
 *
 * If it dies: logins get a temporary refusal and TLS handshakes fail until the
 * supervisor has started another; the store sends the keys again.
 */
#include "roles/keeper/keeper.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "roles/keeper/sign.h"
#include "sys/secret.h"

enum {
	SIGN_BATCH = 16,
	SIGN_FRAME = WIRE_HEAD + 2048
};

/* One front's signing pair. */
struct signer {
	struct env_watch watch;
	struct keeper *keeper;
	struct list link;
	enum wire_role front;
};

/* -- signatures
 * ------------------------------------------------------------------ */

static void
signer_close(struct signer *s)
{
	env_watch_del(s->keeper->env, &s->watch);
	env_close(s->keeper->env, s->watch.fd, false);
	list_remove(&s->link);
	free(s);
}

static int
sign_answer(struct signer *s, const struct wire_head *asked,
    const struct wire_signature *m)
{
	uint8_t head[WIRE_HEAD];
	struct wire_head h = { .type = WIRE_SIGNATURE,
		.session = asked->session,
		.ticket = asked->ticket };
	struct buf out;
	int r;

	buf_init(&out, SIGN_FRAME);
	r = wire_encode_signature(&out, m);
	if (r == 0) {
		struct slice payload = buf_slice(&out);
		struct iovec v[] = { { head, sizeof(head) },
			{ (void *)(uintptr_t)payload.at, payload.len } };

		h.len = (uint32_t)payload.len;
		wire_head_encode(&h, head);
		r = env_sendv(s->keeper->env, s->watch.fd, v, 2) ==
			(ssize_t)(sizeof(head) + payload.len)
		    ? 0
		    : -EPIPE;
	}
	buf_deinit(&out);
	return r;
}

/* One datagram is one question. Anything else than that ends the pair. */
static int
sign_question(struct signer *s, struct slice frame)
{
	struct keeper *k = s->keeper;
	struct wire_signature answer = { .ok = false };
	struct wire_sign_ask ask;
	struct wire_head h;
	struct buf signature;
	EVP_PKEY *key;
	int r;

	if (frame.len < WIRE_HEAD || !wire_head_decode(frame.at, &h) ||
	    h.len != frame.len - WIRE_HEAD || h.type != WIRE_SIGN_ASK ||
	    !wire_may_send(s->front, WIRE_KEEPER, h.type) ||
	    wire_decode_sign_ask(slice_from(frame, WIRE_HEAD), &ask) != WIRE_OK)
		return -EPROTO;
	key = map_get_number(&k->keys, ask.key);
	buf_init(&signature, SIGN_SIGNATURE_MAX);
	answer.ok = key != NULL &&
	    sign_handshake(keeper_master_lib(k->master), key, &ask, &signature);
	answer.signature = buf_slice(&signature);
	if (!answer.ok)
		env_log(k->env, ENV_WARN, "signature-refused",
		    "front=%s key=%u known=%s", wire_role_name(s->front),
		    ask.key, key == NULL ? "no" : "yes");
	r = sign_answer(s, &h, &answer);
	buf_deinit(&signature);
	return r;
}

static void
on_sign(struct env_watch *w, unsigned events)
{
	struct signer *s = LIST_ENTRY(w, struct signer, watch);
	uint8_t at[SIGN_FRAME];

	(void)events;
	for (int i = 0; i < SIGN_BATCH; i++) {
		ssize_t n = env_recv(s->keeper->env, w->fd, at, sizeof(at));

		if (n == -EAGAIN)
			return;
		if (n <= 0 || sign_question(s, slice_of(at, (size_t)n)) < 0) {
			signer_close(s);
			return;
		}
	}
}

static void
signer_open(struct keeper *k, enum wire_role front, int fd)
{
	struct signer *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		env_close(k->env, fd, false);
		return;
	}
	s->keeper = k;
	s->front = front;
	list_add_last(&k->signers, &s->link);
	if (env_watch_add(k->env, &s->watch, fd, ENV_READ, on_sign) < 0) {
		env_close(k->env, fd, false);
		list_remove(&s->link);
		free(s);
	}
}

/* -- keys
 * ---------------------------------------------------------------------- */

static int
on_sealed_key(struct channel *c, const struct wire_head *h,
    const struct wire_sealed_key *m)
{
	struct keeper *k = c->ctx;
	EVP_PKEY *key, *old;
	int r = keeper_key_open(k->master, m->sealed, &key);

	(void)h;
	if (r != KEEPER_OK) {
		env_log(k->env, ENV_ERROR, "key-unusable",
		    "key=%u reason=\"%s\"", m->key,
		    r == KEEPER_E_SEALED ? "not sealed by this master secret"
					 : "out of memory");
		return 0;
	}
	old = map_take_number(&k->keys, m->key);
	EVP_PKEY_free(old);
	if (map_put_number(&k->keys, m->key, key) < 0)
		EVP_PKEY_free(key);
	return 0;
}

static int
on_keys_end(struct channel *c, const struct wire_head *h,
    const struct wire_keys_end *m)
{
	struct keeper *k = c->ctx;

	(void)h;
	(void)m;
	env_log(k->env, ENV_INFO, "keys", "n=%zu", k->keys.n);
	return 0;
}

static int
on_key_make(struct channel *c, const struct wire_head *h,
    const struct wire_key_make *m)
{
	struct keeper *k = c->ctx;
	struct wire_key_made answer = { .ok = false };
	struct buf sealed, chain;
	int r;

	buf_init(&sealed, KEEPER_SEALED_MAX);
	buf_init(&chain, KEEPER_CHAIN_MAX);
	r = keeper_key_make(k->master, m->names, m->days, env_wall(k->env),
	    &sealed, &chain);
	if (r == KEEPER_OK) {
		answer.ok = true;
		answer.sealed = buf_slice(&sealed);
		answer.chain = buf_slice(&chain);
	}
	(void)wire_send_key_made(c, h->session, h->ticket, &answer);
	buf_deinit(&sealed);
	buf_deinit(&chain);
	return 0;
}

/* -- passwords for other servers
 * ------------------------------------------------- */

static int
on_seal_ask(struct channel *c, const struct wire_head *h,
    const struct wire_seal_ask *m)
{
	struct keeper *k = c->ctx;
	struct wire_sealed answer = { .ok = false };
	struct buf sealed;

	buf_init(&sealed, KEEPER_SEALED_MAX);
	answer.ok = m->secret.len > 0 &&
	    keeper_secret_seal(k->master, m->secret, &sealed) == KEEPER_OK;
	if (answer.ok)
		answer.sealed = buf_slice(&sealed);
	(void)wire_send_sealed(c, h->session, h->ticket, &answer);
	buf_deinit(&sealed);
	return 0;
}

static int
on_secret_ask(struct channel *c, const struct wire_head *h,
    const struct wire_secret_ask *m)
{
	struct keeper *k = c->ctx;
	struct wire_secret answer = { .ok = false };
	uint8_t secret[KEEPER_SECRET_MAX];
	size_t n = 0;

	answer.ok =
	    keeper_secret_open(k->master, m->sealed, secret, &n) == KEEPER_OK;
	if (answer.ok)
		answer.secret = slice_of(secret, n);
	else
		env_log(k->env, ENV_WARN, "secret-unusable",
		    "reason=\"not sealed by this master secret\"");
	(void)wire_send_secret(c, h->session, h->ticket, &answer);
	sodium_memzero(secret, sizeof(secret));
	return 0;
}

/* -- peers
 * ---------------------------------------------------------------------- */

static const struct wire_keeper_handlers handlers = {
	.sealed_key = on_sealed_key,
	.keys_end = on_keys_end,
	.auth_start = auth_on_start,
	.auth_step = auth_on_step,
	.auth_abort = auth_on_abort,
	.verifier = auth_on_verifier,
	.certificate = auth_on_certificate,
	.hash_ask = auth_on_hash_ask,
	.key_make = on_key_make,
	.seal_ask = on_seal_ask,
	.secret_ask = on_secret_ask,
	.token_keys = keeper_token_on_keys,
};

static int
dispatch(struct channel *c, const struct wire_head *h, struct slice payload,
    int fd)
{
	return wire_dispatch_keeper(&handlers, c, c->peer, h, payload, fd);
}

static void
peer_free(struct keeper *k, struct channel *c)
{
	list_remove(&c->link);
	if (k->store == c) {
		k->store = NULL;
		auth_lost_store(k);
	}
	if (c->peer == WIRE_USER)
		auth_lost_front(k, c->peer_instance);
	channel_close(c);
	free(c);
}

static void
on_closed(struct channel *c)
{
	peer_free(c->ctx, c);
}

static const struct channel_ops channel_ops = { .dispatch = dispatch,
	.on_closed = on_closed };

struct channel *
keeper_peer(struct keeper *k, enum wire_role peer, uint32_t instance)
{
	LIST_FOREACH (it, &k->peers) {
		struct channel *c = LIST_ENTRY(it, struct channel, link);

		if (c->peer == peer && c->peer_instance == instance)
			return c;
	}
	return NULL;
}

static void
on_peer(struct role *r, enum wire_role peer, uint32_t instance,
    unsigned purpose, int fd)
{
	struct keeper *k = r->ctx;
	struct channel *c;

	if (purpose == PEER_SIGNING) {
		signer_open(k, peer, fd);
		return;
	}
	if (peer == WIRE_STORE && k->store != NULL)
		peer_free(k, k->store);
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		env_close(k->env, fd, false);
		return;
	}
	if (channel_open(c, k->env, k, fd, WIRE_KEEPER, peer, instance,
		&channel_ops) < 0) {
		free(c);
		return;
	}
	list_add_last(&k->peers, &c->link);
	if (peer == WIRE_STORE)
		k->store = c;
}

/* -- life
 * ------------------------------------------------------------------------ */

static int
read_master(struct role *r, struct keeper *k)
{
	struct env_dir *data;
	int n = env_dir_open(r->env, r->settings->data, &data);

	if (n == 0) {
		n = keeper_master_read(data, &k->master);
		env_dir_close(data);
	}
	if (n == -ENOENT)
		env_log(r->env, ENV_ERROR, "no-master-secret",
		    "hint=\"run ulak init\"");
	if (n == KEEPER_E_MASTER)
		env_log(r->env, ENV_ERROR, "bad-master-secret",
		    "file=keys/master");
	return n == -ENOENT || n == KEEPER_E_MASTER ? ROLE_EXIT_CONFIG : n;
}

static int
prepare(struct role *r)
{
	struct keeper *k = r->ctx;
	uint8_t seed[MAP_SEED];
	int n;

	k->role = r;
	k->env = r->env;
	list_init(&k->peers);
	list_init(&k->signers);
	env_random(k->env, seed, sizeof(seed));
	map_init(&k->keys, seed);
	if (sodium_init() < 0)
		return -EIO;
	n = auth_init(k);
	if (n == 0)
		n = keeper_token_init(k);
	if (n == 0)
		n = keeper_ca_init(r->env, r->settings->client_ca,
		    &k->client_ca);
	return n < 0 ? n : read_master(r, k);
}

static void
deinit(struct role *r)
{
	struct keeper *k = r->ctx;
	EVP_PKEY *key;
	size_t at = 0;

	LIST_FOREACH_SAFE (it, next, &k->signers)
		signer_close(LIST_ENTRY(it, struct signer, link));
	LIST_FOREACH_SAFE (c, next_c, &k->peers)
		peer_free(k, LIST_ENTRY(c, struct channel, link));
	while ((key = map_next(&k->keys, &at)) != NULL)
		EVP_PKEY_free(key);
	map_deinit(&k->keys);
	auth_deinit(k);
	keeper_token_deinit(k);
	X509_STORE_free(k->client_ca);
	keeper_master_free(k->master);
}

const struct role_ops keeper_ops = {
	.self = WIRE_KEEPER,
	.prepare = prepare,
	.on_peer = on_peer,
	.deinit = deinit,
};

int
role_keeper(struct env *env, const struct settings *s, int supervisor_fd)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int status;

	if (k == NULL)
		return ROLE_EXIT_TROUBLE;
	if (supervisor_fd != -1)
		secret_hide_process();
	status = role_run(env, s, supervisor_fd, &keeper_ops, k);
	free(k);
	return status;
}
