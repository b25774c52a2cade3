/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/attempt_body - the body of an attempt
 *
 * A small one comes with the attempt; others are read from the store in chunks,
 * a little ahead of what the mail host takes. Up to a chunk stays whole in
 * memory for the next host; what is larger is read once more. The lease is
 * looked at just before the final dot.
 */
#include "roles/courier/attempt.h"

#include <errno.h>

#include "base/err.h"

/* Small bodies stay whole in memory, for the next host if this one fails. */
static bool
is_kept_whole(const struct attempt *a)
{
	return a->size <= LIMIT_CHUNK;
}

void
attempt_want_body(struct attempt *a)
{
	struct courier *c = a->courier;

	while (c->store != NULL && a->body_asked < a->size &&
	    a->body.len - a->body_at + (a->body_asked - a->body_got) <
		ATTEMPT_AHEAD) {
		uint64_t left = a->size - a->body_asked;
		struct wire_attempt_read m = { .offset = a->body_asked,
			.length = left < LIMIT_CHUNK ? left : LIMIT_CHUNK };

		if (wire_send_attempt_read(c->store, a->number, a->body_ticket,
			&m) != 0)
			return;
		a->body_asked += m.length;
	}
}

int
attempt_take_body(struct attempt *a, struct slice body)
{
	if (body.len == 0)
		return 0; /* it is asked for */
	if (body.len != a->size || buf_add(&a->body, body) != BUF_OK)
		return ERR_ORIGIN(-EBADMSG);
	a->body_asked = a->body_got = a->size;
	return 0;
}

void
attempt_reread_body(struct attempt *a)
{
	a->body_at = 0;
	if (is_kept_whole(a) && a->body_asked == a->size)
		return;
	a->body_ticket = courier_ticket(a->courier);
	a->body_asked = a->body_got = 0;
	buf_reset(&a->body, 0);
}

void
attempt_rewind_body(struct attempt *a)
{
	if (a->convert_state != CONVERT_STATE_DONE)
		attempt_drop_convert(a);
	attempt_reread_body(a);
}

void
attempt_on_data(struct attempt *a, uint32_t ticket,
    const struct wire_attempt_data *m)
{
	if (ticket != a->body_ticket)
		return;
	if (m->verdict.code >= 400 || m->data.len == 0 ||
	    m->data.len > a->body_asked - a->body_got ||
	    buf_add(&a->body, m->data) != BUF_OK) {
		attempt_note(a, "! the store cannot read the message");
		attempt_finish_all(a,
		    VERDICT(451, 4, 3, 0, "the message cannot be read now"));
		return;
	}
	a->body_got += m->data.len;
	if (a->carrier != NULL)
		carrier_go_on(a->carrier);
}

void
attempt_forget_body(struct attempt *a)
{
	if (is_kept_whole(a))
		return;
	buf_eat(&a->body, a->body_at);
	a->body_at = 0;
}

/* Returns how much of the bytes was taken: by the client, or to be converted.
 */
static size_t
give(struct attempt *a, struct smtp_client *client, struct slice bytes)
{
	size_t n;

	if (!client->mail.is_converted)
		return smtp_client_body(client, bytes);
	while (a->converted.len > 0 && client->phase == SMTP_PHASE_BODY) {
		n = smtp_client_body(client, buf_slice(&a->converted));
		if (n == 0)
			return 0;
		buf_eat(&a->converted, n);
	}
	return convert_write(a->convert, bytes, &a->converted);
}

bool
attempt_give_body(struct attempt *a, struct smtp_client *client)
{
	bool is_open = env_now(a->courier->env) < a->lease_end;
	size_t n;

	/* the last octet of a chunk of known size is as good as a dot */
	if (smtp_client_ends_itself(client) && !is_open)
		return false;
	while (client->phase == SMTP_PHASE_BODY &&
	    (a->body_at < a->body.len || a->converted.len > 0)) {
		n = give(a, client,
		    slice_from(buf_slice(&a->body), a->body_at));
		if (n == 0)
			break;
		a->body_at += n;
	}
	attempt_forget_body(a);
	if (client->phase != SMTP_PHASE_BODY)
		return true;
	if (a->body_got < a->size || a->body_at < a->body.len ||
	    a->converted.len > 0) {
		attempt_want_body(a);
		return true;
	}
	/* The point of no return: behind the dot the message is the remote's.
	 * Without the lease somebody else may be sending it already. */
	if (!is_open)
		return false;
	smtp_client_end(client);
	return true;
}
