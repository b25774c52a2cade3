/* SPDX-License-Identifier: ISC */
/*
 * roles/store/mailboxes - fronts list mailboxes, look at them and open them
 *
 * Looking runs in the READ lane. Every request names a handle of the channel it
 * came on; the account is the handle's, never the front's to say. Changes are
 * mailbox_change.c's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/pages.h"
#include "roles/store/store_role.h"

enum {
	PAGE_ROWS = 64,
	MAILBOXES_MAX = 20000 /* of one account, in one answer */
};

/* -- looking
 * ----------------------------------------------------------------------- */

struct look {
	struct store_read read;
	struct asker asker;
	uint64_t account, modseq;
	uint32_t handle;
	bool read_only, exclusive, sums_deleted;
	struct mailbox_name name;
	struct pages pages;
	struct wire_mailbox box;
	char special_use[32];
	/* true: it goes on with l, and frees it */
	bool (*answer)(struct look *l, struct channel *c, int r);
	struct store_write saw;
	struct waiting waiting;
	size_t n_sent; /* pages */
};

static void
look_free(struct look *l)
{
	pages_deinit(&l->pages);
	free(l);
}

static uint32_t
first_recent(uint32_t seen_uid, uint32_t uidnext)
{
	return seen_uid < uidnext ? seen_uid : 0;
}

static int
is_subscribed(struct db *db, uint64_t account, struct slice name, bool *ret)
{
	struct q_subscription_get row;
	int r = DB_ONE(subscription_get, db, &row, .account = account,
	    .name = name);

	if (r == 0)
		*ret = row.n > 0;
	return ERR_TRACE(r);
}

static int
add_row(struct look *l, const struct wire_mailbox *box)
{
	struct page *p = pages_next(&l->pages, PAGE_ROWS);

	if (p == NULL || l->pages.n > MAILBOXES_MAX / PAGE_ROWS ||
	    wire_mailbox_add(&p->rows, box) != 0)
		return ERR_ORIGIN(-ENOMEM);
	p->n++;
	return 0;
}

/* A name that is no mailbox: a parent that was deleted, or a subscription. */
static int
add_name(struct db *db, struct look *l, struct slice name)
{
	struct wire_mailbox box = { .name = name, .special_use = SLICE("") };
	int r = is_subscribed(db, l->account, name, &box.subscribed);

	return r != 0 ? ERR_TRACE(r) : add_row(l, &box);
}

