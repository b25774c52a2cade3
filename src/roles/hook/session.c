/* SPDX-License-Identifier: ISC */
/*
 * roles/hook/session - one client of a front, before its filters in turn
 *
 * A question goes from part to part; the first that refuses or discards ends
 * it. At the end of a message each part pulls the whole of it through the
 * front; when one has changed it, the front rebuilds it (HOOK_REWRITE) before
 * the next part looks. A message is never here whole: one chunk, and the
 * header section, which LIMIT_HEADER bounds and the role's purse pays for.
 */
#include <stdlib.h>
#include <string.h>

#include "roles/hook/hook_role.h"
#include "smtp/reply.h"

enum {
	TXN_ARENA = 2 * 1024 * 1024,
	RCPTS_FIRST = 16,
	EDITS_MAX = LIMIT_HOOK_EDITS * (LIMIT_ADDRESS + 8),
	/* two chunks here and two in a link's buffers; three copies of a header
	 * while it is edited */
	MESSAGE_COST = 4 * LIMIT_CHUNK,
	HEADER_COPIES = 3
};

static void go(struct session *s);

/* -- life ------------------------------------------------------------------ */

struct session *
session_new(struct peer *p, uint64_t number, unsigned service)
{
	struct hook_role *r = p->role;
	struct session *s;
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_filters; i++)
		n += settings_hook_is_of(r->filters[i].s, service);
	s = calloc(1, sizeof(*s) + n * sizeof(s->parts[0]));
	if (s == NULL)
		return NULL;
	s->peer = p;
	s->role = r;
	s->number = number;
	s->service = (uint8_t)service;
	s->stage = STAGE_NONE;
	arena_init(&s->arena, TXN_ARENA);
	buf_init(&s->chunk, LIMIT_CHUNK);
	buf_init(&s->body, LIMIT_CHUNK);
	buf_init(&s->printed, LIMIT_HEADER + 2);
	buf_init(&s->edits, EDITS_MAX);
	hook_section_init(&s->section);
	for (unsigned i = 0; i < r->n_filters; i++) {
		struct part *part = &s->parts[s->n_parts];

		if (!settings_hook_is_of(r->filters[i].s, service))
			continue;
		part->session = s;
		part->filter = &r->filters[i];
		list_init(&part->wait_link);
		s->n_parts++;
	}
	if (map_put_number(&p->sessions, number, s) != 0) {
		free(s);
		return NULL;
	}
	return s;
}

/* What the message needed. */
static void
forget_message(struct session *s)
{
	if (s->header.size > 0)
		hook_header_deinit(&s->header);
	memset(&s->header, 0, sizeof(s->header));
	hook_section_deinit(&s->section);
	hook_section_init(&s->section);
	buf_reset(&s->chunk, 0);
	buf_reset(&s->body, 0);
	buf_reset(&s->printed, 0);
	buf_reset(&s->edits, 0);
	s->n_edits = 0;
	s->quarantine[0] = '\0';
	s->wants = s->is_rewriting = s->has_said_rewrite = false;
	s->n_due = 0;
	charge_release(&s->charge);
}

void
session_free(struct session *s)
{
	s->stage = STAGE_NONE;
	for (unsigned i = 0; i < s->n_parts; i++) {
		struct part *p = &s->parts[i];

		p->is_asked = false;
		if (p->filter->ops == &milter_ops && p->is_open &&
		    p->m.is_ready && !p->m.is_bad)
			(void)milter_say_quit(&p->m, &p->out);
		link_close(p);
		buf_deinit(&p->reply);
	}
	forget_message(s);
	hook_section_deinit(&s->section);
	buf_deinit(&s->chunk);
	buf_deinit(&s->body);
	buf_deinit(&s->printed);
	buf_deinit(&s->edits);
	arena_reset(&s->arena);
	(void)map_take_number(&s->peer->sessions, s->number);
	free(s);
}

