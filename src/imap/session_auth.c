/* SPDX-License-Identifier: ISC */
/*
 * Commands of any state, and those by which a client gets in: CAPABILITY, ID,
 * ENABLE, NAMESPACE, STARTTLS, LOGIN, AUTHENTICATE. Who somebody is is said by
 * the keeper; nothing here knows a password.
 */
#include "base/base64.h"
#include "base/limits.h"
#include "imap/session_impl.h"

/* -- commands of any state ------------------------------------------------ */

void
imap_run_capability(struct imap_session *s)
{
	struct buf b;

	buf_init(&b, 1024);
	(void)buf_add_cstr(&b, "* ");
	imap_put_capabilities(s, &b);
	(void)buf_add_cstr(&b, "\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
	imap_done(s, "OK That is what I can");
}

/* RFC 2971: what we are; not in which version, which helps only attackers. */
void
imap_run_id(struct imap_session *s)
{
	imap_say(s, SLICE("* ID (\"name\" \"Ulak\")\r\n"));
	imap_done(s, "OK Done");
}

/* RFC 5161. What is not known is not spoken of; what is on stays on. */
void
imap_run_enable(struct imap_session *s)
{
	unsigned more = s->cmd.enable & ~s->enabled;
	struct buf b;

	if ((more & IMAP_ENABLED_QRESYNC) != 0)
		more |= IMAP_ENABLED_CONDSTORE & ~s->enabled;
	s->enabled |= more;
	buf_init(&b, 1024);
	(void)buf_add_cstr(&b, "* ENABLED");
	imap_put_enabled(more, &b);
	(void)buf_add_cstr(&b, "\r\n");
	imap_say_buf(s, &b);
	buf_deinit(&b);
	imap_done(s, "OK Done");
}

void
imap_run_namespace(struct imap_session *s)
{
	imap_say(s, SLICE("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	imap_done(s, "OK Done");
}

/* -- logging in ------------------------------------------------------------ */

void
imap_run_starttls(struct imap_session *s)
{
	if (s->has_tls || !s->config->may_start_tls) {
		imap_done(s, "BAD No TLS to be started");
		return;
	}
	imap_done(s, "OK Begin TLS");
	s->wants_tls = true;
	s->host->start_tls(s->ctx);
}

static void read_response(struct imap_session *s);

/* RFC 3501, 6.2.2 */
static void
on_challenge(struct imap_session *s, struct slice challenge)
{
	char text[BASE64_ENCODED(SASL_CHALLENGE_MAX)];

	if (challenge.len > SASL_CHALLENGE_MAX) {
		imap_no(s, IMAP_TROUBLE);
		return;
	}
	imap_say(s, SLICE("+ "));
	imap_say(s, slice_of(text, base64_encode(challenge, text)));
	imap_say(s, SLICE("\r\n"));
	read_response(s);
}

static void
then_login(struct imap_session *s, const struct imap_answer *a)
{
	struct buf b;

	if (a->result == IMAP_CHALLENGE) {
		on_challenge(s, a->bytes);
		return;
	}
	if (a->result == IMAP_MALFORMED) {
		imap_done(s, "BAD Not what the mechanism wants");
		return;
	}
	if (a->result != IMAP_OK) {
		imap_no(s, a->result);
		if (a->result == IMAP_REFUSED &&
		    ++s->n_auths >= LIMIT_IMAP_AUTHS)
			imap_fatal(s, "Too many failed logins");
		return;
	}
	s->state = IMAP_AUTH;
	buf_init(&b, 1024);
	imap_put_capabilities(s, &b);
	(void)buf_printf(&s->code, "[%.*s] ", SLICE_FMT(buf_slice(&b)));
	s->code.lost |= b.lost;
	buf_deinit(&b);
	imap_done(s, "OK Logged in");
}

static bool
check_privacy(struct imap_session *s)
{
	if (imap_may_auth(s))
		return true;
	imap_done(s, "NO [PRIVACYREQUIRED] Start TLS first");
	return false;
}

void
imap_run_login(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_LOGIN,
		.user = s->cmd.user,
		.secret = s->cmd.secret };

	if (!check_privacy(s))
		return;
	if (!imap_may_login(s)) {
		imap_done(s, "NO [CANNOT] LOGIN is switched off");
		return;
	}
	if (ask.user.len > LIMIT_ADDRESS ||
	    ask.secret.len > SASL_PASSWORD_MAX) {
		struct imap_answer no = { .result = IMAP_REFUSED };

		then_login(s, &no);
		return;
	}
	(void)imap_ask(s, &ask, then_login);
}

void
imap_run_authenticate(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_AUTH,
		.mechanism = sasl_mechanism_find(s->cmd.user),
		.has_initial = s->cmd.has_secret,
		.bytes = s->cmd.secret };

	if (ask.mechanism == N_SASL_MECHANISMS) {
		imap_done(s, "NO [CANNOT] No such mechanism");
		return;
	}
	if (!check_privacy(s))
		return;
	if ((s->config->mechanisms & SASL_BIT(ask.mechanism)) == 0) {
		imap_done(s, "NO [CANNOT] No such mechanism");
		return;
	}
	(void)imap_ask(s, &ask, then_login);
}

static void
read_response(struct imap_session *s)
{
	s->reader = IMAP_READ_SASL;
	s->line_at = s->line.len;
}

void
imap_abort_auth(struct imap_session *s)
{
	struct imap_ask ask = { .what = IMAP_ASK_ABORT };

	(void)s->host->ask(s->ctx, &ask);
}

void
imap_on_sasl_line(struct imap_session *s, struct slice line)
{
	struct imap_ask ask = { .what = IMAP_ASK_RESPOND, .bytes = line };

	s->reader = IMAP_READ_LINE;
	if (slice_equal(line, SLICE("*"))) {
		imap_abort_auth(s);
		imap_done(s, "BAD Cancelled");
		return;
	}
	(void)imap_ask(s, &ask, then_login);
}
