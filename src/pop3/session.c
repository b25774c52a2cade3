/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "pop3/session_impl.h"

/* -- saying
 * -------------------------------------------------------------------- */

void
pop3_drain(struct pop3_session *s)
{
	size_t n = s->out.len, room;

	if (n == 0)
		return;
	room = s->host->room(s->ctx);
	n = n < room ? n : room;
	if (n > 0)
		s->host->say(s->ctx, slice_upto(buf_slice(&s->out), n));
	buf_eat(&s->out, n);
	if (s->out.len == 0)
		buf_reset(&s->out, 0);
}

void
pop3_end(struct pop3_session *s)
{
	if (s->state == POP3_OVER)
		return;
	s->state = POP3_OVER;
	s->then = NULL;
	s->more = NULL;
	s->host->end(s->ctx);
}

void
pop3_say(struct pop3_session *s, const char *text)
{
	if (s->state == POP3_OVER)
		return;
	if (buf_add_cstr(&s->out, text) != BUF_OK ||
	    buf_add(&s->out, SLICE("\r\n")) != BUF_OK)
		pop3_end(s);
	pop3_drain(s);
}

void
pop3_err(struct pop3_session *s, const char *text)
{
	pop3_say(s, text);
	if (++s->n_errors >= LIMIT_POP3_ERRORS) {
		pop3_say(s, "-ERR Too many errors");
		pop3_end(s);
	}
}

bool
pop3_ask(struct pop3_session *s, const struct pop3_ask *question,
    pop3_then_fn *then)
{
	s->then = then;
	s->asked = question->what;
	s->more = NULL;
	if (s->host->ask(s->ctx, question))
		return true;
	s->then = NULL;
	return false;
}

const char *
pop3_trouble(enum pop3_result result)
{
	switch (result) {
	case POP3_IN_USE:
		return "-ERR [IN-USE] Another session has the maildrop";
	case POP3_REFUSED:
		return "-ERR [AUTH] Wrong name or password";
	case POP3_GONE:
		return "-ERR The message is gone";
	default:
		return "-ERR [SYS/TEMP] Not possible just now, try again later";
	}
}

/* -- logging in
 * ------------------------------------------------------------------- */

static bool
add_row(struct pop3_session *s, const struct pop3_row *row)
{
	if (s->n == s->size) {
		size_t size = s->size == 0 ? 16 : s->size + s->size / 2;
		struct pop3_row *rows;

		if (s->n >= POP3_MESSAGES)
			return false;
		rows = realloc(s->rows, size * sizeof(*rows));
		if (rows == NULL)
			return false;
		s->rows = rows;
		s->size = size;
	}
	s->rows[s->n] = *row;
	s->rows[s->n++].is_deleted = false;
	return true;
}

void
pop3_leave(struct pop3_session *s)
{
	struct pop3_ask question = { .what = POP3_ASK_CLOSE };

	(void)s->host->ask(s->ctx, &question);
	free(s->rows);
	s->rows = NULL;
	s->n = s->size = s->n_deleted = 0;
}

static void
then_scan(struct pop3_session *s, const struct pop3_answer *a)
{
	bool ok = a->result == POP3_OK;
	char text[96];

	for (size_t i = 0; ok && i < a->n_rows; i++)
		ok = add_row(s, &a->rows[i]);
	if (!ok) {
		s->then = NULL;
		pop3_leave(s);
		pop3_say(s, pop3_trouble(a->result));
		return;
	}
	if (a->more)
		return;
	s->state = POP3_TRANSACTION;
	(void)snprintf(text, sizeof(text), "+OK %zu messages", s->n);
	pop3_say(s, text);
}

static void
then_open(struct pop3_session *s, const struct pop3_answer *a)
{
	struct pop3_ask question = { .what = POP3_ASK_SCAN };

	if (a->result != POP3_OK) {
		pop3_say(s, pop3_trouble(a->result));
		return;
	}
	if (!pop3_ask(s, &question, then_scan))
		pop3_say(s, pop3_trouble(POP3_TROUBLE));
}

/* RFC 5034, section 4 */
static void
on_challenge(struct pop3_session *s, struct slice challenge)
{
	char text[2 + BASE64_ENCODED(SASL_CHALLENGE_MAX) + 1] = "+ ";

	if (challenge.len > SASL_CHALLENGE_MAX) {
		pop3_say(s, pop3_trouble(POP3_TROUBLE));
		return;
	}
	text[2 + base64_encode(challenge, text + 2)] = '\0';
	pop3_say(s, text);
	s->is_sasl = true;
}