/* -- questions ------------------------------------------------------------- */

static void
answer(struct session *s, unsigned action, const struct verdict *v)
{
	struct wire_hook_answer m = { .action = (uint8_t)action,
		.quarantine = slice_cstr(s->quarantine),
		.edits = { .raw = buf_slice(&s->edits), .n = s->n_edits } };

	if (v != NULL)
		m.verdict = (struct wire_verdict){ v->code, v->esc.class,
			v->esc.subject, v->esc.detail,
			slice_upto(v->text, LIMIT_SMTP_REPLY_LINE) };
	(void)wire_send_hook_answer(&s->peer->c, s->number, s->ticket, &m);
	if (s->stage == STAGE_END)
		forget_message(s);
	s->stage = STAGE_NONE;
}

/* One part after the other begins; it comes back through part_finish. */
static void
go(struct session *s)
{
	struct part *p;

	if (s->is_discarded && s->stage == STAGE_END) {
		answer(s, HOOK_DISCARD, NULL);
		return;
	}
	if (s->is_discarded || s->at == s->n_parts) {
		answer(s, HOOK_GO, NULL);
		return;
	}
	p = &s->parts[s->at];
	p->is_asked = true;
	if (p->is_out_of_session || p->is_out_of_message) {
		part_finish(p, HOOK_GO, NULL);
		return;
	}
	if (s->stage == STAGE_END) {
		hook_section_deinit(&s->section);
		hook_section_init(&s->section);
		buf_reset(&s->chunk, LIMIT_CHUNK);
		buf_reset(&s->body, 0);
		s->has_sent_body = s->is_rewriting = s->has_said_rewrite =
		    false;
		s->chunk_at = 0;
		s->offset = 0;
		s->wants = s->is_last = false;
		p->has_header = p->has_body = false;
		s->n_edits_before = s->n_edits;
		s->edits_before = s->edits.len;
		charge_release(&s->charge);
		if (!charge_take(&s->charge, &s->role->memory, MESSAGE_COST)) {
			part_fail(p, "out of the role's memory");
			return;
		}
	}
	p->filter->ops->stage(p);
}

void
session_ask(struct session *s, enum stage stage, uint32_t ticket)
{
	s->stage = (uint8_t)stage;
	s->ticket = ticket;
	s->until = env_now(s->role->env) + s->role->question_time;
	s->at = 0;
	if (stage == STAGE_MAIL) {
		s->is_discarded = false;
		for (unsigned i = 0; i < s->n_parts; i++)
			s->parts[i].is_out_of_message = false;
	}
	go(s);
}

void
session_abort(struct session *s)
{
	s->stage = STAGE_NONE;
	for (unsigned i = 0; i < s->n_parts; i++) {
		s->parts[i].is_asked = false;
		if (s->parts[i].filter->ops->aborted != NULL)
			s->parts[i].filter->ops->aborted(&s->parts[i]);
	}
	forget_message(s);
}

int
session_add_rcpt(struct session *s, struct slice rcpt, struct slice params)
{
	if (s->n_rcpts == s->rcpts_size) {
		size_t size =
		    s->rcpts_size == 0 ? RCPTS_FIRST : 2 * s->rcpts_size;
		struct slice *more =
		    arena_array(&s->arena, size, sizeof(*more));

		if (more == NULL)
			return -1;
		if (s->n_rcpts > 0)
			memcpy(more, s->rcpts, s->n_rcpts * sizeof(*more));
		s->rcpts = more;
		s->rcpts_size = size;
	}
	if (!arena_copy(&s->arena, rcpt, &s->rcpt) ||
	    !arena_copy(&s->arena, params, &s->rcpt_params))
		return -1;
	s->rcpts[s->n_rcpts++] = s->rcpt;
	return 0;
}

/* -- the message ----------------------------------------------------------- */

