/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/carrier - one connection to a mail host
 *
 *   CONNECTING ─▶ TALKING ─▶ (HANDSHAKE ─▶ TALKING) ─▶ IDLE ─▶ LEAVING
 *
 * Moves bytes between the socket (or its TLS) and smtp/client, keeps the time
 * limits of RFC 5321, 4.5.3.2, and tells its attempt what came of it. A time
 * limit begins anew only when the dialogue has moved on, so that a server that
 * drips single octets gains nothing. The lease of the attempt bounds them all.
 */
#include "roles/courier/courier.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/err.h"

enum {
	CARRIER_KEY = 2 * LIMIT_DOMAIN,
	CARRIER_NONCE = 32,
	READ_SIZE = 16 * 1024,
	ROUNDS = 8 /* reads in one turn, so that others get theirs */
};

enum carrier_state {
	CARRIER_CONNECTING,
	CARRIER_TALKING,
	CARRIER_HANDSHAKE,
	CARRIER_IDLE,
	CARRIER_LEAVING /* QUIT was said */
};

/* How far the dialogue is; a change of it starts the time limit anew. */
struct progress {
	uint64_t phase, n_replied, body_sent, out_left;
};

struct carrier {
	struct courier *courier;
	struct list link;        /* in carriers or idle */
	struct attempt *attempt; /* NULL: idle or leaving */
	uint8_t state;
	uint8_t last_phase; /* of the client */
	bool dot_is_out;
	bool is_verified;           /* RFC 8689, 4.2.1 */
	bool is_implicit;           /* TLS came before the greeting */
	bool is_hasty;              /* another address is waiting its turn */
	bool has_told_tls;          /* there is a fact about it */
	bool is_full, tls_optional; /* as the first attempt had it */
	uint8_t tls_minimum;
	struct security_peer peer;
	unsigned n_mails, mails_max;
	struct env_watch watch; /* has the fd */
	struct env_timer timer;
	struct progress progress;
	struct tls *tls;
	struct smtp_client client;
	char nonce[CARRIER_NONCE];
	char key[CARRIER_KEY], host[LIMIT_DOMAIN + 1], helo[LIMIT_DOMAIN + 1];
	char remote[ATTEMPT_REMOTE], tls_text[ATTEMPT_TLS];
};

static void carrier_run(struct carrier *k);
static void carrier_fail_tls(struct carrier *k, const char *why);

/* -- its end -----------------------------------------------------------------
 */

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
static void
note_phase(struct carrier *k)
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
static bool
is_at_tls(const struct carrier *k)
{
	return k->last_phase == SMTP_PHASE_STARTTLS ||
	    k->last_phase == SMTP_PHASE_TLS ||
	    (k->last_phase == SMTP_PHASE_EHLO && k->client.has_tls);
}

/* is_refused: the remote said so itself, in so many words. */
static enum attempt_failure
failure_of(const struct carrier *k, bool is_refused)
{
	if (k->dot_is_out && !is_refused)
		return ATTEMPT_DOT;
	if (is_at_tls(k) && !is_refused)
		return ATTEMPT_TLS_FAILED;
	return k->last_phase < SMTP_PHASE_READY ? ATTEMPT_CONNECT
						: ATTEMPT_SESSION;
}

/* What the client has noted so far, in its place among our own lines. */
static void
take_notes(struct carrier *k)
{
	if (k->attempt == NULL)
		return;
	attempt_note_client(k->attempt, &k->client);
	smtp_client_dialogue_clear(&k->client);
}

static void
tell_time(struct carrier *k)
{
	k->client.has_clock = k->attempt != NULL;
	if (k->attempt != NULL)
		k->client.clock_ms = attempt_clock(k->attempt);
}

/* The carrier is gone, and its attempt goes on without it. */
static void
carrier_fail(struct carrier *k, enum attempt_failure what, struct verdict why,
    bool is_ours)
{
	struct attempt *a = k->attempt;
	char text[LIMIT_SMTP_REPLY_LINE];

	/* the words lie in the client */
	(void)slice_to_cstr(why.text, text, sizeof(text));
	why.text = slice_cstr(text);
	take_notes(k);
	carrier_drop(k);
	if (a != NULL)
		attempt_on_failed(a, what, &why, is_ours);
}

