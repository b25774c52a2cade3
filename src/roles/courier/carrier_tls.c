/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/carrier_tls - TLS on the way to a mail host
 *
 * What is demanded stands in the attempt (security.c); here the handshake is
 * made, and its end, good or bad, is told to the attempt.
 */
#include "roles/courier/carrier.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What the attempt hears of TLS that failed. A session that was resumed in vain
 * says nothing about the host: once more from the beginning. */
void
carrier_fail_tls(struct carrier *k, const char *why)
{
	bool was_resumed = k->tls != NULL && tls_has_session(k->tls);
	char text[SECURITY_TEXT];
	struct verdict v;

	if (k->attempt == NULL) {
		carrier_drop(k);
		return;
	}
	carrier_take_notes(k);
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

void
carrier_start_tls(struct carrier *k)
{
	if (k->attempt == NULL || k->courier->tls == NULL || begin_tls(k) < 0) {
		carrier_fail_tls(k, "TLS cannot be started here");
		return;
	}
	carrier_enter(k, CARRIER_HANDSHAKE);
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

void
carrier_go_on_handshake(struct carrier *k)
{
	int r = tls_handshake(k->tls);
	const struct tls_facts *f;
	char text[SECURITY_TEXT];
	struct verdict why;

	if (r == -EAGAIN) {
		carrier_update_watch(k);
		return;
	}
	if (r < 0) {
		(void)snprintf(text, sizeof(text), "%s", tls_error(k->tls));
		carrier_fail_tls(k, text);
		return;
	}
	carrier_take_notes(k);
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
	carrier_tell_time(k); /* the handshake took some of it */
	if (!k->is_implicit)
		smtp_client_tls_up(&k->client);
	carrier_enter(k, CARRIER_TALKING);
	carrier_run(k);
}

/* For the report: the server did without TLS that we would have taken. */
void
carrier_tell_no_tls(struct carrier *k)
{
	char text[SECURITY_TEXT];

	if (k->has_told_tls || k->client.has_tls ||
	    k->client.config.tls == SMTP_TLS_NEVER)
		return;
	k->has_told_tls = true;
	(void)security_on_no_tls(k->attempt, &k->peer, NULL, text);
}

/* TLS was demanded, and the server has none or will not begin it; or the
 * session broke between STARTTLS and the first reply inside TLS. */
bool
carrier_fail_at_tls(struct carrier *k, struct verdict why)
{
	char text[SECURITY_TEXT], words[LIMIT_SMTP_REPLY_LINE];

	if (k->client.lacks_tls) {
		carrier_take_notes(k);
		why = security_on_no_tls(k->attempt, &k->peer,
		    k->client.failure_is_local ? NULL : &why, text);
		attempt_note(k->attempt, "! %.*s", SLICE_FMT(why.text));
		carrier_fail(k, ATTEMPT_SESSION, why, true);
		return true;
	}
	if (!carrier_is_at_tls(k) || !k->client.failure_is_local)
		return false;
	(void)slice_to_cstr(why.text, words, sizeof(words));
	carrier_fail_tls(k, words);
	return true;
}
