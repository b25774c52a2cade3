/* SPDX-License-Identifier: ISC */
#include "roles/front/conn.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/time.h"
#include "roles/front/deflate.h"
#include "roles/front/origin.h"

enum {
	ROUNDS = 4, /* of sending in one turn, so that others get theirs */
	CHUNK_TLS = 16 * 1024,
	TLS_MEMORY = 16 * 1024 /* an idle one of OpenSSL 3.0, measured; its
				* record buffers come and go */
};

/* Behind all limits of its own: nobody waits there for ever. */
#define GATE_TIME (2 * TIME_MINUTE)
#define HANDSHAKE_TIME (30 * TIME_SECOND)
#define ENDING_TIME (60 * TIME_SECOND)
#define LINGER_TIME (2 * TIME_SECOND)
/* An answer of ours that is out so long will never come, and the client has
 * given up on it (RFC 5321, 4.5.3.2.6: ten minutes). */
#define PAUSE_LIMIT (15 * TIME_MINUTE)

static void conn_soon(struct conn *c);

/* -- its memory ---------------------------------------------------------- */

static size_t
conn_cost(const struct conn *c)
{
	size_t more = c->session == NULL || !c->is_started || c->is_closed ||
		c->proto->cost == NULL
	    ? 0
	    : c->proto->cost(c);

	return sizeof(*c) + c->proto->session_size + c->in.size + c->out.size +
	    more + origin_cost(c) + (c->tls == NULL ? 0 : TLS_MEMORY) +
	    (c->deflate == NULL ? 0
				: DEFLATE_MEMORY + c->deflate->in.size +
			c->deflate->out.size);
}

/* The only assignment to c->state. */
static void
enter(struct conn *c, enum conn_state state)
{
	assert(c->state != CONN_DEAD);
	c->state = (uint8_t)state;
}

/* What a client hears for whom memory ran out before its greeting was out.
 * Nothing is allocated: the socket is new and takes so much at once. */
static void
say_sorry(struct front *f, int fd, const struct conn_proto *proto)
{
	struct iovec v = { .iov_base = (void *)(uintptr_t)proto->sorry.at,
		.iov_len = proto->sorry.len };

	if (v.iov_len > 0)
		(void)env_sendv(f->env, fd, &v, 1);
}

/* Ends it without a word, or with the first; freed at the end of the turn. */
static void
conn_kill(struct conn *c, bool reset)
{
	struct front *f = c->front;

	if (c->state == CONN_DEAD)
		return;
	if (c->is_unspoken) {
		say_sorry(f, c->watch.fd, c->proto);
		reset = false; /* it would take the words back */
	}
	enter(c, CONN_DEAD);
	env_watch_del(f->env, &c->watch);
	env_timer_stop(f->env, &c->timer);
	(void)map_take_number(&f->conns, c->number);
	tls_free(c->tls);
	c->tls = NULL;
	env_close(f->env, c->watch.fd, reset);
	conn_soon(c);
}

/* The protocol hears nothing more of this conn. */
static void
conn_close_session(struct conn *c)
{
	if (c->is_started && !c->is_closed && c->proto->closed != NULL)
		c->proto->closed(c);
	c->is_closed = true;
	origin_leave(c);
	free(c->session);
	c->session = NULL;
	buf_deinit(&c->in);
	buf_init(&c->in, LIMIT_CONN_IN);
}

static bool
pay_from(struct conn *c, struct purse *purse)
{
	struct purse *was = c->charge.purse;
	size_t amount = c->charge.amount;

	if (was == purse)
		return true;
	charge_release(&c->charge);
	if (charge_take(&c->charge, purse, amount))
		return true;
	(void)charge_take(&c->charge, was, amount);
	return false;
}

static void
client_leave(struct conn *c)
{
	struct client *client = c->client;

	if (client == NULL)
		return;
	if (c->charge.purse != NULL)
		(void)pay_from(c, &c->front->memory);
	c->client = NULL;
	list_remove(&c->client_link);
	if (--client->n > 0)
		return;
	(void)map_take(&front_own(c->front)->clients,
	    slice_of(client->key, CLIENT_KEY));
	free(client);
}

