/* SPDX-License-Identifier: ISC */
/*
 * roles/store/scan - the rows of a view, and word that they have changed
 *
 * SCAN is answered from reader's jobs of a bounded number of rows each; `upto`
 * is the modseq of the first job's snapshot, so that what changed while later
 * rows were read is asked for again. Arrivals need no index: from the top down
 * they are the run whose modseq is above `since`; what changed below that run
 * stands in the change table.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/indexer.h"
#include "roles/store/pages.h"
#include "roles/store/store_role.h"

enum {
	PAGE_ROWS = 64,
	PAGE_RANGES = 256,
	JOB_ROWS = 1024, /* read in one transaction: pages of a view that are
			  * full, so that they can be sent */
	NOTES_DONE = 64, /* that stay in memory though they are written */
	HELD_MAX = 1000  /* answers that wait for a front to read */
};

/* -- CHANGED
 * ------------------------------------------------------------------------- */

/* An account that somebody looks at. */
struct watched {
	uint64_t account, modseq; /* the last that was told to us */
	struct list watchers;
};

struct watcher {
	struct list link;    /* of the handle */
	struct list of_link; /* of the account */
	struct watched *of;
	struct handle *handle;
	uint64_t session, mailbox, upto;
	uint32_t told, noted; /* uids below: told to it, and so in the rows */
	bool is_armed, is_reader; /* EXAMINE takes nobody's \Recent away */
};

static struct watcher *
watcher_find(const struct handle *h, uint64_t mailbox)
{
	LIST_FOREACH (it, &h->watchers) {
		struct watcher *w = LIST_ENTRY(it, struct watcher, link);

		if (w->mailbox == mailbox)
			return w;
	}
	return NULL;
}

static struct watched *
watched_get(struct store_role *s, uint64_t account)
{
	struct watched *a = map_get_number(&s->watched, account);

	if (a != NULL)
		return a;
	a = calloc(1, sizeof(*a));
	if (a == NULL)
		return NULL;
	a->account = account;
	list_init(&a->watchers);
	if (map_put_number(&s->watched, account, a) != 0) {
		free(a);
		return NULL;
	}
	return a;
}

/* \Recent is for the first session that hears of a message (RFC 3501, 2.3.2).
 * What a session was told while it had the mailbox open is kept in memory, and
 * noted in the mailbox's row when it leaves. */
struct note {
	struct store_write write;
	struct list link; /* of the role, until it is done and for a while */
	struct store_role *role;
	uint64_t mailbox;
	uint32_t uid;
	bool is_done;
};

static int
apply_note(struct db *db, struct store_write *w)
{
	struct note *n = LIST_ENTRY(w, struct note, write);

	return ERR_TRACE(DB_EXEC(mailbox_saw, db, .mailbox = n->mailbox,
	    .uid = n->uid));
}

static void
drop_oldest_note(struct store_role *s)
{
	LIST_FOREACH (it, &s->notes) {
		struct note *n = LIST_ENTRY(it, struct note, link);

		if (!n->is_done)
			continue;
		list_remove(&n->link);
		free(n);
		s->n_notes_done--;
		return;
	}
}

/* Who opens the mailbox may have read its row before this was written, and be
 * answered only now: so the last ones stay in the list. */
static void
done_note(struct store_write *w, int r)
{
	struct note *n = LIST_ENTRY(w, struct note, write);

	(void)r; /* somebody sees \Recent once more */
	n->is_done = true;
	if (++n->role->n_notes_done > NOTES_DONE)
		drop_oldest_note(n->role);
}

void
scan_free_notes(struct store_role *s)
{
	while (s->n_notes_done > 0)
		drop_oldest_note(s);
}

static void
note_told(struct store_role *s, const struct watcher *w)
{
	struct note *n;

	if (w->is_reader || w->told <= w->noted || s->is_stopping)
		return;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return;
	n->role = s;
	n->mailbox = w->mailbox;
	n->uid = w->told;
	n->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_note,
		.done = done_note };
	list_add_last(&s->notes, &n->link);
	store_submit(s->store, &n->write);
}

