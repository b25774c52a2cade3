/* SPDX-License-Identifier: ISC */
/*
 * roles/store/accept_rcpt - RCPT: who gets it, and may it be so?
 *
 * Decided from the database (a reader's job), remembered for a few seconds,
 * and kept in the transaction when the answer is yes.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/canon.h"
#include "policy/route.h"
#include "roles/store/accept_impl.h"
#include "store/suppress.h"

enum {
	CACHE_MAX = 20000
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
	s->n_forgotten++;
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
		.n_targets = from->n_targets,
		.greylist = from->greylist };

	to.targets =
	    arena_array(arena, from->n_targets + 1, sizeof(*to.targets));
	if (to.targets == NULL)
		return false;
	for (size_t i = 0; i < from->n_targets; i++) {
		const struct rcpt_target *f = &from->targets[i];
		struct rcpt_target *t = &to.targets[i];

		*t = *f;
		if (!arena_copy(arena, f->name.typed, &t->name.typed) ||
		    !arena_copy(arena, f->name.canonical, &t->name.canonical) ||
		    !arena_copy(arena, f->sender, &t->sender) ||
		    !arena_copy(arena, f->route, &t->route))
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
	arena_init(&e->arena, LIMIT_LOOKUP);
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
	struct sending sending;
	uint64_t txn, account, size;
	int64_t rrvs, now;
	bool rrvs_continue;
	struct greylist_ticket grey;
	uint32_t handle;
	uint8_t notify;
	uint8_t how;     /* VERIFY_* */
	bool may_relay;  /* it has logged in, or its network may */
	bool by_network; /* then the sender may have to be one of ours */
	bool is_suppressed;
	bool none_is;     /* suppressed: none at all */
	uint64_t changes; /* suppression_changes() when it was asked */
	size_t rcpt_len, orcpt_len, sender_len, local_len;
	uint8_t rcpt[LIMIT_ADDRESS];
	uint8_t orcpt[512];
	uint8_t sender[LIMIT_ADDRESS];
	uint8_t local[64];
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
	if (result->outcome == RCPT_FOREIGN && j->by_network) {
		if (!t->is_relay &&
		    !arena_copy(&t->arena, slice_of(j->sender, j->sender_len),
			&t->sender))
			return false;
		t->is_relay = true;
	}
	a->notify = j->notify;
	a->rrvs = j->rrvs;
	a->rrvs_continue = j->rrvs_continue;
	*t->last = a;
	t->last = &a->next;
	t->n++;
	t->n_targets += result->n_targets;
	return true;
}

/* In whole minutes, so that no text has to outlive this: who comes back a
 * little late is welcome. */
static struct wire_verdict
say_greylisted(int64_t wait)
{
	static const struct {
		int64_t most;
		enum smtp_say say;
	} says[] = {
		{ TIME_MINUTE, SMTP_SAY_NEW_MINUTE },
		{ 5 * TIME_MINUTE, SMTP_SAY_NEW_5_MINUTES },
		{ 15 * TIME_MINUTE, SMTP_SAY_NEW_15_MINUTES },
		{ TIME_HOUR, SMTP_SAY_NEW_HOUR },
	};

	for (size_t i = 0; i < sizeof(says) / sizeof(says[0]); i++)
		if (wait <= says[i].most)
			return wire_say(says[i].say);
	return wire_say(SMTP_SAY_NEW_HOURS);
}

/* A route of kind error, for a recipient who is one elsewhere; where an alias
 * stands for several, the others get it, and its sender a notice. */
static bool
is_refused_by_route(const struct peer *p, const struct rcpt_job *j,
    const struct rcpt_result *result, struct verdict *ret)
{
	const struct rcpt_target *t = &result->targets[0];
	struct route_choice choice;
	struct slice local, domain;

	if (result->n_targets != 1 || t->account != 0 || t->is_list ||
	    !canon_split(t->name.canonical, &local, &domain))
		return false;
	outbound_route(p->role->outbound,
	    t->sender.len > 0 ? t->sender : slice_of(j->sender, j->sender_len),
	    domain, &choice);
	if (choice.rule == NULL || choice.rule->kind != HOP_ERROR)
		return false;
	*ret = route_reply(choice.rule->reply_code, choice.rule->reply);
	return true;
}

/* Mail for it goes on to another server, which alone could verify it. */
static bool
is_elsewhere(const struct rcpt_result *result)
{
	return result->outcome == RCPT_FOREIGN ||
	    (result->n_targets > 0 && result->targets[0].is_relay);
}