static void
conn_free(struct conn *c)
{
	struct front *f = c->front;

	conn_close_session(c);
	client_leave(c);
	env_defer_cancel(f->env, &c->later);
	list_remove(&c->link);
	buf_deinit(&c->in);
	buf_deinit(&c->out);
	deflate_free(c->deflate);
	charge_release(&c->charge);
	free(c);
	front_own(f)->n_conns--;
	front_conn_gone(f);
}

void
conn_free_now(struct conn *c)
{
	conn_kill(c, false);
	conn_free(c);
}

/* The last words to who must go for want of memory; in the clear, and between
 * two replies only. Nothing is allocated. */
static bool
say_last(struct conn *c)
{
	if (c->state != CONN_OPEN || c->tls != NULL || c->out.len > 0 ||
	    c->is_unspoken)
		return false;
	say_sorry(c->front, c->watch.fd, c->proto);
	return true;
}

/* False, and the conn is dead, when the front or its client has no memory for
 * it. */
static bool
conn_charge(struct conn *c)
{
	bool is_clients;

	if (charge_change(&c->charge, conn_cost(c)))
		return true;
	if (c->is_started && !c->is_closed && c->proto->starved != NULL &&
	    c->proto->starved(c) && charge_change(&c->charge, conn_cost(c)))
		return true;
	is_clients = c->charge.purse != &c->front->memory;
	env_log(c->front->env, ENV_WARN, "memory-limit", "client=%s of=%s",
	    c->peer_text, is_clients ? "client" : "front");
	conn_kill(c, !say_last(c));
	return false;
}

bool
conn_bill_client(struct conn *c)
{
	return c->client == NULL || c->charge.purse == NULL ||
	    pay_from(c, &c->client->memory);
}

/* What is not yet sent, compressed or not. */
static size_t
out_left(const struct conn *c)
{
	return c->out.len + (c->deflate == NULL ? 0 : c->deflate->out.len);
}

/* -- time ---------------------------------------------------------------- */

static int64_t
time_limit(const struct conn *c)
{
	switch ((enum conn_state)c->state) {
	case CONN_GATE:
		return GATE_TIME;
	case CONN_HANDSHAKE:
		return HANDSHAKE_TIME;
	case CONN_LINGER:
		return LINGER_TIME;
	case CONN_ENDING:
	case CONN_TLS_FLUSH:
		return ENDING_TIME;
	case CONN_OPEN:
		return c->idle;
	case CONN_DEAD:
		break;
	}
	return 0;
}

static void
arm(struct conn *c)
{
	int64_t limit = time_limit(c);

	if (limit == 0) {
		env_timer_stop(c->front->env, &c->timer);
		return;
	}
	if (env_timer_set(c->front->env, &c->timer, c->active + limit) < 0)
		conn_kill(c, true);
}

/* Enters a state that has a time limit of its own, from now on. */
static void
enter_timed(struct conn *c, enum conn_state state)
{
	enter(c, state);
	c->active = env_now(c->front->env);
	arm(c);
}

/* It waits for us, not we for it. */
static void
still_paused(struct conn *c, int64_t now)
{
	if (now - c->paused_at >= PAUSE_LIMIT) {
		env_log(c->front->env, ENV_ERROR, "answer-missing",
		    "client=%s proto=%s", c->peer_text, c->proto->name);
		conn_kill(c, true);
		return;
	}
	c->active = now;
	arm(c);
}

/* The timer stays where it is while bytes move; when it fires it is set to
 * where it belongs. That costs nothing per read. */
static void
on_timer(struct env_timer *t)
{
	struct conn *c = LIST_ENTRY(t, struct conn, timer);
	int64_t now = env_now(c->front->env);

	if (now < c->active + time_limit(c)) {
		arm(c);
		return;
	}
	if (c->state != CONN_OPEN) {
		conn_kill(c, c->state != CONN_LINGER);
		return;
	}
	if (c->is_paused && out_left(c) == 0) {
		still_paused(c, now);
		return;
	}
	c->active = now;
	arm(c);
	if (c->proto->timeout != NULL)
		c->proto->timeout(c);
	else
		conn_end(c);
}

/* -- socket -------------------------------------------------------------- */