static void
carrier_fail_local(struct carrier *k, enum attempt_failure what,
    uint16_t subject, uint16_t detail, const char *text)
{
	take_notes(k);
	if (k->attempt != NULL)
		attempt_note(k->attempt, "! %s", text);
	carrier_fail(k, what,
	    (struct verdict){ 451, { 4, subject, detail }, slice_cstr(text) },
	    true);
}

/* -- time
 * ---------------------------------------------------------------------- */

static int64_t
time_limit(const struct carrier *k)
{
	const struct settings *s = k->courier->settings;
	const int64_t limits[] = {
		[SMTP_TIME_NONE] = s->command_timeout,
		[SMTP_TIME_GREETING] = s->greeting_timeout,
		[SMTP_TIME_COMMAND] = s->command_timeout,
		[SMTP_TIME_MAIL] = s->mail_timeout,
		[SMTP_TIME_RCPT] = s->rcpt_timeout,
		[SMTP_TIME_DATA] = s->data_start_timeout,
		[SMTP_TIME_DATA_BLOCK] = s->data_timeout,
		[SMTP_TIME_DOT] = s->dot_timeout,
	};

	switch ((enum carrier_state)k->state) {
	case CARRIER_CONNECTING:
		return k->is_hasty && s->fallback_delay < s->connect_timeout
		    ? s->fallback_delay
		    : s->connect_timeout;
	case CARRIER_IDLE:
		return COURIER_IDLE_TIME;
	case CARRIER_LEAVING:
		return COURIER_QUIT_TIME;
	case CARRIER_HANDSHAKE:
	case CARRIER_TALKING:
		break;
	}
	return limits[smtp_client_timeout(&k->client)];
}

/* Timers are never the reason to lose mail: one that cannot be set (no memory)
 * leaves the lease of the store. */
static void
start_timer(struct carrier *k)
{
	struct env *env = k->courier->env;
	int64_t due = env_now(env) + time_limit(k);

	/* behind the dot only its own limit counts */
	if (k->attempt != NULL && k->client.phase != SMTP_PHASE_DOT &&
	    due > k->attempt->lease_end)
		due = k->attempt->lease_end;
	(void)env_timer_set(env, &k->timer, due);
}

static void
watch_progress(struct carrier *k)
{
	struct progress now = { k->client.phase, k->client.n_replied,
		k->client.body_sent, smtp_client_out(&k->client).len };

	if (memcmp(&now, &k->progress, sizeof(now)) == 0)
		return;
	k->progress = now;
	start_timer(k);
}

static void
enter(struct carrier *k, enum carrier_state state)
{
	k->state = (uint8_t)state;
	start_timer(k);
}

static void
carrier_leave(struct carrier *k)
{
	if (k->state == CARRIER_IDLE) {
		k->courier->n_idle--;
		list_remove(&k->link);
		list_add_last(&k->courier->carriers, &k->link);
	}
	smtp_client_quit(&k->client);
	enter(k, CARRIER_LEAVING);
	carrier_run(k);
}

