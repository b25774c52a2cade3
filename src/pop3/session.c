/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/limits.h"
#include "pop3/session.h"
#include "pop3/stuff.h"

enum {
	PUMP_ROOM = 4096,
	OUT_MAX = 4 * POP3_ASK_BYTES, /* one window, every byte a bare LF */
	SASL_MAX = LIMIT_SMTP_AUTH_LINE,
	ROWS_PIECE = 100,
	AUTHS_MAX = 5
};

typedef void then_fn(struct pop3_session *s, const struct pop3_answer *a);
typedef void more_fn(struct pop3_session *s);

struct pop3_session {
	const struct pop3_host *host;
	void *ctx;
	const struct pop3_config *config;
	enum pop3_state state;
	bool has_tls, wants_tls, is_sasl, is_too_long;
	unsigned n_errors, n_auths;
	struct buf line, out;
	char user[LIMIT_ADDRESS + 1];
	bool has_user;

	struct pop3_row *rows;
	size_t n, size;
	size_t n_deleted;

	then_fn *then;
	enum pop3_question asked;
	more_fn *more;
	bool is_uidl;
	size_t at; /* row of LIST, UIDL, RETR, of the deletion */
	uint32_t *uids;
	bool has_failed;

	struct pop3_stuff stuff;
	uint64_t read, window_end, total;
	bool has_begun;
};

/* -- saying
 * -------------------------------------------------------------------- */

static void
drain(struct pop3_session *s)
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

static void
end(struct pop3_session *s)
{
	if (s->state == POP3_OVER)
		return;
	s->state = POP3_OVER;
	s->then = NULL;
	s->more = NULL;
	s->host->end(s->ctx);
}

static void
say(struct pop3_session *s, const char *text)
{
	if (s->state == POP3_OVER)
		return;
	if (buf_add_cstr(&s->out, text) != BUF_OK ||
	    buf_add(&s->out, SLICE("\r\n")) != BUF_OK)
		end(s);
	drain(s);
}

static void
err(struct pop3_session *s, const char *text)
{
	say(s, text);
	if (++s->n_errors >= LIMIT_POP3_ERRORS) {
		say(s, "-ERR Too many errors");
		end(s);
	}
}

static bool
ask(struct pop3_session *s, const struct pop3_ask *question, then_fn *then)
{
	s->then = then;
	s->asked = question->what;
	s->more = NULL;
	if (s->host->ask(s->ctx, question))
		return true;
	s->then = NULL;
	return false;
}

static const char *
trouble(enum pop3_result result)
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

static void
leave(struct pop3_session *s)
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
		leave(s);
		say(s, trouble(a->result));
		return;
	}
	if (a->more)
		return;
	s->state = POP3_TRANSACTION;
	(void)snprintf(text, sizeof(text), "+OK %zu messages", s->n);
	say(s, text);
}

static void
then_open(struct pop3_session *s, const struct pop3_answer *a)
{
	struct pop3_ask question = { .what = POP3_ASK_SCAN };

	if (a->result != POP3_OK) {
		say(s, trouble(a->result));
		return;
	}
	if (!ask(s, &question, then_scan))
		say(s, trouble(POP3_TROUBLE));
}

/* RFC 5034, section 4 */
static void
on_challenge(struct pop3_session *s, struct slice challenge)
{
	char text[2 + BASE64_ENCODED(SASL_CHALLENGE_MAX) + 1] = "+ ";

	if (challenge.len > SASL_CHALLENGE_MAX) {
		say(s, trouble(POP3_TROUBLE));
		return;
	}
	text[2 + base64_encode(challenge, text + 2)] = '\0';
	say(s, text);
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
		err(s, "-ERR Not what the mechanism wants");
		return;
	}
	if (a->result != POP3_OK) {
		say(s, trouble(a->result));
		if (a->result == POP3_REFUSED && ++s->n_auths >= AUTHS_MAX)
			end(s);
		return;
	}
	if (!ask(s, &question, then_open))
		say(s, trouble(POP3_TROUBLE));
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
	err(s, "-ERR Start TLS first");
	return false;
}

static bool
check_login(struct pop3_session *s)
{
	if (!check_privacy(s))
		return false;
	if (!may_login(s))
		err(s, "-ERR USER and PASS are switched off");
	return may_login(s);
}

