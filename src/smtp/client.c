/* SPDX-License-Identifier: ISC */
#include "smtp/client.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "smtp/path.h"

/*
 * The envelope is a row of items: RSET (when a transaction was left open),
 * MAIL, one RCPT for each recipient, DATA. With PIPELINING all are sent at
 * once and answered in order (RFC 2920), else one at a time.
 */
enum {
	ITEM_RSET,
	ITEM_MAIL,
	ITEM_RCPT /* of recipient i - ITEM_RCPT; then DATA */
};

enum {
	TEXT_MAX = 1000, /* of one outcome; the wire takes 1024 */
	CHUNK_LINE = 40  /* "BDAT 131072" and its end */
};

static size_t
item_data(const struct smtp_client *c)
{
	return ITEM_RCPT + c->mail.n_rcpts;
}

/* -- the dialogue ---------------------------------------------------------- */

static void
note(struct smtp_client *c, const char *mark, struct slice text)
{
	char at[16] = "";

	if (c->has_clock)
		(void)snprintf(at, sizeof(at), "+%" PRIu32 " ", c->clock_ms);
	/* The cut mark has its place kept free. */
	if (c->dialogue_is_cut ||
	    buf_room(&c->dialogue) <
		strlen(at) + strlen(mark) + text.len + 1 + 8) {
		if (!c->dialogue_is_cut)
			(void)buf_add_cstr(&c->dialogue, "...\n");
		c->dialogue_is_cut = true;
		return;
	}
	(void)buf_add_cstr(&c->dialogue, at);
	(void)buf_add_cstr(&c->dialogue, mark);
	(void)buf_add(&c->dialogue, text);
	(void)buf_add_byte(&c->dialogue, '\n');
}

static void
note_reply(struct smtp_client *c)
{
	const struct smtp_reply *r = &c->reply;
	struct slice line;
	char mark[16];

	for (unsigned i = 0; smtp_reply_line(r, i, &line); i++) {
		(void)snprintf(mark, sizeof(mark), "< %03u%c", r->code % 1000u,
		    i + 1 == r->n_lines ? ' ' : '-');
		note(c, mark, line);
	}
}

/* -- ending ---------------------------------------------------------------- */

/* The only assignment to phase. */
static void
enter(struct smtp_client *c, enum smtp_client_phase phase)
{
	assert(c->phase != SMTP_PHASE_CLOSED);
	c->phase = (uint8_t)phase;
}

static bool
is_in_mail(const struct smtp_client *c)
{
	return c->phase >= SMTP_PHASE_ENVELOPE && c->phase <= SMTP_PHASE_DOT;
}

/* Ends the session; a mail that is on its way is over first. The text is
 * copied: it may lie in a buffer that goes. */
static void
end_with(struct smtp_client *c, struct verdict why, bool is_local)
{
	if (c->phase == SMTP_PHASE_CLOSED)
		return;
	(void)slice_to_cstr(why.text, c->failure_text, sizeof(c->failure_text));
	c->failure = why;
	c->failure.text = slice_cstr(c->failure_text);
	c->failure_is_local = is_local;
	buf_reset(&c->out, 0);
	c->is_closing = true;
	if (is_in_mail(c))
		enter(c, SMTP_PHASE_MAIL_DONE);
	else if (c->phase != SMTP_PHASE_MAIL_DONE)
		enter(c, SMTP_PHASE_CLOSED);
}

/* Our own reason. Nothing the remote does wrong is a 5xx. */
static void
fail(struct smtp_client *c, uint16_t subject, uint16_t detail, const char *why)
{
	note(c, "! ", slice_cstr(why));
	end_with(c,
	    (struct verdict){ 451, { 4, subject, detail }, slice_cstr(why) },
	    true);
}

/* The whole reply in one line, its enhanced code taken away. */
static struct slice
flatten(const struct smtp_reply *r, uint8_t *at, size_t size)
{
	struct slice line;
	struct esc esc;
	size_t n = 0;

	for (unsigned i = 0; smtp_reply_line(r, i, &line); i++) {
		if (r->esc.class != 0)
			(void)smtp_esc_take(&line, &esc);
		if (n > 0 && n < size)
			at[n++] = ' ';
		line = slice_upto(line, size - n);
		if (line.len > 0)
			memcpy(at + n, line.at, line.len);
		n += line.len;
	}
	return slice_of(at, n);
}

