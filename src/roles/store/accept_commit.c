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
#include "store/expand.h"
#include "store/forward.h"

enum {
	BULK_RCPTS = 20, /* more foreign recipients than this are bulk */
	FRESH_ROWS = 20  /* that need not be read for their first attempt */
};

struct local {
	uint64_t account, modseq;
	struct slice address, sender, orcpt; /* the last two: while it waits */
	uint8_t notify;                      /* and this */
	bool is_exempt;
	bool is_member;   /* only behind a group */
	bool is_told;     /* its sender wants to hear of success */
	bool is_full;     /* there is no room just now */
	bool is_left_out; /* only for who was left out */
};
struct big_list {
	struct slice canonical, sender;
};
/* A row of the queue: somebody elsewhere; or a mailbox here that gets it at its
 * release (RFC 4865); or what the sender wants to hear of (RFC 3461). */
struct remote {
	struct rcpt_name name;
	struct slice route, orcpt, sender;
	int64_t rrvs;
	bool rrvs_continue;
	struct slice forwarder; /* the domain here whose alias leads there */
	bool is_relay;          /* for a domain that we pass on for */
	bool is_left_out;       /* only for who was left out */
	uint8_t notify, state;  /* ROW_* */
	uint64_t row;           /* its number, when it has one */
};

struct acceptance {
	struct deposit d;
	struct asker asker;
	struct arena arena; /* was the transaction's */
	struct approval *approvals;
	struct message_row row;
	struct local *locals;
	struct remote *remotes;
	struct big_list *lists;
	size_t n_locals, n_remotes, n_lists, n_left_out;
	struct sending sending; /* of a login: account is not 0 */
	int64_t now, lifetime, relay_lifetime;
	struct slice hold; /* why nobody gets it yet, or empty */
	uint8_t lane;
	bool is_repeat, is_per_rcpt;
	struct fresh_mail *mail;   /* for its first attempt; may be NULL */
	uint8_t fresh[SRS_SECRET]; /* random; for store/forward */
};

/* -- who has room
 * --------------------------------------------------------------------- */

/* A member of a group waits when full, whoever else there is. Who is named
 * waits so that the others need not: were all told to come again, those with
 * room would get nothing for as long as one is full. Not with NOTIFY=SUCCESS:
 * that is told with the transaction. */
static bool
may_wait(const struct local *to, bool has_others)
{
	return to->is_member || (has_others && !to->is_told);
}

static bool
has_remote(const struct acceptance *a)
{
	for (size_t i = 0; i < a->n_remotes; i++)
		if (a->remotes[i].state == ROW_WAITING ||
		    a->remotes[i].state == ROW_LOCAL)
			return true;
	return false;
}

static int
find_full(struct db *db, struct acceptance *a, size_t *ret_n)
{
	uint64_t size = a->d.append.place.stored_len;

	for (size_t i = 0; i < a->n_locals; i++) {
		struct local *to = &a->locals[i];
		struct q_account_get row;
		int r = DB_ONE(account_get, db, &row, .account = to->account);

		if (r == DB_NONE)
			return STORE_E_NO_ACCOUNT;
		if (r != 0)
			return ERR_TRACE(r);
		to->is_full = !to->is_exempt &&
		    ((row.quota_bytes > 0 &&
			 (row.used_bytes > row.quota_bytes ||
			     size > row.quota_bytes - row.used_bytes)) ||
			(row.quota_messages > 0 &&
			    row.used_messages >= row.quota_messages));
		to->is_left_out = false;
		*ret_n += to->is_full;
	}
	return 0;
}

static int
look_for_room(struct db *db, struct acceptance *a)
{
	size_t n_full = 0;
	int r = find_full(db, a, &n_full);
	bool has_others =
	    a->n_locals > n_full || a->n_lists > 0 || has_remote(a);

	for (size_t i = 0; r == 0 && !a->is_per_rcpt && i < a->n_locals; i++)
		if (a->locals[i].is_full &&
		    !may_wait(&a->locals[i], has_others))
			r = STORE_E_QUOTA;
	return r;
}

