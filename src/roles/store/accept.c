/* SPDX-License-Identifier: ISC */
/*
 * roles/store/accept - mail transactions, and the answer to MAIL
 *
 * A transaction is made by the first question about it and lives until COMMIT,
 * TXN_DROP or the end of its channel. A login is told at MAIL whether the
 * sender is its own (store/account); a stranger's transaction begins at RCPT.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/accept_impl.h"

enum {
	TXNS_MAX = 20000, /* of one channel */
	TXN_ARENA = 2 * 1024 * 1024
};

void
txn_free(struct peer *p, struct txn *t)
{
	(void)map_take_number(&p->txns, t->number);
	arena_reset(&t->arena);
	free(t);
}

struct txn *
txn_get(struct peer *p, uint64_t number)
{
	struct txn *t = map_get_number(&p->txns, number);

	if (t != NULL || p->txns.n >= TXNS_MAX)
		return t;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->number = number;
	t->last = &t->first;
	arena_init(&t->arena, TXN_ARENA);
	if (map_put_number(&p->txns, number, t) != 0) {
		free(t);
		return NULL;
	}
	return t;
}

/* The last that was approved under this name is not to get it after all. */
int
on_rcpt_drop(struct channel *c, const struct wire_head *h,
    const struct wire_rcpt_drop *m)
{
	struct txn *t = map_get_number(&peer_of(c)->txns, m->txn);
	struct approval **at = NULL;

	(void)h;
	if (t == NULL)
		return 0;
	for (struct approval **a = &t->first; *a != NULL; a = &(*a)->next)
		if (slice_equal_nocase((*a)->rcpt, m->rcpt))
			at = a;
	if (at == NULL)
		return 0; /* a name that leads nowhere else */
	if (t->last == &(*at)->next)
		t->last = at;
	*at = (*at)->next;
	t->n--;
	return 0;
}

int
on_txn_drop(struct channel *c, const struct wire_head *h,
    const struct wire_txn_drop *m)
{
	struct peer *p = peer_of(c);
	struct txn *t = map_get_number(&p->txns, m->txn);

	(void)h;
	if (t != NULL)
		txn_free(p, t);
	return 0;
}

void
accept_peer_lost(struct peer *p)
{
	struct txn *t;
	size_t at = 0;

	bodies_peer_lost(p);
	while ((t = map_next(&p->txns, &at)) != NULL)
		txn_free(p, t);
}

/* -- MAIL
 * --------------------------------------------------------------------------------
 */

struct mail_check {
	struct store_read read;
	struct asker asker;
	uint64_t account, txn;
	uint32_t handle;
	size_t sender_len;
	char sender[LIMIT_ADDRESS];
};

static int
run_mail_check(struct db *db, struct store_read *r)
{
	struct mail_check *k = LIST_ENTRY(r, struct mail_check, read);

	return sender_check(db, k->account, slice_of(k->sender, k->sender_len));
}

static void
answer_mail(const struct asker *a, const struct wire_verdict *v)
{
	struct channel *c = asker_channel(a);
	struct wire_mail_answer m = { .verdict = *v };

	if (c != NULL)
		(void)wire_send_mail_answer(c, a->session, a->ticket, &m);
}

static struct wire_verdict
sender_ok(struct peer *p, const struct mail_check *k)
{
	struct txn *t = txn_get(p, k->txn);

	if (t == NULL ||
	    !arena_copy(&t->arena, slice_of(k->sender, k->sender_len),
		&t->sender))
		return wire_verdict_make(452, 4, 3, 1, "no memory for it now");
	t->has_sender = true;
	t->handle = k->handle;
	return wire_verdict_make(250, 2, 1, 0, "sender ok");
}

static void
done_mail_check(struct store_read *r, int result)
{
	struct mail_check *k = LIST_ENTRY(r, struct mail_check, read);
	struct channel *c = asker_channel(&k->asker);
	struct wire_verdict v;

	if (c != NULL) {
		v = result == 0 ? sender_ok(peer_of(c), k)
		    : result == DB_NONE
		    ? wire_verdict_make(553, 5, 7, 1,
			  "that sender address is not yours")
		    : wire_verdict_make(451, 4, 3, 0, "try again later");
		answer_mail(&k->asker, &v);
	}
	free(k);
}

int
on_mail_ask(struct channel *c, const struct wire_head *h,
    const struct wire_mail_ask *m)
{
	struct peer *p = peer_of(c);
	struct handle *handle = handle_find(p, m->handle, GRANT_SUBMIT);
	struct asker asker = asker_of(c, h);
	struct mail_check *k = calloc(1, sizeof(*k));
	struct wire_verdict v;

	if (k == NULL)
		return ERR_ORIGIN(-ENOMEM);
	k->asker = asker;
	k->txn = m->txn;
	k->handle = m->handle;
	k->sender_len = m->sender.len;
	memcpy(k->sender, m->sender.at, m->sender.len);
	if (handle != NULL && p->role->submission && m->sender.len > 0 &&
	    m->size <= p->role->settings->max_size) {
		k->account = handle->account;
		k->read.run = run_mail_check;
		k->read.done = done_mail_check;
		store_read(p->role->store, &k->read);
		return 0;
	}
	if (handle == NULL)
		v = wire_verdict_make(451, 4, 7, 0, "log in once more");
	else if (!p->role->submission)
		v = wire_verdict_make(452, 4, 3, 1, "the disk is full");
	else if (m->size > p->role->settings->max_size)
		v = wire_verdict_make(552, 5, 3, 4, "message is too large");
	else /* <>: a report of delivery or of reading */
		v = sender_ok(p, k);
	answer_mail(&asker, &v);
	free(k);
	return 0;
}
