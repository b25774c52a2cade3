/* SPDX-License-Identifier: ISC */
/* MAIL and RCPT: the envelope. */
#include "smtp/server_impl.h"

#include <stdio.h>
#include <string.h>

#include "base/time.h"

static const enum smtp_say param_says[SMTP_PARAMS_N] = {
	[SMTP_PARAMS_E_SYNTAX] = SMTP_SAY_BAD_PARAMS,
	[SMTP_PARAMS_E_VALUE] = SMTP_SAY_BAD_PARAM,
	[SMTP_PARAMS_E_TWICE] = SMTP_SAY_DOUBLE_PARAM,
	[SMTP_PARAMS_E_CONFLICT] = SMTP_SAY_PARAM_CONFLICT,
	[SMTP_PARAMS_E_TOO_SOON] = SMTP_SAY_BY_TOO_SOON,
	[SMTP_PARAMS_E_UNKNOWN] = SMTP_SAY_UNKNOWN_PARAM,
	[SMTP_PARAMS_E_NEEDS_TLS] = SMTP_SAY_REQUIRETLS_NEEDS_TLS,
	[SMTP_PARAMS_E_NEEDS_UTF8] = SMTP_SAY_RCPT_NEEDS_UTF8,
};

/* "HOLDFOR: " and what is wrong with it. */
static void
complain_of(struct smtp_server *s, struct smtp_effect *e, enum smtp_say which,
    struct slice name)
{
	struct verdict v = smtp_say(which);
	char text[LIMIT_SMTP_REPLY_LINE];

	if (name.len > 0 && name.len <= 32) {
		(void)snprintf(text, sizeof(text), "%.*s: %.*s",
		    SLICE_FMT(name), SLICE_FMT(v.text));
		v.text = slice_cstr(text);
	}
	server_complain_verdict(s, e, &v);
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

/* -- MAIL ------------------------------------------------------------------ */

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

/* RFC 4865 4.2: not further away than was offered, and not in the past; 5.2.2:
 * not behind the time by which it must be there. */
static enum smtp_say
check_times(struct smtp_server *s, const struct smtp_mail_params *p)
{
	int64_t max_hold = (int64_t)s->config.max_hold * TIME_SECOND;

	s->hold_until = p->hold_until;
	if (p->hold_for != 0)
		s->hold_until = s->wall_us + p->hold_for * TIME_SECOND;
	if (s->hold_until != 0 && s->hold_until <= s->wall_us)
		return SMTP_SAY_HOLD_PAST;
	if (s->hold_until > s->wall_us + max_hold)
		return SMTP_SAY_HOLD_TOO_LONG;
	s->deliver_by = 0;
	if (p->by_mode == SMTP_BY_NONE)
		return SMTP_N_SAYS;
	s->deliver_by = s->wall_us + p->by_seconds * TIME_SECOND;
	if (s->deliver_by <= 0)
		s->deliver_by = 1; /* 0 is "not said" */
	return s->hold_until > s->deliver_by ? SMTP_SAY_HOLD_BEHIND_BY
					     : SMTP_N_SAYS;
}

/* RFC 5321 4.1.1.2: "MAIL FROM:" Reverse-path [SP Mail-parameters] */
static bool
parse_mail(struct smtp_server *s, struct slice args, struct smtp_effect *e,
    struct smtp_path *ret_path, struct smtp_mail_params *ret_params)
{
	struct slice name;
	enum smtp_say why;
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
	r = smtp_mail_params_parse(args, server_offers(s), ret_params, &name);
	if (r != SMTP_PARAMS_OK) {
		complain_of(s, e, param_says[r], name);
		return false;
	}
	if (!ret_path->is_ascii && !ret_params->is_smtputf8) {
		server_complain(s, e, SMTP_SAY_SENDER_NEEDS_UTF8);
		return false;
	}
	why = check_times(s, ret_params);
	if (why != SMTP_N_SAYS)
		server_complain(s, e, why);
	return why == SMTP_N_SAYS;
}

/* The slices of the parameters do not outlive the line. */
static void
keep_mail(struct smtp_server *s, const struct smtp_path *path,
    const struct smtp_mail_params *p)
{
	(void)slice_to_cstr(path->address, s->sender, sizeof(s->sender));
	(void)slice_to_cstr(p->envid, s->envid, sizeof(s->envid));
	s->params = *p;
	s->params.auth = s->params.envid = (struct slice){ 0 };
	s->is_lowered = p->priority > (int)s->config.max_priority;
	if (s->is_lowered)
		s->params.priority = (int8_t)s->config.max_priority;
}

void
server_on_mail(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct smtp_mail_params params;
	struct smtp_path path;

	if (!may_mail(s, e) || !parse_mail(s, args, e, &path, &params))
		return;
	if (params.has_size && params.size > s->config.max_size) {
		server_say(s, e, SMTP_SAY_TOO_BIG); /* RFC 1870, 6.1 */
		return;
	}
	if (s->weather != SMTP_FAIR) {
		server_say(s, e,
		    s->weather == SMTP_FULL ? SMTP_SAY_FULL : SMTP_SAY_TROUBLE);
		return;
	}
	keep_mail(s, &path, &params);
	server_enter(s, SMTP_WAIT_MAIL);
	e->todo = SMTP_DO_MAIL;
}

/* -- RCPT ------------------------------------------------------------------ */

/* RFC 5321 4.1.1.3: "RCPT TO:" Forward-path [SP Rcpt-parameters] */
static bool
parse_rcpt(struct smtp_server *s, struct slice args, struct smtp_effect *e,
    struct smtp_path *ret_path, struct smtp_rcpt_params *ret_params)
{
	struct slice name;
	int r;