static void
fail_by_reply(struct smtp_client *c)
{
	uint8_t text[LIMIT_SMTP_REPLY_LINE];

	end_with(c,
	    (struct verdict){ c->reply.code, c->reply.esc,
		flatten(&c->reply, text, sizeof(text)) },
	    false);
}

/* The reply as an outcome; its text lives as long as the mail. When the arena
 * is full the codes remain. */
static struct verdict
verdict_of_reply(struct smtp_client *c)
{
	struct verdict v = { c->reply.code, c->reply.esc, { 0 } };
	uint8_t text[TEXT_MAX];

	(void)arena_copy(&c->texts, flatten(&c->reply, text, sizeof(text)),
	    &v.text);
	return v;
}

/* -- sending --------------------------------------------------------------- */

static void
put(struct smtp_client *c, struct slice part)
{
	if (c->is_closing) /* nothing follows half a command */
		return;
	if (buf_add(&c->out, part) != BUF_OK)
		fail(c, 3, 0, "no room for a command");
}

/* One command: `text` has no line end. */
static void
say(struct smtp_client *c, const char *text)
{
	note(c, "> ", slice_cstr(text));
	put(c, slice_cstr(text));
	put(c, SLICE("\r\n"));
}

static void
say_hello(struct smtp_client *c, bool is_ehlo)
{
	char line[LIMIT_SMTP_REPLY_LINE];

	c->is_ehlo = is_ehlo;
	c->offer = (struct smtp_offer){ 0 };
	(void)snprintf(line, sizeof(line), "%s %.255s",
	    c->config.is_lmtp ? "LHLO"
		: is_ehlo     ? "EHLO"
			      : "HELO",
	    c->config.helo);
	enter(c, is_ehlo ? SMTP_PHASE_EHLO : SMTP_PHASE_HELO);
	say(c, line);
}

static void
say_mail(struct smtp_client *c)
{
	char line[SMTP_ENVELOPE_LINE];

	smtp_envelope_mail(&c->offer, &c->mail, line);
	c->has_open_transaction = true;
	say(c, line);
}

static void
say_rcpt(struct smtp_client *c, size_t i)
{
	char line[SMTP_ENVELOPE_LINE];

	smtp_envelope_rcpt(&c->offer, &c->mail, i, line);
	say(c, line);
}

/* No recipient of this item, or nothing to be reset. */
static bool
is_void_item(const struct smtp_client *c, size_t i)
{
	if (i == ITEM_RSET)
		return !c->needs_reset;
	return i >= ITEM_RCPT && i < item_data(c) &&
	    c->outcomes[i - ITEM_RCPT].is_done &&
	    c->outcomes[i - ITEM_RCPT].is_local;
}

/* No reply will come for these. */
static void
skip_void(struct smtp_client *c)
{
	while (c->n_replied < c->n_sent && is_void_item(c, c->n_replied))
		c->n_replied++;
}

static void
end_mail(struct smtp_client *c)
{
	if (c->phase != SMTP_PHASE_CLOSED)
		enter(c, SMTP_PHASE_MAIL_DONE);
}

/* Sends what may be sent now. */
static void
pump(struct smtp_client *c)
{
	while (c->phase == SMTP_PHASE_ENVELOPE && c->n_sent <= item_data(c)) {
		size_t i = c->n_sent;

		if (is_void_item(c, i)) {
			c->n_sent++;
			skip_void(c);
			continue;
		}
		if (!c->offer.pipelining && c->n_replied < i)
			return;
		if (i == item_data(c) && c->n_replied == i &&
		    c->n_accepted == 0) {
			end_mail(c); /* nobody to send it to */
			return;
		}
		if (i == item_data(c) && c->mail.is_binary) {
			/* BDAT needs no leave, but somebody to send it to */
			if (c->n_replied == i)
				enter(c, SMTP_PHASE_BODY);
			return;
		}
		c->n_sent++;
		if (i == ITEM_RSET)
			say(c, "RSET");
		else if (i == ITEM_MAIL)
			say_mail(c);
		else if (i < item_data(c))
			say_rcpt(c, i - ITEM_RCPT);
		else
			say(c, "DATA");
	}
}