static struct local *
find_local(struct acceptance *a, uint64_t account)
{
	for (size_t i = 0; i < a->n_locals; i++)
		if (a->locals[i].account == account)
			return &a->locals[i];
	return NULL;
}

static bool
has_full_target(struct acceptance *a, const struct approval *p)
{
	for (size_t i = 0; i < p->result.n_targets; i++) {
		const struct rcpt_target *t = &p->result.targets[i];
		const struct local *to =
		    t->account == 0 ? NULL : find_local(a, t->account);

		if (to != NULL && to->is_full && (t->via & RCPT_VIA_GROUP) == 0)
			return true;
	}
	return false;
}

static struct remote *
find_remote(struct acceptance *a, struct slice canonical)
{
	for (size_t i = 0; i < a->n_remotes; i++)
		if (slice_equal(a->remotes[i].name.canonical, canonical))
			return &a->remotes[i];
	return NULL;
}

static void
keep_in(struct acceptance *a, const struct rcpt_target *t)
{
	struct local *local =
	    t->account == 0 ? NULL : find_local(a, t->account);
	struct remote *remote = t->account == 0 && !t->is_list
	    ? find_remote(a, t->name.canonical)
	    : NULL;

	if (local != NULL)
		local->is_left_out = false;
	if (remote != NULL)
		remote->is_left_out = false;
}

static void
keep_approval(struct acceptance *a, const struct approval *p)
{
	for (size_t i = 0; i < p->result.n_targets; i++)
		keep_in(a, &p->result.targets[i]);
	/* what its sender is told of it */
	for (size_t i = 0; i < a->n_remotes; i++)
		if (slice_equal(a->remotes[i].name.canonical, p->rcpt))
			a->remotes[i].is_left_out = false;
}

/* LMTP (RFC 2033, 4.2): each recipient for himself. Who is reached only
 * through a recipient that is left out is left out, too. */
static int
leave_out(struct acceptance *a)
{
	size_t n = 0;

	a->n_left_out = 0;
	for (struct approval *p = a->approvals; p != NULL; p = p->next, n++) {
		p->is_left_out = has_full_target(a, p);
		a->n_left_out += p->is_left_out;
	}
	if (a->n_left_out == 0)
		return 0;
	if (a->n_left_out == n)
		return STORE_E_QUOTA;
	for (size_t i = 0; i < a->n_locals; i++)
		a->locals[i].is_left_out = true;
	for (size_t i = 0; i < a->n_remotes; i++)
		a->remotes[i].is_left_out = true;
	for (const struct approval *p = a->approvals; p != NULL; p = p->next)
		if (!p->is_left_out)
			keep_approval(a, p);
	return 0;
}

/* -- the transaction
 * --------------------------------------------------------------------- */

static int
deliver(struct db *db, struct acceptance *a, struct local *to)
{
	struct delivery d = { .account = to->account,
		.message = a->row.id,
		.size = a->d.append.place.stored_len,
		.keywords = SLICE(""),
		.date = a->now,
		.saved_at = a->now,
		.summary = a->row.summary,
		.is_exempt = to->is_exempt };
	int r = mailbox_deliver(db, &d);

	to->modseq = d.modseq;
	a->row.refs += r == 0;
	return r < 0 ? ERR_TRACE(r) : r;
}

static int
enqueue(struct db *db, struct acceptance *a, struct remote *to, uint32_t n)
{
	int64_t due = a->row.hold_until > a->now ? a->row.hold_until : a->now;
	struct queue_add q = { .message = a->row.id,
		.n = n,
		.tenant = 1,
		.sender = to->sender.len > 0 ? to->sender : a->row.sender,
		.rcpt = to->name.typed,
		.rcpt_canon = to->name.canonical,
		.route = to->route,
		.lane = a->lane,
		.now = a->now,
		.expires =
		    due + (to->is_relay ? a->relay_lifetime : a->lifetime),
		.notify = to->notify,
		.orcpt = to->orcpt,
		.state = to->state,
		.due = due,
		.by = a->row.deliver_by,
		.by_mode = a->row.by_mode,
		.priority = a->row.priority,
		.rrvs = to->rrvs,
		.rrvs_continue = to->rrvs_continue,
		.hold = a->hold };
	int r = queue_add(db, &q);

	to->row = q.row;
	a->row.refs += r == 0;
	return r < 0 ? ERR_TRACE(r) : r;
}

