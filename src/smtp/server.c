/* SPDX-License-Identifier: ISC */
#include "smtp/server.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"

#define IN(state) (1u << (state))
#define ANY (IN(SMTP_NEW) | IN(SMTP_READY) | IN(SMTP_ENVELOPE))
#define GREETED (IN(SMTP_READY) | IN(SMTP_ENVELOPE))
#define WAITS                                                                  \
	(IN(SMTP_WAIT_MAIL) | IN(SMTP_WAIT_RCPT) | IN(SMTP_WAIT_AUTH) |        \
	    IN(SMTP_WAIT_COMMIT) | IN(SMTP_WAIT_TLS))

/* The header comment's promises, checked around every step. */
static void
check(const struct smtp_server *s)
{
	assert(s->state <= SMTP_CLOSED);
	assert(s->n_rcpts <= s->n_rcpts_tried);
	assert(s->n_rcpts <= LIMIT_SMTP_RCPTS);
	assert(s->out_len <= sizeof(s->out));
	assert(s->state != SMTP_DATA || s->n_rcpts > 0);
	assert(s->config.kind != SMTP_MX || !s->is_authed);
	assert(s->config.kind == SMTP_MX || s->is_authed ||
	    (IN(s->state) &
		(IN(SMTP_ENVELOPE) | IN(SMTP_DATA) | IN(SMTP_WAIT_MAIL) |
		    IN(SMTP_WAIT_RCPT) | IN(SMTP_WAIT_COMMIT))) == 0);
	(void)s;
}

/* The only assignment to s->state. */
static void
enter(struct smtp_server *s, enum smtp_server_state state)
{
	assert(s->state != SMTP_CLOSED);
	if (state == SMTP_READY || state == SMTP_NEW) {
		s->n_rcpts = s->n_rcpts_tried = 0;
		s->sender[0] = s->rcpt[0] = s->first_rcpt[0] = '\0';
		s->params = (struct smtp_params){ 0 };
	}
	s->state = (uint8_t)state;
}

/* -- saying ---------------------------------------------------------------- */

static void
say_verdict(struct smtp_server *s, struct smtp_effect *e,
    const struct verdict *v)
{
	s->out_len =
	    smtp_reply_write(s->out, v, slice_cstr(s->config.hostname));
	e->say = slice_of(s->out, s->out_len);
}

static void
say(struct smtp_server *s, struct smtp_effect *e, enum smtp_say which)
{
	struct verdict v = smtp_say(which);

	say_verdict(s, e, &v);
}

/* A last word. */
static void
say_and_close(struct smtp_server *s, struct smtp_effect *e, enum smtp_say which)
{
	say(s, e, which);
	e->todo = SMTP_DO_CLOSE;
	enter(s, SMTP_CLOSED);
}

/* For what no well-made client sends. */
static void
complain(struct smtp_server *s, struct smtp_effect *e, enum smtp_say which)
{
	if (++s->n_errors >= LIMIT_SMTP_ERRORS)
		say_and_close(s, e, SMTP_SAY_TOO_MANY_ERRORS);
	else
		say(s, e, which);
}

/* For what is in order but moves no mail; true: the session is over. */
static bool
is_idle_too_long(struct smtp_server *s, struct smtp_effect *e)
{
	if (++s->n_idle < LIMIT_SMTP_NOOPS)
		return false;
	say_and_close(s, e, SMTP_SAY_TOO_MANY_IDLE);
	return true;
}

/* Back to READY; the owner forgets recipients and body. */
static void
end_transaction(struct smtp_server *s, struct smtp_effect *e)
{
	if (s->state != SMTP_READY && s->state != SMTP_NEW)
		e->todo = SMTP_DO_DROP;
	enter(s, SMTP_READY);
}

/* -- EHLO, HELO ------------------------------------------------------------ */

static bool
is_submission(const struct smtp_server *s)
{
	return s->config.kind != SMTP_MX;
}

