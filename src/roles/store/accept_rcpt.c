/* SPDX-License-Identifier: ISC */
/*
 * roles/store/accept_rcpt - RCPT: who gets it, and may it be so?
 *
 * Decided from the database (a reader's job), remembered for a few seconds,
 * and kept in the transaction when the answer is yes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "roles/store/accept_impl.h"

enum {
	CACHE_MAX = 20000,
	LOOKUP_ARENA = 8 * 1024 * 1024
};
#define CACHE_TIME (3 * TIME_SECOND)

/* -- who an address is: remembered for a moment
 * -------------------------------------- */

struct cached {
	struct list link; /* oldest first */
	struct slice typed;
	struct rcpt_result result;
	int64_t until;
	struct arena arena;
};

static void
cached_free(struct store_role *s, struct cached *e)
{
	(void)map_take(&s->cache, e->typed);
	list_remove(&e->link);
	arena_reset(&e->arena);
	free(e);
}

void
accept_forget_addresses(struct store_role *s)
{
	while (!list_is_empty(&s->cached))
		cached_free(s, LIST_ENTRY(s->cached.next, struct cached, link));
}

static struct cached *
cached_find(struct store_role *s, struct slice typed)
{
	struct cached *e = map_get(&s->cache, typed);

	if (e != NULL && e->until < env_now(s->env)) {
		cached_free(s, e);
		return NULL;
	}
	return e;
}

bool
rcpt_result_copy(struct arena *arena, const struct rcpt_result *from,
    struct rcpt_result *ret)
{
	struct rcpt_result to = { .outcome = from->outcome,
		.n_targets = from->n_targets };

	to.targets =
	    arena_array(arena, from->n_targets + 1, sizeof(*to.targets));
	if (to.targets == NULL)
		return false;
	for (size_t i = 0; i < from->n_targets; i++) {
		to.targets[i].account = from->targets[i].account;
		if (!arena_copy(arena, from->targets[i].name.typed,
			&to.targets[i].name.typed) ||
		    !arena_copy(arena, from->targets[i].name.canonical,
			&to.targets[i].name.canonical))
			return false;
	}
	*ret = to;
	return true;
}

/* Not being remembered is no failure. */
static void
cached_put(struct store_role *s, struct slice typed,
    const struct rcpt_result *result)
{
	struct cached *e;

	if (map_get(&s->cache, typed) != NULL)
		return;
	if (s->cache.n >= CACHE_MAX)
		cached_free(s, LIST_ENTRY(s->cached.next, struct cached, link));
	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	list_init(&e->link);
	arena_init(&e->arena, LOOKUP_ARENA);
	e->until = env_now(s->env) + CACHE_TIME;
	if (!arena_copy(&e->arena, typed, &e->typed) ||
	    !rcpt_result_copy(&e->arena, result, &e->result) ||
	    map_put(&s->cache, e->typed, e) != 0) {
		arena_reset(&e->arena);
		free(e);
		return;
	}
	list_add_last(&s->cached, &e->link);
}

/* -- RCPT
 * ----------------------------------------------------------------------------------
 */

struct rcpt_job {
	struct store_read read;
	struct asker asker;
	struct arena arena;
	struct rcpt_result result;
	uint64_t txn;
	uint32_t handle;
	uint8_t notify;
	int64_t rrvs;
	bool rrvs_continue;
	struct greylist_ticket grey;
	size_t rcpt_len, orcpt_len;
	uint8_t rcpt[LIMIT_ADDRESS];
	uint8_t orcpt[512];
};

static bool
approve(struct txn *t, const struct rcpt_job *j,
    const struct rcpt_result *result)
{
	struct approval *a = arena_alloc(&t->arena, sizeof(*a));

	if (a == NULL || !rcpt_result_copy(&t->arena, result, &a->result) ||
	    !arena_copy(&t->arena, slice_of(j->rcpt, j->rcpt_len), &a->rcpt) ||
	    !arena_copy(&t->arena, slice_of(j->orcpt, j->orcpt_len), &a->orcpt))
		return false;
	a->notify = j->notify;
	a->rrvs = j->rrvs;
	a->rrvs_continue = j->rrvs_continue;
	*t->last = a;
	t->last = &a->next;
	t->n++;
	return true;
}

/* In whole minutes, so that no text has to outlive this: who comes back a
 * little late is welcome. */
static struct wire_verdict
say_greylisted(int64_t wait)
{
	static const struct {
		int64_t most;
		const char *text;
	} says[] = {
		{ TIME_MINUTE, "new here: try again in 60 seconds" },
		{ 5 * TIME_MINUTE, "new here: try again in 300 seconds" },
		{ 15 * TIME_MINUTE, "new here: try again in 900 seconds" },
		{ TIME_HOUR, "new here: try again in 3600 seconds" },
	};

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (wait <= says[i].most)
			return wire_verdict_make(451, 4, 7, 1, says[i].text);
	return wire_verdict_make(451, 4, 7, 1,
	    "new here: try again in some hours");
}

