/* SPDX-License-Identifier: ISC */
/*
 * roles/hook/ask_milter - a filter that speaks the milter protocol
 *
 *      connect -> OPTNEG -> CONNECT -> HELO -> MAIL -> RCPT... -> DATA
 *              -> header fields -> EOH -> body -> end of message
 *
 * advance() says the next thing that the stage needs and the filter has not
 * heard; it is called again whenever something has come: a reply, a chunk, room
 * to write. A connection that was lost is made again at MAIL, where the client
 * and its name are told anew; within a message its loss is a failure.
 */
#include <stdio.h>
#include <string.h>

#include "mail/header.h"
#include "roles/hook/hook_role.h"
#include "smtp/reply.h"

enum {
	OUT_MUCH = 128 * 1024 /* that a filter has not read: tell no more */
};

static void advance(struct part *p);

/* -- macros ---------------------------------------------------------------- */

enum {
	MACROS_MAX = 24,
	BRACKETED = sizeof(((struct session *)0)->client) + 2,
	HERE = sizeof(((struct session *)0)->rdns) + BRACKETED + 4
};

struct facts {
	struct milter_macro rows[MACROS_MAX];
	size_t n;
	char bracketed[BRACKETED], here[HERE], port[8];
};

static void
fact(struct facts *f, const char *name, struct slice value)
{
	f->rows[f->n++] = (struct milter_macro){ name, value };
}

/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384" */
static void
facts_of_tls(struct facts *f, struct slice tls)
{
	size_t at = slice_find(tls, SLICE(" with cipher "));

	if (tls.len == 0 || at == SIZE_MAX)
		return;
	fact(f, "{tls_version}", slice_upto(tls, at));
	fact(f, "{cipher}", slice_from(tls, at + 13));
}

static struct milter_macros
gather(const struct session *s, struct facts *f)
{
	bool is_named = s->rdns[0] != '\0';

	f->n = 0;
	(void)snprintf(f->bracketed, sizeof(f->bracketed), "[%s]", s->client);
	(void)snprintf(f->here, sizeof(f->here), "%s%s%s", s->rdns,
	    is_named ? " " : "", f->bracketed);
	(void)snprintf(f->port, sizeof(f->port), "%u", s->port);
	fact(f, "j", slice_cstr(s->hostname));
	fact(f, "_", slice_cstr(f->here));
	fact(f, "v", SLICE("Ulak"));
	fact(f, "{daemon_name}",
	    s->service == SERVICE_MX ? SLICE("mx") : SLICE("submission"));
	fact(f, "{client_addr}", slice_cstr(s->client));
	fact(f, "{client_port}", slice_cstr(f->port));
	fact(f, "{client_name}", slice_cstr(is_named ? s->rdns : f->bracketed));
	fact(f, "{client_ptr}", slice_cstr(is_named ? s->rdns : f->bracketed));
	fact(f, "i", slice_cstr(s->id));
	fact(f, "{mail_addr}", s->sender);
	fact(f, "{rcpt_addr}", s->rcpt);
	fact(f, "{auth_type}", s->mechanism);
	fact(f, "{auth_authen}", s->login);
	facts_of_tls(f, s->tls);
	return (struct milter_macros){ f->rows, f->n };
}

/* -- what a verdict means ---------------------------------------------------
 */

static void
refuse(struct part *p, const struct verdict *v)
{
	part_finish(p, HOOK_REFUSE, v);
}

/* RFC 5321, 4.2.1: 4yz or 5yz, whatever the stage. */
static struct verdict
verdict_of(const struct milter_effect *e)
{
	if (e->reply.code != 0)
		return e->reply;
	switch ((enum milter_verdict)e->verdict) {
	case MILTER_TEMPFAIL:
		return smtp_say(SMTP_SAY_FILTER_TEMPFAIL);
	case MILTER_CLOSE:
		return smtp_say(SMTP_SAY_FILTER_CLOSE);
	default:
		return smtp_say(SMTP_SAY_FILTER_REFUSE);
	}
}

/* It refuses the client as such, for as long as the session lasts. */
static void
keep_refusal(struct part *p, const struct verdict *v)
{
	size_t n = 0;

	/* libmilter wants a percent sign written twice */
	for (size_t i = 0; i < v->text.len && n < sizeof(p->refusal_text);
	     i++) {
		p->refusal_text[n++] = (char)v->text.at[i];
		if (v->text.at[i] == '%' && i + 1 < v->text.len &&
		    v->text.at[i + 1] == '%')
			i++;
	}
	p->refusal = *v;
	p->refusal.text = slice_of(p->refusal_text, n);
	p->has_refused = true;
}

static bool
is_negative(unsigned verdict)
{
	return verdict == MILTER_REJECT || verdict == MILTER_TEMPFAIL ||
	    verdict == MILTER_REPLY || verdict == MILTER_CLOSE;
}