/* Which of RCPT's answers, with the approval kept when it is a yes. */
static struct wire_verdict
decide(struct peer *p, const struct rcpt_job *j,
    const struct rcpt_result *result)
{
	struct verdict v =
	    rcpt_verdict(rcpt_weigh(result, j->size, j->rrvs), j->may_relay);
	int64_t wait;
	bool is_put_off;
	struct txn *t;

	if (verdict_is_ok(&v) && j->is_suppressed)
		return wire_say(SMTP_SAY_SUPPRESSED);
	if (verdict_is_ok(&v) && is_refused_by_route(p, j, result, &v))
		return wire_verdict_of(&v);
	if (verdict_is_ok(&v) && j->how != VERIFY_NOT && is_elsewhere(result))
		return wire_say(SMTP_SAY_VRFY_ELSEWHERE);
	if (!verdict_is_ok(&v) || j->how != VERIFY_NOT)
		return wire_verdict_of(&v);
	is_put_off = !greylist_pass(p->role->greylist, &j->grey,
	    result->greylist, &wait);
	greylist_written_behind(p->role);
	if (is_put_off)
		return say_greylisted(wait);
	t = txn_get(p, j->txn);
	if (t != NULL &&
	    (t->n >= LIMIT_SMTP_RCPTS ||
		t->n_targets + result->n_targets > LIMIT_TXN_TARGETS))
		return wire_say(SMTP_SAY_TOO_MANY_RCPTS);
	if (t == NULL || !approve(t, j, result))
		return wire_say(SMTP_SAY_FULL);
	return wire_verdict_of(&v);
}

static void
answer_rcpt(struct channel *c, const struct asker *a,
    const struct wire_verdict *v)
{
	struct wire_rcpt_answer m = { .verdict = *v };

	(void)wire_send_rcpt_answer(c, a->session, a->ticket, &m);
}

/* EXPN: who would get it. None: more than can be told, or not told apart. */
static void
add_members(const struct rcpt_result *result, struct buf *rows,
    struct wire_list *ret)
{
	uint32_t n = 0;

	for (size_t i = 0; i < result->n_targets; i++, n++) {
		struct wire_member m = { result->targets[i].name.typed };

		if (n == LIMIT_EXPN || result->targets[i].is_list ||
		    wire_member_add(rows, &m) != 0)
			return;
	}
	*ret = (struct wire_list){ .raw = buf_slice(rows), .n = n };
}

/* VRFY and EXPN: what RCPT would hear, and nothing kept. */
static void
answer_verify(struct channel *c, const struct rcpt_job *j,
    const struct wire_verdict *v, const struct rcpt_result *result)
{
	struct wire_rcpt_answer m = { .verdict = *v };
	struct buf rows;

	buf_init(&rows, LIMIT_FRAME / 2);
	if (j->how == VERIFY_EXPAND && v->code == 250)
		add_members(result, &rows, &m.rows);
	(void)wire_send_rcpt_answer(c, j->asker.session, j->asker.ticket, &m);
	buf_deinit(&rows);
}

/* -- in a reader's thread
 * --------------------------------------------------------- */

/* "postmaster" alone (RFC 5321, 4.5.1), and what nobody else would answer for:
 * postmaster and abuse at this host's own name, at an address of it. */
static bool
is_of_this_host(const struct settings *s, struct slice here, struct slice rcpt,
    struct slice *ret_local)
{
	struct slice local, domain;
	struct route_address literal;
	struct ip ip, at;

	if (slice_equal_nocase(rcpt, SLICE("postmaster"))) {
		*ret_local = rcpt;
		return true;
	}
	if (!canon_split(rcpt, &local, &domain) ||
	    (!slice_equal_nocase(local, SLICE("postmaster")) &&
		!slice_equal_nocase(local, SLICE("abuse"))))
		return false;
	*ret_local = local;
	if (slice_equal_nocase(domain, slice_cstr(s->hostname)))
		return true;
	if (!route_literal_parse(domain, &literal))
		return false;
	ip = ip_of(literal.family, literal.bytes);
	if (ip_parse(here, &at)) {
		at = ip_unmapped(at);
		if (ip_equal(&at, &ip))
			return true;
	}
	for (uint32_t i = 0; i < s->n_listeners; i++) {
		struct ip own =
		    ip_of(s->listeners[i].family, s->listeners[i].address);

		if (ip_equal(&own, &ip))
			return true;
	}
	return false;
}