static bool
can_auth(const struct smtp_server *s)
{
	return is_submission(s) && (s->has_tls || s->config.plain_auth);
}

static void add_line(struct smtp_server *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void
add_line(struct smtp_server *s, const char *format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf((char *)s->out + s->out_len, sizeof(s->out) - s->out_len,
	    format, ap);
	va_end(ap);
	assert(n > 0 && (size_t)n < sizeof(s->out) - s->out_len);
	s->out_len += (size_t)n;
}

static bool
take_helo(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (!smtp_helo_is_valid(args)) {
		complain(s, e, SMTP_SAY_WANT_HELO);
		return false;
	}
	if (is_idle_too_long(s, e))
		return false;
	(void)slice_to_cstr(args, s->helo, sizeof(s->helo));
	end_transaction(s, e); /* RFC 5321, 4.1.4 */
	return true;
}

static void
on_ehlo(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (!take_helo(s, args, e))
		return;
	s->is_ehlo = true;
	s->out_len = 0;
	add_line(s, "250-%.255s greets %s\r\n", s->config.hostname, s->helo);
	add_line(s, "250-PIPELINING\r\n");
	add_line(s, "250-8BITMIME\r\n");
	add_line(s, "250-SIZE %" PRIu64 "\r\n", s->config.max_size);
	if (s->config.can_tls && !s->has_tls)
		add_line(s, "250-STARTTLS\r\n");
	if (can_auth(s) && !s->is_authed)
		add_line(s, "250-AUTH PLAIN\r\n");
	add_line(s, "250 ENHANCEDSTATUSCODES\r\n");
	e->say = slice_of(s->out, s->out_len);
}

static void
on_helo(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (!take_helo(s, args, e))
		return;
	s->is_ehlo = false;
	s->out_len = 0;
	add_line(s, "250 %.255s\r\n", s->config.hostname);
	e->say = slice_of(s->out, s->out_len);
}

/* -- MAIL, RCPT, DATA ------------------------------------------------------ */

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
	return can_auth(s) ? offered | SMTP_PARAM_AUTH : offered;
}

/* Whether this client may begin a mail at all, and now. */
static bool
may_mail(struct smtp_server *s, struct smtp_effect *e)
{
	if (is_submission(s) && !can_auth(s)) {
		complain(s, e, SMTP_SAY_TLS_FIRST);
		return false;
	}
	if (is_submission(s) && !s->is_authed) {
		complain(s, e, SMTP_SAY_AUTH_FIRST);
		return false;
	}
	if (s->n_mails >= LIMIT_SMTP_MESSAGES) {
		say_and_close(s, e, SMTP_SAY_TOO_MANY_MAILS);
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
		complain(s, e, SMTP_SAY_WANT_FROM);
		return false;
	}
	r = smtp_path_parse(&args, ret_path);
	if (r != SMTP_PATH_OK) {
		complain(s, e,
		    r == SMTP_PATH_E_TOO_LONG ? SMTP_SAY_SENDER_TOO_LONG
					      : SMTP_SAY_BAD_SENDER);
		return false;
	}
	r = smtp_params_parse(args, offered_params(s), &params);
	if (r != SMTP_PARAMS_OK) {
		complain(s, e, param_says[r]);
		return false;
	}
	s->params = params;
	s->params.auth = (struct slice){ 0 };
	return true;
}

static void
on_mail(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct smtp_path path;

	if (!may_mail(s, e) || !parse_mail(s, args, e, &path))
		return;
	if (s->params.has_size && s->params.size > s->config.max_size) {
		say(s, e, SMTP_SAY_TOO_BIG); /* RFC 1870, 6.1 */
		return;
	}
	if (s->weather != SMTP_FAIR) {
		say(s, e,
		    s->weather == SMTP_FULL ? SMTP_SAY_FULL : SMTP_SAY_TROUBLE);
		return;
	}
	(void)slice_to_cstr(path.address, s->sender, sizeof(s->sender));
	if (is_submission(s)) {
		enter(s, SMTP_WAIT_MAIL);
		e->todo = SMTP_DO_MAIL;
		return;
	}
	enter(s, SMTP_ENVELOPE);
	say(s, e, SMTP_SAY_SENDER_OK);
}