uint32_t
scan_told(struct store_role *s, uint64_t account, uint64_t mailbox)
{
	struct watched *a = map_get_number(&s->watched, account);
	uint32_t ret = 0;

	LIST_FOREACH (it, &s->notes) {
		struct note *n = LIST_ENTRY(it, struct note, link);

		if (n->mailbox == mailbox && n->uid > ret)
			ret = n->uid;
	}
	if (a == NULL)
		return ret;
	LIST_FOREACH (it, &a->watchers) {
		struct watcher *w = LIST_ENTRY(it, struct watcher, of_link);

		if (w->mailbox == mailbox && !w->is_reader && w->told > ret)
			ret = w->told;
	}
	return ret;
}

static void
told_now(const struct asker *a, uint32_t handle, uint64_t mailbox,
    uint32_t uidnext)
{
	struct channel *c = asker_channel(a);
	struct handle *h =
	    c == NULL ? NULL : handle_find(peer_of(c), handle, 0);
	struct watcher *w = h == NULL ? NULL : watcher_find(h, mailbox);

	if (w != NULL && uidnext > w->told)
		w->told = uidnext;
}

int
scan_watch(struct handle *h, uint64_t session, uint64_t mailbox,
    uint32_t uidnext, bool is_reader)
{
	struct watcher *w = watcher_find(h, mailbox);

	if (w != NULL) {
		w->is_armed = false;
		w->session = session;
		w->is_reader = is_reader;
		return 0;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_ORIGIN(-ENOMEM);
	w->of = watched_get(h->peer->role, h->account);
	if (w->of == NULL) {
		free(w);
		return ERR_ORIGIN(-ENOMEM);
	}
	w->handle = h;
	w->session = session;
	w->mailbox = mailbox;
	w->told = w->noted = uidnext;
	w->is_reader = is_reader;
	list_add_last(&h->watchers, &w->link);
	list_add_last(&w->of->watchers, &w->of_link);
	return 0;
}

static void
watcher_free(struct store_role *s, struct watcher *w)
{
	note_told(s, w);
	list_remove(&w->link);
	list_remove(&w->of_link);
	if (list_is_empty(&w->of->watchers)) {
		(void)map_take_number(&s->watched, w->of->account);
		free(w->of);
	}
	free(w);
}

void
scan_unwatch(struct handle *h, uint64_t mailbox)
{
	LIST_FOREACH_SAFE (it, tmp, &h->watchers) {
		struct watcher *w = LIST_ENTRY(it, struct watcher, link);

		if (mailbox == 0 || w->mailbox == mailbox)
			watcher_free(h->peer->role, w);
	}
}

static void
tell(struct watcher *w)
{
	struct wire_changed m = { .handle = w->handle->number,
		.mailbox = w->mailbox,
		.modseq = w->of->modseq };

	if (!w->is_armed || w->of->modseq <= w->upto)
		return;
	w->is_armed = false;
	(void)wire_send_changed(&w->handle->peer->c, w->session, 0, &m);
}

void
scan_arm(struct store_role *s, const struct asker *a, uint32_t handle,
    uint64_t mailbox, uint64_t upto)
{
	struct channel *c = asker_channel(a);
	struct handle *h =
	    c == NULL ? NULL : handle_find(peer_of(c), handle, 0);
	struct watcher *w = h == NULL ? NULL : watcher_find(h, mailbox);

	(void)s;
	if (w == NULL)
		return;
	w->upto = upto;
	w->is_armed = true;
	tell(w);
}

/* Watchers of the whole account have no mailbox; they are told once. */
static void
tell_notice(struct watcher *w)
{
	struct wire_changed m = { .handle = w->handle->number,
		.modseq = w->of->modseq };

	if (w->mailbox != 0 || !w->is_armed)
		return;
	w->is_armed = false;
	(void)wire_send_changed(&w->handle->peer->c, w->session, 0, &m);
}

void
scan_noticed(struct store_role *s, uint64_t account)
{
	struct watched *a = map_get_number(&s->watched, account);

	if (a == NULL)
		return;
	LIST_FOREACH (it, &a->watchers)
		tell_notice(LIST_ENTRY(it, struct watcher, of_link));
}

int
on_notices(struct channel *c, const struct wire_head *h,
    const struct wire_notices *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct watcher *w;

	if (of == NULL)
		return 0;
	w = watcher_find(of, 0);
	if (!m->on && w != NULL)
		watcher_free(peer_of(c)->role, w);
	if (!m->on)
		return 0;
	if (w == NULL && scan_watch(of, h->session, 0, 0, true) != 0)
		return 0; /* no memory: nothing is told */
	w = watcher_find(of, 0);
	w->is_armed = true;
	return 0;
}

void
scan_changed(struct store_role *s, uint64_t account, uint64_t modseq)
{
	struct watched *a = map_get_number(&s->watched, account);

	indexer_changed(s, account);
	if (a == NULL || a->modseq >= modseq)
		return;
	a->modseq = modseq;
	LIST_FOREACH (it, &a->watchers) {
		struct watcher *w = LIST_ENTRY(it, struct watcher, of_link);

		if (w->mailbox == 0)
			tell_notice(w);
		else
			tell(w);
	}
}

/* -- SCAN
 * ----------------------------------------------------------------------------------
 */

struct scan {
	struct store_read read;
	struct waiting waiting;
	struct asker asker;
	uint64_t account, mailbox, since, upto;
	uint64_t gone_since, modseq, floor;
	uint32_t handle, uidnext;
	uint32_t next, hi; /* rows still to be read: [next, hi] */
	bool has_snapshot, is_done, is_held;
	struct view *view; /* of which it sends all, or NULL */
	struct pages rows, gone;
	size_t n_sent; /* pages of this job */
	int result;
};

static int
add_entry(struct scan *s, const struct q_entry_scan *row)
{
	struct page *p;
	struct wire_entry e = { .uid = row->uid,
		.flags =
		    (uint8_t)(row->flags | (row->deleted ? FLAG_DELETED : 0)),
		.modseq = row->modseq,
		.size =
		    row->size > UINT32_MAX ? UINT32_MAX : (uint32_t)row->size,
		.date = row->date,
		.zone = row->zone,
		.message = row->message,
		.keywords = row->keywords };

	if (s->view != NULL && s->view->upto == 0)
		return view_add(s->view, &e);
	p = pages_next(&s->rows, PAGE_ROWS);
	if (p == NULL || wire_entry_add(&p->rows, &e) != 0)
		return ERR_ORIGIN(-ENOMEM);
	p->n++;
	return 0;
}

/* The rows of [lo, hi], at most `most`; *ret_n says how many there were. */
static int
add_range(struct db *db, struct scan *s, uint32_t lo, uint32_t hi,
    uint32_t most, uint32_t *ret_n, uint32_t *ret_last)
{
	struct q_entry_scan row;
	struct db_rows rows;
	uint32_t n = 0;
	int r = DB_MANY(entry_scan, db, &rows, .account = s->account,
	    .mailbox = s->mailbox, .lo = lo, .hi = hi, .limit = most);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_entry_scan_next(&rows, &row)) == 0) {
		r = add_entry(s, &row);
		if (r != 0)
			break;
		*ret_last = row.uid;
		n++;
	}
	db_rows_close(&rows);
	*ret_n = n;
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

