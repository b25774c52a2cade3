/* SPDX-License-Identifier: ISC */
#include "smtp/server_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ANY (IN(SMTP_NEW) | IN(SMTP_READY) | IN(SMTP_ENVELOPE))
#define WAITS                                                                  \
	(IN(SMTP_WAIT_CONNECT) | IN(SMTP_WAIT_HELO) | IN(SMTP_WAIT_MAIL) |     \
	    IN(SMTP_WAIT_RCPT) | IN(SMTP_WAIT_AUTH) | IN(SMTP_WAIT_DATA) |     \
	    IN(SMTP_WAIT_COMMIT) | IN(SMTP_WAIT_TLS))

/* The header comment's promises, checked around every step. */
void
server_check(const struct smtp_server *s)
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
		    IN(SMTP_WAIT_RCPT) | IN(SMTP_WAIT_DATA) |
		    IN(SMTP_WAIT_COMMIT))) == 0);
	(void)s;
}

/* With the next one the only one to set s->state. */
void
server_enter(struct smtp_server *s, enum smtp_server_state state)
{
	assert(s->state != SMTP_CLOSED);
	if (state == SMTP_READY || state == SMTP_NEW) {
		s->n_rcpts = s->n_rcpts_tried = 0;
		s->sender[0] = s->rcpt[0] = s->first_rcpt[0] = '\0';
		s->params = (struct smtp_params){ 0 };
	}
	s->state = (uint8_t)state;
}

/* Back from WAIT_HELO, with the transaction as it was. */
void
server_leave_wait(struct smtp_server *s)
{
	assert(s->state == SMTP_WAIT_HELO);
	s->state = s->state_before;
}

/* -- saying ---------------------------------------------------------------- */

void
server_say_verdict(struct smtp_server *s, struct smtp_effect *e,
    const struct verdict *v)
{
	s->out_len =
	    smtp_reply_write(s->out, v, slice_cstr(s->config.hostname));
	e->say = slice_of(s->out, s->out_len);
}

void
server_say(struct smtp_server *s, struct smtp_effect *e, enum smtp_say which)
{
	struct verdict v = smtp_say(which);

	server_say_verdict(s, e, &v);
}

/* A last word. */
void
server_say_and_close(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say which)
{
	server_say(s, e, which);
	e->todo = SMTP_DO_CLOSE;
	server_enter(s, SMTP_CLOSED);
}

/* For what no well-made client sends. */
void
server_complain(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say which)
{
	if (++s->n_errors >= LIMIT_SMTP_ERRORS)
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_ERRORS);
	else
		server_say(s, e, which);
}

/* For what is in order but moves no mail; true: the session is over. */
bool
server_is_idle_too_long(struct smtp_server *s, struct smtp_effect *e)
{
	if (++s->n_idle < LIMIT_SMTP_NOOPS)
		return false;
	server_say_and_close(s, e, SMTP_SAY_TOO_MANY_IDLE);
	return true;
}

/* Back to READY; the owner forgets recipients and body. */
void
server_end_transaction(struct smtp_server *s, struct smtp_effect *e)
{
	if (s->state != SMTP_READY && s->state != SMTP_NEW)
		e->todo = SMTP_DO_DROP;
	server_enter(s, SMTP_READY);
}

bool
server_is_submission(const struct smtp_server *s)
{
	return s->config.kind != SMTP_MX;
}

bool
server_can_auth(const struct smtp_server *s)
{
	return server_is_submission(s) && s->config.kind != SMTP_LOCAL &&
	    (s->has_tls || s->config.plain_auth);
}

void
server_add_line(struct smtp_server *s, const char *format, ...)
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

/* -- the small commands ---------------------------------------------------- */

static void
on_rset(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0) {
		server_complain(s, e, SMTP_SAY_NO_ARGUMENT);
		return;
	}
	if (server_is_idle_too_long(s, e))
		return;
	if (s->state != SMTP_NEW)
		server_end_transaction(s, e);
	server_say(s, e, SMTP_SAY_RESET);
}

static void
on_noop(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	(void)args; /* may be there and means nothing (4.1.1.9) */
	if (!server_is_idle_too_long(s, e))
		server_say(s, e, SMTP_SAY_OK);
}

static void
on_help(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	(void)args;
	if (!server_is_idle_too_long(s, e))
		server_say(s, e, SMTP_SAY_HELP);
}

/* Neither yes nor no (RFC 5321, 3.5.3 and 7.3). */
static void
on_vrfy(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len == 0)
		server_complain(s, e, SMTP_SAY_WANT_ARGUMENT);
	else if (!server_is_idle_too_long(s, e))
		server_say(s, e, SMTP_SAY_VRFY);
}

static void
on_quit(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	if (args.len > 0)
		server_complain(s, e, SMTP_SAY_NO_ARGUMENT);
	else
		server_say_and_close(s, e, SMTP_SAY_BYE);
}

static void
on_unimplemented(struct smtp_server *s, struct slice args,
    struct smtp_effect *e)
{
	(void)args;
	server_complain(s, e, SMTP_SAY_NOT_IMPLEMENTED);
}