static void
update_watch(struct conn *c)
{
	unsigned want = 0;

	switch ((enum conn_state)c->state) {
	case CONN_GATE:
		if (origin_wants_input(c) && !c->is_eof)
			want = ENV_READ;
		break;
	case CONN_HANDSHAKE:
		want = tls_wants(c->tls);
		break;
	case CONN_OPEN:
		if (!c->is_paused && !c->is_eof && buf_room(&c->in) > 0)
			want |= ENV_READ;
		__attribute__((fallthrough));
	case CONN_TLS_FLUSH:
	case CONN_ENDING:
		if (out_left(c) > 0)
			want |= ENV_WRITE;
		break;
	case CONN_LINGER:
		want = ENV_READ;
		break;
	case CONN_DEAD:
		return;
	}
	if (env_watch_want(c->front->env, &c->watch, want) < 0)
		conn_kill(c, true);
}

static ssize_t
recv_raw(struct conn *c, void *at, size_t n)
{
	if (c->tls != NULL)
		return tls_recv(c->tls, at, n);
	return env_recv(c->front->env, c->watch.fd, at, n);
}

/* What of the compressed bytes fits into n; they are read when the last ones
 * are used up. */
static ssize_t
recv_deflated(struct conn *c, void *at, size_t n)
{
	uint8_t piece[DEFLATE_IN];

	for (;;) {
		ssize_t r = deflate_read(c->deflate, at, n);

		if (r != 0)
			return r;
		r = recv_raw(c, piece, sizeof(piece));
		if (r <= 0)
			return r;
		if (buf_add(&c->deflate->in, slice_of(piece, (size_t)r)) !=
		    BUF_OK)
			return -ENOMEM;
	}
}

static ssize_t
conn_recv(struct conn *c, void *at, size_t n)
{
	return c->is_deflating ? recv_deflated(c, at, n) : recv_raw(c, at, n);
}

/* Read already, by us: no readiness of the socket will tell of it. */
static bool
has_pending(const struct conn *c)
{
	return (c->tls != NULL && tls_has_pending(c->tls)) ||
	    (c->is_deflating && deflate_has_pending(c->deflate));
}

static ssize_t
conn_send(struct conn *c, struct slice s)
{
	struct iovec v = { .iov_base = (void *)(uintptr_t)s.at,
		.iov_len = s.len };

	if (c->tls != NULL) {
		s = slice_upto(s, CHUNK_TLS);
		return tls_send(c->tls, s.at, s.len);
	}
	return env_sendv(c->front->env, c->watch.fd, &v, 1);
}

static void
lost(struct conn *c, ssize_t r)
{
	if (r == -EPROTO && c->tls != NULL)
		env_log(c->front->env, ENV_INFO, "tls-failed",
		    "client=%s session=%llu why=\"%s\"", c->peer_text,
		    (unsigned long long)c->number, tls_error(c->tls));
	conn_kill(c, true);
}

/* Gives the session what is there. A session that is not paused afterwards
 * wants more bytes; if the peer has ended there are none. */
static void
feed(struct conn *c)
{
	size_t before;

	c->wants_input_call = false;
	do {
		if (c->state != CONN_OPEN || c->is_paused)
			return;
		before = c->in.len;
		if (before > 0)
			c->proto->input(c);
	} while (c->is_eof && c->in.len > 0 && c->in.len < before);

	if (c->state != CONN_OPEN)
		return;
	if (c->in.len == 0)
		buf_reset(&c->in, 0);
	if (c->is_paused)
		return;
	if (c->is_eof) {
		conn_end(c);
	} else if (buf_room(&c->in) == 0) {
		/* A session's own limits are below ours. */
		env_log(c->front->env, ENV_WARN, "input-stuck",
		    "client=%s proto=%s", c->peer_text, c->proto->name);
		conn_kill(c, true);
	} else if (has_pending(c)) {
		conn_soon(c); /* no readiness will tell of these */
	}
}

static void
read_some(struct conn *c)
{
	uint8_t *scratch = front_own(c->front)->scratch;
	bool is_new = false;

	while (c->state == CONN_OPEN && !c->is_paused && !c->is_eof) {
		size_t want = buf_room(&c->in);
		ssize_t n;

		if (want > FRONT_SCRATCH)
			want = FRONT_SCRATCH;
		if (want == 0)
			break;
		n = conn_recv(c, scratch, want);
		if (n == -EAGAIN)
			break;
		if (n < 0) {
			lost(c, n);
			return;
		}
		is_new = true;
		if (n == 0) {
			c->is_eof = true;
			break;
		}
		if (buf_add(&c->in, slice_of(scratch, (size_t)n)) != BUF_OK) {
			conn_kill(c, true);
			return;
		}
		if (c->tls == NULL && !c->is_deflating && (size_t)n < want)
			break; /* that was all; saves a call */
	}
	if (!is_new)
		return;
	c->active = env_now(c->front->env);
	if (conn_charge(c))
		feed(c);
}

