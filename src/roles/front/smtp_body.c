/* SPDX-License-Identifier: ISC */
/* The message on its way to the store; smtp_impl.h says how it is divided. */
#include "roles/front/smtp_impl.h"

#include <stdio.h>

#include "mail/date.h"
#include "mail/received.h"
#include "roles/front/local.h"

/* -- transaction and body at the store ------------------------------------- */

void
smtp_forget_body(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_body_drop drop = { .body = x->body };

	if (x->body_is_open && store_of(c) != NULL)
		(void)wire_send_body_drop(store_of(c), c->number, 0, &drop);
	x->body_is_open = false;
	summary_free(x->summary);
	x->summary = NULL;
	buf_reset(&x->gathered, 0);
}

void
smtp_forget_transaction(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	struct wire_txn_drop drop = { .txn = x->txn };

	smtp_filter_forget(c);
	smtp_forget_body(c);
	if (x->txn != 0 && !x->txn_is_lost && store_of(c) != NULL)
		(void)wire_send_txn_drop(store_of(c), c->number, 0, &drop);
	x->txn = 0;
	x->txn_is_lost = false;
}

void
smtp_refuse_body(struct conn *c)
{
	struct verdict v = verdict_trouble();

	smtp_of(c)->body_has_failed = true;
	smtp_server_refuse_body(&smtp_of(c)->s, &v);
	smtp_forget_body(c);
}

static int
send_chunk(struct conn *c, struct slice data)
{
	struct smtp *x = smtp_of(c);
	struct wire_body_chunk chunk = { .body = x->body, .data = data };
	struct wire_body_open open = { .body = x->body,
		.size = x->s.params.size };
	int r = 0;

	if (data.len == 0)
		return 0;
	if (!x->body_is_open)
		r = wire_send_body_open(store_of(c), c->number, 0, &open);
	if (r == 0) {
		x->body_is_open = true;
		r = wire_send_body_chunk(store_of(c), c->number, 0, &chunk);
	}
	x->credit -= data.len < x->credit ? data.len : x->credit;
	return r;
}

int
smtp_send_gathered(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	int r = send_chunk(c, buf_slice(&x->gathered));

	buf_reset(&x->gathered, SMTP_GATHER);
	return r;
}

/* Bytes of the stored message, in order. */
void
smtp_emit(struct conn *c, struct slice part)
{
	struct smtp *x = smtp_of(c);
	int r;

	if (x->body_has_failed)
		return;
	x->stored += part.len;
	if (x->summary != NULL)
		summary_feed(x->summary, part);
	if (part.len <= SMTP_GATHER - x->gathered.len) {
		r = buf_add(&x->gathered, part);
	} else {
		r = smtp_send_gathered(c);
		if (r == 0)
			r = send_chunk(c, part);
	}
	if (r != 0)
		smtp_refuse_body(c);
}

/* -- the message ----------------------------------------------------------- */

static void
emit_trace(struct conn *c, int64_t wall_us)
{
	struct smtp *x = smtp_of(c);
	char id[ID_TEXT + 1], lists[ORIGIN_TAG];
	struct slice tag;
	struct received received = { .helo = slice_cstr(x->s.helo),
		.client = slice_cstr(c->peer_text),
		.rdns = origin_rdns(c),
		.by = slice_cstr(conn_front(c)->hostname),
		.protocol = slice_cstr(smtp_server_protocol(&x->s)),
		.tls = slice_cstr(conn_tls_text(c)),
		.id = slice_of(id, ID_TEXT),
		.wall_us = wall_us };
	struct buf trace;

	id_print(&x->id, id);
	if (x->s.n_rcpts == 1)
		received.rcpt = slice_cstr(x->s.first_rcpt);
	buf_init(&trace, RECEIVED_MAX + LIMIT_ADDRESS + ORIGIN_TAG + 64);
	/* RFC 5321 4.4; these bytes stay at home: relaying begins behind. */
	if (buf_printf(&trace, "Return-Path: <%s>\r\n", x->s.sender) != BUF_OK)
		smtp_refuse_body(c);
	x->relay_from = (uint32_t)trace.len;
	if (received_print(&received, &trace) != BUF_OK)
		smtp_refuse_body(c);
	tag = origin_tag(c, lists);
	if (tag.len > 0 &&
	    buf_printf(&trace, "X-Ulak-Lists: %.*s\r\n", SLICE_FMT(tag)) !=
		BUF_OK)
		smtp_refuse_body(c);
	x->trace_len = (uint32_t)trace.len;
	smtp_emit(c, buf_slice(&trace));
	buf_deinit(&trace);
}

/* RFC 6409, 8.1 and 8.2 */
static void
offer_fields(struct conn *c, int64_t wall_us)
{
	struct smtp *x = smtp_of(c);
	char date[DATE_RFC5322 + 16], text[DATE_RFC5322];
	char message_id[SMTP_TRACE_FIELD_MAX], id[ID_TEXT + 1];

	date_print(wall_us, 0, text);
	id_print(&x->id, id);
	(void)snprintf(date, sizeof(date), "Date: %s\r\n", text);
	(void)snprintf(message_id, sizeof(message_id),
	    "Message-ID: <%s@%s>\r\n", id, conn_front(c)->hostname);
	smtp_trace_add_if_missing(&x->s.trace, slice_cstr(date),
	    slice_cstr(message_id));
}

void
smtp_do_begin(struct conn *c)
{
	struct front *f = conn_front(c);
	struct smtp *x = smtp_of(c);
	int64_t wall_us = env_wall(f->env);
	char id[ID_TEXT + 1];

	conn_set_idle(c, f->settings->smtp_data_idle);
	x->body_since = env_now(f->env);
	if (!local_take_id(c, &x->id))
		id_make(&f->ids, wall_us, env_random_u64(f->env), &x->id);
	id_print(&x->id, id);
	(void)slice_to_cstr(slice_of(id, ID_TEXT), x->s.id, sizeof(x->s.id));
	x->body = ++f->next_body;
	x->body_is_open = x->body_has_failed = false;
	x->credit = LIMIT_CREDIT;
	x->stored = 0;
	x->summary = summary_begin(); /* NULL is an empty one */
	if (x->txn_is_lost || f->store == NULL) {
		smtp_refuse_body(c);
		return;
	}
	emit_trace(c, wall_us);
	if (f->kind != WIRE_MX)
		offer_fields(c, wall_us);
}

void
smtp_do_body(struct conn *c, struct slice body)
{
	struct slice part;

	while (smtp_server_body_part(&smtp_of(c)->s, &body, &part))
		smtp_emit(c, part);
}

void
smtp_on_body_credit(struct conn *c, const struct wire_body_credit *m)
{
	struct smtp *x = smtp_of(c);

	if (smtp_filter_credit(c, m) || m->body != x->body)
		return;
	x->credit += m->bytes;
	smtp_unstall(c);
}

void
smtp_on_body_refused(struct conn *c, const struct wire_body_refused *m)
{
	struct smtp *x = smtp_of(c);
	struct verdict v = verdict_of(&m->verdict);

	if (smtp_filter_body_refused(c, m) || m->body != x->body ||
	    !smtp_server_has_body(&x->s))
		return;
	x->body_has_failed = true;
	smtp_server_refuse_body(&x->s, &v);
	smtp_forget_body(c);
	smtp_unstall(c);
}