static void
on_timer(struct env_timer *t)
{
	static const char *const why[] = {
		[SMTP_TIME_NONE] = "the time for this attempt is over",
		[SMTP_TIME_GREETING] = "no greeting in time",
		[SMTP_TIME_COMMAND] = "no reply in time",
		[SMTP_TIME_MAIL] = "no reply in time to MAIL",
		[SMTP_TIME_RCPT] = "no reply in time to RCPT",
		[SMTP_TIME_DATA] = "no reply to DATA in time",
		[SMTP_TIME_DATA_BLOCK] = "the server takes no data",
		[SMTP_TIME_DOT] = "no reply to the end of the message in time",
	};
	struct carrier *k = LIST_ENTRY(t, struct carrier, timer);
	char text[200];

	note_phase(k);
	if (k->state == CARRIER_IDLE) {
		carrier_leave(k);
	} else if (k->state == CARRIER_LEAVING) {
		carrier_drop(k);
	} else if (k->state == CARRIER_CONNECTING) {
		if (k->is_hasty)
			attempt_gave_up(k->attempt);
		(void)snprintf(text, sizeof(text),
		    "cannot connect to %.120s: no answer in time", k->remote);
		carrier_fail_local(k, ATTEMPT_CONNECT, 4, 1, text);
	} else if (k->state == CARRIER_HANDSHAKE) {
		carrier_fail_tls(k, "no TLS handshake in time");
	} else if (is_at_tls(k)) {
		carrier_fail_tls(k, why[smtp_client_timeout(&k->client)]);
	} else {
		carrier_fail_local(k, failure_of(k, false), 4, 2,
		    why[smtp_client_timeout(&k->client)]);
	}
}

/* -- bytes
 * ----------------------------------------------------------------------- */

static void
update_watch(struct carrier *k)
{
	unsigned want = ENV_READ;

	if (k->state == CARRIER_CONNECTING)
		want = ENV_WRITE;
	else if (k->state == CARRIER_HANDSHAKE)
		want = tls_wants(k->tls);
	else if (smtp_client_out(&k->client).len > 0)
		want |=
		    k->tls != NULL ? tls_wants(k->tls) : (unsigned)ENV_WRITE;
	if (want != k->watch.want)
		(void)env_watch_want(k->courier->env, &k->watch, want);
}

static ssize_t
send_some(struct carrier *k, struct slice out)
{
	struct iovec v = { (void *)(uintptr_t)out.at, out.len };

	if (k->tls != NULL)
		return tls_send(k->tls, out.at, out.len);
	return env_sendv(k->courier->env, k->watch.fd, &v, 1);
}

static ssize_t
receive_some(struct carrier *k, uint8_t *at, size_t n)
{
	if (k->tls != NULL)
		return tls_recv(k->tls, at, n);
	return env_recv(k->courier->env, k->watch.fd, at, n);
}

static void
receive(struct carrier *k)
{
	uint8_t in[READ_SIZE];
	ssize_t n;

	/* what is inside TLS already wakes nobody: it is read to its end */
	for (unsigned i = 0;
	     i < ROUNDS || (k->tls != NULL && tls_has_pending(k->tls)); i++) {
		n = receive_some(k, in, sizeof(in));
		if (n == -EAGAIN)
			return;
		if (n <= 0) {
			smtp_client_lost(&k->client,
			    n == 0 ? "the server closed the connection"
				   : "the connection was lost");
			return;
		}
		smtp_client_feed(&k->client, slice_of(in, (size_t)n));
		if (k->client.phase == SMTP_PHASE_TLS ||
		    k->client.phase == SMTP_PHASE_CLOSED)
			return; /* no further in the clear */
	}
}

/* Until the socket takes no more. */
static void
flush(struct carrier *k)
{
	struct slice out;
	ssize_t n;

	while ((out = smtp_client_out(&k->client)).len > 0) {
		n = send_some(k, out);
		if (n == -EAGAIN)
			return;
		if (n < 0) {
			/* what the server said last may wait to be read */
			receive(k);
			smtp_client_lost(&k->client, "the connection was lost");
			return;
		}
		smtp_client_sent(&k->client, (size_t)n);
	}
}

/* -- TLS
 * -----------------------------------------------------------------------------
 */

/* What the attempt hears of TLS that failed. A session that was resumed in vain
 * says nothing about the host: once more from the beginning. */