/* What a lingering peer still says is read away, up to its own end. */
static void
drain(struct conn *c)
{
	uint8_t *scratch = front_own(c->front)->scratch;

	for (int i = 0; i < ROUNDS; i++) {
		ssize_t n = env_recv(c->front->env, c->watch.fd, scratch,
		    FRONT_SCRATCH);

		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			conn_kill(c, false);
			return;
		}
	}
}

/* -- TLS ----------------------------------------------------------------- */

static void
tls_is_up(struct conn *c)
{
	c->tls_text[0] = '\0';
	(void)snprintf(c->tls_text, sizeof(c->tls_text), "%s with cipher %s",
	    tls_version(c->tls), tls_cipher(c->tls));
	enter(c, CONN_OPEN);
	c->active = env_now(c->front->env);
	arm(c);
	if (c->state != CONN_OPEN)
		return;
	if (c->is_started) {
		if (c->proto->tls_up != NULL)
			c->proto->tls_up(c);
	} else {
		c->is_started = true;
		c->proto->start(c);
	}
	conn_soon(c);
	read_some(c); /* may have come with the last of the handshake */
}

static void
shake(struct conn *c)
{
	int r = tls_handshake(c->tls);

	if (r == -EAGAIN)
		update_watch(c);
	else if (r < 0)
		lost(c, r);
	else
		tls_is_up(c);
}

static bool
begin_tls(struct conn *c)
{
	int r = tls_accept_new(c->front->tls, c->watch.fd, &c->tls);

	/* Commands sent along with STARTTLS are not obeyed (RFC 3207, 4.2). */
	buf_reset(&c->in, 0);
	if (r < 0) {
		env_log(c->front->env, ENV_WARN, "tls-unavailable",
		    "client=%s error=%d", c->peer_text, -r);
		conn_kill(c, false);
		return false;
	}
	if (!conn_charge(c))
		return false;
	enter_timed(c, CONN_HANDSHAKE);
	update_watch(c);
	return c->state == CONN_HANDSHAKE;
}

/* -- output -------------------------------------------------------------- */

static void
begin_linger(struct conn *c)
{
	bool had_tls = c->tls != NULL;

	if (c->is_unspoken)
		say_sorry(c->front, c->watch.fd, c->proto);
	c->is_unspoken = false;
	if (had_tls) {
		tls_goodbye(c->tls);
		tls_free(c->tls);
		c->tls = NULL;
	}
	conn_close_session(c);
	client_leave(c); /* it may come anew while the old one fades */
	if (c->is_eof) {
		conn_kill(c, false);
		return;
	}
	env_shutdown_write(c->front->env, c->watch.fd);
	enter_timed(c, CONN_LINGER);
}

static void
output_is_out(struct conn *c)
{
	buf_reset(&c->out, 0);
	if (c->deflate != NULL)
		buf_reset(&c->deflate->out, 0);
	if (c->state == CONN_TLS_FLUSH)
		(void)begin_tls(c);
	else if (c->state == CONN_ENDING)
		begin_linger(c);
	if (c->state != CONN_DEAD)
		(void)conn_charge(c);
}

/* The bytes that go next, as they go: compressed, when they are to be. NULL:
 * no memory, and the conn is dead. */
static struct buf *
next_out(struct conn *c)
{
	struct deflate *d = c->deflate;

	while (c->is_deflating && c->out.len > 0 && d->out.len < DEFLATE_OUT) {
		ssize_t n = deflate_write(d, buf_slice(&c->out));

		if (n < 0) {
			lost(c, n);
			return NULL;
		}
		buf_eat(&c->out, (size_t)n);
	}
	return c->is_deflating ? &d->out : &c->out;
}

/* Sends until the socket is full or all is out; true when bytes went. */
static bool
send_some(struct conn *c)
{
	bool has_moved = false;

	while (out_left(c) > 0) {
		struct buf *out = next_out(c);
		ssize_t n;

		if (out == NULL)
			return false;
		n = conn_send(c, buf_slice(out));
		if (n == -EAGAIN)
			break;
		if (n < 0) {
			lost(c, n);
			return false;
		}
		has_moved = true;
		c->is_unspoken = false;
		buf_eat(out, (size_t)n);
	}
	if (has_moved && c->state == CONN_OPEN)
		c->active = env_now(c->front->env);
	return has_moved;
}