static void
on_user(struct pop3_session *s, struct slice args)
{
	if (!check_login(s))
		return;
	if (args.len == 0 || args.len > LIMIT_ADDRESS) {
		err(s, "-ERR USER name");
		return;
	}
	/* Whether there is such a user is not told. */
	memcpy(s->user, args.at, args.len);
	s->user[args.len] = 0;
	s->has_user = slice_find_byte(args, 0) == SIZE_MAX;
	say(s, "+OK Say PASS");
}

static void
ask_auth(struct pop3_session *s, const struct pop3_ask *question)
{
	if (!ask(s, question, then_login))
		say(s, trouble(POP3_TROUBLE));
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
		err(s, "-ERR USER first");
		return;
	}
	s->has_user = false;
	if (args.len > SASL_PASSWORD_MAX)
		err(s, trouble(POP3_REFUSED));
	else
		ask_auth(s, &question);
}

static void
list_mechanisms(struct pop3_session *s)
{
	unsigned mask = may_auth(s) ? s->config->mechanisms : 0;

	say(s, "+OK");
	for (unsigned m = 0; m < N_SASL_MECHANISMS; m++)
		if ((mask & SASL_BIT(m)) != 0)
			say(s, sasl_mechanism_names[m]);
	say(s, ".");
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
		err(s, "-ERR No such mechanism");
		return;
	}
	if (!check_privacy(s))
		return;
	s->has_user = false;
	if ((s->config->mechanisms & SASL_BIT(question.mechanism)) == 0)
		err(s, "-ERR No such mechanism");
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
		err(s, "-ERR Cancelled");
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
		err(s, "-ERR No TLS to be started");
		return;
	}
	say(s, "+OK Begin TLS");
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
	say(s, text);
}

static void
on_capa(struct pop3_session *s, struct slice args)
{
	(void)args;
	say(s,
	    "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n"
	    "PIPELINING\r\nEXPIRE NEVER");
	if (may_login(s))
		say(s, "USER");
	if (may_auth(s) && s->config->mechanisms != 0)
		say_sasl(s);
	if (!s->has_tls && s->config->may_start_tls &&
	    s->state == POP3_AUTHORIZATION)
		say(s, "STLS");
	say(s, "IMPLEMENTATION Ulak\r\n.");
}

/* -- about messages
 * ------------------------------------------------------------------ */

/* msg: 1*DIGIT, of a message that is there and not marked as deleted */
static bool
take_message(struct pop3_session *s, struct slice *args, size_t *ret)
{
	uint64_t n;

	if (!slice_take_u64(args, UINT32_MAX, &n) || n == 0 || n > s->n ||
	    (args->len > 0 && !slice_skip_byte(args, ' '))) {
		err(s, "-ERR No such message");
		return false;
	}
	if (s->rows[n - 1].is_deleted) {
		err(s, "-ERR That message is deleted");
		return false;
	}
	*ret = (size_t)n - 1;
	return true;
}

static uint64_t
total_size(const struct pop3_session *s)
{
	uint64_t ret = 0;

	for (size_t i = 0; i < s->n; i++)
		if (!s->rows[i].is_deleted)
			ret += s->rows[i].size;
	return ret;
}

static void
on_stat(struct pop3_session *s, struct slice args)
{
	char text[96];

	(void)args;
	(void)snprintf(text, sizeof(text), "+OK %zu %" PRIu64,
	    s->n - s->n_deleted, total_size(s));
	say(s, text);
}

static void
print_row(const struct pop3_session *s, size_t i, char text[96])
{
	char id[ID_TEXT + 1];

	if (s->is_uidl) {
		/* IMAP can copy a message into the same mailbox: the id of the
		 * message alone would not be unique (RFC 1939, section 7). */
		id_print(&s->rows[i].id, id);
		(void)snprintf(text, 96, "%zu %s.%u", i + 1, id,
		    s->rows[i].uid);
	} else {
		(void)snprintf(text, 96, "%zu %u", i + 1, s->rows[i].size);
	}
}

static void
list_more(struct pop3_session *s)
{
	char text[96];

	for (int i = 0; i < ROWS_PIECE && s->at < s->n; s->at++) {
		if (s->rows[s->at].is_deleted)
			continue;
		print_row(s, s->at, text);
		say(s, text);
		i++;
	}
	if (s->at < s->n)
		return;
	s->more = NULL;
	say(s, ".");
}