static void
on_client_verdict(struct part *p, const struct milter_effect *e)
{
	struct verdict v = verdict_of(e);

	if (is_negative(e->verdict))
		keep_refusal(p, &v);
	else if (e->verdict == MILTER_ACCEPT)
		p->is_out_of_session = true;
	advance(p);
}

static void
on_message_verdict(struct part *p, uint8_t command,
    const struct milter_effect *e)
{
	struct verdict v = verdict_of(e);

	if (command == 'E')
		p->in_message = false;
	if (is_negative(e->verdict)) {
		refuse(p, &v);
	} else if (e->verdict == MILTER_DISCARD) {
		part_finish(p, HOOK_DISCARD, NULL);
	} else if (command == 'E' && p->has_body &&
	    !hook_lines_end(&p->lines)) {
		part_fail(p, "its body ends within a line");
	} else if (command == 'E') {
		filter_works(p->filter);
		link_is_idle(p, true);
		part_finish(p, HOOK_GO, NULL);
	} else if (e->verdict == MILTER_ACCEPT) {
		p->is_out_of_message = true;
		part_finish(p, HOOK_GO, NULL);
	} else {
		if (e->verdict == MILTER_SKIP)
			p->skips_body = true;
		advance(p);
	}
}

/* -- edits ----------------------------------------------------------------- */

static const char *
on_field_edit(struct part *p, const struct milter_effect *e)
{
	bool is_exact = (p->m.steps & MILTER_LEADING_SPACE) != 0;
	struct hook_header *h = &p->session->header;
	int r = session_need_header(p);

	if (r == HOOK_OK && e->edit == MILTER_EDIT_ADD)
		r = hook_header_add(h, e->name, e->value, is_exact);
	else if (r == HOOK_OK && e->edit == MILTER_EDIT_INSERT)
		r = hook_header_insert(h, e->index, e->name, e->value,
		    is_exact);
	else if (r == HOOK_OK)
		r = hook_header_change(h, e->index, e->name, e->value,
		    is_exact);
	return r == HOOK_OK    ? NULL
	    : r == HOOK_E_FULL ? "its edits are too much"
			       : "its header field is not legal";
}

static const char *
on_body_edit(struct part *p, const struct milter_effect *e)
{
	switch (session_body(p, e->value)) {
	case SESSION_BAD:
		return "its body has lines that do not end in CRLF";
	case SESSION_KEPT:
		return NULL;
	case SESSION_SENT:
		break;
	}
	link_pause(p, true); /* until the front has taken it */
	link_wait(p, 0);
	return NULL;
}

static const char *
on_envelope_edit(struct part *p, const struct milter_effect *e)
{
	unsigned what = e->edit == MILTER_EDIT_FROM ? HOOK_EDIT_FROM
	    : e->edit == MILTER_EDIT_ADD_RCPT       ? HOOK_EDIT_ADD_RCPT
						    : HOOK_EDIT_DELETE_RCPT;

	return session_edit(p->session, what, e->name)
	    ? NULL
	    : "its edits are too many";
}

static const char *
on_quarantine(struct part *p, const struct milter_effect *e)
{
	session_quarantine(p->session, e->value);
	return NULL;
}

/* NULL, or why the filter has failed. */
static const char *
on_edit(struct part *p, const struct milter_effect *e)
{
	static const char *(*const run[])(struct part *,
	    const struct milter_effect *) = {
		[MILTER_EDIT_ADD_RCPT] = on_envelope_edit,
		[MILTER_EDIT_DELETE_RCPT] = on_envelope_edit,
		[MILTER_EDIT_BODY] = on_body_edit,
		[MILTER_EDIT_FROM] = on_envelope_edit,
		[MILTER_EDIT_ADD] = on_field_edit,
		[MILTER_EDIT_INSERT] = on_field_edit,
		[MILTER_EDIT_CHANGE] = on_field_edit,
		[MILTER_EDIT_QUARANTINE] = on_quarantine,
	};

	return run[e->edit](p, e);
}

/* -- what is said next ----------------------------------------------------- */

/* What the filter has for its answer. */
static void
await(struct part *p)
{
	link_wait(p,
	    p->m.awaits == 'E' ? p->filter->s->end_timeout
			       : p->filter->s->timeout);
}

/* 1: go on at once; 0: something must come first. */
static int
said(struct part *p, enum milter_sent sent)
{
	if (sent == MILTER_NO_ROOM) {
		part_fail(p, "it reads too slowly");
		return 0;
	}
	link_flush(p);
	if (sent == MILTER_WAIT)
		await(p);
	else
		link_wait(p, 0);
	return sent == MILTER_GO;
}

