/* SPDX-License-Identifier: ISC */
/*
 * roles/courier/notice - a bounce on its way to the store
 *
 * Composed whole (queue/bounce), then streamed like any body, as far as the
 * credit goes, then committed under the number of the BOUNCE_MAKE. The store
 * takes it only for the rows it named. What goes wrong here is simply left:
 * the store asks again after a while.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "mail/summary.h"
#include "queue/bounce.h"
#include "roles/courier/courier.h"
#include "store/flags.h"

void
notice_drop(struct notice *n)
{
	list_remove(&n->link);
	buf_deinit(&n->body);
	buf_deinit(&n->summary);
	free(n);
}

static void
notice_end(struct notice *n)
{
	struct courier *c = n->courier;

	notice_drop(n);
	courier_slot_free(c);
}

static void
notice_commit(struct notice *n)
{
	struct wire_bounce_commit m = { .body = n->body_number,
		.id = n->id,
		.summary = buf_slice(&n->summary),
		.is_8bit = !slice_is_ascii(buf_slice(&n->body)),
		.is_smtputf8 = n->is_smtputf8 };

	n->is_committed = true;
	(void)wire_send_bounce_commit(n->courier->store, n->number, 0, &m);
}

/* As much as credit and channel allow. */
static void
notice_send(struct notice *n)
{
	struct channel *store = n->courier->store;
	struct slice rest = slice_from(buf_slice(&n->body), n->sent);

	while (rest.len > 0 && n->credit > 0 && !channel_is_full(store)) {
		struct wire_body_chunk m = { .body = n->body_number,
			.data = slice_upto(rest, LIMIT_CHUNK) };

		m.data = slice_upto(m.data, (size_t)n->credit);
		if (wire_send_body_chunk(store, n->number, 0, &m) != 0)
			return;
		n->sent += m.data.len;
		n->credit -= m.data.len;
		rest = slice_from(rest, m.data.len);
	}
	if (rest.len == 0 && !n->is_committed)
		notice_commit(n);
}

static struct verdict
verdict_of(const struct wire_outcome *o)
{
	return (struct verdict){ o->code, { o->class, o->subject, o->detail },
		o->text };
}

static enum bounce_action
action_of(uint8_t outcome)
{
	return outcome == QUEUE_RELAYED ? BOUNCE_RELAYED
	    : outcome == QUEUE_EXPANDED ? BOUNCE_EXPANDED
					: BOUNCE_DELIVERED;
}

/* Rows and recipients come in the same order. */
static bool
read_rcpts(const struct wire_bounce_make *m, struct bounce_rcpt *rcpts,
    size_t *ret_n)
{
	struct wire_list rows = m->rows, addresses = m->rcpts;
	struct wire_outcome o;
	struct wire_rcpt r;
	size_t n = 0;

	while (n < BOUNCE_RCPTS && wire_outcome_next(&rows, &o) &&
	    wire_rcpt_next(&addresses, &r)) {
		if (o.row != r.row)
			return false;
		rcpts[n++] = (struct bounce_rcpt){ .action = action_of(o.kind),
			.address = r.address,
			.orcpt = r.orcpt,
			.remote = o.remote,
			.is_ours = o.is_ours,
			.is_late = o.kind == QUEUE_LATE,
			.last_at = o.at,
			.verdict = verdict_of(&o) };
	}
	*ret_n = n;
	return n > 0 && rows.n == 0 && addresses.n == 0;
}

static int
notice_compose(struct notice *n, const struct wire_bounce_make *m)
{
	struct bounce_rcpt rcpts[BOUNCE_RCPTS];
	struct bounce b = { .id = n->id,
		.original = m->message,
		.hostname = m->hostname,
		.sender = m->sender,
		.is_delayed = m->kind == BOUNCE_DELAYED,
		.is_success = m->kind == BOUNCE_SUCCESS,
		.now = env_wall(n->courier->env),
		.arrived = m->arrived,
		.expires = m->expires,
		.envid = m->envid,
		.content = m->header,
		.is_full = m->is_full,
		.is_smtputf8 = m->is_smtputf8,
		.requires_tls = m->requires_tls,
		.takes_8bit = m->takes_8bit,
		.deliver_by = m->deliver_by,
		.dialogue = m->dialogue,
		.rcpts = rcpts };
	int r;

	n->is_smtputf8 = !slice_is_ascii(m->sender);
	if (!read_rcpts(m, rcpts, &b.n_rcpts))
		return ERR_ORIGIN(-EPROTO);
	r = bounce_compose(&b, &n->body);
	if (r != BUF_OK)
		return ERR_ORIGIN(r < 0 ? r : -EMSGSIZE);
	/* a message without summary is legal: readers look at the bytes */
	if (summary_make(buf_slice(&n->body), &n->summary) != 0)
		buf_reset(&n->summary, 0);
	return 0;
}

int
notice_start(struct courier *c, uint64_t number,
    const struct wire_bounce_make *m)
{
	struct notice *n = calloc(1, sizeof(*n));
	struct wire_body_open open = { 0 };
	int r;

	if (n == NULL)
		return ERR_ORIGIN(-ENOMEM);
	n->courier = c;
	n->number = number;
	n->body_number = ++c->next_body;
	n->credit = LIMIT_CREDIT;
	buf_init(&n->body, BOUNCE_MAX);
	buf_init(&n->summary, LIMIT_SUMMARY);
	list_add_last(&c->notices, &n->link);
	id_make(&c->ids, env_wall(c->env), env_random_u64(c->env), &n->id);
	r = ERR_TRACE(notice_compose(n, m));
	if (r < 0) {
		notice_drop(n);
		return r;
	}
	open.body = n->body_number;
	open.size = n->body.len;
	(void)wire_send_body_open(c->store, number, 0, &open);
	notice_send(n);
	return 0;
}

static struct notice *
find_by_body(struct courier *c, uint64_t body)
{
	LIST_FOREACH (it, &c->notices) {
		struct notice *n = LIST_ENTRY(it, struct notice, link);

		if (n->body_number == body)
			return n;
	}
	return NULL;
}

void
notice_on_credit(struct courier *c, const struct wire_body_credit *m)
{
	struct notice *n = find_by_body(c, m->body);

	if (n == NULL)
		return;
	n->credit += m->bytes;
	notice_send(n);
}

void
notice_on_refused(struct courier *c, const struct wire_body_refused *m)
{
	struct notice *n = find_by_body(c, m->body);

	if (n != NULL)
		notice_end(n);
}

void
notice_on_done(struct courier *c, uint64_t number)
{
	LIST_FOREACH (it, &c->notices) {
		struct notice *n = LIST_ENTRY(it, struct notice, link);

		if (n->number != number)
			continue;
		notice_end(n);
		return;
	}
}

void
notice_on_room(struct courier *c)
{
	LIST_FOREACH (it, &c->notices)
		notice_send(LIST_ENTRY(it, struct notice, link));
}
