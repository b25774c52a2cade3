/* SPDX-License-Identifier: ISC */
/*
 * roles/store/bodies - the bytes of a mail, on their way to the appender
 *
 * A body belongs to the channel it came by, under the sender's number. It is
 * taken as long as there is credit and room; when there is none it is refused
 * once, and what was on its way by then is ignored. COMMIT takes it out.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "roles/store/accept_impl.h"

enum {
	/* The bytes that fronts add in front of a mail of max_size. */
	TRACE_ROOM = 64 * 1024,
	BODIES_MAX = 20000 /* of one channel */
};

struct incoming {
	uint64_t number, session;
	struct peer *peer;
	struct body *body; /* NULL: refused; the rest is ignored */
	struct body_peek peek;
	bool is_peeking;
	uint32_t peek_ticket;
};

static struct incoming *
incoming_find(struct peer *p, uint64_t number)
{
	return map_get_number(&p->bodies, number);
}

static void
refuse_body(struct incoming *in, int r)
{
	struct wire_body_refused m = { .body = in->number };

	m.verdict = r == -EMSGSIZE         ? wire_say(SMTP_SAY_TOO_BIG)
	    : r == -ENOSPC || r == -ENOMEM ? wire_say(SMTP_SAY_FULL)
					   : wire_say(SMTP_SAY_NOT_KEPT);
	/* Our own trouble: its cause is nowhere else. */
	if (r != -EMSGSIZE)
		env_log(in->peer->role->env, ENV_WARN, "body-refused",
		    "body=%llu bytes=%llu error=%d",
		    (unsigned long long)in->number,
		    (unsigned long long)(in->body == NULL ? 0
							  : body_len(in->body)),
		    -r);
	body_free(in->body);
	in->body = NULL;
	(void)wire_send_body_refused(&in->peer->c, in->session, 0, &m);
}

static void
on_room(struct body *b, uint32_t bytes)
{
	struct incoming *in = body_ctx(b);
	struct wire_body_credit m = { .body = in->number, .bytes = bytes };

	(void)wire_send_body_credit(&in->peer->c, in->session, 0, &m);
}

static void
on_refused(struct body *b, int r)
{
	struct incoming *in = body_ctx(b);

	store_role_no_room(in->peer->role, r);
	refuse_body(in, r);
}

static const struct body_ops body_ops = { on_room, on_refused };

int
on_body_open(struct channel *c, const struct wire_head *h,
    const struct wire_body_open *m)
{
	struct peer *p = peer_of(c);
	uint64_t max = p->role->settings->max_size + TRACE_ROOM;
	struct incoming *in;
	int r;

	if (incoming_find(p, m->body) != NULL || p->bodies.n >= BODIES_MAX)
		return WIRE_E_BAD;
	in = calloc(1, sizeof(*in));
	if (in == NULL)
		return ERR_ORIGIN(-ENOMEM);
	in->number = m->body;
	in->session = h->session;
	in->peer = p;
	if (map_put_number(&p->bodies, m->body, in) != 0) {
		free(in);
		return ERR_ORIGIN(-ENOMEM);
	}
	r = m->size > max ? -EMSGSIZE
			  : body_new(store_appender(p->role->store), max,
				&body_ops, in, &in->body);
	if (r == 0 && p->role->disk_is_full)
		r = -ENOSPC;
	if (r != 0)
		refuse_body(in, r);
	return 0;
}

int
on_body_chunk(struct channel *c, const struct wire_head *h,
    const struct wire_body_chunk *m)
{
	struct incoming *in = incoming_find(peer_of(c), m->body);
	int r;

	(void)h;
	if (in == NULL || in->body == NULL)
		return 0; /* on its way when we refused it */
	r = body_add(in->body, m->data);
	if (r != 0)
		refuse_body(in, r);
	return 0;
}

/* -- back to who gave it, for filters ---------------------------------------
 */

static void
answer_piece(struct incoming *in, int r, struct slice data)
{
	struct wire_body_piece_data m = { .data = data };

	m.verdict = r == 0
	    ? wire_verdict_make(250, 2, 0, 0, "")
	    : wire_verdict_make(451, 4, 3, 0, "cannot be read now");
	(void)wire_send_body_piece_data(&in->peer->c, in->session,
	    in->peek_ticket, &m);
}

static void
done_peek(struct body_peek *p, int r, struct slice got)
{
	struct incoming *in = LIST_ENTRY(p, struct incoming, peek);

	in->is_peeking = false;
	answer_piece(in, r, got);
}

int
on_body_piece(struct channel *c, const struct wire_head *h,
    const struct wire_body_piece *m)
{
	struct incoming *in = incoming_find(peer_of(c), m->body);

	if (in == NULL || in->is_peeking || m->length > LIMIT_CHUNK)
		return WIRE_E_BAD;
	in->peek_ticket = h->ticket;
	if (in->body == NULL) {
		answer_piece(in, -EIO, (struct slice){ 0 });
		return 0;
	}
	in->is_peeking = true;
	in->peek = (struct body_peek){
		.done = done_peek, .offset = m->offset, .len = m->length
	};
	body_peek(in->body, &in->peek);
	return 0;
}

struct body *
accept_take_body(struct peer *p, uint64_t number)
{
	struct incoming *in = map_take_number(&p->bodies, number);
	struct body *body = in == NULL ? NULL : in->body;

	free(in);
	return body;
}

int
on_body_drop(struct channel *c, const struct wire_head *h,
    const struct wire_body_drop *m)
{
	(void)h;
	body_free(accept_take_body(peer_of(c), m->body));
	return 0;
}

void
bodies_peer_lost(struct peer *p)
{
	struct incoming *in;
	size_t at = 0;

	while ((in = map_next(&p->bodies, &at)) != NULL) {
		(void)map_take_number(&p->bodies, in->number);
		body_free(in->body);
		free(in);
	}
}