static int
exists(struct db *db, uint64_t account, struct slice name, bool *ret)
{
	struct q_mailbox_by_name row;
	int r =
	    DB_ONE(mailbox_by_name, db, &row, .account = account, .name = name);

	*ret = r == 0;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static bool
is_below(struct slice name, struct slice parent)
{
	return name.len > parent.len && name.at[parent.len] == '/' &&
	    slice_starts(name, parent);
}

/* The rows come sorted, so that the children of a name follow each other: a
 * parent is looked at when the first of them comes. */
static int
add_parents(struct db *db, struct look *l, struct slice name,
    struct slice previous)
{
	for (size_t i = 0; i < name.len; i++) {
		struct slice parent = slice_upto(name, i);
		bool is_there = true;
		int r;

		if (name.at[i] != '/' || is_below(previous, parent))
			continue;
		r = exists(db, l->account, parent, &is_there);
		if (r == 0 && !is_there)
			r = add_name(db, l, parent);
		if (r != 0)
			return ERR_TRACE(r);
	}
	return 0;
}

static int
has_children(struct db *db, uint64_t account, struct slice name, bool *ret)
{
	struct mailbox_name lo, hi;
	struct q_mailbox_children row;
	struct db_rows rows;
	int r;

	*ret = false;
	if (name.len >= LIMIT_MAILBOX_NAME)
		return 0;
	memcpy(lo.text, name.at, name.len);
	lo.text[name.len] = '/';
	lo.len = name.len + 1;
	hi = lo;
	hi.text[name.len] = '0';
	r = DB_MANY(mailbox_children, db, &rows, .account = account,
	    .from = mailbox_name_slice(&lo), .upto = mailbox_name_slice(&hi));
	if (r != 0)
		return ERR_TRACE(r);
	r = q_mailbox_children_next(&rows, &row);
	db_rows_close(&rows);
	*ret = r == 0;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
add_subscriptions(struct db *db, struct look *l)
{
	struct q_subscription_list row;
	struct db_rows rows;
	int r = DB_MANY(subscription_list, db, &rows, .account = l->account);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_subscription_list_next(&rows, &row)) == 0) {
		bool is_known = false;

		r = exists(db, l->account, row.name, &is_known);
		if (r == 0 && !is_known)
			r = has_children(db, l->account, row.name, &is_known);
		if (r == 0 && !is_known)
			r = add_name(db, l, row.name);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
sum_deleted(struct db *db, const struct look *l, struct wire_mailbox *box)
{
	struct q_mailbox_deleted_size row;
	int r;

	if (!l->sums_deleted || box->deleted == 0)
		return 0;
	r = DB_ONE(mailbox_deleted_size, db, &row, .mailbox = box->mailbox);
	if (r == 0)
		box->deleted_size = row.size;
	return ERR_TRACE(r);
}

static int
add_mailbox(struct db *db, struct look *l, const struct q_mailbox_list *row)
{
	struct wire_mailbox box = { .mailbox = row->mailbox,
		.name = row->name,
		.uidvalidity = row->uidvalidity,
		.uidnext = row->uidnext,
		.messages = row->messages,
		.unseen = row->unseen,
		.deleted = row->deleted,
		.size = row->size,
		.modseq = row->modseq,
		.exists = true,
		.special_use = row->special_use,
		.recent = first_recent(row->seen_uid, row->uidnext) };
	int r = is_subscribed(db, l->account, row->name, &box.subscribed);

	if (r == 0)
		r = sum_deleted(db, l, &box);
	return r != 0 ? ERR_TRACE(r) : add_row(l, &box);
}

static int
run_list(struct db *db, struct store_read *read)
{
	struct look *l = LIST_ENTRY(read, struct look, read);
	struct mailbox_name previous = { 0 };
	struct q_mailbox_list row;
	struct db_rows rows;
	int r = DB_MANY(mailbox_list, db, &rows, .account = l->account,
	    .after = SLICE(""));

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_mailbox_list_next(&rows, &row)) == 0) {
		r = add_parents(db, l, row.name, mailbox_name_slice(&previous));
		if (r == 0)
			r = add_mailbox(db, l, &row);
		if (r != 0 || row.name.len > LIMIT_MAILBOX_NAME)
			break;
		memcpy(previous.text, row.name.at, row.name.len);
		previous.len = row.name.len;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? ERR_TRACE(add_subscriptions(db, l))
			    : ERR_TRACE(r);
}

static void
list_gone(struct waiting *w)
{
	look_free(LIST_ENTRY(w, struct look, waiting));
}

static void
list_send(struct waiting *w)
{
	struct look *l = LIST_ENTRY(w, struct look, waiting);
	struct wire_mailbox_rows m = { .verdict = wire_verdict_box(0) };
	struct channel *c = asker_channel(&l->asker);

	m.rows = page_list(&l->pages.at[l->n_sent++]);
	m.more = l->n_sent < l->pages.n;
	(void)wire_send_mailbox_rows(c, l->asker.session, l->asker.ticket, &m);
	if (m.more)
		peer_when_room(&l->asker, w);
	else
		look_free(l);
}

/* Many long names may be more than a channel holds. */
static bool
answer_list(struct look *l, struct channel *c, int r)
{
	struct wire_mailbox_rows m = { .verdict = wire_verdict_box(r) };

	if (r != 0 || l->pages.n == 0) {
		(void)wire_send_mailbox_rows(c, l->asker.session,
		    l->asker.ticket, &m);
		return false;
	}
	list_init(&l->waiting.link);
	l->waiting.go = list_send;
	l->waiting.gone = list_gone;
	peer_when_room(&l->asker, &l->waiting);
	return true;
}

/* One mailbox, and the modseq of its account at the same moment. */
static int
run_one(struct db *db, struct store_read *read)
{
	struct look *l = LIST_ENTRY(read, struct look, read);
	struct slice name = mailbox_name_slice(&l->name);
	struct q_mailbox_by_name row;
	struct q_account_get account;
	int r = DB_ONE(mailbox_by_name, db, &row, .account = l->account,
	    .name = name);

	if (r == DB_NONE)
		return STORE_E_NO_MAILBOX;
	if (r == 0)
		r = DB_ONE(account_get, db, &account, .account = l->account);
	if (r != 0)
		return ERR_TRACE(r < 0 ? r : -EBADMSG);
	l->modseq = account.modseq;
	l->box = (struct wire_mailbox){ .mailbox = row.mailbox,
		.name = name,
		.uidvalidity = row.uidvalidity,
		.uidnext = row.uidnext,
		.messages = row.messages,
		.unseen = row.unseen,
		.deleted = row.deleted,
		.size = row.size,
		.modseq = row.modseq,
		.exists = true,
		.recent = first_recent(row.seen_uid, row.uidnext) };
	(void)slice_to_cstr(row.special_use, l->special_use,
	    sizeof(l->special_use));
	l->box.special_use = slice_cstr(l->special_use);
	r = sum_deleted(db, l, &l->box);
	if (r != 0)
		return ERR_TRACE(r);
	return ERR_TRACE(is_subscribed(db, l->account, name,
	    &l->box.subscribed));
}

/* Sessions that have it open may have been told more than its row says. */
static void
mend_recent(struct look *l)
{
	uint32_t told = scan_told(l->asker.role, l->account, l->box.mailbox);

	if (l->box.recent != 0 && told > l->box.recent)
		l->box.recent = first_recent(told, l->box.uidnext);
}

static bool
answer_status(struct look *l, struct channel *c, int r)
{
	struct wire_mailbox_rows m = { .verdict = wire_verdict_box(r) };

	if (r == 0) {
		mend_recent(l);
		r = add_row(l, &l->box);
	}
	if (r == 0)
		m.rows = page_list(&l->pages.at[0]);
	else
		m.verdict = wire_verdict_box(r);
	(void)wire_send_mailbox_rows(c, l->asker.session, l->asker.ticket, &m);
	return false;
}

static void
unlock(struct store_role *s, struct handle *h)
{
	if (!h->has_lock)
		return;
	h->has_lock = false;
	(void)map_take_number(&s->locks, h->account);
}

static void
finish_open(struct look *l, struct channel *c, int r)
{
	struct store_role *s = l->asker.role;
	struct handle *h = handle_find(peer_of(c), l->handle, GRANT_READ);
	struct wire_mailbox_opened m = { .verdict = wire_verdict_box(r),
		.box = { .name = SLICE(""), .special_use = SLICE("") } };

	if (r == 0 && h != NULL)
		r = scan_watch(h, l->asker.session, l->box.mailbox,
		    l->box.uidnext, l->read_only);
	else if (h == NULL)
		r = -ENOENT;
	m.verdict = wire_verdict_box(r);
	if (r == 0)
		m.box = l->box;
	else if (h != NULL && l->exclusive)
		unlock(s, h);
	(void)wire_send_mailbox_opened(c, l->asker.session, l->asker.ticket,
	    &m);
	/* Through the modseq that our snapshot had: what was committed since
	 * is told at once. */
	if (r == 0)
		scan_arm(s, &l->asker, l->handle, l->box.mailbox, l->modseq);
}

static int
apply_saw(struct db *db, struct store_write *w)
{
	struct look *l = LIST_ENTRY(w, struct look, saw);

	return DB_EXEC(mailbox_saw, db, .mailbox = l->box.mailbox,
	    .uid = l->box.uidnext);
}

static void
done_saw(struct store_write *w, int r)
{
	struct look *l = LIST_ENTRY(w, struct look, saw);
	struct channel *c = asker_channel(&l->asker);

	(void)r; /* somebody sees \Recent once more */
	if (c != NULL)
		finish_open(l, c, 0);
	look_free(l);
}

/* What is \Recent to this opener is so to nobody after it: that is noted
 * before the answer, for whoever opens the mailbox next. */
static bool
answer_open(struct look *l, struct channel *c, int r)
{
	if (r == 0)
		mend_recent(l);
	if (r != 0 || l->read_only || l->box.recent == 0) {
		finish_open(l, c, r);
		return false;
	}
	l->saw = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_saw,
		.done = done_saw };
	store_submit(l->asker.role->store, &l->saw);
	return true;
}