/* A full mailbox that may wait: the row stands there as if it had been held. */
static int
apply_locals(struct db *db, struct acceptance *a)
{
	uint32_t n = (uint32_t)a->n_remotes;

	for (size_t i = 0; i < a->n_locals; i++) {
		struct local *to = &a->locals[i];
		struct remote later = { .name = { to->address, to->address },
			.sender = to->sender,
			.orcpt = to->orcpt,
			.notify = to->notify,
			.state = ROW_LOCAL };
		int r;

		if (to->is_left_out)
			continue;
		r = to->is_full ? enqueue(db, a, &later, n++)
				: deliver(db, a, to);
		if (r != 0)
			return r < 0 ? ERR_TRACE(r) : r;
	}
	return 0;
}

/* An alias that leads outside sends in the name of its own domain: the sender's
 * has not named us as one of its hosts (SPF). */
static int
rewrite_sender(struct db *db, struct acceptance *a, struct remote *to)
{
	struct buf sender;
	int r;

	if (to->forwarder.len == 0)
		return 0;
	buf_init(&sender, LIMIT_ADDRESS);
	r = forward_sender(db, a->row.sender, to->forwarder, a->now, a->fresh,
	    &sender);
	if (r == 0 && !arena_copy(&a->arena, buf_slice(&sender), &to->sender))
		r = ERR_ORIGIN(-ENOMEM);
	buf_deinit(&sender);
	return r < 0 ? ERR_TRACE(r) : 0;
}

static int
apply_remotes(struct db *db, struct acceptance *a)
{
	for (size_t i = 0; i < a->n_remotes; i++) {
		int r = a->remotes[i].is_left_out
		    ? 0
		    : rewrite_sender(db, a, &a->remotes[i]);

		if (r == 0 && !a->remotes[i].is_left_out)
			r = enqueue(db, a, &a->remotes[i], (uint32_t)i);
		if (r != 0)
			return r < 0 ? ERR_TRACE(r) : r;
	}
	return 0;
}

/* Large lists are worked off behind this transaction; whom it has reached
 * already is not reached by them again. */
static int
apply_lists(struct db *db, struct acceptance *a)
{
	struct expand_begin e = { .message = a->row.id,
		.sender = a->row.sender,
		.next_n = (uint32_t)(a->n_remotes + a->n_locals),
		.expires = a->now + a->lifetime,
		.now = a->now,
		.hold = a->hold };
	int r = a->n_lists == 0 ? 0 : expand_begin(db, &e);

	if (r != 0 || a->n_lists == 0)
		return ERR_TRACE(r);
	a->row.refs++;
	for (size_t i = 0; r == 0 && i < a->n_lists; i++)
		r = expand_add(db, e.expansion, a->lists[i].canonical,
		    a->lists[i].sender);
	for (size_t i = 0; r == 0 && i < a->n_locals; i++)
		if (!a->locals[i].is_left_out)
			r = expand_reached_account(db, e.expansion,
			    a->locals[i].account);
	for (size_t i = 0; r == 0 && i < a->n_remotes; i++)
		r = expand_reached(db, e.expansion,
		    a->remotes[i].name.canonical);
	return ERR_TRACE(r);
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
	a->row.refs = 0;
	r = look_for_room(db, a);
	if (r == 0 && a->is_per_rcpt)
		r = leave_out(a);
	if (r == 0 && a->sending.account != 0)
		r = sending_charge(db, &a->sending);
	if (r == 0)
		r = apply_locals(db, a);
	if (r == 0)
		r = apply_remotes(db, a);
	if (r == 0)
		r = apply_lists(db, a);
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
		return wire_say(SMTP_SAY_KEPT);
	case STORE_E_QUOTA:
		return wire_say(SMTP_SAY_MAILBOX_FULL);
	case -ENOSPC:
	case -EDQUOT:
	case -ENOMEM:
		return wire_say(SMTP_SAY_FULL);
	case -EMSGSIZE:
		return wire_say(SMTP_SAY_TOO_BIG);
	default:
		return wire_say(SMTP_SAY_NOT_KEPT);
	}
}

