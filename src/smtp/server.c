/* SPDX-License-Identifier: ISC */
#include "smtp/server_impl.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ANY                                                                    \
	(IN(SMTP_NEW) | IN(SMTP_READY) | IN(SMTP_ENVELOPE) | IN(SMTP_CHUNKS))
#define WAITS                                                                  \
	(IN(SMTP_WAIT_CONNECT) | IN(SMTP_WAIT_HELO) | IN(SMTP_WAIT_VRFY) |     \
	    IN(SMTP_WAIT_MAIL) | IN(SMTP_WAIT_RCPT) | IN(SMTP_WAIT_AUTH) |     \
	    IN(SMTP_WAIT_DATA) | IN(SMTP_WAIT_COMMIT) | IN(SMTP_WAIT_TLS))

#define OF_A_MAIL                                                              \
	(IN(SMTP_ENVELOPE) | IN(SMTP_DATA) | IN(SMTP_CHUNK) |                  \
	    IN(SMTP_CHUNKS) | IN(SMTP_WAIT_MAIL) | IN(SMTP_WAIT_RCPT) |        \
	    IN(SMTP_WAIT_DATA) | IN(SMTP_WAIT_COMMIT))

/* The header comment's promises, checked around every step. */
void
server_check(const struct smtp_server *s)
{
	assert(s->state <= SMTP_CLOSED);
	assert(s->n_rcpts <= s->n_rcpts_tried);
	assert(s->n_rcpts <= LIMIT_SMTP_RCPTS);
	assert(s->out_len <= sizeof(s->out));
	assert(!smtp_server_has_body(s) || s->n_rcpts > 0);
	assert(s->state != SMTP_CHUNK || s->bdat.left > 0);
	assert(s->state != SMTP_EAT || (s->bdat.left > 0 && s->is_refused));
	assert(server_is_submission(s) || !s->is_authed);
	assert(!server_is_submission(s) || s->is_authed ||
	    (IN(s->state) & OF_A_MAIL) == 0);
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
		s->envid[0] = s->orcpt[0] = '\0';
		s->params = (struct smtp_mail_params){ 0 };
		s->rcpt_params = (struct smtp_rcpt_params){ 0 };
		s->hold_until = s->deliver_by = 0;
		s->is_lowered = s->is_chunked = false;
	}
	s->state = (uint8_t)state;
}

void
server_wait(struct smtp_server *s, enum smtp_server_state state)
{
	s->state_before = s->state;
	server_enter(s, state);
}