/* Where the run of arrivals since `since` begins. */
static int
first_arrival(struct db *db, struct scan *s, uint32_t *ret)
{
	struct q_entry_from_top row;
	struct db_rows rows;
	int r = DB_MANY(entry_from_top, db, &rows, .mailbox = s->mailbox,
	    .hi = s->hi);

	if (r != 0)
		return ERR_TRACE(r);
	*ret = s->hi == UINT32_MAX ? s->hi : s->hi + 1;
	while ((r = q_entry_from_top_next(&rows, &row)) == 0 &&
	    row.modseq > s->since && row.uid >= s->next)
		*ret = row.uid;
	db_rows_close(&rows);
	return r == DB_NONE || r == 0 ? 0 : ERR_TRACE(r);
}

/* Those below the arrivals that changed. */
static int
add_changed(struct db *db, struct scan *s, uint32_t below)
{
	struct q_change_scan row;
	struct db_rows rows;
	uint32_t n, last, previous = 0;
	int r;

	if (below <= s->next)
		return 0;
	r = DB_MANY(change_scan, db, &rows, .account = s->account,
	    .mailbox = s->mailbox, .since = s->since, .lo = s->next,
	    .hi = below - 1);
	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_change_scan_next(&rows, &row)) == 0) {
		if (row.uid == previous)
			continue;
		previous = row.uid;
		r = add_range(db, s, row.uid, row.uid, 1, &n, &last);
		if (r != 0)
			break;
	}
	db_rows_close(&rows);
	return r == DB_NONE ? 0 : ERR_TRACE(r);
}

