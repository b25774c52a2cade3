/* SPDX-License-Identifier: ISC */
#include "roles/courier/carrier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"

/* -- its end -------------------------------------------------------------- */

void
carrier_drop(struct carrier *k)
{
	struct courier *c = k->courier;

	if (k->attempt != NULL)
		k->attempt->carrier = NULL;
	if (k->state == CARRIER_IDLE)
		c->n_idle--;
	list_remove(&k->link);
	env_watch_del(c->env, &k->watch);
	env_timer_stop(c->env, &k->timer);
	if (k->tls != NULL)
		tls_free(k->tls);
	env_close(c->env, k->watch.fd, false);
	smtp_client_deinit(&k->client);
	free(k);
}

/* What the client was doing before it was told of the end. Once the dot is
 * out, the remote may have the message whatever else we hear or do not hear. */
void
carrier_note_phase(struct carrier *k)
{
	if (k->client.phase == SMTP_PHASE_MAIL_DONE ||
	    k->client.phase == SMTP_PHASE_CLOSED)
		return;
	k->last_phase = k->client.phase;
	k->dot_is_out = k->client.phase == SMTP_PHASE_DOT &&
	    smtp_client_out(&k->client).len == 0;
}

/* Between STARTTLS and the first reply inside TLS. Servers whose TLS is broken
 * hang up anywhere there; and so they would at every further attempt. */
bool
carrier_is_at_tls(const struct carrier *k)
{
	return k->last_phase == SMTP_PHASE_STARTTLS ||
	    k->last_phase == SMTP_PHASE_TLS ||
	    (k->last_phase == SMTP_PHASE_EHLO && k->client.has_tls);
}

/* is_refused: the remote said so itself, in so many words. */
enum attempt_failure
carrier_failure_of(const struct carrier *k, bool is_refused)
{
	if (k->dot_is_out && !is_refused)
		return ATTEMPT_DOT;
	if (carrier_is_at_tls(k) && !is_refused)
		return ATTEMPT_TLS_FAILED;
	return k->last_phase < SMTP_PHASE_READY ? ATTEMPT_CONNECT
						: ATTEMPT_SESSION;
}

bool
carrier_is_unheard(const struct carrier *k)
{
	int64_t silence = env_now(k->courier->env) - k->connected_at;

	return k->is_reset && k->last_phase == SMTP_PHASE_GREETING &&
	    k->client.n_replied == 0 && !k->is_implicit &&
	    silence >= (ENV_KEEPALIVE_SECONDS - 1) * TIME_SECOND;
}

/* What the client has noted so far, in its place among our own lines. */
void
carrier_take_notes(struct carrier *k)
{
	if (k->attempt == NULL)
		return;
	attempt_note_client(k->attempt, &k->client);
	smtp_client_dialogue_clear(&k->client);
}

void
carrier_tell_time(struct carrier *k)
{
	k->client.has_clock = k->attempt != NULL;
	if (k->attempt != NULL)
		k->client.clock_ms = attempt_clock(k->attempt);
}

/* The carrier is gone, and its attempt goes on without it. */
void
carrier_fail(struct carrier *k, enum attempt_failure what, struct verdict why,
    bool is_ours)
{
	struct attempt *a = k->attempt;
	char text[LIMIT_SMTP_REPLY_LINE];

	if (k->client.is_chunked && k->last_phase >= SMTP_PHASE_BODY &&
	    k->last_phase <= SMTP_PHASE_DOT)
		courier_chunks_failed(k->courier, &k->peer.remote);
	/* the words lie in the client */
	(void)slice_to_cstr(why.text, text, sizeof(text));
	why.text = slice_cstr(text);
	carrier_take_notes(k);
	carrier_drop(k);
	if (a != NULL)
		attempt_on_failed(a, what, &why, is_ours);
}

void
carrier_fail_local(struct carrier *k, enum attempt_failure what,
    uint16_t subject, uint16_t detail, const char *text)
{
	carrier_take_notes(k);
	if (k->attempt != NULL)
		attempt_note(k->attempt, "! %s", text);
	carrier_fail(k, what,
	    (struct verdict){ 451, { 4, subject, detail }, slice_cstr(text) },
	    true);
}