/* RFC 5321 4.1.1.3: "RCPT TO:" *SP Forward-path [SP Rcpt-parameters]; none of
 * those are offered. */
static void
on_rcpt(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct smtp_params params;
	struct smtp_path path;
	int r;

	if (!skip_path_word(&args, SLICE("TO:"))) {
		complain(s, e, SMTP_SAY_WANT_TO);
		return;
	}
	r = smtp_path_parse_rcpt(&args, &path);
	if (r != SMTP_PATH_OK) {
		complain(s, e,
		    r == SMTP_PATH_E_TOO_LONG ? SMTP_SAY_RCPT_TOO_LONG
					      : SMTP_SAY_BAD_RCPT);
		return;
	}
	r = smtp_params_parse(args, 0, &params);
	if (r != SMTP_PARAMS_OK) {
		complain(s, e, param_says[r]);
		return;
	}
	if (s->n_rcpts >= LIMIT_SMTP_RCPTS) {
		if (!is_idle_too_long(s, e))
			say(s, e, SMTP_SAY_TOO_MANY_RCPTS);
		return;
	}
	(void)slice_to_cstr(path.address, s->rcpt, sizeof(s->rcpt));
	s->n_rcpts_tried++;
	enter(s, SMTP_WAIT_RCPT);
	e->todo = SMTP_DO_RCPT;
}

static void
on_data(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0) {
		complain(s, e, SMTP_SAY_NO_ARGUMENT);
	} else if (s->n_rcpts_tried == 0) {
		complain(s, e, SMTP_SAY_RCPT_FIRST);
	} else if (s->n_rcpts == 0) {
		say(s, e, SMTP_SAY_NO_VALID_RCPT); /* RFC 5321, 3.3 */
	} else {
		s->dot = (struct smtp_dot){ 0 };
		memset(&s->trace, 0, sizeof(s->trace));
		s->body_size = 0;
		s->is_refused = false;
		enter(s, SMTP_DATA);
		say(s, e, SMTP_SAY_DATA_GO);
		e->todo = SMTP_DO_BEGIN;
	}
}

/* -- AUTH (RFC 4954) ------------------------------------------------------- */

static void
on_auth_response(struct smtp_server *s, struct slice response,
    struct smtp_effect *e)
{
	size_t n;

	if (s->state == SMTP_AUTH_LINE)
		enter(s, SMTP_READY);
	if (!base64_decode(response, s->plain_text, sizeof(s->plain_text),
		&n) ||
	    !smtp_plain_parse(slice_of(s->plain_text, n), &s->plain) ||
	    s->plain.authcid.len > LIMIT_ADDRESS ||
	    s->plain.authzid.len > LIMIT_ADDRESS ||
	    s->plain.password.len > 1024) {
		explicit_bzero(s->plain_text, sizeof(s->plain_text));
		complain(s, e, SMTP_SAY_AUTH_BAD);
		return;
	}
	enter(s, SMTP_WAIT_AUTH);
	e->todo = SMTP_DO_AUTH;
}

static void
on_auth(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	struct slice mechanism = args;
	bool has_response = slice_take_until(&args, ' ', &mechanism);

	if (!is_submission(s))
		complain(s, e, SMTP_SAY_NOT_IMPLEMENTED);
	else if (s->is_authed)
		complain(s, e, SMTP_SAY_AUTH_ALREADY);
	else if (mechanism.len == 0)
		complain(s, e, SMTP_SAY_WANT_ARGUMENT);
	else if (!can_auth(s))
		complain(s, e, SMTP_SAY_AUTH_NEEDS_TLS);
	else if (!slice_equal_nocase(mechanism, SLICE("PLAIN")))
		complain(s, e, SMTP_SAY_AUTH_UNKNOWN);
	else if (has_response)
		on_auth_response(s,
		    slice_equal(args, SLICE("=")) ? SLICE("") : args, e);
	else {
		enter(s, SMTP_AUTH_LINE);
		say(s, e, SMTP_SAY_AUTH_GO);
	}
}

