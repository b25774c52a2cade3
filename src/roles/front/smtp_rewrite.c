/* SPDX-License-Identifier: ISC */
/*
 * roles/front/smtp_rewrite - a message goes to the filters, and comes back
 *
 * The hook wants the message from an offset on: a piece is asked of the store
 * and handed over. When a filter has changed it: a new body is begun, our trace
 * fields are copied to it, the header comes from the hook, and the rest is
 * copied from the old body or from the one that the filter sent, each piece as
 * soon as the store has credit. Then the old one is dropped.
 */
#include <string.h>

#include "roles/front/smtp_impl.h"

enum {
	PIECES_MANY = 4 * 1024 * 1024,
	PIECE_SMALL = 4096
};

static void go_on(struct conn *c);

static struct smtp_filter *
filter_of(struct conn *c)
{
	return &smtp_of(c)->filter;
}

static bool
is_at_end(struct conn *c, uint32_t ticket)
{
	const struct smtp_filter *f = filter_of(c);

	return f->asks == SMTP_FILTER_END && f->ticket == ticket &&
	    store_of(c) != NULL && conn_front(c)->hook != NULL;
}

static void
say_more(struct conn *c)
{
	const struct wire_hook_more m = { 0 };

	(void)wire_send_hook_more(conn_front(c)->hook, c->number,
	    filter_of(c)->ticket, &m);
}

/* A piece has come, or will not. */
static void
forget_piece(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);

	conn_front(c)->pieces_due -= f->piece_len;
	f->piece_len = 0;
	f->piece_ticket = 0;
}

/* Many that are asked for at once are small, or their answers would fill the
 * channel. */
static void
ask_piece(struct conn *c, uint64_t body, uint64_t offset, uint64_t len)
{
	struct smtp_filter *f = filter_of(c);
	uint32_t most =
	    conn_front(c)->pieces_due < PIECES_MANY ? LIMIT_CHUNK : PIECE_SMALL;
	struct wire_body_piece m = { .body = body,
		.offset = offset,
		.length = len < most ? (uint32_t)len : most };

	f->piece_len = m.length;
	conn_front(c)->pieces_due += m.length;
	f->piece_ticket = front_ticket(conn_front(c));
	if (wire_send_body_piece(store_of(c), c->number, f->piece_ticket, &m) !=
	    0)
		smtp_filter_trouble(c);
}

static void
drop_body(struct conn *c, uint64_t *body)
{
	const struct wire_body_drop m = { .body = *body };

	if (*body != 0 && store_of(c) != NULL)
		(void)wire_send_body_drop(store_of(c), c->number, 0, &m);
	*body = 0;
}

void
smtp_rewrite_forget(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);

	drop_body(c, &f->scratch);
	drop_body(c, &f->old);
	f->copy = SMTP_COPY_NONE;
	buf_reset(&f->held, 0);
	forget_piece(c);
}

/* -- to the hook ----------------------------------------------------------- */

void
smtp_on_hook_want(struct conn *c, uint32_t ticket,
    const struct wire_hook_want *m)
{
	struct smtp *x = smtp_of(c);

	if (!is_at_end(c, ticket) || x->filter.copy != SMTP_COPY_NONE)
		return;
	x->filter.wants = m->offset;
	ask_piece(c, x->body, x->trace_len + m->offset, LIMIT_CHUNK);
}

static void
hand_over(struct conn *c, struct slice data)
{
	struct smtp *x = smtp_of(c);
	struct wire_hook_chunk m = { .offset = x->filter.wants, .data = data };

	m.last = x->trace_len + m.offset + data.len >= x->stored;
	(void)wire_send_hook_chunk(conn_front(c)->hook, c->number,
	    x->filter.ticket, &m);
}

/* -- another body, before it is clear what stands above it -------------------
 */

static int
open_scratch(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);
	struct wire_body_open m;

	drop_body(c, &f->scratch);
	f->scratch = ++conn_front(c)->next_body;
	f->scratch_len = 0;
	f->scratch_credit = LIMIT_CREDIT;
	m = (struct wire_body_open){ .body = f->scratch };
	return wire_send_body_open(store_of(c), c->number, 0, &m);
}