static int
add_gone_range(struct scan *s, const struct wire_range *range)
{
	struct page *p = pages_next(&s->gone, PAGE_RANGES);

	if (p == NULL || wire_range_add(&p->rows, range) != 0)
		return ERR_ORIGIN(-ENOMEM);
	p->n++;
	return 0;
}

static int
add_gone(struct db *db, struct scan *s)
{
	uint64_t since =
	    s->gone_since == 0 || (s->since > 0 && s->since < s->gone_since)
	    ? s->since
	    : s->gone_since;
	struct wire_range range = { 0 };
	struct q_tombstone_scan row;
	struct db_rows rows;
	int r = DB_MANY(tombstone_scan, db, &rows, .mailbox = s->mailbox,
	    .since = since);

	if (r != 0)
		return ERR_TRACE(r);
	while ((r = q_tombstone_scan_next(&rows, &row)) == 0) {
		if (range.hi != 0 && row.uid <= range.hi + 1) {
			range.hi = row.uid;
			continue;
		}
		r = range.hi == 0 ? 0 : add_gone_range(s, &range);
		if (r != 0)
			break;
		range.lo = range.hi = row.uid;
	}
	db_rows_close(&rows);
	if (r == DB_NONE)
		r = range.hi == 0 ? 0 : add_gone_range(s, &range);
	return ERR_TRACE(r);
}

static int
take_snapshot(struct db *db, struct scan *s)
{
	struct q_mailbox_get box;
	struct q_account_get account;
	int r = DB_ONE(mailbox_get, db, &box, .account = s->account,
	    .mailbox = s->mailbox);

	if (r == DB_NONE)
		return STORE_E_NO_MAILBOX;
	if (r == 0)
		r = DB_ONE(account_get, db, &account, .account = s->account);
	if (r != 0)
		return ERR_TRACE(r < 0 ? r : -EBADMSG);
	s->upto = account.modseq;
	s->modseq = box.modseq;
	s->floor = box.floor;
	s->uidnext = box.uidnext;
	s->has_snapshot = true;
	return 0;
}

static int
run_since(struct db *db, struct scan *s)
{
	uint32_t from = 0, n, last;
	int r = first_arrival(db, s, &from);

	if (r == 0)
		r = add_changed(db, s, from);
	if (r == 0 && from <= s->hi)
		r = add_range(db, s, from, s->hi, UINT32_MAX, &n, &last);
	if (r == 0)
		r = add_gone(db, s);
	s->is_done = true;
	return ERR_TRACE(r);
}

/* What the view does not know yet; then all of it can be sent. */
static int
run_news(struct db *db, struct scan *s)
{
	int r;

	s->since = s->view->upto;
	r = run_since(db, s);
	if (r == 0)
		r = view_change(s->view, &s->rows, &s->gone);
	pages_deinit(&s->rows);
	pages_deinit(&s->gone);
	if (r == 0)
		s->view->upto = s->upto;
	return ERR_TRACE(r);
}

static int
run_scan(struct db *db, struct store_read *read)
{
	struct scan *s = LIST_ENTRY(read, struct scan, read);
	uint32_t n = 0, last = 0;
	int r = s->has_snapshot ? 0 : take_snapshot(db, s);

	if (r != 0)
		return r < 0 ? ERR_TRACE(r) : r;
	if (s->view != NULL && s->view->upto != 0 && s->view->upto >= s->floor)
		return run_news(db, s);
	if (s->since > 0)
		return run_since(db, s);
	if (s->view != NULL && s->view->upto != 0)
		view_clear(s->view);
	r = add_range(db, s, s->next, s->hi, JOB_ROWS, &n, &last);
	s->is_done = n < JOB_ROWS || last >= s->hi;
	if (s->view != NULL && s->is_done && r == 0)
		s->view->upto = s->upto;
	s->next = last + 1;
	if (r == 0 && s->is_done && s->gone_since > 0)
		r = add_gone(db, s);
	return ERR_TRACE(r);
}

/* Rows that a front has asked for and does not take are memory of ours: one
 * that asks for many answers and reads none goes. */
static void
set_held(struct scan *s, bool is_held)
{
	struct channel *c = asker_channel(&s->asker);

	if (s->is_held == is_held)
		return;
	s->is_held = is_held;
	if (c == NULL)
		return;
	peer_of(c)->n_held += is_held ? 1u : -1u;
	if (peer_of(c)->n_held > HELD_MAX)
		channel_throw_out(c, "asks for more than it reads");
}

