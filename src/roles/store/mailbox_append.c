/* SPDX-License-Identifier: ISC */
/*
 * roles/store/mailbox_append - APPEND: one message or several, or one in the
 * place of another
 *
 * Each message's bytes become durable as soon as the message is there. When
 * the last one is, one transaction puts them all into the mailbox and takes
 * away what is replaced: all or nothing (RFC 3502, RFC 8508). What was begun
 * and does not come to its last message leaves records that no row names.
 * Owned by the channel until the last message, then by the writer.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "roles/store/store_role.h"

enum {
	MESSAGES_MAX = LIMIT_IMAP_APPENDS /* in one command */
};

struct additions {
	struct list link; /* of the peer, until its last message is there */
	struct store_write write;
	struct asker asker;
	struct list members;
	size_t n, n_open; /* messages; whose bytes are not durable yet */
	int result;       /* the first trouble */
	bool is_whole, is_dropped;
	uint64_t account, modseq;
	struct mailbox_name name;
	uint64_t replaced_mailbox;
	struct uid_range replaced; /* lo 0: none */
	int64_t kept_at;
};

struct addition {
	struct list link;
	struct additions *of;
	struct deposit d;
	struct delivery delivery;
	struct message_row row;
	char keywords[LIMIT_KEYWORDS];
	uint8_t summary[];
};

/* -- the transaction ------------------------------------------------------- */

static int
remove_replaced(struct db *db, struct additions *g)
{
	struct mailbox_work w = { .account = g->account,
		.mailbox = g->replaced_mailbox,
		.ranges = &g->replaced,
		.n_ranges = 1,
		.any_flag = true,
		.kept_at = g->kept_at };
	int r;

	if (g->replaced.lo == 0)
		return 0;
	r = mailbox_expunge(db, &w);
	if (r == 0 && w.n == 0)
		return DB_NONE; /* it has gone meanwhile */
	return r < 0 ? ERR_TRACE(r) : r;
}

static int
add_one(struct db *db, struct addition *a, uint64_t mailbox)
{
	int r;

	a->delivery.mailbox = mailbox;
	a->delivery.size = a->d.append.place.stored_len;
	a->row.place = &a->d.append.place;
	a->row.refs = 1;
	r = mailbox_deliver(db, &a->delivery);
	if (r == 0)
		r = message_insert(db, &a->row);
	return r < 0 ? ERR_TRACE(r) : r;
}

static struct addition *
last_of(const struct additions *g)
{
	return LIST_ENTRY(g->members.prev, struct addition, link);
}

static int
apply_additions(struct db *db, struct store_write *w)
{
	struct additions *g = LIST_ENTRY(w, struct additions, write);
	struct q_mailbox_by_name box;
	int r = message_exists(db, &last_of(g)->row.id);

	if (r != DB_NONE)
		return ERR_TRACE(r);
	r = DB_ONE(mailbox_by_name, db, &box, .account = g->account,
	    .name = mailbox_name_slice(&g->name));
	if (r != 0)
		return r == DB_NONE ? STORE_E_NO_MAILBOX : ERR_TRACE(r);
	/* First, so that only the difference counts for the quota. */
	r = remove_replaced(db, g);
	LIST_FOREACH (it, &g->members) {
		if (r != 0)
			break;
		r = add_one(db, LIST_ENTRY(it, struct addition, link),
		    box.mailbox);
	}
	return r < 0 ? ERR_TRACE(r) : r;
}

/* -- the end --------------------------------------------------------------- */

static void
additions_free(struct additions *g, int r)
{
	LIST_FOREACH_SAFE (it, tmp, &g->members) {
		struct addition *a = LIST_ENTRY(it, struct addition, link);

		deposit_release(&a->d, r);
		buf_deinit(&a->d.append.envelope);
		free(a);
	}
	list_remove(&g->link);
	free(g);
}

static void
answer(struct additions *g, int r)
{
	struct channel *c = asker_channel(&g->asker);
	const struct addition *last = last_of(g);
	struct wire_done m = { .id = last->row.id,
		.verdict = wire_verdict_box(r),
		.uidvalidity = last->delivery.uidvalidity,
		.uid = last->delivery.uid };

	store_role_no_room(g->asker.role, r);
	if (c != NULL)
		(void)wire_send_done(c, g->asker.session, g->asker.ticket, &m);
	if (r == 0)
		scan_changed(g->asker.role, g->account, last->delivery.modseq);
}

static void
done_additions(struct store_write *w, int r)
{
	struct additions *g = LIST_ENTRY(w, struct additions, write);

	answer(g, r);
	additions_free(g, r);
}

/* When nothing of it is with the appender any more. */
static void
go_on(struct additions *g)
{
	if (g->n_open > 0)
		return;
	if (g->is_dropped) {
		additions_free(g, -ECANCELED);
	} else if (g->is_whole && g->result != 0) {
		answer(g, g->result);
		additions_free(g, g->result);
	} else if (g->is_whole) {
		store_submit(g->asker.role->store, &g->write);
	}
}

static void
on_appended(struct deposit *d, int r)
{
	struct addition *a = LIST_ENTRY(d, struct addition, d);

	a->of->n_open--;
	if (r != 0 && a->of->result == 0)
		a->of->result = r;
	go_on(a->of);
}

static void
drop(struct additions *g)
{
	list_remove(&g->link);
	list_init(&g->link);
	g->is_dropped = true;
	go_on(g);
}