/* -- its beginning -------------------------------------------------------- */

static void
on_connected(struct carrier *k)
{
	int r = env_connect_result(k->courier->env, k->watch.fd);
	char text[200];

	if (r == 0) {
		k->connected_at = env_now(k->courier->env);
		(void)env_local_addr(k->courier->env, k->watch.fd,
		    &k->peer.local);
		attempt_note(k->attempt, "* connected to %s", k->remote);
		if (k->is_implicit) {
			carrier_start_tls(k);
			return;
		}
		carrier_enter(k, CARRIER_TALKING);
		carrier_run(k);
		return;
	}
	(void)snprintf(text, sizeof(text), "cannot connect to %.120s: %s",
	    k->remote, strerror(-r));
	carrier_fail_local(k, ATTEMPT_CONNECT, 4, 1, text);
}

static void
on_ready_socket(struct env_watch *w, unsigned events)
{
	struct carrier *k = LIST_ENTRY(w, struct carrier, watch);

	if (k->state == CARRIER_CONNECTING) {
		on_connected(k);
		return;
	}
	carrier_note_phase(k);
	carrier_tell_time(k);
	if (k->state != CARRIER_HANDSHAKE && (events & ENV_READ) != 0)
		carrier_receive(k);
	carrier_run(k);
}

static void
name_remote(struct carrier *k, const struct carrier_target *t)
{
	char address[ENV_ADDR_TEXT];

	env_addr_print(&t->address, address);
	(void)slice_to_cstr(t->host, k->host, sizeof(k->host));
	if (t->is_literal && k->host[0] != '[')
		(void)snprintf(k->host, sizeof(k->host), "[%s]", address);
	if (t->is_literal)
		(void)snprintf(k->remote, sizeof(k->remote), "%s:%u", k->host,
		    t->address.port);
	else
		(void)snprintf(k->remote, sizeof(k->remote), "%.230s [%s]:%u",
		    k->host, address, t->address.port);
}

static void
attach(struct carrier *k, struct attempt *a)
{
	k->attempt = a;
	a->carrier = k;
	memcpy(a->remote, k->remote, sizeof(a->remote));
	memcpy(a->tls, k->tls_text, sizeof(a->tls));
}

static int
carrier_connect(struct carrier *k, const struct carrier_target *t,
    const struct env_addr *from)
{
	struct env *env = k->courier->env;
	int fd, r;

	fd = env_connect(env, &t->address, from);
	if (fd < 0)
		return ERR_ORIGIN(fd);
	r = env_watch_add(env, &k->watch, fd, ENV_WRITE, on_ready_socket);
	if (r < 0) {
		env_close(env, fd, false);
		return ERR_TRACE(r);
	}
	k->watch.fd = fd;
	return 0;
}

/* Printable, and no comma (RFC 5802, 7). */
static void
make_nonce(struct env *env, char nonce[CARRIER_NONCE])
{
	uint8_t bytes[CARRIER_NONCE / 4 * 3];

	env_random(env, bytes, sizeof(bytes));
	nonce[base64_encode(slice_of(bytes, sizeof(bytes)), nonce) - 1] = '\0';
}

static enum smtp_client_tls
how_tls(const struct attempt *a, const struct carrier_target *t)
{
	if (attempt_hop_is_implicit(a, t->address.port))
		return SMTP_TLS_IS_UP;
	if (tls_demand_is_firm(&a->demand))
		return SMTP_TLS_MUST;
	return t->in_the_clear || a->courier->tls == NULL ||
		a->demand.level == TLS_LEVEL_NEVER
	    ? SMTP_TLS_NEVER
	    : SMTP_TLS_MAY;
}