static void
then_login(struct pop3_session *s, const struct pop3_answer *a)
{
	struct pop3_ask question = { .what = POP3_ASK_OPEN };

	if (a->result == POP3_CHALLENGE) {
		on_challenge(s, a->bytes);
		return;
	}
	if (a->result == POP3_MALFORMED) {
		pop3_err(s, "-ERR Not what the mechanism wants");
		return;
	}
	if (a->result != POP3_OK) {
		pop3_say(s, pop3_trouble(a->result));
		if (a->result == POP3_REFUSED && ++s->n_auths >= AUTHS_MAX)
			pop3_end(s);
		return;
	}
	if (!pop3_ask(s, &question, then_open))
		pop3_say(s, pop3_trouble(POP3_TROUBLE));
}

static bool
may_auth(const struct pop3_session *s)
{
	return s->has_tls || s->config->plain_auth;
}

/* USER and PASS are PLAIN in other words. */
static bool
may_login(const struct pop3_session *s)
{
	return may_auth(s) &&
	    (s->config->mechanisms & SASL_BIT(SASL_PLAIN)) != 0;
}

static bool
check_privacy(struct pop3_session *s)
{
	if (may_auth(s))
		return true;
	pop3_err(s, "-ERR Start TLS first");
	return false;
}

static bool
check_login(struct pop3_session *s)
{
	if (!check_privacy(s))
		return false;
	if (!may_login(s))
		pop3_err(s, "-ERR USER and PASS are switched off");
	return may_login(s);
}

static void
on_user(struct pop3_session *s, struct slice args)
{
	if (!check_login(s))
		return;
	if (args.len == 0 || args.len > LIMIT_ADDRESS) {
		pop3_err(s, "-ERR USER name");
		return;
	}
	/* Whether there is such a user is not told. */
	memcpy(s->user, args.at, args.len);
	s->user[args.len] = 0;
	s->has_user = slice_find_byte(args, 0) == SIZE_MAX;
	pop3_say(s, "+OK Say PASS");
}

static void
ask_auth(struct pop3_session *s, const struct pop3_ask *question)
{
	if (!pop3_ask(s, question, then_login))
		pop3_say(s, pop3_trouble(POP3_TROUBLE));
}

static void
on_pass(struct pop3_session *s, struct slice args)
{
	struct pop3_ask question = { .what = POP3_ASK_LOGIN,
		.user = slice_cstr(s->user),
		.secret = args };

	if (!check_login(s))
		return;
	if (!s->has_user) {
		pop3_err(s, "-ERR USER first");
		return;
	}
	s->has_user = false;
	if (args.len > SASL_PASSWORD_MAX)
		pop3_err(s, pop3_trouble(POP3_REFUSED));
	else
		ask_auth(s, &question);
}

static void
list_mechanisms(struct pop3_session *s)
{
	unsigned mask = may_auth(s) ? s->config->mechanisms : 0;

	pop3_say(s, "+OK");
	for (unsigned m = 0; m < N_SASL_MECHANISMS; m++)
		if ((mask & SASL_BIT(m)) != 0)
			pop3_say(s, sasl_mechanism_names[m]);
	pop3_say(s, ".");
}

/* RFC 5034; without an argument the list of RFC 1734's time */
static void
on_auth(struct pop3_session *s, struct slice args)
{
	struct pop3_ask question = { .what = POP3_ASK_AUTH };
	struct slice mechanism = args;

	if (args.len == 0) {
		list_mechanisms(s);
		return;
	}
	question.has_initial = slice_take_until(&args, ' ', &mechanism);
	question.bytes = args;
	question.mechanism = sasl_mechanism_find(mechanism);
	if (question.mechanism == N_SASL_MECHANISMS) {
		pop3_err(s, "-ERR No such mechanism");
		return;
	}
	if (!check_privacy(s))
		return;
	s->has_user = false;
	if ((s->config->mechanisms & SASL_BIT(question.mechanism)) == 0)
		pop3_err(s, "-ERR No such mechanism");
	else
		ask_auth(s, &question);
}

