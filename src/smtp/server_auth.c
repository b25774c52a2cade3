/* SPDX-License-Identifier: ISC */
/*
 * AUTH (RFC 4954): what the client says goes on as it is, in base 64; what the
 * keeper has to say comes back as a challenge or as the end.
 */
#include "smtp/server_impl.h"

#include <assert.h>
#include <string.h>

#include "base/base64.h"

_Static_assert(SMTP_SAY_MAX > BASE64_ENCODED(SASL_CHALLENGE_MAX) + 6,
    "a challenge fits into a reply");

static void
on_mechanism(struct smtp_server *s, struct slice name, struct slice *initial,
    struct smtp_effect *e)
{
	enum sasl_mechanism m = sasl_mechanism_find(name);

	if (m == N_SASL_MECHANISMS ||
	    (s->config.mechanisms & SASL_BIT(m)) == 0) {
		server_complain(s, e, SMTP_SAY_AUTH_UNKNOWN);
		return;
	}
	s->mechanism = (uint8_t)m;
	s->has_initial = initial != NULL;
	if (initial != NULL)
		e->auth = *initial;
	server_enter(s, SMTP_WAIT_AUTH);
	e->todo = SMTP_DO_AUTH;
}

void
server_on_auth(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct slice mechanism = args;
	bool has_response = slice_take_until(&args, ' ', &mechanism);

	if (!server_is_submission(s) ||
	    (s->config.withheld & SMTP_EXT_AUTH) != 0)
		server_complain(s, e, SMTP_SAY_NOT_IMPLEMENTED);
	else if (s->is_authed)
		server_complain(s, e, SMTP_SAY_AUTH_ALREADY);
	else if (mechanism.len == 0)
		server_complain(s, e, SMTP_SAY_WANT_ARGUMENT);
	else if (!server_can_auth(s))
		server_complain(s, e, SMTP_SAY_AUTH_NEEDS_TLS);
	else
		on_mechanism(s, mechanism, has_response ? &args : NULL, e);
}

void
server_on_auth_line(struct smtp_server *s, struct slice line,
    struct smtp_effect *e)
{
	if (slice_equal(line, SLICE("*"))) {
		server_abort_auth(s, e, SMTP_SAY_AUTH_CANCELLED);
		return;
	}
	server_enter(s, SMTP_WAIT_AUTH);
	e->todo = SMTP_DO_AUTH_STEP;
	e->auth = line;
}

/* The client has left the exchange, or it has not kept to it. */
void
server_abort_auth(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say why)
{
	assert(s->state == SMTP_AUTH_LINE);
	server_enter(s, SMTP_READY);
	server_complain(s, e, why);
	/* When that was the last word, the end of the conn aborts it too. */
	if (e->todo == SMTP_DO_NOTHING)
		e->todo = SMTP_DO_AUTH_ABORT;
}

void
smtp_server_challenge(struct smtp_server *s, struct slice challenge,
    struct smtp_effect *e)
{
	assert(s->state == SMTP_WAIT_AUTH);
	assert(challenge.len <= SASL_CHALLENGE_MAX);
	*e = (struct smtp_effect){ 0 };
	memcpy(s->out, "334 ", 4);
	s->out_len = 4 + base64_encode(challenge, (char *)s->out + 4);
	memcpy(s->out + s->out_len, "\r\n", 2);
	s->out_len += 2;
	e->say = slice_of(s->out, s->out_len);
	server_enter(s, SMTP_AUTH_LINE);
	server_check(s);
}

void
smtp_server_answer_auth(struct smtp_server *s, enum smtp_auth_answer answer,
    struct smtp_effect *e)
{
	assert(s->state == SMTP_WAIT_AUTH);
	*e = (struct smtp_effect){ 0 };
	server_enter(s, SMTP_READY);
	if (answer == SMTP_AUTH_YES) {
		s->is_authed = true;
		server_say(s, e, SMTP_SAY_AUTH_OK);
	} else if (answer == SMTP_AUTH_LATER) {
		if (!server_is_idle_too_long(s, e))
			server_say(s, e, SMTP_SAY_AUTH_LATER);
	} else if (answer == SMTP_AUTH_MALFORMED) {
		server_complain(s, e, SMTP_SAY_AUTH_BAD);
	} else if (++s->n_auths >= LIMIT_SMTP_AUTHS) {
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_AUTHS);
	} else {
		server_say(s, e, SMTP_SAY_AUTH_REFUSED);
	}
	server_check(s);
}
