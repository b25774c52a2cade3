/* SPDX-License-Identifier: ISC */
/* AUTH (RFC 4954). */
#include "smtp/server_impl.h"

#include <assert.h>
#include <string.h>

#include "base/base64.h"

static void
on_auth_response(struct smtp_server *s, struct slice response,
    struct smtp_effect *e)
{
	size_t n;

	if (s->state == SMTP_AUTH_LINE)
		server_enter(s, SMTP_READY);
	if (!base64_decode(response, s->plain_text, sizeof(s->plain_text),
		&n) ||
	    !smtp_plain_parse(slice_of(s->plain_text, n), &s->plain) ||
	    s->plain.authcid.len > LIMIT_ADDRESS ||
	    s->plain.authzid.len > LIMIT_ADDRESS ||
	    s->plain.password.len > 1024) {
		explicit_bzero(s->plain_text, sizeof(s->plain_text));
		server_complain(s, e, SMTP_SAY_AUTH_BAD);
		return;
	}
	server_enter(s, SMTP_WAIT_AUTH);
	e->todo = SMTP_DO_AUTH;
}

void
server_on_auth(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct slice mechanism = args;
	bool has_response = slice_take_until(&args, ' ', &mechanism);

	if (!server_is_submission(s))
		server_complain(s, e, SMTP_SAY_NOT_IMPLEMENTED);
	else if (s->is_authed)
		server_complain(s, e, SMTP_SAY_AUTH_ALREADY);
	else if (mechanism.len == 0)
		server_complain(s, e, SMTP_SAY_WANT_ARGUMENT);
	else if (!server_can_auth(s))
		server_complain(s, e, SMTP_SAY_AUTH_NEEDS_TLS);
	else if (!slice_equal_nocase(mechanism, SLICE("PLAIN")))
		server_complain(s, e, SMTP_SAY_AUTH_UNKNOWN);
	else if (has_response)
		on_auth_response(s,
		    slice_equal(args, SLICE("=")) ? SLICE("") : args, e);
	else {
		server_enter(s, SMTP_AUTH_LINE);
		server_say(s, e, SMTP_SAY_AUTH_GO);
	}
}

void
server_on_auth_line(struct smtp_server *s, struct slice line,
    struct smtp_effect *e)
{
	if (!slice_equal(line, SLICE("*"))) {
		on_auth_response(s, line, e);
		return;
	}
	server_enter(s, SMTP_READY);
	server_complain(s, e, SMTP_SAY_AUTH_CANCELLED);
}

void
smtp_server_answer_auth(struct smtp_server *s, enum smtp_auth_answer answer,
    struct smtp_effect *e)
{
	assert(s->state == SMTP_WAIT_AUTH);
	*e = (struct smtp_effect){ 0 };
	explicit_bzero(s->plain_text, sizeof(s->plain_text));
	s->plain = (struct smtp_plain){ 0 };
	server_enter(s, SMTP_READY);
	if (answer == SMTP_AUTH_YES) {
		s->is_authed = true;
		server_say(s, e, SMTP_SAY_AUTH_OK);
	} else if (answer == SMTP_AUTH_LATER) {
		if (!server_is_idle_too_long(s, e))
			server_say(s, e, SMTP_SAY_AUTH_LATER);
	} else if (++s->n_auths >= LIMIT_SMTP_AUTHS) {
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_AUTHS);
	} else {
		server_say(s, e, SMTP_SAY_AUTH_REFUSED);
	}
	server_check(s);
}