static void
abort_auth(struct pop3_session *s)
{
	struct pop3_ask question = { .what = POP3_ASK_ABORT };

	s->is_sasl = false;
	(void)s->host->ask(s->ctx, &question);
}

static void
on_response(struct pop3_session *s, struct slice line)
{
	struct pop3_ask question = { .what = POP3_ASK_RESPOND, .bytes = line };

	if (slice_equal(line, SLICE("*"))) {
		abort_auth(s);
		pop3_err(s, "-ERR Cancelled");
		return;
	}
	s->is_sasl = false;
	ask_auth(s, &question);
}

static void
on_stls(struct pop3_session *s, struct slice args)
{
	(void)args;
	if (s->has_tls || !s->config->may_start_tls) {
		pop3_err(s, "-ERR No TLS to be started");
		return;
	}
	pop3_say(s, "+OK Begin TLS");
	s->wants_tls = true;
	s->has_user = false;
	s->host->start_tls(s->ctx);
}

/* RFC 5034, section 3 */
static void
say_sasl(struct pop3_session *s)
{
	char text[256] = "SASL";
	size_t n = 4;

	for (unsigned m = 0; m < N_SASL_MECHANISMS; m++)
		if ((s->config->mechanisms & SASL_BIT(m)) != 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s",
			    sasl_mechanism_names[m]);
	pop3_say(s, text);
}

static void
on_capa(struct pop3_session *s, struct slice args)
{
	(void)args;
	pop3_say(s,
	    "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "PIPELINING\r\nEXPIRE NEVER");
	if (may_login(s))
		pop3_say(s, "USER");
	if (may_auth(s) && s->config->mechanisms != 0)
		say_sasl(s);
	if (!s->has_tls && s->config->may_start_tls &&
	    s->state == POP3_AUTHORIZATION)
		pop3_say(s, "STLS");
	pop3_say(s, "IMPLEMENTATION Ulak\r\n.");
}

/* -- the table
 * -------------------------------------------------------------------------------
 */

enum {
	ANY = POP3_AUTHORIZATION | POP3_TRANSACTION
};

static const struct verb {
	const char *name;
	unsigned states;
	bool has_args; /* may have, at least */
	void (*run)(struct pop3_session *s, struct slice args);
} verbs[] = {
	{ "AUTH", POP3_AUTHORIZATION, true, on_auth },
	{ "CAPA", ANY, false, on_capa },
	{ "DELE", POP3_TRANSACTION, true, pop3_on_dele },
	{ "LIST", POP3_TRANSACTION, true, pop3_on_list },
	{ "NOOP", POP3_TRANSACTION, false, pop3_on_noop },
	{ "PASS", POP3_AUTHORIZATION, true, on_pass },
	{ "QUIT", ANY, false, pop3_on_quit },
	{ "RETR", POP3_TRANSACTION, true, pop3_on_retr },
	{ "RSET", POP3_TRANSACTION, false, pop3_on_rset },
	{ "STAT", POP3_TRANSACTION, false, pop3_on_stat },
	{ "STLS", POP3_AUTHORIZATION, false, on_stls },
	{ "TOP", POP3_TRANSACTION, true, pop3_on_top },
	{ "UIDL", POP3_TRANSACTION, true, pop3_on_uidl },
	{ "USER", POP3_AUTHORIZATION, true, on_user },
};

static void
run_line(struct pop3_session *s, struct slice line)
{
	struct slice args = line, word = line;

	if (!slice_take_until(&args, ' ', &word))
		args = slice_of("", 0);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		const struct verb *v = &verbs[i];

		if (!slice_equal_nocase(word, slice_cstr(v->name)))
			continue;
		if ((v->states & (unsigned)s->state) == 0)
			pop3_err(s, "-ERR Not in this state");
		else if (!v->has_args && args.len > 0)
			pop3_err(s, "-ERR No argument was expected");
		else
			v->run(s, args);
		return;
	}
	pop3_err(s, "-ERR Unknown command");
}

static void
on_line(struct pop3_session *s, struct slice line)
{
	if (!slice_ends(line, SLICE("\r\n"))) {
		if (s->is_sasl)
			abort_auth(s);
		pop3_err(s, "-ERR Lines end in CRLF");
		return;
	}
	line.len -= 2;
	if (!s->is_sasl) {
		run_line(s, line);
		return;
	}
	on_response(s, line);
}

