/* SPDX-License-Identifier: ISC */
#include "smtp/client_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	TEXT_MAX = 1000 /* of one outcome; the wire takes 1024 */
};

/* -- the dialogue ---------------------------------------------------------- */

void
client_note(struct smtp_client *c, const char *mark, struct slice text)
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
		client_note(c, mark, line);
	}
}

/* -- ending ---------------------------------------------------------------- */

/* The only assignment to phase. */
void
client_enter(struct smtp_client *c, enum smtp_client_phase phase)
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
		client_enter(c, SMTP_PHASE_MAIL_DONE);
	else if (c->phase != SMTP_PHASE_MAIL_DONE)
		client_enter(c, SMTP_PHASE_CLOSED);
}

/* Our own reason. Nothing the remote does wrong is a 5xx. */
void
client_fail(struct smtp_client *c, uint16_t subject, uint16_t detail,
    const char *why)
{
	client_note(c, "! ", slice_cstr(why));
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

void
client_fail_by_reply(struct smtp_client *c)
{
	uint8_t text[LIMIT_SMTP_REPLY_LINE];

	/* a yes to what was not asked is no reason that could be told */
	if (!client_is_refusal(c)) {
		client_fail_out_of_step(c);
		return;
	}
	end_with(c,
	    (struct verdict){ c->reply.code, c->reply.esc,
		flatten(&c->reply, text, sizeof(text)) },
	    false);
}

/* The reply as an outcome; its text lives as long as the mail. When the arena
 * is full the codes remain. */
struct verdict
client_verdict_of_reply(struct smtp_client *c)
{
	struct verdict v = { c->reply.code, c->reply.esc, { 0 } };
	uint8_t text[TEXT_MAX];

	(void)arena_copy(&c->texts, flatten(&c->reply, text, sizeof(text)),
	    &v.text);
	return v;
}

bool
client_is_class(const struct smtp_client *c, unsigned class)
{
	return c->reply.code / 100 == class;
}

bool
client_is_refusal(const struct smtp_client *c)
{
	return client_is_class(c, 4) || client_is_class(c, 5);
}

void
client_fail_out_of_step(struct smtp_client *c)
{
	client_fail(c, 5, 0, "the server's reply is out of step");
}

/* -- sending --------------------------------------------------------------- */

void
client_put(struct smtp_client *c, struct slice part)
{
	if (c->is_closing) /* nothing follows half a command */
		return;
	if (buf_add(&c->out, part) != BUF_OK)
		client_fail(c, 3, 0, "no room for a command");
}

/* One command: `text` has no line end. */
void
client_say(struct smtp_client *c, const char *text)
{
	client_note(c, "> ", slice_cstr(text));
	client_put(c, slice_cstr(text));
	client_put(c, SLICE("\r\n"));
}

/* -- what the server says ------------------------------------------------- */

static void
on_unasked(struct smtp_client *c)
{
	client_fail(c, 5, 0, "the server spoke without being asked");
}

static void
on_quit(struct smtp_client *c)
{
	c->failure = (struct verdict){ 0 };
	client_enter(c, SMTP_PHASE_CLOSED);
}

static void (*const on_reply[])(struct smtp_client *) = {
	[SMTP_PHASE_GREETING] = client_on_greeting,
	[SMTP_PHASE_EHLO] = client_on_ehlo,
	[SMTP_PHASE_HELO] = client_on_helo,
	[SMTP_PHASE_STARTTLS] = client_on_starttls,
	[SMTP_PHASE_TLS] = on_unasked,
	[SMTP_PHASE_AUTH] = client_on_auth,
	[SMTP_PHASE_READY] = on_unasked,
	[SMTP_PHASE_ENVELOPE] = client_on_envelope,
	[SMTP_PHASE_BODY] = client_on_early,
	[SMTP_PHASE_CHUNK] = client_on_chunk,
	[SMTP_PHASE_DOT] = client_on_dot,
	[SMTP_PHASE_MAIL_DONE] = on_unasked,
	[SMTP_PHASE_QUIT] = on_quit,
};

/* What it answers has not even left us: the session is out of step from here
 * on, and whatever it says next would be taken for the reply to something
 * else. In the envelope commands behind the one that is answered may wait. */
static bool
is_too_early(const struct smtp_client *c)
{
	switch ((enum smtp_client_phase)c->phase) {
	case SMTP_PHASE_EHLO:
	case SMTP_PHASE_HELO:
	case SMTP_PHASE_STARTTLS:
	case SMTP_PHASE_AUTH:
	case SMTP_PHASE_CHUNK:
	case SMTP_PHASE_DOT:
		return c->out.len > 0;
	default:
		return false;
	}
}

static void
on_too_early(struct smtp_client *c)
{
	if (is_in_mail(c))
		client_on_early(c);
	else
		on_unasked(c);
}

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
			client_fail(c, 5, 0, too_long_or_bad[r]);
			return;
		}
		note_reply(c);
		/* 421 may come as the reply to anything (RFC 5321, 3.8). */
		if (c->reply.code == 421 && c->phase != SMTP_PHASE_QUIT)
			client_fail_by_reply(c);
		else if (is_too_early(c))
			on_too_early(c);
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
		client_enter(c, SMTP_PHASE_CLOSED);
	else if (c->phase != SMTP_PHASE_CLOSED && !c->is_closing)
		client_fail(c, 4, 2, why);
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
		client_enter(c,
		    c->is_closing ? SMTP_PHASE_CLOSED : SMTP_PHASE_READY);
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
		return c->n_replied >= client_item_data(c) ? SMTP_TIME_DATA
		    : c->n_replied >= ITEM_RCPT            ? SMTP_TIME_RCPT
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
	client_say_hello(c, true);
}

void
smtp_client_quit(struct smtp_client *c)
{
	assert(c->phase == SMTP_PHASE_READY);
	client_enter(c, SMTP_PHASE_QUIT);
	client_say(c, "QUIT");
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
