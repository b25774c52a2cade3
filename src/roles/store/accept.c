/* SPDX-License-Identifier: ISC */
/*
 * roles/store/accept - from RCPT to the committed mail
 *
 * RCPT_ASK is decided from the database (a reader's job, remembered for a few
 * seconds) and what was approved is kept here, per channel and transaction:
 * COMMIT reaches exactly these, and a front cannot name others. COMMIT is one
 * deposit: the bytes, then one transaction with the message, every mailbox and
 * every queue row.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/canon.h"
#include "roles/store/store_role.h"

enum {
	CACHE_MAX = 20000,
	/* The bytes that fronts add in front of a mail of max_size. */
	TRACE_ROOM = 64 * 1024,
	TXNS_MAX = 20000,   /* of one channel */
	BODIES_MAX = 20000, /* of one channel */
	TXN_ARENA = 2 * 1024 * 1024,
	LOOKUP_ARENA = 8 * 1024 * 1024,
	BULK_RCPTS = 20 /* more foreign recipients than this are bulk */
};
#define CACHE_TIME (3 * TIME_SECOND)

/* -- bodies
 * ----------------------------------------------------------------------- */

struct incoming {
	uint64_t number, session;
	struct peer *peer;
	struct body *body; /* NULL: refused; the rest is ignored */
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

	m.verdict = r == -EMSGSIZE
	    ? wire_verdict_make(552, 5, 3, 4, "message is too large")
	    : r == -ENOSPC || r == -ENOMEM
	    ? wire_verdict_make(452, 4, 3, 1, "no room for it now")
	    : wire_verdict_make(451, 4, 3, 0, "cannot be stored now");
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

static bool
copy_result(struct arena *arena, const struct rcpt_result *from,
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
	    !copy_result(&e->arena, result, &e->result) ||
	    map_put(&s->cache, e->typed, e) != 0) {
		arena_reset(&e->arena);
		free(e);
		return;
	}
	list_add_last(&s->cached, &e->link);
}

/* -- transactions
 * ---------------------------------------------------------------------- */

struct approval {
	struct approval *next;
	struct rcpt_result result; /* in the transaction's arena */
	struct slice rcpt, orcpt;
	uint8_t notify;
};

struct txn {
	uint64_t number;
	uint32_t handle;
	bool has_sender; /* the login may use `sender` */
	struct slice sender;
	struct arena arena;
	struct approval *first, **last;
	unsigned n;
};

static void
txn_free(struct peer *p, struct txn *t)
{
	(void)map_take_number(&p->txns, t->number);
	arena_reset(&t->arena);
	free(t);
}

static struct txn *
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
	struct incoming *in;
	struct txn *t;
	size_t at = 0;

	while ((in = map_next(&p->bodies, &at)) != NULL) {
		(void)map_take_number(&p->bodies, in->number);
		body_free(in->body);
		free(in);
	}
	at = 0;
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
	size_t rcpt_len, orcpt_len;
	uint8_t rcpt[LIMIT_ADDRESS];
	uint8_t orcpt[512];
};

static bool
approve(struct txn *t, struct slice rcpt, const struct rcpt_result *result,
    uint8_t notify, struct slice orcpt)
{
	struct approval *a = arena_alloc(&t->arena, sizeof(*a));

	if (a == NULL || !copy_result(&t->arena, result, &a->result) ||
	    !arena_copy(&t->arena, rcpt, &a->rcpt) ||
	    !arena_copy(&t->arena, orcpt, &a->orcpt))
		return false;
	a->notify = notify;
	*t->last = a;
	t->last = &a->next;
	t->n++;
	return true;
}

