/* SPDX-License-Identifier: ISC */
/*
 * roles/store/accept_commit - COMMIT: the bytes, then everything decided
 *
 * One deposit: the body is appended, and when it would survive a power cut one
 * transaction makes the message, its place in every mailbox and every queue
 * row. Only who was approved in the transaction is reached.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/canon.h"
#include "roles/store/accept_impl.h"

enum {
	BULK_RCPTS = 20 /* more foreign recipients than this are bulk */
};

struct local {
	uint64_t account, modseq;
	struct slice address;
};
/* A row of the queue: somebody elsewhere; or a mailbox here that gets it at its
 * release (RFC 4865); or what the sender wants to hear of (RFC 3461). */
struct remote {
	struct rcpt_name name;
	struct slice route, orcpt;
	int64_t rrvs;
	bool rrvs_continue;
	uint8_t notify, state; /* ROW_* */
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
	int64_t due = a->row.hold_until > a->now ? a->row.hold_until : a->now;

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
			.expires = due + a->lifetime,
			.notify = to->notify,
			.orcpt = to->orcpt,
			.state = to->state,
			.due = due,
			.by = a->row.deliver_by,
			.by_mode = a->row.by_mode,
			.priority = a->row.priority,
			.rrvs = to->rrvs,
			.rrvs_continue = to->rrvs_continue });

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
note_remote(const struct acceptance *a, const struct remote *to)
{
	struct store_role *s = a->asker.role;
	struct event event = { .message = a->row.id,
		.at = a->now,
		.kind = "queued",
		.address = to->name.canonical,
		.text = to->state == ROW_LOCAL ? SLICE("INBOX, at its release")
					       : to->route };

	if (to->state == ROW_WAITING || to->state == ROW_LOCAL)
		events_add(store_events(s->store), &event);
	outbound_queued(s->outbound,
	    &(struct outbound_row){ .route = to->route,
		.lane = a->lane,
		.state = to->state,
		.due = a->row.hold_until,
		.by = a->row.deliver_by,
		.priority = a->row.priority });
}