static void
carrier_fail_tls(struct carrier *k, const char *why)
{
	bool was_resumed = k->tls != NULL && tls_has_session(k->tls);
	char text[SECURITY_TEXT];
	struct verdict v;

	if (k->attempt == NULL) {
		carrier_drop(k);
		return;
	}
	take_notes(k);
	attempt_note(k->attempt, "! TLS handshake failed: %s", why);
	if (was_resumed || !tls_demand_is_firm(&k->attempt->demand)) {
		if (!was_resumed)
			(void)security_on_broken(k->attempt, &k->peer, why,
			    text);
		(void)snprintf(text, sizeof(text), "TLS handshake failed: %s",
		    why);
		v = (struct verdict){ 451, { 4, 7, 5 }, slice_cstr(text) };
	} else {
		v = security_on_broken(k->attempt, &k->peer, why, text);
	}
	k->has_told_tls = true;
	carrier_fail(k, was_resumed ? ATTEMPT_RESUMPTION : ATTEMPT_TLS_FAILED,
	    v, true);
}

static int
begin_tls(struct carrier *k)
{
	struct tls_tlsa tlsa[TLS_TLSA];
	struct tls_wish wish = { 0 };

	security_fill_wish(k->attempt, &wish, tlsa);
	if (!k->is_full)
		wish.place = slice_cstr(k->remote);
	return tls_connect_wish(k->courier->tls, k->watch.fd, &wish, &k->tls);
}

static void
start_tls(struct carrier *k)
{
	if (k->attempt == NULL || k->courier->tls == NULL || begin_tls(k) < 0) {
		carrier_fail_tls(k, "TLS cannot be started here");
		return;
	}
	enter(k, CARRIER_HANDSHAKE);
	carrier_run(k);
}

static void
note_tls(struct carrier *k, const struct tls_facts *f)
{
	(void)snprintf(k->tls_text, sizeof(k->tls_text), "%s %s%s%s%s%s",
	    f->version, f->cipher, f->group[0] != '\0' ? " " : "", f->group,
	    f->is_resumed ? ", resumed" : "",
	    f->certificate != TLS_CERTIFICATE_GOOD ? ""
		: f->is_dane                       ? ", DANE"
						   : ", verified");
	attempt_note(k->attempt, "* %s", k->tls_text);
	memcpy(k->attempt->tls, k->tls_text, sizeof(k->tls_text));
}

static void
go_on_handshake(struct carrier *k)
{
	int r = tls_handshake(k->tls);
	const struct tls_facts *f;
	char text[SECURITY_TEXT];
	struct verdict why;

	if (r == -EAGAIN) {
		update_watch(k);
		return;
	}
	if (r < 0) {
		(void)snprintf(text, sizeof(text), "%s", tls_error(k->tls));
		carrier_fail_tls(k, text);
		return;
	}
	take_notes(k);
	f = tls_facts(k->tls);
	note_tls(k, f);
	k->has_told_tls = true;
	if (!security_on_handshake(k->attempt, &k->peer, f, text, &why)) {
		attempt_note(k->attempt, "! %.*s", SLICE_FMT(why.text));
		carrier_fail(k, ATTEMPT_SESSION, why, true);
		return;
	}
	k->is_verified = k->attempt->demand.is_right_host &&
	    f->certificate == TLS_CERTIFICATE_GOOD;
	if (!k->is_implicit)
		smtp_client_tls_up(&k->client);
	enter(k, CARRIER_TALKING);
	carrier_run(k);
}

/* -- what the client says
 * ------------------------------------------------------ */

enum step {
	STEP_AGAIN, /* ask the client what is next */
	STEP_WAIT,  /* for the socket, or for the store */
	STEP_GONE   /* the carrier is no more, or has been seen to */
};

static enum step
on_wait(struct carrier *k)
{
	(void)k;
	return STEP_WAIT;
}

static enum step
on_start_tls(struct carrier *k)
{
	if (smtp_client_out(&k->client).len > 0)
		return STEP_WAIT; /* STARTTLS itself is not sent yet */
	start_tls(k);
	return STEP_GONE;
}

/* The least recently used one makes room. */
static void
park(struct carrier *k)
{
	struct courier *c = k->courier;

	if (c->n_idle >= COURIER_IDLE)
		carrier_leave(LIST_ENTRY(c->idle.next, struct carrier, link));
	list_remove(&k->link);
	list_add_last(&c->idle, &k->link);
	c->n_idle++;
	enter(k, CARRIER_IDLE);
}