/* msg, and nothing behind it */
static bool
take_only_message(struct pop3_session *s, struct slice args, size_t *ret)
{
	if (slice_find_byte(args, ' ') == SIZE_MAX)
		return take_message(s, &args, ret);
	err(s, "-ERR One message number was expected");
	return false;
}

static void
list(struct pop3_session *s, struct slice args, bool is_uidl)
{
	char text[96], line[110];
	size_t i;

	s->is_uidl = is_uidl;
	if (args.len > 0) {
		if (!take_only_message(s, args, &i))
			return;
		print_row(s, i, text);
		(void)snprintf(line, sizeof(line), "+OK %s", text);
		say(s, line);
		return;
	}
	(void)snprintf(text, sizeof(text),
	    "+OK %zu messages (%" PRIu64 " octets)", s->n - s->n_deleted,
	    total_size(s));
	say(s, text);
	s->at = 0;
	s->more = list_more;
}

static void
on_list(struct pop3_session *s, struct slice args)
{
	list(s, args, false);
}

static void
on_uidl(struct pop3_session *s, struct slice args)
{
	list(s, args, true);
}

static void
on_dele(struct pop3_session *s, struct slice args)
{
	size_t i;

	if (!take_only_message(s, args, &i))
		return;
	s->rows[i].is_deleted = true;
	s->n_deleted++;
	say(s, "+OK Marked");
}

static void
on_rset(struct pop3_session *s, struct slice args)
{
	(void)args;
	for (size_t i = 0; i < s->n; i++)
		s->rows[i].is_deleted = false;
	s->n_deleted = 0;
	say(s, "+OK");
}

static void
on_noop(struct pop3_session *s, struct slice args)
{
	(void)args;
	say(s, "+OK");
}

/* -- RETR and TOP
 * ------------------------------------------------------------------------ */

static void retr_more(struct pop3_session *s);

/* Nothing can be said any more that would not look like the message. */
static void
retr_failed(struct pop3_session *s, enum pop3_result result)
{
	s->then = NULL;
	s->more = NULL;
	if (s->has_begun)
		end(s);
	else
		say(s, trouble(result));
}

static void
then_bytes(struct pop3_session *s, const struct pop3_answer *a)
{
	char text[64];

	if (a->result != POP3_OK || a->bytes.len > s->window_end - s->read) {
		retr_failed(s, a->result == POP3_OK ? POP3_TROUBLE : a->result);
		return;
	}
	if (!s->has_begun) {
		(void)snprintf(text, sizeof(text), "+OK %" PRIu64 " octets",
		    s->total);
		say(s, s->stuff.is_limited ? "+OK" : text);
		s->has_begun = true;
	}
	s->read += a->bytes.len;
	if (pop3_stuff_add(&s->stuff, a->bytes, &s->out) != BUF_OK) {
		end(s);
		return;
	}
	if (a->more)
		return;
	if (s->read != s->window_end)
		retr_failed(s, POP3_TROUBLE);
	else
		s->more = retr_more;
}

static void
retr_more(struct pop3_session *s)
{
	uint64_t left = s->total - s->read;
	struct pop3_ask question = { .what = POP3_ASK_BODY,
		.uid = s->rows[s->at].uid,
		.offset = s->read };

	if (s->stuff.is_done || (s->has_begun && left == 0)) {
		s->more = NULL;
		if (pop3_stuff_end(&s->stuff, &s->out) != BUF_OK)
			end(s);
		drain(s);
		return;
	}
	question.length = left < POP3_ASK_BYTES ? left : POP3_ASK_BYTES;
	s->window_end = s->read + question.length;
	if (!ask(s, &question, then_bytes))
		retr_failed(s, POP3_TROUBLE);
}

static void
start_retr(struct pop3_session *s, size_t i, bool is_top, uint32_t lines)
{
	s->stuff = (struct pop3_stuff){ .is_limited = is_top, .lines = lines };
	s->at = i;
	s->read = 0;
	s->total = s->rows[i].size;
	s->has_begun = false;
	s->more = retr_more;
}

static void
on_retr(struct pop3_session *s, struct slice args)
{
	size_t i;

	if (take_only_message(s, args, &i))
		start_retr(s, i, false, 0);
}

