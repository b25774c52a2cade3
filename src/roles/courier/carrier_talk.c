/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/carrier_talk - a mail host and our client talk
 *
 * Bytes between the socket, or its TLS, and smtp/client; then the client is
 * asked what is next, and that is done, until it waits for the host or for the
 * store.
 */
#include "roles/courier/carrier.h"

#include <errno.h>

enum {
	READ_SIZE = 16 * 1024,
	ROUNDS = 8 /* reads in one turn, so that others get theirs */
};

/* -- bytes ---------------------------------------------------------------- */

void
carrier_update_watch(struct carrier *k)
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

void
carrier_receive(struct carrier *k)
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
			k->is_reset = n == -ECONNRESET;
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
			carrier_receive(k);
			smtp_client_lost(&k->client, "the connection was lost");
			return;
		}
		smtp_client_sent(&k->client, (size_t)n);
	}
}

/* -- what the client says ------------------------------------------------- */

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
	carrier_start_tls(k);
	return STEP_GONE;
}

void
carrier_leave(struct carrier *k)
{
	if (k->state == CARRIER_IDLE) {
		k->courier->n_idle--;
		list_remove(&k->link);
		list_add_last(&k->courier->carriers, &k->link);
	}
	smtp_client_quit(&k->client);
	carrier_enter(k, CARRIER_LEAVING);
	carrier_run(k);
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
	carrier_enter(k, CARRIER_IDLE);
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
	carrier_take_notes(k);
	attempt_note(a, "! %.*s", SLICE_FMT(v.text));
	k->attempt = NULL;
	a->carrier = NULL;
	attempt_on_unfit(a);
	return true;
}

static enum step
on_ready(struct carrier *k)
{
	struct smtp_client_mail mail;

	if (k->attempt != NULL) {
		carrier_tell_no_tls(k);
		attempt_fill_mail(k->attempt, &mail);
		mail.is_verified = k->is_verified;
		if (look_elsewhere(k, &mail))
			return STEP_AGAIN;
		if (!attempt_make_fit(k->attempt, &k->client.offer, &mail))
			return STEP_WAIT;
		k->n_mails++;
		if (k->peer.local.family != 0)
			env_addr_print(&k->peer.local, k->attempt->source);
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
	if (k->client.chunks_were_refused)
		courier_chunks_failed(k->courier, &k->peer.remote);
	carrier_take_notes(k);
	k->attempt = NULL;
	a->carrier = NULL;
	attempt_on_outcomes(a, &k->client.failure, k->client.failure_is_local);
	return STEP_AGAIN;
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
	carrier_fail(k,
	    carrier_is_unheard(k) ? ATTEMPT_UNHEARD
		: k->client.chunks_were_refused
		? ATTEMPT_CHUNKS
		: carrier_failure_of(k, !k->client.failure_is_local),
	    why, k->client.failure_is_local);
	return STEP_GONE;
}

void
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

	carrier_tell_time(k);
	if (k->state == CARRIER_HANDSHAKE) {
		carrier_go_on_handshake(k);
		return;
	}
	do {
		carrier_note_phase(k);
		flush(k);
		carrier_note_phase(k);
		step = on_event[smtp_client_next(&k->client)](k);
	} while (step == STEP_AGAIN);
	if (step == STEP_GONE)
		return;
	carrier_watch_progress(k);
	carrier_update_watch(k);
}

void
carrier_go_on(struct carrier *k)
{
	if (k->state == CARRIER_TALKING)
		carrier_run(k);
}
