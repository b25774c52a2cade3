/* SPDX-License-Identifier: ISC */
/*
 * roles/store/accept - mail transactions, and the answer to MAIL
 *
 * A transaction is made by the first question about it and lives until COMMIT,
 * TXN_DROP or the end of its channel. A login is told at MAIL whether the
 * sender is its own (store/account); a stranger's transaction begins at RCPT.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
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

static void
take_out(struct txn *t, struct approval **at)
{
	if (t->last == &(*at)->next)
		t->last = at;
	t->n_targets -= (*at)->result.n_targets;
	*at = (*at)->next;
	t->n--;
}

/* Who was approved under this name is not to get it after all: the last such
 * one, or each. */
int
on_rcpt_drop(struct channel *c, const struct wire_head *h,
    const struct wire_rcpt_drop *m)
{
	struct txn *t = map_get_number(&peer_of(c)->txns, m->txn);
	struct approval **at = NULL, **a;

	(void)h;
	if (t == NULL)
		return 0;
	for (a = &t->first; *a != NULL;) {
		bool is_meant = slice_equal_nocase((*a)->rcpt, m->rcpt);

		if (is_meant && m->all) {
			take_out(t, a);
			t->is_emptied = t->n == 0;
			continue;
		}
		if (is_meant)
			at = a;
		a = &(*a)->next;
	}
	if (at != NULL)
		take_out(t, at);
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

struct sending_limits
accept_sending_defaults(const struct store_role *s)
{
	const struct settings *of = s->settings;

	return (struct sending_limits){ of->send_messages_hour,
		of->send_messages_day, of->send_rcpts_hour,
		of->send_rcpts_day };
}

struct wire_verdict
accept_sending_verdict(const struct sending *s, char text[ACCEPT_TEXT])
{
	const char *who = s->is_domain ? "all of your domain" : "you";
	char when[TIME_RFC3339];

	time_print_rfc3339(s->opens, when);
	if (s->opens == 0)
		(void)snprintf(text, ACCEPT_TEXT,
		    "%s may send to %lld %s; this is more", who,
		    (long long)s->limit, s->what);
	else
		(void)snprintf(text, ACCEPT_TEXT,
		    "%s may send %s%lld %s; again at %s", who,
		    s->what[0] == 'r' ? "to " : "", (long long)s->limit,
		    s->what, when);
	return wire_verdict_make(452, 4, 7, 1, text);
}

struct mail_check {
	struct store_read read;
	struct asker asker;
	uint64_t account, txn;
	uint32_t handle;
	struct sending sending;
	size_t sender_len;
	char sender[LIMIT_ADDRESS];
	char names[SENDING_NAMES]; /* when that is none of them */
};

static int
run_mail_check(struct db *db, struct store_read *r)
{
	struct mail_check *k = LIST_ENTRY(r, struct mail_check, read);
	int q = 0;

	if (k->sender_len > 0)
		q = sender_check(db, k->account,
		    slice_of(k->sender, k->sender_len));
	if (q == 0)
		return sending_check(db, &k->sending);
	if (q == DB_NONE && sender_names(db, k->account, k->names) != 0)
		k->names[0] = '\0';
	return q;
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
		return wire_say(SMTP_SAY_FULL);
	t->has_sender = true;
	t->handle = k->handle;
	return wire_say(SMTP_SAY_SENDER_OK);
}

static struct wire_verdict
mail_verdict(struct peer *p, const struct mail_check *k, int result,
    char text[ACCEPT_TEXT])
{
	switch (result) {
	case 0:
		return sender_ok(p, k);
	case STORE_E_SENDING:
		env_log(p->role->env, ENV_WARN, "sending-limit",
		    "account=%llu limit=%lld of=%s",
		    (unsigned long long)k->account, (long long)k->sending.limit,
		    k->sending.what);
		return accept_sending_verdict(&k->sending, text);
	case DB_NONE:
		(void)snprintf(text, ACCEPT_TEXT,
		    "that sender address is not yours%s%s",
		    k->names[0] == '\0' ? "" : "; you may use ", k->names);
		return wire_verdict_make(553, 5, 7, 1, text);
	default:
		return wire_say(SMTP_SAY_TROUBLE);
	}
}

static void
done_mail_check(struct store_read *r, int result)
{
	struct mail_check *k = LIST_ENTRY(r, struct mail_check, read);
	struct channel *c = asker_channel(&k->asker);
	char text[ACCEPT_TEXT];
	struct wire_verdict v;

	if (c != NULL) {
		v = mail_verdict(peer_of(c), k, result, text);
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
	if (handle != NULL && p->role->submission &&
	    m->size <= p->role->settings->max_size) {
		/* <> is anybody's: a report of delivery or of reading */
		k->account = handle->account;
		k->sending = (struct sending){ .account = handle->account,
			.defaults = accept_sending_defaults(p->role),
			.n_rcpts = 1,
			.now = env_wall(p->role->env) };
		k->read.run = run_mail_check;
		k->read.done = done_mail_check;
		k->read.is_short = true;
		store_read(p->role->store, &k->read);
		return 0;
	}
	if (handle == NULL)
		v = wire_say(SMTP_SAY_LOGIN_LOST);
	else if (!p->role->submission)
		v = wire_say(SMTP_SAY_FULL);
	else
		v = wire_say(SMTP_SAY_TOO_BIG);
	answer_mail(&asker, &v);
	free(k);
	return 0;
}