static bool
offers(const struct carrier *k, unsigned ext)
{
	return (k->client.offer.ext & ext) != 0;
}

/* RFC 9422: a limit of domains is one of the session; with one mail in each it
 * is kept by the mail. */
static bool
is_used_up(const struct carrier *k)
{
	const struct smtp_offer *o = &k->client.offer;

	return k->n_mails >= k->mails_max || o->max_domains > 0 ||
	    (o->max_mails > 0 && k->n_mails >= o->max_mails);
}

/* What requires TLS all the way may find it at another host of the domain. */
static bool
look_elsewhere(struct carrier *k, const struct smtp_client_mail *mail)
{
	struct attempt *a = k->attempt;
	struct verdict v = smtp_envelope_check_tls(&k->client.offer, mail);

	if (v.code == 0 || !attempt_has_more(a))
		return false;
	take_notes(k);
	attempt_note(a, "! %.*s", SLICE_FMT(v.text));
	k->attempt = NULL;
	a->carrier = NULL;
	attempt_on_unfit(a);
	return true;
}

/* For the report: the server did without TLS that we would have taken. */
static void
tell_no_tls(struct carrier *k)
{
	char text[SECURITY_TEXT];

	if (k->has_told_tls || k->client.has_tls ||
	    k->client.config.tls == SMTP_TLS_NEVER)
		return;
	k->has_told_tls = true;
	(void)security_on_no_tls(k->attempt, &k->peer, text);
}

static enum step
on_ready(struct carrier *k)
{
	struct smtp_client_mail mail;

	if (k->attempt != NULL) {
		tell_no_tls(k);
		attempt_fill_mail(k->attempt, &mail);
		mail.is_verified = k->is_verified;
		if (look_elsewhere(k, &mail))
			return STEP_AGAIN;
		k->n_mails++;
		k->mails_max = k->attempt->mails;
		k->attempt->offers_dsn = offers(k, SMTP_EXT_DSN);
		k->attempt->offers_deliverby = offers(k, SMTP_EXT_DELIVERBY);
		smtp_client_mail(&k->client, &mail);
		return STEP_AGAIN;
	}
	if (k->state != CARRIER_TALKING)
		return STEP_WAIT;
	if (is_used_up(k) || k->courier->is_stopping) {
		carrier_leave(k);
		return STEP_GONE;
	}
	park(k);
	return STEP_WAIT;
}

static enum step
on_body(struct carrier *k)
{
	uint64_t before = k->client.body_sent;

	if (k->attempt == NULL) {
		carrier_drop(k);
		return STEP_GONE;
	}
	if (!attempt_give_body(k->attempt, &k->client)) {
		carrier_fail_local(k, ATTEMPT_DOT, 4, 7,
		    "the time for this attempt was over before the end");
		return STEP_GONE;
	}
	if (k->client.phase != SMTP_PHASE_BODY || k->client.body_sent != before)
		return STEP_AGAIN;
	return STEP_WAIT;
}

/* Copies what the client knows. Returns how many recipients are settled. */
static size_t
take_outcomes(struct carrier *k, struct attempt *a)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n_rcpts; i++) {
		const struct smtp_client_outcome *o = &k->client.outcomes[i];

		if (!o->is_done)
			continue;
		attempt_settle(a, i, &o->verdict, o->is_local);
		n++;
	}
	return n;
}

/* All are known, or the session broke and some are; when none is, the next
 * event is CLOSED, and that tells the attempt. */
static enum step
on_mail_done(struct carrier *k)
{
	struct attempt *a = k->attempt;
	size_t n = take_outcomes(k, a);

	if (n == 0)
		return STEP_AGAIN;
	take_notes(k);
	k->attempt = NULL;
	a->carrier = NULL;
	attempt_on_outcomes(a, &k->client.failure, k->client.failure_is_local);
	return STEP_AGAIN;
}