static void
read_line(struct pop3_session *s, struct slice part)
{
	size_t max = s->is_sasl ? SASL_MAX : LIMIT_POP3_LINE;
	bool is_whole = part.at[part.len - 1] == '\n';

	if (s->is_too_long || part.len > max - s->line.len ||
	    buf_add(&s->line, part) != BUF_OK) {
		s->is_too_long = !is_whole;
		buf_reset(&s->line, 0);
		if (is_whole) {
			if (s->is_sasl)
				abort_auth(s);
			pop3_err(s, "-ERR Line too long");
		}
		return;
	}
	if (!is_whole)
		return;
	on_line(s, buf_slice(&s->line));
	explicit_bzero(s->line.mem, s->line.size); /* it may be a password */
	buf_reset(&s->line, 0);
}

bool
pop3_session_is_busy(const struct pop3_session *s)
{
	return s->state == POP3_OVER || s->wants_tls || s->then != NULL ||
	    s->more != NULL || s->out.len > 0;
}

size_t
pop3_session_input(struct pop3_session *s, struct slice in)
{
	size_t eaten = 0;

	while (eaten < in.len && !pop3_session_is_busy(s)) {
		struct slice rest = slice_from(in, eaten);
		size_t lf = slice_find_byte(rest, '\n');
		struct slice part =
		    lf == SIZE_MAX ? rest : slice_upto(rest, lf + 1);

		read_line(s, part);
		eaten += part.len;
		pop3_session_pump(s);
	}
	return eaten;
}

void
pop3_session_pump(struct pop3_session *s)
{
	pop3_drain(s);
	while (s->more != NULL && s->out.len == 0 &&
	    s->host->room(s->ctx) >= PUMP_ROOM)
		s->more(s);
}

void
pop3_session_answer(struct pop3_session *s, const struct pop3_answer *a)
{
	pop3_then_fn *then = s->then;

	if (then == NULL || a->what != s->asked)
		return;
	if (!a->more)
		s->then = NULL;
	then(s, a);
	pop3_session_pump(s);
}

/* -- life
 * -------------------------------------------------------------------------------------
 */

struct pop3_session *
pop3_session_new(const struct pop3_host *host, void *ctx,
    const struct pop3_config *config)
{
	struct pop3_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->host = host;
	s->ctx = ctx;
	s->config = config;
	s->state = POP3_AUTHORIZATION;
	buf_init(&s->line, SASL_MAX);
	buf_init(&s->out, OUT_MAX);
	return s;
}

void
pop3_session_free(struct pop3_session *s)
{
	if (s == NULL)
		return;
	free(s->rows);
	free(s->uids);
	buf_deinit(&s->line);
	buf_deinit(&s->out);
	free(s);
}

void
pop3_session_start(struct pop3_session *s, bool has_tls)
{
	char text[320];

	s->has_tls = has_tls;
	(void)snprintf(text, sizeof(text), "+OK %s Ulak ready",
	    s->config->hostname);
	pop3_say(s, text);
}

void
pop3_session_tls_up(struct pop3_session *s)
{
	s->has_tls = true;
	s->wants_tls = false;
	s->n_errors = 0;
}

void
pop3_session_bye(struct pop3_session *s, const char *why)
{
	/* Inside of a list or a message, words would be taken for its. */
	if (s->more == NULL && s->out.len == 0 &&
	    (s->then == NULL || s->asked != POP3_ASK_BODY))
		pop3_say(s, why);
	pop3_end(s);
}

void
pop3_session_lost_keeper(struct pop3_session *s)
{
	if (s->then == NULL || s->state != POP3_AUTHORIZATION ||
	    s->asked == POP3_ASK_OPEN)
		return;
	s->then = NULL;
	pop3_say(s, pop3_trouble(POP3_TROUBLE));
	pop3_session_pump(s);
}

void
pop3_session_lost_store(struct pop3_session *s)
{
	bool was_waiting = s->then != NULL;

	if (s->state == POP3_AUTHORIZATION) {
		s->then = NULL;
		if (was_waiting)
			pop3_say(s, pop3_trouble(POP3_TROUBLE));
		pop3_session_pump(s);
		return;
	}
	pop3_session_bye(s, pop3_trouble(POP3_TROUBLE));
}

enum pop3_state
pop3_session_state(const struct pop3_session *s)
{
	return s->state;
}