static void
on_top(struct pop3_session *s, struct slice args)
{
	uint64_t lines;
	size_t i;

	if (!take_message(s, &args, &i))
		return;
	if (slice_to_u64(args, UINT32_MAX, &lines))
		start_retr(s, i, true, (uint32_t)lines);
	else
		err(s, "-ERR TOP message lines");
}

/* -- QUIT
 * ----------------------------------------------------------------------------------
 */

static void update_more(struct pop3_session *s);

static void
then_expunged(struct pop3_session *s, const struct pop3_answer *a)
{
	s->has_failed |= a->result != POP3_OK;
	update_more(s);
}

static void
update_more(struct pop3_session *s)
{
	struct pop3_ask question = { .what = POP3_ASK_EXPUNGE };

	for (; s->at < s->n && question.n_uids < POP3_ASK_UIDS; s->at++)
		if (s->rows[s->at].is_deleted)
			s->uids[question.n_uids++] = s->rows[s->at].uid;
	question.uids = s->uids;
	if (question.n_uids > 0) {
		if (ask(s, &question, then_expunged))
			return;
		s->has_failed = true;
	}
	leave(s);
	say(s,
	    s->has_failed
		? "-ERR [SYS/TEMP] Not all deleted messages were removed"
		: "+OK Goodbye");
	end(s);
}

static void
on_quit(struct pop3_session *s, struct slice args)
{
	(void)args;
	s->at = 0;
	if (s->state == POP3_TRANSACTION && s->n_deleted > 0) {
		s->uids = calloc(POP3_ASK_UIDS, sizeof(*s->uids));
		if (s->uids != NULL) {
			update_more(s);
			return;
		}
		s->has_failed = true;
	}
	if (s->state == POP3_TRANSACTION)
		leave(s);
	say(s, s->has_failed ? trouble(POP3_TROUBLE) : "+OK Goodbye");
	end(s);
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
	{ "DELE", POP3_TRANSACTION, true, on_dele },
	{ "LIST", POP3_TRANSACTION, true, on_list },
	{ "NOOP", POP3_TRANSACTION, false, on_noop },
	{ "PASS", POP3_AUTHORIZATION, true, on_pass },
	{ "QUIT", ANY, false, on_quit },
	{ "RETR", POP3_TRANSACTION, true, on_retr },
	{ "RSET", POP3_TRANSACTION, false, on_rset },
	{ "STAT", POP3_TRANSACTION, false, on_stat },
	{ "STLS", POP3_AUTHORIZATION, false, on_stls },
	{ "TOP", POP3_TRANSACTION, true, on_top },
	{ "UIDL", POP3_TRANSACTION, true, on_uidl },
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
			err(s, "-ERR Not in this state");
		else if (!v->has_args && args.len > 0)
			err(s, "-ERR No argument was expected");
		else
			v->run(s, args);
		return;
	}
	err(s, "-ERR Unknown command");
}

static void
on_line(struct pop3_session *s, struct slice line)
{
	if (!slice_ends(line, SLICE("\r\n"))) {
		if (s->is_sasl)
			abort_auth(s);
		err(s, "-ERR Lines end in CRLF");
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
			err(s, "-ERR Line too long");
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
	drain(s);
	while (s->more != NULL && s->out.len == 0 &&
	    s->host->room(s->ctx) >= PUMP_ROOM)
		s->more(s);
}

void
pop3_session_answer(struct pop3_session *s, const struct pop3_answer *a)
{
	then_fn *then = s->then;

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
	say(s, text);
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
		say(s, why);
	end(s);
}

void
pop3_session_lost_keeper(struct pop3_session *s)
{
	if (s->then == NULL || s->state != POP3_AUTHORIZATION ||
	    s->asked == POP3_ASK_OPEN)
		return;
	s->then = NULL;
	say(s, trouble(POP3_TROUBLE));
	pop3_session_pump(s);
}

void
pop3_session_lost_store(struct pop3_session *s)
{
	bool was_waiting = s->then != NULL;

	if (s->state == POP3_AUTHORIZATION) {
		s->then = NULL;
		if (was_waiting)
			say(s, trouble(POP3_TROUBLE));
		pop3_session_pump(s);
		return;
	}
	pop3_session_bye(s, trouble(POP3_TROUBLE));
}

enum pop3_state
pop3_session_state(const struct pop3_session *s)
{
	return s->state;
}