/* Which of RCPT's answers, with the approval kept when it is a yes. */
static struct wire_verdict
decide(struct peer *p, const struct rcpt_job *j,
    const struct rcpt_result *result)
{
	bool may_relay = handle_find(p, j->handle, GRANT_SUBMIT) != NULL;
	struct verdict v = rcpt_verdict(result->outcome, may_relay);
	struct txn *t;

	if (!verdict_is_ok(&v))
		return wire_verdict_of(&v);
	t = txn_get(p, j->txn);
	if (t != NULL && t->n >= LIMIT_SMTP_RCPTS)
		return wire_verdict_make(452, 4, 5, 3, "too many recipients");
	if (t == NULL ||
	    !approve(t, slice_of(j->rcpt, j->rcpt_len), result, j->notify,
		slice_of(j->orcpt, j->orcpt_len)))
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
	memcpy(j->rcpt, m->rcpt.at, m->rcpt.len);
	j->rcpt_len = m->rcpt.len;
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

/* -- COMMIT
 * ----------------------------------------------------------------------------------
 */

struct local {
	uint64_t account, modseq;
	struct slice address;
};
struct remote {
	struct rcpt_name name;
	struct slice route, orcpt;
	uint8_t notify;
};

struct acceptance {
	struct deposit d;
	struct asker asker;
	struct arena arena; /* was the transaction's */
	struct message_row row;
	struct local *locals;
	struct remote *remotes;
	size_t n_locals, n_remotes;
	int64_t now, lifetime;
	uint8_t lane;
	bool is_repeat;
};

static int
apply_locals(struct db *db, struct acceptance *a)
{
	for (size_t i = 0; i < a->n_locals; i++) {
		struct delivery d = { .account = a->locals[i].account,
			.message = a->row.id,
			.size = a->d.append.place.stored_len,
			.keywords = SLICE(""),
			.date = a->now,
			.saved_at = a->now,
			.summary = a->row.summary };
		int r = mailbox_deliver(db, &d);

		if (r != 0)
			return r < 0 ? ERR_TRACE(r) : r;
		a->locals[i].modseq = d.modseq;
	}
	return 0;
}

static int
apply_remotes(struct db *db, struct acceptance *a)
{
	for (size_t i = 0; i < a->n_remotes; i++) {
		const struct remote *to = &a->remotes[i];
		int r = queue_add(db,
		    &(struct queue_add){ .message = a->row.id,
			.n = (uint32_t)i,
			.tenant = 1,
			.sender = a->row.sender,
			.rcpt = to->name.typed,
			.rcpt_canon = to->name.canonical,
			.route = to->route,
			.lane = a->lane,
			.now = a->now,
			.expires = a->now + a->lifetime,
			.notify = to->notify,
			.orcpt = to->orcpt });

		if (r != 0)
			return r < 0 ? ERR_TRACE(r) : r;
	}
	return 0;
}

static struct acceptance *
acceptance_of(struct store_write *w)
{
	return LIST_ENTRY(LIST_ENTRY(w, struct deposit, write),
	    struct acceptance, d);
}

/* Promise 2: everything that was decided about this mail, or nothing. */
static int
apply_acceptance(struct db *db, struct store_write *w)
{
	struct acceptance *a = acceptance_of(w);
	int r = message_exists(db, &a->row.id);

	a->is_repeat = r == 0;
	if (r != DB_NONE)
		return ERR_TRACE(r);
	a->row.place = &a->d.append.place;
	a->row.refs = (uint32_t)(a->n_locals + a->n_remotes);
	r = apply_locals(db, a);
	if (r == 0)
		r = apply_remotes(db, a);
	if (r == 0)
		r = message_insert(db, &a->row);
	return r < 0 ? ERR_TRACE(r) : r;
}

struct wire_verdict
accept_verdict(struct store_role *s, int r)
{
	store_role_no_room(s, r);
	switch (r) {
	case 0:
		return wire_verdict_make(250, 2, 0, 0, "kept");
	case STORE_E_QUOTA:
		return wire_verdict_make(452, 4, 2, 2, "a mailbox is full");
	case -ENOSPC:
	case -EDQUOT:
	case -ENOMEM:
		return wire_verdict_make(452, 4, 3, 1, "no room for it now");
	case -EMSGSIZE:
		return wire_verdict_make(552, 5, 3, 4, "message is too large");
	default:
		return wire_verdict_make(451, 4, 3, 0,
		    "it could not be stored; try again");
	}
}

static void
note_accepted(struct acceptance *a)
{
	struct store_role *s = a->asker.role;
	struct events *e = store_events(s->store);
	struct event event = { .message = a->row.id,
		.at = a->now,
		.kind = "accepted",
		.address = a->row.sender,
		.text = a->row.client };

	events_add(e, &event);
	for (size_t i = 0; i < a->n_locals; i++) {
		event.kind = "delivered";
		event.address = a->locals[i].address;
		event.text = SLICE("into INBOX");
		events_add(e, &event);
		scan_changed(s, a->locals[i].account, a->locals[i].modseq);
	}
	for (size_t i = 0; i < a->n_remotes; i++) {
		event.kind = "queued";
		event.address = a->remotes[i].name.canonical;
		event.text = a->remotes[i].route;
		events_add(e, &event);
		outbound_queued(s->outbound, a->remotes[i].route, a->lane);
	}
}

static void
acceptance_free(struct acceptance *a)
{
	buf_deinit(&a->d.append.envelope);
	arena_reset(&a->arena);
	free(a->locals);
	free(a);
}

static void
done_acceptance(struct store_write *w, int r)
{
	struct acceptance *a = acceptance_of(w);
	struct channel *c = asker_channel(&a->asker);
	struct wire_done m = { .id = a->row.id,
		.verdict = accept_verdict(a->asker.role, r) };

	if (r == STORE_E_NO_ACCOUNT || r == STORE_E_NO_MAILBOX)
		accept_forget_addresses(a->asker.role);
	if (c != NULL)
		(void)wire_send_done(c, a->asker.session, a->asker.ticket, &m);
	if (r == 0 && !a->is_repeat)
		note_accepted(a);
	acceptance_free(a);
}

static void
add_local(struct acceptance *a, const struct rcpt_target *t)
{
	for (size_t i = 0; i < a->n_locals; i++)
		if (a->locals[i].account == t->account)
			return;
	a->locals[a->n_locals++] = (struct local){ .account = t->account,
		.address = t->name.canonical };
}

static void
add_remote(struct acceptance *a, const struct approval *from,
    const struct rcpt_target *t)
{
	struct remote *to = &a->remotes[a->n_remotes];
	struct slice local;

	for (size_t i = 0; i < a->n_remotes; i++)
		if (slice_equal(a->remotes[i].name.canonical,
			t->name.canonical))
			return;
	if (!canon_split(t->name.canonical, &local, &to->route))
		return;
	to->name = t->name;
	to->notify = from->notify;
	to->orcpt = from->orcpt;
	a->n_remotes++;
}

/* Everybody who was approved, each once. False: no memory. */
static bool
collect_targets(struct acceptance *a, const struct txn *t)
{
	size_t n = 0;

	for (const struct approval *p = t->first; p != NULL; p = p->next)
		n += p->result.n_targets;
	a->locals = calloc(n + 1, sizeof(*a->locals) + sizeof(*a->remotes));
	if (a->locals == NULL)
		return false;
	a->remotes = (struct remote *)(void *)(a->locals + n + 1);
	for (const struct approval *p = t->first; p != NULL; p = p->next)
		for (size_t i = 0; i < p->result.n_targets; i++) {
			const struct rcpt_target *to = &p->result.targets[i];

			if (to->account != 0)
				add_local(a, to);
			else
				add_remote(a, p, to);
		}
	return true;
}

static bool
copy_envelope(struct acceptance *a, const struct txn *t,
    const struct wire_commit *m)
{
	struct buf *e = &a->d.append.envelope;
	struct message_row *row = &a->row;
	int r;

	if (!arena_copy(&a->arena, m->sender, &row->sender) ||
	    !arena_copy(&a->arena, m->client, &row->client) ||
	    !arena_copy(&a->arena, m->helo, &row->helo) ||
	    !arena_copy(&a->arena, m->protocol, &row->protocol) ||
	    !arena_copy(&a->arena, m->envid, &row->envid) ||
	    !arena_copy(&a->arena, m->summary, &row->summary))
		return false;
	buf_init(e, SEGMENT_ENVELOPE_MAX);
	r = segment_envelope_add(e, SEGMENT_SENDER, m->sender);
	r |= segment_envelope_add(e, SEGMENT_CLIENT, m->client);
	r |= segment_envelope_add(e, SEGMENT_HELO, m->helo);
	r |= segment_envelope_add(e, SEGMENT_PROTOCOL, m->protocol);
	for (const struct approval *p = t->first; p != NULL; p = p->next)
		r |= segment_envelope_add(e, SEGMENT_RCPT, p->rcpt);
	return r == 0;
}

static struct acceptance *
acceptance_new(struct channel *c, const struct wire_head *h, struct txn *t,
    const struct wire_commit *m)
{
	struct store_role *s = peer_of(c)->role;
	struct acceptance *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->asker = asker_of(c, h);
	/* The approvals stand in this memory: it goes along. */
	a->arena = t->arena;
	arena_init(&t->arena, 0);
	a->row = (struct message_row){ .id = m->id,
		.relay_from = m->relay_from,
		.received_at = env_wall(s->env),
		.ret = m->ret,
		.is_8bit = m->is_8bit };
	a->now = a->row.received_at;
	a->lifetime = s->settings->lifetime;
	if (!collect_targets(a, t) || !copy_envelope(a, t, m)) {
		acceptance_free(a);
		return NULL;
	}
	a->lane = m->sender.len == 0    ? LANE_BOUNCE
	    : a->n_remotes > BULK_RCPTS ? LANE_BULK
					: LANE_INTERACTIVE;
	a->d.append.header = (struct segment_header){
		.id = m->id, .time = a->now, .kind = SEGMENT_MAIL
	};
	a->d.write = (struct store_write){ .lane = STORE_LANE_ACCEPT,
		.apply = apply_acceptance,
		.done = done_acceptance };
	return a;
}

/* Whether this channel may commit that: the login is still there and uses the
 * sender it was granted, and somebody was approved. */
static bool
may_commit(struct peer *p, const struct txn *t, const struct wire_commit *m)
{
	if (t == NULL || t->n == 0)
		return false;
	if (p->c.peer != WIRE_USER)
		return m->handle == 0;
	return t->has_sender && t->handle == m->handle &&
	    slice_equal(t->sender, m->sender) &&
	    handle_find(p, m->handle, GRANT_SUBMIT) != NULL;
}

int
on_commit(struct channel *c, const struct wire_head *h,
    const struct wire_commit *m)
{
	struct peer *p = peer_of(c);
	struct txn *t = map_get_number(&p->txns, m->txn);
	struct body *body = accept_take_body(p, m->body);
	struct acceptance *a = NULL;
	bool is_ok = body != NULL && may_commit(p, t, m) &&
	    m->relay_from <= body_len(body);

	if (is_ok)
		a = acceptance_new(c, h, t, m);
	if (t != NULL)
		txn_free(p, t);
	if (a != NULL) {
		deposit_submit(p->role->store, &a->d, body);
		return 0;
	}
	body_free(body);
	(void)wire_send_done(c, h->session, h->ticket,
	    &(struct wire_done){ .id = m->id,
		.verdict = accept_verdict(p->role, is_ok ? -ENOMEM : -EIO) });
	return 0;
}