static void
done_look(struct store_read *read, int r)
{
	struct look *l = LIST_ENTRY(read, struct look, read);
	struct channel *c = asker_channel(&l->asker);

	if (c == NULL || !l->answer(l, c, r))
		look_free(l);
}

/* r: what is known already; then no thread is asked. */
static int
start_look(struct channel *c, const struct wire_head *h, uint32_t handle,
    struct slice name, const struct look *how)
{
	struct handle *of = handle_find(peer_of(c), handle, GRANT_READ);
	struct look *l = malloc(sizeof(*l));
	int r = 0;

	if (l == NULL)
		return ERR_ORIGIN(-ENOMEM);
	*l = *how;
	l->asker = asker_of(c, h);
	l->handle = handle;
	l->read.done = done_look;
	if (of == NULL)
		r = -ENOENT;
	else if (l->read.run == run_one &&
	    mailbox_name_read(name, &l->name) != 0)
		r = STORE_E_NO_MAILBOX;
	if (r != 0) {
		done_look(&l->read, r);
		return 0;
	}
	l->account = of->account;
	store_read(peer_of(c)->role->store, &l->read);
	return 0;
}

int
on_mailbox_list(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_list *m)
{
	struct look how = { .read.run = run_list,
		.answer = answer_list,
		.sums_deleted = m->sums_deleted };

	return start_look(c, h, m->handle, SLICE(""), &how);
}

