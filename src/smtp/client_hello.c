/* SPDX-License-Identifier: ISC */
/*
 * smtp/client_hello - from the greeting to the first mail
 *
 * EHLO, HELO where a server knows no other, STARTTLS, EHLO once more, AUTH.
 * What the server offers before TLS is forgotten behind it.
 */
#include "smtp/client_impl.h"

#include <stdio.h>
#include <string.h>

void
client_say_hello(struct smtp_client *c, bool is_ehlo)
{
	char line[LIMIT_SMTP_REPLY_LINE];

	c->is_ehlo = is_ehlo;
	c->offer = (struct smtp_offer){ 0 };
	(void)snprintf(line, sizeof(line), "%s %.255s",
	    c->config.is_lmtp ? "LHLO"
		: is_ehlo     ? "EHLO"
			      : "HELO",
	    c->config.helo);
	client_enter(c, is_ehlo ? SMTP_PHASE_EHLO : SMTP_PHASE_HELO);
	client_say(c, line);
}

void
client_on_greeting(struct smtp_client *c)
{
	if (c->reply.code != 220)
		client_fail_by_reply(c);
	else
		client_say_hello(c, true);
}

static struct smtp_auth_input
auth_input(const struct smtp_client *c)
{
	return (struct smtp_auth_input){ .user = c->config.user,
		.password = c->config.password,
		.nonce = c->config.nonce,
		.offered = c->offer.auth,
		.may_say_password = c->has_tls || c->config.plain_auth };
}

/* A line with a secret; wiped, but for what waits to be sent. */
static void
say_secret(struct smtp_client *c, char line[SMTP_LOGIN_LINE], const char *shown)
{
	client_note(c, "> ", slice_cstr(shown));
	client_put(c, slice_cstr(line));
	client_put(c, SLICE("\r\n"));
	explicit_bzero(line, SMTP_LOGIN_LINE);
}

static void
fail_auth(struct smtp_client *c, int why)
{
	if (why == SMTP_AUTH_E_CLEAR)
		client_fail(c, 7, 11, "no login without TLS");
	else if (why == SMTP_AUTH_E_NONE)
		client_fail(c, 7, 4, "the server offers no login that we know");
	else
		client_fail(c, 7, 8,
		    "the login went wrong: not an answer of a server "
		    "that knows the password");
}

static void
begin_auth(struct smtp_client *c)
{
	struct smtp_auth_input in = auth_input(c);
	char line[SMTP_LOGIN_LINE], shown[64];
	int r = smtp_auth_begin(&c->auth, &in, line);

	if (r != SMTP_AUTH_SAY) {
		fail_auth(c, r);
		return;
	}
	client_enter(c, SMTP_PHASE_AUTH);
	(void)snprintf(shown, sizeof(shown), "AUTH %s ***",
	    smtp_auth_name(&c->auth));
	say_secret(c, line, shown);
}

/* The server's offer is known. */
static void
after_hello(struct smtp_client *c)
{
	if (!c->has_tls && c->config.tls != SMTP_TLS_NEVER &&
	    (c->offer.ext & SMTP_EXT_STARTTLS) != 0 &&
	    !c->starttls_was_refused) {
		client_enter(c, SMTP_PHASE_STARTTLS);
		client_say(c, "STARTTLS");
		return;
	}
	if (!c->has_tls && c->config.tls == SMTP_TLS_MUST) {
		c->lacks_tls = true;
		client_fail(c, 7, 10, "the server does not offer STARTTLS");
		return;
	}
	if (c->config.user != NULL)
		begin_auth(c);
	else
		client_enter(c, SMTP_PHASE_READY);
}

void
client_on_ehlo(struct smtp_client *c)
{
	struct slice line;

	if (client_is_class(c, 5) && !c->config.is_lmtp) {
		client_say_hello(c, false);
		return;
	}
	if (!client_is_class(c, 2)) {
		client_fail_by_reply(c);
		return;
	}
	for (unsigned i = 1; smtp_reply_line(&c->reply, i, &line); i++)
		smtp_offer_read(&c->offer, line);
	after_hello(c);
}

void
client_on_helo(struct smtp_client *c)
{
	if (client_is_class(c, 2))
		after_hello(c);
	else
		client_fail_by_reply(c);
}

void
client_on_starttls(struct smtp_client *c)
{
	if (c->reply.code == 220) {
		client_enter(c, SMTP_PHASE_TLS);
		return;
	}
	if (c->config.tls == SMTP_TLS_MUST) {
		c->lacks_tls = true;
		client_fail_by_reply(c);
		return;
	}
	c->starttls_was_refused = true;
	after_hello(c);
}

void
client_on_auth(struct smtp_client *c)
{
	struct smtp_auth_input in = auth_input(c);
	char line[SMTP_LOGIN_LINE];
	struct slice said;
	int r;

	if (c->reply.code == 235 && c->auth.is_done) {
		client_enter(c, SMTP_PHASE_READY);
		return;
	}
	if (c->reply.code == 235) {
		fail_auth(c, SMTP_AUTH_E_BAD);
		return;
	}
	if (c->reply.code != 334 || !smtp_reply_line(&c->reply, 0, &said)) {
		client_fail_by_reply(c);
		return;
	}
	r = smtp_auth_go_on(&c->auth, &in, said, line);
	if (r == SMTP_AUTH_SAY)
		say_secret(c, line, "***");
	else
		fail_auth(c, r);
}