/* A browser that was told to post a mail to us. */
static void
on_http(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	(void)args;
	server_say_and_close(s, e, SMTP_SAY_NOT_SMTP);
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
	{ VERB("MAIL"), IN(SMTP_READY), SMTP_SAY_NESTED_MAIL, server_on_mail },
	{ VERB("RCPT"), IN(SMTP_ENVELOPE), SMTP_SAY_MAIL_FIRST,
	    server_on_rcpt },
	{ VERB("DATA"), IN(SMTP_ENVELOPE), SMTP_SAY_MAIL_FIRST,
	    server_on_data },
	{ VERB("EHLO"), ANY, SMTP_SAY_OK, server_on_ehlo },
	{ VERB("HELO"), ANY, SMTP_SAY_OK, server_on_helo },
	{ VERB("RSET"), ANY, SMTP_SAY_OK, on_rset },
	{ VERB("QUIT"), ANY | IN(SMTP_REFUSED), SMTP_SAY_OK, on_quit },
	{ VERB("NOOP"), ANY, SMTP_SAY_OK, on_noop },
	{ VERB("VRFY"), ANY, SMTP_SAY_OK, on_vrfy },
	{ VERB("HELP"), ANY, SMTP_SAY_OK, on_help },
	{ VERB("STARTTLS"), IN(SMTP_READY), SMTP_SAY_NOT_NOW,
	    server_on_starttls },
	{ VERB("AUTH"), IN(SMTP_READY), SMTP_SAY_NOT_NOW, server_on_auth },
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

static enum smtp_say
out_of_order(const struct smtp_server *s, const struct verb *v)
{
	if (s->state == SMTP_REFUSED)
		return SMTP_SAY_ONLY_QUIT;
	return s->state == SMTP_NEW ? SMTP_SAY_HELO_FIRST : v->out_of_order;
}

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
			server_complain(s, e, out_of_order(s, v));
		return;
	}
	server_complain(s, e,
	    s->state == SMTP_REFUSED ? SMTP_SAY_ONLY_QUIT : SMTP_SAY_UNKNOWN);
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
			server_enter(s, SMTP_READY);
		server_complain(s, e,
		    s->discards_auth ? SMTP_SAY_AUTH_TOO_LONG
				     : SMTP_SAY_LINE_TOO_LONG);
	} else if (s->discarded > LIMIT_SMTP_JUNK) {
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_ERRORS);
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
			server_enter(s, SMTP_READY);
		server_complain(s, e, SMTP_SAY_BAD_LINE);
		break;
	default:
		if (s->state == SMTP_AUTH_LINE)
			server_on_auth_line(s, line, e);
		else
			on_command(s, line, e);
	}
	return in.len - rest.len;
}

/* -- the owner's side ------------------------------------------------------ */

void
smtp_server_init(struct smtp_server *s, const struct smtp_server_config *config)
{
	memset(s, 0, sizeof(*s));
	s->config = *config;
	s->has_tls = config->kind == SMTP_SUBMISSIONS;
	s->is_authed = config->kind == SMTP_LOCAL;
	server_check(s);
}

void
smtp_server_start(struct smtp_server *s, struct smtp_effect *e)
{
	*e = (struct smtp_effect){ .todo = SMTP_DO_CONNECT };
	server_enter(s, SMTP_WAIT_CONNECT);
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
	server_check(s);
	*e = (struct smtp_effect){ 0 };
	n = s->state == SMTP_DATA ? server_step_data(s, in, e)
				  : step_line(s, in, e);
	server_check(s);
	return n;
}

static const struct {
	enum smtp_server_state state;
	void (*answer)(struct smtp_server *, const struct verdict *,
	    struct smtp_effect *);
} answers[] = {
	{ SMTP_WAIT_CONNECT, server_answer_connect },
	{ SMTP_WAIT_HELO, server_answer_helo },
	{ SMTP_WAIT_MAIL, server_answer_mail },
	{ SMTP_WAIT_RCPT, server_answer_rcpt },
	{ SMTP_WAIT_DATA, server_answer_data },
	{ SMTP_WAIT_COMMIT, server_answer_commit },
};

enum {
	N_ANSWERS = sizeof(answers) / sizeof(answers[0])
};

void
smtp_server_answer(struct smtp_server *s, const struct verdict *verdict,
    struct smtp_effect *e)
{
	struct verdict v = *verdict;
	size_t i = 0;

	*e = (struct smtp_effect){ 0 };
	if (!verdict_is_ok(&v) && !verdict_is_temporary(&v) &&
	    !verdict_is_permanent(&v))
		v = verdict_trouble();
	while (i < N_ANSWERS - 1 && answers[i].state != s->state)
		i++;
	assert(answers[i].state == s->state);
	if (v.code == 421 && s->state != SMTP_WAIT_CONNECT) {
		server_say_verdict(s, e, &v);
		e->todo = SMTP_DO_CLOSE;
		server_enter(s, SMTP_CLOSED);
	} else {
		answers[i].answer(s, &v, e);
	}
	server_check(s);
}

void
smtp_server_goodbye(struct smtp_server *s, enum smtp_say why,
    struct smtp_effect *e)
{
	*e = (struct smtp_effect){ 0 };
	if (s->state != SMTP_CLOSED)
		server_say_and_close(s, e, why);
}

const char *
smtp_server_protocol(const struct smtp_server *s)
{
	if (!s->is_ehlo)
		return "SMTP";
	if (s->is_authed && s->config.kind != SMTP_LOCAL)
		return s->has_tls ? "ESMTPSA" : "ESMTPA";
	return s->has_tls ? "ESMTPS" : "ESMTP";
}