/* With credit, what is held goes on and the hook may send more. */
static void
pass_held(struct conn *c)
{
	struct smtp_filter *f = filter_of(c);
	const struct wire_body_chunk m = { .body = f->scratch,
		.data = buf_slice(&f->held) };

	if (f->held.len == 0 || f->scratch_credit < f->held.len)
		return;
	f->scratch_credit -= f->held.len;
	f->scratch_len += f->held.len;
	if (wire_send_body_chunk(store_of(c), c->number, 0, &m) != 0) {
		smtp_filter_trouble(c);
		return;
	}
	buf_reset(&f->held, 0);
	say_more(c);
}

void
smtp_on_hook_body(struct conn *c, uint32_t ticket,
    const struct wire_hook_body *m)
{
	struct smtp_filter *f = filter_of(c);

	if (!is_at_end(c, ticket) || f->copy != SMTP_COPY_NONE ||
	    f->held.len > 0)
		return;
	if ((m->first && open_scratch(c) != 0) || f->scratch == 0 ||
	    buf_add(&f->held, m->data) != BUF_OK) {
		smtp_filter_trouble(c);
		return;
	}
	if (m->data.len == 0)
		say_more(c); /* a body of nothing */
	pass_held(c);
}

/* -- the message anew ------------------------------------------------------ */

static int
begin_new(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	drop_body(c, &x->filter.old);
	x->filter.old = x->body;
	x->body = ++conn_front(c)->next_body;
	x->body_is_open = false;
	x->credit = LIMIT_CREDIT;
	x->stored = 0;
	buf_reset(&x->gathered, SMTP_GATHER);
	summary_free(x->summary);
	x->summary = summary_begin();
	return 0;
}

void
smtp_on_hook_rewrite(struct conn *c, uint32_t ticket,
    const struct wire_hook_rewrite *m)
{
	struct smtp *x = smtp_of(c);
	struct smtp_filter *f = &x->filter;
	uint64_t size = x->stored;

	if (!is_at_end(c, ticket) || f->copy != SMTP_COPY_NONE)
		return;
	if (m->replaces > size - x->trace_len ||
	    (m->has_body && f->scratch == 0)) {
		smtp_filter_trouble(c);
		return;
	}
	(void)begin_new(c);
	f->source = m->has_body ? f->scratch : f->old;
	f->at = m->has_body ? 0 : x->trace_len + m->replaces;
	f->until = m->has_body ? f->scratch_len : size;
	f->lines = (struct hook_lines){ 0 };
	f->is_last_header = false;
	f->copy = SMTP_COPY_TRACE;
	ask_piece(c, f->old, 0, x->trace_len);
}

/* What the hook says is written like anything from outside: in whole lines. */
void
smtp_on_hook_header(struct conn *c, uint32_t ticket,
    const struct wire_hook_header *m)
{
	struct smtp_filter *f = filter_of(c);

	if (!is_at_end(c, ticket) || f->copy != SMTP_COPY_HEADER ||
	    f->is_last_header)
		return;
	if (!hook_lines_check(&f->lines, m->data)) {
		smtp_filter_trouble(c);
		return;
	}
	smtp_emit(c, m->data);
	f->is_last_header = m->last;
	go_on(c);
}

static void
finish(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct smtp_filter *f = &x->filter;
	struct wire_hook_rebuilt m;

	f->copy = SMTP_COPY_NONE;
	drop_body(c, &f->old);
	drop_body(c, &f->scratch);
	if (smtp_send_gathered(c) != 0) {
		smtp_filter_trouble(c);
		return;
	}
	if (f->asks != SMTP_FILTER_END) { /* of ours: smtp_rewrite_sender */
		smtp_filter_next_edit(c);
		return;
	}
	m = (struct wire_hook_rebuilt){ .size = x->stored - x->trace_len };
	(void)wire_send_hook_rebuilt(conn_front(c)->hook, c->number, f->ticket,
	    &m);
}

/* The next step of a rewrite, when the store has room for one more piece. */
static void
go_on(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct smtp_filter *f = &x->filter;

	if (x->body_has_failed) {
		smtp_filter_trouble(c);
		return;
	}
	if (x->credit < SMTP_GATHER + LIMIT_CHUNK)
		return;
	if (f->copy == SMTP_COPY_HEADER && f->is_last_header)
		f->copy = SMTP_COPY_REST;
	if (f->copy == SMTP_COPY_HEADER)
		say_more(c);
	else if (f->copy == SMTP_COPY_REST && f->at < f->until)
		ask_piece(c, f->source, f->at, f->until - f->at);
	else if (f->copy == SMTP_COPY_REST)
		finish(c);
}