/* What was asked for beyond an ordinary mail, for `ulak trace`. */
static void
put_wishes(const struct message_row *m, struct buf *out)
{
	static const char *const rets[] = { NULL, "RET=FULL", "RET=HDRS" };
	char at[TIME_RFC3339];
	const struct {
		bool is_on;
		const char *text;
	} flags[] = {
		{ m->is_smtputf8, "SMTPUTF8" },
		{ m->is_binary, "BODY=BINARYMIME" },
		{ m->requires_tls, "REQUIRETLS" },
		{ m->ret == 1 || m->ret == 2, rets[m->ret % 3] },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].is_on)
			(void)buf_printf(out, "%s\n", flags[i].text);
	if (m->envid.len > 0)
		(void)buf_printf(out, "ENVID=%.*s\n", SLICE_FMT(m->envid));
	if (m->priority != 0)
		(void)buf_printf(out, "MT-PRIORITY=%d\n", (int)m->priority);
	if (m->hold_until != 0) {
		time_print_rfc3339(m->hold_until, at);
		(void)buf_printf(out, "released at %s\n", at);
	}
	if (m->deliver_by != 0) {
		time_print_rfc3339(m->deliver_by, at);
		(void)buf_printf(out, "deliver by %s, else %s%s\n", at,
		    m->by_mode == MAIL_BY_RETURN ? "return" : "tell",
		    m->by_trace ? ", trace" : "");
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
	struct buf wishes;

	buf_init(&wishes, 1024);
	put_wishes(&a->row, &wishes);
	event.detail = buf_slice(&wishes);
	events_add(e, &event);
	event.detail = (struct slice){ 0 };
	buf_deinit(&wishes);
	for (size_t i = 0; i < a->n_locals; i++) {
		event.kind = "delivered";
		event.address = a->locals[i].address;
		event.text = SLICE("into INBOX");
		events_add(e, &event);
		scan_changed(s, a->locals[i].account, a->locals[i].modseq);
	}
	for (size_t i = 0; i < a->n_remotes; i++)
		note_remote(a, &a->remotes[i]);
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
add_row(struct acceptance *a, const struct approval *from, struct remote row)
{
	for (size_t i = 0; i < a->n_remotes; i++)
		if (a->remotes[i].state == row.state &&
		    slice_equal(a->remotes[i].name.canonical,
			row.name.canonical))
			return;
	row.orcpt = from->orcpt;
	row.rrvs = from->rrvs;
	row.rrvs_continue = from->rrvs_continue;
	a->remotes[a->n_remotes++] = row;
}

/* The sender is told of the address that he wrote (RFC 3461, 6.3). */
static void
add_told(struct acceptance *a, const struct approval *from, uint8_t state)
{
	if (a->row.sender.len > 0)
		add_row(a, from,
		    (struct remote){ .name = { from->rcpt, from->rcpt },
			.notify = from->notify,
			.state = state });
}

static void
add_local(struct acceptance *a, const struct approval *from,
    const struct rcpt_target *t, uint8_t notify)
{
	if (a->row.hold_until > a->now) {
		add_row(a, from,
		    (struct remote){ .name = t->name,
			.notify = notify,
			.state = ROW_LOCAL });
		return;
	}
	if ((notify & NOTIFY_SUCCESS) != 0)
		add_told(a, from, ROW_DELIVERED);
	for (size_t i = 0; i < a->n_locals; i++)
		if (a->locals[i].account == t->account)
			return;
	a->locals[a->n_locals++] = (struct local){ .account = t->account,
		.address = t->name.canonical };
}

static void
add_remote(struct acceptance *a, const struct approval *from,
    const struct rcpt_target *t, uint8_t notify)
{
	struct remote row = { .name = t->name, .notify = notify };
	struct slice local;

	if (canon_split(t->name.canonical, &local, &row.route))
		add_row(a, from, row);
}

/* RFC 3461, 5.2.7.2: an alias of one passes everything on; 5.2.7.3 (c): with
 * several its sender hears of the expansion, and of no success behind it. */
static uint8_t
notify_behind(const struct approval *p)
{
	if (p->result.n_targets < 2 || (p->notify & NOTIFY_SUCCESS) == 0)
		return p->notify;
	return p->notify == NOTIFY_SUCCESS
	    ? NOTIFY_NEVER
	    : (uint8_t)(p->notify & ~NOTIFY_SUCCESS);
}

static void
collect_approval(struct acceptance *a, const struct approval *p)
{
	uint8_t notify = notify_behind(p);

	if (notify != p->notify)
		add_told(a, p, ROW_EXPANDED);
	for (size_t i = 0; i < p->result.n_targets; i++) {
		const struct rcpt_target *to = &p->result.targets[i];

		if (to->account != 0)
			add_local(a, p, to, notify);
		else
			add_remote(a, p, to, notify);
	}
}

/* Everybody who was approved, each once. False: no memory. */
static bool
collect_targets(struct acceptance *a, const struct txn *t)
{
	size_t n = 0;

	for (const struct approval *p = t->first; p != NULL; p = p->next)
		n += p->result.n_targets + 1;
	a->locals = calloc(n + 1, sizeof(*a->locals) + sizeof(*a->remotes));
	if (a->locals == NULL)
		return false;
	a->remotes = (struct remote *)(void *)(a->locals + n + 1);
	for (const struct approval *p = t->first; p != NULL; p = p->next)
		collect_approval(a, p);
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

/* RFC 6710 within our lanes: urgent mail is never bulk, and what may wait
 * lets a person's mail go first. */
static uint8_t
lane_of(const struct acceptance *a)
{
	if (a->row.sender.len == 0)
		return LANE_BOUNCE;
	if (a->row.priority != 0)
		return a->row.priority < 0 ? LANE_BULK : LANE_INTERACTIVE;
	return a->n_remotes > BULK_RCPTS ? LANE_BULK : LANE_INTERACTIVE;
}

/* What only other sessions than ours would say. */
static bool
is_sound(const struct wire_commit *m)
{
	return m->priority >= -9 && m->priority <= 9 && m->ret <= 2 &&
	    m->by_mode <= MAIL_BY_NOTIFY && m->hold_until >= 0 &&
	    (m->deliver_by > 0) == (m->by_mode != MAIL_BY_NONE);
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
		.is_8bit = m->is_8bit,
		.is_binary = m->is_binary,
		.is_smtputf8 = m->is_smtputf8,
		.requires_tls = m->requires_tls,
		.hold_until = m->hold_until,
		.deliver_by = m->deliver_by,
		.by_mode = m->by_mode,
		.by_trace = m->by_trace,
		.priority = m->priority };
	a->now = a->row.received_at;
	a->lifetime = s->settings->lifetime;
	if (!copy_envelope(a, t, m) || !collect_targets(a, t)) {
		acceptance_free(a);
		return NULL;
	}
	a->lane = lane_of(a);
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
	bool is_ok = body != NULL && is_sound(m) && may_commit(p, t, m) &&
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