static void
flush(struct conn *c)
{
	for (int i = 0; i < ROUNDS; i++) {
		bool has_moved = send_some(c);

		if (c->state == CONN_DEAD)
			return;
		if (out_left(c) == 0) {
			output_is_out(c);
			if (c->state == CONN_DEAD)
				return;
		}
		if (!has_moved || c->state != CONN_OPEN ||
		    c->out.len >= LIMIT_CONN_OUT / 4)
			return;
		if (c->proto->room != NULL)
			c->proto->room(c);
		if (c->out.len == 0)
			return;
	}
}

/* The end of a turn in which something happened to this conn. */
static void
run_later(struct env_defer *d)
{
	struct conn *c = LIST_ENTRY(d, struct conn, later);

	if (c->state == CONN_OPEN && c->wants_input_call && !c->is_paused)
		feed(c);
	if (c->state == CONN_OPEN && !c->is_paused && has_pending(c))
		read_some(c);
	if (c->state == CONN_OPEN || c->state == CONN_ENDING ||
	    c->state == CONN_TLS_FLUSH)
		flush(c);
	if (c->state == CONN_DEAD)
		conn_free(c);
	else
		update_watch(c);
}

static void
conn_soon(struct conn *c)
{
	env_defer(c->front->env, &c->later);
}

static void
on_ready(struct env_watch *w, unsigned events)
{
	struct conn *c = LIST_ENTRY(w, struct conn, watch);

	if (c->state == CONN_GATE) {
		origin_on_input(c);
		return;
	}
	if (c->state == CONN_HANDSHAKE) {
		shake(c);
		return;
	}
	if (c->state == CONN_LINGER) {
		drain(c);
		return;
	}
	if (c->state == CONN_OPEN && (events & ENV_READ) != 0)
		read_some(c);
	if (c->state != CONN_DEAD)
		conn_soon(c);
}

/* -- birth --------------------------------------------------------------- */

static void
client_key(const struct env_addr *peer, uint8_t key[CLIENT_KEY])
{
	memset(key, 0, CLIENT_KEY);
	key[0] = peer->family;
	memcpy(key + 1, peer->bytes, peer->family == 6 ? 8 : 4);
}

static bool
client_join(struct conn *c)
{
	struct front_own *own = front_own(c->front);
	struct client *client;
	uint8_t key[CLIENT_KEY];

	client_key(&c->peer, key);
	client = map_get(&own->clients, slice_of(key, CLIENT_KEY));
	if (client == NULL) {
		client = calloc(1, sizeof(*client));
		if (client == NULL)
			return false;
		memcpy(client->key, key, CLIENT_KEY);
		purse_init(&client->memory, &c->front->memory,
		    LIMIT_CLIENT_MEMORY);
		list_init(&client->conns);
		if (map_put(&own->clients, slice_of(client->key, CLIENT_KEY),
			client) < 0) {
			free(client);
			return false;
		}
	}
	client->n++;
	list_add_last(&client->conns, &c->client_link);
	c->client = client;
	return true;
}

uint32_t
front_client_count(struct front *f, const struct env_addr *peer)
{
	const struct client *client;
	uint8_t key[CLIENT_KEY];

	client_key(peer, key);
	client = map_get(&front_own(f)->clients, slice_of(key, CLIENT_KEY));
	return client == NULL ? 0 : client->n;
}

static bool
client_is_one_too_many(struct front *f, const struct env_addr *peer)
{
	return f->settings->max_per_client > 0 &&
	    front_client_count(f, peer) >= f->settings->max_per_client;
}

bool
conn_set_peer(struct conn *c, const struct env_addr *peer)
{
	if (client_is_one_too_many(c->front, peer))
		return false;
	client_leave(c);
	c->peer = *peer;
	env_addr_print(peer, c->peer_text);
	return client_join(c);
}