static void
on_auth_line(struct smtp_server *s, struct slice line, struct smtp_effect *e)
{
	if (!slice_equal(line, SLICE("*"))) {
		on_auth_response(s, line, e);
		return;
	}
	enter(s, SMTP_READY);
	complain(s, e, SMTP_SAY_AUTH_CANCELLED);
}

void
smtp_server_answer_auth(struct smtp_server *s, enum smtp_auth_answer answer,
    struct smtp_effect *e)
{
	assert(s->state == SMTP_WAIT_AUTH);
	*e = (struct smtp_effect){ 0 };
	explicit_bzero(s->plain_text, sizeof(s->plain_text));
	s->plain = (struct smtp_plain){ 0 };
	enter(s, SMTP_READY);
	if (answer == SMTP_AUTH_YES) {
		s->is_authed = true;
		say(s, e, SMTP_SAY_AUTH_OK);
	} else if (answer == SMTP_AUTH_LATER) {
		if (!is_idle_too_long(s, e))
			say(s, e, SMTP_SAY_AUTH_LATER);
	} else if (++s->n_auths >= LIMIT_SMTP_AUTHS) {
		say_and_close(s, e, SMTP_SAY_TOO_MANY_AUTHS);
	} else {
		say(s, e, SMTP_SAY_AUTH_REFUSED);
	}
	check(s);
}

/* -- STARTTLS (RFC 3207) --------------------------------------------------- */

static void
on_starttls(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0) {
		complain(s, e, SMTP_SAY_NO_ARGUMENT);
	} else if (s->has_tls) {
		complain(s, e, SMTP_SAY_TLS_ALREADY);
	} else if (!s->config.can_tls) {
		complain(s, e, SMTP_SAY_TLS_LATER);
	} else {
		say(s, e, SMTP_SAY_TLS_GO);
		e->todo = SMTP_DO_TLS;
		enter(s, SMTP_WAIT_TLS);
	}
}

/* What the client said before is forgotten (RFC 3207, 4.2). */
void
smtp_server_tls_up(struct smtp_server *s)
{
	assert(s->state == SMTP_WAIT_TLS);
	s->has_tls = true;
	s->is_ehlo = s->is_authed = false;
	s->helo[0] = '\0';
	enter(s, SMTP_NEW);
}

/* -- the small commands ---------------------------------------------------- */

static void
on_rset(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0) {
		complain(s, e, SMTP_SAY_NO_ARGUMENT);
		return;
	}
	if (is_idle_too_long(s, e))
		return;
	if (s->state != SMTP_NEW)
		end_transaction(s, e);
	say(s, e, SMTP_SAY_RESET);
}

static void
on_noop(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	(void)args; /* may be there and means nothing (4.1.1.9) */
	if (!is_idle_too_long(s, e))
		say(s, e, SMTP_SAY_OK);
}

static void
on_help(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	(void)args;
	if (!is_idle_too_long(s, e))
		say(s, e, SMTP_SAY_HELP);
}

/* Neither yes nor no (RFC 5321, 3.5.3 and 7.3). */
static void
on_vrfy(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len == 0)
		complain(s, e, SMTP_SAY_WANT_ARGUMENT);
	else if (!is_idle_too_long(s, e))
		say(s, e, SMTP_SAY_VRFY);
}

static void
on_quit(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0)
		complain(s, e, SMTP_SAY_NO_ARGUMENT);
	else
		say_and_close(s, e, SMTP_SAY_BYE);
}

