/* SPDX-License-Identifier: ISC */
/*
 * roles/front/handlers - answers of other roles find their conn
 *
 * One function a message. The number in the head is ours; the answer to a
 * client that has left is dropped, except a HANDLE, which is given back.
 */
#include <stddef.h>
#include <string.h>

#include "roles/front/conn.h"
#include "roles/front/origin.h"

/* An answer that needs its ticket, and one that does not. */
#define WITH_TICKET(message)                                                   \
	static int on_##message(struct channel *ch, const struct wire_head *h, \
	    const struct wire_##message *m)                                    \
	{                                                                      \
		struct conn *c = conn_find(ch->ctx, h->session);               \
                                                                               \
		if (c != NULL && c->proto->message != NULL)                    \
			c->proto->message(c, h->ticket, m);                    \
		return 0;                                                      \
	}
#define WITHOUT_TICKET(message)                                                \
	static int on_##message(struct channel *ch, const struct wire_head *h, \
	    const struct wire_##message *m)                                    \
	{                                                                      \
		struct conn *c = conn_find(ch->ctx, h->session);               \
                                                                               \
		if (c != NULL && c->proto->message != NULL)                    \
			c->proto->message(c, m);                               \
		return 0;                                                      \
	}

WITH_TICKET(auth_challenge)
WITH_TICKET(auth_refused)
WITH_TICKET(mail_answer)
WITH_TICKET(rcpt_answer)
WITHOUT_TICKET(body_credit)
WITHOUT_TICKET(body_refused)
WITH_TICKET(done)
WITH_TICKET(body_piece_data)
WITH_TICKET(hook_answer)
WITH_TICKET(hook_want)
WITH_TICKET(hook_body)
WITH_TICKET(hook_rewrite)
WITH_TICKET(hook_header)

static int
on_hook_pong(struct channel *ch, const struct wire_head *h,
    const struct wire_hook_pong *m)
{
	(void)m;
	hook_watch_heard(&front_own(ch->ctx)->hook_watch, h->ticket);
	return 0;
}

WITH_TICKET(mailbox_rows)
WITH_TICKET(mailbox_opened)
WITH_TICKET(mailbox_done)
WITH_TICKET(quota)
WITH_TICKET(annotations)
WITH_TICKET(scan_rows)
WITH_TICKET(found)
WITHOUT_TICKET(changed)
WITH_TICKET(detail_rows)
WITH_TICKET(bodies_data)
WITH_TICKET(summary_row)
WITH_TICKET(body_data)
WITH_TICKET(flags_done)
WITH_TICKET(expunged)
WITH_TICKET(copied)

static int
on_handle(struct channel *ch, const struct wire_head *h,
    const struct wire_handle *m)
{
	struct conn *c = conn_find(ch->ctx, h->session);
	const struct wire_auth_refused later = { .temporary = true };
	struct wire_handle_drop drop = { .handle = m->handle };

	/* 0: the store could not make one after all. */
	if (m->handle == 0) {
		if (c != NULL && c->proto->auth_refused != NULL)
			c->proto->auth_refused(c, h->ticket, &later);
		return 0;
	}
	if (c != NULL && c->proto->handle != NULL)
		c->proto->handle(c, h->ticket, m);
	else
		(void)wire_send_handle_drop(ch, h->session, 0, &drop);
	return 0;
}

static int
on_cert(struct channel *ch, const struct wire_head *h,
    const struct wire_cert *m)
{
	struct front *f = ch->ctx;
	int r =
	    tls_server_add(f->tls, m->key, m->chain, m->names, m->is_default);

	(void)h;
	if (r < 0)
		env_log(f->env, ENV_ERROR, "certificate-unusable",
		    "key=%u error=%d", m->key, -r);
	return 0;
}

static int
on_certs_end(struct channel *ch, const struct wire_head *h,
    const struct wire_certs_end *m)
{
	struct front *f = ch->ctx;

	(void)h;
	(void)m;
	if (!tls_server_has_key(f->tls))
		env_log(f->env, ENV_WARN, "no-certificate", "tls=off");
	return 0;
}