/* Which of RCPT's answers, with the approval kept when it is a yes. */
static struct wire_verdict
decide(struct peer *p, const struct rcpt_job *j,
    const struct rcpt_result *result)
{
	/* who is on this machine may send like who has logged in */
	bool may_relay = p->c.peer == WIRE_LOCAL ||
	    handle_find(p, j->handle, GRANT_SUBMIT) != NULL;
	struct verdict v = rcpt_verdict(result->outcome, may_relay);
	int64_t wait;
	struct txn *t;

	if (!verdict_is_ok(&v))
		return wire_verdict_of(&v);
	if (!greylist_pass(p->role->greylist, &j->grey, &wait))
		return say_greylisted(wait);
	t = txn_get(p, j->txn);
	if (t != NULL && t->n >= LIMIT_SMTP_RCPTS)
		return wire_verdict_make(452, 4, 5, 3, "too many recipients");
	if (t == NULL || !approve(t, j, result))
		return wire_verdict_make(452, 4, 3, 1, "no memory for it now");
	return wire_verdict_of(&v);
}

static void
answer_rcpt(struct channel *c, const struct asker *a,
    const struct wire_verdict *v)
{
	struct wire_rcpt_answer m = { .verdict = *v };

	(void)wire_send_rcpt_answer(c, a->session, a->ticket, &m);
}

static int
run_rcpt(struct db *db, struct store_read *r)
{
	struct rcpt_job *j = LIST_ENTRY(r, struct rcpt_job, read);
	struct slice rcpt = slice_of(j->rcpt, j->rcpt_len);
	char text[LIMIT_ADDRESS + 1];
	int q;

	/* RFC 5321, 4.5.1: it must work without a domain, too. */
	if (slice_equal_nocase(rcpt, SLICE("postmaster"))) {
		q = postmaster_find(db, j->asker.role->settings->hostname,
		    text);
		if (q != 0)
			return ERR_TRACE(q);
		rcpt = slice_cstr(text);
	}
	return rcpt_lookup(db, rcpt, &j->arena, &j->result);
}

static void
done_rcpt(struct store_read *r, int result)
{
	struct rcpt_job *j = LIST_ENTRY(r, struct rcpt_job, read);
	struct channel *c = asker_channel(&j->asker);
	struct wire_verdict v;

	if (result == 0)
		cached_put(j->asker.role, slice_of(j->rcpt, j->rcpt_len),
		    &j->result);
	if (c != NULL) {
		v = result == 0 ? decide(peer_of(c), j, &j->result)
		    : result > 0
		    ? wire_verdict_make(553, 5, 1, 3, "not an address")
		    : wire_verdict_make(451, 4, 3, 0, "try again later");
		answer_rcpt(c, &j->asker, &v);
	}
	arena_reset(&j->arena);
	free(j);
}

/* What is refused before anybody is looked up. */
static bool
is_refused(struct peer *p, const struct wire_rcpt_ask *m,
    struct wire_verdict *ret)
{
	const struct store_role *s = p->role;
	bool is_open = p->c.peer == WIRE_MX ? s->strangers : s->submission;

	if (!is_open)
		*ret = wire_verdict_make(452, 4, 3, 1, "the disk is full");
	else if (m->size > s->settings->max_size)
		*ret = wire_verdict_make(552, 5, 3, 4, "message is too large");
	else if (m->rcpt.len == 0)
		*ret = wire_verdict_make(553, 5, 1, 3, "not an address");
	else
		return false;
	return true;
}

int
on_rcpt_ask(struct channel *c, const struct wire_head *h,
    const struct wire_rcpt_ask *m)
{
	struct peer *p = peer_of(c);
	struct store_role *s = p->role;
	struct wire_verdict v;
	struct rcpt_job *j;
	struct cached *e;

	if (is_refused(p, m, &v)) {
		struct asker a = asker_of(c, h);

		answer_rcpt(c, &a, &v);
		return 0;
	}
	j = calloc(1, sizeof(*j));
	if (j == NULL)
		return ERR_ORIGIN(-ENOMEM);
	j->asker = asker_of(c, h);
	j->txn = m->txn;
	j->handle = m->handle;
	j->notify = m->notify;
	j->rrvs = m->rrvs;
	j->rrvs_continue = m->rrvs_continue;
	memcpy(j->rcpt, m->rcpt.at, m->rcpt.len);
	j->rcpt_len = m->rcpt.len;
	if (c->peer == WIRE_MX)
		greylist_ticket_make(s->greylist, m->client, m->rdns, m->sender,
		    m->rcpt, &j->grey);
	memcpy(j->orcpt, m->orcpt.at, m->orcpt.len);
	j->orcpt_len = m->orcpt.len;
	e = cached_find(s, slice_of(j->rcpt, j->rcpt_len));
	if (e != NULL) {
		v = decide(p, j, &e->result);
		answer_rcpt(c, &j->asker, &v);
		free(j);
		return 0;
	}
	arena_init(&j->arena, LOOKUP_ARENA);
	j->read.run = run_rcpt;
	j->read.done = done_rcpt;
	store_read(s->store, &j->read);
	return 0;
}