/* The body has another sender's name on it: Return-Path (RFC 5321, 4.4). */
void
smtp_rewrite_sender(struct conn *c, struct slice sender)
{
	struct smtp *x = smtp_of(c);
	struct smtp_filter *f = &x->filter;
	uint32_t was = x->relay_from;
	uint64_t size = x->stored;
	struct buf path;

	(void)slice_to_cstr(sender, x->s.sender, sizeof(x->s.sender));
	(void)begin_new(c);
	buf_init(&path, LIMIT_ADDRESS + 32);
	if (buf_printf(&path, "Return-Path: <%s>\r\n", x->s.sender) != BUF_OK) {
		buf_deinit(&path);
		smtp_filter_trouble(c);
		return;
	}
	x->relay_from = (uint32_t)path.len;
	x->trace_len = x->trace_len - was + x->relay_from;
	smtp_emit(c, buf_slice(&path));
	buf_deinit(&path);
	f->source = f->old;
	f->at = was;
	f->until = size;
	f->copy = SMTP_COPY_REST;
	go_on(c);
}

static bool
has_8bit(struct slice s)
{
	return !slice_is_ascii(s);
}

void
smtp_on_body_piece_data(struct conn *c, uint32_t ticket,
    const struct wire_body_piece_data *m)
{
	struct smtp *x = smtp_of(c);
	struct smtp_filter *f = &x->filter;

	if (ticket == 0 || ticket != f->piece_ticket ||
	    x->s.state != SMTP_WAIT_COMMIT)
		return;
	forget_piece(c);
	if (m->verdict.code != 250 ||
	    (f->copy != SMTP_COPY_NONE && m->data.len == 0)) {
		smtp_filter_trouble(c);
		return;
	}
	if (f->copy == SMTP_COPY_NONE) {
		if (f->asks == SMTP_FILTER_END && conn_front(c)->hook != NULL)
			hand_over(c, m->data);
		return;
	}
	if (has_8bit(m->data))
		f->is_8bit = true;
	smtp_emit(c, m->data);
	if (f->copy == SMTP_COPY_TRACE)
		f->copy = SMTP_COPY_HEADER;
	else
		f->at += m->data.len;
	go_on(c);
}

/* -- credit and refusals --------------------------------------------------- */

bool
smtp_filter_credit(struct conn *c, const struct wire_body_credit *m)
{
	struct smtp *x = smtp_of(c);
	struct smtp_filter *f = &x->filter;

	if (x->s.state != SMTP_WAIT_COMMIT)
		return false;
	if (m->body == f->scratch && f->scratch != 0) {
		f->scratch_credit += m->bytes;
		pass_held(c);
		return true;
	}
	if (m->body != x->body || f->copy == SMTP_COPY_NONE)
		return false;
	x->credit += m->bytes;
	/* a step is at work when a piece is on its way or the hook's turn */
	if (x->credit - m->bytes < SMTP_GATHER + LIMIT_CHUNK &&
	    f->piece_ticket == 0)
		go_on(c);
	return true;
}

static void
log_body_refused(struct conn *c, const struct verdict *v)
{
	char id[ID_TEXT + 1];

	id_print(&smtp_of(c)->id, id);
	env_log(conn_front(c)->env, ENV_WARN, "filter-edit-refused",
	    "id=%s code=%u what=body", id, v->code);
}

bool
smtp_filter_body_refused(struct conn *c, const struct wire_body_refused *m)
{
	struct smtp *x = smtp_of(c);
	struct verdict v = verdict_of(&m->verdict);

	if (x->s.state != SMTP_WAIT_COMMIT ||
	    (m->body != x->body && m->body != x->filter.scratch) ||
	    (x->filter.asks == SMTP_FILTER_NONE &&
		x->filter.copy == SMTP_COPY_NONE))
		return false;
	/* what the client sent was not too big: the filter's body is */
	if (m->body == x->filter.scratch && verdict_is_permanent(&v)) {
		log_body_refused(c, &v);
		v = smtp_say(SMTP_SAY_FILTER_LATER);
	}
	x->filter.asks = SMTP_FILTER_NONE;
	smtp_log_mail(c, &v);
	smtp_answer(c, v);
	smtp_go_on(c);
	return true;
}
