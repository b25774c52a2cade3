/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/carrier_time - how long a mail host may take (RFC 5321,
 * 4.5.3.2)
 *
 * A time limit begins anew only when the dialogue has moved on, so that a
 * server that drips single octets gains nothing. The lease of the attempt
 * bounds them all, up to the final dot.
 */
#include "roles/courier/carrier.h"

#include <stdio.h>
#include <string.h>

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

void
carrier_watch_progress(struct carrier *k)
{
	struct progress now = { k->client.phase, k->client.n_replied,
		k->client.body_sent, smtp_client_out(&k->client).len };

	if (memcmp(&now, &k->progress, sizeof(now)) == 0)
		return;
	k->progress = now;
	start_timer(k);
}

void
carrier_enter(struct carrier *k, enum carrier_state state)
{
	k->state = (uint8_t)state;
	start_timer(k);
}

void
carrier_on_timer(struct env_timer *t)
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

	carrier_note_phase(k);
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
	} else if (carrier_is_at_tls(k)) {
		carrier_fail_tls(k, why[smtp_client_timeout(&k->client)]);
	} else {
		carrier_fail_local(k, carrier_failure_of(k, false), 4, 2,
		    why[smtp_client_timeout(&k->client)]);
	}
}
