/* SPDX-License-Identifier: ISC */
/*
 * roles/front/spool_talk - the role speaks SMTP with itself
 *
 * A socketpair: one end is a conn like any other, as the file's owner, the
 * other is driven from here by smtp/client. Both wait in the same loop, so
 * bodies stream under the store's credit and nothing is held in memory whole.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "roles/front/spool_impl.h"

enum {
	PIECE = 16 * 1024,
	ROUNDS = 32 /* of one turn */
};
#define PATIENCE (10 * TIME_MINUTE) /* without a byte moved */

static void pump(struct spool_run *s);

static void
on_ready(struct env_watch *w, unsigned events)
{
	(void)events;
	pump(LIST_ENTRY(w, struct spool_run, talk.watch));
}

static void
on_late(struct env_timer *t)
{
	struct spool_run *s = LIST_ENTRY(t, struct spool_run, talk.timer);

	smtp_client_lost(s->talk.client, "it took too long");
	pump(s);
}

int
spool_talk_begin(struct spool_run *s)
{
	const struct smtp_client_config config = { .helo = s->front->hostname,
		.tls = SMTP_TLS_NEVER };
	struct env_addr owner = env_addr_of_uid(s->file.uid);
	struct spool_talk *t = &s->talk;
	struct conn *c;
	int fds[2], r;

	t->client = calloc(1, sizeof(*t->client));
	if (t->client == NULL)
		return -ENOMEM;
	r = env_pair(s->env, fds);
	if (r < 0)
		goto undo;
	/* before the conn: it may ask for its id at once */
	t->given = 0;
	t->has_begun = t->is_damaged = t->is_divided = false;
	spool_sum_init(&t->sum);
	spool_sum_add(&t->sum,
	    slice_upto(buf_slice(&s->file.text), s->file.body_at));
	c = conn_new(s->front, fds[0], &owner, SERVICE_LOCAL, &smtp_proto,
	    false);
	r = c == NULL
	    ? -ENOMEM
	    : env_watch_add(s->env, &t->watch, fds[1], ENV_READ, on_ready);
	if (r < 0) {
		env_close(s->env, fds[1], false);
		goto undo;
	}
	t->conn = c->number;
	t->timer.fire = on_late;
	smtp_client_init(t->client, &config);
	return 0;

undo:
	free(t->client);
	t->client = NULL;
	return r;
}

void
spool_talk_end(struct spool_run *s)
{
	struct spool_talk *t = &s->talk;

	if (t->client == NULL)
		return;
	env_timer_stop(s->env, &t->timer);
	env_watch_del(s->env, &t->watch);
	env_close(s->env, t->watch.fd, false);
	smtp_client_deinit(t->client);
	free(t->client);
	t->client = NULL;
	t->conn = 0;
}

bool
spool_run_owns(const struct spool_run *s, const struct conn *c, struct id *ret)
{
	if (s->talk.conn == 0 || s->talk.conn != c->number)
		return false;
	*ret = s->talk.id;
	return true;
}

/* -- outcomes ---------------------------------------------------------------
 */

static void
take_verdicts(struct spool_run *s)
{
	const struct smtp_client *c = s->talk.client;

	for (size_t i = 0; i < s->talk.n_rcpts; i++) {
		struct verdict v = { 0 };

		if (s->talk.has_begun && c->outcomes[i].is_done)
			v = c->outcomes[i].verdict;
		if (!arena_copy(&s->file.arena, v.text, &v.text))
			v.text = (struct slice){ 0 };
		s->verdicts[i] = v;
	}
}

static void
finish(struct spool_run *s)
{
	spool_talk_end(s);
	spool_on_talked(s);
}

/* Somebody of many must wait: then this is not the time, since the message's
 * id would be used up. */
static bool
must_divide(const struct spool_run *s)
{
	const struct smtp_client *c = s->talk.client;

	for (size_t i = 0; i < s->talk.n_rcpts; i++)
		if (c->outcomes[i].is_done &&
		    verdict_is_temporary(&c->outcomes[i].verdict))
			return true;
	return false;
}

static void
divide(struct spool_run *s)
{
	for (size_t i = 0; i < s->talk.n_rcpts; i++)
		s->verdicts[i] = s->talk.client->outcomes[i].is_done
		    ? s->talk.client->outcomes[i].verdict
		    : VERDICT(250, 2, 1, 5, "");
	for (size_t i = 0; i < s->talk.n_rcpts; i++)
		s->verdicts[i].text = (struct slice){ 0 };
	s->talk.is_divided = true;
	finish(s);
}

/* -- the message ------------------------------------------------------------
 */