/* -- replies before the first mail ----------------------------------------- */

static bool
is_class(const struct smtp_client *c, unsigned class)
{
	return c->reply.code / 100 == class;
}

static void
on_greeting(struct smtp_client *c)
{
	if (c->reply.code != 220)
		fail_by_reply(c);
	else
		say_hello(c, true);
}

static struct smtp_auth_input
auth_input(const struct smtp_client *c)
{
	return (struct smtp_auth_input){ .user = c->config.user,
		.password = c->config.password,
		.nonce = c->config.nonce,
		.offered = c->offer.auth,
		.may_say_password = c->has_tls || c->config.plain_auth };
}

/* A line with a secret; wiped, but for what waits to be sent. */
static void
say_secret(struct smtp_client *c, char line[SMTP_LOGIN_LINE], const char *shown)
{
	note(c, "> ", slice_cstr(shown));
	put(c, slice_cstr(line));
	put(c, SLICE("\r\n"));
	explicit_bzero(line, SMTP_LOGIN_LINE);
}

static void
fail_auth(struct smtp_client *c, int why)
{
	if (why == SMTP_AUTH_E_CLEAR)
		fail(c, 7, 11, "no login without TLS");
	else if (why == SMTP_AUTH_E_NONE)
		fail(c, 7, 4, "the server offers no login that we know");
	else
		fail(c, 7, 8,
		    "the login went wrong: not an answer of a server "
		    "that knows the password");
}

static void
begin_auth(struct smtp_client *c)
{
	struct smtp_auth_input in = auth_input(c);
	char line[SMTP_LOGIN_LINE], shown[64];
	int r = smtp_auth_begin(&c->auth, &in, line);

	if (r != SMTP_AUTH_SAY) {
		fail_auth(c, r);
		return;
	}
	enter(c, SMTP_PHASE_AUTH);
	(void)snprintf(shown, sizeof(shown), "AUTH %s ***",
	    smtp_auth_name(&c->auth));
	say_secret(c, line, shown);
}

/* The server's offer is known. */
static void
after_hello(struct smtp_client *c)
{
	if (!c->has_tls && c->config.tls != SMTP_TLS_NEVER &&
	    (c->offer.ext & SMTP_EXT_STARTTLS) != 0 &&
	    !c->starttls_was_refused) {
		enter(c, SMTP_PHASE_STARTTLS);
		say(c, "STARTTLS");
		return;
	}
	if (!c->has_tls && c->config.tls == SMTP_TLS_MUST) {
		c->lacks_tls = true;
		fail(c, 7, 10, "the server does not offer STARTTLS");
		return;
	}
	if (c->config.user != NULL)
		begin_auth(c);
	else
		enter(c, SMTP_PHASE_READY);
}

static void
on_ehlo(struct smtp_client *c)
{
	struct slice line;

	if (is_class(c, 5) && !c->config.is_lmtp) {
		say_hello(c, false);
		return;
	}
	if (!is_class(c, 2)) {
		fail_by_reply(c);
		return;
	}
	for (unsigned i = 1; smtp_reply_line(&c->reply, i, &line); i++)
		smtp_offer_read(&c->offer, line);
	after_hello(c);
}

static void
on_helo(struct smtp_client *c)
{
	if (is_class(c, 2))
		after_hello(c);
	else
		fail_by_reply(c);
}

static void
on_starttls(struct smtp_client *c)
{
	if (c->reply.code == 220) {
		enter(c, SMTP_PHASE_TLS);
		return;
	}
	if (c->config.tls == SMTP_TLS_MUST) {
		c->lacks_tls = true;
		fail_by_reply(c);
		return;
	}
	c->starttls_was_refused = true;
	after_hello(c);
}