/* TLS was demanded, and the server has none or will not begin it; or the
 * session broke between STARTTLS and the first reply inside TLS. */
static bool
carrier_fail_at_tls(struct carrier *k, struct verdict why)
{
	char text[SECURITY_TEXT], words[LIMIT_SMTP_REPLY_LINE];

	if (k->client.lacks_tls) {
		take_notes(k);
		why = security_on_no_tls(k->attempt, &k->peer, text);
		attempt_note(k->attempt, "! %.*s", SLICE_FMT(why.text));
		carrier_fail(k, ATTEMPT_SESSION, why, true);
		return true;
	}
	if (!is_at_tls(k) || !k->client.failure_is_local)
		return false;
	(void)slice_to_cstr(why.text, words, sizeof(words));
	carrier_fail_tls(k, words);
	return true;
}

static enum step
on_closed(struct carrier *k)
{
	struct verdict why = k->client.failure;

	if (k->attempt == NULL) {
		carrier_drop(k);
		return STEP_GONE;
	}
	if (why.text.len == 0)
		why.text = SLICE("the server ended the session");
	if (carrier_fail_at_tls(k, why))
		return STEP_GONE;
	if (k->last_phase == SMTP_PHASE_AUTH && !k->client.failure_is_local)
		why = attempt_hop_login_failed(k->attempt, &why);
	carrier_fail(k, failure_of(k, !k->client.failure_is_local), why,
	    k->client.failure_is_local);
	return STEP_GONE;
}

static void
carrier_run(struct carrier *k)
{
	static enum step (*const on_event[])(struct carrier *) = {
		[SMTP_CLIENT_WAIT] = on_wait,
		[SMTP_CLIENT_START_TLS] = on_start_tls,
		[SMTP_CLIENT_READY] = on_ready,
		[SMTP_CLIENT_BODY] = on_body,
		[SMTP_CLIENT_MAIL_DONE] = on_mail_done,
		[SMTP_CLIENT_CLOSED] = on_closed,
	};
	enum step step;

	tell_time(k);
	if (k->state == CARRIER_HANDSHAKE) {
		go_on_handshake(k);
		return;
	}
	do {
		note_phase(k);
		flush(k);
		note_phase(k);
		step = on_event[smtp_client_next(&k->client)](k);
	} while (step == STEP_AGAIN);
	if (step == STEP_GONE)
		return;
	watch_progress(k);
	update_watch(k);
}

void
carrier_go_on(struct carrier *k)
{
	if (k->state == CARRIER_TALKING)
		carrier_run(k);
}

/* -- its beginning
 * ------------------------------------------------------------- */

static void
on_connected(struct carrier *k)
{
	int r = env_connect_result(k->courier->env, k->watch.fd);
	char text[200];

	if (r == 0) {
		(void)env_local_addr(k->courier->env, k->watch.fd,
		    &k->peer.local);
		attempt_note(k->attempt, "* connected to %s", k->remote);
		if (k->is_implicit) {
			start_tls(k);
			return;
		}
		enter(k, CARRIER_TALKING);
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
	note_phase(k);
	tell_time(k);
	if (k->state != CARRIER_HANDSHAKE && (events & ENV_READ) != 0)
		receive(k);
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
		.is_lmtp = a->hop.kind == HOP_LMTP };
	struct carrier *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return ERR_ORIGIN(-ENOMEM);
	k->courier = c;
	k->is_full = t->is_full;
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
	k->timer.fire = on_timer;
	list_add_last(&c->carriers, &k->link);
	attach(k, a);
	enter(k, CARRIER_CONNECTING);
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
		    k->tls_minimum != security_minimum(a) ||
		    k->tls_optional != a->tls_optional)
			continue; /* made under another demand */
		list_remove(&k->link);
		list_add_last(&c->carriers, &k->link);
		c->n_idle--;
		attach(k, a);
		attempt_note(a, "* on the open connection to %s", k->remote);
		enter(k, CARRIER_TALKING);
		carrier_run(k);
		return true;
	}
	return false;
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