static struct conn *
conn_alloc(struct front *f, const struct env_addr *peer, unsigned service,
    const struct conn_proto *proto)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->front = f;
	c->proto = proto;
	c->service = service;
	c->peer = *peer;
	c->number = ++f->next_number;
	env_addr_print(peer, c->peer_text);
	buf_init(&c->in, LIMIT_CONN_IN);
	buf_init(&c->out, LIMIT_CONN_OUT);
	list_init(&c->link);
	list_init(&c->client_link);
	list_init(&c->later.link);
	c->later.run = run_later;
	c->timer.fire = on_timer;
	c->active = env_now(f->env);
	c->session = calloc(1, proto->session_size + 1);
	if (c->session == NULL ||
	    !charge_take(&c->charge, &f->memory, conn_cost(c))) {
		free(c->session);
		free(c);
		return NULL;
	}
	return c;
}

/* In the gate, and in every list. */
static struct conn *
conn_make(struct front *f, int fd, const struct env_addr *peer,
    unsigned service, const struct conn_proto *proto, bool is_tls)
{
	struct conn *c = conn_alloc(f, peer, service, proto);
	char text[ENV_ADDR_TEXT];

	if (c == NULL)
		goto refuse;
	if (!client_join(c) || map_put_number(&f->conns, c->number, c) < 0)
		goto undo;
	c->state = CONN_GATE;
	c->is_tls_first = is_tls;
	if (env_watch_add(f->env, &c->watch, fd, 0, on_ready) < 0)
		goto undo;
	list_add_last(&front_own(f)->conns, &c->link);
	front_own(f)->n_conns++;
	return c;

undo:
	(void)map_take_number(&f->conns, c->number);
	client_leave(c);
	charge_release(&c->charge);
	free(c->session);
	free(c);
refuse:
	env_addr_print(peer, text);
	env_log(f->env, ENV_WARN, "no-memory", "client=%s proto=%s", text,
	    proto->name);
	if (!is_tls)
		say_sorry(f, fd, proto);
	env_close(f->env, fd, is_tls);
	return NULL;
}

struct conn *
conn_new(struct front *f, int fd, const struct env_addr *peer, unsigned service,
    const struct conn_proto *proto, bool is_tls)
{
	struct conn *c = conn_make(f, fd, peer, service, proto, is_tls);

	if (c == NULL)
		return NULL;
	conn_gate_open(c);
	return is_tls && c->state == CONN_DEAD ? NULL : c;
}

struct conn *
conn_accept(struct front *f, int fd, const struct env_addr *peer,
    unsigned service, const struct conn_proto *proto, bool is_tls,
    const struct ip_networks *proxy, const struct conn_refusal *refusal)
{
	struct conn *c = conn_make(f, fd, peer, service, proto, is_tls);

	if (c == NULL)
		return NULL;
	c->refusal = refusal;
	if (!origin_begin(c, proxy) || !conn_charge(c)) {
		conn_kill(c, true);
		return NULL;
	}
	if (c->state == CONN_GATE) {
		enter_timed(c, CONN_GATE);
		conn_soon(c);
	}
	return c;
}

void
conn_gate_open(struct conn *c)
{
	if (c->state != CONN_GATE)
		return;
	if (c->is_tls_first) {
		(void)begin_tls(c);
		return;
	}
	enter(c, CONN_OPEN);
	c->active = env_now(c->front->env);
	c->is_started = true;
	c->is_unspoken = true;
	c->wants_input_call = c->in.len > 0;
	c->proto->start(c);
	conn_soon(c);
}

int
conn_refusal_print(const struct conn_refusal *r, const struct front *f,
    struct buf *out)
{
	int result = buf_add(out, r->before);

	if (result == 0 && r->behind_name.len > 0) {
		result = buf_add_cstr(out, f->hostname);
		if (result == 0)
			result = buf_add(out, r->behind_name);
	}
	return result;
}

void
conn_gate_refuse(struct conn *c)
{
	if (c->state != CONN_GATE)
		return;
	if (!c->is_tls_first && c->refusal != NULL)
		(void)conn_refusal_print(c->refusal, c->front, &c->out);
	enter_timed(c, CONN_ENDING);
	conn_soon(c);
}

void
conn_gate_shut(struct conn *c)
{
	if (c->state == CONN_GATE)
		conn_kill(c, true);
}

void
conn_gate_watch(struct conn *c)
{
	conn_soon(c);
}

struct conn *
conn_find_any(struct front *f, uint64_t number)
{
	struct conn *c = map_get_number(&f->conns, number);

	return c != NULL && c->state != CONN_DEAD ? c : NULL;
}