int
on_mailbox_status(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_status *m)
{
	struct look how = { .read.run = run_one,
		.answer = answer_status,
		.sums_deleted = m->sums_deleted };

	return start_look(c, h, m->handle, m->name, &how);
}

static bool
lock(struct store_role *s, struct handle *h)
{
	struct handle *owner = map_get_number(&s->locks, h->account);

	if (owner != NULL)
		return owner == h;
	if (map_put_number(&s->locks, h->account, h) != 0)
		return false;
	h->has_lock = true;
	return true;
}

int
on_mailbox_open(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_open *m)
{
	struct store_role *s = peer_of(c)->role;
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct look how = { .read.run = run_one,
		.answer = answer_open,
		.read_only = m->read_only,
		.exclusive = m->exclusive };
	struct wire_mailbox_opened no = {
		.verdict = wire_verdict_make(BOX_IN_USE, 4, 2, 0,
		    "another session has the maildrop"),
		.box = { .name = SLICE(""), .special_use = SLICE("") }
	};

	if (of != NULL && m->exclusive && !lock(s, of)) {
		(void)wire_send_mailbox_opened(c, h->session, h->ticket, &no);
		return 0;
	}
	return start_look(c, h, m->handle, m->name, &how);
}

int
on_mailbox_close(struct channel *c, const struct wire_head *h,
    const struct wire_mailbox_close *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, 0);

	(void)h;
	if (of == NULL)
		return 0;
	scan_unwatch(of, m->mailbox);
	unlock(of->peer->role, of);
	return 0;
}