static int
on_state(struct channel *ch, const struct wire_head *h,
    const struct wire_state *m)
{
	struct front *f = ch->ctx;

	(void)h;
	f->state = *m;
	f->has_state = true;
	if (m->hostname.len > 0)
		(void)slice_to_cstr(m->hostname, f->hostname,
		    sizeof(f->hostname));
	f->state.hostname = slice_cstr(f->hostname); /* not the frame's */
	return 0;
}

static int
on_dns_answer(struct channel *ch, const struct wire_head *h,
    const struct wire_dns_answer *m)
{
	struct conn *c = conn_find_any(ch->ctx, h->session);

	if (c != NULL)
		origin_on_dns_answer(c, h->ticket, m);
	return 0;
}

static int
on_client_answer(struct channel *ch, const struct wire_head *h,
    const struct wire_client_answer *m)
{
	struct conn *c = conn_find_any(ch->ctx, h->session);

	if (c != NULL)
		origin_on_client_answer(c, h->ticket, m);
	return 0;
}

const struct wire_mx_handlers front_mx_handlers = {
	.cert = on_cert,
	.certs_end = on_certs_end,
	.state = on_state,
	.client_answer = on_client_answer,
	.rcpt_answer = on_rcpt_answer,
	.body_credit = on_body_credit,
	.body_refused = on_body_refused,
	.done = on_done,
	.dns_answer = on_dns_answer,
	.body_piece_data = on_body_piece_data,
	.hook_answer = on_hook_answer,
	.hook_want = on_hook_want,
	.hook_body = on_hook_body,
	.hook_rewrite = on_hook_rewrite,
	.hook_header = on_hook_header,
	.hook_pong = on_hook_pong,
};

const struct wire_local_handlers front_local_handlers = {
	.state = on_state,
	.rcpt_answer = on_rcpt_answer,
	.body_credit = on_body_credit,
	.body_refused = on_body_refused,
	.done = on_done,
};

const struct wire_user_handlers front_user_handlers = {
	.cert = on_cert,
	.certs_end = on_certs_end,
	.state = on_state,
	.auth_challenge = on_auth_challenge,
	.auth_refused = on_auth_refused,
	.handle = on_handle,
	.client_answer = on_client_answer,
	.mail_answer = on_mail_answer,
	.rcpt_answer = on_rcpt_answer,
	.body_credit = on_body_credit,
	.body_refused = on_body_refused,
	.done = on_done,
	.mailbox_rows = on_mailbox_rows,
	.mailbox_opened = on_mailbox_opened,
	.mailbox_done = on_mailbox_done,
	.quota = on_quota,
	.annotations = on_annotations,
	.scan_rows = on_scan_rows,
	.found = on_found,
	.changed = on_changed,
	.detail_rows = on_detail_rows,
	.bodies_data = on_bodies_data,
	.summary_row = on_summary_row,
	.body_data = on_body_data,
	.flags_done = on_flags_done,
	.expunged = on_expunged,
	.copied = on_copied,
	.dns_answer = on_dns_answer,
	.body_piece_data = on_body_piece_data,
	.hook_answer = on_hook_answer,
	.hook_want = on_hook_want,
	.hook_body = on_hook_body,
	.hook_rewrite = on_hook_rewrite,
	.hook_header = on_hook_header,
	.hook_pong = on_hook_pong,
};

/* A conn may end itself in these calls, but is freed later: the list stands. */
void
front_lost_peer(struct front *f, enum wire_role peer)
{
	LIST_FOREACH (it, &front_own(f)->conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (conn_is_live(c) && c->proto->peer_lost != NULL)
			c->proto->peer_lost(c, peer);
		origin_peer_lost(c, peer);
	}
}

void
front_store_room(struct front *f)
{
	LIST_FOREACH (it, &front_own(f)->conns) {
		struct conn *c = LIST_ENTRY(it, struct conn, link);

		if (conn_is_live(c) && c->proto->store_room != NULL)
			c->proto->store_room(c);
	}
}