static void
on_auth(struct smtp_client *c)
{
	struct smtp_auth_input in = auth_input(c);
	char line[SMTP_LOGIN_LINE];
	struct slice said;
	int r;

	if (c->reply.code == 235 && c->auth.is_done) {
		enter(c, SMTP_PHASE_READY);
		return;
	}
	if (c->reply.code == 235) {
		fail_auth(c, SMTP_AUTH_E_BAD);
		return;
	}
	if (c->reply.code != 334 || !smtp_reply_line(&c->reply, 0, &said)) {
		fail_by_reply(c);
		return;
	}
	r = smtp_auth_go_on(&c->auth, &in, said, line);
	if (r == SMTP_AUTH_SAY)
		say_secret(c, line, "***");
	else
		fail_auth(c, r);
}

/* -- replies to a mail ----------------------------------------------------- */

/* Recipients that are still open get this verdict; before DATA all of them,
 * after it those that the server had accepted. */
static void
settle(struct smtp_client *c, struct verdict v, bool is_local)
{
	for (size_t i = 0; i < c->mail.n_rcpts; i++) {
		if (c->outcomes[i].is_done)
			continue;
		c->outcomes[i].verdict = v;
		c->outcomes[i].is_local = is_local;
		c->outcomes[i].is_done = true;
	}
}

static bool
is_refusal(const struct smtp_client *c)
{
	return is_class(c, 4) || is_class(c, 5);
}

static void
fail_out_of_step(struct smtp_client *c)
{
	fail(c, 5, 0, "the server's reply is out of step");
}

static void
on_mail_reply(struct smtp_client *c)
{
	if (is_class(c, 2))
		return;
	if (!is_refusal(c)) {
		fail_out_of_step(c);
		return;
	}
	settle(c, verdict_of_reply(c), false);
	c->mail_was_refused = true;
	if (!c->offer.pipelining)
		end_mail(c);
}

/* RFC 5321, 4.5.3.1.10: RFC 821 had 552 for "too many recipients", so behind
 * accepted ones it means 452. A full mailbox or a size has a code of its own,
 * or says 552 again when it comes first. */
static bool
is_old_too_many(const struct smtp_client *c)
{
	const struct esc *esc = &c->reply.esc;

	return c->reply.code == 552 && c->n_accepted > 0 &&
	    (esc->class == 0 || (esc->subject == 5 && esc->detail == 3));
}

static void
on_rcpt_reply(struct smtp_client *c, size_t i)
{
	struct smtp_client_outcome *o = &c->outcomes[i];

	if (c->mail_was_refused)
		return; /* pipelined behind it; says nothing new */
	if (is_class(c, 2)) {
		c->n_accepted++;
	} else if (is_refusal(c)) {
		o->verdict = verdict_of_reply(c);
		if (is_old_too_many(c)) {
			o->verdict.code = 452;
			o->verdict.esc = (struct esc){ 4, 5, 3 };
		}
		o->is_done = true;
	} else {
		fail_out_of_step(c);
	}
}

static void
on_data_reply(struct smtp_client *c)
{
	if (c->reply.code == 354) {
		if (c->n_accepted > 0) {
			enter(c, SMTP_PHASE_BODY);
			return;
		}
		if (c->config.is_lmtp) { /* 2033, 4.2: it had to be 503 */
			fail_out_of_step(c);
			return;
		}
		/* Pipelined, and nobody is left: an empty message, which the
		 * server must refuse (RFC 2920, 3.1). */
		c->body_is_void = true;
		enter(c, SMTP_PHASE_DOT);
		say(c, ".");
		return;
	}
	if (!is_refusal(c)) {
		fail_out_of_step(c);
		return;
	}
	settle(c, verdict_of_reply(c), false);
	end_mail(c);
}