static int
say_client(struct part *p)
{
	struct session *s = p->session;
	struct facts f;
	struct milter_macros macros = gather(s, &f);

	p->said_connect = true;
	return said(p,
	    milter_say_connect(&p->m, &macros,
		slice_cstr(s->rdns[0] != '\0' ? s->rdns : f.bracketed),
		s->family, s->port, slice_cstr(s->client), &p->out));
}

static int
say_helo(struct part *p)
{
	struct facts f;
	struct milter_macros macros = gather(p->session, &f);

	p->said_helo = true;
	return said(p,
	    milter_say_helo(&p->m, &macros, slice_cstr(p->session->helo),
		&p->out));
}

static int
say_mail(struct part *p)
{
	struct session *s = p->session;
	struct facts f;
	struct milter_macros macros = gather(s, &f);

	if (p->in_message && milter_say_abort(&p->m, &p->out) != MILTER_GO)
		return said(p, MILTER_NO_ROOM);
	p->in_message = p->said_stage = true;
	link_is_idle(p, false);
	return said(p,
	    milter_say_mail(&p->m, &macros, s->sender, s->params, &p->out));
}

static int
say_rcpt(struct part *p)
{
	struct session *s = p->session;
	struct facts f;
	struct milter_macros macros = gather(s, &f);

	p->said_stage = true;
	return said(p,
	    milter_say_rcpt(&p->m, &macros, s->rcpt, s->rcpt_params, &p->out));
}

static int
say_data(struct part *p)
{
	struct facts f;
	struct milter_macros macros = gather(p->session, &f);

	p->said_stage = true;
	return said(p, milter_say_data(&p->m, &macros, &p->out));
}

/* -- the message ----------------------------------------------------------- */

static int
at_begin(struct part *p)
{
	if (!p->session->section.is_done) {
		link_wait(p, 0);
		session_want(p->session);
		return 0;
	}
	if (session_need_header(p) != HOOK_OK) {
		part_fail(p, "the header is too long for it");
		return 0;
	}
	p->n_fields = 0;
	p->place = AT_HEADER;
	return 1;
}

static int
at_header(struct part *p)
{
	const struct hook_header *h = &p->session->header;
	struct slice whole;
	struct header_field field;

	if (p->n_fields == h->n) {
		p->place = AT_EOH;
		return 1;
	}
	whole = h->fields[p->n_fields++];
	if (!header_next(&whole, &field))
		return 1;
	return said(p,
	    milter_say_header(&p->m, field.name, field.body, &p->out));
}

static int
at_eoh(struct part *p)
{
	struct facts f;
	struct milter_macros macros = gather(p->session, &f);

	p->place = AT_BODY;
	return said(p, milter_say_eoh(&p->m, &macros, &p->out));
}

/* First what came behind the header, then chunk after chunk. */
static int
at_body(struct part *p)
{
	struct session *s = p->session;
	struct slice rest;

	if (p->skips_body || (p->m.steps & MILTER_NO_BODY) != 0) {
		p->place = AT_END;
		return 1;
	}
	if (p->out.len > OUT_MUCH) {
		await(p);
		return 0; /* drained() */
	}
	rest = slice_from(buf_slice(&s->chunk), s->chunk_at);
	if (rest.len > 0) {
		rest = slice_upto(rest, MILTER_BODY_MAX);
		s->chunk_at += rest.len;
		return said(p, milter_say_body(&p->m, rest, &p->out));
	}
	if (s->is_last) {
		p->place = AT_END;
		return 1;
	}
	link_wait(p, 0);
	session_want(s);
	return 0;
}

static int
at_end(struct part *p)
{
	struct facts f;
	struct milter_macros macros = gather(p->session, &f);

	return said(p, milter_say_end(&p->m, &macros, &p->out));
}

static int
say_message(struct part *p)
{
	static int (*const places[])(struct part *) = {
		[AT_BEGIN] = at_begin,
		[AT_HEADER] = at_header,
		[AT_EOH] = at_eoh,
		[AT_BODY] = at_body,
		[AT_END] = at_end,
	};

	return places[p->place](p);
}

/* -- stages ---------------------------------------------------------------- */

/* Whatever comes before the stage; 0: it is not over yet. */
static int
prepare(struct part *p)
{
	struct session *s = p->session;

	if (!p->is_open) {
		if (s->stage == STAGE_HELO) {
			/* it failed at CONNECT, or its place was needed */
			part_finish(p, HOOK_GO, NULL);
			return 0;
		}
		if (s->stage > STAGE_MAIL && p->was_taken) {
			part_give_up(p);
			return 0;
		}
		if (s->stage > STAGE_MAIL) {
			part_fail(p, "it was lost within the message");
			return 0;
		}
		p->was_taken = false;
		p->said_connect = p->said_helo = p->in_message = false;
		p->has_refused = false;
		milter_init(&p->m);
		link_open(p);
		return 0;
	}
	if (p->is_connecting || p->m.awaits != 0)
		return 0;
	if (!p->m.is_ready)
		return said(p, milter_say_open(&p->m, &p->out));
	if (!p->said_connect)
		return say_client(p);
	if (!p->said_helo && s->stage >= STAGE_HELO && s->helo[0] != '\0' &&
	    !p->has_refused && !p->is_out_of_session)
		return say_helo(p);
	return 2;
}