static void
begin_mail(struct spool_run *s)
{
	struct spool_talk *t = &s->talk;
	struct smtp_client_mail mail = { .sender = t->sender,
		.rcpts = t->rcpts,
		.n_rcpts = t->n_rcpts,
		.size = t->size,
		.is_8bit = t->is_8bit };
	const struct spool *head = &s->file.head;

	mail.is_smtputf8 = head->is_utf8;

	if (t->text.at == NULL) { /* a report has no wishes of its own */
		mail.notify = (uint8_t)head->notify;
		mail.ret = (uint8_t)head->ret;
		mail.envid = head->envid;
	}

	t->has_begun = true;
	smtp_client_mail(t->client, &mail);
}

/* Its last line, before the dot that would make it count. */
static bool
is_whole(struct spool_run *s)
{
	char got[SPOOL_SUM], want[SPOOL_SUM + 1];

	if (s->talk.text.at != NULL)
		return true;
	spool_sum_print(&s->talk.sum, want);
	return spool_file_read(s, got, SPOOL_SUM,
		   s->file.body_at + s->file.head.size) == SPOOL_SUM &&
	    memcmp(got, want, SPOOL_SUM) == 0;
}

/* False: the conversation has ended in here. */
static bool
give_piece(struct spool_run *s)
{
	struct spool_talk *t = &s->talk;
	uint64_t left = t->size - t->given;
	uint8_t bytes[PIECE];
	struct slice piece;
	size_t n = left < PIECE ? (size_t)left : PIECE;

	if (left == 0) {
		t->is_damaged = !is_whole(s);
		if (t->is_damaged) {
			finish(s);
			return false;
		}
		smtp_client_end(t->client);
		return true;
	}
	if (t->text.at != NULL)
		piece = slice_upto(slice_from(t->text, (size_t)t->given), n);
	else
		piece = slice_of(bytes,
		    spool_file_read(s, bytes, n, s->file.body_at + t->given));
	if (piece.len < n) {
		t->is_damaged = true; /* shorter than it was a moment ago */
		finish(s);
		return false;
	}
	piece = slice_upto(piece, smtp_client_body(t->client, piece));
	spool_sum_add(&t->sum, piece);
	t->given += piece.len;
	return true;
}

/* -- bytes ------------------------------------------------------------------
 */

/* True when some moved. */
static bool
transfer(struct spool_run *s)
{
	struct spool_talk *t = &s->talk;
	struct slice out = smtp_client_out(t->client);
	struct iovec v = { (void *)(uintptr_t)out.at, out.len };
	uint8_t in[2048];
	bool has_moved = false;
	ssize_t n = -EAGAIN;

	if (out.len > 0) {
		n = env_sendv(s->env, t->watch.fd, &v, 1);
		if (n > 0) {
			smtp_client_sent(t->client, (size_t)n);
			has_moved = true;
		}
	}
	if (n > 0 || n == -EAGAIN) {
		n = env_recv(s->env, t->watch.fd, in, sizeof(in));
		if (n > 0) {
			smtp_client_feed(t->client, slice_of(in, (size_t)n));
			return true;
		}
	}
	if (n != -EAGAIN) {
		smtp_client_lost(t->client, "the session ended");
		return true;
	}
	return has_moved;
}

/* What the client wants; false: it is over, or must wait for bytes. */
static bool
step(struct spool_run *s)
{
	struct spool_talk *t = &s->talk;

	switch (smtp_client_next(t->client)) {
	case SMTP_CLIENT_READY:
		if (t->has_begun) {
			finish(s);
			return false;
		}
		begin_mail(s);
		return true;
	case SMTP_CLIENT_BODY:
		if (t->given == 0 && t->text.at == NULL && must_divide(s)) {
			divide(s);
			return false;
		}
		/* what was taken is sent before more is read */
		if (smtp_client_out(t->client).len < PIECE)
			return give_piece(s);
		return transfer(s);
	case SMTP_CLIENT_MAIL_DONE:
	case SMTP_CLIENT_CLOSED:
		take_verdicts(s);
		finish(s);
		return false;
	default:
		return transfer(s);
	}
}

static void
pump(struct spool_run *s)
{
	struct spool_talk *t = &s->talk;
	unsigned want = ENV_READ;

	for (int i = 0; i < ROUNDS; i++)
		if (!step(s))
			break;
	if (t->client == NULL)
		return;
	/* when it was only this turn's share, writing is ready at once */
	if (smtp_client_out(t->client).len > 0 ||
	    t->client->phase == SMTP_PHASE_BODY)
		want |= ENV_WRITE;
	if (env_watch_want(s->env, &t->watch, want) < 0 ||
	    env_timer_set(s->env, &t->timer, env_now(s->env) + PATIENCE) < 0) {
		spool_talk_end(s);
		for (size_t k = 0; k < t->n_rcpts; k++)
			s->verdicts[k] = (struct verdict){ 0 };
		spool_on_talked(s);
	}
}