static void
on_envelope(struct smtp_client *c)
{
	size_t i = c->n_replied;

	if (i >= c->n_sent) {
		fail_out_of_step(c);
		return;
	}
	c->n_replied++;
	if (i == ITEM_RSET) {
		if (is_class(c, 2))
			c->has_open_transaction = c->n_sent > ITEM_MAIL;
		else
			fail_by_reply(c);
	} else if (i == ITEM_MAIL) {
		on_mail_reply(c);
	} else if (i < item_data(c)) {
		on_rcpt_reply(c, i - ITEM_RCPT);
	} else {
		on_data_reply(c);
	}
	if (c->phase != SMTP_PHASE_ENVELOPE)
		return;
	skip_void(c);
	pump(c);
}

/* A reply before the dot: only a refusal makes sense, and the connection is of
 * no more use, for the rest of the body would be read as commands. */
static void
on_early(struct smtp_client *c)
{
	if (!is_refusal(c)) {
		fail_out_of_step(c);
		return;
	}
	settle(c, verdict_of_reply(c), false);
	fail_by_reply(c);
}

/* RFC 3030, 2: a chunk that is refused ends the mail; what comes next is RSET
 */
static void
on_chunk(struct smtp_client *c)
{
	if (is_class(c, 2)) {
		enter(c, SMTP_PHASE_BODY);
	} else if (is_refusal(c)) {
		settle(c, verdict_of_reply(c), false);
		end_mail(c);
	} else {
		fail_out_of_step(c);
	}
}

/* RFC 2033, 4.2: a reply for each recipient that was accepted, in their order.
 */
static void
on_lmtp_dot(struct smtp_client *c)
{
	for (size_t i = 0; i < c->mail.n_rcpts; i++) {
		if (c->outcomes[i].is_done)
			continue;
		c->outcomes[i].verdict = verdict_of_reply(c);
		c->outcomes[i].is_done = true;
		c->n_replied++; /* it goes on: the time begins anew */
		if (--c->n_accepted > 0)
			return;
		break;
	}
	c->has_open_transaction = false;
	end_mail(c);
}

static void
on_dot(struct smtp_client *c)
{
	if (!is_class(c, 2) && !is_refusal(c)) {
		fail_out_of_step(c);
		return;
	}
	if (c->config.is_lmtp) {
		on_lmtp_dot(c);
		return;
	}
	c->has_open_transaction = false;
	if (!c->body_is_void)
		settle(c, verdict_of_reply(c), false);
	end_mail(c);
}

static void
on_unasked(struct smtp_client *c)
{
	fail(c, 5, 0, "the server spoke without being asked");
}

static void
on_quit(struct smtp_client *c)
{
	c->failure = (struct verdict){ 0 };
	enter(c, SMTP_PHASE_CLOSED);
}

static void (*const on_reply[])(struct smtp_client *) = {
	[SMTP_PHASE_GREETING] = on_greeting,
	[SMTP_PHASE_EHLO] = on_ehlo,
	[SMTP_PHASE_HELO] = on_helo,
	[SMTP_PHASE_STARTTLS] = on_starttls,
	[SMTP_PHASE_TLS] = on_unasked,
	[SMTP_PHASE_AUTH] = on_auth,
	[SMTP_PHASE_READY] = on_unasked,
	[SMTP_PHASE_ENVELOPE] = on_envelope,
	[SMTP_PHASE_BODY] = on_early,
	[SMTP_PHASE_CHUNK] = on_chunk,
	[SMTP_PHASE_DOT] = on_dot,
	[SMTP_PHASE_MAIL_DONE] = on_unasked,
	[SMTP_PHASE_QUIT] = on_quit,
};

static const char *const too_long_or_bad[] = {
	[SMTP_REPLY_E_BAD] = "the server does not speak SMTP",
	[SMTP_REPLY_E_TOO_LONG] = "the server's reply is too long",
};

void
smtp_client_feed(struct smtp_client *c, struct slice in)
{
	while (in.len > 0 && c->phase != SMTP_PHASE_CLOSED && !c->is_closing) {
		int r;

		if (c->phase == SMTP_PHASE_TLS) {
			/* Bytes in the clear behind the 220 would be taken for
			 * the first words inside TLS. */
			on_unasked(c);
			return;
		}
		r = smtp_reply_feed(&c->reply, &in);
		if (r == SMTP_REPLY_MORE)
			return;
		if (r != SMTP_REPLY_OK) {
			fail(c, 5, 0, too_long_or_bad[r]);
			return;
		}
		note_reply(c);
		/* 421 may come as the reply to anything (RFC 5321, 3.8). */
		if (c->reply.code == 421 && c->phase != SMTP_PHASE_QUIT)
			fail_by_reply(c);
		else
			on_reply[c->phase](c);
	}
}