static int
say_stage(struct part *p)
{
	static int (*const say[])(struct part *) = {
		[STAGE_MAIL] = say_mail,
		[STAGE_RCPT] = say_rcpt,
		[STAGE_DATA] = say_data,
	};
	enum stage stage = p->session->stage;

	if (p->has_refused) {
		refuse(p, &p->refusal);
		return 0;
	}
	if (p->is_out_of_session || stage <= STAGE_HELO || p->said_stage) {
		if (stage <= STAGE_HELO || p->is_out_of_session)
			link_is_idle(p, true);
		part_finish(p, HOOK_GO, NULL);
		return 0;
	}
	if (stage != STAGE_END)
		return say[stage](p);
	return say_message(p);
}

static void
advance(struct part *p)
{
	int r = 1;

	while (r > 0 && p->is_asked) {
		if (p->is_open && p->m.awaits != 0)
			return;
		r = prepare(p);
		if (r == 2)
			r = say_stage(p);
	}
}

static void
on_stage(struct part *p)
{
	struct session *s = p->session;

	p->said_stage = false;
	link_is_idle(p, false); /* or it could be closed while it is asked */
	if (s->stage == STAGE_HELO)
		p->said_helo = false;
	if (s->stage == STAGE_END) {
		p->place = AT_BEGIN;
		p->skips_body = false;
		p->lines = (struct hook_lines){ 0 };
	}
	advance(p);
}

/* The part of the chunk that is behind the header. */
static void
on_chunk(struct part *p)
{
	struct session *s = p->session;

	if (!s->section.is_done) {
		size_t before = s->section.bytes.len;

		if (session_feed_section(s) != HOOK_OK) {
			part_fail(p, "the header is too long for it");
			return;
		}
		if (s->section.is_done)
			s->chunk_at = s->section.len > before
			    ? s->section.len - before
			    : 0;
		else
			s->chunk_at = s->chunk.len;
	}
	advance(p);
}

/* -- the connection -------------------------------------------------------- */

static void
on_input(struct part *p)
{
	struct milter_effect e;
	const char *why;
	uint8_t command;
	size_t n;

	while (p->is_open && !p->is_paused) {
		command = p->m.awaits;
		n = milter_step(&p->m, buf_slice(&p->in), &e);
		if (e.todo == MILTER_BAD) {
			part_fail(p, e.why);
			return;
		}
		if (n == 0)
			return;
		why = NULL;
		if (e.todo == MILTER_EDIT)
			why = on_edit(p, &e);
		/* a refusal's text is in the packet: keep it */
		if (e.todo == MILTER_VERDICT && e.reply.code != 0) {
			keep_refusal(p, &e.reply);
			e.reply = p->refusal;
			p->has_refused = false;
		}
		buf_eat(&p->in, n);
		if (why != NULL) {
			part_fail(p, why);
			return;
		}
		if (e.todo == MILTER_PROGRESS || e.todo == MILTER_EDIT) {
			if (!p->is_paused)
				await(p);
			continue;
		}
		link_wait(p, 0);
		if (e.todo == MILTER_READY)
			advance(p);
		else if (command == 'C' || command == 'H')
			on_client_verdict(p, &e);
		else
			on_message_verdict(p, command, &e);
	}
}

static void
on_more(struct part *p)
{
	if (!p->is_open || !p->is_paused)
		return;
	link_pause(p, false);
	await(p);
	on_input(p);
}

/* Idle ones close when they like; the next MAIL makes another. */
static void
on_ended(struct part *p)
{
	if (p->is_asked)
		part_fail(p, "it closed the connection");
	else
		link_close(p);
}

static void
on_aborted(struct part *p)
{
	if (!p->is_open)
		return;
	if (p->is_connecting || !p->m.is_ready || p->m.awaits != 0 ||
	    p->is_paused) {
		link_close(p); /* an answer that nobody waits for is due */
		return;
	}
	if (p->in_message && milter_say_abort(&p->m, &p->out) != MILTER_GO) {
		link_close(p);
		return;
	}
	p->in_message = false;
	link_flush(p);
	link_is_idle(p, true);
}

const struct part_ops milter_ops = {
	.stage = on_stage,
	.chunk = on_chunk,
	.more = on_more,
	.connected = advance,
	.input = on_input,
	.drained = advance,
	.ended = on_ended,
	.aborted = on_aborted,
};