static void
scan_free(struct scan *s)
{
	set_held(s, false);
	if (s->view != NULL)
		views_give(&s->asker.role->views, s->view,
		    s->result == 0 && s->view->upto != 0);
	pages_deinit(&s->rows);
	pages_deinit(&s->gone);
	free(s);
}

static size_t
count_pages(const struct scan *s)
{
	size_t n = s->view != NULL  ? s->view->n
	    : s->rows.n > s->gone.n ? s->rows.n
				    : s->gone.n;

	return s->result != 0 || n == 0 ? 1 : n;
}

static void
send_page(struct scan *s, struct channel *c, size_t i, size_t n)
{
	struct wire_scan_rows m = { .verdict = wire_verdict_box(s->result),
		.upto = s->upto,
		.modseq = s->modseq,
		.floor = s->floor,
		.uidnext = s->uidnext,
		.more = s->result == 0 && (i + 1 < n || !s->is_done) };

	if (s->result == 0 && s->view != NULL && i < s->view->n)
		m.rows = page_list(&s->view->pages[i].page);
	else if (s->result == 0 && i < s->rows.n)
		m.rows = page_list(&s->rows.at[i]);
	if (s->result == 0 && i < s->gone.n)
		m.gone = page_list(&s->gone.at[i]);
	(void)wire_send_scan_rows(c, s->asker.session, s->asker.ticket, &m);
}

static void
scan_next(struct waiting *w)
{
	struct scan *s = LIST_ENTRY(w, struct scan, waiting);

	store_read(s->asker.role->store, &s->read);
}

static void
scan_gone(struct waiting *w)
{
	scan_free(LIST_ENTRY(w, struct scan, waiting));
}

static void
scan_end(struct scan *s)
{
	if (s->result == 0)
		told_now(&s->asker, s->handle, s->mailbox, s->uidnext);
	if (s->result == 0)
		scan_arm(s->asker.role, &s->asker, s->handle, s->mailbox,
		    s->upto);
	scan_free(s);
}

/* What changed in a large mailbox may be more than a channel holds: it goes
 * as the front takes it. */
static void
scan_send(struct waiting *w)
{
	struct scan *s = LIST_ENTRY(w, struct scan, waiting);
	struct channel *c = asker_channel(&s->asker);
	size_t n = count_pages(s);

	/* The last job found no row more: an empty page says that this is all. */
	if (s->result == 0 && s->is_done && s->n_sent == n)
		n++;
	while (c != NULL && s->n_sent < n &&
	    (s->n_sent == 0 || !channel_is_full(c)))
		send_page(s, c, s->n_sent++, n);
	if (c != NULL && s->n_sent == n && (s->result != 0 || s->is_done)) {
		scan_end(s);
		return;
	}
	if (s->n_sent == n) {
		/* The pages of a view stay, and those behind them follow. */
		pages_deinit(&s->rows);
		s->n_sent = s->view != NULL ? s->view->n : 0;
		s->waiting.go = scan_next;
	}
	set_held(s, s->waiting.go == scan_send);
	peer_when_room(&s->asker, &s->waiting);
}

static void
done_scan(struct store_read *read, int r)
{
	struct scan *s = LIST_ENTRY(read, struct scan, read);

	s->result = r;
	s->waiting.go = scan_send;
	set_held(s, true);
	peer_when_room(&s->asker, &s->waiting);
}

int
on_scan(struct channel *c, const struct wire_head *h, const struct wire_scan *m)
{
	struct handle *of = handle_find(peer_of(c), m->handle, GRANT_READ);
	struct scan *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ERR_ORIGIN(-ENOMEM);
	s->asker = asker_of(c, h);
	s->handle = m->handle;
	s->mailbox = m->mailbox;
	s->since = m->since;
	s->gone_since = m->gone_since;
	s->next = m->lo;
	s->hi = m->hi;
	s->waiting.gone = scan_gone;
	list_init(&s->waiting.link);
	s->read.run = run_scan;
	s->read.done = done_scan;
	if (of == NULL) {
		done_scan(&s->read, -ENOENT);
		return 0;
	}
	s->account = of->account;
	if (m->since == 0 && m->gone_since == 0 && m->lo <= 1 &&
	    m->hi == UINT32_MAX)
		s->view = views_take(&s->asker.role->views, m->mailbox);
	store_read(peer_of(c)->role->store, &s->read);
	return 0;
}