void
server_leave_wait(struct smtp_server *s)
{
	assert(s->state == SMTP_WAIT_HELO || s->state == SMTP_WAIT_VRFY ||
	    s->state == SMTP_EAT);
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
server_say_no(struct smtp_server *s, struct smtp_effect *e,
    const struct verdict *v, bool is_of_message)
{
	char text[LIMIT_SMTP_REPLY_LINE], whom[LIMIT_DOMAIN + 32] = "";
	const char *id = is_of_message ? s->id : "";
	struct verdict no = *v;
	struct slice why = v->text;

	/* some say it themselves */
	if (verdict_is_permanent(v) && (is_of_message || v->esc.subject == 7) &&
	    slice_find(v->text, SLICE("postmaster@")) == SIZE_MAX)
		(void)snprintf(whom, sizeof(whom), "ask postmaster@%.255s",
		    s->config.hostname);
	if (id[0] == '\0' && whom[0] == '\0') {
		server_say_verdict(s, e, v);
		return;
	}
	why = slice_upto(why,
	    sizeof(text) - 48 - strlen(id) - strlen(whom)); /* 512 in all */
	(void)snprintf(text, sizeof(text), "%.*s (%s%s%s%s)", (int)why.len,
	    why.len == 0 ? "" : (const char *)why.at,
	    id[0] == '\0' ? "" : "id ", id,
	    id[0] == '\0' || whom[0] == '\0' ? "" : ", ", whom);
	no.text = slice_cstr(text);
	server_say_verdict(s, e, &no);
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

void
server_hold_back(const struct smtp_server *s, struct smtp_effect *e)
{
	unsigned n = s->n_errors + s->n_refused_rcpts;

	if (s->config.tarpit_after == 0 || n <= s->config.tarpit_after)
		return;
	n -= s->config.tarpit_after;
	if (n > SMTP_TARPIT_STEPS)
		n = SMTP_TARPIT_STEPS;
	e->delay_ms = n * s->config.tarpit_ms;
}

/* For what no well-made client sends. */
void
server_complain_verdict(struct smtp_server *s, struct smtp_effect *e,
    const struct verdict *v)
{
	if (++s->n_errors >= LIMIT_SMTP_ERRORS)
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_ERRORS);
	else
		server_say_verdict(s, e, v);
	server_hold_back(s, e);
}

void
server_complain(struct smtp_server *s, struct smtp_effect *e,
    enum smtp_say which)
{
	struct verdict v = smtp_say(which);

	server_complain_verdict(s, e, &v);
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
	return s->config.kind == SMTP_SUBMISSION ||
	    s->config.kind == SMTP_SUBMISSIONS || s->config.kind == SMTP_LOCAL;
}

bool
server_can_auth(const struct smtp_server *s)
{
	return server_is_submission(s) && s->config.kind != SMTP_LOCAL &&
	    s->config.mechanisms != 0 && (s->has_tls || s->config.plain_auth);
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

/* "a@b.example" or "<a@b.example>" */
static bool
take_vrfy_path(struct slice args, struct smtp_path *ret_path)
{
	if (smtp_address_is_valid(args)) {
		*ret_path = (struct smtp_path){ .address = args };
		return true;
	}
	return smtp_path_parse_rcpt(&args, ret_path) == SMTP_PATH_OK &&
	    args.len == 0;
}

bool
server_is_told(const struct smtp_server *s, uint8_t who)
{
	return who == SMTP_TOLD_YES || (who == SMTP_TOLD_LOGIN && s->is_authed);
}

static void
ask_about(struct smtp_server *s, struct slice address, bool in_utf8)
{
	(void)slice_to_cstr(address, s->asked, sizeof(s->asked));
	s->asked_in_utf8 = in_utf8;
	server_wait(s, SMTP_WAIT_VRFY);
}

/* String [SP "SMTPUTF8"] (RFC 6531, 3.7.4.2) */
static bool
take_utf8(struct slice *args)
{
	if (!slice_ends_nocase(*args, SLICE(" SMTPUTF8")))
		return false;
	*args = slice_trim(slice_upto(*args, args->len - 9));
	return true;
}

/* Neither yes nor no (RFC 5321, 3.5.3 and 7.3), unless the administrator lets
 * it be told. */
static void
on_vrfy(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	bool is_utf8 = take_utf8(&args);
	struct smtp_path path;

	if (args.len == 0) {
		server_complain(s, e, SMTP_SAY_WANT_ARGUMENT);
	} else if (!is_utf8 && !slice_is_ascii(args)) {
		server_complain(s, e, SMTP_SAY_RCPT_NEEDS_UTF8);
	} else if (server_is_idle_too_long(s, e)) {
		return;
	} else if (!server_is_told(s, s->config.vrfy)) {
		server_say(s, e, SMTP_SAY_VRFY);
	} else if (!take_vrfy_path(args, &path)) {
		server_say(s, e, SMTP_SAY_VRFY_WANT_ADDRESS);
	} else {
		ask_about(s, path.address, is_utf8);
		e->todo = SMTP_DO_VRFY;
	}
}

void
server_answer_vrfy(struct smtp_server *s, const struct verdict *v,
    struct smtp_effect *e)
{
	server_leave_wait(s);
	if (v->code != 250) { /* 252, too: was not looked up (3.5.3) */
		server_say_verdict(s, e, v);
		return;
	}
	s->out_len = 0;
	server_add_line(s, "250 2.1.5 <%s>\r\n", s->asked);
	e->say = slice_of(s->out, s->out_len);
}

/* What stands in a list is told to nobody, or to whom the administrator says.
 * "String [SP "SMTPUTF8"]", as with VRFY. */
static void
on_expn(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	bool is_utf8 = take_utf8(&args);
	struct smtp_path path;

	if (args.len == 0) {
		server_complain(s, e, SMTP_SAY_WANT_ARGUMENT);
	} else if (!is_utf8 && !slice_is_ascii(args)) {
		server_complain(s, e, SMTP_SAY_RCPT_NEEDS_UTF8);
	} else if (server_is_idle_too_long(s, e)) {
		return;
	} else if (!server_is_told(s, s->config.expn)) { /* RFC 5321, 7.3 */
		server_say(s, e,
		    s->config.expn == SMTP_TOLD_NO ? SMTP_SAY_EXPN
						   : SMTP_SAY_VRFY);
	} else if (!take_vrfy_path(args, &path)) {
		server_say(s, e, SMTP_SAY_EXPN_WANT_ADDRESS);
	} else {
		ask_about(s, path.address, is_utf8);
		e->todo = SMTP_DO_EXPN;
	}
}

/* RFC 5321, 3.5.2; RFC 6531, 3.7.4.2: no UTF-8 for who did not ask for it */
void
smtp_server_answer_expn(struct smtp_server *s, const struct verdict *v,
    struct slice members, struct smtp_effect *e)
{
	if (v->code != 250) {
		smtp_server_answer(s, v, e);
		return;
	}
	assert(s->state == SMTP_WAIT_VRFY);
	*e = (struct smtp_effect){ 0 };
	server_leave_wait(s);
	if (members.len == 0)
		server_say(s, e, SMTP_SAY_EXPN_MANY);
	else if (!slice_is_ascii(members) && !s->asked_in_utf8)
		server_say(s, e, SMTP_SAY_EXPN_UTF8);
	else
		e->members = members;
	server_check(s);
}

bool
smtp_server_expn_line(struct smtp_server *s, struct slice *members,
    struct slice *ret_line)
{
	struct slice address;

	if (!slice_take_until(members, '\n', &address))
		return false;
	s->out_len = 0;
	server_add_line(s, "250%c2.1.5 <%.*s>\r\n",
	    members->len > 0 ? '-' : ' ', SLICE_FMT(address));
	*ret_line = slice_of(s->out, s->out_len);
	return true;
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
#define KIND(kind) (1u << (kind))
#define SUBMISSION (KIND(SMTP_SUBMISSION) | KIND(SMTP_SUBMISSIONS))
#define SMTP (KIND(SMTP_MX) | SUBMISSION | KIND(SMTP_LOCAL))
#define LMTP KIND(SMTP_LMTP)

static void on_help(struct smtp_server *s, struct slice args,
    struct smtp_effect *e);

static const struct verb {
	struct slice name;
	unsigned kinds;  /* where it is known at all */
	unsigned states; /* where it is in order; elsewhere a 503 */
	enum smtp_say out_of_order;
	void (*run)(struct smtp_server *, struct slice, struct smtp_effect *);
	const char *help; /* one line; NULL: not told of */
} verbs[] = {
	{ VERB("MAIL"), SMTP | LMTP, IN(SMTP_READY), SMTP_SAY_NESTED_MAIL,
	    server_on_mail,
	    "MAIL FROM:<sender> [parameters of EHLO's extensions]" },
	{ VERB("RCPT"), SMTP | LMTP, IN(SMTP_ENVELOPE), SMTP_SAY_MAIL_FIRST,
	    server_on_rcpt,
	    "RCPT TO:<recipient> [parameters of EHLO's extensions]" },
	{ VERB("DATA"), SMTP | LMTP, IN(SMTP_ENVELOPE), SMTP_SAY_MAIL_FIRST,
	    server_on_data, "DATA; then the message, then a line with a dot" },
	{ VERB("BDAT"), SMTP | LMTP, ANY, SMTP_SAY_OK, server_on_bdat,
	    "BDAT octets [LAST]; then so many octets of the message" },
	{ VERB("EHLO"), SMTP, ANY, SMTP_SAY_OK, server_on_ehlo,
	    "EHLO your-host-name; tells what is offered" },
	{ VERB("HELO"), SMTP, ANY, SMTP_SAY_OK, server_on_helo,
	    "HELO your-host-name; of old, use EHLO" },
	{ VERB("LHLO"), LMTP, ANY, SMTP_SAY_OK, server_on_ehlo,
	    "LHLO your-host-name; tells what is offered" },
	{ VERB("RSET"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_rset,
	    "RSET; gives up the mail that was begun" },
	{ VERB("QUIT"), SMTP | LMTP, ANY | IN(SMTP_REFUSED), SMTP_SAY_OK,
	    on_quit, "QUIT; ends the session" },
	{ VERB("NOOP"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_noop,
	    "NOOP; does nothing" },
	{ VERB("VRFY"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_vrfy,
	    "VRFY address; asks whether it is there" },
	{ VERB("HELP"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_help,
	    "HELP [command]" },
	{ VERB("STARTTLS"), SMTP | LMTP, IN(SMTP_READY), SMTP_SAY_NOT_NOW,
	    server_on_starttls, "STARTTLS; then TLS begins" },
	{ VERB("AUTH"), SUBMISSION, IN(SMTP_READY), SMTP_SAY_NOT_NOW,
	    server_on_auth, "AUTH mechanism [initial response in base64]" },
	{ VERB("AUTH"), KIND(SMTP_MX) | KIND(SMTP_LOCAL), IN(SMTP_READY),
	    SMTP_SAY_NOT_NOW, on_unimplemented, NULL },
	{ VERB("XCLIENT"), SMTP, IN(SMTP_NEW) | IN(SMTP_READY),
	    SMTP_SAY_NOT_NOW, server_on_xclient, NULL },
	{ VERB("EXPN"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_expn,
	    "EXPN address; asks who is behind it" },
	{ VERB("TURN"), SMTP, ANY, SMTP_SAY_OK, on_unimplemented, NULL },
	{ VERB("ETRN"), SMTP, ANY, SMTP_SAY_OK, on_unimplemented, NULL },
	{ VERB("GET"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_http, NULL },
	{ VERB("POST"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_http, NULL },
	{ VERB("PUT"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_http, NULL },
	{ VERB("CONNECT"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_http, NULL },
	{ VERB("OPTIONS"), SMTP | LMTP, ANY, SMTP_SAY_OK, on_http, NULL },
};

enum {
	N_VERBS = sizeof(verbs) / sizeof(verbs[0])
};

static const struct verb *
find_verb(const struct smtp_server *s, struct slice name)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if ((verbs[i].kinds & KIND(s->config.kind)) != 0 &&
		    slice_equal_nocase(name, verbs[i].name))
			return &verbs[i];
	return NULL;
}

static void
say_help(struct smtp_server *s, struct smtp_effect *e)
{
	s->out_len = 0;
	for (size_t i = 0; i < N_VERBS; i++)
		if (verbs[i].help != NULL &&
		    find_verb(s, verbs[i].name) == &verbs[i])
			server_add_line(s, "%s%.*s",
			    s->out_len == 0 ? "214-2.0.0 " : " ",
			    SLICE_FMT(verbs[i].name));
	server_add_line(s,
	    "\r\n214 2.0.0 HELP and a command tells more; people: "
	    "postmaster@%.255s\r\n",
	    s->config.hostname);
	e->say = slice_of(s->out, s->out_len);
}

static void
on_help(struct smtp_server *s, struct slice args, struct smtp_effect *e)
{
	const struct verb *v = find_verb(s, args);
	struct verdict reply = { 214, { 2, 0, 0 }, { 0 } };

	if (server_is_idle_too_long(s, e))
		return;
	if (args.len == 0) {
		say_help(s, e);
	} else if (v == NULL || v->help == NULL) {
		server_say(s, e, SMTP_SAY_NO_HELP);
	} else {
		reply.text = slice_cstr(v->help);
		server_say_verdict(s, e, &reply);
	}
}

enum smtp_say
server_helo_first(const struct smtp_server *s)
{
	return s->config.kind == SMTP_LMTP ? SMTP_SAY_LHLO_FIRST
					   : SMTP_SAY_HELO_FIRST;
}

static enum smtp_say
out_of_order(const struct smtp_server *s, const struct verb *v)
{
	if (s->state == SMTP_REFUSED)
		return SMTP_SAY_ONLY_QUIT;
	if (s->state == SMTP_CHUNKS)
		return SMTP_SAY_DATA_IN_CHUNKS;
	return s->state == SMTP_NEW ? server_helo_first(s) : v->out_of_order;
}

/* RFC 6531, 3.3 and 3.7.4.2: in addresses */
static bool
may_be_utf8(const struct verb *v)
{
	return v->run == server_on_mail || v->run == server_on_rcpt ||
	    v->run == on_vrfy || v->run == on_expn;
}

/* What must be the last of a group (RFC 2920, 3.1), or alone without that
 * extension. More input behind it was sent without knowing the reply. */
static bool
is_hasty(const struct smtp_server *s, struct slice verb)
{
	static const struct slice last[] = { VERB("EHLO"), VERB("HELO"),
		VERB("STARTTLS"), VERB("XCLIENT") };

	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++)
		if (slice_equal_nocase(verb, last[i]))
			return true;
	return !s->is_ehlo;
}

static void
on_command(struct smtp_server *s, struct slice line, bool is_more,
    struct smtp_effect *e)
{
	struct slice name, args;
	const struct verb *v;

	smtp_command_split(line, &name, &args);
	if (is_more && is_hasty(s, name)) {
		s->is_hasty = true;
		if (s->config.is_strict) {
			server_say_and_close(s, e, SMTP_SAY_HASTY);
			return;
		}
	}
	v = find_verb(s, name);
	if (v != NULL && !slice_is_ascii(args) && !may_be_utf8(v)) {
		server_complain(s, e, SMTP_SAY_BAD_CHARS);
	} else if (v != NULL) {
		if ((v->states & IN(s->state)) != 0)
			v->run(s, args, e);
		else
			server_complain(s, e, out_of_order(s, v));
	} else {
		server_complain(s, e,
		    s->state == SMTP_REFUSED ? SMTP_SAY_ONLY_QUIT
					     : SMTP_SAY_UNKNOWN);
	}
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
			server_abort_auth(s, e, SMTP_SAY_AUTH_TOO_LONG);
		else
			server_complain(s, e,
			    s->discards_auth ? SMTP_SAY_AUTH_TOO_LONG
					     : SMTP_SAY_LINE_TOO_LONG);
	} else if (s->discarded > LIMIT_SMTP_JUNK) {
		server_say_and_close(s, e, SMTP_SAY_TOO_MANY_ERRORS);
	}
	return n;
}

/* RFC 5321, 4.1.2: a command that is known gets 501. */
static void
on_bad_chars(struct smtp_server *s, struct slice line, struct smtp_effect *e)
{
	struct slice name, args;

	smtp_command_split(line, &name, &args);
	if (s->state == SMTP_AUTH_LINE)
		server_abort_auth(s, e, SMTP_SAY_BAD_LINE);
	else
		server_complain(s, e,
		    find_verb(s, name) == NULL ? SMTP_SAY_BAD_LINE
					       : SMTP_SAY_BAD_CHARS);
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
			server_abort_auth(s, e, SMTP_SAY_BAD_LINE);
		else
			server_complain(s, e, SMTP_SAY_BAD_LINE);
		break;
	case SMTP_LINE_E_CHARS:
		on_bad_chars(s, line, e);
		break;
	default:
		if (s->state == SMTP_AUTH_LINE)
			server_on_auth_line(s, line, e);
		else
			on_command(s, line, rest.len > 0, e);
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
	if (s->state == SMTP_DATA)
		n = server_step_data(s, in, e);
	else if (s->state == SMTP_CHUNK || s->state == SMTP_EAT)
		n = server_step_chunk(s, in, e);
	else
		n = step_line(s, in, e);
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
	{ SMTP_WAIT_VRFY, server_answer_vrfy },
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
	if (v.code / 100 != 2 && !verdict_is_temporary(&v) &&
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

bool
smtp_server_has_body(const struct smtp_server *s)
{
	return s->state == SMTP_DATA || s->state == SMTP_CHUNK ||
	    s->state == SMTP_CHUNKS;
}

bool
smtp_server_is_streaming(const struct smtp_server *s)
{
	return s->state == SMTP_DATA || s->state == SMTP_CHUNK ||
	    s->state == SMTP_EAT;
}

bool
smtp_server_is_8bit(const struct smtp_server *s)
{
	return s->is_chunked ? s->bdat.is_8bit : s->dot.is_8bit;
}

const char *
smtp_server_protocol(const struct smtp_server *s)
{
	static const char *const names[2][2][4] = {
		{ { "ESMTP", "ESMTPA", "ESMTPS", "ESMTPSA" },
		    { "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA" } },
		{ { "LMTP", "LMTPA", "LMTPS", "LMTPSA" },
		    { "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA" } },
	};
	bool is_login = s->is_authed && s->config.kind != SMTP_LOCAL;
	unsigned how = (s->has_tls ? 2u : 0) + (is_login ? 1u : 0);

	if (!s->is_ehlo)
		return "SMTP";
	return names[s->config.kind == SMTP_LMTP][s->params.is_smtputf8][how];
}