static void
on_unimplemented(struct smtp_server *s, struct slice args,
    struct smtp_effect *e)
{
	(void)args;
	complain(s, e, SMTP_SAY_NOT_IMPLEMENTED);
}

/* A browser that was told to post a mail to us. */
static void
on_http(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	(void)args;
	say_and_close(s, e, SMTP_SAY_NOT_SMTP);
}

#define VERB(text)                                                             \
	{                                                                      \
		(const uint8_t *)(text), sizeof(text) - 1                      \
	}
static const struct verb {
	struct slice name;
	unsigned states; /* where it is in order; elsewhere a 503 */
	enum smtp_say out_of_order;
	void (*run)(struct smtp_server *, struct slice, struct smtp_effect *);
} verbs[] = {
	{ VERB("MAIL"), IN(SMTP_READY), SMTP_SAY_NESTED_MAIL, on_mail },
	{ VERB("RCPT"), IN(SMTP_ENVELOPE), SMTP_SAY_MAIL_FIRST, on_rcpt },
	{ VERB("DATA"), IN(SMTP_ENVELOPE), SMTP_SAY_MAIL_FIRST, on_data },
	{ VERB("EHLO"), ANY, SMTP_SAY_OK, on_ehlo },
	{ VERB("HELO"), ANY, SMTP_SAY_OK, on_helo },
	{ VERB("RSET"), ANY, SMTP_SAY_OK, on_rset },
	{ VERB("QUIT"), ANY, SMTP_SAY_OK, on_quit },
	{ VERB("NOOP"), ANY, SMTP_SAY_OK, on_noop },
	{ VERB("VRFY"), ANY, SMTP_SAY_OK, on_vrfy },
	{ VERB("HELP"), ANY, SMTP_SAY_OK, on_help },
	{ VERB("STARTTLS"), IN(SMTP_READY), SMTP_SAY_NOT_NOW, on_starttls },
	{ VERB("AUTH"), IN(SMTP_READY), SMTP_SAY_NOT_NOW, on_auth },
	{ VERB("EXPN"), ANY, SMTP_SAY_OK, on_unimplemented },
	{ VERB("TURN"), ANY, SMTP_SAY_OK, on_unimplemented },
	{ VERB("ETRN"), ANY, SMTP_SAY_OK, on_unimplemented },
	{ VERB("BDAT"), ANY, SMTP_SAY_OK, on_unimplemented },
	{ VERB("GET"), ANY, SMTP_SAY_OK, on_http },
	{ VERB("POST"), ANY, SMTP_SAY_OK, on_http },
	{ VERB("PUT"), ANY, SMTP_SAY_OK, on_http },
	{ VERB("CONNECT"), ANY, SMTP_SAY_OK, on_http },
	{ VERB("OPTIONS"), ANY, SMTP_SAY_OK, on_http },
};

static void
on_command(struct smtp_server *s, struct slice line, struct smtp_effect *e)
{
	struct slice verb, args;

	smtp_command_split(line, &verb, &args);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct verb *v = &verbs[i];

		if (!slice_equal_nocase(verb, v->name))
			continue;
		if ((v->states & IN(s->state)) != 0)
			v->run(s, args, e);
		else
			complain(s, e,
			    s->state == SMTP_NEW ? SMTP_SAY_HELO_FIRST
						 : v->out_of_order);
		return;
	}
	complain(s, e, SMTP_SAY_UNKNOWN);
}

/* -- lines ----------------------------------------------------------------- */