static int
find_host_role(struct db *db, const struct settings *s, struct slice local,
    const struct rcpt_request *request, struct arena *arena,
    struct rcpt_result *ret)
{
	char found[LIMIT_ADDRESS + 1], text[LIMIT_ADDRESS + 1];
	struct rcpt_request ask = *request;
	size_t at;
	int r = postmaster_find(db, s->hostname, found);

	if (r != 0)
		return r == DB_NONE ? r : ERR_TRACE(r);
	at = slice_find_byte(slice_cstr(found), '@');
	(void)snprintf(text, sizeof(text), "%s%s",
	    slice_equal_nocase(local, SLICE("abuse")) ? "abuse" : "postmaster",
	    found + at);
	ask.typed = slice_cstr(text);
	return rcpt_lookup(db, &ask, arena, ret);
}

int
accept_lookup(struct db *db, const struct settings *s, struct slice here,
    const struct rcpt_request *ask, struct arena *arena,
    struct rcpt_result *ret)
{
	struct slice local;
	int r = slice_find_byte(ask->typed, '@') == SIZE_MAX
	    ? ACCOUNT_E_ADDRESS
	    : rcpt_lookup(db, ask, arena, ret);

	if ((r == ACCOUNT_E_ADDRESS ||
		(r == 0 && ret->outcome == RCPT_FOREIGN)) &&
	    is_of_this_host(s, here, ask->typed, &local)) {
		int h = find_host_role(db, s, local, ask, arena, ret);

		r = h == DB_NONE ? r : h;
	}
	return r < 0 ? ERR_TRACE(r) : r;
}