/* -- the driver's side ----------------------------------------------------- */

void
smtp_client_init(struct smtp_client *c, const struct smtp_client_config *config)
{
	memset(c, 0, sizeof(*c));
	c->config = *config;
	c->has_tls = config->tls == SMTP_TLS_IS_UP;
	arena_init(&c->texts, SMTP_CLIENT_TEXTS);
	buf_init(&c->out, SMTP_CLIENT_OUT);
	buf_init(&c->dialogue, LIMIT_DIALOGUE);
}

void
smtp_client_deinit(struct smtp_client *c)
{
	arena_reset(&c->texts);
	buf_deinit(&c->out);
	buf_deinit(&c->dialogue);
}

void
smtp_client_lost(struct smtp_client *c, const char *why)
{
	/* After QUIT nothing is lost with the connection. */
	if (c->phase == SMTP_PHASE_QUIT)
		enter(c, SMTP_PHASE_CLOSED);
	else if (c->phase != SMTP_PHASE_CLOSED && !c->is_closing)
		fail(c, 4, 2, why);
}

struct slice
smtp_client_out(const struct smtp_client *c)
{
	return buf_slice(&c->out);
}

void
smtp_client_sent(struct smtp_client *c, size_t n)
{
	buf_eat(&c->out, n);
}

enum smtp_client_event
smtp_client_next(struct smtp_client *c)
{
	switch ((enum smtp_client_phase)c->phase) {
	case SMTP_PHASE_TLS:
		return SMTP_CLIENT_START_TLS;
	case SMTP_PHASE_READY:
		return SMTP_CLIENT_READY;
	case SMTP_PHASE_BODY:
		return SMTP_CLIENT_BODY;
	case SMTP_PHASE_MAIL_DONE:
		enter(c, c->is_closing ? SMTP_PHASE_CLOSED : SMTP_PHASE_READY);
		return SMTP_CLIENT_MAIL_DONE;
	case SMTP_PHASE_CLOSED:
		return SMTP_CLIENT_CLOSED;
	default:
		return SMTP_CLIENT_WAIT;
	}
}

enum smtp_client_time
smtp_client_timeout(const struct smtp_client *c)
{
	switch ((enum smtp_client_phase)c->phase) {
	case SMTP_PHASE_GREETING:
		return SMTP_TIME_GREETING;
	case SMTP_PHASE_ENVELOPE:
		return c->n_replied >= item_data(c) ? SMTP_TIME_DATA
		    : c->n_replied >= ITEM_RCPT     ? SMTP_TIME_RCPT
						    : SMTP_TIME_MAIL;
	case SMTP_PHASE_BODY:
	case SMTP_PHASE_CHUNK:
		return SMTP_TIME_DATA_BLOCK;
	case SMTP_PHASE_DOT:
		return SMTP_TIME_DOT;
	case SMTP_PHASE_READY:
	case SMTP_PHASE_MAIL_DONE:
	case SMTP_PHASE_CLOSED:
		return SMTP_TIME_NONE;
	default:
		return SMTP_TIME_COMMAND;
	}
}

void
smtp_client_tls_up(struct smtp_client *c)
{
	assert(c->phase == SMTP_PHASE_TLS);
	c->has_tls = true;
	smtp_reply_reset(&c->reply);
	say_hello(c, true);
}