bool
conn_is_live(const struct conn *c)
{
	return c->is_started && !c->is_closed && c->state != CONN_ENDING &&
	    c->state != CONN_DEAD;
}

struct conn *
conn_find(struct front *f, uint64_t number)
{
	struct conn *c = map_get_number(&f->conns, number);

	return c != NULL && conn_is_live(c) ? c : NULL;
}

/* -- for protocols ------------------------------------------------------- */

struct front *
conn_front(struct conn *c)
{
	return c->front;
}

void *
conn_session(struct conn *c)
{
	return c->session;
}

struct slice
conn_in(const struct conn *c)
{
	return buf_slice(&c->in);
}

void
conn_eat(struct conn *c, size_t n)
{
	/* conn_end or a drop inside input() may have come before. */
	buf_eat(&c->in, n < c->in.len ? n : c->in.len);
}

void
conn_pause(struct conn *c)
{
	if (!c->is_paused)
		c->paused_at = env_now(c->front->env);
	c->is_paused = true;
	conn_soon(c);
}

void
conn_resume(struct conn *c)
{
	if (!c->is_paused)
		return;
	c->is_paused = false;
	c->active = env_now(c->front->env);
	c->wants_input_call = true;
	conn_soon(c);
}

void
conn_say(struct conn *c, struct slice bytes)
{
	int r;

	if (c->state != CONN_OPEN || bytes.len == 0)
		return;
	r = buf_add(&c->out, bytes);
	if (r != BUF_OK) {
		env_log(c->front->env, ENV_INFO, "output-limit",
		    "client=%s proto=%s", c->peer_text, c->proto->name);
		conn_kill(c, true);
		return;
	}
	if (conn_charge(c))
		conn_soon(c);
}

void
conn_printf(struct conn *c, const char *format, ...)
{
	va_list ap;
	int r;

	if (c->state != CONN_OPEN)
		return;
	va_start(ap, format);
	r = buf_vprintf(&c->out, format, ap);
	va_end(ap);
	if (r != BUF_OK)
		conn_kill(c, true);
	else if (conn_charge(c))
		conn_soon(c);
}

size_t
conn_out_room(const struct conn *c)
{
	return c->state == CONN_OPEN ? buf_room(&c->out) : 0;
}

void
conn_start_tls(struct conn *c)
{
	if (c->state != CONN_OPEN || c->tls != NULL)
		return;
	c->wants_input_call = false;
	c->is_paused = false;
	enter_timed(c, CONN_TLS_FLUSH);
	conn_soon(c);
}

bool
conn_prepare_deflate(struct conn *c)
{
	if (c->state == CONN_OPEN && c->deflate == NULL)
		c->deflate = deflate_new();
	return c->deflate != NULL;
}

/* What was said before goes out as it is; what came behind the command that
 * asked for this can only be compressed. */
void
conn_start_deflate(struct conn *c)
{
	struct deflate *d = c->deflate;

	if (c->state != CONN_OPEN || d == NULL || c->is_deflating)
		return;
	c->is_deflating = true;
	if (buf_add(&d->out, buf_slice(&c->out)) != BUF_OK ||
	    buf_add(&d->in, buf_slice(&c->in)) != BUF_OK) {
		conn_kill(c, true);
		return;
	}
	buf_reset(&c->out, 0);
	buf_reset(&c->in, 0);
	if (conn_charge(c))
		conn_soon(c);
}

bool
conn_has_tls(const struct conn *c)
{
	return c->tls != NULL && c->state != CONN_HANDSHAKE;
}

const char *
conn_tls_text(const struct conn *c)
{
	return conn_has_tls(c) ? c->tls_text : "";
}

void
conn_set_idle(struct conn *c, int64_t us)
{
	if (c->state == CONN_DEAD)
		return;
	c->idle = us;
	c->active = env_now(c->front->env);
	if (c->state == CONN_OPEN)
		arm(c);
}

void
conn_end(struct conn *c)
{
	if (c->state == CONN_DEAD || c->state == CONN_ENDING ||
	    c->state == CONN_LINGER)
		return;
	if (c->state == CONN_HANDSHAKE || c->state == CONN_GATE) {
		conn_kill(c, false);
		return;
	}
	enter_timed(c, CONN_ENDING);
	conn_soon(c);
}

void
conn_drop(struct conn *c)
{
	conn_kill(c, true);
}