/* RFC 6409, 6.1 for networks: beyond our domains they speak for us. */
static int
check_network_sender(struct db *db, struct rcpt_job *j)
{
	struct address a;
	int r;

	if (!j->by_network || j->sender_len == 0 ||
	    !j->asker.role->settings->relay_own_senders)
		return 0;
	r = address_read(db, slice_of(j->sender, j->sender_len), &a);
	j->may_relay = r == 0 && a.is_ours;
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
check_suppressed(struct db *db, struct rcpt_job *j,
    const struct rcpt_request *ask)
{
	int r = suppress_any(db);

	j->none_is = r == DB_NONE;
	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : 0;
	return ERR_TRACE(suppress_check(db, ask->sender, ask->typed,
	    j->asker.role->settings->suppress_after, j->now,
	    &j->is_suppressed));
}

static int
run_rcpt(struct db *db, struct store_read *r)
{
	struct rcpt_job *j = LIST_ENTRY(r, struct rcpt_job, read);
	struct rcpt_request ask = { .typed = slice_of(j->rcpt, j->rcpt_len),
		.sender = slice_of(j->sender, j->sender_len),
		.account = j->account,
		.now = j->now };
	int q = DB_NONE;

	if (j->account != 0) {
		q = sending_check(db, &j->sending);
		if (q != 0 && q != DB_NONE)
			return q;
	}
	q = check_network_sender(db, j);
	if (q != 0)
		return ERR_TRACE(q);
	q = accept_lookup(db, j->asker.role->settings,
	    slice_of(j->local, j->local_len), &ask, &j->arena, &j->result);
	if (q == 0 && j->result.outcome == RCPT_FOREIGN && j->may_relay)
		q = check_suppressed(db, j, &ask);
	return q < 0 ? ERR_TRACE(q) : q;
}

/* Moves when somebody may have become suppressed. */
static uint64_t
suppression_changes(const struct store_role *s)
{
	return s->n_forgotten + outbound_refusals(s->outbound);
}

static void
note_suppression(const struct rcpt_job *j)
{
	struct store_role *s = j->asker.role;

	if (!j->none_is || j->changes != suppression_changes(s))
		return;
	s->unsuppressed_changes = j->changes;
	s->unsuppressed_until = env_now(s->env) + CACHE_TIME;
}

/* A login's limits, a network's sender, who is suppressed (as long as somebody
 * is) and an address of ours are looked at each time. */
static bool
may_remember(const struct rcpt_job *j)
{
	const struct store_role *s = j->asker.role;

	if (j->account != 0 || j->local_len > 0)
		return false;
	if (!j->may_relay)
		return true;
	return j->by_network &&
	    (j->sender_len == 0 || !s->settings->relay_own_senders) &&
	    env_now(s->env) <= s->unsuppressed_until &&
	    s->unsuppressed_changes == suppression_changes(s);
}

static void
done_rcpt(struct store_read *r, int result)
{
	struct rcpt_job *j = LIST_ENTRY(r, struct rcpt_job, read);
	struct channel *c = asker_channel(&j->asker);
	char text[ACCEPT_TEXT];
	struct wire_verdict v;

	if (result == 0 && !j->result.depends_on_sender && j->local_len == 0)
		cached_put(j->asker.role, slice_of(j->rcpt, j->rcpt_len),
		    &j->result);
	if (result == 0)
		note_suppression(j);
	if (c != NULL) {
		v = result == 0 ? decide(peer_of(c), j, &j->result)
		    : result == STORE_E_SENDING
		    ? accept_sending_verdict(&j->sending, text)
		    : result > 0 ? wire_say(SMTP_SAY_RCPT_NO_ADDRESS)
				 : wire_say(SMTP_SAY_TROUBLE);
		answer_verify(c, j, &v, &j->result);
	}
	arena_reset(&j->arena);
	free(j);
}

/* -- the question
 * --------------------------------------------------------------- */

/* What is refused before anybody is looked up. */
static bool
is_refused(struct peer *p, const struct wire_rcpt_ask *m,
    struct wire_verdict *ret)
{
	const struct store_role *s = p->role;
	bool is_open = p->c.peer == WIRE_MX ? s->strangers : s->submission;

	if (!is_open)
		*ret = wire_say(SMTP_SAY_FULL);
	else if (m->size > s->settings->max_size)
		*ret = wire_say(SMTP_SAY_TOO_BIG);
	else if (m->rcpt.len == 0)
		*ret = wire_say(SMTP_SAY_RCPT_NO_ADDRESS);
	else
		return false;
	return true;
}

/* Who asks, and what that gives him. */
static void
set_asker(struct peer *p, struct rcpt_job *j, const struct wire_rcpt_ask *m)
{
	struct store_role *s = p->role;
	struct handle *handle = handle_find(p, m->handle, GRANT_SUBMIT);
	struct txn *t = map_get_number(&p->txns, m->txn);
	struct ip ip;

	/* who is on this machine may send like who has logged in */
	j->may_relay = handle != NULL || p->c.peer == WIRE_LOCAL;
	if (handle != NULL) {
		j->account = handle->account;
		j->sending = (struct sending){ .account = handle->account,
			.defaults = accept_sending_defaults(s),
			.n_rcpts = (t == NULL ? 0 : t->n) + 1u,
			.now = env_wall(s->env) };
	} else if (p->c.peer == WIRE_MX && !m->is_lmtp && s->relay.n > 0 &&
	    ip_parse(m->client, &ip)) {
		ip = ip_unmapped(ip);
		j->by_network = ip_networks_have(&s->relay, &ip);
		j->may_relay = j->by_network;
	}
}

static struct rcpt_job *
rcpt_job_new(struct channel *c, const struct wire_head *h,
    const struct wire_rcpt_ask *m)
{
	struct rcpt_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->asker = asker_of(c, h);
	j->txn = m->txn;
	j->handle = m->handle;
	j->how = m->how;
	j->notify = m->notify;
	j->size = m->size;
	j->rrvs = m->rrvs;
	j->now = env_wall(peer_of(c)->role->env);
	j->changes = suppression_changes(peer_of(c)->role);
	j->rrvs_continue = m->rrvs_continue;
	memcpy(j->rcpt, m->rcpt.at, m->rcpt.len);
	j->rcpt_len = m->rcpt.len;
	memcpy(j->orcpt, m->orcpt.at, m->orcpt.len);
	j->orcpt_len = m->orcpt.len;
	memcpy(j->sender, m->sender.at, m->sender.len);
	j->sender_len = m->sender.len;
	memcpy(j->local, m->local.at, m->local.len);
	j->local_len = m->local.len;
	set_asker(peer_of(c), j, m);
	return j;
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
	j = rcpt_job_new(c, h, m);
	if (j == NULL)
		return ERR_ORIGIN(-ENOMEM);
	if (c->peer == WIRE_MX && !m->is_lmtp && !j->by_network &&
	    !m->by_filter)
		greylist_ticket_make(s->greylist, m->client, m->rdns, m->sender,
		    m->rcpt, &j->grey);
	e = may_remember(j) ? cached_find(s, m->rcpt) : NULL;
	if (e != NULL) {
		v = decide(p, j, &e->result);
		answer_verify(c, j, &v, &e->result);
		free(j);
		return 0;
	}
	arena_init(&j->arena, LIMIT_LOOKUP);
	j->read.run = run_rcpt;
	j->read.done = done_rcpt;
	j->read.is_short = true;
	store_read(s->store, &j->read);
	return 0;
}