int
carrier_open(struct attempt *a, const struct carrier_target *t)
{
	struct courier *c = a->courier;
	struct smtp_client_config config = { .tls = how_tls(a, t),
		.user = a->hop.login,
		.password = a->hop.password,
		.plain_auth = a->hop.auth_clear,
		.is_lmtp = a->hop.kind == HOP_LMTP,
		.no_chunks = !courier_may_chunk(c, &t->address) };
	struct carrier *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return ERR_ORIGIN(-ENOMEM);
	k->courier = c;
	k->hosts = a->hosts;
	k->is_full = t->is_full;
	k->turn = t->turn;
	k->tls_minimum = security_minimum(a);
	k->tls_optional = a->tls_optional;
	k->peer.remote = t->address;
	name_remote(k, t);
	(void)slice_to_cstr(a->key, k->key, sizeof(k->key));
	(void)snprintf(k->helo, sizeof(k->helo), "%s", attempt_hop_helo(a));
	config.helo = k->helo;
	make_nonce(c->env, k->nonce);
	config.nonce = k->nonce;
	k->is_implicit = config.tls == SMTP_TLS_IS_UP;
	k->is_hasty = attempt_give_up_soon(a);
	attempt_note(a, "* connecting to %s%s", k->remote,
	    t->in_the_clear ? ", without TLS this time" : "");
	memcpy(a->remote, k->remote, sizeof(a->remote));
	r = carrier_connect(k, t, attempt_hop_source(a, t->address.family));
	if (r < 0) {
		free(k);
		return r;
	}
	smtp_client_init(&k->client, &config);
	k->timer.fire = carrier_on_timer;
	list_add_last(&c->carriers, &k->link);
	attach(k, a);
	carrier_enter(k, CARRIER_CONNECTING);
	return 0;
}

/* The one used last, for that is the least likely to be closed by now. */
bool
carrier_reuse(struct attempt *a)
{
	struct courier *c = a->courier;

	for (struct list *it = c->idle.prev; it != &c->idle; it = it->prev) {
		struct carrier *k = LIST_ENTRY(it, struct carrier, link);

		if (!slice_equal(slice_cstr(k->key), a->key) ||
		    (a->turn != 0 && k->turn != a->turn) ||
		    k->tls_minimum != security_minimum(a) ||
		    k->tls_optional != a->tls_optional ||
		    (k->peer.local.family == 4 && a->not_v4) ||
		    (k->peer.local.family == 6 && a->not_v6))
			continue; /* made under another demand */
		/* another connection may have found out meanwhile */
		k->client.config.no_chunks =
		    !courier_may_chunk(c, &k->peer.remote);
		list_remove(&k->link);
		list_add_last(&c->carriers, &k->link);
		c->n_idle--;
		attach(k, a);
		attempt_note(a, "* on the open connection to %s", k->remote);
		carrier_enter(k, CARRIER_TALKING);
		carrier_run(k);
		return true;
	}
	return false;
}

static unsigned
count_hosts(const struct list *carriers, uint64_t hosts)
{
	unsigned n = 0;

	for (struct list *it = carriers->next; it != carriers; it = it->next)
		n += LIST_ENTRY(it, struct carrier, link)->hosts == hosts;
	return n;
}

void
carrier_make_room(const struct attempt *a)
{
	struct courier *c = a->courier;

	if (count_hosts(&c->idle, a->hosts) == 0 ||
	    count_hosts(&c->idle, a->hosts) +
		    count_hosts(&c->carriers, a->hosts) <
		a->hosts_most)
		return;
	LIST_FOREACH (it, &c->idle) {
		struct carrier *k = LIST_ENTRY(it, struct carrier, link);

		if (k->hosts != a->hosts)
			continue;
		carrier_leave(k);
		return;
	}
}

static void
drop_all(struct list *carriers)
{
	while (!list_is_empty(carriers))
		carrier_drop(LIST_ENTRY(carriers->next, struct carrier, link));
}

void
carrier_drop_idle(struct courier *c)
{
	drop_all(&c->idle);
}

void
carrier_drop_all(struct courier *c)
{
	drop_all(&c->idle);
	drop_all(&c->carriers);
}