	if (!skip_path_word(&args, SLICE("TO:"))) {
		server_complain(s, e, SMTP_SAY_WANT_TO);
		return false;
	}
	r = smtp_path_parse_rcpt(&args, ret_path);
	if (r != SMTP_PATH_OK) {
		server_complain(s, e,
		    r == SMTP_PATH_E_TOO_LONG ? SMTP_SAY_RCPT_TOO_LONG
					      : SMTP_SAY_BAD_RCPT);
		return false;
	}
	r = smtp_rcpt_params_parse(args, server_offers(s),
	    s->params.is_smtputf8, ret_params, &name);
	if (r != SMTP_PARAMS_OK) {
		complain_of(s, e, param_says[r], name);
		return false;
	}
	if (!ret_path->is_ascii && !s->params.is_smtputf8) {
		server_complain(s, e, SMTP_SAY_RCPT_NEEDS_UTF8);
		return false;
	}
	return true;
}

void
server_on_rcpt(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct smtp_rcpt_params params;
	struct smtp_path path;
	unsigned max =
	    s->config.kind == SMTP_LMTP ? LIMIT_LMTP_RCPTS : LIMIT_SMTP_RCPTS;

	if (!parse_rcpt(s, args, e, &path, &params))
		return;
	if (s->n_rcpts >= max) {
		if (!server_is_idle_too_long(s, e))
			server_say(s, e, SMTP_SAY_TOO_MANY_RCPTS);
		return;
	}
	(void)slice_to_cstr(path.address, s->rcpt, sizeof(s->rcpt));
	(void)slice_to_cstr(params.orcpt, s->orcpt, sizeof(s->orcpt));
	s->rcpt_params = params;
	s->rcpt_params.orcpt = (struct slice){ 0 };
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

/* The new priority stands first in the text (RFC 6710, 4.1). */
static void
say_lowered(struct smtp_server *s, struct smtp_effect *e)
{
	char text[64];
	struct verdict v = { 250, { 2, 3, 6 }, { 0 } };

	(void)snprintf(text, sizeof(text),
	    "%d is the highest priority that is given here",
	    s->params.priority);
	v.text = slice_cstr(text);
	server_say_verdict(s, e, &v);
}

/* Refused: it moved no mail. */
static void
say_no(struct smtp_server *s, struct smtp_effect *e, const struct verdict *v)
{
	if (!server_is_idle_too_long(s, e))
		server_say_no(s, e, v, false);
}

void
server_answer_mail(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	if (verdict_is_ok(v)) {
		server_enter(s, SMTP_ENVELOPE);
		if (s->is_lowered)
			say_lowered(s, e);
		else
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
		s->n_refused_rcpts += verdict_is_permanent(v);
		say_no(s, e, v);
		server_hold_back(s, e);
		return;
	}
	if (++s->n_rcpts == 1)
		memcpy(s->first_rcpt, s->rcpt, sizeof(s->rcpt));
	say_yes(s, e, v, SMTP_SAY_RCPT_OK);
}