/* Eats a line that is too long, up to its LF; then it gets its reply. */
static size_t
discard(struct smtp_server *s, struct slice in, struct smtp_effect *e)
{
	size_t lf = slice_find_byte(in, '\n');
	size_t n = lf == SIZE_MAX ? in.len : lf + 1;

	s->discarded += n;
	if (lf != SIZE_MAX) {
		s->discarded = 0;
		if (s->state == SMTP_AUTH_LINE)
			enter(s, SMTP_READY);
		complain(s, e,
		    s->discards_auth ? SMTP_SAY_AUTH_TOO_LONG
				     : SMTP_SAY_LINE_TOO_LONG);
	} else if (s->discarded > LIMIT_SMTP_JUNK) {
		say_and_close(s, e, SMTP_SAY_TOO_MANY_ERRORS);
	}
	return n;
}

static size_t
step_line(struct smtp_server *s, struct slice in, struct smtp_effect *e)
{
	struct slice rest = in, line;
	size_t max = LIMIT_SMTP_COMMAND;

	if (s->discarded > 0)
		return discard(s, in, e);
	s->discards_auth = s->state == SMTP_AUTH_LINE ||
	    slice_starts_nocase(in, SLICE("AUTH "));
	if (s->discards_auth)
		max = LIMIT_SMTP_AUTH_LINE;
	switch (smtp_line_take(&rest, max, &line)) {
	case SMTP_LINE_MORE:
		break;
	case SMTP_LINE_E_TOO_LONG:
		return discard(s, in, e);
	case SMTP_LINE_E_BAD:
		if (s->state == SMTP_AUTH_LINE)
			enter(s, SMTP_READY);
		complain(s, e, SMTP_SAY_BAD_LINE);
		break;
	default:
		if (s->state == SMTP_AUTH_LINE)
			on_auth_line(s, line, e);
		else
			on_command(s, line, e);
	}
	return in.len - rest.len;
}

/* -- the message ----------------------------------------------------------- */

void
smtp_server_refuse_body(struct smtp_server *s, const struct verdict *v)
{
	if (s->state != SMTP_DATA || s->is_refused)
		return;
	s->is_refused = true;
	s->refusal = verdict_is_temporary(v) || verdict_is_permanent(v)
	    ? *v
	    : verdict_trouble();
	(void)slice_to_cstr(s->refusal.text, s->refusal_text,
	    sizeof(s->refusal_text));
	s->refusal.text = slice_cstr(s->refusal_text);
}

static void
refuse(struct smtp_server *s, struct smtp_effect *e, enum smtp_say which)
{
	struct verdict v = smtp_say(which);

	if (s->is_refused)
		return;
	smtp_server_refuse_body(s, &v);
	e->todo = SMTP_DO_DROP_BODY;
}

/* CRLF.CRLF was read. */
static void
end_data(struct smtp_server *s, struct smtp_effect *e)
{
	if (s->dot.is_bad)
		refuse(s, e, SMTP_SAY_BAD_LINE_END);
	if (s->trace.n_received > LIMIT_RECEIVED)
		refuse(s, e, SMTP_SAY_LOOP);
	if (s->is_refused) {
		say_verdict(s, e, &s->refusal);
		end_transaction(s, e);
		return;
	}
	smtp_trace_end(&s->trace);
	enter(s, SMTP_WAIT_COMMIT);
	e->todo = SMTP_DO_COMMIT;
}

static size_t
step_data(struct smtp_server *s, struct slice in, struct smtp_effect *e)
{
	struct slice rest = in, run;
	int r = smtp_dot_next(&s->dot, &rest, &run);

	if (r == SMTP_DOT_END) {
		end_data(s, e);
		return in.len - rest.len;
	}
	if (s->dot.is_bad)
		refuse(s, e, SMTP_SAY_BAD_LINE_END);
	if (r == SMTP_DOT_MORE)
		return in.len - rest.len;

	s->body_size += run.len;
	if (s->body_size > s->config.max_size)
		refuse(s, e, SMTP_SAY_TOO_BIG); /* RFC 1870, 6.3 */
	if (s->trace.n_received > LIMIT_RECEIVED)
		refuse(s, e, SMTP_SAY_LOOP);
	if (!s->is_refused) {
		e->todo = SMTP_DO_BODY;
		e->body = run;
	}
	return in.len - rest.len;
}