void
session_want(struct session *s)
{
	const struct wire_hook_want m = { .offset = s->offset };

	if (s->wants || s->is_last)
		return;
	buf_reset(&s->chunk, LIMIT_CHUNK);
	s->chunk_at = 0;
	s->wants = true;
	(void)wire_send_hook_want(&s->peer->c, s->number, s->ticket, &m);
}

int
session_chunk(struct session *s, const struct wire_hook_chunk *m)
{
	struct part *p;

	if (s->stage != STAGE_END || !s->wants || m->offset != s->offset)
		return 0; /* to a part that has failed meanwhile */
	if (buf_add(&s->chunk, m->data) != BUF_OK)
		return -1;
	s->wants = false;
	s->is_last = m->last;
	s->offset += m->data.len;
	p = &s->parts[s->at];
	p->filter->ops->chunk(p);
	return 0;
}

int
session_feed_section(struct session *s)
{
	int r;

	if (s->section.is_done)
		return HOOK_OK;
	r = hook_section_feed(&s->section, buf_slice(&s->chunk), s->is_last);
	if (r == HOOK_OK &&
	    !charge_change(&s->charge,
		MESSAGE_COST + HEADER_COPIES * s->section.bytes.len))
		r = HOOK_E_FULL;
	return r;
}

int
session_need_header(struct part *p)
{
	struct session *s = p->session;
	int r;

	if (p->has_header)
		return HOOK_OK;
	if (s->header.size > 0)
		hook_header_deinit(&s->header);
	r = hook_header_init(&s->header,
	    slice_upto(buf_slice(&s->section.bytes), s->section.fields));
	p->has_header = r == HOOK_OK;
	return r;
}

bool
session_edit(struct session *s, unsigned what, struct slice address)
{
	struct wire_hook_edit row = { .what = (uint8_t)what,
		.address = address };

	if (s->n_edits >= LIMIT_HOOK_EDITS || address.len > LIMIT_ADDRESS ||
	    wire_hook_edit_add(&s->edits, &row) != 0)
		return false;
	s->n_edits++;
	return true;
}

void
session_quarantine(struct session *s, struct slice why)
{
	size_t n = 0;

	/* one line of printable text, cut to its place */
	for (size_t i = 0; i < why.len && n < sizeof(s->quarantine) - 1; i++)
		s->quarantine[n++] =
		    ascii_is_print(why.at[i]) ? (char)why.at[i] : ' ';
	s->quarantine[n] = '\0';
	if (n == 0)
		(void)memcpy(s->quarantine, "filter", sizeof("filter"));
}

static void
send_body(struct session *s)
{
	struct wire_hook_body m = { .data = buf_slice(&s->body),
		.first = !s->has_sent_body };

	s->has_sent_body = true;
	s->n_due++;
	(void)wire_send_hook_body(&s->peer->c, s->number, s->ticket, &m);
	buf_reset(&s->body, LIMIT_CHUNK);
}

/* Filters send lines or chunks, as they like; the front gets chunks. */
enum session_body
session_body(struct part *p, struct slice data)
{
	struct session *s = p->session;
	bool is_full = data.len > LIMIT_CHUNK - s->body.len;

	if (!hook_lines_check(&p->lines, data))
		return SESSION_BAD;
	p->has_body = true;
	if (is_full)
		send_body(s);
	return buf_add(&s->body, data) != BUF_OK ? SESSION_BAD
	    : is_full                            ? SESSION_SENT
						 : SESSION_KEPT;
}

/* -- a rewrite ------------------------------------------------------------- */

static void
send_header(struct session *s)
{
	struct slice rest = buf_slice(&s->printed);
	struct wire_hook_header m = { .data = slice_upto(rest, LIMIT_CHUNK) };

	m.last = m.data.len == rest.len;
	s->has_sent_header = m.last;
	(void)wire_send_hook_header(&s->peer->c, s->number, s->ticket, &m);
	buf_eat(&s->printed, m.data.len);
	if (!m.last)
		s->n_due++;
}