/* -- what comes in --------------------------------------------------------- */

static struct additions *
additions_find(struct peer *p, uint64_t session)
{
	LIST_FOREACH (it, &p->additions) {
		struct additions *g = LIST_ENTRY(it, struct additions, link);

		if (g->asker.session == session)
			return g;
	}
	return NULL;
}

static struct additions *
additions_new(struct channel *c, const struct wire_head *h,
    const struct handle *of, const struct wire_append_commit *m)
{
	struct additions *g = calloc(1, sizeof(*g));
	struct peer *p = peer_of(c);

	if (g == NULL)
		return NULL;
	g->asker = asker_of(c, h);
	g->account = of == NULL ? 0 : of->account;
	list_init(&g->members);
	list_add_last(&p->additions, &g->link);
	g->replaced_mailbox = m->replaced_mailbox;
	g->replaced = (struct uid_range){ m->replaced_uid, m->replaced_uid };
	g->kept_at =
	    p->role->settings->keep_expunged > 0 ? env_wall(p->role->env) : 0;
	g->write = (struct store_write){ .lane = STORE_LANE_INTERACTIVE,
		.apply = apply_additions,
		.done = done_additions };
	if (of == NULL)
		g->result = -ENOENT;
	else if (mailbox_name_read(m->mailbox, &g->name) != 0)
		g->result = STORE_E_NO_MAILBOX;
	return g;
}

static struct addition *
addition_new(struct additions *g, const struct wire_append_commit *m,
    int64_t now)
{
	struct addition *a = calloc(1, sizeof(*a) + m->summary.len);

	if (a == NULL)
		return NULL;
	a->of = g;
	list_init(&a->d.link);
	a->d.append.header = (struct segment_header){
		.id = m->id, .time = now, .kind = SEGMENT_APPEND
	};
	memcpy(a->summary, m->summary.at, m->summary.len);
	a->row = (struct message_row){ .id = m->id,
		.received_at = now,
		.summary = slice_of(a->summary, m->summary.len) };
	a->delivery = (struct delivery){ .account = g->account,
		.message = m->id,
		.flags = m->flags,
		.date = m->date == 0 ? now : m->date,
		.zone = m->date == 0 ? 0 : m->zone,
		.saved_at = now,
		.summary = a->row.summary };
	buf_init(&a->d.append.envelope, SEGMENT_ENVELOPE_MAX);
	list_add_last(&g->members, &a->link);
	g->n++;
	return a;
}

static void
put_envelope(struct addition *a, const struct handle *of, struct slice mailbox)
{
	struct buf *e = &a->d.append.envelope;

	(void)segment_envelope_add(e, SEGMENT_ACCOUNT, slice_cstr(of->address));
	(void)segment_envelope_add(e, SEGMENT_MAILBOX, mailbox);
}

/* Keywords in the form in which they are kept. */
static bool
set_keywords(struct addition *a, struct slice keywords)
{
	struct buf sorted;
	bool is_ok;

	buf_init(&sorted, LIMIT_KEYWORDS + 1);
	is_ok = keywords_change(SLICE(""), keywords, FLAGS_SET, &sorted);
	if (is_ok) {
		struct slice s = buf_slice(&sorted);

		if (s.len > 0)
			memcpy(a->keywords, s.at, s.len);
		a->delivery.keywords = slice_of(a->keywords, s.len);
	}
	buf_deinit(&sorted);
	return is_ok;
}

static void
take(struct additions *g, struct addition *a, const struct handle *of,
    struct body *body, const struct wire_append_commit *m)
{
	if (g->result == 0 && !set_keywords(a, m->keywords))
		g->result = STORE_E_FORBIDDEN;
	if (g->result == 0 && body == NULL)
		g->result = -EIO; /* refused, and the front knows why */
	if (g->result != 0) {
		body_free(body);
		return;
	}
	put_envelope(a, of, m->mailbox);
	g->n_open++;
	deposit_append(g->asker.role->store, &a->d, body, on_appended);
}

int
on_append_commit(struct channel *c, const struct wire_head *h,
    const struct wire_append_commit *m)
{
	struct peer *p = peer_of(c);
	struct handle *of = handle_find(p, m->handle, GRANT_WRITE);
	struct body *body = accept_take_body(p, m->body);
	struct additions *g = additions_find(p, h->session);
	struct addition *a = NULL;

	if (g == NULL)
		g = additions_new(c, h, of, m);
	if (g != NULL && g->n < MESSAGES_MAX &&
	    (of == NULL || of->account == g->account))
		a = addition_new(g, m, env_wall(p->role->env));
	if (a == NULL) {
		body_free(body);
		if (g != NULL)
			drop(g);
		return g == NULL ? ERR_ORIGIN(-ENOMEM) : WIRE_E_BAD;
	}
	g->asker = asker_of(c, h); /* whom the last one's ticket is */
	g->is_whole = !m->more;
	if (g->is_whole) {
		list_remove(&g->link);
		list_init(&g->link);
	}
	take(g, a, of, body, m);
	go_on(g);
	return 0;
}

int
on_append_drop(struct channel *c, const struct wire_head *h,
    const struct wire_append_drop *m)
{
	struct additions *g = additions_find(peer_of(c), h->session);

	(void)m;
	if (g != NULL)
		drop(g);
	return 0;
}

void
additions_peer_lost(struct peer *p)
{
	while (!list_is_empty(&p->additions))
		drop(LIST_ENTRY(p->additions.next, struct additions, link));
}