static void
note_remote(const struct acceptance *a, const struct remote *to)
{
	struct store_role *s = a->asker.role;
	struct event event = { .message = a->row.id,
		.at = a->now,
		.kind = a->hold.len > 0 ? "held" : "queued",
		.address = to->name.canonical,
		.text = a->hold.len > 0      ? a->hold
		    : to->state == ROW_LOCAL ? SLICE("INBOX, at its release")
					     : to->route };
	bool is_on_its_way = to->state == ROW_WAITING || to->state == ROW_LOCAL;

	if (is_on_its_way)
		events_add(store_events(s->store), &event);
	if (is_on_its_way && a->hold.len > 0)
		return; /* due when somebody releases it */
	outbound_queued(s->outbound,
	    &(struct outbound_row){ .row = to->row,
		.message = a->row.id,
		.route = to->route,
		.lane = a->lane,
		.state = to->state,
		.due = a->row.hold_until,
		.by = a->row.deliver_by,
		.priority = a->row.priority,
		.sender = to->sender.len > 0 ? to->sender : a->row.sender });
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
note_locals(struct acceptance *a, struct event *event)
{
	struct store_role *s = a->asker.role;

	for (size_t i = 0; i < a->n_locals; i++) {
		const struct local *to = &a->locals[i];

		if (to->is_left_out)
			continue;
		event->kind = to->is_full ? "queued" : "delivered";
		event->address = to->address;
		event->text = to->is_full
		    ? SLICE("until there is room in the mailbox")
		    : SLICE("into INBOX");
		events_add(store_events(s->store), event);
		if (to->is_full)
			outbound_queued(s->outbound,
			    &(struct outbound_row){
				.lane = a->lane, .state = ROW_LOCAL });
		else
			scan_changed(s, to->account, to->modseq);
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
	note_locals(a, &event);
	for (size_t i = 0; i < a->n_remotes; i++)
		if (!a->remotes[i].is_left_out)
			note_remote(a, &a->remotes[i]);
	for (size_t i = 0; i < a->n_lists; i++) {
		event.kind = "expanding";
		event.address = a->lists[i].canonical;
		event.text = SLICE("a large list, worked off from now on");
		events_add(e, &event);
	}
	if (a->n_lists > 0)
		expander_look(s);
}

/* As message_insert() has put it there. */
static struct q_message_place
fresh_place(const struct acceptance *a)
{
	const struct message_row *m = &a->row;

	return (struct q_message_place){ .stored_len =
					     a->d.append.place.stored_len,
		.relay_from = m->relay_from,
		.is_8bit = m->is_8bit,
		.ret = m->ret,
		.envid = m->envid,
		.sender = m->sender,
		.is_binary = m->is_binary,
		.is_smtputf8 = m->is_smtputf8,
		.requires_tls = m->requires_tls,
		.deliver_by = m->deliver_by,
		.by_mode = m->by_mode,
		.by_trace = m->by_trace,
		.priority = m->priority,
		.attributes = message_attributes(m->summary) };
}

/* As queue_add() has. */
static struct out_fresh_row
fresh_row(const struct acceptance *a, const struct remote *to)
{
	return (struct out_fresh_row){ .row = to->row,
		.is = { .message = a->row.id,
		    .sender = to->sender.len > 0 ? to->sender : a->row.sender,
		    .rcpt = to->name.typed,
		    .rcpt_canon = to->name.canonical,
		    .notify = to->notify,
		    .orcpt = to->orcpt,
		    .due = a->now,
		    .rrvs = to->rrvs,
		    .rrvs_continue = to->rrvs_continue } };
}

static void
keep_fresh(struct acceptance *a)
{
	struct q_message_place place = fresh_place(a);
	struct out_fresh_row rows[FRESH_ROWS];
	size_t n = 0;

	for (size_t i = 0; i < a->n_remotes && n < FRESH_ROWS; i++)
		if (a->remotes[i].state == ROW_WAITING &&
		    !a->remotes[i].is_left_out)
			rows[n++] = fresh_row(a, &a->remotes[i]);
	outbound_fresh_keep(a->asker.role->outbound, a->mail, &a->arena, &place,
	    rows, n);
}

/* A login at its limit: its owner, and the administrator, may want to know. */
static void
note_limited(struct acceptance *a, const char *text)
{
	struct store_role *s = a->asker.role;
	struct event event = { .message = a->row.id,
		.at = a->now,
		.kind = "limited",
		.address = a->row.sender,
		.text = slice_cstr(text) };

	events_add(store_events(s->store), &event);
	env_log(s->env, ENV_WARN, "sending-limit",
	    "account=%llu limit=%lld of=%s",
	    (unsigned long long)a->sending.account, (long long)a->sending.limit,
	    a->sending.what);
}

static void
acceptance_free(struct acceptance *a)
{
	buf_deinit(&a->d.append.envelope);
	arena_reset(&a->arena);
	free(a->locals);
	free(a);
}

/* False: no memory. */
static bool
list_left_out(const struct acceptance *a, struct buf *rows,
    struct wire_list *ret)
{
	uint32_t i = 0;

	for (const struct approval *p = a->approvals; p != NULL;
	     p = p->next, i++) {
		struct wire_left_out row = { .rcpt = i,
			.verdict = wire_say(SMTP_SAY_MAILBOX_FULL) };

		if (!p->is_left_out)
			continue;
		if (wire_left_out_add(rows, &row) != 0)
			return false;
		ret->n++;
	}
	ret->raw = buf_slice(rows);
	return true;
}

static void
answer_commit(struct acceptance *a, struct channel *c, int r)
{
	struct wire_done m = { .id = a->row.id };
	char text[ACCEPT_TEXT];
	struct buf rows;

	buf_init(&rows, LIMIT_FRAME / 2);
	if (r == STORE_E_SENDING) {
		m.verdict = accept_sending_verdict(&a->sending, text);
		note_limited(a, text);
	} else {
		m.verdict = accept_verdict(a->asker.role, r);
	}
	if (r == 0 && a->n_left_out > 0 && !a->is_repeat &&
	    !list_left_out(a, &rows, &m.left_out))
		m.verdict = accept_verdict(a->asker.role, -ENOMEM);
	if (c != NULL)
		(void)wire_send_done(c, a->asker.session, a->asker.ticket, &m);
	buf_deinit(&rows);
}

static void
done_acceptance(struct store_write *w, int r)
{
	struct acceptance *a = acceptance_of(w);

	if (r == STORE_E_NO_ACCOUNT || r == STORE_E_NO_MAILBOX)
		accept_forget_addresses(a->asker.role);
	answer_commit(a, asker_channel(&a->asker), r);
	if (r == 0 && !a->is_repeat) {
		note_accepted(a);
		if (a->mail != NULL)
			keep_fresh(a);
	}
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
	if (row.sender.len == 0) /* RFC 3461, 5.2.7.1 (b) */
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
	bool is_member = (t->via & RCPT_VIA_GROUP) != 0;
	struct local *to;

	if (a->row.hold_until > a->now || a->hold.len > 0) {
		add_row(a, from,
		    (struct remote){ .name = t->name,
			.sender = t->sender,
			.notify = notify,
			.state = ROW_LOCAL });
		return;
	}
	if ((notify & NOTIFY_SUCCESS) != 0)
		add_told(a, from, ROW_DELIVERED);
	to = find_local(a, t->account);
	if (to != NULL) { /* who is named, too, is not only a member */
		to->is_told |= (notify & NOTIFY_SUCCESS) != 0;
		to->is_exempt |= t->is_exempt;
		if (to->is_member && !is_member) {
			to->is_member = false;
			to->sender = t->sender;
			to->orcpt = from->orcpt;
			to->notify = notify;
		}
		return;
	}
	a->locals[a->n_locals++] = (struct local){ .account = t->account,
		.address = t->name.canonical,
		.sender = t->sender,
		.orcpt = is_member ? SLICE("") : from->orcpt,
		.notify = is_member ? 0 : notify,
		.is_exempt = t->is_exempt,
		.is_member = is_member,
		.is_told = (notify & NOTIFY_SUCCESS) != 0 };
}

static void
add_remote(struct acceptance *a, const struct approval *from,
    const struct rcpt_target *t, uint8_t notify)
{
	struct remote row = { .name = t->name,
		.sender = t->sender,
		.is_relay = t->is_relay,
		.notify = notify };
	struct route_choice choice;
	struct slice local;

	if (!canon_split(t->name.canonical, &local, &row.route))
		return;
	/* what cannot be kept is found when it is its turn */
	outbound_route(a->asker.role->outbound,
	    t->sender.len > 0 ? t->sender : a->row.sender, row.route, &choice);
	if (!arena_copy(&a->arena, choice.key, &row.route) && t->route.len > 0)
		row.route = t->route;
	if (t->via != 0 && !t->is_relay && t->sender.len == 0 &&
	    a->row.sender.len > 0 &&
	    canon_split(from->rcpt, &local, &row.forwarder))
		env_random(a->asker.role->env, a->fresh, sizeof(a->fresh));
	add_row(a, from, row);
}

static void
add_list(struct acceptance *a, const struct rcpt_target *t)
{
	for (size_t i = 0; i < a->n_lists; i++)
		if (slice_equal(a->lists[i].canonical, t->name.canonical))
			return;
	a->lists[a->n_lists++] =
	    (struct big_list){ t->name.canonical, t->sender };
}

/* How success is told where the address is not itself a mailbox or somebody
 * elsewhere; ROW_WAITING: not from here. A group with an owner is a mailing
 * list (RFC 3461, 5.2.7.1): there the mail has arrived. An alias of one passes
 * everything on (5.2.7.2); with several its sender hears of the expansion
 * (5.2.7.3 (c)). */
static uint8_t
told_behind(const struct approval *p)
{
	size_t n_by_list = 0;
	bool is_large = false;

	if ((p->notify & NOTIFY_SUCCESS) == 0)
		return ROW_WAITING;
	for (size_t i = 0; i < p->result.n_targets; i++) {
		n_by_list += p->result.targets[i].sender.len > 0;
		is_large |= p->result.targets[i].is_list;
	}
	if (n_by_list > 0 && n_by_list == p->result.n_targets)
		return ROW_DELIVERED;
	return p->result.n_targets > 1 || is_large ? ROW_EXPANDED : ROW_WAITING;
}

/* What is asked of those behind: of no success that is told here, and behind
 * a mailing list nothing of the sender's. */
static uint8_t
notify_behind(const struct approval *p, const struct rcpt_target *t,
    uint8_t told)
{
	if (t->sender.len > 0)
		return 0;
	if (told == ROW_WAITING)
		return p->notify;
	return p->notify == NOTIFY_SUCCESS
	    ? NOTIFY_NEVER
	    : (uint8_t)(p->notify & ~NOTIFY_SUCCESS);
}

static void
collect_approval(struct acceptance *a, const struct approval *p)
{
	uint8_t told = told_behind(p);

	if (told != ROW_WAITING)
		add_told(a, p, told);
	for (size_t i = 0; i < p->result.n_targets; i++) {
		const struct rcpt_target *to = &p->result.targets[i];
		uint8_t notify = notify_behind(p, to, told);

		if (to->is_list)
			add_list(a, to);
		else if (to->account != 0)
			add_local(a, p, to, notify);
		else
			add_remote(a, p, to, notify);
	}
}

/* Everybody who was approved, each once. False: no memory. */
static bool
collect_targets(struct acceptance *a, const struct txn *t)
{
	size_t n = 1;

	for (const struct approval *p = t->first; p != NULL; p = p->next)
		n += p->result.n_targets + 1;
	a->locals = calloc(n,
	    sizeof(*a->locals) + sizeof(*a->remotes) + sizeof(*a->lists));
	if (a->locals == NULL)
		return false;
	a->remotes = (struct remote *)(void *)(a->locals + n);
	a->lists = (struct big_list *)(void *)(a->remotes + n);
	a->approvals = t->first;
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
	    !arena_copy(&a->arena, m->quarantine, &a->hold) ||
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
	const struct handle *handle =
	    handle_find(peer_of(c), m->handle, GRANT_SUBMIT);
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
	a->relay_lifetime = s->settings->relay_lifetime;
	a->is_per_rcpt = m->is_per_rcpt;
	if (handle != NULL)
		a->sending = (struct sending){ .account = handle->account,
			.defaults = accept_sending_defaults(s),
			.n_rcpts = t->n,
			.now = a->now };
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
		return m->handle == 0 &&
		    (!t->is_relay || slice_equal(t->sender, m->sender));
	return t->has_sender && t->handle == m->handle &&
	    slice_equal(t->sender, m->sender) &&
	    handle_find(p, m->handle, GRANT_SUBMIT) != NULL;
}

/* Filters want nothing of it kept, or leave nobody to get it. */
static void
discard(struct channel *c, const struct wire_head *h,
    const struct wire_commit *m)
{
	struct store_role *s = peer_of(c)->role;
	const struct event event = { .message = m->id,
		.at = env_wall(s->env),
		.kind = "discarded",
		.address = m->sender,
		.text = m->discards ? SLICE("by a content filter")
				    : SLICE("a content filter has taken all "
					    "recipients out") };

	events_add(store_events(s->store), &event);
	(void)wire_send_done(c, h->session, h->ticket,
	    &(struct wire_done){
		.id = m->id, .verdict = accept_verdict(s, 0) });
}

static bool
is_sent_at_once(const struct acceptance *a)
{
	if (a->hold.len > 0 || a->row.hold_until > a->now)
		return false;
	for (size_t i = 0; i < a->n_remotes; i++)
		if (a->remotes[i].state == ROW_WAITING)
			return true;
	return false;
}

int
on_commit(struct channel *c, const struct wire_head *h,
    const struct wire_commit *m)
{
	struct peer *p = peer_of(c);
	struct txn *t = map_get_number(&p->txns, m->txn);
	struct body *body = accept_take_body(p, m->body);
	struct acceptance *a = NULL;
	bool discards =
	    t != NULL && (m->discards || (t->n == 0 && t->is_emptied));
	bool is_ok = body != NULL && is_sound(m) && may_commit(p, t, m) &&
	    m->relay_from <= body_len(body);

	if (is_ok && !discards)
		a = acceptance_new(c, h, t, m);
	if (t != NULL)
		txn_free(p, t);
	if (a != NULL) {
		if (is_sent_at_once(a))
			a->mail =
			    outbound_fresh_new(&a->arena, body_bytes(body));
		deposit_submit(p->role->store, &a->d, body);
		return 0;
	}
	body_free(body);
	if (discards)
		discard(c, h, m);
	else
		(void)wire_send_done(c, h->session, h->ticket,
		    &(struct wire_done){ .id = m->id,
			.verdict =
			    accept_verdict(p->role, is_ok ? -ENOMEM : -EIO) });
	return 0;
}
