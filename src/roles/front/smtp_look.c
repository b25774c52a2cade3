/* SPDX-License-Identifier: ISC */
/*
 * roles/front/smtp_look - a store that does not answer
 *
 * One that has died is replaced, and what was asked is answered by 451. One
 * that is stopped, or whose disk stands still, lets the client wait: for a time
 * (LIMIT_STORE_SILENCE_S, LIMIT_COMMIT_SILENCE_S), then he hears 451 as well,
 * while he is still there. The transaction is over with that: what the store
 * may yet say to it counts no more. A mail whose COMMIT it has may still be
 * kept: the client then sends a twin, as he would have when he had given up
 * himself (RFC 5321, 4.5.3.2.6).
 */
#include "roles/front/smtp_impl.h"

#include "base/limits.h"
#include "roles/front/conn.h"

enum {
	QUESTION_LOOKS = LIMIT_STORE_SILENCE_S / PEER_WATCH_LOOK_S,
	COMMIT_LOOKS = LIMIT_COMMIT_SILENCE_S / PEER_WATCH_LOOK_S
};

void
smtp_waits(struct conn *c)
{
	peer_watch_asked(&front_own(conn_front(c))->peer_watch);
}

/* What it waits for, another number for each question and each part of a body;
 * 0: nothing, or somebody else than the store. */
static uint32_t
what_is_awaited(const struct smtp *x)
{
	switch ((enum smtp_server_state)x->s.state) {
	case SMTP_WAIT_MAIL:
	case SMTP_WAIT_RCPT:
	case SMTP_WAIT_VRFY:
	case SMTP_WAIT_COMMIT:
		return x->waits_for_origin ? 0 : x->ticket;
	case SMTP_DATA:
	case SMTP_CHUNK:
	case SMTP_CHUNKS:
		return x->is_stalled && !x->s.is_refused &&
			x->credit < SMTP_CREDIT_NEEDED
		    ? (uint32_t)x->stored | 1u << 31
		    : 0;
	default:
		return 0;
	}
}

static void
drop_transaction(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	const struct wire_txn_drop drop = { .txn = x->txn };

	if (x->txn == 0 || x->txn_is_lost)
		return;
	if (conn_front(c)->store != NULL)
		(void)wire_send_txn_drop(conn_front(c)->store, c->number, 0,
		    &drop);
	x->txn_is_lost = true;
}

static void
give_up(struct conn *c)
{
	struct smtp *x = smtp_of(c);

	env_log(conn_front(c)->env, ENV_ERROR, "store-silent",
	    "client=%s session=%llu seconds=%u", c->peer_text,
	    (unsigned long long)c->number, x->n_looks * PEER_WATCH_LOOK_S);
	switch ((enum smtp_server_state)x->s.state) {
	case SMTP_WAIT_VRFY:
		smtp_answer_vrfy(c, verdict_trouble(), NULL);
		break;
	case SMTP_WAIT_MAIL:
	case SMTP_WAIT_RCPT:
	case SMTP_WAIT_COMMIT:
		drop_transaction(c);
		smtp_answer_trouble(c);
		break;
	default:
		drop_transaction(c);
		smtp_refuse_body(c);
		break;
	}
	smtp_unstall(c);
	smtp_go_on(c);
}

bool
smtp_look(struct conn *c)
{
	struct smtp *x = smtp_of(c);
	uint32_t what = what_is_awaited(x);
	unsigned limit =
	    x->s.state == SMTP_WAIT_COMMIT ? COMMIT_LOOKS : QUESTION_LOOKS;

	if (x->s.state == SMTP_WAIT_AUTH)
		return login_look(&x->login);
	if (what != x->looked_at)
		x->n_looks = 0;
	x->looked_at = what;
	if (what == 0)
		return false;
	if (++x->n_looks <= limit)
		return true;
	give_up(c);
	return false;
}