static void
rewrite(struct part *p)
{
	struct session *s = p->session;
	struct wire_hook_rewrite m = { .replaces = s->section.len,
		.has_body = p->has_body };
	int r;

	if (s->body.len > 0 || (p->has_body && !s->has_sent_body)) {
		s->is_rewriting = true;
		send_body(s);
		return; /* comes back with session_more */
	}
	r = session_need_header(p);
	if (r == HOOK_OK)
		r = hook_header_print(&s->header, &s->printed);
	/* An empty line stands where one stood; another body needs one. */
	if (r == HOOK_OK &&
	    (s->section.len > s->section.fields || p->has_body) &&
	    buf_add(&s->printed, SLICE("\r\n")) != BUF_OK)
		r = HOOK_E_FULL;
	if (r != HOOK_OK) {
		buf_reset(&s->printed, 0);
		p->is_asked = true;
		part_fail(p, "its edits are too much");
		return;
	}
	s->is_rewriting = s->has_said_rewrite = true;
	s->has_sent_header = false;
	s->n_due++;
	(void)wire_send_hook_rewrite(&s->peer->c, s->number, s->ticket, &m);
}

void
session_more(struct session *s)
{
	struct part *p;

	if (s->n_due == 0 || --s->n_due > 0 || s->stage != STAGE_END)
		return;
	p = &s->parts[s->at];
	if (s->is_rewriting && !s->has_said_rewrite)
		rewrite(p);
	else if (s->is_rewriting && !s->has_sent_header)
		send_header(s);
	else if (!s->is_rewriting && p->filter->ops->more != NULL)
		p->filter->ops->more(p);
}

void
session_rebuilt(struct session *s, uint64_t size)
{
	if (s->stage != STAGE_END || !s->is_rewriting)
		return;
	s->size = size;
	s->is_rewriting = s->has_said_rewrite = false;
	buf_reset(&s->printed, 0);
	s->at++;
	go(s);
}

/* -- the end of a part ----------------------------------------------------- */

void
part_finish(struct part *p, unsigned action, const struct verdict *v)
{
	struct session *s = p->session;

	if (!p->is_asked)
		return;
	p->is_asked = false;
	link_wait(p, 0);
	if (action == HOOK_REFUSE) {
		bool begins = s->stage == STAGE_MAIL;

		s->n_edits = 0;
		buf_reset(&s->edits, 0);
		answer(s, HOOK_REFUSE, v);
		if (begins) /* no transaction: their connections are free */
			session_abort(s);
		return;
	}
	if (action == HOOK_DISCARD) {
		s->is_discarded = true;
	} else if (s->stage == STAGE_END &&
	    ((p->has_header && s->header.is_changed) || p->has_body)) {
		if (p->has_body && !hook_lines_end(&p->lines)) {
			p->is_asked = true;
			part_fail(p, "its body ends within a line");
		} else {
			rewrite(p);
		}
		return;
	}
	s->at++;
	go(s);
}

void
part_fail(struct part *p, const char *why)
{
	filter_failed(p->filter, why);
	part_give_up(p);
}

void
part_give_up(struct part *p)
{
	struct session *s = p->session;
	const struct verdict later = smtp_say(SMTP_SAY_FILTER_LATER);

	link_close(p);
	p->has_header = p->has_body = false;
	if (!p->is_asked)
		return;
	if (s->stage == STAGE_END) {
		/* none of its edits */
		s->n_edits = s->n_edits_before;
		s->edits.len = s->edits_before;
	}
	if (s->stage <= STAGE_HELO) {
		part_finish(p, HOOK_GO, NULL); /* tried again at MAIL */
	} else if (p->filter->s->accepts_on_failure) {
		p->is_out_of_message = true;
		part_finish(p, HOOK_GO, NULL);
	} else {
		part_finish(p, HOOK_REFUSE, &later);
	}
}
