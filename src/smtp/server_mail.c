/* SPDX-License-Identifier: ISC */
/* MAIL and RCPT: the envelope. */
#include "smtp/server_impl.h"

#include <string.h>

static const enum smtp_say param_says[SMTP_PARAMS_N] = {
	[SMTP_PARAMS_E_SYNTAX] = SMTP_SAY_BAD_PARAM,
	[SMTP_PARAMS_E_VALUE] = SMTP_SAY_BAD_PARAM,
	[SMTP_PARAMS_E_TWICE] = SMTP_SAY_DOUBLE_PARAM,
	[SMTP_PARAMS_E_UNKNOWN] = SMTP_SAY_UNKNOWN_PARAM,
};

/* Parameters are part of EHLO's offer; after HELO there are none. */
static unsigned
offered_params(const struct smtp_server *s)
{
	unsigned offered = SMTP_PARAM_SIZE | SMTP_PARAM_BODY;

	if (!s->is_ehlo)
		return 0;
	return server_can_auth(s) ? offered | SMTP_PARAM_AUTH : offered;
}

/* Whether this client may begin a mail at all, and now. */
static bool
may_mail(struct smtp_server *s, struct smtp_effect *e)
{
	if (server_is_submission(s) && !s->is_authed && !server_can_auth(s)) {
		server_complain(s, e, SMTP_SAY_TLS_FIRST);
		return false;
	}
	if (server_is_submission(s) && !s->is_authed) {
		server_complain(s, e, SMTP_SAY_AUTH_FIRST);
		return false;
	}
	if (s->n_mails >= LIMIT_SMTP_MESSAGES) {
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_MAILS);
		return false;
	}
	return true;
}

/* "FROM:" or "TO:", and spaces: RFC 5321, 3.3 wants none, and yet they are
 * sent. The bracket behind them says where the path begins
 * (docs/decisions/0007). */
static bool
skip_path_word(struct slice *args, struct slice word)
{
	if (!slice_skip_nocase(args, word))
		return false;
	while (slice_skip_byte(args, ' '))
		;
	return true;
}

/* RFC 5321 4.1.1.2: "MAIL FROM:" *SP Reverse-path [SP Mail-parameters] */
static bool
parse_mail(struct smtp_server *s, struct slice args, struct smtp_effect *e,
    struct smtp_path *ret_path)
{
	struct smtp_params params;
	int r;

	if (!skip_path_word(&args, SLICE("FROM:"))) {
		server_complain(s, e, SMTP_SAY_WANT_FROM);
		return false;
	}
	r = smtp_path_parse(&args, ret_path);
	if (r != SMTP_PATH_OK) {
		server_complain(s, e,
		    r == SMTP_PATH_E_TOO_LONG ? SMTP_SAY_SENDER_TOO_LONG
					      : SMTP_SAY_BAD_SENDER);
		return false;
	}
	r = smtp_params_parse(args, offered_params(s), &params);
	if (r != SMTP_PARAMS_OK) {
		server_complain(s, e, param_says[r]);
		return false;
	}
	s->params = params;
	s->params.auth = (struct slice){ 0 };
	return true;
}

void
server_on_mail(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct smtp_path path;

	if (!may_mail(s, e) || !parse_mail(s, args, e, &path))
		return;
	if (s->params.has_size && s->params.size > s->config.max_size) {
		server_say(s, e, SMTP_SAY_TOO_BIG); /* RFC 1870, 6.1 */
		return;
	}
	if (s->weather != SMTP_FAIR) {
		server_say(s, e,
		    s->weather == SMTP_FULL ? SMTP_SAY_FULL : SMTP_SAY_TROUBLE);
		return;
	}
	(void)slice_to_cstr(path.address, s->sender, sizeof(s->sender));
	server_enter(s, SMTP_WAIT_MAIL);
	e->todo = SMTP_DO_MAIL;
}

/* RFC 5321 4.1.1.3: "RCPT TO:" *SP Forward-path [SP Rcpt-parameters]; none of
 * those are offered. */
void
server_on_rcpt(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct smtp_params params;
	struct smtp_path path;
	int r;

	if (!skip_path_word(&args, SLICE("TO:"))) {
		server_complain(s, e, SMTP_SAY_WANT_TO);
		return;
	}
	r = smtp_path_parse_rcpt(&args, &path);
	if (r != SMTP_PATH_OK) {
		server_complain(s, e,
		    r == SMTP_PATH_E_TOO_LONG ? SMTP_SAY_RCPT_TOO_LONG
					      : SMTP_SAY_BAD_RCPT);
		return;
	}
	r = smtp_params_parse(args, 0, &params);
	if (r != SMTP_PARAMS_OK) {
		server_complain(s, e, param_says[r]);
		return;
	}
	if (s->n_rcpts >= LIMIT_SMTP_RCPTS) {
		if (!server_is_idle_too_long(s, e))
			server_say(s, e, SMTP_SAY_TOO_MANY_RCPTS);
		return;
	}
	(void)slice_to_cstr(path.address, s->rcpt, sizeof(s->rcpt));
	s->n_rcpts_tried++;
	server_enter(s, SMTP_WAIT_RCPT);
	e->todo = SMTP_DO_RCPT;
}

/* -- answers --------------------------------------------------------------- */

static void
say_yes(struct smtp_server *s, struct smtp_effect *e, const struct verdict *v,
    enum smtp_say ours)
{
	if (v->text.len > 0)
		server_say_verdict(s, e, v);
	else
		server_say(s, e, ours);
}

/* Refused: it moved no mail. */
static void
say_no(struct smtp_server *s, struct smtp_effect *e, const struct verdict *v)
{
	if (!server_is_idle_too_long(s, e))
		server_say_verdict(s, e, v);
}

void
server_answer_mail(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	if (verdict_is_ok(v)) {
		server_enter(s, SMTP_ENVELOPE);
		say_yes(s, e, v, SMTP_SAY_SENDER_OK);
	} else {
		server_end_transaction(s, e);
		say_no(s, e, v);
	}
}

void
server_answer_rcpt(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	server_enter(s, SMTP_ENVELOPE);
	if (!verdict_is_ok(v)) {
		say_no(s, e, v);
		return;
	}
	if (++s->n_rcpts == 1)
		memcpy(s->first_rcpt, s->rcpt, sizeof(s->rcpt));
	say_yes(s, e, v, SMTP_SAY_RCPT_OK);
}