bool
smtp_server_body_part(struct smtp_server *s, struct slice *body,
    struct slice *ret_part)
{
	return smtp_trace_next(&s->trace, body, ret_part);
}

/* -- the owner's side ------------------------------------------------------ */

void
smtp_server_init(struct smtp_server *s, const struct smtp_server_config *config)
{
	memset(s, 0, sizeof(*s));
	s->config = *config;
	s->has_tls = config->kind == SMTP_SUBMISSIONS;
	check(s);
}

void
smtp_server_start(struct smtp_server *s, struct smtp_effect *e)
{
	*e = (struct smtp_effect){ 0 };
	s->out_len = 0;
	add_line(s, "220 %.255s ESMTP Ulak\r\n", s->config.hostname);
	e->say = slice_of(s->out, s->out_len);
}

bool
smtp_server_wants_input(const struct smtp_server *s)
{
	return (IN(s->state) & (WAITS | IN(SMTP_CLOSED))) == 0;
}

size_t
smtp_server_step(struct smtp_server *s, struct slice in, struct smtp_effect *e)
{
	size_t n;

	assert(smtp_server_wants_input(s));
	check(s);
	*e = (struct smtp_effect){ 0 };
	n = s->state == SMTP_DATA ? step_data(s, in, e) : step_line(s, in, e);
	check(s);
	return n;
}

static void
answer_mail(struct smtp_server *s, struct verdict *v, struct smtp_effect *e)
{
	if (!verdict_is_ok(v)) {
		end_transaction(s, e);
		(void)is_idle_too_long(s, e);
		return;
	}
	enter(s, SMTP_ENVELOPE);
	if (v->text.len == 0)
		*v = smtp_say(SMTP_SAY_SENDER_OK);
}

static void
answer_rcpt(struct smtp_server *s, struct verdict *v, struct smtp_effect *e)
{
	enter(s, SMTP_ENVELOPE);
	if (!verdict_is_ok(v)) {
		(void)is_idle_too_long(s, e);
		return;
	}
	if (++s->n_rcpts == 1)
		memcpy(s->first_rcpt, s->rcpt, sizeof(s->rcpt));
	if (v->text.len == 0)
		*v = smtp_say(SMTP_SAY_RCPT_OK);
}

static void
answer_commit(struct smtp_server *s, struct verdict *v, struct smtp_effect *e)
{
	if (verdict_is_ok(v)) {
		s->n_mails++;
		s->n_idle = 0;
	}
	end_transaction(s, e);
}

void
smtp_server_answer(struct smtp_server *s, const struct verdict *verdict,
    struct smtp_effect *e)
{
	struct verdict v = *verdict;

	*e = (struct smtp_effect){ 0 };
	if (!verdict_is_ok(&v) && !verdict_is_temporary(&v) &&
	    !verdict_is_permanent(&v))
		v = verdict_trouble();
	if (s->state == SMTP_WAIT_MAIL)
		answer_mail(s, &v, e);
	else if (s->state == SMTP_WAIT_RCPT)
		answer_rcpt(s, &v, e);
	else {
		assert(s->state == SMTP_WAIT_COMMIT);
		answer_commit(s, &v, e);
	}
	if (s->state != SMTP_CLOSED)
		say_verdict(s, e, &v);
	check(s);
}

void
smtp_server_goodbye(struct smtp_server *s, enum smtp_say why,
    struct smtp_effect *e)
{
	*e = (struct smtp_effect){ 0 };
	if (s->state != SMTP_CLOSED)
		say_and_close(s, e, why);
}

const char *
smtp_server_protocol(const struct smtp_server *s)
{
	if (!s->is_ehlo)
		return "SMTP";
	if (s->is_authed)
		return s->has_tls ? "ESMTPSA" : "ESMTPA";
	return s->has_tls ? "ESMTPS" : "ESMTP";
}