void
smtp_client_mail(struct smtp_client *c, const struct smtp_client_mail *mail)
{
	struct verdict v = smtp_envelope_check(&c->offer, mail);
	bool is_any_open = false;

	assert(c->phase == SMTP_PHASE_READY);
	assert(mail->n_rcpts > 0 && mail->n_rcpts <= SMTP_CLIENT_RCPTS);
	arena_reset(&c->texts);
	c->mail = *mail;
	memset(c->outcomes, 0, sizeof(c->outcomes));
	c->n_sent = c->n_replied = c->n_accepted = 0;
	c->mail_was_refused = c->body_is_void = false;
	c->needs_reset = c->has_open_transaction;
	c->stuff = (struct smtp_stuff){ 0 };
	c->body_sent = 0;
	enter(c, SMTP_PHASE_ENVELOPE);

	if (v.code != 0)
		settle(c, v, true);
	for (size_t i = 0; i < mail->n_rcpts; i++) {
		struct smtp_client_outcome *o = &c->outcomes[i];

		if (!o->is_done) {
			o->verdict =
			    smtp_envelope_check_rcpt(&c->offer, mail, i);
			o->is_done = o->is_local = o->verdict.code != 0;
		}
		is_any_open = is_any_open || !o->is_done;
	}
	if (!is_any_open) {
		end_mail(c);
		return;
	}
	pump(c);
}

/* One is on its way at a time: what a server says to it is heard before more
 * is sent. */
static size_t
send_chunk(struct smtp_client *c, struct slice bytes)
{
	char line[CHUNK_LINE];
	size_t room = buf_room(&c->out);

	if (room <= CHUNK_LINE || bytes.len == 0)
		return 0;
	bytes = slice_upto(bytes, room - CHUNK_LINE);
	(void)snprintf(line, sizeof(line), "BDAT %zu", bytes.len);
	say(c, line);
	put(c, bytes);
	c->body_sent += bytes.len;
	if (!c->is_closing)
		enter(c, SMTP_PHASE_CHUNK);
	return bytes.len;
}

size_t
smtp_client_body(struct smtp_client *c, struct slice bytes)
{
	struct slice rest = bytes;
	int r;

	assert(c->phase == SMTP_PHASE_BODY);
	if (c->mail.is_binary)
		return send_chunk(c, bytes);
	r = smtp_stuff_add(&c->stuff, &rest, &c->out);
	if (r == SMTP_STUFF_E_LINE_END) {
		struct verdict v = VERDICT(554, 5, 6, 11,
		    "the message has a CR or LF that stands alone");

		settle(c, v, true);
		fail(c, 6, 11, "the message has a CR or LF that stands alone");
		return bytes.len;
	}
	if (r < 0) {
		fail(c, 3, 0, "out of memory");
		return bytes.len;
	}
	c->body_sent += bytes.len - rest.len;
	return bytes.len - rest.len;
}

void
smtp_client_end(struct smtp_client *c)
{
	char line[64];
	int r;

	assert(c->phase == SMTP_PHASE_BODY);
	if (c->mail.is_binary) {
		say(c, "BDAT 0 LAST");
		if (!c->is_closing)
			enter(c, SMTP_PHASE_DOT);
		return;
	}
	(void)snprintf(line, sizeof(line), "(%" PRIu64 " bytes) .",
	    c->body_sent);
	note(c, "> ", slice_cstr(line));
	r = smtp_stuff_end(&c->stuff, &c->out);
	if (r == SMTP_STUFF_E_LINE_END) {
		struct verdict v = VERDICT(554, 5, 6, 11,
		    "the message has a CR or LF that stands alone");

		settle(c, v, true);
		fail(c, 6, 11, "the message has a CR or LF that stands alone");
		return;
	}
	if (r != 0) {
		fail(c, 3, 0, "out of memory");
		return;
	}
	enter(c, SMTP_PHASE_DOT);
}

void
smtp_client_quit(struct smtp_client *c)
{
	assert(c->phase == SMTP_PHASE_READY);
	enter(c, SMTP_PHASE_QUIT);
	say(c, "QUIT");
}

struct slice
smtp_client_dialogue(const struct smtp_client *c)
{
	return buf_slice(&c->dialogue);
}

void
smtp_client_dialogue_clear(struct smtp_client *c)
{
	buf_reset(&c->dialogue, 0);
	c->dialogue_is_cut = false;
}
