/* SPDX-License-Identifier: ISC */
/*
 * smtp/client_mail - one mail: its envelope, its body, and what is said to them
 */
#include "smtp/client_impl.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
say_mail(struct smtp_client *c)
{
	char line[SMTP_ENVELOPE_LINE];

	smtp_envelope_mail(&c->offer, &c->mail, line);
	c->has_open_transaction = true;
	client_say(c, line);
}

static void
say_rcpt(struct smtp_client *c, size_t i)
{
	char line[SMTP_ENVELOPE_LINE];

	smtp_envelope_rcpt(&c->offer, &c->mail, i, line);
	client_say(c, line);
}

/* No recipient of this item, or nothing to be reset. */
static bool
is_void_item(const struct smtp_client *c, size_t i)
{
	if (i == ITEM_RSET)
		return !c->needs_reset;
	return i >= ITEM_RCPT && i < client_item_data(c) &&
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

void
client_end_mail(struct smtp_client *c)
{
	if (c->phase != SMTP_PHASE_CLOSED)
		client_enter(c, SMTP_PHASE_MAIL_DONE);
}

/* Sends what may be sent now. */
static void
pump(struct smtp_client *c)
{
	while (c->phase == SMTP_PHASE_ENVELOPE &&
	    c->n_sent <= client_item_data(c)) {
		size_t i = c->n_sent;

		if (is_void_item(c, i)) {
			c->n_sent++;
			skip_void(c);
			continue;
		}
		if (!c->offer.pipelining && c->n_replied < i)
			return;
		if (i == client_item_data(c) && c->n_replied == i &&
		    c->n_accepted == 0) {
			client_end_mail(c); /* nobody to send it to */
			return;
		}
		if (i == client_item_data(c) && c->is_chunked) {
			/* BDAT needs no leave, but somebody to send it to */
			if (c->n_replied == i)
				client_begin_body(c);
			return;
		}
		c->n_sent++;
		if (i == ITEM_RSET)
			client_say(c, "RSET");
		else if (i == ITEM_MAIL)
			say_mail(c);
		else if (i < client_item_data(c))
			say_rcpt(c, i - ITEM_RCPT);
		else
			client_say(c, "DATA");
	}
}

/* -- replies to a mail ----------------------------------------------------- */

/* Recipients that are still open get this verdict; before DATA all of them,
 * after it those that the server had accepted. */
void
client_settle(struct smtp_client *c, struct verdict v, bool is_local)
{
	for (size_t i = 0; i < c->mail.n_rcpts; i++) {
		if (c->outcomes[i].is_done)
			continue;
		c->outcomes[i].verdict = v;
		c->outcomes[i].is_local = is_local;
		c->outcomes[i].is_done = true;
	}
}

static void
on_mail_reply(struct smtp_client *c)
{
	if (client_is_class(c, 2))
		return;
	if (!client_is_refusal(c)) {
		client_fail_out_of_step(c);
		return;
	}
	client_settle(c, client_verdict_of_reply(c), false);
	c->mail_was_refused = true;
	if (!c->offer.pipelining)
		client_end_mail(c);
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
	if (client_is_class(c, 2)) {
		c->n_accepted++;
	} else if (client_is_refusal(c)) {
		o->verdict = client_verdict_of_reply(c);
		if (is_old_too_many(c)) {
			o->verdict.code = 452;
			o->verdict.esc = (struct esc){ 4, 5, 3 };
		}
		o->is_done = true;
	} else {
		client_fail_out_of_step(c);
	}
}

static void
on_data_reply(struct smtp_client *c)
{
	if (c->reply.code == 354) {
		if (c->n_accepted > 0) {
			client_enter(c, SMTP_PHASE_BODY);
			return;
		}
		if (c->config.is_lmtp) { /* 2033, 4.2: it had to be 503 */
			client_fail_out_of_step(c);
			return;
		}
		/* Pipelined, and nobody is left: an empty message, which the
		 * server must refuse (RFC 2920, 3.1). */
		c->body_is_void = true;
		client_enter(c, SMTP_PHASE_DOT);
		client_say(c, ".");
		return;
	}
	if (!client_is_refusal(c)) {
		client_fail_out_of_step(c);
		return;
	}
	client_settle(c, client_verdict_of_reply(c), false);
	client_end_mail(c);
}

void
client_on_envelope(struct smtp_client *c)
{
	size_t i = c->n_replied;

	if (i >= c->n_sent) {
		client_fail_out_of_step(c);
		return;
	}
	c->n_replied++;
	if (i == ITEM_RSET) {
		if (client_is_class(c, 2))
			c->has_open_transaction = c->n_sent > ITEM_MAIL;
		else
			client_fail_by_reply(c);
	} else if (i == ITEM_MAIL) {
		on_mail_reply(c);
	} else if (i < client_item_data(c)) {
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
void
client_on_early(struct smtp_client *c)
{
	if (!client_is_refusal(c)) {
		client_fail_out_of_step(c);
		return;
	}
	if (client_is_chunk_unknown(c))
		c->chunks_were_refused = true;
	else
		client_settle(c, client_verdict_of_reply(c), false);
	client_fail_by_reply(c);
}

/* RFC 2033, 4.2: a reply for each recipient that was accepted, in their order.
 */
static void
on_lmtp_dot(struct smtp_client *c)
{
	for (size_t i = 0; i < c->mail.n_rcpts; i++) {
		if (c->outcomes[i].is_done)
			continue;
		c->outcomes[i].verdict = client_verdict_of_reply(c);
		c->outcomes[i].is_done = true;
		c->n_replied++; /* it goes on: the time begins anew */
		if (--c->n_accepted > 0)
			return;
		break;
	}
	c->has_open_transaction = false;
	client_end_mail(c);
}

void
client_on_dot(struct smtp_client *c)
{
	if (!client_is_class(c, 2) && !client_is_refusal(c)) {
		client_fail_out_of_step(c);
		return;
	}
	if (client_is_chunk_unknown(c)) {
		client_on_early(c);
		return;
	}
	if (c->config.is_lmtp) {
		on_lmtp_dot(c);
		return;
	}
	/* behind a refused chunk the server may wait for RSET */
	c->has_open_transaction = c->is_chunked && client_is_refusal(c);
	if (!c->body_is_void)
		client_settle(c, client_verdict_of_reply(c), false);
	client_end_mail(c);
}

/* What the server cannot take: of an address that it cannot take either, that
 * is said, for no other content would help its sender. */
static void
settle_content(struct smtp_client *c, struct verdict v)
{
	const struct slice *rcpts = c->mail.rcpts;

	for (size_t i = 0; i < c->mail.n_rcpts && v.esc.subject == 6; i++)
		if (!slice_is_ascii(rcpts[i])) {
			struct smtp_client_outcome *o = &c->outcomes[i];

			o->verdict =
			    smtp_envelope_check_rcpt(&c->offer, &c->mail, i);
			o->is_done = o->is_local = o->verdict.code != 0;
		}
	client_settle(c, v, true);
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
	c->is_chunked = client_may_chunk(c);
	c->needs_reset = c->has_open_transaction;
	c->stuff = (struct smtp_stuff){ 0 };
	c->body_sent = 0;
	client_enter(c, SMTP_PHASE_ENVELOPE);

	if (v.code != 0)
		settle_content(c, v);
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
		client_end_mail(c);
		return;
	}
	pump(c);
}

void
client_fail_line_end(struct smtp_client *c)
{
	struct verdict v = VERDICT(554, 5, 6, 11,
	    "the message has a CR or LF that stands alone");

	client_settle(c, v, true);
	client_fail(c, 6, 11, "the message has a CR or LF that stands alone");
}

size_t
smtp_client_body(struct smtp_client *c, struct slice bytes)
{
	struct slice rest = bytes;
	int r;

	assert(c->phase == SMTP_PHASE_BODY);
	if (c->is_chunked)
		return client_chunk_body(c, bytes);
	r = smtp_stuff_add(&c->stuff, &rest, &c->out);
	if (r == SMTP_STUFF_E_LINE_END) {
		client_fail_line_end(c);
		return bytes.len;
	}
	if (r < 0) {
		client_fail(c, 3, 0, "out of memory");
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
	if (c->is_chunked) {
		client_chunk_end(c);
		return;
	}
	(void)snprintf(line, sizeof(line), "(%" PRIu64 " bytes) .",
	    c->body_sent);
	client_note(c, "> ", slice_cstr(line));
	r = smtp_stuff_end(&c->stuff, &c->out);
	if (r == SMTP_STUFF_E_LINE_END) {
		client_fail_line_end(c);
		return;
	}
	if (r != 0) {
		client_fail(c, 3, 0, "out of memory");
		return;
	}
	client_enter(c, SMTP_PHASE_DOT);
}
